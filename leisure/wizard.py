"""Opening a leisure period: what an agent has in mind, what it would make, and the making of it.

A `Plan` is what was typed, checked. `outlook(plan, at=…)` only reads: days, slots, what looks wrong.
`carry_out(plan, at=…)` writes everything in one transaction, and writes nothing twice.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.text import slugify

from billing.models import FormulaTariff
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.acts import opening
from portal.reservations.days.calendars import OpenDays, WhyClosed, days_between
from portal.reservations.days.rule_preview import overlapping
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Capacity,
    DeadlineRule,
    Enrolment,
    Establishment,
    Formula,
    Part,
    Period,
    SchoolYear,
)

LONGEST_DAYS = 400
BEFORE_ANY_YEAR = "Aucune année scolaire ne commence avant ce jour : ajoutez-la d'abord."


@dataclass(frozen=True)
class Override:
    """A deadline for this period alone."""

    action: str
    rule: DeadlineRule
    late: str


@dataclass(frozen=True)
class Plan:
    """A period as an agent wants it. `places` are by (establishment id, part), `quotas` by (establishment id,
    formula id); None or absent: no limit."""

    activity: Activity
    establishments: list[Establishment]
    name: str
    starts_on: date
    ends_on: date
    opens_at: datetime | None = None
    opens_at_non_residents: datetime | None = None
    closes_at: datetime | None = None
    formulas: list[Formula] = field(default_factory=list)
    places: dict[tuple[int, str], int | None] = field(default_factory=dict)
    quotas: dict[tuple[int, int], int | None] = field(default_factory=dict)
    overrides: list[Override] = field(default_factory=list)

    @property
    def code(self) -> str:
        return slugify(self.name)[: Period._meta.get_field("code").max_length]

    def standing(self) -> Period | None:
        """The period of the same days, when it exists already, whatever its name."""
        return Period.objects.filter(
            activity=self.activity, starts_on=self.starts_on, ends_on=self.ends_on
        ).first()

    def namesake(self) -> Period | None:
        """A period of other days that bears this name."""
        return (
            Period.objects.filter(Q(code=self.code) | Q(name__iexact=self.name), activity=self.activity)
            .exclude(starts_on=self.starts_on, ends_on=self.ends_on)
            .first()
        )

    def period(self) -> Period:
        """The period to write: the one that exists, or a new one, not saved yet. Raises ValidationError."""
        year = school_year_of(self.starts_on)
        if year is None:
            raise ValidationError({"debut": BEFORE_ANY_YEAR})
        period = self.standing() or Period(activity=self.activity, code=self.code)
        period.name, period.school_year = self.name, year
        period.starts_on, period.ends_on = self.starts_on, self.ends_on
        period.opens_at, period.closes_at = self.opens_at, self.closes_at
        period.opens_at_non_residents = self.opens_at_non_residents
        return period

    def terms(self) -> opening.Terms:
        """What its slots begin with."""
        by_formula = {formula.pk: formula for formula in self.formulas}
        shared = [
            Capacity(activity=self.activity, establishment=place, part=part, places=count)
            for place in self.establishments
            for part in parts_of(self.formulas)
            if (count := self.places.get((place.pk, part))) is not None
        ]
        quotas = [
            Capacity(
                activity=self.activity,
                establishment=place,
                part=formula.parts[0],
                formula=formula,
                places=count,
            )
            for place in self.establishments
            for formula in by_formula.values()
            if formula.parts and (count := self.quotas.get((place.pk, formula.pk))) is not None
        ]
        others = self.activity.formulas.filter(active=True).exclude(pk__in=by_formula)
        return opening.Terms(
            self.establishments, shared + quotas, frozenset(others.values_list("pk", flat=True))
        )


def parts_of(formulas: list[Formula]) -> list[str]:
    """The parts of the day that formulas take, in the day's order."""
    return [part for part in Part.values if any(part in formula.parts for formula in formulas)]


def school_year_of(day: date) -> SchoolYear | None:
    """The school year of a day; summer belongs to the one that has just ended."""
    return SchoolYear.objects.filter(starts_on__lte=day).order_by("-starts_on").first()


@dataclass(frozen=True)
class PlaceOutlook:
    """What the plan makes of one establishment."""

    establishment: Establishment
    open_days: list[date]
    closed: list[tuple[str, str]]  # days and reason, in words
    slots: int
    places: list[tuple[str, int | None]]


@dataclass(frozen=True)
class PeriodOutlook:
    """What carrying out the plan would do now."""

    period: Period
    exists: bool
    places: list[PlaceOutlook]
    warnings: list[str]
    slots: int


def outlook(plan: Plan, *, at: datetime) -> PeriodOutlook:
    """What would be written, and what is rarely meant. Reads only, in a fixed number of queries."""
    period = plan.period()
    terms = plan.terms()
    missing = Counter(
        slot.establishment_id for slot in opening.missing_slots(period, at=at, terms=terms) if not slot.closed
    )
    calendars = OpenDays.load_many(plan.activity, plan.establishments, plan.starts_on, plan.ends_on)
    places = []
    for place in plan.establishments:
        calendar = calendars[place.pk]
        places.append(
            PlaceOutlook(
                place,
                calendar.days(plan.starts_on, plan.ends_on),
                closed_days(calendar, plan.starts_on, plan.ends_on),
                missing[place.pk],
                [(Part(part).label, plan.places.get((place.pk, part))) for part in parts_of(plan.formulas)]
                + [
                    (f"quota {formula.name}", count)
                    for formula in plan.formulas
                    if (count := plan.quotas.get((place.pk, formula.pk))) is not None
                ],
            )
        )
    return PeriodOutlook(
        period, period.pk is not None, places, _warnings(plan, period, places, at), sum(missing.values())
    )


def closed_days(calendar: OpenDays, first: date, last: date) -> list[tuple[str, str]]:
    """Closed days with their reason, runs of one reason together; weekdays never open are left out."""
    runs: list[tuple[list[date], str]] = []
    for day in days_between(first, last):
        reason = calendar.why_closed(day)
        if reason is None or reason.kind == WhyClosed.WEEKDAY:
            continue
        if runs and runs[-1][1] == reason.label and (day - runs[-1][0][-1]).days <= 3:
            runs[-1][0].append(day)
        else:
            runs.append(([day], reason.label))
    return [(moments.span(days[0], days[-1]), label) for days, label in runs]


def _warnings(plan: Plan, period: Period, places: list[PlaceOutlook], at: datetime) -> list[str]:
    """Sentences about what is allowed but rarely meant."""
    found = overlapping(period, plan.establishments)
    for place in places:
        if not place.open_days:
            found.append(f"{place.establishment} n'ouvre aucun jour de cette période.")
        if all(count is None for _, count in place.places):
            found.append(f"{place.establishment} n'a aucune limite de places.")
    if plan.ends_on < timezone.localdate(at):
        found.append("Cette période est passée : aucun créneau ne sera ouvert.")
    if plan.opens_at is None:
        found.append("Sans date d'ouverture, les familles peuvent réserver tout de suite.")
    if plan.closes_at and timezone.localdate(plan.closes_at) > plan.ends_on:
        found.append("La clôture tombe après le dernier jour de la période.")
    if not plan.activity.active:
        found.append(f"« {plan.activity} » n'est pas proposée aux familles en ce moment.")
    priced = set(FormulaTariff.objects.filter(formula__in=plan.formulas).values_list("formula", flat=True))
    if free := [formula.name for formula in plan.formulas if formula.pk not in priced]:
        found.append(f"Aucun tarif pour {moments.listing(free)} : les factures n'en tiendront pas compte.")
    if plan.activity.health_file_required:
        without = (
            Enrolment.objects.accepted()
            .filter(activity=plan.activity, school_year=period.school_year, child__health=None)
            .count()
        )
        if without:
            children = counted(without, "enfant inscrit n'a", "enfants inscrits n'ont")
            found.append(f"{children} pas encore de fiche sanitaire, obligatoire ici.")
    return found


@dataclass(frozen=True)
class Opened:
    """What was written; `slots` counts those that families can reserve."""

    period: Period
    created: bool
    slots: int


@transaction.atomic
def carry_out(plan: Plan, *, at: datetime) -> Opened:
    """Writes the period, its deadlines and its slots. Again, it changes nothing and adds what is missing.

    Raises ValidationError when the database would refuse the period; then nothing is written.
    """
    period = plan.period()
    created = period.pk is None
    period.full_clean()
    period.save()
    period.establishments.set(plan.establishments)
    for override in plan.overrides:
        deadline, _ = ActivityDeadline.objects.update_or_create(
            activity=plan.activity,
            period=period,
            formula=None,
            action=override.action,
            defaults={"rule": override.rule, "late": override.late},
        )
        deadline.full_clean()
    terms = plan.terms()
    missing = opening.missing_slots(period, at=at, terms=terms)
    opening.open_slots(period, at=at, terms=terms)
    return Opened(period, created, sum(not slot.closed for slot in missing))


def check_dates(activity: Activity, name: str, starts_on: date, ends_on: date) -> None:
    """Raises ValidationError, in French, when no period can have these dates under this name."""
    if ends_on < starts_on:
        raise ValidationError({"fin": "La période doit finir après son premier jour."})
    if (ends_on - starts_on).days > LONGEST_DAYS:
        raise ValidationError({"fin": f"Une période dure au plus {LONGEST_DAYS} jours."})
    if school_year_of(starts_on) is None:
        raise ValidationError({"debut": BEFORE_ANY_YEAR})
    plan = Plan(activity, [], name, starts_on, ends_on)
    if not plan.code:
        raise ValidationError({"nom": "Écrivez un nom avec des lettres ou des chiffres."})
    if other := plan.namesake():
        days = moments.span(other.starts_on, other.ends_on, year=True)
        raise ValidationError(
            {"nom": f"« {other} » existe déjà pour cette activité, {days} : choisissez un autre nom."}
        )
