"""Cards of tickets: which a household bought, which days they pay. The only writer of `HouseholdCard`.

    sell(household, card, …) -> HouseholdCard     billed once, by a line of the next invoice
    take_back(row, …)                             it pays no further day
    settle(lines, due, billable)                  what tickets pay of these drafts
    left(household) -> [Left]                     what each card has paid, what is left of it

Every day is billed at its own price; what tickets pay of them stands on a line of its own for a card, a child
and a formula. Its billed items bear one name and add up (« q:card:… »), so that a day billed later, cancelled
or corrected brings the difference alone: over all invoices it comes to what one bill at once would say. No
ticket is counted anywhere but in what is billed. A day that a credit note took back gives its ticket back.

Nothing is read where the town sells no card.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, QuerySet, prefetch_related_objects
from django.utils import timezone

from billing.invoices import quantities
from billing.invoices.billable import BY_CARD, Billable, Scope
from billing.invoices.draft import Adjustment, DraftedLine
from billing.invoices.lines import Lines
from billing.invoices.quantities import Day, Stands
from billing.invoices.reading import Presence
from billing.models import (
    BilledItem,
    BillingSettings,
    CreditedItem,
    FormulaTariff,
    HouseholdCard,
    InvoiceLine,
    ManualCharge,
    TicketCard,
    cards_are_sold,
)
from billing.rules import cards as rules
from families.custody import own
from families.models import Household, User
from portal.database.composed import Composed, GivenMany
from portal.french import moments
from portal.french.amounts import euros
from portal.french.dates import day_number, month_name, short_day
from portal.french.plurals import counted
from portal.reservations.models import Formula

NOTHING = Decimal("0.00")
RIGHT = "billing.add_householdcard"
RIGHT_TO_TAKE_BACK = "billing.change_householdcard"


class CardRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


# Bought ---------------------------------------------------------------------------------------------------


@transaction.atomic
def sell(
    household: Household,
    card: TicketCard,
    *,
    by: User,
    at: datetime,
    at_desk: bool = False,
    asked_as: uuid.UUID | None = None,
) -> HouseholdCard:
    """At the price of the card; `asked_as`: the same asking twice sells one. Raises CardRefused where it is
    not sold that day."""
    if at_desk:
        own.check(by, [household.pk], right=RIGHT, at=at)
    Household.objects.lock([household.pk])
    today = timezone.localdate(at)
    if asked_as and (known := HouseholdCard.objects.filter(asked_as=asked_as).first()):
        return known
    if not card.sold_on(today):
        raise CardRefused(f"« {card} » n'est pas en vente aujourd'hui.")
    row = HouseholdCard.objects.create(
        card=card,
        household=household,
        name=card.name,
        tickets=card.tickets,
        price=card.price,
        bought_on=today,
        valid_until=card.last_day(today),
        bought_by=by,
        asked_as=asked_as or uuid.uuid4(),
    )
    if card.price:
        end = short_day(row.valid_until, year=True)
        ManualCharge.objects.create(
            household=household,
            card=row,
            regie=card.regie,
            label=str(row),
            unit_price=row.price,
            reason=f"{counted(row.tickets, 'ticket', 'tickets')}, jusqu'au {end}",
            created_by=by,
        )
    return row


@transaction.atomic
def take_back(row: HouseholdCard, *, reason: str, by: User, at: datetime) -> HouseholdCard:
    """It pays no day from today on; one that no invoice has yet pays none, and is not billed. Raises
    CardRefused without a reason, or a second time."""
    own.check(by, [row.household_id], right=RIGHT_TO_TAKE_BACK, at=at)
    Household.objects.lock([row.household_id])
    row = HouseholdCard.objects.select_for_update(of=("self",)).get(pk=row.pk)
    if not reason.strip():
        raise CardRefused("Indiquez le motif de la reprise.")
    if row.stopped_on:
        raise CardRefused("Cette carte est déjà reprise.")
    waiting, _ = ManualCharge.objects.filter(card=row, line=None).delete()
    row.stopped_on = row.bought_on if waiting else timezone.localdate(at)
    row.stopped_reason, row.stopped_by = reason.strip()[:200], by
    row.save()
    return row


# Which days take which ticket -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Homes:
    """The cards of some households, which formulas they pay, and the days that have to be read."""

    rows: Mapping[int, HouseholdCard]
    cards: Mapping[int, list[rules.Card]]
    formulas: frozenset[int]
    days: tuple[date, date]


def _load(households: Collection[int] | None) -> _Homes | None:
    """Four queries at most; None where none of them has a card. Days whose price depends on how many
    there are take no ticket."""
    rows = _rows(households is None, homes=list(households or ()))
    if not rows:
        return None
    prefetch_related_objects(rows, "card__activities")
    cards: dict[int, list[rules.Card]] = defaultdict(list)
    for row in rows:
        paid = frozenset(one.pk for one in row.card.activities.all())
        cards[row.household_id].append(rules.Card(row.pk, row.tickets, row.bought_on, row.last_day, paid))
    activities = {pk for its in cards.values() for one in its for pk in one.activities}
    by_number = FormulaTariff.objects.filter(tariff__quantities__isnull=False).values("formula")
    formulas = Formula.objects.filter(activity__in=activities).exclude(pk__in=by_number)
    return _Homes(
        {row.pk: row for row in rows},
        dict(cards),
        frozenset(formulas.order_by().values_list("pk", flat=True)),
        (min(row.bought_on for row in rows), max(row.valid_until for row in rows)),
    )


@Composed
def _rows(all_homes: bool) -> "QuerySet[HouseholdCard]":
    found = HouseholdCard.objects.all()
    if not all_homes:
        found = found.filter(household__pk__among=GivenMany("homes"))
    return found.select_related("card").order_by("pk")


@dataclass(frozen=True)
class Paid:
    """A day that a ticket pays."""

    ticket: rules.Ticket
    stands: Stands


def _paid(
    homes: _Homes, drafted: Mapping[int, Iterable[DraftedLine]], due: Collection[Presence], billable: Billable
) -> dict[int, dict[Day, Paid]]:
    """By household, each billed day that a ticket pays, those of these drafts among them. Five queries."""
    found = quantities.standing(
        list(homes.cards), drafted, due, billable, formulas=homes.formulas, days=homes.days
    )
    items = [one.item for its in found.values() for one in its.values() if one.item]
    credited = set(CreditedItem.objects.filter(item__in=items).values_list("item", flat=True))
    paid: dict[int, dict[Day, Paid]] = {}
    for home, its in found.items():
        days = [
            rules.Day(key, one.presence.activity, one.presence.day, (one.presence.child, *key))
            for key, one in its.items()
            if one.amount > 0 and one.item not in credited
        ]
        tickets = rules.tickets(homes.cards[home], days)
        paid[home] = {key: Paid(tickets[key], one) for key, one in its.items() if key in tickets}
    return paid


class _Key(NamedTuple):
    """Which card pays whose days of which formula."""

    household: int
    card: int
    child: int
    formula: int

    def __str__(self) -> str:
        """« q:card:7:57:3 »."""
        return f"{BY_CARD}{self.card}:{self.child}:{self.formula}"


@dataclass
class _Before:
    """What was billed of it: the sum, the last turn of each name, and a line that says of whom."""

    amount: Decimal = NOTHING
    turns: dict[str, int] = field(default_factory=dict)
    line: InvoiceLine | None = None


def settle(lines: Lines, due: Collection[Presence], billable: Billable) -> None:
    """Adds what these drafts change of what tickets pay."""
    homes = _load(billable.only) if cards_are_sold() else None
    if homes is None:
        return
    drafted = {
        home: [
            line
            for line in lines.by_household.get(home, ())
            # What adults eat has its own price, and takes no ticket.
            if line.formula in homes.formulas and line.child is not None
        ]
        for home in homes.cards
    }
    paid = _paid(homes, drafted, due, billable)
    mine = {
        (True, item.booking) if item.booking is not None else (False, item.attendance or 0)
        for its in drafted.values()
        for line in its
        for item in line.items
    }
    now: dict[_Key, dict[Day, Paid]] = defaultdict(dict)
    for home, its in paid.items():
        for day, one in its.items():
            presence = one.stands.presence
            now[_Key(home, one.ticket.card, presence.child, presence.formula)][day] = one
    tax = _tax(drafted)
    before = _billed_before(homes.cards)
    for key in sorted({*now, *before}):
        if not billable.bills(lines.regie_of(key.formula)):
            continue
        row = homes.rows[key.card]
        its, was = now.get(key, {}), before.get(key) or _Before()
        amount = -sum((one.stands.amount for one in its.values()), NOTHING) - was.amount
        if amount:
            new = {day: one for day, one in its.items() if day in mine} or its
            lines.add_for_number(_adjustment(key, row, amount, new, was, tax, billable.scope))


def _tax(drafted: Mapping[int, Iterable[DraftedLine]]) -> dict[int, tuple[Decimal, Decimal]]:
    """By formula, VAT and the part of care, of what is billed now."""
    return {
        line.formula: (line.vat_percent, line.care_percent)
        for its in drafted.values()
        for line in its
        if line.formula is not None
    }


def _adjustment(
    key: _Key,
    row: HouseholdCard,
    amount: Decimal,
    days: Mapping[Day, Paid],
    was: _Before,
    tax: Mapping[int, tuple[Decimal, Decimal]],
    scope: Scope,
) -> Adjustment:
    presence = next((one.stands.presence for one in days.values()), None)
    line, billed = was.line, -was.amount
    before = (line.vat_percent, line.care_percent) if line else (NOTHING, NOTHING)
    vat, care = tax.get(key.formula, before)
    said, explanation = "tickets rendus", ""
    if days:
        paid = _days(one.stands.presence.day for one in days.values())
        explanation = f"Payé d'avance : {paid}."
        if amount < 0:
            numbers = rules.spans([one.ticket.number for one in days.values()])
            said = f"{numbers} sur {row.tickets}"
    if billed:
        explanation += f" En tout {euros(billed - amount)}, dont {euros(billed)} déjà sur vos factures."
    return Adjustment(
        household=key.household,
        child=key.child,
        child_name=presence.child_name if presence else line.child_name if line else "",
        formula=key.formula,
        activity_name=presence.activity_name if presence else line.activity_name if line else "",
        amount=amount,
        was=was.amount,
        name=str(key),
        turn=was.turns.get(str(key), 0) + 1,
        label=f"{row} : {said}",
        explanation=explanation.strip(),
        vat_percent=vat,
        care_percent=care,
        first=row.bought_on,
        until=max([scope.ends_on, *(one.stands.presence.day for one in days.values())]),
    )


def _days(days: Iterable[date]) -> str:
    """« 2, 3 et 5 novembre, 1er décembre »."""
    months: dict[date, list[str]] = defaultdict(list)
    for day in sorted(set(days)):
        months[day.replace(day=1)].append(day_number(day.day))
    return ", ".join(
        f"{moments.listing(numbers)} {month_name(month, year=False)}" for month, numbers in months.items()
    )


def _billed_before(households: Collection[int]) -> dict[_Key, _Before]:
    """One query."""
    found: dict[_Key, _Before] = defaultdict(_Before)
    rows = BilledItem.objects.filter(flat__startswith=BY_CARD, line__invoice__household__in=households)
    # A child that was typed twice: its documents name the row of then.
    rows = rows.annotate(child_now=F("line__child__joined_to")).select_related("line__invoice")
    for item in rows.order_by("turn", "pk"):
        card, child, formula = item.flat.removeprefix(BY_CARD).split(":")
        home = item.line.invoice.household_id
        one = found[_Key(home, int(card), item.child_now or int(child), int(formula))]
        one.amount += item.amount
        one.turns[item.flat] = max(item.turn, one.turns.get(item.flat, 0))
        one.line = item.line
    return dict(found)


def holders() -> set[int]:
    """The households that hold a card: what tickets pay of their days may have changed by a credit note."""
    if not cards_are_sold():
        return set()
    return set(HouseholdCard.objects.order_by().values_list("household", flat=True).distinct())


# Read by pages --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Left:
    """A card, the billed days that it paid by ticket, and how many tickets are left of it."""

    row: HouseholdCard
    paid: list[Paid]

    @property
    def left(self) -> int:
        return self.row.tickets - len(self.paid)

    @property
    def activities(self) -> set[int]:
        """Those whose days it pays (prefetched)."""
        return {one.pk for one in self.row.card.activities.all()}

    def taken(self) -> list[str]:
        """« Ticket 1 : Lina, Repas, mardi 3 novembre »."""
        taken = [(one.ticket.number, one.stands.presence) for one in self.paid]
        return [
            f"Ticket {number} : {of.child_name}, {of.formula_name}, {moments.day(of.day, year=True)}"
            for number, of in taken
        ]

    def usable(self, today: date) -> bool:
        return self.left > 0 and self.row.last_day >= today

    def in_words(self, today: date) -> str:
        """« Il vous reste 7 tickets, valables jusqu'au 31 août 2027 »."""
        end = short_day(self.row.last_day, year=True)
        if self.row.stopped_on:
            return f"Reprise par la mairie : {self.row.stopped_reason}"
        if not self.left:
            return "Tous les tickets sont pris"
        if self.row.last_day < today:
            return f"Terminée depuis le {end} : {counted(self.left, 'ticket perdu', 'tickets perdus')}"
        return f"Il vous reste {counted(self.left, 'ticket, valable', 'tickets, valables')} jusqu'au {end}"


def _mine(household: int) -> tuple[_Homes | None, dict[Day, Paid]]:
    homes = _load([household])
    if homes is None:
        return None, {}
    scope = Scope(homes.days[0].replace(day=1))
    billable = Billable(scope, BillingSettings.current(), households=[household])
    return homes, _paid(homes, {}, (), billable)[household]


def left(household: int) -> list[Left]:
    """Every card of a household, the latest first, by what is billed."""
    homes, paid = _mine(household)
    if homes is None:
        return []
    by_card: dict[int, list[Paid]] = defaultdict(list)
    for one in sorted(paid.values(), key=lambda one: one.ticket.number):
        by_card[one.ticket.card].append(one)
    rows = sorted(homes.rows.values(), key=lambda row: (row.bought_on, row.pk), reverse=True)
    return [Left(row, by_card[row.pk]) for row in rows]


def paid_items(household: int) -> set[int]:
    """The billings (keys) that tickets pay: a credit note gives nothing of them back."""
    if not cards_are_sold():
        return set()
    return {one.stands.item for one in _mine(household)[1].values() if one.stands.item}
