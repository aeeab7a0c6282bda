"""Wrong passwords, counted: of an account and of a network, each by itself and together. Rows are written by
`tallies.py`, and codes of second factors counted in them too; how many cost how long is said in `waits.py`.

A try is counted before its password is judged, in one statement, so that a hundred at once are a hundred; a
right one is taken back. The request's host plays no part. Counters are rows of their own, whatever the cache.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from allauth.account.adapter import get_adapter
from allauth.core.internal.ratelimit import truncate_ip
from django.db.models import F, Q
from django.http import HttpRequest

from families import login_names
from families.models import LoginCounter, User
from families.signing_in import devices, factors, tallies, waits
from families.traces import security

PURGE_EVERY = 200  # rows written


class TooSoon(Exception):
    """The next try waits for `left`."""

    def __init__(self, left: timedelta) -> None:
        super().__init__(left)
        self.left = left


@dataclass(frozen=True)
class Counted:
    """A counter that a try is counted on."""

    who: str
    place: str
    limit: waits.Limit


@dataclass
class Try:
    """A try that has been counted, with what its counters said before."""

    at: datetime
    counters: list[Counted]
    before: dict[tuple[str, str], LoginCounter] = field(default_factory=dict)


def account(user: User) -> str:
    return f"u{user.pk}"


def nobody(login: str) -> str:
    """What was typed and is nobody's, in one of 65 536 counters: inventing names fills no disk."""
    return f"x{security.mark(login_names.normal_form(login))[:4]}"


def network(request: HttpRequest) -> str:
    """A mark of the network the request comes from: an IPv4 address, the first half of an IPv6 one."""
    return f"n{security.mark(truncate_ip(get_adapter().get_client_ip(request)))}"


def begin(request: HttpRequest, login: str, users: list[User], *, at: datetime) -> Try:
    """Counts a try of the password of `users`, who are called `login`. Raises TooSoon when it has to wait.

    A device that the account knows is counted by itself, whatever strangers do elsewhere or beside it.
    """
    user = users[0] if users else None
    who = account(user) if user else nobody(login)
    for known_to in users:
        if device := devices.known(request, known_to):
            counters = [Counted(account(known_to), f"d{security.mark(device)}", waits.PLACE)]
            return _count(Try(at, counters), lambda: False)
    where = network(request)
    counters = [
        Counted("", where, waits.NETWORK),
        Counted(who, "", waits.ACCOUNT),
        Counted(who, where, waits.PLACE),
    ]
    return _count(Try(at, counters), lambda: any(map(factors.has_factor, users)))


def _count(the_try: Try, passes: Callable[[], bool]) -> Try:
    rows = Q(*(Q(who=one.who, place=one.place) for one in the_try.counters), _connector=Q.OR)
    at = the_try.at
    alive = LoginCounter.objects.filter(rows, forgotten_at__gt=at)
    the_try.before = {(row.who, row.place): row for row in alive}
    for one in the_try.counters:
        if row := the_try.before.get((one.who, one.place)):
            left = row.last_at + one.limit.wait(row.failures) - at
            if left > timedelta():
                _refuse(one.limit, left, passes)
    highest = 0
    for pk, who, place, failures in _add_one(the_try):
        highest = max(highest, pk)
        (one,) = (one for one in the_try.counters if (one.who, one.place) == (who, place))
        seen = the_try.before.get((who, place))
        meanwhile = failures - 1 > (seen.failures if seen else 0)
        if meanwhile and (left := one.limit.wait(failures - 1)):
            _refuse(one.limit, left, passes)
    if highest % PURGE_EVERY == 0:
        forget(at)
    return the_try


def _refuse(limit: waits.Limit, left: timedelta, passes: Callable[[], bool]) -> None:
    """Raises TooSoon, unless it is the account's own loose limit and the account `passes` that."""
    if limit is not waits.ACCOUNT or not passes():
        raise TooSoon(left)


def _add_one(the_try: Try) -> list[tallies.Count]:
    """Adds one to each counter at once."""
    counted = [tallies.Tally(one.who, one.place, one.limit.window) for one in the_try.counters]
    return tallies.add(counted, at=the_try.at)


def take_back(the_try: Try) -> None:
    """The password was right: here its wrong ones are forgotten, elsewhere this try was none."""
    for one in the_try.counters:
        rows = LoginCounter.objects.filter(who=one.who, place=one.place)
        if one.limit is waits.PLACE:
            rows.delete()
        else:
            before = the_try.before.get((one.who, one.place))
            last_at = before.last_at if before else the_try.at
            rows.filter(failures__gt=0).update(failures=F("failures") - 1, last_at=last_at)


def clear(user: User) -> None:
    """Whoever has just chosen a new password begins anew."""
    tallies.forget(account(user))


def forget(at: datetime) -> int:
    """Deletes what no longer counts at the aware moment `at`; returns how many."""
    deleted, _ = LoginCounter.objects.filter(forgotten_at__lte=at).delete()
    return deleted
