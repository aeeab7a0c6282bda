"""What each cell of a planning shows, what may be ticked, and what a posted form is allowed to claim."""

from datetime import date

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from families.custody import calendars
from families.custody.calendars import Terms
from portal import town
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Booking,
    Enrolment,
    Period,
    ReservationLine,
    Slot,
)
from portal.reservations.pages.planning import (
    Planning,
    on_weekdays,
    parse_choice,
    toggle,
    week_key,
    weekday_numbers,
)
from portal.reservations.states import BookingState, CellState
from tests.conftest import Family, other_home_of
from tests.factories import (
    BookingFactory,
    ClosureFactory,
    PeriodFactory,
    SchoolClassFactory,
    paris,
    weekdays_between,
)
from tests.portal.reservations.audit import FRIDAY, MONDAY, THURSDAY, TUESDAY, choices, draft
from tests.portal.reservations.conftest import WEDNESDAY

TOMORROW = date(2026, 11, 10)


def build(who: Family, canteen, at, **options) -> Planning:
    enrolment = Enrolment.objects.select_related("activity", "household", "school_year").get(
        pk=who.enrolment.pk
    )
    (found,) = Planning.together([(enrolment, canteen.restaurant)], canteen.period, at=at, **options)
    return found


@pytest.fixture
def plan(books, canteen, now):
    """Builds the planning of `books` as the database stands."""
    return lambda **options: build(books, canteen, now, **options)


@pytest.fixture
def cell(plan, canteen):
    """One cell of it, fresh; of weeks gone by too."""
    return lambda day, formula=None: plan(whole=True).cells[Choice((formula or canteen.formula).pk, day)]


def shows(cell) -> tuple[str, str, str]:
    return cell.state, cell.field, cell.note


# Cells ----------------------------------------------------------------------------------------------------


def test_a_free_day_says_until_when(cell):
    found = cell(MONDAY)
    assert shows(found) == ("free", "book", "Réservable jusqu'au samedi 14 novembre à 10 h.")
    assert (found.name, found.checked, found.lost) == ("lundi 16 novembre 2026, libre", False, False)
    assert (found.number, found.day) == (16, MONDAY)


@pytest.mark.parametrize(
    ("day", "state", "note", "short"),
    [
        (TOMORROW, "late", "Réservation close depuis le dimanche 8 novembre à 10 h.", "clos 08/11 à 10 h"),
        (date(2026, 11, 6), "late", "Ce jour est passé.", "passé"),
        (date(2026, 11, 11), "closed", "Férié : Armistice de 1918.", "férié : Armistice de 1918"),
    ],
)
def test_a_day_that_cannot_be_had_says_why(cell, day, state, note, short):
    found = cell(day)
    assert shows(found) == (state, "", note)
    assert found.short == short


def test_a_strike_closes_a_day_in_its_own_words(cell, canteen):
    ClosureFactory(starts_on=MONDAY, establishment=canteen.restaurant, label="Grève du 16")
    assert shows(cell(MONDAY)) == ("closed", "", "Grève du 16.")


def test_a_closure_of_another_class_leaves_the_day(cell, books, canteen, school, year):
    ClosureFactory(starts_on=MONDAY, school_class=SchoolClassFactory(school=school, school_year=year))
    assert cell(MONDAY).state == CellState.FREE


def test_a_closure_of_the_own_class_closes_the_day(cell, school_class):
    ClosureFactory(starts_on=MONDAY, school_class=school_class, why="trip")
    assert shows(cell(MONDAY)) == ("closed", "", "Sortie scolaire.")


def test_before_the_enrolment_a_day_is_closed(cell):
    Enrolment.objects.update(starts_on=TUESDAY)
    assert shows(cell(MONDAY)) == ("closed", "", "L'inscription commence le mardi 17 novembre.")
    assert cell(TUESDAY).field == "book"


def test_too_early_says_when_it_opens(books, canteen, now):
    Period.objects.update(opens_at=paris(2026, 11, 12, 7))
    canteen.period.refresh_from_db()
    found = build(books, canteen, now).cells[Choice(canteen.formula.pk, MONDAY)]
    assert shows(found) == ("early", "", "Réservation ouverte à partir du jeudi 12 novembre à 7 h.")
    assert found.short == "ouvre 12/11 à 7 h"


def test_a_late_request_stays_possible(cell):
    ActivityDeadline.objects.filter(action="book").update(late="request")
    found = cell(TOMORROW)
    assert (found.state, found.field) == ("free", "book")
    assert "lundi 9 novembre" in found.note


def test_a_full_day_offers_the_waiting_list(cell, shut):
    shut(MONDAY, 0)
    found = cell(MONDAY)
    assert shows(found) == (
        "full",
        "wait",
        "Complet : cochez pour demander une place sur la liste d'attente.",
    )
    assert found.name == "lundi 16 novembre 2026, complet, liste d'attente possible"


def test_a_full_day_without_waiting_list_is_only_full(cell, shut):
    shut(MONDAY, 0)
    Activity.objects.update(waiting_list=False)
    assert shows(cell(MONDAY)) == ("full", "", "Complet ce jour-là.")


@pytest.mark.parametrize("how", ["closed", "missing"])
def test_a_slot_not_open_closes_the_day(cell, how):
    if how == "closed":
        Slot.objects.filter(day=MONDAY).update(closed=True)
    else:
        Slot.objects.filter(day=MONDAY).delete()
    assert shows(cell(MONDAY)) == ("closed", "", "Ce jour n'est pas ouvert à la réservation.")


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (BookingState.ACCEPTED, CellState.BOOKED),
        (BookingState.REQUESTED, CellState.REQUESTED),
        (BookingState.WAITLISTED, CellState.WAITLISTED),
    ],
)
def test_what_stands_may_be_cancelled(cell, books, state, shown):
    BookingFactory(enrolment=books.enrolment, day=MONDAY, state=state)
    found = cell(MONDAY)
    assert (found.state, found.field, found.checked) == (shown, "cancel", False)
    granted = state == BookingState.ACCEPTED
    waits = "1er sur la liste d'attente." if state == BookingState.WAITLISTED else ""
    assert found.note == ("Annulable jusqu'au samedi 14 novembre à 10 h." if granted else waits)


def test_a_booking_too_late_to_cancel_says_since_when(cell, books):
    BookingFactory(enrolment=books.enrolment, day=TOMORROW)
    assert shows(cell(TOMORROW)) == (
        "booked",
        "",
        "Annulation close depuis le dimanche 8 novembre à 10 h.",
    )


def test_an_asked_cancellation_waits(cell, books):
    BookingFactory(enrolment=books.enrolment, day=MONDAY, state=BookingState.CANCEL_REQUESTED)
    assert shows(cell(MONDAY)) == (
        "cancel_requested",
        "",
        "L'annulation attend la réponse de la mairie.",
    )


@pytest.mark.parametrize("state", [BookingState.CANCELLED, BookingState.REFUSED])
def test_a_day_ended_may_be_taken_again(cell, books, state):
    BookingFactory(enrolment=books.enrolment, day=MONDAY, state=state)
    assert (cell(MONDAY).state, cell(MONDAY).field) == ("free", "book")


@pytest.mark.parametrize("state", [BookingState.CANCELLED, BookingState.REFUSED])
def test_a_day_ended_that_is_over_shows_what_became_of_it(cell, books, state):
    BookingFactory(enrolment=books.enrolment, day=date(2026, 11, 6), state=state)
    assert shows(cell(date(2026, 11, 6))) == (state.value, "", "Ce jour est passé.")


def test_the_last_booking_of_a_day_counts(cell, books):
    BookingFactory(enrolment=books.enrolment, day=MONDAY, state=BookingState.CANCELLED)
    BookingFactory(enrolment=books.enrolment, day=MONDAY)
    assert cell(MONDAY).state == CellState.BOOKED


def test_a_day_of_the_other_home_is_said_to_be_reserved_by_it(books, canteen, now):
    who = other_home_of(books)
    BookingFactory(enrolment=books.enrolment, day=MONDAY)
    BookingFactory(enrolment=books.enrolment, day=TUESDAY, state=BookingState.REQUESTED)
    plan = build(who, canteen, now)
    assert [shows(plan.cells[Choice(canteen.formula.pk, day)]) for day in (MONDAY, TUESDAY)] == [
        ("elsewhere", "", "Réservé par l'autre foyer."),
        ("elsewhere", "", "Demandé par l'autre foyer, pas encore accordé."),
    ]
    assert plan.cells[Choice(canteen.formula.pk, MONDAY)].name.endswith("réservé par l'autre foyer")
    assert plan.legend == "planning_of_two_homes"
    assert build(books, canteen, now).legend == "planning"


def test_nor_can_another_formula_be_booked_over_it(books, wednesdays, plays, now):
    mine = plays(books)
    theirs = other_home_of(mine)
    BookingFactory(enrolment=theirs.enrolment, day=WEDNESDAY, formula=wednesdays.morning)
    cells = build(mine, wednesdays, now).cells
    whole = cells[Choice(wednesdays.whole.pk, WEDNESDAY)]
    assert shows(whole) == ("elsewhere", "", "Réservé par l'autre foyer : Matinée.")
    assert cells[Choice(wednesdays.afternoon.pk, WEDNESDAY)].field == "book"


# A child in two homes by even and odd weeks ------------------------------------------------------------


@pytest.fixture
def in_turns(books, now):
    """Lina's weeks are her mother's from the Friday evening of even weeks on; her other home's, else."""
    other = other_home_of(books)
    terms = Terms(books.household.pk, other.household.pk, weekday=4)
    asked = calendars.propose(books.child, terms, home=books.household, by=books.user, at=now)
    calendars.confirm(asked, by=other.user, at=now)
    return other


def fresh(who: Family) -> Family:
    """As a request reads it."""
    found = Enrolment.objects.select_related("child", "activity", "household").get(pk=who.enrolment.pk)
    return Family(who.household, who.guardian, who.user, found.child, found)


def test_the_planning_says_whose_day_it_is_in_words(books, in_turns, canteen, now):
    cells = build(fresh(books), canteen, now).cells
    away = {choice.day for choice, cell in cells.items() if cell.away}
    following = {date(2026, 11, day) for day in range(23, 28)}
    assert {day for day in away if day.month == 11 and day.day > 15} == following
    found = cells[Choice(canteen.formula.pk, date(2026, 11, 26))]
    assert found.name.endswith("libre, jour de l'autre foyer") and "autre foyer" in found.away_html
    assert found.field == "book", "it can be taken, one by one"


def test_each_home_sees_the_days_that_the_other_does_not(books, in_turns, canteen, now):
    mine, theirs = (
        {choice.day for choice, cell in build(fresh(who), canteen, now).cells.items() if cell.away}
        for who in (books, in_turns)
    )
    free = {choice.day for choice, cell in build(books, canteen, now).cells.items() if cell.state == "free"}
    assert not mine & theirs and free <= mine | theirs


@pytest.mark.parametrize(
    "button",
    [
        {"do": "all"},
        {"do": "usual", "usual_weekday": ["0", "3"], "usual_reach": "periode"},
        {"do": "weekday:3"},
    ],
    ids=["all", "usual days", "a weekday"],
)
def test_buttons_tick_only_one_s_own_days(books, in_turns, canteen, button):
    client = books.client()
    address = f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/"
    page = client.post(address, button | {"reach": "periode", "shown": "toutes", "version": ""}, follow=True)
    assert "les boutons ne cochent que vos jours" in page.text
    ticked = set(ReservationLine.objects.values_list("day", flat=True))
    away = {choice.day for choice, cell in page.context["plan"].cells.items() if cell.away}
    assert ticked and not ticked & away


def test_a_family_without_a_calendar_reads_no_word_of_it_at_no_query(
    books, in_turns, canteen, django_assert_num_queries
):
    address = f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/"
    client = books.client()
    client.get(address)
    with CaptureQueriesContext(connection) as followed:
        assert "autre foyer" in client.get(address).text
    calendars.stop(books.child, by=books.user, at=timezone.now())
    with django_assert_num_queries(len(followed) - 1):
        assert "autre foyer" not in client.get(address).text
    assert len(followed) <= 11


def test_parts_of_a_day_exclude_each_other(books, wednesdays, plays, now):
    who = plays(books)
    BookingFactory(enrolment=who.enrolment, day=WEDNESDAY, formula=wednesdays.morning)
    cells = build(who, wednesdays, now).cells
    whole = cells[Choice(wednesdays.whole.pk, WEDNESDAY)]
    assert shows(whole) == ("closed", "", "Déjà réservé ce jour-là : Matinée.")
    assert whole.name == "Journée, mercredi 18 novembre 2026, fermé"
    assert cells[Choice(wednesdays.afternoon.pk, WEDNESDAY)].field == "book"


# The draft ------------------------------------------------------------------------------------------------


def test_the_draft_keeps_its_ticks(plan, books, canteen, shut, now):
    BookingFactory(enrolment=books.enrolment, day=TUESDAY)
    shut(THURSDAY, 0)
    kept = draft(
        books,
        canteen,
        at=now,
        book=choices(canteen, [MONDAY]),
        cancel=choices(canteen, [TUESDAY]),
        wait=choices(canteen, [THURSDAY]),
    )
    found = plan()
    assert [cell.day for cell in found.cells.values() if cell.checked] == [MONDAY, TUESDAY, THURSDAY]
    assert (found.draft, found.version) == (kept, "2026-11-09T09:00:00+00:00")
    ticks = found.ticks()
    assert (ticks.book, ticks.cancel, ticks.wait) == (
        set(choices(canteen, [MONDAY])),
        set(choices(canteen, [TUESDAY])),
        set(choices(canteen, [THURSDAY])),
    )


def test_a_planning_without_draft_has_no_version(plan):
    assert (plan().draft, plan().version, bool(plan().ticks())) == (None, "", False)


def test_a_day_filled_up_since_it_was_chosen_is_marked(plan, cell, books, canteen, shut, now):
    draft(books, canteen, at=now, book=choices(canteen, [MONDAY]))
    shut(MONDAY, 0)
    found = cell(MONDAY)
    assert (found.lost, found.checked, found.field) == (True, False, "wait")
    assert found.note.startswith("Complet depuis votre choix.")


def test_the_neighbours_draft_is_not_shown(plan, waits, canteen, now):
    draft(waits, canteen, at=now, book=choices(canteen, [MONDAY]))
    assert plan().draft is None


# Reading a posted form ------------------------------------------------------------------------------------


def test_ticks_are_read(plan, books, canteen, shut):
    BookingFactory(enrolment=books.enrolment, day=TUESDAY)
    shut(THURSDAY, 0)
    pk = canteen.formula.pk
    form = f"book={pk}:2026-11-16&book={pk}:2026-11-20&cancel={pk}:2026-11-17&wait={pk}:2026-11-19"
    ticks = plan().read(QueryDict(form))
    assert ticks.book == set(choices(canteen, [MONDAY, FRIDAY]))
    assert ticks.cancel == set(choices(canteen, [TUESDAY]))
    assert ticks.wait == set(choices(canteen, [THURSDAY]))
    assert ticks.refused == []


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "1",
        ":",
        "1:2026-02-30",
        "x:2026-11-16",
        "0:2026-11-16",
        "-1:2026-11-16",
        "99999999999999999999:2026-11-16",
        "1:2026-11-16:2",
        "\x00:2026-11-16",
        "1:" + "9" * 6000,
        "9" * 6000 + ":2026-11-16",
    ],
)
def test_nonsense_is_left_aside(plan, value):
    data = QueryDict(mutable=True)
    data.setlist("book", [value, value])
    ticks = plan().read(data)
    assert (bool(ticks), ticks.refused) == (False, ["Un jour inconnu a été laissé de côté."])


@pytest.mark.parametrize(
    ("field", "day", "sentence"),
    [
        ("book", "2026-11-11", "Mercredi 11 novembre : férié : Armistice de 1918."),
        (
            "book",
            "2026-11-10",
            "Mardi 10 novembre : réservation close depuis le dimanche 8 novembre à 10 h.",
        ),
        ("cancel", "2026-11-16", "Lundi 16 novembre"),
        ("book", "2026-11-17", "Mardi 17 novembre"),
        ("wait", "2026-11-17", "Mardi 17 novembre"),
    ],
)
def test_what_a_cell_does_not_offer_is_refused_by_name(plan, books, canteen, field, day, sentence):
    BookingFactory(enrolment=books.enrolment, day=TUESDAY)
    ticks = plan().read(QueryDict(f"{field}={canteen.formula.pk}:{day}"))
    assert not ticks
    assert ticks.refused[0].startswith(sentence)


def test_another_activitys_formula_is_unknown(plan, wednesdays):
    ticks = plan().read(QueryDict(f"book={wednesdays.whole.pk}:2026-11-16"))
    assert ticks.refused == ["Un jour inconnu a été laissé de côté."]


def test_a_full_day_is_never_booked_by_a_forged_field(plan, canteen, shut):
    shut(MONDAY, 0)
    assert not plan().read(QueryDict(f"book={canteen.formula.pk}:2026-11-16"))


def test_who_was_ready_to_wait_books_a_day_freed_meanwhile(plan, canteen):
    ticks = plan().read(QueryDict(f"wait={canteen.formula.pk}:2026-11-16"))
    assert (ticks.book, ticks.wait) == (set(choices(canteen, [MONDAY])), set())


def test_the_same_day_in_two_fields_counts_once(plan, canteen):
    value = f"{canteen.formula.pk}:2026-11-16"
    ticks = plan().read(QueryDict(f"book={value}&wait={value}&book={value}&cancel={value}"))
    assert (ticks.book, ticks.cancel, ticks.refused) == (set(choices(canteen, [MONDAY])), set(), [])


def test_what_the_form_does_not_show_is_kept(plan, books, canteen, now):
    draft(books, canteen, at=now, book=choices(canteen, [MONDAY, TUESDAY]))
    ticks = plan().read(QueryDict(""), shown=set(choices(canteen, [TUESDAY])))
    assert ticks.book == set(choices(canteen, [MONDAY]))


# Buttons --------------------------------------------------------------------------------------------------


def test_a_week_toggles_its_free_days(plan, books, canteen):
    BookingFactory(enrolment=books.enrolment, day=TUESDAY)
    found = plan()
    ticks = found.ticks()
    toggle([(found, ticks, found.in_week("2026-W47"))])
    assert sorted(choice.day.day for choice in ticks.book) == [16, 18, 19, 20]
    toggle([(found, ticks, found.in_week("2026-W47"))])
    assert not ticks


def test_a_half_chosen_week_is_completed_first(plan, canteen):
    found = plan()
    ticks = found.read(QueryDict(f"book={canteen.formula.pk}:2026-11-16"))
    toggle([(found, ticks, found.in_week("2026-W47"))])
    assert len(ticks.book) == 5


def test_a_week_that_one_child_has_already_is_completed_for_both(plan):
    lina, hugo = plan(), plan()
    hers, his = lina.ticks(), hugo.ticks()
    toggle([(lina, hers, lina.in_week("2026-W47"))])
    both = [(lina, hers, lina.in_week("2026-W47")), (hugo, his, hugo.in_week("2026-W47"))]
    toggle(both)
    assert (len(hers.book), len(his.book)) == (5, 5)
    toggle(both)
    assert not hers
    assert not his


def test_a_weekday_is_selected_all_along(plan):
    found = plan()
    ticks = found.ticks()
    found.select(ticks, on_weekdays(found.cells.values(), ["0"]))
    assert {choice.day.weekday() for choice in ticks.book} == {0}
    assert len(ticks.book) == 5


def test_select_all_then_none(plan, books):
    BookingFactory(enrolment=books.enrolment, day=TUESDAY)
    found = plan()
    ticks = found.ticks()
    found.select(ticks, found.cells.values())
    free = [cell for cell in found.cells.values() if cell.field == "book"]
    assert len(ticks.book) == len(free)
    ticks.cancel.add(next(cell.choice for cell in found.cells.values() if cell.day == TUESDAY))
    found.clear(ticks, found.cells.values())
    assert not ticks


def test_an_unknown_week_selects_nothing(plan):
    found = plan()
    ticks = found.ticks()
    for week in ("2026-W01", "x", ""):
        toggle([(found, ticks, found.in_week(week))])
    assert not ticks


def test_posted_weekdays_are_numbers_or_nothing():
    assert weekday_numbers(["0", "4", "7", "x", "", "-1"]) == [0, 4]
    assert parse_choice("12:2026-11-30") == Choice(12, date(2026, 11, 30))


# What the page says --------------------------------------------------------------------------------------


def test_weekends_are_not_computed(plan):
    assert all(cell.day.weekday() < 5 for cell in plan().cells.values())


def test_only_the_days_asked_for_are_computed_and_those_of_the_draft(plan, books, canteen, now):
    december = date(2026, 12, 1), date(2026, 12, 31)
    assert {cell.day.month for cell in plan(within=december).cells.values()} == {12}
    draft(books, canteen, at=now, book=choices(canteen, [MONDAY]))
    found = plan(within=december)
    assert [cell.day for cell in found.cells.values() if cell.day.month == 11] == [MONDAY]
    assert found.cells[Choice(canteen.formula.pk, MONDAY)].checked


def test_the_usual_weekdays_come_from_the_enrolment(plan):
    Enrolment.objects.update(weekdays=0b01011)
    assert [(name, ticked) for _, name, ticked in plan().usual_weekdays] == [
        ("Lundi", True),
        ("Mardi", True),
        ("Mercredi", False),
        ("Jeudi", True),
        ("Vendredi", False),
    ]


def test_the_nearest_deadline_comes_first(plan):
    assert plan().next_limit == ("Pour le jeudi 12 novembre : réservable jusqu'au mardi 10 novembre à 10 h.")


def test_a_year_end_week_belongs_to_its_iso_year():
    assert week_key(date(2027, 1, 1)) == "2026-W53"
    assert week_key(MONDAY) == "2026-W47"


# Cost -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("last", "bookings"), [(date(2026, 11, 9), 1), (date(2027, 6, 30), 60)])
def test_a_planning_costs_the_same_whatever_it_holds(
    books, canteen, year, now, last, bookings, django_assert_num_queries
):
    period = PeriodFactory(
        activity=canteen.activity, school_year=year, starts_on=date(2026, 11, 9), ends_on=last
    )
    Slot.objects.filter(activity=canteen.activity).delete()
    open_days = weekdays_between(period.starts_on, period.ends_on)
    Slot.objects.bulk_create(
        Slot(activity=canteen.activity, establishment=canteen.restaurant, day=day, part="noon")
        for day in open_days
    )
    for day in open_days[:bookings]:
        BookingFactory(enrolment=books.enrolment, day=day)
    assert Booking.objects.count() == bookings
    read = Enrolment.objects.select_related("activity", "household", "school_year", "child")
    enrolment = read.get(pk=books.enrolment.pk)
    town.current()  # kept by every process
    with django_assert_num_queries(5):
        found = Planning.build(enrolment, canteen.restaurant, period, at=now)
        found.ticks()
    assert len(found.cells) == len(open_days)
