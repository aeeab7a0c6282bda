"""A line of its own for each test, in a file or, with patience, in Redis."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.waiting.shared_file import SharedFile
from portal.waiting.shared_redis import SharedRedis
from portal.waiting.store import Store
from tests import redis_server

T0 = 1_800_000_000.0


@pytest.fixture
def line_file(tmp_path: Path) -> Path:
    return tmp_path / "waiting-room"


@pytest.fixture(scope="session")
def redis_address() -> Iterator[str]:
    with redis_server.running() as server:
        yield server.address


@pytest.fixture(params=["file", pytest.param("redis", marks=pytest.mark.long)])
def store(request: Any, line_file: Path) -> Store:
    if request.param == "file":
        return SharedFile(line_file)
    return SharedRedis(request.getfixturevalue("redis_address"), secrets.token_hex(4))
