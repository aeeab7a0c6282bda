"""A reservation as a parent says it, « Gabriel, cantine : 12 jours de janvier »; formulas in short."""

import re
from datetime import date

from portal.french import moments
from portal.french.dates import month_name
from portal.french.elision import of
from portal.french.sentences import inside
from portal.reservations.models import Activity, CountedReservation, Period, Reservation
from portal.reservations.pages.services import SERVICES

# Days: what is farther away is said with its year.
FAR = 270
HOURS = re.compile(r"^de (.+) à (.+)$", re.IGNORECASE)


def what(activity: Activity) -> str:
    """What a parent calls an activity: « cantine », « mercredis »."""
    service = SERVICES.get(activity.service)
    return (service and service.called) or inside(activity.name)


def has_one_activity(slug: str) -> bool:
    """Whether the service of that slug is all said by its name."""
    service = SERVICES.get(slug)
    return service is not None and bool(service.called)


def whose(reservation: Reservation) -> str:
    """« Gabriel, cantine »; holidays are said with their days."""
    name = reservation.child.first_name
    return name if is_holidays(reservation.period) else f"{name}, {what(reservation.enrolment.activity)}"


def is_holidays(period: Period) -> bool:
    """Whether the town calls the period by the holidays it is: « Vacances de Noël 2026 »."""
    return period.name.lower().startswith("vacances")


def holds_days(reservation: CountedReservation) -> bool:
    """Whether a day is chosen in it."""
    return bool(reservation.first_booked or reservation.first_cancelled)


def asked(reservation: CountedReservation, today: date) -> str:
    """« 12 jours de janvier », « annulation du jeudi 3 décembre », or both; « changement de formule du … »;
    read `with_counts`."""
    if reservation.is_change and reservation.first_booked:
        far = abs((reservation.first_booked - today).days) > FAR
        return f"changement de formule du {moments.day(reservation.first_booked, year=far)}"
    parts = []
    if reservation.first_booked and reservation.last_booked:
        said = _days(
            reservation.days_booked,
            reservation.first_booked,
            reservation.last_booked,
            reservation.period,
            today,
        )
        parts.append(said)
    if reservation.first_cancelled and reservation.last_cancelled:
        first, last = reservation.first_cancelled, reservation.last_cancelled
        said = _days(reservation.days_cancelled, first, last, reservation.period, today)
        parts.append(f"annulation {'du' if reservation.days_cancelled == 1 else 'de'} {said}")
    return ", ".join(parts) or "aucun jour choisi"


def _days(number: int, first: date, last: date, period: Period, today: date) -> str:
    """« jeudi 3 décembre », « 4 jours des vacances de Noël », « 12 jours de mai », « … de mars à mai »."""
    far = abs((first - today).days) > FAR
    if number == 1:
        return moments.day(first, year=far)
    if is_holidays(period):
        return f"{number} jours des {inside(period.name.removesuffix(f' {today.year}'))}"
    begins, ends = (month_name(day, year=far) for day in (first, last))
    same = (first.year, first.month) == (last.year, last.month)
    return f"{number} jours {of(begins)}" if same else f"{number} jours {of(begins)} à {ends}"


def formula(name: str) -> str:
    """« repas »; « 16 h 30–17 h 30 » for « De 16 h 30 à 17 h 30 »."""
    hours = HOURS.match(name)
    if hours:
        return "–".join(hour.replace(" ", "\N{NO-BREAK SPACE}") for hour in hours.groups())
    return inside(name)
