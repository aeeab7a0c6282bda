"""What billing tells of a household's past: invoices, statements, credit notes, payments: the whole
household's.
"""

from collections.abc import Collection, Mapping

from django.urls import reverse

from billing.models import CreditNote, Invoice, Payment, WriteOff
from families.chronicle.entries import Entry, Group, Rows, Source, by, register
from families.privacy.telling import Subject
from portal.french.amounts import euros
from portal.french.elision import of

TOWN = "la mairie"
_PAGE: dict[str, str] = {Invoice.Kind.INVOICE: "billing:invoice", Invoice.Kind.CARRIED: "billing:carried"}


def _invoices(subject: Subject, child: int | None) -> Rows | None:
    return None if child else Invoice.objects.filter(household=subject.household)


def _carried(subject: Subject, child: int | None) -> Rows | None:
    found = Invoice.every.filter(household=subject.household, kind=Invoice.Kind.CARRIED)
    return None if child else found


def _notes(subject: Subject, child: int | None) -> Rows | None:
    return None if child else CreditNote.objects.filter(invoice__household=subject.household)


def _given_up(subject: Subject, child: int | None) -> Rows | None:
    """What the family no longer owes: what cannot be collected is still owed, and is not told."""
    rows = WriteOff.objects.filter(invoice__household=subject.household)
    return None if child else rows.exclude(kind=WriteOff.Kind.UNCOLLECTABLE)


def _payments(subject: Subject, child: int | None) -> Rows | None:
    return None if child else Payment.objects.filter(household=subject.household)


def _say_invoices(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    return {
        row.pk: Entry(
            f"Facture {of(row.month_name)} : {euros(row.total)}",
            TOWN,
            f"n°\xa0{row.number}",
            reverse("billing:invoice", args=[row.pk]),
        )
        for row in Invoice.objects.filter(pk__in=keys)
    }


def _say_carried(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    return {
        row.pk: Entry(
            f"Relevé {of(row.month_name)} : {euros(row.total)} reportés",
            TOWN,
            f"n°\xa0{row.number}",
            reverse("billing:carried", args=[row.pk]),
        )
        for row in Invoice.every.filter(pk__in=keys)
    }


def _say_notes(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    return {
        row.pk: Entry(
            f"Avoir de {euros(row.amount)}",
            TOWN,
            f"n°\xa0{row.number}, {row.reason}",
            reverse("billing:credit_note", args=[row.number]),
        )
        for row in CreditNote.objects.filter(pk__in=keys)
    }


def _say_given_up(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    return {
        row.pk: Entry(
            f"{row.get_kind_display()} de {euros(row.amount)}",
            TOWN,
            f"n°\xa0{row.number}, {row.decision or row.invoice.number}",
            reverse(_PAGE[row.invoice.kind], args=[row.invoice_id]),
        )
        for row in WriteOff.objects.filter(pk__in=keys).select_related("invoice")
    }


def _say_payments(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    """Who typed it for the household; what the bank or the family did itself says how."""
    rows = Payment.objects.filter(pk__in=keys).select_related("recorded_by")
    return {
        row.pk: Entry(
            f"{row.get_kind_display()} de {euros(abs(row.amount))}",
            by(row.recorded_by, subject),
            f"{row.get_means_display()}, reçu n°\xa0{row.number}, {row.get_state_display().lower()}",
            reverse("billing:invoices"),
        )
        for row in rows
    }


def register_all() -> None:
    """Once the app is ready."""
    register(Source("invoices", Group.MONEY, _invoices, _say_invoices, "issued_at"))
    register(Source("carried", Group.MONEY, _carried, _say_carried, "issued_at"))
    register(Source("credit_notes", Group.MONEY, _notes, _say_notes, "issued_at"))
    register(Source("write_offs", Group.MONEY, _given_up, _say_given_up, "issued_at"))
    register(Source("payments", Group.MONEY, _payments, _say_payments, "recorded_at"))
