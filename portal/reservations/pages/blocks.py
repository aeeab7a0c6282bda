"""The blocks of « Mon compte famille » that every service shows alike: enrolments, reservations."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
    Window,
)
from django.db.models.functions import RowNumber
from django.urls import reverse
from django.utils import timezone

from families.at_home import Ask
from families.custody import homes
from families.models import Child, Household, User
from portal.database.composed import Composed, Given
from portal.database.kept import once_a_page
from portal.french import grades, moments
from portal.french.grades import Grade
from portal.french.sentences import inside, lower_first
from portal.french.weekdays import names_of
from portal.reservations.acts import ending
from portal.reservations.days import audiences
from portal.reservations.models import (
    NEWEST_FIRST,
    Audience,
    Campaign,
    CountedReservation,
    Enrolment,
    Reservation,
    SchoolYear,
)
from portal.reservations.models.campaigns import open_at
from portal.reservations.pages import in_words
from portal.reservations.pages.addresses import planning_url
from portal.reservations.states import ENROLMENT_LIVE, EnrolmentState, ReservationState

# The home page shows what is not recorded yet and the latest; the rest has a page of its own.
LATEST = 2
_IS_DRAFT = Case(When(state=ReservationState.DRAFT, then=Value(1)), default=Value(0))


@dataclass(frozen=True)
class Told:
    """An enrolment; whether it `serves`, its year not being over; and the year after it, while families enrol
    for that one in a campaign of the activity (`reopens`, empty otherwise)."""

    enrolment: Enrolment
    serves: bool
    reopens: str


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
        these = [one for one in own if one.state == state]
        if these:
            label = str(state.label)
            plural = f"{label}s" if len(these) > 1 and label.endswith("ée") else label
            # Those that ended are named with their day.
            dated = state == EnrolmentState.ENDED and all(one.ends_on for one in these)
            said = "" if dated else _named(these, alone=alone, years=years)
            states.append((str(state.value), plural, said))
    places = [str(one.establishment) for one in own[:1] if alone and one.establishment]
    days = [names_of(one.weekdays) for one in own[:1] if alone and one.weekdays]
    return EnrolledChild(own[0].child, own, states, " · ".join([*places, *days]))


def _named(these: list[Enrolment], *, alone: bool, years: bool) -> str:
    """« Accueil du soir et mercredis »; of several `years`, « 2026-2027 (mercredis), 2027-2028 (vacances) ».
    Where the service has one activity (`alone`), nothing, or the years only."""
    of_year: dict[SchoolYear, list[str]] = {}
    for one in these:
        of_year.setdefault(one.school_year, []).append(str(one.activity))
    if not years:
        names = [name for found in of_year.values() for name in found]
        return "" if alone else moments.listing([names[0], *map(inside, names[1:])])
    told = sorted(of_year.items(), key=lambda item: item[0].starts_on)
    if alone:
        return moments.listing([str(year) for year, _ in told])
    return ", ".join(f"{year} ({moments.listing(list(map(inside, found)))})" for year, found in told)


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


def _all_enrolments(household: Household) -> list[Enrolment]:
    """Those of every service, of years that are not over."""
    return [one.enrolment for one in _told_enrolments(household) if one.serves]


@once_a_page
def _told_enrolments(household: Household) -> list[Told]:
    """Those of years that are not over, and last year's that a campaign still asks about: one query, also
    where a town has no campaign."""
    at = timezone.now()
    today = timezone.localdate(at)
    publics = audiences.of_home(household, today)
    found = _told(today, Audience.Belonging.of(household), publics, household=household.pk, at=at)
    return [Told(one, one.serves, one.reopens or "") for one in found]


@Composed
def _told(today: date, belonging: str, publics: tuple[int, ...]) -> "QuerySet[Any]":
    later = SchoolYear.objects.filter(starts_on__gt=OuterRef("school_year__starts_on")).order_by("starts_on")
    deciding = Campaign.objects.concerning(belonging, publics).filter(
        Q(activity=None) | Q(activity=OuterRef("activity")), school_year=OuterRef("following")
    )
    name_if_open = Case(When(open_at(Given("at")), then=F("school_year__name")), default=Value(""))
    return (
        Enrolment.objects.of_home(Given("household"), today)
        .annotate(
            following=Subquery(later.values("pk")[:1]),
            reopens=Subquery(deciding.values(said=name_if_open)[:1]),
            serves=ExpressionWrapper(
                Q(school_year__in=SchoolYear.objects.serving(today)), output_field=BooleanField()
            ),
        )
        .filter(Q(serves=True) | Q(reopens__gt=""))
        .select_related("child", "activity", "establishment", "school_year")
    )


def to_renew(household: Household, user: User, at: datetime) -> list[Ask]:
    """Children of last year whom nobody has enrolled for the next one, while its campaign is open. Who leaves
    the town's schools is not asked about."""
    told = _told_enrolments(household)
    done = {(one.enrolment.child_id, one.enrolment.school_year.name) for one in told}
    years: dict[str, dict[int, Child]] = {}
    for one in told:
        child, year = one.enrolment.child, one.enrolment.school_year
        if not one.reopens or one.enrolment.is_over or (child.pk, one.reopens) in done:
            continue
        if grades.by_birth(child.birth_date, year.starts_on) < Grade.CM2:
            years.setdefault(one.reopens, {})[child.pk] = child
    return [
        Ask(
            f"Réinscrire pour {year}",
            f"{moments.listing([one.first_name for one in sorted(found.values(), key=_eldest)])}.",
            reverse("reservations:renew"),
            "Réinscrire",
        )
        for year, found in sorted(years.items())[:1]
    ]


def _eldest(child: Child) -> tuple[date, int]:
    return child.birth_date, child.pk


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
    return _newest(timezone.localdate(), household=household.pk)


@Composed
def _newest(today: date) -> "QuerySet[CountedReservation]":
    ranked = (
        Reservation.objects.of_home(Given("household"), today)
        .not_begun_at_desk()
        .annotate(
            rank=Window(
                RowNumber(),
                partition_by=[F("enrolment__activity__service"), _IS_DRAFT],
                order_by=[NEWEST_FIRST[0], F("pk").desc()],
            )
        )
        .filter(rank__lte=LATEST + 1)
    )
    return (
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
