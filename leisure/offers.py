"""What a family can choose from: activities to enrol a child for, places and periods to reserve."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias, TypedDict

from django.db.models import Exists, Max, OuterRef, QuerySet, prefetch_related_objects
from django.urls import reverse
from django_stubs_ext import WithAnnotations

from families.models import Child
from leisure.models import SERVICE
from portal.french import moments
from portal.french.elision import of
from portal.reservations.acts import enrolling
from portal.reservations.acts.conditions import Wish
from portal.reservations.days import audiences
from portal.reservations.days.campaigns import Campaigns
from portal.reservations.days.limits import Limits
from portal.reservations.days.standing import closed_period
from portal.reservations.models import Activity, Enrolment, Establishment, Formula, Period, SchoolYear
from portal.reservations.states import CellState


@dataclass(frozen=True)
class Offer:
    """An activity, where the child can go for it, and why not when it cannot be enrolled."""

    activity: Activity
    places: list[Establishment]
    refusal: str = ""
    with_meal: bool = False  # the child's diet is then asked for


class HoldsMeal(TypedDict):
    """Whether a meal may be eaten in it."""

    holds_meal: bool


OfferedActivity: TypeAlias = "WithAnnotations[Activity, HoldsMeal]"


def _meals(of: Activity | OuterRef) -> QuerySet[Formula]:
    """The formulas of an activity in which a meal is eaten."""
    return Formula.objects.filter(with_meal=True, active=True, activity=of)


def offered_activities() -> list[OfferedActivity]:
    """Those of the service that are in use; one query."""
    in_use = Activity.objects.filter(service=SERVICE, active=True)
    return list(in_use.annotate(holds_meal=Exists(_meals(OuterRef("pk")))))


def offers(
    child: Child,
    activities: Iterable[OfferedActivity],
    campaigns: Campaigns,
    school_year: SchoolYear,
    first_day: date,
    known: set[int],
    *,
    household: int,
) -> list[Offer]:
    """These activities, offered or not, for a child of a household (its key) that begins on `first_day`.

    `known` are the ids of activities it is enrolled for already.
    """
    found = []
    wanted = list(activities)
    periods = Period.objects.filter(activity__in=wanted, school_year=school_year).order_by()
    last_days = dict(periods.values_list("activity").annotate(Max("ends_on")))
    wishes = [Wish(household, child.pk, activity, school_year.pk) for activity in wanted]
    stopped = enrolling.stopped(wishes, campaigns.at)
    for activity, missing in zip(wanted, stopped, strict=True):
        places = enrolling.places_for(activity, child, school_year)
        refusal = _refusal(activity, child, places, known) or campaigns.closed(activity, school_year)
        refusal = refusal or missing
        limits = Limits.of(activity, child, school_year.pk)
        last = last_days.get(activity.pk)
        refusal = refusal or enrolling.never_within(limits, school_year, first_day, last)
        found.append(Offer(activity, places, refusal, with_meal=activity.holds_meal))
    return found


def holds_meal(activity: Activity) -> bool:
    """Whether a meal may be eaten in it; one query."""
    return _meals(activity).exists()


def _refusal(activity: Activity, child: Child, places: list[Establishment], known: set[int]) -> str:
    if activity.pk in known:
        return f"{child.first_name} y a déjà une inscription."
    if not places:
        return f"N'accueille pas les élèves de l'école {of(child.first_name)}."
    return ""


# Missing pieces ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """Something the town hall needs before the first day. `blocking`: no reservation without it."""

    sentence: str
    label: str
    address: str
    blocking: bool


def missing_pieces(child: Child, activities: list[Activity]) -> list[Piece]:
    """What is still missing for a child enrolled, or about to be, for these activities; two queries."""
    missing = []
    asking = [activity for activity in activities if activity.health_file_required]
    if asking and not hasattr(child, "health"):
        names = moments.listing([f"« {activity} »" for activity in asking])
        missing.append(
            Piece(
                f"La fiche sanitaire {of(child.first_name)} : sans elle, pas de réservation ({names}).",
                "Remplir la fiche sanitaire",
                reverse("families:health", args=[child.pk]),
                blocking=True,
            )
        )
    if activities and not child.leaves_alone and not child.authorised_people.exists():
        missing.append(
            Piece(
                f"Les personnes autorisées à venir chercher {child.first_name} : pour le moment, "
                "ses responsables seulement.",
                "Ajouter une personne",
                reverse("families:add_person", args=[child.pk]),
                blocking=False,
            )
        )
    return missing


# Where and when ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OfferChoice:
    """A period of an enrolment: where it takes place; `closed` says why it cannot be chosen now."""

    enrolment: Enrolment
    period: Period
    places: list[Establishment]
    closed: str = ""

    @property
    def key(self) -> str:
        """What its button posts."""
        return str(self.period.pk)

    @property
    def span(self) -> str:
        """« du 19 décembre au 3 janvier 2027 »."""
        return moments.span(self.period.starts_on, self.period.ends_on, year=True)

    @property
    def place_ids(self) -> str:
        """For the browser: the establishments' keys."""
        return " ".join(str(place.pk) for place in self.places)


def choices(
    enrolments: list[Enrolment], at: datetime, today: date, *, cancelling: bool, at_desk: bool = False
) -> list[OfferChoice]:
    """The periods not over yet of a child's accepted enrolments, nearest first.

    To cancel, a period whose reservations are closed may be chosen too; `at_desk`, each may, those gone by
    last.
    """
    prefetch_related_objects([one.activity for one in enrolments], "periods__establishments")
    found = []
    for enrolment in enrolments:
        own = enrolment.establishment
        anywhere = (
            [own] if own else enrolling.places_for(enrolment.activity, enrolment.child, enrolment.school_year)
        )
        for period in enrolment.activity.periods.all():
            gone_by = period.ends_on < today and not at_desk
            if period.school_year_id != enrolment.school_year_id or gone_by:
                continue
            places = [place for place in anywhere if period.concerns(place.pk)]
            if places:
                closed = "" if at_desk else _closed(period, enrolment, at, today, cancelling=cancelling)
                found.append(OfferChoice(enrolment, period, places, closed))
    return sorted(
        found,
        key=lambda choice: (
            choice.period.ends_on < today,
            choice.period.starts_on,
            choice.enrolment.activity.order,
        ),
    )


def _closed(period: Period, enrolment: Enrolment, at: datetime, today: date, *, cancelling: bool) -> str:
    home = enrolment.household
    publics = audiences.of_home(home, today, enrolment.child_id)
    found = closed_period(period, at, resident=home.resident, publics=publics)
    if found is None or (cancelling and found.state == CellState.LATE):
        return ""
    return found.reason
