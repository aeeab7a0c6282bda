"""The portal's own mailbox, where its mails come back: read over IMAP, where MAILBOX_URL names one.

    imaps://user:password@host:993/INBOX      (imap:// without TLS: a server on the same machine)

Reports and automatic answers are marked as read; what a person wrote stays as it is, for people.
"""

import imaplib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from portal.letters import answers, mailing
from portal.letters.answers import Kind
from portal.letters.refusals import Fate, judge_report

logger = logging.getLogger(__name__)

PORTS = {"imaps": 993, "imap": 143}
TIMEOUT = 20
# Of one reading: the next goes on.
MOST = 500
# A report is small; of anything the beginning tells what it is.
LONGEST = 200_000
# Ours, on what was looked at and left to people; servers that keep no such flag have it looked at again.
LOOKED_AT = "PortailVu"


class Mailbox(NamedTuple):
    host: str
    port: int
    user: str
    password: str
    folder: str
    encrypted: bool


class Unreadable(Exception):
    """The mailbox cannot be opened or read; the sentence says why, in French and without a password."""


def at(url: str) -> Mailbox:
    """The mailbox of an address. Raises ValueError for one that is none."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname or not parts.username:
        raise ValueError("MAILBOX_URL is written imaps://user:password@host:993/INBOX")
    return Mailbox(
        parts.hostname,
        parts.port or PORTS[parts.scheme],
        unquote(parts.username),
        unquote(parts.password or ""),
        unquote(parts.path.strip("/")) or "INBOX",
        parts.scheme == "imaps",
    )


def read(url: str, *, moment: datetime) -> Counter[Kind]:
    """Reads what is new and tells the keeper of letters what came back; how many of each kind. Raises
    Unreadable, ValueError. Read twice, a mail changes nothing the second time."""
    found: Counter[Kind] = Counter()
    try:
        with _opened(at(url)) as imap:
            for number in _new(imap):
                answer = answers.read(_mail(imap, number))
                found[answer.kind] += 1
                if answer.kind is Kind.CAME_BACK and answer.number:
                    fate, said = judge_report(answer.status, answer.said)
                    mailing.came_back(answer.number, said, moment, dead=fate is Fate.DEAD)
                # A mail that came back and is none of ours is somebody's to look at.
                left = answer.kind is Kind.PERSON or (answer.kind is Kind.CAME_BACK and answer.number is None)
                _flag(imap, number, LOOKED_AT if left else r"(\Seen)")
    except (imaplib.IMAP4.error, OSError) as error:
        raise Unreadable(f"La boîte aux lettres du portail ne se lit pas ({_said(error)}).") from error
    return found


@contextmanager
def _opened(mailbox: Mailbox) -> Iterator[imaplib.IMAP4]:
    kind = imaplib.IMAP4_SSL if mailbox.encrypted else imaplib.IMAP4
    imap = kind(mailbox.host, mailbox.port, timeout=TIMEOUT)
    try:
        imap.login(mailbox.user, mailbox.password)
        _well(imap.select(f'"{mailbox.folder}"'))
        yield imap
    finally:
        with suppress(imaplib.IMAP4.error, OSError):
            imap.logout()


def _new(imap: imaplib.IMAP4) -> list[str]:
    """The numbers (UID) of what nobody has read, nor we have looked at; the oldest first."""
    found = _well(imap.uid("SEARCH", "UNSEEN", "UNKEYWORD", LOOKED_AT))
    return [number.decode() for number in (found[0] or b"").split()][:MOST]


def _mail(imap: imaplib.IMAP4, number: str) -> bytes:
    """Its beginning; looked at so, it is not marked as read."""
    for part in _well(imap.uid("FETCH", number, f"(BODY.PEEK[]<0.{LONGEST}>)")):
        if isinstance(part, tuple):
            return bytes(part[1])
    return b""


def _flag(imap: imaplib.IMAP4, number: str, flag: str) -> None:
    # Refused where a server keeps no flags of ours: it is looked at again, to no harm.
    imap.uid("STORE", number, "+FLAGS", flag)


def _well(answer: tuple[str, Sequence[Any]]) -> Sequence[Any]:
    state, data = answer
    if state != "OK":
        raise imaplib.IMAP4.error(b" ".join(one for one in data if isinstance(one, bytes)))
    return data


def _said(error: Exception) -> str:
    """What the server said, on one line, without what was sent to it."""
    [first] = error.args[:1] or [""]
    said = first.decode(errors="replace") if isinstance(first, bytes) else str(error)
    return " ".join(said.split())[:200] or type(error).__name__
