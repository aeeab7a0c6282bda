"""« Mettre fin… » and « Reprendre l'inscription », of one enrolment or of many, at the desk."""

import hashlib
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone

from portal.desk.decisions import Decision, ReasonForm, confirm_page
from portal.desk.pages import Decides, log_all
from portal.french.dates import short_day
from portal.french.day_fields import NearDateField
from portal.french.plurals import counted
from portal.reservations.acts import ending
from portal.reservations.acts.ending import Ending, EndingRefused, Outlook
from portal.reservations.models import Enrolment
from portal.web.signed_in import SignedInRequest

REASONS = (
    "Déménagement.",
    "Changement d'école.",
    "À la demande de la famille.",
    "L'enfant ne vient plus depuis plusieurs semaines.",
)


class EndForm(ReasonForm):
    """The last day, the reason, and what becomes of the days for which it is too late."""

    last_day = NearDateField(
        label="Dernier jour de l'inscription",
        help_text="Les jours réservés ensuite sont annulés, sans frais, dans les délais d'annulation.",
    )
    late_too = forms.BooleanField(
        label="Annuler aussi, sans frais, les jours hors délai",
        required=False,
        help_text="Sinon ils restent réservés, et facturés. Un jour facturé ou pointé ne change jamais.",
    )
    field_order = ("last_day", "ready", "words", "late_too")

    def ending(self) -> Ending:
        """What was said, once valid."""
        said = self.cleaned_data
        return Ending(said["last_day"], said["reason"], said["late_too"])


class EndsEnrolments(Decides[Enrolment]):
    """An enrolment's end: said, shown with what it does, confirmed; put away until its day has passed."""

    actions: Sequence[str] = ("end_selected", "resume_selected")

    def ends_for(self, obj: Enrolment) -> list[Decision]:
        """The buttons of an enrolment that goes on."""
        if ending.can_resume(obj, timezone.localdate()):
            return [
                Decision("resume_selected", "Reprendre l'inscription", main=True),
                Decision("end_selected", "Changer la fin…"),
            ]
        return [Decision("end_selected", "Mettre fin…")]

    @admin.action(description="Mettre fin…", permissions=["decide"])
    def end_selected(self, request: SignedInRequest, queryset: QuerySet[Enrolment]) -> HttpResponse | None:
        at = timezone.now()
        going_on = [one for one in queryset if ending.can_end(one, timezone.localdate(at))]
        if not going_on:
            self.message_user(
                request, "Seule une inscription acceptée, et en cours, se termine.", messages.WARNING
            )
            return None
        form = EndForm(request.POST if "ending_given" in request.POST else None, ready=REASONS)
        outlooks: list[tuple[Enrolment, Outlook]] = []
        seen = ""
        if form.is_bound and form.is_valid():
            outlooks = [(one, ending.outlook(one, form.ending(), at=at)) for one in going_on]
            seen = _fingerprint(form, outlooks)
            if request.POST.get("vu") == seen:
                self._end(request, form, outlooks)
                return None
        context: dict[str, Any] = {
            "form": form,
            "outlooks": [(self.name_of(one), found.sentences) for one, found in outlooks],
            "seen": seen,
            "changed": bool(seen and request.POST.get("vu")),
        }
        return confirm_page(
            self,
            request,
            queryset.filter(pk__in=[one.pk for one in going_on]),
            action="end_selected",
            title="Mettre fin à des inscriptions" if len(going_on) > 1 else "Mettre fin à une inscription",
            button="Mettre fin et prévenir" if seen else "Voir ce qui change",
            template="admin/reservations/end_enrolments.html",
            **context,
        )

    def _end(
        self, request: SignedInRequest, form: EndForm, outlooks: list[tuple[Enrolment, Outlook]]
    ) -> None:
        said, at = form.ending(), timezone.now()
        done = []
        for one, found in outlooks:
            try:
                ending.end(one, said, by=request.user, at=at, seen=found.fingerprint)
            except EndingRefused as refusal:
                self.message_user(request, f"{one} : {refusal}", messages.ERROR)
            else:
                done.append(one)
        when = f"le {short_day(said.last_day, year=True)}"
        log_all(request, done, f"Fin de l'inscription {when} : {said.reason}")
        if done:
            text = counted(len(done), "inscription se termine", "inscriptions se terminent")
            self.message_user(request, f"{text} {when}. Les familles sont prévenues.", messages.SUCCESS)

    @admin.action(description="Reprendre", permissions=["decide"])
    def resume_selected(self, request: SignedInRequest, queryset: QuerySet[Enrolment]) -> None:
        at = timezone.now()
        done = []
        for one in queryset:
            try:
                done.append(ending.resume(one, by=request.user, at=at))
            except EndingRefused as refusal:
                self.message_user(request, f"{one} : {refusal}", messages.WARNING)
        log_all(request, done, "Inscription reprise.")
        if done:
            text = counted(len(done), "inscription reprise", "inscriptions reprises")
            again = "Les jours annulés ne reviennent pas d'eux-mêmes : la famille les réserve à nouveau."
            self.message_user(request, f"{text}. {again}", messages.SUCCESS)


def _fingerprint(form: EndForm, outlooks: list[tuple[Enrolment, Outlook]]) -> str:
    """Of what was said and of all that it does."""
    said = form.ending()
    parts = [said.reason, str(said.late_too), *(f"{one.pk}:{found.fingerprint}" for one, found in outlooks)]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
