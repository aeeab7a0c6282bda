"""The gate: what the server asks before Django, and what it answers by itself.

Queued are the first page and the login of those who are not inside, nothing else. Whatever fails here, the
door is open: the portal is asked as if there were no gate.
"""

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from portal.waiting import line, meter
from portal.waiting import page as pages
from portal.waiting.page import Pages
from portal.waiting.room import ComesIn, Room, Waits
from portal.waiting.store import Trouble
from portal.waiting.tickets import Ticket, Tickets, cookie_of
from portal.web.headers import NOT_KEPT
from portal.web.posted import posted_number

logger = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

# Where the gate and the portal speak of a request (a `Visit`).
VISIT = "portal.waiting"
FIRST_PAGE, LOGIN = "/", "/connexion/"
QUEUED = {FIRST_PAGE: ("GET", "HEAD"), LOGIN: ("GET", "HEAD", "POST")}
DESK = "mairie"
DESK_LOGIN = re.compile(rf"(?:^|&)next=(?:/|%2[Ff]){DESK}(?:/|%2[Ff]|&|$)")
PLANNING = re.compile(r"/[a-z-]+/planning/[0-9]{1,12}/[0-9]{1,12}/([0-9]{1,12})/")
# What is still read of a login that is not taken up; beyond, the connection is closed.
SMALL_BODY = 65_536
# After a trouble the door stays open so long before what is shared is asked again.
OPEN_DOOR = 5.0
# What the log says then.
NOT_KEPT_NOW = "The waiting room is not kept"
# Staff's door, of one process: so many a second, and at once.
STAFF_PACE, STAFF_BURST = 0.5, 5.0
# Minutes for which a device is known as staff's: to log in, and after a login.
STAFF_LOGGING_IN, STAFF_KNOWN = 10, 12 * 60
# How often a page tells that something opens soon, in seconds, and until when reloads are spread afterwards.
TELL_EVERY, SPREAD = 60, 20
PLANNINGS_A_SECOND = 20  # that a core serves, about


@dataclass(slots=True)
class Visit:
    """One request that is passed on: what the gate found, then what the portal says of it."""

    gate: "Gate"
    enforced: bool = False  # the room is open, and this is a login
    seat: str = ""  # nobody's yet, with which one account may log in
    account: str = ""  # the account whose seat it is
    staff: bool = False  # lets members of staff in, nobody else
    at_staffs_door: bool = False
    comes_from: Ticket | None = None
    # Said by the portal.
    user: str = ""
    user_is_staff: bool = False
    logged_in: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gate answers by itself; `place` is a new one, to be kept by the browser."""

    body: bytes
    again: int
    place: str = ""


class Gate:
    """Wraps the portal's WSGI application. `secure`: cookies are for HTTPS only, as the portal's are."""

    def __init__(
        self,
        application: Application,
        room: Room,
        tickets: Tickets,
        compose: Callable[[], Pages],
        *,
        secure: bool,
        https: tuple[str, str] | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._application = application
        self.room, self.tickets = room, tickets
        self._compose = compose
        self.pages = compose()
        self._secure, self._https = secure, https
        self._headers = list(headers)
        self._place = "__Host-place" if secure else "place"
        self._agent = "__Host-agent" if secure else "agent"
        self._trouble_until = 0.0
        self._in_trouble = False
        self._staff_lock = threading.Lock()
        self._staff_tokens, self._staff_at = STAFF_BURST, 0.0
        self._cookie_rest = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        now = time.time()
        visit: Visit | None = None
        try:
            if now >= self._trouble_until or now < self._trouble_until - OPEN_DOOR:
                found = self._judge(environ, now)
                if isinstance(found, Answer):
                    return self._answer(environ, start_response, found)
                visit = found
                self._in_trouble = False
        except Trouble as trouble:
            self._open_the_door(trouble, now)
        except Exception:  # whatever it is, a family's request is passed on
            logger.exception("The gate of the waiting room failed")
            self._trouble_until = now + OPEN_DOOR
        return self._pass_on(environ, start_response, visit or Visit(self))

    def refresh(self) -> None:
        """The pages as the town looks now; called by the portal, never while somebody waits for them."""
        self.pages = self._compose()

    def _open_the_door(self, trouble: Exception, now: float) -> None:
        """Said once, until it is over."""
        self._trouble_until = now + OPEN_DOOR
        if not self._in_trouble:
            self._in_trouble = True
            logger.error("%s, everybody comes in: %s", NOT_KEPT_NOW, trouble)

    # Who comes in ------------------------------------------------------------------------------------------

    def _judge(self, environ: Environ, now: float) -> Visit | Answer:
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD", "")
        self.room.meter.take_up(meter.lay(environ))
        self.room.look(now)
        cookies = environ.get("HTTP_COOKIE", "")
        mine = self.tickets.read(cookie_of(cookies, self._place)) if self._place in cookies else None
        visit = Visit(self, comes_from=mine)
        if method not in QUEUED.get(path, ()) or self._goes_to_https(environ):
            opening = PLANNING.fullmatch(path) if method in ("GET", "HEAD") else None
            if opening and mine and mine.kind == "a":
                return self._opens_soon(int(opening[1]), mine, now) or visit
            return visit
        minute = int(now // 60)
        fresh = mine is not None and mine.kind in "ea" and 0 <= minute - mine.number <= line.INSIDE_MINUTES
        if mine and fresh:
            visit.seat, visit.account = (mine.name, "") if mine.kind == "e" else ("", mine.name)
        visit.staff = self._is_staffs(cookies, minute)
        if not fresh and not (mine and mine.kind == "w"):
            self.room.meter.arrive()
        if not self.room.store.board().open:
            if not fresh and path == LOGIN and method == "GET":
                visit.seat = secrets.token_hex(8)
            return visit
        visit.enforced = path == LOGIN
        if fresh or visit.staff:
            return visit
        if path == LOGIN and DESK_LOGIN.search(environ.get("QUERY_STRING", "")) and self._staffs_door(now):
            visit.staff = visit.at_staffs_door = True
            return visit
        came = self.room.come_back(mine.name, mine.number, now) if mine and mine.kind == "w" else None
        came = came or self.room.arrive(now)
        if isinstance(came, ComesIn):
            visit.seat = came.seat
            return visit
        return self._waits(came, mine)

    def _waits(self, came: Waits, mine: Ticket | None) -> Answer:
        if came.number is None:
            return Answer(self.pages.full.fill({"again": str(line.LATEST)}), line.LATEST)
        again = line.ask_again(came.seconds, came.number)
        place = Ticket("w", self.room.store.generation, came.number)
        body = self.pages.line.fill(
            {"place": pages.number(came.rank), "wait": pages.about(came.seconds), "again": str(again)}
        )
        return Answer(body, again, "" if place == mine else self.tickets.write(place))

    def _opens_soon(self, period: int, mine: Ticket, now: float) -> Answer | None:
        """The same for everybody until the very second; then the portal decides, spread over a while."""
        opening = self.room.known(now).opening(period, now)
        if opening is None:
            return None
        seconds = opening.at - now
        again = TELL_EVERY
        if seconds <= 1.5 * TELL_EVERY:
            board = self.room.store.board()
            spread = self.room.store.inside(int(now // 60)) / (PLANNINGS_A_SECOND * board.cores)
            share = int(mine.name[:4], 16) / 0x10000
            # Rounded up: nobody comes before the moment.
            again = int(seconds) + 1 + round(share * min(SPREAD, spread))
        values = {"name": opening.name, "hour": opening.hour, "left": pages.left(seconds)}
        return Answer(self.pages.opening.fill(values), again)

    def _goes_to_https(self, environ: Environ) -> bool:
        """Without HTTPS no cookie is kept: the portal sends these elsewhere."""
        if not self._secure:
            return False
        if self._https is not None:
            said = environ.get(self._https[0], "").split(",")[0].strip()
            return bool(said != self._https[1])
        return bool(environ.get("wsgi.url_scheme") != "https")

    def _is_staffs(self, cookies: str, minute: int) -> bool:
        found = self.tickets.read(cookie_of(cookies, self._agent)) if self._agent in cookies else None
        return found is not None and found.kind == "s" and found.number >= minute

    def _staffs_door(self, now: float) -> bool:
        with self._staff_lock:
            since = max(0.0, now - self._staff_at)
            self._staff_tokens = min(STAFF_BURST, self._staff_tokens + since * STAFF_PACE)
            self._staff_at = now
            if self._staff_tokens < 1:
                return False
            self._staff_tokens -= 1
            return True

    # What is answered here ---------------------------------------------------------------------------------

    def _answer(self, environ: Environ, start_response: StartResponse, answer: Answer) -> Iterable[bytes]:
        headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(answer.body))),
            ("Retry-After", str(answer.again)),
            # Works without JavaScript; of the same address, by GET.
            ("Refresh", str(answer.again)),
            NOT_KEPT,
            ("Vary", "Cookie"),
            ("Content-Security-Policy", self.pages.policy),
            *self._headers,
        ]
        if answer.place:
            headers.append(self._cookie(self._place, answer.place, 12 * 3600))
        if not self._read_away(environ):
            headers.append(("Connection", "close"))
        start_response("503 Service Unavailable", headers)
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [answer.body]

    def _read_away(self, environ: Environ) -> bool:
        """The body of a login that is not taken up: an answer before it would break the connection."""
        length = posted_number(environ.get("CONTENT_LENGTH") or "0", most=SMALL_BODY)
        if length is None or "HTTP_TRANSFER_ENCODING" in environ:
            return False
        if length:
            environ["wsgi.input"].read(length)
        return True

    def _cookie(self, name: str, value: str, seconds: int) -> tuple[str, str]:
        return "Set-Cookie", f"{name}={value}; Max-Age={seconds}{self._cookie_rest}"

    # What is passed on -------------------------------------------------------------------------------------

    def _pass_on(self, environ: Environ, start_response: StartResponse, visit: Visit) -> Iterable[bytes]:
        environ[VISIT] = visit
        measure = self.room.meter
        begun = measure.begin(now := time.time())
        if now >= self._trouble_until:
            self._try(lambda: self.room.note(now))
        over = False

        def end() -> None:
            nonlocal over
            if not over:
                over = True
                measure.end(time.time(), begun, logged_in=visit.logged_in)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if visit.refused:
                return _nowhere
            return start_response(status, [*headers, *self._cookies(visit, status, headers)], *rest)

        try:
            answer = self._application(environ, start)
        except BaseException:
            end()
            raise
        if visit.refused:
            _close(answer)
            end()
            return self._answer(environ, start_response, self._refuse(visit))
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(answer, wrapper):
            end()  # the server sends the file by itself
            return answer
        return _Passed(answer, end)

    def _refuse(self, visit: Visit) -> Answer:
        """A password was right, but this place has served another account: at the end of the line."""
        came: list[Answer] = []

        def take() -> None:
            waits = self.room.queue(time.time())
            came.append(self._waits(waits, None))

        self._try(take)
        return came[0] if came else Answer(self.pages.full.fill({"again": str(line.LATEST)}), line.LATEST)

    def _cookies(self, visit: Visit, status: str, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """What the browser keeps from now on. Nothing on an answer that others may be given again."""
        kept = {name.lower(): value for name, value in headers}
        if "public" in kept.get("cache-control", ""):
            return []
        minute, found = int(time.time() // 60), []
        page = kept.get("content-type", "").startswith("text/html") or status[0] == "3"
        if visit.user and page:
            account = self.tickets.name(f"account:{visit.user}")
            mine = Ticket("a", account, minute)
            if visit.comes_from != mine:
                self._try(lambda: self.room.store.sit(account, minute))
                found.append(self._cookie(self._place, self.tickets.write(mine), 12 * 3600))
            if visit.user_is_staff and (visit.logged_in or visit.comes_from != mine):
                ticket = Ticket("s", "", minute + STAFF_KNOWN)
                found.append(self._cookie(self._agent, self.tickets.write(ticket), STAFF_KNOWN * 60))
        elif visit.seat and page:
            mine = Ticket("e", visit.seat, minute)
            known = visit.comes_from is not None and visit.comes_from.name == visit.seat
            if visit.comes_from != mine and (not known or self._sits(visit.seat, minute)):
                found.append(self._cookie(self._place, self.tickets.write(mine), 12 * 3600))
        if visit.at_staffs_door and not visit.user:
            ticket = Ticket("s", "", minute + STAFF_LOGGING_IN)
            found.append(self._cookie(self._agent, self.tickets.write(ticket), STAFF_LOGGING_IN * 60))
        return found

    def _sits(self, seat: str, minute: int) -> bool:
        found: list[bool] = []
        self._try(lambda: found.append(self.room.store.sit(seat, minute)))
        return bool(found and found[0])

    def _try(self, do: Callable[[], object]) -> None:
        try:
            do()
        except Trouble as trouble:
            self._open_the_door(trouble, time.time())

    # Asked by the portal -----------------------------------------------------------------------------------

    def admits(self, visit: Visit, user: str, *, is_staff: bool) -> bool:
        """Whether an account whose password was right may come in by this place."""
        account, admitted = self.tickets.name(f"account:{user}"), [not visit.enforced]
        if visit.seat:
            minute = int(time.time() // 60)
            bound = [True]
            self._try(lambda: bound.__setitem__(0, self.room.store.bind(visit.seat, account, minute)))
            admitted.append(bound[0])
        admitted += [visit.account == account, visit.staff and is_staff]
        visit.refused = not any(admitted)
        return not visit.refused


class _Passed:
    """The portal's answer; what it costs ends with it."""

    def __init__(self, answer: Iterable[bytes], end: Callable[[], None]) -> None:
        self._answer, self._end = answer, end

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        try:
            _close(self._answer)
        finally:
            self._end()


def _close(answer: Iterable[bytes]) -> None:
    close = getattr(answer, "close", None)
    if close is not None:
        close()


def _nowhere(data: bytes) -> None:
    """Where the head of an answer goes that is not given."""
