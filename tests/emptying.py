"""After a test that commits, the tables are emptied.

Django's own way truncates them, for which PostgreSQL makes the files of a hundred tables and of their indexes
anew, then tells `post_migrate`, which gives every right again: together up to seconds a test.
"""

from contextlib import ExitStack
from functools import cache

from django.db import connection

from portal.database import schema

# What `migrate` itself writes: no test changes it.
KEPT = {
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
    "families_retentionrule",
}


@cache
def tables() -> list[str]:
    """All that a test may have written to, quoted."""
    found = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return [connection.ops.quote_name(name) for name in found if name not in KEPT]


def empty() -> None:
    """Forgets all rows, those too which refuse to vanish otherwise: issued invoices, registers."""
    with ExitStack() as lifted, connection.cursor() as cursor:
        for part in schema.parts():
            lifted.enter_context(schema.lifted(part.name, connection))
        for table in tables():
            cursor.execute(f"DELETE FROM {table}")
