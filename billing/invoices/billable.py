"""What a month has to bill: querysets of what is not billed yet, or is no longer as it was billed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from billing.models import (
    BilledItem,
    BillingSettings,
    Counted,
    InvoiceLine,
    ManualCharge,
)
from portal.reservations.models import (
    Attendance,
    AttendanceState,
    Booking,
)
from portal.reservations.presence.attendance import LOOK_BACK
from portal.reservations.states import HOLDING

Kind = InvoiceLine.Kind


@dataclass(frozen=True)
class Scope:
    """What is billed: a month (its first day), and only these activities and establishments (empty: all)."""

    month: date
    activities: tuple[int, ...] = ()
    establishments: tuple[int, ...] = ()

    @property
    def ends_on(self) -> date:
        return (self.month + timedelta(days=31)).replace(day=1) - timedelta(days=1)

    def filter(self) -> Q:
        """For rows with `day`, `establishment` and `formula__activity`."""
        chosen = Q(day__lte=self.ends_on)
        if self.activities:
            chosen &= Q(formula__activity_id__in=self.activities)
        if self.establishments:
            chosen &= Q(establishment_id__in=self.establishments)
        return chosen


class Rare(StrEnum):
    """What few households have to bill: where it is known that there is none, nothing of it is read."""

    AGAIN = "again"
    UNRESERVED = "unreserved"
    ENDED = "ended"
    MISTAKEN = "mistaken"
    RECONSIDERED = "reconsidered"
    MANUAL = "manual"


def since(scope: Scope, settings: BillingSettings) -> date:
    """The first day looked at."""
    earliest = scope.month - LOOK_BACK
    return max(settings.starts_on, earliest) if settings.starts_on else earliest


def unbilled_bookings(
    scope: Scope, settings: BillingSettings, states: Sequence[str] = HOLDING
) -> QuerySet[Booking]:
    """Bookings never billed: held ones unless `states` says which."""
    return Booking.objects.filter(
        scope.filter(),
        ~Exists(BilledItem.objects.filter(booking=OuterRef("pk"))),
        day__gte=since(scope, settings),
        state__in=states,
    )


def bookings_held_again(scope: Scope, settings: BillingSettings) -> QuerySet[Booking]:
    """Held bookings whose billing was taken back, and that were not billed again since."""
    taken_back = _last(BilledItem.objects.filter(booking=OuterRef("pk"), turn__gte=2), "booking")
    return Booking.objects.filter(
        scope.filter(),
        Exists(taken_back.filter(line__kind=Kind.CREDIT)),
        state__in=HOLDING,
        day__gte=since(scope, settings),
    )


def unbilled_attendance(scope: Scope, settings: BillingSettings) -> QuerySet[Attendance]:
    """Presences without a booking, never billed; one booked since is billed as its booking."""
    booked = Booking.objects.holding().filter(
        child=OuterRef("child"), formula=OuterRef("formula"), day=OuterRef("day")
    )
    return Attendance.objects.unreserved().filter(
        scope.filter(),
        ~Exists(BilledItem.objects.filter(attendance=OuterRef("pk"))),
        ~Exists(booked),
        day__gte=since(scope, settings),
    )


def _last(items: QuerySet[BilledItem], what: str) -> QuerySet[BilledItem]:
    """Those that nothing followed; `what`: "booking" or "attendance"."""
    later = BilledItem.objects.filter(turn__gt=OuterRef("turn"), **{what: OuterRef(what)})
    return items.filter(~Exists(later))


def last_billings(scope: Scope, settings: BillingSettings) -> QuerySet[BilledItem]:
    """The last billing of each booking, where it was not taken back. A flat price stays due."""
    items = BilledItem.objects.filter(
        booking__day__gte=since(scope, settings), booking__day__lte=scope.ends_on
    )
    return _last(items, "booking").exclude(line__kind__in=(Kind.FLAT, Kind.CREDIT))


def billed_bookings_ended(scope: Scope, settings: BillingSettings) -> QuerySet[BilledItem]:
    """Billings of bookings cancelled since; what cost nothing is not taken back."""
    return last_billings(scope, settings).exclude(booking__state__in=HOLDING).exclude(amount=0)


def billed_by_mistake(scope: Scope, settings: BillingSettings) -> QuerySet[BilledItem]:
    """Billings of presences without a booking that were found to be entered by mistake since."""
    items = BilledItem.objects.filter(
        attendance__state=AttendanceState.MISTAKEN,
        attendance__day__gte=since(scope, settings),
        attendance__day__lte=scope.ends_on,
    )
    return _last(items, "attendance").exclude(line__kind=Kind.CREDIT).exclude(amount=0)


def billed_then_entered(scope: Scope, settings: BillingSettings) -> QuerySet[BilledItem]:
    """Billings of held bookings whose attendance, or certificate, came after the invoice. A presence that was
    billed as one is not among them, unless its duration is known."""
    issued = OuterRef("line__invoice__issued_at")
    entered = Attendance.objects.filter(
        Q(entered_at__gte=issued) | Q(certificate_at__gte=issued), booking=OuterRef("booking")
    )
    told = Q(state=AttendanceState.ABSENT) | Q(minutes__isnull=False)
    as_presence = Q(counted=Counted.PRESENT)
    return last_billings(scope, settings).filter(
        (as_presence & Exists(entered.filter(told))) | (~as_presence & Exists(entered)),
        booking__state__in=HOLDING,
    )


def households_concerned(scope: Scope, settings: BillingSettings) -> list[int]:
    """Every household with something to bill, in order."""
    found: set[int] = set(
        unbilled_bookings(scope, settings).order_by().values_list("household_id", flat=True).distinct()
    )
    found.update(unbilled_attendance(scope, settings).order_by().values_list("household_id", flat=True))
    found.update(ManualCharge.objects.filter(line=None).order_by().values_list("household_id", flat=True))
    found.update(bookings_held_again(scope, settings).order_by().values_list("household_id", flat=True))
    for billed, home in (
        (billed_bookings_ended(scope, settings), "booking__household_id"),
        (billed_then_entered(scope, settings), "booking__household_id"),
        (billed_by_mistake(scope, settings), "attendance__household_id"),
    ):
        found.update(billed.order_by().values_list(home, flat=True))
    return sorted(found)


def rarities(scope: Scope, settings: BillingSettings) -> dict[str, Exists]:
    """Whether a household has each of the rarer things to bill: annotations for a query of households."""
    home = OuterRef("pk")
    found: dict[Rare, QuerySet[Any]] = {
        Rare.AGAIN: bookings_held_again(scope, settings).filter(household=home),
        Rare.UNRESERVED: unbilled_attendance(scope, settings).filter(household=home),
        Rare.ENDED: billed_bookings_ended(scope, settings).filter(booking__household=home),
        Rare.MISTAKEN: billed_by_mistake(scope, settings).filter(attendance__household=home),
        Rare.RECONSIDERED: billed_then_entered(scope, settings).filter(booking__household=home),
        Rare.MANUAL: ManualCharge.objects.filter(household=home, line=None),
    }
    return {kind.value: Exists(rows) for kind, rows in found.items()}
