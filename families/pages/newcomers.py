"""One more child, one more adult: asked for, corrected, taken back; the page behind an invitation's link."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from families import login_names, which_home
from families.custody import invitations, newcomers, openings
from families.forms import InvitedForm, NewChildForm, NewGuardianForm
from families.models import AccessOpening, AlreadyAnswered, ChangeRequest, User
from portal.web.interrupted import keeps_interrupted_form, posted
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

SENT = "Votre demande est envoyée à la mairie. Vous recevrez un message dès qu'elle sera traitée."
PREPARE = "En attendant, vous pouvez remplir sa fiche et préparer ses inscriptions."


def _corrected(request: SignedInRequest, kind: str) -> ChangeRequest | None:
    """The request that did not end with a yes and is sent again: `?corriger=`."""
    asked = posted_number(request.GET.get("corriger", ""))
    if asked is None:
        return None
    ended = (ChangeRequest.State.REFUSED, ChangeRequest.State.WITHDRAWN)
    visible = ChangeRequest.objects.visible_to(request.user).filter(kind=kind, state__in=ended)
    return which_home.row(request, visible, pk=asked)


@keeps_interrupted_form
@require_http_methods(["GET", "HEAD", "POST"])
def add_child(request: SignedInRequest) -> HttpResponse:
    """« Ajouter un enfant »: as when the account was made; the same form corrects what was refused."""
    again = _corrected(request, ChangeRequest.Kind.CHILD)
    home = which_home.household(request)
    form = NewChildForm(posted(request), initial=newcomers.as_typed(again) if again else None)
    if request.method == "POST" and form.is_valid():
        said = newcomers.NewChild(**form.cleaned_data)
        try:
            asked = newcomers.ask_child(home, said, by=request.user, at=timezone.now(), again=again)
        except newcomers.NewcomerRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            done = SENT if asked else f"{said.first_name} est dans votre demande de compte."
            messages.success(request, f"{done} {PREPARE}")
            return redirect("families:household")
    return render(request, "families/add_child.html", {"form": form, "again": again, "household": home})


@keeps_interrupted_form
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: SignedInRequest) -> HttpResponse:
    """« Inviter un autre responsable »: the town hall answers first, then the person is written to."""
    again = _corrected(request, ChangeRequest.Kind.GUARDIAN)
    home = which_home.household(request)
    form = NewGuardianForm(posted(request), initial=newcomers.as_typed(again) if again else None)
    if request.method == "POST" and form.is_valid():
        said = newcomers.NewAdult(**form.cleaned_data)
        try:
            newcomers.ask_guardian(home, said, by=request.user, at=timezone.now())
        except newcomers.NewcomerRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, SENT)
            return redirect("families:household")
    return render(request, "families/invite.html", {"form": form, "again": again, "household": home})


@require_POST
def withdraw_request(request: SignedInRequest, change_id: int) -> HttpResponse:
    """« Retirer ma demande », while the town hall has not answered."""
    visible = ChangeRequest.objects.visible_to(request.user).filter(kind__in=newcomers.KINDS)
    change = which_home.row(request, visible, pk=change_id)
    try:
        newcomers.withdraw(change, by=request.user, at=timezone.now())
    except AlreadyAnswered as refusal:
        messages.info(request, str(refusal))
    else:
        messages.success(request, "Votre demande est retirée.")
    return redirect("families:household")


@require_POST
def answer_invitation(request: SignedInRequest, opening_id: int) -> HttpResponse:
    """« Renvoyer l'invitation », « Retirer l'invitation »: for who invited."""
    own = AccessOpening.objects.visible_to(request.user).filter(
        asked_by=request.user, expires_at__isnull=False
    )
    opening = which_home.row(request, own, pk=opening_id)
    try:
        if "again" in request.POST:
            openings.invite_again(opening, by=request.user, at=timezone.now())
            messages.success(request, "L'invitation est repartie. Le lien d'avant ne sert plus.")
        else:
            openings.cancel(opening, by=request.user, at=timezone.now())
            messages.success(request, "L'invitation est retirée : son lien ne sert plus.")
    except (openings.OpeningRefused, AlreadyAnswered) as refusal:
        messages.error(request, str(refusal))
    return redirect("families:household")


@sensitive_post_parameters("password1", "password2")
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """What the link of an invitation opens: a page with a button, so that a program that follows links says
    yes to nothing. Whose address has an account says yes with it; others make theirs."""
    at = timezone.now()
    opening = invitations.find(token, at=at)
    if opening is None or opening.guardian is None:
        return render(request, "families/invitation_over.html", status=404)
    accounts = login_names.having_address(opening.address)
    context = {"opening": opening, "form": None, "known": bool(accounts), "mine": request.user in accounts}
    if accounts:
        if request.method == "POST" and context["mine"]:
            return _agreed(request, opening, get_object_or_404(User, pk=request.user.pk))
        return render(request, "families/invitation.html", context)
    form = InvitedForm(
        request.POST if request.method == "POST" else None, guardian=opening.guardian, email=opening.address
    )
    if request.method == "POST" and not request.user.is_authenticated and form.is_valid():
        try:
            with transaction.atomic():
                return _agreed(request, opening, form.save())
        except IntegrityError:  # somebody else was quicker with the same identifiant
            form.full_clean()
    return render(request, "families/invitation.html", context | {"form": form})


def _agreed(request: HttpRequest, opening: AccessOpening, user: User) -> HttpResponse:
    try:
        done = openings.agree(opening, user, at=timezone.now())
    except (openings.OpeningRefused, AlreadyAnswered) as refusal:
        messages.error(request, str(refusal))
        return redirect("home")
    if done.waits:
        messages.success(request, "Votre accord est noté. Le foyer s'ouvrira une fois votre accès confirmé.")
    elif request.user.is_authenticated:
        messages.success(request, f"Vous voyez maintenant aussi le foyer n°\xa0{done.household.number}.")
    else:
        messages.success(request, "Votre compte est prêt : connectez-vous.")
    return redirect("home")
