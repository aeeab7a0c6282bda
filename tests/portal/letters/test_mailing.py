"""Letters: one an address, in text and HTML, only after the commit, again when the mail server is down."""

import re
from pathlib import Path
from smtplib import SMTPServerDisconnected

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.db import transaction
from django.template.loader import get_template

from portal.letters import mailing
from portal.letters.outbox import OutboxBackend
from portal.models import SentMail

LETTERS = sorted(
    path.relative_to(django_settings.BASE_DIR / "templates" / "emails").with_suffix("").as_posix()
    for path in (django_settings.BASE_DIR / "templates" / "emails").glob("*/*.txt")
    if "{% block subject %}" in path.read_text()
)


@pytest.fixture
def user(db, town):
    return type("Someone", (), {"username": "d'artagnan <3", "refusal_reason": "d'artagnan <3"})()


def test_everyone_gets_an_own_letter_after_the_commit(user, django_capture_on_commit_callbacks):
    context = {"name": "", "household": user}
    to = ["un@example.org", "deux@example.org", "", "un@example.org"]
    with django_capture_on_commit_callbacks(execute=True):
        mailing.post("families/household_refused", to, context)
        assert mail.outbox == []
    assert [letter.to for letter in mail.outbox] == [["un@example.org"], ["deux@example.org"]]
    letter = mail.outbox[0]
    assert "d'artagnan <3" in letter.body
    # An answering machine does not answer it (RFC 3834).
    assert letter.message()["Auto-Submitted"] == "auto-generated"
    html, kind = letter.alternatives[0]
    assert kind == "text/html"
    assert "d&#x27;artagnan &lt;3" in html
    assert "Valmirelle-les-Prés" in letter.body and "Valmirelle-les-Prés" in html


def test_a_link_is_written_for_text_and_for_html(user):
    context = {"name": "", "user": user, "activate_url": "https://ville.example/x?a=1&b=2"}
    _, text, html = mailing.render("account/email_confirmation", context)
    assert "?a=1&b=2" in text and "?a=1&amp;b=2" in html


@pytest.mark.django_db(transaction=True)
def test_a_letter_of_an_undone_transaction_never_leaves(town):
    with transaction.atomic():
        mailing.post("account/password_changed", ["un@example.org"], {"name": ""})
        transaction.set_rollback(True)
    assert mail.outbox == []


def test_a_mail_server_that_is_down_is_tried_again_later(user, monkeypatch, caplog):
    def down(self, fail_silently=False):
        raise SMTPServerDisconnected("un@example.org could not be served")

    again = []

    class Later:
        def enqueue(self, *args, **named):
            again.append(args[-1])

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", down)
    monkeypatch.setattr(type(mailing.send), "using", lambda self, run_after: Later())
    for attempt in range(len(mailing.RETRY_AFTER)):
        mailing.send.func("un@example.org", "Objet", "texte", "<p>texte</p>", attempt)
    assert again == [1, 2, 3, 4]
    with pytest.raises(mailing.MailRefused):
        mailing.send.func("un@example.org", "Objet", "texte", "<p>texte</p>", len(mailing.RETRY_AFTER))
    assert "un@example.org" not in caplog.text, "no address in the logs"


@pytest.mark.parametrize("letter", LETTERS)
def test_every_letter_has_both_forms_a_subject_and_no_password(letter: str):
    source = Path(get_template(f"emails/{letter}.txt").origin.name).read_text()
    get_template(f"emails/{letter}.html")
    assert re.search(r"{% block subject %}.+{% endblock %}", source)
    assert "password1" not in source


def test_the_outbox_prints_every_letter_and_keeps_the_link_of_a_live_one(db, capsys):
    plain = mail.EmailMultiAlternatives("Objet", "Bonjour, lisez https://x/", to=["un@example.org"])
    live = mailing.LiveMail("Lien", "Bonjour, suivez https://x/", to=["un@example.org"])
    assert OutboxBackend().send_messages([plain, live]) == 2
    assert SentMail.objects.get().text == "Bonjour, suivez https://x/"
    assert "lisez https://x/" in capsys.readouterr().out
