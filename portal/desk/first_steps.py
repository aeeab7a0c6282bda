"""« Premiers pas »: what a town is asked before it opens, in order. Floors above lend the steps.

A step says what it is for, gives an example, and reads where the town stands from its rows: nothing is ticked
by hand, and every step is the ordinary page behind it. Each reads in a fixed number of queries; what several
of them read, they read `once` while the page asks them all (`reading`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from django.http import HttpRequest
from django.urls import reverse

# Who sets the town up.
RIGHT = "portal.change_town"
URL_NAME = "portal_town_first_steps"
TITLE = "Premiers pas"


@dataclass(frozen=True)
class Missing:
    """What is not there yet, and the page on which it is typed, for who has `right`. `needed`: families could
    do nothing without it."""

    sentence: str
    url: str = ""
    right: str = ""
    needed: bool = True

    def for_(self, user: Any) -> "Missing":
        return self if not self.url or user.has_perm(self.right) else replace(self, url="")


@dataclass
class Standing:
    """Where the town stands with a step: what is there, what is missing, what is allowed but seldom meant.

    `unused`: a town that does without it; its step is folded away.
    """

    there: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    doubtful: list[Missing] = field(default_factory=list)
    unused: bool = False

    @property
    def is_done(self) -> bool:
        return not self.missing

    @property
    def blocks(self) -> bool:
        return any(one.needed for one in self.missing)


@dataclass(frozen=True)
class Page:
    """A page behind a step, for who has `right`."""

    label: str
    url_name: str
    right: str

    @property
    def url(self) -> str:
        return reverse(f"admin:{self.url_name}")


@dataclass(frozen=True)
class Step:
    """`purpose` is what it is for, `example` what a real town says there."""

    key: str
    order: int
    title: str
    purpose: str
    example: str
    pages: Sequence[Page]
    read: Callable[[datetime], Standing]


@dataclass(frozen=True)
class Shown:
    """A step as the page shows it: pages that who asks may open, or nobody's."""

    step: Step
    number: int
    standing: Standing
    pages: Sequence[Page]


@dataclass(frozen=True)
class Readiness:
    """When an activity could be used by families: a whole sentence, with what it still wants."""

    sentence: str
    ready: bool
    wants: Sequence[str] = ()


class Readies(Protocol):
    """What the floor that knows activities says of each."""

    def __call__(self, at: datetime) -> Sequence[Readiness]: ...


Read = TypeVar("Read")
_read: ContextVar[dict[str, Any] | None] = ContextVar("read by the first steps", default=None)


@contextmanager
def reading() -> Iterator[None]:
    """While the steps are asked."""
    token = _read.set({})
    try:
        yield
    finally:
        _read.reset(token)


def once(key: str, read: Callable[[], Read]) -> Read:
    """What `read` reads; while the steps are asked, what the first of them read."""
    known = _read.get()
    if known is None:
        return read()
    if key not in known:
        known[key] = read()
    found: Read = known[key]
    return found


_steps: dict[str, Step] = {}
_readies: list[Readies] = []


def register(step: Step) -> None:
    """For an app, beside its own desk."""
    _steps[step.key] = step


def lend(readies: Readies) -> None:
    """For the floor that knows activities."""
    _readies[:] = [readies]


def steps() -> list[Step]:
    return sorted(_steps.values(), key=lambda one: one.order)


def shown_to(user: Any, at: datetime) -> list[Shown]:
    """All steps in order, each as the town stands."""
    found = []
    for number, step in enumerate(steps(), start=1):
        stands = step.read(at)
        stands.missing = [one.for_(user) for one in stands.missing]
        stands.doubtful = [one.for_(user) for one in stands.doubtful]
        pages = [page for page in step.pages if user.has_perm(page.right)]
        found.append(Shown(step, number, stands, pages))
    return found


def readiness(at: datetime) -> Sequence[Readiness]:
    """Of each activity that families are offered."""
    return [one for read in _readies for one in read(at)]


def address(request: HttpRequest) -> str:
    """Of the page, for who sets the town up; "" for others."""
    return reverse(f"admin:{URL_NAME}") if request.user.has_perm(RIGHT) else ""
