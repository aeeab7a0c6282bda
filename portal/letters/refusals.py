"""Pure: what a mail server's answer means for a mail, tried again, given up, or its address dead.

Codes: RFC 5321 (421, 450, 550…) and RFC 3463 (5.1.1…), which says more where it is there.
"""

import re
import smtplib
from enum import Enum
from typing import NamedTuple

LONGEST = 200
ENHANCED = re.compile(r"\b(?P<status>[245]\.\d{1,3}\.\d{1,3})\b")
ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>@]+\.[^\s<>@]+>?")
# Of an address, whatever the three digits: unknown, moved, closed, full.
OF_THE_ADDRESS = ("5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.2.0", "5.2.1", "5.2.2")
# The mailbox does not exist, is not here, or has no name that can be. 552: it is full.
NO_MAILBOX = {550, 551, 552, 553}
NO_MAILBOX_SAID = re.compile(r"\b55[0-3]\b")
# What servers report that know no more than that it failed.
UNSAID = "5.0.0"


class Fate(Enum):
    LATER = "later"  # the server or the way to it: the same mail may pass in a while
    REFUSED = "refused"  # for good, and no fault of the address: its content, our sender, the server's rules
    DEAD = "dead"  # nobody is reached at the address


class Verdict(NamedTuple):
    """`said`: the server's words, short, without any address."""

    fate: Fate
    said: str


def judge(error: Exception) -> Verdict:
    """What an error of `smtplib`, or of writing the mail, means for it."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        # One address a mail.
        code, text = next(iter(error.recipients.values()), (451, b""))
        return _of(code, text, at_address=True)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        # The installation's fault, which somebody mends: no mail is lost for it.
        return Verdict(Fate.LATER, short(error.smtp_error))
    if isinstance(error, smtplib.SMTPConnectError | smtplib.SMTPHeloError):
        return Verdict(Fate.LATER, short(error.smtp_error))
    if isinstance(error, smtplib.SMTPResponseException):
        return _of(error.smtp_code, error.smtp_error, at_address=False)
    if isinstance(error, smtplib.SMTPNotSupportedError | ValueError):
        # An address, or a name, that this server or no mail at all can be written to.
        return Verdict(Fate.REFUSED, short(str(error)))
    return Verdict(Fate.LATER, type(error).__name__)


def judge_report(status: str, said: str) -> Verdict:
    """Of a report that a mail came back for good: its status (« 5.1.1 ») and the server's words."""
    known = ENHANCED.search(said)
    if known and (status == UNSAID or not status.startswith("5.")):
        status = known["status"]
    if status == UNSAID and NO_MAILBOX_SAID.search(said):
        return Verdict(Fate.DEAD, short(said))
    if status.startswith("5.") and status not in OF_THE_ADDRESS:
        return Verdict(Fate.REFUSED, short(said or status))
    # Also after days of trying: nobody is reached there.
    return Verdict(Fate.DEAD, short(said or status))


def _of(code: int, text: bytes | str, *, at_address: bool) -> Verdict:
    said = short(text, code)
    if not 500 <= code < 600:
        return Verdict(Fate.LATER, said)
    status = ENHANCED.search(said)
    if status:
        return Verdict(Fate.DEAD if status["status"] in OF_THE_ADDRESS else Fate.REFUSED, said)
    return Verdict(Fate.DEAD if at_address and code in NO_MAILBOX else Fate.REFUSED, said)


def short(text: bytes | str, code: int | None = None) -> str:
    """A server's words on one line, at most LONGEST letters, without any address."""
    written = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    line = " ".join(ADDRESS.sub("…", written).split())
    return (f"{code} {line}" if code else line).strip()[:LONGEST]
