"""An archive is read as it was written, or refused."""

import io
import os
from pathlib import Path

import pytest

from portal.backups import archives
from portal.backups.refusals import Damaged, KeyMissing, Refused
from portal.database import field_keys
from tests.portal.backups.reading import Unread

KEY, OTHER_KEY = "k" * 40, "o" * 40
HEAD = {"format": 1, "version": "1.0.0", "vendor": "sqlite", "made_at": "2026-11-09T02:00:00+01:00"}


def cut(path: Path, length: int) -> Path:
    shorter = path.with_suffix(".cut")
    shorter.write_bytes(path.read_bytes()[:length])
    return shorter


@pytest.mark.parametrize("key", [None, KEY], ids=["in clear", "encrypted"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 0.99])
def test_what_was_cut_off_is_refused_wherever_it_was(small, key, part):
    """Nothing is written before all of it was read."""
    path = small(key)
    with pytest.raises(Refused):
        read(cut(path, int(path.stat().st_size * part)), key)


@pytest.mark.parametrize("key", [None, KEY], ids=["in clear", "encrypted"])
def test_what_was_changed_is_refused_wherever_it_was(small, key):
    path = small(key)
    whole = path.read_bytes()
    for place in range(600, len(whole) - 12_000, len(whole) // 23):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            read(path, key)
        except Refused:
            continue
        # What fills tar's blocks is nobody's.
        assert key is None and whole[place] in b"\0 "


def read(path: Path, key: str | None):
    with path.open("rb") as file:
        return archives.read(file, [key] if key else [], Unread())


@pytest.fixture
def small(tmp_path):
    """An archive of something else than a portal: it is read alike."""

    def made(key: str | None) -> Path:
        path = tmp_path / "small"
        with path.open("wb") as file, archives.writing(file, HEAD, key=key) as archive:
            archive.write(os.urandom(3_000_000))
            for name in ("a/b.pdf", "c.pdf"):
                archive.add_file("prive", name, 20_000, io.BytesIO(os.urandom(20_000)))
            archive.finish({})
        assert read(path, key)["files"] == 2
        return path

    return made


def test_pieces_of_an_encrypted_archive_keep_their_order(small):
    path = small(KEY)
    whole = path.read_bytes()
    piece = 1024 * 1024 + 16
    head = len(whole) % piece if len(whole) % piece < 100 else len(b"portail-sauvegarde-1\n") + 40
    first, second = whole[head : head + piece], whole[head + piece : head + 2 * piece]
    path.write_bytes(whole[:head] + second + first + whole[head + 2 * piece :])
    with pytest.raises(Damaged):
        read(path, KEY)


def test_another_key_is_named_not_tried(small):
    with pytest.raises(KeyMissing) as refused:
        read(small(KEY), OTHER_KEY)
    assert field_keys.name_of(KEY) in str(refused.value) and KEY not in str(refused.value)
