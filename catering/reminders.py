"""When a menu changes for an allergy: what is in the dishes against what was ticked, by child and day.

The mail names neither child nor allergy: it says what a menu contains. What is kept of it is a mark.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.urls import reverse

from catering.models import SERVICE, Dish
from families.models import Allergen, ChildHealth
from families.reminders.evenings import Evening
from families.reminders.kinds import Find, Kind, Line, News
from families.visibility import lives_at
from portal.database.encrypted import Unreadable
from portal.french import moments
from portal.reservations.models import Booking

AHEAD = timedelta(days=21)


@dataclass(frozen=True)
class Eaten:
    """An allergen on a menu that a child is expected for."""

    day: date
    allergen: Allergen
    path: str


def begin(evening: Evening) -> Find:
    menus = _allergens(evening.today, evening.today + AHEAD)
    days = {day for _, day in menus}

    def find(homes: Collection[int]) -> Iterator[News]:
        expected = (
            Booking.objects.live()
            .filter(
                lives_at(evening.today),
                household__in=homes,
                day__in=days,
                activity__service=SERVICE,
                child__health__isnull=False,
            )
            .order_by("household", "day", "pk")
            .values_list("household", "child", "establishment", "day", "enrolment")
        )
        rows = list(expected) if menus else []
        ticked = _ticked({child for _, child, *_ in rows})
        for household, child, restaurant, day, enrolment in rows:
            for allergen in sorted(menus.get((restaurant, day), set()) & ticked.get(child, set())):
                path = reverse("catering:start", args=[enrolment])
                yield News(household, f"{child}:{day}:{allergen}", Eaten(day, Allergen(allergen), path))

    return find


def _allergens(first: date, last: date) -> dict[tuple[int, date], set[str]]:
    """What the menus of these days contain, by restaurant and day; one query."""
    found: dict[tuple[int, date], set[str]] = defaultdict(set)
    dishes = Dish.objects.filter(menu__day__range=(first, last)).order_by()
    for restaurant, day, allergens in dishes.values_list("menu__restaurant", "menu__day", "allergens"):
        found[restaurant, day].update(allergens)
    return {where: allergens for where, allergens in found.items() if allergens}


def _ticked(children: Collection[int]) -> dict[int, set[str]]:
    """What was ticked for each child; nothing where no key reads it."""
    rows = ChildHealth.objects.filter(child__in=children).only("child_id", "allergens")
    return {row.child_id: set(row.allergens) for row in rows if not isinstance(row.allergens, Unreadable)}


def say(news: Sequence[News]) -> list[Line]:
    """« Le menu du jeudi 14 janvier contient désormais : œufs et lait. »"""
    days: dict[date, dict[Allergen, str]] = defaultdict(dict)
    for one in sorted(news, key=lambda one: (one.what.day, list(Allergen).index(one.what.allergen))):
        eaten: Eaten = one.what
        days[eaten.day][eaten.allergen] = eaten.path
    return [
        Line(
            f"Le menu du {moments.day(day)} contient désormais : "
            f"{moments.listing([allergen.label.lower() for allergen in allergens])}.",
            next(iter(allergens.values())),
        )
        for day, allergens in days.items()
    ]


MENUS = Kind(
    "menus",
    "Quand un menu contient un allergène coché sur la fiche sanitaire",
    "Au menu de la cantine",
    "Voir les jours réservés",
    begin,
    say,
    hint="Pour les repas réservés des trois semaines à venir. Le message ne nomme pas votre enfant.",
)
