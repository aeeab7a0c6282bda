"""One request over a connection of its own, as a proxy speaks to what stands behind it: HTTP/1.0, whose
answers end where the connection does."""

import asyncio
import gzip
import http.client
import io
import time
from dataclasses import dataclass
from email.message import Message

PATIENCE_SECONDS = 90


class NoAnswer(Exception):
    """The server refused, broke off, or took too long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is uncompressed; `sent` in seconds of `time.monotonic`, `took` until its last byte; `weight` in
    bytes as the body came over the line."""

    status: int
    headers: Message
    body: bytes
    sent: float
    took: float
    weight: int

    @property
    def at(self) -> float:
        return self.sent + self.took


async def exchange(
    server: tuple[str, int], method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> Answer:
    """Raises NoAnswer."""
    lines = [f"{method} {path} HTTP/1.0", *(f"{name}: {value}" for name, value in headers.items())]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    said = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
    sent = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            heard = await _speak(server, said)
    except TimeoutError:
        raise NoAnswer("no answer in time") from None
    except OSError as error:
        raise NoAnswer(type(error).__name__) from error
    return read(heard, sent, time.monotonic() - sent)


async def _speak(server: tuple[str, int], said: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(said)
        return await reader.read(-1)
    finally:
        writer.close()


def read(heard: bytes, sent: float, took: float) -> Answer:
    """What came over the line as an answer. Raises NoAnswer where it is not a whole one."""
    first, _, rest = heard.partition(b"\r\n")
    words = first.split(None, 2)
    if len(words) < 2 or not words[1].isdigit():
        raise NoAnswer("broken off")
    stream = io.BytesIO(rest)
    headers = http.client.parse_headers(stream)
    body = stream.read()
    promised = headers["Content-Length"]
    if promised is not None and int(promised) != len(body):
        raise NoAnswer("broken off")
    weight = len(body)
    if headers["Content-Encoding"] == "gzip":
        body = gzip.decompress(body)
    return Answer(int(words[1]), headers, body, sent, took, weight)
