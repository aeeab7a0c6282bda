"""Absences at the desk: the certificates that wait, those seen on paper, the list of a day, the rules."""

from datetime import date, datetime
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet, Value
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from billing import absent, attendance
from billing.models import AbsenceCertificate, AbsencePolicy, AbsenceReason, Attendance, AttendanceState
from billing.pages.absences import (
    CertificateForm,
    DaysForm,
)
from families.models import Custody
from portal.desk.decisions import (
    AcceptOrRefuse,
    Decidable,
    Decision,
)
from portal.desk.lists import (
    NumberSearch,
    WaitingFirst,
    badge,
    counted,
)
from portal.desk.pages import (
    OwnPages,
    ShownOnly,
    WithHistory,
    log_all,
)
from portal.desk.site import (
    DeskLink,
    Queue,
)
from portal.french import dates
from portal.reservations.models import Establishment, Formula

FIRST_YEAR, LAST_YEAR = 2000, 2200
REFUSALS = (
    "Le justificatif est illisible : envoyez-en un autre.",
    "Le justificatif ne couvre pas ces jours.",
    "Le justificatif ne concerne pas cet enfant.",
    "Le justificatif est arrivé trop tard.",
)
MAY_ENTER = ("billing.add_attendance", "billing.change_attendance")
TINTS = {
    attendance.Standing.EXPECTED: "none",
    attendance.Standing.PRESENT: "accepted",
    attendance.Standing.JUSTIFIED: "requested",
    attendance.Standing.UNJUSTIFIED: "refused",
    attendance.Standing.UNBOOKED: "late",
    attendance.Standing.MISTAKEN: "cancelled",
}


def standing_badge(row: Attendance | None) -> SafeString:
    found = attendance.standing_of(row)
    return badge(TINTS[found], str(found.label))


# Certificates -------------------------------------------------------------------------------------------


class SeenForm(DaysForm):
    """Days, and when the paper was seen."""

    given_at = forms.DateTimeField(
        label="Vu le",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Le moment où le certificat a été donné : il compte pour le délai.",
    )
    prefix_names = {**DaysForm.prefix_names, "given_at": "vu"}

    def clean_given_at(self) -> datetime:
        given = self.cleaned_data["given_at"]
        if given > timezone.now():
            raise forms.ValidationError("Ce moment n'est pas encore venu.")
        return given


class PaperForm(CertificateForm):
    """A paper may be scanned, or only have been seen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].required = False
        self.fields["file"].label = "Copie du justificatif"
        self.fields["file"].help_text = "Facultative : PDF, JPEG, PNG ou HEIC, 10 Mo au plus."

    def clean_file(self) -> Any:
        self.content_type = ""
        return super().clean_file() if self.cleaned_data["file"] else None


class WaitingCertificates(WaitingFirst):
    states = AbsenceCertificate.State


@admin.register(AbsenceCertificate)
class AbsenceCertificateAdmin(AcceptOrRefuse, NumberSearch, Decidable, WithHistory, OwnPages):
    """Proofs of absence: those that families sent wait here, those seen at the desk are accepted at once."""

    desk_order = 24
    work_queues = (
        Queue(
            "Justificatifs d'absence à traiter",
            lambda request: AbsenceCertificate.objects.filter(state=AbsenceCertificate.State.REQUESTED),
            order=25,
        ),
    )
    desk_links = (
        DeskLink(
            "Saisir un justificatif",
            "billing_absencecertificate_take",
            "billing.add_absencecertificate",
            "certificat d'absence vu au guichet",
        ),
    )
    list_display = ["child", "household_link", "days", "given_shown", "proof_link", "state_badge"]
    list_display_links = ["child"]
    list_filter = [WaitingCertificates]
    list_select_related = ["child", "household", "document"]
    search_fields = ["child__last_name", "child__first_name"]
    search_help_text = "Nom de l'enfant ou numéro de foyer"
    ordering = ["given_at", "pk"]
    fields = [
        "child",
        "household_link",
        "state_badge",
        "days",
        "concerned",
        "proof_link",
        "given_shown",
        "given_by",
        "decided_by",
        "decided_at",
        "refusal_reason",
    ]
    readonly_fields = fields
    actions = ["accept_selected", "refuse_selected"]
    decisions = (
        Decision("accept_selected", "Accepter", main=True),
        Decision("refuse_selected", "Refuser…"),
    )
    refusals = REFUSALS
    refuse_title = "Refuser des justificatifs d'absence"

    def waits(self, obj: AbsenceCertificate) -> bool:
        return obj.state == AbsenceCertificate.State.REQUESTED

    def accept_rows(self, request: HttpRequest, queryset: QuerySet) -> None:
        done, left = [], 0
        for row in queryset:
            try:
                accepted = absent.accept(row, by=request.user, at=timezone.now())
            except absent.AlreadyAnswered:
                left += 1
            else:
                done.append(accepted.certificate)
                self._warn_of_presence(request, accepted)
        log_all(request, done, "Justificatif accepté.")
        self._say(request, counted(len(done), "justificatif accepté", "justificatifs acceptés"), left)

    def refuse_rows(self, request: HttpRequest, queryset: QuerySet, reason: str) -> None:
        done, left = [], 0
        for row in queryset:
            try:
                done.append(absent.refuse(row, reason=reason, by=request.user, at=timezone.now()))
            except absent.AlreadyAnswered:
                left += 1
        log_all(request, done, f"Justificatif refusé. Motif : {reason}")
        self._say(request, counted(len(done), "justificatif refusé", "justificatifs refusés"), left)

    def _say(self, request: HttpRequest, text: str, left: int) -> None:
        if left:
            text += f", {counted(left, 'avait déjà sa réponse', 'avaient déjà leur réponse')}"
        self.message_user(request, f"{text}.", messages.WARNING if left else messages.SUCCESS)

    def _warn_of_presence(self, request: HttpRequest, accepted: absent.Accepted) -> None:
        if accepted.seen:
            days = dates.enumerate_days(accepted.seen)
            self.message_user(
                request,
                f"{accepted.certificate.child} est pointé présent ({days}) : rien n'y est changé,"
                " ces jours restent facturés.",
                messages.WARNING,
            )

    @admin.display(description="foyer", ordering="household_id")
    def household_link(self, obj: AbsenceCertificate) -> SafeString:
        url = reverse("admin:families_household_change", args=[obj.household_id])
        return format_html('<a href="{}">{}</a>', url, obj.household.number)

    @admin.display(description="absence", ordering="first_day")
    def days(self, obj: AbsenceCertificate) -> str:
        return dates.span(obj.first_day, obj.last_day, year=True)

    @admin.display(description="donné le", ordering="given_at")
    def given_shown(self, obj: AbsenceCertificate) -> str:
        return dates.moment(obj.given_at, year=True)

    @admin.display(description="jours réservés")
    def concerned(self, obj: AbsenceCertificate) -> SafeString | str:
        found = absent.outlook(obj.household, obj.child, obj.first_day, obj.last_day, given=obj.given_at)
        said = format_html_join("<br>", "{}", [(line,) for line in absent.lines(found.days)])
        return said or "aucun jour réservé"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AbsenceCertificate]:
        answers = request.user.has_perm("billing.change_absencecertificate")
        return super().get_queryset(request).annotate(file_opens=Value(answers))

    @admin.display(description="justificatif")
    def proof_link(self, obj: AbsenceCertificate) -> SafeString | str:
        if obj.document is None:
            return "vu au guichet"
        if not obj.file_opens:
            return "reçu"
        url = reverse("families:document", args=[obj.document_id])
        return format_html('<a href="{}">{}</a>', url, obj.document)

    @admin.display(description="état", ordering="state")
    def state_badge(self, obj: AbsenceCertificate) -> SafeString:
        return badge(obj.state, obj.get_state_display())

    # Seen at the desk -----------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("saisir/", wrap(self.take), name="billing_absencecertificate_take"),
            path("saisir/<int:custody>/", wrap(self.take_from), name="billing_absencecertificate_take_from"),
            *super().get_urls(),
        ]

    def take(self, request: HttpRequest) -> HttpResponse:
        """Whose absence: a child, and which of its homes."""
        self.demand(request, "billing.add_absencecertificate")
        words = request.GET.get("q", "").strip()
        context = {"words": words, "homes": attendance.homes_of(words), "most": attendance.MOST_FOUND}
        return self.page(request, "admin/billing/absence_child.html", "Saisir un justificatif", context)

    def take_from(self, request: HttpRequest, custody: int) -> HttpResponse:
        """The days and the moment stand in the address; then what it changes, and « Accepter »."""
        self.demand(request, "billing.add_absencecertificate")
        home = get_object_or_404(Custody.objects.select_related("child", "household"), pk=custody)
        names = SeenForm.prefix_names.values()
        asked = {name: request.GET[name] for name in names if name in request.GET}
        now = timezone.localtime()
        initial = {"first_day": now.date(), "last_day": now.date(), "given_at": now}
        days = SeenForm(asked if asked or request.method == "POST" else None, initial=initial)
        form = PaperForm()
        chosen = days.is_bound and days.is_valid() and self._fit(days, home)
        if chosen and request.method == "POST":
            form = PaperForm(request.POST, request.FILES)
            if form.is_valid() and (taken := self._take(request, home, days, form)) is not None:
                messages.success(
                    request, "Le justificatif est enregistré et accepté. La famille est prévenue."
                )
                self._warn_of_presence(request, taken)
                return redirect("admin:billing_absencecertificate_change", taken.certificate.pk)
        context = {"home": home, "days": days, "form": form, "outlook": None}
        if chosen:
            said = days.cleaned_data
            first, last = said["first_day"], said["last_day"]
            context["outlook"] = found = absent.outlook(
                home.household, home.child, first, last, given=said["given_at"]
            )
            context["lines"] = absent.lines(found.days)
        return self.page(request, "admin/billing/absence_take.html", "Saisir un justificatif", context)

    def _fit(self, days: SeenForm, home: Custody) -> bool:
        said = days.cleaned_data
        try:
            absent.check_days(
                home.household, home.child, said["first_day"], said["last_day"], timezone.localdate()
            )
        except absent.AbsenceRefused as refusal:
            days.add_error(refusal.field or None, str(refusal))
        return days.is_valid()

    def _take(
        self, request: HttpRequest, home: Custody, days: SeenForm, form: PaperForm
    ) -> absent.Accepted | None:
        said = days.cleaned_data
        try:
            taken = absent.take(
                home.household,
                home.child,
                said["first_day"],
                said["last_day"],
                given_at=said["given_at"],
                file=form.cleaned_data["file"],
                content_type=form.content_type,
                by=request.user,
                at=timezone.now(),
            )
        except absent.AbsenceRefused as refusal:
            form.add_error(None, str(refusal))
            return None
        log_all(request, [taken.certificate], "Justificatif saisi et accepté.")
        return taken


# The list of a day --------------------------------------------------------------------------------------


class ListForm(forms.Form):
    """Which day and which place."""

    jour = forms.DateField(label="Jour", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    lieu = forms.ModelChoiceField(Establishment.objects.none(), label="Établissement", empty_label=None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["lieu"].queryset = places()

    def clean_jour(self) -> date:
        day = self.cleaned_data["jour"]
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise forms.ValidationError(f"Choisissez un jour entre {FIRST_YEAR} et {LAST_YEAR}.")
        return day


def places() -> QuerySet[Establishment]:
    """Where children are received."""
    return (
        Establishment.objects.filter(activities__isnull=False).distinct().order_by("-active", "kind", "name")
    )


class Posted:
    """What the form of a list says, row by row; whatever it does not say stays as it was."""

    def __init__(self, data: QueryDict, sheet: attendance.Sheet) -> None:
        self.said: dict[int, attendance.Said] = {}
        for row in sheet.rows:
            key = row.booking.pk
            if (state := data.get(f"etat-{key}")) in AttendanceState.values:
                self.said[key] = row.said = self._row(data, row, key, state, sheet.timed)
        self.came = _numbers(data.getlist("venu"))
        kept, shown = set(_numbers(data.getlist("reste"))), set(_numbers(data.getlist("vu")))
        self.left_out = sorted(shown - kept)
        self.valid = not any(row.trouble for row in sheet.rows)

    @staticmethod
    def _row(data: QueryDict, row: attendance.Row, key: int, state: str, timed: bool) -> attendance.Said:
        reason = data.get(f"motif-{key}", "")
        reason = reason if reason in AbsenceReason.values else ""
        minutes = row.said.minutes
        if timed:
            typed = data.get(f"duree-{key}", "").strip()
            minutes = int(typed) if typed.isdecimal() and len(typed) < 5 else None
            if typed and (minutes is None or minutes > attendance.LONGEST_MINUTES):
                row.trouble = "Indiquez la durée en minutes, par exemple 45."
        return attendance.Said(state, reason, minutes)


def _numbers(words: list[str]) -> list[int]:
    return [int(word) for word in words if word.isdecimal() and len(word) < 10]


@admin.register(Attendance)
class AttendanceAdmin(ShownOnly, NumberSearch, WithHistory, OwnPages):
    """What was entered, to look at; « Pointer » enters it."""

    list_display = ["day", "child", "formula", "establishment", "standing", "reason_shown", "entered_by"]
    list_filter = ["state", "reason", "establishment", "formula__activity"]
    list_select_related = ["child", "formula", "establishment", "entered_by"]
    search_fields = ["child__first_name", "child__last_name"]
    search_help_text = "Nom de l'enfant ou numéro de foyer"
    date_hierarchy = "day"
    fields = [
        "child", "household", "day", "formula", "establishment", "standing", "reason_shown", "minutes",
        "certificate_at", "certificate", "entered_by", "entered_at", "list_link",
    ]  # fmt: skip
    readonly_fields = fields
    desk_order = 25
    desk_links = (
        DeskLink(
            "Pointer les présences", "billing_attendance_list", "billing.view_attendance",
            "présents et absents d'un jour, par établissement et formule",
        ),
    )  # fmt: skip

    @admin.display(description="présence", ordering="state")
    def standing(self, obj: Attendance) -> SafeString:
        return standing_badge(obj)

    @admin.display(description="motif", ordering="reason")
    def reason_shown(self, obj: Attendance) -> str:
        return obj.get_reason_display() if obj.reason else "–"

    @admin.display(description="liste du jour")
    def list_link(self, obj: Attendance) -> SafeString:
        return format_html(
            '<a href="{}">Ouvrir</a>', _list_url(obj.day, obj.establishment_id, obj.formula_id)
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.point)
        return [path("pointer/", view, name="billing_attendance_list"), *super().get_urls()]

    def point(self, request: HttpRequest) -> HttpResponse:
        """« Pointer »: day, place and formula stand in the address; everybody is there by default."""
        self.demand(request, "billing.view_attendance")
        at = timezone.now()
        today = timezone.localdate(at)
        form, nobody = _asked(request.GET, today)
        context: dict[str, Any] = {"form": form, "sheet": None, "nobody": nobody}
        if form.is_valid() and not nobody:
            day, place = form.cleaned_data["jour"], form.cleaned_data["lieu"]
            offered = attendance.formulas(place, day)
            formula = _chosen(offered, request.GET.get("formule", ""))
            context["formulas"] = [(one, _list_url(day, place.pk, one.pk)) for one in offered]
            if formula is not None:
                sheet = attendance.Sheet.load(place, formula, day)
                writable = request.user.has_perms(MAY_ENTER) and day <= today
                context |= {"found": [], "words": "", "chosen": [], "posted": None}
                if request.method == "POST":
                    self.demand(request, *MAY_ENTER)
                    posted = Posted(request.POST, sheet)
                    saves = "chercher" not in request.POST and posted.valid
                    if saves and self._record(request, sheet, posted, at):
                        return redirect(_list_url(day, place.pk, formula.pk))
                    context |= self._search(request, formula, posted)
                context |= self._list(sheet, writable, day > today)
        return self.page(request, "admin/billing/attendance.html", "Pointer les présences", context)

    def _record(self, request: HttpRequest, sheet: attendance.Sheet, posted: Posted, at: datetime) -> bool:
        try:
            done = attendance.record(
                sheet.establishment,
                sheet.formula,
                sheet.day,
                posted.said,
                came=posted.came,
                left_out=posted.left_out,
                by=request.user,
                at=at,
            )
        except attendance.AttendanceRefused as refusal:
            messages.error(request, str(refusal))
            return False
        for warning in done.warnings:
            messages.warning(request, warning)
        if done.written:
            messages.success(
                request, f"La liste est enregistrée : {counted(done.written, 'changement', 'changements')}."
            )
        else:
            messages.info(request, "La liste était déjà enregistrée ainsi : rien n'a changé.")
        return True

    def _search(self, request: HttpRequest, formula: Formula, posted: Posted) -> dict[str, Any]:
        """Who came besides: those chosen so far, and those whose name is looked for."""
        words = request.POST.get("q", "").strip()
        chosen = attendance.homes(posted.came)
        found = [one for one in attendance.homes_of(words, formula) if one.pk not in set(posted.came)]
        return {"words": words, "found": found, "chosen": chosen, "posted": posted}

    def _list(self, sheet: attendance.Sheet, writable: bool, to_come: bool) -> dict[str, Any]:
        groups = groupby(sheet.rows, key=lambda row: row.group)
        counts = sheet.counts
        return {
            "sheet": sheet,
            "groups": [(name or "Classe non indiquée", list(rows)) for name, rows in groups],
            "counts": [(number, state.label) for state, number in counts.items() if number],
            "reasons": AbsenceReason.choices,
            "writable": writable,
            "to_come": to_come,
            "title_of_day": dates.day(sheet.day, year=True),
        }


def _asked(query: QueryDict, today: date) -> tuple[ListForm, str]:
    """Day and place: without a place, the first where somebody is expected. Where nobody is anywhere, that
    day in words besides."""
    first = places().first()
    asked: dict[str, Any] = {"jour": today.isoformat(), "lieu": first.pk if first else ""}
    given = {name: query[name] for name in asked if name in query}
    form = ListForm(asked | given)
    if "lieu" in given or not form.is_valid():
        return form, ""
    day = form.cleaned_data["jour"]
    place = places().filter(attendance.places_concerned(day)).first()
    if place is None:
        return form, dates.day(day, year=True)
    return ListForm(asked | given | {"lieu": place.pk}), ""


def _chosen(offered: list[Any], asked: str) -> Formula | None:
    """The formula asked for; else the first for which somebody is expected."""
    by_key = {str(one.pk): one for one in offered}
    if asked in by_key:
        return by_key[asked]
    return next((one for one in offered if one.expected), offered[0] if offered else None)


def _list_url(day: date, place: int, formula: int) -> str:
    query = urlencode({"jour": day.isoformat(), "lieu": place, "formule": formula})
    return f"{reverse('admin:billing_attendance_list')}?{query}"


# Rules --------------------------------------------------------------------------------------------------


@admin.register(AbsencePolicy)
class AbsencePolicyAdmin(admin.ModelAdmin):
    list_display = (
        "__str__",
        "certificates_count",
        "within_hours",
        "waiting_days",
        "late_waiting_days",
        "max_days",
    )
    list_select_related = ("activity",)
    desk_order = 80
