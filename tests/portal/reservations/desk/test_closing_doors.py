"""Whatever closes a booked day asks first, at the desk and in the town's file; « Rouvrir » takes it back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from lxml import html

from portal.models import Town
from portal.reservations.acts import closing
from portal.reservations.days.offer import Offer
from portal.reservations.models import (
    Activity,
    Booking,
    CalendarChange,
    Closure,
    Establishment,
    Period,
    PublicHoliday,
    SchoolHoliday,
    Schooling,
    SchoolYear,
    Slot,
)
from portal.reservations.states import BookingState
from portal.reservations.towns import town_file
from tests.conftest import FRIDAY, NOW, THURSDAY, logged_in
from tests.factories import BookingFactory, PeriodFactory, SchoolHolidayFactory
from tests.portal.reservations.desk.test_queues import said
from tests.portal.reservations.shutting import shut

MONDAY = date(2026, 11, 23)
CONFIRMED = {"_closing_confirmed": "1"}


@dataclass(frozen=True)
class Door:
    """A change that closes Thursday (or `closes`): where the desk types it, and as it comes otherwise."""

    name: str
    page: str
    change: Callable[[Any], object]
    typed: dict[str, Any] = field(default_factory=dict)
    row: Callable[[Any], Any] | None = None
    closes: tuple[date, ...] = (THURSDAY,)
    reason: str = ""

    def __str__(self) -> str:
        return self.name


def update(row: Callable[[Any], Any], **values: Any) -> Callable[[Any], object]:
    def change(canteen: Any) -> None:
        found = row(canteen)
        for name, value in values.items():
            setattr(found, name, value)
        found.save()

    return change


BOTH = (MONDAY, THURSDAY)
DOORS = [
    Door(
        "public holiday",
        "publicholiday",
        lambda canteen: PublicHoliday.objects.create(day=THURSDAY, name="Fête du village"),
        {"day": "26/11/2026", "name": "Fête du village"},
        reason="Férié : Fête du village",
    ),
    Door(
        "school holidays lengthened",
        "schoolholiday",
        update(lambda canteen: SchoolHoliday.objects.get(name="Vacances de la Toussaint"), ends_on=THURSDAY),
        {"ends_on": "26/11/2026"},
        row=lambda canteen: SchoolHoliday.objects.get(name="Vacances de la Toussaint"),
        closes=BOTH,
        reason="Vacances de la Toussaint",
    ),
    Door(
        "weekday of the activity",
        "activity",
        update(lambda canteen: canteen.activity, weekdays=0b10111),
        {"weekdays": ["0", "1", "2", "4"]},
        row=lambda canteen: canteen.activity,
        reason="Fermé le jeudi",
    ),
    Door(
        "weekday of the place",
        "establishment",
        update(lambda canteen: canteen.restaurant, open_weekdays=0b10111),
        {"open_weekdays": ["0", "1", "2", "4"]},
        row=lambda canteen: canteen.restaurant,
        reason="Fermé le jeudi",
    ),
    Door(
        "formula",
        "activity",
        update(lambda canteen: canteen.formula, active=False),
        {"formulas-0-active": None},
        row=lambda canteen: canteen.activity,
        closes=BOTH,
        reason="Cette formule n'est plus proposée",
    ),
    Door(
        "period shortened",
        "period",
        update(lambda canteen: canteen.period, ends_on=date(2026, 11, 25)),
        {"ends_on": "25/11/2026"},
        row=lambda canteen: canteen.period,
        reason="Ce jour n'est plus dans une période ouverte à la réservation",
    ),
    Door(
        "period moved",
        "period",
        update(lambda canteen: canteen.period, starts_on=date(2026, 11, 24)),
        {"starts_on": "24/11/2026"},
        row=lambda canteen: canteen.period,
        closes=(MONDAY,),
        reason="Ce jour n'est plus dans une période ouverte à la réservation",
    ),
    Door(
        "activity",
        "activity",
        update(lambda canteen: canteen.activity, active=False),
        {"active": None},
        row=lambda canteen: canteen.activity,
        closes=BOTH,
        reason="Cette activité n'est plus proposée",
    ),
    Door(
        "place",
        "establishment",
        update(lambda canteen: canteen.restaurant, active=False),
        {"active": None},
        row=lambda canteen: canteen.restaurant,
        closes=BOTH,
        reason="Ce lieu n'accueille plus les enfants",
    ),
    Door(
        "place taken from the activity",
        "activity",
        lambda canteen: canteen.activity.establishments.clear(),
        {"establishments": None},
        row=lambda canteen: canteen.activity,
        closes=BOTH,
    ),
    Door(
        "another time of the year",
        "activity",
        update(lambda canteen: canteen.activity, during="holidays"),
        {"during": "holidays"},
        row=lambda canteen: canteen.activity,
        closes=BOTH,
        reason="Hors vacances scolaires",
    ),
    Door(
        "school year",
        "schoolyear",
        update(lambda canteen: SchoolYear.objects.get(), ends_on=date(2026, 11, 25)),
        {"ends_on": "25/11/2026"},
        row=lambda canteen: SchoolYear.objects.get(),
        reason="Hors année scolaire",
    ),
    Door(
        "closure",
        "closure",
        lambda canteen: Closure.objects.create(starts_on=THURSDAY, ends_on=THURSDAY, why="strike"),
        {"starts_on": "26/11/2026", "ends_on": "26/11/2026", "why": "strike"},
        reason="Grève",
    ),
]


@pytest.fixture(params=DOORS, ids=str)
def door(request: pytest.FixtureRequest) -> Door:
    return request.param


@pytest.fixture
def booked(books, waits, canteen, asks) -> Callable[[], dict[tuple[str, date], str]]:
    """Lina eats on Monday and Thursday, Noé waits for her place on Thursday."""
    asks(books, MONDAY, THURSDAY, on_request=False)
    Slot.objects.filter(day=THURSDAY).update(capacity=1)
    asks(waits, THURSDAY, on_request=False)

    def states() -> dict[tuple[str, date], str]:
        return {
            (child, day): state
            for child, day, state in Booking.objects.values_list("child__first_name", "day", "state")
        }

    return states


BEFORE = {
    ("Lina", MONDAY): "accepted",
    ("Lina", THURSDAY): "accepted",
    ("Noé", THURSDAY): "waitlisted",
}


def after(door: Door) -> dict[tuple[str, date], str]:
    return {key: "cancelled" if key[1] in door.closes else state for key, state in BEFORE.items()}


def address(door: Door, canteen: Any) -> str:
    if door.row is None:
        return reverse(f"admin:reservations_{door.page}_add")
    return reverse(f"admin:reservations_{door.page}_change", args=[door.row(canteen).pk])


def filled(client: Any, url: str, typed: dict[str, Any]) -> dict[str, Any]:
    """What a browser would post from the page with these fields typed; None leaves a field or a tick out."""
    forms = html.fromstring(client.get(url).text).forms
    form = next(one for one in forms if one.get("id", "").endswith("_form"))
    values: dict[str, Any] = {}
    for name, value in form.form_values():
        values.setdefault(name, []).append(value)
    values = {**values, **typed, "_save": "Enregistrer", "csrfmiddlewaretoken": None}
    return {name: value for name, value in values.items() if value is not None}


def facts() -> dict[Any, Any]:
    return Offer.read(NOW.date()).facts


def test_the_desk_asks_whom_a_change_concerns_and_changes_nothing_yet(door, booked, canteen, agent_client):
    url, before = address(door, canteen), facts()
    question = agent_client.post(url, filled(agent_client, url, door.typed))
    days = sum(key[1] in door.closes for key in BEFORE)
    homes = len({key[0] for key in BEFORE if key[1] in door.closes})
    said_of = "réservation sera annulée" if days == 1 else "réservations seront annulées"
    told = "famille sera prévenue" if homes == 1 else "familles seront prévenues"
    assert f"{days} {said_of} sans frais, {homes} {told}." in question.text
    assert door.reason in html.fromstring(question.text).text_content()
    assert (booked(), facts()) == (BEFORE, before)
    assert said(question) == [] and not CalendarChange.objects.exists()


def test_confirmed_at_the_desk_it_cancels_tells_once_a_home_and_calls_nobody(
    door, booked, canteen, agent, agent_client, django_capture_on_commit_callbacks
):
    url = address(door, canteen)
    typed = filled(agent_client, url, door.typed)
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        answer = agent_client.post(url, typed | CONFIRMED)
    assert answer.status_code == 302
    assert any("sans frais ; les familles sont prévenues." in text for text in said(answer))
    assert booked() == after(door)
    homes = {key[0] for key in BEFORE if key[1] in door.closes}
    assert len(mail.outbox) == len(homes)
    change = CalendarChange.objects.get()
    assert change.by == agent
    assert not door.reason or change.reason == f"{door.reason} : annulé par la mairie, sans frais."


def test_the_towns_file_asks_too(door, booked, canteen, tmp_path):
    with transaction.atomic():
        door.change(canteen)
        written = town_file.export()
        transaction.set_rollback(True)
    path, out, before = tmp_path / "ville.yaml", StringIO(), facts()
    path.write_text(written, encoding="utf-8")
    call_command("load_town", str(path), "--essai", stdout=out)
    assert "Jours fermés : " in out.getvalue()
    with pytest.raises(CommandError, match="--confirmer"):
        call_command("load_town", str(path))
    assert (booked(), facts()) == (BEFORE, before)
    call_command("load_town", str(path), "--confirmer", stdout=out)
    assert booked() == after(door)
    assert CalendarChange.objects.get().by is None


def test_reopened_within_the_hour_all_is_as_it_was(
    door, booked, canteen, agent, books_kept, django_capture_on_commit_callbacks
):
    before = facts()
    shut(lambda: door.change(canteen), by=agent, at=NOW)
    assert booked() == after(door)
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        done = closing.reopen(CalendarChange.objects.get(), by=agent, at=NOW + timedelta(minutes=59))
    assert (booked(), facts()) == (BEFORE, before)
    assert done.back == sum(key[1] in door.closes for key in BEFORE) and not done.left and not done.kept
    homes = {key[0] for key in BEFORE if key[1] in door.closes}
    assert len(mail.outbox) == len(homes) == done.households


# What a row that goes leaves closed ----------------------------------------------------------------------


@pytest.fixture(params=["page", "list"])
def deletes(request, chief_client) -> Callable[[Any], Any]:
    """On the row's own page, and by the list's action; confirmed or not."""

    def delete(row: Any, **more: str) -> Any:
        name = f"admin:reservations_{row._meta.model_name}"
        if request.param == "page":
            return chief_client.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes", **more})
        selected = {"action": "delete_selected", "_selected_action": str(row.pk), "post": "yes"}
        return chief_client.post(reverse(f"{name}_changelist"), selected | more)

    return delete


def opening_of_saturday(canteen: Any) -> Closure:
    return Closure.objects.create(starts_on=date(2026, 11, 28), ends_on=date(2026, 11, 28), opens=True)


def holidays_that_open(canteen: Any) -> SchoolHoliday:
    Activity.objects.filter(pk=canteen.activity.pk).update(during="holidays")
    return SchoolHolidayFactory(name="Pont", starts_on=date(2026, 11, 28), ends_on=date(2026, 11, 28))


def period_of_its_own(canteen: Any) -> Period:
    Period.objects.filter(pk=canteen.period.pk).update(ends_on=date(2026, 11, 27))
    opening_of_saturday(canteen)
    return PeriodFactory(
        activity=canteen.activity,
        school_year=canteen.period.school_year,
        code="fin",
        starts_on=date(2026, 11, 28),
        ends_on=date(2026, 12, 18),
    )


@pytest.mark.parametrize("made", [opening_of_saturday, holidays_that_open, period_of_its_own])
def test_deleting_what_opened_a_day_asks_cancels_and_comes_back(made, deletes, books, canteen, chief):
    row = made(canteen)
    if made is holidays_that_open:
        Activity.objects.update(weekdays=0b1111111)
        Establishment.objects.update(open_weekdays=0b1111111)
    booking = BookingFactory(enrolment=books.enrolment, day=date(2026, 11, 28))
    before = facts()
    question = deletes(row)
    assert "1 réservation sera annulée sans frais, 1 famille sera prévenue." in question.text
    assert type(row).objects.filter(pk=row.pk).exists()
    deletes(row, **CONFIRMED)
    booking.refresh_from_db()
    assert booking.state == BookingState.CANCELLED and not type(row).objects.filter(pk=row.pk).exists()
    closing.reopen(CalendarChange.objects.get(), by=chief, at=NOW)
    booking.refresh_from_db()
    assert booking.state == BookingState.ACCEPTED and facts() == before


SATURDAY = date(2026, 11, 28)


@pytest.fixture
def saturday(books, waits, canteen, mill) -> Callable[..., Closure]:
    """Lina and Noé are booked on a Saturday that was opened for Lina's class, or her school, alone."""

    def opened(of: str = "class") -> Closure:
        Schooling.objects.filter(child=waits.child).update(school_class=mill.school_class)
        own = books.child.schoolings.get().school_class
        what = {"school_class": own} if of == "class" else {"establishment": own.school}
        row = Closure.objects.create(starts_on=SATURDAY, ends_on=SATURDAY, opens=True, **what)
        BookingFactory(enrolment=books.enrolment, day=SATURDAY)
        BookingFactory(enrolment=books.enrolment, day=THURSDAY)
        return row

    return opened


@pytest.mark.parametrize("of", ["class", "school"])
def test_deleting_what_opened_a_day_for_some_pupils_asks_cancels_and_comes_back(
    of, saturday, deletes, books, canteen, chief
):
    row = saturday(of)
    question = deletes(row)
    assert "1 réservation sera annulée sans frais, 1 famille sera prévenue." in question.text
    assert "Fermé le samedi" in question.text and Closure.objects.filter(pk=row.pk).exists()
    deletes(row, **CONFIRMED)
    days = dict(Booking.objects.values_list("day", "state"))
    assert days == {SATURDAY: BookingState.CANCELLED, THURSDAY: BookingState.ACCEPTED}
    done = closing.reopen(CalendarChange.objects.get(), by=chief, at=NOW)
    assert (done.back, done.left) == (1, {})
    assert set(Booking.objects.values_list("state", flat=True)) == {BookingState.ACCEPTED}


@pytest.mark.parametrize(
    ("typed", "asks"),
    [
        ({"starts_on": date(2026, 12, 5), "ends_on": date(2026, 12, 5)}, 1),  # another Saturday
        ({"school_class": None}, 0),  # opened for all now
        ({"opens": False}, 1),  # closed instead
        ({"label": "Fête de l'école"}, 0),
    ],
)
def test_changing_what_opened_a_day_for_a_class_closes_what_it_opens_no_more(
    typed, asks, saturday, canteen, agent
):
    row = saturday()
    assert shut(lambda: update(lambda one: row, **typed)(canteen), by=agent, at=NOW) == asks


def test_a_day_that_something_else_opens_for_the_class_stays(saturday, canteen, agent, books):
    row = saturday()
    Closure.objects.create(starts_on=SATURDAY, ends_on=SATURDAY, opens=True, establishment=canteen.restaurant)
    assert shut(row.delete, by=agent, at=NOW) == 0
    assert set(Booking.objects.values_list("state", flat=True)) == {BookingState.ACCEPTED}


def test_an_opening_for_all_that_goes_leaves_a_class_on_its_trip(books, waits, canteen, mill, agent):
    """Lina's class was to be away, then all were to come after all."""
    away = books.child.schoolings.get().school_class
    Schooling.objects.filter(child=waits.child).update(school_class=mill.school_class)
    Closure.objects.create(starts_on=THURSDAY, ends_on=THURSDAY, school_class=away, why="trip")
    row = Closure.objects.create(starts_on=THURSDAY, ends_on=THURSDAY, opens=True)
    for who in (books, waits):
        BookingFactory(enrolment=who.enrolment, day=THURSDAY)
    assert shut(row.delete, by=agent, at=NOW) == 1
    states = dict(Booking.objects.values_list("child__first_name", "state"))
    assert states == {"Lina": BookingState.CANCELLED, "Noé": BookingState.ACCEPTED}


def test_a_school_taken_from_a_restaurant_closes_no_booked_day(books, canteen, mill, agent_client):
    """Who is enrolled there goes on; nobody else of that school can choose it any more."""
    canteen.restaurant.schools.add(mill.school)
    booked = BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    own = books.child.schoolings.get().school_class.school
    url = reverse("admin:reservations_establishment_change", args=[canteen.restaurant.pk])
    agent_client.post(url, filled(agent_client, url, {"schools": [str(mill.school.pk)]}))
    assert own not in canteen.restaurant.schools.all()
    booked.refresh_from_db()
    assert booked.state == BookingState.ACCEPTED and not CalendarChange.objects.exists()
    page = reverse("catering:planning", args=[books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk])
    assert 'class="cell cell--free' in books.client().get(page).text


def test_the_calendar_imported_and_another_zone_ask_as_well(books, canteen, chief_client):
    BookingFactory(enrolment=books.enrolment, day=date(2026, 12, 17))
    url = reverse("admin:reservations_calendar_import")
    SchoolHoliday.objects.all().delete()
    asked = {"annee": "2026", "zone": "A", "region": "metropole"}
    Booking.objects.update(day=date(2026, 12, 21))
    Period.objects.update(ends_on=date(2026, 12, 31))
    question = chief_client.post(url, asked | {"garder": ["school-2026-12-19"]})
    assert "1 réservation sera annulée sans frais" in question.text and not SchoolHoliday.objects.exists()
    SchoolHolidayFactory(zone="B", name="Autres", starts_on=date(2026, 12, 21), ends_on=date(2026, 12, 21))
    town = reverse("admin:portal_town_change", args=[Town.objects.get().pk])
    question = chief_client.post(town, filled(chief_client, town, {"zone": "B"}))
    assert "1 réservation sera annulée sans frais" in question.text
    assert Town.objects.get().zone == "A"


def test_what_closes_no_booked_day_is_saved_at_once(booked, canteen, agent_client):
    url = reverse("admin:reservations_period_change", args=[canteen.period.pk])
    agent_client.post(url, filled(agent_client, url, {"ends_on": "27/11/2026"}))
    assert Period.objects.get().ends_on == FRIDAY and booked() == BEFORE
    assert not CalendarChange.objects.exists()


def test_days_another_period_holds_and_days_gone_by_stay(books, canteen, agent):
    """Nothing is lost where something else still offers it; who came yesterday came."""
    PeriodFactory(
        activity=canteen.activity,
        school_year=canteen.period.school_year,
        code="relais",
        starts_on=date(2026, 11, 24),
        ends_on=date(2026, 12, 31),
    )
    past = BookingFactory(enrolment=books.enrolment, day=date(2026, 11, 6))
    kept = BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    change = update(lambda one: one.period, starts_on=date(2026, 11, 10), ends_on=date(2026, 11, 20))
    assert shut(lambda: change(canteen), by=agent, at=NOW) == 0
    assert {past.pk, kept.pk} == set(Booking.objects.accepted().values_list("pk", flat=True))


def test_closing_costs_the_same_queries_for_one_child_and_ten(another, canteen, agent):
    costs = []
    for count, day in ((1, THURSDAY), (10, FRIDAY)):
        for number in range(count):
            BookingFactory(enrolment=another(f"F{day.day}{number}").enrolment, day=day)
        with CaptureQueriesContext(connection) as queries:
            holiday = {"day": day, "name": "Férié"}
            shut(lambda holiday=holiday: PublicHoliday.objects.create(**holiday), by=agent, at=NOW)
        change = CalendarChange.objects.latest("pk")
        with CaptureQueriesContext(connection) as more:
            closing.reopen(change, by=agent, at=NOW)
        costs.append((len(queries), len(more)))
    assert costs[0] == costs[1]


# The page of « Rouvrir » ----------------------------------------------------------------------------------


def test_the_first_page_of_the_desk_leads_to_rouvrir_for_an_hour(booked, canteen, agent, agent_client):
    shut(lambda: PublicHoliday.objects.create(day=THURSDAY, name="Pont"), by=agent, at=NOW)
    change = CalendarChange.objects.get()
    page = reverse("admin:reservations_calendarchange_change", args=[change.pk])
    assert f'href="{page}"' in agent_client.get("/mairie/").text
    assert "encore 60 minutes" in agent_client.get("/mairie/").text
    shown = agent_client.get(page)
    assert "Rouvrir…" in shown.text and "Lina" in shown.text
    listed = reverse("admin:reservations_calendarchange_changelist")
    action = {"action": "reopen_selected", "_selected_action": str(change.pk)}
    asked = agent_client.post(listed, action)
    assert "2 réservations seront rétablies, 2 familles seront prévenues." in asked.text
    assert booked()["Lina", THURSDAY] == "cancelled" and PublicHoliday.objects.filter(day=THURSDAY).exists()
    answer = agent_client.post(listed, action | {"confirmed": "1"})
    assert said(answer) == ["2 réservations rétablies, 2 familles prévenues."]
    assert booked() == BEFORE and not PublicHoliday.objects.filter(day=THURSDAY).exists()
    assert said(agent_client.post(listed, action | {"confirmed": "1"}))[-1] == closing.ALREADY
    with time_machine.travel(NOW + timedelta(minutes=61), tick=False):
        assert f'href="{page}"' not in logged_in(agent).get("/mairie/").text


def test_the_accountant_reopens_nothing(booked, agent, regie_client):
    shut(lambda: PublicHoliday.objects.create(day=THURSDAY, name="Pont"), by=agent, at=NOW)
    listed = reverse("admin:reservations_calendarchange_changelist")
    action = {"action": "reopen_selected", "_selected_action": "1", "confirmed": "1"}
    assert regie_client.post(listed, action).status_code == 403
