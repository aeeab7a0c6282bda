"""The folder of backups: how they are called, which are kept, one written at a time."""

import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import NamedTuple

from portal.backups.refusals import Refused
from portal.files import modes

NAME = re.compile(r"portail-(\d{4}-\d{2}-\d{2}-\d{6})Z\.(tar|chiffre)")
MOMENT = "%Y-%m-%d-%H%M%S"
PARTIAL = ".partiel"


class Kept(NamedTuple):
    """A whole backup: of which moment (aware), where it lies, how many bytes it has."""

    at: datetime
    path: Path
    size: int


def path_of(folder: Path, at: datetime, *, encrypted: bool) -> Path:
    kind = "chiffre" if encrypted else "tar"
    return folder / f"portail-{at.astimezone(UTC):{MOMENT}}Z.{kind}"


def backups(folder: Path) -> list[Kept]:
    """Those of the folder, the oldest first; nothing where there is none."""
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        if (said := NAME.fullmatch(path.name)) and path.is_file():
            at = datetime.strptime(said[1], MOMENT).replace(tzinfo=UTC)
            found.append(Kept(at, path, path.stat().st_size))
    return sorted(found)


def worth_keeping(moments: Iterable[datetime], *, days: int, weeks: int, zone: tzinfo) -> set[datetime]:
    """The newest of each of the last `days` days that have one, and of each of the last `weeks` weeks; always
    the newest of all. Days without a backup do not count: a timer that stood still costs no older one."""
    of_day: dict[object, datetime] = {}
    of_week: dict[object, datetime] = {}
    for at in sorted(moments):
        there = at.astimezone(zone)
        of_day[there.date()] = at
        of_week[there.isocalendar()[:2]] = at
    newest = list(of_day.values())[-1:]
    return {*list(of_day.values())[-days:][:days], *list(of_week.values())[-weeks:][:weeks], *newest}


def tidy(folder: Path, *, days: int, weeks: int, zone: tzinfo) -> list[Kept]:
    """Deletes what is no longer worth keeping; returns it."""
    there = backups(folder)
    kept = worth_keeping([one.at for one in there], days=days, weeks=weeks, zone=zone)
    gone = [one for one in there if one.at not in kept]
    for one in gone:
        one.path.unlink(missing_ok=True)
    return gone


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One at a time writes into the folder, which is made, closed to others, where it is missing; what an
    interrupted one left is taken away."""
    modes.make_private(folder)
    with (folder / ".verrou").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"Une autre sauvegarde est en cours dans {folder}.") from None
        for left in folder.glob(f".*{PARTIAL}"):
            left.unlink(missing_ok=True)
        yield


def settle(partial: Path, path: Path) -> None:
    """The whole archive takes its name, and is on the disk with it."""
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
