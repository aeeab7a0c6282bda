"""What a dead worker left is taken up: as often as it may begin, and never from one that lives."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django_tasks import task
from django_tasks_db.models import DBTaskResult, get_date_max

from portal.database import clock
from portal.models import Worker
from portal.tasks import attempts, queue, taking_up, workers

pytestmark = pytest.mark.django_db
told = []


@attempts.at_most(1, given_up=lambda args, kwargs: told.append((args, kwargs)))
@task()
def pay(amount):
    """May not run twice."""


@task()
def count(amount):
    """Goes on where it was."""


@pytest.fixture
def at():
    told.clear()
    return clock.now()


@pytest.fixture
def beaten(at):
    """A worker seen a moment ago, and one that was killed two minutes ago; both had beaten for an hour."""
    for name, seen in (("alive", at), ("killed", at - timedelta(minutes=2))):
        workers.beat(name, at=seen - timedelta(hours=1))
        Worker.objects.filter(name=name).update(seen_at=seen)


def begun(function, at, *by, status="RUNNING", since=timedelta(minutes=5)):
    row = DBTaskResult.objects.create(
        task_path=function if isinstance(function, str) else function.module_path,
        status=status,
        args_kwargs={"args": [5], "kwargs": {"to": "x"}},
        backend_name="default",
        worker_ids=list(by),
        run_after=get_date_max(),
    )
    DBTaskResult.objects.filter(pk=row.pk).update(enqueued_at=at - since, started_at=at - since)
    return row


def test_what_a_living_worker_does_is_left_to_it(at, beaten):
    row = begun(count, at, "killed", "alive")
    assert taking_up.take_up(at=at) == 0
    row.refresh_from_db()
    assert row.status == "RUNNING"


def test_what_a_killed_worker_left_is_done_again(at, beaten):
    row = begun(count, at, "killed")
    assert taking_up.take_up(at=at) == 1
    row.refresh_from_db()
    assert (row.status, row.worker_ids) == ("READY", ["killed"]), "who began it is remembered"
    assert taking_up.take_up(at=at) == 0


def test_what_an_earlier_version_left_is_done_again_too(at, beaten):
    row = begun(count, at, "a name that has no row")
    fresh = begun(count, at, "a name that has no row", since=timedelta(seconds=3))
    assert taking_up.take_up(at=at) == 1
    row.refresh_from_db()
    fresh.refresh_from_db()
    assert (row.status, fresh.status) == ("READY", "RUNNING")


def test_what_may_not_run_twice_is_interrupted_and_says_so(at, beaten):
    row = begun(pay, at, "killed")
    assert taking_up.take_up(at=at) == 1
    row.refresh_from_db()
    assert row.status == "FAILED"
    assert row.traceback.startswith("Interrompue")
    assert told == [([5], {"to": "x"})]
    assert queue.facts(at=at).interrupted == 1


def test_a_task_that_kills_each_worker_ends(at, beaten):
    row = begun(count, at, *["killed"] * attempts.USUAL)
    taking_up.take_up(at=at)
    row.refresh_from_db()
    assert row.status == "FAILED"


def test_a_task_this_version_does_not_know_is_interrupted(at, beaten):
    row = begun("portal.tasks.gone.away", at, "killed")
    taking_up.take_up(at=at)
    row.refresh_from_db()
    assert row.status == "FAILED"


def test_what_was_interrupted_is_begun_anew_when_somebody_asks(at, beaten):
    failed, well = begun(pay, at, "killed"), begun(count, at, "killed", status="SUCCESSFUL")
    taking_up.take_up(at=at)
    assert taking_up.do_again([failed, well]) == 1
    failed.refresh_from_db()
    well.refresh_from_db()
    assert (failed.status, failed.worker_ids, failed.traceback) == ("READY", [], "")
    assert well.status == "SUCCESSFUL"


def test_who_was_away_itself_judges_nobody(at):
    """A database that was away for long has heard no worker: the first to come back finds all silent."""
    workers.beat("one", at=at - timedelta(minutes=10))
    assert not workers.may_judge("one", at=at - timedelta(minutes=10))
    workers.beat("one", at=at - timedelta(minutes=9, seconds=30))
    workers.beat("one", at=at - timedelta(minutes=8, seconds=55))
    assert workers.may_judge("one", at=at - timedelta(minutes=8, seconds=55))
    workers.beat("one", at=at)
    assert not workers.may_judge("one", at=at)


def test_who_ends_leaves_no_row_and_who_was_killed_is_forgotten_a_day_later(at, beaten):
    workers.leave("alive")
    assert [one.name for one in Worker.objects.all()] == ["killed"]
    assert workers.forget(at=at) == 0
    assert workers.forget(at=at + workers.ROWS_KEPT) == 1


def test_the_facts_of_the_queue(at, beaten, django_assert_num_queries):
    begun(count, at, status="READY", since=timedelta(minutes=4))
    begun(count, at, status="READY", since=timedelta(minutes=1))
    later = begun(count, at, status="READY")
    DBTaskResult.objects.filter(pk=later.pk).update(run_after=at + timedelta(hours=1))
    begun(count, at, "alive", since=queue.TOO_LONG + timedelta(seconds=1))
    begun(count, at, "alive")
    begun(count, at, status="FAILED")
    with django_assert_num_queries(1):
        found = queue.facts(at=at)
    assert found == queue.Facts(
        waiting=2,
        age=timedelta(minutes=4),
        later=1,
        running=2,
        running_too_long=1,
        failed=1,
        interrupted=0,
    )


def test_who_runs_the_portal_reads_what_stopped_and_begins_it_anew(at, beaten, chief_client):
    failed, well = begun(pay, at, "killed"), begun(count, at, "alive", status="SUCCESSFUL")
    taking_up.take_up(at=at)
    assert (
        "1 travail de fond a échoué ou s&#x27;est interrompu."
        in chief_client.get("/mairie/").content.decode()
    )
    tasks = reverse("admin:django_tasks_database_dbtaskresult_changelist")
    chosen = {"action": "do_again", "_selected_action": [failed.pk, well.pk]}
    page = chief_client.post(tasks, chosen, follow=True).content.decode()
    assert "1 travail est de nouveau demandé ; 1 autre n’avait pas échoué." in page
    failed.refresh_from_db()
    assert failed.status == "READY"
    assert "interrompu." not in chief_client.get("/mairie/").content.decode()
