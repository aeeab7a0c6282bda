"""Which weeks a child lives in which of its two homes: the only writer of custody calendars.

    propose(child, terms, home=household, by=guardian, at=now)   waits for the other home, or the town hall
    write(child, terms, by=agent, at=now)                        the town hall's word: counts at once
    confirm(calendar, by=somebody, at=now)   refuse(…)   withdraw(calendar, by=who proposed, at=now)
    stop(child, by=somebody, at=now)                             no calendar any more

A calendar opens and takes nothing: it marks whose day it is, and what a button ticks by itself. So either
home ends what both agreed upon; what the town hall wrote is the town hall's to end. The child is locked
by each verb.

A calendar is for two homes. A child that lives in three gets none; one that counted when the third came goes
on between its two, and either ends it. To the third every day is one to book.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise

from django.db import transaction
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from families.custody import letters, own
from families.custody.turns import Turns
from families.models import (
    AlreadyAnswered,
    Child,
    Custody,
    CustodyCalendar,
    CustodyDates,
    Guardian,
    Household,
    User,
)

State, Moment, Holidays = CustodyCalendar.State, CustodyCalendar.Moment, CustodyCalendar.Holidays
RIGHT = "families.change_custodycalendar"
TWO_HOMES = "Un calendrier de garde se partage entre deux foyers, où l'enfant vit aujourd'hui."
ANSWER_FIRST = "L'autre foyer a proposé un calendrier : répondez-lui d'abord."


class CalendarRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


@dataclass(frozen=True)
class Terms:
    """What a calendar says; homes are keys. `first_half`: who begins the holidays of even years, None where
    they follow the weeks. `dates` are (first day, last day, home)."""

    even: int
    odd: int
    weekday: int
    moment: str = Moment.EVENING
    first_half: int | None = None
    dates: Sequence[tuple[date, date, int]] = field(default_factory=tuple)

    @property
    def turns(self) -> Turns:
        morning = self.moment == Moment.MORNING
        return Turns(self.even, self.odd, self.weekday, morning, self.first_half, tuple(self.dates))


def terms_of(calendar: CustodyCalendar) -> Terms:
    """One query, for its dates."""
    dates = tuple(calendar.dates.values_list("starts_on", "ends_on", "household"))
    return Terms(
        calendar.even_id, calendar.odd_id, calendar.weekday, calendar.moment, calendar.first_half_id, dates
    )


def homes_of(child: Child, today: date) -> list[Household]:
    """The homes in which the child lives on `today`, in one query: a calendar is for two."""
    there = Custody.objects.on(today).filter(child=child)
    return list(Household.objects.filter(custodies__in=there).order_by("pk"))


def is_of(calendar: CustodyCalendar, home: Household) -> bool:
    """Whether it says which days are this home's."""
    return home.pk in (calendar.even_id, calendar.odd_id)


def child_to_answer(household: str = "household") -> Subquery:
    """Of rows with a household: a child of which the other home proposed a calendar; null where none did."""
    waiting = CustodyCalendar.objects.waiting().filter(
        Q(even=OuterRef(household)) | Q(odd=OuterRef(household)), asked_by_home__isnull=False
    )
    return Subquery(waiting.exclude(asked_by_home=OuterRef(household)).values("child")[:1])


# Proposing ----------------------------------------------------------------------------------------------


@transaction.atomic
def propose(child: Child, terms: Terms, *, home: Household, by: User, at: datetime) -> CustodyCalendar:
    """A home proposes; what it had proposed before is withdrawn. Raises CalendarRefused."""
    child = _held(child.pk)
    living = _check(child, terms, at)
    if home.pk not in {one.pk for one in living}:
        raise CalendarRefused(TWO_HOMES)
    waiting = CustodyCalendar.objects.waiting().filter(child=child).first()
    if waiting is not None:
        if waiting.asked_by_home_id != home.pk:
            raise CalendarRefused(ANSWER_FIRST)
        _answer(waiting, State.WITHDRAWN, by, at)
    calendar = _new(child, terms, by, at)
    calendar.asked_by_home = home
    _save(calendar, terms)
    letters.calendar_news(child, "proposed", [one for one in living if one.pk != home.pk])
    return calendar


@transaction.atomic
def write(child: Child, terms: Terms, *, by: User, at: datetime) -> CustodyCalendar:
    """The town hall's word, after a judgment say; whatever waited is withdrawn. Raises CalendarRefused, and
    OwnHousehold."""
    child = _held(child.pk)
    living = _check(child, terms, at)
    own.check(by, [one.pk for one in living], right=RIGHT, at=at)
    for waiting in CustodyCalendar.objects.waiting().filter(child=child):
        _answer(waiting, State.WITHDRAWN, by, at)
    calendar = _new(child, terms, by, at)
    calendar.state, calendar.answered_at = State.CONFIRMED, at
    calendar.answered_by, calendar.answered_by_name = by, calendar.asked_by_name
    _save(calendar, terms)
    _let_count(child, calendar)
    letters.calendar_news(child, "written", living)
    return calendar


def _check(child: Child, terms: Terms, at: datetime) -> list[Household]:
    living = homes_of(child, timezone.localdate(at))
    homes = {one.pk for one in living}
    if len(homes) != 2 or {terms.even, terms.odd} != homes:
        raise CalendarRefused(TWO_HOMES)
    named = {home for _, _, home in terms.dates} | ({terms.first_half} - {None})
    if not named <= homes:
        raise CalendarRefused(TWO_HOMES)
    spans = sorted((first, last) for first, last, _ in terms.dates)
    if any(last < first for first, last in spans):
        raise CalendarRefused("Des dates finissent avant d'avoir commencé.")
    if any(following <= last for (_, last), (following, _) in pairwise(spans)):
        raise CalendarRefused("Des dates se chevauchent : un jour n'est que d'un foyer.")
    return living


def _new(child: Child, terms: Terms, by: User, at: datetime) -> CustodyCalendar:
    return CustodyCalendar(
        child=child,
        even_id=terms.even,
        odd_id=terms.odd,
        weekday=terms.weekday,
        moment=terms.moment,
        holidays=Holidays.WEEKS if terms.first_half is None else Holidays.HALVES,
        first_half_id=terms.first_half,
        asked_by=by,
        asked_by_name=by.get_full_name() or by.username,
        asked_at=at,
    )


def _save(calendar: CustodyCalendar, terms: Terms) -> None:
    calendar.save()
    CustodyDates.objects.bulk_create(
        CustodyDates(calendar=calendar, starts_on=first, ends_on=last, household_id=home)
        for first, last, home in sorted(terms.dates)
    )


# Answering ----------------------------------------------------------------------------------------------


def may_answer(calendar: CustodyCalendar, by: User, at: datetime) -> bool:
    """Whether `by` is an adult of the other home, in which the child lives today."""
    lives_there = Custody.objects.on(timezone.localdate(at)).filter(child=calendar.child_id)
    theirs = Guardian.objects.filter(user=by, household__in=[calendar.even_id, calendar.odd_id])
    theirs = theirs.exclude(household=calendar.asked_by_home_id)
    return theirs.filter(household__in=lives_there.values("household")).exists()


@transaction.atomic
def confirm(calendar: CustodyCalendar, *, by: User, at: datetime) -> CustodyCalendar:
    """The other home agrees, or the town hall does. Raises CalendarRefused for others, AlreadyAnswered, and
    OwnHousehold."""
    child, calendar = _to_answer(calendar, by, at)
    living = _check(child, terms_of(calendar), at)
    _answer(calendar, State.CONFIRMED, by, at)
    _let_count(child, calendar)
    letters.calendar_news(child, "confirmed", living)
    return calendar


@transaction.atomic
def refuse(calendar: CustodyCalendar, *, by: User, at: datetime) -> CustodyCalendar:
    """The other home does not agree, or the town hall says no; what counted before counts on. Raises as
    `confirm` does."""
    child, calendar = _to_answer(calendar, by, at)
    _answer(calendar, State.REFUSED, by, at)
    asked = homes_of(child, timezone.localdate(at))
    letters.calendar_news(child, "refused", [one for one in asked if one.pk == calendar.asked_by_home_id])
    return calendar


@transaction.atomic
def withdraw(calendar: CustodyCalendar, *, by: User, at: datetime) -> CustodyCalendar:
    """The home that proposed takes it back. Raises CalendarRefused for others, AlreadyAnswered."""
    _held(calendar.child_id)
    calendar = _waiting(calendar.pk)
    if not Guardian.objects.filter(user=by, household=calendar.asked_by_home_id).exists():
        raise CalendarRefused("Seul le foyer qui a proposé ce calendrier le retire.")
    _answer(calendar, State.WITHDRAWN, by, at)
    return calendar


@transaction.atomic
def stop(child: Child, *, by: User, at: datetime) -> None:
    """No calendar counts any more; its homes are told. Raises CalendarRefused for who may not, and
    OwnHousehold."""
    child = _held(child.pk)
    calendar = child.custody_calendar
    if calendar is None:
        raise CalendarRefused("Aucun calendrier de garde n'est suivi pour cet enfant.")
    living = [one for one in homes_of(child, timezone.localdate(at)) if is_of(calendar, one)]
    if Guardian.objects.filter(user=by, household__in=living).exists():
        if calendar.asked_by_home_id is None:
            raise CalendarRefused("La mairie a écrit ce calendrier : demandez-lui de le retirer.")
    elif by.is_staff and by.has_perm(RIGHT):
        own.check(by, [one.pk for one in living], right=RIGHT, at=at)
    else:
        raise CalendarRefused("Ce calendrier n'est pas le vôtre.")
    _let_count(child, None)
    letters.calendar_news(child, "stopped", living)


def custody_ended(custody: Custody) -> None:
    """The child left a home: its calendar counts no more, what waited is over. Called with the child held."""
    theirs = Q(even=custody.household_id) | Q(odd=custody.household_id)
    CustodyCalendar.objects.waiting().filter(theirs, child=custody.child_id).update(state=State.WITHDRAWN)
    counting = custody.child.custody_calendar
    if counting is not None and custody.household_id in (counting.even_id, counting.odd_id):
        _let_count(custody.child, None)


def _to_answer(calendar: CustodyCalendar, by: User, at: datetime) -> tuple[Child, CustodyCalendar]:
    child = _held(calendar.child_id)
    calendar = _waiting(calendar.pk)
    if not may_answer(calendar, by, at):
        if not (by.is_staff and by.has_perm(RIGHT)):
            raise CalendarRefused("Ce calendrier n'attend pas votre réponse.")
        own.check(by, [calendar.even_id, calendar.odd_id], right=RIGHT, at=at)
    return child, calendar


def _held(child: int) -> Child:
    return Child.objects.select_for_update(no_key=True).get(pk=child)


def _waiting(pk: int) -> CustodyCalendar:
    calendar = CustodyCalendar.objects.select_for_update(of=("self",)).get(pk=pk)
    if not calendar.waits:
        said = calendar.get_state_display().lower()
        raise AlreadyAnswered(f"Ce calendrier a déjà reçu une réponse : {said}.")
    return calendar


def _answer(calendar: CustodyCalendar, state: str, by: User, at: datetime) -> None:
    calendar.state, calendar.answered_at = state, at
    calendar.answered_by, calendar.answered_by_name = by, by.get_full_name() or by.username
    calendar.save()


def _let_count(child: Child, calendar: CustodyCalendar | None) -> None:
    child.custody_calendar = calendar
    Child.objects.filter(pk=child.pk).update(custody_calendar=calendar)
