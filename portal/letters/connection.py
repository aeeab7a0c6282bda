"""The line to the mail server: one for a lot of mails in a worker, one a mail elsewhere.

Kept while mails follow each other, at most MOST of them; closed when nothing is to be done. A line that broke
is dropped without a word: a server that does not answer would keep us waiting once more.
"""

import logging
import smtplib
import time
from contextlib import suppress
from typing import Any

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from portal.tasks.running import between_tasks

logger = logging.getLogger(__name__)

# Servers end lines that carried a hundred mails, or were silent for some minutes.
MOST = 100
ASK_AFTER = 5  # seconds of silence: whether the server is still there
IDLE = 10  # seconds of silence: closed
# What a farewell may take.
FAREWELL = 2
GOES_AWAY = 421


class Line:
    """A mail backend that stays open, and since when it is silent."""

    def __init__(self) -> None:
        self.backend: BaseEmailBackend = get_connection()
        self.backend.open()
        self.mails = 0
        self.used_at = time.monotonic()

    @property
    def smtp(self) -> Any:
        """smtplib's own, where it is SMTP."""
        return getattr(self.backend, "connection", None)

    @property
    def idle(self) -> float:
        return time.monotonic() - self.used_at

    def answers(self) -> bool:
        if self.mails >= MOST:
            return False
        if self.idle < ASK_AFTER or self.smtp is None:
            return True
        with suppress(OSError):
            return bool(self.smtp.noop()[0] == 250)
        return False

    def say_goodbye(self) -> None:
        with suppress(OSError):
            if self.smtp is not None and self.smtp.sock is not None:
                self.smtp.sock.settimeout(FAREWELL)
            self.backend.close()

    def drop(self) -> None:
        smtp = self.smtp
        if smtp is not None:
            with suppress(OSError):
                smtp.close()
            self.backend.connection = None  # type: ignore[attr-defined]  # SMTP's has one


class _Kept:
    line: Line | None = None
    wanted = False


def keep() -> None:
    """From now on this process keeps its line from one mail to the next."""
    _Kept.wanted = True
    between_tasks(close_when_idle)


def close_when_idle(*, now: bool = False) -> None:
    line = _Kept.line
    if line is not None and (now or line.idle >= IDLE):
        _Kept.line = None
        line.say_goodbye()


def send(message: EmailMessage) -> None:
    """Raises what the backend raises: OSError (each SMTP error is one), ValueError."""
    if not _Kept.wanted:
        message.send()
        return
    reused = _Kept.line is not None
    try:
        _send(message)
    except smtplib.SMTPResponseException as error:
        # A server that says goodbye in the middle of a lot has not taken the mail.
        if not reused or error.smtp_code != GOES_AWAY:
            raise
        _send(message)


def _send(message: EmailMessage) -> None:
    line = _open()
    message.connection = line.backend
    try:
        message.send()
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError):
        line.used_at = time.monotonic()  # refused, and ready for the next
        if line.smtp is not None and line.smtp.sock is None:
            _Kept.line = None
        raise
    except BaseException:
        _Kept.line = None
        line.drop()
        raise
    line.mails += 1
    line.used_at = time.monotonic()


def _open() -> Line:
    line = _Kept.line
    if line is not None and not line.answers():
        _Kept.line = None
        line.drop()
        line = None
    if line is None:
        line = _Kept.line = Line()
    return line
