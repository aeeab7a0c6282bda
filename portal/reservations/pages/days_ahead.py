"""The days that come on « Mon compte famille »: today, the next day of school, the rest of two weeks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from families.custody import homes
from families.custody.whose_days import WhoseDays
from families.models import Child, Household
from portal.french import moments
from portal.french.dates import short_day
from portal.reservations.days.calendars import OpenDays, WhyClosed, days_between
from portal.reservations.pages import blocks, in_words
from portal.reservations.pages.waits import WAITING, coming, ordinal, place_url
from portal.reservations.states import HOLDING, BookingState, CellState

TWO_WEEKS = timedelta(days=13)
SATURDAY = 5
OWN_WORDS, AWAY_WORDS = "chez vous", "dans l'autre foyer"

# What a service adds to the day of a child, by (child id, day): the dishes.
Extras = Mapping[tuple[int, date], list[Any]]


@dataclass(frozen=True)
class Entry:
    """What a child has: in which state, the state's words where the tick does not say it all, and where a
    place that is waited for or offered is left or answered."""

    words: str
    state: str
    label: str
    url: str = ""


@dataclass(frozen=True)
class ChildDay:
    """What a child has, or `nothing` where its home enrolled it. `whose`: « chez vous », or that the day is
    the other home's, by the child's custody calendar."""

    child: Child
    entries: list[Entry]
    whose: str = ""
    away: bool = False
    nothing: bool = False


@dataclass(frozen=True)
class DayAhead:
    """A day: who has something, eldest first; who has nothing, of those enrolled; why it is closed."""

    day: date
    title: str
    closed: str
    children: list[ChildDay]
    without: str
    menus: list[tuple[str, list[Any]]]


@dataclass(frozen=True)
class DaysAhead:
    """`shown` stand open; `later` are folded, up to `until`, a day in words."""

    shown: list[DayAhead]
    later: list[DayAhead]
    until: str

    @property
    def menus(self) -> list[DayAhead]:
        """The days of which a menu is known."""
        return [one for one in (*self.shown, *self.later) if one.menus]


def ahead(household: Household, today: date, extras: Extras) -> DaysAhead:
    """The two weeks from `today`, in two queries beside the children's: what is booked of these children in
    whichever home, that of the other one without its place or price."""
    last = today + TWO_WEEKS
    children = homes.children(household, today)
    calendar = OpenDays.load(None, None, today, last)
    entries: dict[tuple[int, date], list[Entry]] = {}
    living = {child.pk for child in children}
    for booking in coming(household, today, last):
        if booking.child_id not in living:
            continue
        entry = _entry(booking, household)
        entries.setdefault((booking.child_id, booking.day), []).append(entry)
    enrolled = blocks.enrolled_children(household)
    whose = WhoseDays.load(children, today, last)
    booked = {day for _, day in entries}
    days = [
        _day(day, today, household, children, enrolled, entries, extras, calendar, whose)
        for day in days_between(today, last)
        if day == today or day in booked or _matters(day, calendar)
    ]
    following = next(
        (at for at, one in enumerate(days) if at and (one.day in booked or calendar.is_school_day(one.day))),
        0,
    )
    later = [*days[1:following], *days[following + 1 :]]
    shown = [days[0], *days[following : following + 1]] if following else days[:1]
    return DaysAhead(shown, later, short_day(later[-1].day) if later else "")


def _entry(booking: Any, household: Household) -> Entry:
    """A day booked; by the other home, as the planning says it."""
    words = in_words.formula(booking.formula.name)
    if booking.household_id != household.pk:
        held = booking.state in HOLDING
        label = CellState.ELSEWHERE.label if held else "demandé par l'autre foyer"
        return Entry(words, CellState.ELSEWHERE, label)
    plain = booking.state == BookingState.ACCEPTED
    label = "" if plain else booking.get_state_display().lower()
    if booking.rank:
        label += f", {ordinal(booking.rank)}"
    return Entry(words, booking.state, label, place_url(booking.pk) if booking.state in WAITING else "")


def _matters(day: date, calendar: OpenDays) -> bool:
    """A day of school, or one that is closed although it is no week-end and no holidays."""
    if calendar.is_school_day(day):
        return True
    return day.weekday() < SATURDAY and not calendar.is_school_holiday(day)


def _day(
    day: date,
    today: date,
    household: Household,
    children: list[Child],
    enrolled: set[int],
    entries: Mapping[tuple[int, date], list[Entry]],
    extras: Extras,
    calendar: OpenDays,
    whose: WhoseDays,
) -> DayAhead:
    have: list[ChildDay] = []
    without: list[str] = []
    for child in children:
        found = entries.get((child.pk, day), [])
        if whose.has(child.pk, household.pk):
            away = whose.is_others(child.pk, household.pk, day)
            nothing = child.pk in enrolled and not found and not away
            have.append(ChildDay(child, found, AWAY_WORDS if away else OWN_WORDS, away, nothing))
        elif found:
            have.append(ChildDay(child, found))
        elif child.pk in enrolled:
            without.append(child.first_name)
    closed = "" if any(one.entries for one in have) else _closed(day, calendar)
    return DayAhead(
        day,
        moments.coming(day, today),
        closed,
        have,
        moments.listing(without) if have and not closed else "",
        _menus(children, day, extras),
    )


def _closed(day: date, calendar: OpenDays) -> str:
    """Why nobody is expected; empty on an ordinary day."""
    why = calendar.why_closed(day)
    if why is not None and why.kind != WhyClosed.WEEKDAY:
        return str(why)
    return "" if calendar.is_school_day(day) else "pas d'école"


def _menus(children: list[Child], day: date, extras: Extras) -> list[tuple[str, list[Any]]]:
    """What is served that day: (for whom, dishes). For whom is empty when all children have the same."""
    groups: list[tuple[list[str], list[Any]]] = []
    for child in children:
        dishes = extras.get((child.pk, day), [])
        same = next((names for names, others in groups if others == dishes), None)
        if same is not None:
            same.append(child.first_name)
        elif dishes:
            groups.append(([child.first_name], dishes))
    return [(moments.listing(names) if len(groups) > 1 else "", dishes) for names, dishes in groups]
