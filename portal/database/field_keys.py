"""What is encrypted before the database sees it, and with which key. Settings read it: no Django here.

A value is kept as « enc1:KEY:TOKEN »: KEY names the key, so that the right one is taken at once and that what
is still under an older one can be found; TOKEN is Fernet's (AES-128-CBC with HMAC-SHA256). Of each text of
FIELD_KEYS three are derived, a purpose each (HKDF-SHA256): that name, Fernet's key, that of fingerprints.
"""

import base64
import hmac
from collections.abc import Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SHORTEST = 40  # characters of a key: 240 bits where they are drawn by chance
MARK = "enc1:"
NAME_BYTES = 4


class CannotRead(Exception):
    """None of the keys opens the value."""


def name_of(text: str) -> str:
    """Eight signs that name a key wherever it is needed, and tell nothing of it."""
    return _derived(text, "name", NAME_BYTES).hex()


def _derived(text: str, purpose: str, length: int) -> bytes:
    info = f"portail-famille/{purpose}".encode()
    return HKDF(SHA256(), length=length, salt=None, info=info).derive(text.encode())


class FieldKey:
    """One of FIELD_KEYS."""

    def __init__(self, text: str) -> None:
        self.name = name_of(text)
        self.mark = f"{MARK}{self.name}:"
        self._fernet = Fernet(base64.urlsafe_b64encode(_derived(text, "encryption", 32)))
        self._fingerprints = _derived(text, "fingerprints", 32)

    def encrypt(self, text: str) -> str:
        return self.mark + self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, kept: str) -> str:
        return self._fernet.decrypt(kept.removeprefix(self.mark)).decode()

    def fingerprint(self, text: str) -> str:
        """The same for the same text; tells nothing of it to who has not the key."""
        return f"{self.name}:{hmac.digest(self._fingerprints, text.encode(), 'sha256').hex()}"


class KeyRing:
    """All keys in use, the newest first: it encrypts, every one decrypts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.keys = [FieldKey(text) for text in texts]
        self._named = {key.name: key for key in self.keys}

    @property
    def newest(self) -> FieldKey:
        return self.keys[0]

    def encrypt(self, text: str) -> str:
        return self.newest.encrypt(text)

    def decrypt(self, kept: str) -> str:
        """The text. Raises CannotRead. What stands there in clear comes back as it is."""
        if not is_encrypted(kept):
            return kept
        key = self._named.get(key_name(kept))
        if key is None:
            raise CannotRead
        try:
            return key.decrypt(kept)
        except (InvalidToken, ValueError) as error:
            raise CannotRead from error

    def fingerprints(self, text: str) -> list[str]:
        """Those that rows may have: under each key, until the rotation has passed."""
        return [key.fingerprint(text) for key in self.keys]


@lru_cache(maxsize=8)
def ring(texts: tuple[str, ...]) -> KeyRing:
    return KeyRing(texts)


def is_encrypted(kept: str) -> bool:
    return kept.startswith(MARK)


def key_name(kept: str) -> str:
    """Of the key that an encrypted value names."""
    return kept[len(MARK) :].partition(":")[0]


def troubles(texts: Sequence[str]) -> list[str]:
    """What is wrong with FIELD_KEYS or BACKUP_KEYS, in French and without a word of the keys themselves."""
    found = []
    if any(len(text) < SHORTEST for text in texts):
        found.append(f"chaque clé a {SHORTEST} caractères ou plus")
    if len(set(texts)) < len(texts):
        found.append("la même clé est donnée deux fois")
    return found
