"""A fact told late counts from its date, or from the day it was told: the town says it, kind by kind."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.models import BillingSettings, TariffModifier
from billing.prices.books import FactsBook
from billing.prices.estimates import Estimates, forget
from billing.rules import pricing
from families import approval, residences
from families.models import FamilyQuotient
from portal.reservations.acts import enrolling
from portal.reservations.models import Enrolment
from tests.conftest import brother_of
from tests.factories import ChangeRequestFactory, QuotientFactory, SchoolClassFactory, paris

D = Decimal
# What holds from the 12th, told on the 20th.
BEFORE, SINCE, GAP, TOLD, AFTER = (date(2026, 11, day) for day in (10, 12, 16, 20, 24))
DAYS = [BEFORE, GAP, AFTER]
TOLD_AT = paris(2026, 11, 20, 9)


@pytest.fixture
def facts(books, meals) -> Any:
    """The facts of Lina's days, as bills read them and as pages do: the same."""
    TariffModifier.objects.create(tariff=meals, when="non_resident", effect="multiply", amount=2)
    TariffModifier.objects.create(tariff=meals, when="children", number=2, effect="percent", amount=-50)
    TariffModifier.objects.create(tariff=meals, when="level", level="maternelle", effect="price", amount=1)

    def read() -> list[pricing.Facts]:
        forget()
        books.household.refresh_from_db()
        enrolment = Enrolment.objects.select_related("household").get(pk=books.enrolment.pk)
        shown = Estimates.load(enrolment, DAYS[0], DAYS[-1])
        book = FactsBook.load([books.household.pk], DAYS[0], DAYS[-1], asks=shown._prices.asks)
        who = books.household.pk, books.child.pk, enrolment.activity_id
        billed = [book.facts(*who, day) for day in DAYS]
        # A page reads the births with its one query, whoever asks for them.
        ages = {"age": None, "age_december": None, "age_september": None}
        assert [replace(shown.facts(day), **ages) for day in DAYS] == billed
        return billed

    return read


def town_says(**kinds: str) -> None:
    BillingSettings.objects.update_or_create(pk=1, defaults=kinds)


FROM_ITS_DATE, FROM_WHEN_TOLD = "date", "told"


@pytest.mark.parametrize(
    ("says", "lives_here"), [(FROM_ITS_DATE, [True, False, False]), (FROM_WHEN_TOLD, [True, True, False])]
)
def test_a_move_told_late(facts, books, says, lives_here):
    town_says(residence_late=says)
    residences.settle(books.household, resident=False, since=SINCE, at=TOLD_AT)
    assert [one.resident for one in facts()] == lives_here


@pytest.mark.parametrize(
    ("says", "levels"),
    [
        (FROM_ITS_DATE, ["elementaire", "maternelle", "maternelle"]),
        (FROM_WHEN_TOLD, ["elementaire", "elementaire", "maternelle"]),
    ],
)
def test_a_class_told_late(facts, books, school, says, levels):
    town_says(school_late=says)
    small = SchoolClassFactory(school=school, name="GS", level="maternelle")
    enrolling.attend(books.child, small, since=SINCE, known_on=TOLD)
    assert [one.level for one in facts()] == levels


@pytest.mark.parametrize(("says", "children"), [(FROM_ITS_DATE, [1, 2, 2]), (FROM_WHEN_TOLD, [1, 1, 2])])
def test_a_brother_enrolled_late(facts, books, says, children):
    town_says(siblings_late=says)
    brother = brother_of(books, "Tom", starts_on=SINCE)
    Enrolment.objects.filter(pk=brother.pk).update(requested_at=TOLD_AT)
    assert [one.children for one in facts()] == children


@pytest.mark.parametrize(("says", "children"), [(FROM_ITS_DATE, [2, 1, 1]), (FROM_WHEN_TOLD, [2, 2, 1])])
def test_a_brother_who_left_told_late(facts, books, says, children):
    town_says(siblings_late=says)
    left = brother_of(books, "Tom", state="ended", ends_on=date(2026, 11, 11), decided_at=TOLD_AT)
    Enrolment.objects.filter(pk=left.pk).update(requested_at=paris(2026, 9, 1))
    assert [one.children for one in facts()] == children


@pytest.mark.parametrize(
    ("says", "values"), [(FROM_ITS_DATE, [700, 300, 300]), (FROM_WHEN_TOLD, [700, 700, 300])]
)
def test_a_quotient_given_late(facts, books, agent, says, values):
    town_says(quotient_late=says)
    QuotientFactory(household=books.household, value=700, valid_from=date(2026, 1, 1))
    _given(books, agent, asked_at=TOLD_AT, answered_at=paris(2026, 11, 23))
    assert [one.quotient for one in facts()] == values


def test_a_quotient_counts_from_when_it_was_told_unless_the_town_says_otherwise(facts, books, agent):
    QuotientFactory(household=books.household, value=700, valid_from=date(2026, 1, 1))
    _given(books, agent, asked_at=TOLD_AT, answered_at=paris(2026, 11, 23))
    assert [one.quotient for one in facts()] == [700, 700, 300]


def test_a_quotient_that_had_ended_by_itself_leaves_none_until_the_next_is_told(facts, books, agent):
    QuotientFactory(
        household=books.household, value=700, valid_from=date(2026, 1, 1), valid_to=date(2026, 11, 11)
    )
    _given(books, agent, asked_at=TOLD_AT, answered_at=TOLD_AT)
    assert [one.quotient for one in facts()] == [700, None, 300]


def test_of_a_quotient_that_nobody_said_when_it_was_known_its_date_counts(facts, books):
    QuotientFactory(household=books.household, value=300, valid_from=SINCE)
    assert [one.quotient for one in facts()] == [None, 300, 300]


def test_a_quotient_corrected_stays_known_since_it_was_told(books, agent):
    for at in (paris(2026, 11, 12), TOLD_AT):
        _given(books, agent, asked_at=at, answered_at=at)
    assert FamilyQuotient.objects.get().known_on == SINCE


def _given(who: Any, agent: Any, *, asked_at: datetime, answered_at: datetime) -> None:
    change = ChangeRequestFactory(
        household=who.household, kind="quotient", quotient=300, valid_from=SINCE,
        street="", postcode="", city="",
    )  # fmt: skip
    type(change).objects.filter(pk=change.pk).update(requested_at=asked_at)
    approval.accept_change(change, by=agent, at=answered_at)
