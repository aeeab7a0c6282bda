"""What a decision about arrears asks for beforehand, and what it stops."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rules.arrears import Beforehand, Decided, Owed, Stops, ground, refusal

D = Decimal
TODAY = date(2026, 11, 9)
RULE = Beforehand(reminders=2, days=15, amount=D(15))
LONG_AGO = date(2026, 10, 20)


def owed(left="84.20", reminders=2, reminded_on=LONG_AGO):
    return Owed("F2026-000001", D(left), reminders, reminded_on)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "Ce foyer n'a aucune facture en retard."),
        ([owed(left="0")], "Ce foyer n'a aucune facture en retard."),
        (
            [owed(reminders=0, reminded_on=None)],
            "Une décision demande 2 relances restées sans paiement : aucune n'est partie.",
        ),
        ([owed(reminders=1)], "Une décision demande 2 relances restées sans paiement : 1 est partie."),
        (
            [owed(reminded_on=date(2026, 11, 1))],
            "La dernière relance est du 01/11/2026 : une décision est possible à partir du 16/11/2026.",
        ),
        (
            [owed(left="14.99")],
            "Il reste 14,99 € à payer après relances : une décision demande au moins 15,00 €.",
        ),
        ([owed(left="15")], ""),
        ([owed(left="8"), owed(left="7")], ""),
        ([owed(left="14"), owed(left="90", reminders=1)], "Il reste 14,00 €"),
    ],
)
def test_nobody_decides_before_reminders_days_and_an_amount(rows, said):
    found = refusal(rows, RULE, TODAY).replace("\xa0", " ")
    assert found.startswith(said) if said else found == ""


def test_the_day_itself_is_long_enough():
    assert refusal([owed(reminded_on=TODAY - timedelta(days=15))], RULE, TODAY) == ""
    assert refusal([owed(reminded_on=TODAY - timedelta(days=14))], RULE, TODAY)


def test_without_any_reminder_there_is_no_decision_whatever_the_town_says():
    assert refusal([owed(reminders=0, reminded_on=None)], Beforehand(0, 0, D(0)), TODAY)
    assert ground([owed(reminders=0, reminded_on=None)], Beforehand(0, 0, D(0)), TODAY) == []


@given(
    st.integers(0, 3),
    st.integers(0, 60),
    st.integers(1, 3),
    st.integers(0, 60),
    st.decimals(0, 100, places=2),
)
def test_more_reminders_or_more_days_never_take_a_decision_away(sent, ago, asked, days, amount):
    rule = Beforehand(asked, days, D(15))
    rows = [Owed("F1", amount, sent, TODAY - timedelta(days=ago) if sent else None)]
    if refusal(rows, rule, TODAY) == "":
        more = [Owed("F1", amount, sent + 1, TODAY - timedelta(days=ago + 1))]
        assert refusal(more, rule, TODAY) == ""
        assert sent >= asked and ago >= days and amount >= 15


CANTEEN, WEDNESDAYS = 1, 2
THIS, NEXT = 2026, 2027


def stops(stop, *, enrols=False, activity=WEDNESDAYS, year=THIS, today=TODAY, until=None, school_year=None):
    decided = Decided(stop, frozenset({WEDNESDAYS}), date(2026, 11, 1), until, school_year)
    return decided.stopped(activity=activity, school_year=year, enrols=enrols, today=today)


def test_days_are_stopped_for_the_activities_named_and_no_others():
    assert stops(Stops.DAYS)
    assert not stops(Stops.DAYS, activity=CANTEEN)
    assert not stops(Stops.DAYS, enrols=True), "an enrolment books no day"
    assert stops(Stops.LATE)


def test_an_enrolment_is_stopped_for_the_year_named_and_no_other():
    assert stops(Stops.YEAR, enrols=True, year=NEXT, school_year=NEXT)
    assert not stops(Stops.YEAR, enrols=True, year=THIS, school_year=NEXT)
    assert not stops(Stops.YEAR, year=NEXT, school_year=NEXT), "what is enrolled books its days"


def test_it_holds_from_its_first_day_to_its_last():
    assert not stops(Stops.DAYS, today=date(2026, 10, 31))
    assert stops(Stops.DAYS, today=date(2026, 12, 31), until=date(2026, 12, 31))
    assert not stops(Stops.DAYS, today=date(2027, 1, 1), until=date(2026, 12, 31))
