"""Which days of the coming weeks can still be reserved, and until when; read once a round."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from django.db.models import F, Q

from portal.reservations.days.calendars import OpenDays, days_between
from portal.reservations.days.deadline_book import DeadlineBook
from portal.reservations.deadlines.decisions import Standing
from portal.reservations.models import Activity, ActivityDeadline, Closure, Formula, Period, Slot
from portal.reservations.states import Action

# How far one looks ahead; deadlines that are farther from their day are rare, and then told later.
AHEAD = timedelta(days=62)
FULL = Q(capacity__isnull=False, taken__gte=F("capacity")) | Q(closed=True)


@dataclass(frozen=True)
class Chance:
    """That a day can be reserved on time until a moment (None: without end), in a period, by whom it is that
    school year's."""

    until: datetime | None
    period: int
    school_year: int


class Outlook:
    """The days from today on, at one moment. Its queries grow with activities, not with families."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.first = at.date()
        self.last = self.first + AHEAD
        self._days: dict[int, dict[int, OpenDays]] = {}
        self._books: dict[int, DeadlineBook] = {}
        self._chances: dict[tuple[int, int, date, bool, tuple[int, ...]], Chance | None] = {}

    def days(self) -> list[date]:
        return list(days_between(self.first, self.last))

    def usual_formula(self, activity: int) -> Formula | None:
        """What « this day » means where a family has usual days: the activity's first formula."""
        return next(iter(self._formulas.get(activity, ())), None)

    def chance(
        self, formula: Formula, place: int, day: date, *, resident: bool, publics: tuple[int, ...] = ()
    ) -> Chance | None:
        """None where the day is closed, not yet open, or too late for; places are another matter."""
        key = (formula.pk, place, day, resident, publics)
        if key not in self._chances:
            self._chances[key] = self._find(formula, place, day, resident, publics)
        return self._chances[key]

    def is_full(self, formula: Formula, place: int, day: date) -> bool:
        """Whether one of its parts, or its own quota, has no place left."""
        return self._among(self.full, formula, place, day)

    def was_freed(self, formula: Formula, place: int, day: date) -> bool:
        """Whether it was full once and has places now."""
        return self._among(self.freed, formula, place, day) and not self.is_full(formula, place, day)

    def is_away(self, school_class: int | None, day: date) -> bool:
        """Whether a class has a closure of its own that day: a trip."""
        return (school_class, day) in self._trips

    # What is read, each once -------------------------------------------------------------------------

    @cached_property
    def _periods(self) -> dict[int, list[Period]]:
        found: dict[int, list[Period]] = defaultdict(list)
        rows = Period.objects.filter(
            ends_on__gte=self.first, starts_on__lte=self.last, activity__active=True
        ).prefetch_related("establishments", "activity__establishments")
        for period in rows.select_related("activity").order_by("-starts_on", "-pk"):
            found[period.activity_id].append(period)
        return found

    @cached_property
    def _formulas(self) -> dict[int, list[Formula]]:
        found: dict[int, list[Formula]] = defaultdict(list)
        for formula in Formula.objects.filter(active=True).order_by("activity", "order", "pk"):
            found[formula.activity_id].append(formula)
        return found

    @cached_property
    def _deadlines(self) -> dict[int, list[ActivityDeadline]]:
        found: dict[int, list[ActivityDeadline]] = defaultdict(list)
        rows = ActivityDeadline.objects.filter(action=Action.BOOK).select_related("rule", "last_moment")
        for row in rows.prefetch_related("rule__windows__public", "last_moment__windows__public").order_by(
            "pk"
        ):
            found[row.activity_id].append(row)
        return found

    @cached_property
    def full(self) -> set[tuple[int, int, date, str, int | None]]:
        return self._slots(Q())

    @cached_property
    def freed(self) -> set[tuple[int, int, date, str, int | None]]:
        return self._slots(Q(full_once__isnull=False), full=False)

    @cached_property
    def _trips(self) -> set[tuple[int | None, date]]:
        rows = Closure.objects.filter(
            school_class__isnull=False, opens=False, ends_on__gte=self.first, starts_on__lte=self.last
        )
        return {
            (closure.school_class_id, day)
            for closure in rows
            for day in days_between(max(closure.starts_on, self.first), min(closure.ends_on, self.last))
        }

    def _slots(self, which: Q, *, full: bool = True) -> set[tuple[int, int, date, str, int | None]]:
        rows = Slot.objects.filter(which, FULL if full else ~FULL, day__range=(self.first, self.last))
        return set(rows.order_by().values_list("activity", "establishment", "day", "part", "formula"))

    # How it is found ---------------------------------------------------------------------------------

    def _among(
        self, slots: set[tuple[int, int, date, str, int | None]], formula: Formula, place: int, day: date
    ) -> bool:
        where = (formula.activity_id, place, day)
        return any(
            (*where, part, of_formula) in slots for part in formula.parts for of_formula in (None, formula.pk)
        )

    def _find(
        self, formula: Formula, place: int, day: date, resident: bool, publics: tuple[int, ...]
    ) -> Chance | None:
        period = self._period(formula.activity_id, place, day)
        if period is None:
            return None
        calendar = self._calendar(period.activity, place)
        if calendar is None or not calendar.is_open(day):
            return None
        book = self._book(period)
        schedule = book.schedule(
            formula.pk, Action.BOOK, calendar, self.at, resident=resident, publics=publics
        )
        verdict = schedule.verdict(day)
        if verdict.standing is not Standing.ON_TIME:
            return None
        return Chance(verdict.moment, period.pk, period.school_year_id)

    def _period(self, activity: int, place: int, day: date) -> Period | None:
        for period in self._periods.get(activity, ()):
            if period.starts_on <= day <= period.ends_on and period.concerns(place):
                return period
        return None

    def _book(self, period: Period) -> DeadlineBook:
        if period.pk not in self._books:
            self._books[period.pk] = DeadlineBook(self._deadlines.get(period.activity_id, ()), period)
        return self._books[period.pk]

    def _calendar(self, activity: Activity, place: int) -> OpenDays | None:
        if activity.pk not in self._days:
            places = activity.establishments.all()
            self._days[activity.pk] = OpenDays.load_many(activity, places, self.first, self.last)
        return self._days[activity.pk].get(place)
