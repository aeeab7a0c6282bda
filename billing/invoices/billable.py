"""What a month has to bill: querysets of what is not billed yet, or is no longer as it was billed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar

from django.db.models import CharField, Exists, Model, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat, ExtractMonth, ExtractYear, LPad

from billing.invoices import regies
from billing.models import (
    BilledItem,
    BillingSettings,
    Counted,
    CreditedItem,
    FormulaTariff,
    Invoice,
    InvoiceLine,
    ManualCharge,
    RecalculatedHousehold,
    Tariff,
)
from billing.rules.pricing import FLAT_UNITS
from families.custody import homes
from families.models import Household
from portal.french.dates import end_of_month
from portal.reservations.models import Attendance, AttendanceState, Booking
from portal.reservations.presence.attendance import LOOK_BACK
from portal.reservations.states import HOLDING

Kind = InvoiceLine.Kind
# Of what was billed, what no credit note took back: that costs nothing any more, whatever becomes of it.
UNCREDITED = ~Exists(CreditedItem.objects.filter(item=OuterRef("pk")))
# Nor days that a flat price paid for which a credit note took back.
_OF_NO_CREDITED_FLAT = ~Exists(
    CreditedItem.objects.filter(item__line=OuterRef("line"), item__flat__gt="", item__line__kind=Kind.FLAT)
)
# What is taken back where it does not count any more.
COSTS = ~Q(amount=0) | Q(line__kind=Kind.QUANTITY)
# How the names of what a number of presences changes begin: no flat prices, though in the same place.
BY_QUANTITY = "q:"
# Those of what tickets pay among them.
BY_CARD = f"{BY_QUANTITY}card:"
M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Scope:
    """What is billed: a month (its first day), only these activities and establishments (empty: all), and
    nothing of the households left out."""

    month: date
    activities: tuple[int, ...] = ()
    establishments: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()

    @property
    def ends_on(self) -> date:
        return end_of_month(self.month)

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
    REFILLED = "refilled"
    UNRESERVED = "unreserved"
    ENDED = "ended"
    MISTAKEN = "mistaken"
    RECONSIDERED = "reconsidered"
    MANUAL = "manual"
    EMPTIED = "emptied"
    RECALCULATED = "recalculated_before"
    CARRIED = "carried_over"


class Billable:
    """The querysets of a scope, of all households or of those given.

    `rare`: which rare things these have, where that is known; the querysets of the others are then empty, and
    cost nothing to read.
    """

    def __init__(
        self,
        scope: Scope,
        settings: BillingSettings,
        *,
        households: Collection[int] | None = None,
        rare: Collection[Rare] | None = None,
    ) -> None:
        self.scope = scope
        self.settings = settings
        self._households = households
        self._rare = rare
        # The first day that is billed here: nothing that is due is ever too old.
        self.since = settings.starts_on or date.min

    @cached_property
    def _regies(self) -> set[int | None] | None:
        """Those of the activities that are billed; None: all there are."""
        return regies.of_activities(self.scope.activities) if self.scope.activities else None

    def _of_households(self, rows: QuerySet[M], home: str) -> QuerySet[M]:
        return rows if self._households is None else rows.filter(**{f"{home}__in": self._households})

    def _if_any(self, kind: Rare, rows: QuerySet[M], home: str) -> QuerySet[M]:
        if self._rare is not None and kind not in self._rare:
            return rows.none()
        return self._of_households(rows, home)

    def _of_regies(self, rows: QuerySet[M], regie: str = "line__invoice__regie") -> QuerySet[M]:
        """Of the régies that are billed: what another one billed, or has to bill, waits for it."""
        if self._regies is None:
            return rows
        theirs = Q(**{f"{regie}__in": self._regies - {None}})
        return rows.filter(theirs | Q(**{f"{regie}__isnull": True}) if None in self._regies else theirs)

    def bills(self, regie: int | None) -> bool:
        """Whether what is this régie's is billed."""
        return self._regies is None or regie in self._regies

    # Not billed yet

    def unbilled_bookings(self, states: Sequence[str] = HOLDING) -> QuerySet[Booking]:
        """Bookings never billed: held ones unless `states` says which. A household is billed for the days on
        which the child lived there, whatever became of its custody since."""
        return self._of_households(self._unbilled(states).filter(homes.lived_there()), "household")

    def bookings_of_no_home(self) -> QuerySet[Booking]:
        """Held bookings of a household in which the child does not live that day: billed to nobody."""
        return self._unbilled(HOLDING).exclude(homes.lived_there())

    def _unbilled(self, states: Sequence[str]) -> QuerySet[Booking]:
        return Booking.objects.filter(
            self.scope.filter(),
            ~Exists(BilledItem.objects.filter(booking=OuterRef("pk"))),
            day__gte=self.since,
            state__in=states,
        )

    def bookings_held_again(self) -> QuerySet[Booking]:
        """Held bookings whose billing was taken back, and that were not billed again since."""
        taken_back = _last(BilledItem.objects.filter(booking=OuterRef("pk"), turn__gte=2), "booking")
        rows = Booking.objects.filter(
            self.scope.filter(),
            Exists(taken_back.filter(line__kind=Kind.CREDIT)),
            homes.lived_there(),
            state__in=HOLDING,
            day__gte=self.since,
        )
        return self._if_any(Rare.AGAIN, rows, "household")

    def days_of_flats_given_back(self) -> QuerySet[Booking]:
        """Held bookings that a flat price paid for which was given back since, none of its days counting: now
        that one stands again, it is due again."""
        flats = BilledItem.objects.filter(flat__gt="").exclude(flat__startswith=BY_QUANTITY)
        given_back = _last(flats, "flat").filter(line__kind=Kind.CREDIT)
        day = OuterRef("booking__day")
        month = LPad(Cast(ExtractMonth(day), CharField()), 2, Value("0"))
        of_day = Concat(Value(":"), Cast(ExtractYear(day), CharField()), Value("-"), month)
        period = Cast(OuterRef("booking__reservation__period"), CharField())
        its_own = given_back.filter(
            Q(flat__endswith=of_day) | Q(flat__endswith=Concat(Value(":p"), period)),
            line__formula=OuterRef("line__formula"),
            line__child=OuterRef("line__child"),
            line__invoice__household=OuterRef("line__invoice__household"),
        )
        paid = _last(BilledItem.objects.filter(booking=OuterRef("pk")), "booking")
        rows = Booking.objects.filter(
            self.scope.filter(),
            # A child that was typed twice: its documents name the row of then.
            Exists(
                given_back.filter(
                    Q(line__child=OuterRef("child")) | Q(line__child__joined_to=OuterRef("child"))
                )
            ),
            Exists(paid.filter(Exists(its_own), line__kind=Kind.FLAT)),
            homes.lived_there(),
            state__in=HOLDING,
            day__gte=self.since,
        )
        return self._if_any(Rare.REFILLED, rows, "household")

    def unbilled_attendance(self) -> QuerySet[Attendance]:
        """Presences without a booking, never billed; one booked since is billed as its booking."""
        booked = Booking.objects.holding().filter(
            child=OuterRef("child"), formula=OuterRef("formula"), day=OuterRef("day")
        )
        rows = Attendance.objects.unreserved().filter(
            self.scope.filter(),
            ~Exists(BilledItem.objects.filter(attendance=OuterRef("pk"))),
            ~Exists(booked),
            homes.lived_there(),
            day__gte=self.since,
        )
        return self._if_any(Rare.UNRESERVED, rows, "household")

    def charges(self) -> QuerySet[ManualCharge]:
        """What the town hall adds by hand, whatever else the scope is."""
        rows = self._of_regies(ManualCharge.objects.filter(line=None), "regie")
        return self._if_any(Rare.MANUAL, rows, "household")

    def statements(self) -> QuerySet[Invoice]:
        """What earlier months carried over, and no invoice took yet, whatever the month and places."""
        return self._if_any(Rare.CARRIED, self._of_regies(Invoice.every.waiting(), "regie"), "household")

    # No longer as it was billed

    def attendance(self, first: date) -> QuerySet[Attendance]:
        """What was entered of bookings, billed or not, that a day from `first` on may depend on: an absence
        is billed by when it began, a year before at most."""
        days = (max(self.since, first - LOOK_BACK), self.scope.ends_on)
        rows = Attendance.objects.filter(booking__isnull=False, day__range=days)
        return self._of_households(rows, "household")

    def last_billings(self) -> QuerySet[BilledItem]:
        """The last billing of each booking, where it was not taken back. A flat price stays due. Of any
        household: the two homes of a child may share what was billed."""
        days = (self.since, self.scope.ends_on)
        items = self._of_regies(_last(BilledItem.objects.filter(booking__day__range=days), "booking"))
        return items.exclude(line__kind__in=(Kind.FLAT, Kind.CREDIT))

    def billed_bookings_ended(self) -> QuerySet[BilledItem]:
        """Billings of bookings cancelled since; what cost nothing is not taken back, but for days of which
        the number costs."""
        rows = self.last_billings().filter(UNCREDITED, COSTS).exclude(booking__state__in=HOLDING)
        return self._if_any(Rare.ENDED, rows, "booking__household")

    def flats_losing_days(self) -> QuerySet[BilledItem]:
        """Billings of flat prices that the town gives back once none of their days counts, where some are
        gone or missed."""
        days = BilledItem.objects.filter(
            Q(attendance__state=AttendanceState.MISTAKEN)
            | Q(booking__attendance__state=AttendanceState.ABSENT)
            | Q(booking__isnull=False) & ~Q(booking__state__in=HOLDING),
            line__kind=Kind.FLAT,
            line__formula=OuterRef("line__formula"),
            line__child=OuterRef("line__child"),
            line__invoice__household=OuterRef("line__invoice__household"),
        )
        given_back = FormulaTariff.objects.filter(
            formula=OuterRef("line__formula"),
            tariff__unit__in=FLAT_UNITS,
            tariff__emptied=Tariff.Emptied.CREDITED,
        )
        flats = BilledItem.objects.filter(flat__gt="", line__invoice__month__gte=self.since)
        items = _last(flats.exclude(flat__startswith=BY_QUANTITY), "flat")
        rows = self._of_regies(items.filter(UNCREDITED, Exists(given_back), Exists(days)))
        rows = rows.exclude(line__kind=Kind.CREDIT)
        return self._if_any(Rare.EMPTIED, rows.exclude(amount=0), "line__invoice__household")

    def billed_by_mistake(self) -> QuerySet[BilledItem]:
        """Billings of presences without a booking that were found to be entered by mistake since."""
        items = BilledItem.objects.filter(
            UNCREDITED,
            attendance__state=AttendanceState.MISTAKEN,
            attendance__day__range=(self.since, self.scope.ends_on),
        )
        rows = self._of_regies(_last(items, "attendance")).filter(COSTS).exclude(line__kind=Kind.CREDIT)
        return self._if_any(Rare.MISTAKEN, rows, "attendance__household")

    def billed_then_entered(self) -> QuerySet[BilledItem]:
        """Billings of held bookings whose attendance, or certificate, came after the invoice. A presence that
        was billed as one is not among them, unless its duration is known or it was for another formula."""
        issued = OuterRef("line__invoice__issued_at")
        entered = Attendance.objects.filter(
            Q(entered_at__gte=issued) | Q(certificate_at__gte=issued), booking=OuterRef("booking")
        )
        told = (
            Q(state=AttendanceState.ABSENT) | Q(minutes__isnull=False) | ~Q(formula=OuterRef("line__formula"))
        )
        as_presence = Q(counted=Counted.PRESENT)
        rows = self.last_billings().filter(
            UNCREDITED,
            (as_presence & Exists(entered.filter(told))) | (~as_presence & Exists(entered)),
            booking__state__in=HOLDING,
        )
        return self._if_any(Rare.RECONSIDERED, rows, "booking__household")

    # To be priced again

    def standing(self) -> QuerySet[BilledItem]:
        """The last billings of the month's days, where they are held and were not taken back."""
        days = (self.scope.month, self.scope.ends_on)
        booked = BilledItem.objects.filter(
            UNCREDITED, _OF_NO_CREDITED_FLAT, booking__day__range=days, booking__state__in=HOLDING
        )
        return self._of_households(
            _last(booked, "booking").exclude(line__kind=Kind.CREDIT), "booking__household"
        )

    def standing_unreserved(self) -> QuerySet[BilledItem]:
        """The same of presences without a booking."""
        days = (self.scope.month, self.scope.ends_on)
        came = BilledItem.objects.filter(
            UNCREDITED,
            _OF_NO_CREDITED_FLAT,
            attendance__day__range=days,
            attendance__booking=None,
            attendance__state=AttendanceState.PRESENT,
        )
        return self._of_households(
            _last(came, "attendance").exclude(line__kind=Kind.CREDIT), "attendance__household"
        )

    def entered(self, days: tuple[date, date]) -> QuerySet[Attendance]:
        """What was entered of bookings between two days."""
        rows = Attendance.objects.filter(booking__isnull=False, day__range=days)
        return self._of_households(rows, "household")

    def standing_of(self, formulas: Collection[int], days: tuple[date, date]) -> QuerySet[BilledItem]:
        """The last billings of bookings between two days, billed as one of these formulas. What a credit note
        took back was taken, and counts as it did."""
        rows = BilledItem.objects.filter(line__formula__in=formulas, booking__day__range=days)
        return self._of_households(
            _last(rows, "booking").exclude(line__kind__in=(Kind.CREDIT, Kind.FLAT)), "booking__household"
        )

    def standing_unreserved_of(
        self, formulas: Collection[int], days: tuple[date, date]
    ) -> QuerySet[BilledItem]:
        """The same of presences without a booking."""
        rows = BilledItem.objects.filter(
            line__formula__in=formulas, attendance__day__range=days, attendance__booking=None
        )
        return self._of_households(
            _last(rows, "attendance").exclude(line__kind__in=(Kind.CREDIT, Kind.FLAT)),
            "attendance__household",
        )

    def standing_in_periods(self, periods: Collection[int]) -> QuerySet[BilledItem]:
        """The days of these periods, in other months, that a flat price pays for."""
        booked = BilledItem.objects.filter(
            _OF_NO_CREDITED_FLAT,
            line__kind=Kind.FLAT,
            booking__reservation__period__in=periods,
            booking__state__in=HOLDING,
        ).exclude(booking__day__range=(self.scope.month, self.scope.ends_on))
        return self._of_households(_last(booked, "booking"), "booking__household")

    def recalculated(self) -> QuerySet[RecalculatedHousehold]:
        """What was confirmed of months priced again, and is on no invoice yet."""
        rows = RecalculatedHousehold.objects.filter(state=RecalculatedHousehold.State.CONFIRMED)
        return self._if_any(Rare.RECALCULATED, rows, "household")

    # Who

    @property
    def only(self) -> Collection[int] | None:
        """The households that are asked about; None: all."""
        return self._households

    def households_concerned(self, and_also: Collection[int] = ()) -> list[int]:
        """Every household with something to bill, in order, and these, but those that the scope leaves
        out."""
        rows: list[tuple[QuerySet[Any], str]] = [
            (self.unbilled_bookings(), "household_id"),
            (self.unbilled_attendance(), "household_id"),
            (self.charges(), "household_id"),
            (self.bookings_held_again(), "household_id"),
            (self.days_of_flats_given_back(), "household_id"),
            (self.billed_bookings_ended(), "booking__household_id"),
            (self.billed_then_entered(), "booking__household_id"),
            (self.billed_by_mistake(), "attendance__household_id"),
            (self.flats_losing_days(), "line__invoice__household_id"),
            (self.recalculated(), "household_id"),
            # What the town hall owes waits for something to take it off.
            (self.statements().filter(total__gt=0), "household_id"),
        ]
        erased = set(Household.objects.filter(erased_at__isnull=False).values_list("pk", flat=True))
        concerned = {pk for found, home in rows for pk in _distinct(found, home)} | set(and_also)
        return sorted(concerned - erased - set(self.scope.left_out))

    def rarities(self) -> dict[str, Exists]:
        """Whether a household has each of the rare things: annotations for a query of households."""
        home = OuterRef("pk")
        found: dict[Rare, QuerySet[Any]] = {
            Rare.AGAIN: self.bookings_held_again().filter(household=home),
            Rare.REFILLED: self.days_of_flats_given_back().filter(household=home),
            Rare.UNRESERVED: self.unbilled_attendance().filter(household=home),
            Rare.ENDED: self.billed_bookings_ended().filter(booking__household=home),
            Rare.MISTAKEN: self.billed_by_mistake().filter(attendance__household=home),
            Rare.RECONSIDERED: self.billed_then_entered().filter(booking__household=home),
            Rare.MANUAL: self.charges().filter(household=home),
            Rare.RECALCULATED: self.recalculated().filter(household=home),
            Rare.CARRIED: self.statements().filter(household=home),
            Rare.EMPTIED: self.flats_losing_days().filter(line__invoice__household=home),
        }
        return {kind.value: Exists(rows) for kind, rows in found.items()}


def _last(items: QuerySet[BilledItem], what: str) -> QuerySet[BilledItem]:
    """Those that nothing followed; `what`: "booking", "attendance" or "flat"."""
    later = BilledItem.objects.filter(turn__gt=OuterRef("turn"), **{what: OuterRef(what)})
    return items.filter(~Exists(later))


def _distinct(rows: QuerySet[Any], home: str) -> QuerySet[Any, int]:
    return rows.order_by().values_list(home, flat=True).distinct()
