"""Cells that the desk's queues share: who asks, since when, how many places are left."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from families.models import User
from portal.desk.lists import (
    badge,
)
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


def household_link(household_id: int) -> SafeString | str:
    """The household's number, leading to its page."""
    url = reverse("admin:families_household_change", args=[household_id])
    return format_html('<a href="{}">{}</a>', url, f"{household_id:06d}")


class DecidedFields(admin.ModelAdmin):
    """Who asked and who answered, by name: agents may not open the logins themselves."""

    @admin.display(description="traité par", empty_value="–")
    def decided_by_name(self, obj: Any) -> str:
        return person(obj.decided_by)


def person(user: User | None) -> str:
    """The name of somebody, or the login that stands for it; « – » for nobody: a form's page takes no
    heed of `empty_value`."""
    return (user.get_full_name() or user.get_username()) if user else "–"


def late_cell(late: bool) -> SafeString | str:
    """« hors délai », in words: a tick would look like good news."""
    return badge("late", "hors délai") if late else "–"


def asks_for_place(line: ReservationLine) -> bool:
    return line.action == Action.BOOK and line.outcome in (Outcome.REQUESTED, Outcome.WAITLISTED)
