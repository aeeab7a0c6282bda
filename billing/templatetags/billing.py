"""« Mes Factures & Paiements » on « Mon compte famille », and amounts in French."""

from typing import Any

from django import template
from django.conf import settings
from django.utils import timezone

from billing.documents import wording
from billing.models import InvoiceState, PaymentState
from billing.prices.estimates import Estimates
from families.models import Household
from portal.french.amounts import euros
from portal.reservations.models import Enrolment

register = template.Library()
register.filter("euros", euros)


@register.inclusion_tag("billing/_block.html")
def invoices(household: Household) -> dict[str, Any]:
    """The last invoices and the last payments, in one query."""
    home = wording.at_home(household, timezone.localdate())
    more = wording.HOME_ROWS in (len(home.invoices), len(home.payments))
    return {"invoices": home.invoices, "payments": home.payments, "more": more}


@register.inclusion_tag("billing/_due.html")
def money_due(household: Household) -> dict[str, Any]:
    """What waits for the family's payment, at the top of the page; read with the invoices' block."""
    today = timezone.localdate()
    home = wording.at_home(household, today)
    return {
        "total": home.total_due,
        "count": len(home.due),
        "first": home.due[0] if home.due else None,
        "online": bool(settings.PAYMENT_PROVIDER),
    }


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
