"""Members of staff at the desk: their factors and sessions, and the end of their functions."""

from collections.abc import Sequence
from typing import Any, TypeAlias, TypedDict

import allauth.mfa.admin
import allauth.usersessions.admin  # noqa: F401  # registered first, then taken out
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django_stubs_ext import WithAnnotations

from families.models import Guardian, StaffMember
from families.signing_in import factors, leaving
from families.signing_in.asking_again import asks_again
from portal.desk.decisions import Decidable, Decision, confirm_page
from portal.desk.pages import log_all
from portal.desk.site import PortalAdminSite
from portal.french.plurals import counted
from portal.web.signed_in import SignedInRequest

# Theirs show the secret of a factor and the key of a session.
admin.site.unregister([Authenticator, UserSession])


class WhyForm(forms.Form):
    """Why it is done; it stays in the security log."""

    reason = forms.CharField(
        label="Motif",
        max_length=150,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Il reste dans le journal de sécurité. 150 caractères au plus.",
        error_messages={"required": "Indiquez le motif."},
    )


class Factors(TypedDict):
    applications: int
    passkeys: int


def _enrolled(kind: str) -> Count:
    return Count("authenticator", filter=Q(authenticator__type=kind), distinct=True)


StaffInList: TypeAlias = "WithAnnotations[StaffMember, Factors]"


@admin.register(StaffMember)
class StaffMemberAdmin(Decidable[StaffMember]):
    """Who enters the desk. Rights are given elsewhere; here they end."""

    desk_order = 8
    # Who works here and what one may do: no file of it leaves the portal.
    exports = False
    list_display = ("login_name", "full_name", "roles", "factors_here", "last_login")
    list_display_links = ("login_name",)
    search_fields = ("username", "first_name", "last_name")
    ordering = ("username",)
    actions: Sequence[str] = ("reset_factors", "end_functions")
    decisions: Sequence[Decision] = (
        Decision("reset_factors", "Remettre la double authentification à zéro…"),
        Decision("end_functions", "Fin de fonctions…"),
    )
    fields = readonly_fields = (
        "login_name",
        "full_name",
        "email",
        "roles",
        "factors_here",
        "last_login",
        "is_family",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[StaffInList]:
        return (
            super()
            .get_queryset(request)
            .annotate(applications=_enrolled(factors.KINDS[0]), passkeys=_enrolled(factors.KINDS[1]))
            .prefetch_related("groups")
        )

    def waits(self, obj: StaffMember) -> bool:
        return True

    @admin.action(description="Remettre la double authentification à zéro…", permissions=["decide"])
    @asks_again
    def reset_factors(self, request: SignedInRequest, queryset: QuerySet[StaffMember]) -> HttpResponse | None:
        title = "Remettre la double authentification à zéro"
        rows, answer = self._asked(request, queryset, "reset_factors", title, "Remettre à zéro")
        for row in rows:
            factors.reset(row, reason=answer, by=request.user, request=request)
        return self._said(request, rows, answer, "double authentification remise à zéro")

    @admin.action(description="Fin de fonctions…", permissions=["decide"])
    @asks_again
    def end_functions(self, request: SignedInRequest, queryset: QuerySet[StaffMember]) -> HttpResponse | None:
        rows, answer = self._asked(
            request, queryset, "end_functions", "Fin de fonctions", "Mettre fin aux accès", ends=True
        )
        for row in rows:
            leaving.end_functions(row, reason=answer, by=request.user, request=request)
        return self._said(request, rows, answer, "fin de fonctions")

    def _asked(
        self,
        request: SignedInRequest,
        queryset: QuerySet[StaffMember],
        action: str,
        title: str,
        button: str,
        ends: bool = False,
    ) -> tuple[list[StaffMember], Any]:
        """The rows and the reason once it is given; until then no row, and the page that asks for it."""
        rows = [row for row in queryset if self.may_decide_about(request, row)]
        if len(rows) < len(queryset):
            self.message_user(
                request,
                "Ni son propre compte, ni celui d'un administrateur : un autre administrateur s'en charge.",
                messages.WARNING,
            )
        form = WhyForm(request.POST if "reason_given" in request.POST else None)
        if not rows or (form.is_bound and form.is_valid()):
            return rows, form.cleaned_data["reason"] if rows else None
        site = self.admin_site
        waiting = site.waiting(request) if ends and isinstance(site, PortalAdminSite) else []
        page = confirm_page(
            self,
            request,
            queryset.filter(pk__in=[row.pk for row in rows]),
            action=action,
            title=title,
            button=button,
            template="admin/families/staff_why.html",
            form=form,
            ends=ends,
            waiting=waiting,
        )
        return [], page

    def _said(
        self, request: SignedInRequest, rows: list[StaffMember], answer: Any, done: str
    ) -> HttpResponse | None:
        if not rows:
            return answer if isinstance(answer, HttpResponse) else None
        log_all(request, rows, f"{done.capitalize()}. Motif : {answer}")
        text = counted(len(rows), "agent prévenu par message", "agents prévenus par message")
        self.message_user(request, f"{done.capitalize()} : {text}.")
        return None

    def may_decide_about(self, request: SignedInRequest, row: StaffMember) -> bool:
        """Nobody about oneself; about a superuser, only another one: rights never grow by a reset."""
        return row.pk != request.user.pk and (request.user.is_superuser or not row.is_superuser)

    def name_of(self, row: StaffMember) -> str:
        return self.full_name(row)

    @admin.display(description="identifiant", ordering="username")
    def login_name(self, obj: StaffMember) -> str:
        return obj.username

    @admin.display(description="nom", ordering="last_name")
    def full_name(self, obj: StaffMember) -> str:
        return obj.get_full_name() or obj.username

    @admin.display(description="rôles")
    def roles(self, obj: StaffMember) -> str:
        names = ["Administrateur"] if obj.is_superuser else []
        return ", ".join([*names, *(group.name for group in obj.groups.all())]) or "aucun"

    @admin.display(description="double authentification")
    def factors_here(self, obj: StaffInList) -> str:
        said = ["application"] if obj.applications else []
        if obj.passkeys:
            said.append(counted(obj.passkeys, "clé d'accès", "clés d'accès"))
        return " et ".join(said) or "pas encore"

    @admin.display(description="aussi parent", boolean=True)
    def is_family(self, obj: StaffMember) -> bool:
        return Guardian.objects.filter(user_id=obj.pk).exists()
