"""No task is lost with its worker, and no mail: killed by the kernel in the middle of each kind of task."""

import importlib
import json
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django_tasks.base import Task

from portal.tasks import attempts
from tests import processes
from tests.portal.tasks.killing import KINDS

MODULE = "tests.portal.tasks.killing"
SMALL_TOWN = (
    "send_recovery tell_households print_invoices send_reminders print_lot deliver prepare_copy".split()
)
# Mails for which each kind writes to the three homes of the small town, at least.
MAILS = {
    "send": 1,
    "send_live": 1,
    "send_recovery": 1,
    "tell_households": 3,
    "send_reminders": 1,
    "deliver": 3,
}
OF_THE_DEMO = [kind for kind in KINDS if kind not in {*SMALL_TOWN, "send", "send_live"}]


def tasks():
    """Every task of the portal, by its name."""
    found = {}
    for app in apps.get_app_configs():
        if app.name.split(".")[0] not in ("portal", "families", "catering", "leisure", "billing"):
            continue
        root = Path(app.path)
        for file in root.rglob("*.py"):
            if "@task(" in file.read_text():
                module = ".".join(file.relative_to(settings.BASE_DIR).with_suffix("").parts)
                for name, value in vars(importlib.import_module(module)).items():
                    if isinstance(value, Task) and value.module_path == f"{module}.{name}":
                        found[name] = value
    return found


def judge(found, mails):
    assert found["ended"] == 0
    assert found["killed"], "a worker died in it"
    assert (found["failed"], set(found["states"])) == ([], {"SUCCESSFUL"})
    assert (found["letters"], found["waiting"]) == (found["mails"], 0), "each letter left"
    assert found["mails"] >= mails
    assert found["most"] <= 2, "a mail at most twice, by the same Message-ID"


def test_every_kind_of_task_is_killed_here():
    assert set(tasks()) == set(KINDS)


def test_what_writes_letters_is_whole_or_says_how_often_it_may_begin():
    for name, task in tasks().items():
        rule = attempts.rule(task.module_path)
        assert task.queue_name != "mail" or rule.whole or rule.times == 2, name


@pytest.mark.parametrize(
    "kinds", [["send", "tell_households"], pytest.param(SMALL_TOWN, marks=pytest.mark.long)]
)
def test_a_killed_worker_loses_nothing(kinds, installed, tmp_path):
    found = processes.result_of(MODULE, *kinds, installed=installed, folder=tmp_path)
    for kind in kinds:
        judge(found[kind], MAILS.get(kind, 0))


@pytest.mark.long
def test_in_the_demos_town_either(installed, tmp_path):
    with processes.own_database(tmp_path, copied_from=installed, called="demo") as address:
        env = processes.environment(address, tmp_path)
        processes.run("manage.py", "load_demo", env=env, timeout=1200)
        found = json.loads(processes.run("-m", MODULE, *OF_THE_DEMO, env=env, timeout=3000))
    for kind in OF_THE_DEMO:
        judge(found[kind], 0)
