"""Flat prices: each home its own, and what is due of one by the rules that the town chose on its tariff."""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.invoices import drafting, invoicing
from billing.invoices.billable import Scope
from billing.invoices.flats import Flat
from billing.models import (
    BilledItem,
    BillingSettings,
    FormulaTariff,
    Invoice,
    InvoiceLine,
    ManualCharge,
    Tariff,
    TariffBand,
)
from portal.french.months import months_between, months_mask
from portal.reservations.models import Attendance, Booking, Enrolment, Period
from portal.reservations.towns.town_file import export, load
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, MEALS, NOVEMBER, eats
from tests.conftest import enrolled, family
from tests.factories import ReservationFactory, paris, weekdays_between

D = Decimal
DAYS = [day for day in weekdays_between(date(2026, 11, 2), date(2026, 11, 30)) if day.day != 11]


@pytest.fixture
def flat(canteen):
    """A month at 40 €."""
    tariff = Tariff.objects.create(code="mois", name="Mois", kind="flat", unit="month")
    TariffBand.objects.create(tariff=tariff, low=None, high=None, prices={"": "40.00"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    return tariff


def rules(tariff: Tariff, **fields: str) -> None:
    Tariff.objects.filter(pk=tariff.pk).update(**fields)


def bill(scope: Scope = NOVEMBER, at=END_OF_NOVEMBER) -> None:
    invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)


def total(who) -> Decimal:
    return sum((one.total for one in Invoice.objects.filter(household=who.household)), D(0))


def owe(who) -> None:
    """Something to pay whatever comes off."""
    ManualCharge.objects.create(household=who.household, label="Sortie", unit_price=500, reason="x")


# Two homes ----------------------------------------------------------------------------------------------


@pytest.fixture
def other(books, canteen, year, school_class):
    """The second home of Lina."""
    home = enrolled(family("sorel", "Sorel", "Lina", school_class), canteen, year)
    books.child.households.add(home.household)
    Enrolment.objects.filter(pk=home.enrolment.pk).update(child=books.child)
    home.enrolment.refresh_from_db()
    return replace(home, child=books.child)


def test_each_home_of_a_child_pays_its_own(flat, books, other):
    eats(books, DAYS[:12])
    eats(other, DAYS[12:20])
    bill()
    assert (total(books), total(other)) == (40, 40)


def test_each_home_pays_its_own_when_they_are_billed_one_after_the_other(flat, books, other, monkeypatch):
    """Whatever chunk their households are in."""
    monkeypatch.setattr(invoicing, "CHUNK", 1)
    eats(books, DAYS[:12])
    eats(other, DAYS[12:20])
    bill()
    assert (total(books), total(other)) == (40, 40)


def test_homes_that_share_pay_by_the_days_each_booked(flat, books, other):
    rules(flat, homes="shared")
    eats(books, DAYS[:12])
    eats(other, DAYS[12:20])
    bill()
    assert (total(books), total(other)) == (24, 16)
    said = InvoiceLine.objects.get(invoice__household=books.household).explanation
    assert said.endswith("Forfait partagé entre deux foyers : 12 jours réservés ici sur 20.")


def test_shares_of_an_odd_cent_add_up_to_the_price(flat, books, other, monkeypatch):
    monkeypatch.setattr(invoicing, "CHUNK", 1)
    rules(flat, homes="shared")
    eats(books, DAYS[:1])
    eats(other, DAYS[1:3])
    bill()
    assert (total(books), total(other)) == (D("13.33"), D("26.67"))


def test_one_home_alone_pays_all_of_what_would_be_shared(flat, books, other):
    rules(flat, homes="shared")
    eats(books, DAYS[:2])
    bill()
    assert (total(books), total(other)) == (40, 0)


def test_what_an_earlier_version_billed_is_not_billed_again(flat, books, other, monkeypatch):
    """It named no home: « child:formula:month »."""
    eats(books, DAYS[:1])
    with monkeypatch.context() as before:
        before.setattr(Flat, "__str__", lambda flat: f"{flat.child}:{flat.formula}:{flat.month:%Y-%m}")
        bill()
    assert BilledItem.objects.exclude(flat="").get().flat.count(":") == 2
    eats(books, DAYS[1:2])
    eats(other, DAYS[2:3])
    bill(DECEMBER, END_OF_DECEMBER)
    assert (total(books), total(other)) == (40, 40)


# On the way ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begun", "starts", "ends", "euros"),
    [
        ("whole", date(2026, 11, 27), None, "40.00"),
        ("days", date(2026, 11, 27), None, "4.00"),
        ("weeks", date(2026, 11, 27), None, "16.00"),
        ("weeks", date(2026, 11, 18), None, "24.00"),
        ("days", date(2026, 9, 1), date(2026, 11, 10), "14.00"),
        ("weeks", date(2026, 9, 1), date(2026, 11, 10), "16.00"),
        ("weeks", date(2026, 9, 1), None, "40.00"),
    ],
)
def test_who_comes_or_leaves_on_the_way_pays_by_the_rule_of_the_town(flat, books, begun, starts, ends, euros):
    rules(flat, begun=begun)
    Enrolment.objects.filter(pk=books.enrolment.pk).update(starts_on=starts, ends_on=ends)
    eats(books, [day for day in DAYS if starts <= day <= (ends or day)])
    bill()
    assert total(books) == D(euros)


def test_the_invoice_says_which_part_is_due(flat, books):
    rules(flat, begun="weeks")
    Enrolment.objects.filter(pk=books.enrolment.pk).update(starts_on=date(2026, 11, 18))
    eats(books, [date(2026, 11, 19)])
    bill()
    said = InvoiceLine.objects.get().explanation.replace("\xa0", " ")
    assert said == "Tarif unique : 40,00 €. Inscription en cours de route : 3 semaines entamées sur 5."


def test_a_flat_price_of_a_year_is_parted_by_the_year(flat, books, canteen):
    """A period may last as long: from the 16th on there remain five weeks of seven."""
    rules(flat, begun="weeks", unit="period")
    Period.objects.filter(pk=canteen.period.pk).update(
        starts_on=date(2026, 11, 2), ends_on=date(2026, 12, 18)
    )
    Enrolment.objects.filter(pk=books.enrolment.pk).update(starts_on=date(2026, 11, 16))
    booking = eats(books, [date(2026, 11, 16)])[0]
    reservation = ReservationFactory(enrolment=books.enrolment, period=canteen.period)
    Booking.objects.filter(pk=booking.pk).update(reservation=reservation)
    bill()
    assert total(books) == D("28.57")


def test_shares_are_of_the_part_that_is_due(flat, books, other):
    rules(flat, begun="weeks", homes="shared")
    for one in (books, other):
        Enrolment.objects.filter(pk=one.enrolment.pk).update(starts_on=date(2026, 11, 18))
    eats(books, [date(2026, 11, 18)])
    eats(other, [date(2026, 11, 19), date(2026, 11, 20)])
    bill()
    assert (total(books), total(other)) == (8, 16)


# No day left --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("emptied", "left"), [("kept", 40), ("credited", 0)])
@pytest.mark.parametrize("how", ["cancelled", "excused"])
def test_a_billed_month_of_which_no_day_is_left_is_kept_or_given_back(flat, books, emptied, left, how):
    rules(flat, emptied=emptied)
    bookings = eats(books)
    owe(books)
    bill()
    for booking in bookings:
        lose(booking, how)
    owe(books)
    bill(DECEMBER, END_OF_DECEMBER)
    assert total(books) == 1000 + left


def lose(booking: Booking, how: str) -> None:
    if how == "cancelled":
        Booking.objects.filter(pk=booking.pk).update(state="cancelled")
        return
    Attendance.objects.create(
        booking=booking, household=booking.household, child=booking.child, formula=booking.formula,
        establishment=booking.establishment, day=booking.day, state="absent", reason="strike",
        entered_at=END_OF_NOVEMBER,
    )  # fmt: skip


def test_one_day_that_is_left_keeps_the_whole_price(flat, books):
    rules(flat, emptied="credited")
    first, second, third, _ = eats(books)
    owe(books)
    bill()
    lose(first, "cancelled")
    lose(second, "cancelled")
    lose(third, "excused")
    owe(books)
    bill(DECEMBER, END_OF_DECEMBER)
    assert total(books) == 1040


def test_what_was_given_back_is_due_again_with_the_next_day(flat, books):
    rules(flat, emptied="credited")
    bookings = eats(books)
    owe(books)
    bill()
    for booking in bookings:
        lose(booking, "cancelled")
    owe(books)
    bill(DECEMBER, END_OF_DECEMBER)
    credit = Invoice.objects.get(month=DECEMBER.month).lines.get(kind="credit")
    assert credit.label == "Repas – forfait : plus aucun jour après la facture F2026-000001"
    eats(books, [date(2026, 11, 16)])
    bill(Scope(date(2027, 1, 1)), END_OF_DECEMBER.replace(year=2027, month=1))
    assert total(books) == 1040


JANUARY, END_OF_JANUARY = Scope(date(2027, 1, 1)), END_OF_DECEMBER.replace(year=2027, month=1)


@pytest.mark.parametrize("how", ["cancelled", "excused"])
@pytest.mark.parametrize("many", [1, 4])
def test_what_was_given_back_is_due_again_once_its_own_days_stand_again(flat, books, how, many):
    """« Rouvrir » puts the same bookings back; an absence entered by mistake is corrected."""
    rules(flat, emptied="credited")
    bookings = eats(books)
    owe(books)
    bill()
    for booking in bookings:
        lose(booking, how)
    owe(books)
    bill(DECEMBER, END_OF_DECEMBER)
    assert total(books) == 1000
    for booking in bookings[:many]:
        Booking.objects.filter(pk=booking.pk).update(state="accepted")
        Attendance.objects.filter(booking=booking).update(state="present", reason="")
    bill(JANUARY, END_OF_JANUARY)
    assert total(books) == 1040
    owe(books)
    bill(Scope(date(2027, 2, 1)), END_OF_JANUARY.replace(month=2, day=28))
    assert total(books) == 1540


def test_what_was_given_back_stays_so_and_is_said_once_as_long_as_no_day_counts(flat, books):
    rules(flat, emptied="credited")
    bookings = eats(books)
    owe(books)
    bill()
    for booking in bookings:
        lose(booking, "excused")
    owe(books)
    bill(DECEMBER, END_OF_DECEMBER)
    owe(books)
    bill(JANUARY, END_OF_JANUARY)
    assert total(books) == 1500
    lines = InvoiceLine.objects.filter(invoice__month=JANUARY.month)
    assert [one.label for one in lines] == ["Sortie"]


def test_only_the_month_that_was_given_back_is_due_again(flat, books):
    """December stands: it was paid, and is not said to be paid already on each invoice."""
    rules(flat, emptied="credited")
    november, december = eats(books), eats(books, [date(2026, 12, 3), date(2026, 12, 4)])
    owe(books)
    bill(DECEMBER, END_OF_DECEMBER)
    assert total(books) == 580
    for booking in november:
        lose(booking, "cancelled")
    owe(books)
    bill(JANUARY, END_OF_JANUARY)
    assert total(books) == 1040
    Booking.objects.filter(pk=november[0].pk).update(state="accepted")
    bill(Scope(date(2027, 2, 1)), END_OF_JANUARY.replace(month=2, day=28))
    assert total(books) == 1080
    (line,) = InvoiceLine.objects.filter(invoice__month=date(2027, 2, 1))
    assert (line.unit_price, line.quantity, len(december)) == (40, 1, 2)


@pytest.mark.parametrize("how", ["cancelled", "excused"])
def test_a_month_without_a_day_that_counts_is_never_asked_for(flat, books, how):
    for booking in eats(books):
        lose(booking, how)
    bill()
    assert total(books) == 0


# Many ---------------------------------------------------------------------------------------------------


def queries(households: list[int]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        drafting.drafts(households, NOVEMBER, BillingSettings.current())
    return len(asked)


def test_parts_and_shares_of_many_cost_no_query_more(flat, books, other, canteen, year, school_class):
    rules(flat, begun="weeks", homes="shared", emptied="credited")
    eats(books, MEALS[:2])
    eats(other, MEALS[2:])
    queries([books.household.pk])
    few = queries([books.household.pk, other.household.pk])
    more = [
        enrolled(family(f"home{number}", "Petit", "Zoé", school_class), canteen, year) for number in range(9)
    ]
    for one in more:
        eats(one)
    assert queries([one.household.pk for one in (books, other, *more)]) == few


# Months due ---------------------------------------------------------------------------------------------

TEN = months_mask(months_between(9, 6))


def test_ten_instalments_ask_for_nothing_in_july_although_there_are_two_school_days(flat, books):
    rules(flat, due_months=TEN)
    eats(books, DAYS[:12])
    eats(books, [date(2027, 7, 1), date(2027, 7, 2)])
    bill()
    assert total(books) == 40
    said = InvoiceLine.objects.get().explanation
    assert "10 mensualités, de septembre à juin." in said
    bill(Scope(date(2027, 7, 1)), at=paris(2027, 7, 31, 18))
    assert total(books) == 40
    july = InvoiceLine.objects.exclude(invoice__month=date(2026, 11, 1)).get()
    assert july.amount == 0
    assert "rien en juillet" in july.explanation
    assert BilledItem.objects.filter(flat__endswith=":2027-07").get().amount == 0


def test_one_meal_in_a_month_that_is_due_costs_the_whole_month(flat, books):
    rules(flat, due_months=TEN)
    eats(books, DAYS[:1])
    bill()
    assert total(books) == 40


def test_only_a_flat_price_of_a_month_is_due_in_months(flat):
    flat.unit, flat.due_months = "presence", TEN
    with pytest.raises(ValidationError, match="Seul un forfait au mois"):
        flat.full_clean()


def test_the_towns_file_says_the_months(flat):
    text = export()
    assert "forfait_dû" not in text
    rules(flat, due_months=TEN)
    text = export()
    assert "forfait_dû: [septembre, octobre, novembre, décembre, janvier" in text
    load(re.sub(r"forfait_dû: \[[^]]*\]", "forfait_dû: de novembre à mars", text))
    flat.refresh_from_db()
    assert flat.due_months == months_mask([11, 12, 1, 2, 3])
