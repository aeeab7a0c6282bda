"""The only module that knows iCalendar (RFC 5545). Loaded by the first agenda: the library takes 9 MB, and a
portal whose families ask for none need not carry it."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache

from django.utils import timezone
from icalendar import Calendar, Event, Timezone
from icalendar.enums import STATUS, TRANSP

from portal.database.garbage_collection import uncollected
from portal.reservations.pages.entries import Entry

PRODUCT = "-//Portail famille//Agenda//FR"
# How often programs are asked to come back; the answer says « nothing new » in a few bytes.
COMES_BACK = timedelta(hours=4)


@uncollected()
def calendar(name: str, entries: Iterable[Entry], *, since: date) -> bytes:
    """The same entries give the same bytes, so that whoever has them already is told so. `since`: a day
    before which none is."""
    zone = timezone.get_default_timezone_name()
    its = Calendar.new(prodid=PRODUCT, name=name, refresh_interval=COMES_BACK)
    its["X-WR-TIMEZONE"] = zone
    its["X-PUBLISHED-TTL"] = f"PT{COMES_BACK // timedelta(hours=1)}H"
    its.add_component(_zone(zone, since.year))
    for one in entries:
        its.add_component(_event(one))
    return bytes(its.to_ical())


@cache
def _zone(name: str, year: int) -> Timezone:
    """Its changes of hour, from the year before to the one after the next."""
    return Timezone.from_tzid(name, first_date=date(year - 1, 1, 1), last_date=date(year + 3, 1, 1))


def _event(one: Entry) -> Event:
    start: date = one.first
    end: date = one.last + timedelta(days=1)
    if one.hours:
        zone = timezone.get_default_timezone()
        start = datetime.combine(one.first, one.hours[0], zone)
        end = datetime.combine(one.last, one.hours[1], zone)
    return Event.new(
        uid=one.uid,
        summary=one.summary,
        start=start,
        end=end,
        stamp=one.changed,
        last_modified=one.changed,
        status=STATUS.CONFIRMED if one.certain else STATUS.TENTATIVE,
        # A child at table keeps no parent busy.
        transparency=TRANSP.TRANSPARENT,
    )
