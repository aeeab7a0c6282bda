"""An archive that only who has its key can read, written and read in pieces.

    MAGIC | name of the key, 8 signs | salt, 32 bytes | pieces of AES-256-GCM

The key of an archive is derived from one of BACKUP_KEYS and the salt (HKDF-SHA256), so that a piece's number
is its nonce. The nonce's last byte says which piece is the last one, and the head is authenticated with each:
no piece can be left out, moved or taken from another archive, and one that was cut off is known (STREAM;
Hoang, Reyhanitabar, Rogaway and Vizár, 2015).
"""

import os
from collections.abc import Sequence
from typing import BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from portal.backups.refusals import Damaged, KeyMissing
from portal.database import field_keys

MAGIC = b"portail-sauvegarde-1\n"
SALT, TAG, NAME = 32, 16, 8
PIECE = 1024 * 1024
TOO_SHORT = "Cette sauvegarde est incomplète ou abîmée : sa lecture s'arrête à {} Mo."


class Writes(Protocol):
    def write(self, data: bytes, /) -> int: ...


class Reads(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def is_encrypted(head: bytes) -> bool:
    """Whether a file that begins like this is such an archive."""
    return head.startswith(MAGIC)


class Encrypting:
    """A file to write to; `finish()` once, at the end."""

    def __init__(self, to: BinaryIO, key: str) -> None:
        self._to = to
        salt = os.urandom(SALT)
        self._head = MAGIC + field_keys.name_of(key).encode() + salt
        self._cipher = _cipher(key, salt)
        self._waiting = bytearray()
        self._number = 0
        to.write(self._head)

    def write(self, data: bytes) -> int:
        self._waiting += data
        while len(self._waiting) > PIECE:  # what is left may be the last
            self._seal(bytes(self._waiting[:PIECE]), last=False)
            del self._waiting[:PIECE]
        return len(data)

    def finish(self) -> None:
        self._seal(bytes(self._waiting), last=True)

    def _seal(self, piece: bytes, *, last: bool) -> None:
        self._to.write(self._cipher.encrypt(_nonce(self._number, last=last), piece, self._head))
        self._number += 1


class Decrypting:
    """A file to read from. Raises KeyMissing where none of the keys (texts of BACKUP_KEYS) is the archive's,
    and Damaged where a piece is not as it was written."""

    def __init__(self, source: BinaryIO, keys: Sequence[str]) -> None:
        self._source = source
        self._head = source.read(len(MAGIC) + NAME + SALT)
        name = self._head[len(MAGIC) : len(MAGIC) + NAME].decode(errors="replace")
        key = next((key for key in keys if field_keys.name_of(key) == name), None)
        if key is None:
            raise KeyMissing(
                f"Cette sauvegarde est chiffrée avec la clé {name}, qui n'est pas dans BACKUP_KEYS : "
                "ajoutez-la, puis recommencez."
            )
        self._cipher = _cipher(key, self._head[-SALT:])
        self._number = 0
        self._ahead = source.read(PIECE + TAG)
        self._clear = b""

    def read(self, size: int = -1) -> bytes:
        found = [self._clear]
        length = len(self._clear)
        while (size < 0 or length < size) and (piece := self._next()):
            found.append(piece)
            length += len(piece)
        whole = b"".join(found)
        self._clear = whole[size:] if size >= 0 else b""
        return whole[:size] if size >= 0 else whole

    def _next(self) -> bytes:
        """The next piece in clear; nothing after the last."""
        if self._number < 0:
            return b""
        sealed, self._ahead = self._ahead, self._source.read(PIECE + TAG)
        nonce = _nonce(self._number, last=not self._ahead)
        try:
            piece = self._cipher.decrypt(nonce, sealed, self._head)
        except (InvalidTag, ValueError) as error:
            raise Damaged(TOO_SHORT.format(self._number)) from error
        self._number = self._number + 1 if self._ahead else -1
        return piece


def _cipher(key: str, salt: bytes) -> AESGCM:
    info = b"portail-famille/backup"
    return AESGCM(HKDF(SHA256(), length=32, salt=salt, info=info).derive(key.encode()))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
