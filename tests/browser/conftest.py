"""A real browser before the real pages. Journeys are walked with JavaScript and again without."""

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests import chromium
from tests.factories import PASSWORD

# Playwright's loop runs in the test's thread, next to ordinary ORM calls.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

WIDE, PHONE, NARROW = (1280, 900), (390, 844), (320, 640)
# A long journey is walked three times: a wide screen without JavaScript brings nothing that these do not.
EVERY_WAY = pytest.mark.parametrize(
    ("javascript", "size"),
    [(True, WIDE), (True, PHONE), (False, PHONE)],
    ids=["wide", "phone", "phone without JavaScript"],
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = chromium.launch(playwright)
        yield found
        found.close()


@pytest.fixture
def open_page(browser: Browser, live_server) -> Iterator[Callable[..., Page]]:
    """`open_page(login, size=…, javascript=…)`: a page of a new visitor, logged in when `login` is given."""
    contexts = []
    complaints: list[str] = []

    def open_one(login: str = "", *, size: tuple[int, int] = WIDE, javascript: bool = True) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": size[0], "height": size[1]},
            java_script_enabled=javascript,
            locale="fr-FR",
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if "Content Security" in message.text else None,
        )
        if login:
            log_in(page, login)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not complaints, "The browser complained."


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def javascript(request: pytest.FixtureRequest) -> bool:
    return request.param


def log_in(page: Page, login: str) -> None:
    page.goto("/connexion/")
    page.get_by_label("Identifiant").fill(login)
    page.locator("input").and_(page.get_by_label("Mot de passe")).fill(PASSWORD)
    page.get_by_role("button", name="Se connecter").click()
    page.wait_for_url("**/")
