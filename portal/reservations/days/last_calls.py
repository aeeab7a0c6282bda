"""Until when a place that frees may be given to a child on a waiting list: as long as its family could still
cancel that day or, where it said « jusqu'au jour même », until the formula begins."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from django.utils import timezone

from portal.reservations.days import audiences
from portal.reservations.days.calendars import OpenDays
from portal.reservations.days.deadline_book import DeadlineBook
from portal.reservations.deadlines.decisions import Standing
from portal.reservations.models import Booking, Formula
from portal.reservations.states import Action

# When a day is of no more use for a formula whose hours nobody said.
NOON = time(12)

# Activity, establishment and period: what shares rules and a calendar.
_Shelf = tuple[int, int, int | None]


class LastCalls:
    """The last calls of some bookings, at one moment (aware), in UTC. Reads rules and a calendar once for all
    those of an activity, a place and a period: two queries, three where a rule has windows."""

    def __init__(self, bookings: Iterable[Booking], at: datetime) -> None:
        """`bookings` come with their activity, establishment, formula, household and reservation's period."""
        self.at = at.astimezone(UTC)
        bookings = list(bookings)
        self._publics = audiences.of_homes(one.household for one in bookings)
        self._spans: dict[_Shelf, tuple[date, date]] = {}
        self._rules: dict[_Shelf, tuple[DeadlineBook, OpenDays]] = {}
        for one in bookings:
            first, last = self._spans.get(_shelf(one), (one.day, one.day))
            self._spans[_shelf(one)] = min(first, one.day), max(last, one.day)

    def of(self, booking: Booking) -> datetime | None:
        """The moment from which the place is no longer given; None where it has come."""
        book, calendar = self._read(booking)
        limit = self._while_cancellable(booking, book, calendar)
        if booking.until_the_day:
            begins = last_call(booking.formula, booking.day, calendar)
            limit = begins if limit is None else max(limit, begins)
        return limit if limit is not None and self.at < limit else None

    def _while_cancellable(self, booking: Booking, book: DeadlineBook, calendar: OpenDays) -> datetime | None:
        schedule = book.schedule(
            booking.formula_id,
            Action.CANCEL,
            calendar,
            self.at,
            resident=booking.household.resident,
            publics=self._publics.of(booking.household_id, timezone.localdate(self.at), booking.child_id),
        )
        verdict = schedule.verdict(booking.day)
        begins = _midnight(booking.day, calendar)
        match verdict.standing:
            case Standing.ON_TIME | Standing.LATE_ACCEPT:
                return begins if verdict.moment is None else verdict.moment.astimezone(UTC)
            # What never can be cancelled has no such moment: it was asked for all the same.
            case Standing.EARLY | Standing.NEVER:
                return begins
            case Standing.LATE_REQUEST | Standing.CLOSED:
                return None

    def _read(self, booking: Booking) -> tuple[DeadlineBook, OpenDays]:
        shelf = _shelf(booking)
        if shelf not in self._rules:
            period = booking.reservation.period if booking.reservation else None
            first, last = self._spans[shelf]
            self._rules[shelf] = (
                DeadlineBook.for_activity(booking.activity, period),
                OpenDays.load(booking.activity, booking.establishment, first, last),
            )
        return self._rules[shelf]


def last_call(formula: Formula, day: date, calendar: OpenDays) -> datetime:
    """When a formula begins that day; noon where its hours are not said."""
    begins = formula.hours[0] if formula.hours else NOON
    return datetime.combine(day, begins, calendar.timezone).astimezone(UTC)


def offered_until(hours: int, last: datetime, at: datetime) -> datetime:
    """Until when a place is offered: so many hours, and never past the last call."""
    return min(at + timedelta(hours=hours), last)


def _shelf(booking: Booking) -> _Shelf:
    period = booking.reservation.period_id if booking.reservation else None
    return booking.activity_id, booking.establishment_id, period


def _midnight(day: date, calendar: OpenDays) -> datetime:
    return datetime.combine(day, time(), calendar.timezone).astimezone(UTC)
