"""A new database: its tables are made from the models at once, and every migration counts as done.

Walking them one by one would make the same tables, and take a minute for what takes seconds: Django draws
nearly all models anew after each new foreign key. What an app's migrations write into an empty portal
(`register`) is written too; all others correct what was there before. `tests/portal/database/test_fresh.py`
holds that both ways end at the same tables and the same rows.
"""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.db import router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import RunPython
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

_with_first_rows: list[tuple[str, str]] = []


def register(app: str, migration: str) -> None:
    """What this migration writes by Python belongs to an empty portal too; after those registered before."""
    if (app, migration) not in _with_first_rows:
        _with_first_rows.append((app, migration))


def with_first_rows() -> list[tuple[str, str]]:
    return list(_with_first_rows)


def is_new(connection: BaseDatabaseWrapper) -> bool:
    """Whether nothing at all is in the database."""
    return not connection.introspection.table_names()


def make(connection: BaseDatabaseWrapper) -> None:
    """Makes everything in one transaction; what stops it leaves the database as empty as it was."""
    migrations = MigrationLoader(connection).disk_migrations or {}
    recorder = MigrationRecorder(connection)
    with connection.schema_editor() as editor:
        editor.create_model(recorder.Migration)
        for config in apps.get_app_configs():
            for model in router.get_migratable_models(config, connection.alias):
                if model._meta.can_migrate(connection):
                    editor.create_model(model)
        # Foreign keys that wait for all tables; rows come after them.
        while editor.deferred_sql:
            editor.execute(editor.deferred_sql.pop(0), None)
        recorder.migration_qs.bulk_create(
            [recorder.Migration(app=app, name=name) for app, name in sorted(migrations)]
        )
        for key in _with_first_rows:
            for operation in migrations[key].operations:
                if isinstance(operation, RunPython):
                    write: Callable[[Any, Any], object] = operation.code
                    write(apps, editor)  # the models of today are those after the last migration
