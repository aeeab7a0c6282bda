"""Following the links of pages as far as they lead, one page of each kind."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from django.test import Client

NUMBER = re.compile(r"\d+")
LEAVES = re.compile(r"/(deconnexion|logout)/")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        where = dict(attrs).get("href") if tag == "a" else None
        if where:
            self.found.append(where)


def walk(client: Client, start: str, seen: set[str]) -> dict[str, int]:
    """The status of every page that is reached from `start`, by its path.

    Pages whose paths differ by their numbers only are alike: one of each is looked at, and none of those that
    somebody has `seen` before.
    """
    answers: dict[str, int] = {}
    waiting, asked = [start], {start}
    while waiting:
        where = waiting.pop(0)
        page = client.get(where, follow=True)
        answers[where] = page.status_code
        if page.status_code == 200:
            seen.add(NUMBER.sub("0", where))
        for link in _links(where, page):
            alike = NUMBER.sub("0", link)
            if alike not in asked | seen and not LEAVES.search(link):
                asked.add(alike)
                waiting.append(link)
    return answers


def _links(where: str, page) -> Iterator[str]:
    """The paths on this portal that a page leads to."""
    if page.streaming:
        b"".join(page.streaming_content)
        return
    if "text/html" not in page["Content-Type"]:
        return
    reader = _Links()
    reader.feed(page.content.decode())
    for link in reader.found:
        to = urlsplit(urljoin(where, link))
        if not to.netloc and to.path.startswith("/"):
            yield to.path
