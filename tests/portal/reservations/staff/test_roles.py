"""What the smaller roles get of their place, and what asks for a right of its own."""

from datetime import date

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from families import groups
from portal.reservations.models import Attendance, Booking, CalendarChange, Closure
from portal.reservations.staff import giving
from portal.reservations.states import BookingState
from tests.conftest import THURSDAY, let_go, logged_in
from tests.factories import BookingFactory, InvoiceFactory, UserFactory
from tests.families.conftest import text_of
from tests.portal.reservations.desk.test_queues import said

TODAY = date(2026, 11, 9)
POINT = "reservations_attendance_list"


def address(name: str, *args) -> str:
    return reverse(f"admin:{name}", args=args)


def member(name: str, *places) -> Client:
    """Somebody with this role, at these places or in the whole town."""
    user = UserFactory(is_staff=True)
    giving.give(user, Group.objects.get(name=name), places=places or None, by=None)
    return logged_in(user)


@pytest.fixture
def animator(canteen, now) -> Client:
    return member(groups.ANIMATOR, canteen.restaurant)


def test_an_animator_calls_todays_register_at_the_own_place(animator, books, canteen, elsewhere):
    booked = BookingFactory(enrolment=books.enrolment, day=TODAY)
    page = animator.get(address(POINT))
    assert "Lina" in page.text
    assert [key for key, _ in page.context["form"].fields["lieu"].choices] == [str(canteen.restaurant.pk)]
    where = f"{address(POINT)}?jour={TODAY}&lieu={canteen.restaurant.pk}&formule={canteen.formula.pk}"
    animator.post(where, {f"etat-{booked.pk}": "absent", f"motif-{booked.pk}": "none", "enregistrer": "1"})
    assert Attendance.objects.get().state == "absent"


def test_and_no_other_day(animator, books, canteen):
    tomorrow = BookingFactory(enrolment=books.enrolment, day=date(2026, 11, 10))
    past = BookingFactory(enrolment=books.enrolment, day=date(2026, 11, 6))
    for booked in (tomorrow, past):
        where = f"{address(POINT)}?jour={booked.day}&lieu={canteen.restaurant.pk}"
        for page in (animator.get(where), animator.post(where, {f"etat-{booked.pk}": "absent"})):
            assert "la liste d'aujourd'hui seulement" in text_of(page)
            assert "Lina" not in page.text
    assert not Attendance.objects.exists()


def test_nor_what_was_called_before(animator, books, agent_client):
    for day in (date(2026, 11, 6), TODAY):
        Attendance.objects.create(
            booking=BookingFactory(enrolment=books.enrolment, day=day),
            child=books.child,
            household=books.household,
            establishment=books.enrolment.establishment,
            formula=Booking.objects.latest("pk").formula,
            day=day,
            state="present",
            entered_at=books.household.created_at,
        )
    for client, days in ((animator, [TODAY]), (agent_client, [TODAY, date(2026, 11, 6)])):
        rows = client.get(address("reservations_attendance_changelist")).context["cl"].queryset
        assert sorted((one.day for one in rows), reverse=True) == days


def test_a_kitchen_gets_menus_counts_and_diets_and_no_family(both_book, canteen, books, elsewhere, town):
    kitchen = member(groups.KITCHEN, canteen.restaurant)
    page = kitchen.get(address("catering_kitchen"), {"jour": THURSDAY.isoformat()})
    assert page.context["counts"].total() == 1
    assert list(page.context["form"].fields["restaurant"].queryset) == [canteen.restaurant]
    assert kitchen.get(address("catering_menu_add")).status_code == 200
    diet = kitchen.get(address("families_dietchoice_change", books.child.diet_choice.pk))
    assert "Lina" in diet.text and "Foyer" not in diet.text
    elsewhere_eats = address("families_dietchoice_change", elsewhere.child.diet_choice.pk)
    assert kitchen.get(elsewhere_eats).status_code == 404
    for name in ("families_household", "families_child", "reservations_booking", "billing_invoice"):
        assert kitchen.get(address(f"{name}_changelist")).status_code == 403, name


def test_a_kitchen_reads_todays_meals_at_its_place_on_the_first_page(books, canteen, elsewhere, town):
    for family in (books, elsewhere):
        BookingFactory(enrolment=family.enrolment, day=TODAY)
    page = member(groups.KITCHEN, canteen.restaurant).get(reverse("admin:index"))
    told = next(one for one in page.context["blocks"] if one["key"] == "attendus")
    assert [(one.name, one.children) for one in told["lines"]] == [(str(canteen.restaurant), [1, 0])]
    assert told["lines"][0].urls[0].startswith(address("catering_kitchen"))


def test_a_reader_takes_nothing_away(books, regie_client, town):
    reader, invoice = member(groups.READER), InvoiceFactory(household=books.household)
    chosen = {"action": "download_csv", "_selected_action": [invoice.pk]}
    invoices = address("billing_invoice_changelist")
    for client, takes in ((reader, False), (regie_client, True)):
        assert ('value="download_csv"' in client.get(invoices).text) is takes
        answer = client.post(invoices, chosen)
        assert ("text/csv" in answer.headers["Content-Type"]) is takes
        let_go(answer)
    assert reader.get(f"{address('billing_payment_cash_book')}?format=csv").status_code == 403


# Closing booked days --------------------------------------------------------------------------------------


def closes(place) -> dict[str, str]:
    return {
        "starts_on": "26/11/2026",
        "ends_on": "26/11/2026",
        "why": "strike",
        "establishment": str(place.pk) if place else "",
    }


ADD = address("reservations_closure_add")
CONFIRMED = {"_closing_confirmed": "1"}


def test_a_director_closes_the_own_place_and_may_open_it_again(both_book, canteen, town):
    director = member(groups.DIRECTOR, canteen.restaurant)
    assert "1 réservation sera annulée" in director.post(ADD, closes(canteen.restaurant)).text
    done = director.post(ADD, closes(canteen.restaurant) | CONFIRMED)
    assert "Rouvrir" in " ".join(said(done))
    states = [Booking.objects.get(pk=one.pk).state for one in both_book]
    assert states == [BookingState.CANCELLED, BookingState.ACCEPTED]
    change = CalendarChange.objects.get()
    again = {"action": "reopen_selected", "_selected_action": [change.pk], "confirmed": "1"}
    director.post(address("reservations_calendarchange_changelist"), again)
    assert Booking.objects.get(pk=both_book[0].pk).state == BookingState.ACCEPTED


def test_closing_booked_days_is_a_right_of_its_own(both_book, canteen, town):
    """A copy of « Agent » without it closes days that nobody booked, and is told what else it would do."""
    careful = Group.objects.create(name="Agent prudent")
    agents = Group.objects.get(name=groups.AGENT).permissions
    careful.permissions.set(agents.exclude(codename=groups.CLOSE.partition(".")[2]))
    client = member("Agent prudent")
    for typed in (closes(None), closes(None) | CONFIRMED):
        page = client.post(ADD, typed)
        assert page.status_code == 403
        assert "2 réservations seront annulées" in page.text and "un droit que vous n’avez pas" in page.text
        assert 'name="_closing_confirmed"' not in page.text.partition("submit-row")[2]
    assert not Closure.objects.exists() and not CalendarChange.objects.exists()
    assert {one.state for one in Booking.objects.all()} == {BookingState.ACCEPTED}
    quiet = closes(None) | {"starts_on": "01/07/2027", "ends_on": "02/07/2027"}
    assert client.post(ADD, quiet).status_code == 302


def test_the_right_at_one_place_closes_nothing_elsewhere(both_book, canteen, elsewhere, town):
    """Whoever may write closures everywhere, and close booked days at « Le Verger » only."""
    writer = Group.objects.create(name="Calendrier")
    writer.permissions.set(
        Group.objects.get(name=groups.AGENT).permissions.filter(codename__endswith="_closure")
    )
    user = UserFactory(is_staff=True)
    giving.give(user, writer, by=None)
    giving.give(user, Group.objects.get(name=groups.DIRECTOR), places=[canteen.restaurant], by=None)
    client = logged_in(user)
    assert client.post(ADD, closes(elsewhere.enrolment.establishment) | CONFIRMED).status_code == 403
    assert client.post(ADD, closes(None) | CONFIRMED).status_code == 403
    assert client.post(ADD, closes(canteen.restaurant) | CONFIRMED).status_code == 302
    assert Closure.objects.get().establishment == canteen.restaurant
