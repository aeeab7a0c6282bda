"""« Corriger et renvoyer »: a refused account comes back with what was sent, corrected."""

from datetime import date
from html import unescape

import pytest
from django.urls import reverse

from families import approval
from families.models import Child, Custody, Guardian, Household
from portal.reservations.acts import enrolling
from portal.reservations.models import Enrolment
from portal.reservations.states import EnrolmentState
from tests.factories import GuardianFactory, HouseholdFactory, UserFactory

PAGE = "/foyer/corriger/"


@pytest.fixture
def refused(stranger, agent, now):
    """Camille Morel and Zoé: the town hall refused their account."""
    Household.objects.filter(pk=stranger.household.pk).update(state="requested")
    approval.refuse_household(stranger.household, reason="Nom de l'enfant inconnu.", by=agent, at=now)
    return stranger


def sent(page) -> dict[str, str]:
    """What the form says as it stands."""
    form = page.context["form"]
    said = {name: form[name].value() or "" for name in form.fields}
    for _, row in form.known:
        said |= {row.add_prefix(name): row[name].value() or "" for name in row.fields}
    said |= {"enfants-TOTAL_FORMS": "1", "enfants-INITIAL_FORMS": "0"}
    return said | {f"enfants-0-{name}": "" for name in ("first_name", "last_name", "birth_date")}


def test_home_says_why_and_what_to_do_next(refused, stranger_client):
    home = unescape(stranger_client.get("/").text)
    assert "Nom de l'enfant inconnu." in home and f'href="{PAGE}"' in home
    page = stranger_client.get(PAGE)
    assert sent(page)["last_name"] == "Morel"
    assert [str(row["first_name"].value()) for _, row in page.context["form"].known] == ["Zoé"]


def test_it_is_sent_again_corrected_and_waits(refused, stranger_client, agent_client):
    said = sent(stranger_client.get(PAGE))
    child = refused.child
    said |= {"street": "3 rue des Lilas", f"enfant-{child.pk}-last_name": "Morel-Petit"}
    said |= {
        "enfants-0-first_name": "Léo",
        "enfants-0-last_name": "Morel",
        "enfants-0-birth_date": "2021-05-04",
    }
    answer = stranger_client.post(PAGE, said, follow=True)
    assert "Votre demande est renvoyée." in unescape(answer.text)
    assert "renvoyé après le refus du 9 novembre 2026" in unescape(answer.text)
    home = Household.objects.get(pk=refused.household.pk)
    assert (home.state, home.street) == ("requested", "3 rue des Lilas")
    assert Child.objects.get(pk=child.pk).last_name == "Morel-Petit"
    assert Custody.objects.filter(household=home).count() == 2
    assert Child.objects.get(first_name="Léo").birth_date == date(2021, 5, 4)
    queue = agent_client.get(reverse("admin:families_household_changelist"), {"state__exact": "requested"})
    assert "renvoyée, refusée le 09/11/2026 parce que : nom de l'enfant inconnu." in unescape(queue.text)


def test_once_accepted_nothing_is_said_of_the_refusal(refused, stranger_client, agent, agent_client, now):
    stranger_client.post(PAGE, sent(stranger_client.get(PAGE)))
    approval.accept_household(refused.household, by=agent, at=now)
    assert "renvoyée" not in unescape(agent_client.get(reverse("admin:families_household_changelist")).text)


def test_its_enrolments_prepared_before_go_with_it(refused, canteen, year, agent, now, stranger_client):
    Household.objects.filter(pk=refused.household.pk).update(state="requested", refusal_reason="")
    prepared = enrolling.request(
        household=refused.household, child=refused.child, activity=canteen.activity,
        establishment=canteen.restaurant, school_year=year, weekdays=3, starts_on=now.date(),
        by=refused.user, at=now,
    )  # fmt: skip
    approval.refuse_household(refused.household, reason="Non.", by=agent, at=now)
    assert Enrolment.objects.get(pk=prepared.pk).state == EnrolmentState.ENDED
    stranger_client.post(PAGE, sent(stranger_client.get(PAGE)))
    back = Enrolment.objects.get(pk=prepared.pk)
    assert (back.state, back.ends_on, back.decided_at, back.weekdays) == ("requested", None, None, 3)


def test_every_mistake_is_said_and_nothing_written(refused, stranger_client):
    said = sent(stranger_client.get(PAGE))
    said |= {"phone": "12", "postcode": "2", f"enfant-{refused.child.pk}-birth_date": "2030-01-01"}
    said |= {"enfants-0-first_name": "Léo"}
    page = unescape(stranger_client.post(PAGE, said).text)
    for sentence in ("Écrivez le code postal", "est dans le futur", "Champ à remplir : nom."):
        assert sentence in page
    assert Household.objects.get(pk=refused.household.pk).state == "refused"
    assert not Child.objects.filter(first_name="Léo").exists()


def test_a_child_of_another_home_too_is_not_corrected_here(refused, stranger_client):
    Custody.objects.create(child=refused.child, household=HouseholdFactory())
    said = sent(stranger_client.get(PAGE)) | {f"enfant-{refused.child.pk}-last_name": "Autre"}
    stranger_client.post(PAGE, said)
    assert Child.objects.get(pk=refused.child.pk).last_name == "Morel"


def leo() -> dict[str, str]:
    """One more child, as it is typed."""
    names = {"first_name": "Léo", "last_name": "Morel", "birth_date": "2021-05-04"}
    return {f"enfants-0-{name}": typed for name, typed in names.items()}


def test_a_child_sent_by_mistake_is_taken_out_with_what_was_prepared_for_it(
    refused, canteen, year, agent, now, stranger_client
):
    Household.objects.filter(pk=refused.household.pk).update(state="requested", refusal_reason="")
    prepared = enrolling.request(
        household=refused.household, child=refused.child, activity=canteen.activity,
        establishment=canteen.restaurant, school_year=year, weekdays=3, starts_on=now.date(),
        by=refused.user, at=now,
    )  # fmt: skip
    approval.refuse_household(refused.household, reason="Zoé n'est pas votre enfant.", by=agent, at=now)
    page = stranger_client.get(PAGE)
    assert "Retirer Zoé de ma demande" in unescape(page.text)
    out = {f"enfant-{refused.child.pk}-left_out": "on", f"enfant-{refused.child.pk}-last_name": ""}
    answer = stranger_client.post(PAGE, sent(page) | leo() | out, follow=True)
    assert "Votre demande est renvoyée." in unescape(answer.text)
    here = Child.objects.living_in(refused.household.pk, now.date())
    assert [child.first_name for child in here] == ["Léo"]
    assert Child.objects.get(pk=refused.child.pk).last_name == "Morel"
    assert Enrolment.objects.get(pk=prepared.pk).state == EnrolmentState.ENDED
    assert "Zoé" not in unescape(stranger_client.get("/").text)
    approval.accept_household(refused.household, by=agent, at=now)
    assert not Enrolment.objects.live().exists()


def test_a_request_keeps_at_least_one_child(refused, stranger_client):
    said = sent(stranger_client.get(PAGE)) | {f"enfant-{refused.child.pk}-left_out": "on"}
    page = unescape(stranger_client.post(PAGE, said | {"street": "3 rue des Lilas"}).text)
    assert "Indiquez au moins un enfant." in page and "3 rue des Lilas" in page
    assert Household.objects.get(pk=refused.household.pk).state == "refused"


def test_a_child_of_another_home_too_is_one_to_keep_and_not_to_be_taken_out(refused, stranger_client, now):
    Custody.objects.create(child=refused.child, household=HouseholdFactory())
    said = sent(stranger_client.get(PAGE)) | {f"enfant-{refused.child.pk}-left_out": "on"}
    stranger_client.post(PAGE, said)
    assert Household.objects.get(pk=refused.household.pk).state == "requested"
    assert list(Child.objects.living_in(refused.household.pk, now.date())) == [refused.child]


@pytest.mark.parametrize("state", ["accepted", "requested"])
def test_who_is_not_refused_has_nothing_to_send_again(stranger, stranger_client, state):
    Household.objects.filter(pk=stranger.household.pk).update(state=state)
    for answer in (stranger_client.get(PAGE), stranger_client.post(PAGE, {})):
        assert (answer.status_code, answer.url) == (302, "/")


def test_sent_twice_the_second_finds_it_sent(refused):
    address = {name: getattr(refused.household, name) for name in approval.ADDRESS}
    approval.send_again(refused.household, address)
    with pytest.raises(approval.AlreadyAnswered):
        approval.send_again(refused.household, address)


def test_the_other_adult_keeps_its_own_names(refused, stranger_client):
    alix = GuardianFactory(
        household=refused.household, user=UserFactory(), first_name="Alix", last_name="Petit"
    )
    stranger_client.post(PAGE, sent(stranger_client.get(PAGE)) | {"first_name": "Camila"})
    assert Guardian.objects.get(pk=alix.pk).first_name == "Alix"
    assert Guardian.objects.get(pk=refused.guardian.pk).first_name == "Camila"
