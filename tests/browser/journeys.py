"""What a parent does on the pages that every journey goes through."""

import re

from playwright.sync_api import Locator, Page, expect


def follow(link: Locator) -> None:
    """Clicks what leads to another page, and waits until that page is whole: a click by itself waits until
    its answer begins, no longer, and not at all for a script that asks for the page later."""
    with link.page.expect_navigation():
        link.click()


def block(page: Page, heading: str) -> Locator:
    """A section of the home page, by its heading."""
    return page.get_by_role("region", name=heading)


def choose(page: Page, child: str) -> None:
    """« Choisissez un enfant », in its dialog or on its page."""
    expect(
        page.get_by_role("heading", name="Choisissez un enfant").and_(page.locator(":visible"))
    ).to_be_visible()
    page.get_by_role("link", name=re.compile(rf"^\s*{child}\b")).and_(page.locator(":visible")).click()


def day(page: Page, name: str) -> Locator:
    """The checkbox of a day of the planning, by what its name begins with."""
    return page.get_by_role("checkbox", name=re.compile(f"^{name}"))


def click_day(page: Page, name: str) -> None:
    """As a hand does: on the cell, wherever in it."""
    day(page, name).locator("xpath=ancestor::td").click()


def go_on(page: Page) -> None:
    page.get_by_role("button", name="Suivant").last.click()
