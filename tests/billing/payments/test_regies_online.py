"""Two régies, two contracts: what each is told by its own provider, and nothing of the other's."""

import json
from html import unescape

import pytest
from django.core.management import call_command
from django.test import Client

from billing.invoices.contracts import Contract
from billing.models import OnlinePayment, Payment
from billing.payments import asking, checks, starting
from billing.payments.events import OnlinePaymentRefused
from billing.payments.providers import choosing
from tests.billing.payments.paying_online import AT, HOOK, D
from tests.fakes.stripe_server import SECRET, signature

ITS_HOOK = f"{HOOK}loisirs/"
ITS_SECRET = "whsec_of_the_centre"
CHOICE, SUMMARY = "/factures/regler/", "/factures/regler/recapitulatif/"


@pytest.fixture
def contracts(stripe, settings):
    """The centre's own Stripe account, beside the town's."""
    settings.REGIE_CONTRACTS = {
        "LOISIRS": {
            "PAYMENT_PROVIDER": "stripe",
            "STRIPE_SECRET_KEY": "rk_of_the_centre",
            "STRIPE_WEBHOOK_SECRETS": [ITS_SECRET],
        }
    }
    return stripe


def begin(family, *invoices):
    return starting.start(family.household, {one.pk: None for one in invoices}, by=family.user, at=AT)


def say(event, hook, secret):
    body = json.dumps(event).encode()
    signed = Client(headers={"Stripe-Signature": signature(body, secret)})
    return signed.post(hook, body, content_type="application/json").status_code


def states():
    return list(OnlinePayment.objects.order_by("pk").values_list("state", flat=True))


def text(answer):
    return " ".join(unescape(answer.content.decode()).split())


def test_a_page_pays_the_invoices_of_one_regie(two, books, contracts, centre):
    with pytest.raises(OnlinePaymentRefused, match="elles ne sont pas de la même régie"):
        begin(books, *two)
    assert not OnlinePayment.objects.exists()
    payment = begin(books, two[1])
    assert (payment.regie, payment.amount) == (centre.regie, D("15.00"))


def test_the_notification_is_proved_by_its_regies_secret_alone(two, books, contracts, centre, time_machine):
    time_machine.move_to(AT, tick=False)
    payment = begin(books, two[1])
    event = contracts.press(payment.provider_reference, "paid")
    assert say(event, ITS_HOOK, SECRET) == 400
    assert say(event, HOOK, ITS_SECRET) == 400
    # Signed by the town's own account, it is of no payment there.
    assert say(event, HOOK, SECRET) == 200
    assert (states(), Payment.objects.count()) == (["started"], 0)
    assert say(event | {"id": "evt_2"}, ITS_HOOK, ITS_SECRET) == 200
    assert states() == ["validated"]
    money = Payment.objects.get()
    assert (money.regie, money.number, money.allocations.get().invoice) == (
        centre.regie,
        "R-CL2026-000001",
        two[1],
    )
    assert say(event, f"{HOOK}piscine/", ITS_SECRET) == 404


def test_each_is_asked_by_its_own_contract(two, books, contracts, time_machine):
    time_machine.move_to(AT, tick=False)
    mine, its = begin(books, two[0]), begin(books, two[1])
    for payment in (mine, its):
        contracts.press(payment.provider_reference, "paid")
    assert asking.reconcile(at=AT).changed == 2
    assert [one.provider_reference for one in (mine, its)] == list(contracts.sessions)
    assert choosing.of(its) is not choosing.of(mine)
    assert (choosing.of(mine)._client._requestor.api_key, choosing.of(its)._client._requestor.api_key) == (
        "rk_test_1",
        "rk_of_the_centre",
    )


def test_a_regie_without_a_contract_takes_nothing_online(two, books, stripe, settings):
    with pytest.raises(OnlinePaymentRefused, match="pas proposé"):
        begin(books, two[1])
    settings.REGIE_CONTRACTS = {"LOISIRS": {"PAYMENT_PROVIDER": "stripe"}}
    assert Contract("LOISIRS").said("STRIPE_SECRET_KEY") == ""
    assert [one.msg for one in checks.payment_provider(None)] == [
        f"Il manque {name}__LOISIRS : PAYMENT_PROVIDER__LOISIRS=stripe en a besoin."
        for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET")
    ]


def test_the_family_reads_that_there_are_two_payments(two, books, books_client):
    shown = text(books_client.get(CHOICE))
    assert (
        "Deux paiements, l'un après l'autre, car l'argent ne va pas au même endroit :"
        " Mairie 12,80 €, Centre de loisirs 15,00 €." in shown
    )
    assert shown.count("data-payment-total") == 2
    shown = text(books_client.get(f"{SUMMARY}?facture={two[1].pk}"))
    assert "Ce paiement va à : <strong>Centre de loisirs</strong>." in shown
    refused = text(books_client.get(f"{SUMMARY}?facture={two[0].pk}&facture={two[1].pk}"))
    assert "elles ne sont pas de la même régie" in refused


def test_with_one_regie_nothing_is_said_of_it(owes, books_client):
    shown = text(books_client.get(CHOICE))
    assert "Mairie" not in shown.split("<main")[1].split("</main")[0]
    assert "paiements, l'un" not in shown


def test_a_regie_that_takes_none_online_says_so_beside_the_other(two, stripe, books_client):
    shown = text(books_client.get(CHOICE))
    assert "Ces 15,00 € ne se paient pas en ligne" in shown
    assert "Deux paiements" not in shown
    assert shown.count("data-payment-total") == 1


def test_the_days_books_are_compared_contract_by_contract(two, books, contracts, time_machine, capsys):
    time_machine.move_to(AT, tick=False)
    its = begin(books, two[1])
    contracts.press(its.provider_reference, "paid")
    call_command("reconcile_payments", day=AT.date())
    assert "les comptes concordent" in capsys.readouterr().out
