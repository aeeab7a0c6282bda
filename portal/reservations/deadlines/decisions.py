"""What a limit means for a family that acts now: on time, late and how, closed, too early. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Literal, NamedTuple

from portal.reservations.deadlines.cutoffs import Limits, end_of, limits
from portal.reservations.deadlines.rules import ONE_DAY, Calendar, DaysBefore, Rule

EVE = DaysBefore(number=1)
LatePolicy = Literal["refuse", "request", "accept"]


@dataclass(frozen=True, slots=True)
class Policy:
    """A rule, and what « too late » then means until a last moment (None: the end of the eve).

    `opens` and `closes` bound everything, late or not: the period's own moments.
    """

    rule: Rule = EVE
    late: LatePolicy = "refuse"
    last_moment: Rule | None = None
    opens: datetime | None = None
    closes: datetime | None = None


DEFAULT_POLICY = Policy()


class Standing(Enum):
    """What acting on a day comes to now."""

    EARLY = "early"
    ON_TIME = "on_time"
    LATE_REQUEST = "late_request"
    LATE_ACCEPT = "late_accept"
    CLOSED = "closed"
    NEVER = "never"

    @property
    def may_act(self) -> bool:
        return self in (Standing.ON_TIME, Standing.LATE_REQUEST, Standing.LATE_ACCEPT)

    @property
    def is_late(self) -> bool:
        return self in (Standing.LATE_REQUEST, Standing.LATE_ACCEPT)


class Verdict(NamedTuple):
    """`moment`: EARLY → opens on; ON_TIME → until when; LATE_* → last moment; CLOSED → since; NEVER: None."""

    standing: Standing
    moment: datetime | None

    @property
    def may_act(self) -> bool:
        return self.standing.may_act


NEVER_POSSIBLE = Verdict(Standing.NEVER, None)


@dataclass(frozen=True, slots=True)
class _Who:
    """What rules ask of who acts, and of what is booked."""

    resident: bool
    publics: Sequence[int]
    period_start: date | None

    def limits(self, rule: Rule, day: date, calendar: Calendar) -> Limits:
        return limits(
            rule,
            day,
            calendar,
            resident=self.resident,
            publics=self.publics,
            period_start=self.period_start,
        )


def decide(
    policy: Policy | None,
    day: date,
    at: datetime,
    calendar: Calendar,
    *,
    resident: bool = True,
    publics: Sequence[int] = (),
    period_start: date | None = None,
) -> Verdict:
    """What acting on `day` at the aware moment `at` comes to. No policy: until the end of the eve."""
    policy = policy or DEFAULT_POLICY
    at = at.astimezone(UTC)
    who = _Who(resident, publics, period_start)
    found = who.limits(policy.rule, day, calendar).current(at)
    verdict = _verdict(policy, found, day, at, calendar, who)
    return _within_period(policy, verdict, at) if policy.opens or policy.closes else verdict


def _verdict(
    policy: Policy,
    found: Limits,
    day: date,
    at: datetime,
    calendar: Calendar,
    who: _Who,
) -> Verdict:
    if found.opens is not None and at < found.opens:
        return Verdict(Standing.EARLY, found.opens)
    if not found.is_over(at):
        return Verdict(Standing.ON_TIME, found.closes)
    if policy.late == "refuse":
        return Verdict(Standing.CLOSED, found.closes) if found.closes else NEVER_POSSIBLE
    if policy.last_moment is None:
        last = Limits(closes=end_of(day - ONE_DAY, calendar))
    else:
        last = who.limits(policy.last_moment, day, calendar)
    if not last.is_over(at):
        late = Standing.LATE_REQUEST if policy.late == "request" else Standing.LATE_ACCEPT
        return Verdict(late, last.closes)
    moments = [limit.closes for limit in (found, last) if limit.closes]
    return Verdict(Standing.CLOSED, max(moments)) if moments else NEVER_POSSIBLE


def outside(opens: datetime | None, closes: datetime | None, at: datetime) -> Verdict | None:
    """What a period as a whole says at the aware moment `at`, whatever the day: CLOSED since it closed, EARLY
    until it opens; None in between."""
    if closes is not None and at > closes:
        return Verdict(Standing.CLOSED, closes)
    if opens is not None and at < opens:
        return Verdict(Standing.EARLY, opens)
    return None


def _within_period(policy: Policy, verdict: Verdict, at: datetime) -> Verdict:
    if verdict.standing is Standing.NEVER:
        return verdict
    if (around := outside(policy.opens, policy.closes, at)) is not None:
        if verdict.standing is Standing.CLOSED:
            return verdict
        if verdict.standing is around.standing and verdict.moment and policy.opens:
            return Verdict(Standing.EARLY, max(policy.opens, verdict.moment))
        return around
    if policy.closes is not None and verdict.may_act and verdict.moment and verdict.moment > policy.closes:
        return Verdict(verdict.standing, policy.closes)
    return verdict


class Schedule:
    """A policy at one moment for one family: verdicts day by day, each computed once."""

    __slots__ = ("_verdicts", "at", "calendar", "period_start", "policy", "publics", "resident")

    def __init__(
        self,
        policy: Policy | None,
        calendar: Calendar,
        at: datetime,
        *,
        resident: bool = True,
        publics: Sequence[int] = (),
        period_start: date | None = None,
    ) -> None:
        self.policy = policy or DEFAULT_POLICY
        self.calendar = calendar
        self.at = at.astimezone(UTC)
        self.resident = resident
        self.publics = publics
        self.period_start = period_start
        self._verdicts: dict[date, Verdict] = {}

    def verdict(self, day: date) -> Verdict:
        """What acting on `day` comes to."""
        found = self._verdicts.get(day)
        if found is None:
            found = self._verdicts[day] = decide(
                self.policy,
                day,
                self.at,
                self.calendar,
                resident=self.resident,
                publics=self.publics,
                period_start=self.period_start,
            )
        return found
