"""A tariff as towns publish it, in the shape of tests/data/towns.yaml, written as rows.

    {id: repas, type: bands, columns: [repas], bands: [{min: '0', max: '399.99', prices: {repas: '0.50'}}],
     late: {add: '2.50'}, nonresident: {multiply: '1.5'}, valid_from: '2024-09-02'}

Amounts are decimal texts in euros; both limits of a band are included; null is without limit.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from billing import absences, pricing
from billing.models import Tariff, TariffBand, TariffModifier, TariffRate, price_text

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
OUTSIDE_COLUMNS = ("ext", "exterieur", "extérieur", "hors_commune", "non_resident", "nonresident")


def amount(value: Any) -> Decimal:
    """« 2.50 », « 2,50 € », 2.5. Raises ValueError."""
    text = str(value).replace("€", "").replace("%", "").replace("\N{NO-BREAK SPACE}", "").replace(" ", "")
    try:
        number = Decimal(text.replace(",", "."))
    except InvalidOperation:
        raise ValueError(f"« {value} » n'est pas un montant.") from None
    if not number.is_finite():
        raise ValueError(f"« {value} » n'est pas un montant.")
    return number


def optional(value: Any) -> Decimal | None:
    return None if value is None else amount(value)


def day(value: Any) -> date | None:
    if value is None or isinstance(value, date):
        return value
    return date.fromisoformat(str(value))


def moment(value: Any) -> datetime | None:
    """A local moment, naive, as `2026-12-02T09:00`."""
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromisoformat(str(value))


def first_of(row: Mapping[str, Any], *keys: str) -> Any:
    """The value under the first key that is there, or None."""
    return next((row[key] for key in keys if key in row), None)


def write(published: Mapping[str, Any], code: str) -> Tariff:
    """Saves a published tariff as rows under `code`. Raises ValueError when it cannot be read."""
    kind = _kind(published)
    tariff = Tariff(
        code=code,
        name=str(published.get("name") or published.get("label") or published.get("id") or code)[:120],
        kind=kind,
        unit=UNITS.get(str(published.get("unit") or published.get("per")), Tariff.Unit.PRESENCE),
        step=amount(first_of(published, "round_to", "rounding_step") or "0.01"),
        valid_from=day(first_of(published, "valid_from", "from")),
        valid_to=day(first_of(published, "valid_to", "to", "until")),
        **_without_quotient(published),
    )
    bands = list(_bands(published, kind))
    tariff.columns = list(
        dict.fromkeys([
            *map(str, published.get("columns") or []),
            *(column for band in bands for column in band.prices if column),
        ])
    )  # fmt: skip
    tariff.save()
    for row in (*bands, *_rates(published, kind), *_modifiers(published, tariff.columns)):
        row.tariff = tariff
        row.save()
    return tariff


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
    raise ValueError(f"Tarif de type « {word} » inconnu.")


def _prices(row: Mapping[str, Any]) -> dict[str, str]:
    prices = row.get("prices")
    if isinstance(prices, Mapping):
        return {
            str(column): price_text(amount(value)) for column, value in prices.items() if value is not None
        }
    value = first_of(row, "price", "amount", "prices")
    return {} if value is None else {"": price_text(amount(value))}


def _bands(published: Mapping[str, Any], kind: str) -> Iterator[TariffBand]:
    if kind == Tariff.Kind.FLAT:
        yield TariffBand(prices=_prices(published))
    for row in published.get("bands") or []:
        low, high = (
            optional(first_of(row, *keys)) for keys in (("min", "low", "from"), ("max", "high", "to"))
        )
        name = first_of(row, "name", "label", "id", "tranche", "band")
        yield TariffBand(low=low, high=high, name=str(name or "")[:60], prices=_prices(row))


def _rates(published: Mapping[str, Any], kind: str) -> Iterator[TariffRate]:
    """One rate, or one a column or a number of children when the file gives mappings."""
    if kind != Tariff.Kind.EFFORT:
        return
    percent = first_of(published, "rate_percent", "percent", "rates_percent", "rates")
    if percent is None:
        rate = first_of(published, "rate", "coefficient")
        percent = _each(rate, lambda value: amount(value) * 100) if rate is not None else Decimal(0)
    limits = {
        "floor": first_of(published, "floor", "min_price", "minimum", "min"),
        "ceiling": first_of(published, "ceiling", "max_price", "maximum", "max", "cap"),
        "base": first_of(published, "base", "fixed", "offset") or Decimal(0),
    }
    low = optional(first_of(published, "qf_min", "min_qf", "qf_floor"))
    high = optional(first_of(published, "qf_max", "max_qf", "qf_ceiling"))
    keys = list(
        dict.fromkeys(
            key for values in (percent, *limits.values()) if isinstance(values, Mapping) for key in values
        )
    )
    for key in keys or [None]:
        row = TariffRate(percent=amount(_of(percent, key)), low=low, high=high)
        for name, values in limits.items():
            setattr(row, name, optional(_of(values, key)))
        row.base = row.base or Decimal(0)
        if key is not None and str(key).isdecimal():
            row.children = int(str(key))
        elif key is not None:
            row.column = str(key)
        yield row


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
        return {"no_quotient": Tariff.NoQuotient.PRICE, "no_quotient_price": amount(word)}
    return {"no_quotient": Tariff.NoQuotient.BAND, "no_quotient_band": str(word)}


def _modifiers(published: Mapping[str, Any], columns: list[str]) -> Iterator[TariffModifier]:
    threshold = first_of(published, "band_shift_if_children_at_least", "shift_if_children_at_least")
    if threshold is not None:
        shift = amount(first_of(published, "band_shift", "shift") or -1)
        yield TariffModifier(when=When.CHILDREN, effect=Effect.SHIFT, number=int(threshold), amount=shift)
    ranks = sorted(int(found[1]) for column in columns if (found := pricing.RANK_COLUMN.fullmatch(column)))
    for rank in ranks:
        if rank > 1:
            yield TariffModifier(when=When.RANK, effect=Effect.COLUMN, number=rank, column=f"r{rank}")
    if outside := next((column for column in columns if column in OUTSIDE_COLUMNS), None):
        yield TariffModifier(when=When.NON_RESIDENT, effect=Effect.COLUMN, column=outside)
    for key, when in CIRCUMSTANCES.items():
        if key in published:
            yield from _effects(published[key], when, columns)
    for key, when in (("rank", When.RANK), ("ranks", When.RANK), ("children", When.CHILDREN)):
        rows = published.get(key)
        for number, effect in rows.items() if isinstance(rows, Mapping) else ():
            if str(number).isdecimal():
                yield from _effects(effect, when, columns, number=int(str(number)))
    for level, effect in (published.get("levels") or {}).items():
        yield from _effects(effect, When.LEVEL, columns, level=str(level))


def _effects(said: Any, when: str, columns: list[str], **what: Any) -> Iterator[TariffModifier]:
    """`{add: '2.50'}`, `{multiply: '1.5'}`, `{price: {repas: '7.61'}}`, `{column: ext}`, or a price alone."""
    if said is None or isinstance(said, bool):
        return
    if not isinstance(said, Mapping):
        if str(said) not in columns and not re.fullmatch(r"\d+([.,]\d+)?\s*€?", str(said).strip()):
            return  # words about the rule, not a price
        said = {"column" if str(said) in columns else "price": said}
    only = [str(column) for column in said.get("columns") or []]
    for key, value in said.items():
        if value is None:
            continue
        if key == "column":
            yield TariffModifier(when=when, effect=Effect.COLUMN, column=str(value), columns=only, **what)
        elif key in EFFECTS or key in REDUCTIONS:
            sign = -1 if key in REDUCTIONS else 1
            effect = EFFECTS.get(key) or REDUCTIONS[key]
            values = value if isinstance(value, Mapping) else {None: value}
            for column, one in values.items():
                scope = only if column is None else [str(column)]
                yield TariffModifier(
                    when=when, effect=effect, amount=sign * amount(one), columns=scope, **what
                )


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
WITHIN = re.compile(r"sous\s+(\d+)\s*(h|heures?|j|jours?)")


def absence_policy(said: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an AbsencePolicy: `{within_hours: 72, then_carence_days: 2, max_days: 10}`, or in words
    `{maladie: non facturée si justificatif sous 48h, greve: non facturée}`."""
    hours = first_of(said, "within_hours", "certificate_within_hours")
    days = first_of(said, "within_days", "certificate_within_days")
    if hours is None and days is not None:
        hours = int(days) * 24
    words = str(first_of(said, "maladie", "illness", "text") or "")
    if hours is None and (found := WITHIN.search(words)):
        hours = int(found[1]) * (1 if found[2].startswith("h") else 24)
    late = first_of(said, "then_carence_days", "late_carence_days")
    maximum = first_of(said, "max_days")
    fields: dict[str, Any] = {
        "within_hours": None if hours is None else int(hours),
        "waiting_days": int(
            first_of(said, "carence_days", "waiting_days", "first_days_billed", "carence") or 0
        ),
        "late_waiting_days": None if late is None else int(late),
        "max_days": None if maximum is None else int(maximum),
        "certificates_count": str(first_of(said, "certificate", "certificates") or "").lower()
        not in ("false", "never", "no"),
    }
    for key, name in (
        ("greve", "strike_free"),
        ("enseignant_absent", "teacher_free"),
        ("sortie", "trip_free"),
    ):
        if key in said:
            fields[name] = str(said[key]).startswith(("non", "gratuit", "free"))
    return fields
