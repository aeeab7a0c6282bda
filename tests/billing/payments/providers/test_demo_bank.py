"""The demonstration bank: a parent's way from « Payer en ligne » to the truth, and no way into production."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from io import BytesIO

import pytest
from django.conf import settings as project
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse
from pypdf import PdfReader

from billing.models import DemoBankOrder, OnlinePayment
from billing.payments import asking, checks, starting
from billing.payments.providers import choosing, demo_bank
from tests.billing.payments.paying_online import AT, D, left, received, start, state
from tests.portal.test_settings import TOWN


@pytest.fixture(autouse=True)
def demo(settings):
    settings.PAYMENT_PROVIDER = "demo"


@pytest.fixture
def payment(owes):
    return start(owes)


def press(payment, answer, client=None):
    return (client or Client()).post(payment.url, {"answer": answer}, follow=True)


@pytest.mark.parametrize(
    ("answer", "told", "words"),
    [
        ("paid", "validated", "Merci"),
        ("refused", "refused", "La banque a refusé"),
        ("pending", "pending", "attend la validation"),
        ("cancelled", "cancelled", "abandonné"),
    ],
)
def test_the_parent_is_told_the_truth(owes, payment, books_client, answer, told, words):
    page = press(payment, answer, books_client)
    assert words in page.content.decode()
    assert (state(payment), left(owes.household)) == (told, [0 if told == "validated" else D("12.80")])


def test_pending_then_accepted(owes, payment):
    press(payment, "pending")
    press(payment, "paid")
    assert (state(payment), received(owes.household)) == ("validated", [D("12.80")])
    press(payment, "refused")
    assert (state(payment), received(owes.household)) == ("validated", [D("12.80")])


def test_from_the_home_page_to_the_bank(owes, books_client):
    home = books_client.get("/").content.decode()
    assert "Payer en ligne" in home
    choice = books_client.get("/factures/regler/").content.decode()
    (unpaid,) = starting.to_pay(owes.household)
    assert unpaid.number in choice
    summary = books_client.get(f"/factures/regler/recapitulatif/?facture={unpaid.pk}").content.decode()
    assert "12,80" in summary.replace("\u202f", " ")
    bank = books_client.post(f"/factures/regler/recapitulatif/?facture={unpaid.pk}", follow=True)
    assert "Banque de démonstration" in bank.content.decode()
    home = books_client.get("/").content.decode()
    assert "En cours sur la page de paiement" in home


def test_nothing_to_pay_no_button(stranger_client, stranger):
    assert "Payer en ligne" not in stranger_client.get("/").content.decode()
    page = stranger_client.get("/factures/regler/").content.decode()
    assert "Vous n'avez aucune facture à payer." in page, "true of who never had any, too"


def test_an_invoice_that_is_read_can_be_paid_from_there(settings, owes, books_client):
    (unpaid,) = starting.to_pay(owes.household)
    invoice, pay = (
        reverse("billing:invoice", args=[unpaid.pk]),
        f"{reverse('billing:pay')}?facture={unpaid.pk}",
    )
    assert f'href="{pay}">Payer cette facture' in books_client.get(invoice).content.decode()
    assert "Payer en ligne" in books_client.get("/factures/").content.decode()
    settings.PAYMENT_PROVIDER = ""
    assert "Payer" not in books_client.get(invoice).content.decode()
    assert "Payer en ligne" not in books_client.get("/factures/").content.decode()


def test_an_invoice_being_paid_says_so_and_is_not_asked_for_again(owes, payment, books_client):
    press(payment, "pending")
    invoice = payment.parts.get().invoice
    for address in ("/factures/", reverse("billing:invoice", args=[invoice.pk])):
        page = books_client.get(address).content.decode()
        assert "Un paiement en ligne est en cours." in page
        assert reverse("billing:payment", args=[payment.reference]) in page
        assert "Payer en ligne" not in page and "Payer cette facture" not in page
    press(payment, "refused")
    page = books_client.get("/factures/").content.decode()
    assert "est en cours" not in page and "Payer en ligne" in page


def test_a_refusal_is_no_news_once_everything_is_paid(owes, books_client):
    press(start(owes), "refused")
    assert 'aria-label="Paiements en ligne"' in books_client.get("/").content.decode()
    press(start(owes), "paid")
    assert 'aria-label="Paiements en ligne"' not in books_client.get("/").content.decode()


def test_no_provider_no_button(settings, owes, books_client):
    settings.PAYMENT_PROVIDER = ""
    assert "Payer en ligne" not in books_client.get("/").content.decode()
    assert "ne propose pas" in books_client.get("/factures/regler/").content.decode()
    (unpaid,) = starting.to_pay(owes.household)
    page = books_client.post(f"/factures/regler/recapitulatif/?facture={unpaid.pk}")
    assert page.status_code == 200
    assert not OnlinePayment.objects.exists()


@pytest.mark.parametrize(
    "asked", ["", "facture=x", "facture=999999", "facture=1&facture=", "facture=%F0%9F%92%B6"]
)
def test_a_choice_that_is_none_is_explained(owes, books_client, asked):
    for answer in (
        books_client.get(f"/factures/regler/recapitulatif/?{asked}"),
        books_client.post(f"/factures/regler/recapitulatif/?{asked}"),
    ):
        assert answer.status_code == 200
        assert 'role="alert"' in answer.content.decode()


@pytest.mark.parametrize("amount", ["douze", "1e99", "NaN", "Infinity", "-3", "0", "5,005", "99999999999"])
def test_an_amount_that_is_none_is_explained(owes, books_client, amount):
    (unpaid,) = starting.to_pay(owes.household)
    answer = books_client.post(
        f"/factures/regler/recapitulatif/?facture={unpaid.pk}&montant-{unpaid.pk}={amount}"
    )
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert not OnlinePayment.objects.exists()


def test_the_same_invoice_in_a_second_tab_leads_to_the_first_payment(owes, payment, books_client):
    (unpaid,) = starting.to_pay(owes.household)
    answer = books_client.post(f"/factures/regler/recapitulatif/?facture={unpaid.pk}", follow=True)
    assert answer.redirect_chain[-1][0] == reverse("billing:payment", args=[payment.reference])
    assert "déjà en cours" in answer.content.decode()
    assert OnlinePayment.objects.count() == 1


def test_a_tab_closed_at_the_bank_leaves_nothing_stuck(owes, payment):
    later = AT + timedelta(minutes=16)
    assert asking.reconcile(at=AT).changed == 0
    DemoBankOrder.objects.update(expires_at=AT - timedelta(seconds=1))
    assert asking.reconcile(at=later).changed == 1
    assert state(payment) == "cancelled"
    assert start(owes, at=later).state == "started"


def test_the_receipt_names_the_invoices_and_is_nobody_else_s(owes, payment, books_client, waits_client):
    press(payment, "paid")
    payment.refresh_from_db()
    where = reverse("billing:receipt", args=[payment.payment.number])
    text = PdfReader(BytesIO(books_client.get(where).content)).pages[0].extract_text()
    (invoice,) = owes.household.invoices.all()
    assert payment.payment.number in text
    assert invoice.number in text
    assert "12,80" in text
    assert waits_client.get(where).status_code == 404


def test_another_household_does_not_see_the_payment(owes, payment, waits_client):
    for name in ("payment", "payment_go", "payment_abandon"):
        where = reverse(f"billing:{name}", args=[payment.reference])
        assert waits_client.post(where).status_code in (404, 405)
        assert waits_client.get(where).status_code in (404, 405)


@pytest.mark.parametrize("answer", ["", "open", "jackpot"])
def test_the_bank_takes_only_its_own_buttons(owes, payment, answer):
    press(payment, answer)
    assert state(payment) == "started"


def test_a_notification_not_signed_by_the_bank(owes, payment):
    DemoBankOrder.objects.update(outcome="paid")
    body = json.dumps({"id": "x", "token": payment.provider_reference})
    hook = "/factures/notifications/demo/"
    for signed in ("", "x", body):
        headers = {demo_bank.HEADER: signed}
        assert Client(headers=headers).post(hook, body, content_type="application/json").status_code == 400
    assert (state(payment), received(owes.household)) == ("started", [])


def test_unknown_providers_do_not_exist(db):
    assert Client().post("/factures/notifications/autre/").status_code == 404


def test_the_demonstration_bank_refuses_production(settings, owes, payment):
    settings.DEMO = False
    assert [error.id for error in checks.payment_provider(None)] == ["billing.E002"]
    with pytest.raises(ImproperlyConfigured):
        choosing.named("demo")
    assert Client().get(payment.url).status_code == 404
    assert Client().post("/factures/notifications/demo/").status_code == 404


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"PAYMENT_PROVIDER": "demo"}, "PAYMENT_PROVIDER=demo marquerait des factures comme payées"),
        ({"PAYMENT_PROVIDER": "paypal"}, "PAYMENT_PROVIDER=paypal n'est pas un prestataire"),
        ({"PAYMENT_PROVIDER": "stripe"}, "Il manque STRIPE_WEBHOOK_SECRET :"),
        ({"PAYMENT_PROVIDER__LOISIRS": "stripe"}, "Il manque STRIPE_SECRET_KEY__LOISIRS :"),
        ({"PAYMENT_PROVIDER": "payfip"}, "Il manque PAYFIP_CLIENT :"),
        ({"PAYMENT_PROVIDER": "payfip", "PAYFIP_CLIENT": "099999", "PAYFIP_MODE": "Z"}, "PAYFIP_MODE=T"),
        ({}, ""),
    ],
)
def test_production_does_not_start_with_a_provider_it_cannot_use(tmp_path, said, wrong):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=project.BASE_DIR,
        env=kept | {"PORTAL_VAR": str(tmp_path), **TOWN} | said,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == bool(wrong)
    assert wrong in done.stderr
