"""An enrolment, or a change of usual days, takes effect at once, next month, or after n days."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from portal.reservations.acts import enrolling
from portal.reservations.day_rules import effects
from portal.reservations.day_rules.effects import Effect
from portal.reservations.models import Activity, DayRule, Enrolment
from portal.reservations.towns.town_file import export
from tests.conftest import family
from tests.factories import paris
from tests.portal.reservations.audit import reserve

TODAY = date(2026, 11, 9)


def weekday(day):
    return day.weekday() < 5


@pytest.mark.parametrize(
    ("effect", "number", "today", "first"),
    [
        (Effect.AT_ONCE, 0, TODAY, TODAY),
        (Effect.NEXT_MONTH, 0, TODAY, date(2026, 12, 1)),
        (Effect.NEXT_MONTH, 0, date(2026, 12, 31), date(2027, 1, 1)),
        (Effect.NEXT_MONTH, 0, date(2027, 1, 1), date(2027, 2, 1)),
        (Effect.DAYS, 15, TODAY, date(2026, 11, 24)),
        (Effect.OPEN_DAYS, 3, TODAY, date(2026, 11, 12)),
        (Effect.OPEN_DAYS, 2, date(2026, 11, 13), date(2026, 11, 17)),
    ],
)
def test_from_which_day(effect, number, today, first):
    assert effects.first_day(effect, number, today, weekday) == first


@given(
    effect=st.sampled_from(list(Effect)),
    number=st.integers(1, 120),
    today=st.dates(date(2026, 1, 1), date(2027, 12, 31)),
)
def test_it_is_never_in_the_past_and_the_next_day_never_sooner(effect, number, today):
    first = effects.first_day(effect, number, today, weekday)
    assert today <= first <= effects.first_day(effect, number, today + timedelta(days=1), weekday)
    assert effect is Effect.OPEN_DAYS or effects.first_day(effect, number, today, lambda day: False) == first


@pytest.fixture
def next_month(canteen):
    Activity.objects.update(effect="next_month", enrolment_processing="automatic")
    canteen.activity.refresh_from_db()
    return canteen.activity


def ask(who, canteen, year, **more):
    given = {"starts_on": TODAY, "weekdays": 0b01001, "by": who.user, "at": paris(2026, 11, 9, 10)} | more
    return enrolling.request(
        household=who.household,
        child=who.child,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=year,
        **given,
    )


def test_whatever_day_is_asked_for_an_enrolment_begins_next_month(stranger, canteen, year, next_month):
    assert ask(stranger, canteen, year).starts_on == date(2026, 12, 1)


def test_a_later_day_stays(stranger, canteen, year, next_month):
    later = date(2026, 12, 14)
    assert ask(stranger, canteen, year, starts_on=later).starts_on == later


def test_the_town_hall_enrols_from_the_day_it_wants(stranger, canteen, year, next_month, agent):
    assert ask(stranger, canteen, year, by=agent, at_desk=True).starts_on == TODAY


def test_no_day_before_it_is_booked(stranger, canteen, year, next_month, now):
    who = replace(stranger, enrolment=ask(stranger, canteen, year))
    made = reserve(who, canteen, date(2026, 11, 26), date(2026, 12, 3), at=now)
    assert [(one.outcome, one.reason) for one in made.lines.all()] == [
        ("refused", "L'inscription commence le mardi 1er décembre."),
        ("accepted", ""),
    ]


def change(who, canteen, weekdays, at, **more):
    given = {"establishment": canteen.restaurant, "starts_on": who.enrolment.starts_on} | more
    return enrolling.change(who.enrolment, weekdays=weekdays, at=at, **given)


def test_a_change_of_usual_days_waits_for_the_month(books, canteen, next_month, now):
    Enrolment.objects.update(weekdays=0b00011)
    changed = change(books, canteen, 0b01001, now)
    assert (changed.weekdays, changed.next_usual) == (
        0b00011,
        "lundi, jeudi, à partir du mardi 1er décembre",
    )
    assert changed.is_usual(date(2026, 11, 10)) and not changed.is_usual(date(2026, 12, 8))
    assert changed.is_usual(date(2026, 12, 3)) and not changed.is_usual(date(2026, 11, 12))
    assert enrolling.settle_weekdays(at=paris(2026, 11, 30, 3)) == 0
    assert enrolling.settle_weekdays(at=paris(2026, 12, 1, 3)) == 1
    assert enrolling.settle_weekdays(at=paris(2026, 12, 1, 4)) == 0
    changed.refresh_from_db()
    assert (changed.weekdays, changed.next_usual) == (0b01001, "")


def test_to_ask_for_the_days_before_takes_the_change_back(books, canteen, next_month, now):
    Enrolment.objects.update(weekdays=0b00011)
    change(books, canteen, 0b01001, now)
    assert change(books, canteen, 0b00011, now).next_weekdays is None


def test_at_once_nothing_waits(books, canteen, now):
    assert (change(books, canteen, 0b01001, now).weekdays, books.enrolment.next_weekdays) == (0b01001, None)


def test_no_addition_to_fixed_days_goes_by_the_days_of_then(books, canteen, next_month, now):
    DayRule.objects.create(activity=canteen.activity, kind="usual")
    Enrolment.objects.update(weekdays=0b00011)
    books.enrolment.refresh_from_db()
    change(books, canteen, 0b01001, now)
    books.enrolment.refresh_from_db()
    reserve(books, canteen, date(2026, 11, 17), date(2026, 12, 3), at=now)
    assert books.enrolment.bookings.count() == 2


def test_the_form_offers_and_says_the_first_day(stranger, canteen, next_month, school_class):
    page = stranger.client().get(f"/cantine/inscription/enfant/{stranger.child.pk}/").content.decode()
    said = "prend effet le premier jour du mois suivant : à partir du mardi 1er décembre 2026."
    assert said in page.replace("&#x27;", "'")
    assert 'value="2026-12-01"' in page and 'value="2026-11-12"' not in page


def test_at_once_the_form_says_nothing(stranger, canteen, school_class):
    page = stranger.client().get(f"/cantine/inscription/enfant/{stranger.child.pk}/").content.decode()
    assert "jours habituels, prend effet" not in page and 'value="2026-11-12"' in page


def test_the_family_is_told_from_when_its_new_days_count(books, canteen, next_month, school_class, school):
    Enrolment.objects.update(weekdays=0b00011)
    address = f"/cantine/inscriptions/{books.enrolment.pk}/"
    client = books.client()
    shown = client.get(address)
    data = {name: shown.context["form"][name].value() or "" for name in shown.context["form"].fields}
    answer = client.post(address, data | {"weekdays": ["0", "3"]}, follow=True)
    assert "lundi, jeudi, à partir du mardi 1er décembre" in answer.content.decode()
    page = client.get(address).content.decode()
    assert "Jours habituels demandés : lundi, jeudi" in page


def test_days_after_without_their_number_are_refused(canteen):
    canteen.activity.effect = "days"
    with pytest.raises(ValidationError, match="combien de jours après"):
        canteen.activity.full_clean()
    canteen.activity.effect_days = 15
    canteen.activity.full_clean()


def test_the_town_s_file_says_it(next_month):
    assert "prise_d'effet: mois_suivant" in export()


def test_another_family(canteen, year, next_month, now):
    who = family("autre", "Autre", "Ana")
    Activity.objects.update(effect="open_days", effect_days=3)
    canteen.activity.refresh_from_db()
    assert ask(who, canteen, year).starts_on == date(2026, 11, 13), "Wednesday 11 is a holiday"
