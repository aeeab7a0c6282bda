"""A town to start from: town files that come with the portal, their dates moved to this school year.

    TEMPLATES                the files of `templates/`, by name
    text_of(name, town, at)  the file for this town: its own name, zone and holidays, this year's dates

A template is a whole town file, of the school year 2026-2027 in zone A, and loads as it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

from django.utils import timezone
from ruamel.yaml import YAML

from portal.models import Town
from portal.reservations.days import holiday_proposals
from portal.reservations.days.holiday_proposals import Proposal
from portal.reservations.models import Activity, Establishment
from portal.reservations.towns import town_file

FOLDER = Path(__file__).resolve().parent / "templates"
ONE_DAY, A_YEAR = timedelta(days=1), timedelta(weeks=52)
A_YEAR_IN_WORDS = re.compile(r"\b20\d\d\b")
# The calendar's sections, written anew for the town's zone and region.
TOWN, YEARS, HOLIDAYS, PUBLIC = "commune", "années_scolaires", "vacances_scolaires", "jours_fériés"


@dataclass(frozen=True)
class Template:
    label: str
    text: str


TEMPLATES = {
    "village": Template(
        "Village, une école",
        "Une école et sa cantine, un prix unique, réserver jusqu'au vendredi pour la semaine suivante.",
    ),
    "bourg": Template(
        "Bourg, cantine et garderie",
        "Une maternelle, une élémentaire, un restaurant, la garderie matin et soir, trois tranches.",
    ),
    "ville": Template(
        "Ville, plusieurs centres",
        "Trois écoles, deux restaurants, deux centres : cantine, accueil du soir, mercredis, vacances.",
    ),
}


def is_empty() -> bool:
    """Whether a town has neither a place nor an activity yet: a template never mixes with what is there."""
    return not (Establishment.objects.exists() or Activity.objects.exists())


def file_of(name: str) -> str:
    """The template as it is."""
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def text_of(name: str, its: Town, at: datetime) -> str:
    """The template for a town (its row, saved or not) and the school year of an aware moment."""
    reader = YAML()
    document = reader.load(file_of(name))
    start = holiday_proposals.school_year_of(timezone.localdate(at))
    shift = start - document[YEARS][0]["du"].year
    proposed = holiday_proposals.propose(start, its.zone, its.region)
    days = _days(document, proposed.rows)
    _move(document, days, shift)
    document[TOWN] = _section(TOWN).export_row(its)
    document[HOLIDAYS] = _rows(proposed.rows, "school", its.zone)
    document[PUBLIC] = _rows(proposed.rows, "public", its.zone)
    for key in (HOLIDAYS, PUBLIC):
        if not document[key]:
            del document[key]
    out = StringIO()
    reader.width = 4096
    # The same day twice is written twice: a town's file has no « & » nor « * ».
    reader.representer.ignore_aliases = lambda _: True
    reader.dump(document, out)
    return out.getvalue()


def warnings_of(its: Town, at: datetime) -> list[str]:
    """What the town hall has to look at in this year's calendar."""
    start = holiday_proposals.school_year_of(timezone.localdate(at))
    return holiday_proposals.propose(start, its.zone, its.region).warnings


def _section(key: str) -> town_file.Rows:
    return next(one for one in town_file.sections() if one.key == key)


def _rows(proposed: list[Proposal], kind: str, zone: str) -> list[dict[str, Any]]:
    rows = [one for one in proposed if one.kind == kind]
    if kind == "public":
        return [{"jour": one.first, "nom": one.name} for one in rows]
    return [{"nom": one.name, "zone": str(zone), "du": one.first, "au": one.last} for one in rows]


def _days(document: Any, proposed: list[Proposal]) -> Mapping[date, date]:
    """Where the template's days of a calendar stand in the town's: first and last days of class and of each
    holiday, and the days beside them."""
    found: dict[date, date] = {}
    known = {one.name: one for one in proposed if one.kind == "school"}
    year = next((one for one in proposed if one.kind == "year"), None)
    spans = [(row["du"], row["au"], known.get(row["nom"])) for row in document[HOLIDAYS]]
    spans += [(row["du"], row["au"], year) for row in document[YEARS]]
    for first, last, meant in spans:
        if meant is not None:
            found.setdefault(first - ONE_DAY, meant.first - ONE_DAY)
            found.setdefault(last + ONE_DAY, meant.last + ONE_DAY)
    for first, last, meant in spans:
        if meant is not None:
            found[first], found[last] = meant.first, meant.last
    return found


def _move(node: Any, days: Mapping[date, date], shift: int) -> None:
    """Every day, moment and year of `node` to the town's own, in place."""
    keys = node if isinstance(node, dict) else range(len(node))
    for key in list(keys):
        value = node[key]
        if isinstance(value, dict | list):
            _move(value, days, shift)
        elif isinstance(value, date) and not isinstance(value, datetime):
            node[key] = days.get(value, value + shift * A_YEAR)
        elif isinstance(value, str):
            node[key] = _said(value, shift)


def _said(text: str, shift: int) -> str:
    """« Vacances d'hiver 2027 », « annee-2026-2027 », « 2026-06-01 08:00 »: years in words."""
    return A_YEAR_IN_WORDS.sub(lambda found: str(int(found[0]) + shift), text)
