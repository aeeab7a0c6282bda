"""What a bank's files say of debits sent back: read, noted once, refused by name."""

from datetime import date, timedelta

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from billing.documents import verifying
from billing.models import AccountEntry, BillingSettings, Debit, Invoice, Mandate, Payment
from billing.payments import bank_returns, closing, paying, sepa
from tests.billing.payments.paying_online import AT, D, left
from tests.conftest import logged_in
from tests.factories import GuardianFactory, UserFactory, paris

SPACE = "urn:iso:std:iso:20022:tech:xsd:"
LATER = paris(2026, 12, 14, 9)


@pytest.fixture
def debit(owes):
    """The family's 12.80 are asked for, for 10 December."""
    BillingSettings(
        iban="FR7630006000011234567890189", bic="AGRIFRPP", creditor_identifier="FR12ZZZ123456"
    ).save()
    Mandate.objects.create(
        household=owes.household,
        rum="VILLE-000001",
        debtor="Camille Roux",
        iban="FR1420041010050500013M02606",
        signed_on=date(2026, 9, 1),
    )
    return sepa.make(date(2026, 11, 1), collected_on=date(2026, 12, 10), by=None, at=AT).debits.get()


def pain_002(number, code="AM04", amount="12.80", status="RJCT", version="pain.002.001.03"):
    return f"""<?xml version="1.0" encoding="UTF-8"?><Document xmlns="{SPACE}{version}"><CstmrPmtStsRpt>
<GrpHdr><MsgId>1</MsgId><CreDtTm>2026-12-11T06:00:00</CreDtTm></GrpHdr>
<OrgnlPmtInfAndSts><TxInfAndSts><OrgnlEndToEndId>{number}</OrgnlEndToEndId><TxSts>{status}</TxSts>
<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>
<OrgnlTxRef><Amt><InstdAmt Ccy="EUR">{amount}</InstdAmt></Amt></OrgnlTxRef></TxInfAndSts></OrgnlPmtInfAndSts>
</CstmrPmtStsRpt></Document>""".encode()


def camt(number, code="MD06", amount="12.80", version="camt.053.001.02"):
    return f"""<Document xmlns="{SPACE}{version}"><BkToCstmrStmt><Stmt>
<Ntry><Amt Ccy="EUR">99.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><BookgDt><Dt>2026-12-10</Dt></BookgDt>
<NtryDtls><TxDtls><Refs><EndToEndId>{number}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">13.95</Amt><CdtDbtInd>DBIT</CdtDbtInd><BookgDt><Dt>2026-12-13</Dt></BookgDt>
<NtryDtls><TxDtls><Refs><EndToEndId>{number}</EndToEndId></Refs><Amt Ccy="EUR">13.95</Amt>
<AmtDtls><InstdAmt><Amt Ccy="EUR">{amount}</Amt></InstdAmt></AmtDtls>
<RtrInf><Rsn><Cd>{code}</Cd></Rsn></RtrInf></TxDtls></NtryDtls></Ntry>
</Stmt></BkToCstmrStmt></Document>""".encode()


@pytest.mark.parametrize(
    ("file", "on", "why"),
    [
        (pain_002, date(2026, 12, 11), "AM04 – provision insuffisante"),
        (camt, date(2026, 12, 13), "MD06 – prélèvement contesté par le débiteur"),
        (
            lambda number: camt(number, "AC04", version="camt.054.001.08"),
            date(2026, 12, 13),
            "AC04 – compte clos",
        ),
    ],
    ids=["pain.002", "camt.053", "camt.054"],
)
@pytest.mark.parametrize("counted", [False, True], ids=["before it counted", "after it counted"])
def test_a_debit_sent_back_is_noted_once_with_its_code_and_day(owes, debit, file, on, why, counted):
    if counted:
        sepa.collected(debit.file, by=None, at=LATER)
    said = bank_returns.read(file(debit.invoice.number), "rejets.xml")
    noted = [bank_returns.apply(said, by=None, at=LATER) for _ in range(2)]
    assert [(len(one.debits), one.known, one.strange) for one in noted] == [(1, 0, []), (0, 1, [])]
    debit.refresh_from_db()
    assert (debit.returned_on, debit.return_reason, left(owes.household)) == (on, why, [D("12.80")])


def test_what_the_bank_has_taken_is_no_return(debit):
    assert bank_returns.read(pain_002(debit.invoice.number, status="ACCP"), "ok.xml") == []


@pytest.mark.parametrize(
    ("number", "amount", "words"),
    [
        ("F2026-999999", "12.80", "aucun de nos prélèvements"),
        ("", "12.80", "sans référence"),
        (None, "1.28", "1,28"),
    ],
)
def test_what_fits_none_of_ours_changes_nothing_and_is_said(debit, number, amount, words):
    said = bank_returns.read(
        pain_002(debit.invoice.number if number is None else number, amount=amount), "r.xml"
    )
    noted = bank_returns.apply(said, by=None, at=LATER)
    assert noted.debits == []
    assert words in noted.strange[0]
    assert Debit.objects.get().returned_on is None


@pytest.mark.parametrize("file", [pain_002, camt], ids=["pain.002", "camt.053"])
@pytest.mark.parametrize("amount", ["sNaN", "NaN", "Infinity", "1E+999999", "-1", "1280", "douze"])
def test_an_amount_that_is_none_of_a_debit_changes_nothing_and_is_said(debit, file, amount):
    said = bank_returns.read(file(debit.invoice.number, amount=amount), "r.xml")
    noted = bank_returns.apply(said, by=None, at=LATER)
    assert noted.debits == [] and "Notez-le à la main" in noted.strange[0]
    assert Debit.objects.get().returned_on is None


def test_an_invoice_debited_again_is_not_sent_back_by_what_was_told_of_the_first_time(owes, debit):
    """The bank's statement of December tells in January what its own file told the day it came."""
    said = bank_returns.read(camt(debit.invoice.number), "decembre.xml")
    bank_returns.apply(said, by=None, at=LATER)
    again = sepa.make(
        date(2026, 12, 1), collected_on=date(2027, 1, 10), by=None, at=paris(2027, 1, 5, 9)
    ).debits.get()
    noted = bank_returns.apply(said, by=None, at=paris(2027, 1, 6, 9))
    assert (noted.debits, noted.known, noted.strange) == ([], 1, [])
    assert sepa.collected(again.file, by=None, at=paris(2027, 1, 11, 9)) == 1
    assert left(owes.household) == [0]


def test_a_return_told_before_the_debit_was_asked_for_is_left_to_a_hand(debit):
    said = [bank_returns.Returned(debit.invoice.number, "AM04", date(2026, 11, 2), D("12.80"))]
    noted = bank_returns.apply(said, by=None, at=LATER)
    assert noted.debits == [] and "avant le prélèvement" in noted.strange[0]


def test_a_debit_of_which_some_was_given_back_is_booked_whole_when_the_bank_takes_it_back(owes, debit):
    """The money is gone from the town's account, whatever the desk gave back of it before."""
    sepa.collected(debit.file, by=None, at=LATER)
    payment = Payment.objects.get(pk=debit.payment_id)
    paying.release(payment, D("2.80"))
    paying.refund(payment, D("2.80"), means="cash", paid_on=LATER.date(), by=None, at=LATER)
    said = bank_returns.read(camt(debit.invoice.number), "releve.xml")
    noted = bank_returns.apply(said, by=None, at=LATER)
    assert [one.pk for one in noted.debits] == [debit.pk]
    assert (paying.unused(payment), left(owes.household)) == (D("-2.80"), [D("12.80")])
    assert AccountEntry.objects.filter(household=owes.household).balance() == D("15.60")
    assert verifying.verify().faults == []


def test_the_own_debit_of_who_reads_the_file_waits_for_a_colleague_and_the_others_are_noted(
    owes, waits, regie, debit
):
    sepa.collected(debit.file, by=None, at=LATER)
    UserFactory(is_staff=True, is_superuser=True)
    GuardianFactory(household=owes.household, user=regie)
    said = bank_returns.read(camt(debit.invoice.number), "releve.xml")
    noted = bank_returns.apply(said, by=regie, at=LATER)
    assert noted.debits == [] and "un collègue décide à votre place" in noted.strange[0]
    assert Debit.objects.get().returned_on is None


def test_a_file_that_the_bank_refuses_as_a_whole_is_not_read_as_one_that_was_collected(debit):
    one = pain_002(debit.invoice.number).decode()
    start, end = one.index("<TxInfAndSts>"), one.index("</TxInfAndSts>") + len("</TxInfAndSts>")
    part = one[:start] + "<PmtInfSts>RJCT</PmtInfSts>" + one[end:]
    whole = (
        one[:start].replace("<OrgnlPmtInfAndSts>", "<OrgnlGrpInfAndSts>")
        + "<GrpSts>RJCT</GrpSts>"
        + one[end:].replace("</OrgnlPmtInfAndSts>", "</OrgnlGrpInfAndSts>")
    )
    for file in (part, whole):
        with pytest.raises(bank_returns.UnknownFile, match=r"« rejets.xml » rejette .* en bloc"):
            bank_returns.read(file.encode(), "rejets.xml")


BOMB = b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]>' + pain_002("&d;").split(b"?>", 1)[1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "pas un fichier XML"),
        (b"%PDF-1.7", "pas un fichier XML"),
        (b"\xff\xfe\x00", "pas un fichier XML"),
        (b"<html/>", "d'aucun type connu"),
        (pain_002("x", version="pain.008.001.02"), "est un pain.008.001.02"),
        (BOMB, "type de document"),
        (b"x" * (bank_returns.LARGEST + 1), "trop lourd"),
    ],
    ids=["empty", "a PDF", "garbage", "a page", "our own file", "entities", "too large"],
)
def test_another_file_is_refused_by_its_name(content, words):
    with pytest.raises(bank_returns.UnknownFile, match=words) as refusal:
        bank_returns.read(content, "releve-decembre.xml")
    assert "releve-decembre.xml" in str(refusal.value)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("am04", "AM04 – provision insuffisante"),
        (" MD07 ", "MD07 – débiteur décédé"),
        ("Compte fermé depuis mars", "Compte fermé depuis mars"),
    ],
)
def test_a_code_typed_says_what_it_means(typed, kept):
    assert bank_returns.in_words(typed) == kept


def test_the_desk_reads_the_file_and_the_family_is_told(
    debit, regie_client, agent_client, mailoutbox, django_capture_on_commit_callbacks
):
    where = reverse("admin:billing_debit_read")
    assert agent_client.get(where).status_code == 403
    wrong = regie_client.post(where, {"file": SimpleUploadedFile("photo.xml", b"x")})
    assert "photo.xml" in wrong.content.decode()
    number = Invoice.objects.get(pk=debit.invoice_id).number
    with django_capture_on_commit_callbacks(execute=True):
        sent = SimpleUploadedFile("rejets.xml", pain_002(number))
        page = regie_client.post(where, {"file": sent}, follow=True).content.decode()
    assert "1 rejet noté" in page and number in page
    (letter,) = mailoutbox
    assert "Prélèvement rejeté" in letter.subject
    assert "provision insuffisante" in letter.body and "12,80" in letter.body


def test_the_desk_says_in_which_books_a_debit_of_a_closed_day_stands(debit, regie):
    """Collected on the 10th, sent back on the 13th, noted on the 14th: the books of both days are closed."""
    with time_machine.travel(LATER, tick=False):
        desk = logged_in(regie)
        closing.close(LATER.date() - timedelta(days=1), by=None, at=LATER)
        mark = {"action": "mark_collected", "_selected_action": [debit.file_id]}
        files = reverse("admin:billing_debitfile_changelist")
        words = "Le 10 décembre 2026 est clos : ce mouvement est comptabilisé au 14 décembre 2026"
        assert words in desk.post(files, mark, follow=True).content.decode()
        assert "est clos" not in desk.post(files, mark, follow=True).content.decode(), "said once"
        sent = SimpleUploadedFile("releve.xml", camt(debit.invoice.number))
        told = desk.post(reverse("admin:billing_debit_read"), {"file": sent}, follow=True).content.decode()
    assert "Le 13 décembre 2026 est clos : ce mouvement est comptabilisé au 14 décembre 2026" in told
    assert Payment.objects.get(kind="reversal").booked_on == LATER.date()


def test_and_so_it_does_where_its_return_is_typed(debit, regie):
    with time_machine.travel(LATER, tick=False):
        sepa.collected(debit.file, by=None, at=LATER)
        closing.close(LATER.date() - timedelta(days=1), by=None, at=LATER)
        typed = {"on": "2026-12-12", "reason": "AM04", "due_on": "2027-01-15"}
        page = reverse("admin:billing_debit_return", args=[debit.pk])
        told = logged_in(regie).post(page, typed, follow=True).content.decode()
    assert "Le 12 décembre 2026 est clos : ce mouvement est comptabilisé au 14 décembre 2026" in told
