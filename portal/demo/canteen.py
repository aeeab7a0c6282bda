"""The demo's canteen: enrolments, reservations and what became of them, for weeks past and to come.

Written in bulk, so it keeps by hand the promises that `booking.py` keeps: a place a live booking and slot,
`Slot.taken` equal to the bookings that hold a place, an event for every change of state.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from random import Random

from django.utils import timezone

from families.models import Diet, DietChoice, HomeDiet, User
from portal.demo.people import DemoChild, DemoHome, People
from portal.demo.rows import Table, reset_sequences
from portal.french.weekdays import mask_of
from portal.reservations.days.calendars import OpenDays
from portal.reservations.days.deadline_book import DeadlineBook
from portal.reservations.deadlines.decisions import Standing, decide
from portal.reservations.models import (
    Activity,
    Booking,
    BookingEvent,
    Enrolment,
    Establishment,
    Period,
    Place,
    Reservation,
    ReservationLine,
    SchoolClass,
    SchoolYear,
    Slot,
)
from portal.reservations.states import (
    HOLDING,
    LIVE,
    Action,
    BookingState,
    EnrolmentState,
    Outcome,
    ReservationState,
)

# How far families' bookings go ahead.
AHEAD = timedelta(days=75)
# The two days that the demo promises are at least that far away, so that they stay open to reservation.
PROMISED_AFTER = timedelta(days=9)
WAITING = 5
# Families send their requests in the evening.
EVENING = time(20, 40)

TOO_LATE = "Le repas de ce jour était déjà commandé."


@dataclass(frozen=True)
class Promised:
    """The two coming days that the demo promises, at one restaurant."""

    restaurant: Establishment
    full: date
    three_left: date


@dataclass
class Seat:
    """An accepted enrolment: who eats where, on which weekdays."""

    enrolment: Enrolment
    pupil: DemoChild
    home: DemoHome
    weekdays: tuple[int, ...]
    # Of alternating custody: the parity of the weeks at this home.
    parity: int | None = None

    @property
    def place(self) -> int:
        """Where the child is enrolled: nobody of the demo left it open."""
        place = self.enrolment.establishment_id
        if place is None:
            raise ValueError(f"{self.enrolment} names no place")
        return place

    def eats_on(self, day: date) -> bool:
        if day.weekday() not in self.weekdays:
            return False
        return self.parity is None or day.isocalendar().week % 2 == self.parity


class Canteen:
    """One school year of the canteen, from `since` on and as far as it reaches into the weeks to come."""

    def __init__(
        self,
        *,
        year: SchoolYear,
        activity: Activity,
        people: People,
        classes: dict[int, SchoolClass],
        rng: Random,
        at: datetime,
        since: date,
    ) -> None:
        self.year = year
        self.activity = activity
        self.formula = activity.formulas.get()
        self.periods = list(activity.periods.filter(school_year=year).order_by("starts_on"))
        self.people = people
        self.classes = classes
        self.rng = rng
        self.at = at
        self.today = timezone.localdate(at)
        self.first = max(year.starts_on, since)
        self.last = min(year.ends_on, self.today + AHEAD)
        self.restaurants = list(activity.establishments.prefetch_related("schools"))
        self.calendars = OpenDays.load_many(activity, self.restaurants, self.first, self.last)
        self.days = {pk: calendar.days(self.first, self.last) for pk, calendar in self.calendars.items()}
        slots = Slot.objects.filter(activity=activity, day__range=(year.starts_on, year.ends_on))
        self.slots = {(slot.establishment_id, slot.day): slot for slot in slots}
        self.taken: Counter[int] = Counter()
        self.seats: list[Seat] = []
        self.spared: dict[date, set[int]] = defaultdict(set)
        self.booked: dict[int, set[date]] = defaultdict(set)
        self.promised: Promised | None = None
        self.reservations = Table(
            Reservation,
            "household child enrolment establishment period state created_by created_at touched_at "
            "submitted_at refusal_reason decided_at decided_by".split(),
        )
        self.lines = Table(
            ReservationLine, "reservation formula day action accepts_waiting late outcome reason".split()
        )
        self.bookings = Table(
            Booking,
            "household child enrolment reservation activity establishment formula day state late "
            "waiting_since changed_at".split(),
        )
        self.places = Table(Place, ["booking", "slot", "child"])
        self.events = Table(BookingEvent, ["booking", "state", "at", "by", "reservation", "reason"])

    def period_of(self, day: date) -> Period:
        """The one that `day` of this year is reserved in."""
        return next((one for one in reversed(self.periods) if one.starts_on <= day), self.periods[0])

    # Enrolments

    def enrol(self) -> None:
        """Most children eat at the canteen; a few requests wait, a few were refused."""
        rng = self.rng
        by_school = {
            school.code: restaurant for restaurant in self.restaurants for school in restaurant.schools.all()
        }
        people = self.people
        certain = {
            id(pupil) for pupil in (*people.at_canteen, *people.neighbour.pupils, *people.large_family.pupils)
        }
        enrolments: list[Enrolment] = []
        plans: list[Seat] = []
        undecided = 0
        for pupil in self.people.pupils:
            if pupil is self.people.not_enrolled or pupil.child.pk not in self.classes:
                continue
            restaurant = by_school[pupil.school]
            for parity, home in enumerate(pupil.homes):
                chance = rng.random()
                state = EnrolmentState.ACCEPTED
                if id(pupil) not in certain:
                    if chance > 0.92:
                        continue
                    if chance > 0.88 or undecided < 2:
                        state = EnrolmentState.REQUESTED
                        undecided += 1
                    elif chance > 0.87:
                        state = EnrolmentState.REFUSED
                size = rng.choices((4, 3, 2, 1), (45, 20, 25, 10))[0]
                weekdays: tuple[int, ...] = (0, 1, 3, 4)
                if home is not self.people.parent:
                    weekdays = tuple(sorted(rng.sample(weekdays, size)))
                enrolment = Enrolment(
                    household=home.household,
                    child=pupil.child,
                    activity=self.activity,
                    establishment=restaurant,
                    school_year=self.year,
                    weekdays=mask_of(weekdays),
                    starts_on=self.year.starts_on,
                    state=state,
                    requested_by=home.user,
                )
                if state != EnrolmentState.REQUESTED:
                    enrolment.decided_by = self.people.agent
                    enrolment.decided_at = self.moment(
                        self.year.starts_on - timedelta(days=rng.randint(30, 75))
                    )
                else:
                    enrolment.starts_on = max(self.year.starts_on, self.today + timedelta(days=7))
                if state == EnrolmentState.REFUSED:
                    enrolment.refusal_reason = (
                        "Le dossier n'est pas complet : il manque l'attestation d'assurance."
                    )
                enrolments.append(enrolment)
                if state == EnrolmentState.ACCEPTED:
                    shared = len(pupil.homes) > 1
                    plans.append(Seat(enrolment, pupil, home, weekdays, parity if shared else None))
        Enrolment.objects.bulk_create(enrolments, batch_size=2000)
        mine = Enrolment.objects.filter(activity=self.activity, school_year=self.year)
        asked = self.moment(self.year.starts_on - timedelta(days=80))
        mine.exclude(state=EnrolmentState.REQUESTED).update(requested_at=min(asked, self.at))
        self.choose_diets(enrolments)
        self.seats = plans

    def choose_diets(self, enrolments: list[Enrolment]) -> None:
        """One a child, which each of its homes has said."""
        diets = list(Diet.objects.filter(active=True, needs_pai=False))
        with_pai = list(Diet.objects.filter(active=True, needs_pai=True))
        allergic = set(
            self.activity.enrolments.filter(child__health__has_pai=True, school_year=self.year).values_list(
                "child_id", flat=True
            )
        )
        weights = [max(100 - 45 * rank, 6) for rank in range(len(diets))]
        known = set(DietChoice.objects.values_list("child_id", flat=True))
        DietChoice.objects.bulk_create(
            (
                DietChoice(
                    child_id=child,
                    diet=self.rng.choice(with_pai)
                    if with_pai and child in allergic
                    else self.rng.choices(diets, weights)[0],
                )
                for child in dict.fromkeys(enrolment.child_id for enrolment in enrolments)
                if child not in known
            ),
            batch_size=2000,
        )
        eaten = dict(DietChoice.objects.values_list("child_id", "diet_id"))
        said = set(HomeDiet.objects.values_list("child_id", "household_id"))
        pairs = dict.fromkeys((one.child_id, one.household_id) for one in enrolments)
        HomeDiet.objects.bulk_create(
            (
                HomeDiet(child_id=child, household_id=home, diet_id=eaten[child])
                for child, home in pairs
                if (child, home) not in said
            ),
            batch_size=2000,
        )

    # The two promised days

    def promise(self) -> bool:
        """Chooses the full day and the one with three places left; False when none is left this year."""
        restaurant = self.people_restaurant()
        coming = self.standing_at(restaurant, Standing.ON_TIME)
        if coming:  # both in one period, so that one reservation may hold them
            period = self.period_of(max(coming[0], min(coming[-1], self.today + PROMISED_AFTER)))
            coming = [day for day in coming if self.period_of(day) == period]
        later = [day for day in coming if day >= self.today + PROMISED_AFTER]
        chosen = later[:2] if len(later) >= 2 else coming[-2:]
        if len(chosen) < 2:
            return False
        self.promised = Promised(restaurant, *chosen)
        nearby = [seat for seat in self.seats if seat.place == restaurant.pk]
        known = [seat for seat in nearby if seat.home in (self.people.parent, self.people.neighbour)]
        strangers = [seat for seat in nearby if not set(map(id, seat.pupil.homes)) & self.known_homes()]
        for seat in known:
            for day in chosen:
                self.spared[day].add(seat.pupil.child.pk)
        for seat in strangers[:WAITING]:
            self.spared[self.promised.full].add(seat.pupil.child.pk)
        self.waiting = strangers[:WAITING]
        return True

    def standing_at(self, restaurant: Establishment, wanted: Standing) -> list[date]:
        """The coming days there that are reserved with this standing now."""
        calendar = self.calendars[restaurant.pk]
        found = []
        for period in self.periods:
            book = DeadlineBook.for_activity(self.activity, period)
            policy = book.policy(self.formula.pk, Action.BOOK)
            found += [
                day
                for day in self.days[restaurant.pk]
                if day > self.today
                and self.period_of(day) == period
                and decide(policy, day, self.at, calendar, period_start=period.starts_on).standing is wanted
            ]
        return found

    def leave_a_late_day(self) -> None:
        """`parent`'s second child has nothing on the next day that can only be asked for, and costs more."""
        late = self.standing_at(self.people_restaurant(), Standing.LATE_REQUEST)
        for day in late[:1]:
            self.spared[day].add(self.people.at_canteen[1].child.pk)

    def known_homes(self) -> set[int]:
        return {id(self.people.parent), id(self.people.neighbour)}

    def people_restaurant(self) -> Establishment:
        child = self.people.at_canteen[0].child
        places = (seat.enrolment.establishment for seat in self.seats if seat.pupil.child is child)
        return next(place for place in places if place is not None)

    def keep_promises(self) -> None:
        """Fills the one day up, leaves three places on the other, and lets some families wait."""
        if self.promised is None:
            return
        where = self.promised.restaurant.pk
        full = self.slots[where, self.promised.full]
        full.capacity = self.taken[full.pk]
        three_left = self.slots[where, self.promised.three_left]
        three_left.capacity = self.taken[three_left.pk] + 3
        for rank, seat in enumerate(self.waiting):
            asked = self.at - timedelta(days=2, minutes=37 * (len(self.waiting) - rank))
            self.reserve(
                seat,
                [self.promised.full],
                submitted=asked,
                outcome=Outcome.WAITLISTED,
                state=BookingState.WAITLISTED,
            )

    # Reservations

    def fill(self, tick: Callable[[], object]) -> None:
        """What every family reserved, cancelled and asked for; `tick` is called once a child."""
        for number, seat in enumerate(self.seats):
            self.reserve_usual_days(seat)
            if self.promised and seat.pupil is self.people.at_canteen[0]:
                self.draft(seat)
            tick()
            if number % 500 == 499:
                self.flush()
        self.keep_promises()
        self.flush()

    def reserve_usual_days(self, seat: Seat) -> None:
        rng = self.rng
        known = seat.home in (self.people.parent, self.people.neighbour)
        child = seat.pupil.child.pk
        ahead = 7 if known else rng.choices((14, 28, 56, AHEAD.days), (20, 30, 35, 15))[0]
        last = self.today + timedelta(days=ahead)
        days = [
            day
            for day in self.days[seat.place]
            if day <= last and seat.eats_on(day) and child not in self.spared.get(day, ())
        ]
        cut = self.today - timedelta(days=8 if known else rng.randint(6, 30))
        parts = bisect_right(days, cut)
        before, after = days[:parts], days[parts:]
        if before:
            self.reserve(
                seat, before, submitted=self.evening(self.first - timedelta(days=rng.randint(4, 20)))
            )
        if after:
            self.reserve(seat, after, submitted=self.evening(cut - timedelta(days=rng.randint(1, 4))))
        if not known and rng.random() < 0.06:
            self.ask_late(seat)
        elif not known and rng.random() < 0.04:
            self.draft(seat)

    def reserve(
        self,
        seat: Seat,
        days: list[date],
        *,
        submitted: datetime,
        outcome: Outcome = Outcome.ACCEPTED,
        state: BookingState = BookingState.ACCEPTED,
        reason: str = "",
    ) -> None:
        """Recorded reservations of `days`, one a period, all with one outcome; now and then a cancellation
        after one."""
        for _, its in groupby(days, key=self.period_of):
            self.reserve_in_period(seat, list(its), submitted, outcome, state, reason)

    def reserve_in_period(
        self,
        seat: Seat,
        days: list[date],
        submitted: datetime,
        outcome: Outcome,
        state: BookingState,
        reason: str,
    ) -> None:
        enrolment = seat.enrolment
        child = enrolment.child_id
        late = outcome == Outcome.REQUESTED or state == BookingState.REFUSED
        overall = {
            Outcome.ACCEPTED: ReservationState.ACCEPTED,
            Outcome.REFUSED: ReservationState.REFUSED,
        }.get(outcome, ReservationState.PENDING)
        answered = state == BookingState.REFUSED
        reservation = self.record(
            seat, self.period_of(days[0]), overall, submitted, reason=reason if answered else ""
        )
        waiting_since = submitted if state == BookingState.WAITLISTED else None
        cancelled = self.days_to_cancel(seat, days, submitted) if outcome == Outcome.ACCEPTED else {}
        for day in days:
            slot = self.slots[seat.place, day]
            if day in self.booked[child]:
                continue
            self.lines.add(
                reservation,
                self.formula.pk,
                day,
                Action.BOOK.value,
                state == BookingState.WAITLISTED,
                late,
                (Outcome.CANCELLED if day in cancelled else outcome).value,
                reason,
            )
            now = BookingState.CANCELLED if day in cancelled else state
            changed = cancelled.get(day, submitted)
            booking = self.bookings.add(
                enrolment.household_id,
                child,
                enrolment.pk,
                reservation,
                self.activity.pk,
                enrolment.establishment_id,
                self.formula.pk,
                day,
                now.value,
                late,
                waiting_since,
                changed,
            )
            asked = BookingState.REQUESTED if answered else state
            self.events.add(booking, asked.value, submitted, seat.home.user.pk, reservation, "")
            if answered:
                self.events.add(
                    booking,
                    state.value,
                    submitted + timedelta(hours=14),
                    self.people.agent.pk,
                    reservation,
                    reason,
                )
            if now in LIVE:
                self.places.add(booking, slot.pk, child)
                self.booked[child].add(day)
            if now in HOLDING:
                self.taken[slot.pk] += 1
            if day in cancelled:
                self.cancel(seat, day, booking, cancelled[day])

    def record(
        self,
        seat: Seat,
        period: Period,
        state: ReservationState,
        at: datetime,
        *,
        reason: str = "",
        draft: bool = False,
    ) -> int:
        """The numbered reservation itself; returns its key."""
        enrolment = seat.enrolment
        user: User = seat.home.user
        answered = at + timedelta(hours=14) if reason else None
        return self.reservations.add(
            enrolment.household_id,
            enrolment.child_id,
            enrolment.pk,
            enrolment.establishment_id,
            period.pk,
            state.value,
            user.pk,
            at,
            at,
            None if draft else at,
            reason,
            answered,
            self.people.agent.pk if reason else None,
        )

    def days_to_cancel(self, seat: Seat, days: list[date], submitted: datetime) -> dict[date, datetime]:
        """Now and then a day that the family cancels in time -> when it did."""
        known = seat.home in (self.people.parent, self.people.neighbour)
        if len(days) < 3 or not (known or self.rng.random() < 0.12):
            return {}
        # Thursdays and Fridays: four days before are on time, week-end and all.
        asked = submitted.date() + timedelta(days=7)
        until = self.today if known else self.today + timedelta(days=5)
        possible = [day for day in days if day.weekday() >= 3 and asked < day < until]
        promised = self.promised and {self.promised.full, self.promised.three_left}
        possible = [day for day in possible if not promised or day not in promised]
        if not possible:
            return {}
        day = self.rng.choice(possible)
        return {day: self.evening(day - timedelta(days=self.rng.randint(5, 7)))}

    def cancel(self, seat: Seat, day: date, booking: int, at: datetime) -> None:
        reservation = self.record(seat, self.period_of(day), ReservationState.ACCEPTED, at)
        self.lines.add(
            reservation, self.formula.pk, day, Action.CANCEL.value, False, False, Outcome.ACCEPTED.value, ""
        )
        self.events.add(booking, BookingState.CANCELLED.value, at, seat.home.user.pk, reservation, "")

    def ask_late(self, seat: Seat) -> None:
        """A request past the deadline: for a day past it was refused, for one of the next it waits."""
        days = self.days[seat.place]
        child = seat.enrolment.child_id
        free = [
            day for day in days if day not in self.booked[child] and child not in self.spared.get(day, ())
        ]
        soon = [day for day in free if self.today < day <= self.today + timedelta(days=4)]
        past = [day for day in free if day < self.today - timedelta(days=3)]
        if soon and (not past or self.rng.random() < 0.7):
            asked = self.at - timedelta(minutes=self.rng.randint(20, 600))
            self.reserve(
                seat, soon[:1], submitted=asked, outcome=Outcome.REQUESTED, state=BookingState.REQUESTED
            )
        elif past:
            day = self.rng.choice(past)
            self.reserve(
                seat,
                [day],
                submitted=self.evening(day - timedelta(days=2)),
                outcome=Outcome.REFUSED,
                state=BookingState.REFUSED,
                reason=TOO_LATE,
            )

    def draft(self, seat: Seat) -> None:
        """Ticked some days, has not recorded them yet."""
        days = self.days[seat.place]
        child = seat.enrolment.child_id
        free = [
            day
            for day in days
            if day > self.today + PROMISED_AFTER
            and day not in self.booked[child]
            and child not in self.spared.get(day, ())
        ]
        if not free:
            return
        begun = self.at - timedelta(hours=self.rng.randint(1, 60))
        period = self.period_of(free[0])
        reservation = self.record(seat, period, ReservationState.DRAFT, begun, draft=True)
        for day in [day for day in free if self.period_of(day) == period][: self.rng.randint(1, 6)]:
            self.lines.add(
                reservation, self.formula.pk, day, Action.BOOK.value, False, False, Outcome.DRAFT.value, ""
            )

    # Writing

    def moment(self, day: date, at: time = time(10, 15)) -> datetime:
        return datetime.combine(day, at, tzinfo=timezone.get_current_timezone())

    def evening(self, day: date) -> datetime:
        """About eight in the evening of `day`, and never in the future."""
        at = self.moment(day, EVENING) + timedelta(
            minutes=self.rng.randint(-90, 90), seconds=self.rng.randint(0, 59)
        )
        return min(at, self.at - timedelta(minutes=5))

    def flush(self) -> None:
        for table in (self.reservations, self.lines, self.bookings, self.places, self.events):
            table.write()

    def close(self) -> None:
        """Writes the places taken into the slots."""
        changed = [slot for slot in self.slots.values() if self.taken[slot.pk] or slot.capacity is not None]
        for slot in changed:
            slot.taken = self.taken[slot.pk]
            if slot.capacity is not None and slot.capacity < slot.taken:
                slot.capacity = slot.taken + 5
        Slot.objects.bulk_update(changed, ["taken", "capacity"], batch_size=500)
        reset_sequences(Reservation, ReservationLine, Booking, Place, BookingEvent)
