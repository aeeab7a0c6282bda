"""How many days one takes: asked by whatever books, changes, cancels or gives days back, and passed over by
the town hall with a reason."""

from datetime import date, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.reservations.acts import booking, enrolling, lots, reservation_drafts
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.acts.overriding import Overrides
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import Booking, Closure, DayRule, Enrolment, Reservation, Slot
from portal.reservations.states import LotVerb, Override
from tests.conftest import brother_of, other_home_of
from tests.factories import FormulaFactory, SchoolClassFactory, SchoolingFactory
from tests.portal.reservations.audit import (
    FRIDAY,
    MONDAY,
    THURSDAY,
    TUESDAY,
    audit,
    choices,
    draft,
    give_up,
    outcomes,
    reserve,
    states,
)

WEDNESDAY = date(2026, 11, 18)
NEXT = timedelta(days=7)
WHY = "La mère est hospitalisée."


@pytest.fixture
def three(canteen):
    """At least three days a week, two with a public holiday."""
    return DayRule.objects.create(activity=canteen.activity, least=3, least_with_holiday=2)


@pytest.fixture
def act(agent, books, canteen, now):
    def record(*days, cancel=False, **overrides):
        ticks = {"book": [], "cancel" if cancel else "book": choices(canteen, days)}
        made = reservation_drafts.choose(
            books.enrolment, canteen.restaurant, canteen.period, **ticks, by=agent, at=now, at_desk=True
        )
        reasons = {Override(name): reason for name, reason in overrides.items()}
        return booking.submit(made, by=agent, at=now, overrides=Overrides(reasons))

    return record


def test_too_few_days_of_a_week_are_refused_and_nothing_is_written(books, canteen, three, now):
    with pytest.raises(BookingRefused) as refused:
        reserve(books, canteen, MONDAY, TUESDAY, MONDAY + NEXT, TUESDAY + NEXT, FRIDAY + NEXT, at=now)
    assert str(refused.value) == "Semaine du 16 novembre : 2 jours, il en faut 3."
    assert not Booking.objects.exists() and Reservation.objects.get().is_draft
    audit()


def test_enough_days_are_booked_and_one_may_be_added(books, canteen, three, now):
    reserve(books, canteen, MONDAY, TUESDAY, FRIDAY, at=now)
    reserve(books, canteen, THURSDAY, at=now)
    assert states(books, MONDAY, TUESDAY, THURSDAY, FRIDAY) == ["accepted"] * 4


def test_with_a_public_holiday_two_do(books, canteen, three, now):
    """Wednesday 11 is one: of its week Thursday and Friday can still be had."""
    reserve(books, canteen, date(2026, 11, 12), date(2026, 11, 13), at=now)
    assert Booking.objects.count() == 2


def test_the_whole_week_may_be_cancelled_but_no_part_of_it(books, canteen, three, now):
    reserve(books, canteen, MONDAY, TUESDAY, FRIDAY, at=now)
    with pytest.raises(BookingRefused, match="Gardez-les, ou annulez la semaine entière"):
        give_up(books, canteen, FRIDAY, at=now)
    assert states(books, FRIDAY) == ["accepted"]
    give_up(books, canteen, MONDAY, TUESDAY, FRIDAY, at=now)
    assert states(books, MONDAY, TUESDAY, FRIDAY) == ["cancelled"] * 3


def test_a_day_is_taken_for_another_in_one_reservation(books, canteen, three, now):
    reserve(books, canteen, MONDAY, TUESDAY, FRIDAY, at=now)
    made = draft(books, canteen, at=now, book=choices(canteen, [THURSDAY]), cancel=choices(canteen, [FRIDAY]))
    booking.submit(made, by=books.user, at=now)
    assert states(books, THURSDAY, FRIDAY) == ["accepted", "cancelled"]


def test_what_waits_for_a_place_counts_as_asked(books, canteen, three, shut, now):
    shut(FRIDAY, 0)
    made = draft(
        books, canteen, at=now, book=choices(canteen, [MONDAY, TUESDAY]), wait=choices(canteen, [FRIDAY])
    )
    booking.submit(made, by=books.user, at=now)
    assert states(books, FRIDAY) == ["waitlisted"]


def test_a_closure_by_the_town_makes_nobody_short(books, canteen, three, now):
    reserve(books, canteen, MONDAY, TUESDAY, FRIDAY, at=now)
    closure = Closure.objects.create(
        establishment=canteen.restaurant, starts_on=MONDAY, ends_on=MONDAY, why="strike"
    )
    booking.withdraw(Booking.objects.filter(day=MONDAY), by=None, at=now)
    made = draft(books, canteen, at=now, book=choices(canteen, [THURSDAY]), cancel=choices(canteen, [FRIDAY]))
    booking.submit(made, by=books.user, at=now)
    assert states(books, TUESDAY, THURSDAY, FRIDAY) == ["accepted", "accepted", "cancelled"]
    assert closure.pk


def test_brothers_and_sisters_are_counted_each(books, canteen, three, now):
    brother = brother_of(books, "Gabriel")
    reserve(books, canteen, MONDAY, TUESDAY, FRIDAY, at=now)
    made = reservation_drafts.choose(
        brother, canteen.restaurant, canteen.period, book=choices(canteen, [MONDAY]), by=books.user, at=now
    )
    with pytest.raises(BookingRefused, match="il en faut 3"):
        booking.submit(made, by=books.user, at=now)


def test_both_homes_of_a_child_count_together(books, canteen, three, now):
    other = other_home_of(books)
    reserve(books, canteen, MONDAY, TUESDAY, FRIDAY, at=now)
    reserve(other, canteen, THURSDAY, at=now)
    assert states(books, THURSDAY) == ["accepted"]


def test_the_town_hall_passes_over_with_a_reason_that_the_family_reads(act, books, three):
    with pytest.raises(BookingRefused, match="il en faut 3"):
        act(MONDAY)
    made = act(MONDAY, days=WHY)
    assert outcomes(made) == ["accepted"]
    assert made.lines.get().reason == made.desk_reason == "Nombre de jours : La mère est hospitalisée."
    audit()


def test_what_needs_nothing_passed_over_says_nothing(act, three):
    assert act(MONDAY, TUESDAY, FRIDAY, days=WHY).desk_reason == ""


def test_a_maximum_counts_what_stands(books, canteen, now):
    DayRule.objects.create(activity=canteen.activity, most=2)
    reserve(books, canteen, MONDAY, TUESDAY, at=now)
    with pytest.raises(BookingRefused, match="Semaine du 16 novembre : 3 jours, 2 au plus"):
        reserve(books, canteen, FRIDAY, at=now)
    give_up(books, canteen, MONDAY, at=now)
    reserve(books, canteen, FRIDAY, at=now)
    assert states(books, MONDAY, TUESDAY, FRIDAY) == ["cancelled", "accepted", "accepted"]


def test_a_day_given_back_does_not_pass_the_maximum(books, canteen, agent, now):
    DayRule.objects.create(activity=canteen.activity, most=2)
    reserve(books, canteen, MONDAY, TUESDAY, at=now)
    give_up(books, canteen, MONDAY, at=now)
    reserve(books, canteen, FRIDAY, at=now)
    monday = Booking.objects.filter(day=MONDAY)
    with pytest.raises(BookingRefused, match="3 jours, 2 au plus"):
        booking.restore(monday, reason="Annulé par erreur.", by=agent, at=now)
    booking.restore(
        monday, reason="Annulé par erreur.", by=agent, at=now, passing_over=[Override.DAYS, Override.DEADLINE]
    )
    assert states(books, MONDAY) == ["accepted"]
    assert "Nombre de jours" in Booking.objects.get(day=MONDAY).events.latest("pk").reason
    audit()


def test_a_rule_of_a_formula_counts_that_formula(books, canteen, now):
    """Two fixed days under a half flat: « demi-forfait pris 4 jours dans la semaine : refusé »."""
    half = FormulaFactory(activity=canteen.activity, code="demi", name="Demi-forfait")
    DayRule.objects.create(activity=canteen.activity, kind="fixed", per="month", most=2, formula=half)

    def take(formula, *days):
        made = draft(books, canteen, at=now, book=choices(canteen, days, [formula]))
        return booking.submit(made, by=books.user, at=now)

    with pytest.raises(BookingRefused, match="Demi-forfait, novembre 2026 : 2 jours fixes par semaine"):
        take(half, MONDAY, TUESDAY, THURSDAY, FRIDAY)
    take(half, MONDAY, THURSDAY)
    with pytest.raises(BookingRefused, match="pas lundi, mardi et jeudi"):
        take(half, TUESDAY + NEXT)
    take(half, MONDAY + NEXT, THURSDAY + NEXT)
    take(canteen.formula, TUESDAY)
    assert Booking.objects.count() == 5


def test_a_change_of_formula_is_asked_too(books, canteen, now):
    half = FormulaFactory(activity=canteen.activity, code="demi", name="Demi-forfait")
    DayRule.objects.create(activity=canteen.activity, kind="count", most=1, formula=half)
    made = draft(books, canteen, at=now, book=choices(canteen, [MONDAY], [half]))
    booking.submit(made, by=books.user, at=now)
    reserve(books, canteen, TUESDAY, at=now)
    tuesday = Booking.objects.get(day=TUESDAY)
    (foreseen,) = booking.foresee_change(tuesday, [half], at=now)
    assert (foreseen.outcome, foreseen.reason) == (
        "refused",
        "Demi-forfait, semaine du 16 novembre : 2 jours, 1 au plus.",
    )
    with pytest.raises(BookingRefused, match="1 au plus"):
        booking.change(tuesday, half, by=books.user, at=now)
    assert states(books, TUESDAY) == ["accepted"]


def test_whole_weeks(books, canteen, now):
    DayRule.objects.create(activity=canteen.activity, kind="whole")
    with pytest.raises(BookingRefused, match="Il manque : mercredi 18 novembre et vendredi 20 novembre"):
        reserve(books, canteen, MONDAY, TUESDAY, THURSDAY, at=now)
    reserve(books, canteen, MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, at=now)
    assert Booking.objects.count() == 5


def test_whole_weeks_begin_with_the_enrolment(books, canteen, now):
    DayRule.objects.create(activity=canteen.activity, kind="whole")
    Enrolment.objects.update(starts_on=THURSDAY)
    books.enrolment.refresh_from_db()
    reserve(books, canteen, THURSDAY, FRIDAY, at=now)
    assert Booking.objects.count() == 2


def test_no_addition_to_the_usual_days(books, canteen, now):
    DayRule.objects.create(activity=canteen.activity, kind="usual")
    Enrolment.objects.update(weekdays=0b01001)
    books.enrolment.refresh_from_db()
    reserve(books, canteen, MONDAY, THURSDAY, at=now)
    with pytest.raises(BookingRefused, match="seuls les jours habituels"):
        reserve(books, canteen, FRIDAY, at=now)


def test_a_rule_of_a_level_or_of_dates_is_for_those_alone(books, waits, canteen, school, year, now):
    nursery = SchoolClassFactory(school=school, school_year=year, name="GS", level="maternelle")
    waits.child.schoolings.all().delete()
    SchoolingFactory(child=waits.child, school_class=nursery)
    DayRule.objects.create(activity=canteen.activity, least=3, level="maternelle")
    DayRule.objects.create(activity=canteen.activity, least=2, valid_from=MONDAY + NEXT)
    reserve(books, canteen, MONDAY, at=now)
    for who, days, needed in ((waits, [MONDAY], 3), (books, [MONDAY + NEXT], 2)):
        with pytest.raises(BookingRefused, match=f"il en faut {needed}"):
            reserve(who, canteen, *days, at=now)


# Many children --------------------------------------------------------------------------------------------


def lot(by, canteen, now, verb, days, whose, over=()):
    planned = lots.plan([one.enrolment for one in whose], verb, canteen.formula, days)
    reasons = dict.fromkeys(over, WHY)
    lots.foresee(planned, by=by, at=now, overrides=Overrides(reasons), waits=False)
    foreseen = [(one.became, one.why) for one in planned.wishes]
    made = lots.begin(
        planned, whom="tous", reason=WHY, overrides=Overrides(reasons), waits=False, tell=True, by=by, at=now
    )
    while lots.go_on(made.pk, at=now):
        pass
    audit()
    found = [(one.enrolment.child.first_name, one.day, one.became, one.why) for one in made.days.all()]
    assert [line[2:] for line in found] == foreseen, "as it was foreseen"
    return found


def test_a_lot_leaves_whom_it_would_leave_short(books, waits, canteen, three, agent, now):
    reserve(books, canteen, TUESDAY, THURSDAY, FRIDAY, at=now)
    found = lot(agent, canteen, now, LotVerb.BOOK, [MONDAY], [books, waits])
    assert found == [
        (books.child.first_name, MONDAY, "done", ""),
        (waits.child.first_name, MONDAY, "left", "Semaine du 16 novembre : 1 jour, il en faut 3."),
    ]


def test_a_place_that_nobody_may_take_alone_goes_to_the_next(books, waits, canteen, three, shut, agent, now):
    shut(MONDAY, 1)
    reserve(waits, canteen, TUESDAY, THURSDAY, FRIDAY, at=now)
    found = lot(agent, canteen, now, LotVerb.BOOK, [MONDAY], [books, waits])
    assert [became for _, _, became, _ in found] == ["left", "done"]


def test_a_lot_passes_over_for_its_reason(waits, canteen, three, agent, now):
    (found,) = lot(agent, canteen, now, LotVerb.BOOK, [MONDAY], [waits], over=[Override.DAYS])
    assert found[2] == "done"
    assert Booking.objects.get().events.get().reason == "Nombre de jours : La mère est hospitalisée."


# What it costs --------------------------------------------------------------------------------------------


def test_without_a_rule_nothing_more_is_asked(books, canteen, now):
    """And with one, two queries; whatever the days."""
    reserve(books, canteen, MONDAY, at=now)

    def cost(*days):
        made = draft(books, canteen, at=now, book=choices(canteen, days))
        with CaptureQueriesContext(
            connection,
        ) as asked:
            booking.submit(made, by=books.user, at=now)
        return [one["sql"] for one in asked if "dayrule" in one["sql"] and "school_year_id" not in one["sql"]]

    without = len(cost(TUESDAY))
    DayRule.objects.create(activity=canteen.activity, least=1)
    assert len(cost(THURSDAY)) - without == 1
    assert len(cost(FRIDAY, MONDAY + NEXT, TUESDAY + NEXT)) - without == 1


# Usual days -----------------------------------------------------------------------------------------------


def test_usual_days_are_as_many_as_one_takes(books, canteen, three, now):
    given = {"establishment": canteen.restaurant, "starts_on": books.enrolment.starts_on, "at": now}
    with pytest.raises(EnrolmentRefused, match="Vous en cochez 2"):
        enrolling.change(books.enrolment, weekdays=0b00011, **given)
    enrolling.change(books.enrolment, weekdays=0b00111, **given)
    enrolling.change(books.enrolment, weekdays=0, **given)


# What is typed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"kind": "count"}, "Indiquez un minimum, un maximum, ou les deux."),
        ({"kind": "fixed"}, "Indiquez combien de jours fixes par semaine."),
        ({"least": 4, "most": 2}, "Le minimum dépasse le maximum."),
        ({"least": 2, "least_with_holiday": 3}, "Avec un jour férié, on ne demande pas plus"),
        ({"least": 8}, "Une semaine n'a que 7 jours."),
        ({"most": 2}, "Ces deux règles se contredisent"),
        ({"kind": "whole", "valid_from": FRIDAY, "valid_to": MONDAY}, "La règle doit finir après"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_its_sentence(canteen, three, row, sentence):
    with pytest.raises(ValidationError, match=sentence):
        DayRule(activity=canteen.activity, **row).full_clean()


def test_slots_stay_as_they_were(books, canteen, three, now):
    with pytest.raises(BookingRefused):
        reserve(books, canteen, MONDAY, at=now)
    assert not Slot.objects.filter(taken__gt=0).exists()
