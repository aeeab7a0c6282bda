"""A child that comes for more than it had booked is billed once, for the longer of both."""

from datetime import date, time, timedelta
from decimal import Decimal

import pytest

from billing.invoices import invoicing, recalculating
from billing.invoices.billable import Scope
from billing.models import FormulaTariff, Invoice, InvoiceLine, Tariff, TariffBand, TariffModifier
from portal.reservations.models import Attendance, Booking
from portal.reservations.presence import attendance, certificates
from portal.reservations.presence.attendance import AttendanceSheet, Said
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, NOVEMBER
from tests.conftest import Family
from tests.factories import BookingFactory, FormulaFactory, paris

DAY = date(2026, 11, 9)
MORNING = paris(2026, 11, 30, 8)
PRICES = {
    "short": (time(16, 30), time(17), "0.60"),
    "long": (time(16, 30), time(18, 30), "1.20"),
    "late": (time(18), time(19), "0.70"),
    "early": (time(7, 30), time(8, 30), "1.00"),
    "morning": (time(8), time(8, 30), "0.50"),
}


@pytest.fixture
def care(meals, canteen) -> dict:
    """Formulas of one activity, each with its hours and its price; who comes unreserved pays 10 €."""
    found = {}
    for code, (starts, ends, price) in PRICES.items():
        formula = FormulaFactory(
            activity=canteen.activity, code=code, name=code, parts=["evening"], starts_at=starts, ends_at=ends
        )
        tariff = Tariff.objects.create(code=code, name=code, kind="flat")
        TariffBand.objects.create(tariff=tariff, prices={"": price})
        TariffModifier.objects.create(tariff=tariff, when="unreserved", effect="price", amount=10)
        FormulaTariff.objects.create(formula=formula, tariff=tariff)
        found[code] = formula
    return found


@pytest.fixture
def point(canteen, agent):
    """The list of a formula: those expected, and who came besides."""

    def record(formula, *, said=(), came: Family | None = None, left_out=(), at=MORNING):
        homes = [came.child.custodies.get(household=came.household).pk] if came else []
        rows = {booking.pk: Said(state) for booking, state in said}
        return attendance.record(
            canteen.restaurant, formula, DAY, rows, came=homes, left_out=left_out, by=agent, at=at
        )

    return record


def bill(scope=NOVEMBER, at=END_OF_NOVEMBER) -> None:
    invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)


def billed() -> Decimal:
    return sum(Invoice.objects.values_list("total", flat=True), Decimal(0))


def booked(who: Family, formula) -> Booking:
    return BookingFactory(enrolment=who.enrolment, formula=formula, day=DAY)


@pytest.mark.parametrize(
    ("had", "came", "costs"),
    [
        ("short", "long", "1.20"),  # picked up at 18:30 instead of 17:00
        ("long", "short", "1.20"),  # picked up at 17:00 instead of 18:30: reserved hours are due
        ("morning", "early", "1.00"),  # came at 7:30 instead of 8:00
        ("short", "late", "10.60"),  # neither holds the other: two presences, one of them unreserved
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_the_longer_one_is_billed_once(care, point, books, had, came, costs, listed):
    booking = booked(books, care[had])
    if listed:
        point(care[had], said=[(booking, "present")])
    point(care[came], came=books)
    bill()
    assert billed() == Decimal(costs)


def test_whichever_list_is_saved_last(care, point, books, canteen):
    booking = booked(books, care["short"])
    point(care["long"], came=books)
    done = point(care["short"], said=[(booking, "present")])
    assert done.written == 0
    (row,) = AttendanceSheet.load(canteen.restaurant, care["short"], DAY).rows
    assert (row.standing.label, row.longer) == ("Présent", care["long"])
    bill()
    assert billed() == Decimal("1.20")


def test_said_absent_afterwards_it_is_absent(care, point, books):
    booking = booked(books, care["short"])
    point(care["long"], came=books)
    point(care["short"], said=[(booking, "absent")])
    row = Attendance.objects.get()
    assert (row.booking, row.formula, row.state) == (booking, care["short"], "absent")


def test_what_was_billed_is_made_right_on_the_next_invoice_and_back(care, point, books, canteen):
    booking = booked(books, care["short"])
    point(care["short"], said=[(booking, "present")])
    bill()
    assert billed() == Decimal("0.60")
    point(care["long"], came=books, at=paris(2026, 12, 1, 9))
    bill(DECEMBER, END_OF_DECEMBER)
    assert billed() == Decimal("1.20")
    kinds = InvoiceLine.objects.order_by("pk").values_list("kind", "amount")
    assert list(kinds) == [
        ("presence", Decimal("0.60")),
        ("credit", Decimal("-0.60")),
        ("debit", Decimal("1.20")),
    ]
    (besides,) = AttendanceSheet.load(canteen.restaurant, care["long"], DAY).unbooked
    point(care["long"], left_out=[besides.pk], at=paris(2027, 1, 4, 9))
    row = Attendance.objects.get()
    assert (row.formula, row.state) == (care["short"], "present")
    BookingFactory(enrolment=books.enrolment, formula=care["late"], day=date(2027, 1, 11))
    bill(Scope(date(2027, 1, 1)), paris(2027, 1, 29, 18))
    assert billed() == Decimal("0.60") + Decimal("0.70")


def test_a_month_priced_again_still_says_the_longer_one(care, point, books):
    booked(books, care["short"])
    point(care["long"], came=books)
    bill()
    TariffBand.objects.filter(tariff__code="long").update(prices={"": "1.50"})
    found = recalculating.ask(
        NOVEMBER.month, household=books.household, reason="Tarif", by=None, at=END_OF_NOVEMBER
    )
    recalculating.count(found)
    home = found.homes.get()
    assert (home.billed, home.amount) == (Decimal("1.20"), Decimal("1.50"))
    recalculating.confirm(found, by=None, at=END_OF_NOVEMBER)
    recalculating.carry_out(found)
    bill(DECEMBER, END_OF_DECEMBER)
    BookingFactory(enrolment=books.enrolment, formula=care["late"], day=date(2027, 1, 11))
    bill(Scope(date(2027, 1, 1)), paris(2027, 1, 29, 18))
    assert billed() == Decimal("1.50") + Decimal("0.70")


def test_a_flat_price_of_the_longer_one_stays_due_while_a_day_was_seen_for_it(care, point, books):
    Tariff.objects.filter(code="long").update(unit=Tariff.Unit.MONTH, emptied=Tariff.Emptied.CREDITED)
    other = BookingFactory(enrolment=books.enrolment, formula=care["long"], day=date(2026, 11, 10))
    booked(books, care["short"])
    point(care["long"], came=books)
    bill()
    assert billed() == Decimal("1.20")
    Booking.objects.filter(pk=other.pk).update(state="cancelled")
    for day in (date(2026, 12, 3), date(2026, 12, 4)):
        BookingFactory(enrolment=books.enrolment, formula=care["late"], day=day)
    bill(DECEMBER, END_OF_DECEMBER)
    assert billed() == Decimal("1.20") + 2 * Decimal("0.70")


def test_a_certificate_does_not_undo_who_was_seen_for_longer(care, point, books, agent):
    booked(books, care["short"])
    point(care["long"], came=books)
    certificates.take(
        books.household, books.child, DAY, DAY + timedelta(days=1), given_at=MORNING, by=agent, at=MORNING
    )
    assert Attendance.objects.get().state == "present"


def test_a_whole_day_without_hours_holds_its_morning(canteen, meals):
    whole = FormulaFactory(activity=canteen.activity, code="journee", parts=["morning", "noon", "afternoon"])
    morning = FormulaFactory(activity=canteen.activity, code="matinee", parts=["morning"])
    same = FormulaFactory(activity=canteen.activity, code="matinee-bis", parts=["morning"])
    assert whole.covers(morning) and not morning.covers(whole)
    assert not morning.covers(same) and not whole.covers(whole)
