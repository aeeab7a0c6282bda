"""Cells that the engine's lists of the desk show alike: a class, places left, what came too late."""

from datetime import datetime
from typing import Any, Protocol

from django.contrib import admin
from django.utils import timezone
from django.utils.safestring import SafeString

from portal.desk.lists import badge
from portal.reservations.models import ReservationLine
from portal.reservations.states import Action, Outcome


def places_cell(left: int | None, *, waits: bool = True) -> SafeString | str:
    """« 3 », « complet », « sans limite »."""
    if not waits:
        return "–"
    if left is None:
        return "sans limite"
    return badge("full", "complet") if left <= 0 else str(left)


def short_moment(moment: datetime | None) -> str | None:
    """« 22/11/2026 à 22:16 », in the portal's time zone: narrow enough for a list."""
    return f"{timezone.localtime(moment):%d/%m/%Y à %H:%M}" if moment else None


def late_cell(late: bool) -> SafeString | str:
    """« hors délai », in words: a tick would look like good news."""
    return badge("late", "hors délai") if late else "–"


def asks_for_place(line: ReservationLine) -> bool:
    return line.action == Action.BOOK and line.outcome in (Outcome.REQUESTED, Outcome.WAITLISTED)


class Attending(Protocol):
    """A row with the name of its child's class, as `class_of` reads it."""

    @property
    def attended(self) -> str | None: ...


class ClassName:
    """« Classe »."""

    @admin.display(description="classe", ordering="attended", empty_value="–")
    def class_name(self, obj: Attending) -> str:
        return obj.attended or "–"


class Narrow(Protocol):
    """A row with the fewest places left in what it waits for, as `fewest_places` reads them."""

    @property
    def fewest(self) -> int | None: ...


class PlacesLeft:
    """« Places libres »."""

    @admin.display(description="places libres")
    def places_left(self, obj: Narrow) -> SafeString | str:
        return places_cell(obj.fewest, waits=self.asks_for_place(obj))

    def asks_for_place(self, obj: Any) -> bool:
        """Whether the row still wants a place."""
        return True


class Timely(Protocol):
    """A row that may have come too late."""

    @property
    def late(self) -> bool: ...


class LateBadge:
    """« Délai »."""

    @admin.display(description="délai", ordering="late")
    def late_badge(self, obj: Timely) -> SafeString | str:
        return late_cell(obj.late)


class LineCells(PlacesLeft, LateBadge):
    """What a day of a reservation shows, in its reservation and in the list of days."""

    def asks_for_place(self, obj: ReservationLine) -> bool:
        return asks_for_place(obj)

    @admin.display(description="état", ordering="outcome")
    def outcome_badge(self, obj: ReservationLine) -> SafeString:
        return badge(obj.outcome, obj.get_outcome_display())
