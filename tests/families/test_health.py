"""A child's health notes: what is ticked, what is written, and what is told while a key is missing."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from families.models import Allergen, Child, ChildHealth, allergies_in_words
from leisure import registers
from portal.database.encrypted import KEPT_AS_IT_IS
from tests.conftest import Family
from tests.factories import ChildFactory, HealthFactory
from tests.families.conftest import text_of
from tests.portal.database.test_encrypted import NEW, kept

pytestmark = pytest.mark.django_db
NOTES = {
    "has_pai": "on",
    "allergens": ["nuts", "milk"],
    "allergies": "Kiwi, même en traces",
    "treatment": "Stylo",
    "doctor": "Dr Adam",
    "doctor_phone": "01 99 00 12 34",
}


@pytest.fixture
def health_agent(agent, agent_client):
    agent.groups.add(Group.objects.get(name="Fiches sanitaires"))
    return agent_client


def page_of(child):
    return reverse("families:health", args=[child.pk])


def desk_of(child):
    return f"/mairie/families/child/{child.pk}/change/"


def desk_form(child: Child, notes=None, **changed):
    """The desk's form of a child, as its browser sends it back."""
    empty = {"TOTAL_FORMS": 0, "INITIAL_FORMS": 0}
    fields = {
        "first_name": child.first_name, "last_name": child.last_name, "birth_date": f"{child.birth_date}",
        **{f"custodies-{name}": value for name, value in empty.items()},
        **{f"authorised_people-{name}": value for name, value in empty.items()},
        "health-TOTAL_FORMS": 1, "health-INITIAL_FORMS": int(notes is not None),
        "health-0-child": child.pk, "health-0-id": notes.pk if notes else "",
    }  # fmt: skip
    return fields | changed


def test_what_eats_no_milk_is_ticked_and_the_rest_is_written(roux: Family):
    client = roux.client()
    asked = text_of(client.get(page_of(roux.child)))
    assert [label in asked for label in Allergen.labels] == [True] * 14
    assert client.post(page_of(roux.child), NOTES).status_code == 302
    notes = ChildHealth.objects.get()
    assert (notes.allergens, notes.allergies) == (["nuts", "milk"], "Kiwi, même en traces")
    shown = text_of(client.get(reverse("families:child", args=[roux.child.pk])))
    assert "Lait, Fruits à coque. Kiwi, même en traces" in shown
    again = client.get(page_of(roux.child)).content.decode()
    assert [value for value in Allergen.values if "checked" in _box(again, value)] == ["milk", "nuts"]
    client.post(page_of(roux.child), NOTES | {"allergens": []})
    assert ChildHealth.objects.get().allergens == []


def _box(page, value):
    """The tag of a box."""
    (tag,) = [tag for tag in page.split("<input")[1:] if f'value="{value}"' in tag]
    return tag.partition(">")[0]


def test_only_the_fourteen_can_be_ticked(roux: Family):
    refused = roux.client().post(page_of(roux.child), NOTES | {"allergens": ["kiwi"]})
    assert refused.status_code == 200 and "choix valide" in text_of(refused)
    assert not ChildHealth.objects.exists()


@pytest.mark.parametrize(
    ("allergens", "note", "words"),
    [
        ([], "", ""),
        (["milk"], "", "Lait"),
        (["milk", "eggs"], "", "Œufs, Lait"),
        ([], "Kiwi", "Kiwi"),
        (["peanuts"], "Adrénaline", "Arachides. Adrénaline"),
        (None, None, ""),
    ],
)
def test_both_are_read_in_one_line(allergens, note, words):
    assert allergies_in_words(allergens, note) == words


def test_the_desk_ticks_too(roux: Family, health_agent):
    sent = desk_form(roux.child, **{f"health-0-{name}": value for name, value in NOTES.items()})
    assert health_agent.post(desk_of(roux.child), sent).status_code == 302
    assert ChildHealth.objects.get(child=roux.child).allergens == ["nuts", "milk"]
    assert "Kiwi" in text_of(health_agent.get(desk_of(roux.child)))


def test_registers_read_what_was_ticked(roux: Family):
    health = HealthFactory(child=roux.child, allergens=["peanuts"], allergies="")
    assert registers._details(health)[0] == "Allergies : Arachides"
    assert registers._flag(health, wanted=True, shown=registers.Health.HIDDEN) == registers.TO_READ


# A key that is missing ------------------------------------------------------------------------------------


@pytest.fixture
def lost(roux: Family, settings):
    HealthFactory(child=roux.child, **NOTES | {"has_pai": False})
    settings.FIELD_KEYS = [NEW]
    return ChildHealth.objects.get()


def test_a_family_reads_that_its_notes_are_illegible(lost, roux: Family):
    page = text_of(roux.client().get(reverse("families:child", args=[roux.child.pk])))
    assert page.count("illisible") == 5
    form = text_of(roux.client().get(page_of(roux.child)))
    assert KEPT_AS_IT_IS in form, "no box is ticked, and why"


SENT_BACK = dict.fromkeys(["allergies", "treatment", "doctor", "doctor_phone"], "illisible")


@pytest.mark.parametrize(
    "changed",
    [
        {"allergies": "Fraise"},
        {"allergies": ""},
        {"allergens": ["eggs"]},
        {"doctor_phone": "01 99 00 12 35"},
        {"doctor": ""},
    ],
)
def test_its_form_is_refused_with_a_sentence_and_nothing_is_lost(lost, roux: Family, changed):
    before = kept(lost)
    refused = roux.client().post(page_of(roux.child), SENT_BACK | changed)
    assert refused.status_code == 200 and KEPT_AS_IT_IS in text_of(refused)
    assert kept(lost) == before


def test_what_is_legible_can_still_change(lost, roux: Family):
    before = kept(lost)
    assert roux.client().post(page_of(roux.child), SENT_BACK | {"has_pai": "on"}).status_code == 302
    assert ChildHealth.objects.get().has_pai
    assert kept(lost) == before


def test_the_desk_can_still_correct_the_child(lost, roux: Family, health_agent):
    before = kept(lost)
    sent = desk_form(roux.child, lost, first_name="Line") | {f"health-0-{k}": v for k, v in SENT_BACK.items()}
    assert health_agent.post(desk_of(roux.child), sent).status_code == 302
    assert Child.objects.get(pk=roux.child.pk).first_name == "Line"
    refused = health_agent.post(desk_of(roux.child), sent | {"health-0-treatment": "Aucun"})
    assert refused.status_code == 200 and KEPT_AS_IT_IS in text_of(refused)
    assert kept(lost) == before


def test_who_looks_after_the_child_is_told_that_there_is_something(lost):
    assert lost.known_allergies == "illisible. illisible"
    assert registers._flag(lost, wanted=True, shown=registers.Health.HIDDEN) == registers.TO_READ


def test_the_doctor_of_a_brother_or_sister_is_not_asked_again(roux: Family, stranger: Family):
    """Nor is a stranger's told, nor what is the child's own: what it is allergic to."""
    HealthFactory(child=stranger.child, doctor="Dr Inconnu", doctor_phone="01 99 00 99 99")
    HealthFactory(
        child=roux.child, doctor="Dr Adam", doctor_phone="01 99 00 12 34", allergies="Kiwi", treatment="Stylo"
    )
    hugo = ChildFactory(first_name="Hugo", households=[roux.household])
    client = roux.client()
    page = client.get(page_of(hugo)).content.decode()
    assert 'value="Dr Adam"' in page and "01 99 00 12 34" in page.replace("\xa0", " ").replace("&nbsp;", " ")
    assert "Kiwi" not in page and "Stylo" not in page and "Inconnu" not in page
    assert not ChildHealth.objects.filter(child=hugo).exists()
    client.post(page_of(hugo), {"doctor": "Dr Adam", "doctor_phone": "01 99 00 12 34"})
    assert ChildHealth.objects.get(child=hugo).doctor == "Dr Adam"
