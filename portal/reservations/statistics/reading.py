"""The tables of « Statistiques », out of counted months: a year beside the one before, of a place or all.

    years(months) -> [Year]                       which may be shown, the newest first
    tables(figures, year, months, place) -> [Table]    eight queries, whatever the number of months

What is said of a year are its months that are over, and the same ones of the year before. Children of a band
of quotients who are fewer than FEWEST are not told, nor what would say them by subtraction.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from django.db.models import Max, QuerySet, Sum

from portal.desk.charts import Chart, Group, draw
from portal.files.handing_over import Cell
from portal.french.amounts import NBSP, number
from portal.french.dates import end_of_month, month_name, months_after, short_month
from portal.reservations.models import CountedMonth, MonthlyFigure
from portal.reservations.statistics.figures import MEAL, REQUESTS

Kind = MonthlyFigure.Kind
Figures = QuerySet[MonthlyFigure]
FEWEST = 3
FEW = f"moins de {FEWEST}"
NOT_TOLD = "non communiqué"
SEPTEMBER = 9
NOW, BEFORE = "now", "before"
PERCENT, DAYS = "%", "j"


@dataclass(frozen=True)
class Year:
    """Twelve months from `first` on: a school year, or a calendar year."""

    first: date

    @property
    def key(self) -> str:
        """« 2026 », « 2026-2027 », also what is read."""
        return str(self.first.year) if self.first.month == 1 else f"{self.first.year}-{self.first.year + 1}"

    @property
    def name(self) -> str:
        return f"année {self.key}" if self.first.month == 1 else f"année scolaire {self.key}"

    @property
    def months(self) -> list[date]:
        return [months_after(self.first, rank) for rank in range(12)]

    @property
    def before(self) -> "Year":
        return Year(months_after(self.first, -12))


@dataclass(frozen=True)
class Column:
    """`unit` stands behind each number: « % », « j »."""

    name: str
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of plain cells, a name or several first (`names`); `last` is their total."""

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    names: int = 1
    last: Sequence[Cell] = ()
    chart: Chart | None = None
    # The chart's series, each by its kind of bar and its word.
    legend: Sequence[tuple[str, str]] = ()
    said: str = ""
    note: str = ""

    @property
    def headings(self) -> list[str]:
        return [f"{one.name} ({one.unit})" if one.unit else one.name for one in self.columns]

    @property
    def shown(self) -> list[tuple[list[str], list[str]]]:
        """The rows as the page writes them: names, then numbers."""
        return [self._shown(row) for row in self.rows]

    @property
    def total(self) -> tuple[list[str], list[str]] | None:
        return self._shown(self.last) if self.last else None

    def _shown(self, row: Sequence[Cell]) -> tuple[list[str], list[str]]:
        written = [_written(cell, column.unit) for cell, column in zip(row, self.columns, strict=True)]
        return written[: self.names], written[self.names :]


def _written(cell: Cell, unit: str) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, int | Decimal):
        return number(Decimal(cell)) + (f"{NBSP}{unit}" if unit else "")
    return str(cell)


@dataclass
class _Span:
    """What is compared: this year's months that are over, and the same ones of the year before."""

    year: Year
    over: Collection[date]
    counted: Collection[date]
    same: Collection[date] = field(init=False)

    def __post_init__(self) -> None:
        self.same = {months_after(month, -12) for month in self.over}

    @property
    def series(self) -> tuple[tuple[str, str], ...]:
        return (NOW, self.year.name), (BEFORE, self.year.before.name)

    def side(self, month: date) -> str:
        """« now », « before », or "" of a month that is not compared."""
        return NOW if month in self.over else BEFORE if month in self.same else ""

    @property
    def asked(self) -> set[date]:
        return {*self.year.months, *self.year.before.months}


def years(months: Iterable[date]) -> list[Year]:
    """The school years and the calendar years that have a counted month."""
    found = set()
    for month in months:
        found.add(Year(date(month.year if month.month >= SEPTEMBER else month.year - 1, SEPTEMBER, 1)))
        found.add(Year(date(month.year, 1, 1)))
    return sorted(found, key=lambda one: (one.first.month == 1, -one.first.year))


def tables(
    figures: Figures, year: Year, months: Sequence[CountedMonth], *, place: int | None, today: date
) -> list[Table]:
    """All that has a number. `figures` are those that who asks may see; `place`: at it alone."""
    counted = {one.first for one in months}
    within = [month for month in year.months if month in counted]
    # In its first month a year has nothing else to show.
    over = [month for month in within if end_of_month(month) < today] or within
    span = _Span(year, set(over), counted)
    here = figures.filter(establishment=place) if place else figures
    occupancy, days = _occupancy(here, span), _days(here, span)
    found = [
        _children(here, span, place),
        _meals(days, span),
        _presences(days, span),
        _places(occupancy, span),
        _periods(occupancy, span),
        _requests(here, span, place),
        *_bands(here, span, place),
        _over_years(here, year, counted, place, today),
    ]
    return [table for table in found if table is not None and table.rows]


# Children and days -----------------------------------------------------------------------------------------


def _by_month(
    key: str, title: str, unit: str, values: Mapping[date, int], span: _Span, note: str
) -> Table | None:
    """A row a month beside the same month of the year before; what of it is counted."""
    if not any(values.values()):
        return None
    rows, groups = [], []
    for month in span.year.months:
        earlier = months_after(month, -12)
        if month not in span.counted and earlier not in span.counted:
            continue
        now = values.get(month, 0) if month in span.counted else None
        before = values.get(earlier, 0) if earlier in span.counted else None
        name = month_name(month)
        going_on = "" if month in span.over or now is None else " (en cours)"
        rows.append((f"{name.capitalize()}{going_on}", now, before, _change(now, before)))
        groups.append(Group(name, short_month(month), (now, before)))
    return Table(
        key,
        title,
        (Column("Mois"), Column(span.year.key), Column(span.year.before.key), Column("Écart", PERCENT)),
        rows,
        chart=_chart(groups, span),
        legend=span.series,
        said=f"Deux barres par mois : {unit} de l'{span.year.name} et de la précédente.",
        note=note,
    )


def _chart(groups: Sequence[Group], span: _Span, unit: str = "") -> Chart | None:
    """None where there is no bar to draw."""
    if not any(value for group in groups for value in group.values):
        return None
    behind = f"{NBSP}{unit}" if unit else ""

    def said(value: Decimal) -> str:
        return f"{number(value)}{behind}"

    return draw(groups, span.series, said=said, axis=said)


def _change(now: int | None, before: int | None) -> Decimal | None:
    """By how many percent it is more, or less."""
    if now is None or not before:
        return None
    return Decimal(round(100 * (now - before) / before))


def _share(part: int, whole: int) -> Decimal | None:
    return Decimal(round(100 * part / whole)) if whole else None


def _children(here: Figures, span: _Span, place: int | None) -> Table | None:
    rows = here.filter(kind=Kind.CHILDREN, activity=None, month__in=span.asked)
    if place is None:
        rows = rows.filter(establishment=None)
    values = dict(rows.values_list("month", "count"))
    note = "Un enfant compte une fois dans le mois, quel que soit le nombre de ses jours."
    return _by_month("enfants", "Enfants accueillis", "les enfants", values, span, note)


# Month, kind, activity, what; days. In the order of the activities.
_Days = Sequence[tuple[date, str, str, str, int]]


def _days(here: Figures, span: _Span) -> _Days:
    """Presences and absences, in one query."""
    rows = here.filter(kind__in=(Kind.PRESENCES, Kind.ABSENCES), month__in=span.asked).order_by()
    summed = rows.values_list("month", "kind", "activity__name", "what").annotate(days=Sum("count"))
    return list(summed.order_by("activity__order", "activity__name"))


def _meals(rows: _Days, span: _Span) -> Table | None:
    values: Counter[date] = Counter()
    for month, kind, _, what, days in rows:
        if kind == Kind.PRESENCES and what == MEAL:
            values[month] += days
    return _by_month("repas", "Repas réservés", "les repas", values, span, "")


def _presences(rows: _Days, span: _Span) -> Table | None:
    """Days by activity, and how many of them were absences."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for month, kind, activity, _, days in rows:
        sums[activity, kind, span.side(month)] += days
    lines = []
    for activity in dict.fromkeys(name for name, _, side in sums if side):
        now, before = (sums[activity, Kind.PRESENCES, side] for side in (NOW, BEFORE))
        away = sums[activity, Kind.ABSENCES, NOW]
        lines.append((activity, now, before, _change(now, before), away, _share(away, now)))
    now, before = (_sum(sums, Kind.PRESENCES, side) for side in (NOW, BEFORE))
    away = _sum(sums, Kind.ABSENCES, NOW)
    return Table(
        "jours",
        "Jours réservés par activité",
        (
            Column("Activité"),
            Column(span.year.key),
            Column(span.year.before.key),
            Column("Écart", PERCENT),
            Column("Absences"),
            Column("Part des absences", PERCENT),
        ),
        lines,
        last=("Total", now, before, _change(now, before), away, _share(away, now)) if len(lines) > 1 else (),
    )


def _sum(sums: Mapping[tuple[str, str, str], int], kind: str, side: str) -> int:
    """Of all activities."""
    return sum(days for (_, of, when), days in sums.items() if (of, when) == (kind, side))


# Occupancy -------------------------------------------------------------------------------------------------


# Month, place, activity, period; places taken, places offered.
_Occupied = Sequence[tuple[date, str, str, str, int, int]]


def _occupancy(here: Figures, span: _Span) -> _Occupied:
    rows = here.filter(kind=Kind.OCCUPANCY, month__in=span.asked)
    return list(
        rows.order_by(
            "establishment__name", "activity__order", "activity__name", "month", "what"
        ).values_list("month", "establishment__name", "activity__name", "what", "count", "total")
    )


def _places(rows: _Occupied, span: _Span) -> Table | None:
    taken: Counter[tuple[tuple[str, str], str]] = Counter()
    offered: Counter[tuple[tuple[str, str], str]] = Counter()
    for month, place, activity, _, used, places in rows:
        taken[(place, activity), span.side(month)] += used
        offered[(place, activity), span.side(month)] += places
    lines: list[tuple[Cell, ...]] = []
    groups: list[Group] = []
    for where in dict.fromkeys(where for where, side in offered if side):
        now, before = (_share(taken[where, side], offered[where, side]) for side in (NOW, BEFORE))
        lines.append((*where, offered[where, NOW], taken[where, NOW], now, before))
        groups.append(Group(f"{where[0]}, {where[1]}", str(len(groups) + 1), (now, before)))
    return Table(
        "occupation",
        "Occupation par lieu",
        (
            Column("Lieu"),
            Column("Activité"),
            Column("Places offertes"),
            Column("Places prises"),
            Column(span.year.key, PERCENT),
            Column(span.year.before.key, PERCENT),
        ),
        lines,
        names=2,
        chart=_chart(groups, span, PERCENT) if len(groups) <= 24 else None,
        legend=span.series,
        said="Deux barres par ligne du tableau qui suit, dans son ordre : la part des places prises, cette "
        "année et la précédente.",
        note="Une place offerte un jour sur une partie de la journée compte une fois ; les jours fermés et "
        "les lieux sans limite ne comptent pas.",
    )


def _periods(rows: _Occupied, span: _Span) -> Table | None:
    taken: Counter[tuple[str, str, str]] = Counter()
    offered: Counter[tuple[str, str, str]] = Counter()
    begins: dict[tuple[str, str], date] = {}
    for month, place, activity, period, used, places in rows:
        if period and month in span.over:
            taken[activity, period, place] += used
            offered[activity, period, place] += places
            begins[activity, period] = min(month, begins.get((activity, period), month))
    order = sorted(offered, key=lambda one: (one[0], begins[one[:2]], one[1], one[2]))
    lines = [(*one, offered[one], taken[one], _share(taken[one], offered[one])) for one in order]
    return Table(
        "periodes",
        "Occupation par période",
        (
            Column("Activité"),
            Column("Période"),
            Column("Lieu"),
            Column("Places offertes"),
            Column("Places prises"),
            Column("Occupation", PERCENT),
        ),
        lines,
        names=3,
    )


# Requests --------------------------------------------------------------------------------------------------


def median(waits: Mapping[int, int]) -> Decimal | None:
    """The days that half of them waited at most; `waits`: how many waited how many days."""
    ordered = sorted(waits.items())
    number_of = sum(waits.values())
    if not number_of:
        return None

    def at(rank: int) -> int:
        for days, many in ordered:
            if rank < many:
                return days
            rank -= many
        raise AssertionError(rank)

    return Decimal(at((number_of - 1) // 2) + at(number_of // 2)) / 2


def _average(waits: Mapping[int, int]) -> Decimal | None:
    number_of = sum(waits.values())
    days = sum(step * many for step, many in waits.items())
    return (Decimal(days) / number_of).quantize(Decimal("0.1")) if number_of else None


def _requests(here: Figures, span: _Span, place: int | None) -> Table | None:
    rows = here.filter(kind=Kind.ANSWERED, month__in=span.asked)
    waits: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for month, kind, step, many in (
        rows.order_by().values_list("month", "what", "step").annotate(many=Sum("count"))
    ):
        waits[kind, span.side(month)][step] += many
    lines, groups = [], []
    for kind in dict.fromkeys((*REQUESTS, *sorted(kind for kind, _ in waits))):
        now, before = waits[kind, NOW], waits[kind, BEFORE]
        if now or before:
            name = REQUESTS.get(kind, kind)
            lines.append(
                (
                    name,
                    now.total(),
                    before.total(),
                    median(now),
                    median(before),
                    _average(now),
                    max(now, default=None),
                )
            )
            groups.append(Group(name, name, (median(now), median(before))))
    return Table(
        "demandes",
        "Demandes traitées et délais de réponse",
        (
            Column("Demandes"),
            Column(f"Traitées {span.year.key}"),
            Column(f"Traitées {span.year.before.key}"),
            Column("Délai médian", DAYS),
            Column(f"Délai médian {span.year.before.key}", DAYS),
            Column("Délai moyen", DAYS),
            Column("Délai le plus long", DAYS),
        ),
        lines,
        chart=_chart(groups, span, DAYS),
        legend=span.series,
        said="Deux barres par sorte de demandes : le délai médian en jours, cette année et la précédente.",
        note="De la demande à la réponse de la mairie, en jours ; la moitié des demandes ont attendu moins "
        "que le délai médian. "
        + (
            "Seules les inscriptions et les jours sont demandés pour un lieu."
            if place
            else "Ce qui est accepté d'office n'attend personne et ne compte pas."
        ),
    )


# Quotients -------------------------------------------------------------------------------------------------


@dataclass
class _Band:
    days: int = 0
    children: int = 0  # of the month with most of them


def told(bands: Mapping[str, _Band]) -> dict[str, tuple[Cell, Cell, Cell]]:
    """Children, days and share of each band; those of too few children are not told, nor the next larger
    one where it alone would be found by subtraction."""
    some = {name: one for name, one in bands.items() if one.children}
    few = {name for name, one in some.items() if one.children < FEWEST}
    hidden = dict.fromkeys(few, FEW)
    if len(few) == 1 and len(some) > 1:
        least = min((name for name in some if name not in few), key=lambda name: some[name].children)
        hidden[least] = NOT_TOLD
    whole = sum(one.days for one in some.values())
    return {
        name: (hidden[name], None, None)
        if name in hidden
        else (one.children, one.days, _share(one.days, whole))
        for name, one in bands.items()
    }


def _bands(here: Figures, span: _Span, place: int | None) -> list[Table]:
    """A table an activity."""
    rows = here.filter(kind=Kind.BANDS, month__in=span.asked)
    if place is None:
        rows = rows.filter(establishment=None)
    found: dict[tuple[int, str], dict[str, dict[str, _Band]]] = {}
    steps: dict[str, int] = {}
    for month, activity, name, band, step, days, children in (
        rows.order_by()
        .values_list("month", "activity", "activity__name", "what", "step")
        .annotate(days=Sum("count"), children=Max("total"))
        .order_by("activity__order", "activity__name")
    ):
        sides = found.setdefault((activity, name), {NOW: defaultdict(_Band), BEFORE: defaultdict(_Band)})
        if side := span.side(month):
            steps[band] = step
            one = sides[side][band]
            one.days += days
            one.children = max(one.children, children)
    tables_of = []
    for (key, name), sides in found.items():
        order = sorted({*sides[NOW], *sides[BEFORE]}, key=lambda band: (steps[band], band))
        now, before = (told({band: sides[side][band] for band in order}) for side in (NOW, BEFORE))
        lines = [
            (band, *(cell if cell != 0 else None for cell in now[band]), before[band][2]) for band in order
        ]
        groups = [Group(band, _short(band), (_drawn(now[band]), _drawn(before[band]))) for band in order]
        tables_of.append(
            Table(
                f"quotients-{key}",
                f"{name}, par tranche de quotient",
                (
                    Column("Tranche"),
                    Column("Enfants, au plus dans un mois"),
                    Column("Jours"),
                    Column("Part des jours", PERCENT),
                    Column(f"Part {span.year.before.key}", PERCENT),
                ),
                lines,
                chart=_chart(groups, span, PERCENT),
                legend=span.series,
                said="Deux barres par tranche : sa part des jours, cette année et la précédente.",
                note=f"Le quotient du foyer au dernier jour de chaque mois. Les tranches de {FEW} enfants ne "
                "sont pas détaillées, ni celle qui les ferait deviner.",
            )
        )
    return tables_of


def _short(band: str) -> str:
    """What stands under the axis: without « Tranche »."""
    return band.removeprefix("Tranche ").partition(" (")[0]


def _drawn(cells: tuple[Cell, Cell, Cell]) -> Decimal | None:
    return cells[2] if isinstance(cells[2], Decimal) else None


# Over years ------------------------------------------------------------------------------------------------


@dataclass
class _Sums:
    children: int = 0
    days: int = 0
    meals: int = 0
    taken: int = 0
    offered: int = 0
    waits: Counter[int] = field(default_factory=Counter)


def _over_years(
    here: Figures, year: Year, counted: Collection[date], place: int | None, today: date
) -> Table | None:
    """A row a year of the same kind, as far as months are counted."""
    kinds = (Kind.PRESENCES, Kind.OCCUPANCY, Kind.ANSWERED)
    rows = here.filter(kind__in=kinds)
    heads = here.filter(kind=Kind.CHILDREN, activity=None)
    if place is None:
        heads = heads.filter(establishment=None)
    sums: dict[Year, _Sums] = defaultdict(_Sums)
    for month, count in heads.values_list("month", "count"):
        one = sums[_year_of(month, year)]
        one.children = max(one.children, count)
    # Occupancy is the same whatever its period: only meals are told apart by `what`.
    for month, kind, what, step, count, total in (
        rows.order_by()
        .values_list("month", "kind", "what", "step")
        .annotate(counts=Sum("count"), totals=Sum("total"))
    ):
        one = sums[_year_of(month, year)]
        if kind == Kind.PRESENCES:
            one.days += count
            one.meals += count if what == MEAL else 0
        elif kind == Kind.OCCUPANCY:
            one.taken += count
            one.offered += total
        else:
            one.waits[step] += count
    if len(sums) < 2:
        return None
    lines, groups = [], []
    for each in sorted(sums, key=lambda one: one.first):
        found = sums[each]
        going_on = " (en cours)" if end_of_month(each.months[-1]) >= today else ""
        lines.append(
            (
                f"{each.key}{going_on}",
                found.children,
                found.days,
                found.meals,
                _share(found.taken, found.offered),
                found.waits.total(),
                median(found.waits),
            )
        )
        groups.append(Group(each.name, each.key, (found.days, found.meals)))
    series = ((NOW, "jours réservés"), (BEFORE, "dont repas"))
    return Table(
        "annees",
        "Année par année",
        (
            Column("Année"),
            Column("Enfants, au plus dans un mois"),
            Column("Jours réservés"),
            Column("Dont repas"),
            Column("Occupation", PERCENT),
            Column("Demandes traitées"),
            Column("Délai médian", DAYS),
        ),
        lines,
        chart=draw(groups, series, said=number, axis=number),
        legend=series,
        said="Deux barres par année : les jours réservés, puis ceux qui comprennent un repas.",
    )


def _year_of(month: date, like: Year) -> Year:
    """The year of the same kind that holds a month."""
    begins = like.first.month
    return Year(date(month.year if month.month >= begins else month.year - 1, begins, 1))
