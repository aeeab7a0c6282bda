"""A change of school or place as its family sees it: what waits for an answer, where a planning goes on."""

from dataclasses import dataclass
from datetime import timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from families import which_home
from portal.french import moments
from portal.reservations.acts import moving
from portal.reservations.models import Enrolment, Establishment, Move, Period
from portal.reservations.pages.addresses import planning_address
from portal.reservations.pages.planning import Planning
from portal.web.signed_in import SignedInRequest


@require_POST
def withdraw(request: SignedInRequest, move_id: int) -> HttpResponse:
    """« Retirer ma demande »."""
    move = which_home.row(
        request,
        Move.objects.visible_to(request.user).select_related("enrolment__activity", "child"),
        pk=move_id,
    )
    if moving.withdraw(move, at=timezone.now()):
        messages.success(request, f"Votre demande de changement pour {move.child.first_name} est retirée.")
    else:
        messages.info(request, "La mairie a déjà répondu à cette demande.")
    if move.enrolment is None:
        return redirect("home")
    return redirect(f"{move.enrolment.activity.service}:enrolment", move.enrolment.pk)


@dataclass(frozen=True)
class Onward:
    """That a child goes to another place before or after these days, and its planning there."""

    sentence: str
    address: str


def onward(plan: Planning) -> Onward | None:
    """None where the child stays; no query then."""
    enrolment = plan.enrolment
    if enrolment.moves_on is None:
        return None
    who = enrolment.child.first_name
    if plan.establishment.pk == enrolment.moves_to_id:
        until = moments.day(enrolment.moves_on - timedelta(days=1))
        return _onward(plan, f"Jusqu'au {until}, {who} va ailleurs", enrolment.establishment)
    return _onward(
        plan, f"À partir du {moments.day(enrolment.moves_on)}, {who} va ailleurs", enrolment.moves_to
    )


def _onward(plan: Planning, sentence: str, there: Establishment | None) -> Onward:
    if there is None:
        return Onward(f"{sentence} : le lieu reste à choisir.", _page(plan.enrolment))
    address = _planning(plan.enrolment, there, plan.period)
    return Onward(f"{sentence} : {there}.", address)


def _planning(enrolment: Enrolment, there: Establishment, period: Period) -> str:
    """There, in the same period where the place has it; else the enrolment's own page."""
    if not period.concerns(there.pk):
        return _page(enrolment)
    return planning_address(enrolment.activity, enrolment.pk, there.pk, period.pk)


def _page(enrolment: Enrolment) -> str:
    return reverse(f"{enrolment.activity.service}:enrolment", args=[enrolment.pk])
