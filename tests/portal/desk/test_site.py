"""The desk's first page, and who may do what on it."""

from django.urls import reverse

from families.models import Household
from portal.reservations.models import Booking, Closure, Enrolment, Slot
from portal.reservations.states import BookingState, EnrolmentState
from tests.conftest import FRIDAY, THURSDAY, Family
from tests.factories import ChildFactory, EnrolmentFactory, HouseholdFactory
from tests.portal.reservations.desk.test_queues import act, said

INDEX = "/mairie/"


def groups(response) -> list[str]:
    return [group["app_label"] for group in response.context["app_list"]]


def queues(response) -> dict[str, int]:
    return {queue["title"]: queue["count"] for queue in response.context["queues"]}


def test_the_first_page_counts_what_waits(asks, books, waits, canteen, year, agent_client):
    # That of a household that waits itself is answered after it.
    Enrolment.objects.filter(child=waits.child).update(state=EnrolmentState.REQUESTED)
    home = HouseholdFactory()
    EnrolmentFactory(
        household=home,
        child=ChildFactory(households=[home]),
        activity=canteen.activity,
        school_year=year,
        state=EnrolmentState.REQUESTED,
    )
    asks(books, THURSDAY)
    Slot.objects.filter(day=FRIDAY).update(capacity=10, taken=9)
    Household.objects.filter(pk=waits.household.pk).update(state=Household.State.REQUESTED)
    page = agent_client.get(INDEX)
    counts = queues(page)
    assert counts["Inscriptions à traiter"] == 1
    assert counts["Réservations à traiter"] == 1
    assert counts["Capacités presque pleines"] == 1
    assert 1 in counts.values()


def test_each_queue_leads_to_as_many_rows_as_it_counts(asks, books, waits, agent_client):
    Enrolment.objects.filter(child=waits.child).update(state=EnrolmentState.REQUESTED)
    asks(books, THURSDAY)
    Slot.objects.filter(day__in=[THURSDAY, FRIDAY]).update(capacity=10, taken=9)
    for queue in agent_client.get(INDEX).context["queues"]:
        assert agent_client.get(queue["url"]).context["cl"].result_count == queue["count"], queue["title"]


def test_agents_see_the_five_groups_and_nothing_technical(canteen, agent_client, chief_client):
    shown = groups(agent_client.get(INDEX))
    assert set(shown) <= {"portal", "families", "catering", "leisure", "billing"}
    assert shown[:3] == ["portal", "families", "catering"]
    assert groups(chief_client.get(INDEX))[-1] == "technique"


def test_the_town_is_named_on_every_page(town, agent_client):
    assert "Valmirelle-les-Prés – mairie" in agent_client.get(INDEX).text


def test_parents_and_strangers_stay_outside(books: Family, client):
    assert books.client().get(INDEX, follow=True).status_code == 403
    assert client.get(INDEX, follow=True).redirect_chain[-1][0].startswith(reverse("account_login"))


def test_the_accountant_reads_bookings_and_decides_nothing(asks, books, canteen, regie_client):
    asks(books, THURSDAY)
    booking = Booking.objects.get()
    assert regie_client.get(reverse("admin:reservations_booking_changelist")).status_code == 200
    for name in ("reservations_slot", "reservations_closure", "catering_menu"):
        assert regie_client.get(reverse(f"admin:{name}_changelist")).status_code == 403, name
    for name in ("catering_kitchen", "catering_menu_import"):
        assert regie_client.get(reverse(f"admin:{name}")).status_code == 403, name
    answer = act(
        regie_client,
        "admin:reservations_booking_changelist",
        "cancel_selected",
        booking,
        reason_given="1",
        ready="Annulé à la demande de la famille.",
    )
    booking.refresh_from_db()
    assert booking.state == BookingState.REQUESTED
    assert said(answer) != ["1 réservation annulée."]


def test_agents_neither_delete_what_families_booked_nor_hand_out_rights(asks, books, agent_client, agent):
    asks(books, THURSDAY)
    for name in (
        "enrolment",
        "reservation",
        "reservationline",
        "booking",
        "bookingevent",
        "slot",
        "activity",
    ):
        assert not agent.has_perm(f"reservations.delete_{name}"), name
    assert agent_client.get(reverse("admin:families_user_changelist")).status_code == 403
    assert agent_client.get(reverse("admin:auth_group_changelist")).status_code == 403


def test_agents_do_the_daily_work(canteen, agent_client):
    for name in ("closure", "activity", "period", "schooling", "schoolclass", "establishment"):
        assert agent_client.get(reverse(f"admin:reservations_{name}_add")).status_code == 200, name
    assert not Closure.objects.exists()
