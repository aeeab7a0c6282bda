"""A worked invoice of an adult at table: its meals, when they were booked, what they come to.

    - {case: '…', month: '2026-11-01', adult: enseignant, booked: 2026-11-09T09:00, expect: '3.80',
       vat: '0.35', acts: {cantine: {repas: ['2026-11-16']}}}

`adult`: as the town's file says it. `booked`: when the days are asked for; `refused` where one is too late.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from billing.invoices import adults, drafting
from billing.invoices.adults import Address, MealRefused
from billing.invoices.billable import Scope
from billing.models import DINER_WORDS, BillingSettings, Diner
from billing.rules import vat
from portal.conformance import households, loaded_towns
from portal.conformance.households import Act
from portal.conformance.published_towns import Document
from portal.conformance.values import Unreadable, plain, read_amount, read_moment, within

HERE = Address("1 rue des Écoles", "01999", "Exemple")


def why_wrong(town: Document, case: Document) -> str | None:
    """None when the invoice comes to what the case says, else the reason. Raises Unreadable."""
    loaded_towns.stage(town)
    month = households.month_of(case)
    acts = list(households.acts_of(case, "acts", case))
    if not acts:
        raise Unreadable("Écrivez les jours où l'adulte mange.", "acts")
    diner = _diner(case, acts)
    said = plain(case.get("expect"))
    with within("booked"):
        at = read_moment(case.get("booked"))
    try:
        adults.set_days(diner, [act.day for act in acts], (), by=None, at=at)
    except MealRefused as refusal:
        return None if "refus" in said else f"attendu {case.get('expect')}, refusé : {refusal}"
    if "refus" in said:
        return "attendu un refus, rien ne s'y oppose"
    with within("expect"):
        expected = read_amount(case.get("expect"))
    found = list(_lines(diner, month))
    total = sum((amount for _, amount, _ in found), Decimal("0.00"))
    if total != expected:
        return f"attendu {expected}, obtenu {total} ({' ; '.join(said for _, _, said in found)})"
    if case.get("vat") is not None:
        with within("vat"):
            tax = read_amount(case.get("vat"))
        its = sum((one.vat for one in vat.by_rate((rate, amount) for rate, amount, _ in found)), Decimal(0))
        if its != tax:
            return f"attendu {tax} de TVA, obtenu {its}"
    return None


def _diner(case: Document, acts: list[Act]) -> Diner:
    """Of a kind that the town's file knows, for the first of its meals. Raises Unreadable."""
    kind = DINER_WORDS.get(plain(case.get("adult")))
    if kind is None:
        raise Unreadable(f"« {case.get('adult')} » n'est pas prévu : {', '.join(DINER_WORDS)}.", "adult")
    first = acts[0]
    diner = Diner(
        first_name="Dominique",
        last_name="Exemple",
        kind=kind or "other",
        establishment=households.place_of(first.activity),
        formula=first.formula,
        starts_on=min(households.ALWAYS, *(act.day for act in acts)),
    )
    return adults.welcome(diner, HERE, by=None, at=read_moment(case.get("booked")))


def _lines(diner: Diner, month: date) -> Iterator[tuple[Decimal, Decimal, str]]:
    """Rate, amount and words of each line of the month's invoice."""
    drafts, _ = drafting.drafts([diner.household_id], Scope(month), BillingSettings.current())
    for draft in drafts:
        for line in draft.lines:
            yield line.vat_percent, line.amount, f"{line.label} : {line.quantity:f} × {line.unit_price}"
