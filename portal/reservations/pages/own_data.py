"""What the engine tells of a guardian in a copy of their data: school, enrolments, days, absences.

Of their own household only: the other home of a child books for itself.
"""

from collections.abc import Iterator

from families.privacy.telling import Subject, Table
from portal.reservations.models import (
    AbsenceCertificate,
    AbsenceNotice,
    Attendance,
    AudienceMember,
    Booking,
    Enrolment,
    Move,
    OversightDecision,
    ReservationLine,
    Schooling,
)
from portal.reservations.states import ReservationState

A_BITE = 200  # rows read at a time


def tables(subject: Subject) -> Iterator[Table]:
    home, children = subject.household, subject.children
    schoolings = Schooling.objects.filter(child__in=children).select_related(
        "child", "school_class__school", "school_year"
    )
    yield Table(
        "École et classe",
        ("Enfant", "Année", "École", "Classe"),
        (
            (str(row.child), row.school_year.name, row.school_class.school.name, row.school_class.name)
            for row in schoolings.order_by("school_year__starts_on").iterator(chunk_size=A_BITE)
        ),
    )
    enrolments = Enrolment.objects.filter(household=home, child__in=children).select_related(
        "child", "activity", "establishment", "school_year"
    )
    yield Table(
        "Inscriptions",
        (
            *("Enfant", "Activité", "Lieu", "Année", "À partir du", "Demandée le", "État", "Motif du refus"),
            *("Dernier jour", "Motif de la fin"),
        ),
        (
            (
                str(row.child),
                row.activity.name,
                row.establishment.name if row.establishment else "",
                row.school_year.name,
                row.starts_on,
                row.requested_at,
                row.get_state_display(),
                row.refusal_reason,
                row.ends_on,
                row.end_reason,
            )
            for row in enrolments.order_by("requested_at", "pk").iterator(chunk_size=A_BITE)
        ),
    )
    moves = Move.objects.filter(household=home, child__in=children).select_related(
        "child", "place", "left_place", "school_class__school"
    )
    yield Table(
        "Changements d'école ou de lieu",
        ("Enfant", "Va à", "Quitte", "À partir du", "Demandé le", "État", "Motif du refus"),
        (
            (
                str(row.child),
                row.where,
                row.left_place.name if row.left_place else "",
                row.since,
                row.requested_at,
                row.get_state_display(),
                row.refusal_reason,
            )
            for row in moves.order_by("requested_at", "pk").iterator(chunk_size=A_BITE)
        ),
    )
    lines = (
        ReservationLine.objects.filter(reservation__household=home, reservation__child__in=children)
        .exclude(reservation__state=ReservationState.DRAFT)
        .select_related("reservation__child", "formula__activity")
    )
    yield Table(
        "Réservations, jour par jour",
        ("Numéro", "Enregistrée le", "Enfant", "Activité", "Formule", "Jour", "Demande", "État", "Motif"),
        (
            (
                row.reservation.number,
                row.reservation.submitted_at,
                str(row.reservation.child),
                row.formula.activity.name,
                row.formula.name,
                row.day,
                row.get_action_display(),
                row.get_outcome_display(),
                row.reason,
            )
            for row in lines.order_by("reservation_id", "day", "pk").iterator(chunk_size=A_BITE)
        ),
    )
    bookings = Booking.objects.filter(household=home, child__in=children).select_related(
        "child", "formula__activity", "establishment"
    )
    yield Table(
        "Jours réservés",
        ("Enfant", "Activité", "Formule", "Lieu", "Jour", "État", "Hors délai"),
        (
            (
                str(row.child),
                row.formula.activity.name,
                row.formula.name,
                row.establishment.name,
                row.day,
                row.get_state_display(),
                row.late,
            )
            for row in bookings.order_by("day", "pk").iterator(chunk_size=A_BITE)
        ),
    )
    attendances = (
        Attendance.objects.standing()
        .filter(household=home, child__in=children)
        .select_related("child", "formula__activity", "establishment")
    )
    yield Table(
        "Présences et absences",
        ("Enfant", "Activité", "Formule", "Lieu", "Jour", "Présence", "Durée (minutes)", "Motif"),
        (
            (
                str(row.child),
                row.formula.activity.name,
                row.formula.name,
                row.establishment.name,
                row.day,
                row.get_state_display(),
                row.minutes,
                row.get_reason_display() if row.reason else "",
            )
            for row in attendances.order_by("day", "pk").iterator(chunk_size=A_BITE)
        ),
    )
    certificates = AbsenceCertificate.objects.filter(household=home, child__in=children)
    yield Table(
        "Justificatifs d'absence",
        ("Enfant", "Du", "Au", "Donné le", "État", "Motif du refus"),
        (
            (
                str(row.child),
                row.first_day,
                row.last_day,
                row.given_at,
                row.get_state_display(),
                row.refusal_reason,
            )
            for row in certificates.select_related("child").order_by("given_at").iterator(chunk_size=A_BITE)
        ),
    )
    notices = AbsenceNotice.objects.filter(household=home, child__in=children)
    yield Table(
        "Absences annoncées",
        ("Enfant", "Jour", "Annoncée le", "Retirée le"),
        (
            (str(row.child), row.day, row.announced_at, row.withdrawn_at)
            for row in notices.select_related("child").order_by("day", "pk").iterator(chunk_size=A_BITE)
        ),
    )
    decided = OversightDecision.objects.filter(household=home, child__in=children)
    yield Table(
        "Décisions d'oublis",
        ("Enfant", "Activité", "Décision", "Depuis le", "Jusqu'au", "Phrase", "Levée le"),
        (
            (
                str(row.child),
                str(row.activity),
                row.get_stops_display(),
                row.since,
                row.until,
                row.sentence,
                row.ended_at,
            )
            for row in decided.select_related("child", "activity")
            .order_by("decided_at", "pk")
            .iterator(chunk_size=A_BITE)
        ),
    )
    members = AudienceMember.objects.filter(household=home).select_related("audience").order_by("starts_on")
    yield Table(
        "Publics reconnus par la mairie",
        ("Public", "Du", "Au", "Justificatif"),
        ((row.audience.label, row.starts_on, row.ends_on, row.proof) for row in members),
    )
