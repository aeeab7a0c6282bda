"""A tariff as towns publish it, in the shape of tests/data/towns.yaml, written as rows.

    {id: repas, type: bands, columns: [repas], bands: [{min: '0', max: '399.99', prices: {repas: '0.50'}}],
     late: {add: '2.50'}, nonresident: {multiply: '1.5'}, valid_from: '2024-09-02'}

Amounts are decimal texts in euros; both limits of a band are included; null is without limit.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from billing.models import Tariff, TariffBand, TariffModifier, TariffRate, price_text
from billing.rules import absences, pricing
from portal.conformance.values import (
    Unreadable,
    first_of,
    listed,
    optional_amount,
    optional_day,
    plain,
    read_amount,
    read_number,
    within,
)

When = TariffModifier.When
Effect = TariffModifier.Effect

# Words of a published tariff that change the price in a circumstance.
CIRCUMSTANCES = {
    "late": When.LATE,
    "nonresident": When.NON_RESIDENT,
    "non_resident": When.NON_RESIDENT,
    "outsider": When.NON_RESIDENT,
    "absent": When.ABSENT,
    "absence": When.ABSENT,
    "unjustified": When.ABSENT,
    "unjustified_absence": When.ABSENT,
    "unreserved": When.UNRESERVED,
    "unbooked": When.UNRESERVED,
    "no_booking": When.UNRESERVED,
    "walk_in": When.UNRESERVED,
    "pai": When.PAI,
    "adult": When.ADULT,
}
EFFECTS = {
    "add": Effect.ADD,
    "surcharge": Effect.ADD,
    "multiply": Effect.MULTIPLY,
    "factor": Effect.MULTIPLY,
    "percent": Effect.PERCENT,
    "add_percent": Effect.PERCENT,
    "price": Effect.PRICE,
    "flat": Effect.PRICE,
    "prices": Effect.PRICE,
    "shift": Effect.SHIFT,
    "band_shift": Effect.SHIFT,
}
REDUCTIONS = {
    "subtract": Effect.ADD,
    "minus": Effect.ADD,
    "reduction_percent": Effect.PERCENT,
    "discount_percent": Effect.PERCENT,
}
UNITS = {
    "hour": Tariff.Unit.HOUR,
    "heure": Tariff.Unit.HOUR,
    "half_hour": Tariff.Unit.HALF_HOUR,
    "demi_heure": Tariff.Unit.HALF_HOUR,
    "quarter": Tariff.Unit.QUARTER,
    "quarter_hour": Tariff.Unit.QUARTER,
    "quart_heure": Tariff.Unit.QUARTER,
    "month": Tariff.Unit.MONTH,
    "mois": Tariff.Unit.MONTH,
    "period": Tariff.Unit.PERIOD,
    "periode": Tariff.Unit.PERIOD,
}
HIGHEST = ("highest", "max", "last", "highest_band")
BEYOND_ANY_GRID = Decimal(99)
IN_SHORT = re.compile(r"(?P<sign>[-−+x×*]?)\s*(?P<number>\d+(?:[.,]\d+)?)\s*(?P<unit>[€%]?)")
NO_PRICE = "Le champ « price » (ou « prices », par colonne) manque."
OUTSIDE_COLUMNS = ("ext", "exterieur", "extérieur", "hors_commune", "non_resident", "nonresident")


@dataclass
class Published:
    """The rows of a published tariff, not saved yet."""

    tariff: Tariff
    rows: list[TariffBand | TariffRate | TariffModifier]


def write(published: Mapping[str, Any], code: str) -> Tariff:
    """Saves a published tariff as rows under `code`. Raises Unreadable."""
    found = read(published, code)
    found.tariff.save()
    for row in found.rows:
        row.tariff = found.tariff
        row.save()
    return found.tariff


def read(published: Mapping[str, Any], code: str = "tarif") -> Published:
    """The rows as an agent would fill them in. Raises Unreadable when they cannot be read."""
    with within("tariffs", _name(published)):
        kind = _kind(published)
        tariff = Tariff(
            code=code,
            name=str(first_of(published, "name", "label", "id") or code)[:120],
            kind=kind,
            unit=UNITS.get(str(first_of(published, "unit", "per")), Tariff.Unit.PRESENCE),
            step=read_amount(first_of(published, "round_to", "rounding_step") or "0.01"),
            valid_from=_day(published, "valid_from", "from"),
            valid_to=_day(published, "valid_to", "to", "until"),
            **_without_quotient(published),
        )
        bands, rates = list(_bands(published, kind)), list(_rates(published, kind))
        priced = [column for band in bands for column in band.prices] + [rate.column for rate in rates]
        named = map(str, listed(published.get("columns")))
        tariff.columns = [column for column in dict.fromkeys([*named, *priced]) if column]
        rows: list[TariffBand | TariffRate | TariffModifier] = [*bands, *rates]
        rows += _modifiers(published, tariff.columns)
        _check(tariff)
        for row in rows:
            _check(row)
        if kind == Tariff.Kind.BANDS and not bands:
            raise Unreadable("Au moins une tranche est attendue.", "bands")
        return Published(tariff, rows)


def _name(published: Mapping[str, Any]) -> str:
    return str(first_of(published, "id", "name") or "sans nom")


def _day(published: Mapping[str, Any], *keys: str) -> Any:
    with within(keys[0]):
        return optional_day(first_of(published, *keys))


def _check(row: models.Model) -> None:
    """What the desk would refuse. Levels are free here: the town's own words."""
    free = {"tariff", "level"}
    if isinstance(row, TariffBand) and not row.prices:  # a band that is not offered
        free.add("prices")
    try:
        row.full_clean(exclude=free, validate_unique=False)
    except ValidationError as error:
        raise Unreadable(" ".join(error.messages)) from error


def own_tariffs(published: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """The other tariffs that this one names, `nonresident: {tariff: ext}`, and the case each is for."""
    for key, when in CIRCUMSTANCES.items():
        said = published.get(key)
        name = said.get("tariff") if isinstance(said, Mapping) else None
        if name is not None:
            outside = when == When.NON_RESIDENT
            yield str(name), {"audience": "non_resident"} if outside else {"situation": str(when)}


def _kind(published: Mapping[str, Any]) -> str:
    word = str(published.get("type") or "")
    if word in ("bands", "band", "qf_bands", "tranches") or published.get("bands"):
        return Tariff.Kind.BANDS
    if word in ("effort", "linear", "rate", "taux_effort", "interpolation"):
        return Tariff.Kind.EFFORT
    if any(key in published for key in ("rate_percent", "rate", "rates")):
        return Tariff.Kind.EFFORT
    if any(key in published for key in ("price", "prices", "amount")):
        return Tariff.Kind.FLAT
    if word == "flat":
        raise Unreadable(NO_PRICE)
    raise Unreadable(f"« {word} » n'est pas prévu : flat, bands, effort.", "type")


def _prices(row: Mapping[str, Any]) -> dict[str, str]:
    prices = first_of(row, "prices", "price", "amount")
    if prices is None:
        raise Unreadable(NO_PRICE)
    by_column = prices if isinstance(prices, Mapping) else {"": prices}
    return {
        str(column): price_text(read_amount(price))
        for column, price in by_column.items()
        if price is not None
    }


def _bands(published: Mapping[str, Any], kind: str) -> Iterator[TariffBand]:
    if kind == Tariff.Kind.FLAT:
        yield TariffBand(prices=_prices(published))
        return
    for place, row in enumerate(listed(published.get("bands")), start=1):
        with within("bands", place):
            if not isinstance(row, Mapping):
                raise Unreadable("Une tranche a la forme {min: '0', max: '399.99', price: '0.50'}.")
            low = optional_amount(first_of(row, "min", "low", "from"))
            high = optional_amount(first_of(row, "max", "high", "to"))
            name = first_of(row, "name", "label", "id", "tranche", "band")
            yield TariffBand(low=low, high=high, name=str(name or "")[:60], prices=_prices(row))


def _rates(published: Mapping[str, Any], kind: str) -> Iterator[TariffRate]:
    """One rate, or one a column or a number of children when the file gives mappings."""
    if kind != Tariff.Kind.EFFORT:
        return
    percent = first_of(published, "rate_percent", "percent", "rates_percent", "rates")
    if percent is None:
        rate = first_of(published, "rate", "coefficient")
        percent = _each(rate, lambda value: read_amount(value) * 100) if rate is not None else None
    limits = {
        "floor": first_of(published, "floor", "min_price", "minimum", "min"),
        "ceiling": first_of(published, "ceiling", "max_price", "maximum", "max", "cap"),
        "base": first_of(published, "base", "fixed", "offset"),
    }
    low = optional_amount(first_of(published, "qf_min", "min_qf", "qf_floor"))
    high = optional_amount(first_of(published, "qf_max", "max_qf", "qf_ceiling"))
    if percent is None and None in (low, high, limits["floor"], limits["ceiling"]):
        raise Unreadable("Le champ « rate_percent » manque.")
    keys = list(
        dict.fromkeys(
            key for values in (percent, *limits.values()) if isinstance(values, Mapping) for key in values
        )
    )
    for key in keys or [None]:
        with within("rate_percent"):
            row = TariffRate(percent=_kept(_of(percent, key)), low=low, high=high)
        for name, values in limits.items():
            with within(name):
                setattr(row, name, optional_amount(_of(values, key)))
        row.base = row.base or Decimal(0)
        if str(key).isdecimal() and str(key) not in map(str, listed(published.get("columns"))):
            row.children = int(str(key))
        elif key is not None:
            row.column = str(key)
        yield row


def _kept(percent: Any) -> Decimal:
    """The rate with the decimals that its row keeps."""
    places = TariffRate._meta.get_field("percent").decimal_places
    return round(read_amount(percent or 0), places)


def _each(values: Any, change: Any) -> Any:
    return (
        {key: change(value) for key, value in values.items()}
        if isinstance(values, Mapping)
        else change(values)
    )


def _of(values: Any, key: Any) -> Any:
    return values.get(key) if isinstance(values, Mapping) else values


def _without_quotient(published: Mapping[str, Any]) -> dict[str, Any]:
    word = first_of(published, "no_qf", "no_quotient", "without_qf", "missing_qf", "sans_qf")
    if word is None or str(word) in ("highest", "max", "ceiling"):
        return {}
    if isinstance(word, Mapping):
        word = first_of(word, "band", "price")
    if re.fullmatch(r"\d+([.,]\d+)?", str(word)):
        return {"no_quotient": Tariff.NoQuotient.PRICE, "no_quotient_price": read_amount(word)}
    return {"no_quotient": Tariff.NoQuotient.BAND, "no_quotient_band": str(word)}


def _modifiers(published: Mapping[str, Any], columns: list[str]) -> Iterator[TariffModifier]:
    threshold = first_of(published, "band_shift_if_children_at_least", "shift_if_children_at_least")
    if threshold is not None:
        with within("band_shift_if_children_at_least"):
            number = read_number(threshold)
            shift = read_amount(first_of(published, "band_shift", "shift") or -1)
            yield TariffModifier(when=When.CHILDREN, effect=Effect.SHIFT, number=number, amount=shift)
    ranks = sorted(int(found[1]) for column in columns if (found := pricing.RANK_COLUMN.fullmatch(column)))
    for rank in ranks:
        if rank > 1:
            yield TariffModifier(when=When.RANK, effect=Effect.COLUMN, number=rank, column=f"r{rank}")
    if outside := next((column for column in columns if column in OUTSIDE_COLUMNS), None):
        yield TariffModifier(when=When.NON_RESIDENT, effect=Effect.COLUMN, column=outside)
    for key, when in CIRCUMSTANCES.items():
        if key in published:
            with within(key):
                yield from _effects(published[key], when, columns)
    for key, when in (("rank", When.RANK), ("ranks", When.RANK), ("children", When.CHILDREN)):
        rows = published.get(key)
        for number, effect in rows.items() if isinstance(rows, Mapping) else ():
            with within(key, number):
                yield from _effects(effect, when, columns, number=read_number(number))
    levels = published.get("levels")
    for level, effect in levels.items() if isinstance(levels, Mapping) else ():
        with within("levels", level):
            yield from _effects(effect, When.LEVEL, columns, level=str(level))


def _effects(said: Any, when: str, columns: list[str], **what: Any) -> Iterator[TariffModifier]:
    """`{add: '2.50'}`, `{multiply: '1.5'}`, `{price: {repas: '7.61'}}`, `{column: ext}`, `{band: highest}`,
    or in short: a price alone, « +2,50 € », « x1,5 », « -10 % ». Other words have no effect."""
    if said is None or isinstance(said, bool):
        return
    if not isinstance(said, Mapping):
        key = "column" if str(said) in columns else "band" if str(said) in HIGHEST else ""
        said = {key: said} if key else in_short(str(said))
    only = [str(column) for column in listed(said.get("columns"))]
    for key in said:
        if said.get(key) is None:
            continue
        if key == "column":
            yield TariffModifier(when=when, effect=Effect.COLUMN, column=str(said[key]), columns=only, **what)
        elif key == "band" and str(said[key]) in HIGHEST:
            yield TariffModifier(when=when, effect=Effect.SHIFT, amount=BEYOND_ANY_GRID, columns=only, **what)
        elif key in EFFECTS or key in REDUCTIONS:
            for column, value in _by_column(said[key]):
                with within(key):
                    amount = read_amount(value)
                yield TariffModifier(
                    when=when,
                    effect=EFFECTS.get(key) or REDUCTIONS[key],
                    amount=-amount if key in REDUCTIONS else amount,
                    columns=only if column is None else [column],
                    **what,
                )


def _by_column(value: Any) -> list[tuple[str | None, Any]]:
    if not isinstance(value, Mapping):
        return [(None, value)]
    return [(str(column), one) for column, one in value.items() if one is not None]


def check_words(published: Mapping[str, Any]) -> None:
    """Raises Unreadable for words that hold a number and have no effect: « environ 50 % »."""
    for key in CIRCUMSTANCES:
        said = published.get(key)
        if isinstance(said, str) and any(map(str.isdigit, said)) and not in_short(said):
            text = f"« {said} » reste sans effet : écrivez par exemple 7,00 €, +2,50 €, x1,5 ou +50 %."
            raise Unreadable(text, "tariffs", _name(published), key)


def in_short(words: str) -> dict[str, str]:
    """« +2,50 € » as {add: 2,50}; empty when it cannot be read so."""
    found = IN_SHORT.fullmatch(words.strip())
    if found is None or (found["unit"] == "%" and not found["sign"]):
        return {}
    sign = found["sign"].replace("−", "-")
    if sign in ("+", "-"):
        return {"percent" if found["unit"] == "%" else "add": sign + found["number"]}
    return {"multiply" if sign else "price": found["number"]}


REASONS = {
    "maladie": absences.Reason.ILLNESS,
    "illness": absences.Reason.ILLNESS,
    "greve": absences.Reason.STRIKE,
    "grève": absences.Reason.STRIKE,
    "strike": absences.Reason.STRIKE,
    "enseignant_absent": absences.Reason.TEACHER,
    "teacher": absences.Reason.TEACHER,
    "sortie": absences.Reason.TRIP,
    "trip": absences.Reason.TRIP,
}
FREE = {
    absences.Reason.STRIKE: "strike_free",
    absences.Reason.TEACHER: "teacher_free",
    absences.Reason.TRIP: "trip_free",
}
FREE_SAID = re.compile(r"(non|jamais|pas) factur|gratuit|rembours|dedui|free")
BILLED_SAID = re.compile(r"(toujours )?factur|(non|jamais|pas) (rembours|dedui)")
CONDITION = re.compile(r"\b(sauf|sans|si)\b")
LENGTH = re.compile(r"(?P<number>\d+)\s*(?:h|heures?|j|jours?)")
WITHIN = re.compile(r"sous\s+(?P<number>\d+)\s*(?P<unit>h|heures?|j|jours?)\b")
WAITING = re.compile(r"(?P<number>\d+|un|deux|trois)\s*(?:j|jours?)\s+de\s+carence")
NUMBERS = {"un": 1, "deux": 2, "trois": 3}


def absence_policy(said: Any) -> dict[str, Any]:
    """The fields of an AbsencePolicy: `{within_hours: 72, then_carence_days: 2, max_days: 10}`, or in words
    `{maladie: non facturée si justificatif sous 48h, greve: non facturée}`. Raises Unreadable."""
    if not isinstance(said, Mapping):
        said = {"text": said}
    words = plain(first_of(said, "maladie", "illness", "text") or "")
    waiting = _number(said, "carence_days", "waiting_days", "first_days_billed", "carence")
    if said.get("type") == "carence" and waiting is None:
        waiting = _number(said, "days", "n")
    if waiting is None and (found := WAITING.search(words)):
        waiting = NUMBERS.get(found["number"]) or int(found["number"])
    fields: dict[str, Any] = {
        "within_hours": _within_hours(said, words),
        "waiting_days": waiting or 0,
        "late_waiting_days": _number(said, "then_carence_days", "late_carence_days"),
        "max_days": _number(said, "max_days"),
        "certificates_count": plain(first_of(said, "certificate", "certificates"))
        not in ("false", "never", "no")
        and not _always_billed(words),
    }
    for key, reason in REASONS.items():
        if reason in FREE and key in said:
            fields[FREE[reason]] = bool(FREE_SAID.match(plain(said[key])))
    return fields


def _within_hours(said: Mapping[str, Any], words: str) -> int | None:
    hours = _number(said, "within_hours", "certificate_within_hours")
    days = _number(said, "within_days", "certificate_within_days")
    if hours is None and days is not None:
        hours = days * 24
    if hours is None and (found := WITHIN.search(words)):
        hours = int(found["number"]) * (1 if found["unit"].startswith("h") else 24)
    return hours


def _always_billed(words: str) -> bool:
    """« facturée », but not « facturée sauf certificat » nor « facturée sans certificat »."""
    return bool(BILLED_SAID.match(words)) and not CONDITION.search(words)


def _number(said: Mapping[str, Any], *keys: str) -> int | None:
    """2, « 2 », « 2 jours », « 48h »."""
    value = first_of(said, *keys)
    if value is None:
        return None
    length = LENGTH.fullmatch(plain(value))
    with within("absences", keys[0]):
        return read_number(length["number"] if length else value)
