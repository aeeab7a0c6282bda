"""A family ends an enrolment, where the activity leaves it to families: what changes is shown, confirmed."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from families import which_home
from portal.french import moments
from portal.french.day_fields import NearDateField
from portal.french.elision import of
from portal.reservations.acts import ending
from portal.reservations.acts.ending import Ending, EndingRefused, Moved, Outlook
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import Enrolment
from portal.web import interrupted
from portal.web.form_fields import NamesItsFields
from portal.web.signed_in import SignedInRequest


class EndForm(NamesItsFields, forms.Form):
    """The last day and the reason."""

    last_day = NearDateField(label="Dernier jour", help_text="Aujourd'hui ou un jour à venir.")
    reason = forms.CharField(
        label="Motif",
        max_length=300,
        help_text="Par exemple : déménagement, changement d'école. La mairie le garde avec l'inscription.",
    )


def _own(request: SignedInRequest, enrolment_id: int) -> Enrolment:
    visible = Enrolment.objects.visible_to(request.user)
    related = ("activity", "child", "household", "school_year")
    return which_home.row(request, visible.select_related(*related), pk=enrolment_id)


def _page_of(enrolment: Enrolment) -> str:
    return reverse(f"{enrolment.activity.service}:enrolment", args=[enrolment.pk])


@interrupted.keeps_interrupted_form
@require_http_methods(["GET", "HEAD", "POST"])
def end(request: SignedInRequest, enrolment_id: int) -> HttpResponse:
    """The day and the reason, then what becomes of the days after it, then the end."""
    enrolment, at = _own(request, enrolment_id), timezone.now()
    back = _page_of(enrolment)
    if not (ending.can_end(enrolment, timezone.localdate(at)) and ending.family_may(enrolment)):
        messages.info(request, "La mairie met fin à cette inscription : écrivez-lui.")
        return redirect(back)
    form = EndForm(interrupted.posted(request))
    outlook: Outlook | None = None
    if request.method == "POST" and form.is_valid():
        said = Ending(form.cleaned_data["last_day"], form.cleaned_data["reason"], by_family=True)
        try:
            ending.check(enrolment, said, timezone.localdate(at))
            outlook = ending.outlook(enrolment, said, at=at)
            if request.POST.get("vu") == outlook.fingerprint:
                ending.end(enrolment, said, by=request.user, at=at, seen=outlook.fingerprint)
                messages.success(request, _thanks(enrolment, outlook))
                return redirect(back)
        except Moved:
            outlook = ending.outlook(enrolment, said, at=at)
        except (EndingRefused, BookingRefused) as refusal:
            outlook = None
            form.add_error(None, str(refusal))
    context: dict[str, Any] = {
        "form": form,
        "enrolment": enrolment,
        "outlook": outlook,
        "seen": outlook.fingerprint if outlook else "",
        "changed": bool(outlook and request.POST.get("vu")),
        "back": back,
    }
    return render(request, "reservations/end_enrolment.html", context)


@require_POST
def resume(request: SignedInRequest, enrolment_id: int) -> HttpResponse:
    """« Reprendre l'inscription »."""
    enrolment = _own(request, enrolment_id)
    try:
        ending.resume(enrolment, by=request.user, at=timezone.now(), by_family=True)
    except EndingRefused as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(
            request,
            f"L'inscription {of(enrolment.child.first_name)} continue. Les jours annulés ne reviennent pas "
            "d'eux-mêmes : réservez-les à nouveau.",
        )
    return redirect(_page_of(enrolment))


def _thanks(enrolment: Enrolment, outlook: Outlook) -> str:
    last = moments.day(outlook.last_day, year=True)
    answer = " La mairie répondra aux annulations demandées." if outlook.asked else ""
    return f"L'inscription {of(enrolment.child.first_name)} se termine le {last}.{answer}"
