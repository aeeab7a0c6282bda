"""The blocks of « Mon compte famille » that every service shows alike: enrolments, reservations."""

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from families.models import Child, Household
from portal.reservations.models import Enrolment, Reservation
from portal.reservations.states import ENROLMENT_LIVE

# The home page shows the latest; the rest has a page of its own.
LATEST = 6


def enrolments(household: Household, service: str) -> dict[str, Any]:
    """The household's enrolments to a service that still matter, and its children to choose from.

    `household.children` is best prefetched: then one query.
    """
    found = list(
        Enrolment.objects.filter(
            household=household, activity__service=service, school_year__ends_on__gte=timezone.localdate()
        ).select_related("child", "activity", "establishment", "school_year")
    )
    return {
        "service": service,
        "household": household,
        "enrolments": found,
        "choices": choices(household.children.all(), found),
    }


def reservations(household: Household, service: str, found: list[Enrolment]) -> dict[str, Any]:
    """The household's latest reservations of a service, unfinished ones first; one query.

    `found` are its enrolments, as `enrolments` gives them.
    """
    latest = list(
        Reservation.objects.filter(household=household, enrolment__activity__service=service)
        .select_related("child", "period")
        .with_counts()[: LATEST + 1]
    )
    return {
        "service": service,
        "household": household,
        "reservations": sorted(latest[:LATEST], key=lambda one: not one.is_draft),
        "more": len(latest) > LATEST,
        "can_book": any(enrolment.is_accepted for enrolment in found),
        "choices": choices(household.children.all(), found),
    }


def choices(
    children: Iterable[Child], enrolments: Iterable[Enrolment]
) -> list[tuple[Child, list[Enrolment]]]:
    """Each child, eldest first, with its live enrolments: what « Choisissez un enfant » lists."""
    live: dict[int, list[Enrolment]] = {}
    for enrolment in enrolments:
        if enrolment.state in ENROLMENT_LIVE:
            live.setdefault(enrolment.child_id, []).append(enrolment)
    return [(child, live.get(child.pk, [])) for child in sorted(children, key=lambda one: one.birth_date)]
