"""« Rechercher », at the head of every page of the desk: found by whatever somebody says at the telephone."""

import html
import re
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import CreditNote
from families.models import Household
from portal.desk import finding
from portal.reservations.staff import giving
from tests.conftest import NOW, family, logged_in
from tests.factories import ChildFactory, GuardianFactory, InvoiceFactory, UserFactory

pytestmark = pytest.mark.django_db
ADDRESS = "/mairie/rechercher/"
# The session, who is logged in, its roles; then which rows, their adults and their children.
QUERIES = 3 + 3


@pytest.fixture
def leaf(now, town, school_class):
    """Yaël, found by her own names, her adult's, her address, and what her adult is called by."""
    found = family("camille.lefevre", "Lefèvre", "Yaël", school_class)
    Household.objects.filter(pk=found.household.pk).update(street="", city="")
    found.household.street, found.household.city = "12 rue des Églantiers", "Saint-Herblain"
    found.household.save()
    found.guardian.phone = "06 12 34 56 78"
    found.guardian.save()
    found.user.email = "c.lefevre@exemple.fr"
    found.user.save()
    return found


def titles(client, text):
    answer = client.get(ADDRESS, {"q": text, "extrait": "1"})
    assert answer.status_code == 200
    return re.findall(r'desk-found-title" href="[^"]*">([^<]*)<', html.unescape(answer.content.decode()))


@pytest.mark.parametrize(
    "said",
    [
        "lefevre camille",
        "Camille LEFÈVRE",
        "yaël",
        "yael lefevre",
        "camille yael",
        "06 12 34 56 78",
        "06.12.34",
        "+33 (0)6 12 34 56 78",
        "0033612345678",
        "c.lefevre@exemple",
        "camille.lefevre",
        "eglantiers",
        "12 rue des eglantiers lefevre",
        "saint herblain camille",
    ],
)
def test_a_family_is_found_by_what_it_says(agent_client, leaf, stranger, said):
    assert titles(agent_client, said) == ["Camille Lefèvre"]


def test_by_its_number_however_it_is_written(agent_client, leaf):
    for said in (f"{leaf.household.pk}", leaf.household.number, " ".join(leaf.household.number)):
        assert "Camille Lefèvre" in titles(agent_client, said)


def test_what_is_said_says_nothing_of_others(agent_client, leaf):
    for said in ("", "?", "lefevre martine", "07 12 34 56 78", "99999", "%", "_"):
        assert titles(agent_client, said) == []


def test_two_letters_are_how_a_name_begins(agent_client, leaf):
    assert titles(agent_client, "ev") == []
    assert titles(agent_client, "fev") == titles(agent_client, "ya") == ["Camille Lefèvre"]


def test_a_result_says_who_lives_there_and_leads_to_each(agent_client, leaf):
    page = agent_client.get(ADDRESS, {"q": "lefevre", "extrait": "1"}).content.decode()
    assert f'href="/mairie/families/household/{leaf.household.pk}/change/"' in page
    assert f'href="/mairie/families/child/{leaf.child.pk}/change/">Yaël Lefèvre</a> <span>CE1, École' in page
    assert "06 12 34 56 78" in page
    assert "12 rue des Églantiers" in page


def test_a_single_result_opens_at_once_and_two_are_shown(agent_client, leaf):
    only = agent_client.get(ADDRESS, {"q": "lefevre"})
    assert only.url == f"/mairie/families/household/{leaf.household.pk}/change/"
    family("lefevre2", "Lefèvre", "Anna")
    assert agent_client.get(ADDRESS, {"q": "lefevre"}).status_code == 200


def test_a_child_that_lives_nowhere_is_found_by_itself(agent_client, leaf):
    ChildFactory(first_name="Perle", last_name="Nulle-Part", households=[])
    assert titles(agent_client, "nulle part perle") == ["Perle Nulle-Part"]


def test_documents_are_found_by_their_number(regie_client, leaf):
    invoice = InvoiceFactory(household=leaf.household)
    named = {"number": "A2026-000007", "series": "A", "year": 2026, "sequence": 7}
    named |= {"invoice": invoice, "amount": Decimal(3), "reason": "Erreur", "issued_at": NOW}
    note = CreditNote.objects.create(**named)
    for one in (invoice, note):
        for said in (one.number, one.number.lower(), f"n° {one.series} {one.year} {one.sequence}"):
            assert any(one.number in title for title in titles(regie_client, said)), said


def test_who_is_of_one_place_finds_its_families_and_no_word_of_others(leaf, stranger, school, mill):
    agent = UserFactory(is_staff=True)
    giving.give(agent, Group.objects.get(name="Agent"), places=[mill.school], by=None)
    client = logged_in(agent)
    assert titles(client, "lefevre") == titles(client, "yael") == titles(client, leaf.household.number) == []
    near = logged_in(_agent_of(school))
    ChildFactory(first_name="Ulysse", last_name="Ailleurs", households=[leaf.household])
    assert titles(near, "lefevre") == ["Camille Lefèvre"]
    # A brother who goes to no place of theirs is neither named nor a way to the family.
    assert titles(near, "ulysse") == []
    assert "Ulysse" not in near.get(ADDRESS, {"q": "lefevre", "extrait": "1"}).content.decode()


def _agent_of(place):
    agent = UserFactory(is_staff=True)
    giving.give(agent, Group.objects.get(name="Agent"), places=[place], by=None)
    return agent


def test_who_has_no_right_on_people_finds_nothing(leaf):
    client = logged_in(UserFactory(is_staff=True))
    assert client.get(ADDRESS, {"q": "lefevre"}).status_code == 403
    assert 'id="desk-find"' not in client.get("/mairie/").content.decode()


def test_the_number_of_queries_is_fixed(agent_client, leaf):
    def asked(text):
        with CaptureQueriesContext(connection) as queries:
            titles(agent_client, text)
        return len(queries)

    asked("lefevre")  # what is read once in a process
    one = asked("lefevre")
    for number in range(9):
        family(f"lefevre{number}", "Lefèvre", f"Enfant {number}")
    GuardianFactory.create_batch(3, household=leaf.household, last_name="Lefèvre")
    assert len(titles(agent_client, "lefevre")) == 10
    assert asked("lefevre") == one <= QUERIES
    assert asked("06 12 34") <= QUERIES


def test_more_than_a_page_asks_for_more_letters(agent_client, leaf):
    for number in range(13):
        family(f"tilleul{number}", "Tilleul", f"Enfant {number}")
    page = agent_client.get(ADDRESS, {"q": "tilleul"}).content.decode()
    assert "écrivez-en un peu plus" in page


def test_every_source_is_asked_only_where_one_may_look(leaf):
    assert finding.find("lefevre", UserFactory(is_staff=True)) == []
