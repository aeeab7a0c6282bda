"""Which deadline holds for a formula and an action of an activity: its rows, read once."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Self, cast

from django.db.models import prefetch_related_objects

from portal.reservations.deadlines.decisions import (
    DEFAULT_POLICY,
    LatePolicy,
    Policy,
    Schedule,
)
from portal.reservations.deadlines.rules import (
    Calendar,
    Rule,
)
from portal.reservations.models import Activity, ActivityDeadline, DeadlineRule, Period
from portal.reservations.states import Action


@dataclass(frozen=True, slots=True)
class LateTerms:
    """What acting late costs: an ActivityDeadline.Surcharge ("" is none); `amount` in euros, or a factor."""

    surcharge: str = ""
    amount: Decimal | None = None
    free_a_month: int = 0


FREE = LateTerms()


class DeadlineBook:
    """The deadlines of an activity, for a period of it or (without `period`) outside any.

    The most specific row counts: formula and period, then period, then formula, then the activity.
    """

    def __init__(self, rows: Iterable[ActivityDeadline], period: Period | None = None) -> None:
        self.period = period
        self._rows = {(row.action, row.formula_id, row.period_id): row for row in rows}
        self._rules: dict[int, Rule] = {}
        self._policies: dict[tuple[int | None, bool, str], Policy] = {}
        self._schedules: dict[tuple[int, int, datetime, bool], Schedule] = {}

    @classmethod
    def for_activity(cls, activity: Activity, period: Period | None = None) -> Self:
        """Reads the activity's rows: one query, and a second one only when some rule has windows."""
        rows = list(
            ActivityDeadline.objects.filter(activity=activity)
            .select_related("rule", "last_moment")
            .order_by("pk")
        )
        rules = [rule for row in rows for rule in (row.rule, row.last_moment) if rule]
        windowed = [rule for rule in rules if rule.kind == DeadlineRule.Kind.WINDOWS]
        if windowed:
            prefetch_related_objects(windowed, "windows")
        return cls(rows, period)

    def row(self, formula_id: int | None, action: str) -> ActivityDeadline | None:
        """The row that counts, or None."""
        period_id = self.period.pk if self.period else None
        action = Action(action).value
        for scope in ((formula_id, period_id), (None, period_id), (formula_id, None), (None, None)):
            if found := self._rows.get((action, *scope)):
                return found
        return None

    def policy(self, formula_id: int | None, action: str, *, resident: bool = True) -> Policy:
        """The policy that counts, bounded by the period's opening and closing when the action is to book.

        Without any row: until the end of the eve.
        """
        row = self.row(formula_id, action)
        key = (row.pk if row else None, resident, Action(action).value)
        if key not in self._policies:
            self._policies[key] = self._make_policy(row, action, resident)
        return self._policies[key]

    def schedule(
        self,
        formula_id: int | None,
        action: str,
        calendar: Calendar,
        at: datetime,
        *,
        resident: bool = True,
    ) -> Schedule:
        """The policy at one moment for one family, ready to give verdicts day by day.

        Formulas under the same deadline share one schedule, so that each verdict is found once.
        """
        policy = self.policy(formula_id, action, resident=resident)
        key = (id(policy), id(calendar), at, resident)
        if key not in self._schedules:
            start: date | None = self.period.starts_on if self.period else None
            self._schedules[key] = Schedule(policy, calendar, at, resident=resident, period_start=start)
        return self._schedules[key]

    def late_terms(self, formula_id: int | None, action: str) -> LateTerms:
        """What a late action of that formula costs."""
        row = self.row(formula_id, action)
        if row is None or not row.surcharge:
            return FREE
        return LateTerms(row.surcharge, row.surcharge_amount, row.free_late_a_month)

    def _make_policy(self, row: ActivityDeadline | None, action: str, resident: bool) -> Policy:
        policy = DEFAULT_POLICY
        if row:
            policy = Policy(
                rule=self._rule(row.rule),
                late=cast(LatePolicy, row.late),
                last_moment=self._rule(row.last_moment) if row.last_moment else None,
            )
        if self.period is None or action != Action.BOOK:
            return policy
        opens = self.period.opens_at
        if not resident and self.period.opens_at_non_residents:
            opens = self.period.opens_at_non_residents
        return replace(policy, opens=opens, closes=self.period.closes_at)

    def _rule(self, row: DeadlineRule) -> Rule:
        if row.pk not in self._rules:
            self._rules[row.pk] = row.rule()
        return self._rules[row.pk]
