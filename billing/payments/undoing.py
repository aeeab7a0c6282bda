"""What puts a payment right that stands wrong: each act is a row of its own, none changes the payment.

    reverse(payment, because=…, …) -> Undone      it is no payment: its invoices are due again; once
    move(payment, household, …) -> Moved          it was another household's: two rows
    reallocate(payment, amounts, …) -> Changed    it pays other invoices of the household
    use(household, …) -> Decimal                  what payments still hold pays what is due
    undo_refund(refund, …) -> RefundUndone        a refund that the desk typed wrong was none
    hindrance(payment, …), held(payment)          why it cannot be, and what there is of it

The rows are written by `paying.py`; here stand who may, until when the invoices that are due again are to be
paid, and what the family is told. Amounts are euros. A refusal is a PaymentRefused with its French sentence.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import DecimalField, F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from billing.models import (
    BillingSettings,
    Debit,
    Invoice,
    InvoiceWithBalance,
    NewDueDate,
    OnlinePayment,
    OnlineRefund,
    Payment,
    PaymentAllocation,
    PaymentKind,
    PaymentState,
    Reallocation,
    TransferRefund,
    UndoneBecause,
)
from billing.payments import paying, undoing_letters
from billing.payments.paying import PaymentRefused
from families.custody import own
from families.models import Household, User
from portal.french.amounts import euros

RIGHT = "billing.change_payment"
ZERO = Decimal("0.00")
# The money itself has gone, whatever was given back of it before; a slip of the desk never had any.
BY_THE_BANK = (UndoneBecause.BOUNCED, UndoneBecause.RETURNED)
# What the desk typed wrong was wrong on the day it says.
TYPED_WRONG = (UndoneBecause.AMOUNT, UndoneBecause.HOUSEHOLD, UndoneBecause.TWICE)
MONEY_CAME = (PaymentKind.PAYMENT, PaymentKind.TRANSFER)


@dataclass(frozen=True, kw_only=True)
class Undone:
    """The row that undoes, what was recorded instead, and the invoices that are due again."""

    reversal: Payment
    instead: Payment | None
    due: list[InvoiceWithBalance]


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What left the one household and came to the other; `due` are the first one's invoices, due again."""

    gone: Payment
    come: Payment
    due: list[InvoiceWithBalance]


@dataclass(frozen=True, kw_only=True)
class Changed:
    """What a payment pays now; `due` are the invoices that are due again."""

    row: Reallocation
    due: list[InvoiceWithBalance]


@dataclass(frozen=True, kw_only=True)
class RefundUndone:
    """The row by which the money is the payment's again, and what was given back instead."""

    back: Payment
    instead: Payment | None


def next_due(at: datetime) -> date:
    """Until when an invoice that is due again is to be paid, unless the agent says otherwise."""
    return timezone.localtime(at).date() + timedelta(days=BillingSettings.current().payment_days)


def held(payment: Payment) -> Decimal:
    """What there is of a payment still, whether it pays an invoice or not."""
    used = payment.allocations.aggregate(sum=Sum("amount"))["sum"] or ZERO
    return (paying.unused(payment) + Decimal(used)).quantize(ZERO)


def hindrance(payment: Payment, because: str = "") -> str:
    """Why a payment cannot be reversed, in French; empty when it can. `because`: as it is to be said."""
    if payment.kind not in MONEY_CAME or payment.amount <= 0:
        return "Seul un règlement reçu s'annule."
    if payment.state != PaymentState.VALIDATED:
        return f"Ce règlement est « {payment.get_state_display().lower()} » : il n'y a rien à annuler."
    if OnlinePayment.objects.filter(payment=payment).exists():
        return "Un paiement en ligne se rembourse par la banque qui l'a pris, sur sa propre page."
    if because != UndoneBecause.RETURNED and Debit.objects.filter(payment=payment).exists():
        return "Le rejet d'un prélèvement se note sur le prélèvement."
    done = payment.refunded_by.filter(kind=PaymentKind.REVERSAL).first()
    if done is not None:
        return f"Ce règlement est déjà annulé : n°\xa0{done.number}."
    gone = payment.refunded_by.filter(kind=PaymentKind.TRANSFER).select_related("moved_to").first()
    if gone is not None:
        there = getattr(gone, "moved_to", None)
        return "Ce règlement est passé à un autre foyer : annulez" + (
            f" le n°\xa0{there.number}, qui l'y a apporté." if there else " celui qui l'y a apporté."
        )
    there = held(payment)
    if because not in BY_THE_BANK and there < payment.amount:
        return f"{euros(payment.amount - there)} de ce règlement ont déjà été rendus à la famille."
    return ""


def refund_hindrance(refund: Payment) -> str:
    """Why a refund cannot be undone at the desk, in French; empty when it can."""
    if refund.kind != PaymentKind.REFUND:
        return "Seul un remboursement s'annule ainsi."
    if refund.means == Payment.Means.ONLINE or OnlineRefund.objects.filter(payment=refund).exists():
        return "La banque a rendu cet argent : s'il lui revient, elle le dit, et c'est noté tout seul."
    if TransferRefund.objects.filter(payment=refund).exists():
        return "Ce remboursement est un virement : sa page l'abandonne, ou note que la banque l'a rejeté."
    done = refund.refunded_by.filter(kind=PaymentKind.BACK).first()
    return f"Ce remboursement est déjà annulé : n°\xa0{done.number}." if done else ""


def movable(payment: Payment) -> str:
    """Why a payment cannot go to another household, in French; empty when it can."""
    if by_a_bank(payment):
        return "La banque rend l'argent à qui l'a payé : ce règlement reste à son foyer."
    if why := hindrance(payment, UndoneBecause.BOUNCED):
        return why
    return "" if held(payment) > 0 else "Ce règlement a déjà été rendu à la famille."


def by_a_bank(payment: Payment) -> bool:
    """Whether a bank told of it: online, or by a debit of ours."""
    online, debits = (rows.filter(payment=payment) for rows in (OnlinePayment.objects, Debit.objects))
    return online.exists() or debits.exists()


def possible(payment: Payment) -> list[str]:
    """What can be done about a payment: « use », « transfer », « reverse », « move », « reallocate »; about
    a refund: « undo »."""
    if payment.kind == PaymentKind.REFUND:
        return [] if refund_hindrance(payment) else ["undo"]
    if payment.kind not in MONEY_CAME or payment.amount <= 0 or payment.state != PaymentState.VALIDATED:
        return []
    free, there, banks = paying.unused(payment), held(payment), by_a_bank(payment)
    stands = not hindrance(payment, UndoneBecause.BOUNCED)
    debited = banks and Debit.objects.filter(payment=payment, returned_on=None).exists()
    said = {
        "use": free > 0,
        "transfer": free > 0,
        "reverse": stands or debited,
        "move": stands and not banks and there > 0,
        "reallocate": there > 0,
    }
    return [name for name, can in said.items() if can]


def reverse(
    payment: Payment,
    *,
    because: str,
    reason: str,
    on: date | None,
    due_on: date,
    by: User | None,
    at: datetime,
    instead: Decimal | None = None,
    tells: bool = True,
) -> Undone:
    """The payment is none: a row of its own takes it back, of the day `on` (None: the day it was paid where
    it was typed wrong, else today), and its invoices are to be paid until `due_on`.

    `instead`: the amount that was right, recorded at once of the same day and means. `tells`: by mail.
    """
    today = timezone.localtime(at).date()
    _may(payment, [payment.household_id], reason, by, at)
    check_due(due_on, today)
    if instead is not None and instead == payment.amount:
        raise PaymentRefused("Le montant juste est celui qui est noté : il n'y a rien à corriger.")
    if on is None:
        on = payment.paid_on if because in TYPED_WRONG else today
    if on > today:
        raise PaymentRefused("La date de l'annulation est à venir.")
    if on < payment.paid_on:
        raise PaymentRefused("La date de l'annulation est d'avant le règlement.")
    with transaction.atomic():
        payment = _held_for_good(payment, [payment.household_id])
        if why := hindrance(payment, because):
            raise PaymentRefused(why)
        reversal, reopened = paying.take_back(
            payment,
            payment.amount,
            paid_on=on,
            by=by,
            at=at,
            kind=PaymentKind.REVERSAL,
            because=because,
            reason=reason.strip()[:300],
        )
        invoices = [invoice for invoice, _ in reopened]
        right = None
        if instead is not None:
            right = paying.record(
                payment.household,
                instead,
                payment.means,
                paid_on=payment.paid_on,
                by=by,
                at=at,
                reference=payment.reference,
                invoices=list(reversed(invoices)) or None,
                keep_surplus=True,
                regie=payment.regie_id,
            )
        paying.use_what_is_left(payment.household)
        due = due_again(invoices, due_on, reason, by, at)
        if tells:
            undoing_letters.reversed_(payment, reversal, right, due)
    return Undone(reversal=reversal, instead=right, due=due)


def move(
    payment: Payment, household: Household, *, reason: str, due_on: date, by: User | None, at: datetime
) -> Moved:
    """What there is of a payment goes to another household, and pays what that one owes, the oldest first."""
    _may(payment, [payment.household_id, household.pk], reason, by, at)
    check_due(due_on, timezone.localtime(at).date())
    if household.pk == payment.household_id:
        raise PaymentRefused("Ce règlement est déjà à ce foyer.")
    with transaction.atomic():
        payment = _held_for_good(payment, [payment.household_id, household.pk])
        if why := movable(payment):
            raise PaymentRefused(why)
        amount = held(payment)
        gone, come, reopened = paying.move(
            payment, household, amount, reason=reason.strip()[:300], by=by, at=at
        )
        paying.use_what_is_left(payment.household)
        due = due_again([invoice for invoice, _ in reopened], due_on, reason, by, at)
        undoing_letters.moved(payment, gone, come, due)
    return Moved(gone=gone, come=come, due=due)


def reallocate(
    payment: Payment,
    amounts: Mapping[int, Decimal],
    *,
    reason: str,
    due_on: date,
    by: User | None,
    at: datetime,
) -> Changed:
    """A payment pays these amounts (by the invoice's key) from now on; what was typed is taken as a whole or
    not at all. An invoice that it pays less of is to be paid until `due_on`."""
    _may(payment, [payment.household_id], reason, by, at)
    check_due(due_on, timezone.localtime(at).date())
    if any(amount < 0 or amount != amount.quantize(ZERO) for amount in amounts.values()):
        raise PaymentRefused("Indiquez des montants positifs, au centime près.")
    wanted = {key: amount for key, amount in amounts.items() if amount > 0}
    with transaction.atomic():
        payment = _held_for_good(payment, [payment.household_id])
        if payment.kind not in MONEY_CAME or payment.state != PaymentState.VALIDATED or payment.amount <= 0:
            raise PaymentRefused("Ce règlement ne paie aucune facture.")
        there = held(payment)
        if (asked := sum(wanted.values(), ZERO)) > there:
            raise PaymentRefused(f"Vous répartissez {euros(asked)} ; ce règlement contient {euros(there)}.")
        rows = payment.allocations.select_related("invoice").order_by("pk")
        before = {one.invoice_id: one.amount for one in rows}
        numbers = {one.invoice_id: one.invoice.number for one in rows}
        if before == wanted:
            raise PaymentRefused("Rien ne change : ce règlement paie déjà ces montants.")
        invoices = Invoice.objects.filter(household=payment.household_id).in_bulk(list(wanted))
        if set(invoices) != set(wanted):
            raise PaymentRefused("Une des factures est celle d'un autre foyer.")
        numbers |= {key: invoice.number for key, invoice in invoices.items()}
        paying.reallocate(payment, [(invoices[key], amount) for key, amount in wanted.items()])
        row = Reallocation.objects.create(
            payment=payment,
            paid_before=[[numbers[key], str(amount)] for key, amount in before.items()],
            pays_now=[[numbers[key], str(amount)] for key, amount in wanted.items()],
            reason=reason.strip()[:300],
            by=by,
            at=at,
        )
        less = [key for key, amount in before.items() if wanted.get(key, ZERO) < amount]
        due = due_again(Invoice.objects.filter(pk__in=less), due_on, reason, by, at)
        undoing_letters.reallocated(payment, row, due)
    return Changed(row=row, due=due)


def use(household: Household, *, by: User | None, at: datetime) -> Decimal:
    """What the household's payments still hold pays its unpaid invoices, the oldest first; how much did."""
    own.check(by, [household.pk], right=RIGHT, at=at)
    with transaction.atomic():
        if joined := Household.objects.lock([household.pk]).get(household.pk):
            raise PaymentRefused(paying.joined_sentence(joined))
        before = paying.unused_of([household.pk])
        paying.use_what_is_left(household)
        used = before - paying.unused_of([household.pk])
    if not used:
        raise PaymentRefused("Il n'y a rien à utiliser, ou rien à payer.")
    return used


def undo_refund(
    refund: Payment, *, reason: str, by: User | None, at: datetime, instead: Decimal | None = None
) -> RefundUndone:
    """No money was given back: a row of its own, of the day that the refund bears, brings it to its payment
    again, for who uses it. `instead`: the amount that was right, given back at once the same way. Once."""
    _may(refund, [refund.household_id], reason, by, at)
    if instead is not None and instead == -refund.amount:
        raise PaymentRefused("Le montant juste est celui qui est noté : il n'y a rien à corriger.")
    with transaction.atomic():
        refund = _held_for_good(refund, [refund.household_id])
        if why := refund_hindrance(refund):
            raise PaymentRefused(why)
        back = paying.undo_refund(
            refund,
            reference="Remboursement annulé",
            reason=reason.strip()[:300],
            invoices=(),
            paid_on=refund.paid_on,
            by=by,
            at=at,
        )
        right = None
        if instead is not None and refund.refunds is not None:
            right = paying.refund(
                refund.refunds, instead, means=refund.means, paid_on=refund.paid_on, by=by, at=at
            )
        undoing_letters.refund_undone(refund, back, right)
    return RefundUndone(back=back, instead=right)


def usable(household: int) -> Decimal:
    """What of a household's money (by key) could pay what is due, each régie by itself; two queries, one
    where nothing is free."""
    money = DecimalField(max_digits=12, decimal_places=2)
    allocated = PaymentAllocation.objects.filter(payment=OuterRef("pk")).order_by().values("payment")
    used = Subquery(allocated.annotate(sum=Sum("amount")).values("sum"), output_field=money)
    rows = Payment.objects.validated().filter(household=household).order_by()
    sums = rows.annotate(used=Coalesce(used, ZERO, output_field=money)).values_list("regie")
    held = dict(sums.annotate(sum=Sum(F("amount") - F("used"), output_field=money)))
    free = {regie: amount for regie, one in held.items() if (amount := Decimal(one).quantize(ZERO)) > 0}
    if not free:
        return ZERO
    owed: dict[int | None, Decimal] = defaultdict(lambda: ZERO)
    due = Invoice.objects.with_balance().filter(household=household, left__gt=ZERO)
    for regie, left in due.values_list("regie", "left"):
        owed[regie] += left
    return sum((min(one, owed[regie]) for regie, one in free.items()), ZERO).quantize(ZERO)


# What they share -------------------------------------------------------------------------------------------


def _may(payment: Payment, homes: list[int], reason: str, by: User | None, at: datetime) -> None:
    own.check(by, homes, right=RIGHT, at=at)
    if not reason.strip():
        raise PaymentRefused("Indiquez le motif.")


def check_due(due_on: date, today: date) -> None:
    """Raises PaymentRefused for a day that is over."""
    if due_on < today:
        raise PaymentRefused("La nouvelle échéance est déjà passée.")


def _held_for_good(payment: Payment, homes: list[int]) -> Payment:
    """The payment as it is once its household's row, and any other that matters, is held."""
    for joined in Household.objects.lock(homes).values():
        if joined is not None:
            raise PaymentRefused(paying.joined_sentence(joined))
    found = Payment.objects.select_related("household").select_for_update(of=("self",)).get(pk=payment.pk)
    if found.household_id not in homes:
        raise PaymentRefused(paying.joined_sentence(found.household_id))
    return found


def due_again(
    invoices: Iterable[Invoice], due_on: date, reason: str, by: User | None, at: datetime
) -> list[InvoiceWithBalance]:
    """Of these invoices those that are to be paid, each until `due_on`: no day is brought forward."""
    keys = [invoice.pk for invoice in invoices]
    rows = Invoice.objects.with_balance().filter(pk__in=keys, left__gt=ZERO)
    NewDueDate.objects.bulk_create(
        NewDueDate(invoice=invoice, due_on=due_on, reason=reason.strip()[:300], by=by, at=at)
        for invoice in rows
        if invoice.pay_by < due_on
    )
    return list(rows.order_by("pay_by", "sequence"))
