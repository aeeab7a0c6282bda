"""« Malade aujourd'hui »: one tap a child, what stays billed said before, taken back while it can be."""

from datetime import date, time
from html import unescape

import pytest
import time_machine
from django.urls import reverse

from billing.models import AbsencePolicy
from portal.reservations.models import AbsenceNotice, AbsenceReason, Attendance, Booking
from portal.reservations.presence import announcing, attendance
from portal.reservations.presence.certificates import AbsenceRefused
from portal.reservations.states import BookingState
from tests.conftest import Family
from tests.factories import BookingFactory, ChildFactory, EnrolmentFactory, ReservationFactory, paris

pytestmark = pytest.mark.django_db
MONDAY, TUESDAY, THURSDAY, FRIDAY = (date(2026, 11, day) for day in (9, 10, 12, 13))
WHERE = "/absences/malade/"


def text(answer) -> str:
    return " ".join(unescape(answer.content.decode()).split())


def eats(who: Family, canteen, *days: date) -> list[Booking]:
    """The family's child is booked on these days, at 8 in the morning of the Monday it all happens."""
    reservation = ReservationFactory(enrolment=who.enrolment, period=canteen.period, state="accepted")
    return [BookingFactory(enrolment=who.enrolment, day=day, reservation=reservation) for day in days]


@pytest.fixture
def ill(books, canteen, meals) -> Family:
    """Lina eats today, tomorrow, Thursday and Friday, and is ill."""
    eats(books, canteen, MONDAY, TUESDAY, THURSDAY, FRIDAY)
    return books


def tell(who: Family, *days: date, child=None):
    data = {"enfant": str((child or who.child).pk), "jour": [day.isoformat() for day in days]}
    return who.client().post(WHERE, data, follow=True)


def told() -> list[date]:
    return list(AbsenceNotice.objects.standing().values_list("day", flat=True))


def ticked(page: str) -> list[str]:
    return [part[:10] for part in page.split('name="jour" value="')[1:] if " checked" in part.split(">")[0]]


def test_today_and_tomorrow_are_ticked_and_what_stays_billed_is_said(ill):
    AbsencePolicy.objects.create(within_hours=48, waiting_days=1)
    shown = text(ill.client().get(WHERE))
    assert ticked(shown) == ["2026-11-09", "2026-11-10"]
    assert "Aujourd'hui, lundi 9 novembre" in shown and "Demain, mardi 10 novembre" in shown
    # The first day is billed whatever is sent, the others unless a certificate comes.
    assert shown.count("Repas : <strong>reste facturé</strong>") == 1
    assert shown.count("<strong>reste facturé, sauf certificat donné à temps</strong>") == 3


def test_without_a_rule_for_certificates_every_day_stays_billed(ill):
    AbsencePolicy.objects.create(certificates_count=False)
    shown = text(ill.client().get(WHERE))
    assert shown.count("<strong>reste facturé</strong>") == 4


def test_a_day_that_may_still_be_cancelled_says_so(ill):
    shown = text(ill.client().get(WHERE))
    # Two days before at 10: Thursday until tomorrow, Friday until Wednesday.
    assert shown.count(">l'annulez<") == 2
    assert "</a> jusqu'au 10/11 à 10 h" in shown and "</a> jusqu'au 11/11 à 10 h" in shown


def test_one_tap_tells_it_and_the_list_of_the_day_shows_it(ill, canteen, agent_client):
    answer = tell(ill, MONDAY, TUESDAY)
    assert "C'est noté : Lina ne viendra pas lundi 9 novembre et mardi 10 novembre." in text(answer)
    assert text(answer).count("Absence annoncée") == 2
    assert told() == [MONDAY, TUESDAY]
    assert set(Booking.objects.values_list("state", flat=True)) == {BookingState.ACCEPTED}
    sheet = attendance.AttendanceSheet.load(canteen.restaurant, canteen.formula, MONDAY)
    (row,) = sheet.rows
    assert row.said == attendance.Said("absent", AbsenceReason.ILLNESS)
    where = reverse("admin:reservations_attendance_list")
    shown = agent_client.get(where, {"jour": "2026-11-09", "lieu": canteen.restaurant.pk})
    assert "Absence annoncée par la famille le lundi 9 novembre à 10 h." in text(shown)


def test_told_twice_it_is_written_once(ill):
    tell(ill, MONDAY)
    tell(ill, MONDAY, THURSDAY)
    assert told() == [MONDAY, THURSDAY]


def test_taken_back_it_is_gone_from_the_list_and_kept_as_a_trace(ill, canteen):
    tell(ill, MONDAY)
    data = {"enfant": str(ill.child.pk), "retirer": "2026-11-09"}
    answer = ill.client().post(WHERE, data, follow=True)
    assert "L'annonce est retirée" in text(answer)
    assert told() == [] and AbsenceNotice.objects.count() == 1
    (row,) = attendance.AttendanceSheet.load(canteen.restaurant, canteen.formula, MONDAY).rows
    assert (row.announced, row.said.state) == (None, "present")
    tell(ill, MONDAY)
    assert told() == [MONDAY]


def test_once_the_list_is_entered_it_is_the_places_word(ill, canteen, agent, now):
    tell(ill, MONDAY)
    (row,) = attendance.AttendanceSheet.load(canteen.restaurant, canteen.formula, MONDAY).rows
    attendance.record(
        canteen.restaurant, canteen.formula, MONDAY, {row.booking.pk: row.said}, by=agent, at=now
    )
    assert Attendance.objects.get().reason == AbsenceReason.ILLNESS
    with pytest.raises(AbsenceRefused, match="déjà noté sur place"):
        announcing.take_back(ill.household, ill.child, MONDAY, at=now)
    with pytest.raises(AbsenceRefused, match="Rien n'est réservé"):
        announcing.announce(ill.household, ill.child, [MONDAY], by=ill.user, at=now)


def test_each_child_has_its_own_tap(ill, canteen, year):
    hugo = ChildFactory(first_name="Hugo", birth_date=date(2020, 5, 4), households=[ill.household])
    enrolment = EnrolmentFactory(
        household=ill.household,
        child=hugo,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=year,
    )
    BookingFactory(enrolment=enrolment, day=TUESDAY)
    shown = text(ill.client().get(WHERE))
    assert shown.index("Prévenir : Lina est malade") < shown.index("Prévenir : Hugo est malade")
    tell(ill, TUESDAY, child=hugo)
    assert [str(one.child.first_name) for one in AbsenceNotice.objects.all()] == ["Hugo"]


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        ([], "Cochez au moins un jour."),
        (["2026-11-11"], "Rien n'est réservé pour Lina mercredi 11 novembre"),
        (["2026-11-30"], "Rien n'est réservé pour Lina lundi 30 novembre"),
        (["2026-11-08"], "Rien n'est réservé"),
        (["hier"], "Un jour n'est pas lisible"),
        (["2026-11-09", "2026-11-11"], "Rien n'est réservé pour Lina mercredi 11 novembre"),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_is_written(ill, days, sentence):
    answer = ill.client().post(WHERE, {"enfant": str(ill.child.pk), "jour": days}, follow=True)
    assert sentence in text(answer)
    assert told() == []


def test_a_weekend_proposes_the_next_school_day(ill):
    with time_machine.travel(paris(2026, 11, 11, 20), tick=False):
        assert ticked(text(ill.client().get(WHERE))) == ["2026-11-12"]
    with time_machine.travel(paris(2026, 11, 14, 20), tick=False):
        assert "vous n'avez rien à faire" in text(ill.client().get(WHERE))


def test_a_stranger_tells_nothing_of_this_child(ill, stranger):
    answer = stranger.client().post(WHERE, {"enfant": str(ill.child.pk), "jour": ["2026-11-09"]})
    assert answer.status_code == 404 and told() == []
    assert "Lina" not in text(stranger.client().get(WHERE))


@pytest.mark.parametrize("posted", ["", "0", "x", "99999999999999999999"])
def test_no_child_of_that_number_is_a_page_not_found(ill, posted):
    assert ill.client().post(WHERE, {"enfant": posted, "jour": ["2026-11-09"]}).status_code == 404


def test_the_page_costs_the_same_for_one_day_and_for_all(books, canteen, meals, django_assert_num_queries):
    (first,) = eats(books, canteen, MONDAY)
    client = books.client()
    client.get(WHERE)
    with django_assert_num_queries(10):
        client.get(WHERE)
    for day in (TUESDAY, THURSDAY, FRIDAY):
        BookingFactory(enrolment=books.enrolment, day=day, reservation=first.reservation)
    with django_assert_num_queries(10):
        client.get(WHERE)


@pytest.mark.parametrize("page", ["/absences/", "report"])
def test_the_absence_pages_lead_there(ill, page):
    address = reverse("absences:report", args=[ill.child.pk]) if page == "report" else page
    assert f'href="{WHERE}"' in text(ill.client().get(address))


# Where telling is enough ---------------------------------------------------------------------------------


def test_told_at_eight_nothing_is_billed_and_the_page_says_the_rule(ill):
    AbsencePolicy.objects.create(paperless="told", told_before=time(10))
    with time_machine.travel(paris(2026, 11, 9, 8), tick=False):
        shown = text(ill.client().get(WHERE))
        assert "Maladie annoncée avant 10 h le premier jour d'absence, même sans certificat" in shown
        assert shown.count("Repas : <strong>non facturé</strong>") == 4
        assert "Rien ne sera facturé." in text(tell(ill, MONDAY, TUESDAY))
    # What was told in time stays so.
    assert text(ill.client().get(WHERE)).count("Repas : non facturé") == 2


def test_told_at_eleven_every_day_stays_billed_unless_a_certificate_comes(ill):
    AbsencePolicy.objects.create(paperless="told", told_before=time(10))
    with time_machine.travel(paris(2026, 11, 9, 11), tick=False):
        shown = text(ill.client().get(WHERE))
        assert shown.count("<strong>reste facturé, sauf certificat donné à temps</strong>") == 4
        answer = text(tell(ill, MONDAY, TUESDAY, THURSDAY))
        assert "Reste facturé : lundi 9 novembre, mardi 10 novembre et jeudi 12 novembre." in answer


def test_of_a_week_told_in_time_the_first_two_days_are_free(ill):
    AbsencePolicy.objects.create(paperless="known", free_first_days=2, certificates_count=False)
    shown = text(ill.client().get(WHERE))
    assert shown.count("<strong>non facturé</strong>") == 2
    assert shown.count("<strong>reste facturé</strong>") == 2


def test_a_town_without_such_a_rule_reads_as_before(ill):
    AbsencePolicy.objects.create(within_hours=48)
    assert "Maladie annoncée" not in text(ill.client().get(WHERE))
    answer = text(tell(ill, MONDAY))
    assert "Rien ne sera facturé" not in answer and "Reste facturé :" not in answer
