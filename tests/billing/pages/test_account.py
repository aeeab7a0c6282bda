"""« Mon compte »: a family reads what it owes and why, and takes it along; nobody reads another's."""

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from billing.documents import accounts
from billing.models import AccountEntry, Invoice
from billing.payments import closing, paying
from tests.billing.conftest import FIRST_OF_DECEMBER
from tests.conftest import logged_in
from tests.factories import HouseholdFactory
from tests.families.test_admin import guardian_fields

D = Decimal
ACCOUNT = "/factures/mon-compte/"


def text(answer):
    return " ".join(answer.content.decode().replace("\xa0", " ").replace("\u202f", " ").split())


@pytest.fixture
def too_much(owes):
    """22.40 paid for 12.80, on 28 November, and noted once the books of November were closed."""
    closing.close(date(2026, 11, 30), by=None, at=FIRST_OF_DECEMBER)
    paying.record(
        owes.household, D("22.40"), "cheque", paid_on=date(2026, 11, 28), by=None, at=FIRST_OF_DECEMBER
    )
    return owes


def test_a_family_reads_what_the_town_hall_owes_it_and_why(too_much):
    page = too_much.client().get(ACCOUNT)
    said = text(page)
    assert "La mairie vous doit 9,60 €." in said
    assert "Règlement n°&nbsp;R2026-000001" in said and "−22,40 €" in said and "(valeur : " in said
    invoice = Invoice.objects.get(household=too_much.household)
    assert f'href="{reverse("billing:invoice", args=[invoice.pk])}"' in said


def test_a_family_that_owes_and_one_that_is_even(owes, stranger):
    assert "Vous devez 12,80 € à la mairie." in text(owes.client().get(ACCOUNT))
    even = text(stranger.client().get(ACCOUNT))
    assert "Votre compte est à jour." in even and "F2026" not in even


def test_what_is_due_can_be_paid_from_there_and_the_first_page_leads_to_it(owes, stranger):
    assert 'href="/factures/regler/"' in text(owes.client().get(ACCOUNT))
    assert 'href="/factures/regler/"' not in text(stranger.client().get(ACCOUNT))
    assert f'href="{ACCOUNT}"' in text(owes.client().get("/"))


def test_the_statement_as_a_file(too_much):
    written = b"".join(too_much.client().get(f"{ACCOUNT}releve.csv")).decode("utf-8-sig").splitlines()
    assert written[0] == "Date;Date de valeur;Mouvement;Pièce;Montant;Solde"
    assert written[-1].split(";")[2:] == ["Règlement", "R2026-000001", "-22,40", "-9,60"]
    paper = too_much.client().get(f"{ACCOUNT}releve.pdf")
    assert paper.content.startswith(b"%PDF")


@pytest.mark.parametrize("rows", [1, 10])
def test_the_page_costs_the_same_with_one_movement_and_with_ten(owes, rows, django_assert_max_num_queries):
    for _ in range(rows - 1):
        paying.record(owes.household, D(1), "cash", paid_on=date(2026, 12, 1), by=None, at=FIRST_OF_DECEMBER)
    assert AccountEntry.objects.filter(household=owes.household).count() == rows
    client = owes.client()
    with django_assert_max_num_queries(12):
        assert client.get(ACCOUNT).status_code == 200


def test_the_desk_reads_who_owes_who_is_owed_and_since_when(too_much, waits, regie_client):
    page = "/mairie/billing/payment/comptes/"
    everybody = text(regie_client.get(page))
    assert "9,60 €" in everybody and "12,80 €" in everybody
    owed = regie_client.get(page, {"soldes": "owed"})
    assert text(owed).count('<th scope="row">') == 1
    # Paid on 1 December, as the books have it.
    assert "01/12/2026" in text(owed)
    assert "30/11/2026" in text(regie_client.get(page, {"soldes": "owes"}))
    one = text(regie_client.get(f"{page}{too_much.household.pk}/"))
    assert "La mairie doit 9,60 € à la famille." in one
    assert regie_client.get(f"{page}999999/").status_code == 404


def test_the_desk_takes_the_list_as_a_file(too_much, regie_client):
    answer = regie_client.get("/mairie/billing/payment/comptes/", {"format": "csv", "soldes": "owed"})
    written = b"".join(answer).decode("utf-8-sig").splitlines()
    assert written == ["Foyer;Solde;Depuis le", f"{too_much.household.number};-9,60;01/12/2026"]


def test_nobody_reads_the_desk_s_accounts_without_the_right_to_see_payments(agent, owes):
    agent.groups.clear()
    agent.user_permissions.add(Permission.objects.get(codename="view_household"))
    client = logged_in(agent)
    assert client.get("/mairie/billing/payment/comptes/").status_code in (302, 403)
    assert client.get(f"/mairie/billing/payment/comptes/{owes.household.pk}/").status_code in (302, 403)


def test_since_when_forgets_what_was_settled_in_between(too_much):
    paying.record(too_much.household, D(5), "cash", paid_on=date(2026, 12, 1), by=None, at=FIRST_OF_DECEMBER)
    (one,) = accounts.since([(too_much.household.pk, None, D("-14.60"))])
    assert one.since == date(2026, 12, 1)


def test_cents_that_even_out_leave_an_account_that_is_settled(db):
    """0.10 and 0.20, less 0.30: no database's way of adding leaves a family that owes « 0,00 € »."""
    home = HouseholdFactory()
    for number, amount in enumerate(("0.10", "0.20", "-0.30")):
        AccountEntry.objects.create(
            household=home,
            kind="transfer",
            amount=D(amount),
            value_on=date(2026, 11, 28),
            booked_on=date(2026, 11, 28),
            document=f"T{number}",
        )
    assert [list(accounts.unsettled(which)) for which in ("", "owes", "owed")] == [[], [], []]


def test_a_payment_that_went_after_its_ten_years_leads_nowhere(owes):
    entry = AccountEntry(
        household=owes.household,
        kind="payment",
        amount=D("-5"),
        value_on=date(2016, 1, 4),
        booked_on=date(2016, 1, 4),
        document="R2016-000001",
    )
    (shown,) = accounts.with_documents([accounts.Movement(entry=entry, after=D(0))])
    assert shown.url == ""


def household_page(household):
    return f"/mairie/families/household/{household.pk}/change/"


def test_the_household_s_page_at_the_desk_says_its_balance_and_leads_to_its_account(
    too_much, waits, stranger, regie_client
):
    said = [text(regie_client.get(household_page(one.household))) for one in (too_much, waits, stranger)]
    assert "La mairie doit 9,60 € à la famille." in said[0]
    assert f'href="/mairie/billing/payment/comptes/{too_much.household.pk}/"' in said[0]
    assert "La famille doit 12,80 € à la mairie." in said[1]
    assert "Le compte est à jour." in said[2]
    assert "Voir son compte" not in text(regie_client.get("/mairie/families/household/add/"))


def test_the_household_s_page_says_nothing_of_money_without_the_right_to_see_payments(agent, owes):
    agent.groups.clear()
    agent.user_permissions.add(Permission.objects.get(codename="view_household"))
    page = logged_in(agent).get(household_page(owes.household))
    assert page.status_code == 200
    assert "12,80" not in text(page) and "Voir son compte" not in text(page)


def test_the_household_s_page_is_saved_with_its_line_of_money(agent, owes):
    agent.user_permissions.add(Permission.objects.get(codename="view_payment"))
    client = logged_in(agent)
    fields = guardian_fields(owes.household, street="9 rue Neuve")
    answer = client.post(household_page(owes.household), fields)
    assert answer.status_code == 302, text(answer)
    owes.household.refresh_from_db()
    assert owes.household.street == "9 rue Neuve"
