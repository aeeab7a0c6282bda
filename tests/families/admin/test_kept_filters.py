"""« Mes filtres » of a list: each agent keeps its own by name, without a family's name in them."""

import html

import pytest

from families.models import KeptFilter
from tests.conftest import Family

pytestmark = pytest.mark.django_db
HOUSEHOLDS = "/mairie/families/household/"
WAITS = f"{HOUSEHOLDS}?state__exact=requested&o=2&q=roux&p=1"


def test_a_filter_is_kept_by_name_and_leads_back(agent_client, agent, stranger: Family):
    assert "Mes filtres" not in agent_client.get(HOUSEHOLDS).content.decode()
    said = agent_client.post(WAITS, {"_garder": " À   valider "}, follow=True).content.decode()
    assert "Filtre gardé : « À valider »" in said
    kept = KeptFilter.objects.get()
    # Never what was searched for.
    assert (kept.user, kept.page, kept.query) == (agent, "families_household", "state__exact=requested&o=2")
    page = html.unescape(agent_client.get(HOUSEHOLDS).content.decode())
    assert f'href="{HOUSEHOLDS}?{kept.query}"' in page
    agent_client.post(f"{HOUSEHOLDS}?state__exact=refused", {"_garder": "À valider"})
    assert KeptFilter.objects.get().query == "state__exact=refused"


def test_nobody_sees_or_forgets_those_of_others(agent_client, regie_client, stranger: Family):
    agent_client.post(WAITS, {"_garder": "À valider"})
    kept = KeptFilter.objects.get()
    assert "À valider" not in regie_client.get(HOUSEHOLDS).content.decode()
    regie_client.post(HOUSEHOLDS, {"_oublier": kept.pk})
    assert KeptFilter.objects.exists()
    agent_client.post(HOUSEHOLDS, {"_oublier": kept.pk})
    agent_client.post(HOUSEHOLDS, {"_oublier": "abc"})
    assert not KeptFilter.objects.exists()


@pytest.mark.parametrize(
    ("address", "name", "why"),
    [
        (WAITS, "", "Donnez un nom à ce filtre"),
        (WAITS, "x" * 61, "Donnez un nom à ce filtre"),
        (f"{HOUSEHOLDS}?q=roux", "Roux", "Choisissez d'abord un filtre"),
    ],
)
def test_what_is_no_filter_is_refused_in_words(agent_client, stranger: Family, address, name, why):
    said = html.unescape(agent_client.post(address, {"_garder": name}, follow=True).content.decode())
    assert why in said and not KeptFilter.objects.exists()
