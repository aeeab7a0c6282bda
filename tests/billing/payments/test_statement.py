"""The régie's books against the provider's, and the command that asks."""

from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing.models import DemoBankOrder
from billing.payments import asking, starting, statement
from tests.billing.payments.paying_online import AT, D, received, start, state

DAY = date(2026, 12, 1)


@pytest.fixture(autouse=True)
def demo(settings):
    settings.PAYMENT_PROVIDER = "demo"


@pytest.fixture
def payment(owes):
    return start(owes)


def bank_says(payment, outcome):
    DemoBankOrder.objects.filter(token=payment.provider_reference).update(outcome=outcome)


def test_books_that_agree(owes, payment):
    bank_says(payment, "paid")
    asking.check(payment, at=AT)
    found = statement.of_day(DAY)
    assert (found.count, found.total, found.differences) == (1, D("12.80"), [])
    assert "concordent" in found.summary


def test_a_lost_payment_is_listed_then_repaired_by_the_command(owes, payment):
    bank_says(payment, "paid")
    (difference,) = statement.of_day(DAY).differences
    assert payment.reference in difference
    said = StringIO()
    call_command("reconcile_payments", "--day", "2026-12-01", stdout=said)
    assert "1 changé(s)" in said.getvalue()
    assert "concordent" in said.getvalue()
    assert (state(payment), received(owes.household)) == ("validated", [D("12.80")])


def test_every_kind_of_difference(owes, payment):
    bank_says(payment, "paid")
    asking.check(payment, at=AT)
    DemoBankOrder.objects.update(amount=D("11"))
    assert "11,00" in statement.of_day(DAY).differences[0].replace("\u202f", " ")
    DemoBankOrder.objects.update(outcome="open")
    assert "rien d'encaissé" in statement.of_day(DAY).differences[0]
    DemoBankOrder.objects.create(
        token="x", reference="INCONNUE", amount=3, outcome="paid", created_at=AT, expires_at=AT
    )
    assert "inconnu ici" in statement.of_day(DAY).differences[1]
    with pytest.raises(CommandError, match="2 écart"):
        call_command("reconcile_payments", "--day", "2026-12-01", stdout=StringIO())


def test_the_worker_looks_again_by_itself(owes, payment):
    bank_says(payment, "paid")
    starting.look_again.call(payment.pk)
    assert state(payment) == "validated"
    starting.look_again.call(payment.pk)
    assert received(owes.household) == [D("12.80")]
