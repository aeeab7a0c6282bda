"""« Mon compte famille »."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from families.models import Household


@require_safe
def household_account(request: HttpRequest) -> HttpResponse:
    """The seven blocks of a household. Each app fills its own by its template tags."""
    household = Household.objects.visible_to(request.user).first()
    if household is None:
        return render(request, "portal/home_without_household.html")
    return render(request, "portal/home.html", {"household": household, "today": timezone.localdate()})
