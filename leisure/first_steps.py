"""Leisure's step of « Premiers pas »: its centres, and what takes place there."""

from datetime import datetime

from django.db.models import Count, Q
from django.urls import reverse

from leisure.models import SERVICE, Centre
from portal.desk import first_steps
from portal.desk.first_steps import Missing, Page, Standing, Step
from portal.french import moments
from portal.reservations.desk import setting_up


def centres(at: datetime) -> Standing:
    """One query, and that of activities. A town without leisure passes by."""
    offered = [one for one in setting_up.offered(at) if one.service == SERVICE]
    found = list(
        Centre.objects.filter(active=True)
        .annotate(used=Count("activities", filter=Q(activities__active=True)))
        .order_by("name")
    )
    names = [str(one) for one in offered]
    if not found and not names:
        return Standing(there=["Ni centre ni accueil : si votre commune n'en a pas, passez."], unused=True)
    stands = Standing()
    if names:
        stands.there.append(f"{moments.listing(names)}.")
    idle = [f"« {one} »" for one in found if not one.used]
    if idle:
        page = reverse("admin:reservations_activity_changelist")
        text = f"Rien n'a encore lieu à {moments.listing(idle)} : cochez-le dans une activité."
        stands.missing.append(Missing(text, page, "reservations.change_activity", needed=False))
    if used := [str(one) for one in found if one.used]:
        stands.there.append(f"{moments.listing(used)}.")
    return stands


first_steps.register(
    Step(
        "loisirs",
        45,
        "L'accueil de loisirs et la garderie",
        "La garderie a lieu à l'école ; les mercredis et les vacances, dans un centre. L'assistant « Ouvrir "
        "une période » prépare les vacances d'un coup.",
        "Wavrin : un centre, de 10 h à 17 h repas compris, à la journée, pendant les petites vacances.",
        (
            Page("Centres de loisirs", "leisure_centre_changelist", "leisure.view_centre"),
            Page("Ouvrir une période", "leisure_open_period", "reservations.add_period"),
        ),
        centres,
    )
)
