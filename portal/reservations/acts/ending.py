"""An enrolment ends on a day that somebody says, and is taken up again as long as that day has not passed.

    found = outlook(enrolment, Ending(last_day, reason), at=now)      # reads only
    end(enrolment, Ending(…), by=agent, at=now, seen=found.fingerprint)

Its days after that one leave free of charge as far as the deadlines, or the town hall, allow: a family's by
reservations of its own, the town hall's at once. Those that stay are said with their reason. What waits for
an answer or a place leaves; places go to who waits for them. Everything is decided again under lock: the
custody, the enrolment, then the slots, as whoever books the child takes them.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from simple_history.utils import bulk_update_with_history

from families.custody import homes, own
from families.models import Guardian, User
from portal.french import moments
from portal.french.dates import short_day
from portal.french.plurals import agreed, counted
from portal.french.sentences import lower_first
from portal.reservations.acts import booking, giving_up, tasks
from portal.reservations.acts.enrolling import EnrolmentRefused, over_sentence
from portal.reservations.acts.giving_up import Due
from portal.reservations.acts.places import _lock_slots, shelves_of
from portal.reservations.acts.refusals import Choice
from portal.reservations.days.standing import Closed, Open, Where
from portal.reservations.deadlines.decisions import Standing
from portal.reservations.models import Activity, Booking, Enrolment, Period, SchoolYear
from portal.reservations.states import HOLDING, BookingState, EnrolmentState

RIGHT = "reservations.change_enrolment"

BILLED = "déjà facturé"
ENTERED = "déjà pointé"
ASKED = "annulation déjà demandée, la mairie va répondre"
PAST = "jour passé"
TOO_LATE = "délai d'annulation dépassé"
END_FIELDS = ["ends_on", "end_reason", "ended_by", "ended_at"]
NO_PERIOD = "hors période : demandez son annulation à la mairie"
# Of these, nothing is said of what is due: it is on an invoice, asked, or follows from who came.
AS_IT_IS = (BILLED, ENTERED, ASKED)


class EndingRefused(EnrolmentRefused):
    """The act is refused; the message is the French sentence to show."""


class Moved(EndingRefused):
    """What was confirmed no longer holds: it is to be shown again."""

    def __init__(self) -> None:
        super().__init__("Les réservations ont changé entre-temps : vérifiez ce qui suit avant de confirmer.")


class Bills(Protocol):
    """What is known above of money."""

    def billed(self, bookings: Collection[int]) -> set[int]:
        """Those of these bookings (keys) that an invoice bills."""


_bills: list[Bills] = []


def lend(bills: Bills) -> None:
    """For the app above that bills, once it is ready."""
    _bills[:] = [bills]


@dataclass(frozen=True)
class Ending:
    """When an enrolment ends and why. `late_too`: the town hall cancels, free of charge, also the days for
    which it is too late, unless they are billed or entered. `by_family`: said by the family."""

    last_day: date
    reason: str
    late_too: bool = False
    by_family: bool = False


class Stays(NamedTuple):
    """A day that stays reserved, and billed, and why."""

    booking: Booking
    reason: str

    @property
    def title(self) -> str:
        """What a letter says above such days."""
        if self.reason in AS_IT_IS:
            return "Jours qui ne changent pas"
        return "Jours qui restent réservés, et facturés"


@dataclass(frozen=True)
class Outlook:
    """What becomes of the days after the last one, each in the order of days."""

    last_day: date
    cancelled: list[Booking]  # booked; they leave, free of charge
    withdrawn: list[Booking]  # they waited for an answer or a place
    asked: list[Booking]  # the town hall answers
    stays: list[Stays]
    # What those that leave, and those asked for, leave due, where the family gives them up: in sentences.
    due: list[str] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """Changes whenever what is said does."""
        parts = [self.last_day.isoformat()]
        parts += [
            ",".join(str(one.pk) for one in part) for part in (self.cancelled, self.withdrawn, self.asked)
        ]
        parts += [f"{one.booking.pk}:{one.reason}" for one in self.stays]
        parts += self.due
        return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]

    @property
    def sentences(self) -> list[str]:
        """What is said of them before it is confirmed."""
        after = f"après le {short_day(self.last_day, year=True)}"
        found = []
        if self.cancelled:
            what = counted(len(self.cancelled), "réservation", "réservations")
            verb = agreed(len(self.cancelled), "sera annulée", "seront annulées")
            free = "" if self.due else ", sans frais"
            found.append(f"{what} {after} {verb}{free} : {_days(self.cancelled)}.")
        if self.withdrawn:
            what = counted(len(self.withdrawn), "demande en attente", "demandes en attente")
            verb = agreed(len(self.withdrawn), "sera retirée", "seront retirées")
            found.append(f"{what} {verb} : {_days(self.withdrawn)}.")
        if self.asked:
            what = counted(len(self.asked), "annulation", "annulations")
            verb = agreed(len(self.asked), "sera demandée", "seront demandées")
            found.append(f"{what} {verb} à la mairie, qui répondra : {_days(self.asked)}.")
        found += self.due
        for reason in dict.fromkeys(one.reason for one in self.stays):
            kept = [one.booking for one in self.stays if one.reason == reason]
            verb = agreed(len(kept), "reste réservée, et facturée", "restent réservées, et facturées")
            if reason in AS_IT_IS:
                verb = agreed(len(kept), "ne change pas", "ne changent pas")
            what = counted(len(kept), "réservation", "réservations")
            found.append(f"{what} {verb} ({reason}) : {_days(kept)}.")
        return found or [f"Aucun jour n'est réservé {after}."]


def _days(bookings: Iterable[Booking]) -> str:
    return moments.enumerate_days(sorted({one.day for one in bookings}))


def said(enrolment: Enrolment, today: date) -> str:
    """« Terminée le 18 décembre 2026 : déménagement », « Se termine le… »; nothing of one that goes on."""
    if enrolment.ends_on is None or not (enrolment.state == EnrolmentState.ENDED or enrolment.is_accepted):
        return ""
    over = enrolment.is_over or enrolment.is_past(today)
    words = f"{'Terminée' if over else 'Se termine'} le {short_day(enrolment.ends_on, year=True)}"
    return f"{words} : {lower_first(enrolment.end_reason)}" if enrolment.end_reason else words


def can_end(enrolment: Enrolment, today: date) -> bool:
    """Whether it goes on, so that its end can be said, or said anew."""
    return enrolment.is_accepted and not enrolment.is_past(today)


def can_resume(enrolment: Enrolment, today: date) -> bool:
    """Whether its end was said and has not come."""
    return can_end(enrolment, today) and enrolment.ends_on is not None


def family_may(enrolment: Enrolment) -> bool:
    """Whether the family may say its end, or take back what it said: the activity leaves it to families, and
    the town hall has not said it. A query only where an end was said."""
    if not enrolment.activity.families_end:
        return False
    return enrolment.ended_by_id is None or _is_of_family(enrolment)


def _is_of_family(enrolment: Enrolment) -> bool:
    adults = Guardian.objects.filter(household=enrolment.household_id, user__isnull=False)
    return adults.filter(user=enrolment.ended_by_id).exists()


def outlook(enrolment: Enrolment, ending: Ending, *, at: datetime) -> Outlook:
    """What `end` would do at this moment. Only reads: a few queries a place and period."""
    return _Ways(enrolment, ending, at).outlook(_after(enrolment, ending.last_day))


@transaction.atomic
def end(enrolment: Enrolment, ending: Ending, *, by: User, at: datetime, seen: str = "") -> Outlook:
    """The enrolment ends with that day; returns what became of the days after it. The family is told.

    Raises EndingRefused; Moved where `seen`, the fingerprint that was confirmed, no longer holds;
    OwnHousehold for a parent among the staff.
    """
    today = timezone.localdate(at)
    if not ending.by_family:
        own.check(by, [enrolment.household_id], right=RIGHT, at=at)
    locked = _hold(enrolment)
    check(locked, ending, today)
    after = _after(locked, ending.last_day)
    _lock_slots(shelves_of(after))
    # Read again: before the lock was ours, the town hall may have answered.
    found = _Ways(locked, ending, at).outlook(_after(locked, ending.last_day))
    if seen and seen != found.fingerprint:
        raise Moved
    leaving = [*found.cancelled, *found.withdrawn]
    if ending.by_family:
        # A change that nobody answered falls first: what was booked before it is given up like any other.
        changes = [one for one in found.withdrawn if _is_change(one)]
        booking.give_up(changes, by=by, at=at)
        given = [one for one in leaving if one not in changes]
        booking.give_up([*given, *found.asked], by=by, at=at)
    elif leaving:
        last = short_day(ending.last_day, year=True)
        reason = f"Fin de l'inscription le {last} : annulé par la mairie, sans frais."
        booking.withdraw(leaving, by=by, at=at, reason=reason, tell=False)
    locked.ends_on, locked.end_reason = ending.last_day, ending.reason.strip()
    locked.ended_by, locked.ended_at = by, at
    if locked.is_past(today):
        locked.state = EnrolmentState.ENDED
    locked.save()
    stays = [(one.booking.pk, one.title, one.reason) for one in found.stays]
    tasks.after_commit(
        tasks.tell_enrolment_ended,
        locked.pk, _keys(found.cancelled), _keys(found.withdrawn), _keys(found.asked), stays,
    )  # fmt: skip
    return found


@dataclass(frozen=True)
class EndedTogether:
    """Enrolments that end with the day on which their children leave (keys), what their last day was before,
    and how many could not: somebody has to end them one by one."""

    ended: dict[int, date | None]
    left: int


@transaction.atomic
def end_of_leavers(
    last_days: Mapping[int, date], school_year: SchoolYear, *, reason: str, by: User, at: datetime
) -> EndedTogether:
    """The accepted enrolments of that year of children (keys) who leave end with their last day; nobody is
    told. Left as they are: those with days booked after it, which `end` cancels by the rules, and those of
    the own household of `by`. In a fixed number of statements."""
    rows = Enrolment.objects.accepted().filter(child__in=last_days, school_year=school_year)
    found = list(rows.select_for_update(of=("self",)).order_by("pk"))
    booked = dict(
        Booking.objects.live()
        .filter(enrolment__in=[one.pk for one in found])
        .order_by()
        .values_list("enrolment")
        .annotate(last=Max("day"))
    )
    mine = own.households_of(by)
    ended: dict[int, date | None] = {}
    changed = []
    left = 0
    for one in found:
        last = last_days[one.child_id]
        if one.ends_on is not None and one.ends_on <= last:
            continue
        if one.household_id in mine or booked.get(one.pk, last) > last:
            left += 1
            continue
        ended[one.pk] = one.ends_on
        one.ends_on, one.end_reason, one.ended_by, one.ended_at = last, reason, by, at
        changed.append(one)
    bulk_update_with_history(changed, Enrolment, END_FIELDS, default_user=by)
    return EndedTogether(ended, left)


@transaction.atomic
def take_back_ends(ended: Mapping[int, date | None], *, reason: str, by: User) -> int:
    """Enrolments (keys) that `end_of_leavers` ended and that still say so have the last day that they had
    before; returns how many. Nobody is told."""
    rows = Enrolment.objects.accepted().filter(pk__in=ended, end_reason=reason)
    changed = list(rows.select_for_update(of=("self",)).order_by("pk"))
    for one in changed:
        one.ends_on, one.end_reason, one.ended_by, one.ended_at = ended[one.pk], "", None, None
    bulk_update_with_history(changed, Enrolment, END_FIELDS, default_user=by)
    return len(changed)


@transaction.atomic
def resume(enrolment: Enrolment, *, by: User, at: datetime, by_family: bool = False) -> Enrolment:
    """« Reprendre l'inscription »: puts its end away as long as that day has not passed. Cancelled days do
    not come back by themselves. Raises EndingRefused, and OwnHousehold for a parent among the staff."""
    today = timezone.localdate(at)
    if not by_family:
        own.check(by, [enrolment.household_id], right=RIGHT, at=at)
    locked = _hold(enrolment)
    if not can_resume(locked, today):
        raise EndingRefused("Cette inscription est terminée, ou continue déjà : rien n'est à reprendre.")
    if by_family and not family_may(locked):
        raise EndingRefused("La mairie a mis fin à cette inscription : demandez-lui de la reprendre.")
    custody = homes.held(locked.child_id, locked.household_id)
    if custody is None or not custody.holds_on(today):
        raise EndingRefused(f"{locked.child.first_name} ne vit plus dans ce foyer.")
    locked.ends_on = locked.ended_by = locked.ended_at = None
    locked.end_reason = ""
    locked.save()
    tasks.after_commit(tasks.tell_enrolment_resumed, locked.pk)
    return locked


def _is_change(one: Booking) -> bool:
    """Whether it is the new half of a change that waits for an answer."""
    return one.state == BookingState.REQUESTED and one.reservation is not None and one.reservation.is_change


def _keys(bookings: Iterable[Booking]) -> list[int]:
    return [one.pk for one in bookings]


def _hold(enrolment: Enrolment) -> Enrolment:
    """The child first, as whoever books it does; then the enrolment, read again."""
    homes.held(enrolment.child_id, enrolment.household_id)
    rows = Enrolment.objects.select_for_update(of=("self",)).select_related("activity", "child", "household")
    return rows.get(pk=enrolment.pk)


def check(enrolment: Enrolment, ending: Ending, today: date) -> None:
    """Raises EndingRefused where it cannot end so, whatever is booked."""
    if not can_end(enrolment, today):
        raise EndingRefused(over_sentence(enrolment))
    if not ending.reason.strip():
        raise EndingRefused("Indiquez le motif : il est gardé, et la famille le lit.")
    if not ending.by_family:
        return
    if not family_may(enrolment):
        raise EndingRefused("La mairie met fin à cette inscription : écrivez-lui.")
    if ending.last_day < today:
        raise EndingRefused("Choisissez aujourd'hui ou un jour à venir : jusque-là, rien ne change.")


def _after(enrolment: Enrolment, last_day: date) -> list[Booking]:
    live = Booking.objects.live().filter(enrolment=enrolment.pk, day__gt=last_day)
    related = ("formula", "establishment", "reservation__period", "attendance")
    return list(live.select_related(*related).order_by("day", "pk"))


class _Ways:
    """Decides what becomes of each day; calendar and deadlines of a place and period are read once."""

    def __init__(self, enrolment: Enrolment, ending: Ending, at: datetime) -> None:
        self.enrolment, self.ending, self.at = enrolment, ending, at
        self.today = timezone.localdate(at)
        self._where: dict[tuple[int, int], Where] = {}

    def outlook(self, bookings: Collection[Booking]) -> Outlook:
        past = [one.pk for one in bookings if one.day < self.today]
        billed = {pk for bills in _bills for pk in bills.billed(past)} if past else set()
        changing = {one.day for one in bookings if _is_change(one)}
        found = Outlook(self.ending.last_day, [], [], [], [])
        for one in bookings:
            one.enrolment = self.enrolment
            asks = one.state == BookingState.CANCEL_REQUESTED and one.day not in changing
            reason = self._held_by(one, billed)
            asked = False
            if not reason and one.state in HOLDING:
                asked, reason = self._by_deadline(one, asks=asks)
            if reason:
                found.stays.append(Stays(one, reason))
            elif one.state not in HOLDING:
                found.withdrawn.append(one)
            else:
                (found.asked if asked else found.cancelled).append(one)
        if self.ending.by_family:
            found.due.extend([*self._due(found.cancelled, asks=False), *self._due(found.asked, asks=True)])
        return found

    def _due(self, bookings: Collection[Booking], *, asks: bool) -> list[str]:
        """What the family still owes of days that it gives up, a sentence for each part of their price."""
        of: dict[Period, list[Booking]] = defaultdict(list)
        for one in bookings:
            if (period := booking.period_of(one)) is not None:
                of[period].append(one)
        found: dict[int, list[Decimal]] = defaultdict(list)
        for period, its in of.items():
            choices = {Choice(one.formula_id, one.day) for one in its}
            for due in giving_up.foreseen(self.enrolment, period, choices, at=self.at).values():
                if due.percent:
                    found[due.percent].append(due.amount)
        return [
            giving_up.sentence(len(amounts), Due(percent, sum(amounts, Decimal(0))), asks=asks)
            for percent, amounts in sorted(found.items())
        ]

    def _held_by(self, one: Booking, billed: Collection[int]) -> str:
        """What no end takes back, whoever says it."""
        if one.pk in billed:
            return BILLED
        if hasattr(one, "attendance"):
            return ENTERED
        return NO_PERIOD if self.ending.by_family and booking.period_of(one) is None else ""

    def _by_deadline(self, one: Booking, *, asks: bool) -> tuple[bool, str]:
        """Whether the town hall is asked; why the day stays, or nothing."""
        if self.ending.by_family and asks:
            return False, ASKED
        if self.ending.late_too and not self.ending.by_family:
            return False, ""
        late = self._too_late(one)
        if late and asks:
            return False, ASKED
        if not self.ending.by_family or late:
            return False, late
        where = self._where_of(one)
        answer = where and where.cancelling(one.formula_id, one.day, granted=True)
        on_request = self.enrolment.activity.cancel_processing == Activity.Processing.ON_REQUEST
        return on_request or (isinstance(answer, Open) and answer.standing == Standing.LATE_REQUEST), ""

    def _too_late(self, one: Booking) -> str:
        """Why the day is no longer cancelled as a matter of course, or nothing. What a family may still ask
        for late is the town hall's to decide: it says so beforehand."""
        if one.day < self.today:
            return PAST
        where = self._where_of(one)
        if where is None:
            return ""
        answer = where.cancelling(one.formula_id, one.day, granted=True)
        if isinstance(answer, Closed):
            return lower_first(answer.reason).rstrip(".")
        asked = answer.standing == Standing.LATE_REQUEST and not self.ending.by_family
        return TOO_LATE if asked else ""

    def _where_of(self, one: Booking) -> Where | None:
        period = booking.period_of(one)
        if period is None:
            return None
        key = one.establishment_id, period.pk
        if key not in self._where:
            self._where[key] = Where.load(self.enrolment, one.establishment, period, at=self.at)
        return self._where[key]
