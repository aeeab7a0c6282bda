"""A household at the desk on one screen: what a call asks, at a fixed price, by right and place."""

from datetime import date

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from families.household_screen import Tab
from families.models import DietChoice, paper_kinds
from portal import town
from tests.conftest import Family
from tests.factories import (
    ChildFactory,
    DietChoiceFactory,
    DietFactory,
    EnrolmentFactory,
    HealthFactory,
    LetterFactory,
)

QUERIES = 20


def screen(household, **query: str) -> str:
    said = "&".join(f"{name}={value}" for name, value in query.items())
    return reverse("admin:families_household_change", args=[household.pk]) + (f"?{said}" if said else "")


def counted(client, address: str) -> int:
    town.current()  # kept by every process for half a minute,
    paper_kinds()  # and so is what the town asks for
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200

    return len(queries)


def test_the_screen_answers_a_call(agent_client, books: Family, canteen):
    LetterFactory(household=books.household, guardian=books.guardian, subject="Votre facture d'octobre")
    books.guardian.phone = "+33639980000"
    books.guardian.save()
    DietChoice.objects.filter(child=books.child).update(diet=DietFactory(name="Sans porc"))
    page = agent_client.get(screen(books.household)).text
    assert 'href="tel:+33639980000"' in page and "06 39 98 00 00" in page
    for said in ("Lina", "Sans porc", "Votre facture d&#x27;octobre", "Quatorze jours"):
        assert said in page
    # A link to enrol this child, and to the forms of what is shown.
    assert f"{reverse('admin:reservations_enrolment_enrol')}?enfant={books.child.pk}" in page
    assert screen(books.household, modifier="responsables") in page
    assert "<form" not in page.partition('id="content"')[2]


@pytest.mark.parametrize("tab", [tab.value for tab in Tab])
def test_the_screen_costs_the_same_for_one_child_and_for_five(
    agent, agent_client, books: Family, canteen, tab
):
    for name in ("Régie", "Fiches sanitaires"):
        agent.groups.add(Group.objects.get(name=name))
    address = screen(books.household, onglet=tab)
    agent_client.get(address)
    one = counted(agent_client, address)
    for number in range(4):
        child = ChildFactory(
            first_name=f"Enfant{number}", birth_date=date(2018, 1, number + 1), households=[books.household]
        )
        EnrolmentFactory(
            child=child,
            household=books.household,
            activity=books.enrolment.activity,
            school_year=books.enrolment.school_year,
            establishment=books.enrolment.establishment,
        )
        HealthFactory(child=child, has_pai=True)
        DietChoiceFactory(child=child)
    assert counted(agent_client, address) == one
    assert one <= QUERIES, one
