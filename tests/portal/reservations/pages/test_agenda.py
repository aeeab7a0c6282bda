"""« Mon agenda »: an address that programs read, and a reservation's days to take away."""

import logging
import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest
import vobject
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from families.calendar_links import READS_AN_HOUR
from families.models import CalendarLink, Custody, SecurityEvent
from portal import town
from portal.reservations.acts import moving
from portal.reservations.models import Booking, Closure, Enrolment, SchoolClass
from portal.reservations.pages import ics
from portal.reservations.states import BookingState
from portal.web.logs import WithoutPersonalData
from tests.conftest import FRIDAY, NOW, THURSDAY, brother_of
from tests.factories import (
    BookingFactory,
    CentreFactory,
    ChildFactory,
    EnrolmentFactory,
    FormulaFactory,
    GuardianFactory,
    SchoolClassFactory,
)

PAGE = "/mon-agenda/"
A_DAY = timedelta(days=1)
PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture
def address(books, books_client) -> str:
    return made(books_client)


def made(client: Client, replaces: str = "") -> str:
    """The path of the address that the page shows once."""
    page = client.post(PAGE, {"make": replaces}).content.decode()
    found = re.search(r'value="http://testserver(/mon-agenda/[\w-]{43}\.ics)"', page)
    assert found, page
    return found.group(1)


def read(address: str, **headers: str) -> bytes:
    answer = Client().get(address, headers=headers)
    assert answer.status_code == 200
    return answer.content


def shown(address: str) -> list[tuple[str, date, str]]:
    """Summary, first day and state of each event, as icalendar reads them."""
    events = icalendar.Calendar.from_ical(read(address)).walk("VEVENT")
    return [(str(one["SUMMARY"]), one.start, str(one["STATUS"])) for one in events]


# What it shows ------------------------------------------------------------------------------------------


def test_a_program_without_a_login_reads_the_days_booked(books, address):
    BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    BookingFactory(enrolment=books.enrolment, day=FRIDAY, state=BookingState.REQUESTED)
    assert shown(address) == [
        ("Lina : Repas", THURSDAY, "CONFIRMED"),
        ("Lina : Repas (demande en attente)", FRIDAY, "TENTATIVE"),
    ]


def test_who_belongs_to_two_households_has_a_calendar_of_each(books, waits, books_client, address):
    GuardianFactory(household=waits.household, user=books.user)
    BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    BookingFactory(enrolment=waits.enrolment, day=FRIDAY)
    assert shown(address) == [("Lina : Repas", THURSDAY, "CONFIRMED")]


def test_a_formula_that_says_its_hours_stands_at_them_in_the_towns_zone(books, canteen, address):
    evening = FormulaFactory(activity=canteen.activity, code="soir", name="De 16 h 30 à 18 h")
    BookingFactory(enrolment=books.enrolment, day=date(2027, 3, 29), formula=evening)  # in summer time
    calendar = icalendar.Calendar.from_ical(read(address))
    (event,) = calendar.walk("VEVENT")
    assert event.start == datetime(2027, 3, 29, 16, 30, tzinfo=PARIS)
    assert event.end.time() == time(18)
    assert event["DTSTART"].params["TZID"] == "Europe/Paris"
    assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == ["Europe/Paris"]


def test_another_client_reads_the_same(books, canteen, address):
    evening = FormulaFactory(activity=canteen.activity, code="soir", name="De 16 h 30 à 18 h")
    for day in (THURSDAY, date(2027, 7, 1)):
        BookingFactory(enrolment=books.enrolment, day=day, formula=evening)
    BookingFactory(enrolment=books.enrolment, day=FRIDAY, formula=canteen.formula)
    Closure.objects.create(
        starts_on=FRIDAY, ends_on=FRIDAY + A_DAY, label="Grève, cantine", establishment=canteen.restaurant
    )
    calendar = vobject.readOne(read(address).decode())
    assert calendar.vtimezone.tzid.value == "Europe/Paris"
    events = [(one.summary.value, one.dtstart.value, one.dtend.value) for one in calendar.vevent_list]
    # Its zones are its own, made of what the file says: winter and summer.
    assert [(what, f"{start}", f"{end}") for what, start, end in events] == [
        ("Lina : De 16 h 30 à 18 h", "2026-11-26 16:30:00+01:00", "2026-11-26 18:00:00+01:00"),
        ("Lina : Repas", "2026-11-27", "2026-11-28"),
        ("Lina : De 16 h 30 à 18 h", "2027-07-01 16:30:00+02:00", "2027-07-01 18:00:00+02:00"),
        ("Restaurant du Verger : fermé (Grève, cantine)", "2026-11-27", "2026-11-29"),
    ]


def test_first_names_and_formulas_only(books, canteen, address):
    BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    text = read(address).decode()
    for private in ("Roux", "Restaurant du Verger", "École", "LOCATION", "DESCRIPTION", "ORGANIZER", "CE1"):
        assert private not in text


def test_a_cancelled_day_leaves_and_the_others_keep_their_name(books, address):
    gone = BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    BookingFactory(enrolment=books.enrolment, day=FRIDAY)
    before = icalendar.Calendar.from_ical(read(address)).walk("VEVENT")
    Booking.objects.filter(pk=gone.pk).update(state=BookingState.CANCELLED)
    after = icalendar.Calendar.from_ical(read(address)).walk("VEVENT")
    assert [one["UID"] for one in after] == [one["UID"] for one in before if one.start == FRIDAY]


def test_days_leave_with_the_custody(books, address):
    BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    Closure.objects.create(starts_on=FRIDAY, ends_on=FRIDAY)
    assert len(shown(address)) == 2
    Custody.objects.filter(child=books.child).update(until=NOW.date())
    assert shown(address) == []


def test_the_other_home_of_a_child_sees_its_own_days_only(books, waits, address, waits_client):
    Custody.objects.create(child=books.child, household=waits.household)
    BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    theirs = made(waits_client)
    assert shown(theirs) == []
    assert len(shown(address)) == 1


# Closures -----------------------------------------------------------------------------------------------


def closed(address: str) -> list[tuple[str, date, date]]:
    events = icalendar.Calendar.from_ical(read(address)).walk("VEVENT")
    return [(str(one["SUMMARY"]), one.start, one.end - A_DAY) for one in events]


def test_what_is_closed_where_the_child_goes(books, canteen, school, year, address):
    elsewhere = CentreFactory(code="ailleurs", name="Centre d'ailleurs")
    other_class = SchoolClassFactory(school=school, school_year=year, name="CM2")
    own_class = books.child.schoolings.get().school_class
    for given in (
        {"establishment": elsewhere, "label": "pas ici"},
        {"school_class": other_class, "label": "pas sa classe"},
        {"establishment": canteen.restaurant, "why": Closure.Why.STRIKE},
        {"school_class": own_class, "why": Closure.Why.TRIP, "day": FRIDAY},
        {"activity": canteen.activity, "label": "Travaux", "day": FRIDAY + 7 * A_DAY},
    ):
        day = given.pop("day", THURSDAY)
        Closure.objects.create(starts_on=day, ends_on=day, **given)
    assert closed(address) == [
        ("Restaurant du Verger : fermé (Grève)", THURSDAY, THURSDAY),
        ("Services fermés (Sortie scolaire)", FRIDAY, FRIDAY),
        (f"{canteen.activity} : fermé (Travaux)", FRIDAY + 7 * A_DAY, FRIDAY + 7 * A_DAY),
    ]


@pytest.mark.parametrize("what", ["place", "class", "school"])
def test_a_child_that_moves_is_told_of_each_place_and_class_for_its_own_days(
    books, canteen, mill, school, agent, address, what
):
    since = THURSDAY + 7 * A_DAY
    moving.carry_out(books.child, moving.Change(since, mill.school_class, None), by=agent, at=NOW)
    of_place = ({"establishment": canteen.restaurant}, {"establishment": mill.restaurant})
    own_class = SchoolClass.objects.get(school=school)
    of_class = ({"school_class": own_class}, {"school_class": mill.school_class})
    of_school = ({"establishment": school}, {"establishment": mill.school})
    closes = {"place": of_place, "class": of_class, "school": of_school}[what]
    for label, where in zip(("avant", "après"), closes, strict=True):
        Closure.objects.create(starts_on=since - A_DAY, ends_on=since, label=label, **where)
    assert [(said[-6:-1], first, last) for said, first, last in closed(address)] == [
        ("avant", since - A_DAY, since - A_DAY),
        ("après", since, since),
    ]


def test_what_closes_after_the_end_of_an_enrolment_is_not_told(books, canteen, address):
    Enrolment.objects.update(ends_on=FRIDAY)
    Closure.objects.create(starts_on=THURSDAY, ends_on=FRIDAY + 5 * A_DAY, label="Travaux")
    assert closed(address) == [("Services fermés (Travaux)", THURSDAY, FRIDAY)]


def test_a_day_booked_elsewhere_is_told_what_closes_there_on_that_day(books, canteen, mill, address):
    booked = BookingFactory(enrolment=books.enrolment, day=FRIDAY)
    Booking.objects.filter(pk=booked.pk).update(establishment=mill.restaurant)
    Closure.objects.create(starts_on=THURSDAY, ends_on=FRIDAY, establishment=mill.restaurant)
    assert closed(address)[1:] == [("Restaurant de la Grange : fermé (Fermeture)", FRIDAY, FRIDAY)]


def test_an_exceptional_opening_that_was_written_later_counts(books, canteen, address):
    Closure.objects.create(starts_on=THURSDAY, ends_on=THURSDAY + 4 * A_DAY, label="Travaux")
    Closure.objects.create(starts_on=FRIDAY, ends_on=FRIDAY, opens=True)
    assert closed(address) == [
        ("Services fermés (Travaux)", THURSDAY, THURSDAY),
        ("Services fermés (Travaux)", FRIDAY + A_DAY, THURSDAY + 4 * A_DAY),
    ]


# What is chosen -----------------------------------------------------------------------------------------


def test_a_child_a_service_or_closures_can_be_left_out(books, canteen, year, address, books_client):
    his = brother_of(books, "Hugo")
    BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    BookingFactory(enrolment=his, day=THURSDAY)
    Closure.objects.create(starts_on=FRIDAY, ends_on=FRIDAY)
    assert len(shown(address)) == 3
    both = {"choose": "1", "services": ["catering", "leisure"], "closures": "on"}
    assert books_client.post(PAGE, both | {"children": [his.child_id]}).status_code == 302
    assert [what for what, *_ in shown(address)] == ["Hugo : Repas", "Services fermés (Fermeture)"]
    books_client.post(PAGE, {"choose": "1", "children": [his.child_id], "services": ["leisure"]})
    assert shown(address) == []
    form = books_client.get(PAGE).context["form"]
    assert form.initial == {"children": [his.child_id], "services": ["leisure"], "closures": False}


def test_nothing_ticked_or_another_familys_child_is_a_sentence(books, stranger, address, books_client):
    answer = books_client.post(PAGE, {"choose": "1", "services": ["catering"]})
    assert answer.status_code == 200 and "Cochez au moins un enfant." in answer.content.decode()
    strange = {"choose": "1", "services": ["catering"], "children": [stranger.child.pk]}
    assert books_client.post(PAGE, strange).status_code == 200
    assert not CalendarLink.objects.get().hidden_children.exists()


# The address --------------------------------------------------------------------------------------------


def test_it_is_shown_once_and_kept_as_a_hash(books, address, books_client):
    token = address.removeprefix(PAGE).removesuffix(".ics")
    assert len(token) == 43  # 256 bits
    link = CalendarLink.objects.get()
    assert token not in {str(value) for value in vars(link).values()} and len(link.token_hash) == 64
    page = books_client.get(PAGE).content.decode()
    assert token not in page and "Nouveau lien" in page
    assert not SecurityEvent.objects.filter(detail__contains=token).exists()


def test_a_new_link_ends_the_old_one(books, address, books_client):
    new = made(books_client, CalendarLink.objects.get().version)
    assert Client().get(address).status_code == 404
    assert Client().get(new).status_code == 200


def test_a_page_sent_twice_replaces_nothing(books, address, books_client):
    answer = books_client.post(PAGE, {"make": ""}, follow=True)
    assert "il ne se montre qu&#x27;une fois" in answer.content.decode()
    assert Client().get(address).status_code == 200


def test_a_removed_link_is_closed(books, address, books_client):
    assert "supprimé" in books_client.post(PAGE, {"remove": "1"}, follow=True).content.decode()
    assert Client().get(address).status_code == 404
    assert books_client.post(PAGE, {"remove": "1"}).status_code == 302
    assert books_client.post(PAGE, {"choose": "1"}).status_code == 302


def test_a_login_that_is_closed_or_taken_from_its_guardian_closes_it(books, address):
    books.user.is_active = False
    books.user.save()
    assert Client().get(address).status_code == 404
    books.user.is_active = True
    books.user.save()
    assert Client().get(address).status_code == 200
    books.guardian.user = None
    books.guardian.save()
    assert Client().get(address).status_code == 404


def test_each_guardian_has_an_address_of_their_own(books, waits, address, waits_client):
    other = made(waits_client)
    assert other != address
    assert CalendarLink.objects.count() == 2


def test_the_staff_of_the_town_hall_has_none(agent_client):
    assert agent_client.get(PAGE).url == "/"


def test_it_is_read_and_nothing_else(books, address):
    for method in ("post", "put", "delete", "options"):
        assert getattr(Client(enforce_csrf_checks=False), method)(address).status_code == 405
    answer = Client().head(address)
    assert answer.status_code == 200 and not answer.content and answer["ETag"]


def test_who_has_it_already_is_told_so(books, address, monkeypatch):
    BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    answer = Client().get(address)
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer["X-Robots-Tag"] == "noindex, nofollow"
    assert answer["Cache-Control"] == "private, no-cache"
    assert "Set-Cookie" not in answer
    with monkeypatch.context() as unread:
        unread.setattr(ics, "calendar", None)  # not even written
        again = Client().get(address, headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", answer["ETag"])
    BookingFactory(enrolment=books.enrolment, day=FRIDAY)
    assert Client().get(address, headers={"If-None-Match": answer["ETag"]}).status_code == 200


def test_a_program_that_asks_all_the_time_has_to_wait(books, address):
    CalendarLink.objects.update(reads=READS_AN_HOUR - 1, reads_since=NOW)
    assert Client().get(address).status_code == 200
    refused = Client().get(address)
    assert refused.status_code == 429 and refused["Cache-Control"] == "private, no-cache"
    CalendarLink.objects.update(reads_since=NOW - timedelta(hours=1))
    assert Client().get(address).status_code == 200
    assert CalendarLink.objects.get().reads == 1


def test_the_page_says_whether_it_is_read(books, address, books_client):
    assert "Aucun agenda ne l'a encore lu." in books_client.get(PAGE).content.decode()
    read(address)
    assert "Lu pour la dernière fois le" in books_client.get(PAGE).content.decode()


def test_the_logs_do_not_hold_it(address):
    said = logging.LogRecord("django.request", 30, "", 0, "Not Found: %s", (address,), None)
    assert WithoutPersonalData("{message}", style="{").format(said) == "Not Found: /mon-agenda/[lien]"


def test_a_year_of_many_children_is_read_in_six_queries(books, canteen, year, address):
    def cost() -> int:
        town.forget()  # as in a process that has read nothing yet
        with CaptureQueriesContext(connection) as counted:
            read(address)
        return len(counted)

    BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    Closure.objects.create(starts_on=FRIDAY, ends_on=FRIDAY)
    few = cost()
    for number in range(9):
        child = ChildFactory(first_name=f"Enfant {number}", households=[books.household])
        enrolment = EnrolmentFactory(
            household=books.household,
            child=child,
            activity=canteen.activity,
            establishment=canteen.restaurant,
            school_year=year,
        )
        Booking.objects.bulk_create(
            Booking(
                household=books.household,
                child=child,
                enrolment=enrolment,
                activity=canteen.activity,
                establishment=canteen.restaurant,
                formula=canteen.formula,
                day=THURSDAY + timedelta(days=7 * week),
                state=BookingState.ACCEPTED,
                changed_at=NOW,
            )
            for week in range(30)
        )
        Closure.objects.create(starts_on=FRIDAY, ends_on=FRIDAY, establishment=canteen.restaurant)
    assert cost() == few <= 6
    assert len(shown(address)) > 270


# One reservation ----------------------------------------------------------------------------------------


def test_a_reservation_is_taken_away_as_a_file(books, asks, books_client):
    recorded = asks(books, THURSDAY, FRIDAY, on_request=False)
    answer = books_client.get(f"/reservations/{recorded.pk}/agenda.ics")
    assert answer["Content-Disposition"] == f'attachment; filename="reservation-{recorded.number}.ics"'
    assert answer["Content-Type"].startswith("text/calendar")
    events = icalendar.Calendar.from_ical(answer.content).walk("VEVENT")
    assert [(str(one["SUMMARY"]), one.start) for one in events] == [
        ("Lina : Repas", THURSDAY),
        ("Lina : Repas", FRIDAY),
    ]
    # The same days have the same names in the file and behind the address: no program shows them twice.
    subscribed = icalendar.Calendar.from_ical(read(made(books_client))).walk("VEVENT")
    assert [one["UID"] for one in subscribed] == [one["UID"] for one in events]
    assert "Ajouter à mon agenda" in books_client.get(f"/reservations/{recorded.pk}/").content.decode()


def test_a_reservation_without_a_day_left_says_so(books, asks, books_client):
    recorded = asks(books, THURSDAY, on_request=False)
    Booking.objects.update(state=BookingState.CANCELLED)
    answer = books_client.get(f"/reservations/{recorded.pk}/agenda.ics", follow=True)
    assert "Aucun jour de cette réservation" in answer.content.decode()


def test_anothers_reservation_does_not_exist(books, asks, stranger_client):
    recorded = asks(books, THURSDAY, on_request=False)
    assert stranger_client.get(f"/reservations/{recorded.pk}/agenda.ics").status_code == 404
