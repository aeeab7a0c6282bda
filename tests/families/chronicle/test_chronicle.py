"""« Mon historique »: what was done for a household, by whom, and nothing that is somebody else's."""

from datetime import date, timedelta

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.models import Payment
from families import child_files
from families.models import Child, Custody
from portal.reservations.acts import booking
from portal.reservations.models import Booking
from tests.conftest import FRIDAY, NOW, THURSDAY, Family, family, logged_in
from tests.factories import (
    ChangeRequestFactory,
    ChildFactory,
    EnrolmentFactory,
    GuardianFactory,
    HealthFactory,
    InvoiceFactory,
    LetterFactory,
    QuotientFactory,
    ReservationFactory,
    ReservationLineFactory,
)

PAGE = "/mon-historique/"


def told(client: Client, **asked: object) -> str:
    """The page below the choice of what is shown."""
    return client.get(PAGE, asked).content.decode().partition("Afficher</button>")[2].partition("<footer")[0]


def recorded(who: Family, canteen, *days: date):
    draft = ReservationFactory(enrolment=who.enrolment, period=canteen.period, created_by=who.user)
    for day in days:
        ReservationLineFactory(reservation=draft, formula=canteen.formula, day=day)
    return booking.submit(draft, by=who.user, at=NOW)


def test_what_a_family_did_is_told_with_who_and_when(books: Family, canteen):
    reservation = recorded(books, canteen, THURSDAY, FRIDAY)
    page = told(books.client())
    assert "Lina, Restauration scolaire : 2 jours demandés" in page
    assert f"Réservation n°\xa0{reservation.number}" in page and f"/reservations/{reservation.pk}/" in page
    assert "Lundi 9 novembre 2026 à 10\N{NO-BREAK SPACE}h, par vous" in page
    assert "Lina : demande d&#x27;inscription, Restauration scolaire" in page


def test_the_other_adult_of_the_household_is_named_and_staff_are_the_town_hall(books: Family, canteen, agent):
    recorded(books, canteen, THURSDAY)
    other = GuardianFactory(household=books.household, first_name="Dominique")
    booking.withdraw(Booking.objects.all(), by=agent, at=NOW + timedelta(hours=1))
    page = told(logged_in(other.user))
    assert "par Camille" in page
    assert "Lina, Restauration scolaire : 1 jour annulé" in page and "par la mairie" in page
    assert agent.first_name not in page


def test_days_changed_in_one_act_are_one_line(books: Family, canteen, agent):
    recorded(books, canteen, THURSDAY, FRIDAY)
    booking.withdraw(Booking.objects.all(), by=agent, at=NOW + timedelta(hours=1))
    page = told(books.client())
    assert page.count("2 jours annulés") == 1 and "jeudi 26 novembre et vendredi 27 novembre" in page


def test_the_family_file_money_and_letters_are_told(books: Family):
    ChangeRequestFactory(household=books.household, requested_by=books.user)
    QuotientFactory(household=books.household, value=612)
    child_files.authorise(books.child, {"name": "Jeanne Roux", "phone": "0639980011"}, by=books.household)
    invoice = InvoiceFactory(household=books.household)
    Payment.objects.create(
        number="R-1", series="R", year=2026, sequence=1, household=books.household, amount=12,
        means="cheque", paid_on=NOW.date(), recorded_at=NOW,
    )  # fmt: skip
    LetterFactory(guardian=books.guardian, subject="Bonne nouvelle")
    page = told(books.client())
    for said in (
        "Demande à la mairie : changement d&#x27;adresse",
        "Quotient familial enregistré : 612",
        "Jeanne Roux peut venir chercher Lina",
        f"n°\xa0{invoice.number}",
        "Règlement de 12,00",
        "Message : Bonne nouvelle",
    ):
        assert said in page, said


def test_an_address_is_told_when_it_changes_and_only_then(books: Family):
    home = books.household
    home.notes = "vu au guichet"
    home.save()
    assert "Adresse du foyer" not in told(books.client())
    home.street = "3 rue des Lilas"
    home.save()
    page = told(books.client())
    assert page.count("Adresse du foyer modifiée") == 1 and "3 rue des Lilas" in page
    assert "vu au guichet" not in page


def test_that_a_health_file_changed_is_told_and_not_what_it_says(books: Family):
    health = HealthFactory(child=books.child, allergies="Arachides")
    health.allergies = "Arachides, même en traces"
    health.save()
    page = told(books.client())
    assert "Fiche sanitaire de Lina modifiée" in page and "Arachides" not in page


def test_the_private_things_of_the_other_adult_stay_theirs(books: Family):
    other = GuardianFactory(household=books.household, first_name="Dominique")
    LetterFactory(guardian=other, subject="Votre mot de passe a été modifié")
    other.phone = "0639980099"
    other.save()
    page = told(books.client())
    assert "mot de passe" not in page and "coordonnées modifiées" not in page
    assert "Vos coordonnées modifiées" in told(logged_in(other.user))


def test_the_other_home_of_a_child_has_its_own_past(books: Family, canteen, year):
    other = family("martin", "Martin", "Hugo")
    Custody.objects.create(child=books.child, household=other.household)
    recorded(books, canteen, THURSDAY)
    InvoiceFactory(household=books.household)
    ChangeRequestFactory(household=books.household)
    child_files.authorise(books.child, {"name": "Jeanne Roux", "phone": "0639980011"}, by=books.household)
    people = books.child.authorised_people.model.history.all()
    people.update(history_user=books.user)
    page = told(other.client())
    assert "Restauration scolaire" not in page and "Facture" not in page and "adresse" not in page
    assert "Jeanne Roux" in page and "par l&#x27;autre foyer" in page and "Camille Roux" not in page


def test_a_child_that_left_takes_its_past_along(books: Family, canteen):
    recorded(books, canteen, THURSDAY)
    Custody.objects.update(until=NOW.date())
    assert "Lina" not in told(books.client())


def test_one_child_or_one_kind_is_shown_when_asked_for(books: Family, canteen, year):
    recorded(books, canteen, THURSDAY)
    brother = ChildFactory(first_name="Tom", households=[books.household])
    EnrolmentFactory(household=books.household, child=brother, activity=canteen.activity, school_year=year)
    LetterFactory(guardian=books.guardian, subject="Bonne nouvelle")
    client = books.client()
    of_tom = told(client, enfant=brother.pk)
    assert "Tom : demande" in of_tom and "Lina :" not in of_tom and "Bonne nouvelle" not in of_tom
    letters = told(client, nature="messages")
    assert "Bonne nouvelle" in letters and "demande d" not in letters


def test_what_is_asked_for_in_vain_shows_everything(books: Family, waits: Family, canteen):
    client = books.client()
    for asked in ({"enfant": waits.child.pk}, {"enfant": "x"}, {"nature": "x"}, {"page": "x"}):
        page = told(client, **asked)
        assert "Lina : demande" in page and "Noé" not in page
    assert "Rien de tel" in told(client, enfant=books.child.pk, nature="messages")


def test_pages_keep_what_was_asked_for(books: Family):
    for _ in range(31):
        LetterFactory(guardian=books.guardian)
    page = told(books.client(), nature="messages")
    assert "?nature=messages&amp;page=2" in page


def test_who_is_no_guardian_has_no_such_page(agent_client: Client):
    assert agent_client.get(PAGE).url == "/"


def test_ten_of_each_take_the_queries_of_one(books: Family, canteen, agent, monkeypatch):
    monkeypatch.setattr("families.pages.chronicle.A_PAGE", 500)
    client = books.client()

    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(PAGE).status_code == 200
        return len(captured)

    def live(number: int) -> None:
        for each in range(number):
            household, day = books.household, THURSDAY + timedelta(days=each)
            child = ChildFactory(households=[household])
            enrolment = EnrolmentFactory(
                household=household, child=child, activity=canteen.activity,
                establishment=canteen.restaurant, decided_at=NOW, decided_by=agent,
            )  # fmt: skip
            reservation = ReservationFactory(
                enrolment=enrolment, period=canteen.period, created_by=books.user, state="accepted",
                submitted_at=NOW, decided_at=NOW,
            )  # fmt: skip
            ReservationLineFactory(reservation=reservation, formula=canteen.formula, day=day)
            ChangeRequestFactory(
                household=household, requested_by=books.user,
                state="accepted", decided_at=NOW, decided_by=agent,
            )  # fmt: skip
            child_files.authorise(child, {"name": "Jeanne", "phone": "0639980011"}, by=household)
            HealthFactory(child=child)
            InvoiceFactory(household=household)
            LetterFactory(guardian=books.guardian)

    live(1)
    client.get(PAGE)
    one = count()
    live(9)
    assert count() == one
    assert Child.objects.count() == 11 and one <= 30
