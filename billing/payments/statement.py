"""The daily statement: what the provider collected against what we booked, payment by payment."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.utils import timezone

from billing.models import ONLINE_PAID, OnlinePayment, Regie
from billing.payments.providers import choosing
from billing.payments.providers.interface import Provider, ProviderOutcome, ProviderRefused
from portal.french.amounts import euros
from portal.french.plurals import counted

# A page opened at five to midnight is paid on the day after; its books are read that much longer.
SPILLS_OVER = timedelta(days=1)


@dataclass
class Statement:
    """The payments begun on a day. `differences` are French sentences; none: the books agree."""

    day: date
    count: int = 0
    total: Decimal = Decimal(0)
    differences: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        paid = counted(self.count, "paiement validé", "paiements validés")
        found = counted(len(self.differences), "écart", "écarts") if self.differences else ""
        return f"{self.day:%d/%m/%Y} : {paid}, {euros(self.total)} ; {found or 'les comptes concordent'}."


def of_day(day: date) -> Statement:
    """Compares the online payments begun on `day` (Paris) with the books of their providers.

    Raises ProviderDown when one does not answer: half a statement would lie.
    """
    first = timezone.make_aware(datetime.combine(day, time.min))
    last = timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))
    found = Statement(day)
    begun = OnlinePayment.objects.filter(started_at__gte=first, started_at__lt=last)
    ours = list(begun.select_related("regie").order_by("pk"))
    by_contract: dict[tuple[str, str], list[OnlinePayment]] = {}
    for code in ("", *Regie.objects.values_list("code", flat=True)):
        if (current := choosing.current(code)) is not None:
            by_contract[current.name, code] = []
    for payment in ours:
        contract = payment.provider, payment.regie.code if payment.regie else ""
        by_contract.setdefault(contract, []).append(payment)
        if payment.state in ONLINE_PAID:
            found.count += 1
            found.total += payment.amount
    for (name, code), payments in by_contract.items():
        provider = choosing.named(name, code)
        books = provider.collected(first, last + SPILLS_OVER)
        if books is None:
            found.differences += _asked_one_by_one(provider, payments)
            continue
        theirs = {one.reference: one.amount for one in books}
        found.differences += _compared(payments, theirs)
        known = set(OnlinePayment.objects.filter(reference__in=theirs).values_list("reference", flat=True))
        found.differences += [
            f"{one.provider_reference} : {euros(one.amount)} encaissés pour un paiement inconnu ici."
            for one in books
            if one.reference not in known
        ]
    return found


def _compared(payments: list[OnlinePayment], theirs: dict[str, Decimal]) -> list[str]:
    found = []
    for payment in payments:
        booked = payment.amount if payment.state in ONLINE_PAID else None
        found += _difference(payment, booked, theirs.get(payment.reference))
    return found


def _asked_one_by_one(provider: Provider, payments: list[OnlinePayment]) -> list[str]:
    """For a provider without a list of what it collected."""
    found = []
    for payment in payments:
        if not payment.provider_reference:
            continue
        try:
            answer = provider.ask(payment.provider_reference, payment.started_at)
        except ProviderRefused as refusal:
            found.append(f"{payment.reference} : {refusal}")
            continue
        collected = answer.amount if answer.outcome is ProviderOutcome.PAID else None
        booked = payment.amount if payment.state in ONLINE_PAID else None
        found += _difference(payment, booked, collected)
    return found


def _difference(payment: OnlinePayment, booked: Decimal | None, collected: Decimal | None) -> list[str]:
    if booked == collected:
        return []
    if collected is None:
        return [
            f"{payment.reference} : {euros(payment.amount)} validés ici, rien d'encaissé chez le prestataire."
        ]
    ours = f"« {payment.get_state_display()} »" if booked is None else f"{euros(booked)} validés"
    return [f"{payment.reference} : {euros(collected)} encaissés, {ours} ici."]
