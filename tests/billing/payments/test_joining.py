"""Two households that are one family: their money is found together, and no document changes a character."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from billing.documents import verifying
from billing.invoices import immutable, invoicing
from billing.invoices.creditable import Wanted
from billing.models import (
    AccountEntry,
    BilledItem,
    CreditNote,
    FormulaTariff,
    Invoice,
    InvoiceLine,
    JoinedAccount,
    Mandate,
    Payment,
    RefundRule,
    RefundStep,
    Tariff,
    TariffBand,
)
from billing.payments import joining, paying
from tests.billing.conftest import (
    DECEMBER,
    END_OF_DECEMBER,
    END_OF_NOVEMBER,
    FIRST_OF_DECEMBER,
    NOVEMBER,
    eats,
)
from tests.factories import paris
from tests.families.joining.doubles import double_of, look, make_one
from tests.portal.reservations.audit import audit, give_up

pytestmark = pytest.mark.django_db


@pytest.fixture
def twice(meals, books, agent):
    """Lina was typed twice, and billed 12.80 for November in both households: the same four days."""
    double = double_of(books)
    eats(books)
    eats(double)
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    return double


def rows_of(model):
    """All that a table says, but where its rows are found."""
    moved = {"household_id", "first_household_id"}
    names = [one.attname for one in model._meta.concrete_fields if one.attname not in moved]
    return list(model.objects.order_by("pk").values_list(*names))


def test_what_is_left_to_pay_is_the_same_sum_and_no_document_changes(twice, books, agent):
    paying.record(
        twice.household,
        Decimal("20.00"),
        Payment.Means.CASH,
        paid_on=date(2026, 11, 9),
        by=agent,
        at=FIRST_OF_DECEMBER,
    )
    before = [rows_of(model) for model in (Invoice, InvoiceLine, BilledItem, CreditNote, Payment)]
    left = joining.left_of(books.household), joining.left_of(twice.household)
    over = paying.unused_of([books.household.pk, twice.household.pk])
    assert left == (Decimal("12.80"), Decimal("0.00")) and over == Decimal("7.20")
    make_one(books.household, twice.household, by=agent, at=FIRST_OF_DECEMBER)
    assert joining.left_of(books.household) == sum(left)
    assert paying.unused_of([books.household.pk]) == over
    assert not Invoice.objects.filter(household=twice.household).exists()
    assert [rows_of(model) for model in (Invoice, InvoiceLine, BilledItem, CreditNote, Payment)] == before
    assert Invoice.objects.filter(first_household=twice.household, household=books.household).count() == 1


def test_days_that_were_billed_twice_are_given_back_by_the_next_invoice(twice, books, agent):
    said = make_one(books.household, twice.household, by=agent, at=FIRST_OF_DECEMBER)
    assert any("4 de ces jours ont été facturés deux fois" in line for line in said)
    drafts, _ = invoicing.drafting.drafts([books.household.pk], NOVEMBER, invoicing.BillingSettings.current())
    assert [draft.total for draft in drafts] == [Decimal("-12.80")]
    audit()


def test_days_of_one_home_only_are_neither_billed_again_nor_given_back(meals, books, agent):
    double = double_of(books)
    eats(books)
    eats(double, days=[date(2026, 11, 12), date(2026, 11, 13)])
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    make_one(books.household, double.household, by=agent, at=FIRST_OF_DECEMBER)
    drafts, _ = invoicing.drafting.drafts([books.household.pk], NOVEMBER, invoicing.BillingSettings.current())
    assert [draft.total for draft in drafts if draft.total] == []


def refused(sql: str, *given: object) -> bool:
    with transaction.atomic():
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(sql, given)
        except DatabaseError:
            return True
    return False


def test_the_database_lets_a_document_follow_its_household_and_nothing_else(twice, books, waits):
    """By hand, past all code: nothing of it changes, it goes nowhere else, nor back."""
    invoice = Invoice.objects.get(household=twice.household)
    payment = paying.record(
        twice.household,
        Decimal("5.00"),
        Payment.Means.CASH,
        paid_on=date(2026, 11, 9),
        by=None,
        at=FIRST_OF_DECEMBER,
    )
    kept, emptied, other = books.household.pk, twice.household.pk, waits.household.pk
    move = "UPDATE billing_invoice SET household_id = %s, first_household_id = %s WHERE id = %s"
    pay = "UPDATE billing_payment SET household_id = %s WHERE id = %s"
    assert refused(move, kept, emptied, invoice.pk) and refused(pay, kept, payment.pk)
    JoinedAccount.objects.create(emptied=twice.household, kept=books.household, at=FIRST_OF_DECEMBER)
    assert refused(move, other, emptied, invoice.pk) and refused(pay, other, payment.pk)
    assert refused(move, kept, kept, invoice.pk)  # whom the run billed stays said
    assert refused(
        "UPDATE billing_invoice SET household_id = %s, first_household_id = %s, payer = 'Alix' WHERE id = %s",
        kept,
        emptied,
        invoice.pk,
    )
    statement = move.replace(" WHERE", ", kind = 'carried' WHERE")
    assert refused(
        statement,
        kept,
        emptied,
        invoice.pk,
    )
    assert refused("UPDATE billing_payment SET household_id = %s, amount = 6 WHERE id = %s", kept, payment.pk)
    assert not refused(move, kept, emptied, invoice.pk) and not refused(pay, kept, payment.pk)
    assert refused(move, emptied, None, invoice.pk) and refused(pay, emptied, payment.pk)


def test_of_two_mandates_the_one_that_was_chosen_stays(books, agent, now):
    double = double_of(books)
    ours, theirs = (
        Mandate.objects.create(
            household=home,
            rum=rum,
            debtor="Camille Garcia",
            iban="FR1420041010050500013M02606",
            signed_on=date(2026, 1, 5),
        )
        for home, rum in ((books.household, "RUM-1"), (double.household, "RUM-2"))
    )
    choices = {one.name: one for one in look(books.household, double.household).choices}
    assert "RUM-1" in choices["mandat"].options[0][1] and "RUM-2" in choices["mandat"].options[1][1]
    make_one(books.household, double.household, by=agent, mandat="reuni")
    for one in (ours, theirs):
        one.refresh_from_db()
    assert (ours.revoked_on, theirs.revoked_on) == (date(2026, 11, 9), None)
    assert theirs.household == books.household


def test_money_for_a_household_that_was_joined_meanwhile_is_refused_with_a_sentence(books, agent, now):
    double = double_of(books)
    make_one(books.household, double.household, by=agent)
    with pytest.raises(paying.PaymentRefused, match="vient d'être réuni avec le foyer n°"):
        paying.record(
            double.household, Decimal("5.00"), Payment.Means.CASH, paid_on=date(2026, 11, 9), by=agent, at=now
        )


def test_every_column_of_an_invoice_is_said_or_is_where_it_is_found():
    """A column of a later day is kept as it was written too."""
    named = {one.column for one in Invoice._meta.concrete_fields}
    assert named == {*immutable.SAID, *immutable.FOUND_UNDER}


def test_who_gives_back_or_credits_by_a_page_opened_before_writes_for_the_household_that_stays(
    twice, books, agent
):
    """The rows were read before the households were joined; the balance and the documents agree after."""
    payment = paying.record(
        twice.household,
        Decimal("20.00"),
        Payment.Means.CASH,
        paid_on=date(2026, 11, 9),
        by=agent,
        at=FIRST_OF_DECEMBER,
    )
    invoice = Invoice.objects.get(household=books.household)
    theirs = Invoice.objects.get(household=twice.household)
    make_one(books.household, twice.household, by=agent, at=FIRST_OF_DECEMBER)
    assert verifying.verify().faults == []
    with pytest.raises(paying.PaymentRefused, match="vient d'être réuni"):
        paying.refund(
            payment,
            Decimal("7.20"),
            means="cash",
            paid_on=date(2026, 11, 9),
            by=agent,
            at=FIRST_OF_DECEMBER,
        )
    paying.release(payment, Decimal("12.80"))
    for one in (invoice, theirs):
        invoicing.credit(
            one, Wanted(amount=Decimal("3.20")), reason="Repas non servi", by=agent, at=FIRST_OF_DECEMBER
        )
    assert not AccountEntry.objects.filter(household=twice.household).exists()
    assert verifying.verify().faults == []


def test_what_the_bank_took_beyond_a_payment_is_no_money_paid_ahead(twice, books, agent):
    payment = paying.record(
        twice.household,
        Decimal("5.00"),
        Payment.Means.ONLINE,
        paid_on=date(2026, 11, 9),
        by=agent,
        at=FIRST_OF_DECEMBER,
    )
    paying.take_back(payment, Decimal("8.00"), paid_on=date(2026, 11, 9), by=None, at=FIRST_OF_DECEMBER)
    lines = " ".join(look(books.household, twice.household).lines)
    assert "3,00\xa0€ repris en trop par la banque" in lines and "payés d'avance" not in lines


def drafted(household):
    settings = invoicing.BillingSettings.current()
    drafts, _ = invoicing.drafting.drafts([household.pk], DECEMBER, settings)
    return [draft.total for draft in drafts if draft.total]


@pytest.fixture
def flat(canteen):
    """A month at 40 euros."""
    tariff = Tariff.objects.create(code="mois", name="Mois", kind="flat", unit="month")
    TariffBand.objects.create(tariff=tariff, low=None, high=None, prices={"": "40.00"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    return tariff


def test_a_flat_price_that_both_homes_paid_for_the_same_child_is_given_back_once(flat, books, agent):
    double = double_of(books)
    eats(books)
    eats(double)
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    assert sorted(Invoice.objects.values_list("total", flat=True)) == [40, 40]
    said = make_one(books.household, double.household, by=agent, at=FIRST_OF_DECEMBER)
    assert any("forfait a été facturé deux fois, la prochaine facture rend 40,00" in line for line in said)
    assert drafted(books.household) == [Decimal("-40.00")]
    invoicing.issue(invoicing.start(DECEMBER, by=None, at=END_OF_DECEMBER), at=END_OF_DECEMBER)
    assert AccountEntry.objects.filter(household=books.household).balance() == Decimal("40.00")
    assert drafted(books.household) == [Decimal("-40.00")], "what was carried over, once"
    assert verifying.verify(files=False).faults == []


def test_a_flat_price_that_one_home_paid_is_not_given_back(flat, books, agent):
    double = double_of(books)
    eats(double)
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    make_one(books.household, double.household, by=agent, at=FIRST_OF_DECEMBER)
    assert drafted(books.household) == []


@pytest.fixture
def half(meals, canteen):
    """Of a meal of 3.20, half comes back of a day given up."""
    rule = RefundRule.objects.create(activity=canteen.activity, valid_from=date(2026, 9, 1))
    RefundStep.objects.create(rule=rule, days_before=0, percent=50)


GIVEN_UP = date(2026, 11, 19)


def gives_up(who, canteen):
    eats(who, [GIVEN_UP])
    give_up(who, canteen, GIVEN_UP, at=paris(2026, 11, 9, 10))


def test_a_day_that_both_gave_up_of_a_child_typed_twice_is_due_once(half, canteen, books, agent):
    double = double_of(books)
    gives_up(books, canteen)
    gives_up(double, canteen)
    make_one(books.household, double.household, by=agent, at=END_OF_NOVEMBER)
    assert drafted(books.household) == [Decimal("1.60")]


def test_where_one_of_them_was_billed_nothing_more_is_due(half, canteen, books, agent):
    double = double_of(books)
    gives_up(double, canteen)
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    gives_up(books, canteen)
    make_one(books.household, double.household, by=agent, at=END_OF_NOVEMBER)
    assert drafted(books.household) == []


def test_a_day_that_one_gave_up_and_the_other_still_has_booked_is_not_due(half, canteen, books, agent):
    double = double_of(books)
    gives_up(double, canteen)
    eats(books, [GIVEN_UP])
    make_one(books.household, double.household, by=agent, at=END_OF_NOVEMBER)
    assert drafted(books.household) == [Decimal("3.20")]
