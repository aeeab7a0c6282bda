"""Texts to accept at the desk: the texts and their versions, what families answered or signed on paper."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from families.desk_cells import HouseholdLink
from families.models import AskedText, Child, Household, TextAnswer, TextVersion, in_force
from families.texts import accepting
from portal.desk import previews, rights
from portal.desk.columns import TypedColumns
from portal.desk.lists import NumberSearch
from portal.desk.pages import OwnPages, ShownOnly, WithHistory, log_all
from portal.desk.previews import Preview, ShowsPreview, Table, Typed
from portal.files import uploads
from portal.french import moments
from portal.french.day_fields import DayField
from portal.french.plurals import counted
from portal.web.signed_in import SignedInRequest


class VersionForm(forms.ModelForm[TextVersion]):
    class Meta:
        model = TextVersion
        fields = ("starts_on", "body", "file")
        widgets = {"body": forms.Textarea(attrs={"rows": 8})}

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if isinstance(file, UploadedFile) and uploads.check(file) != "application/pdf":
            raise forms.ValidationError("Joignez un PDF.")
        return file


class VersionInline(TypedColumns, admin.StackedInline[TextVersion, AskedText]):
    """A next version has its own day; one that families answered stays as they read it."""

    model = TextVersion
    form = VersionForm
    extra = 0
    fields = ("starts_on", "body", "file")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (
            obj is not None and TextAnswer.objects.filter(version__text=obj).exists()
        )


@admin.register(AskedText)
class AskedTextAdmin(ShowsPreview[AskedText], WithHistory[AskedText]):
    """What families read and accept; which activities ask for it stands on their own pages."""

    desk_order = 27
    takes_files = True  # a version as a PDF
    list_display = ("name", "about", "need", "everywhere", "active", "order")
    list_filter = ("about", "need", "active")
    search_fields = ("name", "code")
    inlines = (VersionInline,)
    prepopulated_fields = {"code": ("name",)}
    fields = ("name", "code", "purpose", "about", "need", "everywhere", "active", "order")

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        # A code that the town's file names does not follow a name that changes.
        return {} if obj else dict(self.prepopulated_fields)

    def preview(self, typed: Typed[AskedText], request: HttpRequest, at: datetime) -> Preview:
        """From when to when families are asked which version, and how many have answered it."""
        row = typed.row
        versions = sorted(typed.rows(TextVersion) or (), key=lambda one: one.starts_on)
        counted_ = dict(
            TextAnswer.objects.filter(version__in=[one.pk for one in versions if one.pk])
            .order_by()
            .values_list("version")
            .annotate(many=Count("household", distinct=True))
        )
        shown = []
        for place, one in enumerate(versions):
            last = versions[place + 1].starts_on - timedelta(days=1) if place + 1 < len(versions) else None
            days = (
                moments.span(one.starts_on, last, year=True)
                if last
                else f"à partir du {moments.day(one.starts_on, year=True)}"
            )
            many = counted_.get(one.pk, 0)
            said = (
                f"{counted(many, 'foyer a répondu', 'foyers ont répondu')}"
                if many
                else "chaque foyer répond de nouveau"
                if place
                else "chaque foyer répond"
            )
            shown.append(previews.row(days.capitalize(), row.get_need_display(), said))
        whom = "toutes les familles" if row.everywhere else "les familles des activités qui le demandent"
        off = ["Le texte n'est pas demandé : « demandé » n'est pas coché."] if not row.active else []
        heads = ("Quand", "Ce qui attend la réponse", "Réponses")
        return Preview(
            [f"« {row} », lu par {whom}. {row.get_about_display()}."],
            notes=off,
            tables=[
                Table("Version après version", heads, shown, none="Aucune version : rien n'est demandé.")
            ],
        )


class SignedForm(forms.Form):
    """What a family signed on paper."""

    what = forms.ChoiceField(label="Texte")
    accepted = forms.ChoiceField(
        label="Réponse",
        choices=[("oui", "Accepté"), ("non", "Non (consentement libre)")],
        initial="oui",
        widget=forms.RadioSelect,
    )
    signed_on = DayField(label="Signé le")

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["what"] = forms.ChoiceField(label="Texte", choices=choices)


@admin.register(TextAnswer)
class TextAnswerAdmin(HouseholdLink, NumberSearch[TextAnswer], ShownOnly[TextAnswer], OwnPages[TextAnswer]):
    """Which version, who, when; the latest answer of a family counts, and none changes."""

    desk_order = 28
    list_display = ("version", "household_link", "child", "said", "answered", "by_name", "signed_on")
    list_display_links = ("version",)
    list_filter = ("accepted", "version__text")
    list_select_related = ("version__text", "child", "household")
    search_fields = ("child__folded", "household__guardians__folded")
    search_help_text = "Nom d'un enfant ou d'un responsable, ou numéro de foyer"
    ordering = ("-pk",)
    fields = readonly_fields = (
        "version",
        "household_link",
        "child",
        "said",
        "answered",
        "by_name",
        "signed_on",
    )

    @admin.display(description="réponse", ordering="accepted")
    def said(self, obj: TextAnswer) -> str:
        return "oui" if obj.accepted else "non"

    @admin.display(description="le", ordering="at")
    def answered(self, obj: TextAnswer) -> str:
        return moments.moment(obj.at, year=True)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.note)
        return [path("noter/<int:household>/", view, name="families_textanswer_note"), *super().get_urls()]

    def note(self, request: SignedInRequest, household: int) -> HttpResponse:
        """What was signed at the counter: of the household, or of a child that lives there."""
        self.demand(request, accepting.RIGHT)
        at = timezone.now()
        today = timezone.localdate(at)
        kept = Household.objects.filter(erased_at=None, joined_to=None)
        home = get_object_or_404(rights.seen_by(request.user, kept, accepting.RIGHT), pk=household)
        living = Child.objects.living_in(home, today).order_by("birth_date", "pk")
        children = {child.pk: child for child in rights.seen_by(request.user, living, accepting.RIGHT)}
        versions = in_force(today)
        choices = [
            (
                f"{version.pk}:{child.pk if child else ''}",
                f"{child.first_name if child else 'Le foyer'} : {version.text}",
            )
            for version in versions.values()
            for child in (children.values() if version.text.is_childs else (None,))
        ]
        posted = request.POST if request.method == "POST" else None
        form = SignedForm(posted, choices=choices, initial={"signed_on": today})
        if posted is not None and form.is_valid():
            said = form.cleaned_data
            chosen, _, child = said["what"].partition(":")
            version = next(one for one in versions.values() if one.pk == int(chosen))
            try:
                made = accepting.note(
                    home,
                    version,
                    children[int(child)] if child else None,
                    accepted=said["accepted"] == "oui",
                    signed_on=said["signed_on"],
                    by=request.user,
                    at=at,
                )
            except accepting.AnswerRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                log_all(request, made, "Réponse signée sur papier, notée.")
                messages.success(request, f"{version.text} : la réponse du foyer est notée.")
                return redirect(reverse("admin:families_textanswer_changelist"))
        context = {"home": home, "form": form, "choices": choices}
        return self.page(request, "admin/families/text_note.html", "Noter un texte signé", context)
