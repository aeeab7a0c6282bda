"""What the engine does when a household or a child is erased.

Days to come are cancelled, so that others get the places. Days past stay, without a name, for statistics and
for the invoices that bill them; what was asked, decided and proved around them goes.
"""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone

from families import documents
from families.models import Document, User
from families.privacy import histories
from families.privacy.erasing import Foreseen, Leaving, Line, Part
from families.privacy.holdings import Fate
from portal.reservations.acts import booking
from portal.reservations.models import (
    AbsenceCertificate,
    AbsenceNotice,
    Attendance,
    AudienceMember,
    Booking,
    BookingEvent,
    CancelledDay,
    Enrolment,
    LotDay,
    Move,
    NextPupil,
    OversightDecision,
    Reservation,
    ReservationLine,
    Schooling,
)
from portal.reservations.states import LIVE, EnrolmentState

HOLDINGS = {
    "reservations.Schooling": Fate.GONE,
    "reservations.AudienceMember": Fate.GONE,
    "reservations.Enrolment": Fate.BLANK,
    "reservations.Reservation": Fate.GONE,
    "reservations.ReservationLine": Fate.GONE,
    "reservations.Booking": Fate.BLANK,
    "reservations.Place": Fate.BLANK,
    "reservations.Cart": Fate.BLANK,
    "reservations.CartDay": Fate.BLANK,
    "reservations.BookingEvent": Fate.GONE,
    "reservations.CalendarChange": Fate.STAFF,
    "reservations.CancelledDay": Fate.GONE,
    "reservations.SureOpening": Fate.STAFF,
    "reservations.Lot": Fate.STAFF,
    "reservations.LotDay": Fate.GONE,
    "reservations.Attendance": Fate.BLANK,
    "reservations.AbsenceCertificate": Fate.GONE,
    "reservations.AbsenceNotice": Fate.GONE,
    "reservations.Move": Fate.GONE,
    "reservations.OversightDecision": Fate.GONE,
    "reservations.LeftDay": Fate.GONE,
    "reservations.ThreadPlace": Fate.GONE,
    "reservations.YearTurn": Fate.STAFF,
    "reservations.NextClass": Fate.STAFF,
    "reservations.NextPupil": Fate.GONE,
    "reservations.StaffRight": Fate.STAFF,
    "reservations.TownFile": Fate.STAFF,
    "reservations.StaffRight_places": Fate.STAFF,
}


def _to_come(leaving: Leaving, at: datetime) -> QuerySet[Booking]:
    return Booking.objects.filter(leaving.concerned, day__gte=timezone.localtime(at).date())


def _past(leaving: Leaving, at: datetime) -> QuerySet[Booking]:
    return Booking.objects.filter(leaving.concerned, day__lt=timezone.localtime(at).date())


def _foresee(leaving: Leaving, at: datetime, found: Foreseen) -> None:
    def count(model: Any) -> int:
        rows: int = model.objects.filter(leaving.concerned).count()
        return rows

    found.gone += [
        Line(_to_come(leaving, at).filter(state__in=LIVE).count(), "jours à venir, annulés"),
        Line(count(Reservation), "réservations"),
        Line(count(AbsenceCertificate), "justificatifs d'absence"),
        Line(count(AbsenceNotice), "absences annoncées"),
        Line(count(Move), "changements d'école ou de lieu"),
        Line(Schooling.objects.filter(child__in=leaving.children).count(), "années d'école"),
        Line(count(Enrolment), "inscriptions (qui les a demandées, réponses)"),
    ]
    without = "sans nom, pour les statistiques et les factures"
    found.kept.append(Line(_past(leaving, at).count(), "jours passés", without))
    unreserved = Attendance.objects.filter(leaving.concerned, booking=None).count()
    found.kept.append(Line(unreserved, "présences sans réservation", without))


def _erase(leaving: Leaving, by: User | None, at: datetime) -> None:
    booking.withdraw(_to_come(leaving, at).filter(state__in=LIVE), by=by, at=at)
    certificates = AbsenceCertificate.objects.filter(leaving.concerned)
    papers = set(certificates.exclude(document=None).values_list("document_id", flat=True))
    attendances = Attendance.objects.filter(leaving.concerned)
    papers |= set(attendances.exclude(certificate=None).values_list("certificate_id", flat=True))
    _delete(AbsenceCertificate, certificates)
    AbsenceNotice.objects.filter(leaving.concerned).delete()
    Move.objects.filter(leaving.concerned).delete()
    OversightDecision.objects.filter(leaving.concerned).delete()
    entered = list(attendances.values_list("pk", flat=True))
    attendances.update(reason="", certificate=None)
    histories.forget(Attendance, entered)
    documents.remove(Document.objects.filter(pk__in=papers))

    bookings = Booking.objects.filter(leaving.concerned)
    BookingEvent.objects.filter(booking__in=bookings).delete()
    CancelledDay.objects.filter(booking__in=bookings).delete()
    LotDay.objects.filter(enrolment__in=Enrolment.objects.filter(leaving.concerned)).delete()
    histories.forget(Booking, list(bookings.values_list("pk", flat=True)))
    # To come, none is held any more; what was cancelled and never billed tells nothing.
    over = _to_come(leaving, at) | _past(leaving, at).exclude(state__in=LIVE)
    over.exclude(_held(Booking)).delete()
    bookings.update(reservation=None)
    reservations = Reservation.objects.filter(leaving.concerned)
    ReservationLine.objects.filter(reservation__in=reservations).delete()
    BookingEvent.objects.filter(reservation__in=reservations).update(reservation=None)
    _delete(Reservation, reservations)
    NextPupil.objects.filter(child__in=leaving.children).delete()
    if leaving.household is not None:
        _delete(AudienceMember, AudienceMember.objects.filter(household=leaving.household))
    _delete(Schooling, Schooling.objects.filter(child__in=leaving.children))

    enrolments = Enrolment.objects.filter(leaving.concerned)
    _delete(Enrolment, enrolments.exclude(_held(Enrolment)))
    histories.forget(Enrolment, list(enrolments.values_list("pk", flat=True)))
    enrolments.update(
        state=EnrolmentState.ENDED,
        requested_by=None,
        decided_by=None,
        refusal_reason="",
        ended_by=None,
        end_reason="",
        weekdays=0,
    )


def _held(model: type[models.Model]) -> Q:
    """Rows that something points at which may not lose them."""
    found = Q(pk__in=[])
    for link in model._meta.related_objects:
        if link.on_delete is models.PROTECT:
            pointing = link.related_model._base_manager.filter(**{f"{link.field.name}__isnull": False})
            found |= Q(pk__in=pointing.values(link.field.attname))
    return found


def _delete(model: type[models.Model], rows: QuerySet[Any]) -> None:
    keys = list(rows.values_list("pk", flat=True))
    model._base_manager.filter(pk__in=keys).delete()
    histories.forget(model, keys)


def _tidy() -> None:
    """Enrolments of the erased, once none of their days is left."""
    erased = Q(child__erased_at__isnull=False) | Q(household__erased_at__isnull=False)
    _delete(Enrolment, Enrolment.objects.filter(erased).exclude(_held(Enrolment)))


PART = Part(_foresee, _erase, _tidy)
