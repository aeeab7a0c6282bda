"""What a day's price owes to other days: whether an absence is billed, which late days are forgiven."""

from collections import defaultdict
from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta
from typing import NamedTuple, TypeAlias

from django.db.models import Min, Q
from django.utils import timezone

from billing.invoices.reading import Presence, Reading
from billing.prices.books import PriceBook
from billing.rules import absences
from billing.rules.absences import AbsenceRules, Missed
from portal.reservations.days.late_days import LateDays
from portal.reservations.models import Attendance, AttendanceState, Booking, Formula
from portal.reservations.presence import announcing
from portal.reservations.states import HOLDING, BookingState

# Household, child, activity.
Whose: TypeAlias = tuple[int, int, int]
# A week of which every day was missed is known by its other days.
WHOLE_WEEK = timedelta(days=6)


# Absences ------------------------------------------------------------------------------------------------


def absences_billed(reading: Reading, rules: Callable[[], AbsenceRules]) -> dict[int, bool]:
    """Attendance of a missed booking → whether it is billed; those not here are presences.

    `rules` is called if anything was missed. Three queries at most, none without an absence; one more where
    a rule asks when an absence was told.
    """
    rows = [one for one in reading.attendance.values() if one.state == AttendanceState.ABSENT]
    if not rows:
        return {}
    activities, by_activity = _activities(rows, reading), rules()
    missed = _missed(rows, activities, _told(rows, activities, by_activity))
    booked = _booked_around(missed)
    billed: dict[int, bool] = {}
    for whose, said_of in missed.items():
        due = absences.billed(by_activity.of(whose[2]), list(said_of.values()), booked[whose])
        billed |= {pk: one in due for pk, one in said_of.items()}
    return billed


def _told(
    rows: Collection[Attendance], activities: dict[int, int], rules: AbsenceRules
) -> dict[tuple[int, int, date], datetime]:
    """When the families told these absences, by home, child and day; of the rules that ask it."""
    asked = [row for row in rows if rules.of(activities[row.formula_id]).asks_when_told]
    return announcing.told_at({(row.household_id, row.child_id, row.day) for row in asked})


def _activities(rows: Collection[Attendance], reading: Reading) -> dict[int, int]:
    """By formula: missed in another formula of the activity, a day belongs to the same absence."""
    known = {one.formula: one.activity for one in reading.due}
    if others := {row.formula_id for row in rows} - set(known):
        known |= dict(Formula.objects.filter(pk__in=others).values_list("pk", "activity_id"))
    return known


def _missed(
    rows: Collection[Attendance],
    activities: dict[int, int],
    told: dict[tuple[int, int, date], datetime],
) -> dict[Whose, dict[int, Missed]]:
    found: dict[Whose, dict[int, Missed]] = defaultdict(dict)
    for row in rows:
        given = timezone.localtime(row.certificate_at) if row.certificate_at else None
        said = Missed(
            row.day, absences.Reason(row.reason), given, told.get((row.household_id, row.child_id, row.day))
        )
        found[row.household_id, row.child_id, activities[row.formula_id]][row.pk] = said
    return found


def _booked_around(missed: dict[Whose, dict[int, Missed]]) -> dict[Whose, set[date]]:
    """The booked days of those who missed some, billed long ago or not: they part absences."""
    days = [one.day for rows in missed.values() for one in rows.values()]
    bookings = Booking.objects.filter(
        household_id__in={household for household, _, _ in missed},
        child_id__in={child for _, child, _ in missed},
        state__in=HOLDING,
        day__range=(min(days) - WHOLE_WEEK, max(days) + WHOLE_WEEK),
    )
    found: dict[Whose, set[date]] = defaultdict(set)
    for household, child, activity, day in bookings.order_by().values_list(
        "household_id", "child_id", "activity_id", "day"
    ):
        found[household, child, activity].add(day)
    return found


# Late days -----------------------------------------------------------------------------------------------


class _LateBooking(NamedTuple):
    """A late booking as it is read: its fields are the columns asked for."""

    pk: int
    state: str
    invoice: int | None
    household_id: int
    child_id: int
    formula_id: int
    reservation__period_id: int | None
    establishment_id: int
    day: date

    @property
    def place(self) -> tuple[object, ...]:
        """Those on an invoice come first, in its order, then the others by day; what waits for an answer
        takes what they leave."""
        asked = self.state == BookingState.REQUESTED
        return asked, self.invoice is None, self.invoice or 0, self.day, self.pk


def late_forgiven(reading: Reading, prices: PriceBook, until: date) -> set[int]:
    """The late bookings that cost nothing more: the first of a child's month, after those billed before. One
    query, none where no deadline forgives any."""
    late = [one for one in (*reading.due, *reading.asked) if one.late and _allowed(one, prices)]
    if not late:
        return set()
    states = (*HOLDING, BookingState.REQUESTED) if reading.asked else HOLDING
    bookings = (
        Booking.objects.filter(
            Q(state__in=states) | Q(billed__isnull=False),
            household_id__in={one.household for one in late},
            formula_id__in={one.formula for one in late},
            late=True,
            day__range=(min(one.day for one in late).replace(day=1), until),
        )
        .annotate(invoice=Min("billed__line__invoice"))
        .order_by()
        .values_list(*_LateBooking._fields)
    )
    found: set[int] = set()
    counted = LateDays()
    for one in sorted((_LateBooking(*row) for row in bookings), key=lambda one: one.place):
        terms = prices.late_terms(
            one.formula_id, one.day, period=one.reservation__period_id, establishment=one.establishment_id
        )
        whose = (one.household_id, one.child_id, one.formula_id)
        if counted.take(whose, one.day, terms.free_a_month):
            found.add(one.pk)
    return found


def _allowed(one: Presence, prices: PriceBook) -> int:
    terms = prices.late_terms(one.formula, one.day, period=one.period, establishment=one.establishment)
    return terms.free_a_month
