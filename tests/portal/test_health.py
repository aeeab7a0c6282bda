"""`/sante/` tells a monitor whether every part lives, and nothing else."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client
from django_tasks_db.models import DBTaskResult, get_date_max

from portal import health
from portal.database import clock
from portal.management.commands import db_worker
from portal.tasks import workers

pytestmark = pytest.mark.django_db

WORKER = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "mail"]}}
WELL = {"database": "ok", "cache": "ok", "worker": "ok"}


@pytest.fixture
def worker(settings):
    """A portal whose tasks are done by a worker, which has just said that it lives."""
    settings.TASKS = WORKER
    workers.beat("one", at=clock.now())


def answer():
    found = Client().get("/sante/")
    return found.status_code, found.json()


def test_all_is_well_for_anyone_who_asks(worker):
    assert answer() == (200, WELL)


def test_the_answer_is_never_kept():
    assert "no-store" in Client().get("/sante/")["Cache-Control"]


def test_it_is_only_read():
    assert Client().post("/sante/").status_code == 405


def test_a_worker_that_never_started_is_sick(settings):
    settings.TASKS = WORKER
    assert answer() == (503, WELL | {"worker": "silent"})


def test_a_worker_silent_for_a_minute_is_sick(worker):
    at = clock.now() + workers.SILENT_AFTER + timedelta(seconds=1)
    assert not health.worker_answers(at=at)


@pytest.mark.parametrize(
    ("waited", "planned_for", "well"),
    [
        (timedelta(minutes=11), "at once", False),
        (timedelta(minutes=9), "at once", True),
        (timedelta(hours=5), "later", True),
        (timedelta(hours=5), "a while ago", False),
    ],
)
def test_a_worker_that_does_not_get_to_its_work_is_sick(worker, waited, planned_for, well):
    at = clock.now()
    due = {
        "at once": get_date_max(),
        "later": at + timedelta(hours=1),
        "a while ago": at - timedelta(minutes=30),
    }
    task = DBTaskResult.objects.create(
        task_path="portal.letters.mailing.send",
        backend_name="default",
        args_kwargs={"args": [], "kwargs": {}},
        run_after=due[planned_for],
        exception_class_path="",
        traceback="",
    )
    DBTaskResult.objects.filter(pk=task.pk).update(enqueued_at=at - waited)
    assert health.worker_answers(at=at) is well


def test_a_database_that_is_away_is_an_answer_not_a_crash(worker, monkeypatch, caplog):
    def away():
        raise OperationalError("connection refused")

    monkeypatch.setattr(health, "database_answers", away)
    assert answer() == (503, WELL | {"database": "error"})
    assert "Health check of the database failed" in caplog.text


def test_a_cache_that_forgets_is_sick(worker, monkeypatch):
    monkeypatch.setattr(cache, "set", lambda *args, **kwargs: None)
    cache.delete(health.PROBE)
    assert answer() == (503, WELL | {"cache": "silent"})


def test_the_worker_takes_every_queue_unless_told_otherwise():
    parser = db_worker.Command().create_parser("manage.py", "db_worker")
    assert parser.get_default("queue_name") == "*"
