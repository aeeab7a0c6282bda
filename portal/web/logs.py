"""What is written to the logs, without what the families told: addresses, phones, values of a row.

No module logs a person on purpose; this catches what an exception's message carries along, such as the row
PostgreSQL quotes when a constraint refuses it, or the address a mail server did not accept.
"""

import logging
import re

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


class WithoutPersonalData(logging.Formatter):
    """Formats as usual, traceback included, then masks. What a request did wrong is one short line."""

    def format(self, record: logging.LogRecord) -> str:
        # Django says so of refused requests: forged hosts, NUL characters, broken forms; anybody sends them.
        if getattr(record, "status_code", SERVERS_OWN) < SERVERS_OWN:
            record = logging.makeLogRecord(
                record.__dict__ | {"exc_info": None, "exc_text": None, "args": None, "msg": _one_line(record)}
            )
        text = super().format(record)
        for pattern, replacement in MASKS:
            text = pattern.sub(replacement, text)
        return text


def _one_line(record: logging.LogRecord) -> str:
    """Without the line ends that would forge another."""
    text = record.getMessage()[:LONGEST_OF_STRANGERS]
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
