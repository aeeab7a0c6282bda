"""Documents whose ten years are over: the only writer of `FormerDocument`, and of the end of a document.

    due(before) -> [QuerySet]        settled invoices of years that ended before, with what hangs on them
    remove(rows, at) -> int          leaves number, date, amount and hash, then deletes with the file
    gaps(kind, series, year)         sequences of a series that nothing stands for: none, ever

An invoice goes with its credit notes and write-offs, its payments and all other invoices that these paid,
once the years of all of them are over: what is left of a payment could pay another invoice otherwise. The
database lets a document go only where its former one stands (`billing.invoices.immutable`).
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from billing.models import (
    ArrearsDecision,
    BilledItem,
    CreditedItem,
    CreditNote,
    CreditNoteLine,
    Debit,
    DepositLine,
    DinerMeal,
    FormerDocument,
    HouseholdFee,
    InstalmentPlan,
    Invoice,
    InvoiceLine,
    InvoiceNotice,
    InvoicePdf,
    ManualCharge,
    NewDueDate,
    NumberCounter,
    OnlinePayment,
    OnlinePaymentInvoice,
    OnlineRefund,
    Payment,
    PaymentAllocation,
    PaymentEvent,
    PaymentState,
    Reallocation,
    ReminderLetter,
    StatementCredit,
    TransferRefund,
    WriteOff,
)
from billing.models.online import ONLINE_OPEN
from families.models import Household
from families.privacy import histories
from families.privacy.retention import Rows

Kind = FormerDocument.Kind
ZERO = Decimal(0)


def due(before: datetime) -> list[Rows]:
    """`before` is ten years ago, or what the town says: a document goes when its whole year is older."""
    year = timezone.localtime(before).year
    old = Invoice.objects.filter(year__lt=year).with_balance().filter(left__lte=ZERO)
    keys = {key for home in _homes(old) for key in _whole(home, year)[0]}
    return [Invoice.objects.filter(pk__in=keys).order_by("pk")]


def _homes(old: QuerySet[Any]) -> Iterable[int]:
    return old.order_by().values_list("household_id", flat=True).distinct()


def _whole(home: int, year: int) -> tuple[set[int], set[int]]:
    """Invoices and payments of a household that hang together and are all older than `year`."""
    settled = Invoice.objects.filter(household=home).with_balance().filter(left__lte=ZERO)
    invoices = set(settled.filter(year__lt=year).values_list("pk", flat=True))
    later = CreditNote.objects.filter(invoice__in=invoices, year__gte=year)
    invoices -= set(later.values_list("invoice_id", flat=True))
    later_off = WriteOff.objects.filter(invoice__in=invoices, year__gte=year)
    invoices -= set(later_off.values_list("invoice_id", flat=True))
    payments = _spent(home, year)
    tied, returned = _ties(home)
    while True:
        gone = {payment for payment in payments if not tied[payment] <= invoices}
        gone |= {one for pair in returned for one in pair if one in payments and not set(pair) <= payments}
        payments -= gone
        held = set()
        for payment, paid in tied.items():
            if payment not in payments:
                held |= paid & invoices
        invoices -= held
        if not gone and not held:
            return invoices, payments


def _spent(home: int, year: int) -> set[int]:
    """Payments older than `year` of which nothing is left for another invoice."""
    rows = Payment.objects.filter(household=home, year__lt=year)
    waiting = rows.filter(state=PaymentState.PENDING)
    used = dict(
        PaymentAllocation.objects.filter(payment__in=rows)
        .values_list("payment_id")
        .annotate(sum=Sum("amount"))
        .order_by()
    )
    # What came back of a refund is the first payment's again.
    back = dict(
        Payment.objects.filter(household=home)
        .annotate(first=Coalesce("refunds__refunds", "refunds"))
        .filter(first__in=rows)
        .values_list("first")
        .annotate(sum=Sum("amount"))
        .order_by()
    )
    left = {
        key
        for key, amount in rows.validated().filter(refunds=None).values_list("pk", "amount")
        if amount + back.get(key, ZERO) > used.get(key, ZERO)
    }
    return set(rows.values_list("pk", flat=True)) - left - set(waiting.values_list("pk", flat=True))


def _ties(home: int) -> tuple[dict[int, set[int]], list[tuple[int, int]]]:
    """Which invoices each payment paid, tried to pay, or debited; and which payment gave which one back."""
    tied: dict[int, set[int]] = defaultdict(set)
    pairs: list[Any] = [
        PaymentAllocation.objects.filter(payment__household=home).values_list("payment_id", "invoice_id"),
        Debit.objects.filter(payment__household=home).values_list("payment_id", "invoice_id"),
        OnlinePaymentInvoice.objects.filter(
            online_payment__household=home, online_payment__payment__isnull=False
        ).values_list("online_payment__payment_id", "invoice_id"),
    ]
    for rows in pairs:
        for payment, invoice in rows:
            tied[payment].add(invoice)
    refunds = Payment.objects.filter(household=home, refunds__isnull=False)
    return tied, [(one.pk, one.refunds_id) for one in refunds if one.refunds_id is not None]


def remove(rows: Sequence[Rows], at: datetime) -> int:
    """Removes these invoices, as far as they are whole, with what hangs on them; how many."""
    removed = 0
    for each in rows:
        chosen: dict[int, set[int]] = defaultdict(set)
        for key, home in each.values_list("pk", "household_id"):
            chosen[home].add(key)
        for home, keys in chosen.items():
            removed += _remove_of(home, keys, at)
    return removed


def _remove_of(home: int, chosen: set[int], at: datetime) -> int:
    today = timezone.localtime(at).date()
    with transaction.atomic():
        Household.objects.lock([home])
        # The law's own ten years, whatever the town's row says.
        invoices, payments = _whole(home, today.year - FormerDocument.YEARS)
        if not invoices <= chosen:
            # Of what hangs together, only what was chosen as a whole goes.
            tied, returned = _ties(home)
            payments = {one for one in payments if tied[one] and tied[one] <= chosen}
            payments -= {one for pair in returned for one in pair if not set(pair) <= payments}
            invoices &= chosen
            for payment, paid in tied.items():
                if payment not in payments:
                    invoices -= paid
        documents = invoices | _taken_over_by(invoices, home, today.year - FormerDocument.YEARS)
        _leave(documents, payments, today)
        _delete_payments(payments)
        _delete_invoices(documents)
    return len(invoices)


def _taken_over_by(invoices: set[int], home: int, year: int) -> set[int]:
    """Statements older than `year` that these invoices, or credit notes on them, took over, or that carried
    nothing, or were dropped before it."""
    rows = Invoice.every.filter(household=home, kind=Invoice.Kind.CARRIED, year__lt=year)
    taken = Q(taken_over__invoice__in=invoices) | Q(credited_by__note__invoice__in=invoices)
    found = rows.filter(Q(total=ZERO) | Q(write_offs__year__lt=year) | taken)
    return set(found.values_list("pk", flat=True))


def _leave(invoices: set[int], payments: set[int], today: date) -> None:
    """What stays of each, before the triggers let it go."""
    printed = dict(InvoicePdf.objects.filter(invoice__in=invoices).values_list("invoice_id", "sha256"))
    left: list[FormerDocument] = []
    for invoice in Invoice.every.filter(pk__in=invoices):
        mark = printed.get(invoice.pk) or _hash(invoice, invoice.payer, invoice.address, invoice.total)
        left.append(_former(Kind.INVOICE, invoice, invoice.issued_at, invoice.total, mark, today))
    for note in CreditNote.objects.filter(invoice__in=invoices):
        mark = _hash(note, note.reason, note.amount)
        left.append(_former(Kind.CREDIT, note, note.issued_at, note.amount, mark, today))
    for off in WriteOff.objects.filter(invoice__in=invoices):
        mark = _hash(off, off.kind, off.reason, off.decision, off.amount)
        left.append(_former(Kind.WRITE_OFF, off, off.issued_at, off.amount, mark, today))
    for payment in Payment.objects.filter(pk__in=payments):
        mark = _hash(payment, payment.paid_on, payment.means, payment.amount)
        left.append(_former(Kind.PAYMENT, payment, payment.paid_on, payment.amount, mark, today))
    FormerDocument.objects.bulk_create(left)


def _former(kind: str, row: Any, when: date, amount: Any, mark: str, today: date) -> FormerDocument:
    day = timezone.localtime(when).date() if isinstance(when, datetime) else when
    return FormerDocument(
        kind=kind,
        number=row.number,
        series=row.series,
        year=row.year,
        sequence=row.sequence,
        day=day,
        amount=amount,
        sha256=mark,
        removed_on=today,
        removed_year=today.year,
    )


def _hash(row: Any, *said: Any) -> str:
    content = json.dumps([row.number, *map(str, said)], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def _delete_payments(payments: set[int]) -> None:
    online = OnlinePayment.objects.filter(payment__in=payments)
    parts = list(online.values_list("pk", flat=True))
    PaymentAllocation.objects.filter(payment__in=payments).delete()
    # By its own statement, as the triggers look at every row.
    Reallocation.objects.filter(payment__in=payments)._raw_delete("default")
    TransferRefund.objects.filter(payment__in=payments).delete()
    Debit.objects.filter(payment__in=payments).delete()
    OnlineRefund.objects.filter(online_payment__in=parts).delete()
    PaymentEvent.objects.filter(online_payment__in=parts).delete()
    OnlinePaymentInvoice.objects.filter(online_payment__in=parts).delete()
    OnlinePayment.objects.filter(pk__in=parts).delete()
    # A slip keeps number and amount.
    DepositLine.objects.filter(payment__in=payments).update(payment=None, drawer="", reference="")
    # A refund goes before what it refunded.
    Payment.objects.filter(pk__in=payments, refunds__isnull=False).delete()
    Payment.objects.filter(pk__in=payments).delete()
    histories.forget(Payment, payments)


def _delete_invoices(invoices: set[int]) -> None:
    for printed in InvoicePdf.objects.filter(invoice__in=invoices):
        if printed.file.name:
            transaction.on_commit(partial(printed.file.storage.delete, printed.file.name))
    OnlinePaymentInvoice.objects.filter(invoice__in=invoices).delete()
    tried = OnlinePayment.objects.filter(payment=None, parts=None).exclude(state__in=ONLINE_OPEN)
    PaymentEvent.objects.filter(online_payment__in=tried.values("pk")).delete()
    tried.delete()
    InvoiceNotice.objects.filter(invoice__in=invoices).delete()
    InvoicePdf.objects.filter(invoice__in=invoices).delete()
    lines = InvoiceLine.objects.filter(invoice__in=invoices)
    charges = ManualCharge.objects.filter(line__in=lines)
    keys = list(charges.values_list("pk", flat=True))
    charges.delete()
    histories.forget(ManualCharge, keys)
    # Each by its own statement, as the triggers look at every row.
    notes = CreditNote.objects.filter(invoice__in=invoices)
    StatementCredit.objects.filter(note__in=notes)._raw_delete("default")
    CreditedItem.objects.filter(line__note__in=notes)._raw_delete("default")
    CreditNoteLine.objects.filter(note__in=notes)._raw_delete("default")
    notes._raw_delete("default")
    WriteOff.objects.filter(invoice__in=invoices)._raw_delete("default")
    items = BilledItem.objects.filter(line__in=lines)
    asked = set(items.filter(fee__isnull=False).values_list("fee", flat=True))
    meals = set(items.filter(meal__isnull=False).values_list("meal", flat=True))
    items._raw_delete("default")
    if meals:
        DinerMeal.objects.filter(pk__in=meals, billed=None).delete()
    if asked:
        HouseholdFee.objects.filter(pk__in=asked, billings=None).delete()
    lines._raw_delete("default")
    NewDueDate.objects.filter(invoice__in=invoices)._raw_delete("default")
    ArrearsDecision.invoices.through.objects.filter(invoice__in=invoices)._raw_delete("default")
    InstalmentPlan.objects.filter(invoice__in=invoices).delete()
    Invoice.every.filter(pk__in=invoices)._raw_delete("default")
    histories.forget(Invoice, invoices)


def old_letters(before: datetime) -> list[Rows]:
    year = timezone.localtime(before).year
    return [ReminderLetter.objects.filter(sent_at__year__lt=year).order_by("pk")]


def remove_letters(rows: Sequence[Rows], at: datetime) -> int:
    """Letters with their files; a lot's common file goes with its last letter."""
    removed = 0
    for each in rows:
        for letter in each.select_related("lot"):
            with transaction.atomic():
                lot = letter.lot
                if letter.file.name:
                    transaction.on_commit(partial(letter.file.storage.delete, letter.file.name))
                letter.delete()
                if lot is not None and not lot.letters.exists():
                    if lot.file.name:
                        transaction.on_commit(partial(lot.file.storage.delete, lot.file.name))
                    lot.delete()
            removed += 1
    return removed


def gaps(kind: str, series: str, year: int) -> list[int]:
    """Sequences taken in a series and year for which neither a document nor a former one stands."""
    rows: dict[str, QuerySet[Any]] = {
        Kind.INVOICE: Invoice.every.all(),
        Kind.CREDIT: CreditNote.objects.all(),
        Kind.PAYMENT: Payment.objects.all(),
        Kind.WRITE_OFF: WriteOff.objects.all(),
    }
    counter = NumberCounter.objects.filter(series=series, year=year).first()
    there = set(rows[kind].filter(series=series, year=year).values_list("sequence", flat=True))
    there |= set(
        FormerDocument.objects.filter(kind=kind, series=series, year=year).values_list("sequence", flat=True)
    )
    last = counter.last if counter else max(there, default=0)
    return [sequence for sequence in range(1, last + 1) if sequence not in there]
