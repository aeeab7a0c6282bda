"""« Ma liste »: what a new family can do by itself."""

import re
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from families.models import ChangeRequest, Household
from tests.conftest import Family, family
from tests.factories import ActivityFactory, ChildFactory, EnrolmentFactory, HealthFactory, QuotientFactory


@pytest.fixture
def newcomer(now, town) -> Family:
    """Camille Nouveau and Inès: the town hall has not answered yet."""
    who = family("nouveau", "Nouveau", "Inès")
    Household.objects.filter(pk=who.household.pk).update(state=Household.State.REQUESTED)
    return who


def the_list(client: Client) -> str:
    page = client.get("/").content.decode()
    found = re.search(r'<section class="steps".*?</section>', page, re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[0])).split()) if found else ""


def test_a_waiting_family_reads_what_it_can_prepare(newcomer):
    said = the_list(newcomer.client())
    assert said.startswith("Ma liste : 2 étapes sur 6 Continuer : Fiche sanitaire d'Inès")
    for step in (
        "Adresse e-mail confirmée : fait.",
        "1 enfant ajouté : fait.",
        "Fiche sanitaire d'Inès : à faire.",
        "Quotient familial et son attestation : à faire.",
        "Inscriptions : Restauration scolaire : à faire.",
        "Inscriptions : Accueil de loisirs / Périscolaire : à faire.",
    ):
        assert step in said


def test_every_step_leads_to_a_page_that_works_while_one_waits(newcomer, canteen):
    ActivityFactory(service="leisure")
    client = newcomer.client()
    page = client.get("/").content.decode()
    steps = re.search(r'<section class="steps".*?</section>', page, re.DOTALL)
    assert steps
    links = set(re.findall(r'href="([^"]+)"', steps[0]))
    assert links == {
        reverse("families:health", args=[newcomer.child.pk]),
        reverse("families:quotient"),
        reverse("catering:choose_enrolment"),
        reverse("leisure:choose_enrolment"),
    }
    for link in links:
        answer = client.get(link, follow=True)
        assert answer.status_code == 200
        assert answer.request["PATH_INFO"] != "/", link


def test_what_is_done_is_ticked(newcomer, canteen, year):
    HealthFactory(child=newcomer.child)
    ChangeRequest.objects.create(
        household=newcomer.household,
        kind=ChangeRequest.Kind.QUOTIENT,
        quotient=800,
        valid_from=newcomer.household.created_at.date(),
    )
    EnrolmentFactory(
        household=newcomer.household,
        child=newcomer.child,
        activity=canteen.activity,
        school_year=year,
        state="requested",
    )
    said = the_list(newcomer.client())
    assert said.startswith("Ma liste : 5 étapes sur 6 Continuer : Inscriptions : Accueil de loisirs")
    assert "Envoyé : la mairie le vérifie." in said


def test_the_empty_blocks_say_what_comes(newcomer):
    page = newcomer.client().get("/").content.decode()
    for words in (
        "Préparez maintenant l'inscription de chaque enfant",
        "Vous choisirez ici les jours de chaque enfant",
        "Votre première facture arrivera ici",
    ):
        assert words in unescape(page)


def test_an_accepted_family_keeps_the_list_until_a_child_is_enrolled(stranger, canteen, year):
    QuotientFactory(household=stranger.household)
    assert the_list(stranger.client()).startswith("Ma liste : 3 étapes sur 6")
    EnrolmentFactory(
        household=stranger.household, child=stranger.child, activity=canteen.activity, school_year=year
    )
    assert the_list(stranger.client()) == ""


def test_a_refused_family_has_nothing_to_prepare(newcomer):
    Household.objects.update(state=Household.State.REFUSED, refusal_reason="Le justificatif est illisible.")
    assert the_list(newcomer.client()) == ""


@pytest.mark.parametrize("children", [1, 10])
def test_the_list_costs_the_same_whatever_the_family(newcomer, canteen, children):
    for _ in range(children - 1):
        HealthFactory(child=ChildFactory(households=[newcomer.household]))
    client = newcomer.client()
    client.get("/")
    with CaptureQueriesContext(connection) as counted:
        client.get("/")
    assert len(counted) <= 14
