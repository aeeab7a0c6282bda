"""« Mes Factures & Paiements » on « Mon compte famille », and amounts in French."""

from typing import Any

from django import template
from django.utils import timezone

from billing.documents import wording
from billing.models import InvoiceState, PaymentState
from billing.prices.estimates import Estimates
from families.models import Household
from portal.french.amounts import euros
from portal.reservations.models import Enrolment

register = template.Library()
register.filter("euros", euros)

# Invoices on the home page, unless more are to be paid.
SHOWN = 2
OVER = (InvoiceState.PAID, InvoiceState.CLOSED)


@register.inclusion_tag("billing/_block.html")
def invoices(household: Household) -> dict[str, Any]:
    """The invoices to pay and the last ones, the last payments folded; in one query."""
    home = wording.at_home(household, timezone.localdate())
    shown = sorted(home.invoices, key=lambda row: row.state in OVER)
    return {"invoices": shown[: max(SHOWN, len(home.due))][: wording.HOME_ROWS], "payments": home.payments}


@register.inclusion_tag("components/legend.html")
def invoice_legend() -> dict[str, list[tuple[str, str]]]:
    """« Légende » of the states of invoices, then of those of payments."""
    return {"entries": [*InvoiceState.choices, *PaymentState.choices]}


@register.inclusion_tag("billing/_price.html")
def household_price(enrolment: Enrolment) -> dict[str, Any]:
    """« Tarif de votre foyer : 3,20 € (Repas), quotient 812 », a line a formula; nothing without tariffs."""
    today = max(timezone.localdate(), enrolment.starts_on)
    costs = Estimates.load(enrolment, today, today)
    prices = [
        (costs.sentence(formula, today), costs.explained(formula.pk, today)) for formula in costs.formulas
    ]
    return {"prices": [(sentence, price.explanation) for sentence, price in prices if price is not None]}
