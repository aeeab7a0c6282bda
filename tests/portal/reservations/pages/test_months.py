"""A planning a month at a time: which month, which weeks, and how far its buttons reach."""

from datetime import date

import pytest
from django.http import QueryDict

from portal.reservations.models import Enrolment, Period
from portal.reservations.pages import months
from portal.reservations.pages.months import Months
from portal.reservations.pages.planning import Planning
from tests.conftest import brother_of
from tests.factories import BookingFactory, ClosureFactory, paris
from tests.portal.reservations.audit import MONDAY, choices, draft

DECEMBER = date(2026, 12, 1)


@pytest.fixture
def hugo(books, canteen, year) -> Enrolment:
    """Lina's younger brother, at the same canteen."""
    return brother_of(books, "Hugo", born=date(2020, 3, 1))


@pytest.fixture
def plan(books, canteen, now):
    """The planning of Lina, and of others beside her."""

    def build(*others: Enrolment, at=now, **options) -> Planning:
        found = Enrolment.objects.select_related("activity", "household", "school_year", "child").in_bulk(
            [books.enrolment.pk, *(other.pk for other in others)]
        )
        ordered = [found[books.enrolment.pk], *(found[other.pk] for other in others)]
        return Planning.together(
            [(one, canteen.restaurant) for one in ordered], canteen.period, at=at, **options
        )[0]

    return build


def numbers(page: Months) -> list[list[int]]:
    return [[week.number for week in table.weeks] for table in page.tables]


def first_row(page: Months, number: int) -> list[int | None]:
    (week,) = [week for table in page.tables for week in table.weeks if week.number == number]
    return [cell and cell.number for cell in week.rows[0]]


# Which month ----------------------------------------------------------------------------------------------


def test_a_month_stands_in_whole_weeks(plan):
    page = Months(plan(), "2026-12")
    assert numbers(page) == [[49, 50, 51]]
    assert first_row(page, 49) == [30, 1, 2, 3, 4]
    html = "".join(table.html for table in page.tables)
    assert html.count("cell--beyond") == 1
    assert '<span class="cell-day">30/11</span>' in html


def test_of_the_whole_period_no_day_stands_twice(plan):
    page = Months(plan(), "toutes")
    assert [table.name for table in page.tables] == ["novembre 2026", "décembre 2026"]
    assert numbers(page) == [[46, 47, 48, 49], [49, 50, 51]]
    days = [
        cell.day for table in page.tables for week in table.weeks for row in week.rows for cell in row if cell
    ]
    assert len(days) == len(set(days))


def test_the_month_opens_in_which_a_day_can_still_be_taken(plan, books, canteen):
    for day in [day for day in (cell.day for cell in plan().cells.values()) if day.month == 11]:
        BookingFactory(enrolment=books.enrolment, day=day)
    assert Months(plan(), "").key == "2026-12"


def test_what_was_begun_opens_where_it_begins(plan, books, canteen, now):
    draft(books, canteen, at=now, book=choices(canteen, [date(2026, 12, 14)]))
    assert Months(plan(), "").key == "2026-12"


def test_to_cancel_it_opens_where_something_is_booked(plan, books):
    BookingFactory(enrolment=books.enrolment, day=date(2026, 12, 14))
    found = plan()
    found.cancelling = True
    assert Months(found, "").key == "2026-12"


@pytest.mark.parametrize("wanted", ["2026-13", "2027-01", "x", "", "2026-11-01", "99999-01"])
def test_a_month_that_is_not_in_the_period_is_not_shown(plan, wanted):
    page = Months(plan(), wanted)
    assert (page.key, page.whole) == ("2026-11", False)
    assert months.within(QueryDict(f"mois={wanted}"), page.plans[0].period) is None


def test_months_gone_by_are_left_out(plan, canteen):
    assert months.month_keys(canteen.period, date(2026, 12, 9)) == ["2026-12"]
    assert months.month_keys(canteen.period, None) == ["2026-11", "2026-12"]
    assert months.month_keys(canteen.period, date(2027, 3, 1)) == ["2026-12"]
    assert [one.key for one in Months(plan(at=paris(2026, 12, 9, 10)), "").all] == ["2026-12"]


def test_a_year_lists_its_months_over_new_year(canteen):
    Period.objects.update(starts_on=date(2026, 11, 2), ends_on=date(2027, 2, 5))
    canteen.period.refresh_from_db()
    assert months.month_keys(canteen.period, None) == ["2026-11", "2026-12", "2027-01", "2027-02"]
    assert months.days_of("2026-12") == (date(2026, 12, 1), date(2026, 12, 31))
    assert months.weeks_of("2027-01") == (date(2026, 12, 28), date(2027, 1, 31))


def test_the_list_of_months_counts_what_is_chosen(plan, books, canteen, now):
    draft(books, canteen, at=now, book=choices(canteen, [MONDAY, date(2026, 12, 14), date(2026, 12, 15)]))
    page = Months(plan(within=months.weeks_of("2026-11")), "2026-11")
    assert [(one.capitalised, one.chosen) for one in page.all] == [("Novembre 2026", 1), ("Décembre 2026", 2)]
    assert (page.elsewhere.days, page.next and page.next.short, page.previous) == (2, "décembre", None)


# Rows, columns --------------------------------------------------------------------------------------------


def test_brothers_and_sisters_stand_one_under_the_other(plan, hugo):
    page = Months(plan(hugo), "2026-11")
    assert [row.name for row in page.rows] == ["Lina", "Hugo"]
    html = next(iter(page.tables)).html
    assert 'rowspan="2"' in html
    assert f'name="book-{hugo.pk}"' in html
    assert 'aria-label="Hugo, lundi 16 novembre 2026, libre"' in html


def test_one_child_is_not_named_in_each_row(plan):
    html = next(iter(Months(plan(), "2026-11").tables)).html
    assert "planning-who" not in html
    assert 'aria-label="lundi 16 novembre 2026, libre"' in html


def test_weeks_shut_for_one_reason_are_one_line(plan, canteen):
    ClosureFactory(
        establishment=canteen.restaurant,
        starts_on=date(2026, 12, 7),
        ends_on=date(2026, 12, 20),
        label="Travaux",
    )
    html = next(iter(Months(plan(), "2026-12").tables)).html
    assert "Semaines 50 et 51" in html
    assert "Du 7 au 18 décembre : travaux" in html
    assert 'value="week:2026-W50"' not in html


def test_a_single_closed_day_says_why_under_the_table(plan):
    assert Months(plan(), "2026-11").closures == ["mercredi 11 novembre : férié : Armistice de 1918"]


def test_a_weekday_that_never_opens_is_a_narrow_column(plan, canteen):
    canteen.activity.weekdays = 0b0011011
    canteen.activity.save()
    page = Months(plan(), "2026-11")
    assert (page.shut, page.shape) == ({2}, " planning--shut-2")
    assert [busy for _, _, busy in page.columns] == [True, True, False, True, True]


def test_a_saturday_the_activity_opens_is_shown(plan, canteen):
    canteen.activity.weekdays = canteen.restaurant.open_weekdays = 0b0111111
    canteen.activity.save()
    canteen.restaurant.save()
    page = Months(plan(), "2026-11")
    assert page.columns[-1][:2] == ("5", "Samedi")
    assert len(first_row(page, 47)) == 6


def test_full_days_say_so_in_a_word(plan, canteen):
    slot = canteen.slot(MONDAY)
    slot.capacity = 0
    slot.save()
    html = next(iter(Months(plan(), "2026-11").tables)).html
    assert '<span class="cell-word" aria-hidden="true">complet</span>' in html


# How far a button reaches ----------------------------------------------------------------------------------


def test_this_month_is_its_days_only_and_the_form_its_weeks(plan):
    found = plan()
    data = QueryDict("shown=2026-12&reach=mois")
    assert {cell.day.month for cell in months.reached(data, found, "reach")} == {12}
    shown = months.shown(data, found)
    assert shown is not None
    assert min(choice.day for choice in shown) == date(2026, 11, 30)


@pytest.mark.parametrize(
    "posted", ["", "shown=2026-12&reach=periode", "shown=toutes&reach=mois", "shown=x&reach=mois"]
)
def test_otherwise_a_button_reaches_the_whole_period(plan, posted):
    found = plan()
    assert len(list(months.reached(QueryDict(posted), found, "reach"))) == len(found.cells)
