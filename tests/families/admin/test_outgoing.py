"""A list goes out in the form in which it comes in: brought back unchanged, every line is « Identique »."""

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import Mandate
from families.imports import headings, outgoing, running
from families.models import Child, Diet, DietChoice, FamilyQuotient, Guardian, HomeDiet, Household, Reading
from portal.files.handing_over import csv_lines
from portal.french.weekdays import names_of
from portal.reservations.models import Enrolment
from tests.conftest import NOW, logged_in
from tests.factories import ChildFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST = "admin:families_household_changelist"
IBAN = "FR1420041010050500013M02606"  # the public example of the standard


def everything(needed):
    return True


@pytest.fixture
def full(books, waits, canteen):
    """Households with all that a file may say: several adults, two homes, a quotient, a diet, a mandate."""
    for name in ("Alix", "Sacha"):
        Guardian.objects.create(
            household=books.household,
            first_name=name,
            last_name="Roux",
            email_given=f"{name.lower()}@example.org",
            phone="0612345678",
        )
    FamilyQuotient.objects.create(household=books.household, value="412.50", valid_from=date(2026, 9, 1))
    FamilyQuotient.objects.create(
        household=waits.household, value=700, valid_from=date(2026, 9, 1), valid_to=date(2027, 8, 31)
    )
    diet = Diet.objects.create(name="Sans porc bis")
    DietChoice.objects.update_or_create(child=books.child, defaults={"diet": diet})
    HomeDiet.objects.filter(child=books.child).delete()
    HomeDiet.objects.create(child=books.child, household=books.household, diet=diet, said_at=NOW)
    ChildFactory(first_name="Hugo", last_name="Roux", households=[books.household, waits.household])
    Enrolment.objects.filter(child=books.child).update(weekdays=0b1011)
    Mandate.objects.create(
        household=books.household, rum="RUM-1", debtor="Camille Roux", iban=IBAN, signed_on=date(2024, 9, 1)
    )


def brought(content, user):
    """What an import says of the file, line by line."""
    file = running.receive(content, name="liste.csv", source="Portail", by=user, at=NOW)
    running.ask_check(file)
    running.check(file.pk, at=NOW)
    file.refresh_from_db()
    return file


def written(homes=None, children=None):
    rows = outgoing.lines(homes or Household.objects.all(), NOW.date(), everything, children=children)
    return "".join(csv_lines([outgoing.headings(everything), *rows])).encode()


def test_every_heading_is_one_that_an_import_recognises(db):
    titles = outgoing.headings(everything)
    found = headings.propose(titles)
    assert len(found) == len(titles)
    assert len(set(found.values())) == len(titles)


def test_brought_back_unchanged_every_line_is_the_same(full, chief):
    file = brought(written(), chief)
    said = [(line.line, line.verdict, line.column, line.text) for line in file.lines.all()]
    assert (file.state, said) == (file.State.CHECKED, [])
    assert file.counts == {"same": file.rows}


def test_what_was_corrected_is_all_that_changes(full, books, chief):
    text = written().decode().replace("412,50", "398,00")
    file = brought(text.encode(), chief)
    assert [(line.verdict, line.text) for line in file.lines.all()] == [
        ("changed", "« 412,50 » devient « 398 »")
    ]


def test_a_list_is_handed_over_and_noted(full, books, chief_client):
    answer = chief_client.post(reverse(LIST), {"_reimporter": "csv"})
    text = b"".join(answer.streaming_content).decode()
    assert "Nom de l'enfant" in text and "Lina" in text and names_of(0b1011) in text
    assert Reading.objects.filter(kind=Reading.Kind.EXPORT).exists()
    book = chief_client.post(reverse(LIST), {"_reimporter": "xlsx"})
    assert b"".join(book.streaming_content)[:2] == b"PK"


def test_a_list_of_children_holds_these_children_alone(full, books, chief_client):
    url = reverse("admin:families_child_changelist")
    answer = chief_client.post(f"{url}?q=Lina", {"_reimporter": "csv"})
    text = b"".join(answer.streaming_content).decode()
    assert [line.split(";")[1] for line in text.splitlines()[1:]] == ["Lina", "Lina"]
    assert (
        list(outgoing.lines(Household.objects.all(), NOW.date(), everything, children=Child.objects.none()))
        == []
    )


def test_who_may_take_nobody_out_gets_no_file(full, chief_client):
    page = logged_in(UserFactory(is_staff=True))
    assert page.post(reverse(LIST), {"_reimporter": "csv"}).status_code == 403
    assert chief_client.post(reverse(LIST), {"_reimporter": "exe"}).status_code == 403


def test_a_file_costs_the_same_number_of_queries_for_many_homes(full, books, waits):
    with CaptureQueriesContext(connection) as one:
        list(outgoing.lines(Household.objects.filter(pk=books.household.pk), NOW.date(), everything))
    with CaptureQueriesContext(connection) as many:
        list(outgoing.lines(Household.objects.all(), NOW.date(), everything))
    assert len(one) == len(many)
