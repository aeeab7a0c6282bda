"""The pages that make one household of two: choose, look, decide, confirm."""

import re

import pytest
from django.urls import reverse

from families.models import HomeChange, Household
from tests.families.joining.doubles import WHY, confirmed, double_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def double(books):
    return double_of(books)


def page_of(kept, emptied=None):
    url = reverse("admin:families_homechange_join", args=[kept.household.pk])
    return f"{url}?avec={emptied.household.pk}" if emptied else url


def shown(answer):
    return re.search(r'name="shown" value="(\w+)"', answer.content.decode()).group(1)


def test_the_first_page_leads_to_households_that_look_alike_and_they_to_each_other(
    books, double, agent_client
):
    first = agent_client.get(reverse("admin:index")).content.decode()
    assert "Foyers qui se ressemblent" in first
    listed = agent_client.get(reverse("admin:families_household_changelist"), {"ressemblance": "oui"})
    assert [row.pk for row in listed.context["cl"].result_list] == [double.household.pk]
    chosen = agent_client.get(page_of(books)).content.decode()
    assert page_of(books, double) in chosen


def test_another_household_is_found_by_number_or_name(books, double, waits, agent_client):
    found = agent_client.get(page_of(books), {"q": waits.household.number}).content.decode()
    assert page_of(books, waits) in found
    assert "Aucun autre foyer" in agent_client.get(page_of(books), {"q": "Zzyzx"}).content.decode()


def test_the_preview_says_everything_and_changes_nothing(books, double, agent_client):
    text = agent_client.get(page_of(books, double)).content.decode()
    assert "était saisi deux fois : un seul dossier reste" in text
    assert "a deux identifiants : lequel reste" in text
    assert "Une réunion ne s&#x27;annule pas" in text
    assert Household.objects.filter(joined_to=None).count() == 2


def test_confirmed_it_is_done_and_said_in_both_histories(books, double, agent_client, commit, letters):
    preview = agent_client.get(page_of(books, double))
    given = {"avec": double.household.pk, "shown": shown(preview), "reason": WHY, "_join": "1"}
    given |= {one.name: one.initial for one in preview.context["foreseen"].choices}
    with commit():
        answer = agent_client.post(page_of(books), given, follow=True)
    assert "est réuni avec celui-ci" in answer.content.decode()
    change = HomeChange.objects.get()
    assert (change.household, change.other, change.reason) == (books.household, double.household, WHY)
    emptied = reverse("admin:families_household_change", args=[double.household.pk])
    assert "Réuni avec le foyer n°\xa0<a" in agent_client.get(emptied).content.decode()
    for home in (books, double):
        past = reverse("admin:families_household_history", args=[home.household.pk])
        assert "Réunion" in agent_client.get(past).content.decode()
    confirmed()
    own = books.client().get(reverse("families:chronicle")).content.decode()
    assert f"n°\xa0{books.household.number} et n°\xa0{double.household.number} réunis" in own
    assert any("n'en font plus qu'un" in letter.subject for letter in letters)


def test_an_answer_that_changes_the_preview_is_shown_before_it_is_done(books, double, agent_client):
    preview = agent_client.get(page_of(books, double))
    given = {"avec": double.household.pk, "shown": shown(preview), "reason": WHY, "_join": "1"}
    given |= {one.name: one.initial for one in preview.context["foreseen"].choices}
    given[f"enfant-{double.child.pk}"] = "aucun"
    text = agent_client.post(page_of(books), given).content.decode()
    assert "L&#x27;aperçu a changé" in text and WHY in text
    assert not HomeChange.objects.exists()


def test_without_a_reason_nothing_is_done(books, double, agent_client):
    preview = agent_client.get(page_of(books, double))
    given = {"avec": double.household.pk, "shown": shown(preview), "reason": " ", "_join": "1"}
    given |= {one.name: one.initial for one in preview.context["foreseen"].choices}
    assert "Indiquez pourquoi" in agent_client.post(page_of(books), given).content.decode()
    assert not HomeChange.objects.exists()


def test_the_emptied_household_is_on_no_list_and_its_number_leads_to_the_other(
    books, double, agent, agent_client
):
    from tests.families.joining.doubles import make_one

    make_one(books.household, double.household, by=agent)
    url = reverse("admin:families_household_changelist")
    assert [row.pk for row in agent_client.get(url).context["cl"].result_list] == [books.household.pk]
    found = agent_client.get(url, {"q": double.household.number}).content.decode()
    assert f"réuni avec le n°\xa0{books.household.number}" in found
    again = agent_client.get(page_of(double, books), follow=True)
    assert again.redirect_chain[-1][0] == reverse(
        "admin:families_household_change", args=[books.household.pk]
    )
    child = agent_client.get(reverse("admin:families_child_change", args=[double.child.pk]))
    assert child.url == reverse("admin:families_child_change", args=[books.child.pk])


def test_who_has_not_the_right_or_not_the_whole_town_gets_nowhere(
    books, double, regie_client, agent, agent_client
):
    assert regie_client.get(page_of(books, double)).status_code == 403
    assert books.client().get(page_of(books, double)).status_code in (302, 403)
    agent.groups.get().permissions.remove(*agent.groups.get().permissions.filter(codename="add_homechange"))
    assert agent_client.get(page_of(books, double)).status_code == 403
    url = reverse("admin:families_household_change", args=[books.household.pk])
    assert "Réunir avec un autre foyer" not in agent_client.get(url).content.decode()


@pytest.mark.parametrize("typed", ["", "0", "999999", "abc", "99999999999999999999"])
def test_a_household_that_is_not_there_is_no_error(books, agent_client, typed):
    url = reverse("admin:families_homechange_join", args=[books.household.pk])
    assert agent_client.get(url, {"avec": typed}).status_code in (200, 404)
    assert agent_client.get(reverse("admin:families_homechange_join", args=[999_999])).status_code == 404
