"""`manage.py verify_books`: accounts, series, counters, seals, triggers and printed files, a line each."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from billing.documents import verifying
from portal.database.starting import DataCommand


class Command(DataCommand):
    help = "Verifies the town's books; ends with 1 and says what is wrong when anything is."
    reads_unprotected = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-files", action="store_true", help="Do not read the printed invoices.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = verifying.verify(files=not options["no_files"], say=self.stdout.write)
        for fault in found.faults:
            self.stderr.write(fault)
        if found.faults:
            raise CommandError(found.said)
        self.stdout.write(found.said)
