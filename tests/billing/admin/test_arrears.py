"""« Impayés : décisions » at the desk: of whom one may decide, the preview, the decision, its end."""

import pytest
from django.urls import reverse

from billing.models import ArrearsDecision
from tests.billing.reminders.test_arrears import SENTENCE, lets_stop, plain, reminded

FIND = "admin:billing_arrearsdecision_find"


@pytest.fixture
def owing(books, canteen):
    lets_stop(canteen.activity)
    reminded(books)
    return books


@pytest.fixture
def page(owing):
    return reverse("admin:billing_arrearsdecision_decide", args=[owing.household.pk])


@pytest.fixture
def said(canteen):
    return {
        "stops": "days",
        "activities": [canteen.activity.pk],
        "sentence": SENTENCE,
        "reason": "Aucun appel.",
    }


def decides(client, page, said):
    preview = client.post(page, said)
    seen = preview.context["found"].stamp
    return preview, client.post(page, said | {"confirmed": "1", "vu": seen}, follow=True)


def test_who_was_reminded_enough_stands_in_the_list_and_nobody_else(owing, waits, regie_client):
    reminded(waits, times=1)
    page = plain(regie_client.get(reverse(FIND)).content.decode())
    assert "84,20 €" in page and "Camille Roux" in page and "Camille Petit" not in page


def test_a_town_where_nobody_owes_reads_why_the_list_is_empty(canteen, regie_client):
    assert "Aucun foyer" in regie_client.get(reverse(FIND)).content.decode()


def test_the_preview_is_read_before_the_decision_is_written(owing, regie_client, page, said, regie):
    preview, done = decides(regie_client, page, said)
    shown = plain(preview.content.decode())
    for words in (
        "Lina : Restauration scolaire",
        "pas de nouveau jour",
        "84,20 €",
        "Rien n’est encore écrit",
    ):
        assert words in shown, words
    made = ArrearsDecision.objects.get()
    assert (made.decided_by, made.sentence) == (regie, SENTENCE)
    assert "la famille est prévenue" in plain(done.content.decode())
    listed = plain(regie_client.get(reverse("admin:billing_arrearsdecision_changelist")).content.decode())
    assert "Au paiement" in listed


def test_what_was_not_previewed_is_not_decided(owing, regie_client, page, said):
    answer = regie_client.post(page, said | {"confirmed": "1", "vu": "autre"})
    assert "vérifiez de nouveau" in plain(answer.content.decode())
    assert not ArrearsDecision.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [{"stops": "tout"}, {"activities": ["abc"]}, {"activities": []}, {"until": "hier"}, {"school_year": "x"}],
)
def test_what_is_wrong_is_said_and_nothing_typed_is_lost(owing, regie_client, page, said, wrong):
    answer = regie_client.post(page, said | wrong)
    assert answer.status_code == 200
    assert SENTENCE in plain(answer.content.decode())
    assert not ArrearsDecision.objects.exists()


def test_a_household_that_owes_nothing_leads_back_with_its_sentence(waits, regie_client):
    page = reverse("admin:billing_arrearsdecision_decide", args=[waits.household.pk])
    answer = regie_client.get(page, follow=True)
    assert "aucune facture en retard" in plain(answer.content.decode())


def test_it_is_taken_back_with_a_reason(owing, regie_client, page, said):
    decides(regie_client, page, said)
    made = ArrearsDecision.objects.get()
    back = reverse("admin:billing_arrearsdecision_take_back", args=[made.pk])
    assert regie_client.post(back, {"reason": ""}).status_code == 200
    regie_client.post(back, {"reason": "Échéancier signé."})
    made.refresh_from_db()
    assert made.ended_because == "taken_back"
    assert regie_client.get(back).status_code == 302, "once"


def test_the_first_page_of_the_desk_counts_those_that_stand(owing, regie_client, page, said):
    decides(regie_client, page, said)
    answer = plain(regie_client.get(reverse("admin:index")).content.decode())
    assert "Décisions d'impayés en cours" in answer
    listed = regie_client.get(reverse("admin:billing_arrearsdecision_changelist") + "?etat=en-cours")
    assert listed.context["cl"].result_count == 1


def test_an_agent_without_the_right_reads_and_decides_nothing(owing, agent_client, page, said):
    for address in (reverse(FIND), page, reverse("admin:billing_arrearsdecision_changelist")):
        assert agent_client.get(address).status_code == 403
    assert agent_client.post(page, said | {"confirmed": "1"}).status_code == 403


def test_who_answers_the_familys_call_reads_of_the_decision_beside_what_it_owes(
    owing, regie_client, page, said
):
    household = reverse("admin:families_household_change", args=[owing.household.pk])
    sentence = "Décision d'impayés : pas de nouveau jour"
    assert sentence not in plain(regie_client.get(household).content.decode())
    decides(regie_client, page, said)
    assert sentence in plain(regie_client.get(household).content.decode()).replace("&#x27;", "'")
