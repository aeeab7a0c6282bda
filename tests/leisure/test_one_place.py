"""The service's own pages, for an agent of one centre and for one of another place."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from portal.reservations.models import Period
from portal.reservations.staff import giving
from tests.conftest import logged_in
from tests.factories import CentreFactory, UserFactory
from tests.leisure.desk_cast import MONDAY, asks_for, camp

__all__ = ["asks_for", "camp"]

REQUESTS, REGISTER, WIZARD = (
    reverse(f"admin:leisure_{name}") for name in ("requests", "register", "open_period")
)


@pytest.fixture
def agent_of(camp):
    def client_of(*places):
        user = UserFactory(is_staff=True)
        giving.give(user, Group.objects.get(name="Agent"), places=places, by=None)
        return logged_in(user)

    return client_of


def test_requests_and_registers_are_of_the_own_centre(agent_of, asks_for, books, camp, canteen):
    asks_for(books, MONDAY)
    here, elsewhere = agent_of(camp.centre), agent_of(canteen.restaurant)
    assert here.get(REQUESTS).context["total"] == 1
    assert elsewhere.get(REQUESTS).context["nothing"]
    for client, centres in ((here, [camp.centre]), (elsewhere, [])):
        form = client.get(REGISTER).context["form"]
        assert list(form.fields["centre"].queryset) == centres
    named = elsewhere.get(f"{REGISTER}?centre={camp.centre.pk}&jour={MONDAY}&format=csv")
    assert named.context["sheets"] is None


def test_a_period_is_opened_at_own_centres_and_not_over_the_heads_of_others(agent_of, camp, canteen):
    other = CentreFactory(code="les-saules", name="Centre des Saules")
    camp.activity.establishments.add(other)
    new = {"activite": camp.activity.pk, "debut": "2027-02-15", "fin": "2027-02-19", "nom": "Février"}

    page = agent_of(canteen.restaurant).post(WIZARD, new | {"vers": "places"})
    assert "aucun établissement en service que vous suiviez" in page.content.decode().replace("&#x27;", "'")
    page = agent_of(other).post(WIZARD, new | {"vers": "places"})
    assert page.context["plan"].establishments == [other]

    camp.establishments.set([camp.centre])
    same = new | {"debut": camp.starts_on.isoformat(), "fin": camp.ends_on.isoformat(), "nom": camp.name}
    page = agent_of(other).post(WIZARD, same | {"vers": "places"})
    assert "concerne aussi" in page.content.decode()
    assert list(Period.objects.get(pk=camp.pk).establishments.all()) == [camp.centre]
