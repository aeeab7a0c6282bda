"""The rush's own parts: a family waits as it is told, a broken answer is an error, a line's order is seen."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from tests.bench.rush import figures, report, running, wire
from tests.bench.rush.crowd import network_of
from tests.bench.rush.order import Place, overtaken
from tests.bench.rush.visit import Visit

CLOSED = b"HTTP/1.0 503 Full\r\nRetry-After: 0\r\nSet-Cookie: place=7; Path=/\r\n\r\n<p>7e</p>"
OPEN = b"HTTP/1.0 200 OK\r\nContent-Length: 11\r\n\r\n<p>Oui.</p>"


def _visit(answers: list[bytes]) -> tuple[Visit, list[bytes]]:
    """A browser that has opened a page of a server with these answers, and what the server was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answers[len(asked) - 1])
        writer.close()

    async def walk() -> Visit:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            visit = Visit(
                server.sockets[0].getsockname(), "10.0.0.1", Random(1), thinking=0, with_files=False
            )
            await visit.open("/connexion/", "login page")
        return visit

    return asyncio.run(walk()), asked


def test_a_family_in_line_keeps_its_cookie_and_comes_back_until_it_is_let_in() -> None:
    visit, asked = _visit([CLOSED, CLOSED, OPEN])
    assert [sample.step for sample in visit.samples] == ["waiting", "waiting", "login page"]
    assert b"Cookie" not in asked[0]
    assert all(b"Cookie: place=7" in one for one in asked[1:])
    assert all(b"X-Forwarded-For: 10.0.0.1" in one for one in asked)
    (wait,) = visit.waits
    assert len(wait.polls) == 1
    assert wait.entered is not None
    assert wait.entered > wait.polls[0] > wait.joined > wait.asked


@pytest.mark.parametrize(
    "heard", [b"", b"HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\nless"], ids=repr
)
def test_half_an_answer_is_none(heard: bytes) -> None:
    with pytest.raises(wire.NoAnswer, match="broken off"):
        wire.read(heard, 0, 0)


def test_each_family_has_an_address_of_its_own() -> None:
    assert len({network_of(number) for number in range(20_000)}) == 20_000


def _place(joined: float, *polls: float, entered: float | None) -> Place:
    return Place(joined - 0.1, joined, polls, entered)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([_place(1, 11, entered=21), _place(2, 12, entered=22)], 0),
        # The second came in while the first was not asking, which then came in when it asked.
        ([_place(1, entered=21), _place(2, entered=12)], 0),
        ([_place(1, 13, entered=21), _place(2, entered=12)], 1),
        ([_place(1, 13, 23, entered=None), _place(2, 13, entered=14), _place(3, entered=12)], 2),
        # Their first requests crossed: nobody was first.
        ([_place(1, 13, entered=21), _place(1.05, entered=12)], 0),
    ],
    ids=["in order", "asleep", "overtaken", "two overtaken", "at the same time"],
)
def test_who_is_told_to_wait_on_behind_a_later_one_is_overtaken(places: list[Place], expected: int) -> None:
    assert overtaken(places)[0] == expected


def test_p95_is_the_value_that_five_in_a_hundred_pass() -> None:
    assert figures.spread(range(1, 101)) == {"count": 100, "p50": 50, "p95": 95, "max": 100}
    assert figures.spread([])["count"] == 0


@pytest.mark.long
@pytest.mark.once
def test_a_handful_of_families_is_served(
    tmp_path: Path, installed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running.town(10, tmp_path, migrated=installed) as town:
        found = running.rush(town, seconds=2, workers=1, thinking=0.05, patience=120)
    assert report.faults(found) == []
    # One in five comes for holidays, whose places may all be taken.
    assert found["results"].get("recorded", 0) >= 6
    assert found["audit"]["recorded"] > 0
    assert found["cost"]["web_ms"] > 0
