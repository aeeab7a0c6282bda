"""The demo's leisure: Wednesdays accepted at once, holidays on request, one full week with a waiting list;
evenings after school by the half-hour.

A fixed share of the town's children, however big it is. Written in bulk, so it keeps by hand the promises
that `booking.py` keeps, as the canteen's part does.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from random import Random

from django.db.models import F, Q
from django.utils import timezone

from families.models import AuthorisedPerson, ChildHealth, Diet, DietChoice, HomeDiet
from portal.demo.factories import AuthorisedPersonFactory, HealthFactory
from portal.demo.people import DemoChild, DemoHome, People
from portal.reservations.acts import booking, ending
from portal.reservations.acts.ending import Ending
from portal.reservations.acts.opening import open_slots
from portal.reservations.models import (
    Activity,
    Booking,
    BookingEvent,
    DeadlineWindow,
    Enrolment,
    Formula,
    Period,
    Place,
    Reservation,
    ReservationLine,
    Schooling,
    SchoolYear,
    Slot,
)
from portal.reservations.states import (
    HOLDING,
    Action,
    BookingState,
    EnrolmentState,
    Outcome,
    ReservationState,
)

# The centre has eighty places.
LARGEST = 70
WAITING = 4
ASKING = 6
OPEN_HOLIDAYS = 2
# The holidays that the demo opens stay open at least that long.
STILL_OPEN = timedelta(days=3)
STAYING = 12
EVENINGS_AHEAD = timedelta(days=35)
# Far enough that the place can still be cancelled, and past any holidays.
OFFERED_FROM, OFFERED_UNTIL = timedelta(days=14), timedelta(days=84)


@dataclass(frozen=True)
class Guest:
    """A child accepted at the centre, for one activity."""

    enrolment: Enrolment
    home: DemoHome

    @property
    def place(self) -> int:
        """Where the child is enrolled: nobody of the demo left it open."""
        place = self.enrolment.establishment_id
        if place is None:
            raise ValueError(f"{self.enrolment} names no place")
        return place


class Leisure:
    """The centre's Wednesdays and holidays around a day."""

    def __init__(self, *, people: People, since: date, until: date, rng: Random, at: datetime) -> None:
        self.people = people
        self.since = since
        self.until = until
        self.rng = rng
        self.at = at
        self.today = timezone.localdate(at)
        self.wednesdays = Activity.objects.get(code="mercredis")
        self.holidays = Activity.objects.get(code="vacances")
        self.evenings = Activity.objects.get(code="accueil-du-soir")
        self.centre = self.holidays.establishments.get()
        self.formulas = {
            activity.pk: {formula.code: formula for formula in activity.formulas.all()}
            for activity in (self.wednesdays, self.holidays, self.evenings)
        }

    def live(self) -> None:
        """Everything: opens the next holidays, enrols children, books their days."""
        coming = self.open_holidays()
        pupils = self._pupils()
        self._complete_files(pupils)
        years = SchoolYear.objects.filter(ends_on__gte=self.since, starts_on__lte=self.until)
        offered = False
        for year in years:
            guests = self._enrol(self.wednesdays, pupils, year)
            self._go_on_wednesdays(guests, year)
            offered = offered or self._offer_a_wednesday(guests, year)
        for number, period in enumerate(coming):
            guests = self._enrol(self.holidays, pupils, period.school_year)
            if number == 0:
                self._fill_first_week(guests, period)
        for year in years:
            self._stay_in_the_evening(pupils[:STAYING], year)
        self._leave_the_evening()

    # Who

    def _pupils(self) -> list[DemoChild]:
        """Two of `parent`, those of `voisin`, and a share of the others; nobody of two homes."""
        others = [
            pupil
            for pupil in self.people.pupils
            if len(pupil.homes) == 1 and pupil.homes[0] not in (self.people.parent, self.people.neighbour)
        ]
        share = min(LARGEST, max(len(others) * 2 // 5, 8))
        neighbours = [pupil for pupil in self.people.neighbour.pupils if len(pupil.homes) == 1]
        return [*self.people.at_canteen, *neighbours, *others[:share]]

    def _complete_files(self, pupils: list[DemoChild]) -> None:
        """Health files for all, as the activities ask, and diets; who collects the children of `parent`."""
        known = set(ChildHealth.objects.values_list("child_id", flat=True))
        missing = [pupil.child for pupil in pupils if pupil.child.pk not in known]
        ChildHealth.objects.bulk_create(HealthFactory.build(child=child) for child in missing)
        mine = [pupil.child for pupil in self.people.at_canteen]
        fed = set(DietChoice.objects.values_list("child_id", flat=True))
        plain = Diet.objects.filter(active=True, needs_pai=False).first()
        hungry = [pupil for pupil in pupils if plain and pupil.child.pk not in fed]
        DietChoice.objects.bulk_create(DietChoice(child=pupil.child, diet=plain) for pupil in hungry)
        HomeDiet.objects.bulk_create(
            HomeDiet(child=pupil.child, household=pupil.homes[0].household, diet=plain) for pupil in hungry
        )
        collected = set(AuthorisedPerson.objects.filter(child__in=mine).values_list("child_id", flat=True))
        AuthorisedPerson.objects.bulk_create(
            AuthorisedPersonFactory.build(child=child, relationship="Grand-mère")
            for child in mine
            if child.pk not in collected
        )

    def _enrol(
        self,
        activity: Activity,
        pupils: Iterable[DemoChild],
        year: SchoolYear,
        schools: Mapping[int, int] | None = None,
    ) -> list[Guest]:
        """At the centre; with `schools` (child -> school), each at its own."""
        known = {
            enrolment.child_id: enrolment
            for enrolment in Enrolment.objects.filter(activity=activity, school_year=year)
        }
        asked = min(self._moment(year.starts_on - timedelta(days=70)), self.at - timedelta(days=20))
        homes = {}
        new = []
        for pupil in pupils:
            age = pupil.child.age_on(max(year.starts_on, self.today))
            if not (activity.min_age or 0) <= age <= (activity.max_age or age):
                continue
            homes[pupil.child.pk] = pupil.homes[0]
            if pupil.child.pk not in known:
                new.append(
                    Enrolment(
                        household=pupil.homes[0].household,
                        child=pupil.child,
                        activity=activity,
                        establishment_id=schools[pupil.child.pk] if schools else self.centre.pk,
                        school_year=year,
                        weekdays=activity.weekdays if activity == self.wednesdays else 0,
                        starts_on=year.starts_on,
                        state=EnrolmentState.ACCEPTED,
                        requested_by=pupil.homes[0].user,
                        decided_by=self.people.agent,
                        decided_at=asked + timedelta(days=4),
                    )
                )
        Enrolment.objects.bulk_create(new)
        Enrolment.objects.filter(pk__in=[one.pk for one in new]).update(requested_at=asked)
        for one in new:
            known[one.child_id] = one
        return [Guest(known[child], home) for child, home in homes.items()]

    # Wednesdays

    def _go_on_wednesdays(self, guests: list[Guest], year: SchoolYear) -> None:
        """Most come on all Wednesdays, for the day or without the morning; reserved before the first."""
        formulas = self.formulas[self.wednesdays.pk]
        for period in self.wednesdays.periods.filter(
            school_year=year, ends_on__gte=self.since, starts_on__lte=self.today + timedelta(days=14)
        ):
            slots = self._slots(period, max(period.starts_on, self.since), min(period.ends_on, self.until))
            for guest in guests:
                formula = self.rng.choice(
                    [formulas["journee"]] * 3 + [formulas["matinee"], formulas["apres-midi"]]
                )
                mine = guest.home is self.people.parent
                days = [day for day in slots if mine or self.rng.random() < 0.75]
                asked = min(self._moment(period.starts_on - timedelta(days=10)), self.at - timedelta(days=15))
                days = [day for day in days if day > timezone.localdate(asked)]
                self._reserve(
                    guest, period, formula, {day: slots[day] for day in days}, asked, BookingState.ACCEPTED
                )

    def _offer_a_wednesday(self, guests: list[Guest], year: SchoolYear) -> bool:
        """On a Wednesday to come, a place is offered to a child of `voisin`; whether one could be."""
        neighbours = [one for one in guests if one.home is self.people.neighbour]
        whole = self.formulas[self.wednesdays.pk]["journee"]
        first, last = self.today + OFFERED_FROM, self.today + OFFERED_UNTIL
        for guest in neighbours:
            for period in self.wednesdays.periods.filter(
                school_year=year, ends_on__gte=first, starts_on__lte=last
            ):
                slots = self._slots(period, max(period.starts_on, first), min(period.ends_on, last))
                booked = Booking.objects.filter(child=guest.enrolment.child_id, day__in=slots)
                taken = set(booked.values_list("day", flat=True))
                for day in sorted(set(slots) - taken):
                    if any(part not in slots[day] for part in whole.parts):
                        continue
                    asked = self.at - timedelta(days=3)
                    only = {day: slots[day]}
                    self._reserve(guest, period, whole, only, asked, BookingState.WAITLISTED, answered=True)
                    morning = slots[day]["morning"]
                    Slot.objects.filter(pk=morning.pk).update(capacity=F("taken") + 1)
                    return bool(booking.promote([morning.pk], at=self.at))
        return False

    # Evenings

    def _stay_in_the_evening(self, pupils: Iterable[DemoChild], year: SchoolYear) -> None:
        """Until an hour of their own at the beginning of the week, another at its end."""
        schools = dict(
            Schooling.objects.filter(
                school_year=year, child__in=[pupil.child for pupil in pupils]
            ).values_list("child_id", "school_class__school_id")
        )
        staying = [pupil for pupil in pupils if pupil.child.pk in schools]
        guests = self._enrol(self.evenings, staying, year, schools)
        formulas = list(self.formulas[self.evenings.pk].values())
        until = min(self.until, self.today + EVENINGS_AHEAD)
        for period in self.evenings.periods.filter(
            school_year=year, ends_on__gte=self.since, starts_on__lte=until
        ):
            first, last = max(period.starts_on, self.since), min(period.ends_on, until)
            slots = {
                school: self._slots(period, first, last, school) for school in sorted({*schools.values()})
            }
            asked = min(self._moment(period.starts_on - timedelta(days=10)), self.at - timedelta(days=15))
            for guest in guests:
                mine = guest.home is self.people.parent
                evenings = slots[guest.place]
                for weekdays in ((0, 1), (3, 4)):
                    formula = self.rng.choice(formulas)
                    days = {
                        day: parts
                        for day, parts in evenings.items()
                        if day.weekday() in weekdays
                        and day > timezone.localdate(asked)
                        and (mine or self.rng.random() < 0.75)
                    }
                    self._reserve(guest, period, formula, days, asked, BookingState.ACCEPTED)

    def _leave_the_evening(self) -> None:
        """The elder child of `voisin` stays no longer since yesterday: the town hall ended it and cancelled
        the evenings to come."""
        mine = Enrolment.objects.accepted().filter(
            activity=self.evenings,
            child=self.people.neighbour.pupils[0].child,
            household=self.people.neighbour.household,
            school_year__in=SchoolYear.objects.serving(self.today),
        )
        enrolment = mine.order_by("school_year__starts_on").first()
        if enrolment is None:
            return
        last_day = max(enrolment.starts_on, self.today - timedelta(days=1))
        said = Ending(last_day, "Les horaires de travail des parents ont changé.", late_too=True)
        ending.end(enrolment, said, by=self.people.agent, at=self.at)

    # Holidays

    def open_holidays(self) -> list[Period]:
        """Opens the next holidays that are not closed to reservation yet; their periods, nearest first."""
        opened = []
        coming = self.holidays.periods.filter(starts_on__gt=self.today).select_related(
            "activity", "school_year"
        )
        for period in coming.order_by("starts_on"):
            windows = DeadlineWindow.objects.filter(
                rule__activitydeadline__activity=self.holidays,
                covers_from__lte=period.starts_on,
                covers_to__gte=period.ends_on,
            ).distinct()
            closes = windows.filter(closes_at__isnull=False).order_by("closes_at").first()
            if closes is not None and closes.closes_at and closes.closes_at < self.at + STILL_OPEN:
                continue
            since = self._moment(self.today - timedelta(days=21), time(8))
            if closes is None:
                self._write_window(period, since)
            too_late = Q(opens_at__gt=since) | Q(opens_at=None)
            DeadlineWindow.objects.filter(too_late, pk__in=windows.values("pk")).update(opens_at=since)
            for field in ("opens_at", "opens_at_non_residents"):
                if (moment := getattr(period, field)) and moment > since:
                    setattr(period, field, since)
            period.save()
            open_slots(period, at=self.at)
            opened.append(period)
            if len(opened) == OPEN_HOLIDAYS:
                break
        return opened

    def _write_window(self, period: Period, since: datetime) -> None:
        """For holidays past those that the town's file knows."""
        deadline = self.holidays.deadlines.filter(action=Action.BOOK).select_related("rule").first()
        closes = max(period.starts_on - timedelta(days=8), self.today + STILL_OPEN + timedelta(days=1))
        if deadline is not None:
            DeadlineWindow.objects.create(
                rule=deadline.rule,
                covers_from=period.starts_on,
                covers_to=period.ends_on,
                opens_at=since,
                closes_at=self._moment(closes, time(18)),
            )

    def _fill_first_week(self, guests: list[Guest], period: Period) -> None:
        """The first week is full and some wait for it; in the weeks after, some ask, `parent` among them."""
        slots = self._slots(period, period.starts_on, period.ends_on)
        weeks = [list(days) for _, days in groupby(slots, key=lambda day: day.isocalendar()[:2])]
        if not weeks:
            return
        whole = self.formulas[self.holidays.pk]["journee"]
        known = [one for one in guests if one.home in (self.people.parent, self.people.neighbour)]
        others = [one for one in guests if one not in known]
        waiting, coming = others[:WAITING], others[WAITING:]
        first = {day: slots[day] for day in weeks[0]}
        asked = self.at - timedelta(days=9)
        for guest in coming:
            self._reserve(guest, period, whole, first, asked, BookingState.ACCEPTED, answered=True)
        Slot.objects.filter(pk__in=[slot.pk for of_day in first.values() for slot in of_day.values()]).update(
            capacity=F("taken")
        )
        for rank, guest in enumerate(waiting):
            at = self.at - timedelta(days=6, minutes=-17 * rank)
            self._reserve(guest, period, whole, first, at, BookingState.WAITLISTED, answered=True)
        later = {day: slots[day] for week in weeks[1:2] for day in week}
        mine = [one for one in known if one.home is self.people.parent][:1]
        for guest in (*mine, *coming[:ASKING]):
            evening = self._moment(self.today - timedelta(days=1), time(19))
            at = evening + timedelta(minutes=self.rng.randint(5, 180))
            self._reserve(guest, period, whole, later, at, BookingState.REQUESTED)

    # Writing

    def _slots(
        self, period: Period, first: date, last: date, establishment: int | None = None
    ) -> dict[date, dict[str, Slot]]:
        """The open days of a period with their slots by part of the day; at the centre unless said."""
        days: dict[date, dict[str, Slot]] = defaultdict(dict)
        for slot in Slot.objects.filter(
            activity=period.activity,
            establishment=establishment or self.centre,
            day__range=(first, last),
            formula=None,
        ).order_by("day"):
            days[slot.day][slot.part] = slot
        return days

    def _reserve(
        self,
        guest: Guest,
        period: Period,
        formula: Formula,
        days: dict[date, dict[str, Slot]],
        asked: datetime,
        state: BookingState,
        *,
        answered: bool = False,
    ) -> None:
        """A recorded reservation of these days, all in one state; `answered` by the town hall later on."""
        if not days:
            return
        enrolment, user = guest.enrolment, guest.home.user
        decided = asked + timedelta(hours=14) if answered else None
        waits = state == BookingState.WAITLISTED
        outcome, overall = {
            BookingState.ACCEPTED: (Outcome.ACCEPTED, ReservationState.ACCEPTED),
            BookingState.REQUESTED: (Outcome.REQUESTED, ReservationState.PENDING),
            BookingState.WAITLISTED: (Outcome.WAITLISTED, ReservationState.PENDING),
        }[state]
        reservation = Reservation.objects.create(
            household_id=enrolment.household_id,
            child_id=enrolment.child_id,
            enrolment=enrolment,
            establishment_id=guest.place,
            period=period,
            state=overall,
            created_by=user,
            created_at=asked,
            touched_at=asked,
            submitted_at=asked,
            decided_at=decided,
            decided_by=self.people.agent if answered else None,
        )
        ReservationLine.objects.bulk_create(
            ReservationLine(
                reservation=reservation,
                formula=formula,
                day=day,
                action=Action.BOOK,
                accepts_waiting=waits,
                outcome=outcome,
            )
            for day in days
        )
        bookings = Booking.objects.bulk_create(
            Booking(
                household_id=enrolment.household_id,
                child_id=enrolment.child_id,
                enrolment=enrolment,
                reservation=reservation,
                activity_id=enrolment.activity_id,
                establishment_id=guest.place,
                formula=formula,
                day=day,
                state=state,
                waiting_since=decided if waits else None,
                changed_at=decided or asked,
            )
            for day in days
        )
        taken = [(booking, days[booking.day][part]) for booking in bookings for part in formula.parts]
        Place.objects.bulk_create(
            Place(booking=booking, slot=slot, child_id=enrolment.child_id) for booking, slot in taken
        )
        if state in HOLDING:
            Slot.objects.filter(pk__in=[slot.pk for _, slot in taken]).update(taken=F("taken") + 1)
        first = BookingState.REQUESTED if answered else state
        events = [
            BookingEvent(booking=one, state=first, at=asked, by=user, reservation=reservation)
            for one in bookings
        ]
        if decided:
            events += [
                BookingEvent(booking=one, state=state, at=decided, by=self.people.agent) for one in bookings
            ]
        BookingEvent.objects.bulk_create(events)

    def _moment(self, day: date, at: time = time(20, 15)) -> datetime:
        return datetime.combine(day, at, tzinfo=timezone.get_current_timezone())
