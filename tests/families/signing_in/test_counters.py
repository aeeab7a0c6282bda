"""Wrong passwords are counted for whom they are tried and from where, and for nobody else."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from families.models import LoginCounter, SecurityEvent, User
from families.signing_in import counters, tallies
from portal import nightly
from tests.conftest import NOW, Family
from tests.factories import PASSWORD, UserFactory
from tests.families.conftest import text_of
from tests.families.test_recovery import NEW, ask, choose, link_in

pytestmark = pytest.mark.django_db
REFUSED = "Trop d'essais de connexion."
OFFICE, HOME, CAFE = "192.0.2.1", "198.51.100.7", "203.0.113.9"
HOSTS = [f"testserver:{port}" for port in range(1000, 1008)]


def come(login: str, password: str = PASSWORD, *, network: str = HOME, client: Client | None = None, **meta):
    """Somebody tries to log in from a network."""
    data = {"login": login, "password": password}
    return (client or Client()).post("/connexion/", data, REMOTE_ADDR=network, **meta)


def refused(answer: Any) -> bool:
    return REFUSED in text_of(answer)


def everywhere(login: str, times: int) -> None:
    """A network of machines guesses, four times from each."""
    for number in range(times):
        come(login, "faux", network=f"198.18.{number // 4 // 250}.{number // 4 % 250}")


# From one place ---------------------------------------------------------------------------------------


def test_the_host_that_is_asked_for_gives_no_fresh_counter(roux: Family):
    for host in HOSTS[:5]:
        assert not refused(come("roux", "faux", HTTP_HOST=host))
    assert all(
        refused(come("roux", "faux", HTTP_HOST=host)) for host in (*HOSTS[5:], "localhost", "127.0.0.1")
    )
    assert SecurityEvent.objects.filter(kind="failed").count() == 5


def test_identifiant_and_address_are_one_counter(roux: Family):
    for login in ("roux", "roux@example.org", "ROUX", "Roux@Example.org", "ｒｏｕｘ"):
        assert not refused(come(login, "faux"))
    assert refused(come("roux")) and refused(come("roux@example.org"))


def test_an_unknown_login_is_counted_like_a_known_one(roux: Family):
    for login in ("roux", "personne"):
        assert [refused(come(login, "faux")) for _ in range(6)] == [False] * 5 + [True]


def test_five_wrong_tries_of_a_stranger_do_not_lock_the_owner_out(roux: Family):
    for _ in range(9):
        come("roux", "faux", network=CAFE)
    assert come("roux", network=HOME).url == "/"


def test_who_logged_in_on_a_device_before_is_not_locked_out_from_beside_it(roux: Family):
    own = Client()
    come("roux", client=own)
    own.cookies.pop("sessionid")
    for _ in range(9):
        come("roux", "faux")
    assert refused(come("roux")), "a new device of the same network waits"
    assert come("roux", client=own).url == "/"


def test_a_stolen_device_guesses_no_faster(roux: Family):
    own = Client()
    come("roux", client=own)
    own.cookies.pop("sessionid")
    networks = (f"198.51.100.{number}" for number in count(1))
    answers = [
        come("roux", "faux", network=network, client=own)
        for network, _ in zip(networks, range(6), strict=False)
    ]
    assert [refused(answer) for answer in answers] == [False] * 5 + [True]
    assert come("roux", network=OFFICE).url == "/", "and locks nobody else out"


def test_the_wait_is_said_grows_and_ends(roux: Family):
    for _ in range(5):
        come("roux", "faux")
    at = NOW
    for minutes in (5, 10, 20):
        with time_machine.travel(at, tick=False):
            said = f"{REFUSED} Patientez {minutes} minutes, ou demandez un nouveau mot de passe."
            assert said in text_of(come("roux"))
        at += timedelta(minutes=minutes)
        with time_machine.travel(at - timedelta(seconds=1), tick=False):
            assert "Patientez 1 seconde," in text_of(come("roux"))
        with time_machine.travel(at, tick=False):
            assert not refused(come("roux", "faux"))
    with time_machine.travel(at + timedelta(minutes=40), tick=False):
        assert come("roux").url == "/"
        assert not refused(come("roux", "faux")), "and begins anew"


def test_many_at_once_are_as_many(roux: Family, monkeypatch):
    """Each saw four wrong ones before it was counted: one of them is the fifth, the others wait."""
    for _ in range(4):
        come("roux", "faux")
    add = tallies.add
    beside: list[Any] = []

    def others_first(counted: Any, *, at: datetime) -> Any:
        beside.extend(add(counted, at=at) for _ in range(3))
        return add(counted, at=at)

    monkeypatch.setattr(tallies, "add", others_first)
    assert refused(come("roux"))
    assert len(beside) == 3


# From everywhere --------------------------------------------------------------------------------------


def test_one_account_guessed_from_everywhere_waits_longer_and_longer(roux: Family):
    everywhere("roux", 20)
    assert "Patientez 30 secondes" in text_of(come("roux"))
    with time_machine.travel(NOW + timedelta(seconds=31)):
        come("roux", "faux", network=CAFE)
        assert "Patientez 1 minute," in text_of(come("roux"))
    with time_machine.travel(NOW + timedelta(seconds=92)):
        assert come("roux").url == "/"


def test_a_known_device_passes_that(roux: Family):
    own = Client()
    come("roux", client=own)
    own.cookies.pop("sessionid")
    everywhere("roux", 30)
    assert refused(come("roux", network=CAFE))
    assert come("roux", network=CAFE, client=own).url == "/", "on whatever network it is now"


def test_a_second_factor_passes_that(roux: Family):
    everywhere("roux", 30)
    assert refused(come("roux"))
    TOTP.activate(roux.user, generate_totp_secret())
    assert come("roux").url == reverse("mfa_authenticate"), "it is the factor that lets in"
    for _ in range(5):
        come("roux", "faux")
    assert refused(come("roux")), "but not the count of one network"


def test_a_right_password_leaves_the_count_of_everywhere_as_it_was(roux: Family):
    everywhere("roux", 12)
    for _ in range(15):
        assert come("roux").url == "/"
    assert LoginCounter.objects.get(who=counters.account(roux.user), place="").failures == 12


# One network on all accounts ----------------------------------------------------------------------------


def test_twelve_strangers_behind_one_address_do_not_shut_a_thirteenth_out(roux: Family):
    for number in range(12):
        UserFactory(username=f"voisin{number}")
        for login in (f"voisin{number}", f"inconnu{number}"):
            for _ in range(4):
                come(login, "faux", network=OFFICE)
    assert come("roux", network=OFFICE).url == "/"


def test_the_61st_right_login_of_a_minute_behind_one_address_passes(roux: Family):
    assert {come("roux", network=OFFICE).status_code for _ in range(61)} == {302}


def test_one_network_that_tries_every_account_is_slowed_down_not_so_its_known_devices(
    roux: Family, stranger: Family
):
    own = Client()
    come("roux", network=OFFICE, client=own)
    own.cookies.pop("sessionid")
    for number in range(100):
        come(f"famille{number:04d}", "faux", network=OFFICE)
    assert "Patientez 5 secondes" in text_of(come("morel", network=OFFICE))
    assert come("morel", network=CAFE).url == "/"
    assert come("roux", network=OFFICE, client=own).url == "/"
    with time_machine.travel(NOW + timedelta(seconds=5)):
        assert come("morel", network=OFFICE).url == "/"
        assert come("roux", network=OFFICE).url == "/", "right ones make nobody wait"


def test_ipv6_networks_are_counted_as_such(roux: Family):
    for number in range(5):
        come("roux", "faux", network=f"2001:db8:1:2::{number}")
    assert refused(come("roux", network="2001:db8:1:2:ffff::9"))
    assert come("roux", network="2001:db8:1:3::1").url == "/"


# Afterwards -------------------------------------------------------------------------------------------


def test_a_new_password_begins_anew(roux: Family, commit, letters):
    for _ in range(7):
        come("roux", "faux")
    with commit():
        ask("roux@example.org")
    choose(link_in(letters[0]))
    assert come("roux", NEW).url == "/"


def test_the_proof_asked_for_again_is_counted_too(roux: Family):
    """Whoever finds a session open does not guess its password there."""
    client = roux.client()
    again = "/confirmer-mon-identite/"
    for _ in range(5):
        assert "Ce mot de passe est incorrect." in text_of(client.post(again, {"password": "faux"}))
    assert REFUSED in text_of(client.post(again, {"password": PASSWORD}))


def test_what_no_longer_counts_is_deleted_at_night(roux: Family):
    everywhere("roux", 8)
    come("personne", "faux")
    assert LoginCounter.objects.count() == 3 + 4 + 1
    kept_a_day = {who for who in LoginCounter.objects.values_list("who", flat=True) if who}
    (forget,) = (work for work in nightly.works() if work.name == "essais de connexion")
    assert forget.do(NOW + timedelta(hours=7)) == 6
    assert set(LoginCounter.objects.values_list("who", flat=True)) == kept_a_day
    assert forget.do(NOW + timedelta(hours=25)) == 2


def test_names_that_nobody_has_fill_a_bounded_number_of_counters():
    assert {len(counters.nobody(f"inventé{number}")) for number in range(50)} == {5}


def test_counters_hold_no_address_and_no_name(roux: Family):
    come("roux@example.org", "faux")
    come("personne@example.org", "faux")
    written = str(list(LoginCounter.objects.values_list())) + str(list(SecurityEvent.objects.values_list()))
    for clear in ("roux", "personne", HOME):
        assert clear not in written


# What it costs ----------------------------------------------------------------------------------------


@pytest.fixture(params=["in the database", "elsewhere"])
def any_cache(request, settings) -> None:
    """The database's own cache, or one elsewhere."""
    if request.param == "in the database":
        settings.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "portal_cache"}
        }
        call_command("createcachetable", verbosity=0)
    caches["default"].clear()


@pytest.mark.parametrize(("password", "most"), [(PASSWORD, 24), ("faux", 5)])
def test_a_login_asks_the_cache_for_nothing_and_the_database_for_little(
    roux: Family, any_cache, password: str, most: int
):
    come("roux", "autre")  # what is read once is read
    with CaptureQueriesContext(connection) as seen:
        come("roux", password)
    asked = [query["sql"] for query in seen.captured_queries]
    assert [sql for sql in asked if "portal_cache" in sql] == []
    assert len([sql for sql in asked if "families_securityevent" in sql and sql.startswith("INSERT")]) == 1
    assert len(asked) <= most, asked


def test_a_login_that_waits_costs_no_hash(roux: Family, monkeypatch):
    for _ in range(5):
        come("roux", "faux")
    monkeypatch.setattr(User, "check_password", lambda *given: pytest.fail("was tried"))
    assert refused(come("roux"))
