"""The worked prices of a town that has a file: by its own tariffs, through the formula that they price.

A case names a tariff, with its supplements: the formula that costs just these is asked, whatever stands
between it and the price (an audience's own tariff, a surcharge of its deadline). Where no formula does, one
is made for the case, priced by the town's tariff.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from billing.models import FormulaTariff, Tariff
from billing.prices.books import PriceBook
from billing.rules import pricing
from portal.conformance import loaded_towns
from portal.conformance.published_towns import Document
from portal.conformance.values import Unreadable, listed
from portal.reservations.models import Activity, Formula, SchoolClass

LEVELS = {label.lower(): str(value) for value, label in SchoolClass.Level.choices}
SITUATIONS = {
    FormulaTariff.Situation.LATE: "late",
    FormulaTariff.Situation.UNRESERVED: "unreserved",
    FormulaTariff.Situation.ABSENT: "absent",
    FormulaTariff.Situation.PAI: "pai",
    FormulaTariff.Situation.ADULT: "adult",
}


def why_wrong(
    town: Document, case: Document, expected: Decimal, facts: pricing.Facts, day: date | None, usual: date
) -> str | None:
    """None when the file, loaded, prices as expected, else the reason. Raises Unreadable."""
    name = str(case.get("tariff"))
    tariffs = loaded_towns.tariffs_named(name, facts.column)
    if not tariffs:
        known = Tariff.objects.values_list("code", flat=True)
        raise Unreadable(
            f"« {name} » n'est pas un tarif du fichier.{loaded_towns.near(name, known)}", "tariffs"
        )
    extras = [_extra(str(one)) for one in listed(case.get("extras"))]
    tariff, on = _in_force(tariffs, day, usual)
    facts = replace(facts, level=LEVELS.get(facts.level.lower(), facts.level))
    if facts.column and facts.column not in (tariff.columns or tariff.rule().columns):
        facts = replace(facts, column="", final_column=False)
    told = "resident" in case or "non_resident" in case
    refusal = ""
    for formula, its in [*_own(tariff, facts, extras, told=told), (_made(tariff, facts, extras), facts)]:
        try:
            quote = PriceBook.load([formula.pk], on, on).quote(formula.pk, its, on)
        except pricing.NoPrice as error:
            refusal = refusal or str(error)
            continue
        if quote.tariff.pk == tariff.pk:
            got = quote.price
            if got.amount == expected:
                return None
            return f"attendu {expected}, obtenu {got.amount} ({got.explanation})"
    return f"attendu {expected}, refusé : {refusal or 'aucune formule ne paie ce tarif'}"


def _extra(name: str) -> list[Tariff]:
    found = loaded_towns.tariffs_named(name)
    if not found:
        raise Unreadable(f"« {name} » n'est pas un tarif du fichier.", "extras")
    return found


def _in_force(tariffs: Sequence[Tariff], day: date | None, usual: date) -> tuple[Tariff, date]:
    """Of those that follow each other, the one of the day, and that day."""
    wanted = day or usual
    for one in tariffs:
        if one.rule().in_force(wanted):
            return one, wanted
    last = tariffs[-1]
    if day is not None:
        return last, day
    return last, last.valid_from or last.valid_to or usual


def _own(
    tariff: Tariff, facts: pricing.Facts, extras: Sequence[Sequence[Tariff]], *, told: bool
) -> Iterator[tuple[Formula, pricing.Facts]]:
    """The formulas that cost the tariff and just these supplements, and the case as it is asked of them."""
    wanted = {one.pk for group in extras for one in group}
    links = FormulaTariff.objects.filter(tariff=tariff, supplement=False).select_related("formula")
    for link in links.order_by("formula__order", "pk"):
        if facts.column and link.column not in ("", facts.column):
            continue
        added = set(
            FormulaTariff.objects.filter(formula=link.formula, supplement=True).values_list(
                "tariff_id", flat=True
            )
        )
        if bool(wanted) != bool(added) or not added <= wanted:
            continue
        its = facts
        if link.audience == FormulaTariff.Audience.NON_RESIDENT and not told:
            its = replace(its, resident=False)
        if link.public_id:
            its = replace(its, publics=(link.public_id,))
        if link.situation:
            situation: dict[str, Any] = {SITUATIONS[FormulaTariff.Situation(link.situation)]: True}
            its = replace(its, **situation)
        yield (
            link.formula,
            replace(
                its,
                level=its.level or link.level,
                rank=max(its.rank, link.rank),
                children=max(its.children, link.children),
            ),
        )


def _made(tariff: Tariff, facts: pricing.Facts, extras: Sequence[Sequence[Tariff]]) -> Formula:
    """A formula that costs the tariff and these supplements."""
    activity = Activity.objects.create(code="cas-de-prix", name="Cas de prix", service="tarifs")
    formula = Formula.objects.create(activity=activity, code="cas", name="Cas")
    FormulaTariff.objects.create(formula=formula, tariff=tariff)
    for one in (one for group in extras for one in group):
        FormulaTariff.objects.create(
            formula=formula,
            tariff=one,
            supplement=True,
            column=facts.column if facts.column in one.columns else "",
        )
    return formula
