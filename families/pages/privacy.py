"""« Mes données »: a copy to take away, and asking for everything to be erased."""

from django import forms
from django.contrib import messages
from django.http import FileResponse, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from families import which_home
from families.models import DataExport, ErasureRequest, Guardian
from families.privacy import asking, erasing, exporting, requests, retention
from families.signing_in.asking_again import ask_again
from portal.files.handing_over import hand_over
from portal.web.interrupted import keeps_interrupted_form, posted
from portal.web.signed_in import SignedInRequest

SHOWN = 5
CHANGED = "Ce que vous pouvez voir a changé depuis cette copie. Demandez-en une nouvelle."
LOST = "Ce fichier n'est plus disponible. Demandez une nouvelle copie."


def own_data(request: SignedInRequest) -> HttpResponse:
    """What was asked for, how far it is, and the button that asks for one more."""
    guardian, now = which_home.guardian(request), timezone.now()
    if request.method == "POST":
        ask_again(request)
        asking.ask(guardian, by=request.user, at=now)
        messages.success(
            request, "Votre copie est en préparation. Un message vous prévient dès qu'elle est prête."
        )
        return redirect("families:own_data")
    copies = list(guardian.data_exports.filter(at_desk=False)[:SHOWN])
    context = {
        "guardian": guardian,
        "copies": copies,
        "waiting": any(copy.is_waiting and not asking.stands_still(copy, now) for copy in copies),
        "stuck": any(asking.stands_still(copy, now) for copy in copies),
        "now": now,
        "kept_for": retention.in_words(retention.rule("exports")),
        "asked": _last_request(guardian),
    }
    return render(request, "families/own_data.html", context)


def _last_request(guardian: Guardian) -> ErasureRequest | None:
    return ErasureRequest.objects.filter(household=guardian.household_id).first()


class EraseForm(forms.Form):
    """One's own words, if any: the law asks for no reason."""

    words = forms.CharField(
        label="Un mot pour la mairie",
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=1000,
        required=False,
    )


@keeps_interrupted_form
def ask_erasure(request: SignedInRequest) -> HttpResponse:
    """What goes and what the law keeps, then the request; or its withdrawal. The desk counts the rows."""
    guardian = which_home.guardian(request)
    home = guardian.household
    form = EraseForm(posted(request))
    if request.method == "POST" and "withdraw" in request.POST:
        if requests.withdraw(home):
            messages.success(request, "Votre demande d'effacement est retirée.")
        return redirect("families:own_data")
    if request.method == "POST" and form.is_valid():
        ask_again(request)
        requests.ask(home, words=form.cleaned_data["words"], by=request.user, at=timezone.now())
        messages.success(request, "Votre demande est envoyée. La mairie vous répond dans le mois.")
        return redirect("families:own_data")
    context = {"form": form, "shared": erasing.household_leaving(home).shared}
    return render(request, "families/ask_erasure.html", context)


@require_GET
def download_data(request: SignedInRequest, export_id: int) -> HttpResponse | FileResponse:
    """The file, for the guardian it was made for and nobody else of the household."""
    ready = DataExport.objects.filter(state=DataExport.State.READY, at_desk=False)
    export = which_home.row(
        request,
        ready.select_related("guardian__user", "guardian__household"),
        pk=export_id,
        guardian__user=request.user,
        expires_at__gt=timezone.now(),
    )
    ask_again(request)
    if not exporting.still_fits(export):
        messages.info(request, CHANGED)
        return redirect("families:own_data")
    try:
        file = export.file.open("rb")
    except OSError:
        messages.error(request, LOST)
        return redirect("families:own_data")
    return hand_over(file, exporting.file_name(export))
