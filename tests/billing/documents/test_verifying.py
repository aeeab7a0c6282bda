"""`verify_books` says that all agrees, or names what does not, and ends accordingly."""

from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from billing.models import AccountEntry, NumberCounter
from billing.payments import paying
from tests.billing.conftest import FIRST_OF_DECEMBER
from tests.factories import InvoiceFactory


def run():
    out, err = StringIO(), StringIO()
    try:
        call_command("verify_books", stdout=out, stderr=err)
    except CommandError as error:
        return [*err.getvalue().splitlines(), str(error)]
    return out.getvalue().splitlines()


@pytest.fixture
def sound(owes):
    paying.record(
        owes.household,
        Decimal(5),
        "cash",
        paid_on=FIRST_OF_DECEMBER.date(),
        by=None,
        at=FIRST_OF_DECEMBER,
    )
    return owes


def test_sound_books_agree(sound):
    assert run() == ["2 foyers, 3 documents : tout concorde"]


def test_a_movement_without_its_document_and_a_balance_that_is_wrong(sound):
    AccountEntry.objects.create(
        household=sound.household,
        kind="payment",
        amount=Decimal(-1),
        value_on=FIRST_OF_DECEMBER.date(),
        booked_on=FIRST_OF_DECEMBER.date(),
        document="R2026-000009",
    )
    said = [line.replace("\xa0", " ") for line in run()]
    number = sound.household.number
    assert said == [
        "R2026-000009 : le compte nomme une pièce qui n'existe pas.",
        f"Foyer {number} : le compte dit 6,80 €, les pièces 7,80 €.",
        "2 foyers, 3 documents : 2 anomalies",
    ]


def test_a_document_that_no_movement_says_and_a_number_that_is_missing(sound):
    InvoiceFactory(household=sound.household, number="F2026-000004", sequence=4)
    NumberCounter.objects.filter(series="F").update(last=4)
    said = run()
    assert any(line.startswith(f"F2026-000004 (foyer {sound.household.number})") for line in said)
    assert "F2026-000003 : ce numéro manque." in said
    assert said[-1].endswith("anomalies")
