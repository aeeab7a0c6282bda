"""A family changes school or restaurant: what it reads while it waits, where it books before and after."""

import html
from datetime import date

import pytest
from django.urls import reverse

from catering.templatetags.catering import coming_menus
from portal.reservations.acts import moving
from portal.reservations.models import Activity, Booking, Enrolment, Move, Schooling
from portal.reservations.states import BookingState, MoveState
from tests.conftest import FRIDAY, THURSDAY
from tests.factories import CentreFactory, DietFactory, DishFactory, MenuFactory
from tests.portal.reservations.audit import reserve


@pytest.fixture
def typed(books, mill):
    return {
        "school": mill.school.pk,
        "school_class": mill.school_class.pk,
        "restaurant": mill.restaurant.pk,
        "since": THURSDAY.isoformat(),
        "diet": DietFactory().pk,
        "starts_on": books.enrolment.starts_on.isoformat(),
        "weekdays": ["0", "3"],
    }


@pytest.fixture
def page(books) -> str:
    return reverse("catering:enrolment", args=[books.enrolment.pk])


@pytest.fixture
def moved(books, mill, agent, now) -> Move:
    """Lina goes to the other school from Thursday on."""
    (move,) = moving.carry_out(books.child, moving.Change(THURSDAY, mill.school_class), by=agent, at=now)
    return move


def read(client, address: str) -> str:
    return html.unescape(client.get(address, follow=True).text)


def test_the_family_reads_that_the_town_hall_must_answer_and_can_withdraw(books, canteen, page, typed, now):
    reserve(books, canteen, FRIDAY, at=now)
    client = books.client()
    answer = html.unescape(client.post(page, typed, follow=True).text)
    assert "la mairie doit y répondre. En attendant, ses jours restent réservés comme avant" in answer
    assert Schooling.objects.get(child=books.child).school_class.school.name == "École des Tilleuls"
    waiting = read(client, page)
    assert "Changement demandé" in waiting
    assert (
        "Restaurant de la Grange – CE1, École du Moulin-Vert, à partir du jeudi 26 novembre 2026" in waiting
    )
    move = Move.objects.get()
    answer = client.post(reverse("reservations:withdraw_move", args=[move.pk]), follow=True).text
    assert "est retirée" in answer
    assert "Changement demandé" not in answer
    move.refresh_from_db()
    assert move.state == MoveState.WITHDRAWN
    assert Booking.objects.get().state == BookingState.ACCEPTED


def test_nobody_else_withdraws_it(books, stranger, page, typed):
    books.client().post(page, typed)
    address = reverse("reservations:withdraw_move", args=[Move.objects.get().pk])
    assert stranger.client().post(address).status_code == 404
    assert books.client().get(address).status_code == 405


def test_what_is_answered_at_once_says_how_many_days_follow(books, canteen, page, typed, now):
    Activity.objects.update(enrolment_processing="automatic")
    reserve(books, canteen, FRIDAY, at=now)
    answer = html.unescape(books.client().post(page, typed, follow=True).text)
    assert "enregistré, à partir du jeudi 26 novembre ; 1 jour réservé suit." in answer


def test_a_day_gone_by_is_refused_and_nothing_is_lost(books, page, typed):
    answer = html.unescape(books.client().post(page, typed | {"since": "2026-11-02"}).text)
    assert "Indiquez un jour à venir pour ce changement." in answer
    assert "2026-11-02" in answer
    assert not Move.objects.exists()


def test_saving_the_page_again_after_a_move_changes_nothing(books, page, typed, moved):
    before = Enrolment.objects.get(pk=books.enrolment.pk)
    answer = html.unescape(books.client().post(page, typed | {"since": ""}, follow=True).text)
    assert "est à jour" in answer
    after = Enrolment.objects.get(pk=books.enrolment.pk)
    assert (after.establishment, after.moves_to, after.moves_on) == (
        before.establishment,
        before.moves_to,
        before.moves_on,
    )
    assert Move.objects.count() == 1


def test_each_planning_leads_to_the_other_one(books, canteen, mill, moved):
    old, new = (
        reverse("catering:planning", args=[books.enrolment.pk, place.pk, canteen.period.pk])
        for place in (canteen.restaurant, mill.restaurant)
    )
    there = read(books.client(), old)
    assert "À partir du jeudi 26 novembre, Lina va ailleurs : Restaurant de la Grange." in there
    assert f'href="{new}"' in there
    back = read(books.client(), new)
    assert "Jusqu'au mercredi 25 novembre, Lina va ailleurs : Restaurant du Verger." in back
    assert f'href="{old}"' in back
    assert books.client().get(new.replace(str(mill.restaurant.pk), "999")).status_code == 404


def test_menus_are_those_of_where_the_child_eats_that_day(books, canteen, mill, moved, now):
    days = {date(2026, 11, 12): canteen.restaurant, date(2026, 11, 20): canteen.restaurant}
    Enrolment.objects.update(moves_on=date(2026, 11, 20))
    for day in days:
        for place in (canteen.restaurant, mill.restaurant):
            DishFactory(menu=MenuFactory(restaurant=place, day=day), name=f"Plat de {place}")
    menus = coming_menus(books.household, now.date())
    assert {day: [one.name for one in dishes] for (_, day), dishes in menus.items()} == {
        date(2026, 11, 12): ["Plat de Restaurant du Verger"],
        date(2026, 11, 20): ["Plat de Restaurant de la Grange"],
    }


def test_a_place_of_leisure_changes_in_the_same_way(books, plays, wednesdays, now):
    reads = plays(books)
    other = CentreFactory(code="les-joncs", name="Centre des Joncs")
    wednesdays.activity.establishments.add(other)
    Activity.objects.filter(pk=wednesdays.activity.pk).update(service="leisure")
    address = reverse("leisure:enrolment", args=[reads.enrolment.pk])
    given = {"place": other.pk, "since": THURSDAY.isoformat()}
    answer = html.unescape(books.client().post(address, given, follow=True).text)
    assert "la mairie doit y répondre" in answer
    assert "Changement demandé" in read(books.client(), address)
    assert Enrolment.objects.get(pk=reads.enrolment.pk).establishment == wednesdays.restaurant


def test_the_history_of_the_family_tells_it(books, canteen, page, typed, agent, now):
    reserve(books, canteen, FRIDAY, at=now)
    books.client().post(page, typed)
    moving.accept(Move.objects.get(), by=agent, at=now)
    told = read(books.client(), "/mon-historique/")
    assert "Lina change d'école ou de lieu : Restaurant de la Grange – CE1, École du Moulin-Vert" in told
    assert "Changement de Lina : fait" in told
    assert "1 jour réservé a suivi" in told
