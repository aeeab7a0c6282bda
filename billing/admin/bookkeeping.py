"""« Comptabilité » at the desk: the general journal, receipts by code and other files between two days."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.http import urlencode

from billing.admin.exporting import note_households
from billing.documents import coded, files, journal
from billing.invoices import budget
from billing.models import (
    BudgetCode,
    CreditNote,
    Debit,
    Invoice,
    JournalAccounts,
    Payment,
    PaymentAllocation,
)
from families.signing_in.asking_again import AsksAgain, ask_again
from portal.desk.pages import OwnPages, WithHistory
from portal.desk.site import DeskLink
from portal.files.handing_over import Cell, hand_over
from portal.french.amounts import euros
from portal.french.day_fields import DayField

PERMISSION = "billing.view_payment"
LINK = DeskLink(
    "Comptabilité",
    "billing_payment_bookkeeping",
    PERMISSION,
    "journal général, avoirs, affectations, prélèvements",
)


class DaysForm(forms.Form):
    """Between two days, both included."""

    du = DayField(label="Du")
    au = DayField(label="Au")

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if said.get("du") and said.get("au") and said["au"] < said["du"]:
            raise ValidationError("Le premier jour vient avant le dernier.")
        return said


@dataclass(frozen=True)
class Export:
    """A file between two days: `concerned` answers rows of which each has its household."""

    title: str
    hint: str
    columns: Sequence[str]
    rows: Callable[[date, date], Iterable[tuple[Cell, ...]]]
    concerned: Callable[[date, date], QuerySet[Any]] | None = None


def _credit_notes(first: date, last: date) -> QuerySet[CreditNote]:
    since, until = (
        timezone.make_aware(datetime.combine(day, time())) for day in (first, last + timedelta(days=1))
    )
    return CreditNote.objects.filter(issued_at__gte=since, issued_at__lt=until)


def _allocations(first: date, last: date) -> QuerySet[PaymentAllocation]:
    payments = coded.in_the_books(first, last).order_by().values("pk")
    return PaymentAllocation.objects.filter(payment__in=payments)


def _debits(first: date, last: date) -> QuerySet[Debit]:
    return Debit.objects.filter(file__collected_on__gte=first, file__collected_on__lte=last)


EXPORTS = {
    "journal": Export(
        "Journal général",
        "par date comptable, débits et crédits égaux",
        journal.COLUMNS,
        journal.rows,
        journal.entries,
    ),
    "encaissements": Export(
        "Encaissements",
        "règlements et remboursements, par date comptable",
        files.PAYMENT_COLUMNS,
        lambda first, last: files.payment_rows(coded.in_the_books(first, last)),
        coded.in_the_books,
    ),
    "affectations": Export(
        "Affectations",
        "quel règlement paie quelle facture",
        files.ALLOCATION_COLUMNS,
        lambda first, last: files.allocation_rows(_allocations(first, last)),
        lambda first, last: Payment.objects.filter(allocations__in=_allocations(first, last)),
    ),
    "avoirs": Export(
        "Avoirs",
        "par date d'émission",
        files.CREDIT_COLUMNS,
        lambda first, last: files.credit_rows(_credit_notes(first, last)),
        lambda first, last: Invoice.objects.filter(credit_notes__in=_credit_notes(first, last)),
    ),
    "prelevements": Export(
        "Prélèvements",
        "par date de prélèvement, avec les rejets",
        files.DEBIT_COLUMNS,
        lambda first, last: files.debit_rows(_debits(first, last)),
        lambda first, last: Payment.objects.filter(debit__in=_debits(first, last)),
    ),
}
BY_CODE = "codes"
OF_CODES = Export(
    "Encaissements par code",
    "répartis sur les lignes des factures payées",
    coded.COLUMNS,
    lambda first, last: coded.cashed(first, last).rows(),
)


class Bookkeeping(OwnPages[Payment]):
    """Adds this page to a model's."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.bookkeeping)
        return [path("comptabilite/", view, name="billing_payment_bookkeeping"), *super().get_urls()]

    def bookkeeping(self, request: HttpRequest) -> HttpResponseBase:
        """Between two days, the last month if nothing is said; `?quoi=journal&format=csv` gives a file."""
        self.demand(request, PERMISSION)
        last = timezone.localdate().replace(day=1) - timedelta(days=1)
        initial = {"du": f"{last.replace(day=1)}", "au": f"{last}"}
        said = {name: request.GET.get(name, value) for name, value in initial.items()}
        form, coded_town = DaysForm(said), budget.used()
        offered = EXPORTS | ({BY_CODE: OF_CODES} if coded_town else {})
        context: dict[str, Any] = {"form": form, "coded": coded_town}
        if form.is_valid():
            first, last = form.cleaned_data["du"], form.cleaned_data["au"]
            what, kind = request.GET.get("quoi", ""), request.GET.get("format", "")
            if what in offered and kind in ("csv", "xlsx"):
                return self._file(request, what, offered[what], kind, (first, last))
            context["exports"] = [
                (one, [(kind, urlencode(said | {"quoi": what, "format": kind})) for kind in ("csv", "xlsx")])
                for what, one in offered.items()
            ]
            if coded_town:
                found = coded.cashed(first, last)
                context["rows"] = list(_shown(found))
                context["total"] = euros(found.total)
        return self.page(request, "admin/billing/bookkeeping.html", LINK.title, context)

    def _file(
        self, request: HttpRequest, what: str, export: Export, kind: str, days: tuple[date, date]
    ) -> HttpResponseBase:
        ask_again(request)
        if export.concerned is not None:
            note_households(request, f"{export.title} ({kind.upper()})", export.concerned(*days))
        write = files.csv_stream if kind == "csv" else files.xlsx_stream
        name = f"{what}-{days[0]:%Y%m%d}-{days[1]:%Y%m%d}.{kind}"
        return hand_over(write(export.columns, export.rows(*days)), name)


def _shown(found: coded.Cashed) -> Iterator[tuple[str, str, str]]:
    for code, amount in found.by_code:
        yield code.analytic or "Sans code", code.account, euros(amount)
    if found.unused:
        yield coded.UNUSED, "", euros(found.unused)


class Quiet(AsksAgain[Any]):
    """Reached from « Comptabilité »: the desk's first page says nothing of it."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(BudgetCode)
class BudgetCodeAdmin(Quiet, WithHistory[BudgetCode]):
    desk_order = 81
    list_display = ("__str__", "analytic", "account")
    list_select_related = ("activity", "formula__activity")
    fields = ("activity", "formula", "analytic", "account")


@admin.register(JournalAccounts)
class JournalAccountsAdmin(Quiet, WithHistory[JournalAccounts]):
    desk_order = 82

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not JournalAccounts.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """There is one row: its list is its page, for who may open it."""
        if not self.has_view_or_change_permission(request):
            return super().changelist_view(request, extra_context)
        if JournalAccounts.objects.exists():
            return redirect("admin:billing_journalaccounts_change", 1)
        if self.has_add_permission(request):
            return redirect("admin:billing_journalaccounts_add")
        return super().changelist_view(request, extra_context)
