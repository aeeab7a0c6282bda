"""The engine at the town hall's desk; each module registers its models."""

from portal.reservations.desk import (
    activities,
    bookings,
    campaigns,
    closures,
    deadlines,
    enrolments,
    households,
    places,
    reservations,
    slots,
    staff,
)

__all__ = [
    "activities",
    "bookings",
    "campaigns",
    "closures",
    "deadlines",
    "enrolments",
    "households",
    "places",
    "reservations",
    "slots",
    "staff",
]
