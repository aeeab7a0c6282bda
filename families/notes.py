"""The only writer of what agents note of a household: written, changed, withdrawn, seen.

A note is an agent's word for colleagues. It is the family's data none the less: who asks for a copy of its
data may be given it. The versions of a note say who wrote what.
Nobody notes of the own household, nor reads what colleagues note of it (`read_by`).
"""

from datetime import date, datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from families.custody import own
from families.models import Child, Household, HouseholdNote, SeenNote, User
from families.models.threads import named
from portal.database.history import written_by

ADD, CHANGE = "families.add_householdnote", "families.change_householdnote"
LOOK = ("families.view_householdnote", CHANGE)
TEXT_LENGTH = 2000


class NoteRefused(Exception):
    """Nothing was written; the message is the French sentence to show, `field` where it belongs."""

    def __init__(self, text: str, field: str = "") -> None:
        self.field = field
        super().__init__(text)


def kept_from(user: User, at: datetime) -> frozenset[int]:
    """The keys of the households whose notes an agent does not read: those in which he or she is a parent."""
    return own.kept_from(user, right=CHANGE, at=at)


def read_by(user: User, rows: QuerySet[HouseholdNote], at: datetime) -> QuerySet[HouseholdNote]:
    """Of some notes, those that an agent reads."""
    hidden = kept_from(user, at)
    return rows.exclude(household__in=hidden) if hidden else rows


@transaction.atomic
def write(
    household: Household, child: Child | None, text: str, alert_until: date | None, *, by: User, at: datetime
) -> HouseholdNote:
    """`alert_until`: the last day on which it stands at the head of the page. Raises NoteRefused, and
    OwnHousehold."""
    own.check(by, [household.pk], right=ADD, at=at)
    if Household.objects.lock([household.pk]).get(household.pk):
        raise NoteRefused("Ce foyer vient d'être réuni avec un autre : ouvrez sa page, puis recommencez.")
    _check(text, alert_until, at)
    note = HouseholdNote(
        household=household,
        child=child,
        text=text.strip(),
        alert_until=alert_until,
        by=by,
        by_name=named(by),
        at=at,
    )
    written_by(note, by).save()
    return note


@transaction.atomic
def change(
    note: HouseholdNote, child: Child | None, text: str, alert_until: date | None, *, by: User, at: datetime
) -> HouseholdNote:
    """What it says now is to be seen again by who had seen it. Raises NoteRefused, OwnHousehold."""
    own.check(by, [note.household_id], right=CHANGE, at=at)
    note = _standing(note)
    # An alert that is over may stay as it was.
    _check(text, alert_until if alert_until != note.alert_until else None, at)
    note.child, note.text, note.alert_until, note.changed_at = child, text.strip(), alert_until, at
    written_by(note, by).save()
    note.seen.all().delete()
    return note


@transaction.atomic
def withdraw(note: HouseholdNote, *, by: User, at: datetime) -> HouseholdNote:
    """It is shown no longer; the list keeps it, with who withdrew it. Raises NoteRefused, OwnHousehold."""
    own.check(by, [note.household_id], right=CHANGE, at=at)
    note = _standing(note)
    note.withdrawn_at, note.withdrawn_by_name = at, named(by)
    written_by(note, by).save()
    return note


def see(note: HouseholdNote, *, by: User, at: datetime) -> None:
    """« Vu »: for this agent the alert no longer stands at the head of the page."""
    SeenNote.objects.get_or_create(note=note, user=by, defaults={"at": at})


def _check(text: str, alert_until: date | None, at: datetime) -> None:
    if not text.strip():
        raise NoteRefused("Écrivez la note.", "text")
    if alert_until is not None and alert_until < timezone.localdate(at):
        raise NoteRefused("Ce jour est passé : l'alerte ne serait montrée à personne.", "alert_until")


def _standing(note: HouseholdNote) -> HouseholdNote:
    found = HouseholdNote.objects.select_for_update(of=("self",)).get(pk=note.pk)
    if found.withdrawn_at is not None:
        raise NoteRefused(f"Cette note a été retirée par {found.withdrawn_by_name}.")
    return found
