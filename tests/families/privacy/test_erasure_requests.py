"""« Faire effacer mes données »: asked by a family, answered by the Responsable, seen beforehand."""

import pytest
from django.contrib.auth.models import Group
from django.test import override_settings

from families.models import Child, Erasure, ErasureRequest, Household, User
from families.privacy import erasing, requests
from tests.conftest import logged_in
from tests.factories import UserFactory
from tests.families.conftest import text_of

ASK = "/foyer/mes-donnees/effacer/"


@pytest.fixture
def manager(agent) -> User:
    """Heads the service, and does the daily work too."""
    user = UserFactory(username="chef", is_staff=True)
    for name in ("Agent", "Responsable"):
        user.groups.add(Group.objects.get(name=name))
    return user


@pytest.fixture
def manager_client(manager):
    return logged_in(manager)


def desk(household: Household) -> str:
    return f"/mairie/families/erasure/foyer/{household.pk}/"


def test_a_family_sees_what_would_go_asks_once_and_is_answered(lived, books_client, letters, commit):
    page = text_of(books_client.get(ASK))
    assert "vos factures et vos règlements" in page and "leurs fiches sanitaires" in page
    with commit():
        books_client.post(ASK, {"words": "Nous déménageons."})
        books_client.post(ASK, {"words": "Encore"})
    asked = ErasureRequest.objects.get()
    assert asked.words == "Nous déménageons." and asked.requested_by == lived.user
    assert sorted(to for letter in letters for to in letter.to) == sorted(
        ["alix.roux@example.org", lived.user.email]
    )
    assert "attend la réponse de la mairie" in text_of(books_client.get("/foyer/mes-donnees/"))


def test_the_other_adult_of_the_home_may_withdraw_it(lived, books_client, now):
    requests.ask(lived.household, words="", by=lived.user, at=now)
    alix = logged_in(User.objects.get(username="alix"))
    alix.post(ASK, {"withdraw": "1"})
    assert not ErasureRequest.objects.exists()


def test_it_waits_in_the_queue_and_is_granted_with_its_number(
    lived, books_client, manager_client, now, letters, commit
):
    requests.ask(lived.household, words="Merci", by=lived.user, at=now)
    assert "Demandes d'effacement à traiter" in text_of(manager_client.get("/mairie/"))
    assert desk(lived.household) in text_of(manager_client.get("/mairie/families/erasurerequest/"))
    page = text_of(manager_client.get(desk(lived.household)))
    assert "« Merci »" in page and "Accès au portail : 2" in page
    wrong = manager_client.post(desk(lived.household), {"number": "999999"})
    assert "Recopiez le numéro" in text_of(wrong) and Child.objects.filter(first_name="Lina").exists()
    with commit():
        answer = manager_client.post(desk(lived.household), {"number": lived.household.number}, follow=True)
    done = Erasure.objects.get()
    assert done.why == "request" and done.by.username == "chef"
    assert "Attestation d'effacement" in text_of(answer) and str(done.reference) in text_of(answer)
    assert not ErasureRequest.objects.exists()
    assert "Vos données sont effacées" in [letter.subject for letter in letters]
    assert manager_client.get(desk(lived.household)).status_code == 404
    assert books_client.get("/foyer/").status_code == 302


def test_a_responsable_who_is_no_agent_answers_a_family_and_sees_no_other(lived, stranger, now, commit):
    alone = UserFactory(username="cheffe", is_staff=True)
    alone.groups.add(Group.objects.get(name="Responsable"))
    client = logged_in(alone)
    assert client.get(desk(lived.household)).status_code == 403, "nobody asked"
    requests.ask(lived.household, words="Merci", by=lived.user, at=now)
    page = text_of(client.get("/mairie/families/erasurerequest/"))
    assert "Camille Roux" in page and desk(lived.household) in page
    assert "/mairie/families/household/" not in page
    page = text_of(client.get(desk(lived.household)))
    assert "Camille Roux" in page and "Recopiez" in page
    assert "/mairie/families/household/" not in page
    assert client.get(desk(stranger.household)).status_code == 403
    with commit():
        client.post(desk(lived.household), {"number": lived.household.number})
    assert Erasure.objects.get().by == alone


def test_it_is_refused_with_a_reason_that_the_family_reads(
    lived, books_client, manager_client, now, letters, commit
):
    asked = requests.ask(lived.household, words="", by=lived.user, at=now)
    with commit():
        manager_client.post(
            "/mairie/families/erasurerequest/",
            {
                "action": "refuse_selected",
                "_selected_action": asked.pk,
                "reason_given": "1",
                "ready": "autre",
                "words": "Venez nous voir.",
            },
        )
    assert ErasureRequest.objects.get().state == "refused"
    assert "Venez nous voir." in letters[0].body and "cnil.fr" in letters[0].body
    assert "Venez nous voir." in text_of(books_client.get("/foyer/mes-donnees/"))


def test_an_answered_request_is_not_answered_again(lived, manager, now):
    asked = requests.ask(lived.household, words="", by=lived.user, at=now)
    requests.refuse(asked, reason="Non.", by=manager, at=now)
    with pytest.raises(requests.AlreadyAnswered):
        requests.grant(asked, by=manager, at=now)
    with pytest.raises(requests.AlreadyAnswered):
        requests.refuse(asked, reason="Non.", by=manager, at=now)


def test_a_child_that_left_is_erased_from_its_page(lived, manager_client, commit):
    page = f"/mairie/families/erasure/enfant/{lived.child.pk}/"
    assert page in text_of(manager_client.get(f"/mairie/families/child/{lived.child.pk}/change/"))
    assert "Fiches sanitaires : 1" in text_of(manager_client.get(page))
    with commit():
        manager_client.post(page, {"number": str(lived.child.pk)})
    assert Erasure.objects.get().kind == "child"
    lived.household.refresh_from_db()
    assert lived.household.erased_at is None


def test_a_refused_account_is_erased_by_the_same_page(stranger, manager_client, commit):
    Household.objects.filter(pk=stranger.household.pk).update(state=Household.State.REFUSED)
    with commit():
        manager_client.post(desk(stranger.household), {"number": stranger.household.number})
    assert Erasure.objects.get().why == "refused"
    assert not Household.objects.exists()


def test_what_stands_in_the_way_is_said_and_nothing_can_be_confirmed(lived, month, manager_client):
    page = manager_client.get(desk(lived.household))
    assert "Il reste à facturer" in text_of(page) and "Recopiez" not in text_of(page)
    answer = manager_client.post(desk(lived.household), {"number": lived.household.number})
    assert answer.status_code == 200 and not Erasure.objects.exists()


def test_agents_accountants_and_families_erase_nobody(
    lived, agent_client, regie_client, books_client, client
):
    for who in (agent_client, regie_client, books_client, client):
        answer = who.post(desk(lived.household), {"number": lived.household.number})
        assert answer.status_code in (302, 403)
    assert not Erasure.objects.exists() and User.objects.filter(username="roux").exists()


@override_settings(ASK_AGAIN=True)
def test_the_proof_is_asked_again_before_the_act(lived, manager_client):
    answer = manager_client.post(desk(lived.household), {"number": lived.household.number})
    assert answer.status_code == 302 and "confirmer-mon-identite" in answer["Location"]
    assert not Erasure.objects.exists()


def test_the_desk_finds_the_erased_no_more(lived, manager_client, chief_client, now):
    erasing.erase(erasing.household_leaving(lived.household), why="desk", by=None, at=now)
    for where in ("/mairie/families/household/", "/mairie/families/child/"):
        page = text_of(chief_client.get(where))
        assert "Roux" not in page and lived.household.number not in page
    gone = f"/mairie/families/household/{lived.household.pk}/change/"
    assert chief_client.get(gone).status_code == 404
    assert lived.household.number in text_of(manager_client.get("/mairie/families/erasure/"))


def test_an_agent_sees_what_would_go_and_leaves_it_to_the_responsable(lived, agent_client):
    page = text_of(agent_client.get(desk(lived.household)))
    assert "Fiches sanitaires : 1" in page and "Le Responsable du service confirme" in page
    assert "Recopiez" not in page


def test_a_child_of_two_homes_is_said_to_stay_with_the_other(lived, elsewhere, books_client):
    assert "Lina, qui vit aussi dans un autre foyer" in text_of(books_client.get(ASK))
