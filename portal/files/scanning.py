"""A virus scanner of the town's, asked about each file that comes in: ClamAV's daemon, by its own protocol.

CLAMD_ADDRESS says where it listens: « host:port », or the path of its socket. Empty: no scanner. Where there
is one, a file that it has not said to be clean does not come in.
"""

import logging
import socket
import struct

from django.conf import settings

logger = logging.getLogger(__name__)

A_PIECE = 64 * 1024
ANSWERS_WITHIN_SECONDS = 30.0
LONGEST_ANSWER = 4096


class Infected(Exception):
    """The scanner knows something harmful in the file."""


class NotScanned(Exception):
    """The scanner did not say what it found: it does not answer, or it could not read the file."""


def scan(content: bytes) -> None:
    """Asks the scanner, where the town has one. Raises Infected or NotScanned."""
    if not settings.CLAMD_ADDRESS:
        return
    try:
        answer = _asked(settings.CLAMD_ADDRESS, content)
    except (OSError, ValueError) as error:
        logger.error("The scanner does not answer: %s", type(error).__name__)
        raise NotScanned from error
    if answer == "stream: OK":
        return
    if answer.startswith("stream: ") and answer.endswith(" FOUND"):
        logger.warning("A file was refused: %s", answer.removeprefix("stream: "))
        raise Infected
    logger.error("The scanner could not tell: %s", answer[:200])
    raise NotScanned


def _asked(address: str, content: bytes) -> str:
    """INSTREAM: pieces, each after its length in four bytes; a length of nought ends them."""
    with _connected(address) as line:
        line.sendall(b"zINSTREAM\0")
        for at in range(0, len(content), A_PIECE):
            piece = content[at : at + A_PIECE]
            line.sendall(struct.pack("!I", len(piece)) + piece)
        line.sendall(struct.pack("!I", 0))
        answer = b""
        while b"\0" not in answer and len(answer) < LONGEST_ANSWER:
            said = line.recv(LONGEST_ANSWER)
            if not said:
                break
            answer += said
    return answer.partition(b"\0")[0].decode(errors="replace").strip()


def _connected(address: str) -> socket.socket:
    if address.startswith("/"):
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(ANSWERS_WITHIN_SECONDS)
        try:
            line.connect(address)
        except OSError:
            line.close()
            raise
        return line
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), ANSWERS_WITHIN_SECONDS)


def troubles(address: str) -> list[str]:
    """What is wrong with the address of the scanner, in French; nothing for an empty one."""
    host, _, port = address.rpartition(":")
    if not address or address.startswith("/") or (host and port.isascii() and port.isdigit()):
        return []
    return ["CLAMD_ADDRESS doit être « hôte:port » ou le chemin d'un socket (/run/clamav/clamd.ctl)."]
