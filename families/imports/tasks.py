"""The worker's part: files of many rows are checked, written and taken back there."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from django_tasks import task

from families.imports import running
from portal.tasks import priorities
from portal.tasks.attempts import at_most

STOPPED = "Le travail s'est arrêté deux fois avant la fin. Rien n'a été écrit."


def give_up(args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    running.give_up(int(args[0]), STOPPED)


@at_most(2, given_up=give_up)
@task(priority=priorities.MANY)
def check_file(file: int) -> None:
    """Says of every row what would become of it."""
    running.check(file, at=timezone.now())


@at_most(2, given_up=give_up)
@task(priority=priorities.MANY)
def import_file(file: int) -> None:
    """Writes a file, whole or not at all."""
    running.run(file, at=timezone.now())


@at_most(2, given_up=give_up)
@task(priority=priorities.MANY)
def take_back_file(file: int) -> None:
    """Takes an import back, whole or not at all."""
    running.undo(file, at=timezone.now())
