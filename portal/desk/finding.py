"""« Rechercher », at the head of every page of the desk: what a telephone call begins with.

One field for all that somebody may say: floors that know people, or money, add a source each (`register`).
A source asks the rows themselves, by their folded columns and the indexes on these: there is no copy of them
that could be behind.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from portal.french import phones, spelling
from portal.web.posted import posted_number

# Longer ones that people look for, a telephone's for instance, are no record's.
LONGEST_NUMBER = 9
LONGEST_ASKED = 100
# Asked for by the field at the head of the page, while somebody types.
FIELD, PART = "q", "extrait"


@dataclass(frozen=True)
class Typed:
    """What was typed, as a source may read it."""

    text: str

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Folded, as the columns of names keep them."""
        return tuple(spelling.folded(self.text).split())

    @cached_property
    def phone(self) -> str:
        """How a telephone number begins, or all of it, as rows keep it; "" where it is none."""
        return phones.beginning(self.text)

    @cached_property
    def number(self) -> int | None:
        """A number alone: « 123 », « 000 123 »."""
        digits = "".join(self.text.split())
        return posted_number(digits) if len(digits) <= LONGEST_NUMBER else None

    @cached_property
    def name(self) -> str:
        """One word long enough to be part of an address or an identifiant, as it was typed; else ""."""
        whole = len(self.text.split()) == 1 and len(self.text) > spelling.SHORT and self.text.isprintable()
        return self.text if whole and any(map(str.isalpha, self.text)) else ""


@dataclass(frozen=True)
class Line:
    """Somebody or something in what was found, with its own page."""

    text: str
    url: str = ""
    note: str = ""


@dataclass(frozen=True)
class Found:
    """A result: where it leads, and what tells it from the others."""

    title: str
    url: str
    notes: Sequence[str] = ()
    lines: Sequence[Line] = ()


@dataclass(frozen=True)
class Group:
    """Results of one kind; `more`: there are others, which more letters would find."""

    title: str
    found: Sequence[Found] = field(default_factory=list)
    more: bool = False


class Source(Protocol):
    """What an app finds, at a fixed number of queries: rows that who asks may see, and no word of others."""

    def is_for(self, user: Any) -> bool:
        """Whether this login may find anything here at all."""
        ...

    def find(self, typed: Typed, user: Any) -> Iterable[Group]: ...


_sources: dict[int, Source] = {}


def register(order: int, source: Source) -> None:
    """For an app, beside its own desk; the same place again replaces it."""
    _sources[order] = source


def is_for(user: Any) -> bool:
    """Whether this login has something to look for."""
    return any(source.is_for(user) for source in _sources.values())


def find(text: str, user: Any) -> list[Group]:
    """All groups in which something was found; none for a text without a letter or a figure."""
    typed = Typed(" ".join(text[:LONGEST_ASKED].split()))
    if not typed.words:
        return []
    return [
        group
        for _, source in sorted(_sources.items())
        if source.is_for(user)
        for group in source.find(typed, user)
        if group.found
    ]


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The page of results, or the results alone; the desk's own frame is `context`."""
    if not is_for(request.user):
        raise PermissionDenied
    text = request.GET.get(FIELD, "").strip()
    groups = find(text, request.user)
    told = {
        "title": "Rechercher",
        "subtitle": None,
        "found_words": text[:LONGEST_ASKED],
        "groups": groups,
        "count": sum(len(group.found) for group in groups),
        "more": any(group.more for group in groups),
    }
    if PART in request.GET:
        return TemplateResponse(request, "admin/finding/results.html", told)
    if told["count"] == 1 and not told["more"]:  # nothing to choose: the call goes on
        return redirect(groups[0].found[0].url)
    return TemplateResponse(request, "admin/finding/page.html", context | told)
