"""Leisure: enrolment, the choice of a place and a period, and the week planning on the engine's steps."""

from datetime import date, datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from billing.documents import fees
from billing.prices.estimates import Estimates
from families import diets, which_home
from families.models import Child, Household
from leisure import priorities
from leisure.forms import EnrolmentForm, PlaceForm, SituationForm, StartForm, place_field
from leisure.models import SERVICE
from leisure.offers import choices, holds_meal, missing_pieces, offered_activities, offers
from portal.french import moments
from portal.french.elision import of
from portal.french.sentences import lower_first
from portal.reservations.acts import asked_first, enrolling, moving
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.days import effects
from portal.reservations.days.campaigns import Campaigns
from portal.reservations.models import Activity, Enrolment, SchoolYear
from portal.reservations.pages import acting, school_years, services, steps, weeks
from portal.web import interrupted
from portal.web.signed_in import SignedInRequest

LEISURE = services.register(
    services.Service(
        slug=SERVICE,
        name="Accueil de loisirs / Périscolaire",
        template="reservations/planning_weeks.html",
        context=weeks.context,
        act=weeks.act,
        shown=weeks.shown,
        together=True,
        by_child=True,
        pricer=Estimates.load,
        book_label="Réserver les loisirs",
        icon="sun",
    )
)


# Enrolment ------------------------------------------------------------------------------------------------


@require_GET
def choose_child_to_enrol(request: SignedInRequest) -> HttpResponse:
    """« Nouvelle inscription »: which child?"""
    return steps.choose_child_to_enrol(request, LEISURE)


@interrupted.keeps_interrupted_form
@require_http_methods(["GET", "POST"])
def enrol(request: SignedInRequest, child_id: int) -> HttpResponse:
    """The child's name, the activities offered, « Enregistrer », « Quitter »."""
    visible = Child.objects.visible_to(request.user).select_related("health")
    child = which_home.row(request, visible, pk=child_id)
    household = which_home.household(request)
    at = timezone.now()
    today = timezone.localdate(at)
    activities = offered_activities()
    campaigns = Campaigns.load(household, at=at)
    live = Enrolment.objects.live().exclude(ends_on__lt=today).filter(household=household, child=child)
    known = set(live.values_list("school_year", "activity"))
    everywhere = [
        year.pk for year in campaigns.years if all((year.pk, one.pk) in known for one in activities)
    ]
    years = school_years.choose(request, campaigns, activities, taken=everywhere)
    if years is None or household.is_refused:
        closed = school_years.refusals(campaigns, activities)
        not_yet = enrolling.not_yet_sentence(household, "à l'accueil de loisirs et au périscolaire")
        messages.info(request, not_yet if household.is_refused or not closed else " ".join(closed))
        return redirect("home")
    school_year = years.year
    first_day = max(today, school_year.starts_on)
    enrolled_in = {activity for year, activity in known if year == school_year.pk}
    found = offers(child, activities, campaigns, school_year, first_day, enrolled_in, household=household.pk)
    before = enrolling.sent_before(request.user, child, SERVICE, request.GET.get("reprise", ""))
    eats = any(offer.with_meal and not offer.refusal for offer in found)
    form = EnrolmentForm(
        interrupted.posted(request),
        offers=found,
        plate=diets.plate(child, household) if eats else diets.Plate(None),
        initial=_siblings_places(household, school_year),
    )
    if before is not None:
        form.fill_in(before)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                enrolled = _enrol(request, household, child, school_year, first_day, form.chosen(), at)
                if form.cleaned_data.get("diet"):
                    diets.say(child, form.cleaned_data["diet"], by=household, at=at)
        except EnrolmentRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            for one in enrolled:
                messages.success(request, _enrolled(one))
            return redirect("home")
    return render(
        request,
        "leisure/enrol.html",
        {
            "form": form,
            "child": child,
            "school_year": school_year,
            "years": years,
            "effects": [
                f"{offer.activity} – {lower_first(said)}"
                for offer in form.offers
                if (said := effects.sentence(offer.activity, today, school_year.starts_on))
            ],
            "not_offered": [offer for offer in found if offer.refusal],
            "asked_first": asked_first.at_start(
                household.pk,
                child.pk,
                [offer.activity for offer in form.offers],
                school_year.pk,
                first_day,
                at,
            ),
            "missing": missing_pieces(child, [offer.activity for offer in form.offers]),
            "before": before,
            "fees": fees.asked(
                household, child, [offer.activity for offer in form.offers], school_year, first_day
            ),
            **_who_comes_first([offer.activity for offer in found if not offer.refusal]),
        },
    )


def _who_comes_first(activities: list[Activity]) -> dict[str, Any]:
    """What a family reads at the start where places may be short; nothing where the town has no own order."""
    return {
        "orders": priorities.said_of(activities),
        "asks_about_work": priorities.asks_about_work(activities),
    }


@interrupted.keeps_interrupted_form
@require_http_methods(["GET", "POST"])
def situation(request: SignedInRequest) -> HttpResponse:
    """« Notre situation »: whether the parents work or train, declared by them where a town asks it."""
    household = which_home.household(request)
    at = timezone.now()
    today = timezone.localdate(at)
    known = priorities.works_since(household, today)
    offered = offered_activities()
    if known is None and not priorities.asks_about_work(offered):
        raise Http404
    form = SituationForm(
        interrupted.posted(request),
        today=today,
        initial={"works": known is not None, "since": known.since if known else today},
    )
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        priorities.declare(household, works=said["works"], since=said["since"], by=request.user, at=at)
        messages.success(request, "C'est noté. Revenez ici si votre situation change.")
        return redirect("leisure:situation")
    context = {"form": form, "known": known, "orders": priorities.said_of(offered)}
    return render(request, "leisure/situation.html", context)


def _siblings_places(household: Household, school_year: SchoolYear) -> dict[str, Any]:
    """Where a brother or sister goes to each activity: what the household has said is not asked again."""
    rows = Enrolment.objects.live().filter(
        household=household, school_year=school_year, activity__service=SERVICE
    )
    return {place_field(one.activity): one.establishment_id for one in rows.select_related("activity")}


def _enrol(
    request: SignedInRequest,
    household: Household,
    child: Child,
    school_year: SchoolYear,
    first_day: date,
    chosen: list[tuple[Activity, Any]],
    at: datetime,
) -> list[Enrolment]:
    """All activities ticked, or none of them."""
    with transaction.atomic():
        return [
            enrolling.request(
                household=household,
                child=child,
                activity=activity,
                establishment=place,
                school_year=school_year,
                weekdays=0,
                starts_on=first_day,
                by=request.user,
                at=at,
            )
            for activity, place in chosen
        ]


@interrupted.keeps_interrupted_form
@require_http_methods(["GET", "POST"])
def enrolment(request: SignedInRequest, enrolment_id: int) -> HttpResponse:
    """« Consulter / modifier »: the place can be changed, unless the enrolment is over."""
    enrolment = which_home.row(
        request,
        Enrolment.objects.visible_to(request.user)
        .select_related("child__health", "activity", "household", "school_year", "establishment", "moves_to")
        .annotate(asks_to_move=moving.is_asked()),
        pk=enrolment_id,
        activity__service=SERVICE,
    )
    places = []
    if not enrolment.is_over:
        places = enrolling.places_for(enrolment.activity, enrolment.child, enrolment.school_year)
    place = enrolment.moves_to if enrolment.moves_on else enrolment.establishment
    if place and place not in places:
        places.append(place)
    eats = not enrolment.is_over and holds_meal(enrolment.activity)
    form = PlaceForm(
        interrupted.posted(request),
        places=places,
        plate=diets.plate(enrolment.child, enrolment.household) if eats else None,
        changes=enrolment.is_accepted,
        initial={"place": place and place.pk},
    )
    at = timezone.now()
    if request.method == "POST" and enrolment.is_over:
        messages.info(request, enrolling.over_sentence(enrolment))
        return redirect("leisure:enrolment", enrolment.pk)
    if request.method == "POST" and form.is_valid():
        at, wanted = timezone.now(), form.cleaned_data.get("place", place)
        try:
            with transaction.atomic():
                changed = enrolling.change(
                    enrolment,
                    establishment=wanted,
                    weekdays=enrolment.weekdays,
                    starts_on=enrolment.starts_on,
                    at=at,
                )
                if form.cleaned_data.get("diet"):
                    diets.say(enrolment.child, form.cleaned_data["diet"], by=changed.household, at=at)
                since = form.cleaned_data.get("since")
                move = moving.ask(changed, establishment=wanted, since=since, by=request.user, at=at)
        except EnrolmentRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            updated = f"L'inscription {of(enrolment.child.first_name)} est à jour."
            messages.success(request, moving.said(move) if move else updated)
            return redirect("home")
    return render(
        request,
        "leisure/enrolment.html",
        {
            "form": form,
            "enrolment": enrolment,
            "move": moving.asked_for(enrolment),
            "child": enrolment.child,
            "missing": [] if enrolment.is_over else missing_pieces(enrolment.child, [enrolment.activity]),
        },
    )


def _enrolled(enrolment: Enrolment) -> str:
    if not enrolment.household.is_accepted:
        return f"{enrolling.prepared_sentence(enrolment.child)} ({enrolment.activity})"
    who = f"{enrolment.child.first_name} ({enrolment.activity})"
    if enrolment.is_accepted:
        next_step = (
            "Remplissez sa fiche sanitaire avant de réserver."
            if enrolment.lacks_health_file
            else "Vous pouvez réserver ses jours."
        )
        return f"{who} : l'inscription est acceptée. {next_step}"
    return f"{who} : la demande d'inscription est envoyée. La mairie vous répond par e-mail."


# Reservation ------------------------------------------------------------------------------------------------


@require_GET
def choose_child_to_book(request: SignedInRequest) -> HttpResponse:
    """« Nouvelle réservation » and « Demande d'annulation »: which child?"""
    return steps.choose_child(request, LEISURE)


@require_GET
def book(request: SignedInRequest) -> HttpResponse:
    """« Réserver les loisirs »: which child, where, when."""
    return redirect("leisure:choose_reservation")


@require_http_methods(["GET", "POST"])
def start(request: SignedInRequest, enrolment_id: int) -> HttpResponse:
    """« Établissement » ❶, « Période » ❷, « Suivant » ❸, over all accepted enrolments of the child."""
    at = timezone.now()
    today = timezone.localdate(at)
    asked = acting.row(request, Enrolment.objects.all(), today, pk=enrolment_id, activity__service=SERVICE)
    cancelling = "annulation" in request.GET
    enrolments = list(
        Enrolment.objects.accepted()
        .filter(
            household_id=asked.household_id,
            child_id=asked.child_id,
            activity__service=SERVICE,
            school_year__in=SchoolYear.objects.serving(today),
        )
        .select_related("activity", "child__health", "school_year", "establishment", "household")
    )
    if (desk := acting.acting_of(request)) is not None:
        enrolments = desk.kept(enrolments)
    found = choices(enrolments, at, today, cancelling=cancelling, at_desk=desk is not None)
    if not found:
        messages.info(request, _nothing_to_book(enrolments))
        return redirect("home")
    form = StartForm(request.POST if request.method == "POST" else None, choices=found)
    if request.method == "POST" and form.is_valid():
        choice = form.by_key[form.cleaned_data["periode"]]
        place = form.places[form.cleaned_data["etablissement"]]
        url = reverse("leisure:planning", args=[choice.enrolment.pk, place.pk, choice.period.pk])
        return redirect(url + steps.arriving(request, choice.enrolment.pk, place.pk, choice.period.pk))
    child = enrolments[0].child
    return render(
        request,
        "leisure/start.html",
        {
            "form": form,
            "choices": found,
            "places": form.places,
            "place_chosen": form["etablissement"].value() or _only(list(form.places)),
            "period_chosen": form["periode"].value() or "",
            "child": child,
            "cancelling": cancelling,
            "missing": missing_pieces(child, [one.activity for one in enrolments]),
            **_who_comes_first([] if cancelling else list({one.activity: None for one in enrolments})),
        },
    )


def _only(keys: list[str]) -> str:
    """The one key there is, or none."""
    return keys[0] if len(keys) == 1 else ""


def _nothing_to_book(enrolments: list[Enrolment]) -> str:
    if not enrolments:
        return "La mairie n'a pas encore accepté cette inscription : patientez un peu."
    names = moments.listing([f"« {one.activity} »" for one in enrolments])
    return f"Aucune période à venir pour {names} : la mairie ouvrira bientôt les suivantes."


@interrupted.keeps_interrupted_form
def planning(
    request: SignedInRequest, enrolment_id: int, establishment_id: int, period_id: int
) -> HttpResponse:
    """The weeks of the period."""
    return steps.planning(request, LEISURE, enrolment_id, establishment_id, period_id)
