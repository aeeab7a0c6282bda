"""The account of a household as it pays days beforehand: what it holds, less what booked days will cost.

available(household, activity) -> Decimal      in euros, of the régie that bills the activity
purses(household) -> [Purse]               one for each régie by whose activities days are paid so

There is no second balance: it is the ledger's, less days that are accepted and not billed yet, and what stays
due of those that were given up. Days whose deposit was paid keep that deposit. What is owed by invoices is
owed here too.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Exists, OuterRef, Sum

from billing.invoices import ledger, regies
from billing.models import BilledItem, ManualCharge, refund_rules
from billing.prices.estimates import Estimates
from families.models import Household
from portal.reservations.acts import money_first
from portal.reservations.models import Advance, Booking, Cart, CartDay, Enrolment
from portal.reservations.states import HOLDING

ZERO = Decimal("0.00")


def regie_of(activity: int) -> int | None:
    """By whom an activity (key) is billed now."""
    return next(iter(regies.of_activities([activity]) or ()), None)


def available(household: int, activity: int, *, without: Collection[int] = ()) -> Decimal:
    """`household`, `activity`, and bookings that are given up (`without`) are keys."""
    regie = regie_of(activity)
    theirs = [one for one in money_first.paid_first() if regie_of(one) == regie]
    held = -ledger.balances_by_regie([household]).get((household, regie), ZERO)
    spent = _days(household, theirs, without) + _deposits(household, theirs, without)
    return held - spent - _given_up(household, theirs)


def _unbilled(household: int, activities: Collection[int], without: Collection[int]) -> Any:
    return Booking.objects.filter(
        ~Exists(BilledItem.objects.filter(booking=OuterRef("pk"))),
        household=household,
        activity__in=activities,
        state__in=HOLDING,
    ).exclude(pk__in=without)


def _days(household: int, activities: Collection[int], without: Collection[int]) -> Decimal:
    """What accepted days that the account covers will cost."""
    rows = _unbilled(household, activities, without).filter(reservation__isnull=False)
    of: dict[tuple[int, int], list[Booking]] = defaultdict(list)
    for one in rows.select_related("enrolment__household", "reservation__period").order_by("day", "pk"):
        if one.reservation is not None and money_first.by_account(one.activity_id, one.reservation.period_id):
            of[one.enrolment_id, one.reservation.period_id].append(one)
    total = ZERO
    for bookings in of.values():
        first, last = bookings[0], bookings[-1]
        if first.reservation is None:
            continue
        costs = Estimates.load(first.enrolment, first.day, last.day, period=first.reservation.period)
        total += sum((costs.on(one.formula_id, one.day, late=one.late) or ZERO for one in bookings), ZERO)
    return total


def _deposits(household: int, activities: Collection[int], without: Collection[int]) -> Decimal:
    """What was paid beforehand of days that no invoice has yet."""
    days = CartDay.objects.filter(
        cart__state=Cart.State.PAID, booking__in=_unbilled(household, activities, without).values("pk")
    )
    of: dict[tuple[int, int], list[Decimal]] = defaultdict(list)
    for cart, percent, price in days.order_by().values_list("cart", "cart__percent", "price"):
        of[cart, percent].append(price)
    return sum((money_first.to_pay(prices, percent) for (_, percent), prices in of.items()), ZERO)


def _given_up(household: int, activities: Collection[int]) -> Decimal:
    """What stays due of days given up, and no invoice has yet; no query where no activity keeps anything."""
    if not refund_rules().keys() & set(activities):
        return ZERO
    rows = ManualCharge.objects.filter(
        household=household, line=None, given_up__activity__in=activities
    ).aggregate(sum=Sum("unit_price"))
    return rows["sum"] or ZERO


@dataclass(frozen=True)
class Purse:
    """What the account of a régie (its key) holds for days to come."""

    regie: int | None
    name: str
    left: Decimal
    alert_below: Decimal

    @property
    def is_low(self) -> bool:
        return self.left < self.alert_below or self.left <= 0


def purses(household: Household) -> list[Purse]:
    """Of the activities that a child of the household is enrolled in; no query where no account is asked."""
    rules = money_first.accounts()
    if not rules:
        return []
    enrolled = set(
        Enrolment.objects.accepted()
        .filter(household=household, activity__in={one.activity_id for one in rules})
        .values_list("activity", flat=True)
    )
    of: dict[int | None, list[Advance]] = defaultdict(list)
    for one in rules:
        if one.activity_id in enrolled:
            of[regie_of(one.activity_id)].append(one)
    names = regies.named(of)
    return [
        Purse(
            regie,
            names.get(regie, ""),
            available(household.pk, theirs[0].activity_id),
            max((one.alert_below or ZERO for one in theirs), default=ZERO),
        )
        for regie, theirs in of.items()
    ]
