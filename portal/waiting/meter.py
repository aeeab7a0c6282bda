"""What this process is at: requests in progress, and how long they lay before a thread took them up."""

import os
import socket
import struct
import threading
import time
from typing import Any

from portal.waiting.line import Totals

# tcp_info of Linux: milliseconds since the connection last brought something (tcpi_last_data_recv).
_LAST_DATA = 52
# A connection that has lain longer was not waiting for us, but kept open.
LONGEST = 120.0


def lay(environ: dict[str, Any]) -> float:
    """Seconds between the arrival of a request's last bytes and now; 0 where the system cannot tell."""
    connection = environ.get("gunicorn.socket")
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return 0.0
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA + 4)
    except OSError:
        return 0.0
    if len(told) < _LAST_DATA + 4:
        return 0.0
    seconds: float = struct.unpack_from("<I", told, _LAST_DATA)[0] / 1000
    return seconds if seconds < LONGEST else 0.0


class Meter:
    """Counts requests of this process; moments are those of the caller."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._cores = len(os.sched_getaffinity(0))
        self._clear()

    def _clear(self) -> None:
        self._pid = os.getpid()
        self._in_progress, self._progress, self._at = 0, 0.0, 0.0
        self._lay, self._taken, self._arrivals, self._cpu, self._logins = 0.0, 0, 0, 0.0, 0
        self._served = 0

    @property
    def in_progress(self) -> int:
        return self._in_progress

    def take_up(self, lay: float) -> None:
        """Any request."""
        with self._lock:
            if self._pid != os.getpid():
                self._clear()
            self._lay += lay
            self._taken += 1

    def arrive(self) -> None:
        """Somebody who is not inside asks for the first page or the login, without a place."""
        with self._lock:
            self._arrivals += 1

    def begin(self, now: float) -> float:
        """A request that is passed on begins; answers what `end` wants to be given."""
        with self._lock:
            self._move(now)
            self._in_progress += 1
        return time.thread_time()

    def end(self, now: float, begun: float, *, logged_in: bool) -> None:
        with self._lock:
            self._move(now)
            self._in_progress = max(0, self._in_progress - 1)
            self._cpu += max(0.0, time.thread_time() - begun)
            self._logins += logged_in
            self._served += 1

    def _move(self, now: float) -> None:
        if now > self._at:
            if self._at:
                self._progress += self._in_progress * (now - self._at)
            self._at = now

    def totals(self, now: float) -> Totals:
        with self._lock:
            self._move(now)
            return Totals(
                cores=self._cores,
                in_progress=self._in_progress,
                progress=self._progress,
                lay=self._lay,
                taken=self._taken,
                arrivals=self._arrivals,
                cpu=self._cpu,
                logins=self._logins,
                served=self._served,
            )
