"""A year serves families until the next one begins: on each side of the last day of class, over the summer,
on the first day of the next year."""

import re
from datetime import date, datetime, timedelta

import icalendar
import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from leisure.registers import register
from portal.reservations.acts import booking, enrolling, reservation_drafts
from portal.reservations.acts.opening import open_slots
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Booking, Closure, Enrolment, SchoolYear
from portal.reservations.reminders import usual_days
from portal.reservations.reminders.outlook import Outlook
from tests.conftest import enrolled, logged_in
from tests.factories import (
    BookingFactory,
    ClosureFactory,
    EnrolmentFactory,
    PeriodFactory,
    SchoolClassFactory,
    SchoolHolidayFactory,
    SchoolingFactory,
    SchoolYearFactory,
    paris,
)

LAST_OF_CLASS = date(2027, 7, 2)
SUMMER = [date(2027, 7, 3), date(2027, 7, 31), date(2027, 8, 31)]
NEXT_YEAR = date(2027, 9, 1)
HOME = reverse("home")


def morning(day: date) -> datetime:
    return paris(day.year, day.month, day.day, 9)


@pytest.fixture
def next_year(year) -> SchoolYear:
    return SchoolYearFactory(name="2027-2028", starts_on=NEXT_YEAR, ends_on=date(2028, 7, 3))


@pytest.fixture
def summer(holidays, year):
    """July and August at the centre, a period of the year that ends on 2 July."""
    SchoolHolidayFactory(name="Vacances d'été", starts_on=date(2027, 7, 3), ends_on=date(2027, 8, 31))
    found = PeriodFactory(
        activity=holidays.activity,
        school_year=year,
        code="ete",
        name="Vacances d'été 2027",
        starts_on=date(2027, 7, 3),
        ends_on=date(2027, 8, 31),
    )
    open_slots(found, at=paris(2027, 5, 1))
    return found


@pytest.fixture
def lina(plays, holidays, enrol, summer) -> Enrolment:
    return enrol(plays, holidays)


def choices(client: Client, enrolment: Enrolment) -> list[str]:
    """The periods that the page « Nouvelle réservation » offers."""
    page = client.get(reverse("leisure:start", args=[enrolment.pk]))
    if page.status_code != 200:
        return []
    return re.findall(r'name="periode" value="(\d+)"', page.content.decode())


@pytest.mark.parametrize("day", [LAST_OF_CLASS, *SUMMER[:2]])
def test_summer_weeks_stay_bookable(plays, lina, holidays, summer, next_year, day):
    """Of a period that goes on: from its own dates, whatever becomes of the classes."""
    with time_machine.travel(morning(day), tick=False):
        client = plays.client()
        assert "Nouvelle réservation" in client.get(HOME).content.decode()
        assert choices(client, lina) == [str(summer.pk)]
        coming = next(one for one in (day + timedelta(days=n) for n in range(4, 9)) if one.weekday() < 5)
        wanted = [Choice(holidays.whole.pk, coming)]
        draft = reservation_drafts.choose(
            lina, holidays.centre, summer, book=wanted, by=plays.user, at=morning(day)
        )
        assert draft is not None
        booking.submit(draft, by=plays.user, at=morning(day))
    assert Booking.objects.get(enrolment=lina).day == coming


def test_on_its_last_day_nothing_is_left_of_the_summer_but_the_year_is_there(plays, lina, next_year):
    with time_machine.travel(morning(SUMMER[-1]), tick=False):
        page = plays.client().get(HOME).content.decode()
        assert "Vacances" in page.split('id="loisirs-inscriptions"')[1].split("</section>")[0]


def test_when_the_next_year_begins_the_old_enrolment_has_gone(plays, lina, next_year):
    with time_machine.travel(morning(NEXT_YEAR), tick=False):
        client = plays.client()
        page = client.get(HOME).content.decode()
        assert "Aucun enfant n'est encore inscrit" in page.split('id="loisirs-inscriptions"')[1]
        assert choices(client, lina) == []


def test_a_year_that_no_other_follows_goes_on(plays, lina, summer):
    """A village that has not written its next year yet."""
    with time_machine.travel(paris(2027, 9, 20), tick=False):
        assert "Vacances" in plays.client().get(HOME).content.decode().split('id="loisirs-inscriptions"')[1]


@pytest.mark.parametrize(
    ("day", "there"), [*((day, True) for day in [LAST_OF_CLASS, *SUMMER]), (NEXT_YEAR, False)]
)
def test_the_canteen_keeps_its_enrolments_over_the_summer(plays, canteen, year, next_year, day, there):
    own = enrolled(plays, canteen, year)
    with time_machine.travel(morning(day), tick=False):
        block = plays.client().get(HOME).content.decode().split('id="restauration-inscriptions"')[1]
        assert ('class="line-main"' in block.split("</section>")[0]) is there
        today = enrolling.of_child(own.child.pk, own.household.pk, day)
        assert list(today) == ([own.enrolment] if there else [])


def test_what_is_left_of_a_canteen_that_is_over_leads_to_the_next_year(plays, canteen, year, next_year):
    """In July, with both years: « Nouvelle réservation » of the old one opens the planning of the next."""
    old = enrolled(plays, canteen, year).enrolment
    new = EnrolmentFactory(
        household=plays.household,
        child=plays.child,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=next_year,
    )
    period = PeriodFactory(
        activity=canteen.activity, school_year=next_year, starts_on=NEXT_YEAR, ends_on=date(2027, 12, 17)
    )
    with time_machine.travel(morning(SUMMER[0]), tick=False):
        assert old is not None
        answer = plays.client().get(reverse("catering:start", args=[old.pk]))
    where = [new.pk, canteen.restaurant.pk, period.pk]
    assert answer["Location"].startswith(reverse("catering:planning", args=where))


def test_the_class_of_today_is_shown_until_the_next_one_begins(plays, school, school_class, next_year):
    later = SchoolClassFactory(school=school, school_year=next_year, name="CE2")
    SchoolingFactory(child=plays.child, school_class=later)
    said = {}
    for day in (LAST_OF_CLASS, SUMMER[-1], NEXT_YEAR):
        with time_machine.travel(morning(day), tick=False):
            client = plays.client()
            home = client.get(HOME).content.decode().split('id="mes-enfants"')[1].split("</section>")[0]
            child = client.get(reverse("families:child", args=[plays.child.pk])).content.decode()
            said[day] = ("CE2" in home, "CE2, École des Tilleuls (2027-2028)" in child)
    assert said == {LAST_OF_CLASS: (False, False), SUMMER[-1]: (False, False), NEXT_YEAR: (True, True)}


def test_the_register_and_the_agenda_of_july_show_what_is_booked(plays, lina, holidays, next_year):
    day = date(2027, 7, 20)
    BookingFactory(
        household=plays.household,
        child=plays.child,
        enrolment=lina,
        activity=holidays.activity,
        establishment=holidays.centre,
        formula=holidays.whole,
        day=day,
    )
    strike = ClosureFactory(
        starts_on=date(2027, 7, 22), establishment=holidays.centre, why=Closure.Why.STRIKE, label="Grève"
    )
    with time_machine.travel(morning(date(2027, 7, 19)), tick=False):
        client = plays.client()
        page = client.post("/mon-agenda/", {"make": "", "closures": "on"}).content.decode()
        address = re.search(r"(/mon-agenda/[\w-]{43}\.ics)", page)
        assert address
        events = icalendar.Calendar.from_ical(Client().get(address[1]).content).walk("VEVENT")
        (sheet,) = register(holidays.centre, [day, strike.starts_on])
    assert {(one.start, str(one["SUMMARY"]).split(" :")[0]) for one in events} >= {(day, "Lina")}
    assert [(one.first_name, one.school_class) for one in sheet.children] == [("Lina", "CE1")]


def test_no_day_of_the_next_year_is_reminded_of_by_the_old_enrolment(plays, canteen, year, next_year):
    """In August both years serve: a day is the enrolment's of its own period."""
    own = enrolled(plays, canteen, year)
    new = EnrolmentFactory(
        household=plays.household,
        child=plays.child,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=next_year,
    )
    PeriodFactory(
        activity=canteen.activity, school_year=next_year, starts_on=NEXT_YEAR, ends_on=date(2027, 12, 17)
    )
    outlook = Outlook(paris(2027, 8, 25, 18))
    found = {day.enrolment.pk for day, _ in usual_days.unbooked(outlook, [own.household.pk])}
    assert found == {new.pk}


def test_a_child_that_leaves_its_home_in_august_leaves_its_enrolment(plays, lina, next_year, agent):
    at = morning(date(2027, 8, 5))
    live = enrolling.of_child(plays.child.pk, plays.household.pk, at.date())
    assert enrolling.end(live, by=agent, at=at) == 1
    lina.refresh_from_db()
    assert lina.is_over


def test_the_desk_finds_the_family_of_july(plays, lina, holidays, next_year, agent):
    """Its bookings, its enrolment: no list of the desk asks for the year's last day of class."""
    with time_machine.travel(morning(SUMMER[0]), tick=False):
        desk = logged_in(agent)
        page = desk.get(reverse("admin:reservations_enrolment_changelist"), {"etat": "tous"})
        assert "Lina" in page.content.decode()
        change = desk.get(reverse("admin:reservations_enrolment_change", args=[lina.pk]))
        assert change.status_code == 200
