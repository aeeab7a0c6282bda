"""What a month's invoices would say: read from bookings, attendance and tariffs; writes nothing.

`drafts(households, scope)` prices everything not billed yet up to the month's end, in a fixed number of
queries for any number of households, and says what has no price. `invoicing.py` makes documents of them.
`foresee_month(household, scope)` does it for a page of one family, which has few queries to spare.

reading.py         what happened, and what earlier invoices say otherwise
other_days.py      which absences are billed, which late days are forgiven
presence_prices.py what a presence costs, in words
quantities.py      what several cost together, where their number counts
cards.py           what the tickets of a card pay
lines.py           lines that presences join
corrections.py     what is taken back and billed anew
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from billing.invoices import adults, cards, changes, fees, quantities, reading, regies
from billing.invoices.billable import Billable, Rare, Scope
from billing.invoices.corrections import correct, counting
from billing.invoices.draft import Draft, DraftedLine, Kind, Warnings
from billing.invoices.flats import FlatPrices
from billing.invoices.lines import Lines
from billing.invoices.other_days import absences_billed, late_forgiven
from billing.invoices.presence_prices import PresencePrices
from billing.invoices.reading import Reading
from billing.models import AbsencePolicy, BillingSettings, Fee
from billing.prices.books import FactsBook, PriceBook
from billing.rules.absences import AbsenceRules
from families.models import Guardian, Household
from portal.database.query_plans import planned_each_time
from portal.reservations.models import Attendance


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a page knows before it drafts the invoice of one household, and need not be read again: `people`
    reads what prices ask of it between two days, `rare` is what it may have, `regies` who bills a formula,
    `fees` what the town asks once a year, `meals` whether an adult at table is of it."""

    prices: PriceBook
    people: Callable[[date, date], FactsBook]
    policies: AbsenceRules
    rare: frozenset[Rare]
    regies: Mapping[int, int] = field(default_factory=dict)
    fees: Sequence[Fee] = ()
    meals: bool = False


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What an invoice would say now; `asked`: the lines of what waits for the town hall's answer, were it
    granted; `attendance`: what was entered, by booking."""

    lines: list[DraftedLine]
    asked: list[DraftedLine]
    attendance: Mapping[int, Attendance]
    quotient: Decimal | None
    warnings: Warnings


@planned_each_time()
def drafts(
    households: Sequence[int], scope: Scope, settings: BillingSettings
) -> tuple[list[Draft], Warnings]:
    """The invoices of these households, in their order, each régie's apart; those with nothing to bill are
    left out."""
    billable = Billable(scope, settings, households=households)
    found = reading.read(billable)
    days = [one.day for one in found.due] or [scope.month]
    prices = PriceBook.load(
        {one.formula for one in found.due} | found.formulas_taken_back,
        min([*days, *found.days_taken_back]),
        max([*days, *found.days_taken_back]),
    )
    people = FactsBook.load(households, min(days), max(days), asks=prices.asks)
    presence_prices = PresencePrices(
        prices=prices,
        people=people,
        absences_billed=absences_billed(found, AbsencePolicy.rules),
        late_forgiven=late_forgiven(found, prices, scope.ends_on),
    )
    lines = Lines(FlatPrices(households), regies.of_formulas())
    _fill(lines, billable, found, presence_prices)
    _ask_fees(lines, billable, fees.of_town(), households)
    _serve_adults(lines, billable)
    made = _addressed(lines.by_household, lambda home: people.quotient(home, scope.ends_on))
    for draft in made:
        home = draft.household.pk
        if draft.regie in (lines.recalculated_by[home] or {draft.regie}):
            draft.recalculated = [row.pk for row in lines.recalculated if row.household_id == home]
    return made, presence_prices.warnings


def foresee_month(household: int, scope: Scope, settings: BillingSettings, known: Known) -> Foreseen:
    """The lines of one household's invoice, and apart those of what it has asked for."""
    billable = Billable(scope, settings, households=[household], rare=known.rare)
    found = reading.read(billable, requests=True)
    due = [one.day for one in found.due] or [scope.month]
    asked = [one.day for one in found.asked]
    people = known.people(min([*due, *asked]), max([*due, *asked, scope.ends_on]))
    presence_prices = PresencePrices(
        prices=known.prices,
        people=people,
        absences_billed=absences_billed(found, lambda: known.policies),
        late_forgiven=late_forgiven(found, known.prices, scope.ends_on),
    )
    flats = FlatPrices([household])
    lines = Lines(flats, known.regies)
    _fill(lines, billable, found, presence_prices)
    _ask_fees(lines, billable, known.fees, [household])
    if known.meals:
        _serve_adults(lines, billable)
    # What it has asked for deserves no look yet.
    if_granted = Lines(flats)
    _bill(found.asked, replace(presence_prices, warnings=Warnings()), if_granted)
    return Foreseen(
        lines=_in_order(lines.by_household[household]),
        asked=_in_order(if_granted.by_household[household]),
        attendance=found.attendance,
        quotient=people.quotient(household, scope.ends_on),
        warnings=presence_prices.warnings,
    )


def _fill(lines: Lines, billable: Billable, found: Reading, prices: PresencePrices) -> None:
    """Adds every line."""
    flats = lines.flats
    _bill(found.presences, prices, lines)
    _bill([one for one in found.refilled if not prices.excused(one.attendance)], prices, lines)
    touched = correct(found, prices, lines, flats, billable)
    lines.recalculated = list(billable.recalculated().order_by("pk"))
    changes.apply(
        lines.recalculated,
        lines,
        flats,
        touched=touched,
        counting=lambda asked: counting(asked, found, prices, flats),
    )
    quantities.settle(lines, found.due, prices, billable)
    cards.settle(lines, found.due, billable)
    for statement in billable.statements().prefetch_related("lines").order_by("pk"):
        lines.take_over(statement)
    for charge in billable.charges().select_related("child", "card__card"):
        lines.charge(charge)
    missing = reading.not_entered(found, billable.scope.month)
    prices.warnings.not_entered = Counter(one.name for one in missing)


def _ask_fees(lines: Lines, billable: Billable, asked: Sequence[Fee], households: Sequence[int]) -> None:
    """Adds what is asked once a year, and gives back what is not asked any more."""
    found = fees.read(asked, billable.scope.ends_on, households=households, since=billable.since)
    for back in found.back:
        if billable.bills(back.billed.item.line.invoice.regie_id):
            lines.take_back(back.billed, back.why)
    for due in found.due:
        if due.row.amount and billable.bills(due.row.fee.regie_id):
            lines.ask(due)


def _serve_adults(lines: Lines, billable: Billable) -> None:
    """Adds the meals of adults, and gives back what was cancelled since it was billed."""
    found = adults.read(billable)
    for back in found.back:
        if billable.bills(back.item.line.invoice.regie_id):
            lines.take_back(back, "repas annulé")
    for due in found.due:
        lines.serve(due)


def _bill(presences: Collection[reading.Presence], prices: PresencePrices, lines: Lines) -> None:
    for presence in presences:
        priced = prices.of(presence)
        if priced is not None:
            lines.bill(presence, priced)


def _in_order(lines: Collection[DraftedLine]) -> list[DraftedLine]:
    return sorted(lines, key=lambda line: line.place)


def _addressed(
    lines: Mapping[int, list[DraftedLine]], quotient: Callable[[int], Decimal | None] = lambda _: None
) -> list[Draft]:
    """Drafts of these lines, one a household and régie, with who pays and where it lives."""
    homes = Household.objects.in_bulk(list(lines))
    payers: dict[int, list[str]] = defaultdict(list)
    for guardian in Guardian.objects.filter(household_id__in=list(lines), is_payer=True):
        payers[guardian.household_id].append(str(guardian))
    return [
        Draft(
            household=homes[pk],
            payer=" et ".join(payers[pk]),
            address=_address(homes[pk]),
            quotient=quotient(pk),
            lines=_in_order([line for line in lines[pk] if line.regie == regie]),
            regie=regie,
            trouble=_trouble(homes[pk], payers[pk]),
        )
        for pk in sorted(lines)
        for regie in sorted({line.regie for line in lines[pk]}, key=lambda one: one or 0)
    ]


def openings(balances: Mapping[int, Decimal], label: str) -> list[Draft]:
    """A draft of one line for each household (key): what it owed before, in euros."""
    lines = {
        home: [DraftedLine(kind=Kind.MANUAL, label=label, unit_price=amount, quantity=Decimal(1))]
        for home, amount in balances.items()
    }
    return _addressed(lines)


def _address(home: Household) -> str:
    more = f"{home.street_more}\n" if home.street_more else ""
    return f"{home.street}\n{more}{home.postcode} {home.city}".strip()


def _trouble(home: Household, payers: Collection[str]) -> str:
    if not payers:
        return f"{home} : aucun responsable ne reçoit les factures."
    if not (home.street.strip() and home.postcode.strip() and home.city.strip()):
        return f"{home} : l'adresse est incomplète."
    return ""
