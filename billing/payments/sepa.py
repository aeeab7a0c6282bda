"""Direct debit: what households that signed a mandate owe, as one pain.008 file for the bank.

    due(month) -> [Invoice]                       what a file of that month would debit
    outlook(month) -> Outlook                     that, what is left out and why; reads only
    make(month, collected_on=…, by=…, at=…)       the file; each invoice gets a payment that waits
    schema_of(file) -> str                        which schema a file was written in
    collected(file, by=…, at=…) -> int            the bank has collected: what was not sent back is paid
    returned(debit, on=…, reason=…, by=…, at=…)   the bank sends one back: its invoice is to pay again

A file is one régie's (`regie`: its key, None the town's own): its creditor, its mandates, its invoices.

A debit is paid on the day that the bank collects it, whenever its file was made or marked. The file is
written by the library `sepaxml` and checked against the schema of ISO 20022 that it carries.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils import timezone
from django_stubs_ext import WithAnnotations
from sepaxml import SepaDD
from sepaxml.validation import ValidationError as SchemaError

from billing.invoices import regies
from billing.models import (
    ONLINE_OPEN,
    Balance,
    Debit,
    DebitFile,
    Invoice,
    InvoiceWithBalance,
    Issuer,
    Mandate,
    OnlinePaymentInvoice,
    Payment,
    PaymentState,
    UndoneBecause,
)
from billing.payments import own_account, paying, plans, undoing
from families.models import Household, User
from portal.database.encrypted import Unreadable
from portal.french.dates import end_of_month, months_after

# Banks ask for one or the other; the older one is understood everywhere still.
SCHEMAS = ("pain.008.001.02", "pain.008.001.08")
SCHEMA = SCHEMAS[0]
# The bank wants the file ahead, and the household to have been told.
NOTICE = timedelta(days=2)


class ToDebit(Balance):
    """What `due` adds to an invoice: the key of its household's mandate."""

    mandate_id: int


InvoiceToDebit: TypeAlias = "WithAnnotations[Invoice, ToDebit]"


class DebitRefused(Exception):
    """Nothing was written; the message says why in French."""


@dataclass(frozen=True)
class LeftOut:
    """An unpaid invoice of a household with a mandate that the file does not debit; why in French."""

    invoice: InvoiceWithBalance
    why: str


@dataclass(frozen=True)
class Outlook:
    """What a file would debit: of each invoice (key) what is `asked`, the whole, or of one paid in several
    times what is due by then. `elsewhere`: how many unpaid invoices are of households without a mandate."""

    invoices: Sequence[InvoiceToDebit]
    left_out: Sequence[LeftOut]
    elsewhere: int
    mandates: dict[int, Mandate]

    asked: Mapping[int, Decimal]

    @property
    def total(self) -> Decimal:
        return sum((self.asked[invoice.pk] for invoice in self.invoices), Decimal(0))

    @property
    def debtors(self) -> list[tuple[InvoiceToDebit, Mandate, Decimal]]:
        return [(one, self.mandates[one.mandate_id], self.asked[one.pk]) for one in self.invoices]

    @property
    def fingerprint(self) -> str:
        """Changes with what would be debited, of whom and from which mandate."""
        rows = [f"{one.pk}:{self.asked[one.pk]:.2f}:{one.mandate_id}" for one in self.invoices]
        return hashlib.sha256("|".join(rows).encode()).hexdigest()[:16]


def _unpaid(month: date, regie: int | None) -> QuerySet[InvoiceWithBalance]:
    return Invoice.objects.with_balance().filter(month__lte=month, regie=regie, left__gt=Decimal(0))


def due(month: date, regie: int | None = None) -> list[InvoiceToDebit]:
    """Unpaid invoices of a month and of those before it whose household has a mandate, by number.

    Those being paid online or debited already are left out, and those of which no part is due yet.
    """
    found = _with_mandate(month, regie)
    asked = _asked(found, month)
    return [invoice for invoice in found if asked[invoice.pk] > 0]


def _asked(invoices: Sequence[InvoiceToDebit], month: date) -> dict[int, Decimal]:
    """What a file of the month asks for of each: all that is left, or, paid in several times, what is due by
    the end of the month in which it is collected, the next one."""
    until = end_of_month(months_after(month, 1))
    agreed = plans.among(invoices)
    return {
        one.pk: agreed[one.pk].asked_by(one.total - one.left, until) if one.pk in agreed else one.left
        for one in invoices
    }


def _with_mandate(month: date, regie: int | None) -> list[InvoiceToDebit]:
    live = Mandate.objects.filter(household=OuterRef("household"), regie=regie, revoked_on=None)
    mandate = live.values("pk")[:1]
    return list(
        _unpaid(month, regie)
        .annotate(mandate_id=Subquery(mandate))
        .filter(mandate_id__isnull=False)
        .exclude(online_parts__online_payment__state__in=ONLINE_OPEN)
        .exclude(debits__payment__state=PaymentState.PENDING)
        .order_by("year", "sequence")
    )


def outlook(month: date, regie: int | None = None) -> Outlook:
    """What a file would debit, and what it leaves out, in a fixed number of queries."""
    with_mandate = _with_mandate(month, regie)
    asked = _asked(with_mandate, month)
    invoices = [invoice for invoice in with_mandate if asked[invoice.pk] > 0]
    not_yet = {invoice.pk for invoice in with_mandate if asked[invoice.pk] <= 0}
    debited = {invoice.pk for invoice in invoices}
    waiting = Debit.objects.filter(invoice=OuterRef("pk"), payment__state=PaymentState.PENDING)
    online = OnlinePaymentInvoice.objects.filter(
        invoice=OuterRef("pk"), online_payment__state__in=ONLINE_OPEN
    )
    others = (
        _unpaid(month, regie)
        .annotate(
            waits=Subquery(waiting.values("file__collected_on")[:1]),
            online=Exists(online),
            had=Exists(Mandate.objects.filter(household=OuterRef("household"), regie=regie)),
        )
        .order_by("year", "sequence")
    )
    left_out, elsewhere = [], 0
    for invoice in others:
        if invoice.pk in debited:
            continue
        if invoice.pk in not_yet:
            until = f"{invoice.pay_by:%d/%m/%Y}"
            left_out.append(LeftOut(invoice, f"payée en plusieurs fois, prochaine échéance le {until}"))
        elif invoice.waits:
            left_out.append(LeftOut(invoice, f"déjà confiée à la banque pour le {invoice.waits:%d/%m/%Y}"))
        elif not invoice.had:
            elsewhere += 1
        else:
            why = "en cours de paiement en ligne" if invoice.online else "mandat révoqué"
            left_out.append(LeftOut(invoice, why))
    mandates = Mandate.objects.in_bulk({invoice.mandate_id for invoice in invoices})
    return Outlook(invoices, left_out, elsewhere, mandates, asked)


def check(collected_on: date, *, at: datetime, regie: int | None = None) -> None:
    """Raises DebitRefused where no file can be made for that day, whatever is due."""
    _check_creditor(regies.facts(regie))
    if collected_on < timezone.localtime(at).date() + NOTICE:
        raise DebitRefused(f"Le prélèvement se demande au moins {NOTICE.days} jours avant sa date.")


def make(
    month: date,
    *,
    collected_on: date,
    by: User | None,
    at: datetime,
    schema: str = SCHEMA,
    seen: str | None = None,
    regie: int | None = None,
) -> DebitFile:
    """The file of what is due up to a month. `seen` is the fingerprint of the outlook that was confirmed.

    Raises DebitRefused, naming what is missing or that it changed since it was seen, with nothing written.
    """
    check(collected_on, at=at, regie=regie)
    facts = regies.facts(regie)
    with transaction.atomic():
        households = {invoice.household_id for invoice in due(month, regie)}
        Household.objects.lock(households)
        found = outlook(month, regie)
        invoices, mandates = found.invoices, found.mandates
        if not invoices:
            raise DebitRefused("Aucune facture à prélever.")
        if seen is not None and seen != found.fingerprint:
            raise DebitRefused("Ce qui est à prélever a changé depuis l'aperçu : vérifiez-le de nouveau.")
        debited = set(
            Debit.objects.filter(mandate__in=mandates, returned_on=None).values_list("mandate_id", flat=True)
        )
        content = _write(facts, found, debited, collected_on, schema)
        made = DebitFile.objects.create(
            message=own_account.message(DebitFile.objects.all(), facts, f"{month:%Y%m}", at),
            regie_id=regie,
            collected_on=collected_on,
            content=content,
            made_by=by,
            made_at=at,
        )
        for invoice in invoices:
            mandate = mandates[invoice.mandate_id]
            payment = paying.record(
                invoice.household,
                found.asked[invoice.pk],
                Payment.Means.DEBIT,
                paid_on=collected_on,
                by=by,
                at=at,
                reference=mandate.rum,
                state=PaymentState.PENDING,
                regie=regie,
            )
            Debit.objects.create(file=made, mandate=mandate, invoice=invoice, payment=payment)
    return made


def _check_creditor(facts: Issuer) -> None:
    if missing := own_account.missing(facts, creditor=True):
        raise DebitRefused(missing)


def _write(
    facts: Issuer,
    found: Outlook,
    seen: set[int],
    collected_on: date,
    schema: str,
) -> str:
    """The XML, checked against its schema. `seen` are the mandates that were debited before."""
    writer = SepaDD(
        own_account.facts(facts) | {"creditor_id": facts.creditor_identifier},
        schema=schema,
        clean=True,
    )
    for invoice, mandate, amount in found.debtors:
        if isinstance(mandate.iban, Unreadable):
            raise DebitRefused(
                f"L'IBAN du mandat {mandate.rum} est illisible : aucune clé de chiffrement ne l'ouvre."
            )
        payment = {
            "name": mandate.debtor,
            "IBAN": mandate.iban,
            "amount": int(amount * 100),
            "type": "RCUR" if mandate.pk in seen else "FRST",
            "collection_date": collected_on,
            "mandate_id": mandate.rum,
            "mandate_date": mandate.signed_on,
            "description": f"Facture {invoice.number}",
            "endtoend_id": invoice.number,
        }
        seen.add(mandate.pk)
        if mandate.bic:
            payment["BIC"] = mandate.bic
        writer.add_payment(payment)
    try:
        content: bytes = writer.export(validate=True)
    except SchemaError as error:
        raise DebitRefused(f"Le fichier ne respecte pas son schéma : {error}"[:300]) from error
    return content.decode()


def schema_of(file: DebitFile) -> str:
    """The schema that a file was written in; the usual one of a file that is no longer kept or legible."""
    content = "" if isinstance(file.content, Unreadable) else file.content[:1000]
    found = re.search(r"pain\.008\.001\.\d\d", content)
    return found[0] if found and found[0] in SCHEMAS else SCHEMA


def collected(file: DebitFile, *, by: User | None, at: datetime) -> int:
    """What the bank did not send back is paid, on the day that it collected. Returns how many; then none."""
    if timezone.localtime(at).date() < file.collected_on:
        raise DebitRefused("La date de prélèvement n'est pas encore passée.")
    done = 0
    for debit in file.debits.filter(payment__state=PaymentState.PENDING).select_related("payment", "invoice"):
        with suppress(paying.PaymentRefused):  # it was sent back meanwhile
            paying.settle(
                debit.payment,
                PaymentState.VALIDATED,
                at=at,
                invoices=[debit.invoice],
                paid_on=file.collected_on,
            )
            done += 1
    return done


def returned(
    debit: Debit, *, on: date, reason: str, by: User | None, at: datetime, due_on: date | None = None
) -> Debit:
    """The bank sent it back, before or after it counted: the invoice is to pay again, until `due_on` (None:
    within the town's days for it). Once.

    What counted is reversed as any other payment is, on the day of the return.
    """
    if not reason.strip():
        raise DebitRefused("Indiquez le motif donné par la banque.")
    until = due_on or undoing.next_due(at)
    undoing.check_due(until, timezone.localtime(at).date())
    with transaction.atomic():
        Household.objects.lock([debit.payment.household_id])
        debit = Debit.objects.select_related("payment", "invoice").get(pk=debit.pk)
        if debit.returned_on is not None:
            return debit
        if debit.payment.state == PaymentState.PENDING:
            paying.settle(debit.payment, PaymentState.REFUSED, at=at)
            undoing.due_again([debit.invoice], until, reason, by, at)
        else:
            day = max(min(on, timezone.localtime(at).date()), debit.payment.paid_on)
            undoing.reverse(
                debit.payment,
                because=UndoneBecause.RETURNED,
                reason=reason,
                on=day,
                due_on=until,
                by=by,
                at=at,
                tells=False,
            )
        debit.returned_on, debit.return_reason = on, reason.strip()[:140]
        debit.save(update_fields=["returned_on", "return_reason"])
    return debit
