"""« File d'attente » at the desk: who waits, who is inside, and what the town hall says of it."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from portal.desk.pages import OwnPages, log_all
from portal.desk.site import DeskLink, DeskNotice
from portal.french import moments
from portal.french.plurals import agreed, counted
from portal.models import Town
from portal.waiting import inside, line
from portal.waiting.line import Mode
from portal.waiting.page import about, number
from portal.waiting.room import Standing
from portal.waiting.store import Trouble
from portal.web.signed_in import SignedInRequest

PERMISSION = "portal.open_line_town"
TITLE = "File d'attente"
URL_NAME = "portal_town_line"
MODES = {
    Mode.AUTO: "Automatique : elle s'ouvre et se ferme selon la charge",
    Mode.OPEN: "Ouverte : les familles entrent une à une, au rythme choisi",
    Mode.CLOSED: "Fermée : toutes les familles entrent en même temps",
}
SAID = {Mode.AUTO: "rendue à l'automatisme", Mode.OPEN: "ouverte", Mode.CLOSED: "fermée"}
MOST_A_MINUTE = 30_000


class LineForm(forms.Form):
    """What the desk says of the room; the pace in families a minute, empty as measured."""

    mode = forms.TypedChoiceField(
        label="La file",
        choices=[(int(mode), label) for mode, label in MODES.items()],
        coerce=lambda value: Mode(int(value)),
        widget=forms.RadioSelect,
    )
    pace = forms.IntegerField(
        label="Familles qui entrent par minute",
        min_value=1,
        max_value=MOST_A_MINUTE,
        required=False,
        help_text="Vide : mesuré, aussi vite que le portail sert bien.",
    )


class LinePages(OwnPages[Town]):
    """Adds this page to the town's."""

    desk_links: Sequence[DeskLink] = (
        DeskLink(TITLE, URL_NAME, PERMISSION, "les jours d'affluence", order=95, offered=inside.keeps_a_line),
    )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [path("file-d-attente/", wrap(self.line), name=URL_NAME), *super().get_urls()]

    def desk_notices(self, request: HttpRequest) -> Sequence[DeskNotice]:
        """Where families wait, or the desk has taken the room into its own hands."""
        found = _standing(request) if request.user.has_perm(PERMISSION) else None
        own = super().desk_notices(request)
        if found is None or not (found.waiting or found.board.mode is not Mode.AUTO):
            return own
        if found.waiting:
            said = f"File d'attente : {counted(found.waiting, 'famille attend', 'familles attendent')}"
        else:
            said = f"File d'attente {SAID[found.board.mode]} par la mairie"
        return [*own, DeskNotice(said, reverse(f"admin:{URL_NAME}"))]

    def line(self, request: SignedInRequest) -> HttpResponse:
        """Shows the line; a POST says what becomes of it."""
        self.demand(request, PERMISSION)
        gate, found = inside.gate_of(request), _standing(request)
        form = LineForm(request.POST or None, initial=_initial(found))
        if request.method == "POST" and form.is_valid() and gate is not None:
            mode, pace = form.cleaned_data["mode"], form.cleaned_data["pace"]
            try:
                gate.room.direct(mode, (pace or 0) / 60, time.time())
            except Trouble:
                messages.error(request, "La file n'a pas pu être réglée. Réessayez dans un instant.")
            else:
                said = f"File d'attente {SAID[mode]}, {_paced(pace) if pace else 'rythme mesuré'}"
                log_all(request, Town.objects.all(), f"{said}.")
                messages.success(request, f"{said}.")
            return redirect(f"admin:{URL_NAME}")
        context = {"form": form, "facts": _facts(found) if found else [], "known": found is not None}
        return self.page(request, "admin/waiting/line.html", TITLE, context)


def _standing(request: HttpRequest) -> Standing | None:
    """None where the server keeps no line."""
    gate = inside.gate_of(request)
    if gate is None:
        return None
    try:
        return gate.room.standing(time.time())
    except Trouble:
        return None


def _initial(found: Standing | None) -> dict[str, object]:
    if found is None:
        return {"mode": int(Mode.AUTO)}
    wanted = round(found.board.wanted_pace * 60)
    return {"mode": int(found.board.mode), "pace": wanted or None}


def _facts(found: Standing) -> list[tuple[str, str]]:
    """What the page tells, a line each."""
    board, now = found.board, time.time()
    told = [("Aujourd'hui", "ouverte" if board.open else "fermée : toutes les familles entrent aussitôt")]
    if board.open:
        told[0] = ("Ouverte", f"depuis le {_moment(board.opened_at)}")
        told += [
            ("Familles qui attendent", number(found.waiting)),
            (
                "Attente de la dernière",
                about(line.wait(found.waiting, board.pace)) if found.waiting else "aucune",
            ),
            ("Rythme", _paced(max(1, round(board.pace * 60)))),
        ]
    told.append(("Familles à l'intérieur", f"{number(found.inside)} (vues depuis dix minutes)"))
    coming = [at for at in found.known.rushes if at > now]
    if coming:
        told.append(("Prochaine ouverture", f"{_moment(min(coming))} ; la file s'ouvrira cinq minutes avant"))
    return told


def _paced(families: int) -> str:
    return f"{number(families)} {agreed(families, 'famille', 'familles')} par minute"


def _moment(at: float) -> str:
    return moments.moment(timezone.localtime(datetime.fromtimestamp(at, UTC)))
