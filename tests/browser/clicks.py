"""How many clicks a piece of work takes: every press of the mouse and of Enter, a choice in a list too.

    work = Clicks(page)
    work.click("Enregistrer"); work.count

What is typed is not counted, nor what is read.
"""

from typing import Literal

from playwright.sync_api import Locator, Page

Role = Literal["link", "button", "checkbox", "radio", "tab", "searchbox"]


class Clicks:
    """One agent's hands on one page."""

    def __init__(self, page: Page) -> None:
        self.page, self.count = page, 0

    def press(self, where: Locator) -> None:
        where.click()
        self.count += 1

    def link(self, name: str, *, exact: bool = False) -> None:
        self.press(self.page.get_by_role("link", name=name, exact=exact).first)

    def button(self, name: str) -> None:
        self.press(self.page.get_by_role("button", name=name).first)

    def tick(self, name: str) -> None:
        self.press(self.page.get_by_label(name).first)

    def choose(self, label: str, words: str) -> None:
        """In a list, the first choice with these words."""
        field = self.page.get_by_label(label).first
        value = field.locator("option", has_text=words).first.get_attribute("value")
        field.select_option(value)
        self.count += 1

    def type(self, label: str, words: str) -> None:
        """Into a field that the keyboard reaches; not counted."""
        self.page.get_by_label(label).first.fill(words)

    def find(self, words: str) -> None:
        """« Rechercher »: the field, what is said, Enter."""
        field = self.page.locator("#desk-find-field")
        self.press(field)
        field.fill(words)
        self.enter(field)

    def enter(self, where: Locator) -> None:
        where.press("Enter")
        self.count += 1
        self.page.wait_for_load_state()
