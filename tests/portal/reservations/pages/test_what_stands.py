"""What is booked is seen by its family, may be given up by it, and is cooked for: whatever has become of the
formula, the weekday, the period, the place or the calendar under it."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from catering import kitchen
from portal.reservations.acts import booking, closing
from portal.reservations.acts.refusals import Choice
from portal.reservations.days.offer import Booked, Offer
from portal.reservations.models import (
    Activity,
    Booking,
    CalendarChange,
    Closure,
    Establishment,
    Formula,
    Period,
    PublicHoliday,
    Reservation,
    SchoolHoliday,
    Slot,
)
from portal.reservations.pages import steps
from portal.reservations.pages.cells import CANCEL
from portal.reservations.pages.planning import Planning
from portal.reservations.states import BookingState
from tests.conftest import NOW, THURSDAY, brother_of, on_the_database
from tests.factories import BookingFactory, PeriodFactory
from tests.portal.reservations.audit import audit
from tests.portal.reservations.shutting import shut

SATURDAY = date(2026, 11, 28)

# Written behind the door's back: what an older version, or another program, may have left.
BEHIND = {
    "formula": lambda: Formula.objects.update(active=False),
    "weekday": lambda: Activity.objects.update(weekdays=0b10111),
    "weekday of the place": lambda: Establishment.objects.update(open_weekdays=0b10111),
    "end": lambda: Period.objects.update(ends_on=date(2026, 11, 20)),
    "start": lambda: Period.objects.update(starts_on=date(2026, 12, 1)),
    "activity": lambda: Activity.objects.update(active=False),
    "place": lambda: Establishment.objects.update(active=False),
    "place of the activity": lambda: Activity.objects.get().establishments.clear(),
    "holiday": lambda: PublicHoliday.objects.create(day=THURSDAY, name="Pont"),
    "school holidays": lambda: SchoolHoliday.objects.filter(starts_on__lt=THURSDAY).update(ends_on=THURSDAY),
}


def address(who, canteen) -> str:
    return f"/cantine/planning/{who.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/"


@pytest.mark.parametrize("what", BEHIND)
def test_a_live_day_is_shown_cancelled_by_its_family_and_cooked_for(what, books, asks, canteen, agent):
    asks(books, THURSDAY, on_request=False)
    BEHIND[what]()
    page = books.client().get(address(books, canteen) + "?mois=2026-11")
    value = f"{canteen.formula.pk}:{THURSDAY.isoformat()}"
    assert page.status_code == 200 and f'name="cancel" value="{value}"' in page.text
    assert kitchen.expected(canteen.restaurant, [THURSDAY]).total() == 1
    assert not Planning.build(books.enrolment, canteen.restaurant, canteen.period, at=NOW).ticks()
    books.client().post(
        address(books, canteen), {"cancel": value, "shown": "toutes", "do": "next", "version": ""}
    )
    draft = Reservation.objects.drafts().get()
    checked = books.client().get(f"/reservations/{draft.pk}/validation/")
    assert checked.status_code == 200 and "26" in checked.text
    booking.submit(draft, by=books.user, at=NOW)
    assert Booking.objects.get().state == BookingState.CANCELLED


@pytest.mark.parametrize("what", sorted({*BEHIND} - {"holiday", "school holidays"}))
def test_nothing_more_is_booked_where_nothing_is_offered(what, books, asks, canteen):
    asks(books, THURSDAY, on_request=False)
    thursday_after = THURSDAY + timedelta(days=7)
    if what == "start":
        thursday_after = THURSDAY - timedelta(days=7)
    draft = Reservation.objects.create(
        household=books.household,
        child=books.child,
        enrolment=books.enrolment,
        establishment=canteen.restaurant,
        period=canteen.period,
        created_at=NOW,
        touched_at=NOW,
    )
    draft.lines.create(formula=canteen.formula, day=thursday_after)
    BEHIND[what]()
    booking.submit(draft, by=books.user, at=NOW)
    assert list(draft.lines.values_list("outcome", flat=True)) == ["refused"]


def test_two_children_of_which_one_has_a_day_beyond_are_shown_for_as_many_queries(books, canteen, brother):
    wanted = [(one, canteen.restaurant) for one in (books.enrolment, brother)]

    def cost() -> tuple[int, set[date]]:
        with CaptureQueriesContext(connection) as queries:
            plans = Planning.together(wanted, canteen.period, at=NOW)
        days = {day for plan in plans for (_, day), cell in plan.cells.items() if cell.field == CANCEL}
        return len(queries), days

    BookingFactory(enrolment=brother, day=date(2026, 12, 17))
    cost()  # reads the town, which is kept
    once, days = cost()
    assert days == {date(2026, 12, 17)}
    for more in range(10):
        BookingFactory(enrolment=brother, day=date(2027, 1, 4) + timedelta(days=more))
    again, days = cost()
    assert once == again and len(days) == 11


# Whatever the order ----------------------------------------------------------------------------------------

kinds = st.sampled_from([*sorted(BEHIND), "closure", "relay"])
act = st.one_of(
    st.tuples(st.just("book"), st.integers(0, 4)),
    st.tuples(st.just("behind"), kinds),
    st.tuples(st.just("guarded"), kinds),
    st.tuples(st.just("guarded"), kinds),
    st.tuples(st.just("reopen"), st.booleans()),
    st.tuples(st.just("mend"), st.just(0)),
)
DAYS = (THURSDAY, date(2026, 11, 12), SATURDAY, date(2026, 12, 17), date(2026, 12, 3))


@pytest.mark.django_db
@on_the_database
@given(acts=st.lists(act, min_size=2, max_size=5))
def test_no_live_day_is_invisible_to_its_family_or_its_kitchen(lives, acts):
    lives.start()
    for name, value in acts:
        lives.at += timedelta(minutes=1)
        getattr(lives, name)(value)
        audit()
        lives.look()


class Lives:
    """One child, what its town does around it, and what is seen of it."""

    def __init__(self, who, canteen, agent) -> None:
        self.who, self.canteen, self.agent = who, canteen, agent
        self.usual = {
            Activity: {"weekdays": 0b11111, "active": True, "during": "term"},
            Establishment: {"open_weekdays": 0b11111, "active": True},
            Formula: {"active": True},
        }

    def start(self) -> None:
        CalendarChange.objects.all().delete()
        Booking.objects.all().delete()
        Slot.objects.update(taken=0, closed=False)
        self.at = NOW
        self.mend(0)

    def mend(self, _: int) -> None:
        """The town sets all as it was, by hand."""
        for model, values in self.usual.items():
            model.objects.update(**values)
        Closure.objects.all().delete()
        Period.objects.exclude(pk=self.canteen.period.pk).delete()
        Period.objects.update(starts_on=date(2026, 11, 2), ends_on=date(2026, 12, 18))
        PublicHoliday.objects.exclude(day=date(2026, 11, 11)).delete()
        SchoolHoliday.objects.filter(starts_on=date(2026, 10, 17)).update(ends_on=date(2026, 11, 1))
        SchoolHoliday.objects.filter(starts_on=date(2026, 12, 19)).update(ends_on=date(2027, 1, 3))
        Activity.objects.get().establishments.set([self.canteen.restaurant])

    def book(self, number: int) -> None:
        day = DAYS[number]
        if not Booking.objects.live().filter(day=day).exists():
            BookingFactory(enrolment=self.who.enrolment, formula=self.canteen.formula, day=day)

    def behind(self, kind: str) -> None:
        if kind == "holiday" and PublicHoliday.objects.filter(day=THURSDAY).exists():
            return
        if kind == "closure":
            Closure.objects.create(starts_on=THURSDAY, ends_on=THURSDAY + timedelta(days=7))
        elif kind == "relay":
            if not Period.objects.filter(code="relais").exists():
                PeriodFactory(
                    activity=self.canteen.activity,
                    school_year=self.canteen.period.school_year,
                    code="relais",
                    starts_on=date(2026, 12, 1),
                    ends_on=date(2026, 12, 31),
                )
        elif kind == "start":
            Period.objects.filter(code=self.canteen.period.code).update(
                starts_on=date(2026, 12, 1), ends_on=date(2026, 12, 18)
            )
        elif kind == "end":
            Period.objects.filter(code=self.canteen.period.code).update(
                starts_on=date(2026, 11, 2), ends_on=date(2026, 11, 20)
            )
        else:
            BEHIND[kind]()

    def guarded(self, kind: str) -> None:
        before, live = Offer.read(self.at.date()), set(self._live())
        shut(lambda: self.behind(kind), by=self.agent, at=self.at)
        after = Offer.read(self.at.date())
        for key in live:
            stood = before.why_not(self._booked(key)) is None
            falls = stood and after.why_not(self._booked(key)) is not None
            concerned = kind == "closure" and THURSDAY <= key.day <= THURSDAY + timedelta(days=7)
            assert (key in self._live()) is not (falls or concerned)

    def reopen(self, late: bool) -> None:
        change = CalendarChange.objects.filter(reopened_at=None).order_by("-pk").first()
        if change is not None:
            before = {one.booking_id for one in change.days.all()}
            done = closing.reopen(change, by=self.agent, at=self.at + timedelta(hours=2 * late))
            assert done.back + sum(done.left.values()) == len(before)

    def look(self) -> None:
        """Every live day is in a cell of some planning that the family can open, and on a kitchen's sheet."""
        seen = set()
        enrolment, place = self.who.enrolment, Establishment.objects.get(pk=self.canteen.restaurant.pk)
        enrolment.activity = Activity.objects.get()
        for period in steps._periods(enrolment, place, NOW.date()).values():
            plan = Planning.build(enrolment, place, period, at=self.at)
            seen |= {choice for choice, cell in plan.cells.items() if cell.state == "booked"}
        assert seen == set(self._live())
        days = [choice.day for choice in self._live()]
        assert kitchen.expected(place, days).total() == len(days)

    def _live(self) -> list[Choice]:
        return [Choice(*row) for row in Booking.objects.live().values_list("formula_id", "day")]

    def _booked(self, choice: Choice) -> Booked:
        return Booked(self.canteen.activity.pk, self.canteen.restaurant.pk, *choice)


@pytest.fixture
def lives(books, canteen, agent):
    return Lives(books, canteen, agent)


@pytest.fixture
def brother(books):
    return brother_of(books, "Hugo")
