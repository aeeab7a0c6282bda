"""What is asked of a household: once for all activities and both homes, seen by who may see it."""

from datetime import date, timedelta

import pytest

from families.models import Custody, Paper, PaperKind
from families.papers import asking
from families.papers.asking import Status
from portal.reservations.models import Enrolment
from tests.conftest import NOW, Family, brother_of, other_home_of
from tests.factories import ActivityFactory, ChildFactory, EnrolmentFactory, PaperFactory, PaperKindFactory

TODAY = NOW.date()


def seen(who: Family, today: date = TODAY) -> list[tuple[str, str, Status]]:
    """(paper, whose, where it stands), as the household reads it."""
    lines = asking.read([who.household.pk], today)[who.household.pk]
    return [(str(line.kind), line.whose, line.status) for line in lines]


def test_an_activity_asks_who_is_enrolled_and_nobody_else(books: Family, stranger: Family, insurance):
    assert seen(books) == [("Attestation d'assurance", "Lina", Status.MISSING)]
    assert seen(stranger) == []


def test_two_activities_ask_once_and_both_are_named(books: Family, insurance):
    evenings = ActivityFactory(name="Accueil du soir", order=1)
    insurance.activities.create(activity=evenings)
    like = books.enrolment
    EnrolmentFactory(
        household=books.household, child=books.child, activity=evenings, school_year=like.school_year
    )
    (line,) = asking.read([books.household.pk], TODAY)[books.household.pk]
    assert line.asked_by == ("Restauration scolaire", "Accueil du soir")


def test_a_paper_of_the_household_is_asked_once_for_all_children(books: Family, rules, insurance):
    brother_of(books, "Hugo", born=date(2020, 1, 1))
    assert seen(books) == [
        ("Règlement signé", "votre foyer", Status.MISSING),
        ("Attestation d'assurance", "Lina", Status.MISSING),
        ("Attestation d'assurance", "Hugo", Status.MISSING),
    ]


@pytest.mark.parametrize(
    "change",
    [{"state": "refused"}, {"state": "ended"}, {"ends_on": TODAY - timedelta(days=1)}],
    ids=["refused", "ended", "over yesterday"],
)
def test_who_is_not_enrolled_any_more_is_asked_nothing(books: Family, insurance, change):
    Enrolment.objects.update(**change)
    assert seen(books) == []


def test_a_kind_that_the_town_asks_no_more_is_asked_of_nobody(books: Family, insurance: PaperKind):
    insurance.active = False
    insurance.save()
    assert seen(books) == []


@pytest.mark.parametrize(
    ("paper", "status"),
    [
        ({"state": "sent"}, Status.WAITS),
        ({"state": "refused", "refusal_reason": "Illisible."}, Status.REFUSED),
        ({"state": "accepted", "ends_on": date(2027, 8, 31)}, Status.GOOD),
        ({"state": "accepted", "ends_on": TODAY + timedelta(days=30)}, Status.ENDS_SOON),
        ({"state": "accepted", "ends_on": TODAY + timedelta(days=31)}, Status.GOOD),
        ({"state": "accepted", "ends_on": TODAY}, Status.ENDS_SOON),
        # The night has not been yet.
        ({"state": "accepted", "ends_on": TODAY - timedelta(days=1)}, Status.EXPIRED),
        ({"state": "expired", "ends_on": TODAY - timedelta(days=9)}, Status.EXPIRED),
        ({"state": "accepted"}, Status.GOOD),
    ],
)
def test_where_a_paper_stands_on_the_day(books: Family, insurance, paper, status):
    PaperFactory(kind=insurance, household=books.household, child=books.child, **paper)
    assert seen(books) == [("Attestation d'assurance", "Lina", status)]


def test_of_several_rows_the_latest_speaks_and_the_accepted_one_stays_good(books: Family, insurance):
    of = {"kind": insurance, "household": books.household, "child": books.child}
    good = PaperFactory(**of, state="accepted", ends_on=TODAY + timedelta(days=5))
    PaperFactory(**of, state="refused", refusal_reason="Illisible.")
    (line,) = asking.read([books.household.pk], TODAY)[books.household.pk]
    assert (line.status, line.good, line.may_send) == (Status.REFUSED, good, True)


def test_what_one_home_gave_serves_the_other_which_sees_no_file(books: Family, insurance):
    other = other_home_of(books)
    assert seen(other) == [("Attestation d'assurance", "Lina", Status.MISSING)]
    PaperFactory(
        kind=insurance,
        household=books.household,
        child=books.child,
        state="accepted",
        ends_on=date(2027, 8, 31),
    )
    (line,) = asking.read([other.household.pk], TODAY)[other.household.pk]
    assert (line.status, line.may_send, line.own_file) == (Status.GOOD, False, None)


def test_what_the_other_home_was_refused_is_its_own_matter(books: Family, insurance):
    other = other_home_of(books)
    PaperFactory(
        kind=insurance,
        household=books.household,
        child=books.child,
        state="refused",
        refusal_reason="Une autre adresse.",
    )
    assert seen(other) == [("Attestation d'assurance", "Lina", Status.MISSING)]
    assert seen(books) == [("Attestation d'assurance", "Lina", Status.REFUSED)]


def test_a_paper_of_justice_is_the_households_alone(books: Family, canteen):
    judgment = PaperKindFactory(name="Jugement", secrecy="justice", lasts="for_ever")
    other = other_home_of(books)
    PaperFactory(kind=judgment, household=books.household, child=books.child, state="accepted")
    assert seen(books) == [("Jugement", "Lina", Status.GOOD)]
    assert seen(other) == []
    PaperFactory(kind=judgment, household=other.household, child=books.child, state="sent")
    assert seen(other) == [("Jugement", "Lina", Status.WAITS)], "each home gives its own"


def test_who_no_longer_lives_there_is_seen_no_more_and_the_new_home_sees_it(books: Family, insurance):
    PaperFactory(kind=insurance, household=books.household, child=books.child)
    other = other_home_of(books)
    Custody.objects.filter(household=books.household).update(until=TODAY)
    assert seen(books) == []
    assert seen(other) == [("Attestation d'assurance", "Lina", Status.WAITS)]


def test_what_the_town_hall_asks_by_hand_is_asked_without_any_activity(stranger: Family, now):
    kind = PaperKindFactory(name="Carnet de vaccination", secrecy="health", way="desk", lasts="for_ever")
    PaperFactory(
        kind=kind, household=stranger.household, child=stranger.child, state="awaited", asked_on=TODAY
    )
    (line,) = asking.read([stranger.household.pk], TODAY)[stranger.household.pk]
    assert (line.status, line.is_to_do, line.may_send) == (Status.TO_SHOW, True, False)


def test_one_household_and_ten_cost_the_same_and_a_town_without_papers_nothing(
    books: Family, canteen, year, django_assert_num_queries
):
    with django_assert_num_queries(1):  # whether the town asks for any, once in half a minute
        asking.read([books.household.pk], TODAY)
    with django_assert_num_queries(0):
        asking.read([books.household.pk], TODAY)
    insurance = PaperKindFactory(asked_by=[canteen.activity])
    asking.read([books.household.pk], TODAY)
    with django_assert_num_queries(3):
        asking.read([books.household.pk], TODAY)
    homes = [books.household.pk]
    for number in range(9):
        child = ChildFactory(first_name=f"Enfant {number}")
        home = PaperFactory(kind=insurance, child=child).household
        Custody.objects.create(child=child, household=home)
        EnrolmentFactory(household=home, child=child, activity=canteen.activity, school_year=year)
        homes.append(home.pk)
    with django_assert_num_queries(3):
        found = asking.read(homes, TODAY)
    assert [len(lines) for lines in found.values()] == [1] * 10
    assert Paper.objects.count() == 9
