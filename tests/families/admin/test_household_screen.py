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
from tests.conftest import NOW, THURSDAY, Family
from tests.factories import (
    ChangeRequestFactory,
    ChildFactory,
    DietChoiceFactory,
    DietFactory,
    EnrolmentFactory,
    HealthFactory,
    LetterFactory,
    ReservationFactory,
    ReservationLineFactory,
)

QUERIES, HISTORY_QUERIES = 20, 24

ADDRESS = {"street_more": "", "postcode": "01999", "city": "Valmirelle-les-Prés", "resident": "on"}


@pytest.fixture
def asked(books: Family, canteen):
    """A Thursday that waits for the town hall's answer."""
    reservation = ReservationFactory(
        enrolment=books.enrolment, period=canteen.period, state="pending", submitted_at=NOW
    )
    ReservationLineFactory(
        reservation=reservation, formula=canteen.formula, day=THURSDAY, outcome="requested"
    )
    return reservation


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
    five = counted(agent_client, address)
    if tab == Tab.HISTORY:
        # One for each kind of what happened.
        assert five <= HISTORY_QUERIES, five
    else:
        assert five == one <= QUERIES, five


def test_what_waits_is_said_the_oldest_first_with_the_page_that_answers(agent_client, books: Family, asked):
    change = ChangeRequestFactory(household=books.household)
    page = agent_client.get(screen(books.household)).text
    days = reverse("admin:reservations_reservation_change", args=[asked.pk])
    assert days in page and reverse("admin:families_changerequest_change", args=[change.pk]) in page
    assert "jeudi 26 novembre" in page


def test_a_part_of_the_form_changes_what_it_says_and_comes_back(agent_client, books: Family):
    where = screen(books.household, modifier="notes")
    page = agent_client.get(where).text
    assert 'name="notes"' in page and 'name="street"' not in page and "guardians-" not in page
    answer = agent_client.post(where, {"notes": "Rappeler après 17 h."})
    assert answer["Location"] == screen(books.household, onglet="dossier")
    books.household.refresh_from_db()
    assert books.household.notes == "Rappeler après 17 h."


def test_a_tab_and_a_block_are_for_who_has_their_right(regie_client, agent, agent_client, books: Family):
    address = screen(books.household)
    money, work = regie_client.get(address).text, agent_client.get(address).text
    assert "Solde" in money and "Encaisser" in money and "Solde" not in work
    assert "?onglet=argent" in money and "?onglet=argent" not in work
    HealthFactory(child=books.child, has_pai=True)
    assert ">PAI<" not in agent_client.get(address).text
    agent.groups.add(Group.objects.get(name="Fiches sanitaires"))
    assert ">PAI<" in agent_client.get(address).text


def test_the_history_says_what_happened_and_by_whom(agent_client, books: Family, asked):
    agent_client.post(screen(books.household, modifier="adresse"), ADDRESS | {"street": "14 rue du Lavoir"})
    page = agent_client.get(screen(books.household, onglet="historique")).text
    assert "Adresse du foyer modifiée" in page and "Dominique Agent" in page and "14 rue du Lavoir" in page
    one_kind = agent_client.get(screen(books.household, onglet="historique", nature="inscriptions")).text
    assert "Adresse du foyer modifiée" not in one_kind
