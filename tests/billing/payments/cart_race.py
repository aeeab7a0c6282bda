"""Carts and accounts at the same moment, each act a process with an own connection, on an own database.

`python -m tests.billing.payments.cart_race` writes what came of it as JSON. Not a test by itself:
test_cart_race.py starts it and judges.
"""

import json
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.core.management import call_command
from django.utils import timezone

from billing.models import FormulaTariff, OnlinePayment, Payment, Tariff, TariffBand
from billing.payments import at_desk, paying, purse
from billing.payments.events import Heard, Kind
from billing.payments.hearing import hear
from billing.payments.providers.interface import Answer, ProviderOutcome
from billing.prices import estimates
from portal.reservations.acts import booking, carts
from portal.reservations.acts.refusals import Choice, NotCovered, PlacesLost
from portal.reservations.models import Advance, Booking, Cart, Formula
from tests.factories import ChildFactory, EnrolmentFactory, TownFactory, UserFactory
from tests.portal.reservations.audit import audit
from tests.portal.reservations.race import at_once, choose, families, service

DAYS, COVERED, ASKED = 12, 5, 10


def priced(kind: str, capacity: int, days: int) -> SimpleNamespace:
    """The whole day costs 4.00, to be paid first."""
    where = service(capacity, days)
    tariff = Tariff.objects.create(
        code=f"t-{Tariff.objects.count()}", name="Journée", valid_from=where.year.starts_on
    )
    TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": "4.00"})
    for formula in where.formulas:
        FormulaTariff.objects.create(formula=formula, tariff=tariff)
    Advance.objects.create(activity=where.activity, kind=kind)
    return where


def submit(who: Any, draft: Any, *, suppressing: type[Exception] = PlacesLost) -> Callable[[], object]:
    def act() -> None:
        with suppress(suppressing):
            booking.submit(draft, by=who.user, at=timezone.now())

    return act


def last_second() -> dict[str, object]:
    """On each of twelve days one family's cart has the one place; on every other day a second one waits. In
    the last second the bank says twice that each is paid, while two workers let it go."""
    where = priced(Advance.Kind.WHOLE, 1, DAYS)
    first, second = families(where, 2)
    whole, now, payments = where.formulas[2].pk, timezone.now(), []
    for number, day in enumerate(where.dates):
        draft = choose(first, where, book=[Choice(whole, day)])
        if draft is None:
            raise RuntimeError("No day was chosen.")
        booking.submit(draft, by=first.user, at=now + timedelta(microseconds=number))
        payments.append(
            OnlinePayment.objects.create(
                reference=f"P26CART{number:06d}",
                household=first.enrolment.household,
                cart=Cart.objects.latest("pk"),
                provider="stripe",
                amount=Decimal(4),
                started_at=now,
                expires_at=now + timedelta(hours=1),
            )
        )
    waiting = choose(second, where, wait=[Choice(whole, day) for day in where.dates[::2]])
    if waiting is None:
        raise RuntimeError("No day was chosen.")
    booking.submit(waiting, by=second.user, at=now)
    last = max(Cart.objects.values_list("ends_at", flat=True))

    def say(one: OnlinePayment) -> Callable[[], object]:
        said = Heard(
            Answer(one.reference, ProviderOutcome.PAID, amount=one.amount), Kind.NOTIFICATION, None, "", True
        )
        return lambda: hear("stripe", [said], at=last - timedelta(minutes=1))

    acts = [say(one) for one in payments for _ in range(2)]
    acts += [lambda: carts.let_go(at=last)] * 2
    random.Random(3).shuffle(acts)
    errors, took = at_once(acts)
    audit()
    live = where.bookings.live()
    ours = set(live.accepted().filter(child=first.child).values_list("day", flat=True))
    theirs = set(live.offered().filter(child=second.child).values_list("day", flat=True))
    return {
        "errors": errors,
        "both": len(ours & theirs),
        "placed": len(ours | theirs),
        "alone": len(ours & set(where.dates[1::2])),
        "paid": Cart.objects.filter(state="paid").count() - len(ours),
        "money": Payment.objects.filter(household=first.enrolment.household).count(),
        "taken": sorted(set(where.slots.values_list("taken", flat=True))),
        "seconds": round(took, 2),
    }


def last_place() -> dict[str, object]:
    """Eight families record the one place at once: one of them holds it, to be paid."""
    where = priced(Advance.Kind.WHOLE, 1, 1)
    whole = where.formulas[2].pk
    homes = families(where, 8)
    drafts = [choose(who, where, book=[Choice(whole, where.dates[0])]) for who in homes]
    acts = [submit(who, draft) for who, draft in zip(homes, drafts, strict=True)]
    errors, took = at_once(acts)
    audit()
    return {
        "errors": errors,
        "held": where.bookings.filter(state="held").count(),
        "carts": Cart.objects.filter(activity=where.activity).count(),
        "seconds": round(took, 2),
    }


def spending() -> dict[str, object]:
    """Ten brothers and sisters record a day each at once; the account covers five of them."""
    where = priced(Advance.Kind.ACCOUNT, 20, 1)
    (home,) = families(where, 1)
    household, whole, now = home.enrolment.household, where.formulas[2].pk, timezone.now()
    paying.record(
        household,
        Decimal(4 * COVERED),
        "cash",
        paid_on=timezone.localdate(),
        by=None,
        at=now,
        invoices=[],
        keep_surplus=True,
    )
    acts = []
    for _ in range(ASKED):
        child = ChildFactory(households=[household])
        enrolment = EnrolmentFactory(
            household=household,
            child=child,
            activity=where.activity,
            establishment=where.restaurant,
            school_year=where.year,
        )
        who = SimpleNamespace(user=home.user, child=child, enrolment=enrolment)
        draft = choose(who, where, book=[Choice(whole, where.dates[0])])
        acts.append(submit(who, draft, suppressing=NotCovered))
    errors, took = at_once(acts)
    audit()
    return {
        "errors": errors,
        "accepted": Booking.objects.accepted().filter(household=household).count(),
        "left": str(purse.available(household.pk, where.activity.pk)),
        "seconds": round(took, 2),
    }


def till_and_changes() -> dict[str, object]:
    """A child of the household has the morning of each day, its brother's cart holds a place of the same day:
    the town hall takes the cart's money at the till while the other parent changes that morning."""
    where = priced(Advance.Kind.WHOLE, 4, DAYS)
    morning, afternoon, _ = (formula.pk for formula in where.formulas)
    agent = UserFactory(is_staff=True, is_superuser=True)
    (eldest,) = families(where, 1)
    household, now = eldest.enrolment.household, timezone.now()
    child = ChildFactory(households=[household])
    enrolment = EnrolmentFactory(
        household=household,
        child=child,
        activity=where.activity,
        establishment=where.restaurant,
        school_year=where.year,
    )
    brother = SimpleNamespace(user=eldest.user, child=child, enrolment=enrolment)

    def held(who: Any, formula: int, day: date, moment: datetime) -> Cart:
        draft = choose(who, where, book=[Choice(formula, day)])
        if draft is None:
            raise RuntimeError("No day was chosen.")
        booking.submit(draft, by=who.user, at=moment)
        return Cart.objects.latest("pk")

    acts: list[Callable[[], object]] = []
    for number, day in enumerate(where.dates):
        moment = now + timedelta(microseconds=2 * number)
        carts.pay(held(eldest, morning, day, moment), by=None, at=moment)
        cart = held(brother, afternoon, day, moment + timedelta(microseconds=1))
        acts += [take(household, cart, agent), change(eldest, morning, afternoon, day)]
    random.Random(5).shuffle(acts)
    errors, took = at_once(acts)
    audit()
    accepted = where.bookings.accepted()
    return {
        "errors": errors,
        "changed": accepted.filter(child=eldest.child, formula=afternoon).count(),
        "paid": accepted.filter(child=child).count(),
        "money": Payment.objects.filter(household=household).count(),
        "seconds": round(took, 2),
    }


def take(household: Any, cart: Cart, agent: Any) -> Callable[[], object]:
    return lambda: at_desk.take(
        household, Decimal(4), "cash", cart=cart, paid_on=timezone.localdate(), by=agent, at=timezone.now()
    )


def change(who: Any, old: int, new: int, day: date) -> Callable[[], object]:
    def act() -> None:
        held = Booking.objects.live().get(child=who.child, formula=old, day=day)
        booking.change(held, Formula.objects.get(pk=new), by=who.user, at=timezone.now())

    return act


def main() -> None:
    call_command("createcachetable", verbosity=0)
    TownFactory()
    found = {}
    for act in (last_second, last_place, spending, till_and_changes):
        estimates.forget()
        found[act.__name__] = act()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
