"""« How to add a service », tried: a toy « transport scolaire » of one small app, the engine untouched."""

from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.template import engines
from django.test import override_settings
from django.urls import reverse

from families.models import Household
from portal.reservations.acts.opening import open_slots
from portal.reservations.models import Booking, Enrolment, Reservation
from portal.reservations.states import BookingState, EnrolmentState
from tests import ROOT
from tests.factories import ActivityDeadlineFactory, ActivityFactory, FormulaFactory, PeriodFactory

THURSDAY = date(2026, 11, 19)
TOY = ROOT / "tests" / "toy_transport"


@pytest.fixture
def bus(books, year, school, rule, now) -> Iterator[SimpleNamespace]:
    """The bus to the cast's school, mornings and evenings, enrolment accepted at once."""
    with override_settings(
        INSTALLED_APPS=[*settings.INSTALLED_APPS, "tests.toy_transport"],
        ROOT_URLCONF="tests.toy_transport.root_urls",
    ):
        activity = ActivityFactory(
            code="transport",
            name="Transport scolaire",
            service="transport",
            establishments=[school],
            enrolment_processing="automatic",
        )
        there = FormulaFactory(activity=activity, code="aller", name="Aller", parts=["early"], order=0)
        back = FormulaFactory(activity=activity, code="retour", name="Retour", parts=["evening"], order=1)
        period = PeriodFactory(activity=activity, school_year=year)
        for action in ("book", "cancel"):
            ActivityDeadlineFactory(activity=activity, action=action, rule=rule)
        open_slots(period, at=now)
        yield SimpleNamespace(activity=activity, there=there, back=back, period=period, school=school)


def record(client, reservation: Reservation) -> None:
    client.post(reverse("reservations:validation", args=[reservation.pk]))
    client.post(reverse("reservations:recording", args=[reservation.pk]))


def test_a_child_is_enrolled_booked_and_cancelled_by_the_engines_own_steps(books, bus):
    client = books.client()
    assert client.get(reverse("transport:choose_enrolment")).status_code == 302  # one child: no question
    client.post(reverse("transport:enrol", args=[books.child.pk]))
    enrolment = Enrolment.objects.get(activity=bus.activity)
    assert enrolment.state == EnrolmentState.ACCEPTED

    page = client.get(reverse("transport:choose_reservation"), follow=True)
    planning = page.redirect_chain[-1][0]
    assert (
        "Aller, lundi 16 novembre 2026, libre" in client.get(planning + "?semaine=2026-W47").content.decode()
    )
    both = [f"{formula.pk}:{THURSDAY}" for formula in (bus.there, bus.back)]
    client.post(planning, {"version": "", "shown": "2026-W47", "book": both})
    record(client, Reservation.objects.drafts().get())
    assert set(Booking.objects.values_list("formula__name", "day", "state")) == {
        ("Aller", THURSDAY, BookingState.ACCEPTED),
        ("Retour", THURSDAY, BookingState.ACCEPTED),
    }

    client.post(planning + "?annulation", {"version": "", "shown": "2026-W47", "cancel": both[:1]})
    record(client, Reservation.objects.drafts().get())
    assert set(Booking.objects.values_list("formula__name", "state")) == {
        ("Aller", BookingState.CANCELLED),
        ("Retour", BookingState.ACCEPTED),
    }


def test_its_blocks_are_one_line_each_of_a_template(books, bus):
    books.client().post(reverse("transport:enrol", args=[books.child.pk]))
    blocks = engines["django"].from_string(
        "{% load transport %}{% transport_enrolments household %}{% transport_reservations household %}"
    )
    html = blocks.render({"household": Household.objects.get(pk=books.household.pk)})
    assert "Transport scolaire" in html
    assert reverse("transport:choose_reservation") in html


def test_a_stranger_sees_none_of_it(books, bus, stranger_client):
    books.client().post(reverse("transport:enrol", args=[books.child.pk]))
    enrolment = Enrolment.objects.get(activity=bus.activity)
    for name in ("start", "enrolment"):
        assert stranger_client.get(reverse(f"transport:{name}", args=[enrolment.pk])).status_code == 404


def test_the_engine_knows_nothing_of_it_and_it_stays_small():
    engine = [
        *(settings.BASE_DIR / "portal").rglob("*.py"),
        *(settings.BASE_DIR / "templates").rglob("*.html"),
    ]
    assert not [path for path in engine if "toy_transport" in path.read_text(encoding="utf-8")]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in TOY.rglob("*.py"))
    assert lines < 150


def test_the_engine_never_asks_which_service_it_serves():
    for path in (settings.BASE_DIR / "portal" / "reservations").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for service in ("catering", "leisure"):
            assert f'"{service}"' not in text, f"{path.name} names {service}"
