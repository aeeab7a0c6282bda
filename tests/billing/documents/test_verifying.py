"""`verify_books` says that all agrees, or names what does not, and ends accordingly."""

from contextlib import contextmanager
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.documents import pdf, verifying
from billing.invoices import invoicing
from billing.invoices.creditable import Wanted
from billing.models import AccountEntry, Invoice, NumberCounter, Seal
from billing.payments import paying
from portal.database import schema
from tests.billing.conftest import FIRST_OF_DECEMBER
from tests.factories import InvoiceFactory

PARTS = ("Comptes", "Factures", "Séries", "Compteurs", "Empreintes", "Triggers", "PDF")


def run():
    """Each part's line, then the faults, then the last line."""
    out, err = StringIO(), StringIO()
    try:
        call_command("verify_books", stdout=out, stderr=err)
    except CommandError as error:
        last = [str(error)]
    else:
        last = []
    said = [*out.getvalue().splitlines(), *err.getvalue().splitlines(), *last]
    return [line.replace("\xa0", " ") for line in said]


def faults():
    return run()[len(PARTS) : -1]


@pytest.fixture
def sound(owes, private):
    paying.record(
        owes.household,
        Decimal(5),
        "cash",
        paid_on=FIRST_OF_DECEMBER.date(),
        by=None,
        at=FIRST_OF_DECEMBER,
    )
    return owes


@pytest.fixture
def printed(sound):
    return pdf.stored(Invoice.objects.get(household=sound.household), at=FIRST_OF_DECEMBER)


@contextmanager
def tampering(part="billing.final"):
    """By hand in the database, with its protections out of the way and back again."""
    with schema.lifted(part, connection), connection.cursor() as cursor:
        yield cursor.execute


def test_sound_books_agree_and_each_part_has_its_line(printed):
    assert run() == [
        "Comptes : 2 foyers : tout concorde.",
        "Factures : lignes, totaux et affectations : tout concorde.",
        "Séries : 2 séries, 3 numéros : tout concorde.",
        "Compteurs : le dernier numéro de chaque série : tout concorde.",
        "Empreintes : 3 empreintes : tout concorde.",
        "Triggers : protections de la base : tout concorde.",
        "PDF : 1 imprimé : tout concorde.",
        "2 foyers, 3 documents : tout concorde",
    ]


def test_the_part_that_is_wrong_says_so(sound):
    NumberCounter.objects.filter(series="R").update(last=0)
    said = run()
    assert [line.split(" : ")[0] for line in said[: len(PARTS)]] == list(PARTS)
    assert [line.endswith("1 anomalie.") for line in said[: len(PARTS)]] == [
        part == "Compteurs" for part in PARTS
    ]
    assert said[len(PARTS) :] == [
        "Compteur R2026 : il dit 0, le dernier numéro est 1.",
        "2 foyers, 3 documents : 1 anomalie",
    ]


def test_a_movement_without_its_document_and_a_balance_that_is_wrong(sound):
    AccountEntry.objects.create(
        household=sound.household,
        kind="payment",
        amount=Decimal(-1),
        value_on=FIRST_OF_DECEMBER.date(),
        booked_on=FIRST_OF_DECEMBER.date(),
        document="R2026-000009",
    )
    number = sound.household.number
    assert faults() == [
        "R2026-000009 : le compte nomme une pièce qui n'existe pas.",
        f"Foyer {number} : le compte dit 6,80 €, les pièces 7,80 €.",
    ]


def test_a_document_that_no_movement_says_and_a_number_that_is_missing(sound):
    InvoiceFactory(household=sound.household, number="F2026-000004", sequence=4)
    NumberCounter.objects.filter(series="F").update(last=4)
    said = faults()
    assert any(line.startswith(f"F2026-000004 (foyer {sound.household.number})") for line in said)
    assert "F2026-000003 : ce numéro manque." in said
    assert "F2026-000004 : cette pièce n'a pas d'empreinte." in said


# By hand in the database ----------------------------------------------------------------------------------

NOT_AS_ISSUED = "la pièce n'est plus celle qui a été émise."


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE billing_invoice SET total = 2.80 WHERE number = 'F2026-000001'",
            {f"F2026-000001 : {NOT_AS_ISSUED}", "F2026-000001 : ses lignes ne font pas son total de 2,80 €."},
        ),
        (
            "UPDATE billing_invoice SET payer = 'Personne' WHERE number = 'F2026-000002'",
            {f"F2026-000002 : {NOT_AS_ISSUED}"},
        ),
        (
            "UPDATE billing_invoiceline SET label = 'Goûters' WHERE invoice_id ="
            " (SELECT id FROM billing_invoice WHERE number = 'F2026-000002')",
            {f"F2026-000002 : {NOT_AS_ISSUED}"},
        ),
        (
            "UPDATE billing_payment SET amount = 6 WHERE number = 'R2026-000001'",
            {f"R2026-000001 : {NOT_AS_ISSUED}"},
        ),
        (
            "UPDATE billing_payment SET reference = 'autre' WHERE number = 'R2026-000001'",
            {f"R2026-000001 : {NOT_AS_ISSUED}"},
        ),
        (
            "UPDATE billing_payment SET paid_on = '2026-11-30' WHERE number = 'R2026-000001'",
            {"R2026-000001 (foyer {home}) : le compte en dit d'autres jours."},
        ),
    ],
)
def test_what_a_document_says_was_changed(sound, statement, said):
    with tampering() as execute:
        execute(statement)
    home = sound.household.number
    assert {one.replace("{home}", home) for one in said} <= set(faults())


def test_a_document_that_was_deleted(sound, waits):
    number = Invoice.objects.get(household=waits.household).number
    keys = f"(SELECT id FROM billing_invoice WHERE number = '{number}')"
    lines = f"(SELECT id FROM billing_invoiceline WHERE invoice_id IN {keys})"
    with tampering() as execute, tampering("billing.ledger") as of_ledger:
        execute(f"DELETE FROM billing_billeditem WHERE line_id IN {lines}")
        execute(f"DELETE FROM billing_invoiceline WHERE invoice_id IN {keys}")
        execute(f"DELETE FROM billing_invoice WHERE number = '{number}'")
        of_ledger(f"DELETE FROM billing_accountentry WHERE document = '{number}'")
    assert f"{number} : ce numéro manque." in faults()


def test_a_document_deleted_with_its_seal_and_its_counter_set_back_leaves_its_movement(sound, waits):
    with tampering() as execute, tampering("billing.seals") as of_seals:
        execute("DELETE FROM billing_paymentallocation")
        execute("DELETE FROM billing_payment")
        of_seals("DELETE FROM billing_seal WHERE series = 'R'")
        execute("DELETE FROM billing_numbercounter WHERE series = 'R'")
    assert "R2026-000001 : le compte nomme une pièce qui n'existe pas." in faults()


def test_two_seals_that_were_swapped(sound):
    first, second = Seal.objects.filter(series="F").order_by("sequence").values_list("hash", flat=True)
    with tampering("billing.seals") as execute:
        execute(f"UPDATE billing_seal SET hash = '{second}' WHERE number = 'F2026-000001'")
        execute(f"UPDATE billing_seal SET hash = '{first}' WHERE number = 'F2026-000002'")
    assert faults() == [
        f"F2026-000001 : {NOT_AS_ISSUED}",
        "F2026-000002 : son empreinte ne suit pas la précédente.",
        f"F2026-000002 : {NOT_AS_ISSUED}",
    ]


def test_a_document_sealed_anew_breaks_the_chain_behind_it(sound):
    """Who changes an amount and computes its seal again has to do so for all that follow."""
    with tampering() as execute, tampering("billing.seals") as of_seals:
        execute("UPDATE billing_invoice SET payer = 'Personne' WHERE number = 'F2026-000001'")
        ((said, _),) = verifying.sealing.written(Invoice, 1, Invoice.objects.filter(sequence=1))
        mark = verifying.sealing.hashed(1, verifying.sealing.GENESIS, said.text)
        of_seals(f"UPDATE billing_seal SET hash = '{mark}' WHERE number = 'F2026-000001'")
    assert faults() == ["F2026-000002 : son empreinte ne suit pas la précédente."]


def test_a_seal_of_a_form_that_nobody_knows(sound):
    with tampering("billing.seals") as execute:
        execute("UPDATE billing_seal SET version = 7 WHERE number = 'R2026-000001'")
    assert f"R2026-000001 : {NOT_AS_ISSUED}" in faults()


def test_money_used_twice(sound):
    other = Invoice.objects.exclude(household=sound.household).get()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO billing_paymentallocation (payment_id, invoice_id, amount)"
            " SELECT id, %s, 12.80 FROM billing_payment",
            [other.pk],
        )
    assert "R2026-000001 : plus de 5,00 € de ce règlement sont affectés." in faults()


def test_a_printed_invoice_that_was_changed(printed):
    with printed.file.storage.open(printed.file.name, "ab") as file:
        file.write(b" ")
    (said,) = faults()
    assert said.startswith("Le fichier de la facture F2026-000001 a été modifié")


def test_a_protection_that_was_dropped(sound):
    piece = next(one for one in schema.parts() if one.name == "billing.seals").pieces[connection.vendor][-1]
    with connection.cursor() as cursor:
        for statement in piece.removing(connection.vendor):
            cursor.execute(statement)
    assert faults() == [f"{piece.name} : cette protection manque."]
    schema.complete(connection)


def test_credit_notes_too(sound, waits):
    invoice = Invoice.objects.get(household=waits.household)
    invoicing.credit(
        invoice, Wanted(amount=Decimal("3.20")), reason="Repas froid", by=None, at=FIRST_OF_DECEMBER
    )
    assert faults() == []
    with tampering() as execute:
        execute("UPDATE billing_creditnote SET reason = 'Autre'")
    assert faults() == [f"A2026-000001 : {NOT_AS_ISSUED}"]


def test_as_many_queries_for_ten_payments_as_for_one(sound, waits):
    def asked():
        with CaptureQueriesContext(connection) as found:
            verifying.verify(files=False)
        return len(found)

    before = asked()
    for _ in range(9):
        paying.record(
            waits.household,
            Decimal(1),
            "cash",
            paid_on=FIRST_OF_DECEMBER.date(),
            by=None,
            at=FIRST_OF_DECEMBER,
        )
    assert asked() == before
