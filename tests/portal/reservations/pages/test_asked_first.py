"""What is asked stands at the start: of an enrolment, a planning, a new family's list; and at the desk."""

import re
from html import unescape

import pytest
from django.urls import reverse

from families.models import PaperKind
from portal.reservations.models import ActivityPaper, Enrolment
from tests.factories import ActivityTextFactory, AskedTextFactory, PaperFactory, PaperKindFactory
from tests.families.conftest import private_files

__all__ = ["private_files"]
Without = ActivityPaper.Without


def read(client, path: str) -> str:
    page = client.get(path, follow=True).content.decode()
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture
def insurance(canteen) -> PaperKind:
    kind = PaperKindFactory(code="assurance")
    ActivityPaper.objects.create(activity=canteen.activity, kind=kind, without=Without.BOTH)
    return kind


@pytest.fixture
def rules(canteen):
    text = AskedTextFactory(code="reglement")
    ActivityTextFactory(activity=canteen.activity, text=text)
    return text


@pytest.fixture
def planning(books, canteen) -> str:
    return reverse("catering:planning", args=[books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk])


def test_the_planning_says_first_what_has_to_be_there_and_where(
    books_client, books, planning, insurance, rules
):
    page = books_client.get(planning).content.decode()
    assert reverse("families:send_paper", args=[insurance.pk, books.child.pk]) in page
    assert reverse("families:asked_text", args=["reglement"]) in page
    said = read(books_client, planning)
    assert "Avant de réserver Attestation d'assurance de Lina : la mairie l'attend." in said
    answer = books_client.post(planning, {"do": "next", "version": "", "book": "1"}, follow=True)
    assert answer.status_code == 200


def test_a_town_that_asks_for_nothing_says_nothing(books_client, planning):
    assert "Avant de réserver" not in read(books_client, planning)


def test_the_enrolment_says_it_before_one_fills_it_in_and_the_paper_can_be_sent_then(
    stranger, canteen, insurance, rules
):
    client = stranger.client()
    said = read(client, reverse("catering:enrol", args=[stranger.child.pk]))
    assert "Attestation d'assurance de Zoé : la mairie l'attend. Sans lui, pas d'inscription" in said
    assert said.count("Attestation d'assurance de Zoé") == 2, "once, and for who hears the link"
    assert "Règlement intérieur : à lire et à accepter avant de réserver des jours." in said
    path = reverse("families:send_paper", args=[insurance.pk, stranger.child.pk])
    assert client.get(path).status_code == 200
    assert "Attestation d'assurance" not in read(client, reverse("families:papers")), "asked of who enrols"


def test_the_list_of_a_new_family_has_what_the_town_asks_of_all(stranger, canteen):
    AskedTextFactory(name="Charte des familles", everywhere=True)
    assert "Charte des familles : à faire." in read(stranger.client(), "/")


def test_the_desk_accepts_an_enrolment_without_its_paper_for_a_reason_only(
    agent_client, stranger, canteen, insurance, year
):
    asked = Enrolment.objects.create(
        household=stranger.household,
        child=stranger.child,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=year,
        starts_on=year.starts_on,
        weekdays=0,
        state="requested",
        requested_by=stranger.user,
    )
    path = reverse("admin:reservations_enrolment_changelist")
    posted = {"action": "accept_selected", "_selected_action": [asked.pk]}
    page = unescape(agent_client.post(path, posted).content.decode())
    assert "Accepter malgré des papiers qui manquent ?" in page and "Sans lui, pas d'inscription" in page
    again = agent_client.post(path, posted | {"confirmed": "1", "passing_over": " "})
    assert "Indiquez pourquoi." in again.content.decode()
    asked.refresh_from_db()
    assert asked.state == "requested"
    agent_client.post(path, posted | {"confirmed": "1", "passing_over": "L'assureur tarde."})
    asked.refresh_from_db()
    assert asked.state == "accepted"


def test_it_asks_nothing_more_where_the_paper_is_there(agent_client, stranger, canteen, insurance, year):
    PaperFactory(kind=insurance, household=stranger.household, child=stranger.child, state="accepted")
    asked = Enrolment.objects.create(
        household=stranger.household,
        child=stranger.child,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=year,
        starts_on=year.starts_on,
        weekdays=0,
        state="requested",
        requested_by=stranger.user,
    )
    posted = {"action": "accept_selected", "_selected_action": [asked.pk]}
    agent_client.post(reverse("admin:reservations_enrolment_changelist"), posted)
    asked.refresh_from_db()
    assert asked.state == "accepted"


def test_the_desk_tries_a_rule_before_it_is_saved(agent_client, books, canteen):
    kind = PaperKindFactory(lasts=PaperKind.Lasts.OWN_DATE)
    PaperFactory(
        kind=kind, household=books.household, child=books.child, state="accepted", ends_on="2026-11-18"
    )
    path = reverse("admin:reservations_activity_try_paper", args=[canteen.activity.pk])
    assert (
        path
        in agent_client.get(
            reverse("admin:reservations_activity_change", args=[canteen.activity.pk])
        ).content.decode()
    )
    asked = f"{path}?kind={kind.pk}&without=place&counts=usual&day="
    assert "Réserver ce jour : rien ne manque." in read(agent_client, f"{asked}2026-11-18")
    assert "valable jusqu'au mercredi 18 novembre 2026" in read(agent_client, f"{asked}2026-11-19")
    assert not ActivityPaper.objects.exists()
    wrong = asked.replace("without=place", "without=asked").replace("usual", "sent")
    assert "seulement demandé ne retient rien" in read(agent_client, f"{wrong}2026-11-19")


def test_contradictions_are_said_when_they_are_typed(canteen):
    shown = PaperKindFactory(way=PaperKind.Way.DESK)
    row = ActivityPaper(
        activity=canteen.activity, kind=shown, without=Without.PLACE, counts=ActivityPaper.Counts.SENT
    )
    with pytest.raises(Exception, match="il ne s'envoie pas"):
        row.full_clean()
    row.kind, row.without = PaperKindFactory(), Without.ASKED
    with pytest.raises(Exception, match="seulement demandé ne retient rien"):
        row.full_clean()
