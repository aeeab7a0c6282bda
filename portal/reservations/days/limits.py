"""Whom an activity takes, by age and by class on the day itself: the one answer that planning, `submit`,
enrolment and the desk share."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from families.models import Child
from portal.french import grades, moments
from portal.french.dates import short_day
from portal.french.grades import Grade
from portal.reservations.models import Activity, Schooling


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


@dataclass(frozen=True)
class Limits:
    """The limits of an activity for a child whose classes of the year are known, or none where no limit asks
    for them. A child whose class is not known is refused by its age only."""

    activity: Activity
    child: Child
    attended: tuple[Attended, ...] = ()

    @classmethod
    def of(cls, activity: Activity, child: Child, school_year: int) -> "Limits":
        """For one child in a year (its key); in one query where classes count, else in none."""
        return cls.of_many(activity, [(child, school_year)])[child.pk]

    @classmethod
    def of_many(cls, activity: Activity, children: Iterable[tuple[Child, int]]) -> "dict[int, Limits]":
        """By the child's key, in one query where classes count."""
        asked = {child.pk: (child, year) for child, year in children}
        known: dict[int, list[Attended]] = defaultdict(list)
        if activity.first_grade is not None or activity.last_grade is not None:
            years = {year for _, year in asked.values()}
            rows = Schooling.objects.filter(child__in=asked, school_year__in=years)
            for row in rows.select_related("school_class"):
                if row.school_year_id == asked[row.child_id][1]:
                    own = row.school_class
                    span = (row.starts_on or date.min, row.ends_on or date.max)
                    known[row.child_id].append(Attended(*span, own.name, own.grades))
        return {
            key: cls(activity, child, tuple(sorted(known.get(key, ())))) for key, (child, _) in asked.items()
        }

    def why_not(self, day: date) -> Outside | None:
        """Why the child is not taken that day; None where it is."""
        return self._by_age(day) or self._by_class(day)

    def refusal(self, first: date, last: date) -> str:
        """Why the child is taken on no day of these, in a sentence; nothing where some day is left."""
        turns = [first, self._birthday(self.activity.min_age)]
        turns += [day for one in self.attended for day in (one.first, _next(one.last))]
        days = [day for day in turns if day is not None and first <= day <= last]
        if any(self.why_not(day) is None for day in days):
            return ""
        name, ages = self.child.first_name, self.activity
        if ages.min_age is not None and self.child.age_on(last) < ages.min_age:
            age = self.child.age_on(last)
            said = f"{name} aura {age} ans le {moments.day(last, year=True)}"
            return f"{said} : {ages} accueille à partir de {ages.min_age} ans."
        if ages.max_age is not None and self.child.age_on(first) > ages.max_age:
            age = self.child.age_on(first)
            said = f"{name} aura {age} ans le {moments.day(first, year=True)}"
            return f"{said} : {ages} accueille jusqu'à {ages.max_age} ans."
        found = next((why for day in days if (why := self.why_not(day))), None)
        return "" if found is None else found.reason

    def _by_age(self, day: date) -> Outside | None:
        low, high = self.activity.min_age, self.activity.max_age
        if low is None and high is None:
            return None
        name, age = self.child.first_name, self.child.age_on(day)
        if low is not None and age < low:
            birthday = self._birthday(low)
            when = f"{name} les aura le {short_day(birthday, year=True)}" if birthday else name
            return Outside(f"Accueil à partir de {low} ans : {when}.", f"dès {low} ans")
        if high is not None and age > high:
            return Outside(
                f"Accueil jusqu'à {high} ans : {name} aura {age} ans ce jour-là.", f"jusqu'à {high} ans"
            )
        return None

    def _by_class(self, day: date) -> Outside | None:
        own = next((one for one in self.attended if one.first <= day <= one.last), None)
        if own is None:
            return None
        low, high = self.activity.first_grade, self.activity.last_grade
        if low is not None and own.grades[1] < low:
            wanted = grades.since(Grade(low))
        elif high is not None and own.grades[0] > high:
            wanted = grades.until(Grade(high))
        else:
            return None
        name = self.child.first_name
        return Outside(f"Accueil {wanted} : {name} est en « {own.name} » ce jour-là.", wanted)

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
