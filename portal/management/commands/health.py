"""`manage.py health`: what a monitor would be told, on a terminal. Ends with 1 when there is a trouble."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from portal import measures


class Command(BaseCommand):
    help = "Dit ce qui ne va pas (file d'attente, worker, disque, sauvegarde) ; avec --mesures, les chiffres."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--mesures", action="store_true", help="les chiffres, comme Prometheus les lit")

    def handle(self, *args: Any, **options: Any) -> None:
        at = timezone.now()
        found = measures.facts(at=at)
        if options["mesures"]:
            self.stdout.write(measures.prometheus(found, at=at), ending="")
            return
        told = measures.troubles(found, at=at)
        if told:
            raise CommandError("\n".join(told))
        self.stdout.write("Tout va bien.")
