"""What every process of a town's portal looks at before it works; what is wrong is said at once, in French.

configured_or_leave()   the settings: every process but the demo's, as soon as Django is ready
serve_or_leave()        a server besides: database, static files, cache; who does not answer is only told
work_or_leave()         a worker: who does not answer is only told
"""

import logging
import sys
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection

from portal import checks
from portal.database import starting, versions

logger = logging.getLogger(__name__)
WHERE = (
    "Ces lignes s'écrivent dans l'environnement du portail, /etc/portail/portail.env s'il est installé comme"
    " docs/deploy.md le dit."
)


def configured_or_leave() -> None:
    """Ends the process, with all that is wrong and the lines to write, where settings are not a town's."""
    _leave_for(checks.configuration(None))


def serve_or_leave() -> None:
    """For a server, once it has loaded: ends the process where it could only answer with errors.

    A database that does not answer yet is no reason: `/sante/` tells it.
    """
    try:
        found = [*_database(), *_static_files()]
    finally:
        # Processes forked from this one need connections of their own.
        connection.close()
    _leave_for([*found, *_around()])


def work_or_leave() -> None:
    """For a worker: ends the process where it would fail at each file; who does not answer is only told."""
    _leave_for(_around())


def text(troubles: Iterable[CheckMessage]) -> str:
    """What is written for whoever installs: numbered sentences, each with its line."""
    lines, written = ["Le portail ne démarre pas :"], False
    for number, trouble in enumerate(troubles, start=1):
        lines.append(f"  {number}. {trouble.msg}")
        if trouble.hint:
            lines.append(f"     À écrire : {trouble.hint}")
            written = True
    return "\n".join([*lines, WHERE] if written else lines) + "\n"


def _leave_for(troubles: list[CheckMessage]) -> None:
    if troubles:
        sys.stderr.write(text(troubles))
        sys.exit(starting.CANNOT_BE_LOADED)


def _around() -> list[CheckMessage]:
    """What is wrong around this process; what is only to be looked at is written to the log."""
    found = [*checks.advice(None), *checks.surroundings(None, databases=[DEFAULT_DB_ALIAS])]
    for message in found:
        if not message.is_serious():
            logger.warning("À vérifier : %s À écrire : %s", message.msg, message.hint)
    return [message for message in found if message.is_serious()]


def _database() -> list[CheckMessage]:
    try:
        if hindrance := versions.hindrance(connection):
            return [Error(hindrance)]
        if not settings.DEMO and (table := _lacking_cache_table()):
            return [
                Error(f"Il manque à la base la table « {table} » : lancez « manage.py createcachetable ».")
            ]
    except OperationalError as error:
        logger.warning("The database does not answer: its version was not looked at (%s)", error)
    return []


def _lacking_cache_table() -> str:
    """The table in which attempts are counted, where the database is the cache and has none."""
    cache = settings.CACHES["default"]
    if not cache["BACKEND"].endswith(".DatabaseCache"):
        return ""
    table = str(cache["LOCATION"])
    return "" if table in connection.introspection.table_names() else table


def _static_files() -> list[CheckMessage]:
    """Every page names them by what `collectstatic` has noted."""
    noted = Path(settings.STATIC_ROOT, "staticfiles.json")
    if settings.DEMO or noted.is_file():
        return []
    return [Error(f"Il manque {noted} : lancez « manage.py collectstatic --no-input ».")]
