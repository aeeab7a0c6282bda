"""A billed day keeps its price until somebody recalculates its month: shown first, confirmed, then billed."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices import invoicing, recalculating
from billing.invoices.billable import Scope
from billing.invoices.recalculating import RecalculationRefused
from billing.models import (
    BilledItem,
    BillingSettings,
    Invoice,
    ManualCharge,
    RecalculatedHousehold,
    Recalculation,
    Tariff,
    TariffModifier,
)
from families import residences
from families.models import FamilyQuotient, Household, Residence
from portal.reservations.models import Booking
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, MEALS, NOVEMBER, eats
from tests.conftest import enrolled, family, on_the_database
from tests.factories import QuotientFactory, paris

D = Decimal
MOVE = MEALS[2]
TOLD = paris(2026, 12, 3, 9)
JANUARY, END_OF_JANUARY = Scope(date(2027, 1, 1)), paris(2027, 1, 29, 18)


def owe(home: Household) -> None:
    """Something to pay whatever comes off."""
    ManualCharge.objects.create(household=home, label="Sortie", unit_price=500, reason="x")


def bill(scope: Scope = NOVEMBER, at: Any = END_OF_NOVEMBER) -> None:
    invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)


def asked(who: Any = None, at: Any = TOLD, by: Any = None) -> Recalculation:
    """November, of a household or of all, as it is shown."""
    home = None if who is None else who.household
    found = recalculating.ask(NOVEMBER.month, household=home, reason="Déménagement su tard", by=by, at=at)
    recalculating.count(found)
    return found


def decided(found: Recalculation, at: Any = TOLD) -> int:
    recalculating.confirm(found, by=None, at=at)
    return recalculating.carry_out(found)


def recalculate(who: Any = None) -> None:
    assert decided(asked(who)) == 0


def cost(home: Household) -> dict[date, Decimal]:
    """What each day cost, over all invoices; None where there was a flat price."""
    found: dict[Any, Decimal] = {}
    for item in BilledItem.objects.filter(line__invoice__household=home).select_related("booking"):
        day = item.booking.day if item.booking else None
        found[day] = found.get(day, D(0)) + item.amount
    return found


def lines(month: date) -> list[tuple[str, str, Decimal]]:
    rows = Invoice.objects.get(month=month).lines.exclude(kind="manual")
    return [(line.kind, line.label, line.amount) for line in rows]


@pytest.fixture
def doubled(meals):
    """Twice the price of 3.20 for those from elsewhere."""
    TariffModifier.objects.create(tariff=meals, when="non_resident", effect="multiply", amount=2)
    return meals


@pytest.fixture
def moved(doubled, books):
    """Four meals are billed; then she is known to have left the town before the third."""
    eats(books)
    bill()
    residences.settle(books.household, resident=False, since=MOVE, at=TOLD)
    return books


# One household ------------------------------------------------------------------------------------------


def test_billed_days_keep_their_price_until_somebody_recalculates(moved):
    owe(moved.household)
    bill(DECEMBER, END_OF_DECEMBER)
    assert lines(DECEMBER.month) == []
    assert sum(cost(moved.household).values()) == D("12.80")


def test_what_it_would_do_is_shown_and_nothing_is_written_for_the_invoice(moved):
    found = asked(moved)
    home = found.homes.get()
    assert (home.billed, home.amount, home.difference) == (D("12.80"), D("19.20"), D("6.40"))
    assert found.state == "ready"
    owe(moved.household)
    bill(DECEMBER, END_OF_DECEMBER)
    assert lines(DECEMBER.month) == []


def test_once_confirmed_the_next_invoice_takes_back_and_bills_again(moved):
    recalculate(moved)
    owe(moved.household)
    bill(DECEMBER, END_OF_DECEMBER)
    assert lines(DECEMBER.month) == [
        ("credit", "Repas : recalculé après la facture F2026-000001", D("-6.40")),
        ("debit", "Repas – régularisation", D("12.80")),
    ]
    line = Invoice.objects.get(month=DECEMBER.month).lines.get(kind="debit")
    assert line.explanation.startswith("Recalculé après la facture F2026-000001. ")
    assert "Famille hors commune" in line.explanation
    assert line.days == [day.isoformat() for day in MEALS[2:]]
    assert cost(moved.household) | {None: D(0)} == {
        MEALS[0]: D("3.20"), MEALS[1]: D("3.20"), MEALS[2]: D("6.40"), MEALS[3]: D("6.40"), None: D(0),
    }  # fmt: skip
    home = RecalculatedHousehold.objects.get()
    assert home.state == "billed" and home.invoice == Invoice.objects.get(month=DECEMBER.month)


def test_what_is_in_favour_of_the_family_waits_for_an_invoice_that_bears_it(doubled, books):
    residences.settle(books.household, resident=False, since=date(2026, 10, 1), at=END_OF_NOVEMBER)
    eats(books)
    bill()
    residences.settle(books.household, resident=True, since=MOVE, at=TOLD)
    recalculate(books)
    assert RecalculatedHousehold.objects.get().difference == D("-6.40")
    bill(DECEMBER, END_OF_DECEMBER)
    assert Invoice.objects.count() == 1
    owe(books.household)
    bill(JANUARY, END_OF_JANUARY)
    assert sum(cost(books.household).values()) == D("19.20") and Invoice.objects.count() == 2


def test_recalculated_once_more_a_month_is_right_and_changes_nothing(moved):
    recalculate(moved)
    owe(moved.household)
    bill(DECEMBER, END_OF_DECEMBER)
    assert not asked(moved).homes.exists()


def test_a_second_recalculation_takes_the_place_of_one_that_no_invoice_took_over(moved):
    recalculate(moved)
    residences.settle(moved.household, resident=True, since=MOVE, at=TOLD)
    residences.settle(moved.household, resident=False, since=MEALS[3], at=TOLD)
    recalculate(moved)
    owe(moved.household)
    bill(DECEMBER, END_OF_DECEMBER)
    assert sum(cost(moved.household).values()) == D("16.00")
    states = RecalculatedHousehold.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["replaced", "billed"]


def test_a_recalculation_undone_before_the_invoice_leaves_no_line(moved):
    recalculate(moved)
    residences.settle(moved.household, resident=True, since=MOVE, at=TOLD)
    recalculate(moved)
    owe(moved.household)
    bill(DECEMBER, END_OF_DECEMBER)
    assert lines(DECEMBER.month) == []


def test_facts_told_after_the_confirmation_change_nothing_of_what_was_confirmed(moved):
    recalculate(moved)
    residences.settle(moved.household, resident=True, since=MOVE, at=TOLD)
    owe(moved.household)
    bill(DECEMBER, END_OF_DECEMBER)
    assert sum(cost(moved.household).values()) == D("19.20")


def test_a_day_cancelled_before_the_invoice_costs_nothing_however_it_was_recalculated(moved):
    recalculate(moved)
    Booking.objects.filter(day=MEALS[3]).update(state="cancelled")
    owe(moved.household)
    bill(DECEMBER, END_OF_DECEMBER)
    assert cost(moved.household)[MEALS[3]] == 0
    assert cost(moved.household)[MEALS[2]] == D("6.40")


# What stands in the way ---------------------------------------------------------------------------------


def test_a_preview_that_holds_no_longer_is_shown_again_instead(moved):
    found = asked(moved)
    residences.settle(moved.household, resident=False, since=MEALS[0], at=TOLD)
    assert decided(found) == 1
    home = found.homes.get()
    assert (found.state, home.state, home.difference) == ("ready", "proposed", D("12.80"))
    owe(moved.household)
    bill(DECEMBER, END_OF_DECEMBER)
    assert lines(DECEMBER.month) == []


def test_a_month_confirmed_twice_is_refused(moved):
    found = asked(moved)
    decided(found)
    with pytest.raises(RecalculationRefused, match="déjà : confirmé"):
        recalculating.confirm(found, by=None, at=TOLD)


def test_a_month_that_was_not_billed_is_refused(doubled, books):
    eats(books)
    with pytest.raises(RecalculationRefused, match="Rien n'a été facturé en novembre 2026 pour ce foyer"):
        asked(books)


def test_no_reason_no_recalculation(moved):
    with pytest.raises(RecalculationRefused, match="motif"):
        recalculating.ask(NOVEMBER.month, household=moved.household, reason=" ", by=None, at=TOLD)


# All households -----------------------------------------------------------------------------------------


def test_of_all_households_those_that_changed_since_are_left_out(doubled, books, waits):
    eats(books)
    eats(waits)
    bill()
    for who in (books, waits):
        residences.settle(who.household, resident=False, since=MOVE, at=TOLD)
    found = asked()
    residences.settle(waits.household, resident=False, since=MEALS[0], at=TOLD)
    assert decided(found) == 1
    assert dict(found.homes.values_list("household", "state")) == {
        books.household.pk: "confirmed",
        waits.household.pk: "changed",
    }
    for who in (books, waits):
        owe(who.household)
    bill(DECEMBER, END_OF_DECEMBER)
    assert sum(cost(books.household).values()) == D("19.20")
    assert sum(cost(waits.household).values()) == D("12.80")


def test_many_households_cost_no_query_more(doubled, books, waits, canteen, year, school_class):
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            recalculating.compare(homes, NOVEMBER.month, BillingSettings.current())
        return len(seen)

    eats(books)
    more = [
        enrolled(family(f"home{number}", "Petit", "Zoé", school_class), canteen, year) for number in range(9)
    ]
    for one in more:
        eats(one)
    bill()
    homes = [books.household.pk]
    few = queries()
    homes += [one.household.pk for one in more]
    assert queries() == few


# Flat prices --------------------------------------------------------------------------------------------


@pytest.fixture
def flat(doubled):
    """The same prices, a month."""
    Tariff.objects.filter(pk=doubled.pk).update(unit="month")
    return doubled


def of_flats(home: Household) -> Decimal:
    found = BilledItem.objects.filter(line__invoice__household=home)
    return sum((item.amount for item in found), D(0))


def recalculated(who: Any) -> Decimal:
    """What a month costs after its recalculation, over all invoices."""
    recalculate(who)
    owe(who.household)
    bill(DECEMBER, END_OF_DECEMBER)
    return of_flats(who.household)


def test_a_flat_price_follows_the_facts_of_its_first_day(flat, books):
    eats(books)
    bill()
    residences.settle(books.household, resident=False, since=MEALS[0], at=TOLD)
    assert recalculated(books) == D("6.40")


def test_a_flat_price_is_parted_once_the_enrolment_is_known_to_have_begun_late(flat, books):
    Tariff.objects.update(begun="weeks")
    eats(books, [date(2026, 11, 19)])
    bill()
    books.enrolment.starts_on = date(2026, 11, 18)
    books.enrolment.save()
    assert recalculated(books) == D("1.92")


def test_a_month_billed_flat_is_billed_by_the_day_once_its_tariff_is(flat, books):
    eats(books)
    bill()
    Tariff.objects.update(unit="presence")
    assert recalculated(books) == D("12.80")
    assert not asked(books).homes.exists()


def test_a_month_billed_by_the_day_is_billed_flat_once_its_tariff_is(doubled, books):
    eats(books)
    bill()
    Tariff.objects.update(unit="month")
    assert recalculated(books) == D("3.20")
    assert not asked(books).homes.exists()


@pytest.mark.parametrize(("emptied", "euros"), [("kept", "3.20"), ("credited", "0.00")])
def test_a_recalculation_keeps_or_gives_back_an_empty_month_as_the_town_says(flat, books, emptied, euros):
    Tariff.objects.update(emptied="kept")
    eats(books)
    bill()
    Booking.objects.update(state="cancelled")
    Tariff.objects.update(emptied=emptied)
    owe(books.household)
    bill(DECEMBER, END_OF_DECEMBER)
    assert of_flats(books.household) == D(euros)


# Whatever happens ---------------------------------------------------------------------------------------

MONTHS = [
    (NOVEMBER, END_OF_NOVEMBER),
    (DECEMBER, END_OF_DECEMBER),
    (JANUARY, END_OF_JANUARY),
    (Scope(date(2027, 2, 1)), paris(2027, 2, 28, 18)),
]
LAST = Scope(date(2027, 3, 1)), paris(2027, 3, 31, 18)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["lives here", "lives elsewhere", "has a quotient"]), st.sampled_from(MEALS)),
    st.tuples(st.sampled_from(["cancels", "holds"]), st.sampled_from(MEALS)),
    st.tuples(st.sampled_from(["bills", "recalculates"]), st.just(MEALS[0])),
)


@dataclass
class Told:
    """What a day should cost, by what was known at its last bill or recalculation."""

    home: Household
    bookings: dict[date, Booking]
    charged: dict[date, Decimal] = field(default_factory=dict)
    waits: dict[date, Decimal] = field(default_factory=dict)

    def rule(self, day: date) -> Decimal:
        rows = list(Residence.objects.filter(household=self.home))
        here = residences.holding(rows, day) if rows else True
        low = FamilyQuotient.objects.filter(household=self.home, valid_from__lte=day).exists()
        return (D("1.75") if low else D("3.20")) * (1 if here else 2)

    def held(self, day: date) -> bool:
        return Booking.objects.holding().filter(pk=self.bookings[day].pk).exists()

    def was_billed(self) -> None:
        for day in MEALS:
            if not self.held(day):
                self.charged.pop(day, None)
            elif day not in self.charged:
                self.charged[day] = self.rule(day)
            elif day in self.waits:
                self.charged[day] = self.waits[day]
        self.waits = {}

    def was_recalculated(self) -> None:
        self.waits = {day: self.rule(day) for day in self.charged if self.held(day)}


def does(told: Told, what: str, day: date) -> None:
    if what.startswith("lives"):
        told.home.refresh_from_db()
        residences.settle(told.home, resident="here" in what, since=day, at=TOLD)
    elif what == "has a quotient":
        FamilyQuotient.objects.filter(household=told.home).delete()
        QuotientFactory(household=told.home, value=100, valid_from=day)
    else:
        state = "accepted" if what == "holds" else "cancelled"
        Booking.objects.filter(pk=told.bookings[day].pk).update(state=state)


@on_the_database
@given(steps=st.lists(STEPS, max_size=10))
def test_a_day_costs_what_was_known_at_its_last_bill_or_recalculation(doubled, books, steps):
    with transaction.atomic():
        told, months = Told(books.household, dict(zip(MEALS, eats(books), strict=True))), iter(MONTHS)
        for what, day in steps:
            if what == "bills" and (month := next(months, None)):
                owe(books.household)
                bill(*month)
                told.was_billed()
            elif what == "recalculates" and any(told.held(day) for day in told.charged):
                recalculate(books)
                told.was_recalculated()
            elif what not in ("bills", "recalculates"):
                does(told, what, day)
        owe(books.household)
        bill(*LAST)
        told.was_billed()
        found = cost(books.household)
        assert {day: found.get(day, D(0)) for day in MEALS} == {
            day: told.charged.get(day, D(0)) for day in MEALS
        }
        transaction.set_rollback(True)
