"""When reminders may leave. Pure: local moments in, days and answers out.

An evening begins at 18:00 and its mails leave until 21:00. What could not leave then is caught up from 7:00
on the next day; nothing leaves at night.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

WAKES, BEGINS, ENDS = time(7), time(18), time(21)
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Evening:
    """The evening whose mail is due at the local moment `at`."""

    at: datetime

    @property
    def today(self) -> date:
        return self.at.date()

    @property
    def day(self) -> date:
        """Before 18:00 the last evening is still the one to answer for."""
        return self.today if self.at.time() >= BEGINS else self.today - ONE_DAY

    def is_open(self, *, done: bool) -> bool:
        """Whether mails may leave now; `done` says that this evening's were all looked for already."""
        if BEGINS <= self.at.time() < ENDS:
            return True
        return WAKES <= self.at.time() < BEGINS and not done

    @property
    def before(self) -> datetime:
        """What ends before this moment has no other evening left: the end of the next one."""
        return datetime.combine(self.day + ONE_DAY, ENDS, tzinfo=self.at.tzinfo)
