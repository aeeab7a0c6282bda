"""The blocks of « Mon compte famille » that every service shows alike: enrolments, reservations."""

from collections.abc import Iterable
from typing import Any

from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from families.custody import homes
from families.models import Child, Household
from portal.database.kept import once_a_page
from portal.reservations.models import NEWEST_FIRST, CountedReservation, Enrolment, Reservation
from portal.reservations.states import ENROLMENT_LIVE

# The home page shows the latest; the rest has a page of its own.
LATEST = 6


def enrolments(household: Household, service: str, *, by_child: bool = False) -> dict[str, Any]:
    """The household's enrolments to a service that still matter, and its children to choose from.

    With `by_child`, a child is offered once whatever its enrolments.
    One query for all services of a page, beside that for the children.
    """
    found = [one for one in _all_enrolments(household) if one.activity.service == service]
    return {
        "service": service,
        "household": household,
        "enrolments": found,
        "choices": choices(homes.children(household, timezone.localdate()), found, by_child=by_child),
    }


def reservations(
    household: Household, service: str, found: list[Enrolment], *, by_child: bool = False
) -> dict[str, Any]:
    """The household's latest reservations of a service, unfinished ones first; one query for all services.

    `found` are its enrolments, as `enrolments` gives them.
    """
    latest = [one for one in _all_latest(household) if one.enrolment.activity.service == service]
    return {
        "service": service,
        "household": household,
        "reservations": sorted(latest[:LATEST], key=lambda one: not one.is_draft),
        "more": len(latest) > LATEST,
        "can_book": any(enrolment.is_accepted for enrolment in found),
        "choices": choices(homes.children(household, timezone.localdate()), found, by_child=by_child),
    }


@once_a_page
def _all_enrolments(household: Household) -> list[Enrolment]:
    """Those of every service."""
    today = timezone.localdate()
    return list(
        Enrolment.objects.of_home(household, today)
        .filter(school_year__ends_on__gte=today)
        .select_related("child", "activity", "establishment", "school_year")
    )


@once_a_page
def _all_latest(household: Household) -> list[CountedReservation]:
    """The newest of every service, one more than is shown."""
    ranked = (
        Reservation.objects.of_home(household, timezone.localdate())
        .annotate(
            rank=Window(
                RowNumber(),
                partition_by=F("enrolment__activity__service"),
                order_by=[NEWEST_FIRST[0], F("pk").desc()],
            )
        )
        .filter(rank__lte=LATEST + 1)
    )
    return list(
        Reservation.objects.filter(pk__in=ranked.values("pk"))
        .select_related("child", "period", "enrolment__activity")
        .with_counts()
    )


def choices(
    children: Iterable[Child], enrolments: Iterable[Enrolment], *, by_child: bool = False
) -> list[tuple[Child, list[Enrolment]]]:
    """Each child, eldest first, with its live enrolments: what « Choisissez un enfant » lists.

    With `by_child`, one enrolment stands for all of a child's: an accepted one if there is one.
    """
    live: dict[int, list[Enrolment]] = {}
    for enrolment in enrolments:
        if enrolment.state in ENROLMENT_LIVE:
            live.setdefault(enrolment.child_id, []).append(enrolment)
    if by_child:
        live = {child: sorted(own, key=lambda one: not one.is_accepted)[:1] for child, own in live.items()}
    return [(child, live.get(child.pk, [])) for child in sorted(children, key=lambda one: one.birth_date)]
