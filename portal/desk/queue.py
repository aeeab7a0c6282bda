"""The page « À traiter »: one request at a time with what is to be known of it, its answer, the next one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from portal.desk import first_page, to_do
from portal.desk.decisions import OWN_REASON, AcceptOrRefuse
from portal.desk.first_page import Way, age
from portal.desk.pages import OwnPages
from portal.desk.site import DeskLink, M
from portal.desk.to_do import Age, Asked, Item, Kind, Pile
from portal.web.posted import posted_number, posted_numbers

TITLE, URL_NAME = "À traiter", "desk_queue"
ANSWERED = "Cette demande a déjà reçu une réponse : voici la suivante."


@dataclass(frozen=True)
class Open:
    """The request that the page shows."""

    kind: Kind
    row: Any
    key: str


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
            return self._answer(request, asked)
        pile = to_do.pile(request.user, asked, at)
        wanted = request.GET.get("demande", "")
        shown = self._open(request, wanted, at) if wanted else None
        if wanted and shown is None:
            messages.info(request, ANSWERED)
        if shown is None and pile.items:
            shown = self._open(request, pile.items[0].key, at)
        return self.page(request, "admin/queue.html", TITLE, self._context(request, asked, pile, shown, at))

    def _open(self, request: HttpRequest, key: str, at: datetime) -> Open | None:
        """The request as its own page reads it, as long as it waits for who asks."""
        found = to_do.find(request.user, key)
        if found is None:
            return None
        kind, pk = found
        waiting = to_do.waiting(request.user, kind, Asked(), at).filter(pk=pk)
        page = admin.site._registry[kind.model]
        row = page.get_queryset(request).filter(pk__in=waiting.values("pk"))
        row = (
            row.select_related(*(page.list_select_related or ()))
            if page.list_select_related is not True
            else row
        )
        one = row.first()
        return None if one is None else Open(kind, one, key)

    def _context(
        self, request: HttpRequest, asked: Asked, pile: Pile, shown: Open | None, at: datetime
    ) -> dict[str, Any]:
        context: dict[str, Any] = {
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
            "form_url": _address(asked),
        }

    def _answer(self, request: HttpRequest, asked: Asked) -> HttpResponse:
        """Runs the action of the model's own page on the request, or on the parts of it that are ticked."""
        said = {name: request.POST.get(name) or request.GET.get(name, "") for name in ("demande", "suivante")}
        if not said["demande"]:  # a form that names no request answers none
            return redirect(_address(asked))
        found = to_do.find(request.user, said["demande"])
        if found is None:
            raise Http404
        kind, pk = found
        if kind.in_words:
            raise PermissionDenied
        rows, parts = self._rows(request, kind, pk)
        wanted = request.POST.get("action", "")
        decide = kind.page.get_actions(request).get(wanted) if wanted in AcceptOrRefuse.actions else None
        if decide is None:
            raise PermissionDenied
        if not rows.exists():
            if not kind.parts_of:
                raise Http404
            messages.warning(request, "Cochez au moins un jour qui attend une réponse.")
            return redirect(_address(asked, demande=said["demande"]))
        answer: object = decide[0](kind.page, request, rows)
        if isinstance(answer, TemplateResponse):
            # A page that asks for more comes back here.
            back = [*_query(asked).items(), *said.items(), *(("partie", str(one)) for one in parts)]
            url = f"{reverse(f'admin:{URL_NAME}')}?{urlencode(back)}"
            answer.context_data = (answer.context_data or {}) | {"form_url": url}
            return answer
        return redirect(_address(asked, **({"demande": said["suivante"]} if said["suivante"] else {})))

    def _rows(self, request: HttpRequest, kind: Kind, pk: int) -> tuple[QuerySet[Any], list[int]]:
        rows = kind.page.get_queryset(request)
        if not kind.parts_of:
            return rows.filter(pk=pk), []
        parts = posted_numbers(request.POST.getlist("partie") or request.GET.getlist("partie"))
        return rows.filter(**{kind.part_of: pk}, pk__in=parts), parts


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
