"""One judge of a kind at a time, in a process of its own, and a sentence for who would wait too long."""

import fcntl
import threading
import time
from types import ModuleType

import pytest
from django.conf import settings as django_settings

from portal.files import judging, pdf_judge
from tests.portal.files.test_pdf_judge import pdf

pytestmark = pytest.mark.once


SLOW = """
import sys, time
from enum import IntEnum
class Verdict(IntEnum):
    DONE = 42
if __name__ == "__main__":
    sys.stdin.buffer.read()
    time.sleep(0.3)
    sys.exit(Verdict.DONE)
"""


@pytest.fixture
def slow(tmp_path) -> ModuleType:
    """A judge that takes its time."""
    path = tmp_path / "slow_judge.py"
    path.write_text(SLOW)
    judge = ModuleType("slow_judge")
    exec(SLOW, judge.__dict__)  # noqa: S102 (the text above)
    judge.__file__ = str(path)
    return judge


def test_two_at_once_take_their_turns(slow):
    times: list[tuple[float, float]] = []

    def send() -> None:
        assert judging.verdict(slow, b"x") == slow.Verdict.DONE
        times.append((time.perf_counter(), 0))

    started = time.perf_counter()
    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 3
    assert time.perf_counter() - started > 0.9, "one after the other"


def test_whoever_would_wait_too_long_is_told(slow, monkeypatch):
    """Another process has its turn: the lock is the machine's, not the thread's."""
    monkeypatch.setattr(judging, "LONGEST_WAIT_SECONDS", 0.2)
    with (django_settings.VAR_DIR / "slow_judge.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(judging.Busy):
            judging.verdict(slow, b"x")
        assert judging.verdict(pdf_judge, pdf("<</Type/Catalog>>")) == pdf_judge.Verdict.HARMLESS
    assert judging.verdict(slow, b"x") == slow.Verdict.DONE


def test_a_judge_that_falls_or_never_ends_has_no_verdict(slow, tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "LONGEST_JUDGEMENT_SECONDS", 0.1)
    assert judging.verdict(slow, b"x") is None
    (tmp_path / "slow_judge.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(judging, "LONGEST_JUDGEMENT_SECONDS", 30)
    assert judging.verdict(slow, b"x") is None
    (tmp_path / "slow_judge.py").write_text("raise MemoryError")
    assert judging.verdict(slow, b"x") is None
