"""Absences that are told: what the invoice says of them, and what the town hall notes after it."""

from datetime import date, time
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.invoices import invoicing
from billing.models import AbsencePolicy, Invoice
from portal.reservations.models import AbsenceNotice, Attendance
from portal.reservations.presence import announcing, attendance
from portal.reservations.presence.attendance import Said
from portal.reservations.presence.certificates import AbsenceRefused
from portal.reservations.towns import town_file
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, NOVEMBER, eats
from tests.factories import paris

pytestmark = pytest.mark.django_db
D = Decimal
MONDAY, TUESDAY, THURSDAY = (date(2026, 11, day) for day in (16, 17, 19))
WHEN_ILL = [MONDAY, TUESDAY, THURSDAY]


@pytest.fixture
def told_by_ten(meals):
    """Told before 10:00 of the first day an illness is free; the certificate changes nothing."""
    return AbsencePolicy.objects.create(paperless="told", told_before=time(10), certificates_count=False)


@pytest.fixture
def ill(books, canteen, agent, told_by_ten):
    """Lina was entered ill from Monday to Thursday."""
    bookings = eats(books, WHEN_ILL)
    for booking in bookings:
        attendance.record(
            canteen.restaurant, canteen.formula, booking.day, {booking.pk: Said("absent", "illness")},
            by=agent, at=paris(2026, 11, 20),
        )  # fmt: skip
    return books


def announced(who, at, *days):
    for day in days:
        AbsenceNotice.objects.create(household=who.household, child=who.child, day=day, announced_at=at)


def bill(scope=NOVEMBER, at=END_OF_NOVEMBER):
    invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)


def amounts() -> list[Decimal]:
    return [invoice.total for invoice in Invoice.objects.order_by("pk")]


def test_told_on_monday_at_nine_three_days_are_free_and_a_fourth_pays(ill):
    announced(ill, paris(2026, 11, 16, 9), *WHEN_ILL)
    eats(ill, [date(2026, 11, 23)])
    bill()
    assert amounts() == [D("3.20")]


def test_told_on_monday_at_eleven_the_three_days_are_billed(ill):
    announced(ill, paris(2026, 11, 16, 11), *WHEN_ILL)
    bill()
    assert amounts() == [3 * D("3.20")]


def test_a_call_noted_after_the_invoice_is_given_back_on_the_next(ill, agent):
    bill()
    assert amounts() == [3 * D("3.20")]
    announcing.note(
        ill.household, ill.child, MONDAY, THURSDAY,
        told_at=paris(2026, 11, 16, 8, 30), by=agent, at=paris(2026, 12, 2),
    )  # fmt: skip
    eats(ill, [date(2026, 12, 10), date(2026, 12, 11), date(2026, 12, 14), date(2026, 12, 15)])
    bill(DECEMBER, END_OF_DECEMBER)
    assert amounts() == [3 * D("3.20"), D("3.20")]


def test_the_first_two_days_are_free_and_the_third_is_billed(ill, told_by_ten):
    AbsencePolicy.objects.update(paperless="known", told_before=None, free_first_days=2)
    bill()
    assert amounts() == [D("3.20")]


def test_days_a_year_are_used_up_from_month_to_month(ill, books, canteen, agent):
    AbsencePolicy.objects.update(paperless="", told_before=None, free_days_a_year=4)
    eats(ill, [date(2026, 11, 26)])
    bill()
    assert amounts() == [D("3.20")]
    later = eats(ill, [date(2026, 12, 10), date(2026, 12, 14)])
    for booking in later:
        attendance.record(
            canteen.restaurant, canteen.formula, booking.day, {booking.pk: Said("absent", "illness")},
            by=agent, at=paris(2026, 12, 15),
        )  # fmt: skip
    bill(DECEMBER, END_OF_DECEMBER)
    assert amounts() == [D("3.20"), D("3.20")]  # the fourth is free, the fifth is not


def test_an_absence_told_by_telephone_is_noted_at_the_desk(ill, agent_client, agent):
    custody = ill.child.custodies.get()
    url = reverse("admin:reservations_absencecertificate_take_from", args=[custody.pk])
    asked = {"du": "2026-11-16", "au": "2026-11-19", "vu": "2026-11-09T09:30", "papier": "parole"}
    shown = agent_client.get(url, asked)
    assert shown.text.count("Repas : non facturé") == 3 and "Noter l'absence annoncée" in shown.text
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    answer = agent_client.post(f"{url}?{query}", follow=True)
    assert "la famille a dit que" in answer.text
    assert AbsenceNotice.objects.standing().count() == 3
    bill()
    assert not Invoice.objects.exists() or amounts() == [D(0)]


def test_nothing_is_noted_of_what_was_not_booked_or_is_to_come(ill, agent):
    where = ill.household, ill.child
    with pytest.raises(AbsenceRefused, match="Aucun jour n'est réservé"):
        announcing.note(
            *where, date(2026, 11, 25), date(2026, 11, 25),
            told_at=paris(2026, 11, 16), by=agent, at=paris(2026, 11, 20),
        )  # fmt: skip
    with pytest.raises(AbsenceRefused, match="pas encore venu"):
        announcing.note(*where, MONDAY, MONDAY, told_at=paris(2026, 11, 21), by=agent, at=paris(2026, 11, 20))
    assert not AbsenceNotice.objects.exists()


def test_a_call_noted_with_an_earlier_moment_is_the_one_that_counts(ill, agent):
    announced(ill, paris(2026, 11, 16, 11), *WHEN_ILL)
    announcing.note(
        ill.household, ill.child, MONDAY, THURSDAY,
        told_at=paris(2026, 11, 16, 9), by=agent, at=paris(2026, 11, 20),
    )  # fmt: skip
    assert {one.announced_at for one in AbsenceNotice.objects.standing()} == {paris(2026, 11, 16, 9)}
    assert {one.state for one in Attendance.objects.all()} == {"absent"}


def test_a_town_whose_rule_asks_no_hour_reads_no_announcement(ill):
    AbsencePolicy.objects.update(paperless="", told_before=None)
    with CaptureQueriesContext(connection) as seen:
        invoicing.preview(NOVEMBER, at=END_OF_NOVEMBER)
    assert not [one for one in seen if "absencenotice" in one["sql"]]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"paperless": "told"}, "told_before"),
        ({"told_before": time(10)}, "told_before"),
        ({"paperless": "known", "told_days_before": 1}, "told_days_before"),
        ({"free_first_days": 2}, "free_first_days"),
        ({"paperless": "known", "free_first_days": 0}, "free_first_days"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_where_they_are_typed(fields, field):
    with pytest.raises(ValidationError) as refused:
        AbsencePolicy(**fields).full_clean()
    assert list(refused.value.message_dict) == [field]


def test_the_town_s_file_says_it_and_is_written_back():
    said = """
règles_d'absence:
  - {maladie_sans_certificat: à_temps, prévenir_avant: "10:00", prévenu_plus_tard: jours_suivants_gratuits,
     premiers_jours_gratuits: 2, jours_gratuits_par_an: 5, semaines_gratuites_par_an: 1}
"""
    town_file.load(said)
    rule = AbsencePolicy.objects.get().rule()
    assert (rule.told_before, rule.free_first_days, rule.free_days_a_year) == (time(10), 2, 5)
    assert "prévenir_avant: 10:00" in town_file.export()
