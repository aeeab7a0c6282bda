"""What a mail says of itself: that nobody wrote it by hand, and an identifier by which it is known again.

    <NUMBER.RANDOM.SIGNATURE@the sender's domain>

The number is its row's (0: none is kept). A mail that comes back shows it; nobody else can make one.
"""

import re
import secrets
from email.utils import parseaddr
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

SALT = "portal.letters.marks"
# RFC 3834: no automatic answer is wanted; the second is Exchange's.
AUTOMATIC = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "OOF, AutoReply"}
OURS = re.compile(r"<?(?P<number>\d{1,18})\.(?P<random>[0-9a-f]{24})\.(?P<signature>[0-9a-f]{24})@[^>\s]+>?")


def domain() -> str:
    """The sender's; where its address has none, the portal's own host."""
    address = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    return address.rpartition("@")[2] or urlsplit(settings.PORTAL_URL).hostname or "portail.invalid"


def message_id(number: int | None) -> str:
    mark = f"{number or 0}.{secrets.token_hex(12)}"
    return f"<{mark}.{_signature(mark)}@{domain()}>"


def number_of(identifier: str) -> int | None:
    """The number of the letter that has this Message-ID; None where it is none of ours. 0: none was kept."""
    found = OURS.fullmatch(identifier.strip())
    if found is None:
        return None
    mark = f"{found['number']}.{found['random']}"
    return int(found["number"]) if constant_time_compare(found["signature"], _signature(mark)) else None


def _signature(mark: str) -> str:
    return salted_hmac(SALT, mark, algorithm="sha256").hexdigest()[:24]
