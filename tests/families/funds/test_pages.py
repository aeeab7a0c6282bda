"""A family agrees, reads what came, ends its consent; the desk asks, looks, writes."""

from datetime import date

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from families.funds import consents, rounds
from families.models import CivilIdentity, FamilyQuotient, QuotientAnswer, QuotientConsent, QuotientRound
from families.models.threads import named
from tests.conftest import NOW
from tests.families.funds.conftest import agreed

pytestmark = pytest.mark.django_db

PAGE = "families:quotient_from_fund"
TYPED = {
    "birth_name": "Roux",
    "used_name": "",
    "first_names": "Camille, Anne",
    "birth_date": "1989-12-03",
    "sex": "",
    "country": "99100",
    "town": "Rennes",
    "department": "35",
    "agrees": "on",
}


def page(client, **changed):
    return client.post(reverse(PAGE), TYPED | changed)


def test_a_family_agrees_reads_the_answer_and_ends_it(books, books_client, particulier):
    particulier.known = {"Roux": 450}
    assert "Le récupérer auprès de la CAF" in books_client.get(reverse("families:household")).content.decode()
    assert page(books_client).status_code == 302
    read = books_client.get(reverse(PAGE)).content.decode()
    assert "quotient 450" in read and "La mairie le vérifie" in read
    assert particulier.questions[0]["prenoms[]"] == ["Camille", "Anne"]
    # Nothing counts before the town hall has looked at it.
    assert not FamilyQuotient.objects.exists()
    books_client.post(reverse("families:end_fund_consent"))
    books_client.post(reverse("families:end_fund_consent"))
    assert not CivilIdentity.objects.exists()
    assert QuotientConsent.objects.get().ended_at == NOW
    assert "Donner mon accord" in books_client.get(reverse(PAGE)).content.decode()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"agrees": ""}, "Cochez la case"),
        ({"birth_name": ""}, "Champ à remplir : nom de naissance"),
        ({"birth_name": "Durand"}, "Ce ne sont pas les prénom et nom"),
        ({"first_names": "Alix"}, "Ce ne sont pas les prénom et nom"),
        ({"birth_date": "2024-01-01"}, "Vérifiez l&#x27;année"),
        ({"birth_date": "hier"}, "date valide"),
        ({"town": ""}, "Champ à remplir : commune de naissance"),
        ({"department": ""}, "Champ à remplir : département de naissance"),
        ({"department": "999"}, "numéro d&#x27;un département"),
        ({"country": "99999"}, "Sélectionnez un choix valide"),
        ({"birth_name": "R0ux<"}, "sans chiffre ni signe"),
    ],
)
def test_what_is_wrong_is_said_and_nobody_is_asked(books, books_client, particulier, changed, sentence):
    answer = page(books_client, **changed)
    assert answer.status_code == 200 and sentence in answer.content.decode()
    assert not QuotientConsent.objects.exists() and particulier.asked == []


def test_who_was_born_abroad_needs_no_town(books, books_client, particulier):
    particulier.known = {"Roux": 300}
    page(books_client, country="99341", town="Dakar", department="")
    assert "nomCommuneNaissance" not in particulier.questions[0]


def test_a_fault_is_said_to_the_family_with_another_way(books, books_client, particulier):
    page(books_client)
    read = books_client.get(reverse(PAGE)).content.decode()
    assert "La CAF ne trouve pas" in read and "Envoyer mon attestation" in read


def test_a_family_asks_some_times_only(books, books_client, particulier):
    page(books_client)
    for _ in range(4):
        books_client.post(reverse("families:ask_fund_again"))
    assert QuotientRound.objects.count() == 3
    assert (
        rounds.TOO_OFTEN in [str(one) for one in books_client.get(reverse(PAGE)).context["messages"]]
        or QuotientRound.objects.count() == 3
    )


def test_without_a_key_nothing_of_it_is_shown(books, books_client, agent_client, settings):
    settings.DEMO = False
    assert books_client.get(reverse(PAGE)).status_code == 404
    assert books_client.post(reverse("families:ask_fund_again")).status_code == 404
    assert "CAF ou de la MSA</a>" not in books_client.get(reverse("families:household")).content.decode()
    assert agent_client.get(reverse("admin:families_quotientround_ask")).status_code == 403
    home = reverse("admin:families_household_change", args=[books.household.pk])
    assert "Quotient CAF ou MSA" not in agent_client.get(home).content.decode()


def test_a_stranger_sees_nothing_of_another_household(books, stranger_client, particulier):
    agreed(books)
    assert "Donner mon accord" in stranger_client.get(reverse(PAGE)).content.decode()
    stranger_client.post(reverse("families:end_fund_consent"))
    assert QuotientConsent.objects.standing().count() == 1


# The desk -------------------------------------------------------------------------------------------


DATES = {"valid_from": "2026-11-24", "valid_to": "2027-01-31"}


def test_an_agent_asks_for_one_household_from_its_page(books, agent_client, particulier):
    home = reverse("admin:families_household_change", args=[books.household.pk])
    assert "Quotient CAF ou MSA" in agent_client.get(home).content.decode()
    one = reverse("admin:families_quotientround_one", args=[books.household.pk])
    assert "donné son accord" in agent_client.get(one).content.decode()
    assert agent_client.post(one, DATES).status_code == 200
    agreed(books)
    particulier.known = {"Roux": 450}
    seen = agent_client.post(one, DATES, follow=True).content.decode()
    assert "1 réponse" in seen and "450" in seen
    made, answer = QuotientRound.objects.get(), QuotientAnswer.objects.get()
    keep = reverse("admin:families_quotientround_keep", args=[made.pk])
    told = agent_client.post(keep, DATES | {"ligne": answer.pk}, follow=True).content.decode()
    assert "1 quotient est enregistré" in told
    row = FamilyQuotient.objects.get()
    assert (row.value, row.valid_from, row.valid_to) == (450, date(2026, 11, 24), date(2027, 1, 31))
    assert "déjà enregistrés" in agent_client.post(keep, DATES, follow=True).content.decode()


SIGNED = TYPED | {"signed_on": "2026-11-02"}


def paper_page(who, name="paper"):
    return paper_page_of(who.household.guardians.get(user=who.user), name)


def paper_page_of(adult, name="paper"):
    return reverse(f"admin:families_quotientround_{name}", args=[adult.household_id, adult.pk])


def test_what_was_signed_on_paper_is_written_down_at_the_desk(books, agent, agent_client, particulier):
    one = reverse("admin:families_quotientround_one", args=[books.household.pk])
    assert paper_page(books) in agent_client.get(one).text
    to_sign = agent_client.get(paper_page(books, "to_sign"))
    assert to_sign["Content-Type"] == "application/pdf" and b"".join(to_sign).startswith(b"%PDF")
    assert consents.ON_PAPER.replace("'", "&#x27;") in agent_client.get(paper_page(books)).text
    seen = agent_client.post(paper_page(books), SIGNED, follow=True).text
    assert "a donné son accord sur papier, signé le 2 novembre 2026, enregistré le 9 novembre" in seen
    row = QuotientConsent.objects.get()
    assert (row.signed_on, row.given_at, row.given_by, row.words) == (
        date(2026, 11, 2),
        NOW,
        agent,
        consents.ON_PAPER,
    )
    particulier.known = {"Roux": 450}
    assert "450" in agent_client.post(one, DATES, follow=True).text
    assert particulier.questions[0]["prenoms[]"] == ["Camille", "Anne"]
    noted = LogEntry.objects.filter(user=agent, change_message__contains="signé le 2 novembre 2026")
    assert "Rennes" not in noted.get().change_message


def test_the_family_reads_that_it_signed_and_ends_it_itself(books, books_client, agent_client, particulier):
    agent_client.post(paper_page(books), SIGNED)
    assert "signé votre accord sur papier le 2 novembre" in books_client.get(reverse(PAGE)).text
    books_client.post(reverse("families:end_fund_consent"))
    assert not CivilIdentity.objects.exists()


def test_a_family_without_an_account_ends_it_through_the_town_hall(books, agent, agent_client, particulier):
    agent_client.post(paper_page(books), SIGNED)
    row = QuotientConsent.objects.get()
    end = reverse("admin:families_quotientround_end", args=[books.household.pk, row.pk])
    assert (
        end in agent_client.get(reverse("admin:families_quotientround_one", args=[books.household.pk])).text
    )
    assert "son état civil effacé" in agent_client.post(end, follow=True).text
    assert not CivilIdentity.objects.exists()
    row.refresh_from_db()
    assert row.ended_at == NOW and row.ended_by_name == named(agent)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"agrees": ""}, "Sans le papier signé"),
        ({"signed_on": ""}, "Champ à remplir : signé le"),
        ({"signed_on": "2027-01-01"}, "pas encore venu"),
        ({"birth_name": "Durand"}, "Ce ne sont pas les prénom et nom"),
    ],
)
def test_what_is_wrong_on_paper_is_said(books, agent_client, particulier, changed, sentence):
    answer = agent_client.post(paper_page(books), SIGNED | changed)
    assert sentence in answer.text and not QuotientConsent.objects.exists()


def test_a_paper_is_of_an_adult_of_that_household_and_of_no_own_one(
    books, waits, agent, agent_client, particulier
):
    stranger = waits.household.guardians.get(user=waits.user)
    url = reverse("admin:families_quotientround_paper", args=[books.household.pk, stranger.pk])
    assert agent_client.get(url).status_code == 404
    mine = books.household.guardians.get(user=books.user)
    mine.user = agent
    mine.save()
    agent_client.post(paper_page_of(mine), SIGNED)
    assert not QuotientConsent.objects.exists()


def test_of_who_ended_the_consent_since_nothing_is_to_be_kept(books, agent_client, particulier):
    consent = agreed(books)
    particulier.known = {"Roux": 450}
    one = reverse("admin:families_quotientround_one", args=[books.household.pk])
    assert 'name="ligne"' in agent_client.post(one, DATES, follow=True).content.decode()
    consents.end(consent, by=books.user, at=NOW)
    made, answer = QuotientRound.objects.get(), QuotientAnswer.objects.get()
    read = agent_client.get(reverse("admin:families_quotientround_change", args=[made.pk])).content.decode()
    assert "La famille a arrêté son accord" in read and 'name="ligne"' not in read
    keep = reverse("admin:families_quotientround_keep", args=[made.pk])
    told = agent_client.post(keep, DATES | {"ligne": answer.pk}, follow=True).content.decode()
    assert "Aucun quotient" in told and not FamilyQuotient.objects.exists()


def test_all_whose_quotient_ends_are_asked_for_with_a_preview(books, waits, agent_client, particulier):
    for family in (books, waits):
        agreed(family)
    particulier.known = {"Roux": 450, "Petit": 640}
    url = reverse("admin:families_quotientround_ask")
    seen = agent_client.post(url, DATES | {"until": "2026-12-20", "voir": "1"}).content.decode()
    assert "2 foyers à demander" in seen and particulier.asked == []
    answer = agent_client.post(url, DATES | {"until": "2026-12-20", "demander": "1"}, follow=True)
    read = answer.content.decode()
    assert "2 réponses" in read and "640" in read
    keep = reverse("admin:families_quotientround_keep", args=[QuotientRound.objects.get().pk])
    first = QuotientAnswer.objects.order_by("household").first()
    agent_client.post(keep, DATES | {"ligne": first.pk})
    assert list(FamilyQuotient.objects.values_list("household", flat=True)) == [books.household.pk]


def test_what_is_wrong_at_the_desk_is_said(books, agent_client, particulier):
    url = reverse("admin:families_quotientround_ask")
    for wrong in ({"until": "x"}, {"valid_from": ""}, {"valid_to": "2020-01-01"}):
        answer = agent_client.post(url, DATES | {"until": "2026-12-20", "demander": "1"} | wrong)
        assert "Corrigez ce qui est signalé" in answer.content.decode()
    assert agent_client.get(reverse("admin:families_quotientround_one", args=[99999])).status_code == 404


def test_lists_cost_the_same_with_one_row_and_with_many(
    books, waits, stranger, agent_client, particulier, django_assert_max_num_queries
):
    particulier.known = {"Roux": 450, "Petit": 640, "Morel": 10}
    for family in (books, waits, stranger):
        agreed(family)
    url = reverse("admin:families_quotientround_ask")
    agent_client.post(url, DATES | {"until": "2026-12-20", "demander": "1"})
    page_url = reverse("admin:families_quotientround_change", args=[QuotientRound.objects.get().pk])
    agent_client.get(page_url)
    with django_assert_max_num_queries(30):
        agent_client.get(page_url)


def test_what_a_family_asked_waits_on_the_desk_s_first_page(books, books_client, agent_client, particulier):
    particulier.known = {"Roux": 450}
    page(books_client)
    read = agent_client.get(reverse("admin:index")).content.decode()
    assert "Quotients reçus de la CAF et de la MSA" in read
    made = QuotientRound.objects.get()
    agent_client.post(reverse("admin:families_quotientround_keep", args=[made.pk]), DATES)
    read = agent_client.get(reverse("admin:index")).content.decode()
    assert "Quotients reçus de la CAF et de la MSA" not in read
