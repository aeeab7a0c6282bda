"""After a restore the worker leaves mails alone, and does all else."""

import pytest
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from portal.tasks import holding, queue
from tests.factories import paris

pytestmark = pytest.mark.django_db


def waits_in(queue_name):
    return DBTaskResult.objects.create(
        task_path="portal.letters.mailing.send",
        queue_name=queue_name,
        backend_name="default",
        args_kwargs={"args": [], "kwargs": {}},
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
    holding.release(since, send_copied=True, at=timezone.now())
    assert begun() == {mail, printing}
