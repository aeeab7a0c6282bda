"""The desk's queue of accesses that wait: who asked, who is told, and « Confirmer » for a second agent."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from families.custody import openings
from families.desk_cells import HouseholdLink
from families.models import AccessOpening, AlreadyAnswered
from portal.desk.decisions import Decidable, Decision
from portal.desk.lists import NumberSearch, StateBadge, WaitingFirst
from portal.desk.pages import log_all
from portal.desk.site import Queue
from portal.french import moments
from portal.web.signed_in import SignedInRequest, user_of


class WaitingOpenings(WaitingFirst):
    states = AccessOpening.State
    waiting = AccessOpening.State.WAITING


@admin.register(AccessOpening)
class AccessOpeningAdmin(HouseholdLink, StateBadge, NumberSearch[AccessOpening], Decidable[AccessOpening]):
    """Logins and second homes that somebody asked for: nobody confirms what he asked for himself."""

    desk_order = 5
    work_queues = (
        Queue(
            "Accès à confirmer",
            lambda request: (
                AccessOpening.objects.waiting().filter(confirmed="").exclude(asked_by=user_of(request))
            ),
            order=15,
            since="asked_at",
            late_after=timedelta(days=2),
            hint="Demandés par un collègue : vérifiez qui demande, puis confirmez.",
        ),
    )
    list_display = ("kind", "whom", "household_link", "asked_by_name", "asked_at", "state_badge")
    list_display_links = ("kind", "whom")
    list_filter = (WaitingOpenings, "kind")
    list_select_related = ("guardian", "child", "household")
    search_fields = ("guardian__folded", "child__folded", "address")
    search_help_text = "Nom, adresse e-mail ou numéro de foyer"
    ordering = ("-asked_at", "-pk")
    actions = ("confirm_selected", "refuse_selected", "cancel_selected")
    decisions = (
        Decision("confirm_selected", "Confirmer", main=True),
        Decision("refuse_selected", "Refuser"),
        Decision("cancel_selected", "Annuler ma demande"),
    )
    tints = {"waiting": "requested", "open": "accepted", "expected": "draft"}
    fields = readonly_fields = (
        "kind",
        "whom",
        "household_link",
        "address",
        "former_address",
        "state_badge",
        "asked_by_name",
        "asked_at",
        "letters_left_at",
        "expires_at",
        "agreed_at",
        "next_step",
        "answered_by_name",
        "answered_at",
        "confirmed",
    )

    def waits(self, obj: AccessOpening) -> bool:
        return obj.waits

    @admin.display(description="pour qui")
    def whom(self, obj: AccessOpening) -> str:
        return str(obj.guardian or obj.child)

    @admin.display(description="et ensuite")
    def next_step(self, obj: AccessOpening) -> str:
        return next_step(obj)

    @admin.action(description="Confirmer", permissions=["decide"])
    def confirm_selected(self, request: SignedInRequest, queryset: QuerySet[AccessOpening]) -> None:
        self._each(request, queryset, openings.confirm, "confirmé", "Accès confirmé.")

    @admin.action(description="Refuser", permissions=["decide"])
    def refuse_selected(self, request: SignedInRequest, queryset: QuerySet[AccessOpening]) -> None:
        self._each(request, queryset, openings.refuse, "refusé", "Accès refusé.")

    @admin.action(description="Annuler ma demande", permissions=["decide"])
    def cancel_selected(self, request: SignedInRequest, queryset: QuerySet[AccessOpening]) -> None:
        self._each(request, queryset, openings.cancel, "annulé", "Demande d'accès annulée.")

    def _each(
        self,
        request: SignedInRequest,
        queryset: QuerySet[AccessOpening],
        answer: Callable[..., AccessOpening],
        done_as: str,
        noted: str,
    ) -> None:
        for row in queryset:
            name = self.name_of(row)
            try:
                done = answer(row, by=request.user, at=timezone.now())
            except (openings.OpeningRefused, AlreadyAnswered) as refusal:
                messages.error(request, f"{name} : {refusal}")
            else:
                log_all(request, [done, done.household], noted)
                messages.success(request, f"{name} : {done_as}.")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)


def next_step(opening: AccessOpening) -> str:
    """Who may still confirm, or when it opens by itself."""
    if not opening.waits:
        return "–"
    if opening.expires_at is not None and opening.agreed_at is None and opening.confirmed:
        until = moments.moment(opening.expires_at, year=True)
        return f"Attend la réponse de la personne invitée, jusqu'au {until}."
    if opening.letters_left_at is None:
        return "Les messages partent : le délai commence ensuite."
    waits_for: list[str] = [
        *(["un responsable déjà connu"] if openings.may_confirm(opening).exists() else []),
        *(["un second agent"] if openings.second_agents(opening) else []),
    ]
    if waits_for:
        return f"Attend {' ou '.join(waits_for)}."
    if opening.is_invitation and opening.agreed_at is None:
        return "Attend la réponse de la personne invitée."
    opens: Any = openings.opens_by_time(opening)
    return f"Personne d'autre ne peut confirmer : s'ouvre {moments.moment(opens, year=True)}."
