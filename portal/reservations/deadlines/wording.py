"""A rule as a sentence a parent understands: « au plus tard le jeudi de la semaine précédente, à 12 h »."""

from datetime import time

from portal.french import moments
from portal.french.dates import WEEKDAYS, day_number
from portal.french.plurals import counted
from portal.french.sentences import lower_first
from portal.reservations.deadlines.rules import (
    LAST_MINUTE,
    Audience,
    ClearDays,
    CountedDays,
    DaysBefore,
    DayUnit,
    HoursBefore,
    MonthDay,
    Never,
    Rule,
    SameDay,
    TableRow,
    WeekBefore,
    WeekdayTable,
    Window,
    Windows,
)

UNITS = {
    DayUnit.CALENDAR: ("jour", "jours"),
    DayUnit.WORKING: ("jour ouvré", "jours ouvrés"),
    DayUnit.OPEN: ("jour d'ouverture", "jours d'ouverture"),
    DayUnit.SCHOOL: ("jour de classe", "jours de classe"),
}
AUDIENCES = {
    Audience.ALL: "",
    Audience.RESIDENT: " (familles de la commune)",
    Audience.NON_RESIDENT: " (familles hors commune)",
}


WINDOWS_NAMED = 3


def sentence(rule: Rule) -> str:
    """What the rule means, without its verb: « Au plus tard 2 jours ouvrés avant, à 12 h. »"""
    if isinstance(rule, Windows) and len(rule.windows) > WINDOWS_NAMED:
        days = moments.span(
            min(window.first for window in rule.windows),
            max(window.last for window in rule.windows),
            year=True,
        )
        return f"{len(rule.windows)} fenêtres, pour les jours {days}."
    return " ".join(sentences(rule))


def sentences(rule: Rule) -> list[str]:
    """The same, one sentence an item: a table has one a weekday, windows one each."""
    match rule:
        case DaysBefore():
            main = [_days_before(rule)]
        case HoursBefore():
            main = [_hours_before(rule)]
        case WeekBefore():
            main = [f"Au plus tard le {WEEKDAYS[rule.weekday]} {_weeks(rule.weeks)}{_at(rule)}."]
        case WeekdayTable():
            return _table(rule) + _notes(rule.counted, rule.from_last_school_day, names_a_day=True)
        case SameDay():
            main = [f"Le jour même{_at(rule) or ', toute la journée'}."]
        case MonthDay():
            main = [_month_day(rule)]
        case ClearDays():
            main = [_clear_days(rule)]
        case Windows():
            in_order = sorted(
                rule.windows,
                key=lambda each: (each.first, bool(each.public), each.audience is Audience.NON_RESIDENT),
            )
            return [_window(window) for window in in_order] or ["Jamais : aucune fenêtre n'est indiquée."]
        case Never():
            return ["Jamais possible."]
    from_last_school_day = not isinstance(rule, SameDay | MonthDay | ClearDays) and rule.from_last_school_day
    if isinstance(rule, SameDay):
        return main
    return main + _notes(
        rule.counted, from_last_school_day, names_a_day=isinstance(rule, WeekBefore | MonthDay)
    )


def _hour(at: time | None, inclusive: bool) -> str:
    """« à 12 h », « avant 12 h », or nothing when the whole day is in time."""
    if at is None or at >= LAST_MINUTE:
        return ""
    return f"{'à' if inclusive else 'avant'} {moments.hour(at)}"


def _at(rule: WeekBefore | SameDay | MonthDay | ClearDays | DaysBefore) -> str:
    hour = _hour(rule.at, rule.inclusive)
    if isinstance(rule, SameDay):
        return f" jusqu'{hour}" if hour.startswith("à") else f" {hour}" if hour else ""
    return f", {hour}" if hour else " inclus"


def _days_before(rule: DaysBefore) -> str:
    one, many = UNITS[rule.counted.unit]
    if rule.number == 0:
        return f"Le jour même{_at(rule)}."
    if rule.number == 1 and rule.counted.unit is DayUnit.CALENDAR:
        return f"Au plus tard la veille{_at(rule) if _hour(rule.at, rule.inclusive) else ''}."
    hour = _hour(rule.at, rule.inclusive)
    count = f"{counted(rule.number, one, many)} avant"
    until_midnight = "jusqu'à minuit"
    return f"Au plus tard {count}, {hour or until_midnight}."


def _hours_before(rule: HoursBefore) -> str:
    count = counted(rule.number, "heure", "heures")
    reference = "minuit, au début du jour" if rule.reference == time(0, 0) else moments.hour(rule.reference)
    return f"Au plus tard {count} avant le jour (compté depuis {reference})."


def _weeks(weeks: int) -> str:
    if weeks == 0:
        return "de la même semaine"
    return "de la semaine précédente" if weeks == 1 else f"{weeks} semaines avant"


def _month_day(rule: MonthDay) -> str:
    day = "dernier jour" if rule.day == 31 else day_number(rule.day)
    month = "du mois précédent" if rule.months == 1 else f"du mois, {rule.months} mois avant"
    return f"Au plus tard le {day} {month}{_at(rule)}."


def _clear_days(rule: ClearDays) -> str:
    one, many = UNITS[rule.counted.unit]
    franc = counted(rule.number, f"{one} franc", f"{many} francs")
    hour = _hour(rule.at, rule.inclusive)
    return f"Au plus tard {franc} avant le premier jour de la période{', ' + hour if hour else ''}."


def _table(rule: WeekdayTable) -> list[str]:
    lines = [_row(target, row, rule.inclusive) for target, row in sorted(rule.rows.items())]
    lines += [
        f"Semaine dont le lundi est férié : {_row(target, row, rule.inclusive, capital=False)}"
        for target, row in sorted(rule.holiday_monday.items())
    ]
    return lines or ["Jamais : le tableau est vide."]


def _row(target: int, row: TableRow | None, inclusive: bool, *, capital: bool = True) -> str:
    start = "Pour" if capital else "pour"
    if row is None:
        return f"{start} le {WEEKDAYS[target]} : jamais."
    hour = _hour(row.at, inclusive)
    earlier = ""
    if row.more_weeks == 1:
        earlier = ", une semaine plus tôt"
    elif row.more_weeks:
        earlier = f", {row.more_weeks} semaines plus tôt"
    limit = f"{WEEKDAYS[row.weekday]} précédent{earlier}"
    pause = "," if earlier else ""
    return f"{start} le {WEEKDAYS[target]} : au plus tard le {limit}{pause} {hour or 'inclus'}."


def _window(window: Window) -> str:
    whom = f" ({lower_first(window.public_name)})" if window.public else AUDIENCES[window.audience]
    days = f"Pour les jours {moments.span(window.first, window.last, year=True)}{whom}"
    bounds = []
    if window.opens:
        bounds.append(moments.opening(window.opens, year=True))
    if window.closes:
        bounds.append(moments.until(window.closes, year=True))
    return f"{days} : {' et '.join(bounds) or 'sans limite'}."


def _notes(days: CountedDays, from_last_school_day: bool, *, names_a_day: bool) -> list[str]:
    skipped = []
    if days.skip_weekends:
        skipped.append("les week-ends")
    if days.skip_public_holidays:
        skipped.append("les jours fériés")
    skipped += [f"les {WEEKDAYS[day]}s" for day in sorted(days.skip_weekdays)]
    notes = []
    if names_a_day:
        if days.unit is not DayUnit.CALENDAR:
            skipped.append(f"les jours qui ne sont pas des {UNITS[days.unit][1]}")
        if skipped:
            notes.append(
                f"Si la limite tombe sur {moments.listing(skipped)}, elle est avancée au jour d'avant."
            )
    elif skipped:
        notes.append(f"Ne comptent pas : {moments.listing(skipped)}.")
    if from_last_school_day:
        notes.append("Après des vacances, on compte depuis le dernier jour de classe.")
    return notes
