"""A name is found however it is typed, by Python and by the database."""

import re
import unicodedata
from datetime import date

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as some

from families import access
from families.models import Child
from portal.french import spelling
from tests.factories import ChildFactory, GuardianFactory


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("lefevre", "Lefèvre"),
        ("LEFÈVRE", "lefèvre"),
        ("lefèvre", "LEFEVRE"),
        ("d’aubigne", "D'Aubigné"),
        ("anne-lise", "Anne Lise"),
        ("coeur", "Cœur"),
        ("cœur", "COEUR"),
        ("elo", "Élodie"),
        ("f2026-000042", "F2026-000042"),
        ("a.b", "a+b"),
    ],
)
@pytest.mark.django_db
def test_a_name_is_found_however_it_is_typed(typed: str, name: str, agent_client):
    assert re.search(spelling.pattern(typed), name, re.IGNORECASE)
    child = ChildFactory(last_name=name)
    found = agent_client.get(reverse("admin:families_child_changelist"), {"q": typed}).context["cl"]
    assert [row.pk for row in found.queryset] == [child.pk]


@pytest.mark.parametrize("sign", ["(", "[", "\\", "*", "'", '"', "%", ".", "🐶", "\N{LEFT-TO-RIGHT MARK}"])
@pytest.mark.django_db
def test_signs_are_no_patterns_and_are_no_part_of_a_name(sign: str, agent_client):
    roux = ChildFactory(last_name="Roux")
    ChildFactory(last_name="Morel")
    for typed in (f"roux{sign}", f"{sign}roux", f"roux {sign}"):
        found = agent_client.get(reverse("admin:families_child_changelist"), {"q": typed}).context["cl"]
        assert [row.pk for row in found.queryset] == [roux.pk]


@pytest.mark.parametrize(
    "typed", ["roux{9999}", "roux|morel", "ro.x", "rouxoe(", "roux²", "roux" + "x" * 400]
)
@pytest.mark.django_db
def test_what_is_no_name_finds_nothing(typed: str, agent_client):
    ChildFactory(last_name="Roux")
    found = agent_client.get(reverse("admin:families_child_changelist"), {"q": typed}).context["cl"]
    assert not found.queryset.exists()


NAMES = [
    ("sahin", "Şahin"),
    ("Nguyen", "Nguyễn"),
    ("dvorak", "Dvořák"),
    ("lukasik", "Łukasik"),
    ("gruss", "Gruß"),
    ("ibrahim", "İbrahim"),
    ("lefevre", "Lefe\N{COMBINING GRAVE ACCENT}vre"),
    ("lefe\N{COMBINING GRAVE ACCENT}vre", "Lefèvre"),
    ("иванова", "Иванова"),
    ("søren", "Soren"),
    ("阮", "阮"),
]


@pytest.mark.parametrize(("typed", "name"), NAMES)
@pytest.mark.django_db
def test_a_name_of_any_script_is_kept_composed_and_found(typed: str, name: str, agent_client, town):
    child = ChildFactory(last_name=name)
    home = GuardianFactory(last_name=name).household
    child.refresh_from_db()
    assert child.last_name == unicodedata.normalize("NFC", name)
    pages = {"child": child.pk, "household": home.pk}
    for model, key in pages.items():
        page = agent_client.get(reverse(f"admin:families_{model}_changelist"), {"q": typed})
        assert [row.pk for row in page.context["cl"].queryset] == [key]


@pytest.mark.django_db
def test_whatever_writes_a_name_writes_its_folded_form():
    child = ChildFactory(first_name="Zoé", last_name="Roux")
    child.last_name = "Çelik"
    child.save(update_fields=["last_name"])
    assert Child.objects.get(folded="zoe celik") == child
    many = [
        Child(first_name="Noël", last_name=f"D'Or {number}", birth_date=date(2018, 3, 2)) for number in (1, 2)
    ]
    Child.objects.bulk_create(many)
    assert set(Child.objects.filter(folded__contains="noel").values_list("folded", flat=True)) == {
        "noel d or 1",
        "noel d or 2",
    }


@given(some.text(max_size=40))
def test_folding_is_stable_and_takes_anything(text: str):
    once = spelling.folded(text)
    assert spelling.folded(once) == once
    assert once == spelling.folded(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize(
    ("first", "last", "login"),
    [
        ("Łucja", "Łukasik", "lucja.lukasik"),
        ("İbrahim", "Gruß", "ibrahim.gruss"),
        ("Анна", "Иванова", "responsable"),
        ("阮", "英", "responsable"),
    ],
)
@pytest.mark.django_db
def test_an_identifiant_can_be_typed_on_any_keyboard(first: str, last: str, login: str, town):
    guardian = GuardianFactory(first_name=first, last_name=last)
    assert access.new_login(guardian, "une.adresse@example.org").username.startswith(login)
    assert access.new_login(guardian, "une.autre@example.org").username.isascii()


@pytest.mark.django_db
def test_other_names_are_not_found(agent_client):
    ChildFactory(first_name="Léo", last_name="Roux")
    for typed in ("lefevre", "rouxe", "leo lefevre"):
        page = agent_client.get(reverse("admin:families_child_changelist"), {"q": typed})
        assert not page.context["cl"].queryset.exists()
    both = agent_client.get(reverse("admin:families_child_changelist"), {"q": "roux leo"})
    assert both.context["cl"].queryset.count() == 1
