"""What a server's answer means: later, never, or an address where nobody is reached."""

import smtplib
from ssl import SSLError

import pytest

from portal.letters.refusals import Fate, judge, judge_report, short


def at_rcpt(code, text):
    return smtplib.SMTPRecipientsRefused({"un@example.org": (code, text)})


LATER, REFUSED, DEAD = Fate.LATER, Fate.REFUSED, Fate.DEAD


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (at_rcpt(550, b"5.1.1 <un@example.org>: user unknown"), DEAD),
        (at_rcpt(550, b"No such user here"), DEAD),
        (at_rcpt(553, b"mailbox name not allowed"), DEAD),
        (at_rcpt(552, b"5.2.2 mailbox full"), DEAD),
        (at_rcpt(550, b"5.7.1 our policy refuses your server"), REFUSED),
        (at_rcpt(554, b"relay access denied"), REFUSED),
        (at_rcpt(450, b"4.2.0 greylisted"), LATER),
        (at_rcpt(452, b"4.2.2 over quota"), LATER),
        (smtplib.SMTPDataError(554, b"5.6.0 message looks like spam"), REFUSED),
        (smtplib.SMTPDataError(550, b"5.1.1 no such user"), DEAD),
        (smtplib.SMTPDataError(451, b"4.3.0 try again"), LATER),
        (smtplib.SMTPSenderRefused(550, b"sender denied", "x@y.fr"), REFUSED),
        (smtplib.SMTPSenderRefused(421, b"closing", "x@y.fr"), LATER),
        (smtplib.SMTPAuthenticationError(535, b"bad password"), LATER),
        (smtplib.SMTPConnectError(554, b"no service"), LATER),
        (smtplib.SMTPServerDisconnected("gone"), LATER),
        (smtplib.SMTPNotSupportedError("SMTPUTF8"), REFUSED),
        (UnicodeEncodeError("ascii", "é", 0, 1, "ordinal"), REFUSED),
        (TimeoutError(), LATER),
        (ConnectionRefusedError(), LATER),
        (SSLError("certificate"), LATER),
    ],
)
def test_what_a_refusal_means(error, fate):
    assert judge(error).fate is fate


@pytest.mark.parametrize(
    ("status", "said", "fate"),
    [
        ("5.1.1", "550 5.1.1 unknown", DEAD),
        ("5.0.0", "550 5.1.1 unknown", DEAD),
        ("5.0.0", "smtp; 550 no such user here", DEAD),
        ("5.0.0", "554 relay access denied", REFUSED),
        ("5.7.1", "550 5.7.1 spam", REFUSED),
        ("4.4.7", "delivery time expired", DEAD),
        ("4.0.0", "smtp; 550 5.1.1 unknown", DEAD),
    ],
)
def test_what_a_report_means(status, said, fate):
    assert judge_report(status, said).fate is fate


def test_no_address_is_kept_of_what_a_server_says():
    said = short(b"5.1.1 <un@example.org>:\r\n Recipient address rejected " + b"x" * 400, 550)
    assert said.startswith("550 5.1.1 …: Recipient")
    assert "example" not in said and len(said) == 200
