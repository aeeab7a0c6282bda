"""Audiences of the town at the desk: who is of one, how many are, whom the town hall recognises."""

from datetime import date

import pytest
from django.urls import reverse

from portal.reservations.models import Audience, AudienceAddress, AudienceMember, DeadlineRule, PeriodOpening
from tests.factories import HouseholdFactory, paris

NEW = "/mairie/reservations/audience/add/"
ADDRESSES = {
    "addresses-TOTAL_FORMS": "1",
    "addresses-INITIAL_FORMS": "0",
    "addresses-MIN_NUM_FORMS": "0",
    "addresses-MAX_NUM_FORMS": "1000",
}
CESSON = {
    "label": "Communes partenaires",
    "code": "partenaires",
    "belonging": "address",
    "order": "1",
    "words": "les communes partenaires, dont la vôtre",
    **ADDRESSES,
    "addresses-0-city": "Cesson",
}


@pytest.fixture
def partners(db) -> Audience:
    made = Audience.objects.create(code="partenaires", label="Communes partenaires", belonging="address")
    AudienceAddress.objects.create(audience=made, city="Cesson")
    return made


def test_saving_one_says_how_many_households_are_of_it_today(agent_client):
    for city in ("Cesson", "CESSON", "Noyal"):
        HouseholdFactory(resident=False, city=city)
    answer = agent_client.post(NEW, CESSON, follow=True)
    assert "2 foyers sont de ce public aujourd&#x27;hui." in answer.content.decode()
    made = Audience.objects.get(code="partenaires")
    page = reverse("admin:reservations_audience_change", args=[made.pk])
    row = made.addresses.get()
    data = CESSON | {
        "addresses-TOTAL_FORMS": "2",
        "addresses-INITIAL_FORMS": "1",
        "addresses-0-id": str(row.pk),
        "addresses-0-audience": str(made.pk),
        "addresses-1-city": "Noyal",
        "addresses-1-audience": str(made.pk),
    }
    said = agent_client.post(page, data, follow=True).content.decode()
    assert "3 foyers sont de ce public aujourd&#x27;hui (2 avant)." in said
    assert made.addresses.count() == 2


def test_before_anything_is_saved_one_sees_how_many_would_be(agent_client, partners):
    for city in ("Cesson", "Noyal"):
        HouseholdFactory(resident=False, city=city)
    page = f"{reverse('admin:reservations_audience_preview')}?regle={partners.pk}"
    row = partners.addresses.get()
    data = CESSON | {
        "addresses-TOTAL_FORMS": "2",
        "addresses-INITIAL_FORMS": "1",
        "addresses-0-id": str(row.pk),
        "addresses-0-audience": str(partners.pk),
        "addresses-1-city": "Noyal",
        "addresses-1-audience": str(partners.pk),
    }
    said = agent_client.post(page, data).content.decode()
    assert "2 foyers seraient de ce public aujourd&#x27;hui." in said
    assert "1 foyer en est tel qu&#x27;il est enregistré." in said
    assert "Rien n’est encore dit de ce public" in said
    assert partners.addresses.count() == 1


def test_an_address_that_names_nothing_is_refused_and_what_was_typed_stays(agent_client):
    answer = agent_client.post(NEW, CESSON | {"addresses-0-city": "", "addresses-0-starts_on": "01/11/2026"})
    said = answer.content.decode()
    assert "Indiquez une commune, un code postal ou une rue." in said
    assert "les communes partenaires, dont la vôtre" in said
    assert not Audience.objects.filter(code="partenaires").exists()


def test_the_town_hall_recognises_a_household(agent_client, books):
    agents = Audience.objects.create(code="agents", label="Agents", belonging="recognised")
    page = reverse("admin:reservations_audiencemember_add")
    data = {
        "household": str(books.household.pk),
        "audience": str(agents.pk),
        "starts_on": "01/10/2026",
        "proof": "Attestation",
    }
    said = agent_client.post(page, data, follow=True).content.decode()
    assert "Recalculer un mois" in said
    made = AudienceMember.objects.get()
    assert (made.starts_on, made.ends_on, made.known_on) == (date(2026, 10, 1), None, date(2026, 11, 9))


def test_a_period_has_a_line_for_them_once_the_town_has_some(agent_client, canteen, partners):
    page = reverse("admin:reservations_period_change", args=[canteen.period.pk])
    assert "Ouverture aux publics" in agent_client.get(page).content.decode()
    PeriodOpening.objects.create(period=canteen.period, audience=partners, opens_at=paris(2026, 11, 2, 8))
    assert agent_client.get(page).status_code == 200


def test_a_town_without_audiences_reads_no_line_of_them(agent_client, canteen):
    page = reverse("admin:reservations_period_change", args=[canteen.period.pk])
    assert "Ouverture aux publics" not in agent_client.get(page).content.decode()
    rule = DeadlineRule.objects.create(name="Fenêtres", kind="windows")
    page = reverse("admin:reservations_deadlinerule_change", args=[rule.pk])
    assert "public de la ville" not in agent_client.get(page).content.decode().lower()


def test_the_preview_of_a_rule_shows_each_audience_apart(agent_client, partners):
    rule = DeadlineRule.objects.create(name="Fenêtres", kind="windows")
    for public, day in ((None, 12), (partners, 10)):
        rule.windows.create(
            covers_from=date(2026, 11, 9),
            covers_to=date(2026, 12, 31),
            opens_at=paris(2026, 11, day, 8),
            public=public,
        )
    said = agent_client.get(
        reverse("admin:reservations_deadlinerule_change", args=[rule.pk])
    ).content.decode()
    assert "Communes partenaires" in said
    assert "(communes partenaires)" in said


def test_the_household_s_page_names_the_audiences_it_is_of(agent_client, books, partners):
    books.household.city = "Cesson"
    books.household.save()
    page = reverse("admin:families_household_change", args=[books.household.pk])
    said = agent_client.get(page, {"onglet": "dossier"}).content.decode()
    assert "Publics de la ville" in said
    assert "Communes partenaires" in said
    assert f"audiencemember/add/?household={books.household.pk}" in said


def test_and_says_nothing_in_a_town_without_any(agent_client, books):
    page = reverse("admin:families_household_change", args=[books.household.pk])
    assert "Publics de la ville" not in agent_client.get(page, {"onglet": "dossier"}).content.decode()
