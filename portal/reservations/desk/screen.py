"""What the engine knows of a household on its screen at the desk: classes, enrolments, days, what waits."""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import CharField, Count, F, IntegerField, Max, Min, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from families import household_screen
from families.admin import finding
from families.admin.screen import tab_page
from families.admin.screen_blocks import WayOn
from families.household_screen import Asked, Block, Column, Requests, Screen, Tab, Waiting
from families.models import Child, Household
from portal.database.composed import Composed, Given, GivenMany
from portal.desk import rights
from portal.desk.lists import badge
from portal.desk.rights import Seen
from portal.french import moments
from portal.french.dates import SHORT_WEEKDAYS, day_number, short_day
from portal.french.plurals import counted
from portal.french.sentences import lower_first
from portal.reservations.acts import overriding
from portal.reservations.days import audiences
from portal.reservations.days.calendars import OpenDays, WhyClosed, days_between
from portal.reservations.models import (
    AbsenceCertificate,
    Booking,
    Enrolment,
    Formula,
    Move,
    Reservation,
    ReservationLine,
)
from portal.reservations.models.campaigns import publics
from portal.reservations.models.queries import class_now, latest_class
from portal.reservations.pages import in_words
from portal.reservations.states import (
    ENROLMENT_LIVE,
    LIVE,
    Action,
    EnrolmentState,
    MoveState,
    Outcome,
    ReservationState,
)

TWO_WEEKS = timedelta(days=13)
SATURDAY = 5
AHEAD, BEHIND = timedelta(days=60), timedelta(days=30)
ROWS_SHOWN = 200
CLASSES = "reservations.view_schooling"
VIEW_DAYS = ("reservations.view_booking",)
VIEW_ENROLMENTS = ("reservations.view_enrolment",)
ENROLS = ("reservations.change_enrolment",)
SMALL = {"avec", "sans", "de", "du", "des", "la", "le", "les", "et", "à", "au", "l", "d"}


# Children's lines ---------------------------------------------------------------------------------------


def _class(today: date) -> Mapping[str, Any]:
    return {"attended": latest_class(today)}


def _classes(screen: Screen) -> Mapping[int, str]:
    """« CE1, École des Tilleuls »; it leads to where a class is changed."""
    found = {child.pk: getattr(child, "attended", None) or "" for child in screen.reached(CLASSES)}
    if not screen.user.has_perm("reservations.add_move"):
        return found
    page = reverse("admin:reservations_move_add")
    asked = '<a href="{}?child={}&amp;foyer={}">{}'
    link = f'{asked}<span class="visually-hidden"> : changer de classe ou d’école</span></a>'
    return {
        key: format_html(link, page, key, screen.household.pk, words) if words else ""
        for key, words in found.items()
    }


def _activities(screen: Screen) -> Mapping[int, SafeString]:
    """What each is enrolled for, this year and the next."""
    names: dict[int, dict[str, str]] = defaultdict(dict)
    for child, activity, state in screen.read(_live_names, VIEW_ENROLMENTS, today=screen.today):
        words = activity if state == EnrolmentState.ACCEPTED else f"{activity} (demandée)"
        names[child].setdefault(activity, words)
    return {
        child: format_html_join(", ", "{}", ((words,) for words in of_child.values()))
        for child, of_child in names.items()
    }


@Composed
def _live_names(seen: Seen) -> "QuerySet[Any, tuple[int, str, str]]":
    rows = _enrolments(seen).filter(state__in=ENROLMENT_LIVE, school_year__ends_on__gte=Given("today"))
    return rows.values_list("child_id", "activity__name", "state")


def _enrolments(seen: Seen) -> QuerySet[Enrolment]:
    rows = Enrolment.objects.filter(household=Given("home"))
    return seen(rows, *VIEW_ENROLMENTS, *ENROLS).order_by("activity__order", "pk")


# What waits ---------------------------------------------------------------------------------------------


def _days_asked(seen: Seen) -> QuerySet[Any, Any]:
    """Days that wait for an answer, a line a reservation and what it asks for."""
    lines = ReservationLine.objects.filter(
        reservation__household=Given("home"), outcome=Outcome.REQUESTED
    ).exclude(reservation__state=ReservationState.DRAFT)
    mine = seen(lines, "reservations.view_reservationline", "reservations.change_reservationline")
    grouped = mine.order_by().values("reservation", "action")
    return household_screen.as_waiting(
        "jours",
        grouped,
        key=F("reservation"),
        who=Min("reservation__child__first_name"),
        what=Concat(F("action"), Value(" "), Min("formula__activity__name"), output_field=CharField()),
        since=Min("reservation__submitted_at"),
        days=Count("day", distinct=True),
        first=Min("day"),
        last=Max("day"),
        late=Max(Cast("late", IntegerField())),
    )


def _say_days(row: Waiting, screen: Screen) -> Asked:
    """« repas, jeudi 12 novembre, hors délai », « pour demain »."""
    verb, _, activity = row.what.partition(" ")
    first, last = row.first or screen.today, row.last or screen.today
    days = f"{counted(row.days or 0, 'jour', 'jours')}, {moments.span(first, last)}"
    if row.days == 1:
        days = moments.day(first)
    back = "annulation, " if verb == Action.CANCEL else ""
    late = ", hors délai" if row.late else ""
    left = (first - screen.today).days
    urgent = {0: "pour aujourd'hui", 1: "pour demain"}.get(left, "déjà passé" if left < 0 else "")
    url = reverse("admin:reservations_reservation_change", args=[row.key])
    return Asked(row.who, f"{back}{lower_first(activity)}, {days}{late}", row.since or screen.at, url, urgent)


def _enrolments_asked(seen: Seen) -> QuerySet[Any, Any]:
    rows = _enrolments(seen).filter(state=EnrolmentState.REQUESTED)
    return household_screen.as_waiting(
        "inscriptions", rows, who="child__first_name", what="activity__name", since="requested_at"
    )


def _moves_asked(seen: Seen) -> QuerySet[Any, Any]:
    rows = Move.objects.filter(household=Given("home"), state=MoveState.REQUESTED)
    mine = seen(rows, "reservations.view_move", "reservations.change_move")
    return household_screen.as_waiting("changements", mine, who="child__first_name", since="requested_at")


def _certificates_asked(seen: Seen) -> QuerySet[Any, Any]:
    state = AbsenceCertificate.State.REQUESTED
    rows = AbsenceCertificate.objects.filter(household=Given("home"), state=state)
    mine = seen(rows, "reservations.view_absencecertificate", "reservations.change_absencecertificate")
    return household_screen.as_waiting("absences", mine, who="child__first_name", since="given_at")


def _saying(model: str, words: str) -> Callable[[Waiting, Screen], Asked]:
    def say(row: Waiting, screen: Screen) -> Asked:
        url = reverse(f"admin:reservations_{model}_change", args=[row.key])
        return Asked(row.who, words.format(lower_first(row.what)), row.since or screen.at, url)

    return say


# Fourteen days ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """What a child has on a day; `words` for a voice and for the title, `short` for the eye."""

    short: str
    words: str
    state: str
    url: str


@dataclass(frozen=True)
class Cell:
    entries: list[Entry]
    closed: str


@dataclass(frozen=True)
class Head:
    """A column's day."""

    weekday: str
    number: str
    is_today: bool
    words: str


@dataclass(frozen=True)
class Grid:
    heads: list[Head]
    rows: list[tuple[str, list[Cell]]]
    legend: list[tuple[str, str]]


def short_name(name: str) -> str:
    """« R » of « Repas », « AM » of « Après-midi », « 18 h » of « De 16 h 30 à 18 h »: its end."""
    if hours := moments.hours_in(name):
        return moments.hour(hours[1])
    words = [word for word in re.split(r"[\s\-'’(),]+", name) if word and word.lower() not in SMALL]
    return "".join(word[0].upper() for word in words[:3]) or name[:2].upper()


def _short_names(formulas: Mapping[int, Formula]) -> dict[int, str]:
    """One for each formula that is shown, none twice for what is called otherwise."""
    found: dict[int, str] = {}
    taken: dict[str, str] = {}
    for key, formula in sorted(formulas.items()):
        short, number = short_name(formula.name), 1
        while taken.get(short, formula.name) != formula.name:
            number += 1
            short = f"{short_name(formula.name)} ({number})"
        taken[short] = formula.name
        found[key] = short
    return found


def _booked(
    screen: Screen, query: Composed[Booking], first: date, last: date, *shape: Hashable
) -> list[Booking]:
    """The days of the children who live there."""
    children = [child.pk for child in screen.children]
    if not children:
        return []
    return screen.read(query, VIEW_DAYS, *shape, children=children, first=first, last=last)


def _bookings(seen: Seen) -> QuerySet[Booking]:
    """In whichever home; as far as one may see the places."""
    rows = Booking.objects.filter(
        child__pk__among=GivenMany("children"), day__range=(Given("first"), Given("last"))
    )
    return seen(rows, *VIEW_DAYS, "reservations.change_booking").select_related("formula", "activity")


@Composed
def _of_two_weeks(seen: Seen, may_restore: bool) -> "QuerySet[Booking]":
    rows = _bookings(seen).order_by("day", "activity__order", "formula__order", "pk")
    return rows if may_restore else rows.filter(state__in=LIVE)


@Composed
def _by_day(seen: Seen, day: str) -> "QuerySet[Booking]":
    rows = _bookings(seen).select_related("formula", "activity", "child", "establishment")
    return rows.order_by(day, "child", "activity__order")[:ROWS_SHOWN]


def _fourteen_days(screen: Screen) -> Mapping[str, Any]:
    last = screen.today + TWO_WEEKS
    booked: dict[tuple[int, date], list[Booking]] = defaultdict(list)
    formulas: dict[int, Formula] = {}
    rows = _booked(screen, _of_two_weeks, screen.today, last, screen.user.has_perm(overriding.ACTS))
    for row in _standing(rows):
        booked[row.child_id, row.day].append(row)
        formulas[row.formula_id] = row.formula
    calendar = OpenDays.load(None, None, screen.today, last)
    full = {day for _, day in booked}
    days = [day for day in days_between(screen.today, last) if day.weekday() < SATURDAY or day in full]
    shorts = _short_names(formulas)
    heads = [
        Head(SHORT_WEEKDAYS[day.weekday()], day_number(day.day), day == screen.today, moments.day(day))
        for day in days
    ]
    lines = [
        (child.first_name, [_cell(child, day, booked, calendar, shorts, screen) for day in days])
        for child in screen.children
    ]
    legend = sorted({(shorts[key], in_words.formula(one.name)) for key, one in formulas.items()})
    all_of = WayOn("Tous les jours", tab_page(screen.household, Tab.DAYS), "du foyer")
    return {"grid": Grid(heads, lines, legend), "way_on": all_of}


def _standing(rows: Iterable[Booking]) -> list[Booking]:
    """Of each child, formula and day one row: what stands or, where nothing does, what was cancelled or
    refused last, which can be given back."""
    found: dict[tuple[int, int, date], Booking] = {}
    for row in rows:
        key = row.child_id, row.formula_id, row.day
        if key not in found or row.state in LIVE or found[key].state not in LIVE:
            found[key] = row
    return list(found.values())


def _cell(
    child: Child,
    day: date,
    booked: Mapping[tuple[int, date], list[Booking]],
    calendar: OpenDays,
    shorts: Mapping[int, str],
    screen: Screen,
) -> Cell:
    rows = booked.get((child.pk, day), [])
    closed = "" if any(row.state in LIVE for row in rows) else _closed(day, calendar)
    shown = [] if closed else rows  # what was cancelled because the day closed is not given back
    entries = [_entry(row, shorts[row.formula_id], screen.household) for row in shown]
    return Cell(entries, closed)


def _entry(row: Booking, short: str, home: Household) -> Entry:
    elsewhere = "" if row.household_id == home.pk else ", par l'autre foyer"
    state = lower_first(row.get_state_display())
    words = f"{row.activity}, {in_words.formula(row.formula.name)} : {state}{elsewhere}"
    if row.state in LIVE:
        return Entry(short, words, row.state, reverse("admin:reservations_booking_change", args=[row.pk]))
    url = reverse("admin:reservations_booking_restore", args=[row.pk])
    return Entry(short, f"{words}, à rétablir", row.state, url)


def _closed(day: date, calendar: OpenDays) -> str:
    """Why nobody is expected; empty on an ordinary day."""
    why = calendar.why_closed(day)
    if why is not None and why.kind != WhyClosed.WEEKDAY:
        return str(why)
    return ""


# Tabs ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DayRow:
    day: str
    child: str
    what: str
    where: str
    state: SafeString
    url: str


def _day_rows(rows: Iterable[Booking]) -> list[DayRow]:
    return [
        DayRow(
            moments.day(row.day),
            row.child.first_name,
            f"{row.activity}, {in_words.formula(row.formula.name)}",
            str(row.establishment),
            badge(row.state, row.get_state_display()),
            reverse("admin:reservations_booking_change", args=[row.pk]),
        )
        for row in rows
    ]


def _coming(screen: Screen) -> Mapping[str, Any]:
    rows = _booked(screen, _by_day, screen.today, screen.today + AHEAD, "day")
    page = reverse("admin:reservations_booking_changelist")
    all_of = WayOn("Toutes les réservations", f"{page}?q={screen.household.number}", "du foyer")
    return {"rows": _day_rows(rows), "none": "Rien n'est réservé dans les 60 jours.", "way_on": all_of}


def _past(screen: Screen) -> Mapping[str, Any]:
    yesterday = screen.today - timedelta(days=1)
    rows = _booked(screen, _by_day, screen.today - BEHIND, yesterday, "-day")
    return {"rows": _day_rows(rows), "none": "Rien n'était réservé ces 30 jours."}


def _all_enrolments(screen: Screen) -> Mapping[str, Any]:
    return {
        "rows": [
            (
                reverse("admin:reservations_enrolment_change", args=[row.pk]),
                row,
                badge(row.state, row.get_state_display()),
                short_day(row.starts_on, year=True),
                short_day(row.ends_on, year=True) if row.ends_on else "",
            )
            for row in screen.read(_newest_enrolments, VIEW_ENROLMENTS)
        ]
    }


@Composed
def _newest_enrolments(seen: Seen) -> "QuerySet[Enrolment]":
    rows = _enrolments(seen).select_related("child", "activity", "establishment", "school_year")
    return rows.order_by("-school_year__starts_on", "child__birth_date", "activity__order", "pk")


def _reservations(screen: Screen) -> Mapping[str, Any]:
    """Drafts are the family's own until they are recorded."""
    rows = Reservation.objects.filter(household=screen.household).exclude(state=ReservationState.DRAFT)
    seen = rights.seen_by(
        screen.user, rows, "reservations.view_reservation", "reservations.change_reservation"
    )
    newest = seen.select_related("child", "period", "establishment").order_by("-submitted_at", "-pk")
    page = reverse("admin:reservations_reservation_changelist")
    return {
        "rows": [
            (
                reverse("admin:reservations_reservation_change", args=[row.pk]),
                row,
                badge(row.state, row.get_state_display()),
                short_day(timezone.localdate(row.submitted_at), year=True) if row.submitted_at else "",
            )
            for row in newest[:ROWS_SHOWN]
        ],
        "way_on": WayOn("Toutes", f"{page}?q={screen.household.number}&etat=tous", "les demandes"),
    }


def _audiences(screen: Screen) -> Mapping[str, Any] | None:
    """None where the town made no audience of its own."""
    if not publics():
        return None
    named = audiences.words_of(screen.household, screen.today)
    said = [("Aujourd'hui", ", ".join(named) or "aucun")]
    page = reverse("admin:reservations_audiencemember_add")
    way_on = WayOn("Reconnaître", f"{page}?household={screen.household.pk}", "un public à ce foyer")
    return {"facts": said, "way_on": way_on if screen.holds("reservations.add_audiencemember") else None}


def _of(name: str) -> str:
    """The template of a block."""
    return f"admin/reservations/screen/{name}.html"


def register_all() -> None:
    """Once the desk is ready."""
    for code, column in {
        "classe": Column("Classe", (CLASSES,), _classes, 10, _class),
        "inscriptions": Column("Inscriptions", VIEW_ENROLMENTS, _activities, 50),
    }.items():
        household_screen.register_column(code, column)
    days = ("reservations.view_reservationline",)
    moved = _saying("move", "changement d'école ou de lieu")
    absent = _saying("absencecertificate", "justificatif d'absence")
    for code, requests in {
        "jours": Requests(days, _days_asked, _say_days),
        "inscriptions": Requests(VIEW_ENROLMENTS, _enrolments_asked, _saying("enrolment", "inscription, {}")),
        "changements": Requests(("reservations.view_move",), _moves_asked, moved),
        "absences": Requests(("reservations.view_absencecertificate",), _certificates_asked, absent),
    }.items():
        household_screen.register_requests(code, requests)
    for code, block in {
        "quatorze": Block("Quatorze jours", VIEW_DAYS, _of("fourteen_days"), _fourteen_days, order=50),
        "a-venir": Block("Soixante jours à venir", VIEW_DAYS, _of("days"), _coming, Tab.DAYS, 10),
        "passes": Block("Trente jours passés", VIEW_DAYS, _of("days"), _past, Tab.DAYS, 20),
        "toutes-inscriptions": Block(
            "Inscriptions", VIEW_ENROLMENTS, _of("enrolments"), _all_enrolments, Tab.ENROLMENTS, 10
        ),
        "reservations": Block(
            "Demandes de réservation",
            ("reservations.view_reservation",),
            _of("reservations"),
            _reservations,
            Tab.ENROLMENTS,
            20,
        ),
        "publics": Block(
            "Publics de la ville",
            ("families.view_household", "reservations.view_audience"),
            "admin/families/screen/facts.html",
            _audiences,
            Tab.FILE,
            40,
            3,
        ),
    }.items():
        household_screen.register(code, block)


register_all()

# Where people are looked for.
finding.lend_classes(class_now)
