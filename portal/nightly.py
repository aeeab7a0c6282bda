"""What every night does: pieces of work that the apps register, each in a `nightly.py` of its own.

    register("brouillons oubliés", "{} réservation(s) non terminée(s) supprimée(s).", forget_drafts)

A piece is given the aware moment of the night and returns how many rows it concerned. It keeps two promises:
done twice, the second time changes nothing; done after nights without, it catches up. No piece needs another
one to have been done, so that one that fails stops no other; they come in the order of INSTALLED_APPS.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib.sessions.models import Session
from django.utils.module_loading import autodiscover_modules
from django_tasks_db.models import DBTaskResult

logger = logging.getLogger(__name__)
# Letters wait in the task table until they are sent; afterwards nobody needs to read them there.
TASKS_KEPT = timedelta(days=2)


class NightlyWork(NamedTuple):
    name: str
    said: str  # what was done, in French; `{}` is how many
    do: Callable[[datetime], int]


class Done(NamedTuple):
    """A piece of work that was tried, and the French sentence on what became of it."""

    name: str
    sentence: str
    failed: bool


_works: dict[str, NightlyWork] = {}


def register(name: str, said: str, do: Callable[[datetime], int]) -> None:
    """Adds a piece of work, after those already there; the same name again replaces it."""
    _works[name] = NightlyWork(name, said, do)


def works() -> list[NightlyWork]:
    """Every piece, in the order in which a night does them."""
    autodiscover_modules("nightly")
    return list(_works.values())


def do_all(*, at: datetime) -> Iterator[Done]:
    """Does one piece after the other; what fails is in the logs, and the next one follows."""
    for work in works():
        try:
            sentence = work.said.format(work.do(at))
        except Exception as error:  # whatever it is, the other pieces are done
            logger.exception("Nightly work failed: %s", work.name)
            yield Done(work.name, f"Échec, {work.name} : {type(error).__name__} (voir les journaux).", True)
        else:
            yield Done(work.name, sentence, False)


def clear_sessions(at: datetime) -> int:
    return Session.objects.filter(expire_date__lt=at).delete()[0]


def clear_tasks(at: datetime) -> int:
    return DBTaskResult.objects.finished().filter(finished_at__lt=at - TASKS_KEPT).delete()[0]


register("sessions expirées", "{} session(s) expirée(s) effacée(s).", clear_sessions)
register("tâches terminées", "{} tâche(s) terminée(s) effacée(s).", clear_tasks)
