"""For which school year a family enrols: one of those whose enrolments are open."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.http import HttpRequest

from portal.reservations.days.campaigns import Campaigns
from portal.reservations.models import Activity, SchoolYear
from portal.web.posted import posted_number

ASKED = "annee"


@dataclass(frozen=True)
class YearChoice:
    """`others` may be chosen instead; `closed` says when campaigns open, or have closed."""

    year: SchoolYear
    others: list[SchoolYear]
    closed: list[str]


def choose(
    request: HttpRequest, campaigns: Campaigns, activities: Iterable[Activity], *, taken: Collection[int]
) -> YearChoice | None:
    """The year that the address asks for, or else the first one that is open and not among those `taken`
    (keys); None where none is open."""
    known = list(activities)
    found = campaigns.open_years(known)
    if not found:
        return None
    asked = posted_number(request.GET.get(ASKED, ""))
    free = [one for one in found if one.pk not in taken]
    year = next((one for one in found if one.pk == asked), (free or found)[0])
    return YearChoice(year, [one for one in found if one != year], refusals(campaigns, known))


def refusals(campaigns: Campaigns, activities: Iterable[Activity]) -> list[str]:
    """What is said of years whose campaigns are not open for any of these activities."""
    known = list(activities)
    closed = [
        [campaigns.closed(one, year) for one in known] for year in campaigns.years if campaigns.of_year(year)
    ]
    return [said[0] for said in closed if said and all(said)]
