"""Of which audiences of the town a household is, day by day: values in, keys out."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from families.addresses import Address, Lived
from portal.reservations.deadlines.publics import Area, Kind, Life, Public, Span, belongs, held
from portal.reservations.deadlines.rules import first_said

CHANTEPIE = Address("4 rue des Lilas", "35135", "CHANTEPIE")
NOYAL = Address("1 place de l'Église", "35230", "Noyal-Châtillon")
DAY = date(2026, 11, 16)
EVE = date(2026, 11, 15)


def lives(*addresses: tuple[Address, date | None], **facts: tuple[Span, ...]) -> Life:
    return Life(tuple(Lived(address, until) for address, until in addresses), **facts)


@pytest.mark.parametrize(
    ("area", "of_it"),
    [
        (Area(city="Chantepie"), True),
        (Area(city="chantepie", postcode="35135"), True),
        (Area(city="Chantepie", postcode="35000"), False),
        (Area(postcode="35135"), True),
        (Area(street="Rue des lilas"), True),
        (Area(street="rue des Lilas", postcode="35000"), False),
        (Area(street="rue des Lil"), False),
        (Area(city="Noyal"), False),
    ],
)
def test_an_address_is_of_a_town_a_postcode_or_a_street_however_it_is_spelled(area, of_it):
    public = Public(1, "Voisins", Kind.ADDRESS, (area,))
    assert belongs(public, lives((CHANTEPIE, None)), DAY) is of_it


def test_a_convention_holds_from_its_first_day_to_its_last():
    area = Area(city="Chantepie", first=DAY, last=DAY + timedelta(days=1))
    public = Public(1, "Voisins", Kind.ADDRESS, (area,))
    days = [DAY + timedelta(days=number) for number in range(-1, 3)]
    assert [belongs(public, lives((CHANTEPIE, None)), day) for day in days] == [False, True, True, False]


def test_who_moves_is_of_it_as_long_as_it_lived_there():
    public = Public(1, "Voisins", Kind.ADDRESS, (Area(city="Chantepie"),))
    moved = lives((CHANTEPIE, EVE), (NOYAL, None))
    assert (belongs(public, moved, EVE), belongs(public, moved, DAY)) == (True, False)


def test_the_school_attended_and_what_was_recognised_count_on_their_days():
    school = Public(1, "Secteur", Kind.SCHOOL, schools=frozenset({7}))
    agents = Public(2, "Agents", Kind.RECOGNISED)
    life = lives((NOYAL, None), schools=(Span(7, None, EVE), Span(8, DAY)), recognised=(Span(2, DAY),))
    assert held((school, agents), life, EVE) == (1,)
    assert held((school, agents), life, DAY) == (2,)


def test_they_come_in_the_order_of_the_town_and_the_first_of_which_something_is_said_counts():
    agents = Public(5, "Agents", Kind.RECOGNISED)
    partners = Public(3, "Voisins", Kind.ADDRESS, (Area(city="Chantepie"),))
    life = lives((CHANTEPIE, None), recognised=(Span(5),))
    assert held((agents, partners), life, DAY) == (5, 3)
    assert held((partners, agents), life, DAY) == (3, 5)
    assert first_said((5, 3), {3}) == 3
    assert first_said((5, 3), {3, 5}) == 5
    assert first_said((5, 3), {4}) is None


def test_families_read_the_words_of_the_town_or_its_name():
    assert Public(1, "Communes partenaires", Kind.ADDRESS).said == "communes partenaires, dont vous êtes"
    assert Public(1, "Voisins", Kind.ADDRESS, words="les voisins, dont vous").said == "les voisins, dont vous"


DAYS = st.dates(date(2026, 9, 1), date(2027, 7, 4))


@given(DAYS, st.none() | DAYS, st.none() | DAYS, DAYS)
def test_on_each_day_one_is_of_a_partner_town_while_one_lives_there_and_the_convention_holds(
    moved, first, last, day
):
    public = Public(1, "Voisins", Kind.ADDRESS, (Area(city="Chantepie", first=first, last=last),))
    lived_there = day <= moved
    convention = (first is None or first <= day) and (last is None or day <= last)
    found = held((public,), lives((CHANTEPIE, moved), (NOYAL, None)), day)
    assert bool(found) is (lived_there and convention)
