"""Parents know the price before they reserve."""

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices import drafting, invoicing
from billing.models import BillingSettings, Invoice, PackedMeal, TariffBand, TariffQuantity
from billing.prices.estimates import Estimates, forget
from portal.reservations.acts import reservation_drafts
from portal.reservations.acts.refusals import Choice
from portal.reservations.days.standing import Open
from portal.reservations.deadlines.decisions import Standing
from portal.reservations.models import Booking, ReservationLine
from portal.reservations.pages import prices
from portal.reservations.states import BookingState
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, MEALS, NOVEMBER, eats
from tests.conftest import on_the_database
from tests.factories import ChildFactory, EnrolmentFactory, QuotientFactory, paris

D = Decimal
FIRST, LAST = date(2026, 11, 2), date(2026, 12, 18)


@pytest.fixture
def costs(meals, books, canteen):
    QuotientFactory(household=books.household, value=D(812), valid_from=date(2026, 1, 1))
    return Estimates.load(books.enrolment, FIRST, LAST)


def test_the_household_s_price_and_why(costs, canteen):
    said = costs.sentence(canteen.formula, FIRST).replace("\N{NO-BREAK SPACE}", " ")
    assert said == "Tarif de votre foyer : 3,20 € (Repas), quotient 812"
    assert costs.price(canteen.formula.pk, FIRST, late=True) == D("4.20")


def test_forty_days_are_priced_without_another_query(costs, canteen, django_assert_num_queries):
    with django_assert_num_queries(0):
        found = [costs.price(canteen.formula.pk, FIRST) for _ in range(40)]
    assert prices.total(found) == D("128.00")


def test_a_formula_without_tariff_has_no_price_and_breaks_nothing(costs, canteen, books):
    assert costs.price(canteen.formula.pk + 1, FIRST) is None
    assert costs.sentence(type(canteen.formula)(pk=0, name="Goûter"), FIRST) == ""


def test_loading_costs_the_same_for_a_day_and_a_year(meals, books, canteen, django_assert_max_num_queries):
    Estimates.load(books.enrolment, FIRST, LAST)  # tariffs are kept half a minute
    with django_assert_max_num_queries(1):
        Estimates.load(books.enrolment, FIRST, LAST)
    meals.modifiers.create(when="children", number=2, effect="percent", amount=-10)
    meals.modifiers.create(when="level", level="maternelle", effect="price", amount=1)
    meals.modifiers.create(when="pai", effect="price", amount=1)
    forget()
    Estimates.load(books.enrolment, FIRST, LAST)
    with django_assert_max_num_queries(1):
        Estimates.load(books.enrolment, FIRST, LAST)


def test_rank_level_and_packed_meal_of_the_household_count(meals, books, canteen):
    QuotientFactory(household=books.household, value=D(812), valid_from=date(2026, 1, 1))
    QuotientFactory(household=books.household, value=D(300), valid_from=date(2026, 11, 10))
    younger = ChildFactory(birth_date=date(2021, 5, 4), households=[books.household])
    mine = EnrolmentFactory(
        child=younger,
        household=books.household,
        activity=canteen.activity,
        establishment=books.enrolment.establishment,
        school_year=books.enrolment.school_year,
    )
    meals.modifiers.create(when="rank", number=2, effect="percent", amount=-50)
    meals.modifiers.create(when="level", level="maternelle", effect="add", amount=0)
    meals.modifiers.create(when="pai", effect="price", amount=1)
    forget()
    ours = [Estimates.load(one, FIRST, LAST) for one in (books.enrolment, mine)]
    formula = canteen.formula.pk
    assert [one.on(formula, FIRST) for one in ours] == [D("3.20"), D("1.60")]
    assert [one.on(formula, LAST) for one in ours] == [D("1.75"), D("0.88")]
    PackedMeal.objects.create(enrolment=books.enrolment, valid_from=date(2026, 11, 3))
    mornings = Estimates.load(books.enrolment, FIRST, LAST)
    assert [mornings.on(formula, day) for day in (FIRST, LAST)] == [D("3.20"), D("1.00")]


def test_the_enrolment_page_says_the_household_s_price(costs, books, books_client):
    address = reverse("catering:enrolment", args=[books.enrolment.pk])
    said = books_client.get(address).content.decode().replace("\N{NO-BREAK SPACE}", " ")
    assert "Tarif de votre foyer : 3,20 € (Repas), quotient 812" in said
    assert "Quotient 812, tranche à partir de 451 : 3,20 €." in said


def test_without_tariff_the_enrolment_page_says_nothing_of_prices(books, books_client):
    said = books_client.get(reverse("catering:enrolment", args=[books.enrolment.pk])).content.decode()
    assert "Tarif" not in said


# Late days that cost nothing more -------------------------------------------------------------------------

IN_NOVEMBER = [date(2026, 11, day) for day in range(2, 31) if date(2026, 11, day).weekday() < 5 and day != 11]


@pytest.fixture
def forgiving(meals, canteen):
    """Late meals cost two euros more, but for the first of each month: as many as asked."""
    meals.modifiers.filter(when="late").delete()
    deadline = canteen.activity.deadlines.get(action="book")

    def allow(number: int, surcharge: str = "add", amount: str = "2", late: str = "accept") -> None:
        deadline.late, deadline.free_late_a_month = late, number
        deadline.surcharge, deadline.surcharge_amount = surcharge, D(amount) if surcharge else None
        deadline.full_clean()
        deadline.save()
        forget()

    return allow


def bookings(family, days: Collection[date], late: Collection[date]) -> None:
    one = family.enrolment
    Booking.objects.bulk_create(
        Booking(
            household=one.household,
            child=one.child,
            enrolment=one,
            activity=one.activity,
            establishment=one.establishment,
            formula=one.activity.formulas.get(),
            day=day,
            state=BookingState.ACCEPTED,
            late=day in late,
            changed_at=paris(2026, 11, 1),
        )
        for day in days
    )


def said_at_validation(family, days: Collection[date], late: Collection[date]) -> Decimal:
    """The total of a draft of these days, `late` ones past their deadline."""
    formula = family.enrolment.activity.formulas.get()
    lines = [ReservationLine(formula=formula, day=day, action="book") for day in days]
    standing = {day: Standing.LATE_ACCEPT if day in late else Standing.ON_TIME for day in days}
    where = SimpleNamespace(
        enrolment=family.enrolment,
        period=family.enrolment.activity.periods.get(),
        today=min(days, default=None),
        booking=lambda formula_id, day: Open(standing[day], None),
    )
    priced = prices.of_lines(lines, where, Estimates.load)
    return prices.total(one.price for one in priced.booked) or D(0)


def to_be_billed(family) -> Decimal:
    drafts, _ = drafting.drafts([family.household.pk], NOVEMBER, BillingSettings.current())
    return sum((draft.total for draft in drafts), D(0))


@on_the_database
@given(
    before=st.sets(st.sampled_from(IN_NOVEMBER), max_size=8),
    chosen=st.sets(st.sampled_from(IN_NOVEMBER), max_size=12),
    late=st.sets(st.sampled_from(IN_NOVEMBER)),
    allowed=st.integers(0, 3),
    surcharge=st.sampled_from([("add", "2"), ("multiply", "1.5"), ("price", "9.40")]),
    quotient=st.sampled_from([D(300), D(812), None]),
)
def test_what_validation_says_is_what_is_billed(
    books, forgiving, before, chosen, late, allowed, surcharge, quotient
):
    with transaction.atomic():
        if quotient is not None:
            QuotientFactory(household=books.household, value=quotient, valid_from=date(2026, 1, 1))
        forgiving(allowed, *surcharge)
        bookings(books, before, late)
        billed_before = to_be_billed(books)
        said = said_at_validation(books, chosen - before, late)
        bookings(books, chosen - before, late)
        assert said == to_be_billed(books) - billed_before
        transaction.set_rollback(True)


def test_each_month_and_each_child_has_its_own_late_days(forgiving, books, waits, canteen):
    forgiving(1)
    bookings(books, [IN_NOVEMBER[0]], [IN_NOVEMBER[0]])
    ours, theirs = (Estimates.load(one.enrolment, FIRST, LAST) for one in (books, waits))
    formula = canteen.formula.pk
    assert [ours.free_late(formula, day) for day in (FIRST, LAST)] == [0, 1]
    assert [theirs.free_late(formula, day) for day in (FIRST, LAST)] == [1, 1]


def test_the_planning_says_what_the_next_late_day_costs(forgiving, books, canteen, books_client, now):
    QuotientFactory(household=books.household, value=D(812), valid_from=date(2026, 1, 1))
    forgiving(2)
    canteen.rule.number = 30  # days before: all of November is late
    canteen.rule.save()
    planning = reverse(
        "catering:planning", args=[books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk]
    )

    def choose(*days: int) -> str:
        reservation_drafts.choose(
            books.enrolment,
            canteen.restaurant,
            canteen.period,
            book={Choice(canteen.formula.pk, date(2026, 11, day)) for day in days},
            by=books.user,
            at=now,
        )
        return books_client.get(planning).content.decode().replace("\N{NO-BREAK SPACE}", " ")

    page = choose(19)
    assert "1 jour choisi · 3,20 €" in page
    assert 'aria-label="vendredi 20 novembre 2026, libre, hors délai, 3,20 €"' in page
    page = choose(19, 20)
    assert "2 jours choisis · 6,40 €" in page
    assert 'aria-label="lundi 23 novembre 2026, libre, hors délai, 5,20 € dont 2,00 € de supplément"' in page
    page = choose(19, 20, 23)
    assert "3 jours choisis · 11,60 €" in page


def test_a_forgiving_town_costs_the_planning_no_query_more(forgiving, books, django_assert_max_num_queries):
    forgiving(2)
    Estimates.load(books.enrolment, FIRST, LAST)  # tariffs are kept half a minute
    with django_assert_max_num_queries(1):
        Estimates.load(books.enrolment, FIRST, LAST).free_late(1, FIRST)


def test_late_days_forgiven_by_an_invoice_are_not_forgiven_again_by_the_next(forgiving, books):
    forgiving(1)
    eats(books, MEALS[2:3], late=True)
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    eats(books, MEALS[:1], late=True)
    invoicing.issue(invoicing.start(DECEMBER, by=None, at=END_OF_DECEMBER), at=END_OF_DECEMBER)
    assert list(Invoice.objects.order_by("pk").values_list("total", flat=True)) == [D("3.20"), D("5.20")]


def test_two_homes_of_a_child_have_their_late_days_apart_billed_together_or_not(forgiving, books, waits):
    forgiving(1)
    books.child.households.add(waits.household)
    other = EnrolmentFactory(
        child=books.child,
        household=waits.household,
        activity=books.enrolment.activity,
        establishment=books.enrolment.establishment,
        school_year=books.enrolment.school_year,
    )
    eats(books, MEALS[:1], late=True)
    eats(SimpleNamespace(enrolment=other), MEALS[1:2], late=True)
    homes = [books.household.pk, waits.household.pk]
    together, _ = drafting.drafts(homes, NOVEMBER, BillingSettings.current())
    assert [draft.total for draft in together] == [D("3.20"), D("3.20")]


def test_a_period_whose_deadline_has_no_surcharge_costs_nothing_more(forgiving, books, canteen):
    forgiving(0)
    general = canteen.activity.deadlines.get(action="book")
    assert Estimates.load(books.enrolment, FIRST, LAST).on(canteen.formula.pk, FIRST, late=True) == D("5.20")
    canteen.activity.deadlines.create(action="book", rule=general.rule, period=canteen.period, late="request")
    forget()
    assert Estimates.load(books.enrolment, FIRST, LAST).on(canteen.formula.pk, FIRST, late=True) == D("3.20")


# Prices by number -----------------------------------------------------------------------------------------


@pytest.fixture
def regular(meals):
    """From the fourth meal of a week on, each costs 2.80 instead of 3.20."""
    meals.columns = ["ponctuel", "régulier"]
    meals.save()
    meals.bands.all().delete()
    TariffBand.objects.create(tariff=meals, prices={"ponctuel": "3.20", "régulier": "2.80"})
    TariffQuantity.objects.create(tariff=meals, kind="column", number=4, column="régulier")
    forget()
    return meals


WEEK = [date(2026, 11, day) for day in (23, 24, 26, 27)]


def test_the_fourth_day_of_a_week_makes_all_four_cheaper_before_it_is_reserved(regular, books, canteen):
    eats(books, WEEK[:3])
    costs = Estimates.load(books.enrolment, FIRST, LAST)
    found = costs.for_number({Choice(canteen.formula.pk, WEEK[3]): False}, [])
    assert found is not None
    assert found.amount == D("-1.60")
    assert found.sentences == ["4 jours : tarif « régulier » à partir de 4, semaine du 23 novembre."]


def test_giving_up_one_of_four_makes_the_others_dearer(regular, books, canteen):
    eats(books, WEEK)
    costs = Estimates.load(books.enrolment, FIRST, LAST)
    found = costs.for_number({}, [Choice(canteen.formula.pk, WEEK[3])])
    assert found is not None
    assert found.amount == D("1.60")


def test_what_is_shown_before_reserving_is_what_is_billed(regular, books, canteen):
    costs = Estimates.load(books.enrolment, FIRST, LAST)
    found = costs.for_number({Choice(canteen.formula.pk, day): False for day in WEEK}, [])
    shown = sum((costs.on(canteen.formula.pk, day) or D(0) for day in WEEK), D(0)) + found.amount
    eats(books, WEEK)
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    assert Invoice.objects.get().total == shown == D("11.20")


def test_a_town_without_such_rules_asks_nothing_more(costs, canteen, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert costs.for_number({Choice(canteen.formula.pk, FIRST): False}, []) is None
        assert costs.rules_for_number(FIRST) == []
