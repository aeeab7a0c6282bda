"""The canteen's step of « Premiers pas »: who eats where, and what one may eat."""

from datetime import datetime

from django.urls import reverse

from catering.models import SERVICE
from families.models import Diet
from portal.desk import first_steps
from portal.desk.first_steps import Missing, Page, Standing, Step
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.desk import setting_up
from portal.reservations.models import Activity, Establishment


def who_eats_where(at: datetime) -> Standing:
    """Four queries, one of them of all steps. A town without a canteen passes by."""
    rows = Establishment.objects.filter(active=True).order_by("name")
    restaurants = list(rows.filter(kind=Establishment.Kind.RESTAURANT).prefetch_related("schools"))
    schools = setting_up.schools_of_town()
    if not restaurants:
        if not Activity.objects.filter(service=SERVICE, active=True).exists():
            return Standing(
                there=["Aucun restaurant scolaire : si votre commune n'a pas de cantine, passez."],
                unused=True,
            )
        page = reverse("admin:reservations_establishment_add")
        return Standing(
            missing=[
                Missing("Aucun restaurant scolaire.", page, "reservations.add_establishment"),
            ]
        )
    stands = Standing()
    fed = set()
    for one in restaurants:
        served = [school for school in one.schools.all() if school.active] or schools
        fed |= {school.pk for school in served}
        names = moments.listing([str(school) for school in served]) or "aucune école"
        stands.there.append(f"{one} sert {names}.")
    hungry = [str(one) for one in schools if one.pk not in fed]
    if hungry:
        page = reverse("admin:reservations_establishment_changelist")
        text = f"Aucun restaurant ne sert {moments.listing(hungry)}."
        stands.missing.append(Missing(text, page, "reservations.change_establishment"))
    diets = Diet.objects.filter(active=True).count()
    if diets:
        stands.there.append(f"{counted(diets, 'régime', 'régimes')} au choix des familles.")
    else:
        page = reverse("admin:families_diet_add")
        text = "Aucun régime alimentaire : les familles ne peuvent pas en indiquer."
        stands.missing.append(Missing(text, page, "families.add_diet", needed=False))
    return stands


first_steps.register(
    Step(
        "restaurants",
        40,
        "Qui mange où",
        "Un restaurant sert les écoles que vous cochez, toutes si vous n'en cochez aucune. Les régimes sont "
        "ceux que la cuisine sait préparer.",
        "Un village : une école, un restaurant, « Sans régime particulier » et « Sans porc ». À "
        "Fay-aux-Loges, la famille d'un enfant qui a un PAI fournit le repas et paie 1,75 €.",
        (
            Page(
                "Établissements", "reservations_establishment_changelist", "reservations.view_establishment"
            ),
            Page("Régimes", "families_diet_changelist", "families.view_diet"),
        ),
        who_eats_where,
    )
)
