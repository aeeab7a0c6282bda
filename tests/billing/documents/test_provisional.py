"""« Facture prévisionnelle »: what the month's invoice will say if nothing changes, and what may change."""

from datetime import date, timedelta
from decimal import Decimal
from html import unescape

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from billing.documents import provisional
from billing.invoices import drafting, invoicing
from billing.invoices.billable import Scope
from billing.models import BillingSettings, FormulaTariff, Invoice, ManualCharge, Tariff, TariffBand
from billing.prices.estimates import forget
from families.models import Household
from portal import town
from portal.reservations.models import AbsenceCertificate, Attendance, Booking
from portal.reservations.states import BookingState
from tests.billing.conftest import DECEMBER, END_OF_NOVEMBER, FIRST_OF_DECEMBER, MEALS, NOVEMBER, eats
from tests.conftest import on_the_database
from tests.factories import BookingFactory, ChildFactory, EnrolmentFactory, QuotientFactory, paris

D = Decimal
PAGE = reverse("billing:provisional")
MIDDLE = paris(2026, 11, 18, 9)  # a Wednesday
TODAY = MIDDLE.date()
PAST, COMING = [date(2026, 11, day) for day in (2, 3)], [date(2026, 11, day) for day in (26, 27)]
IN_NOVEMBER = [date(2026, 11, day) for day in range(2, 31) if date(2026, 11, day).weekday() < 5 and day != 11]


@pytest.fixture
def middle(books, meals):
    """18 November 2026, 9:00; the family that books has a quotient of 812: a meal costs 3.20."""
    QuotientFactory(household=books.household, value=D(812), valid_from=date(2026, 1, 1))
    with time_machine.travel(MIDDLE, tick=False):
        yield MIDDLE


@pytest.fixture
def said(middle, books):
    """What the page says, by its address's query."""
    client = books.client()

    def read(query: str = "") -> str:
        forget()  # tariffs and settings are kept half a minute
        answer = client.get(f"{PAGE}{query}", follow=True)
        assert answer.status_code == 200
        return unescape(answer.content.decode()).replace("\N{NO-BREAK SPACE}", " ")

    return read


def total(amount: str) -> str:
    return f'<strong>Total estimé</strong><strong class="amount">{amount}</strong>'


def enter(booking: Booking, state: str = "absent", **more) -> Attendance:
    return Attendance.objects.create(
        booking=booking, household=booking.household, child=booking.child, formula=booking.formula,
        establishment=booking.establishment, day=booking.day, state=state, entered_at=MIDDLE, **more,
    )  # fmt: skip


def bill(month: Scope, at=END_OF_NOVEMBER) -> None:
    invoicing.issue(invoicing.start(month, by=None, at=at), at=at)


def foreseen_total(family, month: date, today: date) -> Decimal:
    """The total that the page says, as a number."""
    months = provisional.Months.around(today)
    home = provisional.homes(Household.objects.filter(pk=family.household.pk), months, month).get()
    words = provisional.foresee_months(home, months, month, today).totals[0].total
    return D(words.replace("\N{NO-BREAK SPACE}€", "").replace("\N{NO-BREAK SPACE}", "").replace(",", ".")
             .replace("−", "-"))  # fmt: skip


# What it says ---------------------------------------------------------------------------------------------


def test_the_month_by_child_with_days_past_and_to_come_price_and_why(said, books):
    eats(books, PAST + COMING)
    page = said()
    assert "Novembre 2026, mois en cours" in page
    assert "Lina Roux" in page
    assert "Restauration scolaire · 4 × 3,20 €" in page
    assert "Déjà passés : 2 et 3 novembre" in page
    assert "À venir : 26 et 27 novembre" in page
    assert "Quotient 812, tranche à partir de 451 : 3,20 €." in page
    assert "Quotient familial utilisé : 812" in page
    assert total("12,80 €") in page
    assert "C'est une estimation" in page
    assert "à partir du mardi 1er décembre. Vous aurez ensuite 30 jours pour la payer." in page


def test_it_writes_nothing(said, books):
    eats(books)
    said()
    assert not Invoice.objects.exists()


def test_absences_are_priced_as_entered_and_may_still_be_excused(said, books):
    missed, excused, seen = eats(books, [*PAST, date(2026, 11, 5)])
    enter(missed)
    enter(excused, reason="illness", certificate_at=MIDDLE)
    enter(seen, state="present")
    eats(books, [date(2026, 11, 6)])
    page = said()
    assert "Repas – absence non facturée" in page and "1 × 0,00 €" in page
    assert "1 jour d'absence compté sans justificatif" in page
    assert "1 jour passé n'est pas encore pointé : il compte comme présence." in page
    assert total("9,60 €") in page


def test_a_certificate_that_waits_is_said(said, books):
    eats(books, PAST)
    assert "Un justificatif d'absence attend" not in said()
    AbsenceCertificate.objects.create(
        household=books.household, child=books.child, first_day=PAST[0], last_day=PAST[1], given_at=MIDDLE
    )
    assert "Un justificatif d'absence attend la réponse de la mairie" in said()


def test_requests_stand_apart_and_the_waiting_list_nowhere(said, books):
    eats(books, PAST)
    eats(books, COMING[:1], state=BookingState.REQUESTED)
    eats(books, COMING[1:], state=BookingState.WAITLISTED)
    page = said()
    assert total("6,40 €") in page
    waiting = page.partition("En attente de réponse")[2]
    assert "Acceptés, ils ajoutent 3,20 €." in waiting
    assert "À venir : 26 novembre" in waiting
    assert "27 novembre" not in page


def test_charges_and_adjustments_are_on_it_and_what_was_billed_is_not(said, books):
    eats(books, [date(2026, 10, 29)])
    eats(books, [date(2026, 10, 30)])
    bill(Scope(date(2026, 10, 1)), paris(2026, 11, 3))
    Booking.objects.filter(day=date(2026, 10, 30)).update(state=BookingState.CANCELLED)
    ManualCharge.objects.create(
        household=books.household, label="Badge perdu", unit_price=D(5), reason="perdu"
    )
    eats(books, COMING)
    page = said()
    assert "Repas : annulé après la facture F2026-000001" in page and "−3,20 €" in page
    assert "Badge perdu" in page and "Divers" in page
    assert "29 octobre" not in page
    assert total("8,20 €") in page


def test_a_small_amount_is_said_to_be_carried_over(said, books):
    BillingSettings(minimum_amount=D(5)).save()
    eats(books, COMING[:1])
    assert "Sous 5,00 €, il n'y a pas de facture : ce montant est reporté sur la suivante." in said()


def test_a_household_without_quotient_is_told_what_to_do(said, books):
    books.household.quotients.all().delete()
    eats(books)
    page = said()
    assert "Sans justificatif de quotient familial, le tarif prévu pour ce cas est appliqué." in page
    assert reverse("families:quotient") in page


def test_a_flat_price_counts_once_whatever_the_days_and_the_requests(said, books, canteen, meals):
    flat = Tariff.objects.create(code="mois", name="Forfait", unit="month", valid_from=date(2026, 9, 1))
    TariffBand.objects.create(tariff=flat, low=0, high=None, prices={"": "45"})
    FormulaTariff.objects.filter(tariff=meals).delete()
    FormulaTariff.objects.create(formula=canteen.formula, tariff=flat)
    eats(books, PAST + COMING[:1])
    eats(books, COMING[1:], state=BookingState.REQUESTED)
    page = said()
    assert "Repas – forfait" in page and "1 × 45,00 €" in page
    assert total("45,00 €") in page
    assert "ils ajoutent" not in page


def test_without_a_tariff_the_page_says_that_there_is_no_price(books, books_client, now):
    eats(books)
    page = books_client.get(PAGE).content.decode()
    assert "Restauration scolaire – Repas : 4 présences sans prix pour le moment." in page


def test_nothing_booked_says_what_will_stand_there(said):
    assert "Rien à facturer pour ce mois." in said()


# Which month ----------------------------------------------------------------------------------------------


def test_the_next_month_begins_with_its_first_day(said, books):
    eats(books, COMING)
    ManualCharge.objects.create(household=books.household, label="Badge", unit_price=D(5), reason="perdu")
    assert "Mois suivant" not in said()
    eats(books, [date(2026, 12, 3)])
    assert (
        '<a class="btn btn-outline-secondary" href="?mois=2026-12">Mois suivant : décembre 2026</a>' in said()
    )
    page = said("?mois=2026-12")
    assert total("3,20 €") in page
    assert "À venir : 3 décembre" in page
    assert "novembre ;" not in page and "Badge" not in page


def test_the_month_before_is_shown_until_it_is_billed(said, books):
    eats(books, [date(2026, 10, 29), *COMING])
    assert "Mois précédent : octobre 2026" in said()
    assert total("6,40 €") in said()
    page = said("?mois=2026-10")
    assert "29 octobre" in page and total("3,20 €") in page
    assert "Le mois est terminé" in page
    bill(Scope(date(2026, 10, 1)), paris(2026, 11, 3))
    assert "Mois précédent" not in said()


def test_a_billed_month_leads_to_the_next_one(said, books):
    eats(books, PAST)
    bill(NOVEMBER, paris(2026, 11, 18))
    eats(books, [date(2026, 11, 27), date(2026, 12, 3)])
    page = said()
    assert "La facture de novembre 2026 est déjà établie" in page
    assert "À venir : 27 novembre ; 3 décembre" in page


@pytest.mark.parametrize("query", ["?mois=2030-01", "?mois=x", "?mois=", "?mois=2026-10"])
def test_another_month_is_the_running_one(said, query):
    assert "Novembre 2026, mois en cours" in said(query)


def test_a_flat_price_of_a_period_goes_on_its_first_month_only(said, books, canteen, meals):
    flat = Tariff.objects.create(code="periode", name="Forfait", unit="period", valid_from=date(2026, 9, 1))
    TariffBand.objects.create(tariff=flat, low=0, high=None, prices={"": "90"})
    FormulaTariff.objects.filter(tariff=meals).delete()
    FormulaTariff.objects.create(formula=canteen.formula, tariff=flat)
    reservation = books.enrolment.reservations.create(
        household=books.household,
        child=books.child,
        establishment=canteen.restaurant,
        period=canteen.period,
        created_at=MIDDLE,
        touched_at=MIDDLE,
    )
    eats(books, [COMING[0], date(2026, 12, 3)], reservation=reservation)
    assert total("90,00 €") in said()
    page = said("?mois=2026-12")
    assert total("0,00 €") in page
    assert "Repas – forfait, facturé le mois d'avant" in page


# Truth ----------------------------------------------------------------------------------------------------


@on_the_database
@given(
    days=st.sets(st.sampled_from(IN_NOVEMBER), min_size=1),
    late=st.sets(st.sampled_from(IN_NOVEMBER)),
    missed=st.sets(st.sampled_from([day for day in IN_NOVEMBER if day < TODAY])),
    excused=st.booleans(),
    december=st.booleans(),
    charge=st.sampled_from([None, D(5), D("-3.10")]),
)
def test_what_it_says_is_what_is_billed(middle, books, days, late, missed, excused, december, charge):
    with transaction.atomic():
        forget()
        for day in sorted(days):
            (one,) = eats(books, [day], late=day in late)
            if day in missed:
                enter(one, reason="illness", certificate_at=MIDDLE if excused else None)
        if december:
            eats(books, [date(2026, 12, 3)])
        if charge is not None:
            ManualCharge.objects.create(
                household=books.household, label="Divers", unit_price=charge, reason="x"
            )
        both = [foreseen_total(books, month, TODAY) for month in (NOVEMBER.month, DECEMBER.month)]
        drafts, _ = drafting.drafts([books.household.pk], NOVEMBER, BillingSettings.current())
        assert both[0] == sum((draft.total for draft in drafts), D(0))
        assert both[1] == (D("3.20") if december else 0)
        transaction.set_rollback(True)


def test_the_two_months_together_are_what_both_invoices_say(said, books):
    eats(books, [*COMING, date(2026, 12, 3), date(2026, 12, 4)])
    foreseen = [foreseen_total(books, month, TODAY) for month in (NOVEMBER.month, DECEMBER.month)]
    bill(NOVEMBER)
    bill(DECEMBER, paris(2026, 12, 31))
    assert foreseen == list(Invoice.objects.order_by("pk").values_list("total", flat=True))


# Whose, and at what cost ----------------------------------------------------------------------------------


def test_another_household_s_days_are_not_on_it(said, books, waits):
    eats(waits, PAST)
    page = said()
    assert "Noé" not in page and "Rien à facturer" in page


def test_a_child_of_two_homes_is_on_each_home_s_own(said, books, waits):
    books.child.households.add(waits.household)
    other = EnrolmentFactory(
        child=books.child,
        household=waits.household,
        activity=books.enrolment.activity,
        establishment=books.enrolment.establishment,
        school_year=books.enrolment.school_year,
    )
    eats(books, COMING[:1])
    BookingFactory(enrolment=other, day=COMING[1])
    assert "À venir : 26 novembre<" in said()
    page = waits.client().get(PAGE).content.decode()
    assert "Lina" in page and "À venir : 27 novembre<" in page


def test_home_invoices_and_prices_lead_to_it(said, books, books_client):
    enrolment = reverse("catering:enrolment", args=[books.enrolment.pk])
    for address in ("/", reverse("billing:invoices"), enrolment):
        assert f'href="{PAGE}"' in books_client.get(address).content.decode()


def test_it_costs_the_same_for_one_child_and_five_for_a_day_and_a_month(middle, books, books_client):
    def count() -> int:
        town.current()
        books_client.get(PAGE)  # tariffs are kept half a minute
        with CaptureQueriesContext(connection) as counted:
            assert books_client.get(PAGE).status_code == 200
        return len(counted)

    first, *_ = eats(books, [MEALS[0], COMING[0]])
    enter(first)
    eats(books, COMING[1:], state=BookingState.REQUESTED)
    ManualCharge.objects.create(household=books.household, label="Badge", unit_price=D(5), reason="perdu")
    few = count()
    for number in range(4):
        child = ChildFactory(first_name=f"Enfant {number}", households=[books.household])
        enrolment = EnrolmentFactory(
            child=child,
            household=books.household,
            activity=books.enrolment.activity,
            establishment=books.enrolment.establishment,
            school_year=books.enrolment.school_year,
        )
        for day in IN_NOVEMBER:
            one = BookingFactory(enrolment=enrolment, day=day)
            if day < TODAY - timedelta(days=5):
                enter(one, state="absent" if day.weekday() == 1 else "present")
    assert count() == few
    assert few <= 12


def test_even_with_everything_at_once_it_keeps_to_twelve_queries(middle, books, books_client, canteen):
    eats(books, [date(2026, 10, 29), date(2026, 10, 30)])
    bill(Scope(date(2026, 10, 1)), paris(2026, 11, 3))
    Booking.objects.filter(day=date(2026, 10, 30)).update(state=BookingState.CANCELLED)
    Attendance.objects.create(
        household=books.household, child=books.child, formula=canteen.formula,
        establishment=canteen.restaurant, day=PAST[0], state="present", entered_at=MIDDLE,
    )  # fmt: skip
    (missed,) = eats(books, PAST[1:])
    enter(missed)
    eats(books, COMING, state=BookingState.REQUESTED)
    ManualCharge.objects.create(household=books.household, label="Badge", unit_price=D(5), reason="perdu")
    town.current()
    books_client.get(PAGE)
    with CaptureQueriesContext(connection) as counted:
        page = books_client.get(PAGE).content.decode()
    assert "annulé après" in page and "présence sans réservation" in page and "Badge" in page
    assert len(counted) <= 12


def test_the_first_of_the_month_is_its_running_month(meals, books):
    eats(books, [date(2026, 11, 30), date(2026, 12, 3)])
    with time_machine.travel(FIRST_OF_DECEMBER, tick=False):
        page = books.client().get(PAGE).content.decode()
    assert "Décembre 2026, mois en cours" in page and "Mois précédent : novembre 2026" in page
