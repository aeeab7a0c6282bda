"""What a late day costs where two centres are open on the same days: by the deadline of one's own period.

The planning, the validation, the estimate behind them, the provisional invoice and the invoice say the same.
"""

import re
from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.urls import reverse

from billing.invoices import invoicing
from billing.models import FormulaTariff, Invoice, Tariff, TariffBand
from billing.prices import estimates
from billing.prices.books import PriceBook
from billing.prices.estimates import Estimates
from portal.reservations.acts import booking, reservation_drafts
from portal.reservations.acts.opening import open_slots
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Booking, Period
from tests.billing.conftest import END_OF_NOVEMBER, NOVEMBER
from tests.factories import BookingFactory, CentreFactory, PeriodFactory
from tests.leisure.cast import NEXT_WEDNESDAY, WEDNESDAY, centre, enrol, plays, wednesdays

__all__ = ["centre", "enrol", "plays", "wednesdays"]

D = Decimal
ONE_DAY, TWO_DAYS = [WEDNESDAY], [WEDNESDAY, NEXT_WEDNESDAY]
TOTALS = [
    r'data-count[^>]*>\d+ jours? choisis? · ([\d,]+) €',
    r"Total estimé des jours à réserver : <strong>([\d,]+) €",
    r'<strong>Total estimé</strong><strong class="amount">([\d,]+) €',
]  # fmt: skip


@pytest.fixture
def centres(wednesdays, school, year, now):
    """Two centres, A and B, each with its own period of the same Wednesdays; every day there is late, and
    costs 10.00 by itself."""
    other = CentreFactory(name="Centre B", serves=[school])
    wednesdays.activity.establishments.add(other)
    first = wednesdays.period
    second = PeriodFactory(
        activity=wednesdays.activity,
        school_year=year,
        code="mercredis-b",
        starts_on=first.starts_on,
        ends_on=first.ends_on,
    )
    first.establishments.set([wednesdays.centre])
    second.establishments.set([other])
    open_slots(second, at=now)
    tariff = Tariff.objects.create(code="mercredis", name="Mercredis", valid_from=date(2026, 9, 1))
    TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": "10"})
    for formula in wednesdays.formulas.values():
        FormulaTariff.objects.create(formula=formula, tariff=tariff)
    activity = wednesdays.activity
    deadline = activity.deadlines.get(action="book")
    deadline.rule.number = 30  # days before
    deadline.rule.save()
    deadline.late = "accept"
    deadline.save()

    def late(more: str = "", *, free: int = 0, **scope) -> None:
        """A late day of the scope costs so much more, but for the first ones of a month."""
        row = activity.deadlines.filter(action="book", formula=None, period=None).get()
        if scope:
            row = activity.deadlines.model(activity=activity, action="book", rule=row.rule, late="accept")
        row.surcharge, row.surcharge_amount = ("add", D(more)) if more else ("", None)
        row.free_late_a_month = free
        for name, value in scope.items():
            setattr(row, name, value)
        row.full_clean()
        row.save()

    return SimpleNamespace(
        late=late,
        activity=activity,
        centre=wednesdays.centre,
        morning=wednesdays.morning,
        a=SimpleNamespace(place=wednesdays.centre, period=first),
        b=SimpleNamespace(place=other, period=second),
    )


@pytest.fixture
def everywhere(centres, plays, enrol, now):
    """What each of the five says that the days cost there, in the order in which a family meets them."""

    def said(where: SimpleNamespace, days: list[date], formula=None) -> list[Decimal]:
        estimates.forget()
        formula = formula or centres.morning
        enrolment = enrol(plays, centres, establishment=where.place)
        client, found = plays.client(), []

        def read(address: str, pattern: str) -> None:
            page = client.get(address, follow=True).content.decode().replace("\N{NO-BREAK SPACE}", " ")
            total = re.search(pattern, page)
            assert total, address
            found.append(D(total[1].replace(",", ".")))

        draft = reservation_drafts.choose(
            enrolment,
            where.place,
            where.period,
            book={Choice(formula.pk, day) for day in days},
            by=plays.user,
            at=now,
        )
        read(reverse("leisure:planning", args=[enrolment.pk, where.place.pk, where.period.pk]), TOTALS[0])
        read(reverse("reservations:validation", args=[draft.pk]), TOTALS[1])
        costs = Estimates.load(enrolment, days[0], days[-1], period=where.period)
        free = costs.free_late(formula.pk, days[0])
        found.append(sum(costs.on(formula.pk, day, late=place >= free) for place, day in enumerate(days)))
        booking.submit(draft, by=plays.user, at=now)
        assert Booking.objects.filter(late=True).count() == len(days)
        read(reverse("billing:provisional"), TOTALS[2])
        run = invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER)
        invoicing.issue(run, at=END_OF_NOVEMBER)
        found.append(Invoice.objects.get(run=run).total)
        return found

    return said


@pytest.mark.parametrize("rows", ["ab", "ba"])
@pytest.mark.parametrize(("where", "price"), [("a", D(15)), ("b", D(10))])
def test_a_centre_s_surcharge_is_paid_there_and_nowhere_else(centres, everywhere, rows, where, price):
    """Whichever row was written first."""
    for name in rows:
        centres.late("5" if name == "a" else "", period=getattr(centres, name).period)
    assert everywhere(getattr(centres, where), ONE_DAY) == [price] * 5


@pytest.mark.parametrize(("where", "price"), [("a", D(15)), ("b", D(10))])
def test_a_period_of_its_own_terms_leaves_those_of_the_activity_to_the_others(
    centres, everywhere, where, price
):
    centres.late("5")
    centres.late(period=centres.b.period)
    assert everywhere(getattr(centres, where), ONE_DAY) == [price] * 5


@pytest.mark.parametrize(("where", "price"), [("a", D(12)), ("b", D(15))])
def test_a_formula_of_its_own_terms_has_them_where_no_period_says_otherwise(
    centres, everywhere, where, price
):
    centres.late()
    centres.late("5", formula=centres.morning)
    centres.late("2", period=centres.a.period)
    assert everywhere(getattr(centres, where), ONE_DAY) == [price] * 5


def test_a_formula_s_terms_in_a_period_come_before_all_others(centres, everywhere):
    centres.late("1")
    centres.late("2", formula=centres.morning)
    centres.late("3", period=centres.a.period)
    centres.late("4", period=centres.a.period, formula=centres.morning)
    assert everywhere(centres.a, ONE_DAY) == [D(14)] * 5


@pytest.mark.parametrize("rows", ["ab", "ba"])
@pytest.mark.parametrize(("where", "price"), [("a", D(25)), ("b", D(30))])
def test_late_days_are_forgiven_by_the_terms_of_their_own_period(centres, everywhere, rows, where, price):
    for name in rows:
        centres.late("5", free=1 if name == "a" else 0, period=getattr(centres, name).period)
    assert everywhere(getattr(centres, where), TWO_DAYS) == [price] * 5


def test_a_day_without_a_reservation_goes_by_the_period_of_its_centre(centres, plays, enrol):
    """What the town hall wrote in by itself has no reservation, and so no period of its own."""
    centres.late("5", period=centres.a.period)
    for where, day in ((centres.a, WEDNESDAY), (centres.b, NEXT_WEDNESDAY)):
        enrolment = enrol(plays, centres, establishment=where.place, state="ended")
        BookingFactory(enrolment=enrolment, formula=centres.morning, day=day, late=True)
    run = invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER)
    invoicing.issue(run, at=END_OF_NOVEMBER)
    assert [line.amount for line in Invoice.objects.get(run=run).lines.order_by("unit_price")] == [
        D(10), D(15),
    ]  # fmt: skip


def test_tariffs_are_read_in_as_many_queries_for_one_period_s_terms_as_for_five(
    centres, year, django_assert_num_queries
):
    def read() -> None:
        PriceBook.load([centres.morning.pk], WEDNESDAY, WEDNESDAY)

    centres.late("5", period=centres.a.period)
    with django_assert_num_queries(7):
        read()
    for number in range(4):
        other: Period = PeriodFactory(activity=centres.activity, school_year=year, code=f"p{number}")
        other.establishments.set([centres.a.place])
        centres.late("5", period=other)
    with django_assert_num_queries(7):
        read()
