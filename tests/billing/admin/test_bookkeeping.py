"""« Comptabilité »: files between two days, receipts by code, and « Soldes repris »."""

import importlib
import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.admin.bookkeeping import EXPORTS
from billing.documents.coded import Span
from billing.invoices import invoicing
from billing.invoices.creditable import Wanted
from billing.models import BudgetCode, DebitFile, Invoice, JournalAccounts, OpeningBalance, Regie
from billing.payments import paying
from families import groups
from portal.reservations.towns import town_file
from tests.billing.conftest import FIRST_OF_DECEMBER
from tests.conftest import logged_in
from tests.factories import UserFactory

TAGS = re.compile(r"<[^>]*>")
PAGE = "/mairie/billing/payment/comptabilite/"
DAYS = {"du": "2026-11-01", "au": "2026-12-31"}


def text_of(answer):
    said = TAGS.sub(" ", answer.content.decode()).replace("\xa0", " ").replace("\u202f", " ")
    return " ".join(said.split())


@pytest.fixture
def lived(owes, waits):
    """A payment, a credit note and a debit."""
    at = FIRST_OF_DECEMBER
    paying.record(owes.household, Decimal("12.80"), "cheque", paid_on=at.date(), by=None, at=at)
    theirs = Invoice.objects.get(household=waits.household)
    invoicing.credit(theirs, Wanted(amount=Decimal("3.20")), reason="Repas froid", by=None, at=at)
    file = DebitFile.objects.create(message="M1", collected_on=date(2026, 12, 9), content="<x/>", made_at=at)
    mandate = waits.household.mandates.create(
        rum="R1", debtor="Camille Petit", iban="FR7630006000011234567890189", signed_on=at.date()
    )
    waiting = paying.record(
        waits.household, Decimal("9.60"), "debit", paid_on=date(2026, 12, 9), by=None, at=at, state="pending"
    )
    file.debits.create(mandate=mandate, invoice=theirs, payment=waiting)
    return owes


def taken(client, what, kind="csv", **days):
    answer = client.get(PAGE, DAYS | days | {"quoi": what, "format": kind})
    return b"".join(answer.streaming_content)


def rows(client, what, **days):
    lines = taken(client, what, **days).decode("utf-8-sig").splitlines()
    return [line.split(";") for line in lines[1:]]


def test_each_file_has_what_happened_between_the_days(lived, waits, regie_client):
    home, other = lived.household.number, waits.household.number
    assert rows(regie_client, "affectations") == [
        ["R2026-000001", "01/12/2026", "01/12/2026", "Chèque", home, "F2026-000001", "novembre 2026", "12,80"]
    ]
    assert rows(regie_client, "avoirs") == [
        ["A2026-000001", "01/12/2026", "F2026-000002", other, "3,20", "Repas froid", ""]
    ]
    (debit,) = rows(regie_client, "prelevements")
    assert debit[:6] == ["M1", "09/12/2026", "F2026-000002", other, "R1", "9,60"]
    assert [row[0] for row in rows(regie_client, "encaissements")] == ["R2026-000001"]
    journal = rows(regie_client, "journal")
    assert journal[0] == ["30/11/2026", "F2026-000001", "4111", f"Facture – foyer {home}", "12,80", ""]
    assert journal[-1] == ["", "", "", "Total", "41,60", "41,60"]


@pytest.mark.parametrize("what", sorted(EXPORTS))
def test_a_file_of_other_days_is_empty_and_every_file_is_written_down(lived, regie_client, lines, what):
    assert all(row[-1] in ("", "0,00") for row in rows(regie_client, what, du="2027-01-01", au="2027-01-31"))
    assert taken(regie_client, what, "xlsx").startswith(b"PK")
    assert lines()[-1][0] == "export"
    assert lines() == []


def test_without_codes_the_page_says_nothing_of_them_but_where_to_give_some(lived, regie_client):
    said = text_of(regie_client.get(PAGE))
    assert "Encaissements par code" not in said
    assert "Codes des activités et des formules" in said
    # The desk's first page has the one link.
    first = text_of(regie_client.get("/mairie/"))
    assert "Comptabilité" in first
    assert "odes budgétaires" not in first


def test_receipts_by_code_on_the_page_and_as_a_file(lived, canteen, regie_client):
    BudgetCode.objects.create(activity=canteen.activity, analytic="CANT")
    said = text_of(regie_client.get(PAGE, DAYS))
    assert "CANT 7067 12,80 €" in said
    assert rows(regie_client, "codes") == [["CANT", "7067", "12,80"], ["Total", "", "12,80"]]


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ({"du": "2026-12-31", "au": "2026-12-01"}, "Ce jour vient avant le premier."),
        ({"du": "demain"}, "Saisissez une date valide."),
        ({"au": "9999-12-31"}, "Choisissez un jour entre 2000 et 2200."),
    ],
)
def test_days_that_cannot_be_are_said_and_stay_typed(lived, regie_client, days, said):
    answer = regie_client.get(PAGE, DAYS | days | {"quoi": "journal", "format": "csv"})
    assert said in text_of(answer)
    for typed in days.values():
        assert typed in answer.content.decode()


def test_agents_do_not_see_it(agent_client, now):
    assert agent_client.get(PAGE).status_code == 403


# Codes and accounts ---------------------------------------------------------------------------------------


def test_a_code_is_of_an_activity_or_of_a_formula_and_says_something(canteen):
    both = BudgetCode(activity=canteen.activity, formula=canteen.formula, analytic="X")
    for row, said in ((both, "l’une des deux"), (BudgetCode(activity=canteen.activity), "Indiquez un code")):
        with pytest.raises(ValidationError, match=said.replace("’", "'")):
            row.full_clean()
        with pytest.raises(IntegrityError), transaction.atomic():
            row.save()
    with pytest.raises(ValidationError, match="Un compte s'écrit en chiffres"):
        BudgetCode(activity=canteen.activity, account="70 67").full_clean()


def test_the_accountant_gives_codes_and_accounts(canteen, regie_client):
    add = reverse("admin:billing_budgetcode_add")
    said = {"activity": canteen.activity.pk, "formula": "", "analytic": "CANT", "account": "70671"}
    assert regie_client.post(add, said).status_code == 302
    assert BudgetCode.objects.get().account == "70671"
    page = regie_client.get(reverse("admin:billing_journalaccounts_changelist"))
    accounts = {name: getattr(JournalAccounts(), name) for name in
                ("debtors", "revenue", "earlier_years", "written_off", "waiting", "cash", "cheques",
                 "cards", "vouchers", "bank")}  # fmt: skip
    assert regie_client.post(page.url, accounts | {"cash": "531"}).status_code == 302
    assert JournalAccounts.current().cash == "531"


def test_the_towns_file_carries_both(canteen):
    activity, formula = canteen.activity.code, f"{canteen.activity.code}/{canteen.formula.code}"
    text = (
        "codes_budgétaires:\n"
        f"  - {{activité: {activity}, analytique: CANT}}\n"
        f"  - {{formule: {formula}, compte: '70671'}}\n"
        "comptes_du_journal: {espèces: '531'}\n"
    )
    town_file.load(text)
    said = {(one.activity, one.formula, one.analytic, one.account) for one in BudgetCode.objects.all()}
    assert said == {(canteen.activity, None, "CANT", ""), (None, canteen.formula, "", "70671")}
    assert JournalAccounts.current().cash == "531"
    assert not town_file.load(text).changed
    assert "espèces: 531" in town_file.export().replace("'", "")


# What was taken over --------------------------------------------------------------------------------------


def test_where_accounts_stood_is_listed_where_there_is_any(lived, waits, regie_client):
    accounts, page = (reverse(f"admin:billing_payment_{name}") for name in ("accounts", "opening_balances"))
    assert "Soldes repris" not in text_of(regie_client.get(accounts))
    editor = type("Editor", (), {"connection": connection})
    importlib.import_module("billing.migrations.0019_seals_of_before").open_accounts(apps, editor)
    # The family that books is at zero: nothing of it was taken over.
    assert [(one.household, one.amount) for one in OpeningBalance.objects.all()] == [
        (waits.household, Decimal("9.60"))
    ]
    paying.record(
        waits.household,
        Decimal(4),
        "cash",
        paid_on=FIRST_OF_DECEMBER.date(),
        by=None,
        at=FIRST_OF_DECEMBER,
    )
    assert "Soldes repris" in text_of(regie_client.get(accounts))
    assert "La famille 9,60 € 5,60 €" in text_of(regie_client.get(page))


def test_their_list_asks_as_much_for_two_as_for_one(lived, waits, regie_client):
    def asked():
        with CaptureQueriesContext(connection) as found:
            regie_client.get(reverse("admin:billing_payment_opening_balances"))
        return len(found)

    def one(home, amount):
        OpeningBalance.objects.create(household=home, amount=amount, opened_on=date(2026, 11, 30))

    one(waits.household, 5)
    asked()
    before = asked()
    one(lived.household, -5)
    assert asked() == before


# Who may ------------------------------------------------------------------------------------------------

OPENED = "/mairie/billing/payment/comptes/repris/"
CHART = "/mairie/billing/payment/graphique/"


def member(*names, rights=()):
    user = UserFactory(is_staff=True)
    user.groups.set(Group.objects.filter(name__in=names))
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return logged_in(user)


def test_the_books_are_the_accountant_s_and_not_the_till_s(lived, till_client):
    """« Guichet » takes money and sees payments and accounts; the town's books it neither reads nor finds."""
    OpeningBalance.objects.create(household=lived.household, amount=5, opened_on=date(2026, 11, 30))
    for page in (PAGE, CHART, OPENED):
        assert till_client.get(page, DAYS).status_code == 403, page
        assert till_client.get(page, DAYS | {"quoi": "journal", "format": "csv"}).status_code == 403, page
        assert page not in till_client.get("/mairie/").content.decode()
    accounts = till_client.get("/mairie/billing/payment/comptes/")
    assert accounts.status_code == 200 and "Soldes repris" not in text_of(accounts)
    for client in (member(groups.REGIE), member(rights=["view_journalaccounts", "view_openingbalance"])):
        assert [client.get(page, DAYS).status_code for page in (PAGE, CHART, OPENED)] == [200] * 3


# Régies, and how much is asked --------------------------------------------------------------------------


def test_a_town_of_several_regies_takes_out_each_ones_own(lived, regie_client):
    assert "Régie" not in regie_client.get(PAGE, DAYS).content.decode().partition("desk-choice")[2]
    other = Regie.objects.create(name="Centre de loisirs", code="LOISIRS", letters="CL")
    assert "Centre de loisirs" in text_of(regie_client.get(PAGE, DAYS))
    for what in sorted(EXPORTS):
        assert rows(regie_client, what, regie="0") == rows(regie_client, what)
        assert all(row[-1] in ("", "0,00") for row in rows(regie_client, what, regie=str(other.pk)))


@pytest.mark.parametrize("what", ["journal", "encaissements", "affectations"])
def test_a_file_asks_as_much_for_ten_payments_as_for_one(lived, waits, what):
    span = Span(date(2026, 11, 1), date(2026, 12, 31))

    def asked():
        with CaptureQueriesContext(connection) as found:
            list(EXPORTS[what].rows(span))
        return len(found)

    asked()  # the means' names are kept a while
    before = asked()
    for day in range(1, 10):
        at = FIRST_OF_DECEMBER + timedelta(days=day)
        paying.record(waits.household, Decimal(1), "cash", paid_on=at.date(), by=None, at=at)
    assert asked() == before
