"""No single agent gives a login sight of a child by joining households, whichever of both is kept."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone

from families.custody import openings
from families.custody.openings import OpeningRefused
from families.joining import accesses, joining
from families.models import AccessOpening, CalendarLink, Child, Custody, Guardian, User
from families.privacy import erasing
from tests.conftest import NOW, Family, family, logged_in
from tests.factories import ChildFactory, GuardianFactory, HealthFactory, HouseholdFactory, UserFactory
from tests.families.conftest import text_of
from tests.families.joining.doubles import confirmed, double_of, look, make_one

pytestmark = pytest.mark.django_db
WAIT = timedelta(hours=72)


@pytest.fixture
def intruder(books: Family) -> Family:
    """Typed the same names in a household of their own, to see somebody else's child."""
    HealthFactory(child=books.child, allergies="Arachide")
    return double_of(books, login="intrus", enrolled=False)


def sees(user: User) -> set[int]:
    return set(Child.objects.visible_to(User.objects.get(pk=user.pk)).values_list("pk", flat=True))


@pytest.mark.parametrize("login", ["garde", "reuni"])
@pytest.mark.parametrize("kept", ["theirs", "own"])
@pytest.mark.parametrize("same", ["one person", "two people"])
def test_a_joining_shows_an_intruder_nothing(books, intruder, agent, kept, login, same):
    one, other = (books, intruder) if kept == "theirs" else (intruder, books)
    answers = {f"identifiant-{other.guardian.pk}": login}
    if same == "two people":
        answers[f"adulte-{other.guardian.pk}"] = "aucun"
    make_one(one.household, other.household, by=agent, **answers)
    assert sees(intruder.user) == set()
    for opening in AccessOpening.objects.waiting():
        with pytest.raises(OpeningRefused):
            openings.confirm(opening, by=agent, at=NOW)
    assert sees(intruder.user) == set()


def test_a_household_without_a_login_is_no_more_open(books, intruder, agent):
    Guardian.objects.filter(pk=books.guardian.pk).update(user=None)
    make_one(books.household, intruder.household, by=agent)
    assert sees(intruder.user) == set()


def test_all_who_had_access_are_told_and_by_time_it_opens_only_where_nobody_can_confirm(
    books, intruder, agent, commit, letters
):
    with commit():
        make_one(
            books.household, intruder.household, by=agent, **{f"identifiant-{intruder.guardian.pk}": "reuni"}
        )
    told = {
        address for letter in letters if "n'en font plus qu'un" in letter.subject for address in letter.to
    }
    assert told == {books.user.email, intruder.user.email}
    assert any("attend d'être confirmé" in letter.body for letter in letters)
    assert openings.pass_time(at=NOW + WAIT - timedelta(minutes=1)) == 0
    assert openings.pass_time(at=NOW + WAIT) == 1


def test_time_opens_nothing_where_a_second_agent_could(books, intruder, agent, commit, letters):
    colleague = confirmed()
    with commit():
        make_one(books.household, intruder.household, by=agent)
    assert openings.pass_time(at=NOW + WAIT * 10) == 0
    opening = AccessOpening.objects.waiting().first()
    assert openings.confirm(opening, by=colleague, at=NOW).confirmed == "staff"


def test_who_saw_both_households_goes_on_at_once_and_confirms_the_others(books, agent):
    other = family("leroy", "Leroy", "Basile")
    GuardianFactory(household=other.household, user=books.user, first_name="Camille", last_name="Roux")
    said = make_one(books.household, other.household, by=agent)
    assert sees(books.user) == {books.child.pk, other.child.pk}
    assert sees(other.user) == set()
    assert any("« roux » (Camille Roux) voit le foyer" in line for line in said)
    assert any("« leroy »" in line and "ne voit plus rien avant d'être confirmé" in line for line in said)
    openings.confirm(AccessOpening.objects.get(), by=books.user, at=NOW)
    assert sees(other.user) == {books.child.pk, other.child.pk}


def test_a_custody_that_ended_does_not_begin_again_by_a_child_typed_once_more(books, agent):
    """The same login is in both households, and sees the child in neither."""
    Custody.objects.filter(child=books.child).update(until=NOW.date())
    again = HouseholdFactory()
    GuardianFactory(household=again, user=books.user, first_name="Camille", last_name="Roux")
    ChildFactory(
        first_name=books.child.first_name,
        last_name=books.child.last_name,
        birth_date=books.child.birth_date,
        households=[again],
    )
    make_one(books.household, again, by=agent)
    assert books.child.pk not in sees(books.user)


def test_a_household_in_which_nobody_is_adds_nothing_to_wait_for(books, agent):
    make_one(books.household, HouseholdFactory(), by=agent)
    assert sees(books.user) == {books.child.pk}


@pytest.mark.parametrize("proven", [True, False])
def test_the_proven_address_that_came_with_the_file_waits_for_nobody(books, intruder, agent, proven):
    Guardian.objects.filter(pk=books.guardian.pk).update(user=None)
    openings.expect(books.guardian, intruder.user.email, at=NOW)
    EmailAddress.objects.filter(user=intruder.user).update(verified=proven)
    make_one(books.household, intruder.household, by=agent)
    assert (sees(intruder.user) == {books.child.pk}) is proven


@pytest.mark.parametrize("kept", ["theirs", "own"])
def test_an_address_that_came_with_one_file_is_not_free_for_the_other_ones_children(
    books, intruder, agent, kept
):
    partner = GuardianFactory(household=intruder.household, user=None, first_name="Complice")
    openings.expect(partner, "complice@example.org", at=NOW)
    one, other = (books, intruder) if kept == "theirs" else (intruder, books)
    make_one(one.household, other.household, by=agent)
    partner.refresh_from_db()
    opening = openings.ask_guardian(partner, "complice@example.org", by=agent, at=NOW)
    assert opening.waits and sees(opening.user) == set()


def test_refused_the_login_stays_its_owners_and_sees_nothing(books, agent):
    other = family("leroy", "Leroy", "Basile")
    GuardianFactory(household=HouseholdFactory(), user=other.user)
    make_one(books.household, other.household, by=agent)
    for opening in AccessOpening.objects.waiting():
        openings.refuse(opening, by=agent, at=NOW)
    assert User.objects.filter(pk=other.user.pk, is_active=True).exists() and sees(other.user) == set()


@pytest.mark.parametrize("joined", [True, False])
def test_an_access_that_never_was_open_is_not_given_back_when_its_new_address_is_refused(
    books, intruder, agent, joined
):
    if joined:
        make_one(
            books.household, intruder.household, by=agent, **{f"identifiant-{intruder.guardian.pk}": "reuni"}
        )
        user = intruder.user
    else:
        Guardian.objects.filter(pk=books.guardian.pk).update(user=None)
        books.guardian.refresh_from_db()
        user = openings.ask_guardian(books.guardian, "moi@example.org", by=agent, at=NOW).user
    former, user.email = user.email, "encore@example.org"
    user.save()
    openings.address_changed(user, former, by=agent, at=NOW)
    openings.refuse(AccessOpening.objects.waiting().get(), by=agent, at=NOW)
    assert not Guardian.objects.filter(user__isnull=False, user=user.pk).exists()


def test_the_secret_address_of_a_calendar_goes_with_the_login_that_goes(books, intruder, agent):
    CalendarLink.objects.create(guardian=intruder.guardian, token_hash="i" * 64, made_at=NOW)
    make_one(
        books.household, intruder.household, by=agent, **{f"identifiant-{intruder.guardian.pk}": "garde"}
    )
    assert not CalendarLink.objects.exists()


def test_the_first_page_of_who_waits_says_so_and_qui_a_acces_says_whom_it_waits_for(books, agent):
    other = family("leroy", "Leroy", "Basile")
    GuardianFactory(household=other.household, user=books.user, first_name="Camille", last_name="Roux")
    make_one(books.household, other.household, by=agent)
    page = text_of(logged_in(other.user).get("/"))
    assert "La mairie a réuni deux foyers" in page and "attend d'être confirmé" in page
    page = text_of(books.client().get("/foyer/acces/"))
    assert "Cette personne avait accès à l'un de deux foyers que la mairie a réunis" in page


def test_an_erased_household_takes_the_logins_that_wait_along(books, intruder, agent):
    make_one(books.household, intruder.household, by=agent)
    waiting = AccessOpening.objects.waiting().get().user
    erasing._erase_household(books.household, NOW)
    assert not User.objects.filter(pk=waiting.pk).exists()


def test_what_logins_see_is_read_in_a_fixed_number_of_queries(books, agent, django_assert_max_num_queries):
    other = family("leroy", "Leroy", "Basile")
    for number in range(4):
        GuardianFactory(household=other.household, user=UserFactory(), first_name=f"Adulte {number}")
    asked = look(books.household, other.household)
    assert sum("ne voit plus rien" in line for line in asked.lines) == 6
    found = joining.read(books.household, other.household, {})
    with django_assert_max_num_queries(5):
        accesses.of(found, timezone.localdate())
