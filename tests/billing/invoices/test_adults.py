"""Adults at table: booked by their own rule, billed once with VAT, given back where it is cancelled."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext

from billing.documents import credit_notes, files, journal, own_data, pdf, verifying
from billing.documents.coded import Span
from billing.invoices import adults, drafting, invoicing
from billing.invoices.adults import MealRefused
from billing.invoices.billable import Scope
from billing.invoices.creditable import Wanted
from billing.models import (
    ActivityRegie,
    BilledItem,
    BillingSettings,
    Diner,
    DinerMeal,
    Invoice,
    InvoiceLine,
    JournalAccounts,
    Regie,
)
from billing.payments import paying
from families.joining import fates
from families.models import Erasure, Guardian, Household
from families.privacy import erasing
from families.privacy.telling import Subject
from tests.billing.conftest import (
    DECEMBER,
    END_OF_DECEMBER,
    END_OF_NOVEMBER,
    NOVEMBER,
    eats,
)
from tests.billing.diners import EARLY, cancels, eats_on, price_of_adults, teacher_at
from tests.factories import ClosureFactory, paris

MON, TUE, THU, FRI = (date(2026, 11, day) for day in (16, 17, 19, 20))
JANUARY, END_OF_JANUARY = Scope(date(2027, 1, 1)), paris(2027, 1, 31, 18)
TENTH = paris(2026, 11, 10, 8)
BACK = InvoiceLine.Kind.CREDIT


@pytest.fixture
def teacher(canteen):
    price_of_adults(canteen.formula)
    return teacher_at(canteen)


def bill(scope, at):
    return invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)


def lines(invoice):
    return [(one.label, one.quantity, one.unit_price, one.amount) for one in invoice.lines.all()]


def test_an_adult_has_an_account_of_its_own_with_one_payer_and_no_child(teacher):
    home = teacher.household
    assert home.is_accepted
    assert [(str(one), one.is_payer) for one in home.guardians.all()] == [("Hélène Aubry", True)]
    assert not home.custodies.exists()


def test_days_are_booked_all_or_nothing(teacher):
    with pytest.raises(MealRefused, match="Armistice"):
        eats_on(teacher, MON, date(2026, 11, 11))
    assert not DinerMeal.objects.exists()
    assert eats_on(teacher, MON, THU).said == "2 repas réservés."
    assert eats_on(teacher, MON, THU).said == "Rien n'a changé."


def test_a_closure_a_last_day_and_a_missing_price_refuse(teacher, canteen):
    ClosureFactory(starts_on=MON, ends_on=MON, label="Grève", establishment=canteen.restaurant)
    with pytest.raises(MealRefused, match="Grève"):
        eats_on(teacher, MON)
    Diner.objects.update(ends_on=TUE)
    with pytest.raises(MealRefused, match="ne mange pas ici ce jour-là"):
        eats_on(teacher, THU)
    teacher.formula.adult_prices.all().delete()
    with pytest.raises(MealRefused, match="Aucun prix"):
        eats_on(teacher, TUE)


def test_without_a_late_price_the_deadline_is_the_last_word(canteen):
    price_of_adults(canteen.formula, late_amount=None, notice_days=2)
    diner = teacher_at(canteen)
    with pytest.raises(MealRefused, match="au plus tard le 14 novembre"):
        eats_on(diner, MON, at=paris(2026, 11, 15, 8))
    assert eats_on(diner, MON, at=paris(2026, 11, 14, 23)).booked == 1


def test_a_day_that_is_closed_later_is_cancelled_in_the_night(teacher, canteen, now):
    eats_on(teacher, MON, TUE)
    ClosureFactory(starts_on=MON, ends_on=MON, label="Grève", establishment=canteen.restaurant)
    assert adults.closed(at=now) == 1
    assert [(one.day, one.state) for one in DinerMeal.objects.order_by("day")] == [
        (MON, "cancelled"),
        (TUE, "booked"),
    ]
    assert adults.closed(at=now) == 0


def test_the_database_holds_one_meal_a_day(teacher, canteen):
    eats_on(teacher, MON)
    meal = DinerMeal.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        DinerMeal.objects.create(
            diner=teacher, day=MON, establishment=meal.establishment, formula=meal.formula, booked_at=EARLY
        )


def test_the_invoice_of_a_month_says_vat_by_rate(teacher):
    eats_on(teacher, MON, TUE, THU, FRI, at=TENTH)
    bill(NOVEMBER, END_OF_NOVEMBER)
    invoice = Invoice.objects.get()
    assert (invoice.household, invoice.payer) == (teacher.household, "Hélène Aubry")
    assert lines(invoice) == [
        ("Repas, adulte", 3, Decimal("3.80"), Decimal("11.40")),
        ("Repas, adulte, réservé après le délai", 1, Decimal("6.00"), Decimal("6.00")),
    ]
    assert invoice.total == Decimal("17.40")
    assert {one.vat_percent for one in invoice.lines.all()} == {Decimal(10)}
    paper = render_to_string("billing/invoice.html", pdf.context(invoice))
    assert "TVA 10\xa0% : 15,82\xa0€ HT + 1,58\xa0€ = 17,40\xa0€ TTC" in paper
    assert "Quotient familial" not in paper
    (row,) = files.invoice_rows(Invoice.objects.with_balance())
    said = dict(zip(files.INVOICE_COLUMNS, row, strict=True))
    assert (said["Total HT"], said["TVA"], said["Total"]) == (
        Decimal("15.82"),
        Decimal("1.58"),
        Decimal("17.40"),
    )


def test_a_family_beside_it_is_billed_as_before(teacher, meals, books):
    eats(books)
    eats_on(teacher, MON)
    found = invoicing.preview(NOVEMBER, at=END_OF_NOVEMBER)
    assert (found.households, found.total) == (2, Decimal("16.60"))
    bill(NOVEMBER, END_OF_NOVEMBER)
    numbers = dict(Invoice.objects.values_list("household", "number"))
    assert sorted(numbers.values()) == ["F2026-000001", "F2026-000002"]
    theirs = Invoice.objects.get(household=books.household)
    assert theirs.total == Decimal("12.80")
    paper = render_to_string("billing/invoice.html", pdf.context(theirs))
    assert "Quotient familial" in paper
    assert "TVA" not in paper


def test_nothing_is_billed_twice_whatever_the_runs(teacher):
    eats_on(teacher, MON, THU)
    bill(NOVEMBER, END_OF_NOVEMBER)
    bill(DECEMBER, END_OF_DECEMBER)
    bill(JANUARY, END_OF_JANUARY)
    assert Invoice.objects.get().total == Decimal("7.60")
    assert verifying.verify(files=False).faults == []


def test_a_meal_cancelled_once_billed_comes_back_and_can_be_billed_again(teacher):
    eats_on(teacher, MON, THU)
    bill(NOVEMBER, END_OF_NOVEMBER)
    cancels(teacher, THU, at=END_OF_NOVEMBER)
    eats_on(teacher, date(2026, 12, 14), date(2026, 12, 15), at=paris(2026, 12, 1, 9))
    bill(DECEMBER, END_OF_DECEMBER)
    second = Invoice.objects.latest("pk")
    assert [one[1:] for one in lines(second)] == [
        (2, Decimal("3.80"), Decimal("7.60")),
        (1, Decimal("-3.80"), Decimal("-3.80")),
    ]
    back = second.lines.get(kind=BACK)
    assert back.label.startswith("Repas, adulte : repas annulé après la facture F2026-000001")
    assert (back.vat_percent, back.days) == (Decimal(10), ["2026-11-19"])
    assert second.total == Decimal("3.80")
    # Noted after all: by then it is late.
    eats_on(teacher, THU, at=END_OF_DECEMBER)
    bill(JANUARY, END_OF_JANUARY)
    assert Invoice.objects.latest("pk").total == Decimal("6.00")
    turns = BilledItem.objects.filter(meal__day=THU).order_by("turn")
    assert [(one.turn, one.amount) for one in turns] == [
        (1, Decimal("3.80")),
        (2, Decimal("-3.80")),
        (3, Decimal("6.00")),
    ]


def test_a_meal_cancelled_before_the_bill_costs_nothing(teacher):
    eats_on(teacher, MON, THU)
    cancels(teacher, MON, at=TENTH)
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert Invoice.objects.get().total == Decimal("3.80")


def test_a_credit_note_takes_a_day_back_for_good_with_its_vat(teacher):
    eats_on(teacher, MON, THU)
    bill(NOVEMBER, END_OF_NOVEMBER)
    invoice = Invoice.objects.get()
    item = BilledItem.objects.get(meal__day=THU)
    note = invoicing.credit(
        invoice, Wanted(items=frozenset([item.pk])), reason="Sortie", by=None, at=END_OF_NOVEMBER
    )
    assert note.amount == Decimal("3.80")
    assert note.lines.get().days == ["2026-11-19"]
    assert credit_notes.vat(note) == ["TVA 10\xa0% : 3,45\xa0€ HT + 0,35\xa0€ = 3,80\xa0€ TTC"]
    cancels(teacher, THU, at=END_OF_NOVEMBER)
    assert drafting.drafts([teacher.household_id], DECEMBER, BillingSettings.current())[0] == []


def test_the_journal_has_vat_on_an_account_of_its_own_where_it_has_one(teacher):
    eats_on(teacher, MON)
    bill(NOVEMBER, END_OF_NOVEMBER)
    span = Span(date(2026, 11, 1), date(2026, 11, 30))

    def given():
        return {one.account: one.credit for one in journal.lines(span) if one.credit}

    assert given() == {"7067": Decimal("3.80")}
    JournalAccounts(vat="44571").save()
    assert given() == {"7067": Decimal("3.45"), "44571": Decimal("0.35")}


def test_the_regie_of_the_canteen_bills_its_adults_in_its_own_series(teacher, canteen):
    regie = Regie.objects.create(name="Restauration", code="RESTO", letters="RS")
    ActivityRegie.objects.create(activity=canteen.activity, regie=regie)
    eats_on(teacher, MON)
    bill(NOVEMBER, END_OF_NOVEMBER)
    invoice = Invoice.objects.get()
    assert (invoice.regie, invoice.number) == (regie, "F-RS2026-000001")


def test_a_run_of_other_activities_leaves_adults_alone(teacher, centre):
    eats_on(teacher, MON)
    bill(Scope(NOVEMBER.month, (centre.activity.pk,)), END_OF_NOVEMBER)
    assert not Invoice.objects.exists()


def test_a_new_name_is_the_accounts_too(teacher):
    teacher.last_name = "Martin"
    adults.save(teacher)
    assert str(Guardian.objects.get(household=teacher.household)) == "Hélène Martin"


def test_billing_costs_as_many_queries_for_one_adult_or_ten(teacher, canteen):
    eats_on(teacher, MON)

    def queries():
        homes = list(Household.objects.values_list("pk", flat=True))
        with CaptureQueriesContext(connection) as found:
            drafting.drafts(homes, NOVEMBER, BillingSettings.current())
        return len(found)

    queries()  # what a process keeps is read
    one = queries()
    for number in range(9):
        eats_on(teacher_at(canteen, last_name=f"Adulte {number}"), MON, THU)
    assert queries() == one


def test_a_town_without_adults_pays_one_query_a_run(meals, books):
    eats(books)
    with CaptureQueriesContext(connection) as found:
        invoicing.preview(NOVEMBER, at=END_OF_NOVEMBER)
    asked = [one["sql"] for one in found if "adultprice" in one["sql"]]
    assert len(asked) == 2
    assert not any("dinermeal" in one["sql"] for one in found)


def test_who_still_eats_is_not_erased(teacher):
    found = erasing.foresee(erasing.household_leaving(teacher.household), at=END_OF_NOVEMBER)
    assert any("mange encore à la cantine" in one for one in found.obstacles)


def test_who_left_has_no_name_any_more_where_an_invoice_names_meals(teacher):
    eats_on(teacher, MON, THU)
    bill(NOVEMBER, END_OF_NOVEMBER)
    invoice = Invoice.objects.get()
    at = END_OF_NOVEMBER
    paying.record(teacher.household, invoice.total, "cash", paid_on=at.date(), by=None, at=at)
    Diner.objects.update(ends_on=FRI)
    erasing.erase(
        erasing.household_leaving(teacher.household), why=Erasure.Why.REQUEST, by=None, at=END_OF_DECEMBER
    )
    left = Diner.objects.get()
    assert (left.first_name, left.last_name) == ("", "effacé")
    assert not Diner.history.exists()
    assert Invoice.objects.get().payer == "Hélène Aubry"


def test_a_copy_of_ones_data_has_the_meals(teacher):
    eats_on(teacher, MON)
    payer = teacher.household.guardians.get()
    found = {one.title: list(one.rows) for one in own_data.tables(Subject(payer, teacher.household, ()))}
    assert found["Repas d'adulte"][0][:2] == ("Hélène Aubry", MON)


def test_an_account_that_joins_another_takes_its_adult_along(teacher, books):
    assert fates.declared()["billing.Diner.household"] is fates.Joins.MOVES
