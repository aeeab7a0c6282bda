"""`/sante/` tells a monitor whether every part lives, and nothing else."""

import re
from datetime import timedelta
from io import StringIO
from typing import NamedTuple

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult, get_date_max

from portal import health, measures
from portal.database import clock, versions
from portal.management.commands import db_worker
from portal.models import Backup, Restoration
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


# In three ---------------------------------------------------------------------------------------------


def test_that_a_process_lives_is_answered_without_asking_anything(django_assert_num_queries, settings):
    """Also by a name that the portal does not answer to: who asks is inside."""
    with django_assert_num_queries(0):
        said = Client().get("/sante/vie/", headers={"Host": "10.0.0.7"})
    assert (said.status_code, said.content) == (200, b"ok\n")
    assert "no-store" in said["Cache-Control"]
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if "Alive" not in one]
    assert Client().get("/sante/vie/").content == b"ok\n"


READY = {"database": "ok", "schema": "ok", "cache": "ok"}


def ready():
    found = Client().get("/sante/pret/")
    return found.status_code, found.json()


@pytest.fixture(autouse=True)
def schema_unseen():
    health._hindrance.forget()


def test_a_sick_worker_takes_no_page_away(settings):
    settings.TASKS = WORKER
    assert answer()[0] == 503
    assert ready() == (200, READY)


def test_a_database_of_another_version_takes_no_traffic(monkeypatch):
    monkeypatch.setattr(versions, "hindrance", lambda connection: "La base attend sa mise à jour")
    assert ready() == (503, READY | {"schema": "silent"})
    monkeypatch.setattr(versions, "hindrance", lambda connection: "")
    assert ready()[0] == 503, "it is not asked anew each time"
    health._hindrance.forget()
    assert ready() == (200, READY)


def test_a_database_that_is_away_takes_no_traffic(monkeypatch):
    def away():
        raise OperationalError("connection refused")

    monkeypatch.setattr(health, "database_answers", away)
    assert ready() == (503, READY | {"database": "error"})


TOKEN = "a-token-of-the-town's-monitor"


def asked(address, token=TOKEN, kind="Bearer"):
    return Client().get(address, headers={"Authorization": f"{kind} {token}"})


@pytest.mark.parametrize("address", ["/sante/detail/", "/sante/mesures/"])
def test_figures_are_for_who_has_the_token(settings, address):
    assert asked(address, "").status_code == 404
    settings.HEALTH_TOKEN = TOKEN
    for refused in (
        Client().get(address),
        asked(address, "another"),
        asked(address, ""),
        asked(address, kind="Basic"),
    ):
        assert refused.status_code == 401 and len(refused.content) < 10
    assert asked(address).status_code == 200
    assert "no-store" in asked(address)["Cache-Control"]


def detail(settings):
    settings.HEALTH_TOKEN = TOKEN
    return asked("/sante/detail/").json()


def told(settings):
    return detail(settings)["troubles"]


def task(status, **more):
    return DBTaskResult.objects.create(
        task_path="portal.letters.mailing.send",
        backend_name="default",
        args_kwargs={"args": [], "kwargs": {}},
        exception_class_path="",
        traceback="",
        status=status,
        **more,
    )


def test_the_detail_says_what_a_human_should_look_at(worker, settings):
    assert told(settings) == []
    at = timezone.now()
    task(TaskResultStatus.RUNNING, started_at=at - timedelta(hours=1))
    task(TaskResultStatus.FAILED, finished_at=at)
    Backup.objects.create(made_at=at - timedelta(hours=40), name="one", size=12, files=1, whole=False)
    Restoration.objects.create(made_at=at, restored_at=at)
    found = detail(settings)
    assert found["troubles"] == [
        "1 tâche dure depuis plus de 30 minutes.",
        "La dernière sauvegarde a 40 heures.",
        "La dernière sauvegarde n'est pas entière : des fichiers manquent.",
        "Aucun courrier ne part depuis la restauration (0 attend) : « manage.py release_mails ».",
    ]
    assert (found["tasks"]["running_too_long"], found["tasks"]["failed"], found["mails_held"]) == (1, 1, 0)
    assert asked("/sante/detail/").status_code == 503


def test_a_full_disk_and_a_silent_worker_are_told(settings, monkeypatch):
    settings.TASKS = WORKER
    monkeypatch.setattr(measures.shutil, "disk_usage", lambda folder: Usage(100_000_000_000, 0, 900_000_000))
    assert told(settings) == [
        "Aucun worker ne travaille : les courriers et les tâches attendent.",
        "Il reste 900 Mo sur le disque de var.",
        "Il reste 900 Mo sur le disque de sauvegardes.",
    ]


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_town_without_a_backup_is_told_so_and_the_demo_is_not(settings):
    settings.DEMO = False
    assert "Aucune sauvegarde n'a été faite." in told(settings)


def test_a_database_that_is_away_is_a_fact(settings, monkeypatch):
    def away():
        raise OperationalError("connection refused")

    monkeypatch.setattr(measures.clock, "now", away)
    assert told(settings) == ["La base de données ne répond pas."]
    assert "portal_database_up 0\n" in asked("/sante/mesures/").content.decode()


SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="[^"\\]*"\})? -?[0-9.]+(e[+-]?[0-9]+)?')


def test_figures_are_written_as_prometheus_reads_them(worker, settings):
    settings.HEALTH_TOKEN = TOKEN
    Backup.objects.create(made_at=timezone.now(), name="one", size=12, files=1)
    task(TaskResultStatus.READY, run_after=get_date_max())
    said = asked("/sante/mesures/")
    lines = said.content.decode().splitlines()
    assert said["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert {'portal_tasks{state="waiting"} 1', "portal_backup_bytes 12", "portal_database_up 1"} <= set(lines)
    kinds = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    helps = [line.split()[2] for line in lines if line.startswith("# HELP")]
    samples = [line for line in lines if not line.startswith("#")]
    assert kinds == helps and len(set(kinds)) == len(kinds) >= 10
    assert all(SAMPLE.fullmatch(line) for line in samples)
    assert {re.split("[ {]", line)[0] for line in samples} == set(kinds)


def test_ten_times_as_many_tasks_cost_no_more_queries(worker, django_assert_max_num_queries):
    for _ in range(10):
        task(TaskResultStatus.FAILED, finished_at=timezone.now())
    with django_assert_max_num_queries(6):
        measures.facts(at=timezone.now())


def test_a_terminal_is_told_the_same(worker):
    out = StringIO()
    call_command("health", stdout=out)
    assert out.getvalue() == "Tout va bien.\n"
    call_command("health", "--mesures", stdout=out)
    assert "portal_tasks" in out.getvalue()
    Restoration.objects.create(made_at=timezone.now(), restored_at=timezone.now())
    with pytest.raises(CommandError, match="Aucun courrier ne part"):
        call_command("health")
