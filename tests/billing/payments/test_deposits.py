"""Cheques, vouchers and cash handed over, and the till counted."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.documents import verifying
from billing.models import BillingSettings, DepositLine, DepositSlip
from billing.payments import counting, deposits, means, paying, undoing
from billing.payments.deposits import DepositRefused
from tests.factories import HouseholdFactory
from tests.processes import result_of

D = Decimal
TODAY = date(2026, 11, 9)


@pytest.fixture
def take(books, regie, now):
    def taken(amount, code="cheque", household=None, by=regie, **said):
        home = household or books.household
        return paying.record(home, D(amount), code, paid_on=TODAY, by=by, at=now, **said)

    return taken


@pytest.fixture
def hand_over(regie, now):
    def made(*payments, code="cheque"):
        return deposits.make(code, [one.pk for one in payments], deposited_on=TODAY, by=regie, at=now)

    return made


def waiting(code="cheque"):
    return [one.number for one in deposits.waiting([means.of(code)], None)]


def test_a_slip_lists_who_paid_by_which_cheque_and_takes_each_once(books, waits, take, hand_over):
    first = take("12.80", reference="0042")
    second = take("9.60", household=waits.household, reference="0007")
    third = take("5.00")
    slip = hand_over(first, second)
    assert (slip.number, slip.total, slip.line_count) == ("B2026-000001", D("22.40"), 2)
    assert [(one.reference, one.amount) for one in slip.lines.all()] == [
        ("0042", D("12.80")), ("0007", D("9.60")),
    ]  # fmt: skip
    assert slip.lines.first().drawer == str(books.guardian)
    assert waiting() == [third.number]
    with pytest.raises(DepositRefused, match="déjà sur le bordereau B2026-000001"):
        hand_over(second, third)
    assert DepositSlip.objects.count() == 1


def test_a_refused_slip_takes_no_number(take, hand_over, regie, now):
    with pytest.raises(DepositRefused, match="Choisissez"):
        hand_over()
    with pytest.raises(DepositRefused, match="à venir"):
        deposits.make("cheque", [take("5").pk], deposited_on=date(2026, 11, 10), by=regie, at=now)
    with pytest.raises(DepositRefused, match="rien à remettre"):
        hand_over(take("5", "card"), code="card")
    with pytest.raises(DepositRefused, match="n'est plus à remettre"):
        hand_over(take("5", "cash"))
    assert hand_over(take("7")).sequence == 1


def test_a_slip_typed_wrong_is_cancelled_its_number_stays_and_its_cheques_wait(take, hand_over, regie, now):
    cheque = take("12.80")
    wrong = hand_over(cheque)
    with pytest.raises(DepositRefused, match="pourquoi"):
        deposits.cancel(wrong, reason=" ", by=regie, at=now)
    row = deposits.cancel(wrong, reason="Un chèque oublié", by=regie, at=now)
    assert (row.cancelled_by, row.reason) == (regie, "Un chèque oublié")
    with pytest.raises(DepositRefused, match="déjà annulé, le 9 novembre 2026"):
        deposits.cancel(wrong, reason="Encore", by=regie, at=now)
    again = hand_over(cheque)
    assert again.number == "B2026-000002" and wrong.lines.get().cancelled


def test_the_database_keeps_slips_as_they_are_and_a_payment_on_one(take, hand_over):
    cheque = take("12.80")
    slip = hand_over(cheque)
    with pytest.raises(IntegrityError), transaction.atomic():
        DepositLine.objects.create(slip=slip, payment=cheque, number=cheque.number, amount=cheque.amount)
    with pytest.raises(IntegrityError), transaction.atomic():
        slip.lines.update(amount=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        DepositSlip.objects.update(total=1)


def test_a_cheque_that_bounced_is_said_on_its_slip_and_one_handed_back_waits_no_more(take, hand_over, now):
    bounced, handed_back, good = take("12.80"), take("9.60"), take("3.20")
    slip = hand_over(bounced, good)
    for one in (bounced, handed_back):
        paying.take_back(one, one.amount, paid_on=TODAY, by=None, at=now)
    assert deposits.sent_back([bounced.pk, good.pk]) == {bounced.pk}
    assert slip.lines.count() == 2
    assert waiting() == []


def test_what_is_given_back_in_cash_keeps_the_cheque_for_the_bank(take, now):
    cheque = take("30.00")
    paying.refund(cheque, D("17.20"), means="cash", paid_on=TODAY, by=None, at=now)
    assert waiting() == [cheque.number]
    assert deposits.cash_in_hand() == D("-17.20")


def test_cash_is_paid_to_the_comptable_less_what_was_given_back(take, hand_over, now):
    cash = take("50.00", "cash")
    given = paying.refund(cash, D("7.20"), means="cash", paid_on=TODAY, by=None, at=now)
    slip = hand_over(cash, given, code="cash")
    assert (slip.total, deposits.cash_in_hand()) == (D("42.80"), D("0.00"))


def test_what_was_taken_before_slips_began_is_handed_over_already(take):
    take("12.80")
    BillingSettings(deposits_from=date(2026, 11, 10)).save()
    assert waiting() == []


def test_too_much_cash_is_said(take):
    BillingSettings(cash_float=D(50), cash_maximum=D(100)).save()
    take("100.00", "cash")
    assert deposits.too_much_cash() == ""
    take("0.10", "cash")
    assert "100,10" in deposits.too_much_cash() and "100,00" in deposits.too_much_cash()


def test_the_till_is_compared_with_the_book_as_a_whole_and_by_agent(take, hand_over, agent, regie, now):
    BillingSettings(cash_float=D(50)).save()
    take("12.80", "cash")
    handed = take("20.00", "cash", by=agent)
    take("99.00")  # a cheque is no cash
    assert counting.till().expected == D("82.80")
    assert counting.till(agent).expected == D("20.00")
    made = counting.count(D("80.80"), remark="Rendu de travers", by=regie, at=now)
    assert (made.expected, counting.in_words(made.difference)) == (D("82.80"), "Il manque 2,00\xa0€.")
    hand_over(handed, code="cash")
    assert counting.till().expected == D("62.80")
    assert made.expected == D("82.80")  # what was counted stays as it was
    with pytest.raises(IntegrityError), transaction.atomic():
        type(made).objects.update(counted=0)


def test_notes_and_coins_make_the_total():
    assert counting.total({"20": 3, "0.50": 5, "200": 0}) == D("62.50")
    assert counting.in_words(D(0)) == "Le compte est juste."
    assert counting.in_words(D("0.10")) == "Il y a 0,10\xa0€ de trop."


def test_slips_cost_the_same_queries_whatever_their_length(take, hand_over):
    hand_over(take("1.00"))  # the first of a year makes its counter
    counts = []
    for number in (1, 10):
        cheques = [take("1.00", household=HouseholdFactory()) for _ in range(number)]
        with CaptureQueriesContext(connection) as asked:
            hand_over(*cheques)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_two_agents_never_put_a_cheque_on_two_slips(installed, tmp_path):
    found = result_of("tests.billing.payments.deposit_race", "12", installed=installed, folder=tmp_path)
    assert found == [[1, 1, 1]] * 12


def test_a_cheque_moved_to_another_household_is_the_same_paper(books, waits, take, hand_over, now):
    kept, moved = take("9.60"), take("12.80")
    slip = hand_over(kept)
    for one in (kept, moved):
        paying.move(one, waits.household, one.amount, reason="Mauvais foyer", by=None, at=now)
    assert waiting() == [moved.number]
    assert deposits.sent_back([kept.pk]) == set()
    come = kept.refunded_by.get().moved_to
    undoing.reverse(
        come,
        because="bounced",
        reason="Sans provision",
        on=TODAY,
        due_on=date(2026, 12, 31),
        by=None,
        at=now,
        tells=False,
    )
    assert deposits.sent_back([kept.pk]) == {kept.pk} and slip.lines.count() == 1


def test_each_regie_hands_over_its_own_in_its_own_series(books, centre, take, hand_over, regie, now):
    ours, theirs = take("12.80"), take("9.00", regie=centre.regie.pk)
    with pytest.raises(DepositRefused, match="n'est plus à remettre"):
        hand_over(ours, theirs)
    slip = deposits.make("cheque", [theirs.pk], deposited_on=TODAY, by=regie, at=now, regie=centre.regie.pk)
    assert slip.number == "B-CL2026-000001" and hand_over(ours).number == "B2026-000001"
    centre.regie.cash_maximum = D(10)
    centre.regie.save()
    take("10.10", "cash", regie=centre.regie.pk)
    assert "Centre de loisirs : il y a 10,10" in deposits.too_much_cash()
    assert (counting.till().taken, counting.till(regie=centre.regie.pk).taken) == (D(0), D("10.10"))


def test_the_books_are_verified_with_their_slips(take, hand_over, regie, now):
    cheque = take("12.80")
    deposits.cancel(hand_over(cheque), reason="Oubli", by=regie, at=now)
    hand_over(cheque)
    assert verifying.verify(files=False).faults == []
