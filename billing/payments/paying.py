"""The only writer of payments and their allocations.

    record(household, amount, means, paid_on=…, by=…, at=…, invoices=None) -> Payment
    allocate(payment, invoice, amount) -> PaymentAllocation
    settle(payment, state, …)                 an online payment's answer, once
    refund(payment, amount, …) -> Payment     a negative payment that frees what it had paid
    credit(collected, left=…, at=…) -> [Payment]  what a bank said it collected, many in seven queries
    release(payment, amount)                  takes a payment back from the invoices it paid, for a refund
    free(invoice, amount)                     takes an invoice's payments back from it, for a credit note
    take_back(payment, amount, …)             given or taken back, or undone: booked, whatever is left
    undo_refund(refund, …) -> Payment         a refund that came back: its own row, its money there again
    unused_of(households) -> Decimal          what their payments hold that pays no invoice
    move(payment, household, amount, …)       money that was another household's: two rows
    reallocate(payment, parts)                what a payment pays from now on

Amounts are euros. What is allocated never exceeds the payment nor what is left of the invoice: the
household's row is locked first, so that two desks cannot pay the same invoice at once.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone

from billing.invoices import ledger, regies, sealing
from billing.invoices.numbering import DocumentNumber, Numbering, take
from billing.models import Invoice, Payment, PaymentAllocation, PaymentKind, PaymentState
from billing.payments import closing
from billing.payments import means as ways
from billing.rules.means import Means
from families.custody import own
from families.models import Household, User, household_number
from portal.french.amounts import euros

SERIES = "R"
ONE_REGIE = "Un règlement ne paie que les factures d'une même régie : encaissez chacune à part."
ZERO = Decimal("0.00")


class PaymentRefused(Exception):
    """Nothing was written; the message says why in French."""


def _numbering(regie: int | None, at: datetime) -> Numbering:
    """The counter of a régie's receipts, held."""
    return Numbering(regies.series(SERIES, regie), timezone.localtime(at).year)


def _numbers(of: Sequence[int | None], year: int) -> list[DocumentNumber]:
    """The next receipt's number for each of these régies, in their order."""
    taken = {
        regie: iter(take(regies.series(SERIES, regie), year, of.count(regie)))
        for regie in sorted(set(of), key=lambda one: one or 0)
    }
    return [next(taken[regie]) for regie in of]


def joined_sentence(kept: int) -> str:
    """What is said of money for a household that was joined to another (by key) meanwhile."""
    return (
        f"Ce foyer vient d'être réuni avec le foyer n°\xa0{household_number(kept)} : recommencez pour "
        "celui-ci."
    )


def record(
    household: Household,
    amount: Decimal,
    means: str,
    *,
    paid_on: date,
    by: User | None,
    at: datetime,
    reference: str = "",
    invoices: Iterable[Invoice] | None = None,
    state: str = PaymentState.VALIDATED,
    regie: int | None = None,
    keep_surplus: bool = False,
) -> Payment:
    """A payment, allocated to `invoices` in their order, or (None) to the unpaid ones, the oldest first.

    It is the régie's of these invoices, or else `regie`'s (None: the town's own), and pays no other's.

    What exceeds the chosen invoices pays those that are overdue; the rest stays the household's, for its next
    ones: of a means that gives no change, or that pays not everything, only with `keep_surplus`. Of []
    nothing is paid. A pending payment is not allocated yet.
    Raises PaymentRefused for an amount that is not positive, a day to come, another household's invoice, or
    what the means may not pay. A pending payment may be of a day to come: a debit's.
    """
    if amount <= 0 or amount != amount.quantize(ZERO):
        raise PaymentRefused("Indiquez un montant positif, au centime près.")
    if state != PaymentState.PENDING and paid_on > timezone.localtime(at).date():
        raise PaymentRefused("La date du règlement est à venir.")
    chosen = None if invoices is None else list(invoices)
    if chosen and any(invoice.household_id != household.pk for invoice in chosen):
        raise PaymentRefused("Une des factures est celle d'un autre foyer.")
    if chosen:
        regie = chosen[0].regie_id
        if any(invoice.regie_id != regie for invoice in chosen):
            raise PaymentRefused(ONE_REGIE)
    with transaction.atomic():
        if joined := Household.objects.lock([household.pk]).get(household.pk):
            raise PaymentRefused(joined_sentence(joined))
        way = ways.of(means)
        if why := ways.why_not(way, household.pk, amount, chosen, regie=regie, keep_surplus=keep_surplus):
            raise PaymentRefused(why)
        (number,) = _numbering(regie, at).take()
        payment = Payment.objects.create(
            **number.fields,
            household=household,
            regie_id=regie,
            amount=amount,
            means=means,
            state=state,
            paid_on=paid_on,
            booked_on=closing.book_day(paid_on, regie) if state == PaymentState.VALIDATED else None,
            reference=reference,
            recorded_by=by,
            recorded_at=at,
        )
        sealing.seal([payment])
        ledger.paid([payment])
        if state == PaymentState.VALIDATED:
            _spread(payment, chosen, way)
            if chosen:
                _spread(payment, None, way, due_before=timezone.localtime(at).date())
    return payment


def settle(
    payment: Payment,
    state: str,
    *,
    at: datetime,
    invoices: Iterable[Invoice] | None = None,
    paid_on: date | None = None,
) -> Payment:
    """The bank's answer to a pending payment, paid on `paid_on` where it says when.

    The same answer twice changes nothing the second time.

    Raises PaymentRefused when the payment was answered otherwise before.
    """
    chosen = None if invoices is None else list(invoices)
    with transaction.atomic():
        Household.objects.lock([payment.household_id])
        current = Payment.objects.select_for_update().get(pk=payment.pk)
        if current.state == state:
            return current
        if current.state != PaymentState.PENDING:
            raise PaymentRefused(f"Ce règlement est déjà « {current.get_state_display().lower()} ».")
        current.state, current.paid_on = state, paid_on or current.paid_on
        if state == PaymentState.VALIDATED:
            # Its number was taken long ago: the counter is held for who closes the books meanwhile.
            _numbering(current.regie_id, at)
            current.booked_on = closing.book_day(current.paid_on, current.regie_id)
        current.save(update_fields=["state", "paid_on", "booked_on"])
        ledger.paid([current])
        if state == PaymentState.VALIDATED:
            _spread(current, chosen)
    return current


def allocate(payment: Payment, invoice: Invoice, amount: Decimal) -> PaymentAllocation:
    """Uses `amount` of a payment for an invoice. Raises PaymentRefused beyond what is left of either."""
    with transaction.atomic():
        Household.objects.lock([payment.household_id])
        return _allocate(payment, invoice, amount)


def refund(
    payment: Payment, amount: Decimal, *, means: str, paid_on: date, by: User | None, at: datetime
) -> Payment:
    """Gives back money that no invoice uses. Raises PaymentRefused beyond that, and for a day to come."""
    own.check(by, [payment.household_id], right="billing.change_payment", at=at)
    if amount <= 0:
        raise PaymentRefused("Indiquez un montant positif.")
    if paid_on > timezone.localtime(at).date():
        raise PaymentRefused("La date du remboursement est à venir.")
    with transaction.atomic():
        if joined := Household.objects.lock([payment.household_id]).get(payment.household_id):
            raise PaymentRefused(joined_sentence(joined))
        free = unused(payment)
        if amount > free:
            raise PaymentRefused(
                f"Il reste {euros(free)} de ce règlement qui ne paie aucune facture : "
                "faites d'abord un avoir."
            )
        return _negative(payment, amount, means, paid_on, by, at)


def _negative(
    payment: Payment,
    amount: Decimal,
    means: str,
    paid_on: date,
    by: User | None,
    at: datetime,
    *,
    kind: PaymentKind = PaymentKind.REFUND,
    because: str = "",
    reason: str = "",
    booked_on: date | None = None,
) -> Payment:
    (number,) = _numbering(payment.regie_id, at).take()
    given_back = Payment.objects.create(
        **number.fields,
        household_id=payment.household_id,
        regie_id=payment.regie_id,
        kind=kind,
        amount=-amount,
        means=means,
        paid_on=paid_on,
        booked_on=booked_on or closing.book_day(paid_on, payment.regie_id),
        recorded_by=by,
        recorded_at=at,
        refunds=payment,
        because=because,
        reason=reason,
    )
    sealing.seal([given_back])
    ledger.paid([given_back])
    return given_back


@dataclass(frozen=True)
class Credit:
    """Money a bank collected for a household; `shares` says how much is meant for which invoice (its pk), all
    of the régie (its key; None: the town's own)."""

    household_id: int
    amount: Decimal
    means: str
    reference: str
    shares: Sequence[tuple[int, Decimal]]
    regie_id: int | None = None


def credit(collected: Sequence[Credit], *, left: dict[int, Decimal], at: datetime) -> list[Payment]:
    """One validated payment a credit, in order, each allocated to its shares as far as the invoices go.

    The caller holds the households' locks and has read `left` (what is left to pay, by invoice) under them;
    it is lowered by what is allocated. What exceeds an invoice stays the household's.
    """
    if not collected:
        return []
    day = timezone.localtime(at).date()
    numbers = _numbers([one.regie_id for one in collected], day.year)
    payments = Payment.objects.bulk_create(
        Payment(
            **number.fields,
            household_id=one.household_id,
            regie_id=one.regie_id,
            amount=one.amount,
            means=one.means,
            paid_on=day,
            reference=one.reference,
            recorded_at=at,
        )
        for number, one in zip(numbers, collected, strict=True)
    )
    Payment.history.bulk_history_create(payments, default_date=at)
    sealing.seal(payments)
    ledger.paid(payments)
    allocations = []
    for payment, one in zip(payments, collected, strict=True):
        free = payment.amount
        for invoice, share in one.shares:
            part = min(free, share, left[invoice])
            if part > 0:
                allocations.append(PaymentAllocation(payment=payment, invoice_id=invoice, amount=part))
                free -= part
                left[invoice] -= part
    PaymentAllocation.objects.bulk_create(allocations)
    return payments


def release(payment: Payment, amount: Decimal) -> list[tuple[Invoice, Decimal]]:
    """Frees `amount` of a payment, first what pays nothing, then from its invoices, the last one first.

    Returns the invoices reopened and by how much. Raises PaymentRefused beyond what the payment still holds.
    """
    with transaction.atomic():
        reopened, missing = _release(payment, amount)
        if missing > 0:
            raise PaymentRefused("Ce règlement ne contient plus autant d'argent.")
    return reopened


def _release(payment: Payment, amount: Decimal) -> tuple[list[tuple[Invoice, Decimal]], Decimal]:
    """The invoices reopened and by how much, and what the payment did not hold."""
    with transaction.atomic():
        Household.objects.lock([payment.household_id])
        missing = amount - unused(payment)
        reopened = []
        for allocation in payment.allocations.select_related("invoice").order_by("-pk"):
            if missing <= 0:
                break
            part = min(missing, allocation.amount)
            missing -= part
            reopened.append((allocation.invoice, part))
            _lower(allocation, part)
    return reopened, missing


def _lower(allocation: PaymentAllocation, part: Decimal) -> None:
    if part == allocation.amount:
        allocation.delete()
    else:
        allocation.amount -= part
        allocation.save(update_fields=["amount"])


def paid_by(invoice: Invoice, amount: Decimal) -> list[tuple[PaymentAllocation, Decimal]]:
    """Of what pays an invoice, the parts that make `amount`: what was used last first."""
    found = []
    rows = invoice.allocations.filter(payment__state=PaymentState.VALIDATED).select_related("payment")
    for allocation in rows.order_by("-pk"):
        if part := min(amount, allocation.amount):
            found.append((allocation, part))
            amount -= part
    return found


def free(invoice: Invoice, amount: Decimal) -> list[tuple[Payment, Decimal]]:
    """Takes `amount` back from an invoice: it is the household's again. Returns how much of which payment.

    Raises PaymentRefused beyond what was paid of it.
    """
    with transaction.atomic():
        Household.objects.lock([invoice.household_id])
        parts = paid_by(invoice, amount)
        if sum((part for _, part in parts), ZERO) != amount:
            raise PaymentRefused(f"Moins de {euros(amount)} ont été payés sur la facture {invoice.number}.")
        for allocation, part in parts:
            _lower(allocation, part)
    return [(allocation.payment, part) for allocation, part in parts]


def take_back(
    payment: Payment,
    amount: Decimal,
    *,
    paid_on: date,
    by: User | None,
    at: datetime,
    kind: PaymentKind = PaymentKind.REFUND,
    because: str = "",
    reason: str = "",
) -> tuple[Payment, list[tuple[Invoice, Decimal]]]:
    """The negative payment of what a bank has given or taken back already, or of what is undone, and the
    invoices that it reopens.

    It is booked whole, for the money is gone: beyond what the payment holds, `unused` of it goes below zero.
    """
    with transaction.atomic():
        Household.objects.lock([payment.household_id])
        reopened, _ = _release(payment, amount)
        given = _negative(
            payment, amount, payment.means, paid_on, by, at, kind=kind, because=because, reason=reason
        )
        return given, reopened


def move(
    payment: Payment, household: Household, amount: Decimal, *, reason: str, by: User | None, at: datetime
) -> tuple[Payment, Payment, list[tuple[Invoice, Decimal]]]:
    """What took the money out of a payment, what brings it to the other household, and the invoices reopened.

    Both rows are of the day on which it was paid, and in the books today: no day of them changes by it.
    """
    today = timezone.localtime(at).date()
    booked_on = today if payment.paid_on < today else None
    with transaction.atomic():
        Household.objects.lock([payment.household_id, household.pk])
        reopened = release(payment, amount)
        gone = _negative(
            payment,
            amount,
            payment.means,
            payment.paid_on,
            by,
            at,
            kind=PaymentKind.TRANSFER,
            reason=reason,
            booked_on=booked_on,
        )
        (number,) = _numbering(payment.regie_id, at).take()
        come = Payment.objects.create(
            **number.fields,
            kind=PaymentKind.TRANSFER,
            household=household,
            regie_id=payment.regie_id,
            amount=amount,
            means=payment.means,
            paid_on=payment.paid_on,
            booked_on=booked_on,
            reference=payment.reference,
            recorded_by=by,
            recorded_at=at,
            moved_from=gone,
        )
        sealing.seal([come])
        ledger.paid([come])
        _spread(come, None)
    return gone, come, reopened


def reallocate(payment: Payment, parts: Sequence[tuple[Invoice, Decimal]]) -> None:
    """The payment pays these parts of these invoices, and nothing else. Raises PaymentRefused beyond what it
    holds or what is left of an invoice."""
    with transaction.atomic():
        Household.objects.lock([payment.household_id])
        payment.allocations.all().delete()
        for invoice, amount in parts:
            _allocate(payment, invoice, amount)


def undo_refund(
    refund: Payment,
    *,
    reference: str,
    invoices: Iterable[Invoice],
    paid_on: date,
    at: datetime,
    by: User | None = None,
    reason: str = "",
) -> Payment:
    """A refund that did not reach the family, or never was: a payment of its own, and what was refunded is
    there again.

    It pays `invoices` as far as they are due.
    """
    chosen = list(invoices)
    with transaction.atomic():
        Household.objects.lock([refund.household_id])
        (number,) = _numbering(refund.regie_id, at).take()
        back = Payment.objects.create(
            **number.fields,
            kind=PaymentKind.BACK,
            household_id=refund.household_id,
            regie_id=refund.regie_id,
            amount=-refund.amount,
            means=refund.means,
            paid_on=paid_on,
            booked_on=closing.book_day(paid_on, refund.regie_id),
            reference=reference,
            recorded_by=by,
            recorded_at=at,
            refunds=refund,
            reason=reason,
        )
        sealing.seal([back])
        ledger.paid([back])
        if refund.refunds is not None:
            _spread(refund.refunds, chosen)
    return back


def unused(payment: Payment) -> Decimal:
    """What of a payment pays no invoice and was not given back; what came back of a refund is there again."""
    if payment.state != PaymentState.VALIDATED or payment.refunds_id is not None:
        return ZERO
    used = payment.allocations.aggregate(sum=Sum("amount"))["sum"] or ZERO
    since = Payment.objects.validated().filter(Q(refunds=payment) | Q(refunds__refunds=payment))
    given_back = since.aggregate(sum=Sum("amount"))["sum"] or ZERO
    # SQLite adds in binary, and gives many decimals.
    return Decimal(payment.amount - used + given_back).quantize(ZERO)


def unused_of(households: Collection[int]) -> Decimal:
    """What the payments of these households (keys) hold that pays no invoice; below zero, what banks have
    taken back beyond. Two queries."""
    rows = Payment.objects.validated().filter(household__in=households)
    paid = rows.aggregate(sum=Sum("amount"))["sum"] or ZERO
    used = rows.aggregate(sum=Sum("allocations__amount"))["sum"] or ZERO
    return (Decimal(paid) - Decimal(used)).quantize(ZERO)


def use_what_is_left(household: Household) -> int:
    """Pays the household's unpaid invoices, oldest first, with what its payments still hold.

    Returns the number of payments used. Called after new invoices are issued.
    """
    with transaction.atomic():
        Household.objects.lock([household.pk])
        used = 0
        for payment in household.payments.validated().filter(refunds=None).order_by("paid_on", "pk"):
            if unused(payment) > 0 and _spread(payment, None):
                used += 1
    return used


def _spread(
    payment: Payment,
    invoices: list[Invoice] | None,
    way: Means | None = None,
    *,
    due_before: date | None = None,
) -> int:
    """Allocates a payment to the invoices in order, as far as it goes and as its means may pay them. Returns
    how many it reached."""
    unpaid = Invoice.objects.with_balance().filter(
        household_id=payment.household_id, regie=payment.regie_id, left__gt=ZERO
    )
    if due_before is not None:
        unpaid = unpaid.filter(pay_by__lt=due_before)
    if invoices is None:
        waiting = list(unpaid.order_by("pay_by", "issued_at", "sequence"))
    else:
        places = {invoice.pk: place for place, invoice in enumerate(invoices)}
        waiting = sorted(unpaid.filter(pk__in=places), key=lambda invoice: places[invoice.pk])
    if not waiting:
        return 0
    way = way or ways.of(payment.means)
    able = ways.rooms(way, [one.pk for one in waiting]) if way.limited else {}
    reached = 0
    for invoice in waiting:
        free = unused(payment)
        if free <= 0:
            break
        part = min(free, invoice.left, able.get(invoice.pk, invoice.left))
        if part > 0:
            _allocate(payment, invoice, part, way)
            reached += 1
    return reached


def _allocate(
    payment: Payment, invoice: Invoice, amount: Decimal, way: Means | None = None
) -> PaymentAllocation:
    if invoice.household_id != payment.household_id:
        raise PaymentRefused("Cette facture est celle d'un autre foyer.")
    if invoice.regie_id != payment.regie_id:
        raise PaymentRefused(ONE_REGIE)
    left = Invoice.objects.with_balance().get(pk=invoice.pk).left
    free = unused(payment)
    if amount <= 0 or amount > free:
        raise PaymentRefused(f"Il reste {euros(free)} de ce règlement.")
    if amount > left:
        raise PaymentRefused(f"Il reste {euros(left)} à payer sur la facture {invoice.number}.")
    way = way or ways.of(payment.means)
    if way.limited and amount > (most := ways.rooms(way, [invoice.pk])[invoice.pk]):
        raise PaymentRefused(
            f"{way.label} : jusqu'à {euros(most)} de la facture {invoice.number}, qui a d'autres lignes."
        )
    allocation, created = PaymentAllocation.objects.get_or_create(
        payment=payment, invoice=invoice, defaults={"amount": amount}
    )
    if not created:
        allocation.amount += amount
        allocation.save(update_fields=["amount"])
    return allocation
