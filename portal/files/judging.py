"""Files from outside are taken apart by a process of their own, one of each kind at a time on the machine.

What decodes a picture is C that strangers feed, and some kilobytes of file can unfold to gigabytes: should a
judge fall or swell, no page does. A judge (`picture_judge.py`, `pdf_judge.py`) is a module that runs alone,
knows nothing of Django, reads the file from its standard input and ends with a verdict.
"""

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from types import ModuleType

from django.conf import settings

LONGEST_WAIT_SECONDS = 15.0
LONGEST_JUDGEMENT_SECONDS = 30.0
A_MOMENT = 0.05


class Busy(Exception):
    """Others' files are being judged, and have been for too long to wait."""


def verdict(judge: ModuleType, content: bytes, *told: int) -> IntEnum | None:
    """What `judge` finds; None where the file was too much for it. Raises Busy."""
    path = Path(str(judge.__file__))
    with _turn(path.stem):
        try:
            done = subprocess.run(
                [sys.executable, "-I", str(path), *map(str, told)],
                input=content,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                timeout=LONGEST_JUDGEMENT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
    found: dict[int, IntEnum] = {int(one): one for one in judge.Verdict}
    return found.get(done.returncode)


@contextmanager
def _turn(name: str) -> Iterator[None]:
    """Waits until no thread and no process of this machine has that judge. Raises Busy after a while."""
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    with (settings.VAR_DIR / f"{name}.lock").open("w") as lock:
        for _ in range(int(LONGEST_WAIT_SECONDS / A_MOMENT)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(A_MOMENT)
        else:
            raise Busy
        yield
