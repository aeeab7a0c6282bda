"""Facts have dates: a day costs what was true of the child on that day, whatever became of it since."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.models import BillingSettings, FormulaTariff, Invoice, Tariff, TariffBand, TariffModifier
from families import approval, residences
from families.models import Child, Residence
from portal.reservations.acts import ending, enrolling, moving
from portal.reservations.models import Attendance, Enrolment
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, NOVEMBER, eats
from tests.conftest import NOW, brother_of, on_the_database
from tests.factories import (
    BookingFactory,
    ChangeRequestFactory,
    FormulaFactory,
    SchoolClassFactory,
    paris,
    weekdays_between,
)
from tests.portal.reservations.audit import reserve

D = Decimal
# Ten school days before 25 November 2026, and two from then on.
BEFORE = [day for day in weekdays_between(date(2026, 11, 9), date(2026, 11, 24)) if day.day != 11][:10]
AFTER = [date(2026, 11, 26), date(2026, 11, 27)]
MOVE = date(2026, 11, 25)


def tariff(formula: Any, price: str, *modifiers: dict[str, Any], **fields: Any) -> Tariff:
    made = Tariff.objects.create(
        code=f"t{Tariff.objects.count()}", name="Prix", kind="flat", valid_from=date(2026, 9, 1), **fields
    )
    TariffBand.objects.create(tariff=made, low=None, high=None, prices={"": price})
    for modifier in modifiers:
        TariffModifier.objects.create(tariff=made, **modifier)
    FormulaTariff.objects.create(formula=formula, tariff=made)
    return made


def billed(who: Any, scope: Scope = NOVEMBER, at: datetime = END_OF_NOVEMBER) -> Decimal:
    """What all invoices of the household say, after a run."""
    invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)
    return sum((one.total for one in Invoice.objects.filter(household=who.household)), D(0))


# Residence ----------------------------------------------------------------------------------------------


@pytest.fixture
def doubled(canteen):
    """A meal at 4 €, twice that for those from elsewhere."""
    return tariff(canteen.formula, "4.00", {"when": "non_resident", "effect": "multiply", "amount": 2})


def leaves_town(who, since: date, *, at: datetime = NOW) -> None:
    residences.settle(who.household, resident=False, since=since, at=at)


def test_meals_before_a_move_keep_the_price_of_the_town(doubled, town, books, agent):
    town.address = "1 place de la Mairie, 01999 Valmirelle-les-Prés"
    town.save()
    eats(books, BEFORE + AFTER)
    books.household.postcode, books.household.city = "01999", town.name
    books.household.save()
    moved = ChangeRequestFactory(household=books.household, postcode="26000", city="Valence")
    approval.accept_change(moved, by=agent, at=paris(2026, 11, 25, 9))
    assert billed(books) == 56


def test_a_move_told_with_its_day_counts_from_that_day(doubled, books):
    eats(books, BEFORE + AFTER)
    leaves_town(books, MOVE, at=paris(2026, 11, 28, 9))
    assert billed(books) == 56


def test_who_moves_out_on_the_4th_pays_twice_from_then_on(canteen, books):
    tariff(canteen.formula, "3.20", {"when": "non_resident", "effect": "multiply", "amount": 2})
    eats(books, [date(2026, 11, day) for day in (2, 3, 5, 6)])
    leaves_town(books, date(2026, 11, 4), at=paris(2026, 11, 20, 9))
    assert billed(books) == D("19.20")


def test_who_comes_to_live_in_the_town_pays_less_from_then_on(doubled, books):
    books.household.resident = False
    books.household.save()
    eats(books, BEFORE + AFTER)
    residences.settle(books.household, resident=True, since=MOVE, at=NOW)
    assert billed(books) == 10 * 8 + 2 * 4


def test_a_move_to_come_changes_the_residence_on_its_day_only(doubled, books, now):
    leaves_town(books, MOVE)
    books.household.refresh_from_db()
    assert books.household.resident
    assert residences.follow(MOVE - timedelta(days=1)) == 0
    assert residences.follow(MOVE) == 1
    books.household.refresh_from_db()
    assert not books.household.resident
    assert residences.follow(MOVE) == 0


def test_an_earlier_day_told_later_leaves_what_was_known_before(doubled, books):
    """« Le 20 », told in time; on 1 December « déjà le 5 ». The town counts a move from when it was told."""
    BillingSettings.objects.update_or_create(defaults={"residence_late": "told"})
    leaves_town(books, date(2026, 11, 20))
    leaves_town(books, date(2026, 11, 5), at=paris(2026, 12, 1, 9))
    eats(books, [date(2026, 11, 12), date(2026, 11, 26)])
    assert billed(books) == 4 + 8


def test_the_same_move_told_twice_is_one(books, now):
    leaves_town(books, MOVE)
    leaves_town(books, MOVE)
    assert [(one.starts_on, one.resident) for one in books.household.residences.all()] == [
        (None, True),
        (MOVE, False),
    ]


def test_a_move_that_never_was_leaves_no_trace_in_prices(doubled, books, now):
    eats(books, BEFORE + AFTER)
    leaves_town(books, MOVE)
    residences.settle(books.household, resident=True, since=MOVE, at=NOW)
    assert Residence.objects.count() == 1
    assert billed(books) == 48


@on_the_database
@given(st.lists(st.tuples(st.integers(0, 27), st.booleans()), max_size=6))
def test_whatever_was_told_each_day_is_where_it_was_told_to_be(books, told):
    """What is said last of a day, by a row that holds from then on, is what holds."""
    expected = [True] * 28
    starts: dict[int, bool] = {}
    for offset, resident in told:
        residences.settle(
            books.household, resident=resident, since=date(2026, 11, 1) + timedelta(days=offset), at=NOW
        )
        # A change that is already known for a later day stays.
        until = min((later for later in starts if later > offset), default=28)
        for day in range(offset, until):
            expected[day] = resident
        starts = {day: expected[day] for day in range(1, 28) if expected[day] != expected[day - 1]}
    rows = list(books.household.residences.all())
    for offset, resident in enumerate(expected):
        day = date(2026, 11, 1) + timedelta(days=offset)
        assert (residences.holding(rows, day) if rows else books.household.resident) is resident
    Residence.objects.all().delete()
    books.household.resident = True
    books.household.save()


# Class --------------------------------------------------------------------------------------------------


def test_each_meal_costs_what_the_level_of_its_day_says(canteen, books, school):
    tariff(canteen.formula, "4.00", {"when": "level", "level": "maternelle", "effect": "price", "amount": 2})
    small = SchoolClassFactory(school=school, name="GS", level="maternelle")
    enrolling.attend(books.child, small)
    eats(books, [date(2026, 11, day) for day in (16, 17, 23, 24)])
    enrolling.attend(books.child, SchoolClassFactory(school=school, name="CP"), since=date(2026, 11, 23))
    assert billed(books) == 12


def test_days_that_follow_to_another_school_cost_what_holds_there(canteen, books, mill, agent, now):
    tariff(canteen.formula, "4.00", {"when": "level", "level": "maternelle", "effect": "price", "amount": 2})
    reserve(books, canteen, date(2026, 11, 19), date(2026, 11, 26), at=now)
    small = SchoolClassFactory(school=mill.school, name="GS", level="maternelle")
    moving.carry_out(books.child, moving.Change(date(2026, 11, 23), small), by=agent, at=now)
    assert billed(books) == 6


def test_a_class_corrected_from_the_start_was_never_another(canteen, books, school):
    tariff(canteen.formula, "4.00", {"when": "level", "level": "maternelle", "effect": "price", "amount": 2})
    enrolling.attend(books.child, SchoolClassFactory(school=school, name="GS", level="maternelle"))
    enrolling.attend(books.child, SchoolClassFactory(school=school, name="CP"))
    eats(books, [date(2026, 11, 16)])
    assert books.child.schoolings.count() == 1
    assert billed(books) == 4


def test_a_second_change_on_an_earlier_day_takes_the_place_of_the_first(books, school, year):
    first, second = (SchoolClassFactory(school=school, name=name) for name in ("CE2", "CM1"))
    enrolling.attend(books.child, first, since=date(2026, 11, 23))
    enrolling.attend(books.child, second, since=date(2026, 11, 16))
    found = books.child.schoolings.order_by("pk").values_list("school_class__name", "starts_on", "ends_on")
    assert list(found) == [("CE1", None, date(2026, 11, 15)), ("CM1", date(2026, 11, 16), None)]


# Brothers and sisters -----------------------------------------------------------------------------------


@pytest.fixture
def for_two(canteen):
    """A meal at 4 € for one child, 3 € each for two."""
    return tariff(canteen.formula, "4.00", {"when": "children", "number": 2, "effect": "price", "amount": 3})


def sibling(who, **enrolment: Any) -> Enrolment:
    return brother_of(who, "Tom", **enrolment)


def test_a_brother_who_left_lowers_no_price_from_then_on(for_two, books, agent):
    left = sibling(books)
    enrolling.end(Enrolment.objects.filter(pk=left.pk), by=agent, at=paris(2026, 11, 27, 9))
    eats(books, [date(2026, 12, 1), date(2026, 12, 3)])
    assert billed(books, DECEMBER, END_OF_DECEMBER) == 8


def test_a_brother_who_left_still_counts_for_the_days_before(for_two, books, agent):
    left = sibling(books)
    enrolling.end(Enrolment.objects.filter(pk=left.pk), by=agent, at=paris(2026, 11, 27, 9))
    eats(books, [date(2026, 11, 26), date(2026, 11, 27), date(2026, 11, 30)])
    assert billed(books) == 3 + 3 + 4


@pytest.mark.parametrize("starts", [date(2027, 3, 1), date(2026, 11, 20)])
def test_a_sister_who_comes_later_lowers_no_meal_before(for_two, books, starts):
    sibling(books, starts_on=starts)
    eats(books, [date(2026, 11, 5), date(2026, 11, 6)])
    assert billed(books) == 8


def test_who_ended_in_september_lowers_no_meal_of_november(canteen, books):
    tariff(canteen.formula, "3.20", {"when": "children", "number": 2, "effect": "price", "amount": 2})
    sibling(books, state="ended", ends_on=date(2026, 9, 30))
    eats(books, [date(2026, 11, day) for day in (2, 3, 5, 6)])
    assert billed(books) == D("12.80")


def test_an_end_said_late_counts_from_when_it_was_said_where_the_town_says_so(for_two, books, agent):
    """On the 27th the town hall says that the brother had left on the 20th; on the night it is over."""
    BillingSettings.objects.update_or_create(defaults={"siblings_late": "told"})
    left = sibling(books)
    said = ending.Ending(date(2026, 11, 20), "Déménagement.")
    ending.end(left, said, by=agent, at=paris(2026, 11, 27, 9))
    enrolling.finish(Enrolment.objects.all(), at=paris(2026, 11, 28, 3))
    eats(books, [date(2026, 11, 20), date(2026, 11, 26), date(2026, 11, 27)])
    assert billed(books) == 3 + 3 + 4


# Age ----------------------------------------------------------------------------------------------------


def test_the_age_of_the_day_is_a_fact_of_a_tariff(canteen, books, school):
    tariff(canteen.formula, "3.75", {"when": "age", "number": 6, "effect": "price", "amount": D("3.55")})
    Child.objects.filter(pk=books.child.pk).update(birth_date=date(2020, 11, 17))
    enrolling.attend(books.child, SchoolClassFactory(school=school, name="CP"))
    eats(books, [date(2026, 11, 16), date(2026, 11, 17)])
    assert billed(books) == D("3.55") + D("3.75")


def test_of_two_ages_the_lower_one_counts(canteen, books):
    tariff(
        canteen.formula,
        "4.00",
        {"when": "age", "number": 6, "effect": "price", "amount": 3},
        {"when": "age", "number": 3, "effect": "price", "amount": 1},
    )
    eats(books, [date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 20)])
    Child.objects.filter(pk=books.child.pk).update(birth_date=date(2023, 11, 17))
    assert billed(books) == 1 + 3 + 3


# Hours --------------------------------------------------------------------------------------------------


@pytest.fixture
def by_the_hour(canteen):
    """A day at the centre, 9 h to 17 h, at 1.01 € an hour begun, and its meal at 3.50 €."""
    day = FormulaFactory(
        activity=canteen.activity, name="Journée", parts=["afternoon"], starts_at=time(9), ends_at=time(17)
    )
    tariff(day, "1.01", unit="hour")
    meal = tariff(canteen.formula, "3.50")
    FormulaTariff.objects.create(formula=day, tariff=meal, supplement=True)
    return day


def comes(who, formula, **attendance: Any) -> None:
    booking = BookingFactory(enrolment=who.enrolment, day=date(2026, 11, 16), formula=formula)
    if attendance:
        Attendance.objects.create(
            booking=booking,
            child=who.child,
            household=who.household,
            establishment=booking.establishment,
            formula=formula,
            day=booking.day,
            entered_at=NOW,
            **attendance,
        )


@pytest.mark.parametrize(
    ("entered", "euros"),
    [
        ({}, "11.58"),
        ({"state": "absent"}, "11.58"),
        ({"state": "present", "minutes": 300}, "11.58"),
        ({"state": "present", "minutes": 500}, "12.59"),
    ],
    ids=["nobody clocked", "absent without a reason", "left early", "stayed longer"],
)
def test_hours_reserved_are_due(by_the_hour, books, entered, euros):
    comes(books, by_the_hour, **entered)
    assert billed(books) == D(euros)
