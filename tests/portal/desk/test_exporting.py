"""« Exporter » of every list: what it shows leaves as a file, people under a right of their own."""

import io
import zipfile
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from families.admin.exporting import names_people
from families.models import Household, Reading, SecurityEvent, StaffMember
from portal.desk import exporting
from portal.desk.exporting import ASKED
from portal.reservations.models import Enrolment, PublicHoliday, ReservationLine
from portal.reservations.staff import giving
from portal.reservations.states import EnrolmentState, Outcome
from tests.conftest import FRIDAY, THURSDAY, family, let_go, logged_in
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
HOUSEHOLDS, CHILDREN = "/mairie/families/household/", "/mairie/families/child/"
YEARS = "/mairie/reservations/publicholiday/"


@pytest.fixture
def out(db):
    """The role that may take people out."""
    kind = ContentType.objects.get_for_model(Household)
    right, _ = Permission.objects.get_or_create(content_type=kind, codename="export_household")
    role = Group.objects.create(name="Sort des fichiers")
    role.permissions.add(right)
    return role


@pytest.fixture
def reads(out):
    """Reads of people, takes nobody out: with `out`, at a place or everywhere, of whom it reaches."""
    role = Group.objects.create(name="Lit")
    seen = ("view_household", "view_child", "view_guardian", "view_enrolment", "view_publicholiday")
    role.permissions.set(Permission.objects.filter(codename__in=seen))
    user = UserFactory(is_staff=True)
    giving.give(user, role, by=None)
    return user


@pytest.fixture
def exports(agent, out):
    giving.give(agent, out, by=None)
    return logged_in(type(agent).objects.get(pk=agent.pk))


def taken(client, address, kind="csv", **posted):
    answer = client.post(address, {ASKED: kind} | posted)
    content = answer.getvalue() if answer.status_code == 200 else b""
    let_go(answer)
    return answer, content


def test_a_list_leaves_as_it_is_shown(exports, books, stranger):
    Household.objects.filter(pk=stranger.household.pk).update(state="requested")
    shown = f"{HOUSEHOLDS}?{urlencode({'state__exact': 'accepted'})}"
    answer, content = taken(exports, shown)
    lines = content.decode("utf-8-sig").splitlines()
    assert answer["Content-Disposition"] == 'attachment; filename="foyers-2026-11-09.csv"'
    assert lines[0].startswith("Numéro;Responsables;Enfants;Adresse;Commune")
    assert len(lines) == 2 and f"{books.household.number};{books.guardian};1;" in lines[1]
    assert ";oui;Validé;" in lines[1] and "<" not in lines[1]
    read = Reading.objects.get(kind=Reading.Kind.EXPORT)
    assert (read.what, read.people) == ("Foyers (CSV)", 1)


def test_a_list_that_shows_first_what_waits_leaves_as_it_is_shown_too(exports, asks, books, waits):
    """Noé's enrolment waits, Lina's is accepted; of Lina's days one waits for an answer."""
    Enrolment.objects.filter(pk=waits.enrolment.pk).update(state=EnrolmentState.REQUESTED)
    asks(books, THURSDAY)
    ReservationLine.objects.filter(pk=asks(books, FRIDAY).lines.get().pk).update(outcome=Outcome.REFUSED)
    for address, who in (("enrolment", "Noé"), ("reservationline", "Lina")):
        lines = taken(exports, f"/mairie/reservations/{address}/")[1].decode("utf-8-sig").splitlines()
        assert len(lines) == 2 and who in lines[1]
    assert len(taken(exports, "/mairie/reservations/enrolment/?etat=tous")[1].splitlines()) == 3


def test_a_workbook_and_a_pdf_hold_the_same(exports, books, stranger):
    _, workbook = taken(exports, CHILDREN, "xlsx")
    with zipfile.ZipFile(io.BytesIO(workbook)) as sheet:
        assert books.child.last_name in sheet.read("xl/worksheets/sheet1.xml").decode()
    answer, pdf = taken(exports, CHILDREN, "pdf")
    assert answer["Content-Type"] == "application/pdf" and pdf.startswith(b"%PDF")


def test_a_longer_list_comes_as_a_workbook(exports, books, stranger, monkeypatch):
    monkeypatch.setattr(exporting, "PDFS", 1)
    answer = exports.post(CHILDREN, {ASKED: "pdf"}, follow=True)
    assert "prenez le classeur, ou filtrez-la" in answer.content.decode()


def test_people_leave_with_their_own_right_only(reads, books):
    client = logged_in(reads)
    assert ASKED not in client.get(HOUSEHOLDS).content.decode()
    for address in (HOUSEHOLDS, CHILDREN, "/mairie/reservations/enrolment/?etat=tous"):
        assert client.post(address, {ASKED: "csv"}).status_code == 403
    # What names nobody is for who may look at it.
    assert ASKED in client.get(YEARS).content.decode()
    assert "Armistice" in taken(client, YEARS)[1].decode()
    assert not Reading.objects.exists()


def test_the_journal_of_security_and_who_works_here_are_no_file(agent, out):
    giving.give(agent, Group.objects.get(name="Responsable"), by=None)
    giving.give(agent, out, by=None)
    client = logged_in(type(agent).objects.get(pk=agent.pk))
    for address in ("/mairie/families/securityevent/", "/mairie/families/staffmember/"):
        assert ASKED not in client.get(address).content.decode()
        assert client.post(address, {ASKED: "csv"}).status_code == 403
    assert not Reading.objects.exists()


def test_who_did_what_is_people_too(out):
    """A count of the till names who counted: it leaves with the right to take people out, and is noted."""
    counts = "/mairie/billing/cashcount/"
    giving.give(till := UserFactory(is_staff=True), Group.objects.get(name="Guichet"), by=None)
    assert ASKED not in logged_in(till).get(counts).content.decode()
    assert logged_in(till).post(counts, {ASKED: "csv"}).status_code == 403
    giving.give(till, out, by=None)
    answer, _ = taken(logged_in(type(till).objects.get(pk=till.pk)), counts)
    assert answer.status_code == 200 and Reading.objects.get().kind == Reading.Kind.EXPORT
    assert not names_people(PublicHoliday) and names_people(SecurityEvent) and names_people(StaffMember)


def test_who_exports_at_one_place_takes_its_people_only(reads, out, books, stranger, school):
    giving.give(reads, out, places=[school], by=None)
    client = logged_in(type(reads).objects.get(pk=reads.pk))
    content = taken(client, HOUSEHOLDS)[1].decode()
    assert books.household.number in content and stranger.household.number not in content


def test_what_may_not_be_seen_is_no_file_either(out, books):
    user = UserFactory(is_staff=True)
    giving.give(user, out, by=None)
    assert logged_in(user).post(HOUSEHOLDS, {ASKED: "csv"}).status_code == 403
    assert logged_in(user).post(HOUSEHOLDS, {ASKED: "exe"}).status_code == 403


def test_a_file_costs_the_same_queries_for_one_row_and_ten(exports, books):
    def asked():
        with CaptureQueriesContext(connection) as queries:
            taken(exports, HOUSEHOLDS)
        return len(queries)

    asked()
    one = asked()
    for number in range(9):
        family(f"famille{number}", "Tilleul", f"Enfant {number}")
    assert asked() == one
