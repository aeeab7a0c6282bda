"""Months are counted at night, again and again, then never more; no erasure makes them smaller."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.core.management import call_command

from billing.models import FormulaTariff, Tariff, TariffBand
from families.models import Erasure, FamilyQuotient, Household
from families.privacy import erasing
from portal.reservations.acts import booking
from portal.reservations.models import (
    Attendance,
    AttendanceState,
    Booking,
    CountedMonth,
    MonthlyFigure,
    Reservation,
    Slot,
)
from portal.reservations.statistics import counting
from tests.conftest import FRIDAY, NOW, THURSDAY, enrolled, family

Kind = MonthlyFigure.Kind
NOVEMBER = date(2026, 11, 1)
IN_DECEMBER = datetime(2026, 12, 10, 2, tzinfo=UTC)
IN_FEBRUARY = datetime(2027, 2, 10, 2, tzinfo=UTC)


def figures(kind, month=NOVEMBER, **where):
    rows = MonthlyFigure.objects.filter(kind=kind, month=month, **where)
    return sorted(rows.values_list("what", "step", "count", "total"))


def everything():
    return sorted(
        MonthlyFigure.objects.values_list(
            "month", "kind", "establishment", "activity", "formula", "what", "step", "count", "total"
        ),
        key=str,
    )


@pytest.fixture
def booked(asks, books, waits):
    """Roux books Thursday and Friday, the others Thursday."""
    asks(books, THURSDAY, FRIDAY, on_request=False)
    asks(waits, THURSDAY, on_request=False)


def test_days_meals_and_children_are_counted(booked, canteen):
    canteen.formula.with_meal = True
    canteen.formula.save()
    counting.count(NOW)
    assert figures(Kind.PRESENCES) == [("repas", 0, 3, 2)]
    assert figures(Kind.CHILDREN, establishment=None, activity=None) == [("", 0, 2, 0)]
    # At the place, in the activity, and in the activity there.
    assert MonthlyFigure.objects.filter(kind=Kind.CHILDREN, count=2).count() == 4


def test_twice_in_a_night_says_the_same(booked):
    assert counting.count(NOW) == 1
    once = everything()
    assert counting.count(NOW) == 0
    assert everything() == once


def test_a_night_does_it(booked, town):
    call_command("nightly")
    assert CountedMonth.objects.get().first == NOVEMBER


def test_a_month_without_anything_is_counted_too(canteen):
    assert counting.count(IN_FEBRUARY) == 4
    assert MonthlyFigure.objects.filter(month=date(2027, 1, 1)).count() == 0


def test_an_absence_is_counted_beside_its_day(booked, books, canteen):
    day = Booking.objects.get(child=books.child, day=THURSDAY)
    Attendance.objects.create(
        booking=day, household=books.household, child=books.child, formula=canteen.formula,
        establishment=canteen.restaurant, day=THURSDAY, state=AttendanceState.ABSENT, entered_at=NOW,
    )  # fmt: skip
    counting.count(NOW)
    assert figures(Kind.ABSENCES) == [("", 0, 1, 0)]
    assert figures(Kind.PRESENCES)[0][2] == 3


def test_occupancy_is_told_by_period_and_leaves_out_closed_days(booked, canteen):
    Slot.objects.update(capacity=None)
    Slot.objects.filter(day__in=(THURSDAY, FRIDAY)).update(capacity=10)
    counting.count(NOW)
    assert figures(Kind.OCCUPANCY) == [(canteen.period.name, 0, 3, 20)]
    Slot.objects.filter(day=FRIDAY).update(closed=True)
    counting.count(NOW)
    assert figures(Kind.OCCUPANCY) == [(canteen.period.name, 0, 2, 10)]


def test_an_answer_is_counted_with_the_days_it_took(asks, books, waits, agent, canteen):
    asked, other = asks(books, THURSDAY), asks(waits, THURSDAY)
    later = NOW + timedelta(days=2)
    with time_machine.travel(later, tick=False):
        booking.accept(list(asked.lines.all()), by=agent, at=later)
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        booking.refuse(list(other.lines.all()), reason="Complet", by=agent, at=NOW + timedelta(hours=1))
    counting.count(later)
    assert figures(Kind.ANSWERED, what="jours") == [("jours", 0, 1, 0), ("jours", 2, 1, 0)]
    places = MonthlyFigure.objects.filter(what="jours").values_list("establishment", flat=True)
    assert set(places) == {canteen.restaurant.pk}


def test_what_is_accepted_by_itself_waited_for_nobody(booked):
    counting.count(NOW)
    assert figures(Kind.ANSWERED, what="jours") == []


def test_days_are_told_by_the_bands_of_their_tariff(booked, books, waits, canteen):
    tariff = Tariff.objects.create(code="repas", name="Repas")
    for low, high in ((None, "449.99"), ("450", "899.99"), ("900", None)):
        TariffBand.objects.create(tariff=tariff, low=low, high=high, prices={"": "3.20"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    FamilyQuotient.objects.all().delete()
    FamilyQuotient.objects.create(household=books.household, value=500, valid_from=date(2026, 1, 1))
    counting.count(NOW)
    found = [("Sans quotient", 1_000_000, 1, 1), ("Tranche de 450 à 899,99", 450, 2, 1)]
    assert figures(Kind.BANDS, establishment=None) == found
    assert figures(Kind.BANDS, establishment=canteen.restaurant) == found


def test_a_month_follows_until_it_is_closed(booked, asks, books):
    counting.count(IN_DECEMBER)
    assert not CountedMonth.objects.get(first=NOVEMBER).closed
    Booking.objects.filter(day=FRIDAY).delete()
    counting.count(IN_DECEMBER)
    assert figures(Kind.PRESENCES)[0][2] == 2
    counting.count(IN_FEBRUARY)
    assert CountedMonth.objects.get(first=NOVEMBER).closed
    Booking.objects.all().delete()
    counting.count(IN_FEBRUARY)
    assert figures(Kind.PRESENCES)[0][2] == 2


def test_an_erasure_changes_no_month_that_is_over(asks, books, waits, agent):
    for who in (books, waits):
        row = asks(who, THURSDAY)
        at = NOW + timedelta(days=1)
        with time_machine.travel(at, tick=False):
            booking.accept(list(row.lines.all()), by=agent, at=at)
    counting.count(IN_DECEMBER)
    before = [one for one in everything() if one[0] == NOVEMBER]
    assert figures(Kind.ANSWERED, what="jours") == [("jours", 1, 2, 0)]
    later = IN_DECEMBER + timedelta(hours=8)
    with time_machine.travel(later, tick=False):
        erase(waits, agent, later)
    for at in (IN_DECEMBER + timedelta(days=1), IN_FEBRUARY):
        counting.count(at)
        assert [one for one in everything() if one[0] == NOVEMBER] == before


def test_nor_what_was_answered_in_the_month_that_goes_on(asks, books, waits, agent):
    for who in (books, waits):
        row = asks(who, THURSDAY)
        at = NOW + timedelta(days=1)
        with time_machine.travel(at, tick=False):
            booking.accept(list(row.lines.all()), by=agent, at=at)
    in_november = NOW + timedelta(days=19)
    counting.count(in_november)
    with time_machine.travel(in_november, tick=False):
        erase(waits, agent, in_november + timedelta(hours=8))
    assert Reservation.objects.count() == 1
    counting.count(in_november + timedelta(days=1))
    assert figures(Kind.ANSWERED, what="jours") == [("jours", 1, 2, 0)]
    assert figures(Kind.PRESENCES)[0][2] == 2


def erase(who, agent, at) -> None:
    erasing.erase(
        erasing.household_leaving(Household.objects.get(pk=who.household.pk)),
        why=Erasure.Why.DESK, by=agent, at=at,
    )  # fmt: skip


def test_a_month_costs_the_same_for_two_families_and_ten(
    booked, asks, canteen, year, school_class, django_assert_max_num_queries
):
    with django_assert_max_num_queries(45):
        counting.count(NOW)
    for number in range(9):
        who = enrolled(family(f"f{number}", f"Famille {number}", "Sacha", school_class), canteen, year)
        asks(who, THURSDAY, FRIDAY, on_request=False)
    with django_assert_max_num_queries(45):
        counting.count(NOW)
