"""What is entered or corrected after an invoice is made right on the next one: over all its invoices, a day
costs what it would cost billed once, as it ended up."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import count, product
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.models import (
    AbsencePolicy,
    BilledItem,
    FormulaTariff,
    Invoice,
    InvoiceLine,
    ManualCharge,
    Tariff,
    TariffModifier,
)
from families.models import Household
from portal.reservations.models import AbsenceCertificate, Attendance, Booking, Enrolment
from portal.reservations.presence import attendance, certificates
from portal.reservations.presence.attendance import Said
from portal.reservations.states import BookingState
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, MEALS, NOVEMBER, eats
from tests.conftest import Family, enrolled, family, on_the_database
from tests.factories import (
    BookingFactory,
    ChildFactory,
    EnrolmentFactory,
    FormulaFactory,
    QuotientFactory,
    paris,
)

D = Decimal
DAY = MEALS[1]
MORNING = paris(2026, 11, 30, 8)
JANUARY, END_OF_JANUARY = Scope(date(2027, 1, 1)), paris(2027, 1, 29, 18)
# What a day of Lina's costs, by what is known of it.
PRICES = {
    "expected": D("3.20"),
    "present": D("3.20"),
    "on strike": D(0),
    "ill": D(0),
    "missing": D("5.00"),
}
ENTERED = [state for state in PRICES if state != "expected"]


@dataclass
class Desk:
    """What the town hall does of a child's day, at one moment after another."""

    canteen: Any
    agent: Any
    at: Any = MORNING

    def enters(self, booking: Booking, said: str) -> None:
        """Lists the child as present or absent; what is `ill` has a certificate that day."""
        if said == "expected":
            return
        given = AbsenceCertificate.objects.filter(household=booking.household, child=booking.child)
        if said == "ill" and not given.filter(first_day=booking.day).exists():
            certificates.take(
                booking.household, booking.child, booking.day, booking.day,
                given_at=self._later(), by=self.agent, at=self.at,
            )  # fmt: skip
        answer = (
            Said("present") if said == "present" else Said("absent", "strike" if "strike" in said else "")
        )
        self._record(booking.day, {booking.pk: answer}, booking.formula)

    def sees(self, home: Family, day: date) -> None:
        """The child came without a booking."""
        custody = home.child.custodies.get(household=home.household)
        self._record(day, {}, came=[custody.pk])

    def takes_out(self, home: Family, day: date) -> None:
        """It had not come after all."""
        rows = Attendance.objects.unreserved().filter(child=home.child, household=home.household, day=day)
        self._record(day, {}, left_out=[row.pk for row in rows])

    def _record(self, day: date, said: dict[int, Said], formula: Any = None, **besides: Any) -> None:
        where = self.canteen.restaurant, formula or self.canteen.formula, day
        attendance.record(*where, said, by=self.agent, at=self._later(), **besides)

    def _later(self) -> Any:
        self.at += timedelta(minutes=1)
        return self.at

    def bills(self, scope: Scope = NOVEMBER, at: Any = END_OF_NOVEMBER) -> None:
        self.at = max(self.at, at)
        invoicing.issue(invoicing.start(scope, by=None, at=self._later()), at=self.at)


@pytest.fixture
def desk(canteen, agent, meals):
    """An absence without excuse costs 5 €, a presence without a booking 10 €."""
    TariffModifier.objects.create(tariff=meals, when="absent", effect="price", amount=5)
    return Desk(canteen, agent)


@pytest.fixture
def lina(books) -> Booking:
    """Lina's booking of one day."""
    return eats(books, [DAY])[0]


def owe(home: Household) -> None:
    """Something to pay whatever comes off."""
    ManualCharge.objects.create(household=home, label="Sortie", unit_price=500, reason="x")


def paid_for(day: date, child: Any) -> Decimal:
    """What all invoices say of a child's day, taken together."""
    items = BilledItem.objects.select_related("booking", "attendance").filter(line__child=child)
    days = [(one.amount, one.booking or one.attendance) for one in items if not one.flat]
    return sum((amount for amount, seen in days if seen.day == day), D(0))


def lines(month: date) -> list[tuple[str, str, Decimal]]:
    """What an invoice corrects."""
    of_month = Invoice.objects.get(month=month).lines.exclude(kind="manual")
    return [(line.kind, line.label, line.amount) for line in of_month]


# Every change -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [*product(PRICES, ENTERED)])
def test_a_day_corrected_after_its_invoice_costs_what_it_ended_as(desk, books, lina, before, after):
    owe(books.household)
    desk.enters(lina, before)
    desk.bills()
    assert paid_for(DAY, books.child) == PRICES[before]
    owe(books.household)
    desk.enters(lina, after)
    desk.bills(DECEMBER, END_OF_DECEMBER)
    certified = "ill" in (before, after) and after != "present"
    assert paid_for(DAY, books.child) == (D(0) if certified else PRICES[after])
    owe(books.household)
    desk.bills(JANUARY, END_OF_JANUARY)
    assert not Invoice.objects.get(month=JANUARY.month).lines.exclude(kind="manual").exists()


def test_the_next_invoice_says_what_it_corrects(desk, books, lina):
    owe(books.household)
    desk.enters(lina, "on strike")
    desk.bills()
    owe(books.household)
    desk.enters(lina, "present")
    desk.bills(DECEMBER, END_OF_DECEMBER)
    assert lines(DECEMBER.month) == [("debit", "Repas – régularisation", D("3.20"))]
    owe(books.household)
    desk.enters(lina, "missing")
    desk.bills(JANUARY, END_OF_JANUARY)
    assert lines(JANUARY.month) == [
        ("credit", "Repas – régularisation : absence connue après la facture F2026-000002", D("-3.20")),
        ("debit", "Repas – absence – régularisation", D("5.00")),
    ]
    debit = InvoiceLine.objects.get(label="Repas – absence – régularisation")
    assert debit.explanation.startswith("Pointage corrigé après la facture F2026-000002.")
    assert debit.days == [DAY.isoformat()]


def test_what_is_corrected_twice_before_the_next_invoice_changes_nothing(desk, books, lina):
    owe(books.household)
    desk.enters(lina, "on strike")
    desk.bills()
    owe(books.household)
    desk.enters(lina, "present")
    desk.enters(lina, "on strike")
    desk.bills(DECEMBER, END_OF_DECEMBER)
    assert lines(DECEMBER.month) == []


def test_a_list_entered_after_the_invoice_changes_no_price_though_the_quotient_did(desk, books, lina):
    desk.bills()
    QuotientFactory(household=books.household, value=D(100), valid_from=date(2026, 1, 1))
    desk.enters(lina, "present")
    owe(books.household)
    desk.bills(DECEMBER, END_OF_DECEMBER)
    assert lines(DECEMBER.month) == []


def test_a_duration_corrected_after_the_invoice_is_billed_as_it_was(desk, books, lina, meals, canteen, agent):
    Tariff.objects.filter(pk=meals.pk).update(unit="half_hour")

    def stays(minutes):
        said = {lina.pk: Said("present", "", minutes)}
        attendance.record(canteen.restaurant, canteen.formula, DAY, said, by=agent, at=desk._later())

    for minutes, scope, at in ((95, NOVEMBER, END_OF_NOVEMBER), (25, DECEMBER, END_OF_DECEMBER)):
        owe(books.household)
        stays(minutes)
        desk.bills(scope, at)
    assert paid_for(DAY, books.child) == D("3.20")
    assert [amount for _, _, amount in lines(DECEMBER.month)] == [D("-12.80"), D("3.20")]


# Days that hold together --------------------------------------------------------------------------------


def test_a_day_of_waiting_moves_when_the_first_day_of_an_absence_is_corrected(desk, books):
    """The first day of an illness stays billed: once she is known to have eaten then, it is the second."""
    AbsencePolicy.objects.create(waiting_days=1)
    first, second = eats(books, MEALS[:2])
    owe(books.household)
    for booking in (first, second):
        desk.enters(booking, "ill")
    desk.bills()
    assert [paid_for(day, books.child) for day in MEALS[:2]] == [D("3.20"), D(0)]
    owe(books.household)
    desk.enters(first, "present")
    desk.bills(DECEMBER, END_OF_DECEMBER)
    assert [paid_for(day, books.child) for day in MEALS[:2]] == [D("3.20"), D("3.20")]


def test_an_absence_goes_on_from_one_formula_of_an_activity_to_another(desk, books, canteen, meals):
    AbsencePolicy.objects.create(waiting_days=1)
    other = FormulaFactory(activity=canteen.activity, code="pique-nique", name="Pique-nique")
    FormulaTariff.objects.create(formula=other, tariff=meals)
    (first,) = eats(books, MEALS[:1])
    owe(books.household)
    desk.enters(first, "ill")
    desk.bills()
    (second,) = eats(books, [date(2026, 12, 3)], formula=other)
    desk.at = paris(2026, 12, 4)
    desk.enters(second, "ill")
    owe(books.household)
    desk.bills(DECEMBER, END_OF_DECEMBER)
    assert paid_for(second.day, books.child) == D(0)


# Without a booking --------------------------------------------------------------------------------------


def test_a_presence_billed_by_mistake_comes_off_the_next_invoice_once(desk, stranger):
    owe(stranger.household)
    desk.sees(stranger, DAY)
    desk.bills()
    assert paid_for(DAY, stranger.child) == D(10)
    owe(stranger.household)
    desk.takes_out(stranger, DAY)
    desk.bills(DECEMBER, END_OF_DECEMBER)
    assert lines(DECEMBER.month) == [
        (
            "credit",
            "Repas – présence sans réservation : pointage corrigé après la facture F2026-000001",
            D(-10),
        )
    ]
    owe(stranger.household)
    desk.bills(JANUARY, END_OF_JANUARY)
    assert paid_for(DAY, stranger.child) == 0 and lines(JANUARY.month) == []


def test_a_presence_taken_out_then_entered_again_stays_due_once(desk, stranger):
    owe(stranger.household)
    desk.sees(stranger, DAY)
    desk.bills()
    owe(stranger.household)
    desk.takes_out(stranger, DAY)
    desk.sees(stranger, DAY)
    desk.bills(DECEMBER, END_OF_DECEMBER)
    assert paid_for(DAY, stranger.child) == D(10)


def test_a_presence_billed_to_the_wrong_home_is_billed_to_the_other(desk, stranger, waits):
    stranger.child.households.add(waits.household)
    other = replace(waits, child=stranger.child)
    owe(stranger.household)
    desk.sees(stranger, DAY)
    desk.bills()
    owe(stranger.household)
    desk.takes_out(stranger, DAY)
    desk.sees(other, DAY)
    desk.bills(DECEMBER, END_OF_DECEMBER)
    assert {one.household: one.total for one in Invoice.objects.filter(month=DECEMBER.month)} == {
        stranger.household: D(490), waits.household: D(10),
    }  # fmt: skip


def test_a_presence_billed_without_the_booking_found_since_pays_the_booking(desk, books):
    owe(books.household)
    desk.sees(books, DAY)
    desk.bills()
    booking = BookingFactory(enrolment=books.enrolment, day=DAY)
    desk.enters(booking, "present")
    owe(books.household)
    desk.bills(DECEMBER, END_OF_DECEMBER)
    assert paid_for(DAY, books.child) == D("3.20")


def test_a_booking_made_after_the_child_came_is_not_billed_besides(desk, books):
    desk.sees(books, DAY)
    BookingFactory(enrolment=books.enrolment, day=DAY)
    desk.bills()
    assert paid_for(DAY, books.child) == D("3.20")


def test_a_child_whose_booking_was_cancelled_may_still_have_come(desk, books, lina):
    owe(books.household)
    desk.enters(lina, "present")
    desk.bills()
    Booking.objects.filter(pk=lina.pk).update(state=BookingState.CANCELLED)
    desk.sees(books, DAY)
    owe(books.household)
    desk.bills(DECEMBER, END_OF_DECEMBER)
    assert paid_for(DAY, books.child) == D(10)


def test_a_booking_held_again_is_billed_again_even_alone(desk, books, lina):
    owe(books.household)
    desk.bills()
    Booking.objects.filter(pk=lina.pk).update(state=BookingState.CANCELLED)
    owe(books.household)
    desk.bills(DECEMBER, END_OF_DECEMBER)
    assert paid_for(DAY, books.child) == 0
    Booking.objects.filter(pk=lina.pk).update(state=BookingState.ACCEPTED)
    desk.bills(JANUARY, END_OF_JANUARY)
    assert paid_for(DAY, books.child) == D("3.20")


# Flat prices --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [*product(PRICES, ENTERED)])
def test_a_day_billed_on_its_own_keeps_its_price_when_the_tariff_turns_flat(
    desk, books, lina, meals, before, after
):
    """Unless it becomes free, or was: then the month's flat price is due, if no other day paid by itself."""
    owe(books.household)
    desk.enters(lina, before)
    desk.bills()
    Tariff.objects.filter(pk=meals.pk).update(unit="month")
    desk.enters(lina, after)
    owe(books.household)
    desk.bills(DECEMBER, END_OF_DECEMBER)
    free = "on strike", "ill"
    certified = "ill" in (before, after) and after != "present"
    if after in free or certified:
        due = D(0)
    elif before in free:
        due = PRICES[after]
    else:
        due = PRICES[before]
    assert sum(amount for _, _, amount in lines(NOVEMBER.month) + lines(DECEMBER.month)) == due


def test_a_month_billed_by_the_day_is_not_billed_flat_for_a_day_corrected_since(desk, books, meals):
    first, _ = eats(books, MEALS[:2])
    owe(books.household)
    desk.enters(first, "on strike")
    desk.bills()
    Tariff.objects.filter(pk=meals.pk).update(unit="month")
    desk.enters(first, "present")
    owe(books.household)
    desk.bills(DECEMBER, END_OF_DECEMBER)
    assert lines(DECEMBER.month) == [("flat", "Repas – forfait déjà facturé", D(0))]


def test_a_flat_price_is_due_once_though_its_days_have_several_prices(desk, books, meals):
    Tariff.objects.filter(pk=meals.pk).update(unit="month")
    eats(books, MEALS[:2])
    eats(books, MEALS[2:], late=True)
    desk.bills()
    assert Invoice.objects.get().total == D("3.20")


# Whatever happens ---------------------------------------------------------------------------------------

LAST = Scope(date(2027, 3, 1)), paris(2027, 3, 31, 18)
BEFORE = [
    (NOVEMBER, END_OF_NOVEMBER),
    (DECEMBER, END_OF_DECEMBER),
    (JANUARY, END_OF_JANUARY),
    (Scope(date(2027, 2, 1)), paris(2027, 2, 28, 18)),
]
WHO = ["Lina with Roux", "Lina with Petit", "Tom"]


@dataclass
class World:
    """Lina in her two homes, two days in each; Tom, her younger brother, at half the price in the first, once
    late; Max, their friend, who is not enrolled."""

    first: Household
    second: Household
    max: Family
    bookings: dict[tuple[str, date], Booking]

    def owe(self) -> None:
        for home in (self.first, self.second):
            owe(home)

    def paid(self) -> dict[tuple[str, date], Decimal]:
        """What each day of each child cost, over all invoices."""
        of_max = BilledItem.objects.filter(attendance__child=self.max.child, attendance__booking=None)
        found = {("Max", day): [one for one in of_max if one.attendance.day == day] for day in MEALS}
        for key, booking in self.bookings.items():
            found[key] = list(booking.billed.all())
        return {key: sum((one.amount for one in items), D(0)) for key, items in found.items()}


@pytest.fixture
def world(desk, canteen, year, meals, school_class):
    """Makes one, as often as it is asked."""
    TariffModifier.objects.create(tariff=meals, when="rank", number=2, effect="percent", amount=-50)
    AbsencePolicy.objects.create(waiting_days=1)
    logins = count()

    def make() -> World:
        roux, petit = (
            enrolled(family(f"home{next(logins)}", name, "Lina", school_class), canteen, year)
            for name in ("Roux", "Petit")
        )
        roux.child.households.add(petit.household)
        Enrolment.objects.filter(pk=petit.enrolment.pk).update(child=roux.child)
        petit.enrolment.refresh_from_db()
        tom = ChildFactory(first_name="Tom", birth_date=date(2020, 1, 1), households=[roux.household])
        brother = EnrolmentFactory(
            household=roux.household, child=tom, activity=canteen.activity, school_year=year,
            establishment=canteen.restaurant,
        )  # fmt: skip
        enrolments = [(WHO[0], roux.enrolment, MEALS[:2]), (WHO[1], petit.enrolment, MEALS[2:])]
        enrolments.append((WHO[2], brother, MEALS))
        bookings = {
            (who, day): BookingFactory(enrolment=enrolment, day=day, late=who == "Tom" and day == DAY)
            for who, enrolment, days in enrolments
            for day in days
        }
        friend = ChildFactory(first_name="Max", households=[roux.household])
        return World(roux.household, petit.household, replace(roux, child=friend), bookings)

    return make


def copy(lived: World, fresh: World) -> None:
    """The second world as the first one ended up."""
    for key, booking in lived.bookings.items():
        twin = fresh.bookings[key]
        Booking.objects.filter(pk=twin.pk).update(
            state=Booking.objects.values_list("state", flat=True).get(pk=booking.pk)
        )
        for row in Attendance.objects.filter(booking=booking):
            row.pk, row.booking, row.household, row.child = None, twin, twin.household, twin.child
            row.save(force_insert=True)
    for row in Attendance.objects.unreserved().filter(child=lived.max.child):
        row.pk, row.household, row.child = None, fresh.first, fresh.max.child
        row.save(force_insert=True)


STEPS = st.one_of(
    st.tuples(st.sampled_from(ENTERED), st.sampled_from(WHO), st.sampled_from(MEALS)),
    st.tuples(st.sampled_from(["sees", "takes out"]), st.just("Max"), st.sampled_from(MEALS)),
    st.tuples(st.sampled_from(["cancels", "holds"]), st.sampled_from(WHO), st.sampled_from(MEALS)),
    st.just(("bills", "", DAY)),
)


def does(desk: Desk, lived: World, step: tuple[str, str, date]) -> None:
    what, who, day = step
    if what == "sees":
        desk.sees(lived.max, day)
    elif what == "takes out":
        desk.takes_out(lived.max, day)
    elif booking := lived.bookings.get((who, day)):
        if what in ("cancels", "holds"):
            state = BookingState.CANCELLED if what == "cancels" else BookingState.ACCEPTED
            Booking.objects.filter(pk=booking.pk).update(state=state)
        elif Booking.objects.holding().filter(pk=booking.pk).exists():
            desk.enters(booking, what)


@on_the_database
@given(steps=st.lists(STEPS, max_size=16))
def test_over_all_invoices_each_day_costs_what_it_costs_billed_once(desk, world, steps):
    with transaction.atomic():
        lived, months = world(), iter(BEFORE)
        desk.at = MORNING
        for step in steps:
            if step[0] != "bills":
                does(desk, lived, step)
            elif (month := next(months, None)) is not None:
                lived.owe()
                desk.bills(*month)
        fresh = world()
        copy(lived, fresh)
        lived.owe()
        fresh.owe()
        desk.bills(*LAST)
        assert lived.paid() == fresh.paid()
        transaction.set_rollback(True)
