"""Stripe by its real client over HTTP: the way of a payment, and every attack and fault on it."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.invoices import invoicing
from billing.invoices.creditable import Wanted
from billing.models import (
    BillingSettings,
    Invoice,
    NumberCounter,
    OnlinePayment,
    OnlineRefund,
    Payment,
    PaymentEvent,
)
from billing.payments import asking, events, paying, starting, statement
from tests.billing.payments.paying_online import AT, HOOK, D, deliver, give_back, left, received, start, state
from tests.fakes.stripe_server import signature

# The way of a payment --------------------------------------------------------------------------------


def test_one_session_pays_several_invoices_in_cents_with_our_reference(stripe, owes, payment):
    (session,) = stripe.sessions.values()
    assert session["amount_total"] == 1280
    assert session["metadata"] == {"reference": payment.reference}
    assert session["success_url"].endswith(f"/factures/retour/{payment.reference}/")
    assert (payment.state, payment.provider_reference, payment.url) == (
        "started",
        session["id"],
        session["url"],
    )


def test_the_page_offers_the_means_that_the_town_allows(stripe, owes, settings):
    settings.STRIPE_PAYMENT_METHODS = ["card", "sepa_debit"]
    start(owes)
    (session,) = stripe.sessions.values()
    assert session["payment_method_types"] == ["card", "sepa_debit"]


def test_a_signed_notification_pays_the_invoice_and_says_thank_you(
    stripe, owes, payment, mailoutbox, django_capture_on_commit_callbacks
):
    event = stripe.press(payment.provider_reference, "paid")
    with django_capture_on_commit_callbacks(execute=True):
        assert deliver(event) == 200
    assert (state(payment), left(owes.household), received(owes.household)) == (
        "validated",
        [0],
        [D("12.80")],
    )
    (letter,) = mailoutbox
    assert letter.to == [owes.user.email]
    assert "validé" in letter.subject
    assert list(payment.events.values_list("kind", flat=True)) == ["start", "notification"]


def test_a_debit_waits_for_the_bank_and_then_counts(stripe, owes, payment):
    assert deliver(stripe.press(payment.provider_reference, "pending")) == 200
    assert (state(payment), left(owes.household)) == ("pending", [D("12.80")])
    assert deliver(stripe.bank_says(payment.provider_reference, paid=True)) == 200
    assert (state(payment), left(owes.household)) == ("validated", [0])


def test_a_debit_the_bank_refuses_leaves_the_invoice_to_pay(stripe, owes, payment):
    deliver(stripe.press(payment.provider_reference, "pending"))
    assert deliver(stripe.bank_says(payment.provider_reference, paid=False)) == 200
    assert (state(payment), left(owes.household), received(owes.household)) == ("refused", [D("12.80")], [])
    assert start(owes).state == "started"


def test_a_page_that_expires_lets_the_invoice_go(stripe, owes, payment):
    with pytest.raises(starting.UnderWay):
        start(owes)
    assert deliver(stripe.expire(payment.provider_reference)) == 200
    assert state(payment) == "cancelled"
    assert start(owes).pk != payment.pk


def test_abandoning_closes_the_page_at_stripe_first(stripe, owes, payment):
    asking.abandon(payment, at=AT)
    assert (state(payment), stripe.sessions[payment.provider_reference]["status"]) == ("cancelled", "expired")


def test_abandoning_what_was_paid_meanwhile_finds_the_money(stripe, owes, payment):
    stripe.press(payment.provider_reference, "paid")
    asking.abandon(payment, at=AT)
    assert (state(payment), left(owes.household)) == ("validated", [0])


# Attacks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "forgery",
    [
        {"header": ""},
        {"header": "t=1,v1=abc"},
        {"header": "nothing"},
        {"header": "t=abc,v1=abc"},
        {"secret": "whsec_of_somebody_else"},
        {"at": AT.timestamp() - 3600},
    ],
    ids=["unsigned", "wrong", "unreadable", "no time", "another secret", "an hour old"],
)
def test_a_forged_notification_credits_nothing(stripe, owes, payment, forgery):
    event = stripe.press(payment.provider_reference, "paid")
    assert deliver(event, **forgery) == 400
    assert (state(payment), received(owes.household)) == ("started", [])
    assert PaymentEvent.objects.filter(kind="forged", online_payment=None).count() == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"id": 1}',
        b'{"type": "checkout.session.completed"}',
        b'{"id": "evt", "object": "event", "type": "checkout.session.completed", "data": {"object": {}}}',
    ],
)
def test_a_signed_notification_that_says_nothing_is_no_error(stripe, owes, payment, body):
    answer = Client(
        headers={"Stripe-Signature": signature(body) if b"\xff" not in body else "t=1,v1=1"}
    ).post(HOOK, body, content_type="application/json")
    assert answer.status_code in (200, 400)
    assert received(owes.household) == []


def test_a_notification_too_long_is_refused(stripe, db):
    answer = Client(headers={"Stripe-Signature": "t=1,v1=1"}).post(
        HOOK, b"x" * 300_000, content_type="application/json"
    )
    assert answer.status_code == 400
    assert PaymentEvent.objects.filter(kind="forged").count() == 1


def test_forged_notifications_do_not_fill_the_table(stripe, db):
    for _ in range(70):
        deliver({"id": "evt"}, header="")
    assert PaymentEvent.objects.count() == 60


def test_the_same_notification_again_and_again_credits_once(stripe, owes, payment):
    event = stripe.press(payment.provider_reference, "paid")
    assert {deliver(event) for _ in range(5)} == {200}
    assert received(owes.household) == [D("12.80")]
    assert payment.events.filter(kind="notification").count() == 1


def test_notifications_out_of_order_end_the_same(stripe, owes, payment):
    first = stripe.press(payment.provider_reference, "pending")
    last = stripe.bank_says(payment.provider_reference, paid=True)
    late = stripe.send("checkout.session.expired", stripe.sessions[payment.provider_reference])
    for event in (last, first, late):
        assert deliver(event) == 200
    assert (state(payment), received(owes.household)) == ("validated", [D("12.80")])


@pytest.mark.parametrize("lie", [{"amount_total": 128}, {"amount_total": 128000}, {"currency": "usd"}])
def test_another_amount_or_currency_is_kept_for_the_desk(stripe, owes, payment, lie, books_client):
    stripe.sessions[payment.provider_reference].update(lie)
    assert deliver(stripe.press(payment.provider_reference, "paid")) == 200
    payment.refresh_from_db()
    assert (payment.state, received(owes.household)) == ("pending", [])
    assert "annonce" in payment.trouble
    page = books_client.get(reverse("billing:payment", args=[payment.reference])).content.decode()
    assert "réponse inattendue" in page


def test_the_reference_of_another_household_moves_nothing(stripe, owes, waits, payment):
    theirs = start(waits)
    stripe.sessions[payment.provider_reference]["metadata"] = {"reference": theirs.reference}
    assert deliver(stripe.press(payment.provider_reference, "paid")) == 200
    assert (received(owes.household), received(waits.household)) == ([], [])
    theirs.refresh_from_db()
    assert "autre page" in theirs.trouble


def test_a_reference_nobody_knows_is_noted(stripe, owes, payment):
    stripe.sessions[payment.provider_reference]["metadata"] = {"reference": "P26INCONNUE"}
    assert deliver(stripe.press(payment.provider_reference, "paid")) == 200
    assert PaymentEvent.objects.filter(online_payment=None, kind="notification").count() == 1
    assert received(owes.household) == []


def test_the_success_page_opened_by_hand_pays_nothing(stripe, owes, payment, books_client):
    answer = books_client.get(reverse("billing:payment_return", args=[payment.reference]), follow=True)
    assert "n'est pas terminé" in answer.content.decode()
    assert (state(payment), received(owes.household)) == ("started", [])


def test_coming_back_asks_stripe_when_the_notification_was_lost(stripe, owes, payment, books_client):
    stripe.press(payment.provider_reference, "paid")
    answer = books_client.get(reverse("billing:payment_return", args=[payment.reference]), follow=True)
    assert "Merci" in answer.content.decode()
    assert received(owes.household) == [D("12.80")]


def test_what_is_paid_cancelled_or_somebody_else_s_cannot_be_paid(stripe, owes, waits):
    mine, theirs = (Invoice.objects.get(household=one.household) for one in (owes, waits))
    with pytest.raises(events.OnlinePaymentRefused, match="n'est pas la vôtre"):
        starting.start(owes.household, {mine.pk: None, theirs.pk: None}, by=owes.user, at=AT)
    invoicing.credit(mine, Wanted(amount=D("12.80")), reason="Erreur", by=None, at=AT)
    with pytest.raises(events.OnlinePaymentRefused, match="n'est plus à payer"):
        starting.start(owes.household, {mine.pk: None}, by=owes.user, at=AT)
    paying.record(waits.household, D("12.80"), "cash", paid_on=AT.date(), by=None, at=AT)
    with pytest.raises(events.OnlinePaymentRefused, match="n'est plus à payer"):
        starting.start(waits.household, {theirs.pk: None}, by=waits.user, at=AT)
    assert not stripe.sessions


@pytest.mark.parametrize("amount", ["0", "-1", "1.005", "12.81"])
def test_a_part_is_paid_only_where_the_town_allows_it_and_never_too_much(stripe, owes, amount):
    mine = Invoice.objects.get(household=owes.household)
    with pytest.raises(events.OnlinePaymentRefused, match="en entier"):
        starting.start(owes.household, {mine.pk: D("5")}, by=owes.user, at=AT)
    BillingSettings(part_payment=True).save()
    with pytest.raises(events.OnlinePaymentRefused):
        starting.start(owes.household, {mine.pk: D(amount)}, by=owes.user, at=AT)
    payment = starting.start(owes.household, {mine.pk: D("5")}, by=owes.user, at=AT)
    deliver(stripe.press(payment.provider_reference, "paid"))
    assert left(owes.household) == [D("7.80")]


def test_paid_at_the_desk_meanwhile_the_money_stays_the_household_s(stripe, owes, payment):
    paying.record(owes.household, D("12.80"), "cash", paid_on=AT.date(), by=None, at=AT)
    assert deliver(stripe.press(payment.provider_reference, "paid")) == 200
    payment.refresh_from_db()
    assert left(owes.household) == [0]
    assert paying.unused(payment.payment) == D("12.80")


# Faults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["down", "garbage", "500", "slow"])
def test_a_stripe_that_fails_charges_nothing_and_the_parent_is_told(
    stripe, owes, books_client, fault, monkeypatch
):
    monkeypatch.setattr("billing.payments.providers.stripe_checkout.TIMEOUT_SECONDS", 0.1)
    stripe.fault = fault
    mine = Invoice.objects.get(household=owes.household)
    page = books_client.post(f"/factures/regler/recapitulatif/?facture={mine.pk}")
    assert page.status_code == 200
    assert "Rien n&#x27;a été débité" in page.content.decode()
    assert OnlinePayment.objects.get().state == "cancelled"
    stripe.fault = ""
    assert start(owes).state == "started"


def test_a_stripe_that_fails_when_asked_leaves_all_as_it_was(stripe, owes, payment, books_client):
    stripe.fault = "500"
    answer = books_client.get(reverse("billing:payment_return", args=[payment.reference]), follow=True)
    assert answer.status_code == 200
    answer = books_client.post(reverse("billing:payment_abandon", args=[payment.reference]), follow=True)
    assert "ne répond pas" in answer.content.decode()
    assert state(payment) == "started"
    assert asking.reconcile(at=AT).unanswered == 1


def test_a_silent_stripe_is_not_asked_a_thousand_times(stripe, owes):
    stripe.fault = "500"
    for place in range(6):
        OnlinePayment.objects.create(
            reference=f"P26SILENCE{place}",
            household=owes.household,
            provider="stripe",
            provider_reference=f"cs_{place}",
            amount=5,
            started_at=AT,
            expires_at=AT,
        )
    assert asking.reconcile(at=AT).unanswered == 6
    assert len(stripe.asked) == 3


@pytest.mark.parametrize("unknown", [1, 3, 7])
def test_pages_stripe_does_not_know_end_by_themselves_and_hold_up_nothing(stripe, owes, waits, unknown):
    """Test keys became live ones: those pages are of another account."""
    lost = [start(owes)]
    lost += [
        OnlinePayment.objects.create(
            reference=f"P26INCONNU{place}",
            household=owes.household,
            provider="stripe",
            provider_reference=f"cs_unknown_{place}",
            amount=5,
            started_at=AT,
            expires_at=AT + timedelta(minutes=32),
        )
        for place in range(unknown - 1)
    ]
    (invoice,) = Invoice.objects.filter(household=owes.household)
    for one in lost[1:]:
        one.parts.create(invoice=invoice, amount=5)
    del stripe.sessions[lost[0].provider_reference]
    theirs = start(waits)
    stripe.press(theirs.provider_reference, "paid")
    report = asking.reconcile(at=AT)
    assert (state(theirs), report.unanswered, len(report.troubles)) == ("validated", 0, unknown)
    assert {state(one) for one in lost} == {"started"}, "their time is not over"
    asking.reconcile(at=AT + timedelta(hours=1))
    assert {state(one) for one in lost} == {"cancelled"}
    assert "Stripe ne connaît pas ce paiement" in lost[0].events.last().note
    assert start(owes).state == "started"


def test_pages_of_which_stripe_never_speaks_hold_up_the_others_no_longer(stripe, owes, waits):
    for place in range(3):
        OnlinePayment.objects.create(
            reference=f"P26MUET{place}",
            household=owes.household,
            provider="stripe",
            provider_reference=f"cs_mute_{place}",
            amount=5,
            started_at=AT,
            expires_at=AT,
        )
        stripe.sessions[f"cs_mute_{place}"] = {"id": f"cs_mute_{place}", "status": "no such word"}
    theirs = start(waits)
    stripe.press(theirs.provider_reference, "paid")
    for minutes in range(0, 60, 10):
        asking.reconcile(at=AT + timedelta(minutes=minutes))
    assert state(theirs) == "validated"


def test_abandoning_a_page_stripe_does_not_know_lets_the_invoice_go(stripe, owes, payment):
    stripe.sessions.clear()
    asking.abandon(payment, at=AT)
    assert state(payment) == "cancelled"


def test_a_page_without_trouble_is_set_aside_and_still_counts_when_paid(stripe, owes, payment, regie):
    asking.set_aside(payment, reason="Inconnu du prestataire", by=regie, at=AT)
    assert (state(payment), start(owes).state) == ("cancelled", "started")
    with pytest.raises(events.OnlinePaymentRefused, match="terminé"):
        asking.set_aside(payment, reason="Encore", by=regie, at=AT)
    deliver(stripe.press(payment.provider_reference, "paid"))
    assert (state(payment), received(owes.household)) == ("validated", [D("12.80")])


def test_a_refund_that_failed_is_marked_as_looked_at(stripe, owes, paid, regie):
    give_back(paid, "5")
    deliver(stripe.refund_ends(stripe.refunds[0], "failed", "refund.failed"))
    asking.set_aside(paid, reason="Rendu par virement", by=regie, at=AT)
    paid.refresh_from_db()
    assert (paid.state, paid.trouble) == ("validated", "")


def test_killed_between_stripe_s_yes_and_our_commit_then_reconciled(stripe, owes, payment, monkeypatch):
    event = stripe.press(payment.provider_reference, "paid")

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("billing.payments.hearing._save", killed)
        with pytest.raises(KeyboardInterrupt):
            deliver(event)
    assert received(owes.household) == []
    assert asking.reconcile(at=AT).changed == 1
    assert asking.reconcile(at=AT).changed == 0
    assert (state(payment), received(owes.household)) == ("validated", [D("12.80")])
    assert deliver(event) == 200
    assert received(owes.household) == [D("12.80")]


def test_killed_before_the_page_s_address_came_back(stripe, owes, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            "billing.payments.starting._opened", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            start(owes)
    (payment,) = OnlinePayment.objects.all()
    assert (payment.state, payment.provider_reference) == ("started", "")
    later = AT + timedelta(minutes=10)
    assert asking.reconcile(at=later).changed == 1
    assert start(owes, at=later).state == "started"


def test_a_page_paid_in_its_last_second_is_found_after_it_was_abandoned(stripe, owes, payment):
    deliver(stripe.expire(payment.provider_reference))
    stripe.press(payment.provider_reference, "paid")
    assert asking.reconcile(at=AT).changed == 1
    assert (state(payment), received(owes.household)) == ("validated", [D("12.80")])


# Giving back -----------------------------------------------------------------------------------------


def test_a_refund_with_its_credit_note_leaves_nothing_to_pay(stripe, owes, paid):
    assert give_back(paid, "4.80").state == "done"
    assert (left(owes.household), received(owes.household)) == ([0], [D("12.80"), D("-4.80")])
    (invoice,) = Invoice.objects.filter(household=owes.household)
    assert [note.amount for note in invoice.credit_notes.all()] == [D("4.80")]
    give_back(paid, "8", "k2")
    assert state(paid) == "refunded"
    assert sum(one["amount"] for one in stripe.refunds) == 1280


def test_a_refund_without_credit_note_makes_the_invoice_due_again(stripe, owes, paid):
    give_back(paid, "12.80", with_credit=False)
    assert (left(owes.household), state(paid)) == ([D("12.80")], "refunded")


def test_a_refund_asked_twice_is_given_once(stripe, owes, paid):
    give_back(paid, "10")
    give_back(paid, "10")
    with pytest.raises(events.OnlinePaymentRefused, match="2,80"):
        give_back(paid, "10", "k2")
    assert [one["amount"] for one in stripe.refunds] == [1000]
    assert received(owes.household) == [D("12.80"), D(-10)]


def test_a_refund_without_an_answer_is_asked_again_and_given_once(stripe, owes, paid):
    stripe.fault = "500"
    with pytest.raises(events.OnlinePaymentRefused, match="ne répond pas"):
        give_back(paid, "5")
    assert OnlineRefund.objects.get().state == "asked"
    stripe.fault = ""
    for _ in range(2):
        asking.reconcile(at=AT + timedelta(minutes=10))
    assert OnlineRefund.objects.get().state == "done"
    assert [one["amount"] for one in stripe.refunds] == [500]
    assert received(owes.household) == [D("12.80"), D(-5)]


def test_a_refund_made_at_stripe_is_learnt_once(stripe, owes, paid):
    stripe.refund(paid.charge_reference, 300)
    event = stripe.send("charge.refunded", stripe.charges[0])
    assert {deliver(event), deliver(event)} == {200}
    assert (received(owes.household), left(owes.household)) == ([D("12.80"), D(-3)], [D(3)])


def test_our_own_refund_announced_back_is_not_counted_twice(stripe, owes, paid):
    give_back(paid, "3")
    deliver(stripe.send("charge.refunded", stripe.charges[0]))
    assert received(owes.household) == [D("12.80"), D(-3)]


def test_a_refund_announced_before_its_payment_is_sent_again(stripe, owes, payment):
    done = stripe.press(payment.provider_reference, "paid")
    stripe.refund(stripe.charges[0]["payment_intent"], 1280)
    refunded = stripe.send("charge.refunded", stripe.charges[0])
    assert deliver(refunded) == 503
    assert deliver(done) == 200
    assert deliver(refunded) == 200
    assert (state(payment), sum(received(owes.household))) == ("refunded", 0)


def test_a_dispute_won_and_a_dispute_lost(stripe, owes, paid):
    dispute = stripe.dispute(paid.charge_reference, 1280)
    opened = stripe.send("charge.dispute.created", dispute)
    deliver(opened)
    assert (state(paid), left(owes.household)) == ("disputed", [0])
    deliver(stripe.dispute_ends(dispute, "won"))
    assert state(paid) == "validated"
    deliver(opened | {"id": "evt_said_again"})
    assert state(paid) == "validated", "what was won is not opened again by what comes late"
    other = stripe.dispute(paid.charge_reference, 1280)
    deliver(stripe.send("charge.dispute.created", other))
    deliver(stripe.dispute_ends(other, "lost"))
    assert (state(paid), left(owes.household)) == ("disputed", [D("12.80")])
    assert sum(received(owes.household)) == 0


def test_money_is_a_payment_only_once_validated(stripe, owes, payment):
    assert not Payment.objects.exists()
    deliver(stripe.press(payment.provider_reference, "pending"))
    assert not Payment.objects.exists()


# Speed -----------------------------------------------------------------------------------------------


def queries(captured):
    """Without what only opens and closes transactions."""
    words = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")
    return [one["sql"] for one in captured if not one["sql"].startswith(words)]


def test_a_notification_costs_twelve_queries_and_its_letter_one(stripe, owes, payment):
    NumberCounter.objects.create(series="R", year=2026)  # the year's first receipt costs one more
    event = stripe.press(payment.provider_reference, "paid")
    with CaptureQueriesContext(connection) as first:
        assert deliver(event) == 200
    assert len(queries(first.captured_queries)) <= 12  # the account's entry is one, the receipt's seal two
    with CaptureQueriesContext(connection) as again:
        assert deliver(event) == 200
    assert len(queries(again.captured_queries)) <= 4


def test_reconciling_costs_the_same_whatever_the_number(stripe, owes, waits, payment):
    theirs = start(waits)
    NumberCounter.objects.create(series="R", year=2026)
    stripe.press(payment.provider_reference, "paid")
    with CaptureQueriesContext(connection) as one:
        assert asking.reconcile(at=AT).changed == 1
    stripe.press(theirs.provider_reference, "paid")
    with CaptureQueriesContext(connection) as other:
        assert asking.reconcile(at=AT).changed == 1
    assert len(queries(one.captured_queries)) == len(queries(other.captured_queries)) <= 14


def test_a_day_agrees_with_stripes_own_list_of_charges(stripe, owes, paid):
    found = statement.of_day(date(2026, 12, 1))
    assert (found.count, found.total, found.differences) == (1, D("12.80"), [])
