"""`manage.py replay_erasures`: after a restore of the database, erases again who had been erased since."""

from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from families.privacy import journal
from portal.database.starting import DataCommand
from portal.files.uploads import private_storage


class Command(DataCommand):
    help = "Refait les effacements après une restauration, d'après le journal rangé avec les fichiers privés."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--journal", help="Un dossier où le journal a été copié, plutôt que le dépôt.")
        parser.add_argument("--essai", action="store_true", help="Dit ce qui serait fait, sans rien changer.")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = options["journal"]
        if folder and not Path(folder).is_dir():
            raise CommandError(f"« {folder} » n'est pas un dossier.")
        found = journal.entries_of(Path(folder)) if folder else journal.entries(private_storage())
        at, counts = timezone.now(), Counter[journal.Outcome]()
        for entry in found:
            outcome = journal.again(entry, at=at, dry_run=options["essai"])
            counts[outcome] += 1
            if outcome is journal.Outcome.REFUSED:
                self.stdout.write(f"{entry.kind} n° {entry.subject} : {outcome.value}.")
        if options["essai"]:
            self.stdout.write("Essai : rien n'est changé.")
        for outcome in journal.Outcome:
            self.stdout.write(f"{counts[outcome]} : {outcome.value}.")
        if counts[journal.Outcome.REFUSED]:
            raise CommandError("Tout n'est pas effacé de nouveau.")
