"""« Préparer l'année »: everybody a class up, what is copied, what stays as it was, the way back."""

from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import FormulaTariff, Tariff, TariffBand
from families.custody.own import OwnHousehold
from families.models import Child
from portal.database.trials import Tried, trying
from portal.reservations.acts import enrolling, going_up, next_year, trials
from portal.reservations.acts.going_up import Goes
from portal.reservations.acts.next_year import Room, TurnRefused, Way
from portal.reservations.acts.trials import TrialChild, Wanted
from portal.reservations.models import (
    ActivityDeadline,
    Audience,
    Booking,
    Campaign,
    DeadlineWindow,
    Enrolment,
    NextPupil,
    Period,
    PeriodOpening,
    SchoolClass,
    Schooling,
    SchoolYear,
    Slot,
    YearTurn,
)
from portal.reservations.states import EnrolmentState
from tests.conftest import NOW, THURSDAY
from tests.factories import (
    CampaignFactory,
    CentreFactory,
    ChildFactory,
    DeadlineWindowFactory,
    EnrolmentFactory,
    GuardianFactory,
    PeriodFactory,
    PublicHolidayFactory,
    ReservationFactory,
    SchoolClassFactory,
    SchoolFactory,
    SchoolHolidayFactory,
    SchoolingFactory,
    SchoolYearFactory,
    UserFactory,
    paris,
)
from tests.portal.reservations.audit import reserve

# Of a child of each grade, the year of its birth: « petite section » in the year of one's three years.
BORN = {
    "TPS": 2024,
    "PS": 2023,
    "MS": 2022,
    "GS": 2021,
    "CP": 2020,
    "CE1": 2019,
    "CE2": 2018,
    "CM1": 2017,
    "CM2": 2016,
}


@pytest.fixture
def manager(now, db):
    user = UserFactory(username="responsable", is_staff=True)
    user.groups.add(*(Group.objects.get_or_create(name=name)[0] for name in ("Agent", "Responsable")))
    return user


@pytest.fixture
def pupils(now, town, year) -> SimpleNamespace:
    """A school of its own classes, single and mixed, with a child of each grade: from « TPS » to « CM2 »."""
    school = SchoolFactory(code="moulin", name="École du Moulin")
    classes, children = {}, {}
    for name, level, grades in (
        ("TPS-PS", "maternelle", ["TPS", "PS"]),
        ("MS-GS", "maternelle", ["MS", "GS"]),
        ("CP", "elementaire", ["CP"]),
        ("CE1-CE2", "elementaire", ["CE1", "CE2"]),
        ("CM1", "elementaire", ["CM1"]),
        ("CM2", "elementaire", ["CM2"]),
    ):
        classes[name] = SchoolClassFactory(school=school, school_year=year, name=name, level=level)
        for grade in grades:
            children[grade] = ChildFactory(first_name=grade, birth_date=date(BORN[grade], 5, 4))
            SchoolingFactory(child=children[grade], school_class=classes[name])
    return SimpleNamespace(school=school, classes=classes, children=children)


@pytest.fixture
def turned(manager, year):
    """Begins the preparation of the next year."""

    def begin() -> YearTurn:
        return next_year.begin(year, next_year.proposed(year), by=manager, at=NOW)

    return begin


def carry_out(turn: YearTurn, manager) -> next_year.Done:
    return next_year.carry_out(turn, by=manager, at=NOW)


def classes_then() -> dict[str, str]:
    """By first name, the class of 2027-2028."""
    rows = Schooling.objects.filter(school_year__name="2027-2028").select_related("child", "school_class")
    return {one.child.first_name: one.school_class.name for one in rows}


def all_rows(*models: Any) -> dict[str, list[Any]]:
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


EVERYTHING = (
    SchoolYear,
    SchoolClass,
    Schooling,
    Period,
    Slot,
    ActivityDeadline,
    DeadlineWindow,
    Campaign,
    Tariff,
    TariffBand,
    FormulaTariff,
    Enrolment,
    Booking,
)


# Children -----------------------------------------------------------------------------------------------


def test_every_child_goes_a_class_up_and_mixed_classes_keep_both_levels(pupils, turned, manager):
    done = carry_out(turned(), manager)
    assert classes_then() == {
        "TPS": "TPS-PS",
        "PS": "MS-GS",
        "MS": "MS-GS",
        "GS": "CP",
        "CP": "CE1-CE2",
        "CE1": "CE1-CE2",
        "CE2": "CM1",
        "CM1": "CM2",
    }
    left = NextPupil.objects.get(child=pupils.children["CM2"])
    assert (left.goes, left.schooling, done.children) == (Goes.LEAVES, None, 8)


def test_the_past_stays_as_it_was_and_the_next_class_is_a_new_row(pupils, turned, manager, year):
    before = list(Schooling.objects.filter(school_year=year).order_by("pk").values())
    carry_out(turned(), manager)
    assert list(Schooling.objects.filter(school_year=year).order_by("pk").values()) == before
    new = Schooling.objects.exclude(school_year=year)
    assert {(one.starts_on, one.ends_on, one.school_year.starts_on) for one in new} == {
        (None, None, date(2027, 8, 31))
    }


def test_done_again_it_changes_nothing(pupils, canteen, turned, manager):
    turn = turned()
    carry_out(turn, manager)
    before = all_rows(*EVERYTHING)
    done = carry_out(turn, manager)
    assert all_rows(*EVERYTHING) == before
    assert (done.children, done.classes, [count for _, count in done.lines]) == (0, 0, [0] * len(done.lines))


def test_whoever_comes_later_is_taken_along_by_doing_it_again(pupils, turned, manager):
    turn = turned()
    carry_out(turn, manager)
    late = ChildFactory(first_name="Basile", birth_date=date(BORN["CP"], 1, 2))
    SchoolingFactory(child=late, school_class=pupils.classes["CP"])
    assert carry_out(turn, manager).children == 1
    assert classes_then()["Basile"] == "CE1-CE2"


def test_exceptions_stay_leave_or_go_to_another_school(pupils, turned, manager, year):
    other = SchoolClassFactory(
        school=SchoolFactory(code="fontaine", name="École de la Fontaine"), school_year=year, name="CM1"
    )
    turn = turned()
    rooms = {one.copied_from.name: one for one in turn.classes.filter(school=pupils.school)}
    elsewhere = turn.classes.get(copied_from=other)
    next_year.send(
        turn,
        {
            pupils.children["CP"].pk: Way(Goes.CLASS, rooms["CP"]),
            pupils.children["CE2"].pk: Way(Goes.CLASS, elsewhere),
            pupils.children["GS"].pk: Way(Goes.LEAVES),
            pupils.children["PS"].pk: Way(Goes.OPEN),
        },
        by=manager,
        at=NOW,
    )
    schools = {one.name: one for one in next_year.by_school(going_up.read(turn))}
    row = schools["École du Moulin"]
    assert (row.children, row.up, row.stays, row.elsewhere, row.leaves, row.open) == (9, 4, 1, 1, 2, 1)
    carry_out(turn, manager)
    then = classes_then()
    assert (then["CP"], then["CE2"]) == ("CP", "CM1")
    assert not {"GS", "PS", "CM2"} & then.keys()
    there = Schooling.objects.get(child=pupils.children["CE2"], school_year__name="2027-2028")
    assert there.school_class.school.name == "École de la Fontaine"


def test_a_way_chosen_by_hand_can_be_as_proposed_again(pupils, turned, manager):
    turn, child = turned(), pupils.children["CP"]
    for way, count in ((Way(Goes.LEAVES), 1), (Way(Goes.LEAVES), 0), (Way(), 1), (Way(), 0)):
        assert next_year.send(turn, {child.pk: way}, by=manager, at=NOW) == count
    assert not NextPupil.objects.exists()


def test_who_leaves_has_an_end_date_and_nobody_else(pupils, books, turned, manager, year, mailoutbox):
    turn = turned()
    next_year.send(turn, {books.child.pk: Way(Goes.LEAVES)}, by=manager, at=NOW)
    carry_out(turn, manager)
    enrolment = Enrolment.objects.get(pk=books.enrolment.pk)
    assert (enrolment.ends_on, enrolment.end_reason) == (date(2027, 8, 30), next_year.LEFT)
    assert enrolment.state == EnrolmentState.ACCEPTED and mailoutbox == []
    next_year.take_back(turn, by=manager, at=NOW)
    enrolment.refresh_from_db()
    assert (enrolment.ends_on, enrolment.end_reason, enrolment.ended_by) == (None, "", None)


def test_who_stays_after_all_or_leaves_on_another_day_has_that_last_day(books, turned, manager):
    def ends() -> date | None:
        carry_out(turn, manager)
        return Enrolment.objects.get().ends_on

    def leaves(last_day: date | None) -> None:
        next_year.send(turn, {books.child.pk: Way(Goes.LEAVES, last_day=last_day)}, by=manager, at=NOW)

    turn = turned()
    for last_day in (date(2027, 3, 1), date(2027, 2, 1), date(2027, 4, 1)):
        leaves(last_day)
        assert ends() == last_day == ends()
    next_year.send(turn, {books.child.pk: Way()}, by=manager, at=NOW)
    assert ends() is None and Enrolment.objects.get().end_reason == ""


def test_a_last_day_changed_twice_is_taken_back_to_what_it_was(books, turned, manager):
    Enrolment.objects.update(ends_on=date(2027, 6, 30), end_reason="Déménagement.")
    turn = turned()
    for last_day in (date(2027, 3, 1), date(2027, 2, 1)):
        next_year.send(turn, {books.child.pk: Way(Goes.LEAVES, last_day=last_day)}, by=manager, at=NOW)
        carry_out(turn, manager)
    next_year.take_back(turn, by=manager, at=NOW)
    assert Enrolment.objects.get().ends_on == date(2027, 6, 30)


def test_days_booked_after_a_last_day_are_left_to_somebody(books, canteen, turned, manager, now):
    reserve(books, canteen, THURSDAY, at=now)
    turn = turned()
    way = Way(Goes.LEAVES, last_day=date(2026, 11, 20))
    next_year.send(turn, {books.child.pk: way}, by=manager, at=NOW)
    assert carry_out(turn, manager).ends_left == 1
    assert Enrolment.objects.get(pk=books.enrolment.pk).ends_on is None


def test_a_class_told_already_is_kept(pupils, turned, manager):
    then = SchoolYear.objects.create(name="2027-2028", starts_on=date(2027, 9, 1), ends_on=date(2028, 7, 3))
    said = SchoolClassFactory(school=pupils.school, school_year=then, name="CE1 B")
    SchoolingFactory(child=pupils.children["CP"], school_class=said)
    turn = turned()
    assert turn.year == then
    carry_out(turn, manager)
    assert classes_then()["CP"] == "CE1 B"
    assert Schooling.objects.filter(school_year=then).count() == 8


def test_two_schools_of_a_grade_leave_it_to_the_town_hall(pupils, turned, manager, year):
    nursery = SchoolFactory(code="tilleuls", name="Maternelle des Tilleuls")
    SchoolClassFactory(
        school=SchoolFactory(code="fontaine", name="École de la Fontaine"), school_year=year, name="CP"
    )
    big = ChildFactory(first_name="Ana", birth_date=date(BORN["GS"], 1, 2))
    SchoolingFactory(
        child=big,
        school_class=SchoolClassFactory(school=nursery, school_year=year, name="GS", level="maternelle"),
    )
    pupil = next(one for one in going_up.read(turned()) if one.child == big)
    assert (pupil.goes, pupil.note) == (Goes.OPEN, "plusieurs écoles ont un niveau CP")


def test_the_same_letter_goes_on_and_else_the_smaller_class(now, town, turned, year):
    school = SchoolFactory(code="moulin", name="École du Moulin")
    rooms = {
        name: SchoolClassFactory(school=school, school_year=year, name=name)
        for name in ("CP A", "CP B", "CP bleu", "CE1 A", "CE1 B")
    }
    for name, count in (("CP A", 2), ("CP B", 1), ("CP bleu", 3)):
        for _ in range(count):
            SchoolingFactory(child=ChildFactory(birth_date=date(BORN["CP"], 1, 2)), school_class=rooms[name])
    found: dict[str, list[str]] = {}
    for one in going_up.read(turned()):
        assert one.next_class is not None
        found.setdefault(one.attended.name, []).append(one.next_class.name)
    assert found["CP A"] == ["CE1 A"] * 2 and found["CP B"] == ["CE1 B"]
    assert sorted(found["CP bleu"]) == ["CE1 A", "CE1 B", "CE1 B"]


def test_a_parent_among_the_staff_sends_nobody_of_the_own_household(books, turned, manager):
    GuardianFactory(household=books.household, user=manager)
    UserFactory(username="collegue", is_staff=True, is_superuser=True)
    turn = turned()
    with pytest.raises(OwnHousehold):
        next_year.send(turn, {books.child.pk: Way(Goes.LEAVES)}, by=manager, at=NOW)
    # Others of the class, whose page posts all of them, go all the same.
    other = SchoolingFactory(school_class=books.child.schoolings.get().school_class).child
    ways = {books.child.pk: Way(), other.pk: Way(Goes.LEAVES)}
    assert next_year.send(turn, ways, by=manager, at=NOW) == 1


def test_children_erased_or_typed_twice_are_not_taken_along(pupils, turned, manager):
    pupils.children["CP"].erased_at = NOW
    pupils.children["CP"].save()
    pupils.children["CE1"].joined_to = pupils.children["CE2"]
    pupils.children["CE1"].save()
    assert {one.child.first_name for one in going_up.read(turned())} == BORN.keys() - {"CP", "CE1"}


# Classes ------------------------------------------------------------------------------------------------


def test_classes_are_copied_to_be_changed(pupils, turned, manager):
    turn = turned()
    rows = list(turn.classes.select_related("school"))
    rooms = [
        Room(one.school, "CE1" if one.name == "CE1-CE2" else one.name, one.level, one)
        for one in rows
        if one.name != "CM1"
    ]
    next_year.arrange(turn, [*rooms, Room(pupils.school, "CE2-CM1", "elementaire")])
    carry_out(turn, manager)
    then = SchoolClass.objects.filter(school_year__name="2027-2028").values_list("name", flat=True)
    assert set(then) == {"TPS-PS", "MS-GS", "CP", "CE1", "CE2-CM1", "CM2"}
    assert classes_then()["CE1"] == classes_then()["CE2"] == "CE2-CM1"


def test_two_classes_of_one_name_are_refused(pupils, turned):
    turn = turned()
    rooms = [Room(one.school, "CP", one.level, one) for one in turn.classes.select_related("school")]
    with pytest.raises(TurnRefused, match="deux classes « CP »"):
        next_year.arrange(turn, rooms)


# What is copied -----------------------------------------------------------------------------------------


@pytest.fixture
def calendar(canteen) -> None:
    """The holidays of the next year are known."""
    for name, first, last in (
        ("Vacances d'été", date(2027, 7, 3), date(2027, 8, 31)),
        ("Vacances de la Toussaint", date(2027, 10, 23), date(2027, 11, 7)),
        ("Vacances de Noël", date(2027, 12, 18), date(2028, 1, 2)),
        ("Vacances d'été", date(2028, 7, 4), date(2028, 8, 31)),
    ):
        SchoolHolidayFactory(name=name, starts_on=first, ends_on=last)
    PublicHolidayFactory(day=date(2027, 11, 11))


def test_the_calendar_says_the_next_year(calendar, year):
    assert next_year.proposed(year) == next_year.Proposed("2027-2028", date(2027, 9, 1), date(2028, 7, 3))


def test_periods_follow_the_holidays_with_their_deadlines_and_slots(calendar, canteen, turned, manager):
    period = canteen.period
    period.opens_at = paris(2026, 10, 12, 8)
    period.save()
    ActivityDeadline.objects.create(
        activity=canteen.activity, period=period, action="book", rule=canteen.rule
    )
    Slot.objects.update(capacity=42)
    carry_out(turned(), manager)
    copy = Period.objects.get(school_year__name="2027-2028")
    assert (copy.starts_on, copy.ends_on) == (date(2027, 11, 8), date(2027, 12, 17))
    assert (copy.name, copy.code) == ("Novembre et décembre 2027", "novembre-decembre-2027")
    assert copy.opens_at == paris(2027, 10, 18, 8)
    assert ActivityDeadline.objects.filter(period=copy, rule=canteen.rule).count() == 1
    slots = Slot.objects.filter(day__gte=copy.starts_on)
    assert {slot.capacity for slot in slots} == {42}
    # Every weekday of six weeks but the public holiday.
    assert slots.count() == 29


def test_openings_and_windows_of_audiences_follow_too(calendar, canteen, turned, manager):
    agents = Audience.objects.create(code="agents", label="Agents", belonging="recognised")
    PeriodOpening.objects.create(period=canteen.period, audience=agents, opens_at=paris(2026, 10, 12, 8))
    days = {"covers_from": date(2026, 12, 19), "covers_to": date(2027, 1, 3)}
    window = DeadlineWindowFactory(rule=canteen.rule, public=agents, opens_at=paris(2026, 10, 19, 8), **days)
    carry_out(turned(), manager)
    copy = PeriodOpening.objects.get(period__school_year__name="2027-2028")
    assert (copy.audience, copy.opens_at) == (agents, paris(2027, 10, 18, 8))
    assert canteen.rule.windows.exclude(pk=window.pk).get().public == agents


def test_without_a_calendar_dates_move_52_weeks_and_no_slot_opens(canteen, turned, manager):
    turn = turned()
    periods = next(one for one in next_year.parts() if one.key == "periodes")
    assert len(periods.warnings(turn, at=NOW)) == 2
    carry_out(turn, manager)
    copy = Period.objects.get(school_year__name="2027-2028")
    assert copy.starts_on == date(2027, 11, 1)
    assert not Slot.objects.filter(day__gte=copy.starts_on).exists()


def test_what_is_chosen_otherwise_is_what_is_made(calendar, canteen, turned, manager):
    turn = turned()
    key = str(canteen.period.pk)
    next_year.answer(turn, "periodes", {key: {"name": "Avant Noël", "ends_on": date(2027, 12, 10)}})
    carry_out(turn, manager)
    copy = Period.objects.get(school_year__name="2027-2028")
    assert (copy.name, copy.ends_on) == ("Avant Noël", date(2027, 12, 10))


def test_what_is_left_out_is_not_made(calendar, canteen, turned, manager):
    turn = turned()
    next_year.answer(turn, "periodes", {str(canteen.period.pk): {"chosen": False}})
    carry_out(turn, manager)
    assert Period.objects.count() == 1


def test_windows_of_deadlines_are_added_to_their_rule(calendar, canteen, turned, manager):
    window = DeadlineWindowFactory(
        rule=canteen.rule,
        covers_from=date(2026, 12, 19),
        covers_to=date(2027, 1, 3),
        opens_at=paris(2026, 10, 19, 8),
        closes_at=paris(2026, 12, 11, 18),
    )
    carry_out(turned(), manager)
    copy = canteen.rule.windows.exclude(pk=window.pk).get()
    assert (copy.covers_from, copy.covers_to) == (date(2027, 12, 18), date(2028, 1, 2))
    assert (copy.opens_at, copy.closes_at) == (paris(2027, 10, 18, 8), paris(2027, 12, 10, 18))


def test_a_window_moved_elsewhere_is_added_once(calendar, canteen, turned, manager):
    window = DeadlineWindowFactory(
        rule=canteen.rule, covers_from=date(2026, 12, 19), covers_to=date(2027, 1, 3)
    )
    turn = turned()
    moved = {"covers_from": date(2028, 3, 6), "covers_to": date(2028, 3, 12)}
    next_year.answer(turn, "fenetres", {str(window.pk): moved})
    carry_out(turn, manager)
    assert not any(count for _, count in carry_out(turn, manager).lines)
    assert canteen.rule.windows.count() == 2
    next_year.take_back(turn, by=manager, at=NOW)
    assert canteen.rule.windows.get() == window and carry_out(turn, manager).lines


def test_campaigns_open_a_year_later(calendar, canteen, turned, manager, year):
    CampaignFactory(school_year=year, opens_at=paris(2026, 6, 8, 8), closes_at=paris(2026, 7, 10, 18))
    carry_out(turned(), manager)
    copy = Campaign.objects.get(school_year__name="2027-2028")
    assert (copy.opens_at, copy.closes_at) == (paris(2027, 6, 7, 8), paris(2027, 7, 9, 18))


def test_tariffs_that_end_with_the_year_are_copied_by_billing(calendar, canteen, turned, manager):
    tariff = Tariff.objects.create(
        code="repas", name="Repas 2026-2027", kind="flat", valid_to=date(2027, 8, 31)
    )
    TariffBand.objects.create(tariff=tariff, prices={"": "3.20"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    endless = Tariff.objects.create(code="garderie", name="Garderie", kind="flat")
    turn = turned()
    next_year.answer(turn, "tarifs", {str(tariff.pk): {"percent": Decimal(10)}})
    carry_out(turn, manager)
    copy = Tariff.objects.exclude(pk__in=[tariff.pk, endless.pk]).get()
    assert (copy.name, copy.code, copy.valid_from) == ("Repas 2027-2028", "repas-2027", date(2027, 9, 1))
    assert copy.bands.get().prices == {"": "3.52"} and copy.formulas.get().formula == canteen.formula


def test_a_tariff_copied_from_another_day_than_proposed_is_copied_once(canteen, turned, manager):
    tariff = Tariff.objects.create(
        code="repas", name="Repas 2026-2027", kind="flat", valid_to=date(2027, 8, 31)
    )
    turn = turned()
    next_year.answer(turn, "tarifs", {str(tariff.pk): {"valid_from": date(2028, 1, 1)}})
    carry_out(turn, manager)
    assert carry_out(turn, manager).lines == [(one, 0) for one in next_year.parts()]
    assert [one.code for one in Tariff.objects.order_by("pk")] == ["repas", "repas-2028"]


def test_a_tariff_without_end_that_is_copied_ends_and_goes_on_when_taken_back(canteen, turned, manager):
    tariff = Tariff.objects.create(code="repas", name="Repas", kind="flat")
    turn = turned()
    next_year.answer(turn, "tarifs", {str(tariff.pk): {"chosen": True}})
    carry_out(turn, manager)
    tariff.refresh_from_db()
    assert tariff.valid_to == date(2027, 8, 31)
    next_year.take_back(turn, by=manager, at=NOW)
    tariff.refresh_from_db()
    assert tariff.valid_to is None and Tariff.objects.count() == 1


def test_days_of_the_year_that_ends_are_left_alone(books, canteen, turned, manager, now):
    reserve(books, canteen, THURSDAY, at=now)
    before = all_rows(Booking, Enrolment)
    carry_out(turned(), manager)
    assert all_rows(Booking, Enrolment) == before


# The way back -------------------------------------------------------------------------------------------


def test_taken_back_everything_is_as_before_and_choices_are_kept(
    pupils, calendar, canteen, books, turned, manager, year
):
    CampaignFactory(school_year=year, opens_at=paris(2026, 6, 8, 8))
    DeadlineWindowFactory(rule=canteen.rule, covers_from=date(2026, 12, 19), covers_to=date(2027, 1, 3))
    before = all_rows(*EVERYTHING)
    turn = turned()
    next_year.send(turn, {pupils.children["CP"].pk: Way(Goes.LEAVES)}, by=manager, at=NOW)
    carry_out(turn, manager)
    assert all_rows(*EVERYTHING) != before and next_year.stands_on(YearTurn.objects.get()) == []
    next_year.take_back(turn, by=manager, at=NOW)
    assert all_rows(*EVERYTHING) == before
    assert NextPupil.objects.get().child == pupils.children["CP"]
    turn.refresh_from_db()
    assert (turn.carried_at, turn.undone_by, turn.year) == (None, manager, None)
    assert carry_out(turn, manager).children == 8


def stands_on() -> str:
    return " ".join(next_year.stands_on(YearTurn.objects.select_related("before", "year").get()))


def test_what_families_did_stands_on_it(pupils, calendar, canteen, books, turned, manager, now):
    turn = turned()
    carry_out(turn, manager)
    then = SchoolYear.objects.get(name="2027-2028")
    EnrolmentFactory(
        household=books.household, child=books.child, activity=canteen.activity, school_year=then
    )
    assert "1 inscription est demandée pour 2027-2028." in stands_on()
    with pytest.raises(TurnRefused, match="1 inscription"):
        next_year.take_back(turn, by=manager, at=now)
    Enrolment.objects.filter(school_year=then).delete()
    newcomer = SchoolingFactory(
        school_class=SchoolClass.objects.filter(school_year=then, name="CP").get(), school_year=then
    )
    assert "1 enfant a une classe indiquée depuis" in stands_on()
    newcomer.delete()
    moved = Schooling.objects.get(child=pupils.children["CP"], school_year=then)
    Schooling.objects.filter(pk=moved.pk).update(
        school_class=SchoolClass.objects.get(name="CM2", school_year=then)
    )
    assert "1 enfant a une classe indiquée depuis" in stands_on()


def test_a_trial_household_stands_on_it_too_and_is_named(pupils, calendar, canteen, turned, manager, now):
    turn = turned()
    carry_out(turn, manager)
    then = SchoolYear.objects.get(name="2027-2028")
    for attends in (True, False):
        home = trials.make(Wanted([TrialChild(date(2019, 1, 1))]), by=manager, at=now)
        with trying(Tried(home.pk, "")):
            child = Child.objects.get(last_name="Essai")
            if attends:
                enrolling.attend(child, SchoolClass.objects.filter(school_year=then).first())
            else:
                EnrolmentFactory(
                    household_id=home.pk, child=child, activity=canteen.activity, school_year=then
                )
        assert stands_on() == next_year.TRIED
        with pytest.raises(TurnRefused, match="foyer d'essai"):
            next_year.take_back(turn, by=manager, at=now)
        trials.remove(home)
        assert stands_on() == ""
    next_year.take_back(turn, by=manager, at=now)


def test_days_that_a_trial_household_chose_keep_their_periods(
    pupils, calendar, canteen, turned, manager, now
):
    turn = turned()
    carry_out(turn, manager)
    home = trials.make(Wanted([TrialChild(date(2019, 1, 1))]), by=manager, at=now)
    with trying(Tried(home.pk, "")):
        enrolled = EnrolmentFactory(
            household_id=home.pk,
            child=Child.objects.get(last_name="Essai"),
            activity=canteen.activity,
            school_year=turn.before,
        )
        ReservationFactory(
            enrolment=enrolled,
            establishment=canteen.restaurant,
            period=Period.objects.get(school_year__name="2027-2028"),
        )
    assert stands_on() == next_year.TRIED


def test_what_others_added_to_the_year_is_not_taken_away_with_it(
    pupils, calendar, canteen, turned, manager, now
):
    turn = turned()
    carry_out(turn, manager)
    then = SchoolYear.objects.get(name="2027-2028")
    by_hand = (
        (
            lambda: SchoolClassFactory(school=pupils.school, school_year=then, name="ULIS"),
            "1 classe a été ajoutée",
        ),
        (lambda: CampaignFactory(school_year=then, opens_at=now), "1 campagne a été ajoutée"),
        (
            lambda: PeriodFactory(activity=canteen.activity, school_year=then, code="ajoutee"),
            "1 période a été ajoutée",
        ),
    )
    for add, said in by_hand:
        row = add()
        assert stands_on() == f"{said} à 2027-2028 sur une autre page."
        with pytest.raises(TurnRefused, match="sur une autre page"):
            next_year.take_back(turn, by=manager, at=now)
        row.delete()
    next_year.take_back(turn, by=manager, at=now)


def test_of_a_year_that_was_there_before_what_others_added_stays(pupils, turned, manager, now):
    then = SchoolYearFactory(name="2027-2028", starts_on=date(2027, 9, 1), ends_on=date(2028, 7, 3))
    turn = turned()
    carry_out(turn, manager)
    added = SchoolClassFactory(school=pupils.school, school_year=then, name="ULIS")
    next_year.take_back(turn, by=manager, at=now)
    assert list(SchoolClass.objects.filter(school_year=then)) == [added]


def test_what_is_not_carried_out_is_not_taken_back(pupils, turned, manager):
    with pytest.raises(TurnRefused, match="rien à annuler"):
        next_year.take_back(turned(), by=manager, at=NOW)


def test_begun_twice_it_is_one(pupils, turned):
    assert turned() == turned() and YearTurn.objects.count() == 1


def test_the_next_year_begins_after_this_one(year, manager):
    asked = next_year.Proposed("2027-2028", date(2027, 6, 1), date(2028, 7, 1))
    with pytest.raises(TurnRefused, match="après le dernier jour"):
        next_year.begin(year, asked, by=manager, at=NOW)


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "said"),
    [
        (date(2207, 9, 1), date(2208, 7, 3), "longtemps après la fin"),
        (date(9998, 9, 1), date(9999, 12, 31), "longtemps après la fin"),
        (date(2027, 9, 1), date(2037, 7, 3), "un an au plus"),
    ],
)
def test_a_year_of_impossible_dates_is_not_begun(year, manager, starts_on, ends_on, said):
    with pytest.raises(TurnRefused, match=said):
        next_year.begin(year, next_year.Proposed("2027-2028", starts_on, ends_on), by=manager, at=NOW)
    assert not YearTurn.objects.exists()


def test_a_leap_day_has_a_day_of_the_next_year_and_wednesdays_stay_wednesdays(canteen, manager, town):
    leap = SchoolYearFactory(name="2027-2028", starts_on=date(2027, 9, 1), ends_on=date(2028, 7, 3))
    PeriodFactory(
        activity=canteen.activity, school_year=leap, code="hiver", name="Hiver",
        starts_on=date(2028, 2, 29), ends_on=date(2028, 3, 8),
    )  # fmt: skip
    child = ChildFactory(first_name="Léa", birth_date=date(2020, 2, 29))
    SchoolingFactory(child=child, school_class=SchoolClassFactory(school_year=leap, name="CE1-CE2"))
    turn = next_year.begin(leap, next_year.proposed(leap), by=manager, at=NOW)
    carry_out(turn, manager)
    copy = Period.objects.get(school_year__name="2028-2029")
    assert (copy.starts_on, copy.ends_on) == (date(2029, 2, 27), date(2029, 3, 7))
    assert copy.ends_on.weekday() == date(2028, 3, 8).weekday() == 2
    assert Schooling.objects.get(child=child, school_year__name="2028-2029").school_class.name == "CE1-CE2"


# How much it costs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("leaves", [False, True])
def test_ten_children_cost_as_many_queries_as_one(pupils, canteen, turned, manager, leaves):
    turn = turned()

    def queries() -> int:
        if leaves:
            ways = {child.pk: Way(Goes.LEAVES) for child in pupils.children.values()}
            next_year.send(turn, ways, by=manager, at=NOW)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            carry_out(turn, manager)
        with CaptureQueriesContext(connection) as read:
            next_year.by_school(going_up.read(turn))
        next_year.take_back(turn, by=manager, at=NOW)
        return len(asked) + len(read)

    def one_more(number: int) -> None:
        child = ChildFactory(first_name=f"Enfant {number}", birth_date=date(BORN["CP"], 1, 2))
        EnrolmentFactory(child=child, activity=canteen.activity, school_year=turn.before)
        SchoolingFactory(child=child, school_class=pupils.classes["CP"])
        pupils.children[child.first_name] = child

    one_more(0)
    queries()
    few = queries()
    for number in range(1, 11):
        one_more(number)
    assert queries() == few


def test_a_centre_is_no_school(now, town, year, turned):
    SchoolClassFactory(school=SchoolFactory(name="École du Moulin"), school_year=year, name="CP")
    CentreFactory()
    assert turned().classes.count() == 1
