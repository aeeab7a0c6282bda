"""Reservations as a parent says them."""

from datetime import date

import pytest
from django.urls import reverse

from portal.reservations.models import Reservation
from portal.reservations.pages import in_words
from tests.factories import ReservationFactory, ReservationLineFactory

TODAY = date(2026, 11, 9)


@pytest.fixture
def said(books, canteen):
    """What is said of a reservation of these days, by (action, day)."""

    def say(*days: tuple[str, date], period: str = "") -> str:
        reservation = ReservationFactory(enrolment=books.enrolment, period=canteen.period, state="accepted")
        for action, day in days:
            ReservationLineFactory(reservation=reservation, formula=canteen.formula, day=day, action=action)
        found = Reservation.objects.with_counts().get(pk=reservation.pk)
        if period:
            found.period.name = period
        return in_words.asked(found, TODAY)

    return say


def book(*days: date) -> list[tuple[str, date]]:
    return [("book", day) for day in days]


def test_days_of_a_month_of_several_and_one_alone(said):
    assert said(*book(date(2027, 1, 4), date(2027, 1, 5))) == "2 jours de janvier"
    assert said(*book(date(2027, 4, 1), date(2027, 4, 2))) == "2 jours d'avril"
    assert said(*book(date(2026, 11, 30), date(2027, 1, 5))) == "2 jours de novembre à janvier"
    assert said(*book(date(2026, 12, 3))) == "jeudi 3 décembre"


def test_days_to_cancel(said):
    assert said(("cancel", date(2026, 12, 3))) == "annulation du jeudi 3 décembre"
    both = [("cancel", date(2026, 12, 3)), ("cancel", date(2026, 12, 4))]
    assert said(*both) == "annulation de 2 jours de décembre"
    assert said(*book(date(2026, 12, 7)), *both[:1]) == "lundi 7 décembre, annulation du jeudi 3 décembre"


def test_what_is_far_away_is_said_with_its_year(said):
    assert said(*book(date(2025, 11, 3), date(2025, 11, 4))) == "2 jours de novembre 2025"
    assert said(*book(date(2025, 11, 3))) == "lundi 3 novembre 2025"


def test_holidays_by_their_name(said):
    days = book(date(2026, 12, 21), date(2026, 12, 22))
    assert said(*days, period="Vacances de Noël 2026") == "2 jours des vacances de Noël"
    assert said(*days, period="Vacances d'hiver 2027") == "2 jours des vacances d'hiver 2027"


def test_nothing_chosen(said):
    assert said() == "aucun jour choisi"


def test_whose_it_is(books, canteen):
    reverse("home")  # services declare themselves with their addresses
    reservation = ReservationFactory(enrolment=books.enrolment, period=canteen.period, state="accepted")
    assert in_words.whose(reservation) == "Lina, cantine"


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Repas", "repas"),
        ("De 16 h 30 à 17 h 30", "16\xa0h\xa030–17\xa0h\xa030"),
        ("PAI", "PAI"),
        ("Journée", "journée"),
    ],
)
def test_a_formula_in_short(name, short):
    assert in_words.formula(name) == short
