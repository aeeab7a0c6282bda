"""« Payer en ligne » and the payments that wait, on « Mon compte famille »."""

from typing import Any

from django import template
from django.utils import timezone

from billing.documents import wording
from billing.payments.providers import choosing
from families.models import Household

register = template.Library()


@register.inclusion_tag("billing/payments/_block.html")
def online_payments(household: Household) -> dict[str, Any]:
    """The button where something can be paid, and the payments that are no money yet, in one query more."""
    today = timezone.localdate()
    home = wording.at_home(household, today)
    return {
        "unpaid": choosing.offered() and home.owing,
        "any": bool(home.invoices or home.payments),
        "payments": wording.online_at_home(household, today),
    }
