"""A portal that is not open yet: families read that it will, the town hall works, nobody's data is shown."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from portal import open_to_public, town
from portal.demo import loading
from portal.models import Town
from tests.conftest import NOW, Family

SOON = "Le portail ouvre bientôt"


@pytest.fixture
def shut(now, town: Town) -> Town:
    open_to_public.start_closed()
    return Town.objects.get()


def test_a_town_is_open_unless_somebody_said_otherwise(town: Town) -> None:
    assert Town.objects.get().is_open
    assert SOON not in Client().get("/", follow=True).content.decode()


@pytest.mark.parametrize(
    "path", ["/", "/creer-un-compte/", "/foyer/", "/factures/", "/reservations/restauration/toutes/"]
)
def test_visitors_read_that_it_opens_soon_and_whom_to_ask(shut: Town, path: str) -> None:
    answer = Client().get(path)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert SOON in page
    assert str(shut.phone) in page and shut.email in page
    assert "no-store" in answer["Cache-Control"]


def test_a_family_sees_nothing_of_its_own_and_may_log_out(
    shut: Town, books: Family, books_client: Client
) -> None:
    for path in ("/", "/foyer/", f"/enfants/{books.child.pk}/"):
        page = books_client.get(path).content.decode()
        assert SOON in page
        assert "Lina" not in page and "Roux" not in page
    assert SOON in books_client.post("/foyer/telephones/", {}).content.decode()
    assert "_auth_user_id" in books_client.session
    books_client.post(reverse("account_logout"))
    assert "_auth_user_id" not in books_client.session


def test_a_calendar_link_shows_no_child(shut: Town, books: Family) -> None:
    address = reverse("reservations:calendar_feed", args=["x" * 43])
    answer = Client().get(address)
    assert SOON in answer.content.decode()
    assert answer.status_code == 503 and answer["Retry-After"], "a calendar keeps the days that it has"


@pytest.mark.parametrize(
    "address",
    [
        reverse("billing:payment_notification", args=["payfip"]),
        reverse("billing:regie_payment_notification", args=["payfip", "cantine"]),
    ],
)
def test_what_banks_tell_of_payments_is_heard(shut: Town, address: str) -> None:
    assert SOON not in Client().post(address, {"idop": "x"}).content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/connexion/",
        "/mot-de-passe-oublie/",
        "/mentions-legales/",
        "/accessibilite/",
        "/sante/vie/",
        "/ville.css",
    ],
)
def test_what_the_town_hall_and_machines_need_goes_on(shut: Town, path: str) -> None:
    assert SOON not in Client().get(path).content.decode()


def test_the_desk_works_meanwhile(shut: Town, agent_client: Client) -> None:
    assert agent_client.get(reverse("admin:index")).status_code == 200
    assert SOON not in agent_client.get("/").content.decode()
    assert Client().get(reverse("admin:index")).url.startswith("/mairie/login/")


def test_opening_and_closing_leave_a_trace_and_do_it_once(shut: Town, chief) -> None:
    assert open_to_public.open_up(chief)
    assert not open_to_public.open_up(chief)
    assert town.current().is_open
    assert open_to_public.close(chief)
    assert not town.current().is_open
    assert [one.change_message for one in LogEntry.objects.order_by("pk")] == [
        "Portail ouvert au public.",
        "Portail fermé au public.",
    ]
    assert [one.is_open for one in Town.history.order_by("pk")][-2:] == [True, False]


def test_loading_the_demo_opens_it(now, db) -> None:
    open_to_public.start_closed()
    loading.load(10, at=NOW)
    assert Town.objects.get().is_open
