"""Pure: until when a paper is good."""

from datetime import date

from families.models import PaperKind
from portal.french.dates import months_after

Lasts = PaperKind.Lasts


def end(
    lasts: str,
    *,
    months: int | None = None,
    dated_on: date | None = None,
    written_on_it: date | None = None,
    year_ends: date | None = None,
) -> date | None:
    """The last day of a paper that lasts so (`PaperKind.Lasts`); None where it never ends, or where what it
    depends on (its date, the date it carries, the end of the school year) is not known."""
    if lasts == Lasts.SCHOOL_YEAR:
        return year_ends
    if lasts == Lasts.OWN_DATE:
        return written_on_it
    if lasts == Lasts.NUMBER_OF_MONTHS and dated_on is not None and months is not None:
        return months_after(dated_on, months)
    return None


def needs_an_end(lasts: str) -> bool:
    """Whether the town hall has to say until when: all but a paper that never ends."""
    return lasts != Lasts.FOR_EVER
