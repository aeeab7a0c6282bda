"""The engine at the town hall's desk; each module registers its models."""

from portal.reservations import (
    admin_activities,
    admin_bookings,
    admin_closures,
    admin_deadlines,
    admin_households,
    admin_places,
    admin_queues,
    admin_slots,
)

__all__ = [
    "admin_activities",
    "admin_bookings",
    "admin_closures",
    "admin_deadlines",
    "admin_households",
    "admin_places",
    "admin_queues",
    "admin_slots",
]
