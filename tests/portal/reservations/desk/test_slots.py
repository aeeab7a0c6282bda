"""Places: opened for a period, resized, closed, reopened."""

from datetime import date

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from portal.reservations.acts.opening import missing_slots, open_slots
from portal.reservations.models import Booking, Capacity, Formula, Period, Slot
from portal.reservations.states import BookingState
from tests.conftest import FRIDAY, NOW, THURSDAY
from tests.factories import ClosureFactory, EstablishmentFactory
from tests.portal.reservations.desk.test_queues import act, said

SLOTS = "admin:reservations_slot_changelist"
PERIODS = "admin:reservations_period_changelist"


@pytest.fixture
def unopened(canteen) -> Period:
    """The canteen's period before anybody opened its slots."""
    Slot.objects.all().delete()
    return canteen.period


def days_of(slots) -> set[date]:
    return {slot.day for slot in slots}


def test_open_days_get_a_slot_with_the_usual_capacity(unopened, canteen):
    Capacity.objects.create(
        activity=canteen.activity, establishment=canteen.restaurant, part="noon", places=80
    )
    count = open_slots(unopened, at=NOW)
    slots = Slot.objects.all()
    assert count == len(slots) > 20
    assert {slot.capacity for slot in slots} == {80}
    # From today on; neither the 11th, a public holiday, nor Wednesdays off nor week-ends.
    assert min(days_of(slots)) == NOW.date()
    assert date(2026, 11, 11) not in days_of(slots)
    assert all(day.weekday() < 5 for day in days_of(slots))


def test_opening_again_makes_no_double_and_keeps_what_was_changed(unopened):
    open_slots(unopened, at=NOW)
    Slot.objects.filter(day=THURSDAY).update(capacity=7)
    assert open_slots(unopened, at=NOW) == 0
    assert Slot.objects.get(day=THURSDAY).capacity == 7


def test_closed_days_get_no_slot(unopened):
    ClosureFactory(starts_on=THURSDAY, ends_on=FRIDAY)
    open_slots(unopened, at=NOW)
    assert not Slot.objects.filter(day__in=[THURSDAY, FRIDAY]).exists()


def test_each_part_of_the_day_and_each_quota_gets_its_slot(unopened, canteen):
    long_day = Formula.objects.create(
        activity=canteen.activity, code="journee", name="Journée", parts=["noon", "afternoon"]
    )
    Capacity.objects.create(
        activity=canteen.activity, establishment=canteen.restaurant, part="noon", formula=long_day, places=5
    )
    open_slots(unopened, at=NOW)
    made = Slot.objects.filter(day=THURSDAY).values_list("part", "formula", "capacity").order_by("pk")
    assert list(made) == [("noon", None, None), ("afternoon", None, None), ("noon", long_day.pk, 5)]
    assert open_slots(unopened, at=NOW) == 0


def test_opening_costs_the_same_queries_for_one_establishment_or_ten(
    unopened, canteen, django_assert_num_queries
):
    missing_slots(unopened, at=NOW)  # reads the town, which is kept
    with django_assert_num_queries(6):
        missing_slots(unopened, at=NOW)
    canteen.activity.establishments.add(*[EstablishmentFactory() for _ in range(9)])
    with django_assert_num_queries(6):
        assert len(missing_slots(unopened, at=NOW)) > 200


def test_the_command_opens_and_can_only_count(unopened, capsys):
    call_command("open_slots", "--essai")
    assert not Slot.objects.exists()
    call_command("open_slots", "--periode", unopened.code)
    assert Slot.objects.exists()
    assert "créneau" in capsys.readouterr().out
    with pytest.raises(CommandError, match="Aucune période"):
        call_command("open_slots", "--periode", "inconnue")


def test_opening_on_the_desk_shows_first_how_many(unopened, agent_client):
    preview = act(agent_client, PERIODS, "open_selected", unopened)
    expected = len(missing_slots(unopened, at=NOW))
    assert f"{expected} créneaux seront ouverts" in preview.text
    assert not Slot.objects.exists()
    answer = act(agent_client, PERIODS, "open_selected", unopened, confirmed="Ouvrir les créneaux")
    assert said(answer) == [f"{expected} créneaux ouverts."]
    assert Slot.objects.count() == expected


def test_places_cannot_fall_below_those_taken(asks, books, canteen, agent_client):
    asks(books, THURSDAY, on_request=False)
    slot = canteen.slot(THURSDAY)
    refused = act(agent_client, SLOTS, "resize_selected", slot, confirmed="1", places="0")
    assert "Il y a déjà plus de 0 places prises le jeudi 26 novembre (1 prises)" in refused.text
    assert canteen.slot(THURSDAY).capacity is None


@pytest.mark.parametrize("typed", ["-1", "beaucoup", "9" * 40])
def test_nonsense_is_answered_at_its_field(typed, canteen, agent_client):
    slot = canteen.slot(THURSDAY)
    page = act(agent_client, SLOTS, "resize_selected", slot, confirmed="1", places=typed)
    assert page.status_code == 200
    assert "errorlist" in page.text
    assert canteen.slot(THURSDAY).capacity is None


def test_more_places_go_to_those_who_wait(asks, books, waits, canteen, agent_client):
    Slot.objects.filter(day=THURSDAY).update(capacity=1)
    asks(books, THURSDAY, on_request=False)
    asks(waits, THURSDAY, on_request=False)
    answer = act(agent_client, SLOTS, "resize_selected", canteen.slot(THURSDAY), confirmed="1", places="2")
    assert said(answer) == [
        "2 places désormais. 1 enfant en attente a eu une place ; les familles sont prévenues."
    ]
    assert Booking.objects.get(child=waits.child).state == BookingState.ACCEPTED
    assert canteen.slot(THURSDAY).taken == 2


def test_a_closed_slot_keeps_its_bookings_and_reopens(asks, books, canteen, agent_client):
    asks(books, THURSDAY, on_request=False)
    answer = act(agent_client, SLOTS, "close_selected", canteen.slot(THURSDAY))
    assert "1 place déjà prise le reste" in said(answer)[0]
    assert canteen.slot(THURSDAY).closed
    act(agent_client, SLOTS, "reopen_selected", canteen.slot(THURSDAY))
    assert not canteen.slot(THURSDAY).closed
    assert Booking.objects.get().state == BookingState.ACCEPTED


def test_the_page_of_a_slot_lists_who_waits_in_order_of_arrival(asks, books, waits, canteen, agent_client):
    Slot.objects.filter(day=THURSDAY).update(capacity=0)
    asks(books, THURSDAY, on_request=False)
    asks(waits, THURSDAY, on_request=False)
    url = reverse("admin:reservations_slot_change", args=[canteen.slot(THURSDAY).pk])
    text = agent_client.get(url).text
    assert text.index("Lina Roux (foyer") < text.index("Noé Petit (foyer")


def test_past_days_stay_out_of_sight_until_asked_for(canteen, agent_client):
    assert "lundi 2 novembre 2026" not in agent_client.get(reverse(SLOTS)).text
    assert "lundi 2 novembre 2026" in agent_client.get(reverse(SLOTS), {"jours": "passes"}).text
