"""What the engine tells of a household's past: enrolments, days asked for or changed, absences."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date, datetime

from django.db.models import Min
from django.urls import reverse

from families.chronicle.entries import Entry, Group, Rows, Source, by, by_town, register
from families.privacy.telling import Subject
from portal.french import moments
from portal.french.dates import short_day
from portal.french.elision import of
from portal.french.plurals import agreed, counted
from portal.reservations.models import AbsenceCertificate, BookingEvent, Enrolment, Move, Reservation
from portal.reservations.states import BookingState, EnrolmentState, ReservationState

# What a day became that no reservation of the family changed.
WORDS = {
    BookingState.ACCEPTED: ("réservé", "réservés"),
    BookingState.REQUESTED: ("demandé", "demandés"),
    BookingState.WAITLISTED: ("sur liste d'attente", "sur liste d'attente"),
    BookingState.OFFERED: ("proposé", "proposés"),
    BookingState.HELD: ("à payer", "à payer"),
    BookingState.CANCEL_REQUESTED: ("à annuler", "à annuler"),
    BookingState.CANCELLED: ("annulé", "annulés"),
    BookingState.REFUSED: ("refusé", "refusés"),
}


def _children(subject: Subject, child: int | None) -> list[int]:
    return [one.pk for one in subject.children if child in (None, one.pk)]


# Reservations -----------------------------------------------------------------------------------------


def _reservations(subject: Subject, child: int | None) -> Rows:
    rows = Reservation.objects.filter(household=subject.household, child__in=_children(subject, child))
    return rows.filter(submitted_at__isnull=False).exclude(state=ReservationState.DRAFT)


def _answered(subject: Subject, child: int | None) -> Rows:
    return _reservations(subject, child).filter(decided_at__isnull=False)


def _say_reservations(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = Reservation.objects.filter(pk__in=keys).with_counts()
    found = {}
    for row in rows.select_related("child", "enrolment__activity", "created_by"):
        asked = [counted(row.days_booked, "jour demandé", "jours demandés")] if row.days_booked else []
        if row.days_cancelled:
            asked.append(counted(row.days_cancelled, "jour à annuler", "jours à annuler"))
        found[row.pk] = Entry(
            f"{row.child.first_name}, {row.enrolment.activity.name} : {moments.listing(asked)}",
            by(row.created_by, subject),
            " – ".join(part for part in (f"Réservation n°\xa0{row.number}", row.desk_reason) if part),
            reverse("reservations:detail", args=[row.pk]),
        )
    return found


def _say_answers(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = Reservation.objects.filter(pk__in=keys)
    return {
        row.pk: Entry(
            f"Réponse à la réservation {of(row.child.first_name)}, {row.enrolment.activity.name} : "
            f"{row.get_state_display().lower()}",
            by_town(row.decided_by, subject),
            row.refusal_reason or f"Réservation n°\xa0{row.number}",
            reverse("reservations:detail", args=[row.pk]),
        )
        for row in rows.select_related("child", "enrolment__activity", "decided_by")
    }


# Days that no reservation of the family changed -------------------------------------------------------


def _events(subject: Subject, child: int | None) -> Rows:
    """An act changes many days at one moment: one entry for each child, activity and state."""
    rows = BookingEvent.objects.filter(
        reservation=None,
        booking__household=subject.household,
        booking__child__in=_children(subject, child),
    )
    return (
        rows.order_by().values("at", "state", "booking__child", "booking__activity").annotate(first=Min("pk"))
    )


def _say_events(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    firsts = BookingEvent.objects.filter(pk__in=keys).select_related(
        "booking__child", "booking__activity", "by"
    )
    heads = {_act(row): row for row in firsts}
    days: dict[tuple[datetime, str, int, int], list[date]] = defaultdict(list)
    rows = BookingEvent.objects.filter(
        reservation=None, booking__household=subject.household, at__in={row.at for row in heads.values()}
    )
    for row in rows.select_related("booking").order_by("booking__day"):
        days[_act(row)].append(row.booking.day)
    found = {}
    for act, row in heads.items():
        one, many = WORDS[BookingState(row.state)]
        found[row.pk] = Entry(
            f"{row.booking.child.first_name}, {row.booking.activity.name} : "
            f"{counted(len(days[act]), 'jour', 'jours')} {agreed(len(days[act]), one, many)}",
            by(row.by, subject),
            " – ".join(part for part in (moments.enumerate_days(days[act]), row.reason) if part),
        )
    return found


def _act(row: BookingEvent) -> tuple[datetime, str, int, int]:
    return row.at, row.state, row.booking.child_id, row.booking.activity_id


# Enrolments -------------------------------------------------------------------------------------------


def _enrolments(subject: Subject, child: int | None) -> Rows:
    return Enrolment.objects.filter(household=subject.household, child__in=_children(subject, child))


def _decided(subject: Subject, child: int | None) -> Rows:
    return _enrolments(subject, child).filter(decided_at__isnull=False)


def _say_enrolments(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = Enrolment.objects.filter(pk__in=keys)
    return {
        row.pk: Entry(
            f"{row.child.first_name} : demande d'inscription, {row.activity.name}",
            by(row.requested_by, subject),
            f"Année {row.school_year.name}, à partir du {moments.day(row.starts_on, year=True)}",
            reverse(f"{row.activity.service}:enrolment", args=[row.pk]),
        )
        for row in rows.select_related("child", "activity", "school_year", "requested_by")
    }


def _say_decided(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = Enrolment.objects.filter(pk__in=keys)
    return {
        row.pk: Entry(
            f"{row.child.first_name} : inscription {_answer(row)}, {row.activity.name}",
            by_town(row.decided_by, subject),
            row.refusal_reason or f"Année {row.school_year.name}",
            reverse(f"{row.activity.service}:enrolment", args=[row.pk]),
        )
        for row in rows.select_related("child", "activity", "school_year", "decided_by")
    }


def _answer(row: Enrolment) -> str:
    """What the town hall answered, whose end is told by itself."""
    state = EnrolmentState.ACCEPTED if row.ended_at else EnrolmentState(row.state)
    return state.label.lower()


def _ended(subject: Subject, child: int | None) -> Rows:
    return _enrolments(subject, child).filter(ended_at__isnull=False)


def _say_ended(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = Enrolment.objects.filter(pk__in=keys, ends_on__isnull=False)
    return {
        row.pk: Entry(
            f"{row.child.first_name} : fin de l'inscription le "
            f"{short_day(row.ends_on or row.starts_on, year=True)}, {row.activity.name}",
            by(row.ended_by, subject),
            row.end_reason,
            reverse(f"{row.activity.service}:enrolment", args=[row.pk]),
        )
        for row in rows.select_related("child", "activity", "ended_by")
    }


# Changes of school or place ---------------------------------------------------------------------------


def _moves(subject: Subject, child: int | None) -> Rows:
    return Move.objects.filter(household=subject.household, child__in=_children(subject, child))


def _moves_answered(subject: Subject, child: int | None) -> Rows:
    return _moves(subject, child).filter(decided_at__isnull=False, decided_by__isnull=False)


def _moves_in_words(subject: Subject, keys: Collection[int]) -> Mapping[int, Move]:
    rows = Move.objects.filter(pk__in=keys).select_related(
        "child", "place", "school_class__school", "requested_by", "decided_by"
    )
    return {row.pk: row for row in rows}


def _say_moves(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    return {
        key: Entry(
            f"{row.child.first_name} change d'école ou de lieu : {row.where}",
            by(row.requested_by, subject),
            f"À partir du {moments.day(row.since, year=True)}",
        )
        for key, row in _moves_in_words(subject, keys).items()
    }


def _say_moves_answered(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    followed = "jour réservé a suivi", "jours réservés ont suivi"
    return {
        key: Entry(
            f"Changement {of(row.child.first_name)} : {row.get_state_display().lower()}, {row.where}",
            by_town(row.decided_by, subject),
            row.refusal_reason or (counted(row.followed, *followed) if row.followed else ""),
        )
        for key, row in _moves_in_words(subject, keys).items()
    }


# Absences ---------------------------------------------------------------------------------------------


def _certificates(subject: Subject, child: int | None) -> Rows:
    return AbsenceCertificate.objects.filter(household=subject.household, child__in=_children(subject, child))


def _certificates_answered(subject: Subject, child: int | None) -> Rows:
    return _certificates(subject, child).filter(decided_at__isnull=False)


def _say_certificates(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = AbsenceCertificate.objects.filter(pk__in=keys).select_related("child", "given_by")
    return {
        row.pk: Entry(
            f"Justificatif d'absence {of(row.child.first_name)}, {_span(row)}", by(row.given_by, subject)
        )
        for row in rows
    }


def _say_certificate_answers(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = AbsenceCertificate.objects.filter(pk__in=keys).select_related("child", "decided_by")
    return {
        row.pk: Entry(
            f"Justificatif d'absence {of(row.child.first_name)}, {_span(row)} : "
            f"{row.get_state_display().lower()}",
            by_town(row.decided_by, subject),
            row.refusal_reason,
        )
        for row in rows
    }


def _span(row: AbsenceCertificate) -> str:
    return moments.span(row.first_day, row.last_day, year=True)


def register_all() -> None:
    """Once the app is ready."""
    days, enrolments = Group.RESERVATIONS, Group.ENROLMENTS
    register(Source("reservations", days, _reservations, _say_reservations, "submitted_at"))
    register(Source("decisions", days, _answered, _say_answers, "decided_at"))
    register(Source("events", days, _events, _say_events, "at", "first"))
    register(Source("enrolments", enrolments, _enrolments, _say_enrolments, "requested_at"))
    register(Source("enrolled", enrolments, _decided, _say_decided, "decided_at"))
    register(Source("moves", enrolments, _moves, _say_moves, "requested_at"))
    register(Source("moved", enrolments, _moves_answered, _say_moves_answered, "decided_at"))
    register(Source("ended", enrolments, _ended, _say_ended, "ended_at"))
    register(Source("certificates", days, _certificates, _say_certificates, "given_at"))
    register(Source("certified", days, _certificates_answered, _say_certificate_answers, "decided_at"))
