"""`manage.py restore`: a backup, in a new place. See docs/backup.md."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from families.privacy.journal import Outcome
from portal.backups import restoring
from portal.backups.refusals import Refused
from portal.backups.restoring import Brought, Found
from portal.french.plurals import counted


class Command(BaseCommand):
    help = "Restaure une sauvegarde dans une base vide ; les courriers attendent « release_mails »."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("fichier", type=Path, help="l'archive que « backup » a écrite")
        parser.add_argument(
            "--essai", action="store_true", help="relit tout et dit ce que c'est, sans rien écrire"
        )
        parser.add_argument(
            "--journal", type=Path, help="copie plus récente du dossier « effacements » du dépôt perdu"
        )
        parser.add_argument(
            "--cles-perdues", action="store_true", help="restaure sans les clés que les données demandent"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path, journal = options["fichier"], options["journal"]
        if journal and not journal.is_dir():
            raise CommandError(f"« {journal} » n'est pas un dossier.")
        try:
            if options["essai"]:
                self.describe(restoring.look(path, keys=settings.BACKUP_KEYS))
                return
            done = restoring.restore(
                path,
                keys=settings.BACKUP_KEYS,
                at=timezone.now(),
                without_keys=options["cles_perdues"],
                journal_copy=journal,
                tell=self.stdout.write,
            )
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.describe(done.found)
        self.say_what_is_left(done)

    def describe(self, found: Found) -> None:
        manifest = found.manifest
        self.stdout.write(
            f"Sauvegarde du {timezone.localtime(found.made_at):%d/%m/%Y à %H:%M}, portail {found.version} : "
            f"{counted(found.rows, 'ligne', 'lignes')}, "
            f"{counted(manifest['files'], 'fichier', 'fichiers')}, lue jusqu'au bout."
        )
        for one in manifest["missing"]:
            self.stdout.write(f"Manquait déjà : {one}")
        for one in manifest["changed"]:
            self.stdout.write(f"N'avait déjà plus son empreinte : {one}")
        self.stdout.write(f"Réglages de ce portail : {', '.join(manifest['variables']) or 'aucun'}.")
        for one in found.absent_keys:
            self.stdout.write(f"Clé demandée et absente ici : {one}")

    def say_what_is_left(self, done: Brought) -> None:
        for outcome in Outcome:
            if done.erased[outcome]:
                self.stdout.write(f"Effacements refaits : {done.erased[outcome]} {outcome.value}.")
        mail = "courrier attendait déjà", "courriers attendaient déjà"
        self.stdout.write(
            f"Aucun courrier ne part ({counted(done.held, *mail)} dans la sauvegarde) : regardez le portail, "
            "puis « manage.py release_mails »."
        )
        if done.erased[Outcome.REFUSED]:
            raise CommandError("Tout n'est pas effacé de nouveau : voir « manage.py replay_erasures ».")
