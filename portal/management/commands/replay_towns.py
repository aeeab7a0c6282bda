"""`manage.py replay_towns FILE`: do our rules decide as real towns say they do?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.test.utils import setup_databases, teardown_databases

from portal.conformance import published_towns, replay
from portal.conformance.published_towns import Case
from portal.conformance.values import Unreadable


class Command(BaseCommand):
    help = "Replays the worked cases of a file of towns in a database of its own, dropped at the end."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="A YAML file shaped like tests/data/towns.yaml.")
        parser.add_argument("--only", default="", help="Only one kind of cases, for example « deadlines ».")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            document = published_towns.read(options["file"])
        except OSError as error:
            raise CommandError(f"{options['file']} ne peut pas être lu : {error.strerror}.") from error
        except Unreadable as error:
            raise CommandError(f"{options['file']} : {error}") from error
        kept = setup_databases(verbosity=0, interactive=False, serialized_aliases=[])
        try:
            failures = passed = 0
            told = set()
            for case in replay.cases(document, options["only"]):
                if reason := self.outcome(case):
                    failures += 1
                    told.add((case.town, reason))
                    self.stdout.write(f"FAILED {case}: {reason}")
                else:
                    passed += 1
            for remark in () if options["only"] else replay.remarks(document):
                if remark not in told:
                    self.stdout.write(f"À voir : {remark}")
        finally:
            teardown_databases(kept, verbosity=0)
        self.stdout.write(f"{passed} passed, {failures} failed")
        if failures:
            raise SystemExit(1)

    def outcome(self, case: Case) -> str | None:
        """Why the case failed, or None. Whatever the file holds, the next case still runs."""
        try:
            with transaction.atomic():
                reason = case.run()
                transaction.set_rollback(True)
        except Exception as error:  # noqa: BLE001 - reported as a failure, whatever it is
            return f"erreur inattendue, {type(error).__name__} : {error}"
        return reason
