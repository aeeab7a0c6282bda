"""`manage.py backup`: the database and the files of one moment, in one archive that was read back.

Ends with 0 when all is well, 1 when there is no backup, 3 when there is one in which files are missing.
"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from portal.backups import keeping, saving
from portal.backups.refusals import Refused
from portal.backups.sizes import said
from portal.database.starting import DataCommand
from portal.french.plurals import counted
from portal.models import Backup

NOT_WHOLE = 3
MOST_SAID = 10


class Command(DataCommand):
    help = (
        "Sauvegarde la base et les fichiers des familles dans une archive, la relit, et retire les anciennes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dossier", type=Path, help="où l'écrire, plutôt que dans BACKUP_DIR")
        parser.add_argument("--jours", type=int, help="jours dont une sauvegarde est gardée (BACKUP_DAYS)")
        parser.add_argument("--semaines", type=int, help="semaines, de même (BACKUP_WEEKS)")
        parser.add_argument("--liste", action="store_true", help="dit seulement quelles sauvegardes sont là")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = (options["dossier"] or settings.BACKUP_DIR).resolve()
        if options["liste"]:
            self.tell(folder)
            return
        key = next(iter(settings.BACKUP_KEYS), None)
        at = timezone.now()
        try:
            done = saving.save(folder, key=key, at=at, tell=self.stdout.write)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        Backup.objects.create(
            made_at=at, name=done.path.name, size=done.size, files=done.files, whole=done.whole
        )
        self.stdout.write(
            f"{done.path} : {said(done.size)}, {counted(done.rows, 'ligne', 'lignes')}, "
            f"{counted(done.files, 'fichier', 'fichiers')}, "
            f"{'chiffrée' if done.encrypted else 'en clair'}, relue."
        )
        if not done.encrypted:
            self.stdout.write(
                "BACKUP_KEYS n'est pas réglé : qui lit ce fichier lit les données des familles."
            )
        gone = keeping.tidy(
            folder,
            days=settings.BACKUP_DAYS if options["jours"] is None else options["jours"],
            weeks=settings.BACKUP_WEEKS if options["semaines"] is None else options["semaines"],
            zone=timezone.get_current_timezone(),
        )
        if gone:
            removed = "sauvegarde plus ancienne retirée", "sauvegardes plus anciennes retirées"
            self.stdout.write(f"{counted(len(gone), *removed)}.")
        if not done.whole:
            raise CommandError(_lacking(done), returncode=NOT_WHOLE)

    def tell(self, folder: Path) -> None:
        there = keeping.backups(folder)
        for one in there:
            self.stdout.write(f"{timezone.localtime(one.at):%d/%m/%Y %H:%M}  {said(one.size)}  {one.path}")
        if not there:
            self.stdout.write(f"Aucune sauvegarde dans {folder}.")


def _lacking(done: saving.Saved) -> str:
    lines = ["La sauvegarde est faite et sert à restaurer, mais tout n'y est pas :"]
    for what, names in (("introuvable", done.missing), ("différent de son empreinte", done.changed)):
        lines += [f"  {name} : {what}" for name in names[:MOST_SAID]]
        if len(names) > MOST_SAID:
            lines.append(f"  … et {len(names) - MOST_SAID} de plus.")
    return "\n".join(lines)
