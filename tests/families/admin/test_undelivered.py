"""Whom mails do not reach: marked on the guardian, said at the desk, sent again, forgotten."""

from datetime import timedelta
from smtplib import SMTPRecipientsRefused

import pytest
from django.core import mail
from django.core.management import call_command
from django_tasks_db.models import DBTaskResult

from families import unreached
from families.models import Letter
from portal.letters import mailing
from tests.conftest import Family
from tests.factories import LetterFactory

WORKER = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "mail"]}}
CHANGED = "account/password_changed"
LIST = "/mairie/families/undeliveredletter/"
HOUSEHOLDS = "/mairie/families/household/"
DEAD = SMTPRecipientsRefused({"roux@example.org": (550, b"5.1.1 <roux@example.org>: user unknown")})


@pytest.fixture
def refused(monkeypatch):
    def no(self, fail_silently=False):
        raise DEAD

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", no)
    return monkeypatch


def written(roux):
    letter = LetterFactory(guardian=roux.guardian, to=roux.user.email, state="waiting", sent_at=None)
    with pytest.raises(mailing.MailRefused) as told:
        mailing.send.func(roux.user.email, "Facture", "texte", "<p>x</p>", 0, letter.pk)
    assert "example" not in str(told.value)
    roux.guardian.refresh_from_db()
    letter.refresh_from_db()
    return letter


def test_a_dead_address_is_tried_once_and_marked(roux: Family, refused, now):
    letter = written(roux)
    assert (letter.state, letter.trouble) == (Letter.State.FAILED, "550 5.1.1 …: user unknown")
    assert (roux.guardian.unreached_address, roux.guardian.unreached_since) == (roux.user.email, now)
    assert not DBTaskResult.objects.exists()
    assert list(unreached.there()) == [roux.guardian]


def test_another_address_has_no_mark(roux: Family, refused):
    written(roux)
    roux.user.email = "neuve@example.org"
    roux.user.save()
    assert not unreached.there().exists()


def test_a_mail_that_passes_takes_the_mark_away(roux: Family, refused):
    written(roux)
    refused.undo()
    letter = LetterFactory(guardian=roux.guardian, to=roux.user.email, state="waiting")
    mailing.send.func(roux.user.email, "Facture", "texte", "<p>x</p>", 0, letter.pk)
    assert not unreached.there().exists()


def test_that_a_relay_takes_the_next_mail_proves_nothing(roux: Family, now):
    """Where mails come back, only days without one do."""
    letter = LetterFactory(guardian=roux.guardian, to=roux.user.email, state="sent")
    mailing.came_back(letter.pk, "550 unknown", now, dead=True)
    after = LetterFactory(guardian=roux.guardian, to=roux.user.email, state="waiting", posted_at=now)
    mailing.send.func(roux.user.email, "Facture", "texte", "<p>x</p>", 0, after.pk)
    assert unreached.there().exists()
    Letter.objects.filter(pk=after.pk).update(sent_at=now + timedelta(hours=1))
    assert unreached.settle(at=now + timedelta(days=2)) == 0
    assert unreached.settle(at=now + unreached.REPORTS_WITHIN + timedelta(days=1)) == 1
    assert not unreached.there().exists()


def test_the_desk_lists_the_household_and_says_why(roux: Family, refused, agent_client):
    written(roux)
    first = agent_client.get("/mairie/").content.decode()
    assert "Adresses qui ne répondent plus" in first
    found = agent_client.get(HOUSEHOLDS, {"adresse": "muette"}).context["cl"].result_list
    assert [row.pk for row in found] == [roux.household.pk]
    page = agent_client.get(f"{HOUSEHOLDS}{roux.household.pk}/change/").content.decode()
    assert "ne répond plus depuis le" in page and ": 550 5.1.1" in page


def test_the_desk_reads_what_was_not_delivered_and_never_what_it_says(roux: Family, refused, agent_client):
    letter = written(roux)
    Letter.objects.filter(pk=letter.pk).update(text="Lina mange sans œufs")
    LetterFactory(guardian=roux.guardian, state="sent", subject="Bien arrivé")
    for page in (LIST, f"{LIST}{letter.pk}/change/"):
        said = agent_client.get(page).content.decode()
        assert letter.subject in said and "5.1.1" in said
        assert "œufs" not in said and "Bien arrivé" not in said


@pytest.mark.django_db(transaction=True)
def test_a_letter_is_sent_again_to_todays_address(roux: Family, refused, agent_client, settings, now):
    settings.TASKS = WORKER
    settings.DEMO = False
    mailing.post(CHANGED, [roux.user.email], {"name": ""})
    work = {"batch": True, "interval": 0, "startup_delay": False, "queue_name": "*", "verbosity": 0}
    call_command("db_worker", **work)
    letter = Letter.objects.get()
    assert letter.is_failed
    refused.undo()
    mail.outbox.clear()
    roux.user.email = "neuve@example.org"
    roux.user.save()
    gone = LetterFactory(guardian=roux.guardian, state="failed")
    answer = agent_client.post(
        LIST, {"action": "send_again", "_selected_action": [letter.pk, gone.pk]}, follow=True
    )
    assert "1 message part de nouveau ; 1 ne peut plus l&#x27;être" in answer.content.decode()
    call_command("db_worker", **work)
    assert [one.to for one in mail.outbox] == [["neuve@example.org"]]
    letter.refresh_from_db()
    assert (letter.state, letter.to) == (Letter.State.SENT, "neuve@example.org")


def test_it_is_not_for_families(roux: Family):
    assert roux.client().get(LIST).status_code in (302, 404)
