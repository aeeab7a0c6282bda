"""Households that are joined while they book and while their bank answers, each process by itself.

`python -m tests.billing.payments.joining_race` does so on the database of DATABASE_URL, migrated and empty,
and writes what came of it as JSON. Not a test by itself: test_joining_race.py starts it and judges.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace

import django

if __name__ == "__main__":
    django.setup()

from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db.models import F, Sum
from django.test import Client
from django.utils import timezone

from billing.models import Invoice, OnlinePayment, Payment, PaymentAllocation
from families.joining import joining
from families.models import Child, Household, User
from portal.reservations.acts import booking
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Booking
from tests.billing.payments.payment_race import HOOK, configure, event, payments
from tests.factories import TownFactory, UserFactory
from tests.fakes.stripe_server import signature
from tests.portal.reservations.audit import audit
from tests.portal.reservations.race import at_once, choose, families, service

PAIRS = 8
TRIES = 6


def join(kept: int, emptied: int, by: User) -> Callable[[], object]:
    """As somebody at the desk would: looks, confirms, and looks again where something has changed."""

    def act() -> None:
        for turn in range(TRIES):
            homes = Household.objects.in_bulk([kept, emptied])
            asked = joining.read(homes[kept], homes[emptied], {})
            shown = joining.foresee(asked, at=timezone.now()).fingerprint
            try:
                joining.join(asked, shown, reason="Inscrits deux fois.", by=by, at=timezone.now())
            except joining.JoiningRefused:
                if turn == TRIES - 1:
                    raise
            else:
                return

    return act


def agent(name: str) -> User:
    user: User = UserFactory(username=name, is_staff=True, password="!")
    user.groups.add(Group.objects.get(name="Agent"))
    return user


def doubles(ours: list[SimpleNamespace], theirs: list[SimpleNamespace]) -> None:
    """The children of both are the same."""
    for one, other in zip(ours, theirs, strict=True):
        child = one.child
        Child.objects.filter(pk=other.child.pk).update(
            first_name=child.first_name, last_name=child.last_name, birth_date=child.birth_date
        )


def against_bookings() -> dict[str, object]:
    """Both households record days, one of them the same, at the moment at which they are joined."""
    where, by = service(100, days=4), agent("réunit")
    ours, theirs = families(where, PAIRS), families(where, PAIRS)
    doubles(ours, theirs)
    acts: list[Callable[[], object]] = []
    for one, other in zip(ours, theirs, strict=True):
        for who, dates in ((one, where.dates[:3]), (other, where.dates[1:])):
            draft = choose(who, where, wait=[Choice(where.formulas[0].pk, day) for day in dates])
            acts.append(lambda draft=draft, who=who: booking.submit(draft, by=who.user, at=timezone.now()))
        acts.append(join(one.enrolment.household_id, other.enrolment.household_id, by))
    errors, _ = at_once(acts)
    audit()
    emptied = [one.enrolment.household_id for one in theirs]
    return {
        "errors": Counter(error.partition(":")[0] for error in errors),
        "joined": Household.objects.filter(pk__in=emptied, joined_to__isnull=False).count(),
        "left": Booking.objects.live().filter(household__in=emptied).count(),
    }


def against_the_bank() -> dict[str, object]:
    """The bank says that it was paid at the moment at which its household is joined to another."""
    by = agent("régularise")
    started = payments(PAIRS * 2, invoices=2)
    acts: list[Callable[[], object]] = []

    def said(payment: OnlinePayment) -> Callable[[], object]:
        def act() -> None:
            configure()
            body = event(payment)
            headers = {"Stripe-Signature": signature(body)}
            answer = Client().post(HOOK, body, content_type="application/json", headers=headers)
            assert answer.status_code == 200, answer.status_code

        return act

    pairs = list(zip(started[:PAIRS], started[PAIRS:], strict=True))
    for one, other in pairs:
        acts += [said(one), said(other), join(one.household_id, other.household_id, by)]
    errors, _ = at_once(acts)
    kept, emptied = ([pair[side].household_id for pair in pairs] for side in (0, 1))
    allocated = PaymentAllocation.objects.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)
    wrong = PaymentAllocation.objects.exclude(invoice__household=F("payment__household"))
    return {
        "errors": Counter(error.partition(":")[0] for error in errors),
        "joined": Household.objects.filter(pk__in=emptied, joined_to__isnull=False).count(),
        "payments": Payment.objects.count(),
        "left": f"{sum((row.left for row in Invoice.objects.with_balance()), Decimal(0)):.2f}",
        "allocated": f"{allocated:.2f}",
        "at the emptied": Payment.objects.filter(household__in=emptied).count()
        + Invoice.objects.filter(household__in=emptied).count(),
        "at the kept": Payment.objects.filter(household__in=kept).count(),
        "elsewhere": wrong.count(),
    }


def main() -> None:
    call_command("createcachetable", verbosity=0)
    TownFactory()
    sys.stdout.write(json.dumps({"bookings": against_bookings(), "bank": against_the_bank()}))


if __name__ == "__main__":
    main()
