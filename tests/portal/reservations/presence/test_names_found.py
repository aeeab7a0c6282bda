"""Where the desk looks for a child by its name, it is found as in the lists: however it is spelled."""

from datetime import date

import pytest
from django.urls import reverse

from billing.admin.yearly import search
from families.models import Household
from tests.conftest import Family, family
from tests.families.conftest import text_of

MONDAY = date(2026, 11, 9)

TYPED = [
    ("lefevre", "Zoé", "Lefèvre"),
    ("zoe", "Zoé", "Lefèvre"),
    ("zoé lefevre", "ZOE", "LEFÈVRE"),
    ("coeur", "Inès", "Le Cœur"),
    ("le cœur", "Inès", "LE COEUR"),
    ("anne lise", "Anne-Lise", "Morel"),
    ("anne-lise", "Anne Lise", "Morel"),
    ("d'aubigne", "Hugo", "D’Aubigné"),
]


@pytest.fixture
def child(db, first_name: str, last_name: str) -> Family:
    return family("unknown", last_name, first_name)


@pytest.mark.parametrize(("typed", "first_name", "last_name"), TYPED)
def test_on_pointer_les_presences(typed, child, canteen, agent_client):
    where = f"jour={MONDAY}&lieu={canteen.restaurant.pk}&formule={canteen.formula.pk}"
    page = agent_client.post(
        f"{reverse('admin:reservations_attendance_list')}?{where}", {"q": typed, "chercher": "1"}
    )
    assert f'name="venu" value="{child.child.custodies.get().pk}"' in text_of(page)


@pytest.mark.parametrize(("typed", "first_name", "last_name"), TYPED)
def test_on_saisir_un_justificatif(typed, child, agent_client):
    page = agent_client.get(reverse("admin:reservations_absencecertificate_take"), {"q": typed})
    home = child.child.custodies.get().pk
    assert reverse("admin:reservations_absencecertificate_take_from", args=[home]) in text_of(page)


@pytest.mark.parametrize(("typed", "first_name", "last_name"), TYPED)
def test_among_tax_certificates(typed, child):
    assert list(search(Household.objects.all(), typed)) == [child.household]


@pytest.mark.parametrize(("first_name", "last_name"), [("Zoé", "Lefèvre")])
def test_other_names_are_not_found(child, agent_client):
    for typed in ("lefebvre", "zoe roux", "%", "."):
        page = agent_client.get(reverse("admin:reservations_absencecertificate_take"), {"q": typed})
        assert "Lefèvre" not in text_of(page), typed
