"""The only writer of states and places: submit, change, give up, accept, refuse, cancel, promote, close.

Every verb is one transaction. It locks slots first, in primary-key order, all those of an activity, an
establishment and a day together; reads bookings again under that lock; and locks the reservations it
restates last, in primary-key order too. Places move by conditional updates under a CheckConstraint. So two
families never get the same place, and two transactions never wait for each other in a circle.
`at` is the moment of the act (aware), `by` the user who acts.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django_tasks.base import Task

from families.custody import homes, own
from families.joining import fates
from families.models import Child, Custody, Household, User
from portal.database.composed import Composed, Given, GivenMany
from portal.french import moments
from portal.french.sentences import lower_first
from portal.reservations.acts import enrolling, following, giving_up, money_first, overriding, tasks
from portal.reservations.acts.conditions import Unmet, Wish, in_the_way, unmet
from portal.reservations.acts.following import Going, Left, Rooms, Way, ends_unanswered
from portal.reservations.acts.outcomes import lines_following, restate, save_outcomes, state_of
from portal.reservations.acts.overriding import NONE, Overrides
from portal.reservations.acts.places import (
    Changes,
    Shelf,
    _lock_slots,
    _places_of,
    fits,
    force,
    shelves_of,
    slots_of,
)
from portal.reservations.acts.refusals import BookingRefused, Choice, PlacesLost
from portal.reservations.day_rules import wording
from portal.reservations.day_rules.rules import Broken, Fault
from portal.reservations.days import day_rule_book
from portal.reservations.days.day_rule_book import DaysTaken
from portal.reservations.days.last_calls import LastCalls, offered_until
from portal.reservations.days.standing import Closed, Desk, Open, Where, accounts_closed
from portal.reservations.deadlines.decisions import Standing
from portal.reservations.models import (
    Activity,
    Booking,
    Cart,
    CartDay,
    Closure,
    Enrolment,
    Establishment,
    Formula,
    LotDay,
    Period,
    Place,
    Reservation,
    ReservationLine,
    Slot,
    attended_on,
)
from portal.reservations.models.bookings import BookingQuerySet
from portal.reservations.models.queries import offered_at
from portal.reservations.states import (
    HOLDING,
    STILL_ASKED,
    TAKING,
    Action,
    BookingState,
    Outcome,
    Override,
    ReservationState,
)

GONE = "La réservation a été retirée entre-temps."
ALREADY_ASKED = "Un changement est déjà demandé pour ce jour : la mairie va vous répondre."
NOT_BOOKED = "Ce jour n'est plus réservé ainsi : il a déjà été changé ou annulé."
OFFERED = "Une place est proposée pour ce jour : répondez d'abord à cette proposition."
TO_PAY = "Ce jour est gardé, à payer : payez d'abord, ou retirez-le."
DEARER = "Cette formule coûte plus cher, et se paie avant : retirez ce jour, puis réservez-le à nouveau."
NO_LONGER_OFFERED = "Cette place n'est plus proposée : l'heure de la réponse est passée."
NOT_ANSWERED = "La place proposée est restée sans réponse."
NO_LONGER_WAITING = "Ce jour n'est plus sur la liste d'attente."
LIVES_ELSEWHERE = "Ce jour-là, l'enfant ne vivra plus dans votre foyer."
BOOKED_TWICE = "Ce jour était réservé deux fois pour cet enfant : une seule réservation reste."
HANDED_OVER = "L'enfant vit dans son autre foyer : ses jours lui sont confiés."
OUTCOMES = {
    BookingState.ACCEPTED: Outcome.ACCEPTED,
    BookingState.REQUESTED: Outcome.REQUESTED,
    BookingState.WAITLISTED: Outcome.WAITLISTED,
}
# What the giver asked to cancel is booked, what was offered to it is waited for; the rest stays as it is.
HANDED_OVER_AS = {
    BookingState.CANCEL_REQUESTED: BookingState.ACCEPTED,
    BookingState.OFFERED: BookingState.WAITLISTED,
}


@dataclass
class Answered:
    """What became of lines that staff accepted."""

    accepted: list[ReservationLine] = field(default_factory=list)
    waitlisted: list[ReservationLine] = field(default_factory=list)
    full: list[ReservationLine] = field(default_factory=list)
    # Days gone by whose accounts are closed: no answer changes them any more.
    closed: list[ReservationLine] = field(default_factory=list)

    def note(self, line: ReservationLine, outcome: Outcome) -> None:
        """Counts a line where its outcome belongs; one that was withdrawn meanwhile belongs nowhere."""
        counted = {
            Outcome.ACCEPTED: self.accepted,
            Outcome.WAITLISTED: self.waitlisted,
            Outcome.REQUESTED: self.full,
        }
        if outcome in counted:
            counted[outcome].append(line)


# Submitting ---------------------------------------------------------------------------------------------


@transaction.atomic
def submit(
    reservation: Reservation, *, by: User, at: datetime, overrides: Overrides = NONE, tell: bool = True
) -> Reservation:
    """« Enregistrer »: decides every line under lock and writes bookings and places.

    Where several are recorded together, `tell` leaves the letter to `tell_recorded`. `overrides`: what the
    town hall passes over, of a draft of its own; it also answers at once what a family would have to ask for.

    Submitting again what is already recorded changes nothing. Raises PlacesLost when a day filled up
    since it was chosen and the family has not accepted to wait for it, BookingRefused when nothing can
    be recorded at all; both leave everything as it was.
    """
    found = next(iter(_held(reservation=reservation.pk)), None)
    if found is None:
        # The household was joined to another meanwhile, or the draft was too old to be kept.
        raise BookingRefused("Ces choix ne sont plus là, rien n'a été enregistré : choisissez à nouveau.")
    reservation = found
    reservation.child = reservation.enrolment.child
    if not reservation.is_draft:
        return reservation
    lines = _lines_of(reservation=reservation.pk)
    for line in lines:
        line.reservation = reservation
    at_desk = _acting(reservation, by=by, at=at, overrides=overrides)
    if not lines:
        raise BookingRefused("Aucun jour n'est choisi : choisissez au moins un jour à réserver ou à annuler.")
    desk = Submission.lock(reservation, lines, at, overrides, at_desk)
    booked = {line.day for line in lines if line.action == Action.BOOK}
    desk.owed = money_first.Owed.load(reservation.enrolment, reservation.period, booked)
    for line in lines:
        if line.action == Action.CANCEL:
            desk.decide_cancel(line)
    for line in lines:
        if line.action == Action.BOOK:
            desk.decide_book(line)
    if desk.lost:
        raise PlacesLost(desk.lost)
    desk.count_days(lines)
    desk.count_prices(lines)
    desk.demand_cover()

    save_outcomes(lines)
    _record(reservation, lines, desk, by=by, at=at)
    if tell:
        tell_recorded([reservation])
    return reservation


@Composed
def _held() -> "QuerySet[Reservation]":
    return (
        Reservation.objects.select_for_update(of=("self",))
        .select_related(
            "enrolment__activity",
            "enrolment__household",
            "enrolment__child__health",
            "period",
            "establishment",
        )
        .filter(pk=Given("reservation"))
    )


@Composed
def _lines_of() -> "QuerySet[ReservationLine]":
    return ReservationLine.objects.filter(reservation=Given("reservation"))


def _acting(reservation: Reservation, *, by: User, at: datetime, overrides: Overrides) -> Desk | None:
    """As whom one acts: None as the family. Raises BookingRefused where a family would pass over anything, or
    an agent without the right or the reason; OwnHousehold for an agent's own."""
    if not reservation.at_desk:
        if overrides:
            raise BookingRefused("Seule la mairie peut passer outre.")
        return None
    own.check(by, {reservation.household_id}, right=overriding.ACTS, at=at)
    overriding.demand_to_act(by, reservation.establishment)
    overriding.demand(overrides, by=by, place=reservation.establishment)
    return overriding.desk(overrides.reasons, reservation.enrolment.activity_id)


def check_enrolment(
    enrolment: Enrolment,
    *,
    books: bool,
    unmet: Iterable[Unmet] = (),
    overrides: Overrides = NONE,
) -> set[Override]:
    """What has to be passed over for it to be booked with. Raises BookingRefused.

    `unmet`: what is missing for it, of conditions that speak against any day.
    """
    if not enrolment.is_accepted:
        raise BookingRefused("L'inscription de cet enfant n'est pas, ou n'est plus, acceptée par la mairie.")
    missing = [(one.kind, one.sentence) for one in unmet if one.is_whole]
    if enrolment.lacks_health_file:
        missing.append((Override.PAPERS, enrolling.health_file_sentence(enrolment)))
    for kind, sentence in missing if books else ():
        if kind not in overrides:
            raise BookingRefused(sentence)
    return {kind for kind, _ in missing} if books else set()


def _record(
    reservation: Reservation, lines: Sequence[ReservationLine], desk: "Submission", *, by: User, at: datetime
) -> None:
    """Writes what was decided of a reservation's lines."""
    changes = Changes(by=by, at=at, reservation=reservation, tells=True)
    for booking, state in desk.ended.items():
        changes.move(booking, state)
    for booking, slots in desk.beyond:
        changes.force(booking, slots)
    changes.reasons = desk.reasons
    changes.create(desk.new)
    let_fall(changes)
    changes.write()
    held = [one for one, _ in desk.new if one.state == BookingState.HELD]
    keep_in_cart([(one, desk.prices[id(one)]) for one in held], desk.owed, by, at)
    reservation.state = state_of(lines)
    reservation.submitted_at = at
    reservation.touched_at = at
    reservation.desk_reason = desk.overrides.said(desk.used)
    reservation.save(update_fields=["state", "submitted_at", "touched_at", "desk_reason"])
    if not reservation.is_change:
        giving_up.note(reservation, desk.given_up, by=by)
    finish(changes)


def keep_in_cart(
    held: Sequence[tuple[Booking, Decimal]], owed: money_first.Owed, by: User | None, at: datetime
) -> Cart | None:
    """The cart of what is kept until it is paid, with what was recorded at the same moment; None of nothing.
    The worker gives its places back at its hour."""
    if not held or owed.rule is None:
        return None
    of, rule = held[0][0], owed.rule
    cart, new = Cart.objects.get_or_create(
        household_id=of.household_id,
        activity_id=of.activity_id,
        made_at=at,
        defaults={
            "percent": owed.percent,
            "minutes": rule.minutes,
            "ends_at": at + timedelta(minutes=rule.minutes),
            "made_by": by,
        },
    )
    if cart.state != Cart.State.OPEN:
        raise BookingRefused("Ce panier est déjà payé : enregistrez ces jours à part.")
    CartDay.objects.bulk_create(CartDay(cart=cart, booking=one, price=price) for one, price in held)
    if new:
        transaction.on_commit(partial(tasks.let_offers_go_at, cart.ends_at), robust=True)
    return cart


def tell_recorded(
    recorded: Sequence[Reservation], amounts: Mapping[int, Mapping[str, list[str]]] | None = None
) -> None:
    """One letter about reservations of a household recorded together.

    `amounts`: of each, what its days cost and the surcharge within, in euros, as the family was shown
    (« 12:2026-11-30 » → [« 5.90 », « 1.00 »]).
    """
    keys = [one.pk for one in recorded]
    said = {str(key): dict((amounts or {}).get(key, {})) for key in keys}
    post_after(tasks.tell_recorded_together, keys, said)


# Changing a formula -------------------------------------------------------------------------------------


@transaction.atomic
def change(
    booking: Booking,
    formula: Formula,
    *,
    by: User,
    at: datetime,
    at_desk: bool = False,
    overrides: Overrides = NONE,
    tell: bool = True,
) -> Reservation:
    """A family takes another formula on a day instead of one that it booked: one reservation, both halves
    of it or none, at the deadlines of both. `at_desk`, the town hall does it for the family, and may pass
    over what `overrides` says.

    Where either half has to be asked for, the place held is kept until the town hall answers both at once.
    Raises BookingRefused, the place held being kept, when the other one is full or either half is too late.
    """
    booking = _with_enrolment().get(pk=booking.pk)
    reservation = _reservation_about(booking, at, is_change=True)
    reservation.created_by, reservation.at_desk = by, at_desk
    acting = _acting(reservation, by=by, at=at, overrides=overrides)
    lines = _halves(reservation, booking, formula)
    desk = Submission.lock(reservation, lines, at, overrides, acting)
    # Not before the slots are held: a row of the household keeps the till from holding it, and the till may
    # hold these slots.
    reservation.save()
    for line in lines:
        line.reservation = reservation
    desk.owed = money_first.Owed.load(booking.enrolment, reservation.period, [booking.day])
    desk.decide_change(*lines)
    desk.count_days(lines)
    desk.demand_cover()
    ReservationLine.objects.bulk_create(lines)
    _record(reservation, lines, desk, by=by, at=at)
    if tell:
        tell_recorded([reservation])
    return reservation


@dataclass(frozen=True)
class ForeseenChange:
    """What `change` would do at this moment: `outcome` ACCEPTED, REQUESTED, or REFUSED with its reason."""

    formula: Formula
    outcome: Outcome
    reason: str = ""
    late: bool = False  # the new half is past its deadline, which may cost more
    until: datetime | None = None  # the nearer deadline of the two
    over: frozenset[Override] = frozenset()  # what the town hall has to pass over for it


def foresee_change(
    booking: Booking, formulas: Iterable[Formula], *, at: datetime, waives: Collection[Override] | None = None
) -> list[ForeseenChange]:
    """What `change` would make of each of `formulas`; with `waives`, if the town hall did it and passed over
    these where it has to. Only reads, in a fixed number of queries."""
    known: Any = _with_enrolment().get(pk=booking.pk)
    booking, counted = known, known.counted
    reservation = _reservation_about(booking, at, is_change=True)
    custody = Custody.objects.filter(child=booking.child_id, household=booking.household_id).first()
    live = list(_live_on(reservation, {booking.day}).select_related("reservation"))
    slots: dict[Shelf, list[Slot]] = defaultdict(list)
    for slot in Slot.objects.filter(activity=booking.activity_id, day=booking.day).order_by("pk"):
        slots[slot.activity_id, slot.establishment_id, slot.day].append(slot)
    places = _places_of(live, slots)
    acting = None if waives is None else overriding.desk(waives, booking.activity_id)
    if_needed = Overrides(dict.fromkeys(waives or (), "prévu"))
    where = Where.load(booking.enrolment, booking.establishment, reservation.period, at=at, desk=acting)
    offered = {one.pk: one for one in booking.enrolment.activity.formulas.all()}
    missing = in_the_way(booking.enrolment, [booking.day], at)
    taken = day_rule_book.load([where])[0] if counted else None
    owed = money_first.Owed.load(booking.enrolment, reservation.period, [booking.day])
    found = []
    for formula in formulas:
        old, new = _halves(reservation, booking, formula)
        try:
            passed = check_enrolment(booking.enrolment, books=True, unmet=missing, overrides=if_needed)
            if custody is None or not custody.holds_on(where.today):
                raise BookingRefused(homes.gone_sentence(booking.enrolment.child))
            tried = Submission(reservation, custody, where, slots, offered, live, places, if_needed)
            tried.days_taken = taken
            tried.owed = money_first.Owed() if owed.by_account else owed.anew()
            tried.decide_change(old, new)
            tried.count_days([old, new])
        except BookingRefused as refusal:
            found.append(ForeseenChange(formula, Outcome.REFUSED, str(refusal)))
            continue
        limits = [where.booking(formula.pk, booking.day)]
        limits.append(where.cancelling(booking.formula_id, booking.day, granted=booking.state in HOLDING))
        until = [limit.until for limit in limits if isinstance(limit, Open) and limit.until is not None]
        found.append(
            ForeseenChange(
                formula,
                Outcome(new.outcome),
                late=new.late,
                until=min(until, default=None),
                over=frozenset(passed | tried.used),
            )
        )
    return found


def _with_enrolment() -> "QuerySet[Any]":
    """`counted`: whether the activity has rules of how many days one takes."""
    return Booking.objects.select_related(
        "enrolment__activity",
        "enrolment__household",
        "enrolment__child__health",
        "establishment",
        "reservation__period",
    ).annotate(counted=day_rule_book.counted(OuterRef("activity")))


def period_of(booking: Booking) -> Period | None:
    """The period whose rules hold for a booked day: its reservation's as long as the day is in it, or that of
    the day. No query where the booking was read with `reservation__period`."""
    period = booking.reservation.period if booking.reservation else None
    if period is not None and period.starts_on <= booking.day <= period.ends_on:
        return period
    return Period.objects.filter(
        Q(establishments=None) | Q(establishments=booking.establishment_id),
        activity=booking.activity_id,
        school_year=booking.enrolment.school_year_id,
        starts_on__lte=booking.day,
        ends_on__gte=booking.day,
    ).first()


def _reservation_about(booking: Booking, at: datetime, *, is_change: bool) -> Reservation:
    """The reservation that changes or cancels a booked day, not saved yet. Raises BookingRefused where no
    period is open any more."""
    period = period_of(booking)
    if period is None:
        raise BookingRefused("Ce jour n'est plus dans une période ouverte à la réservation.")
    return Reservation(
        household_id=booking.household_id,
        child_id=booking.child_id,
        enrolment=booking.enrolment,
        establishment=booking.establishment,
        period=period,
        state=ReservationState.PENDING,
        is_change=is_change,
        created_at=at,
        touched_at=at,
        submitted_at=at,
    )


def _halves(
    reservation: Reservation, booking: Booking, formula: Formula
) -> tuple[ReservationLine, ReservationLine]:
    """What is left and what is taken instead."""
    left = ReservationLine(
        reservation=reservation, formula_id=booking.formula_id, day=booking.day, action=Action.CANCEL
    )
    taken = ReservationLine(
        reservation=reservation, formula_id=formula.pk, day=booking.day, action=Action.BOOK
    )
    return left, taken


def _live_on(reservation: Reservation, days: Collection[date]) -> BookingQuerySet:
    """What the child has booked of the activity on these days, in whichever home."""
    return Booking.objects.live().filter(
        child=reservation.child_id, activity=reservation.enrolment.activity_id, day__in=days
    )


@Composed
def _standing() -> "QuerySet[Booking]":
    its = Booking.objects.live().filter(child=Given("child"), activity=Given("activity"))
    return its.filter(day__among=GivenMany("days")).select_related("reservation")


@Composed
def _as_it_stands() -> "QuerySet[Any]":
    """A period with its activity; whether it is offered `here`, at a place that is still open; and the state
    and the days of an enrolment."""
    enrolment = Enrolment.objects.filter(pk=Given("enrolment"))
    place = Given("establishment")
    return (
        Period.objects.select_related("activity")
        .annotate(
            here=offered_at(place),
            counted=day_rule_book.counted(OuterRef("activity")),
            open_place=Exists(Establishment.objects.filter(pk=place, active=True)),
            state=Subquery(enrolment.values("state")),
            begins=Subquery(enrolment.values("starts_on")),
            ends=Subquery(enrolment.values("ends_on")),
        )
        .filter(pk=Given("period"))
    )


@Composed
def _formulas_of() -> "QuerySet[Formula]":
    return Formula.objects.filter(activity=Given("activity"))


class Submission:
    """What `submit` knows, read under lock, and what it decides."""

    def __init__(
        self,
        reservation: Reservation,
        custody: Custody,
        where: Where,
        slots: dict[Shelf, list[Slot]],
        formulas: dict[int, Formula],
        standing: list[Booking],
        places: dict[int, list[Slot]],
        overrides: Overrides = NONE,
        beside: "Submission | None" = None,
        taken: dict[int, int] | None = None,
    ) -> None:
        """`beside`: another one of the same child; `taken`: places as those who are decided with it count."""
        self.overrides = overrides
        self.used: set[Override] = set()
        self.beyond: list[tuple[Booking, list[Slot]]] = []  # places given beyond the capacity
        self.over: dict[int, set[Override]] = {}  # of single bookings, by identity
        self.reasons: dict[int, str] = {}  # as the family reads them
        self.reservation = reservation
        self.custody = custody
        self.where = where
        self.slots = slots
        self.formulas = formulas
        self.standing = {Choice(booking.formula_id, booking.day): booking for booking in standing}
        self.places = places
        if taken is None:
            taken = {slot.pk: slot.taken for of_day in slots.values() for slot in of_day}
        self.taken = taken
        # Wherever it is: a child is in one place at a time.
        self.busy = {(slot.day, slot.part) for one in standing for slot in places[one.pk]}
        if beside is not None:
            self.standing, self.busy = beside.standing, beside.busy
        self.ended: dict[Booking, BookingState] = {}
        self.given_up: list[Booking] = []  # of these, what was booked, and ends at once by the town's rules
        self.new: list[tuple[Booking, list[Slot]]] = []
        self.lost: list[Choice] = []
        self.against: Sequence[Unmet] = ()  # what speaks against some days: past their deadline, or named
        self.days_taken: DaysTaken | None = None  # where the activity says how many days one takes
        self.owed = money_first.Owed()  # what is paid before a place is given: nothing unless it is said
        # Of bookings that wait to be paid, or that the account has to cover, by identity.
        self.prices: dict[int, Decimal] = {}

    @classmethod
    def lock(
        cls,
        reservation: Reservation,
        lines: Collection[ReservationLine],
        at: datetime,
        overrides: Overrides = NONE,
        acting: Desk | None = None,
    ) -> "Submission":
        # The child first: its two households, or two tabs, book one after the other.
        custody = homes.held(reservation.child_id, reservation.household_id)
        if custody is None or not custody.holds_on(timezone.localdate(at)):
            raise BookingRefused(homes.gone_sentence(reservation.enrolment.child))
        enrolment = reservation.enrolment
        books = any(line.action == Action.BOOK for line in lines)
        if books and money_first.by_account(enrolment.activity_id, reservation.period_id) is not None:
            # What it holds is spent once, and what is given up spends nothing. Before the slots, as the till
            # holds it; who books for it beside, and holds slots, does not wait.
            Household.objects.lock([reservation.household_id], rows_may_come=True)
        days = {line.day for line in lines}
        asked = {"child": reservation.child_id, "activity": enrolment.activity_id, "days": days}
        live = _standing(**asked)
        here = {(enrolment.activity_id, reservation.establishment_id, day) for day in days}
        slots = _lock_slots(here | shelves_of(live))
        # What may have closed while the lock was waited for: whoever closes a day holds its slots. Whoever
        # ends the enrolment holds the child too: read again, so that no day after the end is booked.
        (period,) = _as_it_stands(
            period=reservation.period_id, establishment=reservation.establishment_id, enrolment=enrolment.pk
        )
        reservation.period = period
        reservation.establishment.active = period.open_place
        enrolment.activity = activity = period.activity
        enrolment.state, enrolment.starts_on, enrolment.ends_on = period.state, period.begins, period.ends
        missing = in_the_way(enrolment, days, at) if books else []
        passed = check_enrolment(enrolment, books=books, unmet=missing, overrides=overrides)
        formulas = {formula.pk: formula for formula in _formulas_of(activity=activity.pk)}
        # Read again, now that the town hall cannot change them; no new ones come while the child is locked.
        standing = _standing(**asked) if live else []
        where = Where.load(
            reservation.enrolment,
            reservation.establishment,
            period,
            at=at,
            offered=period.here,
            desk=acting,
        )
        places = _places_of(standing, slots)
        found = cls(reservation, custody, where, slots, formulas, standing, places, overrides)
        if period.counted:
            (found.days_taken,) = day_rule_book.load([where])
        found.used |= passed
        found.against = [one for one in missing if not one.is_whole]
        return found

    def decide_cancel(self, line: ReservationLine) -> None:
        booking = self.standing.get(Choice(line.formula_id, line.day))
        if booking is None or booking.household_id != self.reservation.household_id:
            return _refuse_line(line, "Il n'y a pas de réservation à annuler ce jour-là.")
        if booking.state == BookingState.CANCEL_REQUESTED:
            return _refuse_line(line, "L'annulation de ce jour est déjà demandée.")
        held = booking.state in HOLDING
        answer = self.where.cancelling(line.formula_id, line.day, granted=held)
        if isinstance(answer, Closed):
            return _refuse_line(line, answer.reason)
        over, line.late, asks = self._passed_over(answer)
        activity = self.reservation.enrolment.activity
        asks |= self.where.desk is None and activity.cancel_processing == Activity.Processing.ON_REQUEST
        self._note(line, over, booking)
        if asks and held:
            line.outcome = Outcome.REQUESTED
            self.ended[booking] = BookingState.CANCEL_REQUESTED
            return None
        line.outcome = Outcome.ACCEPTED
        self.ended[booking] = BookingState.CANCELLED
        if held and Override.DEADLINE not in over:
            self.given_up.append(booking)
        self._leave(booking)
        return None

    def _passed_over(self, answer: Open) -> tuple[set[Override], bool, bool]:
        """Of a day: what is passed over, whether it counts as late, whether it is to be asked for."""
        over = set(answer.over)
        if Override.DEADLINE in self.overrides and (answer.standing.is_late or Override.DEADLINE in over):
            return over | {Override.DEADLINE}, self.overrides.late, False
        return over, answer.standing.is_late, answer.standing == Standing.LATE_REQUEST

    def demand_cover(self) -> None:
        """Raises NotCovered where the account of the household has to cover these days and does not."""
        if self.owed.by_account:
            given = [
                self.prices.get(id(one), money_first.ZERO) for one, _ in self.new if one.state in HOLDING
            ]
            given_up = [one.pk for one, state in self.ended.items() if state == BookingState.CANCELLED]
            cost = sum(given, money_first.ZERO)
            activity = self.reservation.enrolment.activity_id
            money_first.demand_cover(self.reservation.household_id, activity, cost, without=given_up)

    def _note(self, line: ReservationLine, over: set[Override], booking: Booking) -> None:
        """The family reads of each day what was passed over for it, and why."""
        if over:
            self.used |= over
            self.over[id(booking)] = over
            line.reason = self.reasons[id(booking)] = self.overrides.said(over)

    def _leave(self, booking: Booking) -> None:
        """Its places count as free for the lines that follow."""
        for slot in self.places[booking.pk]:
            self.busy.discard((slot.day, slot.part))
            if booking.state in TAKING:
                self.taken[slot.pk] -= 1

    def stay(self, line: ReservationLine) -> None:
        """Takes `decide_cancel` back, of a line that it accepted."""
        booking = self.standing[Choice(line.formula_id, line.day)]
        del self.ended[booking]
        self.given_up = [one for one in self.given_up if one is not booking]
        self.reasons.pop(id(booking), None)
        self.over.pop(id(booking), None)
        for slot in self.places[booking.pk]:
            self.busy.add((slot.day, slot.part))
            if booking.state in TAKING:
                self.taken[slot.pk] += 1

    def decide_change(self, left: ReservationLine, taken: ReservationLine) -> None:
        """Both halves accepted, or both asked for. Raises BookingRefused, nothing being decided."""
        booking = self.standing.get(Choice(left.formula_id, left.day))
        if booking is None or booking.household_id != self.reservation.household_id:
            raise BookingRefused(NOT_BOOKED)
        origin = booking.reservation
        if booking.state == BookingState.REQUESTED and origin is not None and origin.is_change:
            raise BookingRefused(ALREADY_ASKED)
        if booking.state == BookingState.OFFERED:
            raise BookingRefused(OFFERED)
        if booking.state == BookingState.HELD:
            raise BookingRefused(TO_PAY)
        if left.formula_id == taken.formula_id:
            raise BookingRefused("Choisissez une autre formule que celle qui est réservée.")
        self.decide_cancel(left)
        if left.outcome == Outcome.REFUSED:
            raise BookingRefused(
                ALREADY_ASKED if booking.state == BookingState.CANCEL_REQUESTED else left.reason
            )
        if left.outcome == Outcome.REQUESTED:
            self._leave(booking)
        owed = self.owed
        # What was paid of a place pays for the other one; who had none pays as anybody.
        paid = booking.state in HOLDING and not owed.by_account
        if paid:
            self.owed = money_first.Owed()
        self.decide_book(taken)
        self.owed = owed
        if self.lost:
            raise BookingRefused("Complet ce jour-là : votre place actuelle est gardée.")
        if taken.outcome == Outcome.REFUSED:
            raise BookingRefused(taken.reason)
        asks = Outcome.REQUESTED in (left.outcome, taken.outcome)
        before, after = (owed.price(one.formula_id, one.day, late=False) for one in (left, taken))
        if paid and not asks and after > before:
            if Override.PAYMENT not in self.overrides:
                raise BookingRefused(DEARER)
            ((new, _),) = self.new
            self._note(taken, self.over.get(id(new), set()) | {Override.PAYMENT}, new)
        if booking.state in HOLDING and asks:
            left.outcome = taken.outcome = Outcome.REQUESTED
            self.ended[booking] = BookingState.CANCEL_REQUESTED
            ((asked, slots),) = self.new
            self._only_asks(taken, asked)
            # What both concern stays the place held: a child has one place in a slot.
            kept = {slot.pk for slot in self.places[booking.pk]}
            self.new = [(asked, [slot for slot in slots if slot.pk not in kept])]

    def _only_asks(self, line: ReservationLine, booking: Booking) -> None:
        """What waits for an answer takes no place, so none beyond the capacity either."""
        booking.state = BookingState.REQUESTED
        self.beyond = [(one, slots) for one, slots in self.beyond if one is not booking]
        self.used.discard(Override.CAPACITY)
        line.reason = ""
        self.reasons.pop(id(booking), None)
        self._note(line, self.over.pop(id(booking), set()) - {Override.CAPACITY}, booking)

    def decide_book(self, line: ReservationLine) -> None:
        formula = self.formulas.get(line.formula_id)
        if formula is None or not formula.active:
            return _refuse_line(line, "Cette formule n'est pas, ou n'est plus, proposée.")
        if not self.custody.holds_on(line.day):
            return _refuse_line(line, LIVES_ELSEWHERE)
        answer = self.where.booking(line.formula_id, line.day)
        if isinstance(answer, Closed):
            return _refuse_line(line, answer.reason)
        activity = self.reservation.enrolment.activity
        here = (activity.pk, self.reservation.establishment_id, line.day)
        slots = slots_of(self.slots.get(here, ()), formula)
        if slots is None or any(slot.closed for slot in slots):
            return _refuse_line(line, "Ce jour n'est pas ouvert à la réservation.")
        if any((slot.day, slot.part) in self.busy for slot in slots):
            return _refuse_line(line, "Cet enfant a déjà une réservation sur cette partie de la journée.")
        over, line.late, asks = self._passed_over(answer)
        for missing in self.against:
            if not missing.speaks_against(line.day, late=answer.standing.is_late):
                continue
            if missing.kind not in self.overrides:
                return _refuse_line(line, missing.sentence)
            over.add(missing.kind)
        asks |= self.where.desk is None and activity.processing == Activity.Processing.ON_REQUEST
        beyond: list[Slot] = []
        price = money_first.ZERO
        if asks:
            line.outcome = Outcome.REQUESTED
            state = BookingState.REQUESTED
        elif fits(slots, self.taken):
            line.outcome = Outcome.ACCEPTED
            state = BookingState.ACCEPTED
        elif Override.CAPACITY in self.overrides:
            beyond = force(slots, self.taken)
            over.add(Override.CAPACITY)
            line.outcome = Outcome.ACCEPTED
            state = BookingState.ACCEPTED
        elif line.accepts_waiting and activity.waiting_list:
            line.outcome = Outcome.WAITLISTED
            state = BookingState.WAITLISTED
        else:
            self.lost.append(Choice(line.formula_id, line.day))
            return None
        if state == BookingState.ACCEPTED and self.owed.rule is not None:
            price = self.owed.price(line.formula_id, line.day, late=line.late)
            if price and Override.PAYMENT in self.overrides:
                over.add(Override.PAYMENT)
                price = money_first.ZERO
            elif price and not self.owed.by_account:
                line.outcome, state = Outcome.HELD, BookingState.HELD
        self.busy.update((slot.day, slot.part) for slot in slots)
        booking = self._booking(line, activity, state)
        if price:
            self.prices[id(booking)] = price
        self._note(line, over, booking)
        if beyond:
            self.beyond.append((booking, beyond))
        self.new.append((booking, slots))
        return None

    def broken(self) -> list[Broken]:
        """What stands against the days being those that were decided, all together."""
        if self.days_taken is None:
            return []
        ended = {(one.formula_id, one.day) for one in self.ended}
        return self.days_taken.broken(ended, {(one.formula_id, one.day) for one, _ in self.new})

    def count_days(self, lines: Iterable[ReservationLine]) -> None:
        """Raises BookingRefused where too few days, or too many, are taken, unless that is passed over."""
        broken = self.broken()
        if broken and Override.DAYS not in self.overrides:
            raise BookingRefused(wording.all_broken(broken))
        bookings = [*self.ended, *(booking for booking, _ in self.new)]
        decided = {Choice(one.formula_id, one.day): one for one in bookings}
        for line in lines if broken else ():
            booking = decided.get(Choice(line.formula_id, line.day))
            if booking is not None and any(line.day in one.need.span for one in broken):
                self._note(line, self.over.get(id(booking), set()) | {Override.DAYS}, booking)

    def count_prices(self, lines: Iterable[ReservationLine]) -> None:
        """What is paid before the places is what the invoice will say: what the number of days changes is
        shared among them, and a day for which nothing is left to pay does not wait."""
        if self.owed.rule is None or self.owed.by_account or Override.PAYMENT in self.overrides:
            return
        counted = (BookingState.HELD, BookingState.ACCEPTED)
        given = {Choice(one.formula_id, one.day): one for one, _ in self.new if one.state in counted}
        own = {choice: self.prices.get(id(one), money_first.ZERO) for choice, one in given.items()}
        left = [
            Choice(one.formula_id, one.day)
            for one, state in self.ended.items()
            if state == BookingState.CANCELLED
        ]
        prices = self.owed.numbered(own, left)
        if prices == own:
            return
        for choice, booking in given.items():
            booking.state = BookingState.HELD if prices[choice] else BookingState.ACCEPTED
            self.prices[id(booking)] = prices[choice]
        for line in lines:
            choice = Choice(line.formula_id, line.day)
            if line.action == Action.BOOK and choice in given:
                line.outcome = Outcome.HELD if prices[choice] else Outcome.ACCEPTED

    def _booking(self, line: ReservationLine, activity: Activity, state: BookingState) -> Booking:
        at = self.where.at
        return Booking(
            household_id=self.reservation.household_id,
            child_id=self.reservation.child_id,
            enrolment_id=self.reservation.enrolment_id,
            reservation_id=self.reservation.pk,
            activity_id=activity.pk,
            establishment_id=self.reservation.establishment_id,
            formula_id=line.formula_id,
            day=line.day,
            state=state.value,
            late=line.late,
            waiting_since=at if state == BookingState.WAITLISTED else None,
            until_the_day=line.until_the_day,
            changed_at=at,
        )


# Homes of many children ----------------------------------------------------------------------------------


def custodies_of(children: Collection[int]) -> QuerySet[Custody]:
    return Custody.objects.filter(child__in=children).order_by("pk")


def by_home(custodies: Iterable[Custody]) -> dict[tuple[int, int], Custody]:
    """By child and household (keys)."""
    return {(one.child_id, one.household_id): one for one in custodies}


def hold_children(children: Collection[int]) -> dict[tuple[int, int], Custody]:
    """Their custodies by home, all held until the transaction ends: their homes first, as `submit` does, then
    the children, whom a move holds alone."""
    found = by_home(custodies_of(children).select_for_update(of=("self",), no_key=True))
    list(Child.objects.select_for_update(no_key=True).filter(pk__in=children).order_by("pk"))
    return found


# Giving days up -----------------------------------------------------------------------------------------


@transaction.atomic
def give_up(bookings: Iterable[Booking], *, by: User, at: datetime) -> None:
    """A family gives up days of an enrolment, by reservations of its own, one a place and period: at the
    deadlines of each day, as `submit` would; a day that can no longer be cancelled stays as it is.

    Called with the custody held, by whoever tells the family. Raises BookingRefused outside every period.
    """
    asked = list(_with_enrolment().filter(pk__in=[one.pk for one in bookings]).order_by("day", "pk"))
    _lock_slots(shelves_of(asked))  # all at once: each reservation takes its own again
    groups: dict[tuple[int, int], tuple[Reservation, list[ReservationLine]]] = {}
    for booking in asked:
        about = _reservation_about(booking, at, is_change=False)
        reservation, lines = groups.setdefault((about.establishment_id, about.period_id), (about, []))
        lines.append(
            ReservationLine(
                reservation=reservation, formula_id=booking.formula_id, day=booking.day, action=Action.CANCEL
            )
        )
    for reservation, lines in groups.values():
        desk = Submission.lock(reservation, lines, at)
        for line in lines:
            desk.decide_cancel(line)
        granted = [line for line in lines if line.outcome != Outcome.REFUSED]
        if not granted:
            continue
        reservation.created_by = by
        reservation.save()
        ReservationLine.objects.bulk_create(granted)
        _record(reservation, granted, desk, by=by, at=at)


# The town hall's answers ----------------------------------------------------------------------------------


@transaction.atomic
def accept(
    lines: Iterable[ReservationLine] | QuerySet[ReservationLine],
    *,
    by: User,
    at: datetime,
    in_order: bool = False,
) -> Answered:
    """Grants lines that wait for an answer, in order of arrival; full days go to the waiting list.

    With `in_order`, in the order of `lines`: the town hall's own. The waiting list keeps the order of the
    answers. Takes lines that are requested, wait or are offered a place; others are left as they are.
    """
    asked = list(lines)
    _check_own(asked, by, at)
    waiting, bookings, slots = _lock_waiting(asked)
    if in_order:
        _put_in_order(waiting, asked)
    decision = Answered()
    waiting = _without_closed(waiting, decision, at)
    answered = []
    changes = Changes(by=by, at=at)
    places = _places_of(bookings.values(), slots)
    given_up: dict[Reservation, list[Booking]] = defaultdict(list)
    for line, outcome in _answers(waiting, bookings, places, slots):
        if not _is_left(line):
            decision.note(line, outcome)
        if outcome == line.outcome:
            continue
        line.outcome = outcome
        booking = bookings.get(line.pk)
        if booking is None:
            line.reason = GONE
        elif line.action == Action.CANCEL:
            changes.move(booking, BookingState.CANCELLED)
            if not line.reservation.is_change:
                given_up[line.reservation].append(booking)
        elif booking.state == BookingState.OFFERED:
            changes.take_up(booking)
        elif outcome == Outcome.ACCEPTED and line.reservation.is_change:
            changes.grant(booking, _wanted(line, booking, slots), known=places[booking.pk])
        elif outcome == Outcome.ACCEPTED:
            changes.grant(booking, places[booking.pk])
        else:
            changes.move(booking, BookingState.WAITLISTED)
        answered.append(line)
    changes.write()
    for reservation, its in given_up.items():
        giving_up.note(reservation, its, by=by)
    finish(changes, answered)
    return decision


def _without_closed(
    waiting: Iterable[ReservationLine], decision: Answered, at: datetime
) -> list[ReservationLine]:
    """Those that may still be granted; of days whose accounts are closed is noted that they may not."""
    today = timezone.localdate(at)
    until: dict[int, date | None] = {}
    left = []
    for line in waiting:
        activity = line.formula.activity_id
        if line.day < today and activity not in until:
            until[activity] = overriding.desk((), activity).closed_until
        last = until.get(activity) if line.day < today else None
        if last is None or line.day > last:
            left.append(line)
        elif not _is_left(line):
            decision.closed.append(line)
    return left


def _check_own(lines: Sequence[ReservationLine], by: User, at: datetime) -> None:
    """Raises OwnHousehold where one of the lines is of a parent among the staff."""
    if own.households_of(by):
        asking = Reservation.objects.filter(lines__in=[line.pk for line in lines])
        own.check(
            by,
            set(asking.values_list("household_id", flat=True)),
            right="reservations.change_reservation",
            at=at,
        )


def foresee_answer(lines: Iterable[ReservationLine]) -> Answered:
    """What `accept(lines, in_order=True)` would do at this moment. Only reads, in 4 queries."""
    asked = list(lines)
    waiting = list(_waiting_among(asked))
    _put_in_order(waiting, asked)
    bookings = _bookings_of(waiting)
    slots: dict[Shelf, list[Slot]] = defaultdict(list)
    for slot in Slot.objects.filter(places__booking__in=bookings.values()).distinct():
        slots[slot.activity_id, slot.establishment_id, slot.day].append(slot)
    decision = Answered()
    for line, outcome in _answers(waiting, bookings, _places_of(bookings.values(), slots), slots):
        if not _is_left(line):
            decision.note(line, outcome)
    return decision


def _put_in_order(waiting: list[ReservationLine], asked: Sequence[ReservationLine]) -> None:
    rank = {line.pk: place for place, line in enumerate(asked)}
    of_change = {line.reservation_id: place for place, line in enumerate(asked)}
    waiting.sort(key=lambda line: rank.get(line.pk, of_change.get(line.reservation_id, 0)))


def _is_left(line: ReservationLine) -> bool:
    """Whether it is the half of a change that goes: the other one counts for both."""
    return line.reservation.is_change and line.action == Action.CANCEL


def _wanted(line: ReservationLine, booking: Booking, slots: dict[Shelf, list[Slot]]) -> list[Slot]:
    """The slots that the new half of a change takes: its booking has no place yet in those held so far."""
    (shelf,) = shelves_of([booking])
    return slots_of(slots.get(shelf, ()), line.formula) or []


def _answers(
    waiting: Iterable[ReservationLine],
    bookings: dict[int, Booking],
    places: dict[int, list[Slot]],
    slots: dict[Shelf, list[Slot]],
) -> Iterator[tuple[ReservationLine, Outcome]]:
    """The outcome of each line, first come first served; REQUESTED where it stays without an answer."""
    taken = {slot.pk: slot.taken for of_day in slots.values() for slot in of_day}
    halves: dict[int, list[ReservationLine]] = defaultdict(list)
    for line in waiting:
        if line.reservation.is_change:
            halves[line.reservation_id].append(line)
    for line in waiting:
        both = halves.get(line.reservation_id, [])
        if len(both) > 1:
            if line is both[0]:
                outcome = _answer_to_change(both, bookings, places, slots, taken)
                yield from ((half, outcome) for half in both)
            continue
        booking = bookings.get(line.pk)
        if booking is None:
            yield line, Outcome.REFUSED
        elif (
            line.action == Action.CANCEL
            or booking.state == BookingState.OFFERED
            or fits(places[booking.pk], taken)
        ):
            yield line, Outcome.ACCEPTED
        elif line.outcome == Outcome.WAITLISTED or line.reservation.enrolment.activity.waiting_list:
            yield line, Outcome.WAITLISTED
        else:
            yield line, Outcome.REQUESTED


def _answer_to_change(
    halves: Sequence[ReservationLine],
    bookings: dict[int, Booking],
    places: dict[int, list[Slot]],
    slots: dict[Shelf, list[Slot]],
    taken: dict[int, int],
) -> Outcome:
    """One outcome for both: ACCEPTED, with the places of the new half counted instead of those left;
    REQUESTED where it has no room."""
    left = [bookings.get(line.pk) for line in halves if line.action == Action.CANCEL]
    new = [(line, bookings.get(line.pk)) for line in halves if line.action == Action.BOOK]
    for line, booking in new:
        if booking is None:
            return Outcome.REFUSED
        given = [slot.pk for one in left if one is not None for slot in places[one.pk]]
        for key in given:
            taken[key] -= 1
        wanted = _wanted(line, booking, slots)
        if not wanted or not fits(wanted, taken):
            for key in given:
                taken[key] += 1
            return Outcome.REQUESTED
    return Outcome.ACCEPTED


@transaction.atomic
def refuse(
    lines: Iterable[ReservationLine] | QuerySet[ReservationLine], *, reason: str, by: User, at: datetime
) -> int:
    """Refuses lines that wait for an answer; a refused cancellation leaves the booking accepted.

    Raises BookingRefused without a reason: families are always told why. Returns how many lines.
    """
    if not reason.strip():
        raise BookingRefused("Indiquez le motif du refus : la famille le lira.")
    lines = list(lines)
    _check_own(lines, by, at)
    waiting, bookings, _ = _lock_waiting(lines)
    changes = Changes(by=by, at=at, reason=reason)
    for line in waiting:
        _refuse_line(line, reason)
        if booking := bookings.get(line.pk):
            cancelling = line.action == Action.CANCEL
            changes.move(booking, BookingState.ACCEPTED if cancelling else BookingState.REFUSED)
    changes.write()
    finish(changes, waiting)
    return sum(not _is_left(line) for line in waiting)


@transaction.atomic
def cancel(
    bookings: Iterable[Booking] | QuerySet[Booking],
    *,
    by: User,
    at: datetime,
    reason: str = "",
) -> int:
    """Cancels live bookings on the spot, whatever the deadlines; returns how many.

    For staff. Families cancel by a reservation of their own, through `submit`. Raises OwnHousehold, and
    BookingRefused where one of them is a day gone by without the right to pass over its deadline, or a day
    whose accounts are closed; nothing is cancelled then.
    """
    asked = list(bookings)
    own.check(by, {one.household_id for one in asked}, right="reservations.change_booking", at=at)
    _lock_slots(shelves_of(asked))
    _check_days(asked, by=by, at=at)
    return withdraw(asked, by=by, at=at, reason=reason)


def _check_days(bookings: Sequence[Booking], *, by: User, at: datetime) -> None:
    """Raises BookingRefused where the town hall may not change one of these days, as far as it is gone by and
    booked: accounts are closed for such days only."""
    gone = Booking.objects.live().filter(pk__in=[one.pk for one in bookings], day__lt=timezone.localdate(at))
    closed: dict[int, date | None] = {}
    may: dict[Establishment, bool] = {}
    for one in gone.select_related("establishment").order_by("day", "pk"):
        activity, place = one.activity_id, one.establishment
        if activity not in closed:
            closed[activity] = overriding.desk((), activity).closed_until
        if place not in may:
            may[place] = Override.DEADLINE in overriding.allowed(by, place)
        why = "" if may[place] else overriding.without_right(Override.DEADLINE)
        if (until := closed[activity]) is not None and one.day <= until:
            why = accounts_closed(until)
        if why:
            raise BookingRefused(f"{moments.day(one.day).capitalize()} : {lower_first(why)}")


@transaction.atomic
def withdraw(
    bookings: Iterable[Booking] | QuerySet[Booking],
    *,
    by: User | None,
    at: datetime,
    reason: str = "",
    tell: bool = True,
) -> int:
    """As `cancel`, of whomever: for days that close, children that leave, and the night (nobody). Without
    `tell`, whoever calls it writes the letter."""
    asked = list(bookings)
    ids = [booking.pk for booking in asked]
    _lock_slots(shelves_of(asked))
    live = list(Booking.objects.live().filter(pk__in=ids).order_by("pk"))
    changes = Changes(by=by, at=at, reason=reason)
    for booking in live:
        changes.move(booking, BookingState.CANCELLED)
    let_fall(changes)
    changes.write()
    finish(changes)
    for household_id, booking_ids in by_household(live).items() if tell else ():
        post_after(tasks.tell_cancelled, household_id, booking_ids, reason)
    return len(live)


def let_fall(changes: Changes) -> None:
    """Changes that wait for an answer and of which one half ends now: what was to be left is booked as before
    where the new half is withdrawn, and the new half goes where what was to be left is cancelled."""
    ending = changes.moved[BookingState.CANCELLED]
    halves = [one for one in ending if one.state in (BookingState.REQUESTED, BookingState.CANCEL_REQUESTED)]
    if not halves:
        return
    lines = ReservationLine.objects.filter(
        reservation__is_change=True,
        reservation__child__in={one.child_id for one in halves},
        outcome=Outcome.REQUESTED,
        day__in={one.day for one in halves},
    ).select_related("reservation")
    bookings = _bookings_of(list(lines))
    keys = {one.pk for one in ending}
    for line in lines:
        booking = bookings.get(line.pk)
        if booking is None:
            continue
        others = [bookings.get(other.pk) for other in lines if other.reservation_id == line.reservation_id]
        if not any(other is not None and other.pk in keys for other in others):
            continue
        if line.action == Action.CANCEL:
            line.outcome = Outcome.CANCELLED
            changes.fallen.append(line)
        if booking.pk not in keys:
            left = line.action == Action.CANCEL
            changes.move(booking, BookingState.ACCEPTED if left else BookingState.CANCELLED)


@transaction.atomic
def hand_over(
    bookings: BookingQuerySet,
    taker: Household,
    enrolments: Mapping[int, Enrolment],
    *,
    by: User,
    at: datetime,
) -> int:
    """Live bookings of a child go to another of its households with their places, in the state they are in,
    and with their rank on a waiting list; returns how many. `enrolments`: the taker's by the giver's key; a
    booking of another one is left. What the giver asked to cancel is booked: the taker may ask for its own;
    what was offered to it is offered anew, to the first who waits.

    Each is ended and booked anew, so that what the giver was billed is taken back, and the taker billed.
    Called with the custody held: nobody else books this child meanwhile.
    """
    asked = bookings.live().filter(enrolment__in=enrolments)
    slots = _lock_slots(shelves_of(asked))
    live = list(asked.all().select_related("reservation").order_by("pk"))
    places = _places_of(live, slots)
    forced = _forced_among(places)
    changes = Changes(by=by, at=at, reason=HANDED_OVER)
    groups = _Groups(by, at, taker, enrolments)
    new = []
    for booking in live:
        changes.move(booking, BookingState.CANCELLED)
        if ends_unanswered(booking) or booking.state == BookingState.HELD:
            continue  # what nobody answered: what was booked before it goes over; or nobody paid
        state = HANDED_OVER_AS.get(BookingState(booking.state), BookingState(booking.state))
        given = groups.booking(booking, state)
        changes.force(given, forced.get(booking.pk, []))
        new.append((given, places[booking.pk]))
    groups.write()
    changes.create(new)
    let_fall(changes)
    changes.write()
    finish(changes)
    return len(live)


def _forced_among(places: Mapping[int, list[Slot]]) -> dict[int, list[Slot]]:
    """Of the slots of each booking (key), those in which its place is beyond the capacity."""
    beyond = Place.objects.filter(booking__in=places, forced=True).values_list("booking_id", "slot_id")
    known: dict[int, set[int]] = defaultdict(set)
    for booking_id, slot_id in beyond:
        known[booking_id].add(slot_id)
    return {key: [slot for slot in slots if slot.pk in known[key]] for key, slots in places.items()}


class _Groups:
    """The reservations of days that go over to a taker, or to another place: one for each of those they come
    from (and each place and period), with its rank in the queue."""

    def __init__(
        self,
        by: User | None,
        at: datetime,
        taker: Household | None = None,
        enrolments: Mapping[int, Enrolment] | None = None,
    ) -> None:
        self.by, self.at, self.taker, self.enrolments = by, at, taker, enrolments or {}
        self.reservations: dict[tuple[int, int, int], Reservation] = {}
        self.lines: dict[int, list[ReservationLine]] = defaultdict(list)

    def booking(self, given: Booking, state: BookingState, going: Going | None = None) -> Booking:
        """The booking as the taker has it, or as it is where it goes, with its line."""
        enrolment = self.enrolments.get(given.enrolment_id, given.enrolment)
        reservation = None
        if given.reservation is not None:
            reservation = self._reservation(given.reservation, enrolment, going, ends_unanswered(given))
            line = ReservationLine(
                reservation=reservation,
                formula_id=going.formula.pk if going else given.formula_id,
                day=given.day,
                accepts_waiting=state == BookingState.WAITLISTED,
                until_the_day=given.until_the_day,
                late=given.late,
                outcome=OUTCOMES[state],
            )
            self.lines[reservation.pk].append(line)
        return Booking(
            household_id=self.taker.pk if self.taker else given.household_id,
            child_id=given.child_id,
            enrolment=enrolment,
            reservation=reservation,
            activity_id=given.activity_id,
            establishment_id=going.place.pk if going else given.establishment_id,
            formula_id=going.formula.pk if going else given.formula_id,
            day=given.day,
            state=state.value,
            late=given.late,
            waiting_since=given.waiting_since,
            until_the_day=given.until_the_day,
            changed_at=self.at,
        )

    def asks_to_cancel(self, line: ReservationLine, going: Going) -> None:
        """A cancellation that waits for an answer goes on waiting where its day has gone."""
        origin = line.reservation
        reservation = self._reservation(origin, origin.enrolment, going, origin.is_change)
        self.lines[reservation.pk].append(
            ReservationLine(
                reservation=reservation,
                formula_id=going.formula.pk,
                day=line.day,
                action=Action.CANCEL,
                late=line.late,
                outcome=Outcome.REQUESTED,
            )
        )

    def _reservation(
        self, origin: Reservation, enrolment: Enrolment, going: Going | None, is_change: bool
    ) -> Reservation:
        place = going.place.pk if going else origin.establishment_id
        period = going.period.pk if going else origin.period_id
        key = origin.pk, place, period
        if key not in self.reservations:
            self.reservations[key] = Reservation.objects.create(
                household_id=self.taker.pk if self.taker else origin.household_id,
                child_id=origin.child_id,
                enrolment=enrolment,
                establishment_id=place,
                period_id=period,
                state=ReservationState.PENDING,
                is_change=is_change if going else False,
                created_by=self.by,
                created_at=self.at,
                touched_at=self.at,
                submitted_at=origin.submitted_at,
            )
        return self.reservations[key]

    def write(self) -> None:
        """The lines, and the state that follows from them."""
        ReservationLine.objects.bulk_create(line for lines in self.lines.values() for line in lines)
        for reservation in self.reservations.values():
            reservation.state = state_of(self.lines[reservation.pk])
            reservation.save(update_fields=["state"])


# Two files of one child -----------------------------------------------------------------------------------


def join(instead: Mapping[int, int], replaced: Mapping[int, int], *, by: User, at: datetime) -> None:
    """Of a child typed twice, days that were booked twice are booked once: those of `instead` (by the key of
    the booking that ends, that which stays) end, their places are free. What stood on an enrolment stands on
    the one that replaces it. Called with the children held."""
    twice = Booking.objects.filter(pk__in=instead)
    withdraw(twice, by=by, at=at, reason=BOOKED_TWICE, tell=False)
    for model in (Booking, Reservation, LotDay):
        fates.rename(model._default_manager.all(), "enrolment", replaced)


# A child changes place ------------------------------------------------------------------------------------


@dataclass
class Followed:
    """What became of the days of a child that changes place: those at the new one, and those left."""

    new: list[Booking] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


@transaction.atomic
def follow(
    bookings: BookingQuerySet, ways: Mapping[int, Way], *, by: User | None, at: datetime, reason: str
) -> Followed:
    """Live bookings go where `ways` (by enrolment) leads them, in the state they are in: what is booked where
    there is room, what waits for a place at the end of the new list, what is asked as it was asked, whatever
    the deadlines. None stays at the old place: a day that cannot follow is cancelled, and answered as left.

    Of a change that waits for an answer both halves go; where the new one cannot, what is booked goes alone.
    What the family asked to cancel and cannot follow is cancelled as it asked. Each is ended and booked anew,
    so that what was billed is taken back, and billed at what holds now. Called with the child held.
    """
    asked = (
        bookings.live()
        .filter(enrolment__in=ways)
        .select_related("enrolment", "activity", "establishment", "reservation__enrolment")
    )
    slots = _lock_slots(shelves_of(asked) | following.shelves(asked, ways))
    live = list(asked.all().order_by("day", "pk"))
    rooms = Rooms.load(live, ways, slots)
    live = [one for one in live if not rooms.stays(one)]
    if not live:
        return Followed()
    changes = Changes(by=by, at=at, reason=reason, tells=True)
    for booking in live:
        changes.move(booking, BookingState.CANCELLED)
    let_fall(changes)
    moving = _Moving(live, rooms, _Groups(by, at), at)
    moving.decide()
    moving.groups.write()
    changes.create(moving.new)
    changes.freed.update(moving.offered)
    changes.fallen += moving.carried
    changes.write()
    # What the family asked to cancel is granted where the day is gone; where it followed, the question did.
    changes.withdrawn = [one for one in changes.withdrawn if one.pk not in moving.went]
    finish(changes)
    return Followed([booking for booking, _ in moving.new], moving.left)


class _Moving:
    """Decides where each of the bookings of a move goes."""

    def __init__(self, live: Sequence[Booking], rooms: Rooms, groups: _Groups, at: datetime) -> None:
        self.live, self.rooms, self.groups, self.at = live, rooms, groups, at
        self.states = {one.pk: BookingState(one.state) for one in live}  # before anything is written
        self.new: list[tuple[Booking, list[Slot]]] = []
        self.left: list[Left] = []
        self.went: dict[int, Going] = {}  # by booking
        self.offered: set[int] = set()  # slots with room for which somebody now waits
        self.carried: list[ReservationLine] = []
        self.asking = {
            (line.reservation.household_id, line.reservation.child_id, line.formula_id, line.day): line
            for line in ReservationLine.objects.filter(
                reservation__child__in={one.child_id for one in live},
                day__in={one.day for one in live},
                action=Action.CANCEL,
                outcome=Outcome.REQUESTED,
            ).select_related("reservation__enrolment")
        }

    def decide(self) -> None:
        halves = [one for one in self.live if ends_unanswered(one)]
        for booking in self.live:
            if booking not in halves:
                asked = next((one for one in halves if self._is_half_of(one, booking)), None)
                self._decide(booking, asked)
        for booking in halves:
            if not any(self._is_half_of(booking, one) for one in self.live):
                self._decide(booking, None)

    def _is_half_of(self, asked: Booking, held: Booking) -> bool:
        line = self.asking.get((held.household_id, held.child_id, held.formula_id, held.day))
        return line is not None and line.reservation_id == asked.reservation_id

    def _decide(self, booking: Booking, asked: Booking | None) -> None:
        """A booking and, where it is the half of a change that would go, the one `asked` for instead."""
        state = self.states[booking.pk]
        going = self.rooms.of(booking)
        if isinstance(going, str):
            return self._leave(booking, going)
        if state == BookingState.HELD:
            return self._leave(booking, following.NOT_PAID)
        if state in HOLDING and not self.rooms.has_room(going):
            return self._leave(booking, following.FULL)
        if state == BookingState.WAITLISTED:
            if not booking.activity.waiting_list:
                return self._leave(booking, f"{following.FULL}, sans liste d'attente,")
            self.offered.update(self.rooms.with_room(going))
        if state == BookingState.CANCEL_REQUESTED:
            state = self._carry(booking, going, asked)
        self._go(booking, state, going, going.slots)
        return None

    def _carry(self, booking: Booking, going: Going, asked: Booking | None) -> BookingState:
        """The question follows its day; a change does with its other half, or comes to nothing."""
        line = self.asking.get((booking.household_id, booking.child_id, booking.formula_id, booking.day))
        if line is None:
            return BookingState.CANCEL_REQUESTED
        if asked is None:
            self.groups.asks_to_cancel(line, going)
            line.outcome = Outcome.CANCELLED
            self.carried.append(line)
            return BookingState.CANCEL_REQUESTED
        held = {slot.pk for slot in going.slots}
        self.rooms.hold(booking, going.slots)
        instead = self.rooms.of(asked, beside=held)
        if isinstance(instead, str):
            self.left.append(Left(asked, going.place, f"changement demandé : {instead}"))
            return BookingState.ACCEPTED
        self.groups.asks_to_cancel(line, Going(going.place, instead.period, going.formula, going.slots))
        self._go(
            asked, BookingState.REQUESTED, instead, [slot for slot in instead.slots if slot.pk not in held]
        )
        return BookingState.CANCEL_REQUESTED

    def _go(self, booking: Booking, state: BookingState, going: Going, slots: list[Slot]) -> None:
        self.rooms.hold(booking, slots)
        self.went[booking.pk] = going
        # A stand-in for the outcome: what is asked to be cancelled is booked until that is answered.
        new = self.groups.booking(booking, BookingState.ACCEPTED if state in HOLDING else state, going)
        new.state = state.value
        if state == BookingState.WAITLISTED:
            new.waiting_since = self.at + timedelta(microseconds=len(self.new))
        self.new.append((new, slots))

    def _leave(self, booking: Booking, why: str) -> None:
        if self.states[booking.pk] != BookingState.CANCEL_REQUESTED:
            self.left.append(Left(booking, self.rooms.ways[booking.enrolment_id].of(booking), why))


@transaction.atomic
def place_again(
    bookings: Sequence[Booking], ways: Mapping[int, Way], *, wait: bool, by: User, at: datetime
) -> tuple[list[Booking], list[Left]]:
    """Days that could not follow are booked where there is room by now or, with `wait`, put at the end of the
    waiting list of full ones; answers the new bookings and what is still left. Called with the child held."""
    slots = _lock_slots(following.shelves(bookings, ways))
    rooms = Rooms.load(bookings, ways, slots)
    groups = _Groups(by, at)
    changes = Changes(by=by, at=at, reason="La mairie a replacé ce jour.", tells=True)
    new: list[tuple[Booking, list[Slot]]] = []
    left = []
    for booking in bookings:
        going = rooms.of(booking)
        if isinstance(going, str):
            left.append(Left(booking, ways[booking.enrolment_id].of(booking), going))
            continue
        fitting = rooms.has_room(going)
        if not fitting and not (wait and booking.activity.waiting_list):
            left.append(Left(booking, going.place, following.FULL))
            continue
        state = BookingState.ACCEPTED if fitting else BookingState.WAITLISTED
        placed = groups.booking(booking, state, going)
        placed.waiting_since = None if fitting else at + timedelta(microseconds=len(new))
        rooms.hold(booking, going.slots)
        new.append((placed, going.slots))
    groups.write()
    changes.create(new)
    changes.write()
    finish(changes)
    return [booking for booking, _ in new], left


def concerned_by(closure: Closure) -> QuerySet[Booking]:
    """The live bookings that a closure would cancel; none for an exceptional opening."""
    if closure.opens:
        return Booking.objects.none()
    return Booking.objects.live().filter(of_pupils(closure))


def of_pupils(closure: Closure) -> Q:
    """The live bookings of its days, place, activity, class or pupils, whether it closes or opens them."""
    bookings = Booking.objects.live().filter(day__range=(closure.starts_on, closure.ends_on))
    there = attended_on(F("day"), "child__schoolings")
    if closure.establishment_id:
        school = there & Q(child__schoolings__school_class__school_id=closure.establishment_id)
        bookings = bookings.filter(
            Q(establishment_id=closure.establishment_id)
            | (school & Q(child__schoolings__school_year_id=F("enrolment__school_year_id")))
        )
    if closure.activity_id:
        bookings = bookings.filter(activity_id=closure.activity_id)
    if closure.school_class_id:
        bookings = bookings.filter(there, child__schoolings__school_class_id=closure.school_class_id)
    return Q(pk__in=bookings.order_by().values("pk"))


def of_closure(closure: Closure) -> Q:
    """The slots of a closure's days, as far as it says which."""
    slots = Q(day__range=(closure.starts_on, closure.ends_on))
    return slots & Q(activity=closure.activity_id) if closure.activity_id else slots


def closed_by_town(why: str) -> str:
    """What families read of days that closed, and why."""
    return f"{why.rstrip('.')} : annulé par la mairie, sans frais."


def hold(slots: Q) -> None:
    """Locks slots until the transaction ends, in the order of every verb."""
    list(Slot.objects.filter(slots).select_for_update().order_by("pk").values_list("pk", flat=True))


# So many bookings at a time, the days of a child together: halves of a change fall as one.
BATCH = 500


@transaction.atomic
def shut(
    keys: Sequence[int], *, by: User | None, at: datetime, reason: str, promotes: bool = False
) -> list[int]:
    """Cancels live bookings whose days close, free of charge; returns their keys. One letter a household.

    `keys` come child by child, their slots held by the caller. Nobody who waits gets a place unless it
    `promotes`, and then only once all are cancelled.
    """
    freed: set[int] = set()
    told: dict[int, list[int]] = defaultdict(list)
    for some in _batches(keys):
        live = list(Booking.objects.live().filter(pk__in=some).order_by("pk"))
        _lock_slots(shelves_of(live))
        changes = Changes(by=by, at=at, reason=reason)
        for booking in live:
            changes.move(booking, BookingState.CANCELLED)
        let_fall(changes)
        changes.write()
        freed |= changes.freed
        changes.freed.clear()
        finish(changes)
        for household_id, ids in by_household(live).items():
            told[household_id] += ids
    if promotes:
        promote(freed, at=at)
    for household_id, ids in told.items():
        post_after(tasks.tell_cancelled, household_id, ids, reason)
    return [key for ids in told.values() for key in ids]


def _batches(keys: Sequence[int]) -> Iterator[list[int]]:
    children = dict(Booking.objects.filter(pk__in=keys).values_list("pk", "child_id")) if keys else {}
    batch: list[int] = []
    last = None
    for key in keys:
        if len(batch) >= BATCH and children.get(key) != last:
            yield batch
            batch = []
        batch.append(key)
        last = children.get(key)
    if batch:
        yield batch


# Why a day stays cancelled although it opened again.
BOOKED_AGAIN = "Ce jour est déjà réservé à nouveau."
OTHERWISE = "L'enfant a autre chose ce jour-là."
CHILD_GONE = "L'enfant ne vit plus dans ce foyer."
NOT_ENROLLED = "L'inscription n'est plus acceptée."
DAY_PAST = "Ce jour est passé."
ASKED_TO_CANCEL = "La famille avait demandé l'annulation."
CHANGE_ASKED = "Le changement demandé ce jour-là est à refaire."
NO_SLOT = "Ce jour n'est plus ouvert à la réservation."
NEVER_PAID = "Cette place attendait d'être payée."
FULL_AGAIN = "Il n'y a plus de place."
REOPENED = "Rouvert par la mairie."


@dataclass
class PutBack:
    """Keys of bookings that stand again; of the others, why not."""

    back: list[int] = field(default_factory=list)
    left: dict[int, str] = field(default_factory=dict)


@transaction.atomic
def put_back(
    cancelled: Mapping[int, BookingState],
    *,
    by: User,
    at: datetime,
    stands: Callable[[Booking], str],
) -> PutBack:
    """Bookings that `shut` cancelled stand again as they did, in the order given, where there is room.

    `cancelled` is booking key → its state before. `stands` answers a sentence where something the caller
    knows is in the way of one, or nothing. One letter a household that got a day back.
    """
    found, rows = stand_again(cancelled, by=by, at=at, stands=stands, reason=REOPENED)
    for household_id, ids in by_household(rows[key] for key in found.back).items():
        left = [key for key in found.left if rows[key].household_id == household_id]
        post_after(tasks.tell_put_back, household_id, ids, left)
    return found


@transaction.atomic
def restore(
    bookings: Iterable[Booking] | QuerySet[Booking],
    *,
    reason: str,
    by: User,
    at: datetime,
    passing_over: Collection[Override] = (),
    tell: bool = True,
) -> PutBack:
    """The town hall books days again that were cancelled, or accepts those that it had refused: no deadline
    speaks against it. To give a day gone by, a place beyond the capacity, a day that the activity does not
    offer this child, or one without its health file, is `passing_over` something, for the same reason.

    Raises BookingRefused without a reason, or without the right to pass over; OwnHousehold.
    """
    reason = reason.strip()
    if not reason:
        raise BookingRefused("Indiquez le motif : la famille le lira.")
    overrides = Overrides(dict.fromkeys(passing_over, reason))
    rows = list(_with_enrolment().filter(pk__in=[one.pk for one in bookings]).order_by("day", "pk"))
    own.check(by, {one.household_id for one in rows}, right=overriding.ACTS, at=at)
    for place in {one.establishment for one in rows}:
        overriding.demand_to_act(by, place)
        overriding.demand(overrides, by=by, place=place)
    opens = _Open(rows, at, overrides)
    opens.count(rows)
    found, done = stand_again(
        {one.pk: BookingState.ACCEPTED for one in rows},
        by=by,
        at=at,
        stands=opens,
        reason=reason,
        over=(BookingState.CANCELLED, BookingState.REFUSED),
        overrides=overrides,
        also=opens.over,
    )
    Reservation.objects.filter(pk__in={done[key].reservation_id for key in found.back}).update(
        decided_by=by, decided_at=at
    )
    for household_id, ids in by_household(done[key] for key in found.back).items() if tell else ():
        post_after(tasks.tell_put_back, household_id, ids, [], reason)
    return found


class _Open:
    """Why a day that is given back does not take place, whatever its deadline; nothing where it does. `over`,
    by key: what was passed over for it, of limits and papers."""

    def __init__(self, bookings: Iterable[Booking], at: datetime, overrides: Overrides) -> None:
        self.at = at
        self.overrides = overrides
        self.over: dict[int, set[Override]] = {}
        self.known = {one.pk: one for one in bookings}
        wishes = [Wish.of(one.enrolment, [one.day]) for one in self.known.values()]
        self.unmet = dict(zip(self.known, unmet(wishes, at), strict=True))
        self.rules: dict[tuple[int, int, int], Where] = {}
        self.beyond: set[int] = set()  # the bookings (keys) with which more days stand than may be taken

    def count(self, rows: Iterable[Any]) -> None:
        """Raises BookingRefused where more days stood than may be taken. To give days back leaves no child
        with too few."""
        together: dict[tuple[int, int, int], list[Booking]] = defaultdict(list)
        for one in rows:
            if one.counted and (period := period_of(one)) is not None:
                together[one.enrolment_id, one.establishment_id, period.pk].append(one)
        for its in together.values():
            one, period = its[0], period_of(its[0])
            if period is None:
                continue
            where = Where.load(one.enrolment, one.establishment, period, at=self.at)
            (taken,) = day_rule_book.load([where])
            broken = [
                why
                for why in taken.broken((), {(each.formula_id, each.day) for each in its})
                if why.fault not in (Fault.SHORT, Fault.PARTLY)
            ]
            if broken and Override.DAYS not in self.overrides:
                raise BookingRefused(wording.all_broken(broken))
            self.beyond |= {each.pk for each in its if any(each.day in why.need.span for why in broken)}

    def __call__(self, booking: Booking) -> str:
        known = self.known[booking.pk]
        period = period_of(known)
        if period is None:
            return "Ce jour n'est plus dans une période."
        try:
            missing = self.unmet[known.pk]
            over = check_enrolment(known.enrolment, books=True, unmet=missing, overrides=self.overrides)
        except BookingRefused as refusal:
            return str(refusal)
        key = known.enrolment_id, known.establishment_id, period.pk
        if key not in self.rules:
            desk = overriding.desk({Override.DEADLINE, *self.overrides.reasons}, known.activity_id)
            self.rules[key] = Where.load(known.enrolment, known.establishment, period, at=self.at, desk=desk)
        answer = self.rules[key].booking(booking.formula_id, booking.day)
        if isinstance(answer, Closed):
            return answer.reason
        # A deadline is passed over by giving the day back: only of a day gone by it is said.
        many = {Override.DAYS} if booking.pk in self.beyond else set()
        self.over[booking.pk] = over | many | (answer.over - {Override.DEADLINE})
        return ""


def could_stand(cancelled: Iterable[Booking], *, at: datetime) -> bool:
    """Whether all of these days could be booked anew, but for their deadlines: what was recorded or decided
    since counts (the number of days, papers, arrears). Of places nothing is said."""
    rows = list(_with_enrolment().filter(pk__in=[one.pk for one in cancelled]).order_by("day", "pk"))
    opens = _Open(rows, at, NONE)
    try:
        opens.count(rows)
    except BookingRefused:
        return False
    return not any(opens(one) for one in rows)


def stand_again(
    cancelled: Mapping[int, BookingState],
    *,
    by: User,
    at: datetime,
    stands: Callable[[Booking], str],
    reason: str,
    over: Collection[BookingState] = (BookingState.CANCELLED,),
    overrides: Overrides = NONE,
    also: Mapping[int, Collection[Override]] | None = None,
) -> tuple[PutBack, dict[int, Booking]]:
    """What stands again of `cancelled`, where it is `over`; and the rows, by key. `also`: what `stands` found
    to be passed over for each."""
    found = PutBack()
    because = reason
    today = timezone.localdate(at)
    rows = Booking.objects.select_related("enrolment", "reservation", "formula").in_bulk(list(cancelled))
    children = {one.child_id for one in rows.values()}
    custodies = hold_children(children)
    slots = _lock_slots(shelves_of(rows.values()))
    rows = Booking.objects.select_related("enrolment", "reservation", "formula").in_bulk(list(cancelled))
    days = {one.day for one in rows.values()}
    busy: dict[int, set[tuple[date, str]]] = defaultdict(set)
    live = Booking.objects.live().filter(child__in=children, day__in=days)
    for child_id, day, part in live.values_list("child_id", "places__slot__day", "places__slot__part"):
        busy[child_id].add((day, part))
    halves = _asked_to_leave(rows.values())
    taken = {slot.pk: slot.taken for of_day in slots.values() for slot in of_day}
    changes = Changes(by=by, at=at, reason=because, keeps_rank=True)
    lines: dict[tuple[int | None, int, date], Outcome] = {}
    for key, was in cancelled.items():
        booking = rows.get(key)
        if booking is None:
            continue
        (shelf,) = shelves_of([booking])
        wanted = slots_of(slots.get(shelf, ()), booking.formula)
        custody = custodies.get((booking.child_id, booking.household_id))
        origin = booking.reservation
        reason = ""
        passed: set[Override] = set()
        if booking.state not in over:
            reason = BOOKED_AGAIN
        elif booking.day < today and Override.DEADLINE not in overrides:
            reason = DAY_PAST
        elif custody is None or not custody.holds_on(booking.day):
            reason = CHILD_GONE
        elif not booking.enrolment.is_accepted:
            reason = NOT_ENROLLED
        elif was == BookingState.CANCEL_REQUESTED and key not in halves:
            reason = ASKED_TO_CANCEL
        elif was == BookingState.HELD:
            reason = NEVER_PAID
        elif was == BookingState.REQUESTED and origin is not None and origin.is_change:
            reason = CHANGE_ASKED
        elif reason := stands(booking):
            pass
        elif wanted is None or any(slot.closed for slot in wanted):
            reason = NO_SLOT
        elif any((slot.day, slot.part) in busy[booking.child_id] for slot in wanted):
            reason = OTHERWISE
        elif was in HOLDING and not fits(wanted, taken):
            if Override.CAPACITY in overrides:
                changes.force(booking, force(wanted, taken))
                passed = {Override.CAPACITY}
            else:
                reason = FULL_AGAIN
        if reason or wanted is None:
            found.left[key] = reason
            continue
        busy[booking.child_id].update((slot.day, slot.part) for slot in wanted)
        passed |= {Override.DEADLINE} if booking.day < today else set()
        passed |= set((also or {}).get(key, ()))
        if passed:
            changes.reasons[id(booking)] = overrides.said(passed)
        state = BookingState.ACCEPTED if was in HOLDING else was
        if state == BookingState.ACCEPTED:
            changes.grant(booking, wanted, known=())
        else:
            changes.move(booking, state)
            changes.placed.append((booking, wanted))
        lines[booking.reservation_id, booking.formula_id, booking.day] = OUTCOMES[state]
        found.back.append(key)
    changes.write()
    giving_up.taken_again(changes.moved[BookingState.ACCEPTED])
    _restore_lines(lines, over)
    return found, rows


def _asked_to_leave(bookings: Iterable[Booking]) -> set[int]:
    """Of these, what was asked to be left for another formula: it stood for what it is."""
    rows = {(one.household_id, one.child_id, one.formula_id, one.day): one.pk for one in bookings}
    lines = ReservationLine.objects.filter(
        reservation__is_change=True,
        reservation__child__in={child for _, child, _, _ in rows},
        action=Action.CANCEL,
        outcome=Outcome.CANCELLED,
        day__in={day for _, _, _, day in rows},
    ).values_list("reservation__household_id", "reservation__child_id", "formula_id", "day")
    return {rows[line] for line in lines if line in rows}


def _restore_lines(
    outcomes: Mapping[tuple[int | None, int, date], Outcome], over: Collection[BookingState]
) -> None:
    """Lines that asked for what stands again say so, and their reservations with them."""
    keys = {reservation for reservation, _, _ in outcomes if reservation}
    list(Reservation.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk"))
    asked = ReservationLine.objects.filter(
        reservation__in=keys,
        day__in={day for _, _, day in outcomes},
        action=Action.BOOK,
        outcome__in=[Outcome(state.value) for state in over],
    )
    restored = []
    for line in asked:
        outcome = outcomes.get((line.reservation_id, line.formula_id, line.day))
        if outcome is not None:
            line.outcome, line.reason = outcome, ""
            restored.append(line)
    save_outcomes(restored)
    restate(keys)


# Waiting lists --------------------------------------------------------------------------------------------


@transaction.atomic
def promote(freed: Collection[int], *, at: datetime) -> list[Booking]:
    """Gives freed places to the first waiting children, at once, or offers them where the activity does.

    `freed` are ids of slots that lost somebody, locked by the caller. The first in order of arrival for
    whom every slot of the formula has room is accepted, and so on until nobody fits. Nobody gets a place past
    the moment when he could still cancel that day, unless he waits until the day itself; nor without the
    papers that stop a day from being booked: he keeps his rank, and the next one is served. Returns those who
    have a place now, given or offered.
    """
    changes = Changes(by=None, at=at)
    changes.freed.update(freed)
    return finish(changes)


@transaction.atomic
def serve(household: int, child: int | None, /, *, at: datetime) -> list[Booking]:
    """Looks again at the days that a child waits for in any of its homes, or a household's children (keys),
    once what kept places from them is there: where one is free, the first of those who wait has it."""
    waiting = Booking.objects.waiting().filter(day__gte=timezone.localdate(at))
    waiting = waiting.filter(household=household) if child is None else waiting.filter(child=child)
    slots = _lock_slots(shelves_of(waiting))
    places = _places_of(list(waiting.all()), slots)
    changes = Changes(by=None, at=at)
    changes.freed.update(slot.pk for its in places.values() for slot in its)
    return finish(changes)


def _promote(freed: Collection[int], *, at: datetime, told: Collection[int] = ()) -> list[Booking]:
    """As `promote`. Of the bookings `told` (keys) another letter says that they have their place; an offer
    has one of its own, where it is answered."""
    if not freed:
        return []
    waiting = list(
        Booking.objects.waiting()
        .filter(places__slot__in=freed, day__gte=timezone.localdate(at))
        .select_related(
            "activity", "enrolment", "establishment", "formula", "household", "reservation__period"
        )
        .distinct()
    )
    wishes = [
        Wish(
            one.household_id,
            one.child_id,
            one.activity,
            one.enrolment.school_year_id,
            frozenset([one.day]),
            one.enrolment_id,
        )
        for one in waiting
    ]
    held_back = {
        one.pk
        for one, missing in zip(waiting, unmet(wishes, at), strict=True)
        if any(each.is_whole for each in missing)
    }
    slots = _lock_slots(shelves_of(waiting))
    places = _places_of(waiting, slots)
    taken = {slot.pk: slot.taken for of_day in slots.values() for slot in of_day}
    changes = Changes(by=None, at=at, reason="Une place s'est libérée.")
    calls = LastCalls(waiting, at)
    given, offered = [], []
    for booking in waiting:
        wanted = places[booking.pk]
        if booking.pk in held_back or any(slot.closed for slot in wanted):
            continue
        last = calls.of(booking)
        if last is None or not fits(wanted, taken):
            continue
        period = booking.reservation.period_id if booking.reservation else None
        if hours := booking.activity.offer_hours or money_first.offer_hours(booking.activity_id, period):
            changes.offer(booking, wanted, offered_until(hours, last, at))
            offered.append(booking)
        else:
            changes.grant(booking, wanted)
            given.append(booking)
    changes.write()
    giving_up.taken_again(given)
    for household_id, booking_ids in by_household(one for one in given if one.pk not in told).items():
        post_after(tasks.tell_promoted, household_id, booking_ids)
    for household_id, booking_ids in by_household(offered).items():
        post_after(tasks.tell_offered, household_id, booking_ids)
    for hour in {booking.offered_until for booking in offered}:
        if hour is not None:
            transaction.on_commit(partial(tasks.let_offers_go_at, hour), robust=True)
    return [*given, *offered]


@transaction.atomic
def take_offer(booking: Booking, *, by: User, at: datetime) -> Cart | None:
    """« Oui, je prends »: the place that was kept for the child is its own or, where it is paid before, waits
    in the cart that is answered. Told again, changes nothing.

    Raises BookingRefused once the hour has passed, or when the child cannot come any more.
    """
    held, _, custody = _hold(booking, at)
    if held.state in HOLDING or held.state == BookingState.HELD:
        return Cart.objects.open().filter(days__booking=held.pk).first()
    if not held.is_offered(at):
        raise BookingRefused(NO_LONGER_OFFERED)
    if not custody.holds_on(held.day):
        raise BookingRefused(LIVES_ELSEWHERE)
    missing = in_the_way(held.enrolment, [held.day], at)
    check_enrolment(held.enrolment, books=True, unmet=missing)
    owed, price, period = money_first.Owed(), money_first.ZERO, period_of(held)
    if period is not None:
        owed = money_first.Owed.load(held.enrolment, period, [held.day])
        price = owed.price(held.formula_id, held.day, late=held.late)
        choice = Choice(held.formula_id, held.day)
        price = price if owed.by_account else owed.numbered({choice: price})[choice]
    if owed.by_account:
        money_first.demand_cover(held.household_id, held.activity_id, price)
    pays = price > 0 and not owed.by_account
    changes = Changes(by=by, at=at, reason="La place proposée est prise.")
    changes.take_up(held, BookingState.HELD if pays else BookingState.ACCEPTED)
    changes.write()
    cart = keep_in_cart([(held, price)], owed, by, at) if pays else None
    finish(changes)
    return cart


@transaction.atomic
def leave_list(booking: Booking, *, by: User, at: datetime) -> None:
    """A family waits no more for a day, or does not take the place offered, which goes to the next one.

    Raises BookingRefused where the day is neither waited for nor offered any more.
    """
    held, _, _ = _hold(booking, at)
    if held.state not in (BookingState.WAITLISTED, BookingState.OFFERED):
        raise BookingRefused(NO_LONGER_WAITING)
    declined = held.state == BookingState.OFFERED
    reason = "La place proposée n'est pas prise." if declined else "La famille quitte la liste d'attente."
    changes = Changes(by=by, at=at, reason=reason)
    changes.move(held, BookingState.CANCELLED)
    changes.write()
    finish(changes)


@transaction.atomic
def wait_until_the_day(booking: Booking, wanted: bool, *, by: User, at: datetime) -> list[Booking]:
    """A waiting family says whether a place is to be given to it up to the day itself, or only as long as it
    could still cancel. Where a place is free already, it is given at once: returns who has one now.

    Raises BookingRefused where the day is not waited for any more.
    """
    held, slots, _ = _hold(booking, at)
    if held.state != BookingState.WAITLISTED:
        raise BookingRefused(NO_LONGER_WAITING)
    Booking.objects.filter(pk=held.pk).update(until_the_day=wanted, changed_at=at)
    changes = Changes(by=by, at=at)
    if wanted:
        changes.freed.update(slot.pk for slot in slots)
    return finish(changes)


def _hold(booking: Booking, at: datetime) -> tuple[Booking, list[Slot], Custody]:
    """The booking as it stands under lock, with the slots it concerns and its custody. Raises BookingRefused
    where the child does not live in its household today."""
    custody = homes.held(booking.child_id, booking.household_id)
    if money_first.accounts():
        Household.objects.lock([booking.household_id], rows_may_come=True)
    slots = _lock_slots(shelves_of([booking]))
    held = _with_enrolment().get(pk=booking.pk)
    if custody is None or not custody.holds_on(timezone.localdate(at)):
        raise BookingRefused(homes.gone_sentence(held.enrolment.child))
    return held, _places_of([held], slots)[held.pk], custody


def let_offers_go(*, at: datetime) -> int:
    """Places whose hour has passed without an answer go to the next one; returns how many.

    Each in its own transaction: one that cannot be let go keeps no other.
    """
    late = Booking.objects.offered().filter(offered_until__lte=at)
    return sum(_let_go(pk, at) for pk in late.order_by("offered_until", "pk").values_list("pk", flat=True))


@transaction.atomic
def _let_go(booking_id: int, at: datetime) -> bool:
    found = Booking.objects.offered().filter(pk=booking_id).first()
    if found is None:
        return False
    _lock_slots(shelves_of([found]))
    late = Booking.objects.offered().filter(pk=booking_id, offered_until__lte=at).first()
    if late is None:  # answered meanwhile
        return False
    changes = Changes(by=None, at=at, reason=NOT_ANSWERED)
    changes.move(late, BookingState.CANCELLED)
    changes.write()
    finish(changes)
    post_after(tasks.tell_let_go, late.household_id, [late.pk])
    return True


def _waiting_among(lines: Iterable[ReservationLine]) -> QuerySet[ReservationLine]:
    """Those of `lines` that wait for an answer or a place, in order of arrival; of a change, both halves."""
    asked = list(lines)
    whole = Q(reservation__is_change=True, reservation__in={line.reservation_id for line in asked})
    return (
        ReservationLine.objects.filter(
            Q(pk__in=[line.pk for line in asked]) | whole,
            outcome__in=STILL_ASKED,
        )
        .select_related("reservation__enrolment__activity", "formula")
        .order_by("reservation__submitted_at", "reservation_id", "day", "pk")
    )


def _lock_waiting(
    lines: Iterable[ReservationLine],
) -> tuple[list[ReservationLine], dict[int, Booking], dict[Shelf, list[Slot]]]:
    """The lines that still wait for an answer, in order of arrival; their bookings; the slots, locked."""
    asked = _waiting_among(lines)
    slots = _lock_slots(shelves_of(_bookings_of(list(asked)).values()))
    # Read again: before the lock was ours, somebody else may have answered, promoted or cancelled.
    waiting = list(asked.all())
    return waiting, _bookings_of(waiting), slots


def _bookings_of(lines: Sequence[ReservationLine]) -> dict[int, Booking]:
    """The live booking each line speaks of, by line id."""
    bookings = {
        (booking.household_id, booking.child_id, booking.formula_id, booking.day): booking
        for booking in Booking.objects.live().filter(
            child__in={line.reservation.child_id for line in lines},
            formula__in={line.formula_id for line in lines},
            day__in={line.day for line in lines},
        )
    }
    keys = {
        line.pk: (line.reservation.household_id, line.reservation.child_id, line.formula_id, line.day)
        for line in lines
    }
    return {line_id: bookings[key] for line_id, key in keys.items() if key in bookings}


def by_household(bookings: Iterable[Booking]) -> dict[int, list[int]]:
    """Booking ids of each household: one letter each."""
    ids: dict[int, list[int]] = defaultdict(list)
    for booking in bookings:
        ids[booking.household_id].append(booking.pk)
    return ids


def post_after(letter: Task[..., None], *args: Any) -> None:
    """After the commit, the letter; a queue that is down does not undo what is recorded."""
    tasks.after_commit(letter, *args, robust=True)


def _refuse_line(line: ReservationLine, reason: str) -> None:
    line.outcome = Outcome.REFUSED
    line.reason = reason


def finish(changes: Changes, answered: Sequence[ReservationLine] = ()) -> list[Booking]:
    """The end of every act: freed places go to those who wait, then lines and reservations follow.

    `answered` lines were decided by the town hall. Returns the bookings promoted.
    """
    giving_up.taken_again([one for one, _ in changes.created] + changes.moved[BookingState.ACCEPTED])
    told = {one.pk for one, _ in changes.created} if changes.tells else ()
    promoted = _promote(changes.freed, at=changes.at, told=told)
    followed = lines_following(changes, promoted)
    decided: dict[int, list[int]] = defaultdict(list)
    for line in answered:
        decided[line.reservation_id].append(line.pk)
    touched = {*decided, *(line.reservation_id for line in followed)}
    if touched:
        list(Reservation.objects.select_for_update(no_key=True).filter(pk__in=touched).order_by("pk"))
        save_outcomes([*answered, *followed])
        restate(touched)
    if decided:
        Reservation.objects.filter(pk__in=decided).update(decided_by=changes.by, decided_at=changes.at)
    for reservation_id, line_ids in decided.items():
        post_after(tasks.tell_decided, reservation_id, line_ids)
    return promoted
