"""A fee a year on the invoices: once, whatever the runs; given back where the enrolment is refused."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.invoices import fees, invoicing
from billing.invoices.billable import Scope
from billing.invoices.creditable import Wanted
from billing.models import (
    BilledItem,
    BillingSettings,
    Fee,
    FeePrice,
    HouseholdFee,
    Invoice,
    InvoiceLine,
    Regie,
)
from families import residences
from portal.reservations.models import Enrolment
from portal.reservations.states import EnrolmentState
from tests.billing.conftest import (
    DECEMBER,
    END_OF_DECEMBER,
    END_OF_NOVEMBER,
    FIRST_OF_DECEMBER,
    NOVEMBER,
    eats,
)
from tests.factories import (
    ChildFactory,
    EnrolmentFactory,
    GuardianFactory,
    HouseholdFactory,
    UserFactory,
    paris,
)

END_OF_JANUARY = paris(2027, 1, 31, 18)
JANUARY = Scope(date(2027, 1, 1))


def fee_of(canteen, *prices, **said):
    """« Adhésion » of the canteen; prices are (amount, from child, outside)."""
    fee = Fee.objects.create(code="adhesion", name="Adhésion", **said)
    fee.activities.add(canteen.activity)
    for amount, from_child, outside in prices:
        FeePrice.objects.create(fee=fee, amount=amount, from_child=from_child, amount_outside=outside)
    return fee


@pytest.fixture
def membership(canteen):
    """15 € a family and year."""
    return fee_of(canteen, (15, 1, None))


def bill(scope, at):
    return invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)


def asked(**of):
    lines = InvoiceLine.objects.filter(kind=InvoiceLine.Kind.FEE, **of).order_by("pk")
    return [(line.label, line.amount) for line in lines]


def brother(family, canteen, name, born, **enrolment):
    child = ChildFactory(first_name=name, birth_date=born, households=[family.household])
    return EnrolmentFactory(
        household=family.household,
        child=child,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=family.enrolment.school_year,
        **enrolment,
    )


def test_a_family_pays_fifteen_euros_once_whatever_the_runs(meals, membership, books):
    eats(books)
    eats(books, [date(2026, 12, 1)])
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert asked() == [("Adhésion 2026-2027", 15)]
    assert Invoice.objects.get().total == Decimal("27.80")
    bill(DECEMBER, END_OF_DECEMBER)
    bill(JANUARY, END_OF_JANUARY)
    assert asked() == [("Adhésion 2026-2027", 15)]
    assert HouseholdFee.objects.get().explanation == "Une fois par famille et par an."


def test_two_children_and_a_second_enrolment_cost_no_second_fee(meals, membership, books, canteen):
    brother(books, canteen, "Noé", date(2019, 5, 1))
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert asked() == [("Adhésion 2026-2027", 15)]


def test_a_family_without_a_meal_is_asked_all_the_same(meals, membership, books):
    found = invoicing.preview(NOVEMBER, at=END_OF_NOVEMBER)
    assert (found.households, found.total) == (1, 15)
    assert not HouseholdFee.objects.exists()
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert Invoice.objects.get().total == 15


def test_seventeen_euros_a_child_and_ten_from_the_third(meals, canteen, books):
    fee_of(canteen, (17, 1, None), (10, 3, None), per=Fee.Per.CHILD)
    for name, born in (("Noé", date(2019, 5, 1)), ("Zoé", date(2020, 5, 1)), ("Léo", date(2021, 5, 1))):
        brother(books, canteen, name, born)
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert sorted(amount for _, amount in asked()) == [10, 10, 17, 17]
    assert Invoice.objects.get().total == 54
    late = brother(books, canteen, "Mia", date(2015, 1, 1), starts_on=date(2026, 12, 1))
    bill(DECEMBER, END_OF_DECEMBER)
    # The eldest of all comes last: the fifth who pays.
    assert asked(child=late.child) == [("Adhésion 2026-2027", 10)]
    assert len(asked()) == 5


def test_who_lives_elsewhere_that_day_pays_thirty_three(meals, canteen, books, waits):
    fee_of(canteen, (21, 1, 33))
    residences.settle(waits.household, resident=False, since=date(2026, 8, 1), at=END_OF_NOVEMBER)
    # Who moves later paid what was true on the day.
    residences.settle(books.household, resident=False, since=date(2026, 11, 15), at=END_OF_NOVEMBER)
    bill(NOVEMBER, END_OF_NOVEMBER)
    totals = dict(Invoice.objects.values_list("household", "total"))
    assert totals == {books.household.pk: 21, waits.household.pk: 33}


def test_twelve_months_from_the_day(meals, canteen, books):
    fee_of(canteen, (15, 1, None), span=Fee.Span.TWELVE_MONTHS)
    Enrolment.objects.filter(pk=books.enrolment.pk).update(starts_on=date(2026, 11, 3))
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert asked() == [("Adhésion du 3 novembre 2026 au 2 novembre 2027", 15)]
    # Its first day is put right: those twelve months are paid.
    Enrolment.objects.filter(pk=books.enrolment.pk).update(starts_on=date(2026, 11, 10))
    bill(DECEMBER, END_OF_DECEMBER)
    assert len(asked()) == 1


def test_what_is_refused_before_it_is_billed_is_never_asked(meals, canteen, books):
    fee_of(canteen, (15, 1, None), arises=Fee.Arises.ASKED)
    Enrolment.objects.update(state=EnrolmentState.REQUESTED)
    fees.note_all(until=date(2026, 11, 30))
    assert HouseholdFee.objects.count() == 1
    Enrolment.objects.update(state=EnrolmentState.REFUSED)
    assert invoicing.preview(NOVEMBER, at=END_OF_NOVEMBER).households == 0
    fees.note_all(until=date(2026, 11, 30))
    assert not HouseholdFee.objects.exists()


def test_an_enrolment_that_waits_asks_for_nothing_yet(meals, membership, books):
    Enrolment.objects.update(state=EnrolmentState.REQUESTED)
    assert invoicing.preview(NOVEMBER, at=END_OF_NOVEMBER).households == 0


def test_billed_then_refused_it_is_given_back_on_the_next_invoice(meals, canteen, books):
    fee_of(canteen, (15, 1, None), arises=Fee.Arises.ASKED)
    Enrolment.objects.update(state=EnrolmentState.REQUESTED)
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert Invoice.objects.get().total == 15
    Enrolment.objects.update(state=EnrolmentState.REFUSED)
    bill(DECEMBER, END_OF_DECEMBER)
    statement = Invoice.every.get(kind=Invoice.Kind.CARRIED)
    (line,) = statement.lines.all()
    assert (line.amount, line.kind) == (-15, InvoiceLine.Kind.CREDIT)
    assert "inscription refusée ou retirée après la facture F2026-000001" in line.label
    # Once.
    bill(JANUARY, END_OF_JANUARY)
    assert BilledItem.objects.filter(fee__isnull=False).count() == 2
    # Enrolled after all, it is due again: the same fee, at its next turn.
    Enrolment.objects.update(state=EnrolmentState.ACCEPTED)
    bill(Scope(date(2027, 2, 1)), paris(2027, 2, 28, 18))
    assert [item.turn for item in HouseholdFee.objects.get().billings.order_by("turn")] == [1, 2, 3]


def test_another_enrolment_of_the_year_keeps_it_due(meals, canteen, books):
    fee_of(canteen, (15, 1, None), arises=Fee.Arises.ASKED)
    brother(books, canteen, "Noé", date(2019, 5, 1))
    bill(NOVEMBER, END_OF_NOVEMBER)
    Enrolment.objects.filter(pk=books.enrolment.pk).update(state=EnrolmentState.REFUSED)
    assert invoicing.preview(DECEMBER, at=END_OF_DECEMBER).carried == 0


def test_a_town_that_keeps_it_gives_nothing_back(meals, canteen, books):
    fee_of(canteen, (15, 1, None), arises=Fee.Arises.ASKED, refunded=False)
    bill(NOVEMBER, END_OF_NOVEMBER)
    Enrolment.objects.update(state=EnrolmentState.REFUSED)
    assert invoicing.preview(DECEMBER, at=END_OF_DECEMBER).carried == 0


def test_ended_before_it_began_it_is_taken_back(meals, membership, books):
    bill(NOVEMBER, END_OF_NOVEMBER)
    Enrolment.objects.update(
        state=EnrolmentState.ENDED, starts_on=date(2026, 12, 5), ends_on=date(2026, 12, 1)
    )
    assert invoicing.preview(DECEMBER, at=END_OF_DECEMBER).carried_total == -15


def test_ended_on_the_way_it_stays_due(meals, membership, books):
    bill(NOVEMBER, END_OF_NOVEMBER)
    Enrolment.objects.update(state=EnrolmentState.ENDED, ends_on=date(2026, 12, 1))
    assert invoicing.preview(DECEMBER, at=END_OF_DECEMBER).carried == 0


def test_one_family_need_not_pay(meals, membership, books, waits, agent):
    fees.note_all(until=date(2026, 11, 30))
    row = HouseholdFee.objects.get(household=books.household)
    with pytest.raises(fees.FeeRefused, match="motif"):
        fees.waive(row, reason=" ", by=agent, at=END_OF_NOVEMBER)
    fees.waive(row, reason="Décision du CCAS", by=agent, at=END_OF_NOVEMBER)
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert list(Invoice.objects.values_list("household", "total")) == [(waits.household.pk, 15)]
    fees.note_all(until=date(2026, 12, 31))
    row.refresh_from_db()
    fees.ask_again(row, by=agent, at=FIRST_OF_DECEMBER)
    bill(DECEMBER, END_OF_DECEMBER)
    assert Invoice.objects.get(household=books.household).total == 15


def test_waived_after_it_was_billed_it_is_given_back(meals, membership, books, agent):
    eats(books, [date(2026, 12, day) for day in (1, 3, 4, 7, 8, 10)])
    bill(NOVEMBER, END_OF_NOVEMBER)
    fees.waive(HouseholdFee.objects.get(), reason="CCAS", by=agent, at=FIRST_OF_DECEMBER)
    bill(DECEMBER, END_OF_DECEMBER)
    assert Invoice.objects.latest("pk").total == Decimal("4.20")


def test_credited_by_a_note_it_costs_nothing_any_more(meals, membership, books):
    bill(NOVEMBER, END_OF_NOVEMBER)
    invoice = Invoice.objects.get()
    invoicing.credit(invoice, Wanted(whole=True), reason="Erreur", by=None, at=FIRST_OF_DECEMBER)
    Enrolment.objects.update(state=EnrolmentState.REFUSED)
    preview = invoicing.preview(DECEMBER, at=END_OF_DECEMBER)
    assert (preview.households, preview.carried) == (0, 0)


def test_a_child_of_two_homes_is_asked_of_the_one_that_enrolled_it_first(meals, canteen, books, waits):
    fee_of(canteen, (17, 1, None), per=Fee.Per.CHILD)
    Enrolment.objects.filter(pk=waits.enrolment.pk).delete()
    EnrolmentFactory(
        household=waits.household,
        child=books.child,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=books.enrolment.school_year,
        starts_on=date(2026, 11, 20),
    )
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert list(HouseholdFee.objects.values_list("household", "amount")) == [(books.household.pk, 17)]


def test_each_home_of_a_child_owes_its_own_fee_a_family(meals, membership, canteen, books):
    other = HouseholdFactory()
    GuardianFactory(household=other, user=UserFactory())
    books.child.custodies.create(household=other)
    EnrolmentFactory(
        household=other,
        child=books.child,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=books.enrolment.school_year,
    )
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert len(asked()) == 2


def test_the_database_holds_one_a_family_and_year(membership, books):
    said = {
        "fee": membership,
        "household": books.household,
        "starts_on": date(2026, 9, 1),
        "ends_on": date(2027, 7, 2),
        "arises_on": date(2026, 9, 1),
        "label": "Adhésion",
        "amount": 15,
    }
    HouseholdFee.objects.create(**said)
    with pytest.raises(IntegrityError), transaction.atomic():
        HouseholdFee.objects.create(**said)


def test_its_line_bears_the_codes_and_the_regie_of_the_fee(meals, canteen, books):
    regie = Regie.objects.create(name="Centre de loisirs", code="LOISIRS", letters="CL")
    fee_of(canteen, (15, 1, None), regie=regie, analytic="ADH", account="7088", vat_percent=20)
    eats(books)
    bill(NOVEMBER, END_OF_NOVEMBER)
    line = InvoiceLine.objects.get(kind=InvoiceLine.Kind.FEE)
    assert (line.analytic_code, line.account_code, line.vat_percent) == ("ADH", "7088", 20)
    assert line.invoice.number == "F-CL2026-000001"


def test_ten_children_take_no_more_queries_than_one(meals, canteen, books):
    fee_of(canteen, (21, 1, 33))
    bill(NOVEMBER, END_OF_NOVEMBER)

    def count():
        with CaptureQueriesContext(connection) as seen:
            fees.read(fees.of_town(), date(2026, 11, 30))
        return len(seen)

    before = count()
    for number in range(9):
        brother(books, canteen, f"Noé {number}", date(2019, 5, 1))
    assert count() == before <= 8


def test_what_began_before_the_portal_billed_is_not_asked(meals, membership, books):
    BillingSettings.objects.update_or_create(defaults={"starts_on": date(2026, 11, 1)})
    Enrolment.objects.update(starts_on=date(2026, 9, 1))
    assert invoicing.preview(NOVEMBER, at=END_OF_NOVEMBER).households == 0


def test_the_family_reads_it_before_it_enrols(meals, membership, stranger):
    page = stranger.client().get(f"/cantine/inscription/enfant/{stranger.child.pk}/").content.decode()
    assert "Adhésion 2026-2027 : 15,00\xa0€, une fois par famille et par an." in page
    fees.note_all(until=date(2026, 11, 30))
    bill(NOVEMBER, END_OF_NOVEMBER)


def test_a_second_child_reads_that_it_is_asked_already(meals, membership, books):
    bill(NOVEMBER, END_OF_NOVEMBER)
    second = ChildFactory(first_name="Noé", birth_date=date(2019, 5, 1), households=[books.household])
    page = books.client().get(f"/cantine/inscription/enfant/{second.pk}/").content.decode()
    assert "Adhésion 2026-2027 : déjà demandé, rien de plus à payer." in page


def test_a_third_child_reads_its_own_price(meals, canteen, books):
    fee_of(canteen, (17, 1, None), (10, 3, None), per=Fee.Per.CHILD)
    brother(books, canteen, "Zoé", date(2020, 5, 1))
    third = ChildFactory(first_name="Noé", birth_date=date(2021, 5, 1), households=[books.household])
    page = books.client().get(f"/cantine/inscription/enfant/{third.pk}/").content.decode()
    assert "Adhésion 2026-2027 : 10,00\xa0€" in page


def test_the_foreseen_invoice_says_it(meals, membership, books):
    page = books.client().get("/factures/previsionnelle/").content.decode()
    assert "Adhésion 2026-2027" in page
    assert "15,00\xa0€" in page
