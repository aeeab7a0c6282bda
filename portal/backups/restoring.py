"""A backup brought back into a new place: files first, then the database, in one piece or not at all.

    look(path, keys=…) -> Found                 reads all of it, compares its keys with those here
    restore(path, keys=…, at=…, tell=…) -> Brought

A database that is not empty is refused. Files that are there already are kept where they are the same to the
byte, and refused where they are not: a restore that was stopped begins again. Mails are held back from the
first moment on (`portal.tasks.holding`), families that were erased since are erased again.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

from django.conf import settings
from django.core.files import File
from django.core.management import call_command
from django.db import connection

from families.privacy import journal
from portal.backups import archives, databases, named_files, saving
from portal.backups.archives import STEP, Hashing, Sink
from portal.backups.ciphers import Reads
from portal.backups.refusals import Damaged, KeyMissing, NotEmpty, Refused
from portal.database import field_keys, versions
from portal.files.uploads import private_storage
from portal.tasks import holding

Tell = Callable[[str], None]
IN_MEMORY = 1024 * 1024  # of a file that waits to be compared; a larger one waits on the disk


@dataclass
class Found:
    """What an archive says of itself, after it was read to its end."""

    manifest: dict[str, Any]
    absent_keys: list[str]

    @property
    def made_at(self) -> datetime:
        """Aware."""
        return datetime.fromisoformat(self.manifest["made_at"])

    @property
    def version(self) -> str:
        return str(self.manifest["version"])

    @property
    def rows(self) -> int:
        return sum(self.manifest["tables"].values())


@dataclass
class Brought:
    """What a restore did."""

    found: Found
    files: int = 0
    held: int = 0  # mails of the copy that wait
    erased: Counter[journal.Outcome] = field(default_factory=Counter)


def look(path: Path, *, keys: list[str]) -> Found:
    """Raises Refused for what cannot be brought back here: damaged, of a newer version, of another
    database. Keys that the data asks for and that are not here are said, not refused."""
    try:
        manifest = saving.read_back(path, keys, _judge)
    except OSError as error:
        raise Refused(f"{path} ne se lit pas : {error.strerror or error}.") from error
    return Found(manifest, _absent(manifest["keys"]))


def _judge(head: dict[str, Any]) -> None:
    """Raises Refused for an archive that this program, or this database, cannot take."""
    if head["format"] > saving.FORMAT or _number(head["version"]) > _number(versions.version()):
        raise Refused(
            f"Cette sauvegarde vient du portail {head['version']}, plus récent que ce programme "
            f"({versions.version()}) : installez cette version, puis recommencez."
        )
    if head["vendor"] != connection.vendor:
        name = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}.get(head["vendor"], head["vendor"])
        raise Refused(
            f"Cette sauvegarde est celle d'une base {name} : donnez-en une de cette sorte dans DATABASE_URL, "
            "puis recommencez."
        )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _absent(needed: dict[str, Any]) -> list[str]:
    here = {field_keys.name_of(key) for key in settings.FIELD_KEYS}
    found = [f"FIELD_KEYS : {name}" for name in needed["FIELD_KEYS"] if name not in here]
    if needed["SECRET_KEY"] != field_keys.name_of(settings.SECRET_KEY):
        found.append(f"SECRET_KEY : {needed['SECRET_KEY']}")
    return found


def restore(
    path: Path,
    *,
    keys: list[str],
    at: datetime,
    without_keys: bool = False,
    journal_copy: Path | None = None,
    tell: Tell = lambda said: None,
) -> Brought:
    """Raises Refused; the database is then as empty as before, unless it says otherwise."""
    databases.refuse_full()
    tell("Vérification de la sauvegarde…")
    found = look(path, keys=keys)
    if found.absent_keys and not without_keys:
        raise KeyMissing(
            "Il manque ici des clés que les données demandent (" + ", ".join(found.absent_keys) + ") : "
            "remettez-les, puis recommencez. Si elles sont perdues, « --cles-perdues » restaure sans elles : "
            "ce qu'elles chiffraient restera illisible."
        )
    done = Brought(found)
    tell("Fichiers…")
    with path.open("rb") as file:
        archives.read(file, keys, _Files(done, tell))
    tell("Base de données…")
    with path.open("rb") as file, databases.loading(trial=False) as into:
        archives.read(file, keys, _Base(into))
    _compare_rows(found)
    # Before anything else: a worker that is there already finds letters that it must not send.
    if holding.can_hold():
        holding.hold(made_at=found.made_at, at=at)
    if versions.hindrance(connection):
        tell(f"Mise à jour depuis la version {found.version}…")
        call_command("migrate", interactive=False, verbosity=0)
    since = holding.held() or holding.hold(made_at=found.made_at, at=at)
    done.held = holding.waiting(since).copied
    tell("Effacements refaits…")
    entries = [*journal.entries(private_storage())]
    if journal_copy:
        entries += journal.entries_of(journal_copy)
    done.erased = _erase_again(entries, at)
    return done


def _erase_again(entries: Iterable[journal.Entry], at: datetime) -> Counter[journal.Outcome]:
    return Counter(journal.again(entry, at=at) for entry in entries)


def _compare_rows(found: Found) -> None:
    """Every row is there. Nothing else has written: nobody knows this database yet."""
    with connection.cursor() as cursor:
        for table, count in found.manifest["tables"].items():
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608
            if cursor.fetchone() != (count,):
                raise Damaged(f"La table {table} n'a pas les {count} lignes que dit la sauvegarde.")


class _Files(Sink):
    """Puts the files into their stores."""

    def __init__(self, done: Brought, tell: Tell) -> None:
        self._done, self._tell = done, tell

    def file(self, where: str, name: str, size: int, content: Reads) -> None:
        store = named_files.store(where)
        if store.exists(name):
            with store.open(name) as there:
                _refuse_another(f"{where}/{name}", content, there)
        else:
            with tempfile.SpooledTemporaryFile(IN_MEMORY) as waiting:
                while piece := content.read(STEP):
                    waiting.write(piece)
                waiting.seek(0)
                if store.save(name, File(cast("IO[bytes]", waiting))) != name:
                    raise NotEmpty(f"Le dépôt n'a pas pris le fichier {where}/{name} sous ce nom.")
        self._done.files += 1
        if self._done.files % 1000 == 0:
            self._tell(f"Fichiers : {self._done.files}…")


def _refuse_another(name: str, content: Reads, there: Reads) -> None:
    kept, here = Hashing(content), Hashing(there)
    kept.to_its_end()
    here.to_its_end()
    if kept.sha256() != here.sha256():
        raise NotEmpty(
            f"Le fichier {name} est déjà là, et il est différent : restaurez dans un dépôt neuf (PORTAL_VAR "
            "ou PRIVATE_STORAGE_URL)."
        )


class _Base(Sink):
    """Loads the database."""

    def __init__(self, into: databases.Loading) -> None:
        self._into = into

    def base(self, piece: bytes) -> None:
        self._into.write(piece)
