"""Which days an invoice bills: lent to the end of an enrolment, which leaves them as they are."""

from collections.abc import Collection

from django.db.models import Max

from billing.models import BilledItem


class BilledDays:
    """What billing knows of days that an end comes after."""

    def billed(self, bookings: Collection[int]) -> set[int]:
        """Those that are billed now: an odd turn bills, an even one takes back."""
        items = BilledItem.objects.filter(booking__in=bookings).order_by().values("booking")
        turns = items.annotate(last=Max("turn")).values_list("booking", "last")
        return {pk for pk, turn in turns if turn % 2}
