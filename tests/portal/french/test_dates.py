"""Days and months are named the same wherever somebody reads them."""

from datetime import date

from portal.french.dates import day_number, month_name, short_day


def test_a_month_is_said_with_its_year():
    assert [month_name(date(2026, 11, 30)), month_name(date(2027, 8, 1))] == ["novembre 2026", "août 2027"]


def test_only_the_first_of_a_month_is_an_ordinal():
    assert [day_number(number) for number in (1, 2, 31)] == ["1er", "2", "31"]
    assert short_day(date(2026, 12, 1), year=True) == "1er décembre 2026"
    assert short_day(date(2026, 2, 21)) == "21 février"
