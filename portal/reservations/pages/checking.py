"""What a draft will be once recorded, as parents check it: by month and weekday, in sentences, with amounts.

checked = check(reservation, at=…)                       what its household chose
copied = copy(reservation, lines, enrolment, at=…)       the same days for a brother or sister
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from itertools import groupby

from django.utils.text import capfirst

from families.models import Child
from portal.french import moments
from portal.french.amounts import euros
from portal.french.dates import SHORT_WEEKDAYS, day_number, month_name
from portal.french.plurals import agreed, counted
from portal.reservations.acts import conditions, giving_up, money_first
from portal.reservations.acts.giving_up import Due
from portal.reservations.acts.refusals import Choice
from portal.reservations.days.standing import Closed, Open, Where
from portal.reservations.deadlines.decisions import Standing
from portal.reservations.models import Activity, Enrolment, Formula, Reservation, ReservationLine
from portal.reservations.pages import prices
from portal.reservations.pages.acting import Acting, Passed
from portal.reservations.pages.cells import WAIT, late_words
from portal.reservations.pages.planning import Planning, Ticks
from portal.reservations.pages.prices import ForNumber, PricedLine
from portal.reservations.pages.services import pricer_of
from portal.reservations.states import Action, CellState, Override

NOT_BILLED = ("Il ne sera pas facturé.", "Ils ne seront pas facturés.")
ASKED = (
    "C'est une demande : ce jour reste réservé, et facturé, tant que la mairie ne l'a pas acceptée.",
    "C'est une demande : ces jours restent réservés, et facturés, tant que la mairie ne l'a pas acceptée.",
)
WAITING = (
    "complet. Vous rejoignez la liste d'attente : rien n'est dû tant qu'aucune place ne se libère.",
    "complets. Vous rejoignez la liste d'attente : rien n'est dû tant qu'aucune place ne se libère.",
)
LATE_ASKED = "C'est une demande : la mairie vous répond."
# And where the town hall acts itself.
LATE_ASKED_AT_DESK = "Sans motif, c'est une demande : à accepter ensuite."
WAITING_AT_DESK = (
    "complet. La famille rejoint la liste d'attente : rien n'est dû tant qu'aucune place ne se libère.",
    "complets. La famille rejoint la liste d'attente : rien n'est dû tant qu'aucune place ne se libère.",
)


@dataclass(frozen=True)
class Remark:
    """A sentence about days that are not like the others: a state's icon, what it is, what follows."""

    state: str
    what: str
    then: str = ""


@dataclass(frozen=True)
class Days:
    """Days of one formula in a month, by weekday: (« lun. », « 4, 11, 18 »)…"""

    formula: str
    weekdays: list[tuple[str, str]]


@dataclass(frozen=True)
class Month:
    """« décembre 2026 »: how many days, what they cost and how that is counted."""

    name: str
    total: str
    counting: str
    days: list[Days]
    remarks: list[Remark]


@dataclass(frozen=True)
class CancelledDay:
    """A day to cancel: asked of the town hall, or cancelled at once; `billed` where it has a price; what
    is `due` of it all the same, where the town gives back a part only."""

    line: ReservationLine
    asks: bool
    billed: bool
    due: Due | None = None


@dataclass(frozen=True)
class Checked:
    """One child's days, as « Enregistrer » would take them now."""

    child: Child
    activity: Activity
    to_book: list[PricedLine]
    to_cancel: list[CancelledDay]
    where: Where
    gone: list[str] = field(default_factory=list)
    quotient_warning: str = ""
    number: ForNumber | None = None
    reservation: Reservation | None = None
    # At the desk: what has to be, and what may be, passed over, and for which days.
    passed: list[Passed] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.to_book and not self.to_cancel

    @cached_property
    def total(self) -> Decimal | None:
        """What the days to book cost; None where one of them has no price."""
        return prices.with_number(self.to_book, self.number)

    @property
    def total_text(self) -> str:
        return prices.in_words(self.total)

    @property
    def to_pay_first(self) -> str:
        """What is paid before its places are given: « 54,00 € à payer tout de suite : … »; or nothing."""
        period = self.reservation.period_id if self.reservation else None
        rule = money_first.rule_of(self.activity.pk, period)
        if rule is None:
            return ""
        own = {
            Choice(one.line.formula_id, one.line.day): one.price or money_first.ZERO
            for one in self.to_book
            if not one.asks
        }
        return money_first.sentence(rule, money_first.with_number(own, self.number).values())

    @property
    def given_back(self) -> str:
        """What the days to book would give back if they were cancelled, by how many days before; or
        nothing."""
        if not self.to_book:
            return ""
        return " ".join(giving_up.in_words(self.activity.pk, self.to_book[0].line.day))

    @property
    def cents(self) -> str:
        """For the browser's total; nothing where it is not known."""
        return "" if self.total is None else str(int(self.total * 100))

    @property
    def days(self) -> str:
        """« 22 jours », « 22 jours, 1 à annuler », « 3 jours à annuler »."""
        booked, cancelled = len(self.to_book), len(self.to_cancel)
        if not booked:
            return f"{counted(cancelled, 'jour', 'jours')} à annuler"
        return counted(booked, "jour", "jours") + (f", {cancelled} à annuler" if cancelled else "")

    @property
    def asks(self) -> bool:
        """Whether the town hall answers every reservation of this activity."""
        on_request = self.activity.processing == Activity.Processing.ON_REQUEST
        return bool(self.to_book) and on_request and self.where.desk is None

    @property
    def late(self) -> int:
        return sum(one.late for one in self.to_book)

    @property
    def waiting(self) -> list[ReservationLine]:
        """The days that join a waiting list."""
        return [one.line for one in self.to_book if one.line.accepts_waiting]

    @property
    def late_text(self) -> str:
        """« 2 jours hors délai, + 2,00 € »; nothing where none is."""
        if not self.late:
            return ""
        extra = sum((one.surcharge or Decimal(0) for one in self.to_book), Decimal(0))
        said = counted(self.late, "jour", "jours") + " hors délai"
        return f"{said}, + {euros(extra)}" if extra else said

    @cached_property
    def months(self) -> list[Month]:
        """The days to book."""
        several = len({one.line.formula_id for one in self.to_book}) > 1
        return [
            _month(name, list(lines), several=several, at_desk=self.where.desk is not None)
            for name, lines in groupby(self.to_book, key=lambda one: month_name(one.line.day))
        ]

    @cached_property
    def cancellations(self) -> list[Remark]:
        """The days to cancel, in a sentence a month and an answer."""
        groups: dict[tuple[str, bool, bool, int], list[CancelledDay]] = defaultdict(list)
        for one in self.to_cancel:
            percent = one.due.percent if one.due else 0
            groups[month_name(one.line.day), one.asks, one.billed, percent].append(one)
        said = []
        for (month, asks, billed, percent), these in groups.items():
            count = len(these)
            then = agreed(count, *ASKED) if asks else agreed(count, *NOT_BILLED) if billed else ""
            if percent:
                total = sum((one.due.amount for one in these if one.due), Decimal(0))
                kept = giving_up.sentence(count, Due(percent, total), asks=asks)
                then = f"{then} {kept}" if asks else kept
            days = [one.line.day for one in these]
            said.append(Remark("cancel_requested", f"{by_weekday(days)} {month}.", then))
        return said


def check(reservation: Reservation, *, at: datetime, acting: Acting | None = None) -> Checked:
    """A draft's days to book, with their price where the service says it; those to cancel; what closed; where
    the town hall is `acting`, what it passes over."""
    enrolment = reservation.enrolment
    enrolment.child = reservation.child  # read already
    where = reservation.establishment, reservation.period
    plan = Planning.build(enrolment, *where, at=at, drafted_only=True, acting=acting)
    gone = plan.gone()
    lines: list[ReservationLine] = [
        line for line in plan.lines if Choice(line.formula_id, line.day) not in gone
    ]
    return _checked(plan, lines, gone=list(gone.values()), reservation=reservation)


@dataclass(frozen=True)
class Copied:
    """The same days for a brother or sister: as they would be recorded, those that cannot be had, and those
    of the child's other home, which are left out as by every button."""

    enrolment: Enrolment
    plan: Planning
    ticks: Ticks
    missed: list[date]
    away: list[date]

    @cached_property
    def checked(self) -> Checked:
        """With what the child's own draft holds already: both are recorded."""
        lines = [
            ReservationLine(
                formula_id=choice.formula_id,
                day=choice.day,
                action=Action.CANCEL if choice in self.ticks.cancel else Action.BOOK,
                accepts_waiting=choice in self.ticks.wait,
            )
            for choice in {*self.ticks.book, *self.ticks.wait, *self.ticks.cancel}
            if choice in self.plan.cells
        ]
        return _checked(self.plan, lines)

    @property
    def missed_text(self) -> str:
        """« jeudi 3 décembre ne peut pas être réservé ; lundi 7 décembre est un jour de l'autre foyer… »."""
        said = []
        if self.missed:
            cannot = agreed(len(self.missed), "ne peut pas être réservé", "ne peuvent pas être réservés")
            said.append(f"{moments.enumerate_days(self.missed)} {cannot}")
        if self.away:
            are = agreed(len(self.away), "est un jour", "sont des jours")
            said.append(
                f"{moments.enumerate_days(self.away)} {are} de l'autre foyer, à cocher dans son planning"
            )
        return " ; ".join(said)


def copy(
    reservation: Reservation,
    lines: Iterable[ReservationLine],
    enrolment: Enrolment,
    *,
    at: datetime,
    acting: Acting | None = None,
) -> Copied:
    """The days of a reservation for another child, as far as it can have them, at its own place."""
    place = enrolment.establishment or reservation.establishment
    lines = list(lines)
    days = [line.day for line in lines]
    within = (min(days), max(days)) if days else None
    plan = Planning.build(enrolment, place, reservation.period, at=at, within=within, acting=acting)
    ticks = plan.ticks()
    missed, away = [], []
    for line in lines:
        choice = Choice(line.formula_id, line.day)
        cell = plan.cells.get(choice)
        if cell is not None and cell.away and line.action == Action.BOOK:
            away.append(line.day)
        elif cell is not None and cell.field and (cell.field == "cancel") == (line.action == Action.CANCEL):
            ticks.of(cell.field).add(choice)
        elif line.action == Action.BOOK:
            missed.append(line.day)
    return Copied(enrolment, plan, ticks, missed, away)


def _checked(
    plan: Planning,
    lines: Sequence[ReservationLine],
    *,
    gone: list[str] | None = None,
    reservation: Reservation | None = None,
) -> Checked:
    enrolment, where = plan.enrolment, plan.where
    formulas = {formula.pk: formula for formula in plan.formulas}
    known = [line for line in lines if line.formula_id in formulas]
    for line in known:
        line.formula = formulas[line.formula_id]
    known.sort(key=lambda line: (line.day, line.formula.order))
    priced = prices.of_lines(known, where, pricer_of(enrolment.activity))
    on_request = enrolment.activity.cancel_processing == Activity.Processing.ON_REQUEST
    asks_all = on_request and where.desk is None
    due = giving_up.foreseen(
        enrolment,
        plan.period,
        {choice_of(line) for line in known if line.action == Action.CANCEL},
        at=where.at,
    )
    to_cancel = [
        CancelledDay(
            line,
            _asks(plan, line, asks_all=asks_all),
            billed=choice_of(line) in priced.by_day,
            due=due.get(choice_of(line)),
        )
        for line in known
        if line.action == Action.CANCEL
    ]
    return Checked(
        child=enrolment.child,
        activity=enrolment.activity,
        to_book=priced.booked,
        to_cancel=to_cancel,
        where=where,
        gone=gone or [],
        quotient_warning=priced.quotient_warning,
        number=priced.number,
        reservation=reservation,
        passed=_passed(plan, known),
    )


def _passed(plan: Planning, lines: Sequence[ReservationLine]) -> list[Passed]:
    """What the town hall passes over by recording these lines; and what it may, so that a late day is granted
    at once, or a full one given beyond the capacity."""
    desk = plan.where.desk
    if desk is None:
        return []
    needed: dict[Override, list[date]] = defaultdict(list)
    possible: dict[Override, list[date]] = defaultdict(list)
    for line in lines:
        cell = plan.cells.get(choice_of(line))
        if cell is None:
            continue
        for one in cell.over:
            needed[one].append(line.day)
        if line.action == Action.CANCEL:
            answer = plan.where.cancelling(line.formula_id, line.day, granted=cell.state == CellState.BOOKED)
        else:
            answer = plan.where.booking(line.formula_id, line.day)
        if isinstance(answer, Open) and answer.standing.is_late:
            possible[Override.DEADLINE].append(line.day)
        if cell.field == WAIT:
            possible[Override.CAPACITY].append(line.day)
    booked = [line.day for line in lines if line.action == Action.BOOK]
    if money_first.rule_of(plan.enrolment.activity_id, plan.period.pk) is not None:
        possible[Override.PAYMENT] = booked
    if plan.enrolment.lacks_health_file:
        needed[Override.PAPERS] += booked
    for missing in conditions.in_the_way(plan.enrolment, booked, plan.where.at) if booked else ():
        late = possible[Override.DEADLINE]
        needed[missing.kind] += [day for day in booked if missing.speaks_against(day, late=day in late)]
    if plan.days_taken is not None:
        ticks = Ticks()
        for line in lines:
            (ticks.cancel if line.action == Action.CANCEL else ticks.book).add(choice_of(line))
        broken = plan.days_taken.broken(ticks.cancel, ticks.book)
        needed[Override.DAYS] += [
            line.day for line in lines if any(line.day in one.need.span for one in broken)
        ]
    return [
        Passed(one, days, needed=is_needed)
        for one in Override
        for is_needed, of_kind in ((True, needed), (False, possible))
        if (days := sorted(set(of_kind[one]))) and one in desk.waives and (is_needed or not needed[one])
    ]


def passed_together(group: Iterable[Checked]) -> list[Passed]:
    """What is passed over of several children's days recorded together."""
    found: dict[Override, Passed] = {}
    for one in (passed for each in group for passed in each.passed):
        before = found.get(one.override)
        days = sorted({*one.days, *(before.days if before else ())})
        found[one.override] = Passed(one.override, days, one.needed or bool(before and before.needed))
    return [found[one] for one in Override if one in found]


def choice_of(line: ReservationLine) -> Choice:
    return Choice(line.formula_id, line.day)


def _asks(plan: Planning, line: ReservationLine, *, asks_all: bool) -> bool:
    """Whether cancelling that day is a request: what is not granted yet is simply taken back."""
    cell = plan.cells.get(choice_of(line))
    if cell is None or cell.state != CellState.BOOKED:
        return False
    answer = plan.where.cancelling(line.formula_id, line.day, granted=True)
    return asks_all or (isinstance(answer, Open) and answer.standing is Standing.LATE_REQUEST)


def cancellable(group: Iterable[Checked]) -> list[tuple[str, str]]:
    """Until when what is booked can be cancelled again: whose days (« Louise et Gabriel »), and the sentence.
    What is said of all is said once."""
    names: dict[str, list[str]] = defaultdict(list)
    for one in group:
        names[until_when(one.where, one.to_book)].append(one.child.first_name)
    return [(moments.listing(of), sentence) for sentence, of in names.items() if sentence]


# In words -------------------------------------------------------------------------------------------------


def weekdays(days: Iterable[date]) -> list[tuple[str, str]]:
    """(« lun. », « 4, 11, 18, 25 »), (« mar. », « 1er, 8 »)… of days of one month."""
    numbers: dict[int, list[str]] = defaultdict(list)
    for day in sorted(set(days)):
        numbers[day.weekday()].append(day_number(day.day))
    return [(SHORT_WEEKDAYS[weekday], ", ".join(numbers[weekday])) for weekday in sorted(numbers)]


def by_weekday(days: Iterable[date]) -> str:
    """« lun. 4 et jeu. 7 », « lun. 4, 11 ; jeu. 7 »: days of one month in a sentence."""
    found = weekdays(days)
    words = [f"{name} {numbers}" for name, numbers in found]
    return " ; ".join(words) if any("," in numbers for _, numbers in found) else moments.listing(words)


def _month(name: str, lines: list[PricedLine], *, several: bool, at_desk: bool) -> Month:
    of_formula: dict[Formula, list[date]] = defaultdict(list)
    for one in lines:
        of_formula[one.line.formula].append(one.line.day)
    return Month(
        name=name,
        total=prices.in_words(prices.total(one.price for one in lines)),
        counting=_counting(lines),
        days=[Days(formula.name if several else "", weekdays(days)) for formula, days in of_formula.items()],
        remarks=_remarks(lines, at_desk=at_desk),
    )


def _counting(lines: list[PricedLine]) -> str:
    """« 5 jours × 4,10 € + 1 jour hors délai × 5,10 € »; how many days, where one has no price."""
    groups: dict[tuple[bool, Decimal], int] = defaultdict(int)
    for one in lines:
        if one.price is None:
            return counted(len(lines), "jour", "jours")
        groups[bool(one.surcharge), one.price] += 1
    return " + ".join(
        f"{counted(count, 'jour', 'jours')}{' hors délai' if late else ''} × {euros(price)}"
        for (late, price), count in groups.items()
    )


def _remarks(lines: list[PricedLine], *, at_desk: bool) -> list[Remark]:
    """Late days, and those that join a waiting list."""
    late: dict[tuple[Decimal | None, bool], list[date]] = defaultdict(list)
    waiting = []
    for one in lines:
        if one.line.accepts_waiting:
            waiting.append(one.line.day)
        elif one.late:
            late[one.surcharge, one.asks].append(one.line.day)
    said = []
    waits = WAITING_AT_DESK if at_desk else WAITING
    for (surcharge, asks), days in late.items():
        each = " par jour" if surcharge and len(days) > 1 else ""
        what = f"{by_weekday(days)} : {late_words(surcharge, asks=False)}{each}."
        then = LATE_ASKED_AT_DESK if at_desk else LATE_ASKED
        said.append(Remark("early", what, then if asks else ""))
    if waiting:
        said.append(Remark("waitlisted", f"{by_weekday(waiting)} :", agreed(len(waiting), *waits)))
    return said


def until_when(where: Where, booked: Iterable[PricedLine]) -> str:
    """« jusqu'au mardi 1er décembre à 10 h. », or the first and the last limit of several; and which days
    cannot be cancelled in time. Nothing where nothing is booked."""
    open_until: dict[date, datetime | None] = {}
    closed = set()
    for one in booked:
        day = one.line.day
        answer = where.cancelling(one.line.formula_id, day, granted=True)
        if isinstance(answer, Closed) or answer.standing.is_late:
            closed.add(day)
        else:
            open_until[day] = answer.until
    said = []
    limits = [(day, until) for day, until in sorted(open_until.items()) if until is not None]
    if limits:
        (first, soonest), (last, latest) = limits[0], limits[-1]
        if soonest == latest:
            said.append(f"{moments.until(soonest)}.")
        else:
            said.append(
                f"le premier jour ({moments.day(first)}) {moments.until(soonest)}, "
                f"le dernier ({moments.day(last)}) {moments.until(latest)}."
            )
    if closed:
        no_more = agreed(len(closed), "ne pourra pas être annulé", "ne pourront pas être annulés")
        days = moments.enumerate_days(sorted(closed))
        said.append(f"{capfirst(days)} {no_more} dans les délais.")
    return " ".join(said)
