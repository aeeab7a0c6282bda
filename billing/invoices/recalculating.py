"""« Recalculer un mois »: the only writer of recalculations. Billed days change price by this verb alone.

    ask(month, household=…, reason=…, by=…, at=…) -> Recalculation
    count(recalculation)                     writes what it would do, household by household
    confirm(recalculation, by=…, at=…)
    carry_out(recalculation) -> int          under the counter's lock

Each household's month is priced once more under the lock: where that is no longer what was shown, nothing of
it is confirmed. What is confirmed goes on the household's next invoice as it was shown (`changes.py`): what
was billed is taken back, what is due is billed again.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from billing.invoices import quantities, reading
from billing.invoices.billable import Billable, Scope
from billing.invoices.corrections import counting
from billing.invoices.draft import Change, DraftedItem, DraftedLine, Kind
from billing.invoices.flats import Asked, Flat, FlatPrices
from billing.invoices.numbering import Numbering
from billing.invoices.other_days import absences_billed, late_forgiven
from billing.invoices.presence_prices import NOTHING, PresencePrices, Priced
from billing.invoices.reading import Presence, Reconsidered
from billing.models import AbsencePolicy, BilledItem, BillingSettings, RecalculatedHousehold, Recalculation
from billing.prices.books import FactsBook, PriceBook
from families.custody import own
from families.models import Household, User
from portal.database.query_plans import planned_each_time
from portal.french.dates import month_name

CHUNK = 500
RIGHT = "billing.add_recalculation"
State = Recalculation.State
Proposed = RecalculatedHousehold.State


class RecalculationRefused(Exception):
    """Nothing was confirmed; the message says why in French."""


# What it would do ----------------------------------------------------------------------------------------


@dataclass
class Compared:
    """A household's month in euros, as billed and by what is known today, and what makes the difference."""

    billed: Decimal = NOTHING
    amount: Decimal = NOTHING
    changes: list[Change] = field(default_factory=list)

    def add(self, was: Decimal, amount: Decimal) -> None:
        self.billed += was
        self.amount += amount


@planned_each_time()
def compare(households: Sequence[int], month: date, settings: BillingSettings) -> dict[int, Compared]:
    """What the billed days of a month would cost by today's facts, in a fixed number of queries. Nothing is
    written."""
    scope = Scope(month)
    billable = Billable(scope, settings, households=households)
    found = reading.read_month(billable)
    days = [one.presence.day for one in found.reconsidered] or [month]
    prices = PriceBook.load({one.presence.formula for one in found.reconsidered}, min(days), max(days))
    presence_prices = PresencePrices(
        prices=prices,
        people=FactsBook.load(households, min(days), max(days), asks=prices.asks),
        absences_billed=absences_billed(found, AbsencePolicy.rules),
        late_forgiven=late_forgiven(found, prices, scope.ends_on),
    )
    compared: dict[int, Compared] = defaultdict(Compared)
    flats = FlatPrices(households)
    met: dict[Flat, tuple[Presence, Priced]] = {}
    by_the_day: set[tuple[int, int, int]] = set()
    for one in found.reconsidered:
        priced = presence_prices.of(one.presence)
        if priced is not None and priced.flat:
            met.setdefault(priced.flat, (one.presence, priced))
        elif priced is not None and priced.amount:
            by_the_day.add((one.presence.household, one.presence.child, one.presence.formula))
        if scope.month <= one.presence.day <= scope.ends_on:
            was = one.billed.item.amount
            amount = was if priced is None else priced.amount
            compared[one.presence.household].add(was, amount)
            if priced is not None and amount != was:
                compared[one.presence.household].changes.append(_day(one, priced))
    for flat, (presence, priced) in met.items():
        if flats.credited(flat):
            continue
        _add_flat(compared[flat.household], flats, flat, presence, priced)
    gone = [
        standing
        for flat, standing in flats.billed.items()
        if standing.holds
        and flat not in met
        and not flats.credited(flat)
        and flats.extent(flat)[0].replace(day=1) == month
    ]
    held = counting([one.flat for one in gone if flats.gives_back(one.flat)], found, presence_prices, flats)
    for standing in gone:
        flat, was = standing.flat, standing.item.amount
        replaced = flat[:3] in by_the_day
        emptied = not replaced and flats.gives_back(flat) and flat not in held
        left = NOTHING if replaced or emptied else was
        compared[flat.household].add(was, left)
        if left != was:
            compared[flat.household].changes.append(_given_back(standing.item, flat, emptied=emptied))
    if prices.by_quantity:
        _add_numbers(compared, found.reconsidered, presence_prices, billable)
    return compared


def _add_numbers(
    compared: dict[int, Compared],
    days: Sequence[Reconsidered],
    presence_prices: PresencePrices,
    billable: Billable,
) -> None:
    """What the number of presences makes of the days as they would be."""
    counted = [one.presence for one in days if one.presence.formula in presence_prices.prices.by_quantity]
    moved: dict[int, set[date]] = defaultdict(set)
    for presence in counted:
        moved[presence.household].add(presence.day)
    drafted = {home: [_as_line(one) for one in compared[home].changes if one.day] for home in moved}
    for one in quantities.adjustments(moved, drafted, counted, billable):
        its = compared[one.household]
        its.add(one.was, one.was + one.amount)
        if one.amount:
            its.changes.append(
                Change(
                    item=None,
                    household=one.household,
                    child=one.child,
                    child_name=one.child_name,
                    activity_name=one.activity_name,
                    formula=one.formula,
                    was=one.was,
                    amount=one.was + one.amount,
                    day=one.first,
                    flat=one.name,
                    kind=Kind.QUANTITY,
                    label=one.label,
                    explanation=one.explanation,
                    unit_price=one.amount,
                    quantity=Decimal(1),
                    vat_percent=one.vat_percent,
                    care_percent=one.care_percent,
                )
            )


def _as_line(change: Change) -> DraftedLine:
    """A day that would change, as the invoice would bill it."""
    item = DraftedItem(
        turn=1,
        amount=change.amount,
        booking=change.booking,
        attendance=change.attendance,
        counted=change.counted,
        minutes=change.minutes,
    )
    return DraftedLine(
        kind=change.kind,
        label=change.label,
        unit_price=change.unit_price,
        formula=change.formula,
        items=[item],
    )


def _day(one: Reconsidered, priced: Priced) -> Change:
    presence, item = one.presence, one.billed.item
    kind = Kind.DEBIT if priced.kind == Kind.PRESENCE else priced.kind
    price, tariff = priced.quote.price, priced.quote.tariff
    steps = price.steps[:-1] if price.quantity != 1 else price.steps
    flat = priced.flat is not None
    return Change(
        item=item.pk,
        **_of(presence),
        day=presence.day,
        booking=presence.booking,
        attendance=None if presence.booking or presence.attendance is None else presence.attendance.pk,
        was=item.amount,
        amount=priced.amount,
        kind=kind,
        label=f"{presence.formula_name}{priced.suffix}{' – régularisation' if kind == Kind.DEBIT else ''}",
        explanation=_explained(item, () if flat or kind == Kind.FREE else steps),
        unit_price=NOTHING if flat else priced.unit_price,
        quantity=Decimal(1) if flat else priced.units,
        vat_percent=tariff.vat_percent,
        care_percent=tariff.care_percent,
        counted=priced.counted,
        minutes=presence.minutes,
    )


def _add_flat(compared: Compared, flats: FlatPrices, flat: Flat, presence: Presence, priced: Priced) -> None:
    tariff = priced.quote.tariff
    amount, steps = flats.worth(
        Asked(flat, presence.activity, presence.establishment, priced.unit_price, tariff)
    )
    standing = flats.billed.get(flat)
    item = standing.item if standing is not None and standing.holds else None
    was = NOTHING if item is None else item.amount
    compared.add(was, amount)
    if amount == was:
        return
    compared.changes.append(
        Change(
            item=None if item is None else item.pk,
            **_of(presence),
            was=was,
            amount=amount,
            flat=str(flat),
            kind=Kind.DEBIT,
            label=f"{presence.formula_name}{priced.suffix} – régularisation",
            explanation=_explained(item, (*priced.quote.price.steps, *steps)),
            unit_price=amount,
            quantity=Decimal(1),
            vat_percent=tariff.vat_percent,
            care_percent=tariff.care_percent,
        )
    )


def _given_back(item: BilledItem, flat: Flat, *, emptied: bool) -> Change:
    line = item.line
    return Change(
        item=item.pk,
        household=flat.household,
        child=flat.child,
        child_name=line.child_name,
        activity_name=line.activity_name,
        formula=flat.formula,
        was=item.amount,
        amount=NOTHING,
        flat=str(flat),
        emptied=emptied,
        label=line.label,
    )


def _of(presence: Presence) -> dict[str, Any]:
    return {
        "household": presence.household,
        "child": presence.child,
        "child_name": presence.child_name,
        "activity_name": presence.activity_name,
        "formula": presence.formula,
    }


def _explained(item: BilledItem | None, steps: Sequence[str]) -> str:
    after = "" if item is None else f" après la facture {item.line.invoice.number}"
    return " ".join(f"{said}." for said in (f"Recalculé{after}", *steps))


# Verbs ---------------------------------------------------------------------------------------------------


def ask(
    month: date, *, household: Household | None, reason: str, by: User | None, at: datetime
) -> Recalculation:
    """What is to be counted; of the same month and household, what nobody confirmed is forgotten. Raises
    RecalculationRefused."""
    _check(by, household, at)
    if not reason.strip():
        raise RecalculationRefused("Indiquez le motif : il reste dans l'historique des recalculs.")
    if not _concerned(month, household):
        whose = "ce foyer" if household else "aucun foyer"
        raise RecalculationRefused(
            f"Rien n'a été facturé en {month_name(month)}" + (f" pour {whose}." if household else ".")
        )
    with transaction.atomic():
        same = Recalculation.objects.filter(month=month, household=household)
        same.filter(state__in=(State.READY, State.FAILED)).delete()
        return Recalculation.objects.create(
            month=month, household=household, reason=reason.strip(), asked_by=by, asked_at=at
        )


def count(recalculation: Recalculation) -> None:
    """Writes what it would do, of each household that would owe otherwise; begun again, it starts afresh."""
    households = _concerned(recalculation.month, recalculation.household)
    _say(recalculation, State.COUNTING, households=len(households), done=0)
    recalculation.homes.all().delete()
    settings = BillingSettings.current()
    for first in range(0, len(households), CHUNK):
        chunk = households[first : first + CHUNK]
        found = compare(chunk, recalculation.month, settings)
        undone = set(_waiting(chunk, recalculation.month).values_list("household_id", flat=True))
        RecalculatedHousehold.objects.bulk_create(
            RecalculatedHousehold(recalculation=recalculation, household_id=pk, **_kept(found[pk]))
            for pk in chunk
            if pk in undone or (pk in found and found[pk].changes)
        )
        _say(recalculation, State.COUNTING, done=first + len(chunk))
    _say(recalculation, State.READY, done=0)


def confirm(recalculation: Recalculation, *, by: User | None, at: datetime) -> None:
    """Takes what is shown for decided; `carry_out` does it. Raises RecalculationRefused."""
    _check(by, recalculation.household, at)
    with transaction.atomic():
        row = Recalculation.objects.select_for_update().get(pk=recalculation.pk)
        if row.state != State.READY:
            raise RecalculationRefused(f"Ce recalcul est déjà : {row.get_state_display().lower()}.")
        Recalculation.objects.filter(pk=row.pk).update(
            state=State.WORKING,
            confirmed_by=by,
            confirmed_at=at,
            households=row.homes.count(),
            done=0,
        )
    recalculation.refresh_from_db()


def carry_out(recalculation: Recalculation) -> int:
    """Confirms each household that would still owe what was shown; of the others, keeps what they would owe
    now and answers how many they are. Killed and run again, it goes on."""
    settings, at = BillingSettings.current(), recalculation.confirmed_at or recalculation.asked_at
    rows = recalculation.homes.filter(state=Proposed.PROPOSED).order_by("household_id")
    done = recalculation.homes.count() - rows.count()
    while homes := list(rows.values_list("household_id", flat=True)[:CHUNK]):
        with transaction.atomic():
            Household.objects.lock(homes, rows_may_come=True)
            Numbering(settings.series, timezone.localtime(at).year)  # nobody issues meanwhile
            # Read under the lock: who carries it out besides has decided of some before.
            chunk = list(rows.filter(household__in=homes))
            found = compare(homes, recalculation.month, settings)
            for row in chunk:
                now = _kept(found.get(row.household_id, Compared()))
                same = (row.billed, row.amount, row.changes) == (now["billed"], now["amount"], now["changes"])
                row.state = Proposed.CHANGED
                if same:
                    row.state = Proposed.CONFIRMED if row.changes else Proposed.NONE
                row.billed, row.amount, row.changes = now["billed"], now["amount"], now["changes"]
            _replace(chunk, recalculation.month)
            RecalculatedHousehold.objects.bulk_update(chunk, ["state", "billed", "amount", "changes"])
            done += len(chunk)
            _say(recalculation, State.WORKING, done=done)
    changed = recalculation.homes.filter(state=Proposed.CHANGED).count()
    if recalculation.household_id and changed:
        # Shown again as it is now, to be confirmed or not.
        recalculation.homes.update(state=Proposed.PROPOSED)
        _say(recalculation, State.READY, done=0)
    else:
        _say(recalculation, State.DONE)
    return changed


def _replace(rows: Sequence[RecalculatedHousehold], month: date) -> None:
    """What was confirmed of the same month before, and is on no invoice yet, gives way."""
    decided = [row.household_id for row in rows if row.state != Proposed.CHANGED]
    _waiting(decided, month).update(state=Proposed.REPLACED)


def _waiting(households: Sequence[int], month: date) -> QuerySet[RecalculatedHousehold]:
    """What is confirmed of these households' month, and on no invoice yet."""
    return RecalculatedHousehold.objects.filter(
        household__in=households, recalculation__month=month, state=Proposed.CONFIRMED
    )


def _concerned(month: date, household: Household | None) -> list[int]:
    """The households with a billed day in the month."""
    of = None if household is None else [household.pk]
    billable = Billable(Scope(month), BillingSettings.current(), households=of)
    found = set(billable.standing().order_by().values_list("booking__household_id", flat=True).distinct())
    came = billable.standing_unreserved().order_by().values_list("attendance__household_id", flat=True)
    return sorted(found | set(came.distinct()))


def _check(by: User | None, household: Household | None, at: datetime) -> None:
    if household is not None:
        own.check(by, [household.pk], right=RIGHT, at=at)


def _kept(compared: Compared) -> dict[str, Any]:
    return {
        "billed": compared.billed,
        "amount": compared.amount,
        "changes": [one.as_json() for one in compared.changes],
    }


def _say(recalculation: Recalculation, state: str, **fields: Any) -> None:
    Recalculation.objects.filter(pk=recalculation.pk).update(state=state, **fields)
    recalculation.refresh_from_db()
