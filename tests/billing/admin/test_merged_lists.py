"""Two people with one list open: the second save takes nothing back that the first one entered."""

import re
from datetime import date, timedelta

import pytest
import time_machine
from django.contrib.messages import get_messages
from django.urls import reverse

from portal.reservations.models import Attendance, Booking
from portal.reservations.presence import attendance
from portal.reservations.presence.attendance import homes_of
from tests.conftest import NOW
from tests.factories import BookingFactory
from tests.families.conftest import text_of

MONDAY = date(2026, 11, 9)


@pytest.fixture
def where(canteen) -> str:
    query = f"jour={MONDAY}&lieu={canteen.restaurant.pk}&formule={canteen.formula.pk}"
    return f"{reverse('admin:reservations_attendance_list')}?{query}"


@pytest.fixture
def lina(books) -> Booking:
    return BookingFactory(enrolment=books.enrolment, day=MONDAY)


@pytest.fixture
def noe(waits) -> Booking:
    return BookingFactory(enrolment=waits.enrolment, day=MONDAY)


def opened(client, where, **answers) -> dict[str, str]:
    """The form as a page shows it now, with the answers given there."""
    page = text_of(client.get(where))
    fields = dict(re.findall(r'type="hidden" name="(montre-\d+)" value="([^"]*)"', page))
    checked = re.findall(r'name="(etat-\d+)" value="(\w+)" checked', page)
    return {name: value.replace("&#x27;", "'") for name, value in fields.items()} | dict(checked) | answers


def states() -> dict[str, str]:
    return dict(Attendance.objects.values_list("child__first_name", "state"))


def test_two_pages_merge_row_by_row(lina, noe, where, agent_client):
    first = opened(agent_client, where, **{f"etat-{lina.pk}": "absent", f"motif-{lina.pk}": "illness"})
    second = opened(agent_client, where, **{f"etat-{noe.pk}": "absent"})
    agent_client.post(where, first)
    agent_client.post(where, second)
    # The second page left Lina as it showed her; the first one left Noé so.
    assert states() == {"Lina": "absent", "Noé": "absent"}
    assert Attendance.objects.get(child=lina.child).reason == "illness"


def test_a_row_that_both_changed_is_asked(lina, where, agent_client):
    first = opened(agent_client, where, **{f"etat-{lina.pk}": "absent", f"motif-{lina.pk}": "illness"})
    second = opened(agent_client, where, **{f"etat-{lina.pk}": "absent", f"motif-{lina.pk}": "strike"})
    agent_client.post(where, first)
    with time_machine.travel(NOW + timedelta(minutes=5), tick=False):
        answer = agent_client.post(where, second)
    page = text_of(answer)
    assert answer.status_code == 200
    assert "Absence (maladie) pointée à 10 h par Dominique Agent" in page
    assert '<option value="strike" selected>' in page
    assert Attendance.objects.get().reason == "illness"
    # Saved once more, from the page that asked, the answer counts.
    again = dict(re.findall(r'type="hidden" name="(montre-\d+)" value="([^"]*)"', page))
    agent_client.post(where, second | again)
    assert Attendance.objects.get().reason == "strike"


def test_both_saying_the_same_is_no_question(lina, where, agent_client):
    page = opened(agent_client, where, **{f"etat-{lina.pk}": "absent"})
    agent_client.post(where, page)
    answer = agent_client.post(where, page)
    assert answer.status_code == 302
    (*_, said) = get_messages(answer.wsgi_request)
    assert str(said) == "La liste était déjà enregistrée ainsi : rien n'a changé."


def test_looking_for_a_name_keeps_what_the_page_showed(lina, where, agent_client, agent, canteen):
    mine = opened(agent_client, where) | {"chercher": "1", "q": "noel"}
    said = attendance.Said("absent", "illness")
    attendance.record(
        canteen.restaurant, canteen.formula, MONDAY, {lina.pk: said}, by=agent, at=NOW + timedelta(minutes=1)
    )
    page = text_of(agent_client.post(where, mine))
    assert f'name="montre-{lina.pk}" value="|present||"' in page
    agent_client.post(where, mine | {"chercher": ""})
    assert states() == {"Lina": "absent"}


@pytest.mark.parametrize("typed", ["noel", "NOEL", "Noël", "noël roux"])
def test_a_name_is_found_however_it_is_accented(books, canteen, typed):
    books.child.first_name = "Noël"
    books.child.save()
    assert [home.child for home in homes_of(typed, canteen.formula, day=MONDAY)] == [books.child]
