"""What a month's invoices would say: read from bookings, attendance and tariffs; writes nothing.

`drafts(households, scope)` prices everything not billed yet up to the month's end, in a fixed number of
queries for any number of households, and says what has no price. `invoicing.py` makes documents of them.
`foresee(household, scope)` does it for a page of one family, which has few queries to spare.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from django.db.models import Max, Min, Q, QuerySet
from django.utils import timezone

from billing.invoices.billable import (
    Rare,
    Scope,
    billed_bookings_ended,
    billed_by_mistake,
    billed_then_entered,
    bookings_held_again,
    last_billings,
    since,
    unbilled_attendance,
    unbilled_bookings,
)
from billing.models import (
    AbsencePolicy,
    BilledItem,
    BillingSettings,
    Counted,
    InvoiceLine,
    ManualCharge,
    Tariff,
)
from billing.prices.books import (
    FactsBook,
    PriceBook,
    Quote,
)
from billing.rules import absences, pricing
from families.models import Guardian, Household
from portal.database.query_plans import planned_each_time
from portal.reservations.models import (
    Attendance,
    AttendanceState,
    Booking,
    Formula,
)
from portal.reservations.states import HOLDING, BookingState

Kind = InvoiceLine.Kind
SUFFIXES = {
    Counted.ABSENT: " – absence",
    Counted.WAITING: " – absence, jour de carence",
    Counted.FREE: " – absence non facturée",
}
FLAT_UNITS = (Tariff.Unit.MONTH, Tariff.Unit.PERIOD)
TIMED_UNITS = {
    Tariff.Unit.HOUR: pricing.Unit.HOUR,
    Tariff.Unit.HALF_HOUR: pricing.Unit.HALF_HOUR,
    Tariff.Unit.QUARTER: pricing.Unit.QUARTER,
}


class DraftedItem(NamedTuple):
    """What a line bills, as in BilledItem: its columns are ITEM_COLUMNS."""

    booking: int | None
    attendance: int | None
    flat: str
    turn: int
    amount: Decimal
    counted: str = ""
    minutes: int | None = None


ITEM_COLUMNS = ("booking_id", "attendance_id", "flat", "turn", "amount", "counted", "minutes")


@dataclass
class DraftedLine:
    """A line to be; `amount` = `quantity` × `unit_price`."""

    kind: str
    label: str
    unit_price: Decimal
    quantity: Decimal = Decimal(0)
    child: int | None = None
    child_name: str = ""
    formula: int | None = None
    activity_name: str = ""
    explanation: str = ""
    vat_percent: Decimal = Decimal(0)
    care_percent: Decimal = Decimal(0)
    days: list[date] = field(default_factory=list)
    items: list[DraftedItem] = field(default_factory=list)
    manual: ManualCharge | None = None

    @property
    def amount(self) -> Decimal:
        return pricing.rounded(self.unit_price * self.quantity)


@dataclass
class Draft:
    """A household's invoice to be. `trouble` says in French why it cannot be issued."""

    household: Household
    payer: str
    address: str
    quotient: Decimal | None
    lines: list[DraftedLine]
    trouble: str = ""

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal(0))


@dataclass
class Warnings:
    """What the accountant should know before issuing, counted by formula; `reasons`: why one has no price."""

    unpriced: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    without_quotient: set[int] = field(default_factory=set)
    not_entered: Counter[str] = field(default_factory=Counter)
    without_minutes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Known:
    """What a page knows before it drafts the invoice of one household, and need not be read again."""

    prices: PriceBook
    people: Callable[[date, date], FactsBook]
    policies: Mapping[int | None, absences.AbsenceRule]
    rare: frozenset[Rare]


@dataclass(frozen=True)
class Foreseen:
    """What an invoice would say now; `asked`: the lines of what waits for the town hall's answer, were it
    granted; `attendance`: what was entered, by booking."""

    lines: list[DraftedLine]
    asked: list[DraftedLine]
    attendance: dict[int, Attendance]
    quotient: Decimal | None
    warnings: Warnings


class _Presence(NamedTuple):
    """A booking, or an unreserved presence (`booking` None), to be billed for the `turn`-th time."""

    booking: int | None
    attendance: Attendance | None
    household: int
    child: int
    child_name: str
    activity: int
    activity_name: str
    establishment: int
    formula: int
    formula_name: str
    day: date
    late: bool
    period: int | None
    turn: int
    state: str = ""

    @property
    def minutes(self) -> int | None:
        return self.attendance.minutes if self.attendance else None


class _Priced(NamedTuple):
    """What a presence costs: `units` at `unit_price`, with the words after its formula's name. `flat` names
    the month or period that a flat price pays as a whole."""

    kind: str
    suffix: str
    counted: str
    unit_price: Decimal
    units: Decimal
    flat: str
    quote: Quote

    @property
    def amount(self) -> Decimal:
        return Decimal("0.00") if self.flat else pricing.rounded(self.unit_price * self.units)


def foresee_month(household: int, scope: Scope, settings: BillingSettings, known: Known) -> Foreseen:
    """The lines of one household's invoice, and apart those of what it has asked for."""
    drafting = _Drafting([household], scope, settings, known)
    lines = drafting.lines()[household]
    warnings, drafting.warnings = drafting.warnings, Warnings()
    asked = [line for _, line in drafting.lines_of(drafting.asked)]
    return Foreseen(
        sorted(lines, key=_order),
        sorted(asked, key=_order),
        {pk: row for pk, row in drafting.attendances.items() if pk is not None},
        drafting.people.quotient(household, scope.ends_on),
        warnings,
    )


@planned_each_time()
def drafts(
    households: Sequence[int], scope: Scope, settings: BillingSettings
) -> tuple[list[Draft], Warnings]:
    """The invoices of these households, in their order; those with nothing to bill are left out."""
    drafting = _Drafting(households, scope, settings)
    return drafting.all(), drafting.warnings


class _Drafting:
    def __init__(
        self,
        households: Sequence[int],
        scope: Scope,
        settings: BillingSettings,
        known: Known | None = None,
    ) -> None:
        self.known = known
        self.asked: list[_Presence] = []
        self.ids = list(households)
        self.scope = scope
        self.settings = settings
        self.warnings = Warnings()
        first = since(scope, settings)
        self.attendances = {
            one.booking_id: one
            for one in Attendance.objects.filter(
                household_id__in=self.ids, booking__isnull=False, day__gte=first, day__lte=scope.ends_on
            )
        }
        self.presences = [*self._bookings(), *self._unreserved()]
        self.taken_back = self._taken_back()
        self.reconsidered = self._reconsidered()
        turns = {item.booking_id: item.turn + (2 if item.amount else 1) for item in self.reconsidered}
        self.again = self._rows(Booking.objects.filter(pk__in=turns), turns) if turns else []
        formulas = {one.formula for one in (*self.presences, *self.again)}
        days = [one.day for one in (*self.presences, *self.again)] or [scope.month]
        if known is None:
            self.prices = PriceBook.load(formulas, min(days), max(days))
            self.people = FactsBook.load(self.ids, min(days), max(days), asks=self.prices.asks)
        else:
            self.prices = known.prices
            asked = [one.day for one in self.asked]
            self.people = known.people(min(days + asked), max([*days, *asked, scope.ends_on]))
        self.absent_days = self._absences()
        self.forgiven = self._forgiven()

    # Reading

    def _may_have(self, kind: Rare) -> bool:
        return self.known is None or kind in self.known.rare

    def _rows(self, bookings: QuerySet[Booking], turns: dict[int, int] | None = None) -> list[_Presence]:
        names = (
            "pk",
            "household_id",
            "child_id",
            "child__first_name",
            "child__last_name",
            "activity_id",
            "activity__name",
            "establishment_id",
            "formula_id",
            "formula__name",
            "day",
            "late",
            "reservation__period_id",
            "state",
        )
        rows = []
        for (
            pk,
            household,
            child,
            first,
            last,
            activity,
            activity_name,
            place,
            formula,
            name,
            day,
            late,
            period,
            state,
        ) in bookings.order_by("household_id", "child_id", "day", "pk").values_list(*names):
            rows.append(
                _Presence(
                    pk,
                    self.attendances.get(pk),
                    household,
                    child,
                    f"{first} {last}",
                    activity,
                    activity_name,
                    place,
                    formula,
                    name,
                    day,
                    late,
                    period,
                    turns[pk] if turns else 1,
                    state,
                )
            )
        return rows

    def _bookings(self) -> list[_Presence]:
        states = HOLDING if self.known is None else (*HOLDING, BookingState.REQUESTED)
        rows = self._rows(
            unbilled_bookings(self.scope, self.settings, states).filter(household_id__in=self.ids)
        )
        if self.known is not None:
            self.asked = [row for row in rows if row.state == BookingState.REQUESTED]
            rows = [row for row in rows if row.state != BookingState.REQUESTED]
        if not self._may_have(Rare.AGAIN):
            return rows
        again = bookings_held_again(self.scope, self.settings).filter(household_id__in=self.ids)
        last = dict(again.annotate(last=Max("billed__turn")).order_by().values_list("pk", "last"))
        turns = {pk: turn + 1 for pk, turn in last.items()}
        return rows + (self._rows(Booking.objects.filter(pk__in=turns), turns) if turns else [])

    def _unreserved(self) -> list[_Presence]:
        if not self._may_have(Rare.UNRESERVED):
            return []
        attendances = (
            unbilled_attendance(self.scope, self.settings)
            .filter(household_id__in=self.ids)
            .select_related("child", "formula__activity")
        )
        return [
            _Presence(
                None,
                one,
                one.household_id,
                one.child_id,
                str(one.child),
                one.formula.activity_id,
                one.formula.activity.name,
                one.establishment_id,
                one.formula_id,
                one.formula.name,
                one.day,
                False,
                None,
                1,
            )
            for one in attendances.order_by("household_id", "child_id", "day", "pk")
        ]

    def _taken_back(self) -> list[BilledItem]:
        """What was billed and is not due any more."""
        found: list[BilledItem] = []
        if self._may_have(Rare.ENDED):
            ended = billed_bookings_ended(self.scope, self.settings)
            found += _with_days(ended.filter(booking__household_id__in=self.ids))
        if self._may_have(Rare.MISTAKEN):
            mistaken = billed_by_mistake(self.scope, self.settings)
            found += _with_days(mistaken.filter(attendance__household_id__in=self.ids))
        return found

    def _reconsidered(self) -> list[BilledItem]:
        """Billings to look at again: those whose attendance came after the invoice, and the certified
        absences that follow a day that changed, since they may have counted as its days of waiting."""
        found: list[BilledItem] = []
        if self._may_have(Rare.RECONSIDERED):
            entered = billed_then_entered(self.scope, self.settings)
            found += _with_days(entered.filter(booking__household_id__in=self.ids))
        changed: dict[tuple[int, int], date] = {}
        moved = [(one.household, one.child, one.day) for one in self.presences]
        for row in (item.booking for item in [*found, *self.taken_back] if item.booking is not None):
            moved.append((row.household_id, row.child_id, row.day))
        for household, child, day in moved:
            changed[household, child] = min(day, changed.get((household, child), day))
        known = {one.booking for one in self.presences} | {item.booking_id for item in found}
        following = [
            pk
            for pk, one in self.attendances.items()
            if one.certificate_at
            and pk not in known
            and one.day > changed.get((one.household_id, one.child_id), date.max)
        ]
        if following:
            others = last_billings(self.scope, self.settings).filter(booking__state__in=HOLDING)
            found += _with_days(others.filter(booking__in=following))
        return found

    @cached_property
    def _policies(self) -> Mapping[int | None, absences.AbsenceRule]:
        if self.known is not None:
            return self.known.policies
        return {policy.activity_id: policy.rule() for policy in AbsencePolicy.objects.all()}

    def _rule(self, activity: int) -> absences.AbsenceRule:
        rules = self._policies
        return rules.get(activity) or rules.get(None) or absences.AbsenceRule()

    def _absences(self) -> dict[int, bool]:
        """Attendance of a missed booking -> whether it is billed; those not here are presences."""
        missed: dict[tuple[int, int, int], dict[int, absences.Missed]] = defaultdict(dict)
        activities = {one.formula: one.activity for one in (*self.presences, *self.again)}
        rows = [row for row in self.attendances.values() if row.state == AttendanceState.ABSENT]
        if others := {row.formula_id for row in rows} - set(activities):
            # Missed in another formula of the activity, it belongs to the same absence.
            activities |= dict(Formula.objects.filter(pk__in=others).values_list("pk", "activity_id"))
        for row in rows:
            activity = activities[row.formula_id]
            given = timezone.localtime(row.certificate_at) if row.certificate_at else None
            said = absences.Missed(row.day, absences.Reason(row.reason), given)
            missed[row.household_id, row.child_id, activity][row.pk] = said
        booked = self._booked_around(missed)
        billed: dict[int, bool] = {}
        for key, said_of in missed.items():
            due = absences.billed(self._rule(key[2]), list(said_of.values()), booked[key])
            billed |= {pk: one in due for pk, one in said_of.items()}
        return billed

    def _booked_around(
        self, missed: dict[tuple[int, int, int], dict[int, absences.Missed]]
    ) -> dict[tuple[int, int, int], set[date]]:
        """The booked days of those who missed some, billed long ago or not: they part one absence from
        another."""
        found: dict[tuple[int, int, int], set[date]] = defaultdict(set)
        days = [one.day for rows in missed.values() for one in rows.values()]
        if not days:
            return found
        bookings = Booking.objects.filter(
            household_id__in={household for household, _, _ in missed},
            child_id__in={child for _, child, _ in missed},
            state__in=HOLDING,
            day__range=(min(days), max(days)),
        )
        for household, child, activity, day in bookings.order_by().values_list(
            "household_id", "child_id", "activity_id", "day"
        ):
            found[household, child, activity].add(day)
        return found

    # Writing drafts

    def all(self) -> list[Draft]:
        return self._with_addresses(self.lines())

    def lines(self) -> dict[int, list[DraftedLine]]:
        """Every line, by household."""
        lines: dict[int, list[DraftedLine]] = defaultdict(list)
        for household, line in self.lines_of(self.presences):
            lines[household].append(line)
        for household, line in self._corrections():
            lines[household].append(line)
        for charge in self._manual():
            lines[charge.household_id].append(
                DraftedLine(
                    Kind.MANUAL,
                    charge.label,
                    charge.unit_price,
                    charge.quantity,
                    charge.child_id,
                    str(charge.child or ""),
                    manual=charge,
                )
            )
        self._look_for_gaps()
        return lines

    def _manual(self) -> Iterable[ManualCharge]:
        if not self._may_have(Rare.MANUAL):
            return ()
        return ManualCharge.objects.filter(household_id__in=self.ids, line=None).select_related("child")

    def _with_addresses(self, lines: dict[int, list[DraftedLine]]) -> list[Draft]:
        homes = Household.objects.in_bulk(list(lines))
        payers: dict[int, list[str]] = defaultdict(list)
        for guardian in Guardian.objects.filter(household_id__in=list(lines), is_payer=True):
            payers[guardian.household_id].append(str(guardian))
        found = []
        for pk in sorted(lines):
            home = homes[pk]
            more = f"{home.street_more}\n" if home.street_more else ""
            draft = Draft(
                home,
                " et ".join(payers[pk]),
                f"{home.street}\n{more}{home.postcode} {home.city}".strip(),
                self.people.quotient(pk, self.scope.ends_on),
                sorted(lines[pk], key=_order),
            )
            if not payers[pk]:
                draft.trouble = f"{home} : aucun responsable ne reçoit les factures."
            elif not (home.street.strip() and home.postcode.strip() and home.city.strip()):
                draft.trouble = f"{home} : l'adresse est incomplète."
            found.append(draft)
        return found

    def lines_of(self, presences: Iterable[_Presence]) -> Iterator[tuple[int, DraftedLine]]:
        """The lines of these presences, each with its household."""
        lines: dict[tuple[object, ...], DraftedLine] = {}
        for presence in presences:
            if (priced := self._priced(presence)) is not None:
                self._join(lines, presence, priced)
        yield from _with_households(lines)

    def _forgiven(self) -> set[int]:
        """Late bookings that cost nothing more: the first of a child's month, after those billed before."""
        late = [one for one in (*self.presences, *self.again, *self.asked) if one.late]
        late = [one for one in late if self.prices.free_late(one.formula, one.day)]
        if not late:
            return set()
        bookings = (
            Booking.objects.filter(
                Q(state__in=(*HOLDING, BookingState.REQUESTED) if self.asked else HOLDING)
                | Q(billed__isnull=False),
                household_id__in={one.household for one in late},
                formula_id__in={one.formula for one in late},
                late=True,
                day__range=(min(one.day for one in late).replace(day=1), self.scope.ends_on),
            )
            .annotate(invoice=Min("billed__line__invoice"))
            .order_by()
            .values_list("state", "invoice", "day", "pk", "household_id", "child_id", "formula_id")
        )
        found: set[int] = set()
        so_far: Counter[tuple[int, int, int, int, int]] = Counter()
        # What waits for an answer takes what the others leave.
        for _, _, day, pk, household, child, formula in sorted(
            bookings,
            key=lambda one: (one[0] == BookingState.REQUESTED, one[1] is None, one[1] or 0, one[2], one[3]),
        ):
            key = (household, child, formula, day.year, day.month)
            so_far[key] += 1
            if so_far[key] <= self.prices.free_late(formula, day):
                found.add(pk)
        return found

    def _counted(self, presence: _Presence) -> str:
        """How the presence counts, by what was entered of it."""
        attendance = presence.attendance
        if presence.booking is None or attendance is None or attendance.pk not in self.absent_days:
            return Counted.PRESENT
        if not self.absent_days[attendance.pk]:
            return Counted.FREE
        return Counted.ABSENT if attendance.certificate_at is None else Counted.WAITING

    def _priced(self, presence: _Presence) -> _Priced | None:
        """None when no tariff says a price."""
        late = presence.late and presence.booking not in self.forgiven
        facts = self.people.facts(
            presence.household, presence.child, presence.activity, presence.day, late=late
        )
        counted = self._counted(presence)
        suffix = SUFFIXES.get(counted, " – hors délai" if late else "")
        if presence.booking is None:
            suffix, facts = " – présence sans réservation", _replace(facts, unreserved=True)
        elif counted == Counted.ABSENT:
            facts = _replace(facts, absent=True)
        try:
            quote = self.prices.quote(presence.formula, facts, presence.day)
            if quote.tariff.unit in TIMED_UNITS and counted != Counted.FREE:
                units = self._units(presence, quote.tariff)
                if units != 1:
                    facts = _replace(facts, units=units)
                    quote = self.prices.quote(presence.formula, facts, presence.day)
        except pricing.NoPrice as refusal:
            name = f"{presence.activity_name} – {presence.formula_name}"
            self.warnings.unpriced[name] += 1
            self.warnings.reasons.setdefault(name, str(refusal))
            return None
        if facts.quotient is None and quote.tariff.kind != Tariff.Kind.FLAT:
            self.warnings.without_quotient.add(presence.household)
        if facts.pai:
            suffix += " – panier repas (PAI)"
        if counted == Counted.FREE:
            return _Priced(Kind.FREE, suffix, counted, Decimal("0.00"), Decimal(1), "", quote)
        unit_price = quote.price.unit_price
        if quote.tariff.unit in FLAT_UNITS:
            flat = _flat(presence, quote.tariff)
            return _Priced(Kind.FLAT, " – forfait", counted, unit_price, Decimal(0), flat, quote)
        return _Priced(Kind.PRESENCE, suffix, counted, unit_price, quote.price.quantity, "", quote)

    def _units(self, presence: _Presence, tariff: Tariff) -> Decimal:
        if presence.minutes is None:
            self.warnings.without_minutes[f"{presence.activity_name} – {presence.formula_name}"] += 1
            return Decimal(1)
        return Decimal(pricing.started(presence.minutes, TIMED_UNITS[Tariff.Unit(tariff.unit)]))

    @cached_property
    def flats(self) -> set[str]:
        """The flat prices billed before, or on a line of these drafts."""
        return set(
            BilledItem.objects.filter(flat__gt="", line__invoice__household_id__in=self.ids).values_list(
                "flat", flat=True
            )
        )

    def _join(
        self,
        lines: dict[tuple[object, ...], DraftedLine],
        presence: _Presence,
        priced: _Priced,
        corrects: str = "",
    ) -> None:
        """Adds the presence to the line that it joins. `corrects`: the number of the invoice that billed it
        otherwise."""
        price, tariff = priced.quote.price, priced.quote.tariff
        key = (
            presence.household,
            presence.child,
            presence.activity,
            presence.formula,
            priced.kind,
            priced.suffix,
            priced.unit_price,
            tariff.pk,
            price.band,
            priced.flat,
            corrects,
        )
        if key not in lines:
            lines[key] = self._line(presence, priced, corrects)
        line = lines[key]
        line.quantity += priced.units
        attendance = presence.attendance.pk if presence.booking is None and presence.attendance else None
        line.days.append(presence.day)
        line.items.append(
            DraftedItem(
                presence.booking,
                attendance,
                "",
                presence.turn,
                priced.amount,
                priced.counted,
                presence.minutes,
            )
        )

    def _line(self, presence: _Presence, priced: _Priced, corrects: str) -> DraftedLine:
        """A line to be joined; that of a flat price counts one, once."""
        price, tariff = priced.quote.price, priced.quote.tariff
        kind, label = priced.kind, f"{presence.formula_name}{priced.suffix}"
        steps = [] if kind == Kind.FREE else [f"{step}." for step in _steps(price)]
        if corrects and kind == Kind.PRESENCE:
            kind, label = Kind.DEBIT, f"{label} – régularisation"
            steps.insert(0, f"Pointage corrigé après la facture {corrects}.")
        line = DraftedLine(
            kind,
            label,
            priced.unit_price,
            Decimal(0),
            presence.child,
            presence.child_name,
            presence.formula,
            presence.activity_name,
            " ".join(steps)[:600],
            tariff.vat_percent,
            tariff.care_percent,
        )
        if priced.flat:
            line.quantity = Decimal(1)
            if priced.flat in self.flats:
                line.unit_price = Decimal("0.00")
                line.label = f"{presence.formula_name} – forfait déjà facturé"
            else:
                self.flats.add(priced.flat)
                line.items.append(DraftedItem(None, None, priced.flat, 1, priced.unit_price))
        return line

    def _corrections(self) -> Iterator[tuple[int, DraftedLine]]:
        """What was billed and counts otherwise now: taken back, and billed again as it stands."""
        back: dict[tuple[object, ...], DraftedLine] = {}
        for item in self.taken_back:
            self._credit(back, item, "annulé" if item.booking_id else "pointage corrigé")
        anew: dict[tuple[object, ...], DraftedLine] = {}
        presences = {one.booking: one for one in self.again}
        for item in self.reconsidered:
            presence = presences[item.booking_id]
            if (priced := self._recounted(item, presence)) is None:
                continue
            month = _month(presence.child, presence.formula, presence.day)
            if priced.flat and month in self._paid_by_the_day:
                self.flats.add(priced.flat)
            if item.amount:
                missed = item.counted == Counted.PRESENT and priced.counted != Counted.PRESENT
                self._credit(back, item, "absence connue" if missed else "pointage corrigé")
            self._join(anew, presence, priced, corrects=item.line.invoice.number)
        yield from _with_households(back)
        yield from _with_households(anew)

    @cached_property
    def _paid_by_the_day(self) -> set[tuple[int, int, int, int]]:
        """Months of a child's formula that were billed day by day: no flat price is asked besides."""
        billed = last_billings(self.scope, self.settings).filter(
            booking__child_id__in={item.booking.child_id for item in self.reconsidered}, amount__gt=0
        )
        days = billed.values_list("booking__child_id", "booking__formula_id", "booking__day")
        return {_month(*one) for one in days.order_by()}

    def _recounted(self, item: BilledItem, presence: _Presence) -> _Priced | None:
        """What a billed day costs now; None where its billing stands.

        It stands as long as nothing that was entered makes it count otherwise, whatever became of tariffs
        and quotients. A day that had a price of its own keeps it where the tariff has become flat since.
        """
        if (item.counted, item.minutes) == (self._counted(presence), presence.minutes):
            return None
        priced = self._priced(presence)
        if priced is None or (priced.amount == item.amount and not priced.flat):
            return None
        return None if priced.flat and item.amount else priced

    @staticmethod
    def _credit(lines: dict[tuple[object, ...], DraftedLine], item: BilledItem, why: str) -> None:
        """Adds what takes the billing back to the line that it joins."""
        billed = item.line
        invoice = billed.invoice
        key = (
            invoice.household_id,
            billed.child_id,
            billed.formula_id,
            invoice.pk,
            billed.label,
            item.amount,
            why,
        )
        if key not in lines:
            lines[key] = DraftedLine(
                Kind.CREDIT,
                f"{billed.label} : {why} après la facture {invoice.number}"[:200],
                -item.amount,
                Decimal(0),
                billed.child_id,
                billed.child_name,
                billed.formula_id,
                billed.activity_name,
                "",
                billed.vat_percent,
                billed.care_percent,
            )
        line = lines[key]
        line.quantity += 1
        line.days.append((item.booking or item.attendance).day)
        line.items.append(DraftedItem(item.booking_id, item.attendance_id, "", item.turn + 1, -item.amount))

    def _look_for_gaps(self) -> None:
        """Presences of the month without attendance, where attendance is taken."""
        taken = {
            (one.establishment_id, one.formula_id)
            for one in self.attendances.values()
            if one.day >= self.scope.month
        }
        for presence in self.presences:
            if (
                presence.attendance is None
                and presence.day >= self.scope.month
                and (presence.establishment, presence.formula) in taken
            ):
                self.warnings.not_entered[f"{presence.activity_name} – {presence.formula_name}"] += 1


def _with_days(items: QuerySet[BilledItem]) -> list[BilledItem]:
    found = items.select_related("booking", "attendance", "line__invoice")
    return list(found.order_by("booking__day", "attendance__day", "pk"))


def _with_households(lines: dict[tuple[object, ...], DraftedLine]) -> Iterator[tuple[int, DraftedLine]]:
    """Lines by keys that begin with their household."""
    return ((int(str(key[0])), line) for key, line in lines.items())


def _month(child: int, formula: int, day: date) -> tuple[int, int, int, int]:
    return child, formula, day.year, day.month


def _flat(presence: _Presence, tariff: Tariff) -> str:
    """What one flat price pays for: a child's formula in a period, or in a month."""
    if tariff.unit == Tariff.Unit.PERIOD and presence.period:
        return f"{presence.child}:{presence.formula}:p{presence.period}"
    return f"{presence.child}:{presence.formula}:{presence.day:%Y-%m}"


def _replace(facts: pricing.Facts, **changes: object) -> pricing.Facts:
    return pricing.Facts(**{**facts.__dict__, **changes})


def _steps(price: pricing.Price) -> Sequence[str]:
    """The explanation without its last sentence, the quantity: the line has its own."""
    return price.steps[:-1] if price.quantity != 1 else price.steps


ORDER = {Kind.CREDIT: 1, Kind.DEBIT: 2, Kind.MANUAL: 3}


def _order(line: DraftedLine) -> tuple[object, ...]:
    """By child, then what is billed before what is taken back, and that before what is billed anew."""
    return (
        line.child is None,
        line.child_name,
        line.child or 0,
        ORDER.get(Kind(line.kind), 0),
        line.activity_name,
        line.label,
        line.days[0] if line.days else date.max,
    )
