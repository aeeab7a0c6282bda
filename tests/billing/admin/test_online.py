"""The régie looks at online payments, asks, gives back, compares, and debits."""

import re
from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.models import (
    BillingSettings,
    Debit,
    DebitFile,
    DemoBankOrder,
    Mandate,
    OnlinePayment,
    OnlineRefund,
)
from billing.payments import asking, starting
from tests.factories import InvoiceFactory

HERE = "/mairie/billing/onlinepayment/"


@pytest.fixture(autouse=True)
def demo(settings):
    settings.PAYMENT_PROVIDER = "demo"


@pytest.fixture
def invoice(books):
    return InvoiceFactory(household=books.household, month=date(2026, 10, 1))


@pytest.fixture
def payment(books, invoice, now):
    return starting.start(books.household, {invoice.pk: None}, by=books.user, at=now)


@pytest.fixture
def paid(payment, now):
    DemoBankOrder.objects.update(outcome="paid")
    return asking.check(payment, at=now)


def test_every_step_with_the_raw_answer_is_there_for_the_regie_only(
    paid, regie_client, agent_client, books_client
):
    page = regie_client.get(f"{HERE}{paid.pk}/change/").content.decode()
    assert "Page de paiement ouverte" in page
    assert "&quot;outcome&quot;: &quot;paid&quot;" in page
    assert regie_client.get(HERE).status_code == 200
    assert agent_client.get(HERE).status_code == 403
    assert books_client.get(HERE).status_code in (302, 403)


def test_nothing_is_typed_or_deleted(paid, regie_client):
    assert regie_client.get(f"{HERE}add/").status_code == 403
    assert regie_client.get(f"{HERE}{paid.pk}/delete/").status_code == 403


def test_asking_the_bank(payment, regie_client):
    DemoBankOrder.objects.update(outcome="paid")
    regie_client.post(HERE, {"action": "ask_the_bank", "_selected_action": [payment.pk]})
    assert OnlinePayment.objects.get().state == "validated"


def test_a_refund_sent_twice_is_one(paid, regie_client, agent_client):
    where = reverse("admin:billing_online_refund", args=[paid.pk])
    said = {"amount": "2,80", "reason": "Enfant malade", "with_credit": "on", "key": "k"}
    for _ in range(2):
        assert regie_client.post(where, said).status_code == 302
    assert [str(one.amount) for one in OnlineRefund.objects.filter(state="done")] == ["2.80"]
    assert agent_client.get(where).status_code == 403


@pytest.mark.parametrize("wrong", [{"amount": "500"}, {"amount": "x"}, {"reason": ""}, {"amount": "-1"}])
def test_a_refund_that_cannot_be_is_explained(paid, regie_client, wrong):
    where = reverse("admin:billing_online_refund", args=[paid.pk])
    page = regie_client.post(where, {"amount": "1", "reason": "Erreur", "key": "k"} | wrong)
    assert page.status_code == 200
    assert "errornote" in page.content.decode()
    assert not OnlineRefund.objects.exists()


@pytest.mark.parametrize("day", ["2026-11-10", "9999-12-31"])
def test_a_day_to_come_has_no_statement(paid, regie_client, day):
    page = regie_client.get(reverse("admin:billing_online_statement"), {"day": day})
    assert "Ce jour est à venir." in page.content.decode()


def test_the_statement_of_a_day(paid, regie_client):
    where = reverse("admin:billing_online_statement")
    assert "concordent" in regie_client.get(where, {"day": "2026-11-09"}).content.decode()
    DemoBankOrder.objects.update(outcome="open")
    assert "rien d&#x27;encaissé" in regie_client.get(where, {"day": "2026-11-09"}).content.decode()
    assert regie_client.get(where, {"day": "hier"}).status_code == 200


def test_a_payment_to_look_at_waits_on_the_first_page_and_is_set_aside(payment, regie_client):
    OnlinePayment.objects.update(trouble="La banque annonce un paiement de 1,28 €.", state="pending")
    assert "Paiements en ligne à vérifier" in regie_client.get("/mairie/").content.decode()
    assert payment.reference in regie_client.get(f"{HERE}?trouble__gt=").content.decode()
    assert f'href="{HERE}?trouble__gt="' in regie_client.get("/mairie/").content.decode()
    said = {"action": "set_aside", "_selected_action": [payment.pk], "reason_given": "1", "ready": "autre"}
    regie_client.post(HERE, said | {"words": "Remboursé"})
    assert OnlinePayment.objects.get().state == "cancelled"


def test_from_the_mandate_to_the_returned_debit(invoice, books, regie_client, now):
    BillingSettings(
        iban="FR7630006000011234567890189", bic="AGRIFRPP", creditor_identifier="FR12ZZZ123456"
    ).save()
    said = {
        "household": books.household.pk, "rum": "V-1", "debtor": "Camille Roux", "bic": "", "revoked_on": "",
        "signed_on": "2026-09-01",
    }  # fmt: skip
    wrong = regie_client.post(
        "/mairie/billing/mandate/add/", said | {"iban": "FR14 2004 1010 0505 0001 3M02 607"}
    )
    assert "faute de frappe" in wrong.content.decode() or "erreur de frappe" in wrong.content.decode()
    regie_client.post("/mairie/billing/mandate/add/", said | {"iban": "FR14 2004 1010 0505 0001 3M02 606"})
    assert Mandate.objects.get().iban == "FR1420041010050500013M02606"
    where = reverse("admin:billing_debit_make")
    near = regie_client.post(
        where, {"month": "2026-10", "collected_on": "2026-11-09", "schema": "pain.008.001.02"}
    )
    assert "au moins 2 jours" in near.content.decode()
    on = timezone.localdate() + timedelta(days=5)
    said = {"month": "2026-10", "collected_on": on.isoformat(), "schema": "pain.008.001.08"}
    shown = regie_client.post(where, said).content.decode()
    assert "Camille Roux" in shown and "V-1 (…2606)" in shown
    assert not DebitFile.objects.exists(), "a preview writes nothing"
    stale = regie_client.post(where, said | {"vu": "0000", "confirmed": "Créer le fichier"}).content.decode()
    assert "a changé depuis" in stale
    (seen,) = re.findall(r'name="vu" value="(\w+)"', shown)
    confirmed = said | {"vu": seen, "confirmed": "Créer le fichier"}
    assert regie_client.post(where, confirmed).status_code == 302
    file, debit = DebitFile.objects.get(), Debit.objects.get()
    download = regie_client.get(reverse("admin:billing_debit_download", args=[file.pk]))
    assert download["Content-Type"] == "application/xml"
    assert b"V-1" in download.content
    regie_client.post(
        reverse("admin:billing_debit_return", args=[debit.pk]), {"on": "2026-11-09", "reason": "AM04"}
    )
    debit.refresh_from_db()
    assert (debit.return_reason, debit.payment.state) == ("AM04 – provision insuffisante", "refused")
    for name, row in (("debit", debit), ("debitfile", file), ("mandate", debit.mandate)):
        assert regie_client.get(reverse(f"admin:billing_{name}_change", args=[row.pk])).status_code == 200
