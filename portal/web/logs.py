"""What is written to the logs: when, by one zone; for which request; and without what the families told:
addresses, phones, values of a row.

No module logs a person on purpose; this catches what an exception's message carries along, such as the row
PostgreSQL quotes when a constraint refuses it, or the address a mail server did not accept.

Settings and gunicorn's own logger (`server_logs`) read this module: no Django here.
"""

import json
import logging
import re
from contextvars import ContextVar
from datetime import datetime
from zoneinfo import ZoneInfo

MASKS = [
    (re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"), "[adresse]"),
    (re.compile(r"(?<![\w-])(?:\+33\s?|0)[1-9](?:[ .-]?\d{2}){4}(?![\w-])"), "[téléphone]"),
    (re.compile(r"(?<![\w+])\+[1-9]\d{6,14}(?!\w)"), "[téléphone]"),  # as the database keeps them
    # PostgreSQL: « DETAIL:  Key (email)=(…) already exists. », « Failing row contains (…) ».
    (re.compile(r"(DETAIL:).*"), r"\1 [valeurs]"),
    # One-time links of allauth are as good as a password while they last.
    (re.compile(r"(/confirmer-mon-adresse/|/mot-de-passe-oublie/)[^/\s]+"), r"\1[lien]"),
    (re.compile(r"(/invitation/)[^/\s]+"), r"\1[lien]"),
    # And the address of a calendar is one for as long as its guardian keeps it.
    (re.compile(r"(/mon-agenda/)[^/\s]+"), r"\1[lien]"),
]


SERVERS_OWN = 500
LONGEST_OF_STRANGERS = 300
# Whatever the machine and the town: lines of all processes can be put in one order, and read beside a watch.
ZONE = ZoneInfo("Europe/Paris")
PLAIN = "{asctime} {levelname} {name} {number}{message}"

# The number of the request that this thread answers; empty beside one.
request_number: ContextVar[str] = ContextVar("request_number", default="")


class WithoutPersonalData(logging.Formatter):
    """Formats as usual, traceback included, then masks. What a request did wrong is one short line."""

    def format(self, record: logging.LogRecord) -> str:
        record = _without_strangers_text(record)
        number = request_number.get()
        record.number = f"[{number}] " if number else ""
        return masked(super().format(record))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """« 2026-11-09T10:00:00.250+01:00 »."""
        return datetime.fromtimestamp(record.created, ZONE).isoformat(timespec="milliseconds")


class JsonLines(WithoutPersonalData):
    """One object a line, for programs that collect logs: `time`, `level`, `logger`, `message`; `request`,
    `exception` and what an access line counts, where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        record = _without_strangers_text(record)
        said: dict[str, object] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": masked(record.getMessage()),
        }
        if number := request_number.get():
            said["request"] = number
        for name, value in getattr(record, "access", {}).items():
            said[name] = masked(value) if isinstance(value, str) else value
        if record.exc_info:
            said["exception"] = masked(self.formatException(record.exc_info))
        return json.dumps(said, ensure_ascii=False)


def formatter(kind: str) -> logging.Formatter:
    """What LOG_FORMAT asks for: « json », or lines for people."""
    return JsonLines() if kind == "json" else WithoutPersonalData(PLAIN, style="{")


class EndsOfTasks(logging.Filter):
    """A task is told once, when it has ended: django-tasks also says that it began."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (
            record.levelno == logging.INFO and isinstance(record.args, tuple) and "RUNNING" in record.args
        )


def masked(text: str) -> str:
    for pattern, replacement in MASKS:
        text = pattern.sub(replacement, text)
    return text


def _without_strangers_text(record: logging.LogRecord) -> logging.LogRecord:
    """Django says so of refused requests: forged hosts, NUL characters, broken forms; anybody sends them."""
    if getattr(record, "status_code", SERVERS_OWN) >= SERVERS_OWN:
        return record
    return logging.makeLogRecord(
        record.__dict__ | {"exc_info": None, "exc_text": None, "args": None, "msg": _one_line(record)}
    )


def _one_line(record: logging.LogRecord) -> str:
    """Without the line ends that would forge another."""
    text = record.getMessage()[:LONGEST_OF_STRANGERS]
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
