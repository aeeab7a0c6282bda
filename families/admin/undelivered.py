"""« Messages non remis », « Adresses qui ne répondent plus »: whom mails do not reach; never their words."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from families import correspondence, unreached
from families.desk_cells import HouseholdLink
from families.models import Household, UndeliveredLetter
from portal.desk import first_page, rights
from portal.desk.first_page import Watch
from portal.desk.lists import StateBadge
from portal.desk.pages import ShownOnly, log_all
from portal.desk.site import Queue
from portal.french.plurals import counted
from portal.web.signed_in import SignedInRequest


class Unreached(admin.SimpleListFilter):
    """Households of which an adult's address no longer answers."""

    title = "adresse e-mail"
    parameter_name = "adresse"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("muette", "Ne répond plus")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Household]) -> QuerySet[Household]:
        return queryset.filter(pk__in=unreached.there().values("household")) if self.value() else queryset


UNREACHED = Queue(
    "Adresses qui ne répondent plus",
    lambda request: Household.objects.filter(
        pk__in=unreached.there().values("household"), erased_at=None, joined_to=None
    ),
    query="adresse=muette",
    order=27,
    hint="Les messages n'arrivent plus à un responsable : demandez-lui sa nouvelle adresse.",
)


# Mails of so many days that reached nobody.
LATELY = timedelta(days=30)
MAY_LOOK = ("families.view_undeliveredletter", "families.change_undeliveredletter")


def failed(request: HttpRequest, at: datetime) -> list[Watch]:
    """Mails of the last month that failed for good; one query."""
    rows = UndeliveredLetter.objects.filter(state=UndeliveredLetter.State.FAILED, posted_at__gte=at - LATELY)
    count = rights.seen_by(request.user, rows, *MAY_LOOK).count()
    if not count:
        return []
    said = counted(count, "message n'est pas parti", "messages ne sont pas partis")
    url = f"{reverse('admin:families_undeliveredletter_changelist')}?state__exact=failed"
    return [Watch(said, url, "corriger les adresses", grave=True)]


first_page.watch("messages", MAY_LOOK, failed)


@admin.register(UndeliveredLetter)
class UndeliveredAdmin(StateBadge, HouseholdLink, ShownOnly[UndeliveredLetter]):
    """Failed for good, or perhaps received twice."""

    desk_order = 60
    list_display = ("posted_at", "household_link", "guardian", "to", "subject", "state_badge", "trouble")
    list_display_links = ("subject",)
    list_filter = ("state", "repeated")
    search_fields = ("to", "subject", "guardian__folded")
    search_help_text = "Adresse, objet, nom du responsable"
    date_hierarchy = "posted_at"
    actions = ("send_again",)
    tints = {"failed": "refused", "sent": "accepted"}
    fields = readonly_fields = (
        "posted_at",
        "household_link",
        "guardian",
        "to",
        "subject",
        "state_badge",
        "trouble",
        "repeated",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[UndeliveredLetter]:
        there = super().get_queryset(request)
        return there.select_related("guardian__user", "household").defer("text")

    @admin.action(description="Envoyer de nouveau", permissions=["decide"])
    def send_again(self, request: SignedInRequest, queryset: QuerySet[UndeliveredLetter]) -> None:
        rows = list(queryset)
        again = correspondence.send_again(rows)
        if again:
            log_all(request, rows, "Envoyé de nouveau.")
        said = counted(again, "message part de nouveau", "messages partent de nouveau")
        left = len(rows) - again
        if left:
            said += f" ; {left} ne {'peut' if left == 1 else 'peuvent'} plus l'être : la famille "
            said += "le lit dans « Mes messages »" if left == 1 else "les lit dans « Mes messages »"
        self.message_user(request, f"{said}.", messages.WARNING if left else messages.SUCCESS)
