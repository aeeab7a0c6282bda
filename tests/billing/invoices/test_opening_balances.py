"""What families owed in the books of before comes in a file, and the next invoice takes it over."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.documents import verifying
from billing.invoices import invoicing
from billing.models import AccountEntry, Invoice
from families.imports import running
from families.models import FileImport
from tests.billing.conftest import END_OF_NOVEMBER, NOVEMBER, bill
from tests.conftest import NOW, brother_of

pytestmark = pytest.mark.django_db

HEAD = (
    "Nom de l'enfant;Prénom de l'enfant;Date de naissance;Nom du responsable;Prénom du responsable;"
    "Solde à la reprise"
)


def line(who, balance, first_name=""):
    child, adult = who.child, who.household.guardians.get(user=who.user)
    said = (
        child.last_name, first_name or child.first_name, f"{child.birth_date:%d/%m/%Y}", adult.last_name,
        adult.first_name, balance,
    )  # fmt: skip
    return ";".join(said)


def checked(user, *lines):
    file = running.receive("\n".join((HEAD, *lines)).encode(), name="s.csv", source="Ancien", by=user, at=NOW)
    running.ask_check(file)
    running.check(file.pk, at=NOW)
    return FileImport.objects.get(pk=file.pk)


def done(file, user):
    running.ask_run(file, by=user)
    running.run(file.pk, at=NOW)
    file.refresh_from_db()
    assert file.state == file.State.DONE, file.trouble


def said(file):
    return [(one.verdict, one.text.replace("\xa0", " ")) for one in file.lines.order_by("line", "pk")]


def test_what_a_family_owed_is_a_row_of_its_account_and_no_invoice(books, waits, chief):
    file = checked(chief, line(books, "42,60"), line(waits, "-20"))
    assert [text for _, text in said(file)] == [
        "solde de 42,60 € à la reprise",
        "solde de −20,00 € à la reprise",
    ]
    assert not AccountEntry.objects.exists()
    done(file, chief)
    balances = dict(AccountEntry.objects.values_list("household", "amount"))
    assert balances == {books.household.pk: Decimal("42.60"), waits.household.pk: Decimal("-20.00")}
    assert not Invoice.objects.exists()
    assert {one.number for one in Invoice.every.all()} == {"REPORT2026-000001", "REPORT2026-000002"}
    assert verifying.verify(files=False).faults == []


def test_the_next_invoice_takes_it_over_with_a_line_that_says_so(month, books, waits, chief):
    done(checked(chief, line(books, "42,60"), line(waits, "-20")), chief)
    bill(NOVEMBER, END_OF_NOVEMBER)
    invoice = Invoice.objects.get()
    assert (invoice.household, invoice.total) == (books.household, Decimal("55.40"))
    taken = invoice.lines.get(kind="carried")
    assert (taken.amount, taken.label) == (
        Decimal("42.60"),
        "Solde repris à l'ouverture du compte – report de novembre 2026",
    )
    # 12.80 eaten: 7.20 go on.
    assert AccountEntry.objects.filter(household=waits.household).balance() == Decimal("-7.20")
    assert verifying.verify(files=False).faults == []


def test_the_same_file_again_changes_nothing_and_another_amount_is_refused(books, chief):
    done(checked(chief, line(books, "42,60")), chief)
    assert checked(chief, line(books, "42,60")).counts == {"same": 1}
    [(verdict, text)] = said(checked(chief, line(books, "43")))
    assert verdict == "wrong" and "déjà un solde repris, 42,60 €" in text


def test_brothers_and_sisters_bring_the_same_balance_once(books, chief):
    brother = brother_of(books, "Gabriel", requested_by=books.user)
    file = checked(chief, line(books, "42,60"), line(books, "42,60", brother.child.first_name))
    assert [text for _, text in said(file)].count("solde de 42,60 € à la reprise") == 1
    file = checked(chief, line(books, "42,60"), line(books, "1", brother.child.first_name))
    assert any("un autre solde, 42,60 €, à la ligne 2" in text for _, text in said(file))


@pytest.mark.parametrize("balance", ["beaucoup", "1e9", "99999999"])
def test_what_is_no_amount_is_said(books, chief, balance):
    assert [verdict for verdict, _ in said(checked(chief, line(books, balance)))] == ["wrong"]


def test_an_import_with_balances_is_not_taken_back_and_says_why(books, chief):
    file = checked(chief, line(books, "42,60"))
    done(file, chief)
    with pytest.raises(running.Stands, match="ne s'efface pas"):
        running.ask_undo(file, by=chief)


def test_many_balances_take_as_many_queries_as_one(books, waits, stranger, django_assert_num_queries):
    said = dict.fromkeys((one.household.pk for one in (books, waits, stranger)), Decimal(5))
    invoicing.open_accounts(said, by=None, at=NOW)  # the counters of a year are made once
    with CaptureQueriesContext(connection) as one:
        invoicing.open_accounts({books.household.pk: Decimal(5)}, by=None, at=NOW)
    with django_assert_num_queries(len(one)):
        invoicing.open_accounts(said, by=None, at=NOW)
