"""What a presence costs, and why. Pure: values in, value out; no database, no clock.

Amounts are euros as `Decimal`, rounded half up to the tariff's rounding step (the cent) where a price is
formed, so that quantity × unit price on an invoice is exactly its total. Quotients are euros with cents.

A tariff holds bands (a flat price is one band without limits) or effort rates, and modifiers. A price is
formed in this order: column and band (rank, number of children, school level, residence, PAI, adult may
choose them), the price found there, the modifiers of the price by the steps of `order.py`, the quantity.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from billing.rules.order import PLACES, Step
from portal.french.amounts import MINUS, NBSP, euros, number
from portal.french.plurals import counted
from portal.reservations.deadlines.rules import first_said

CENT = Decimal("0.01")
ZERO = Decimal(0)
RANK_COLUMN = re.compile(r"r(\d+)")


class NoPrice(ValueError):
    """No price can be given; the message says why in French, for a parent or an agent to read."""


class Kind(StrEnum):
    FLAT = "flat"
    BANDS = "bands"
    EFFORT = "effort"


class Unit(StrEnum):
    """What one price pays for."""

    PRESENCE = "presence"
    HOUR = "hour"
    HALF_HOUR = "half_hour"
    QUARTER = "quarter"
    MONTH = "month"
    PERIOD = "period"


# The units of time spent, which an attendance's minutes are counted in.
MINUTES = {Unit.HOUR: 60, Unit.HALF_HOUR: 30, Unit.QUARTER: 15}
TIMED_UNITS = tuple(MINUTES)
# One price pays for all presences in them.
FLAT_UNITS = (Unit.MONTH, Unit.PERIOD)
UNIT_WORDS = {
    Unit.PRESENCE: ("présence", "présences"),
    Unit.HOUR: ("heure", "heures"),
    Unit.HALF_HOUR: ("demi-heure", "demi-heures"),
    Unit.QUARTER: ("quart d'heure", "quarts d'heure"),
    Unit.MONTH: ("mois", "mois"),
    Unit.PERIOD: ("période", "périodes"),
}


class Between(StrEnum):
    """Which band counts for a quotient that lies in no band (450 between 449,99 and 451) or in two."""

    LOWER = "lower"
    UPPER = "upper"


class NoQuotient(StrEnum):
    """What a household without a proof of quotient pays."""

    HIGHEST = "highest"
    BAND = "band"
    PRICE = "price"


class When(StrEnum):
    """The circumstance of a modifier, in the order in which modifiers of the price apply."""

    LEVEL = "level"
    GRADE = "grade"
    AGE = "age"
    RANK = "rank"
    CHILDREN = "children"
    STATUS = "status"
    PUBLIC = "public"
    NON_RESIDENT = "non_resident"
    ADULT = "adult"
    PAI = "pai"
    LATE = "late"
    UNRESERVED = "unreserved"
    ABSENT = "absent"


class AgeOn(StrEnum):
    """The day on which an age counts: that of the presence, or one of its school year."""

    DAY = "day"
    DECEMBER = "december"
    SEPTEMBER = "september"


STEPS = {
    When.LEVEL: Step.BASE,
    When.GRADE: Step.BASE,
    When.AGE: Step.BASE,
    When.RANK: Step.SIBLINGS,
    When.CHILDREN: Step.SIBLINGS,
    When.STATUS: Step.STATUS,
    When.PUBLIC: Step.SITUATION,
    When.NON_RESIDENT: Step.SITUATION,
    When.ADULT: Step.SITUATION,
    When.PAI: Step.SITUATION,
    When.LATE: Step.LATE,
    When.UNRESERVED: Step.LATE,
    When.ABSENT: Step.LATE,
}
IN_ORDER = sorted(When, key=lambda when: PLACES[STEPS[when]])


class Status(StrEnum):
    """What the town hall may recognise of a child, from a day to a day, that changes its price."""

    DISABILITY = "disability"
    SCHOLARSHIP = "scholarship"
    FOSTER = "foster"
    STAFF = "staff"


class Effect(StrEnum):
    ADD = "add"
    MULTIPLY = "multiply"
    PERCENT = "percent"
    PRICE = "price"
    COLUMN = "column"
    SHIFT = "shift"


WHEN_WORDS = {
    # An invoice says no more: it is read by many, and a handicap is nobody's business.
    When.STATUS: "Situation reconnue",
    When.NON_RESIDENT: "Famille hors commune",
    When.ADULT: "Adulte",
    When.PAI: "Panier repas (PAI)",
    When.LATE: "Réservation hors délai",
    When.UNRESERVED: "Présence sans réservation",
    When.ABSENT: "Absence non justifiée",
}


@dataclass(frozen=True)
class Band:
    """Prices of the quotients from `low` to `high`, both included; None is without limit.

    `prices` maps a column to euros; a grid without columns has the one column "".
    """

    low: Decimal | None
    high: Decimal | None
    prices: Mapping[str, Decimal]
    name: str = ""

    def holds(self, quotient: Decimal) -> bool:
        return (self.low is None or self.low <= quotient) and (self.high is None or quotient <= self.high)

    @property
    def label(self) -> str:
        """« tranche de 640 à 859,99 », « tranche B (plus de 1900) »."""
        name = f"tranche {self.name}" if self.name else "tranche"
        if not self.low and self.high is None:
            return name if self.name else "tranche unique"
        if not self.low:
            limits = f"jusqu'à {number(self.high or ZERO)}"
        elif self.high is None:
            limits = f"à partir de {number(self.low)}"
        else:
            limits = f"de {number(self.low)} à {number(self.high)}"
        return f"{name} ({limits})" if self.name else f"{name} {limits}"


@dataclass(frozen=True)
class Rate:
    """Effort rate: `percent` of the quotient, never under `floor` nor over `ceiling` (None: no limit).

    With `low` and `high` the price instead climbs in a straight line from `floor` at quotient `low`
    to `ceiling` at quotient `high`. The rate counts from `children` children on, for `column` ("": any).
    """

    percent: Decimal
    floor: Decimal | None = None
    ceiling: Decimal | None = None
    children: int = 1
    column: str = ""
    base: Decimal = ZERO
    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True)
class Modifier:
    """What a circumstance does to the price.

    GRADE holds for the classes from `number` to `last` (0: no limit), « du CP au CE2 », in the words of
    `level`; a class of several grades that two of them hold pays the higher one. AGE counts on `age_on`.
    RANK and CHILDREN count from `number` on (the most demanding one that holds, alone); AGE below `number`
    years on the day (« moins de 6 ans »; the lowest one that holds, alone); LEVEL for the school level
    `level`, STATUS for a child of which `status` is recognised, PUBLIC for a household of the audience of the
    town `public` (its key, called `public_name`): instead of NON_RESIDENT, and of several only the first.

    `amount`: euros to add (negative: a reduction), factor, per cent more (negative: less), price, or
    number of bands to climb (negative: down). `columns`: only for these.
    """

    when: When
    effect: Effect
    amount: Decimal = ZERO
    number: int = 0
    level: str = ""
    column: str = ""
    columns: frozenset[str] = frozenset()
    last: int = 0
    age_on: AgeOn = AgeOn.DAY
    status: str = ""
    public: int = 0
    public_name: str = ""

    @property
    def demand(self) -> int:
        """The higher, the more is asked: of the same circumstance, only the most demanding one counts."""
        return -self.number if self.when is When.AGE else self.number


@dataclass(frozen=True)
class Tariff:
    """A dated price rule. `valid_from` and `valid_to` are both included."""

    kind: Kind
    bands: tuple[Band, ...] = ()
    rates: tuple[Rate, ...] = ()
    modifiers: tuple[Modifier, ...] = ()
    unit: Unit = Unit.PRESENCE
    between: Between = Between.LOWER
    no_quotient: NoQuotient = NoQuotient.HIGHEST
    no_quotient_band: str = ""
    no_quotient_price: Decimal | None = None
    step: Decimal = CENT
    valid_from: date | None = None
    valid_to: date | None = None
    name: str = ""

    def in_force(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column priced, in the order of the grid."""
        names = [name for band in self.bands for name in band.prices] + [rate.column for rate in self.rates]
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Facts:
    """Who is priced. `rank`: 1 for the first child; `children`: those of the household enrolled; `age`: whole
    years on the day, `age_december` and `age_september` those of the school year's 31 December and
    1 September, `grades` the first and last grade of the class: None where no tariff asks for them.

    `publics`: the town's own audiences that the household is of (their keys), in the town's order.
    `quotient` None: no proof was given. `column`: the grid's column of the formula ("": the first).
    `final_column`: where a column is named, no modifier may choose another one.
    """

    quotient: Decimal | None = None
    resident: bool = True
    rank: int = 1
    children: int = 1
    level: str = ""
    grades: tuple[int, int] | None = None
    age: int | None = None
    age_december: int | None = None
    age_september: int | None = None
    adult: bool = False
    pai: bool = False
    late: bool = False
    unreserved: bool = False
    absent: bool = False
    units: Decimal = Decimal(1)
    column: str = ""
    final_column: bool = False
    statuses: frozenset[str] = frozenset()
    publics: tuple[int, ...] = ()


@dataclass(frozen=True)
class Price:
    """`amount` = `unit_price` × `quantity`, in euros; `steps` are French sentences without full stop."""

    amount: Decimal
    unit_price: Decimal
    quantity: Decimal
    steps: tuple[str, ...] = field(default=())
    band: str = ""
    quotient: Decimal | None = None

    @property
    def explanation(self) -> str:
        """« Quotient 700, tranche de 640 à 859,99 : 2,35 €. Réservation hors délai : + 2,50 €. »"""
        return " ".join(f"{step}." for step in self.steps)

    def plus(self, other: "Price") -> "Price":
        """With a supplement, priced apart (a day and its meal)."""
        amount = self.amount + other.amount
        return Price(
            amount, amount, Decimal(1), (*self.steps, *other.steps, f"Total : {euros(amount)}"), self.band,
            self.quotient,
        )  # fmt: skip


# Words -------------------------------------------------------------------------------------------------


def _percent(value: Decimal) -> str:
    return f"{value.normalize():f}".replace(".", ",") + f"{NBSP}%"


def _ordinal(rank: int) -> str:
    return "1er" if rank == 1 else f"{rank}e"


# Arithmetic --------------------------------------------------------------------------------------------


def rounded(amount: Decimal, step: Decimal = CENT) -> Decimal:
    """`amount` to the nearest multiple of `step` (0.01, 0.05…), halves up, with two decimals."""
    multiples = (amount / step).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    return (multiples * step).quantize(CENT, rounding=ROUND_HALF_UP)


def started(minutes: int, unit: Unit) -> int:
    """Number of hours, half-hours or quarters begun in `minutes`: every one begun is due."""
    if minutes < 0:
        raise NoPrice("Une durée n'est jamais négative.")
    return -(-minutes // MINUTES[unit])


def lowest(band: Band) -> Decimal:
    return band.low if band.low is not None else Decimal("-Infinity")


def find_band(bands: Sequence[Band], quotient: Decimal, between: Between = Between.LOWER) -> int:
    """Index, in order of `low`, of the band that counts for `quotient`.

    In a gap, before the first or after the last band: the neighbour that `between` names, or the only
    neighbour. In an overlap: the lower or the upper one. Raises NoPrice for an empty grid.
    """
    if not bands:
        raise NoPrice("La grille de ce tarif est vide.")
    ordered = sorted(bands, key=lowest)
    holding = [index for index, band in enumerate(ordered) if band.holds(quotient)]
    if not holding:
        below = [
            index for index, band in enumerate(ordered) if band.high is not None and band.high < quotient
        ]
        above = [index for index, band in enumerate(ordered) if lowest(band) > quotient]
        if between is Between.LOWER:
            return below[-1] if below else above[0]
        return above[0] if above else below[-1]
    return holding[0] if between is Between.LOWER else holding[-1]


def _quotient(quotient: Decimal | None) -> Decimal | None:
    if quotient is not None and (not quotient.is_finite() or quotient < 0):
        raise NoPrice("Un quotient familial n'est jamais négatif.")
    return quotient


def _holds(modifier: Modifier, facts: Facts) -> bool:
    match modifier.when:
        case When.LEVEL:
            return bool(facts.level) and facts.level == modifier.level
        case When.GRADE:
            if facts.grades is None:
                return False
            first, last = facts.grades
            return last >= modifier.number and (not modifier.last or first <= modifier.last)
        case When.AGE:
            age = _age(modifier.age_on, facts)
            return age is not None and age < modifier.number
        case When.RANK:
            return facts.rank >= modifier.number
        case When.CHILDREN:
            return facts.children >= modifier.number
        case When.STATUS:
            return modifier.status in facts.statuses
        case When.PUBLIC:
            return modifier.public in facts.publics
        case When.NON_RESIDENT:
            return not facts.resident
        case When.ADULT:
            return facts.adult
        case When.PAI:
            return facts.pai
        case When.LATE:
            return facts.late
        case When.UNRESERVED:
            return facts.unreserved
        case When.ABSENT:
            return facts.absent


def _age(on: AgeOn, facts: Facts) -> int | None:
    match on:
        case AgeOn.DECEMBER:
            return facts.age_december
        case AgeOn.SEPTEMBER:
            return facts.age_september
        case _:
            return facts.age


AGE_WORDS = {
    AgeOn.DAY: "",
    AgeOn.DECEMBER: " au 31 décembre",
    AgeOn.SEPTEMBER: " au 1er septembre",
}


def _applicable(modifiers: Iterable[Modifier], facts: Facts) -> list[Modifier]:
    """The modifiers that hold, in the order of `When`; of the same circumstance and columns with
    thresholds (rank, children) only the most demanding ones."""
    modifiers = list(modifiers)
    # A town without its own price for an unexpected child charges it as a late reservation.
    if facts.unreserved and not any(modifier.when is When.UNRESERVED for modifier in modifiers):
        facts = replace(facts, late=True)
    held = _of_one_public([modifier for modifier in modifiers if _holds(modifier, facts)], facts)
    most: dict[tuple[When, frozenset[str]], int] = {}
    for modifier in held:
        key = (modifier.when, modifier.columns)
        most[key] = max(most.get(key, modifier.demand), modifier.demand)
    return sorted(
        (one for one in held if one.demand == most[one.when, one.columns]),
        key=lambda one: IN_ORDER.index(one.when),
    )


def _of_one_public(held: Sequence[Modifier], facts: Facts) -> list[Modifier]:
    """Of the town's own audiences only the first one of which something is said; where that is for all
    columns, nothing of « hors commune » with it."""
    one = first_said(facts.publics, {modifier.public for modifier in held})
    if one is None:
        return list(held)
    everywhere = any(modifier.public == one and not modifier.columns for modifier in held)

    def stays(modifier: Modifier) -> bool:
        if modifier.when is When.NON_RESIDENT:
            return not everywhere
        return modifier.public in (0, one)

    return [modifier for modifier in held if stays(modifier)]


def _words(modifier: Modifier, facts: Facts) -> str:
    match modifier.when:
        case When.LEVEL:
            return f"Niveau {modifier.level}"
        case When.GRADE:
            return f"Classe {modifier.level}"
        case When.AGE:
            return f"Moins de {modifier.number} ans{AGE_WORDS[modifier.age_on]}"
        case When.RANK:
            return f"{_ordinal(facts.rank)} enfant"
        case When.CHILDREN:
            return counted(facts.children, "enfant inscrit", "enfants inscrits")
        case When.PUBLIC:
            return modifier.public_name
        case _:
            return WHEN_WORDS[modifier.when]


def _column(tariff: Tariff, facts: Facts, modifiers: Sequence[Modifier]) -> str:
    columns = tariff.columns
    column = facts.column or (columns[0] if columns else "")
    if not (facts.column and facts.final_column):
        for modifier in modifiers:
            if modifier.effect is Effect.COLUMN and (not modifier.columns or column in modifier.columns):
                column = modifier.column
    if not columns or column in columns or "" in columns:
        return column
    # « 4e enfant et plus »: a rank beyond the grid pays its last rank column.
    if asked := RANK_COLUMN.fullmatch(column):
        ranks = sorted(int(found[1]) for name in columns if (found := RANK_COLUMN.fullmatch(name)))
        if reached := [rank for rank in ranks if rank <= int(asked[1])]:
            return f"r{reached[-1]}"
    raise NoPrice(f"La grille n'a pas de colonne « {column} ».")


def _in_band(
    tariff: Tariff, facts: Facts, modifiers: Sequence[Modifier], column: str
) -> tuple[Decimal, str, str]:
    """Price, band label and sentence of a flat tariff or of bands."""
    bands = sorted(tariff.bands, key=lowest)
    quotient = _quotient(facts.quotient)
    if tariff.kind is Kind.FLAT or (len(bands) == 1 and bands[0].high is None):
        if not bands:
            raise NoPrice("La grille de ce tarif est vide.")
        index, why = 0, "Tarif unique"
    elif quotient is not None:
        index = find_band(bands, quotient, tariff.between)
        why = f"Quotient {number(quotient)}, {bands[index].label}"
        if not bands[index].holds(quotient):
            why = f"Quotient {number(quotient)}, entre deux tranches : {bands[index].label}"
    elif tariff.no_quotient is NoQuotient.BAND:
        names = [band.name for band in bands]
        if tariff.no_quotient_band not in names:
            raise NoPrice(
                f"La tranche « {tariff.no_quotient_band} », sans quotient, n'est pas dans la grille."
            )
        index = names.index(tariff.no_quotient_band)
        why = f"Sans justificatif de quotient, {bands[index].label}"
    else:
        if not bands:
            raise NoPrice("La grille de ce tarif est vide.")
        index = len(bands) - 1
        why = f"Sans justificatif de quotient, {bands[index].label}"
    for modifier in modifiers:
        if modifier.effect is Effect.SHIFT and tariff.kind is Kind.BANDS:
            shifted = min(max(index + int(modifier.amount), 0), len(bands) - 1)
            if shifted != index:
                index = shifted
                why += f" ; {_words(modifier, facts).lower()} : {bands[index].label}"
    prices = bands[index].prices
    if column not in prices and "" not in prices:
        raise NoPrice(f"La {bands[index].label} n'a pas de prix dans la colonne « {column} ».")
    price = prices[column] if column in prices else prices[""]
    label = "" if tariff.kind is Kind.FLAT else bands[index].label
    return price, label, f"{why} : {euros(price)}"


EFFORT = "taux d'effort"  # the label of a price that was worked out


def _by_effort(tariff: Tariff, facts: Facts, column: str) -> tuple[Decimal, str, str]:
    """Price, label and sentence of an effort rate."""
    rates = [rate for rate in tariff.rates if rate.column in ("", column) and rate.children <= facts.children]
    if not rates:
        raise NoPrice("Ce tarif n'a pas de taux pour ce cas.")
    rate = max(rates, key=lambda one: (bool(one.column), one.children))
    quotient = _quotient(facts.quotient)
    if quotient is None:
        if rate.ceiling is None:
            raise NoPrice("Sans justificatif de quotient, ce tarif sans plafond ne peut pas être calculé.")
        return (
            rate.ceiling,
            "plafond",
            f"Sans justificatif de quotient, plafond : {euros(rate.ceiling)}",
        )
    if rate.low is not None and rate.high is not None and rate.floor is not None and rate.ceiling is not None:
        if rate.high <= rate.low:
            raise NoPrice("Le quotient du plafond doit dépasser celui du plancher.")
        price = rate.floor + (quotient - rate.low) * (rate.ceiling - rate.floor) / (rate.high - rate.low)
        why = f"Quotient {number(quotient)}, tarif progressif de {number(rate.low)} à {number(rate.high)}"
    else:
        price = quotient * rate.percent / 100 + rate.base
        why = f"{_percent(rate.percent)} du quotient {number(quotient)}"
        if rate.base:
            why += f" et {euros(rate.base)}"
    # The step may lead beyond a limit that the exact amount keeps: 2.621 by 0.05 is under a floor of 2.62.
    stepped = rounded(price, tariff.step)
    why += f" : {euros(stepped)}"
    if rate.floor is not None and min(price, stepped) < rate.floor:
        return (
            rate.floor,
            "plancher",
            f"{why}, porté au plancher de {euros(rate.floor)}",
        )
    if rate.ceiling is not None and max(price, stepped) > rate.ceiling:
        return (
            rate.ceiling,
            "plafond",
            f"{why}, ramené au plafond de {euros(rate.ceiling)}",
        )
    return price, EFFORT, why


def _changed(price: Decimal, modifier: Modifier, facts: Facts, step: Decimal) -> tuple[Decimal, str]:
    """The price after `modifier`, and the sentence."""
    words, amount = _words(modifier, facts), modifier.amount
    match modifier.effect:
        case Effect.ADD:
            sign = MINUS if amount < 0 else "+"
            return max(price + amount, ZERO), f"{words} : {sign}{NBSP}{euros(abs(amount))}"
        case Effect.MULTIPLY:
            changed = max(price * amount, ZERO)
            factor = f"{amount.normalize():f}".replace(".", ",")
            return (
                changed,
                f"{words} : × {factor}, soit {euros(rounded(changed, step))}",
            )
        case Effect.PERCENT:
            changed = max(price * (100 + amount) / 100, ZERO)
            sign = MINUS if amount < 0 else "+"
            return (
                changed,
                f"{words} : {sign}{NBSP}{_percent(abs(amount))}, soit {euros(rounded(changed, step))}",
            )
        case _:
            return max(amount, ZERO), f"{words} : {euros(max(amount, ZERO))}"


def price(tariff: Tariff, facts: Facts, day: date | None = None) -> Price:
    """What `facts` cost under `tariff`, in euros, with the sentences that explain it.

    `day` is the day of the presence, checked against the tariff's validity when given.
    Raises NoPrice when the tariff is not in force that day, has no such column or no band, when the
    quotient or the quantity is negative, or when it cannot do without a quotient.
    """
    if day is not None and not tariff.in_force(day):
        raise NoPrice(f"Ce tarif n'est pas en vigueur le {day:%d/%m/%Y}.")
    if not facts.units.is_finite() or facts.units < 0:
        raise NoPrice("Une quantité n'est jamais négative.")
    modifiers = _applicable(tariff.modifiers, facts)
    column = _column(tariff, facts, modifiers)
    if facts.quotient is None and tariff.no_quotient is NoQuotient.PRICE and tariff.kind is not Kind.FLAT:
        if tariff.no_quotient_price is None:
            raise NoPrice("Ce tarif ne dit pas le prix sans quotient.")
        amount, band = tariff.no_quotient_price, ""
        sentence = f"Sans justificatif de quotient : {euros(amount)}"
    elif tariff.kind is Kind.EFFORT:
        amount, band, sentence = _by_effort(tariff, facts, column)
    else:
        amount, band, sentence = _in_band(tariff, facts, modifiers, column)
    # What the town wrote is paid as it is written; only what is worked out goes to the step.
    written = band != EFFORT
    steps = [sentence]
    of_a_public = {name for modifier in modifiers if modifier.public for name in modifier.columns}
    for modifier in modifiers:
        if modifier.effect in (Effect.COLUMN, Effect.SHIFT):
            continue
        if modifier.when is When.NON_RESIDENT and column in of_a_public:
            continue
        if modifier.columns and column not in modifier.columns:
            continue
        amount, sentence = _changed(amount, modifier, facts, tariff.step)
        steps.append(sentence)
        written = modifier.effect is Effect.PRICE or (written and modifier.effect is Effect.ADD)
    # Rounded once, at the end: a rate and a factor do not each lose a fraction of a cent.
    unit_price = rounded(amount, CENT if written else tariff.step)
    total = rounded(unit_price * facts.units)
    if facts.units != 1:
        one, many = UNIT_WORDS[tariff.unit]
        words = many if facts.units >= 2 else one
        steps.append(f"{number(facts.units)} {words} × {euros(unit_price)} : {euros(total)}")
    return Price(total, unit_price, facts.units, tuple(steps), band, facts.quotient)


# Which tariff ------------------------------------------------------------------------------------------

# A situation with a tariff of its own, the gravest first.
SITUATIONS = (When.ABSENT, When.UNRESERVED, When.LATE, When.ADULT, When.PAI)


@dataclass(frozen=True)
class TariffOffer:
    """That a formula is priced by `tariff` (in `column`) for some: those of a residence (None: all), of a
    school level, from a rank or a number of children on, in a situation (None: an ordinary presence).

    `public`: only for households of that audience of the town (its key); it counts before `resident`. A
    `supplement` is added to the price; otherwise the most specific offer counts alone.
    """

    tariff: Tariff
    column: str = ""
    resident: bool | None = None
    level: str = ""
    rank: int = 1
    children: int = 1
    situation: When | None = None
    supplement: bool = False
    source: int = 0  # the caller's own key of the tariff
    public: int = 0

    def concerns(self, facts: Facts, day: date) -> bool:
        return (
            self.tariff.in_force(day)
            and (self.public == 0 or self.public in facts.publics)
            and self.resident in (None, facts.resident)
            and self.level in ("", facts.level)
            and self.rank <= facts.rank
            and self.children <= facts.children
            and (self.situation is None or _in_situation(self.situation, facts))
        )


def _in_situation(situation: When, facts: Facts) -> bool:
    return _holds(Modifier(situation, Effect.PRICE), facts)


def choose(offers: Iterable[TariffOffer], facts: Facts, day: date) -> list[TariffOffer]:
    """The offer that counts on `day`, then its supplements. Raises NoPrice when there is none.

    The most specific one: a situation's own before the ordinary one, then the town's own audience (of several
    the first one that has an offer), residence, school level, rank, number of children; between equals, the
    one in force most recently.
    """
    concerned = _for_one_public([offer for offer in offers if offer.concerns(facts, day)], facts)
    main = [offer for offer in concerned if not offer.supplement]
    if not main:
        raise NoPrice(f"Aucun tarif n'est en vigueur le {day:%d/%m/%Y} pour ce cas.")

    def weight(offer: TariffOffer) -> tuple[int, bool, bool, bool, int, int, date]:
        gravity = len(SITUATIONS) - SITUATIONS.index(offer.situation) if offer.situation else 0
        return (
            gravity,
            bool(offer.public),
            offer.resident is not None,
            bool(offer.level),
            offer.rank,
            offer.children,
            offer.tariff.valid_from or date.min,
        )

    return [max(main, key=weight), *(offer for offer in concerned if offer.supplement)]


def _for_one_public(concerned: Sequence[TariffOffer], facts: Facts) -> list[TariffOffer]:
    """Without the offers, and the supplements, of audiences after the first one that has some."""
    found = []
    for supplement in (False, True):
        rows = [offer for offer in concerned if offer.supplement is supplement]
        one = first_said(facts.publics, {offer.public for offer in rows})
        found += [offer for offer in rows if offer.public in (0, one)]
    return found


def price_among(offers: Iterable[TariffOffer], facts: Facts, day: date) -> Price:
    """What a formula with these offers costs on `day`, supplements included. Raises NoPrice."""
    chosen = choose(offers, facts, day)
    total = price(chosen[0].tariff, replace(facts, column=facts.column or chosen[0].column), day)
    for offer in chosen[1:]:
        total = total.plus(price(offer.tariff, replace(facts, column=offer.column, units=Decimal(1)), day))
    return total
