"""Blocks of the desk's first page that the engine lends: who comes today and tomorrow, what fills up."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, F, Q, QuerySet, Window
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from portal.desk import first_page, rights
from portal.french.dates import SHORT_WEEKDAYS, WEEKDAYS, day_number, short_day
from portal.french.plurals import counted
from portal.reservations.desk.slots import COMING_DAYS, nearly_full
from portal.reservations.models import Booking, Establishment, Slot

BOOKINGS, SLOTS = "reservations.view_booking", "reservations.view_slot"
# Places fill up for weeks: that many slots are looked at, the nearest first, and as many lines shown.
LOOKED_AT, SHOWN = 200, 6


@dataclass(frozen=True)
class DayPage:
    """A page of the desk that shows a place on a day: its address, the name that the place has in it, the
    right that it asks for, and the one that it asks for any day but today."""

    url_name: str
    place: str
    right: str
    other_days: str = ""

    def url(self, place: int, day: date) -> str:
        query = urlencode({self.place: str(place), "jour": day.isoformat()})
        return f"{reverse(f'admin:{self.url_name}')}?{query}"


# By service.
_day_pages: dict[str, DayPage] = {}


def shows_days(service: str, page: DayPage) -> None:
    """For a service, beside its own desk."""
    _day_pages[service] = page


# Who comes ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expected:
    """A place of a service, with the children expected there on each day."""

    name: str
    children: Sequence[int]
    urls: Sequence[str]


def expected(request: HttpRequest, at: datetime) -> dict[str, Any] | None:
    """Children by place, today and tomorrow, and the meals of all of them; in one query."""
    today = timezone.localdate(at)
    days = (today, today + timedelta(days=1))
    booked = (
        Booking.objects.holding()
        # Places are named so that the index by place and day serves.
        .filter(day__in=days, establishment__in=Establishment.objects.values("pk"))
    )
    rows: Any = (
        _counted(request, booked)
        .order_by()
        .values("establishment", "establishment__name", "activity__service", "day")
        .annotate(
            children=Count("child", distinct=True), meals=Count("pk", filter=Q(formula__with_meal=True))
        )
    )
    lines, meals = _by_place(rows, days, request)
    if not lines:
        return {"lines": [], "days": [], "meals": []}
    return {
        "lines": lines,
        "days": [f"{WEEKDAYS[day.weekday()].capitalize()} {day_number(day.day)}" for day in days],
        "meals": [meals[day] for day in days] if any(meals.values()) else [],
    }


def _counted(request: HttpRequest, booked: QuerySet[Booking]) -> QuerySet[Booking]:
    """Those that somebody may count: who reads bookings by these, a kitchen or who calls a register by the
    page that counts the day's children."""
    if request.user.has_perm(BOOKINGS):
        return rights.seen_by(request.user, booked, BOOKINGS)
    found = booked.none()
    for service, page in _day_pages.items():
        found |= rights.seen_by(request.user, booked.filter(activity__service=service), page.right)
    return found


def _by_place(
    rows: Iterable[Mapping[str, Any]], days: Sequence[date], request: HttpRequest
) -> tuple[list[Expected], dict[date, int]]:
    found: dict[tuple[str, int, str], dict[date, int]] = defaultdict(lambda: dict.fromkeys(days, 0))
    meals = dict.fromkeys(days, 0)
    for row in rows:
        where = row["establishment__name"], row["establishment"], row["activity__service"]
        found[where][row["day"]] = row["children"]
        meals[row["day"]] += row["meals"]
    lines = [
        Expected(
            name,
            [counts[day] for day in days],
            [_url(place, service, day, request, today=days[0]) for day in days],
        )
        for (name, place, service), counts in found.items()
    ]
    return sorted(lines, key=lambda line: (-max(line.children), line.name)), meals


def _url(place: int, service: str, day: date, request: HttpRequest, *, today: date) -> str:
    page = _day_pages.get(service)
    if page is not None and request.user.has_perm(page.right):
        closed = day != today and page.other_days and not request.user.has_perm(page.other_days)
        return "" if closed else page.url(place, day)
    asked = {
        "establishment__id__exact": place,
        "day__day": day.day,
        "day__month": day.month,
        "day__year": day.year,
    }
    return f"{reverse('admin:reservations_booking_changelist')}?{urlencode(asked)}"


# What fills up ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filling:
    """A place on the nearest day on which it is full or nearly so."""

    name: str
    activity: str
    day: str
    percent: int
    left: str
    more: str
    url: str


def filling(request: HttpRequest, at: datetime) -> dict[str, Any] | None:
    """What is full, or nearly, within a month: each place on its nearest day; in one query."""
    today = timezone.localdate(at)
    coming = nearly_full(Slot.objects.filter(day__range=(today, today + timedelta(days=COMING_DAYS))))
    slots = rights.seen_by(request.user, coming, SLOTS)
    nearest = list(
        slots.annotate(total=Window(Count("pk")), free=F("capacity") - F("taken"))
        .select_related("establishment", "activity")
        .order_by("day", "free", "pk")[:LOOKED_AT]
    )
    if not nearest:
        return None
    query = urlencode({"jours": "mois", "remplissage": "presque"})
    return {
        "lines": _fillings(nearest)[:SHOWN],
        "url": f"{reverse('admin:reservations_slot_changelist')}?{query}",
        "label": f"Toutes les capacités ({nearest[0].total})",
    }


def _fillings(slots: Sequence[Any]) -> list[Filling]:
    by_place: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for slot in slots:
        by_place[slot.establishment_id, slot.activity_id].append(slot)
    return [_filling(together) for together in by_place.values()]


def _filling(together: list[Any]) -> Filling:
    # Of a day's parts, the one with fewest places left.
    slot, others = together[0], len({one.day for one in together}) - 1
    left = max(slot.places_left or 0, 0)
    named = {
        "establishment__id__exact": slot.establishment_id,
        "activity__id__exact": slot.activity_id,
        "jours": "mois",
        "remplissage": "presque",
    }
    return Filling(
        name=str(slot.establishment),
        activity=str(slot.activity),
        day=f"{SHORT_WEEKDAYS[slot.day.weekday()]} {short_day(slot.day)}",
        percent=min(100, 100 * slot.taken // slot.capacity),
        left="complet" if not left else counted(left, "libre", "libres"),
        more=f"et {counted(others, 'autre jour', 'autres jours')}" if others else "",
        url=f"{reverse('admin:reservations_slot_changelist')}?{urlencode(named)}",
    )


first_page.register(
    first_page.Block(
        "attendus",
        "Aujourd'hui et demain",
        20,
        "admin/reservations/first_page_expected.html",
        # Who only reads bookings to bill them has another first page.
        (SLOTS, "catering.view_menu", "leisure.view_centre"),
        expected,
    )
)
first_page.register(
    first_page.Block(
        "remplit", "Se remplit", 30, "admin/reservations/first_page_filling.html", (SLOTS,), filling
    )
)
