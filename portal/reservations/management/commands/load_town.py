"""`manage.py load_town FILE.yaml`: sets a town up from one file, all or nothing."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

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
        parser.add_argument(
            "--confirmer",
            action="store_true",
            help="annule sans frais les réservations des jours que le fichier ferme, et prévient ; change des"
            " prix déjà appliqués, pour les jours à venir",
        )

    def handle(self, *args: Any, file: Path, essai: bool, confirmer: bool, **options: Any) -> None:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{file} ne peut pas être lu : {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{file} n'est pas un texte en UTF-8.") from error
        try:
            report = town_file.load(text, dry_run=essai, at=timezone.now(), confirmed=confirmer)
        except fields.TownFileError as error:
            raise CommandError(f"{file} n'a pas été chargé, rien n'a été modifié.\n{error}") from error
        except town_file.ClosesDays as closes:
            raise CommandError(
                f"Ce fichier ferme des jours réservés, rien n'a été modifié : {closes}.\n"
                "Relancez la commande avec --confirmer pour le charger ainsi."
            ) from closes
        except town_file.ChangesThePast as changes:
            raise CommandError(
                f"Ce fichier change ce qui s'appliquait, rien n'a été modifié :\n{changes}\n"
                "Relancez la commande avec --confirmer pour le charger ainsi."
            ) from changes
        for verb, labels in (
            ("Créé", report.created),
            ("Modifié", report.changed),
            ("Retiré", report.removed),
        ):
            for label in labels:
                self.stdout.write(f"{verb} : {label}")
        if report.closes:
            self.stdout.write(f"Jours fermés : {report.closes}.")
        for sentence in report.asked:
            self.stdout.write(sentence)
        for remark in report.to_check:
            self.stdout.write(f"À vérifier : {remark}")
        self.stdout.write(
            f"{len(report.created)} créés, {len(report.changed)} modifiés, {len(report.removed)} retirés, "
            f"{len(report.unchanged)} inchangés{' (essai : rien n’a été écrit)' if essai else ''}."
        )
