"""The canteen: enrolment, and the month planning on the engine's steps."""

from datetime import date, datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from billing.documents import fees
from billing.prices.estimates import Estimates
from catering.forms import CanteenEnrolmentForm
from catering.models import SERVICE, Dish
from families import diets, which_home
from families.models import Child, Household
from portal.database.composed import Composed, Given
from portal.french.elision import of
from portal.reservations.acts import enrolling, moving
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.days.campaigns import Campaigns
from portal.reservations.models import Activity, Enrolment, SchoolYear
from portal.reservations.pages import months, school_years, services, steps
from portal.reservations.pages.planning import Planning
from portal.web import interrupted
from portal.web.signed_in import SignedInRequest


def _planning_context(request: SignedInRequest, plan: Planning) -> dict[str, Any]:
    context = months.context(request, plan)
    return context | {"menus": _menus(plan, context["months"].days)}


def _menus(plan: Planning, days: list[date]) -> dict[date, list[Dish]]:
    """The dishes known for the days shown, by day, in one query."""
    menus: dict[date, list[Dish]] = {}
    if days:
        first = max(days[0], plan.where.today)
        for dish in _dishes(restaurant=plan.establishment.pk, first=first, last=days[-1]):
            menus.setdefault(dish.menu.day, []).append(dish)
    return menus


@Composed
def _dishes() -> "QuerySet[Dish]":
    return (
        Dish.objects.filter(
            menu__restaurant=Given("restaurant"), menu__day__range=(Given("first"), Given("last"))
        )
        .select_related("menu")
        .order_by("menu__day", "order", "pk")
    )


CANTEEN = services.register(
    services.Service(
        slug=SERVICE,
        name="Restauration scolaire",
        template="catering/planning.html",
        context=_planning_context,
        shown=months.shown,
        shown_by="mois",
        within=months.within,
        opening=months.opening,
        opens_within=months.opens_within,
        reached=months.reached,
        together=True,
        apart=True,
        pricer=Estimates.load,
        called="cantine",
        book_label="Réserver la cantine",
        icon="menu",
    )
)


# Enrolment ------------------------------------------------------------------------------------------------


@require_GET
def choose_child_to_enrol(request: SignedInRequest) -> HttpResponse:
    """« Nouvelle inscription »: which child?"""
    return steps.choose_child_to_enrol(request, CANTEEN)


@interrupted.keeps_interrupted_form
@require_http_methods(["GET", "POST"])
def enrol(request: SignedInRequest, child_id: int) -> HttpResponse:
    """A new enrolment; a child already enrolled is shown its own."""
    child = which_home.row(request, Child.objects.visible_to(request.user), pk=child_id)
    household = which_home.household(request)
    at = timezone.now()
    today = timezone.localdate(at)
    activity = Activity.objects.filter(service=SERVICE, active=True).first()
    asked = Enrolment.objects.live().exclude(ends_on__lt=today)
    asked = asked.filter(household=household, child=child, activity=activity)
    known_by_year = {one.school_year_id: one for one in asked} if activity else {}
    campaigns = Campaigns.load(household, at=at)
    years = school_years.choose(request, campaigns, [activity], taken=known_by_year) if activity else None
    if activity is None or years is None or household.is_refused:
        closed = school_years.refusals(campaigns, [activity]) if activity else []
        not_yet = enrolling.not_yet_sentence(household, "à la restauration scolaire")
        messages.info(request, not_yet if household.is_refused or not closed else " ".join(closed))
        return redirect("home")
    school_year = years.year
    known = known_by_year.get(school_year.pk)
    if known is not None:
        messages.info(request, f"{child.first_name} a déjà une inscription : la voici.")
        return redirect("catering:enrolment", known.pk)
    before = enrolling.sent_before(request.user, child, SERVICE, request.GET.get("reprise", ""))
    form = CanteenEnrolmentForm(
        interrupted.posted(request),
        activity=activity,
        school_year=school_year,
        today=today,
        plate=diets.plate(child, household),
        initial=_siblings_answers(household, school_year) | _known_school(child, school_year),
    )
    if before is not None:
        form.fill_in(before)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                enrolment = enrolling.request(
                    household=household,
                    child=child,
                    activity=activity,
                    establishment=form.cleaned_data["restaurant"],
                    school_year=school_year,
                    weekdays=form.cleaned_data["weekdays"],
                    starts_on=form.cleaned_data["starts_on"],
                    by=request.user,
                    at=at,
                )
                _save_choices(enrolment, form, at)
        except EnrolmentRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _enrolled(enrolment))
            return redirect("home")
    return render(
        request,
        "catering/enrolment.html",
        {
            "form": form,
            "child": child,
            "school_year": school_year,
            "years": years,
            "before": before,
            "fees": fees.asked(household, child, [activity], school_year, max(today, school_year.starts_on)),
        },
    )


@interrupted.keeps_interrupted_form
@require_http_methods(["GET", "POST"])
def enrolment(request: SignedInRequest, enrolment_id: int) -> HttpResponse:
    """The same screen, filled in, to view or change."""
    enrolment = which_home.row(
        request,
        Enrolment.objects.visible_to(request.user)
        .select_related("child", "activity", "household", "school_year", "establishment", "moves_to")
        .annotate(asks_to_move=moving.is_asked()),
        pk=enrolment_id,
        activity__service=SERVICE,
    )
    at = timezone.now()
    form = CanteenEnrolmentForm(
        interrupted.posted(request),
        activity=enrolment.activity,
        school_year=enrolment.school_year,
        today=timezone.localdate(at),
        current_start=enrolment.starts_on,
        changes=enrolment.is_accepted,
        plate=diets.plate(enrolment.child, enrolment.household),
        initial=_known_school(enrolment.child, enrolment.school_year)
        | {
            "restaurant": enrolment.moves_to_id if enrolment.moves_on else enrolment.establishment_id,
            "starts_on": enrolment.starts_on.isoformat(),
            "weekdays": enrolment.weekdays,
        },
    )
    if request.method == "POST" and enrolment.is_over:
        messages.info(request, enrolling.over_sentence(enrolment))
        return redirect("catering:enrolment", enrolment.pk)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                changed = enrolling.change(
                    enrolment,
                    establishment=form.cleaned_data["restaurant"],
                    weekdays=form.cleaned_data["weekdays"],
                    starts_on=form.cleaned_data["starts_on"],
                    at=at,
                )
                diets.say(enrolment.child, form.cleaned_data["diet"], by=changed.household, at=at)
                move = moving.ask(
                    changed,
                    establishment=form.cleaned_data["restaurant"],
                    school_class=form.cleaned_data["school_class"],
                    since=form.cleaned_data.get("since"),
                    by=request.user,
                    at=at,
                )
        except EnrolmentRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            updated = f"L'inscription {of(enrolment.child.first_name)} est à jour."
            messages.success(request, moving.said(move) if move else updated)
            return redirect("home")
    return render(
        request,
        "catering/enrolment.html",
        {
            "form": form,
            "child": enrolment.child,
            "enrolment": enrolment,
            "move": moving.asked_for(enrolment),
            "school_year": enrolment.school_year,
        },
    )


def _known_school(child: Child, school_year: SchoolYear) -> dict[str, Any]:
    schooling = (
        child.schoolings.current()
        .filter(school_year=school_year)
        .select_related("school_class__school")
        .first()
    )
    if schooling is None:
        return {}
    return {"school": schooling.school_class.school_id, "school_class": schooling.school_class_id}


def _siblings_answers(household: Household, school_year: SchoolYear) -> dict[str, Any]:
    """What the household has said for a brother or sister: where they go, and on which days."""
    sibling = (
        Enrolment.objects.live()
        .filter(
            activity__service=SERVICE,
            household=household,
            school_year=school_year,
            child__schoolings__school_year=school_year,
            child__schoolings__ends_on=None,
        )
        .order_by("-pk")
        .values("establishment_id", "weekdays", "child__schoolings__school_class__school_id")
        .first()
    )
    if sibling is None:
        return {}
    return {
        "school": sibling["child__schoolings__school_class__school_id"],
        "restaurant": sibling["establishment_id"],
        "weekdays": sibling["weekdays"],
    }


def _save_choices(enrolment: Enrolment, form: CanteenEnrolmentForm, at: datetime) -> None:
    if form.cleaned_data["school_class"] is not None:
        moving.tell_class(enrolment.child, form.cleaned_data["school_class"], today=timezone.localdate(at))
    diets.say(enrolment.child, form.cleaned_data["diet"], by=enrolment.household, at=at)


def _enrolled(enrolment: Enrolment) -> str:
    who = enrolment.child.first_name
    if not enrolment.household.is_accepted:
        return enrolling.prepared_sentence(enrolment.child)
    if enrolment.is_accepted:
        return f"L'inscription {of(who)} à la cantine est acceptée. Vous pouvez réserver ses jours."
    return f"Votre demande d'inscription pour {who} est envoyée. La mairie vous répond par e-mail."


# Reservation ------------------------------------------------------------------------------------------------


@require_GET
def choose_child_to_book(request: SignedInRequest) -> HttpResponse:
    """« Nouvelle réservation » and « Demande d'annulation »: which child?"""
    return steps.choose_child(request, CANTEEN)


@require_GET
def book(request: SignedInRequest) -> HttpResponse:
    """« Réserver la cantine »: all enrolled children side by side, where a day can still be taken."""
    return steps.book(request, CANTEEN)


@require_GET
def start(request: SignedInRequest, enrolment_id: int) -> HttpResponse:
    """Leads to the planning of the period that is open now, or says when one opens."""
    return steps.start(request, CANTEEN, enrolment_id)


@interrupted.keeps_interrupted_form
def planning(
    request: SignedInRequest, enrolment_id: int, establishment_id: int, period_id: int
) -> HttpResponse:
    """The months of the open period."""
    return steps.planning(request, CANTEEN, enrolment_id, establishment_id, period_id)
