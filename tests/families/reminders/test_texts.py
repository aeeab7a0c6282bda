"""Reminders of a text that reads otherwise by now: told once, to who accepted an earlier version."""

from datetime import timedelta

import pytest

from families.models import ReminderChoice, TextVersion
from families.texts import accepting, standing
from tests.conftest import EVENING, family
from tests.factories import ActivityTextFactory, AskedTextFactory

BEFORE, TODAY, DAY = EVENING - timedelta(days=30), EVENING.date(), timedelta(days=1)


@pytest.fixture
def wants(books):
    """Camille wants this reminder and no other."""
    for kind in ("usual", "freed", "quotient", "menus", "papers"):
        ReminderChoice.objects.create(guardian=books.guardian, kind=kind, wanted=False, chosen_at=EVENING)
    return books


def accepted(who, text, *, child=None):
    version = text.versions.earliest("starts_on")
    accepting.answer(who.household, version, {child: True}, by=who.user, at=BEFORE)


def changes(text, day=TODAY):
    return TextVersion.objects.create(text=text, starts_on=day, body="L'accueil ouvre à 7 h 15.")


def test_a_new_version_is_told_once_to_who_accepted_the_old_one(wants, canteen, round_at):
    text = AskedTextFactory(everywhere=True)
    accepted(wants, text)
    assert round_at() == []
    changes(text, TODAY + DAY)
    assert round_at() == [], "until its day the old one holds"
    (letter,) = round_at(EVENING + DAY)
    assert letter.subject == "Un texte à accepter a changé"
    assert "Règlement intérieur : nouvelle version depuis le mardi 10 novembre 2026." in letter.body
    assert round_at(EVENING + 2 * DAY) == []


def test_who_accepts_it_before_is_not_told(wants, canteen, round_at):
    text = AskedTextFactory(everywhere=True)
    accepted(wants, text)
    version = changes(text)
    accepting.answer(wants.household, version, {None: True}, by=wants.user, at=EVENING)
    assert round_at() == []


@pytest.mark.parametrize("more", [{"need": "free"}, {"active": False}, {"everywhere": False}])
def test_what_nothing_waits_for_is_not_told(wants, canteen, round_at, more):
    text = AskedTextFactory(everywhere=True)
    accepted(wants, text)
    changes(text)
    type(text).objects.filter(pk=text.pk).update(**more)
    assert round_at() == []


def test_an_activity_that_asks_for_it_is_enough_and_a_child_is_named(wants, canteen, round_at):
    text = AskedTextFactory(about="child")
    ActivityTextFactory(activity=canteen.activity, text=text)
    accepted(wants, text, child=wants.child.pk)
    changes(text)
    (letter,) = round_at()
    assert f"Règlement intérieur ({wants.child.first_name}) : nouvelle version" in letter.body


@pytest.mark.parametrize("number", [1, 10])
def test_any_number_of_homes_costs_three_queries(
    number, canteen, school_class, now, django_assert_num_queries
):
    text = AskedTextFactory(everywhere=True)
    homes = [family(f"foyer{one}", f"Nom{one}", f"Enfant{one}", school_class) for one in range(number)]
    for one in homes:
        accepted(one, text)
    changes(text)
    keys = [one.household.pk for one in homes]
    standing.asked_again(keys, TODAY)
    with django_assert_num_queries(2):  # no activity asks for a text: these are not read
        assert len(standing.asked_again(keys, TODAY)) == number


def test_a_town_whose_texts_never_changed_costs_no_query(books, django_assert_num_queries):
    AskedTextFactory(everywhere=True)
    standing.asked_again([books.household.pk], TODAY)
    with django_assert_num_queries(0):
        assert standing.asked_again([books.household.pk], TODAY) == []
