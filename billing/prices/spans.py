"""What presences that are counted together are called: « semaine du 7 décembre », « décembre 2026 »."""

from billing.rules.quantities import Extent
from portal.french.dates import month_name, short_day


def in_words(extent: Extent) -> str:
    if extent.name.startswith("w"):
        return f"semaine du {short_day(extent.first)}"
    if extent.name.startswith("m"):
        return month_name(extent.first)
    return f"du {short_day(extent.first)} au {short_day(extent.last)}"
