"""The only writer of online payments: what a provider's verified word changes, once.

    start(household, wanted, by=…, at=…) -> OnlinePayment      opens the provider's page for some invoices
    hear(said, at=…) -> [OnlinePayment]                        verified answers, one or a thousand
    check(payment, at=…), abandon(payment, at=…)               asks the provider now; closes its page first
    refund(payment, amount, …) -> OnlineRefund                 through the provider, with a credit note
    reconcile(at=…) -> Report                                  asks about every payment that may have moved

No word of a browser comes here: a return from the provider's page only makes us ask. Every change is made
under the lock of the household's row, so that desks, tabs and notifications follow one another; a thing said
twice, or late, changes nothing the second time. Calls to a provider are never made inside a transaction.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from billing.models import (
    OnlinePayment,
    PaymentEvent,
)
from billing.payments.providers.interface import (
    Answer,
)
from families.models import Household

logger = logging.getLogger(__name__)

ZERO = Decimal("0.00")
RECONCILED_AT_ONCE = 1000
Kind = PaymentEvent.Kind


class PaymentRefused(Exception):
    """Nothing was started and nothing will be charged; the message says why in French."""


@dataclass(frozen=True)
class Heard:
    """A verified answer about one of our payments, and how it came."""

    answer: Answer
    kind: str
    event_id: str | None = None
    what: str = ""


def _lock(households: Sequence[int]) -> None:
    list(Household.objects.select_for_update().filter(pk__in=households).order_by("pk").values_list("pk"))


def _note(
    payment: OnlinePayment | None,
    kind: str,
    note: str,
    at: datetime,
    *,
    provider: str = "",
    raw: object = None,
    event_id: str | None = None,
) -> None:
    PaymentEvent.objects.bulk_create(
        [
            PaymentEvent(
                online_payment=payment,
                provider=payment.provider if payment else provider,
                kind=kind,
                note=note[:300],
                raw=raw or {},
                event_id=event_id,
                at=at,
            )
        ],
        ignore_conflicts=True,
    )


@dataclass
class Report:
    """What a reconciliation found. `troubles` are French sentences."""

    asked: int = 0
    changed: int = 0
    unanswered: int = 0
    troubles: list[str] = field(default_factory=list)
