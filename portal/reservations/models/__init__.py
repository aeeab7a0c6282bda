"""The engine's tables: where and when one can book, under which rules, and who has booked."""

from portal.reservations.models.activities import Activity, Capacity, Closure, Formula, Part, Period, Slot
from portal.reservations.models.bookings import (
    NEWEST_FIRST,
    Booking,
    BookingEvent,
    BookingQuerySet,
    CountedReservation,
    Enrolment,
    EnrolmentQuerySet,
    Place,
    Reservation,
    ReservationLine,
    ReservationQuerySet,
)
from portal.reservations.models.calendar import (
    Establishment,
    PublicHoliday,
    SchoolClass,
    SchoolHoliday,
    Schooling,
    SchoolYear,
    attended_on,
)
from portal.reservations.models.presence import (
    AbsenceCertificate,
    AbsenceCertificateQuerySet,
    AbsenceReason,
    Attendance,
    AttendanceQuerySet,
    AttendanceState,
)
from portal.reservations.models.rules import ActivityDeadline, DeadlineRule, DeadlineWindow
from portal.reservations.models.staff import StaffRight

__all__ = [
    "NEWEST_FIRST",
    "AbsenceCertificate",
    "AbsenceCertificateQuerySet",
    "AbsenceReason",
    "Activity",
    "ActivityDeadline",
    "Attendance",
    "AttendanceQuerySet",
    "AttendanceState",
    "Booking",
    "BookingEvent",
    "BookingQuerySet",
    "Capacity",
    "Closure",
    "CountedReservation",
    "DeadlineRule",
    "DeadlineWindow",
    "Enrolment",
    "EnrolmentQuerySet",
    "Establishment",
    "Formula",
    "Part",
    "Period",
    "Place",
    "PublicHoliday",
    "Reservation",
    "ReservationLine",
    "ReservationQuerySet",
    "SchoolClass",
    "SchoolHoliday",
    "SchoolYear",
    "Schooling",
    "Slot",
    "StaffRight",
    "attended_on",
]
