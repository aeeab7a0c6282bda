"""What a login costs the server, and whether its time tells a known account from an unknown one."""

import http.client
import re
import statistics
import time
from itertools import cycle
from urllib.parse import urlencode, urlsplit

from tests.bench import yardsticks
from tests.bench.engine import Measure, measure, over
from tests.bench.pages import PASSWORD, processor_seconds, served

LOGINS = 60
HASHES = 15
PAIRS = 45  # 90 wrong passwords from one network: none of them waits yet
PATH = "/connexion/"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


def run() -> list[Measure]:
    with served() as (address, pid):
        where = urlsplit(address).netloc
        cookie, token = _form(where)
        _log_in(where, cookie, token, "parent", PASSWORD)
        before = processor_seconds(pid)
        for _ in range(LOGINS):
            assert _log_in(where, cookie, token, "parent", PASSWORD)[0] == 302
        spent = (processor_seconds(pid) - before) / LOGINS
        known, unknown = _wrong_ones(where, cookie, token)
    apart = abs(statistics.median(known) - statistics.median(unknown))
    # Below what the same answer differs from itself by, nobody can tell one from the other.
    noise = statistics.median(known) / 5
    return [
        over("login_processor_over_hash", spent, _hash_seconds(), 3),
        measure("login_known_or_unknown", apart * 1000, "ms", noise * 1000),
    ]


def _hash_seconds() -> float:
    """Processor of what no login can do without: the hash of one password, all its threads."""
    check = yardsticks.password_check()
    check()
    return statistics.median(yardsticks.processor(check) for _ in range(HASHES))


def _wrong_ones(where: str, cookie: str, token: str) -> tuple[list[float], list[float]]:
    """Seconds of answers to wrong passwords, of accounts and of names that nobody has, in turns."""
    taken: dict[str, list[float]] = {"famille": [], "inconnu": []}
    numbers = cycle(range(3, 28))
    for number, name in zip(numbers, ["famille", "inconnu"] * PAIRS, strict=False):
        _, seconds = _log_in(where, cookie, token, f"{name}{number:04d}", "faux")
        taken[name].append(seconds)
    return taken["famille"], taken["inconnu"]


def _form(where: str) -> tuple[str, str]:
    """The cookie and the token that a form is posted with."""
    connection = http.client.HTTPConnection(where)
    connection.request("GET", PATH)
    answer = connection.getresponse()
    found = TOKEN.search(answer.read().decode())
    cookie = str(answer.getheader("Set-Cookie")).split(";")[0]
    assert found, cookie
    return cookie, found[1]


def _log_in(where: str, cookie: str, token: str, login: str, password: str) -> tuple[int, float]:
    """The status of the answer, and the seconds that it took."""
    connection = http.client.HTTPConnection(where)
    body = urlencode({"login": login, "password": password, "csrfmiddlewaretoken": token})
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    began = time.perf_counter()
    connection.request("POST", PATH, body, headers)
    answer = connection.getresponse()
    answer.read()
    seconds = time.perf_counter() - began
    connection.close()
    assert answer.status in (200, 302), answer.status
    return answer.status, seconds
