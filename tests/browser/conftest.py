"""A real browser before the real pages. Journeys are walked with JavaScript and again without."""

import functools
import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from families.models import User
from tests import chromium
from tests.conftest import logged_in

# Playwright's loop runs in the test's thread, next to ordinary ORM calls.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

WIDE, PHONE, NARROW = (1280, 900), (390, 844), (320, 640)
# A long journey is walked three times: a wide screen without JavaScript brings nothing that these do not.
EVERY_WAY = pytest.mark.parametrize(
    ("javascript", "size"),
    [(True, WIDE), (True, PHONE), (False, PHONE)],
    ids=["wide", "phone", "phone without JavaScript"],
)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Called for what lies in this folder only."""
    item.add_marker("browser")


def serve_for_long(handler: StaticFilesHandler, request: HttpRequest) -> HttpResponseBase:
    """As a deployment says of its files, whose names change with what they hold: each page would ask for all
    of them again. Years, since the browser's clock does not stand still at the tests' day."""
    answer = SERVE(handler, request)
    answer["Cache-Control"] = f"max-age={timedelta(days=3650).total_seconds():.0f}, immutable"
    return answer


SERVE = StaticFilesHandler.serve
# Milliseconds; a busy disk may hold up a write for seconds.
PATIENCE = 15_000
expect.set_options(timeout=PATIENCE)


def once_whole(act: Callable[..., None]) -> Callable[..., None]:
    """A hand waits until a page stands still: a half-read one moves, and the click is lost."""

    @functools.wraps(act)
    def act_then(locator: Locator, *args: object, **options: object) -> None:
        locator.wait_for(state="attached")
        locator.page.wait_for_load_state()
        act(locator, *args, **options)

    return act_then


@pytest.fixture(scope="session")
def browser(live_server) -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setattr(StaticFilesHandler, "serve", serve_for_long)
        for act in (Locator.click, Locator.check, Locator.uncheck):
            patch.setattr(Locator, act.__name__, once_whole(act))
        found = chromium.launch(playwright)
        yield found
        found.close()
    # Before the server goes: each of its threads closes what it shares with the tests.
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(timeout=10)


@pytest.fixture
def open_page(browser: Browser, live_server) -> Iterator[Callable[..., Page]]:
    """`open_page(login, size=…, javascript=…)`: a page of a new visitor; with `login`, « Mon compte famille »
    of who has logged in (one journey types the password)."""
    contexts = []
    complaints: list[str] = []

    def open_one(login: str = "", *, size: tuple[int, int] = WIDE, javascript: bool = True) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": size[0], "height": size[1]},
            java_script_enabled=javascript,
            locale="fr-FR",
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if "Content Security" in message.text else None,
        )
        if login:
            session = logged_in(User.objects.get(username=login)).cookies[settings.SESSION_COOKIE_NAME]
            context.add_cookies([{"name": session.key, "value": session.value, "url": live_server.url}])
            page.goto("/")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not complaints, "The browser complained."


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def javascript(request: pytest.FixtureRequest) -> bool:
    return request.param
