"""Two agents on one request: the second is told who answered, when and how, and nothing is answered twice."""

from html import unescape

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from families.models import ChangeRequest, Household
from portal.reservations.models import Enrolment
from portal.reservations.states import EnrolmentState
from tests.conftest import NOW, THURSDAY, Family, logged_in
from tests.factories import (
    ChangeRequestFactory,
    HouseholdFactory,
    ReservationFactory,
    ReservationLineFactory,
    UserFactory,
)


@pytest.fixture
def second(agent):
    user = UserFactory(username="second", is_staff=True, first_name="Sacha", last_name="Deux")
    user.groups.add(Group.objects.get(name="Agent"))
    return logged_in(user)


def answer(client, row, action: str, **more: str) -> str:
    queue = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_changelist")
    said = {"action": action, "_selected_action": str(row.pk), "select_across": "0"} | more
    return unescape(client.post(queue, said, follow=True).text)


REASON = {"reason_given": "1", "ready": "autre", "words": "Plus de place."}


def test_of_an_account(agent_client, second, now):
    home = HouseholdFactory(state=Household.State.REQUESTED)
    answer(agent_client, home, "accept_selected")
    said = answer(second, home, "refuse_selected", **REASON)
    assert (
        f"{home} avait déjà sa réponse\xa0: validé, par Dominique Agent, lundi 9 novembre à 10\xa0h." in said
    )
    home.refresh_from_db()
    assert home.is_accepted


def test_of_a_change(agent_client, second, books: Family):
    change = ChangeRequestFactory(household=books.household)
    answer(agent_client, change, "refuse_selected", **REASON)
    said = answer(second, change, "accept_selected")
    assert "avait déjà sa réponse" in said
    assert ", par Dominique Agent, lundi 9 novembre à 10\xa0h. Motif\xa0: Plus de place." in said
    assert ChangeRequest.objects.get().state == ChangeRequest.State.REFUSED


def test_of_an_enrolment_the_second_is_not_asked_for_a_reason(agent_client, second, books: Family):
    Enrolment.objects.update(state=EnrolmentState.REQUESTED)
    answer(agent_client, books.enrolment, "accept_selected")
    said = answer(second, books.enrolment, "refuse_selected")
    assert "avait déjà sa réponse\xa0: acceptée, par Dominique Agent" in said
    assert "Refuser et prévenir" not in said


def test_of_days_asked_for(agent_client, second, books: Family, canteen):
    asked = ReservationFactory(
        enrolment=books.enrolment, period=canteen.period, state="pending", submitted_at=NOW
    )
    ReservationLineFactory(reservation=asked, formula=canteen.formula, day=THURSDAY, outcome="requested")
    answer(agent_client, asked, "refuse_selected", **REASON)
    said = answer(second, asked, "accept_selected")
    assert "avait déjà sa réponse" in said and "par Dominique Agent, lundi 9 novembre" in said
