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
]


class WithoutPersonalData(logging.Formatter):
    """Formats as usual, traceback included, then masks."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for pattern, replacement in MASKS:
            text = pattern.sub(replacement, text)
        return text
