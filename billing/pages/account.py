"""« Mon compte »: what a family owes or is owed, and every movement that made it so."""

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from billing.documents import accounts, files, wording
from billing.models import AccountEntry, Invoice
from billing.payments.providers import choosing
from families import which_home
from portal.files.handing_over import hand_over
from portal.web.signed_in import SignedInRequest

A_PAGE = 50


def _entries(request: SignedInRequest) -> QuerySet[AccountEntry]:
    home = which_home.household(request)
    return AccountEntry.objects.visible_to(request.user).filter(household=home)


def _statement(request: SignedInRequest) -> accounts.Statement:
    return accounts.statement(_entries(request), *accounts.Days(request.GET).asked)


@require_safe
def account(request: SignedInRequest) -> HttpResponse:
    """The newest first, with what each left to pay; of all days, or of those that are asked for."""
    days = accounts.Days(request.GET if {"du", "au"} & request.GET.keys() else None)
    whole = accounts.statement(_entries(request))
    found = accounts.within(whole, *days.asked)
    page = Paginator(found.movements[::-1], A_PAGE).get_page(request.GET.get("page"))
    today = timezone.localdate()
    due = wording.at_home(which_home.household(request), today).due
    context = {
        "page": page,
        "movements": accounts.with_documents(list(page)),
        "statement": found,
        "any": bool(whole.movements),
        "form": days,
        "query": days.query,
        "years": accounts.whole_years(whole.movements[0].entry.booked_on, today) if whole.movements else [],
        "standings": accounts.standings(whole.closed),
        "waits": any(balance < 0 for balance in whole.closed.values()),
        "payable": choosing.offered() and bool(due),
    }
    return render(request, "billing/account.html", context)


@require_safe
def statement_csv(request: SignedInRequest) -> HttpResponseBase:
    found = _statement(request)
    rows = files.csv_stream(accounts.columns(found), accounts.rows(found))
    return hand_over(rows, f"{accounts.name_of(which_home.household(request), found)}.csv")


@require_safe
def statement_pdf(request: SignedInRequest) -> HttpResponse:
    household, found = which_home.household(request), _statement(request)
    content = accounts.render(household, found, timezone.localdate())
    return hand_over(content, f"{accounts.name_of(household, found)}.pdf", inline=True)


def _carried(request: SignedInRequest, key: int) -> accounts.Carried:
    statements = Invoice.every.filter(kind=Invoice.Kind.CARRIED).visible_to(request.user)
    return accounts.carried(which_home.row(request, statements, pk=key))


@require_safe
def carried(request: SignedInRequest, statement_id: int) -> HttpResponse:
    """« Relevé reporté »: a month that made no invoice."""
    return render(request, "billing/carried_page.html", {"found": _carried(request, statement_id)})


@require_safe
def carried_pdf(request: SignedInRequest, statement_id: int) -> HttpResponse:
    found = _carried(request, statement_id)
    return hand_over(accounts.draw_carried(found), f"Releve-reporte-{found.document.number}.pdf", inline=True)
