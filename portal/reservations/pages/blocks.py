"""The blocks of « Mon compte famille » that every service shows alike: enrolments, reservations."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db.models import Case, F, Value, When, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from families.at_home import Ask
from families.custody import homes
from families.models import Child, Household, User
from portal.database.kept import once_a_page
from portal.french import moments
from portal.french.sentences import inside, lower_first
from portal.french.weekdays import names_of
from portal.reservations.acts import ending
from portal.reservations.models import NEWEST_FIRST, CountedReservation, Enrolment, Reservation
from portal.reservations.pages import in_words
from portal.reservations.pages.addresses import planning_url
from portal.reservations.states import ENROLMENT_LIVE, EnrolmentState, ReservationState

# The home page shows what is not recorded yet and the latest; the rest has a page of its own.
LATEST = 2
_IS_DRAFT = Case(When(state=ReservationState.DRAFT, then=Value(1)), default=Value(0))


@dataclass(frozen=True)
class EnrolledChild:
    """All enrolments of a child to a service, on one line. `states` are each with its words and what stands
    so; `detail` is where and when, where the service has one activity only."""

    child: Child
    enrolments: list[Enrolment]
    states: list[tuple[str, str, str]]
    detail: str

    @property
    def refused(self) -> list[Enrolment]:
        """Those that the town hall refused, with its reason: they can be corrected and sent again."""
        return [one for one in self.enrolments if one.refusal_reason]

    @property
    def ends(self) -> list[str]:
        """« Se termine le 18 décembre 2026 : déménagement », of those that end."""
        today = timezone.localdate()
        found = [(one, ending.said(one, today)) for one in self.enrolments]
        several = len(self.enrolments) > 1
        return [f"{one.activity}, {lower_first(said)}" if several else said for one, said in found if said]


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
        "enrolled": _by_child(found),
        "choices": choices(homes.children(household, timezone.localdate()), found, by_child=by_child),
    }


def _by_child(found: list[Enrolment]) -> list[EnrolledChild]:
    """A line a child, eldest first; what another one has replaced is not told again."""
    live = {(one.child_id, one.activity_id) for one in found if not one.is_over}
    told = [one for one in found if not one.is_over or (one.child_id, one.activity_id) not in live]
    years = len({one.school_year_id for one in told}) > 1
    alone = all(in_words.has_one_activity(one.activity.service) for one in told)
    told.sort(key=lambda one: (one.child.birth_date, one.child_id, one.activity.order, one.pk))
    return [
        _enrolled(list(own), alone=alone, years=years)
        for _, own in groupby(told, key=lambda one: one.child_id)
    ]


def _enrolled(own: list[Enrolment], *, alone: bool, years: bool) -> EnrolledChild:
    states = []
    for state in EnrolmentState:
        names = [
            f"{one.activity} {one.school_year}" if years else str(one.activity)
            for one in own
            if one.state == state
        ]
        if names:
            label = str(state.label)
            plural = f"{label}s" if len(names) > 1 and label.endswith("ée") else label
            # Those that ended are named with their day.
            dated = state == EnrolmentState.ENDED and all(one.ends_on for one in own if one.state == state)
            said = (
                "" if (alone and not years) or dated else moments.listing([names[0], *map(inside, names[1:])])
            )
            states.append((str(state.value), plural, said))
    places = [str(one.establishment) for one in own[:1] if alone and one.establishment]
    days = [names_of(one.weekdays) for one in own[:1] if alone and one.weekdays]
    return EnrolledChild(own[0].child, own, states, " · ".join([*places, *days]))


def reservations(
    household: Household, service: str, found: list[Enrolment], *, by_child: bool = False
) -> dict[str, Any]:
    """The household's latest reservations of a service, unfinished ones first; one query for all services.

    `found` are its enrolments, as `enrolments` gives them.
    """
    latest = [one for one in _all_latest(household) if one.enrolment.activity.service == service]
    drafts = [one for one in latest if one.is_draft]
    recorded = [one for one in latest if not one.is_draft]
    shown = [*drafts[:LATEST], *recorded[: max(1, LATEST - len(drafts))]]
    return {
        "service": service,
        "household": household,
        "reservations": shown,
        "more": len(latest) > len(shown),
        "can_book": any(enrolment.is_accepted for enrolment in found),
        "enrolled": any(not enrolment.is_over for enrolment in found),
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


def enrolled_children(household: Household) -> set[int]:
    """The children (by key) that are enrolled anywhere, or about to be."""
    return {one.child_id for one in _all_enrolments(household) if not one.is_over}


def is_enrolled(household: Household, service: str = "") -> bool:
    """Whether a child of the household is enrolled, or about to be; to `service`, or anywhere."""
    return any(
        not one.is_over and service in ("", one.activity.service) for one in _all_enrolments(household)
    )


@once_a_page
def _all_latest(household: Household) -> list[CountedReservation]:
    """The newest of every service, drafts and recorded ones, one more than is shown."""
    ranked = (
        Reservation.objects.of_home(household, timezone.localdate())
        .annotate(
            rank=Window(
                RowNumber(),
                partition_by=[F("enrolment__activity__service"), _IS_DRAFT],
                order_by=[NEWEST_FIRST[0], F("pk").desc()],
            )
        )
        .filter(rank__lte=LATEST + 1)
    )
    return list(
        Reservation.objects.filter(pk__in=ranked.values("pk"))
        .select_related("child", "period", "enrolment__activity", "created_by")
        .with_counts()
    )


def unfinished(household: Household, user: User, at: datetime) -> list[Ask]:
    """Reservations that were begun and not recorded: nothing is reserved yet."""
    today = timezone.localdate(at)
    return [
        Ask(
            "Réservation à terminer",
            f"{in_words.whose(one)} : {in_words.asked(one, today)}{_by(one, user)}, à enregistrer.",
            planning_url(one),
            "Terminer",
        )
        for one in _all_latest(household)
        if one.is_draft and in_words.holds_days(one)
    ]


def _by(reservation: Reservation, user: User) -> str:
    """Who began it, where that is somebody else."""
    author = reservation.created_by
    return f", par {author.first_name}" if author and author.pk != user.pk and author.first_name else ""


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
