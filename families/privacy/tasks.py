"""Work of the worker on people's data."""

from django.utils import timezone
from django_tasks import task

from families.models import DataExport
from families.privacy import exporting
from portal.tasks import priorities
from portal.tasks.attempts import USUAL, at_most


def _stopped(export: int) -> None:
    waiting = DataExport.objects.filter(pk=export, state=DataExport.State.WAITING)
    waiting.update(state=DataExport.State.FAILED)


@at_most(USUAL, given_up=lambda args, _: _stopped(args[0]))
@task(priority=priorities.LONG)
def prepare_copy(export: int) -> None:
    """Prepares a copy of data; one that is ready, or gone, is left alone."""
    found = DataExport.objects.select_related("guardian__user", "household").filter(pk=export).first()
    if found is not None:
        exporting.prepare(found, at=timezone.now())
