"""`manage.py replay_towns FILE…`: do our rules decide as real towns say they do?"""

from argparse import ArgumentParser
from itertools import groupby
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.test.utils import setup_databases, teardown_databases

from portal.conformance import loaded_towns, published_towns, replay, rule_books
from portal.conformance.published_towns import Case, Document, NothingToReplay
from portal.conformance.rule_books import Outcome, RuleBook
from portal.conformance.values import Unreadable

SAME = "son fichier ne se charge pas (voir plus haut)."


class Command(BaseCommand):
    help = "Replays the worked cases of files of towns in a database of its own, dropped at the end."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", help="YAML files shaped like tests/data/towns.yaml.")
        parser.add_argument("--only", default="", help="Only one kind of cases, for example « deadlines ».")

    def handle(self, *args: Any, **options: Any) -> None:
        only = options["only"]
        if only and only not in replay.KINDS:
            raise CommandError(f"« {only} » n'est pas prévu : {', '.join(replay.KINDS)}.")
        documents = [self.read(file) for file in options["files"]]
        kept = setup_databases(verbosity=0, interactive=False, serialized_aliases=[])
        books: list[RuleBook] = []
        try:
            for document in documents:
                books += self.replay(document, only)
        finally:
            teardown_databases(kept, verbosity=0)
        if any(one.rules or one.unreadable for one in books):
            self.stdout.write(rule_books.total(books))
        failures = sum(one.outcomes[Outcome.WRONG] for one in books)
        self.stdout.write(f"{sum(one.outcomes[Outcome.RIGHT] for one in books)} passed, {failures} failed")
        if failures:
            raise SystemExit(1)

    def read(self, file: str) -> Document:
        try:
            return published_towns.read(file)
        except OSError as error:
            raise CommandError(f"{file} ne peut pas être lu : {error.strerror}.") from error
        except Unreadable as error:
            raise CommandError(f"{file} : {error}") from error

    def replay(self, document: Document, only: str) -> list[RuleBook]:
        """Replays a file's cases, and tells them and what deserves a look; answers its towns' rules."""
        books = [RuleBook.of(town) for town in replay.towns(document)]
        by_town = {one.town: one for one in reversed(books)}
        told = set()
        for _, its in groupby(replay.cases(document, only), key=lambda case: id(case.of)):
            cases = list(its)
            if cases[0].town not in by_town:
                by_town[cases[0].town] = RuleBook(cases[0].town)
                books.append(by_town[cases[0].town])
            book = by_town[cases[0].town]
            with loaded_towns.held(cases[0].of or {}) as holding:
                if holding.left_out:
                    reason = str(Unreadable(holding.left_out, loaded_towns.SECTION))
                    book.note("", Outcome.WRONG)
                    told.add((book.town, reason))
                    self.stdout.write(f"FAILED {book.town}: {reason}")
                for case in cases:
                    outcome, reason = self.judged(case, book)
                    book.note(case.rule, outcome)
                    if outcome is Outcome.WRONG:
                        again = holding.trouble is not None and (case.town, reason) in told
                        told.add((case.town, reason))
                        self.stdout.write(f"FAILED {case}: {SAME if again else reason}")
                    elif outcome is not Outcome.RIGHT:
                        about = f" ({case.rule})" if case.rule else ""
                        self.stdout.write(f"{outcome.value.capitalize()}{about} : {case} : {reason}")
        for remark in () if only else replay.remarks(document):
            if remark not in told:
                self.stdout.write(f"À voir : {remark}")
        for book in books:
            for line in book.lines:
                self.stdout.write(f"À voir : {book.town} · {line}")
            if book.rules or book.unreadable:
                self.stdout.write(f"{book.town} : {book.sentence}")
        return books

    def judged(self, case: Case, book: RuleBook) -> tuple[Outcome, str]:
        """How the case came out, and why it did not come out right."""
        try:
            reason = self.outcome(case)
        except NothingToReplay as why:
            return Outcome.NOT_YET if book.excuses(case.rule) else Outcome.IN_WORDS, str(why)
        if reason is None:
            return Outcome.RIGHT, ""
        return Outcome.NOT_YET if book.excuses(case.rule) else Outcome.WRONG, reason

    def outcome(self, case: Case) -> str | None:
        """Why the case failed, or None. Whatever the file holds, the next case still runs. Raises
        NothingToReplay."""
        try:
            with transaction.atomic():
                reason = case.run()
                transaction.set_rollback(True)
        except NothingToReplay:
            raise
        except Exception as error:  # noqa: BLE001 - reported as a failure, whatever it is
            return f"erreur inattendue, {type(error).__name__} : {error}"
        return reason
