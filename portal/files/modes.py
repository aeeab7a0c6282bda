"""Who on this machine may read what the portal writes: its own user, nobody else. No Django here: settings
read this module."""

import os
from collections.abc import Iterable
from pathlib import Path

FILE, FOLDER = 0o600, 0o700
OTHERS = 0o077
# Beside a database of SQLite.
COMPANIONS = ("", "-wal", "-shm", "-journal")


def make_private(folder: Path) -> None:
    """Makes the folder, closed to others; one that is there keeps its mode."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=FOLDER, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Makes an empty file, closed to others before anything is in it; one that is there stays as it is."""
    make_private(path.parent)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, FILE))


def close(root: Path) -> int:
    """Closes `root` and all under it to others. Returns how many files and folders were open to them.

    Links are left alone, and what lies behind them; what belongs to another user is left to that user.
    """
    if not root.is_dir():
        return 0
    closed = int(_close(root, FOLDER))
    for where, folders, files in os.walk(root):
        closed += sum(_close(Path(where, name), FOLDER) for name in folders)
        closed += sum(_close(Path(where, name), FILE) for name in files)
    return closed


def close_files(paths: Iterable[Path]) -> int:
    """The same for files by themselves, those that are there."""
    return sum(_close(path, FILE) for path in paths)


def _close(path: Path, mode: int) -> bool:
    """Whether it had to be closed."""
    try:
        found = path.lstat()
        if not found.st_mode & OTHERS or path.is_symlink():
            return False
        path.chmod(mode)
    except (FileNotFoundError, PermissionError):
        return False
    return True
