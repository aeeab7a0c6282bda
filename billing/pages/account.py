"""« Mon compte »: what a family owes or is owed, and every movement that made it so."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from billing.documents import accounts, files, wording
from billing.models import AccountEntry
from billing.payments.providers import choosing
from families import which_home
from portal.files.handing_over import hand_over
from portal.web.signed_in import SignedInRequest

A_PAGE = 50


def _movements(request: SignedInRequest) -> list[accounts.Movement]:
    home = which_home.household(request)
    return accounts.movements(AccountEntry.objects.visible_to(request.user).filter(household=home))


@require_safe
def account(request: SignedInRequest) -> HttpResponse:
    """The newest first, with what each left to pay."""
    found = _movements(request)
    page = Paginator(found[::-1], A_PAGE).get_page(request.GET.get("page"))
    due = wording.at_home(which_home.household(request), timezone.localdate()).due
    context = {
        "page": page,
        "movements": accounts.with_documents(list(page)),
        "standings": accounts.standings(balances := accounts.balances(found)),
        "waits": any(balance < 0 for balance in balances.values()),
        "payable": choosing.offered() and bool(due),
    }
    return render(request, "billing/account.html", context)


@require_safe
def statement_csv(request: SignedInRequest) -> HttpResponseBase:
    found = _movements(request)
    rows = files.csv_stream(accounts.columns(found), accounts.rows(found))
    return hand_over(rows, "mon-compte.csv")


@require_safe
def statement_pdf(request: SignedInRequest) -> HttpResponse:
    household = which_home.household(request)
    content = accounts.render(household, _movements(request), timezone.localdate())
    return hand_over(content, f"Releve-de-compte-{household.number}.pdf", inline=True)
