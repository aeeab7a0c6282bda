"""What agents note of a household: written from its page, changed, withdrawn, « Vu »."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from families import notes
from families.desk_cells import HouseholdLink
from families.desk_links import household_page
from families.models import Child, Household, HouseholdNote
from families.notes import ADD, CHANGE, LOOK
from portal.desk import rights
from portal.desk.lists import NumberSearch
from portal.desk.pages import OwnPages, ShownOnly, WithHistory
from portal.french import moments
from portal.french.dates import short_day
from portal.french.day_fields import DayField
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest, user_of

HELP = (
    "Pour vos collègues. Aucun mot sur la santé : il a sa place dans la fiche sanitaire. Restez factuel : "
    "c'est une donnée de la famille, qui peut en demander copie."
)


class NoteForm(forms.Form):
    """What is noted, of whom, and until when it is an alert."""

    text = forms.CharField(
        label="Note",
        widget=forms.Textarea(attrs={"rows": 4}),
        max_length=notes.TEXT_LENGTH,
        help_text=HELP,
        error_messages={"required": "Écrivez la note."},
    )
    child = forms.ModelChoiceField(
        label="Enfant", queryset=Child.objects.none(), required=False, empty_label="Tout le foyer"
    )
    alert_until = DayField(
        label="À montrer en alerte jusqu'au",
        required=False,
        help_text="Vide : une simple note. Sinon elle s'ouvre en tête de la fiche du foyer jusqu'à ce jour.",
    )

    def __init__(self, *args: Any, children: QuerySet[Child], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field_of(self, "child", forms.ModelChoiceField).queryset = children


class Alerts(admin.SimpleListFilter):
    """Those that stand, those that alert, those withdrawn."""

    title = "état"
    parameter_name = "etat"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("alerte", "En alerte"), ("retirees", "Retirées")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "alerte":
                alerting = HouseholdNote.objects.alerting(timezone.localdate())
                return queryset.filter(pk__in=alerting.values("pk"))
            case "retirees":
                return queryset.exclude(withdrawn_at=None)
        return queryset


@admin.register(HouseholdNote)
class HouseholdNoteAdmin(
    HouseholdLink,
    NumberSearch[HouseholdNote],
    WithHistory[HouseholdNote],
    ShownOnly[HouseholdNote],
    OwnPages[HouseholdNote],
):
    """Written by its own pages only, whose verbs keep who did what."""

    desk_order = 28
    list_display = ("said", "household_link", "child", "until", "by_name", "written", "withdrawn")
    list_display_links = ("said",)
    list_filter = (Alerts,)
    list_select_related = ("household", "child")
    search_fields = ("household__guardians__folded",)
    search_help_text = "Nom d'un responsable, ou numéro de foyer"
    ordering = ("-at", "-pk")
    fields = readonly_fields = (
        "said",
        "household_link",
        "child",
        "until",
        "by_name",
        "written",
        "changed_at",
        "withdrawn",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[HouseholdNote]:
        """None of the own household: colleagues wrote them for one another."""
        return notes.read_by(user_of(request), super().get_queryset(request), timezone.now())

    def has_view_permission(self, request: HttpRequest, obj: HouseholdNote | None = None) -> bool:
        if obj is not None and obj.household_id in notes.kept_from(user_of(request), timezone.now()):
            return False
        return super().has_view_permission(request, obj)

    # Cells ------------------------------------------------------------------------------------------------

    @admin.display(description="note")
    def said(self, obj: HouseholdNote) -> str:
        return str(obj.text)

    @admin.display(description="en alerte jusqu'au", ordering="alert_until")
    def until(self, obj: HouseholdNote) -> str:
        return short_day(obj.alert_until, year=True) if obj.alert_until else "–"

    @admin.display(description="écrite le", ordering="at")
    def written(self, obj: HouseholdNote) -> str:
        return moments.moment(obj.at, year=True)

    @admin.display(description="retirée")
    def withdrawn(self, obj: HouseholdNote) -> str:
        if obj.withdrawn_at is None:
            return "–"
        return f"{moments.moment(obj.withdrawn_at, year=True)}, par {obj.withdrawn_by_name}"

    # Its own pages ------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("foyer/<int:household>/", wrap(self.write), name="families_householdnote_write"),
            path("<int:pk>/modifier/", wrap(self.alter), name="families_householdnote_alter"),
            path(
                "<int:pk>/retirer/",
                wrap(require_POST(self.withdraw)),
                name="families_householdnote_withdraw",
            ),
            path("<int:pk>/vu/", wrap(require_POST(self.see)), name="families_householdnote_see"),
            *super().get_urls(),
        ]

    def write(self, request: SignedInRequest, household: int) -> HttpResponse:
        """A new note on a household, or on a child that lives there."""
        self.demand(request, ADD)
        there = Household.objects.filter(erased_at=None, joined_to=None)
        home = get_object_or_404(rights.seen_by(request.user, there, ADD), pk=household)
        return self._form(request, home, None, "Noter sur ce foyer")

    def alter(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """Its words, its child, its alert."""
        found = self._note(request, pk, CHANGE)
        return self._form(request, found.household, found, "Modifier la note")

    def _form(
        self, request: SignedInRequest, home: Household, note: HouseholdNote | None, title: str
    ) -> HttpResponse:
        at = timezone.now()
        right = CHANGE if note else ADD
        living = Child.objects.living_in(home, timezone.localdate(at)).order_by("birth_date", "pk")
        children = rights.seen_by(request.user, living, right)
        if note is not None and note.child_id is not None:
            # It has left the home: what is noted of it does not become the whole home's.
            children = Child.objects.filter(Q(pk__in=children.values("pk")) | Q(pk=note.child_id))
        known = {"text": note.text, "child": note.child_id, "alert_until": note.alert_until} if note else None
        form = NoteForm(request.POST or None, children=children, initial=known)
        back = household_page(home.pk)
        if request.method == "POST" and form.is_valid():
            said = (form.cleaned_data["child"], form.cleaned_data["text"], form.cleaned_data["alert_until"])
            try:
                if note is None:
                    notes.write(home, *said, by=request.user, at=at)
                else:
                    notes.change(note, *said, by=request.user, at=at)
            except notes.NoteRefused as refusal:
                form.add_error(refusal.field or None, str(refusal))
            else:
                messages.success(request, "La note est enregistrée. La famille ne la voit pas.")
                return redirect(back)
        context = {"form": form, "button": "Enregistrer", "back": back, "lead": str(home)}
        return self.page(request, "admin/families/form.html", title, context)

    def withdraw(self, request: SignedInRequest, pk: int) -> HttpResponse:
        found = self._note(request, pk, CHANGE)
        try:
            notes.withdraw(found, by=request.user, at=timezone.now())
        except notes.NoteRefused as refusal:
            messages.warning(request, str(refusal))
        else:
            messages.success(request, "La note est retirée. La liste des notes la garde.")
        return redirect(household_page(found.household_id))

    def see(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """« Vu »: the alert goes for who read it, and stays for colleagues."""
        found = self._note(request, pk, *LOOK)
        notes.see(found, by=request.user, at=timezone.now())
        return redirect(household_page(found.household_id))

    def _note(self, request: SignedInRequest, key: int, *needed: str) -> HouseholdNote:
        if not any(request.user.has_perm(right) for right in needed):
            raise PermissionDenied
        rows = notes.read_by(
            request.user, HouseholdNote.objects.select_related("household", "child"), timezone.now()
        )
        return get_object_or_404(rights.seen_by(request.user, rows, *needed), pk=key)


def note_page(household: int) -> str:
    """The address of the page that writes a note on a household."""
    return reverse("admin:families_householdnote_write", args=[household])
