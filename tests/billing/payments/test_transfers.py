"""Money given back to a family's account: it leaves the payment at once, goes by a file, may come back."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.db import connection
from lxml import etree

from billing.documents import verifying
from billing.models import AccountEntry, BillingSettings, Regie, TransferFile, TransferRefund
from billing.payments import kinds, paying, transfers
from billing.payments.paying import PaymentRefused
from billing.payments.transfers import TransferRefused
from tests.billing.conftest import FIRST_OF_DECEMBER as AT

D = Decimal
IBAN = "FR1420041010050500013M02606"  # the public example of the standard
TODAY = AT.date()


@pytest.fixture
def account(owes):
    BillingSettings(iban="FR76 3000 6000 0112 3456 7890 189", bic="AGRIFRPP").save()


@pytest.fixture
def over(owes, account):
    """A payment of 29.60 for the 12.80 that are due: 16.80 too much."""
    return paying.record(owes.household, D("29.60"), "cheque", paid_on=TODAY, by=None, at=AT)


def ask(payment, amount="16.80", **said):
    said = {"holder": "Camille Roux", "iban": IBAN, "by": None, "at": AT} | said
    return transfers.ask(payment, D(amount), **said)


def make(**said):
    return transfers.make(**({"paid_on": TODAY, "by": None, "at": AT} | said))


def balance(household):
    return AccountEntry.objects.filter(household=household).balance()


def kept_in_clear(table, column):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table}")
        return [row[0] for row in cursor.fetchall()]


def test_16_80_too_much_leave_the_payment_when_they_are_asked_for(owes, over):
    refund = ask(over)
    assert refund.state == "waiting" and paying.unused(over) == 0
    assert (refund.payment.kind, refund.payment.amount, refund.payment.means) == (
        "refund", D("-16.80"), "transfer",
    )  # fmt: skip
    assert balance(owes.household) == 0
    with pytest.raises(PaymentRefused, match=r"Il reste 0,00"):
        ask(over, "0.01")
    assert verifying.verify(files=False).faults == []


def test_the_account_is_encrypted_and_only_its_end_is_shown(over):
    refund = ask(over)
    (kept,) = kept_in_clear("billing_transferrefund", "iban")
    assert IBAN not in kept and refund.account == "…2606"


@pytest.mark.parametrize("iban", ["FR1420041010050500013M02607", "1234", ""])
def test_an_iban_with_a_slip_is_refused_and_nothing_written(over, iban):
    with pytest.raises(PaymentRefused):
        ask(over, iban=iban)
    assert paying.unused(over) == D("16.80") and not TransferRefund.objects.exists()


def test_the_file_is_a_pain_001_that_its_schema_takes(over, waits):
    other = paying.record(waits.household, D("20"), "cash", paid_on=TODAY, by=None, at=AT)
    refunds = [ask(over), ask(other, "7.20", holder="Éléonore Dûment", bic="AGRIFRPP")]
    made = make(paid_on=date(2026, 12, 3))
    document = etree.fromstring(made.content.encode())  # exported with `validate=True`
    assert etree.QName(document).namespace.endswith(transfers.SCHEMA)
    assert document.findtext(".//{*}GrpHdr/{*}NbOfTxs") == "2"
    assert document.findtext(".//{*}GrpHdr/{*}CtrlSum") == "24.00"
    assert document.findtext(".//{*}ReqdExctnDt") == "2026-12-03"
    assert [one.text for one in document.iter("{*}EndToEndId")] == [one.payment.number for one in refunds]
    assert [one.text for one in document.iter("{*}InstdAmt")] == ["16.80", "7.20"]
    assert [one.text for one in document.findall(".//{*}Cdtr/{*}Nm")] == ["Camille Roux", "Eleonore Dument"]
    assert all(IBAN not in kept for kept in kept_in_clear("billing_transferfile", "content"))
    assert set(TransferRefund.objects.values_list("state", flat=True)) == {"in_file"}
    with pytest.raises(TransferRefused, match="Aucun remboursement"):
        make()


def test_no_file_without_the_town_s_account_or_of_what_was_not_shown(over):
    ask(over, "6.80")
    seen = transfers.fingerprint(transfers.waiting())
    ask(over, "10")
    with pytest.raises(TransferRefused, match="a changé"):
        make(seen=seen)
    BillingSettings.objects.update(iban="")
    with pytest.raises(TransferRefused, match="l'IBAN dans les réglages"):
        make()
    assert not TransferFile.objects.exists()


def test_once_the_bank_has_paid_nothing_keeps_the_account(over):
    refund = ask(over)
    with pytest.raises(TransferRefused, match="à mettre dans un fichier"):
        transfers.done(refund, by=None, at=AT)
    make(paid_on=TODAY + timedelta(days=1))
    with pytest.raises(TransferRefused, match="pas encore passée"):
        transfers.done(refund, by=None, at=AT)
    assert transfers.done(refund, by=None, at=AT + timedelta(days=1))
    assert not transfers.done(refund, by=None, at=AT + timedelta(days=1))
    refund.refresh_from_db()
    assert (refund.state, refund.iban, refund.account) == ("done", "", "–")


def test_given_up_before_a_file_the_money_is_back_by_a_row_of_its_own(owes, over):
    refund = ask(over)
    for _ in "twice":
        transfers.cancel(refund, why="La famille préfère garder", by=None, at=AT)
    back = refund.payment.refunded_by.get()
    assert (back.kind, back.amount, back.paid_on) == ("back", D("16.80"), TODAY)
    assert paying.unused(over) == D("16.80") and balance(owes.household) == D("-16.80")
    with pytest.raises(TransferRefused, match="Aucun remboursement"):
        make()
    assert verifying.verify(files=False).faults == []


def test_what_is_in_a_file_is_not_given_up_but_may_be_sent_back(
    owes, over, django_capture_on_commit_callbacks
):
    refund = ask(over)
    make()
    with pytest.raises(TransferRefused, match="déjà confié"):
        transfers.cancel(refund, why="Trop tard", by=None, at=AT)
    transfers.done(refund, by=None, at=AT)
    with django_capture_on_commit_callbacks(execute=True):
        for _ in "twice":
            transfers.refused(refund, on=TODAY, why="Compte clos", by=None, at=AT)
    assert paying.unused(over) == D("16.80") and balance(owes.household) == D("-16.80")
    (letter,) = mail.outbox
    assert "non abouti" in letter.subject and "Compte clos" in letter.body and "2606" not in letter.body
    assert ask(over).state == "waiting"


def test_sixty_days_after_the_file_nothing_keeps_the_account_whatever_the_bank_said(over):
    ask(over)
    make()
    kept = TransferRefund.objects.get()
    for before, forgotten in ((AT, 0), (AT + timedelta(seconds=1), 2)):
        assert kinds._forget_refunded(kinds._refunded_accounts(before), AT) == forgotten
    kept.refresh_from_db()
    assert (kept.iban, kept.account, TransferFile.objects.get().content) == ("", "–", "")


def test_a_file_gives_back_from_the_account_of_the_regie_that_was_paid(two, books, centre):
    """15.00 too much were paid to the centre: the town's file is empty, the centre's names its account."""
    over = paying.record(
        books.household, D("30.00"), "cheque", paid_on=TODAY, by=None, at=AT, regie=centre.regie.pk
    )
    BillingSettings(iban="FR76 3000 6000 0112 3456 7890 189", bic="AGRIFRPP").save()
    refund = ask(over, "15.00")
    with pytest.raises(TransferRefused, match="Aucun remboursement"):
        make()
    with pytest.raises(TransferRefused, match="dans la régie « Centre de loisirs »"):
        make(regie=centre.regie.pk)
    Regie.objects.update(iban="FR14 2004 1010 0505 0001 3M02 606", bic="PSSTFRPPPAR")
    file = make(regie=centre.regie.pk)
    assert (file.regie, [one.pk for one in file.refunds.all()]) == (centre.regie, [refund.pk])
    assert "PSSTFRPPPAR" in file.content and "AGRIFRPP" not in file.content
    assert file.message.endswith("-virements-CL")
