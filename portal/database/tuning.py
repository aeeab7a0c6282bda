"""How the portal speaks with its database. Settings read this module: no Django here."""

from typing import Any


def tuned(database: dict[str, Any], *, kept: int, prepared: bool) -> dict[str, Any]:
    """An entry of DATABASES, as its address says it, with what the portal needs besides.

    A PostgreSQL connection is kept for so many seconds, with its plans when they may be `prepared`.
    """
    if database["ENGINE"] == "django.db.backends.sqlite3":
        # Writers queue instead of failing half-way: a transaction takes the write lock when it begins. It is
        # no fair queue: on an opening day the unluckiest waits for all the others.
        options = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 60,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
        return database | {"OPTIONS": options}
    # Planning a query of these pages takes the server longer than running it: a connection keeps the plans of
    # what it asks again and again.
    plans = {"server_side_binding": True, "prepare_threshold": 5} if prepared else {}
    options = database.get("OPTIONS", {}) | plans
    # Who shares connections by transaction keeps neither plans nor cursors from one query to the next: an
    # export would break off in the middle of its file.
    shared = {} if prepared else {"DISABLE_SERVER_SIDE_CURSORS": True}
    return database | {"CONN_MAX_AGE": kept, "CONN_HEALTH_CHECKS": True, "OPTIONS": options} | shared
