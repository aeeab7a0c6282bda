"""« Pointer »: a day's list at the desk, everybody present by default, saved once and again."""

from datetime import date

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.invoices import invoicing
from billing.models import BilledItem, Invoice
from portal.reservations.models import AbsenceCertificate, Attendance, Booking
from portal.reservations.presence import attendance, certificates
from portal.reservations.presence.attendance import PresenceStanding, Said, standing
from portal.reservations.states import BookingState, Outcome
from tests.billing.conftest import END_OF_NOVEMBER, NOVEMBER
from tests.conftest import NOW, enrolled, family
from tests.factories import (
    BookingFactory,
    EstablishmentFactory,
    ReservationFactory,
    ReservationLineFactory,
    paris,
)
from tests.families.conftest import text_of

MONDAY, TUESDAY = date(2026, 11, 9), date(2026, 11, 10)


@pytest.fixture
def where(canteen) -> str:
    query = f"jour={MONDAY}&lieu={canteen.restaurant.pk}&formule={canteen.formula.pk}"
    return f"{reverse('admin:reservations_attendance_list')}?{query}"


@pytest.fixture
def lina(books) -> Booking:
    return BookingFactory(enrolment=books.enrolment, day=MONDAY)


@pytest.fixture
def noe(waits) -> Booking:
    return BookingFactory(enrolment=waits.enrolment, day=MONDAY)


@pytest.fixture
def enter(canteen, agent):
    """Enters a list of the day, as the desk's page does."""

    def record(said, day=MONDAY, at=NOW, **besides):
        rows = {booking.pk: Said(*answer) for booking, answer in said.items()}
        return attendance.record(canteen.restaurant, canteen.formula, day, rows, by=agent, at=at, **besides)

    return record


def said(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def entered() -> dict:
    return {str(row.child): (row.state, row.reason) for row in Attendance.objects.select_related("child")}


def certified(who, first=MONDAY, last=MONDAY, **more) -> AbsenceCertificate:
    return AbsenceCertificate.objects.create(
        household=who.household, child=who.child, first_day=first, last_day=last, given_at=NOW, **more
    )


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"booked": True}, "Attendu"),
        ({"booked": True, "state": "present"}, "Présent"),
        ({"booked": True, "state": "absent"}, "Absent, non justifié"),
        ({"booked": True, "state": "absent", "reason": "illness"}, "Absent, non justifié"),
        ({"booked": True, "state": "absent", "reason": "family"}, "Absent, non justifié"),
        ({"booked": True, "state": "absent", "reason": "illness", "certified": True}, "Absent, justifié"),
        ({"booked": True, "state": "absent", "reason": "strike"}, "Absent, justifié"),
        ({"booked": True, "state": "absent", "reason": "teacher"}, "Absent, justifié"),
        ({"booked": False, "state": "present"}, "Présent sans réservation"),
        ({"booked": False, "state": "mistaken"}, "Pointé par erreur"),
    ],
)
def test_a_child_stands_somewhere_in_words(known, words):
    assert standing(**known).label == words


def test_the_list_shows_who_is_expected_by_class_and_all_are_present_by_default(
    lina, noe, where, agent_client, waits, school_class
):
    Booking.objects.filter(pk=noe.pk).update(state=BookingState.CANCEL_REQUESTED)
    page = text_of(agent_client.get(where))
    assert "CE1, École des Tilleuls" in page
    assert "Roux Lina" in page and "Petit Noé" in page and "Annulation demandée." in page
    assert "Attendu : <strong>2</strong>" in page
    for booking in (lina, noe):
        assert f'name="etat-{booking.pk}" value="present" checked' in page
    assert not Attendance.objects.exists()


def test_one_save_enters_the_whole_list_with_who_and_when(lina, noe, where, agent, agent_client):
    fields = {f"etat-{lina.pk}": "present", f"etat-{noe.pk}": "absent", f"motif-{noe.pk}": "strike"}
    answer = agent_client.post(where, fields)
    assert said(answer) == ["La liste est enregistrée : 2 changements."]
    assert entered() == {"Lina Roux": ("present", ""), "Noé Petit": ("absent", "strike")}
    assert set(Attendance.objects.values_list("entered_by", "entered_at")) == {(agent.pk, NOW)}
    page = text_of(agent_client.get(where))
    assert "Présent : <strong>1</strong>" in page and "Absent, justifié : <strong>1</strong>" in page
    assert "Dernière saisie : lundi 9 novembre à 10 h, par agent." in page


def test_saving_again_writes_what_changed_only(lina, noe, enter, agent):
    enter({lina: ("present",), noe: ("present",)})
    assert enter({lina: ("present",), noe: ("present",)}, at=paris(2026, 11, 9, 12)).written == 0
    assert enter({lina: ("present",), noe: ("absent", "")}, at=paris(2026, 11, 9, 14)).written == 1
    rows = Attendance.objects.order_by("child__first_name")
    assert [row.entered_at for row in rows] == [NOW, paris(2026, 11, 9, 14)]
    assert [row.history.count() for row in rows] == [1, 2]
    assert rows[1].history.first().history_user == agent


def test_what_the_page_does_not_say_stays(lina, noe, where, agent_client):
    agent_client.post(
        where, {f"etat-{lina.pk}": "absent", f"etat-{noe.pk}": "vanished", "etat-999": "absent"}
    )
    assert entered() == {"Lina Roux": ("absent", "")}


def test_another_day_s_or_place_s_booking_cannot_be_entered_here(books, lina, enter, canteen):
    elsewhere = BookingFactory(enrolment=books.enrolment, day=TUESDAY)
    assert enter({elsewhere: ("absent",)}).written == 0


def test_an_absence_on_a_certified_day_is_certified_when_it_is_entered(
    books, lina, enter, agent, where, agent_client
):
    certificates.accept(certified(books, last=TUESDAY), by=agent, at=paris(2026, 11, 8))
    assert not Attendance.objects.exists()
    page = text_of(agent_client.get(where))
    assert "Justificatif accepté pour ce jour." in page
    assert f'name="etat-{lina.pk}" value="absent" checked' in page
    enter({lina: ("absent", "")})
    row = Attendance.objects.get()
    assert (row.reason, row.certificate_at) == ("illness", NOW)


def test_a_child_present_on_a_certified_day_is_present_and_the_agent_warned(
    books, lina, where, agent, agent_client
):
    certificates.accept(certified(books), by=agent, at=NOW)
    assert entered() == {"Lina Roux": ("absent", "illness")}
    answer = agent_client.post(where, {f"etat-{lina.pk}": "present"})
    assert said(answer)[0] == (
        "Lina Roux est pointé présent un jour couvert par un justificatif : ce jour reste facturé."
    )
    row = Attendance.objects.get()
    assert (row.state, row.reason, row.certificate_at) == ("present", "", None)
    agent_client.post(where, {f"etat-{lina.pk}": "absent"})
    assert Attendance.objects.get().certificate_at == NOW


def test_the_absence_of_a_refused_or_waiting_certificate_is_not_justified(books, lina, enter):
    certified(books)
    certified(books, state="refused")
    enter({lina: ("absent", "illness")})
    assert attendance.standing_of(Attendance.objects.get()) == PresenceStanding.UNJUSTIFIED


def test_a_day_to_come_is_not_entered(books, where, agent_client, enter):
    tomorrow = BookingFactory(enrolment=books.enrolment, day=TUESDAY)
    page = text_of(agent_client.get(where.replace(str(MONDAY), str(TUESDAY))))
    assert "Ce jour n'est pas encore venu" in page.replace("’", "'") and "Enregistrer la liste" not in page
    with pytest.raises(attendance.AttendanceRefused, match="pas encore venu"):
        enter({tomorrow: ("present",)}, day=TUESDAY)
    answer = agent_client.post(where.replace(str(MONDAY), str(TUESDAY)), {f"etat-{tomorrow.pk}": "present"})
    assert "Ce jour n'est pas encore venu" in said(answer)[0]
    assert not Attendance.objects.exists()


def test_the_roll_opens_where_somebody_is_expected(lina, canteen, agent_client):
    other = EstablishmentFactory(name="Restaurant de l'Aulne")
    canteen.activity.establishments.add(other)
    roll = reverse("admin:reservations_attendance_list")
    page = text_of(agent_client.get(roll))
    assert "Restaurant du Verger, Repas, lundi 9 novembre 2026" in page and "Roux Lina" in page
    assert f'<option value="{canteen.restaurant.pk}" selected>' in page
    asked = text_of(agent_client.get(f"{roll}?lieu={other.pk}"))
    assert "Restaurant de l'Aulne, Repas" in asked and "Aucun enfant n’est attendu." in asked


def test_the_roll_opens_where_somebody_came_when_nobody_was_expected(waits, enter, canteen, agent_client):
    canteen.activity.establishments.add(EstablishmentFactory(name="Restaurant de l'Aulne"))
    enter({}, came=[waits.child.custodies.get().pk])
    assert "Noé Petit" in text_of(agent_client.get(reverse("admin:reservations_attendance_list")))


def test_a_day_when_nobody_is_expected_anywhere_says_so(lina, canteen, agent_client):
    roll = reverse("admin:reservations_attendance_list")
    page = text_of(agent_client.get(f"{roll}?jour={TUESDAY}"))
    assert "Personne n’est attendu le mardi 10 novembre 2026, dans aucun établissement." in page
    assert "Enregistrer la liste" not in page
    asked = text_of(agent_client.get(f"{roll}?jour={TUESDAY}&lieu={canteen.restaurant.pk}"))
    assert "Personne n’est attendu" not in asked and "Aucun enfant n’est attendu." in asked


# Come without booking -----------------------------------------------------------------------------------


def test_a_child_who_came_unreserved_is_found_by_name_without_losing_the_ticks(
    lina, waits, where, agent_client
):
    fields = {f"etat-{lina.pk}": "absent", f"motif-{lina.pk}": "trip", "q": "noé pet", "chercher": "1"}
    page = text_of(agent_client.post(where, fields))
    custody = waits.child.custodies.get()
    assert f'name="venu" value="{custody.pk}"' in page
    assert "Noé Petit, Foyer n°" in page and "inscrit" in page
    assert f'name="etat-{lina.pk}" value="absent" checked' in page
    assert '<option value="trip" selected>' in page
    assert not Attendance.objects.exists()
    again = text_of(agent_client.post(where, fields | {"venu": [custody.pk], "q": "xyz"}))
    assert f'name="venu" value="{custody.pk}" checked' in again and "Aucun autre enfant" in again
    agent_client.post(where, {f"etat-{lina.pk}": "present", "venu": [custody.pk]})
    row = Attendance.objects.get(child=waits.child)
    assert (row.booking, row.household, row.state) == (None, waits.household, "present")
    assert attendance.standing_of(row) == PresenceStanding.UNBOOKED
    assert "Présent sans réservation : <strong>1</strong>" in text_of(agent_client.get(where))


def test_one_entered_by_mistake_is_taken_out_and_deducted_where_an_invoice_bills_it(
    lina, waits, enter, where, agent_client, meals
):
    custody = waits.child.custodies.get()
    enter({}, came=[custody.pk])
    row = Attendance.objects.get()
    assert f'name="reste" value="{row.pk}" checked' in text_of(agent_client.get(where))
    agent_client.post(where, {"vu": [row.pk]})
    assert not Attendance.objects.exists()
    enter({}, came=[custody.pk])
    row = Attendance.objects.get()
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    answer = agent_client.post(where, {"vu": [row.pk]})
    assert "Noé Petit : cette présence est déjà facturée, la prochaine facture la déduira." in said(answer)
    row.refresh_from_db()
    assert attendance.standing_of(row) == PresenceStanding.MISTAKEN
    assert 'name="vu"' not in text_of(agent_client.get(where))
    listed = text_of(agent_client.get(reverse("admin:reservations_attendance_changelist")))
    assert "Pointé par erreur" in listed


def test_who_came_is_entered_once_and_whoever_booked_stays_on_the_list(lina, waits, enter, books):
    came = [waits.child.custodies.get().pk, books.child.custodies.get().pk]
    first, again = enter({}, came=came), enter({}, came=came)
    assert first.warnings == ["Lina Roux avait réservé : son nom est dans la liste."]
    assert "Noé Petit est déjà pointé présent ce jour-là." in again.warnings
    assert entered() == {"Noé Petit": ("present", "")}


def test_a_child_booked_elsewhere_is_billed_for_that_booking(waits, enter, canteen, meals):
    other = EstablishmentFactory(name="Restaurant du Lac")
    booking = BookingFactory(enrolment=waits.enrolment, day=MONDAY, establishment=other)
    done = enter({}, came=[waits.child.custodies.get().pk])
    assert "avait réservé ailleurs" in done.warnings[0]
    row = Attendance.objects.get()
    assert (row.booking, row.establishment) == (booking, canteen.restaurant)
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    assert [line.label for line in Invoice.objects.get().lines.all()] == ["Repas"]


def test_a_late_booking_adopts_the_presence_entered_before_it(waits, enter, meals):
    enter({}, came=[waits.child.custodies.get().pk])
    booking = BookingFactory(enrolment=waits.enrolment, day=MONDAY)
    enter({booking: ("present",)})
    assert Attendance.objects.get().booking == booking
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    assert BilledItem.objects.count() == 1


# Time, rights, cost -------------------------------------------------------------------------------------


def test_minutes_are_asked_where_the_tariff_counts_them(lina, where, agent_client, meals):
    assert "duree-" not in agent_client.get(where).text
    meals.unit = "half_hour"
    meals.save()
    assert f"duree-{lina.pk}" in agent_client.get(where).text
    wrong = agent_client.post(where, {f"etat-{lina.pk}": "present", f"duree-{lina.pk}": "une heure"})
    assert "Indiquez la durée en minutes" in text_of(wrong)
    assert not Attendance.objects.exists()
    agent_client.post(where, {f"etat-{lina.pk}": "present", f"duree-{lina.pk}": "65"})
    assert Attendance.objects.get().minutes == 65


def test_agents_enter_accountants_read_families_see_nothing(
    lina, where, regie_client, books_client, agent_client
):
    page = text_of(regie_client.get(where))
    assert "Roux Lina" in page and "Enregistrer la liste" not in page
    assert regie_client.post(where, {f"etat-{lina.pk}": "absent"}).status_code == 403
    assert books_client.get(where).status_code in (302, 403)
    assert not Attendance.objects.exists()
    assert "Pointer les présences" in text_of(agent_client.get(reverse("admin:index")))


@pytest.mark.parametrize(
    "asked", ["jour=x", "jour=0001-01-01", "lieu=abc", "lieu=99999999999999999999", "formule=abc"]
)
def test_a_tampered_address_is_told_and_never_an_error(lina, agent_client, asked):
    assert agent_client.get(f"{reverse('admin:reservations_attendance_list')}?{asked}").status_code == 200


@pytest.mark.parametrize(
    "fields", [{"venu": ["abc", "9" * 30]}, {"vu": ["x", "-1"]}, {"q": "%" * 300, "chercher": "1"}]
)
def test_tampered_fields_change_nothing(lina, where, agent_client, fields):
    assert agent_client.post(where, fields).status_code in (200, 302)
    assert not Attendance.objects.exists()


def test_entered_rows_are_shown_and_never_typed(lina, enter, agent_client):
    enter({lina: ("absent", "strike")})
    row = Attendance.objects.get()
    assert "Absent, justifié" in text_of(
        agent_client.get(reverse("admin:reservations_attendance_changelist"))
    )
    page = agent_client.get(reverse("admin:reservations_attendance_change", args=[row.pk]))
    assert "Ouvrir" in page.text
    assert agent_client.get(reverse("admin:reservations_attendance_add")).status_code == 403


def test_a_list_of_ten_costs_what_a_list_of_one_costs(lina, where, canteen, year, school_class, agent_client):
    def cost(method, **fields):
        with CaptureQueriesContext(connection) as queries:
            assert method(where, fields).status_code in (200, 302)
        return len(queries)

    agent_client.get(where)
    shown, saved = cost(agent_client.get), cost(agent_client.post, **{f"etat-{lina.pk}": "absent"})
    everybody = [lina]
    for number in range(9):
        who = enrolled(family(f"f{number}", f"Famille {number}", "Sacha", school_class), canteen, year)
        everybody.append(BookingFactory(enrolment=who.enrolment, day=MONDAY))
    Attendance.objects.all().delete()
    assert cost(agent_client.get) == shown
    fields = {f"etat-{booking.pk}": "absent" for booking in everybody}
    assert cost(agent_client.post, **fields) == saved
    assert Attendance.objects.filter(state="absent").count() == 10


# The family ---------------------------------------------------------------------------------------------


def test_a_family_reads_where_its_child_stood_and_reports_an_absence_from_there(
    books, canteen, enter, books_client
):
    days = [date(2026, 11, 5), date(2026, 11, 6), MONDAY, TUESDAY]
    reservation = ReservationFactory(
        enrolment=books.enrolment, period=canteen.period, state="accepted", submitted_at=NOW
    )
    for day in days:
        ReservationLineFactory(
            reservation=reservation, formula=canteen.formula, day=day, outcome=Outcome.ACCEPTED
        )
    seen, missed, today, to_come = (BookingFactory(enrolment=books.enrolment, day=day) for day in days)
    enter({seen: ("present",)}, day=seen.day)
    enter({missed: ("absent", "")}, day=missed.day)
    page = text_of(books_client.get(reverse("reservations:detail", args=[reservation.pk])))
    assert page.count("Absent, non justifié") == page.count(">Présent<") == 1
    report = reverse("absences:report", args=[books.child.pk])
    asked = [day for day in days if f"{report}?du={day}&au={day}" in page.replace("&amp;", "&")]
    assert asked == [missed.day, today.day]
    assert to_come.day not in asked


def test_the_detail_of_a_reservation_costs_the_same_for_one_day_and_ten(books, canteen, books_client, enter):
    reservation = ReservationFactory(
        enrolment=books.enrolment, period=canteen.period, state="accepted", submitted_at=NOW
    )

    def cost(days):
        for day in days:
            ReservationLineFactory(
                reservation=reservation, formula=canteen.formula, day=day, outcome=Outcome.ACCEPTED
            )
            enter({BookingFactory(enrolment=books.enrolment, day=day): ("absent", "")}, day=day)
        where = reverse("reservations:detail", args=[reservation.pk])
        books_client.get(where)
        with CaptureQueriesContext(connection) as queries:
            books_client.get(where)
        return len(queries)

    once = cost([date(2026, 11, 2)])
    assert cost([date(2026, 11, day) for day in (3, 4, 5, 6, 9)]) == once


def test_a_long_list_is_ticked_part_by_part_and_keeps_what_was_sent_though_it_moved(
    lina, where, canteen, year, school_class, agent_client, monkeypatch
):
    monkeypatch.setattr("billing.admin.attendance.MOST_TOGETHER", 2)
    monkeypatch.setattr("billing.admin.attendance.A_PART", 2)
    others = []
    for number in range(2):
        who = enrolled(family(f"z{number}", f"Zola {number}", "Sacha", school_class), canteen, year)
        others.append(BookingFactory(enrolment=who.enrolment, day=MONDAY))
    first, second = (agent_client.get(f"{where}&page={page}").text for page in (1, 2))
    assert "Enfants 1 à 2 sur 3" in first and f"etat-{lina.pk}" in first and f"etat-{others[0].pk}" in first
    assert f"etat-{others[1].pk}" in second and f"etat-{lina.pk}" not in second
    extra = enrolled(family("aa", "Aaron", "Sacha", school_class), canteen, year)
    BookingFactory(enrolment=extra.enrolment, day=MONDAY)
    sent = {f"montre-{others[0].pk}": "|present||", f"etat-{others[0].pk}": "absent"}
    assert agent_client.post(f"{where}&page=1", sent).status_code == 302
    assert entered() == {str(others[0].child): ("absent", "")}
