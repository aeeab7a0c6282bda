"""Whatever is issued, paid, credited, written off, cancelled and recalculated, in whatever order: the account
says what the documents do, no invoice is settled beyond its total, no day is credited beyond its cost."""

from collections import defaultdict
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices import creditable, invoicing, ledger, recalculating
from billing.invoices.billable import Scope
from billing.invoices.creditable import Wanted
from billing.invoices.recalculating import RecalculationRefused
from billing.invoices.refusals import BillingRefused
from billing.models import BilledItem, CreditedItem, Invoice, Payment, TariffBand
from billing.payments import crediting, paying, writing_off
from billing.payments.paying import PaymentRefused
from families.custody.own import OwnHousehold
from families.models import Guardian
from portal.reservations.models import Booking
from portal.reservations.states import BookingState
from tests.billing.conftest import FIRST_OF_DECEMBER, MEALS, eats
from tests.conftest import on_the_database
from tests.factories import paris

D = Decimal
MONTHS = [date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1)]
DAYS = [*MEALS, date(2026, 12, 3), date(2026, 12, 4)]
VERBS = (
    """issues pays credits credits writes_off cancels holds gives_back recalculates reprices uses""".split()
)
ACTS = st.lists(
    st.tuples(
        st.sampled_from(VERBS),
        st.integers(0, 5),
        st.integers(1, 2000),
        st.booleans(),
    ),
    max_size=14,
)
REFUSED = (BillingRefused, PaymentRefused, RecalculationRefused)


class Town:
    """One family, and the desk that acts on its money."""

    def __init__(self, home):
        self.home, self.at, self.months = home.household, FIRST_OF_DECEMBER, iter(MONTHS)

    def does(self, what, number, cents, yes):
        self.at += timedelta(minutes=7)
        with suppress(*REFUSED):
            getattr(self, what)(number, D(cents) / 100, yes)

    def invoice(self, number):
        rows = list(Invoice.objects.filter(household=self.home).order_by("pk"))
        return rows[number % len(rows)]

    def issues(self, number, amount, yes):
        if (month := next(self.months, None)) is not None:
            self.at = max(self.at, paris(month.year, month.month, 28, 18))
            scope = Scope(month)
            if yes:
                invoicing.issue_one(self.home, scope, by=None, at=self.at)
            else:
                invoicing.issue(invoicing.start(scope, by=None, at=self.at), at=self.at)

    def pays(self, number, amount, yes):
        paying.record(self.home, amount, "cash", paid_on=self.at.date(), by=None, at=self.at)

    def credits(self, number, amount, yes):
        invoice = self.invoice(number)
        found = creditable.of(invoice)
        days = [day.item for line in found.lines for day in line.days]
        wanted = [
            Wanted(whole=True),
            Wanted(amount=amount),
            Wanted(lines=frozenset(line.line.pk for line in found.lines[:1])),
            *(Wanted(items=frozenset(days[: 1 + number])) for _ in range(3)),
        ][number]
        becomes = "kept" if yes else "refunded"
        crediting.credit(invoice, wanted, reason="Erreur", becomes=becomes, by=None, at=self.at)

    def writes_off(self, number, amount, yes):
        writing_off.write_off(
            self.invoice(number), amount, kind="uncollectable", reason="Insolvable", decision="DEL-1",
            decided_on=date(2026, 12, 1), by=None, at=self.at,
        )  # fmt: skip

    def cancels(self, number, amount, yes):
        Booking.objects.filter(household=self.home, day=DAYS[number]).update(state=BookingState.CANCELLED)

    def holds(self, number, amount, yes):
        Booking.objects.filter(household=self.home, day=DAYS[number]).update(state=BookingState.ACCEPTED)

    def gives_back(self, number, amount, yes):
        for one in Payment.objects.filter(household=self.home, amount__gt=0):
            if free := paying.unused(one):
                paying.refund(one, free, means="cash", paid_on=self.at.date(), by=None, at=self.at)

    def recalculates(self, number, amount, yes):
        asked = recalculating.ask(date(2026, 11, 1), household=self.home, reason="x", by=None, at=self.at)
        recalculating.count(asked)
        recalculating.confirm(asked, by=None, at=self.at)
        recalculating.carry_out(asked)

    def reprices(self, number, amount, yes):
        TariffBand.objects.update(prices={"": f"{amount:.2f}"})

    def uses(self, number, amount, yes):
        paying.use_what_is_left(self.home)

    def look(self):
        pk = self.home.pk
        assert ledger.balances([pk]).get(pk, D(0)) == ledger.standing([pk]).get(pk, D(0))
        for one in Invoice.objects.filter(household=pk).with_balance():
            assert 0 <= one.left <= one.total
        cost = defaultdict(D)
        for booking, amount in BilledItem.objects.values_list("booking", "amount"):
            cost[booking] += amount
        for item in CreditedItem.objects.select_related("item"):
            cost[item.item.booking_id] -= item.item.amount
        assert all(euros >= 0 for euros in cost.values()), dict(cost)


@on_the_database
@given(ACTS)
def test_in_any_order_no_document_answers_for_more_than_it_was_billed(owes, acts):
    with transaction.atomic():
        eats(owes, DAYS[4:])
        town = Town(owes)
        for act in acts:
            town.does(*act)
            town.look()
        transaction.set_rollback(True)


def test_of_a_month_that_was_credited_nothing_is_recalculated(owes):
    """Two of four days credited; the price doubles: only the other two are billed anew."""
    town = Town(owes)
    invoice = town.invoice(0)
    days = [day.item for line in creditable.of(invoice).lines for day in line.days]
    crediting.credit(invoice, Wanted(items=frozenset(days[:2])), reason="x", by=None, at=town.at)
    TariffBand.objects.update(prices={"": "6.40"})
    asked = recalculating.ask(date(2026, 11, 1), household=town.home, reason="x", by=None, at=town.at)
    recalculating.count(asked)
    row = asked.homes.get()
    assert (row.billed, row.amount) == (D("6.40"), D("12.80"))
    assert sorted(one["item"] for one in row.changes) == sorted(days[2:])


def test_a_recalculation_that_waits_is_not_billed_of_a_day_credited_since(owes):
    town = Town(owes)
    TariffBand.objects.update(prices={"": "2.20"})
    town.recalculates(0, 0, False)
    invoice = town.invoice(0)
    days = [day.item for line in creditable.of(invoice).lines for day in line.days]
    crediting.credit(invoice, Wanted(items=frozenset(days[:3])), reason="x", by=None, at=town.at)
    eats(owes, DAYS[4:])
    town.issues(0, 0, False)
    # Two meals at 2,20, less 1,00 for the one day of November that is not credited.
    assert town.invoice(1).total == D("3.40")


def test_who_lives_there_does_not_answer_their_own_invoice(owes, agent):
    Guardian.objects.filter(pk=owes.guardian.pk).update(user=agent)
    invoice = Invoice.objects.get(household=owes.household)
    said = {"reason": "x", "by": agent, "at": FIRST_OF_DECEMBER}
    with pytest.raises(OwnHousehold):
        crediting.credit(invoice, Wanted(whole=True), **said)
    decided = {"decision": "D", "decided_on": date(2026, 12, 1)}
    with pytest.raises(OwnHousehold):
        writing_off.write_off(invoice, D(1), kind="remission", **decided, **said)
    with pytest.raises(OwnHousehold):
        invoicing.issue_one(owes.household, Scope(MONTHS[0]), by=agent, at=FIRST_OF_DECEMBER)
