"""One plate, one truth: what a child eats, whatever its two homes say."""

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from catering import kitchen
from families import approval, diets
from families.custody import ending
from families.custody.ending import Ending, Future
from families.models import Custody, Diet, DietChoice, HomeDiet
from tests.conftest import NOW, THURSDAY, other_home_of
from tests.factories import BookingFactory, ChildFactory, DietFactory

LATER = NOW + timedelta(hours=1)


def diet(name: str, **flags: bool | int) -> Diet:
    return Diet(name=name, **flags)


PLAIN = diet("Sans régime", pk=1)
NO_PORK = diet("Sans porc", pk=2, order=1, without_pork=True)
NO_MEAT = diet("Sans viande", pk=3, order=2, without_meat=True)
NO_FISH = diet("Sans poisson", pk=4, order=3, without_fish=True)
VEGETARIAN = diet("Végétarien", pk=5, order=4, without_meat=True, without_fish=True)
VEGAN = diet("Végétalien", pk=6, order=5, without_animals=True)
BASKET = diet("Panier-repas", pk=7, order=6, needs_pai=True)
ALL = [PLAIN, NO_PORK, NO_MEAT, NO_FISH, VEGETARIAN, VEGAN, BASKET]


@pytest.mark.parametrize(
    ("one", "other", "cooked"),
    [
        (NO_PORK, NO_MEAT, NO_MEAT),
        (PLAIN, NO_PORK, NO_PORK),
        (NO_PORK, NO_FISH, VEGETARIAN),
        (NO_MEAT, NO_FISH, VEGETARIAN),
        (VEGETARIAN, VEGAN, VEGAN),
        (VEGAN, BASKET, BASKET),
    ],
)
def test_the_stricter_of_two_diets(one, other, cooked):
    assert diets.stricter(one, other, ALL) == diets.stricter(other, one, ALL) == cooked


def test_where_no_diet_leaves_out_both_the_one_that_leaves_out_more_is_cooked():
    assert diets.stricter(NO_MEAT, NO_FISH, [PLAIN, NO_MEAT, NO_FISH]) == NO_MEAT
    assert diets.stricter(NO_PORK, NO_FISH, [PLAIN, NO_PORK, NO_FISH]) == NO_FISH, "the later one of the list"


@given(st.sampled_from(ALL[:-1]), st.sampled_from(ALL[:-1]))
def test_nothing_that_a_home_leaves_out_is_ever_served(one, other):
    cooked = diets.stricter(one, other, ALL)
    assert diets.left_out(cooked) >= diets.left_out(one) | diets.left_out(other)


@pytest.fixture
def outbox_of(commit):
    """The mails that leave for what is done."""

    def of(act):
        mail.outbox.clear()
        with commit():
            act()
        return list(mail.outbox)

    return of


# What homes say -------------------------------------------------------------------------------------------


@pytest.fixture
def menu(canteen):
    """The diets of the town: plain, without pork, without meat."""
    plain = DietFactory(name="Sans régime particulier")
    return (
        plain,
        DietFactory(name="Sans porc", without_pork=True),
        DietFactory(name="Sans viande", without_meat=True),
    )


@pytest.fixture
def father(books, menu):
    """Lina's other home; hers has said that she eats everything."""
    diets.say(books.child, menu[0], by=books.household, at=NOW)
    return other_home_of(books)


def standing(child) -> tuple[str, bool]:
    choice = DietChoice.objects.select_related("diet").get(child=child)
    return choice.diet.name, choice.differs_since is not None


def test_both_homes_say_the_same_and_nobody_is_told(books, father, menu, outbox_of):
    assert outbox_of(lambda: diets.say(books.child, menu[0], by=father.household, at=NOW)) == []
    assert standing(books.child) == ("Sans régime particulier", False)


def test_two_homes_that_differ_eat_the_stricter_until_they_agree(books, father, menu, outbox_of):
    _, no_pork, no_meat = menu
    told = outbox_of(lambda: diets.say(books.child, no_pork, by=father.household, at=NOW))
    assert sorted(to for one in told for to in one.to) == sorted([books.user.email, father.user.email])
    assert all("porc" not in f"{one.subject}{one.body}" for one in told), "a letter names no diet"
    assert standing(books.child) == ("Sans porc", True)
    assert outbox_of(lambda: diets.say(books.child, no_meat, by=books.household, at=LATER)) == []
    assert standing(books.child) == ("Sans viande", True)
    BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    counted = kitchen.expected(books.enrolment.establishment, [THURSDAY])
    assert counted.total(diet="Sans viande") == counted.total() == 1
    diets.say(books.child, no_pork, by=books.household, at=LATER)
    assert standing(books.child) == ("Sans porc", False)


def test_what_nobody_is_known_to_have_said_is_the_other_homes_word(books, menu, outbox_of):
    DietChoice.objects.filter(child=books.child).update(diet=menu[2])
    father = other_home_of(books)
    diets.say(books.child, menu[0], by=father.household, at=NOW)
    diets.say(books.child, menu[0], by=father.household, at=LATER)
    assert standing(books.child) == ("Sans viande", True)


def test_one_home_changes_its_mind_as_it_likes(books, menu):
    diets.say(books.child, menu[2], by=books.household, at=NOW)
    diets.say(books.child, menu[0], by=books.household, at=LATER)
    assert standing(books.child) == ("Sans régime particulier", False)


def test_the_word_of_a_home_that_the_child_left_counts_no_more(books, father, menu, agent):
    diets.say(books.child, menu[2], by=father.household, at=NOW)
    custody = Custody.objects.get(child=books.child, household=father.household)
    ending.end(custody, Ending(NOW.date(), Future.CANCEL), by=agent, at=NOW)
    assert standing(books.child) == ("Sans régime particulier", False)


def test_what_a_home_said_of_its_copy_of_a_child_meets_what_is_known(books, father, menu, year):
    copy = ChildFactory(first_name="Lina", last_name="Roux", households=[father.household])
    diets.say(copy, menu[1], by=father.household, at=NOW)
    approval.carry_prepared(copy, books.child, father.household.pk, at=LATER)
    assert standing(books.child) == ("Sans porc", True)
    assert not DietChoice.objects.filter(child=copy).exists()


# Pages ----------------------------------------------------------------------------------------------------


def test_the_form_of_the_canteen_shows_the_child_s_diet_and_says_that_homes_differ(books, father, menu):
    page = father.client().get(reverse("catering:enrolment", args=[father.enrolment.pk]))
    assert page.context["form"]["diet"].value() == menu[0].pk
    diets.say(books.child, menu[1], by=father.household, at=NOW)
    for who, own in ((books, menu[0]), (father, menu[1])):
        page = who.client().get(reverse("catering:enrolment", args=[who.enrolment.pk]))
        assert page.context["form"]["diet"].value() == own.pk
        assert "la cuisine suit : Sans porc" in page.text
    assert "suit le plus strict" in books.client().get(reverse("families:child", args=[books.child.pk])).text


def test_the_desk_has_a_line_and_its_word_is_that_of_both_homes(books, father, menu, agent_client, outbox_of):
    listed = reverse("admin:families_dietchoice_changelist") + "?accord=a-accorder"
    assert "Régimes à accorder" not in [one["title"] for one in _queues(agent_client) if one["count"]]
    diets.say(books.child, menu[1], by=father.household, at=NOW)
    assert {one["title"]: one["count"] for one in _queues(agent_client)}["Régimes à accorder"] == 1
    assert "Lina Roux" in agent_client.get(listed).text
    choice = DietChoice.objects.get(child=books.child)
    page = reverse("admin:families_dietchoice_change", args=[choice.pk])
    assert "Sans porc" in agent_client.get(page).text
    told = outbox_of(lambda: agent_client.post(page, {"diet": menu[0].pk}))
    assert sorted(to for one in told for to in one.to) == sorted([books.user.email, father.user.email])
    assert standing(books.child) == ("Sans régime particulier", False)
    assert set(HomeDiet.objects.values_list("diet", flat=True)) == {menu[0].pk}


def _queues(client):
    return client.get(reverse("admin:index")).context["queues"]
