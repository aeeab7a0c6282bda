"""Who is whom when two households are joined: adults, logins, children, health, diets, papers."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError

from families.joining import alike, joining
from families.models import (
    AccessOpening,
    AuthorisedPerson,
    ChangeRequest,
    Child,
    ChildHealth,
    Custody,
    CustodyCalendar,
    DietChoice,
    Guardian,
    HomeDiet,
    Household,
    Letter,
    Paper,
    PaperLetter,
    Reading,
    Reminder,
    ReminderChoice,
    TextAnswer,
)
from families.privacy import retention
from families.texts import accepting, standing
from families.traces import reading
from tests.conftest import NOW, family, other_home_of
from tests.factories import (
    AskedTextFactory,
    AuthorisedPersonFactory,
    ChangeRequestFactory,
    ChildFactory,
    DietChoiceFactory,
    DietFactory,
    GuardianFactory,
    HealthFactory,
    HouseholdFactory,
    LetterFactory,
    PaperFactory,
    PaperKindFactory,
    QuotientFactory,
    UserFactory,
)
from tests.families.joining.doubles import WHY, confirmed, double_of, look, make_one

pytestmark = pytest.mark.django_db

TOLD = ("families/households_joined", "families/opening_waits")


@pytest.fixture
def double(books):
    return double_of(books)


def text_of(found):
    return " ".join(found.lines)


def test_an_adult_of_both_is_one_and_only_one_login_stays(books, double, agent):
    said = make_one(
        books.household, double.household, by=agent, **{f"identifiant-{double.guardian.pk}": "reuni"}
    )
    assert any("« double » reste" in line for line in said)
    confirmed()
    assert Guardian.objects.get().user == double.user
    books.user.refresh_from_db()
    assert not books.user.is_active


def test_a_login_of_another_household_or_of_the_town_hall_is_not_closed(books, double, agent):
    GuardianFactory(household=HouseholdFactory(), user=double.user)
    make_one(books.household, double.household, by=agent, **{f"identifiant-{double.guardian.pk}": "garde"})
    double.user.refresh_from_db()
    assert double.user.is_active and Guardian.objects.filter(user=double.user).count() == 1


def test_a_login_that_only_the_second_household_had_is_kept(books, agent):
    Guardian.objects.filter(pk=books.guardian.pk).update(user=None)
    double = double_of(books)
    make_one(books.household, double.household, by=agent)
    confirmed()
    assert [(one.pk, one.user) for one in Guardian.objects.all()] == [(books.guardian.pk, double.user)]


def test_one_login_of_both_households_needs_no_question(books, agent):
    other = HouseholdFactory()
    GuardianFactory(household=other, user=books.user, first_name="C.", last_name="Garcia")
    assert not any(one.name.startswith("adulte") for one in look(books.household, other).choices)
    make_one(books.household, other, by=agent)
    assert [one.pk for one in Guardian.objects.all()] == [books.guardian.pk]


def test_another_adult_comes_along(books, double, agent):
    GuardianFactory(household=double.household, first_name="Alix", last_name="Garcia", user=UserFactory())
    make_one(books.household, double.household, by=agent)
    assert {one.first_name for one in Guardian.objects.filter(household=books.household)} == {
        "Camille",
        "Alix",
    }


def test_what_is_an_adults_own_follows_and_what_both_had_is_kept_once(books, double, agent):
    for guardian in (books.guardian, double.guardian):
        ReminderChoice.objects.create(guardian=guardian, kind="quotient", wanted=True, chosen_at=NOW)
        Reminder.objects.create(guardian=guardian, kind="quotient", mark="m", evening=NOW.date(), at=NOW)
    Reminder.objects.create(guardian=double.guardian, kind="quotient", mark="n", evening=NOW.date(), at=NOW)
    LetterFactory(household=double.household, guardian=double.guardian)
    make_one(books.household, double.household, by=agent)
    assert ReminderChoice.objects.count() == 1
    assert list(Reminder.objects.order_by("mark").values_list("guardian", "mark")) == [
        (books.guardian.pk, "m"),
        (books.guardian.pk, "n"),
    ]
    assert [(one.guardian, one.household) for one in Letter.objects.exclude(kind__in=TOLD)] == [
        (books.guardian, books.household)
    ]


def test_two_homes_that_no_mail_reaches_read_on_paper_that_they_are_one(books, double, agent):
    for login in (books.user, double.user):
        login.email = ""
        login.save()
    make_one(books.household, double.household, by=agent)
    letter = PaperLetter.objects.get(kind="families/households_joined")
    assert letter.household == books.household and double.household.number in letter.text


def test_a_child_typed_twice_is_one_and_two_children_of_one_name_stay_two(books, double, agent):
    make_one(books.household, double.household, by=agent)
    double.child.refresh_from_db()
    assert double.child.joined_to == books.child
    assert [one.child for one in Custody.objects.all()] == [books.child]


def test_if_somebody_says_two_children_they_stay_two(books, double, agent):
    make_one(books.household, double.household, by=agent, **{f"enfant-{double.child.pk}": "aucun"})
    double.child.refresh_from_db()
    assert double.child.joined_to is None
    assert Custody.objects.filter(household=books.household).count() == 2


def test_a_child_that_lived_in_both_homes_lives_in_one_since_the_earliest_day(books, agent):
    other = other_home_of(books)
    Custody.objects.filter(household=books.household).update(since=date(2026, 10, 1))
    Custody.objects.filter(household=other.household).update(since=date(2026, 9, 1), until=date(2026, 11, 2))
    make_one(books.household, other.household, by=agent)
    custody = Custody.objects.get()
    assert (custody.household, custody.since, custody.until) == (books.household, date(2026, 9, 1), None)


def test_a_custody_calendar_between_both_is_over_and_one_with_a_third_home_goes_on(books, agent):
    other, third = other_home_of(books), other_home_of(books, "tiers")
    between = CustodyCalendar.objects.create(
        child=books.child, even=books.household, odd=other.household, asked_at=NOW, state="waiting"
    )
    elsewhere = CustodyCalendar.objects.create(
        child=books.child, even=third.household, odd=other.household, asked_at=NOW, state="confirmed"
    )
    Child.objects.filter(pk=books.child.pk).update(custody_calendar=elsewhere)
    make_one(books.household, other.household, by=agent)
    between.refresh_from_db()
    elsewhere.refresh_from_db()
    assert between.state == "withdrawn"
    assert (elsewhere.even, elsewhere.odd) == (third.household, books.household)


def test_nothing_that_either_health_file_says_is_lost(books, double, agent):
    HealthFactory(child=books.child, allergies="Arachides", has_pai=False, allergens=["eggs"])
    HealthFactory(child=double.child, allergies="Lait", has_pai=True, allergens=["milk", "eggs"])
    said = make_one(books.household, double.household, by=agent)
    health = ChildHealth.objects.get()
    assert (health.child, health.has_pai, health.allergens) == (books.child, True, ["eggs", "milk"])
    assert health.allergies == "Arachides\nLait"
    assert any("deux fiches sanitaires" in line for line in said)


def test_of_two_diets_the_stricter_stays(books, double, agent):
    plain, vegetarian = DietFactory(name="Ordinaire"), DietFactory(name="Végétarien", without_meat=True)
    DietChoice.objects.filter(child=books.child).update(diet=plain)
    DietChoice.objects.filter(child=double.child).update(diet=vegetarian)
    HomeDiet.objects.create(child=books.child, household=books.household, diet=plain)
    HomeDiet.objects.create(child=double.child, household=double.household, diet=vegetarian)
    assert "le plus strict reste (Végétarien)" in text_of(look(books.household, double.household))
    make_one(books.household, double.household, by=agent)
    assert [(one.child, one.diet) for one in DietChoice.objects.all()] == [(books.child, vegetarian)]
    assert [(one.child, one.household, one.diet) for one in HomeDiet.objects.all()] == [
        (books.child, books.household, vegetarian)
    ]


def test_a_child_of_a_third_home_keeps_the_word_of_each(books, double, agent):
    plain, vegetarian = DietFactory(name="Ordinaire"), DietFactory(name="Végétarien", without_meat=True)
    third = HouseholdFactory()
    shared = ChildFactory(households=[double.household, third])
    DietChoiceFactory(child=shared, diet=vegetarian)
    HomeDiet.objects.create(child=shared, household=double.household, diet=plain)
    HomeDiet.objects.create(child=shared, household=third, diet=vegetarian)
    for kept, emptied in ((double, books), (books, double)):
        assert "deux régimes" not in text_of(look(kept.household, emptied.household))
    make_one(books.household, double.household, by=agent)
    assert {(one.household, one.diet) for one in HomeDiet.objects.filter(child=shared)} == {
        (books.household, plain),
        (third, vegetarian),
    }
    assert DietChoice.objects.get(child=shared).diet == vegetarian


def test_of_two_papers_of_a_kind_the_one_that_is_good_for_longer_stays_and_the_last_one_sent_waits(
    books, double, agent
):
    insurance, rules = (
        PaperKindFactory(code="assurance"),
        PaperKindFactory(code="reglement", about="household"),
    )
    short, long = (
        PaperFactory(
            kind=insurance, household=one.household, child=one.child, state="accepted", ends_on=until
        )
        for one, until in ((books, date(2027, 1, 31)), (double, date(2027, 8, 31)))
    )
    sent = PaperFactory(kind=rules, household=double.household)
    PaperFactory(kind=rules, household=books.household, state="awaited", sent_at=None, asked_on=NOW.date())
    assert "2 papiers demandés ou envoyés suivent" in text_of(look(books.household, double.household))
    make_one(books.household, double.household, by=agent)
    found = {one.pk: (one.household, one.child, one.state) for one in Paper.objects.all()}
    assert found == {
        short.pk: (books.household, books.child, "expired"),
        long.pk: (books.household, books.child, "accepted"),
        sent.pk: (books.household, None, "sent"),
    }


def test_the_file_of_a_paper_that_another_one_replaced_goes_in_its_time(books, double, agent):
    """Both homes had sent theirs: the one that waits no more is over, and is not kept for ever."""
    address = PaperKindFactory(code="domicile", about="household")
    early = PaperFactory(kind=address, household=books.household, sent_at=NOW - timedelta(days=2))
    late = PaperFactory(kind=address, household=double.household, sent_at=NOW - timedelta(days=1))
    make_one(books.household, double.household, by=agent)
    assert {one.pk: one.state for one in Paper.objects.all()} == {early.pk: "expired", late.pk: "sent"}
    papers = next(kind for kind in retention.kinds() if kind.code == "papers")
    assert [list(rows) for rows in papers.due(NOW + timedelta(days=1))] == [[early]]


@pytest.mark.parametrize(
    ("ours", "theirs", "stands"),
    [
        (True, False, False),
        (False, True, False),
        (True, True, True),
        (None, True, True),
        (False, None, False),
    ],
)
def test_of_two_free_consents_the_no_stays(books, double, agent, ours, theirs, stands):
    """Whichever file answered last: photos of a child are not taken because another file said yes."""
    photos = AskedTextFactory(about="child", need="free", everywhere=True)
    for who, accepted in ((books, ours), (double, theirs)):
        if accepted is not None:
            accepting.answer(
                who.household, photos.versions.get(), {who.child.pk: accepted}, by=who.user, at=NOW
            )
    make_one(books.household, double.household, by=agent)
    (line,) = standing.of_home(books.household, NOW.date())
    assert line.answer.accepted is stands
    kept = [one.accepted for one in TextAnswer.objects.order_by("pk")]
    answered = [one for one in (ours, theirs) if one is not None]
    assert kept == (answered if answered[-1] is stands else [*answered, False])


def test_people_who_fetch_a_child_are_named_once(books, double, agent):
    for child in (books.child, double.child):
        AuthorisedPersonFactory(child=child, name="Jeanne Roux", phone="+33639980011")
    AuthorisedPersonFactory(child=double.child, name="Paul Roux", phone="+33639980012")
    make_one(books.household, double.household, by=agent)
    found = AuthorisedPerson.objects.order_by("name").values_list("child", "name")
    assert list(found) == [(books.child.pk, "Jeanne Roux"), (books.child.pk, "Paul Roux")]


def test_the_address_and_the_quotient_are_those_that_were_chosen(books, agent):
    double = double_of(books, street="9 rue Neuve", city="Ailleurs", resident=False)
    QuotientFactory(household=books.household, value=Decimal("900"), valid_from=date(2026, 1, 1))
    QuotientFactory(household=double.household, value=Decimal("400"), valid_from=date(2026, 9, 1))
    make_one(books.household, double.household, by=agent, adresse="reuni", quotient="reuni")
    assert (books.household.street, books.household.resident) == ("9 rue Neuve", False)
    found = books.household.quotients.order_by("valid_from").values_list("value", "valid_from", "valid_to")
    assert list(found) == [
        (Decimal("900"), date(2026, 1, 1), date(2026, 11, 8)),
        (Decimal("400"), date(2026, 11, 9), None),
    ]


def test_quotients_follow_where_the_kept_household_has_none(books, double, agent):
    QuotientFactory(household=double.household, value=Decimal("400"), valid_from=date(2026, 9, 1))
    make_one(books.household, double.household, by=agent)
    assert [row.value for row in books.household.quotients.all()] == [Decimal("400")]


def test_who_read_of_either_is_still_read_by_the_family(books, double, agent):
    for child in (books.child, double.child):
        reading.add(agent, Reading.Kind.HEALTH, at=NOW, child=child)
    reading.add(agent, Reading.Kind.PROOF, at=NOW, household=double.household)
    make_one(books.household, double.household, by=agent)
    assert reading.about([books.household.pk], Child.objects.filter(pk=books.child.pk)).count() == 3


# What stands in the way


def asked_twice(books, double):
    for home in (books.household, double.household):
        ChangeRequestFactory(household=home)


def access_waits(books, double):
    AccessOpening.objects.create(
        kind="guardian", household=double.household, guardian=double.guardian, asked_at=NOW, state="waiting"
    )


def access_waits_in_the_kept_one(books, double):
    AccessOpening.objects.create(
        kind="guardian", household=books.household, guardian=books.guardian, asked_at=NOW, state="waiting"
    )


def third_home(books, double):
    Custody.objects.create(child=double.child, household=HouseholdFactory())


def third_home_of_the_kept_child(books, double):
    Custody.objects.create(child=books.child, household=HouseholdFactory())


def requested(books, double):
    Household.objects.filter(pk=books.household.pk).update(state="requested")


def refused(books, double):
    Household.objects.filter(pk=double.household.pk).update(state="refused")


@pytest.mark.parametrize(
    ("happened", "why"),
    [
        (asked_twice, "Deux demandes « Changement d'adresse » attendent"),
        (access_waits, "Un accès attend d'être confirmé"),
        (access_waits_in_the_kept_one, "Un accès attend d'être confirmé"),
        (third_home, "dans un troisième foyer"),
        (third_home_of_the_kept_child, "verrait ce que dit le double"),
        (requested, "attend d'être validé"),
        (refused, "est refusé"),
    ],
)
def test_what_stands_in_the_way_is_said_and_nothing_is_done(books, double, agent, happened, why):
    happened(books, double)
    books.household.refresh_from_db()
    double.household.refresh_from_db()
    assert why in " ".join(look(books.household, double.household).obstacles)
    with pytest.raises(joining.JoiningRefused):
        make_one(books.household, double.household, by=agent)
    assert not Household.objects.filter(joined_to__isnull=False).exists()


def test_a_household_that_waits_is_joined_to_one_that_is_there(books, double, agent):
    Household.objects.filter(pk=double.household.pk).update(state="requested")
    ChangeRequestFactory(household=double.household)
    make_one(books.household, double.household, by=agent)
    assert [one.household for one in ChangeRequest.objects.all()] == [books.household]


def test_what_changed_since_the_preview_is_not_done(books, double, agent):
    asked = joining.read(books.household, double.household, {})
    shown = joining.foresee(asked, at=NOW).fingerprint
    LetterFactory(household=double.household, guardian=double.guardian)
    with pytest.raises(joining.JoiningRefused, match="viennent d'être modifiés"):
        joining.join(asked, shown, reason=WHY, by=agent, at=NOW)


def test_what_no_rule_foresaw_is_a_sentence_and_leaves_all_as_it_was(books, double, agent, monkeypatch):
    def clashes(*given):
        raise IntegrityError("UNIQUE constraint failed")

    monkeypatch.setattr(joining.fates, "move", clashes)
    with pytest.raises(joining.JoiningRefused):
        make_one(books.household, double.household, by=agent)
    assert Guardian.objects.count() == 2 and Custody.objects.filter(household=double.household).exists()


def test_joined_again_all_lead_to_the_last_one(books, double, agent):
    third = double_of(books, login="encore")
    make_one(double.household, third.household, by=agent)
    confirmed()
    make_one(books.household, double.household, by=agent)
    third.household.refresh_from_db()
    third.child.refresh_from_db()
    assert (third.household.joined_to, third.child.joined_to) == (books.household, books.child)


def test_staff_never_join_their_own_household(books, double, agent):
    Guardian.objects.filter(pk=double.guardian.pk).update(user=agent)
    with pytest.raises(joining.own.OwnHousehold):
        make_one(books.household, double.household, by=agent)


# Who looks alike


def test_separated_parents_and_namesakes_do_not_look_alike(books):
    father = family("papa", "Bernard", "Hugo")
    ChildFactory(
        first_name=books.child.first_name,
        last_name=books.child.last_name,
        birth_date=books.child.birth_date,
        households=[father.household],
    )
    Household.objects.filter(pk=father.household.pk).update(folded="ailleurs")
    assert alike.pairs() == []


def test_pairs_are_found_in_a_fixed_number_of_queries(books, django_assert_num_queries):
    doubles = [double_of(books, login=f"double-{n}", enrolled=False) for n in range(4)]
    assert {pair.newer for pair in alike.pairs()} == {one.household for one in doubles}
    with django_assert_num_queries(4):
        alike.pairs()
