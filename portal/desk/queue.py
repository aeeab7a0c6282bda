"""The page « À traiter »: one request at a time with what is to be known of it, its answer, the next one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.text import capfirst

from portal.desk import first_page, held, settling, to_do
from portal.desk.decisions import OWN_REASON, refusal_in
from portal.desk.first_page import Way, age
from portal.desk.held import InHand
from portal.desk.pages import OwnPages
from portal.desk.settling import PARTS
from portal.desk.site import DeskLink, M, PortalAdminSite
from portal.desk.to_do import Age, Asked, Item, Kind, Pile
from portal.models import HeldDecision
from portal.web.posted import posted_number, posted_numbers

TITLE, URL_NAME = "À traiter", "desk_queue"
ANSWERED = "Cette demande a déjà reçu une réponse : voici la suivante."
TAKEN_BACK = "La décision est reprise\xa0: la demande attend de nouveau, la famille n'a rien su."
TOO_LATE = "Cette décision est définitive\xa0: elle ne se reprend plus."
LEFT = "La décision sur {} n'a pas été appliquée\xa0: {}. La famille n'a rien su."
GONE = "une demande qui n'est plus là"


@dataclass(frozen=True)
class Open:
    """The request that the page shows."""

    kind: Kind
    row: Any
    key: str


@dataclass(frozen=True)
class Held:
    """A decision that can still be taken back, who had asked, and for how long."""

    decision: HeldDecision
    title: str
    left: timedelta

    @property
    def said(self) -> str:
        """What it will do: « 1 inscription acceptée. »; of a refusal, what the family will read as well."""
        reason = refusal_in(self.decision.posted) if self.decision.action == "refuse_selected" else ""
        told = [text for _, text in self.decision.said]
        return " ".join([*told, f"Motif\xa0: {reason}"] if reason else told)

    @property
    def remaining(self) -> str:
        """« 1 min 58 »"""
        minutes, seconds = divmod(max(0, int(self.left.total_seconds())), 60)
        return f"{minutes} min {seconds:02d}" if minutes else f"{seconds} s"


def _has_kinds(request: HttpRequest) -> bool:
    return bool(to_do.kinds_of(request.user))


first_page.way(Way(10, "Traiter les demandes", URL_NAME, _has_kinds))


class WorksThrough(OwnPages[M]):
    """Admin mixin that holds the page."""

    queue_link = DeskLink(
        TITLE,
        URL_NAME,
        "",
        "tout ce qui attend, une demande à la fois",
        offered=_has_kinds,
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.queue_view)
        return [path("a-traiter/", view, name=URL_NAME), *super().get_urls()]

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """What is asked stands in the address; a POST answers the request that it names."""
        if not _has_kinds(request):
            raise PermissionDenied
        asked, at = _asked(request), timezone.now()
        if request.method == "POST":
            return self._answer(request, asked, at)
        in_hand = held.in_hand(request.user, at)
        if in_hand.due:  # the worker is late
            settling.settle(at=at)
            in_hand = held.in_hand(request.user, at)
        pile = to_do.pile(request.user, asked, at, [rows for _, rows in site().beside_the_queue(request)])
        wanted = request.GET.get("demande", "")
        shown = self._open(request, wanted, at) if wanted else None
        if wanted and shown is None:
            messages.info(request, ANSWERED)
        if shown is None and pile.items:
            shown = self._open(request, pile.items[0].key, at)
        return self.page(
            request,
            "admin/queue.html",
            TITLE,
            self._context(request, asked, pile, shown, at) | {"held": _held(request, in_hand, at)},
        )

    def _open(self, request: HttpRequest, key: str, at: datetime) -> Open | None:
        """The request as its own page reads it, as long as it waits for who asks."""
        found = to_do.find(request.user, key)
        if found is None:
            return None
        kind, pk = found
        waiting = to_do.waiting(request.user, kind, Asked(), at).filter(pk=pk)
        page = admin.site._registry[kind.model]
        row = page.get_queryset(request).filter(pk__in=waiting.values("pk"))
        one = row.select_related(*_related(kind, page)).first()
        return None if one is None else Open(kind, one, key)

    def _context(
        self, request: HttpRequest, asked: Asked, pile: Pile, shown: Open | None, at: datetime
    ) -> dict[str, Any]:
        context: dict[str, Any] = {
            "beside": [
                told | {"count": count}
                for (told, _), count in zip(site().beside_the_queue(request), pile.beside, strict=True)
                if count
            ],
            "form_url": _address(asked),
            "pile": pile,
            "items": [(one, _age(one, at), _address(asked, demande=one.key)) for one in pile.items],
            "asked": asked,
            "ages": list(Age),
            "places": to_do.places().choices(request.user),
            "more": pile.count - len(pile.items),
            "shown": shown,
        }
        if shown is None:
            return context
        kind, row = shown.kind, shown.row
        page = admin.site._registry[kind.model]
        keys = [one.key for one in pile.items]
        rank = keys.index(shown.key) if shown.key in keys else None
        others = keys[rank + 1 :] if rank is not None else keys
        following = next((key for key in others if key != shown.key), "")
        return context | {
            "sheet": kind.sheet(request, row) if kind.sheet else to_do.Sheet(),
            "facts": to_do.facts_of(page, row, kind.facts),
            "name": next((one.title for one in pile.items if one.key == shown.key), str(row)),
            "rank": rank + 1 if rank is not None else None,
            "since": age(getattr(row, kind.since), at),
            "page_url": reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_change", args=[row.pk]),
            "following": following,
            "next_url": _address(asked, demande=following) if following else "",
            "reasons": () if kind.in_words else kind.page.ready_reasons(),
            "own_reason": OWN_REASON,
        }

    def _answer(self, request: HttpRequest, asked: Asked, at: datetime) -> HttpResponse:
        """Gives the form to the action of the model's own page: at once, or to be taken back for a while."""
        if "reprendre" in request.POST:
            return self._take_back(request, asked, at)
        said = {name: request.POST.get(name) or request.GET.get(name, "") for name in ("demande", "suivante")}
        if not said["demande"]:  # a form that names no request answers none
            return redirect(_address(asked))
        found = to_do.find(request.user, said["demande"])
        if found is None:
            raise Http404
        kind, pk = found
        if kind.in_words:
            raise PermissionDenied
        posted = request.POST.copy()
        if PARTS not in posted:  # a page that asked for more has them in its address
            posted.setlist(PARTS, request.GET.getlist(PARTS))
        action = posted.get("action", "")
        decide = settling.action_of(kind, request, action)
        rows = settling.rows_of(kind, request, pk, posted)
        if not rows.exists():
            if not kind.parts_of:
                raise Http404
            messages.warning(request, "Cochez au moins un jour qui attend une réponse.")
            return redirect(_address(asked, demande=said["demande"]))
        here, after = (
            _address(asked, demande=said["demande"]),
            _address(asked, **_following(said["suivante"])),
        )
        if not held.lasts():
            answer: object = decide(rows)
            if isinstance(answer, TemplateResponse):
                return self._asking(answer, asked, said, posted)
            return redirect(after)
        row = to_do.waiting(request.user, kind, Asked(), at).filter(pk=pk).first()
        if row is None:
            # Answered, decided or withdrawn meanwhile: who tries is told by whom, and nothing is done.
            tried = settling.try_out(kind, request, pk, action, posted)
            told = [] if tried.effect.changes else tried.effect.said
            for level, text in told or [(messages.INFO, ANSWERED)]:
                messages.add_message(request, level, text)
            return redirect(after)
        try:
            outcome = settling.answer(kind, request, row, action, posted, at=at)
        except held.AlreadyHeld as first:
            messages.warning(request, str(first))
            return redirect(after)
        if isinstance(outcome, HeldDecision):
            return redirect(after)
        if outcome.asks is not None:
            return self._asking(outcome.asks, asked, said, posted)
        for level, text in outcome.effect.said:
            messages.add_message(request, level, text)
        return redirect(here)

    def _asking(
        self, answer: TemplateResponse, asked: Asked, said: dict[str, str], posted: QueryDict
    ) -> HttpResponse:
        """A page that asks for more, which comes back here."""
        parts = [(PARTS, str(one)) for one in posted_numbers(posted.getlist(PARTS))]
        url = f"{reverse(f'admin:{URL_NAME}')}?{urlencode([*_query(asked).items(), *said.items(), *parts])}"
        answer.context_data = (answer.context_data or {}) | {"form_url": url}
        return answer

    def _take_back(self, request: HttpRequest, asked: Asked, at: datetime) -> HttpResponse:
        key = posted_number(request.POST.get("reprendre", ""))
        decision = None if key is None else held.take_back(key, by=request.user, at=at)
        if decision is None:
            messages.warning(request, TOO_LATE)
            return redirect(_address(asked))
        messages.success(request, TAKEN_BACK)
        kind = to_do.kind_about(decision.about)
        return redirect(_address(asked, **({"demande": f"{kind.key}-{decision.row}"} if kind else {})))


def site() -> PortalAdminSite:
    return cast(PortalAdminSite, admin.site)


def _related(kind: Kind, page: Any) -> list[str]:
    """What the sheet of a request says of others: read with it."""
    listed = page.list_select_related
    named = {"household", "child", *kind.facts}
    keys = [one.name for one in kind.model._meta.concrete_fields if one.is_relation and one.name in named]
    return [*(() if isinstance(listed, bool) else listed), *keys]


def _following(key: str) -> dict[str, str]:
    return {"demande": key} if key else {}


def _held(request: HttpRequest, in_hand: InHand, at: datetime) -> list[Held]:
    """What who asks may still take back; of what could not be done any more, a message says so once."""
    titles = to_do.titles([*in_hand.mine, *in_hand.left])
    for one in in_hand.left:
        messages.warning(request, LEFT.format(titles[one.pk] or GONE, one.why_left))
    held.told(in_hand.left)
    return [Held(one, titles[one.pk] or str(capfirst(GONE)), one.final_at - at) for one in in_hand.mine]


def _asked(request: HttpRequest) -> Asked:
    """What an address narrows the queue to; what it says wrongly narrows nothing."""
    ages = {one.value: one for one in Age}
    return Asked(
        kind=request.GET.get("nature", ""),
        place=posted_number(request.GET.get("lieu", "")),
        age=ages.get(request.GET.get("anciennete", ""), Age.ALL),
    )


def _query(asked: Asked) -> dict[str, str]:
    said = {
        "nature": asked.kind,
        "lieu": "" if asked.place is None else str(asked.place),
        "anciennete": asked.age.value,
    }
    return {name: value for name, value in said.items() if value}


def _address(asked: Asked, **more: str) -> str:
    query = urlencode(_query(asked) | more)
    return f"{reverse(f'admin:{URL_NAME}')}{'?' if query else ''}{query}"


def _age(item: Item, at: datetime) -> str:
    """« retard, 6 jours », « jour tout proche », « hier »."""
    said = age(item.since, at)
    if not item.late:
        return said
    return item.urgent or f"retard, {said}"
