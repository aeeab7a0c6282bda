"""« Qui a accès »: who sees the household and its children, and what a guardian confirms or refuses."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from families import which_home
from families.custody import openings, who
from families.models import AlreadyAnswered
from portal.web.signed_in import SignedInRequest


@require_safe
def who_has_access(request: SignedInRequest) -> HttpResponse:
    """Per child and household: who, since when, opened by whom."""
    own = which_home.household(request)
    found = who.access(own, request.user, timezone.localdate())
    return render(request, "families/access.html", {"household": own, "access": found})


@require_http_methods(["GET", "HEAD", "POST"])
def answer_access(request: SignedInRequest, opening_id: int) -> HttpResponse:
    """« Confirmer » or « Refuser », once one has read for whom it is."""
    opening = get_object_or_404(openings.for_guardian(request.user), pk=opening_id)
    if request.method == "POST":
        at = timezone.now()
        try:
            if request.POST.get("do") == "confirm":
                openings.confirm(opening, by=request.user, at=at)
                messages.success(request, "C'est confirmé : cet accès est ouvert.")
            else:
                openings.refuse(opening, by=request.user, at=at)
                messages.success(request, "C'est refusé : cet accès ne s'ouvre pas. La mairie le voit.")
        except (openings.OpeningRefused, AlreadyAnswered) as refusal:
            messages.error(request, str(refusal))
        return redirect("families:access")
    return render(request, "families/answer_access.html", {"opening": opening})
