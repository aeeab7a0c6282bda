"""School holidays from first to last day, for who cuts them in two: lent to `families.custody`."""

from datetime import date

from django.db.models import QuerySet

from portal import town
from portal.database.composed import Composed, Given
from portal.reservations.models import SchoolHoliday


def whole_holidays(first: date, last: date) -> list[tuple[date, date]]:
    """Those of the town's zone that touch the days from `first` to `last`, each whole; one query."""
    return _holidays(zone=town.current().zone, first=first, last=last)


@Composed
def _holidays() -> "QuerySet[SchoolHoliday, tuple[date, date]]":
    found = SchoolHoliday.objects.filter(
        zone=Given("zone"), ends_on__gte=Given("first"), starts_on__lte=Given("last")
    )
    return found.order_by("starts_on", "pk").values_list("starts_on", "ends_on")
