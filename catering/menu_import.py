"""Menus from a CSV file: read it all, say every mistake with its line, write all of it or nothing.

Columns, in any order, named in the first line: restaurant (name or code), date (24/11/2026 or 2026-11-24),
service (Entrée, Plat, Accompagnement, Laitage, Dessert), plat, allergènes (separated by commas, may be
empty). One line a dish, in the order served. Separator: semicolon, comma or tabulation; UTF-8 or
Windows-1252.
"""

import csv
import io
import re
from dataclasses import dataclass, field
from datetime import date

from django.db import transaction
from django.db.models import QuerySet

from catering.models import LONGEST_DISH, Dish, Menu
from families.models import Allergen
from portal.french.dates import WEEKDAYS
from portal.french.spelling import bare
from portal.reservations.models import Establishment

COLUMNS = ("restaurant", "date", "service", "plat", "allergènes")
OPTIONAL = "allergènes"
MOST_BYTES = 1024 * 1024
MOST_LINES = 5000
MOST_MISTAKES = 50
DATES = (
    re.compile(r"(?P<day>\d{1,2})[/.-](?P<month>\d{1,2})[/.-](?P<year>\d{4}|\d{2})", re.ASCII),
    re.compile(r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})", re.ASCII),
)
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
    """What is wrong, and on which line of the file (the first is 1)."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"Ligne {self.line} : {self.text}"


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


def decode(raw: bytes) -> str:
    """The text of a file saved by a spreadsheet: UTF-8, or else Windows-1252."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def read(text: str, among: QuerySet[Establishment] | None = None) -> MenuFile:
    """Reads the whole file against the restaurants (those `among` which menus may be written) and menus that
    exist; 2 queries. Writes nothing."""
    found = MenuFile()
    rows = list(_rows(text, found))
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


def _rows(text: str, found: MenuFile) -> list[tuple[int, dict[str, str]]]:
    """The lines that say something, with their numbers, keyed by column."""
    if "\0" in text:
        found.mistakes.append(MenuMistake(1, "ce n'est pas un fichier CSV. Enregistrez-le au format CSV."))
        return []
    first_line = text.partition("\n")[0]
    delimiter = max(";,\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
    known = {_plain(name): name for name in COLUMNS}
    columns: list[str | None] | None = None
    rows = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = [known.get(_plain(cell)) for cell in cells]
                missing = [name for name in COLUMNS if name not in columns and name != OPTIONAL]
                if missing:
                    named = ", ".join(f"« {name} »" for name in missing)
                    found.mistakes.append(
                        MenuMistake(reader.line_num, f"il manque {named} parmi les titres des colonnes.")
                    )
                    return []
                continue
            row = dict.fromkeys(COLUMNS, "")
            row |= {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if name}
            rows.append((reader.line_num, row))
            if len(rows) > MOST_LINES:
                text = f"plus de {MOST_LINES} plats : partagez le fichier en plusieurs."
                found.mistakes.append(MenuMistake(reader.line_num, text))
                return []
    except csv.Error:
        unread = "cette ligne ne se lit pas : vérifiez les guillemets."
        found.mistakes.append(MenuMistake(reader.line_num, unread))
    return rows


def _read_dish(
    line: int,
    row: dict[str, str],
    restaurants: dict[str, Establishment],
    menus: dict[tuple[int, date], ReadMenu],
    found: MenuFile,
) -> None:
    mistakes = []
    restaurant = restaurants.get(_plain(row["restaurant"]))
    if restaurant is None:
        name = row["restaurant"]
        mistakes.append(f"le restaurant « {name} » n'existe pas." if name else "il manque le restaurant.")
    day = _date(row["date"])
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


def _date(text: str) -> date | None:
    for written in DATES:
        if match := written.fullmatch(text):
            year = int(match["year"])
            try:
                return date(year if year > 99 else 2000 + year, int(match["month"]), int(match["day"]))
            except ValueError:
                return None
    return None


def _plain(text: str) -> str:
    """Without accents, case and outer spaces: « Œufs » and « oeufs » are the same word."""
    return " ".join(bare(text.replace("’", "'")).split())


COURSES = {_plain(label): code for code, label in Dish.Course.choices}
# The codes too: what an export of the portal writes can be read again.
ALLERGENS = {code: code for code in Allergen.values}
ALLERGENS |= {_plain(label): code for code, label in Allergen.choices}
