"""The only writer of trial households: made for an agent, answered by them, removed whole.

    make(wanted, by=agent, at=now)     the household, its adults and children, its login that of the agent
    waiting(home)                      what it asked for and the town hall would have to answer
    answer(home, by=agent, at=now)     all of it, granted or refused
    remove(home)                       all of it and for ever, in one transaction

What keeps its rows out of every count is `portal.database.trials`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from families.models import (
    Child,
    ChildHealth,
    Custody,
    DietChoice,
    FamilyQuotient,
    FormerAddress,
    Guardian,
    HomeDiet,
    Household,
    Residence,
    TrialHousehold,
    User,
)
from portal import town
from portal.database.trials import Tried, trying
from portal.reservations.acts import booking, enrolling, moving
from portal.reservations.models import (
    AudienceMember,
    Booking,
    BookingEvent,
    Enrolment,
    LeftDay,
    Move,
    Place,
    Reservation,
    ReservationLine,
    SchoolClass,
    Schooling,
)
from portal.reservations.states import LIVE, EnrolmentState, MoveState, Outcome

ALREADY = "Vous avez déjà un foyer d'essai : supprimez-le pour en faire un autre."
NOBODY = "Donnez au moins un enfant au foyer d'essai."
FIRST_NAMES = ("Premier", "Deuxième", "Troisième", "Quatrième")
LAST_NAME = "Essai"
STREET = "Foyer d'essai"
NO_POSTCODE = "00000"


class TrialRefused(Exception):
    """`str()` is a sentence for who tries."""


@dataclass(frozen=True)
class TrialChild:
    born: date
    school_class: SchoolClass | None = None


@dataclass(frozen=True)
class Wanted:
    """The home to try as. The first adult logs in, the second only stands beside."""

    children: Sequence[TrialChild]
    adults: int = 1
    resident: bool = True
    quotient: Decimal | None = None


@transaction.atomic
def make(wanted: Wanted, *, by: User, at: datetime) -> TrialHousehold:
    """A trial household for an agent, who has one at most. Raises TrialRefused."""
    User.objects.select_for_update().get(pk=by.pk)
    if TrialHousehold.tried.filter(trial_of=by).exists():
        raise TrialRefused(ALREADY)
    if not wanted.children:
        raise TrialRefused(NOBODY)
    home = TrialHousehold.tried.create(
        street=STREET,
        postcode=NO_POSTCODE,
        city=town.current().name,
        resident=wanted.resident,
        state=Household.State.ACCEPTED,
        decided_at=at,
        decided_by=by,
        trial=True,
        trial_of=by,
    )
    with trying(Tried(home.pk, by.email)):
        _fill(Household.objects.get(pk=home.pk), wanted, by, timezone.localdate(at))
    return home


def _fill(home: Household, wanted: Wanted, by: User, today: date) -> None:
    own_name = by.first_name or FIRST_NAMES[0]
    for user, name in [(by, own_name), (None, "Autre")][: wanted.adults]:
        Guardian.objects.create(household=home, user=user, first_name=name, last_name=LAST_NAME)
    if wanted.quotient is not None:
        first = date(today.year - 1, 1, 1)
        FamilyQuotient.objects.create(household=home, value=wanted.quotient, valid_from=first)
    for name, one in zip(FIRST_NAMES, wanted.children, strict=False):
        child = Child.objects.create(first_name=name, last_name=LAST_NAME, birth_date=one.born)
        Custody.objects.create(child=child, household=home)
        # An activity may ask for a health file: this one says nothing.
        ChildHealth.objects.create(child=child)
        if one.school_class is not None:
            enrolling.attend(child, one.school_class)


def holds(home: TrialHousehold) -> tuple[int, int]:
    """How many children it has, and how many days they asked for or have."""
    days = Booking._base_manager.filter(household=home.pk, state__in=LIVE).count()
    return Custody._base_manager.filter(household=home.pk).count(), days


# What it asks for -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Waiting:
    """What the town hall would have to answer."""

    enrolments: list[Enrolment]
    lines: list[ReservationLine]
    moves: list[Move]

    def __bool__(self) -> bool:
        return bool(self.enrolments or self.lines or self.moves)


def waiting(home: TrialHousehold) -> Waiting:
    with trying(Tried(home.pk, "")):
        enrolments = Enrolment.objects.filter(household=home.pk, state=EnrolmentState.REQUESTED)
        lines = ReservationLine.objects.filter(reservation__household=home.pk, outcome=Outcome.REQUESTED)
        moves = Move.objects.filter(household=home.pk, state=MoveState.REQUESTED)
        return Waiting(
            list(enrolments.select_related("child", "activity", "household").order_by("pk")),
            list(lines.select_related("reservation__child", "formula__activity").order_by("day", "pk")),
            list(moves.select_related("child", "enrolment").order_by("pk")),
        )


def answer(home: TrialHousehold, *, reason: str = "", by: User, at: datetime) -> None:
    """Grants all that waits; with a `reason`, refuses it. Raises what the verbs of an answer raise."""
    asked = waiting(home)
    with trying(Tried(home.pk, by.email)):
        for enrolment in asked.enrolments:
            if reason:
                enrolling.refuse(enrolment, reason=reason, by=by, at=at)
            else:
                enrolling.accept(enrolment, by=by, at=at)
        for move in asked.moves:
            if reason:
                moving.refuse(move, reason=reason, by=by, at=at)
            else:
                moving.accept(move, by=by, at=at)
        if asked.lines and reason:
            booking.refuse(asked.lines, reason=reason, by=by, at=at)
        elif asked.lines:
            booking.accept(asked.lines, by=by, at=at)


# Its end --------------------------------------------------------------------------------------------------

# Its rows, those first that point at others; by the path that leads to the household, or to its children.
OF_THE_HOME: tuple[tuple[type[Model], str], ...] = (
    (BookingEvent, "booking__household"),
    (Place, "booking__household"),
    (LeftDay, "move__household"),
    (Booking, "household"),
    (Move, "household"),
    (ReservationLine, "reservation__household"),
    (Reservation, "household"),
    (Enrolment, "household"),
)
OF_ITS_CHILDREN: tuple[type[Model], ...] = (Schooling, HomeDiet, DietChoice, ChildHealth, Custody)
OF_THE_HOUSEHOLD: tuple[type[Model], ...] = (
    FamilyQuotient,
    Residence,
    FormerAddress,
    AudienceMember,
    Guardian,
)


@transaction.atomic
def remove(home: TrialHousehold) -> None:
    """All of it goes, with its old versions: as many queries, however much it holds. Nothing of it is final,
    a document or money; what it booked took no place. Removed already, nothing happens."""
    held = Household._base_manager.select_for_update(of=("self",)).filter(pk=home.pk, trial=True)
    if not held.values_list("pk").first():
        return
    children = list(Custody._base_manager.filter(household=home.pk).values_list("child", flat=True))
    for model, path in OF_THE_HOME:
        _delete(model, Q(**{path: home.pk}))
    for model in OF_ITS_CHILDREN:
        _delete(model, Q(child__in=children))
    for model in OF_THE_HOUSEHOLD:
        _delete(model, Q(household=home.pk))
    _delete(Child, Q(pk__in=children))
    _delete(Household, Q(pk=home.pk))


def _delete(model: type[Model], which: Q) -> None:
    """These rows, and what the history keeps of them."""
    rows = model._base_manager.filter(which)
    history = getattr(model, "history", None)
    if history is not None:
        keys = rows.order_by().values("pk")
        _at_once(history.model._base_manager.filter(**{f"{model._meta.pk.attname}__in": keys}))
    _at_once(model._base_manager.filter(pk__in=rows.order_by().values("pk")))


def _at_once(rows: QuerySet[Any]) -> None:
    """One statement, which asks for none of the rows."""
    rows._raw_delete(rows.db)
