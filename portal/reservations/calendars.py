"""Which days an activity is open at an establishment, and why not."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from typing import Any

from django.db.models import BigIntegerField, F, Q, QuerySet, Value
from django.db.models.functions import Cast
from django.utils import timezone

from portal import town
from portal.reservations import french
from portal.reservations.deadlines import FARTHEST
from portal.reservations.fields import EVERY_DAY, MONDAY_TO_FRIDAY
from portal.reservations.models import (
    Activity,
    Closure,
    Establishment,
    PublicHoliday,
    SchoolClass,
    SchoolHoliday,
    SchoolYear,
)

ONE_DAY = timedelta(days=1)
# Deadlines walk back from the first day: at most over the holidays before it, then a few weeks more.
MARGIN = timedelta(days=2 * FARTHEST)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a day is closed. `kind` is one of the constants below or a Closure.Why; `label` is for families."""

    kind: str
    label: str

    PUBLIC_HOLIDAY = "public_holiday"
    SCHOOL_HOLIDAY = "school_holiday"
    NOT_HOLIDAYS = "not_holidays"
    OUT_OF_YEAR = "out_of_year"
    WEEKDAY = "weekday"

    def __str__(self) -> str:
        return self.label


def days_between(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`, both included."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def week_of(day: date) -> list[date]:
    """Monday to Sunday of the week of `day`."""
    monday = day - timedelta(days=day.weekday())
    return days_between(monday, monday + timedelta(days=6))


PUBLIC_HOLIDAY, SCHOOL_HOLIDAY, SCHOOL_YEAR, CLOSURE = range(4)
CLOSURE_FIELDS = ("id", "why", "opens", "establishment_id", "activity_id", "school_class_id")


def _calendar_rows(
    since: date, last: date, closures: QuerySet[Closure]
) -> Iterable[tuple[int, date, date, str, *tuple[Any, ...]]]:
    """Public holidays, school holidays of the town's zone, school years and closures, in one query.

    A row is its kind, first day, last day and name, then CLOSURE_FIELDS, empty but for closures.
    """
    no_id = Cast(Value(None), BigIntegerField())  # PostgreSQL takes a bare NULL of a union for text
    nothing = [no_id, Value(""), Value(False), no_id, no_id, no_id]
    public = PublicHoliday.objects.filter(day__range=(since, last)).values_list(
        Value(PUBLIC_HOLIDAY), F("day"), F("day"), F("name"), *nothing
    )
    holidays = SchoolHoliday.objects.filter(
        zone=town.current().zone, ends_on__gte=since, starts_on__lte=last
    ).values_list(Value(SCHOOL_HOLIDAY), F("starts_on"), F("ends_on"), F("name"), *nothing)
    years = SchoolYear.objects.filter(ends_on__gte=since, starts_on__lte=last).values_list(
        Value(SCHOOL_YEAR), F("starts_on"), F("ends_on"), F("name"), *nothing
    )
    closed = closures.filter(ends_on__gte=since, starts_on__lte=last).values_list(
        Value(CLOSURE), F("starts_on"), F("ends_on"), F("label"), *(F(name) for name in CLOSURE_FIELDS)
    )
    return public.order_by().union(holidays.order_by(), years.order_by(), closed.order_by(), all=True)


class OpenDays:
    """The calendar of an activity at an establishment (and for a class), for days from `first` to `last`.

    Implements `deadlines.Calendar`. Of several closures and exceptional openings that concern a day, the one
    written last counts; an exceptional opening opens week-ends and holidays too.
    """

    def __init__(
        self,
        *,
        activity: Activity | None,
        establishment: Establishment | None,
        public_holidays: dict[date, str],
        school_holidays: dict[date, str],
        school_years: list[tuple[date, date]],
        closures: Iterable[Closure] = (),
        zone: tzinfo | None = None,
    ) -> None:
        self.activity = activity
        self.establishment = establishment
        self.timezone = zone or timezone.get_default_timezone()
        self._public_holidays = public_holidays
        self._school_holidays = school_holidays
        self._school_years = school_years
        self._during = activity.during if activity else Activity.During.ALWAYS
        self._weekdays = activity.weekdays if activity else EVERY_DAY
        self._establishment_weekdays = establishment.open_weekdays if establishment else MONDAY_TO_FRIDAY
        self._closures: dict[date, Closure] = {}
        # Those of the whole establishment, which neither an activity nor a class limits.
        self._whole_closures: dict[date, Closure] = {}
        for closure in closures:
            for day in days_between(closure.starts_on, closure.ends_on):
                self._closures[day] = closure
                if closure.activity_id is None and closure.school_class_id is None:
                    self._whole_closures[day] = closure
        self._reasons: dict[date, Reason | None] = {}
        self._school_days: dict[date, bool] = {}
        self._working_days: dict[date, bool] = {}

    @classmethod
    def load(
        cls,
        activity: Activity | None,
        establishment: Establishment | None,
        first: date,
        last: date,
        school_class: SchoolClass | QuerySet[SchoolClass] | None = None,
    ) -> "OpenDays":
        """The calendar from the database, in one query. Days beyond `last` know no holiday.

        `school_class` may be a queryset of the class or classes concerned: no query of its own.
        """
        return cls._load(activity, [establishment], first, last, school_class)[0]

    @classmethod
    def load_many(
        cls, activity: Activity | None, establishments: Iterable[Establishment], first: date, last: date
    ) -> dict[int, "OpenDays"]:
        """A calendar by establishment id, in the same query."""
        calendars = cls._load(activity, list(establishments), first, last, None)
        return {calendar.establishment.pk: calendar for calendar in calendars if calendar.establishment}

    @classmethod
    def _load(
        cls,
        activity: Activity | None,
        establishments: list[Establishment | None],
        first: date,
        last: date,
        school_class: SchoolClass | QuerySet[SchoolClass] | None,
    ) -> list["OpenDays"]:
        since = first - MARGIN
        classes = school_class if isinstance(school_class, QuerySet) else [school_class]
        public_holidays: dict[date, str] = {}
        school_holidays: dict[date, str] = {}
        school_years: list[tuple[date, date]] = []
        closures: list[Closure] = []
        concerned = Closure.objects.filter(
            Q(establishment=None) | Q(establishment__in=[each for each in establishments if each]),
            Q(activity=None) | Q(activity=activity),
            Q(school_class=None) | Q(school_class__in=classes),
        )
        for kind, starts_on, ends_on, name, *closure in _calendar_rows(since, last, concerned):
            if kind == PUBLIC_HOLIDAY:
                public_holidays[starts_on] = name
            elif kind == SCHOOL_YEAR:
                school_years.append((starts_on, ends_on))
            elif kind == SCHOOL_HOLIDAY:
                days = days_between(max(starts_on, since), min(ends_on, last))
                school_holidays.update(dict.fromkeys(days, name))
            else:
                values = dict(zip(CLOSURE_FIELDS, closure, strict=True))
                values["opens"] = bool(values["opens"])  # SQLite gives 0 and 1 out of a union
                closures.append(Closure(starts_on=starts_on, ends_on=ends_on, label=name, **values))
        closures.sort(key=lambda closure: closure.pk)
        return [
            cls(
                activity=activity,
                establishment=establishment,
                public_holidays=public_holidays,
                school_holidays=school_holidays,
                school_years=school_years,
                closures=[
                    closure
                    for closure in closures
                    if closure.establishment_id is None
                    or (establishment and closure.establishment_id == establishment.pk)
                ],
            )
            for establishment in establishments
        ]

    # What a planning asks

    def why_closed(self, day: date) -> Reason | None:
        """The reason to show, or None when `day` is open."""
        if day not in self._reasons:
            self._reasons[day] = self._find_reason(day)
        return self._reasons[day]

    def is_open(self, day: date) -> bool:
        """Whether the activity takes place that day."""
        return self.why_closed(day) is None

    def days(self, first: date, last: date) -> list[date]:
        """The open days from `first` to `last`, both included."""
        return [day for day in days_between(first, last) if self.is_open(day)]

    # What deadlines ask

    def is_public_holiday(self, day: date) -> bool:
        return day in self._public_holidays

    def is_school_holiday(self, day: date) -> bool:
        return day in self._school_holidays

    def is_school_day(self, day: date) -> bool:
        """Whether there is school: a school or a restaurant says on which weekdays, else Monday to Friday."""
        if day not in self._school_days:
            mask = MONDAY_TO_FRIDAY
            if self.establishment and self.establishment.kind != Establishment.Kind.CENTRE:
                mask = self._establishment_weekdays
            self._school_days[day] = self._works(day, mask, in_term=True)
        return self._school_days[day]

    def is_establishment_open(self, day: date) -> bool:
        """Whether the establishment works that day, be it for another activity or another class."""
        if day not in self._working_days:
            in_term = self._during == Activity.During.TERM
            self._working_days[day] = self._works(day, self._establishment_weekdays, in_term=in_term)
        return self._working_days[day]

    def _works(self, day: date, mask: int, *, in_term: bool) -> bool:
        closure = self._whole_closures.get(day)
        if closure is not None:
            return closure.opens
        if day in self._public_holidays or not mask >> day.weekday() & 1:
            return False
        return not in_term or (day not in self._school_holidays and self._in_school_year(day))

    def _find_reason(self, day: date) -> Reason | None:
        closure = self._closures.get(day)
        if closure is not None:
            if closure.opens:
                return None
            return Reason(closure.why, closure.label or closure.get_why_display())
        if name := self._public_holidays.get(day):
            return Reason(Reason.PUBLIC_HOLIDAY, f"férié : {name}")
        holiday = self._school_holidays.get(day)
        if self._during == Activity.During.TERM:
            if holiday:
                return Reason(Reason.SCHOOL_HOLIDAY, holiday)
            if not self._in_school_year(day):
                return Reason(Reason.OUT_OF_YEAR, "hors année scolaire")
        elif self._during == Activity.During.HOLIDAYS and not holiday:
            return Reason(Reason.NOT_HOLIDAYS, "hors vacances scolaires")
        if not (self._weekdays & self._establishment_weekdays) >> day.weekday() & 1:
            return Reason(Reason.WEEKDAY, f"fermé le {french.WEEKDAYS[day.weekday()]}")
        return None

    def _in_school_year(self, day: date) -> bool:
        # A town that has not written its school years is not closed all year.
        if not self._school_years:
            return True
        return any(first <= day <= last for first, last in self._school_years)
