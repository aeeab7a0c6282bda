"""Closing days as the desk and the town's file do: the facts before, the change, the facts after."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from families.models import User
from portal.reservations.acts.closing import Closing
from portal.reservations.days.offer import Offer
from portal.reservations.models import Closure


def shut(change: Callable[[], Any], *, by: User | None, at: datetime) -> int:
    """Does `change` and cancels what it closes; how many days."""
    today = timezone.localdate(at)
    with transaction.atomic():
        before = Offer.read(today)
        change()
        closing = Closing.between(before, Offer.read(today), today)
        return closing.close(by=by, at=at) if closing.days else 0


def close_days(closure: Closure, *, by: User, at: datetime) -> int:
    """As if the closure was written now."""
    Closure.objects.filter(pk=closure.pk).delete()
    return shut(lambda: closure.save(force_insert=True), by=by, at=at)
