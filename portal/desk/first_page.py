"""The desk's first page: blocks that the floors above lend, each for who has a right that it is about.

A block is drawn by a template of its own floor. All of them together take twenty queries at most.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from portal.french.plurals import counted

# What a block says, handed to its template; None where there is nothing to say.
Read = Callable[[HttpRequest, datetime], dict[str, Any] | None]


@dataclass(frozen=True)
class Block:
    """A part of the page: for who has one of `rights`; the smallest `order` comes first."""

    key: str
    title: str
    order: int
    template: str
    rights: tuple[str, ...]
    read: Read


@dataclass(frozen=True)
class Watch:
    """A sentence to be seen, what can be done about it, and whether it is grave."""

    sentence: str
    url: str = ""
    label: str = ""
    grave: bool = False


# What one of these rights has to be aware of.
Watches = Callable[[HttpRequest, datetime], list[Watch]]


@dataclass(frozen=True)
class Way:
    """A large way on beside the day's date: the first of them is what one comes for."""

    order: int
    label: str
    url_name: str
    offered: Callable[[HttpRequest], bool]

    @property
    def url(self) -> str:
        return reverse(f"admin:{self.url_name}")


_ways: dict[str, Way] = {}
_one_by_one: set[str] = set()
_blocks: dict[str, Block] = {}
_watches: dict[str, tuple[tuple[str, ...], Watches]] = {}


def goes_one_by_one(model: str) -> None:
    """« À traiter » goes through the requests of this model: « reservations.enrolment »."""
    _one_by_one.add(model)


def one_by_one(model: str) -> bool:
    return model in _one_by_one


def register(block: Block) -> None:
    """For an app, beside its own desk."""
    _blocks[block.key] = block


def watch(key: str, rights: tuple[str, ...], read: Watches) -> None:
    """For an app: sentences of « À surveiller », for who has one of `rights`."""
    _watches[key] = (rights, read)


def way(one: Way) -> None:
    """For an app, beside its own desk."""
    _ways[one.url_name] = one


def ways(request: HttpRequest) -> list[Way]:
    """Those that who asks is offered."""
    return sorted((one for one in _ways.values() if one.offered(request)), key=lambda one: one.order)


def shown_to(
    request: HttpRequest, queues: Sequence[dict[str, Any]], notices: Sequence[Any]
) -> list[dict[str, Any]]:
    """The blocks for who asks, each with what its template is given."""
    at = timezone.now()
    found = [(10, _waits(queues, at))]
    for block in _blocks.values():
        if any(map(request.user.has_perm, block.rights)) and (told := block.read(request, at)) is not None:
            named = {"key": block.key, "title": block.title, "template": block.template}
            found.append((block.order, named | told))
    found.append((90, _watched(request, queues, notices, at)))
    return [told for _, told in sorted(found, key=lambda pair: pair[0]) if told]


def _waits(queues: Sequence[dict[str, Any]], at: datetime) -> dict[str, Any] | None:
    """What somebody has to answer: the late first, then the oldest."""
    asked = [queue for queue in queues if queue["answered"] and queue["mine"]]
    if not asked:
        return None
    lines = [queue | _age(queue, at) for queue in asked if queue["count"]]
    lines.sort(key=lambda line: (not line["late"], line["since"]))
    return {
        "key": "attend",
        "title": "Ce qui attend",
        "template": "admin/first_page/waits.html",
        "lines": lines,
        "total": sum(line["count"] for line in lines),
        "one_by_one": sum(line["count"] for line in lines if one_by_one(line["model"])),
    }


def _age(queue: dict[str, Any], at: datetime) -> dict[str, Any]:
    return {"late": at - queue["since"] > queue["late_after"], "age": age(queue["since"], at)}


def age(since: datetime, at: datetime) -> str:
    """« aujourd'hui », « hier », « 6 jours »: how long something has waited, in days of the town."""
    days = (timezone.localdate(at) - timezone.localdate(since)).days
    if days < 2:
        return "hier" if days == 1 else "aujourd'hui"
    return counted(days, "jour", "jours")


def _watched(
    request: HttpRequest, queues: Sequence[dict[str, Any]], notices: Sequence[Any], at: datetime
) -> dict[str, Any] | None:
    """What nobody has asked, and somebody should see."""
    lines = [
        one
        for rights, read in _watches.values()
        if any(map(request.user.has_perm, rights))
        for one in read(request, at)
    ]
    lines += [Watch(notice.sentence, notice.url) for notice in notices]
    lines += [
        Watch(f"{queue['title']} : {queue['count']}", queue["url"])
        for queue in queues
        if queue["count"] and queue["shown"] and queue["mine"] and not queue["answered"]
    ]
    if not lines:
        return None
    lines.sort(key=lambda line: not line.grave)
    return {
        "key": "surveiller",
        "title": "À surveiller",
        "template": "admin/first_page/watch.html",
        "lines": lines,
    }
