"""Absence certificates at the desk: those that wait, those seen on paper."""

from datetime import datetime
from typing import Any, TypeAlias, TypedDict

from django import forms
from django.contrib import admin, messages
from django.db.models import CharField, QuerySet, Value
from django.db.models.functions import Concat
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django_stubs_ext import WithAnnotations

from billing.admin.attendance import known_homes
from billing.pages.absences import AbsenceDaysForm, CertificateForm
from billing.prices import missed_days
from families.desk_cells import HouseholdLink
from families.desk_links import document_link
from families.models import Custody
from portal.desk import rights, to_do
from portal.desk.decisions import AcceptOrRefuse, Decidable
from portal.desk.lists import NumberSearch, StateBadge, WaitingFirst
from portal.desk.pages import OwnPages, WithHistory, log_all
from portal.desk.site import DeskLink, Queue
from portal.desk.to_do import Sheet
from portal.french import moments
from portal.french.day_fields import MomentField
from portal.french.plurals import counted
from portal.reservations.desk.kinds import child_of, family
from portal.reservations.models import AbsenceCertificate
from portal.reservations.presence import announcing, attendance, certificates
from portal.web.bodies import takes_files
from portal.web.signed_in import SignedInRequest

MAY_TAKE = "reservations.add_absencecertificate"
REFUSALS = (
    "Le justificatif est illisible : envoyez-en un autre.",
    "Le justificatif ne couvre pas ces jours.",
    "Le justificatif ne concerne pas cet enfant.",
    "Le justificatif est arrivé trop tard.",
)


CERTIFICATE, WORD = "certificat", "parole"


class SeenForm(AbsenceDaysForm):
    """Days, when the paper was seen or the family told, and which of both."""

    paper = forms.ChoiceField(
        label="Ce qui a été donné",
        choices=[
            (CERTIFICATE, "Un certificat"),
            (WORD, "Pas de certificat : la famille a prévenu (téléphone, cahier)"),
        ],
        required=False,
    )
    given_at = MomentField(
        label="Vu ou dit le",
        help_text="Le moment où le certificat a été donné, ou dit par la famille : il compte pour le délai.",
    )
    prefix_names = {**AbsenceDaysForm.prefix_names, "given_at": "vu", "paper": "papier"}

    @property
    def only_told(self) -> bool:
        """Whether the family only told it."""
        return bool(self.is_bound and self.is_valid() and self.cleaned_data["paper"] == WORD)

    def clean_given_at(self) -> datetime:
        given: datetime = self.cleaned_data["given_at"]
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


def _sheet(request: HttpRequest, row: AbsenceCertificate) -> Sheet:
    return Sheet([family(request, row.household), child_of(request, row.child, row.household, None)])


to_do.register(
    to_do.Kind(
        key="justificatif",
        label="Justificatifs d'absence",
        model=AbsenceCertificate,
        order=25,
        rows=lambda: AbsenceCertificate.objects.filter(state=AbsenceCertificate.State.REQUESTED),
        since="given_at",
        title=Concat("child__first_name", Value(" "), "child__last_name", output_field=CharField()),
        about=Value("Justificatif d'absence", CharField()),
        facts=("days", "concerned", "proof_link", "given_shown"),
        sheet=_sheet,
    )
)


class WaitingCertificates(WaitingFirst):
    states = AbsenceCertificate.State


class FileOpens(TypedDict):
    """Whether who asks may open the certificates' files."""

    file_opens: bool


CertificateInList: TypeAlias = "WithAnnotations[AbsenceCertificate, FileOpens]"


@admin.register(AbsenceCertificate)
class AbsenceCertificateAdmin(
    HouseholdLink,
    StateBadge,
    AcceptOrRefuse[AbsenceCertificate],
    NumberSearch[AbsenceCertificate],
    Decidable[AbsenceCertificate],
    WithHistory[AbsenceCertificate],
    OwnPages[AbsenceCertificate],
):
    """Proofs of absence: those that families sent wait here, those seen at the desk are accepted at once."""

    desk_order = 24
    work_queues = (
        Queue(
            "Justificatifs d'absence à traiter",
            lambda request: AbsenceCertificate.objects.filter(state=AbsenceCertificate.State.REQUESTED),
            order=25,
            since="given_at",
        ),
    )
    desk_links = (
        DeskLink(
            "Saisir un justificatif",
            "reservations_absencecertificate_take",
            MAY_TAKE,
            "certificat d'absence vu au guichet",
        ),
    )
    list_display = ("child", "household_link", "days", "given_shown", "proof_link", "state_badge")
    list_display_links = ("child",)
    list_filter = (WaitingCertificates,)
    list_select_related = ("child", "household", "document")
    search_fields = ("child__folded",)
    search_help_text = "Nom de l'enfant ou numéro de foyer"
    ordering = ("given_at", "pk")
    refusals = REFUSALS
    refuse_title = "Refuser des justificatifs d'absence"
    fields = readonly_fields = (
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
    )

    def waits(self, obj: AbsenceCertificate) -> bool:
        return obj.state == AbsenceCertificate.State.REQUESTED

    def accept_rows(self, request: SignedInRequest, queryset: QuerySet[AbsenceCertificate]) -> None:
        done, left = [], 0
        for row in queryset:
            try:
                accepted = certificates.accept(row, by=request.user, at=timezone.now())
            except certificates.AlreadyAnswered:
                left += 1
            else:
                done.append(accepted.certificate)
                self._warn_of_presence(request, accepted)
        log_all(request, done, "Justificatif accepté.")
        self._say(request, counted(len(done), "justificatif accepté", "justificatifs acceptés"), left)

    def refuse_rows(
        self, request: SignedInRequest, queryset: QuerySet[AbsenceCertificate], reason: str
    ) -> None:
        done, left = [], 0
        for row in queryset:
            try:
                done.append(certificates.refuse(row, reason=reason, by=request.user, at=timezone.now()))
            except certificates.AlreadyAnswered:
                left += 1
        log_all(request, done, f"Justificatif refusé. Motif : {reason}")
        self._say(request, counted(len(done), "justificatif refusé", "justificatifs refusés"), left)

    def _say(self, request: SignedInRequest, text: str, left: int) -> None:
        if left:
            text += f", {counted(left, 'avait déjà sa réponse', 'avaient déjà leur réponse')}"
        self.message_user(request, f"{text}.", messages.WARNING if left else messages.SUCCESS)

    def _warn_of_presence(self, request: SignedInRequest, accepted: certificates.Accepted) -> None:
        if accepted.seen:
            days = moments.enumerate_days(accepted.seen)
            self.message_user(
                request,
                f"{accepted.certificate.child} est pointé présent ({days}) : rien n'y est changé,"
                " ces jours restent facturés.",
                messages.WARNING,
            )

    @admin.display(description="absence", ordering="first_day")
    def days(self, obj: AbsenceCertificate) -> str:
        return moments.span(obj.first_day, obj.last_day, year=True)

    @admin.display(description="donné le", ordering="given_at")
    def given_shown(self, obj: AbsenceCertificate) -> str:
        return moments.moment(obj.given_at, year=True)

    @admin.display(description="jours réservés")
    def concerned(self, obj: AbsenceCertificate) -> SafeString | str:
        found = missed_days.outlook_of(obj)
        said = format_html_join("<br>", "{}", [(line,) for line in missed_days.lines(found.days)])
        return said or "aucun jour réservé"

    def get_queryset(self, request: HttpRequest) -> QuerySet[CertificateInList]:
        answers = request.user.has_perm("reservations.change_absencecertificate")
        return super().get_queryset(request).annotate(file_opens=Value(answers))

    @admin.display(description="justificatif")
    def proof_link(self, obj: CertificateInList) -> SafeString | str:
        if obj.document is None:
            return "vu au guichet"
        return document_link(obj.document) if obj.file_opens else "reçu"

    # Seen at the desk -----------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("saisir/", wrap(self.take), name="reservations_absencecertificate_take"),
            path(
                "saisir/<int:custody>/",
                wrap(self.take_from),
                name="reservations_absencecertificate_take_from",
            ),
            *super().get_urls(),
        ]

    def take(self, request: SignedInRequest) -> HttpResponse:
        """Whose absence: a child, and which of its homes."""
        self.demand(request, MAY_TAKE)
        words = request.GET.get("q", "").strip()
        found = attendance.homes_of(words, among=known_homes(request.user, MAY_TAKE))
        context = {"words": words, "homes": found, "most": attendance.MOST_FOUND}
        return self.page(request, "admin/billing/absence_child.html", "Saisir un justificatif", context)

    @takes_files
    def take_from(self, request: SignedInRequest, custody: int) -> HttpResponse:
        """The days and the moment stand in the address; then what it changes, and « Accepter »."""
        self.demand(request, MAY_TAKE)
        homes = rights.seen_by(request.user, Custody.objects.select_related("child", "household"), MAY_TAKE)
        home = get_object_or_404(homes, pk=custody)
        names = SeenForm.prefix_names.values()
        asked = {name: request.GET[name] for name in names if name in request.GET}
        now = timezone.localtime()
        initial = {"first_day": now.date(), "last_day": now.date(), "given_at": now}
        days = SeenForm(asked if asked or request.method == "POST" else None, initial=initial)
        form = PaperForm()
        chosen = days.is_bound and days.is_valid() and self._fit(days, home)
        if chosen and request.method == "POST" and days.only_told:
            if self._note(request, home, days, form):
                return redirect("admin:reservations_absencecertificate_changelist")
        elif chosen and request.method == "POST":
            form = PaperForm(request.POST, request.FILES)
            if form.is_valid() and (taken := self._take(request, home, days, form)) is not None:
                messages.success(
                    request, "Le justificatif est enregistré et accepté. La famille est prévenue."
                )
                self._warn_of_presence(request, taken)
                return redirect("admin:reservations_absencecertificate_change", taken.certificate.pk)
        context = {"home": home, "days": days, "form": form, "outlook": None}
        if chosen:
            said = days.cleaned_data
            first, last = said["first_day"], said["last_day"]
            at = said["given_at"]
            if days.only_told:
                found = missed_days.told(home.household, home.child, first, last, at=at)
            else:
                found = missed_days.outlook(home.household, home.child, first, last, given=at)
            context["outlook"] = found
            context["lines"] = missed_days.lines(found.days)
        return self.page(request, "admin/billing/absence_take.html", "Saisir un justificatif", context)

    def _fit(self, days: SeenForm, home: Custody) -> bool:
        said = days.cleaned_data
        if days.only_told:
            return True
        try:
            certificates.check_days(
                home.household, home.child, said["first_day"], said["last_day"], timezone.localdate()
            )
        except certificates.AbsenceRefused as refusal:
            days.add_error(refusal.field or None, str(refusal))
        return days.is_valid()

    def _note(self, request: SignedInRequest, home: Custody, days: SeenForm, form: PaperForm) -> bool:
        said = days.cleaned_data
        try:
            noted = announcing.note(
                home.household,
                home.child,
                said["first_day"],
                said["last_day"],
                told_at=said["given_at"],
                by=request.user,
                at=timezone.now(),
            )
        except certificates.AbsenceRefused as refusal:
            days.add_error(None, str(refusal))
            return False
        messages.success(
            request,
            f"C'est noté : la famille a dit que {home.child} ne vient pas {moments.enumerate_days(noted)}.",
        )
        return True

    def _take(
        self, request: SignedInRequest, home: Custody, days: SeenForm, form: PaperForm
    ) -> certificates.Accepted | None:
        said = days.cleaned_data
        try:
            taken = certificates.take(
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
        except certificates.AbsenceRefused as refusal:
            form.add_error(None, str(refusal))
            return None
        log_all(request, [taken.certificate], "Justificatif saisi et accepté.")
        return taken
