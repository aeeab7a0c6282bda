"""Money that leaves an online payment again: pending, failed, disputed, said twice, in any order."""

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from billing.models import Invoice, OnlinePayment, OnlineRefund, Payment
from billing.payments import asking, events, paying
from tests.billing.payments.paying_online import AT, D, deliver, give_back, left, received, start, state
from tests.conftest import on_the_database
from tests.factories import GuardianFactory

TWO_DAYS_LATER = AT + timedelta(days=2)


def with_us(payment):
    """What the town holds of a payment, by its own books."""
    payment.refresh_from_db()
    rows = Payment.objects.filter(household=payment.household).exclude(means="cash")
    return sum(one.amount for one in rows)


# Pending ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "cents"), [("5.00", 500), ("12.80", 1280), ("0.01", 1)])
def test_a_pending_refund_is_asked_for_by_its_number_and_never_made_again(stripe, owes, paid, amount, cents):
    stripe.refunds_begin = "pending"
    assert give_back(paid, amount).state == "asked"
    stripe.by_key.clear()  # Stripe forgets its idempotency keys after a day
    for _ in range(3):
        asking.reconcile(at=TWO_DAYS_LATER)
    give_back(paid, amount)
    assert [one["amount"] for one in stripe.refunds] == [cents]
    assert received(owes.household) == [D("12.80")]
    stripe.refund_ends(stripe.refunds[0], "succeeded")
    asking.reconcile(at=TWO_DAYS_LATER)
    assert OnlineRefund.objects.get().state == "done"
    assert received(owes.household) == [D("12.80"), -D(amount)]


def test_a_pending_refund_ends_by_its_notification_too(stripe, owes, paid):
    stripe.refunds_begin = "pending"
    give_back(paid, "5")
    assert deliver(stripe.refund_ends(stripe.refunds[0], "succeeded")) == 200
    asking.reconcile(at=TWO_DAYS_LATER)
    assert received(owes.household) == [D("12.80"), D(-5)]


def test_a_request_whose_answer_was_lost_is_found_after_the_key_is_forgotten(stripe, owes, paid, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            "billing.payments.refunding.learn", lambda *said: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            give_back(paid, "5")
    stripe.by_key.clear()
    asking.reconcile(at=TWO_DAYS_LATER)
    assert [one["amount"] for one in stripe.refunds] == [500]
    assert received(owes.household) == [D("12.80"), D(-5)]


def test_a_pending_refund_that_fails_leaves_all_as_it_was(stripe, owes, paid):
    stripe.refunds_begin = "pending"
    give_back(paid, "5")
    assert deliver(stripe.refund_ends(stripe.refunds[0], "failed", "refund.failed")) == 200
    assert (received(owes.household), left(owes.household), state(paid)) == ([D("12.80")], [0], "validated")
    stripe.refunds_begin = "succeeded"
    assert give_back(paid, "12.80", "k2").state == "done"


def test_the_bank_s_answer_is_booked_though_who_asked_has_become_a_parent_there(stripe, owes, paid, agent):
    """It was decided when it was asked for: the bank's word is refused to nobody, days later."""
    stripe.refunds_begin = "pending"
    give_back(paid, "5", by=agent)
    GuardianFactory(household=owes.household, user=agent)
    assert deliver(stripe.refund_ends(stripe.refunds[0], "succeeded")) == 200
    assert received(owes.household) == [D("12.80"), D(-5)]
    (invoice,) = Invoice.objects.filter(household=owes.household)
    assert [note.amount for note in invoice.credit_notes.all()] == [D(5)]


# Failed afterwards -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["refund.failed", "charge.refund.updated", "refund.updated"])
@pytest.mark.parametrize("amount", ["5.00", "12.80", "0.01"])
def test_a_refund_that_fails_later_is_put_back_and_pays_its_invoice(stripe, owes, paid, kind, amount):
    give_back(paid, amount, with_credit=False)
    assert left(owes.household) == [D(amount)]
    failed = stripe.refund_ends(stripe.refunds[0], "failed", kind)
    assert {deliver(failed), deliver(failed | {"id": "evt_again"})} == {200}
    assert received(owes.household) == [D("12.80"), -D(amount), D(amount)]
    assert (left(owes.household), state(paid)) == ([0], "validated")
    assert OnlineRefund.objects.get().state == "failed"
    assert "ne l'a pas reçu" in OnlinePayment.objects.get().trouble
    assert OnlinePayment.objects.to_look_at().count() == 1


def test_with_a_credit_note_the_money_waits_and_is_given_back_anew(stripe, owes, paid):
    give_back(paid, "5")
    deliver(stripe.refund_ends(stripe.refunds[0], "failed", "refund.failed"))
    paid.refresh_from_db()
    assert (left(owes.household), paying.unused(paid.payment)) == ([0], D(5))
    give_back(paid, "5", "k2")
    (invoice,) = Invoice.objects.filter(household=owes.household)
    assert [note.amount for note in invoice.credit_notes.all()] == [D(5)], "one credit note, not two"
    assert (with_us(paid), paying.unused(paid.payment), paid.trouble) == (D("7.80"), 0, "")


def test_the_payer_is_told_that_the_money_came_back(
    stripe, owes, paid, mailoutbox, django_capture_on_commit_callbacks
):
    give_back(paid, "5")
    with django_capture_on_commit_callbacks(execute=True):
        deliver(stripe.refund_ends(stripe.refunds[0], "failed", "refund.failed"))
    (letter,) = mailoutbox
    assert "non abouti" in letter.subject
    assert "5,00" in letter.body


def test_a_failure_that_comes_before_its_success_stays_a_failure(stripe, owes, paid):
    stripe.refunds_begin = "pending"
    refund = stripe.refund(paid.charge_reference, 500)
    done = stripe.refund_ends(refund, "succeeded")
    failed = stripe.refund_ends(refund, "failed", "refund.failed")
    for event in (failed, done):
        assert deliver(event) == 200
    assert received(owes.household) == [D("12.80")]


# Disputes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("refunded", "disputed", "due"), [("5.00", 780, "7.80"), ("12.79", 1, "0.01")])
def test_a_dispute_lost_adds_to_what_was_refunded(stripe, owes, paid, refunded, disputed, due):
    give_back(paid, refunded)
    dispute = stripe.dispute(paid.charge_reference, disputed)
    deliver(stripe.send("charge.dispute.created", dispute))
    deliver(stripe.dispute_ends(dispute, "lost"))
    assert (with_us(paid), left(owes.household), state(paid)) == (0, [D(due)], "disputed")


def test_what_is_disputed_is_not_refunded_beside(stripe, owes, paid):
    dispute = stripe.dispute(paid.charge_reference, 780)
    deliver(stripe.send("charge.dispute.created", dispute))
    with pytest.raises(events.OnlinePaymentRefused, match="5,00"):
        give_back(paid, "5.01")
    deliver(stripe.dispute_ends(dispute, "won"))
    assert give_back(paid, "12.80").state == "done"


def test_more_taken_than_was_paid_is_booked_and_told(stripe, owes, paid):
    """A bank may dispute the whole of what was refunded in part."""
    give_back(paid, "5", with_credit=False)
    dispute = stripe.dispute(paid.charge_reference, 1280)
    deliver(stripe.dispute_ends(dispute, "lost"))
    assert (with_us(paid), left(owes.household)) == (D(-5), [D("12.80")])
    assert "5,00 € de plus" in paid.trouble
    deliver(stripe.refund_ends(stripe.refunds[0], "failed", "refund.failed"))
    assert with_us(paid) == 0


def test_a_dispute_heard_before_its_payment_is_sent_again(stripe, owes, payment):
    done = stripe.press(payment.provider_reference, "paid")
    dispute = stripe.dispute(done["data"]["object"]["payment_intent"], 1280)
    lost = stripe.dispute_ends(dispute, "lost")
    assert [deliver(lost), deliver(done), deliver(lost)] == [503, 200, 200]
    assert (with_us(payment), left(owes.household)) == (0, [D("12.80")])


def test_a_refund_of_somebody_elses_charge_is_noted_and_not_sent_again(stripe, owes, paid):
    stray = stripe.refund(paid.charge_reference, 100) | {"payment_intent": "pi_of_the_swimming_pool"}
    assert deliver(stripe.send("refund.updated", stray)) == 200
    assert received(owes.household) == [D("12.80")]


# What an earlier version learnt ----------------------------------------------------------------------------


def test_a_refund_learnt_as_a_sum_by_an_earlier_version_is_not_learnt_again(stripe, owes, paid):
    refund = stripe.refund(paid.charge_reference, 300)
    deliver(stripe.send("refund.updated", refund))
    OnlineRefund.objects.update(key=f"elsewhere-{paid.reference}-3.00", provider_reference="")
    deliver(stripe.send("charge.refunded", stripe.charges[0]))
    assert received(owes.household) == [D("12.80"), D(-3)]
    assert OnlineRefund.objects.get().provider_reference == refund["id"]


# In any order --------------------------------------------------------------------------------------------

WHAT = ["refund here", "refund there", "dispute", "end", "notification"]
STEPS = st.lists(st.tuples(st.sampled_from(WHAT), st.integers(1, 1280)), min_size=1, max_size=8)


def does(stripe, payment, sent, what, cents, chance):
    """One thing that happens at Stripe or at the desk; its notification is `sent`, and may be lost."""
    intent = payment.charge_reference
    held, moving = stripe.held(intent), stripe.refunds + stripe.disputes
    if what == "refund here":
        key = f"k{len(stripe.asked)}"
        try:
            give_back(payment, D(cents) / 100, key, with_credit=cents % 2 == 0)
        except events.OnlinePaymentRefused:
            assert OnlineRefund.objects.filter(key=key, state="done").count() == 0
    elif what == "refund there" and held:
        sent.append(stripe.send("refund.created", stripe.refund(intent, min(cents, held))))
    elif what == "dispute" and held:
        sent.append(stripe.send("charge.dispute.created", stripe.dispute(intent, min(cents, held))))
    elif what == "end" and moving:
        one = chance.choice(moving)
        if one["object"] == "dispute" and one["status"] == "needs_response":
            sent.append(stripe.dispute_ends(one, chance.choice(["won", "lost"])))
        elif one["object"] == "refund" and one["status"] in ("pending", "succeeded"):
            sent.append(stripe.refund_ends(one, chance.choice(["succeeded", "failed"])))
    elif what == "notification":
        deliver(chance.choice(sent))


@on_the_database
@given(steps=STEPS, chance=st.randoms(use_true_random=False), begin=st.sampled_from(["pending", "succeeded"]))
def test_whatever_happens_in_whatever_order_our_books_are_stripes(stripe, owes, steps, chance, begin):
    """Refunds here and there, failures, disputes; notifications late, repeated, shuffled."""
    with transaction.atomic():
        stripe.forgets_all()
        stripe.refunds_begin = begin
        payment = start(owes)
        sent = [stripe.press(payment.provider_reference, "paid")]
        deliver(*sent)
        payment.refresh_from_db()
        for what, cents in steps:
            does(stripe, payment, sent, what, cents, chance)
        late = [*sent, *chance.choices(sent, k=2)]
        chance.shuffle(late)
        assert {deliver(event) for event in late} == {200}
        asking.reconcile(at=TWO_DAYS_LATER)
        taken = [one for one in stripe.refunds if one["status"] == "succeeded"]
        taken += [one for one in stripe.disputes if one["status"] == "lost"]
        assert with_us(payment) == D(1280 - sum(one["amount"] for one in taken)) / 100
        used = sum(one.amount for one in payment.payment.allocations.all())
        assert with_us(payment) == paying.unused(payment.payment) + used
        (due,) = left(owes.household)
        credited = sum(
            note.amount for note in Invoice.objects.get(household=owes.household).credit_notes.all()
        )
        assert due == D("12.80") - used - credited
        transaction.set_rollback(True)
