"""What the town hall no longer asks for: its own kind, in a series of its own."""

from datetime import date
from decimal import Decimal

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.urls import reverse

from billing.documents import verifying, wording
from billing.invoices import ledger
from billing.invoices.creditable import Wanted
from billing.invoices.refusals import BillingRefused
from billing.models import AccountEntry, BillingSettings, Invoice, NumberCounter, Payment, WriteOff
from billing.payments import crediting, paying, writing_off
from tests.billing.conftest import (
    DECEMBER,
    END_OF_DECEMBER,
    END_OF_NOVEMBER,
    FIRST_OF_DECEMBER,
    MEALS,
    NOVEMBER,
    bill,
    eats,
)
from tests.factories import InvoiceFactory

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


# A statement too small to bill ---------------------------------------------------------------------------


@pytest.fixture
def rest(meals, books):
    """One meal of November, 3.20; the town bills from 5.00 on."""
    BillingSettings(minimum_amount=D("5.00")).save()
    eats(books, MEALS[:1])
    bill(NOVEMBER, END_OF_NOVEMBER)
    with time_machine.travel(FIRST_OF_DECEMBER, tick=False):
        yield Invoice.every.get()


def drop(statement, **said):
    return writing_off.drop(
        statement, **({"reason": "La famille a déménagé", "by": None, "at": FIRST_OF_DECEMBER} | said)
    )


def test_a_rest_too_small_to_bill_is_dropped_and_no_invoice_takes_it_over(rest, books):
    home = books.household.pk
    assert (rest.number, rest.total) == ("REPORT2026-000001", D("3.20"))
    assert ledger.balances([home])[home] == D("3.20")
    made = drop(rest)
    assert (made.number, made.get_kind_display(), made.amount, made.decision) == (
        "N2026-000001",
        "Reste abandonné",
        D("3.20"),
        "",
    )
    rows = AccountEntry.objects.filter(household=home).order_by("pk")
    assert [(one.get_kind_display(), one.amount, one.document) for one in rows] == [
        ("Report", D("3.20"), "REPORT2026-000001"),
        ("Abandon de créance", D("-3.20"), "N2026-000001"),
    ]
    assert ledger.balances([home])[home] == 0 and not ledger.standing([home])
    assert verifying.verify(files=False).faults == []
    eats(books, [date(2026, 12, day) for day in (3, 4)])
    bill(DECEMBER, END_OF_DECEMBER)
    assert Invoice.objects.get().total == D("6.40"), "December's two meals, and nothing of November"
    assert verifying.verify(files=False).faults == []


@pytest.mark.parametrize("over", ["dropped", "billed"])
def test_once_and_only_as_long_as_it_waits(rest, books, over):
    if over == "dropped":
        drop(rest)
    else:
        eats(books, [date(2026, 12, 3)])
        bill(DECEMBER, END_OF_DECEMBER)
    with pytest.raises(BillingRefused, match="n'attend plus"):
        drop(rest)
    assert WriteOff.objects.count() == (over == "dropped")


def test_a_reason_is_said_and_what_is_owed_to_the_family_is_given_back_instead(rest, books):
    with pytest.raises(BillingRefused, match="motif"):
        drop(rest, reason=" ")
    with pytest.raises(BillingRefused, match="remboursez-le"):
        drop(InvoiceFactory(household=books.household, kind="carried", total=D("-9.60")))
    assert not WriteOff.objects.exists()


def test_the_desk_finds_it_drops_it_and_the_family_reads_so(rest, books, regie_client):
    accounts = regie_client.get("/mairie/billing/payment/comptes/")
    assert "Reports en attente</a> d’une facture : 1" in accounts.content.decode()
    page = f"/mairie/billing/payment/comptes/report/{rest.pk}/"
    assert page in regie_client.get("/mairie/billing/payment/comptes/reports/").content.decode()
    assert f"{page}abandonner/" in regie_client.get(page).content.decode()
    form = regie_client.get(f"{page}abandonner/").context["form"]
    sent = {"key": str(form["key"].value()), "reason": ""}
    assert "obligatoire" in regie_client.post(f"{page}abandonner/", sent).content.decode()
    done = regie_client.post(f"{page}abandonner/", sent | {"reason": "Déménagement"}, follow=True)
    assert "Abandonné le 1er décembre 2026, n°\xa0N2026-000001" in done.content.decode()
    made = WriteOff.objects.get()
    assert (made.reason, made.issued_by.username, made.issued_at) == (
        "Déménagement",
        "regie",
        FIRST_OF_DECEMBER,
    )
    twice = regie_client.post(f"{page}abandonner/", sent | {"reason": "Déménagement"}, follow=True)
    assert "n&#x27;est pas un reste à abandonner" in twice.content.decode()
    assert "Aucun report" in regie_client.get("/mairie/billing/payment/comptes/reports/").content.decode()
    written = regie_client.get(f"/mairie/billing/writeoff/{made.pk}/change/")
    assert f'<a href="{page}">Relevé n°\xa0REPORT2026-000001</a>' in written.content.decode()
    client = books.client()
    account = client.get("/factures/mon-compte/").content.decode()
    where = f"/factures/mon-compte/report/{rest.pk}/"
    assert account.count(f'href="{where}"') == 2, "the statement, and what dropped it"
    assert "la mairie ne réclame plus ces" in client.get(where).content.decode()
    assert "Reste abandonné" in client.get(reverse("families:chronicle")).content.decode()


def test_only_who_may_write_off_drops(rest, till_client):
    page = f"/mairie/billing/payment/comptes/report/{rest.pk}/"
    assert "abandonner/" not in till_client.get(page).content.decode()
    assert till_client.get(f"{page}abandonner/").status_code == 403
