"""« Mes Enfants »: each child's file."""

from datetime import date

import pytest
from django.test import Client
from django.urls import reverse

from families.models import AuthorisedPerson, Child, ChildHealth
from tests.conftest import Family
from tests.factories import AuthorisedPersonFactory, ChildFactory, HealthFactory
from tests.families.conftest import text_of

pytestmark = pytest.mark.django_db
NOTES = {
    "has_pai": "on",
    "allergies": "Arachide",
    "treatment": "Stylo",
    "doctor": "Dr Adam",
    "doctor_phone": "",
}
PERSON = {"name": "Jeanne Roux", "relationship": "Grand-mère", "phone": "06 39 98 00 11"}


def test_the_file_shows_everything_to_a_guardian(roux: Family):
    HealthFactory(child=roux.child, allergies="Arachide")
    AuthorisedPersonFactory(child=roux.child, name="Jeanne Roux")
    page = text_of(roux.client().get(reverse("families:child", args=[roux.child.pk])))
    for words in ("Lina Roux", "14 mai 2018, 8 ans", "Arachide", "Jeanne Roux", "Autorisations", "Santé"):
        assert words in page


def test_the_file_tells_school_and_diet(books: Family):
    page = text_of(books.client().get(reverse("families:child", args=[books.child.pk])))
    assert "CE1, École des Tilleuls (2026-2027)" in page
    assert "Sans régime particulier" in page


def test_others_find_no_child_and_the_anonymous_log_in(roux: Family, stranger: Family, agent_client):
    person = AuthorisedPersonFactory(child=roux.child)
    paths = [
        reverse(f"families:{name}", args=[roux.child.pk])
        for name in ("child", "health", "authorisations", "add_person")
    ]
    paths += [
        reverse(f"families:{name}", args=[roux.child.pk, person.pk])
        for name in ("change_person", "remove_person")
    ]
    for path in paths:
        for client in (stranger.client(), agent_client):
            assert client.get(path).status_code == 404
            assert client.post(path, PERSON | NOTES).status_code in (404, 405)
        assert Client().get(path).url == f"/connexion/?next={path}"
        assert roux.client().get(path).status_code == 200
    assert AuthorisedPerson.objects.count() == 1
    assert not ChildHealth.objects.exists()


def test_a_person_of_another_child_is_not_reached_through_ones_own(roux: Family, stranger: Family):
    theirs = AuthorisedPersonFactory(child=stranger.child)
    path = reverse("families:remove_person", args=[roux.child.pk, theirs.pk])
    assert roux.client().post(path).status_code == 404
    assert AuthorisedPerson.objects.filter(pk=theirs.pk).exists()


def test_both_homes_see_the_file_of_a_shared_child(roux: Family, stranger: Family, shared_child: Child):
    path = reverse("families:child", args=[shared_child.pk])
    for who in (roux, stranger):
        page = text_of(who.client().get(path))
        assert "Sacha Roux" in page and "(autre foyer)" in page
    roux.client().post(reverse("families:health", args=[shared_child.pk]), NOTES)
    assert "Arachide" in text_of(stranger.client().get(path))


def test_health_notes_are_kept_and_corrected(roux: Family):
    path = reverse("families:health", args=[roux.child.pk])
    roux.client().post(path, NOTES)
    roux.client().post(path, NOTES | {"allergies": "Aucune", "has_pai": ""})
    health = ChildHealth.objects.get(child=roux.child)
    assert (health.allergies, health.has_pai, health.doctor) == ("Aucune", False, "Dr Adam")
    refused = roux.client().post(path, NOTES | {"doctor_phone": "demain", "allergies": "x" * 2001})
    assert refused.status_code == 200 and "Écrivez un numéro" in text_of(refused)
    health.refresh_from_db()
    assert health.allergies == "Aucune"


def test_people_come_change_and_go(roux: Family):
    client = roux.client()
    client.post(reverse("families:add_person", args=[roux.child.pk]), PERSON)
    person = roux.child.authorised_people.get()
    client.post(
        reverse("families:change_person", args=[roux.child.pk, person.pk]),
        PERSON | {"phone": "06 39 98 00 12"},
    )
    person.refresh_from_db()
    assert (person.name, person.phone) == ("Jeanne Roux", "06 39 98 00 12")
    gone = reverse("families:remove_person", args=[roux.child.pk, person.pk])
    assert client.get(gone).status_code == 200 and roux.child.authorised_people.exists()
    client.post(gone)
    assert not roux.child.authorised_people.exists()


def test_a_person_sent_twice_is_written_once(roux: Family):
    add, client = reverse("families:add_person", args=[roux.child.pk]), roux.client()
    client.post(add, PERSON)
    assert "peut maintenant venir chercher" in text_of(client.post(add, PERSON, follow=True))
    assert roux.child.authorised_people.count() == 1


def test_authorisations_are_given_and_taken_back(roux: Family):
    path = reverse("families:authorisations", args=[roux.child.pk])
    roux.client().post(path, {"photo_allowed": "on", "leaves_alone": "on", "birth_date": "2000-01-01"})
    roux.child.refresh_from_db()
    assert (roux.child.photo_allowed, roux.child.leaves_alone) == (True, True)
    assert roux.child.birth_date == date(2018, 5, 14), "what the form does not ask is not taken"
    roux.client().post(path, {})
    roux.child.refresh_from_db()
    assert (roux.child.photo_allowed, roux.child.leaves_alone) == (False, False)


def test_the_file_costs_the_same_for_one_and_for_ten(roux: Family, django_assert_max_num_queries):
    client, path = roux.client(), reverse("families:child", args=[roux.child.pk])
    for _ in range(10):
        AuthorisedPersonFactory(child=roux.child)
    client.get("/foyer/")  # what a process keeps for half a minute is read
    with django_assert_max_num_queries(12):
        client.get(path)


@pytest.mark.parametrize("child_id", [0, 999_999, 99_999_999_999_999_999_999])
def test_ids_that_are_no_child_are_not_found(roux: Family, child_id: int):
    assert roux.client().get(f"/enfants/{child_id}/").status_code == 404


def test_who_collects_a_sister_is_taken_over_for_a_brother(roux: Family, stranger: Family):
    """Offered once, not offered again to who has it, and nobody of another home."""
    known = AuthorisedPersonFactory(child=roux.child, name="Jeanne Roux", relationship="Grand-mère")
    other = AuthorisedPersonFactory(child=stranger.child, name="Paul Inconnu")
    hugo = ChildFactory(first_name="Hugo", households=[roux.household])
    client, page = roux.client(), reverse("families:add_person", args=[hugo.pk])
    assert f'href="?comme={known.pk}"' in client.get(page).text
    filled = client.get(page, {"comme": known.pk}).text
    assert 'value="Jeanne Roux"' in filled and 'value="Grand-mère"' in filled
    assert "Inconnu" not in client.get(page, {"comme": other.pk}).text
    client.post(page, {"name": known.name, "relationship": known.relationship, "phone": known.phone})
    assert hugo.authorised_people.get().name == "Jeanne Roux"
    assert "comme=" not in client.get(page).text
