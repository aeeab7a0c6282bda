"""« Agents de la mairie »: a Responsable resets a factor, and ends functions, with a reason and a trace."""

from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client

from families.models import SecurityEvent, User
from tests.conftest import Family, logged_in
from tests.factories import GuardianFactory, UserFactory
from tests.families.conftest import text_of
from tests.families.signing_in.conftest import enrol, factors_of, log_in, who

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now", "town")]
LIST = "/mairie/families/staffmember/"


@pytest.fixture
def responsable() -> User:
    user = UserFactory(username="responsable", is_staff=True, first_name="Sacha", last_name="Chef")
    user.groups.add(Group.objects.get_or_create(name="Responsable")[0])
    return user


def decide(client: Client, action: str, *whom: User, reason: str = "Téléphone perdu", **posted: Any):
    chosen = {"action": action, "_selected_action": [user.pk for user in whom], "select_across": "0"}
    if reason:
        chosen |= {"reason_given": "1", "reason": reason}
    return client.post(LIST, chosen | posted)


def test_a_responsable_resets_a_factor_with_a_reason_a_trace_and_a_mail(
    responsable: User, agent: User, commit, letters
):
    enrol(agent)
    theirs = log_in(agent)
    client = logged_in(responsable)
    asked = text_of(decide(client, "reset_factors", agent, reason=""))
    assert "Dominique Agent" in asked and "Motif" in asked
    assert factors_of(agent)
    with commit():
        decide(client, "reset_factors", agent)
    assert factors_of(agent) == set()
    assert who(theirs) == ""
    noted = SecurityEvent.objects.get(kind="factor_reset")
    assert (noted.user, noted.by, noted.detail) == (agent, responsable, "Téléphone perdu")
    assert LogEntry.objects.get().change_message == (
        "Double authentification remise à zéro. Motif : Téléphone perdu"
    )
    (letter,) = letters
    assert letter.to == [agent.email]
    assert letter.subject == "Double authentification remise à zéro"
    assert "par Sacha Chef" in letter.body


def test_a_reset_without_a_reason_does_nothing(responsable: User, agent: User):
    enrol(agent)
    answer = decide(logged_in(responsable), "reset_factors", agent, reason="", reason_given="1")
    assert "Indiquez le motif" in text_of(answer)
    assert factors_of(agent)


@pytest.mark.parametrize("action", ["reset_factors", "end_functions"])
def test_nobody_decides_about_oneself_nor_a_responsable_about_a_superuser(
    action: str, responsable: User, chief: User, commit
):
    enrol(responsable)
    enrol(chief)
    with commit():
        answer = decide(logged_in(responsable), action, responsable, chief)
    assert answer.status_code == 302
    assert factors_of(responsable) and factors_of(chief)
    assert User.objects.filter(is_staff=True).count() == 2
    with commit():
        decide(logged_in(chief), action, responsable, chief)
    assert factors_of(responsable) == set() and factors_of(chief)


@pytest.mark.parametrize("name", ["agent", "regie"])
def test_only_who_answers_for_staff_sees_them(name: str, request: pytest.FixtureRequest, responsable: User):
    client = logged_in(request.getfixturevalue(name))
    assert client.get(LIST).status_code == 403
    assert decide(client, "reset_factors", responsable).status_code == 403


def test_families_are_no_staff(responsable: User, roux: Family):
    client = logged_in(responsable)
    assert "roux" not in text_of(client.get(LIST))
    enrol(roux.user)
    decide(client, "reset_factors", roux.user)
    assert factors_of(roux.user)


def test_one_button_ends_access_rights_factors_and_sessions(responsable: User, agent: User, commit, letters):
    enrol(agent)
    theirs = logged_in(agent)
    client = logged_in(responsable)
    asked = text_of(decide(client, "end_functions", agent, reason=""))
    assert "Rien n'est à remettre" in asked
    with commit():
        decide(client, "end_functions", agent, reason="Mutation")
    agent.refresh_from_db()
    assert (agent.is_staff, agent.is_superuser, agent.is_active) == (False, False, False)
    assert not agent.groups.exists() and factors_of(agent) == set()
    assert theirs.get("/mairie/").status_code == 302 and who(log_in(agent)) == ""
    assert not UserSession.objects.filter(user=agent).exists()
    said = SecurityEvent.objects.filter(kind="rights", detail__startswith="fin de fonctions").get()
    assert (said.detail, said.by) == ("fin de fonctions : Mutation", responsable)
    assert [letter.subject for letter in letters] == ["Votre accès à la mairie a pris fin"]
    assert "compte famille" not in letters[0].body


def test_the_page_lists_what_waits_for_the_colleagues(chief_client: Client, agent: User, newcomers):
    page = text_of(decide(chief_client, "end_functions", agent, reason=""))
    assert ">Comptes famille à valider</a> : 1" in page


def test_who_is_a_parent_too_keeps_the_familys_account(
    chief_client: Client, agent: User, roux, commit, letters
):
    GuardianFactory(household=roux.household, user=agent)
    with commit():
        decide(chief_client, "end_functions", agent, reason="Retraite")
    client = log_in(agent)
    assert client.get("/foyer/").status_code == 200
    assert client.get("/mairie/").status_code == 302
    assert "compte famille reste ouvert" in letters[0].body


def test_the_list_says_who_has_what_in_a_fixed_number_of_queries(
    responsable: User, agent: User, django_assert_num_queries
):
    client = logged_in(responsable)
    assert text_of(client.get(LIST)).count("pas encore") == 2
    enrol(agent)
    assert "application" in text_of(client.get(LIST))
    for number in range(9):
        enrol(UserFactory(username=f"agent-{number}", is_staff=True))
    with django_assert_num_queries(8):
        client.get(LIST)


def test_no_page_of_the_desk_shows_the_secret_of_a_factor():
    shown = {model._meta.label for model in admin.site._registry}
    assert not shown & {"mfa.Authenticator", "usersessions.UserSession"}
