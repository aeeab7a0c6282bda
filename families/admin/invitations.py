"""« Inviter à ouvrir un compte »: the adults without a login of some households, by mail and on paper."""

from collections import Counter
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from families.admin.codes import code_letter
from families.custody import lots
from families.messages.audiences import Audience, read
from families.models import Household, InvitationLot, Invited, Reading
from families.signing_in.asking_again import ask_again
from families.traces import reading
from portal.desk import rights
from portal.desk.lists import badge
from portal.desk.pages import OwnPages, ShownOnly
from portal.desk.site import LOOKING, DeskLink
from portal.files.handing_over import hand_over
from portal.french import moments
from portal.french.plurals import counted
from portal.letters import paper
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

# What one must hold to invite: who is written to, and what a code does.
RIGHTS = ("families.add_invitationlot", "families.add_familymessage", lots.RIGHT)
SHOWN = 500
Way = Invited.Way


class AgainForm(forms.Form):
    """What else a lot may do."""

    again = forms.BooleanField(
        label="Imprimer aussi pour ceux qui ont déjà une lettre avec un code",
        required=False,
        help_text="Le code de leur première lettre ne servira plus.",
    )


@admin.register(InvitationLot)
class InvitationLotAdmin(ShownOnly[InvitationLot], OwnPages[InvitationLot]):
    """Written by `families.custody.lots`."""

    desk_order = 14
    exports = False
    desk_links = (
        DeskLink(
            "Inviter à ouvrir un compte",
            "families_invitationlot_new",
            RIGHTS[0],
            "Les responsables sans compte d'une école, d'une classe, d'une liste : par e-mail ou lettre.",
            order=36,
        ),
    )
    list_display = ("whom", "made", "by_name", "standing")
    list_display_links = ("whom",)
    search_fields = ("whom", "by_name")
    date_hierarchy = "made_at"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("nouveau/", view(self.new), name="families_invitationlot_new"),
            path(
                "<int:pk>/lettres/",
                view(require_POST(self.letters)),
                name="families_invitationlot_letters",
            ),
            *super().get_urls(),
        ]

    # Beginning one --------------------------------------------------------------------------------------

    def new(self, request: SignedInRequest) -> HttpResponse:
        """Whom; who would be invited how, and who not and why; then, confirmed, the lot."""
        self.demand(request, *RIGHTS)
        at = timezone.now()
        chosen = read(request.POST if request.method == "POST" else request.GET)
        audience = Audience(request.user, chosen, at)
        form = AgainForm(request.POST if request.method == "POST" else None)
        context: dict[str, Any] = {"audience": audience, "form": form, "seen": None}
        if request.method == "POST" and audience.is_valid() and form.is_valid():
            if audience.is_empty:
                messages.error(request, "Choisissez des familles : toutes, ou certaines.")
            else:
                homes = rights.within_all(request.user, audience.homes(), *RIGHTS[1:])
                again = form.cleaned_data["again"]
                if "inviter" in request.POST:
                    return self._begin(request, homes, audience.words(), again)
                context["seen"] = _seen(lots.foresee(homes, at=at, codes_again=again))
        return self.page(request, "admin/families/invite_lot.html", "Inviter à ouvrir un compte", context)

    def _begin(
        self, request: SignedInRequest, homes: QuerySet[Household], whom: str, again: bool
    ) -> HttpResponse:
        ask_again(request)
        at = timezone.now()
        try:
            with transaction.atomic():
                lot = lots.begin(homes, whom=whom, by=request.user, at=at, codes_again=again)
                self.log_change(request, lot, f"Invitations : {whom}."[:500])
        except lots.LotRefused as refusal:
            messages.warning(request, str(refusal))
            return redirect("admin:families_invitationlot_new")
        return redirect("admin:families_invitationlot_change", lot.pk)

    # Its page -------------------------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What became of each, and the letters to print."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        lot = get_object_or_404(self.get_queryset(request), pk=posted_number(object_id) or 0)
        rows = rights.seen_by(request.user, lot.invited.all(), *map(self.right_for, LOOKING))
        lines = rows.select_related("guardian__household", "guardian__user", "opening").order_by(
            "guardian__household", "guardian"
        )
        counts = lots.standing([lot.pk])[lot.pk]
        context = {
            "lot": lot,
            "made": moments.moment(lot.made_at, year=True),
            "lines": list(lines[:SHOWN]),
            "unshown": max(0, sum(counts[way] for way in Way.values) - SHOWN),
            "counts": {name: counts[name] for name in COUNTED},
            "to_print": lots.to_print(lot).count(),
            "printed": lots.to_print(lot, again=True).count(),
            "at_once": lots.LETTERS_AT_ONCE,
            "may_invite": request.user.has_perms(RIGHTS),
        }
        answer = self.page(request, "admin/families/invitation_lot.html", str(lot), context)
        if lot.done_at is None:
            answer["Refresh"] = "3"
        return answer

    def letters(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """The next letters in one PDF, which alone knows their codes."""
        self.demand(request, *RIGHTS)
        rows = rights.seen_by(request.user, InvitationLot.objects.all(), *map(self.right_for, LOOKING))
        lot = get_object_or_404(rows, pk=pk)
        ask_again(request)
        at = timezone.now()
        again = "encore" in request.POST
        waiting = list(lots.to_print(lot, again=again)[: lots.LETTERS_AT_ONCE])
        made = lots.make_codes(waiting, by=request.user, at=at)
        if not made:
            messages.warning(request, "Aucune lettre n'est à imprimer.")
            return redirect("admin:families_invitationlot_change", lot.pk)
        homes = {row.guardian.household_id for row, _ in made}
        reading.note(request, Reading.Kind.EXPORT, what="Lettres d'invitation (PDF)", households=homes)
        self.log_change(
            request, lot, f"{counted(len(made), 'lettre imprimée', 'lettres imprimées')} avec un code."
        )
        sheets = [code_letter(row.guardian.household, row.guardian, code, at=at) for row, code in made]
        return hand_over(
            paper.draw(sheets, identifier=f"invitations-{lot.pk}-{at:%Y%m%d%H%M%S}"),
            f"invitations-{lot.pk}.pdf",
        )

    # Cells ----------------------------------------------------------------------------------------------

    @admin.display(description="le", ordering="made_at")
    def made(self, obj: InvitationLot) -> str:
        return moments.moment(obj.made_at, year=True)

    @admin.display(description="où il en est")
    def standing(self, obj: InvitationLot) -> SafeString:
        return badge("requested", "en cours") if obj.done_at is None else badge("accepted", "parti")


COUNTED = ("mail", "mailed", "failed", "paper", "printed", "left", "opened")


def _seen(found: list[lots.Foreseen]) -> dict[str, Any]:
    """The preview: how many by each way, why not, and the first of them by name."""
    ways = Counter(one.way for one in found)
    return {
        "mail": ways[Way.MAIL],
        "paper": ways[Way.PAPER],
        "left": ways[Way.LEFT],
        "some": ways[Way.MAIL] + ways[Way.PAPER],
        "rows": found[:SHOWN],
        "unshown": max(0, len(found) - SHOWN),
    }
