"""Enrolling at the canteen for one year or the other, and what a household has said already."""

from datetime import date

import pytest
import time_machine
from django.urls import reverse

from portal.reservations.models import Enrolment, SchoolYear
from tests.conftest import Family, brother_of
from tests.factories import (
    CampaignFactory,
    ChildFactory,
    DietFactory,
    EnrolmentFactory,
    PeriodFactory,
    SchoolClassFactory,
    SchoolingFactory,
    SchoolYearFactory,
    paris,
)

JUNE = paris(2027, 6, 10, 9)


@pytest.fixture
def next_year(year) -> SchoolYear:
    return SchoolYearFactory(name="2027-2028", starts_on=date(2027, 9, 1), ends_on=date(2028, 7, 3))


@pytest.fixture
def june(books: Family, next_year):
    """The campaign for September is open, and June goes on."""
    CampaignFactory(school_year=next_year, opens_at=paris(2027, 6, 1, 8), closes_at=paris(2027, 7, 15))
    with time_machine.travel(JUNE, tick=False):
        yield books.client()


def enrol_page(who: Family) -> str:
    return reverse("catering:enrol", args=[who.child.pk])


def answers(canteen, school_class=None, **changed) -> dict[str, object]:
    return {
        "school": canteen.restaurant.schools.get().pk,
        "school_class": school_class.pk if school_class else "",
        "restaurant": canteen.restaurant.pk,
        "diet": DietFactory().pk,
        "weekdays": ["0", "1"],
    } | changed


def test_who_is_enrolled_this_year_is_asked_for_the_next(june, books, canteen, next_year):
    page = june.get(enrol_page(books)).text
    assert "Année scolaire 2027-2028" in page and 'value="2027-09-01"' in page
    june.post(enrol_page(books), answers(canteen, starts_on="2027-09-02"))
    made = Enrolment.objects.get(school_year=next_year)
    assert (made.child, made.starts_on, made.weekdays) == (books.child, date(2027, 9, 2), 0b11)
    # The classes of September have no names yet.
    assert not made.child.schoolings.filter(school_year=next_year).exists()
    # Both are there: the page leads to the one of today.
    assert june.get(enrol_page(books))["Location"] == reverse("catering:enrolment", args=[books.enrolment.pk])


def test_a_new_child_enrols_for_june_and_is_led_to_september(june, books, canteen, year, next_year):
    child = ChildFactory(first_name="Tom", households=[books.household])
    address = reverse("catering:enrol", args=[child.pk])
    page = june.get(address).text
    assert "Année scolaire 2026-2027" in page
    assert f'href="?annee={next_year.pk}"' in page
    assert "Année scolaire 2027-2028" in june.get(address, {"annee": next_year.pk}).text
    for nonsense in ("99999", "abc", "-1"):
        assert "Année scolaire 2026-2027" in june.get(address, {"annee": nonsense}).text


def test_before_it_opens_it_is_said_on_the_page_with_day_and_hour(books, next_year, stranger):
    CampaignFactory(school_year=next_year, opens_at=paris(2027, 6, 1, 8))
    page = stranger.client().get(enrol_page(stranger), follow=True).text.replace("\xa0", " ")
    assert "Les inscriptions 2027-2028 ouvrent le mardi 1er juin 2027 à 8 h." in page


def test_a_year_asked_for_before_it_opens_is_not_written(stranger, canteen, year, next_year, school_class):
    """The address may say what it likes."""
    CampaignFactory(school_year=next_year, opens_at=paris(2027, 6, 1, 8))
    given = answers(canteen, school_class, starts_on="2027-09-01")
    stranger.client().post(f"{enrol_page(stranger)}?annee={next_year.pk}", given)
    assert not Enrolment.objects.exists()


def test_what_was_said_for_a_sister_is_filled_in(books, canteen, year, school_class):
    Enrolment.objects.filter(pk=books.enrolment.pk).update(weekdays=0b01010)
    child = ChildFactory(first_name="Tom", households=[books.household])
    page = books.client().get(reverse("catering:enrol", args=[child.pk])).text
    assert f'<option value="{school_class.school_id}" selected>' in page
    assert f'value="{canteen.restaurant.pk}"' in page
    ticked = [line for line in page.split("<input") if 'name="weekdays"' in line and "checked" in line]
    assert [f'value="{day}"' in line for day, line in zip((1, 3), ticked, strict=True)] == [True, True]


def test_with_two_years_each_line_names_its_own(june, books, canteen, next_year):
    """« Nouvelle réservation » and « Consulter / modifier » of the first page."""
    for old in (books.enrolment, brother_of(books, "Hugo")):
        copy = Enrolment.objects.get(pk=old.pk)
        copy.pk, copy.school_year, copy.starts_on = None, next_year, next_year.starts_on
        copy.save()
    page = june.get(reverse("catering:choose_reservation")).text
    assert page.count("Restauration scolaire 2026-2027") == page.count("Restauration scolaire 2027-2028") == 2
    home = june.get(reverse("home")).text
    assert home.count(">Restauration scolaire 2027-2028<") >= 2


def test_the_large_way_books_june_before_september(june, books, canteen, year, next_year):
    """Though more children are enrolled for September."""
    now = PeriodFactory(
        activity=canteen.activity, school_year=year, starts_on=date(2027, 5, 31), ends_on=date(2027, 7, 2)
    )
    PeriodFactory(
        activity=canteen.activity,
        school_year=next_year,
        starts_on=date(2027, 9, 1),
        ends_on=date(2027, 12, 17),
    )
    for name in ("Tom", "Zoé"):
        child = ChildFactory(first_name=name, households=[books.household])
        SchoolingFactory(child=child, school_class=SchoolClassFactory(school_year=next_year))
        EnrolmentFactory(
            household=books.household,
            child=child,
            activity=canteen.activity,
            establishment=canteen.restaurant,
            school_year=next_year,
        )
    where = [books.enrolment.pk, canteen.restaurant.pk, now.pk]
    assert june.get(reverse("catering:book"))["Location"].startswith(reverse("catering:planning", args=where))
