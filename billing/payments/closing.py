"""Closed days, months and years: what was counted and handed over takes nothing any more.

    closed_until(regie) -> date | None            the last closed day; all before it are closed too
    closed_for_activity(activity) -> date | None  the same of the régie that bills an activity
    book_day(paid_on, regie) -> date | None       the day an entry falls on instead; None: its own is open
    close(until, by=…, at=…) -> BookClosing       closes all up to a day that is over; never opened again

Each régie closes its own books (`regie`: its key, None the town's own).

A payment keeps the day on which it was paid (reminders, tax certificates); the cash book reads the day on
which it was entered in the books. Today is never closed: what a bank says now falls on today.
"""

from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from billing.invoices import regies
from billing.invoices.numbering import Numbering
from billing.models import BookClosing
from families.models import User
from portal.french.dates import short_day

RECEIPTS = "R"


class ClosingRefused(Exception):
    """Nothing was closed; the message says why in French."""


def closed_until(regie: int | None = None) -> date | None:
    rows = BookClosing.objects.filter(regie=regie)
    found: date | None = rows.aggregate(last=Max("until"))["last"]
    return found


def closed_for_activity(activity: int) -> date | None:
    """The last closed day of the régie that bills an activity (its key)."""
    billing = regies.of_activities([activity])
    return closed_until(next(iter(billing or ()), None))


def book_day(paid_on: date, regie: int | None = None) -> date | None:
    """The first open day for what was paid on a closed one. Asked once the receipt's number is taken."""
    until = closed_until(regie)
    return until + timedelta(days=1) if until is not None and paid_on <= until else None


def close(until: date, *, by: User | None, at: datetime, regie: int | None = None) -> BookClosing:
    """Closes every day up to `until`. Raises ClosingRefused from today on, and for a day that is closed."""
    today = timezone.localtime(at).date()
    if until >= today:
        raise ClosingRefused("Seul un jour passé peut être clos : hier au plus tard.")
    with transaction.atomic():
        # Who enters a payment holds this counter: it is in the books before they close, or sees them closed.
        Numbering(regies.series(RECEIPTS, regie), today.year)
        before = closed_until(regie)
        if before is not None and until <= before:
            raise ClosingRefused(f"Les comptes sont déjà clos jusqu'au {short_day(before, year=True)}.")
        return BookClosing.objects.create(regie_id=regie, until=until, closed_by=by, closed_at=at)
