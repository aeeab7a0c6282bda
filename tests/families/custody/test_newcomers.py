"""A family adds a child, or invites another adult: the town hall answers, then the person says yes."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from families import approval
from families.custody import newcomers, openings
from families.models import AccessOpening, ChangeRequest, Child, Custody, Guardian, Household, User
from portal.reservations.acts import enrolling
from portal.reservations.models import Activity
from portal.reservations.states import EnrolmentState
from tests.conftest import NOW, Family, family, logged_in
from tests.factories import ChildFactory, GuardianFactory, HouseholdFactory, UserFactory
from tests.families.conftest import text_of

ADD = reverse("families:add_child")
INVITE = reverse("families:invite")
HOUSEHOLD = reverse("families:household")
BASILE = {"first_name": "Basile", "last_name": "Roux", "birth_date": "2020-03-02"}
ALIX = {"first_name": "Alix", "last_name": "Roux", "email": "alix@example.org"}
SECRET = "un-long-secret-de-famille"
State = ChangeRequest.State


def asked(kind: str = ChangeRequest.Kind.CHILD) -> ChangeRequest:
    return ChangeRequest.objects.filter(kind=kind).latest("pk")


def basile() -> Child:
    return Child.objects.get(first_name="Basile")


def link_in(letter: Any) -> str:
    found = re.search(r"https?://[^/]+(/invitation/\S+)", letter.body)
    assert found is not None
    return found[1]


# One more child -----------------------------------------------------------------------------------------


def test_a_child_is_there_at_once_and_waits_for_the_town_hall(roux: Family, agent: User):
    page = text_of(roux.client().post(ADD, BASILE, follow=True))
    assert "Votre demande est envoyée à la mairie." in page and "En attente de la mairie" in page
    assert set(Child.objects.visible_to(roux.user)) == {roux.child, basile()}

    newcomers.accept(asked(), by=agent, at=NOW)
    assert "En attente de la mairie" not in text_of(roux.client().get(HOUSEHOLD))


def test_what_is_prepared_for_the_child_stands_once_it_is_accepted(roux: Family, canteen, year, agent: User):
    canteen.activity.enrolment_processing = Activity.Processing.AUTOMATIC
    canteen.activity.save()
    roux.client().post(ADD, BASILE)

    def enrol(child: Child) -> Any:
        return enrolling.request(
            household=roux.household,
            child=child,
            activity=canteen.activity,
            establishment=canteen.restaurant,
            school_year=year,
            weekdays=31,
            starts_on=date(2026, 11, 9),
            by=roux.user,
            at=NOW,
        )

    assert enrol(roux.child).state == EnrolmentState.ACCEPTED
    waits = enrol(basile())
    assert waits.state == EnrolmentState.REQUESTED
    assert not enrolling.accept(waits, by=agent, at=NOW)

    newcomers.accept(asked(), by=agent, at=NOW)
    waits.refresh_from_db()
    assert waits.state == EnrolmentState.ACCEPTED


def test_a_refusal_says_why_and_is_corrected_without_typing_twice(roux: Family, agent: User):
    client = roux.client()
    client.post(ADD, BASILE)
    newcomers.refuse(asked(), reason="La date de naissance ne va pas.", by=agent, at=NOW)
    assert set(Child.objects.visible_to(roux.user)) == {roux.child}

    again = f"{ADD}?corriger={asked().pk}"
    assert again in text_of(client.get("/")) and again in text_of(client.get(HOUSEHOLD))
    shown = text_of(client.get(again))
    assert "La date de naissance ne va pas." in shown
    assert all(value in shown for value in ("Basile", "Roux", "2020-03-02"))

    client.post(again, BASILE | {"birth_date": "2020-03-03"})
    assert asked().state == State.REQUESTED and basile().birth_date == date(2020, 3, 3)
    newcomers.accept(asked(), by=agent, at=NOW)
    assert basile() in Child.objects.visible_to(roux.user)


def test_a_request_is_taken_back(roux: Family, stranger_client: Client):
    client = roux.client()
    client.post(ADD, BASILE)
    back = reverse("families:withdraw_request", args=[asked().pk])
    assert stranger_client.post(back).status_code == 404
    client.post(back)
    assert asked().state == State.WITHDRAWN and basile() not in Child.objects.visible_to(roux.user)
    assert "a déjà reçu une réponse" in text_of(client.post(back, follow=True))


def test_the_same_child_is_not_added_twice(roux: Family):
    client = roux.client()
    client.post(ADD, BASILE)
    again = client.post(ADD, BASILE | {"first_name": "BASILE"})
    assert "est déjà l'un de vos enfants" in text_of(again)
    assert ChangeRequest.objects.count() == 1


def test_a_household_that_waits_itself_adds_without_a_request(newcomers_home: Household):
    client = logged_in(newcomers_home.guardians.get().user)
    client.post(ADD, BASILE)
    assert basile().households.get() == newcomers_home and not ChangeRequest.objects.exists()


@pytest.fixture
def newcomers_home(now, town) -> Household:
    home = HouseholdFactory(state=Household.State.REQUESTED)
    GuardianFactory(household=home, user=UserFactory(username="nouveau"), last_name="Nouveau")
    return home


def test_a_child_known_elsewhere_is_recognised_and_opens_nothing(
    roux: Family, stranger: Family, agent: User, agent_client: Client
):
    known = ChildFactory(
        first_name="Basile", last_name="Roux", birth_date=date(2020, 3, 2), households=[stranger.household]
    )
    roux.client().post(ADD, BASILE)
    page = text_of(agent_client.get(f"/mairie/families/changerequest/{asked().pk}/change/"))
    assert "même nom, même date de naissance" in page
    assert known not in Child.objects.visible_to(roux.user)

    opening = openings.ask_home(known, roux.household, copy=asked().child, by=agent, at=NOW)
    assert opening is not None
    openings.confirm(opening, by=stranger.user, at=NOW)
    assert asked().child == known and known in Child.objects.visible_to(roux.user)
    assert set(Custody.objects.filter(child=known).values_list("household", flat=True)) == {
        roux.household.pk,
        stranger.household.pk,
    }


def test_somebody_elses_refused_request_is_not_corrected(roux: Family, stranger_client: Client, agent: User):
    roux.client().post(ADD, BASILE)
    newcomers.refuse(asked(), reason="Non.", by=agent, at=NOW)
    assert stranger_client.get(f"{ADD}?corriger={asked().pk}").status_code == 404


# One more adult -----------------------------------------------------------------------------------------


@pytest.fixture
def invited(roux: Family, agent: User, letters: list, commit: Callable[..., Any]) -> str:
    """The link that Alix Roux received, once the town hall had said yes."""
    roux.client().post(INVITE, ALIX)
    with commit():
        newcomers.accept(asked("guardian"), by=agent, at=NOW)
    (mine,) = [one for one in letters if one.to == ["alix@example.org"]]
    return link_in(mine)


def make_account(link: str, **changes: str) -> Any:
    given = {"username": "alix.roux", "password1": SECRET, "password2": SECRET}
    return Client().post(link, given | changes)


def test_nobody_is_written_to_before_the_town_hall_has_said_yes(
    roux: Family, letters: list, commit: Callable[..., Any]
):
    with commit():
        page = roux.client().post(INVITE, ALIX, follow=True)
    assert "Nouveau responsable, Alix Roux" in text_of(page)
    assert [one.to for one in letters] == [[roux.user.email]]
    assert not AccessOpening.objects.exists() and roux.household.guardians.count() == 1


def test_the_link_opens_a_page_and_its_button_the_household(roux: Family, invited: str):
    page = text_of(Client().get(invited))
    assert "Camille Roux" in page and "Lina" not in page
    assert not Guardian.objects.filter(user__email="alix@example.org").exists()

    assert make_account(invited).status_code == 302
    alix = User.objects.get(username="alix.roux")
    assert alix.email == "alix@example.org" and alix.check_password(SECRET)
    assert set(Child.objects.visible_to(alix)) == {roux.child}
    assert "à l'invitation de" in text_of(roux.client().get(reverse("families:access")))


def test_the_link_serves_once(invited: str):
    make_account(invited)
    again = make_account(invited, username="un.autre")
    assert again.status_code == 404 and "Ce lien ne sert plus" in text_of(again)
    assert not User.objects.filter(username="un.autre").exists()


@pytest.mark.parametrize("changed", [lambda link: link[:-3] + "A/", lambda link: "/invitation/MTI/"])
def test_a_guessed_link_opens_nothing(invited: str, changed: Callable[[str], str]):
    assert Client().get(changed(invited)).status_code == 404


def test_the_link_ends_and_later_the_invitation(roux: Family, invited: str):
    with time_machine.travel(NOW + openings.INVITED_FOR, tick=False):
        assert Client().get(invited).status_code == 404
        assert "son lien ne sert plus" in text_of(roux.client().get(HOUSEHOLD))
    openings.pass_time(at=NOW + openings.INVITED_FOR)
    assert AccessOpening.objects.get().waits
    openings.pass_time(at=NOW + 2 * openings.INVITED_FOR)
    assert AccessOpening.objects.get().state == AccessOpening.State.CANCELLED


def test_who_invited_takes_it_back_or_sends_it_again(
    roux: Family, invited: str, letters: list, commit: Callable[..., Any], stranger_client: Client
):
    answer = reverse("families:answer_invitation", args=[AccessOpening.objects.get().pk])
    assert stranger_client.post(answer).status_code == 404
    with commit(), time_machine.travel(NOW + timedelta(days=2), tick=False):
        roux.client().post(answer, {"again": "1"})
    newer = link_in(letters[-1])
    assert Client().get(invited).status_code == 404 and Client().get(newer).status_code == 200

    roux.client().post(answer)
    assert Client().get(newer).status_code == 404
    assert make_account(newer).status_code == 404 and not User.objects.filter(username="alix.roux").exists()


def test_who_has_an_account_says_yes_with_it_and_has_two_households(
    roux: Family, agent: User, letters: list, commit: Callable[..., Any]
):
    other = family("petit", "Petit", "Ana")
    forwarded_to = family("dupont", "Dupont", "Max")
    answered = roux.client().post(INVITE, ALIX | {"email": other.user.email}, follow=True)
    assert "Votre demande est envoyée à la mairie." in text_of(answered)
    with commit():
        newcomers.accept(asked("guardian"), by=agent, at=NOW)
    link = link_in(next(one for one in letters if one.to == [other.user.email]))

    assert "connectez-vous" in text_of(Client().get(link))
    assert make_account(link).status_code == 200 and not User.objects.filter(username="alix.roux").exists()
    assert "pour une autre adresse" in text_of(forwarded_to.client().get(link))
    forwarded_to.client().post(link)
    assert roux.household.guardians.filter(user__isnull=False).count() == 1

    other.client().post(link)
    assert set(Child.objects.visible_to(other.user)) == {roux.child, other.child}
    assert "home-switch" in text_of(other.client().get("/"))


def test_who_is_there_already_is_not_invited(roux: Family):
    page = roux.client().post(INVITE, ALIX | {"email": roux.user.email.upper()})
    assert "voit déjà votre foyer" in text_of(page) and not ChangeRequest.objects.exists()


def test_a_refused_invitation_is_corrected(roux: Family, agent: User):
    roux.client().post(INVITE, ALIX)
    newcomers.refuse(asked("guardian"), reason="Précisez le nom.", by=agent, at=NOW)
    shown = text_of(roux.client().get(f"{INVITE}?corriger={asked('guardian').pk}"))
    assert "Précisez le nom." in shown and "alix@example.org" in shown


# A login that is there already --------------------------------------------------------------------------


def test_the_desk_joins_an_account_once_its_owner_and_somebody_there_agree(
    roux: Family, agent: User, letters: list, commit: Callable[..., Any]
):
    other = family("petit", "Petit", "Ana")
    alix = GuardianFactory(household=roux.household, user=None, first_name="Alix", last_name="Petit")
    with commit():
        opening = openings.ask_account(alix, other.user.email, by=agent, at=NOW)
    link = link_in(next(one for one in letters if one.to == [other.user.email]))

    openings.confirm(opening, by=roux.user, at=NOW)
    assert set(Child.objects.visible_to(other.user)) == {other.child}
    other.client().post(link)
    assert set(Child.objects.visible_to(other.user)) == {roux.child, other.child}


def test_the_owner_alone_opens_nothing(roux: Family, agent: User, letters: list, commit: Callable[..., Any]):
    other = family("petit", "Petit", "Ana")
    alix = GuardianFactory(household=roux.household, user=None, first_name="Alix", last_name="Petit")
    with commit():
        opening = openings.ask_account(alix, other.user.email, by=agent, at=NOW)
    other.client().post(link_in(next(one for one in letters if one.to == [other.user.email])))
    assert set(Child.objects.visible_to(other.user)) == {other.child}

    openings.refuse(opening, by=roux.user, at=NOW)
    assert User.objects.filter(pk=other.user.pk, is_active=True).exists()
    assert User.objects.get(pk=other.user.pk).has_usable_password() == other.user.has_usable_password()


def test_an_invitation_that_nobody_answered_is_not_opened_by_time(agent: User, now, town):
    lonely = GuardianFactory(household=HouseholdFactory(), user=None)
    other = family("petit", "Petit", "Ana")
    opening = openings.ask_account(lonely, other.user.email, by=agent, at=NOW)
    AccessOpening.objects.update(letters_left_at=NOW)
    openings.pass_time(at=NOW + openings.WAIT)
    opening.refresh_from_db()
    assert opening.waits


def test_nobody_opens_a_child_to_the_own_other_household(roux: Family, stranger: Family, agent: User):
    """Camille Roux belongs to both: whether Lina lives at the Morels' too, another adult says."""
    GuardianFactory(household=stranger.household, user=roux.user)
    opening = openings.ask_home(roux.child, stranger.household, by=agent, at=NOW)
    assert opening is not None
    with pytest.raises(openings.OpeningRefused):
        openings.confirm(opening, by=roux.user, at=NOW)
    assert not openings.for_guardian(roux.user).exists()


def test_another_address_given_at_the_desk_waits_in_both_households(
    roux: Family, stranger: Family, agent: User
):
    GuardianFactory(household=stranger.household, user=roux.user)
    former, roux.user.email = roux.user.email, "nouvelle@example.org"
    roux.user.save()
    openings.address_changed(roux.user, former, by=agent, at=NOW)
    assert not Child.objects.visible_to(roux.user).exists()
    assert AccessOpening.objects.waiting().count() == 2

    openings.cancel(AccessOpening.objects.waiting().first(), by=agent, at=NOW)
    assert not AccessOpening.objects.waiting().exists()
    assert Guardian.objects.filter(user=roux.user).count() == 2
    assert User.objects.get(pk=roux.user.pk).email == former


def test_a_request_answered_meanwhile_stays_as_it_is(roux: Family, agent: User):
    roux.client().post(ADD, BASILE)
    newcomers.accept(asked(), by=agent, at=NOW)
    with pytest.raises(approval.AlreadyAnswered):
        newcomers.refuse(asked(), reason="Trop tard.", by=agent, at=NOW)
    assert basile() in Child.objects.visible_to(roux.user)
