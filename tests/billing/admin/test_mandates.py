"""Mandates at the desk: accounts told by their end, found by their number, and refused while illegible."""

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.models import BillingSettings, DebitFile, Mandate
from billing.payments import sepa
from portal.database.encrypted import KEPT_AS_IT_IS
from tests.conftest import NOW
from tests.portal.database.test_encrypted import IBAN, NEW, OTHER_IBAN, kept

LIST = "/mairie/billing/mandate/"


@pytest.fixture
def mandate(books):
    return Mandate.objects.create(
        household=books.household, rum="R-1", debtor="Camille Roux", iban=IBAN, signed_on=date(2026, 9, 1)
    )


def form(household, **changed):
    return {
        "household": household.pk, "rum": "R-2", "debtor": "Dominique Petit", "iban": IBAN, "bic": "",
        "signed_on": "2026-09-01", "revoked_on": "",
    } | changed  # fmt: skip


def said(page):
    return page.content.decode().replace("&#x27;", "'")


def test_the_list_tells_an_account_by_its_end(mandate, regie_client):
    page = said(regie_client.get(LIST))
    assert "…2606" in page
    assert IBAN[:12] not in page and "FR14 2004" not in page


def test_the_same_account_for_two_homes_is_told_and_not_refused(mandate, waits, regie_client):
    page = said(regie_client.post(f"{LIST}add/", form(waits.household), follow=True))
    assert "Un autre foyer a le même IBAN : Mandat R-1. Est-ce voulu ?" in page
    added = Mandate.objects.get(rum="R-2")
    assert added.iban_fingerprint == mandate.iban_fingerprint
    again = said(
        regie_client.post(f"{LIST}{added.pk}/change/", form(waits.household, debtor="D. Petit"), follow=True)
    )
    assert "le même IBAN" not in again, "once is enough"


def test_an_account_of_ones_own_is_not_told(mandate, waits, regie_client):
    page = said(regie_client.post(f"{LIST}add/", form(waits.household, iban=OTHER_IBAN), follow=True))
    assert "le même IBAN" not in page


def test_the_history_tells_that_an_account_changed(mandate, regie_client):
    mandate.iban = OTHER_IBAN
    mandate.save()
    page = said(regie_client.get(f"{LIST}{mandate.pk}/history/"))
    assert "…2606 → …0189" in page
    assert IBAN not in page and OTHER_IBAN not in page


# A key that is missing ------------------------------------------------------------------------------------


def test_an_illegible_account_is_called_so_and_kept(mandate, books, regie_client, settings):
    before = kept(mandate)
    settings.FIELD_KEYS = [NEW]
    where = f"{LIST}{mandate.pk}/change/"
    assert 'value="illisible"' in said(regie_client.get(where))
    assert "…2606" in said(regie_client.get(LIST))
    sent = form(books.household, rum="R-1", iban=OTHER_IBAN)
    assert KEPT_AS_IT_IS in said(regie_client.post(where, sent))
    assert regie_client.post(where, sent | {"iban": "illisible", "debtor": "C. Roux"}).status_code == 302
    assert kept(mandate) == before
    assert Mandate.objects.get().debtor == "C. Roux"


def test_nothing_is_debited_from_an_illegible_account(mandate, owes, settings):
    BillingSettings(iban=OTHER_IBAN, bic="AGRIFRPP", creditor_identifier="FR12ZZZ123456").save()
    settings.FIELD_KEYS = [NEW]
    with pytest.raises(sepa.DebitRefused, match="L'IBAN du mandat R-1 est illisible"):
        sepa.make(
            date(2026, 11, 1), collected_on=timezone.localdate(NOW) + timedelta(days=30), by=None, at=NOW
        )
    assert not DebitFile.objects.exists()


def test_an_illegible_file_is_not_handed_over(db, regie_client, settings):
    file = DebitFile.objects.create(
        message="1", collected_on=date(2026, 12, 1), content="<xml/>", made_at=NOW
    )
    where = reverse("admin:billing_debit_download", args=[file.pk])
    assert regie_client.get(where).getvalue() == b"<xml/>"
    settings.FIELD_KEYS = [NEW]
    page = regie_client.get(where, follow=True)
    assert "Ce fichier est illisible pour l'instant" in said(page)
