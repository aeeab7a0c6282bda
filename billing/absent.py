"""The only writer of absence certificates: sent by a family, taken at the desk, accepted, refused, withdrawn.

A certificate speaks for one household's own bookings: the other home of a child sees and proves its own.
Every verb locks the child or the certificate first, then `attendance.py` writes what it justifies.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from billing import attendance
from billing.invoices.billable import LOOK_BACK
from billing.models import AbsenceCertificate, AbsencePolicy, AbsenceReason, AttendanceState
from billing.rules import absences
from billing.rules.absences import (
    AbsenceRule,
    Missed,
    Reason,
)
from families import documents
from families.emails import addresses
from families.models import Child, Document, Household, User
from portal.french import dates
from portal.letters import mailing
from portal.reservations.models import Booking

State = AbsenceCertificate.State
# A planned absence, a stay in hospital for example, is announced that long before at most.
AHEAD = timedelta(days=92)
# An absence may have begun long before the days of its certificate.
AROUND = timedelta(days=92)
# Nights that may have been missed.
CAUGHT_UP = timedelta(days=31)


class AbsenceRefused(Exception):
    """The act is refused; the message is the French sentence to show, at `field` when it is about one."""

    def __init__(self, text: str, field: str = "") -> None:
        self.field = field
        super().__init__(text)


class AlreadyAnswered(Exception):
    """The certificate was answered, or withdrawn, meanwhile. `str()` is a sentence for who acts."""


# Rules, and what they make of days ----------------------------------------------------------------------


class Rules:
    """The town's rules of absence: one an activity, or one for all."""

    def __init__(self) -> None:
        self._rules = {policy.activity_id: policy.rule() for policy in AbsencePolicy.objects.all()}

    def of(self, activity: int) -> AbsenceRule:
        return self._rules.get(activity) or self._rules.get(None) or AbsenceRule()


class RuleInWords(NamedTuple):
    """A rule and the activities that follow it; `activities` is empty when all do."""

    activities: str
    sentences: list[str]


class Concerned(NamedTuple):
    """A booked day of an absence, and what the rule makes of it."""

    day: date
    activity: str
    formula: str
    seen: bool  # the child was entered present
    billed: bool

    @property
    def words(self) -> str:
        if self.seen:
            return "noté présent, reste facturé"
        return "reste facturé" if self.billed else "non facturé"


@dataclass(frozen=True)
class Outlook:
    """What a certificate of these days, given at a moment, would do."""

    rules: list[RuleInWords]
    days: list[Concerned]

    @property
    def free(self) -> int:
        return sum(not one.billed for one in self.days)


def booked_activities(household: Household, child: Child, today: date) -> dict[int, str]:
    """The activities in which the household booked days of the child that a certificate may still concern."""
    found = Booking.objects.holding().filter(
        household=household, child=child, day__range=(today - LOOK_BACK, today + AHEAD)
    )
    return dict(found.order_by("activity__order", "activity__name").values_list("activity", "activity__name"))


def in_words(activities: dict[int, str], rules: Rules) -> list[RuleInWords]:
    """The rules of these activities, those that are alike said once."""
    alike: dict[AbsenceRule, list[str]] = defaultdict(list)
    for activity, name in activities.items():
        alike[rules.of(activity)].append(name)
    return [
        RuleInWords(dates.listing(names) if len(alike) > 1 else "", absences.in_words(rule))
        for rule, names in alike.items()
    ]


def outlook(household: Household, child: Child, first: date, last: date, *, given: datetime) -> Outlook:
    """The booked days between two days and which of them would be billed, in two queries."""
    rules = Rules()
    local = timezone.localtime(given)
    bookings = (
        Booking.objects.holding()
        .filter(household=household, child=child, day__range=(first - AROUND, last + AROUND))
        .select_related("activity", "formula", "attendance")
        .order_by("day", "activity__order", "formula__order", "pk")
    )
    missed: dict[int, dict[int, Missed]] = defaultdict(dict)
    booked: dict[int, set[date]] = defaultdict(set)
    shown: list[Any] = []
    for booking in bookings:
        booked[booking.activity_id].add(booking.day)
        within = first <= booking.day <= last
        if within:
            shown.append(booking)
        if (said := _missed(booking, local if within else None)) is not None:
            missed[booking.activity_id][booking.pk] = said
    due = {
        activity: absences.billed(rules.of(activity), list(rows.values()), booked[activity])
        for activity, rows in missed.items()
    }
    days = []
    for booking in shown:
        said = missed[booking.activity_id].get(booking.pk)
        billed = said is None or said in due[booking.activity_id]
        days.append(Concerned(booking.day, str(booking.activity), str(booking.formula), said is None, billed))
    names = {booking.activity_id: str(booking.activity) for booking in shown}
    return Outlook(in_words(names, rules), days)


def _missed(booking: Any, given: datetime | None) -> Missed | None:
    """What the booking's attendance says of an absence, or will once a certificate `given` covers it."""
    row = getattr(booking, "attendance", None)
    if row is not None and row.state == AttendanceState.PRESENT:
        return None
    if row is None:
        return None if given is None else Missed(booking.day, Reason.ILLNESS, given)
    known = timezone.localtime(row.certificate_at) if row.certificate_at else None
    moments = [moment for moment in (known, given) if moment is not None]
    reason = row.reason
    if given is not None and reason in attendance.WEAKER_REASONS:
        reason = AbsenceReason.ILLNESS
    return Missed(booking.day, Reason(reason), min(moments, default=None))


# The family ---------------------------------------------------------------------------------------------


def check(household: Household, child: Child, first: date, last: date, today: date) -> None:
    """Raises AbsenceRefused, with a sentence, for days that no certificate of this family can concern."""
    activities = check_days(household, child, first, last, today)
    _check_rules([Rules().of(activity) for activity in activities], first, today)


def check_days(household: Household, child: Child, first: date, last: date, today: date) -> set[int]:
    """The activities booked between two days that a certificate may cover. Raises AbsenceRefused."""
    if last < first:
        raise AbsenceRefused("Le dernier jour d'absence ne peut pas précéder le premier.", "last_day")
    if last > today + AHEAD:
        latest = dates.short_day(today + AHEAD, year=True)
        raise AbsenceRefused(f"Le dernier jour d'absence ne peut pas dépasser le {latest}.", "last_day")
    if first < today - LOOK_BACK:
        raise AbsenceRefused(
            "Cette absence a plus d'un an : elle ne peut plus être prise en compte.", "first_day"
        )
    held = Booking.objects.holding().filter(household=household, child=child, day__range=(first, last))
    activities = set(held.order_by().values_list("activity", flat=True).distinct())
    if not activities:
        span = dates.span(first, last, year=True)
        raise AbsenceRefused(
            f"Aucun jour n'est réservé pour {child.first_name} {span} : il n'y a rien à justifier."
        )
    _check_overlap(household, child, first, last)
    return activities


def _check_rules(rules: list[AbsenceRule], first: date, today: date) -> None:
    counting = [rule for rule in rules if rule.certificates_count]
    if not counting:
        raise AbsenceRefused(
            "Pour ces jours, un certificat n'évite pas la facturation : il n'est pas utile de l'envoyer."
        )
    limits = [rule.max_days for rule in counting if rule.max_days is not None]
    if len(limits) == len(counting) and (today - first).days > max(limits):
        days = "jour" if max(limits) < 2 else "jours"
        raise AbsenceRefused(
            f"Un certificat est accepté jusqu'à {max(limits)} {days} après le premier jour d'absence :"
            " celui-ci arriverait trop tard.",
            "first_day",
        )


def _check_overlap(household: Household, child: Child, first: date, last: date) -> None:
    same = AbsenceCertificate.objects.filter(
        household=household, child=child, first_day__lte=last, last_day__gte=first
    ).exclude(state=State.REFUSED)
    if other := same.first():
        span = dates.span(other.first_day, other.last_day, year=True)
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
    attendance.lock([child.pk])
    check(household, child, first, last, timezone.localdate(at))
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
    right = "billing.change_absencecertificate"
    return documents.keep(household, file, content_type, by=by, right=right)


@transaction.atomic
def withdraw(certificate: AbsenceCertificate) -> None:
    """A family takes back what nobody answered yet; the file goes too. Raises AlreadyAnswered."""
    certificate = _waiting(certificate.pk)
    document = certificate.document
    certificate.delete()
    if document is not None:
        document.delete()
        transaction.on_commit(partial(document.file.storage.delete, document.file.name), robust=True)


# The town hall ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Accepted:
    """A certificate now accepted, and the days on which the child was seen all the same."""

    certificate: AbsenceCertificate
    seen: list[date]


@transaction.atomic
def accept(certificate: AbsenceCertificate, *, by: User, at: datetime) -> Accepted:
    """Justifies the absences of its days that have come, and those to come. Raises AlreadyAnswered."""
    return _accept(_waiting(certificate.pk), by, at)


@transaction.atomic
def refuse(certificate: AbsenceCertificate, *, reason: str, by: User, at: datetime) -> AbsenceCertificate:
    """Raises AlreadyAnswered, AbsenceRefused without a reason."""
    if not reason.strip():
        raise AbsenceRefused("Indiquez le motif du refus : la famille le lira.")
    certificate = _waiting(certificate.pk)
    _answer(certificate, State.REFUSED, reason.strip(), by, at)
    _tell("billing/absence_refused", certificate)
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
    found = outlook(
        certificate.household,
        certificate.child,
        certificate.first_day,
        certificate.last_day,
        given=certificate.given_at,
    )
    _tell("billing/absence_accepted", certificate, days=lines(found.days))
    return Accepted(certificate, seen)


def lines(days: Iterable[Concerned]) -> list[str]:
    """« lundi 9 novembre, Restauration scolaire, Repas : non facturé »."""
    return [f"{dates.day(one.day)}, {one.activity}, {one.formula} : {one.words}" for one in days]


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
    span = dates.span(certificate.first_day, certificate.last_day, year=True)
    context = {"name": "", "certificate": certificate, "child": certificate.child, "span": span}
    mailing.post(template, addresses(certificate.household), context | more)
