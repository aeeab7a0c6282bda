"""Rules as towns publish them, replayed, against the words of the file's conventions read one by one."""

from calendar import monthrange
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.conformance.deadline_cases import why_wrong
from portal.conformance.published_towns import Case
from portal.conformance.values import ENGLISH_DAYS
from portal.management.commands.replay_towns import Command
from portal.reservations.days.holiday_proposals import public_holidays
from tests.conftest import on_the_database

ONE_DAY = timedelta(days=1)
HOLIDAYS = {row.first for year in (2025, 2026, 2027) for row in public_holidays(year, "metropole")}
hours = st.builds(time, st.integers(5, 23), st.integers(0, 59))
weekdays = st.sampled_from(ENGLISH_DAYS)


def last_weekday_before(day, name):
    return next(
        found for back in range(1, 8) if ENGLISH_DAYS[(found := day - back * ONE_DAY).weekday()] == name
    )


@st.composite
def rules(draw):
    """A rule of the file, and a function from the target day to its limit: None is never."""
    at = draw(hours)
    kind = draw(st.sampled_from(["map", "prev_week", "days_before", "same_day", "prev_month_day"]))
    rule = {"id": "r", "services": ["repas"], "actions": ["reserve"], "type": kind, "time": f"{at:%H:%M}"}

    def with_hour(day):
        return None if day is None else datetime.combine(day, at)

    if kind == "map":
        names = draw(st.dictionaries(weekdays, weekdays, min_size=1))
        monday_off = draw(st.dictionaries(weekdays.filter(lambda name: name != "mon"), weekdays))
        rule["map"] = {day: [limit, rule["time"]] for day, limit in names.items()}
        rule["if_monday_holiday"] = {day: [limit, rule["time"]] for day, limit in monday_off.items()}

        def limit(day):
            monday = day - day.weekday() * ONE_DAY
            name = ENGLISH_DAYS[day.weekday()]
            table = names | monday_off if monday in HOLIDAYS else names
            return last_weekday_before(day, table[name]) if name in table else None

    elif kind == "prev_week":
        rule["day"] = draw(weekdays)

        def limit(day):
            monday = day - day.weekday() * ONE_DAY
            return monday - 7 * ONE_DAY + ENGLISH_DAYS.index(rule["day"]) * ONE_DAY

    elif kind == "days_before":
        rule["n"] = draw(st.integers(0, 15))
        rule["skip"] = draw(st.lists(st.sampled_from(["weekend", "holiday"]), unique=True))

        def limit(day):
            left = rule["n"]
            while left:
                day -= ONE_DAY
                skipped = ("weekend" in rule["skip"] and day.weekday() > 4) or (
                    "holiday" in rule["skip"] and day in HOLIDAYS
                )
                left -= not skipped
            return day

    elif kind == "same_day":

        def limit(day):
            return day

    else:
        rule["day"] = draw(st.integers(1, 31))

        def limit(day):
            last = day.replace(day=1) - ONE_DAY
            return last.replace(day=min(rule["day"], monthrange(last.year, last.month)[1]))

    return rule, lambda day: with_hour(limit(day))


@pytest.mark.django_db
@on_the_database
@given(
    made=rules(),
    target=st.dates(date(2026, 9, 1), date(2027, 7, 31)),
    minutes=st.one_of(st.integers(-2, 2), st.integers(-3000, 3000)),
)
def test_a_published_rule_closes_when_its_words_say(made, target, minutes):
    rule, limit_of = made
    limit = limit_of(target)
    attempt = (limit or datetime.combine(target, time(8))) + timedelta(minutes=minutes)
    expect = "never" if limit is None else "on_time" if attempt <= limit else "late"
    town = {"id": "essai", "name": "Essai", "rules": [rule]}
    case = {"service": "repas", "action": "reserve", "attempt": attempt, "target": target, "expect": expect}
    assert Command().outcome(Case("essai", "délai", lambda: why_wrong(town, case))) is None
