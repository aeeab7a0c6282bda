"""A payment put right at the desk: shown first, done once, said with its amount and number."""

from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from billing.models import BillingSettings, Invoice, NewDueDate, Payment, TransferFile, TransferRefund
from billing.payments import closing, paying, transfers, undoing
from tests.billing.conftest import FIRST_OF_DECEMBER as AT
from tests.factories import InvoiceFactory, paris

D = Decimal
NBSP = "\N{NO-BREAK SPACE}"
PAID_ON = date(2026, 11, 28)
IBAN = "FR14 2004 1010 0505 0001 3M02 606"  # the public example of the standard


def pay(household, amount, **said):
    said = {"paid_on": PAID_ON, "by": None, "at": AT} | said
    return paying.record(household, D(amount), "cheque", **said)


def page_of(name, *keys):
    return reverse(f"admin:billing_{name}", args=keys)


def messages_of(answer):
    return " ".join(str(one) for one in answer.context["messages"])


@pytest.fixture
def november(owes):
    return Invoice.objects.get(household=owes.household)


def test_a_bounced_cheque_is_shown_then_reversed_once(owes, november, regie_client):
    payment = pay(owes.household, "12.80")
    page = page_of("payment_reverse", payment.pk)
    shown = regie_client.get(page)
    assert november.number in shown.content.decode() and "12,80" in shown.content.decode()
    said = {"because": "bounced", "reason": "Sans provision", "due_on": "2027-01-15", "on": "", "instead": ""}
    said["key"] = str(shown.context["form"]["key"].value())
    for _ in "twice":
        answer = regie_client.post(page, said, follow=True)
    reversal = Payment.objects.get(kind="reversal")
    assert "compté qu" in messages_of(answer) or "déjà annulé" in messages_of(answer)
    assert NewDueDate.objects.get(invoice=november).due_on == date(2027, 1, 15)
    kept = regie_client.get(page_of("payment_change", payment.pk)).content.decode()
    assert f"n°{NBSP}{reversal.number}" in kept and "Sans provision" in kept
    assert "/annuler/" not in kept and "/reaffecter/" not in kept


def test_128_typed_for_12_80_is_corrected_on_one_page(owes, november, regie_client):
    payment = pay(owes.household, "128")
    answer = regie_client.post(
        page_of("payment_reverse", payment.pk),
        {"because": "amount", "reason": "128 au lieu de 12,80", "instead": "12,80", "due_on": "2027-01-15"},
        follow=True,
    )
    assert "12,80" in messages_of(answer) and "128,00" in messages_of(answer)
    assert undoing.held(payment) == 0
    assert Invoice.objects.with_balance().get(pk=november.pk).left == 0


def test_what_cannot_be_is_said_and_loses_nothing_typed(owes, regie_client):
    payment = pay(owes.household, "12.80")
    answer = regie_client.post(
        page_of("payment_reverse", payment.pk),
        {"because": "bounced", "reason": "Sans provision", "due_on": "2026-11-01"},
    )
    html = answer.content.decode()
    assert "échéance est déjà passée" in html and "Sans provision" in html
    assert Payment.objects.count() == 1


def test_a_payment_goes_to_the_household_that_is_typed(owes, waits, regie_client):
    payment = pay(owes.household, "12.80")
    there = Invoice.objects.get(household=waits.household)
    page = page_of("payment_move", payment.pk)
    assert "Aucun foyer" in regie_client.post(page, {"number": "999999"}).content.decode()
    assert "déjà à ce foyer" in regie_client.post(page, {"number": owes.household.number}).content.decode()
    shown = regie_client.post(page, {"number": there.number}, follow=True)
    assert there.number in shown.content.decode() and waits.guardian.last_name in shown.content.decode()
    answer = regie_client.post(
        page_of("payment_move_to", payment.pk, waits.household.pk),
        {"reason": "Mauvais foyer", "due_on": "2027-01-15"},
        follow=True,
    )
    assert "12,80" in messages_of(answer) and waits.household.number in messages_of(answer)
    assert "la date du 28 novembre 2026 et sont comptabilisés aujourd'hui" in messages_of(answer)
    assert Invoice.objects.with_balance().get(pk=there.pk).left == 0


def test_amounts_are_typed_for_each_invoice(owes, november, regie_client):
    december = InvoiceFactory(household=owes.household, total=D("12.80"), due_on=date(2026, 12, 31))
    payment = pay(owes.household, "12.80", invoices=[november])
    page = page_of("payment_reallocate", payment.pk)
    said = {"reason": "Pour décembre", "due_on": "2027-01-15", f"invoice_{november.pk}": "2,80"}
    refused = regie_client.post(page, said | {f"invoice_{december.pk}": "10,01"})
    assert "Vous répartissez 12,81" in refused.content.decode() and "10,01" in refused.content.decode()
    answer = regie_client.post(page, said | {f"invoice_{december.pk}": "10"}, follow=True)
    assert december.number in messages_of(answer)
    assert "Pour décembre" in answer.content.decode()


def test_an_overpayment_is_used_from_the_account_and_from_the_payment(owes, november, regie_client):
    payment = pay(owes.household, "16.80", invoices=[])
    page = page_of("payment_use", owes.household.pk)
    for start in (page_of("payment_account", owes.household.pk), page_of("payment_change", payment.pk)):
        assert page in regie_client.get(start).content.decode()
    assert "Utiliser 12,80" in regie_client.get(page).content.decode()
    answer = regie_client.post(page, follow=True)
    assert "12,80" in messages_of(answer) and "4,00" in messages_of(answer)
    assert "rien à utiliser" in messages_of(regie_client.post(page, follow=True))


def test_a_refund_by_transfer_waits_goes_into_a_file_and_is_done(owes, regie_client):
    BillingSettings(iban="FR76 3000 6000 0112 3456 7890 189", bic="AGRIFRPP").save()
    payment = pay(owes.household, "29.60")
    page = page_of("payment_transfer", payment.pk)
    said = {"amount": "16,80", "holder": "Camille Roux", "iban": IBAN.replace("606", "607"), "bic": ""}
    assert "IBAN" in regie_client.post(page, said).content.decode()
    assert not TransferRefund.objects.exists()
    listed = regie_client.post(page, said | {"iban": IBAN}, follow=True).content.decode()
    assert "…2606" in listed and IBAN not in listed and IBAN.replace(" ", "") not in listed
    make = page_of("transfer_make")
    shown = regie_client.get(make)
    assert "16,80" in shown.content.decode()
    regie_client.post(make, {"paid_on": "2026-12-01", "vu": shown.context["seen"]}, follow=True)
    file = TransferFile.objects.get()
    taken = regie_client.get(page_of("transfer_download", file.pk))
    assert IBAN.replace(" ", "").encode() in taken.content
    answer = regie_client.post(
        page_of("transferfile_changelist"),
        {"action": "mark_done", "_selected_action": [file.pk]},
        follow=True,
    )
    assert "1 virement exécuté" in messages_of(answer)
    assert TransferRefund.objects.get().iban == ""


def test_given_up_or_sent_back_the_money_is_on_the_account_again(owes, regie_client):
    BillingSettings(iban="FR76 3000 6000 0112 3456 7890 189", bic="AGRIFRPP").save()
    payment = pay(owes.household, "29.60")
    page = page_of("payment_transfer", payment.pk)
    said = {"holder": "Camille Roux", "iban": IBAN, "bic": ""}
    regie_client.post(page, said | {"amount": "6,80"})
    first = TransferRefund.objects.get()
    answer = regie_client.post(page_of("transfer_cancel", first.pk), {"why": "Elle préfère"}, follow=True)
    assert "6,80" in messages_of(answer)
    regie_client.post(page, said | {"amount": "16,80"})
    regie_client.post(page_of("transfer_make"), {"paid_on": "2026-12-01"})
    second = TransferRefund.objects.get(state="waiting")
    assert (
        "a changé"
        in regie_client.post(page_of("transfer_make"), {"paid_on": "2026-12-01", "vu": "0"}).content.decode()
    )
    seen = regie_client.get(page_of("transfer_make")).context["seen"]
    regie_client.post(page_of("transfer_make"), {"paid_on": "2026-12-01", "vu": seen})
    answer = regie_client.post(
        page_of("transfer_refused", second.pk), {"on": "2026-12-01", "why": "Compte clos"}, follow=True
    )
    assert "16,80" in messages_of(answer) and paying.unused(payment) == D("16.80")


def test_the_desk_says_in_which_books_what_it_puts_right_of_a_closed_day_stands(owes, regie_client):
    """A transfer of 28 November sent back on the 29th, a slip of that 28th with the right amount."""
    BillingSettings(iban="FR76 3000 6000 0112 3456 7890 189", bic="AGRIFRPP").save()
    said = {"by": None, "at": paris(2026, 11, 28, 16)}
    payment = pay(owes.household, "29.60", **said)
    refund = transfers.ask(payment, D("16.80"), holder="Camille Roux", iban=IBAN.replace(" ", ""), **said)
    transfers.make(paid_on=PAID_ON, **said)
    closing.close(date(2026, 11, 30), by=None, at=AT)
    answer = regie_client.post(
        page_of("transfer_refused", refund.pk), {"on": "2026-11-29", "why": "Compte clos"}, follow=True
    )
    one = "Le 29 novembre 2026 est clos : ce mouvement est comptabilisé au 1er décembre 2026"
    assert one in messages_of(answer)
    wrong = {"because": "amount", "reason": "Faux", "instead": "40", "due_on": "2027-01-15", "on": ""}
    answer = regie_client.post(page_of("payment_reverse", payment.pk), wrong, follow=True)
    both = "Le 28 novembre 2026 est clos : ces mouvements sont comptabilisés au 1er décembre 2026"
    assert both in messages_of(answer)


def test_a_refund_typed_wrong_is_undone_on_its_own_page(owes, regie_client):
    payment = pay(owes.household, "29.60")
    refund = paying.refund(payment, D("15.00"), means="cash", paid_on=AT.date(), by=None, at=AT)
    page = page_of("payment_undo_refund", refund.pk)
    kept = regie_client.get(page_of("payment_change", refund.pk)).content.decode()
    assert f'href="{page}">Annuler ce remboursement' in kept
    shown = regie_client.get(page)
    assert f"de 15,00{NBSP}€ (Espèces" in shown.content.decode()
    said = {"reason": "", "instead": "1,50", "key": str(shown.context["form"]["key"].value())}
    assert "obligatoire" in regie_client.post(page, said).content.decode()
    answer = regie_client.post(page, said | {"reason": "Erreur de saisie"}, follow=True)
    back = Payment.objects.get(kind="back")
    assert back.recorded_by.username == "regie"
    assert f"annulé, sous le n°{NBSP}{back.number}" in messages_of(answer)
    assert f"Le remboursement de 1,50{NBSP}€ est enregistré" in messages_of(answer)
    assert "Annuler ce remboursement" not in answer.content.decode()
    told = regie_client.get(page_of("payment_change", payment.pk)).content.decode()
    assert f"Remboursement de 15,00{NBSP}€ annulé" in told and "Erreur de saisie" in told
    again = regie_client.get(page, follow=True)
    assert "déjà annulé" in messages_of(again)


def test_an_agent_without_the_right_finds_none_of_these_pages(owes, agent_client):
    payment = pay(owes.household, "12.80")
    pages = [
        page_of(f"payment_{name}", payment.pk)
        for name in ("reverse", "move", "reallocate", "transfer", "undo_refund")
    ]
    for page in [*pages, page_of("payment_use", owes.household.pk), page_of("transfer_make")]:
        assert agent_client.get(page).status_code == 403


@pytest.mark.parametrize("count", [1, 10])
def test_a_payment_s_page_costs_the_same_whatever_became_of_it(
    owes, regie_client, django_assert_max_num_queries, count
):
    payment = pay(owes.household, "20")
    for _ in range(count):
        paying.refund(payment, D("0.10"), means="cash", paid_on=AT.date(), by=None, at=AT)
    page = page_of("payment_change", payment.pk)
    regie_client.get(page)
    with django_assert_max_num_queries(36):
        assert "0,10" in regie_client.get(page).content.decode()
