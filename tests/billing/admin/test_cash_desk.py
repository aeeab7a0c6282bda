"""The cash desk: a family is found, pays and leaves with a numbered receipt; the book of any dates."""

from datetime import timedelta
from decimal import Decimal

import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from billing.documents import receipts
from billing.models import BillingSettings, Payment, PaymentMeans
from billing.payments import paying
from tests.billing.payments.test_means import both, centre, cesu
from tests.conftest import NOW
from tests.factories import GuardianFactory

__all__ = ["both", "centre", "cesu"]

D = Decimal
NBSP = "\N{NO-BREAK SPACE}"
TAKE = "/mairie/billing/payment/encaisser/"
BOOK = "/mairie/billing/payment/journal/"
CASH = {"means": "cash", "paid_on": "2026-11-09"}


def at(family):
    return f"{TAKE}{family.household.pk}/"


def text(answer):
    return answer.content.decode()


def test_one_page_finds_the_family_proposes_what_is_due_and_prints_the_receipt(books, both, till_client):
    for said in (books.guardian.last_name, books.household.number, both.number.lower()):
        assert till_client.get(TAKE, {"q": said})["Location"] == at(books), said
    page = text(till_client.get(at(books)))
    assert 'value="21,80"' in page and "Encaisser et imprimer" in page
    shown = text(till_client.post(at(books), CASH | {"amount": "21,80"}, follow=True))
    payment = Payment.objects.get()
    for word in (
        payment.number, f"21,80{NBSP}€", "Espèces", "Alix Guichet", both.number, str(books.guardian),
        f"Restauration scolaire 12,80{NBSP}€, Centre de loisirs 9,00{NBSP}€", "data-print-now",
    ):  # fmt: skip
        assert word in shown, word
    assert "Duplicata" not in shown


def test_a_name_that_several_bear_is_chosen_and_nobody_s_is_said(books, waits, till_client):
    GuardianFactory(household=waits.household, first_name="Ana", last_name=books.guardian.last_name)
    page = text(till_client.get(TAKE, {"q": books.guardian.last_name}))
    assert at(books) in page and at(waits) in page
    assert escape("Aucun foyer ni aucune facture") in text(till_client.get(TAKE, {"q": "Zzz"}))


def test_a_receipt_opened_later_or_with_a_forged_word_is_a_duplicate(books, both, till_client):
    original = till_client.post(at(books), CASH | {"amount": "21,80"})["Location"]
    plain = original.partition("?")[0]
    assert "Duplicata" in text(till_client.get(plain))
    assert "Duplicata" in text(till_client.get(f"{plain}?original=R2026-000001:x:y"))
    assert "Duplicata" not in text(till_client.get(original))
    assert till_client.get(plain.rstrip("/") + ".pdf").content.startswith(b"%PDF")
    with time_machine.travel(NOW + timedelta(minutes=20), tick=False):
        assert "Duplicata" in text(till_client.get(original))


def test_a_receipt_says_that_its_cheque_went_back(books, both, now):
    cheque = paying.record(books.household, D("21.80"), "cheque", paid_on=NOW.date(), by=None, at=now)
    back, _ = paying.take_back(cheque, D("21.80"), paid_on=NOW.date(), by=None, at=now)
    said = receipts.context(cheque, duplicate=True)
    assert said["given_back"] == [(back.number, "9 novembre 2026", f"21,80{NBSP}€")]
    assert said["free"] == ""


def test_a_small_town_sees_three_means_and_nothing_of_vouchers(books, both, till_client):
    form = till_client.get(at(books)).context["form"]
    assert [label for _, label in form.fields["means"].choices] == [
        "Espèces", "Chèque", "Carte bancaire au guichet",
    ]  # fmt: skip
    assert "keep_surplus" not in form.fields


def test_cesu_is_refused_on_the_page_with_what_it_may_pay_and_nothing_is_lost(books, both, cesu, till_client):
    said = {"means": "cesu", "paid_on": "2026-11-09", "amount": "21,80", "reference": "T 12 à 15"}
    page = text(till_client.post(at(books), said))
    assert escape(f"jusqu'à 9,00{NBSP}€") in page and "T 12 à 15" in page and not Payment.objects.exists()
    till_client.post(at(books), said | {"keep_surplus": "on"})
    assert paying.unused(Payment.objects.get()) == D("12.80")


def test_who_takes_money_does_not_give_it_back_hand_it_over_nor_close(
    books, till_client, regie_client, agent_client, now
):
    cheque = paying.record(books.household, D(5), "cheque", paid_on=NOW.date(), by=None, at=now)
    for page in ("depositslip_waiting", "payment_close", "paymentmeans_changelist", "payment_refund"):
        where = reverse(f"admin:billing_{page}", args=[cheque.pk] if page == "payment_refund" else [])
        assert till_client.get(where).status_code == 403, page
        assert regie_client.get(where).status_code == 200, page
    assert till_client.get(reverse("admin:billing_cashcount_count")).status_code == 200
    assert agent_client.get(TAKE).status_code == 403


def test_nobody_takes_their_own_household_s_money(books, both, regie, regie_client, till_client):
    GuardianFactory(household=books.household, user=regie)
    said = text(regie_client.post(at(books), CASH | {"amount": "5"}, follow=True))
    assert "un collègue décide à votre place" in said
    assert not Payment.objects.exists()


def test_the_page_warns_of_too_much_cash(books, both, till_client):
    BillingSettings(cash_maximum=D(20)).save()
    assert "autorisés" not in text(till_client.get(TAKE))
    till_client.post(at(books), CASH | {"amount": "21,80"})
    assert f"21,80{NBSP}€ d&#x27;espèces en caisse" in text(till_client.get(TAKE))


def test_the_till_is_counted_by_its_total_or_by_notes_and_coins(books, both, till_client):
    till_client.post(at(books), CASH | {"amount": "21,80"})
    count = reverse("admin:billing_cashcount_count")
    assert f"21,80{NBSP}€" in text(till_client.get(count))
    assert "Indiquez ce que contient" in text(till_client.post(count, {}))
    assert f"20,00{NBSP}€" in text(till_client.post(count, {"counted": "21,80", "piece_2000": "1"}))
    said = text(till_client.post(count, {"piece_2000": "1", "piece_100": "1", "piece_50": "1"}, follow=True))
    assert f"21,50{NBSP}€ comptés" in said and f"Il manque 0,30{NBSP}€." in said


def test_cheques_are_handed_over_printed_and_the_slip_is_cancelled(books, both, regie_client):
    cheque = {"means": "cheque", "paid_on": "2026-11-09", "amount": "21,80", "reference": "0042"}
    regie_client.post(at(books), cheque)
    waiting = text(regie_client.get(reverse("admin:billing_depositslip_waiting")))
    assert "Chèque" in waiting and f"21,80{NBSP}€" in waiting
    make = reverse("admin:billing_depositslip_make", args=["cheque"])
    assert "0042" in text(regie_client.get(make))
    made = regie_client.post(make, {"deposited_on": "2026-11-09", "payments": [Payment.objects.get().pk]})
    shown = text(regie_client.get(made["Location"]))
    assert "B2026-000001" in shown and str(books.guardian) in shown and "0042" in shown
    pk = made["Location"].split("/")[-3]
    assert regie_client.get(reverse("admin:billing_depositslip_pdf", args=[pk])).content.startswith(b"%PDF")
    cancel = reverse("admin:billing_depositslip_cancel", args=[pk])
    after = text(regie_client.post(cancel, {"reason": "Un chèque oublié"}, follow=True))
    assert "Annulé le 09/11/2026" in after and "Un chèque oublié" in after
    assert "Chèque" in text(regie_client.get(reverse("admin:billing_depositslip_waiting")))
    assert regie_client.get(reverse("admin:billing_depositslip_make", args=["card"])).status_code == 404


def test_the_book_of_any_dates_is_by_day_means_and_agent_and_a_file(books, both, till_client, agent, now):
    till_client.post(at(books), CASH | {"amount": "12,80"})
    paying.record(books.household, D(9), "cheque", paid_on=NOW.date(), by=agent, at=now, reference="0042")
    asked = {"du": "2026-11-09", "au": "2026-11-09"}
    page = text(till_client.get(BOOK, asked))
    for word in ("Alix Guichet", str(agent), f"12,80{NBSP}€", f"9,00{NBSP}€", f"21,80{NBSP}€"):
        assert word in page, word
    assert "Aucun règlement" in text(till_client.get(BOOK, {"du": "2026-11-01", "au": "2026-11-08"}))
    assert "avant le premier" in text(till_client.get(BOOK, {"du": "2026-11-08", "au": "2026-11-01"}))
    PaymentMeans.objects.create(code="cheque", label="Chèque", account="5112", deposit="slip")
    sheet = b"".join(till_client.get(BOOK, asked | {"format": "csv"}).streaming_content).decode()
    assert "0042" in sheet and "5112" in sheet
    assert till_client.get(BOOK, asked | {"format": "pdf"}).content.startswith(b"%PDF")


def test_the_book_costs_the_same_queries_however_much_was_taken(books, canteen, regie_client, regie, now):
    counts = []
    for number in (1, 1, 9):
        for _ in range(number):
            paying.record(books.household, D(1), "cash", paid_on=NOW.date(), by=regie, at=now)
        with CaptureQueriesContext(connection) as asked:
            regie_client.get(BOOK)
        counts.append(len(asked))
    assert counts[1] == counts[2]  # in a process that was asked before


def test_the_settings_page_offers_what_the_portal_brings_along(centre, regie_client):
    page = text(regie_client.get(reverse("admin:billing_paymentmeans_changelist")))
    assert "Utiliser « CESU »" in page and "Changer « Chèque »" in page
    add = reverse("admin:billing_paymentmeans_add")
    form = regie_client.get(add, {"code": "cesu"}).context["adminform"].form
    assert form.initial["limited"] and form.initial["deposit"] == "slip"
    said = {
        "code": "cesu", "label": "CESU", "order": "50", "active": "on", "at_desk": "on", "limited": "on",
        "deposit": "slip", "uses-TOTAL_FORMS": "1", "uses-INITIAL_FORMS": "0",
        "uses-0-activity": centre.activity.pk, "uses-0-formula": centre.pk, "uses-0-under_age": "6",
    }  # fmt: skip
    regie_client.post(add, said)
    assert str(PaymentMeans.objects.get().uses.get()) == "Centre de loisirs, Journée, moins de 6 ans"


def test_a_household_without_lines_is_taken_from_as_ever(books, till_client):
    """Nothing is due: the amount is typed, and stays for the next invoices."""
    shown = text(till_client.post(at(books), CASH | {"amount": "9,60"}, follow=True))
    assert f"9,60{NBSP}€ restent pour les prochaines factures" in shown
