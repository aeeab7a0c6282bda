"""The engine at the town hall's desk; each module registers its models."""

from portal.reservations.desk import (
    activities,
    bookings,
    campaigns,
    changes,
    closures,
    deadlines,
    enrolments,
    kinds,
    moves,
    notices,
    places,
    reservations,
    screen,
    slots,
    staff,
    today,
)

__all__ = [
    "activities",
    "bookings",
    "campaigns",
    "changes",
    "closures",
    "deadlines",
    "enrolments",
    "kinds",
    "moves",
    "notices",
    "places",
    "reservations",
    "screen",
    "slots",
    "staff",
    "today",
]
