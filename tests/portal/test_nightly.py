"""What a night cleans up, and what it leaves."""

from datetime import timedelta
from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django_tasks_db.models import DBTaskResult, get_date_max

from families.models import Child, Household, User
from portal import nightly as work
from portal.reservations.models import Reservation
from tests.conftest import family
from tests.factories import ReservationFactory


def nightly() -> str:
    out = StringIO()
    call_command("nightly", stdout=out)
    return out.getvalue()


def asked(login: str, *, days_ago: int, now, confirmed: bool) -> Household:
    """A household asked for some days ago."""
    who = family(login, login.capitalize(), "Lou")
    EmailAddress.objects.filter(user=who.user).update(verified=confirmed)
    Household.objects.filter(pk=who.household.pk).update(
        state=Household.State.REQUESTED, created_at=now - timedelta(days=days_ago)
    )
    return who.household


def test_accounts_never_confirmed_are_forgotten_after_a_week(now, town):
    asked("old", days_ago=8, now=now, confirmed=False)
    kept = {
        asked("new", days_ago=6, now=now, confirmed=False),
        asked("sure", days_ago=8, now=now, confirmed=True),
    }
    kept.add(family("roux", "Roux", "Lina").household)

    assert "1 compte(s)" in nightly()
    assert set(Household.objects.all()) == kept
    assert set(User.objects.values_list("username", flat=True)) == {"new", "sure", "roux"}
    assert Child.objects.count() == 3


def test_drafts_nobody_touched_for_a_month_go_and_recorded_ones_stay(books, now):
    old = now - timedelta(days=31)
    ReservationFactory(enrolment=books.enrolment, state="draft", touched_at=old)
    recorded = ReservationFactory(enrolment=books.enrolment, state="accepted", touched_at=old)
    assert "1 réservation(s)" in nightly()
    assert list(Reservation.objects.all()) == [recorded]


def test_expired_sessions_go_and_the_others_stay(now, db):
    for key, hours in (("old", -1), ("new", 1)):
        Session.objects.create(session_key=key, expire_date=now + timedelta(hours=hours))
    assert "1 session(s) expirée(s) effacée(s)." in nightly()
    assert [session.session_key for session in Session.objects.all()] == ["new"]


def test_each_app_says_what_it_did_and_a_second_night_finds_nothing(books, now, settings, tmp_path):
    settings.PRIVATE_ROOT = tmp_path  # what a developer's own disk leaves open is another test's
    ReservationFactory(enrolment=books.enrolment, state="draft", touched_at=now - timedelta(days=31))
    said = nightly().splitlines()
    assert len(said) == len(work.works()) > 5
    assert [line for line in said if not line.startswith("0 ")] == [
        "1 réservation(s) non terminée(s) supprimée(s).",
        "1 mois compté(s) pour les statistiques.",
    ]
    assert all(line.startswith("0 ") for line in nightly().splitlines())


def test_a_trial_says_the_same_beforehand_and_changes_nothing(books, now):
    asked("old", days_ago=8, now=now, confirmed=False)
    ReservationFactory(enrolment=books.enrolment, state="draft", touched_at=now - timedelta(days=31))
    Session.objects.create(session_key="old", expire_date=now - timedelta(hours=1))
    out = StringIO()
    call_command("nightly", "--essai", stdout=out)
    first, *foreseen = out.getvalue().splitlines()
    assert first.startswith("Essai : rien n'est changé")
    assert (
        Household.objects.count() == 2 and Reservation.objects.count() == 1 and Session.objects.count() == 1
    )
    assert foreseen == nightly().splitlines()


def test_work_that_fails_stops_no_other_and_ends_in_an_error(books, now, monkeypatch, caplog):
    def fail(at):
        raise ValueError("no such thing")

    work.works()
    monkeypatch.setattr(work, "_works", {"essai": work.NightlyWork("essai", "{} fois", fail)} | work._works)
    ReservationFactory(enrolment=books.enrolment, state="draft", touched_at=now - timedelta(days=31))
    out = StringIO()
    with pytest.raises(CommandError, match="pas fini : essai"):
        call_command("nightly", stdout=out)
    assert "Échec, essai : ValueError" in out.getvalue()
    assert "1 réservation(s)" in out.getvalue()
    assert "no such thing" in caplog.text


def test_letters_that_have_left_are_not_kept_other_tasks_two_days_and_failed_ones_a_month(now, db):
    for path, status, days in (
        ("portal.letters.mailing.send", "SUCCESSFUL", 0),
        ("portal.letters.mailing.send", "FAILED", 0),
        ("portal.letters.mailing.send", "READY", 0),
        ("billing.tasks.issue_month", "SUCCESSFUL", 0),
        ("billing.tasks.issue_month", "SUCCESSFUL", 3),
        ("portal.letters.mailing.send", "FAILED", 29),
        ("portal.letters.mailing.send", "FAILED", 31),
    ):
        ended = None if status == "READY" else now - timedelta(days=days)
        DBTaskResult.objects.create(
            task_path=path, status=status, finished_at=ended, args_kwargs={"args": [], "kwargs": {}},
            backend_name="default", run_after=get_date_max(),
        )  # fmt: skip
    assert "3 tâche(s) terminée(s) effacée(s)." in nightly()
    assert sorted(DBTaskResult.objects.values_list("task_path", "status")) == [
        ("billing.tasks.issue_month", "SUCCESSFUL"),
        ("portal.letters.mailing.send", "FAILED"),
        ("portal.letters.mailing.send", "FAILED"),
        ("portal.letters.mailing.send", "READY"),
    ]
