"""Cut-offs of a year: 180 days × 3 formulas, each formula under its own rule, the calendar already read."""

import time as clock
from datetime import date, time, timedelta
from decimal import Decimal

from portal.reservations.days.calendars import OpenDays, days_between
from portal.reservations.days.deadline_book import DeadlineBook
from portal.reservations.models import Activity, ActivityDeadline, DeadlineRule, Establishment, Period
from portal.reservations.states import Action
from tests.bench import yardsticks
from tests.bench.engine import Measure, over
from tests.factories import paris

FIRST, LAST = date(2026, 9, 1), date(2027, 7, 2)
DAYS = 180
LIMIT_SECONDS = 0.005
RUNS = 15


def _calendar() -> OpenDays:
    christmas = dict.fromkeys(days_between(date(2026, 12, 19), date(2027, 1, 3)), "Vacances de Noël")
    return OpenDays(
        activity=Activity(name="Restauration scolaire"),
        establishment=Establishment(name="Restaurant", kind=Establishment.Kind.RESTAURANT),
        public_holidays={date(2026, 11, 11): "Armistice", date(2027, 3, 29): "Lundi de Pâques"},
        school_holidays=christmas,
        school_years=[(FIRST, LAST)],
    )


def _book() -> DeadlineBook:
    rules = [
        DeadlineRule(
            pk=1, kind="days_before", number=2, at=time(10), skip_weekends=True, skip_public_holidays=True
        ),
        DeadlineRule(pk=2, kind="week_before", weekday=3, at=time(12)),
        DeadlineRule(
            pk=3, kind="weekday_table", table={str(day): [(day + 3) % 7, "15:00"] for day in range(5)}
        ),
    ]
    rows = [
        ActivityDeadline(
            pk=formula,
            formula_id=formula,
            action=Action.BOOK.value,
            rule=rule,
            late="accept",
            surcharge="add",
            surcharge_amount=Decimal("2.50"),
        )
        for formula, rule in enumerate(rules, start=1)
    ]
    return DeadlineBook(rows, Period(pk=1, starts_on=FIRST, ends_on=LAST))


def run() -> list[Measure]:
    """Beside as many moments that are only put together and compared."""
    bare = min(yardsticks.processor(lambda: yardsticks.cutoffs(3 * DAYS)) for _ in range(RUNS))
    return [over("cutoffs_year_over_bare", bench_cutoffs(), bare, 13)]


def bench_cutoffs() -> float:
    """Seconds of processor for one planning's verdicts, the best of a few runs; nothing is kept between."""
    days = [day for day in days_between(FIRST, FIRST + timedelta(days=300)) if day.weekday() < 5][:DAYS]
    at = paris(2026, 11, 23, 10)
    best = float("inf")
    for _ in range(RUNS):
        calendar, book = _calendar(), _book()
        start = clock.process_time()
        for formula in (1, 2, 3):
            schedule = book.schedule(formula, Action.BOOK, calendar, at)
            for day in days:
                schedule.verdict(day)
        best = min(best, clock.process_time() - start)
    return best
