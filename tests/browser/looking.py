"""What axe finds on a page, and what sticks out of it: on a desk and on a phone, by day and by night."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import NARROW, PHONE, WIDE

AXE = Axe().axe_script
# WCAG 2.2, levels A and AA.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# By night the same page has other colours.
COLOURS = ["color-contrast", "link-in-text-block"]
# Without `preload`: axe would copy the sheets that Django's import into the page, which our policy forbids.
OPTIONS = {"preload": False, "reporter": "no-passes"}
# Colours that fade from one to the other are at once the other.
ARRIVED = """() => {
    const moving = () => document.getAnimations().filter((one) => one instanceof CSSTransition);
    for (let found = moving(); found.length; found = moving()) found.forEach((one) => one.finish());
}"""


def resize(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})


def violations(page: Page, rules: list[str] = RULES, where: dict[str, Any] | None = None) -> list[str]:
    """What axe finds by these `rules` on the page as it stands, or on the part `where` of it."""
    page.wait_for_load_state()
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found = page.evaluate(
        "([where, options]) => axe.run(where || document, options).then((result) => result.violations)",
        [where, OPTIONS | {"runOnly": rules}],
    )
    return [
        f"{page.url}: {violation['id']}: {node['html'][:160]}"
        for violation in found
        for node in violation["nodes"]
    ]


def overflow(page: Page) -> list[str]:
    """Whether the page is wider than its window."""
    page.wait_for_load_state()
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"{page.url}: scrolls sideways by {wider} px"] if wider > 0 else []


def by_night(page: Page, where: dict[str, Any] | None = None) -> list[str]:
    """What the other colours hide."""
    page.emulate_media(color_scheme="dark")
    page.evaluate(ARRIVED)
    found = [f"by night: {one}" for one in violations(page, COLOURS, where)]
    page.emulate_media(color_scheme="light")
    page.evaluate(ARRIVED)
    return found


def faults(page: Page) -> list[str]:
    """All that is wrong with the page that is open: on a desk and on a phone, by day and by night, and on the
    narrowest phone whether it is shown whole."""
    before = page.viewport_size
    found = []
    for size in (WIDE, PHONE):
        resize(page, size)
        found += violations(page) + by_night(page) + overflow(page)
    resize(page, NARROW)
    found += overflow(page)
    if before:
        page.set_viewport_size(before)
    return found
