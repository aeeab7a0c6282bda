"""A price by how much one takes: whatever is billed, cancelled and corrected when, a span comes to what it
would cost billed at once."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices import creditable, drafting, invoicing, recalculating
from billing.invoices.billable import Scope
from billing.models import (
    BillingSettings,
    FormulaTariff,
    Invoice,
    InvoiceLine,
    ManualCharge,
    Tariff,
    TariffBand,
    TariffQuantity,
)
from billing.prices.estimates import forget
from portal.reservations.models import Attendance, Booking
from portal.reservations.states import BookingState
from tests.billing.conftest import (
    DECEMBER,
    END_OF_DECEMBER,
    END_OF_NOVEMBER,
    FIRST_OF_DECEMBER,
    NOVEMBER,
    eats,
)
from tests.conftest import enrolled, family, on_the_database
from tests.factories import (
    ChildFactory,
    EnrolmentFactory,
    FormulaFactory,
    QuotientFactory,
    paris,
    weekdays_between,
)

D = Decimal
# Monday, Tuesday, Thursday and Friday of a week of November.
WEEK = [date(2026, 11, day) for day in (16, 17, 19, 20)]
EVERY_DAY = [day for day in weekdays_between(date(2026, 11, 1), date(2026, 11, 30)) if day.day != 11]
JANUARY, END_OF_JANUARY = Scope(date(2027, 1, 1)), paris(2027, 1, 29, 18)


def priced(formula, prices, **fields):
    """A tariff for all quotients; `prices`: one, or one a column."""
    columns = list(prices) if isinstance(prices, dict) else []
    tariff = Tariff.objects.create(code="garderie", name="Garderie", kind="bands", columns=columns, **fields)
    TariffBand.objects.create(tariff=tariff, prices=prices if isinstance(prices, dict) else {"": prices})
    FormulaTariff.objects.create(formula=formula, tariff=tariff)
    return tariff


def bill(scope=NOVEMBER, at=END_OF_NOVEMBER):
    invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)


def owed(who):
    """Over all documents of any kind: what lines say, each once."""
    lines = InvoiceLine.objects.filter(invoice__household=who.household).exclude(
        kind__in=(InvoiceLine.Kind.CARRIED, InvoiceLine.Kind.MANUAL)
    )
    return sum((one.amount for one in lines), D(0))


def rule(tariff, kind, **fields):
    return TariffQuantity.objects.create(tariff=tariff, kind=kind, **fields)


@pytest.fixture
def evening(canteen):
    """An evening at 2.50; 2.10 from the fourth of a week on."""
    tariff = priced(canteen.formula, {"ponctuel": "2.50", "regulier": "2.10"})
    rule(tariff, "column", number=4, column="regulier")
    return tariff


@pytest.fixture
def holidays(canteen):
    """2, 3 or 5 days of a week: 51, 70, 117 €."""
    tariff = priced(canteen.formula, {"f2": "51", "f3": "70", "f5": "117"})
    for number in (2, 3, 5):
        rule(tariff, "package", number=number, column=f"f{number}")
    return tariff


# As published ---------------------------------------------------------------------------------------------


def test_four_evenings_of_a_week_are_a_regular_s(evening, books):
    eats(books, WEEK)
    bill()
    assert owed(books) == D("8.40")


def test_three_evenings_are_not(evening, books):
    eats(books, WEEK[:3])
    bill()
    assert owed(books) == D("7.50")


def test_three_days_under_a_package_of_two_cost_that_of_three(holidays, books):
    eats(books, WEEK[:3])
    bill()
    assert owed(books) == D("70.00")
    said = InvoiceLine.objects.get(amount=70)
    assert said.label == "3 jours : forfait 3 jours, 70,00\xa0€ – semaine du 16 novembre"


@pytest.mark.parametrize(("days", "price"), [(1, "51.00"), (2, "51.00"), (3, "70.00"), (4, "117.00")])
def test_between_two_packages_the_next_one_up_is_paid(holidays, books, days, price):
    eats(books, WEEK[:days])
    bill()
    assert owed(books) == D(price)


def test_never_more_than_so_much_a_month(canteen, books):
    rule(priced(canteen.formula, "5.20"), "cap", span="month", amount=32)
    eats(books, [*EVERY_DAY, date(2026, 11, 28), date(2026, 11, 29), date(2026, 11, 22)][:23])
    bill()
    assert Booking.objects.count() == 23
    assert owed(books) == D("32.00")


def test_morning_and_evening_at_the_price_of_one(canteen, books):
    tariff = priced(canteen.formula, "1.50")
    evening = FormulaFactory(activity=canteen.activity, code="soir", name="Soir", parts=["evening"])
    FormulaTariff.objects.create(formula=evening, tariff=tariff)
    rule(tariff, "one", span="day", number=2)
    eats(books, WEEK[:1])
    eats(books, WEEK[:2], formula=evening)
    bill()
    assert owed(books) == D("3.00")


def test_a_flat_price_from_the_fifth_presence_of_a_month_on(canteen, books):
    rule(priced(canteen.formula, "4.00"), "flat", span="month", number=5, amount=18)
    eats(books, WEEK)
    bill()
    assert owed(books) == D("16.00")
    eats(books, EVERY_DAY[:2])
    bill(DECEMBER, END_OF_DECEMBER)
    assert owed(books) == D("18.00")


@pytest.fixture
def three(canteen, books):
    """Lina, her brother and her sister, enrolled."""
    found = [books.enrolment]
    for name in ("Tom", "Zoé"):
        child = ChildFactory(first_name=name, birth_date=date(2019, 1, 1), households=[books.household])
        found.append(
            EnrolmentFactory(
                household=books.household,
                child=child,
                activity=canteen.activity,
                establishment=books.enrolment.establishment,
                school_year=books.enrolment.school_year,
            )
        )
    return found


def test_three_brothers_and_sisters_together(canteen, books, three):
    rule(priced(canteen.formula, "4.50"), "siblings", span="day", number=3, amount="12.40")
    for enrolment in three:
        eats(type("Who", (), {"enrolment": enrolment}), WEEK[:1])
    bill()
    assert owed(books) == D("12.40")
    by_child = {}
    for line in InvoiceLine.objects.all():
        by_child[line.child_id] = by_child.get(line.child_id, 0) + line.amount
    assert sorted(by_child.values()) == [D("4.13"), D("4.13"), D("4.14")]


def test_only_when_all_three_come(canteen, books, three):
    rule(priced(canteen.formula, "4.50"), "siblings", span="day", number=3, amount="12.40")
    for enrolment in three[:2]:
        eats(type("Who", (), {"enrolment": enrolment}), WEEK[:1])
    bill()
    assert owed(books) == D("9.00")


def test_a_family_s_cap_counts_all_children(canteen, books, three):
    rule(priced(canteen.formula, "4.50"), "cap", span="week", amount=30, family=True)
    for enrolment in three:
        eats(type("Who", (), {"enrolment": enrolment}), WEEK)
    bill()
    assert owed(books) == D("30.00")


def test_what_is_late_comes_after_what_is_written_for_all(canteen, books, three):
    tariff = priced(canteen.formula, "4.50")
    tariff.modifiers.create(when="late", effect="add", amount=1)
    rule(tariff, "siblings", span="day", number=3, amount="12.40")
    for place, enrolment in enumerate(three):
        eats(type("Who", (), {"enrolment": enrolment}), WEEK[:1], late=place == 0)
    bill()
    assert owed(books) == D("13.40")


# Corrections ----------------------------------------------------------------------------------------------


def test_a_day_added_after_the_invoice_brings_the_difference(holidays, books):
    eats(books, WEEK[:2])
    bill()
    assert owed(books) == D("51.00")
    eats(books, WEEK[2:3])
    bill(DECEMBER, END_OF_DECEMBER)
    assert owed(books) == D("70.00")
    assert InvoiceLine.objects.filter(amount=19).exists()


def test_a_day_cancelled_after_the_invoice_gives_the_difference_back(holidays, books):
    days = eats(books, WEEK[:3])
    bill()
    Booking.objects.filter(pk=days[0].pk).update(state=BookingState.CANCELLED)
    ManualCharge.objects.create(household=books.household, label="Sortie", unit_price=500, reason="x")
    bill(DECEMBER, END_OF_DECEMBER)
    assert owed(books) == D("51.00")
    bill(JANUARY, END_OF_JANUARY)
    assert owed(books) == D("51.00")


def test_a_week_over_two_months_is_completed_with_its_last_day(evening, books):
    eats(books, [date(2026, 11, 30), *(date(2026, 12, day) for day in (1, 3, 4))])
    bill()
    assert owed(books) == D("2.50")
    bill(DECEMBER, END_OF_DECEMBER)
    assert owed(books) == D("8.40")


def test_an_invoice_credited_whole_costs_nothing_more(evening, books):
    eats(books, WEEK)
    bill()
    plan = creditable.plan(creditable.of(Invoice.objects.get()), creditable.Wanted(whole=True))
    assert (plan.amount, plan.given_back) == (D("8.40"), 0)


def test_a_credited_package_is_not_billed_again(holidays, books):
    eats(books, WEEK[:2])
    bill()
    invoicing.credit(
        Invoice.objects.get(), creditable.Wanted(whole=True), reason="Geste", by=None, at=END_OF_NOVEMBER
    )
    eats(books, WEEK[2:3])
    bill(DECEMBER, END_OF_DECEMBER)
    assert owed(books) == D("70.00")  # of which the note gave 51.00 back


def test_a_quotient_told_late_changes_the_package_once_its_month_is_recalculated(holidays, books, agent):
    holidays.bands.all().delete()
    TariffBand.objects.create(tariff=holidays, low=0, high=719, prices={"f2": "49", "f3": "67", "f5": "112"})
    TariffBand.objects.create(tariff=holidays, low=720, prices={"f2": "51", "f3": "70", "f5": "117"})
    eats(books, WEEK[:3])
    bill()
    QuotientFactory(household=books.household, value=500, valid_from=date(2026, 11, 1))
    found = recalculating.compare([books.household.pk], NOVEMBER.month, BillingSettings.current())
    assert (found[books.household.pk].billed, found[books.household.pk].amount) == (70, 67)
    asked = recalculating.ask(
        NOVEMBER.month, household=books.household, reason="Quotient", by=None, at=END_OF_DECEMBER
    )
    recalculating.count(asked)
    recalculating.confirm(asked, by=None, at=END_OF_DECEMBER)
    recalculating.carry_out(asked)
    ManualCharge.objects.create(household=books.household, label="Sortie", unit_price=500, reason="x")
    bill(DECEMBER, END_OF_DECEMBER)
    assert owed(books) == D("67.00")


# Absences, queries ----------------------------------------------------------------------------------------


def misses(booking, reason="", at=END_OF_NOVEMBER):
    return Attendance.objects.create(
        booking=booking, household=booking.household, child=booking.child, formula=booking.formula,
        establishment=booking.establishment, day=booking.day, state="absent", reason=reason, entered_at=at,
    )  # fmt: skip


def test_an_excused_day_is_no_day_of_a_package(holidays, books):
    days = eats(books, WEEK[:3])
    misses(days[0], "strike")
    bill()
    assert owed(books) == D("51.00")


def test_a_day_excused_after_the_invoice_gives_the_difference_back(holidays, books):
    days = eats(books, WEEK[:3])
    bill()
    misses(days[0], "strike", at=FIRST_OF_DECEMBER)
    bill(DECEMBER, END_OF_DECEMBER)
    assert owed(books) == D("51.00")
    bill(JANUARY, END_OF_JANUARY)
    assert owed(books) == D("51.00")


def test_who_is_ill_one_evening_of_four_stays_a_regular(evening, books):
    days = eats(books, WEEK)
    misses(days[0], "strike")
    bill()
    assert owed(books) == D("6.30")


def test_where_the_town_counts_who_came_a_missed_evening_does_not_count(evening, books):
    evening.quantities.update(counted="attended")
    days = eats(books, WEEK)
    misses(days[0])
    bill()
    assert owed(books) == D("10.00")


def test_what_is_drafted_is_read_in_so_many_queries_for_one_household_and_for_ten(
    evening, books, waits, stranger, canteen, year, school_class
):
    eats(books, WEEK)
    with CaptureQueriesContext(connection) as one:
        drafting.drafts([books.household.pk], NOVEMBER, BillingSettings.current())
    others = [
        enrolled(family(f"f{number}", f"Nom{number}", "Noé", school_class), canteen, year)
        for number in range(9)
    ]
    for other in others:
        eats(other, WEEK)
    homes = [who.household.pk for who in (books, *others)]
    with CaptureQueriesContext(connection) as ten:
        drafts, _ = drafting.drafts(homes, NOVEMBER, BillingSettings.current())
    assert {draft.total for draft in drafts} == {D("8.40")}
    assert len(ten) == len(one)


def test_a_town_without_such_rules_pays_no_query_for_them(canteen, books):
    tariff = priced(canteen.formula, "2.50")
    eats(books, WEEK)
    with CaptureQueriesContext(connection) as without:
        drafting.drafts([books.household.pk], NOVEMBER, BillingSettings.current())
    assert not any('FROM "billing_tariffquantity"' in found["sql"].split("WHERE")[0].split("EXISTS")[0]
                   for found in without)  # fmt: skip
    rule(tariff, "cap", span="month", amount=5)
    with CaptureQueriesContext(connection) as with_one:
        drafting.drafts([books.household.pk], NOVEMBER, BillingSettings.current())
    assert len(with_one) > len(without)


def test_one_day_credited_by_a_note_stays_given_back(evening, books):
    eats(books, WEEK)
    bill()
    found = creditable.of(Invoice.objects.get())
    (line,) = found.lines
    wanted = creditable.Wanted(items=frozenset({line.days[0].item}))
    note = invoicing.credit(Invoice.objects.get(), wanted, reason="Geste", by=None, at=END_OF_NOVEMBER)
    assert note.amount == D("2.50")
    eats(books, [date(2026, 12, 7)])
    bill(DECEMBER, END_OF_DECEMBER)
    assert owed(books) == D("10.90")


def test_a_family_reads_its_package_on_the_invoice_to_come(holidays, books, books_client, now):
    eats(books, WEEK[:3])
    forget()
    page = books_client.get(reverse("billing:provisional")).content.decode()
    assert "3 jours : forfait 3 jours, 70,00" in page


# Whatever happens when ------------------------------------------------------------------------------------

RULES = [
    ("column", {"number": 4, "column": "b"}),
    ("flat", {"span": "month", "number": 5, "amount": "17.35"}),
    ("cap", {"span": "month", "amount": "31.99"}),
    ("cap", {"span": "week", "amount": "9.10"}),
    ("floor", {"span": "month", "amount": "8.00"}),
    ("siblings", {"span": "day", "number": 2, "amount": "4.45"}),
    ("cap", {"span": "month", "amount": "40.01", "family": True}),
]
POSSIBLE = [date(2026, 11, day) for day in (23, 24, 26, 27, 30)] + [
    date(2026, 12, day) for day in (1, 3, 4, 7)
]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["book", "book", "cancel", "excuse", "bill"]),
        st.sampled_from(POSSIBLE),
        st.integers(0, 1),
    ),
    min_size=3,
    max_size=14,
)


@on_the_database
@given(
    package=st.booleans(), steps=STEPS, chosen=st.sets(st.integers(0, len(RULES) - 1), min_size=1, max_size=3)
)
def test_billed_in_any_order_a_span_comes_to_what_it_would_cost_at_once(
    canteen, books, three, package, steps, chosen
):
    with transaction.atomic():
        tariff = priced(canteen.formula, {"a": "2.57", "b": "2.11", "c": "7.30"})
        for place in sorted(chosen):
            kind, fields = RULES[place]
            if not (package and kind == "column"):
                rule(tariff, kind, **fields)
        if package:
            rule(tariff, "package", number=2, column="a")
            rule(tariff, "package", number=3, column="c")
        ManualCharge.objects.create(household=books.household, label="Sortie", unit_price=900, reason="x")
        assert _owed_after(books, three, steps) == _owed_after(
            books, three, [step for step in steps if step[0] != "bill"]
        )
        transaction.set_rollback(True)


def _owed_after(books, three, steps):
    """What the family owes in all when everything is billed at last; nothing stays of it."""
    days: dict[tuple[int, date], Booking] = {}
    month = 0
    with transaction.atomic():
        for what, day, who in steps:
            key = who, day
            if what == "book" and key not in days:
                days[key] = eats(type("Who", (), {"enrolment": three[who]}), [day])[0]
            elif what in ("book", "cancel") and key in days:
                state = BookingState.ACCEPTED if what == "book" else BookingState.CANCELLED
                Booking.objects.filter(pk=days[key].pk).update(state=state)
            elif (
                what == "excuse" and key in days and not Attendance.objects.filter(booking=days[key]).exists()
            ):
                misses(days[key], "strike", at=paris(2027, 12, 31, 8))
            elif what == "bill":
                at = paris(2026 + (10 + month) // 12, (10 + month) % 12 + 1, 28, 18)
                bill(Scope(at.date().replace(day=1)), at)
                month += 1
        bill(Scope(date(2028, 1, 1)), paris(2028, 1, 31, 18))
        found = owed(books)
        transaction.set_rollback(True)
    return found
