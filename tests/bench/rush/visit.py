"""A family's browser: its cookies, its address, the forms it reads, the pages it waits for."""

import asyncio
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from random import Random
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from lxml import html

from tests.bench.rush import wire

HOST = "rush.example.org"
HOPS = 6
# A server that is restarted in between is asked again; whoever is told to wait for ever gives up.
POLLS = 400


# What a family then sees that was sent away with its password.
WAITED_FOR = {"log in": "login page"}


class Astray(Exception):
    """A page that is not the one a family expects: an error of the portal, or of the walk."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: `sent` and `took` in seconds, `weight` in bytes over the line."""

    step: str
    sent: float
    took: float
    status: int
    weight: int


@dataclass(slots=True)
class Wait:
    """In the line: when the first answer that says so was asked for and given, when each later one was asked
    for, and when the page came; seconds of the monotonic clock."""

    asked: float
    joined: float
    polls: list[float] = field(default_factory=list)
    entered: float | None = None


class Page:
    """What was answered, as its tree; read once."""

    def __init__(self, address: str, answer: wire.Answer) -> None:
        self.address = address
        self.at = answer.at
        self.tree: Any = html.fromstring(answer.body) if answer.body else html.fromstring("<html></html>")

    def form(self, which: str = "") -> Any:
        """The form with this id, else the last of the page. Raises Astray."""
        forms = [one for one in self.tree.forms if not which or one.get("id") == which]
        if not forms:
            raise Astray(f"no form {which} on {self.address}")
        return forms[-1]

    def link(self, ends: str) -> str:
        """The first address on the page that ends so. Raises Astray."""
        for one in self.tree.iterfind(".//a[@href]"):
            if one.get("href").endswith(ends):
                return str(one.get("href"))
        raise Astray(f"no link …{ends} on {self.address}")

    @property
    def files(self) -> list[str]:
        """Styles, scripts and pictures that a browser asks for beside it."""
        found = [one.get("href") for one in self.tree.iterfind(".//link[@href]")]
        found += [one.get("src") for one in self.tree.iterfind(".//*[@src]")]
        return [urljoin(self.address, one) for one in found if one.startswith("/")]


class Visit:
    """Everything one browser asks for. `thinking` in seconds, on average, before each act."""

    def __init__(
        self, server: tuple[str, int], network: str, rng: Random, *, thinking: float, with_files: bool
    ) -> None:
        self.server = server
        self.rng = rng
        self.thinking = thinking
        self.with_files = with_files
        self.cookies: dict[str, str] = {}
        self.samples: list[Sample] = []
        self.waits: list[Wait] = []
        self.known: set[str] = set()
        self.headers = {
            "Host": HOST,
            "X-Forwarded-For": network,
            "X-Forwarded-Proto": "https",
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) rush",
            "Accept": "text/html",
            "Accept-Language": "fr",
            "Accept-Encoding": "gzip",
        }

    async def think(self) -> None:
        await asyncio.sleep(self.thinking * self.rng.uniform(0.5, 1.5))

    async def open(self, path: str, step: str, *, then: str = "") -> Page:
        """The page at this address; `then` names the requests after a redirection."""
        return await self._follow("GET", path, b"", step, then or step)

    async def send(
        self,
        page: Page,
        form: Any,
        step: str,
        *,
        then: str,
        fill: dict[str, str] | None = None,
        tick: list[tuple[str, str]] | None = None,
    ) -> Page:
        """Posts a form as it stands, with the texts of `fill`, and with what is ticked or pressed beside."""
        fill = fill or {}
        kept = [(name, value) for name, value in form.form_values() if name not in fill]
        body = urlencode([*kept, *fill.items(), *(tick or [])]).encode()
        return await self._follow("POST", urljoin(page.address, form.action or ""), body, step, then)

    async def _follow(self, method: str, path: str, body: bytes, step: str, then: str) -> Page:
        for _ in range(HOPS):
            answer = await self._served(method, path, body, step)
            if answer.status not in (301, 302, 303):
                break
            where = urlsplit(urljoin(path, answer.headers["Location"]))
            path = where._replace(scheme="", netloc="").geturl()
            method, body, step = "GET", b"", then
        if answer.status != 200:
            raise Astray(f"{answer.status} at {step}")
        page = Page(path, answer)
        if self.with_files:
            for file in [one for one in page.files if one not in self.known]:
                self.known.add(file)
                await self._ask("GET", file, b"", "files")
        return page

    async def _served(self, method: str, path: str, body: bytes, step: str) -> wire.Answer:
        """The answer, once the line has let the family in: its page reloads itself as it was told to."""
        answer = await self._ask(method, path, body, step)
        if answer.status != 503 or not answer.headers["Retry-After"]:
            return answer
        wait = Wait(answer.sent, answer.at)
        self.waits.append(wait)
        for _ in range(POLLS):
            await asyncio.sleep(float(answer.headers["Retry-After"]))
            # A reload, also where the answer was to a form.
            answer = await self._ask("GET", path, b"", WAITED_FOR.get(step, step))
            if answer.status != 503:
                wait.entered = answer.at
                return answer
            wait.polls.append(answer.sent)
        raise Astray("left in the line")

    async def _ask(self, method: str, path: str, body: bytes, step: str) -> wire.Answer:
        headers = dict(self.headers)
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method == "POST":
            headers |= {"Origin": f"https://{HOST}", "Content-Type": "application/x-www-form-urlencoded"}
        answer = await wire.exchange(self.server, method, path, headers, body)
        self._keep_cookies(answer)
        named = "waiting" if answer.status == 503 and answer.headers["Retry-After"] else step
        self.samples.append(Sample(named, answer.sent, answer.took, answer.status, answer.weight))
        return answer

    def _keep_cookies(self, answer: wire.Answer) -> None:
        for said in answer.headers.get_all("Set-Cookie", []):
            for name, crumb in SimpleCookie(said).items():
                if crumb["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = crumb.coded_value
