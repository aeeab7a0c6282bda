"""Days and months as they are picked: the years that can be meant, and nothing beyond."""

from datetime import date

import pytest
from django.core.exceptions import ValidationError

from portal.french.day_fields import DayField, MomentField, MonthField


@pytest.mark.parametrize(
    ("field", "typed"),
    [(DayField(), "0026-11-01"), (DayField(), "9999-12-31"), (MomentField(), "2201-01-01T08:00")],
)
def test_a_day_of_an_impossible_year_is_refused(field, typed):
    with pytest.raises(ValidationError) as refused:
        field.clean(typed)
    assert refused.value.messages == ["Choisissez un jour entre 2000 et 2200."]


def test_a_day_is_picked_by_the_browser():
    assert DayField().clean("2026-11-09") == date(2026, 11, 9)
    assert 'type="date"' in DayField().widget.render("jour", date(2026, 11, 9))
    assert 'value="2026-11-09"' in DayField().widget.render("jour", date(2026, 11, 9))


@pytest.mark.parametrize(
    "typed", ["2018-03-02", "02/03/2018", "02/03/18", "02.03.2018", "2.3.2018", "02-03-2018", "02 03 2018"]
)
def test_a_date_is_read_as_hands_type_it(typed):
    assert DayField().clean(typed) == date(2018, 3, 2)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("novembre", "Écrivez le mois ainsi : 2026-10."),
        ("1999-12", "Vérifiez l'année de ce mois."),
        # The end of that month is past what a calendar can count.
        ("9999-12", "Vérifiez l'année de ce mois."),
    ],
)
def test_a_month_is_one_that_can_be_meant(typed, said):
    with pytest.raises(ValidationError) as refused:
        MonthField().clean(typed)
    assert refused.value.messages == [said]
    assert MonthField().clean("2026-10") == date(2026, 10, 1)
