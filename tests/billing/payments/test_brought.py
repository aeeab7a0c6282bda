"""Mandates out of a file: their key, whose they are, once each, and the way back."""

from datetime import date

import pytest

from billing.models import Mandate
from families.imports import running
from families.models import FileImport
from tests.billing.conftest import END_OF_NOVEMBER, NOVEMBER, bill
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

IBAN = "FR1420041010050500013M02606"  # the public examples of the standard
OTHER = "DE89370400440532013000"
HEAD = (
    "Nom de l'enfant;Prénom de l'enfant;Date de naissance;Nom du responsable;Prénom du responsable;"
    "RUM;date signature;IBAN;BIC"
)


def line(who, rum="RUM-1", signed="14/09/2024", iban=IBAN, bic="PSSTFRPPPAR"):
    child, adult = who.child, who.household.guardians.get(user=who.user)
    said = (
        child.last_name, child.first_name, f"{child.birth_date:%d/%m/%Y}", adult.last_name, adult.first_name,
        rum, signed, iban, bic,
    )  # fmt: skip
    return ";".join(said)


def checked(user, *lines, rules=None):
    content = "\n".join((HEAD, *lines)).encode()
    file = running.receive(content, name="mandats.csv", source="Ancien", by=user, at=NOW)
    running.ask_check(file)
    running.check(file.pk, at=NOW)
    if rules:
        running.decide(file, rules=rules, lines={})
        running.ask_check(file)
        running.check(file.pk, at=NOW)
    return FileImport.objects.get(pk=file.pk)


def done(file, user):
    running.ask_run(file, by=user)
    running.run(file.pk, at=NOW)
    file.refresh_from_db()
    assert file.state == file.State.DONE, file.trouble


def said(file):
    return [(one.verdict, one.text) for one in file.lines.order_by("line", "pk")]


def test_two_mandates_of_a_file_for_one_home_are_not_both_written(books, chief):
    file = checked(chief, line(books), line(books, rum="RUM-2", iban=OTHER))
    assert said(file)[1] == ("wrong", "la ligne 2 donne un autre mandat au même foyer.")
    done(file, chief)
    assert [one.rum for one in Mandate.objects.all()] == ["RUM-1"]


def test_a_mandate_comes_in_once_and_the_same_file_changes_nothing(books, chief):
    file = checked(chief, line(books))
    assert said(file) == [("new", "mandat RUM-1, compte …2606")]
    assert not Mandate.objects.exists()
    done(file, chief)
    mandate = Mandate.objects.get()
    assert (mandate.household, mandate.iban, mandate.bic, mandate.signed_on, mandate.debtor) == (
        books.household,
        IBAN,
        "PSSTFRPPPAR",
        date(2024, 9, 14),
        "Camille Roux",
    )
    assert (mandate.iban_end, list(Mandate.objects.of_account(IBAN))) == ("2606", [mandate])
    assert mandate.history.get().history_change_reason == f"Import n°\xa0{file.pk}"
    assert checked(chief, line(books)).counts == {"same": 1}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"iban": "FR1420041010050500013M02607"}, "sa clé ne correspond pas"),
        ({"iban": ""}, "il manque l'IBAN"),
        ({"rum": ""}, "il manque la RUM"),
        ({"signed": ""}, "il manque la date de signature"),
        ({"signed": "14/09/2030"}, "dans l'avenir"),
        ({"signed": "hier"}, "ce n'est pas une date"),
        ({"rum": "avec des espaces"}, "sans espace"),
    ],
)
def test_what_is_wrong_is_said_and_left_out(books, chief, changed, sentence):
    file = checked(chief, line(books, **changed))
    assert [verdict for verdict, _ in said(file)] == ["wrong"]
    assert sentence in said(file)[0][1]


def test_another_household_s_number_is_refused(books, waits, chief):
    file = checked(chief, line(books), line(waits, iban=OTHER, bic=""))
    assert said(file)[1] == ("wrong", "cette RUM est déjà à la ligne 2, pour un autre foyer.")
    Mandate.objects.create(
        household=waits.household, rum="RUM-1", debtor="X", iban=OTHER, signed_on=date(2024, 1, 1)
    )
    assert said(checked(chief, line(books))) == [("wrong", "cette RUM est déjà celle d'un autre foyer.")]


def test_another_mandate_waits_for_a_decision_and_takes_the_place(books, chief):
    before = Mandate.objects.create(
        household=books.household, rum="OLD", debtor="X", iban=OTHER, signed_on=date(2020, 1, 1)
    )
    assert checked(chief, line(books)).counts == {"doubtful": 1}
    file = checked(chief, line(books), rules={"other_mandate": "replace"})
    done(file, chief)
    before.refresh_from_db()
    assert before.revoked_on == NOW.date()
    assert Mandate.objects.get(revoked_on=None).rum == "RUM-1"
    running.ask_undo(file, by=chief)
    running.undo(file.pk, at=NOW)
    before.refresh_from_db()
    assert (before.revoked_on, Mandate.objects.count()) == (None, 1)


def test_quotients_that_were_billed_are_not_taken_back(month, books, chief):
    child, adult = books.child, books.household.guardians.get(user=books.user)
    head = HEAD.partition("RUM")[0] + "Quotient familial"
    row = (
        f"{child.last_name};{child.first_name};{child.birth_date:%d/%m/%Y};{adult.last_name};"
        f"{adult.first_name};812"
    )
    file = running.receive(f"{head}\n{row}".encode(), name="q.csv", source="Ancien", by=chief, at=NOW)
    running.ask_check(file)
    running.check(file.pk, at=NOW)
    done(FileImport.objects.get(pk=file.pk), chief)
    file.refresh_from_db()
    assert running.standing(file) == []
    bill(NOVEMBER, END_OF_NOVEMBER)
    with pytest.raises(running.Stands, match="1 pièce facturée depuis à ces quotients"):
        running.ask_undo(file, by=chief)
