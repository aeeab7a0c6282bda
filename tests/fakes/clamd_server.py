"""A small clamd: reads INSTREAM as the real one does, and answers what it is told to."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Listening(socketserver.BaseRequestHandler):
    fake: "FakeClamd"

    def handle(self) -> None:
        if self.fake.fault == "down":
            return
        command = self._read(10)
        content = b""
        while size := struct.unpack("!I", self._read(4))[0]:
            content += self._read(size)
            if len(content) > self.fake.most:
                self.request.sendall(b"INSTREAM size limit exceeded. ERROR\0")
                return
        self.fake.asked.append((command, content))
        if self.fake.fault == "silent":
            self.fake.done.wait(10)
        for piece in self.fake.answer:
            self.request.sendall(piece)

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            piece = self.request.recv(size - len(found))
            if not piece:
                raise ConnectionError
            found += piece
        return found


class FakeClamd:
    """`answer`, sent piece by piece; `fault` is "", "down" or "silent"; `most` bytes are read."""

    def __init__(self) -> None:
        self.answer = [b"stream: OK\0"]
        self.fault = ""
        self.most = 25 * 1024 * 1024
        self.asked: list[tuple[bytes, bytes]] = []
        self.done = threading.Event()

    @contextmanager
    def running(self, path: Path | None = None) -> Iterator[str]:
        """Its address: a port of this machine, or a socket at `path`."""
        handler = type("OneClamd", (Listening,), {"fake": self})
        server: Any
        if path is None:
            server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
            address = f"127.0.0.1:{server.server_address[1]}"
        else:
            server = socketserver.ThreadingUnixStreamServer(str(path), handler)
            address = str(path)
        server.daemon_threads = True
        server.handle_error = lambda *args: None  # a client that hung up
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield address
        finally:
            self.done.set()
            server.shutdown()
            server.server_close()
            thread.join()
