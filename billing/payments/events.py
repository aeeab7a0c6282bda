"""What is said of an online payment, and the trace it leaves; refused in a French sentence."""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from billing.models import OnlinePayment, PaymentEvent
from billing.payments.providers.interface import Answer

logger = logging.getLogger(__name__)

ZERO = Decimal("0.00")
CENT = Decimal("0.01")
RECONCILED_AT_ONCE = 1000
Kind = PaymentEvent.Kind


class OnlinePaymentRefused(Exception):
    """Nothing was started and nothing will be charged; the message says why in French."""


@dataclass(frozen=True)
class Heard:
    """A verified answer about one of our payments, and how it came."""

    answer: Answer
    kind: str
    event_id: str | None = None
    what: str = ""
    proven: bool = (
        True  # False where anybody may have made us ask: said again, it is kept while there is room
    )


def write_down(
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
class ReconciliationReport:
    """What a reconciliation found. `troubles` are French sentences."""

    asked: int = 0
    changed: int = 0
    unanswered: int = 0
    troubles: list[str] = field(default_factory=list)
