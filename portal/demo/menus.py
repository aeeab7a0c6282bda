"""What the demo's kitchens cook: dishes with the allergens that their recipes bring."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from random import Random
from typing import TypeVar

from catering.models import Dish, Menu
from families.models import Allergen
from portal.reservations.models import Establishment

A = Allergen
Recipe = tuple[str, tuple[str, ...]]
T = TypeVar("T")

STARTERS: tuple[Recipe, ...] = (
    ("Carottes râpées au citron", ()),
    ("Betteraves aux pommes, vinaigrette", (A.MUSTARD, A.SULPHITES)),
    ("Velouté de potimarron", (A.MILK, A.CELERY)),
    ("Salade de lentilles du potager", (A.MUSTARD,)),
    ("Céleri rémoulade", (A.CELERY, A.EGGS, A.MUSTARD)),
    ("Soupe de poireaux et pommes de terre", (A.MILK,)),
    ("Concombres à la crème et à la menthe", (A.MILK,)),
    ("Œuf dur, mayonnaise maison", (A.EGGS, A.MUSTARD)),
    ("Taboulé aux herbes fraîches", (A.GLUTEN,)),
    ("Salade verte aux noix", (A.NUTS, A.MUSTARD)),
)
# Dish, its side, the allergens of both.
MAINS: tuple[tuple[Recipe, Recipe], ...] = (
    (("Filet de colin, sauce citron", (A.FISH, A.MILK)), ("Riz pilaf", ())),
    (("Sauté de dinde aux champignons", (A.MILK,)), ("Haricots verts", ())),
    (("Bœuf bourguignon", (A.GLUTEN, A.SULPHITES, A.CELERY)), ("Pommes vapeur", ())),
    (("Poulet rôti au thym", ()), ("Purée de pommes de terre", (A.MILK,))),
    (("Brandade de morue", (A.FISH, A.MILK)), ("Salade verte", (A.MUSTARD,))),
    (("Hachis parmentier", (A.MILK,)), ("Mâche", (A.MUSTARD,))),
    (("Blanquette de veau", (A.GLUTEN, A.MILK, A.CELERY)), ("Carottes fondantes", ())),
    (("Saumon à l'aneth", (A.FISH, A.MILK)), ("Épinards à la crème", (A.MILK,))),
    (("Boulettes d'agneau à la tomate", (A.GLUTEN, A.EGGS)), ("Semoule", (A.GLUTEN,))),
    (("Jambon braisé", ()), ("Gratin de chou-fleur", (A.MILK, A.GLUTEN))),
    (("Moules marinière décoquillées", (A.MOLLUSCS, A.CELERY, A.SULPHITES)), ("Frites au four", ())),
    (("Wok de crevettes et légumes", (A.CRUSTACEANS, A.SOYA, A.SESAME)), ("Nouilles", (A.GLUTEN, A.EGGS))),
    (("Pot-au-feu", (A.CELERY,)), ("Légumes du bouillon", (A.CELERY,))),
    (("Rôti de porc à la moutarde", (A.MUSTARD, A.MILK)), ("Petits pois", ())),
)
VEGETARIAN: tuple[tuple[Recipe, Recipe], ...] = (
    (("Lasagnes aux légumes", (A.GLUTEN, A.MILK, A.EGGS)), ("Salade verte", (A.MUSTARD,))),
    (("Omelette aux fines herbes", (A.EGGS,)), ("Ratatouille", ())),
    (("Chili aux haricots rouges", (A.CELERY,)), ("Riz", ())),
    (("Dahl de lentilles corail", (A.MUSTARD,)), ("Riz basmati", ())),
    (("Quiche aux poireaux", (A.GLUTEN, A.EGGS, A.MILK)), ("Carottes râpées", ())),
    (("Couscous de légumes et pois chiches", (A.GLUTEN, A.CELERY)), ("Semoule", (A.GLUTEN,))),
    (("Gratin de courge et quinoa", (A.MILK,)), ("Mâche aux graines", (A.SESAME, A.MUSTARD))),
    (("Galette de sarrasin au fromage", (A.MILK, A.EGGS)), ("Salade de saison", (A.MUSTARD,))),
)
DAIRY: tuple[Recipe, ...] = (
    ("Comté", (A.MILK,)),
    ("Yaourt nature de la ferme", (A.MILK,)),
    ("Fromage blanc au miel", (A.MILK,)),
    ("Camembert", (A.MILK,)),
    ("Petit-suisse", (A.MILK,)),
    ("Tomme de montagne", (A.MILK,)),
)
DESSERTS: tuple[Recipe, ...] = (
    ("Pomme", ()),
    ("Clémentines", ()),
    ("Compote de poires", ()),
    ("Gâteau au yaourt", (A.GLUTEN, A.EGGS, A.MILK)),
    ("Crème au chocolat", (A.MILK, A.SOYA)),
    ("Tarte aux pommes", (A.GLUTEN, A.EGGS, A.MILK)),
    ("Kiwi", ()),
    ("Salade de fruits", ()),
    ("Riz au lait à la vanille", (A.MILK,)),
    ("Madeleine aux amandes", (A.GLUTEN, A.EGGS, A.MILK, A.NUTS)),
)


def write_menus(served: Iterable[tuple[Establishment, Iterable[date]]], rng: Random) -> int:
    """A menu for each restaurant and day given, one of them a week without meat or fish; returns how many."""
    menus: list[Menu] = []
    dishes: list[Dish] = []
    for restaurant, days in served:
        # Walk through shuffled cards, so that no dish comes back before the others were served.
        cards = {name: _endless(recipes, rng) for name, recipes in _CARDS.items()}
        meals = {name: _endless(pairs, rng) for name, pairs in _MEALS.items()}
        vegetarian_weeks: set[tuple[int, int]] = set()
        for day in sorted(days):
            menu = Menu(restaurant=restaurant, day=day)
            menus.append(menu)
            week = day.isocalendar()[:2]
            meatless = week not in vegetarian_weeks and day.weekday() >= 1
            if meatless:
                vegetarian_weeks.add(week)
            main, side = next(meals["vegetarian" if meatless else "main"])
            courses = (
                (Dish.Course.STARTER, next(cards["starter"])),
                (Dish.Course.MAIN, main),
                (Dish.Course.SIDE, side),
                (Dish.Course.DAIRY, next(cards["dairy"])),
                (Dish.Course.DESSERT, next(cards["dessert"])),
            )
            dishes += [
                Dish(
                    menu=menu,
                    course=course,
                    name=name,
                    allergens=[str(each) for each in allergens],
                    order=order,
                )
                for order, (course, (name, allergens)) in enumerate(courses)
            ]
    Menu.objects.bulk_create(menus, batch_size=1000)
    Dish.objects.bulk_create(dishes, batch_size=1000)
    return len(menus)


_CARDS = {"starter": STARTERS, "dairy": DAIRY, "dessert": DESSERTS}
_MEALS = {"main": MAINS, "vegetarian": VEGETARIAN}


def _endless(recipes: Sequence[T], rng: Random) -> Iterator[T]:
    while True:
        yield from rng.sample(recipes, len(recipes))
