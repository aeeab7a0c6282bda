"""Which day takes which ticket, and until when a card is valid."""

from datetime import date

import pytest

from billing.rules.cards import Card, Day, Ticket, last_day, spans, tickets


def day(number, *, activity=1, place=()):
    return Day((number, activity, *place), activity, date(2026, 11, number), place)


def card(key=1, *, of=2, first=1, last=30, activities=(1,)):
    return Card(key, of, date(2026, 11, first), date(2026, 11, last), frozenset(activities))


def taken(cards, days):
    return {key[0]: ticket for key, ticket in tickets(cards, days).items()}


def test_days_take_tickets_in_their_order_whatever_order_they_are_told_in():
    found = taken([card()], [day(5), day(3), day(2)])
    assert found == {2: Ticket(1, 1), 3: Ticket(1, 2)}


def test_of_two_cards_the_older_one_is_used_up_first():
    found = taken([card(2, first=3), card(1, of=1)], [day(2), day(3), day(5)])
    assert found == {2: Ticket(1, 1), 3: Ticket(2, 1), 5: Ticket(2, 2)}


def test_a_card_pays_from_the_day_it_is_bought_to_its_last():
    found = taken([card(of=5, first=3, last=5)], [day(2), day(3), day(5), day(6)])
    assert sorted(found) == [3, 5]


def test_a_card_pays_its_activities_alone():
    found = taken([card(activities=(2,))], [day(2), day(3, activity=2)])
    assert found == {3: Ticket(1, 1)}


def test_of_one_day_the_place_decides():
    found = tickets([card(of=1)], [day(2, place=(9,)), day(2, place=(4,))])
    assert list(found) == [(2, 1, 4)]


@pytest.mark.parametrize(
    ("bought", "end"),
    [
        (date(2026, 11, 3), date(2027, 8, 31)),
        (date(2026, 8, 31), date(2026, 8, 31)),
        (date(2026, 9, 1), date(2027, 8, 31)),
    ],
)
def test_until_the_next_31_august(bought, end):
    assert last_day(bought, day=31, month=8, months=None) == end


def test_the_31_of_a_shorter_month_is_its_last_day():
    assert last_day(date(2026, 11, 3), day=31, month=2, months=None) == date(2027, 2, 28)


def test_for_so_many_months():
    assert last_day(date(2026, 11, 3), day=None, month=None, months=12) == date(2027, 11, 2)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([4], "ticket 4"),
        ([1, 2], "tickets 1 et 2"),
        ([1, 2, 3], "tickets 1 à 3"),
        ([7, 1, 2, 3], "tickets 1 à 3 et 7"),
    ],
)
def test_numbers_in_words(numbers, words):
    assert spans(numbers) == words
