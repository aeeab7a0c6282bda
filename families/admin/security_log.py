"""The security log, for the Responsable; accounts that share a name."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from families import login_names
from families.desk_cells import person
from families.models import SecurityEvent, User
from families.signing_in import shared_names
from families.traces import oddities, security
from portal.desk.pages import OwnPages, ShownOnly, log_all
from portal.desk.site import DeskNotice
from portal.french.plurals import counted
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

LOG = "admin:families_securityevent_changelist"
SHARED = "admin:families_shared_names"
MAY_READ = "families.view_securityevent"


def shared_notice() -> DeskNotice | None:
    """That accounts share a name, where some do."""
    many = len(shared_names.groups())
    if not many:
        return None
    text = counted(many, "nom est porté par plusieurs comptes", "noms sont portés par plusieurs comptes")
    return DeskNotice(f"{text} : leur mot de passe oublié attend votre choix.", reverse(SHARED))


@admin.register(SecurityEvent)
class SecurityEventAdmin(ShownOnly[SecurityEvent], OwnPages[SecurityEvent]):
    """Who came in, who did not, what changed: only to read."""

    desk_order = 80
    # Who came in from where leaves the portal in no file.
    exports = False
    list_display = ("at", "kind", "account", "acted_by", "precisely", "network")
    list_filter = ("kind", "at")
    list_select_related = ("user", "by")
    search_fields = ("user__username", "user__last_name")
    search_help_text = "Nom du compte, ou l'identifiant ou l'adresse tels qu'ils ont été saisis"
    fields = readonly_fields = ("at", "kind", "account", "acted_by", "precisely", "login_mark", "network")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """With the account's own page, for who may open it."""
        may_open = request.user.has_perm("families.change_user")
        return (*self.list_display, "account_page") if may_open else self.list_display

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[SecurityEvent], search_term: str
    ) -> tuple[QuerySet[SecurityEvent], bool]:
        """What was typed at the login is known by its mark alone, also where it is nobody's."""
        found, duplicates = super().get_search_results(request, queryset, search_term)
        if search_term:
            found |= queryset.filter(login_mark=security.mark(login_names.normal_form(search_term)))
        return found, duplicates

    @admin.display(description="fiche")
    def account_page(self, obj: SecurityEvent) -> SafeString | str:
        if obj.user is None:
            return "–"
        page = reverse("admin:families_user_change", args=[obj.user.pk])
        return format_html('<a href="{}">{}</a>', page, obj.user.username)

    @admin.display(description="compte")
    def account(self, obj: SecurityEvent) -> SafeString | str:
        if obj.user is None:
            return "–"
        of_account = f"{reverse(LOG)}?user__id__exact={obj.user.pk}"
        return format_html('<a href="{}">{}</a>', of_account, person(obj.user))

    @admin.display(description="par", empty_value="–")
    def acted_by(self, obj: SecurityEvent) -> str:
        return person(obj.by)

    @admin.display(description="précision", empty_value="–")
    def precisely(self, obj: SecurityEvent) -> str:
        return f"{obj.times} {obj.detail}" if obj.detail and obj.user is None else obj.detail

    @admin.display(description="réseau")
    def network(self, obj: SecurityEvent) -> SafeString | str:
        """A mark, by which what came from one network is found."""
        if not obj.network_mark:
            return "–"
        same = f"{reverse(LOG)}?network_mark={obj.network_mark}"
        return format_html('<a href="{}">{}</a>', same, obj.network_mark[:6])

    def desk_notices(self, request: HttpRequest) -> list[DeskNotice]:
        odd = [
            DeskNotice(one.sentence, f"{reverse(LOG)}?kind__exact={one.kind}")
            for one in oddities.found(at=timezone.now())
        ]
        shared = shared_notice()
        return [*odd, shared] if shared else odd

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if self.has_view_permission(request):
            for notice in self.desk_notices(request):
                self.message_user(request, notice.as_link(), messages.WARNING)
        return super().changelist_view(request, extra_context)

    def get_urls(self) -> list[Any]:
        shared = path(
            "noms-partages/", self.admin_site.admin_view(self.shared_view), name="families_shared_names"
        )
        return [shared, *super().get_urls()]

    # Accounts that share a name --------------------------------------------------------------------------

    def shared_view(self, request: SignedInRequest) -> HttpResponse:
        """Lists them; a family's account is closed here, an agent's on its own page."""
        self.demand(request, MAY_READ)
        if request.method == "POST":
            return self._close(request)
        context = {
            "groups": shared_names.groups(),
            "may_open": request.user.has_perm("families.change_user"),
        }
        return self.page(
            request, "admin/families/shared_names.html", "Comptes qui portent le même nom", context
        )

    def _close(self, request: SignedInRequest) -> HttpResponse:
        pk = posted_number(request.POST.get("compte", ""))
        try:
            closed: User = shared_names.close(pk or 0, by=request.user)
        except shared_names.NotToClose as refusal:
            messages.error(request, str(refusal))
        else:
            log_all(request, [closed], "Compte fermé : un autre porte le même nom.")
            messages.success(request, f"Le compte {closed.username} est fermé.")
        return redirect(SHARED)
