"""Menus from a table (CSV, XLSX, XLS, ODS): read it all, say every mistake with its line, write all of it or
nothing.

Columns, in any order, named in the first line: restaurant (name or code), date (24/11/2026 or 2026-11-24),
service (Entrée, Plat, Accompagnement, Laitage, Dessert), plat, allergènes (separated by commas, may be
empty). One line a dish, in the order served. What a file is, and how its text is written, is said by
`portal.files.sheets`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from django.db import transaction
from django.db.models import QuerySet

from catering.models import LONGEST_DISH, Dish, Menu
from families.imports import cells
from families.models import Allergen
from portal.files import sheets
from portal.files.handing_over import csv_lines
from portal.files.sheets import Row, SheetCell
from portal.french.dates import WEEKDAYS
from portal.french.spelling import bare
from portal.reservations.models import Establishment

COLUMNS = ("restaurant", "date", "service", "plat", "allergènes")
OPTIONAL = "allergènes"
# Of the file, and of what a workbook says once it is unpacked.
MOST_BYTES = 1024 * 1024
MOST_LINES = 5000
MOST_MISTAKES = 50
# Of a menu, unlike a birth, the century is known.
SHORT_YEAR = re.compile(r"(\d{1,2}[/.-]\d{1,2}[/.-])(\d{2})", re.ASCII)
TEMPLATE_LINES = (
    ("24/11/2026", "Entrée", "Carottes râpées", "Moutarde"),
    ("24/11/2026", "Plat", "Gratin de poisson", "Poisson, Lait, Gluten"),
    ("24/11/2026", "Accompagnement", "Riz", ""),
    ("24/11/2026", "Laitage", "Yaourt nature", "Lait"),
    ("24/11/2026", "Dessert", "Pomme", ""),
)


class MenusRefused(Exception):
    """Nothing was written; the message is the French sentence to show."""


@dataclass(frozen=True)
class MenuMistake:
    """What is wrong, and on which line of the file (the first is 1; 0: of the file as a whole)."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"Ligne {self.line} : {self.text}" if self.line else self.text


@dataclass
class ReadMenu:
    """A menu read from the file; `replaces` when the restaurant has one that day already."""

    restaurant: Establishment
    day: date
    dishes: list[Dish] = field(default_factory=list)
    replaces: bool = False

    @property
    def warning(self) -> str:
        """A day on which the restaurant never opens is doubtful, but not wrong."""
        if self.restaurant.open_weekdays >> self.day.weekday() & 1:
            return ""
        return f"ce restaurant n'ouvre pas le {WEEKDAYS[self.day.weekday()]}"


@dataclass
class MenuFile:
    """What a file says: its menus in order, or its mistakes."""

    menus: list[ReadMenu] = field(default_factory=list)
    mistakes: list[MenuMistake] = field(default_factory=list)

    @property
    def replaced(self) -> int:
        return sum(menu.replaces for menu in self.menus)


def as_text(content: bytes) -> str:
    """A file as the text that its page sends back once it was looked at. Raises sheets.Refused."""
    return "".join(csv_lines(list(map(cells.as_text, row.cells)) for row in _all(content)))


def _all(content: bytes) -> list[Row]:
    """Raises sheets.Refused."""
    rows: list[Row] = []
    written = 0
    for row in sheets.read(content):
        rows.append(row)
        written += sum(len(cell) for cell in row.cells if isinstance(cell, str))
        if len(rows) > MOST_LINES + 1:
            raise sheets.Refused(f"Ce fichier a plus de {MOST_LINES} plats : partagez-le en plusieurs.")
        if written > MOST_BYTES:
            raise sheets.Refused("Ce fichier est trop long : ne gardez que les menus.")
    return rows


def read(content: bytes, among: QuerySet[Establishment] | None = None) -> MenuFile:
    """Reads the whole file against the restaurants (those `among` which menus may be written) and menus that
    exist; 2 queries. Writes nothing."""
    found = MenuFile()
    try:
        rows = _rows(_all(content), found)
    except sheets.Refused as refusal:
        found.mistakes.append(MenuMistake(0, str(refusal)))
        return found
    if found.mistakes:
        return found
    if not rows:
        found.mistakes.append(MenuMistake(1, "le fichier ne contient aucun plat."))
        return found
    restaurants: dict[str, Establishment] = {}
    known = Establishment.objects.all() if among is None else among
    for one in known.filter(kind=Establishment.Kind.RESTAURANT):
        restaurants[_plain(one.name)] = restaurants[_plain(one.code)] = one
    menus: dict[tuple[int, date], ReadMenu] = {}
    for line, row in rows:
        _read_dish(line, row, restaurants, menus, found)
        if len(found.mistakes) >= MOST_MISTAKES:
            found.mistakes.append(MenuMistake(line, "trop d'erreurs : la suite n'a pas été lue."))
            return found
    existing = set(Menu.objects.filter(day__in={day for _, day in menus}).values_list("restaurant_id", "day"))
    for key, menu in menus.items():
        menu.replaces = key in existing
    found.menus = sorted(menus.values(), key=lambda menu: (menu.day, menu.restaurant.name))
    return found


@transaction.atomic
def write(file: MenuFile, *, replacing: bool) -> int:
    """Writes every menu of a file without mistakes; answers how many.

    Raises MenusRefused when it has mistakes, or when menus exist already and `replacing` was not said.
    """
    if file.mistakes:
        raise MenusRefused("Le fichier contient des erreurs : rien n'a été enregistré.")
    if file.replaced and not replacing:
        raise MenusRefused("Des menus existent déjà pour ces jours : cochez la case pour les remplacer.")
    dishes = []
    for menu in file.menus:
        row, _ = Menu.objects.get_or_create(restaurant=menu.restaurant, day=menu.day)
        row.dishes.all().delete()
        for order, dish in enumerate(menu.dishes, start=1):
            dish.menu, dish.order = row, order
            dishes.append(dish)
    Dish.objects.bulk_create(dishes)
    return len(file.menus)


def template_rows(restaurant: str) -> list[tuple[str, ...]]:
    """The example file to fill in, header first."""
    return [COLUMNS, *((restaurant, *line) for line in TEMPLATE_LINES)]


def _rows(rows: Sequence[Row], found: MenuFile) -> list[tuple[int, dict[str, SheetCell]]]:
    """The lines below the titles, with their numbers, keyed by column."""
    titles = rows[0]
    known = {_plain(name): name for name in COLUMNS}
    columns = [known.get(_plain(cells.as_text(cell))) for cell in titles.cells]
    if missing := [name for name in COLUMNS if name not in columns and name != OPTIONAL]:
        named = ", ".join(f"« {name} »" for name in missing)
        found.mistakes.append(MenuMistake(titles.line, f"il manque {named} parmi les titres des colonnes."))
        return []
    return [
        (row.line, {name: cell for name, cell in zip(columns, row.cells, strict=False) if name})
        for row in rows[1:]
    ]


def _read_dish(
    line: int,
    said: dict[str, SheetCell],
    restaurants: dict[str, Establishment],
    menus: dict[tuple[int, date], ReadMenu],
    found: MenuFile,
) -> None:
    mistakes = []
    row = {name: cells.as_text(said.get(name)) for name in COLUMNS}
    restaurant = restaurants.get(_plain(row["restaurant"]))
    if restaurant is None:
        name = row["restaurant"]
        mistakes.append(f"le restaurant « {name} » n'existe pas." if name else "il manque le restaurant.")
    day = _date(said.get("date"))
    if day is None:
        mistakes.append(f"« {row['date']} » n'est pas une date : écrivez-la comme 24/11/2026.")
    course = COURSES.get(_plain(row["service"]))
    if course is None:
        names = ", ".join(Dish.Course.labels)
        mistakes.append(f"« {row['service']} » n'est pas un service : {names}.")
    if not row["plat"]:
        mistakes.append("il manque le plat.")
    elif len(row["plat"]) > LONGEST_DISH:
        mistakes.append(f"le nom du plat dépasse {LONGEST_DISH} caractères.")
    allergens = []
    for name in filter(None, (piece.strip() for piece in row[OPTIONAL].replace("|", ",").split(","))):
        code = ALLERGENS.get(_plain(name))
        if code is None:
            mistakes.append(f"« {name} » n'est pas un des quatorze allergènes.")
        elif code not in allergens:
            allergens.append(code)
    found.mistakes += [MenuMistake(line, text) for text in mistakes]
    if mistakes or restaurant is None or day is None or course is None:
        return
    menu = menus.setdefault((restaurant.pk, day), ReadMenu(restaurant, day))
    if any(dish.course == course and dish.name == row["plat"] for dish in menu.dishes):
        found.mistakes.append(MenuMistake(line, f"« {row['plat']} » est déjà dans ce menu."))
        return
    menu.dishes.append(Dish(course=course, name=row["plat"], allergens=allergens))


def _date(cell: SheetCell) -> date | None:
    if isinstance(cell, str):
        cell = SHORT_YEAR.sub(r"\g<1>20\2", cell) if SHORT_YEAR.fullmatch(cell) else cell
    try:
        return cells.day(cell)
    except cells.Unreadable:
        return None


def _plain(text: str) -> str:
    """Without accents, case and outer spaces: « Œufs » and « oeufs » are the same word."""
    return " ".join(bare(text.replace("’", "'")).split())


COURSES = {_plain(label): code for code, label in Dish.Course.choices}
# The codes too: what an export of the portal writes can be read again.
ALLERGENS = {code: code for code in Allergen.values}
ALLERGENS |= {_plain(label): code for code, label in Allergen.choices}
