"""Letters: rendered at once and kept, within the transaction that posts them; sent by the worker after it.

Whoever holds a live link holds the account. So a letter with one is made by the worker as it sends it: until
then, and afterwards, the task table knows its kind and whose it is, and no link; what is kept of it has none.

    post(template, to, context)     any other letter
    post_all(letters)               many letters, kept with one query
    queue(letters)                  the same, queued within the transaction and not after it
    make_live(kind, make)           an app says how it makes a letter with a live link
    post_live(kind, key)            has it made and sent
    lend(keeper)                    an app keeps what is posted, and what became of it
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template import Context, Engine
from django.template.loader import get_template
from django.utils import timezone
from django_tasks import task
from django_tasks.base import Task

from portal import town

logger = logging.getLogger(__name__)

# A mail server that is down for lunch must not cost a family its letter.
RETRY_AFTER = [timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6)]


class Letter(NamedTuple):
    """What a letter is rendered with, and the one address it goes to."""

    to: str
    context: dict[str, Any]


@dataclass(frozen=True)
class Posted:
    """A letter as it is rendered, to one address. `headers` are the mail's own, beside the usual ones."""

    kind: str
    to: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str] = field(default_factory=dict)
    # Had a link that opens an account, which `text` does not hold.
    live: bool = False
    # The household (its key) that it is written to, where it is one's.
    home: int | None = None


class Keeper(Protocol):
    """Keeps what is posted. Each method works within the caller's transaction."""

    def keep(self, letters: Sequence[Posted], at: datetime) -> "list[tuple[Posted, int | None]]":
        """Each as its address is to get it (see `with_query`), in their order, with its number; None of one
        that is not kept. How many they are changes no query."""

    def sent(self, number: int, at: datetime) -> None: ...

    def failed(self, number: int) -> None: ...


_keepers: list[Keeper] = []


def lend(keeper: Keeper) -> None:
    """The one that keeps letters; lent again, the last one does."""
    _keepers[:] = [keeper]


# A letter out of its key; None where there is nothing to send any more. Its kind is its template.
MakeLetter = Callable[[int], Letter | None]
_live: dict[str, MakeLetter] = {}


def make_live(kind: str, make: MakeLetter) -> None:
    """Letters of this kind are made by `make`, which is given the key that `post_live` was given."""
    _live[kind] = make


def live_kinds() -> set[str]:
    return set(_live)


def post_live(kind: str, key: int) -> None:
    """Has the letter made and sent after commit. Raises KeyError where nobody makes this kind."""
    if kind not in _live:
        raise KeyError(kind)
    transaction.on_commit(partial(send_live.enqueue, kind, key), robust=True)


class Addressees(dict[str, str]):
    """The first name behind each address of a household, `home` its key."""

    def __init__(self, names: Iterable[tuple[str, str]], home: int) -> None:
        super().__init__(names)
        self.home = home


def post(
    template: str,
    to: Iterable[str] | Mapping[str, str],
    context: dict[str, Any],
    *,
    home: int | None = None,
) -> None:
    """Renders the letter `template` now and has it sent to each address of `to` after commit.

    `templates/emails/<template>.txt` gives the subject (first line), a blank line, then the text, and is
    rendered without HTML escaping; `templates/emails/<template>.html` gives the same letter in HTML. Both
    receive `context` plus `town` and `portal_url` (no trailing slash), so that a link is written
    `{{ portal_url }}{% url 'home' %}`.

    Everyone gets an own mail: the addresses of two separated parents are nobody else's business. Where `to`
    says the first name behind each address, everyone is greeted by it (`name` in the letter).
    `home` is the household that it is written to, where one may have several (see `written`).
    Empty and repeated addresses are left out. Raises TemplateDoesNotExist when one of the two is missing, and
    ValueError for a letter with a live link.
    """
    post_all(written(template, to, context, home=home))


def written(
    template: str,
    to: Iterable[str] | Mapping[str, str],
    context: dict[str, Any],
    headers: Mapping[str, str] | None = None,
    home: int | None = None,
) -> list[Posted]:
    """The letter as each address gets it, for `post_all` and `queue`; raises as `post` does. `home` is the
    household (its key) that it is written to, which `Addressees` know themselves."""
    home = to.home if isinstance(to, Addressees) else home
    if template in _live:
        raise ValueError(f"{template} has a live link: see post_live")
    names = dict(to) if isinstance(to, Mapping) else dict.fromkeys(to)
    rendered: dict[str | None, tuple[str, str, str]] = {}
    letters = []
    for address, name in names.items():
        if not address:
            continue
        if name not in rendered:
            rendered[name] = render(template, context if name is None else context | {"name": name})
        letters.append(Posted(template, address, *rendered[name], headers=headers or {}, home=home))
    return letters


def post_all(letters: Sequence[Posted]) -> None:
    """Keeps these letters and has them sent after commit; two queries, however many they are."""
    for letter, number in _kept(letters):
        transaction.on_commit(partial(_enqueue, letter, number), robust=True)


def queue(letters: Sequence[Posted]) -> None:
    """Keeps these letters and queues them within the caller's transaction: the queue is a table of the same
    database, so that whatever else the transaction writes and its mails are kept or lost together."""
    for letter, number in _kept(letters):
        _enqueue(letter, number)


def _kept(letters: Sequence[Posted]) -> list[tuple[Posted, int | None]]:
    if not letters:
        return []
    for keeper in _keepers:
        return keeper.keep(letters, timezone.now())
    return [(letter, None) for letter in letters]


def _enqueue(letter: Posted, number: int | None) -> None:
    send.enqueue(
        letter.to,
        letter.subject,
        letter.text,
        letter.html,
        number=number,
        headers=dict(letter.headers),
    )


def render(template: str, context: dict[str, Any]) -> tuple[str, str, str]:
    """Subject, text and HTML of a letter (see `post`)."""
    filled = {"town": town.current(), "portal_url": settings.PORTAL_URL.rstrip("/")} | context
    plain = (
        Engine.get_default().get_template(f"emails/{template}.txt").render(Context(filled, autoescape=False))
    )
    first, _, rest = plain.strip().partition("\n")
    text = re.sub(r"\n{3,}", "\n\n", rest.strip()) + "\n"
    html = get_template(f"emails/{template}.html").render(filled)
    return " ".join(first.split()), text, html


@task(queue_name="mail")
def send(
    to: str,
    subject: str,
    text: str,
    html: str,
    attempt: int = 0,
    number: int | None = None,
    headers: dict[str, str] | None = None,
) -> None:
    """Sends one mail; tries again later while the mail server refuses, then gives up and says so."""
    message = EmailMultiAlternatives(subject, text, to=[to], headers=headers or {})
    again = partial(
        _later, send, attempt, to, subject, text, html, attempt + 1, number=number, headers=headers
    )
    _deliver(message, html, attempt, number, again)


@task(queue_name="mail")
def send_live(kind: str, key: int, attempt: int = 0, number: int | None = None) -> None:
    """Makes a letter with a live link and sends it; a later attempt makes it anew."""
    letter = _live[kind](key)
    if letter is None:
        return
    subject, text, html = render(kind, letter.context)
    if attempt == 0:
        kept = Posted(kind, letter.to, subject, without_links(text), "", live=True)
        [(_, number)] = _kept([kept])
    again = partial(_later, send_live, attempt, kind, key, attempt + 1, number=number)
    _deliver(LiveMail(subject, text, to=[letter.to]), html, attempt, number, again)


class LiveMail(EmailMultiAlternatives):
    """A mail with a live link: what is kept of it elsewhere lacks the link."""


LINK = re.compile(r"https?://\S+")
NO_LINK = "(lien à usage unique : il n'est pas conservé)"


def without_links(text: str) -> str:
    """The text as it is kept. Every link goes, so that no template needs to say which one is live."""
    return LINK.sub(NO_LINK, text)


def with_query(letter: Posted, query: str) -> Posted:
    """The same letter, whose links to the portal also say `query` (« foyer=12 »)."""
    portal = settings.PORTAL_URL.rstrip("/")
    link = re.compile(rf"{re.escape(portal)}(?P<path>/[^\s\"'<>#]*?)?(?P<rest>[.,;:!?)]*(?=[\s\"'<>#]|$))")

    def said(text: str, also: str) -> str:
        def one(found: re.Match[str]) -> str:
            path = found["path"] or "/"
            return f"{portal}{path}{also if '?' in path else '?'}{query}{found['rest']}"

        return link.sub(one, text)

    return replace(letter, text=said(letter.text, "&"), html=said(letter.html, "&amp;"))


def _deliver(
    message: EmailMultiAlternatives,
    html: str,
    attempt: int,
    number: int | None,
    again: Callable[[], object],
) -> None:
    """Hands one mail to the server; while it refuses, `again` has it tried later."""
    message.attach_alternative(html, "text/html")
    try:
        message.send()
    except OSError as error:  # every SMTP error is one
        if attempt >= len(RETRY_AFTER):
            if number is not None:
                for keeper in _keepers:
                    keeper.failed(number)
            raise
        # The error's class only: its text may hold the address.
        logger.warning("Mail not sent (%s), attempt %d; trying again.", type(error).__name__, attempt + 1)
        again()
    else:
        if number is not None:
            for keeper in _keepers:
                keeper.sent(number, timezone.now())


def _later(sending: Task[Any, Any], attempt: int, *given: Any, **named: Any) -> None:
    sending.using(run_after=timezone.now() + RETRY_AFTER[attempt]).enqueue(*given, **named)
