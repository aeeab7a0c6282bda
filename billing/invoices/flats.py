"""Flat prices: what one pays for as a whole, what is due of it, and what was billed of it before.

Each home of a child pays its own. The rules that a tariff chooses among are in `rules/flats.py`; here they
meet the rows: which days are open, since when the child is enrolled, which days each of its homes holds.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import Count, Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce

from billing.invoices.billable import BY_QUANTITY
from billing.invoices.draft import Kind
from billing.invoices.reading import Billed
from billing.models import BilledItem, FormulaTariff, Tariff
from billing.rules import flats as rules
from billing.rules.pricing import FLAT_UNITS
from families.models import Child, Custody
from portal.french.dates import end_of_month
from portal.french.day_fields import first_of_month
from portal.french.plurals import counted
from portal.reservations.days.calendars import OpenDays
from portal.reservations.models import Activity, Attendance, Booking, Enrolment, Establishment, Period
from portal.reservations.states import HOLDING, EnrolmentState


class Flat(NamedTuple):
    """What one flat price pays for: a child's formula, for a home, in a period or else in a month (its first
    day)."""

    household: int
    child: int
    formula: int
    month: date | None = None
    period: int | None = None

    def __str__(self) -> str:
        """The name that billed items know it by: « 12:57:3:2026-11 », « 12:57:3:p4 »."""
        when = f"p{self.period}" if self.month is None else f"{self.month:%Y-%m}"
        return f"{self.household}:{self.child}:{self.formula}:{when}"

    @classmethod
    def read(cls, name: str, household: int) -> "Flat":
        """What a billed item's name says. Those of earlier versions name no home: whose invoice it is."""
        *_, child, formula, when = name.split(":")
        if when.startswith("p"):
            return cls(household, int(child), int(formula), period=int(when[1:]))
        return cls(household, int(child), int(formula), month=first_of_month(when))


def flat_of(household: int, child: int, formula: int, day: date, period: int | None, unit: str) -> Flat:
    """What a presence of that day belongs to; without a period, its month."""
    if unit == Tariff.Unit.PERIOD and period:
        return Flat(household, child, formula, period=period)
    return Flat(household, child, formula, month=day.replace(day=1))


@dataclass(frozen=True)
class Asked:
    """A presence that a flat price pays for: `price` is that of its day, before its rules."""

    flat: Flat
    activity: int
    establishment: int
    price: Decimal
    tariff: Tariff


@dataclass(frozen=True)
class Due:
    """What is to be billed of a flat price, at which turn, and the sentences that explain it."""

    name: str
    turn: int
    amount: Decimal
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Standing:
    """The last billing of a flat price."""

    item: BilledItem
    flat: Flat

    @property
    def holds(self) -> bool:
        return self.item.line.kind != Kind.CREDIT

    def as_billed(self, day: date) -> Billed:
        return Billed(item=self.item, household=self.flat.household, child=self.flat.child, day=day)


# Who came for longer than was booked came for the longer formula (`reading.py`).
_SEEN = Coalesce("attendance__formula_id", "formula_id")


class FlatPrices:
    """The flat prices of some households: those that are paid, billed before or on a line of these drafts,
    and what is due of others. Each kind of rows is read once, when it is first asked for."""

    def __init__(self, households: Collection[int]) -> None:
        self._households = households
        self._paid: set[Flat] = set()
        self._calendars: dict[tuple[int, date, date], dict[int, OpenDays]] = {}

    @cached_property
    def billed(self) -> dict[Flat, Standing]:
        """The last billing of each, taken back or not."""
        items = BilledItem.objects.filter(flat__gt="", line__invoice__household_id__in=self._households)
        items = items.exclude(flat__startswith=BY_QUANTITY)
        found: dict[Flat, Standing] = {}
        # A child that was typed twice: its documents name the row of then.
        same = F("line__child__joined_to")
        items = items.select_related("line__invoice", "credited").annotate(child_now=same)
        for item in items.order_by("turn", "pk"):
            flat = Flat.read(item.flat, item.line.invoice.household_id)
            flat = flat._replace(child=item.child_now or flat.child)
            found[flat] = Standing(item, flat)
        return found

    def credited(self, flat: Flat) -> bool:
        """Whether a credit note took it back: it stays paid, and costs nothing any more."""
        standing = self.billed.get(flat)
        return standing is not None and hasattr(standing.item, "credited")

    def pay(self, flat: Flat) -> None:
        """It is paid otherwise: nothing more is asked for it."""
        self._paid.add(flat)

    def due(self, asked: Asked) -> Due | None:
        """What is still to be paid; None where it is paid. From now on it is."""
        if not self.may_change(asked.flat, billed=False):
            return None
        self.pay(asked.flat)
        name, turn = self.next_of(asked.flat)
        amount, steps = self.worth(asked)
        return Due(name, turn, amount, steps)

    def may_change(self, flat: Flat, *, billed: bool) -> bool:
        """Whether a recalculation may still touch it: these drafts have not, and it is (not) `billed`."""
        before = self.billed.get(flat)
        return flat not in self._paid and (before is not None and before.holds) is billed

    def next_of(self, flat: Flat) -> tuple[str, int]:
        """The name that its billings bear, and the turn of the next one."""
        before = self.billed.get(flat)
        return (before.item.flat, before.item.turn + 1) if before else (str(flat), 1)

    def worth(self, asked: Asked) -> tuple[Decimal, tuple[str, ...]]:
        """What it costs its home by the town's rules, paid before or not, and why in sentences."""
        amount, steps, tariff = asked.price, [], asked.tariff
        if (month := asked.flat.month) is not None and tariff.due_months:
            if not rules.due_in(tariff.due_months, month):
                return Decimal("0.00"), (rules.not_due(tariff.due_months, month),)
            steps.append(rules.months_said(tariff.due_months))
        if tariff.begun != Tariff.Begun.WHOLE:
            part = self._part(asked)
            if part.words:
                amount = part.of(amount)
                steps.append(f"Inscription en cours de route : {part.words}")
        if tariff.homes == Tariff.Homes.SHARED:
            days = self._days_of_homes(asked.flat)
            if len(days) > 1 and asked.flat.household in days:
                homes = sorted(days)
                share = rules.shares(amount, [days[home] for home in homes])
                amount = share[homes.index(asked.flat.household)]
                mine = counted(days[asked.flat.household], "jour réservé", "jours réservés")
                steps.append(f"Forfait partagé entre deux foyers : {mine} ici sur {sum(days.values())}")
        return amount, tuple(steps)

    def extent(self, flat: Flat) -> tuple[date, date]:
        """Its first and last days."""
        if flat.month is not None:
            return flat.month, end_of_month(flat.month)
        return self._periods[flat.period or 0]

    @cached_property
    def _periods(self) -> dict[int, tuple[date, date]]:
        rows = Period.objects.values_list("pk", "starts_on", "ends_on")
        return {pk: (first, last) for pk, first, last in rows}

    def gives_back(self, flat: Flat) -> bool:
        """Whether the town gives it back once none of its days counts, though it was billed."""
        first, last = self.extent(flat)
        return any(
            tariff.emptied == Tariff.Emptied.CREDITED
            and (tariff.valid_from or date.min) <= last
            and first <= (tariff.valid_to or date.max)
            for tariff in self._tariffs[flat.formula]
        )

    @cached_property
    def _tariffs(self) -> Mapping[int, list[Tariff]]:
        found: dict[int, list[Tariff]] = defaultdict(list)
        for link in FormulaTariff.objects.filter(tariff__unit__in=FLAT_UNITS).select_related("tariff"):
            found[link.formula_id].append(link.tariff)
        return found

    def days_held(self, flats: Collection[Flat]) -> dict[Flat, list[int | None]]:
        """Their bookings that are held, and None for each presence without one. Two queries."""
        spans = {flat: self.extent(flat) for flat in flats}
        found: dict[Flat, list[int | None]] = {flat: [] for flat in flats}
        if not spans:
            return found
        of: dict[tuple[int, int, int], list[Flat]] = defaultdict(list)
        for flat in flats:
            of[flat[:3]].append(flat)
        formulas = {flat.formula for flat in flats}
        days = Q(
            household__in={flat.household for flat in flats},
            child__in={flat.child for flat in flats},
            day__range=(min(first for first, _ in spans.values()), max(last for _, last in spans.values())),
        )
        rows: list[tuple[Any, ...]] = [
            *Booking.objects.filter(days, state__in=HOLDING)
            .annotate(seen=_SEEN)
            .filter(seen__in=formulas)
            .values_list("household_id", "child_id", "seen", "day", "pk"),
            *Attendance.objects.unreserved()
            .filter(days, formula__in=formulas)
            .values_list("household_id", "child_id", "formula_id", "day", "booking_id"),
        ]
        for *whose, day, booking in rows:
            for flat in of[whose[0], whose[1], whose[2]]:
                if spans[flat][0] <= day <= spans[flat][1]:
                    found[flat].append(booking)
        return found

    # A part of it

    def _part(self, asked: Asked) -> rules.Part:
        flat = asked.flat
        first, last = self.extent(flat)
        calendar = self._open(asked.activity, first, last).get(asked.establishment)
        spans = self._enrolled[flat.household, flat.child, asked.activity]
        open_days = calendar.days(first, last) if calendar else ()
        return rules.part(rules.Begun(asked.tariff.begun), open_days, spans)

    @cached_property
    def _enrolled(self) -> Mapping[tuple[int, int, int], list[tuple[date, date]]]:
        """By household, child and activity: from when to when."""
        found: dict[tuple[int, int, int], list[tuple[date, date]]] = defaultdict(list)
        rows = Enrolment.objects.filter(
            household_id__in=self._households, state__in=(EnrolmentState.ACCEPTED, EnrolmentState.ENDED)
        )
        for *whose, starts_on, ends_on in rows.values_list(
            "household_id", "child_id", "activity_id", "starts_on", "ends_on"
        ):
            found[whose[0], whose[1], whose[2]].append((starts_on, ends_on or date.max))
        return found

    def _open(self, activity: int, first: date, last: date) -> dict[int, OpenDays]:
        """The calendars of an activity, by establishment."""
        key = activity, first, last
        if key not in self._calendars:
            of = self._activities[activity]
            self._calendars[key] = OpenDays.load_many(of, self._establishments, first, last)
        return self._calendars[key]

    @cached_property
    def _activities(self) -> dict[int, Activity]:
        return Activity.objects.in_bulk()

    @cached_property
    def _establishments(self) -> list[Establishment]:
        return list(Establishment.objects.all())

    # A share of it

    def _days_of_homes(self, flat: Flat) -> dict[int, int]:
        """How many days each home of the child holds, or came without holding them."""
        first, last = self.extent(flat)
        days = {one for one in self._held_days[flat.child, flat.formula] if first <= one[1] <= last}
        found: dict[int, int] = defaultdict(int)
        for household, _ in days:
            found[household] += 1
        return found

    @cached_property
    def _held_days(self) -> Mapping[tuple[int, int], set[tuple[int, date]]]:
        """By child and formula: homes and days, of the children that have several homes."""
        homes = Custody.objects.filter(child=OuterRef("pk")).values("child").annotate(count=Count("pk"))
        children = Child.objects.filter(
            Exists(homes.filter(count__gt=1)), custodies__household__in=self._households
        )
        found: dict[tuple[int, int], set[tuple[int, date]]] = defaultdict(set)
        booked = Booking.objects.filter(state__in=HOLDING, child__in=children).annotate(seen=_SEEN)
        came = Attendance.objects.unreserved().filter(child__in=children)
        rows: list[tuple[Any, ...]] = [
            *booked.order_by().values_list("child_id", "seen", "household_id", "day"),
            *came.order_by().values_list("child_id", "formula_id", "household_id", "day"),
        ]
        for child, formula, household, day in rows:
            found[child, formula].add((household, day))
        return found
