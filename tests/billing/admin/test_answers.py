"""The desk answers an invoice by a credit note or a write-off, and bills one household: after a preview."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.models import (
    BilledItem,
    CreditNote,
    Debit,
    DebitFile,
    Invoice,
    Mandate,
    OnlinePayment,
    OnlinePaymentInvoice,
    Payment,
    WriteOff,
)
from billing.payments import paying, under_way
from families.models import Letter
from tests.billing.conftest import MEALS
from tests.factories import InvoiceFactory

pytestmark = pytest.mark.usefixtures("private")

D = Decimal
BOOKED = {"by": None, "paid_on": date(2026, 12, 1)}


@pytest.fixture
def invoice(owes):
    return Invoice.objects.get(household=owes.household)


def pays(home, amount):
    return paying.record(home.household, D(amount), "cash", at=timezone.now(), **BOOKED)


def days(invoice, *wanted):
    items = BilledItem.objects.filter(line__invoice=invoice, booking__day__in=wanted)
    return [f"j{pk}" for pk in items.values_list("pk", flat=True)]


def send(client, page, said):
    """The preview, then what it proposes."""
    preview = client.post(page, said)
    assert preview.status_code == 200
    seen = preview.context.get("preview") or {"stamp": preview.context.get("seen")}
    return preview.content.decode(), client.post(page, said | {"confirmed": "1", "vu": seen["stamp"]})


def credit(client, invoice, **said):
    page = reverse("admin:billing_invoice_credit", args=[invoice.pk])
    return send(client, page, {"what": "whole", "reason": "Repas non servis"} | said)


def told(home):
    return list(Letter.objects.filter(to=home.user.email).values_list("subject", "text"))


def test_days_of_a_paid_invoice_are_credited_and_kept(owes, invoice, regie_client):
    pays(owes, "12.80")
    chosen = days(invoice, *MEALS[:3])
    preview, answer = credit(regie_client, invoice, what="chosen", chosen=chosen, becomes="kept")
    assert "9,60" in preview and "2, 3 et 5 novembre" in preview and "du reçu R2026-000001" in preview
    assert answer["Location"] == reverse("admin:billing_invoice_change", args=[invoice.pk])
    note = CreditNote.objects.get()
    assert (note.amount, note.freed, note.becomes) == (D("9.60"), D("9.60"), "kept")
    ((subject, text),) = told(owes)
    assert "avoir de 9,60" in subject and "déduits de ce que vous devez" in text
    assert f"/factures/avoirs/{note.number}/" in text


def test_what_is_to_be_given_back_leads_to_the_refund_of_its_payment(owes, invoice, regie_client):
    payment = pays(owes, "12.80")
    _, answer = credit(regie_client, invoice, becomes="refunded")
    page = reverse("admin:billing_payment_refund", args=[payment.pk])
    assert answer["Location"] == f"{page}?montant=12.80"
    assert "la mairie vous les rembourse" in told(owes)[0][1]


def test_what_is_left_to_write_off_is_proposed_in_euros_and_cents(owes, invoice, regie_client):
    pays(owes, "3.30")
    page = regie_client.get(reverse("admin:billing_invoice_write_off", args=[invoice.pk]))
    assert 'value="9,50"' in page.content.decode()


@pytest.mark.parametrize(
    ("asked", "proposed"),
    [("4.50", "4,50"), ("99", "12,80"), ("", "12,80"), ("-3", "12,80"), ("douze", "12,80")],
)
def test_the_refund_proposes_what_was_credited_and_never_more_than_there_is(
    owes, invoice, regie_client, asked, proposed
):
    payment = pays(owes, "12.80")
    credit(regie_client, invoice, becomes="refunded")
    for name in ("billing_payment_refund", "billing_payment_transfer"):
        page = regie_client.get(reverse(f"admin:{name}", args=[payment.pk]), {"montant": asked})
        assert f'value="{proposed}"' in page.content.decode()


def test_of_several_payments_each_is_listed(owes, invoice, regie_client):
    first, second = pays(owes, "10"), pays(owes, "2.80")
    _, answer = credit(regie_client, invoice, becomes="refunded")
    note = CreditNote.objects.get()
    assert answer["Location"] == reverse("admin:billing_creditnote_change", args=[note.pk])
    page = regie_client.get(answer["Location"]).content.decode()
    for payment in (first, second):
        assert reverse("admin:billing_payment_refund", args=[payment.pk]) in page
    paying.refund(first, D(10), means="cash", at=timezone.now(), **BOOKED)
    paying.refund(second, D("2.80"), means="cash", at=timezone.now(), **BOOKED)
    assert "Plus rien" in regie_client.get(answer["Location"]).content.decode()


def test_a_payment_that_comes_between_is_shown_first(owes, invoice, regie_client):
    page = reverse("admin:billing_invoice_credit", args=[invoice.pk])
    said = {"what": "whole", "reason": "Erreur"}
    seen = regie_client.post(page, said).context["preview"]["stamp"]
    pays(owes, "12.80")
    again = regie_client.post(page, said | {"confirmed": "1", "vu": seen}).content.decode()
    assert "nouvel aperçu" in again and "du reçu R2026-000001" in again
    assert not CreditNote.objects.exists()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"what": "chosen"}, "Cochez les lignes ou les jours"),
        ({"what": "chosen", "chosen": ["j999999"]}, "Sélectionnez un choix valide"),
        ({"what": "amount", "amount": "12,81"}, "Il ne reste que 12,80"),
        ({"what": "amount", "amount": "abc"}, "nombre"),
        ({"what": "autre"}, "Sélectionnez un choix valide"),
        ({"reason": ""}, "obligatoire"),
    ],
)
def test_what_cannot_be_credited_is_explained_and_nothing_typed_is_lost(invoice, regie_client, said, why):
    page = reverse("admin:billing_invoice_credit", args=[invoice.pk])
    answer = regie_client.post(page, {"what": "whole", "reason": "Bien motivé"} | said | {"confirmed": "1"})
    shown = answer.content.decode()
    assert answer.status_code == 200 and why in shown
    assert ("Bien motivé" in shown) == ("reason" not in said)
    assert not CreditNote.objects.exists()


def test_credit_notes_and_write_offs_are_files(owes, invoice, regie_client):
    credit(regie_client, invoice, what="chosen", chosen=days(invoice, MEALS[0]))
    write_off(regie_client, invoice, "9,60", "remission")
    for model, name in ((CreditNote, "creditnote"), (WriteOff, "writeoff")):
        chosen = [row.pk for row in model.objects.all()]
        page = reverse(f"admin:billing_{name}_changelist")
        for kind in ("csv", "xlsx"):
            answer = regie_client.post(page, {"action": f"download_{kind}", "_selected_action": chosen})
            content = b"".join(answer.streaming_content)
            if kind == "csv":
                assert f"{model.objects.get().number};01/12/2026" in content.decode("utf-8-sig")
    pdf = regie_client.get(reverse("admin:billing_creditnote_pdf", args=[CreditNote.objects.get().pk]))
    assert pdf.content.startswith(b"%PDF")


# Write-offs ----------------------------------------------------------------------------------------------


def write_off(client, invoice, amount, kind):
    page = reverse("admin:billing_invoice_write_off", args=[invoice.pk])
    said = {
        "kind": kind,
        "amount": amount,
        "reason": "Surendettement",
        "decision": "DEL-2026-41",
        "decided_on": "2026-11-30",
    }
    return send(client, page, said)


@pytest.mark.parametrize(("kind", "mails"), [("uncollectable", 0), ("remission", 1), ("extinguished", 1)])
def test_a_debt_is_given_up_after_a_preview_and_told_where_it_is_no_longer_owed(
    owes, invoice, regie_client, kind, mails
):
    preview, answer = write_off(regie_client, invoice, "12,80", kind)
    assert ("prévenue que la mairie ne réclame plus" in preview) == bool(mails)
    made = WriteOff.objects.get()
    assert (made.amount, made.issued_by.username) == (D("12.80"), "regie")
    assert len(told(owes)) == mails
    if mails:
        assert "ne réclame plus cette somme" in told(owes)[0][1]
    page = regie_client.get(answer["Location"]).content.decode()
    assert "Close" in page and "Abandonner la créance" not in page
    assert not Payment.objects.exists()


def test_a_write_off_is_not_written_without_its_preview(invoice, regie_client):
    page = reverse("admin:billing_invoice_write_off", args=[invoice.pk])
    said = {"kind": "remission", "amount": "5", "reason": "x", "decision": "D", "decided_on": "2026-11-30"}
    regie_client.post(page, said | {"confirmed": "1", "vu": "4.00"})
    assert not WriteOff.objects.exists()
    assert "Il ne reste que 12,80" in regie_client.post(page, said | {"amount": "13"}).content.decode()


# On its way ----------------------------------------------------------------------------------------------


def online(invoice, reference="P26ABCDEF", **said):
    now = timezone.now()
    payment = OnlinePayment.objects.create(
        reference=reference, household=invoice.household, provider="demo", amount=invoice.total,
        started_at=now, expires_at=now + timedelta(hours=1), **said,
    )  # fmt: skip
    OnlinePaymentInvoice.objects.create(online_payment=payment, invoice=invoice, amount=invoice.total)
    return payment


def test_the_desk_warns_of_an_invoice_that_is_paid_online_or_debited(owes, invoice, regie_client):
    assert under_way.warning([invoice]) == ""
    now = timezone.now()
    online(invoice)
    mandate = Mandate.objects.create(
        household=owes.household, rum="RUM1", debtor="Camille Roux", iban="FR7630006000011234567890189",
        signed_on=date(2026, 9, 1),
    )  # fmt: skip
    waits = paying.record(
        owes.household, D("12.80"), "debit", paid_on=date(2027, 1, 5), by=None, at=now, state="pending"
    )
    file = DebitFile.objects.create(message="M1", collected_on=date(2027, 1, 5), made_at=now)
    Debit.objects.create(file=file, invoice=invoice, mandate=mandate, payment=waits)
    said = under_way.warning([invoice])
    assert "P26ABCDEF" in said and "fichier de prélèvement du 5 janvier 2027" in said
    for name, key in (
        ("billing_invoice_credit", invoice.pk),
        ("billing_invoice_write_off", invoice.pk),
        ("billing_payment_take_from", owes.household.pk),
    ):
        assert "P26ABCDEF" in regie_client.get(reverse(f"admin:{name}", args=[key])).content.decode()


def test_it_warns_wherever_a_payment_is_put_right_too(owes, waits, invoice, regie_client):
    """Six euros of it are paid, the rest is being paid online: two more are used for it, what paid it is
    reversed or given back, or another household's payment comes to it."""
    part = pays(owes, "5.00")
    theirs = paying.record(waits.household, D(7), "cash", at=timezone.now(), **BOOKED)
    by_card = paying.record(owes.household, D(1), "online", at=timezone.now(), **BOOKED)
    paying.record(owes.household, D(2), "cash", at=timezone.now(), invoices=[], **BOOKED)
    before = online(invoice, "P26BEFORE", state="validated", payment=by_card)
    pages = [
        reverse("admin:billing_payment_use", args=[owes.household.pk]),
        reverse("admin:billing_payment_reverse", args=[part.pk]),
        reverse("admin:billing_payment_move_to", args=[theirs.pk, owes.household.pk]),
        reverse("admin:billing_online_refund", args=[before.pk]),
    ]
    assert not [page for page in pages if "P26ABCDEF" in regie_client.get(page).content.decode()]
    online(invoice)
    assert not [page for page in pages if "P26ABCDEF" not in regie_client.get(page).content.decode()]


def test_and_where_a_statement_is_given_back(reported, regie_client):
    due = InvoiceFactory(household=reported.household, total=D("4.00"))
    online(due)
    page = reverse("admin:billing_payment_give_back", args=[Invoice.every.waiting().get().pk])
    assert "P26ABCDEF" in regie_client.get(page).content.decode()


# One household -------------------------------------------------------------------------------------------


def test_a_household_is_billed_from_its_page(month, books, regie_client):
    home = regie_client.get(reverse("admin:families_household_change", args=[books.household.pk]))
    page = reverse("admin:billing_billingrun_bill_one", args=[books.household.pk])
    assert page in home.content.decode()
    said = {"month": "2026-11", "due_on": "2026-12-31"}
    preview = regie_client.post(page, said).content.decode()
    assert "1 facture, 1 ligne" in preview and "12,80" in preview and not Invoice.objects.exists()
    answer = regie_client.post(page, said | {"confirmed": "1"})
    invoice = Invoice.objects.get()
    assert answer["Location"] == reverse("admin:billing_invoice_change", args=[invoice.pk])
    assert invoice.pdf
    assert "rien à facturer" in regie_client.post(page, said | {"confirmed": "1"}).content.decode()


def test_a_month_is_billed_of_all_but_some_by_name_or_number(month, books, waits, regie_client):
    page = reverse("admin:billing_billingrun_bill")
    said = {"month": "2026-11", "due_on": "2026-12-31", "left_out": f"{books.household.number}, nobody"}
    assert "Aucun foyer ne répond à « nobody »" in regie_client.post(page, said).content.decode()
    said["left_out"] = "roux"
    preview = regie_client.post(page, said).content.decode()
    assert f"Sauf Foyer n°\xa0{books.household.number}" in preview and "1 facture" in preview
    answer = regie_client.post(page, said | {"confirmed": "1"})
    assert Invoice.objects.get().household == waits.household
    run = regie_client.get(answer["Location"]).content.decode()
    assert reverse("admin:billing_billingrun_bill_one", args=[books.household.pk]) in run
