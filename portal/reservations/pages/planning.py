"""What a planning shows: cells with state, reason and deadline, built in a fixed number of queries.

What may be ticked is decided here and nowhere in the browser: `read` throws out whatever a posted form claims
beyond it.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, TypeAlias, TypedDict

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.http import QueryDict
from django.utils import timezone
from django.utils.text import capfirst
from django_stubs_ext import WithAnnotations

from families.custody.whose_days import WhoseDays
from families.models import Child, User
from portal.database.composed import Composed, Given, numbered, one_of
from portal.french import moments
from portal.french.dates import WEEKDAYS
from portal.french.sentences import lower_first
from portal.french.weekdays import weekdays_in
from portal.reservations.acts import reservation_drafts
from portal.reservations.acts.places import slots_of
from portal.reservations.acts.refusals import Choice
from portal.reservations.day_rules import wording
from portal.reservations.days import day_rule_book, needed
from portal.reservations.days.calendars import days_between
from portal.reservations.days.day_rule_book import DaysTaken
from portal.reservations.days.deadline_book import DeadlineBook
from portal.reservations.days.limits import Limits
from portal.reservations.days.needed import Unsure
from portal.reservations.days.offer import NO_FORMULA
from portal.reservations.days.standing import Closed, Open, Where
from portal.reservations.deadlines.decisions import Standing
from portal.reservations.models import (
    Activity,
    Booking,
    Enrolment,
    Establishment,
    Formula,
    Period,
    Reservation,
    ReservationLine,
    Slot,
)
from portal.reservations.pages.acting import Acting
from portal.reservations.pages.addresses import planning_address
from portal.reservations.pages.cells import AWAY_NAMED, BOOK, CANCEL, FIELDS, WAIT, Cell
from portal.reservations.pages.waits import WAITING, Wait, waits_among
from portal.reservations.states import (
    HOLDING,
    LIVE,
    Action,
    BookingState,
    CellState,
    Override,
    ReservationState,
)
from portal.web.posted import posted_number

MONDAY_TO_FRIDAY = range(5)
WEEKDAY_NUMBERS = frozenset("0123456")
NOTHING_THERE = (CellState.CLOSED, CellState.LATE, CellState.EARLY)

# What stands in a cell although nothing can be ticked there.
STANDING = (CellState.BOOKED, CellState.REQUESTED, CellState.WAITLISTED, CellState.CANCEL_REQUESTED)
# What a live booking looks like in its cell.
SHOWN_AS = {
    BookingState.ACCEPTED: CellState.BOOKED,
    BookingState.REQUESTED: CellState.REQUESTED,
    BookingState.WAITLISTED: CellState.WAITLISTED,
    BookingState.OFFERED: CellState.OFFERED,
    BookingState.HELD: CellState.HELD,
    BookingState.CANCEL_REQUESTED: CellState.CANCEL_REQUESTED,
    BookingState.CANCELLED: CellState.CANCELLED,
    BookingState.REFUSED: CellState.REFUSED,
}


class TouchedAt(TypedDict):
    touched_at: datetime
    child_id: int
    place_id: int


# With the moment of its draft's last change, and whose it is.
DraftLine: TypeAlias = "WithAnnotations[ReservationLine, TouchedAt]"


@dataclass
class Ticks:
    """What a form asks for, and the sentences about what cannot be had."""

    book: set[Choice] = field(default_factory=set)
    wait: set[Choice] = field(default_factory=set)
    cancel: set[Choice] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)

    def of(self, name: str) -> set[Choice]:
        """The set behind one of the three checkbox names."""
        return {BOOK: self.book, WAIT: self.wait, CANCEL: self.cancel}[name]

    def __bool__(self) -> bool:
        return bool(self.book or self.wait or self.cancel)


class Planning:
    """All cells of an enrolment in a period at an establishment."""

    def __init__(
        self,
        enrolment: Enrolment,
        establishment: Establishment,
        period: Period,
        formulas: Sequence[Formula],
        where: Where,
        cells: dict[Choice, Cell],
        lines: list[DraftLine],
        weekdays: list[int],
        suffix: str = "",
    ) -> None:
        self.enrolment = enrolment
        self.establishment = establishment
        self.period = period
        self.formulas = list(formulas)
        self.where = where
        self.cells = cells
        self.lines = lines
        self.weekdays = weekdays
        # What tells its fields from those of another child's planning on the same page.
        self.suffix = suffix
        # Its days on a waiting list, and those with a place offered.
        self.waits: list[Wait] = []
        # The plannings of brothers and sisters shown on the same page.
        self.beside: list[Planning] = []
        # Those in which one can reserve there, this one among them, as far as the page knows them.
        self.periods: list[Period] = []
        # Where the activity says how many days one takes.
        self.days_taken: DaysTaken | None = None
        # Of days that are not sure yet: what their cells say without it, and what makes them sure.
        self.sure_notes: dict[Choice, str] = {}
        self.unsure: dict[date, str] = {}
        # Whether the page is there to cancel: deselecting then asks to cancel what is booked.
        self.cancelling = False
        parts = {formula.pk: set(formula.parts) for formula in formulas}
        self.rivals = {
            one: [other for other in parts if other != one and parts[one] & parts[other]] for one in parts
        }

    @classmethod
    def build(
        cls,
        enrolment: Enrolment,
        establishment: Establishment,
        period: Period,
        *,
        at: datetime,
        whole: bool = False,
        within: tuple[date, date] | None = None,
        drafted_only: bool = False,
        acting: Acting | None = None,
    ) -> "Planning":
        """Reads everything and computes the cells of one child's planning: see `together`."""
        here = [(enrolment, establishment)]
        asked: dict[str, Any] = {"whole": whole, "within": within, "drafted_only": drafted_only}
        return cls.together(here, period, at=at, acting=acting, **asked)[0]

    @classmethod
    def together(
        cls,
        wanted: list[tuple[Enrolment, Establishment]],
        period: Period,
        *,
        at: datetime,
        whole: bool = False,
        within: tuple[date, date] | None = None,
        drafted_only: bool = False,
        offered: bool = True,
        acting: Acting | None = None,
    ) -> list["Planning"]:
        """The plannings of children enrolled to the same activity, each at its place, for one page.

        Enrolments come with their activity, household and school year. Weeks gone by are left out unless
        `whole`; with `within`, a first and a last day, only the days between them are computed, and those
        that a draft holds; with `drafted_only`, none but these, for who only looks at what was chosen. What
        stands is shown whatever became of its formula, weekday or period; where the period is not `offered`
        at the place any more, nothing else can be reserved. Where several children stand on the page, the
        names of cells begin with the child's, and the fields of all but the first end with a suffix of their
        own. Where the town hall is `acting`, its own draft is read, weeks gone by are there, and what it may
        pass over can be ticked.
        Five queries and one for each further child (its class has closures of its own), one more where a
        rule has windows, two where one says how many days to take, one where a child waits for a place and
        one where classes limit the activity; whatever the days and bookings.
        """
        activity = wanted[0][0].activity
        book = DeadlineBook.for_activity(activity, period)
        first, last = period.starts_on, period.ends_on
        if not whole and acting is None:
            today = timezone.localdate(at)
            first = max(first, today - timedelta(days=today.weekday()))
        shown = (first, last) if within is None else (max(first, within[0]), min(last, within[1]))
        lines = _draft_lines(wanted, period, at_desk=acting is not None)
        drafted = {line.day for of_one in lines.values() for line in of_one if first <= line.day <= last}
        if drafted_only:
            shown = (min(drafted, default=last), max(drafted, default=last))
        rooms, stands = _rooms_and_stands(
            wanted, shown, {day for day in drafted if not _in(shown, day)}, period, timezone.localdate(at)
        )
        standing = [one for of_child in stands.values() for one in of_child if one.state in LIVE]
        booked = {one.formula_id for one in standing}
        formulas = [one for one in _formulas(activity=activity.pk) if one.active or one.pk in booked]
        own = wanted[0][0].household_id
        waits = waits_among([one.pk for one in standing if one.state in WAITING and one.household_id == own])
        days_told = {first, last, *(one.day for one in standing)}
        children = [enrolment.child for enrolment, _ in wanted]
        whose = WhoseDays.load(children, min(days_told), max(days_told))
        several = len(wanted) > 1
        limits: dict[int, Limits] = {}
        if activity.is_limited:
            limits = Limits.of_many(activity, [(one.child, one.school_year_id) for one, _ in wanted])
        plans = []
        for number, (enrolment, establishment) in enumerate(wanted):
            where = Where.load(
                enrolment,
                establishment,
                period,
                at=at,
                book=book,
                offered=offered,
                limits=limits.get(enrolment.child_id),
                desk=acting.desk(activity, establishment) if acting else None,
            )
            weekdays = weekdays_in(activity.weekdays & establishment.open_weekdays)
            own_lines = lines[enrolment.child_id, establishment.pk]
            maker = _CellMaker(
                where,
                formulas,
                rooms[establishment.pk],
                stands[enrolment.child_id],
                own_lines,
                enrolment.child.first_name if several else "",
                waits,
                whose,
            )
            columns = {*MONDAY_TO_FRIDAY, *weekdays}
            days = [day for day in days_between(*shown) if day.weekday() in columns]
            elsewhere = {line.day for line in own_lines if line.day in drafted and not _in(shown, line.day)}
            standing_days = {one.day for one in stands[enrolment.child_id] if one.state in LIVE}
            if drafted_only:
                chosen = {line.day for line in own_lines}
                days = [day for day in days if day in chosen]
                standing_days &= chosen
            if elsewhere or not standing_days <= set(days):
                drafts = {day for day in elsewhere if day.weekday() in columns}
                days = sorted({*days, *drafts, *standing_days})
            cells = {}
            for day in days:
                for formula in formulas:
                    choice = Choice(formula.pk, day)
                    cells[choice] = maker.cell(formula, choice)
            suffix = f"-{enrolment.pk}" if number else ""
            plan = cls(enrolment, establishment, period, formulas, where, cells, own_lines, weekdays, suffix)
            plan.waits = maker.waiting
            plans.append(plan)
        plans[0].beside = plans[1:]
        if any(one.unsure for one in formulas):
            unsure = needed.Unsure.of(activity.pk, first, last)
            for plan in plans:
                plan.say_what_is_unsure(unsure)
        if any(one.counted for one in formulas):
            for plan, taken in zip(plans, day_rule_book.load([one.where for one in plans]), strict=True):
                plan.days_taken = taken
        return plans

    def address(self, period: Period | None = None) -> str:
        """Where it is; or that of another period of its activity."""
        return planning_address(
            self.enrolment.activity, self.enrolment.pk, self.establishment.pk, (period or self.period).pk
        )

    @property
    def legend(self) -> str:
        """Which one its page shows: of another home speaks only that of a child that has two."""
        cells = (cell for each in (self, *self.beside) for cell in each.cells.values())
        two = any(cell.state == CellState.ELSEWHERE or cell.away for cell in cells)
        return "planning_of_two_homes" if two else "planning"

    @property
    def follows_a_calendar(self) -> list[Child]:
        """The children of its page of which some days shown are the other home's."""
        return [
            each.enrolment.child
            for each in (self, *self.beside)
            if any(cell.away for cell in each.cells.values())
        ]

    # The draft ----------------------------------------------------------------------------------------

    def keep(self, ticks: Ticks, *, by: User, at: datetime) -> Reservation | None:
        """Saves what is ticked as its draft, which is None where nothing is. Raises BookingRefused where the
        child left the household while the planning was open."""
        return reservation_drafts.choose(
            self.enrolment,
            self.establishment,
            self.period,
            book=ticks.book,
            wait=ticks.wait,
            cancel=ticks.cancel,
            seen=self.version,
            by=by,
            at=at,
            at_desk=self.where.desk is not None,
        )

    @property
    def draft(self) -> Reservation | None:
        return self.lines[0].reservation if self.lines else None

    @property
    def version(self) -> str:
        """Changes whenever the draft does: how a stale tab is recognised."""
        return self.lines[0].touched_at.isoformat() if self.lines else ""

    def ticks(self) -> Ticks:
        """What the draft holds, days outside the planning shown included."""
        ticks = Ticks()
        for line in self.lines:
            choice = Choice(line.formula_id, line.day)
            name = CANCEL if line.action == Action.CANCEL else WAIT if line.accepts_waiting else BOOK
            ticks.of(name).add(choice)
        return ticks

    def say_what_is_unsure(self, unsure: Unsure) -> None:
        """In the cells of days that open only with so many children, and are not sure yet."""
        for cell in self.cells.values():
            if not cell.field and cell.state not in STANDING:
                continue
            if why := unsure.sentence(self.establishment.pk, self.period, cell.day):
                self.sure_notes[cell.choice] = cell.note
                self.unsure[cell.day] = unsure.apart(self.establishment.pk, self.period, cell.day)
                cell.note = f"{why} {cell.note}".strip()
                cell.short = "sous réserve"
                cell.name += ", sous réserve"

    def counts(self, ticks: Ticks) -> list[str]:
        """What stands against these ticks by how many days one takes, a sentence a week or month:
        « Semaine du 14 décembre : 2 jours cochés, il en faut 3. »"""
        if self.days_taken is None:
            return []
        standing = [day for _, day in self.days_taken.standing]
        found = self.days_taken.broken(ticks.cancel, ticks.book | ticks.wait)
        return list(
            dict.fromkeys(
                wording.broken(one, "" if any(day in one.need.span for day in standing) else "cochés")
                for one in found
            )
        )

    def gone(self) -> dict[Choice, str]:
        """What closed since the draft was kept, each in a sentence: no tick is lost in silence.

        Days that filled up are not among them: they are chosen again, or waited for, in their cells.
        """
        sentences = {}
        for line in sorted(self.lines, key=lambda line: (line.day, line.formula_id)):
            choice = Choice(line.formula_id, line.day)
            cell = self.cells.get(choice)
            cancels = line.action == Action.CANCEL
            if cell is None:
                answer = self.where.booking(line.formula_id, line.day)
                reason = answer.reason if isinstance(answer, Closed) else ""
            elif cell.lost or (cell.field == CANCEL if cancels else cell.bookable):
                continue
            else:
                # A cell that offers the contrary speaks of that, not of what is missing here.
                reason = "" if cell.field else cell.note
            sentences[choice] = _no_longer(line, self._name_among(line.formula_id), reason)
        return sentences

    def _name_among(self, formula_id: int) -> str:
        """The formula's name, where days have several."""
        names = {formula.pk: formula.name for formula in self.formulas}
        return names.get(formula_id, "") if len(names) > 1 else ""

    def read(self, data: QueryDict, *, shown: Container[Choice] | None = None) -> Ticks:
        """The ticks of a posted form, each checked against its cell.

        With `shown`, the choices that the form holds, draft lines elsewhere are kept as far as they still
        stand. Of formulas that exclude each other on a day, the first counts.
        """
        ticks = Ticks()
        if shown is not None:
            self._keep_elsewhere(ticks, shown)
        seen: set[Choice] = set()
        for name in FIELDS:
            for value in data.getlist(name + self.suffix):
                choice = parse_choice(value)
                cell = None if choice is None else self.cells.get(choice)
                if choice is None or cell is None:
                    ticks.refused.append("Un jour inconnu a été laissé de côté.")
                elif choice in seen:
                    continue
                elif cell.field == name or (name == WAIT and cell.field == BOOK):
                    seen.add(choice)
                    rival = self._rival(ticks, choice) if name != CANCEL else None
                    if rival is None:
                        ticks.of(cell.field).add(choice)
                    else:
                        ticks.refused.append(self._clash(rival, choice))
                else:
                    ticks.refused.append(f"{moments.day(choice.day).capitalize()} : {lower_first(cell.note)}")
                    seen.add(choice)
        ticks.refused = list(dict.fromkeys(ticks.refused))
        return ticks

    def add_draft(self, ticks: Ticks) -> None:
        """Adds what the draft holds, as far as it does not exclude what is ticked."""
        kept = self.ticks()
        for name in FIELDS:
            for choice in sorted(kept.of(name)):
                if name == CANCEL or (choice not in ticks.book and self._rival(ticks, choice) is None):
                    ticks.of(name).add(choice)

    def _keep_elsewhere(self, ticks: Ticks, shown: Container[Choice]) -> None:
        kept = self.ticks()
        for name in FIELDS:
            for choice in sorted(kept.of(name)):
                if choice in shown:
                    continue
                cell = self.cells.get(choice)
                if cell is None:
                    ticks.refused.append(
                        f"{moments.day(choice.day).capitalize()} : ce jour n'est plus dans la période."
                    )
                elif cell.field == name or cell.lost or (name == WAIT and cell.field == BOOK):
                    ticks.of(name).add(choice)
                else:
                    ticks.refused.append(f"{moments.day(choice.day).capitalize()} : {lower_first(cell.note)}")

    def _rival(self, ticks: Ticks, choice: Choice) -> Choice | None:
        """What is ticked that day and takes the same part of it."""
        for formula_id in self.rivals.get(choice.formula_id, ()):
            rival = Choice(formula_id, choice.day)
            if rival in ticks.book or rival in ticks.wait:
                return rival
        return None

    def _clash(self, kept: Choice, refused: Choice) -> str:
        names = {formula.pk: formula.name for formula in self.formulas}
        return (
            f"{moments.day(refused.day).capitalize()} : « {names[kept.formula_id]} » et "
            f"« {names[refused.formula_id]} » se recouvrent : « {names[kept.formula_id]} » reste choisi."
        )

    # What a button without JavaScript does ----------------------------------------------------------------

    def select(self, ticks: Ticks, cells: Iterable[Cell]) -> None:
        """Ticks all free cells among `cells`, but on days of the child's other home; what they exclude on the
        same day is unticked."""
        self.add(ticks, [cell.choice for cell in cells if cell.by_button])

    def add(self, ticks: Ticks, choices: Iterable[Choice]) -> None:
        """Ticks these choices; what they exclude on the same day is unticked."""
        for choice in choices:
            while (rival := self._rival(ticks, choice)) is not None:
                ticks.book.discard(rival)
                ticks.wait.discard(rival)
            ticks.book.add(choice)

    def clear(self, ticks: Ticks, cells: Iterable[Cell]) -> None:
        """Unticks whatever is ticked among `cells`."""
        choices = {cell.choice for cell in cells}
        for name in FIELDS:
            ticks.of(name).difference_update(choices)

    def cancel(self, ticks: Ticks, cells: Iterable[Cell]) -> None:
        """Asks to cancel whatever is booked among `cells`."""
        ticks.cancel |= {cell.choice for cell in cells if cell.field == CANCEL}

    def in_week(self, key: str) -> list[Cell]:
        """Cells of an ISO week « 2026-W49 »."""
        return [cell for cell in self.cells.values() if week_key(cell.day) == key]

    # What the page says -------------------------------------------------------------------------------------

    @property
    def offers(self) -> list[Wait]:
        """The places that wait for an answer."""
        return [wait for wait in self.waits if wait.offered]

    @property
    def waiting(self) -> list[Wait]:
        return [wait for wait in self.waits if not wait.offered]

    @property
    def usual_weekdays(self) -> list[tuple[int, str, bool]]:
        """For « Jours de fréquentation habituels »: number, name, ticked."""
        return [
            (weekday, WEEKDAYS[weekday].capitalize(), bool(self.enrolment.weekdays >> weekday & 1))
            for weekday in self.weekdays
        ]

    @property
    def next_limit(self) -> str:
        """The nearest deadline, in words: what a tired parent must know first."""
        for cell in self.cells.values():
            if cell.field == BOOK and cell.note and not cell.over:
                note = self.sure_notes.get(cell.choice, cell.note)
                said = f"Pour le {moments.day(cell.day)} : {lower_first(note)}" if note else ""
                return " ".join(filter(None, (said, self.unsure.get(cell.day))))
        return ""


# What reserving late comes to, by whether the town hall is asked.
_LATE_NOTE = {
    True: "Hors délai : ce sera une demande, la mairie vous répond.",
    False: "Hors délai : encore possible.",
}


def open_weekdays(plans: Iterable[Planning]) -> set[int]:
    """The weekdays on which the activity takes place, and those of days that were opened besides."""
    weekdays: set[int] = set()
    for plan in plans:
        weekdays.update(plan.weekdays)
        weekdays.update(
            cell.day.weekday()
            for cell in plan.cells.values()
            if cell.field or cell.state not in NOTHING_THERE
        )
    return weekdays


def on_weekdays(cells: Iterable[Cell], posted: Iterable[str]) -> list[Cell]:
    """Those of these weekdays, by their posted numbers (« 0 » is Monday)."""
    wanted = set(weekday_numbers(posted))
    return [cell for cell in cells if cell.day.weekday() in wanted]


def toggle(chosen: Iterable[tuple[Planning, Ticks, Iterable[Cell]]]) -> None:
    """Ticks all free cells of every planning among these, but on days of a child's other home; when they all
    are already, unticks them."""
    free = [(plan, ticks, {cell.choice for cell in cells if cell.by_button}) for plan, ticks, cells in chosen]
    if all(choices <= ticks.book for _, ticks, choices in free):
        for _, ticks, choices in free:
            ticks.book -= choices
    else:
        for plan, ticks, choices in free:
            plan.add(ticks, choices)


class Room(NamedTuple):
    """As much of a slot as a cell needs: model instances would take as long as the rest of it."""

    day: date
    part: str
    formula_id: int | None
    capacity: int | None
    taken: int
    closed: bool


class Stand(NamedTuple):
    """As much of a booking as a cell needs."""

    household_id: int
    formula_id: int
    day: date
    state: str
    pk: int


def _in(span: tuple[date, date], day: date) -> bool:
    return span[0] <= day <= span[1]


class Counted(TypedDict):
    counted: bool  # whether the activity says how many days one takes
    unsure: bool  # whether its days open only with so many children


CountedFormula: TypeAlias = "WithAnnotations[Formula, Counted]"


@Composed
def _formulas() -> "QuerySet[CountedFormula]":
    found = Formula.objects.filter(activity=Given("activity"))
    activity = OuterRef("activity")
    return found.annotate(counted=day_rule_book.counted(activity), unsure=needed.wanted(activity))


def _draft_lines(
    wanted: list[tuple[Enrolment, Establishment]], period: Period, *, at_desk: bool
) -> dict[tuple[int, int], list[DraftLine]]:
    """What the drafts hold, by child and place."""
    lines: dict[tuple[int, int], list[DraftLine]] = defaultdict(list)
    shape, given = _whose(wanted)
    for line in _lines(
        *shape,
        household=wanted[0][0].household_id,
        period=period.pk,
        draft=ReservationState.DRAFT,
        at_desk=at_desk,
        **given,
    ):
        lines[line.child_id, line.place_id].append(line)
    return lines


def _whose(wanted: list[tuple[Enrolment, Establishment]]) -> tuple[tuple[int, int], dict[str, int]]:
    """How many children and places a planning asks for, and their keys."""
    children = [enrolment.child_id for enrolment, _ in wanted]
    places = sorted({place.pk for _, place in wanted})
    return (len(children), len(places)), numbered("child", children) | numbered("place", places)


@Composed
def _lines(children: int, places: int) -> "QuerySet[DraftLine]":
    return (
        ReservationLine.objects.filter(
            one_of("reservation__child", "child", children),
            one_of("reservation__establishment", "place", places),
            reservation__household=Given("household"),
            reservation__period=Given("period"),
            reservation__state=Given("draft"),
            reservation__at_desk=Given("at_desk"),
        )
        .annotate(
            touched_at=F("reservation__touched_at"),
            child_id=F("reservation__child"),
            place_id=F("reservation__establishment"),
        )
        .order_by()
    )


def _rooms_and_stands(
    wanted: list[tuple[Enrolment, Establishment]],
    shown: tuple[date, date],
    more: set[date],
    period: Period,
    today: date,
) -> tuple[dict[int, dict[date, list[Room]]], dict[int, list[Stand]]]:
    """The slots of each place by day, and the bookings of each child in their order, in one query: on the
    days `shown`, and on some `more`; and what stands to come outside every period."""
    shape, given = _whose(wanted)
    rooms: dict[int, dict[date, list[Room]]] = defaultdict(lambda: defaultdict(list))
    found: dict[int, list[tuple[int, Stand]]] = defaultdict(list)
    for is_booking, pk, whose, day, word, formula_id, number, taken, closed in _slots_and_bookings(
        *shape,
        len(more),
        activity=wanted[0][0].activity_id,
        school_year=period.school_year_id,
        today=today,
        first=shown[0],
        last=shown[1],
        **given,
        **numbered("day", more),
    ):
        if is_booking:
            found[whose].append((pk, Stand(number, formula_id, day, word, pk)))
        else:
            rooms[whose][day].append(Room(day, word, formula_id, number, taken, closed))
    stands = {child: [stand for _, stand in sorted(rows)] for child, rows in found.items()}
    return rooms, defaultdict(list, stands)


@Composed
def _slots_and_bookings(children: int, places: int, more: int) -> "QuerySet[Any, tuple[Any, ...]]":
    days = Q(day__range=(Given("first"), Given("last")))
    if more:
        days |= Q(one_of("day", "day", more))
    slots = (
        Slot.objects.filter(days, one_of("establishment", "place", places), activity=Given("activity"))
        .order_by()
        .values_list(
            Value(0),
            "pk",
            "establishment_id",
            "day",
            "part",
            "formula_id",
            "capacity",
            "taken",
            "closed",
        )
    )
    # Its period was shortened, or moved: every planning of the activity shows it, or else none would.
    covering = Period.objects.filter(
        Q(establishments=None) | Q(establishments=OuterRef("establishment")),
        activity=Given("activity"),
        school_year=Given("school_year"),
        starts_on__lte=OuterRef("day"),
        ends_on__gte=OuterRef("day"),
    )
    left = Q(state__in=LIVE, day__gte=Given("today")) & ~Exists(covering)
    bookings = (
        Booking.objects.filter(days | left, one_of("child", "child", children), activity=Given("activity"))
        .order_by()
        .values_list(
            Value(1),
            "pk",
            "child_id",
            "day",
            "state",
            "formula_id",
            "household_id",
            Value(0),
            Value(False),
        )
    )
    return slots.union(bookings, all=True)


class _CellMaker:
    """Turns what the database says of a day into a cell."""

    def __init__(
        self,
        where: Where,
        formulas: Sequence[Formula],
        slots: Mapping[date, list[Room]],
        bookings: list[Stand],
        lines: list[DraftLine],
        who: str,
        waits: Mapping[int, Wait],
        whose: WhoseDays,
    ) -> None:
        self.where = where
        self.whose = whose
        self.waits = waits
        self.waiting: list[Wait] = []  # those met so far
        self.who = f"{who}, " if who else ""
        self.slots = slots
        self.many = len(formulas) > 1
        self.formulas = {formula.pk: formula for formula in formulas}
        self.household_id = where.enrolment.household_id
        self.limits: dict[datetime | None, tuple[str, str]] = {}
        self.days: dict[date, str] = {}
        self.away: dict[date, bool] = {}
        self.waiting_list = where.enrolment.activity.waiting_list
        # The town hall answers itself at once.
        on_request = where.enrolment.activity.processing == Activity.Processing.ON_REQUEST
        self.asks = on_request and where.desk is None
        self.lines = {Choice(line.formula_id, line.day): line for line in lines}
        self.last: dict[Choice, Stand] = {}
        self.busy: dict[date, list[Stand]] = defaultdict(list)
        for booking in bookings:
            self.last[Choice(booking.formula_id, booking.day)] = booking
            if booking.state in LIVE:
                self.busy[booking.day].append(booking)

    def cell(self, formula: Formula, choice: Choice) -> Cell:
        booking = self.last.get(choice)
        if booking is not None and booking.state in LIVE:
            return self._booked(formula, choice, booking)
        clash = self._clash(formula, choice)
        if clash is not None:
            return self._clashing(formula, choice, clash)
        if not formula.active:
            return self._plain(formula, choice, CellState.CLOSED, NO_FORMULA, "plus proposée")
        answer = self.where.booking(choice.formula_id, choice.day)
        slots = slots_of(self.slots.get(choice.day, ()), formula)
        if isinstance(answer, Closed):
            if booking is not None:  # said on days that can no longer be taken again
                return self._plain(formula, choice, SHOWN_AS[BookingState(booking.state)], answer.reason, "")
            return self._plain(formula, choice, answer.state, answer.reason, answer.short)
        if slots is None or any(slot.closed for slot in slots):
            sentence = "Ce jour n'est pas ouvert à la réservation."
            return self._plain(formula, choice, CellState.CLOSED, sentence, "pas ouvert")
        line = self.lines.get(choice)
        booking_line = line if line is not None and line.action == Action.BOOK else None
        asks = self.asks or answer.standing == Standing.LATE_REQUEST
        if any(slot.capacity is not None and slot.taken >= slot.capacity for slot in slots):
            cell = self._full(formula, choice, booking_line, asks=asks)
            cell = self._passed_over(cell, answer) if answer.over else cell
            return self._late(cell) if answer.standing.is_late else cell
        cell = self._plain(formula, choice, CellState.FREE, *self._until(answer.until))
        cell.field, cell.until = BOOK, answer.until
        if answer.over:
            cell = self._passed_over(cell, answer)
        cell.checked = booking_line is not None
        cell.then = "requested" if asks else "accepted"
        if answer.standing.is_late:
            cell.note = f"{_LATE_NOTE[asks]} {cell.note}".strip()
            return self._late(cell)
        return cell

    def _late(self, cell: Cell) -> Cell:
        """Reserved after its deadline, which its name says."""
        cell.late = True
        cell.name += f", {cell.late_words}"
        return cell

    def _passed_over(self, cell: Cell, answer: Open) -> Cell:
        """Closed to families; the town hall may act all the same, and says why."""
        return _over(cell, answer.over, answer.why)

    def _until(self, moment: datetime | None) -> tuple[str, str]:
        """The sentence and the few words of a deadline, written once for all formulas of a day."""
        if moment not in self.limits:
            sentence = "" if moment is None else f"Réservable {moments.until(moment)}."
            self.limits[moment] = sentence, _before(moment)
        return self.limits[moment]

    def _full(self, formula: Formula, choice: Choice, line: ReservationLine | None, *, asks: bool) -> Cell:
        desk = self.where.desk
        if not self.waiting_list:
            cell = self._plain(formula, choice, CellState.FULL, "Complet ce jour-là.", "complet")
            if desk is not None and Override.CAPACITY in desk.waives:
                cell = _over(cell, frozenset({Override.CAPACITY}), "Complet ce jour-là.")
                cell.field, cell.then, cell.checked = BOOK, "accepted", line is not None
                return cell
        else:
            if asks:
                sentence = "Complet pour le moment : cochez pour demander une place, la mairie vous répond."
                short, possible = "sur demande ?", "demande possible"
            else:
                sentence = "Complet : cochez pour demander une place sur la liste d'attente."
                short, possible = "liste d'attente ?", "liste d'attente possible"
            cell = self._plain(formula, choice, CellState.FULL, sentence, short)
            cell.name += f", {possible}"
            cell.field = WAIT
            cell.then = "requested" if asks else "waitlisted"
            cell.checked = line is not None and line.accepts_waiting
        if line is not None and not line.accepts_waiting:
            cell.lost = True
            cell.note = f"Complet depuis votre choix. {cell.note}"
        return cell

    def _booked(self, formula: Formula, choice: Choice, booking: Stand) -> Cell:
        if booking.household_id != self.household_id:
            return self._elsewhere(formula, choice, booking)
        state = SHOWN_AS[BookingState(booking.state)]
        if booking.state == BookingState.CANCEL_REQUESTED:
            if other := self._instead(formula, choice):
                sentence = f"« {other} » est demandé à la place : ce jour reste réservé jusqu'à la réponse."
                return self._plain(formula, choice, state, sentence, "changement demandé")
            sentence = "L'annulation attend la réponse de la mairie."
            return self._plain(formula, choice, state, sentence, "annulation demandée")
        if (wait := self.waits.get(booking.pk)) is not None:
            return self._waiting(formula, choice, wait, state)
        granted = booking.state == BookingState.ACCEPTED
        answer = self.where.cancelling(choice.formula_id, choice.day, granted=granted)
        if isinstance(answer, Closed):
            return self._plain(formula, choice, state, answer.reason, "")
        until = "" if answer.until is None else f"Annulable {moments.until(answer.until)}."
        cell = self._plain(formula, choice, state, until, _before(answer.until))
        if answer.over:
            cell = self._passed_over(cell, answer)
        cell.field = CANCEL
        line = self.lines.get(choice)
        cell.checked = line is not None and line.action == Action.CANCEL
        if self.many and booking.state != BookingState.HELD:
            cell.change = booking.pk
        return cell

    def _waiting(self, formula: Formula, choice: Choice, wait: Wait, state: CellState) -> Cell:
        """What is waited for is left by its tick as by its page; what is offered is answered there."""
        answer = self.where.cancelling(choice.formula_id, choice.day, granted=False)
        if isinstance(answer, Closed):
            return self._plain(formula, choice, state, answer.reason, "")
        self.waiting.append(wait)
        cell = self._plain(formula, choice, state, f"{capfirst(wait.words)}.", wait.short)
        cell.field = CANCEL
        line = self.lines.get(choice)
        cell.checked = line is not None and line.action == Action.CANCEL
        if self.many and not wait.offered:
            cell.change = wait.pk
        return cell

    def _instead(self, formula: Formula, choice: Choice) -> str:
        """What is asked for instead: only a change asks for what takes the same part of a day."""
        for booking in self.busy.get(choice.day, ()):
            other = self.formulas.get(booking.formula_id)
            if other is None or other.pk == formula.pk or booking.state != BookingState.REQUESTED:
                continue
            if set(other.parts) & set(formula.parts):
                return other.name
        return ""

    def _clash(self, formula: Formula, choice: Choice) -> Stand | None:
        """What is booked that day and takes the same part of it, by another formula."""
        for booking in self.busy.get(choice.day, ()):
            other = self.formulas.get(booking.formula_id)
            if other is not None and set(other.parts) & set(formula.parts):
                return booking
        return None

    def _clashing(self, formula: Formula, choice: Choice, booking: Stand) -> Cell:
        if booking.household_id != self.household_id:
            return self._elsewhere(formula, choice, booking)
        sentence = f"Déjà réservé ce jour-là : {self.formulas[booking.formula_id].name}."
        return self._plain(formula, choice, CellState.CLOSED, sentence, "déjà réservé")

    def _elsewhere(self, formula: Formula, choice: Choice, booking: Stand) -> Cell:
        """Booked by the other home of the child: that it is, and which formula; neither where nor at what
        price. Not to be booked twice, nor cancelled from here."""
        if booking.state in HOLDING:
            said = "Réservé par l'autre foyer"
        else:
            said = "Demandé par l'autre foyer, pas encore accordé"
        other = "" if booking.formula_id == formula.pk else f" : {self.formulas[booking.formula_id].name}"
        return self._plain(formula, choice, CellState.ELSEWHERE, f"{said}{other}.", "")

    def _day(self, day: date) -> str:
        if day not in self.days:
            self.days[day] = moments.day(day, year=True)
        return self.days[day]

    def _plain(self, formula: Formula, choice: Choice, state: CellState, note: str, short: str) -> Cell:
        prefix = f"{formula.name}, " if self.many else ""
        name = f"{self.who}{prefix}{self._day(choice.day)}, {state.label}"
        # A day on which nothing takes place is nobody's; one that the other home reserved says so already.
        if state in (CellState.CLOSED, CellState.ELSEWHERE) or not self._away(choice.day):
            return Cell(choice, state.value, name, note, short)
        return Cell(choice, state.value, f"{name}, {AWAY_NAMED}", note, short, away=True)

    def _away(self, day: date) -> bool:
        if day not in self.away:
            child = self.where.enrolment.child_id
            self.away[day] = self.whose.is_others(child, self.household_id, day)
        return self.away[day]


def _over(cell: Cell, over: frozenset[Override], why: str) -> Cell:
    cell.over |= over
    cell.note = f"{why} Possible en passant outre, avec un motif."
    cell.short = "à passer outre"
    cell.name += ", à passer outre"
    return cell


def parse_choice(value: str) -> Choice | None:
    """« 12:2026-11-30 » as posted by a checkbox; None when it is anything else."""
    formula, _, day = value.partition(":")
    formula_id = posted_number(formula)
    try:
        return None if formula_id is None else Choice(formula_id, date.fromisoformat(day))
    except ValueError:
        return None


def week_key(day: date) -> str:
    """« 2026-W49 »: the ISO week."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def weekday_numbers(values: Iterable[str]) -> list[int]:
    """Posted weekday numbers (« 0 » is Monday); what is not one is left out."""
    return [int(value) for value in values if value in WEEKDAY_NUMBERS]


def _before(until: datetime | None) -> str:
    """« jusqu'au 24/11 à 10 h », for the cell itself."""
    return "" if until is None else f"jusqu'au {moments.brief(until)}"


def _no_longer(line: ReservationLine, formula: str, reason: str) -> str:
    """« Le jeudi 26 novembre n'est plus proposé : réservation close depuis… »"""
    what = "ne peut plus être annulé" if line.action == Action.CANCEL else "n'est plus proposé"
    which = f" ({formula})" if formula else ""
    return f"Le {moments.day(line.day)}{which} {what}{f' : {lower_first(reason)}' if reason else '.'}"
