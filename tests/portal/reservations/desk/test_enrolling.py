"""« Inscrire un enfant »: the town hall enrols at any time, also where a campaign is closed to families."""

from datetime import date

import pytest
from django.urls import reverse

from portal.reservations.models import Enrolment, SchoolYear
from portal.reservations.staff import giving
from portal.reservations.states import EnrolmentState
from tests.conftest import logged_in
from tests.factories import (
    ActivityFactory,
    CampaignFactory,
    EstablishmentFactory,
    SchoolYearFactory,
    UserFactory,
    paris,
)

PAGE = reverse("admin:reservations_enrolment_enrol")


@pytest.fixture
def next_year(year) -> SchoolYear:
    return SchoolYearFactory(name="2027-2028", starts_on=date(2027, 9, 1), ends_on=date(2028, 7, 3))


def said(who, canteen, year, **changed):
    given = {
        "household": who.household.pk,
        "activity": canteen.activity.pk,
        "school_year": year.pk,
        "establishment": canteen.restaurant.pk,
        "weekdays": ["0", "3"],
        "starts_on": "2026-11-16",
    }
    return given | changed


def test_the_desk_enrols_while_the_campaign_is_closed_to_families(
    stranger, canteen, year, agent, agent_client, mailoutbox, django_capture_on_commit_callbacks
):
    CampaignFactory(school_year=year, opens_at=paris(2026, 6, 1), closes_at=paris(2026, 7, 1))
    refused = stranger.client().get(reverse("catering:enrol", args=[stranger.child.pk]), follow=True)
    assert "sont closes depuis le mercredi 1er juillet 2026" in refused.text
    assert "Appelez la mairie au" in refused.text
    assert f"?enfant={stranger.child.pk}" in agent_client.get(PAGE, {"q": "zoe"}).text
    where = f"{PAGE}?enfant={stranger.child.pk}"
    with django_capture_on_commit_callbacks(execute=True):
        agent_client.post(where, said(stranger, canteen, year))
    made = Enrolment.objects.get()
    assert (made.state, made.decided_by, made.weekdays) == (EnrolmentState.ACCEPTED, agent, 0b01001)
    assert made.starts_on == date(2026, 11, 16)
    assert [letter.to for letter in mailoutbox] == [[stranger.user.email]]


def test_what_begins_before_its_year_begins_with_it(stranger, canteen, next_year, agent_client):
    agent_client.post(f"{PAGE}?enfant={stranger.child.pk}", said(stranger, canteen, next_year))
    assert Enrolment.objects.get().starts_on == date(2027, 9, 1)


def test_what_does_not_fit_is_said_and_nothing_is_written(stranger, canteen, year, agent_client):
    other = EstablishmentFactory(name="Ailleurs", open_weekdays=0b1)
    ActivityFactory(establishments=[other])
    where = f"{PAGE}?enfant={stranger.child.pk}"
    page = agent_client.post(where, said(stranger, canteen, year, establishment=other.pk)).text
    assert "n&#x27;a pas lieu ici : Ailleurs" in page and "Ailleurs est fermé : jeudi" in page
    assert agent_client.get(f"{PAGE}?enfant=99999").status_code == 404
    assert agent_client.get(f"{PAGE}?enfant=abc").status_code == 200
    assert not Enrolment.objects.exists()


def test_a_child_beyond_the_limits_is_enrolled_with_a_reason(stranger, canteen, year, agent_client):
    type(canteen.activity).objects.update(min_age=12)
    where = f"{PAGE}?enfant={stranger.child.pk}"
    agent_client.post(where, said(stranger, canteen, year))
    assert not Enrolment.objects.exists()
    agent_client.post(where, said(stranger, canteen, year, beyond_limits="Accord du maire."))
    assert Enrolment.objects.get().limits_waived


def test_who_may_not_decide_may_not_enrol(stranger, regie_client, books_client):
    assert regie_client.get(PAGE).status_code == 403
    assert books_client.get(PAGE).status_code == 302


def test_an_agent_of_one_place_enrols_its_children_there_only(books, stranger, canteen, year, agent):
    clerk = UserFactory(username="clerk", is_staff=True)
    giving.give(clerk, agent.groups.get(), by=None, places=[canteen.restaurant])
    desk = logged_in(clerk)
    assert desk.get(f"{PAGE}?enfant={stranger.child.pk}").status_code == 404
    Enrolment.objects.update(state=EnrolmentState.ENDED)
    where = f"{PAGE}?enfant={books.child.pk}"
    desk.post(where, said(books, canteen, year, establishment=""))
    assert not Enrolment.objects.accepted().exists()
    desk.post(where, said(books, canteen, year))
    assert Enrolment.objects.accepted().get().child == books.child
