"""What the town tells families on their first page between two dates; a closure puts its own."""

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.reservations.acts import announcing, closing
from portal.reservations.days import notices
from portal.reservations.models import CalendarChange, Closure, Notice
from portal.reservations.staff import giving
from tests.conftest import NOW, logged_in
from tests.factories import BookingFactory, UserFactory

pytestmark = pytest.mark.django_db

TODAY = NOW.date()
A_DAY = timedelta(days=1)
CLOSED = date(2026, 11, 19)
HOME = "/"
ADD = reverse("admin:reservations_closure_add")


def tell(title="Fête de l'école", *places, first=TODAY, last=TODAY, **given):
    notice = Notice.objects.create(title=title, text="À 17 h", starts_on=first, ends_on=last, **given)
    notice.places.set(places)
    notices.current.forget()
    return notice


def close_a_day(client, **given):
    typed = {
        "starts_on": CLOSED.isoformat(),
        "ends_on": CLOSED.isoformat(),
        "why": "strike",
        "label": "Grève nationale",
        "announce": "on",
        **given,
    }
    return client.post(ADD, typed, follow=True)


@pytest.fixture
def desk(agent):
    return logged_in(agent)


def test_families_read_it_between_its_dates_only(books_client):
    tell("Hier", first=TODAY - A_DAY, last=TODAY - A_DAY)
    tell("Réunion", first=TODAY + A_DAY, last=TODAY + A_DAY)
    tell("Aujourd'hui", level="important")
    read = books_client.get(HOME).content.decode()
    assert "Aujourd&#x27;hui" in read and "notice--warning" in read
    assert "Réunion" not in read and "Hier" not in read


def test_one_of_a_place_is_for_those_whose_children_go_there(books, books_client, stranger, mill, canteen):
    tell("Au Verger", canteen.restaurant)
    tell("Aux Tilleuls", *canteen.restaurant.schools.all())
    tell("Au Moulin", mill.school, mill.restaurant)
    read = books_client.get(HOME).content.decode()
    assert "Au Verger" in read and "Aux Tilleuls" in read and "Au Moulin" not in read
    elsewhere = stranger.client().get(HOME).content.decode()
    assert "Au Verger" not in elsewhere and "Aux Tilleuls" not in elsewhere


def test_it_costs_nothing_without_one_and_a_query_where_one_is_of_a_place(books_client, canteen):
    def cost():
        notices.current(TODAY)
        with CaptureQueriesContext(connection) as asked:
            assert books_client.get(HOME).status_code == 200
        return len(asked)

    books_client.get(HOME)
    without = cost()
    tell("Pour tous")
    assert cost() == without
    for _ in range(10):
        tell("Au Verger", canteen.restaurant)
    assert cost() == without + 1


def test_a_strike_puts_its_own_which_goes_with_it(books_client, desk, agent, canteen):
    answer = close_a_day(desk, establishment=canteen.restaurant.pk).content.decode()
    assert "Relire l&#x27;annonce" in answer or "Relire l'annonce" in answer
    notice = Notice.objects.get()
    assert (notice.title, notice.level, notice.starts_on, notice.ends_on) == (
        "Grève nationale",
        "important",
        TODAY,
        CLOSED,
    )
    assert list(notice.places.all()) == [canteen.restaurant]
    assert "Grève nationale" in books_client.get(HOME).content.decode()
    Closure.objects.get().delete()
    assert not Notice.objects.exists()


def test_reopening_withdraws_it(books, desk, agent, canteen):
    BookingFactory(enrolment=books.enrolment, day=CLOSED)
    first = close_a_day(desk, establishment=canteen.restaurant.pk)
    assert "Confirmer la fermeture" in first.content.decode() and not Notice.objects.exists()
    close_a_day(desk, establishment=canteen.restaurant.pk, _closing_confirmed="1")
    assert Notice.objects.count() == 1
    closing.reopen(CalendarChange.objects.get(), by=agent, at=NOW)
    assert not Closure.objects.exists() and not Notice.objects.exists()


def test_a_closure_without_the_tick_tells_nothing_and_words_by_hand_stay(desk, canteen):
    close_a_day(desk, establishment=canteen.restaurant.pk, announce="")
    assert not Notice.objects.exists()
    closure = Closure.objects.get()
    notice = announcing.announce(closure, today=TODAY)
    change = reverse("admin:reservations_notice_change", args=[notice.pk])
    typed = {
        "title": "Pas de cantine jeudi",
        "text": "Prévoyez un pique-nique.",
        "level": "important",
        "starts_on": TODAY.isoformat(),
        "ends_on": CLOSED.isoformat(),
        "places": [canteen.restaurant.pk],
    }
    assert desk.post(change, typed).status_code == 302
    closure.ends_on = CLOSED + A_DAY
    closure.save()
    announcing.announce(closure, today=TODAY)
    notice.refresh_from_db()
    assert (notice.title, notice.ends_on) == ("Pas de cantine jeudi", CLOSED + A_DAY)


def test_the_desk_lists_them_with_their_state_and_shows_what_families_read(desk, canteen):
    tell("Passée", first=TODAY - A_DAY, last=TODAY - A_DAY)
    tell("À venir", canteen.restaurant, first=TODAY + A_DAY, last=TODAY + A_DAY)
    shown = tell("Du jour")
    rows = desk.get(reverse("admin:reservations_notice_changelist")).content.decode()
    assert all(word in rows for word in ("Passée", "Affichée", "toutes les familles", "Restaurant du Verger"))
    page = desk.get(reverse("admin:reservations_notice_change", args=[shown.pk])).content.decode()
    assert "Ce que lisent les familles" in page and "À 17 h" in page
    wrong = {"title": "x", "text": "x", "level": "information", "starts_on": "2026-11-10"}
    answer = desk.post(reverse("admin:reservations_notice_add"), {**wrong, "ends_on": "2026-11-09"})
    assert "finir après son premier jour" in answer.content.decode()


def test_who_has_one_place_tells_its_families_only(mill, canteen):
    user = UserFactory(is_staff=True)
    giving.give(user, Group.objects.get(name="Direction de centre"), places=[mill.restaurant], by=None)
    client, add = logged_in(user), reverse("admin:reservations_notice_add")
    typed = {
        "title": "Travaux",
        "text": "Demain",
        "level": "information",
        "starts_on": TODAY.isoformat(),
        "ends_on": TODAY.isoformat(),
    }
    for places in ([], [canteen.restaurant.pk], [mill.restaurant.pk, canteen.restaurant.pk]):
        assert client.post(add, {**typed, "places": places}).status_code in (200, 403)
    assert not Notice.objects.exists()
    client.post(add, {**typed, "places": [mill.restaurant.pk]})
    assert Notice.objects.count() == 1
    other = tell("Au Verger", canteen.restaurant)
    change = reverse("admin:reservations_notice_change", args=[other.pk])
    assert client.post(change, {**typed, "places": [canteen.restaurant.pk]}).status_code in (403, 404)
