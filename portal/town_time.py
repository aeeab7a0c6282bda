"""The town's clock: one time zone for every limit, day and letter, wherever the server stands.

Django's current zone is set from it once for a request, a command and a task of the worker; whoever speaks of
a day or an hour asks Django's current zone, and nobody reads `TIME_ZONE`.
"""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from portal import town
from portal.models import Town

# By the region of the town; mainland France and Corsica are the default. Source: IANA, zone1970.tab.
OF_REGION = {
    Town.Region.GUADELOUPE: "America/Guadeloupe",
    Town.Region.GUYANE: "America/Cayenne",
    Town.Region.MARTINIQUE: "America/Martinique",
    Town.Region.MAYOTTE: "Indian/Mayotte",
    Town.Region.REUNION: "Indian/Reunion",
    Town.Region.SAINT_BARTHELEMY: "America/St_Barthelemy",
    Town.Region.SAINT_MARTIN: "America/Marigot",
    Town.Region.SAINT_PIERRE_ET_MIQUELON: "America/Miquelon",
    Town.Region.NOUVELLE_CALEDONIE: "Pacific/Noumea",
    Town.Region.POLYNESIE: "Pacific/Tahiti",
    Town.Region.WALLIS_ET_FUTUNA: "Pacific/Wallis",
}


def zone_of(its: Town) -> ZoneInfo:
    """The town's own choice, or else that of its region."""
    return ZoneInfo(its.time_zone or OF_REGION.get(Town.Region(its.region), Town.Clock.PARIS))


def activate() -> None:
    """Makes the town's zone this thread's, until it is activated again."""
    timezone.activate(zone_of(town.current()))


class TownTimeMiddleware:
    """Each request lives in the town's zone. Where no database answers, `/sante/` still does."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with timezone.override(_zone_or_default()):
            return self.get_response(request)


def _zone_or_default() -> ZoneInfo:
    try:
        return zone_of(town.current())
    except DatabaseError:
        return ZoneInfo(Town.Clock.PARIS)


def before_a_task(**_: object) -> None:
    """The worker stays up while a town changes its clock."""
    activate()
