"""How long each kind of data is kept, and what is done when the time is over.

An app says what it keeps in `ready`: `register(Kind(…))`. The town's word on it is a `RetentionRule`, a row a
kind, made with the usual value after each migration; without one the usual value counts. The night, its
`--essai`, the page « Données personnelles » and the register of processing all read what is here.

    rule(code) -> RetentionRule      today's
    due(kind, at) -> [QuerySet]      rows whose time is over, a queryset a table
    register_fixed(label, kept)      what no town changes, for the pages that tell it
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import AppConfig
from django.apps import apps as global_apps
from django.db.models import QuerySet
from django.utils import timezone

from families.models import RetentionRule
from portal.french.dates import months_after
from portal.french.plurals import agreed

Unit = RetentionRule.Unit
Rows = QuerySet[Any, Any]
CHOSEN = "Aucun texte ne fixe de durée : choix proposé par le portail, que la commune confirme."


@dataclass(frozen=True)
class Kind:
    """A kind of data. `due(before)`: rows whose time began before that aware moment, a queryset a table;
    `remove(rows, at)` deletes them, their files and their histories, and says how many went.

    `dated_by`: the field by which a list for the archives is dated; a kind without one, or of several tables,
    is on no such list.
    """

    code: str
    key: str  # as the town's file calls it
    label: str  # « Justificatifs envoyés »
    since: str  # « après leur envoi »
    duration: int
    unit: str
    source: str
    due: Callable[[datetime], Sequence[Rows]]
    remove: Callable[[Sequence[Rows], datetime], int]
    said: str = ""  # what a night says it did
    needs_visa: bool = False
    dated_by: str = ""
    least_years: int = 0  # what the law asks for, whatever a town writes

    @property
    def usual(self) -> RetentionRule:
        return RetentionRule(
            kind=self.code,
            duration=self.duration,
            unit=self.unit,
            needs_visa=self.needs_visa,
            source=self.source,
        )


@dataclass(frozen=True)
class Fixed:
    """What goes by itself whatever a town says: how long, in words."""

    label: str
    kept: Callable[[], str]


_kinds: dict[str, Kind] = {}
_fixed: dict[str, Fixed] = {}


def register(kind: Kind) -> None:
    """Adds a kind; the same code again replaces it."""
    _kinds[kind.code] = kind


def register_fixed(label: str, kept: Callable[[], str]) -> None:
    _fixed[label] = Fixed(label, kept)


def kinds() -> list[Kind]:
    return list(_kinds.values())


def kind_of(code: str) -> Kind | None:
    """None for a row whose kind no app knows any more."""
    return _kinds.get(code)


def fixed() -> list[Fixed]:
    return list(_fixed.values())


def rule(code: str) -> RetentionRule:
    return RetentionRule.objects.filter(kind=code).first() or _kinds[code].usual


def rules() -> list[tuple[Kind, RetentionRule]]:
    """Each kind with today's rule, in one query."""
    rows = {row.kind: row for row in RetentionRule.objects.all()}
    return [(kind, rows.get(kind.code) or kind.usual) for kind in kinds()]


def in_words(row: RetentionRule) -> str:
    """« 7 jours », « 1 an », « 10 ans »."""
    word = {
        Unit.DAY: agreed(row.duration, "jour", "jours"),
        Unit.MONTH: "mois",
        Unit.YEAR: agreed(row.duration, "an", "ans"),
    }[Unit(row.unit)]
    return f"{row.duration} {word}"


def make_rules(app_config: AppConfig, using: str, apps: Any = global_apps, **kwargs: Any) -> None:
    """Receiver of post_migrate: a row for each kind that has none. What a town wrote stays."""
    try:
        model = apps.get_model("families", "RetentionRule")
    except LookupError:  # an older schema, which has no such table
        return
    there = set(model.objects.using(using).values_list("kind", flat=True))
    lacking = [
        model(
            kind=kind.code,
            duration=kind.duration,
            unit=kind.unit,
            needs_visa=kind.needs_visa,
            source=kind.source,
        )
        for kind in kinds()
        if kind.code not in there
    ]
    # Nothing to write, nothing to wait for.
    if lacking:
        model.objects.using(using).bulk_create(lacking)


def is_shorter(row: RetentionRule, years: int) -> bool:
    days = {Unit.DAY: 1, Unit.MONTH: 365 / 12, Unit.YEAR: 365}[Unit(row.unit)]
    return row.duration * days < years * 365


# Moments ----------------------------------------------------------------------------------------------


def shifted(moment: datetime, count: int, unit: str) -> datetime:
    """`count` days, months or years later (earlier where negative), at the same hour of the town; the 31st
    becomes the last day of a shorter month."""
    local = timezone.localtime(moment)
    if unit == Unit.DAY:
        return local + timedelta(days=count)
    day = months_after(local.date(), count * (12 if unit == Unit.YEAR else 1))
    return local.replace(year=day.year, month=day.month, day=day.day)


def start_of(code: str, at: datetime) -> datetime:
    """What began before this moment is over at `at`."""
    row = rule(code)
    return shifted(at, -row.duration, row.unit)


def end_of(code: str, since: datetime) -> datetime:
    row = rule(code)
    return shifted(since, row.duration, row.unit)


# What is over -----------------------------------------------------------------------------------------


def due(kind: Kind, at: datetime) -> list[Rows]:
    """Rows whose time is over, whether they need a visa or not; none where the rule is not applied."""
    row = rule(kind.code)
    before = min(shifted(at, -row.duration, row.unit), shifted(at, -kind.least_years, Unit.YEAR))
    rows = kind.due(before)
    return list(rows) if row.active else [each.none() for each in rows]


def needs_visa(kind: Kind) -> bool:
    return bool(kind.dated_by) and rule(kind.code).needs_visa
