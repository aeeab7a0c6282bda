"""How many days of an activity a child takes, against the activity's rules: read once for a page or an act.

Whoever reads the activity asks `counted` with it: without a rule, nothing else is asked.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from django.db.models import Exists, Expression, F, OuterRef, QuerySet

from portal.database.composed import Composed, Given, GivenMany
from portal.french.weekdays import weekdays_in
from portal.reservations.day_rules import rules, wording
from portal.reservations.day_rules.rules import Bounds, Broken, Kind, Need, Offer, Per, Rule, Span
from portal.reservations.days.calendars import OpenDays, WhyClosed
from portal.reservations.days.standing import Where
from portal.reservations.models import Activity, Booking, Closure, DayRule, Enrolment, Schooling
from portal.reservations.states import LIVE, BookingState

# A day whose cancellation is asked for is taken no more.
TAKEN = [state for state in LIVE if state != BookingState.CANCEL_REQUESTED]
# A formula (its key) on a day.
Taken = tuple[int, date]


def counted(activity: Expression | F | OuterRef) -> Exists:
    """For a query: whether the activity has any rule."""
    return Exists(DayRule.objects.filter(activity=activity))


@Composed
def _rows() -> "QuerySet[DayRule]":
    return DayRule.objects.filter(activity=Given("activity")).select_related("formula").order_by("pk")


@dataclass
class DaysTaken:
    """The days of one child at one place in one period, and the rules that hold there."""

    rules: list[Rule]
    where: Where
    bounds: Bounds
    standing: frozenset[Taken]
    _offers: dict[date, Offer] = field(default_factory=dict)

    @property
    def sentences(self) -> list[str]:
        """What the rules ask, each once."""
        return list(dict.fromkeys(wording.sentence(rule) for rule in self.rules))

    def broken(self, ended: Collection[Taken], new: Collection[Taken]) -> list[Broken]:
        """What stands against these days being left and those being taken, the first span first."""
        after = (self.standing - set(ended)) | set(new)
        found = []
        for rule in self.rules:
            changed = _of(rule, [*ended, *new])
            had, has = _of(rule, self.standing), _of(rule, after)
            for span in rules.spans(rule, changed, self.bounds):
                asked = rules.need(rule, span, self.offer, self.bounds)
                if (why := rules.judge(asked, had, has, self.where.enrolment.is_usual)) is not None:
                    found.append(why)
        return sorted(found, key=lambda one: one.need.span)

    def needs(self, days: Iterable[date]) -> list[Need]:
        """What is asked of the spans of these days."""
        return [
            rules.need(rule, span, self.offer, self.bounds)
            for rule in self.rules
            for span in rules.spans(rule, days, self.bounds)
        ]

    def offer(self, day: date) -> Offer:
        if day not in self._offers:
            self._offers[day] = _offer(self.where, day)
        return self._offers[day]


def _of(rule: Rule, taken: Iterable[Taken]) -> set[date]:
    return {day for formula, day in taken if rule.formula in (None, formula)}


def _offer(where: Where, day: date) -> Offer:
    """Whether there is a day to take for this child: within the period and the enrolment, at this place."""
    enrolment = where.enrolment
    over = enrolment.ends_on is not None and day > enrolment.ends_on
    own = enrolment.place_id_on(day)
    elsewhere = own is not None and where.place is not None and own != where.place
    if not where.first <= day <= where.period.ends_on or over or elsewhere or not where.takes(day):
        return Offer.NONE
    return offered(where.days, enrolment.activity, day)


def offered(days: OpenDays, activity: Activity, day: date) -> Offer:
    """What the calendar of a place makes of a day."""
    why = days.why_closed(day)
    if why is None:
        return Offer.OPEN
    place = days.establishment
    weekdays = activity.weekdays & (place.open_weekdays if place else activity.weekdays)
    in_term = activity.during == Activity.During.TERM
    if not weekdays >> day.weekday() & 1 or (in_term and days.is_school_holiday(day)):
        return Offer.NONE
    if why.kind == WhyClosed.PUBLIC_HOLIDAY:
        return Offer.HOLIDAY
    return Offer.SHUT if why.kind in Closure.Why.values else Offer.NONE


@Composed
def _booked() -> "QuerySet[Booking, tuple[int, int, date]]":
    rows = Booking.objects.filter(
        child__pk__among=GivenMany("children"),
        activity=Given("activity"),
        state__in=TAKEN,
        day__range=(Given("first"), Given("last")),
    )
    return rows.order_by().values_list("child_id", "formula_id", "day")


def load(wanted: Sequence[Where]) -> list[DaysTaken]:
    """For children of one activity, in their order: two queries, a third one where a level counts."""
    activity = wanted[0].enrolment.activity
    rows = _rows(activity=activity.pk)
    levels = _levels(wanted) if any(row.level for row in rows) else {}
    bounds = [_bounds(where) for where in wanted]
    standing: dict[int, set[Taken]] = defaultdict(set)
    booked = _booked(
        children={where.enrolment.child_id for where in wanted},
        activity=activity.pk,
        first=min(one.year.first for one in bounds),
        last=max(one.year.last for one in bounds),
    )
    for child, formula, day in booked:
        standing[child].add((formula, day))
    return [
        DaysTaken(
            [row.rule() for row in rows if _holds(row, where, levels)],
            where,
            its,
            frozenset(standing[where.enrolment.child_id]),
        )
        for where, its in zip(wanted, bounds, strict=True)
    ]


def _bounds(where: Where) -> Bounds:
    period, year = where.period, where.enrolment.school_year
    first, last = min(year.starts_on, period.starts_on), max(year.ends_on, period.ends_on)
    return Bounds(Span(period.starts_on, period.ends_on), Span(first, last))


def _levels(wanted: Iterable[Where]) -> dict[tuple[int, int], str]:
    """By child and school year."""
    asked = {(one.enrolment.child_id, one.enrolment.school_year_id) for one in wanted}
    rows = Schooling.objects.current().filter(
        child__in={child for child, _ in asked}, school_year__in={year for _, year in asked}
    )
    return {
        (child, year): level
        for child, year, level in rows.values_list("child_id", "school_year_id", "school_class__level")
    }


def _holds(row: DayRule, where: Where, levels: dict[tuple[int, int], str]) -> bool:
    one = where.enrolment
    return (
        row.period_id in (None, where.period.pk)
        and row.establishment_id in (None, where.place)
        and row.level in ("", levels.get((one.child_id, one.school_year_id)))
    )


def usual_refused(activity: Activity, weekdays: int) -> str:
    """Why these usual days cannot be those of an enrolment, in a sentence; nothing where they can, or where
    none is said. Of rules that hold for any formula, place, level and period."""
    number = len(weekdays_in(weekdays))
    if not number:
        return ""
    for row in _rows(activity=activity.pk):
        if row.formula_id or row.period_id or row.establishment_id or row.level or row.valid_from:
            continue
        rule = row.rule()
        weekly = rule.kind == Kind.COUNT and rule.per == Per.WEEK
        few = weekly and number < (rule.least or 0)
        many = (weekly or rule.kind == Kind.FIXED) and rule.most is not None and number > rule.most
        if few or many:
            return f"{wording.sentence(rule)} Vous en cochez {number}."
    return ""


def of_enrolment(enrolment: Enrolment) -> list[str]:
    """What the rules of its activity ask, in words, whatever the place and the period."""
    rows = _rows(activity=enrolment.activity_id)
    return list(dict.fromkeys(row.sentence for row in rows))
