"""Two schools have a « CE1 »: who chooses one at the desk sees of which school it is, and gets that one."""

import json
from datetime import date

import pytest
from django.urls import reverse

from portal.reservations.models import Booking, Closure, Schooling
from portal.reservations.states import BookingState
from tests.conftest import THURSDAY, Family
from tests.factories import SchoolClassFactory, SchoolFactory, SchoolingFactory, SchoolYearFactory

ADD_CLOSURE = "admin:reservations_closure_add"


@pytest.fixture
def last_year(school):
    past = SchoolYearFactory(name="2025-2026", starts_on=date(2025, 9, 1), ends_on=date(2026, 7, 3))
    return SchoolClassFactory(school=school, school_year=past, name="CE1")


def closing(school_class, **given):
    day = THURSDAY.strftime("%d/%m/%Y")
    kept = {"starts_on": day, "ends_on": day, "why": "trip", "school_class": school_class.pk}
    return kept | {"_save": "Enregistrer"} | given


def test_a_search_for_a_class_names_the_school_and_leaves_last_year_out(
    mill, school_class, last_year, agent_client
):
    asked = {
        "app_label": "reservations",
        "model_name": "closure",
        "field_name": "school_class",
        "term": "CE1",
    }
    found = json.loads(agent_client.get(reverse("admin:autocomplete"), asked).text)
    assert [one["text"] for one in found["results"]] == [
        "CE1, École des Tilleuls",
        "CE1, École du Moulin-Vert",
    ]


def test_a_class_that_closes_is_that_of_its_school(asks, books, waits, mill, agent_client):
    Schooling.objects.filter(child=waits.child).update(school_class=mill.school_class)
    for who in (books, waits):
        asks(who, THURSDAY, on_request=False)
    question = agent_client.post(reverse(ADD_CLOSURE), closing(mill.school_class))
    assert "CE1, École du Moulin-Vert" in question.text
    assert "1 réservation sera annulée sans frais" in question.text
    agent_client.post(reverse(ADD_CLOSURE), closing(mill.school_class, _closing_confirmed="1"))
    (cancelled,) = Booking.objects.filter(state=BookingState.CANCELLED)
    assert cancelled.child == waits.child


def test_a_class_does_not_close_at_another_school_nor_in_another_year(
    canteen, mill, school, last_year, agent_client
):
    page = agent_client.post(reverse(ADD_CLOSURE), closing(mill.school_class, establishment=school.pk))
    assert "Cette classe est à l'école « École du Moulin-Vert »." in page.context["errors"][0]
    page = agent_client.post(reverse(ADD_CLOSURE), closing(last_year))
    assert "Cette classe est de l'année 2025-2026." in page.context["errors"][0]
    assert not Closure.objects.exists()


def test_the_class_of_a_child_is_one_of_its_year_by_school(books: Family, mill, last_year, agent_client):
    known = Schooling.objects.get(child=books.child)
    address = reverse("admin:reservations_schooling_change", args=[known.pk])
    page = agent_client.get(address).text
    assert "École du Moulin-Vert – 2026-2027" in page
    assert "École des Tilleuls – 2025-2026" not in page
    refused = agent_client.post(address, {"school_class": last_year.pk, "since": "", "_save": "1"})
    assert "school_class" in refused.context["adminform"].form.errors
    agent_client.post(address, {"school_class": mill.school_class.pk, "since": "", "_save": "1"})
    assert Schooling.objects.get(child=books.child).school_class == mill.school_class


@pytest.mark.parametrize("classes", [1, 10])
def test_lists_of_classes_cost_the_same_whatever_their_number(
    books, year, agent_client, classes, django_assert_num_queries
):
    for number in range(classes):
        SchoolClassFactory(school=SchoolFactory(code=f"ecole-{number}"), school_year=year, name="CE1")
        SchoolingFactory(school_class__school_year=year)
    asked = {
        "app_label": "reservations",
        "model_name": "closure",
        "field_name": "school_class",
        "term": "CE1",
    }
    for address, query, count in (
        ("admin:autocomplete", asked, 5),
        ("admin:reservations_schooling_add", {}, 4),
    ):
        agent_client.get(reverse(address), query)
        with django_assert_num_queries(count):
            assert agent_client.get(reverse(address), query).status_code == 200
