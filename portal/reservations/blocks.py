"""The blocks of « Mon compte famille » that every service shows alike: enrolments, reservations."""

from typing import Any

from django.utils import timezone

from families.models import Household
from portal.reservations.models import Enrolment, Reservation

# The home page shows the latest; the rest has a page of its own.
LATEST = 6


def enrolments(household: Household, service: str) -> dict[str, Any]:
    """The household's enrolments to a service that still matter, and its children to choose from."""
    today = timezone.localdate()
    found = list(
        Enrolment.objects.filter(
            household=household, activity__service=service, school_year__ends_on__gte=today
        ).select_related("child", "activity", "establishment", "school_year")
    )
    return {
        "service": service,
        "household": household,
        "enrolments": found,
        "children": list(household.children.all()),
    }


def reservations(household: Household, service: str) -> dict[str, Any]:
    """The household's latest reservations of a service, unfinished ones first."""
    found = list(
        Reservation.objects.filter(household=household, enrolment__activity__service=service)
        .select_related("child", "period", "establishment", "enrolment__activity")
        .with_counts()[: LATEST + 1]
    )
    return {
        "service": service,
        "household": household,
        "reservations": sorted(found[:LATEST], key=lambda one: not one.is_draft),
        "more": len(found) > LATEST,
        "children": list(household.children.all()),
    }
