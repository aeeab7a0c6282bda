"""How many days one takes, in words that a parent understands. Pure."""

from collections.abc import Iterable
from datetime import date

from portal.french import moments
from portal.french.dates import WEEKDAYS, month_name, short_day
from portal.french.plurals import counted
from portal.french.sentences import lower_first
from portal.reservations.day_rules.rules import Broken, Fault, Kind, Need, Per, Rule, Span

EACH = {Per.WEEK: "par semaine", Per.MONTH: "par mois", Per.PERIOD: "par période", Per.YEAR: "par an"}
WHOLES = {
    Per.WEEK: "Semaine entière",
    Per.MONTH: "Mois entier",
    Per.PERIOD: "Période entière",
    Per.YEAR: "Année entière",
}
# Of a whole that is left.
LEAVE = {
    Per.WEEK: "la semaine entière",
    Per.MONTH: "le mois entier",
    Per.PERIOD: "toute la période",
    Per.YEAR: "toute l'année",
}
SAME = {
    Per.WEEK: "",
    Per.MONTH: ", les mêmes tout le mois",
    Per.PERIOD: ", les mêmes toute la période",
    Per.YEAR: ", les mêmes toute l'année",
}


def days(number: int) -> str:
    return counted(number, "jour", "jours")


def sentence(rule: Rule) -> str:
    """What the rule asks: « Entre 2 et 3 jours par mois. »"""
    match rule.kind:
        case Kind.WHOLE:
            said = f"{WHOLES[rule.per]} : tous les jours ouverts, ou aucun"
        case Kind.FIXED:
            said = f"{counted(rule.most or 0, 'jour fixe', 'jours fixes')} par semaine{SAME[rule.per]}"
        case Kind.USUAL:
            said = "Seulement les jours habituels de l'inscription : aucun autre ne s'ajoute"
        case _:
            said = f"{_count(rule.least, rule.most)} {EACH[rule.per]}"
            if rule.least_with_holiday is not None:
                said += f", {rule.least_with_holiday} quand un jour est férié"
    said += _dates(rule)
    return f"{rule.named} : {lower_first(said)}." if rule.named else f"{said[:1].upper()}{said[1:]}."


def _count(least: int | None, most: int | None) -> str:
    if most is None:
        return f"au moins {days(least or 0)}"
    if not least:
        return f"au plus {days(most)}"
    return days(least) if least == most else f"entre {least} et {days(most)}"


def _dates(rule: Rule) -> str:
    since = rule.first > date.min and f"à partir du {short_day(rule.first, year=True)}"
    until = rule.last < date.max and f"jusqu'au {short_day(rule.last, year=True)}"
    said = " ".join(one for one in (since, until) if one)
    return f", {said}" if said else ""


def span(rule: Rule, its: Span) -> str:
    """« Semaine du 14 décembre »."""
    match rule.per:
        case Per.WEEK:
            return f"Semaine du {short_day(its.first)}"
        case Per.MONTH:
            name = month_name(its.first)
            return f"{name[:1].upper()}{name[1:]}"
        case Per.PERIOD:
            return "Toute la période"
    return "Toute l'année"


def heading(need: Need) -> str:
    """« Demi-forfait, semaine du 14 décembre »."""
    said = span(need.rule, need.span)
    return f"{need.rule.named}, {lower_first(said)}" if need.rule.named else said


def wanted(need: Need) -> str:
    """« il en faut 3 », « 3 au plus »; nothing where nothing is asked."""
    if need.most is not None and need.least == need.most:
        return f"il en faut {need.most}"
    if need.most is None:
        return f"il en faut {need.least}" if need.least else ""
    return f"il en faut de {need.least} à {need.most}" if need.least else f"{need.most} au plus"


def broken(found: Broken, ticked: str = "") -> str:
    """What stands against these days: « Semaine du 14 décembre : 2 jours, il en faut 3. » `ticked`, after how
    many: « cochés »."""
    need, number = found.need, len(found.days)
    many = days(number)
    said = f"{many} {ticked if number > 1 else ticked.removesuffix('s')}".rstrip()
    match found.fault:
        case Fault.SHORT if found.left:
            said = f"il ne resterait que {many}, {wanted(need)}. {_leave(need)}"
        case Fault.SHORT | Fault.OVER:
            said += f", {wanted(need)}"
        case Fault.PARTLY if found.left:
            said = f"tous les jours ouverts se prennent ensemble. {_leave(need)}"
        case Fault.PARTLY:
            missing = moments.enumerate_days(found.days)
            said = f"tous les jours ouverts se prennent ensemble. Il manque : {missing}"
        case Fault.UNFIXED:
            names = moments.listing([WEEKDAYS[day] for day in sorted({day.weekday() for day in found.days})])
            said = f"{counted(need.most or 0, 'jour fixe', 'jours fixes')} par semaine au plus, pas {names}"
        case Fault.UNUSUAL:
            added = moments.enumerate_days(found.days)
            said = f"seuls les jours habituels de l'inscription se réservent, pas {added}"
    return f"{heading(need)} : {said}."


def _leave(need: Need) -> str:
    return f"Gardez-les, ou annulez {LEAVE[need.rule.per]}"


def all_broken(found: Iterable[Broken]) -> str:
    """Several in a row, each once."""
    return " ".join(dict.fromkeys(broken(one) for one in found))
