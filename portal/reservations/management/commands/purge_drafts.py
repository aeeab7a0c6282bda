"""Deletes reservations never finished, for a nightly timer."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from portal.reservations import booking


class Command(BaseCommand):
    help = "Supprime les réservations « À enregistrer » que personne n'a touchées depuis longtemps."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=30, help="ancienneté en jours (30)")

    def handle(self, *args: Any, **options: Any) -> None:
        count = booking.purge_drafts(before=timezone.now() - timedelta(days=options["days"]))
        self.stdout.write(f"{count} réservation(s) non terminée(s) supprimée(s).")
