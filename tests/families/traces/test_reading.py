"""The register of reading: every door behind which something private is read writes a line, which stays."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from families.models import Child, Concerned, Document, Reading, User
from families.traces import reading
from portal.database import schema
from tests.conftest import THURSDAY, Family, logged_in
from tests.factories import ChildFactory, HealthFactory, UserFactory

pytestmark = pytest.mark.django_db
CHILD = "/mairie/families/child/{}/change/"


@pytest.fixture
def nurse(agent: User) -> User:
    """An agent who may read health files."""
    agent.groups.add(Group.objects.get(name="Fiches sanitaires"))
    return agent


# A health file ----------------------------------------------------------------------------------------


def test_opening_a_health_file_at_the_desk_is_a_line(books: Family, nurse: User, now, lines):
    HealthFactory(child=books.child)
    where = CHILD.format(books.child.pk)
    logged_in(nurse).get(where, REMOTE_ADDR="192.0.2.7")
    one = Reading.objects.get()
    assert (one.at, one.reader, one.reader_name) == (now, nurse, "Dominique Agent")
    assert (one.kind, one.child, one.page, one.network_address) == ("health", books.child, where, "192.0.2.7")
    assert lines() == [("health", 1, ["Lina Roux"])]


def test_each_opening_is_a_line_of_its_own(books: Family, nurse: User, lines):
    HealthFactory(child=books.child)
    for _ in range(3):
        logged_in(nurse).get(CHILD.format(books.child.pk))
    assert len(lines()) == 3


def test_who_sees_no_health_file_has_read_none(books: Family, agent_client, chief_client, lines):
    HealthFactory(child=books.child)
    agent_client.get(CHILD.format(books.child.pk))
    no_file = ChildFactory(households=[books.household])
    chief_client.get(CHILD.format(no_file.pk))
    for key in ("0", "abc", "9" * 30):
        chief_client.get(CHILD.format(key))
    assert lines() == []


def test_a_page_shown_again_with_its_mistakes_is_a_line_too(books: Family, chief_client, lines):
    HealthFactory(child=books.child)
    answer = chief_client.post(CHILD.format(books.child.pk), {"first_name": ""})
    assert answer.status_code == 200
    assert lines() == [("health", 1, ["Lina Roux"])]


def test_a_parent_who_reads_its_own_childs_file_is_not_noted(books: Family, lines):
    HealthFactory(child=books.child)
    for page in ("child", "health"):
        books.client().get(reverse(f"families:{page}", args=[books.child.pk]))
    assert lines() == []


def test_the_kitchens_list_of_allergies_is_one_line_of_those_it_names(
    books: Family, waits: Family, asks, nurse: User, agent_client, lines
):
    for who, allergies in ((books, "Arachides"), (waits, "")):
        HealthFactory(child=who.child, allergies=allergies)
        asks(who, THURSDAY, on_request=False)
    page = {"jour": THURSDAY.isoformat(), "vue": "semaine", "sante": "1"}
    logged_in(nurse).get(reverse("admin:catering_kitchen"), page)
    assert lines() == [("health", 1, ["Lina Roux"])]
    # The file counts, and names nobody.
    logged_in(nurse).get(reverse("admin:catering_kitchen"), page | {"format": "csv"})
    assert lines() == []


# Papers -----------------------------------------------------------------------------------------------


def read(answer) -> bytes:
    return b"".join(answer.streaming_content)


@pytest.fixture
def paper(books: Family):
    def keep(**given: str) -> str:
        document = Document.objects.create(
            household=books.household, name="a.pdf", content_type="application/pdf", **given
        )
        document.file.save("a.pdf", ContentFile(b"%PDF"))
        return reverse("families:document", args=[document.pk])

    return keep


@pytest.mark.parametrize(
    ("right", "kind"),
    [("families.view_document", "proof"), ("reservations.change_absencecertificate", "certificate")],
)
def test_a_paper_opened_at_the_desk_is_a_line(paper, agent_client, lines, books: Family, right, kind):
    assert read(agent_client.get(paper(right=right))) == b"%PDF"
    assert lines() == [(kind, 1, [str(books.household)])]
    assert "a.pdf" not in Reading.objects.get().what


def test_a_paper_that_is_not_opened_is_none(paper, agent_client, regie_client, stranger_client, lines):
    assert agent_client.get(paper(right="families.view_childhealth")).status_code == 404
    assert regie_client.get(paper(right="reservations.change_absencecertificate")).status_code == 404
    assert stranger_client.get(paper()).status_code == 404
    assert lines() == []


def test_ones_own_paper_is_opened_as_a_parent(paper, books: Family, lines):
    books.user.is_staff = True
    books.user.save()
    assert read(books.client().get(paper())) == b"%PDF"
    assert lines() == []


# Kept as it is ----------------------------------------------------------------------------------------


@pytest.fixture
def line(books: Family, agent: User, now) -> Reading:
    return reading.add(agent, Reading.Kind.HEALTH, at=now, child=books.child)


@pytest.mark.parametrize("column", ["at", "reader_name", "kind", "what", "page", "network_address", "people"])
def test_no_column_of_a_line_changes(line: Reading, column: str, now):
    other = {"at": now - timedelta(days=1), "people": 0, "network_address": "192.0.2.1"}.get(column, "x")
    with pytest.raises(DatabaseError, match="ne se modifie pas"), transaction.atomic():
        Reading.objects.filter(pk=line.pk).update(**{column: other})


@pytest.mark.parametrize("whose", ["child", "household", "reader"])
def test_a_line_is_never_pointed_at_somebody_else(line: Reading, stranger: Family, whose: str):
    other = {"child": stranger.child, "household": stranger.household, "reader": stranger.user}[whose]
    with pytest.raises(DatabaseError, match="ne se modifie pas"), transaction.atomic():
        Reading.objects.filter(pk=line.pk).update(**{whose: other})


@pytest.mark.parametrize("model", [Reading, Concerned])
def test_no_line_is_deleted(line: Reading, model):
    with pytest.raises(DatabaseError, match="ne se modifie pas"), transaction.atomic():
        model.objects.all().delete()
    with pytest.raises(DatabaseError, match="ne se modifie pas"), transaction.atomic():
        Concerned.objects.update(reading=reading.add(line.reader, Reading.Kind.PROOF, at=line.at))


def test_who_goes_leaves_the_lines_without_a_name_of_theirs(
    line: Reading, stranger: Family, books: Family, now
):
    of_stranger = reading.add(line.reader, Reading.Kind.HEALTH, at=now, child=stranger.child)
    Child.objects.get(pk=stranger.child.pk).delete()
    line.reader.delete()
    of_stranger.refresh_from_db()
    assert (of_stranger.child, of_stranger.reader, of_stranger.reader_name) == (None, None, "Dominique Agent")
    assert [row.child for row in of_stranger.concerned.all()] == [None]


def test_after_a_year_lines_go_and_the_others_stay(line: Reading, books: Family, agent: User, now):
    for days in (364, 366, 800):
        reading.add(agent, Reading.Kind.HEALTH, at=now - timedelta(days=days), children=[books.child.pk])
    old = Reading.objects.filter(at__lt=now - timedelta(days=365))
    assert (reading.remove(old), reading.remove(old)) == (2, 0)
    assert sorted((now - one.at).days for one in Reading.objects.all()) == [0, 364]
    assert Concerned.objects.count() == 2
    assert schema.lacking(connection) == []
    test_no_line_is_deleted(line, Reading)


def test_a_list_of_many_is_written_in_few_queries(agent: User, books: Family, now, django_assert_num_queries):
    Child.objects.bulk_create(
        Child(first_name="Tom", last_name=str(each), birth_date=now.date()) for each in range(300)
    )
    children = list(Child.objects.values_list("pk", flat=True))
    with django_assert_num_queries(4):
        made = reading.add(agent, Reading.Kind.EXPORT, at=now, children=[*children, *children])
    assert (made.people, made.concerned.count()) == (301, 301)


def test_families_are_never_noted(books: Family, rf, now):
    request = rf.get("/")
    request.user = books.user
    reading.note(request, Reading.Kind.HEALTH, child=books.child)
    assert not Reading.objects.exists()
    request.user = UserFactory(username="sans-nom", is_staff=True, first_name="", last_name="")
    reading.note(request, Reading.Kind.HEALTH, child=books.child)
    assert Reading.objects.get().reader_name == "sans-nom"
