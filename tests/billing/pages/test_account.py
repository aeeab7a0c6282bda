"""« Mon compte »: a family reads what it owes and why, and takes it along; nobody reads another's."""

import io
from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from pypdf import PdfReader

from billing.documents import accounts
from billing.invoices.billable import Scope
from billing.models import AccountEntry, Invoice, Payment
from billing.payments import closing, paying
from tests.billing.conftest import FIRST_OF_DECEMBER, bill, eats
from tests.conftest import logged_in
from tests.factories import HouseholdFactory, paris
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
    assert "9,60 € <small>dus à la famille</small>" in said[0]
    assert f'href="/mairie/billing/payment/comptes/{too_much.household.pk}/"' in said[0]
    assert "12,80 € <small>à payer</small>" in said[1]
    assert '<p class="home-amount">À jour</p>' in said[2]
    assert "home-amount" not in text(regie_client.get("/mairie/families/household/add/"))


def test_the_household_s_page_says_nothing_of_money_without_the_right_to_see_payments(agent, owes):
    agent.groups.clear()
    agent.user_permissions.add(Permission.objects.get(codename="view_household"))
    page = logged_in(agent).get(household_page(owes.household))
    assert page.status_code == 200
    assert "12,80" not in text(page) and "home-amount" not in text(page)


def test_the_household_s_page_is_saved_with_its_line_of_money(agent, owes):
    agent.user_permissions.add(Permission.objects.get(codename="view_payment"))
    client = logged_in(agent)
    fields = guardian_fields(owes.household, street="9 rue Neuve")
    answer = client.post(household_page(owes.household), fields)
    assert answer.status_code == 302, text(answer)
    owes.household.refresh_from_db()
    assert owes.household.street == "9 rue Neuve"


# Of some days ----------------------------------------------------------------------------------------------

DECEMBER_ALONE = {"du": "2026-12-01", "au": "2026-12-31"}


def csv_of(client, **days):
    written = b"".join(client.get(f"{ACCOUNT}releve.csv", days)).decode("utf-8-sig").splitlines()
    return [line.split(";") for line in written[1:]]


@pytest.mark.parametrize(
    ("days", "rows"),
    [
        (
            DECEMBER_ALONE,
            [
                ("Solde au début", "", "12,80"),
                ("Règlement", "-22,40", "-9,60"),
                ("Solde à la fin", "", "-9,60"),
            ],
        ),
        ({"au": "2026-11-30"}, [("Facture", "12,80", "12,80"), ("Solde à la fin", "", "12,80")]),
        ({"du": "2027-01-01"}, [("Solde au début", "", "-9,60")]),
        ({}, [("Facture", "12,80", "12,80"), ("Règlement", "-22,40", "-9,60")]),
    ],
    ids=["a month", "up to a day", "a year without movement", "all of it"],
)
def test_a_statement_of_some_days_goes_from_one_balance_to_the_other(too_much, days, rows):
    """By the days of the books: the cheque of 28 November was entered once November was closed."""
    assert [(one[2], one[4], one[5]) for one in csv_of(too_much.client(), **days)] == rows


def test_the_page_shows_these_days_and_their_files(too_much):
    client = too_much.client()
    page = text(client.get(ACCOUNT, DECEMBER_ALONE))
    assert "Solde avant le mardi 1er décembre</dt><dd>12,80 €" in page.replace("décembre 2026", "décembre")
    assert "−9,60 €" in page and "F2026-000001" not in page
    assert f'href="{ACCOUNT}releve.pdf?du=2026-12-01&amp;au=2026-12-31"' in page
    assert f'href="{ACCOUNT}?du=2026-01-01&amp;au=2026-12-31"' in page, "a whole year is one click"
    assert "La mairie vous doit 9,60 €." in page, "today's balance stays above"
    paper = client.get(f"{ACCOUNT}releve.pdf", DECEMBER_ALONE).content
    said = " ".join(PdfReader(io.BytesIO(paper)).pages[0].extract_text().split())
    assert "du 1er décembre 2026 au 31 décembre 2026" in said
    assert "Solde avant le 1er décembre 2026 12,80 €" in said and "−9,60 €" in said


@pytest.mark.parametrize(
    "days", [{"du": "2026-12-31", "au": "2026-12-01"}, {"du": "hier"}, {"au": "9999-01-01"}]
)
def test_days_that_make_no_sense_are_said_and_nothing_breaks(too_much, days):
    page = too_much.client().get(ACCOUNT, days)
    assert page.status_code == 200 and "à corriger" in text(page)
    assert "F2026-000001" in text(page)
    assert len(csv_of(too_much.client(), **days)) == 2


def test_the_desk_has_the_same_files_and_leads_to_each_document(too_much, regie_client):
    where = f"/mairie/billing/payment/comptes/{too_much.household.pk}/"
    page = text(regie_client.get(where, DECEMBER_ALONE))
    assert "Solde avant le 01/12/2026 : 12,80 €." in page
    payment, invoice = Payment.objects.get(), Invoice.objects.get(household=too_much.household)
    assert reverse("admin:billing_payment_change", args=[payment.pk]) in page
    assert reverse("admin:billing_invoice_change", args=[invoice.pk]) in text(regie_client.get(where))
    answer = regie_client.get(where, DECEMBER_ALONE | {"format": "csv"})
    assert len(b"".join(answer).splitlines()) == 4
    assert regie_client.get(where, DECEMBER_ALONE | {"format": "pdf"}).content.startswith(b"%PDF")
    assert "finit avant son début" in text(regie_client.get(where, {"du": "2026-12-31", "au": "2026-12-01"}))


# A month that makes no invoice -----------------------------------------------------------------------------


def test_the_statement_of_a_month_without_an_invoice_has_its_page_and_paper(reported, stranger, settings):
    document = Invoice.every.waiting().get()
    client = reported.client()
    where = reverse("billing:carried", args=[document.pk])
    assert f'href="{where}"' in text(client.get(ACCOUNT))
    page = text(client.get(where))
    assert "La mairie vous doit 9,60 € : cette somme viendra en déduction de la prochaine facture." in page
    assert "annulé après la facture F2026-000001" in page and "−12,80 €" in page
    paper = client.get(f"{where}pdf/").content
    said = " ".join(PdfReader(io.BytesIO(paper)).pages[0].extract_text().split())
    assert "Relevé reporté n° REPORT2026-000001" in said.replace("\xa0", " ")
    assert "Total reporté −9,60 €" in said.replace("\xa0", " ") and "Talon" not in said
    for address in (where, f"{where}pdf/"):
        assert stranger.client().get(address).status_code == 404
    assert client.get(reverse("billing:carried", args=[Invoice.objects.get().pk])).status_code == 404


def test_once_taken_over_it_leads_to_its_invoice(reported):
    eats(reported, [date(2027, 1, day) for day in (5, 7, 8, 11)])
    bill(Scope(date(2027, 1, 1)), paris(2027, 1, 31, 18))
    document = Invoice.every.get(kind="carried")
    page = text(reported.client().get(reverse("billing:carried", args=[document.pk])))
    assert "Repris sur la facture n° F2027-000001." in page
    assert reverse("billing:invoice", args=[Invoice.objects.get(number="F2027-000001").pk]) in page


def test_the_desk_reads_it_too(reported, regie_client, agent_client):
    document = Invoice.every.waiting().get()
    where = f"/mairie/billing/payment/comptes/report/{document.pk}/"
    assert where in text(regie_client.get(f"/mairie/billing/payment/comptes/{reported.household.pk}/"))
    assert "La mairie doit 9,60 € à la famille" in text(regie_client.get(where))
    assert regie_client.get(where, {"format": "pdf"}).content.startswith(b"%PDF")
    assert agent_client.get(where).status_code == 403


@pytest.mark.parametrize("rows", [1, 10])
def test_the_desk_s_page_costs_the_same_with_one_movement_and_with_ten(
    owes, rows, regie_client, django_assert_max_num_queries
):
    for _ in range(rows - 1):
        paying.record(owes.household, D(1), "cash", paid_on=date(2026, 12, 1), by=None, at=FIRST_OF_DECEMBER)
    where = f"/mairie/billing/payment/comptes/{owes.household.pk}/"
    with django_assert_max_num_queries(12):
        assert regie_client.get(where).status_code == 200
