"""A database that is not there yet, or has just gone: whether an error says so, and waiting for it."""

import logging
import threading
from collections.abc import Iterator

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

# Seconds from one try to the next: doubled each time, up to the last.
FIRST_WAIT, LONGEST_WAIT = 1, 30
# PostgreSQL's classes and codes: the connection failed, the server stops or starts, it has too many.
AWAY = ("08", "57P01", "57P02", "57P03", "53300")
NO_FILE = "unable to open database file"


def went_away(error: BaseException) -> bool:
    """Whether this error, or one that it came from, says that nothing answers, rather than what was asked."""
    return any(_says_so(one) for one in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _says_so(error: BaseException) -> bool:
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    told = error.__cause__
    if not hasattr(told, "sqlstate"):
        return NO_FILE in str(error)
    # A connection that broke, or was never made, has no code.
    code: str | None = getattr(told, "sqlstate", None)
    return code is None or code.startswith(AWAY)


def waits() -> Iterator[int]:
    """Seconds: 1, 2, 4… up to LONGEST_WAIT, for ever."""
    seconds = FIRST_WAIT
    while True:
        yield seconds
        seconds = min(2 * seconds, LONGEST_WAIT)


def until_it_answers(stop: threading.Event) -> None:
    """Returns when this thread has a connection, or `stop` is set; a line in the log before each wait.

    Raises OperationalError for what waiting does not mend.
    """
    waited = False
    for seconds in waits():
        if stop.is_set():
            return
        try:
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
            connection.ensure_connection()
        except (OperationalError, InterfaceError) as error:
            if not went_away(error):
                raise
            connection.close()
            said = " ".join(str(error).split())[:200]
            logger.warning("La base de données ne répond pas (%s). Nouvel essai dans %d s.", said, seconds)
            waited = True
            stop.wait(seconds)
        else:
            if waited:
                logger.warning("La base de données répond de nouveau.")
            return
