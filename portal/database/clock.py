"""The database's clock: one for all machines that work on it."""

from datetime import UTC, datetime

from django.db import connection

ASKED = {
    "postgresql": "SELECT clock_timestamp()",
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')",
}


def now() -> datetime:
    """The moment (aware, in UTC) by the database. Raises OperationalError where it does not answer."""
    with connection.cursor() as cursor:
        cursor.execute(ASKED[connection.vendor])
        [found] = cursor.fetchone()
    moment = datetime.fromisoformat(found) if isinstance(found, str) else found
    return moment.astimezone(UTC)
