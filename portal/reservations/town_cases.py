"""The worked deadlines of a file of towns: each published rule becomes DeadlineRule rows, and those decide.

The kinds of the file are read generously (a missing hour is the whole day, `thu` or `jeudi`, one day or a
list), as a town's page would be. What cannot be read fails its cases with the reason.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from portal import town as town_module
from portal.models import Town
from portal.reservations import deadlines, rule_rows
from portal.reservations.calendars import OpenDays
from portal.reservations.deadlines import TableRow, Timing
from portal.reservations.fields import WEEKDAYS, mask_of
from portal.reservations.holiday_proposals import public_holidays, school_holidays
from portal.reservations.models import (
    DeadlineRule,
    DeadlineWindow,
    Establishment,
    PublicHoliday,
    SchoolHoliday,
)
from portal.reservations.town_replay import Case, register

Document = Mapping[str, Any]
ENGLISH_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LAST_MINUTE = time(23, 59)
ALWAYS = (date(2000, 1, 1), date(2099, 12, 31))
EXPECTED = {
    "on_time": Timing.ON_TIME,
    "late": Timing.LATE,
    "too_late": Timing.LATE,
    "too_early": Timing.EARLY,
    "early": Timing.EARLY,
    "never": Timing.NEVER,
}
UNITS = {
    "calendar": "calendar",
    "calendaires": "calendar",
    "working": "working",
    "business": "working",
    "ouvres": "working",
    "open": "open",
    "school": "school",
}
WEEKEND = ("weekend", "weekends", "week-end", "week-ends")
PUBLIC_HOLIDAYS = ("holiday", "holidays", "public_holiday", "public_holidays", "ferie", "feries")
SCHOOL_HOLIDAYS = ("school_holiday", "school_holidays", "vacances", "vacation", "vacations")
AFTER_HOLIDAYS = ("after_holidays", "after_school_holidays", "first_day_after_holidays", "rentree")


class Unreadable(ValueError):
    """Something of the file that no reading covers; the text says what."""


def deadline_cases(town: Document, meta: Document) -> Iterator[Case]:
    """A case for each of the town's `worked_deadlines`."""
    for case in town.get("worked_deadlines") or []:
        label = (
            f"{case.get('service')} {case.get('action')} {case.get('attempt')} → {case.get('target')} "
            f"({case.get('expect')})"
        )
        yield Case(str(town.get("id") or town.get("name")), label, partial(why_wrong, town, case))


def why_wrong(town: Document, case: Document) -> str | None:
    """Replays one case through rows of the database: None when they decide as expected, else the reason."""
    expected = EXPECTED.get(str(case.get("expect")))
    if expected is None:
        return f"unknown expectation « {case.get('expect')} »"
    try:
        attempt, target = read_moment(case.get("attempt")), read_day(case.get("target"))
        published = published_rule(town, case)
        row = make_row(town, published)
    except Unreadable as error:
        return str(error)
    resident = is_resident(case, published)
    calendar = make_calendar(town, min(attempt.date(), target), max(attempt.date(), target))
    rule = DeadlineRule.objects.get(pk=row.pk).rule()
    limits = deadlines.limits(
        rule,
        target,
        calendar,
        resident=resident,
        period_start=period_start(case, published, target, calendar),
    )
    found = limits.timing(attempt)
    if found is expected:
        return None
    bounds = f"from {limits.opens} to {limits.closes}"
    return f"expected {expected.value}, found {found.value} ({bounds}; {row.sentence})"


# Which published rule ------------------------------------------------------------------------------------


def published_rule(town: Document, case: Document) -> Document:
    """The town's rule for the case's service and action; by audience or by dates when several fit."""
    service, action = case.get("service"), case.get("action")
    fitting = [
        rule
        for rule in town.get("rules") or []
        if (
            case["rule"] == rule.get("id")
            if "rule" in case
            else _names(rule.get("services") or rule.get("service"), service)
        )
        and _names(rule.get("actions") or rule.get("action"), action)
    ]
    if not fitting:
        raise Unreadable(f"no rule for service « {service} », action « {action} »")
    told = _told_residence(case)
    if told is not None:
        own = "resident" if told else "non_resident"
        fitting = [rule for rule in fitting if rule.get("audience") in (None, "all", own)] or fitting
    target = read_day(case.get("target"))
    covering = [rule for rule in fitting if any(first <= target <= last for first, last in _covered(rule))]
    undated = [rule for rule in fitting if not rule.get("windows")]
    return (covering or undated or fitting)[0]


def _names(known: Any, name: Any) -> bool:
    return known is None or name is None or name in ([known] if isinstance(known, str) else known)


def _covered(rule: Document) -> list[tuple[date, date]]:
    return [_days_of(window) for window in rule.get("windows") or []]


def _told_residence(case: Document) -> bool | None:
    for name, answer in (("resident", True), ("non_resident", False), ("nonresident", False)):
        if name in case:
            return bool(case[name]) == answer
    if case.get("audience") in ("resident", "non_resident"):
        return case["audience"] == "resident"
    return None


def is_resident(case: Document, rule: Document) -> bool:
    """As the case says; else as the rule that was chosen for it says; else resident."""
    told = _told_residence(case)
    return rule.get("audience") != "non_resident" if told is None else told


def period_start(case: Document, rule: Document, target: date, calendar: OpenDays) -> date:
    """The first day of the period booked: as written, or of the school holidays the target day lies in."""
    for source in (case, rule):
        if source.get("period_start"):
            return read_day(source["period_start"])
    start = target
    while calendar.is_school_holiday(start) and calendar.is_school_holiday(start - timedelta(days=1)):
        start -= timedelta(days=1)
    return start


# Rows ----------------------------------------------------------------------------------------------------


def make_row(town: Document, rule: Document) -> DeadlineRule:
    """Saves the published rule as the rows an agent would fill in. Raises Unreadable."""
    row = DeadlineRule(name=f"{town.get('id')} – {rule.get('id')}"[:120])
    _read_counting(row, rule)
    kind = str(rule.get("type"))
    reader = KINDS.get(kind)
    if reader is None:
        raise Unreadable(f"unknown rule type « {kind} »")
    reader(row, rule)
    if found := rule_rows.problems(row):
        raise Unreadable(f"incomplete rule: {found}")
    row.full_clean()
    row.save()
    if row.kind == DeadlineRule.Kind.WINDOWS:
        audience = rule.get("audience") or DeadlineWindow.Audience.ALL
        for window in rule.get("windows") or [rule]:
            _save_window(row, window, audience)
    return row


def _read_counting(row: DeadlineRule, rule: Document) -> None:
    row.at = read_time(rule.get("time"))
    row.inclusive = bool(rule.get("inclusive", not rule.get("exclusive", False)))
    unit = rule.get("unit") or rule.get("day_unit") or rule.get("days")
    if isinstance(unit, str):
        if _plain(unit) not in UNITS:
            raise Unreadable(f"unknown unit « {unit} »")
        row.day_unit = UNITS[_plain(unit)]
    weekdays = []
    for skipped in _listed(rule.get("skip")):
        word = _plain(skipped)
        if word in WEEKEND:
            row.skip_weekends = True
        elif word in PUBLIC_HOLIDAYS:
            row.skip_public_holidays = True
        elif word in SCHOOL_HOLIDAYS:
            row.from_last_school_day = True
        else:
            weekdays.append(read_weekday(skipped))
    row.skip_weekdays = mask_of(weekdays)
    # « Rentrée : le dernier jour de classe avant les vacances », under whatever name.
    told = any("last_school_day" in f"{key} {value}" for key, value in rule.items())
    if told or any(rule.get(key) for key in AFTER_HOLIDAYS):
        row.from_last_school_day = True


def _days_before(row: DeadlineRule, rule: Document) -> None:
    row.kind, row.number = DeadlineRule.Kind.DAYS_BEFORE, _number(rule, "n", "days", "number")
    table = {read_weekday(day): limit for day, limit in (rule.get("explicit_table") or {}).items()}
    if table and not _agrees(row, table):
        row.kind = DeadlineRule.Kind.WEEKDAY_TABLE
        row.table = rule_rows.write_table({day: _table_row(limit, row.at) for day, limit in table.items()})


def _agrees(row: DeadlineRule, table: Mapping[int, Any]) -> bool:
    """Whether the table a town prints is what its rule gives in a week without holidays."""
    plain_weeks = OpenDays(
        activity=None, establishment=None, public_holidays={}, school_holidays={}, school_years=[]
    )
    rule, monday = row.rule(), date(2026, 6, 1)
    for day, limit in table.items():
        expected = _table_row(limit, row.at)
        found = deadlines.cutoff(rule, monday + timedelta(days=day), plain_weeks)
        if expected is None or found is None or found.weekday() != expected.weekday:
            return False
    return True


def _working_days_before(row: DeadlineRule, rule: Document) -> None:
    _days_before(row, rule)
    row.day_unit = DeadlineRule.DayUnit.WORKING


def _hours_before(row: DeadlineRule, rule: Document) -> None:
    row.kind, row.number = DeadlineRule.Kind.HOURS_BEFORE, _number(rule, "n", "hours", "number")
    row.reference_time = read_time(rule.get("reference") or rule.get("reference_time") or "00:00") or time()


def _week_before(row: DeadlineRule, rule: Document) -> None:
    row.kind, row.weekday = (
        DeadlineRule.Kind.WEEK_BEFORE,
        read_weekday(rule.get("day") or rule.get("weekday")),
    )
    row.number = _number(rule, "weeks", "n", "number", default=1)


def _weekday_table(row: DeadlineRule, rule: Document) -> None:
    row.kind = DeadlineRule.Kind.WEEKDAY_TABLE
    row.table = _table(rule.get("map") or rule.get("table"), row.at)
    row.holiday_monday_table = _table(rule.get("if_monday_holiday"), row.at)


def _same_day(row: DeadlineRule, rule: Document) -> None:
    row.kind, row.at = DeadlineRule.Kind.SAME_DAY, row.at or LAST_MINUTE


def _month_day(row: DeadlineRule, rule: Document) -> None:
    day = rule.get("day")
    row.kind, row.month_day = DeadlineRule.Kind.MONTH_DAY, 31 if day in ("last", -1) else _number(rule, "day")
    row.number = _number(rule, "months", "n", "number", default=1)


def _clear_days(row: DeadlineRule, rule: Document) -> None:
    row.kind, row.number = DeadlineRule.Kind.CLEAR_DAYS, _number(rule, "n", "days", "number")


def _days_before_period(row: DeadlineRule, rule: Document) -> None:
    # « 15 jours avant » leaves 14 full days between.
    _clear_days(row, rule)
    row.number = max((row.number or 0) - 1, 0)


def _windows(row: DeadlineRule, rule: Document) -> None:
    row.kind = DeadlineRule.Kind.WINDOWS


def _never(row: DeadlineRule, rule: Document) -> None:
    row.kind = DeadlineRule.Kind.NEVER


KINDS = {
    "days_before": _days_before,
    "working_days_before": _working_days_before,
    "hours_before": _hours_before,
    "prev_week": _week_before,
    "weeks_before": _week_before,
    "map": _weekday_table,
    "same_day": _same_day,
    "prev_month_day": _month_day,
    "clear_days_before_period": _clear_days,
    "days_before_period": _days_before_period,
    "window": _windows,
    "windows": _windows,
    "never": _never,
}


def _save_window(row: DeadlineRule, window: Document, audience: str) -> None:
    first, last = _days_of(window)
    saved = DeadlineWindow(
        rule=row,
        covers_from=first,
        covers_to=last,
        opens_at=read_moment(window["opens"]) if window.get("opens") else None,
        closes_at=read_moment(window["closes"], last_minute=True) if window.get("closes") else None,
        audience=window.get("audience") or audience,
    )
    saved.full_clean()
    saved.save()


def _days_of(window: Document) -> tuple[date, date]:
    first, last = window.get("covers_from"), window.get("covers_to")
    return read_day(first) if first else ALWAYS[0], read_day(last) if last else ALWAYS[1]


def _table(table: Any, at: time | None) -> dict[str, Any]:
    rows = {read_weekday(day): _table_row(limit, at) for day, limit in (table or {}).items()}
    return rule_rows.write_table(rows)


def _table_row(limit: Any, at: time | None) -> TableRow | None:
    """[thu, '15:00'], thu, {day: thu, time: '15:00'}; null or never for a day that is never on time."""
    if limit is None or limit == "never":
        return None
    if isinstance(limit, Mapping):
        limit = [limit.get("day"), limit.get("time")]
    weekday, *rest = limit if isinstance(limit, Sequence) and not isinstance(limit, str) else [limit]
    return TableRow(read_weekday(weekday), read_time(rest[0]) if rest else at)


# Values --------------------------------------------------------------------------------------------------


def _number(rule: Document, *names: str, default: int | None = None) -> int:
    for name in names:
        try:
            return int(rule[name])
        except KeyError:
            continue
        except (TypeError, ValueError) as error:
            raise Unreadable(f"« {rule[name]} » is not a number") from error
    if default is None:
        raise Unreadable(f"the rule says no « {names[0]} »")
    return default


def _plain(word: Any) -> str:
    return str(word).strip().lower().replace("é", "e")


def _listed(value: Any) -> Iterable[Any]:
    if value is None:
        return []
    return value if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def read_weekday(word: Any) -> int:
    """0 is Monday: « mon », « monday », « lundi »."""
    name = _plain(word)
    for day in range(7):
        if len(name) >= 3 and (name.startswith(ENGLISH_DAYS[day]) or WEEKDAYS[day].startswith(name)):
            return day
    raise Unreadable(f"« {word} » is not a weekday")


def read_time(value: Any) -> time | None:
    """'09:00', '9h', '12h30', '24:00', or 540 (09:00 read as minutes by YAML 1.1); None is the whole day."""
    if value is None or isinstance(value, time):
        return value
    if isinstance(value, int):
        value = f"{value // 60:02}:{value % 60:02}"
    hours, _, minutes = _plain(value).replace("h", ":").replace(" ", "").partition(":")
    try:
        if int(hours) == 24:
            return LAST_MINUTE
        return time(int(hours), int(minutes[:2] or 0))
    except ValueError as error:
        raise Unreadable(f"« {value} » is not an hour") from error


def read_day(value: Any) -> date:
    """A date, or the day of a moment."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError as error:
        raise Unreadable(f"« {value} » is not a date") from error


def read_moment(value: Any, *, last_minute: bool = False) -> datetime:
    """A local moment, made aware. A date alone is its first moment, or its last minute with `last_minute`."""
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date) or len(str(value)) == 10:
        moment = datetime.combine(read_day(value), LAST_MINUTE if last_minute else time())
    elif str(value)[11:13] == "24":
        moment = datetime.combine(read_day(value), time()) + timedelta(days=1)
    else:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError as error:
            raise Unreadable(f"« {value} » is not a moment") from error
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


# The calendar around a case --------------------------------------------------------------------------------


def make_calendar(town: Document, first: date, last: date) -> OpenDays:
    """Saves the town's public and school holidays around the case, and reads them back as the portal does."""
    zone, region = town.get("zone") or Town.Zone.A, town.get("region") or Town.Region.METROPOLE
    Town(name=str(town.get("name"))[:120], zone=zone, region=region).save()
    years = range(first.year - 2, last.year + 1)
    PublicHoliday.objects.bulk_create(
        PublicHoliday(day=row.first, name=row.name) for year in years for row in public_holidays(year, region)
    )
    SchoolHoliday.objects.bulk_create(
        SchoolHoliday(zone=zone, name=row.name, starts_on=row.first, ends_on=row.last)
        for row in school_holidays(date(years[0], 1, 1), date(years[-1] + 1, 12, 31), zone)
    )
    establishment = Establishment.objects.create(
        code="replay", name="Replay", kind=Establishment.Kind.SCHOOL, open_weekdays=_open_weekdays(town)
    )
    town_module.forget()
    return OpenDays.load(None, establishment, first, last)


def _open_weekdays(town: Document) -> int:
    days = town.get("open_days")
    return mask_of(map(read_weekday, days)) if days else mask_of(range(5))


register("deadlines", deadline_cases)
