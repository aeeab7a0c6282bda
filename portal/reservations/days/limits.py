"""Whom an activity takes, by age and by class on the day itself: the one answer that planning, `submit`,
enrolment and the desk share."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple, Protocol

from django.db.models import QuerySet

from families.models import Child
from portal.database.composed import Composed, GivenMany
from portal.french import grades, moments
from portal.french.dates import short_day
from portal.french.grades import Grade
from portal.reservations.models import Activity, Formula, Schooling
from portal.reservations.models.activities import LIMITED

SEPTEMBER = 9  # a school year begins


class Attended(NamedTuple):
    """A class from a day to a day; a double one has two grades."""

    first: date
    last: date
    name: str
    grades: tuple[Grade, Grade]


@dataclass(frozen=True, slots=True)
class Outside:
    """Why a child is not taken on a day: the full sentence, and a few words for a small cell."""

    reason: str
    short: str


class Bounds(Protocol):
    """What an activity and a formula say alike."""

    @property
    def min_age(self) -> int | None: ...

    @property
    def max_age(self) -> int | None: ...

    @property
    def first_grade(self) -> int | None: ...

    @property
    def last_grade(self) -> int | None: ...


def reference_day(counts: str, day: date) -> date:
    """The day on which a child's age counts for `day`: itself, or one of its school year, which ends with
    August."""
    if counts == Activity.AgeCounts.DAY:
        return day
    year = day.year - (day.month < SEPTEMBER)
    return date(year, 12, 31) if counts == Activity.AgeCounts.DECEMBER else date(year, SEPTEMBER, 1)


@Composed
def _attended() -> "QuerySet[Schooling]":
    rows = Schooling.objects.filter(
        child__pk__among=GivenMany("children"), school_year__pk__among=GivenMany("years")
    )
    return rows.select_related("school_class")


@dataclass(frozen=True)
class Limits:
    """The limits of an activity, and of its formulas, for a child whose classes of the year are known, or
    none where no limit asks for them. A child whose class is not known is refused by its age only."""

    activity: Activity
    child: Child
    attended: tuple[Attended, ...] = ()
    formulas: Mapping[int, Formula] = field(default_factory=dict)

    @classmethod
    def of(cls, activity: Activity, child: Child, school_year: int) -> "Limits":
        """For one child in a year (its key); in one query where classes count, one more where formulas have
        limits, else in none."""
        return cls.of_many(activity, [(child, school_year)])[child.pk]

    @classmethod
    def of_many(cls, activity: Activity, children: Iterable[tuple[Child, int]]) -> "dict[int, Limits]":
        """By the child's key, in one query where classes count, and one more where formulas have limits."""
        asked = {child.pk: (child, year) for child, year in children}
        known: dict[int, list[Attended]] = defaultdict(list)
        formulas: dict[int, Formula] = {}
        if activity.formulas_limited:
            formulas = {one.pk: one for one in Formula.objects.filter(LIMITED, activity=activity)}
        bounds: list[Bounds] = [activity, *formulas.values()]
        if any(one.first_grade is not None or one.last_grade is not None for one in bounds):
            years = {year for _, year in asked.values()}
            for row in _attended(children=asked, years=years):
                if row.school_year_id == asked[row.child_id][1]:
                    own = row.school_class
                    span = (row.starts_on or date.min, row.ends_on or date.max)
                    known[row.child_id].append(Attended(*span, own.name, own.grades))
        return {
            key: cls(activity, child, tuple(sorted(known.get(key, ()))), formulas)
            for key, (child, _) in asked.items()
        }

    def why_not(self, day: date, formula: int | None = None) -> Outside | None:
        """Why the child is not taken that day, for that formula (its key); None where it is."""
        found = self._by_age(self.activity, day) or self._by_class(self.activity, day)
        own = self.formulas.get(formula) if formula is not None else None
        if found is not None or own is None:
            return found
        return self._by_age(own, day, f"« {own} » ") or self._by_class(own, day, f"« {own} » ")

    def refusal(self, first: date, last: date) -> str:
        """Why the child is taken on no day of these, in a sentence; nothing where some day is left."""
        turns = [first, self._birthday(self.activity.min_age)]
        if self.activity.age_counts != Activity.AgeCounts.DAY:
            turns += [date(year, SEPTEMBER, 1) for year in range(first.year, min(last.year, 9998) + 1)]
        turns += [day for one in self.attended for day in (one.first, _next(one.last))]
        days = [day for day in turns if day is not None and first <= day <= last]
        if any(self.why_not(day) is None for day in days):
            return ""
        ages = self.activity
        if ages.min_age is not None and self._age(last) < ages.min_age:
            return f"{self._will_be(last)} : {ages} accueille à partir de {ages.min_age} ans."
        if ages.max_age is not None and self._age(first) > ages.max_age:
            return f"{self._will_be(first)} : {ages} accueille jusqu'à {ages.max_age} ans."
        found = next((why for day in days if (why := self.why_not(day))), None)
        return "" if found is None else found.reason

    def _age(self, day: date) -> int:
        return self.child.age_on(reference_day(self.activity.age_counts, day))

    def _will_be(self, day: date) -> str:
        on = reference_day(self.activity.age_counts, day)
        return f"{self.child.first_name} aura {self.child.age_on(on)} ans le {moments.day(on, year=True)}"

    def _by_age(self, bounds: Bounds, day: date, what: str = "") -> Outside | None:
        low, high = bounds.min_age, bounds.max_age
        if low is None and high is None:
            return None
        name, age = self.child.first_name, self._age(day)
        on = reference_day(self.activity.age_counts, day)
        takes = f"{what}accueille" if what else "Accueil"
        if low is not None and age < low:
            if on != day:
                when = f"{name} aura {age} ans le {short_day(on, year=True)}"
            else:
                birthday = self._birthday(low)
                when = f"{name} les aura le {short_day(birthday, year=True)}" if birthday else name
            return Outside(f"{takes} à partir de {low} ans : {when}.", f"dès {low} ans")
        if high is not None and age > high:
            day_ = "ce jour-là" if on == day else f"le {short_day(on, year=True)}"
            return Outside(
                f"{takes} jusqu'à {high} ans : {name} aura {age} ans {day_}.", f"jusqu'à {high} ans"
            )
        return None

    def _by_class(self, bounds: Bounds, day: date, what: str = "") -> Outside | None:
        own = next((one for one in self.attended if one.first <= day <= one.last), None)
        if own is None:
            return None
        low, high = bounds.first_grade, bounds.last_grade
        if low is not None and own.grades[1] < low:
            wanted = grades.since(Grade(low))
        elif high is not None and own.grades[0] > high:
            wanted = grades.until(Grade(high))
        else:
            return None
        name = self.child.first_name
        takes = f"{what}accueille" if what else "Accueil"
        return Outside(f"{takes} {wanted} : {name} est en « {own.name} » ce jour-là.", wanted)

    def _birthday(self, age: int | None) -> date | None:
        """The day on which the child is so old; who is born on 29 February, on 1 March of other years."""
        if age is None:
            return None
        born = self.child.birth_date
        try:
            return born.replace(year=born.year + age)
        except ValueError:
            return date(born.year + age, 3, 1)


def _next(day: date) -> date:
    return day if day == date.max else day + timedelta(days=1)
