"""The planning of a school year, recording it, and the home page: time and number of queries.

Needs Django set up on a migrated database it may fill (`python -m tests.bench.engine` does so by itself, on
DATABASE_URL). Every function returns measures as the runner writes them.
"""

import gzip
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catering.models import SERVICE
from portal.models import Town
from portal.reservations.acts import booking, reservation_drafts
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import DeadlineRule, Enrolment, SchoolHoliday, Slot
from portal.reservations.pages import months
from portal.reservations.pages.planning import Planning
from portal.reservations.states import Action, CellState
from tests.bench import floor, yardsticks
from tests.factories import (
    ActivityDeadlineFactory,
    ActivityFactory,
    BookingFactory,
    ChildFactory,
    DeadlineRuleFactory,
    DietChoiceFactory,
    EnrolmentFactory,
    EstablishmentFactory,
    FormulaFactory,
    GuardianFactory,
    HouseholdFactory,
    PeriodFactory,
    SchoolClassFactory,
    SchoolFactory,
    SchoolingFactory,
    SchoolYearFactory,
    TownFactory,
    UserFactory,
)

WEEKS = 43  # of which eight are holidays: 35 weeks of four days make 140 open ones
HOLIDAY_WEEKS = (7, 8, 15, 16, 24, 25, 32, 33)
MON_TUE_THU_FRI = 0b11011
RUNS = 40
SUBMITS = 12
# What « Mon compte famille » of five children reads and shows.
HOME_QUERIES, HOME_ROWS = 14, 60

Measure = dict[str, Any]


def measure(name: str, value: float, unit: str, reference: float) -> Measure:
    """`ratio` beyond 1 is worse than promised. Seconds are never measured so: see `over`."""
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "reference": round(reference, 3),
        "ratio": round(value / reference, 3),
    }


def over(name: str, seconds: float, bottom: float, allowed: float) -> Measure:
    """Seconds beside those of something bare that this run measured on this machine, `bottom`: how many times
    as long, of `allowed` times. Both are kept, to be read."""
    found = measure(name, seconds / bottom, "times", allowed)
    return found | {"seconds": round(seconds, 5), "bottom": round(bottom, 5)}


# A school year --------------------------------------------------------------------------------------------


def school_year() -> SimpleNamespace:
    """A canteen open on 140 days to come, with the rules, holidays and closures of a real one."""
    today = timezone.localdate()
    monday = today + timedelta(days=14 - today.weekday())
    last = monday + timedelta(weeks=WEEKS, days=-3)
    year = SchoolYearFactory(name="Mesures", starts_on=monday, ends_on=last)
    for number in HOLIDAY_WEEKS:
        SchoolHoliday.objects.create(
            zone=Town.objects.get().zone,
            name=f"Vacances {number}",
            starts_on=monday + timedelta(weeks=number),
            ends_on=monday + timedelta(weeks=number, days=6),
        )
    school = SchoolFactory()
    restaurant = EstablishmentFactory(serves=[school])
    activity = ActivityFactory(service=SERVICE, establishments=[restaurant], weekdays=MON_TUE_THU_FRI)
    formula = FormulaFactory(activity=activity)
    period = PeriodFactory(activity=activity, school_year=year, starts_on=monday, ends_on=last)
    rule = DeadlineRuleFactory(kind=DeadlineRule.Kind.DAYS_BEFORE, day_unit="school", number=2)
    for action in Action:
        ActivityDeadlineFactory(activity=activity, action=action, rule=rule)
    days = [
        monday + timedelta(weeks=week, days=weekday)
        for week in range(WEEKS)
        if week not in HOLIDAY_WEEKS
        for weekday in (0, 1, 3, 4)
    ]
    Slot.objects.bulk_create(
        Slot(activity=activity, establishment=restaurant, day=day, part="noon", capacity=400) for day in days
    )
    return SimpleNamespace(
        activity=activity,
        restaurant=restaurant,
        formula=formula,
        period=period,
        year=year,
        days=days,
        school_class=SchoolClassFactory(school=school, school_year=year),
    )


def home(where: SimpleNamespace, children: int) -> SimpleNamespace:
    """A household with so many children, all enrolled."""
    household = HouseholdFactory()
    user = UserFactory(password="!")
    GuardianFactory(household=household, user=user)
    enrolments = []
    for _ in range(children):
        child = ChildFactory(households=[household])
        SchoolingFactory(child=child, school_class=where.school_class)
        enrolment = EnrolmentFactory(
            household=household,
            child=child,
            activity=where.activity,
            establishment=where.restaurant,
            school_year=where.year,
        )
        DietChoiceFactory(child=enrolment.child)
        enrolments.append(enrolment)
    client = Client()
    client.force_login(user)
    return SimpleNamespace(user=user, enrolments=enrolments, client=client)


def draft(where: SimpleNamespace, enrolment: Enrolment, user: Any, days: Iterable[Any]) -> Any:
    return reservation_drafts.choose(
        enrolment,
        where.restaurant,
        where.period,
        book=[Choice(where.formula.pk, day) for day in days],
        by=user,
        at=timezone.now(),
    )


# The planning ---------------------------------------------------------------------------------------------


def bench_planning(where: SimpleNamespace) -> list[Measure]:
    """The whole page for one child with bookings and a draft, beside the floor; and its queries."""
    family = home(where, children=1)
    (enrolment,) = family.enrolments
    planning = reverse("catering:planning", args=[enrolment.pk, where.restaurant.pk, where.period.pk])
    url = f"{planning}?mois=toutes"
    get(family.client, url)  # the town is read and kept
    bare = queries_of(lambda: get(family.client, url))
    for day in where.days[:60]:
        BookingFactory(enrolment=enrolment, day=day)
    started = draft(where, enrolment, family.user, where.days[60:80])
    full = queries_of(lambda: get(family.client, url))
    plan = Planning.build(
        Enrolment.objects.select_related("activity", "household", "school_year", "child").get(
            pk=enrolment.pk
        ),
        where.restaurant,
        where.period,
        at=timezone.now(),
    )
    floor.stands_on(where, enrolment, started, cells=len(plan.cells))
    assert sum(cell.state == CellState.FREE for cell in plan.cells.values()) == len(where.days) - 60
    with override_settings(ROOT_URLCONF="tests.bench.floor"):
        page, bottom = side_by_side(lambda: get(family.client, url), lambda: get(family.client, "/plancher/"))
        floor_queries = queries_of(lambda: get(family.client, "/plancher/"))
    assert floor_queries <= full
    return [
        measure("planning_queries", full, "queries", 12),
        measure("planning_queries_growth", full - bare, "queries", 1) | {"ratio": float(full != bare)},
        over("planning_over_floor", page, bottom, 1.5),
        *bench_month(where, family, planning, started),
    ]


def bench_month(
    where: SimpleNamespace, family: SimpleNamespace, planning: str, started: Any
) -> list[Measure]:
    """The same for the month that holds most of the draft: what a parent opens."""
    (enrolment,) = family.enrolments
    day = where.days[70]
    url = f"{planning}?mois={day:%Y-%m}"
    month = months.weeks_of(f"{day:%Y-%m}")
    floor.stands_on(where, enrolment, started, cells=5 * ((month[1] - month[0]).days + 1) // 7, days=month)
    with override_settings(ROOT_URLCONF="tests.bench.floor"):
        page, bottom = side_by_side(lambda: get(family.client, url), lambda: get(family.client, "/plancher/"))
    sent = len(gzip.compress(get(family.client, url).content, 6))
    return [
        measure("planning_month_queries", queries_of(lambda: get(family.client, url)), "queries", 10),
        over("planning_month_over_floor", page, bottom, 1.3),
        measure("planning_month_compressed", sent / 1000, "kB", 15),
    ]


# Recording ------------------------------------------------------------------------------------------------


def bench_submit(where: SimpleNamespace) -> list[Measure]:
    """« Enregistrer » for all 140 days."""
    families = [home(where, children=1) for _ in range(SUBMITS)]
    drafts = [draft(where, one.enrolments[0], one.user, where.days) for one in families]
    found = queries_of(lambda: booking.submit(drafts[0], by=families[0].user, at=timezone.now()))
    times, bare = [], []
    with yardsticks.bare_table():
        for one, kept in zip(families[1:], drafts[1:], strict=True):
            # A booking, its place and its event for each day are written, its line and its slot changed.
            bare.append(yardsticks.timed(lambda: yardsticks.insert(5 * len(where.days))))
            began = time.perf_counter()
            recorded = booking.submit(kept, by=one.user, at=timezone.now())
            times.append(time.perf_counter() - began)
            assert recorded.state == "accepted"
    return [
        measure("submit_year_queries", found, "queries", 20),
        over("submit_year_over_insert", statistics.median(times), statistics.median(bare), 8),
    ]


# Home -----------------------------------------------------------------------------------------------------


def bench_home(where: SimpleNamespace) -> list[Measure]:
    """« Mon compte famille » with one child and with five, whose year is booked."""
    small, large = home(where, children=1), home(where, children=5)
    for enrolment in large.enrolments:
        for start in range(0, 30, 10):
            kept = draft(where, enrolment, large.user, where.days[start : start + 10])
            booking.submit(kept, by=large.user, at=timezone.now())
    get(small.client, "/")
    counts = [queries_of(lambda one=one: get(one.client, "/")) for one in (small, large)]
    floor.asks(HOME_QUERIES, rows=HOME_ROWS)
    with override_settings(ROOT_URLCONF="tests.bench.floor"):
        page, bottom = side_by_side(lambda: get(large.client, "/"), lambda: get(large.client, floor.PAGE))
    return [
        measure("home_queries", max(counts), "queries", 14),
        measure("home_queries_growth", counts[1] - counts[0], "queries", 1)
        | {"ratio": float(counts[0] != counts[1])},
        over("home_over_floor", page, bottom, 2),
    ]


# Measuring ------------------------------------------------------------------------------------------------


def get(client: Client, url: str) -> HttpResponse:
    response = client.get(url)
    assert response.status_code == 200, (url, response.status_code)
    return response


def queries_of(act: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        act()
    return len(captured)


def side_by_side(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of each, run in turn so that a busy machine slows both alike."""
    return yardsticks.beside(one, other, runs=RUNS)


def run() -> list[Measure]:
    """Everything, on one school year."""
    if not Town.objects.exists():
        TownFactory()
    where = school_year()
    return [*bench_planning(where), *bench_submit(where), *bench_home(where)]


def main() -> None:
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    settings.ALLOWED_HOSTS.append("testserver")
    sys.stdout.write(json.dumps(run(), indent=1) + "\n")


if __name__ == "__main__":
    main()
