"""Who may see a household or a child is told, and opens once somebody else has confirmed it."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from families import approval
from families.custody import openings
from families.custody.openings import OpeningRefused
from families.models import AccessOpening, AlreadyAnswered, Child, Custody, Guardian, Household, User
from portal.nightly import do_all
from tests.conftest import NO_ROLES, NOW, Family, family, logged_in
from tests.factories import (
    ChildFactory,
    EnrolmentFactory,
    GuardianFactory,
    HealthFactory,
    HouseholdFactory,
    UserFactory,
)
from tests.families.conftest import text_of
from tests.families.test_admin import HOUSEHOLDS, act, guardian_fields, shown_form

State = AccessOpening.State
LATER = NOW + timedelta(hours=72)
QUEUE = "/mairie/families/accessopening/"
CUSTODIES = "/mairie/families/custody/"


@pytest.fixture
def roux(now, town) -> Family:
    return family("roux", "Roux", "Lina")


@pytest.fixture
def alix(roux: Family) -> Guardian:
    """The other adult of the household, without a login."""
    return GuardianFactory(household=roux.household, user=None, first_name="Alix", last_name="Roux")


@pytest.fixture
def colleague(now, db) -> User:
    """A second agent."""
    user = UserFactory(username="collegue", is_staff=True, first_name="Sacha", last_name="Collègue")
    user.groups.add(Group.objects.get_or_create(name="Agent")[0])
    return user


@pytest.fixture
def lonely(now, town) -> Guardian:
    """An adult of a household in which nobody has a login."""
    home = HouseholdFactory()
    ChildFactory(first_name="Ana", last_name="Seul", households=[home])
    return GuardianFactory(household=home, user=None, first_name="Dany", last_name="Seul")


def ask(guardian: Guardian, by: User, address: str = "alix@example.org") -> AccessOpening:
    return openings.ask_guardian(guardian, address, by=by, at=NOW)


def second_home(child: Child, home: Household, by: User) -> AccessOpening:
    opening = openings.ask_home(child, home, by=by, at=NOW)
    assert opening is not None
    return opening


def sees(user: User | None) -> set[str]:
    assert user is not None
    return {child.first_name for child in Child.objects.visible_to(User.objects.get(pk=user.pk))}


# An adult of a household --------------------------------------------------------------------------------


def test_a_login_sees_nothing_until_it_is_confirmed(alix: Guardian, roux: Family, agent, commit, letters):
    HealthFactory(child=roux.child, allergies="Arachide")
    with commit():
        opening = ask(alix, agent)
    user = opening.user
    assert user is not None and sees(user) == set()
    client = logged_in(user)
    home = text_of(client.get("/"))
    assert "Votre accès attend d'être confirmé" in home and "9 novembre 2026" in home
    for where in (
        "/foyer/",
        "/foyer/acces/",
        f"/enfants/{roux.child.pk}/",
        f"/enfants/{roux.child.pk}/sante/",
    ):
        assert client.get(where).status_code == 404
    openings.confirm(opening, by=roux.user, at=NOW)
    assert sees(user) == {"Lina"}
    assert "Lina" in text_of(client.get("/"))


def test_every_guardian_already_there_is_told(
    alix: Guardian, roux: Family, stranger: Family, agent, commit, letters
):
    Custody.objects.create(child=roux.child, household=stranger.household)
    with commit():
        opening = ask(alix, agent)
    opening.refresh_from_db()
    assert opening.letters_left_at == NOW
    told = {letter.to[0]: letter.body for letter in letters}
    assert set(told) == {"roux@example.org", "morel@example.org", "alix@example.org"}
    assert "Confirmez, ou refusez" in told["roux@example.org"]
    assert "dans votre foyer" in told["roux@example.org"]
    assert "appelez la mairie" in told["morel@example.org"]
    assert roux.household.number not in told["morel@example.org"]
    assert opening.user is not None and opening.user.username in told["alix@example.org"]


def test_the_address_and_who_asked_stay_in_the_trace(alix: Guardian, roux: Family, agent):
    opening = ask(alix, agent, "ALIX@ｅxample.org")
    openings.refuse(opening, by=roux.user, at=NOW)
    opening.refresh_from_db()
    assert (opening.address, opening.asked_by, opening.asked_by_name) == (
        "alix@example.org",
        agent,
        "Dominique Agent",
    )
    assert (opening.state, opening.answered_by, opening.user) == (State.REFUSED, roux.user, None)
    assert not User.objects.filter(email="alix@example.org").exists()


def test_who_asked_confirms_nothing(alix: Guardian, agent):
    with pytest.raises(OpeningRefused, match="une autre personne"):
        openings.confirm(ask(alix, agent), by=agent, at=NOW)


def test_an_agent_does_not_read_a_health_file_by_inviting_himself(
    lonely: Guardian, agent, colleague, commit, letters
):
    """By an own address, as an adult of a household, or with a household of his own as the child's second."""
    with commit():
        opening = ask(lonely, agent, "moi@example.org")
    assert opening.user is not None
    openings.pass_time(at=LATER)
    assert sees(opening.user) == set()
    mine = family("agent-parent", "Agent", "Ugo")
    ana = Child.objects.get(first_name="Ana")
    second_home(ana, mine.household, agent)
    openings.pass_time(at=LATER)
    assert sees(mine.user) == {"Ugo"}


def test_a_second_agent_confirms(lonely: Guardian, agent, colleague):
    opening = ask(lonely, agent)
    openings.confirm(opening, by=colleague, at=NOW)
    assert sees(opening.user) == {"Ana"}
    opening.refresh_from_db()
    assert (opening.confirmed, opening.answered_by_name) == (
        AccessOpening.Confirmed.BY_STAFF,
        "Sacha Collègue",
    )


def test_the_accountant_a_stranger_and_the_invited_confirm_nothing(
    alix: Guardian, stranger: Family, agent, regie
):
    opening = ask(alix, agent)
    assert opening.user is not None
    for nobody in (regie, stranger.user, opening.user):
        with pytest.raises(OpeningRefused):
            openings.confirm(opening, by=nobody, at=NOW)


def test_a_former_partner_has_no_say_in_who_joins_the_household(
    alix: Guardian, roux: Family, stranger: Family, agent
):
    Custody.objects.create(child=roux.child, household=stranger.household)
    opening = ask(alix, agent)
    for verb in (openings.confirm, openings.refuse):
        with pytest.raises(OpeningRefused):
            verb(opening, by=stranger.user, at=NOW)


def test_where_there_is_neither_it_opens_72_hours_after_the_letters(
    lonely: Guardian, agent, town, commit, letters
):
    with commit():
        opening = ask(lonely, agent)
    assert ["mairie@example.org"] in [letter.to for letter in letters]
    opening.refresh_from_db()
    assert openings.opens_by_time(opening) == LATER
    assert openings.pass_time(at=LATER - timedelta(minutes=1)) == 0
    assert sees(opening.user) == set()
    assert openings.pass_time(at=LATER) == 1
    assert sees(opening.user) == {"Ana"}
    assert openings.pass_time(at=LATER) == 0


def test_time_runs_from_the_letters_only(lonely: Guardian, agent):
    """Without a worker no letter leaves, and nothing opens."""
    opening = ask(lonely, agent)
    assert openings.opens_by_time(opening) is None
    assert openings.pass_time(at=LATER + timedelta(days=30)) == 0


def test_time_opens_nothing_where_a_guardian_or_a_second_agent_could(
    alix: Guardian, lonely: Guardian, agent, colleague, commit, letters
):
    with commit():
        ask(alix, agent)
        ask(lonely, agent, "dany@example.org")
    assert openings.pass_time(at=LATER) == 0
    colleague.is_active = False
    colleague.save()
    assert openings.pass_time(at=LATER) == 1
    assert list(AccessOpening.objects.waiting().values_list("guardian__first_name", flat=True)) == ["Alix"]


def test_the_night_opens_what_waited_long_enough(lonely: Guardian, agent, commit, letters):
    with commit():
        ask(lonely, agent)
    said = {done.name: done.sentence for done in do_all(at=LATER)}
    assert said["accès qui ont assez attendu"] == "1 accès ouvert(s), 72 heures après les messages."


def test_the_first_page_of_who_waited_long_enough_opens_it(lonely: Guardian, agent, commit, letters):
    with commit():
        opening = ask(lonely, agent)
    assert opening.user is not None
    with time_machine.travel(LATER - timedelta(hours=1), tick=False):
        assert "s'ouvrira jeudi 12 novembre 2026 à 10 h" in text_of(logged_in(opening.user).get("/"))
    with time_machine.travel(LATER, tick=False):
        assert "Ana" in text_of(logged_in(opening.user).get("/"))


def test_who_asked_takes_it_back_and_nobody_else(alix: Guardian, agent, colleague):
    opening = ask(alix, agent)
    with pytest.raises(OpeningRefused):
        openings.cancel(opening, by=colleague, at=NOW)
    openings.cancel(opening, by=agent, at=NOW)
    assert not User.objects.filter(email="alix@example.org").exists()
    assert ask(alix, agent).waits


def test_what_has_its_answer_has_no_other(alix: Guardian, roux: Family, agent):
    opening = ask(alix, agent)
    openings.confirm(opening, by=roux.user, at=NOW)
    for verb, who in ((openings.confirm, roux.user), (openings.refuse, roux.user), (openings.cancel, agent)):
        with pytest.raises(AlreadyAnswered):
            verb(opening, by=who, at=NOW)


def test_one_access_waits_at_a_time(alix: Guardian, agent):
    ask(alix, agent)
    with pytest.raises(OpeningRefused, match="attend déjà"):
        ask(alix, agent, "autre@example.org")


# What came with the file --------------------------------------------------------------------------------


def test_the_first_login_at_the_address_that_came_with_the_file_is_open_at_once(lonely: Guardian, agent):
    openings.expect(lonely, "Dany@ｅxample.org", at=NOW)
    opening = ask(lonely, agent, "dany@example.org")
    assert opening.state == State.OPEN
    assert sees(opening.user) == {"Ana"}


def test_another_address_waits(lonely: Guardian, agent):
    openings.expect(lonely, "dany@example.org", at=NOW)
    opening = ask(lonely, agent, "autre@example.org")
    assert opening.waits and sees(opening.user) == set()


def test_only_the_first_login_is_free(lonely: Guardian, agent):
    openings.expect(lonely, "dany@example.org", at=NOW)
    openings.cancel(ask(lonely, agent, "autre@example.org"), by=agent, at=NOW)
    assert ask(lonely, agent, "dany@example.org").waits


def change_address(chief_client: Client, user: User, address: str) -> Any:
    fields = NO_ROLES | {"date_joined_0": "2026-01-01", "date_joined_1": "10:00", "is_active": "on"}
    return chief_client.post(
        f"/mairie/families/user/{user.pk}/change/",
        fields | {"username": user.username, "email": address},
        follow=True,
    )


def test_an_address_changed_at_the_desk_starts_the_wait_anew(
    chief_client, roux: Family, agent, commit, letters
):
    with commit():
        change_address(chief_client, roux.user, "autre@example.org")
    assert sees(roux.user) == set()
    opening = AccessOpening.objects.get()
    assert (opening.address, opening.former_address, opening.guardian) == (
        "autre@example.org",
        "roux@example.org",
        roux.guardian,
    )
    assert "roux@example.org" in {letter.to[0] for letter in letters}
    openings.confirm(opening, by=agent, at=NOW)
    assert sees(roux.user) == {"Lina"}


def test_a_changed_address_that_is_refused_gives_the_account_back(chief_client, roux: Family, agent):
    change_address(chief_client, roux.user, "autre@example.org")
    intruder = User.objects.get(pk=roux.user.pk)
    intruder.set_password("Un mot de passe volé 1")
    intruder.save()
    openings.refuse(AccessOpening.objects.get(), by=agent, at=NOW)
    user = User.objects.get(pk=roux.user.pk)
    assert (user.email, user.has_usable_password()) == ("roux@example.org", False)
    assert sees(user) == {"Lina"}


def test_an_address_changed_again_while_it_waits_waits_anew(chief_client, roux: Family, agent):
    for address in ("autre@example.org", "encore@example.org"):
        change_address(chief_client, roux.user, address)
    assert AccessOpening.objects.waiting().get().address == "encore@example.org"
    openings.refuse(AccessOpening.objects.waiting().get(), by=agent, at=NOW)
    assert User.objects.get(pk=roux.user.pk).email == "roux@example.org"


# A child's other home -----------------------------------------------------------------------------------


def test_a_second_home_waits_for_the_first(roux: Family, stranger: Family, agent, commit, letters):
    with commit():
        opening = second_home(roux.child, stranger.household, agent)
    assert sees(stranger.user) == {"Zoé"}
    told = {letter.to[0]: letter.body for letter in letters}
    assert "Confirmez, ou refusez" in told["roux@example.org"]
    assert "Confirmez, ou refusez" not in told["morel@example.org"]
    with pytest.raises(OpeningRefused):
        openings.confirm(opening, by=stranger.user, at=NOW)
    with commit():
        openings.confirm(opening, by=roux.user, at=NOW)
    assert sees(stranger.user) == {"Zoé", "Lina"}
    custody = Custody.objects.get(child=roux.child, household=stranger.household)
    assert (custody.since, custody.until) == (NOW.date(), None)
    assert "Lina est rattaché(e) à votre foyer" in [letter.subject for letter in letters]


def test_a_custody_that_ended_begins_again_on_the_same_row(roux: Family, stranger: Family, agent, colleague):
    old = Custody.objects.create(child=roux.child, household=stranger.household, until=NOW.date())
    openings.confirm(second_home(roux.child, stranger.household, agent), by=colleague, at=NOW)
    old.refresh_from_db()
    assert (old.since, old.until) == (NOW.date(), None)


def test_the_first_home_of_a_new_child_is_open_at_once(roux: Family, agent):
    child = Child.objects.create(first_name="Ève", last_name="Roux", birth_date=NOW.date())
    assert openings.ask_home(child, roux.household, by=agent, at=NOW) is None
    assert "Ève" in sees(roux.user)


def test_a_child_of_whom_something_is_known_waits_even_without_a_home(roux: Family, agent):
    child = HealthFactory(allergies="Arachide").child
    assert openings.ask_home(child, roux.household, by=agent, at=NOW) is not None
    assert sees(roux.user) == {"Lina"}


def test_a_child_added_on_the_page_of_a_household_waits(
    agent_client, roux: Family, stranger: Family, commit, letters
):
    fields = shown_form(agent_client, stranger.household) | {
        "custodies-TOTAL_FORMS": "1",
        "custodies-0-household": str(stranger.household.pk),
        "custodies-0-child": str(roux.child.pk),
    }
    with commit():
        page = agent_client.post(f"{HOUSEHOLDS}{stranger.household.pk}/change/", fields, follow=True)
    assert "elle attend qu'un responsable déjà connu" in text_of(page)
    assert sees(stranger.user) == {"Zoé"}
    assert AccessOpening.objects.waiting().get().child == roux.child


# Homonyms -----------------------------------------------------------------------------------------------


@pytest.fixture
def twins(roux: Family, stranger: Family, agent) -> tuple[Child, Child, Household, Child]:
    """Two children called Lina Roux, born the same day, and a newcomer who typed a third."""
    other = ChildFactory(first_name="Lina", last_name="Roux", households=[stranger.household])
    home = HouseholdFactory(state=Household.State.REQUESTED)
    GuardianFactory(household=home, user=UserFactory(username="nouveau"), last_name="Nouveau")
    copy = ChildFactory(first_name="LINA", last_name="roux", households=[home])
    return roux.child, other, home, copy


def joining(home: Household) -> str:
    return reverse("admin:families_household_join", args=[home.pk])


def test_every_match_is_listed_with_its_households_and_none_is_chosen(agent_client, twins, roux, stranger):
    first, second, home, copy = twins
    assert approval.known_twins(home) == [approval.Twins(copy, [first, second])]
    page = agent_client.get(joining(home)).text
    assert page.count('type="radio"') == 3
    assert not re.search(r"<input[^>]*type=\"radio\"[^>]*checked", page)
    assert str(roux.household) in page and str(stranger.household) in page
    assert "Plusieurs enfants portent ce nom" in page
    refused = agent_client.post(joining(home), {})
    assert "Ce champ est obligatoire" in text_of(refused)
    assert not AccessOpening.objects.exists()


def test_the_child_chosen_is_the_one_asked_for(agent_client, twins, roux, stranger, colleague):
    _, second, home, copy = twins
    agent_client.post(joining(home), {f"enfant-{copy.pk}": str(second.pk)})
    opening = AccessOpening.objects.get()
    assert (opening.child, opening.household, opening.copy) == (second, home, copy)
    assert copy in home.children.all()
    openings.confirm(opening, by=stranger.user, at=NOW)
    assert list(home.children.all()) == [second]
    assert not Child.objects.filter(pk=copy.pk).exists()


def test_one_match_is_proposed(agent_client, twins, stranger):
    first, second, home, _ = twins
    second.delete()
    page = agent_client.get(joining(home)).text
    assert re.search(rf"<input[^>]*value=\"{first.pk}\"[^>]*checked", page)


def test_none_of_them_is_an_answer(agent_client, twins):
    _, _, home, copy = twins
    page = agent_client.post(joining(home), {f"enfant-{copy.pk}": "aucun"}, follow=True)
    assert "Aucun enfant n'est rattaché." in text_of(page)
    assert not AccessOpening.objects.exists()


def test_a_copy_with_enrolments_is_not_joined(agent_client, twins, canteen, year):
    first, _, home, copy = twins
    EnrolmentFactory(household=home, child=copy, activity=canteen.activity, school_year=year)
    page = agent_client.post(joining(home), {f"enfant-{copy.pk}": str(first.pk)}, follow=True)
    assert "a déjà des inscriptions dans ce foyer" in text_of(page)
    assert not AccessOpening.objects.exists()


def test_households_are_joined_one_at_a_time(agent_client, twins, roux):
    page = act(agent_client, HOUSEHOLDS, "join_known_children", twins[2], roux.household)
    assert "Rattachez un foyer à la fois" in text_of(page)


# The family's page, the desk's queue --------------------------------------------------------------------


def test_the_familys_page_says_who_since_when_and_who_opened_it(
    alix: Guardian, roux: Family, stranger: Family, agent, colleague
):
    openings.confirm(second_home(roux.child, stranger.household, agent), by=colleague, at=NOW)
    ask(alix, agent)
    page = re.sub(r"\s+", " ", text_of(roux.client().get("/foyer/acces/")))
    assert "En attente de confirmation" in page and "Alix Roux" in page
    assert "Camille Roux (vous) a un accès depuis le" in page
    by = "à la demande de Dominique Agent (mairie), confirmé par Sacha Collègue (mairie)"
    assert f"Depuis le 9 novembre 2026, {by}" in page
    assert "morel@example.org" not in page and stranger.household.street not in page


def test_a_guardian_confirms_or_refuses_on_its_page(alix: Guardian, roux: Family, agent):
    for answer, state in (("refuse", State.REFUSED), ("confirm", State.OPEN)):
        opening = ask(alix, agent)
        where = reverse("families:answer_access", args=[opening.pk])
        shown = text_of(roux.client().get(where))
        assert "Alix Roux verrait votre foyer" in shown and "alix@example.org" in shown
        roux.client().post(where, {"do": answer})
        opening.refresh_from_db()
        assert opening.state == state
        assert roux.client().get(where).status_code == 404


def test_the_page_costs_the_same_for_one_and_for_ten(
    roux: Family, stranger: Family, agent, django_assert_max_num_queries
):
    for number in range(10):
        child = ChildFactory(households=[roux.household, stranger.household])
        home = HouseholdFactory()
        GuardianFactory(household=home, user=UserFactory(username=f"autre{number}"))
        second_home(child, home, agent)
    client = roux.client()
    client.get("/foyer/acces/")
    with django_assert_max_num_queries(12):
        client.get("/foyer/acces/")


def test_the_queue_counts_what_colleagues_asked(alix: Guardian, agent, agent_client, colleague):
    opening = ask(alix, agent)
    mine = agent_client.get("/mairie/").context["queues"]
    theirs = logged_in(colleague).get("/mairie/").context["queues"]
    counts = [
        {queue["title"]: queue["count"] for queue in queues}["Accès à confirmer"] for queues in (mine, theirs)
    ]
    assert counts == [0, 1]
    page = text_of(agent_client.get(f"{QUEUE}{opening.pk}/change/"))
    assert "Annuler ma demande" in page
    act(agent_client, QUEUE, "confirm_selected", opening)
    assert AccessOpening.objects.get().waits
    act(logged_in(colleague), QUEUE, "confirm_selected", opening)
    assert AccessOpening.objects.get().state == State.OPEN


def test_the_desk_says_what_happens_next(
    lonely: Guardian, alix: Guardian, agent, agent_client, commit, letters
):
    with commit():
        waits_for_camille = ask(alix, agent)
        waits_for_time = ask(lonely, agent, "dany@example.org")
    shown = text_of(agent_client.get(f"{QUEUE}{waits_for_camille.pk}/change/"))
    assert "Attend un responsable déjà connu." in shown
    shown = text_of(agent_client.get(f"{QUEUE}{waits_for_time.pk}/change/"))
    assert "s'ouvre jeudi 12 novembre 2026 à 10 h" in shown


def test_a_second_guardian_asked_for_with_the_page_is_no_guardian_yet(agent_client, roux: Family):
    where = f"{HOUSEHOLDS}{roux.household.pk}/change/"
    agent_client.post(where, guardian_fields(roux.household, **{"guardians-1-invite": "alix@example.org"}))
    assert Guardian.objects.get(first_name="Alix").user is None
    assert AccessOpening.objects.waiting().get().guardian.first_name == "Alix"


def test_a_custody_that_ended_is_reopened_from_its_page(
    agent_client, roux: Family, stranger: Family, colleague
):
    old = Custody.objects.create(child=roux.child, household=stranger.household, until=NOW.date())
    assert "Rouvrir cette garde" in text_of(agent_client.get(f"{CUSTODIES}{old.pk}/change/"))
    act(agent_client, CUSTODIES, "reopen_selected", old)
    openings.confirm(AccessOpening.objects.get(), by=colleague, at=NOW)
    old.refresh_from_db()
    assert old.holds_on(NOW.date())
    assert "Rouvrir cette garde" not in text_of(agent_client.get(f"{CUSTODIES}{old.pk}/change/"))


def test_an_adult_who_is_removed_is_told_at_the_address_of_the_account(
    agent_client, roux: Family, commit, letters
):
    """Whoever removes somebody before inviting somebody else does not do it unseen."""
    where = f"{HOUSEHOLDS}{roux.household.pk}/change/"
    with commit():
        agent_client.post(where, guardian_fields(roux.household, **{"guardians-0-DELETE": "on"}))
    assert not Guardian.objects.filter(pk=roux.guardian.pk).exists()
    assert [letter.to for letter in letters] == [["roux@example.org"]]
    assert "Dominique Agent" in letters[0].body
