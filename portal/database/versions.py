"""Which version of the portal a database belongs to, and whether this code may work on it.

    version() -> str                    of this code, as pyproject.toml says it
    hindrance(connection) -> str        why this code must not work on the database; empty when it may
    estrangement(connection) -> str     the same, of what no `migrate` of this code mends
    note(connection, at=…)              after `migrate`: from now on the database is of this version

Nothing is imported here that needs the models to be loaded: a server looks before it serves.
"""

import tomllib
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.models import QuerySet

from portal.database import schema

FIRST = "0.2.0"  # the first version whose migrations stand for ever; earlier ones kept no table of releases
FIRST_MIGRATION, TABLE = ("portal", "0001_initial"), "portal_release"
MIGRATE = "lancez « manage.py migrate », puis redémarrez"


@cache
def version() -> str:
    """« 0.2.0 »."""
    text = (Path(settings.BASE_DIR) / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])


def hindrance(connection: BaseDatabaseWrapper, *, unprotected: bool = False) -> str:
    """Why the code must not work on this database, in one French sentence; empty when it may. `unprotected`:
    it may without its triggers too, for who only reads and says which are missing."""
    loader = MigrationLoader(connection)
    if found := _estrangement(loader, connection):
        return found
    if set(loader.graph.nodes) - set(loader.applied_migrations or ()):
        return f"La base attend sa mise à jour pour le portail {version()} : {MIGRATE}."
    if not unprotected and (lacking := schema.lacking(connection)):
        return f"Il manque à la base des protections du portail ({lacking[0].name}) : {MIGRATE}."
    return ""


def estrangement(connection: BaseDatabaseWrapper) -> str:
    """Why no `migrate` of this code fits this database, in one French sentence; empty when one does.

    A database newer than the code is left alone: the code knows neither its new rules nor its new columns,
    would write rows that the newer version takes for whole, and put older triggers back.
    """
    return _estrangement(MigrationLoader(connection), connection)


def _estrangement(loader: MigrationLoader, connection: BaseDatabaseWrapper) -> str:
    applied, known = loader.applied_migrations or {}, loader.disk_migrations or {}
    tables = connection.introspection.table_names()
    if FIRST_MIGRATION in applied and TABLE not in tables:
        return (
            f"Cette base est d'avant la version {FIRST}, d'où aucune mise à jour ne part :"
            f" {_anew(connection)}."
        )
    ours = _own_apps()
    if any(key[0] in ours and key not in known for key in applied):
        last = _noted(connection).last()
        return (
            f"La base a été mise à jour pour le portail {last.version if last else 'suivant'}, dont ce"
            f" programme ({version()}) ne connaît pas les règles : installez cette version, ou restaurez la"
            " sauvegarde d'avant la mise à jour."
        )
    return ""


def note(connection: BaseDatabaseWrapper, *, at: datetime) -> None:
    """Keeps that the database is of this version since `at` (aware), when it wholly is and was not before."""
    if hindrance(connection):
        return
    noted = _noted(connection)
    last = noted.last()
    if last is None or last.version != version():
        noted.create(version=version(), since=at)


def _noted(connection: BaseDatabaseWrapper) -> QuerySet[Any]:
    """The versions that this database went through, the last one at the end."""
    return apps.get_model("portal", "Release")._default_manager.using(connection.alias)


def _anew(connection: BaseDatabaseWrapper) -> str:
    """What to do about a database that cannot be kept: a demo is made again by one command."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and Path(name).is_relative_to(settings.VAR_DIR):
        return "« make reset » l'efface, puis « make demo » en refait une neuve"
    return "partez d'une base vide"


def _own_apps() -> set[str]:
    """Labels of the apps of this project; those of packages may drop old migrations as they like."""
    base = Path(settings.BASE_DIR)
    found = {config.label: Path(config.path) for config in apps.get_app_configs()}
    return {
        label
        for label, path in found.items()
        if path.is_relative_to(base) and "site-packages" not in path.parts
    }
