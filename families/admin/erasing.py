"""The town hall's desk: what erasing would do, its confirmation, its certificate, and families' requests."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from families.desk_cells import DecidedBy, HouseholdLink
from families.desk_links import household_link, shown_to
from families.models import AlreadyAnswered, Child, Erasure, ErasureRequest, Household
from families.privacy import erasing, requests
from families.signing_in.asking_again import ask_again
from portal.desk.decisions import AcceptOrRefuse, Decidable, Decision
from portal.desk.lists import NumberSearch, StateBadge, WaitingFirst
from portal.desk.pages import OwnPages, ShownOnly
from portal.desk.site import Queue
from portal.french.plurals import counted
from portal.web.signed_in import SignedInRequest

REFUSALS = (
    "Une facture reste à payer : nous effacerons vos données quand elle sera réglée.",
    "Vos enfants fréquentent encore nos services : nous avons besoin de ces données pour les accueillir.",
    "L'autre responsable du foyer n'est pas d'accord : venez nous voir ensemble.",
)
# What the page of a household asks for; of what a family asks to be erased, who answers sees the names.
NEEDS = {"household_link": ("families.view_household",)}


def _names(household: Household) -> str:
    """« Camille Roux, Alix Roux »: by whom a family is recognised."""
    return ", ".join(str(guardian) for guardian in household.guardians.all())


class ConfirmForm(forms.Form):
    """The number typed once more: nothing brings back what is erased."""

    number = forms.CharField(label="Recopiez le numéro", max_length=12)

    def __init__(self, *args: Any, wanted: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wanted = wanted

    def clean_number(self) -> str:
        typed: str = self.cleaned_data["number"].strip()
        if typed.lstrip("0") != self.wanted.lstrip("0"):
            raise forms.ValidationError(f"Recopiez le numéro {self.wanted} pour confirmer.")
        return typed


@admin.register(Erasure)
class ErasureAdmin(OwnPages[Erasure], ShownOnly[Erasure]):
    """What was erased, by number; each line has its certificate, to print."""

    desk_order = 82
    list_display = ("at", "kind", "number", "why", "by", "certificate")
    list_display_links = ("at",)
    list_filter = ("kind", "why")
    list_select_related = ("by",)
    fields = readonly_fields = (
        "reference",
        "kind",
        "number",
        "why",
        "at",
        "by",
        "gone_lines",
        "kept_lines",
        "certificate",
    )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("foyer/<int:household>/", wrap(self.household), name="families_erasure_household"),
            path("enfant/<int:child>/", wrap(self.child), name="families_erasure_child"),
            path("<int:pk>/attestation/", wrap(self.print_certificate), name="families_erasure_certificate"),
        ]
        return [*own, *super().get_urls()]

    def household(self, request: SignedInRequest, household: int) -> HttpResponse:
        home = get_object_or_404(Household.objects.filter(erased_at=None, joined_to=None), pk=household)
        asked = ErasureRequest.objects.filter(household=home, state=ErasureRequest.State.REQUESTED).first()

        def erase() -> Erasure:
            if asked is not None:
                return requests.grant(asked, by=request.user, at=timezone.now())
            refused = home.state == Household.State.REFUSED
            why = Erasure.Why.REFUSED if refused else Erasure.Why.DESK
            leaving = erasing.household_leaving(home)
            return erasing.erase(leaving, why=why, by=request.user, at=timezone.now())

        title = f"Effacer le foyer n°\xa0{home.number}"
        known = request.user.has_perm("families.view_household")
        context = {
            "back": household_link(home.pk) if known else home.number,
            "asked": asked,
            "number": home.number,
            "names": _names(home),
        }
        return self._confirm(request, title, erasing.household_leaving(home), erase, context)

    def child(self, request: SignedInRequest, child: int) -> HttpResponse:
        """A child that left, whose family stays."""
        row = get_object_or_404(Child.objects.filter(erased_at=None, joined_to=None), pk=child)
        leaving = erasing.child_leaving(row)

        def erase() -> Erasure:
            return erasing.erase(leaving, why=Erasure.Why.DESK, by=request.user, at=timezone.now())

        url = reverse("admin:families_child_change", args=[row.pk])
        context = {
            "back": format_html('<a href="{}">{}</a>', url, row),
            "asked": None,
            "number": str(row.pk),
            "names": "",
        }
        return self._confirm(request, f"Effacer {row}", leaving, erase, context)

    def _confirm(
        self,
        request: SignedInRequest,
        title: str,
        leaving: erasing.Leaving,
        erase: Callable[[], Erasure],
        context: dict[str, Any],
    ) -> HttpResponse:
        """The preview, whoever may see it; the act, for who may erase and proved it again."""
        self.demand(request, "families.view_erasurerequest")
        if context["asked"] is None:  # whom a family's own request shows, is seen with that right
            self.demand(request, "families.view_household")
        if request.method == "POST":
            self.demand(request, "families.add_erasure")
        form = ConfirmForm(request.POST or None, wanted=context["number"])
        foreseen = erasing.foresee(leaving, at=timezone.now())
        if form.is_valid():
            ask_again(request)
            try:
                done = erase()
            except (erasing.ErasureRefused, AlreadyAnswered) as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, "C'est effacé. Voici l'attestation, à remettre ou à envoyer.")
                return redirect("admin:families_erasure_certificate", done.pk)
        may = request.user.has_perm("families.add_erasure")
        given = {"form": form, "foreseen": foreseen, "may_erase": may} | context
        return self.page(request, "admin/families/erase.html", title, given)

    def print_certificate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """« Attestation d'effacement »: a page made for paper."""
        self.demand(request, "families.view_erasure")
        done = get_object_or_404(Erasure.objects.select_related("by"), pk=pk)
        return self.page(
            request, "admin/families/erasure_certificate.html", "Attestation d'effacement", {"done": done}
        )

    @admin.display(description="numéro", ordering="subject")
    def number(self, obj: Erasure) -> str:
        return f"{obj}"

    @admin.display(description="effacé")
    def gone_lines(self, obj: Erasure) -> SafeString:
        return format_html_join(" · ", "{}", ((line,) for line in obj.gone))

    @admin.display(description="conservé")
    def kept_lines(self, obj: Erasure) -> SafeString | str:
        return format_html_join(" · ", "{}", ((line,) for line in obj.kept)) or "rien"

    @admin.display(description="attestation")
    def certificate(self, obj: Erasure) -> SafeString:
        url = reverse("admin:families_erasure_certificate", args=[obj.pk])
        return format_html('<a href="{}">Imprimer l’attestation</a>', url)


class WaitingRequests(WaitingFirst):
    states = ErasureRequest.State


@admin.register(ErasureRequest)
class ErasureRequestAdmin(
    HouseholdLink,
    DecidedBy,
    StateBadge,
    AcceptOrRefuse[ErasureRequest],
    NumberSearch[ErasureRequest],
    Decidable[ErasureRequest],
):
    """Families that ask to be erased: each is looked at on its own page, none is granted from the list."""

    desk_order = 6
    work_queues = (
        Queue(
            "Demandes d'effacement à traiter",
            lambda request: ErasureRequest.objects.filter(state=ErasureRequest.State.REQUESTED),
            order=25,
            since="requested_at",
            late_after=timedelta(days=21),
            hint="réponse sous un mois",
        ),
    )
    list_display = ("requested_at", "household_link", "family", "words", "state_badge", "preview")
    list_display_links = ("requested_at",)
    list_filter = (WaitingRequests,)
    list_select_related = ("household",)
    search_fields = ("household__guardians__folded",)
    search_help_text = "Nom d'un responsable ou numéro de foyer"
    ordering = ("requested_at", "pk")
    actions = ("refuse_selected",)
    decisions = (Decision("refuse_selected", "Refuser…"),)
    refusals = REFUSALS
    refuse_title = "Refuser des demandes d'effacement"
    fields = readonly_fields = (
        "household_link",
        "family",
        "state_badge",
        "words",
        "requested_by",
        "requested_at",
        "preview",
        "decided_by_name",
        "decided_at",
        "refusal_reason",
    )

    def get_list_display(self, request: HttpRequest) -> Any:
        return shown_to(request.user, super().get_list_display(request), NEEDS)

    def get_fields(self, request: HttpRequest, obj: ErasureRequest | None = None) -> Any:
        return shown_to(request.user, super().get_fields(request, obj), NEEDS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ErasureRequest]:
        return super().get_queryset(request).prefetch_related("household__guardians")

    @admin.display(description="famille")
    def family(self, obj: ErasureRequest) -> str:
        return _names(obj.household) or obj.household.number

    def waits(self, obj: ErasureRequest) -> bool:
        return obj.state == ErasureRequest.State.REQUESTED

    def refuse_rows(self, request: SignedInRequest, queryset: QuerySet[ErasureRequest], reason: str) -> None:
        refused = 0
        for row in queryset:
            try:
                requests.refuse(row, reason=reason, by=request.user, at=timezone.now())
                refused += 1
            except AlreadyAnswered as answered:
                messages.warning(request, str(answered))
        self.message_user(request, f"{counted(refused, 'demande refusée', 'demandes refusées')}.")

    @admin.display(description="suite")
    def preview(self, obj: ErasureRequest) -> SafeString | str:
        if not self.waits(obj):
            return "–"
        url = reverse("admin:families_erasure_household", args=[obj.household_id])
        return format_html('<a href="{}">Voir ce qui serait effacé, puis effacer</a>', url)
