"""The first late days of a month cost nothing more: counted by formula, child and month."""

from datetime import date

from portal.reservations.days.late_days import LateDays

NOVEMBER = [date(2026, 11, day) for day in (12, 18, 25)]
DECEMBER = date(2026, 12, 2)


def test_the_first_ones_of_each_month_are_forgiven():
    counted = LateDays()
    assert [counted.take("Lina", day, 2) for day in (*NOVEMBER, DECEMBER)] == [True, True, False, True]
    assert [counted.left("Lina", day, 2) for day in (NOVEMBER[0], DECEMBER)] == [0, 1]


def test_each_has_its_own():
    counted = LateDays()
    assert [counted.take(whose, NOVEMBER[0], 1) for whose in ("Lina", "Hugo", "Lina")] == [True, True, False]


def test_a_day_that_counts_already_is_one_of_the_first():
    counted = LateDays()
    counted.add("Lina", NOVEMBER[0])
    assert counted.left("Lina", NOVEMBER[1], 2) == 1
    assert [counted.take("Lina", day, 2) for day in NOVEMBER[1:]] == [True, False]


def test_a_day_whose_deadline_forgives_nothing_counts_before_the_next_ones():
    counted = LateDays()
    assert [counted.take("Lina", day, allowed) for day, allowed in zip(NOVEMBER, (0, 1, 2), strict=True)] == [
        False, False, False,
    ]  # fmt: skip
