"""The price and absence cases that towns publish, replayed through real rows and the price book."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from billing import absences, pricing, published
from billing.models import AbsencePolicy, FormulaTariff
from billing.tariffs import PriceBook
from portal.reservations.models import Activity, Formula
from portal.reservations.town_replay import Case, register

# Towns that date nothing mean today's tariff, whatever today is.
ANY_DAY = date(2026, 11, 23)
TRUE_WORDS = ("true", "oui", "yes", "1")


def prices(town: Mapping[str, Any], meta: Mapping[str, Any]) -> Iterator[Case]:
    for place, worked in enumerate(town.get("worked_prices") or [], start=1):
        label = f"prix {place} ({worked.get('tariff')})"
        if note := worked.get("note"):
            label += f" {note}"

        def run(worked: Mapping[str, Any] = worked) -> str | None:
            return _check(town, worked)

        yield Case(str(town.get("id")), label, run)


def _check(town: Mapping[str, Any], worked: Mapping[str, Any]) -> str | None:
    expected = published.amount(worked["expect"])
    tariffs = {str(row["id"]): row for row in town.get("tariffs") or []}
    formula = _formula(str(town.get("id")))
    wanted = [str(worked["tariff"]), *map(str, worked.get("extras") or [])]
    for place, name in enumerate(wanted):
        if name not in tariffs:
            return f"le tarif « {name} » n'est pas dans le fichier"
        tariff = published.write(tariffs[name], code=f"{place}-{name}"[:80])
        FormulaTariff.objects.create(formula=formula, tariff=tariff, supplement=place > 0)
        for own, case in published.own_tariffs(tariffs[name]):
            if own in tariffs:
                special = published.write(tariffs[own], code=f"{place}-{name}-{own}"[:80])
                FormulaTariff.objects.create(formula=formula, tariff=special, supplement=place > 0, **case)
    day = published.day(worked.get("date")) or _day_of(tariffs[wanted[0]])
    try:
        got = PriceBook.load([formula.pk], day, day).price(formula.pk, facts(worked), day)
    except pricing.NoPrice as refusal:
        return f"attendu {expected}, refusé : {refusal}"
    return None if got.amount == expected else f"attendu {expected}, obtenu {got.amount} ({got.explanation})"


def _formula(code: str) -> Formula:
    activity = Activity.objects.create(code=f"tarifs-{code}"[:60], name=code[:120], service="tarifs")
    return Formula.objects.create(activity=activity, code="formule", name="Formule")


def _day_of(row: Mapping[str, Any]) -> date:
    """A day on which an undated case may be read: within the tariff's own dates."""
    first, last = published.day(row.get("valid_from")), published.day(row.get("valid_to"))
    if first is not None and first > ANY_DAY:
        return first
    return last if last is not None and last < ANY_DAY else ANY_DAY


def facts(worked: Mapping[str, Any]) -> pricing.Facts:
    """What a worked case says of the family. A column it names is the one to read, and no other."""
    column = str(worked.get("column") or "")
    quotient = published.first_of(worked, "qf", "quotient")
    units = published.first_of(worked, "units", "quantity", "hours")
    minutes, unit = worked.get("minutes"), str(worked.get("unit") or "half_hour")
    if units is None and minutes is not None:
        units = pricing.started(int(minutes), pricing.Unit(published.UNITS.get(unit, "half_hour")))
    return pricing.Facts(
        quotient=None if quotient is None else published.amount(quotient),
        resident=_flag(worked, "resident", default=column not in published.OUTSIDE_COLUMNS),
        rank=int(worked.get("rank") or 1),
        children=int(published.first_of(worked, "children", "nb_children") or 1),
        level=str(worked.get("level") or ""),
        adult=_flag(worked, "adult"),
        pai=_flag(worked, "pai"),
        late=_flag(worked, "late"),
        unreserved=_flag(worked, "unreserved") or _flag(worked, "unbooked"),
        absent=_flag(worked, "absent") or _flag(worked, "absence"),
        units=Decimal(1) if units is None else published.amount(units),
        column=column,
        final_column=bool(column),
    )


def _flag(worked: Mapping[str, Any], key: str, *, default: bool = False) -> bool:
    value = worked.get(key)
    return default if value is None else str(value).lower() in TRUE_WORDS


def absence_cases(town: Mapping[str, Any], meta: Mapping[str, Any]) -> Iterator[Case]:
    for place, worked in enumerate(town.get("worked_absences") or [], start=1):

        def run(worked: Mapping[str, Any] = worked) -> str | None:
            return _check_absence(town.get("absences") or {}, worked)

        yield Case(str(town.get("id")), f"absence {place}", run)


def _check_absence(said: Mapping[str, Any], worked: Mapping[str, Any]) -> str | None:
    policy = AbsencePolicy.objects.create(**published.absence_policy(said))
    policy.refresh_from_db()
    absent = [published.day(one) for one in worked.get("absent") or [worked["first_absence"]]]
    certificate = published.moment(worked.get("certificate"))
    reason = published.REASONS.get(str(worked.get("reason") or ""), absences.Reason.NONE)
    billed = absences.billed_days(policy.rule(), [one for one in absent if one], certificate, reason)
    expected = int(worked["billed_days"])
    return None if len(billed) == expected else f"attendu {expected} jours facturés, obtenu {len(billed)}"


register("prices", prices)
register("absences", absence_cases)
