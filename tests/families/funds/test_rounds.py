"""Quotients of many households: asked for once each, looked at, then written as dated rows."""

from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from families.funds import consents, rounds
from families.models import CivilIdentity, FamilyQuotient, QuotientAnswer, QuotientConsent, QuotientRound
from families.privacy import erasing
from tests.conftest import NOW
from tests.families.funds.conftest import agreed, identity

pytestmark = pytest.mark.django_db

TODAY = NOW.date()
END = date(2027, 1, 31)
State = QuotientAnswer.State


def begun(*families, by, **changed):
    given = {"whom": "essai", "valid_from": TODAY, "valid_to": END, "by": by, "at": NOW}
    return rounds.begin([one.household.pk for one in families], **(given | changed))


def asked(round_):
    """Asks to the end, however often it wants to wait."""
    for _ in range(20):
        if rounds.ask_some(round_.pk, at=NOW) is None:
            break
    return {one.household_id: one for one in round_.answers.all()}


def written(round_, answers, by):
    with transaction.atomic():
        return rounds.keep(round_, [one.pk for one in answers], by=by, at=NOW)


def test_what_comes_is_beside_what_was_and_written_once_looked_at(books, waits, stranger, agent, particulier):
    FamilyQuotient.objects.create(household=waits.household, value=700, valid_from=date(2026, 1, 1))
    for family in (books, waits, stranger):
        agreed(family)
    particulier.known = {"Roux": 450, "Petit": 640}
    made = begun(books, waits, stranger, by=agent)
    found = asked(made)
    one, two, three = (found[family.household.pk] for family in (books, waits, stranger))
    assert (one.state, one.before, one.value, one.fund, one.chosen) == (State.NEW, None, 450, "CAF", True)
    assert (two.state, two.before, two.value, two.chosen) == (State.CHANGED, 700, 640, True)
    assert (three.state, three.value, three.code, three.chosen) == (State.FAILED, None, "23003", False)
    assert FamilyQuotient.objects.count() == 1
    assert written(made, [one, two, three], agent) == 2
    quotients = [
        (row.value, row.valid_from, row.valid_to, row.known_on)
        for row in FamilyQuotient.objects.order_by("household", "valid_from")
    ]
    assert quotients == [
        (Decimal(450), TODAY, END, TODAY),
        (Decimal(700), date(2026, 1, 1), TODAY - timedelta(days=1), None),
        (Decimal(640), TODAY, END, TODAY),
    ]
    made.refresh_from_db()
    assert made.written_at is not None
    with pytest.raises(rounds.RoundRefused, match="déjà enregistrés"):
        written(made, [one], agent)


def test_only_who_agreed_is_asked_for(books, waits, agent, particulier):
    agreed(books)
    made = begun(books, waits, by=agent)
    assert [one.household_id for one in made.answers.all()] == [books.household.pk]
    with pytest.raises(rounds.RoundRefused, match="n'a donné son accord"):
        begun(waits, by=agent)


def test_a_consent_that_ends_meanwhile_is_not_asked_with(books, agent, particulier):
    consent = agreed(books)
    made = begun(books, by=agent)
    assert consents.end(consent, by=books.user, at=NOW)
    assert not CivilIdentity.objects.exists()
    (answer,) = asked(made).values()
    assert (answer.state, answer.why, particulier.asked) == (State.FAILED, rounds.ENDED, [])
    assert not consents.end(consent, by=books.user, at=NOW)
    trace = QuotientConsent.objects.get()
    assert (trace.words, trace.ended_by_name) == (consents.WORDS, "Camille Roux") or trace.ended_by_name


def test_what_came_before_a_consent_ended_is_not_written_after(books, waits, agent, particulier, monkeypatch):
    first, second = agreed(books), agreed(waits)
    particulier.known = {"Roux": 450, "Petit": 640}
    made = begun(books, waits, by=agent)
    answers = list(asked(made).values())
    assert consents.end(first, by=books.user, at=NOW)
    monkeypatch.setattr(rounds, "write_quotients", SimpleNamespace(enqueue=lambda key: None))
    assert written(made, answers, agent) == 1
    assert consents.end(second, by=waits.user, at=NOW)
    assert not rounds.write_some(made.pk, at=NOW)
    assert not FamilyQuotient.objects.exists()
    line = made.answers.get(household=waits.household)
    assert (line.written_at, line.chosen, line.why) == (None, False, rounds.ENDED)
    made.refresh_from_db()
    assert made.written_at is not None


def test_the_same_quotient_is_proposed_only_where_it_would_end(books, waits, agent, particulier):
    for family, last in ((books, None), (waits, TODAY + timedelta(days=20))):
        agreed(family)
        FamilyQuotient.objects.create(
            household=family.household, value=500, valid_from=date(2026, 1, 1), valid_to=last
        )
    particulier.known = {"Roux": 500, "Petit": 500}
    found = asked(begun(books, waits, by=agent))
    assert [(one.state, one.chosen) for _, one in sorted(found.items())] == [
        (State.SAME, False),
        (State.SAME, True),
    ]


def test_a_service_that_is_down_is_asked_again_later_some_times(books, waits, agent, particulier):
    for family in (books, waits):
        agreed(family)
    particulier.known, particulier.fault = {"Roux": 450, "Petit": 640}, "down"
    made = begun(books, waits, by=agent)
    assert rounds.ask_some(made.pk, at=NOW) == rounds.WAIT.total_seconds()
    assert {one.state for one in made.answers.all()} == {State.WAITS}
    particulier.fault = ""
    assert rounds.ask_some(made.pk, at=NOW) is None
    assert {one.state for one in made.answers.all()} == {State.NEW}
    particulier.fault = "down"
    again = begun(books, by=agent)
    assert [rounds.ask_some(again.pk, at=NOW) for _ in range(3)] == [600, 600, None]
    (answer,) = again.answers.all()
    assert (answer.state, answer.tries) == (State.FAILED, rounds.TRIES)


def test_it_waits_as_long_as_the_service_says(books, agent, particulier):
    agreed(books)
    particulier.refusals, particulier.headers = {"Roux": (429, "00429")}, {"Retry-After": "7"}
    made = begun(books, by=agent)
    assert rounds.ask_some(made.pk, at=NOW) == 7
    assert rounds.ask_some(made.pk, at=NOW + timedelta(days=2)) is None
    made.refresh_from_db()
    assert made.stopped


def test_a_key_that_is_refused_ends_the_round(books, waits, agent, particulier):
    for family in (books, waits):
        agreed(family)
    particulier.refusals = {"Roux": (401, "00103")}
    made = begun(books, waits, by=agent)
    found = asked(made)
    made.refresh_from_db()
    assert "a expiré" in made.stopped
    assert {one.why for one in found.values()} == {rounds.STOPPED}
    assert particulier.asked == ["Roux"]


def test_children_that_the_fund_does_not_know_are_said_by_our_names_alone(books, agent, particulier):
    agreed(books)
    particulier.known = {"Roux": 450}
    particulier.children = [{"prenoms": "INCONNUE", "date_naissance": "2019-01-01"}]
    (answer,) = asked(begun(books, by=agent)).values()
    assert books.child.first_name in answer.said
    assert "1 autre enfant" in answer.said and "INCONNUE" not in answer.said


def test_one_s_own_household_is_a_colleague_s(books, agent, regie, particulier):
    agreed(books)
    particulier.known = {"Roux": 450}
    made = begun(books, by=agent)
    found = asked(made)
    books.household.guardians.update(user=agent)
    assert written(made, found.values(), agent) == 0
    assert not FamilyQuotient.objects.exists()


def test_an_identity_is_one_s_own(books, particulier):
    adult = books.household.guardians.get(user=books.user)
    for wrong in ({"birth_name": "Durand"}, {"first_names": ("Alix",)}):
        with pytest.raises(consents.ConsentRefused):
            consents.give(adult, identity(books, **wrong), by=books.user, at=NOW)
    married = identity(books, birth_name="Durand", used_name="ROUX", first_names=("Anne", "CAMILLE"))
    consent = consents.give(adult, married, by=books.user, at=NOW)
    assert consents.identity(consent) == married
    assert consents.identity(consents.give(adult, identity(books), by=books.user, at=NOW)) == identity(books)
    assert (QuotientConsent.objects.standing().count(), CivilIdentity.objects.count()) == (1, 1)


def test_what_was_given_is_encrypted(books):
    agreed(books)
    with connection.cursor() as cursor:
        cursor.execute("SELECT birth_name, first_names, birth_date, town FROM families_civilidentity")
        assert not {"Roux", "Camille", "1989-12-03", "Rennes"} & set(cursor.fetchone())


def test_an_erased_household_leaves_nothing_of_it(books, agent, chief, particulier):
    consent = agreed(books)
    particulier.known = {"Roux": 450}
    asked(rounds.begin_for_family(consent, by=books.user, at=NOW))
    erasing.erase(erasing.household_leaving(books.household), why="demande", by=chief, at=NOW)
    for model in (QuotientConsent, CivilIdentity, QuotientAnswer, QuotientRound):
        assert not model.objects.exists()


def test_a_round_costs_the_same_number_of_queries_a_household(books, waits, stranger, agent, particulier):
    for family in (books, waits, stranger):
        agreed(family)
    particulier.known = {"Roux": 450, "Petit": 640, "Morel": 640}
    with CaptureQueriesContext(connection) as few:
        begun(books, by=agent)
    with CaptureQueriesContext(connection) as more:
        begun(books, waits, stranger, by=agent)
    assert len(few) == len(more)


@pytest.mark.parametrize(
    ("day", "last"),
    [
        (date(2026, 11, 30), date(2027, 1, 31)),
        (date(2027, 1, 31), date(2027, 1, 31)),
        (date(2027, 2, 1), date(2028, 1, 31)),
    ],
)
def test_a_quotient_is_proposed_until_the_end_of_january(day, last):
    assert rounds.usual_end(day) == last


def test_those_whose_quotient_ends_are_found(books, waits, stranger):
    FamilyQuotient.objects.create(household=waits.household, value=1, valid_from=date(2026, 1, 1))
    FamilyQuotient.objects.create(
        household=stranger.household, value=1, valid_from=date(2026, 1, 1), valid_to=TODAY
    )
    homes = type(books.household).objects.all()
    ending = rounds.ending(homes, until=TODAY + timedelta(days=28))
    assert set(ending) == {books.household, stranger.household}
