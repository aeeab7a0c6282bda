"""« Payer en ligne » and the payments that wait, on « Mon compte famille »."""

from datetime import timedelta
from typing import Any

from django import template
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from billing.documents import wording
from billing.models import ONLINE_OPEN, OnlineState
from families.models import Household

REFUSED_SHOWN = timedelta(days=15)

register = template.Library()


@register.inclusion_tag("billing/payments/_block.html")
def online_payments(household: Household) -> dict[str, Any]:
    """The button where something can be paid, and the payments that are no money yet, in one query more."""
    owing = wording.at_home(household, timezone.localdate()).owing
    # A refusal is no news once everything is paid.
    failed = [OnlineState.REFUSED, OnlineState.DISPUTED] if owing else [OnlineState.DISPUTED]
    recent = Q(state__in=failed, started_at__gte=timezone.now() - REFUSED_SHOWN)
    return {
        "unpaid": bool(settings.PAYMENT_PROVIDER) and owing,
        "payments": list(household.online_payments.filter(Q(state__in=ONLINE_OPEN) | recent)[:6]),
    }
