"""Until when a paper is good."""

from datetime import date

import pytest

from families.papers.lasting import end, needs_an_end


@pytest.mark.parametrize(
    ("lasts", "facts", "last"),
    [
        ("school_year", {"year_ends": date(2027, 8, 31)}, date(2027, 8, 31)),
        ("months", {"months": 3, "dated_on": date(2026, 9, 10)}, date(2026, 12, 10)),
        ("months", {"months": 3, "dated_on": date(2026, 11, 30)}, date(2027, 2, 28)),
        ("months", {"months": 12, "dated_on": date(2024, 2, 29)}, date(2025, 2, 28)),
        ("own_date", {"written_on_it": date(2027, 1, 15), "year_ends": date(2027, 8, 31)}, date(2027, 1, 15)),
        ("for_ever", {"year_ends": date(2027, 8, 31), "dated_on": date(2026, 1, 1)}, None),
    ],
)
def test_each_kind_ends_on_its_own_day(lasts, facts, last):
    assert end(lasts, **facts) == last


@pytest.mark.parametrize("lasts", ["school_year", "months", "own_date"])
def test_what_is_not_known_proposes_no_day_and_asks_for_one(lasts):
    assert end(lasts, months=3) is None
    assert needs_an_end(lasts)


def test_a_paper_for_ever_asks_for_no_day():
    assert not needs_an_end("for_ever")
