"""The portal's own mailbox: what came back is told, machines' answers are put away, people's are left."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from families.models import Letter
from portal.letters import answers, mailbox, marks
from portal.letters.answers import Kind
from tests.conftest import Family
from tests.factories import LetterFactory
from tests.fakes.imap_server import FakeImap

PERSON = b"From: roux@example.org\r\nSubject: Re: Votre facture\r\n\r\nBonjour, je ne comprends pas.\r\n"
AWAY = b"From: roux@example.org\r\nSubject: R\xc3\xa9ponse automatique : cong\xc3\xa9s\r\n\r\nAbsente.\r\n"
VACATION = b"From: roux@example.org\r\nSubject: Re: x\r\nAuto-Submitted: auto-replied\r\n\r\nAbsente.\r\n"
LIST = b"From: liste@example.org\r\nSubject: Lettre\r\nPrecedence: bulk\r\n\r\nBonjour.\r\n"


def report(identifier, *, action="failed", status="5.1.1", said="smtp; 550 5.1.1 unknown", whole=True):
    """A mail that came back, as Postfix writes it; else with the headers alone, as Exchange does."""
    kind = "message/rfc822" if whole else "text/rfc822-headers"
    return (
        "From: MAILER-DAEMON@mail.example.org\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nI'm sorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mail.example.org\r\n\r\n"
        f"Final-Recipient: rfc822; roux@example.org\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: {said}\r\n\r\n"
        f"--b\r\nContent-Type: {kind}\r\n\r\n"
        f"From: portail@example.org\r\nMessage-ID: {identifier}\r\nSubject: Facture\r\n\r\n"
        f"{'Bonjour' if whole else ''}\r\n--b--\r\n"
    ).encode()


@pytest.fixture
def imap(settings):
    fake = FakeImap()
    with fake.running() as url:
        settings.MAILBOX_URL = fake.url = url
        yield fake


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (PERSON, Kind.PERSON),
        (AWAY, Kind.AUTOMATIC),
        (VACATION, Kind.AUTOMATIC),
        (LIST, Kind.AUTOMATIC),
        (b"", Kind.PERSON),
    ],
)
def test_who_wrote_a_mail(raw, kind):
    assert answers.read(raw).kind is kind


@pytest.mark.parametrize("whole", [True, False])
def test_a_report_tells_which_mail_came_back(whole):
    found = answers.read(report(marks.message_id(12), whole=whole))
    assert found == (Kind.CAME_BACK, 12, "5.1.1", "smtp; 550 5.1.1 unknown")


def test_a_report_that_anybody_could_have_written_tells_of_no_mail():
    forged = marks.message_id(12).replace("<12.", "<13.")
    assert answers.read(report(forged)).number is None
    assert answers.read(report("<abc@example.org>")).number is None


def test_a_mail_that_is_late_has_not_come_back():
    assert answers.read(report(marks.message_id(12), action="delayed", status="4.4.1")).kind is Kind.DELAYED


def test_what_is_read_and_what_is_left(books: Family, imap, now):
    letter = LetterFactory(guardian=books.guardian, to=books.user.email, state="sent")
    mine, other = report(marks.message_id(letter.pk)), report("<abc@example.org>")
    imap.put(mine, PERSON, AWAY, other)
    out = StringIO()
    call_command("read_mailbox", stdout=out)
    assert "2 message(s) revenu(s)" in out.getvalue() and "1 message(s) laissé(s)" in out.getvalue()
    assert [("\\Seen" in flags) for flags in imap.flags.values()] == [True, False, True, False]
    letter.refresh_from_db()
    books.guardian.refresh_from_db()
    assert (letter.state, letter.trouble) == (Letter.State.FAILED, "smtp; 550 5.1.1 unknown")
    assert (books.guardian.unreached_address, books.guardian.unreached_since) == (books.user.email, now)
    assert sum(mailbox.read(imap.url, moment=now).values()) == 0, "looked at once"


def test_a_server_that_keeps_no_flag_of_ours_shows_people_again(imap, now, db):
    imap.keeps_keywords = False
    imap.put(PERSON)
    for _ in range(2):
        assert mailbox.read(imap.url, moment=now)[Kind.PERSON] == 1


def test_a_mailbox_that_does_not_open_says_why_and_no_password(imap, settings, db):
    imap.password = "changed"
    with pytest.raises(CommandError) as refused:
        call_command("read_mailbox")
    assert "ne se lit pas (wrong password)" in str(refused.value)
    settings.MAILBOX_URL = "imap://portail:secret@127.0.0.1:1/INBOX"
    with pytest.raises(CommandError, match="ne se lit pas"):
        call_command("read_mailbox")
    settings.MAILBOX_URL = ""
    with pytest.raises(CommandError, match="MAILBOX_URL"):
        call_command("read_mailbox")


def test_the_address_of_a_mailbox():
    found = mailbox.at("imaps://portail%40ville.fr:p%2Fw@imap.ville.fr/Portail")
    assert found == ("imap.ville.fr", 993, "portail@ville.fr", "p/w", "Portail", True)
    for wrong in ("https://x@ville.fr", "imaps://imap.ville.fr", "portail@ville.fr"):
        with pytest.raises(ValueError):
            mailbox.at(wrong)
