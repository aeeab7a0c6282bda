"""Asks the provider about every open payment; with --day, compares a day's books."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from billing.payments import asking, statement
from billing.payments.providers.interface import ProviderDown
from portal.database.starting import DataCommand
from portal.french.plurals import counted


class Command(DataCommand):
    help = "Demande à la banque l'état des paiements en ligne en cours ; --day compare les comptes d'un jour."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", type=date.fromisoformat, help="jour à comparer : 2026-11-30")

    def handle(self, *, day: date | None, **options: Any) -> None:
        report = asking.reconcile(at=timezone.now())
        self.stdout.write(
            f"{report.asked} paiement(s) demandé(s), {report.changed} changé(s), "
            f"{report.unanswered} sans réponse."
        )
        for trouble in report.troubles:
            self.stdout.write(f"À vérifier : {trouble}")
        if day is None:
            return
        try:
            found = statement.of_day(day)
        except ProviderDown as error:
            raise CommandError("Le prestataire ne répond pas : relevé impossible pour l'instant.") from error
        self.stdout.write(found.summary)
        for difference in found.differences:
            self.stdout.write(f"Écart : {difference}")
        if found.differences:
            raise CommandError(f"{counted(len(found.differences), 'écart', 'écarts')} le {day:%d/%m/%Y}.")
