"""The signed cookies of the line: a place in it, a seat inside. Pure but for the keys.

`w` is a place in the line: the line's generation and a number. `e` is a seat that nobody has logged in from:
its name and the minute it was last used in; one account may log in with it. `a` is an account's seat. `s`
says that a member of staff logs in on this device, and lets nobody else in.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

_FORM = re.compile(r"([weas])([0-9a-f]{0,16})-([0-9]{1,15})\.([\w-]{22})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a cookie says: its kind, a name (line, seat or account; 16 digits), a number (place, minute)."""

    kind: str
    name: str
    number: int


class Tickets:
    """Writes and reads cookies with the portal's key; reads those of its keys of before, too."""

    def __init__(self, key: str, fallbacks: Iterable[str] = ()) -> None:
        self._keys = [sha256(b"portal.waiting:" + one.encode()).digest() for one in (key, *fallbacks)]

    def write(self, ticket: Ticket) -> str:
        said = f"{ticket.kind}{ticket.name}-{ticket.number}"
        return f"{said}.{self._signature(self._keys[0], said)}"

    def read(self, text: str) -> Ticket | None:
        """None for what is no cookie of ours."""
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        said, signature = text[:-23], found[4]
        # No generator: each request passes here.
        for key in self._keys:
            if hmac.compare_digest(self._signature(key, said), signature):
                return Ticket(found[1], found[2], int(found[3]))
        return None

    def name(self, of: str) -> str:
        """A name of 16 digits for something that no cookie shall say: an account, a place that came in."""
        return hmac.digest(self._keys[0], of.encode(), "sha256")[:8].hex()

    @staticmethod
    def _signature(key: bytes, said: str) -> str:
        digest = hmac.digest(key, said.encode(), "sha256")
        return urlsafe_b64encode(digest[:16])[:22].decode()


def cookie_of(header: str, name: str) -> str:
    """The value of a cookie in a request's header; "" where there is none."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""
