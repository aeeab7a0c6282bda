"""What an agent sees of a rule while writing it: its sentence, and what families of the town could take."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from itertools import groupby

from django.core.exceptions import ValidationError
from django.utils import timezone

from portal.french.dates import WEEKDAYS
from portal.reservations.day_rules import rules, wording
from portal.reservations.day_rules.rules import Bounds, Broken, Need, Offer, Span
from portal.reservations.days.calendars import OpenDays, days_between
from portal.reservations.days.day_rule_book import offered
from portal.reservations.models import DayRule, Period

SPANS_SHOWN = 6


@dataclass(frozen=True)
class SpanLine:
    """A week or month: how many days are open, and what becomes of a family that takes so many of them."""

    name: str
    open_days: str
    refused: list[str]
    accepted: str


@dataclass
class DayRulePreview:
    sentence: str = ""
    problems: list[str] = field(default_factory=list)
    lines: list[SpanLine] = field(default_factory=list)
    calendar: str = ""
    usual: str = ""  # the usual days of the family of the example


def preview(row: DayRule, at: datetime) -> DayRulePreview:
    """Of an unsaved or saved row, on the next days of its activity at its place, or at the first one."""
    try:
        row.clean()
    except ValidationError as error:
        return DayRulePreview(problems=error.messages)
    rule = row.rule()
    found = DayRulePreview(sentence=wording.sentence(rule))
    today = timezone.localdate(at)
    period = row.period or (
        Period.objects.filter(activity=row.activity_id, ends_on__gte=today)
        .select_related("school_year")
        .order_by("starts_on")
        .first()
    )
    place = row.establishment or row.activity.establishments.first()
    if period is None or place is None:
        return found
    days = OpenDays.load(row.activity, place, period.starts_on, period.ends_on)
    offers = partial(offered, days, row.activity)
    year = period.school_year
    bounds = Bounds(Span(period.starts_on, period.ends_on), Span(year.starts_on, year.ends_on))
    coming = days_between(max(today, period.starts_on), period.ends_on)
    is_open = [day for day in coming if offers(day) is Offer.OPEN]
    usual = sorted({day.weekday() for day in is_open})[:2]
    found.calendar = f"{row.activity}, {place}, {period}"
    if rule.kind == rules.Kind.USUAL:
        found.usual = ", ".join(WEEKDAYS[day] for day in usual)
    for span in rules.spans(rule, is_open, bounds)[:SPANS_SHOWN]:
        asked = rules.need(rule, span, offers, bounds)
        found.lines.append(_line(asked, [day for day in is_open if day in span], usual))
    return found


def _line(asked: Need, days: list[date], usual: Collection[int]) -> SpanLine:
    """A family takes the first day, the first two…"""

    def is_usual(day: date) -> bool:
        return day.weekday() in usual

    tried = [(number, rules.judge(asked, (), days[:number], is_usual)) for number in range(1, len(days) + 1)]
    refused = []
    for why, numbers in groupby((one for one in tried if one[1]), key=lambda one: _fault(one[1])):
        several = [number for number, _ in numbers]
        last = next(broken for number, broken in tried if number == several[-1])
        refused.append(f"{_numbers(several)} : {wording.broken(last) if last else why}")
    possible = [number for number, why in tried if why is None]
    return SpanLine(
        wording.span(asked.rule, asked.span),
        wording.days(len(days)),
        refused,
        _numbers(possible) if possible else "aucun nombre de jours",
    )


def _fault(broken: Broken | None) -> str:
    return broken.fault.name if broken else ""


def _numbers(numbers: list[int]) -> str:
    """« 1 ou 2 jours », « de 3 à 5 jours »."""
    if len(numbers) == 1:
        return wording.days(numbers[0])
    first, last = numbers[0], numbers[-1]
    return f"{first} ou {last} jours" if last == first + 1 else f"de {first} à {last} jours"
