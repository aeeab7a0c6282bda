"""The only module that knows iCalendar (RFC 5545). Loaded by the first agenda: the library takes 9 MB, and a
portal whose families ask for none need not carry it."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from django.utils import timezone
from icalendar import Calendar, Event, Timezone, TimezoneDaylight, TimezoneStandard
from icalendar.enums import STATUS, TRANSP

from portal.database.garbage_collection import uncollected
from portal.reservations.pages.entries import Entry

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
PRODUCT = "-//Portail famille//Agenda//FR"
# How often programs are asked to come back; the answer says « nothing new » in a few bytes.
COMES_BACK = timedelta(hours=4)


@uncollected()
def calendar(uid: str, name: str, entries: Iterable[Entry], *, since: date) -> bytes:
    """The same entries give the same bytes, so that whoever has them already is told so.

    `uid` is the calendar's own; `since` a day before which there is no entry.
    """
    zone = timezone.get_current_timezone_name()
    its = Calendar.new(prodid=PRODUCT, uid=uid, name=name, refresh_interval=COMES_BACK)
    its["X-WR-TIMEZONE"] = zone
    its["X-PUBLISHED-TTL"] = f"PT{COMES_BACK // timedelta(hours=1)}H"
    its.add_component(_zone(zone, since.year - 1))
    for one in entries:
        its.add_component(_event(one))
    return bytes(its.to_ical())


@cache
def _zone(name: str, year: int) -> Timezone:
    """The zone's changes of hour from `year` on, by the rule of that year: « the last Sunday of March ».

    Not `Timezone.from_tzid`, which lists days, for some years and with the wrong hour in spring.
    """
    zone = Timezone()
    zone.add("tzid", name)
    moment = datetime(year, 1, 1, tzinfo=UTC)
    hours = [(moment + timedelta(hours=hour)).astimezone(ZoneInfo(name)) for hour in range(366 * 24)]
    changes = [pair for pair in pairwise(hours) if pair[0].utcoffset() != pair[1].utcoffset()]
    for before, after in changes or [(hours[0], hours[0])]:
        part = TimezoneDaylight() if after.dst() else TimezoneStandard()
        # As the clocks showed it that were not yet changed.
        local = before.replace(tzinfo=None) + timedelta(hours=1 if changes else 0)
        part.add("dtstart", local)
        part.add("tzoffsetfrom", before.utcoffset())
        part.add("tzoffsetto", after.utcoffset())
        part.add("tzname", after.tzname())
        if changes:
            last_of_month = (local + timedelta(days=7)).month != local.month
            number = -1 if last_of_month else (local.day + 6) // 7
            by_day = f"{number}{WEEKDAYS[local.weekday()]}"
            part.add("rrule", {"freq": "yearly", "bymonth": local.month, "byday": by_day})
        zone.add_component(part)
    return zone


def _event(one: Entry) -> Event:
    start: date = one.first
    end: date = one.last + timedelta(days=1)
    if one.hours:
        zone = timezone.get_current_timezone()
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
