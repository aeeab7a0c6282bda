"""PayFIP by the real SOAP client over HTTP: a notification only makes us ask, and the answer decides."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from billing.models import OnlinePayment, PaymentEvent
from billing.payments import asking, events, refunding, starting, strays
from tests.billing.payments.paying_online import AT, D, left, received, start, state
from tests.fakes.payfip_server import FakePayFip

HOOK = "/factures/notifications/payfip/"


@pytest.fixture
def payfip(settings):
    with FakePayFip().running() as fake:
        settings.PAYMENT_PROVIDER = "payfip"
        settings.PAYFIP_SERVICE_URL = fake.url
        settings.PAYFIP_CLIENT = "099999"
        settings.PAYFIP_MODE = "T"
        settings.PORTAL_URL = "https://portail.example.org"
        yield fake


@pytest.fixture
def payment(payfip, owes):
    return start(owes)


def notify(number):
    form = "application/x-www-form-urlencoded"
    return Client().post(HOOK, urlencode({"idop": number}), content_type=form).status_code


def test_every_field_as_the_service_wants_it(payfip, owes, payment):
    (operation,) = payfip.operations.values()
    number = operation.pop("idOp")
    assert operation == {
        "exer": "2026",
        "mel": owes.user.email,
        "montant": "1280",
        "numcli": "099999",
        "objet": "Facture n F2026 000001",
        "refdet": payment.reference,
        "saisie": "T",
        "urlnotif": "https://portail.example.org/factures/notifications/payfip/",
        "urlredirect": f"https://portail.example.org/factures/retour/{payment.reference}/",
    }
    assert payment.url == f"https://www.payfip.gouv.fr/tpa/paiementws.web?idop={number}"
    assert payment.expires_at - payment.started_at == timedelta(minutes=15)
    assert payment.reference.isalnum()


@pytest.mark.parametrize(("length", "whose"), [(80, "own"), (81, "town"), (200, "town")])
def test_an_address_too_long_for_the_service_gives_way_to_the_towns(payfip, owes, town, length, whose):
    town.email = "regie@valmirelle.example"
    town.save()
    owes.user.email = f"{'a' * (length - len('@example.org'))}@example.org"
    owes.user.save()
    start(owes)
    (operation,) = payfip.operations.values()
    assert operation["mel"] == {"own": owes.user.email, "town": town.email}[whose]


def test_an_answer_is_read_by_the_names_of_its_fields(payfip, owes):
    payfip.namespace_of_fields = "http://securite.service.tpa.cp.finances.gouv.fr/reponse"
    payment = start(owes)
    payfip.ends(payment.provider_reference, "P")
    assert notify(payment.provider_reference) == 200
    assert (state(payment), left(owes.household)) == ("validated", [0])


@pytest.mark.parametrize("result", ["P", "V"])
def test_paid_by_card_or_by_debit(payfip, owes, payment, result):
    payfip.ends(payment.provider_reference, result)
    assert {notify(payment.provider_reference) for _ in range(3)} == {200}
    assert (state(payment), left(owes.household), received(owes.household)) == (
        "validated",
        [0],
        [D("12.80")],
    )


@pytest.mark.parametrize(("result", "told"), [("R", "refused"), ("Z", "refused"), ("A", "cancelled")])
def test_refused_or_cancelled_leaves_the_invoice_to_pay(payfip, owes, payment, result, told):
    payfip.ends(payment.provider_reference, result)
    assert notify(payment.provider_reference) == 200
    assert (state(payment), left(owes.household), received(owes.household)) == (told, [D("12.80")], [])
    assert start(owes).state == "started"


@pytest.mark.parametrize(("first", "asked"), [("R", 10), ("Z", 30), ("R", 59)])
def test_a_page_refused_once_may_still_be_paid_and_is_asked_about(payfip, owes, payment, first, asked):
    payfip.ends(payment.provider_reference, first)
    notify(payment.provider_reference)
    assert state(payment) == "refused"
    payfip.ends(payment.provider_reference, "P")
    assert asking.reconcile(at=AT + timedelta(minutes=asked)).changed == 1
    assert (state(payment), received(owes.household)) == ("validated", [D("12.80")])


@pytest.mark.parametrize("code", ["P2", "P3", "P5", "T1", "T2", "T4", "S1", "X9"])
def test_whatever_fault_it_answers_a_page_ends_when_its_time_is_over(payfip, owes, waits, code):
    others = [start(owes)]
    payfip.faults = {others[0].provider_reference: code}
    theirs = start(waits)
    payfip.ends(theirs.provider_reference, "P")
    assert asking.reconcile(at=AT).changed == 1
    assert (state(theirs), state(others[0])) == ("validated", "started")
    with time_machine.travel(AT + timedelta(minutes=61), tick=False):
        asking.reconcile(at=AT + timedelta(minutes=61))
    assert state(others[0]) == "cancelled"
    assert code in others[0].events.last().note


@pytest.mark.parametrize("code", ["P1", "P4"])
def test_a_page_that_nobody_can_open_any_more_ends_at_once(payfip, owes, payment, code):
    payfip.faults = {payment.provider_reference: code}
    assert asking.check(payment, at=AT).state == "cancelled"


def test_a_technical_fault_is_asked_again(payfip, owes, payment):
    payfip.ends(payment.provider_reference, "P")
    payfip.faults = {payment.provider_reference: "999"}
    assert asking.reconcile(at=AT).unanswered == 1
    payfip.faults = {}
    assert asking.reconcile(at=AT).changed == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [("A2", "corrigez-le dans votre compte"), ("M5", "payez en deux fois"), ("T2", "prévenez votre mairie")],
)
def test_a_page_it_will_not_open_is_explained(payfip, owes, code, words):
    payfip.faults = {"": code}
    with pytest.raises(events.OnlinePaymentRefused, match=words):
        start(owes)
    assert OnlinePayment.objects.get().state == "cancelled"


def test_without_any_address_for_the_receipt_the_parent_is_told(payfip, owes, town):
    town.email = ""
    town.save()
    owes.user.email = ""
    owes.user.save()
    with pytest.raises(events.OnlinePaymentRefused, match="demande un e-mail"):
        start(owes)


def test_a_notification_invented_credits_nothing(payfip, owes, payment):
    assert notify(payment.provider_reference) == 200
    assert (state(payment), received(owes.household)) == ("started", [])


@pytest.mark.parametrize("number", ["", "x", "' OR 1=1", "12345678-0000-0000-0000-000000000000"])
def test_a_number_nobody_knows_is_not_asked_about(payfip, owes, payment, number):
    payfip.asked.clear()
    assert notify(number) in (200, 400)
    assert payfip.asked == []
    assert PaymentEvent.objects.filter(online_payment=None).count() == 1


def test_no_result_yet_then_the_page_s_time_is_over(payfip, owes, payment):
    assert asking.check(payment, at=AT).state == "started"
    payfip.forgets(payment.provider_reference)
    assert asking.check(payment, at=AT).state == "cancelled"


@pytest.mark.parametrize("lie", [{"montant": "1"}, {"refdet": "P26AUTREFOYER"}, {"numcli": "000001"}])
def test_an_answer_about_something_else_credits_nothing(payfip, owes, payment, lie):
    payfip.ends(payment.provider_reference, "P")
    payfip.operations[payment.provider_reference].update(lie)
    assert notify(payment.provider_reference) in (200, 503)
    assert received(owes.household) == []
    assert state(payment) in ("started", "pending")


@pytest.mark.parametrize("fault", ["down", "garbage", "500", "slow"])
def test_a_payfip_that_fails_charges_nothing_and_the_parent_is_told(
    payfip, owes, books_client, fault, monkeypatch
):
    monkeypatch.setattr("billing.payments.providers.payfip.TIMEOUT_SECONDS", 0.1)
    payfip.fault = fault
    (unpaid,) = starting.to_pay(owes.household)
    page = books_client.post(f"/factures/regler/recapitulatif/?facture={unpaid.pk}")
    assert "Rien n&#x27;a été débité" in page.content.decode()
    assert OnlinePayment.objects.get().state == "cancelled"


def test_a_payfip_that_fails_when_asked_is_asked_again(payfip, owes, payment, books_client):
    payfip.ends(payment.provider_reference, "P")
    payfip.fault = "500"
    assert notify(payment.provider_reference) == 503
    page = books_client.get(reverse("billing:payment_return", args=[payment.reference]), follow=True)
    assert page.status_code == 200
    assert state(payment) == "started"
    payfip.fault = ""
    assert asking.reconcile(at=AT).changed == 1
    assert received(owes.household) == [D("12.80")]


def test_it_gives_no_money_back_online(payfip, owes, payment):
    payfip.ends(payment.provider_reference, "P")
    notify(payment.provider_reference)
    payment.refresh_from_db()
    with pytest.raises(events.OnlinePaymentRefused, match="ne rembourse pas en ligne"):
        refunding.refund(payment, D(1), reason="Erreur", key="k", with_credit=True, by=None, at=AT)


def test_coming_back_by_a_form_without_a_session(payfip, owes, payment):
    payfip.ends(payment.provider_reference, "P")
    answer = Client(enforce_csrf_checks=True).post(
        reverse("billing:payment_return", args=[payment.reference]), {"idop": payment.provider_reference}
    )
    assert answer["Location"] == reverse("billing:payment", args=[payment.reference])
    assert state(payment) == "validated"


# Strangers at its door ----------------------------------------------------------------------------------


def test_strangers_fill_no_table_and_build_no_client(payfip, db, monkeypatch):
    monkeypatch.setattr("billing.payments.providers.payfip.zeep.Client", None)
    numbers = [f"ABCDEFGH{one:05d}" for one in range(100)]
    assert {notify(number) for number in numbers} == {200}
    assert {notify("") for _ in range(20)} == {400}
    assert PaymentEvent.objects.count() == strays.KEPT_AN_HOUR
    assert payfip.asked == []


def test_a_payer_who_repeats_his_number_fills_nothing_either(payfip, owes, payment):
    """Every question is a visit to the Treasury: one in two seconds is enough."""
    payfip.asked.clear()
    assert [notify(payment.provider_reference) for _ in range(3)] == [200, 503, 503]
    assert payfip.asked == ["recupererDetailPaiementSecurise"]
    for _ in range(2 * strays.KEPT_AN_HOUR):
        cache.delete(f"payment-noticed-{payment.pk}")
        notify(payment.provider_reference)
    assert payment.events.filter(kind="notification").count() == strays.KEPT_AN_HOUR


def test_what_a_notification_changes_is_written_down_though_the_hour_is_full(payfip, owes, payment):
    for one in range(strays.KEPT_AN_HOUR + 1):
        notify(f"ABCDEFGH{one:05d}")
    payfip.ends(payment.provider_reference, "P")
    assert notify(payment.provider_reference) == 200
    assert payment.events.get(kind="notification").note.endswith("→ Validé.")
