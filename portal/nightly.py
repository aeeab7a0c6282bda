"""What every night does: pieces of work that the apps register, each in a `nightly.py` of its own.

    register("brouillons oubliés", "{} réservation(s) non terminée(s) supprimée(s).", forget_drafts)

A piece is given the aware moment of the night and returns how many rows it concerned. It keeps two promises:
done twice, the second time changes nothing; done after nights without, it catches up. No piece needs another
one to have been done, so that one that fails stops no other; they come in the order of INSTALLED_APPS.

`manage.py nightly --essai` says beforehand what a night would do. A piece that only writes rows is done and
undone for it; one that also removes files says with `foresee` how many rows it would concern.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q
from django.utils.module_loading import autodiscover_modules
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult

logger = logging.getLogger(__name__)
TASKS_KEPT = timedelta(days=2)
# What failed or was interrupted stays long enough to be seen and done again.
FAILED_KEPT = timedelta(days=30)
# Letters wait in the task table until they are sent; afterwards nobody needs to read them there.
SENT_LETTERS = Q(task_path__startswith="portal.letters.", status=TaskResultStatus.SUCCESSFUL)


class NightlyWork(NamedTuple):
    name: str
    said: str | Callable[[], str]  # what was done, in French; `{}` is how many
    do: Callable[[datetime], int]
    foresee: Callable[[datetime], int] | None = None

    def sentence(self, count: int) -> str:
        return (self.said if isinstance(self.said, str) else self.said()).format(count)


class Done(NamedTuple):
    """A piece of work that was tried, and the French sentence on what became of it."""

    name: str
    sentence: str
    failed: bool


_works: dict[str, NightlyWork] = {}


def register(
    name: str,
    said: str | Callable[[], str],
    do: Callable[[datetime], int],
    *,
    foresee: Callable[[datetime], int] | None = None,
) -> None:
    """Adds a piece of work, after those already there; the same name again replaces it."""
    _works[name] = NightlyWork(name, said, do, foresee)


def works() -> list[NightlyWork]:
    """Every piece, in the order in which a night does them."""
    autodiscover_modules("nightly")
    return list(_works.values())


def do_all(*, at: datetime) -> Iterator[Done]:
    """Does one piece after the other; what fails is in the logs, and the next one follows."""
    for work in works():
        try:
            sentence = work.sentence(work.do(at))
        except Exception as error:  # whatever it is, the other pieces are done
            logger.exception("Nightly work failed: %s", work.name)
            yield Done(work.name, f"Échec, {work.name} : {type(error).__name__} (voir les journaux).", True)
        else:
            yield Done(work.name, sentence, False)


def foresee_all(*, at: datetime) -> Iterator[str]:
    """What a night would do, piece by piece; nothing of it stays."""
    for work in works():
        if work.foresee is not None:
            yield work.sentence(work.foresee(at))
            continue
        with transaction.atomic():
            count = work.do(at)
            transaction.set_rollback(True)
        yield work.sentence(count)


def clear_sessions(at: datetime) -> int:
    return Session.objects.filter(expire_date__lt=at).delete()[0]


def clear_tasks(at: datetime) -> int:
    done = Q(status=TaskResultStatus.SUCCESSFUL, finished_at__lt=at - TASKS_KEPT) | SENT_LETTERS
    failed = Q(status=TaskResultStatus.FAILED, finished_at__lt=at - FAILED_KEPT)
    return DBTaskResult.objects.filter(done | failed).delete()[0]


register("sessions expirées", "{} session(s) expirée(s) effacée(s).", clear_sessions)
register("tâches terminées", "{} tâche(s) terminée(s) effacée(s).", clear_tasks)
