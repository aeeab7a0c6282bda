"""Where households lived before: the address of each day, however late or often a move is told."""

from datetime import date, datetime, timedelta

import pytest

from families import approval, residences
from families.addresses import Address, on
from families.models import FormerAddress, Household
from tests.conftest import NOW
from tests.factories import ChangeRequestFactory, HouseholdFactory, paris
from tests.families.test_admin import HOUSEHOLDS, shown_form

HERE = Address("1 rue des Écoles", "01999", "Valmirelle")
CESSON = Address("4 rue des Lilas", "35510", "Cesson")
NOYAL = Address("8 place du Marché", "35230", "Noyal")
FIRST, MIDDLE = date(2026, 11, 1), date(2026, 11, 16)


@pytest.fixture
def home(db) -> Household:
    return HouseholdFactory(street=HERE.street, postcode=HERE.postcode, city=HERE.city)


def moves(home: Household, to: Address, since: date, at: datetime = NOW) -> None:
    before = Address.of(home)
    home.street, home.postcode, home.city = to.street, to.postcode, to.city
    home.save()
    residences.move(home, before, since=since, at=at)


def cities(home: Household, *days: date, when_told: bool = False) -> list[str]:
    lived = residences.addresses(home, FormerAddress.objects.filter(household=home), when_told=when_told)
    return [on(lived, day).city for day in days]


EVE = MIDDLE - timedelta(days=1)


def test_the_address_before_holds_until_the_eve(home):
    moves(home, CESSON, MIDDLE)
    assert cities(home, EVE, MIDDLE) == ["Valmirelle", "Cesson"]


def test_the_same_address_in_other_words_is_no_move(home):
    moves(home, Address("1, RUE DES ECOLES", "01999", "valmirelle"), MIDDLE)
    assert not FormerAddress.objects.exists()


def test_two_moves_follow_each_other(home):
    moves(home, CESSON, FIRST)
    moves(home, NOYAL, MIDDLE)
    assert cities(home, date(2026, 10, 31), FIRST, EVE, MIDDLE) == ["Valmirelle", "Cesson", "Cesson", "Noyal"]


def test_told_twice_for_a_day_the_last_word_holds_from_that_day(home):
    moves(home, CESSON, MIDDLE)
    moves(home, NOYAL, MIDDLE)
    assert cities(home, EVE, MIDDLE) == ["Valmirelle", "Noyal"]
    assert FormerAddress.objects.count() == 1


def test_what_is_told_of_an_earlier_day_takes_the_place_of_later_moves(home):
    moves(home, CESSON, MIDDLE)
    moves(home, NOYAL, FIRST)
    assert cities(home, date(2026, 10, 31), FIRST, EVE, MIDDLE) == ["Valmirelle", "Noyal", "Noyal", "Noyal"]


def test_a_move_may_count_from_when_it_was_told(home):
    moves(home, CESSON, FIRST, at=paris(2026, 11, 16, 9))
    assert cities(home, FIRST, EVE, MIDDLE, when_told=True) == ["Valmirelle", "Valmirelle", "Cesson"]


def test_a_request_that_is_accepted_says_from_when(home, agent):
    change = ChangeRequestFactory(
        household=home, street=CESSON.street, postcode=CESSON.postcode, city=CESSON.city, valid_from=MIDDLE
    )
    approval.accept_change(change, by=agent, at=paris(2026, 11, 20, 9))
    home.refresh_from_db()
    assert cities(home, EVE, MIDDLE) == ["Valmirelle", "Cesson"]


def test_the_desk_says_from_when_too(books, agent_client):
    home = books.household
    before = home.city
    data = shown_form(agent_client, home) | {"city": "Cesson", "postcode": "35510"}
    agent_client.post(f"{HOUSEHOLDS}{home.pk}/change/", data | {"resident_since": "04/11/2026"})
    home.refresh_from_db()
    assert home.city == "Cesson"
    assert cities(home, date(2026, 11, 3), date(2026, 11, 4)) == [before, "Cesson"]
