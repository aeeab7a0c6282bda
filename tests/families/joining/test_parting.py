"""An adult leaves a household: what goes along, what stays, who is told, what is refused."""

import re
from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from families.custody import homes
from families.models import Custody, Guardian, HomeChange, Household
from portal.reservations.models import Booking, Enrolment
from tests.conftest import FRIDAY, THURSDAY, logged_in
from tests.factories import ChildFactory, GuardianFactory, HouseholdFactory, InvoiceFactory, UserFactory
from tests.portal.reservations.audit import audit

pytestmark = pytest.mark.django_db

TODAY = date(2026, 11, 9)


@pytest.fixture
def alix(books):
    """The other adult of the home of Lina, who also has a brother, Hugo."""
    user = UserFactory(username="alix")
    ChildFactory(first_name="Hugo", last_name="Garcia", households=[books.household])
    return GuardianFactory(household=books.household, user=user, first_name="Alix", last_name="Garcia")


def page_of(home):
    return reverse("admin:families_homechange_part", args=[home.household.pk])


def given(books, alix, goes="part", **more):
    hugo = books.household.children.get(first_name="Hugo")
    return {
        "adults": [alix.pk],
        "where": "nouveau",
        "street": "3 rue Neuve",
        "postcode": "01999",
        "city": "Valmirelle-les-Prés",
        "since": "2026-11-09",
        f"enfant-{books.child.pk}": goes,
        f"enfant-{hugo.pk}": "reste",
        "reason": "Séparation dite par les deux parents.",
        **more,
    }


def confirm(client, books, said, **more):
    preview = client.post(page_of(books), said | {"_preview": "1"})
    shown = preview.context["foreseen"]
    assert shown is not None, preview.context["form"].errors
    answers = {one.name: one.initial for one in shown.choices}
    return client.post(
        page_of(books), answers | said | {"_part": "1", "shown": shown.fingerprint} | more, follow=True
    )


def test_a_child_that_leaves_takes_enrolments_and_days_along_and_money_stays(
    books, alix, asks, agent_client, commit, letters
):
    asks(books, THURSDAY, FRIDAY, on_request=False)
    invoice = InvoiceFactory(household=books.household)
    with commit():
        answer = confirm(agent_client, books, given(books, alix))
    change = HomeChange.objects.get()
    new = change.other
    assert answer.redirect_chain[-1][0] == reverse("admin:families_household_change", args=[new.pk])
    assert (new.street, new.state, new.resident) == ("3 rue Neuve", "accepted", True)
    assert {one.first_name for one in Guardian.objects.filter(household=new)} == {"Alix"}
    assert {one.first_name for one in homes.children(new, TODAY)} == {"Lina"}
    assert {one.first_name for one in homes.children(books.household, TODAY)} == {"Hugo"}
    assert {one.household for one in Booking.objects.holding()} == {new}
    assert [one.household for one in Enrolment.objects.live()] == [new]
    invoice.refresh_from_db()
    assert invoice.household == books.household
    assert {letter.to[0] for letter in letters if "foyer n°" in letter.subject} == {
        alix.user.email,
        books.user.email,
    }
    assert not any("rue Neuve" in letter.body for letter in letters)
    audit()


def test_from_a_day_to_come_the_days_before_it_stay(books, alix, asks, agent_client):
    asks(books, THURSDAY, FRIDAY, on_request=False)
    confirm(agent_client, books, given(books, alix, since=FRIDAY.isoformat()))
    new = HomeChange.objects.get().other
    held = {one.day: one.household for one in Booking.objects.holding()}
    assert held == {THURSDAY: books.household, FRIDAY: new}
    theirs, ours = (Enrolment.objects.accepted().get(household=home) for home in (new, books.household))
    assert (theirs.starts_on, ours.ends_on) == (FRIDAY, THURSDAY)
    assert [child.first_name for child in homes.children(new, THURSDAY)] == []
    assert [child.first_name for child in homes.children(new, FRIDAY)] == ["Lina"]
    audit()


def test_a_child_of_two_homes_keeps_its_days_where_they_are(books, alix, asks, agent_client):
    asks(books, THURSDAY, on_request=False)
    confirm(agent_client, books, given(books, alix, goes="deux"))
    new = HomeChange.objects.get().other
    assert Custody.objects.on(TODAY).filter(child=books.child).count() == 2
    assert {one.household for one in Booking.objects.holding()} == {books.household}
    assert logged_in(alix.user).get(reverse("families:child", args=[books.child.pk])).status_code == 200
    assert not new.quotients.exists()


def test_the_preview_says_what_is_owed_and_that_it_stays(books, alix, agent_client):
    InvoiceFactory(household=books.household, total=Decimal("12.80"))
    said = given(books, alix) | {"_preview": "1"}
    text = agent_client.post(page_of(books), said).content.decode().replace("\xa0", " ")
    assert re.search(r"12,80 € à payer, au foyer", text)
    assert Household.objects.count() == 1


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"adults": []}, "Choisissez qui part."),
        ({"street": ""}, "Indiquez l&#x27;adresse du nouveau foyer."),
        ({"since": "2026-11-01"}, "aujourd&#x27;hui ou un jour à venir"),
        ({"since": "demain"}, "Saisissez une date"),
        ({"where": "connu", "number": "999999"}, "Aucun autre foyer ne porte ce numéro."),
        ({"where": "connu", "number": "²"}, "Aucun autre foyer ne porte ce numéro."),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence_and_nothing_typed_is_lost(books, alix, agent_client, more, why):
    answer = agent_client.post(page_of(books), given(books, alix, **more) | {"_part": "1"})
    text = answer.content.decode()
    assert answer.status_code == 200 and why in text
    assert "Séparation dite par les deux parents." in text or "3 rue Neuve" in text or more == {"street": ""}
    assert not HomeChange.objects.exists()


def test_somebody_stays_in_the_household(books, alix, agent_client):
    said = given(books, alix, adults=[alix.pk, books.guardian.pk]) | {"_preview": "1"}
    assert "Il doit rester un adulte" in agent_client.post(page_of(books), said).content.decode()


def test_to_a_home_of_strangers_no_child_goes_without_their_being_confirmed(books, alix, agent_client):
    other = GuardianFactory(household=HouseholdFactory()).household
    said = given(books, alix, where="connu", number=other.number) | {"_preview": "1"}
    text = agent_client.post(page_of(books), said).content.decode()
    assert "ajoutez-lui d&#x27;abord ce foyer" in text


def test_who_has_not_the_right_gets_nowhere(books, alix, regie_client):
    assert regie_client.get(page_of(books)).status_code == 403
