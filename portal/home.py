"""« Mon compte famille »."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from families import as_family, which_home
from families.as_family import Part
from families.custody import openings
from families.models import Household
from portal.web.signed_in import SignedInRequest


@require_safe
def household_account(request: SignedInRequest) -> HttpResponse:
    """The seven blocks of a household. Each app fills its own by its template tags."""
    guardian = which_home.find(request)
    if guardian is None:
        at = timezone.now()
        opening = openings.of_login(request.user, at=at)
        if opening is not None:
            opens = openings.opens_by_time(opening)
            return render(request, "portal/home_waiting.html", {"opening": opening, "opens": opens})
        household = Household.objects.visible_to(request.user).first()  # opened meanwhile
    else:
        household = guardian.household
    if household is None:
        return render(request, "portal/home_without_household.html")
    shows_money = Part.MONEY in as_family.shown_to(request)
    context = {"household": household, "today": timezone.localdate(), "shows_money": shows_money}
    return render(request, "portal/home.html", context)
