"""`manage.py bill_month 2026-10`: issues a month's invoices now, or goes on after an interruption; the worker
sends their mails and prints them."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from billing import tasks
from billing.invoices import invoicing
from billing.invoices.billable import Scope
from portal.database.starting import DataCommand
from portal.french.amounts import euros
from portal.french.day_fields import first_of_month
from portal.french.plurals import counted


class Command(DataCommand):
    help = "Issues the invoices of a month; run again after an interruption, it goes on where it stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("month", help="For example 2026-10.")
        parser.add_argument("--preview", action="store_true", help="Only say what would be issued.")
        parser.add_argument("--chunk", type=int, default=invoicing.CHUNK, help="Households a transaction.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            month = first_of_month(options["month"])
        except ValueError as error:
            raise CommandError(f"« {options['month']} » n'est pas un mois : écrivez 2026-10.") from error
        at, scope = timezone.now(), Scope(month)
        invoicing.CHUNK = max(options["chunk"], 1)
        try:
            if options["preview"]:
                found = invoicing.preview(scope, at=at)
                invoices = counted(found.households, "facture", "factures")
                lines = counted(found.lines, "ligne", "lignes")
                self.stdout.write(f"{invoices}, {lines}, {euros(found.total)}")
                for warning in found.warnings:
                    self.stdout.write(warning)
                return
            run = invoicing.start(scope, by=None, at=at)
        except invoicing.BillingRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        run = tasks.issue(
            run, at=at, progress=lambda done: self.stdout.write(counted(done, "foyer", "foyers"))
        )
        issued = counted(run.invoices.count(), "facture émise", "factures émises")
        self.stdout.write(f"{issued}. {run.trouble}".strip())
