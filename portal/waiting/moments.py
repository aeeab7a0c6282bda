"""When something opens that many wait for: told by the floors above, read by the gate.

A process of the portal writes them beside the line now and then; nobody asks a database at the gate.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import escape

from portal.french import moments
from portal.waiting import line

AHEAD = timedelta(days=1)
# So long beforehand its planning says that it is about to open, and nothing else.
SOON = 300.0
MOST = 100


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that opens at an aware moment; `period` where its planning waits for it, with its name."""

    at: datetime
    period: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Period:
    """A period that opens: when (seconds since the epoch); its name and its hour as a page writes them."""

    at: float
    name: str
    hour: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is written beside the line."""

    rushes: tuple[float, ...] = ()
    periods: tuple[tuple[int, Period], ...] = ()

    def expected(self, now: float) -> bool:
        """Whether many may come at this moment, because something opens soon or has just opened."""
        return any(at - line.BEFORE <= now <= at + line.AFTER for at in self.rushes)

    def opening(self, period: int, now: float) -> Period | None:
        """The period, while it is about to open."""
        for number, found in self.periods:
            if number == period and found.at - SOON <= now < found.at:
                return found
        return None


Find = Callable[[datetime, datetime], Iterable[Moment]]
_found: list[Find] = []


def register(find: Find) -> None:
    """Adds who knows what opens from an aware moment to another."""
    if find not in _found:
        _found.append(find)


def write(at: datetime) -> str:
    """What opens around `at` and in the next day, as text."""
    since = at - timedelta(seconds=line.AFTER)
    found = sorted(
        (one for find in _found for one in find(since, at + AHEAD)), key=lambda one: (one.at, one.name)
    )[:MOST]
    return json.dumps(
        {
            "rushes": sorted({one.at.timestamp() for one in found}),
            "periods": [
                [
                    one.period,
                    one.at.timestamp(),
                    escape(one.name),
                    escape(moments.hour(timezone.localtime(one.at).time())),
                ]
                for one in found
                if one.period is not None
            ],
        }
    )


def read(text: str) -> Known:
    """Nothing, where the text is not whole."""
    try:
        found = json.loads(text) if text else {}
        return Known(
            tuple(float(at) for at in found.get("rushes", ())),
            tuple(
                (int(number), Period(float(at), str(name), str(hour)))
                for number, at, name, hour in found.get("periods", ())
            ),
        )
    except (ValueError, TypeError, AttributeError):
        return Known()
