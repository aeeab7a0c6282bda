"""How many days one has to take, or may take: pure, from a rule and days to what stands against them.

A day counts once, whatever is taken of it, and as soon as it is asked for or waited for; one whose
cancellation is asked for does not. A week, a month or a year counts as far as the period and the rule reach.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum, StrEnum

from portal.french.dates import end_of_month


class Kind(StrEnum):
    COUNT = "count"
    WHOLE = "whole"
    FIXED = "fixed"
    USUAL = "usual"


class Per(StrEnum):
    """The shortest first."""

    WEEK = "week"
    MONTH = "month"
    PERIOD = "period"
    YEAR = "year"


LENGTHS = list(Per)


class Offer(Enum):
    """What the town makes of a day: `HOLIDAY` and `SHUT` are days on which the activity takes place in other
    weeks; `SHUT` by the town itself."""

    NONE = 0
    OPEN = 1
    HOLIDAY = 2
    SHUT = 3


Offers = Callable[[date], Offer]


@dataclass(frozen=True, slots=True)
class Rule:
    """COUNT: at least `least` and at most `most` days, either may be missing; `least_with_holiday` where a
    public holiday takes a day. WHOLE: every day or none. FIXED: on `most` weekdays at most. USUAL: on usual
    weekdays only. `formula` (a key): of that alone, and `named` after it. From `first` to `last`."""

    kind: Kind
    per: Per = Per.WEEK
    least: int | None = None
    most: int | None = None
    least_with_holiday: int | None = None
    formula: int | None = None
    named: str = ""
    first: date = date.min
    last: date = date.max


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Days that count together."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    def within(self, first: date, last: date) -> "Span":
        return Span(max(self.first, first), min(self.last, last))


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where one stands between two school days: the period that one reserves in, and its school year."""

    period: Span
    year: Span


@dataclass(frozen=True, slots=True)
class Need:
    """What a rule asks of a span: how many days at least and at most; `whole`, all of them or none."""

    rule: Rule
    span: Span
    least: int
    most: int | None
    whole: frozenset[date] = frozenset()


class Fault(Enum):
    SHORT = 1
    OVER = 2
    PARTLY = 3
    UNFIXED = 4
    UNUSUAL = 5


@dataclass(frozen=True, slots=True)
class Broken:
    """What stands against days of a span. `days`: those taken; of WHOLE, those missing; of USUAL, those
    added. `left`: less than before."""

    need: Need
    fault: Fault
    days: tuple[date, ...]
    left: bool = False


def span_of(rule: Rule, day: date, bounds: Bounds) -> Span | None:
    """The days that count with this one; None where the rule does not hold that day."""
    if not rule.first <= day <= rule.last or day not in bounds.period:
        return None
    match rule.per:
        case Per.WEEK:
            monday = day - timedelta(days=day.weekday())
            found = Span(monday, monday + timedelta(days=6))
        case Per.MONTH:
            found = Span(day.replace(day=1), end_of_month(day))
        case Per.PERIOD:
            found = bounds.period
        case Per.YEAR:
            return bounds.year.within(rule.first, rule.last)
    return found.within(bounds.period.first, bounds.period.last).within(rule.first, rule.last)


def spans(rule: Rule, days: Iterable[date], bounds: Bounds) -> list[Span]:
    """Those of these days, each once."""
    return sorted({span for day in days if (span := span_of(rule, day, bounds)) is not None})


def need(rule: Rule, span: Span, offers: Offers, bounds: Bounds) -> Need:
    """What the rule asks of a span. Nobody is asked for more days than there are, and a day that the town
    closes is one less to take; a public holiday is where `least_with_holiday` says so."""
    if rule.kind == Kind.WHOLE:
        here = span.within(bounds.period.first, bounds.period.last)
        return Need(rule, span, 0, None, frozenset(day for day in here.days if offers(day) is Offer.OPEN))
    if rule.kind == Kind.FIXED or rule.least is None:
        return Need(rule, span, 0, rule.most)
    least = rule.least
    # Of what lies beyond the period nothing is known: a year is asked for as it stands.
    if bounds.period.first <= span.first and span.last <= bounds.period.last:
        told = [offers(day) for day in span.days]
        if rule.least_with_holiday is not None and Offer.HOLIDAY in told:
            least = min(least, rule.least_with_holiday)
        least = max(0, min(least - told.count(Offer.SHUT), told.count(Offer.OPEN)))
    return Need(rule, span, least, rule.most)


def judge(
    asked: Need, before: Iterable[date], after: Iterable[date], is_usual: Callable[[date], bool]
) -> Broken | None:
    """What stands against a child's days of a span being `after` instead of `before`; `is_usual`: on its
    usual weekdays. To leave all of them is always possible; and what stood otherwise already (by the town
    hall's word, or before the rule) is no fault as long as it gets no worse."""
    had = {day for day in before if day in asked.span}
    has = {day for day in after if day in asked.span}
    rule = asked.rule
    if not has or has == had:
        return None
    left = len(has) < len(had)
    match rule.kind:
        case Kind.WHOLE:
            missing = asked.whole - has
            if missing and not (had and missing <= asked.whole - had):
                return Broken(asked, Fault.PARTLY, tuple(sorted(missing)), left)
        case Kind.FIXED:
            weekdays, known = ({day.weekday() for day in days} for days in (has, had))
            if asked.most is not None and len(weekdays) > asked.most and not weekdays <= known:
                return Broken(asked, Fault.UNFIXED, tuple(sorted(has)))
        case Kind.USUAL:
            if added := sorted(day for day in has - had if not is_usual(day)):
                return Broken(asked, Fault.UNUSUAL, tuple(added))
        case Kind.COUNT:
            if asked.most is not None and len(has) > max(asked.most, len(had)):
                return Broken(asked, Fault.OVER, tuple(sorted(has)))
            if len(has) < asked.least and (left or not had):
                return Broken(asked, Fault.SHORT, tuple(sorted(has)), left)
    return None


def contradiction(one: Rule, other: Rule, weekdays: int) -> bool:
    """Whether no week can keep both; `weekdays`: on how many the activity takes place. Of rules of two
    formulas nothing is said, nor of rules that are never there together."""
    if one.formula != other.formula or one.last < other.first or other.last < one.first:
        return False
    for asks, allows in ((one, other), (other, one)):
        if allows.most is None or allows.kind not in (Kind.COUNT, Kind.FIXED):
            continue
        if asks.kind == Kind.WHOLE and weekdays > allows.most:
            return True
        # What is asked of a short time is more in a long one; what is fixed holds in any week.
        shorter = LENGTHS.index(asks.per) <= LENGTHS.index(allows.per)
        comparable = shorter if allows.kind == Kind.COUNT else asks.per == Per.WEEK
        if asks.kind == Kind.COUNT and comparable and (asks.least or 0) > allows.most:
            return True
    return False
