"""The demo town keeps what it promises, whatever the day on which it is loaded."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import Count, F, Q
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from billing.documents import yearly
from billing.invoices import recalculating
from billing.invoices.told_since import told_since
from billing.models import (
    BillingSettings,
    BookClosing,
    CreditNote,
    Debit,
    Invoice,
    Mandate,
    OnlinePayment,
    Payment,
    PaymentKind,
)
from catering.models import Dish, Menu
from families.custody import openings
from families.custody.whose_days import WhoseDays
from families.models import AccessOpening, Child, Custody, DietChoice, FamilyQuotient, Household, User
from portal import town
from portal.demo import loading
from portal.demo.factories import PASSWORD
from portal.demo.people import LARGE_FAMILY
from portal.french import moments
from portal.models import Town
from portal.reservations.acts import going_up, next_year, renewing
from portal.reservations.days.calendars import OpenDays
from portal.reservations.days.deadline_book import DeadlineBook
from portal.reservations.deadlines.decisions import Standing, decide
from portal.reservations.models import (
    Activity,
    Booking,
    CalendarChange,
    Campaign,
    Closure,
    Enrolment,
    Establishment,
    Move,
    NextPupil,
    PublicHoliday,
    Reservation,
    SchoolHoliday,
    Schooling,
    SchoolYear,
    Slot,
    TownFile,
)
from portal.reservations.models.campaigns import open_at
from portal.reservations.pages import blocks
from portal.reservations.states import HOLDING, Action, BookingState, EnrolmentState, ReservationState
from portal.reservations.towns import town_file
from portal.settings import BASE_DIR
from tests.conftest import NOW
from tests.factories import HouseholdFactory, paris
from tests.portal.reservations.audit import audit

LOGINS = ["parent", "voisin", "famille0003", "famille0004", "agent", "accueil", "regie", "responsable"]


@pytest.fixture(scope="module", autouse=True)
def media_apart(tmp_path_factory: Any) -> Iterator[None]:
    """The crests go where the tests end."""
    with override_settings(MEDIA_ROOT=tmp_path_factory.mktemp("media")):
        yield


@pytest.fixture(scope="module")
def demo(django_db_setup: None, django_db_blocker: Any, media_apart: None) -> Iterator[loading.Demo]:
    """The demo of 60 households, loaded once for all tests here, all at NOW."""
    with django_db_blocker.unblock(), transaction.atomic(), time_machine.travel(NOW, tick=False):
        yield loading.load(60, at=NOW)
        transaction.set_rollback(True)
    town.forget()


def household_of(login: str) -> Household:
    return Household.objects.get(guardians__user__username=login)


# Two homes ----------------------------------------------------------------------------------------------


def test_a_child_lives_in_two_homes_by_even_and_odd_weeks_and_eats_one_diet(demo: loading.Demo):
    child = Child.objects.get(custody_calendar__isnull=False)
    homes = [household_of("voisin"), household_of("famille0003")]
    today = timezone.localdate()
    whose = WhoseDays.load([child], today, today + timedelta(days=60))
    eaten = Booking.objects.holding().filter(child=child, day__gte=today)
    assert eaten.exists()
    assert not [one for one in eaten if whose.is_others(child.pk, one.household_id, one.day)]
    assert {home.pk for home in homes} == set(eaten.values_list("household", flat=True))
    assert DietChoice.objects.get(child=child).differs_since is not None


def test_every_child_that_may_eat_has_a_diet(demo: loading.Demo):
    fed = Booking.objects.meals().exclude(child__diet_choice__isnull=False)
    assert not fed.exists()


# Its file -----------------------------------------------------------------------------------------------


def test_its_file_taken_away_and_loaded_again_changes_nothing(demo: loading.Demo):
    written = town_file.export()
    report = town_file.load(written, at=timezone.now())
    assert report.changes_nothing and not report.asked and not report.closes
    assert not report.differences and len(report.unchanged) > 200
    assert town_file.export() == written
    # What it was loaded from is in the history.
    assert TownFile.objects.get().created > 200


# The year turns -----------------------------------------------------------------------------------------


def test_its_year_turns_and_no_child_is_lost_nor_taken_twice(demo: loading.Demo):
    before = next_year.ending_year(timezone.localdate())
    assert before is not None
    manager = User.objects.get(username="responsable")
    past = list(Schooling.objects.filter(school_year=before).order_by("pk").values())
    pupils = set(Schooling.objects.current().filter(school_year=before).values_list("child", flat=True))
    with transaction.atomic():
        turn = next_year.begin(before, next_year.proposed(before), by=manager, at=NOW)
        done = next_year.carry_out(turn, by=manager, at=NOW)
        rows = list(NextPupil.objects.filter(turn=turn))
        there = list(Schooling.objects.filter(school_year__name=turn.name).values_list("child", flat=True))
        goes = Counter(one.goes for one in rows)
        assert len(pupils) > 50 and {one.child_id for one in rows} == pupils
        assert len(there) == len(set(there)) and len(rows) == len(pupils)
        assert done.children == goes["class"] == len(there) and goes.total() == len(pupils)
        assert goes["class"] > goes["leaves"] > 0
        schools = next_year.by_school(going_up.read(turn))
        assert sum(one.children for one in schools) == len(pupils)
        assert list(Schooling.objects.filter(school_year=before).order_by("pk").values()) == past
        audit()
        next_year.take_back(turn, by=manager, at=NOW)
        assert not Schooling.objects.filter(school_year__name=turn.name).exists()
        transaction.set_rollback(True)


# The books --------------------------------------------------------------------------------------------


def test_places_taken_are_those_of_the_bookings(demo: loading.Demo):
    audit()


def test_its_books_agree(demo: loading.Demo):
    """Whatever bounced, was credited, given up, carried over, given back, handed over and closed."""
    out = StringIO()
    call_command("verify_books", stdout=out)
    assert out.getvalue().splitlines()[-1].endswith(" documents : tout concorde")


def test_its_accountant_finds_what_was_put_right_and_a_closed_month(demo: loading.Demo):
    """A bounced cheque; a meal of a paid invoice kept for later; a month that owes the family and waits."""
    reversals = Payment.objects.filter(kind=PaymentKind.REVERSAL)
    assert ("bounced", "cheque") in reversals.values_list("because", "means")
    kept = CreditNote.objects.filter(becomes="kept", freed=F("amount"), freed__gt=0)
    assert kept.exists()
    assert Invoice.every.waiting().filter(total__lt=0).exists()
    assert BookClosing.objects.latest("until").until == NOW.date().replace(day=1) - timedelta(days=1)


def test_every_booking_is_of_its_household_and_its_enrolment(demo: loading.Demo):
    assert not Booking.objects.exclude(
        household=F("enrolment__household"),
        child=F("enrolment__child"),
        activity=F("enrolment__activity"),
        establishment=F("enrolment__establishment"),
    ).exists()
    of_ended = Booking.objects.exclude(enrolment__state=EnrolmentState.ACCEPTED)
    assert not of_ended.exclude(enrolment__state=EnrolmentState.ENDED).exists()
    assert not of_ended.live().filter(day__gt=F("enrolment__ends_on")).exists()
    assert not Enrolment.objects.exclude(child__custodies__household=F("household")).exists()
    assert not Reservation.objects.filter(lines=None).exists()


def test_nobody_is_booked_on_a_closed_day(demo: loading.Demo):
    activity = Activity.objects.get(code="restauration-scolaire")
    for restaurant in activity.establishments.all():
        booked = Booking.objects.live().filter(establishment=restaurant)
        days = set(booked.values_list("day", flat=True))
        calendar = OpenDays.load(activity, restaurant, min(days), max(days))
        assert [day for day in days if not calendar.is_open(day)] == []


def test_a_closure_can_be_reopened_from_the_first_page_of_the_desk(demo: loading.Demo):
    (change,) = CalendarChange.objects.way_back(NOW)
    agent = Client()
    agent.force_login(User.objects.get(username="agent"))
    page = reverse("admin:reservations_calendarchange_change", args=[change.pk])
    assert f'href="{page}"' in agent.get("/mairie/").text
    assert "Rouvrir…" in agent.get(page).text
    assert change.days.count() > 5 and not change.days.exclude(booking__state="cancelled").exists()


def test_nothing_was_recorded_in_the_future(demo: loading.Demo):
    assert not Reservation.objects.filter(Q(touched_at__gt=NOW) | Q(submitted_at__gt=NOW)).exists()
    assert not Booking.objects.filter(Q(changed_at__gt=NOW) | Q(events__at__gt=NOW)).exists()
    cancels = Booking.objects.filter(state=BookingState.CANCELLED)
    assert cancels.exists()
    assert not cancels.filter(changed_at__lte=F("reservation__submitted_at")).exists()


# Logins -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", LOGINS)
def test_everybody_logs_in_by_name_and_by_mail(demo: loading.Demo, login: str):
    for name in (login, f"{login}@example.org"):
        client = Client()
        client.post(reverse("account_login"), {"login": name, "password": PASSWORD})
        assert client.session["_auth_user_id"] == str(User.objects.get(username=login).pk)


def invited() -> list[int]:
    """The login of « Qui a accès », which waits to be confirmed."""
    waiting = AccessOpening.objects.waiting()
    return [one.user_id for one in waiting if one.user_id is not None]


def test_an_access_waits_for_agent(demo: loading.Demo):
    (opening,) = AccessOpening.objects.waiting()
    assert opening.asked_by is not None and opening.asked_by.username == "accueil"
    assert "agent" in {one.username for one in openings.second_agents(opening)}


def test_every_address_is_verified(demo: loading.Demo):
    verified = EmailAddress.objects.filter(verified=True, primary=True, email=F("user__email"))
    assert verified.count() == User.objects.exclude(pk__in=invited()).count()


def test_one_hash_serves_all(demo: loading.Demo):
    others = User.objects.exclude(pk__in=invited())
    assert others.values("password").distinct().count() == 1


def test_staff_are_in_their_groups(demo: loading.Demo):
    staff = User.objects.filter(is_staff=True).order_by("username")
    assert {user.username: [group.name for group in user.groups.order_by("name")] for user in staff} == {
        "accueil": ["Agent", "Guichet"],
        "agent": ["Agent"],
        "animation": ["Animation"],
        "comptable": ["Comptabilité"],
        "cuisine": ["Cuisine"],
        "direction": ["Direction de centre"],
        "lecture": ["Lecture"],
        "regie": ["Régie"],
        "responsable": ["Agent", "Fiches sanitaires", "Responsable"],
    }
    assert not User.objects.filter(is_superuser=True).exists()


def test_parent_has_two_children_at_the_canteen_and_one_without_enrolment(demo: loading.Demo):
    home = household_of("parent")
    children = Child.objects.filter(households=home)
    eating = Enrolment.objects.filter(activity__service="catering")
    states = [list(eating.filter(child=child).values_list("state", flat=True)) for child in children]
    assert sorted(states) == [[], ["accepted"], ["accepted"]]
    assert home.reservations.filter(state=ReservationState.ACCEPTED).count() >= 3
    for child in children:
        assert 2 <= child.age_on(NOW.date()) <= 11
        assert child.schoolings.count() == 1


def test_parent_has_a_draft_a_late_day_and_a_second_period(demo: loading.Demo):
    home = household_of("parent")
    (draft,) = home.reservations.drafts()
    assert draft.lines.exists() and draft.period.starts_on < NOW.date()
    enrolment = draft.enrolment
    first, second = enrolment.activity.periods.filter(school_year=enrolment.school_year)
    assert Slot.objects.filter(activity=enrolment.activity, day__gte=second.starts_on).exists()
    policy = DeadlineBook.for_activity(enrolment.activity, first).policy(
        enrolment.activity.formulas.get().pk, Action.BOOK
    )
    calendar = OpenDays.load(
        enrolment.activity, enrolment.establishment, NOW.date(), NOW.date() + timedelta(days=14)
    )
    late = [
        day
        for day in calendar.days(NOW.date() + timedelta(days=1), NOW.date() + timedelta(days=14))
        if decide(policy, day, NOW, calendar).standing is Standing.LATE_REQUEST
    ]
    booked = Booking.objects.filter(household=home, activity=enrolment.activity, day=late[0])
    assert booked.values("child").distinct().count() == 1


def check_campaign(at: datetime) -> None:
    """One is open, and « Mon compte famille » of `parent` leads there for its children of the canteen."""
    (one,) = Campaign.objects.filter(open_at(at))
    assert (one.activity, one.audience) == (None, None)
    renewal = renewing.propose(household_of("parent"), at=at)
    assert renewal is not None and renewal.year == one.school_year
    assert [pupil.child.first_name for pupil in renewal.pupils if pupil.offered] == ["Louise", "Gabriel"]
    with time_machine.travel(at, tick=False):
        (ask,) = blocks.to_renew(household_of("parent"), User.objects.get(username="parent"), at)
    assert ask.text.startswith("Louise et Gabriel")


def test_a_campaign_is_open_and_parent_may_renew(demo: loading.Demo):
    check_campaign(NOW)


def test_the_quotient_of_parent_ends_in_four_weeks(demo: loading.Demo):
    (quotient,) = household_of("parent").quotients.all()
    assert quotient.valid_to == NOW.date() + timedelta(days=28)


def test_one_family_has_five_children_at_the_canteen(demo: loading.Demo):
    home = household_of(LARGE_FAMILY)
    assert home.is_accepted
    eating = Enrolment.objects.accepted().filter(household=home, activity__service="catering")
    assert eating.values("child").distinct().count() == home.children.count() == 5
    assert f"`{LARGE_FAMILY}`" in (BASE_DIR / "README.md").read_text()


def test_neighbour_is_another_household(demo: loading.Demo):
    assert household_of("voisin") != household_of("parent")
    assert household_of("voisin").enrolments.accepted().exists()


def test_the_elder_child_of_neighbour_has_left_the_evenings(demo: loading.Demo):
    (ended,) = household_of("voisin").enrolments.filter(state=EnrolmentState.ENDED)
    assert (ended.activity.code, ended.ends_on) == ("accueil-du-soir", NOW.date() - timedelta(days=1))
    assert ended.end_reason and ended.ended_by is not None and ended.ended_by.username == "agent"
    assert ended.bookings.filter(state=BookingState.CANCELLED, day__gt=ended.ends_on).exists()


def test_one_child_lives_in_two_households_each_with_its_own_bookings(demo: loading.Demo):
    child = Child.objects.annotate(homes=Count("custodies")).get(homes=2)
    homes = [custody.household for custody in Custody.objects.filter(child=child)]
    assert {home.pk for home in homes} == {household_of("voisin").pk, household_of("famille0003").pk}
    weeks = [{day.isocalendar().week % 2 for day in each.values_list("day", flat=True)} for each in
             (home.bookings.filter(child=child) for home in homes)]  # fmt: skip
    assert sorted(map(sorted, weeks)) == [[0], [1]]


# The promised days ------------------------------------------------------------------------------------


def promised_slots(demo: loading.Demo) -> tuple[Slot, Slot]:
    at = Slot.objects.filter(establishment=demo.promised.restaurant, activity__service="catering")
    return at.get(day=demo.promised.full), at.get(day=demo.promised.three_left)


def check_promises(demo: loading.Demo, at: datetime) -> None:
    """The two days are to come, open to reservation, free for `parent` and `voisin`; one is full."""
    full, three_left = promised_slots(demo)
    assert full.places_left == 0
    assert three_left.places_left == 3
    waiting = Booking.objects.waiting().filter(establishment=full.establishment, day=full.day)
    assert waiting.count() >= 2
    assert all(booking.waiting_since for booking in waiting)
    activity = full.activity
    calendar = OpenDays.load(activity, full.establishment, full.day, three_left.day)
    period = activity.periods.get(starts_on__lte=full.day, ends_on__gte=three_left.day)
    enrolled = household_of("parent").enrolments.accepted().filter(activity=activity)
    assert enrolled.filter(school_year=period.school_year).count() == 2
    policy = DeadlineBook.for_activity(activity, period).policy(activity.formulas.get().pk, Action.BOOK)
    for day in (full.day, three_left.day):
        assert day > timezone.localdate(at)
        assert decide(policy, day, at, calendar).standing is Standing.ON_TIME
        for login in ("parent", "voisin"):
            assert not household_of(login).bookings.filter(activity=activity, day=day).exists()


def test_one_day_is_full_with_a_waiting_list_and_one_has_three_places_left(demo: loading.Demo):
    check_promises(demo, NOW)


# Leisure ----------------------------------------------------------------------------------------------


def check_leisure(at: datetime) -> None:
    """The next two holidays are open, one week is full and waited for, `parent` has one of each."""
    today = timezone.localdate(at)
    holidays = Activity.objects.get(code="vacances")
    centre = holidays.establishments.get()
    rules = DeadlineBook.for_activity
    open_now = []
    for period in holidays.periods.filter(starts_on__gt=today).order_by("starts_on"):
        slot = Slot.objects.filter(activity=holidays, day__range=(period.starts_on, period.ends_on)).first()
        if slot is not None:
            policy = rules(holidays, period).policy(None, Action.BOOK)
            calendar = OpenDays.load(holidays, centre, period.starts_on, period.ends_on)
            if decide(policy, slot.day, at, calendar).standing is Standing.ON_TIME:
                open_now.append(period)
    assert len(open_now) >= 2
    first = Slot.objects.filter(activity=holidays, day__gte=open_now[0].starts_on).order_by("day")
    week = [slot for slot in first if slot.day.isocalendar()[:2] == first[0].day.isocalendar()[:2]]
    assert all(slot.places_left == 0 for slot in week)
    assert Booking.objects.waiting().filter(activity=holidays, day=week[0].day).count() == 4
    mine = Reservation.objects.filter(
        household=household_of("parent"), enrolment__activity__service="leisure"
    ).values_list("state", flat=True)
    assert {ReservationState.PENDING} <= set(mine)


def test_leisure_is_open_full_and_waited_for(demo: loading.Demo):
    check_leisure(NOW)
    mine = household_of("parent").reservations.filter(enrolment__activity__service="leisure")
    assert set(mine.values_list("state", flat=True)) == {"accepted", "pending"}


# The town ---------------------------------------------------------------------------------------------


def test_the_town_has_its_places_and_its_crest(demo: loading.Demo):
    kinds = dict(Establishment.objects.values_list("kind").annotate(number=Count("pk")).order_by())
    assert kinds == {"school": 3, "restaurant": 2, "centre": 1}
    with Town.objects.get().crest.open() as crest:
        drawing = crest.read()
    assert drawing.startswith(b"<svg")
    assert len(drawing) < 5000


def test_a_year_with_its_holidays_and_closures_around_today(demo: loading.Demo):
    today = NOW.date()
    assert SchoolYear.objects.filter(starts_on__lte=today, ends_on__gte=today).count() == 1
    assert SchoolHoliday.objects.filter(starts_on__gt=today).exists()
    assert PublicHoliday.objects.filter(day=date(2026, 11, 11)).exists()
    assert Closure.objects.filter(ends_on__lt=today).exists()
    assert Closure.objects.filter(starts_on__gt=today).count() >= 2


def test_lists_look_like_real_life(demo: loading.Demo):
    today = NOW.date()
    bookings = Booking.objects.filter(state__in=HOLDING)
    assert bookings.filter(day__lt=today).count() > 1000
    assert bookings.filter(day__gt=today).count() > 300
    assert set(Enrolment.objects.values_list("state", flat=True)) >= {"accepted", "requested"}
    assert set(Reservation.objects.values_list("state", flat=True)) >= {"accepted", "pending", "draft"}
    assert Household.objects.filter(state=Household.State.REQUESTED).exists()
    quotients = FamilyQuotient.objects.values("value").distinct().count()
    assert quotients > 30
    assert Slot.objects.filter(day__lt=today).exists()
    assert Slot.objects.filter(day__gt=today + timedelta(days=150)).exists()


def test_parent_has_a_tax_certificate_of_last_year_and_a_provisional_one(demo: loading.Demo):
    assert yearly.years() == [NOW.year, NOW.year - 1]
    household = household_of("parent")
    for year in yearly.years():
        (found,) = yearly.certificates([household], year)
        assert found.total > 0, year
    assert yearly.households_of(NOW.year - 1).count() > 5


def test_families_have_paid_online_in_every_way_it_may_end(demo: loading.Demo):
    def story(login: str) -> list[tuple[str, bool]]:
        """State by state, and whether it was about the last invoice."""
        household = household_of(login)
        newest = household.invoices.latest("month")
        paid = household.online_payments.order_by("started_at", "pk")
        return [(one.state, one.parts.get().invoice == newest) for one in paid]

    assert story("parent")[-3:] == [("validated", False), ("refused", True), ("cancelled", True)]
    assert story("voisin")[-3:] == [("refused", False), ("refunded", False), ("pending", True)]
    (due,) = Invoice.objects.with_balance().filter(household=household_of("parent"), left__gt=0)
    assert due == household_of("parent").invoices.latest("month")
    assert not OnlinePayment.objects.exclude(trouble="").exists()
    assert not OnlinePayment.objects.filter(settled_at__gt=NOW).exists()
    assert not Invoice.objects.with_balance().filter(left__lt=0).exists()


def test_a_family_moved_before_its_invoice_and_told_it_after(demo: loading.Demo):
    (told,) = told_since(NOW + timedelta(minutes=1))
    (found,) = recalculating.compare([told.household], told.month, BillingSettings.current()).values()
    assert found.amount > found.billed


def test_a_change_of_school_waits_for_agent_on_the_first_page_of_the_desk(demo: loading.Demo):
    move = Move.objects.get(state="requested")
    assert move.left_place and move.place and move.school_class
    assert (move.left_place.code, move.place.code) == ("moulin", "verger")
    assert move.school_class.school in move.place.schools.all()
    agent = Client()
    agent.force_login(User.objects.get(username="agent"))
    queues = {one["title"]: one["count"] for one in agent.get("/mairie/").context["queues"]}
    assert queues["Changements d'école ou de lieu à traiter"] == 1


def test_some_families_are_debited(demo: loading.Demo):
    assert Mandate.objects.filter(revoked_on=None).count() == 3
    assert set(Debit.objects.values_list("payment__state", flat=True)) == {"pending", "validated"}
    assert Debit.objects.exclude(returned_on=None).exists()


def test_both_restaurants_have_menus_with_allergens(demo: loading.Demo):
    today = NOW.date()
    for restaurant in Establishment.objects.filter(kind="restaurant"):
        days = set(Menu.objects.filter(restaurant=restaurant).values_list("day", flat=True))
        assert min(days) < today < max(days)
    dishes = Dish.objects.values("name").distinct().count()
    assert dishes >= 25
    assert Dish.objects.exclude(allergens=[]).exists()
    assert not Menu.objects.annotate(served=Count("dishes")).exclude(served=5).exists()


# Any day, any size ------------------------------------------------------------------------------------


def long(at: datetime) -> Any:
    return pytest.param(at, marks=pytest.mark.long)


@pytest.mark.parametrize(
    "at",
    [
        paris(2025, 9, 2, 7),
        long(paris(2026, 1, 2, 12)),
        long(paris(2026, 6, 30, 18)),
        paris(2026, 8, 10, 9),
        long(paris(2027, 7, 2, 9)),
        paris(2028, 2, 29, 23, 59),
        long(paris(2028, 6, 29, 9)),
        long(paris(2030, 11, 18, 9)),
    ],
    ids=lambda at: f"{at:%Y-%m-%d}",
)
def test_promises_hold_on_any_day_of_the_year(db: None, at: datetime):
    with time_machine.travel(at, tick=False):
        demo = loading.load(10, at=at)
        audit()
        check_promises(demo, at)
        check_leisure(at)
        check_campaign(at)


def test_the_same_people_come_every_time(db: None):
    def names() -> list[tuple[str, ...]]:
        with transaction.atomic():
            loading.load(10, at=NOW)
            found = list(Child.objects.order_by("pk").values_list("first_name", "last_name", "birth_date"))
            transaction.set_rollback(True)
        return found

    assert names() == names()


@pytest.mark.parametrize("provider", ["", "stripe"])
def test_only_the_demonstration_bank_is_asked(db: None, settings: Any, provider: str):
    settings.PAYMENT_PROVIDER = provider
    with time_machine.travel(NOW, tick=False):
        loading.load(10, at=NOW)
    assert Invoice.objects.exists() and not OnlinePayment.objects.exists()


# The command ------------------------------------------------------------------------------------------


def test_the_command_says_which_days_are_full_and_how_to_log_in(now: datetime, db: None):
    out = StringIO()
    call_command("load_demo", households=10, stdout=out)
    said = out.getvalue()
    full = Slot.objects.get(capacity=F("taken"), day__gt=now.date(), activity__service="catering")
    assert f"{moments.day(full.day)} est complet, avec une liste d'attente" in said
    assert "il reste trois places" in said
    assert all(login in said for login in ("parent", "voisin", "famille0003", "agent", "regie", PASSWORD))


def test_the_command_refuses_a_portal_in_service(db: None, settings: Any):
    settings.DEMO = False
    with pytest.raises(CommandError, match="jamais sur un portail en service"):
        call_command("load_demo")


def test_the_command_refuses_a_base_with_households(db: None):
    HouseholdFactory()
    with pytest.raises(CommandError, match="contient déjà des foyers"):
        call_command("load_demo")
    assert not Establishment.objects.exists()


def test_the_command_refuses_a_town_too_small(db: None):
    with pytest.raises(CommandError, match="au moins 10 foyers"):
        call_command("load_demo", households=2)
