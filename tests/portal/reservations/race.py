"""Families and agents at the same moment, each a process with an own connection, on a database of their own.

`python -m tests.portal.reservations.race` lets everybody act at once on the database of DATABASE_URL,
migrated and empty, and writes what came of it as JSON. Not a test by itself: test_race.py starts it and
judges.
"""

import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.core.management import call_command
from django.db import connections, transaction
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from portal.reservations.acts import booking, ending, lots, moving, reservation_drafts
from portal.reservations.acts.closing import Closing, reopen
from portal.reservations.acts.ending import Ending, EndingRefused
from portal.reservations.acts.moving import Change
from portal.reservations.acts.overriding import NONE, Overrides
from portal.reservations.acts.refusals import BookingRefused, Choice, PlacesLost
from portal.reservations.days.offer import Offer
from portal.reservations.models import (
    Booking,
    CalendarChange,
    Enrolment,
    LeftDay,
    Lot,
    LotDay,
    Period,
    Reservation,
    ReservationLine,
    Slot,
)
from portal.reservations.states import Became, BookingState, LotVerb, Outcome, Override
from tests.factories import (
    ActivityFactory,
    CentreFactory,
    ChildFactory,
    EnrolmentFactory,
    FormulaFactory,
    GuardianFactory,
    HouseholdFactory,
    PeriodFactory,
    SchoolYearFactory,
    TownFactory,
    UserFactory,
)
from tests.portal.reservations.audit import audit

FAMILIES = 64
PLACES = 10
CROSSING = 32
ROUNDS = 4
PARTS = {
    "matinee": ["morning"],
    "apres-midi": ["afternoon"],
    "journee": ["morning", "noon", "afternoon"],
}


def service(capacity: int, days: int) -> SimpleNamespace:
    """An activity with three formulas that share the parts of the day, open from tomorrow on."""
    today = timezone.localdate()
    year = SchoolYearFactory()
    type(year).objects.update(starts_on=today - timedelta(days=90), ends_on=today + timedelta(days=200))
    year.refresh_from_db()
    centre = CentreFactory()
    activity = ActivityFactory(
        service="loisirs", establishments=[centre], weekdays=0b1111111, during="always"
    )
    centre.open_weekdays = 0b1111111
    centre.save()
    formulas = [FormulaFactory(activity=activity, code=code, parts=parts) for code, parts in PARTS.items()]
    period = PeriodFactory(
        activity=activity, school_year=year, starts_on=today, ends_on=today + timedelta(days=60)
    )
    dates = [today + timedelta(days=2 + offset) for offset in range(days)]
    Slot.objects.bulk_create(
        Slot(activity=activity, establishment=centre, day=day, part=part, capacity=capacity)
        for day in dates
        for part in ("afternoon", "morning", "noon")  # primary keys follow no clock
    )
    return SimpleNamespace(
        activity=activity,
        restaurant=centre,
        period=period,
        formulas=formulas,
        dates=dates,
        year=year,
        slots=Slot.objects.filter(activity=activity),
        bookings=Booking.objects.filter(activity=activity),
    )


def families(where: SimpleNamespace, count: int) -> list[SimpleNamespace]:
    """So many homes with an enrolled child."""
    found = []
    for _ in range(count):
        household = HouseholdFactory()
        user = UserFactory(password="!")
        GuardianFactory(household=household, user=user)
        child = ChildFactory(households=[household])
        enrolment = EnrolmentFactory(
            household=household,
            child=child,
            activity=where.activity,
            establishment=where.restaurant,
            school_year=where.year,
        )
        found.append(SimpleNamespace(user=user, child=child, enrolment=enrolment))
    return found


def choose(who: Any, where: Any, *, book: Any = (), wait: Any = (), cancel: Any = ()) -> Reservation | None:
    return reservation_drafts.choose(
        who.enrolment,
        where.restaurant,
        where.period,
        book=book,
        wait=wait,
        cancel=cancel,
        by=who.user,
        at=timezone.now(),
    )


def at_once(acts: list[Callable[[], object]]) -> tuple[list[str], float]:
    """Runs each act in a process of its own, all released together; their errors, and the seconds it took."""
    connections.close_all()
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(len(acts) + 1)
    errors = context.SimpleQueue()

    def run(act: Callable[[], object]) -> None:
        try:
            connections["default"].ensure_connection()
            gate.wait(60)
            act()
        except Exception as error:  # noqa: BLE001 – whatever it is, the test must know
            errors.put(f"{type(error).__name__}: {error}")
        finally:
            connections.close_all()

    processes = [context.Process(target=run, args=(act,)) for act in acts]
    for process in processes:
        process.start()
    gate.wait(60)
    began = time.perf_counter()
    for process in processes:
        process.join(90)
    took = time.perf_counter() - began
    found = [f"exit code {process.exitcode}" for process in processes if process.exitcode]
    while not errors.empty():
        found.append(errors.get())
    return found, took


# The last ten places --------------------------------------------------------------------------------------


def last_places() -> dict[str, object]:
    """Everybody wants the same day; then everybody who got it gives it up."""
    where = service(PLACES, days=1)
    (day,) = where.dates
    whole = [Choice(where.formulas[2].pk, day)]
    homes = families(where, FAMILIES)
    drafts = [choose(who, where, wait=whole) for who in homes]

    def submit(who: Any, draft: Reservation | None) -> Callable[[], object]:
        return lambda: booking.submit(draft, by=who.user, at=timezone.now())

    errors, took = at_once([submit(who, draft) for who, draft in zip(homes, drafts, strict=True)])
    audit()
    first = {
        "accepted": where.bookings.accepted().count(),
        "waiting": where.bookings.waiting().count(),
        "taken": list(where.slots.values_list("taken", flat=True)),
        "letters": DBTaskResult.objects.count(),
        "seconds": round(took, 2),
    }
    winners = list(where.bookings.accepted().values_list("child", flat=True))
    next_in_line = list(where.bookings.waiting().values_list("pk", flat=True))[:PLACES]
    leaving = [who for who in homes if who.child.pk in winners]
    goodbyes = [choose(who, where, cancel=whole) for who in leaving]
    more, took = at_once([submit(who, draft) for who, draft in zip(leaving, goodbyes, strict=True)])
    audit()
    promoted = set(where.bookings.accepted().values_list("pk", flat=True))
    return first | {
        "errors": errors + more,
        "cancelled": where.bookings.filter(state=BookingState.CANCELLED).count(),
        "promoted_in_order": promoted == set(next_in_line),
        "taken_after": list(where.slots.values_list("taken", flat=True)),
        "seconds_after": round(took, 2),
    }


# Half a day against the whole day -------------------------------------------------------------------------


def shared_places() -> dict[str, object]:
    """Half of the families want the morning, the others the day: the same ten places of the morning."""
    where = service(PLACES, days=1)
    (day,) = where.dates
    where.slots.exclude(part="morning").update(capacity=FAMILIES)
    morning, _, whole = where.formulas
    homes = families(where, FAMILIES)
    wanted = [Choice((morning, whole)[number % 2].pk, day) for number in range(FAMILIES)]
    drafts = [choose(who, where, wait=[choice]) for who, choice in zip(homes, wanted, strict=True)]

    def submit(who: Any, draft: Reservation | None) -> Callable[[], object]:
        return lambda: booking.submit(draft, by=who.user, at=timezone.now())

    errors, took = at_once([submit(who, draft) for who, draft in zip(homes, drafts, strict=True)])
    audit()
    accepted = where.bookings.accepted()
    return {
        "errors": errors,
        "mornings": accepted.filter(formula=morning).count(),
        "days": accepted.filter(formula=whole).count(),
        "waiting": where.bookings.waiting().count(),
        "taken": dict(where.slots.values_list("part", "taken")),
        "seconds": round(took, 2),
    }


# Beyond the capacity ----------------------------------------------------------------------------------------


def forcing() -> dict[str, object]:
    """Families want the last place while the town hall gives places beyond the capacity to others."""
    where = service(1, days=1)
    (day,) = where.dates
    choice = Choice(where.formulas[0].pk, day)
    agent = UserFactory(is_staff=True, is_superuser=True, password="!")
    homes = families(where, 12)
    helped, alone = homes[:4], homes[4:]
    drafts = [choose(who, where, book=[choice]) for who in alone]
    at_desk = [
        reservation_drafts.choose(
            who.enrolment,
            where.restaurant,
            where.period,
            book=[choice],
            by=agent,
            at=timezone.now(),
            at_desk=True,
        )
        for who in helped
    ]
    overrides = Overrides({Override.CAPACITY: "Fratrie."})

    def submit(who: Any, draft: Reservation | None) -> Callable[[], object]:
        def act() -> None:
            with suppress(PlacesLost):
                booking.submit(draft, by=who.user, at=timezone.now())

        return act

    def force(draft: Reservation | None) -> Callable[[], object]:
        return lambda: booking.submit(draft, by=agent, at=timezone.now(), overrides=overrides)

    acts = [submit(who, draft) for who, draft in zip(alone, drafts, strict=True)]
    errors, _ = at_once([*acts, *(force(draft) for draft in at_desk)])
    audit()
    (slot,) = where.slots.filter(part="morning")
    return {
        "errors": errors,
        "helped": where.bookings.accepted().filter(child__in=[who.child for who in helped]).count(),
        "alone": where.bookings.accepted().filter(child__in=[who.child for who in alone]).count(),
        "taken": slot.taken,
        "forced": slot.forced,
    }


# Another formula instead ----------------------------------------------------------------------------------


def changing() -> dict[str, object]:
    """Everybody has the morning and wants the day instead, by two clicks at once: ten afternoons are left."""
    where = service(FAMILIES, days=1)
    (day,) = where.dates
    where.slots.filter(part="afternoon").update(capacity=PLACES)
    morning, _, whole = where.formulas
    homes = families(where, FAMILIES // 2)
    for who in homes:
        draft = choose(who, where, wait=[Choice(morning.pk, day)])
        assert draft is not None
        booking.submit(draft, by=who.user, at=timezone.now())

    def change(who: Any) -> Callable[[], object]:
        def act() -> None:
            held = Booking.objects.get(child=who.child, formula=morning)
            try:
                booking.change(held, whole, by=who.user, at=timezone.now())
            except BookingRefused as refusal:
                told = str(refusal)
                assert "votre place actuelle est gardée" in told or told == booking.NOT_BOOKED, told

        return act

    errors, took = at_once([change(who) for who in homes for _ in range(2)])
    audit()
    accepted = where.bookings.accepted()
    return {
        "errors": errors,
        "children": accepted.values("child").distinct().count(),
        "homes": len(homes),
        "mornings": accepted.filter(formula=morning).count(),
        "days": accepted.filter(formula=whole).count(),
        "numbers": Reservation.objects.filter(is_change=True).count(),
        "taken": dict(where.slots.values_list("part", "taken")),
        "seconds": round(took, 2),
    }


# The last second of an offer ------------------------------------------------------------------------------


def offering() -> dict[str, object]:
    """On each of twenty days a place is offered to the second of three families. At its last second two
    clicks take it while the worker lets it go: it is that family's, or the next one's to answer."""
    where = service(1, days=20)
    type(where.activity).objects.update(offer_hours=2)
    first, second, third = homes = families(where, 3)
    whole = [Choice(where.formulas[2].pk, day) for day in where.dates]
    for who in homes:
        draft = choose(who, where, wait=whole)
        assert draft is not None
        booking.submit(draft, by=who.user, at=timezone.now())
    goodbye = choose(first, where, cancel=whole)
    assert goodbye is not None
    booking.submit(goodbye, by=first.user, at=timezone.now())
    offered = list(where.bookings.offered().order_by("day"))
    last = max(one.offered_until for one in offered)

    def take() -> None:
        for one in offered:
            with suppress(BookingRefused):
                booking.take_offer(one, by=second.user, at=one.offered_until - timedelta(microseconds=1))

    def let_go() -> None:
        booking.let_offers_go(at=last)

    errors, took = at_once([take, take, let_go])
    audit()
    taken = set(where.bookings.accepted().filter(child=second.child).values_list("day", flat=True))
    next_one = set(where.bookings.offered().filter(child=third.child).values_list("day", flat=True))
    return {
        "errors": errors,
        "offered": len(offered),
        "both": len(taken & next_one),
        "answered": len(taken | next_one),
        "taken": sorted(set(where.slots.values_list("taken", flat=True))),
        "seconds": round(took, 2),
    }


# The door closes ------------------------------------------------------------------------------------------


def closing_a_day() -> dict[str, object]:
    """Everybody books two days while the town shortens the period over the second; then it is reopened."""
    where = service(FAMILIES, days=2)
    first, second = where.dates
    whole = where.formulas[2].pk
    homes = families(where, FAMILIES // 2)
    drafts = [choose(who, where, wait=[Choice(whole, first), Choice(whole, second)]) for who in homes]
    agent = UserFactory(username="fermeture", password="!", is_staff=True)

    def submit(who: Any, draft: Reservation | None) -> Callable[[], object]:
        return lambda: booking.submit(draft, by=who.user, at=timezone.now())

    def shorten() -> None:
        time.sleep(0.05)  # among them
        today = timezone.localdate()
        with transaction.atomic():
            before = Offer.read(today)
            Period.objects.filter(pk=where.period.pk).update(ends_on=first)
            closing = Closing.between(before, Offer.read(today), today)
            closing.close(by=agent, at=timezone.now())

    acts = [submit(who, draft) for who, draft in zip(homes, drafts, strict=True)]
    errors, took = at_once([*acts[::2], shorten, *acts[1::2]])
    audit()
    live = where.bookings.live()
    found = {
        "first": live.filter(day=first).count(),
        "second": live.filter(day=second).count(),
        "homes": len(homes),
    }
    change = CalendarChange.objects.latest("pk")
    cancelled = change.days.count()
    again, _ = at_once([lambda: reopen(change, by=agent, at=timezone.now())] * 2)
    audit()
    return found | {
        "errors": errors,
        "twice": again,
        "cancelled": cancelled,
        "back": live.filter(day=second).count(),
        "seconds": round(took, 2),
    }


# Another place ------------------------------------------------------------------------------------------


def moving_in() -> dict[str, object]:
    """Half of the families are moved to another centre with their day, while the others book the last ten
    places there."""
    where = service(FAMILIES, days=1)
    (day,) = where.dates
    (whole,) = (formula for formula in where.formulas if formula.code == "journee")
    agent = UserFactory(username="mover", password="!", is_staff=True)
    there = SimpleNamespace(**vars(where))
    there.restaurant = CentreFactory(open_weekdays=0b1111111)
    where.activity.establishments.add(there.restaurant)
    Slot.objects.bulk_create(
        Slot(activity=where.activity, establishment=there.restaurant, day=day, part=part, capacity=PLACES)
        for part in ("noon", "afternoon", "morning")
    )
    movers, others = families(where, FAMILIES // 4), families(there, FAMILIES // 4)
    for who in movers:
        draft = choose(who, where, wait=[Choice(whole.pk, day)])
        assert draft is not None
        booking.submit(draft, by=who.user, at=timezone.now())
    drafts = [choose(who, there, wait=[Choice(whole.pk, day)]) for who in others]

    def move(who: Any) -> Callable[[], object]:
        change = Change(day, place=there.restaurant)
        return lambda: moving.carry_out(who.child, change, by=agent, at=timezone.now())

    def submit(who: Any, draft: Reservation | None) -> Callable[[], object]:
        return lambda: booking.submit(draft, by=who.user, at=timezone.now())

    acts = [move(who) for who in movers]
    acts += [submit(who, draft) for who, draft in zip(others, drafts, strict=True)]
    random.Random(2).shuffle(acts)
    errors, took = at_once(acts)
    audit()
    held = where.bookings.holding()
    return {
        "errors": errors,
        "movers": len(movers),
        "old": held.filter(establishment=where.restaurant).count(),
        "new": held.filter(establishment=there.restaurant).count(),
        "followed": held.filter(child__in=[who.child for who in movers]).count(),
        "left": LeftDay.objects.count(),
        "seconds": round(took, 2),
    }


def reopening() -> dict[str, object]:
    """A day closed for all opens again while a quarter of its children are moved to another centre, another
    quarter are ended on its eve, and those who never had it book it."""
    where = service(FAMILIES, days=1)
    (day,) = where.dates
    whole = next(formula for formula in where.formulas if formula.code == "journee")
    agent = UserFactory(username="opener", password="!", is_staff=True)
    there = CentreFactory(open_weekdays=0b1111111)
    where.activity.establishments.add(there)
    Slot.objects.bulk_create(
        Slot(activity=where.activity, establishment=there, day=day, part=part, capacity=FAMILIES)
        for part in ("noon", "afternoon", "morning")
    )
    homes = families(where, FAMILIES // 2)
    had, others = homes[: FAMILIES // 4], homes[FAMILIES // 4 :]
    for who in had:
        draft = choose(who, where, wait=[Choice(whole.pk, day)])
        assert draft is not None
        booking.submit(draft, by=who.user, at=timezone.now())
    drafts = [choose(who, where, wait=[Choice(whole.pk, day)]) for who in others]
    today = timezone.localdate()
    with transaction.atomic():
        before = Offer.read(today)
        type(where.activity).objects.filter(pk=where.activity.pk).update(active=False)
        Closing.between(before, Offer.read(today), today).close(by=agent, at=timezone.now())
    change = CalendarChange.objects.latest("pk")

    def open_again() -> None:
        time.sleep(0.05)  # among them
        reopen(change, by=agent, at=timezone.now())

    def submit(who: Any, draft: Reservation | None) -> Callable[[], object]:
        return lambda: booking.submit(draft, by=who.user, at=timezone.now())

    def move(who: Any) -> Callable[[], object]:
        to_there = Change(day, place=there)
        return lambda: moving.carry_out(who.child, to_there, by=agent, at=timezone.now())

    def end(who: Any) -> Callable[[], object]:
        said = Ending(day - timedelta(days=1), "Fin.")
        return lambda: ending.end(who.enrolment, said, by=agent, at=timezone.now())

    acts = [(move, end)[number % 2](who) for number, who in enumerate(had[: FAMILIES // 8])]
    acts += [submit(who, draft) for who, draft in zip(others, drafts, strict=True)]
    random.Random(3).shuffle(acts)
    errors, took = at_once([*acts, open_again])
    audit()
    live = where.bookings.live()
    lost = [
        one.pk
        for one in live.select_related("enrolment")
        if one.establishment_id != one.enrolment.place_id_on(day)
        or (one.enrolment.ends_on is not None and one.enrolment.ends_on < day)
    ]
    stay = live.filter(child__in=[who.child for who in had[FAMILIES // 8 :]]).count()
    return {"errors": errors, "lost": lost, "stay": stay, "seconds": round(took, 2)}


# Crossing paths -------------------------------------------------------------------------------------------


def crossing() -> dict[str, object]:
    """Overlapping days in every order, with cancellations and agents' answers among them."""
    where = service(6, days=8)
    agent = UserFactory(username="agent", password="!", is_staff=True)
    homes = families(where, CROSSING - 4)

    def family_life(who: Any, seed: int) -> Callable[[], object]:
        def act() -> None:
            chance = random.Random(seed)
            for _ in range(ROUNDS):
                mine = Booking.objects.live().filter(child=who.child).values_list("formula_id", "day")
                given_up = {Choice(*each) for each in mine if chance.random() < 0.5}
                wanted = _random_choices(where, chance) - given_up
                draft = choose(who, where, wait=wanted, cancel=given_up)
                if draft is not None:
                    try:
                        booking.submit(draft, by=who.user, at=timezone.now())
                    except PlacesLost:
                        reservation_drafts.abandon(draft)
                held = Booking.objects.live().filter(child=who.child).order_by("?").first()
                if held is not None:
                    with suppress(BookingRefused):
                        booking.change(held, chance.choice(where.formulas), by=who.user, at=timezone.now())

        return act

    def desk_life(seed: int) -> Callable[[], object]:
        def act() -> None:
            chance = random.Random(seed)
            for _ in range(ROUNDS):
                asked = ReservationLine.objects.filter(
                    outcome__in=(Outcome.REQUESTED, Outcome.WAITLISTED),
                    reservation__enrolment__activity=where.activity,
                )
                lines = chance.sample(found := list(asked), min(12, len(found)))
                booking.accept(lines[:8], by=agent, at=timezone.now())
                booking.refuse(lines[6:], reason="Non.", by=agent, at=timezone.now())
                booked = list(where.bookings.live())
                chosen = chance.sample(booked, min(6, len(booked)))
                booking.cancel(chosen, by=agent, at=timezone.now())

        return act

    type(where.activity).objects.update(cancel_processing="on_request")
    acts = [family_life(who, seed) for seed, who in enumerate(homes)]
    acts += [desk_life(seed) for seed in range(1000, 1000 + CROSSING - len(homes))]
    random.Random(1).shuffle(acts)
    errors, took = at_once(acts)
    audit()
    return {
        "errors": errors,
        "bookings": where.bookings.count(),
        "seconds": round(took, 2),
    }


# Days of many children --------------------------------------------------------------------------------


def lots_among_families() -> dict[str, object]:
    """Two lots book the last ten places of two days, each carried by two workers beside one that dies, while
    the families book them too. Then both lots are taken back, by two agents each, and families leave."""
    where = service(PLACES, days=2)
    whole = where.formulas[2]
    agents = [
        UserFactory(username=f"agent-lot{number}", password="!", is_staff=True, is_superuser=True)
        for number in range(2)
    ]
    homes = families(where, FAMILIES // 4)
    choices = [Choice(whole.pk, day) for day in where.dates]
    drafts = [choose(who, where, wait=choices) for who in homes]

    def begin(agent: Any, order: int) -> Lot:
        planned = lots.plan([who.enrolment for who in homes[::order]], LotVerb.BOOK, whole, where.dates)
        said = {"whom": "tous", "reason": "Sortie.", "overrides": NONE, "tell": False}
        return lots.begin(planned, **said, by=agent, at=timezone.now())

    def carry(step: Callable[..., bool], lot: Lot) -> Callable[[], object]:
        def act() -> None:
            while step(lot.pk, at=timezone.now()):
                pass

        return act

    def die(step: Callable[..., bool], lot: Lot) -> Callable[[], object]:
        def act() -> None:
            with transaction.atomic():
                step(lot.pk, at=timezone.now())
                os._exit(9)

        return act

    def submit(who: Any, draft: Reservation | None) -> Callable[[], object]:
        return lambda: booking.submit(draft, by=who.user, at=timezone.now())

    def undo(lot: Lot, agent: Any) -> Callable[[], object]:
        def act() -> None:
            lots.ask_back(lot, by=agent, at=timezone.now())
            carry(lots.go_back, lot)()

        return act

    usual, lots.BATCH = lots.BATCH, 3
    begun = [begin(agent, order) for agent, order in zip(agents, (1, -1), strict=True)]
    acts = [act(lots.go_on, lot) for lot in begun for act in (die, carry, carry)]
    acts += [submit(who, draft) for who, draft in zip(homes, drafts, strict=True)]
    random.Random(4).shuffle(acts)
    errors, took = at_once(acts)
    audit()
    lines = LotDay.objects.filter(lot__in=begun)
    found = {
        "errors": sorted(errors),
        "waits": lines.filter(became=Became.WAITS).count(),
        "accepted": [where.bookings.accepted().filter(day=day).count() for day in where.dates],
        "twice": where.bookings.live().values("child", "day").distinct().count()
        - where.bookings.live().count(),
    }
    undone = [undo(lot, agent) for lot in begun for agent in agents]
    booked = set(where.bookings.live().values_list("child", flat=True))
    leaving = [who for who in homes[::2] if who.child.pk in booked]
    goodbyes = [
        choose(
            who,
            where,
            cancel=[Choice(whole.pk, one.day) for one in where.bookings.live().filter(child=who.child)],
        )
        for who in leaving
    ]
    undone += [submit(who, draft) for who, draft in zip(leaving, goodbyes, strict=True)]
    random.Random(5).shuffle(undone)
    more, more_took = at_once(undone)
    audit()
    lots.BATCH = usual
    ours = lines.filter(became=Became.DONE)
    return found | {
        "more": more,
        "unanswered": ours.filter(taken_back=Became.WAITS).count(),
        "left": where.bookings.holding().filter(pk__in=ours.values("booked")).count(),
        "seconds": round(took + more_took, 2),
    }


# Ending while others book ---------------------------------------------------------------------------------


def ending_days() -> dict[str, object]:
    """The town hall ends every enrolment after the first day while families book both sides of it; half of
    them end it themselves at the same moment."""
    where = service(FAMILIES, days=4)
    type(where.activity).objects.update(families_end=True)
    first, *after = where.dates
    whole = where.formulas[2]
    agent = UserFactory(username="agent-fin", password="!", is_staff=True)
    homes = families(where, FAMILIES // 4)
    drafts = [choose(who, where, wait=[Choice(whole.pk, day) for day in where.dates]) for who in homes]
    said = Ending(first, "Déménagement.")

    def submit(who: Any, draft: Reservation | None) -> Callable[[], object]:
        return lambda: booking.submit(draft, by=who.user, at=timezone.now())

    def end(who: Any, ending_it: Ending, by: Any) -> Callable[[], object]:
        def act() -> None:
            with suppress(EndingRefused):
                ending.end(who.enrolment, ending_it, by=by, at=timezone.now())

        return act

    acts = [submit(who, draft) for who, draft in zip(homes, drafts, strict=True)]
    acts += [end(who, said, agent) for who in homes]
    acts += [end(who, replace(said, by_family=True), who.user) for who in homes[::2]]
    random.Random(2).shuffle(acts)
    errors, took = at_once(acts)
    audit()
    return {
        "errors": errors,
        "homes": len(homes),
        "first_day": where.bookings.accepted().filter(day=first).count(),
        "days_after": where.bookings.live().filter(day__in=after).count(),
        "ended": Enrolment.objects.filter(activity=where.activity, ends_on=first).count(),
        "seconds": round(took, 2),
    }


def _random_choices(where: Any, chance: random.Random) -> set[Choice]:
    days: list[date] = chance.sample(where.dates, 4)
    return {Choice(chance.choice(where.formulas).pk, day) for day in days}


def main() -> None:
    call_command("createcachetable", verbosity=0)
    TownFactory()
    found = {
        "last_places": last_places(),
        "shared_places": shared_places(),
        "forcing": forcing(),
        "changing": changing(),
        "offering": offering(),
        "closing": closing_a_day(),
        "moving_in": moving_in(),
        "reopening": reopening(),
        "crossing": crossing(),
        "ending": ending_days(),
        "lots": lots_among_families(),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
