"""Wrong passwords, counted: of an account and of a network, each by itself and together. Rows are written by
`tallies.py`, and codes of second factors counted in them too; how many cost how long is said in `waits.py`.

A try is counted before its password is judged, in one statement, so that a hundred at once are a hundred; a
right one is taken back. The request's host plays no part. Where a portal counts in its Redis and that does
not answer, families are let in uncounted; nobody of the town hall is.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from allauth.account.adapter import get_adapter
from allauth.core.internal.ratelimit import truncate_ip
from django.http import HttpRequest

from families import login_names
from families.models import LoginCounter, User
from families.signing_in import devices, factors, tallies, waits
from families.traces import security
from portal.web.posted import posted_number
from portal.web.unanswered import Unanswered

PURGE_EVERY = 200  # rows written


class NotCounted(Exception):
    """Nobody can say how many tries there were."""


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
    before: dict[tuple[str, str], tallies.Count] = field(default_factory=dict)

    @property
    def tallies(self) -> list[tallies.Tally]:
        return [tallies.Tally(one.who, one.place, one.limit.window) for one in self.counters]


def account(user: User) -> str:
    return f"u{user.pk}"


def nobody(login: str) -> str:
    """What was typed and is nobody's, in one of 65 536 counters: inventing names fills no disk."""
    return f"x{security.mark(login_names.normal_form(login))[:4]}"


def network(request: HttpRequest) -> str:
    """A mark of the network the request comes from: an IPv4 address, the first half of an IPv6 one."""
    return f"n{security.mark(truncate_ip(get_adapter().get_client_ip(request)))}"


def begin(request: HttpRequest, login: str, users: list[User], *, at: datetime) -> Try:
    """Counts a try of the password of `users`, who are called `login`. Raises TooSoon when it has to wait,
    NotCounted where somebody of the town hall is meant and nothing can be counted.

    A device that the account knows is counted by itself, whatever strangers do elsewhere or beside it.
    """
    try:
        return _begin(request, login, users, at)
    except Unanswered as unanswered:
        if any(one.is_staff for one in users):
            raise NotCounted from unanswered
        return Try(at, [])


def begin_code(request: HttpRequest, typed: str, *, at: datetime) -> Try:
    """Counts a try of a code on paper for the household that was `typed`, in any digits, as of a password.

    Raises TooSoon, and NotCounted where nothing can be counted: whoever holds a code can wait.
    """
    where, who = network(request), f"c{security.mark(str(posted_number(typed.strip())))[:12]}"
    counters = [
        Counted("", where, waits.NETWORK),
        Counted(who, "", waits.ACCOUNT),
        Counted(who, where, waits.PLACE),
    ]
    try:
        return _count(Try(at, counters), lambda: False)
    except Unanswered as unanswered:
        raise NotCounted from unanswered


def _begin(request: HttpRequest, login: str, users: list[User], at: datetime) -> Try:
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
    at = the_try.at
    alive = tallies.known(the_try.tallies, at=at)
    the_try.before = {(row.who, row.place): row for row in alive}
    for one in the_try.counters:
        if row := the_try.before.get((one.who, one.place)):
            left = row.last_at + one.limit.wait(row.tries) - at
            if left > timedelta():
                _refuse(one.limit, left, passes)
    highest = 0
    for pk, who, place, failures, _ in tallies.add(the_try.tallies, at=at):
        highest = max(highest, pk)
        (one,) = (one for one in the_try.counters if (one.who, one.place) == (who, place))
        seen = the_try.before.get((who, place))
        meanwhile = failures - 1 > (seen.tries if seen else 0)
        if meanwhile and (left := one.limit.wait(failures - 1)):
            _refuse(one.limit, left, passes)
    if highest and highest % PURGE_EVERY == 0:
        forget(at)
    return the_try


def _refuse(limit: waits.Limit, left: timedelta, passes: Callable[[], bool]) -> None:
    """Raises TooSoon, unless it is the account's own loose limit and the account `passes` that."""
    if limit is not waits.ACCOUNT or not passes():
        raise TooSoon(left)


def take_back(the_try: Try) -> None:
    """The password was right: here its wrong ones are forgotten, elsewhere this try was none."""
    here = [(one.who, one.place) for one in the_try.counters if one.limit is waits.PLACE]
    elsewhere = [(one.who, one.place) for one in the_try.counters if one.limit is not waits.PLACE]
    before = the_try.before
    with suppress(Unanswered):
        if elsewhere:
            tallies.take_back(
                [(*one, before[one].last_at if one in before else the_try.at) for one in elsewhere]
            )
        if here:
            tallies.drop(here)


def clear(user: User) -> None:
    """Whoever has just chosen a new password begins anew."""
    with suppress(Unanswered):
        tallies.forget(account(user))


def forget(at: datetime) -> int:
    """Deletes what no longer counts at the aware moment `at`; returns how many."""
    deleted, _ = LoginCounter.objects.filter(forgotten_at__lte=at).delete()
    return deleted
