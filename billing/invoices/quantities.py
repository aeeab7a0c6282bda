"""What the number of presences in a day, a week, a month or a period changes of what they cost.

Every presence is billed at its own price. What the rules of `rules/quantities.py` make of all of a span
stands on a line of its own, for a child and a kind of rule; its billed items bear one name and add up
(`Key`), so that a day billed later, cancelled or corrected brings the difference alone: over all invoices a
span comes to what it would cost billed at once. A span counts the days billed so far, those of this invoice
among them; a week over two months is completed with the month of its last day. What a credit note took back
counts as it was billed: the note is beside this account.

Nothing is read where no tariff in force has such a rule.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeAlias, cast

from django.db.models import F

from billing.invoices.billable import BY_CARD, BY_QUANTITY, Billable
from billing.invoices.draft import Adjustment, DraftedLine, Kind, Warnings
from billing.invoices.lines import Lines
from billing.invoices.other_days import late_forgiven
from billing.invoices.presence_prices import NOTHING, PresencePrices
from billing.invoices.reading import Presence, Reading, standing_at
from billing.models import BilledItem, Counted, FormulaTariff, InvoiceLine, Tariff
from billing.prices import spans
from billing.prices.books import FactsBook, PriceBook
from billing.rules import pricing
from billing.rules import quantities as rules
from portal.french.amounts import euros
from portal.french.day_fields import first_of_month
from portal.reservations.models import AttendanceState, Period


class Key(NamedTuple):
    """Whose effect of which kind of rule, in which extent."""

    household: int
    child: int
    activity: int
    kind: str
    extent: str

    def __str__(self) -> str:
        """« q:12:57:3:package:w2026-12-07 »."""
        return f"{BY_QUANTITY}{self.household}:{self.child}:{self.activity}:{self.kind}:{self.extent}"

    @classmethod
    def read(cls, name: str, household: int, child: int | None) -> "Key":
        """What a billed item's name says, of the household and child that they are now."""
        _, _, then, activity, kind, extent = name.split(":")
        return cls(household, child or int(then), int(activity), kind, extent)


@dataclass
class Stands:
    """A presence as it is billed, these drafts included."""

    presence: Presence
    amount: Decimal
    counted: Counted
    item: int | None = None  # its billing, where it is one already


@dataclass
class _Made:
    """An effect and what is needed to write it on a line."""

    effect: rules.Effect
    presence: Presence
    tariff: Tariff


@dataclass
class _Before:
    """What was billed of an effect: the sum, the last turn of each name, and a line that says of whom."""

    amount: Decimal = NOTHING
    turns: dict[str, int] = field(default_factory=dict)
    line: InvoiceLine | None = None


# A booking or, without one, an attendance.
Day: TypeAlias = tuple[bool, int]


def settle(lines: Lines, due: Collection[Presence], by_presence: PresencePrices, billable: Billable) -> None:
    """Adds what these drafts change of it. In a fixed number of queries; none where no rule counts presences,
    or none of the drafts' days is counted."""
    counted = by_presence.prices.by_quantity
    if lines.recalculated:
        # Of months priced again the drafts know the lines only.
        links = FormulaTariff.objects.filter(tariff__quantities__isnull=False)
        counted |= set(links.values_list("formula", flat=True))
    if not counted:
        return
    moved: dict[int, set[date]] = defaultdict(set)
    drafted: dict[int, list[DraftedLine]] = defaultdict(list)
    for home, its in lines.by_household.items():
        drafted[home] = [line for line in its if line.formula in counted]
        for line in drafted[home]:
            moved[home].update(line.days)
    for home, days in lines.counted_again.items():
        moved[home] |= days
    moved = {home: days for home, days in moved.items() if days}
    for one in adjustments(moved, drafted, due, billable, by_presence.warnings):
        if one.amount:
            lines.add_for_number(one)


def adjustments(
    moved: Mapping[int, set[date]],
    drafted: Mapping[int, Iterable[DraftedLine]],
    due: Collection[Presence],
    billable: Billable,
    warnings: Warnings | None = None,
) -> list[Adjustment]:
    """What is due of it and was billed, by household with its days that `moved`, the same or not; `drafted`:
    its lines of drafts, which speak of presences that are `due`."""
    if not moved:
        return []
    town = _Town.load(moved)
    first, last = town.days
    stands = standing(moved, drafted, due, billable, formulas=town.formulas, days=town.days)
    prices = PriceBook.load(town.formulas, first, last)
    everybody = [one.presence for its in stands.values() for one in its.values()]
    asked = Reading(attendance={}, presences=everybody, refilled=[], asked=[], taken_back=[], reconsidered=[])
    by_presence = PresencePrices(
        prices=prices,
        people=FactsBook.load(list(moved), first, last, asks=prices.asks),
        absences_billed={},
        late_forgiven=late_forgiven(asked, prices, last),
    )
    made: dict[Key, _Made] = {}
    for home, its in stands.items():
        for key, found in _effects(home, its, by_presence, town, warnings):
            before = made.get(key)
            if before is None:
                made[key] = found
            else:
                before.effect.amount += found.effect.amount
                before.effect.said += found.effect.said
    return list(_differences(list(moved), made, town))


@dataclass(frozen=True)
class _Town:
    """The formulas that are counted, the periods, and the days that have to be read."""

    formulas: frozenset[int]
    tariffs: Mapping[int, Tariff]
    periods: Mapping[int, tuple[date, date]]
    period_of: Mapping[int, list[tuple[int, date, date]]]
    touched: Mapping[int, frozenset[date]]
    days: tuple[date, date]

    @classmethod
    def load(cls, moved: Mapping[int, set[date]]) -> "_Town":
        """Two queries; one more where a rule counts by period."""
        links = FormulaTariff.objects.filter(tariff__quantities__isnull=False).distinct()
        formulas, tariffs = set(), {}
        for link in links.select_related("tariff"):
            formulas.add(link.formula_id)
            tariffs[link.tariff_id] = link.tariff
        counted_by = set(
            Tariff.objects.filter(pk__in=tariffs).values_list("quantities__span", flat=True).distinct()
        )
        periods: dict[int, tuple[date, date]] = {}
        period_of: dict[int, list[tuple[int, date, date]]] = defaultdict(list)
        if rules.Span.PERIOD in counted_by:
            for pk, activity, starts_on, ends_on in (
                Period.objects.filter(activity__formulas__in=formulas)
                .values_list("pk", "activity", "starts_on", "ends_on")
                .distinct()
            ):
                periods[pk] = (starts_on, ends_on)
                period_of[activity].append((pk, starts_on, ends_on))
        touched = {home: frozenset(_whole_weeks(days)) for home, days in moved.items()}
        every = [day for days in touched.values() for day in days]
        first, last = min(every), max(every)
        edges = [rules.month_of(first).first, rules.month_of(last).last]
        edges += [edge for span in periods.values() if span[0] <= last and first <= span[1] for edge in span]
        first, last = rules.week_of(min(edges)).first, rules.week_of(max(edges)).last
        return cls(frozenset(formulas), tariffs, periods, dict(period_of), touched, (first, last))

    def in_period(self, presence: Presence) -> int:
        """The reservation's period, else the one that its day lies in; 0: none."""
        if presence.period in self.periods:
            return presence.period or 0
        known = self.period_of.get(presence.activity, ())
        return next((pk for pk, first, last in known if first <= presence.day <= last), 0)

    def extent(self, name: str) -> rules.Extent:
        if name.startswith("w"):
            return rules.week_of(date.fromisoformat(name[1:]))
        if name.startswith("m"):
            return rules.month_of(first_of_month(name[1:]))
        return rules.Extent(name, *self.periods.get(int(name[1:]), (date.max, date.min)))

    def touches(self, home: int, extent: rules.Extent) -> bool:
        return any(extent.first <= day <= extent.last for day in self.touched.get(home, ()))


def _whole_weeks(days: Iterable[date]) -> set[date]:
    """With all days of their weeks: what one costs in its week may change what another month comes to."""
    return {
        monday + timedelta(days=place)
        for monday in {rules.week_of(day).first for day in days}
        for place in range(7)
    }


# What is billed ------------------------------------------------------------------------------------------


def standing(
    homes: Collection[int],
    drafted: Mapping[int, Iterable[DraftedLine]],
    due: Collection[Presence],
    billable: Billable,
    *,
    formulas: Collection[int],
    days: tuple[date, date],
) -> dict[int, dict[Day, Stands]]:
    """By household, each presence of these formulas and days that is billed as it is, or by these drafts."""
    found: dict[int, dict[Day, Stands]] = {home: {} for home in homes}
    mine = Billable(billable.scope, billable.settings, households=list(homes))
    before, attendance = standing_at(mine, formulas, days)
    known: dict[Day, Presence] = {_day(one): one for one in due}
    for one in before:
        billed, presence = one.billed.item, one.presence
        known.setdefault(_day(presence), presence)
        counted = Counted(billed.counted or Counted.PRESENT)
        found[presence.household][_day(presence)] = Stands(presence, billed.amount, counted, billed.pk)
    for home in homes:
        items = [(item.turn, line, item) for line in drafted.get(home, ()) for item in line.items]
        for _, line, item in sorted(items, key=lambda one: one[0]):
            if item.booking is None and item.attendance is None:
                continue
            key: Day = (True, item.booking) if item.booking is not None else (False, item.attendance or 0)
            if line.kind == Kind.CREDIT:
                found[home].pop(key, None)
            elif line.kind != Kind.FLAT and key in known:
                counted = Counted(item.counted or Counted.PRESENT)
                found[home][key] = Stands(known[key], item.amount, counted)
    for its in found.values():
        for presence in (stands.presence for stands in its.values()):
            if presence.booking is not None and presence.attendance is None:
                presence.attendance = attendance.get(presence.booking)
    return found


def _day(presence: Presence) -> Day:
    if presence.booking is not None:
        return True, presence.booking
    return False, presence.attendance.pk if presence.attendance else 0


# What it comes to ----------------------------------------------------------------------------------------


class _Prices:
    """What `rules.effects` asks of a presence."""

    def __init__(self, stands: Mapping[Day, Stands], prices: PresencePrices) -> None:
        self._stands = stands
        self._prices = prices

    def in_column(self, key: Hashable, column: str) -> Decimal:
        one = self._of(key)
        quote = self._prices.quote(one.presence, one.counted, column=column, final_column=True)
        return quote.price.amount

    def whole(self, key: Hashable, column: str) -> Decimal:
        one = self._of(key)
        plain = replace(one.presence, late=False)
        quote = self._prices.quote(
            plain, Counted.PRESENT, column=column, final_column=bool(column), unreserved=False
        )
        return quote.price.unit_price

    def for_lateness(self, one: Stands) -> Decimal:
        """What being late, unreserved or missing adds to its price."""
        late = one.presence.late and one.presence.booking not in self._prices.late_forgiven
        if not late and one.presence.booking is not None and one.counted is not Counted.ABSENT:
            return NOTHING
        usual = self._prices.quote(
            one.presence, one.counted, late=False, unreserved=False, absent=False
        ).price.amount
        return max(self._prices.quote(one.presence, one.counted).price.amount - usual, NOTHING)

    def _of(self, key: Hashable) -> Stands:
        return self._stands[cast(Day, key)]


def _effects(
    home: int,
    stands: Mapping[Day, Stands],
    by_presence: PresencePrices,
    town: _Town,
    warnings: Warnings | None,
) -> Iterator[tuple[Key, _Made]]:
    """What the rules of each tariff make of a household's presences."""
    prices = _Prices(stands, by_presence)
    taken: dict[int, list[rules.Taken]] = defaultdict(list)
    tariffs: dict[int, Tariff] = {}
    for key, one in stands.items():
        try:
            tariff = by_presence.quote(one.presence, one.counted).tariff
            if tariff.pk not in by_presence.prices.quantities:
                continue
            extra = prices.for_lateness(one)
        except pricing.NoPrice:
            continue
        tariffs[tariff.pk] = tariff
        attendance = one.presence.attendance
        taken[tariff.pk].append(
            rules.Taken(
                key,
                one.presence.child,
                one.presence.formula,
                one.presence.day,
                one.amount,
                town.in_period(one.presence),
                extra,
                due=one.counted is not Counted.FREE,
                came=attendance is None or attendance.state == AttendanceState.PRESENT,
            )
        )
    for pk, its in taken.items():
        try:
            found = rules.effects(by_presence.prices.quantities[pk], its, prices, town.periods)
        except pricing.NoPrice as refusal:
            if warnings is not None:
                name = stands[cast(Day, its[0].key)].presence.name
                warnings.unpriced[name] += 1
                warnings.reasons.setdefault(name, str(refusal))
            continue
        for effect in found:
            presence = stands[cast(Day, effect.keys[0])].presence
            of = Key(home, effect.child, presence.activity, effect.kind.value, effect.extent.name)
            yield of, _Made(effect, presence, tariffs[pk])


# What is to be billed of it --------------------------------------------------------------------------------


def _differences(homes: Collection[int], made: Mapping[Key, _Made], town: _Town) -> Iterator[Adjustment]:
    before = _billed_before(homes)
    for key in sorted({*made, *before}):
        extent = town.extent(key.extent)
        if not town.touches(key.household, extent):
            continue
        now, was = made.get(key), before.get(key) or _Before()
        amount = (now.effect.amount if now else NOTHING) - was.amount
        if amount or was.amount:
            yield _adjustment(key, extent, amount, now, was)


def _adjustment(
    key: Key, extent: rules.Extent, amount: Decimal, now: _Made | None, was: _Before
) -> Adjustment:
    name = str(key)
    said = list(dict.fromkeys(now.effect.said)) if now else []
    words = " ; ".join(said) or GIVEN_BACK[rules.Kind(key.kind)]
    explained = [f"{one}." for one in said]
    if was.amount:
        total = now.effect.amount if now else NOTHING
        explained.append(f"En tout {euros(total)}, dont {euros(was.amount)} déjà sur vos factures.")
    line = was.line
    return Adjustment(
        household=key.household,
        child=key.child,
        child_name=now.presence.child_name if now else line.child_name if line else "",
        formula=now.presence.formula if now else line.formula_id if line else None,
        activity_name=now.presence.activity_name if now else line.activity_name if line else "",
        amount=amount,
        was=was.amount,
        name=name,
        turn=was.turns.get(name, 0) + 1,
        label=f"{words} – {spans.in_words(extent)}",
        explanation=" ".join(explained),
        vat_percent=now.tariff.vat_percent if now else line.vat_percent if line else NOTHING,
        care_percent=now.tariff.care_percent if now else line.care_percent if line else NOTHING,
        first=extent.first,
        until=extent.last,
    )


GIVEN_BACK = {
    rules.Kind.COLUMN: "Tarif selon le nombre : le nombre n'est plus atteint",
    rules.Kind.ONE: "Formules d'un même jour : prix de chacune",
    rules.Kind.PACKAGE: "Forfait de jours rendu",
    rules.Kind.FLAT: "Forfait : le nombre n'est plus atteint",
    rules.Kind.SIBLINGS: "Frères et sœurs : prix de chacun",
    rules.Kind.FLOOR: "Minimum rendu",
    rules.Kind.CAP: "Le plafond n'est plus atteint",
}


def _billed_before(homes: Collection[int]) -> dict[Key, _Before]:
    """One query."""
    found: dict[Key, _Before] = defaultdict(_Before)
    rows = BilledItem.objects.filter(flat__startswith=BY_QUANTITY, line__invoice__household__in=homes)
    rows = rows.exclude(flat__startswith=BY_CARD)
    # A child that was typed twice: its documents name the row of then.
    rows = rows.annotate(child_now=F("line__child__joined_to")).select_related("line__invoice")
    for item in rows.order_by("turn", "pk"):
        key = Key.read(item.flat, item.line.invoice.household_id, item.child_now)
        one = found[key]
        one.amount += item.amount
        one.turns[item.flat] = max(item.turn, one.turns.get(item.flat, 0))
        one.line = item.line
    return dict(found)
