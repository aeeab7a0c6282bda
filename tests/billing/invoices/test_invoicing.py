"""A month is billed: once, completely, without a gap; what comes after goes on the next invoice."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.invoices.creditable import Wanted
from billing.invoices.invoicing import BillingRefused
from billing.invoices.numbering import Numbering
from billing.models import (
    AbsencePolicy,
    BilledItem,
    BillingRun,
    BillingSettings,
    Invoice,
    InvoiceLine,
    ManualCharge,
    NumberCounter,
    Tariff,
)
from families.models import Custody
from portal.reservations.models import Attendance, Booking
from portal.reservations.states import HOLDING, BookingState
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, MEALS, NOVEMBER, eats
from tests.factories import (
    BookingFactory,
    ChildFactory,
    EnrolmentFactory,
    GuardianFactory,
    HouseholdFactory,
    QuotientFactory,
    paris,
)

D = Decimal


def bill(scope=NOVEMBER, at=END_OF_NOVEMBER):
    return invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)


def lines(invoice):
    return [(line.label, line.quantity, line.unit_price, line.amount) for line in invoice.lines.all()]


def attendance(booking, state="absent", at=END_OF_NOVEMBER, **said):
    return Attendance.objects.create(
        booking=booking, household=booking.household, child=booking.child, formula=booking.formula,
        establishment=booking.establishment, day=booking.day, state=state, entered_at=at, **said,
    )  # fmt: skip


def test_each_household_gets_one_invoice_that_adds_up(month, books, waits):
    QuotientFactory(household=waits.household, value=D(300), valid_from=date(2026, 1, 1))
    bill()
    first, second = Invoice.objects.order_by("sequence")
    assert (first.number, second.number) == ("F2026-000001", "F2026-000002")
    assert (first.household, second.household) == (books.household, waits.household)
    assert lines(first) == [("Repas", D(4), D("3.20"), D("12.80"))]
    assert lines(second) == [("Repas", D(4), D("1.75"), D("7.00"))]
    assert (first.total, second.total) == (D("12.80"), D("7.00"))
    assert first.payer == "Camille Roux"
    assert second.quotient == 300
    assert first.lines.get().days == [day.isoformat() for day in MEALS]
    assert "Sans justificatif de quotient" in first.lines.get().explanation


def test_preview_says_the_same_and_writes_nothing(month):
    preview = invoicing.preview(NOVEMBER, at=END_OF_NOVEMBER)
    assert (preview.households, preview.lines, preview.total) == (2, 2, D("25.60"))
    assert any("2 foyers sans justificatif de quotient" in said for said in preview.warnings)
    assert (
        not Invoice.objects.exists()
        and not BillingRun.objects.exists()
        and not NumberCounter.objects.exists()
    )


def test_only_held_bookings_are_billed(meals, books):
    days = [date(2026, 11, number) for number in (2, 3, 5, 6, 9, 12, 13, 16)]
    for state, day in zip(BookingState, days, strict=True):
        until = paris(2026, 11, 2, 8) if state == BookingState.OFFERED else None
        BookingFactory(enrolment=books.enrolment, day=day, state=state, offered_until=until)
    bill()
    assert BilledItem.objects.count() == Booking.objects.filter(state__in=HOLDING).count() == 2


def test_late_meals_stand_on_a_line_of_their_own(meals, books):
    eats(books, MEALS[:2])
    eats(books, MEALS[2:], late=True)
    bill()
    assert lines(Invoice.objects.get()) == [
        ("Repas", D(2), D("3.20"), D("6.40")),
        ("Repas – hors délai", D(2), D("4.20"), D("8.40")),
    ]


def test_the_first_late_meals_of_a_month_may_be_free_of_surcharge(meals, books, canteen):
    meals.modifiers.filter(when="late").delete()
    deadline = canteen.activity.deadlines.get(action="book")
    deadline.surcharge, deadline.surcharge_amount, deadline.free_late_a_month = "add", D(2), 3
    deadline.save()
    eats(books, late=True)
    bill()
    assert Invoice.objects.get().total == D("14.80")


def test_a_second_run_of_the_month_is_refused_and_changes_nothing(month):
    bill()
    with pytest.raises(BillingRefused, match="déjà facturé le 30 novembre 2026"):
        invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER)
    assert Invoice.objects.count() == 2


def test_a_month_to_come_is_refused(month):
    with pytest.raises(BillingRefused, match="n'a pas commencé"):
        invoicing.start(DECEMBER, by=None, at=END_OF_NOVEMBER)


def test_an_interrupted_run_goes_on_without_billing_twice_or_leaving_a_gap(month, monkeypatch):
    monkeypatch.setattr(invoicing, "CHUNK", 1)
    run = invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER)

    def pull_the_plug(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        invoicing.issue(run, at=END_OF_NOVEMBER, progress=pull_the_plug)
    assert Invoice.objects.count() == 1
    again = invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER)
    assert again == run
    done = invoicing.issue(again, at=END_OF_NOVEMBER)
    assert (done.state, done.done, done.households) == ("done", 2, 2)
    assert sorted(Invoice.objects.values_list("sequence", flat=True)) == [1, 2]
    assert BilledItem.objects.count() == 8


def test_a_chunk_that_fails_gives_its_numbers_back(month, monkeypatch):
    run = invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER)
    with monkeypatch.context() as broken:
        broken.setattr(invoicing, "insert", None)
        with pytest.raises(TypeError):
            invoicing.issue(run, at=END_OF_NOVEMBER)
    assert not Invoice.objects.exists()
    invoicing.issue(run, at=END_OF_NOVEMBER)
    assert sorted(Invoice.objects.values_list("sequence", flat=True)) == [1, 2]


def test_a_small_amount_waits_for_the_next_month(meals, books):
    BillingSettings(minimum_amount=D(5)).save()
    eats(books, MEALS[:1])
    preview = invoicing.preview(NOVEMBER, at=END_OF_NOVEMBER)
    assert (preview.households, preview.carried, preview.carried_total) == (0, 1, D("3.20"))
    bill()
    assert not Invoice.objects.exists()
    eats(books, [date(2026, 12, 3)])
    bill(DECEMBER, END_OF_DECEMBER)
    assert Invoice.objects.get().total == D("6.40")


def test_a_meal_cancelled_after_the_invoice_comes_off_the_next_one(month, books):
    bill()
    Booking.objects.filter(enrolment=books.enrolment, day=MEALS[0]).update(state=BookingState.CANCELLED)
    eats(books, [date(2026, 12, 3), date(2026, 12, 4)])
    bill(DECEMBER, END_OF_DECEMBER)
    december = Invoice.objects.get(month=DECEMBER.month)
    assert lines(december) == [
        ("Repas", D(2), D("3.20"), D("6.40")),
        ("Repas : annulé après la facture F2026-000001", D(1), D("-3.20"), D("-3.20")),
    ]
    assert december.total == D("3.20")


def test_a_meal_forgotten_in_november_is_billed_in_december(month, books):
    bill()
    eats(books, [date(2026, 11, 13)])
    bill(DECEMBER, END_OF_DECEMBER)
    assert Invoice.objects.get(month=DECEMBER.month).lines.get().days == ["2026-11-13"]


def test_a_justified_absence_known_after_the_invoice_is_given_back(month, books):
    bill()
    booking = Booking.objects.get(enrolment=books.enrolment, day=MEALS[1])
    attendance(booking, at=paris(2026, 12, 2), reason="illness", certificate_at=paris(2026, 12, 2))
    eats(books, [date(2026, 12, 3), date(2026, 12, 4)])
    bill(DECEMBER, END_OF_DECEMBER)
    december = Invoice.objects.get(month=DECEMBER.month)
    assert december.total == D("3.20")
    assert [(line.kind, line.amount) for line in december.lines.all()] == [
        ("presence", D("6.40")), ("free", D("0.00")), ("credit", D("-3.20")),
    ]  # fmt: skip
    bill(Scope(date(2027, 1, 1)), paris(2027, 1, 31))
    assert Invoice.objects.count() == 3


def test_absences_follow_the_town_s_rule(meals, books):
    AbsencePolicy.objects.create(within_hours=72, late_waiting_days=2, max_days=10)
    bookings = eats(books)
    for booking in bookings:
        attendance(booking, reason="illness", certificate_at=paris(2026, 11, 6, 9))
    bill()
    assert lines(Invoice.objects.get()) == [
        ("Repas – absence non facturée", D(2), D(0), D(0)),
        ("Repas – absence, jour de carence", D(2), D("3.20"), D("6.40")),
    ]


def test_a_child_who_came_unreserved_pays_the_price_for_it(month, books, canteen):
    Attendance.objects.create(
        household=books.household, child=books.child, formula=canteen.formula, day=date(2026, 11, 9),
        establishment=canteen.restaurant, state="present", entered_at=END_OF_NOVEMBER,
    )  # fmt: skip
    bill()
    invoice = Invoice.objects.get(household=books.household)
    assert ("Repas – présence sans réservation", D(1), D(10), D(10)) in lines(invoice)
    with pytest.raises(BillingRefused):
        bill()
    bill(DECEMBER, END_OF_DECEMBER)
    assert Invoice.objects.filter(household=books.household).count() == 1


def test_half_hours_are_those_of_the_register(meals, books, canteen):
    Tariff.objects.filter(pk=meals.pk).update(unit="half_hour")
    bookings = eats(books, MEALS[:2])
    attendance(bookings[0], state="present", minutes=65)
    preview = invoicing.preview(NOVEMBER, at=END_OF_NOVEMBER)
    assert any("1 présence sans durée" in said for said in preview.warnings)
    bill()
    assert lines(Invoice.objects.get()) == [("Repas", D(4), D("3.20"), D("12.80"))]


def test_a_monthly_flat_price_is_due_once_a_month_whatever_the_days(meals, books):
    Tariff.objects.filter(pk=meals.pk).update(unit="month")
    eats(books)
    bill()
    assert lines(Invoice.objects.get()) == [("Repas – forfait", D(1), D("3.20"), D("3.20"))]
    eats(books, [date(2026, 11, 13), date(2026, 12, 3)])
    bill(DECEMBER, END_OF_DECEMBER)
    assert Invoice.objects.get(month=DECEMBER.month).total == D("3.20")
    assert BilledItem.objects.filter(booking__isnull=False).count() == 6


def test_parents_apart_each_pay_for_their_own_bookings(meals, books, stranger, canteen, year):
    Custody.objects.create(child=books.child, household=stranger.household)
    other = EnrolmentFactory(
        household=stranger.household, child=books.child, activity=canteen.activity, school_year=year,
        establishment=canteen.restaurant,
    )  # fmt: skip
    eats(books, MEALS[:1])
    BookingFactory(enrolment=other, day=MEALS[1])
    bill()
    assert {(one.household_id, one.total) for one in Invoice.objects.all()} == {
        (books.household.pk, D("3.20")), (stranger.household.pk, D("3.20")),
    }  # fmt: skip


def test_a_line_by_hand_joins_the_next_invoice_once(month, books):
    charge = ManualCharge.objects.create(
        household=books.household, label="Badge perdu", quantity=2, unit_price=D("1.50"), reason="Perte"
    )
    bill()
    charge.refresh_from_db()
    assert (charge.line.label, charge.line.amount) == ("Badge perdu", D("3.00"))
    assert Invoice.objects.get(household=books.household).total == D("15.80")


def test_a_household_without_payer_or_address_is_named_and_waits(month, books, waits):
    books.household.guardians.update(is_payer=False)
    waits.household.street = ""
    waits.household.save()
    preview = invoicing.preview(NOVEMBER, at=END_OF_NOVEMBER)
    assert preview.households == 0
    assert f"{books.household} : aucun responsable ne reçoit les factures." in preview.warnings[0]
    assert f"{waits.household} : l'adresse est incomplète." in preview.warnings[1]
    bill()
    assert not Invoice.objects.exists()
    GuardianFactory(household=books.household, user=None)
    bill(DECEMBER, END_OF_DECEMBER)
    assert Invoice.objects.get().household == books.household


def test_a_formula_without_tariff_is_told_and_not_billed(month, canteen):
    canteen.formula.tariffs.all().delete()
    preview = invoicing.preview(NOVEMBER, at=END_OF_NOVEMBER)
    assert preview.households == 0
    assert any("8 présences sans prix" in said for said in preview.warnings)


def test_a_tariff_or_quotient_changed_later_changes_no_issued_invoice(month, meals, books):
    bill()
    before = list(InvoiceLine.objects.values_list("amount", "explanation", "label"))
    meals.bands.update(prices={"": "9.99"})
    QuotientFactory(household=books.household, value=D(100), valid_from=date(2026, 1, 1))
    assert list(InvoiceLine.objects.values_list("amount", "explanation", "label")) == before
    bill(DECEMBER, END_OF_DECEMBER)
    assert Invoice.objects.count() == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_invoice SET total = 1",
        "UPDATE billing_invoice SET payer = 'x'",
        "DELETE FROM billing_invoiceline",
        "UPDATE billing_invoiceline SET amount = 1",
        "DELETE FROM billing_billeditem",
        "DELETE FROM billing_invoice",
    ],
)
def test_the_database_refuses_every_change_of_an_issued_invoice(month, statement):
    bill()
    refused = pytest.raises(DatabaseError, match="Un document émis ne change plus")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_database_refuses_a_line_added_later(month):
    bill()
    line = InvoiceLine.objects.first()
    line.pk, line.position = None, 9
    with pytest.raises(DatabaseError, match="ne change plus"), transaction.atomic():
        line.save(force_insert=True)


def test_a_credit_note_answers_an_invoice_within_what_is_left(month):
    bill()
    invoice = Invoice.objects.first()
    note = invoicing.credit(
        invoice, Wanted(amount=D("2.80")), reason="Erreur de pointage", by=None, at=END_OF_DECEMBER
    )
    assert note.number == "A2026-000001"
    assert Invoice.objects.with_balance().get(pk=invoice.pk).left == invoice.total - D("2.80")
    with pytest.raises(BillingRefused, match="Il ne reste que"):
        invoicing.credit(invoice, Wanted(amount=invoice.total), reason="Trop", by=None, at=END_OF_DECEMBER)
    with pytest.raises(BillingRefused, match="motif"):
        invoicing.credit(invoice, Wanted(amount=D(1)), reason=" ", by=None, at=END_OF_DECEMBER)


def test_numbers_start_again_each_year(month, books):
    bill(at=paris(2026, 12, 31, 23))
    eats(books, [date(2026, 12, 3)])
    bill(DECEMBER, paris(2027, 1, 2))
    assert list(Invoice.objects.order_by("pk").values_list("number", flat=True)) == [
        "F2026-000001", "F2026-000002", "F2027-000001",
    ]  # fmt: skip


def test_a_month_is_billed_in_transactions_of_its_own(transactional_db, month):
    assert bill().invoices.count() == 2


def test_the_database_still_refuses_after_tables_were_emptied(transactional_db, month):
    bill()
    with pytest.raises(DatabaseError, match="ne change plus"), transaction.atomic():
        Invoice.objects.update(total=1)


def test_numbers_are_only_given_inside_a_transaction(transactional_db):
    with pytest.raises(transaction.TransactionManagementError):
        Numbering("F", 2026)


def test_billing_asks_the_same_number_of_queries_for_ten_households(month, canteen, year):
    def queries():
        with CaptureQueriesContext(connection) as captured, transaction.atomic():
            run = invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER)
            invoicing.issue(run, at=END_OF_NOVEMBER)
            transaction.set_rollback(True)
        return len(captured)

    queries()  # the town is read once a process
    few = queries()
    for _ in range(10):
        household = HouseholdFactory()
        enrolment = EnrolmentFactory(
            household=household, child=ChildFactory(households=[household]), activity=canteen.activity,
            school_year=year, establishment=canteen.restaurant,
        )  # fmt: skip
        GuardianFactory(household=enrolment.household, user=None)
        for day in MEALS:
            BookingFactory(enrolment=enrolment, day=day)
    assert queries() == few
