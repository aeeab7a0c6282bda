"""What the kitchen has to cook: meals expected by school, class and diet, for the days asked.

Meals of every service count, wherever they are eaten: the formula booked says whether it holds one. Adults at
table are a group of their own.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

from django.db.models import Count, Q

from billing.invoices import adults
from families.models import ChildHealth, Diet, allergies_in_words
from portal.database.encrypted import said
from portal.reservations.models import Booking, BookingQuerySet, Establishment, SchoolClass, class_name
from portal.reservations.models.queries import class_of

NO_CLASS = "Classe non indiquée"
NO_SCHOOL = "École non indiquée"
NO_DIET = "Régime non indiqué"


class ClassGroup(NamedTuple):
    """Children who eat together: a class of a school."""

    school: str
    name: str

    def __str__(self) -> str:
        return class_name(self.name, self.school)


# Teachers, staff and guests, whatever school they are of.
ADULTS = ClassGroup("Adultes", "")


class Watched(NamedTuple):
    """A child the kitchen must watch: only for staff who may read health files."""

    day: date
    child: str
    group: ClassGroup
    diet: str
    has_pai: bool
    allergic: bool
    allergies: str  # which, empty unless asked for
    child_id: int


@dataclass(frozen=True)
class KitchenSheet:
    """A table of meals: a row a group or a diet, a column a diet or a day, with its sums."""

    columns: list[Any]
    rows: list[tuple[Any, list[int], int]]
    sums: list[int]
    total: int


@dataclass
class KitchenCounts:
    """Meals expected at a place; `meals` counts each (day, group, diet)."""

    restaurant: Establishment
    days: list[date]
    groups: list[ClassGroup] = field(default_factory=list)
    diets: list[str] = field(default_factory=list)
    meals: Counter[tuple[date, ClassGroup, str]] = field(default_factory=Counter)
    watched: list[Watched] = field(default_factory=list)

    def total(
        self, *, day: date | None = None, group: ClassGroup | None = None, diet: str | None = None
    ) -> int:
        """The meals of a day, a group, a diet, or any of these together."""
        return self._totals[day, group, diet]

    @cached_property
    def _totals(self) -> Counter[tuple[date | None, ClassGroup | None, str | None]]:
        """Every sum that is asked for, added up in one walk."""
        sums: Counter[tuple[date | None, ClassGroup | None, str | None]] = Counter()
        for (day, group, diet), count in self.meals.items():
            for one in product((day, None), (group, None), (diet, None)):
                sums[one] += count
        return sums

    def of_day(self, day: date) -> KitchenSheet:
        """Groups by diets on a day; only what is eaten that day."""
        groups = [group for group in self.groups if self.total(day=day, group=group)]
        diets = [diet for diet in self.diets if self.total(day=day, diet=diet)]
        return self._sheet(groups, diets, lambda group, diet: self.total(day=day, group=group, diet=diet))

    def groups_by_day(self) -> KitchenSheet:
        return self._sheet(self.groups, self.days, lambda group, day: self.total(day=day, group=group))

    def diets_by_day(self) -> KitchenSheet:
        return self._sheet(self.diets, self.days, lambda diet, day: self.total(day=day, diet=diet))

    def _sheet(self, rows: list[Any], columns: list[Any], count: Callable[[Any, Any], int]) -> KitchenSheet:
        cells = [(row, [count(row, column) for column in columns]) for row in rows]
        sums = [sum(line[index] for _, line in cells) for index in range(len(columns))]
        return KitchenSheet(columns, [(row, line, sum(line)) for row, line in cells], sums, sum(sums))


def expected(
    restaurant: Establishment,
    days: list[date],
    *,
    with_health: bool = False,
    details: bool = False,
    with_adults: bool = False,
) -> KitchenCounts:
    """The meals to cook for bookings that hold a place, one a child and day whatever formulas it booked, in 3
    queries whatever the days.

    `with_health` also lists the children with a PAI or allergies, in 2 queries more, `details` says which:
    for permitted staff only. `with_adults` counts adults at table too, in one query more.
    """
    eaten = Booking.objects.meals().filter(establishment=restaurant, day__in=days)
    grouped = (
        eaten.annotate(attended=class_of(day="day", what="pk"))
        .order_by()
        .values_list("day", "attended", "child__diet_choice__diet")
        # A child attends one class on a day and has one diet: it is in one group of a day.
        .annotate(meals=Count("child", distinct=True))
    )
    counts = KitchenCounts(restaurant=restaurant, days=days)
    known = _Known.read()
    for day, attended, diet, meals in grouped:
        counts.meals[day, known.group(attended), known.diet(diet)] += meals
    for meal in adults.expected(restaurant, days) if with_adults else ():
        diet_of = meal.diner.diet_id
        counts.meals[meal.day, ADULTS, known.diet(diet_of) if diet_of else known.usual] += 1
    if with_health:
        counts.watched = _watched(eaten, known, details=details)
    eating = {group for _, group, _ in counts.meals}
    cooked = {diet for _, _, diet in counts.meals}
    counts.groups = [group for group in _once(known.groups.values()) if group in eating]
    counts.groups += sorted(eating - {*counts.groups, ADULTS}) + [ADULTS] * (ADULTS in eating)
    diets = known.diets.values()
    counts.diets = [diet for diet in diets if diet in cooked] + sorted(cooked - set(diets))
    counts.days = [day for day in days if counts.total(day=day)]
    return counts


@dataclass(frozen=True)
class _Known:
    """Classes and diets by their keys, in the order in which they are shown."""

    groups: dict[int, ClassGroup]
    diets: dict[int, str]
    # What an adult eats of whom nothing else is said: the first diet that leaves nothing out.
    usual: str

    @classmethod
    def read(cls) -> "_Known":
        classes = SchoolClass.objects.select_related("school").order_by("school__name", "level", "name")
        diets = list(Diet.objects.all())
        return cls(
            {one.pk: ClassGroup(one.school.name, one.name) for one in classes},
            {one.pk: one.name for one in diets},
            next((one.name for one in diets if not _leaves_out(one)), NO_DIET),
        )

    def group(self, key: int | None) -> ClassGroup:
        return self.groups.get(key or 0, ClassGroup(NO_SCHOOL, NO_CLASS))

    def diet(self, key: int | None) -> str:
        return self.diets.get(key or 0, NO_DIET)


def _leaves_out(diet: Diet) -> bool:
    without = diet.without_pork, diet.without_meat, diet.without_fish, diet.without_animals
    return diet.needs_pai or any(without)


def _watched(eaten: BookingQuerySet, known: _Known, *, details: bool) -> list[Watched]:
    """Each child that has something, once a day. What its file says is encrypted: only Python reads it."""
    allergies = {
        one.child_id: (one.has_pai, allergies_in_words(one.allergens, one.allergies))
        for one in ChildHealth.objects.filter(
            Q(has_pai=True) | said("allergens", "allergies"), child__in=eaten.order_by().values("child")
        ).only("child", "has_pai", "allergens", "allergies")
    }
    some = {child: found for child, found in allergies.items() if any(found)}
    rows = (
        eaten.filter(child__in=some)
        .annotate(attended=class_of(day="day", what="pk"))
        .order_by("day", "child__last_name", "child__first_name", "pk")
        .values_list(
            "day", "child", "child__last_name", "child__first_name", "attended", "child__diet_choice__diet"
        )
    )
    watched: dict[tuple[date, int], Watched] = {}
    for day, child, last_name, first_name, attended, diet in rows:
        has_pai, which = some[child]
        watched.setdefault(
            (day, child),
            Watched(
                day=day,
                child=f"{last_name} {first_name}",
                group=known.group(attended),
                diet=known.diet(diet),
                has_pai=bool(has_pai),
                allergic=bool(which),
                allergies=which if details else "",
                child_id=child,
            ),
        )
    return list(watched.values())


def _once(groups: Iterable[ClassGroup]) -> list[ClassGroup]:
    """In order, each once: the classes of two years bear the same names."""
    return list(dict.fromkeys(groups))
