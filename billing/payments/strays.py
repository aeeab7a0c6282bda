"""Notifications that prove nothing: anybody may send some, so they fill no table.

room(at) -> bool       whether one more may be kept in this hour; the others are only counted
"""

from datetime import datetime

from django.core.cache import cache

KEPT_AN_HOUR = 60


def room(at: datetime) -> bool:
    """Whether one more of them is kept, of whatever kind: forged, of an unknown number, said again."""
    counter = f"stray-notifications-{at:%Y%m%d%H}"
    cache.add(counter, 0, 3600)
    return cache.incr(counter) <= KEPT_AN_HOUR
