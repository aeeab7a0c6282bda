"""A line of its own for each test, in a file or in Redis, and a gate with a small portal behind it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from portal.waiting.shared_file import SharedFile
from portal.waiting.shared_redis import SharedRedis
from portal.waiting.store import Store

REDIS = os.environ.get("TEST_REDIS_URL", "redis://localhost:6379/9")
T0 = 1_800_000_000.0


@pytest.fixture
def line_file(tmp_path: Path) -> Path:
    return tmp_path / "waiting-room"


@pytest.fixture(params=["file", "redis"])
def store(request: Any, line_file: Path) -> Iterator[Store]:
    if request.param == "file":
        yield SharedFile(line_file)
        return
    prefix = f"test-waiting-{os.getpid()}"
    yield SharedRedis(REDIS, prefix)
    client = redis.Redis.from_url(REDIS)
    for key in client.scan_iter(f"{prefix}:*"):
        client.delete(key)
