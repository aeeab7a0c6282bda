"""The steps every service shares: planning → validation → recording → detail.

A service (the canteen, leisure…) declares itself once as a `Service` and lends its planning's template;
the engine never asks which one it serves. A service's URL namespace is its slug, and holds `planning`
with (enrolment, establishment, period).
"""

from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from families.models import Household
from portal import interrupted
from portal.reservations import blocks, booking, french
from portal.reservations.booking import BookingRefused, Choice
from portal.reservations.models import (
    Enrolment,
    Establishment,
    Period,
    Reservation,
    ReservationLine,
)
from portal.reservations.planning import Planning, Ticks, weekday_numbers
from portal.reservations.states import Action, ReservationState

PAGE_LENGTH = 20


def no_context(request: HttpRequest, plan: Planning) -> dict[str, Any]:
    """For a planning that needs nothing more."""
    return {}


def no_button(button: str, data: QueryDict, plan: Planning, ticks: Ticks) -> bool:
    """For a planning without buttons of its own."""
    return False


@dataclass(frozen=True)
class Service:
    """What a service lends to the shared steps.

    `slug` is Activity.service and the URL namespace; `template` draws the planning; `context` adds to it.
    `act` carries out the buttons only this planning has: it changes the ticks and says whether the button
    was its own. `shown` gives the choices a posted form holds, where a planning does not show them all.
    """

    slug: str
    name: str
    template: str
    context: Callable[[HttpRequest, Planning], dict[str, Any]] = no_context
    act: Callable[[str, QueryDict, Planning, Ticks], bool] = no_button
    shown: Callable[[QueryDict, Planning], Container[Choice]] | None = None


# Choosing the child ---------------------------------------------------------------------------------------


def choose_child(request: HttpRequest, service: Service) -> HttpResponse:
    """Which child to book, or with `?annulation` to cancel, for. One possible child only: no question."""
    household = Household.objects.visible_to(request.user).first()
    if household is None or not household.is_accepted:
        return redirect("home")
    block = blocks.enrolments(household, service.slug)
    query = "?annulation" if "annulation" in request.GET else ""
    accepted = [one for one in block["enrolments"] if one.is_accepted]
    if len(block["choices"]) == 1 and len(accepted) == 1:
        return redirect(reverse(f"{service.slug}:start", args=[accepted[0].pk]) + query)
    return render(
        request,
        "reservations/choose_child.html",
        {"service": service.slug, "choices": block["choices"], "purpose": "cancel" if query else "book"},
    )


def choose_child_to_enrol(request: HttpRequest, service: Service) -> HttpResponse:
    """Which child to enrol? One child only: no question."""
    household = Household.objects.visible_to(request.user).first()
    if household is None or not household.is_accepted:
        return redirect("home")
    choices = blocks.choices(household.children.all(), [])
    if len(choices) == 1:
        return redirect(f"{service.slug}:enrol", choices[0][0].pk)
    return render(
        request,
        "reservations/choose_child.html",
        {"service": service.slug, "choices": choices, "purpose": "enrol"},
    )


def start(request: HttpRequest, service: Service, enrolment_id: int) -> HttpResponse:
    """From an enrolment with its own establishment to the planning of its current period."""
    at = timezone.now()
    enrolment = get_object_or_404(
        Enrolment.objects.visible_to(request.user), pk=enrolment_id, activity__service=service.slug
    )
    periods = current_periods(enrolment, at)
    if not periods or enrolment.establishment_id is None:
        messages.info(request, "Aucune période n'est ouverte à la réservation pour le moment.")
        return redirect("home")
    url = reverse(f"{service.slug}:planning", args=[enrolment.pk, enrolment.establishment_id, periods[0].pk])
    return redirect(url + ("?annulation" if "annulation" in request.GET else ""))


def current_periods(enrolment: Enrolment, at: datetime) -> list[Period]:
    """The periods of an enrolment's activity and year that are not over, nearest first."""
    return list(
        Period.objects.filter(
            activity_id=enrolment.activity_id,
            school_year_id=enrolment.school_year_id,
            ends_on__gte=timezone.localdate(at),
        )
    )


# Planning -------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def planning(
    request: HttpRequest, service: Service, enrolment_id: int, establishment_id: int, period_id: int
) -> HttpResponse:
    """The grid. Ticks go to a server-side draft, so that no step and no other week loses them."""
    at = timezone.now()
    enrolment = get_object_or_404(
        Enrolment.objects.visible_to(request.user).select_related(
            "activity", "household", "school_year", "child", "establishment"
        ),
        pk=enrolment_id,
        activity__service=service.slug,
    )
    if not enrolment.is_accepted:
        messages.info(request, "La mairie n'a pas encore accepté cette inscription : patientez un peu.")
        return redirect("home")
    establishment = _establishment(enrolment, establishment_id)
    period = get_object_or_404(Period, pk=period_id, activity=enrolment.activity)
    plan = Planning.build(enrolment, establishment, period, at=at, whole="tout" in request.GET)
    kept = interrupted.take(request) if request.method == "GET" else None
    if kept is not None:
        ticks = _merge(plan, plan.read(kept))
        _keep(request, plan, ticks, at)
        messages.success(request, "Vous revoilà. Les jours que vous aviez choisis sont conservés.")
        return redirect(request.get_full_path())
    if request.method == "POST":
        return _planning_posted(request, service, plan, at)
    return _show_planning(request, service, plan, at)


def _establishment(enrolment: Enrolment, establishment_id: int) -> Establishment:
    """The enrolment's own establishment or, where it leaves the choice, one of its activity."""
    if enrolment.establishment is not None:
        if enrolment.establishment_id != establishment_id:
            raise Http404
        return enrolment.establishment
    return get_object_or_404(enrolment.activity.establishments.filter(active=True), pk=establishment_id)


def _show_planning(request: HttpRequest, service: Service, plan: Planning, at: datetime) -> HttpResponse:
    cells = plan.cells.values()
    context = {
        "plan": plan,
        "child": plan.enrolment.child,
        "chosen": sum(cell.checked for cell in cells),
        "lost": [cell for cell in cells if cell.lost],
        "cancelling": "annulation" in request.GET,
        "at": at,
    }
    return render(request, service.template, context | service.context(request, plan))


def _planning_posted(request: HttpRequest, service: Service, plan: Planning, at: datetime) -> HttpResponse:
    button = request.POST.get("do", "next")
    here = request.get_full_path()
    ticks = plan.read(request.POST, shown=service.shown and service.shown(request.POST, plan))
    if request.POST.get("version", "") != plan.version:
        ticks = _merge(plan, ticks)
        messages.warning(
            request,
            "Ce planning a aussi été modifié dans un autre onglet : les jours choisis des deux sont réunis. "
            "Vérifiez-les avant de continuer.",
        )
        button = "save"
    acted = _act(button, request.POST, plan, ticks) or service.act(button, request.POST, plan, ticks)
    draft = _keep(request, plan, ticks, at)
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"version": draft.touched_at.isoformat() if draft else ""})
    if acted or button != "next":
        return redirect(here)
    if draft is None:
        messages.warning(request, "Choisissez au moins un jour à réserver ou à annuler.")
        return redirect(here)
    if ticks.refused:  # said on the planning, before going on
        return redirect(here)
    return redirect("reservations:validation", draft.pk)


def _act(button: str, data: QueryDict, plan: Planning, ticks: Ticks) -> bool:
    """The buttons of every planning, for browsers without JavaScript; whether it was one of them."""
    name, _, value = button.partition(":")
    if name == "all":
        plan.select(ticks, plan.cells.values())
    elif name == "none":
        plan.clear(ticks, plan.cells.values())
    elif name == "week":
        plan.toggle(ticks, plan.in_week(value))
    elif name == "weekday":
        plan.toggle(ticks, plan.on_weekdays(weekday_numbers([value])))
    elif name == "usual":
        plan.select(ticks, plan.on_weekdays(weekday_numbers(data.getlist("usual_weekday"))))
    else:
        return False
    return True


def _keep(request: HttpRequest, plan: Planning, ticks: Ticks, at: datetime) -> Reservation | None:
    """Saves the ticks in the draft and says which could not be had."""
    for sentence in ticks.refused:
        messages.warning(request, sentence)
    if not ticks and plan.draft is None:
        return None
    return booking.choose(
        plan.enrolment,
        plan.establishment,
        plan.period,
        book=ticks.book,
        wait=ticks.wait,
        cancel=ticks.cancel,
        by=request.user,
        at=at,
    )


def _merge(plan: Planning, ticks: Ticks) -> Ticks:
    """The posted ticks and those of the draft together."""
    kept = plan.ticks()
    ticks.book |= kept.book
    ticks.wait |= kept.wait - ticks.book
    ticks.cancel |= kept.cancel
    return ticks


# Validation -----------------------------------------------------------------------------------------------


def _reservation(request: HttpRequest, reservation_id: int) -> Reservation:
    return get_object_or_404(
        Reservation.objects.visible_to(request.user).select_related(
            "child", "period", "establishment", "enrolment__activity", "enrolment__household"
        ),
        pk=reservation_id,
    )


def planning_url(reservation: Reservation) -> str:
    """The planning on which a reservation was, or is being, made."""
    return reverse(
        f"{reservation.enrolment.activity.service}:planning",
        args=[reservation.enrolment_id, reservation.establishment_id, reservation.period_id],
    )


@require_http_methods(["GET", "POST"])
def validation(request: HttpRequest, reservation_id: int) -> HttpResponse:
    """« Jours à réserver », « Jours à annuler »: check, correct, go on, apply to siblings too."""
    at = timezone.now()
    reservation = _reservation(request, reservation_id)
    if not reservation.is_draft:
        return redirect("reservations:detail", reservation.pk)
    lines = list(reservation.lines.select_related("formula"))
    if not lines:
        return redirect(planning_url(reservation))
    siblings = _siblings(reservation)
    if request.method == "POST":
        wanted = set(request.POST.getlist("also"))
        chosen = [enrolment for enrolment in siblings if str(enrolment.pk) in wanted]
        _copy_to(request, reservation, lines, chosen, at)
        return redirect("reservations:recording", reservation.pk)
    return render(
        request,
        "reservations/validation.html",
        {
            "reservation": reservation,
            "child": reservation.child,
            "to_book": [line for line in lines if line.action == Action.BOOK],
            "to_cancel": [line for line in lines if line.action == Action.CANCEL],
            "siblings": siblings,
            "planning_url": planning_url(reservation),
        },
    )


def _siblings(reservation: Reservation) -> list[Enrolment]:
    """Accepted enrolments of the household's other children to the same activity this year."""
    enrolment = reservation.enrolment
    return list(
        Enrolment.objects.accepted()
        .filter(
            household_id=reservation.household_id,
            activity_id=enrolment.activity_id,
            school_year_id=enrolment.school_year_id,
        )
        .exclude(child_id=reservation.child_id)
        .select_related("child", "activity", "household", "school_year", "establishment")
    )


def _copy_to(
    request: HttpRequest,
    reservation: Reservation,
    lines: list[ReservationLine],
    enrolments: list[Enrolment],
    at: datetime,
) -> None:
    """Gives siblings drafts of their own with the same days, as far as they can have them."""
    Reservation.objects.drafts().filter(companion_of=reservation).update(companion_of=None)
    for enrolment in enrolments:
        place = enrolment.establishment or reservation.establishment
        plan = Planning.build(enrolment, place, reservation.period, at=at)
        ticks = plan.ticks()
        missed = []
        for line in lines:
            choice = Choice(line.formula_id, line.day)
            cell = plan.cells.get(choice)
            if cell is not None and cell.field and (cell.field == "cancel") == (line.action == Action.CANCEL):
                ticks.of(cell.field).add(choice)
            elif line.action == Action.BOOK:
                missed.append(line.day)
        draft = _keep(request, plan, ticks, at)
        if draft is not None:
            draft.companion_of = reservation
            draft.save(update_fields=["companion_of"])
        if missed:
            messages.warning(
                request,
                f"{enrolment.child.first_name} : {french.enumerate_days(missed)} "
                f"ne {'peut' if len(missed) == 1 else 'peuvent'} pas être réservé"
                f"{'' if len(missed) == 1 else 's'}.",
            )


# Recording ------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def recording(request: HttpRequest, reservation_id: int) -> HttpResponse:
    """Child, number, period, state; « Enregistrer » makes it real."""
    reservation = _reservation(request, reservation_id)
    if not reservation.is_draft:
        return _already_recorded(request, reservation)
    group = [reservation, *_companions(request, reservation)]
    if request.method == "POST":
        return _record(request, group)
    counts = Reservation.objects.filter(pk__in=[one.pk for one in group]).with_counts().in_bulk()
    for one in group:
        one.days_booked = counts[one.pk].days_booked
        one.days_cancelled = counts[one.pk].days_cancelled
    return render(
        request,
        "reservations/recording.html",
        {"reservation": reservation, "group": group, "planning_url": planning_url(reservation)},
    )


def _already_recorded(request: HttpRequest, reservation: Reservation) -> HttpResponse:
    """A second click, or a page come back to: nothing happens twice."""
    if request.method == "GET":
        return redirect("reservations:detail", reservation.pk)
    messages.info(request, f"La réservation n° {reservation.number} est déjà enregistrée.")
    return redirect("home")


def _companions(request: HttpRequest, reservation: Reservation) -> list[Reservation]:
    return list(
        Reservation.objects.visible_to(request.user)
        .drafts()
        .filter(companion_of=reservation)
        .select_related("child", "period", "establishment", "enrolment__activity")
    )


def _record(request: HttpRequest, group: list[Reservation]) -> HttpResponse:
    """Submits each; what cannot be recorded goes back to its planning, the others stand."""
    at = timezone.now()
    back = []
    for reservation in group:
        try:
            recorded = booking.submit(reservation, by=request.user, at=at)
        except BookingRefused as refusal:
            messages.error(request, f"{reservation.child.first_name} : {refusal}")
            back.append(planning_url(reservation))
        else:
            messages.success(request, _thanks(recorded))
    return redirect(back[0] if back else "home")


def _thanks(reservation: Reservation) -> str:
    who = f"Réservation n° {reservation.number} pour {reservation.child.first_name}"
    return {
        ReservationState.ACCEPTED: f"C'est enregistré ! {who} : tous les jours sont acceptés.",
        ReservationState.PENDING: f"C'est enregistré. {who} : la mairie va vous répondre.",
        ReservationState.PARTLY: f"C'est enregistré. {who} : une partie des jours est acceptée, voyez le détail.",
        ReservationState.REFUSED: f"{who} : aucun jour n'a pu être accepté, voyez le détail.",
    }[ReservationState(reservation.state)]


# Detail, abandon ------------------------------------------------------------------------------------------


@require_GET
def detail(request: HttpRequest, reservation_id: int) -> HttpResponse:
    """Every line with its state and reason."""
    reservation = _reservation(request, reservation_id)
    if reservation.is_draft:
        return redirect(planning_url(reservation))
    return render(
        request,
        "reservations/detail.html",
        {"reservation": reservation, "lines": reservation.lines.select_related("formula")},
    )


@require_http_methods(["GET", "POST"])
def abandon(request: HttpRequest, reservation_id: int) -> HttpResponse:
    """Throws away a reservation that is not recorded yet, once asked twice."""
    reservation = _reservation(request, reservation_id)
    if not reservation.is_draft:
        messages.info(request, "Cette réservation est enregistrée : demandez plutôt son annulation.")
        return redirect("reservations:detail", reservation.pk)
    if request.method == "POST":
        booking.abandon(reservation)
        messages.success(request, "La réservation non terminée est abandonnée. Rien n'a été réservé.")
        return redirect("home")
    return render(request, "reservations/abandon.html", {"reservation": reservation})


@require_GET
def all_reservations(request: HttpRequest, service: str) -> HttpResponse:
    """Every reservation of the household for a service, newest first."""
    found = (
        Reservation.objects.visible_to(request.user)
        .filter(enrolment__activity__service=service)
        .select_related("child", "period")
        .with_counts()
    )
    page = Paginator(found, PAGE_LENGTH).get_page(request.GET.get("page"))
    return render(request, "reservations/all.html", {"service": service, "page": page})
