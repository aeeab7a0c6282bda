"""The only writer of days given up: what stays due of them by the town's steps, told before, billed after.

A day is priced when it is given up, as its family read it, by the rule of the day itself; the moment that
counts is the one at which it was asked for. Booked again, nothing of it is due any more. Money stays on the
one ledger: a line of the next invoice, put right by another one where an invoice took it.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from billing.invoices import charged_apart
from billing.invoices.billable import UNCREDITED
from billing.models import BilledItem, GivenUpDay, ManualCharge, RefundRule, refund_rules
from billing.prices.estimates import Estimates
from billing.rules import refunds as rules
from families.custody import own
from families.models import Household, User
from portal.french import moments
from portal.french.amounts import euros
from portal.reservations.acts.giving_up import WHOLE, Due
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Booking, Enrolment, Formula, Period, Reservation

ZERO = Decimal(0)
RIGHT = "billing.change_givenupday"


class RefundRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


def rule_on(known: Collection[RefundRule], day: date) -> RefundRule | None:
    """The one in force: of two, the later one."""
    found = [one for one in known if one.holds(day)]
    return max(found, key=lambda one: one.valid_from, default=None)


@dataclass(frozen=True)
class _Priced:
    """A day given up, its price, and what the rule makes of it."""

    booking: Booking
    price: Decimal
    kept: rules.Kept


def _priced(
    enrolment: Enrolment,
    period: Period,
    bookings: Sequence[Booking],
    known: Collection[RefundRule],
    at: datetime,
    *,
    anew: bool,
) -> list[_Priced]:
    """Of these days, those that have a rule and a price of a day."""
    ruled = [(one, rule) for one in bookings if (rule := rule_on(known, one.day)) is not None]
    if not ruled:
        return []
    # What a credit note took back costs nothing any more, whatever becomes of it.
    items = BilledItem.objects.filter(~UNCREDITED, booking__in=[one.pk for one, _ in ruled])
    credited = set(items.values_list("booking", flat=True))
    ruled = [(one, rule) for one, rule in ruled if one.pk not in credited]
    if not ruled:
        return []
    days = [one.day for one, _ in ruled]
    costs = Estimates.load(enrolment, min(days), max(days), period=period, anew=anew)
    on = timezone.localdate(at)
    found = []
    for booking, rule in ruled:
        price = costs.on(booking.formula_id, booking.day, late=booking.late)
        if price:
            first = period.starts_on if rule.until == RefundRule.Until.PERIOD else booking.day
            found.append(_Priced(booking, price, rules.kept(rule.scale(), price, first, on)))
    return found


class GivenUp:
    """What the engine asks of who bills (`portal.reservations.acts.giving_up`)."""

    def has_rule(self, activity: int) -> bool:
        return activity in refund_rules()

    def in_words(self, activity: int, day: date) -> Sequence[str]:
        rule = rule_on(refund_rules().get(activity, []), day)
        return rule.in_words() if rule is not None else ()

    def foreseen(
        self, enrolment: Enrolment, period: Period, bookings: Sequence[Booking], at: datetime
    ) -> Mapping[Choice, Due]:
        known = refund_rules().get(enrolment.activity_id, [])
        return {
            Choice(one.booking.formula_id, one.booking.day): Due(WHOLE - one.kept.percent, one.kept.due)
            for one in _priced(enrolment, period, bookings, known, at, anew=False)
        }

    def note(self, reservation: Reservation, bookings: Sequence[Booking], by: User) -> None:
        asked_at = reservation.submitted_at or timezone.now()
        enrolment = reservation.enrolment
        known = list(RefundRule.objects.filter(activity=enrolment.activity_id).prefetch_related("steps"))
        for one in _priced(enrolment, reservation.period, bookings, known, asked_at, anew=True):
            _write(one, asked_at, by)

    def taken_again(self, bookings: Sequence[Booking]) -> None:
        """Of its own household, and of the same part of the day: « matin » leaves what is due of « soir »."""
        booked: dict[tuple[int, int, int, date], set[int]] = defaultdict(set)
        for one in bookings:
            booked[one.household_id, one.child_id, one.activity_id, one.day].add(one.formula_id)
        rows = GivenUpDay.objects.exclude(amount=0).filter(
            household__in={one.household_id for one in bookings},
            child__in={one.child_id for one in bookings},
            day__in={one.day for one in bookings},
        )
        found = [
            (row, formulas)
            for row in rows.select_related("activity", "formula").order_by("pk")
            if (formulas := booked.get((row.household_id, row.child_id, row.activity_id, row.day)))
        ]
        keys = {formula for _, formulas in found for formula in formulas}
        parts = dict(Formula.objects.filter(pk__in=keys).values_list("pk", "parts")) if keys else {}
        for row, formulas in found:
            if any(set(parts[one]) & set(row.formula.parts) for one in formulas):
                row.amount = ZERO
                row.save()
                _settle(row)

    def still_due(self, reservation: Reservation, days: Collection[date]) -> Mapping[Choice, Decimal]:
        rows = GivenUpDay.objects.filter(
            household=reservation.household_id, child=reservation.child_id, day__in=days
        )
        return {Choice(row.formula_id, row.day): row.amount for row in rows}


def _write(one: _Priced, at: datetime, by: User) -> None:
    booking, kept = one.booking, one.kept
    row = GivenUpDay.objects.filter(
        household=booking.household_id, child=booking.child_id, formula=booking.formula_id, day=booking.day
    ).first()
    if row is None and not kept.due:
        return  # all of it comes back
    row = row or GivenUpDay(
        household_id=booking.household_id,
        child_id=booking.child_id,
        formula_id=booking.formula_id,
        day=booking.day,
    )
    row.activity_id, row.establishment_id = booking.activity_id, booking.establishment_id
    row.cancelled_at, row.cancelled_by = at, by
    row.price, row.percent, row.due, row.amount = one.price, kept.percent, kept.due, kept.due
    row.words = f"{rules.explained(kept)} de {euros(one.price)}"
    # Booked again and given up again, it is another story than the one that was let off.
    row.forgiven_reason, row.forgiven_by, row.forgiven_at = "", None, None
    row.save()
    _settle(row)


def _settle(row: GivenUpDay) -> None:
    """Writes the line that bills what is asked for of the day now."""
    label = f"{row.activity} – {row.formula} du {moments.day(row.day)}, annulé"
    charged_apart.settle(
        ManualCharge.objects.filter(given_up=row),
        row.amount,
        ManualCharge(
            household_id=row.household_id,
            child_id=row.child_id,
            given_up=row,
            label=f"{label} le {moments.day(timezone.localdate(row.cancelled_at))}"[:180],
            reason=row.words,
            created_by=row.cancelled_by,
        ),
        activity=row.activity_id,
    )


@transaction.atomic
def forgive(row: GivenUpDay, *, reason: str, by: User, at: datetime) -> None:
    """The town hall asks for nothing of this day. Raises RefundRefused without a reason, or a second time."""
    if not reason.strip():
        raise RefundRefused("Indiquez le motif : la famille peut le demander.")
    own.check(by, [row.household_id], right=RIGHT, at=at)
    # Who bills the household meanwhile takes the line as it was, or as it will be.
    Household.objects.lock([row.household_id])
    row = (
        GivenUpDay.objects.select_for_update(of=("self",))
        .select_related("activity", "formula")
        .get(pk=row.pk)
    )
    if row.forgiven:
        raise RefundRefused("Ce jour est déjà remis.")
    row.forgiven_reason, row.forgiven_by, row.forgiven_at = reason.strip(), by, at
    row.amount = ZERO
    row.save()
    _settle(row)


def join(kept: int, emptied: int, children: Mapping[int, int]) -> None:
    """Two households (keys) become one, `children` typed twice the one child each: a day that both gave up is
    due once, one that either still has booked is not due at all. What was billed beyond comes back."""
    homes = {kept, emptied}
    rows = GivenUpDay.objects.filter(Q(household__in=homes) | Q(child__in=children))
    for row in rows.select_related("activity", "formula").order_by("pk"):
        child = children.get(row.child_id, row.child_id)
        home = kept if row.household_id == emptied else row.household_id
        its = {"formula": row.formula_id, "day": row.day}
        same = GivenUpDay.objects.select_related("activity", "formula").filter(
            household=home, child=child, **its
        )
        stays = same.exclude(pk=row.pk).first() or row
        if stays.pk != row.pk:
            ManualCharge.objects.filter(given_up=row, line=None).delete()
            ManualCharge.objects.filter(given_up=row).update(given_up=stays)
            row.delete()
        among = homes if home == kept else {home}
        held = Booking.objects.holding().filter(household__in=among, child__in={child, row.child_id}, **its)
        if (stays.household_id, stays.child_id) != (home, child) or (stays.amount and held.exists()):
            stays.household_id, stays.child_id = home, child
            stays.amount = ZERO if held.exists() else stays.amount
            stays.save()
        _settle(stays)
