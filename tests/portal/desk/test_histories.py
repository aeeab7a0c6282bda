"""« Historique » at the desk: readable, before and after, and no way around a right."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from families.models import ChildHealth, Reading
from portal.french.amounts import euros
from tests.conftest import Family
from tests.factories import AuthorisedPersonFactory, HealthFactory
from tests.families.conftest import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def child_history(books: Family) -> str:
    return reverse("admin:families_child_history", args=[books.child.pk])


def permit(agent) -> None:
    agent.groups.add(Group.objects.get(name="Fiches sanitaires"))


def test_the_history_of_a_child_never_says_what_its_health_file_says(
    books, agent, agent_client, child_history
):
    health = HealthFactory(child=books.child, allergies="Arachides")
    health.allergies = "Lait de vache"
    health.save()
    page = text_of(agent_client.get(child_history))
    assert "Arachides" not in page and "Fiche sanitaire" not in page
    assert agent_client.get(child_history, {"de": "sante"}).status_code == 403
    permit(agent)
    assert "Arachides" not in text_of(agent_client.get(child_history))
    assert "Arachides → Lait de vache" in text_of(agent_client.get(child_history, {"de": "sante"}))


def test_reading_the_history_of_health_is_reading_health(books, agent, agent_client, child_history):
    HealthFactory(child=books.child)
    permit(agent)
    agent_client.get(child_history)
    assert not Reading.objects.exists()
    agent_client.get(child_history, {"de": "sante"})
    assert [(one.kind, one.child, one.reader) for one in Reading.objects.all()] == [
        ("health", books.child, agent)
    ]


def test_each_person_is_compared_with_itself(books, agent_client, child_history):
    first = AuthorisedPersonFactory(child=books.child, name="Jeanne Roux", phone="06 39 98 00 11")
    second = AuthorisedPersonFactory(child=books.child, name="Paul Petit", phone="06 39 98 00 12")
    first.phone = "06 39 98 00 13"
    first.save()
    second.delete()
    page = text_of(agent_client.get(child_history, {"de": "personnes"}))
    assert "Création de « Jeanne Roux »" in page and "Suppression de « Paul Petit »" in page
    assert "06 39 98 00 11 → 06 39 98 00 13" in page
    assert "Paul Petit → " not in page and "Jeanne Roux → " not in page


def test_the_history_of_a_household_has_its_adults(books, agent_client):
    books.guardian.is_payer = False
    books.guardian.save()
    where = reverse("admin:families_household_history", args=[books.household.pk])
    page = text_of(agent_client.get(where, {"de": "responsables"}))
    assert "Reçoit les factures</strong> : oui → non" in page


def test_rights_are_told_in_french(agent, chief_client):
    where = reverse("admin:families_user_history", args=[agent.pk])
    agent.groups.add(Group.objects.get(name="Régie"))
    agent.is_staff = False
    agent.save()
    page = text_of(chief_client.get(where))
    assert "Agent → Agent, Régie" in page
    assert "oui → non" in page


def test_settings_and_the_town_have_theirs(town, agent_client, chief_client):
    town.name = "Valmirelle"
    town.save()
    where = reverse("admin:portal_town_history", args=[1])
    assert "→ Valmirelle" in text_of(chief_client.get(where))
    assert agent_client.get(where).status_code == 403


@pytest.mark.parametrize("asked", ["inconnu", "", "sante'--"])
def test_an_unknown_part_is_not_found(chief_client, child_history, asked):
    assert chief_client.get(child_history, {"de": asked}).status_code == 404


@pytest.mark.parametrize("key", ["abc", "0", "99999999999999999999999"])
def test_a_key_that_is_no_childs_is_not_found(chief_client, key):
    for query in ({}, {"de": "sante"}):
        answer = chief_client.get(f"/mairie/families/child/{key}/history/", query)
        assert answer.status_code in (302, 404)


def test_a_long_history_is_read_in_the_same_queries(
    books, chief_client, child_history, django_assert_max_num_queries
):
    def changes(number: int) -> None:
        for each in range(number):
            health, _ = ChildHealth.objects.get_or_create(child=books.child)
            health.treatment = f"Trousse {each}, {euros(each)}"
            health.save()

    changes(1)
    chief_client.get(child_history, {"de": "sante"})
    for number in (1, 20):
        changes(number)
        with django_assert_max_num_queries(17):
            assert chief_client.get(child_history, {"de": "sante"}).status_code == 200
