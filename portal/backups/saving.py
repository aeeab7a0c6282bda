"""A backup: the database and the files of one moment in one archive, read back before it counts.

    save(folder, key=…, at=…, tell=…) -> Saved

The database's moment is left before the files are read: a file is written once and never changed, and one
that a row of that moment names is still there, unless its row went meanwhile (an erasure), which is looked
up.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from families.privacy import erasing
from portal.backups import archives, databases, keeping, named_files
from portal.backups.archives import Archive, Sink
from portal.backups.ciphers import Reads
from portal.backups.named_files import PRIVATE, Named
from portal.backups.refusals import Refused
from portal.database import field_keys, versions
from portal.files import modes

FORMAT = 1
MOST_SAID = 200  # of files that are missing, by their names
Tell = Callable[[str], None]
# Told what an archive says of itself at its beginning.
Judge = Callable[[dict[str, Any]], None]


@dataclass
class Saved:
    """What became of a backup. It serves in any case; it is not `whole` where a file that a row names was
    missing or is no longer the one that its row knows."""

    path: Path = Path()
    size: int = 0
    files: int = 0
    rows: int = 0
    encrypted: bool = False
    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: int = 0  # erased between the two moments

    @property
    def whole(self) -> bool:
        return not self.missing and not self.changed


def save(folder: Path, *, key: str | None, at: datetime, tell: Tell = lambda said: None) -> Saved:
    """Writes the backup of this moment (aware) into the folder. Raises Refused, with nothing left of it."""
    path = keeping.path_of(folder, at, encrypted=key is not None)
    try:
        with keeping.alone(folder):
            partial = folder / f".{path.name}{keeping.PARTIAL}"
            try:
                return _write(partial, path, key, at, tell)
            finally:
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise Refused(_in_words(error, folder)) from error


def _write(partial: Path, path: Path, key: str | None, at: datetime, tell: Tell) -> Saved:
    done = Saved(path=path, encrypted=key is not None)
    head = {
        "format": FORMAT,
        "version": versions.version(),
        "made_at": at.isoformat(),
        "vendor": connection.vendor,
    }
    modes.make_private_file(partial)
    with partial.open("wb") as file:
        with (
            archives.writing(file, head, key=key) as archive,
            ExitStack() as noted,
        ):
            with databases.moment(settings.VAR_DIR) as moment:
                tables = databases.tables(moment)
                done.rows = sum(tables.values())
                tell(f"Base de données : {done.rows} lignes de {len(tables)} tables…")
                moment.dump(archive)
                names = noted.enter_context(named_files.of_moment(moment))
            _add_files(archive, names, done, tell)
            said = {
                "tables": tables,
                "missing": done.missing[:MOST_SAID],
                "changed": done.changed[:MOST_SAID],
                "keys": keys_needed(),
                "variables": variables_set(),
            }
            archive.finish(said)
        file.flush()
        os.fsync(file.fileno())
    tell("Relecture…")
    read_back(partial, [key] if key else [])
    done.size, done.files = partial.stat().st_size, archive.files
    keeping.settle(partial, path)
    return done


def _add_files(archive: Archive, names: Iterator[Named], done: Saved, tell: Tell) -> None:
    for one in names:
        _add_file(archive, one, done)
        if archive.files % 1000 == 0:
            tell(f"Fichiers : {archive.files}…")
    # What was erased must be erased again after a restore.
    for name in named_files.under(PRIVATE, erasing.JOURNAL):
        _add(archive, PRIVATE, name)


def _add_file(archive: Archive, named: Named, done: Saved) -> None:
    try:
        sha256 = _add(archive, named.where, named.name)
    except FileNotFoundError:
        if named_files.is_still_named(named):
            done.missing.append(f"{named.where}/{named.name}")
        else:
            done.gone += 1
        return
    if named.sha256 and named.sha256 != sha256:
        done.changed.append(f"{named.where}/{named.name}")


def _add(archive: Archive, where: str, name: str) -> str:
    store = named_files.store(where)
    with store.open(name) as file:
        return archive.add_file(where, name, store.size(name), file).sha256


def keys_needed() -> dict[str, Any]:
    """The keys that the data asks for, by the names that tell nothing of them."""
    return {
        "FIELD_KEYS": [field_keys.name_of(key) for key in settings.FIELD_KEYS],
        "SECRET_KEY": field_keys.name_of(settings.SECRET_KEY),
    }


def variables_set() -> list[str]:
    """Names of the settings that this portal was given, without a word of their values."""
    return sorted(name for name in os.environ if name in KNOWN or name.partition("__")[0] in KNOWN)


KNOWN = frozenset(
    """
    SECRET_KEY SECRET_KEY_FALLBACKS FIELD_KEYS BACKUP_KEYS BACKUP_DIR ALLOWED_HOSTS DATABASE_URL
    CACHE_URL EMAIL_URL DEFAULT_FROM_EMAIL PORTAL_URL PORTAL_VAR PRIVATE_STORAGE_URL CLAMD_ADDRESS
    CSRF_TRUSTED_ORIGINS BEHIND_PROXY TRUSTED_PROXY_COUNT STAFF_SECOND_FACTOR SECURE_SSL_REDIRECT
    CONN_MAX_AGE PREPARED_STATEMENTS PAYMENT_PROVIDER STRIPE_SECRET_KEY STRIPE_WEBHOOK_SECRET
    API_PARTICULIER_TOKEN API_PARTICULIER_SIRET API_PARTICULIER_URL
    STRIPE_PAYMENT_METHODS PAYFIP_CLIENT PAYFIP_MODE HEALTH_TOKEN SENTRY_DSN LOG_FORMAT
    """.split()
)


class _Reading(Sink):
    """Reads all, keeps nothing."""

    def __init__(self, into: databases.Loading, judge: Judge) -> None:
        self._into, self._judge = into, judge

    def head(self, said: dict[str, Any]) -> None:
        self._judge(said)

    def base(self, piece: bytes) -> None:
        self._into.write(piece)

    def file(self, where: str, name: str, size: int, content: Reads) -> None:
        named_files.store(where)


def read_back(path: Path, keys: list[str], judge: Judge = lambda head: None) -> dict[str, Any]:
    """The manifest of an archive that was read to its end, and whose database can be read. Raises Damaged,
    KeyMissing, and what `judge` raises of its head."""
    with path.open("rb") as file, databases.loading(trial=True) as into:
        return archives.read(file, keys, _Reading(into, judge))


def _in_words(error: OSError, folder: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"Il n'y a plus de place dans {folder} : rien n'est sauvegardé. Faites-en, puis recommencez."
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return f"Le portail n'a pas le droit d'écrire dans {folder} : {error.strerror}."
    what = error.strerror or type(error).__name__
    return f"La sauvegarde n'est pas faite : {what} ({error.filename or folder})."
