"""What a month's invoices would say: read from bookings, attendance and tariffs; writes nothing.

`drafts(households, scope)` prices everything not billed yet up to the month's end, in a fixed number of
queries for any number of households, and says what has no price. `invoicing.py` makes documents of them.
`foresee(household, scope)` does it for a page of one family, which has few queries to spare.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from billing import absences, pricing
from billing.models import (
    AbsencePolicy,
    Attendance,
    AttendanceState,
    BilledItem,
    BillingSettings,
    InvoiceLine,
    ManualCharge,
    Tariff,
)
from billing.tariffs import FactsBook, PriceBook, Quote
from families.models import Guardian, Household
from portal.reservations.models import Booking
from portal.reservations.states import HOLDING, BookingState

Kind = InvoiceLine.Kind
LOOK_BACK = timedelta(days=366)  # what was forgotten longer ago is no longer looked for
FLAT_UNITS = (Tariff.Unit.MONTH, Tariff.Unit.PERIOD)
TIMED_UNITS = {
    Tariff.Unit.HOUR: pricing.Unit.HOUR,
    Tariff.Unit.HALF_HOUR: pricing.Unit.HALF_HOUR,
    Tariff.Unit.QUARTER: pricing.Unit.QUARTER,
}


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


class Item(NamedTuple):
    """What a line bills, as in BilledItem."""

    booking: int | None
    attendance: int | None
    flat: str
    turn: int
    amount: Decimal


@dataclass
class Line:
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
    items: list[Item] = field(default_factory=list)
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
    lines: list[Line]
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


class Rare(StrEnum):
    """What few households have to bill: where it is known that there is none, nothing of it is read."""

    AGAIN = "again"
    UNRESERVED = "unreserved"
    ENDED = "ended"
    RECONSIDERED = "reconsidered"
    MANUAL = "manual"


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

    lines: list[Line]
    asked: list[Line]
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


def rebilled_bookings(scope: Scope, settings: BillingSettings) -> QuerySet[Booking]:
    """Held bookings that were taken back once or more; some of them billed again since."""
    return Booking.objects.filter(
        scope.filter(), state__in=HOLDING, billed__turn__gte=2, day__gte=since(scope, settings)
    )


def unbilled_attendance(scope: Scope, settings: BillingSettings) -> QuerySet[Attendance]:
    """Presences without a booking, never billed."""
    return Attendance.objects.unreserved().filter(
        scope.filter(),
        ~Exists(BilledItem.objects.filter(attendance=OuterRef("pk"))),
        day__gte=since(scope, settings),
    )


def _last_billings(scope: Scope, settings: BillingSettings) -> QuerySet[BilledItem]:
    """The last billing of each booking, where it was not taken back. A flat price stays due."""
    later = BilledItem.objects.filter(booking=OuterRef("booking"), turn__gt=OuterRef("turn"))
    return BilledItem.objects.filter(
        ~Exists(later), booking__day__gte=since(scope, settings), booking__day__lte=scope.ends_on
    ).exclude(line__kind__in=(Kind.FLAT, Kind.CREDIT))


def billed_bookings_ended(scope: Scope, settings: BillingSettings) -> QuerySet[BilledItem]:
    """Billings of bookings cancelled since."""
    return _last_billings(scope, settings).exclude(booking__state__in=HOLDING)


def billed_absences_entered_since(scope: Scope, settings: BillingSettings) -> QuerySet[BilledItem]:
    """Billings of bookings whose absence, or certificate, came after the invoice."""
    issued = OuterRef("line__invoice__issued_at")
    changed = Attendance.objects.filter(booking=OuterRef("booking"), state=AttendanceState.ABSENT).filter(
        Q(entered_at__gt=issued) | Q(certificate_at__gt=issued)
    )
    return _last_billings(scope, settings).filter(Exists(changed), booking__state__in=HOLDING)


def households_concerned(scope: Scope, settings: BillingSettings) -> list[int]:
    """Every household with something to bill, in order."""
    found: set[int] = set(
        unbilled_bookings(scope, settings).order_by().values_list("household_id", flat=True).distinct()
    )
    found.update(unbilled_attendance(scope, settings).order_by().values_list("household_id", flat=True))
    found.update(ManualCharge.objects.filter(line=None).order_by().values_list("household_id", flat=True))
    for billed in (billed_bookings_ended(scope, settings), billed_absences_entered_since(scope, settings)):
        found.update(billed.order_by().values_list("booking__household_id", flat=True))
    return sorted(found)


def rarities(scope: Scope, settings: BillingSettings) -> dict[str, Exists]:
    """Whether a household has each of the rarer things to bill: annotations for a query of households."""
    home = OuterRef("pk")
    found: dict[Rare, QuerySet[Any]] = {
        Rare.AGAIN: rebilled_bookings(scope, settings).filter(household=home),
        Rare.UNRESERVED: unbilled_attendance(scope, settings).filter(household=home),
        Rare.ENDED: billed_bookings_ended(scope, settings).filter(booking__household=home),
        Rare.RECONSIDERED: billed_absences_entered_since(scope, settings).filter(booking__household=home),
        Rare.MANUAL: ManualCharge.objects.filter(household=home, line=None),
    }
    return {kind.value: Exists(rows) for kind, rows in found.items()}


def foresee(household: int, scope: Scope, settings: BillingSettings, known: Known) -> Foreseen:
    """The lines of one household's invoice, and apart those of what it has asked for."""
    drafting = _Drafting([household], scope, settings, known)
    lines = drafting.lines()[household]
    warnings, drafting.warnings = drafting.warnings, Warnings()
    # A flat price that what is booked pays already comes once.
    if counted := {item.flat for line in lines for item in line.items if item.flat}:
        drafting.flats.update(counted)
    asked = [line for _, line in drafting.lines_of(drafting.asked)]
    return Foreseen(
        sorted(lines, key=_order),
        sorted(asked, key=_order),
        {pk: row for pk, row in drafting.attendances.items() if pk is not None},
        drafting.people.quotient(household, scope.ends_on),
        warnings,
    )


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
        turns = {item.booking_id: item.turn + 2 for item in self.reconsidered}
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
        # Taken back once, held again since: billed for another turn.
        again = dict(
            rebilled_bookings(self.scope, self.settings)
            .filter(household_id__in=self.ids)
            .annotate(turns=Max("billed__turn"))
            .order_by()
            .values_list("pk", "turns")
        )
        turns = {pk: last + 1 for pk, last in again.items() if last % 2 == 0}
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

    def _taken_back(self) -> dict[int, list[BilledItem]]:
        found: dict[int, list[BilledItem]] = defaultdict(list)
        if not self._may_have(Rare.ENDED):
            return found
        items = billed_bookings_ended(self.scope, self.settings).filter(booking__household_id__in=self.ids)
        for item in items.select_related("booking", "line__invoice").order_by("booking__day", "pk"):
            found[item.booking.household_id].append(item)
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
        for row in self.attendances.values():
            activity = activities.get(row.formula_id)
            if activity is None or row.state != AttendanceState.ABSENT:
                continue
            given = timezone.localtime(row.certificate_at) if row.certificate_at else None
            said = absences.Missed(row.day, absences.Reason(row.reason), given)
            missed[row.household_id, row.child_id, activity][row.pk] = said
        booked = self._booked_around(missed)
        billed: dict[int, bool] = {}
        for key, rows in missed.items():
            due = absences.billed(self._rule(key[2]), list(rows.values()), booked[key])
            billed |= {pk: one in due for pk, one in rows.items()}
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

    def lines(self) -> dict[int, list[Line]]:
        """Every line, by household."""
        lines: dict[int, list[Line]] = defaultdict(list)
        for household, line in self.lines_of(self.presences):
            lines[household].append(line)
        for household, line in self._late_absences():
            lines[household].append(line)
        for household, items in self.taken_back.items():
            lines[household] += self._credit_lines(items)
        for charge in self._manual():
            lines[charge.household_id].append(
                Line(
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

    def _with_addresses(self, lines: dict[int, list[Line]]) -> list[Draft]:
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

    def lines_of(self, presences: Iterable[_Presence]) -> Iterator[tuple[int, Line]]:
        """The lines of these presences, each with its household."""
        lines: dict[tuple[object, ...], Line] = {}
        for presence in presences:
            priced = self._quote(presence)
            if priced is None:
                continue
            line = self._line(lines, presence, *priced)
            line.days.append(presence.day)
        for key, line in lines.items():
            yield int(str(key[0])), line

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

    def _quote(self, presence: _Presence) -> tuple[str, str, Quote] | None:
        """Kind of line, words after the formula's name, and price; None when no tariff says it."""
        late = presence.late and presence.booking not in self.forgiven
        facts = self.people.facts(
            presence.household, presence.child, presence.activity, presence.day, late=late
        )
        kind, suffix, changes = Kind.PRESENCE, " – hors délai" if late else "", {}
        attendance = presence.attendance
        if presence.booking is None:
            suffix, changes = " – présence sans réservation", {"unreserved": True}
        elif attendance is not None and attendance.pk in self.absent_days:
            if not self.absent_days[attendance.pk]:
                kind, suffix = Kind.FREE, " – absence non facturée"
            elif attendance.certificate_at is None:
                suffix, changes = " – absence", {"absent": True}
            else:
                suffix = " – absence, jour de carence"
        if changes:
            facts = _replace(facts, **changes)
        try:
            quote = self.prices.quote(presence.formula, facts, presence.day)
            if quote.tariff.unit in TIMED_UNITS and kind == Kind.PRESENCE:
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
        return kind, suffix, quote

    def _units(self, presence: _Presence, tariff: Tariff) -> Decimal:
        minutes = presence.attendance.minutes if presence.attendance else None
        if minutes is None:
            self.warnings.without_minutes[f"{presence.activity_name} – {presence.formula_name}"] += 1
            return Decimal(1)
        return Decimal(pricing.started(minutes, TIMED_UNITS[Tariff.Unit(tariff.unit)]))

    @cached_property
    def flats(self) -> set[str]:
        """The flat prices billed before."""
        return set(
            BilledItem.objects.filter(flat__gt="", line__invoice__household_id__in=self.ids).values_list(
                "flat", flat=True
            )
        )

    def _line(
        self,
        lines: dict[tuple[object, ...], Line],
        presence: _Presence,
        kind: str,
        suffix: str,
        quote: Quote,
    ) -> Line:
        """The line that the presence joins, with its item added."""
        price, tariff = quote.price, quote.tariff
        unit_price, units, flat = price.unit_price, price.quantity, ""
        if kind == Kind.FREE:
            unit_price, units = Decimal("0.00"), Decimal(1)
        elif tariff.unit in FLAT_UNITS:
            kind, units, suffix = Kind.FLAT, Decimal(0), " – forfait"
            if tariff.unit == Tariff.Unit.PERIOD and presence.period:
                flat = f"{presence.child}:{presence.formula}:p{presence.period}"
            else:
                flat = f"{presence.child}:{presence.formula}:{presence.day:%Y-%m}"
        key = (
            presence.household,
            presence.child,
            presence.activity,
            presence.formula,
            kind,
            suffix,
            unit_price,
            tariff.pk,
            price.band,
            flat,
        )
        if key not in lines:
            explanation = "" if kind == Kind.FREE else " ".join(f"{step}." for step in _steps(price))
            lines[key] = Line(
                kind,
                f"{presence.formula_name}{suffix}",
                unit_price,
                Decimal(0),
                presence.child,
                presence.child_name,
                presence.formula,
                presence.activity_name,
                explanation[:600],
                tariff.vat_percent,
                tariff.care_percent,
            )
            if flat and flat in self.flats:
                lines[key].unit_price = Decimal("0.00")
                lines[key].label = f"{presence.formula_name} – forfait déjà facturé"
                lines[key].quantity = Decimal(1)
            elif flat:
                lines[key].quantity = Decimal(1)
                lines[key].items.append(Item(None, None, flat, 1, unit_price))
        line = lines[key]
        line.quantity += units
        amount = Decimal("0.00") if flat else pricing.rounded(unit_price * units)
        attendance = presence.attendance.pk if presence.booking is None and presence.attendance else None
        line.items.append(Item(presence.booking, attendance, "", presence.turn, amount))
        return line

    def _credit_lines(self, items: Iterable[BilledItem], why: str = "annulé") -> list[Line]:
        """What takes back presences that changed after they were billed."""
        lines: dict[tuple[object, ...], Line] = {}
        for item in items:
            billed = item.line
            key = (billed.child_id, billed.formula_id, item.amount, billed.invoice_id)
            if key not in lines:
                lines[key] = Line(
                    Kind.CREDIT,
                    f"{billed.label} : {why} après la facture {billed.invoice.number}"[:200],
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
            lines[key].quantity += 1
            lines[key].days.append(item.booking.day)
            lines[key].items.append(Item(item.booking_id, None, "", item.turn + 1, -item.amount))
        return list(lines.values())

    def _reconsidered(self) -> list[BilledItem]:
        """Billings whose absence was known after the invoice only."""
        if not self._may_have(Rare.RECONSIDERED):
            return []
        items = billed_absences_entered_since(self.scope, self.settings).filter(
            booking__household_id__in=self.ids
        )
        return list(items.select_related("booking", "line__invoice").order_by("booking__day", "pk"))

    def _late_absences(self) -> Iterator[tuple[int, Line]]:
        """Absences known after the invoice: taken back, and billed again where they still cost something."""
        if not self.reconsidered:
            return
        priced = list(self.lines_of(self.again))
        new = {item.booking: item.amount for _, line in priced for item in line.items}
        changed = [item for item in self.reconsidered if new.get(item.booking_id, item.amount) != item.amount]
        by_household: dict[int, list[BilledItem]] = defaultdict(list)
        for item in changed:
            by_household[item.booking.household_id].append(item)
        for household, items in by_household.items():
            for line in self._credit_lines(items, "absence connue"):
                yield household, line
        bookings = {item.booking_id for item in changed}
        for household, line in priced:
            kept = [
                (item, day)
                for item, day in zip(line.items, line.days, strict=True)
                if item.booking in bookings
            ]
            if not kept:
                continue
            share = Decimal(len(kept)) / len(line.items)
            line.items = [item for item, _ in kept]
            line.days = [day for _, day in kept]
            amount = sum((item.amount for item in line.items), Decimal(0))
            line.quantity = amount / line.unit_price if line.unit_price else line.quantity * share
            yield household, line

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


def _replace(facts: pricing.Facts, **changes: object) -> pricing.Facts:
    return pricing.Facts(**{**facts.__dict__, **changes})


def _steps(price: pricing.Price) -> Sequence[str]:
    """The explanation without its last sentence, the quantity: the line has its own."""
    return price.steps[:-1] if price.quantity != 1 else price.steps


KINDS = list(Kind.values)


def _order(line: Line) -> tuple[object, ...]:
    """By child, then activity, then what is billed before what is taken back."""
    return (
        line.child is None,
        line.child_name,
        line.child or 0,
        KINDS.index(line.kind) >= KINDS.index(Kind.CREDIT),
        line.activity_name,
        line.label,
        line.days[0] if line.days else date.max,
    )
