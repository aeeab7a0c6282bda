"""Direct debit: the mandate, the bank's file, what it collects and what it sends back."""

from datetime import date

import pytest
from django.core.exceptions import ValidationError
from lxml import etree

from billing.models import (
    BillingSettings,
    Debit,
    DebitFile,
    Invoice,
    Mandate,
    Payment,
    PaymentAllocation,
    Regie,
)
from billing.payments import events, paying, sepa, starting
from portal.french.official_numbers import check_iban
from tests.billing.payments.paying_online import AT, D, left, received
from tests.factories import InvoiceFactory, paris

NOVEMBER = date(2026, 11, 1)
IBAN = "FR1420041010050500013M02606"  # the public example of the standard
COLLECTED_ON = date(2026, 12, 10)


@pytest.fixture
def creditor(owes):
    BillingSettings(
        iban="FR76 3000 6000 0112 3456 7890 189", bic="AGRIFRPP", creditor_identifier="FR12ZZZ123456"
    ).save()


@pytest.fixture
def mandate(owes):
    return Mandate.objects.create(
        household=owes.household,
        rum="VILLE-000001",
        debtor="Camille Roux",
        iban=IBAN,
        signed_on=date(2026, 9, 1),
    )


def make(**said):
    return sepa.make(NOVEMBER, **({"collected_on": COLLECTED_ON, "by": None, "at": AT} | said))


def later(day):
    return AT.replace(day=day)


@pytest.mark.parametrize("iban", [IBAN, "fr14 2004 1010 0505 0001 3M02 606", "DE89370400440532013000"])
def test_an_iban_that_is_right(iban):
    check_iban(iban)


@pytest.mark.parametrize(
    "iban", ["FR1420041010050500013M02607", "FR142004", "1234", "", "FR14 €", "FR14" + "1" * 40]
)
def test_an_iban_with_a_slip_is_explained(iban):
    with pytest.raises(ValidationError):
        check_iban(iban)


def test_one_mandate_a_household(owes, mandate):
    other = Mandate(household=owes.household, rum="B", debtor="X", iban=IBAN, signed_on=date(2026, 9, 2))
    with pytest.raises(ValidationError, match="révoquez-le"):
        other.full_clean()


def test_an_invoice_being_debited_says_so_and_is_not_asked_for_again(creditor, mandate, owes, books_client):
    make()
    page = books_client.get("/factures/").content.decode()
    assert "Sera prélevée le jeudi 10 décembre 2026" in page and "Payer en ligne" not in page


@pytest.mark.parametrize("schema", sepa.SCHEMAS)
def test_both_schemas_that_banks_ask_for(creditor, mandate, owes, schema):
    file = make(schema=schema)
    assert etree.QName(etree.fromstring(file.content.encode())).namespace.endswith(schema)
    assert sepa.schema_of(file) == schema


@pytest.mark.parametrize(
    ("made_at", "day", "of_year"),
    [
        (paris(2026, 12, 28, 10), date(2027, 1, 5), 2027),
        (paris(2026, 12, 10, 10), date(2026, 12, 31), 2026),
        (paris(2026, 12, 30, 23, 30), date(2027, 1, 1), 2027),
    ],
)
def test_a_debit_is_paid_on_the_day_the_bank_collects(creditor, mandate, owes, made_at, day, of_year):
    """File of 28 December, collected on 5 January: the tax certificate of the second year."""
    file = make(at=made_at, collected_on=day)
    assert not Payment.objects.validated().exists()
    sepa.collected(file, by=None, at=paris(2027, 1, 20, 9))
    payment = Payment.objects.validated().get()
    assert (payment.paid_on, payment.paid_on.year) == (day, of_year)
    paid = [PaymentAllocation.objects.filter(payment__paid_on__year=one).count() for one in (2026, 2027)]
    assert paid == [int(of_year == 2026), int(of_year == 2027)]


def test_a_debit_asked_for_by_an_earlier_version_is_paid_then_too(creditor, mandate, owes):
    file = make(collected_on=date(2027, 1, 5), at=paris(2026, 12, 28, 10))
    Payment.objects.update(paid_on=date(2026, 12, 28))
    sepa.collected(file, by=None, at=paris(2027, 1, 6, 9))
    assert Payment.objects.get().paid_on == date(2027, 1, 5)


def test_all_that_is_due_is_debited_older_months_too(creditor, mandate, owes):
    InvoiceFactory(household=owes.household, month=date(2026, 9, 1), number="F-SEPT", sequence=900)
    InvoiceFactory(household=owes.household, month=date(2026, 12, 1), number="F-DEC", sequence=901)
    assert {invoice.month for invoice in sepa.due(NOVEMBER)} == {date(2026, 9, 1), NOVEMBER}


def test_the_outlook_says_who_and_what_is_left_out_and_why(creditor, mandate, owes, waits, settings):
    found = sepa.outlook(NOVEMBER)
    assert (len(found.invoices), found.total, found.elsewhere) == (1, D("12.80"), 1)
    assert [mandate.debtor for _, mandate, _ in found.debtors] == ["Camille Roux"]
    make()
    (left_out,) = sepa.outlook(NOVEMBER).left_out
    assert left_out.why == "déjà confiée à la banque pour le 10/12/2026"
    Debit.objects.all().delete()
    Mandate.objects.update(revoked_on=date(2026, 11, 30))
    assert [one.why for one in sepa.outlook(NOVEMBER).left_out] == ["mandat révoqué"]
    Mandate.objects.update(revoked_on=None)
    settings.PAYMENT_PROVIDER = "demo"
    (unpaid,) = starting.to_pay(owes.household)
    starting.start(owes.household, {unpaid.pk: None}, by=owes.user, at=AT)
    assert [one.why for one in sepa.outlook(NOVEMBER).left_out] == ["en cours de paiement en ligne"]


def test_what_changed_since_it_was_seen_is_not_debited(creditor, mandate, owes):
    seen = sepa.outlook(NOVEMBER).fingerprint
    paying.record(owes.household, D(5), "cash", paid_on=AT.date(), by=None, at=AT)
    with pytest.raises(sepa.DebitRefused, match="a changé depuis"):
        make(seen=seen)
    assert not DebitFile.objects.exists()
    assert make(seen=sepa.outlook(NOVEMBER).fingerprint).debits.get().payment.amount == D("7.80")


def test_the_file_says_who_how_much_and_since_when(creditor, mandate, owes, waits):
    document = etree.fromstring(make().content.encode())

    def said(name):
        return [one.text for one in document.iter(f"{{*}}{name}")]

    assert etree.QName(document).namespace == "urn:iso:std:iso:20022:tech:xsd:pain.008.001.02"
    assert said("InstdAmt") == ["12.80"]
    assert said("MndtId") == ["VILLE-000001"]
    assert said("DtOfSgntr") == ["2026-09-01"]
    assert said("ReqdColltnDt") == ["2026-12-10"]
    assert said("SeqTp") == ["FRST"]
    assert said("CtrlSum") == ["12.80", "12.80"]
    assert IBAN in said("IBAN")


def test_a_family_is_not_asked_to_pay_what_will_be_debited(creditor, mandate, owes, books_client, settings):
    settings.PAYMENT_PROVIDER = "demo"
    make()
    page = books_client.get("/factures/regler/").content.decode()
    assert "Sera prélevée le jeudi 10 décembre 2026" in page
    assert 'type="checkbox"' not in page and "Suivant" not in page


def test_collected_pays_once(creditor, mandate, owes):
    file = make()
    assert left(owes.household) == [D("12.80")]
    with pytest.raises(sepa.DebitRefused, match="pas encore passée"):
        sepa.collected(file, by=None, at=AT)
    assert [sepa.collected(file, by=None, at=later(11)) for _ in range(2)] == [1, 0]
    assert left(owes.household) == [0]


def test_one_that_is_sent_back_while_the_file_is_marked_holds_up_no_other(
    creditor, mandate, owes, waits, monkeypatch
):
    Mandate.objects.create(household=waits.household, rum="B", debtor="X", iban=IBAN, signed_on=AT.date())
    file = make()
    first, other = Debit.objects.order_by("pk")
    settle = paying.settle

    def after_a_return(payment, *args, **said):
        if payment == first.payment and first.returned_on is None:
            monkeypatch.setattr(paying, "settle", settle)
            sepa.returned(first, on=COLLECTED_ON, reason="AM04", by=None, at=later(12))
        return settle(payment, *args, **said)

    monkeypatch.setattr(paying, "settle", after_a_return)
    assert sepa.collected(file, by=None, at=later(12)) == 1
    states = {one.pk: one.payment.state for one in Debit.objects.select_related("payment")}
    assert states == {first.pk: "refused", other.pk: "validated"}


@pytest.mark.parametrize("counted", [False, True], ids=["before it counted", "after it counted"])
def test_sent_back_the_invoice_is_to_pay_again_once(creditor, mandate, owes, counted):
    file = make()
    if counted:
        sepa.collected(file, by=None, at=later(11))
    (debit,) = file.debits.all()
    for _ in range(2):
        sepa.returned(
            debit, on=date(2026, 12, 14), reason="AM04 provision insuffisante", by=None, at=later(14)
        )
    assert left(owes.household) == [D("12.80")]
    assert sum(received(owes.household)) == (0 if counted else D("12.80"))
    assert sepa.due(NOVEMBER)


def test_neither_debited_twice_nor_paid_online_meanwhile(creditor, mandate, owes, settings):
    settings.PAYMENT_PROVIDER = "demo"
    make()
    with pytest.raises(sepa.DebitRefused, match="Aucune facture"):
        make()
    (unpaid,) = starting.to_pay(owes.household)
    with pytest.raises(events.OnlinePaymentRefused, match="prélèvement"):
        starting.start(owes.household, {unpaid.pk: None}, by=owes.user, at=AT)


def test_not_debited_while_it_is_paid_online(creditor, mandate, owes, settings):
    settings.PAYMENT_PROVIDER = "demo"
    (unpaid,) = starting.to_pay(owes.household)
    starting.start(owes.household, {unpaid.pk: None}, by=owes.user, at=AT)
    with pytest.raises(sepa.DebitRefused, match="Aucune facture"):
        make()


def test_what_is_missing_is_named_and_nothing_written(mandate, owes):
    with pytest.raises(sepa.DebitRefused, match="identifiant créancier"):
        make()
    assert not DebitFile.objects.exists()
    assert not Debit.objects.exists()


def test_a_date_too_near_is_refused(creditor, mandate):
    with pytest.raises(sepa.DebitRefused, match="2 jours avant"):
        make(collected_on=date(2026, 12, 2))


@pytest.fixture
def its_mandate(two, books, centre):
    """The town hall is no creditor; the centre is one, and the family has signed its mandate alone."""
    Regie.objects.update(
        iban="FR76 3000 6000 0112 3456 7890 189", bic="AGRIFRPP", creditor_identifier="FR34ZZZ654321"
    )
    return Mandate.objects.create(
        household=books.household,
        regie=centre.regie,
        rum="CL-1",
        debtor="Camille Roux",
        iban=IBAN,
        signed_on=date(2026, 9, 1),
    )


def test_a_file_is_one_regies_creditor_mandates_and_invoices(two, centre, its_mandate):
    with pytest.raises(sepa.DebitRefused, match="dans les réglages de la facturation"):
        sepa.make(NOVEMBER, collected_on=COLLECTED_ON, by=None, at=AT)
    file = sepa.make(NOVEMBER, collected_on=COLLECTED_ON, by=None, at=AT, regie=centre.regie.pk)
    assert "FR34ZZZ654321" in file.content and two[1].number in file.content
    assert (file.regie, [one.invoice for one in file.debits.all()]) == (centre.regie, [two[1]])
    assert Payment.objects.get().number == "R-CL2026-000001"
    assert sepa.collected(file, by=None, at=paris(2026, 12, 10, 12)) == 1
    assert left(two[0].household) == [D("12.80"), D("0.00")]


def test_a_regie_that_is_no_creditor_says_what_it_lacks(two, centre):
    with pytest.raises(sepa.DebitRefused, match="dans la régie « Centre de loisirs »"):
        sepa.make(NOVEMBER, collected_on=COLLECTED_ON, by=None, at=AT, regie=centre.regie.pk)


def test_a_mandate_of_one_regie_lets_no_other_debit(two, centre, its_mandate):
    assert (sepa.due(NOVEMBER), [one.pk for one in sepa.due(NOVEMBER, centre.regie.pk)]) == ([], [two[1].pk])


def test_a_debit_sent_back_is_reversed_as_any_other_payment(creditor, mandate, owes):
    file = make()
    debit = Debit.objects.get()
    sepa.collected(file, by=None, at=later(11))
    sepa.returned(debit, on=date(2026, 12, 14), reason="AM04", by=None, at=later(15))
    reversal = Payment.objects.get(kind="reversal")
    assert (reversal.refunds, reversal.because, reversal.reason) == (debit.payment, "returned", "AM04")
    assert (reversal.amount, reversal.paid_on) == (-debit.payment.amount, date(2026, 12, 14))
    assert left(owes.household) == [debit.invoice.total]


def test_its_invoice_is_due_again_within_the_usual_days_or_on_the_day_that_is_said(creditor, mandate, owes):
    make()
    debit = Debit.objects.get()
    sepa.returned(debit, on=date(2026, 12, 14), reason="AM04", due_on=date(2027, 2, 1), by=None, at=later(15))
    assert Invoice.objects.with_balance().get(pk=debit.invoice_id).pay_by == date(2027, 2, 1)
    again = sepa.make(NOVEMBER, collected_on=date(2026, 12, 20), by=None, at=later(16)).debits.get()
    sepa.returned(again, on=date(2026, 12, 20), reason="AM04", by=None, at=later(31))
    assert Invoice.objects.with_balance().get(pk=debit.invoice_id).pay_by == date(2027, 2, 1)
    with pytest.raises(paying.PaymentRefused, match="échéance"):
        sepa.returned(
            sepa.make(NOVEMBER, collected_on=date(2027, 1, 4), by=None, at=later(31)).debits.get(),
            on=date(2026, 12, 31), reason="AM04", due_on=date(2026, 12, 30), by=None, at=later(31),
        )  # fmt: skip
