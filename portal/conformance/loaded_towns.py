"""A town that says its rules as its own file does (`town_file`), loaded for its cases, and what it then has.

The file names neither school years nor holidays where it has none of its own: the calendar of the town's zone
is put there before. What no reading finds raises Unreadable, with the nearest name.
"""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from io import StringIO
from typing import Any

from django.db import models, transaction
from django.utils.text import slugify
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from billing.models import Tariff
from portal import town as town_module
from portal.conformance.published_towns import Document, name_of
from portal.conformance.values import Unreadable, plain
from portal.database import kept
from portal.models import Town
from portal.reservations.days.holiday_proposals import (
    ZONES_KNOWN,
    last_year_known,
    propose,
    public_holidays,
    school_holidays,
)
from portal.reservations.models import (
    Activity,
    Audience,
    Formula,
    Period,
    PublicHoliday,
    SchoolHoliday,
    SchoolYear,
)
from portal.reservations.models.campaigns import USUAL_AUDIENCES
from portal.reservations.towns import slips, town_file
from portal.reservations.towns.fields import FileProblem, TownFileError, written
from portal.reservations.towns.fields import plain as bare

SECTION = "town_file"
SINCE, UNTIL = 2023, 2028  # school years by their first September
MOST_SAID = 3


def has_file(town: Document) -> bool:
    return bool(town.get(SECTION))


def text_of(town: Document) -> str:
    """The file's text; a file that stands there as YAML itself is written out."""
    said = town.get(SECTION)
    if isinstance(said, str):
        return said
    if not isinstance(said, Mapping):
        raise Unreadable("Le texte d'un fichier de commune est attendu ici.", SECTION)
    out = StringIO()
    YAML(typ="safe", pure=True).dump(_unwrapped(said), out)
    return out.getvalue()


def _unwrapped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _unwrapped(one) for key, one in value.items()}
    return [_unwrapped(one) for one in value] if isinstance(value, list) else value


@dataclass
class Held:
    """The town whose file stands in the database for all its cases; `trouble`: why it does not; `left_out`:
    what of it could not be read, and was passed over so that its other cases are tried."""

    town: Document
    trouble: Unreadable | None = None
    left_out: str = ""


_held: list[Held] = []


@contextmanager
def held(town: Document) -> Iterator[Held]:
    """A town's file stands in the database for its cases, which undo what they write; then it is gone."""
    holding = Held(town)
    if not has_file(town):
        yield holding
        return
    with transaction.atomic():
        try:
            holding.left_out = _load(town)
        except Unreadable as error:
            holding.trouble = error
        except Exception as error:  # noqa: BLE001 - each of its cases says so
            holding.trouble = Unreadable(f"erreur inattendue, {type(error).__name__} : {error}", SECTION)
        _held.append(holding)
        try:
            yield holding
        finally:
            _held.pop()
            transaction.set_rollback(True)
    forget()


def stage(town: Document) -> None:
    """The town's calendar and its file stand in the database, which is empty unless it is held. Raises
    Unreadable."""
    if not (_held and _held[-1].town is town):
        if left_out := _load(town):
            raise Unreadable(left_out, SECTION)
    elif (trouble := _held[-1].trouble) is not None:
        raise trouble
    forget()


# What was said of a text when it was loaded: nobody loads it again to hear that.
_said_of: dict[tuple[str, str, str], str] = {}


def _key(town: Document) -> tuple[str, str, str]:
    return text_of(town), str(town.get("zone")), str(town.get("region"))


def _load(town: Document) -> str:
    """Loads it, without the fields that do not exist; answers what is said of these. Raises Unreadable."""
    try:
        left_out = _said_of[_key(town)] = _loaded(town, text_of(town))
    except Unreadable as error:
        _said_of[_key(town)] = error.text
        raise
    return left_out


def _loaded(town: Document, text: str) -> str:
    try:
        _try(town, text)
    except TownFileError as error:
        shorter = _without_unknown(text, error.problems)
        try:
            if shorter is None:
                raise
            _try(town, shorter)
        except TownFileError:
            raise Unreadable(_said(error), SECTION) from error
        return _said(error)
    except town_file.Unconfirmed as error:
        raise Unreadable(str(error), SECTION) from error
    return ""


def _try(town: Document, text: str) -> None:
    forget()
    with transaction.atomic():
        _calendar(town, _sections_of(text))
        town_file.load(text)


def _said(error: TownFileError) -> str:
    said = [str(one) for one in error.problems]
    more = f" (et {len(said) - MOST_SAID} autres)" if len(said) > MOST_SAID else ""
    return " ".join(said[:MOST_SAID]) + more


UNKNOWN = re.compile(r"(Le champ|La rubrique) « (?P<key>.+?) » n'existe pas")


def _without_unknown(text: str, problems: Sequence[FileProblem]) -> str | None:
    """The file without the fields and sections that the problems call unknown; None where they speak of
    anything else that stops it."""
    unknown = {(one.line, found["key"]) for one in problems if (found := UNKNOWN.match(one.text))}
    if not unknown:
        return None
    root = slips.parse(text)
    _drop(root, unknown)
    out = StringIO()
    YAML().serialize(root, out)
    return out.getvalue()


def _drop(node: Node, unknown: Collection[tuple[int, str]]) -> None:
    if isinstance(node, MappingNode):
        node.value = [
            (key, value)
            for key, value in node.value
            if (key.start_mark.line + 1, str(key.value)) not in unknown
        ]
        for _, value in node.value:
            _drop(value, unknown)
    elif isinstance(node, SequenceNode):
        for one in node.value:
            _drop(one, unknown)


def forget() -> None:
    """Nothing is kept of the town before."""
    town_module.forget()
    kept.forget_all()


def unreadable_file(town: Document) -> Iterator[str]:
    """What the file says wrong, whether a case asks for it or not."""
    if not has_file(town):
        return
    try:
        if _key(town) not in _said_of:
            with held(town):
                stage(town)
        if said := _said_of[_key(town)]:
            raise Unreadable(said, SECTION)
    except Unreadable as error:
        yield str(error)


# The calendar --------------------------------------------------------------------------------------------


def _sections_of(text: str) -> set[str]:
    """The file's own sections. Raises TownFileError."""
    return {bare(written(key)) for key, _ in slips.parse(text).value}


def _calendar(town: Document, its_own: set[str]) -> None:
    """What the file leaves out: the town, school years, holidays of the three zones."""
    zone = _choice(town, "zone", Town.Zone, Town.Zone.A)
    region = _choice(town, "region", Town.Region, Town.Region.METROPOLE)
    Town(name=str(town.get("name") or name_of(town))[:120], zone=zone, region=region).save()
    for code, label, belonging, order in USUAL_AUDIENCES:
        Audience.objects.get_or_create(
            code=code, defaults={"label": label, "belonging": belonging, "order": order}
        )
    years = range(SINCE, UNTIL + 1)
    if bare("années_scolaires") not in its_own:
        known = last_year_known()
        for year in years:
            rows = propose(year, zone, region).rows if year <= known else []
            first, last = next(
                ((row.first, row.last) for row in rows if row.kind == "year"),
                (date(year, 9, 1), date(year + 1, 7, 4)),
            )
            SchoolYear.objects.create(name=f"{year}-{year + 1}", starts_on=first, ends_on=last)
    if bare("jours_fériés") not in its_own:
        PublicHoliday.objects.bulk_create(
            PublicHoliday(day=row.first, name=row.name)
            for year in years
            for row in public_holidays(year, region)
        )
    if bare("vacances_scolaires") not in its_own:
        first, last = date(SINCE, 9, 1), date(UNTIL + 1, 8, 31)
        SchoolHoliday.objects.bulk_create(
            SchoolHoliday(zone=one, name=row.name, starts_on=row.first, ends_on=row.last)
            for one in ZONES_KNOWN
            for row in school_holidays(first, last, one)
        )
    forget()


def _choice(town: Document, key: str, choices: type[models.TextChoices], usual: str) -> str:
    """A choice by its value or its French label: « alsace », « Alsace-Moselle »."""
    said = plain(town.get(key) or usual)
    for value, label in choices.choices:
        if said in (plain(value), plain(label)):
            return str(value)
    raise Unreadable(f"« {town[key]} » n'est pas prévu : {', '.join(choices.labels)}.", key)


# What it has ---------------------------------------------------------------------------------------------


def activity_and_formula(word: Any, formula: Any = None) -> tuple[Activity, Formula | None]:
    """« cantine », « cantine/repas », a formula's own code, or its name. Raises Unreadable."""
    said, _, its_formula = str(word).partition("/")
    found = _named(Activity.objects.all(), said)
    if found is None:
        one = _named(Formula.objects.select_related("activity"), said)
        if one is not None:
            return one.activity, one
        known = [*Activity.objects.values_list("code", flat=True)]
        known += Formula.objects.values_list("code", flat=True)
        raise Unreadable(f"« {word} » n'est ni une activité ni une formule du fichier.{near(said, known)}")
    wanted = its_formula or (str(formula) if formula else "")
    return found, formula_of(found, wanted) if wanted else None


def formula_of(activity: Activity, word: Any) -> Formula:
    found: Formula | None = _named(activity.formulas.select_related("activity"), str(word).rpartition("/")[2])
    if found is None:
        known = list(activity.formulas.values_list("code", flat=True))
        raise Unreadable(f"« {activity.code} » n'a pas de formule « {word} ».{near(str(word), known)}")
    return found


def _named(rows: models.QuerySet[Any], word: str) -> Any:
    """By code as it is written, then without regard to « _ », accents and capitals, then by name."""
    slug, known = _slug(word), list(rows.order_by("pk"))
    for reads in (lambda one: one.code == word, lambda one: _slug(one.code) == slug):
        if found := next(filter(reads, known), None):
            return found
    return next((one for one in known if _slug(one.name) == slug), None)


def _slug(word: str) -> str:
    return slugify(str(word)).replace("_", "-")


def near(word: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, list(known), n=1)
    return f" Vouliez-vous écrire « {found[0]} » ?" if found else ""


def period_on(activity: Activity, day: date) -> Period | None:
    """Of several, the one that began last."""
    its = activity.periods.filter(starts_on__lte=day, ends_on__gte=day)
    return its.prefetch_related("establishments").order_by("-starts_on", "pk").first()


def tariffs_named(name: str, column: str = "") -> list[Tariff]:
    """The tariff of that code, or those that follow each other under it; « vacances » in the column « f2 »
    may be a tariff « f2 » or « vacances-f2 ». Empty where there is none."""
    known = list(Tariff.objects.order_by("pk"))
    slug, of_column = _slug(name), _slug(column)
    ways: list[Callable[[Tariff], bool]] = [
        lambda one: one.code == name,
        lambda one: _slug(one.code) == slug,
        lambda one: bool(of_column) and _slug(one.code) in (f"{slug}-{of_column}", f"{of_column}-{slug}"),
        lambda one: bool(of_column) and _slug(one.code) == of_column,
        lambda one: _slug(one.code).startswith(f"{slug}-"),
        lambda one: _slug(one.name) == slug,
    ]
    for way in ways:
        if found := [one for one in known if way(one)]:
            return found
    return []


def school_year_of(day: date) -> SchoolYear:
    """The one whose days hold it, or else the next, or else the last."""
    years = list(SchoolYear.objects.order_by("starts_on"))
    if not years:
        raise Unreadable("Le fichier n'a aucune année scolaire.", SECTION)
    return next((one for one in years if day <= one.ends_on), years[-1])
