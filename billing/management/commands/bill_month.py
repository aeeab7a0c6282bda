"""`manage.py bill_month 2026-10`: issues a month's invoices now, or goes on after an interruption; the worker
sends their mails and prints them."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing import tasks
from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.rules.pricing import euros


class Command(BaseCommand):
    help = "Issues the invoices of a month; run again after an interruption, it goes on where it stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("month", help="For example 2026-10.")
        parser.add_argument("--preview", action="store_true", help="Only say what would be issued.")
        parser.add_argument("--chunk", type=int, default=invoicing.CHUNK, help="Households a transaction.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            month = date.fromisoformat(f"{options['month']}-01")
        except ValueError as error:
            raise CommandError(f"« {options['month']} » n'est pas un mois : écrivez 2026-10.") from error
        at, scope = timezone.now(), Scope(month)
        invoicing.CHUNK = max(options["chunk"], 1)
        try:
            if options["preview"]:
                found = invoicing.preview(scope, at=at)
                self.stdout.write(f"{found.households} factures, {found.lines} lignes, {euros(found.total)}")
                for warning in found.warnings:
                    self.stdout.write(warning)
                return
            run = invoicing.start(scope, by=None, at=at)
        except invoicing.BillingRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        run = tasks.issue(run, at=at, progress=lambda done: self.stdout.write(f"{done} foyers"))
        self.stdout.write(f"{run.invoices.count()} factures émises. {run.trouble}".strip())
