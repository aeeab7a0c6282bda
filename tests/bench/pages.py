"""What a family downloads first, and what a server process weighs: the real server, a real browser."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from playwright.sync_api import Browser, Page, Response, sync_playwright

from tests import chromium
from tests.bench.engine import Measure, measure, over

PASSWORD = "demo-2026-portail"
HOUSEHOLDS = 30
PAGES = 25  # as many as a family opens in an evening
START_WITHIN_SECONDS = 30
# A machine that does much else is no failure.
OPENED_WITHIN_MS = 120_000
ASKED, WARM, AT_ONCE = 12, 2, 5
FIRST_PAGE_OVER_BARE, HOME_OVER_BARE = 2, 9


@contextlib.contextmanager
def served() -> Iterator[tuple[str, int]]:
    """A demo town on an SQLite file of its own: its address, and the process id of gunicorn."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        environment |= {"PORTAL_DEMO": "1", "PORTAL_VAR": folder, "DJANGO_SETTINGS_MODULE": "portal.settings"}
        place = {"cwd": settings.BASE_DIR, "env": environment}
        for command in (
            ("migrate", "--verbosity", "0"),
            ("createcachetable",),
            ("collectstatic", "--no-input", "--verbosity", "0"),
            ("load_demo", "--households", str(HOUSEHOLDS), "--verbosity", "0"),
        ):
            subprocess.run([sys.executable, "manage.py", *command], check=True, **place)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ["--workers", "2", "--threads", "4", "--log-level", "warning", "--no-control-socket"]
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", f"127.0.0.1:{port}", *options],
            **place,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address)
            yield address, server.pid
        finally:
            server.terminate()
            server.wait(20)


def run() -> list[Measure]:
    with served() as (address, pid), sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        try:
            first = cold(browser, f"{address}/connexion/")
            family = _walk(browser, address)
            home = cold(browser, f"{address}/", family)
        finally:
            browser.close()
        cookies = "; ".join(f"{one['name']}={one['value']}" for one in family["cookies"])
        bare, login, account = processor(address, pid, cookies, "/accessibilite/", "/connexion/", "/")
        return [
            measure("first_page_weight", first.weight / 1000, "kB", 60),
            measure("first_page_requests", first.requests, "requests", 6),
            measure("home_weight", home.document / 1000, "kB", 12),
            measure("home_cold_weight", home.weight / 1000, "kB", 60),
            measure("home_cold_requests", home.requests, "requests", 8),
            # Beside a page of the same frame that asks nothing and says always the same.
            over("first_page_over_bare", login, bare, FIRST_PAGE_OVER_BARE),
            over("home_over_bare", account, bare, HOME_OVER_BARE),
            measure("worker_memory", _heaviest_child(pid), "MB", 120),
        ]


class Loaded(NamedTuple):
    """Bytes of all bodies and of the page itself, as they went over the line; and how many there were."""

    weight: int
    document: int
    requests: int


def cold(browser: Browser, url: str, logged_in: Any = None) -> Loaded:
    """All that a page makes a browser with an empty cache ask for, compressed as the server does it."""
    seen: list[Response] = []
    context = browser.new_context(storage_state=logged_in)
    page = context.new_page()
    page.set_default_timeout(OPENED_WITHIN_MS)
    page.on("response", lambda response: seen.append(response))
    page.goto(url, wait_until="networkidle")
    # The town's drawing is both picture and icon of the page: the second time it comes from the cache.
    weights = {response.url: _weight(response) for response in reversed(seen)}
    context.close()
    return Loaded(sum(weights.values()), weights[url], len(weights))


def _weight(response: Response) -> int:
    """Bytes of a body as they went over the line, compressed or not."""
    return response.request.sizes()["responseBodySize"]


def processor(address: str, pid: int, cookies: str, *paths: str) -> list[float]:
    """Seconds of processor of the server for each of these pages, asked as a browser does, a connection each
    time; in turns, so that a busy machine slows all alike."""
    spent = dict.fromkeys(paths, 0.0)
    for number in range(ASKED + WARM):
        for path in paths:
            before = processor_seconds(pid)
            for _ in range(AT_ONCE):
                _ask(address, path, "" if path == "/connexion/" else cookies)
            if number >= WARM:
                spent[path] += processor_seconds(pid) - before
    return list(spent.values())


def _ask(address: str, path: str, cookies: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    headers = {"Accept-Encoding": "gzip, deflate, br"} | ({"Cookie": cookies} if cookies else {})
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200, (path, answer.status)
    assert answer.getheader("Content-Encoding") == "gzip", path
    answer.read()
    connection.close()


def processor_seconds(parent: int) -> float:
    """What the processes started by `parent` have used of the processor, all their threads."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    threads = [thread for child in children for thread in Path(f"/proc/{child}/task").iterdir()]
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def _walk(browser: Browser, address: str) -> Any:
    """Logs a parent in and follows links as they come, so that both processes have served real pages.

    Answers what the browser keeps of being logged in.
    """
    page = browser.new_page(base_url=address)
    page.set_default_timeout(OPENED_WITHIN_MS)
    page.goto("/connexion/")
    page.fill("input[name=login]", "parent")
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{address}/")
    waiting, known = _links(page, address), set()
    while waiting and len(known) < PAGES:
        link = waiting.pop(0)
        if link in known or "deconnexion" in link:
            continue
        known.add(link)
        response = page.goto(link)
        assert response is not None
        assert response.status < 400, (link, response.status)
        waiting += _links(page, address)
    assert len(known) > 10, known
    family = page.context.storage_state()
    page.close()
    return family


def _links(page: Page, address: str) -> list[str]:
    """Pages of the portal linked from this one, without fragments."""
    found = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
    whole = [urlsplit(urljoin(page.url, link))._replace(fragment="") for link in found]
    return [link.geturl() for link in whole if link.geturl().startswith(f"{address}/")]


def _wait_for(address: str) -> None:
    place = urlsplit(address)
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while True:
        try:
            with socket.create_connection((place.hostname, place.port), timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _heaviest_child(parent: int) -> float:
    """Resident memory of the heaviest process started by `parent`, in MB; shared pages are counted too."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    statuses = [Path(f"/proc/{child}/status").read_text() for child in children]
    return max(
        int(line.split()[1]) / 1000 for text in statuses for line in text.splitlines() if "VmRSS" in line
    )
