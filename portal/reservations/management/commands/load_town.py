"""`manage.py load_town FILE.yaml`: sets a town up from one file, all or nothing."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from portal.database.starting import DataCommand
from portal.reservations.towns import fields, town_file


class Command(DataCommand):
    help = (
        "Charge la configuration d'une commune (établissements, activités, délais…) depuis un fichier YAML. "
        "Voir docs/town-file.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FICHIER.yaml", type=Path)
        parser.add_argument("--essai", action="store_true", help="dit ce qui changerait, sans rien écrire")

    def handle(self, *args: Any, file: Path, essai: bool, **options: Any) -> None:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{file} ne peut pas être lu : {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{file} n'est pas un texte en UTF-8.") from error
        try:
            report = town_file.load(text, dry_run=essai)
        except fields.TownFileError as error:
            raise CommandError(f"{file} n'a pas été chargé, rien n'a été modifié.\n{error}") from error
        for verb, labels in (
            ("Créé", report.created),
            ("Modifié", report.changed),
            ("Retiré", report.removed),
        ):
            for label in labels:
                self.stdout.write(f"{verb} : {label}")
        for remark in report.to_check:
            self.stdout.write(f"À vérifier : {remark}")
        self.stdout.write(
            f"{len(report.created)} créés, {len(report.changed)} modifiés, {len(report.removed)} retirés, "
            f"{len(report.unchanged)} inchangés{' (essai : rien n’a été écrit)' if essai else ''}."
        )
