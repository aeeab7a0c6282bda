"""How long the next try of a password waits. Pure.

A limit counts wrong passwords within a window that begins with the first; right ones are not counted. Beyond
`free`, each one doubles the wait, from `first` to `longest`. What is refused meanwhile is neither tried nor
counted. So at most, in a day,

- from one network on one account: 13 guesses in six hours, 52;
- from everywhere on one account: 20, then one in a quarter of an hour, 120;
- from one network on all accounts: some 160 an hour, 3 900, of which 52 on one account.

The weakest password that is accepted takes more than 10^8 guesses (`families/passwords.py`).
"""

from dataclasses import dataclass
from datetime import timedelta

from portal.french.plurals import counted


@dataclass(frozen=True)
class Limit:
    """`free` wrong passwords in a `window` cost nothing, each further one twice the wait of the last."""

    free: int
    first: timedelta
    longest: timedelta
    window: timedelta

    def wait(self, failures: int) -> timedelta:
        """From the last wrong password to the next try, once there were `failures` of them."""
        if failures < self.free:
            return timedelta()
        doublings = min(failures - self.free, 16)  # more would not fit into a timedelta
        return min(self.first * (1 << doublings), self.longest)


# Strict: one account from one network, or from one device that the account knows.
PLACE = Limit(5, timedelta(minutes=5), timedelta(hours=1), timedelta(hours=6))
# Loose: one account from everywhere. Devices that it knows, and accounts with a second factor, pass.
ACCOUNT = Limit(20, timedelta(seconds=30), timedelta(minutes=15), timedelta(days=1))
# Looser still: one network on all accounts. A school's families share one, so do a mobile operator's.
NETWORK = Limit(100, timedelta(seconds=5), timedelta(minutes=1), timedelta(hours=1))


def in_words(wait: timedelta) -> str:
    """« 30 secondes », « 5 minutes », rounded up: whoever waits so long is let in."""
    seconds = -(-wait // timedelta(seconds=1))
    if seconds < 60:
        return counted(max(seconds, 1), "seconde", "secondes")
    return counted(-(-seconds // 60), "minute", "minutes")
