"""`manage.py rotate_keys`: what is encrypted comes under the newest of FIELD_KEYS; older ones can go."""

from argparse import ArgumentParser
from collections import Counter
from functools import partial
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Model

from portal.database import encrypted, rotating
from portal.database.starting import DataCommand
from portal.french.plurals import counted


class Command(DataCommand):
    help = (
        "Rechiffre les fiches sanitaires, les IBAN et les secrets de double authentification avec la clé la "
        "plus récente (la première) de FIELD_KEYS."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--essai", action="store_true", help="dit seulement sous quelle clé se trouvent les valeurs"
        )

    def handle(self, *args: Any, essai: bool, **options: Any) -> None:
        if essai:
            self.tell()
            return
        rows = unreadable = 0
        for one in _everything():
            done = one.encrypt()
            if done.rows:
                said = counted(done.rows, "ligne rechiffrée", "lignes rechiffrées")
                self.stdout.write(f"{one.name} : {said}")
            rows, unreadable = rows + done.rows, unreadable + done.unreadable
        if unreadable:
            raise CommandError(_still_closed(unreadable))
        if not rows:
            self.stdout.write("Tout est déjà chiffré avec la clé la plus récente.")
        if len(encrypted.keys().keys) > 1:
            self.stdout.write(
                "Gardez l'ancienne clé avec les sauvegardes qu'elle ouvre, retirez-la de FIELD_KEYS, "
                "puis relancez le portail."
            )

    def tell(self) -> None:
        names = [key.name for key in encrypted.keys().keys]
        for one in _everything():
            found = one.count()
            for key in sorted(found, key=lambda key: (key not in names, key)):
                said = f"clé {key}" if key else "en clair"
                if key == names[0]:
                    said += ", la plus récente"
                elif key and key not in names:
                    said += ", absente de FIELD_KEYS"
                self.stdout.write(f"{one.name} : {counted(found[key], 'valeur', 'valeurs')} ({said})")


def _everything() -> list[rotating.Others]:
    """Columns, then what is encrypted elsewhere."""
    columns = [
        rotating.Others(_name_of(model), partial(rotating.encrypt, model), partial(rotating.count, model))
        for model in rotating.tables()
    ]
    return columns + rotating.others()


def _name_of(model: type[Model]) -> str:
    of: type[Model] | None = getattr(model, "instance_type", None)  # of a history
    return f"{of._meta.verbose_name_plural}, historique" if of else str(model._meta.verbose_name_plural)


def _still_closed(unreadable: int) -> str:
    names = {key.name for key in encrypted.keys().keys}
    found: Counter[str] = sum((one.count() for one in _everything()), Counter())
    absent = sorted(set(found) - names - {""})
    said = f" Elles ont été chiffrées avec : {', '.join(absent)}." if absent else ""
    value = counted(unreadable, "valeur est illisible", "valeurs sont illisibles")
    return (
        f"{value} : aucune clé de FIELD_KEYS ne les ouvre ; elles restent telles quelles.{said} "
        "Remettez leur clé à la fin de FIELD_KEYS, puis relancez la commande."
    )
