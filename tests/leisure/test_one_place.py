"""The service's own pages, for an agent of one centre and for one of another place."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from portal.reservations.models import Period
from portal.reservations.staff import giving
from tests.conftest import NOW, logged_in
from tests.factories import BookingFactory, CentreFactory, EnrolmentFactory, UserFactory
from tests.leisure.desk_cast import MONDAY, asks_for, camp

__all__ = ["asks_for", "camp"]

REQUESTS, REGISTER, WIZARD = (
    reverse(f"admin:leisure_{name}") for name in ("requests", "register", "open_period")
)


@pytest.fixture
def agent_of(camp):
    def client_of(*places):
        return somebody("Agent", *places)

    return client_of


@pytest.fixture
def comes_today(camp, books, year):
    enrolment = EnrolmentFactory(
        household=books.household,
        child=books.child,
        activity=camp.activity,
        establishment=camp.centre,
        school_year=year,
    )
    return BookingFactory(enrolment=enrolment, formula=camp.formula, day=NOW.date())


def somebody(role, *places):
    user = UserFactory(is_staff=True)
    giving.give(user, Group.objects.get(name=role), places=places, by=None)
    return logged_in(user)


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


def test_a_director_is_not_led_to_periods_which_are_the_towns(camp, agent_client):
    assert 'href="/mairie/leisure/centre/ouvrir/"' in agent_client.get("/mairie/").text
    director = somebody("Direction de centre", camp.centre)
    assert 'href="/mairie/leisure/centre/ouvrir/"' not in director.get("/mairie/").text
    assert director.get("/mairie/leisure/centre/ouvrir/").status_code == 403


def test_an_animator_opens_todays_register_and_takes_no_file(camp, comes_today):
    animator, director = (somebody(role, camp.centre) for role in ("Animation", "Direction de centre"))
    today = f"{REGISTER}?centre={camp.centre.pk}&jour={NOW.date()}"
    page = animator.get(today)
    assert "Lina" in page.text and 'value="pdf"' not in page.text
    assert animator.get(f"{today}&format=csv").status_code == 403
    for other in (f"{REGISTER}?centre={camp.centre.pk}&jour={MONDAY}", f"{today}&vue=semaine"):
        page = animator.get(other)
        assert page.context["sheets"] is None and "aujourd&#x27;hui seulement" in page.text
        assert director.get(other).context["sheets"] is not None
    assert "Lina" in director.get(f"{today}&format=csv").text
    told = next(one for one in animator.get("/mairie/").context["blocks"] if one["key"] == "attendus")
    # The first page counts the children, and leads to today's register only.
    assert [(one.name, one.children[0]) for one in told["lines"]] == [(camp.centre.name, 1)]
    assert told["lines"][0].urls[0].startswith(REGISTER) and not told["lines"][0].urls[1]
