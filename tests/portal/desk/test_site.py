"""The desk's first page, and who may do what on it."""

from datetime import timedelta

from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from families.models import CustodyCalendar, Household
from portal.desk import jobs
from portal.reservations.models import Booking, Closure, Enrolment, Slot
from portal.reservations.states import BookingState, EnrolmentState
from tests.conftest import FRIDAY, NOW, THURSDAY, Family
from tests.factories import BookingFactory, ChildFactory, EnrolmentFactory, HouseholdFactory
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


def test_the_menu_is_by_job_and_nothing_technical_is_an_agents(
    canteen, agent_client, chief_client, regie_client
):
    assert groups(agent_client.get(INDEX)) == ["accueil", "places", "cantine", "loisirs", "commune"]
    assert "factures" in groups(regie_client.get(INDEX))
    assert groups(chief_client.get(INDEX))[-1] == "technique"


def test_every_page_of_the_desk_has_its_job():
    lists = {jobs.key_of(model) for model in admin.site._registry}
    pages = {
        link.url_name
        for page in admin.site._registry.values()
        for link in getattr(page, "desk_links", ())
        if not link.url_name.endswith("_changelist")
    }
    named = set(jobs.PLACES)
    assert lists | pages == named


def test_small_towns_see_only_what_they_use(town, canteen, year, agent_client):
    def shown(fold: str) -> set[str]:
        jobs.used.forget()
        menu = agent_client.get(INDEX).context["app_list"]
        return {entry["object_name"] for job in menu for entry in job[fold]}

    assert "CustodyCalendar" in shown("seldom") - shown("models")
    child = ChildFactory(households=[HouseholdFactory(), HouseholdFactory()])
    even, odd = child.households.all()
    CustodyCalendar.objects.create(child=child, even=even, odd=odd, asked_at=NOW)
    assert "CustodyCalendar" in shown("models") - shown("seldom")


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


def block(response, key: str) -> dict:
    return next((one for one in response.context["blocks"] if one["key"] == key), {})


def test_what_waits_is_late_first_then_oldest_in_words(asks, books, waits, agent_client, regie_client):
    Household.objects.filter(pk=waits.household.pk).update(
        state=Household.State.REQUESTED, created_at=NOW - timedelta(days=4)
    )
    Enrolment.objects.filter(child=books.child).update(
        state=EnrolmentState.REQUESTED, requested_at=NOW - timedelta(days=5)
    )
    page = agent_client.get(INDEX)
    lines = block(page, "attend")["lines"]
    assert [(one["title"], one["count"], one["age"], one["late"]) for one in lines] == [
        ("Comptes famille à valider", 1, "4 jours", True),
        ("Inscriptions à traiter", 1, "5 jours", False),
    ]
    assert "4 jours, en retard" in page.text
    # Who cannot answer is not asked.
    assert not block(regie_client.get(INDEX), "attend")["lines"]


def test_children_and_meals_of_today_and_tomorrow_lead_to_their_lists(
    canteen, books, waits, agent_client, regie_client
):
    for day in (NOW.date(), NOW.date() + timedelta(days=1)):
        BookingFactory(enrolment=books.enrolment, formula=canteen.formula, day=day)
    BookingFactory(enrolment=waits.enrolment, formula=canteen.formula, day=NOW.date())
    page = agent_client.get(INDEX)
    told = block(page, "attendus")
    assert [(one.name, one.children) for one in told["lines"]] == [(str(canteen.restaurant), [2, 1])]
    assert told["days"] == ["Lundi 9", "Mardi 10"]
    assert told["meals"] == [2, 1]
    kitchen = agent_client.get(told["lines"][0].urls[1]).context["form"]
    assert kitchen.cleaned_data == {
        "restaurant": canteen.restaurant,
        "jour": NOW.date() + timedelta(days=1),
        "vue": "jour",
    }
    # The régie bills what was booked: its first page is about money.
    assert [one["key"] for one in regie_client.get(INDEX).context["blocks"]] == ["attend", "impayes"]


def test_a_place_that_fills_up_stands_once_on_its_nearest_day(canteen, agent_client):
    Slot.objects.filter(day__in=[THURSDAY, FRIDAY]).update(capacity=10, taken=9)
    told = block(agent_client.get(INDEX), "remplit")
    assert [(one.left, one.percent, one.more) for one in told["lines"]] == [
        ("1 libre", 90, "et 1 autre jour")
    ]
    assert told["label"] == "Toutes les capacités (2)"


def test_the_first_page_takes_twenty_queries_at_most(
    asks, books, waits, agent_client, regie_client, chief_client, django_assert_max_num_queries
):
    asks(books, THURSDAY)
    for client in (agent_client, regie_client, chief_client):
        with django_assert_max_num_queries(20):
            client.get(INDEX)


def test_whatever_is_in_sight_once_it_is_used_says_by_which_rows():
    """A page's own address is no model: of one that says none, every page of the desk would fail."""
    named = {jobs.USED_BY.get(name, name) for name, at in jobs.PLACES.items() if at.sight is jobs.Sight.USED}
    assert all(apps.get_model(name) for name in named)
