"""How many days one takes, as the planning says it: at its head, while one ticks, and on « Suivant »."""

from datetime import date

import pytest
from django.contrib.auth.models import Permission

from portal.reservations.models import Booking, DayRule, Reservation
from tests.conftest import logged_in
from tests.portal.reservations.audit import FRIDAY, MONDAY, TUESDAY, choices, reserve

TWO = "Semaine du 16 novembre : 2 jours cochés, il en faut 3."


@pytest.fixture
def three(canteen):
    return DayRule.objects.create(activity=canteen.activity, least=3)


@pytest.fixture
def planning(books, canteen):
    return f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/"


def ticked(canteen, *days, do="next", **more):
    values = [f"{one.formula_id}:{one.day.isoformat()}" for one in choices(canteen, days)]
    return {"book": values, "do": do, "version": "", "shown": "2026-11", **more}


def test_the_head_says_what_is_asked(books, planning, three):
    page = books.client().get(planning).content.decode()
    assert "Au moins 3 jours par semaine." in page
    assert "data-day-counts hidden" in page


def test_without_a_rule_there_is_no_line(books, planning):
    page = books.client().get(planning).content.decode()
    assert "data-day-counts" not in page and "Combien de jours" not in page


def test_on_next_the_planning_comes_back_with_the_sentence(books, canteen, planning, three):
    client = books.client()
    answer = client.post(planning, ticked(canteen, MONDAY, TUESDAY), follow=True)
    page = answer.content.decode()
    assert page.count(TWO) == 2, "as the refusal, and beside the sum"
    assert Reservation.objects.get().lines.count() == 2, "nothing ticked is lost"
    answer = client.post(planning, ticked(canteen, MONDAY, TUESDAY, FRIDAY, version=_version()))
    assert "/validation/" in answer["Location"] or "reservations" in answer["Location"]


def _version():
    return Reservation.objects.get().touched_at.isoformat()


def test_saving_while_ticking_answers_what_is_missing(books, canteen, planning, three):
    client = books.client()

    def saved(*days):
        version = _version() if Reservation.objects.exists() else ""
        data = ticked(canteen, *days, do="save", version=version)
        return client.post(planning, data, headers={"accept": "application/json"}).json()["counts"]

    assert saved(MONDAY, TUESDAY) == [TWO]
    assert saved(MONDAY, TUESDAY, FRIDAY) == []
    assert saved(MONDAY) == ["Semaine du 16 novembre : 1 jour coché, il en faut 3."]


def test_days_that_stand_are_counted_with_those_ticked(books, canteen, planning, three, now):
    reserve(books, canteen, MONDAY, TUESDAY, FRIDAY, at=now)
    data = ticked(canteen, do="save") | {
        "book": [],
        "cancel": [f"{canteen.formula.pk}:{FRIDAY.isoformat()}"],
    }
    answer = books.client().post(planning, data, headers={"accept": "application/json"}).json()
    assert answer["counts"] == [
        "Semaine du 16 novembre : il ne resterait que 2 jours, il en faut 3. "
        "Gardez-les, ou annulez la semaine entière."
    ]


def test_of_many_weeks_three_are_said(books, canteen, planning, three):
    mondays = [date(2026, 11, day) for day in (16, 23, 30)] + [date(2026, 12, 7), date(2026, 12, 14)]
    answer = books.client().post(
        planning, ticked(canteen, *mondays, do="save"), headers={"accept": "application/json"}
    )
    assert len(answer.json()["counts"]) == 4
    assert answer.json()["counts"][-1] == "Et 2 autres fois dans la période."


def test_the_town_hall_passes_over_on_its_page(books, canteen, three, agent):
    """The agent ticks one day, is asked why, and the family reads it."""
    client = logged_in(agent)
    where = books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk
    prefix = f"/mairie/reservations/booking/famille/{books.household.pk}/agir"
    address = "{}/cantine/planning/{}/{}/{}/".format(prefix, *where)
    answer = client.post(address, ticked(canteen, MONDAY, shown="toutes"))
    assert "/validation/" in answer["Location"]
    recording = client.post(answer["Location"])["Location"]
    page = client.get(recording).content.decode()
    assert "Nombre de jours" in page
    assert "Indiquez pourquoi" in client.post(recording, {"motif_days": ""}).content.decode()
    client.post(recording, {"motif_days": "Demande écrite du père."})
    assert Booking.objects.get().state == "accepted"
    assert Reservation.objects.get().desk_reason == "Nombre de jours : Demande écrite du père."


def test_an_agent_without_the_right_is_told_on_the_planning(books, canteen, three, agent):
    (role,) = agent.groups.all()
    role.permissions.remove(Permission.objects.get(codename="override_days_booking"))
    where = books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk
    prefix = f"/mairie/reservations/booking/famille/{books.household.pk}/agir"
    address = "{}/cantine/planning/{}/{}/{}/".format(prefix, *where)
    answer = logged_in(agent).post(address, ticked(canteen, MONDAY, shown="toutes"))
    assert "/validation/" not in answer["Location"]
