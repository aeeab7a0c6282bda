"""« Attestations fiscales » at the desk: a year's amounts by household, one PDF, all of them in a ZIP."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import urlencode

from billing.documents import files, yearly
from billing.models import Payment
from families.models import Household
from families.signing_in.asking_again import ask_again
from families.traces import reading
from portal.desk import rights
from portal.desk.pages import OwnPages
from portal.desk.site import DeskLink
from portal.files.handing_over import hand_over
from portal.french import spelling
from portal.french.amounts import euros
from portal.web.posted import posted_number

A_PAGE = 50
PERMISSION = "billing.view_payment"
LINK = DeskLink(
    "Attestations fiscales", "billing_payment_tax_certificates", PERMISSION, "frais de garde payés par an"
)


NAMES = ("guardians__folded", "children__folded")


def search(households: QuerySet[Household], words: str) -> QuerySet[Household]:
    """Households by number, or by the name of an adult or a child: every word must be found."""
    for word in words.split()[:5]:
        named = spelling.holds(word, *NAMES)
        if (number := posted_number(word)) is not None:
            named |= Q(pk=number)
        households = households.filter(pk__in=Household.objects.filter(named).values("pk"))
    return households


class TaxCertificates(OwnPages[Payment]):
    """Adds these pages to a model's."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        here = "attestations-fiscales/"
        return [
            path(here, wrap(self.tax_certificates), name="billing_payment_tax_certificates"),
            path(f"{here}<int:year>/", wrap(self.tax_zip), name="billing_payment_tax_zip"),
            path(f"{here}<int:year>/<int:pk>/", wrap(self.tax_pdf), name="billing_payment_tax_certificate"),
            *super().get_urls(),
        ]

    def tax_certificates(self, request: HttpRequest) -> HttpResponse:
        """The year's households with what each may declare, a page at a time."""
        self.demand(request, PERMISSION)
        today = timezone.localdate()
        years = yearly.years()
        asked = request.GET.get("annee", "")
        # Until somebody chooses, the last year that is over: that is what families ask for.
        chosen = next((year for year in years if str(year) == asked), None) or next(
            (year for year in years if yearly.is_over(year, today)), years[0] if years else None
        )
        words = request.GET.get("q", "").strip()[:100]
        context: dict[str, Any] = {"years": years, "year": chosen, "words": words, "rows": [], "page": None}
        if chosen is not None:
            found = search(yearly.households_of(chosen), words)
            page = Paginator(found, A_PAGE).get_page(request.GET.get("p"))
            context |= {
                "page": page,
                "query": urlencode({"annee": str(chosen), "q": words}),
                "over": yearly.is_over(chosen, today),
                "available_from": yearly.available_from(chosen),
                "rows": [
                    {"certificate": one, "children": one.rows, "total": euros(one.total)}
                    for one in yearly.certificates(list(page), chosen)
                ],
            }
        return self.page(request, "admin/billing/tax_certificates.html", "Attestations fiscales", context)

    def tax_pdf(self, request: HttpRequest, year: int, pk: int) -> HttpResponse:
        self.demand(request, PERMISSION)
        home = get_object_or_404(Household, pk=pk)
        if year not in yearly.years():
            raise Http404
        (found,) = yearly.certificates([home], year)
        if not found.children:
            raise Http404
        try:
            content = yearly.printed(found, at=timezone.now())
        except yearly.NotYet as refusal:
            return self._refused(request, year, refusal)
        return hand_over(content, found.file_name, inline=True)

    def tax_zip(self, request: HttpRequest, year: int) -> HttpResponseBase:
        """Every certificate of the year, printed while it is downloaded."""
        self.demand(request, PERMISSION, rights.EXPORT)
        ask_again(request)
        if year not in yearly.years():
            raise Http404
        try:
            contents = yearly.all_printed(year, at=timezone.now())
        except yearly.NotYet as refusal:
            return self._refused(request, year, refusal)
        households = yearly.households_of(year).values_list("pk", flat=True)
        reading.note_export(request, f"Attestations fiscales {year} (PDF)", households=households)
        return hand_over(files.zip_stream(contents), f"attestations-fiscales-{year}.zip")

    def _refused(self, request: HttpRequest, year: int, refusal: yearly.NotYet) -> HttpResponse:
        messages.error(request, str(refusal))
        return redirect(f"{reverse('admin:billing_payment_tax_certificates')}?annee={year}")
