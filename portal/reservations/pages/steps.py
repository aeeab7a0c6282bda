"""The steps every service shares: planning → validation → recording → detail.

A service lends its planning's template and a few functions (`services.Service`). Longer than other modules:
the steps follow one another, and each reads best beside the one it leads to.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet, Subquery
from django.http import Http404, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from families import which_home
from families.custody import homes
from portal.database.composed import Composed, Given, GivenMany
from portal.french.elision import of
from portal.french.plurals import counted
from portal.french.sentences import lower_first
from portal.reservations.acts import asked_first, booking, carts, conditions, enrolling, reservation_drafts
from portal.reservations.acts.overriding import NONE, Overrides
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import (
    Enrolment,
    Establishment,
    Period,
    Reservation,
    ReservationLine,
    SchoolYear,
)
from portal.reservations.models.queries import PeriodThere, offered_at, still_booked
from portal.reservations.pages import blocks, checking, moves, prices, thanking, waits
from portal.reservations.pages import carts as cart_pages
from portal.reservations.pages.acting import (
    TELLS,
    Acting,
    Passed,
    acting_of,
    follow,
    household_of,
    mine,
    read,
    row,
    whose,
)
from portal.reservations.pages.addresses import planning_address, planning_url
from portal.reservations.pages.cells import BOOK, FIELDS, value_of
from portal.reservations.pages.checking import Checked
from portal.reservations.pages.planning import Planning, Ticks, on_weekdays, parse_choice, toggle
from portal.reservations.pages.services import (
    SERVICES,
    Service,
    pricer_of,
)
from portal.reservations.states import Action, EnrolmentState, Outcome, Override, ReservationState
from portal.web import interrupted
from portal.web.signed_in import SignedInRequest

PAGE_LENGTH = 20
# Of how many weeks it is said that days are missing.
COUNTS_SAID = 3
# How far a day that can be taken is looked for first.
SOON = timedelta(weeks=5)
# Of the session: what « Recommencer » unticked.
RESTARTED = "planning_restarted"

# Of the form of validation at the desk, which is the recording as well.
RECORDS = "enregistrer"
# Of the form of validation: a place on a waiting list is taken up to the day itself.
UNTIL_THE_DAY = "jusqu_au_jour"
MERGED = (
    "Ce planning a aussi été modifié dans un autre onglet : les jours choisis des deux sont réunis. "
    "Vérifiez-les avant de continuer."
)


# Choosing the child ---------------------------------------------------------------------------------------


def choose_child(request: SignedInRequest, service: Service) -> HttpResponse:
    """Which child to book, or with `?annulation` to cancel, for. One possible child only: no question."""
    household = household_of(request)
    if household is None or not household.is_accepted:
        return redirect("home")
    block = blocks.enrolments(household, service.slug, by_child=service.by_child)
    enrolments, choices = block["enrolments"], block["choices"]
    acting = acting_of(request)
    if acting is not None:
        enrolments = acting.kept(enrolments)
        followed = {one.child_id for one in enrolments}
        # Whose enrolments are all elsewhere is no child without one.
        children = acting.kept(child for child, own in choices if not own or child.pk in followed)
        choices = blocks.choices(children, enrolments, by_child=service.by_child)
    query = "?annulation" if "annulation" in request.GET else ""
    accepted = [one for one in enrolments if one.is_accepted]
    if len(choices) == 1 and accepted and (service.by_child or len(accepted) == 1):
        return redirect(reverse(f"{service.slug}:start", args=[accepted[0].pk]) + query)
    return render(
        request,
        "reservations/choose_child.html",
        {"service": service.slug, "choices": choices, "purpose": "cancel" if query else "book"},
    )


def choose_child_to_enrol(request: SignedInRequest, service: Service) -> HttpResponse:
    """Which child to enrol? One child only: no question."""
    guardian = which_home.find(request)
    household = guardian.household if guardian else None
    if household is None or household.is_refused:
        return redirect("home")
    choices = blocks.choices(homes.children(household, timezone.localdate()), [])
    if len(choices) == 1:
        return redirect(f"{service.slug}:enrol", choices[0][0].pk)
    return render(
        request,
        "reservations/choose_child.html",
        {"service": service.slug, "choices": choices, "purpose": "enrol"},
    )


def start(request: SignedInRequest, service: Service, enrolment_id: int) -> HttpResponse:
    """From an enrolment with its own establishment to the planning of its current period."""
    at = timezone.now()
    enrolment = row(
        request,
        Enrolment.objects.all(),
        timezone.localdate(at),
        pk=enrolment_id,
        activity__service=service.slug,
    )
    periods = current_periods(enrolment, at)
    if not periods and (following := _following_year(enrolment, at)):
        enrolment, periods = following, current_periods(following, at)
    if not periods or enrolment.establishment_id is None:
        messages.info(request, "Aucune période n'est ouverte à la réservation pour le moment.")
        return redirect("home")
    where = enrolment.pk, enrolment.establishment_id, periods[0].pk
    return redirect(planning_address(enrolment.activity, *where) + arriving(request, *where))


def _following_year(enrolment: Enrolment, at: datetime) -> Enrolment | None:
    """The accepted one to the same activity for the next year: in summer nothing is left of this one."""
    return (
        Enrolment.objects.accepted()
        .filter(
            household=enrolment.household_id,
            child=enrolment.child_id,
            activity=enrolment.activity_id,
            school_year__in=SchoolYear.objects.serving(timezone.localdate(at)),
        )
        .exclude(pk=enrolment.pk)
        .select_related("activity")
        .order_by("school_year__starts_on")
        .first()
    )


def book(request: SignedInRequest, service: Service) -> HttpResponse:
    """All the children that are enrolled, side by side, in the first period in which a day can still be
    taken: no question is asked. The year that runs comes before the next one; of several activities, that of
    most children."""
    at = timezone.now()
    today = timezone.localdate(at)
    household = household_of(request)
    if household is None or not household.is_accepted:
        return redirect("home")
    activities: dict[tuple[int, int], list[Enrolment]] = {}
    acting = acting_of(request)
    possible = _bookable(today, household=household.pk, service=service.slug)
    for one in acting.kept(possible) if acting else possible:
        activities.setdefault((one.activity_id, one.school_year_id), []).append(one)
    if not activities:
        return redirect(f"{service.slug}:choose_reservation")
    otherwise = ""
    for enrolments in sorted(activities.values(), key=lambda own: (own[0].school_year.starts_on, -len(own))):
        for first in enrolments:
            others = [one for one in enrolments if one.child_id != first.child_id]
            place = _own_place(first)
            for period in _periods(first, place, today).values():
                if period.ends_on < today:
                    continue
                shown = [(first, place), *_beside(service, others, place, period)]
                address = _address_of(request, service, shown, period)
                otherwise = otherwise or address
                if _has_room(shown, period, at, acting):
                    return redirect(address)
    if otherwise:  # the planning says of each day why not
        return redirect(otherwise)
    messages.info(request, "Aucune période n'est ouverte à la réservation pour le moment.")
    return redirect("home")


@Composed
def _bookable(today: date) -> "QuerySet[Enrolment]":
    return (
        Enrolment.objects.of_home(Given("household"), today)
        .accepted()
        .filter(
            activity__service=Given("service"),
            school_year__in=SchoolYear.objects.serving(today),
            establishment__isnull=False,
        )
        .select_related(*WITH_ENROLMENT)
        .order_by("school_year__starts_on", "child__birth_date", "pk")
    )


def _has_room(
    shown: list[tuple[Enrolment, Establishment]], period: PeriodThere, at: datetime, acting: Acting | None
) -> bool:
    """Whether a day of the period can still be taken: almost always one of the next weeks."""
    soon = max(period.starts_on, timezone.localdate(at)) + SOON
    for within in ((period.starts_on, soon), (soon + timedelta(days=1), period.ends_on)):
        if within[0] > period.ends_on:
            break
        plans = Planning.together(shown, period, at=at, within=within, offered=period.here, acting=acting)
        if any(cell.field == BOOK and not cell.over for plan in plans for cell in plan.cells.values()):
            return True
    return False


def _address_of(
    request: SignedInRequest, service: Service, shown: list[tuple[Enrolment, Establishment]], period: Period
) -> str:
    """The planning of the first of these, with the others beside it."""
    (first, place), *others = shown
    at_desk = acting_of(request) is not None
    begun = _begun(enrolments=[one.pk for one, _ in shown], period=period.pk, at_desk=at_desk)
    asked = [urlencode({"avec": one.pk}) for one, _ in others] + ["reprise"] * bool(begun)
    address = planning_address(first.activity, first.pk, place.pk, period.pk)
    return f"{address}?{'&'.join(asked)}" if asked else address


@Composed
def _begun() -> "QuerySet[Reservation, int]":
    drafts = Reservation.objects.drafts().filter(lines__isnull=False)
    of_these = drafts.filter(
        enrolment__pk__among=GivenMany("enrolments"), period=Given("period"), at_desk=Given("at_desk")
    )
    return of_these.order_by().values_list("pk", flat=True)[:1]


def arriving(request: SignedInRequest, enrolment_id: int, establishment_id: int, period_id: int) -> str:
    """The query with which one comes to a planning: to cancel, and upon what was begun and not recorded."""
    begun = Reservation.objects.drafts().filter(
        enrolment=enrolment_id,
        establishment=establishment_id,
        period=period_id,
        at_desk=acting_of(request) is not None,
        lines__isnull=False,
    )
    said = {"annulation": "annulation" in request.GET, "reprise": begun.exists()}
    asked = "&".join(name for name, true in said.items() if true)
    return f"?{asked}" if asked else ""


def current_periods(enrolment: Enrolment, at: datetime) -> list[Period]:
    """The periods of an enrolment's activity and year that are not over, or of which something booked still
    stands, nearest first."""
    today = timezone.localdate(at)
    booked = still_booked(enrolment, today).values("reservation__period")
    return list(
        Period.objects.filter(
            Q(ends_on__gte=today) | Q(pk__in=booked),
            activity_id=enrolment.activity_id,
            school_year_id=enrolment.school_year_id,
        )
    )


# Planning -------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def planning(
    request: SignedInRequest, service: Service, enrolment_id: int, establishment_id: int, period_id: int
) -> HttpResponse:
    """The grid. Ticks go to a server-side draft, so that no step and no other week loses them."""
    at = timezone.now()
    enrolment, others = _enrolments(request, service, enrolment_id)
    if not enrolment.is_accepted:
        over = enrolling.over_sentence(enrolment)
        waits = "La mairie n'a pas encore accepté cette inscription : patientez un peu."
        messages.info(request, over if enrolment.is_over else waits)
        return redirect("home")
    today = timezone.localdate(at)
    establishment = _establishment(enrolment, establishment_id, today)
    acting = acting_of(request)
    if acting is not None and not acting.reaches(establishment):
        raise Http404
    periods = _periods(enrolment, establishment, today)
    period = periods.get(period_id)
    if period is None:
        raise Http404
    offered = enrolling.serves(establishment, enrolment)
    if not offered and not still_booked(enrolment, today).filter(establishment=establishment).exists():
        messages.warning(
            request,
            f"{establishment} n'accueille pas les élèves de l'école {of(enrolment.child.first_name)}.",
        )
        return redirect("home")
    kept = interrupted.take(request) if request.method == "GET" else None
    beside = _beside(service, others, establishment, period)
    possible = [(enrolment, establishment), *beside]
    within = None if kept is not None else _days_asked_for(request, service, period)
    opening = None if within or kept is not None else _opening(request, service, period, today)
    plan = _plan(request, possible, period, at, within=within or opening, offered=offered and period.here)
    if opening and not service.opens_within(plan, opening):
        plan = _plan(request, possible, period, at, within=None, offered=offered and period.here)
    if kept is not None:
        for each in (plan, *plan.beside):
            ticks = each.read(kept)
            each.add_draft(ticks)
            _keep(request, each, ticks, at)
        messages.success(request, "Vous revoilà. Les jours que vous aviez choisis sont conservés.")
        return redirect(request.get_full_path())
    plan.periods = [
        one for one in periods.values() if one == period or one.ends_on >= today or acting is not None
    ]
    if request.method == "POST":
        return _planning_posted(request, service, plan, at)
    return _show_planning(request, service, plan, beside, at)


def _days_asked_for(request: SignedInRequest, service: Service, period: Period) -> tuple[date, date] | None:
    """The days that a page shows; of a posted one, those that it showed and all that it names. None: all, and
    so for buttons that may act on any day."""
    if service.within is None:
        return None
    if request.method != "POST":
        return service.within(request.GET, period)
    verb = request.POST.get("do", "next").partition(":")[0]
    page = QueryDict(mutable=True)
    page[service.shown_by] = request.POST.get("shown", "")
    shown = service.within(page, period)
    if verb not in ONLY_GOING or shown is None:
        return None
    named = [
        choice.day
        for field, values in request.POST.lists()
        if field.partition("-")[0] in FIELDS
        for value in values
        if (choice := parse_choice(value)) is not None
    ]
    return min([shown[0], *named]), max([shown[1], *named])


def _opening(
    request: SignedInRequest, service: Service, period: Period, today: date
) -> tuple[date, date] | None:
    """The days looked at first, of a page that is not told which to show."""
    told = request.method == "POST" or service.shown_by in request.GET or "tout" in request.GET
    return None if told or service.opening is None else service.opening(period, today)


# Buttons that lead elsewhere and change no tick.
ONLY_GOING = ("next", "show", "with", "without")

# What a planning asks of an enrolment.
WITH_ENROLMENT = ("activity", "household", "school_year", "child__health", "establishment", "moves_to")


def _enrolments(
    request: SignedInRequest, service: Service, enrolment_id: int
) -> tuple[Enrolment, list[Enrolment]]:
    """The enrolment asked for and, where they may stand beside it, the accepted ones of the household's other
    children to the same activity this year, the eldest first; in one query."""
    at_desk, key = whose(request)
    found = _with_its_siblings(
        service.together,
        timezone.localdate(),
        at_desk,
        enrolment=enrolment_id,
        whose=key,
        service=service.slug,
        accepted=EnrolmentState.ACCEPTED,
    )
    if (acting := acting_of(request)) is not None:
        found = acting.kept(found)
    enrolment = next((one for one in found if one.pk == enrolment_id), None)
    if enrolment is None:
        raise Http404
    follow(request, enrolment, Enrolment.objects.all())
    others = [one for one in found if one.child_id != enrolment.child_id]
    for one in others:  # what is read once for a home is read once for the page
        one.household = enrolment.household
    return enrolment, others


@Composed
def _with_its_siblings(together: bool, today: date, at_desk: bool) -> "QuerySet[Enrolment]":
    wanted = Q(pk=Given("enrolment"))
    if together:
        asked = Enrolment.objects.filter(pk=Given("enrolment"))
        wanted |= Q(
            state=Given("accepted"),
            household=Subquery(asked.values("household")),
            activity=Subquery(asked.values("activity")),
            school_year=Subquery(asked.values("school_year")),
        )
    return (
        mine(Enrolment.objects.all(), today, at_desk)
        .filter(wanted, activity__service=Given("service"))
        .select_related(*WITH_ENROLMENT)
        .order_by("child__birth_date", "pk")
    )


def _periods(enrolment: Enrolment, establishment: Establishment, today: date) -> dict[int, PeriodThere]:
    """Those in which one can reserve there with this enrolment, or has something booked, by key, the earliest
    first."""
    found = _periods_there(
        today,
        enrolment=enrolment.pk,
        activity=enrolment.activity_id,
        school_year=enrolment.school_year_id,
        establishment=establishment.pk,
    )
    return {period.pk: period for period in found}


@Composed
def _periods_there(today: date) -> "QuerySet[PeriodThere]":
    place = Given("establishment")
    booked = still_booked(Given("enrolment"), today).filter(establishment=place)
    return (
        Period.objects.annotate(here=offered_at(place))
        .filter(
            Q(establishments=None) | Q(establishments=place) | Q(pk__in=booked.values("reservation__period")),
            activity=Given("activity"),
            school_year=Given("school_year"),
        )
        .distinct()
    )


def _establishment(enrolment: Enrolment, establishment_id: int, today: date) -> Establishment:
    """The enrolment's own establishment, the one it goes to later or, where it leaves the choice, one of its
    activity, or one where something is booked."""
    if enrolment.moves_to is not None and enrolment.moves_to_id == establishment_id:
        return enrolment.moves_to
    if enrolment.establishment is not None and enrolment.establishment_id == establishment_id:
        return enrolment.establishment
    if not _to_choose(enrolment):
        raise Http404
    booked = still_booked(enrolment, today).values("establishment")
    places = Establishment.objects.filter(
        Q(pk__in=enrolment.activity.establishments.filter(active=True)) | Q(pk__in=booked)
    )
    return get_object_or_404(places, pk=establishment_id)


def _to_choose(enrolment: Enrolment) -> bool:
    """Whether the place is to be chosen at each reservation, now or from a day on."""
    return (enrolment.moves_to_id if enrolment.moves_on else enrolment.establishment_id) is None


def _own_place(enrolment: Enrolment) -> Establishment:
    """Of an enrolment that has one."""
    if enrolment.establishment is None:
        raise ValueError(f"Enrolment {enrolment.pk} leaves the choice of the place.")
    return enrolment.establishment


def _plan(
    request: SignedInRequest,
    possible: list[tuple[Enrolment, Establishment]],
    period: Period,
    at: datetime,
    *,
    within: tuple[date, date] | None,
    offered: bool,
) -> Planning:
    """The planning of the first enrolment, with those of brothers and sisters asked for by `?avec=`."""
    wanted = set(request.GET.getlist("avec"))
    first, *others = possible
    plan, *_ = plans = Planning.together(
        [first, *((one, place) for one, place in others if str(one.pk) in wanted)],
        period,
        at=at,
        whole="tout" in request.GET,
        within=within,
        offered=offered,
        acting=acting_of(request),
    )
    for each in plans:
        each.cancelling = "annulation" in request.GET
    return plan


def _show_planning(
    request: SignedInRequest,
    service: Service,
    plan: Planning,
    beside: list[tuple[Enrolment, Establishment]],
    at: datetime,
) -> HttpResponse:
    plans = [plan, *plan.beside]
    warnings = (
        {said for each in plans for said in prices.put_on(each, service.pricer)} if service.pricer else set()
    )
    cells = [cell for each in plans for cell in each.cells.values()]
    shown = {each.enrolment.pk for each in plans}
    context = {
        "plan": plan,
        "plans": plans,
        "child": plan.enrolment.child,
        "chosen": sum(cell.checked for cell in cells),
        "chosen_late": sum(cell.checked and cell.late and cell.bookable for cell in cells),
        "day_rules": sorted({one for each in plans if each.days_taken for one in each.days_taken.sentences}),
        "day_counts": _counts([(each, each.ticks()) for each in plans]),
        "quotient_warnings": sorted(warnings),
        "total": prices.in_words(prices.ticked(cells)),
        "lost": [cell for cell in cells if cell.lost],
        "gone": [(each.enrolment.child, each.gone().values()) for each in plans],
        "cancelling": plan.cancelling,
        "without_health_file": [each.enrolment.child for each in plans if each.enrolment.lacks_health_file],
        "asked_first": asked_first.for_days(
            (
                conditions.Wish.of(
                    each.enrolment, {cell.day for cell in each.cells.values() if cell.bookable}
                )
                for each in plans
            ),
            at,
        ),
        "onward": [found for each in plans if (found := moves.onward(each))],
        "others": [(other, other.pk in shown) for other, _ in beside],
        "children": [each.enrolment.child for each in plans],
        "places": {each.establishment.pk: each.establishment for each in plans}.values(),
        "resumed": plan.draft if "reprise" in request.GET else None,
        "resumed_days": sum(len(each.lines) for each in plans),
        "going_on": _address_after(request, ""),
        "restarted": _just_restarted(request),
        "periods": _other_periods(request, plan),
        "purse": cart_pages.purse(plan.enrolment, plan.period),
        "tickets": cart_pages.tickets(plan.enrolment),
        "at": at,
    }
    return render(request, service.template, context | service.context(request, plan))


def _just_restarted(request: SignedInRequest) -> list[tuple[str, str]]:
    """What « Recommencer » has just unticked, as fields to post again; on this page, and once."""
    kept = request.session.pop(RESTARTED, None)
    return kept["fields"] if kept and kept["path"] == request.path else []


def _restart(request: SignedInRequest, plans: list[Planning]) -> HttpResponse:
    """« Recommencer »: throws the drafts of the page away, and lets the next page give them back."""
    fields = [
        (f"{name}{each.suffix}", value_of(choice))
        for each in plans
        for name in FIELDS
        for choice in sorted(each.ticks().of(name))
    ]
    for each in plans:
        if each.draft is not None:
            reservation_drafts.abandon(each.draft)
    request.session[RESTARTED] = {"path": request.path, "fields": fields}
    return redirect(_address_after(request, ""))


def _other_periods(request: SignedInRequest, plan: Planning) -> dict[str, Any]:
    """Where else one can reserve: the periods that are not over, and those just before and after this one."""
    query = request.GET.copy()
    for name in ("semaine", "mois", "reprise"):
        query.pop(name, None)
    suffix = f"?{query.urlencode()}" if query else ""
    links = [(one, plan.address(one) + suffix) for one in plan.periods]
    here = plan.periods.index(plan.period)
    return {
        "all": links,
        "previous": links[here - 1][1] if here else "",
        "next": links[here + 1][1] if here + 1 < len(links) else "",
    }


def _planning_posted(
    request: SignedInRequest, service: Service, plan: Planning, at: datetime
) -> HttpResponse:
    button = request.POST.get("do", "next")
    plans = [plan, *plan.beside]
    if button == "restart":
        return _restart(request, plans)
    posted = [
        (each, each.read(request.POST, shown=service.shown and service.shown(request.POST, each)))
        for each in plans
    ]
    stale = [each for each, _ in posted if request.POST.get(f"version{each.suffix}", "") != each.version]
    for each, ticks in posted:
        if each in stale:
            each.add_draft(ticks)
    saving = request.headers.get("Accept") == "application/json"
    if stale and not saving:
        messages.warning(request, MERGED)
    acted = False
    if not stale:
        acted = _act(service, button, request.POST, posted)
        for each, ticks in posted:
            acted = service.act(button, request.POST, each, ticks) or acted
    drafts = [_keep(request, each, ticks, at) for each, ticks in posted]
    if saving:
        return _saved(posted, drafts, merged=bool(stale))
    here = _elsewhere(request, button, plan, service) or _address_after(request, button, service.shown_by)
    if stale or acted or button != "next":
        return redirect(here)
    if not any(drafts):
        messages.warning(request, "Choisissez au moins un jour à réserver ou à annuler.")
        return redirect(here)
    if any(ticks.refused for _, ticks in posted):  # said on the planning, before going on
        return redirect(here)
    for each, ticks in posted:
        desk = each.where.desk
        waives = desk.waives if desk is not None else frozenset()
        if (ticks.book or ticks.wait) and (missing := _missing(each, ticks, at, waives)):
            messages.warning(request, missing)
            return redirect(here)
        if Override.DAYS not in waives and (counts := each.counts(ticks)):
            for sentence in counts[:COUNTS_SAID]:
                messages.warning(request, _of_child(each, sentence, several=len(posted) > 1))
            return redirect(here)
    return redirect("reservations:validation", _link([draft for draft in drafts if draft]).pk)


def _of_child(plan: Planning, sentence: str, *, several: bool) -> str:
    return f"{plan.enrolment.child.first_name} – {lower_first(sentence)}" if several else sentence


def _counts(posted: list[tuple[Planning, Ticks]]) -> list[str]:
    """What stands against the ticks of a page by how many days one takes."""
    several = len(posted) > 1
    said = [
        _of_child(plan, sentence, several=several)
        for plan, ticks in posted
        for sentence in plan.counts(ticks)
    ]
    if (more := len(said) - COUNTS_SAID) > 0:
        said[COUNTS_SAID:] = [f"Et {counted(more, 'autre fois', 'autres fois')} dans la période."]
    return said


def _missing(plan: Planning, ticks: Ticks, at: datetime, waives: frozenset[Override]) -> str:
    """What has to be there before any day is booked, and that the town hall does not pass over here."""
    days = {choice.day for choice in {*ticks.book, *ticks.wait}}
    for one in conditions.in_the_way(plan.enrolment, days, at):
        if not one.only_late and one.kind not in waives:
            return one.sentence
    if plan.enrolment.lacks_health_file and Override.PAPERS not in waives:
        return enrolling.health_file_sentence(plan.enrolment)
    return ""


def _saved(
    posted: list[tuple[Planning, Ticks]], drafts: list[Reservation | None], *, merged: bool
) -> JsonResponse:
    """For the page that saves as one goes: the versions of its drafts and, where another tab had been
    quicker, what is ticked now, so that the page shows what is kept."""
    answer: dict[str, Any] = {
        "versions": {
            f"version{each.suffix}": draft.touched_at.isoformat() if draft else ""
            for (each, _), draft in zip(posted, drafts, strict=True)
        }
    }
    if any(each.days_taken is not None for each, _ in posted):
        answer["counts"] = _counts(posted)
    if merged:
        answer["said"] = MERGED
        answer["ticked"] = {
            f"{name}{each.suffix}": sorted(value_of(choice) for choice in ticks.of(name))
            for each, ticks in posted
            for name in FIELDS
        }
    return JsonResponse(answer)


def _address_after(request: SignedInRequest, button: str, shown_by: str = "") -> str:
    """The planning again; another part of it after « show: », with or without a sibling after « with: »."""
    verb, _, value = button.partition(":")
    query = request.GET.copy()
    query.pop("reprise", None)
    if verb == "show":
        query[shown_by] = value
    elif verb == "with":
        query.appendlist("avec", value)
    elif verb == "without":
        query.setlist("avec", [other for other in query.getlist("avec") if other != value])
    if verb != "show" and shown_by and "shown" in request.POST:
        query[shown_by] = request.POST["shown"]
    address = f"{request.path}?{query.urlencode()}" if query else request.path
    return f"{address}#planning"


def _elsewhere(request: SignedInRequest, button: str, plan: Planning, service: Service) -> str:
    """The planning of another period after « show:PERIOD:MONTH », that of the next child when the first one
    is not to be shown any more; nothing after other buttons."""
    query = request.GET.copy()
    query.pop("reprise", None)
    verb, _, value = button.partition(":")
    if verb == "show":
        asked, _, query[service.shown_by] = value.partition(":")
        period = next((one for one in plan.periods if str(one.pk) == asked), None)
        if period is None:
            return ""
        address = plan.address(period)
    elif plan.beside and button == f"without:{plan.enrolment.pk}":
        first, *others = plan.beside
        query.setlist("avec", [str(one.enrolment.pk) for one in others])
        address = first.address()
    else:
        return ""
    return f"{address}?{query.urlencode()}#planning"


def _link(drafts: list[Reservation]) -> Reservation:
    """The drafts of one page go on together: the first leads the others."""
    first, *others = drafts
    if others:
        Reservation.objects.drafts().filter(pk=first.pk).update(companion_of=None)
        Reservation.objects.drafts().filter(pk__in=[one.pk for one in others]).update(companion_of=first)
    return first


def _act(service: Service, button: str, data: QueryDict, posted: list[tuple[Planning, Ticks]]) -> bool:
    """The buttons of every planning, for browsers without JavaScript; whether it was one of them."""
    name, _, value = button.partition(":")
    if name == "week":
        toggle((plan, ticks, plan.in_week(value)) for plan, ticks in posted)
        return True
    reach = "usual_reach" if name == "usual" else "reach"
    reached = [(plan, ticks, list(service.reached(data, plan, reach))) for plan, ticks in posted]
    if name == "weekday":
        toggle((plan, ticks, on_weekdays(cells, [value])) for plan, ticks, cells in reached)
    elif name == "all":
        for plan, ticks, cells in reached:
            plan.select(ticks, cells)
    elif name == "none":
        for plan, ticks, cells in reached:
            plan.clear(ticks, cells)
    elif name == "usual":
        for plan, ticks, cells in reached:
            plan.select(ticks, on_weekdays(cells, data.getlist(f"usual_weekday{plan.suffix}")))
    else:
        return False
    return True


def _keep(request: SignedInRequest, plan: Planning, ticks: Ticks, at: datetime) -> Reservation | None:
    """Saves the ticks in the draft and says which could not be had."""
    for sentence in ticks.refused:
        messages.warning(request, sentence)
    if not ticks and plan.draft is None:
        return None
    try:
        return plan.keep(ticks, by=request.user, at=at)
    except BookingRefused as refusal:  # the child left the household while its planning was open
        messages.warning(request, str(refusal))
        return None


# Validation -----------------------------------------------------------------------------------------------


def _reservation(request: SignedInRequest, reservation_id: int) -> Reservation:
    """Raises Http404 for those of others."""
    at_desk, key = whose(request)
    found = _one(timezone.localdate(), at_desk, whose=key, reservation=reservation_id)
    acting = acting_of(request)
    if not found or (acting is not None and not acting.reaches(found[0].establishment)):
        raise Http404
    follow(request, found[0], Reservation.objects.all())
    return found[0]


# What the steps ask of a reservation.
WITH_RESERVATION = (
    "child",
    "period",
    "establishment",
    "enrolment__activity",
    "enrolment__household",
    "enrolment__school_year",
)


@Composed
def _one(today: date, at_desk: bool) -> "QuerySet[Reservation]":
    found = mine(Reservation.objects.all(), today, at_desk).filter(pk=Given("reservation"))
    # What a family has begun and not recorded is its own.
    found = found.exclude(state=ReservationState.DRAFT, at_desk=False) if at_desk else found
    return found.select_related(*WITH_RESERVATION, "created_by")


@Composed
def _drafted() -> "QuerySet[ReservationLine]":
    return ReservationLine.objects.filter(reservation=Given("reservation"))


@require_http_methods(["GET", "POST"])
def validation(request: SignedInRequest, reservation_id: int) -> HttpResponse:
    """« Jours à réserver », « Jours à annuler »: check, correct, go on, apply to siblings too."""
    at = timezone.now()
    reservation = _reservation(request, reservation_id)
    if not reservation.is_draft:
        return redirect("reservations:detail", reservation.pk)
    companions = _companions(request, reservation)
    accompanied = {one.child_id for one in companions}
    acting = acting_of(request)
    siblings = [one for one in _siblings(reservation) if one.child_id not in accompanied]
    siblings = acting.kept(siblings) if acting else siblings
    if request.method == "POST":
        lines = _drafted(reservation=reservation.pk)
        if not lines:
            return redirect(planning_url(reservation))
        kept = set(request.POST.getlist("with"))
        for one in companions:
            if str(one.pk) not in kept:
                reservation_drafts.part(one)
        wanted = set(request.POST.getlist("also"))
        chosen = [enrolment for enrolment in siblings if str(enrolment.pk) in wanted]
        _copy_to(request, reservation, lines, chosen, at)
        together = [reservation, *_companions(request, reservation)]
        reservation_drafts.wait_until_the_day(together, UNTIL_THE_DAY in request.POST)
        if acting is None or RECORDS not in request.POST:
            return redirect("reservations:recording", reservation.pk)
        companions = together[1:]
        accompanied = {one.child_id for one in companions}
        siblings = [one for one in siblings if one.child_id not in accompanied]
    group = [checking.check(one, at=at, acting=acting) for one in [reservation, *companions]]
    if all(one.is_empty for one in group):  # the planning says why
        return redirect(_planning_of_all(reservation, companions))
    passed, missing, overrides = _passed_over(request, group)
    if request.method == "POST" and not missing:
        return _record(request, [reservation, *companions], overrides, tell=TELLS in request.POST)
    lines = [one.line for one in group[0].to_book] + [one.line for one in group[0].to_cancel]
    copies = [checking.copy(reservation, lines, enrolment, at=at, acting=acting) for enrolment in siblings]
    return render(
        request,
        "reservations/validation.html",
        _sums(group)
        | {
            "reservation": reservation,
            "child": reservation.child,
            "group": group,
            "copies": [one for one in copies if not one.checked.is_empty],
            "waiting": [line for one in (*group, *(each.checked for each in copies)) for line in one.waiting],
            "offers": reservation.enrolment.activity.offer_hours is not None,
            "until_the_day": any(line.until_the_day for one in group for line in one.waiting),
            "planning_url": _planning_of_all(reservation, companions),
            "passed": passed,
            "missing": missing,
            "acting": acting,
        },
    )


def _passed_over(
    request: SignedInRequest, group: list[Checked]
) -> tuple[list[Passed], list[Override], Overrides]:
    """What the town hall passes over by recording these, with what was typed; what has no reason yet."""
    passed = checking.passed_together(group)
    if request.method != "POST":
        return passed, [], NONE
    overrides, missing = read(request.POST, passed)
    return [replace(one, said=request.POST.get(one.name, "")) for one in passed], missing, overrides


def _sums(group: list[Checked]) -> dict[str, Any]:
    """What is said of all children of a validation or a recording together."""
    return {
        "total": prices.in_words(prices.total(each.total for each in group if each.to_book)),
        "waiting_total": prices.in_words(
            prices.total(one.price for each in group for one in each.to_book if one.line.accepts_waiting)
        ),
        "days_booked": sum(len(each.to_book) for each in group),
        "days_cancelled": sum(len(each.to_cancel) for each in group),
        "usual_total": _usual_total(group),
        "quotient_warnings": [
            *sorted({each.quotient_warning for each in group} - {""}),
            *dict.fromkeys(said for each in group if each.number for said in each.number.sentences),
        ],
    }


def _usual_total(group: list[Checked]) -> str:
    """What the days cost where none counts as late; nothing where none does, or where it is not known."""
    extra = [one.surcharge for each in group for one in each.to_book if one.surcharge]
    total = prices.total(each.total for each in group if each.to_book)
    return "" if total is None or not extra else prices.in_words(total - sum(extra))


def _planning_of_all(reservation: Reservation, companions: list[Reservation]) -> str:
    """The planning, with those of the companions that stand beside it there."""
    service = SERVICES.get(reservation.enrolment.activity.service)
    apart = service is not None and service.apart
    beside = [
        ("avec", one.enrolment_id)
        for one in companions
        if apart or one.establishment_id == reservation.establishment_id
    ]
    return planning_url(reservation) + (f"?{urlencode(beside)}" if beside else "")


def _sibling_enrolments(enrolment: Enrolment) -> list[Enrolment]:
    """Accepted enrolments of the household's other children to the same activity this year."""
    found = _of_siblings(
        timezone.localdate(),
        household=enrolment.household_id,
        activity=enrolment.activity_id,
        school_year=enrolment.school_year_id,
        child=enrolment.child_id,
    )
    for one in found:
        one.activity, one.household = enrolment.activity, enrolment.household
        one.school_year = enrolment.school_year
    return found


@Composed
def _of_siblings(today: date) -> "QuerySet[Enrolment]":
    return (
        Enrolment.objects.of_home(Given("household"), today)
        .accepted()
        .filter(activity=Given("activity"), school_year=Given("school_year"))
        .exclude(child=Given("child"))
        .select_related("child__health", "establishment", "moves_to")
    )


def _beside(
    service: Service, others: list[Enrolment], place: Establishment, period: Period
) -> list[tuple[Enrolment, Establishment]]:
    """Those of `others` that can be reserved for on the page of a planning at `place`: there or, where the
    service lets them stand apart, each at its own place of the period."""
    found = [(one, one.establishment or place) for one in others]
    if any(its != place for _, its in found):
        open_there = set(_open_in(period=period.pk)) if service.apart else {place.pk}
        found = [(one, its) for one, its in found if its == place or not open_there or its.pk in open_there]
    return [(one, its) for one, its in found if enrolling.serves(its, one)]


@Composed
def _open_in() -> "QuerySet[Establishment, int]":
    """The places (their keys) to which a period is limited."""
    return Establishment.objects.filter(periods=Given("period")).order_by().values_list("pk", flat=True)


def _siblings(reservation: Reservation) -> list[Enrolment]:
    """Those of them to whom the same days can be applied, each at its own place in the same period."""
    found = _sibling_enrolments(reservation.enrolment)
    places = set(_open_in(period=reservation.period_id)) if found else set()
    return [
        one
        for one in found
        if (not places or (one.establishment_id or reservation.establishment_id) in places)
        and enrolling.serves(one.establishment or reservation.establishment, one)
    ]


def _copy_to(
    request: SignedInRequest,
    reservation: Reservation,
    lines: list[ReservationLine],
    enrolments: list[Enrolment],
    at: datetime,
) -> None:
    """Gives siblings drafts of their own with the same days, as far as they can have them."""
    for enrolment in enrolments:
        copied = checking.copy(reservation, lines, enrolment, at=at, acting=acting_of(request))
        draft = _keep(request, copied.plan, copied.ticks, at)
        if draft is not None:
            _link([reservation, draft])
        if copied.missed_text:
            messages.warning(request, f"{enrolment.child.first_name} : {copied.missed_text}.")


# Recording ------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def recording(request: SignedInRequest, reservation_id: int) -> HttpResponse:
    """Child, number, period, state; « Enregistrer » makes it real."""
    at = timezone.now()
    reservation = _reservation(request, reservation_id)
    if not reservation.is_draft:
        return _already_recorded(request, reservation)
    group = [reservation, *_companions(request, reservation)]
    acting = acting_of(request)
    if request.method == "POST" and acting is None:
        return _record(request, group)
    checked = [checking.check(one, at=at, acting=acting) for one in group]
    passed, missing, overrides = _passed_over(request, checked)
    if request.method == "POST" and not missing:
        return _record(request, group, overrides, tell=TELLS in request.POST)
    return render(
        request,
        "reservations/recording.html",
        _sums(checked)
        | {
            "reservation": reservation,
            "group": checked,
            "cancellable": checking.cancellable(checked),
            "given_back": next((one.given_back for one in checked if one.given_back), ""),
            "planning_url": _planning_of_all(reservation, group[1:]),
            "passed": passed,
            "missing": missing,
            "acting": acting,
        },
    )


def _already_recorded(request: SignedInRequest, reservation: Reservation) -> HttpResponse:
    """A second click, or a page come back to: nothing happens twice."""
    if request.method == "GET":
        return redirect("reservations:detail", reservation.pk)
    messages.info(request, f"La réservation n°\xa0{reservation.number} est déjà enregistrée.")
    return redirect("home")


def _companions(request: SignedInRequest, reservation: Reservation) -> list[Reservation]:
    at_desk, key = whose(request)
    return _drafts_beside(timezone.localdate(), at_desk, whose=key, reservation=reservation.pk)


@Composed
def _drafts_beside(today: date, at_desk: bool) -> "QuerySet[Reservation]":
    return (
        mine(Reservation.objects.all(), today, at_desk)
        .drafts()
        .filter(companion_of=Given("reservation"))
        .select_related(*WITH_RESERVATION)
        .order_by("child__birth_date", "pk")
    )


def _costs(reservation: Reservation) -> prices.Costs | None:
    """What days of its period cost, where its service says it."""
    pricer, period = pricer_of(reservation.enrolment.activity), reservation.period
    if pricer is None:
        return None
    return pricer(reservation.enrolment, period.starts_on, period.ends_on, period=period)


def _record(
    request: SignedInRequest, group: list[Reservation], overrides: Overrides = NONE, *, tell: bool = True
) -> HttpResponse:
    """Submits each; what cannot be recorded goes back to its planning, the others stand. One message and one
    letter for all of them, unless the town hall writes none."""
    at = timezone.now()
    # Asked before: afterwards these days count among those recorded.
    costs = {one.pk: _costs(one) for one in group}
    back, recorded = [], []
    for reservation in group:
        try:
            recorded.append(
                booking.submit(reservation, by=request.user, at=at, overrides=overrides, tell=False)
            )
        except BookingRefused as refusal:
            messages.error(request, f"{reservation.child.first_name} : {refusal}")
            back.append(planning_url(reservation))
    if recorded:
        lines: dict[int, list[ReservationLine]] = {one.pk: [] for one in recorded}
        for line in _lines_of(reservations=list(lines)):
            lines[line.reservation_id].append(line)
        amounts = {pk: prices.of_recorded(its, costs[pk]) for pk, its in lines.items()}
        if tell:
            booking.tell_recorded(recorded, amounts)
        at_desk = acting_of(request) is not None
        if not at_desk and not back and (cart := carts.of_recording(recorded, at)) is not None:
            return redirect("reservations:cart", cart.pk)
        messages.success(request, thanking.thanks(recorded, lines, at_desk=at_desk))
    return redirect(back[0] if back else "home")


@Composed
def _lines_of() -> "QuerySet[ReservationLine]":
    of_these = ReservationLine.objects.filter(reservation__pk__among=GivenMany("reservations"))
    return of_these.order_by("day", "pk")


# Detail, abandon ------------------------------------------------------------------------------------------


@require_GET
def detail(request: SignedInRequest, reservation_id: int) -> HttpResponse:
    """Every line with its state and reason."""
    reservation = _reservation(request, reservation_id)
    if reservation.is_draft:
        return redirect(planning_url(reservation))
    lines = list(reservation.lines.select_related("formula"))
    (stands,) = cart_pages.standing([reservation], timezone.now())
    return render(
        request,
        "reservations/detail.html",
        {
            "reservation": reservation,
            "lines": lines,
            "changed": _changed(lines) if reservation.is_change else "",
            "waits": waits.of_reservation(reservation) if _waits(lines) else {},
            "stands": stands,
            "cart": stands.cart,
        },
    )


def _waits(lines: list[ReservationLine]) -> bool:
    return any(line.outcome in (Outcome.WAITLISTED, Outcome.OFFERED) for line in lines)


def _changed(lines: list[ReservationLine]) -> str:
    """« 16 h 30–17 h → 16 h 30–17 h 30 »: of a change, what was left and what was taken instead."""
    order = sorted(lines, key=lambda line: line.action == Action.BOOK)
    return " → ".join(line.formula.name for line in order)


@require_http_methods(["GET", "POST"])
def abandon(request: SignedInRequest, reservation_id: int) -> HttpResponse:
    """Throws away a reservation that is not recorded yet, once asked twice."""
    reservation = _reservation(request, reservation_id)
    if not reservation.is_draft:
        messages.info(request, "Cette réservation est enregistrée : demandez plutôt son annulation.")
        return redirect("reservations:detail", reservation.pk)
    if request.method == "POST":
        reservation_drafts.abandon(reservation)
        messages.success(request, "La réservation non terminée est abandonnée. Rien n'a été réservé.")
        return redirect("home")
    return render(request, "reservations/abandon.html", {"reservation": reservation})


@require_GET
def all_reservations(request: SignedInRequest, service: str) -> HttpResponse:
    """Every reservation of the household for a service, newest first."""
    if service not in SERVICES:
        raise Http404
    found = (
        which_home.rows(request, Reservation.objects.visible_to(request.user))
        .filter(enrolment__activity__service=service)
        .select_related("child", "period", "enrolment__activity", "created_by")
        .with_counts()
    )
    page = Paginator(found, PAGE_LENGTH).get_page(request.GET.get("page"))
    return render(request, "reservations/all.html", {"service": service, "page": page})
