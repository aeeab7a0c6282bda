"""The page of a day on a waiting list, and of a place offered: read by all, answered by a button alone."""

import re
from datetime import date, datetime, timedelta

import pytest
import time_machine
from django.contrib.messages import get_messages
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import FormulaTariff, Tariff, TariffBand
from families import at_home
from portal.reservations.acts import booking
from portal.reservations.models import Activity, Booking, ReservationLine
from portal.reservations.pages.planning import Planning
from tests.conftest import NOW, Family, logged_in
from tests.families.conftest import text_of
from tests.portal.reservations.audit import MONDAY, TUESDAY, choices, draft, give_up, reserve, states

pytestmark = pytest.mark.usefixtures("books_kept")


@pytest.fixture
def queue(books, waits, another, canteen, shut, now) -> list[Family]:
    """Lina has the one place of Monday; Noé, then two others wait for it."""
    shut(MONDAY, 1)
    reserve(books, canteen, MONDAY, at=now)
    others = [waits, another("Garnier"), another("Lopez")]
    for minutes, who in enumerate(others):
        reserve(who, canteen, MONDAY, at=now + timedelta(minutes=minutes), wait=True)
    return others


def page_of(who: Family) -> str:
    return reverse("reservations:place", args=[Booking.objects.filter(child=who.child).latest("pk").pk])


def said(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_the_page_says_the_rank_and_until_when_and_the_list_is_left_there(queue):
    last = queue[2]
    page = text_of(last.client().get(page_of(last)))
    assert "3e sur la liste d'attente." in page
    assert "jusqu'au samedi 14 novembre à 10 h, tant que vous pouvez encore annuler" in page
    queue[0].client().post(page_of(queue[0]), {"reponse": "quitter"})
    assert states(queue[0], MONDAY) == ["cancelled"]
    assert "2e sur la liste d'attente." in text_of(last.client().get(page_of(last)))


def test_the_planning_the_detail_and_the_home_page_say_it_too(queue, canteen):
    last = queue[2]
    plan = Planning.build(last.enrolment, canteen.restaurant, canteen.period, at=NOW)
    (cell,) = [cell for cell in plan.cells.values() if cell.state == "waitlisted"]
    assert (cell.note, cell.short) == ("3e sur la liste d'attente.", "3e sur la liste")
    reservation = last.enrolment.reservations.get()
    detail = text_of(last.client().get(reverse("reservations:detail", args=[reservation.pk])))
    assert "3e sur la liste d'attente" in detail and page_of(last) in detail
    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        home = text_of(last.client().get("/"))
    assert f'href="{page_of(last)}">liste d\'attente, 3e</a>' in home


def test_ranks_cost_as_many_queries_for_one_day_as_for_ten(books, waits, canteen, shut, now):
    days = [MONDAY + timedelta(days=offset) for offset in (0, 1, 3, 4, 7, 8, 9, 10, 11, 14)]
    for day in days:
        shut(day, 0)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as found:
            plan = Planning.build(waits.enrolment, canteen.restaurant, canteen.period, at=now)
        assert len(plan.waits) in (1, 10)
        return len(found)

    reserve(waits, canteen, days[0], at=now, wait=True)
    alone = queries()
    reserve(waits, canteen, *days[1:], at=now, wait=True)
    assert queries() == alone


def test_a_family_waits_until_the_day_itself_and_changes_its_mind(queue):
    noe = queue[0]
    client, address = noe.client(), page_of(noe)
    assert "Attendre jusqu'au jour même" in text_of(client.get(address))
    client.post(address, {"reponse": "jour-meme"})
    assert Booking.objects.get(child=noe.child).until_the_day
    assert "Seulement tant que je peux annuler" in text_of(client.get(address))
    client.post(address, {"reponse": "delai"})
    assert not Booking.objects.get(child=noe.child).until_the_day


def test_validation_asks_it_of_waiting_days_alone(waits, canteen, shut, now):
    shut(MONDAY, 0)
    begun = draft(waits, canteen, at=now, wait=choices(canteen, [MONDAY]), book=choices(canteen, [TUESDAY]))
    client, address = waits.client(), reverse("reservations:validation", args=[begun.pk])
    assert 'name="jusqu_au_jour" value="1">' in text_of(client.get(address))
    following = client.post(address, {"jusqu_au_jour": "1"})
    lines = ReservationLine.objects.order_by("day").values_list("until_the_day", flat=True)
    assert list(lines) == [True, False]
    assert "1 jour, jusqu'au jour même" in text_of(client.get(following.url))
    assert 'name="jusqu_au_jour" value="1" checked>' in text_of(client.get(address))
    client.post(address, {})
    assert not ReservationLine.objects.filter(until_the_day=True).exists()


def test_the_total_says_which_part_is_owed_only_if_a_place_becomes_free(waits, canteen, shut, now):
    tariff = Tariff.objects.create(code="repas", name="Repas", valid_from=date(2026, 9, 1))
    TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": "3.20"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    shut(MONDAY, 0)
    begun = draft(waits, canteen, at=now, wait=choices(canteen, [MONDAY]), book=choices(canteen, [TUESDAY]))
    page = text_of(waits.client().get(reverse("reservations:validation", args=[begun.pk])))
    assert "Total estimé des jours à réserver : <strong>6,40 €</strong>" in page
    assert "Dont 3,20 € pour des jours en liste d'attente" in page


def test_without_a_waiting_day_validation_asks_nothing(waits, canteen, now):
    begun = draft(waits, canteen, at=now, book=choices(canteen, [TUESDAY]))
    page = waits.client().get(reverse("reservations:validation", args=[begun.pk]))
    assert "jusqu_au_jour" not in text_of(page)


# Offers -------------------------------------------------------------------------------------------------


@pytest.fixture
def offered(queue, books, canteen, now) -> Family:
    """Monday's place is offered to Noé for six hours."""
    Activity.objects.update(offer_hours=6)
    give_up(books, canteen, MONDAY, at=now)
    return queue[0]


def test_opening_the_link_takes_nothing(offered):
    client = offered.client()
    for method in (client.get, client.head):
        assert method(page_of(offered)).status_code == 200
    page = text_of(client.get(page_of(offered)))
    assert "Oui, je prends" in page and "Non merci" in page
    assert "jusqu'au lundi 9 novembre à 16 h" in page
    assert states(offered, MONDAY) == ["offered"]


def test_yes_takes_it(offered):
    answer = offered.client().post(page_of(offered), {"reponse": "oui"})
    assert said(answer) == ["C'est réservé : Noé, cantine, lundi 16 novembre."]
    assert states(offered, MONDAY) == ["accepted"]


def test_no_gives_it_to_the_next_one(offered, queue):
    offered.client().post(page_of(offered), {"reponse": "non"})
    assert [states(who, MONDAY) for who in queue] == [["cancelled"], ["offered"], ["waitlisted"]]


@pytest.mark.parametrize("method", ["get", "post"])
def test_whoever_comes_too_late_reads_so_and_the_next_one_has_it(offered, queue, method):
    with time_machine.travel(NOW + timedelta(hours=6), tick=False):
        client = offered.client()
        answer = getattr(client, method)(page_of(offered), {"reponse": "oui"})
    assert answer.status_code == 302
    assert [states(who, MONDAY) for who in queue] == [["cancelled"], ["offered"], ["waitlisted"]]
    assert "plus" in said(answer)[0]


LATE = NOW + timedelta(hours=6)


def pages_that_read_offers(who: Family, canteen) -> dict[str, str]:
    """Where an offer of the family is read, at home and at the desk, by what the page is."""
    (booked,) = Booking.objects.filter(child=who.child)
    slot = canteen.slot(MONDAY).pk
    place, period = canteen.restaurant.pk, canteen.period.pk
    return {
        "home": "/",
        "planning": reverse("catering:planning", args=[who.enrolment.pk, place, period]),
        "reservation": reverse("reservations:detail", args=[booked.reservation_id]),
        "slot": reverse("admin:reservations_slot_change", args=[slot]),
        "list": reverse("admin:reservations_booking_changelist"),
    }


@pytest.mark.parametrize("where", ["home", "planning", "reservation", "slot", "list"])
def test_past_its_hour_no_page_shows_an_offer_as_still_ones_own(offered, queue, canteen, agent, where):
    address = pages_that_read_offers(offered, canteen)[where]

    def read(at: datetime) -> str:
        with time_machine.travel(at, tick=False):
            return text_of(logged_in(agent if where in ("slot", "list") else offered.user).get(address))

    assert "lundi 9 novembre à 16 h" in read(LATE - timedelta(seconds=1))
    assert states(offered, MONDAY) == ["offered"]
    page = read(LATE)
    assert "lundi 9 novembre à 16 h" not in page and page_of(offered) not in page
    assert [states(who, MONDAY) for who in queue] == [["cancelled"], ["offered"], ["waitlisted"]]


def test_past_its_hour_the_place_is_anothers_to_book_though_no_worker_runs(
    books, waits, another, canteen, shut, now
):
    Activity.objects.update(offer_hours=6)
    shut(MONDAY, 1)
    reserve(books, canteen, MONDAY, at=now)
    reserve(waits, canteen, MONDAY, at=now, wait=True)
    give_up(books, canteen, MONDAY, at=now)
    garnier = another("Garnier")
    with time_machine.travel(LATE, tick=False):
        begun = draft(garnier, canteen, at=LATE, book=choices(canteen, [MONDAY]))
        garnier.client().post(reverse("reservations:recording", args=[begun.pk]))
    assert (states(waits, MONDAY), states(garnier, MONDAY)) == (["cancelled"], ["accepted"])
    assert canteen.slot(MONDAY).taken == 1


def test_an_own_calendar_shows_no_offer_past_its_hour(offered):
    calendar = offered.client().post(reverse("reservations:calendar"), {"make": ""})
    address = re.search(r'value="http://testserver([^"]+\.ics)"', text_of(calendar))
    assert address
    assert "place proposée" in Client().get(address[1]).content.decode()
    with time_machine.travel(LATE, tick=False):
        assert "place proposée" not in Client().get(address[1]).content.decode()


def test_a_place_that_cannot_be_let_go_now_keeps_no_page_from_being_read(offered, monkeypatch, caplog):
    def locked(**_: object) -> int:
        raise OperationalError("database is locked")

    monkeypatch.setattr(booking, "let_offers_go", locked)
    with time_machine.travel(LATE, tick=False):
        assert offered.client().get(reverse("families:household")).status_code == 200
    assert "could not be let go" in caplog.text


def test_others_have_no_such_page(offered, stranger_client, queue):
    for client in (stranger_client, queue[1].client()):
        assert client.get(page_of(offered)).status_code == 404
        assert client.post(page_of(offered), {"reponse": "oui"}).status_code == 404
    assert states(offered, MONDAY) == ["offered"]


def test_the_home_page_asks_for_the_answer_at_no_query_more(offered, queue):
    client = offered.client()
    client.get("/")

    def read() -> tuple[str, int]:
        with CaptureQueriesContext(connection) as queries:
            page = text_of(client.get("/"))
        return page, len(queries)

    page, asked = read()
    assert "Place proposée à Noé" in page and page_of(offered) in page
    Activity.objects.update(offer_hours=None)
    Booking.objects.filter(child=offered.child).update(state="accepted", offered_until=None)
    page, plain = read()
    assert "Place proposée" not in page
    assert asked == plain
    Booking.objects.filter(child=offered.child).update(
        state="offered", offered_until=NOW + timedelta(hours=1)
    )


def test_what_is_offered_beyond_two_weeks_is_asked_too(offered):
    with time_machine.travel(NOW - timedelta(days=20), tick=False):
        asks = at_home.asked_of(offered.household, offered.user, at=NOW - timedelta(days=20))
    assert [ask.title for ask in asks if "proposée" in ask.title] == ["Place proposée à Noé"]


def test_the_planning_shows_an_offer_and_where_it_is_answered(offered, canteen):
    address = reverse(
        "catering:planning", args=[offered.enrolment.pk, canteen.restaurant.pk, canteen.period.pk]
    )
    page = text_of(offered.client().get(address))
    assert re.search(r'class="cell cell--offered', page)
    assert f'<a href="{page_of(offered)}">Répondre' in page


def test_the_kitchen_and_the_lists_do_not_count_an_offer(offered):
    assert not Booking.objects.holding().filter(day=MONDAY).exists()
