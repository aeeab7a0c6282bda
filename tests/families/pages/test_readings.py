"""« Qui a consulté mon dossier »: what concerns a family, and nothing of another."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.urls import reverse

from families.models import Child, Reading, User
from families.pages.readings import A_PAGE, WORDS
from families.traces import reading
from tests.conftest import Family, logged_in
from tests.factories import ChildFactory, HealthFactory
from tests.families.conftest import text_of

pytestmark = pytest.mark.django_db
Kind = Reading.Kind
PAGE = "/foyer/consultations/"


def page_of(who: Family, **query: int) -> str:
    return text_of(who.client().get(PAGE, query))


def test_a_family_reads_what_was_opened_when_and_by_whom(roux: Family, stranger: Family, agent: User, now):
    HealthFactory(child=roux.child)
    agent.groups.add(Group.objects.get(name="Fiches sanitaires"))
    logged_in(agent).get(f"/mairie/families/child/{roux.child.pk}/change/")
    page = page_of(roux)
    assert "Fiche sanitaire : Lina" in page
    assert "Lundi 9 novembre 2026 à 10 h, par Dominique Agent, Service enfance et famille" in page
    assert "Personne à la mairie" in page_of(stranger)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_its_words(roux: Family, agent: User, now, kind: Kind):
    reading.add(agent, kind, at=now, household=roux.household)
    assert WORDS[kind] in page_of(roux)


def test_what_was_opened_several_times_a_day_is_one_row(roux: Family, agent: User, regie: User, now):
    for hours in (0, 1, 2):
        reading.add(agent, Kind.HEALTH, at=now + timedelta(hours=hours), child=roux.child)
    reading.add(agent, Kind.HEALTH, at=now - timedelta(days=1), child=roux.child)
    reading.add(regie, Kind.HEALTH, at=now, child=roux.child)
    page = page_of(roux)
    assert page.count("row-item") == 3
    assert "Lundi 9 novembre 2026, 3 fois, la dernière à 12 h, par Dominique Agent" in page
    assert "Dimanche 8 novembre 2026 à 10 h, par Dominique Agent" in page
    assert "Lundi 9 novembre 2026 à 10 h, par Claude Régie" in page


def test_of_a_list_a_family_reads_its_own_alone(roux: Family, stranger: Family, agent: User, now):
    both = [roux.child.pk, stranger.child.pk]
    reading.add(agent, Kind.HEALTH, at=now, what="Registre de présence", children=both)
    reading.add(agent, Kind.EXPORT, at=now, what="Lettres de relance", households=[stranger.household.pk])
    homes = [roux.household.pk, stranger.household.pk]
    reading.add(agent, Kind.EXPORT, at=now, what="Factures (CSV)", households=homes)
    page = page_of(roux)
    assert "Fiche sanitaire : Lina" in page and "Factures (CSV)" in page and "dont le vôtre" in page
    assert "Zoé" not in page and "relance" not in page
    page = page_of(stranger)
    assert "Fiche sanitaire : Zoé" in page and "Lina" not in page


def test_a_list_does_not_tell_the_other_home_what_a_child_does(
    roux: Family, stranger: Family, shared_child: Child, agent: User, now
):
    for day in ("11", "18"):
        what = f"Registre de présence, Centre des Roseaux, mercredi {day} novembre 2026"
        reading.add(agent, Kind.HEALTH, at=now, what=what, children=[shared_child.pk, stranger.child.pk])
    for who in (roux, stranger):
        page = page_of(who)
        assert "Fiche sanitaire : Sacha" in page and "Dans une liste de plusieurs enfants" in page
        assert "Roseaux" not in page and "mercredi" not in page
    assert "2 fois" in page_of(roux)


def test_two_children_in_lists_of_one_day_are_both_named(roux: Family, shared_child: Child, agent: User, now):
    other = ChildFactory()
    for child in (roux.child, shared_child):
        reading.add(agent, Kind.HEALTH, at=now, children=[child.pk, other.pk])
    page = page_of(roux)
    assert "Fiche sanitaire : Lina" in page and "Fiche sanitaire : Sacha" in page


def test_of_a_shared_child_both_homes_read_what_is_the_childs_alone(
    roux: Family, stranger: Family, shared_child: Child, agent: User, now
):
    reading.add(agent, Kind.HEALTH, at=now, child=shared_child)
    reading.add(agent, Kind.PROOF, at=now, household=roux.household, what="Justificatif n° 7 de Camille Roux")
    assert "Fiche sanitaire : Sacha" in page_of(roux) and "Justificatif que vous" in page_of(roux)
    page = page_of(stranger)
    assert "Fiche sanitaire : Sacha" in page
    assert "Justificatif que" not in page and "Camille Roux" not in page


def test_who_is_no_longer_a_childs_home_reads_no_more_of_it(
    roux: Family, stranger: Family, shared_child: Child, agent: User, now
):
    reading.add(agent, Kind.HEALTH, at=now, child=shared_child)
    shared_child.custodies.get(household=stranger.household).delete()
    assert "Sacha" in page_of(roux)
    assert "Sacha" not in page_of(stranger)


def test_neither_address_nor_page_of_the_desk_is_shown(roux: Family, agent: User, now):
    reading.add(
        agent,
        Kind.HEALTH,
        at=now,
        child=roux.child,
        network_address="192.0.2.7",
        page="/mairie/families/child/1/",
    )
    page = page_of(roux)
    assert "192.0.2.7" not in page and "/mairie/" not in page


def test_pages_follow_one_another(roux: Family, agent: User, now):
    for days in range(A_PAGE + 1):
        reading.add(agent, Kind.HEALTH, at=now - timedelta(days=days), child=roux.child)
    assert "Page 1 sur 2" in page_of(roux)
    last = page_of(roux, page=2)
    assert "Samedi 10 octobre 2026" in last and last.count("row-item") == 1


def test_staff_without_a_household_have_none(agent_client, regie_client):
    assert agent_client.get(PAGE).status_code == 404
    assert regie_client.post(PAGE).status_code == 405


def test_it_is_one_click_away(books: Family):
    for where in ("/", "/foyer/"):
        assert f'href="{PAGE}"' in books.client().get(where).text
    assert f'href="{PAGE}"' in books.client().get(reverse("families:child", args=[books.child.pk])).text


def test_it_costs_the_same_for_one_and_for_many(roux: Family, agent: User, now, django_assert_num_queries):
    for number in (1, 20):
        for each in range(number):
            at = now - timedelta(days=each, minutes=number)
            reading.add(agent, Kind.EXPORT, at=at, children=[roux.child.pk], households=[roux.household.pk])
        client = roux.client()
        client.get(PAGE)
        with django_assert_num_queries(6), time_machine.travel(now, tick=False):
            client.get(PAGE)
