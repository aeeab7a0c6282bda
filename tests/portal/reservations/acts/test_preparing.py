"""What a new family prepares before the town hall has answered: enrolments that wait with their household."""

import pytest
from django.test import Client
from django.urls import reverse

from families import approval
from families.models import DietChoice, Household
from portal.reservations.acts import enrolling
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.models import Activity, Enrolment, Schooling
from portal.reservations.states import EnrolmentState
from tests.conftest import NOW, Family
from tests.factories import (
    ChildFactory,
    DietChoiceFactory,
    EnrolmentFactory,
    HouseholdFactory,
    SchoolingFactory,
)


@pytest.fixture
def newcomer(stranger: Family) -> Family:
    """Camille Morel and Zoé: their account waits for the town hall."""
    Household.objects.filter(pk=stranger.household.pk).update(state=Household.State.REQUESTED)
    stranger.household.refresh_from_db()
    return stranger


@pytest.fixture
def prepared(newcomer: Family, canteen, year, now) -> Enrolment:
    """Zoé's enrolment, at a canteen that accepts at once."""
    Activity.objects.update(enrolment_processing=Activity.Processing.AUTOMATIC)
    return enrolling.request(
        household=newcomer.household,
        child=newcomer.child,
        activity=Activity.objects.get(),
        establishment=canteen.restaurant,
        school_year=year,
        weekdays=0b1011,
        starts_on=now.date(),
        by=newcomer.user,
        at=now,
    )


def state_of(enrolment: Enrolment) -> str:
    return Enrolment.objects.get(pk=enrolment.pk).state


def test_a_prepared_enrolment_waits_and_is_accepted_with_its_household(prepared, newcomer, agent, now):
    assert state_of(prepared) == EnrolmentState.REQUESTED
    approval.accept_household(newcomer.household, by=agent, at=now)
    assert state_of(prepared) == EnrolmentState.ACCEPTED


def test_where_the_town_hall_answers_each_enrolment_it_still_does(prepared, newcomer, agent, now):
    Activity.objects.update(enrolment_processing=Activity.Processing.ON_REQUEST)
    approval.accept_household(newcomer.household, by=agent, at=now)
    assert state_of(prepared) == EnrolmentState.REQUESTED
    assert enrolling.accept(prepared, by=agent, at=now)


def test_nobody_is_enrolled_in_a_household_that_still_waits(prepared, agent, agent_client, now):
    assert not enrolling.accept(prepared, by=agent, at=now)
    assert state_of(prepared) == EnrolmentState.REQUESTED
    listed = reverse("admin:reservations_enrolment_changelist")
    answer = agent_client.post(
        listed, {"action": "accept_selected", "_selected_action": [prepared.pk]}, follow=True
    )
    assert answer.status_code == 200
    assert state_of(prepared) == EnrolmentState.REQUESTED


def test_what_a_refused_household_prepared_is_over(prepared, newcomer, agent, now):
    approval.refuse_household(newcomer.household, reason="Adresse inconnue.", by=agent, at=now)
    assert state_of(prepared) == EnrolmentState.ENDED


def test_a_refused_household_prepares_nothing_more(newcomer, canteen, year, agent, now):
    approval.refuse_household(newcomer.household, reason="Adresse inconnue.", by=agent, at=now)
    with pytest.raises(EnrolmentRefused, match="n'a pas validé"):
        enrolling.request(
            household=newcomer.household,
            child=newcomer.child,
            activity=canteen.activity,
            establishment=canteen.restaurant,
            school_year=year,
            weekdays=1,
            starts_on=now.date(),
            by=newcomer.user,
            at=now,
        )
    assert newcomer.client().get(reverse("catering:enrol", args=[newcomer.child.pk])).status_code == 302


def test_the_pages_let_a_waiting_family_enrol_and_say_that_it_waits(
    newcomer, canteen, school, school_class, year
):
    client: Client = newcomer.client()
    diet = DietChoiceFactory().diet
    page = client.get(reverse("catering:choose_enrolment"), follow=True)
    answer = client.post(
        page.redirect_chain[-1][0],
        {
            "school": school.pk,
            "school_class": school_class.pk,
            "restaurant": canteen.restaurant.pk,
            "diet": diet.pk,
            "starts_on": "2026-11-12",
            "weekdays": [0, 3],
        },
        follow=True,
    )
    assert "L&#x27;inscription de Zoé est prête" in answer.content.decode()
    assert Enrolment.objects.get(child=newcomer.child).state == EnrolmentState.REQUESTED


def test_a_child_known_elsewhere_takes_over_what_was_prepared_for_its_copy(
    prepared, newcomer, school_class, agent
):
    """Zoé is known already: what her family prepared here is hers, and the copy may go."""
    SchoolingFactory(child=newcomer.child, school_class=school_class)
    DietChoiceFactory(child=newcomer.child)
    known = ChildFactory(first_name="Zoé", last_name="Morel", households=[HouseholdFactory()])
    assert not approval.is_used(newcomer.child)
    approval.carry_prepared(newcomer.child, known, newcomer.household.pk, at=NOW)
    assert Enrolment.objects.get(pk=prepared.pk).child == known
    assert Schooling.objects.get().child == known
    assert DietChoice.objects.get().child == known


def test_what_the_known_child_has_stays(prepared, newcomer, canteen, year):
    known = ChildFactory(first_name="Zoé", last_name="Morel", households=[newcomer.household])
    own = EnrolmentFactory(
        household=newcomer.household, child=known, activity=canteen.activity, school_year=year
    )
    approval.carry_prepared(newcomer.child, known, newcomer.household.pk, at=NOW)
    assert list(Enrolment.objects.filter(child=known)) == [own]


def test_a_child_that_was_accepted_somewhere_is_used(books):
    assert approval.is_used(books.child)
