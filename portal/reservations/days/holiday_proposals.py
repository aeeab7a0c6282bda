"""What the calendar of a school year should hold, proposed from two libraries for an agent to confirm.

Only « Importer le calendrier » and tools read this: the portal itself decides by the rows an agent has kept.
The libraries are `holidays` (public holidays, with Alsace-Moselle and overseas) and
`vacances-scolaires-france` (school holidays of zones A, B and C, from the ministry's open data).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache

import holidays
from django.db import transaction
from vacances_scolaires_france import SchoolHolidayDates

from portal.french import moments
from portal.models import Town
from portal.reservations.models import PublicHoliday, SchoolHoliday, SchoolYear

ONE_DAY = timedelta(days=1)
SATURDAY = 5
SUMMER = "Vacances d'été"
ZONES_KNOWN = (Town.Zone.A, Town.Zone.B, Town.Zone.C)

# Subdivisions as `holidays` names them; None is métropole.
SUBDIVISIONS: dict[str, str | None] = {
    Town.Region.METROPOLE: None,
    Town.Region.ALSACE_MOSELLE: "6AE",
    Town.Region.GUADELOUPE: "971",
    Town.Region.MARTINIQUE: "972",
    Town.Region.GUYANE: "973",
    Town.Region.REUNION: "974",
    Town.Region.MAYOTTE: "976",
    Town.Region.SAINT_BARTHELEMY: "BL",
    Town.Region.SAINT_MARTIN: "MF",
    Town.Region.SAINT_PIERRE_ET_MIQUELON: "PM",
    Town.Region.NOUVELLE_CALEDONIE: "NC",
    Town.Region.POLYNESIE: "PF",
    Town.Region.WALLIS_ET_FUTUNA: "WF",
}
# School years of territories that set their own, where their dates were found: by the year of its start,
# first and last day of class, then holidays. Réunion 2026-2027: calendrier-scolaire.education; the regional
# vote, as the press copied it, has May and July a few days later.
OF_TERRITORIES: dict[str, dict[int, tuple[tuple[date, date], list[tuple[str, date, date]]]]] = {
    Town.Region.REUNION: {
        2026: (
            (date(2026, 8, 18), date(2027, 7, 2)),
            [
                ("Vacances d'octobre", date(2026, 10, 10), date(2026, 10, 25)),
                ("Vacances de l'été austral", date(2026, 12, 19), date(2027, 1, 31)),
                ("Vacances de mars", date(2027, 3, 16), date(2027, 3, 29)),
                ("Vacances de mai", date(2027, 5, 5), date(2027, 5, 18)),
            ],
        )
    }
}
# Zones A, B and C cover these; elsewhere the académie sets its own school holidays.
WITH_ZONES = (Town.Region.METROPOLE, Town.Region.ALSACE_MOSELLE)


@dataclass(frozen=True)
class Proposal:
    """A row to keep or not. `kind` is year, public or school; `known`: the calendar already has it."""

    kind: str
    name: str
    first: date
    last: date
    known: bool = False

    @property
    def key(self) -> str:
        """Names the proposal in the form: the same one proposed again has the same key."""
        return f"{self.kind}-{self.first.isoformat()}"

    @property
    def dates(self) -> str:
        """« vendredi 25 décembre 2026 », « du 19 décembre 2026 au 3 janvier 2027 »."""
        if self.first == self.last:
            return moments.day(self.first, year=True)
        return moments.span(self.first, self.last, year=True)


@dataclass
class Proposals:
    """Everything proposed for a school year, and what the agent should know about what is missing."""

    start_year: int
    zone: str
    region: str
    rows: list[Proposal] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def new(self) -> list[Proposal]:
        return [row for row in self.rows if not row.known]


def school_year_of(day: date) -> int:
    """The year in which the school year of `day` began; July and August look ahead to the next one."""
    return day.year if day.month >= 7 else day.year - 1


def propose(start_year: int, zone: str, region: str) -> Proposals:
    """The rows of the school year that begins in September of `start_year`, beside those already kept."""
    proposals = Proposals(start_year, zone, region)
    school = _school_rows(start_year, zone, region, proposals.warnings)
    rows = [*_year_row(start_year, school, region), *public_holidays(start_year, region), *school]
    kept = _Kept(zone)
    proposals.rows = [Proposal(row.kind, row.name, row.first, row.last, known=kept.has(row)) for row in rows]
    return proposals


def public_holidays(start_year: int, region: str) -> list[Proposal]:
    """Public holidays from 1 September to 31 August."""
    first, last = date(start_year, 9, 1), date(start_year + 1, 8, 31)
    found = holidays.country_holidays(
        "FR", subdiv=SUBDIVISIONS.get(region), years=[start_year, start_year + 1], language="fr"
    )
    return [Proposal("public", name, day, day) for day, name in sorted(found.items()) if first <= day <= last]


def school_holidays(first: date, last: date, zone: str) -> list[Proposal]:
    """School holidays of zone A, B or C that begin from `first` to `last`, as far as the library knows."""
    library = _library()
    days: dict[date, str] = {}
    # A year more on both sides: Christmas holidays lie across two years.
    for year in range(max(first.year - 1, library.min_year), min(last.year + 1, library.max_year) + 1):
        for day in library.holidays_for_year_and_zone(year, zone).values():
            days[day["date"]] = day["nom_vacances"]
    found: list[Proposal] = []
    for day in sorted(days):
        if found and found[-1].last == day - ONE_DAY and found[-1].name == days[day]:
            found[-1] = Proposal("school", days[day], found[-1].first, day)
        else:
            found.append(Proposal("school", days[day], day, day))
    return [row for row in found if first <= row.first <= last]


def last_year_known() -> int:
    """The last school year, named by its first September, of which the library knows every holiday."""
    return int(_library().max_year) - 1


@cache
def _library() -> SchoolHolidayDates:
    """Kept: it reads forty years of days when made."""
    return SchoolHolidayDates()


@transaction.atomic
def keep(proposals: Proposals, keys: Collection[str]) -> int:
    """Writes the proposals whose key is in `keys`, never twice; returns how many were written."""
    chosen = [row for row in proposals.new if row.key in keys]
    SchoolYear.objects.bulk_create(
        [
            SchoolYear(name=row.name, starts_on=row.first, ends_on=row.last)
            for row in chosen
            if row.kind == "year"
        ]
    )
    PublicHoliday.objects.bulk_create(
        [PublicHoliday(day=row.first, name=row.name) for row in chosen if row.kind == "public"],
        ignore_conflicts=True,
    )
    SchoolHoliday.objects.bulk_create(
        [
            SchoolHoliday(zone=proposals.zone, name=row.name, starts_on=row.first, ends_on=row.last)
            for row in chosen
            if row.kind == "school"
        ],
        ignore_conflicts=True,
    )
    return len(chosen)


class _Kept:
    """What the calendar already holds, in three queries."""

    def __init__(self, zone: str) -> None:
        self.years = set(SchoolYear.objects.values_list("name", flat=True))
        self.days = set(PublicHoliday.objects.values_list("day", flat=True))
        self.holidays = list(SchoolHoliday.objects.filter(zone=zone).values_list("starts_on", "ends_on"))

    def has(self, row: Proposal) -> bool:
        if row.kind == "year":
            return row.name in self.years
        if row.kind == "public":
            return row.first in self.days
        # An agent may have moved a holiday by a day: what overlaps is the same one.
        return any(first <= row.last and row.first <= last for first, last in self.holidays)


def _school_rows(start_year: int, zone: str, region: str, warnings: list[str]) -> list[Proposal]:
    year = f"{start_year}-{start_year + 1}"
    if found_there := OF_TERRITORIES.get(region, {}).get(start_year):
        warnings.append(
            "Les vacances scolaires de l'outre-mer sont fixées par l'académie : vérifiez ces dates, "
            "les sources ne s'accordent pas toutes."
        )
        return [Proposal("school", *row) for row in found_there[1]]
    if region not in WITH_ZONES:
        warnings.append(
            "Les vacances scolaires de l'outre-mer sont fixées par l'académie : saisissez-les à la main. "
            "Les jours fériés ci-dessous sont complets."
        )
        return []
    first, last = date(start_year, 9, 1), date(start_year + 1, 8, 31)
    if zone in ZONES_KNOWN:
        found = school_holidays(first, last, zone)
    else:
        warnings.append(
            "L'académie de Corse adapte le calendrier national : le portail ne peut proposer que les "
            "vacances communes aux trois zones, et leurs dates sont à vérifier."
        )
        found = _common([school_holidays(first, last, each) for each in ZONES_KNOWN])
    if start_year > last_year_known():
        known = f"Les vacances scolaires de {year} ne sont pas encore toutes connues du portail. "
        warnings.append(
            known + ("Voici celles qui le sont." if found else "Seuls les jours fériés sont proposés.")
        )
    return found


def _common(zones: Iterable[list[Proposal]]) -> list[Proposal]:
    first, *others = (set(rows) for rows in zones)
    return sorted(first.intersection(*others), key=lambda row: row.first)


def _year_row(start_year: int, school: list[Proposal], region: str) -> list[Proposal]:
    """From 1 September to the eve of summer, moved off week-ends, or as the territory has it; nothing when
    summer is unknown."""
    if found_there := OF_TERRITORIES.get(region, {}).get(start_year):
        return [Proposal("year", f"{start_year}-{start_year + 1}", *found_there[0])]
    summer = next((row for row in school if row.name == SUMMER), None)
    if summer is None:
        return []
    first, last = date(start_year, 9, 1), summer.first - ONE_DAY
    while first.weekday() >= SATURDAY:
        first += ONE_DAY
    while last.weekday() >= SATURDAY:
        last -= ONE_DAY
    return [Proposal("year", f"{start_year}-{start_year + 1}", first, last)]
