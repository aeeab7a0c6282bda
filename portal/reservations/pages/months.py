"""A planning of months: what the page shows, and what its own buttons reach.

A month is shown at a time, in whole weeks, or the whole period, month under month. A week is a row; where
brothers and sisters stand on one page, a row for each, so that they compare by column. The functions at the
end are the hooks that a service of this kind lends to the shared steps.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from html import escape
from itertools import groupby
from typing import Any

from django.http import QueryDict
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

from portal.french import moments
from portal.french.dates import WEEKDAYS, month_name
from portal.french.sentences import lower_first
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Period
from portal.reservations.pages.cells import BOOK, CANCEL, Cell
from portal.reservations.pages.elsewhere import Elsewhere
from portal.reservations.pages.planning import MONDAY_TO_FRIDAY, Planning, open_weekdays, week_key
from portal.reservations.states import CellState
from portal.web.signed_in import SignedInRequest

# In the address and in the form, beside months such as « 2026-12 ».
WHOLE = "toutes"
# What « ce mois » posts, beside the days of the whole period.
THIS_MONTH = "mois"

# The markup of cells and weeks, filled here: through template variables, 180 cells take most of a page's
# time.
TICKABLE = (
    '<td role="cell" class="cell cell--{state}{marks}" data-then="{then}"><label><input type="checkbox" '
    'name="{field}" value="{value}"{described} aria-label="{name}"{data_price}{checked}>'
    '<span class="cell-day">{day}</span>{away}{price}{late}{word}'
    '<span class="cell-then" aria-hidden="true">{becomes}</span><span class="cell-icon"></span></label>'
    "{small}</td>"
)
SHOWN_ONLY = (
    '<td role="cell" class="cell cell--{state}{marks}"><span class="visually-hidden">{name}. {note}</span>'
    '<span class="cell-day" aria-hidden="true">{day}</span>{away}<span class="cell-icon"></span>'
    "{word}{why}</td>"
)
WHY = '<span class="cell-why" aria-hidden="true">{why}</span>'
EMPTY = '<td role="cell"></td>'
WEEKDAY = (
    '<th scope="col" role="columnheader"><button class="planning-weekday" type="submit" name="do" '
    'value="weekday:{number}" data-weekday="{number}"{idle}>{name}<span class="visually-hidden"> : {said}'
    "</span></button></th>"
)
WHOLE_REACH = "la période"
EITHER_REACH = '<span class="reach-month">ce mois</span><span class="reach-period">la période</span>'
NEVER = (
    '<th scope="col" role="columnheader" class="planning-shut-day"><span aria-hidden="true">{short}.</span>'
    '<span class="visually-hidden">{name} : fermé</span></th>'
)
WEEK = (
    '<th scope="{scope}" role="rowheader" class="planning-head"{rows}><button class="planning-week" '
    'type="submit" name="do" value="week:{key}" data-week{idle}</button>{limit}</th>'
)
# A button that could do nothing says so to whoever sees it, and to whoever does not.
IDLE = (
    ' disabled title="Aucun jour à réserver">{name}'
    '<span class="visually-hidden">, aucun jour à réserver</span>'
)
LIMIT = '<span class="planning-week-limit">{limit}</span>'
WHO = '<th scope="row" role="rowheader" class="planning-who">{name}</th>'
SHUT = (
    '<tbody role="rowgroup"><tr role="row" class="planning-shut"><th scope="row" role="rowheader" '
    'class="planning-head">{name}</th><td role="cell" class="cell cell--closed" colspan="{columns}">'
    "{span} : {why}</td></tr></tbody>"
)

# The state in a word that a phone's cell has room for; a free day's price, or its icon, says enough.
WORDS = {
    CellState.FREE: "",
    CellState.CLOSED: "fermé",
    CellState.EARLY: "bientôt",
    CellState.LATE: "clos",
    CellState.FULL: "complet",
    CellState.BOOKED: "réservé",
    CellState.REQUESTED: "demandé",
    CellState.WAITLISTED: "en attente",
    CellState.OFFERED: "proposé",
    CellState.HELD: "à payer",
    CellState.CANCEL_REQUESTED: "annulation demandée",
    CellState.CANCELLED: "annulé",
    CellState.REFUSED: "refusé",
    CellState.ELSEWHERE: "réservé, autre foyer",
}
THEN = {"accepted": "choisi", "requested": "à demander", "waitlisted": "en attente", "": "à annuler"}


@dataclass(frozen=True)
class Row:
    """The days of one formula of one child."""

    plan: Planning
    name: str
    cells: dict[date, Cell]


@dataclass(frozen=True)
class Listed:
    """A month of the list of months."""

    key: str
    name: str
    chosen: int
    period: Period | None = None  # where it is one of another period

    @property
    def asked(self) -> str:
        """What its button posts."""
        return self.key if self.period is None else f"{self.period.pk}:{self.key}"

    @property
    def capitalised(self) -> str:
        """« Décembre 2026 »."""
        return self.name.capitalize()

    @property
    def short(self) -> str:
        """« décembre », where the year goes without saying."""
        return self.name.split()[0]


@dataclass(frozen=True)
class Week:
    """A week of a table: its days, those shown, in each row."""

    monday: date
    days: list[date | None]
    rows: list[list[Cell | None]]

    @property
    def key(self) -> str:
        return week_key(self.monday)

    @property
    def number(self) -> int:
        return int(self.key[-2:])

    @property
    def name(self) -> str:
        """« Semaine 49 »."""
        return f"Semaine {self.number}"

    @property
    def span(self) -> str:
        """« du 30 novembre au 4 décembre »."""
        return moments.span(self.monday, self.monday + timedelta(days=4))

    @property
    def limit(self) -> str:
        """« jusqu'au 24/11 à 10 h »: its nearest deadline, where cells are too small to say each."""
        limits = [
            (cell.until, cell.short)
            for row in self.rows
            for cell in row
            if cell and cell.field == BOOK and cell.until
        ]
        return min(limits)[1] if limits else ""


@dataclass(frozen=True)
class Table:
    """A month: its weeks, and their markup."""

    name: str
    key: str
    weeks: list[Week]
    page: "Months"

    @property
    def html(self) -> SafeString:
        """Its `<tbody>`s, a week each, words escaped; weeks shut for one reason are one line."""
        parts: list[str] = []
        for why, found in groupby(self.weeks, key=self.page.why_shut):
            weeks = list(found)
            parts += [self._shut(weeks, why)] if why else map(self._week, weeks)
        return mark_safe("".join(parts))  # noqa: S308 – every word in it is escaped where it is filled in

    def _shut(self, weeks: list[Week], why: str) -> str:
        first, last = weeks[0], weeks[-1]
        numbers = [str(week.number) for week in weeks]
        name = f"Semaines {moments.listing(numbers)}" if len(weeks) > 1 else first.name
        span = moments.span(first.monday, last.monday + timedelta(days=4))
        columns = len(self.page.columns) + (1 if self.page.several else 0)
        return SHUT.format(name=name, span=capfirst(span), why=escape(why), columns=columns)

    def _week(self, week: Week) -> str:
        several = self.page.several
        head = WEEK.format(
            scope="rowgroup" if several else "row",
            rows=f' rowspan="{len(week.rows)}"' if several else "",
            key=week.key,
            idle=f">{week.name}" if week.key in self.page.busy_weeks else IDLE.format(name=week.name),
            limit=LIMIT.format(limit=escape(week.limit)) if week.limit else "",
        )
        lines = []
        for row, cells in zip(self.page.rows, week.rows, strict=True):
            who = WHO.format(name=escape(row.name)) if several else ""
            found = "".join(EMPTY if cell is None else self._cell(cell, row.plan) for cell in cells)
            lines.append(f'<tr role="row">{head}{who}{found}</tr>')
            head = ""
        return f'<tbody role="rowgroup">{"".join(lines)}</tbody>'

    def _cell(self, cell: Cell, plan: Planning) -> str:
        beyond = f"{cell.day:%Y-%m}" != self.key
        shut = cell.day.weekday() in self.page.shut
        marks = cell.marks + (" cell--beyond" if beyond else "") + (" cell--shut" if shut else "")
        word = WORDS[CellState(cell.state)]
        words = {
            "state": cell.state,
            "marks": marks,
            "name": escape(cell.name),
            "day": f"{cell.number}/{cell.day.month}" if beyond and not shut else str(cell.number),
            "away": cell.away_html,
            "word": f'<span class="cell-word" aria-hidden="true">{word}</span>' if word else "",
        }
        if not cell.field:
            why = WHY.format(why=escape(cell.short)) if cell.short else ""
            return SHOWN_ONLY.format(**words, note=escape(cell.note), why=why)
        return TICKABLE.format(
            **words,
            then=cell.then,
            field=f"{cell.field}{plan.suffix}",
            value=cell.value,
            described=cell.described,
            data_price=cell.data_price,
            checked=" checked" if cell.checked else "",
            price=cell.price_html,
            late=cell.late_html,
            becomes=THEN[cell.then],
            small=f"<small>{escape(cell.short)}</small>" if cell.short else "",
        )


class Months:
    """The months of one or several plannings, and which of them is shown."""

    def __init__(self, plan: Planning, wanted: str, *, from_the_start: bool = False) -> None:
        self.plans = [plan, *plan.beside]
        today = None if from_the_start else plan.where.today
        keys = sorted({*month_keys(plan.period, today), *_beyond(self.plans)})
        self.whole = wanted == WHOLE
        self.key = wanted if wanted in keys else self._first(keys)
        self.all: list[Listed] = []
        for period in plan.periods or [plan.period]:
            if period == plan.period:
                self.all += [self._listed(key) for key in keys]
            else:
                self.all += [
                    Listed(key, month_name(days_of(key)[0]), 0, period) for key in month_keys(period, today)
                ]
        self.current = next(one for one in self.all if one.asked == self.key)
        index = self.all.index(self.current)
        self.previous = self.all[index - 1] if index else None
        self.next = self.all[index + 1] if index + 1 < len(self.all) else None

    @property
    def shown(self) -> str:
        """The key of what the form holds."""
        return WHOLE if self.whole else self.key

    @cached_property
    def rows(self) -> list[Row]:
        """Child by child; formula by formula, where days have several."""
        rows = []
        for plan in self.plans:
            for formula in plan.formulas:
                names = [plan.enrolment.child.first_name] if len(self.plans) > 1 else []
                names += [formula.name] if len(plan.formulas) > 1 else []
                cells = {choice.day: cell for choice, cell in plan.cells.items() if choice[0] == formula.pk}
                rows.append(Row(plan, " · ".join(names), cells))
        return rows

    @property
    def several(self) -> bool:
        """Whether a week has several rows, which then say whose they are."""
        return len(self.rows) > 1

    @cached_property
    def columns(self) -> list[tuple[str, str, bool]]:
        """The weekdays shown: (« 0 », « Lundi », whether some day of it can be reserved)…"""
        cells = [cell for row in self.rows for cell in row.cells.values()]
        shown = sorted({cell.day.weekday() for cell in cells} | set(MONDAY_TO_FRIDAY))
        busy = {cell.day.weekday() for cell in cells if cell.by_button}
        return [(str(weekday), WEEKDAYS[weekday].capitalize(), weekday in busy) for weekday in shown]

    @cached_property
    def headings(self) -> SafeString:
        """The `<th>`s of the weekdays, the same over every month: « Lundi » acts on those of the month or, as
        the choice beside the buttons says, of the whole period."""
        found = []
        for number, name, busy in self.columns:
            if int(number) in self.shut:
                found.append(NEVER.format(name=name, short=name[:3].lower()))
                continue
            reach = WHOLE_REACH if self.whole else EITHER_REACH
            said = f"tous les jours de {reach}" if busy else "aucun jour à réserver"
            idle = "" if busy else ' disabled title="Aucun jour à réserver"'
            found.append(WEEKDAY.format(number=number, name=name, said=said, idle=idle))
        return mark_safe("".join(found))  # noqa: S308 – our own words

    @cached_property
    def shut(self) -> set[int]:
        """Weekdays on which the activity never takes place: their column is narrow."""
        return {int(number) for number, _, _ in self.columns} - open_weekdays(self.plans)

    @property
    def shape(self) -> str:
        """The classes of its tables."""
        named = [f" planning--shut-{weekday}" for weekday in sorted(self.shut)]
        return (" planning--several" if self.several else "") + "".join(named)

    @cached_property
    def busy_weeks(self) -> set[str]:
        """Those of which their button ticks some day."""
        cells = [cell for row in self.rows for cell in row.cells.values()]
        return {week_key(cell.day) for cell in cells if cell.by_button}

    @cached_property
    def days(self) -> list[date]:
        """The days shown, in order."""
        cells = {day for row in self.rows for day in row.cells}
        if self.whole:
            return sorted(cells)
        first, last = weeks_of(self.key)
        return sorted(day for day in cells if first <= day <= last)

    @cached_property
    def tables(self) -> list[Table]:
        """The month shown, in whole weeks; or all months, each with its own days: none stands twice."""
        found = []
        for one in self.all if self.whole else [self.current]:
            if one.period is not None:
                continue
            first, last = days_of(one.key)
            days = [day for day in self.days if first <= day <= last] if self.whole else self.days
            if days:
                found.append(Table(one.name, one.key, list(self._weeks(days)), self))
        return found

    @cached_property
    def elsewhere(self) -> Elsewhere:
        """What is chosen in months that are not shown."""
        if self.whole:
            return Elsewhere([])
        first, last = weeks_of(self.key)
        return Elsewhere(
            (plan, cell)
            for plan in self.plans
            for cell in plan.cells.values()
            if not first <= cell.day <= last
        )

    @cached_property
    def closures(self) -> list[str]:
        """« mercredi 11 novembre : férié »: why single days of the month shown are closed, which a small cell
        does not say."""
        if self.whole:
            return []
        said: dict[str, list[date]] = {}
        for table in self.tables:
            for week in table.weeks:
                if self.why_shut(week):
                    continue
                for cell in (cell for row in week.rows for cell in row if cell):
                    if cell.state == CellState.CLOSED and cell.day.weekday() not in self.shut:
                        days = said.setdefault(cell.note.rstrip("."), [])
                        if cell.day not in days:
                            days.append(cell.day)
        closed = {day for days in said.values() for day in days}
        return [f"{self._in_words(sorted(days), closed)} : {lower_first(why)}" for why, days in said.items()]

    def _in_words(self, days: list[date], closed: set[date]) -> str:
        """The days of one reason; « du … au … » for more than two between which none is open."""
        between = {day for day in self.days if days[0] <= day <= days[-1] and day.weekday() not in self.shut}
        if len(days) > 2 and between <= closed:
            return moments.span(days[0], days[-1])
        return moments.enumerate_days(days)

    def why_shut(self, week: Week) -> str:
        """The one reason for which nobody can do anything on any day of the week; nothing otherwise."""
        cells = [cell for row in week.rows for cell in row if cell and cell.day.weekday() not in self.shut]
        if any(cell.field or cell.state != CellState.CLOSED for cell in cells):
            return ""
        reasons = {cell.note.rstrip(".") for cell in cells}
        return lower_first(reasons.pop()) if len(reasons) == 1 else ""

    def _weeks(self, days: list[date]) -> Iterator[Week]:
        weekdays = [int(number) for number, _, _ in self.columns]
        for key, of_week in groupby(days, key=week_key):
            present = set(of_week)
            monday = date.fromisocalendar(int(key[:4]), int(key[-2:]), 1)
            shown = [monday + timedelta(days=weekday) for weekday in weekdays]
            yield Week(
                monday,
                [day if day in present else None for day in shown],
                [[row.cells.get(day) if day in present else None for day in shown] for row in self.rows],
            )

    def _listed(self, key: str) -> Listed:
        first, last = days_of(key)
        chosen = sum(
            first <= cell.day <= last for plan in self.plans for cell in plan.cells.values() if cell.checked
        )
        return Listed(key, month_name(first), chosen)

    def _first(self, keys: list[str]) -> str:
        """The month of what was begun; the first in which a day can still be taken, or given up where one is
        there to cancel; or else the first of all."""
        begun, wanted, any_other = _first_days(self.plans)
        days = [day for day in (begun, wanted, any_other) if day is not None and f"{day:%Y-%m}" in keys]
        now = f"{self.plans[0].where.today:%Y-%m}"
        return f"{days[0]:%Y-%m}" if days else now if now in keys else keys[0]


def _first_days(plans: Iterable[Planning]) -> tuple[date | None, date | None, date | None]:
    """The first day that is ticked; that can be taken, or given up where one is there to cancel; that can be
    ticked at all."""
    cells = [cell for plan in plans for cell in plan.cells.values()]
    wanted = CANCEL if any(plan.cancelling for plan in plans) else BOOK
    return (
        min((cell.day for cell in cells if cell.checked), default=None),
        min((cell.day for cell in cells if cell.field == wanted and not cell.over), default=None),
        min((cell.day for cell in cells if cell.field and not cell.over), default=None),
    )


def month_keys(period: Period, today: date | None) -> list[str]:
    """« 2026-12 »… of a period, from the month of `today` on; all of them with None. One at least."""
    first = period.starts_on if today is None else min(max(period.starts_on, today), period.ends_on)
    count = (period.ends_on.year - first.year) * 12 + period.ends_on.month - first.month
    months = [divmod(first.month - 1 + step, 12) for step in range(count + 1)]
    return [f"{first.year + years:04}-{month + 1:02}" for years, month in months]


def _beyond(plans: Iterable[Planning]) -> set[str]:
    """Months beyond the period in which something stands."""
    return {
        f"{day:%Y-%m}"
        for plan in plans
        for _, day in plan.cells
        if not plan.period.starts_on <= day <= plan.period.ends_on
    }


def days_of(key: str) -> tuple[date, date]:
    """The first and the last day of « 2026-12 ». Raises ValueError for anything else."""
    year, month = int(key[:4]), int(key[5:])
    first = date(year, month, 1)
    return first, date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)


def weeks_of(key: str) -> tuple[date, date]:
    """From the Monday to the Sunday of its weeks."""
    first, last = days_of(key)
    return first - timedelta(days=first.weekday()), last + timedelta(days=6 - last.weekday())


def _known(key: str, plan: Planning) -> bool:
    return key in month_keys(plan.period, None) or key in _beyond([plan, *plan.beside])


# The hooks of a service ------------------------------------------------------------------------------------


def within(data: QueryDict, period: Period) -> tuple[date, date] | None:
    """The days that the month asked for shows; None where it is not said which, or all are."""
    key = data.get("mois", "")
    return weeks_of(key) if key in month_keys(period, None) else None


def opening(period: Period, today: date) -> tuple[date, date]:
    """The days looked at first where no month is asked for: of this month and the next."""
    first = f"{min(max(period.starts_on, today), period.ends_on):%Y-%m}"
    following = f"{days_of(first)[1] + timedelta(days=1):%Y-%m}"
    return weeks_of(first)[0], weeks_of(following)[1]


def opens_within(plan: Planning, days: tuple[date, date]) -> bool:
    """Whether the month that opens is known from these days alone, and whole among them."""
    begun, wanted, _ = _first_days([plan, *plan.beside])
    day = begun or wanted
    if day is None:
        return plan.period.ends_on <= days[1]
    first, last = weeks_of(f"{day:%Y-%m}")
    return days[0] <= first and last <= days[1]


def shown(data: QueryDict, plan: Planning) -> Container[Choice] | None:
    """The choices of the month that a posted form holds; None for the whole period."""
    key = data.get("shown", WHOLE)
    if not _known(key, plan):
        return None
    first, last = weeks_of(key)
    return {choice for choice in plan.cells if first <= choice.day <= last}


def reached(data: QueryDict, plan: Planning, reach: str) -> Iterable[Cell]:
    """What a button acts on, as the field `reach` of the form says: « ce mois » or « toute la période »."""
    key = data.get("shown", WHOLE)
    if data.get(reach) != THIS_MONTH or not _known(key, plan):
        return plan.cells.values()
    first, last = days_of(key)
    return [cell for cell in plan.cells.values() if first <= cell.day <= last]


def context(request: SignedInRequest, plan: Planning) -> dict[str, Any]:
    """`months`, for the template reservations/planning_months.html."""
    # At the desk days gone by are acted on too.
    whole = "tout" in request.GET or plan.where.desk is not None
    return {"months": Months(plan, request.GET.get("mois", ""), from_the_start=whole)}
