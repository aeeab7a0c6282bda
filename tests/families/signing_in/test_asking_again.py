"""The password or the factor again, before what a session left open must not be able to do."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY
from django.contrib.auth.models import Group, Permission
from django.test import Client

from families.models import ChildHealth, Reading, User
from tests.conftest import NO_ROLES, NOW, Family, logged_in
from tests.factories import PASSWORD, HealthFactory, UserFactory
from tests.families.conftest import text_of
from tests.families.signing_in.conftest import code, enrol, log_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now", "town")]
AGAIN = "/confirmer-mon-identite/"


@pytest.fixture(autouse=True)
def asks(settings: Any) -> None:
    settings.ASK_AGAIN = True


def later(minutes: int) -> Any:
    return time_machine.travel(NOW + timedelta(minutes=minutes), tick=False)


def prove(client: Client, asked: Any, **proof: str):
    """Answers the page that asks, as the browser does: with where it leads back to."""
    page, _, query = asked.url.partition("?next=")
    back = client.get(asked.url).context["redirect_field_value"]
    assert query
    return goes_on(client, client.post(page, (proof or {"password": PASSWORD}) | {"next": back}))


def goes_on(client: Client, answer: Any) -> Any:
    """Posts again what waited, as the page does by itself."""
    if not answer.context or "fields" not in answer.context:
        return answer
    posted: dict[str, list[str]] = {}
    for name, value in answer.context["fields"]:
        posted.setdefault(name, []).append(value)
    return client.post(answer.context["where"], posted)


def test_a_fresh_login_is_a_proof_for_a_quarter_of_an_hour(chief: User):
    client = log_in(chief)
    page = f"/mairie/families/user/{chief.pk}/change/"
    with later(14):
        assert client.get(page).status_code == 200
    with later(15):
        assert client.get(page).url.startswith(f"{AGAIN}?next=%2Fmairie%2Ffamilies%2Fuser")


@pytest.mark.parametrize("action", ["add", "change", "delete", "password", "group"])
def test_rights_of_staff_are_asked_for_again(chief_client: Client, agent: User, action: str):
    page = {
        "add": "/mairie/families/user/add/",
        "change": f"/mairie/families/user/{agent.pk}/change/",
        "delete": f"/mairie/families/user/{agent.pk}/delete/",
        "password": f"/mairie/families/user/{agent.pk}/password/",
        "group": f"/mairie/auth/group/{Group.objects.get(name='Agent').pk}/change/",
    }[action]
    for answer in (chief_client.get(page), chief_client.post(page, {})):
        assert answer.url.startswith(AGAIN)
    back = prove(chief_client, chief_client.get(page))
    assert back.url == page
    assert chief_client.get(page).status_code == 200


def test_who_sends_a_list_of_rows_to_be_deleted_is_asked_again(chief_client: Client, agent: User):
    posted = {"action": "delete_selected", "_selected_action": agent.pk, "post": "yes"}
    asked = chief_client.post("/mairie/families/user/?is_staff__exact=1", posted)
    assert asked.url.startswith(AGAIN)
    assert User.objects.filter(pk=agent.pk).exists()
    prove(chief_client, asked)
    assert not User.objects.filter(pk=agent.pk).exists()


def test_what_was_posted_is_posted_again_after_the_proof(chief_client: Client, agent: User):
    page = f"/mairie/families/user/{agent.pk}/change/?_changelist_filters=is_staff%3D1"
    posted = NO_ROLES | {
        "username": "agent",
        "first_name": "Éloïse & Co",
        "is_staff": "on",
        "date_joined_0": "2026-01-01",
    }
    asked = chief_client.post(page, posted | {"date_joined_1": "10:00:00"})
    kept = chief_client.session[STATE_SESSION_KEY]["state"]
    assert "& Co" not in kept["fields"], "Nothing waits in clear."
    answer = prove(chief_client, asked)
    assert answer.status_code == 302
    agent.refresh_from_db()
    assert agent.first_name == "Éloïse & Co"
    assert STATE_SESSION_KEY not in chief_client.session


def test_a_wrong_password_repeats_nothing(chief_client: Client, agent: User):
    page = f"/mairie/families/user/{agent.pk}/delete/"
    asked = chief_client.post(page, {"post": "yes"})
    assert "Ce mot de passe est incorrect" in text_of(prove(chief_client, asked, password="faux"))
    assert User.objects.filter(pk=agent.pk).exists()


def test_a_factor_is_a_proof_too(chief: User, agent: User):
    enrol(chief)
    client = logged_in(chief)
    page = f"/mairie/families/user/{agent.pk}/delete/"
    asked = client.post(page, {"post": "yes"})
    assert "Avec un code" in text_of(client.get(asked.url))
    (other,) = client.get(asked.url).context["reauthentication_alternatives"]
    back = client.get(other["url"]).context["redirect_field_value"]
    goes_on(client, client.post(other["url"].partition("?")[0], {"code": code(), "next": back}))
    assert not User.objects.filter(pk=agent.pk).exists()


def test_what_waits_is_forgotten_when_something_else_is_asked_for(chief_client: Client, agent: User):
    chief_client.post(f"/mairie/families/user/{agent.pk}/delete/", {"post": "yes"})
    prove(chief_client, chief_client.get("/mairie/families/user/add/"))
    assert User.objects.filter(pk=agent.pk).exists()


def test_what_waits_is_not_posted_when_the_page_leads_elsewhere(chief_client: Client, agent: User):
    chief_client.post(f"/mairie/families/user/{agent.pk}/delete/", {"post": "yes"})
    answer = chief_client.post(AGAIN, {"password": PASSWORD, "next": "/mairie/"})
    assert answer.url == "/mairie/"
    assert User.objects.filter(pk=agent.pk).exists()


def test_passwords_do_not_wait_in_the_session(chief_client: Client):
    new = "girafe sous la pluie 7"
    typed = {"username": "nouvel-agent", "password1": new, "password2": new}
    answer = prove(chief_client, chief_client.post("/mairie/families/user/add/", typed))
    assert answer.status_code == 200
    assert answer.context["adminform"].form.data["username"] == "nouvel-agent"
    assert "password1" not in answer.context["adminform"].form.data
    assert not User.objects.filter(username="nouvel-agent").exists()


def test_where_nothing_is_asked_nobody_is_stopped(chief_client: Client, settings):
    settings.ASK_AGAIN = False
    assert chief_client.get("/mairie/families/user/add/").status_code == 200


# The health file ------------------------------------------------------------------------------------


@pytest.fixture
def nurse(agent: User, roux: Family) -> Client:
    """An agent who may see health files."""
    HealthFactory(child=roux.child, allergies="Arachides")
    agent.groups.set([Group.objects.get(name="Fiches sanitaires")])
    agent.user_permissions.set(Permission.objects.filter(codename="change_child"))
    return logged_in(User.objects.get(pk=agent.pk))


def test_a_childs_page_shows_the_way_to_its_health_file_not_the_file(nurse: Client, roux: Family):
    page = f"/mairie/families/child/{roux.child.pk}/change/"
    shown = text_of(nurse.get(page))
    assert "Arachides" not in shown
    assert 'href="?sante=1">Ouvrir la fiche sanitaire' in shown
    asked = nurse.get(f"{page}?sante=1")
    assert asked.url.startswith(AGAIN)
    back = prove(nurse, asked)
    assert back.url == f"{page}?sante=1"
    assert "Arachides" in text_of(nurse.get(back.url))


def test_former_versions_of_a_health_file_are_the_file_too(nurse: Client, roux: Family):
    history = f"/mairie/families/child/{roux.child.pk}/history/"
    assert nurse.get(history).status_code == 200
    answer = nurse.get(history, {"de": "sante"})
    assert answer.status_code == 302 and "confirmer-mon-identite" in answer["Location"]
    assert not Reading.objects.exists()


def test_a_health_file_typed_for_too_long_is_not_lost(nurse: Client, roux: Family):
    page = f"/mairie/families/child/{roux.child.pk}/change/?sante=1"
    prove(nurse, nurse.get(page))
    form = nurse.get(page)
    posted = dict(form.context["adminform"].form.initial)
    for formset in form.context["inline_admin_formsets"]:
        posted |= {
            f"{formset.formset.prefix}-{key}": value
            for key, value in formset.formset.management_form.initial.items()
        }
    health = ChildHealth.objects.get()
    posted |= {"health-0-id": health.pk, "health-0-child": roux.child.pk, "health-0-allergies": "Lait"}
    posted = {key: value for key, value in posted.items() if value is not None}
    with later(20):
        asked = nurse.post(page, posted)
        assert asked.url.startswith(AGAIN)
        prove(nurse, asked)
    health.refresh_from_db()
    assert health.allergies == "Lait"


def test_who_may_not_see_it_is_neither_asked_nor_shown(roux: Family, agent: User):
    HealthFactory(child=roux.child, allergies="Arachides")
    agent.user_permissions.set(Permission.objects.filter(codename__in=["view_child", "change_child"]))
    client = logged_in(User.objects.get(pk=agent.pk))
    for query in ("", "?sante=1"):
        page = text_of(client.get(f"/mairie/families/child/{roux.child.pk}/change/{query}"))
        assert "Arachides" not in page and "fiche sanitaire" not in page


def test_who_has_neither_password_nor_factor_cannot_be_asked():
    user = UserFactory(username="carte", is_staff=True, is_superuser=True)
    user.set_unusable_password()
    user.save()
    assert logged_in(user).get("/mairie/families/user/add/").status_code == 200
