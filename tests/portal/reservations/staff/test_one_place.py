"""An agent of one place sees its rows and does its work there, and nothing of the others'."""

from datetime import date
from decimal import Decimal

from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.urls import reverse

from catering.models import Menu
from families.models import ChangeRequest, Child, Document, Household
from portal.desk import rights
from portal.reservations.models import (
    AbsenceCertificate,
    Attendance,
    Booking,
    Closure,
    Enrolment,
    Period,
    Schooling,
    SchoolYear,
)
from portal.reservations.staff import giving
from portal.reservations.states import BookingState, EnrolmentState
from tests.conftest import NOW, THURSDAY, let_go, logged_in
from tests.factories import InvoiceFactory, SchoolYearFactory, UserFactory
from tests.families.conftest import private_files
from tests.portal.reservations.desk.test_queues import act, said

__all__ = ["private_files"]

REASON = {"reason_given": "1", "ready": "Annulé à la demande de la famille."}


def address(name: str, *args) -> str:
    return reverse(f"admin:{name}", args=args)


def listed(client, name: str, **query) -> list:
    return list(client.get(address(f"{name}_changelist"), query).context["cl"].queryset)


def status_of(client, url: str) -> int:
    """Of a file, which is let go at once."""
    answer = client.get(url)
    let_go(answer)
    return answer.status_code


# Looking ------------------------------------------------------------------------------------------------


def test_lists_hold_the_rows_of_the_place(place_client, agent_client, both_book, books, elsewhere):
    for name, own, others in (
        ("families_child", books.child, elsewhere.child),
        ("families_household", books.household, elsewhere.household),
        ("reservations_enrolment", books.enrolment, elsewhere.enrolment),
        ("reservations_booking", *both_book),
        ("reservations_reservation", *(one.reservation for one in both_book)),
        ("reservations_establishment", books.enrolment.establishment, elsewhere.enrolment.establishment),
    ):
        every = {"etat": "tous"} if name in ("reservations_enrolment", "reservations_reservation") else {}
        assert listed(place_client, name, **every) == [own], name
        assert {own, others} <= set(listed(agent_client, name, **every)), name
    assert {slot.establishment for slot in listed(place_client, "reservations_slot")} == {
        books.enrolment.establishment
    }


def test_a_row_of_another_place_does_not_exist(place_client, both_book, elsewhere):
    theirs = both_book[1]
    for name, row in (
        ("families_child", elsewhere.child),
        ("families_household", elsewhere.household),
        ("reservations_enrolment", elsewhere.enrolment),
        ("reservations_booking", theirs),
        ("reservations_reservation", theirs.reservation),
        ("reservations_establishment", theirs.establishment),
    ):
        page = address(f"{name}_change", row.pk)
        assert {place_client.get(page).status_code, place_client.post(page, {}).status_code} <= {403, 404}
        assert place_client.get(page).status_code == 404, name
        # A history of versions says of a row that is there that one may not see it.
        assert place_client.get(address(f"{name}_history", row.pk)).status_code in (403, 404), name


def test_queues_count_the_place(place_client, agent_client, books, elsewhere):
    Enrolment.objects.update(state=EnrolmentState.REQUESTED)
    for client, count in ((place_client, 1), (agent_client, 2)):
        queues = {one["title"]: one["count"] for one in client.get("/mairie/").context["queues"]}
        assert queues["Inscriptions à traiter"] == count


def test_who_has_the_town_and_who_has_a_place_read_the_same_household_in_turn(
    place_client, agent_client, books, elsewhere
):
    """What is composed once for those who see all is nobody else's."""
    elsewhere.child.custodies.create(household=books.household)
    page = address("families_household_change", books.household.pk)
    for _ in range(2):
        town, place = agent_client.get(page).text, place_client.get(page).text
        assert "Lina" in town and "Milo" in town
        assert "Lina" in place and "Milo" not in place


def test_a_childs_page_names_no_home_and_a_households_no_child_of_others(place_client, books, elsewhere):
    """Brothers and sisters at another school stay out of sight; both homes of the own child are there."""
    elsewhere.child.custodies.create(household=books.household)
    page = place_client.get(address("families_household_change", books.household.pk))
    assert "Lina" in page.text and "Milo" not in page.text
    books.child.custodies.create(household=elsewhere.household)
    assert place_client.get(address("families_household_change", elsewhere.household.pk)).status_code == 200


def test_searches_of_forms_find_the_children_of_the_place(place_client, agent_client, books, elsewhere):
    query = {"app_label": "reservations", "model_name": "schooling", "field_name": "child", "term": "i"}
    found = place_client.get(address("autocomplete"), query).json()["results"]
    assert [one["text"] for one in found] == ["Lina Roux"]
    assert len(agent_client.get(address("autocomplete"), query).json()["results"]) == 2


def test_files_open_at_their_place(place_client, agent_client, books, elsewhere):
    for who, status in ((books, 200), (elsewhere, 404)):
        proof = Document.objects.create(
            household=who.household,
            name="avis.pdf",
            content_type="application/pdf",
            file=ContentFile(b"%PDF-", "a"),
        )
        url = reverse("families:document", args=[proof.pk])
        assert status_of(place_client, url) == status
        assert status_of(agent_client, url) == 200


def test_a_certificate_of_a_sister_at_another_school_stays_closed(
    private_files, place_client, books, elsewhere
):
    elsewhere.child.custodies.create(household=books.household)
    paper = Document.objects.create(
        household=books.household,
        name="certificat.pdf",
        content_type="application/pdf",
        file=ContentFile(b"%PDF-", "a"),
        right="reservations.change_absencecertificate",
    )
    certificate = AbsenceCertificate.objects.create(
        household=books.household,
        child=elsewhere.child,
        first_day=NOW.date(),
        last_day=NOW.date(),
        given_at=NOW,
        document=paper,
    )
    url = reverse("families:document", args=[paper.pk])
    assert status_of(place_client, url) == 404
    AbsenceCertificate.objects.filter(pk=certificate.pk).update(child=books.child)
    assert status_of(place_client, url) == 200


def test_children_leave_sight_some_months_after_their_last_year(canteen_agent, school_class, books):
    old = SchoolYearFactory(name="2024-2025", starts_on=date(2024, 9, 2), ends_on=date(2025, 7, 4))
    Enrolment.objects.update(school_year=old)
    giving.give(
        canteen_agent, Group.objects.get(name="Agent"), places=[books.enrolment.establishment], by=None
    )
    user = type(canteen_agent).objects.get(pk=canteen_agent.pk)
    assert not rights.seen_by(user, Child.objects.all(), "families.view_child").exists()
    SchoolYear.objects.filter(pk=old.pk).update(ends_on=date(2026, 9, 1))
    assert rights.seen_by(user, Child.objects.all(), "families.view_child").get() == books.child


def test_the_town_is_read_and_not_written(place_client, canteen, both_book):
    """Activities, periods and holidays are looked at; money and new families are not for one place."""
    page = address("reservations_activity_change", canteen.activity.pk)
    assert place_client.get(page).status_code == 200
    assert place_client.post(page, {"name": "Autre"}).status_code == 403
    for name in ("families_household_add", "families_child_add", "billing_payment_changelist"):
        assert place_client.get(address(name)).status_code == 403, name


def test_money_of_one_place_is_nobodys(canteen, books, now):
    user = UserFactory(is_staff=True)
    giving.give(user, Group.objects.get(name="Régie"), places=[canteen.restaurant], by=None)
    client, invoice = logged_in(user), InvoiceFactory(household=books.household)
    for page in (
        address("billing_invoice_changelist"),
        address("billing_invoice_change", invoice.pk),
        address("billing_invoice_pdf", invoice.pk),
        address("billing_payment_cash_book"),
        address("billing_billingrun_bill"),
    ):
        assert client.get(page).status_code == 403
    assert listed(client, "families_household") == [books.household]


# Doing --------------------------------------------------------------------------------------------------


def test_actions_reach_the_rows_of_the_place(place_client, both_book):
    own, theirs = both_book
    act(place_client, "admin:reservations_booking_changelist", "cancel_selected", own, theirs, **REASON)
    own.refresh_from_db(), theirs.refresh_from_db()
    assert (own.state, theirs.state) == (BookingState.CANCELLED, BookingState.ACCEPTED)


def test_who_sees_the_whole_town_still_decides_at_the_own_place_only(canteen_agent, both_book):
    """With a second role that looks everywhere, what is left out is said."""
    giving.give(canteen_agent, Group.objects.get(name="Régie"), by=None)
    client, (own, theirs) = logged_in(canteen_agent), both_book
    assert len(listed(client, "reservations_booking")) == 2
    answer = act(client, "admin:reservations_booking_changelist", "cancel_selected", own, theirs, **REASON)
    own.refresh_from_db(), theirs.refresh_from_db()
    assert (own.state, theirs.state) == (BookingState.CANCELLED, BookingState.ACCEPTED)
    assert "Lignes laissées de côté, d'établissements que vous ne suivez pas : 1." in said(answer)
    page = client.get(address("reservations_booking_change", theirs.pk))
    assert page.status_code == 200 and "Annuler cette réservation" not in page.text


def closure(**chosen) -> dict:
    return {"starts_on": "2026-11-26", "ends_on": "2026-11-26", "why": "works"} | chosen


def test_a_closure_is_of_the_own_place(place_client, canteen, elsewhere, both_book):
    add = address("reservations_closure_add")
    other = elsewhere.enrolment.establishment.pk
    assert "toute la commune n&#x27;est pas de votre ressort" in place_client.post(add, closure()).text
    assert place_client.post(add, closure(establishment=other)).status_code == 200
    assert not Closure.objects.exists()
    own = closure(establishment=canteen.restaurant.pk, _closing_confirmed="1")
    assert place_client.post(add, own).status_code == 302
    states = {booking.child_id: booking.state for booking in Booking.objects.all()}
    assert states[elsewhere.child.pk] == BookingState.ACCEPTED
    assert BookingState.ACCEPTED not in [states[both_book[0].child_id]]

    everybody = Closure.objects.create(starts_on=THURSDAY, ends_on=THURSDAY)
    page = address("reservations_closure_change", everybody.pk)
    assert place_client.get(page).status_code == 200
    assert place_client.post(page, own).status_code == 403


def test_a_menu_is_of_the_own_restaurant(place_client, canteen, elsewhere):
    def menu(restaurant):
        lines = {"TOTAL_FORMS": 1, "INITIAL_FORMS": 0, "MIN_NUM_FORMS": 1, "MAX_NUM_FORMS": 9}
        dish = {"0-course": "main", "0-name": "Gratin", "0-order": 0}
        posted = {f"dishes-{name}": value for name, value in (lines | dish).items()}
        return {"restaurant": restaurant.pk, "day": "2026-11-26"} | posted

    add = address("catering_menu_add")
    assert place_client.post(add, menu(elsewhere.enrolment.establishment)).status_code == 200
    assert not Menu.objects.exists()
    assert place_client.post(add, menu(canteen.restaurant)).status_code == 302
    file = "restaurant;date;service;plat\nle-bosquet;26/11/2026;Plat;Soupe\n"
    page = place_client.post(address("catering_menu_import"), {"content": file})
    assert "le-bosquet" in page.text and Menu.objects.count() == 1


def test_a_child_of_another_place_is_not_brought_in(
    canteen_agent, school, school_class, books, elsewhere, year
):
    """A tampered key would make it one of theirs."""
    giving.give(canteen_agent, Group.objects.get(name="Agent"), places=[school], by=None)
    Schooling.objects.filter(child=elsewhere.child).delete()
    posted = {"child": elsewhere.child.pk, "school_class": school_class.pk, "school_year": year.pk}
    page = logged_in(canteen_agent).post(address("reservations_schooling_add"), posted)
    assert page.status_code == 200
    assert not Schooling.objects.filter(child=elsewhere.child).exists()


def test_a_row_handed_to_another_place_is_refused_whole(
    canteen_agent, canteen, elsewhere, both_book, monkeypatch
):
    """Were a form to offer too much, what it saves is judged again, and nothing stays written."""
    from portal.desk import own_choices

    monkeypatch.setattr(own_choices, "offer", lambda *given, **named: None)
    posted = closure(establishment=elsewhere.enrolment.establishment.pk, _closing_confirmed="1")
    assert logged_in(canteen_agent).post(address("reservations_closure_add"), posted).status_code == 403
    assert not Closure.objects.exists()
    assert Booking.objects.get(child=elsewhere.child).state == BookingState.ACCEPTED


# Pages of their own -------------------------------------------------------------------------------------


def test_the_kitchen_counts_the_own_restaurant(place_client, canteen, elsewhere, both_book):
    page = place_client.get(address("catering_kitchen"), {"jour": THURSDAY})
    assert page.context["counts"].restaurant == canteen.restaurant
    other = {"jour": THURSDAY, "restaurant": elsewhere.enrolment.establishment.pk}
    assert place_client.get(address("catering_kitchen"), other).context["counts"] is None


def test_health_is_read_where_its_role_holds(canteen_agent, canteen, elsewhere, both_book):
    giving.give(
        canteen_agent,
        Group.objects.get(name="Fiches sanitaires"),
        places=[elsewhere.enrolment.establishment],
        by=None,
    )
    client = logged_in(canteen_agent)
    assert not client.get(address("catering_kitchen"), {"jour": THURSDAY}).context["with_health"]
    for child, shown in ((both_book[0].child, False), (elsewhere.child, True)):
        page = client.get(address("families_child_change", child.pk))
        assert ("health-TOTAL_FORMS" in page.text) == shown


def test_a_list_of_a_day_is_of_the_own_place(place_client, canteen, books, elsewhere, both_book, now):
    Booking.objects.update(day=now.date())
    query = f"?jour={now.date()}&formule={canteen.formula.pk}&lieu="
    point = address("reservations_attendance_list")
    theirs, own = both_book[1], both_book[0]
    other = f"{point}{query}{theirs.establishment_id}"
    place_client.post(other, {f"etat-{theirs.pk}": "absent"})
    assert place_client.get(other).context["sheet"] is None
    assert not Attendance.objects.exists()

    here = f"{point}{query}{canteen.restaurant.pk}"
    custody = elsewhere.child.custodies.get()
    found = place_client.post(here, {"chercher": "1", "q": "Milo"})
    assert found.context["found"] == []
    place_client.post(here, {f"etat-{own.pk}": "absent", "venu": custody.pk})
    assert Attendance.objects.get().child == books.child


def test_certificates_are_taken_of_own_children(place_client, books, elsewhere):
    take = address("reservations_absencecertificate_take")
    assert [home.child for home in place_client.get(take, {"q": "i"}).context["homes"]] == [books.child]
    for who, status in ((books, 200), (elsewhere, 404)):
        page = address("reservations_absencecertificate_take_from", who.child.custodies.get().pk)
        assert place_client.get(page).status_code == status


def test_requests_of_families_are_answered_by_their_place(place_client, agent_client, books, elsewhere):
    for who in (books, elsewhere):
        ChangeRequest.objects.create(
            household=who.household,
            kind="quotient",
            quotient=Decimal(500),
            valid_from=NOW.date(),
            requested_by=who.user,
        )
    assert {row.household for row in listed(place_client, "families_changerequest")} == {books.household}
    rows = ChangeRequest.objects.all()
    act(place_client, "admin:families_changerequest_changelist", "accept_selected", *rows)
    states = dict(rows.values_list("household", "state"))
    assert states == {books.household.pk: "accepted", elsewhere.household.pk: "requested"}


def test_new_families_wait_for_who_has_the_whole_town(place_client, agent_client, stranger):
    Household.objects.filter(pk=stranger.household.pk).update(state=Household.State.REQUESTED)
    assert listed(place_client, "families_household") == []
    assert listed(agent_client, "families_household") == [stranger.household]


def test_a_period_is_opened_at_the_own_places(canteen_agent, school, year, canteen, books):
    """Another place's own period of the same days is not taken over."""
    user = type(canteen_agent).objects.get(pk=canteen_agent.pk)
    write = "reservations.change_period"
    assert not rights.may(user, canteen.period, write)
    canteen.period.establishments.set([canteen.restaurant])
    assert rights.may(user, canteen.period, write)
    canteen.period.establishments.add(school)
    assert not rights.may(user, canteen.period, write)
    assert rights.seen_by(user, Period.objects.all(), "reservations.view_period").get() == canteen.period


def test_nothing_is_seen_twice(canteen_agent, books, school_class, school):
    """A child that is both schooled and enrolled at one's places."""
    giving.give(
        canteen_agent,
        Group.objects.get(name="Agent"),
        places=[school, books.enrolment.establishment],
        by=None,
    )
    assert books.child.schoolings.get().school_class == school_class
    assert listed(logged_in(canteen_agent), "families_child") == [books.child]
