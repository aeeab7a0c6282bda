"""« Oublis »: the days that the town counts, from when on somebody may decide, and what was decided."""

from datetime import datetime

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from families import which_home
from families.at_home import Ask
from families.custody import homes
from families.models import Child, Household, User
from portal.french import elision, moments
from portal.reservations.acts import oversights
from portal.reservations.day_rules.oversights import in_words
from portal.web.signed_in import SignedInRequest


def asked(household: Household, user: User, at: datetime) -> list[Ask]:
    """What was decided, calmly; else the warning. No query where the town counts no oversights."""
    today = timezone.localdate(at)
    decided = oversights.standing([household.pk], today)
    of = {(one.child_id, one.activity_id) for one in decided}
    address = reverse("reservations:oversights")
    asks = [
        Ask(
            f"Décision de la mairie : {oversights.what(one)}",
            f"Jusqu'au {moments.day(one.until)}. Les jours réservés restent.",
            address,
            "Pourquoi, à qui parler",
        )
        for one in decided
    ]
    forgot = ((one, one.warning) for one in oversights.of_home(household, today) if one.key[1:] not in of)
    warned = [(one, warning) for one, warning in forgot if warning]
    names = {child.pk: child for child in homes.children(household, today)} if warned else {}
    if missing := {one.key[1] for one, _ in warned} - names.keys():
        names |= Child.objects.in_bulk(missing)  # they no longer live there
    return asks + [
        Ask(f"Oublis {elision.of(names[one.key[1]].first_name)}", warning, address, "Voir ces jours")
        for one, warning in warned
    ]


@require_safe
def page(request: SignedInRequest) -> HttpResponse:
    """Each child's days that count, the rules, and the decisions that stand."""
    today = timezone.localdate()
    known = oversights.rules_on(today)
    home = which_home.household(request)
    decided = oversights.standing([home.pk], today)
    if not known and not decided:
        raise Http404
    found = oversights.of_home(home, today)
    children = Child.objects.in_bulk({one.key[1] for one in found}) if found else {}
    context = {
        "decided": [(one, oversights.what(one)) for one in decided],
        "found": [(children[one.key[1]], one) for one in found],
        "rules": [(one.activity, in_words(one.rule())) for one in known.values()],
    }
    return render(request, "reservations/oversights.html", context)
