"""« Cartes de tickets » of a family: what is sold, one button, what is left; and on the planning."""

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.invoices import cards
from billing.models import FormulaTariff, HouseholdCard, Tariff, TariffBand, TicketCard
from tests.billing.conftest import END_OF_NOVEMBER, NOVEMBER, bill, eats
from tests.conftest import NOW

LIST = "/factures/cartes/"


@pytest.fixture
def sold(canteen):
    tariff = Tariff.objects.create(code="repas", name="Repas", kind="flat")
    TariffBand.objects.create(tariff=tariff, prices={"": "4.00"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    row = TicketCard.objects.create(
        code="dix", name="Carte de 10 repas", tickets=10, price=38, until_day=31, until_month=8
    )
    row.activities.add(canteen.activity)
    return row


def page(client, address=LIST):
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_where_the_town_sells_none_there_is_no_page_and_no_word(books, books_client):
    assert books_client.get(LIST).status_code == 404
    assert "Cartes de tickets" not in page(books_client, "/factures/")


def test_it_is_one_step_from_the_invoices(sold, books_client):
    assert f'href="{LIST}"' in page(books_client, "/factures/")
    assert "10 tickets pour 38,00\xa0€, jusqu&#x27;au 31 août" in page(books_client)


def test_what_it_is_stands_before_the_button(sold, books_client):
    said = page(books_client, reverse("billing:card_buy", args=[sold.pk]))
    assert "10 tickets pour 38,00\xa0€, jusqu&#x27;au 31 août 2027." in said
    assert "ne sont pas remboursés" in said


def test_one_button_buys_one_at_the_town_s_price_though_it_is_pressed_twice(sold, books, books_client):
    address = reverse("billing:card_buy", args=[sold.pk])
    asked = {"cle": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "price": "1", "foyer": books.household.pk}
    for _ in range(2):
        books_client.post(address, asked)
    (row,) = HouseholdCard.objects.all()
    assert (row.household, row.price, row.bought_by) == (books.household, 38, books.user)
    assert [charge.unit_price for charge in row.charges.all()] == [38]


def test_a_card_that_is_sold_no_more_is_not_found(sold, books_client):
    TicketCard.objects.update(valid_from=date(2025, 1, 1), valid_to=date(2026, 1, 1))
    assert books_client.post(reverse("billing:card_buy", args=[sold.pk])).status_code == 404
    assert "Aucune carte n'est en vente" in page(books_client)


def test_another_family_sees_nothing_of_it(sold, books, waits_client):
    cards.sell(books.household, sold, by=books.user, at=NOW)
    assert "Vos cartes" not in page(waits_client)


def test_what_is_left_and_what_was_taken(sold, books, books_client):
    cards.sell(books.household, sold, by=books.user, at=NOW)
    day = date(2026, 11, 30)
    eats(books, [day, date(2026, 12, 1)])
    bill(NOVEMBER, END_OF_NOVEMBER)
    said = page(books_client)
    assert "Il vous reste 9 tickets, valables jusqu&#x27;au 31 août 2027" in said
    assert "Ticket 1 : Lina Roux, Repas, lundi 30 novembre 2026" in said


def test_it_stands_on_the_planning_of_what_it_pays(sold, books, books_client, canteen):
    cards.sell(books.household, sold, by=books.user, at=NOW)
    address = reverse(
        "catering:planning", args=[books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk]
    )
    said = page(books_client, address)
    assert "Carte de 10 repas : il vous reste 10 tickets, valables jusqu&#x27;au 31 août 2027." in said
    sold.activities.clear()
    assert "il vous reste" not in page(books_client, address)


def test_as_many_queries_with_three_cards_as_with_one(sold, books, books_client):
    def queries():
        page(books_client)
        with CaptureQueriesContext(connection) as asked:
            page(books_client)
        return len(asked)

    cards.sell(books.household, sold, by=books.user, at=NOW)
    one = queries()
    for _ in range(2):
        cards.sell(books.household, sold, by=books.user, at=NOW)
    assert queries() == one
