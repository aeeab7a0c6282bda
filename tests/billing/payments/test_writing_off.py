"""What the town hall no longer asks for: its own kind, in a series of its own."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing.documents import verifying, wording
from billing.invoices import ledger
from billing.invoices.creditable import Wanted
from billing.invoices.refusals import BillingRefused
from billing.models import AccountEntry, Invoice, NumberCounter, Payment, WriteOff
from billing.payments import crediting, paying, writing_off
from tests.billing.conftest import FIRST_OF_DECEMBER

D = Decimal
SAID = {
    "reason": "Liquidation judiciaire",
    "decision": "DEL-2026-41",
    "decided_on": date(2026, 11, 30),
    "by": None,
    "at": FIRST_OF_DECEMBER,
}


def invoice_of(home):
    return Invoice.objects.with_balance().get(household=home.household)


def write_off(home, amount, kind="uncollectable", **said):
    return writing_off.write_off(invoice_of(home), D(amount), kind=kind, **(SAID | said))


def test_it_lowers_what_is_left_has_a_number_and_is_no_receipt(owes):
    paying.record(owes.household, D("3.20"), "cash", paid_on=date(2026, 12, 1), by=None, at=FIRST_OF_DECEMBER)
    made = write_off(owes, "9.60")
    assert (made.number, str(made)) == ("N2026-000001", "Admission en non-valeur n°\xa0N2026-000001")
    now = invoice_of(owes)
    assert (now.paid, now.credited, now.written_off, now.left) == (D("3.20"), 0, D("9.60"), 0)
    assert now.state_on(date(2026, 12, 1)).label == "Close"
    entry = AccountEntry.objects.get(document=made.number)
    assert (entry.kind, entry.amount) == ("write_off", D("-9.60"))
    home = owes.household.pk
    assert ledger.standing([home])[home] == ledger.balances([home])[home] == 0
    assert Payment.objects.count() == 1
    assert verifying.verify(files=False).faults == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"amount": "12.81"}, "Il ne reste que 12,80"),
        ({"amount": "0"}, "positif"),
        ({"reason": " "}, "motif"),
        ({"decision": ""}, "décision"),
        ({"decided_on": date(2026, 12, 2)}, "à venir"),
    ],
)
def test_what_cannot_be_written_off_is_refused(owes, change, why):
    with pytest.raises(BillingRefused, match=why):
        write_off(owes, **({"amount": "12.80"} | change))
    assert not WriteOff.objects.exists()


def test_it_is_final(owes):
    rows = WriteOff.objects.filter(pk=write_off(owes, "12.80").pk)
    for change in (lambda: rows.update(amount=1), lambda: rows._raw_delete("default")):
        with pytest.raises(IntegrityError, match="ne change plus"), transaction.atomic():
            change()


def test_what_was_written_off_is_not_credited_besides(owes):
    write_off(owes, "9.60")
    with pytest.raises(BillingRefused, match="Il ne reste que 3,20"):
        crediting.credit(
            invoice_of(owes), Wanted(amount=D("3.21")), reason="Erreur", by=None, at=FIRST_OF_DECEMBER
        )
    note = crediting.credit(
        invoice_of(owes), Wanted(whole=True), reason="Erreur", by=None, at=FIRST_OF_DECEMBER
    )
    assert [one.amount for one in note.lines.all()] == [D("12.80"), D("-9.60")]
    assert invoice_of(owes).left == 0


def test_money_that_comes_afterwards_is_the_family_s(owes):
    write_off(owes, "12.80")
    late = paying.record(
        owes.household, D("12.80"), "cash", paid_on=date(2026, 12, 1), by=None, at=FIRST_OF_DECEMBER
    )
    assert paying.unused(late) == D("12.80")


def test_a_number_of_its_series_that_is_missing_is_a_fault(owes):
    write_off(owes, "12.80")
    NumberCounter.objects.filter(series="N").update(last=2)
    faults = verifying.verify(files=False).faults
    assert faults == ["Compteur N2026 : il dit 2, le dernier numéro est 1."]


@pytest.mark.parametrize(("kind", "told"), [("uncollectable", 0), ("remission", 1), ("extinguished", 1)])
def test_families_read_that_it_is_no_longer_asked_for_only_where_they_no_longer_owe_it(
    owes, client, kind, told
):
    write_off(owes, "12.80", kind)
    client.force_login(owes.user)
    page = client.get(f"/factures/{invoice_of(owes).pk}/").content.decode()
    assert page.count("la mairie ne réclame plus cette somme") == told
    assert "Payée" not in page.partition("detail-facture")[2].partition("Légende")[0]
    assert "Close" in page and "12,80" in page
    account = client.get("/factures/mon-compte/").content.decode()
    assert ("N&#x27;est plus à payer en ligne" in account) == (not told)
    assert "non-valeur" not in page + account
    (shown,) = wording.invoices(Invoice.objects.all().filter(household=owes.household), date(2026, 12, 1))
    assert not shown.to_pay and not shown.payable
