"""Several régies: what one bills, owes and is paid never is another's."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from billing.documents import verifying
from billing.invoices import drafting, invoicing, ledger, regies
from billing.invoices.billable import Scope
from billing.invoices.creditable import Wanted
from billing.models import (
    AccountEntry,
    ActivityRegie,
    BillingSettings,
    Invoice,
    ManualCharge,
    Payment,
    PaymentAllocation,
    Regie,
    Tariff,
)
from billing.payments import closing, paying
from billing.payments.paying import PaymentRefused
from portal.reservations.models import Booking
from portal.reservations.states import BookingState
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, NOVEMBER, eats
from tests.conftest import on_the_database
from tests.factories import paris

D = Decimal


def bill(scope, at):
    return invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)


def goes(centre, days):
    return eats(centre, days)


def pay(home, amount, at=END_OF_NOVEMBER, **said):
    return paying.record(home, D(amount), "cash", paid_on=at.date(), by=None, at=at, **said)


def documents(home):
    rows = Invoice.every.filter(household=home).order_by("pk")
    return [(one.number, one.total) for one in rows]


def accounts(home):
    """By régie; held against what the documents say."""
    found = ledger.balances_by_regie([home.pk])
    said = ledger.standing_by_regie([home.pk])
    assert {key: one for key, one in found.items() if one} == {key: one for key, one in said.items() if one}
    return {regie: balance for (_, regie), balance in found.items()}


@pytest.fixture
def lasting(meals):
    Tariff.objects.update(valid_to=None)


@pytest.fixture
def owed(lasting, books, centre):
    """Four meals of November are paid, then cancelled: in December the canteen owes 12.80."""
    eats(books)
    bill(NOVEMBER, END_OF_NOVEMBER)
    pay(books.household, "12.80")
    Booking.objects.filter(enrolment=books.enrolment).update(state=BookingState.CANCELLED)
    return books.household


def test_a_run_of_the_centre_leaves_to_the_canteen_what_the_canteen_owes(owed, centre):
    goes(centre, [date(2026, 12, 2)])
    bill(Scope(DECEMBER.month, activities=(centre.activity.pk,)), END_OF_DECEMBER)
    assert documents(owed) == [("F2026-000001", D("12.80")), ("F-CL2026-000001", D("15.00"))]
    assert accounts(owed) == {None: D(0), centre.regie.pk: D("15.00")}


def test_and_a_run_of_the_canteen_gives_it_back_by_itself(owed, books, centre):
    goes(centre, [date(2026, 12, 2)])
    bill(Scope(DECEMBER.month, activities=(centre.activity.pk,)), END_OF_DECEMBER)
    bill(Scope(DECEMBER.month, activities=(books.enrolment.activity_id,)), END_OF_DECEMBER)
    assert documents(owed)[2:] == [("REPORT2026-000001", D("-12.80"))]
    eats(books, [date(2027, 1, day) for day in (5, 6, 7, 8, 11)])
    goes(centre, [date(2027, 1, 6)])
    bill(Scope(date(2027, 1, 1)), paris(2027, 1, 31, 18))
    assert documents(owed)[3:] == [("F2027-000001", D("3.20")), ("F-CL2027-000001", D("15.00"))]
    assert accounts(owed) == {None: D("3.20"), centre.regie.pk: D("30.00")}


def test_a_run_of_everything_makes_an_invoice_of_each_regie(owed, centre):
    goes(centre, [date(2026, 12, 2)])
    run = bill(DECEMBER, END_OF_DECEMBER)
    assert documents(owed)[1:] == [("REPORT2026-000001", D("-12.80")), ("F-CL2026-000001", D("15.00"))]
    assert run.done == 1
    assert not verifying.verify(files=False).faults


def test_with_one_regie_a_run_of_the_centre_takes_off_what_is_owed(owed, centre):
    ActivityRegie.objects.all().delete()
    Regie.objects.all().delete()
    goes(centre, [date(2026, 12, 2)])
    bill(Scope(DECEMBER.month, activities=(centre.activity.pk,)), END_OF_DECEMBER)
    assert documents(owed)[1:] == [("F2026-000002", D("2.20"))]


def test_what_the_centre_carries_over_is_its_own(lasting, books, centre):
    BillingSettings(minimum_amount=D(20)).save()
    goes(centre, [date(2026, 11, 4)])
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert documents(books.household) == [("REP-CL2026-000001", D("15.00"))]
    eats(books, [date(2026, 12, day) for day in (1, 2, 3, 4, 7, 8, 9)])
    bill(DECEMBER, END_OF_DECEMBER)
    assert documents(books.household)[1:] == [("F2026-000001", D("22.40"))]
    goes(centre, [date(2027, 1, 6)])
    bill(Scope(date(2027, 1, 1)), paris(2027, 1, 31, 18))
    assert documents(books.household)[2:] == [("F-CL2027-000001", D("30.00"))]


def test_a_line_by_hand_is_on_the_invoice_of_its_regie(books, centre):
    for regie, price in ((centre.regie, "4.00"), (None, "5.00")):
        ManualCharge.objects.create(
            household=books.household, regie=regie, label="Sortie", unit_price=D(price), reason="Sortie"
        )
    bill(Scope(NOVEMBER.month, activities=(centre.activity.pk,)), END_OF_NOVEMBER)
    assert documents(books.household) == [("F-CL2026-000001", D("4.00"))]
    bill(Scope(NOVEMBER.month, activities=(books.enrolment.activity_id,)), END_OF_NOVEMBER)
    assert documents(books.household)[1:] == [("F2026-000001", D("5.00"))]


def test_an_activity_that_moves_is_billed_by_its_new_regie_and_corrected_by_the_old_one(
    lasting, books, centre
):
    went = goes(centre, [date(2026, 11, 4)])
    bill(NOVEMBER, END_OF_NOVEMBER)
    ActivityRegie.objects.all().delete()
    goes(centre, [date(2026, 12, 2), date(2026, 12, 9)])
    Booking.objects.filter(pk=went[0].pk).update(state=BookingState.CANCELLED)
    bill(DECEMBER, END_OF_DECEMBER)
    assert documents(books.household) == [
        ("F-CL2026-000001", D("15.00")),
        ("F2026-000001", D("30.00")),
        ("REP-CL2026-000001", D("-15.00")),
    ]


def test_an_invoice_says_whose_account_is_to_be_paid(books, centre):
    BillingSettings(issuer_name="Mairie", desk="Mairie").save()
    Regie.objects.update(issuer_name="Espace jeunesse", desk="12 rue du Parc")
    eats(books)
    goes(centre, [date(2026, 11, 4)])
    bill(NOVEMBER, END_OF_NOVEMBER)
    said = [(one.issuer["name"], one.issuer["desk"]) for one in Invoice.objects.order_by("pk")]
    assert said == [("Mairie", "Mairie"), ("Espace jeunesse", "12 rue du Parc")]


def test_a_payment_pays_its_regie_alone_and_what_exceeds_it_stays_there(two, books, centre):
    pay(books.household, "30.00", regie=centre.regie.pk)
    assert accounts(books.household) == {None: D("12.80"), centre.regie.pk: D("-15.00")}
    assert Payment.objects.get().number == "R-CL2026-000001"
    paying.use_what_is_left(books.household)
    assert [one.left for one in Invoice.objects.with_balance().order_by("pk")] == [D("12.80"), D("0.00")]


def test_the_invoices_chosen_say_which_regie_is_paid(two, books, centre):
    assert pay(books.household, "15.00", invoices=[two[1]]).regie == centre.regie
    assert pay(books.household, "12.80", invoices=[two[0]]).regie is None
    with pytest.raises(PaymentRefused, match="que les factures d'une même régie"):
        pay(books.household, "27.80", invoices=two)


def test_nothing_is_moved_from_one_to_the_other_by_hand(two, books, centre):
    payment = pay(books.household, "30.00", regie=centre.regie.pk)
    with pytest.raises(PaymentRefused, match="que les factures d'une même régie"):
        paying.allocate(payment, two[0], D(5))


def test_credit_notes_and_refunds_follow(two, books, centre):
    note = invoicing.credit(two[1], Wanted(amount=D(5)), reason="Sortie annulée", by=None, at=END_OF_NOVEMBER)
    payment = pay(books.household, "15.00", regie=centre.regie.pk)
    given = paying.refund(
        payment, D(5), means="cash", paid_on=END_OF_NOVEMBER.date(), by=None, at=END_OF_NOVEMBER
    )
    assert (note.number, given.number) == ("A-CL2026-000001", "R-CL2026-000002")
    assert accounts(books.household) == {None: D("12.80"), centre.regie.pk: D(0)}


def test_each_closes_its_own_books(two, books, centre):
    at = paris(2026, 12, 5, 10)
    closing.close(date(2026, 11, 30), by=None, at=at, regie=centre.regie.pk)
    closing.close(date(2026, 11, 30), by=None, at=at)
    closing.close(date(2026, 12, 2), by=None, at=at, regie=centre.regie.pk)
    days = [
        pay(books.household, "1.00", at=END_OF_NOVEMBER, regie=one).booked_on
        for one in (None, centre.regie.pk)
    ]
    assert days == [date(2026, 12, 1), date(2026, 12, 3)]


def test_two_regies_never_share_their_letters(centre):
    other = Regie(name="Piscine", code="PISCINE", letters="CL")
    with pytest.raises(ValidationError, match="deux régies n'ont jamais les mêmes numéros"):
        other.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        other.save()


def test_and_keep_them(centre):
    centre.regie.letters = "XX"
    with pytest.raises(ValidationError, match="ne changent plus"):
        centre.regie.full_clean()


@pytest.mark.parametrize("base", ["F", "A", "R", "REPORT"])
def test_no_series_of_the_towns_own_can_be_a_further_ones(centre, base):
    Regie.objects.update(letters="LOIS")
    series = regies.series(base, centre.regie.pk)
    assert "-" in series
    assert len(series) <= 8
    with pytest.raises(ValidationError):
        BillingSettings(series=series[:4]).clean_fields(exclude=["iban"])


def test_a_document_and_a_payment_stay_with_their_regie(two, books, centre):
    payment = pay(books.household, "12.80")
    for rows in (Invoice.objects.all(), Payment.objects.filter(pk=payment.pk), AccountEntry.objects.all()):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(regie=centre.regie)


def test_drafts_cost_one_query_more_whatever_the_regies(two, books, waits, django_assert_num_queries):
    eats(books, [date(2026, 12, 3)])
    settings = BillingSettings.current()
    # One of them asks which fees there are, one what adults pay: a bill rests on no memory of a process.
    with django_assert_num_queries(24) as first:
        drafting.drafts([books.household.pk], DECEMBER, settings)
    for number in range(10):
        Regie.objects.create(name=f"R{number}", code=f"CODE{number}", letters="ABCDEFGHIJ"[number])
    eats(waits, [date(2026, 12, 3)])
    with django_assert_num_queries(len(first)):
        drafting.drafts([books.household.pk, waits.household.pk], DECEMBER, settings)


DONE = st.lists(
    st.tuples(
        st.sampled_from(["book", "cancel", "bill", "bill_some", "pay", "credit", "refund", "use"]),
        st.booleans(),
        st.integers(1, 30),
    ),
    max_size=10,
)


@on_the_database
@given(DONE)
def test_in_any_order_nothing_crosses_from_one_regie_to_another(lasting, books, centre, done):
    home = books.household
    with transaction.atomic():
        for number, (verb, further, size) in enumerate(done):
            month = date(2027 + number // 12, number % 12 + 1, 1)
            day = month + timedelta(days=size % 27)
            at = paris(month.year, month.month, 28, 12)
            who, regie = (centre, centre.regie.pk) if further else (books, None)
            mine = Invoice.objects.with_balance().filter(household=home, regie=regie)
            paid = Payment.objects.filter(household=home, regie=regie, amount__gt=0).order_by("-pk").first()
            if verb == "book":
                goes(who, [day])
            elif verb == "cancel":
                Booking.objects.filter(enrolment=who.enrolment).update(state=BookingState.CANCELLED)
            elif verb == "bill":
                bill(Scope(month), at)
            elif verb == "bill_some":
                bill(Scope(month, activities=(who.enrolment.activity_id,)), at)
            elif verb == "pay":
                pay(home, size, at=at, regie=regie)
            elif verb == "credit" and (due := mine.filter(left__gt=0).first()):
                invoicing.credit(due, Wanted(amount=due.left), reason="Erreur", by=None, at=at)
            elif verb == "refund" and paid and (free := paying.unused(paid)) > 0:
                paying.refund(paid, free, means="cash", paid_on=at.date(), by=None, at=at)
            elif verb == "use":
                paying.use_what_is_left(home)
            accounts(home)
        crossed = [
            one
            for one in PaymentAllocation.objects.select_related("payment", "invoice")
            if one.payment.regie_id != one.invoice.regie_id
        ]
        assert not crossed
        for invoice in Invoice.every.prefetch_related("lines__items__booking"):
            of = {
                one.booking.activity_id == centre.activity.pk
                for line in invoice.lines.all()
                for one in line.items.all()
                if one.booking
            }
            assert of <= {invoice.regie_id == centre.regie.pk}
        assert not verifying.verify(files=False).faults
        transaction.set_rollback(True)
