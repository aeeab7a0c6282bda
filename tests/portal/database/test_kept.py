"""What is read once: for a page, or for half a minute."""

from dataclasses import dataclass, field

import pytest

from families.models import Household
from portal.database import kept
from portal.database.kept import FRESH_SECONDS, KeptAWhile, once_a_page


@dataclass
class Reader:
    """Answers what it was asked, and how often it was."""

    asked: list[object] = field(default_factory=list)

    def __call__(self, *what: object) -> int:
        self.asked.append(what)
        return len(self.asked)


@pytest.fixture
def reader() -> Reader:
    return Reader()


def test_blocks_of_a_page_are_given_the_same(reader: Reader):
    home, other = Household(pk=1), Household(pk=1)

    @once_a_page
    def read(household: Household, month: str) -> int:
        return reader(household, month)

    assert [read(home, "may"), read(home, "may"), read(home, "june"), read(other, "may")] == [1, 1, 2, 3]


def test_two_readers_of_a_row_are_told_apart():
    home = Household(pk=1)
    first, second = once_a_page(lambda row: "first"), once_a_page(lambda row: "second")
    assert [first(home), second(home)] == ["first", "second"]


def test_half_a_minute_later_it_is_read_anew(reader: Reader, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(kept.time, "monotonic", lambda: now[0])
    read = KeptAWhile(lambda activity: reader(activity))
    assert [read(1), read(1), read(2)] == [1, 1, 2]
    now[0] = FRESH_SECONDS + 0.1
    assert [read(1), read(1)] == [3, 3]
    read.forget()
    assert read(1) == 4


def test_a_read_that_failed_is_not_kept(reader: Reader):
    def fail() -> int:
        if reader() == 1:
            raise LookupError
        return 2

    read = KeptAWhile(fail)
    with pytest.raises(LookupError):
        read()
    assert read() == 2


def test_each_reader_reads_anew_where_everything_is_forgotten():
    asked = []
    readers = [kept.KeptAWhile(lambda one=one: asked.append(one)) for one in (1, 2)]
    for read in (*readers, *readers):
        read()
    kept.forget_all()
    for read in readers:
        read()
    assert asked == [1, 2, 1, 2]
