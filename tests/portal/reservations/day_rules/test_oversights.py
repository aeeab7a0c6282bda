"""What counts as an oversight, how many allow a decision, and the words for it."""

from datetime import date

import pytest

from portal.reservations.day_rules import oversights as rules
from portal.reservations.day_rules.oversights import Kind, Per, Rule

TODAY = date(2026, 11, 9)
FIRST = date(2026, 9, 1)


def test_a_day_counts_once_whatever_was_forgotten_of_it():
    found = [
        (date(2026, 11, 5), Kind.LATE),
        (date(2026, 11, 5), Kind.MISSED),
        (date(2026, 11, 3), Kind.UNRESERVED),
    ]
    assert rules.days_of(found, Rule(3), FIRST, TODAY) == {
        date(2026, 11, 3): [Kind.UNRESERVED],
        date(2026, 11, 5): [Kind.MISSED, Kind.LATE],
    }


def test_only_what_the_town_counts_and_only_days_of_the_span():
    found = [
        (date(2026, 11, 3), Kind.LATE),
        (date(2026, 8, 31), Kind.MISSED),
        (date(2026, 11, 10), Kind.MISSED),
        (date(2026, 9, 1), Kind.MISSED),
    ]
    rule = Rule(3, kinds=frozenset({Kind.MISSED}))
    assert list(rules.days_of(found, rule, FIRST, TODAY)) == [date(2026, 9, 1)]


@pytest.mark.parametrize(
    ("per", "starts", "first"),
    [
        (Per.MONTH, (), date(2026, 11, 1)),
        (Per.YEAR, (date(2025, 9, 1), date(2026, 8, 31), date(2027, 9, 1)), date(2026, 8, 31)),
        (Per.YEAR, (), date(2026, 9, 1)),
    ],
)
def test_since_when_they_are_counted(per, starts, first):
    assert rules.since(Rule(3, per), TODAY, starts) == first


@pytest.mark.parametrize(
    ("count", "words"), [(0, ""), (1, ""), (2, "à partir de 3"), (3, "la mairie peut décider")]
)
def test_the_family_is_warned_from_the_last_one_before_on(count, words):
    said = rules.warning(Rule(3), count, "Cantine")
    assert words in said and bool(said) == bool(words)


def test_where_one_is_enough_nobody_is_warned_of_none():
    assert rules.warning(Rule(1), 0, "Cantine") == ""
    assert rules.warning(Rule(1), 1, "Cantine").startswith(
        "1 oubli cette année scolaire à « Cantine » : la mairie"
    )


def test_a_decision_asks_for_enough_of_them():
    assert rules.refusal(Rule(3), 2) == (
        "Une décision est possible à partir de 3 oublis : 2 oublis cette année scolaire."
    )
    assert rules.refusal(Rule(3), 3) == ""


def test_the_rule_says_that_nothing_is_automatic():
    said = " ".join(rules.in_words(Rule(3, Per.MONTH, frozenset({Kind.MISSED, Kind.UNRESERVED}))))
    assert "est venu sans réservation, ou n'est pas venu, sans prévenir." in said
    assert "dans le mois" in said and "Rien n'est automatique" in said
