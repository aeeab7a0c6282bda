"""A small HTTP server of our own, in a thread: what the fakes of providers are made of."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar


class Fake:
    """What a fake provider knows, and how badly it behaves.

    `fault` is "" (well), "down" (closes the line), "slow" (answers after `delay`), "garbage", or an
    HTTP status.
    """

    handler: ClassVar[type["Handler"]]

    def __init__(self) -> None:
        self.fault = ""
        self.delay = 0.5
        self.asked: list[str] = []
        self.lock = threading.RLock()

    @contextmanager
    def running(self) -> Iterator["Fake"]:
        handler = type("OneFake", (self.handler,), {"fake": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: Any

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        pass

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def say(
        self, content: bytes | str, *, status: int = 200, kind: str = "application/json", **headers: str
    ) -> None:
        content = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def misbehaves(self) -> bool:
        """Whether it has failed in the way asked for, instead of answering."""
        fault = self.fake.fault
        if fault == "down":
            self.close_connection = True
        elif fault == "garbage":
            self.say("<html>Bonjour</html>", kind="text/html")
        elif fault.isdecimal():
            self.say("{}", status=int(fault))
        elif fault == "slow":
            time.sleep(self.fake.delay)
            return False
        return bool(fault)
