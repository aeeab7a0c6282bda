"""Letters: rendered at once and kept, within the transaction that posts them; sent by the worker after it.

Whoever holds a live link holds the account. So a letter with one is made by the worker as it sends it: until
then, and afterwards, the task table knows its kind and whose it is, and no link; what is kept of it has none.

    post(template, to, context)     any other letter
    post_all(letters)               many letters, kept with one query
    queue(letters)                  the same, queued within the transaction and not after it
    post_unkept(letter)             one that nobody keeps
    lend_files(kind, read)          an app says which files go with letters of a kind
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
from django_tasks_db.backend import DatabaseBackend

from portal import town
from portal.database import trials
from portal.letters import connection, marks, wordings
from portal.letters.refusals import Fate, judge
from portal.tasks import current, priorities
from portal.tasks.attempts import at_most

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
    # Goes with files: which ones, for who lends them to this kind (`lend_files`).
    files: int | None = None

    @property
    def is_paper(self) -> bool:
        """Kept for the desk to print, and sent to nobody: no mail reaches its household."""
        return not self.to


class Keeper(Protocol):
    """Keeps what is posted. Each method works within the caller's transaction."""

    def keep(self, letters: Sequence[Posted], at: datetime) -> "list[tuple[Posted, int | None]]":
        """Each as its address is to get it (see `with_query`), in their order, with its number; None of one
        that is not kept. How many they are changes no query."""

    def sent(self, number: int, at: datetime) -> None: ...

    def failed(self, number: int, why: str = "") -> None:
        """Will not be sent any more; `why` in a server's words."""

    def repeated(self, number: int) -> None:
        """Is sent again by a worker that cannot know whether it had left."""

    def unreached(self, number: int, why: str, at: datetime, *, by_report: bool) -> None:
        """Failed: nobody is reached at its address. The server refused it, or (`by_report`) it came back."""


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
    _hand_over(partial(send_live.enqueue, kind, key))


# Kinds (or how their names begin) that somebody waits for: they pass all others. Live ones do anyway.
_urgent: set[str] = set()


def urgent(*kinds: str) -> None:
    """Letters of these kinds, or whose kind begins so (« account/ »), pass all others in the queue."""
    _urgent.update(kinds)


def _priority(kind: str, *, many: bool) -> int:
    if kind.startswith(tuple(_urgent)):
        return priorities.URGENT
    return priorities.MANY if many else priorities.USUAL


def _hand_over(enqueue: Callable[[], object]) -> None:
    """A queue that is a table of this database takes it within the transaction: neither is kept without the
    other, whatever happens after the commit. Another one is told after it."""
    if isinstance(send.get_backend(), DatabaseBackend):
        enqueue()
    else:
        transaction.on_commit(enqueue, robust=True)


class Addressees(dict[str, str]):
    """The first name behind each address of a household, `home` its key; `on_paper`: no mail reaches it, what
    it is written is printed at the desk."""

    def __init__(self, names: Iterable[tuple[str, str]], home: int, *, on_paper: bool = False) -> None:
        super().__init__(names)
        self.home = home
        self.on_paper = on_paper


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
    if isinstance(to, Addressees) and to.on_paper and not names:
        return [Posted(template, "", *render(template, context), home=home)]
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
        if not letter.is_paper:
            _hand_over(partial(_enqueue, letter, number))


def post_unkept(letter: Posted) -> None:
    """Has a letter sent that is kept nowhere: one that somebody tries on oneself."""
    _hand_over(partial(_enqueue, letter, None))


def queue(letters: Sequence[Posted]) -> list[int | None]:
    """Keeps many letters and queues them within the caller's transaction: the queue is a table of the same
    database, so that whatever else the transaction writes and its mails are kept or lost together. They let
    others pass. Returns the number of each, in their order."""
    kept = _kept(letters)
    for letter, number in kept:
        if not letter.is_paper:
            _enqueue(letter, number, many=True)
    return [number for _, number in kept]


def _kept(letters: Sequence[Posted]) -> list[tuple[Posted, int | None]]:
    if not letters:
        return []
    if (tried := trials.current()) is not None:
        return [(letter, None) for letter in _on_trial(letters, tried.address)]
    for keeper in _keepers:
        return keeper.keep(letters, timezone.now())
    return [(letter, None) for letter in letters]


# How the subject of a mail begins that a trial household would have had.
ON_TRIAL = "[Essai]"


def _on_trial(letters: Sequence[Posted], address: str) -> list[Posted]:
    """What is posted while somebody tries a household goes to them alone, says so, and is kept nowhere."""
    if not address:
        return []
    return [replace(letter, to=address, subject=f"{ON_TRIAL} {letter.subject}") for letter in letters]


def _enqueue(letter: Posted, number: int | None, *, many: bool = False) -> None:
    with_files: dict[str, Any] = {} if letter.files is None else {"files": [letter.kind, letter.files]}
    send.using(priority=_priority(letter.kind, many=many)).enqueue(
        letter.to,
        letter.subject,
        letter.text,
        letter.html,
        number=number,
        # The same whenever it is sent: a mail that arrives twice is known as one.
        headers=dict(letter.headers) | {"Message-ID": marks.message_id(number)},
        **with_files,
    )


class Attached(NamedTuple):
    """A file that goes with a mail."""

    name: str
    content: bytes
    content_type: str


# The files of a letter, out of their key; by kind.
_files: dict[str, Callable[[int], Sequence[Attached]]] = {}


def lend_files(kind: str, read: Callable[[int], Sequence[Attached]]) -> None:
    """An app says which files go with letters of this kind: the queue holds their key, and no file."""
    _files[kind] = read


def render(template: str, context: dict[str, Any]) -> tuple[str, str, str]:
    """Subject, text and HTML of a letter (see `post`), with the town's own words."""
    words = wordings.of(template)
    name = context.get("name") or ""
    own = {
        "first_words": wordings.said(words.opening, name),
        "last_words": wordings.said(words.closing, name),
    }
    filled = {"town": town.current(), "portal_url": settings.PORTAL_URL.rstrip("/")} | context | own
    plain = (
        Engine.get_default().get_template(f"emails/{template}.txt").render(Context(filled, autoescape=False))
    )
    first, _, rest = plain.strip().partition("\n")
    text = re.sub(r"\n{3,}", "\n\n", rest.strip()) + "\n"
    html = get_template(f"emails/{template}.html").render(filled)
    subject = " ".join(first.split())
    if words.subject:
        subject = " ".join(wordings.said(words.subject, name, subject).split())
    return subject, text, html


def _never_sent(args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    if (number := kwargs.get("number")) is not None:
        give_up(number, "Envoi interrompu deux fois.")


def give_up(number: int, why: str) -> None:
    """Says of a letter that it will not be sent any more."""
    for keeper in _keepers:
        keeper.failed(number, why)


@at_most(2, given_up=_never_sent)
@task(queue_name="mail")
def send(
    to: str,
    subject: str,
    text: str,
    html: str,
    attempt: int = 0,
    number: int | None = None,
    headers: dict[str, str] | None = None,
    files: list[Any] | None = None,
) -> None:
    """Sends one mail; tries again later while the mail server cannot take it, then gives up and says so.
    `files`: the letter's kind and the key of its files (`lend_files`)."""
    message = EmailMultiAlternatives(subject, text, to=[to], headers=headers or {})
    if files is not None:
        kind, key = files
        for one in _files[kind](key):
            message.attach(one.name, one.content, one.content_type)
    # A mail without any is queued as earlier versions queue it.
    named: dict[str, Any] = {} if files is None else {"files": files}
    again = partial(
        _later, send, attempt, to, subject, text, html, attempt + 1, number=number, headers=headers, **named
    )
    _deliver(message, html, attempt, number, again)


@at_most(2, given_up=_never_sent)
@task(queue_name="mail", priority=priorities.URGENT)
def send_live(kind: str, key: int, attempt: int = 0, number: int | None = None, message_id: str = "") -> None:
    """Makes a letter with a live link and sends it; a later attempt makes it anew."""
    letter = _live[kind](key)
    if letter is None:
        return
    subject, text, html = render(kind, letter.context)
    if attempt == 0 and not message_id:
        with transaction.atomic():
            kept = Posted(kind, letter.to, subject, without_links(text), "", live=True)
            [(_, number)] = _kept([kept])
            message_id = marks.message_id(number)
            current.note(number=number, message_id=message_id)
    headers = {"Message-ID": message_id or marks.message_id(number)}
    message = LiveMail(subject, text, to=[letter.to], headers=headers)
    again = partial(_later, send_live, attempt, kind, key, attempt + 1, number=number, message_id=message_id)
    _deliver(message, html, attempt, number, again)


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


class MailRefused(Exception):
    """A server's words, without the address: what a task fails by that is not tried again."""


def _deliver(
    message: EmailMultiAlternatives,
    html: str,
    attempt: int,
    number: int | None,
    again: Callable[[], object],
) -> None:
    """Hands one mail to the server; where that may help, `again` has it tried later. Raises MailRefused."""
    message.attach_alternative(html, "text/html")
    message.extra_headers = {
        "Message-ID": marks.message_id(number),
        **marks.AUTOMATIC,
        **message.extra_headers,
    }
    keepers = _keepers if number is not None else []
    key = number or 0
    if current.is_repeated():
        for keeper in keepers:
            keeper.repeated(key)
    try:
        connection.send(message)
    except (OSError, ValueError) as error:  # each SMTP error is the one, an impossible address the other
        fate, said = judge(error)
        if fate is Fate.LATER and attempt < len(RETRY_AFTER):
            # The error's class only: its text may hold the address.
            logger.warning("Mail not sent (%s), attempt %d; trying again.", type(error).__name__, attempt + 1)
            again()
            return
        for keeper in keepers:
            if fate is Fate.DEAD:
                keeper.unreached(key, said, timezone.now(), by_report=False)
            else:
                keeper.failed(key, said)
        raise MailRefused(said) from None
    for keeper in keepers:
        keeper.sent(key, timezone.now())


def came_back(number: int, why: str, at: datetime, *, dead: bool) -> None:
    """A mail that had left has come back for good; `dead`: nobody is reached at its address."""
    for keeper in _keepers:
        if dead:
            keeper.unreached(number, why, at, by_report=True)
        else:
            keeper.failed(number, why)


def _later(sending: Task[Any, Any], attempt: int, *given: Any, **named: Any) -> None:
    sending.using(run_after=timezone.now() + RETRY_AFTER[attempt]).enqueue(*given, **named)
