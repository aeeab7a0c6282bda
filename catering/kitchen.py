"""What the kitchen has to cook: meals expected by school, class and diet, for the days asked.

Meals of every service count, wherever they are eaten: the formula booked says whether it holds one.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from families.models import Diet, allergies_in_words
from portal.reservations.models import Booking, Establishment, SchoolClass, class_name
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
        return sum(
            count
            for (at, eaters, eaten), count in self.meals.items()
            if day in (None, at) and group in (None, eaters) and diet in (None, eaten)
        )

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
    restaurant: Establishment, days: list[date], *, with_health: bool = False, details: bool = False
) -> KitchenCounts:
    """The meals to cook for bookings that hold a place, one a child and day whatever formulas it booked, in 3
    queries whatever the days.

    `with_health` also lists the children with a PAI or allergies, `details` says which: for permitted
    staff only.
    """
    health = ["child__first_name", "child__last_name"]
    health += [f"child__health__{field}" for field in ("has_pai", "allergens", "allergies")]
    rows = (
        Booking.objects.meals()
        .filter(establishment=restaurant, day__in=days)
        .annotate(attended=class_of(day="day", what="pk"))
        .values("day", "child", "attended", "child__diet_choice__diet", *(health if with_health else []))
        .order_by("day", "child__last_name", "child__first_name", "pk")
    )
    classes = SchoolClass.objects.select_related("school").order_by("school__name", "level", "name")
    groups = {one.pk: ClassGroup(one.school.name, one.name) for one in classes}
    diets = {one.pk: one.name for one in Diet.objects.all()}
    counts = KitchenCounts(restaurant=restaurant, days=days)
    fed: set[tuple[date, int]] = set()
    for row in rows:
        if (row["day"], row["child"]) in fed:
            continue
        fed.add((row["day"], row["child"]))
        group = groups.get(row["attended"], ClassGroup(NO_SCHOOL, NO_CLASS))
        diet = diets.get(row["child__diet_choice__diet"], NO_DIET)
        counts.meals[row["day"], group, diet] += 1
        if with_health:
            pai = bool(row["child__health__has_pai"])
            allergies = allergies_in_words(row["child__health__allergens"], row["child__health__allergies"])
            if pai or allergies:
                child = f"{row['child__last_name']} {row['child__first_name']}"
                counts.watched.append(
                    Watched(
                        day=row["day"],
                        child=child,
                        group=group,
                        diet=diet,
                        has_pai=pai,
                        allergic=bool(allergies),
                        allergies=allergies if details else "",
                        child_id=row["child"],
                    )
                )
    eating = {group for _, group, _ in counts.meals}
    cooked = {diet for _, _, diet in counts.meals}
    counts.groups = [group for group in _once(groups.values()) if group in eating]
    counts.groups += sorted(eating - set(counts.groups))
    counts.diets = [diet for diet in diets.values() if diet in cooked] + sorted(cooked - set(diets.values()))
    counts.days = [day for day in days if counts.total(day=day)]
    return counts


def _once(groups: Iterable[ClassGroup]) -> list[ClassGroup]:
    """In order, each once: the classes of two years bear the same names."""
    return list(dict.fromkeys(groups))
