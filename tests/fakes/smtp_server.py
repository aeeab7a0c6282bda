"""A small mail server: takes mails, or answers, stalls or hangs up where it is told to."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial


class _Session(socketserver.StreamRequestHandler):
    fake: "FakeSmtp"

    def handle(self) -> None:
        fake = self.fake
        fake.connections += 1
        if not self._say("banner", "220 fake ESMTP"):
            return
        while line := self.rfile.readline():
            words = line.decode().strip()
            verb = words.split(" ")[0].split(":")[0].upper()
            fake.verbs.append(verb)
            if verb == "EHLO":
                self._write("250-fake")
                self._write("250 ENHANCEDSTATUSCODES")
            elif verb == "QUIT":
                self._write("221 bye")
                return
            elif verb == "DATA":
                if not self._data():
                    return
            elif not self._say(verb, "250 ok", about=words):
                return

    def _data(self) -> bool:
        self._write("354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        if not lines:
            return False
        if self.fake.answers.get("DATA") is None:
            self.fake.mails.append(b"".join(lines).decode())
            self.fake.arrived.set()
        return self._say("DATA", "250 queued")

    def _say(self, verb: str, usual: str, about: str = "") -> bool:
        """Whether the session goes on."""
        fake = self.fake
        if verb == fake.stalls_at:
            fake.stalled.set()
            fake.done.wait(60)
            return False
        if verb == "RCPT":
            for address, answer in fake.refused.items():
                if address in about:
                    self._write(answer)
                    return True
        answer = fake.answers.get(verb, usual)
        self._write(answer)
        return not answer.startswith("421")

    def _write(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class FakeSmtp:
    """`mails` as they came; `answers` by verb instead of the usual one; `refused` by a part of an address;
    `stalls_at` a verb (or « banner ») that is never answered."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.verbs: list[str] = []
        self.answers: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.stalls_at = ""
        self.connections = 0
        self.arrived, self.stalled, self.done = threading.Event(), threading.Event(), threading.Event()

    @contextmanager
    def running(self, port: int = 0) -> Iterator[int]:
        """The port it listens at."""
        handler = type("OneFake", (_Session,), {"fake": self})
        server = type(
            "Server",
            (socketserver.ThreadingTCPServer,),
            {"allow_reuse_address": True, "daemon_threads": True},
        )
        with server(("127.0.0.1", port), handler) as listening:
            serve = partial(listening.serve_forever, poll_interval=0.02)
            threading.Thread(target=serve, daemon=True).start()
            try:
                yield listening.server_address[1]
            finally:
                self.done.set()
                listening.shutdown()
