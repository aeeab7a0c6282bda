"""What the portal asks of a provider of online payment, whichever it is.

Amounts are euros (Decimal, to the cent); a provider turns them into its own unit. A provider reads and writes
nothing of the portal's: it answers, and `billing.payments.hearing` decides what the answer changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol

# A bank that takes longer does not answer: the parent is told so, and nothing is charged.
TIMEOUT_SECONDS = 10
CURRENCY = "EUR"


class ProviderDown(Exception):
    """It does not answer, answers too late, or answers nothing that can be read."""


class ProviderRefused(Exception):
    """It answers that it will not; the message says why in French."""


class ProviderUnknown(ProviderRefused):
    """It answers that it knows no such payment, and never will: other keys, another contract, a lost book."""


class NotificationRefused(Exception):
    """A notification that the provider did not sign, or signed too long ago; the message says which."""


class ProviderOutcome(Enum):
    """What a provider says of a payment."""

    OPEN = "open"  # the page is waiting for the payer
    PENDING = "pending"  # the payer has done his part, the bank not yet
    PAID = "paid"
    REFUSED = "refused"
    CANCELLED = "cancelled"  # abandoned or expired: it can no longer be paid


class TakenBackState(Enum):
    """What a provider says of money that leaves a payment again. It only goes forward, in this order."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"  # it never left, or came back: a refund that failed, a dispute won


@dataclass(frozen=True)
class TakenBack:
    """A refund or a payer's dispute, by the provider's own number; `key` is ours where we asked for it."""

    reference: str
    amount: Decimal
    state: TakenBackState
    key: str = ""
    disputed: bool = False
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PaidItem:
    """What is paid: « Facture n° F2026-000042 », its part of the amount, and its number."""

    label: str
    amount: Decimal
    number: str


@dataclass(frozen=True)
class PaymentOrder:
    """A payment to open. `reference` is ours, 6 to 30 capital letters and digits."""

    reference: str
    items: Sequence[PaidItem]
    email: str
    started_at: datetime
    return_url: str
    notify_url: str

    @property
    def amount(self) -> Decimal:
        return sum((item.amount for item in self.items), Decimal(0))

    @property
    def label(self) -> str:
        return ", ".join(item.label for item in self.items)


@dataclass(frozen=True)
class OpenedPage:
    """Where to send the payer, and until when."""

    provider_reference: str
    url: str
    expires_at: datetime
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a provider says of one payment. `reference` is ours, as the provider gives it back.

    `taken_back` are the refunds and disputes that it speaks of. `note` says in French why it is as it is,
    where that is no word of the bank's.
    """

    reference: str
    outcome: ProviderOutcome | None
    amount: Decimal | None = None
    currency: str = CURRENCY
    provider_reference: str = ""
    charge_reference: str = ""
    taken_back: Sequence[TakenBack] = ()
    note: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Notice:
    """A genuine notification. Without `answer` it only says which payment to ask about, by its number, or
    which collected one's refunds, by the number of the charge.
    """

    event_id: str | None
    what: str
    answer: Answer | None = None
    provider_reference: str = ""
    charge_reference: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Collected:
    """A payment as the provider's books have it."""

    reference: str
    amount: Decimal
    provider_reference: str


class Provider(Protocol):
    """Every method may raise ProviderDown."""

    name: str
    minimum: Decimal
    maximum: Decimal
    refunds_online: bool

    def open(self, order: PaymentOrder) -> OpenedPage:
        """Opens the page of a payment; the same order twice gives the same page. Raises ProviderRefused."""

    def read_notification(self, headers: Mapping[str, str], body: bytes) -> Notice | None:
        """A notification, checked; None for one about nothing of ours. Raises NotificationRefused."""

    def ask(self, provider_reference: str, started_at: datetime) -> Answer:
        """Where a payment stands now. Raises ProviderUnknown."""

    def close(self, provider_reference: str, started_at: datetime) -> Answer:
        """Closes the page when it can, then says where the payment stands: it may have been paid."""

    def refund(self, charge_reference: str, amount: Decimal, key: str) -> TakenBack:
        """Gives money back; the same key twice within a day gives it once. Raises ProviderRefused."""

    def taken_back(self, charge_reference: str) -> Answer:
        """Every refund of a collected payment, as its books have it now. Raises ProviderRefused."""

    def collected(self, first: datetime, last: datetime) -> list[Collected] | None:
        """What was collected for payments begun between two moments; None when it keeps no such list."""
