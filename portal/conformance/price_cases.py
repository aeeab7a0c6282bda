"""The price and absence cases that towns publish, replayed through real rows and the price book."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from django.utils.text import slugify

from billing.models import AbsencePolicy, FormulaTariff, TariffBand
from billing.prices.books import PriceBook
from billing.rules import absences, pricing, tariff_checks
from portal.conformance import loaded_absences, loaded_prices, loaded_towns, published_tariffs
from portal.conformance.published_towns import Case, Document, name_of, rows, unreadable_rows, worked
from portal.conformance.values import (
    Unreadable,
    first_of,
    listed,
    optional_amount,
    optional_day,
    plain,
    read_amount,
    read_day,
    read_flag,
    read_moment,
    read_number,
    within,
)
from portal.reservations.models import Activity, Formula

# Towns that date nothing mean today's tariff, whatever today is.
ANY_DAY = date(2026, 11, 23)


def prices(town: Document, meta: Document) -> Iterator[Case]:
    return worked(town, "worked_prices", _label, why_wrong)


def _label(case: Document) -> str:
    return " ".join(str(said) for said in (case.get("tariff"), case.get("note")) if said)


def why_wrong(town: Document, case: Document) -> str | None:
    """Prices one case through rows of the database: None when they cost what it says, else the reason.

    Raises Unreadable.
    """
    with within("expect"):
        expected = read_amount(case.get("expect"))
    facts, name = facts_of(case), str(case.get("tariff"))
    if loaded_towns.has_file(town):
        loaded_towns.stage(town)
    if loaded_towns.has_file(town) and (
        loaded_towns.tariffs_named(name, facts.column) or not _has_grid(town, name)
    ):
        return loaded_prices.why_wrong(
            town, case, expected, facts, _read(optional_day, case, "date"), ANY_DAY
        )
    grids = _grids(town, name)
    day = _read(optional_day, case, "date") or _day_among(grids)
    formula = _formula(name_of(town))
    _offer(town, name, formula, "tarif", day)
    for place, grid in enumerate(grids):
        for own, terms in published_tariffs.own_tariffs(grid):
            _offer(town, own, formula, f"tarif-{place}-{own}", day, **terms)
    for place, extra in enumerate(listed(case.get("extras"))):
        # Where the supplement has the same columns (allocataires, autres), it is read in the same one.
        _offer(town, str(extra), formula, f"extra-{place}", day, column=facts.column, supplement=True)
    try:
        got = PriceBook.load([formula.pk], day, day).price(formula.pk, facts, day)
    except pricing.NoPrice as refusal:
        return f"attendu {expected}, refusé : {refusal}"
    return None if got.amount == expected else f"attendu {expected}, obtenu {got.amount} ({got.explanation})"


def _has_grid(town: Document, name: str) -> bool:
    return any(str(row.get("id")) == name for row in rows(town, "tariffs"))


def _grids(town: Document, name: str) -> list[Document]:
    """The tariff's grid, or those that follow each other under its id."""
    tariffs = rows(town, "tariffs")
    grids = [row for row in tariffs if str(row.get("id")) == name]
    if not grids:
        near = difflib.get_close_matches(name, [str(row.get("id")) for row in tariffs], n=1)
        hint = f" Vouliez-vous écrire « {near[0]} » ?" if near else ""
        raise Unreadable(f"« {name} » n'est pas dans le fichier.{hint}", "tariffs")
    return grids


def _offer(
    town: Document, name: str, formula: Formula, prefix: str, day: date, *, column: str = "", **terms: Any
) -> None:
    """Lets the formula be priced by the tariff of that name, in `column` where its grid has one."""
    written = [
        published_tariffs.write(grid, code=f"{slugify(prefix)}-{place}"[:80])
        for place, grid in enumerate(_grids(town, name))
    ]
    if sum(tariff.rule().in_force(day) for tariff in written) > 1:
        raise Unreadable(f"Deux tarifs « {name} » sont en vigueur le {day:%d/%m/%Y}.", "tariffs")
    for tariff in written:
        own = column if column in tariff.columns else ""
        FormulaTariff.objects.create(formula=formula, tariff=tariff, column=own, **terms)


def _formula(code: str) -> Formula:
    activity = Activity.objects.create(code=f"tarifs-{code}"[:60], name=code[:120], service="tarifs")
    return Formula.objects.create(activity=activity, code="formule", name="Formule")


def _day_among(grids: Sequence[Document]) -> date:
    """A day on which an undated case may be read: today where a grid is in force, else the last one's own."""
    spans = [
        (optional_day(row.get("valid_from")) or date.min, optional_day(row.get("valid_to")) or date.max)
        for row in grids
    ]
    if any(first <= ANY_DAY <= last for first, last in spans):
        return ANY_DAY
    first, last = max(spans)
    return first if first > ANY_DAY else last


def facts_of(case: Document) -> pricing.Facts:
    """What a worked case says of the family. A column it names is the one to read, and no other."""
    column = str(case.get("column") or "")
    rank = _read(read_number, case, "rank") or 1
    return pricing.Facts(
        quotient=_read(optional_amount, case, "qf", "quotient"),
        resident=_flag(case, "resident", default=column not in published_tariffs.OUTSIDE_COLUMNS),
        rank=rank,
        children=_read(read_number, case, "children", "nb_children") or rank,
        level=str(case.get("level") or ""),
        age=_read(read_number, case, "age"),
        adult=_flag(case, "adult"),
        pai=_flag(case, "pai"),
        late=_flag(case, "late"),
        unreserved=_flag(case, "unreserved", "unbooked"),
        absent=_flag(case, "absent", "absence"),
        units=_units(case),
        column=column,
        final_column=bool(column),
    )


def _units(case: Document) -> Decimal:
    units = _read(read_amount, case, "units", "quantity", "hours")
    minutes = _read(read_number, case, "minutes")
    if units is None and minutes is not None:
        unit = published_tariffs.UNITS.get(str(case.get("unit")), "half_hour")
        units = Decimal(pricing.started(minutes, pricing.Unit(unit)))
    return Decimal(1) if units is None else units


def _read(reader: Callable[[Any], Any], case: Document, *keys: str) -> Any:
    value = first_of(case, *keys)
    with within(keys[0]):
        return None if value is None else reader(value)


def _flag(case: Document, *keys: str, default: bool = False) -> bool:
    said = _read(read_flag, case, *keys)
    return default if said is None else bool(said)


def unreadable_tariffs(town: Document) -> Iterator[str]:
    """A sentence for each tariff that cannot be read, or whose bands overlap, with or without a case."""
    return unreadable_rows(town, "tariffs", partial(_look_over, town))


def _look_over(town: Document, row: Document) -> None:
    grid = published_tariffs.read(row)
    published_tariffs.check_words(row)
    for own, _ in published_tariffs.own_tariffs(row):
        _grids(town, own)
    bands = [band.rule() for band in grid.rows if isinstance(band, TariffBand)]
    for problem in tariff_checks.problems(bands) if bands else ():
        if problem.trouble is tariff_checks.Trouble.OVERLAP:
            raise Unreadable(problem.sentence, "tariffs", name_of(row))


def absence_cases(town: Document, meta: Document) -> Iterator[Case]:
    return worked(town, "worked_absences", lambda case: str(case.get("first_absence")), why_wrongly_billed)


def why_wrongly_billed(town: Document, case: Document) -> str | None:
    """Bills one absence by a row of the database: None when it is billed as it says, else the reason.

    Raises Unreadable.
    """
    if loaded_towns.has_file(town):
        loaded_towns.stage(town)
        return loaded_absences.why_wrong(town, case)
    with within("absent"):
        absent = [read_day(one) for one in listed(first_of(case, "absent", "first_absence"))]
    certificate = _read(read_moment, case, "certificate")
    told = _read(read_moment, case, "told")
    reason = published_tariffs.REASONS.get(plain(case.get("reason")), absences.Reason.NONE)
    with within("billed_days"):
        expected = read_number(case.get("billed_days"))
    policy = AbsencePolicy.objects.create(**published_tariffs.absence_policy(town.get("absences") or {}))
    policy.refresh_from_db()
    billed = absences.billed_days(policy.rule(), absent, certificate, reason, told)
    return None if len(billed) == expected else f"attendu {expected} jours facturés, obtenu {len(billed)}"


def unreadable_absences(town: Document) -> Iterator[str]:
    """A sentence when the rule of absences cannot be read, with or without a case."""
    try:
        published_tariffs.absence_policy(town.get("absences") or {})
    except Unreadable as error:
        yield str(error)
