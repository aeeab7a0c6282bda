"""May one act on this day, now? The one answer that planning, `submit` and letters share."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from django.utils import timezone
from django.utils.text import capfirst

from portal.french import moments
from portal.reservations.days import audiences
from portal.reservations.days.calendars import MARGIN, OpenDays, Pupil
from portal.reservations.days.deadline_book import DeadlineBook
from portal.reservations.days.limits import Limits
from portal.reservations.days.offer import NO_ACTIVITY, NO_PLACE
from portal.reservations.deadlines.decisions import Schedule, Standing, Verdict, outside
from portal.reservations.models import Enrolment, Establishment, Period
from portal.reservations.states import Action, CellState, Override

PAST = "Ce jour est passé."


@dataclass(frozen=True, slots=True)
class Closed:
    """One may not act: the state to show, the full sentence, and a few words for a small cell."""

    state: CellState
    reason: str
    short: str


@dataclass(frozen=True, slots=True)
class Open:
    """One may act until `until`; late ones say how they are treated. `over`: what the town hall passes over
    by acting, of a day that is closed to families; `why` it is."""

    standing: Standing
    until: datetime | None
    over: frozenset[Override] = frozenset()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """That the town hall acts for a family: what it may pass over, and the last day whose accounts are
    closed, on which nothing changes any more."""

    waives: frozenset[Override]
    closed_until: date | None = None


class Where:
    """The rules of one enrolment at one establishment in one period, at one moment."""

    def __init__(
        self,
        enrolment: Enrolment,
        period: Period,
        days: OpenDays,
        book: DeadlineBook,
        at: datetime,
        offered: bool = True,
        place: int | None = None,
        limits: Limits | None = None,
        desk: Desk | None = None,
    ) -> None:
        self.desk = desk  # None: a family acts
        self.offered = offered  # whether the period takes place there: what stands is shown even so
        self.enrolment = enrolment
        self.period = period
        self.days = days
        self.book = book
        self.at = at
        self.place = place
        self._known_limits = limits
        self.today = timezone.localdate(at)
        self.resident = enrolment.household.resident
        self.publics = audiences.of_home(enrolment.household, self.today, enrolment.child_id)
        self.first = max(period.starts_on, enrolment.starts_on)
        self._schedules: dict[tuple[int, Action], Schedule] = {}

    @classmethod
    def load(
        cls,
        enrolment: Enrolment,
        establishment: Establishment,
        period: Period,
        *,
        at: datetime,
        book: DeadlineBook | None = None,
        offered: bool = True,
        limits: Limits | None = None,
        desk: Desk | None = None,
    ) -> "Where":
        """Reads calendar and rules in a fixed number of queries; `book` and `limits` are read already.

        Where the period is not `offered` there, nothing can be reserved; what stands can be cancelled.
        """
        days = OpenDays.load(
            enrolment.activity,
            establishment,
            period.starts_on,
            # Further than the period: what was booked before it was shortened has its deadlines too.
            period.ends_on + MARGIN,
            Pupil(enrolment.child_id, enrolment.school_year_id),
        )
        book = book or DeadlineBook.for_activity(enrolment.activity, period)
        return cls(enrolment, period, days, book, at, offered, establishment.pk, limits, desk)

    @cached_property
    def limits(self) -> Limits:
        """Whom the activity takes; who only cancels never asks."""
        one = self.enrolment
        return self._known_limits or Limits.of(one.activity, one.child, one.school_year_id)

    def booking(self, formula_id: int, day: date) -> Closed | Open:
        """Whether the day can be reserved."""
        closed = self._not_offered() or self._out_of_range(day) or self._closed_day(day)
        if closed is not None:
            return closed
        over = set()
        why = ""
        if (closed := self._outside(day, formula_id)) is not None:
            if not self._waives(Override.LIMITS):
                return closed
            over.add(Override.LIMITS)
            why = closed.reason
        answer = self._answer(formula_id, Action.BOOK, day) if day >= self.today else self._past(day)
        if isinstance(answer, Closed) or not over:
            return answer
        why = " ".join(said for said in (why, answer.why) if said)
        return Open(answer.standing, answer.until, answer.over | over, why)

    def cancelling(self, formula_id: int, day: date, *, granted: bool) -> Closed | Open:
        """Whether a reservation of the day can be cancelled; one not `granted` yet, always until the day."""
        if day < self.today:
            return self._past(day)
        if not granted:
            return Open(Standing.ON_TIME, None)
        return self._answer(formula_id, Action.CANCEL, day)

    def _not_offered(self) -> Closed | None:
        if not self.enrolment.activity.active:
            return Closed(CellState.CLOSED, NO_ACTIVITY, "plus proposée")
        place = self.days.establishment
        if not self.offered or (place is not None and not place.active):
            return Closed(CellState.CLOSED, NO_PLACE, "lieu fermé")
        return None

    def _out_of_range(self, day: date) -> Closed | None:
        if not self.period.starts_on <= day <= self.period.ends_on:
            return Closed(CellState.CLOSED, "Ce jour n'est pas dans la période.", "hors période")
        if day < self.today and isinstance(past := self._past(day), Closed):
            return past
        if day < self.first:
            starts = moments.day(self.enrolment.starts_on)
            return Closed(CellState.CLOSED, f"L'inscription commence le {starts}.", "avant l'inscription")
        if (last := self.enrolment.ends_on) is not None and day > last:
            ends = moments.day(last)
            return Closed(CellState.CLOSED, f"L'inscription se termine le {ends}.", "après l'inscription")
        own = self.enrolment.place_id_on(day)
        if own is not None and self.place is not None and own != self.place:
            who = self.enrolment.child.first_name
            there = self.enrolment.place_on(day)
            return Closed(CellState.CLOSED, f"{who} va ailleurs : {there}.", "dans son autre lieu")
        return None

    def takes(self, day: date) -> bool:
        """Whether the activity takes this child that day, by its age and class."""
        return self._outside(day, None) is None

    def _outside(self, day: date, formula: int | None) -> Closed | None:
        if self.enrolment.limits_waived or not self.enrolment.activity.is_limited:
            return None
        why = self.limits.why_not(day, formula)
        return None if why is None else Closed(CellState.CLOSED, why.reason, why.short)

    def _closed_day(self, day: date) -> Closed | None:
        why = self.days.why_closed(day)
        if why is None:
            return None
        return Closed(CellState.CLOSED, f"{capfirst(why.label)}.", why.label)

    def _answer(self, formula_id: int, action: Action, day: date) -> Closed | Open:
        verdict = self._schedule(formula_id, action).verdict(day)
        closed = _closed_by(verdict, action, self._whom(formula_id, action, day, verdict))
        if closed is None:
            return Open(verdict.standing, verdict.moment)
        return self._over(closed) if self._waives(Override.DEADLINE) else closed

    def _whom(self, formula_id: int, action: Action, day: date, verdict: Verdict) -> str:
        """To which audience of the town it opens then, in the words for who is of it."""
        if not self.publics or verdict.standing != Standing.EARLY:
            return ""
        opens = audiences.opening(self.period, resident=self.resident, publics=self.publics)
        if verdict.moment == opens.at:
            return opens.whom
        return audiences.window_words(self._schedule(formula_id, action).policy.rule, day, self.publics)

    def _waives(self, one: Override) -> bool:
        return self.desk is not None and one in self.desk.waives

    def _past(self, day: date) -> Closed | Open:
        """A day gone by is the town hall's alone, as long as its accounts are open."""
        past = Closed(CellState.LATE, PAST, "passé")
        if self.desk is None or Override.DEADLINE not in self.desk.waives:
            return past
        if (until := self.desk.closed_until) is not None and day <= until:
            return Closed(CellState.LATE, accounts_closed(until), "comptes clos")
        return self._over(past)

    def _over(self, closed: Closed) -> Open:
        return Open(Standing.ON_TIME, None, frozenset({Override.DEADLINE}), closed.reason)

    def _schedule(self, formula_id: int, action: Action) -> Schedule:
        key = (formula_id, action)
        if key not in self._schedules:
            self._schedules[key] = self.book.schedule(
                formula_id, action, self.days, self.at, resident=self.resident, publics=self.publics
            )
        return self._schedules[key]


def accounts_closed(until: date) -> str:
    """Why a day of closed accounts stays as it is."""
    return f"Les comptes sont clos jusqu'au {moments.day(until, year=True)} : ce jour ne change plus."


def closed_period(
    period: Period, at: datetime, *, resident: bool, publics: Collection[int] = ()
) -> Closed | None:
    """Why nothing of the period can be reserved now, whatever the day; None while it is open."""
    opens = audiences.opening(period, resident=resident, publics=publics)
    verdict = outside(opens.at, period.closes_at, at)
    return None if verdict is None else _closed_by(verdict, Action.BOOK, opens.whom)


def _closed_by(verdict: Verdict, action: Action, whom: str) -> Closed | None:
    if verdict.standing == Standing.EARLY and verdict.moment is not None:
        return _too_early(verdict.moment, action, whom)
    if verdict.standing == Standing.NEVER:
        what = "ne peut pas être annulé" if action == Action.CANCEL else "ne peut pas être réservé"
        return Closed(CellState.LATE, f"Ce jour {what} en ligne.", "impossible en ligne")
    if verdict.standing == Standing.CLOSED:
        return _too_late(verdict.moment, action)
    return None


def _too_early(opens: datetime, action: Action, whom: str) -> Closed:
    what = "Annulation" if action == Action.CANCEL else "Réservation"
    to_whom = f" pour {whom}" if whom else ""
    return Closed(
        CellState.EARLY, f"{what} ouverte {moments.opening(opens)}{to_whom}.", f"ouvre {moments.brief(opens)}"
    )


def _too_late(since: datetime | None, action: Action) -> Closed:
    what = "Annulation" if action == Action.CANCEL else "Réservation"
    if since is None:
        return Closed(CellState.LATE, f"{what} close pour ce jour.", "clos")
    return Closed(CellState.LATE, f"{what} close {moments.since(since)}.", f"clos {moments.brief(since)}")
