"""Leisure: a week and a whole summer of four formulas beside the floor, and recording the summer."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from leisure.models import SERVICE
from portal.models import Town
from portal.reservations.acts import booking, reservation_drafts
from portal.reservations.acts.opening import open_slots
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Activity, DeadlineRule, Enrolment, SchoolHoliday
from portal.reservations.states import Action
from tests.bench import floor
from tests.bench.engine import Measure, get, home, measure, over, queries_of, side_by_side
from tests.factories import (
    ActivityDeadlineFactory,
    ActivityFactory,
    BookingFactory,
    CapacityFactory,
    CentreFactory,
    DeadlineRuleFactory,
    FormulaFactory,
    PeriodFactory,
    SchoolClassFactory,
    SchoolFactory,
    SchoolYearFactory,
    TownFactory,
)

WEEKS = 8
FORMULAS = {
    "matinee": ["morning"],
    "repas": ["noon"],
    "apres-midi": ["afternoon"],
    "journee": ["morning", "noon", "afternoon"],
}


def summer() -> SimpleNamespace:
    """Eight weeks of five days, to come, at a centre with places in each part of the day."""
    today = timezone.localdate()
    monday = today + timedelta(days=28 - today.weekday())
    last = monday + timedelta(weeks=WEEKS, days=-3)
    year = SchoolYearFactory(name="Mesures d'été", starts_on=today, ends_on=last)
    SchoolHoliday.objects.create(
        zone=Town.objects.get().zone, name="Été", starts_on=monday, ends_on=last + timedelta(days=2)
    )
    school = SchoolFactory()
    centre = CentreFactory(serves=[school])
    activity = ActivityFactory(service=SERVICE, establishments=[centre], during=Activity.During.HOLIDAYS)
    formulas = [
        FormulaFactory(activity=activity, code=code, name=code, parts=parts, order=order)
        for order, (code, parts) in enumerate(FORMULAS.items())
    ]
    for part in FORMULAS["journee"]:
        CapacityFactory(activity=activity, establishment=centre, part=part, places=400)
    period = PeriodFactory(activity=activity, school_year=year, starts_on=monday, ends_on=last)
    rule = DeadlineRuleFactory(kind=DeadlineRule.Kind.DAYS_BEFORE, number=7)
    for action in Action:
        ActivityDeadlineFactory(activity=activity, action=action, rule=rule)
    open_slots(period, at=timezone.now())
    return SimpleNamespace(
        activity=activity,
        restaurant=centre,
        formula=formulas[-1],
        formulas=formulas,
        period=period,
        year=year,
        days=[monday + timedelta(weeks=week, days=day) for week in range(WEEKS) for day in range(5)],
        school_class=SchoolClassFactory(school=school, school_year=year),
    )


def draft(where: SimpleNamespace, enrolment: Enrolment, user: Any, days: Any, formulas: Any) -> Any:
    return reservation_drafts.choose(
        enrolment,
        where.restaurant,
        where.period,
        book=[Choice(formula.pk, day) for day in days for formula in formulas],
        by=user,
        at=timezone.now(),
    )


def bench_plannings(where: SimpleNamespace) -> list[Measure]:
    """A week and all weeks, for a child with bookings and a draft and a brother beside."""
    family = home(where, children=2)
    enrolment = family.enrolments[0]
    week = reverse("leisure:planning", args=[enrolment.pk, where.restaurant.pk, where.period.pk])
    whole = f"{week}?semaine=toutes"
    for day in where.days[:10]:
        BookingFactory(enrolment=enrolment, formula=where.formula, day=day)
    started = draft(where, enrolment, family.user, where.days[10:20], where.formulas[:3])
    get(family.client, week)
    found = {name: queries_of(lambda url=url: get(family.client, url)) for name, url in
             (("week", week), ("summer", whole))}  # fmt: skip
    floor.stands_on(where, enrolment, started, cells=len(where.days) * len(where.formulas))
    with override_settings(ROOT_URLCONF="tests.bench.floor"):
        page, bottom = side_by_side(
            lambda: get(family.client, whole), lambda: get(family.client, "/plancher/")
        )
    return [
        measure("leisure_week_queries", found["week"], "queries", 12),
        measure("leisure_summer_queries", found["summer"], "queries", 12),
        over("leisure_summer_over_floor", page, bottom, 1.5),
    ]


def bench_submit(where: SimpleNamespace) -> list[Measure]:
    """« Enregistrer » for three formulas on all forty days."""
    family = home(where, children=1)
    kept = draft(where, family.enrolments[0], family.user, where.days, where.formulas[:3])
    found = queries_of(lambda: booking.submit(kept, by=family.user, at=timezone.now()))
    return [measure("leisure_submit_queries", found, "queries", 24)]


def run() -> list[Measure]:
    """Everything, on one summer."""
    if not Town.objects.exists():
        TownFactory()
    where = summer()
    return [*bench_plannings(where), *bench_submit(where)]
