"""The only writer of absence certificates: sent by a family, taken at the desk, accepted, refused, withdrawn.

A certificate speaks for one household's own bookings: the other home of a child sees and proves its own.
Every verb locks the child or the certificate first, then `attendance.py` writes what it justifies. What an
absence costs is no matter of this floor: who bills it lends its `Consequences`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from django.db import transaction
from django.utils import timezone

from families import documents
from families.custody import homes, own
from families.emails import addresses
from families.models import AlreadyAnswered as AlreadyAnswered
from families.models import Child, Document, Household, User
from portal.french import moments
from portal.french.dates import short_day
from portal.letters import mailing
from portal.reservations.models import AbsenceCertificate, Booking
from portal.reservations.presence import attendance

State = AbsenceCertificate.State
# Who answers them, and opens their files.
RIGHT = "reservations.change_absencecertificate"
# A planned absence, a stay in hospital for example, is announced that long before at most.
AHEAD = timedelta(days=92)
# Nights that may have been missed.
CAUGHT_UP = timedelta(days=31)


class AbsenceRefused(Exception):
    """The act is refused; the message is the French sentence to show, at `field` when it is about one."""

    def __init__(self, text: str, field: str = "") -> None:
        self.field = field
        super().__init__(text)


class Consequences(Protocol):
    """What comes of an absence, said by who bills it."""

    def check(self, activities: Collection[int], first: date, today: date) -> None:
        """Raises AbsenceRefused where no certificate of these activities would change anything."""

    def lines(self, certificate: AbsenceCertificate) -> list[str]:
        """« lundi 9 novembre, Restauration scolaire, Repas : non facturé », for the letter."""


class NoConsequences:
    """Where nobody bills."""

    def check(self, activities: Collection[int], first: date, today: date) -> None:
        """Every certificate may be sent."""

    def lines(self, certificate: AbsenceCertificate) -> list[str]:
        return []


_consequences: Consequences = NoConsequences()


def lend(consequences: Consequences) -> None:
    """For the app that bills, once it is ready."""
    global _consequences
    _consequences = consequences


def booked_activities(household: Household, child: Child, today: date) -> dict[int, str]:
    """The activities in which the household booked days of the child that a certificate may still concern."""
    found = Booking.objects.holding().filter(
        household=household, child=child, day__range=(today - attendance.LOOK_BACK, today + AHEAD)
    )
    return dict(found.order_by("activity__order", "activity__name").values_list("activity", "activity__name"))


def check_days(household: Household, child: Child, first: date, last: date, today: date) -> set[int]:
    """The activities booked between two days that a certificate may cover. Raises AbsenceRefused."""
    if last < first:
        raise AbsenceRefused("Le dernier jour d'absence ne peut pas précéder le premier.", "last_day")
    if last > today + AHEAD:
        latest = short_day(today + AHEAD, year=True)
        raise AbsenceRefused(f"Le dernier jour d'absence ne peut pas dépasser le {latest}.", "last_day")
    if first < today - attendance.LOOK_BACK:
        raise AbsenceRefused(
            "Cette absence a plus d'un an : elle ne peut plus être prise en compte.", "first_day"
        )
    held = Booking.objects.holding().filter(household=household, child=child, day__range=(first, last))
    activities = set(held.order_by().values_list("activity", flat=True).distinct())
    if not activities:
        span = moments.span(first, last, year=True)
        raise AbsenceRefused(
            f"Aucun jour n'est réservé pour {child.first_name} {span} : il n'y a rien à justifier."
        )
    _check_overlap(household, child, first, last)
    return activities


def check(household: Household, child: Child, first: date, last: date, today: date) -> None:
    """Raises AbsenceRefused, with a sentence, for days that no certificate of this family can concern."""
    _consequences.check(check_days(household, child, first, last, today), first, today)


def _check_overlap(household: Household, child: Child, first: date, last: date) -> None:
    same = AbsenceCertificate.objects.filter(
        household=household, child=child, first_day__lte=last, last_day__gte=first
    ).exclude(state=State.REFUSED)
    if other := same.first():
        span = moments.span(other.first_day, other.last_day, year=True)
        raise AbsenceRefused(
            f"Un justificatif est déjà donné pour {child.first_name} {span}"
            f" ({other.get_state_display().lower()}). Choisissez des jours qu'il ne couvre pas."
        )


@transaction.atomic
def send(
    household: Household,
    child: Child,
    first: date,
    last: date,
    *,
    file: Any,
    content_type: str,
    by: User,
    at: datetime,
) -> AbsenceCertificate:
    """A family gives a certificate, at the moment `at` of its receipt. Raises AbsenceRefused.

    `content_type` was read from the file's content (`uploads.check`).
    """
    today = timezone.localdate(at)
    custody = homes.held(child.pk, household.pk)
    if custody is None or not custody.holds_on(today):
        raise AbsenceRefused(homes.gone_sentence(child))
    check(household, child, first, last, today)
    return AbsenceCertificate.objects.create(
        household=household,
        child=child,
        first_day=first,
        last_day=last,
        document=_kept(household, file, content_type, by),
        given_at=at,
        given_by=by,
    )


def _kept(household: Household, file: Any, content_type: str, by: User) -> Document:
    """For those who answer certificates only: it may say why a child was ill."""
    return documents.keep(household, file, content_type, by=by, right=RIGHT)


@transaction.atomic
def withdraw(certificate: AbsenceCertificate) -> None:
    """A family takes back what nobody answered yet; the file goes too. Raises AlreadyAnswered."""
    certificate = _waiting(certificate.pk)
    document = certificate.document
    certificate.delete()
    if document is not None:
        document.delete()
        transaction.on_commit(partial(document.file.delete, save=False), robust=True)


# The town hall ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Accepted:
    """A certificate now accepted, and the days on which the child was seen all the same."""

    certificate: AbsenceCertificate
    seen: list[date]


@transaction.atomic
def accept(certificate: AbsenceCertificate, *, by: User, at: datetime) -> Accepted:
    """Justifies the absences of its days that have come, and those to come. Raises AlreadyAnswered."""
    own.check(by, [certificate.household_id], right=RIGHT, at=at)
    return _accept(_waiting(certificate.pk), by, at)


@transaction.atomic
def refuse(certificate: AbsenceCertificate, *, reason: str, by: User, at: datetime) -> AbsenceCertificate:
    """Raises AlreadyAnswered, AbsenceRefused without a reason."""
    if not reason.strip():
        raise AbsenceRefused("Indiquez le motif du refus : la famille le lira.")
    own.check(by, [certificate.household_id], right=RIGHT, at=at)
    certificate = _waiting(certificate.pk)
    _answer(certificate, State.REFUSED, reason.strip(), by, at)
    _tell("reservations/absence_refused", certificate)
    return certificate


@transaction.atomic
def take(
    household: Household,
    child: Child,
    first: date,
    last: date,
    *,
    given_at: datetime,
    file: Any = None,
    content_type: str = "",
    by: User,
    at: datetime,
) -> Accepted:
    """A certificate seen at the desk at `given_at`, accepted at once. Raises AbsenceRefused."""
    if given_at > at:
        raise AbsenceRefused("Ce moment n'est pas encore venu.", "given_at")
    own.check(by, [household.pk], right="reservations.add_absencecertificate", at=at)
    attendance.lock([child.pk])
    check_days(household, child, first, last, timezone.localdate(at))
    certificate = AbsenceCertificate.objects.create(
        household=household,
        child=child,
        first_day=first,
        last_day=last,
        document=_kept(household, file, content_type, by) if file else None,
        given_at=given_at,
        given_by=by,
    )
    return _accept(certificate, by, at)


def catch_up(*, at: datetime) -> int:
    """Writes the absences of accepted certificates for the days that ended since, where nobody entered any;
    returns for how many certificates it looked. Run again, it changes nothing."""
    yesterday = timezone.localdate(at) - timedelta(days=1)
    current = AbsenceCertificate.objects.filter(
        state=State.ACCEPTED, first_day__lte=yesterday, last_day__gte=yesterday - CAUGHT_UP
    )
    for certificate in (found := list(current.select_related("decided_by"))):
        attendance.certify(certificate, until=yesterday, by=certificate.decided_by, at=at)
    return len(found)


def _accept(certificate: AbsenceCertificate, by: User, at: datetime) -> Accepted:
    _answer(certificate, State.ACCEPTED, "", by, at)
    seen = attendance.certify(certificate, until=timezone.localdate(at), by=by, at=at)
    _tell("reservations/absence_accepted", certificate, days=_consequences.lines(certificate))
    return Accepted(certificate, seen)


def _waiting(pk: int) -> AbsenceCertificate:
    row = AbsenceCertificate.objects.select_for_update(of=("self",)).filter(pk=pk)
    certificate = row.select_related("household", "child", "document").first()
    if certificate is None:
        raise AlreadyAnswered("Ce justificatif a été retiré par la famille.")
    if certificate.state != State.REQUESTED:
        answer = certificate.get_state_display().lower()
        raise AlreadyAnswered(f"« {certificate} » a déjà reçu une réponse : {answer}.")
    return certificate


def _answer(certificate: AbsenceCertificate, state: str, reason: str, by: User, at: datetime) -> None:
    certificate.state, certificate.refusal_reason = state, reason
    certificate.decided_by, certificate.decided_at = by, at
    certificate.save()


def _tell(template: str, certificate: AbsenceCertificate, **more: Any) -> None:
    span = moments.span(certificate.first_day, certificate.last_day, year=True)
    context = {"name": "", "certificate": certificate, "child": certificate.child, "span": span}
    mailing.post(template, addresses(certificate.household, about=certificate.child_id), context | more)
