"""Pure: what a mail in the portal's mailbox is: a report on one of ours, an automatic answer, somebody's.

Reports are RFC 3464 (`multipart/report`), automatic answers RFC 3834; what a person wrote is for people.
"""

import re
from email import message_from_bytes, message_from_string, policy
from email.message import EmailMessage
from enum import Enum
from typing import NamedTuple

from portal.letters import marks


class Kind(Enum):
    CAME_BACK = "came back"  # for good
    DELAYED = "delayed"  # the server still tries
    AUTOMATIC = "automatic"  # « absent du bureau », lists
    PERSON = "person"


class Answer(NamedTuple):
    """`number`: of the letter that came back (0: none was kept); None where no mail of ours can be told.
    `status` and `said`: the report's (« 5.1.1 », « smtp; 550 … »)."""

    kind: Kind
    number: int | None = None
    status: str = ""
    said: str = ""


AUTOMATIC_PRECEDENCE = {"bulk", "junk", "list", "auto_reply"}
# Written by servers that know no RFC 3834.
AUTOMATIC_HEADERS = ("X-Autoreply", "X-Autorespond", "X-Auto-Reply-From", "List-Id")
AWAY = re.compile(
    r"^(automatic reply|auto(matische antwort|-?reply)|out of (the )?office|réponse automatique|"
    r"absence du bureau|absent(e)? du bureau|message d'absence)\b",
    re.IGNORECASE,
)


def read(raw: bytes) -> Answer:
    """What this mail, as it came, is. Never raises: what cannot be read is somebody's."""
    message = message_from_bytes(raw, policy=policy.default)
    try:
        return _report(message) or _automatic(message) or Answer(Kind.PERSON)
    except (ValueError, LookupError, TypeError, AttributeError):  # headers that break their own grammar
        return Answer(Kind.PERSON)


def _report(message: EmailMessage) -> Answer | None:
    if message.get_content_type() != "multipart/report":
        return None
    if str(message.get_param("report-type", "delivery-status")).lower() != "delivery-status":
        return Answer(Kind.AUTOMATIC)  # « lu », a complaint
    number = _number(message)
    found = None
    for part in message.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        for fields in part.iter_parts() if part.is_multipart() else ():
            action = str(fields.get("Action", "")).strip().lower()
            status = str(fields.get("Status", "")).strip().split(" ")[0]
            said = str(fields.get("Diagnostic-Code", "")).strip()
            if action == "failed":
                return Answer(Kind.CAME_BACK, number, status, said)
            if action:
                found = Answer(Kind.DELAYED, number, status, said)
    return found


def _number(report: EmailMessage) -> int | None:
    """Of the letter whose headers the report gives back."""
    for part in report.walk():
        kind = part.get_content_type()
        if kind == "message/rfc822" and part.is_multipart():
            identifier = str(next(part.iter_parts()).get("Message-ID", ""))
        elif kind == "text/rfc822-headers":
            headers = part.get_content()
            identifier = str(message_from_string(headers, policy=policy.default).get("Message-ID", ""))
        else:
            continue
        number = marks.number_of(identifier)
        if number is not None:
            return number
    return None


def _automatic(message: EmailMessage) -> Answer | None:
    submitted = str(message.get("Auto-Submitted", "no")).split(";")[0].strip().lower()
    precedence = str(message.get("Precedence", "")).strip().lower()
    from_nobody = str(message.get("Return-Path", "-")).strip() == "<>"
    if (
        submitted != "no"
        or precedence in AUTOMATIC_PRECEDENCE
        or from_nobody
        or any(header in message for header in AUTOMATIC_HEADERS)
        or AWAY.match(str(message.get("Subject", "")).strip())
    ):
        return Answer(Kind.AUTOMATIC)
    return None
