"""The housekeeping of every night, for one timer: the day that follows can do without any of it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from portal import nightly
from portal.database.starting import DataCommand


class Command(DataCommand):
    help = "Travail de la nuit, que chaque partie du portail déclare dans son nightly.py."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--essai", action="store_true", help="Dit ce qui serait fait, sans rien changer.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["essai"]:
            self.stdout.write("Essai : rien n'est changé. Cette nuit ferait :")
            for sentence in nightly.foresee_all(at=timezone.now()):
                self.stdout.write(sentence)
            return
        failed = []
        for done in nightly.do_all(at=timezone.now()):
            self.stdout.write(done.sentence)
            if done.failed:
                failed.append(done.name)
        if failed:
            raise CommandError(f"Le travail de la nuit n'est pas fini : {', '.join(failed)}.")
