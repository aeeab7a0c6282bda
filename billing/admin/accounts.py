"""« Comptes des familles » at the desk: who owes, who is owed, since when; one household's account."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from billing.admin.exporting import note_households
from billing.documents import accounts, files
from billing.models import AccountEntry, Payment
from families import home_facts
from families.desk_links import guardian_names, household_link
from families.models import Household
from portal.desk.pages import OwnPages
from portal.desk.site import DeskLink
from portal.files.handing_over import hand_over
from portal.french.amounts import euros

PERMISSION = "billing.view_payment"
LINK = DeskLink(
    "Comptes des familles", "billing_payment_accounts", PERMISSION, "qui doit, à qui la mairie doit"
)
WHICH = (("", "tous les soldes"), ("owes", "qui doit"), ("owed", "à qui la mairie doit"))
A_PAGE = 100


def of_household(household: Household) -> SafeString:
    """« La famille doit 12,80 € à la mairie. Voir son compte », on the household's page."""
    balance = AccountEntry.objects.filter(household=household).balance()
    url = reverse("admin:billing_payment_account", args=[household.pk])
    said = accounts.standing(balance, desk=True)
    return format_html('{} <a href="{}">Voir son compte</a>', said, url)


home_facts.register("compte", (PERMISSION,), of_household)


class Accounts(OwnPages[Payment]):
    """Adds these pages to a model's."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("comptes/", wrap(self.accounts), name="billing_payment_accounts"),
            path("comptes/<int:household>/", wrap(self.account), name="billing_payment_account"),
            *super().get_urls(),
        ]

    def accounts(self, request: HttpRequest) -> HttpResponseBase:
        """Everybody who is not at zero; `?format=csv` or `xlsx` gives the list as a file."""
        self.demand(request, PERMISSION)
        which = request.GET.get("soldes", "")
        which = which if which in dict(WHICH) else ""
        found = accounts.unsettled(which)
        kind = request.GET.get("format", "")
        if kind in ("csv", "xlsx"):
            homes = AccountEntry.objects.filter(household__in=found.values("household"))
            note_households(request, f"Comptes des familles ({kind.upper()})", homes)
            write = files.csv_stream if kind == "csv" else files.xlsx_stream
            return hand_over(write(accounts.ALL_COLUMNS, accounts.all_rows(found)), f"comptes.{kind}")
        page = Paginator(found, A_PAGE).get_page(request.GET.get("page"))
        adults = guardian_names(household for household, _ in page)
        context = {
            "which": WHICH,
            "chosen": which,
            "page": page,
            "rows": [
                (household_link(one.household), adults[one.household], one, euros(abs(one.balance)))
                for one in accounts.since(list(page))
            ],
            "files": [(name, urlencode({"soldes": which, "format": name})) for name in ("csv", "xlsx")],
            "query": urlencode({"soldes": which}),
        }
        return self.page(request, "admin/billing/accounts.html", LINK.title, context)

    def account(self, request: HttpRequest, household: int) -> HttpResponseBase:
        """One household's movements, the oldest first."""
        self.demand(request, PERMISSION)
        home = get_object_or_404(Household, pk=household)
        found = accounts.movements(AccountEntry.objects.filter(household=home), desk=True)
        context = {
            "household": home,
            "link": household_link(home.pk),
            "adults": guardian_names([home.pk])[home.pk],
            "may_take": request.user.has_perm("billing.add_payment"),
            "standing": accounts.standing(found[-1].after if found else accounts.ZERO, desk=True),
            "movements": found,
        }
        title = f"Compte du foyer n°\xa0{home.number}"
        return self.page(request, "admin/billing/account.html", title, context)
