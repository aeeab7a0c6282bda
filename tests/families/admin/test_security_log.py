"""The desk's page of the security log, and that of accounts that share a name."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from families.models import SecurityEvent, User
from families.signing_in import shared_names
from families.traces import security
from tests.conftest import NOW, Family, logged_in
from tests.factories import UserFactory
from tests.families.conftest import text_of
from tests.families.test_login import log_in
from tests.families.test_recovery import ask

pytestmark = pytest.mark.django_db
LOG, SHARED = "/mairie/families/securityevent/", "/mairie/families/securityevent/noms-partages/"
ADDRESS = "camille@kermit.example"
KIND = SecurityEvent.Kind


@pytest.fixture
def manager_client(now, town) -> Client:
    """Who heads the service."""
    user = UserFactory(username="responsable", is_staff=True)
    user.groups.add(Group.objects.get(name="Responsable"))
    return logged_in(user)


@pytest.fixture
def twins(now, town) -> tuple[User, User]:
    """Two accounts of one address, as an earlier version let them be."""
    return (
        UserFactory(username="camille", email=ADDRESS),
        UserFactory(username="camille.bis", email="camille@ｋermit.example", email_shared=True),
    )


# The log ----------------------------------------------------------------------------------------------


def test_the_responsable_reads_who_came_in_and_who_did_not(manager_client, roux: Family):
    log_in("roux", "faux")
    log_in("roux")
    page = text_of(manager_client.get(LOG))
    assert "Échec de connexion" in page and "Connexion" in page
    assert f'<a href="{LOG}?user__id__exact={roux.user.pk}">roux</a>' in page
    failures = text_of(manager_client.get(f"{LOG}?kind__exact=failed"))
    assert "1 événement de sécurité" in failures
    assert manager_client.get(f"{LOG}?user__id__exact={roux.user.pk}").status_code == 200
    mark = SecurityEvent.objects.first().network_mark
    assert "2 événements de sécurité" in text_of(manager_client.get(f"{LOG}?network_mark={mark}"))
    assert "2 événements" in text_of(manager_client.get(f"{LOG}?at__gte=2026-11-09 00:00:00%2B01:00&q=roux"))


def test_what_was_typed_is_found_though_no_line_holds_it(manager_client, roux: Family):
    log_in("Personne@example.org", "faux")
    log_in("roux@example.org", "faux")
    for typed, found in (("personne@example.org", 1), ("ROUX@example.org", 1), ("roux", 1), ("rien", 0)):
        page = manager_client.get(LOG, {"q": typed})
        assert page.context["cl"].result_count == found, typed
        assert "personne@example.org" not in text_of(page).replace(f'value="{typed}"', "")


def test_who_may_change_accounts_is_led_to_their_pages(manager_client, chief_client, roux: Family):
    log_in("roux", "faux")
    log_in("personne", "faux")
    where = reverse("admin:families_user_change", args=[roux.user.pk])
    assert where in text_of(chief_client.get(LOG))
    assert where not in text_of(manager_client.get(LOG))


def test_others_do_not_read_it(agent_client, regie_client, roux: Family):
    for client in (agent_client, regie_client):
        assert client.get(LOG).status_code == client.get(SHARED).status_code == 403
        assert client.post(SHARED, {"compte": roux.user.pk}).status_code == 403
        assert "À surveiller" not in text_of(client.get("/mairie/"))
    assert roux.client().get(LOG).status_code == 302


def test_nobody_writes_or_deletes_a_line(manager_client, chief_client, roux: Family):
    log_in("roux", "faux")
    row = SecurityEvent.objects.get(kind="failed")
    for client in (manager_client, chief_client):
        assert client.get(f"{LOG}{row.pk}/change/").status_code == 200
        assert client.post(f"{LOG}{row.pk}/change/", {"kind": "login"}).status_code == 403
        assert client.post(f"{LOG}{row.pk}/delete/", {"post": "yes"}).status_code == 403
        assert client.get(f"{LOG}add/").status_code == 403


def test_what_a_flood_caused_is_a_line_with_its_number(manager_client):
    SecurityEvent.objects.create(kind=KIND.FAILED, at=NOW, detail=security.THE_REST, times=340)
    assert "340 de plus dans la même minute" in text_of(manager_client.get(LOG))


def test_something_odd_is_said_where_the_responsable_looks(manager_client):
    for number in range(30):
        SecurityEvent.objects.create(kind=KIND.FAILED, at=NOW - timedelta(seconds=number))
    sentence = "30 échecs de connexion en dix minutes, lundi 9 novembre à 9 h 59."
    home = text_of(manager_client.get("/mairie/"))
    assert "À surveiller" in home
    assert f'<a href="{LOG}?kind__exact=failed">{sentence}</a>' in home
    assert sentence in text_of(manager_client.get(LOG))


def test_on_a_quiet_day_there_is_nothing_to_look_at(manager_client, roux: Family):
    log_in("roux", "faux")
    assert "À surveiller" not in text_of(manager_client.get("/mairie/"))


def test_the_list_takes_as_many_queries_for_one_line_as_for_ten(manager_client, django_assert_num_queries):
    counts = []
    for lines in (1, 10):
        for number in range(lines):
            user = UserFactory(username=f"compte{lines}{number}")
            security.note(KIND.PASSWORD, user=user, by=user)
        manager_client.get(LOG)
        with django_assert_num_queries(counts[0] if counts else 9) as seen:
            manager_client.get(LOG)
        counts.append(len(seen))


# Accounts that share a name ---------------------------------------------------------------------------


def test_accounts_of_one_address_are_listed_with_what_to_do(manager_client, chief_client, twins):
    said = "1 nom est porté par plusieurs comptes : leur mot de passe oublié attend votre choix."
    for client, where in (
        (manager_client, "/mairie/"),
        (manager_client, LOG),
        (chief_client, "/mairie/families/user/"),
    ):
        assert f'<a href="{SHARED}">{said}</a>' in text_of(client.get(where))
    page = text_of(manager_client.get(SHARED))
    assert f"Adresse {ADDRESS}" in page
    assert "Fermer camille" in page and "Fermer camille.bis" in page
    assert reverse("admin:families_user_change", args=[twins[0].pk]) not in page
    assert reverse("admin:families_user_change", args=[twins[0].pk]) in text_of(chief_client.get(SHARED))


def test_closing_one_of_them_gives_the_other_its_letters_back(manager_client, twins, commit, letters):
    first, second = twins
    used = logged_in(second)
    page = manager_client.post(SHARED, {"compte": second.pk}, follow=True)
    assert "Le compte camille.bis est fermé." in text_of(page)
    assert "Aucun nom n’est porté par plusieurs comptes." in text_of(page)
    assert used.get("/foyer/").status_code == 302
    event = SecurityEvent.objects.get(kind=KIND.CLOSED)
    assert (event.user, event.by.username) == (second, "responsable")
    with commit():
        ask(ADDRESS)
    assert [letter.to for letter in letters] == [[first.email]]


def test_another_name_settles_it_too_and_the_night_knows(chief_client, twins, now):
    assert shared_names.settle() == 0
    twins[0].email = "autre@example.org"
    twins[0].save(update_fields=["email"])
    assert "Aucun nom" in text_of(chief_client.get(SHARED))
    assert shared_names.settle() == 1
    twins[1].refresh_from_db()
    assert not twins[1].email_shared


def test_identifiants_are_shared_too(manager_client, now, town):
    UserFactory(username="fiona")
    UserFactory(username="ﬁona", email="autre@example.org", username_shared=True)
    assert "Identifiant fiona" in text_of(manager_client.get(SHARED))


@pytest.mark.parametrize("which", ["staff", "alone", "nobody", "rubbish"])
def test_only_a_familys_account_that_shares_a_name_is_closed(manager_client, twins, roux: Family, which: str):
    User.objects.filter(pk=twins[1].pk).update(is_staff=True)
    posted = {"staff": twins[1].pk, "alone": roux.user.pk, "nobody": 10**9, "rubbish": "x"}[which]
    page = text_of(manager_client.post(SHARED, {"compte": posted}, follow=True))
    assert ("d'un agent se ferme sur sa fiche" if which == "staff" else "ne partage plus de nom") in page
    assert not User.objects.filter(is_active=False).exists()
    assert "Compte d’un agent" in page


def test_the_page_takes_as_many_queries_for_two_accounts_as_for_twenty(
    manager_client, twins, django_assert_num_queries
):
    manager_client.get(SHARED)
    with django_assert_num_queries(5) as few:
        manager_client.get(SHARED)
    for number in range(9):
        UserFactory(username=f"a{number}", email=f"a{number}@kermit.example")
        UserFactory(username=f"b{number}", email=f"A{number}@kermit.example", email_shared=True)
    with django_assert_num_queries(len(few)):
        manager_client.get(SHARED)
