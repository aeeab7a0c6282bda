"""The engine's tables: where and when one can book, under which rules, and who has booked."""

from portal.reservations.models.activities import (
    Activity,
    Capacity,
    Closure,
    Formula,
    FullSlot,
    Part,
    Period,
    Slot,
)
from portal.reservations.models.advances import Advance, Cart, CartDay
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
    class_name,
)
from portal.reservations.models.campaigns import (
    Audience,
    AudienceAddress,
    AudienceMember,
    Campaign,
    PeriodOpening,
)
from portal.reservations.models.changes import CalendarChange, CancelledDay
from portal.reservations.models.day_rules import DayRule
from portal.reservations.models.lots import Lot, LotDay
from portal.reservations.models.moves import LeftDay, Move
from portal.reservations.models.needed import NeededChildren, SureOpening
from portal.reservations.models.notices import Notice
from portal.reservations.models.oversights import OversightDecision, OversightRule, oversight_rules
from portal.reservations.models.papers import (
    ActivityPaper,
    ActivityText,
    demanding_papers,
    texts_of_activities,
)
from portal.reservations.models.presence import (
    AbsenceCertificate,
    AbsenceCertificateQuerySet,
    AbsenceNotice,
    AbsenceReason,
    Attendance,
    AttendanceQuerySet,
    AttendanceState,
)
from portal.reservations.models.rules import ActivityDeadline, DeadlineRule, DeadlineWindow
from portal.reservations.models.staff import StaffRight
from portal.reservations.models.statistics import CountedMonth, MonthlyFigure
from portal.reservations.models.threads import ThreadPlace
from portal.reservations.models.town_files import TownFile
from portal.reservations.models.year_turns import NextClass, NextPupil, YearTurn

__all__ = [
    "NEWEST_FIRST",
    "AbsenceCertificate",
    "AbsenceCertificateQuerySet",
    "AbsenceNotice",
    "AbsenceReason",
    "Activity",
    "ActivityDeadline",
    "ActivityPaper",
    "ActivityText",
    "Advance",
    "Attendance",
    "AttendanceQuerySet",
    "AttendanceState",
    "Audience",
    "AudienceAddress",
    "AudienceMember",
    "Booking",
    "BookingEvent",
    "BookingQuerySet",
    "CalendarChange",
    "Campaign",
    "CancelledDay",
    "Capacity",
    "Cart",
    "CartDay",
    "Closure",
    "CountedMonth",
    "CountedReservation",
    "DayRule",
    "DeadlineRule",
    "DeadlineWindow",
    "Enrolment",
    "EnrolmentQuerySet",
    "Establishment",
    "Formula",
    "FullSlot",
    "LeftDay",
    "Lot",
    "LotDay",
    "MonthlyFigure",
    "Move",
    "NeededChildren",
    "NextClass",
    "NextPupil",
    "Notice",
    "OversightDecision",
    "OversightRule",
    "Part",
    "Period",
    "PeriodOpening",
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
    "SureOpening",
    "ThreadPlace",
    "TownFile",
    "YearTurn",
    "attended_on",
    "class_name",
    "demanding_papers",
    "oversight_rules",
    "texts_of_activities",
]
