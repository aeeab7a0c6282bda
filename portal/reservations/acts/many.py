"""Days of many children at once: foreseen, recorded, taken back, by the rules and locks of `booking.py`, of
whose writing this is a part. Asks the database for the lot, not for each child.

    foresee_many(wishes, formula, …)          what would become of each, said in it; only reads
    record_many(wishes, formula, reason=…)    a reservation of each child, place and period
    take_back_many(restored, booked, …)       the way back
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import transaction
from django.db.models import OuterRef
from django.utils import timezone
from simple_history.utils import bulk_create_with_history

from families.custody import own
from families.models import Custody, User
from portal.french.sentences import lower_first
from portal.reservations.acts import overriding, tasks
from portal.reservations.acts.booking import (
    CHILD_GONE,
    HANDED_OVER_AS,
    NOT_ENROLLED,
    Submission,
    by_home,
    by_household,
    check_enrolment,
    custodies_of,
    finish,
    hold_children,
    let_fall,
    post_after,
    stand_again,
    tell_recorded,
    withdraw,
)
from portal.reservations.acts.conditions import Unmet, unmet
from portal.reservations.acts.conditions import Wish as PlaceWish
from portal.reservations.acts.outcomes import state_of
from portal.reservations.acts.overriding import NONE, Overrides
from portal.reservations.acts.places import (
    Changes,
    _lock_slots,
    _places_of,
    _read_slots,
    shelves_of,
)
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.day_rules import wording
from portal.reservations.days import day_rule_book
from portal.reservations.days.calendars import MARGIN, OpenDays, Pupil
from portal.reservations.days.deadline_book import DeadlineBook
from portal.reservations.days.limits import Limits
from portal.reservations.days.standing import Closed, Desk, Where, accounts_closed
from portal.reservations.models import (
    Activity,
    Booking,
    Enrolment,
    Establishment,
    Formula,
    Period,
    Reservation,
    ReservationLine,
    Slot,
)
from portal.reservations.states import (
    LIVE,
    Action,
    Became,
    BookingState,
    Outcome,
    Override,
)


@dataclass(eq=False)
class Wish:
    """What the town hall wants of a day of a child, among others of one formula, and what becomes of it.

    `day` is booked; or cancelled, as `cancels` says; or left for the day `instead`, both or neither.
    """

    enrolment: int
    day: date
    cancels: bool = False
    instead: date | None = None
    place: Establishment | None = None  # where the child has none of its own
    became: Became = Became.WAITS
    why: str = ""
    left: Booking | None = None
    state_before: str = ""
    taken: Booking | None = None


# What is passed over for an enrolment, whatever its days.
OF_ENROLMENTS = {Override.PAPERS, Override.ARREARS, Override.PAYMENT, Override.OVERSIGHTS}
# Of a day to book that is not booked at once.
BECAME = {Outcome.REQUESTED: Became.ASKED, Outcome.WAITLISTED: Became.QUEUED}
ALREADY_BOOKED = "Déjà réservé."
BOOKED_BY_OTHER_HOME = "Déjà réservé par l'autre foyer."
NOTHING_BOOKED = "Rien n'est réservé ce jour-là."
NO_PERIOD = "Ce jour n'est dans aucune période."
NO_PLACE_SAID = "Aucun lieu n'est choisi pour cet enfant."
FULL = "Complet."
ASKED_FIRST = "Hors délai : ce jour se demande seulement."


def foresee_many(
    wishes: Sequence[Wish],
    formula: Formula,
    *,
    by: User,
    at: datetime,
    overrides: Overrides = NONE,
    waits: bool = False,
) -> None:
    """What `record_many` would make of `wishes` at this moment, said in each. Only reads, in a number of
    queries that the children do not add to."""
    _Many(wishes, formula, by=by, at=at, overrides=overrides, waits=waits, holds=False).decide()


@transaction.atomic
def record_many(
    wishes: Sequence[Wish],
    formula: Formula,
    *,
    reason: str,
    by: User,
    at: datetime,
    overrides: Overrides = NONE,
    waits: bool = False,
    tell: bool = True,
) -> list[Reservation]:
    """The town hall books, cancels or moves days of a formula for many children: a reservation of each child,
    place and period, with the letter of each household. First come first served in the order of `wishes`;
    with `waits`, who finds a day to come full waits for it, where the activity has a waiting list.

    What is refused, wherever the reason lies (no right at that place, the agent's own household, a rule, no
    place), stays as it is and says why in its wish. Takes queries for the lot, none for each child.
    """
    many = _Many(wishes, formula, by=by, at=at, overrides=overrides, waits=waits, holds=True)
    many.decide()
    recorded = many.record(reason)
    if tell:
        of_home: dict[int, list[Reservation]] = defaultdict(list)
        for one in recorded:
            of_home[one.household_id].append(one)
        for reservations in of_home.values():
            tell_recorded(reservations)
    return recorded


class Rules:
    """The rules of many enrolments of one activity, read for all of them: of a place and a period, once."""

    def __init__(
        self, enrolments: Collection[Enrolment], activity: Activity, *, at: datetime, desk: Desk
    ) -> None:
        self.enrolments, self.activity, self.at, self.desk = enrolments, activity, at, desk
        years = {one.school_year_id for one in enrolments}
        rows = Period.objects.filter(activity=activity, school_year__in=years).order_by("starts_on", "pk")
        self.periods = list(rows.prefetch_related("establishments"))
        for period in self.periods:
            period.activity = activity
        self.limits = Limits.of_many(activity, [(one.child, one.school_year_id) for one in enrolments])
        self.books: dict[int, DeadlineBook] = {}
        self.calendars: dict[tuple[int, int], dict[Pupil, OpenDays]] = {}

    def period_of(self, year: int, place: int, day: date) -> Period | None:
        """That of a day at a place (its key) in a year (its key)."""
        for period in self.periods:
            in_time = period.school_year_id == year and period.starts_on <= day <= period.ends_on
            if in_time and period.concerns(place):
                return period
        return None

    def where(self, enrolment: Enrolment, place: Establishment, period: Period) -> Where:
        """The rules for one of them."""
        if period.pk not in self.books:
            self.books[period.pk] = DeadlineBook.for_activity(self.activity, period)
        key = place.pk, period.pk
        if key not in self.calendars:
            pupils = {Pupil(one.child_id, one.school_year_id) for one in self.enrolments}
            self.calendars[key] = OpenDays.load_pupils(
                self.activity, place, period.starts_on, period.ends_on + MARGIN, pupils
            )
        days = self.calendars[key][Pupil(enrolment.child_id, enrolment.school_year_id)]
        limits = self.limits[enrolment.child_id]
        book = self.books[period.pk]
        return Where(enrolment, period, days, book, self.at, True, place.pk, limits, self.desk)


class _Many:
    """Decides the wishes of a lot, with everything read (and, to write, held) for all of them."""

    def __init__(
        self,
        wishes: Sequence[Wish],
        formula: Formula,
        *,
        by: User,
        at: datetime,
        overrides: Overrides,
        waits: bool,
        holds: bool,
    ) -> None:
        self.wishes, self.formula, self.by, self.at, self.overrides = wishes, formula, by, at, overrides
        self.waits = waits
        asked = {one.enrolment for one in wishes}
        children = set(Enrolment.objects.filter(pk__in=asked).values_list("child_id", flat=True))
        self.custodies = hold_children(children) if holds else by_home(custodies_of(children))
        # Read under lock: whoever ends an enrolment holds the child too.
        rows = Enrolment.objects.filter(pk__in=asked, activity=formula.activity_id)
        self.enrolments = rows.select_related(
            "activity", "household", "child__health", "establishment", "moves_to"
        ).in_bulk()
        days = {day for one in wishes for day in (one.day, one.instead) if day is not None}
        live = Booking.objects.live().filter(child__in=children, activity=formula.activity_id, day__in=days)
        live = live.select_related("reservation__period", "establishment")
        shelves = shelves_of(live) | {
            (formula.activity_id, place.pk, day)
            for one in wishes
            for day in (one.day, one.instead)
            if day is not None and (place := self._place(one, day)) is not None
        }
        self.slots = _lock_slots(shelves) if holds else _read_slots(shelves)
        standing = list(live.all())
        self.places = _places_of(standing, self.slots)
        self.standing: dict[int, list[Booking]] = defaultdict(list)
        self.booked: dict[tuple[int, date], Booking] = {}  # of the formula, by child and day
        for booking in standing:
            self.standing[booking.child_id].append(booking)
            if booking.formula_id == formula.pk:
                self.booked[booking.child_id, booking.day] = booking
        activities = Activity.objects.annotate(counted=day_rule_book.counted(OuterRef("pk")))
        activity = activities.get(pk=formula.activity_id)
        self.counted = activity.counted
        self.formulas = {one.pk: one for one in activity.formulas.all()}
        for enrolment in self.enrolments.values():
            enrolment.activity = activity
        self.unmet = self._unmet()
        desk = overriding.desk(overrides.reasons, activity.pk)
        self.rules = Rules(list(self.enrolments.values()), activity, at=at, desk=desk)
        self._begin()
        self.barred: dict[int, str] = {}  # why not, by the place of a wish: too few days, or too many
        self.may: dict[int, str] = {}  # why not, by place
        self.own = own.households_of(by)
        self.why_own: dict[int, str] = {}  # by household

    def _place(self, wish: Wish, day: date) -> Establishment | None:
        enrolment = self.enrolments.get(wish.enrolment)
        return None if enrolment is None else enrolment.place_on(day) or wish.place

    def _unmet(self) -> dict[tuple[int, date], Sequence[Unmet]]:
        """What is missing for a day to be booked, by enrolment (its key) and day; asked for all at once."""
        places = {
            (one.enrolment, one.instead or one.day): PlaceWish.of(found, [one.instead or one.day])
            for one in self.wishes
            if not one.cancels and (found := self.enrolments.get(one.enrolment)) is not None
        }
        return dict(zip(places, unmet(list(places.values()), self.at), strict=True))

    def _begin(self) -> None:
        self.submissions: dict[tuple[int, int, int], Submission] = {}
        self.first_of: dict[int, Submission] = {}  # of each child
        self.lines: dict[Submission, list[ReservationLine]] = defaultdict(list)
        self.taken = {slot.pk: slot.taken for of_day in self.slots.values() for slot in of_day}

    def decide(self) -> None:
        self._decide_all()
        while self.counted and (barred := self._count_days()):
            # Without these others may have room, and others too few days: all anew, each time with less.
            self.barred |= barred
            self._begin()
            for wish in self.wishes:
                wish.became, wish.why, wish.state_before = Became.WAITS, "", ""
                wish.left = wish.taken = None
            self._decide_all()

    def _decide_all(self) -> None:
        for number, wish in enumerate(self.wishes):
            try:
                if number in self.barred:
                    raise BookingRefused(self.barred[number])
                self._decide(wish)
            except BookingRefused as refusal:
                already = isinstance(refusal, _Already)
                wish.became, wish.why = Became.ALREADY if already else Became.LEFT, str(refusal)

    def _count_days(self) -> dict[int, str]:
        """The wishes (their places) with which a child would have too few days, or too many; where that is
        passed over, it is noted of each day instead."""
        desks = list(self.submissions.values())
        found: dict[int, str] = {}
        if not desks:
            return found
        for desk, taken in zip(desks, day_rule_book.load([one.where for one in desks]), strict=True):
            desk.days_taken = taken
            if not (broken := desk.broken()):
                continue
            if Override.DAYS in self.overrides:
                desk.count_days(self.lines[desk])
                continue
            for number, wish in enumerate(self.wishes):
                days = {wish.day, wish.instead}
                mine = wish.enrolment == desk.where.enrolment.pk and (wish.left or wish.taken)
                if mine and (said := [one for one in broken if any(d in one.need.span for d in days if d)]):
                    found[number] = wording.all_broken(said)
        return found

    def _decide(self, wish: Wish) -> None:
        """Raises BookingRefused with why it stays as it is."""
        enrolment = self.enrolments.get(wish.enrolment)
        if enrolment is None or not enrolment.is_accepted:
            raise BookingRefused(NOT_ENROLLED)
        custody = self.custodies.get((enrolment.child_id, enrolment.household_id))
        if custody is None or not custody.holds_on(timezone.localdate(self.at)):
            raise BookingRefused(CHILD_GONE)
        self._check_own(enrolment.household_id)
        on_day = self.booked.get((enrolment.child_id, wish.day))
        if not wish.cancels and wish.instead is None:
            self._check_free(on_day, enrolment)
            self._book(wish, enrolment, custody, wish.day)
            return
        if on_day is None or on_day.household_id != enrolment.household_id:
            if wish.cancels:
                wish.became, wish.why = Became.ALREADY, NOTHING_BOOKED
                return
            raise BookingRefused(NOTHING_BOOKED)
        if wish.instead is not None:
            self._check_free(self.booked.get((enrolment.child_id, wish.instead)), enrolment)
        period = self.rules.period_of(enrolment.school_year_id, on_day.establishment_id, wish.day)
        if period is None and (origin := on_day.reservation) is not None:
            first, last = origin.period.starts_on, origin.period.ends_on
            period = origin.period if first <= wish.day <= last else None  # no longer offered there
        desk = self._submission(enrolment, custody, on_day.establishment, period)
        left = ReservationLine(formula_id=self.formula.pk, day=wish.day, action=Action.CANCEL)
        state = on_day.state
        desk.decide_cancel(left)
        if left.outcome == Outcome.REFUSED:
            raise BookingRefused(left.reason)
        if wish.instead is not None:
            try:
                if left.outcome == Outcome.REQUESTED or on_day.state in (
                    BookingState.OFFERED,
                    BookingState.HELD,
                ):
                    raise BookingRefused(ASKED_FIRST)
                self._book(wish, enrolment, custody, wish.instead, asks=False)
            except BookingRefused:
                if left.outcome == Outcome.ACCEPTED:
                    desk.stay(left)
                else:
                    del desk.ended[on_day]
                raise
        self.lines[desk].append(left)
        wish.left, wish.state_before = on_day, state
        if wish.cancels:
            wish.became = Became.ASKED if left.outcome == Outcome.REQUESTED else Became.DONE
            wish.why = left.reason

    def _check_own(self, household: int) -> None:
        if household not in self.own:
            return
        if household not in self.why_own:
            try:
                own.check(self.by, {household}, right=overriding.ACTS, at=self.at)
                self.why_own[household] = ""
            except own.OwnHousehold as refusal:
                self.why_own[household] = str(refusal)
        if self.why_own[household]:
            raise BookingRefused(self.why_own[household])

    def _check_place(self, place: Establishment) -> None:
        if place.pk not in self.may:
            try:
                overriding.demand_to_act(self.by, place)
                overriding.demand(self.overrides, by=self.by, place=place)
                self.may[place.pk] = ""
            except BookingRefused as refusal:
                self.may[place.pk] = str(refusal)
        if self.may[place.pk]:
            raise BookingRefused(self.may[place.pk])

    def _check_free(self, booked: Booking | None, enrolment: Enrolment) -> None:
        if booked is None:
            return
        ours = booked.household_id == enrolment.household_id
        said = f"{ALREADY_BOOKED[:-1]} : {lower_first(booked.get_state_display())}."
        if booked.state == BookingState.ACCEPTED:
            said = ALREADY_BOOKED
        raise _Already(said if ours else BOOKED_BY_OTHER_HOME)

    def _book(
        self, wish: Wish, enrolment: Enrolment, custody: Custody, day: date, *, asks: bool = True
    ) -> None:
        place = self._place(wish, day)
        if place is None:
            raise BookingRefused(NO_PLACE_SAID)
        missing = self.unmet.get((enrolment.pk, day), ())
        passed = check_enrolment(enrolment, books=True, unmet=missing, overrides=self.overrides)
        period = self.rules.period_of(enrolment.school_year_id, place.pk, day)
        desk = self._submission(enrolment, custody, place, period)
        # A day that moves keeps its place rather than wait for another; nobody waits for a day gone by.
        waits = self.waits and wish.instead is None and day >= timezone.localdate(self.at)
        line = ReservationLine(formula_id=self.formula.pk, day=day, action=Action.BOOK, accepts_waiting=waits)
        lost, made = len(desk.lost), len(desk.new)
        desk.decide_book(line)
        if len(desk.lost) > lost:
            desk.lost.pop()
            raise BookingRefused(FULL)
        if line.outcome == Outcome.REFUSED:
            raise BookingRefused(line.reason)
        ((booking, slots),) = desk.new[made:]
        if line.outcome == Outcome.REQUESTED and not asks:
            desk.new.pop()
            desk.busy.difference_update((slot.day, slot.part) for slot in slots)
            desk.over.pop(id(booking), None)
            desk.reasons.pop(id(booking), None)
            raise BookingRefused(ASKED_FIRST)
        desk.used |= passed
        self.lines[desk].append(line)
        wish.taken = booking
        wish.became = BECAME.get(Outcome(line.outcome), Became.DONE)
        wish.why = line.reason

    def _submission(
        self, enrolment: Enrolment, custody: Custody, place: Establishment, period: Period | None
    ) -> Submission:
        self._check_place(place)
        if period is None:
            raise BookingRefused(NO_PERIOD)
        key = enrolment.pk, place.pk, period.pk
        if key not in self.submissions:
            reservation = Reservation(
                household_id=enrolment.household_id,
                child_id=enrolment.child_id,
                enrolment=enrolment,
                establishment=place,
                period=period,
                at_desk=True,
                created_by=self.by,
                created_at=self.at,
                touched_at=self.at,
                submitted_at=self.at,
            )
            of_child = self.standing[enrolment.child_id]
            found = Submission(
                reservation,
                custody,
                self.rules.where(enrolment, place, period),
                self.slots,
                self.formulas,
                of_child,
                self.places,
                self.overrides,
                self.first_of.get(enrolment.child_id),
                self.taken,
            )
            self.first_of.setdefault(enrolment.child_id, found)
            self.submissions[key] = found
        return self.submissions[key]

    def record(self, reason: str) -> list[Reservation]:
        """Writes what was decided."""
        changes = Changes(by=self.by, at=self.at, reason=reason, tells=True)
        made = {desk: lines for desk, lines in self.lines.items() if lines}
        if not made:
            return []
        for desk, lines in made.items():
            # What a line that came to nothing had passed over does not count.
            used = desk.used & OF_ENROLMENTS
            for over in desk.over.values():
                used |= over
            desk.reservation.desk_reason = desk.overrides.said(used) or f"{reason.rstrip('.')}."
            desk.reservation.state = state_of(lines)
        reservations = [desk.reservation for desk in made]
        bulk_create_with_history(reservations, Reservation, default_user=self.by)
        new: list[tuple[Booking, list[Slot]]] = []
        for desk, lines in made.items():
            key = desk.reservation.pk
            for line in lines:
                line.reservation = desk.reservation
                line.reason = line.reason or reason
            for booking, state in desk.ended.items():
                changes.move(booking, state)
                changes.asked_by[id(booking)] = key
            for booking, slots in desk.beyond:
                changes.force(booking, slots)
            for booking, _ in desk.new:
                booking.reservation_id = key
                changes.asked_by[id(booking)] = key
            changes.reasons |= desk.reasons
            new += desk.new
        ReservationLine.objects.bulk_create(line for lines in made.values() for line in lines)
        changes.create(new)
        let_fall(changes)
        changes.write()
        finish(changes)
        return reservations


class _Already(BookingRefused):
    """Nothing is to be done: it is so already."""


@dataclass
class TakenBack:
    """What a lot's way back did: keys of bookings that stand again; of those that stay as they are, why."""

    back: set[int] = field(default_factory=set)
    left: dict[int, str] = field(default_factory=dict)


HAS_COME = "L'enfant est pointé ce jour-là."
CHANGED_SINCE = "Déjà annulé ou refusé depuis."


@transaction.atomic
def take_back_many(
    restored: Mapping[int, BookingState],
    booked: Mapping[int, int | None],
    formula: Formula,
    *,
    reason: str,
    by: User,
    at: datetime,
    tell: bool = True,
) -> TakenBack:
    """The way back of `record_many`: what it cancelled (key → its state before) stands again where there is
    room, what it booked is cancelled free of charge. `booked` is key → the key of `restored` that has to
    stand again first, where that day had moved; None else.

    A day gone by goes back for who may pass over its deadline, as long as its accounts are open; one on which
    the child has come stays. Takes queries for the lot, none for each child.
    """
    rows = Booking.objects.select_related("establishment").filter(pk__in={*restored, *booked})
    # All at once, in the order of every verb: what follows takes its own again.
    hold_children(set(rows.values_list("child_id", flat=True)))
    _lock_slots(shelves_of(rows))
    known = {one.pk: one for one in rows.all()}
    activity = Activity.objects.get(pk=formula.activity_id)
    # They stood there: whom the activity takes was asked, or passed over, when they were booked.
    desk = overriding.desk((Override.DEADLINE, Override.LIMITS), activity.pk)
    stands = _StoodThere(known, activity, at=at, desk=desk)
    may = _MayTakeBack(by, at, desk.closed_until)
    come = set(rows.filter(attendance__isnull=False).values_list("pk", flat=True))

    done = TakenBack()
    for key, one in known.items():
        over = key in booked and one.state not in LIVE
        if why := CHANGED_SINCE if over else may(one) or (HAS_COME if key in come else ""):
            done.left[key] = why
    # Of a day that moved both go back, or neither.
    kept = {first for key, first in booked.items() if first is not None and key in done.left}
    found, stood = stand_again(
        # What was offered is waited for.
        {
            key: HANDED_OVER_AS.get(state, state)
            for key, state in restored.items()
            if key in known and key not in done.left and key not in kept
        },
        by=by,
        at=at,
        stands=stands,
        reason=reason,
        # Of a day gone by `may` was asked.
        overrides=Overrides({Override.DEADLINE: reason}),
    )
    done.back, done.left = set(found.back), done.left | found.left
    goes = [
        known[key]
        for key, first in booked.items()
        if key in known and key not in done.left and (first is None or first in done.back)
    ]
    withdraw(goes, by=by, at=at, reason=reason, tell=tell)
    for household_id, ids in by_household(stood[key] for key in found.back).items() if tell else ():
        post_after(tasks.tell_put_back, household_id, ids, [], reason)
    return done


class _StoodThere:
    """Why a day of a lot does not take place any more, whatever its deadline; nothing where it does."""

    def __init__(self, known: Mapping[int, Booking], activity: Activity, *, at: datetime, desk: Desk) -> None:
        self.known = known
        rows = Enrolment.objects.filter(pk__in={one.enrolment_id for one in known.values()})
        rows = rows.select_related("household", "child__health", "establishment", "moves_to")
        self.enrolments = {one.pk: one for one in rows}
        for enrolment in self.enrolments.values():
            enrolment.activity = activity
        self.rules = Rules(list(self.enrolments.values()), activity, at=at, desk=desk)

    def __call__(self, one: Booking) -> str:
        enrolment, place = self.enrolments[one.enrolment_id], self.known[one.pk].establishment
        period = self.rules.period_of(enrolment.school_year_id, place.pk, one.day)
        if period is None:
            return NO_PERIOD
        answer = self.rules.where(enrolment, place, period).booking(one.formula_id, one.day)
        return answer.reason if isinstance(answer, Closed) else ""


class _MayTakeBack:
    """Why somebody may not change a booked day back; nothing where one may. Asks once for each place."""

    def __init__(self, by: User, at: datetime, closed_until: date | None) -> None:
        self.by, self.at, self.closed_until = by, at, closed_until
        self.today = timezone.localdate(at)
        self.own = own.households_of(by)
        self.places: dict[int, tuple[str, bool]] = {}

    def __call__(self, one: Booking) -> str:
        if one.household_id in self.own:
            return own.SOMEBODY_ELSE
        if one.establishment_id not in self.places:
            why = ""
            try:
                overriding.demand_to_act(self.by, one.establishment)
            except BookingRefused as refusal:
                why = str(refusal)
            past = Override.DEADLINE in overriding.allowed(self.by, one.establishment)
            self.places[one.establishment_id] = why, past
        why, past = self.places[one.establishment_id]
        if why or one.day >= self.today:
            return why
        if self.closed_until is not None and one.day <= self.closed_until:
            return accounts_closed(self.closed_until)
        return "" if past else overriding.without_right(Override.DEADLINE)
