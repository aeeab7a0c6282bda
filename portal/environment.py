"""Settings out of the environment. Settings read this module: no Django here.

What cannot be read is noted and its default taken, so that `portal/launching.py` says all that is wrong at
once, in French, instead of the first error of a library. Nothing works with that default: every process ends
there.
"""

import warnings
from collections.abc import Callable
from typing import Any

import environ

KNOWN = ("django.db.backends.postgresql", "django.db.backends.sqlite3")
NO = ("0", "false", "off", "n", "no", "")
A_NUMBER, YES_OR_NO = "un nombre entier", "1 (oui) ou 0 (non)"


class Environment(environ.Env):  # type: ignore[misc]  # the library has no types
    def __init__(self) -> None:
        super().__init__()
        # The name of each variable that cannot be read, with what would be.
        self.unread: dict[str, str] = {}

    def whole(self, name: str, default: Any) -> Any:
        """A whole number."""
        return self._read(name, int, default, A_NUMBER)

    def switch(self, name: str, *, default: bool) -> bool:
        return bool(self._read(name, self._switched, default, YES_OR_NO))

    def address(self, name: str, read: Callable[[str], dict[str, Any]], default: str, example: str) -> Any:
        """What `read` makes of an address; of `default` where there is none, or one that it does not know."""
        return self._read(name, read, read(default), example)

    def _read(self, name: str, read: Callable[[str], Any], default: Any, example: str) -> Any:
        written = self.str(name, default="").strip()
        if not written:
            return default
        try:
            return read(written)
        except (ValueError, LookupError, environ.ImproperlyConfigured):
            self.unread[name] = example
            return default

    def _switched(self, written: str) -> bool:
        word = written.lower()
        if word in self.BOOLEAN_TRUE_STRINGS:
            return True
        if word in NO:
            return False
        raise ValueError(written)


def database(address: str) -> dict[str, Any]:
    """An entry of DATABASES. Raises LookupError for an address of none that the portal works with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said by us
        entry: dict[str, Any] = environ.Env.db_url_config(address)
    if entry.get("ENGINE") not in KNOWN:
        raise LookupError(address)
    return entry
