"""One line to the mail server carries a lot of mails, and none is lost or doubled when it ends."""

import smtplib

import pytest
from django.core.mail import EmailMessage

from portal.letters import connection
from tests.fakes.smtp_server import FakeSmtp


@pytest.fixture
def server(settings, monkeypatch):
    """A mail server, and a worker of ours that writes to it."""
    fake = FakeSmtp()
    with fake.running() as port:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        settings.EMAIL_TIMEOUT = 2
        monkeypatch.setattr(connection._Kept, "wanted", True)
        yield fake
        connection.close_when_idle(now=True)


def write(number, to="un@example.org"):
    connection.send(EmailMessage(f"Objet {number}", "texte", to=[to]))


def test_a_lot_goes_over_one_line(server):
    for number in range(5):
        write(number)
    assert (len(server.mails), server.connections) == (5, 1)


def test_elsewhere_than_in_a_worker_each_mail_has_its_own(server, monkeypatch):
    monkeypatch.setattr(connection._Kept, "wanted", False)
    write(1)
    write(2)
    assert (len(server.mails), server.connections, server.verbs.count("QUIT")) == (2, 2, 2)


def test_it_ends_when_nothing_is_to_be_done(server, monkeypatch):
    write(1)
    connection.close_when_idle()
    assert "QUIT" not in server.verbs, "the next mail may come in a second"
    monkeypatch.setattr(connection, "IDLE", 0)
    connection.close_when_idle()
    assert server.verbs[-1] == "QUIT"
    write(2)
    assert (len(server.mails), server.connections) == (2, 2)


def test_it_carries_no_more_than_servers_like(server, monkeypatch):
    monkeypatch.setattr(connection, "MOST", 2)
    for number in range(5):
        write(number)
    assert (len(server.mails), server.connections) == (5, 3)


def test_a_server_that_left_while_nobody_wrote_is_called_again(server, monkeypatch):
    write(1)
    connection._Kept.line.smtp.sock.close()
    monkeypatch.setattr(connection, "ASK_AFTER", 0)
    write(2)
    assert len(server.mails) == 2


def test_a_server_that_says_goodbye_in_the_middle_is_called_again(server):
    write(1)
    server.answers["MAIL"] = "421 4.7.0 too many mails"
    with pytest.raises(smtplib.SMTPSenderRefused):
        write(2)  # the second line is told so, too: later, then
    assert server.connections == 2
    server.answers.clear()
    write(2)
    assert len(server.mails) == 2


def test_an_address_that_is_refused_costs_no_line(server):
    server.refused["inconnu"] = "550 5.1.1 unknown"
    write(1)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        write(2, "inconnu@example.org")
    write(3)
    assert (len(server.mails), server.connections) == (2, 1)
