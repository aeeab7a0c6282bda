"""What several presences cost together: by how many a child takes in a day, a week, a month or a period, or
by how many brothers and sisters come. Pure: values in, value out; no clock, no database.

    effects(rules, taken, prices) -> [Effect]

Each presence has its own price first, as `pricing.py` says it. A rule then changes what those of one span
come to, in the order of `Kind` (see `order.py`); what it changes is shared over the presences to the cent, so
that the next rule, of a longer span perhaps, sees what each costs. The effects and the presences' own prices
add up to what is due, whatever was billed when.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

from billing.rules.flats import shares
from billing.rules.order import PLACES, Step
from billing.rules.pricing import CENT, rounded
from portal.french.amounts import euros
from portal.french.plurals import counted

NOTHING = Decimal("0.00")


class Kind(StrEnum):
    """What a number of presences does to their price; the kinds apply in this order."""

    COLUMN = "column"
    ONE = "one"
    PACKAGE = "package"
    FLAT = "flat"
    SIBLINGS = "siblings"
    FLOOR = "floor"
    CAP = "cap"


STEPS = {
    Kind.COLUMN: Step.QUANTITY,
    Kind.ONE: Step.QUANTITY,
    Kind.PACKAGE: Step.QUANTITY,
    Kind.FLAT: Step.QUANTITY,
    Kind.SIBLINGS: Step.SIBLINGS,
    Kind.FLOOR: Step.FLOOR,
    Kind.CAP: Step.CAP,
}
IN_ORDER = sorted(Kind, key=lambda kind: PLACES[STEPS[kind]])


class Span(StrEnum):
    """Presences of what are counted together."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    PERIOD = "period"


class Count(StrEnum):
    """Two presences of one day count one, or two."""

    DAYS = "days"
    PRESENCES = "presences"


class Counted(StrEnum):
    """Whether a day that was reserved and missed counts."""

    RESERVED = "reserved"
    ATTENDED = "attended"


@dataclass(frozen=True)
class Quantity:
    """One rule. `number`: from how many on (of packages: how many days it holds; of brothers and sisters: how
    many children). What it costs is `amount` euros or, without, the price in `column` of the tariff's grid.

    `family`: the presences of all children of the home together. `apart`: each formula is counted by itself.
    """

    kind: Kind
    span: Span
    number: int = 1
    amount: Decimal | None = None
    column: str = ""
    family: bool = False
    count: Count = Count.DAYS
    counted: Counted = Counted.RESERVED
    apart: bool = False

    @property
    def together(self) -> bool:
        """Whether presences of several children make one price."""
        return self.family or self.kind is Kind.SIBLINGS


@dataclass(frozen=True)
class Taken:
    """A presence: `amount` is its own price in euros, `extra` what being late adds within it. `due`: no
    excused absence; `came`: not known to be missed. `period`: the reservation's (its key)."""

    key: Hashable
    child: int
    formula: int
    day: date
    amount: Decimal
    period: int = 0
    extra: Decimal = NOTHING
    due: bool = True
    came: bool = True


class Prices(Protocol):
    """What a presence costs otherwise. Raises NoPrice."""

    def in_column(self, key: Hashable, column: str) -> Decimal:
        """Its own price in another column, hours, late and all."""

    def whole(self, key: Hashable, column: str) -> Decimal:
        """The price written in a column for several, by the facts of that presence's day; never late."""


class Extent(NamedTuple):
    """What an effect is of: « w2026-12-07 », « m2026-12 », « s4 »; and its days, where they are known."""

    name: str
    first: date
    last: date


def week_of(day: date) -> Extent:
    monday = day - timedelta(days=day.weekday())
    return Extent(f"w{monday.isoformat()}", monday, monday + timedelta(days=6))


def month_of(day: date) -> Extent:
    return Extent(f"m{day:%Y-%m}", day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]))


@dataclass
class Effect:
    """What rules of one kind make of a child's presences in an extent: `amount` euros more or (negative)
    less, and why."""

    kind: Kind
    child: int
    extent: Extent
    amount: Decimal = NOTHING
    said: list[str] = field(default_factory=list)
    keys: list[Hashable] = field(default_factory=list)


@dataclass(frozen=True)
class _Terms:
    """Rules that differ in nothing of this are grades of one."""

    span: Span
    together: bool
    count: Count
    counted: Counted
    apart: bool


@dataclass
class _Group:
    """The presences that one rule counts together."""

    extent: Extent
    taken: list[Taken]

    @property
    def due(self) -> list[Taken]:
        return [one for one in self.taken if one.due]


def effects(
    rules: Iterable[Quantity],
    taken: Iterable[Taken],
    prices: Prices,
    periods: Mapping[int, tuple[date, date]] | None = None,
) -> list[Effect]:
    """What the rules of one tariff make of the presences of one household at it, nought left out. `periods`:
    first and last days, by key. Raises NoPrice where a column that a rule names has no price."""
    rules, known = list(rules), periods or {}
    all_taken = sorted(taken, key=lambda one: (one.day, one.child, one.formula, str(one.key)))
    amounts = {one.key: one.amount for one in all_taken}
    found: dict[tuple[Kind, int, str], Effect] = {}
    for kind in IN_ORDER:
        graded: dict[_Terms, list[Quantity]] = defaultdict(list)
        for rule in rules:
            if rule.kind is kind:
                span = Span.DAY if kind is Kind.ONE else rule.span
                graded[_Terms(span, rule.together, rule.count, rule.counted, rule.apart)].append(rule)
        for terms, grades in graded.items():
            for group in _groups(terms, all_taken, known):
                changed = _changed(kind, terms, grades, group, amounts, prices)
                if changed is None:
                    continue
                said, anew = changed
                _note(found, kind, terms, group, said, anew, amounts, known)
                amounts |= anew
    return [one for one in found.values() if one.amount]


def _note(
    found: dict[tuple[Kind, int, str], Effect],
    kind: Kind,
    terms: _Terms,
    group: _Group,
    said: str,
    anew: Mapping[Hashable, Decimal],
    amounts: Mapping[Hashable, Decimal],
    periods: Mapping[int, tuple[date, date]],
) -> None:
    """Days are added up by month: a line a day would be no invoice."""
    for one in group.due:
        difference = anew.get(one.key, amounts[one.key]) - amounts[one.key]
        extent = month_of(one.day) if terms.span is Span.DAY else group.extent
        effect = found.setdefault((kind, one.child, extent.name), Effect(kind, one.child, extent))
        effect.amount += difference
        effect.keys.append(one.key)
        if difference and said not in effect.said:
            effect.said.append(said)


def _groups(terms: _Terms, taken: Sequence[Taken], periods: Mapping[int, tuple[date, date]]) -> list[_Group]:
    found: dict[tuple[str, int, int], _Group] = {}
    for one in taken:
        extent = _extent(terms.span, one, periods)
        key = extent.name, 0 if terms.together else one.child, one.formula if terms.apart else 0
        found.setdefault(key, _Group(extent, [])).taken.append(one)
    return list(found.values())


def _extent(span: Span, one: Taken, periods: Mapping[int, tuple[date, date]]) -> Extent:
    match span:
        case Span.DAY:
            return Extent(f"d{one.day.isoformat()}", one.day, one.day)
        case Span.WEEK:
            return week_of(one.day)
        case Span.PERIOD if one.period in periods:
            return Extent(f"s{one.period}", *periods[one.period])
        case _:
            return month_of(one.day)


def number_of(count: Count, taken: Iterable[Taken]) -> int:
    taken = list(taken)
    return len({(one.child, one.day) for one in taken}) if count is Count.DAYS else len(taken)


def _changed(
    kind: Kind,
    terms: _Terms,
    grades: Sequence[Quantity],
    group: _Group,
    amounts: Mapping[Hashable, Decimal],
    prices: Prices,
) -> tuple[str, dict[Hashable, Decimal]] | None:
    """Why, and what the presences cost then; None where the rule changes nothing."""
    due = group.due
    if not due:
        return None
    match kind:
        case Kind.COLUMN:
            return _by_column(terms, grades, group, prices)
        case Kind.ONE:
            return _one_of_several(grades, due, amounts)
        case Kind.SIBLINGS:
            return _siblings(grades, due, amounts, prices)
        case Kind.PACKAGE:
            counting = due if terms.counted is Counted.RESERVED else [one for one in due if one.came]
            number = number_of(terms.count, counting)
            total, words = _packages(grades, number, due[0], prices)
            return words, _shared(total + _extras(due), due, amounts)
        case Kind.FLAT:
            counting = [one for one in due if terms.counted is Counted.RESERVED or one.came]
            number = number_of(terms.count, counting)
            rule = _reached(grades, number)
            if rule is None:
                return None
            price = _price(rule, due[0], prices)
            words = f"{_counted(terms, number)} : forfait de {euros(price)} à partir de {rule.number}"
            return words, _shared(price + _extras(due), due, amounts)
        case Kind.FLOOR | Kind.CAP:
            now = sum((amounts[one.key] for one in due), NOTHING)
            limit = _price(grades[0], due[0], prices)
            if now == limit or (now < limit) is (kind is Kind.CAP):
                return None
            word = "au minimum" if kind is Kind.FLOOR else "au plus"
            whose = "pour la famille, " if terms.together else ""
            words = f"{whose}{word} {euros(limit)} ({SPAN_WORDS[terms.span]})"
            return words[0].upper() + words[1:], _shared(limit, due, amounts)
    return None


SPAN_WORDS = {
    Span.DAY: "par jour",
    Span.WEEK: "par semaine",
    Span.MONTH: "par mois",
    Span.PERIOD: "par période",
}


def _by_column(
    terms: _Terms, grades: Sequence[Quantity], group: _Group, prices: Prices
) -> tuple[str, dict[Hashable, Decimal]] | None:
    """An excused day that was reserved counts: who is ill once stays a regular."""
    counting = [one for one in group.taken if terms.counted is Counted.RESERVED or one.came]
    number = number_of(terms.count, counting)
    rule = _reached(grades, number)
    if rule is None:
        return None
    words = f"{_counted(terms, number)} : tarif « {rule.column} » à partir de {rule.number}"
    return words, {one.key: prices.in_column(one.key, rule.column) for one in group.due}


def _one_of_several(
    grades: Sequence[Quantity], due: Sequence[Taken], amounts: Mapping[Hashable, Decimal]
) -> tuple[str, dict[Hashable, Decimal]] | None:
    """Several formulas of a day at the price of one: the dearest."""
    rule = _reached(grades, len({one.formula for one in due}))
    if rule is None or len(due) < 2:
        return None
    words = f"{counted(len(due), 'formule', 'formules')} d'un même jour au prix d'une"
    if rule.amount is not None:
        return words, _shared(rule.amount + _extras(due), due, amounts)
    dearest = max(due, key=lambda one: amounts[one.key] - one.extra)
    return words, {one.key: amounts[one.key] if one is dearest else one.extra for one in due}


def _siblings(
    grades: Sequence[Quantity],
    due: Sequence[Taken],
    amounts: Mapping[Hashable, Decimal],
    prices: Prices,
) -> tuple[str, dict[Hashable, Decimal]] | None:
    """One price for so many children that come; of more, the dearest ones go together."""
    of: dict[int, Decimal] = defaultdict(Decimal)
    for one in due:
        of[one.child] += amounts[one.key]
    rule = _reached(grades, len(of))
    if rule is None:
        return None
    together = set(sorted(of, key=lambda child: (-of[child], child))[: rule.number])
    covered = [one for one in due if one.child in together]
    price = _price(rule, covered[0], prices)
    words = f"{counted(rule.number, 'enfant', 'enfants')} ensemble : {euros(price)} en tout"
    return words, _shared(price + _extras(covered), covered, amounts)


def _packages(grades: Sequence[Quantity], number: int, first: Taken, prices: Prices) -> tuple[Decimal, str]:
    """So many days at the price of the package that holds them: between two, the next one up; of more than
    the largest holds, several."""
    sizes = {rule.number: rule for rule in grades}
    largest, left, total, chosen = max(sizes), number, NOTHING, []
    while left > 0:
        size = min((one for one in sizes if one >= left), default=largest)
        total += _price(sizes[size], first, prices)
        chosen.append(size)
        left -= size
    names = " et ".join(counted(size, "jour", "jours") for size in chosen)
    words = f"{counted(number, 'jour', 'jours')} : forfait {names}, {euros(total)}"
    return total, words if number else "Aucun jour pris"


def _reached(grades: Sequence[Quantity], number: int) -> Quantity | None:
    """The grade with the highest number that is reached."""
    return max((one for one in grades if one.number <= number), key=lambda one: one.number, default=None)


def _price(rule: Quantity, first: Taken, prices: Prices) -> Decimal:
    return rounded(rule.amount) if rule.amount is not None else prices.whole(first.key, rule.column)


def _extras(due: Iterable[Taken]) -> Decimal:
    return sum((one.extra for one in due), NOTHING)


def _counted(terms: _Terms, number: int) -> str:
    words = ("jour", "jours") if terms.count is Count.DAYS else ("présence", "présences")
    return counted(number, *words)


def _shared(
    total: Decimal, due: Sequence[Taken], amounts: Mapping[Hashable, Decimal]
) -> dict[Hashable, Decimal]:
    """`total` over the presences by what each costs, to the cent; alike where they cost nothing."""
    weights = [int(amounts[one.key] / CENT) for one in due]
    parts = shares(total, weights if any(weights) else [1] * len(due))
    return {one.key: part for one, part in zip(due, parts, strict=True)}


# Checked when typed ----------------------------------------------------------------------------------------


def contradictions(rules: Sequence[Quantity], unit: str, columns: Sequence[str]) -> list[str]:
    """What a tariff with this unit and these columns cannot mean at once, in sentences."""
    found = []
    kinds = {rule.kind for rule in rules}
    if rules and unit in ("month", "period"):
        found.append("Un forfait au mois ou à la période ne dépend pas du nombre de jours pris.")
    if Kind.PACKAGE in kinds and unit != "presence":
        found.append("Un forfait de jours remplace le prix de la présence, pas celui de l'heure.")
    if {Kind.PACKAGE, Kind.COLUMN} <= kinds:
        found.append("Un forfait de jours remplace le prix du jour : aucune colonne ne le change plus.")
    if len({(rule.span, rule.family) for rule in rules if rule.kind is Kind.PACKAGE}) > 1:
        found.append("Les forfaits de jours d'un tarif comptent tous les jours d'une même durée.")
    for rule in rules:
        found += _trouble(rule, columns)
    by_grade: dict[tuple[Kind, _Terms, int], int] = defaultdict(int)
    for rule in rules:
        terms = _Terms(rule.span, rule.together, rule.count, rule.counted, rule.apart)
        grade = 0 if rule.kind in (Kind.FLOOR, Kind.CAP) else rule.number
        by_grade[rule.kind, terms, grade] += 1
    if any(number > 1 for number in by_grade.values()):
        found.append("Deux règles selon le nombre disent un prix pour le même nombre.")
    floors = {rule.span: rule.amount for rule in rules if rule.kind is Kind.FLOOR and not rule.family}
    for rule in rules:
        floor = floors.get(rule.span)
        if rule.kind is Kind.CAP and not rule.family and floor and rule.amount and floor > rule.amount:
            found.append(f"Le minimum dépasse le plafond ({SPAN_WORDS[rule.span]}).")
    return list(dict.fromkeys(found))


def _trouble(rule: Quantity, columns: Sequence[str]) -> list[str]:
    found = []
    if rule.kind is Kind.COLUMN and not rule.column:
        found.append("Indiquez la colonne qui compte à partir de ce nombre.")
    if rule.kind not in (Kind.COLUMN, Kind.ONE) and rule.amount is None and not rule.column:
        found.append("Indiquez un montant, ou la colonne de la grille qui le dit.")
    if rule.column and columns and rule.column not in columns:
        found.append(f"La grille n'a pas la colonne « {rule.column} » d'une règle selon le nombre.")
    if rule.kind is Kind.ONE and rule.number < 2:
        found.append("Des formules d'un même jour au prix d'une : à partir de 2.")
    if rule.kind is Kind.SIBLINGS and rule.number < 2:
        found.append("Un prix pour frères et sœurs ensemble vaut à partir de 2 enfants.")
    if rule.family and rule.kind not in (Kind.FLOOR, Kind.CAP, Kind.FLAT):
        found.append("Seuls un minimum, un plafond ou un forfait s'entendent pour toute la famille.")
    if rule.kind is Kind.SIBLINGS and rule.span is not Span.DAY:
        found.append("Un prix pour frères et sœurs ensemble s'entend par jour.")
    return found


# In words ---------------------------------------------------------------------------------------------------


def in_words(rule: Quantity, price: Decimal | None = None) -> str:
    """The rule as a family reads it; `price`: what it comes to for that family, where it is known."""
    amount = rule.amount if rule.amount is not None else price
    said = euros(amount) if amount is not None else f"tarif « {rule.column} »"
    per = SPAN_WORDS[rule.span]
    unit = ("jour", "jours") if rule.count is Count.DAYS else ("présence", "présences")
    match rule.kind:
        case Kind.COLUMN:
            return f"À partir de {counted(rule.number, *unit)} {per} : {said}"
        case Kind.ONE:
            return f"{rule.number} formules d'un même jour au prix d'une"
        case Kind.PACKAGE:
            return f"{counted(rule.number, *unit)} {per} : {said}"
        case Kind.FLAT:
            return f"À partir de {counted(rule.number, *unit)} {per} : forfait de {said}"
        case Kind.SIBLINGS:
            return f"{counted(rule.number, 'enfant', 'enfants')} ensemble : {said} en tout"
        case Kind.FLOOR:
            return f"Au moins {said} {per}{' pour la famille' if rule.family else ''}"
        case Kind.CAP:
            return f"Jamais plus de {said} {per}{' pour la famille' if rule.family else ''}"
