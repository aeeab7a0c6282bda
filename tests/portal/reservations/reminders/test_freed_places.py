"""A place that becomes free is said to whoever usually comes that day, or was refused it; and days are known
as the planning knows them."""

from datetime import date, timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from families.models import Household
from families.reminders import choices
from families.reminders.evenings import Evening
from portal.reservations.acts import enrolling
from portal.reservations.models import Activity, Closure, FullSlot, Slot
from portal.reservations.reminders import freed_places, usual_days
from portal.reservations.reminders.outlook import Outlook
from tests.conftest import EVENING, THURSDAY, Family
from tests.factories import (
    BookingFactory,
    ReservationFactory,
    ReservationLineFactory,
    SchoolClassFactory,
    paris,
)


def full(day: date) -> None:
    Slot.objects.filter(day=day).update(capacity=1, taken=1)


def free(day: date) -> None:
    Slot.objects.filter(day=day).update(taken=0)


def test_a_full_day_that_has_places_again_is_said_once(books: Family, round_at):
    choices.choose(books.guardian, ["freed"], at=EVENING)
    full(THURSDAY)
    assert round_at() == []
    free(THURSDAY)
    (letter,) = round_at(EVENING + timedelta(hours=1))
    assert letter.subject == "Une place s'est libérée"
    assert (
        "Lina, Restauration scolaire : jeudi 26 novembre, jusqu'au mardi 24 novembre à 10\N{NO-BREAK SPACE}h."
        in letter.body
    )
    assert round_at(EVENING + timedelta(days=1)) == []


def test_a_day_full_at_noon_only_is_remembered_by_the_hourly_look(books: Family, round_at):
    choices.choose(books.guardian, ["freed"], at=EVENING)
    full(THURSDAY)
    assert round_at(paris(2026, 11, 9, 3)) == [] and FullSlot.objects.count() == 1
    free(THURSDAY)
    assert len(round_at()) == 1
    freed_places.watch(paris(2026, 11, 27, 3))
    assert not FullSlot.objects.exists(), "that day is over"


def test_not_a_day_that_is_booked_meanwhile_nor_to_who_comes_on_other_days(
    books: Family, waits: Family, round_at
):
    for family in (books, waits):
        choices.choose(family.guardian, ["freed"], at=EVENING)
    full(THURSDAY)
    freed_places.watch(EVENING)
    free(THURSDAY)
    BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    type(waits.enrolment).objects.filter(pk=waits.enrolment.pk).update(weekdays=0b1)
    assert round_at() == []


def test_who_was_refused_a_full_day_hears_of_it(stranger: Family, waits: Family, canteen, round_at):
    type(waits.enrolment).objects.filter(pk=waits.enrolment.pk).update(weekdays=0)
    choices.choose(waits.guardian, ["freed"], at=EVENING)
    asked = ReservationFactory(
        enrolment=waits.enrolment, period=canteen.period, state="refused", submitted_at=EVENING
    )
    ReservationLineFactory(reservation=asked, formula=canteen.formula, day=THURSDAY, outcome="refused")
    assert round_at() == [], "it never was full"
    full(THURSDAY)
    freed_places.watch(EVENING)
    free(THURSDAY)
    (letter,) = round_at(EVENING + timedelta(days=1))
    assert "Noé, Restauration scolaire : jeudi 26 novembre" in letter.body


def test_a_full_day_is_no_usual_day_to_book(books: Family, round_at):
    choices.choose(books.guardian, ["usual"], at=EVENING)
    full(date(2026, 11, 12))
    assert round_at() == [], "nothing can be done about it before tomorrow evening"


def test_closed_days_trips_and_days_before_the_first_are_nobodys_to_book(books: Family, school_class):
    thursday, friday, monday = date(2026, 11, 12), date(2026, 11, 13), date(2026, 11, 16)
    Closure.objects.create(starts_on=thursday, ends_on=thursday, why=Closure.Why.STRIKE)
    Closure.objects.create(starts_on=friday, ends_on=friday, why=Closure.Why.TRIP, school_class=school_class)
    type(books.enrolment).objects.filter(pk=books.enrolment.pk).update(starts_on=date(2026, 11, 17))
    found = [day.day for day, _ in usual_days.unbooked(Outlook(EVENING), [books.household.pk])]
    assert found[0] == date(2026, 11, 17)
    type(books.enrolment).objects.filter(pk=books.enrolment.pk).update(starts_on=date(2026, 9, 1))
    found = [day.day for day, _ in usual_days.unbooked(Outlook(EVENING), [books.household.pk])]
    assert found[:2] == [monday, date(2026, 11, 17)]


def test_a_trip_is_that_of_the_class_attended_on_its_day(books: Family, school):
    """A child that changes class goes on the trips of the old one until then, of the new one from then on."""
    friday, monday = date(2026, 11, 13), date(2026, 11, 16)
    new = SchoolClassFactory(school=school, name="CE2")
    old = books.child.schoolings.get().school_class
    enrolling.attend(books.child, new, since=monday)
    for day, attended in ((friday, new), (monday, old), (date(2026, 11, 17), new)):
        Closure.objects.create(starts_on=day, ends_on=day, why=Closure.Why.TRIP, school_class=attended)
    found = [day.day for day, _ in usual_days.unbooked(Outlook(EVENING), [books.household.pk])]
    assert {friday, monday} <= set(found) and date(2026, 11, 17) not in found


def test_a_period_that_is_not_open_yet_has_no_day_to_book(books: Family, canteen):
    type(canteen.period).objects.update(opens_at=EVENING + timedelta(days=1))
    assert not list(usual_days.unbooked(Outlook(EVENING), [books.household.pk]))


def test_an_activity_that_is_no_longer_proposed_is_not_reminded_of(books: Family):
    Activity.objects.update(active=False)
    assert not list(usual_days.unbooked(Outlook(EVENING), [books.household.pk]))


def test_finding_takes_the_same_queries_for_one_household_and_for_two(books: Family, waits: Family):
    full(THURSDAY)
    freed_places.watch(EVENING)
    free(THURSDAY)
    everybody = list(Household.objects.values_list("pk", flat=True))
    list(usual_days.begin(Evening(EVENING))(everybody))  # the town is read once a process
    for begin in (usual_days.begin, freed_places.begin):
        counts = []
        for homes in (everybody[:1], everybody):
            with CaptureQueriesContext(connection) as captured:
                found = list(begin(Evening(EVENING))(homes))
            assert len({news.household for news in found}) == len(homes)
            counts.append(len(captured))
        assert counts[0] == counts[1]
