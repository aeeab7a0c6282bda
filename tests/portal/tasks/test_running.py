"""The worker outlives its database, ends when it is told to, and says what became of each task."""

import os
import signal
import threading
import time

import psycopg
import pytest
from django.core.mail import EmailMessage
from django.db import OperationalError, connection
from django_tasks import task
from django_tasks_db.models import DBTaskResult

from portal.database import patience
from portal.letters import connection as line
from portal.models import Worker
from portal.tasks import attempts, current, running, workers
from portal.tasks.running import Heartbeat
from tests.fakes.smtp_server import FakeSmtp
from tests.portal.tasks.killing import worker_called

WORKER = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "mail"]}}
pytestmark = pytest.mark.django_db(transaction=True)
done = []


@task()
def well(word):
    done.append((word, current.is_repeated()))


@task()
def wrong():
    raise ValueError("no")


@task()
def lost_its_database(word):
    done.append((word, current.is_repeated()))
    if len(done) == 1:
        raise OperationalError("terminating") from psycopg.errors.AdminShutdown("terminating connection")


@attempts.whole
@task()
def writes_and_fails():
    Worker.objects.update(machine="half-done")
    raise ValueError("no")


@task()
def noted(word, more=""):
    done.append((word, more))
    if not more:
        current.note(more="noted")
        raise OperationalError("gone") from psycopg.OperationalError("the connection is closed")


@task(queue_name="mail")
def stalled():
    line.send(EmailMessage("Objet", "texte", to=["un@example.org"]))


@pytest.fixture(autouse=True)
def queue(settings):
    settings.TASKS = WORKER
    done.clear()


@pytest.fixture
def worker():
    usual = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)]
    yield worker_called("this one")
    for number, handler in zip((signal.SIGTERM, signal.SIGINT, signal.SIGQUIT), usual, strict=True):
        signal.signal(number, handler)


def test_each_task_is_done_once_and_the_worker_leaves_no_row(worker):
    well.enqueue("a")
    wrong.enqueue()
    well.enqueue("b")
    worker.run()
    assert done == [("a", False), ("b", False)]
    assert sorted(DBTaskResult.objects.values_list("status", flat=True)) == ["FAILED", *["SUCCESSFUL"] * 2]
    assert not Worker.objects.exists()


def test_a_task_whose_database_went_is_done_when_it_is_back(worker):
    lost_its_database.enqueue("a")
    worker.run()
    assert done == [("a", False), ("a", True)]
    assert DBTaskResult.objects.get().status == "SUCCESSFUL"


def test_what_a_task_noted_it_is_told_when_it_begins_again(worker):
    noted.enqueue("a")
    worker.run()
    assert done == [("a", ""), ("a", "noted")]


def test_a_whole_task_that_fails_has_written_nothing(worker):
    writes_and_fails.enqueue()
    workers.beat("another", at=running.clock.now())
    worker.run()
    assert DBTaskResult.objects.get().status == "FAILED"
    assert Worker.objects.get().machine != "half-done"


def test_a_stop_waits_for_no_mail_server(worker, settings, monkeypatch):
    """It stalls for ever: the task is left, and handed back."""
    monkeypatch.setattr(running, "GRACE", 0.2)
    monkeypatch.setattr(line._Kept, "wanted", True)
    fake = FakeSmtp()
    fake.stalls_at = "MAIL"
    with fake.running() as port:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 60
        stalled.enqueue()
        worker.configure_signals()
        told = threading.Thread(target=lambda: fake.stalled.wait(30) and os.kill(os.getpid(), signal.SIGTERM))
        told.start()
        began = time.monotonic()
        worker.run()
        told.join()
    assert time.monotonic() - began < 20
    assert not worker.running
    row = DBTaskResult.objects.get()
    assert (row.status, row.worker_ids) == ("READY", ["this one"])
    assert not Worker.objects.exists()


def test_a_stop_ends_a_worker_that_waits_at_once(worker, monkeypatch):
    worker.batch, worker.interval = False, 60
    worker.configure_signals()
    monkeypatch.setattr(worker, "_nothing_to_do", lambda: os.kill(os.getpid(), signal.SIGTERM))
    began = time.monotonic()
    worker.run()
    assert time.monotonic() - began < 20


def test_a_heart_outlives_whatever_fails(monkeypatch, caplog):
    """Redis' own errors are neither Django's nor the system's."""

    class NotOfOurs(Exception):
        pass

    def fails(*args, **kwargs):
        raise NotOfOurs

    with monkeypatch.context() as patch:
        patch.setattr(workers, "beat", fails)
        heart = Heartbeat("this one")
        heart.once()
    assert "heartbeat could not be written" in caplog.text
    heart.once()
    assert Worker.objects.get().name == "this one"


@pytest.mark.parametrize(
    ("cause", "away"),
    [
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.CannotConnectNow("starting up"), True),
        (psycopg.errors.TooManyConnections(), True),
        (psycopg.OperationalError("connection refused"), True),
        (psycopg.errors.DeadlockDetected(), False),
        (psycopg.errors.LockNotAvailable(), False),
    ],
)
def test_which_errors_say_that_the_database_is_away(cause, away):
    error = OperationalError("said")
    error.__cause__ = cause
    other = RuntimeError("in a task")
    other.__context__ = error
    assert patience.went_away(error) is patience.went_away(other) is away


def test_a_database_that_is_locked_or_wrong_is_not_away():
    assert not patience.went_away(OperationalError("database is locked"))
    assert not patience.went_away(ValueError("x"))
    assert patience.went_away(OperationalError("unable to open database file"))


def test_a_database_that_is_not_there_yet_is_waited_for(monkeypatch, caplog):
    tries = iter([psycopg.errors.CannotConnectNow("the database system is starting up"), None])
    usual = connection.ensure_connection

    def not_yet():
        if (cause := next(tries, None)) is not None:
            raise OperationalError(str(cause)) from cause
        usual()

    monkeypatch.setattr(connection, "ensure_connection", not_yet)
    monkeypatch.setattr(patience, "FIRST_WAIT", 0)
    patience.until_it_answers(threading.Event())
    assert "La base de données ne répond pas (the database system is starting up)" in caplog.text
    assert "répond de nouveau" in caplog.text
