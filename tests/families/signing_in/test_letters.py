"""No live link stands in the task table: not before a letter leaves, not while it waits, not after."""

import re
from datetime import timedelta
from pathlib import Path
from smtplib import SMTPServerDisconnected
from urllib.parse import urlsplit

import pytest
import time_machine
from django.conf import settings as django_settings
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import Resolver404, resolve
from django_tasks_db.models import DBTaskResult

from families.custody import openings
from families.models import Guardian, User
from families.signing_in import letters
from portal.letters import mailing
from tests.conftest import NOW, Family, logged_in
from tests.factories import PASSWORD, GuardianFactory, UserFactory
from tests.families.test_recovery import FORGOTTEN, NEW, choose, link_in
from tests.families.test_signup import PASSWORD as OF_SIGNUP
from tests.families.test_signup import sign_up

QUEUE = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "mail"]}}
EMAILS = Path(django_settings.BASE_DIR) / "templates" / "emails"
URL = re.compile(r"https?://[^\s\"'<>\\]+")


@pytest.fixture(autouse=True)
def queue(transactional_db, settings):
    """Tasks wait in their table, as in production."""
    settings.TASKS = QUEUE
    mail.outbox.clear()


def live_links(text):
    """Its links that open something for whoever holds them."""
    found = []
    for url in URL.findall(text):
        try:
            match = resolve(urlsplit(url).path)
        except Resolver404:
            continue
        if {"key", "uidb36", "token"} & set(match.kwargs):
            found.append(url)
    return found


def table():
    """All that the task table holds, as a backup has it."""
    return " ".join(str(row) for row in DBTaskResult.objects.values())


def work(**options):
    usual = {"batch": True, "interval": 0, "startup_delay": False, "queue_name": "*", "verbosity": 0}
    call_command("db_worker", **(usual | options))


def recovered(roux):
    Client().post(FORGOTTEN, {"email": "roux@example.org"})


def signed_up(roux):
    sign_up()


def address_changed(roux):
    client = roux.client()
    client.post("/confirmer-mon-identite/", {"password": PASSWORD})
    client.post("/mon-adresse-e-mail/", {"email": "neuve@example.org", "action_add": ""})


def asked_at_login(roux):
    """Who never confirmed gets the letter again."""
    sign_up()
    work()
    DBTaskResult.objects.all().delete()
    mail.outbox.clear()
    with time_machine.travel(NOW + timedelta(minutes=10), tick=False):
        Client().post("/connexion/", {"login": "ines.faure", "password": OF_SIGNUP})


def access_opened(roux):
    guardian = GuardianFactory(household=roux.household, user=None, first_name="Alix", last_name="Roux")
    openings.ask_guardian(guardian, "alix@example.org", by=UserFactory(is_staff=True), at=NOW)


WAYS = [(recovered, 1), (signed_up, 1), (address_changed, 1), (asked_at_login, 1), (access_opened, 0)]


@pytest.mark.parametrize(("way", "links"), WAYS)
def test_the_table_never_holds_a_live_link(roux: Family, way, links):
    way(roux)
    waiting = list(DBTaskResult.objects.ready())
    assert waiting and live_links(table()) == []
    assert PASSWORD not in table() and OF_SIGNUP not in table()
    while DBTaskResult.objects.ready().exists():
        work()
        assert live_links(table()) == []
    bodies, pages = zip(*((letter.body, letter.alternatives[0][0]) for letter in mail.outbox), strict=True)
    for written in (bodies, pages):
        assert len({link for text in written for link in live_links(text)}) == links


@pytest.mark.parametrize("way", [recovered, signed_up, address_changed])
def test_not_while_the_mail_server_is_down_either(roux: Family, way, monkeypatch):
    usual = mail.EmailMultiAlternatives.send

    def down(self, fail_silently=False):
        raise SMTPServerDisconnected("gone")

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", down)
    mail.outbox.clear()
    way(roux)
    work()
    assert mail.outbox == [] and live_links(table()) == []
    again = DBTaskResult.objects.filter(status="READY").get()
    assert again.task_path == "portal.letters.mailing.send_live"
    assert again.args_kwargs["args"][-1] == 1
    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", usual)
    with time_machine.travel(NOW + timedelta(minutes=2), tick=False):
        work()
    (letter,) = mail.outbox
    assert live_links(letter.body) and live_links(table()) == []


def test_the_link_is_as_young_as_the_letter(roux: Family, monkeypatch):
    """The mail server was away for an hour, as long as a link lives: the one that comes then works."""
    recovered(roux)
    with time_machine.travel(NOW + timedelta(hours=2), tick=False):
        work()
        assert choose(link_in(mail.outbox[0]), NEW).url == "/mot-de-passe-oublie/modifie/"


def test_nothing_leaves_for_an_account_closed_meanwhile(roux: Family):
    recovered(roux)
    work(max_tasks=1)
    User.objects.filter(pk=roux.user.pk).update(is_active=False)
    work()
    assert mail.outbox == []
    assert letters.recovering(roux.user.pk) is None


def test_nor_for_an_address_proven_or_gone_meanwhile(roux: Family):
    sign_up()
    address = Guardian.objects.get(user__username="ines.faure").user.emailaddress_set.get()
    address.verified = True
    address.save()
    assert letters.confirming(address.pk) is None
    address.delete()
    work()
    assert mail.outbox == []


def test_a_letter_with_a_link_cannot_be_posted_in_the_old_way():
    assert letters.CONFIRMATION in mailing.live_kinds()
    for kind in mailing.live_kinds():
        with pytest.raises(ValueError, match="live link"):
            mailing.post(kind, ["roux@example.org"], {})
    with pytest.raises(KeyError):
        mailing.post_live("account/password_changed", 1)


def test_every_letter_whose_link_comes_from_outside_is_made_by_the_worker():
    """Other letters write `{{ portal_url }}{% url … %}`: pages behind the login."""
    given = re.compile(r"\{\{ *(url|\w*_url|link|key|token)\b[^}]*\}\}")
    found = set()
    for path in EMAILS.glob("*/*.txt"):
        if set(given.findall(path.read_text())) - {"portal_url"}:
            found.add(path.relative_to(EMAILS).with_suffix("").as_posix())
    assert found == mailing.live_kinds()


def test_the_desk_shows_no_letter(roux: Family):
    mailing.post("account/password_changed", ["roux@example.org"], {"name": ""})
    recovered(roux)
    boss = logged_in(UserFactory(is_staff=True, is_superuser=True))
    for task in DBTaskResult.objects.all():
        page = boss.get(f"/mairie/django_tasks_database/dbtaskresult/{task.pk}/change/").content.decode()
        if task.task_path.startswith("portal.letters."):
            assert "Le contenu des messages n&#x27;est pas affiché." in page
            assert "roux@example.org" not in page and "mot de passe a été" not in page
        else:
            assert "families.recovery.send_recovery" in page
