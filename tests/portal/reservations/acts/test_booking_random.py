"""Whatever families and the town hall do, in whatever order: places and bookings agree, nobody overbooks."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.reservations.acts import booking, closing, opening, reservation_drafts
from portal.reservations.acts.opening import TooManyTaken
from portal.reservations.acts.refusals import BookingRefused, Choice, PlacesLost
from portal.reservations.models import (
    Activity,
    Booking,
    CalendarChange,
    Closure,
    Reservation,
    ReservationLine,
    Slot,
)
from portal.reservations.states import Outcome
from tests.conftest import on_the_database
from tests.factories import ClosureFactory
from tests.portal.reservations.audit import audit
from tests.portal.reservations.conftest import WEDNESDAY
from tests.portal.reservations.shutting import close_days

DAYS = (WEDNESDAY, WEDNESDAY + timedelta(days=7))

# What a change left half asked: it is to be asked anew.
ASKED = ("requested", "cancel_requested")

children = st.integers(0, 3)
days = st.integers(0, len(DAYS) - 1)
formulas = st.sampled_from(["morning", "afternoon", "whole"])
ticks = st.lists(st.tuples(days, formulas), min_size=1, max_size=4, unique=True)

act = st.one_of(
    st.tuples(st.just("submit"), children, ticks, ticks, st.booleans()),
    st.tuples(st.just("submit"), children, ticks, ticks, st.booleans()),
    st.tuples(st.just("accept"), st.integers(0, 7)),
    st.tuples(st.just("refuse"), st.integers(0, 7)),
    st.tuples(st.just("cancel"), children, days),
    st.tuples(st.just("close"), days),
    st.tuples(st.just("close_and_reopen"), days),
    st.tuples(st.just("resize"), days, st.integers(0, 3)),
    st.tuples(st.just("processing"), st.sampled_from(["automatic", "on_request"])),
    st.tuples(st.just("cancel_processing"), st.sampled_from(["automatic", "on_request"])),
    st.tuples(st.just("offers"), st.sampled_from([None, 1])),
    st.tuples(st.just("answer"), children, st.sampled_from([booking.take_offer, booking.leave_list])),
    st.tuples(st.just("wait"), children, st.booleans()),
    st.tuples(st.just("hours_pass"), st.integers(1, 200)),
)


@pytest.mark.django_db
@on_the_database
@given(acts=st.lists(act, min_size=4, max_size=14), capacity=st.integers(0, 3))
def test_places_and_bookings_always_agree(world, acts, capacity):
    world.start(capacity)
    for name, *arguments in acts:
        world.at += timedelta(minutes=1)
        getattr(world, name)(*arguments)
        audit()
    for who in world.families:
        parts = [
            (made.day, part)
            for made in Booking.objects.live().filter(child=who.child).select_related("formula")
            for part in made.formula.parts
        ]
        assert len(parts) == len(set(parts))


class World:
    """Four families, two Wednesdays, and the verbs."""

    def __init__(self, families, service, agent, at):
        self.families, self.service, self.agent, self.began = families, service, agent, at

    def start(self, capacity: int) -> None:
        CalendarChange.objects.all().delete()
        Booking.objects.all().delete()
        Reservation.objects.all().delete()
        Slot.objects.update(capacity=capacity, taken=0, closed=False)
        Activity.objects.update(processing="automatic", cancel_processing="automatic", offer_hours=None)
        for service_date in DAYS:
            Slot.objects.filter(day=service_date, part="noon").update(capacity=None)
        self.at = self.began

    def submit(self, child, book, cancel, waits) -> None:
        who = self.families[child]
        cancelled = {self._choice(*tick) for tick in cancel[:2]}
        booked = {self._choice(*tick) for tick in book} - cancelled
        draft = reservation_drafts.choose(
            who.enrolment,
            self.service.restaurant,
            self.service.period,
            book=[] if waits else booked,
            wait=booked if waits else [],
            cancel=cancelled,
            by=who.user,
            at=self.at,
        )
        with suppress(PlacesLost):
            booking.submit(draft, by=who.user, at=self.at)

    def accept(self, skipped) -> None:
        booking.accept(self._waiting()[skipped:], by=self.agent, at=self.at)

    def refuse(self, skipped) -> None:
        booking.refuse(self._waiting()[skipped:], reason="Non.", by=self.agent, at=self.at)

    def cancel(self, child, day) -> None:
        found = Booking.objects.filter(child=self.families[child].child, day=DAYS[day])
        booking.cancel(found, by=self.agent, at=self.at)

    def close(self, day) -> None:
        closure = ClosureFactory(starts_on=DAYS[day], activity=self.service.activity)
        close_days(closure, by=self.agent, at=self.at)
        assert not Booking.objects.live().filter(day=DAYS[day]).exists()
        Closure.objects.all().delete()

    def close_and_reopen(self, day) -> None:
        """A closure that was a mistake: all stands as before."""
        states = Booking.objects.live().exclude(state__in=ASKED).values_list("pk", "state", "waiting_since")
        before = set(states)
        closure = ClosureFactory(starts_on=DAYS[day], activity=self.service.activity)
        if close_days(closure, by=self.agent, at=self.at):
            closing.reopen(CalendarChange.objects.latest("pk"), by=self.agent, at=self.at)
        assert before <= set(states.all())
        Closure.objects.all().delete()

    def resize(self, day, places) -> None:
        with suppress(TooManyTaken):
            opening.resize(Slot.objects.filter(day=DAYS[day]), places, at=self.at)

    def processing(self, how) -> None:
        Activity.objects.update(processing=how)

    def cancel_processing(self, how) -> None:
        Activity.objects.update(cancel_processing=how)

    def offers(self, hours) -> None:
        Activity.objects.update(offer_hours=hours)

    def answer(self, child, act) -> None:
        for found in Booking.objects.live().filter(
            child=self.families[child].child, waiting_since__isnull=False
        ):
            with suppress(BookingRefused):
                act(found, by=self.families[child].user, at=self.at)

    def wait(self, child, wanted) -> None:
        for found in Booking.objects.waiting().filter(child=self.families[child].child):
            with suppress(BookingRefused):
                booking.wait_until_the_day(found, wanted, by=self.families[child].user, at=self.at)

    def hours_pass(self, hours) -> None:
        """The worker lets go what nobody answered; nothing is offered past its hour."""
        self.at += timedelta(hours=hours)
        booking.let_offers_go(at=self.at)
        assert not Booking.objects.offered().filter(offered_until__lte=self.at).exists()

    def _choice(self, day, formula) -> Choice:
        return Choice(getattr(self.service, formula).pk, DAYS[day])

    def _waiting(self) -> list[ReservationLine]:
        asked = (Outcome.REQUESTED, Outcome.WAITLISTED, Outcome.OFFERED)
        return list(ReservationLine.objects.filter(outcome__in=asked).order_by("pk"))


@pytest.fixture
def world(books, waits, another, wednesdays, plays, agent, now):
    families = [plays(who) for who in (books, waits, another("Garnier"), another("Lopez"))]
    return World(families, wednesdays, agent, now)
