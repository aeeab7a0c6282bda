"""What a family downloads first, and what a server process weighs: the real server, a real browser."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from playwright.sync_api import Browser, Page, Response, sync_playwright

from tests import chromium
from tests.bench.engine import Measure, measure

PASSWORD = "demo-2026-portail"
HOUSEHOLDS = 30
PAGES = 25  # as many as a family opens in an evening
START_WITHIN_SECONDS = 30


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
            first = first_page(browser, address)
            home = _walk(browser, address)
        finally:
            browser.close()
        return [*first, home, measure("worker_memory", _heaviest_child(pid), "MB", 120)]


def first_page(browser: Browser, address: str) -> list[Measure]:
    """Everything the login page makes an empty browser ask for, as it goes over the line."""
    seen: list[Response] = []
    page = browser.new_page()
    page.on("response", lambda response: seen.append(response))
    page.goto(f"{address}/connexion/", wait_until="networkidle")
    # The town's drawing is both picture and icon of the page: the second time it comes from the cache.
    seen = list({response.url: response for response in reversed(seen)}.values())
    weight = sum(_weight(response) for response in seen)
    page.close()
    return [
        measure("first_page_weight", weight / 1000, "kB", 60),
        measure("first_page_requests", len(seen), "requests", 6),
    ]


def _weight(response: Response) -> int:
    """Bytes of a body as they went over the line, compressed or not."""
    return response.request.sizes()["responseBodySize"]


def _walk(browser: Browser, address: str) -> Measure:
    """Logs a parent in and follows links as they come, so that both processes have served real pages.

    Answers what « Mon compte famille » weighs.
    """
    page = browser.new_page(base_url=address)
    page.goto("/connexion/")
    page.fill("input[name=login]", "parent")
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{address}/")
    home = page.goto("/")
    assert home is not None
    weight = _weight(home)
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
    page.close()
    return measure("home_weight", weight / 1000, "kB", 12)


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
