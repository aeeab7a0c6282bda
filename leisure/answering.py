"""The days that families ask for, put in the town hall's order, with what accepting them would do."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from itertools import groupby
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from families.models import FamilyQuotient
from leisure import criteria, priorities
from leisure.criteria import Asking, Order
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.acts import booking
from portal.reservations.models import Booking, Establishment, Period, ReservationLine, Slot
from portal.reservations.models.queries import class_of, lines_with_places
from portal.reservations.states import Action, Outcome

# A page holds that many lines, whole days only; dates narrow it.
LINES_SHOWN = 400
FORESEEN = {
    Outcome.ACCEPTED: "serait acceptée",
    Outcome.WAITLISTED: "irait en liste d'attente",
    Outcome.REQUESTED: "resterait sans réponse",
    Outcome.REFUSED: "retirée entre-temps",
}
STAYS = "resterait en liste d'attente"


@dataclass(frozen=True)
class Request:
    """A line in its rank, and what would become of it."""

    line: Any  # a ReservationLine with `attended` and `fewest`
    rank: int
    why: str
    arrived: datetime
    foreseen: Outcome
    guarded: str = ""  # what is said of it to who does not know of health

    @property
    def granted(self) -> bool:
        return self.foreseen == Outcome.ACCEPTED

    @property
    def foreseen_words(self) -> str:
        if self.line.outcome == self.foreseen == Outcome.WAITLISTED:
            return STAYS
        return FORESEEN[self.foreseen]


@dataclass
class RequestedDay:
    """The requests of a day at an establishment, and its places."""

    day: date
    establishment: Establishment
    requests: list[Request]
    slots: list[Slot] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{moments.day(self.day, year=True)}, {self.establishment}"

    @property
    def places(self) -> str:
        """« matin : 3 libres sur 40, après-midi : complet »."""
        return ", ".join(map(_places, self.slots))

    @property
    def granted(self) -> int:
        return sum(request.granted for request in self.requests)


def _places(slot: Slot) -> str:
    name = f"quota {slot.formula}" if slot.formula_id else slot.get_part_display()
    if slot.closed:
        return f"{name} : fermé"
    if slot.places_left is None:
        return f"{name} : sans limite"
    if slot.places_left == 0:
        return f"{name} : complet ({slot.capacity})"
    return f"{name} : {counted(slot.places_left, 'libre', 'libres')} sur {slot.capacity}"


def asked(
    period: Period,
    outcome: Outcome,
    *,
    establishment: Establishment | None = None,
    first: date | None = None,
    last: date | None = None,
) -> QuerySet[ReservationLine]:
    """Days to book in a period that wait for an answer (REQUESTED) or for a place (WAITLISTED)."""
    lines = ReservationLine.objects.filter(reservation__period=period, action=Action.BOOK, outcome=outcome)
    if establishment:
        lines = lines.filter(reservation__establishment=establishment)
    if first:
        lines = lines.filter(day__gte=first)
    if last:
        lines = lines.filter(day__lte=last)
    return lines


def in_order(lines: QuerySet[ReservationLine], order: Order, *, at: datetime) -> list[Request]:
    """The lines in the order they would be granted, in 5 queries whatever their number; one or two more for
    each criterion that reads something of who asks."""
    waiting_since = Booking.objects.waiting().filter(
        reservation=OuterRef("reservation"), formula=OuterRef("formula"), day=OuterRef("day")
    )
    known = {
        line.pk: line
        for line in lines_with_places(lines)
        .annotate(
            attended=class_of("reservation__child", "reservation__enrolment__school_year"),
            waiting_since=Subquery(waiting_since.values("waiting_since")[:1]),
        )
        .select_related(
            "formula",
            "reservation__child",
            "reservation__household",
            "reservation__establishment",
            "reservation__enrolment",
            "reservation__period",
        )
    }
    wanted = set(order.criteria)
    quotients: dict[int, Decimal] = {}
    siblings: set[tuple[int, int]] = set()
    if criteria.LOWEST_QUOTIENT_FIRST in wanted:
        quotients = _quotients({line.reservation.household_id for line in known.values()}, at=at)
    if criteria.SIBLINGS_FIRST in wanted:
        siblings = _siblings(known.values())
    asking = [_asking(line, quotients, siblings) for line in known.values()]
    told = priorities.told(asking, known, order.criteria, at=at)
    ranks = criteria.ranked(told, order)
    ordered = [known[rank.asking.line_id] for rank in ranks]
    foreseen = _foreseen(ordered)
    return [
        Request(line, place, rank.why, rank.asking.arrived, foreseen[line.pk], rank.guarded)
        for place, (line, rank) in enumerate(zip(ordered, ranks, strict=True), start=1)
    ]


def _asking(line: Any, quotients: dict[int, Decimal], siblings: set[tuple[int, int]]) -> Asking:
    reservation = line.reservation
    return Asking(
        line_id=line.pk,
        arrived=line.waiting_since or reservation.submitted_at,
        resident=reservation.household.resident,
        sibling=(line.pk, reservation.child_id) in siblings,
        quotient=quotients.get(reservation.household_id),
        by_itself=not reservation.at_desk,
    )


def _quotients(household_ids: set[int], *, at: datetime) -> dict[int, Decimal]:
    """The quotient in force of each household, on the day of the decision."""
    found: dict[int, Decimal] = {}
    rows = FamilyQuotient.objects.filter(household__in=household_ids).in_force(timezone.localdate(at))
    for row in rows:
        found.setdefault(row.household_id, row.value)
    return found


def _siblings(lines: Iterable[Any]) -> set[tuple[int, int]]:
    """(line id, child id) of those with another child of the household there that day."""
    wanted = list(lines)
    held: dict[tuple[int, int, date], set[int]] = defaultdict(set)
    rows = Booking.objects.holding().filter(
        household__in={line.reservation.household_id for line in wanted},
        establishment__in={line.reservation.establishment_id for line in wanted},
        day__in={line.day for line in wanted},
    )
    for household, place, day, child in rows.values_list("household", "establishment", "day", "child"):
        held[household, place, day].add(child)
    found = set()
    for line in wanted:
        one = line.reservation
        if held[one.household_id, one.establishment_id, line.day] - {one.child_id}:
            found.add((line.pk, one.child_id))
    return found


def _foreseen(lines: Sequence[ReservationLine]) -> dict[int, Outcome]:
    decision = booking.foresee_answer(lines)
    found = dict.fromkeys((line.pk for line in lines), Outcome.REFUSED)
    for outcome, of_outcome in (
        (Outcome.ACCEPTED, decision.accepted),
        (Outcome.WAITLISTED, decision.waitlisted),
        (Outcome.REQUESTED, decision.full),
    ):
        found.update((line.pk, outcome) for line in of_outcome)
    return found


def by_day(requests: Iterable[Request], period: Period) -> list[RequestedDay]:
    """The requests of each day and establishment, ranks kept, with the places of that day; one query."""

    def where(request: Request) -> tuple[date, str, int]:
        place = request.line.reservation.establishment
        return request.line.day, place.name, place.pk

    days = [
        RequestedDay(day, together[0].line.reservation.establishment, together)
        for (day, _, _), group in groupby(sorted(requests, key=lambda one: (*where(one), one.rank)), where)
        if (together := list(group))
    ]
    slots: dict[tuple[date, int], list[Slot]] = defaultdict(list)
    found = Slot.objects.filter(
        activity=period.activity_id,
        day__in={day.day for day in days},
        establishment__in={day.establishment.pk for day in days},
    ).select_related("formula")
    for slot in found.order_by("pk"):
        slots[slot.day, slot.establishment_id].append(slot)
    for day in days:
        day.slots = slots[day.day, day.establishment.pk]
    return days


def first_days(days: list[RequestedDay]) -> list[RequestedDay]:
    """As many whole days as a page holds; at least one."""
    shown: list[RequestedDay] = []
    count = 0
    for day in days:
        count += len(day.requests)
        if shown and count > LINES_SHOWN:
            break
        shown.append(day)
    return shown


def families_of(days: Iterable[RequestedDay]) -> list[tuple[int, str, int]]:
    """The households of these days by the names of their children, each with how many days they ask for."""
    asked: dict[int, list[Any]] = defaultdict(list)
    for day in days:
        for one in day.requests:
            asked[one.line.reservation.household_id].append(one.line.reservation.child)
    found = []
    for key, children in asked.items():
        names = sorted({(child.last_name, child.first_name): str(child) for child in children}.items())
        found.append((names[0][0], (key, ", ".join(name for _, name in names), len(children))))
    return [told for _, told in sorted(found)]


def fingerprint(requests: Iterable[Request]) -> str:
    """The same for previews that say the same: consent to another preview is none."""
    said = ";".join(f"{request.line.pk}:{request.foreseen}" for request in requests)
    return sha256(said.encode()).hexdigest()
