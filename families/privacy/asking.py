"""A copy of data is asked for: one at a time for each guardian; what stands still is begun anew."""

from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from families.custody import own
from families.models import DataExport, Guardian, Household, User
from families.privacy import tasks

RIGHT = "families.add_dataexport"
# A worker that gave no sign for so long is no longer at work.
STANDS_STILL = timedelta(minutes=15)


def ask(
    guardian: Guardian, *, by: User, at: datetime, at_desk: bool = False, with_notes: bool = False
) -> DataExport:
    """The copy under way, or a new one; the worker starts once this is committed.

    Raises OwnHousehold where an agent asks for what colleagues noted of the own household.
    """
    if with_notes:
        own.check(by, [guardian.household_id], right=RIGHT, at=at)
    with transaction.atomic():
        Household.objects.lock([guardian.household_id])
        under_way = DataExport.objects.filter(
            guardian=guardian, at_desk=at_desk, state=DataExport.State.WAITING
        )
        found = under_way.first()
        if found is None:
            found = DataExport.objects.create(
                household_id=guardian.household_id,
                guardian=guardian,
                at_desk=at_desk,
                with_notes=with_notes,
                asked_by=by,
                asked_at=at,
                touched_at=at,
            )
        elif stands_still(found, at):
            found.touched_at, found.with_notes = at, with_notes
            found.save(update_fields=["touched_at", "with_notes"])
        else:
            return found
        transaction.on_commit(partial(tasks.prepare_copy.enqueue, found.pk))
    return found


def stands_still(export: DataExport, at: datetime) -> bool:
    return export.is_waiting and export.touched_at < at - STANDS_STILL
