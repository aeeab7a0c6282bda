"""A planning of several formulas, week by week: what the page shows, and what its own buttons do.

Rows are formulas (of several children, where they stand on one page), columns the days of a week; or, for the
whole period, rows are weeks and columns the formulas of every day. The three functions at the end are the
hooks that a service of this kind lends to the shared steps.
"""

import json
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, lru_cache
from html import escape
from itertools import groupby
from typing import Any

from django.contrib import messages
from django.http import QueryDict
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from families.models import Child
from portal.french import moments
from portal.french.dates import WEEKDAYS, short_day
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Formula
from portal.reservations.pages.cells import CANCEL, Cell
from portal.reservations.pages.elsewhere import Elsewhere
from portal.reservations.pages.planning import Planning, Ticks, open_weekdays, week_key, weekday_numbers
from portal.reservations.states import CellState
from portal.web.signed_in import SignedInRequest

# The key of the whole period, beside those of weeks such as « 2026-W49 ».
WHOLE = "toutes"

# The same sentence stands in many cells.
escaped = lru_cache(maxsize=4096)(escape)

# The markup of cells, filled here as in cells.py. `day-N` lets a phone make a card of each day.
EMPTY = '<td role="cell" class="day-{weekday}"></td>'
TICKABLE = (
    '<td role="cell" class="cell cell--{state}{lost} day-{weekday}" data-then="{then}"><label title="{note}">'
    '<input type="checkbox" name="{field}" value="{value}"{described} '
    'aria-label="{name}"{data_price}{checked}>'
    '<span class="cell-icon"></span><span class="cell-row" aria-hidden="true">{row}</span>{away}{price}{late}'
    '<span class="cell-word" aria-hidden="true">{word}</span>'
    '<span class="cell-then" aria-hidden="true">{becomes}</span></label>{change}</td>'
)
CHANGE = '<a class="cell-change" href="{url}">Changer pour…<span class="visually-hidden"> {name}</span></a>'
SHOWN_ONLY = (
    '<td role="cell" class="cell cell--{state}{lost} day-{weekday}">'
    '<span class="visually-hidden">{name}. {note}</span><span class="cell-icon"></span>'
    '<span class="cell-row" aria-hidden="true">{row}</span>{away}'
    '<span class="cell-word" aria-hidden="true" title="{note}">{word}</span></td>'
)
SMALL_TICKABLE = (
    '<td class="cell cell--{state}{lost}{edge}" data-then="{then}"><label title="{name}. {note}">'
    '<input type="checkbox" name="{field}" value="{value}"{described} '
    'aria-label="{name}"{data_price}{checked}>'
    '<span class="cell-icon"></span></label></td>'
)
SMALL_SHOWN_ONLY = (
    '<td class="cell cell--{state}{lost}{edge}" title="{name}. {note}">'
    '<span class="visually-hidden">{name}. {note}</span><span class="cell-icon"></span></td>'
)
WORDS = {
    "accepted": "réservation acceptée",
    "requested": "demande de réservation",
    "waitlisted": "liste d'attente",
    "": "annulation demandée",
}


@dataclass(frozen=True)
class WeekDay:
    """A column: « Lundi 21 »."""

    day: date

    @property
    def weekday(self) -> int:
        return self.day.weekday()

    @property
    def name(self) -> str:
        return WEEKDAYS[self.day.weekday()].capitalize()

    @property
    def short(self) -> str:
        return short_day(self.day)


@dataclass(frozen=True)
class FormulaRow:
    """A formula of a child, its cells, and the key its buttons go by."""

    plan: Planning
    formula: Formula
    cells: list[tuple[WeekDay, Cell | None]]
    several: bool = False

    @property
    def key(self) -> str:
        return f"{self.formula.pk}{self.plan.suffix}"

    @property
    def name(self) -> str:
        """« Matinée », with the child's name where several stand on the page."""
        return f"{self.formula.name} · {self.child.first_name}" if self.several else self.formula.name

    @property
    def html(self) -> SafeString:
        """Its `<td>`s, words escaped."""
        cells = []
        row = escaped(self.name)
        for day, cell in self.cells:
            if cell is None:
                cells.append(EMPTY.format(weekday=day.weekday))
                continue
            words = _words(cell, self.plan)
            words["row"] = row
            words["price"] = cell.price_html
            words["late"] = cell.late_html
            words["away"] = cell.away_html
            words["becomes"] = escaped(WORDS[cell.then])
            words["word"] = escaped(_word(cell))
            words["weekday"] = str(day.weekday)
            words["change"] = _change(cell)
            cells.append((TICKABLE if cell.field else SHOWN_ONLY).format(**words))
        return mark_safe("".join(cells))  # noqa: S308 – escaped word by word

    @property
    def dialog_id(self) -> str:
        return f"auto-{self.key}"

    @property
    def child(self) -> Child:
        return self.plan.enrolment.child

    @property
    def weekdays(self) -> list[tuple[int, str, bool]]:
        """For « Sélection automatique des jours »: number, name, ticked."""
        return self.plan.usual_weekdays


@dataclass(frozen=True)
class WeekRow:
    """A line of the list of weeks; a row of the whole period."""

    key: str
    days: list[WeekDay]
    cells: list[tuple[Planning, Cell | None]]

    @property
    def number(self) -> int:
        return int(self.key[-2:])

    @property
    def span(self) -> str:
        """« du 21 au 25 décembre »."""
        monday = date.fromisocalendar(int(self.key[:4]), self.number, 1)
        return moments.span(monday, monday + timedelta(days=4))

    @property
    def html(self) -> SafeString:
        """Its `<td>`s in the table of the whole period, words escaped."""
        cells = []
        last = None
        for plan, cell in self.cells:
            if cell is None:
                cells.append("<td></td>")
                continue
            words = _words(cell, plan)
            words["edge"] = "" if cell.day == last else " cell--first"
            last = cell.day
            cells.append((SMALL_TICKABLE if cell.field else SMALL_SHOWN_ONLY).format(**words))
        return mark_safe("".join(cells))  # noqa: S308 – escaped word by word

    @property
    def chosen(self) -> int:
        return sum(cell.checked for _, cell in self.cells if cell)


class Weeks:
    """The weeks of one or several plannings, and which of them is shown."""

    def __init__(self, plan: Planning, wanted: str) -> None:
        self.plans = [plan, *plan.beside]
        self.several = len(self.plans) > 1
        self.weekdays = sorted(open_weekdays(self.plans))
        self.rows_of_weeks = list(self._weeks(plan))
        keys = [week.key for week in self.rows_of_weeks]
        self.whole = wanted == WHOLE
        self.unknown = bool(wanted) and not self.whole and wanted not in keys
        self.key = wanted if wanted in keys else self._first()
        index = keys.index(self.key) if self.key else 0
        self.previous = keys[index - 1] if index and not self.whole else ""
        self.next = keys[index + 1] if index + 1 < len(keys) and not self.whole else ""

    @property
    def shown(self) -> str:
        """The key of what the form holds."""
        return WHOLE if self.whole else self.key

    @cached_property
    def current(self) -> WeekRow | None:
        return next((week for week in self.rows_of_weeks if week.key == self.key), None)

    @property
    def days(self) -> list[WeekDay]:
        return self.current.days if self.current else []

    @cached_property
    def rows(self) -> list[FormulaRow]:
        """Formula by formula, child by child; the cells of the week shown, or none for the whole period."""
        days = [] if self.whole else self.days
        return [
            FormulaRow(
                plan,
                formula,
                [(day, plan.cells.get(Choice(formula.pk, day.day))) for day in days],
                self.several,
            )
            for formula in self.plans[0].formulas
            for plan in self.plans
        ]

    @property
    def columns(self) -> list[str]:
        """Of the whole period: each weekday, which stands over all rows."""
        return [WEEKDAYS[weekday].capitalize() for weekday in self.weekdays]

    @property
    def names_html(self) -> SafeString:
        """Of the whole period: the `<th>`s under the weekdays, words escaped."""
        names = "".join(
            f'<th scope="col" class="whole-name"><span>{escape(row.name)}</span></th>' for row in self.rows
        )
        return mark_safe(names * len(self.weekdays))  # noqa: S308 – escaped word by word

    @property
    def rivals(self) -> str:
        """For the browser, as JSON: the formulas that each formula excludes on a day."""
        return json.dumps(self.plans[0].rivals)

    @cached_property
    def elsewhere(self) -> Elsewhere:
        """What is chosen in weeks that are not shown."""
        weeks = [] if self.whole else [week for week in self.rows_of_weeks if week.key != self.key]
        return Elsewhere(found for week in weeks for found in week.cells)

    def _weeks(self, plan: Planning) -> Iterator[WeekRow]:
        today = plan.where.today
        monday = today - timedelta(days=today.weekday())
        cells = [cell for each in self.plans for cell in each.cells.values()]
        days = sorted({cell.day for cell in cells if cell.day.weekday() in self.weekdays})
        # Weeks gone by are not offered to families any more, unless nothing else is left.
        if plan.where.desk is None:
            days = [day for day in days if day >= monday] or days
        for key, of_week in groupby(days, key=week_key):
            present = {day.weekday(): day for day in of_week}
            first = date.fromisocalendar(int(key[:4]), int(key[-2:]), 1)
            row: list[tuple[Planning, Cell | None]] = []
            for weekday in self.weekdays:
                day = present.get(weekday)
                for formula in plan.formulas:
                    for each in self.plans:
                        cell = each.cells.get(Choice(formula.pk, day)) if day else None
                        row.append((each, cell))
            yield WeekRow(key, [WeekDay(first + timedelta(days=weekday)) for weekday in self.weekdays], row)

    def _first(self) -> str:
        """The first week in which something can be done, or else the first of all."""
        for week in self.rows_of_weeks:
            if any(cell.field and not cell.over for _, cell in week.cells if cell):
                return week.key
        now = week_key(self.plans[0].where.today)
        if any(week.key == now for week in self.rows_of_weeks):
            return now
        return self.rows_of_weeks[0].key if self.rows_of_weeks else ""


def _words(cell: Cell, plan: Planning) -> dict[str, str]:
    """What the markup of a cell is filled with, escaped."""
    return {
        "state": cell.state,
        "lost": cell.marks,
        "note": escaped(cell.note),
        "described": cell.described,
        "field": f"{cell.field}{plan.suffix}",
        "value": cell.value,
        "name": escaped(cell.name),
        "checked": " checked" if cell.checked else "",
        "data_price": cell.data_price,
        "then": cell.then,
    }


def _change(cell: Cell) -> str:
    """The way to another formula of that day, where one is booked."""
    if cell.change is None:
        return ""
    return CHANGE.format(url=reverse("reservations:change", args=[cell.change]), name=escaped(cell.name))


def _word(cell: Cell) -> str:
    """The few words in the cell: what there is to know, or else its state."""
    label = CellState(cell.state).label
    if cell.state == CellState.WAITLISTED and cell.short:
        return cell.short
    if cell.state == CellState.OFFERED and cell.short:
        return f"{label}, {cell.short}"
    if cell.field == CANCEL:
        return f"{label}, annulable {cell.short}" if cell.short else label
    if cell.state == CellState.FULL and cell.field:
        return f"{label}, {cell.short}"
    word = cell.short or label
    return f"sur demande, {word}" if cell.state == CellState.FREE and cell.then == "requested" else word


# The hooks of a service ------------------------------------------------------------------------------------


def shown(data: QueryDict, plan: Planning) -> Container[Choice] | None:
    """The choices of the week that a posted form holds; None for the whole period."""
    key = data.get("shown", WHOLE)
    return None if key == WHOLE else {cell.choice for cell in plan.in_week(key)}


def context(request: SignedInRequest, plan: Planning) -> dict[str, Any]:
    """`weeks`, for the template reservations/planning_weeks.html."""
    weeks = Weeks(plan, request.GET.get("semaine", ""))
    if weeks.unknown:
        messages.info(request, "La semaine demandée n'est pas dans cette période : voici une autre semaine.")
    return {"weeks": weeks}


def act(button: str, data: QueryDict, plan: Planning, ticks: Ticks) -> bool:
    """The menu of each formula: « select:FORMULA:WHERE », « clear:FORMULA:WHERE », « auto:FORMULA ».

    WHERE is the key of a week or WHOLE; FORMULA ends with the planning's suffix. Other buttons are not ours.
    """
    verb, _, rest = button.partition(":")
    row, _, where = rest.partition(":")
    if verb not in ("select", "clear", "auto"):
        return False
    cells = [cell for cell in plan.cells.values() if f"{cell.choice.formula_id}{plan.suffix}" == row]
    if verb == "auto":
        weekdays = weekday_numbers(data.getlist(f"auto-{row}"))
        cells = [cell for cell in cells if cell.day.weekday() in weekdays]
        where = WHOLE if data.get(f"auto-where-{row}") == WHOLE else data.get("shown", WHOLE)
    if where != WHOLE:
        cells = [cell for cell in cells if week_key(cell.day) == where]
    if verb == "clear":
        plan.clear(ticks, cells)
        if plan.cancelling:
            plan.cancel(ticks, cells)
    else:
        plan.select(ticks, cells)
    return True
