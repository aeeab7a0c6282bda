"""Decisions that are taken back, made final and taken twice at the same moment, each in a process by itself.

`python -m tests.portal.desk.holding_race` does so on the database of DATABASE_URL, migrated and empty, and
writes what came of it as JSON. Not a test by itself: test_holding_race.py starts it and judges.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import django

if __name__ == "__main__":
    django.setup()

from django.contrib.auth.models import Group
from django.core.management import call_command
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from families.models import User
from portal.desk import held, settling, to_do
from portal.models import HeldDecision
from portal.reservations.models import Enrolment
from portal.reservations.staff import giving
from portal.reservations.states import EnrolmentState
from tests.factories import TownFactory, UserFactory
from tests.portal.reservations.audit import audit
from tests.portal.reservations.race import at_once, families, service

MANY = 12
TELLS = "portal.reservations.acts.tasks.tell_enrolment"
A_MOMENT = timedelta(microseconds=1)


class TooLate(Exception):
    """Taken back when it was final."""


def staff(name: str) -> User:
    user: User = UserFactory(username=name, is_staff=True, password="!")
    giving.give(user, Group.objects.get(name="Agent"), by=None)
    return User.objects.get(pk=user.pk)


def asked(count: int) -> list[Enrolment]:
    """So many enrolments that wait."""
    keys = [one.enrolment.pk for one in families(service(100, days=2), count)]
    Enrolment.objects.filter(pk__in=keys).update(state=EnrolmentState.REQUESTED)
    return list(Enrolment.objects.filter(pk__in=keys).order_by("pk"))


def decide(row: Enrolment, by: User) -> HeldDecision:
    """« Accepter », in the queue."""
    kind = to_do.kind_about(held.name_of(Enrolment))
    assert kind is not None
    request = HttpRequest()
    request.method, request.user = "POST", by
    request.POST = posted = QueryDict("action=accept_selected")
    found = settling.answer(kind, request, row, "accept_selected", posted, at=timezone.now())
    if not isinstance(found, HeldDecision):  # who tries is told, and nothing is held
        raise held.AlreadyHeld(str(found.effect.said))
    return found


def last_moments() -> dict[str, object]:
    """Each is taken back at its very last moment, when three workers make all of them final."""
    by, rows = staff("reprend"), asked(MANY)
    decisions = [decide(row, by) for row in rows]
    end = max(one.final_at for one in decisions)

    def take_back(one: HeldDecision) -> Callable[[], object]:
        def act() -> None:
            if held.take_back(one.pk, by=by, at=one.final_at - A_MOMENT) is None:
                raise TooLate

        return act

    acts = [take_back(one) for one in decisions]
    errors, _ = at_once([*acts[: MANY // 2], *[lambda: settling.settle(at=end)] * 3, *acts[MANY // 2 :]])
    audit()
    states = Counter(
        Enrolment.objects.filter(pk__in=[row.pk for row in rows]).values_list("state", flat=True)
    )
    return {
        "errors": Counter(error.partition(":")[0] for error in errors),
        "accepted": states[EnrolmentState.ACCEPTED],
        "waits": states[EnrolmentState.REQUESTED],
        "held": HeldDecision.objects.count(),
        "told": DBTaskResult.objects.filter(task_path=TELLS).count(),
    }


def two_agents() -> dict[str, object]:
    """Many agents answer the same request at once."""
    (row,) = asked(1)
    agents = [staff(f"agent{number}") for number in range(MANY)]
    errors, _ = at_once([lambda by=by: decide(row, by) for by in agents])
    return {
        "errors": Counter(error.partition(":")[0] for error in errors),
        "held": HeldDecision.objects.filter(left_at=None).count(),
    }


def main() -> None:
    call_command("createcachetable", verbosity=0)
    TownFactory()
    sys.stdout.write(json.dumps({"moments": last_moments(), "agents": two_agents()}))


if __name__ == "__main__":
    main()
