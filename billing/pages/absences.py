"""« Signaler une absence »: a family sends a certificate, sees what it will change, follows it."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from billing.models import AbsencePolicy
from billing.prices import missed_days
from families import which_home
from families.models import Child, Household
from portal.files import uploads
from portal.french import moments
from portal.french.day_fields import DayInput
from portal.reservations.models import AbsenceCertificate
from portal.reservations.presence import certificates
from portal.web.bodies import takes_files
from portal.web.form_fields import NamesItsFields
from portal.web.signed_in import SignedInRequest

A_PAGE = 24
SENT = (
    "Votre justificatif est envoyé. La mairie va le lire : vous recevrez un message dès qu'elle aura répondu."
)


class AbsenceDaysForm(NamesItsFields, forms.Form):
    """Which days; they stand in the page's address, so that nothing of them is ever lost."""

    prefix_names = {"first_day": "du", "last_day": "au"}

    first_day = forms.DateField(label="Premier jour d'absence", widget=DayInput())
    last_day = forms.DateField(label="Dernier jour d'absence", widget=DayInput())

    def add_prefix(self, field_name: str) -> str:
        return self.prefix_names.get(field_name, field_name)


class CertificateForm(NamesItsFields, forms.Form):
    """The proof itself, judged by its content."""

    file = forms.FileField(label="Justificatif", help_text="PDF, JPEG, PNG ou HEIC, 10 Mo au plus.")

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        self.content_type = uploads.check(file)
        return file


@require_safe
def certificate_list(request: SignedInRequest) -> HttpResponse:
    """Every certificate of the household, and whose absence may be reported."""
    household = which_home.household(request)
    visible = AbsenceCertificate.objects.visible_to(request.user)
    rows = which_home.rows(request, visible).select_related("child", "document")
    page = Paginator(rows, A_PAGE).get_page(request.GET.get("page"))
    shown = [(row, moments.span(row.first_day, row.last_day, year=True)) for row in page]
    children = Child.objects.living_in(household, timezone.localdate()).order_by("birth_date", "pk")
    return render(
        request, "billing/absence_list.html", {"page": page, "certificates": shown, "children": children}
    )


@takes_files
@require_http_methods(["GET", "HEAD", "POST"])
def report(request: SignedInRequest, child_id: int) -> HttpResponse:
    """The days first, then what the town's rule makes of them, then the certificate."""
    child = which_home.row(request, Child.objects.visible_to(request.user), pk=child_id)
    household = which_home.household(request)
    at = timezone.now()
    today = timezone.localdate(at)
    activities = certificates.booked_activities(household, child, today)
    if not activities:
        return render(request, "billing/absence_report.html", {"child": child, "activities": activities})
    asked = {name: request.GET[name] for name in ("du", "au") if name in request.GET}
    days = AbsenceDaysForm(
        asked if asked or request.method == "POST" else None, initial={"first_day": today, "last_day": today}
    )
    form = CertificateForm()
    chosen = days.is_bound and days.is_valid() and _fit(days, household, child)
    if chosen and request.method == "POST":
        form = CertificateForm(request.POST, request.FILES)
        if form.is_valid() and _send(request, household, child, days, form, at):
            messages.success(request, SENT)
            return redirect("absences:certificates")
    context = {
        "child": child,
        "activities": activities,
        "days": days,
        "form": form,
        "outlook": None,
        "rules": [],
    }
    if chosen:
        said = days.cleaned_data
        first, last = said["first_day"], said["last_day"]
        context["outlook"] = missed_days.outlook(household, child, first, last, given=at)
        context["span"] = moments.span(first, last, year=True)
    else:
        context["rules"] = missed_days.in_words(activities, AbsencePolicy.rules())
    return render(request, "billing/absence_report.html", context)


def _fit(days: AbsenceDaysForm, household: Household, child: Child) -> bool:
    """Whether a certificate may be sent for these days; says at their field why not."""
    said = days.cleaned_data
    try:
        certificates.check(household, child, said["first_day"], said["last_day"], timezone.localdate())
    except certificates.AbsenceRefused as refusal:
        days.add_error(refusal.field or None, str(refusal))
    return days.is_valid()


def _send(
    request: SignedInRequest,
    household: Household,
    child: Child,
    days: AbsenceDaysForm,
    form: CertificateForm,
    at: datetime,
) -> bool:
    said = days.cleaned_data
    try:
        certificates.send(
            household,
            child,
            said["first_day"],
            said["last_day"],
            file=form.cleaned_data["file"],
            content_type=form.content_type,
            by=request.user,
            at=at,
        )
    except certificates.AbsenceRefused as refusal:
        form.add_error(None, str(refusal))
        return False
    return True


@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: SignedInRequest, certificate_id: int) -> HttpResponse:
    """Takes back a certificate that waits, once asked twice."""
    found = which_home.row(
        request,
        AbsenceCertificate.objects.visible_to(request.user).select_related("child"),
        pk=certificate_id,
    )
    span = moments.span(found.first_day, found.last_day, year=True)
    if request.method == "POST":
        try:
            certificates.withdraw(found)
        except certificates.AlreadyAnswered as refusal:
            messages.info(request, str(refusal))
        else:
            messages.success(request, "Le justificatif est retiré, son fichier est effacé.")
        return redirect("absences:certificates")
    return render(request, "billing/absence_withdraw.html", {"certificate": found, "span": span})
