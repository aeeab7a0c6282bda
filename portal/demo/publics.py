"""Audiences of the demo town: Port-Aubrelle enrols before who lives elsewhere; `voisin` is an agent of the
town, to whom the next holidays that are not open yet open a week sooner."""

from datetime import datetime, timedelta

from django.utils import timezone

from portal.demo.people import People
from portal.reservations.models import (
    Audience,
    AudienceAddress,
    AudienceMember,
    Campaign,
    DeadlineWindow,
    Period,
    PeriodOpening,
)

SOONER = timedelta(days=7)


def make(people: People, at: datetime) -> None:
    partners = Audience.objects.create(
        code="partenaires",
        label="Communes partenaires",
        belonging=Audience.Belonging.ADDRESS,
        order=2,
        words="les communes partenaires, dont la vôtre",
    )
    AudienceAddress.objects.create(audience=partners, city="Port-Aubrelle", postcode="01998")
    elsewhere = Campaign.objects.filter(audience__code="hors-commune").latest("opens_at")
    Campaign.objects.create(
        school_year=elsewhere.school_year,
        audience=partners,
        opens_at=elsewhere.opens_at - timedelta(days=4),
        closes_at=elsewhere.closes_at,
    )
    agents = Audience.objects.create(
        code="personnel",
        label="Agents de la commune",
        belonging=Audience.Belonging.RECOGNISED,
        order=1,
        words="les agents de la commune, dont vous êtes",
        priced_as_resident=True,
    )
    AudienceMember.objects.create(
        audience=agents,
        household=people.neighbour.household,
        starts_on=timezone.localdate(at),
        proof="Attestation des ressources humaines",
    )
    _open_sooner(agents, at)


def _open_sooner(agents: Audience, at: datetime) -> None:
    """The first holidays that are not open yet, with the window of their days."""
    coming = DeadlineWindow.objects.filter(
        rule__activitydeadline__activity__code="vacances",
        audience=DeadlineWindow.Audience.RESIDENT,
        opens_at__gt=at + SOONER + timedelta(days=1),
    )
    window = coming.order_by("opens_at").first()
    if window is None or window.opens_at is None:
        return
    period = Period.objects.filter(
        activity__code="vacances", starts_on__lte=window.covers_to, ends_on__gte=window.covers_from
    ).first()
    if period is None:
        return
    period.opens_at = window.opens_at
    period.save()
    sooner = window.opens_at - SOONER
    PeriodOpening.objects.create(period=period, audience=agents, opens_at=sooner)
    DeadlineWindow.objects.create(
        rule=window.rule,
        covers_from=window.covers_from,
        covers_to=window.covers_to,
        opens_at=sooner,
        closes_at=window.closes_at,
        public=agents,
    )
