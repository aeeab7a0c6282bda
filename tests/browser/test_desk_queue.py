"""« À traiter » in a real browser: keys while the request has the focus, days that are ticked, no barrier."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from portal.desk import settling
from portal.reservations.models import Enrolment, ReservationLine
from portal.reservations.states import EnrolmentState, Outcome
from tests.browser.looking import faults
from tests.conftest import FRIDAY, THURSDAY

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def requests(asks, books, waits, agent):
    asks(books, THURSDAY, FRIDAY)
    Enrolment.objects.filter(pk=waits.enrolment.pk).update(state=EnrolmentState.REQUESTED)


def test_requests_are_answered_by_keys_which_can_be_switched_off(requests, waits, open_page):
    page = open_page("agent")
    page.goto("/mairie/")
    assert faults(page) == []
    page.get_by_role("link", name="Traiter les demandes").click()
    item = page.get_by_role("article")
    expect(item).to_be_focused()
    assert faults(page) == []
    first = item.get_by_role("heading", level=2).inner_text()
    keys = page.get_by_label("Touches A, R et J")
    keys.uncheck()
    item.focus()
    page.keyboard.press("j")
    expect(item.get_by_role("heading", level=2)).to_have_text(first)
    keys.check()
    # Typing a reason is typing, and a key elsewhere on the page is nothing.
    item.get_by_label("Vos mots").press_sequentially("aj")
    keys.focus()
    page.keyboard.press("j")
    expect(item.get_by_role("heading", level=2)).to_have_text(first)
    item.focus()
    page.keyboard.press("j")
    expect(item.get_by_role("heading", level=2)).not_to_have_text(first)


def test_days_are_unticked_at_once(requests, open_page):
    page = open_page("agent")
    page.goto(f"{reverse('admin:desk_queue')}?nature=jours")
    page.get_by_role("button", name="Tout décocher").click()
    page.get_by_label("vendredi 27 novembre").check()
    page.get_by_role("article").focus()
    page.keyboard.press("a")
    expect(page.get_by_text("1 jour accepté.")).to_be_visible()
    assert faults(page) == []
    # Two minutes to think again; then it is done.
    page.get_by_role("button", name="Reprendre la décision").click()
    expect(page.get_by_text("la demande attend de nouveau")).to_be_visible()
    page.get_by_role("button", name="Accepter").click()
    expect(page.get_by_text("2 jours acceptés.")).to_be_visible()
    assert settling.settle(at=timezone.now() + timedelta(minutes=2)) == 1
    outcomes = dict(ReservationLine.objects.values_list("day", "outcome"))
    assert outcomes == {THURSDAY: Outcome.ACCEPTED, FRIDAY: Outcome.ACCEPTED}
