"""What the engine keeps of people, how long unless the town says otherwise, and why."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from families import documents
from families.models import RetentionRule
from families.privacy import histories, last_days, retention
from families.privacy.retention import CHOSEN, Kind, Rows
from portal.french.plurals import counted
from portal.reservations.models import (
    AbsenceCertificate,
    AbsenceNotice,
    Attendance,
    Booking,
    Enrolment,
    Schooling,
)

Unit = RetentionRule.Unit
IN_BITES = 500
REGISTERS = "Registres de présence : dix ans (usage des services périscolaires), sous réserve des archives."


# Children that still come -----------------------------------------------------------------------------


def schooled(since: date) -> QuerySet[Any, Any]:
    return Schooling.objects.filter(school_year__ends_on__gte=since).values("child_id")


def enrolled(since: date) -> QuerySet[Any, Any]:
    return Enrolment.objects.live().filter(school_year__ends_on__gte=since).values("child_id")


def booked(since: date) -> QuerySet[Any, Any]:
    return Booking.objects.filter(day__gte=since).values("child_id")


def attended(since: date) -> QuerySet[Any, Any]:
    return Attendance.objects.filter(day__gte=since).values("child_id")


# What goes --------------------------------------------------------------------------------------------


def _certificates(before: datetime) -> list[Rows]:
    answered = AbsenceCertificate.objects.filter(given_at__lt=before).exclude(
        state=AbsenceCertificate.State.REQUESTED
    )
    return [answered.order_by("pk")]


def remove_certificates(rows: Sequence[Rows], at: datetime) -> int:
    """With their file; an absence stays the certified one that it was."""
    removed = 0
    for each in rows:
        for certificate in each.select_related("document"):
            with transaction.atomic():
                document, key = certificate.document, certificate.pk
                certificate.delete()
                histories.forget(AbsenceCertificate, [key])
                # Another certificate, of the other home for example, may show the same file.
                if document is not None and not AbsenceCertificate.objects.filter(document=document).exists():
                    Attendance.objects.filter(certificate=document).update(certificate=None)
                    documents.remove([document])
            removed += 1
    return removed


def _notices(before: datetime) -> list[Rows]:
    return [AbsenceNotice.objects.filter(day__lt=timezone.localtime(before).date()).order_by("pk")]


def remove_notices(rows: Sequence[Rows], at: datetime) -> int:
    return sum(each.delete()[0] for each in rows)


def _stays() -> Rows:
    """Attendance that an invoice, or another row that may not lose it, points at."""
    rows: Rows = Attendance.objects.with_stays()
    return rows.filter(stays=True)


def held() -> Q:
    """Bookings that something above this floor, an invoice for example, may not lose."""
    found = Q(attendance__in=_stays())
    for link in Booking._meta.related_objects:
        if link.on_delete is models.PROTECT and link.related_model is not Attendance:
            held_by = link.related_model._base_manager.filter(**{f"{link.field.name}__isnull": False})
            found |= Q(pk__in=held_by.values(link.field.attname))
    return found


def _bookings(before: datetime) -> list[Rows]:
    return [Booking.objects.filter(day__lt=timezone.localtime(before).date()).exclude(held()).order_by("pk")]


def remove_bookings(rows: Sequence[Rows], at: datetime) -> int:
    """With what was entered of them."""
    removed = 0
    for each in rows:
        keys = list(each.values_list("pk", flat=True))
        for first in range(0, len(keys), IN_BITES):
            bite = keys[first : first + IN_BITES]
            with transaction.atomic():
                _remove_attendance(Attendance.objects.filter(booking__in=bite))
                Booking.objects.filter(pk__in=bite).delete()
        removed += len(keys)
    return removed


def _unreserved(before: datetime) -> list[Rows]:
    rows = Attendance.objects.filter(booking=None, day__lt=timezone.localtime(before).date())
    return [rows.exclude(pk__in=_stays().values("pk")).order_by("pk")]


def remove_unreserved(rows: Sequence[Rows], at: datetime) -> int:
    removed = 0
    for each in rows:
        with transaction.atomic():
            removed += _remove_attendance(
                Attendance.objects.filter(pk__in=list(each.values_list("pk", flat=True)))
            )
    return removed


def _remove_attendance(rows: QuerySet[Attendance]) -> int:
    keys = list(rows.values_list("pk", flat=True))
    rows.delete()
    histories.forget(Attendance, keys)
    return len(keys)


def register_all(drafts_kept: int) -> None:
    """Once the app is ready. `drafts_kept`: days after which the night forgets a draft."""
    for here in (schooled, enrolled, booked, attended):
        last_days.register(here)
    retention.register(
        Kind(
            "certificates",
            "certificats",
            "Justificatifs d'absence (certificats médicaux)",
            "après leur remise",
            13,
            Unit.MONTH,
            f"{CHOSEN} Le temps de la facture, de sa correction et de sa contestation.",
            due=_certificates,
            remove=remove_certificates,
        )
    )
    retention.register(
        Kind(
            "notices",
            "absences_annoncées",
            "Absences annoncées par les familles, sans justificatif",
            "après le jour",
            13,
            Unit.MONTH,
            f"{CHOSEN} Le temps de la facture, de sa correction et de sa contestation.",
            due=_notices,
            remove=remove_notices,
            dated_by="day",
        )
    )
    retention.register(
        Kind(
            "presence",
            "présences",
            "Présences réservées et pointées, qu'aucune facture ne porte plus",
            "après le jour",
            10,
            Unit.YEAR,
            REGISTERS,
            due=_bookings,
            remove=remove_bookings,
            needs_visa=True,
            dated_by="day",
        )
    )
    retention.register(
        Kind(
            "unreserved",
            "présences_sans_réservation",
            "Présences pointées sans réservation",
            "après le jour",
            10,
            Unit.YEAR,
            REGISTERS,
            due=_unreserved,
            remove=remove_unreserved,
            needs_visa=True,
            dated_by="day",
        )
    )
    retention.register_fixed(
        "Réservations commencées et jamais enregistrées", lambda: counted(drafts_kept, "jour", "jours")
    )
