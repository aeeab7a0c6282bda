"""The gate as a browser meets it, with a small portal behind it: who passes, who waits, what is forged."""

import io
import logging
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from portal.models import Town
from portal.waiting import page
from portal.waiting.gate import VISIT, Gate
from portal.waiting.line import Mode
from portal.waiting.meter import Meter
from portal.waiting.room import Room
from portal.waiting.shared_file import SharedFile
from portal.waiting.store import Store
from portal.waiting.tickets import Ticket, Tickets
from tests.portal.waiting.conftest import T0

PACE = 1.0
TICKETS = Tickets("a key")


class Portal:
    """Answers with what it was asked; somebody logs in by posting a name to the login."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        visit = environ[VISIT]
        headers = [("Content-Type", "text/html; charset=utf-8")]
        if environ["PATH_INFO"] == "/connexion/" and environ["REQUEST_METHOD"] == "POST":
            name = environ["wsgi.input"].read().decode()
            staff = name == "agent"
            if not visit.gate.admits(visit, name, is_staff=staff):
                start_response("503 Service Unavailable", headers)
                return [b"never seen"]
            visit.user, visit.user_is_staff, visit.logged_in = name, staff, True
            headers.append(("Set-Cookie", f"session={name}"))
        if environ["PATH_INFO"] == "/ville.css":
            headers = [("Content-Type", "text/css"), ("Cache-Control", "public, max-age=60")]
            visit.user = "anna"
        start_response("200 OK", headers)
        return [b"the portal"]


class Answered:
    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.headers, self.body = int(status[:3]), headers, body.decode()

    def __getitem__(self, name: str) -> str:
        return dict(self.headers)[name]

    @property
    def place(self) -> str:
        """The place in the line that the page says."""
        return re.findall(r"<dd>(.*?)</dd>", self.body)[0]


class Browser:
    """Keeps cookies, as browsers do."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.cookies: dict[str, str] = {}

    def ask(self, path: str, method: str = "GET", body: bytes = b"", **more: Any) -> Answered:
        path, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(body)) if body else "",
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        } | more
        said: list[Any] = []
        answer = self.gate(environ, lambda status, headers, *rest: said.append((status, headers)))
        whole = b"".join(answer)
        getattr(answer, "close", lambda: None)()
        ((status, headers),) = said
        for name, value in headers:
            if name == "Set-Cookie":
                key, _, kept = value.partition(";")[0].partition("=")
                self.cookies[key] = kept
        return Answered(status, headers, whole)

    def copy(self) -> "Browser":
        other = Browser(self.gate)
        other.cookies = dict(self.cookies)
        return other

    def log_in(self, name: str) -> Answered:
        return self.ask("/connexion/", "POST", name.encode())


class Scene:
    """A town at a moment that the test moves."""

    def __init__(self, store: Store, traveller: Any, **more: Any) -> None:
        self.portal = Portal()
        self.room = Room(store, Meter(), TICKETS.name)
        town = Town(name="Saint-Exemple", colour="#1f4f8f")
        self.gate = Gate(
            self.portal, self.room, TICKETS, lambda: page.compose(town), **({"secure": False} | more)
        )
        self._traveller = traveller

    def browser(self) -> Browser:
        return Browser(self.gate)

    def open(self, pace: float = PACE) -> None:
        self.room.direct(Mode.OPEN, pace, time.time())

    def fill(self) -> None:
        """Opened, and whoever may come in at once has come: the next one waits."""
        self.open()
        for _ in range(100):
            if self.browser().ask("/").status == 503:
                return
        raise AssertionError("Everybody comes in")

    def later(self, seconds: float) -> None:
        self._traveller.shift(seconds)


@pytest.fixture
def traveller() -> Iterator[Any]:
    with time_machine.travel(T0, tick=False) as found:
        yield found


@pytest.fixture
def scene(line_file: Path, traveller: Any) -> Scene:
    return Scene(SharedFile(line_file), traveller)


def test_while_it_is_closed_everybody_passes_and_nobody_sees_it(scene: Scene) -> None:
    answers = [scene.browser().ask("/") for _ in range(50)]
    assert {answer.status for answer in answers} == {200}


def test_those_beyond_the_pace_wait_on_a_page_that_says_what_there_is_to_know(scene: Scene) -> None:
    scene.fill()
    answer = scene.browser().ask("/")
    assert (answer.status, answer["Refresh"]) == (503, answer["Retry-After"])
    assert 10 <= int(answer["Retry-After"]) <= 14
    assert answer["Cache-Control"] == "no-store"
    assert answer.place == "1"
    assert "moins d&#x27;une minute" in answer.body or "moins d'une minute" in answer.body
    assert "Gardez cette page ouverte" in answer.body
    assert "Saint-Exemple" in answer.body
    assert "<script" not in answer.body


def test_the_page_asks_for_nothing_else_and_its_policy_allows_its_own_style_alone(scene: Scene) -> None:
    scene.fill()
    answer = scene.browser().ask("/")
    assert not re.findall(r'(?:src|href)="(?!data:|tel:|mailto:)', answer.body)
    assert "style-src 'sha256-" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]


def test_who_waits_comes_in_when_it_is_their_turn_and_stays_inside(scene: Scene) -> None:
    scene.fill()
    family = scene.browser()
    assert family.ask("/connexion/").status == 503
    scene.later(1)
    assert family.ask("/connexion/").status == 503  # from now on it waits
    scene.later(1)
    family.ask("/connexion/")
    scene.later(1)
    assert family.ask("/connexion/").status == 200
    assert family.log_in("anna").status == 200
    scene.later(9 * 60)
    assert family.ask("/").status == 200


def test_a_reload_keeps_the_place_and_a_dropped_cookie_goes_to_the_end(scene: Scene) -> None:
    scene.fill()
    first, others = scene.browser(), [scene.browser() for _ in range(5)]
    for one in (first, *others, first, *others):
        one.ask("/")
    assert first.ask("/").place == "1"
    first.cookies.clear()
    assert first.ask("/").place == "7"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/cantine/planning/1/2/3/"),
        ("GET", "/factures/"),
        ("POST", "/factures/12/payer/"),
        ("POST", "/factures/notifications/stripe/"),
        ("GET", "/sante/"),
        ("GET", "/static/css/portal.css"),
        ("GET", "/media/ville/blason.png"),
        ("GET", "/mon-agenda/xyz.ics"),
        ("GET", "/mairie/"),
        ("POST", "/mairie/families/child/"),
        ("POST", "/"),
        ("GET", "/mot-de-passe-oublie/"),
        ("GET", "/connexion/double-authentification/"),
        ("POST", "/deconnexion/"),
    ],
)
def test_nothing_but_the_first_page_and_the_login_is_queued(scene: Scene, method: str, path: str) -> None:
    scene.fill()
    assert scene.browser().ask(path, method).status == 200


def test_who_was_inside_before_it_opened_is_not_thrown_out_and_who_filled_in_the_login_logs_in(
    scene: Scene,
) -> None:
    inside, filling_in = scene.browser(), scene.browser()
    inside.ask("/connexion/")
    inside.log_in("anna")
    filling_in.ask("/connexion/")
    scene.fill()
    assert inside.ask("/").status == 200
    assert filling_in.log_in("ben").status == 200


def test_ten_idle_minutes_end_it(scene: Scene) -> None:
    inside = scene.browser()
    inside.ask("/connexion/")
    inside.log_in("anna")
    scene.later(12 * 60)
    scene.fill()
    assert inside.ask("/").status == 503


def test_several_families_behind_one_address_pass_one_after_the_other(scene: Scene) -> None:
    scene.open(3.0)
    came = [scene.browser().ask("/", REMOTE_ADDR="10.0.0.1").status for _ in range(3)]
    assert came == [200, 200, 200]


# Whoever wants to jump ----------------------------------------------------------------------------------


def test_forged_cookies_of_every_kind_are_no_place(scene: Scene) -> None:
    scene.fill()
    minute = int(T0 // 60)
    forger = Tickets("another key")
    generation = scene.room.store.generation
    forged = [Ticket("w", generation, 1), Ticket("e", "ab" * 8, minute), Ticket("a", "cd" * 8, minute)]
    for cookie in (*map(forger.write, forged), "w-1", "x" * 5000, "e" + "0" * 16 + f"-{minute}."):
        browser = scene.browser()
        browser.cookies = {"place": cookie, "agent": forger.write(Ticket("s", "", minute + 99))}
        assert browser.ask("/").status == 503
        assert browser.log_in("anna").status == 503


def test_a_seat_from_the_future_or_of_long_ago_is_none(scene: Scene) -> None:
    scene.fill()
    for minute in (int(T0 // 60) + 60, int(T0 // 60) - 60):
        browser = scene.browser()
        browser.cookies["place"] = TICKETS.write(Ticket("e", "ab" * 8, minute))
        assert browser.ask("/").status == 503


def admitted(scene: Scene) -> Browser:
    """Somebody who has waited and may log in."""
    scene.fill()
    family = scene.browser()
    for _ in range(5):
        if family.ask("/connexion/").status == 200:
            return family
        scene.later(1)
    raise AssertionError("Nobody is called")


def test_a_copied_place_lets_one_account_in(scene: Scene) -> None:
    family = admitted(scene)
    copies = [family.copy() for _ in range(3)]
    assert family.log_in("anna").status == 200
    refused = copies[0].log_in("ben")
    assert (refused.status, "never seen" in refused.body, "session" in copies[0].cookies) == (
        503,
        False,
        False,
    )
    # What is copied once more is of no more use, and the same account stays welcome.
    assert copies[1].log_in("carl").status == 503
    assert copies[2].log_in("anna").status == 200


def test_an_accounts_own_cookie_lets_no_other_account_in(scene: Scene) -> None:
    family = admitted(scene)
    family.log_in("anna")
    other = family.copy()
    assert other.log_in("ben").status == 503
    assert other.ask("/connexion/").status == 503


def test_a_place_that_has_served_is_replayed_in_vain(scene: Scene) -> None:
    scene.fill()
    family = scene.browser()
    family.ask("/connexion/")
    waiting = family.copy()
    for _ in range(5):
        scene.later(1)
        if family.ask("/connexion/").status == 200:
            break
    assert family.log_in("anna").status == 200
    assert waiting.ask("/connexion/").status == 200  # the same seat, seen once more
    assert waiting.log_in("ben").status == 503
    replayed = family.copy()
    scene.later(3600)
    scene.fill()
    assert replayed.ask("/connexion/").status == 503


def test_a_thousand_requests_without_a_cookie_hold_nobody_up(scene: Scene) -> None:
    scene.fill()
    family = scene.browser()
    family.ask("/")
    for _ in range(1_000):
        scene.browser().ask("/")
    assert family.ask("/").place == "1"
    scene.later(16)
    assert family.ask("/").status == 200


def test_staff_log_in_at_the_rush_and_their_door_lets_no_family_in(scene: Scene) -> None:
    scene.fill()
    staff, family = scene.browser(), scene.browser()
    assert staff.ask("/connexion/?next=/mairie/").status == 200
    assert staff.log_in("agent").status == 200
    family.ask("/connexion/?next=%2Fmairie%2F")
    assert family.log_in("anna").status == 503
    assert "session" not in family.cookies
    # A device of staff's is known the next morning.
    scene.later(11 * 3600)
    scene.fill()
    assert staff.ask("/connexion/").status == 200
    assert staff.log_in("anna").status == 503
    assert staff.log_in("agent").status in (200, 503)


def test_staffs_door_is_narrow(scene: Scene) -> None:
    scene.fill()
    came = [scene.browser().ask("/connexion/?next=/mairie/").status for _ in range(40)]
    assert came.count(200) <= 6


# What is handed out -------------------------------------------------------------------------------------


def test_nothing_is_set_on_an_answer_that_others_may_be_given(scene: Scene) -> None:
    browser = scene.browser()
    browser.ask("/ville.css")
    assert browser.cookies == {}


def test_in_production_cookies_are_for_this_host_over_https(line_file: Path, traveller: Any) -> None:
    scene = Scene(SharedFile(line_file), traveller, secure=True, https=("HTTP_X_FORWARDED_PROTO", "https"))
    scene.open()
    https = {"HTTP_X_FORWARDED_PROTO": "https"}
    scene.browser().ask("/", **https)
    answer = scene.browser().ask("/", **https)
    (cookie,) = (value for name, value in answer.headers if name == "Set-Cookie")
    assert cookie.startswith("__Host-place=w")
    assert {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"} <= set(cookie.split("; "))
    # Without HTTPS the portal sends elsewhere.
    assert scene.browser().ask("/").status == 200


def test_a_login_that_waits_is_read_away_and_a_large_one_closes_the_connection(scene: Scene) -> None:
    scene.fill()
    small, large = scene.browser().ask("/connexion/", "POST", b"x" * 100), None
    assert "Connection" not in dict(small.headers)
    large = scene.browser().ask("/connexion/", "POST", b"x" * 100_000)
    assert (large.status, large["Connection"]) == (503, "close")


def test_head_is_answered_without_a_body(scene: Scene) -> None:
    scene.fill()
    answer = scene.browser().ask("/", "HEAD")
    assert (answer.status, answer.body) == (503, "")


# When the room itself fails -----------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["unwritable", "gone wrong"])
def test_a_file_that_cannot_be_kept_opens_the_door_and_is_logged_once(
    tmp_path: Path, traveller: Any, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    path = tmp_path / "line"
    if trouble == "unwritable":
        path.mkdir()
    scene = Scene(SharedFile(path), traveller)
    if trouble == "gone wrong":
        scene.fill()
        path.unlink()
        path.mkdir()
    scene.later(1)
    with caplog.at_level(logging.ERROR):
        for _ in range(20):
            scene.later(1)
            browser = scene.browser()
            assert browser.ask("/connexion/").status == 200
            assert browser.log_in("anna").status == 200
    assert [record.name for record in caplog.records] == ["portal.waiting.gate"]


def test_it_keeps_the_line_again_once_it_can(tmp_path: Path, traveller: Any) -> None:
    path = tmp_path / "line"
    path.mkdir()
    scene = Scene(SharedFile(path), traveller)
    assert scene.browser().ask("/").status == 200
    path.rmdir()
    scene.later(6)
    scene.fill()


def test_a_mistake_of_the_gates_own_passes_the_request_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.fill()
    monkeypatch.setattr(scene.room, "arrive", lambda: 1 / 0)
    assert scene.browser().ask("/").status == 200


def test_an_error_of_the_portals_own_is_no_request_in_progress(scene: Scene) -> None:
    scene.gate._application = lambda environ, start: (_ for _ in ()).throw(ValueError)
    with pytest.raises(ValueError):
        next(iter(scene.gate({"PATH_INFO": "/x/", "REQUEST_METHOD": "GET"}, lambda *said: None)))
    assert scene.room.meter.in_progress <= 1


# A period that is about to open -------------------------------------------------------------------------


PLANNING = "/cantine/planning/4/5/17/"


def about_to_open(scene: Scene, seconds: float) -> Browser:
    """Somebody inside, so long before the canteen's next period opens."""
    family = scene.browser()
    family.ask("/connexion/")
    family.log_in("anna")
    at = time.time() + seconds + 2.5
    scene.room.store.write_moments(
        f'{{"rushes": [{at}], "periods": [[17, {at}, "Cantine – &lt;hiver&gt;", "8 h 30"]]}}'
    )
    scene.later(2.5)
    return family


def test_its_planning_says_in_how_long_and_nobody_is_let_in_before_the_very_second(scene: Scene) -> None:
    family = about_to_open(scene, 200)
    answer = family.ask(PLANNING)
    assert (answer.status, answer["Retry-After"]) == (503, "60")
    assert "« Cantine – &lt;hiver&gt; » ouvre dans 4\u00a0min" in answer.body
    scene.later(150)
    seconds = int(family.ask(PLANNING)["Refresh"])
    assert seconds >= 50
    scene.later(49.6)
    assert family.ask(PLANNING).status == 503
    scene.later(0.5)
    assert family.ask(PLANNING).status == 200


def test_who_reloads_when_told_comes_after_the_moment_and_not_all_at_once(scene: Scene) -> None:
    family = about_to_open(scene, 30)
    for other in range(2_000):
        scene.room.store.sit(f"{other + 1:016x}", int(time.time() // 60))
    others = [scene.browser() for _ in range(20)]
    for name, other in enumerate(others):
        seat = TICKETS.name(f"account:{name}")
        other.cookies["place"] = TICKETS.write(Ticket("a", seat, int(time.time() // 60)))
    told = {int(one.ask(PLANNING)["Retry-After"]) for one in (family, *others)}
    assert min(told) >= 30
    assert max(told) <= 52
    assert len(told) > 4


def test_long_before_and_for_other_periods_and_for_who_is_not_inside_the_portal_answers(scene: Scene) -> None:
    family = about_to_open(scene, 400)
    assert family.ask(PLANNING).status == 200
    scene.later(200)
    assert family.ask("/cantine/planning/4/5/18/").status == 200
    assert family.ask(PLANNING, "POST").status == 200
    assert scene.browser().ask(PLANNING).status == 200


def test_the_room_opens_beforehand_and_closes_by_itself_afterwards(scene: Scene) -> None:
    about_to_open(scene, 240)
    scene.later(3)
    scene.browser().ask("/sante/")
    assert scene.room.store.board().open
    for _ in range(240 + 600 + 90):
        scene.later(1)
        scene.browser().ask("/sante/")
    assert not scene.room.store.board().open
