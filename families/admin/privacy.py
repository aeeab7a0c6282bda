"""The town hall's desk for what the law owes people of their data: copies handed over at the counter."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from families.desk_cells import HouseholdLink
from families.desk_links import household_link
from families.models import DataExport, Guardian, Household, Reading, RetentionRule
from families.privacy import asking, exporting, nights, retention
from families.signing_in.asking_again import ask_again
from families.traces import reading
from portal.desk.lists import StateBadge
from portal.desk.pages import OwnPages, ShownOnly
from portal.files.handing_over import hand_over
from portal.french.plurals import counted
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest

CHANGED = "Ce que cette personne peut voir a changé depuis cette copie : préparez-en une nouvelle."
LOST = "Ce fichier n'est plus disponible : préparez une nouvelle copie."


class CopyForm(forms.Form):
    """For whom, and whether the service's notes were read over."""

    guardian = forms.ModelChoiceField(
        Guardian.objects.none(), label="Pour qui", empty_label=None, widget=forms.RadioSelect
    )
    with_notes = forms.BooleanField(
        label="Joindre les notes du service",
        required=False,
        help_text="Relisez-les d'abord : elles ne doivent parler que de cette famille.",
    )

    def __init__(self, *args: Any, household: Household, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = field_of(self, "guardian", forms.ModelChoiceField)
        choice.queryset = household.guardians.all()
        choice.initial = choice.queryset.first()


@admin.register(DataExport)
class DataExportAdmin(HouseholdLink, StateBadge, OwnPages[DataExport], ShownOnly[DataExport]):
    """Copies of data; the desk opens only those that it made itself."""

    desk_order = 7
    list_display = ("asked_at", "household_link", "guardian", "at_desk", "state_badge", "expires_at", "copy")
    list_display_links = ("asked_at",)
    list_filter = ("state", "at_desk")
    list_select_related = ("guardian", "household")
    tints = {"waiting": "pending", "ready": "accepted", "failed": "refused"}
    fields = readonly_fields = (
        "household_link",
        "guardian",
        "at_desk",
        "with_notes",
        "state_badge",
        "asked_by",
        "asked_at",
        "ready_at",
        "expires_at",
        "copy",
    )

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "foyer/<int:household>/",
                self.admin_site.admin_view(self.of_household),
                name="families_dataexport_household",
            ),
            path(
                "<int:pk>/telecharger/",
                self.admin_site.admin_view(self.download),
                name="families_dataexport_download",
            ),
        ]
        return [*own, *super().get_urls()]

    def of_household(self, request: SignedInRequest, household: int) -> HttpResponse:
        """« Remettre à une famille ses données »: choose the person, prepare, hand over."""
        self.demand(request, "families.view_household", "families.add_dataexport")
        home = get_object_or_404(Household.objects.filter(erased_at=None, joined_to=None), pk=household)
        form = CopyForm(request.POST or None, household=home)
        now = timezone.now()
        if form.is_valid():
            ask_again(request)
            guardian = form.cleaned_data["guardian"]
            asking.ask(
                guardian,
                by=request.user,
                at=now,
                at_desk=True,
                with_notes=form.cleaned_data["with_notes"],
            )
            reading.note(request, Reading.Kind.FAMILY_DATA, household=home, what="Copie préparée")
            messages.success(request, "La copie est en préparation : elle paraît ici dès qu'elle est prête.")
            return redirect("admin:families_dataexport_household", home.pk)
        copies = home.data_exports.filter(at_desk=True).select_related("guardian")[:10]
        return self.page(
            request,
            "admin/families/data_copy.html",
            f"Données du foyer n°\xa0{home.number}",
            {
                "form": form,
                "household": home,
                "household_link": household_link(home.pk),
                "copies": [(copy, copy.is_ready and _still_there(copy)) for copy in copies],
                "kept_for": retention.in_words(retention.rule("exports")),
            },
        )

    def download(self, request: SignedInRequest, pk: int) -> HttpResponse | FileResponse:
        """A copy made at the counter; what a family asked for itself is not opened here."""
        self.demand(request, "families.view_household", "families.add_dataexport")
        export = get_object_or_404(
            DataExport.objects.select_related("guardian__user", "guardian__household", "household"), pk=pk
        )
        if not (export.at_desk and export.is_ready and _still_there(export)):
            raise Http404
        ask_again(request)
        back = redirect("admin:families_dataexport_household", export.household_id)
        if not exporting.still_fits(export):
            messages.warning(request, CHANGED)
            return back
        try:
            file = export.file.open("rb")
        except OSError:
            messages.error(request, LOST)
            return back
        reading.note(request, Reading.Kind.FAMILY_DATA, household=export.household, what="Copie remise")
        return hand_over(file, exporting.file_name(export))

    @admin.display(description="copie")
    def copy(self, obj: DataExport) -> SafeString | str:
        if not obj.at_desk:
            return "remise à la famille seule"
        if not (obj.is_ready and _still_there(obj)):
            return "–"
        url = reverse("admin:families_dataexport_download", args=[obj.pk])
        return format_html('<a href="{}">Télécharger</a>', url)


def _still_there(export: DataExport) -> bool:
    return export.expires_at is not None and export.expires_at > timezone.now()


# How long -------------------------------------------------------------------------------------------------


class RuleForm(forms.ModelForm[RetentionRule]):
    class Meta:
        model = RetentionRule
        fields = ("duration", "unit", "active", "needs_visa", "source")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        kind = retention.kind_of(self.instance.kind)
        typed = RetentionRule(duration=cleaned.get("duration") or 0, unit=cleaned.get("unit") or "years")
        if kind is not None and retention.is_shorter(typed, kind.least_years):
            self.add_error("duration", f"La loi fait garder ces données {kind.least_years} ans au moins.")
        if cleaned.get("needs_visa") and kind is not None and not kind.dated_by:
            self.add_error(
                "needs_visa",
                "Ces données s'effacent sans visa : aucun bordereau ne peut les décrire.",
            )
        return cleaned


@admin.register(RetentionRule)
class RetentionRuleAdmin(OwnPages[RetentionRule]):
    """How long each kind of data is kept; the page « Données personnelles » says the same."""

    desk_order = 80
    list_display = ("label", "kept_for", "since", "active", "needs_visa")
    list_display_links = ("label",)
    form = RuleForm
    fields = ("label", "since", "duration", "unit", "active", "needs_visa", "source", "over")
    readonly_fields = ("label", "since", "over")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[RetentionRule]:
        # A kind that no app knows any more has nothing to say.
        return super().get_queryset(request).filter(kind__in=[kind.code for kind in retention.kinds()])

    @admin.display(description="nature", ordering="kind")
    def label(self, obj: RetentionRule) -> str:
        kind = retention.kind_of(obj.kind)
        return kind.label if kind else obj.kind

    @admin.display(description="conservée", ordering="duration")
    def kept_for(self, obj: RetentionRule) -> str:
        return retention.in_words(obj)

    @admin.display(description="comptée")
    def since(self, obj: RetentionRule) -> str:
        kind = retention.kind_of(obj.kind)
        return kind.since if kind else "–"

    @admin.display(description="ce que ferait cette nuit")
    def over(self, obj: RetentionRule) -> str:
        kind = retention.kind_of(obj.kind)
        count = nights.foresee(kind, at=timezone.now()) if kind else 0
        return counted(count, "élément concerné", "éléments concernés")
