"""The engine at the town hall's desk; each module registers its models."""

from portal.reservations import admin_queues
from portal.reservations.desk import (
    activities,
    bookings,
    closures,
    deadlines,
    households,
    places,
    slots,
)

__all__ = [
    "activities",
    "admin_queues",
    "bookings",
    "closures",
    "deadlines",
    "households",
    "places",
    "slots",
]
