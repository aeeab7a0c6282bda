"""The tables: what is compared with what, what is told of few children, how long answers took."""

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.french.dates import months_after
from portal.reservations.models import CountedMonth, MonthlyFigure
from portal.reservations.statistics import reading
from portal.reservations.statistics.figures import MEAL
from portal.reservations.statistics.reading import FEW, FEWEST, NOT_TOLD, Year, _Band, median, told, years

Kind = MonthlyFigure.Kind
SCHOOL_YEAR = Year(date(2026, 9, 1))
AT = datetime(2026, 11, 9, 2, tzinfo=UTC)


@pytest.fixture
def counted(canteen):
    """From September 2025 to November 2026, which goes on: 100 meals a month, 10 more each month."""
    where = {"establishment": canteen.restaurant, "activity": canteen.activity}
    for rank in range(15):
        month = CountedMonth.objects.create(first=months_after(date(2025, 9, 1), rank), counted_at=AT)
        month.figures.create(
            kind=Kind.PRESENCES, formula=canteen.formula, what=MEAL, count=100 + 10 * rank, total=20, **where
        )
        month.figures.create(kind=Kind.CHILDREN, count=20 + rank)
        month.figures.create(kind=Kind.CHILDREN, count=20 + rank, **where)
        month.figures.create(kind=Kind.OCCUPANCY, what="Automne", count=60 + rank, total=100, **where)
        month.figures.create(kind=Kind.ANSWERED, what="inscription", step=3, count=4)
        for band, children in (("Tranche A", 12), ("Tranche B", 8), ("Tranche C", 2)):
            for there in ({}, {"establishment": canteen.restaurant}):
                month.figures.create(
                    kind=Kind.BANDS,
                    activity=canteen.activity,
                    what=band,
                    step=ord(band[-1]),
                    count=5 * children,
                    total=children,
                    **there,
                )
    return canteen


def tables(place=None, year=SCHOOL_YEAR, today=date(2026, 11, 9)):
    figures = MonthlyFigure.objects.all()
    found = reading.tables(figures, year, list(CountedMonth.objects.all()), place=place, today=today)
    return {table.key: table for table in found}


def test_school_years_and_calendar_years_are_offered_the_newest_first():
    found = [one.key for one in years([date(2025, 10, 1), date(2026, 8, 1), date(2026, 9, 1)])]
    assert found == ["2026-2027", "2025-2026", "2026", "2025"]


def test_each_month_stands_beside_the_same_month_a_year_earlier(counted):
    rows = tables()["repas"].rows
    september, november = rows[0], rows[2]
    assert september == ("Septembre 2026", 220, 100, Decimal(120))
    assert november[0] == "Novembre 2026 (en cours)"
    # What lies ahead is told of the year before alone.
    assert rows[-1] == ("Août 2027", None, 210, None)


def test_a_year_is_compared_over_the_months_that_are_over(counted):
    ((_, now, before, change, away, _),) = tables()["jours"].rows
    assert (now, before, change, away) == (220 + 230, 100 + 110, Decimal(114), 0)
    ((_, _, offered, taken, share, earlier),) = tables()["occupation"].rows
    assert (offered, taken, share, earlier) == (200, 145, Decimal(72), Decimal(60))


def test_a_place_is_told_without_what_only_the_town_knows(counted):
    found = tables(place=counted.restaurant.pk)
    assert found["repas"].rows == tables()["repas"].rows
    assert "enfants" not in found  # at this place none were counted for all its activities
    assert "demandes" not in found
    assert f"quotients-{counted.activity.pk}" in found


def test_few_children_of_a_band_are_not_told_nor_found_by_subtraction(counted):
    rows = tables()[f"quotients-{counted.activity.pk}"].rows
    assert [row[:3] for row in rows] == [
        ("Tranche A", 12, 120),
        ("Tranche B", NOT_TOLD, None),
        ("Tranche C", FEW, None),
    ]
    assert rows[1][4] is rows[2][4] is None


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8))
def test_what_is_hidden_is_never_alone(children):
    bands = {str(rank): _Band(days=7 * one, children=one) for rank, one in enumerate(children)}
    found = told(bands)
    hidden = {name for name, cells in found.items() if isinstance(cells[0], str)}
    assert {name for name, one in bands.items() if 0 < one.children < FEWEST} <= hidden
    assert len(hidden) != 1 or sum(one > 0 for one in children) == 1


def test_years_follow_one_another(counted):
    assert [row[:4] for row in tables()["annees"].rows] == [
        ("2025-2026", 31, 12 * 100 + 10 * 66, 12 * 100 + 10 * 66),
        ("2026-2027 (en cours)", 34, 220 + 230 + 240, 220 + 230 + 240),
    ]
    calendar = tables(year=Year(date(2026, 1, 1)))
    assert [row[0] for row in calendar["annees"].rows] == ["2025", "2026 (en cours)"]


def test_answers_are_told_by_their_median_and_average(counted):
    ((name, now, before, half, half_before, average, longest),) = tables()["demandes"].rows
    assert (name, now, before, half, half_before) == ("Inscriptions", 8, 8, 3, 3)
    assert (average, longest) == (3, 3)


@given(st.lists(st.integers(0, 60), min_size=1))
def test_the_median_is_that_of_the_days_themselves(waits):
    ordered = sorted(waits)
    half = len(ordered) // 2
    middle = ordered[half] if len(ordered) % 2 else Decimal(ordered[half - 1] + ordered[half]) / 2
    assert median(Counter(waits)) == middle


def test_tables_cost_the_same_for_one_month_and_fifteen(counted, django_assert_num_queries):
    with django_assert_num_queries(8):
        tables()
    CountedMonth.objects.exclude(first=date(2026, 10, 1)).delete()
    with django_assert_num_queries(8):
        tables()
