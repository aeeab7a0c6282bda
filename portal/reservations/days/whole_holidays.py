"""School holidays from first to last day, for who cuts them in two: lent to `families.custody`."""

from datetime import date

from portal import town
from portal.reservations.models import SchoolHoliday


def whole_holidays(first: date, last: date) -> list[tuple[date, date]]:
    """Those of the town's zone that touch the days from `first` to `last`, each whole; one query."""
    found = SchoolHoliday.objects.filter(
        zone=town.current().zone, ends_on__gte=first, starts_on__lte=last
    ).order_by("starts_on", "pk")
    return list(found.values_list("starts_on", "ends_on"))
