"""What is kept of the letters that leave: whose they are, what became of them, and never a live link."""

from smtplib import SMTPServerDisconnected

import pytest
from django.core import mail
from django.db import connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from families import recovery
from families.models import Letter, User
from portal.letters import mailing
from tests.conftest import Family
from tests.factories import GuardianFactory, LetterFactory

CHANGED = "account/password_changed"


def test_a_letter_is_a_row_of_its_guardian(roux: Family, now, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        mailing.post(CHANGED, [roux.user.email], {"name": "Camille"})
        row = Letter.objects.get()
        assert (row.state, row.sent_at) == ("waiting", None), "written with what it is about"
    row.refresh_from_db()
    assert (row.guardian, row.household) == (roux.guardian, roux.household)
    assert (row.subject, row.text) == (mail.outbox[0].subject, mail.outbox[0].body)
    assert (row.state, row.sent_at) == ("sent", now)


def test_of_an_undone_transaction_nothing_is_kept(roux: Family):
    with transaction.atomic():
        mailing.post(CHANGED, [roux.user.email], {"name": ""})
        transaction.set_rollback(True)
    assert not Letter.objects.exists()


def test_nobody_elses_letter_is_kept_outside_the_demo(roux: Family, settings):
    for demo, kept in ((False, 0), (True, 1)):
        settings.DEMO = demo
        mailing.post(CHANGED, ["nobody@example.org"], {"name": ""})
        assert Letter.objects.filter(guardian=None).count() == kept


def test_an_address_that_two_logins_share_is_nobodys(roux: Family, settings):
    settings.DEMO = False
    other = GuardianFactory(user__email="other@example.org")
    shared = User.objects.filter(pk=other.user.pk)
    QuerySet.update(shared, email=roux.user.email, email_shared=True)
    mailing.post(CHANGED, [roux.user.email], {"name": ""})
    assert not Letter.objects.exists()


def test_a_letter_that_nobody_takes_has_failed(roux: Family, monkeypatch):
    def down(self, fail_silently=False):
        raise SMTPServerDisconnected

    row = LetterFactory(guardian=roux.guardian, state="waiting", sent_at=None)
    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", down)
    with pytest.raises(mailing.MailRefused):
        mailing.send.func("un@example.org", "Objet", "texte", "", len(mailing.RETRY_AFTER), row.pk)
    row.refresh_from_db()
    assert row.is_failed and row.sent_at is None


def test_a_letter_queued_by_the_version_before_still_leaves(db):
    mailing.send.func("un@example.org", "Objet", "texte", "<p>texte</p>", 0)
    assert mail.outbox[0].subject == "Objet"


def test_what_is_kept_of_a_live_letter_has_no_link(roux: Family, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        mailing.post_live(recovery.RECOVERY, roux.user.pk)
    assert "mot-de-passe-oublie" in mail.outbox[0].body
    row = Letter.objects.get()
    assert "http" not in row.text and mailing.NO_LINK in row.text
    assert (row.guardian, row.live, row.state) == (roux.guardian, True, "sent")


def test_a_live_letter_tried_again_is_one_row(roux: Family, monkeypatch):
    def down(self, fail_silently=False):
        raise SMTPServerDisconnected

    again = []

    class Later:
        def enqueue(self, *args, **named):
            again.append((args, named))

    monkeypatch.setattr(type(mailing.send_live), "using", lambda self, run_after: Later())
    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMultiAlternatives.send", down)
        mailing.send_live.func(recovery.RECOVERY, roux.user.pk)
    [(args, named)] = again
    mailing.send_live.func(*args, **named)
    assert Letter.objects.get().state == "sent"


def test_the_database_itself_reads_no_letter(roux: Family):
    LetterFactory(guardian=roux.guardian, text="Lina mange sans œufs")
    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM families_letter")
        assert "œufs" not in cursor.fetchone()[0]


def test_sixty_letters_are_kept_in_the_queries_of_two(db, town):
    counts = []
    for number in (2, 60):
        to = [f"{number}-{each}@example.org" for each in range(number)]
        with CaptureQueriesContext(connection) as captured, transaction.atomic():
            mailing.post(CHANGED, to, {"name": ""})
        counts.append(len([query for query in captured if "families_" in query["sql"]]))
    assert counts[0] == counts[1] == 2
