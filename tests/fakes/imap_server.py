"""A small IMAP server: one folder of mails with their flags, as much of RFC 3501 as is asked of it."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial


class _Session(socketserver.StreamRequestHandler):
    fake: "FakeImap"

    def handle(self) -> None:
        self._write("* OK fake ready")
        while line := self.rfile.readline().decode():
            tag, verb, rest = [*line.strip().split(" ", 2), ""][:3]
            if verb == "UID":
                verb, rest = [*rest.split(" ", 1), ""][:2]
            answer = getattr(self, f"_{verb.lower()}", self._other)(rest)
            self._write(f"{tag} {answer}")
            if verb == "LOGOUT":
                return

    def _capability(self, rest: str) -> str:
        self._write("* CAPABILITY IMAP4rev1")
        return "OK done"

    def _login(self, rest: str) -> str:
        return "OK hello" if rest.split()[1].strip('"') == self.fake.password else "NO wrong password"

    def _select(self, rest: str) -> str:
        self._write(f"* {len(self.fake.mails)} EXISTS")
        return "OK selected"

    def _search(self, rest: str) -> str:
        fake = self.fake
        keyword = rest.split()[-1]
        found = [n for n in fake.mails if not fake.flags[n] & {"\\Seen", keyword}]
        self._write(f"* SEARCH {' '.join(map(str, found))}".rstrip())
        return "OK found"

    def _fetch(self, rest: str) -> str:
        number = int(rest.split()[0])
        raw = self.fake.mails[number]
        self.wfile.write(f"* 1 FETCH (UID {number} BODY[]<0> {{{len(raw)}}}\r\n".encode() + raw + b")\r\n")
        return "OK fetched"

    def _store(self, rest: str) -> str:
        number, flag = re.match(r"(\d+) \+FLAGS \(?([^)]+)\)?", rest).groups()
        if not flag.startswith("\\") and not self.fake.keeps_keywords:
            return "NO no such flag here"
        self.fake.flags[int(number)].add(flag)
        return "OK stored"

    def _logout(self, rest: str) -> str:
        self._write("* BYE")
        return "OK bye"

    def _other(self, rest: str) -> str:
        return "BAD what?"

    def _write(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class FakeImap:
    def __init__(self) -> None:
        self.password = "secret"
        self.mails: dict[int, bytes] = {}
        self.flags: dict[int, set[str]] = {}
        self.keeps_keywords = True
        self.url = ""

    def put(self, *mails: bytes) -> None:
        for mail in mails:
            number = len(self.mails) + 1
            self.mails[number], self.flags[number] = mail, set()

    @contextmanager
    def running(self) -> Iterator[str]:
        """The address of its mailbox."""
        handler = type("OneFake", (_Session,), {"fake": self})
        server = type("Server", (socketserver.ThreadingTCPServer,), {"daemon_threads": True})
        with server(("127.0.0.1", 0), handler) as listening:
            serve = partial(listening.serve_forever, poll_interval=0.02)
            threading.Thread(target=serve, daemon=True).start()
            try:
                yield f"imap://portail:{self.password}@127.0.0.1:{listening.server_address[1]}/INBOX"
            finally:
                listening.shutdown()
