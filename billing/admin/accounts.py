"""« Comptes des familles » at the desk: who owes, who is owed, since when; one household's account."""

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import urlencode

from billing.admin import undoing
from billing.admin.exporting import note_households
from billing.admin.once import AlreadySent, OnceForm
from billing.documents import accounts, files
from billing.invoices import ledger, regies
from billing.invoices.refusals import BillingRefused
from billing.models import AccountEntry, Invoice, OpeningBalance, Payment
from billing.payments import carried, under_way, writing_off
from families.desk_links import guardian_names, household_link
from families.models import Household
from families.signing_in.asking_again import ask_again
from portal.desk.pages import OwnPages
from portal.desk.site import DeskLink
from portal.files.handing_over import hand_over
from portal.french.amounts import euros
from portal.web.signed_in import SignedInRequest

PERMISSION = "billing.view_payment"
OPENING = "billing.view_openingbalance"
LINK = DeskLink(
    "Comptes des familles", "billing_payment_accounts", PERMISSION, "qui doit, à qui la mairie doit"
)
WHICH = (("", "tous les soldes"), ("owes", "qui doit"), ("owed", "à qui la mairie doit"))
A_PAGE = 100


class DropForm(OnceForm):
    reason = forms.CharField(
        label="Motif",
        max_length=300,
        help_text="Pour vos collègues : la famille lit que ce reste est abandonné.",
    )


class GiveBackForm(OnceForm):
    reason = forms.CharField(label="Motif", max_length=200, help_text="La famille le lit sur l'avoir.")
    seen = forms.CharField(widget=forms.HiddenInput, required=False)


class Accounts(OwnPages[Payment]):
    """Adds these pages to a model's."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("comptes/", wrap(self.accounts), name="billing_payment_accounts"),
            path(
                "comptes/repris/",
                wrap(self.opening_balances),
                name="billing_payment_opening_balances",
            ),
            path("comptes/<int:household>/", wrap(self.account), name="billing_payment_account"),
            path("comptes/report/<int:statement>/", wrap(self.carried), name="billing_payment_carried"),
            path(
                "comptes/report/<int:statement>/rembourser/",
                wrap(self.give_back),
                name="billing_payment_give_back",
            ),
            path(
                "comptes/report/<int:statement>/abandonner/",
                wrap(self.drop),
                name="billing_payment_drop",
            ),
            path("comptes/reports/", wrap(self.waiting), name="billing_payment_waiting"),
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
            names = regies.all_named()
            columns = (*accounts.ALL_COLUMNS, "Régie") if names else accounts.ALL_COLUMNS
            rows = files.stream(kind, columns, accounts.all_rows(found, names))
            return hand_over(rows, f"comptes.{kind}")
        page = Paginator(found, A_PAGE).get_page(request.GET.get("page"))
        adults = guardian_names(household for household, _, _ in page)
        names = regies.named(regie for _, regie, _ in page)
        context = {
            "opened": request.user.has_perm(OPENING)
            and OpeningBalance.objects.filter(household__isnull=False).exists(),
            "waiting": accounts.waiting().count(),
            "which": WHICH,
            "chosen": which,
            "page": page,
            "rows": [
                (
                    household_link(one.household),
                    adults[one.household],
                    one,
                    euros(abs(one.balance)),
                    names.get(one.regie, ""),
                )
                for one in accounts.since(list(page))
            ],
            "files": [(name, urlencode({"soldes": which, "format": name})) for name in ("csv", "xlsx")],
            "query": urlencode({"soldes": which}),
        }
        return self.page(request, "admin/billing/accounts.html", LINK.title, context)

    def opening_balances(self, request: HttpRequest) -> HttpResponseBase:
        """« Soldes repris »: who was not at zero when accounts were opened, and where they stand now."""
        self.demand(request, OPENING)
        found = OpeningBalance.objects.filter(household__isnull=False)
        page = Paginator(found, A_PAGE).get_page(request.GET.get("page"))
        shown = [(one, one.household_id) for one in page if one.household_id is not None]
        homes = [home for _, home in shown]
        adults, now = guardian_names(homes), ledger.balances(homes)
        context = {
            "page": page,
            "opened_on": shown[0][0].opened_on if shown else None,
            "rows": [
                (
                    household_link(home),
                    adults[home],
                    one,
                    euros(abs(one.amount)),
                    euros(now.get(home, accounts.ZERO)),
                )
                for one, home in shown
            ],
        }
        return self.page(request, "admin/billing/opening_balances.html", "Soldes repris", context)

    def account(self, request: HttpRequest, household: int) -> HttpResponseBase:
        """One household's movements, the oldest first; `?format=csv` or `pdf` gives them as a file."""
        self.demand(request, PERMISSION)
        home = get_object_or_404(Household, pk=household)
        days = accounts.Days(request.GET if {"du", "au"} & request.GET.keys() else None)
        whole = accounts.statement(AccountEntry.objects.filter(household=home), desk=True)
        found = accounts.within(whole, *days.asked)
        name, kind, today = accounts.name_of(home, found), request.GET.get("format", ""), timezone.localdate()
        if kind == "csv":
            rows = files.csv_stream(accounts.columns(found), accounts.rows(found))
            return hand_over(rows, f"{name}.csv")
        if kind == "pdf":
            return hand_over(accounts.render(home, found, today), f"{name}.pdf", inline=True)
        context = {
            "household": home,
            "link": household_link(home.pk),
            "adults": guardian_names([home.pk])[home.pk],
            "may_take": request.user.has_perm("billing.add_payment"),
            "usable": undoing.usable(home.pk),
            "standings": accounts.standings(whole.closed, desk=True),
            "statement": found,
            "movements": accounts.with_documents(found.movements, desk=True),
            "form": days,
            "query": f"{days.query}&" if days.query else "",
            "years": accounts.whole_years(whole.movements[0].entry.booked_on, today)
            if whole.movements
            else [],
        }
        title = f"Compte du foyer n°\xa0{home.number}"
        return self.page(request, "admin/billing/account.html", title, context)

    def carried(self, request: HttpRequest, statement: int) -> HttpResponseBase:
        """« Relevé reporté », as its family reads it; `?format=pdf` gives the document."""
        self.demand(request, PERMISSION)
        document = get_object_or_404(Invoice.every.filter(kind=Invoice.Kind.CARRIED), pk=statement)
        found = accounts.carried(document)
        if request.GET.get("format") == "pdf":
            return hand_over(
                accounts.draw_carried(found), f"Releve-reporte-{document.number}.pdf", inline=True
            )
        context = {
            "found": found,
            "link": household_link(document.household_id),
            "may_give_back": found.owed and request.user.has_perm(carried.RIGHT),
            "may_drop": found.too_small and request.user.has_perm(writing_off.RIGHT),
        }
        title = f"Relevé reporté n°\xa0{document.number}"
        return self.page(request, "admin/billing/carried.html", title, context)

    def waiting(self, request: HttpRequest) -> HttpResponseBase:
        """« Reports en attente »: what no invoice has taken over yet, and what can be done about it."""
        self.demand(request, PERMISSION)
        page = Paginator(accounts.waiting(), A_PAGE).get_page(request.GET.get("page"))
        names = regies.named(one.regie_id for one in page)
        context = {
            "page": page,
            "rows": [
                (household_link(one.household_id), one, euros(abs(one.total)), names.get(one.regie_id, ""))
                for one in page
            ],
        }
        return self.page(request, "admin/billing/waiting.html", "Reports en attente", context)

    def drop(self, request: SignedInRequest, statement: int) -> HttpResponse:
        """« Abandonner ce reste »: a statement too small to bill is no longer asked for."""
        self.demand(request, writing_off.RIGHT)
        ask_again(request)
        document = get_object_or_404(Invoice.every.filter(kind=Invoice.Kind.CARRIED), pk=statement)
        back = reverse("admin:billing_payment_carried", args=[document.pk])
        found = accounts.carried(document)
        if not found.too_small:
            messages.warning(request, f"Ce relevé n'est pas un reste à abandonner. {found.said_at_the_desk}")
            return redirect(back)
        form = DropForm(request.POST or None)
        if request.method == "POST" and form.is_valid():

            def act() -> str:
                reason, at = form.cleaned_data["reason"], timezone.now()
                made = writing_off.drop(document, reason=reason, by=request.user, at=at)
                return f"{made} de {euros(made.amount)} est noté."

            if form.done(request, act, BillingRefused):
                return redirect(back)
        context = {
            "form": form,
            "back": back,
            "button": "Abandonner ce reste",
            "lead": f"Relevé n°\xa0{document.number} de {document.payer} : {found.total}, trop peu pour une"
            " facture. Abandonné, ce reste n'ira sur aucune facture, et la famille ne le doit plus.",
        }
        return self.page(request, "admin/billing/form.html", "Abandonner ce reste", context)

    def give_back(self, request: SignedInRequest, statement: int) -> HttpResponse:
        """« Rembourser ce report »: what it does is said above the button, and computed again under lock."""
        self.demand(request, carried.RIGHT)
        ask_again(request)
        document = get_object_or_404(Invoice.every.filter(kind=Invoice.Kind.CARRIED), pk=statement)
        back = reverse("admin:billing_payment_carried", args=[document.pk])
        form = GiveBackForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                with form.once():
                    notes = carried.give_back(
                        document, reason=said["reason"], seen=said["seen"], by=request.user, at=timezone.now()
                    )
            except AlreadySent as twice:
                messages.warning(request, str(twice))
                return redirect(back)
            except BillingRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                numbers = " et ".join(note.number for note in notes)
                freed = sum((note.freed for note in notes), accounts.ZERO)
                messages.success(
                    request,
                    f"Avoir n°\xa0{numbers} : {euros(freed)} sont à rendre à la famille. Choisissez le"
                    " règlement, puis « Rembourser » ou « Rembourser par virement »."
                    if freed
                    else f"Avoir n°\xa0{numbers} : ce qui était dû a baissé d'autant.",
                )
                return redirect("admin:billing_payment_account", document.household_id)
        try:
            found = carried.foresee(document)
        except BillingRefused as refusal:
            messages.error(request, str(refusal))
            return redirect(back)
        form.fields["seen"].initial = found.stamp
        answers = " ; ".join(
            f"un avoir de {euros(one.amount)} sur la facture {one.invoice.number}" for one in found.answers
        )
        given = f"{euros(found.to_give_back)} déjà payés seront à rendre à la famille."
        owed = f"Relevé n°\xa0{document.number}, {euros(-document.total)} dus à la famille."
        context = {
            "form": form,
            "back": back,
            "button": "Faire l'avoir",
            "lead": f"{owed} Au lieu d'attendre une facture : {answers}."
            f" {given if found.to_give_back else ''}".strip(),
            "warning": under_way.warning(one.invoice for one in found.answers),
        }
        return self.page(request, "admin/billing/form.html", "Rembourser ce report", context)
