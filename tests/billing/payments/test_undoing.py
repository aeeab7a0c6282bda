"""Every payment can be put right, with a trace: reversed, moved, re-allocated, used for what is due."""

from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.db import DatabaseError, IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from billing.documents import files, receipts, verifying, yearly
from billing.invoices import ledger
from billing.models import (
    AccountEntry,
    Invoice,
    InvoiceState,
    NewDueDate,
    Payment,
    PaymentAllocation,
    Reallocation,
)
from billing.payments import closing, deposits, means, paying, transfers, undoing
from billing.payments.paying import PaymentRefused
from billing.reminders import reminding
from families.custody.own import OwnHousehold
from tests.billing.care import YOUNG, invoiced
from tests.billing.conftest import FIRST_OF_DECEMBER
from tests.conftest import on_the_database
from tests.factories import ChildFactory, InvoiceFactory

D = Decimal
AT = FIRST_OF_DECEMBER
TODAY = AT.date()
PAID_ON = date(2026, 11, 28)
LATER = date(2026, 12, 20)
IBAN = "FR1420041010050500013M02606"  # the public example of the standard


def pay(household, amount, **said):
    said = {"paid_on": PAID_ON, "by": None, "at": AT, "means": "cheque"} | said
    return paying.record(household, D(amount), said.pop("means"), **said)


def reverse(payment, **said):
    said = {"because": "bounced", "reason": "Sans provision", "on": None, "due_on": LATER} | said
    return undoing.reverse(payment, **({"by": None, "at": AT} | said))


def move(payment, household, **said):
    said = {"reason": "Noté au mauvais foyer", "due_on": LATER, "by": None, "at": AT} | said
    return undoing.move(payment, household, **said)


def reallocate(payment, amounts, **said):
    said = {"reason": "Le chèque était pour décembre", "due_on": LATER, "by": None, "at": AT} | said
    return undoing.reallocate(payment, {one.pk: D(amount) for one, amount in amounts.items()}, **said)


def invoice_of(household, total, due_on=date(2026, 12, 31), **said):
    return InvoiceFactory(household=household, total=D(total), due_on=due_on, **said)


def balance(household):
    return AccountEntry.objects.filter(household=household).balance()


def left(*invoices):
    rows = Invoice.objects.with_balance().in_bulk([one.pk for one in invoices])
    return [rows[one.pk].left for one in invoices]


def movements(household):
    rows = AccountEntry.objects.filter(household=household).order_by("pk")
    return [(one.kind, one.amount, one.value_on, one.booked_on) for one in rows if one.kind != "invoice"]


@pytest.fixture
def november(owes):
    """The invoice of 12.80 that Lina's household owes, overdue on the first of December."""
    return Invoice.objects.get(household=owes.household)


def test_a_bounced_cheque_is_a_row_of_its_own_and_its_invoice_is_due_again(owes, november):
    payment = pay(owes.household, "12.80")
    before = Payment.objects.filter(pk=payment.pk).values().get()
    undone = reverse(payment)
    assert Payment.objects.filter(pk=payment.pk).values().get() == before
    row = undone.reversal
    assert (row.kind, row.amount, row.refunds, row.series) == ("reversal", D("-12.80"), payment, "R")
    assert (row.because, row.reason, row.recorded_at) == ("bounced", "Sans provision", AT)
    assert movements(owes.household) == [
        ("payment", D("-12.80"), PAID_ON, PAID_ON),
        ("reversal", D("12.80"), TODAY, TODAY),
    ]
    assert left(november) == [D("12.80")] and balance(owes.household) == D("12.80")
    assert not payment.allocations.exists() and paying.unused(payment) == 0


def test_the_invoice_is_due_on_the_day_that_the_agent_gives_and_says_the_same_itself(owes):
    late = invoice_of(owes.household, "20", due_on=date(2026, 11, 15))
    payment = pay(owes.household, "20", invoices=[late])
    reverse(payment)
    shown = Invoice.objects.with_balance().get(pk=late.pk)
    assert (shown.pay_by, shown.due_on) == (LATER, date(2026, 11, 15))
    assert shown.state_on(TODAY) == InvoiceState.DUE
    assert not reminding.overdue(TODAY).filter(pk=late.pk).exists()
    assert reminding.overdue(LATER + timedelta(days=1)).filter(pk=late.pk).exists()


def test_no_due_date_is_brought_forward(owes):
    far = invoice_of(owes.household, "20", due_on=date(2027, 1, 31))
    reverse(pay(owes.household, "20", invoices=[far]))
    assert Invoice.objects.with_balance().get(pk=far.pk).pay_by == date(2027, 1, 31)
    assert not NewDueDate.objects.filter(invoice=far).exists()


def test_128_typed_for_12_80_is_reversed_and_put_right_in_one_act(owes, november):
    payment = pay(owes.household, "128")
    undone = reverse(payment, because="amount", reason="128 au lieu de 12,80", instead=D("12.80"))
    assert undone.reversal.paid_on == undone.instead.paid_on == PAID_ON
    assert (undone.instead.amount, undone.instead.means) == (D("12.80"), "cheque")
    assert left(november) == [D(0)] and balance(owes.household) == 0
    assert undone.due == [] and not NewDueDate.objects.exists()
    day = Payment.objects.in_the_books().filter(book_day=PAID_ON)
    assert sum(one.amount for one in day) == D("12.80")


def test_a_payment_is_reversed_once(owes):
    payment = pay(owes.household, "12.80")
    reverse(payment)
    with pytest.raises(PaymentRefused, match="déjà annulé"):
        reverse(payment)
    with pytest.raises(IntegrityError), transaction.atomic():
        Payment.objects.create(
            household=owes.household, number="R2026-000099", series="R", year=2026, sequence=99, amount=-1,
            kind="reversal", means="cash", paid_on=PAID_ON, recorded_at=AT, refunds=payment,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"reason": " "}, "motif"),
        ({"on": date(2026, 12, 2)}, "à venir"),
        ({"on": date(2026, 11, 27)}, "avant le règlement"),
        ({"due_on": date(2026, 11, 30)}, "échéance"),
        ({"instead": D("12.80")}, "rien à corriger"),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_written(owes, said, words):
    payment = pay(owes.household, "12.80")
    with pytest.raises(PaymentRefused, match=words):
        reverse(payment, **said)
    assert Payment.objects.count() == 1


def test_money_that_was_given_back_is_no_slip_of_the_desk_but_may_bounce(owes):
    payment = pay(owes.household, "20")
    paying.refund(payment, D("7.20"), means="cash", paid_on=TODAY, by=None, at=AT)
    with pytest.raises(PaymentRefused, match=r"7,20.*déjà été rendus"):
        reverse(payment, because="twice")
    reverse(payment)
    assert paying.unused(payment) == D("-7.20")
    assert balance(owes.household) == ledger.standing([owes.household.pk])[owes.household.pk] == D("20")


def test_what_waits_and_what_is_no_payment_is_not_reversed(owes):
    with pytest.raises(PaymentRefused, match="en attente"):
        reverse(pay(owes.household, "5", state="pending"))
    undone = reverse(pay(owes.household, "12.80"))
    with pytest.raises(PaymentRefused, match="Seul un règlement reçu"):
        reverse(undone.reversal)


def test_on_a_closed_day_it_falls_on_the_first_open_one(owes):
    payment = pay(owes.household, "128")
    closing.close(date(2026, 11, 30), by=None, at=AT)
    undone = reverse(payment, because="amount", instead=D("12.80"))
    for row in (undone.reversal, undone.instead):
        assert (row.paid_on, row.booked_on) == (PAID_ON, TODAY)
    assert movements(owes.household)[1:] == [
        ("reversal", D("128.00"), PAID_ON, TODAY),
        ("payment", D("-12.80"), PAID_ON, TODAY),
    ]


def test_the_family_is_told_what_is_due_again_and_until_when(owes, django_capture_on_commit_callbacks):
    payment = pay(owes.household, "12.80")
    with django_capture_on_commit_callbacks(execute=True):
        reverse(payment, due_on=date(2027, 1, 20))
    (letter,) = mail.outbox
    assert "12,80" in letter.subject and "rejeté par la banque" in letter.body
    assert "20 janvier 2027" in letter.body and "Sans provision" not in letter.body


def test_money_of_the_wrong_household_is_moved_and_neither_learns_of_the_other(
    owes, november, waits, django_capture_on_commit_callbacks
):
    theirs = invoice_of(waits.household, "20")
    home, other = balance(owes.household), balance(waits.household)
    payment = pay(owes.household, "12.80")
    with django_capture_on_commit_callbacks(execute=True):
        moved = move(payment, waits.household)
    assert (moved.gone.kind, moved.gone.amount) == ("transfer", D("-12.80"))
    assert (moved.come.kind, moved.come.amount, moved.come.household) == (
        "transfer", D("12.80"), waits.household,
    )  # fmt: skip
    assert moved.come.moved_from == moved.gone
    assert (balance(owes.household), balance(waits.household)) == (home, other - D("12.80"))
    assert left(november) == [D("12.80")]
    assert sum(PaymentAllocation.objects.filter(payment=moved.come).values_list("amount", flat=True)) == D(
        "12.80"
    )
    assert theirs.household_id == waits.household.pk
    assert {(one.paid_on, one.booked_on) for one in (moved.gone, moved.come)} == {(PAID_ON, TODAY)}
    assert len(mail.outbox) == 2
    for letter in mail.outbox:
        text = letter.body + letter.subject
        names = {owes, waits}
        for family in names:
            if family.user.email not in letter.to:
                assert f"foyer n°\xa0{family.household.number}" not in text
                assert family.guardian.last_name not in text


def test_what_was_moved_is_reversed_where_it_is(owes, waits):
    payment = pay(owes.household, "12.80")
    moved = move(payment, waits.household)
    with pytest.raises(PaymentRefused, match=moved.come.number):
        reverse(payment)
    undone = reverse(moved.come)
    assert undone.reversal.household == waits.household
    assert sum(Payment.objects.values_list("amount", flat=True)) == 0
    assert verifying.verify(files=False).faults == []


def test_only_what_is_left_of_a_payment_is_moved(owes, waits):
    payment = pay(owes.household, "20")
    paying.refund(payment, D("7.20"), means="cash", paid_on=TODAY, by=None, at=AT)
    assert move(payment, waits.household).come.amount == D("12.80")
    with pytest.raises(PaymentRefused, match="passé à un autre foyer"):
        move(payment, waits.household)


def test_a_payment_stays_where_it_is(owes):
    with pytest.raises(PaymentRefused, match="déjà à ce foyer"):
        move(pay(owes.household, "5"), owes.household)


def test_a_payment_pays_other_invoices_and_who_said_so_stays(owes, november, agent):
    december = invoice_of(owes.household, "12.80")
    payment = pay(owes.household, "12.80", invoices=[november])
    changed = reallocate(payment, {november: "2.80", december: "10"}, by=agent)
    assert left(november, december) == [D("10.00"), D("2.80")]
    row = Reallocation.objects.get(payment=payment)
    assert (row.by, row.at, row.reason) == (agent, AT, "Le chèque était pour décembre")
    assert row.paid_before == [[november.number, "12.80"]]
    assert row.pays_now == [[november.number, "2.80"], [december.number, "10"]]
    assert [one.pk for one in changed.due] == [november.pk]
    for change in ({"reason": "Autre"}, {"pays_now": []}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Reallocation.objects.filter(pk=row.pk).update(**change)


@pytest.mark.parametrize(
    ("amounts", "words"),
    [
        (["12.80", "0.01"], "répartissez 12,81"),
        (["0", "12.81"], "répartissez"),
        (["12.80", "0"], "Rien ne change"),
        (["-1", "2"], "positifs"),
        (["1.005", "2"], "au centime"),
    ],
)
def test_a_reallocation_is_taken_as_a_whole_or_not_at_all(owes, november, amounts, words):
    december = invoice_of(owes.household, "100")
    payment = pay(owes.household, "12.80", invoices=[november])
    with pytest.raises(PaymentRefused, match=words):
        reallocate(payment, dict(zip((november, december), amounts, strict=True)))
    assert left(november, december) == [D(0), D(100)] and not Reallocation.objects.exists()


def test_nor_beyond_an_invoice_nor_for_another_household_s(owes, november, waits):
    small = invoice_of(owes.household, "5")
    payment = pay(owes.household, "12.80", invoices=[november])
    with pytest.raises(PaymentRefused, match=f"payer sur la facture {small.number}"):
        reallocate(payment, {small: "5.01"})
    with pytest.raises(PaymentRefused, match="autre foyer"):
        reallocate(payment, {Invoice.objects.filter(household=waits.household).first(): "1"})
    assert left(november) == [D(0)]


def test_16_80_too_much_pay_the_12_80_that_are_overdue_beside(owes, november):
    """Who pays one invoice and too much of it is not reminded of another."""
    other = invoice_of(owes.household, "30", due_on=date(2026, 11, 10))
    payment = pay(owes.household, "29.60", invoices=[november])
    assert left(november, other) == [D(0), D("13.20")] and paying.unused(payment) == 0


def test_16_80_held_are_used_at_once_for_12_80(owes, november):
    payment = pay(owes.household, "16.80", invoices=[])
    assert paying.unused(payment) == D("16.80") and left(november) == [D("12.80")]
    assert undoing.use(owes.household, by=None, at=AT) == D("12.80")
    assert left(november) == [D(0)] and paying.unused(payment) == D("4.00")
    with pytest.raises(PaymentRefused, match="rien à utiliser"):
        undoing.use(owes.household, by=None, at=AT)


def test_what_is_due_again_is_paid_first_by_what_the_household_has_left(owes, november):
    cheque = pay(owes.household, "12.80")
    spare = pay(owes.household, "16.80")
    assert reverse(cheque).due == []
    assert left(november) == [D(0)] and paying.unused(spare) == D("4.00")


def test_nobody_undoes_in_the_own_household(owes, waits, agent):
    owes.guardian.user = agent
    owes.guardian.save()
    payment, theirs = pay(owes.household, "5"), pay(waits.household, "5")
    for act in (
        lambda: reverse(payment, by=agent),
        lambda: move(theirs, owes.household, by=agent),
        lambda: undoing.use(owes.household, by=agent, at=AT),
        lambda: reallocate(payment, {}, by=agent),
    ):
        with pytest.raises(OwnHousehold):
            act()


def test_a_reversed_payment_is_none_of_the_tax_certificate_and_a_moved_one_is_the_other_s(owes, waits):
    homes = [owes.household, waits.household]
    invoices = []
    for home in homes:
        mia = ChildFactory(birth_date=YOUNG, households=[home])
        invoices.append(invoiced(home, (mia, "128.00", 100)))

    def certified():
        rows = yearly.certificates(homes, 2026)
        return [sum((child.amount for child in one.children), D(0)) for one in rows]

    payment = pay(owes.household, "128", paid_on=date(2026, 10, 5), invoices=invoices[:1])
    assert certified() == [D(128), D(0)]
    moved = move(payment, waits.household)
    paying.reallocate(moved.come, [(invoices[1], D(128))])
    assert certified() == [D(0), D(128)] and moved.come.paid_on == payment.paid_on
    reverse(moved.come, because="amount", instead=D("12.80"))
    assert certified()[1] <= D("12.80")


VERBS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "reverse", "right", "move", "reallocate", "refund", "use"]),
        st.integers(1, 2500),
        st.integers(0, 3),
    ),
    max_size=12,
)


@on_the_database
@given(VERBS)
def test_in_any_order_the_accounts_say_what_the_documents_do(owes, waits, done):
    homes = [owes.household, waits.household]
    with transaction.atomic():
        for home in homes:
            invoice_of(home, "10")
        opening = ledger.standing([home.pk for home in homes])
        entered = ledger.balances([home.pk for home in homes])
        gap = {key: opening[key] - entered.get(key, D(0)) for key in opening}
        for number, (verb, cents, which) in enumerate(done):
            amount, home, other = D(cents) / 100, homes[which % 2], homes[1 - which % 2]
            at = AT + timedelta(hours=number % 8)
            payments = list(Payment.objects.filter(household=home, amount__gt=0).order_by("-pk"))
            payment = payments[which % len(payments)] if payments else None
            with suppress(PaymentRefused):
                if verb == "pay":
                    pay(home, amount, at=at)
                elif verb == "use":
                    undoing.use(home, by=None, at=at)
                elif payment is None:
                    continue
                elif verb == "reverse":
                    reverse(payment, at=at, because="bounced" if which else "twice")
                elif verb == "right":
                    reverse(payment, at=at, because="amount", instead=amount)
                elif verb == "move":
                    move(payment, other, at=at)
                elif verb == "refund":
                    paying.refund(payment, amount, means="cash", paid_on=PAID_ON, by=None, at=at)
                else:
                    rows = Invoice.objects.filter(household=home).order_by("pk")
                    part = amount / 2
                    with transaction.atomic():
                        reallocate(payment, {one: part.quantize(D("0.01")) for one in rows[:2]}, at=at)
            keys = [home.pk for home in homes]
            standing, balances = ledger.standing(keys), ledger.balances(keys)
            assert {key: standing[key] - balances.get(key, D(0)) for key in keys} == gap
            for one in Payment.objects.validated().filter(refunds=None):
                used = sum((part.amount for part in one.allocations.all()), D(0))
                assert used <= one.amount and (paying.unused(one) >= 0 or not used)
            assert not Invoice.objects.with_balance().filter(left__lt=0).exists()
        transaction.set_rollback(True)


def test_what_is_put_right_stays_with_the_regie_that_was_paid(two, books, waits, centre):
    """30.00 typed for 20.00 at the centre, then moved: the town's own 12.80 stay to be paid throughout."""
    home = books.household
    payment = pay(home, "30.00", regie=centre.regie.pk)
    undone = reverse(payment, because="amount", instead=D("20.00"))
    assert {one.regie for one in (undone.reversal, undone.instead)} == {centre.regie}
    assert ledger.balances_by_regie([home.pk]) == {
        (home.pk, None): D("12.80"),
        (home.pk, centre.regie.pk): D("-5.00"),
    }
    with pytest.raises(PaymentRefused, match="que les factures d'une même régie"):
        reallocate(undone.instead, {two[0]: "12.80"})
    moved = move(undone.instead, waits.household)
    assert {moved.gone.regie, moved.come.regie} == {centre.regie}
    assert ledger.balances_by_regie([waits.household.pk]) == {
        (waits.household.pk, centre.regie.pk): D("-20.00")
    }
    assert not verifying.verify(files=False).faults


def test_what_could_be_used_is_counted_without_more_than_is_due(owes, november):
    assert undoing.usable(owes.household.pk) == 0
    pay(owes.household, "5", invoices=[])
    assert undoing.usable(owes.household.pk) == D("5.00")
    pay(owes.household, "16.80", invoices=[])
    assert undoing.usable(owes.household.pk) == D("12.80")
    assert undoing.use(owes.household, by=None, at=AT) == D("12.80")
    assert undoing.usable(owes.household.pk) == 0


# A refund typed wrong --------------------------------------------------------------------------------------


@pytest.fixture
def given(owes):
    """16.80 too much; 15.00 of them noted as given back in cash, where 1.50 were."""
    payment = pay(owes.household, "29.60", means="cash")
    return paying.refund(payment, D("15.00"), means="cash", paid_on=TODAY, by=None, at=AT)


def undo(refund, **said):
    return undoing.undo_refund(refund, **({"reason": "15 au lieu de 1,50", "by": None, "at": AT} | said))


def test_a_refund_typed_wrong_is_a_row_of_its_own_and_the_money_is_there_again(owes, given):
    before = (deposits.cash_in_hand(), paying.unused(given.refunds))
    done = undo(given)
    assert (done.back.kind, done.back.amount, done.back.paid_on, done.back.reason, done.instead) == (
        "back",
        D("15.00"),
        TODAY,
        "15 au lieu de 1,50",
        None,
    )
    assert before == (D("14.60"), D("1.80"))
    assert (deposits.cash_in_hand(), paying.unused(given.refunds)) == (D("29.60"), D("16.80"))
    home = owes.household.pk
    assert ledger.balances([home])[home] == ledger.standing([home])[home] == D("-16.80")
    assert verifying.verify(files=False).faults == []
    with pytest.raises(PaymentRefused, match=f"déjà annulé : n°\xa0{done.back.number}"):
        undo(given)
    said = receipts.context(given.refunds)
    assert said["given_back"] == [] and done.back.number in receipts.context(given)["undone"]


def test_the_right_amount_is_given_back_in_the_same_act(owes, given, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        done = undo(given, instead=D("1.50"))
    assert (done.instead.amount, done.instead.means, done.instead.refunds) == (
        D("-1.50"),
        "cash",
        given.refunds,
    )
    assert paying.unused(given.refunds) == D("15.30")
    assert deposits.cash_in_hand() == D("28.10")
    letter = mail.outbox[-1]
    assert "annulé" in letter.subject and "1,50" in letter.body and "15 au lieu" not in letter.body


@pytest.mark.parametrize(
    ("said", "words"),
    [({"reason": " "}, "motif"), ({"instead": D("15.00")}, "juste"), ({"instead": D("17.00")}, "16,80")],
)
def test_nothing_is_undone_of_what_makes_no_sense(given, said, words):
    with pytest.raises(PaymentRefused, match=words):
        undo(given, **said)
    assert not Payment.objects.filter(kind="back").exists()


def test_on_a_closed_day_an_undone_refund_falls_on_the_first_open_one(given):
    closing.close(TODAY, by=None, at=AT + timedelta(days=1))
    back = undo(given, at=AT + timedelta(days=2)).back
    assert (back.paid_on, back.booked_on) == (TODAY, TODAY + timedelta(days=1))


def test_a_cheque_handed_back_by_mistake_waits_to_be_deposited_again(owes):
    """As it came: it waits no more once it is handed back, and again once that was none."""
    cheque = pay(owes.household, "16.80", invoices=[])
    waiting = deposits.waiting([means.of("cheque")], None)
    refund = paying.refund(cheque, D("16.80"), means="cheque", paid_on=TODAY, by=None, at=AT)
    assert list(waiting.all()) == []
    undo(refund)
    assert list(waiting.all()) == [cheque]
    assert deposits.sent_back([cheque.pk]) == set()


def test_what_a_bank_gives_back_is_not_undone_so(owes, given):
    transfer = transfers.ask(given.refunds, D("1.00"), holder="Camille", iban=IBAN, by=None, at=AT).payment
    with pytest.raises(PaymentRefused, match="virement"):
        undo(transfer)
    online = paying.refund(given.refunds, D("0.50"), means="online", paid_on=TODAY, by=None, at=AT)
    with pytest.raises(PaymentRefused, match="La banque a rendu"):
        undo(online)
    with pytest.raises(PaymentRefused, match="Seul un remboursement"):
        undo(given.refunds)


def test_the_receipt_says_that_it_is_none_any_more_and_so_does_the_family_s_list(owes, waits, books_client):
    bounced, moved, good = (pay(owes.household, amount) for amount in ("12.80", "7.00", "3.00"))
    pages = ("/factures/", "/")
    before = [books_client.get(page).content.decode().count("Annulé") for page in pages]
    reversal = reverse(bounced).reversal
    gone = move(moved, waits.household).gone
    for payment, row, why in (
        (bounced, reversal, "rejeté par la banque"),
        (moved, gone, "par erreur"),
    ):
        said = receipts.context(payment)["undone"]
        assert row.number in said and why in said
    assert receipts.context(good)["undone"] == ""
    about = receipts.context(reversal)
    assert (about["title"], about["of"]) == ("Annulation", bounced.number)
    page, home = (books_client.get(page).content.decode() for page in pages)
    for shown, said in zip((page, home), before, strict=True):
        assert shown.count("Annulé") > said
    assert "Annulation · " in page and "Transfert · " in page and "annulation, " in home


def test_exports_say_of_each_row_what_it_is(owes):
    payment = pay(owes.household, "12.80")
    reversal = reverse(payment).reversal
    rows = {
        row[0]: dict(zip(files.PAYMENT_COLUMNS, row, strict=True))
        for row in files.payment_rows(Payment.objects.all())
    }
    said = rows[reversal.number]
    assert (said["Nature"], said["Concerne le reçu"], said["Montant"]) == (
        "Annulation",
        payment.number,
        D("-12.80"),
    )
    assert said["Factures"] == rows[payment.number]["Factures"] == ""
