"""Which deadline holds for a formula and an action of an activity: its rows, read once."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Self, cast

from django.db.models import QuerySet

from portal.database.composed import Composed, Given, GivenMany
from portal.reservations.days.audiences import opening
from portal.reservations.deadlines.decisions import DEFAULT_POLICY, LatePolicy, Policy, Schedule
from portal.reservations.deadlines.rules import Calendar, Rule
from portal.reservations.models import Activity, ActivityDeadline, DeadlineRule, DeadlineWindow, Period
from portal.reservations.states import Action


@dataclass(frozen=True, slots=True)
class LateTerms:
    """What acting late costs: an ActivityDeadline.Surcharge ("" is none); `amount` in euros, or a factor."""

    surcharge: str = ""
    amount: Decimal | None = None
    free_a_month: int = 0


FREE = LateTerms()


@Composed
def _rows_of() -> "QuerySet[ActivityDeadline]":
    return (
        ActivityDeadline.objects.filter(activity=Given("activity"))
        .select_related("rule", "last_moment")
        .order_by("pk")
    )


@Composed
def _windows() -> "QuerySet[DeadlineWindow]":
    return DeadlineWindow.objects.filter(rule__pk__among=GivenMany("rules")).select_related("public")


def _give_windows(rules: Iterable[DeadlineRule]) -> None:
    """As `prefetch_related_objects` does, which composes its two queries anew."""
    by_rule: dict[int, list[DeadlineWindow]] = defaultdict(list)
    for window in _windows(rules=sorted({rule.pk for rule in rules})):
        by_rule[window.rule_id].append(window)
    for rule in rules:
        rows = DeadlineWindow.objects.none()
        rows._result_cache = by_rule[rule.pk]
        rule._prefetched_objects_cache = {"windows": rows}  # type: ignore[attr-defined]  # Django's own place


class DeadlineBook:
    """The deadlines of an activity, for a period of it or (without `period`) outside any.

    The most specific row counts: formula and period, then period, then formula, then the activity.
    """

    def __init__(self, rows: Iterable[ActivityDeadline], period: Period | None = None) -> None:
        self.period = period
        self._rows = {(row.action, row.formula_id, row.period_id): row for row in rows}
        self._rules: dict[int, Rule] = {}
        self._policies: dict[tuple[int | None, bool, tuple[int, ...], str], Policy] = {}
        self._schedules: dict[tuple[int, int, datetime, bool, tuple[int, ...]], Schedule] = {}

    @classmethod
    def for_activity(cls, activity: Activity, period: Period | None = None) -> Self:
        """Reads the activity's rows: one query, and a second one only when some rule has windows."""
        rows = _rows_of(activity=activity.pk)
        rules = [rule for row in rows for rule in (row.rule, row.last_moment) if rule]
        windowed = [rule for rule in rules if rule.kind == DeadlineRule.Kind.WINDOWS]
        if windowed:
            _give_windows(windowed)
        return cls(rows, period)

    def row(self, formula_id: int | None, action: str) -> ActivityDeadline | None:
        """The row that counts, or None."""
        period_id = self.period.pk if self.period else None
        action = Action(action).value
        for scope in ((formula_id, period_id), (None, period_id), (formula_id, None), (None, None)):
            if found := self._rows.get((action, *scope)):
                return found
        return None

    def policy(
        self, formula_id: int | None, action: str, *, resident: bool = True, publics: tuple[int, ...] = ()
    ) -> Policy:
        """The policy that counts, bounded by the period's opening and closing when the action is to book.

        Without any row: until the end of the eve.
        """
        row = self.row(formula_id, action)
        key = (row.pk if row else None, resident, publics, Action(action).value)
        if key not in self._policies:
            self._policies[key] = self._make_policy(row, action, resident, publics)
        return self._policies[key]

    def schedule(
        self,
        formula_id: int | None,
        action: str,
        calendar: Calendar,
        at: datetime,
        *,
        resident: bool = True,
        publics: tuple[int, ...] = (),
    ) -> Schedule:
        """The policy at one moment for one family, ready to give verdicts day by day. `publics`: the town's
        own audiences that it is of, as `days.audiences` gives them.

        Formulas under the same deadline share one schedule, so that each verdict is found once.
        """
        policy = self.policy(formula_id, action, resident=resident, publics=publics)
        key = (id(policy), id(calendar), at, resident, publics)
        if key not in self._schedules:
            start: date | None = self.period.starts_on if self.period else None
            self._schedules[key] = Schedule(
                policy, calendar, at, resident=resident, publics=publics, period_start=start
            )
        return self._schedules[key]

    def late_terms(self, formula_id: int | None, action: str) -> LateTerms:
        """What a late action of that formula costs."""
        row = self.row(formula_id, action)
        if row is None:
            return FREE
        return LateTerms(row.surcharge, row.surcharge_amount, row.free_late_a_month)

    def _make_policy(
        self, row: ActivityDeadline | None, action: str, resident: bool, publics: tuple[int, ...]
    ) -> Policy:
        policy = DEFAULT_POLICY
        if row:
            policy = Policy(
                rule=self._rule(row.rule),
                late=cast(LatePolicy, row.late),
                last_moment=self._rule(row.last_moment) if row.last_moment else None,
            )
        if self.period is None or action != Action.BOOK:
            return policy
        opens = opening(self.period, resident=resident, publics=publics).at
        return replace(policy, opens=opens, closes=self.period.closes_at)

    def _rule(self, row: DeadlineRule) -> Rule:
        if row.pk not in self._rules:
            self._rules[row.pk] = row.rule()
        return self._rules[row.pk]


class LateBook:
    """What late reservations cost in some activities, whatever their periods: for those who price many."""

    def __init__(self, rows: Iterable[ActivityDeadline] = ()) -> None:
        self._rows: dict[int, list[ActivityDeadline]] = defaultdict(list)
        # Those with a deadline of their own: any other one goes by its activity's, as DeadlineBook says.
        self._periods: dict[int, Period] = {}
        self._terms: dict[tuple[int, int, int | None], LateTerms] = {}
        self._period_of: dict[tuple[int, int | None, date], int | None] = {}
        for row in rows:
            self._rows[row.activity_id].append(row)
            if row.period is not None:
                self._periods[row.period.pk] = row.period

    @classmethod
    def load(cls, activities: Iterable[int]) -> Self:
        """Reads their rows: one query, and a second one only when some period has a deadline of its own."""
        rows = ActivityDeadline.objects.filter(activity_id__in=activities, action=Action.BOOK)
        return cls(rows.select_related("period").prefetch_related("period__establishments").order_by("pk"))

    @property
    def forgives(self) -> bool:
        """Whether any late reservation may cost nothing more: what is late already then has to be counted."""
        return any(row.free_late_a_month for rows in self._rows.values() for row in rows)

    def terms(
        self, activity_id: int, formula_id: int, day: date, *, period: int | None, establishment: int | None
    ) -> LateTerms:
        """What reserving the formula late costs. `period`: the reservation's; where there is no reservation,
        the period of that day at the establishment (None: at any) counts."""
        if period is None:
            period = self._period_at(activity_id, establishment, day)
        key = (activity_id, formula_id, period if period in self._periods else None)
        if key not in self._terms:
            book = DeadlineBook(self._rows.get(activity_id, ()), self._periods.get(key[2] or 0))
            self._terms[key] = book.late_terms(formula_id, Action.BOOK)
        return self._terms[key]

    def _period_at(self, activity_id: int, establishment: int | None, day: date) -> int | None:
        """Of several, the one that began last."""
        if not self._periods:
            return None
        key = (activity_id, establishment, day)
        if key not in self._period_of:
            found = [
                period
                for period in self._periods.values()
                if period.activity_id == activity_id
                and period.starts_on <= day <= period.ends_on
                and (establishment is None or period.concerns(establishment))
            ]
            latest = max(found, key=lambda period: (period.starts_on, period.pk), default=None)
            self._period_of[key] = latest.pk if latest else None
        return self._period_of[key]
