"""An agent's one form: name, address, role, places; an invitation opens the account, with a second factor."""

import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from families import groups
from families.models import SecurityEvent, User
from portal.reservations.desk.staff import StaffForm
from portal.reservations.models import StaffRight
from portal.reservations.staff import giving
from tests.conftest import logged_in
from tests.families.conftest import commit, letters, text_of
from tests.families.signing_in.conftest import LOGIN, who
from tests.families.test_recovery import NEW, choose
from tests.portal.reservations.desk.test_queues import said

__all__ = ["commit", "letters"]
ADD = reverse("admin:families_staffmember_add")


@pytest.fixture
def responsable(agent, town) -> Client:
    """Heads the service, and is an agent too: gives what an agent has."""
    giving.give(agent, Group.objects.get(name=groups.MANAGER), by=None)
    return logged_in(agent)


def field(name: str) -> str:
    return f"role_{Group.objects.get(name=name).pk}"


def sam(*places, **roles: str) -> dict:
    typed = {"first_name": "Sam", "last_name": "Verger", "email": "sam.verger@mairie.example"}
    typed |= {field(name): where for name, where in roles.items()}
    return typed | {"places": [place.pk for place in places]}


def page_of(user: User) -> str:
    return reverse("admin:families_staffmember_change", args=[user.pk])


def link_in(letter) -> str:
    return re.search(r"https?://[^/\s]+(/mairie-invitation/\S+/)", letter.body).group(1)


def held(user: User) -> dict[str, list[str] | None]:
    rows = StaffRight.objects.filter(user=user).prefetch_related("places")
    return {
        str(one.role): None if one.everywhere else sorted(place.name for place in one.places.all())
        for one in rows
    }


@pytest.fixture
def invited(responsable, canteen, commit, letters) -> User:
    with commit():
        done = responsable.post(ADD, sam(canteen.restaurant, Animation="lieux"))
    assert done.status_code == 302, done.context["errors"]
    return User.objects.get(username="sam.verger")


def test_one_form_makes_the_account_and_writes_to_it(invited, agent, canteen, letters):
    assert held(invited) == {"Animation": [canteen.restaurant.name]}
    assert invited.is_staff and not invited.is_superuser and not invited.has_usable_password()
    (letter,) = letters
    assert letter.to == ["sam.verger@mairie.example"]
    assert "sam.verger" in letter.body and "14 jours" in letter.body
    noted = SecurityEvent.objects.filter(kind=SecurityEvent.Kind.RIGHTS, user=invited)
    assert {"compte créé, invitation envoyée", f"Animation : {canteen.restaurant.name}"} <= {
        one.detail for one in noted if one.by == agent
    }


def test_the_link_opens_it_once_and_the_second_factor_is_asked_for(invited, letters, settings):
    settings.STAFF_SECOND_FACTOR = True
    link = link_in(letters[0])
    for _ in range(2):  # a program that follows links takes nothing away
        opened = Client().get(link)
    assert choose(opened.url).url == "/mot-de-passe-oublie/modifie/"
    assert Client().get(link).status_code == 404
    client = Client()
    client.post(LOGIN, {"login": "sam.verger@mairie.example", "password": NEW})
    assert who(client) == str(invited.pk)
    assert client.get("/mairie/").url == reverse("mfa_index")


def test_another_invitation_kills_the_link_before_it(invited, responsable, commit, letters):
    with commit():
        responsable.post(
            reverse("admin:families_staffmember_changelist"),
            {"action": "invite_again", "_selected_action": [invited.pk]},
        )
    first, second = map(link_in, letters)
    assert Client().get(first).status_code == 404
    choose(Client().get(second).url)
    again = responsable.post(
        reverse("admin:families_staffmember_changelist"),
        {"action": "invite_again", "_selected_action": [invited.pk]},
    )
    assert "1 compte est déjà ouvert : rien ne lui est envoyé." in said(again)


def test_a_mistyped_address_is_corrected_until_the_account_is_open(invited, responsable, commit, letters):
    right = sam(*StaffRight.objects.get(user=invited).places.all(), Animation="lieux")
    right["email"] = "s.verger@mairie.example"
    with commit():
        assert responsable.post(page_of(invited), right).status_code == 302
    assert letters[1].to == ["s.verger@mairie.example"]
    assert Client().get(link_in(letters[0])).status_code == 404
    choose(Client().get(link_in(letters[1])).url)
    form = responsable.get(page_of(invited)).context["adminform"].form
    assert "email" not in form.fields and "first_name" in form.fields
    User.objects.filter(pk=invited.pk).update(first_name="Samuel")
    renamed = right | {"email": "other@mairie.example", "first_name": "Samuelle"}
    assert responsable.post(page_of(invited), renamed).status_code == 302
    invited.refresh_from_db()
    assert (invited.first_name, invited.email) == ("Samuelle", "s.verger@mairie.example")


def test_an_invitation_to_more_than_one_has_goes_nowhere_else(invited, responsable, chief, chief_client):
    giving.give(invited, Group.objects.get(name="Régie"), by=chief)
    mine = sam(Animation="commune") | {"email": "mine@mairie.example", "first_name": "Samuelle"}
    assert "email" not in responsable.get(page_of(invited)).context["adminform"].form.fields
    assert responsable.post(page_of(invited), mine).status_code == 302
    invited.refresh_from_db()
    assert (invited.first_name, invited.email) == ("Samuelle", "sam.verger@mairie.example")
    # An administrator gives all roles; a right given past them is an administrator's too.
    assert "email" in chief_client.get(page_of(invited)).context["adminform"].form.fields
    giving.withdraw(invited, Group.objects.get(name="Régie"), by=chief)
    assert "email" in responsable.get(page_of(invited)).context["adminform"].form.fields
    invited.user_permissions.add(Permission.objects.get(codename="add_payment"))
    assert "email" not in responsable.get(page_of(invited)).context["adminform"].form.fields


def test_a_password_chosen_and_functions_ended_meanwhile_stay(invited, responsable, monkeypatch):
    """Between the reading of the row and its writing, the account opens and closes again."""
    before = StaffForm.clean_email

    def slowly(form):
        User.objects.filter(pk=invited.pk).update(password="chosen", is_staff=False, is_active=False)
        return before(form)

    monkeypatch.setattr(StaffForm, "clean_email", slowly)
    mine = sam(Animation="commune") | {"email": "mine@mairie.example", "first_name": "Samuelle"}
    responsable.post(page_of(invited), mine)
    invited.refresh_from_db()
    assert (invited.first_name, invited.email) == ("Samuelle", "sam.verger@mairie.example")
    assert (invited.password, invited.is_staff, invited.is_active) == ("chosen", False, False)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"email": "agent@example.org"}, "Un compte utilise déjà cette adresse."),
        ({"Animation": ""}, "Donnez au moins un rôle."),
        ({"places": []}, "Choisissez au moins un établissement"),
        ({"last_name": ""}, "obligatoire"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_sent(responsable, canteen, letters, change, sentence):
    typed = sam(canteen.restaurant, Animation="lieux")
    typed |= {field(name) if name == "Animation" else name: value for name, value in change.items()}
    assert sentence in text_of(responsable.post(ADD, typed))
    assert not User.objects.filter(last_name="Verger").exists() and not letters


def test_nobody_gives_more_than_they_have(responsable, canteen, chief_client):
    offered = responsable.get(ADD).context["adminform"].form.fields
    assert {field(name) in offered for name in ("Agent", "Animation", "Cuisine", "Responsable")} == {True}
    assert {field(name) in offered for name in ("Régie", "Lecture", "Guichet")} == {False}
    responsable.post(ADD, sam(canteen.restaurant, Animation="lieux", Régie="commune"))
    assert held(User.objects.get(username="sam.verger")) == {"Animation": [canteen.restaurant.name]}
    assert field("Régie") in chief_client.get(ADD).context["adminform"].form.fields


def test_roles_change_on_the_same_form_and_others_stay(invited, responsable, canteen, elsewhere, chief):
    bosquet = elsewhere.enrolment.establishment
    giving.give(invited, Group.objects.get(name="Cuisine"), places=[bosquet], by=chief)
    giving.give(invited, Group.objects.get(name="Régie"), by=chief)
    page = responsable.get(page_of(invited))
    assert "Comme aujourd&#x27;hui : Restaurant du Bosquet" in page.text
    assert f"Animation ({canteen.restaurant}) ; Cuisine (Restaurant du Bosquet) ; Régie" in text_of(page)
    as_shown = {
        name: page.context["adminform"].form.initial[field(name)] for name in ("Animation", "Cuisine")
    }
    assert as_shown == {"Animation": "lieux", "Cuisine": "inchange"}
    responsable.post(page_of(invited), sam(canteen.restaurant, **as_shown | {"Animation": "commune"}))
    assert held(invited) == {"Animation": None, "Cuisine": [bosquet.name], "Régie": None}
    responsable.post(page_of(invited), sam(bosquet, Animation="", Cuisine="lieux"))
    assert held(invited) == {"Cuisine": [bosquet.name], "Régie": None}
    assert StaffRight.objects.get(role__name="Régie").given_by == chief


def test_ones_own_roles_and_an_administrators_are_for_somebody_else(responsable, agent, chief, canteen):
    for user in (agent, chief):
        page = responsable.get(page_of(user))
        assert page.status_code == 200 and field("Agent") not in page.text
        responsable.post(page_of(user), sam(canteen.restaurant, Cuisine="commune"))
    assert "Cuisine" not in {**held(agent), **held(chief)}


def test_nothing_technical_stands_on_it(invited, agent, responsable, chief_client):
    for client in (responsable, chief_client):
        for url in (ADD, page_of(invited)):
            text = text_of(client.get(url)).lower()
            for word in ("argon2", "algorithme", "super-utilisateur", "permission"):
                assert word not in text, word
    login = text_of(chief_client.get(reverse("admin:families_user_change", args=[agent.pk]))).lower()
    assert "mot de passe" in login and "argon2" not in login and "algorithme" not in login
