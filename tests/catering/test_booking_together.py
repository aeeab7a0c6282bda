"""« Réserver la cantine »: all enrolled children on one page, month by month; buttons without JavaScript."""

import gzip
from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.reservations.models import Booking, Enrolment, Reservation, ReservationLine, Slot
from portal.reservations.states import EnrolmentState
from tests.factories import (
    BookingFactory,
    ChildFactory,
    EnrolmentFactory,
    EstablishmentFactory,
    PeriodFactory,
    weekdays_between,
)

BOOK = reverse("catering:book")


def open_days(canteen, first: date, last: date, place=None) -> None:
    Slot.objects.bulk_create(
        Slot(activity=canteen.activity, establishment=place or canteen.restaurant, day=day, part="noon")
        for day in weekdays_between(first, last)
    )


@pytest.fixture
def enrol(books, canteen, year):
    """Enrols another child of the household, born in the year given."""

    def enrolled(name: str, born: int, **options) -> Enrolment:
        child = ChildFactory(
            first_name=name, last_name="Roux", households=[books.household], birth_date=date(born, 3, 1)
        )
        place = {"establishment": canteen.restaurant} | options
        return EnrolmentFactory(
            household=books.household, child=child, activity=canteen.activity, school_year=year, **place
        )

    return enrolled


@pytest.fixture
def hugo(enrol) -> Enrolment:
    """Lina's younger brother."""
    return enrol("Hugo", 2020)


def planning(enrolment: Enrolment, canteen, period=None, place=None) -> str:
    return reverse(
        "catering:planning",
        args=[enrolment.pk, (place or canteen.restaurant).pk, (period or canteen.period).pk],
    )


def ticked() -> dict[str, list[date]]:
    """What the drafts hold, by child."""
    found: dict[str, list[date]] = {}
    for name, day in ReservationLine.objects.order_by("day").values_list(
        "reservation__child__first_name", "day"
    ):
        found.setdefault(name, []).append(day)
    return found


# Where it leads ---------------------------------------------------------------------------------------------


def test_all_enrolled_children_stand_side_by_side_at_once(books, books_client, canteen, hugo):
    answer = books_client.get(BOOK, follow=True)
    assert answer.redirect_chain == [(f"{planning(books.enrolment, canteen)}?avec={hugo.pk}", 302)]
    page = answer.content.decode()
    assert "Réserver pour Lina et Hugo" in page
    assert 'aria-label="Hugo, jeudi 12 novembre 2026, libre"' in page


def test_one_child_alone_opens_too(books, books_client, canteen):
    assert books_client.get(BOOK).url == planning(books.enrolment, canteen)


def test_a_child_not_accepted_yet_is_not_there(books, books_client, canteen, enrol):
    enrol("Noé", 2021, state=EnrolmentState.REQUESTED)
    assert books_client.get(BOOK).url == planning(books.enrolment, canteen)


def test_each_child_is_booked_at_its_own_restaurant(books, books_client, canteen, enrol, school):
    other = EstablishmentFactory(name="Restaurant des Lilas", serves=[school])
    canteen.activity.establishments.add(other)
    open_days(canteen, date(2026, 11, 2), date(2026, 12, 18), other)
    hugo = enrol("Hugo", 2020, establishment=other)
    page = books_client.get(BOOK, follow=True).content.decode()
    assert "Restaurant du Verger · Restaurant des Lilas" in page
    books_client.post(
        f"{planning(books.enrolment, canteen)}?avec={hugo.pk}",
        {"shown": "2026-11", f"book-{hugo.pk}": f"{canteen.formula.pk}:2026-11-12", "version": ""},
    )
    assert Reservation.objects.drafts().get().establishment == other


def test_a_restaurant_outside_the_period_is_left_out(books, books_client, canteen, enrol, school):
    other = EstablishmentFactory(name="Restaurant des Lilas", serves=[school])
    canteen.period.establishments.add(canteen.restaurant)
    enrol("Hugo", 2020, establishment=other)
    assert books_client.get(BOOK).url == planning(books.enrolment, canteen)


def test_a_month_that_is_all_booked_gives_way_to_the_next_period(books, books_client, canteen, year):
    after = PeriodFactory(
        activity=canteen.activity, school_year=year, starts_on=date(2027, 1, 4), ends_on=date(2027, 7, 2)
    )
    open_days(canteen, after.starts_on, after.ends_on)
    for day in weekdays_between(date(2026, 11, 9), date(2026, 12, 18)):
        BookingFactory(enrolment=books.enrolment, day=day)
    answer = books_client.get(BOOK, follow=True)
    assert answer.redirect_chain[0][0] == planning(books.enrolment, canteen, after)
    assert 'name="shown" value="2027-01"' in answer.content.decode()


def test_what_was_begun_is_said(books, books_client, canteen, hugo):
    books_client.post(
        f"{planning(books.enrolment, canteen)}?avec={hugo.pk}",
        {"shown": "2026-12", f"book-{hugo.pk}": f"{canteen.formula.pk}:2026-12-14", "version": ""},
    )
    answer = books_client.get(BOOK, follow=True)
    assert "reprise" in answer.redirect_chain[0][0]
    assert 'name="shown" value="2026-12"' in answer.content.decode()


def test_without_an_enrolment_one_is_told_what_to_do(stranger_client, canteen):
    answer = stranger_client.get(BOOK, follow=True)
    assert answer.status_code == 200
    assert answer.redirect_chain[0][0] == reverse("catering:choose_reservation")


def test_a_period_that_is_over_is_not_opened(books, books_client, canteen):
    canteen.period.starts_on, canteen.period.ends_on = date(2026, 9, 1), date(2026, 10, 1)
    canteen.period.save()
    page = books_client.get(BOOK, follow=True).content.decode()
    assert "Aucune période n&#x27;est ouverte" in page


def test_leisure_leads_to_its_own_choice(books, books_client):
    assert books_client.get(reverse("leisure:book")).url == reverse("leisure:choose_reservation")


def test_another_familys_child_does_not_come_along(books, books_client, waits, canteen):
    page = books_client.get(f"{planning(books.enrolment, canteen)}?avec={waits.enrolment.pk}")
    assert "Noé" not in page.content.decode()
    assert books_client.get(planning(waits.enrolment, canteen)).status_code == 404


# What the buttons do without JavaScript ------------------------------------------------------------------


@pytest.fixture
def post(books, books_client, canteen, hugo):
    """Posts a button of December's page of both children."""

    def pressed(button: str, **fields) -> str:
        answer = books_client.post(
            f"{planning(books.enrolment, canteen)}?avec={hugo.pk}&mois=2026-12",
            {"do": button, "shown": "2026-12", "version": "", f"version-{hugo.pk}": "", "reach": "mois"}
            | fields,
        )
        assert answer.status_code == 302
        return answer.url

    return pressed


def test_select_all_reaches_this_month_and_both_children(post):
    assert "mois=2026-12" in post("all")
    assert {name: (days[0], days[-1]) for name, days in ticked().items()} == {
        "Lina": (date(2026, 12, 1), date(2026, 12, 18)),
        "Hugo": (date(2026, 12, 1), date(2026, 12, 18)),
    }


def test_or_the_whole_period_where_that_is_asked(post):
    post("all", reach="periode")
    assert {name: days[0] for name, days in ticked().items()} == {
        "Lina": date(2026, 11, 12),
        "Hugo": date(2026, 11, 12),
    }


def test_usual_days_are_each_childs_own(post, hugo):
    post("usual", usual_reach="mois", usual_weekday=["0"], **{f"usual_weekday-{hugo.pk}": ["3"]})
    assert {name: {day.weekday() for day in days} for name, days in ticked().items()} == {
        "Lina": {0},
        "Hugo": {3},
    }
    assert min(ticked()["Lina"]).month == 12


def test_a_week_is_the_whole_week_of_both(post):
    post("week:2026-W49")
    assert ticked() == {
        "Lina": weekdays_between(date(2026, 11, 30), date(2026, 12, 4)),
        "Hugo": weekdays_between(date(2026, 11, 30), date(2026, 12, 4)),
    }


def test_another_month_keeps_what_is_ticked(post, books, books_client, canteen, hugo):
    address = post("show:2026-11", **{f"book-{hugo.pk}": f"{canteen.formula.pk}:2026-12-14"})
    assert "mois=2026-11" in address
    page = books_client.get(address).content.decode()
    assert 'data-elsewhere="1"' in page
    assert "1 jour choisi" in page
    assert ticked() == {"Hugo": [date(2026, 12, 14)]}


def test_a_month_of_another_period_is_in_the_same_list(post, books, books_client, canteen, year):
    after = PeriodFactory(
        activity=canteen.activity, school_year=year, starts_on=date(2027, 1, 4), ends_on=date(2027, 7, 2)
    )
    page = books_client.get(f"{planning(books.enrolment, canteen)}?mois=2026-12").content.decode()
    assert f'value="show:{after.pk}:2027-06"' in page
    address = post(f"show:{after.pk}:2027-06")
    assert address.startswith(planning(books.enrolment, canteen, after))
    assert 'name="shown" value="2027-06"' in books_client.get(address).content.decode()


@pytest.mark.parametrize("value", ["", "x", "2031-01", "0:2026-12", "99999999999999999999:2026-12", ":"])
def test_an_unknown_month_is_never_an_error(post, books_client, value):
    assert books_client.get(post(f"show:{value}")).status_code == 200


def test_the_first_child_can_be_put_aside(post, books, books_client, canteen, hugo):
    address = post(f"without:{books.enrolment.pk}")
    assert address.startswith(planning(hugo, canteen))
    assert "Réserver pour Hugo<" in books_client.get(address).content.decode()


def test_both_go_on_together_and_are_recorded_by_one_button_each(post, books_client):
    post("all")
    validation = post("next", **_all_ticked())
    recording = books_client.post(validation, {"with": _companions()}).url
    assert books_client.post(recording).url == reverse("home")
    assert set(Booking.objects.values_list("child__first_name", flat=True)) == {"Lina", "Hugo"}


def _companions() -> list[int]:
    return list(Reservation.objects.drafts().exclude(companion_of=None).values_list("pk", flat=True))


def _all_ticked() -> dict[str, list[str] | str]:
    """The form of December as the page holds it now."""
    fields: dict[str, list[str] | str] = {}
    for draft in Reservation.objects.drafts():
        suffix = "" if draft.child.first_name == "Lina" else f"-{draft.enrolment_id}"
        fields[f"book{suffix}"] = [f"{line.formula_id}:{line.day}" for line in draft.lines.all()]
        fields[f"version{suffix}"] = draft.version
    return fields


# Cost -------------------------------------------------------------------------------------------------------


def queries(client, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(connection) as found:
        assert client.get(url).status_code == 200
    return len(found)


def test_a_month_of_one_child_costs_ten_queries_and_each_further_one_its_class(
    books, books_client, canteen, enrol
):
    url = f"{planning(books.enrolment, canteen)}?mois=2026-12"
    assert queries(books_client, url) <= 10
    others = [enrol(name, 2018 + number) for number, name in enumerate(("Hugo", "Zoé", "Tom", "Ana"))]
    together = url + "".join(f"&avec={one.pk}" for one in others)
    assert queries(books_client, together) <= 10 + len(others)


def test_a_month_is_light(books, books_client, canteen, hugo):
    page = books_client.get(f"{planning(books.enrolment, canteen)}?mois=2026-12&avec={hugo.pk}").content
    assert len(gzip.compress(page, 6)) < 15_000
