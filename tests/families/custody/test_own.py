"""Staff who are also parents never decide about their own household."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from billing.invoices.creditable import Wanted
from billing.models import OnlinePayment, Payment
from billing.payments import crediting, paying, refunding
from families import approval
from families.custody import ending, openings, own
from families.custody.ending import Ending, Future
from families.custody.own import OwnHousehold
from families.models import Custody, FamilyQuotient, Household, OwnDecision, User
from portal.reservations.acts import booking, enrolling
from portal.reservations.models import AbsenceCertificate, Booking, Enrolment, ReservationLine
from portal.reservations.presence import certificates
from portal.reservations.states import EnrolmentState
from tests.conftest import FRIDAY, NOW, THURSDAY, Family, family, logged_in
from tests.factories import ChangeRequestFactory, GuardianFactory, InvoiceFactory, UserFactory
from tests.families.conftest import text_of
from tests.families.test_admin import CHANGES, HOUSEHOLDS, act, shown_form


@pytest.fixture
def parent(books: Family) -> User:
    """Camille Roux, who is an agent and the accountant besides."""
    books.user.is_staff = True
    books.user.save()
    for name in ("Agent", "Régie"):
        books.user.groups.add(Group.objects.get_or_create(name=name)[0])
    return User.objects.get(pk=books.user.pk)


@pytest.fixture
def colleague(agent: User, regie: User) -> User:
    """Somebody else with the same rights."""
    agent.groups.add(Group.objects.get(name="Régie"))
    return User.objects.get(pk=agent.pk)


@pytest.fixture
def acts(books: Family, asks, canteen, now, parent):
    """Every verb of decision, on something of that parent's own household."""
    lines = list(ReservationLine.objects.filter(reservation=asks(books, THURSDAY)))
    days = list(Booking.objects.all())
    waiting = Enrolment.objects.get(pk=books.enrolment.pk)
    certificate = AbsenceCertificate.objects.create(
        household=books.household, child=books.child, first_day=FRIDAY, last_day=FRIDAY, given_at=now
    )
    paid = Payment.objects.create(
        number="R2026-000001", series="R", year=2026, sequence=1, household=books.household,
        amount=5, means="cash", paid_on=now.date(), recorded_at=now,
    )  # fmt: skip
    online = OnlinePayment.objects.create(
        reference="P26PROPRE", household=books.household, provider="demo", amount=5, started_at=now,
        expires_at=now,
    )  # fmt: skip
    guardian = GuardianFactory(household=books.household, user=None)
    openings.ask_guardian(
        guardian, "alix@example.org", by=UserFactory(username="autre", is_staff=True), at=now
    )
    change = ChangeRequestFactory(household=books.household)
    custody = Custody.objects.get(child=books.child)
    child, home, invoice = books.child, books.household, InvoiceFactory(household=books.household)
    other_home = family("morel", "Morel", "Zoé").household
    by = {"by": parent, "at": now}
    reasons = by | {"reason": "Parce que."}
    Enrolment.objects.filter(pk=waiting.pk).update(state=EnrolmentState.REQUESTED)
    return {
        "accepting a household": lambda: approval.accept_household(home, **by),
        "refusing a household": lambda: approval.refuse_household(home, **reasons),
        "accepting a change": lambda: approval.accept_change(change, **by),
        "refusing a change": lambda: approval.refuse_change(change, **reasons),
        "accepting days": lambda: booking.accept(lines, **by),
        "refusing days": lambda: booking.refuse(lines, **reasons),
        "cancelling days": lambda: booking.cancel(days, **by),
        "accepting an enrolment": lambda: enrolling.accept(waiting, **by),
        "refusing an enrolment": lambda: enrolling.refuse(waiting, **reasons),
        "accepting a certificate": lambda: certificates.accept(certificate, **by),
        "refusing a certificate": lambda: certificates.refuse(certificate, **reasons),
        "taking a certificate": lambda: certificates.take(
            home, child, THURSDAY, THURSDAY, given_at=now, **by
        ),
        "ending a custody": lambda: ending.end(
            custody, Ending(now.date(), Future.CANCEL, note="Jugement"), **by
        ),
        "asking for an access": lambda: openings.ask_guardian(guardian, "x@example.org", **by),
        "asking for a second home": lambda: openings.ask_home(child, other_home, **by),
        "a credit note": lambda: crediting.credit(invoice, Wanted(whole=True), **reasons),
        "a refund online": lambda: refunding.refund(online, 5, key="une-fois", with_credit=False, **reasons),
        "a refund at the desk": lambda: paying.refund(paid, 5, means="cash", paid_on=now.date(), **by),
    }


VERBS = [
    "accepting a household",
    "refusing a household",
    "accepting a change",
    "refusing a change",
    "accepting days",
    "refusing days",
    "cancelling days",
    "accepting an enrolment",
    "refusing an enrolment",
    "accepting a certificate",
    "refusing a certificate",
    "taking a certificate",
    "ending a custody",
    "asking for an access",
    "asking for a second home",
    "a credit note",
    "a refund online",
    "a refund at the desk",
]


@pytest.mark.parametrize("verb", VERBS)
def test_a_colleague_decides(acts, colleague, verb):
    with pytest.raises(OwnHousehold, match="un collègue décide à votre place") as refused:
        acts[verb]()
    assert refused.value.household is None


def test_the_list_above_names_every_verb(acts):
    assert list(acts) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_where_nobody_else_has_the_right_the_reason_comes_first(acts, verb):
    with pytest.raises(OwnHousehold, match="indiquez d'abord pourquoi"):
        acts[verb]()


def test_a_parent_confirms_no_access_as_an_agent(acts, parent, books: Family, agent, colleague):
    """As a guardian already there, Camille does."""
    opening = openings.AccessOpening.objects.get()
    with pytest.raises(OwnHousehold):
        own.check(parent, [books.household.pk], right=openings.RIGHT, at=NOW)
    openings.confirm(opening, by=parent, at=NOW)
    assert opening.__class__.objects.get().confirmed == "guardian"


def test_the_other_home_of_ones_child_is_ones_own_business_too(parent, books: Family, colleague):
    other = family("leroy", "Leroy", "Basile")
    Custody.objects.create(child=books.child, household=other.household, until=NOW.date())
    change = ChangeRequestFactory(household=other.household)
    with pytest.raises(OwnHousehold):
        approval.accept_change(change, by=User.objects.get(pk=parent.pk), at=NOW)


def test_other_households_are_decided_as_ever(parent, stranger: Family):
    change = ChangeRequestFactory(household=stranger.household)
    assert approval.accept_change(change, by=parent, at=NOW).state == "accepted"


def test_a_reason_is_kept_written_to_the_town_and_holds_for_an_hour(
    parent, books: Family, town, commit, letters
):
    change = ChangeRequestFactory(household=books.household)
    with commit():
        own.declare(parent, books.household, reason="Seule au service cette semaine.", at=NOW)
    assert [letter.to for letter in letters] == [["mairie@example.org"]]
    assert "Seule au service cette semaine." in letters[0].body
    assert books.household.number in letters[0].body
    with pytest.raises(OwnHousehold):
        approval.accept_change(change, by=parent, at=NOW + timedelta(hours=1))
    assert approval.accept_change(change, by=parent, at=NOW + timedelta(minutes=59)).state == "accepted"
    assert OwnDecision.objects.get().user_name == "roux"


def test_a_reason_opens_nothing_where_a_colleague_has_the_right(parent, books: Family, colleague):
    own.declare(parent, books.household, reason="Pressée.", at=NOW)
    with pytest.raises(OwnHousehold):
        approval.accept_change(ChangeRequestFactory(household=books.household), by=parent, at=NOW)


# The desk -----------------------------------------------------------------------------------------------


def test_the_desk_says_why_on_the_page_where_it_was_tried(parent, books: Family, colleague):
    change = ChangeRequestFactory(household=books.household)
    page = act(logged_in(parent), CHANGES, "accept_selected", change)
    assert page.status_code == 200
    assert "un collègue décide à votre place" in text_of(page)
    change.refresh_from_db()
    assert change.state == "requested"


def test_the_desk_asks_for_the_reason_where_nobody_else_has_the_right(parent, books: Family, commit, letters):
    change = ChangeRequestFactory(household=books.household)
    client = logged_in(parent)
    asked = act(client, CHANGES, "accept_selected", change)
    assert "Pourquoi décidez-vous vous-même ?" in text_of(asked)
    where = reverse("admin:families_owndecision_declare", args=[books.household.pk])
    assert "Ce champ est obligatoire" in text_of(client.post(where, {"reason": " "}))
    with commit():
        client.post(where, {"reason": "Seule cette semaine."})
    assert ["mairie@example.org"] in [letter.to for letter in letters]
    act(client, CHANGES, "accept_selected", change)
    change.refresh_from_db()
    assert change.state == "accepted"


def test_only_ones_own_household_is_declared(parent, stranger: Family, agent_client: Client):
    where = reverse("admin:families_owndecision_declare", args=[stranger.household.pk])
    assert logged_in(parent).get(where).status_code == 403
    assert agent_client.get(where).status_code == 403


def test_no_quotient_is_typed_into_ones_own_household(parent, books: Family, colleague):
    client = logged_in(parent)
    fields = shown_form(client, books.household) | {
        "quotients-TOTAL_FORMS": "1",
        "quotients-0-household": str(books.household.pk),
        "quotients-0-value": "0",
        "quotients-0-valid_from": "2026-11-01",
    }
    page = client.post(f"{HOUSEHOLDS}{books.household.pk}/change/", fields, follow=True)
    assert "un collègue décide à votre place" in text_of(page)
    assert not FamilyQuotient.objects.exists()
    assert Household.objects.get(pk=books.household.pk).street == books.household.street
