"""IBAN, BIC, ICS and SIRET: taken with their spaces, kept without, refused at the first slip."""

from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as some

from billing.invoices import invoicing
from billing.models import BillingSettings, Debit, DebitFile, Mandate
from billing.payments import paying
from portal.french.official_numbers import (
    check_bic,
    check_creditor,
    check_iban,
    check_siret,
    compact,
    grouped,
)
from portal.reservations.towns import fields, town_file
from tests.billing.payments.paying_online import AT
from tests.factories import HouseholdFactory, InvoiceFactory

NBSP, NARROW = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"
# Public examples of the standards.
IBAN, GROUPED = "FR1420041010050500013M02606", "FR14 2004 1010 0505 0001 3M02 606"
CREDITOR = "FR72ZZZ123456"
SIRET = "73282932000074"
POSTE = "35600000049837"  # an office of La Poste, whose key is reckoned otherwise
SETTINGS = "/mairie/billing/billingsettings/1/change/"


def refusal(check, number: str) -> str:
    """The sentence that refuses a number; empty when it is right."""
    try:
        check(number)
    except ValidationError as refused:
        return refused.messages[0]
    return ""


# Read as they are typed -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "typed", "kept"),
    [
        (check_iban, GROUPED, IBAN),
        (check_iban, GROUPED.replace(" ", NBSP).lower(), IBAN),
        (check_iban, f"IBAN : {GROUPED.replace(' ', NARROW)}", IBAN),
        (check_iban, GROUPED.replace(" ", "-"), IBAN),
        (check_iban, "BE68 5390 0754 7034", "BE68539007547034"),
        (check_bic, "agri fr pp 882", "AGRIFRPP882"),
        (check_bic, "BIC: AGRIFRPP", "AGRIFRPP"),
        (check_bic, "BICIGALX", "BICIGALX"),
        (check_creditor, "fr72 zzz 123456", CREDITOR),
        (check_creditor, "ICS FR72ZZZ123456", CREDITOR),
        (check_creditor, "DE98ZZZ09999999999", "DE98ZZZ09999999999"),
        (check_siret, f"732{NBSP}829{NBSP}320{NBSP}00074", SIRET),
        (check_siret, "SIRET : 732.829.320.00074", SIRET),
        (check_siret, POSTE, POSTE),
    ],
)
def test_spaces_capitals_and_labels_do_not_matter(check, typed, kept):
    check(typed)
    assert compact(typed) == kept


@pytest.mark.parametrize(
    ("check", "number", "said"),
    [
        (check_iban, "FR00 0000 0000 0000 0000 0000 000", "erreur de frappe"),
        (check_iban, "FR14 2004 1010 0505 0001 3M02 607", "erreur de frappe"),
        (check_iban, "FR00 0000", "pas la bonne forme"),
        (check_iban, IBAN[:-1], "pas la bonne forme"),
        (check_iban, "XX14 2004 1010 0505 0001 3M02 606", "pas la bonne forme"),
        (check_iban, "à venir", "pas la bonne forme"),
        (check_bic, "AGRIFRP", "huit ou onze"),
        (check_bic, "AGRIFRPPX", "huit ou onze"),
        (check_bic, "AGRIXXPP", "pas la bonne forme"),
        (check_bic, "12345678", "pas la bonne forme"),
        (check_creditor, "FR12ZZZ123456", "erreur de frappe"),
        (check_creditor, "FR72ZZZ12345", "par exemple FR72ZZZ123456"),
        (check_creditor, "FR72", "par exemple FR72ZZZ123456"),
        (check_creditor, "à demander", "par exemple FR72ZZZ123456"),
        (check_siret, "73282932000079", "erreur de frappe"),
        (check_siret, "7328293200007", "quatorze chiffres"),
        (check_siret, "à venir", "quatorze chiffres"),
    ],
)
def test_what_is_wrong_is_said(check, number, said):
    assert said in refusal(check, number)


@pytest.mark.parametrize(
    ("check", "number"), [(check_iban, IBAN), (check_siret, SIRET), (check_creditor, CREDITOR)]
)
@given(some.data())
def test_one_wrong_digit_never_passes(check, number, data):
    places = [place for place, sign in enumerate(number) if sign.isdigit()]
    place = data.draw(some.sampled_from(places))
    other = data.draw(some.sampled_from([digit for digit in "0123456789" if digit != number[place]]))
    assert refusal(check, number[:place] + other + number[place + 1 :])


@given(some.text())
def test_whatever_is_typed_has_an_answer_in_words(text):
    for check in (check_iban, check_bic, check_creditor, check_siret):
        assert refusal(check, text).endswith(".") or check(compact(text)) is None


def test_an_iban_is_shown_in_groups_of_four():
    assert grouped(IBAN) == grouped(GROUPED) == GROUPED


# The town's own -------------------------------------------------------------------------------------------


def typed_settings(**changed: str) -> dict[str, str]:
    """The page of the settings as the browser posts it."""
    said = {
        "siblings": "all", "series": "F", "payment_days": "30", "minimum_amount": "0", "reminder_days": "15",
        "cash_float": "0",
        "collection": "regie", "iban": GROUPED, "bic": "agri fr pp", "siret": "732 829 320 00074",
        "creditor_identifier": "FR72 ZZZ 123456",
        "arrears_reminders": "2", "arrears_days": "15", "arrears_amount": "15",
        "instalments_most": "1", "instalments_from": "0",
        "residence_late": "date", "school_late": "date", "siblings_late": "date", "quotient_late": "told",
    }  # fmt: skip
    return said | changed


def test_the_town_s_numbers_are_kept_without_spaces_and_its_iban_shown_in_groups(regie_client):
    BillingSettings().save()
    regie_client.post(SETTINGS, typed_settings())
    kept = BillingSettings.current()
    assert (kept.iban, kept.bic, kept.siret, kept.creditor_identifier) == (IBAN, "AGRIFRPP", SIRET, CREDITOR)
    assert f'value="{GROUPED}"' in regie_client.get(SETTINGS).content.decode()


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("iban", "FR00 0000 0000 0000 0000 0000 000", "erreur de frappe"),
        ("bic", "AGRI FR", "huit ou onze"),
        ("siret", "732 829 320 00075", "erreur de frappe"),
        ("creditor_identifier", "FR12 ZZZ 123456", "erreur de frappe"),
    ],
)
def test_a_slip_in_the_town_s_own_is_said_and_nothing_typed_is_lost(regie_client, name, typed, said):
    BillingSettings().save()
    page = regie_client.post(SETTINGS, typed_settings(**{name: typed})).content.decode()
    assert said in page and f'value="{typed}"' in page and 'value="FR' in page
    assert BillingSettings.current().iban == ""


def test_whoever_writes_it_the_database_keeps_one_form(db):
    BillingSettings(iban=GROUPED.lower(), siret="732 829 320 00074").save()
    BillingSettings.objects.update(bic="agri fr pp")
    kept = BillingSettings.current()
    assert (kept.iban, kept.siret, kept.bic) == (IBAN, SIRET, "AGRIFRPP")
    assert BillingSettings.objects.filter(iban=GROUPED).exists()


def test_a_town_s_file_is_held_to_the_same(db):
    text = f"facturation: {{iban: {GROUPED}, siret: 732 829 320 00074, identifiant_créancier: {CREDITOR}}}\n"
    town_file.load(text)
    again = town_file.load(text.replace(GROUPED, IBAN).replace("732 829 320 00074", SIRET))
    assert not again.changed and len(again.unchanged) == 1
    assert f"iban: {GROUPED}\n" in town_file.export()
    with pytest.raises(fields.TownFileError) as refused:
        town_file.load(text.replace("606", "607").replace("00074", "00079"))
    assert [(problem.line, problem.where) for problem in refused.value.problems] == [
        (1, "facturation › iban"), (1, "facturation › siret"),
    ]  # fmt: skip


def test_an_invoice_says_the_iban_in_groups(town):
    issuer = invoicing.issuer_of(BillingSettings(iban=IBAN, bic="AGRIFRPP", siret=SIRET))
    assert (issuer["iban"], issuer["bic"], issuer["siret"]) == (GROUPED, "AGRIFRPP", SIRET)
    assert invoicing.issuer_of(BillingSettings())["iban"] == ""


# Families' mandates ---------------------------------------------------------------------------------------


def test_a_mandate_that_was_debited_shows_its_iban_in_groups_and_keeps_it(regie_client, town):
    household = HouseholdFactory()
    mandate = Mandate.objects.create(
        household=household, rum="V-1", debtor="Camille Roux", iban=GROUPED, signed_on=date(2026, 9, 1)
    )
    page = f"/mairie/billing/mandate/{mandate.pk}/change/"
    assert f'value="{GROUPED}"' in regie_client.get(page).content.decode()
    file = DebitFile.objects.create(message="1", collected_on=date(2026, 12, 10), content="", made_at=AT)
    payment = paying.record(household, Decimal(5), "debit", paid_on=AT.date(), by=None, at=AT)
    invoice = InvoiceFactory(household=household)
    Debit.objects.create(file=file, mandate=mandate, invoice=invoice, payment=payment)
    shown = regie_client.get(page).content.decode()
    assert GROUPED in shown and 'name="iban"' not in shown
    regie_client.post(page, {"debtor": "Camille Petit", "bic": "agrifrpp", "iban": "FR00", "revoked_on": ""})
    mandate.refresh_from_db()
    assert (mandate.debtor, mandate.bic, mandate.iban) == ("Camille Petit", "AGRIFRPP", IBAN)
