"""Which deadline holds for whom."""

from datetime import date, time
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from portal.reservations.days.calendars import OpenDays
from portal.reservations.days.deadline_book import FREE, DeadlineBook, LateBook, LateTerms
from portal.reservations.deadlines.decisions import DEFAULT_POLICY, Standing
from portal.reservations.deadlines.rules import DaysBefore, Never, SameDay
from portal.reservations.models import ActivityDeadline, DeadlineRule
from portal.reservations.states import Action
from tests.factories import (
    ActivityDeadlineFactory,
    ActivityFactory,
    DeadlineRuleFactory,
    DeadlineWindowFactory,
    EstablishmentFactory,
    FormulaFactory,
    PeriodFactory,
    paris,
)

THURSDAY = date(2026, 11, 12)


def hours(book: DeadlineBook, formula_id: int | None) -> int:
    return book.policy(formula_id, Action.BOOK).rule.at.hour


def test_the_most_specific_row_counts(canteen) -> None:
    """Formula and period, then period, then formula, then the activity."""
    summer = PeriodFactory(activity=canteen.activity, school_year=canteen.period.school_year, code="ete")
    picnic = FormulaFactory(activity=canteen.activity, code="pique-nique")
    for hour, formula, period in ((11, picnic, None), (12, None, summer), (13, picnic, summer)):
        ActivityDeadlineFactory(
            activity=canteen.activity,
            action=Action.BOOK,
            formula=formula,
            period=period,
            rule=DeadlineRuleFactory(at=time(hour)),
        )
    usual = DeadlineBook.for_activity(canteen.activity, canteen.period)
    special = DeadlineBook.for_activity(canteen.activity, summer)
    assert [hours(usual, canteen.formula.pk), hours(usual, picnic.pk)] == [10, 11]
    assert [hours(special, canteen.formula.pk), hours(special, picnic.pk)] == [12, 13]


def test_without_a_rule_one_may_act_until_the_end_of_the_eve(db: None) -> None:
    assert DeadlineBook.for_activity(ActivityFactory()).policy(None, Action.BOOK) == DEFAULT_POLICY


def test_booking_and_cancelling_have_their_own_rule(canteen) -> None:
    ActivityDeadline.objects.filter(action=Action.CANCEL).update(
        rule=DeadlineRuleFactory(kind="never", number=None, at=None), late="request"
    )
    book = DeadlineBook.for_activity(canteen.activity, canteen.period)
    assert book.policy(canteen.formula.pk, Action.BOOK).rule == DaysBefore(2, time(10))
    assert book.policy(canteen.formula.pk, Action.CANCEL).rule == Never()
    assert book.policy(canteen.formula.pk, Action.CANCEL).late == "request"


def test_late_terms_come_with_the_row(canteen) -> None:
    ActivityDeadline.objects.filter(action=Action.BOOK).update(
        late="accept",
        last_moment=DeadlineRuleFactory(kind="same_day", number=None, at=time(9)),
        surcharge="add",
        surcharge_amount=Decimal("2.50"),
        free_late_a_month=2,
    )
    book = DeadlineBook.for_activity(canteen.activity, canteen.period)
    assert book.policy(None, Action.BOOK).last_moment == SameDay(time(9))
    assert book.late_terms(None, Action.BOOK) == LateTerms("add", Decimal("2.50"), 2)
    assert book.late_terms(None, Action.CANCEL) == FREE


def test_without_a_reservation_the_period_of_that_day_and_place_says_the_terms(canteen) -> None:
    """Of two, the one that began last; of a day outside all, the activity."""
    elsewhere = EstablishmentFactory()
    for amount, starts_on, place in (
        (1, 2, canteen.restaurant),
        (2, 9, canteen.restaurant),
        (3, 2, elsewhere),
    ):
        period = PeriodFactory(
            activity=canteen.activity, school_year=canteen.period.school_year, code=f"p{amount}",
            starts_on=date(2026, 11, starts_on), ends_on=date(2026, 11, 20),
        )  # fmt: skip
        period.establishments.set([place])
        ActivityDeadlineFactory(
            activity=canteen.activity, period=period, rule=canteen.rule, late="accept",
            surcharge="add", surcharge_amount=amount,
        )  # fmt: skip
    book = LateBook.load([canteen.activity.pk])

    def amount(day: int, place=None) -> Decimal | None:
        return book.terms(
            canteen.activity.pk, canteen.formula.pk, date(2026, 11, day),
            period=None, establishment=place and place.pk,
        ).amount  # fmt: skip

    assert [amount(6, canteen.restaurant), amount(12, canteen.restaurant), amount(12, elsewhere)] == [1, 2, 3]
    assert amount(23, elsewhere) is None
    assert amount(12) == 2


def test_the_period_opens_later_for_families_from_elsewhere(canteen) -> None:
    canteen.period.opens_at = paris(2026, 11, 2, 8)
    canteen.period.opens_at_non_residents = paris(2026, 11, 9, 8)
    book = DeadlineBook.for_activity(canteen.activity, canteen.period)
    days = OpenDays.load(canteen.activity, canteen.restaurant, THURSDAY, THURSDAY)
    at = paris(2026, 11, 5, 10)
    standings = [
        book.schedule(canteen.formula.pk, action, days, at, resident=resident).verdict(THURSDAY).standing
        for action, resident in ((Action.BOOK, True), (Action.BOOK, False), (Action.CANCEL, False))
    ]
    assert standings == [Standing.ON_TIME, Standing.EARLY, Standing.ON_TIME]


@pytest.mark.parametrize("rows", [1, 10])
def test_reading_the_rules_takes_two_queries(canteen, django_assert_num_queries, rows: int) -> None:
    for index in range(rows):
        rule = DeadlineRuleFactory(kind="windows", number=None, at=None)
        DeadlineWindowFactory(rule=rule)
        formula = FormulaFactory(activity=canteen.activity, code=f"f{index}")
        ActivityDeadlineFactory(activity=canteen.activity, action=Action.BOOK, formula=formula, rule=rule)
    with django_assert_num_queries(2):
        book = DeadlineBook.for_activity(canteen.activity, canteen.period)
        for row in ActivityDeadline.Late:
            book.policy(None, Action.BOOK, resident=row == "refuse")


# Rows an agent fills in -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"kind": "days_before"}, "number", "Indiquez combien de jours avant."),
        ({"kind": "hours_before"}, "number", "Indiquez combien d'heures avant."),
        ({"kind": "week_before"}, "weekday", "Choisissez le jour limite de la semaine."),
        ({"kind": "weekday_table"}, "table", "Remplissez au moins une ligne du tableau."),
        (
            {"kind": "weekday_table", "table": {"9": [1, None]}},
            "table",
            "Une ligne du tableau n'est pas lisible.",
        ),
        ({"kind": "same_day"}, "at", "Indiquez l'heure limite du jour même."),
        ({"kind": "month_day"}, "month_day", "Indiquez le jour limite du mois précédent."),
        ({"kind": "clear_days"}, "number", "Indiquez le nombre de jours francs."),
        ({"kind": "days_before", "number": 400}, "number", "C'est plus d'un an avant : 366 au plus."),
        (
            {"kind": "days_before", "number": 2, "skip_weekends": True, "skip_weekdays": 0b11111},
            "skip_weekdays",
            "Aucun jour ne serait compté : laissez-en au moins un.",
        ),
        (
            {"kind": "weekday_table", "table": {"1": [3, None]}, "holiday_monday_table": {"0": [3, None]}},
            "holiday_monday_table",
            "Quand le lundi est férié, on ne réserve pas ce lundi : videz sa ligne.",
        ),
    ],
)
def test_a_rule_that_lacks_something_says_it_at_the_field(
    db: None, fields: dict, field: str, sentence: str
) -> None:
    row = DeadlineRule(name="Incomplète", **fields)
    with pytest.raises(ValidationError) as refused:
        row.full_clean()
    assert refused.value.message_dict[field] == [sentence]
    assert row.rule() == Never()
    assert row.sentence == "Règle incomplète."


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"late": "refuse", "surcharge": "add", "surcharge_amount": 1}, "surcharge"),
        ({"late": "accept", "surcharge": "add"}, "surcharge_amount"),
        ({"late": "accept", "free_late_a_month": 2}, "free_late_a_month"),
    ],
)
def test_late_terms_that_contradict_each_other_are_refused(canteen, fields: dict, field: str) -> None:
    row = ActivityDeadline(activity=canteen.activity, action=Action.BOOK, rule=canteen.rule, **fields)
    with pytest.raises(ValidationError) as refused:
        row.full_clean()
    assert field in refused.value.message_dict


def test_a_deadline_only_names_formulas_of_its_activity(canteen) -> None:
    elsewhere = FormulaFactory()
    row = ActivityDeadline(activity=canteen.activity, action="book", rule=canteen.rule, formula=elsewhere)
    with pytest.raises(ValidationError, match="Choisissez-en une de cette activité"):
        row.full_clean()
