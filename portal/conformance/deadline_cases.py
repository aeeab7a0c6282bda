"""The worked deadlines of a file of towns: each published rule becomes DeadlineRule rows, and those decide.

The kinds of the file are read generously (a missing hour is the whole day, `thu` or `jeudi`, one day or a
list), as a town's page would be. What cannot be read fails its cases with the reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from portal import town as town_module
from portal.conformance import loaded_deadlines, loaded_towns
from portal.conformance.published_towns import Case, Document, name_of, rows, unreadable_rows, worked
from portal.conformance.values import (
    LAST_MINUTE,
    Unreadable,
    first_of,
    listed,
    plain,
    read_day,
    read_flag,
    read_moment,
    read_number,
    read_time,
    read_weekday,
    within,
)
from portal.french.weekdays import mask_of
from portal.models import Town
from portal.reservations.days.calendars import OpenDays
from portal.reservations.days.holiday_proposals import public_holidays, school_holidays
from portal.reservations.deadlines import cutoffs, rule_rows
from portal.reservations.deadlines.cutoffs import Timing
from portal.reservations.deadlines.rules import TableRow
from portal.reservations.models import (
    DeadlineRule,
    DeadlineWindow,
    Establishment,
    PublicHoliday,
    SchoolHoliday,
)

Audience = DeadlineWindow.Audience
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
AUDIENCES = {
    "all": Audience.ALL,
    "resident": Audience.RESIDENT,
    "residents": Audience.RESIDENT,
    "non_resident": Audience.NON_RESIDENT,
    "non_residents": Audience.NON_RESIDENT,
    "nonresident": Audience.NON_RESIDENT,
}
WEEKEND = ("weekend", "weekends", "week-end", "week-ends")
PUBLIC_HOLIDAYS = ("holiday", "holidays", "public_holiday", "public_holidays", "ferie", "feries")
SCHOOL_HOLIDAYS = ("school_holiday", "school_holidays", "vacances", "vacation", "vacations")
AFTER_HOLIDAYS = ("after_holidays", "after_school_holidays", "first_day_after_holidays", "rentree")


def deadline_cases(town: Document, meta: Document) -> Iterator[Case]:
    """A case for each of the town's `worked_deadlines`."""
    return worked(town, "worked_deadlines", _label, why_wrong)


def _label(case: Document) -> str:
    said = [case.get(key) for key in ("service", "action", "attempt", "target", "expect")]
    return "{} {} {} → {} ({})".format(*said)


def why_wrong(town: Document, case: Document) -> str | None:
    """Replays one case through rows of the database: None when they decide as expected, else the reason.

    Raises Unreadable.
    """
    if loaded_towns.has_file(town):
        loaded_towns.stage(town)
        # What the file does not offer may still stand among the town's `rules`.
        if loaded_deadlines.offers(case) or not any(_fits(rule, case) for rule in rows(town, "rules")):
            return loaded_deadlines.why_wrong(town, case)
    expected = EXPECTED.get(str(case.get("expect")))
    if expected is None:
        raise Unreadable(f"« {case.get('expect')} » n'est pas prévu : {', '.join(EXPECTED)}.", "expect")
    with within("attempt"):
        attempt = read_moment(case.get("attempt"))
    with within("target"):
        target = read_day(case.get("target"))
    published = published_rule(town, case)
    row = make_row(town, published)
    resident = is_resident(case, published)
    calendar = make_calendar(town, min(attempt.date(), target), max(attempt.date(), target))
    rule = DeadlineRule.objects.get(pk=row.pk).rule()
    limits = cutoffs.limits(
        rule,
        target,
        calendar,
        resident=resident,
        period_start=period_start(case, published, target, calendar),
    )
    found = limits.timing(attempt)
    if found is expected:
        return None
    bounds = f"de {limits.opens or 'toujours'} à {limits.closes}"
    return f"attendu {expected.value}, obtenu {found.value} ({bounds} ; {row.sentence})"


def unreadable_rules(town: Document) -> Iterator[str]:
    """A sentence for each rule that cannot be read, whether a case asks for it or not."""
    return unreadable_rows(town, "rules", lambda rule: (_fits(rule, {}), read_rule(town, rule)))


# Which published rule ------------------------------------------------------------------------------------


def published_rule(town: Document, case: Document) -> Document:
    """The town's rule for the case's service and action; by audience or by dates when several fit."""
    fitting = [rule for rule in rows(town, "rules") if _fits(rule, case)]
    if not fitting:
        service, action = case.get("service"), case.get("action")
        raise Unreadable(f"aucune règle pour le service « {service} », action « {action} ».", "rules")
    told = _told_residence(case)
    if told is not None:
        own = Audience.RESIDENT if told else Audience.NON_RESIDENT
        fitting = [rule for rule in fitting if _audience(rule) in (Audience.ALL, own)] or fitting
    target = read_day(case.get("target"))
    covering = [rule for rule in fitting if any(first <= target <= last for first, last in _covered(rule))]
    undated = [rule for rule in fitting if not rule.get("windows")]
    return (covering or undated or fitting)[0]


def _fits(rule: Document, case: Document) -> bool:
    services, actions = first_of(rule, "services", "service"), first_of(rule, "actions", "action")
    named = case["rule"] == rule.get("id") if "rule" in case else _names(services, case.get("service"))
    return named and _names(actions, case.get("action"))


def _names(known: Any, name: Any) -> bool:
    return known is None or name is None or name in listed(known)


def _covered(rule: Document) -> list[tuple[date, date]]:
    with within("rules", name_of(rule)):
        return [_days_of(window) for window in _windows_of(rule)]


def _told_residence(case: Document) -> bool | None:
    for name, answer in (("resident", True), ("non_resident", False), ("nonresident", False)):
        if name in case:
            with within(name):
                return read_flag(case[name]) == answer
    audience = _audience(case)
    return None if audience == Audience.ALL else audience == Audience.RESIDENT


def _audience(row: Document) -> str:
    word = plain(row.get("audience") or "all")
    if word not in AUDIENCES:
        raise Unreadable(f"« {row['audience']} » n'est pas prévu : {', '.join(AUDIENCES)}.", "audience")
    return AUDIENCES[word]


def is_resident(case: Document, rule: Document) -> bool:
    """As the case says; else as the rule that was chosen for it says; else resident."""
    told = _told_residence(case)
    return _audience(rule) != Audience.NON_RESIDENT if told is None else told


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
    row, windows = read_rule(town, rule)
    row.save()
    for window in windows:
        window.rule = row
        window.save()
    return row


def read_rule(town: Document, rule: Document) -> tuple[DeadlineRule, list[DeadlineWindow]]:
    """The rows, not saved. Raises Unreadable."""
    with within("rules", name_of(rule)):
        row = DeadlineRule(name=f"{name_of(town)} – {name_of(rule)}"[:120])
        _read_counting(row, rule)
        kind = str(rule.get("type"))
        if kind not in KINDS:
            raise Unreadable(f"« {kind} » n'est pas prévu : {', '.join(KINDS)}.", "type")
        KINDS[kind](row, rule)
        if found := rule_rows.problems(row):
            raise Unreadable(" ".join(found.values()))
        _clean(row)
        windows = []
        if row.kind == DeadlineRule.Kind.WINDOWS:
            windows = [_window(window, _audience(rule)) for window in _windows_of(rule) or [rule]]
        return row, windows


def _clean(row: models.Model, exclude: Sequence[str] = ()) -> None:
    try:
        row.full_clean(exclude=exclude)
    except ValidationError as error:
        raise Unreadable(" ".join(error.messages)) from error


def _read_counting(row: DeadlineRule, rule: Document) -> None:
    with within("time"):
        row.at = read_time(rule.get("time"))
    row.inclusive = read_flag(rule.get("inclusive", not rule.get("exclusive", False)))
    unit = first_of(rule, "unit", "day_unit", "days")
    if isinstance(unit, str) and not unit.isdigit():
        if plain(unit) not in UNITS:
            raise Unreadable(f"« {unit} » n'est pas prévu : {', '.join(UNITS)}.", "unit")
        row.day_unit = UNITS[plain(unit)]
    weekdays = []
    for skipped in listed(rule.get("skip")):
        word = plain(skipped)
        if word in WEEKEND:
            row.skip_weekends = True
        elif word in PUBLIC_HOLIDAYS:
            row.skip_public_holidays = True
        elif word in SCHOOL_HOLIDAYS:
            row.from_last_school_day = True
        else:
            with within("skip"):
                weekdays.append(read_weekday(skipped))
    row.skip_weekdays = mask_of(weekdays)
    # « Rentrée : le dernier jour de classe avant les vacances », under whatever name.
    told = [key for key, value in rule.items() if "last_school_day" in f"{key} {value}"]
    if any(rule.get(key) for key in (*told, *AFTER_HOLIDAYS)):
        row.from_last_school_day = True


def _days_before(row: DeadlineRule, rule: Document) -> None:
    row.kind, row.number = DeadlineRule.Kind.DAYS_BEFORE, _number(rule, "n", "days", "number")
    table = _table(rule, "explicit_table", row.at)
    if table and not _agrees(row, table):
        row.kind = DeadlineRule.Kind.WEEKDAY_TABLE
        row.table = rule_rows.write_table(table)


def _agrees(row: DeadlineRule, table: Mapping[int, TableRow | None]) -> bool:
    """Whether the table a town prints is what its rule gives in a week without holidays."""
    plain_weeks = OpenDays(
        activity=None, establishment=None, public_holidays={}, school_holidays={}, school_years=[]
    )
    rule, monday = row.rule(), date(2026, 6, 1)
    for day, expected in table.items():
        found = cutoffs.cutoff(rule, monday + timedelta(days=day), plain_weeks)
        if expected is None or found is None or found.weekday() != expected.weekday:
            return False
    return True


def _working_days_before(row: DeadlineRule, rule: Document) -> None:
    row.day_unit = DeadlineRule.DayUnit.WORKING
    _days_before(row, rule)


def _hours_before(row: DeadlineRule, rule: Document) -> None:
    row.kind, row.number = DeadlineRule.Kind.HOURS_BEFORE, _number(rule, "n", "hours", "number")
    row.reference_time = read_time(first_of(rule, "reference", "reference_time")) or time()


def _week_before(row: DeadlineRule, rule: Document) -> None:
    row.kind = DeadlineRule.Kind.WEEK_BEFORE
    with within("day"):
        row.weekday = read_weekday(first_of(rule, "day", "weekday"))
    row.number = _number(rule, "weeks", "n", "number", default=1)


def _weekday_table(row: DeadlineRule, rule: Document) -> None:
    row.kind = DeadlineRule.Kind.WEEKDAY_TABLE
    row.table = rule_rows.write_table(_table(rule, "map" if "map" in rule else "table", row.at))
    row.holiday_monday_table = rule_rows.write_table(_table(rule, "if_monday_holiday", row.at))


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


def _windows_of(rule: Document) -> list[Document]:
    windows = rule.get("windows") or []
    if not isinstance(windows, list) or not all(isinstance(window, Mapping) for window in windows):
        text = "Une liste de fenêtres est attendue : {covers_from, covers_to, opens, closes}."
        raise Unreadable(text, "windows")
    return windows


def _window(window: Document, audience: str) -> DeadlineWindow:
    first, last = _days_of(window)
    with within("opens"):
        opens = read_moment(window["opens"]) if window.get("opens") else None
    with within("closes"):
        closes = read_moment(window["closes"], last_minute=True) if window.get("closes") else None
    own = _audience(window) if window.get("audience") else audience
    row = DeadlineWindow(covers_from=first, covers_to=last, opens_at=opens, closes_at=closes, audience=own)
    _clean(row, exclude=["rule"])
    return row


def _days_of(window: Document) -> tuple[date, date]:
    first, last = window.get("covers_from"), window.get("covers_to")
    with within("windows"):
        return read_day(first) if first else ALWAYS[0], read_day(last) if last else ALWAYS[1]


def _table(rule: Document, key: str, at: time | None) -> dict[int, TableRow | None]:
    table = rule.get(key) or {}
    with within(key):
        if not isinstance(table, Mapping):
            raise Unreadable("Un tableau est attendu ici, par exemple {mon: [thu, '15:00']}.")
        return {read_weekday(day): _table_row(limit, at) for day, limit in table.items()}


def _table_row(limit: Any, at: time | None) -> TableRow | None:
    """[thu, '15:00'], thu, {day: thu, time: '15:00'}; null or never for a day that is never on time."""
    if limit is None or limit == "never":
        return None
    if isinstance(limit, Mapping):
        limit = [limit.get("day"), limit.get("time")]
    weekday, *rest = listed(limit) or [None]
    return TableRow(read_weekday(weekday), read_time(rest[0]) if rest else at)


def _number(rule: Document, *names: str, default: int | None = None) -> int:
    value = first_of(rule, *names)
    if value is None and default is not None:
        return default
    if value is None:
        raise Unreadable(f"Le champ « {names[0]} » manque.")
    with within(names[0]):
        return read_number(value)


# The calendar around a case --------------------------------------------------------------------------------


def make_calendar(town: Document, first: date, last: date) -> OpenDays:
    """Saves the town's public and school holidays around the case, and reads them back as the portal does."""
    if not Town.objects.exists():  # else its file has brought it
        _save_calendar(town, first, last)
    establishment = Establishment.objects.create(
        code="replay", name="Replay", kind=Establishment.Kind.SCHOOL, open_weekdays=_open_weekdays(town)
    )
    town_module.forget()
    return OpenDays.load(None, establishment, first, last)


def _save_calendar(town: Document, first: date, last: date) -> None:
    zone = _choice(town, "zone", Town.Zone.A)
    region = _choice(town, "region", Town.Region.METROPOLE)
    Town(name=str(town.get("name"))[:120], zone=zone, region=region).save()
    years = range(first.year - 2, last.year + 1)
    PublicHoliday.objects.bulk_create(
        PublicHoliday(day=row.first, name=row.name) for year in years for row in public_holidays(year, region)
    )
    SchoolHoliday.objects.bulk_create(
        SchoolHoliday(zone=zone, name=row.name, starts_on=row.first, ends_on=row.last)
        for row in school_holidays(date(years[0], 1, 1), date(years[-1] + 1, 12, 31), zone)
    )


def _choice(town: Document, key: str, usual: models.TextChoices) -> str:
    """A choice by its value or its French label: « alsace », « Alsace-Moselle »."""
    said = plain(town.get(key) or usual.value)
    for value, label in type(usual).choices:
        if said in (plain(value), plain(label)):
            return str(value)
    raise Unreadable(f"« {town[key]} » n'est pas prévu : {', '.join(type(usual).labels)}.", key)


def _open_weekdays(town: Document) -> int:
    days = town.get("open_days")
    return mask_of(map(read_weekday, listed(days))) if days else mask_of(range(5))
