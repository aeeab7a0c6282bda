"""A name is found however it is typed, by Python and by the database."""

import re

import pytest
from django.urls import reverse

from portal.french import spelling
from tests.factories import ChildFactory


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


@pytest.mark.parametrize(
    "typed", ["(", "[", "\\", "*", "a{9999}", "'", '"', "%", "oe(", "²", "🐶", "x" * 400]
)
@pytest.mark.django_db
def test_signs_of_patterns_are_signs_only(typed: str, agent_client):
    ChildFactory(last_name="Roux")
    found = agent_client.get(reverse("admin:families_child_changelist"), {"q": f"roux{typed}"}).context["cl"]
    assert not found.queryset.exists()


@pytest.mark.django_db
def test_other_names_are_not_found(agent_client):
    ChildFactory(first_name="Léo", last_name="Roux")
    for typed in ("lefevre", "rouxe", "leo lefevre"):
        page = agent_client.get(reverse("admin:families_child_changelist"), {"q": typed})
        assert not page.context["cl"].queryset.exists()
    both = agent_client.get(reverse("admin:families_child_changelist"), {"q": "roux leo"})
    assert both.context["cl"].queryset.count() == 1
