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
    """The notice above the week, without tags, its spaces as a keyboard writes them."""
    top = client.get("/").content.decode().split('<nav class="jump"')[0]
    found = re.search(r'<div class="notice notice--(?:requested|warning)">(.*?)</div>', top, re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", found[1])).split()) if found else ""


def owes(household, *due: date, total: str = "12.80"):
    return [InvoiceFactory(household=household, due_on=day, total=Decimal(total)) for day in due]


def test_one_invoice_and_its_last_day(books, books_client, settings):
    settings.PAYMENT_PROVIDER = ""
    owes(books.household, date(2026, 12, 5))
    said = said_at_the_top(books_client)
    assert said == "Il vous reste 12,80 € à payer au plus tard le samedi 5 décembre 2026."


def test_one_that_is_late(books, books_client, settings):
    settings.PAYMENT_PROVIDER = ""
    owes(books.household, date(2026, 10, 5))
    assert said_at_the_top(books_client).endswith("à payer, attendus depuis le lundi 5 octobre 2026.")


def test_several_with_their_sum_and_the_one_due_first(books, books_client, settings):
    settings.PAYMENT_PROVIDER = "demo"
    owes(books.household, date(2026, 12, 5), date(2026, 10, 5))
    said = said_at_the_top(books_client)
    assert "25,60 € à payer : 2 factures, la première attendue depuis le lundi 5 octobre 2026." in said
    assert said.endswith("Payer maintenant")


def test_nothing_once_it_is_paid_for_a_stranger_or_while_the_bank_has_it(
    books, books_client, waits_client, settings
):
    settings.PAYMENT_PROVIDER = "demo"
    owes(books.household, date(2026, 12, 5))
    assert said_at_the_top(books_client)
    assert not said_at_the_top(waits_client)
    start(books)
    assert not said_at_the_top(books_client)


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
