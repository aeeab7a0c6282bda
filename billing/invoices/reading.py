"""What there is to bill, as it happened: presences, and what earlier invoices say otherwise. Reads only.

Every step takes what it needs of the steps before it, so that none can be asked too early.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from django.db.models import Max, QuerySet, Value

from billing.invoices.billable import UNCREDITED, Billable, Kind
from billing.models import BilledItem
from portal.reservations.models import AbsenceReason, Attendance, Booking, Formula
from portal.reservations.states import HOLDING, BookingState


@dataclass(kw_only=True, slots=True)
class Presence:
    """A booking, or an unreserved presence (`booking` None), to be billed for the `turn`-th time.

    Not frozen: there is one for every meal of a month, and a frozen one takes three times as long to make.
    """

    household: int
    child: int
    child_name: str
    activity: int
    activity_name: str
    establishment: int
    formula: int
    formula_name: str
    day: date
    booking: int | None = None
    attendance: Attendance | None = None
    late: bool = False
    period: int | None = None
    turn: int = 1

    @property
    def minutes(self) -> int | None:
        return self.attendance.minutes if self.attendance else None

    @property
    def name(self) -> str:
        """« Restauration scolaire – Repas »."""
        return f"{self.activity_name} – {self.formula_name}"


@dataclass(frozen=True, kw_only=True)
class Billed:
    """What an invoice billed of a booking, or of an unreserved presence."""

    item: BilledItem
    household: int
    child: int
    day: date

    @property
    def by_number(self) -> bool:
        """Whether it costs nothing by itself: packages of days are paid."""
        return self.item.line.kind == Kind.QUANTITY

    @property
    def taken_back(self) -> bool:
        """Whether it is taken back at a turn of its own before it is billed anew."""
        return bool(self.item.amount) or self.by_number


@dataclass(frozen=True, kw_only=True)
class Reconsidered:
    """What an invoice billed of a booking, and the booking as it stands now."""

    billed: Billed
    presence: Presence


@dataclass(frozen=True, kw_only=True)
class Reading:
    """`presences` to bill; `refilled`: those of flat prices that were given back, due again where any counts;
    `asked`: what waits for the town hall's answer; `taken_back`: billed, and not due any more;
    `reconsidered`: billed, to be looked at again; `attendance`: what was entered, by booking."""

    attendance: Mapping[int, Attendance]
    presences: list[Presence]
    refilled: list[Presence]
    asked: list[Presence]
    taken_back: list[Billed]
    reconsidered: list[Reconsidered]

    @property
    def due(self) -> list[Presence]:
        """What may be on the invoice, for the first time or again."""
        return [*self.presences, *self.refilled, *(one.presence for one in self.reconsidered)]

    @property
    def formulas_taken_back(self) -> set[int]:
        """As which formulas days were billed that are not due any more."""
        return {one.item.line.formula_id for one in self.taken_back if one.item.line.formula_id is not None}

    @property
    def days_taken_back(self) -> list[date]:
        return [one.day for one in self.taken_back]


def read(billable: Billable, *, requests: bool = False) -> Reading:
    """In eleven queries at most, whatever the households and days. `requests`: reads what waits for the town
    hall's answer too."""
    booked, asked = _unbilled(billable, requests=requests)
    held_again, refilled = _held_again(billable)
    presences = [*booked, *held_again, *_unreserved(billable)]
    taken_back = [*_billed(billable.billed_bookings_ended()), *_billed(billable.billed_by_mistake())]
    entered = _billed(billable.billed_then_entered())
    days = [one.day for one in (*presences, *refilled, *asked)]
    days += [one.day for one in (*taken_back, *entered)]
    attendance = _attendance(billable, min([billable.scope.month, *days]))
    for one in (*presences, *refilled, *asked):
        if one.booking is not None:
            one.attendance = attendance.get(one.booking)
    following = _following(
        attendance,
        changed=_first_changes(presences, [*entered, *taken_back]),
        known={one.booking for one in presences} | {one.item.booking_id for one in entered},
    )
    reconsidered = _reconsidered([*entered, *_standing(billable, following)], attendance)
    _as_seen([*presences, *refilled, *(one.presence for one in reconsidered)])
    return Reading(
        attendance=attendance,
        presences=presences,
        refilled=refilled,
        asked=asked,
        taken_back=taken_back,
        reconsidered=reconsidered,
    )


def read_month(billable: Billable) -> Reading:
    """The days of the month that are billed and stand, each with its presence as it is known now. In five
    queries, one more where flat prices of periods reach into other months, and one where any came for
    longer."""
    attendance = _attendance(billable, billable.scope.month)
    booked = _billed(billable.standing())
    found = _reconsidered(booked, attendance)
    came = _billed(billable.standing_unreserved())
    periods = {
        one.presence.period for one in found if one.billed.item.line.kind == Kind.FLAT and one.presence.period
    }
    if periods:
        found += _reconsidered(_billed(billable.standing_in_periods(periods)), attendance)
    found += [
        Reconsidered(billed=one, presence=_came(one.item.attendance, one.item.turn + 2))
        for one in came
        if one.item.attendance is not None
    ]
    _as_seen([one.presence for one in found])
    found.sort(key=lambda one: (one.presence.household, one.presence.child, one.presence.day))
    return Reading(
        attendance=attendance, presences=[], refilled=[], asked=[], taken_back=[], reconsidered=found
    )


def standing_at(
    billable: Billable, formulas: Collection[int], days: tuple[date, date]
) -> tuple[list[Reconsidered], dict[int, Attendance]]:
    """What stands billed of these formulas between two days, whatever the month, credited by a note or not,
    each with its presence; and what was entered, by booking. In four queries, one more where any came for
    longer."""
    attendance = {one.booking_id: one for one in billable.entered(days) if one.booking_id is not None}
    booked = _reconsidered(_billed(billable.standing_of(formulas, days)), attendance)
    came = _billed(billable.standing_unreserved_of(formulas, days))
    found = booked + [
        Reconsidered(billed=one, presence=_came(one.item.attendance, one.item.turn + 2))
        for one in came
        if one.item.attendance is not None
    ]
    _as_seen([one.presence for one in found])
    return found, attendance


def not_entered(reading: Reading, first: date) -> list[Presence]:
    """Presences from `first` on without attendance, where attendance is taken."""
    taken = {
        (one.establishment_id, one.formula_id) for one in reading.attendance.values() if one.day >= first
    }
    return [
        one
        for one in reading.presences
        if one.attendance is None and one.day >= first and (one.establishment, one.formula) in taken
    ]


# Presences -----------------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """A booking as it is read: its fields are the columns asked for."""

    pk: int
    household_id: int
    child_id: int
    child__first_name: str
    child__last_name: str
    activity_id: int
    activity__name: str
    establishment_id: int
    formula_id: int
    formula__name: str
    day: date
    late: bool
    reservation__period_id: int | None
    state: str


def _rows(bookings: QuerySet[Booking]) -> list[_Row]:
    found = bookings.order_by("household_id", "child_id", "day", "pk").values_list(*_Row._fields)
    return [_Row(*row) for row in found]


def _presence(row: _Row, attendance: Mapping[int, Attendance], turn: int) -> Presence:
    return Presence(
        booking=row.pk,
        attendance=attendance.get(row.pk),
        household=row.household_id,
        child=row.child_id,
        child_name=f"{row.child__first_name} {row.child__last_name}",
        activity=row.activity_id,
        activity_name=row.activity__name,
        establishment=row.establishment_id,
        formula=row.formula_id,
        formula_name=row.formula__name,
        day=row.day,
        late=row.late,
        period=row.reservation__period_id,
        turn=turn,
    )


def _attendance(billable: Billable, first: date) -> dict[int, Attendance]:
    """By booking."""
    return {one.booking_id: one for one in billable.attendance(first) if one.booking_id is not None}


def _unbilled(billable: Billable, *, requests: bool) -> tuple[list[Presence], list[Presence]]:
    """Those never billed, and apart those that are only asked for; without what was entered of them."""
    states = (*HOLDING, BookingState.REQUESTED) if requests else HOLDING
    booked: list[Presence] = []
    asked: list[Presence] = []
    for row in _rows(billable.unbilled_bookings(states)):
        where = asked if row.state == BookingState.REQUESTED else booked
        where.append(_presence(row, {}, 1))
    return booked, asked


def _as_seen(presences: Collection[Presence]) -> None:
    """Who was booked for less than it came for is billed once, for what it came for. One query, where any
    was."""
    longer = [
        (one, one.attendance.formula_id)
        for one in presences
        if one.attendance is not None and one.attendance.formula_id != one.formula
    ]
    if not longer:
        return
    names = dict(Formula.objects.filter(pk__in={pk for _, pk in longer}).values_list("pk", "name"))
    for presence, formula in longer:
        presence.formula, presence.formula_name = formula, names[formula]


def _with_turns(turns: Mapping[int, int], attendance: Mapping[int, Attendance]) -> list[Presence]:
    """Bookings by their key, each with the turn at which it is billed."""
    if not turns:
        return []
    rows = _rows(Booking.objects.filter(pk__in=list(turns)))
    return [_presence(row, attendance, turns[row.pk]) for row in rows]


def _held_again(billable: Billable) -> tuple[list[Presence], list[Presence]]:
    """Those whose billing was taken back and, apart, those whose flat price was; at most two queries."""
    turns: dict[bool, dict[int, int]] = {False: {}, True: {}}
    rows = [
        found.annotate(last=Max("billed__turn"), of_flat=Value(of_flat))
        .order_by()
        .values_list("of_flat", "pk", "last")
        for of_flat, found in (
            (False, billable.bookings_held_again()),
            (True, billable.days_of_flats_given_back()),
        )
    ]
    for of_flat, pk, last in rows[0].union(rows[1]):
        turns[bool(of_flat)][pk] = last + 1
    found = _with_turns(turns[False] | turns[True], {})
    return (
        [one for one in found if one.booking not in turns[True]],
        [one for one in found if one.booking in turns[True]],
    )


def _unreserved(billable: Billable) -> list[Presence]:
    rows = billable.unbilled_attendance().select_related("child", "formula__activity")
    return [_came(one) for one in rows.order_by("household_id", "child_id", "day", "pk")]


def _came(one: Attendance, turn: int = 1) -> Presence:
    return Presence(
        attendance=one,
        household=one.household_id,
        child=one.child_id,
        child_name=str(one.child),
        activity=one.formula.activity_id,
        activity_name=one.formula.activity.name,
        establishment=one.establishment_id,
        formula=one.formula_id,
        formula_name=one.formula.name,
        day=one.day,
        turn=turn,
    )


# What was billed before ----------------------------------------------------------------------------------


def _billed(items: QuerySet[BilledItem]) -> list[Billed]:
    rows = items.select_related(
        "booking", "attendance__child", "attendance__formula__activity", "line__invoice"
    )
    found = []
    for item in rows.order_by("booking__day", "attendance__day", "pk"):
        of = item.booking or item.attendance
        if of is not None:  # a flat price is of no day
            found.append(Billed(item=item, household=of.household_id, child=of.child_id, day=of.day))
    return found


def _first_changes(
    presences: Collection[Presence], billed: Collection[Billed]
) -> dict[tuple[int, int], date]:
    """By household and child, the first day that is no longer what it was on an invoice."""
    moved = [(one.household, one.child, one.day) for one in presences]
    moved += [(one.household, one.child, one.day) for one in billed if one.item.booking_id is not None]
    found: dict[tuple[int, int], date] = {}
    for household, child, day in moved:
        found[household, child] = min(day, found.get((household, child), date.max))
    return found


def _following(
    attendance: Mapping[int, Attendance],
    *,
    changed: Mapping[tuple[int, int], date],
    known: Collection[int | None],
) -> list[int]:
    """Bookings of certified absences, and of illnesses, after a day that changed, but for those `known`
    already: what is billed of them may hang on the days before."""
    return [
        pk
        for pk, one in attendance.items()
        if (one.certificate_at or one.reason == AbsenceReason.ILLNESS)
        and pk not in known
        and one.day > changed.get((one.household_id, one.child_id), date.max)
    ]


def _standing(billable: Billable, bookings: Collection[int]) -> list[Billed]:
    """The billings of these bookings that stand."""
    if not bookings:
        return []
    standing = billable.last_billings().filter(UNCREDITED, booking__state__in=HOLDING, booking__in=bookings)
    return _billed(standing)


def _reconsidered(billed: Collection[Billed], attendance: Mapping[int, Attendance]) -> list[Reconsidered]:
    """What costs something is taken back first, at a turn of its own."""
    of = {one.item.booking_id: one for one in billed if one.item.booking_id is not None}
    turns = {pk: one.item.turn + (2 if one.taken_back else 1) for pk, one in of.items()}
    presences = {one.booking: one for one in _with_turns(turns, attendance)}
    return [Reconsidered(billed=one, presence=presences[pk]) for pk, one in of.items()]
