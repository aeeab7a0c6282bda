"""From the row an agent fills in (DeadlineRule) to the pure rule, and what is missing in it, in French."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any, Protocol

from portal.french.weekdays import weekdays_in
from portal.reservations.deadlines import rules
from portal.reservations.deadlines.rules import CountedDays, DayUnit, Rule, TableRow


class Named(Protocol):
    """An audience of the town."""

    @property
    def label(self) -> str: ...


class WindowRow(Protocol):
    """A row of dates with when they open and close, as an agent fills it in."""

    @property
    def covers_from(self) -> date: ...
    @property
    def covers_to(self) -> date: ...
    @property
    def opens_at(self) -> datetime | None: ...
    @property
    def closes_at(self) -> datetime | None: ...
    @property
    def audience(self) -> str: ...
    @property
    def public_id(self) -> int | None: ...
    @property
    def public(self) -> "Named | None": ...


class WindowRows(Protocol):
    """Those of a rule."""

    def all(self) -> Iterable[WindowRow]: ...


class RuleRow(Protocol):
    """A rule as an agent fills it in: which of its fields count depends on its kind."""

    @property
    def kind(self) -> str: ...
    @property
    def number(self) -> int | None: ...
    @property
    def day_unit(self) -> str: ...
    @property
    def skip_weekends(self) -> bool: ...
    @property
    def skip_public_holidays(self) -> bool: ...
    @property
    def skip_weekdays(self) -> int: ...
    @property
    def at(self) -> time | None: ...
    @property
    def weekday(self) -> int | None: ...
    @property
    def month_day(self) -> int | None: ...
    @property
    def table(self) -> Any: ...
    @property
    def holiday_monday_table(self) -> Any: ...
    @property
    def reference_time(self) -> time: ...
    @property
    def inclusive(self) -> bool: ...
    @property
    def from_last_school_day(self) -> bool: ...
    @property
    def windows(self) -> WindowRows: ...


# Which days count.
COUNTING = ("day_unit", "skip_weekends", "skip_public_holidays", "skip_weekdays")

# The fields each kind reads.
FIELDS_OF_KIND: dict[str, tuple[str, ...]] = {
    "days_before": ("number", "at", *COUNTING, "from_last_school_day", "inclusive"),
    "hours_before": ("number", "reference_time", *COUNTING, "from_last_school_day", "inclusive"),
    "week_before": ("weekday", "at", "number", *COUNTING, "from_last_school_day", "inclusive"),
    "weekday_table": ("table", "holiday_monday_table", *COUNTING, "from_last_school_day", "inclusive"),
    "same_day": ("at", "inclusive"),
    "month_day": ("month_day", "at", "number", *COUNTING, "inclusive"),
    "clear_days": ("number", "at", *COUNTING, "inclusive"),
    "windows": ("inclusive",),
    "never": (),
}
# In the order a form shows them.
EVERY_FIELD = (
    "weekday",
    "month_day",
    "table",
    "holiday_monday_table",
    "number",
    "at",
    "reference_time",
    *COUNTING,
    "from_last_school_day",
    "inclusive",
)

NEEDED: dict[str, dict[str, str]] = {
    "days_before": {"number": "Indiquez combien de jours avant."},
    "hours_before": {"number": "Indiquez combien d'heures avant."},
    "week_before": {"weekday": "Choisissez le jour limite de la semaine."},
    "weekday_table": {"table": "Remplissez au moins une ligne du tableau."},
    "same_day": {"at": "Indiquez l'heure limite du jour même."},
    "month_day": {"month_day": "Indiquez le jour limite du mois précédent."},
    "clear_days": {"number": "Indiquez le nombre de jours francs."},
}

# About a year, in each kind's unit.
FARTHEST = {"hours_before": 24 * 366, "week_before": 53, "month_day": 12}


class MalformedTable(ValueError):
    """A deadline table that is not of the documented shape; its text is for the agent."""


def read_table(table: Any) -> dict[int, TableRow | None]:
    """The rows of `{"0": [3, "15:00"]}`: target weekday → limit weekday (0 is Monday) and hour.

    The hour may be null (the whole day); a third item is the number of weeks earlier still; a null row means
    that weekday is never on time. Raises MalformedTable.
    """
    if not isinstance(table, Mapping):
        raise MalformedTable("Le tableau n'est pas lisible.")
    rows: dict[int, TableRow | None] = {}
    for target, row in table.items():
        try:
            day = int(target)
            if row is None:
                rows[_weekday(day)] = None
                continue
            weekday, at, more_weeks = [*row, None, None][:3]
            rows[_weekday(day)] = TableRow(
                _weekday(int(weekday)), time.fromisoformat(at) if at else None, int(more_weeks or 0)
            )
        except (TypeError, ValueError) as error:
            raise MalformedTable("Une ligne du tableau n'est pas lisible.") from error
    return rows


def write_table(rows: Mapping[int, TableRow | None]) -> dict[str, list[Any] | None]:
    """The JSON that `read_table` reads."""
    return {
        str(day): None
        if row is None
        else [row.weekday, row.at.isoformat("minutes") if row.at else None]
        + ([row.more_weeks] if row.more_weeks else [])
        for day, row in sorted(rows.items())
    }


def _weekday(number: int) -> int:
    if not 0 <= number <= 6:
        raise ValueError(number)
    return number


def counted(row: RuleRow) -> CountedDays:
    """Which days the row counts."""
    return CountedDays(
        unit=DayUnit(row.day_unit),
        skip_weekends=row.skip_weekends,
        skip_public_holidays=row.skip_public_holidays,
        skip_weekdays=frozenset(weekdays_in(row.skip_weekdays or 0)),
    )


def rule_of(row: RuleRow, windows: Iterable[WindowRow] | None = None) -> Rule:
    """The pure rule of a valid row. Its windows are read from the database unless prefetched or given.

    A row that `problems` complains about counts as never: nothing is booked on a rule nobody can read.
    """
    if problems(row):
        return rules.Never()
    number = row.number or 0
    at = row.at
    inclusive = row.inclusive
    match row.kind:
        case "days_before":
            return rules.DaysBefore(number, at, counted(row), row.from_last_school_day, inclusive)
        case "hours_before":
            return rules.HoursBefore(
                number, row.reference_time, counted(row), row.from_last_school_day, inclusive
            )
        case "week_before":
            weeks = 1 if row.number is None else row.number
            return rules.WeekBefore(
                row.weekday or 0, weeks, at, counted(row), row.from_last_school_day, inclusive
            )
        case "weekday_table":
            return rules.WeekdayTable(
                read_table(row.table),
                read_table(row.holiday_monday_table or {}),
                counted(row),
                row.from_last_school_day,
                inclusive,
            )
        case "same_day":
            return rules.SameDay(at, inclusive)
        case "month_day":
            months = 1 if row.number is None else row.number
            return rules.MonthDay(row.month_day or 1, months, at, counted(row), inclusive)
        case "clear_days":
            return rules.ClearDays(number, at, counted(row), inclusive)
        case "windows":
            rows = row.windows.all() if windows is None else windows
            read = tuple(
                rules.Window(
                    window.covers_from,
                    window.covers_to,
                    window.opens_at,
                    window.closes_at,
                    rules.Audience(window.audience),
                    window.public_id or 0,
                    window.public.label if window.public_id and window.public else "",
                )
                for window in rows
            )
            return rules.Windows(read, inclusive)
        case _:
            return rules.Never()


def problems(row: RuleRow) -> dict[str, str]:
    """What is missing or contradictory: field → French sentence. Empty when the row is a rule."""
    if row.kind not in FIELDS_OF_KIND:
        return {"kind": "Choisissez un principe."}
    found = {
        field: sentence
        for field, sentence in NEEDED.get(row.kind, {}).items()
        if getattr(row, field) is None or getattr(row, field) == {}
    }
    uses = FIELDS_OF_KIND[row.kind]
    if "weekday" in uses and row.weekday is not None and row.weekday > 6:
        found["weekday"] = "Choisissez un jour de la semaine."
    if "month_day" in uses and row.month_day is not None and not 1 <= row.month_day <= 31:
        found["month_day"] = "Le jour du mois va de 1 à 31."
    if "number" in uses and row.number is not None:
        farthest = FARTHEST.get(row.kind, 366)
        if row.number > farthest:
            found["number"] = f"C'est plus d'un an avant : {farthest} au plus."
        elif row.kind == "month_day" and row.number == 0:
            found["number"] = "Indiquez au moins 1, ou laissez vide."
    for table in ("table", "holiday_monday_table"):
        if table in uses and table not in found:
            try:
                read_table(getattr(row, table) or {})
            except MalformedTable as error:
                found[table] = str(error)
    if row.kind == "weekday_table" and "0" in (row.holiday_monday_table or {}):
        found.setdefault(
            "holiday_monday_table", "Quand le lundi est férié, on ne réserve pas ce lundi : videz sa ligne."
        )
    if "skip_weekdays" in uses and _counts_nothing(row):
        field = "skip_weekdays" if row.skip_weekdays else "day_unit"
        found[field] = "Aucun jour ne serait compté : laissez-en au moins un."
    return found


def _counts_nothing(row: RuleRow) -> bool:
    left = set(range(7)) - set(weekdays_in(row.skip_weekdays or 0))
    if row.skip_weekends or row.day_unit == DayUnit.WORKING.value:
        left -= {5, 6}
    return not left
