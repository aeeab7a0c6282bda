"""Which days an activity is open at an establishment, and why not."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from portal import town
from portal.database.plain_rows import adapted
from portal.french.dates import WEEKDAYS
from portal.french.weekdays import EVERY_DAY, MONDAY_TO_FRIDAY
from portal.reservations.deadlines.cutoffs import FARTHEST
from portal.reservations.models import (
    Activity,
    Closure,
    Establishment,
    PublicHoliday,
    SchoolClass,
    SchoolHoliday,
    Schooling,
    SchoolYear,
)

# Deadlines walk back from the first day: at most over the holidays before it, then a few weeks more.
MARGIN = timedelta(days=2 * FARTHEST)


@dataclass(frozen=True, slots=True)
class WhyClosed:
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


CLOSURE_FIELDS = ("id", "why", "opens", "establishment_id", "activity_id", "school_class_id")
# Written out: every planning asks for it, and composing it from querysets takes forty times its own time.
_CALENDAR = """
SELECT 'public holiday', day, day, name, {nothing} FROM {public_holidays}
    WHERE day BETWEEN %(since)s AND %(last)s
UNION ALL SELECT 'school holiday', starts_on, ends_on, name, {of_zone} FROM {school_holidays}
    WHERE zone IN ({zones}) AND ends_on >= %(since)s AND starts_on <= %(last)s
UNION ALL SELECT 'school year', starts_on, ends_on, name, {nothing} FROM {school_years}
    WHERE ends_on >= %(since)s AND starts_on <= %(last)s
UNION ALL SELECT 'closure', starts_on, ends_on, label, {closure_fields} FROM {closures}
    WHERE ends_on >= %(since)s AND starts_on <= %(last)s
    AND (activity_id IS NULL OR activity_id = %(activity)s)
    AND (establishment_id IS NULL OR establishment_id IN ({establishments}))
    AND school_class_id IS NULL
UNION ALL SELECT 'closure',
    CASE WHEN attended.starts_on > closed.starts_on THEN attended.starts_on ELSE closed.starts_on END,
    CASE WHEN attended.ends_on < closed.ends_on THEN attended.ends_on ELSE closed.ends_on END,
    closed.label, {pupil_fields}
    FROM {closures} AS closed, {schoolings} AS attended
    JOIN {classes} AS its_class ON its_class.id = attended.school_class_id
    WHERE attended.child_id = %(child)s AND attended.school_year_id = %(year)s
    AND closed.ends_on >= %(since)s AND closed.starts_on <= %(last)s
    AND (attended.starts_on IS NULL OR attended.starts_on <= closed.ends_on)
    AND (attended.ends_on IS NULL OR attended.ends_on >= closed.starts_on)
    AND (closed.activity_id IS NULL OR closed.activity_id = %(activity)s)
    AND (
        (closed.school_class_id = its_class.id AND (
            closed.establishment_id IS NULL OR closed.establishment_id = its_class.school_id
            OR closed.establishment_id IN ({establishments})))
        OR (closed.school_class_id IS NULL AND closed.establishment_id = its_class.school_id)
    )
"""


class Holiday(NamedTuple):
    """School holidays of a zone, from the first to the last day without class."""

    zone: str
    name: str
    first: date
    last: date


def zones_of(activity: Activity | None, usual: str) -> list[str]:
    """The zones of school holidays that hold for an activity: its own, or else `usual`, the town's."""
    return list(activity.zones) if activity and activity.zones else [usual]


def school_holidays(
    rows: Iterable[Holiday], activity: Activity | None, usual: str, *, since: date, last: date
) -> dict[date, str]:
    """The days that are school holidays for an activity, from `since` to `last`, with their name.

    Of several zones, some children have class while others are on holiday, and the activity is there for
    both: one that takes place during holidays has those of every zone, any other those that all share.
    """
    zones = zones_of(activity, usual)
    days: dict[str, dict[date, str]] = {zone: {} for zone in zones}
    for row in rows:
        if row.zone in days:
            days[row.zone].update(
                dict.fromkeys(days_between(max(row.first, since), min(row.last, last)), row.name)
            )
    found = days[zones[0]]
    for zone in zones[1:]:
        other = days[zone]
        if activity is not None and activity.during == Activity.During.HOLIDAYS:
            found = other | found
        else:
            found = {day: name for day, name in found.items() if day in other}
    return found


class Pupil(NamedTuple):
    """Whose class counts for the closures of one class (a trip)."""

    child_id: int
    school_year_id: int


def _calendar_rows(
    since: date, last: date, activity: Activity | None, establishments: Iterable[int], pupil: Pupil | None
) -> Iterable[tuple[Any, ...]]:
    """Public holidays, school holidays of the activity's zones, school years and closures, in one query.

    A row is its kind, first day, last day and name, then CLOSURE_FIELDS, empty but for closures; of school
    holidays, their zone stands for `why`.
    """
    no_id = "CAST(NULL AS bigint)"  # PostgreSQL takes a bare NULL of a union for text
    zones = {f"zone{number}": zone for number, zone in enumerate(zones_of(activity, town.current().zone))}
    query = _CALENDAR.format(
        nothing=f"{no_id}, '', false, {no_id}, {no_id}, {no_id}",
        of_zone=f"{no_id}, zone, false, {no_id}, {no_id}, {no_id}",
        zones=", ".join(f"%({name})s" for name in zones),
        closure_fields=", ".join(CLOSURE_FIELDS),
        pupil_fields=", ".join(f"closed.{name}" for name in CLOSURE_FIELDS),
        classes=SchoolClass._meta.db_table,
        establishments=", ".join(map(str, establishments)) or "NULL",
        public_holidays=PublicHoliday._meta.db_table,
        school_holidays=SchoolHoliday._meta.db_table,
        school_years=SchoolYear._meta.db_table,
        closures=Closure._meta.db_table,
        schoolings=Schooling._meta.db_table,
    )
    values: dict[str, Any] = {
        **zones,
        "since": adapted(since),
        "last": adapted(last),
        "activity": activity and activity.pk,
        "child": pupil and pupil.child_id,
        "year": pupil and pupil.school_year_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [
            (kind, _day(starts_on), _day(ends_on), name, pk, why, bool(opens), *others)
            for kind, starts_on, ends_on, name, pk, why, opens, *others in cursor.fetchall()
        ]


def _closures_of(
    pupils: Collection[Pupil], activity: Activity, establishment: Establishment, since: date, last: date
) -> dict[Pupil, list[Closure]]:
    """Of each pupil, what its class or its school has closed or opened while it attended it, as far as it
    reaches this activity and place: two queries, as `_CALENDAR` finds it of one."""
    closures = list(
        Closure.objects.filter(ends_on__gte=since, starts_on__lte=last)
        .filter(Q(activity=None) | Q(activity=activity))
        .exclude(establishment=None, school_class=None)
        .order_by("pk")
    )
    if not closures:
        return {}
    attended = Schooling.objects.filter(
        child__in={one.child_id for one in pupils}, school_year__in={one.school_year_id for one in pupils}
    ).select_related("school_class")
    found: dict[Pupil, list[Closure]] = defaultdict(list)
    for one in attended:
        pupil = Pupil(one.child_id, one.school_year_id)
        if pupil not in pupils:
            continue
        school = one.school_class.school_id
        for closure in closures:
            if closure.school_class_id is None:
                own = closure.establishment_id == school
            else:
                own = closure.school_class_id == one.school_class_id and closure.establishment_id in (
                    None,
                    school,
                    establishment.pk,
                )
            first = max(closure.starts_on, one.starts_on or date.min)
            end = min(closure.ends_on, one.ends_on or date.max)
            if own and first <= end:
                values = {name: getattr(closure, name) for name in CLOSURE_FIELDS}
                found[pupil].append(Closure(starts_on=first, ends_on=end, label=closure.label, **values))
    return found


def _day(value: date | str) -> date:
    """SQLite knows a union's days or gives their text, by the way it takes; and 0 or 1 for a boolean."""
    return date.fromisoformat(value) if isinstance(value, str) else value


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
        self.timezone = zone or timezone.get_current_timezone()
        self._public_holidays = public_holidays
        self._school_holidays = school_holidays
        self._school_years = school_years
        self._during = activity.during if activity else Activity.During.ALWAYS
        self._weekdays = activity.weekdays if activity else EVERY_DAY
        self._establishment_weekdays = establishment.open_weekdays if establishment else MONDAY_TO_FRIDAY
        self._all_closures = list(closures)
        self._closures: dict[date, Closure] = {}
        # Those of the whole establishment, which neither an activity, a class nor a pupil's school limits.
        self._whole_closures: dict[date, Closure] = {}
        own = establishment.pk if establishment else None
        for closure in self._all_closures:
            here = closure.establishment_id in (None, own)
            for day in days_between(closure.starts_on, closure.ends_on):
                self._closures[day] = closure
                if closure.activity_id is None and closure.school_class_id is None and here:
                    self._whole_closures[day] = closure
        self._reasons: dict[date, WhyClosed | None] = {}
        self._school_days: dict[date, bool] = {}
        self._working_days: dict[date, bool] = {}

    @classmethod
    def load(
        cls,
        activity: Activity | None,
        establishment: Establishment | None,
        first: date,
        last: date,
        pupil: Pupil | None = None,
    ) -> "OpenDays":
        """The calendar from the database, in one query. Days beyond `last` know no holiday."""
        return cls._load(activity, [establishment], first, last, pupil)[0]

    @classmethod
    def load_many(
        cls, activity: Activity | None, establishments: Iterable[Establishment], first: date, last: date
    ) -> dict[int, "OpenDays"]:
        """A calendar by establishment id, in the same query."""
        calendars = cls._load(activity, list(establishments), first, last, None)
        return {calendar.establishment.pk: calendar for calendar in calendars if calendar.establishment}

    @classmethod
    def load_pupils(
        cls,
        activity: Activity,
        establishment: Establishment,
        first: date,
        last: date,
        pupils: Collection[Pupil],
    ) -> dict[Pupil, "OpenDays"]:
        """As `load`, for many pupils, in three queries. Those whose class and school close nothing of their
        own share one calendar."""
        found = _closures_of(pupils, activity, establishment, first - MARGIN, last)
        (shared,) = cls._load(activity, [establishment], first, last, None)
        return {pupil: shared.beside(found[pupil]) if pupil in found else shared for pupil in pupils}

    def beside(self, closures: Iterable[Closure]) -> "OpenDays":
        """The same calendar with what the class or the school of one pupil closes or opens besides."""
        return OpenDays(
            activity=self.activity,
            establishment=self.establishment,
            public_holidays=self._public_holidays,
            school_holidays=self._school_holidays,
            school_years=self._school_years,
            closures=sorted([*self._all_closures, *closures], key=lambda one: one.pk),
            zone=self.timezone,
        )

    @classmethod
    def _load(
        cls,
        activity: Activity | None,
        establishments: list[Establishment | None],
        first: date,
        last: date,
        pupil: Pupil | None,
    ) -> list["OpenDays"]:
        since = first - MARGIN
        public_holidays: dict[date, str] = {}
        holidays: list[Holiday] = []
        school_years: list[tuple[date, date]] = []
        closures: list[Closure] = []
        places = [establishment.pk for establishment in establishments if establishment]
        for kind, starts_on, ends_on, name, *closure in _calendar_rows(since, last, activity, places, pupil):
            if kind == "public holiday":
                public_holidays[starts_on] = name
            elif kind == "school year":
                school_years.append((starts_on, ends_on))
            elif kind == "school holiday":
                holidays.append(Holiday(closure[1], name, starts_on, ends_on))
            else:
                values = dict(zip(CLOSURE_FIELDS, closure, strict=True))
                closures.append(Closure(starts_on=starts_on, ends_on=ends_on, label=name, **values))
        closures.sort(key=lambda closure: closure.pk)
        usual = town.current().zone
        off_school = school_holidays(holidays, activity, usual, since=since, last=last)
        return [
            cls(
                activity=activity,
                establishment=establishment,
                public_holidays=public_holidays,
                school_holidays=off_school,
                school_years=school_years,
                closures=[
                    closure
                    for closure in closures
                    # Of a pupil, what its school or its class has closed comes with the one place asked for.
                    if pupil
                    or closure.establishment_id is None
                    or (establishment and closure.establishment_id == establishment.pk)
                ],
            )
            for establishment in establishments
        ]

    # What a planning asks

    def why_closed(self, day: date) -> WhyClosed | None:
        """The reason to show, or None when `day` is open."""
        if day not in self._reasons:
            self._reasons[day] = self._find_reason(day)
        return self._reasons[day]

    def closure(self, day: date) -> Closure | None:
        """What somebody closed that day, of several the one that counts; None for usual days and holidays."""
        closure = self._closures.get(day)
        return None if closure is None or closure.opens else closure

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

    def _find_reason(self, day: date) -> WhyClosed | None:
        closure = self._closures.get(day)
        if closure is not None:
            if closure.opens:
                return None
            return WhyClosed(closure.why, closure.label or closure.get_why_display())
        if name := self._public_holidays.get(day):
            return WhyClosed(WhyClosed.PUBLIC_HOLIDAY, f"férié : {name}")
        holiday = self._school_holidays.get(day)
        if self._during == Activity.During.TERM:
            if holiday:
                return WhyClosed(WhyClosed.SCHOOL_HOLIDAY, holiday)
            if not self._in_school_year(day):
                return WhyClosed(WhyClosed.OUT_OF_YEAR, "hors année scolaire")
        elif self._during == Activity.During.HOLIDAYS and not holiday:
            return WhyClosed(WhyClosed.NOT_HOLIDAYS, "hors vacances scolaires")
        if not (self._weekdays & self._establishment_weekdays) >> day.weekday() & 1:
            return WhyClosed(WhyClosed.WEEKDAY, f"fermé le {WEEKDAYS[day.weekday()]}")
        return None

    def _in_school_year(self, day: date) -> bool:
        # A town that has not written its school years is not closed all year.
        if not self._school_years:
            return True
        return any(first <= day <= last for first, last in self._school_years)
