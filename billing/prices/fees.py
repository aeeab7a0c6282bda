"""The town's fees a year, as rows with their prices."""

from billing.models import Fee
from portal.database.kept import KeptAWhile


def of_town() -> list[Fee]:
    """With their prices and activities; in one query where there are none."""
    return list(Fee.objects.prefetch_related("prices", "activities").order_by("pk"))


# A town changes them once in years; what is billed asks anew.
town_fees = KeptAWhile(of_town)
