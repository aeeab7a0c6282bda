"""« Attestation fiscale » as a family sees it: the amounts of a year, and the PDF once it is over."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from billing.documents import yearly
from families import which_home
from families.models import Household
from portal.files.handing_over import hand_over
from portal.french.amounts import euros
from portal.web.signed_in import SignedInRequest


def _own(request: SignedInRequest, year: int) -> yearly.Certificate:
    """The household's own certificate; 404 for a year in which it paid no care."""
    homes = which_home.rows(request, Household.objects.visible_to(request.user))
    if year not in yearly.years_of(homes):
        raise Http404
    (found,) = yearly.certificates(homes, year)
    return found


@require_safe
def certificate(request: SignedInRequest, year: int) -> HttpResponse:
    """Child by child, what was paid; provisional while the year runs."""
    found = _own(request, year)
    context = {
        "year": year,
        "rows": found.rows,
        "total": euros(found.total),
        "payer": found.payer,
        "household": found.household,
        "over": yearly.is_over(year, timezone.localdate()),
        "available_from": yearly.available_from(year),
    }
    return render(request, "billing/tax_certificate_page.html", context)


@require_safe
def certificate_pdf(request: SignedInRequest, year: int) -> HttpResponse:
    found = _own(request, year)
    if not found.children:
        raise Http404
    try:
        content = yearly.printed(found, at=timezone.now())
    except yearly.NotYet as refusal:
        messages.error(request, str(refusal))
        return redirect("billing:tax_certificate", year)
    return hand_over(content, found.file_name, inline=True)
