"""What is left to pay, at the top of « Mon compte famille »."""

import re
from datetime import date
from decimal import Decimal
from html import unescape

from billing.payments import paying
from tests.billing.conftest import FIRST_OF_DECEMBER
from tests.billing.payments.paying_online import start
from tests.factories import InvoiceFactory


def said_at_the_top(client) -> str:
    """« À faire maintenant », without tags, its spaces as a keyboard writes them."""
    page = client.get("/").content.decode()
    found = re.search(r'<h2 id="a-faire"[^>]*>.*?</h2>(.*?)</section>', page, re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", found[1])).split()) if found else ""


def owes(household, *due: date, total: str = "12.80"):
    return [InvoiceFactory(household=household, due_on=day, total=Decimal(total)) for day in due]


def test_no_note_of_the_template_s_author_is_read(books, books_client):
    owes(books.household, date(2026, 12, 5))
    assert "{#" not in books_client.get("/").text


def test_one_invoice_and_its_last_day(books, books_client, settings):
    settings.PAYMENT_PROVIDER = ""
    owes(books.household, date(2026, 12, 5))
    said = said_at_the_top(books_client)
    assert said == "12,80 € à payer Au plus tard le samedi 5 décembre Voir comment payer"


def test_one_that_is_late(books, books_client, settings):
    settings.PAYMENT_PROVIDER = ""
    owes(books.household, date(2026, 10, 5))
    assert said_at_the_top(books_client).startswith("12,80 € à payer Depuis le lundi 5 octobre")


def test_several_with_their_sum_and_the_one_due_first(books, books_client, settings):
    settings.PAYMENT_PROVIDER = "demo"
    owes(books.household, date(2026, 12, 5), date(2026, 10, 5))
    said = said_at_the_top(books_client)
    assert said == "25,60 € à payer 2 factures, la première depuis le lundi 5 octobre Payer 25,60 €"


def test_a_day_of_another_year_is_said_with_it(books, books_client):
    owes(books.household, date(2027, 1, 5))
    assert "Au plus tard le mardi 5 janvier 2027" in said_at_the_top(books_client)


def test_nothing_for_a_stranger(books, waits_client, settings):
    settings.PAYMENT_PROVIDER = "demo"
    owes(books.household, date(2026, 12, 5))
    assert not said_at_the_top(waits_client)


def test_a_payment_under_way_says_so_since_when_and_what_is_left(books, books_client, settings):
    """Who left the bank's page without an answer is not told that nothing is due."""
    settings.PAYMENT_PROVIDER = "demo"
    owes(books.household, date(2026, 12, 5))
    start(books)
    assert said_at_the_top(books_client) == (
        "Paiement de 12,80 € à terminer Commencé le mardi 1er décembre à 10 h. Dès qu'il est validé, il ne "
        "vous reste rien à payer. Reprendre le paiement"
    )


def test_what_a_payment_under_way_does_not_pay_is_said(books, books_client, settings):
    settings.PAYMENT_PROVIDER = "demo"
    owes(books.household, date(2026, 12, 5))
    start(books)
    owes(books.household, date(2027, 1, 5), total="30.00")
    said = said_at_the_top(books_client)
    assert "Ensuite, il vous restera 30,00 € à payer." in said


def pays(household, amount: str, invoices=None) -> None:
    day = FIRST_OF_DECEMBER.date()
    money = Decimal(amount)
    paying.record(household, money, "cheque", paid_on=day, by=None, at=FIRST_OF_DECEMBER, invoices=invoices)


def test_a_part_that_was_paid_is_no_longer_asked(books, books_client):
    owes(books.household, date(2026, 12, 5))
    pays(books.household, "10.00")
    assert "2,80 €" in said_at_the_top(books_client)


def test_an_old_debt_is_found_behind_many_payments(books, books_client):
    owes(books.household, date(2025, 1, 31))
    for _ in range(20):
        pays(books.household, "1.00", owes(books.household, date(2026, 12, 5), total="1.00"))
    assert "12,80 €" in said_at_the_top(books_client)
