"""`manage.py release_mails`: mails leave again after a restore; those of the copy's queue too, or not."""

from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.utils import timezone

from portal.database.starting import DataCommand
from portal.french.plurals import counted
from portal.letters import mailing
from portal.tasks import holding

MAIL = "courrier", "courriers"


class Command(DataCommand):
    help = "Après une restauration, dit quels courriers attendent, et les laisse partir ou les abandonne."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--abandonner",
            action="store_true",
            help="abandonne ceux de la sauvegarde (ils étaient sans doute partis), envoie ceux écrits depuis",
        )
        which.add_argument("--envoyer", action="store_true", help="les envoie tous")

    def handle(self, *args: Any, **options: Any) -> None:
        since = holding.held()
        if since is None:
            self.stdout.write("Aucun courrier n'est retenu.")
            return
        found = holding.waiting(since)
        self.stdout.write(
            f"{since} : {counted(found.copied, *MAIL)} de la sauvegarde, "
            f"{counted(found.since, *MAIL)} depuis la restauration."
        )
        if not options["abandonner"] and not options["envoyer"]:
            self.stdout.write("Ils attendent : choisissez --abandonner ou --envoyer.")
            return
        give_up = (
            None
            if options["envoyer"]
            else partial(mailing.give_up, why=f"Abandonné après une restauration ({since}).")
        )
        found = holding.release(since, give_up=give_up, at=timezone.now())
        leaving = found.since + (found.copied if options["envoyer"] else 0)
        self.stdout.write(f"{counted(leaving, *MAIL)} à envoyer : le worker s'en charge.")
        if options["abandonner"]:
            given_up = "courrier de la sauvegarde abandonné", "courriers de la sauvegarde abandonnés"
            self.stdout.write(f"{counted(found.copied, *given_up)}.")
