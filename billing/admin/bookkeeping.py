"""« Comptabilité » at the desk: the general journal, receipts by code and other files between two days."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.http import urlencode

from billing.admin.cash_book import DatesForm
from billing.admin.exporting import note_households
from billing.documents import coded, files, journal
from billing.documents.coded import Span
from billing.invoices import budget, regies
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
from portal.desk import rights
from portal.desk.pages import OneRow, OwnPages, WithHistory
from portal.desk.site import DeskLink
from portal.files.handing_over import Cell, hand_over
from portal.french.amounts import euros

# The accountant's: who takes money at the desk (« Guichet ») sees payments, and not the town's books.
PERMISSION = "billing.view_journalaccounts"
LINK = DeskLink(
    "Comptabilité",
    "billing_payment_bookkeeping",
    PERMISSION,
    "journal général, avoirs, affectations, prélèvements",
)


@dataclass(frozen=True)
class Export:
    """A file of a span: `concerned` answers rows of which each has its household."""

    title: str
    hint: str
    columns: Sequence[str]
    rows: Callable[[Span], Iterable[tuple[Cell, ...]]]
    concerned: Callable[[Span], QuerySet[Any]] | None = None


def _credit_notes(span: Span) -> QuerySet[CreditNote]:
    since, until = (
        timezone.make_aware(datetime.combine(day, time()))
        for day in (span.first, span.last + timedelta(days=1))
    )
    rows = CreditNote.objects.filter(issued_at__gte=since, issued_at__lt=until)
    return span.of(rows, "invoice__regie")


def _allocations(span: Span) -> QuerySet[PaymentAllocation]:
    return PaymentAllocation.objects.filter(payment__in=coded.in_the_books(span).order_by().values("pk"))


def _debits(span: Span) -> QuerySet[Debit]:
    rows = Debit.objects.filter(file__collected_on__gte=span.first, file__collected_on__lte=span.last)
    return span.of(rows, "payment__regie")


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
        lambda span: files.payment_rows(coded.in_the_books(span)),
        coded.in_the_books,
    ),
    "affectations": Export(
        "Affectations",
        "quel règlement paie quelle facture",
        files.ALLOCATION_COLUMNS,
        lambda span: files.allocation_rows(_allocations(span)),
        lambda span: Payment.objects.filter(allocations__in=_allocations(span)),
    ),
    "avoirs": Export(
        "Avoirs",
        "par date d'émission",
        files.CREDIT_COLUMNS,
        lambda span: files.credit_rows(_credit_notes(span)),
        lambda span: Invoice.objects.filter(credit_notes__in=_credit_notes(span)),
    ),
    "prelevements": Export(
        "Prélèvements",
        "par date de prélèvement, avec les rejets",
        files.DEBIT_COLUMNS,
        lambda span: files.debit_rows(_debits(span)),
        lambda span: Payment.objects.filter(debit__in=_debits(span)),
    ),
}
BY_CODE = "codes"
OF_CODES = Export(
    "Encaissements par code",
    "répartis sur les lignes des factures payées",
    coded.COLUMNS,
    lambda span: coded.cashed(span).rows(),
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
        initial = {"du": f"{last.replace(day=1)}", "au": f"{last}", "regie": ""}
        said = {name: request.GET.get(name, value) for name, value in initial.items()}
        names = {str(key or 0): (key, name) for key, name in regies.all_named().items()}
        form, coded_town = DatesForm(said), budget.used()
        offered = EXPORTS | ({BY_CODE: OF_CODES} if coded_town else {})
        context: dict[str, Any] = {
            "form": form,
            "coded": coded_town,
            "regies": [(value, name) for value, (_, name) in names.items()],
            "regie": said["regie"],
        }
        if form.is_valid():
            only = (names[said["regie"]][0],) if said["regie"] in names else ()
            span = Span(form.cleaned_data["du"], form.cleaned_data["au"], only)
            what, kind = request.GET.get("quoi", ""), request.GET.get("format", "")
            if what in offered and kind in ("csv", "xlsx"):
                return self._file(request, what, offered[what], kind, span)
            context["exports"] = [
                (one, [(kind, urlencode(said | {"quoi": what, "format": kind})) for kind in ("csv", "xlsx")])
                for what, one in offered.items()
                if one.concerned is None or request.user.has_perm(rights.EXPORT)
            ]
            if coded_town:
                found = coded.cashed(span)
                context["rows"] = list(_shown(found))
                context["total"] = euros(found.total)
        return self.page(request, "admin/billing/bookkeeping.html", LINK.title, context)

    def _file(
        self, request: HttpRequest, what: str, export: Export, kind: str, span: Span
    ) -> HttpResponseBase:
        ask_again(request)
        if export.concerned is not None:
            note_households(request, f"{export.title} ({kind.upper()})", export.concerned(span))
        name = f"{what}-{span.first:%Y%m%d}-{span.last:%Y%m%d}.{kind}"
        return hand_over(files.stream(kind, export.columns, export.rows(span)), name)


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
class JournalAccountsAdmin(Quiet, OneRow[JournalAccounts], WithHistory[JournalAccounts]):
    desk_order = 82

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """There is one row: its list is its page, for who may open it."""
        if not self.has_view_or_change_permission(request):
            return super().changelist_view(request, extra_context)
        if JournalAccounts.objects.exists():
            return redirect("admin:billing_journalaccounts_change", 1)
        if self.has_add_permission(request):
            return redirect("admin:billing_journalaccounts_add")
        return super().changelist_view(request, extra_context)
