"""A small town in which everything changes: three families, three restaurants, and the acts of families, of
the town hall and of the night, each through the door that pages use. And what must hold after each, said once
more in as few words as possible, by nothing that writes invoices or plannings.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from typing import Any

import time_machine
from django.utils import timezone

from billing.invoices import invoicing, recalculating
from billing.invoices.billable import Scope
from billing.invoices.creditable import Wanted
from billing.invoices.invoicing import BillingRefused
from billing.invoices.recalculating import RecalculationRefused
from billing.models import BilledItem, BillingSettings, ManualCharge
from billing.payments import crediting
from catering import kitchen
from families import approval, residences
from families.custody import ending as leaving
from families.models import CalendarLink, Child, Custody, Household, Residence
from portal.reservations import nightly
from portal.reservations.acts import booking, closing, ending, enrolling, moving, reservation_drafts
from portal.reservations.acts.ending import Ending
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.acts.moving import Change
from portal.reservations.acts.refusals import BookingRefused, Choice, PlacesLost
from portal.reservations.models import (
    Activity,
    Attendance,
    Booking,
    CalendarChange,
    Closure,
    Enrolment,
    Establishment,
    Formula,
    Move,
    Period,
    PublicHoliday,
    ReservationLine,
    SchoolClass,
    SchoolHoliday,
)
from portal.reservations.pages import agenda, steps
from portal.reservations.pages.planning import Planning
from portal.reservations.presence import attendance, certificates
from portal.reservations.presence.attendance import AttendanceRefused, Said
from portal.reservations.presence.certificates import AbsenceRefused
from portal.reservations.states import HOLDING, BookingState, EnrolmentState, Outcome
from tests.conftest import Family
from tests.factories import ChangeRequestFactory, PeriodFactory
from tests.portal.reservations.audit import audit
from tests.portal.reservations.shutting import shut

D = Decimal
A_DAY = timedelta(days=1)
# Thursdays and Fridays of November and December 2026, the first of them soon.
DAYS = [date(2026, 11, day) for day in (12, 13, 19, 20, 26, 27)] + [
    date(2026, 12, day) for day in (3, 4, 10, 17)
]
REFUSED = (
    AbsenceRefused,
    approval.AlreadyAnswered,
    AttendanceRefused,
    BillingRefused,
    BookingRefused,
    EnrolmentRefused,
    leaving.EndingRefused,
    PlacesLost,
    RecalculationRefused,
)
ASKED = (Outcome.REQUESTED, Outcome.WAITLISTED, Outcome.OFFERED)
SHUT: dict[str, Callable[["Life"], Any]] = {
    "a formula": lambda life: Formula.objects.filter(code="repas").update(active=False),
    "a weekday": lambda life: Activity.objects.update(weekdays=0b10111),
    "a weekday of a place": lambda life: Establishment.objects.filter(pk=life.places[0].pk).update(
        open_weekdays=0b10111
    ),
    "the end of the period": lambda life: life.periods.filter(starts_on__lt=date(2026, 11, 20)).update(
        ends_on=date(2026, 11, 20)
    ),
    "the start of the period": lambda life: life.periods.filter(ends_on__gt=date(2026, 12, 1)).update(
        starts_on=date(2026, 12, 1)
    ),
    "a place": lambda life: Establishment.objects.filter(pk=life.places[0].pk).update(active=False),
    "a place of the activity": lambda life: life.activity.establishments.remove(life.places[0]),
    "the activity": lambda life: Activity.objects.update(active=False),
    "a public holiday": lambda life: PublicHoliday.objects.get_or_create(day=DAYS[2], name="Pont"),
    "school holidays": lambda life: SchoolHoliday.objects.filter(starts_on__lt=DAYS[2]).update(
        ends_on=DAYS[2]
    ),
    "the town": lambda life: Closure.objects.create(starts_on=DAYS[2], ends_on=DAYS[4]),
    "a restaurant": lambda life: Closure.objects.create(
        starts_on=DAYS[4], ends_on=DAYS[7], establishment=life.places[0]
    ),
    "a class": lambda life: Closure.objects.create(
        starts_on=DAYS[4], ends_on=DAYS[7], why=Closure.Why.TRIP, school_class=life.classes[0]
    ),
    "a school": lambda life: Closure.objects.create(
        starts_on=DAYS[3], ends_on=DAYS[5], establishment=life.classes[0].school
    ),
}


@dataclass(frozen=True)
class Charged:
    """What a day was billed: euros, and as what it counted."""

    amount: Decimal
    counted: str


@dataclass
class Life:
    """What happens to them, one act after the other; `at` goes on."""

    canteen: Any
    homes: list[Family]  # a home with the child that lives there
    places: list[Establishment]  # of the first school, of the second, of both
    classes: list[SchoolClass]  # of the first school: two; of the second one
    agent: Any
    at: datetime
    looks: bool = True  # after each act
    classes_told: dict[int, list[tuple[date, SchoolClass]]] = field(default_factory=lambda: defaultdict(list))
    quotients: dict[int, dict[date, tuple[Decimal, date]]] = field(default_factory=lambda: defaultdict(dict))
    charged: dict[int, Charged] = field(default_factory=dict)  # by booking
    credited: dict[int, Decimal] = field(default_factory=dict)  # by booking
    waits: dict[tuple[int, date], dict[int, Decimal]] = field(default_factory=dict)  # by home and month
    stays: set[int] = field(default_factory=set)  # bookings said to stay after an end
    months: Any = field(
        default_factory=lambda: iter([(2026, 11), (2026, 12), (2027, 1), (2027, 2), (2027, 3)])
    )

    def __post_init__(self) -> None:
        self.activity: Activity = self.canteen.activity
        for who in self.homes:
            self.classes_told[who.child.pk] = [(date.min, self.classes[0])]

    @property
    def periods(self) -> Any:
        return Period.objects.filter(pk=self.canteen.period.pk)

    @property
    def today(self) -> date:
        return timezone.localdate(self.at)

    def does(self, name: str, *said: Any) -> None:
        """One act, refused or not, a minute after the one before; then all is looked at."""
        self.at += timedelta(minutes=1)
        with time_machine.travel(self.at, tick=False), suppress(*REFUSED):
            getattr(self, name)(*said)
            if self.looks:
                self.look()

    # What families do -----------------------------------------------------------------------------------

    def books(self, who: int, days: Iterable[int], waits: bool, formula: int = 0) -> None:
        self._submits(who, [DAYS[day] for day in days], "wait" if waits else "book", formula)

    def _submits(self, who: int, days: list[date], how: str, formula: int) -> None:
        enrolment = self._enrolment(who)
        if enrolment is None:
            return
        meal = Formula.objects.order_by("pk")[formula]
        for place, there in groupby(sorted(days), key=enrolment.place_on):
            on = list(there)
            found = [one for one in Period.objects.order_by("pk") if one.starts_on <= on[0] <= one.ends_on]
            self._records(
                who, enrolment, place or self.places[2], (found or list(self.periods))[0],
                **{how: [Choice(meal.pk, day) for day in on]},
            )  # fmt: skip

    def _records(self, who: int, enrolment: Enrolment, place: Any, period: Any, **ticks: Any) -> None:
        user = self.homes[who].user
        draft = reservation_drafts.choose(
            enrolment, place, period, by=user, at=self.at, **({"book": []} | ticks)
        )
        if draft is not None:
            try:
                booking.submit(draft, by=user, at=self.at)
            finally:
                reservation_drafts.abandon(draft)

    def gives_up(self, who: int, days: Iterable[int]) -> None:
        mine = self._live(who).filter(day__in=[DAYS[day] for day in days], reservation__isnull=False)
        groups: dict[Any, list[Booking]] = defaultdict(list)
        for one in mine.select_related("enrolment", "establishment", "reservation__period"):
            groups[one.enrolment, one.establishment, one.reservation.period].append(one)
        for (enrolment, place, period), found in groups.items():
            ticks = [Choice(one.formula_id, one.day) for one in found]
            self._records(who, enrolment, place, period, cancel=ticks)

    def takes_instead(self, who: int, day: int) -> None:
        for one in self._live(who).filter(day=DAYS[day]):
            other = Formula.objects.exclude(pk=one.formula_id).get()
            booking.change(one, other, by=self.homes[who].user, at=self.at)

    def answers_offers(self, who: int, takes: bool) -> None:
        act = booking.take_offer if takes else booking.leave_list
        for one in self._live(who).filter(state=BookingState.OFFERED):
            act(one, by=self.homes[who].user, at=self.at)

    def waits_to_the_end(self, who: int, wanted: bool) -> None:
        for one in self._live(who).filter(state=BookingState.WAITLISTED):
            booking.wait_until_the_day(one, wanted, by=self.homes[who].user, at=self.at)

    def asks_to_move(self, who: int, where: int, days: int | None) -> None:
        enrolment = self._enrolment(who)
        if enrolment is None:
            return
        chosen = self.classes[where]
        places = [self.places[1 if where == 2 else 0], self.places[2]]
        place = places[where % 2]
        since = None if days is None else self.today + timedelta(days=days)
        move = moving.ask(
            enrolment, establishment=place, school_class=chosen, since=since,
            by=self.homes[who].user, at=self.at,
        )  # fmt: skip
        if move is not None and move.state == "accepted" and move.school_class:
            self._attends(move.child_id, move.school_class, since or self.today)

    def ends(self, who: int, days: int, by_family: bool, late_too: bool) -> None:
        enrolment = self._enrolment(who)
        if enrolment is None:
            return
        said = Ending(self.today + timedelta(days=days), "Déménagement.", late_too, by_family)
        by = self.homes[who].user if by_family else self.agent
        found = ending.end(enrolment, said, by=by, at=self.at)
        self.stays |= {one.booking.pk for one in found.stays} | {one.pk for one in found.asked}

    def takes_up(self, who: int, by_family: bool) -> None:
        enrolment = self._enrolment(who)
        if enrolment is not None:
            by = self.homes[who].user if by_family else self.agent
            ending.resume(enrolment, by=by, at=self.at, by_family=by_family)

    def enrols(self, who: int, days: int) -> None:
        home = self.homes[who]
        place = enrolling.places_for(self.activity, home.child, self.canteen.period.school_year)[0]
        enrolling.request(
            household=home.household, child=home.child, activity=self.activity, establishment=place,
            school_year=self.canteen.period.school_year, weekdays=0b11111,
            starts_on=self.today + timedelta(days=days), by=self.agent, at=self.at, at_desk=True,
        )  # fmt: skip

    # What the town hall does ----------------------------------------------------------------------------

    def accepts(self, skipped: int) -> None:
        booking.accept(self._asked()[skipped:], by=self.agent, at=self.at)

    def refuses(self, skipped: int) -> None:
        booking.refuse(self._asked()[skipped:], reason="Non.", by=self.agent, at=self.at)

    def cancels(self, who: int, day: int) -> None:
        booking.cancel(self._live(who).filter(day=DAYS[day]), by=self.agent, at=self.at)

    def moves(self, who: int, where: int, days: int, both: bool) -> None:
        """At the desk, to a class and a restaurant that takes its school; late where its day has passed."""
        place = self.places[2 if both else where // 2]
        change = Change(self.today + timedelta(days=days), self.classes[where], place)
        moving.carry_out(self.homes[who].child, change, by=self.agent, at=self.at)
        self._attends(self.homes[who].child.pk, self.classes[where], change.since)

    def sends_to(self, who: int, place: int, days: int) -> None:
        """At the desk, to another restaurant that takes the child's school."""
        enrolment = self._enrolment(who)
        if enrolment is None:
            return
        home = self.homes[who]
        chosen = self.places[place]
        if chosen in enrolling.places_for(self.activity, home.child, self.canteen.period.school_year):
            change = Change(self.today + timedelta(days=days), None, chosen, enrolment)
            moving.carry_out(home.child, change, by=self.agent, at=self.at)

    def answers_moves(self, yes: bool) -> None:
        for one in Move.objects.waiting():
            if yes:
                if moving.accept(one, by=self.agent, at=self.at) and one.school_class:
                    self._attends(one.child_id, one.school_class, one.since)
            else:
                moving.refuse(one, reason="Non.", by=self.agent, at=self.at)

    def places_left_days(self, how: str) -> None:
        for one in Move.objects.with_days_left(self.today):
            if how == "drops":
                moving.drop_days(one, reason="Non.", by=self.agent, at=self.at)
            else:
                moving.place_days(one, wait=how == "waits", by=self.agent, at=self.at)

    def closes(self, what: str) -> None:
        shut(lambda: SHUT[what](self), by=self.agent, at=self.at)

    def reopens(self) -> None:
        change = CalendarChange.objects.filter(reopened_at=None).order_by("-pk").first()
        if change is not None:
            closing.reopen(change, by=self.agent, at=self.at)

    def mends(self) -> None:
        """All that was closed opens by hand: nobody is put back."""
        Activity.objects.update(weekdays=0b11111, active=True)
        Establishment.objects.update(active=True, open_weekdays=0b11111)
        Formula.objects.update(active=True)
        Closure.objects.all().delete()
        self.periods.update(starts_on=date(2026, 11, 2), ends_on=date(2026, 12, 18))
        PublicHoliday.objects.filter(name="Pont").delete()
        SchoolHoliday.objects.filter(starts_on=date(2026, 10, 17)).update(ends_on=date(2026, 11, 1))
        self.activity.establishments.add(*self.places)

    def relays(self) -> None:
        """One period ends where another one begins."""
        if Period.objects.filter(code="relais").exists():
            return

        def change() -> None:
            self.periods.filter(starts_on__lt=date(2026, 11, 22)).update(ends_on=date(2026, 11, 22))
            PeriodFactory(
                activity=self.activity, school_year=self.canteen.period.school_year, code="relais",
                starts_on=date(2026, 11, 23), ends_on=date(2026, 12, 18),
            )  # fmt: skip

        shut(change, by=self.agent, at=self.at)

    def decides_otherwise(self, column: str, value: Any) -> None:
        Activity.objects.update(**{column: value})

    def leaves_home(self, who: int, future: str) -> None:
        home = self.homes[who]
        custody = Custody.objects.get(child=home.child, household=home.household)
        others = leaving.takers(custody, self.today)
        until = self.today + timedelta(days=10) if future == "garder" else self.today
        said = leaving.Ending(until, leaving.Future(future), others[0] if others else None)
        leaving.end(custody, said, by=self.agent, at=self.at)

    # What becomes known ---------------------------------------------------------------------------------

    def lives(self, who: int, resident: bool, days: int) -> None:
        home = Household.objects.get(pk=self.homes[who].household.pk)
        residences.settle(home, resident=resident, since=self.today + timedelta(days=days), at=self.at)

    def tells_quotient(self, who: int, value: int, days: int) -> None:
        home = self.homes[who].household
        start = self.today + timedelta(days=days)
        asked = ChangeRequestFactory(
            household=home, kind="quotient", quotient=value, valid_from=start, requested_at=self.at
        )
        approval.accept_change(asked, by=self.agent, at=self.at)
        known = self.quotients[home.pk].get(start, (D(0), self.today))[1]
        self.quotients[home.pk][start] = (D(value), known)

    def came(self, who: int, day: int, said: str) -> None:
        """Entered by the list of a day that has come."""
        for one in Booking.objects.holding().filter(child=self.homes[who].child, day=DAYS[day]):
            if said == "ill":
                certificates.take(
                    one.household, one.child, one.day, one.day, given_at=self.at, by=self.agent, at=self.at
                )
            answer = Said("present") if said == "present" else Said("absent", "strike" * (said == "strike"))
            attendance.record(
                one.establishment, one.formula, one.day, {one.pk: answer}, by=self.agent, at=self.at
            )

    def time_passes(self, hours: int) -> None:
        """And the nights with it."""
        then = self.at + timedelta(hours=hours)
        while self.today < timezone.localdate(then):
            self.at = (self.at + A_DAY).replace(hour=3)
            with time_machine.travel(self.at, tick=False):
                residences.follow(self.today)
                for work in (
                    nightly.enrolments_ended, nightly.enrolments_over, nightly.moves_settled,
                    nightly.certificates_caught_up, nightly.freed_by_closures, nightly.offers_let_go,
                ):  # fmt: skip
                    work(self.at)
        self.at = max(then, self.at)

    # Money ----------------------------------------------------------------------------------------------

    def issues(self) -> None:
        """The next month, as soon as it has begun: its days to come are billed beforehand."""
        month = next(self.months, None)
        if month is None:
            return
        scope = Scope(date(*month, 1))
        if self.today < scope.month:
            self.time_passes((scope.month - self.today).days * 24)
        with time_machine.travel(self.at, tick=False):
            self._issues(scope)

    def _issues(self, scope: Scope) -> None:
        for who in self.homes:
            # Something to pay whatever comes off.
            ManualCharge.objects.create(household=who.household, label="Sortie", unit_price=500, reason="x")
        invoicing.issue(invoicing.start(scope, by=None, at=self.at), at=self.at)
        for home in {who.household.pk for who in self.homes}:
            self._was_billed(home, scope.ends_on)
        self.look_at_money()

    def recalculates(self, who: int, month: int) -> None:
        home, first = self.homes[who].household, date(2026, month, 1)
        asked = recalculating.ask(first, household=home, reason="Su tard", by=None, at=self.at)
        recalculating.count(asked)
        recalculating.confirm(asked, by=None, at=self.at)
        assert recalculating.carry_out(asked) == 0
        self.waits[home.pk, first] = {
            one.pk: self.rule(one)
            for one in self._charged(home.pk)
            if one.state in HOLDING and (one.day.year, one.day.month) == (2026, month)
        }

    def credits(self, who: int, day: int) -> None:
        """By hand, what a day was billed: it costs nothing any more, whatever becomes of it."""
        home = self.homes[who]
        billed = BilledItem.objects.filter(
            booking__household=home.household, booking__child=home.child, booking__day=DAYS[day]
        )
        for item in billed.select_related("line__invoice"):
            with suppress(BillingRefused):
                wanted = Wanted(items=frozenset({item.pk}))
                crediting.credit(item.line.invoice, wanted, reason="Geste", by=None, at=self.at)
                self.credited[item.booking_id or 0] = item.amount
                self.charged.pop(item.booking_id or 0, None)

    def _was_billed(self, home: int, until: date) -> None:
        keys = [key for key in self.waits if key[0] == home]
        waits = {pk: euros for key in keys for pk, euros in self.waits.pop(key).items()}
        found = Booking.objects.filter(household=home, day__lte=until)
        for one in [*found, *self._charged(home).filter(day__gt=until)]:
            if one.pk in self.credited:
                continue
            was, counted = self.charged.get(one.pk), self.counted(one)
            if one.day > until:
                if was is not None and one.pk in waits:
                    self.charged[one.pk] = Charged(waits[one.pk], was.counted)
            elif one.state not in HOLDING:
                self.charged.pop(one.pk, None)
            elif was is None:
                if self.lived_there(one):
                    self.charged[one.pk] = Charged(self.rule(one), counted)
            elif was.counted != counted:
                self.charged[one.pk] = Charged(self.rule(one), counted)
            elif one.pk in waits:
                self.charged[one.pk] = Charged(waits[one.pk], counted)

    def _charged(self, home: int) -> Any:
        return Booking.objects.filter(household=home, pk__in=list(self.charged))

    # What is true of a day ------------------------------------------------------------------------------

    def rule(self, one: Booking) -> Decimal:
        """What a booked day costs by what is known now, in the order in which the tariff says it."""
        settings = BillingSettings.current()
        counted = self.counted(one)
        if counted == "free":
            return D("0.00")
        if counted == "absent":
            return D("5.00")
        quotient = self._quotient(one.household_id, one.day)
        price = D("1.75") if quotient is not None and quotient < 450 else D("3.20")
        if self.class_on(one.child_id, one.day).level == "maternelle":
            price -= D("0.50")
        if self._rank(one, settings.siblings_late == "told") > 1:
            price /= 2
        if not self._lived_in_town(one.household_id, one.day, settings.residence_late == "told"):
            price *= 2
        if one.late:
            price += 1
        return price.quantize(D("0.01"), ROUND_HALF_UP)

    def counted(self, one: Booking) -> str:
        entered = Attendance.objects.filter(booking=one).first()
        if entered is None or entered.state == "present":
            return "present"
        return "free" if entered.certificate_at or entered.reason == "strike" else "absent"

    def lived_there(self, one: Booking) -> bool:
        custody = Custody.objects.get(child=one.child, household=one.household)
        return custody.until is None or one.day <= custody.until

    def class_on(self, child: int, day: date) -> SchoolClass:
        told = sorted(self.classes_told[child], key=lambda one: one[0])
        return [school_class for since, school_class in told if since <= day][-1]

    def _quotient(self, home: int, day: date) -> Decimal | None:
        """A quotient counts from its first day or, told later, from when it was told."""
        told = [
            (start, value)
            for start, (value, known) in self.quotients[home].items()
            if max(start, known) <= day
        ]
        return max(told)[1] if told else None

    def _lived_in_town(self, home: int, day: date, told: bool) -> bool:
        rows = Residence.objects.filter(household=home)
        if not rows:
            return True
        known = [
            (max(row.starts_on or date.min, date.min), row.resident)
            for row in rows
            if (row.starts_on or date.min) <= day
            and not (told and row.starts_on and timezone.localdate(row.told_at) > day)
        ]
        return max(known)[1]

    def _rank(self, one: Booking, told: bool) -> int:
        """By age, among the children enrolled that day in the home."""
        there = {one.child_id}
        for each in Enrolment.objects.filter(
            household=one.household_id, state__in=(EnrolmentState.ACCEPTED, EnrolmentState.ENDED)
        ):
            first, last = each.starts_on, each.ends_on or date.max
            if told:
                first = max(first, timezone.localdate(each.requested_at))
                said = each.ended_at or (each.decided_at if each.is_over else None)
                if each.ends_on and said:
                    last = max(last, timezone.localdate(said) - A_DAY)
            if first <= one.day <= last:
                there.add(each.child_id)
        born = sorted(Child.objects.filter(pk__in=there).values_list("birth_date", "pk"))
        return [pk for _, pk in born].index(one.child_id) + 1

    def _attends(self, child: int, school_class: SchoolClass, since: date) -> None:
        """From that day on the child is in that class; what was to begin later never does."""
        kept = [one for one in self.classes_told[child] if one[0] < since]
        self.classes_told[child] = [*kept, (since, school_class)]

    # What must hold -------------------------------------------------------------------------------------

    def look(self) -> None:
        """Places are those of bookings; every live day is where it belongs, and is seen there."""
        audit()
        live = Booking.objects.live().filter(day__gte=self.today).select_related(
            "enrolment__activity", "enrolment__household", "enrolment__child", "enrolment__school_year",
            "enrolment__establishment", "enrolment__moves_to", "establishment", "child", "attendance",
        ).prefetch_related("child__custodies")  # fmt: skip
        shown: dict[tuple[int, int], set[Choice]] = {}
        listed: dict[int, set[str]] = {}
        for one in live:
            self.belongs(one)
            key = one.enrolment_id, one.establishment_id
            if key not in shown:
                shown[key] = self.on_plannings(one)
            assert Choice(one.formula_id, one.day) in shown[key], f"{one.day} is on no planning"
            if one.household_id not in listed:
                listed[one.household_id] = self.in_the_agenda(one.household_id)
            assert any(uid.startswith(f"booking-{one.pk}@") for uid in listed[one.household_id])
        plates: dict[int, set[tuple[int, date]]] = defaultdict(set)
        for one in live:
            if one.state in HOLDING:
                plates[one.establishment_id].add((one.child_id, one.day))
        for place in self.places:
            cooked = kitchen.expected(place, [day for day in DAYS if day >= self.today]).total()
            assert cooked == len(plates[place.pk])

    def belongs(self, one: Booking) -> None:
        """A live day is at the place, within the enrolment and in the home that are the child's on it."""
        (custody,) = (each for each in one.child.custodies.all() if each.household_id == one.household_id)
        left = custody.until is not None and one.day > max(custody.until, self.today)
        assert not left, f"{one.day}: the child lives there no more"
        if hasattr(one, "attendance"):
            return
        own = one.enrolment.place_id_on(one.day)
        assert own in (None, one.establishment_id), f"{one.day}: at the place it has left"
        last = one.enrolment.ends_on
        assert last is None or one.day <= last or one.pk in self.stays, f"{one.day}: after the end"

    def on_plannings(self, one: Booking) -> set[Choice]:
        place = steps._establishment(one.enrolment, one.establishment_id, self.today)
        found = set()
        for period in steps._periods(one.enrolment, place, self.today).values():
            plan = Planning.build(one.enrolment, place, period, at=self.at)
            found |= {
                choice for choice, cell in plan.cells.items()
                if cell.state in ("booked", "requested", "waitlisted", "offered", "cancel_requested")
            }  # fmt: skip
        return found

    def in_the_agenda(self, home: int) -> set[str]:
        guardian = next(who.guardian for who in self.homes if who.household.pk == home)
        link, _ = CalendarLink.objects.get_or_create(
            guardian=guardian, defaults={"token_hash": f"{home}", "made_at": self.at, "shows_closures": False}
        )
        first, last = self.today - agenda.PAST, self.today + agenda.COMING
        return {entry.uid for entry in agenda._entries(link, self.at, first, last)}

    def look_at_money(self) -> None:
        """What each day cost, over all invoices."""
        cost: dict[int, Decimal] = defaultdict(D)
        for item in BilledItem.objects.filter(booking__isnull=False):
            cost[item.booking_id] += item.amount
        for pk, euros in self.credited.items():
            cost[pk] -= euros
        found = {pk: euros for pk, euros in cost.items() if euros}
        due = {pk: one.amount for pk, one in self.charged.items() if one.amount}
        said = {pk: (str(Booking.objects.get(pk=pk)), found.get(pk), due.get(pk)) for pk in {*found, *due}}
        assert found == due, {pk: one for pk, one in said.items() if one[1] != one[2]}

    # Small things ---------------------------------------------------------------------------------------

    def _enrolment(self, who: int) -> Enrolment | None:
        home = self.homes[who]
        rows = Enrolment.objects.accepted().filter(child=home.child, household=home.household)
        return rows.select_related("activity", "child", "household", "school_year").first()

    def _live(self, who: int) -> Any:
        home = self.homes[who]
        return Booking.objects.live().filter(child=home.child, household=home.household)

    def _asked(self) -> list[ReservationLine]:
        return list(ReservationLine.objects.filter(outcome__in=ASKED).order_by("pk"))
