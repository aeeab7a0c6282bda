"""The cast itself: a test that leans on it must find what its docstrings promise."""

from datetime import date

from django.db.models import Count, F, Q
from django.utils import timezone

from portal.reservations.models import Place, Slot
from portal.reservations.states import HOLDING, BookingState
from tests.factories import BookingFactory, ReservationFactory, ReservationLineFactory


def test_time_stands_still(now):
    assert timezone.now() == now


def test_families_see_their_own_child_only(books, waits, stranger):
    for family in (books, waits, stranger):
        assert list(type(family.child).objects.visible_to(family.user)) == [family.child]


def test_bookings_take_the_places_their_state_says(books, waits, canteen):
    day = date(2026, 11, 16)
    BookingFactory(enrolment=books.enrolment, day=day)
    BookingFactory(enrolment=waits.enrolment, day=day, state=BookingState.WAITLISTED)
    assert canteen.slot(day).taken == 1
    assert Place.objects.filter(slot=canteen.slot(day)).count() == 2
    assert not (
        Slot.objects.annotate(held=Count("places", filter=Q(places__booking__state__in=HOLDING)))
        .exclude(taken=F("held"))
        .exists()
    )


def test_a_draft_belongs_to_its_family(books, canteen):
    draft = ReservationFactory(enrolment=books.enrolment, period=canteen.period)
    line = ReservationLineFactory(reservation=draft)
    assert (draft.household, line.formula) == (books.household, canteen.formula)


def test_everybody_is_logged_in(books_client, stranger_client, agent_client, regie_client):
    for client in (books_client, stranger_client, agent_client, regie_client):
        assert "_auth_user_id" in client.session
