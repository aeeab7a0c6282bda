"""What an agent sees of a rule while writing it: its sentence, and what families of the town could take."""

from collections.abc import Collection
from datetime import date, datetime
from functools import partial
from itertools import groupby

from django.core.exceptions import ValidationError
from django.utils import timezone

from portal.desk import previews
from portal.desk.previews import Preview, Row, Table
from portal.french.dates import WEEKDAYS
from portal.reservations.day_rules import rules, wording
from portal.reservations.day_rules.rules import Bounds, Broken, Need, Offer, Span
from portal.reservations.days.calendars import OpenDays, days_between
from portal.reservations.days.day_rule_book import offered
from portal.reservations.models import DayRule, Period

SPANS_SHOWN = 6


def preview(row: DayRule, at: datetime) -> Preview:
    """Of an unsaved or saved row, on the next days of its activity at its place, or at the first one."""
    try:
        row.clean()
    except ValidationError as error:
        return Preview(problems=error.messages)
    rule = row.rule()
    found = Preview(sentences=[wording.sentence(rule)])
    today = timezone.localdate(at)
    period = row.period or (
        Period.objects.filter(activity=row.activity_id, ends_on__gte=today)
        .select_related("school_year")
        .order_by("starts_on")
        .first()
    )
    place = row.establishment or row.activity.establishments.first()
    if period is None or place is None:
        found.notes.append("Aucune période à venir : l'exemple s'affichera quand l'activité en aura une.")
        return found
    days = OpenDays.load(row.activity, place, period.starts_on, period.ends_on)
    offers = partial(offered, days, row.activity)
    year = period.school_year
    bounds = Bounds(Span(period.starts_on, period.ends_on), Span(year.starts_on, year.ends_on))
    coming = days_between(max(today, period.starts_on), period.ends_on)
    is_open = [day for day in coming if offers(day) is Offer.OPEN]
    usual = sorted({day.weekday() for day in is_open})[:2]
    if rule.kind == rules.Kind.USUAL:
        named = ", ".join(WEEKDAYS[day] for day in usual)
        found.notes.append(f"Pour un enfant dont les jours habituels sont : {named}.")
    shown = []
    for span in rules.spans(rule, is_open, bounds)[:SPANS_SHOWN]:
        asked = rules.need(rule, span, offers, bounds)
        shown.append(_line(asked, [day for day in is_open if day in span], usual))
    caption = f"Ce qu'une famille pourrait prendre ({row.activity}, {place}, {period})"
    found.tables.append(Table(caption, ("Quand", "Jours ouverts", "Possible", "Refusé"), shown))
    return found


def _line(asked: Need, days: list[date], usual: Collection[int]) -> Row:
    """A week or month: a family takes its first day, its first two…"""

    def is_usual(day: date) -> bool:
        return day.weekday() in usual

    tried = [(number, rules.judge(asked, (), days[:number], is_usual)) for number in range(1, len(days) + 1)]
    refused = []
    for why, numbers in groupby((one for one in tried if one[1]), key=lambda one: _fault(one[1])):
        several = [number for number, _ in numbers]
        last = next(broken for number, broken in tried if number == several[-1])
        refused.append(f"{_numbers(several)} : {wording.broken(last) if last else why}")
    possible = [number for number, why in tried if why is None]
    return previews.row(
        wording.span(asked.rule, asked.span),
        wording.days(len(days)),
        _numbers(possible) if possible else "aucun nombre de jours",
        "\n".join(refused) or "rien",
    )


def _fault(broken: Broken | None) -> str:
    return broken.fault.name if broken else ""


def _numbers(numbers: list[int]) -> str:
    """« 1 ou 2 jours », « de 3 à 5 jours »."""
    if len(numbers) == 1:
        return wording.days(numbers[0])
    first, last = numbers[0], numbers[-1]
    return f"{first} ou {last} jours" if last == first + 1 else f"de {first} à {last} jours"
