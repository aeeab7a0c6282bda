"""The archive: a tar file, in clear or encrypted, written and read once from its beginning to its end.

    LISEZMOI.txt            what it is, for who finds it
    tete.json               of which moment, version and database
    base/0000001…           the database, in pieces: PostgreSQL's own format, or SQLite's file, compressed
    fichiers/prive/NAME     families' files, as the store names them
    fichiers/public/NAME    the town's crest
    liste/0000001.jsonl     after each few thousand files: their names, sizes and SHA-256
    manifeste.json          at the very end: of which moment and version, how many rows and files, which keys

Memory does not grow with the archive: nothing is held but a piece, and the list since the last one.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple, cast

from portal.backups.ciphers import Decrypting, Encrypting, Reads, Writes, is_encrypted
from portal.backups.refusals import Damaged

README, HEAD, MANIFEST = "LISEZMOI.txt", "tete.json", "manifeste.json"
BASE, FILES, LIST = "base", "fichiers", "liste"
PIECE = 8 * 1024 * 1024
STEP = 256 * 1024
FILES_A_LIST = 5000
INCOMPLETE = "Cette sauvegarde est incomplète ou abîmée : {}."
SAID = """\
Sauvegarde du portail famille {version}.

Pour la lire : « manage.py restore FICHIER --essai » ; pour la restaurer, docs/backup.md.
Elle contient des données personnelles : ne la confiez à personne.
"""


class Listed(NamedTuple):
    """A file of the archive: where it lies (« prive » or « public »), under which name."""

    where: str
    name: str
    size: int
    sha256: str


class Sink:
    """Takes what is read, piece by piece; by itself it lets all of it go by."""

    def head(self, said: dict[str, Any]) -> None:
        """Before all else; may refuse it."""

    def base(self, piece: bytes) -> None:
        """A piece of the database."""

    def file(self, where: str, name: str, size: int, content: Reads) -> None:
        """May read all of `content`, a part of it, or nothing."""


class Hashing:
    """Reads through, and knows the SHA-256 of what was read."""

    def __init__(self, source: Reads) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    def to_its_end(self) -> None:
        while self.read(STEP):
            pass

    def sha256(self) -> str:
        return self._hash.hexdigest()


class Archive:
    """An archive that is being written: the database first, then the files, then its manifest."""

    def __init__(self, to: Writes, head: dict[str, Any]) -> None:
        self._tar = tarfile.open(fileobj=cast(Any, to), mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._at = datetime.fromisoformat(head["made_at"]).timestamp()
        self._head = head
        self._base, self._waiting, self._pieces, self._size = hashlib.sha256(), bytearray(), 0, 0
        self._list: list[Listed] = []
        self._lists = 0
        self.files = self.bytes = 0
        self._add(README, SAID.format(**head).encode())
        self._add(HEAD, json.dumps(head).encode())

    def write(self, data: bytes) -> int:
        """More of the database."""
        self._base.update(data)
        self._size += len(data)
        self._waiting += data
        while len(self._waiting) >= PIECE:
            self._piece()
        return len(data)

    def add_file(self, where: str, name: str, size: int, source: Reads) -> Listed:
        """Raises Damaged where the source ends before its size."""
        self._end_base()
        content = Hashing(source)
        info = self._info(f"{FILES}/{where}/{name}", size)
        try:
            self._tar.addfile(info, content)
        except OSError as error:
            if error.errno is not None:  # no room on the disk, say
                raise
            raise Damaged(f"Le fichier {where}/{name} a changé pendant sa lecture.") from error
        self._forget()
        listed = Listed(where, name, size, content.sha256())
        self._list.append(listed)
        self.files, self.bytes = self.files + 1, self.bytes + size
        if len(self._list) >= FILES_A_LIST:
            self._end_list()
        return listed

    def finish(self, manifest: dict[str, Any]) -> None:
        self._end_base()
        self._end_list()
        base = {"sha256": self._base.hexdigest(), "size": self._size, "pieces": self._pieces}
        said = (
            self._head
            | manifest
            | {"base": base, "files": self.files, "bytes": self.bytes, "lists": self._lists}
        )
        self._add(MANIFEST, json.dumps(said, ensure_ascii=False, indent=1).encode())
        self._tar.close()

    def give_up(self) -> None:
        """Nothing more is written, not even the end."""
        cast(Any, self._tar.fileobj).closed = True

    def _end_base(self) -> None:
        while self._waiting:
            self._piece()

    def _piece(self) -> None:
        self._pieces += 1
        self._add(f"{BASE}/{self._pieces:07}", bytes(self._waiting[:PIECE]))
        del self._waiting[:PIECE]

    def _end_list(self) -> None:
        if self._list:
            self._lists += 1
            lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in self._list)
            self._add(f"{LIST}/{self._lists:07}.jsonl", lines.encode())
            self._list.clear()

    def _add(self, name: str, content: bytes) -> None:
        self._tar.addfile(self._info(name, len(content)), io.BytesIO(content))
        self._forget()

    def _info(self, name: str, size: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, self._at, 0o600
        return info

    def _forget(self) -> None:
        """A tar file remembers each of its members."""
        cast(Any, self._tar).members.clear()


@contextmanager
def writing(file: BinaryIO, head: dict[str, Any], *, key: str | None) -> Iterator[Archive]:
    """An archive to fill and to `finish`, encrypted where there is a key. `head` is what it says of itself at
    its beginning: `format`, `version`, `vendor` and `made_at` at least."""
    encrypting = None if key is None else Encrypting(file, key)
    archive = Archive(file if encrypting is None else encrypting, head)
    try:
        yield archive
        if encrypting is not None:
            encrypting.finish()
    except BaseException:
        archive.give_up()
        raise


def read(file: BinaryIO, keys: Sequence[str], sink: Sink) -> dict[str, Any]:
    """Reads the archive to its end, gives all to the sink, and returns the manifest.

    Whatever is not as it was written raises Damaged, at the latest at the end: the sink is given
    pieces before all of them are known to be right. KeyMissing where it is encrypted with a key that is not
    among `keys`.
    """
    head = file.read(64)
    file.seek(0)
    source: Reads = Decrypting(file, keys) if is_encrypted(head) else file
    try:
        return _walk(source, sink)
    except (tarfile.TarError, EOFError, UnicodeError, json.JSONDecodeError, KeyError) as error:
        raise Damaged(INCOMPLETE.format("ce qui suit n'est pas lisible")) from error


def _walk(source: Reads, sink: Sink) -> dict[str, Any]:
    base, size, pieces, files, total, lists = hashlib.sha256(), 0, 0, 0, 0, 0
    seen: list[Listed] = []
    manifest: dict[str, Any] | None = None
    with tarfile.open(fileobj=cast(Any, source), mode="r|") as tar:
        for info in tar:
            cast(Any, tar).members.clear()
            content = tar.extractfile(info)
            if content is None or manifest is not None:
                raise Damaged(INCOMPLETE.format(f"« {info.name} » n'a rien à y faire"))
            kind, _, rest = info.name.partition("/")
            if kind == BASE:
                piece = content.read()
                base.update(piece)
                size, pieces = size + len(piece), pieces + 1
                sink.base(piece)
            elif kind == FILES:
                where, _, name = rest.partition("/")
                through = Hashing(content)
                sink.file(where, name, info.size, through)
                through.to_its_end()
                seen.append(Listed(where, name, info.size, through.sha256()))
                files, total = files + 1, total + through.size
            elif kind == LIST:
                lists += 1
                _compare(seen, content.read())
            elif info.name == HEAD:
                sink.head(json.loads(content.read()))
            elif info.name == MANIFEST:
                manifest = json.loads(content.read())
    if manifest is None:
        raise Damaged(INCOMPLETE.format("sa fin manque"))
    found: dict[str, Any] = {"base": {"sha256": base.hexdigest(), "size": size, "pieces": pieces}}
    found |= {"files": files, "bytes": total, "lists": lists}
    if seen or any(manifest[what] != said for what, said in found.items()):
        raise Damaged(INCOMPLETE.format("son contenu n'est pas celui que dit son manifeste"))
    return manifest


def _compare(seen: list[Listed], lines: bytes) -> None:
    written = [Listed(*json.loads(line)) for line in lines.decode().splitlines()]
    for one, other in zip(written, seen, strict=False):
        if one != other:
            raise Damaged(INCOMPLETE.format(f"le fichier {one.where}/{one.name} n'a plus son empreinte"))
    if len(written) != len(seen):
        raise Damaged(INCOMPLETE.format("des fichiers manquent"))
    seen.clear()
