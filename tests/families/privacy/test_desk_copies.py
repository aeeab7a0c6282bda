"""The desk hands a family its data over the counter, and leaves a trace of it."""

from families.models import DataExport, Guardian, Reading
from tests.families.conftest import text_of
from tests.families.privacy.conftest import made, opened


def page(household) -> str:
    return f"/mairie/families/dataexport/foyer/{household.pk}/"


def test_an_agent_prepares_and_hands_over_and_both_are_noted(lived, agent_client, letters, commit):
    with commit():
        agent_client.post(page(lived.household), {"guardian": lived.guardian.pk, "with_notes": "on"})
    export = DataExport.objects.get()
    assert export.at_desk and export.with_notes and export.is_ready
    assert "Télécharger la copie de Camille Roux" in text_of(agent_client.get(page(lived.household)))
    answer = agent_client.get(f"/mairie/families/dataexport/{export.pk}/telecharger/")
    assert "mes-donnees.html" in opened(b"".join(answer.streaming_content))
    noted = Reading.objects.filter(household=lived.household, kind=Reading.Kind.FAMILY_DATA).order_by("pk")
    assert [row.what for row in noted] == [
        "Copie préparée",
        "Copie remise",
    ]
    assert [letter.subject for letter in letters] == ["La mairie a préparé une copie de vos données"]


def test_a_guardian_without_a_login_has_their_copy_at_the_counter(lived, agent_client, commit):
    alone = Guardian.objects.create(household=lived.household, first_name="Jo", last_name="Roux")
    with commit():
        agent_client.post(page(lived.household), {"guardian": alone.pk})
    assert DataExport.objects.get(guardian=alone).is_ready


def test_the_desk_opens_no_copy_that_a_family_asked_for(lived, agent_client, now):
    export = made(lived, now)
    assert agent_client.get(f"/mairie/families/dataexport/{export.pk}/telecharger/").status_code == 404
    assert "remise à la famille seule" in text_of(agent_client.get("/mairie/families/dataexport/"))


def test_a_copy_is_for_somebody_of_that_household(lived, stranger, agent_client):
    agent_client.post(page(lived.household), {"guardian": stranger.guardian.pk})
    assert not DataExport.objects.exists()


def test_the_accountant_and_families_prepare_none(lived, regie_client, books_client):
    for client in (regie_client, books_client):
        assert client.post(page(lived.household), {"guardian": lived.guardian.pk}).status_code in (302, 403)
    assert not DataExport.objects.exists()


def test_the_page_of_a_household_leads_there(lived, agent_client):
    assert page(lived.household) in text_of(
        agent_client.get(f"/mairie/families/household/{lived.household.pk}/change/?onglet=dossier")
    )
