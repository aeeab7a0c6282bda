"""« Départs tardifs »: what a family reads of the evenings on which its children were collected late."""

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from billing.invoices import late_collection
from billing.models import LateCollection, LateCollectionRule
from billing.rules import late_collection as rules
from families import which_home
from portal.web.signed_in import SignedInRequest

A_PAGE = 24


@require_safe
def evenings(request: SignedInRequest) -> HttpResponse:
    """Each late evening of the household with its sum, and the rules of today."""
    if not late_collection.used():
        raise Http404
    visible = LateCollection.objects.visible_to(request.user)
    rows = which_home.rows(request, visible).filter(left_at__isnull=False)
    page = Paginator(rows.select_related("child", "activity"), A_PAGE).get_page(request.GET.get("page"))
    today = timezone.localdate()
    known: dict[str, list[str]] = {}
    for model in LateCollectionRule.objects.select_related("activity").order_by(
        "activity__name", "-valid_from"
    ):
        if model.in_force(today):
            known.setdefault(str(model.activity), rules.in_words(model.rule()))
    return render(request, "billing/late_evenings.html", {"page": page, "rules": known.items()})
