"""Each document bears a hash over its data and the hash of the one before it in its series and year."""

import hashlib
import importlib
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.documents import verifying
from billing.invoices import invoicing, sealing
from billing.invoices.creditable import Wanted
from billing.models import FormerDocument, Invoice, NumberCounter, Payment, Seal
from billing.payments import paying
from families.models import Household
from portal.database import schema
from tests import ROOT
from tests.billing.conftest import FIRST_OF_DECEMBER


def pay(home, amount, **more):
    said = {"paid_on": FIRST_OF_DECEMBER.date(), "by": None, "at": FIRST_OF_DECEMBER, "means": "cash"}
    return paying.record(home, Decimal(amount), **said | more)


def test_the_worked_case_of_the_documentation_is_computed_from_the_page_alone(owes):
    """By a program that is not ours: the block and the hash below it."""
    section = (ROOT / "docs/money.md").read_text().partition("## Empreintes")[2]
    worked = section.partition("*Worked case.*")[2]
    block = [line[4:] for line in worked.splitlines() if line.startswith("    ")]
    says = hashlib.sha256("".join(f"{line}\n" for line in block).encode()).hexdigest()
    assert f"`{says}`" in worked
    payment = pay(owes.household, "5", means="cheque", reference="12")
    assert Seal.objects.get(number=payment.number).hash == says


def test_the_form_that_is_written_down_byte_for_byte(owes):
    """As docs/money.md spells it, for a program that is not ours."""
    payment = pay(owes.household, "5", reference="chèque\n\\12")
    written = (
        "seal=2\n"
        f"previous={'0' * 64}\n"
        "document=payment\n"
        "number=R2026-000001\n"
        "kind=payment\n"
        "amount=5.00\n"
        "means=cash\n"
        "reference=chèque\\n\\\\12\n"
        "recorded_at=2026-12-01T09:00:00.000000Z\n"
        "refunds=\n"
        "because=\n"
        "reason=\n"
    )
    assert Seal.objects.get(number=payment.number).hash == hashlib.sha256(written.encode()).hexdigest()


def test_an_invoice_says_its_lines(owes):
    invoice = Invoice.objects.get(household=owes.household)
    ((said, _),) = sealing.written(Invoice, 1, Invoice.objects.filter(pk=invoice.pk))
    lines = said.text.splitlines()
    assert lines[:3] == ["document=invoice", "number=F2026-000001", "kind=invoice"]
    assert "quotient=" in lines
    assert "issuer.collection=Régie de recettes" in lines
    assert "total=12.80" in lines
    assert lines[lines.index("line.position=1") :] == [
        "line.position=1",
        "line.kind=presence",
        "line.child_name=Lina Roux",
        "line.activity_name=Restauration scolaire",
        "line.label=Repas",
        "line.days=2026-11-02,2026-11-03,2026-11-05,2026-11-06",
        "line.quantity=4.00",
        "line.unit_price=3.20",
        "line.amount=12.80",
        f"line.explanation={invoice.lines.get().explanation}",
        "line.vat_percent=0.00",
        "line.care_percent=0.00",
        "line.analytic_code=",
        "line.account_code=",
        "line.carried=",
    ]


def test_documents_of_a_series_and_year_hang_on_each_other(owes, waits):
    first, second = Seal.objects.filter(series="F").order_by("sequence")
    assert first.previous == sealing.GENESIS
    assert second.previous == first.hash
    # Another series, and another year, begin by themselves.
    receipt = pay(owes.household, "5")
    following = invoicing.credit(
        Invoice.objects.get(household=waits.household),
        Wanted(amount=Decimal(1)),
        reason="Geste",
        by=None,
        at=FIRST_OF_DECEMBER.replace(year=2027),
    )
    for number in (receipt.number, following.number):
        assert Seal.objects.get(number=number).previous == sealing.GENESIS


def test_a_payment_costs_two_queries_more(owes):
    with CaptureQueriesContext(
        connection,
    ) as asked:
        pay(owes.household, "5")
    assert sum('"billing_seal"' in query["sql"] for query in asked.captured_queries) == 2


def test_a_chunk_costs_three_queries_more_whatever_it_holds(owes, waits):
    def asked(invoices):
        with schema.lifted("billing.seals", connection):
            Seal.objects.all().delete()
        Household.objects.lock([owes.household.pk])
        with CaptureQueriesContext(connection) as found:
            sealing.seal(invoices)
        return len(found)

    both = list(Invoice.objects.order_by("sequence"))
    with transaction.atomic():
        assert asked(both[:1]) == asked(both) == 3


def test_a_seal_neither_changes_nor_goes(owes):
    mark = Seal.objects.first()
    for change in (
        lambda: Seal.objects.filter(pk=mark.pk).update(hash="f" * 64),
        lambda: Seal.objects.filter(pk=mark.pk).delete(),
    ):
        with pytest.raises((IntegrityError, DatabaseError), match="empreinte"), transaction.atomic():
            change()
    assert Seal.objects.filter(pk=mark.pk, hash=mark.hash).exists()


def test_documents_are_sealed_inside_the_issuing_transaction_only(monkeypatch):
    monkeypatch.setattr(transaction.get_connection(), "in_atomic_block", False)
    with pytest.raises(transaction.TransactionManagementError):
        sealing.seal([])


def test_what_a_bank_answers_later_and_a_joining_are_no_part_of_it(owes, waits):
    later = pay(owes.household, "5", state="pending")
    ((before, _),) = sealing.written(Payment, 1, Payment.objects.filter(pk=later.pk))
    paying.settle(later, "validated", at=FIRST_OF_DECEMBER, paid_on=FIRST_OF_DECEMBER.date())
    ((after, _),) = sealing.written(Payment, 1, Payment.objects.filter(pk=later.pk))
    assert before == after


def test_documents_of_before_are_chained_in_the_order_of_their_numbers(owes, waits):
    """By the update, in the first form of each; a former document keeps its place by the hash kept of it."""
    for amount in ("5", "7.80"):
        pay(owes.household, amount)
    theirs = Invoice.objects.get(household=waits.household)
    invoicing.credit(theirs, Wanted(amount=Decimal(1)), reason="Geste", by=None, at=FIRST_OF_DECEMBER)
    former = {"kind": "invoice", "year": 2004, "day": "2004-12-01", "amount": 5, "removed_on": "2026-01-02"}
    for sequence in (1, 2):
        FormerDocument.objects.create(
            **former,
            number=f"F2004-00000{sequence}",
            series="F",
            sequence=sequence,
            sha256=f"{sequence}" * 64,
            removed_year=2026,
        )
    NumberCounter.objects.create(series="F", year=2004, last=2)
    written = set(Seal.objects.values_list("number", flat=True))
    with schema.lifted("billing.seals", connection):
        Seal.objects.all().delete()
    editor = type("Editor", (), {"connection": connection})
    importlib.import_module("billing.migrations.0019_seals_of_before").seal(apps, editor)
    again = Seal.objects.values_list("number", "version", "hash", "previous")
    gone = [one for one in again if one[0].startswith("F2004")]
    assert gone == [
        ("F2004-000001", Seal.OF_A_FORMER_ONE, "1" * 64, sealing.GENESIS),
        ("F2004-000002", Seal.OF_A_FORMER_ONE, "2" * 64, "1" * 64),
    ]
    assert {number for number, *_ in again} == {*written, "F2004-000001", "F2004-000002"}
    assert {version for _, version, *_ in again} == {Seal.OF_A_FORMER_ONE, 1}
    # What comes next follows them, in the newest form, and all of it is verified.
    assert Seal.objects.get(number=pay(owes.household, "1").number).previous == (
        Seal.objects.get(number="R2026-000002").hash
    )
    assert verifying.verify(files=False).faults == []
