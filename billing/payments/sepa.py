"""Direct debit: a month's invoices of households that signed a mandate, as one pain.008 file for the bank.

    due(month) -> [Invoice]                       what a file of that month would debit
    make(month, collected_on=…, by=…, at=…)       the file; each invoice gets a payment that waits
    collected(file, by=…, at=…) -> int            the bank has collected: what was not sent back is paid
    returned(debit, on=…, reason=…, by=…, at=…)   the bank sends one back: its invoice is to pay again

The file is written by the library `sepaxml` and checked against the schema of ISO 20022 that it carries.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django_stubs_ext import WithAnnotations
from sepaxml import SepaDD
from sepaxml.validation import ValidationError as SchemaError

from billing.models import (
    ONLINE_OPEN,
    Balance,
    BillingSettings,
    Debit,
    DebitFile,
    Invoice,
    Mandate,
    Payment,
    PaymentState,
)
from billing.payments import paying
from families.models import Household, User
from portal import town
from portal.database.encrypted import Unreadable

SCHEMA = "pain.008.001.02"
# The bank wants the file ahead, and the household to have been told.
NOTICE = timedelta(days=2)


class ToDebit(Balance):
    """What `due` adds to an invoice: the key of its household's mandate."""

    mandate_id: int


InvoiceToDebit: TypeAlias = "WithAnnotations[Invoice, ToDebit]"


class DebitRefused(Exception):
    """Nothing was written; the message says why in French."""


def due(month: date) -> list[InvoiceToDebit]:
    """Unpaid invoices of a month whose household has a mandate, by number.

    Those being paid online or debited already are left out.
    """
    mandate = Mandate.objects.filter(household=OuterRef("household"), revoked_on=None).values("pk")[:1]
    return list(
        Invoice.objects.with_balance()
        .filter(month=month, left__gt=Decimal(0))
        .annotate(mandate_id=Subquery(mandate))
        .filter(mandate_id__isnull=False)
        .exclude(online_parts__online_payment__state__in=ONLINE_OPEN)
        .exclude(debits__payment__state=PaymentState.PENDING)
        .order_by("sequence")
    )


def make(month: date, *, collected_on: date, by: User | None, at: datetime) -> DebitFile:
    """The file of a month. Raises DebitRefused, naming what is missing, with nothing written."""
    settings = BillingSettings.current()
    _check_creditor(settings)
    today = timezone.localtime(at).date()
    if collected_on < today + NOTICE:
        raise DebitRefused(f"Le prélèvement se demande au moins {NOTICE.days} jours avant sa date.")
    with transaction.atomic():
        households = {invoice.household_id for invoice in due(month)}
        Household.objects.lock(households)
        invoices = due(month)
        if not invoices:
            raise DebitRefused("Aucune facture à prélever pour ce mois.")
        mandates = Mandate.objects.in_bulk([invoice.mandate_id for invoice in invoices])
        seen = set(
            Debit.objects.filter(mandate__in=mandates, returned_on=None).values_list("mandate_id", flat=True)
        )
        content = _write(settings, invoices, mandates, seen, collected_on)
        made = DebitFile.objects.create(
            message=f"{timezone.localtime(at):%Y%m%d%H%M%S}-{month:%Y%m}",
            collected_on=collected_on,
            content=content,
            made_by=by,
            made_at=at,
        )
        for invoice in invoices:
            mandate = mandates[invoice.mandate_id]
            payment = paying.record(
                invoice.household,
                invoice.left,
                Payment.Means.DEBIT,
                paid_on=today,
                by=by,
                at=at,
                reference=mandate.rum,
                state=PaymentState.PENDING,
            )
            Debit.objects.create(file=made, mandate=mandate, invoice=invoice, payment=payment)
    return made


def _check_creditor(settings: BillingSettings) -> None:
    wanted = {
        "l'identifiant créancier SEPA": settings.creditor_identifier,
        "l'IBAN": settings.iban,
        "le BIC": settings.bic,
    }
    missing = [name for name, value in wanted.items() if not value]
    if missing:
        raise DebitRefused(f"Indiquez d'abord {', '.join(missing)} dans les réglages de la facturation.")


def _write(
    settings: BillingSettings,
    invoices: Sequence[InvoiceToDebit],
    mandates: dict[int, Mandate],
    seen: set[int],
    collected_on: date,
) -> str:
    """The XML, checked against its schema. `seen` are the mandates that were debited before."""
    writer = SepaDD(
        {
            "name": (settings.issuer_name or town.current().name)[:70],
            "IBAN": settings.iban,
            "BIC": settings.bic,
            "batch": True,
            "creditor_id": settings.creditor_identifier,
            "currency": "EUR",
        },
        schema=SCHEMA,
        clean=True,
    )
    for invoice in invoices:
        mandate = mandates[invoice.mandate_id]
        if isinstance(mandate.iban, Unreadable):
            raise DebitRefused(
                f"L'IBAN du mandat {mandate.rum} est illisible : aucune clé de chiffrement ne l'ouvre."
            )
        payment = {
            "name": mandate.debtor,
            "IBAN": mandate.iban,
            "amount": int(invoice.left * 100),
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


def collected(file: DebitFile, *, by: User | None, at: datetime) -> int:
    """What the bank did not send back is paid. Returns how many; a second time, none."""
    if timezone.localtime(at).date() < file.collected_on:
        raise DebitRefused("La date de prélèvement n'est pas encore passée.")
    done = 0
    for debit in file.debits.filter(payment__state=PaymentState.PENDING).select_related("payment", "invoice"):
        paying.settle(debit.payment, PaymentState.VALIDATED, at=at, invoices=[debit.invoice])
        done += 1
    return done


def returned(debit: Debit, *, on: date, reason: str, by: User | None, at: datetime) -> Debit:
    """The bank sent it back, before or after it counted: the invoice is to pay again. Once."""
    if not reason.strip():
        raise DebitRefused("Indiquez le motif donné par la banque.")
    with transaction.atomic():
        Household.objects.lock([debit.payment.household_id])
        debit = Debit.objects.select_related("payment", "invoice").get(pk=debit.pk)
        if debit.returned_on is not None:
            return debit
        if debit.payment.state == PaymentState.PENDING:
            paying.settle(debit.payment, PaymentState.REFUSED, at=at)
        else:
            paying.release(debit.payment, Decimal(debit.payment.amount))
            paying.refund(
                debit.payment,
                debit.payment.amount,
                means=Payment.Means.DEBIT,
                paid_on=min(on, timezone.localtime(at).date()),
                by=by,
                at=at,
            )
        debit.returned_on, debit.return_reason = on, reason.strip()[:140]
        debit.save(update_fields=["returned_on", "return_reason"])
    return debit
