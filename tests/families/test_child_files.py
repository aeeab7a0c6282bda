"""A child's file changes in one home: the other is told, and reads on the page when and from which side."""

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from families.models import AuthorisedPerson, Child, ChildHealth
from tests.conftest import Family, logged_in
from tests.factories import AuthorisedPersonFactory, GuardianFactory, HealthFactory, UserFactory
from tests.families.conftest import text_of

pytestmark = pytest.mark.django_db
PERSON = {"name": "Jeanne Roux", "relationship": "Grand-mère", "phone": "06 39 98 00 11"}
NOTES = {"has_pai": "on", "allergies": "Arachide", "treatment": "", "doctor": "", "doctor_phone": ""}


def page_of(who: Family, child: Child) -> str:
    return text_of(who.client().get(reverse("families:child", args=[child.pk])))


@pytest.fixture
def person(shared_child: Child) -> AuthorisedPerson:
    return AuthorisedPersonFactory(child=shared_child, name="Jeanne Roux")


def add(child: Child, person: AuthorisedPerson) -> tuple[str, dict[str, str]]:
    return reverse("families:add_person", args=[child.pk]), PERSON | {"name": "Paul Petit"}


def change(child: Child, person: AuthorisedPerson) -> tuple[str, dict[str, str]]:
    return reverse("families:change_person", args=[child.pk, person.pk]), PERSON


def remove(child: Child, person: AuthorisedPerson) -> tuple[str, dict[str, str]]:
    return reverse("families:remove_person", args=[child.pk, person.pk]), {}


def heal(child: Child, person: AuthorisedPerson) -> tuple[str, dict[str, str]]:
    return reverse("families:health", args=[child.pk]), NOTES


SAID = {
    add: "Paul Petit peut maintenant venir chercher Sacha.",
    change: "Les coordonnées de Jeanne Roux, qui peut venir chercher Sacha, ont changé.",
    remove: "Jeanne Roux ne peut plus venir chercher Sacha.",
    heal: "La fiche sanitaire de Sacha a été modifiée.",
}


@pytest.mark.parametrize("act", SAID)
def test_what_one_home_changes_is_told_to_the_other_alone(
    roux, stranger, second_guardian, shared_child, person, commit, letters, act
):
    where, data = act(shared_child, person)
    with commit():
        roux.client().post(where, data)
    (letter,) = letters
    assert letter.to == [stranger.user.email]
    assert letter.subject == "Le dossier de Sacha a changé"
    assert "L'autre foyer a modifié le dossier de Sacha" in letter.body
    assert SAID[act] in letter.body
    assert f"/enfants/{shared_child.pk}/" in letter.body


@pytest.mark.parametrize("act", SAID)
def test_no_letter_says_what_a_file_says_or_who_lives_where(
    roux, stranger, shared_child, person, commit, letters, act
):
    where, data = act(shared_child, person)
    with commit():
        roux.client().post(where, data)
    (letter,) = letters
    both = letter.body + letter.alternatives[0][0]
    for secret in ("Arachide", "06 39 98", "Camille Roux", roux.household.street, roux.user.email):
        assert secret not in both


def test_nothing_changed_is_nothing_told(roux, shared_child, person, commit, letters):
    HealthFactory(child=shared_child, has_pai=True, allergies="Arachide", treatment="", doctor="")
    same = {"name": person.name, "relationship": person.relationship, "phone": person.phone}
    ChildHealth.objects.update(doctor_phone="")
    with commit():
        roux.client().post(*change(shared_child, person)[:1], same)
        roux.client().post(*heal(shared_child, person))
        roux.client().post(reverse("families:add_person", args=[shared_child.pk]), same)
    assert letters == []
    assert shared_child.authorised_people.count() == 1


def test_a_child_of_one_home_has_nobody_else_to_tell(roux, second_guardian, commit, letters):
    with commit():
        roux.client().post(reverse("families:add_person", args=[roux.child.pk]), PERSON)
    assert letters == []


def test_every_adult_of_the_other_home_who_has_a_login_is_told(
    roux, stranger, shared_child, person, commit, letters
):
    GuardianFactory(household=stranger.household, user=UserFactory(username="alix"))
    GuardianFactory(household=stranger.household, user=UserFactory(username="parti", is_active=False))
    GuardianFactory(household=stranger.household, user=None)
    with commit():
        roux.client().post(*remove(shared_child, person))
    assert sorted(letter.to[0] for letter in letters) == ["alix@example.org", stranger.user.email]


def desk_data(child: Child, person: AuthorisedPerson, **changed: str) -> dict[str, str]:
    """A child's page at the desk as the browser posts it, with one more person."""
    data = {"first_name": child.first_name, "last_name": child.last_name, "birth_date": "14/05/2018"}
    for prefix, total, initial in (("custodies", 0, 0), ("authorised_people", 2, 1), ("health", 1, 0)):
        data |= {f"{prefix}-TOTAL_FORMS": str(total), f"{prefix}-INITIAL_FORMS": str(initial)}
    one = "authorised_people-0-"
    data |= {f"{one}id": str(person.pk), f"{one}child": str(child.pk), f"{one}name": person.name}
    data |= {f"{one}relationship": person.relationship, f"{one}phone": person.phone}
    return data | changed


def test_what_the_town_hall_changes_is_told_in_both_homes_in_one_letter(
    roux, stranger, chief_client, shared_child, person, commit, letters
):
    where = reverse("admin:families_child_change", args=[shared_child.pk])
    new = {"authorised_people-1-name": "Paul Petit", "authorised_people-1-phone": "06 39 98 00 12"}
    data = desk_data(shared_child, person, **new, **{"authorised_people-0-DELETE": "on"})
    data |= {"health-0-allergies": "Arachide", "health-0-child": str(shared_child.pk)}
    with commit():
        answer = chief_client.post(where, data)
    assert answer.status_code == 302
    assert sorted(letter.to[0] for letter in letters) == sorted([roux.user.email, stranger.user.email])
    for letter in letters:
        assert "La mairie a modifié le dossier de Sacha" in letter.body
        for sentence in (SAID[add], SAID[remove], SAID[heal]):
            assert sentence in letter.body
        assert "Arachide" not in letter.body
    with commit():
        letters.clear()
        data = desk_data(shared_child, shared_child.authorised_people.get())
        data["health-INITIAL_FORMS"], data["health-0-id"] = "1", str(shared_child.health.pk)
        data |= {"health-0-allergies": "Arachide", "health-0-child": str(shared_child.pk)}
        assert chief_client.post(where, data).status_code == 302
    assert letters == []


# On the page ------------------------------------------------------------------------------------------


def test_the_page_says_when_and_from_which_side(roux, stranger, second_guardian, shared_child):
    roux.client().post(reverse("families:add_person", args=[shared_child.pk]), PERSON)
    roux.client().post(reverse("families:health", args=[shared_child.pk]), NOTES)
    assert page_of(roux, shared_child).count("Ajout le 9 novembre 2026 par vous") == 2
    assert page_of(stranger, shared_child).count("Ajout le 9 novembre 2026 par l'autre foyer") == 2
    page = text_of(second_guardian.get(reverse("families:child", args=[shared_child.pk])))
    assert page.count("Ajout le 9 novembre 2026 par votre foyer") == 2


def test_the_page_says_the_last_change_and_who_was_removed(roux, stranger, shared_child, now):
    roux.client().post(reverse("families:add_person", args=[shared_child.pk]), PERSON)
    person = shared_child.authorised_people.get()
    where = reverse("families:change_person", args=[shared_child.pk, person.pk])
    with time_machine.travel(now + timedelta(days=2), tick=False):
        stranger.client().post(where, PERSON | {"name": "Jeanne Petit"})
        stranger.client().post(where, PERSON | {"name": "Jeanne Petit-Roux"})
        page = page_of(roux, shared_child)
        assert "Ajout le 9 novembre 2026 par vous" in page
        assert page.count("Modification le 11 novembre 2026 par l'autre foyer") == 1
        stranger.client().post(*remove(shared_child, person))
        page = page_of(roux, shared_child)
        assert "Jeanne Petit-Roux – Retrait le 11 novembre 2026 par l'autre foyer" in page
        assert "Personne d'autre que ses responsables." in page
    with time_machine.travel(now + timedelta(days=400), tick=False):
        assert "Retrait" not in page_of(roux, shared_child)


def test_the_page_says_what_the_town_hall_wrote(roux, chief_client, shared_child, person):
    where = reverse("admin:families_child_change", args=[shared_child.pk])
    new = {"authorised_people-1-name": "Paul Petit", "authorised_people-1-phone": "06 39 98 00 12"}
    chief_client.post(where, desk_data(shared_child, person, **new))
    assert "Ajout le 9 novembre 2026 par la mairie" in page_of(roux, shared_child)


def test_staff_who_live_elsewhere_are_the_town_hall_whatever_their_children(
    roux, stranger, waits, shared_child, person
):
    """An agent who is a parent too acts for the town hall; not on a child of the own home."""
    where = reverse("admin:families_child_change", args=[shared_child.pk])
    for who, done in ((waits, True), (stranger, False)):
        who.user.is_staff = who.user.is_superuser = True
        who.user.save()
        data = desk_data(shared_child, person, **{"authorised_people-0-name": f"Jeanne {who.user}"})
        logged_in(who.user).post(where, data)
        person.refresh_from_db()
        assert (person.name == f"Jeanne {who.user}") == done
    page = page_of(roux, shared_child)
    assert "Modification le 9 novembre 2026 par la mairie" in page and "par l'autre foyer" not in page


def test_what_nobody_signed_says_only_when(roux, shared_child):
    AuthorisedPersonFactory(child=shared_child)
    page = page_of(roux, shared_child)
    assert "Ajout le 9 novembre 2026</span>" in page


def test_what_was_written_in_bulk_says_nothing_it_does_not_know(roux, shared_child):
    AuthorisedPerson.objects.bulk_create([AuthorisedPerson(child=shared_child, **PERSON)])
    ChildHealth.objects.bulk_create([ChildHealth(child=shared_child, allergies="Lait")])
    page = page_of(roux, shared_child)
    assert "Jeanne Roux" in page and "Lait" in page
    assert "Ajout" not in page.replace("Ajouter", "") and "Mise à jour le" in page


def test_the_page_never_says_the_authors_name(roux, stranger, chief_client, shared_child, person):
    stranger.guardian.first_name, stranger.guardian.last_name = "Dominique", "Morel"
    stranger.guardian.save()
    stranger.client().post(*add(shared_child, person))
    page = page_of(roux, shared_child)
    # Among the adults, as before; nowhere else.
    assert page.count("Dominique Morel") == 1
    assert stranger.household.street not in page and stranger.user.email not in page


def test_the_page_costs_the_same_after_ten_changes(roux, stranger, shared_child, django_assert_num_queries):
    client, where = roux.client(), reverse("families:child", args=[shared_child.pk])
    stranger.client().post(reverse("families:add_person", args=[shared_child.pk]), PERSON)
    client.get(where)
    with django_assert_num_queries(11):
        client.get(where)
    for each in range(10):
        data = PERSON | {"name": f"Jeanne {each}"}
        stranger.client().post(reverse("families:add_person", args=[shared_child.pk]), data)
    with django_assert_num_queries(11):
        client.get(where)
