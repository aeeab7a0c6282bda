"""Guardians and agents at the same moment, each a process with an own connection, on a database of their own.

`python -m tests.families.custody.race` lets everybody act at once on the database of DATABASE_URL, migrated
and empty, and writes what came of it as JSON. Not a test by itself: test_openings_race.py starts it and
judges.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable

import django

if __name__ == "__main__":
    django.setup()

from django.contrib.auth.models import Group
from django.core.management import call_command
from django.utils import timezone

from families.custody import ending, openings
from families.custody.ending import Ending, Future
from families.models import AccessOpening, Custody, Guardian, User
from portal.reservations.acts import booking
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Booking
from tests.factories import GuardianFactory, HouseholdFactory, TownFactory, UserFactory
from tests.portal.reservations.audit import audit
from tests.portal.reservations.race import at_once, choose, families, service

MANY = 8


def staff(name: str) -> User:
    user: User = UserFactory(username=name, is_staff=True, password="!")
    user.groups.add(Group.objects.get(name="Agent"))
    return user


def confirmations() -> dict[str, object]:
    """A guardian, and agents, confirm the same access at once; others refuse it, or ask for it again."""
    asker, agents = staff("demande"), [staff(f"agent{number}") for number in range(MANY)]
    home = HouseholdFactory()
    there = GuardianFactory(household=home, user=UserFactory(username="present", password="!"))
    alix = GuardianFactory(household=home, user=None)
    opening = openings.ask_guardian(alix, "alix@example.org", by=asker, at=timezone.now())

    def answer(who: User) -> Callable[[], object]:
        verb = openings.refuse if who.pk % 3 == 0 else openings.confirm
        return lambda: verb(AccessOpening.objects.get(pk=opening.pk), by=who, at=timezone.now())

    errors, _ = at_once([answer(who) for who in (there.user, *agents)])
    opening.refresh_from_db()
    tied = Guardian.objects.get(pk=alix.pk).user_id is not None
    return {
        "errors": Counter(error.partition(":")[0] for error in errors),
        "agrees": tied == (opening.state == AccessOpening.State.OPEN),
        "answered": opening.answered_at is not None,
    }


def askings() -> dict[str, object]:
    """The same adult is invited by many at once."""
    alix = GuardianFactory(household=HouseholdFactory(), user=None)
    agents = [staff(f"invite{number}") for number in range(MANY)]

    def ask(who: User) -> Callable[[], object]:
        address = f"{who.username}@example.net"
        return lambda: openings.ask_guardian(alix, address, by=who, at=timezone.now())

    errors, _ = at_once([ask(who) for who in agents])
    waiting = AccessOpening.objects.waiting().filter(guardian=alix)
    logins = User.objects.filter(email__endswith="@example.net")
    return {
        "errors": Counter(error.partition(":")[0] for error in errors),
        "waiting": waiting.count(),
        "logins": logins.count(),
    }


def departures() -> dict[str, object]:
    """Fathers record their days at the moment at which their custody ends, and the days go to the mother."""
    where = service(100, days=6)
    agent = staff("fin")
    fathers, mothers = families(where, MANY), families(where, MANY)
    acts: list[Callable[[], object]] = []
    for number, (father, mother) in enumerate(zip(fathers, mothers, strict=True)):
        Custody.objects.create(child=father.child, household=mother.enrolment.household)
        days = [Choice(where.formulas[0].pk, day) for day in where.dates]
        first = choose(father, where, wait=days[:3])
        booking.submit(first, by=father.user, at=timezone.now())
        second = choose(father, where, wait=days[3:])
        custody = Custody.objects.get(child=father.child, household=father.enrolment.household)
        taker = mother.enrolment.household if number % 2 else None
        wanted = Ending(timezone.localdate(), Future.HAND_OVER if taker else Future.CANCEL, taker, "Jugement")
        acts.append(lambda draft=second, who=father: booking.submit(draft, by=who.user, at=timezone.now()))
        acts.append(
            lambda custody=custody, wanted=wanted: ending.end(custody, wanted, by=agent, at=timezone.now())
        )
    errors, _ = at_once(acts)
    audit()
    theirs = [father.enrolment.household.pk for father in fathers]
    return {
        "errors": Counter(error.partition(":")[0] for error in errors),
        "left": Booking.objects.live().filter(household__in=theirs).count(),
        "ended": Custody.objects.filter(household__in=theirs, until__isnull=False).count(),
    }


def main() -> None:
    call_command("createcachetable", verbosity=0)
    TownFactory()
    found = {"confirmations": confirmations(), "askings": askings(), "departures": departures()}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
