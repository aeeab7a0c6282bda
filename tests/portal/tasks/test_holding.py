"""After a restore the worker leaves mails alone, and does all else."""

import io

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from families.models import Letter
from portal.tasks import holding, queue
from tests.factories import LetterFactory, paris

pytestmark = pytest.mark.django_db


def waits_in(queue_name, **kwargs):
    return DBTaskResult.objects.create(
        task_path="portal.letters.mailing.send",
        queue_name=queue_name,
        backend_name="default",
        args_kwargs={"args": [], "kwargs": kwargs},
        exception_class_path="",
        traceback="",
    )


def begun():
    return set(holding.not_held(DBTaskResult.objects.ready()))


def test_mails_are_held_and_nothing_else(django_assert_num_queries):
    mail, printing = waits_in("mail"), waits_in("default")
    assert begun() == {mail, printing}
    since = holding.hold(made_at=paris(2026, 11, 9, 2), at=timezone.now())
    with django_assert_num_queries(1):
        assert begun() == {printing}
    # A monitor is not told that the worker does not get to its work.
    assert queue.facts(at=timezone.now()).waiting == 1
    holding.release(since, at=timezone.now())
    assert begun() == {mail, printing}


def test_a_letter_of_the_copy_that_is_given_up_says_so():
    """Its family does not read « en cours d'envoi » for ever; what was written since leaves."""
    letter = LetterFactory(state=Letter.State.WAITING)
    waits_in("mail", number=letter.pk)
    waits_in("mail")
    holding.hold(made_at=paris(2026, 11, 9, 2), at=timezone.now())
    since = waits_in("mail")
    out = io.StringIO()
    call_command("release_mails", "--abandonner", stdout=out)
    letter.refresh_from_db()
    assert letter.state == Letter.State.FAILED
    assert letter.trouble == "Abandonné après une restauration (Sauvegarde du 09/11/2026 à 02:00)."
    assert begun() == {since}
