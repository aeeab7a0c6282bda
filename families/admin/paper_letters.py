"""« Lettres à imprimer »: what the portal would have mailed to households that no mail reaches."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import linebreaksbr, urlize
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from families.desk_cells import HouseholdLink
from families.messages import printing
from families.models import FamilyMessage, Letter, PaperLetter, Reading
from families.traces import reading
from portal.desk import rights
from portal.desk.decisions import Decidable, Decision
from portal.desk.lists import NumberSearch, StateBadge, WaitingFirst
from portal.desk.pages import OwnPages, log_all
from portal.desk.site import Queue
from portal.files.handing_over import hand_over
from portal.french.plurals import counted
from portal.letters.paper import SIGNATURE
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

LATEST = 20


class PaperStates(WaitingFirst):
    """Those to print first."""

    states = Letter.State
    waiting = Letter.State.PAPER
    hidden = (Letter.State.WAITING, Letter.State.SENT, Letter.State.FAILED)


class OfMessage(admin.SimpleListFilter):
    """The letters of a message to many."""

    title = "message"
    parameter_name = "message"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = FamilyMessage.objects.filter(copies__guardian=None, copies__letter__isnull=False).distinct()
        seen = rights.seen_by(request.user, rows, "families.view_familymessage")
        wanted = posted_number(request.GET.get(self.parameter_name, ""))
        last = list(seen.order_by("-pk").values_list("pk", "subject")[:LATEST])
        if wanted is not None and wanted not in dict(last):
            last += seen.filter(pk=wanted).values_list("pk", "subject")
        return [(str(key), subject) for key, subject in last]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PaperLetter]) -> QuerySet[PaperLetter]:
        wanted = posted_number(self.value() or "")
        return queryset if wanted is None else queryset.filter(copies__message=wanted)


def _waiting(request: HttpRequest) -> QuerySet[PaperLetter]:
    return printing.readable(request.user, PaperLetter.objects.filter(state=Letter.State.PAPER))


@admin.register(PaperLetter)
class PaperLetterAdmin(
    HouseholdLink, StateBadge, NumberSearch[PaperLetter], Decidable[PaperLetter], OwnPages[PaperLetter]
):
    """Printed some at a time, in one PDF; what was printed by mistake is to be printed again."""

    desk_order = 61
    exports = False
    work_queues = (
        Queue("Lettres à imprimer", _waiting, order=28, hint="Des foyers sans adresse e-mail les attendent."),
    )
    list_display = ("posted_at", "household_link", "adults", "subject", "state_badge", "opened")
    list_display_links = ("subject",)
    list_filter = (PaperStates, OfMessage)
    list_select_related = ("household",)
    search_fields = ("household__guardians__folded", "subject")
    search_help_text = "Numéro de foyer, nom d'un responsable, objet"
    date_hierarchy = "posted_at"
    ordering = ("household", "posted_at", "pk")
    actions = ("print_selected", "mark_selected", "unmark_selected")
    decisions = (Decision("mark_selected", "Marquer comme imprimée", main=True),)
    tints = {"paper": "requested", "printed": "accepted"}
    fields = readonly_fields = (
        "household_link",
        "adults",
        "posted_at",
        "subject",
        "state_badge",
        "printed_at",
        "opened",
        "words",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[PaperLetter]:
        rows = printing.readable(request.user, super().get_queryset(request))
        return rows.prefetch_related("household__guardians")

    def waits(self, obj: PaperLetter) -> bool:
        return obj.state == Letter.State.PAPER

    def get_urls(self) -> list[URLPattern]:
        one = path(
            "<int:pk>/pdf/",
            self.admin_site.admin_view(require_GET(self.one)),
            name="families_paperletter_one",
        )
        return [one, *super().get_urls()]

    # Printed ----------------------------------------------------------------------------------------------

    @admin.action(description="Imprimer en un PDF", permissions=["decide"])
    def print_selected(
        self, request: SignedInRequest, queryset: QuerySet[PaperLetter]
    ) -> HttpResponse | None:
        """All in one file, marked as printed by the same click."""
        rows = list(queryset.select_related("household").order_by("household", "pk")[: printing.AT_ONCE + 1])
        if len(rows) > printing.AT_ONCE:
            self.message_user(
                request,
                f"Imprimez {printing.AT_ONCE} lettres au plus à la fois\xa0: choisissez-en moins.",
                messages.ERROR,
            )
            return None
        if not rows:
            return None
        homes = {row.household_id for row in rows if row.household_id}
        reading.note(request, Reading.Kind.EXPORT, what="Lettres à imprimer (PDF)", households=homes)
        content = printing.draw(rows)
        printing.printed(rows, at=timezone.now())
        log_all(request, rows, "Lettre imprimée.")
        name = f"lettres-{timezone.localtime():%Y-%m-%d-%Hh%M}.pdf"
        return hand_over(content, name)

    @admin.action(description="Marquer comme imprimées", permissions=["decide"])
    def mark_selected(self, request: SignedInRequest, queryset: QuerySet[PaperLetter]) -> None:
        rows = list(queryset)
        done = printing.printed(rows, at=timezone.now())
        log_all(request, rows, "Marquée comme imprimée.")
        self.message_user(request, f"{counted(done, 'lettre est marquée', 'lettres sont marquées')}.")

    @admin.action(description="Remettre à imprimer", permissions=["decide"])
    def unmark_selected(self, request: SignedInRequest, queryset: QuerySet[PaperLetter]) -> None:
        rows = list(queryset)
        done = printing.to_print(rows)
        log_all(request, rows, "Remise à imprimer.")
        self.message_user(request, f"{counted(done, 'lettre est', 'lettres sont')} de nouveau à imprimer.")

    def one(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """One letter, which is looked at: nothing is marked."""
        self.demand(request, "families.view_paperletter")
        seen = rights.seen_by(request.user, PaperLetter.objects.all(), "families.view_paperletter")
        rows = printing.readable(request.user, seen)
        letter: PaperLetter = get_object_or_404(rows.select_related("household"), pk=pk)
        return hand_over(printing.draw([letter]), f"lettre-{letter.pk}.pdf", inline=True)

    # Cells ------------------------------------------------------------------------------------------------

    @admin.display(description="famille")
    def adults(self, obj: PaperLetter) -> str:
        return ", ".join(str(adult) for adult in obj.household.guardians.all()) if obj.household else "–"

    @admin.display(description="PDF")
    def opened(self, obj: PaperLetter) -> SafeString:
        url = reverse("admin:families_paperletter_one", args=[obj.pk])
        return format_html('<a href="{}">Ouvrir</a>', url)

    @admin.display(description="imprimée le")
    def printed_at(self, obj: PaperLetter) -> str:
        return f"{timezone.localtime(obj.sent_at):%d/%m/%Y}" if obj.sent_at else "–"

    @admin.display(description="texte")
    def words(self, obj: PaperLetter) -> SafeString:
        body = obj.text.partition(SIGNATURE)[0]
        # urlize has escaped the text already.
        return linebreaksbr(urlize(body, autoescape=True), autoescape=False)
