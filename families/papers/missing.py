"""Who has not given what is asked, for the desk: over all households that it sees."""

from collections.abc import Collection
from datetime import date
from typing import Any

from django.db.models import QuerySet

from families.models import Household
from families.papers import asking
from families.papers.asking import Line

# Households that are looked at together, in a fixed number of queries.
CHUNK = 20_000


def lines(
    homes: QuerySet[Household], children: QuerySet[Any], kinds: Collection[int], today: date
) -> list[Line]:
    """Of these households and children, what is to be given of these kinds (keys), by household."""
    if not kinds:
        return []
    keys = list(homes.order_by("pk").values_list("pk", flat=True))
    seen = set(children.order_by().values_list("pk", flat=True))
    found: list[Line] = []
    for first in range(0, len(keys), CHUNK):
        bite = keys[first : first + CHUNK]
        read = asking.read(bite, today)
        found += (
            line
            for home in bite
            for line in read[home]
            if line.is_to_do and line.kind.pk in kinds and (line.child is None or line.child.pk in seen)
        )
    return found
