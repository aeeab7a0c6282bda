"""Two households become one: their enrolments, reservations, days and absences. The engine's part of
`families.joining`; states, places and enrolments are written by their own modules.

Of a child that was typed twice a day may be booked twice: one booking stays, that which is furthest (a place,
then a bill, then an entry on the list of the day, then the rank); the place of the other is free.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone

from families.joining.fates import Joins
from families.joining.joining import Foreseen, Joining, Part, in_words
from families.models import User
from portal.french.dates import short_day
from portal.french.moments import listing
from portal.reservations.acts import booking, enrolling, moving, next_year, reservation_drafts
from portal.reservations.models import (
    AbsenceCertificate,
    AbsenceNotice,
    Attendance,
    Booking,
    Enrolment,
    Move,
    Place,
    Reservation,
    Schooling,
)
from portal.reservations.presence import announcing, attendance
from portal.reservations.states import HOLDING, TAKING, BookingState, MoveState

KEYS = {
    "reservations.Schooling.child": Joins.RULED,
    # What was recognised of each household: the kept one is recognised anew, if it is.
    "reservations.AudienceMember.household": Joins.STAYS,
    "reservations.Enrolment.household": Joins.RULED,
    "reservations.Enrolment.child": Joins.RULED,
    "reservations.Reservation.household": Joins.MOVES,
    "reservations.Reservation.child": Joins.MOVES,
    "reservations.Booking.household": Joins.MOVES,
    "reservations.Booking.child": Joins.MOVES,
    "reservations.Place.child": Joins.MOVES,
    "reservations.Cart.household": Joins.MOVES,
    "reservations.Attendance.household": Joins.RULED,
    "reservations.Attendance.child": Joins.RULED,
    "reservations.AbsenceCertificate.household": Joins.MOVES,
    "reservations.AbsenceCertificate.child": Joins.MOVES,
    "reservations.AbsenceNotice.household": Joins.RULED,
    "reservations.AbsenceNotice.child": Joins.RULED,
    "reservations.Move.household": Joins.MOVES,
    "reservations.Move.child": Joins.MOVES,
    "reservations.OversightDecision.household": Joins.MOVES,
    "reservations.OversightDecision.child": Joins.MOVES,
    "reservations.NextPupil.child": Joins.RULED,
}
SECTION = "Inscriptions et réservations"
DAYS_NAMED = 12


@dataclass(frozen=True)
class Day:
    """A live booking of a child that was typed twice."""

    pk: int
    child: int
    formula: int
    day: date
    state: str
    waiting_since: datetime | None
    entered: bool
    slots: frozenset[int]

    def stands(self, billed: bool, own: bool) -> tuple[Any, ...]:
        """How firmly; of two the greater stays."""
        waits = -self.waiting_since.timestamp() if self.waiting_since else float("-inf")
        return self.state in HOLDING, self.state in TAKING, billed, self.entered, waits, own

    def excludes(self, other: "Day") -> bool:
        """Whether one child cannot have both."""
        return self.day == other.day and (self.formula == other.formula or bool(self.slots & other.slots))


def twice(joining: Joining) -> dict[int, tuple[int, date]]:
    """Of days that are booked twice: by the key of the booking that ends, that which stays, and its day."""
    if not joining.children:
        return {}
    keys = {*joining.children, *joining.children.values()}
    of: dict[int, list[Day]] = defaultdict(list)
    for one in _live(keys):
        of[one.child].append(one)
    ends: dict[int, tuple[int, date]] = {}
    billed = billed_among([one.pk for days in of.values() for one in days])
    for double, child in joining.children.items():
        by_day: dict[date, list[Day]] = defaultdict(list)
        for one in of[child]:
            by_day[one.day].append(one)
        for theirs in of[double]:
            ours = [one for one in by_day[theirs.day] if one.excludes(theirs) and one.pk not in ends]
            if not ours:
                continue
            best = max(ours, key=lambda one: one.stands(one.pk in billed, own=True))
            if best.stands(best.pk in billed, own=True) >= theirs.stands(theirs.pk in billed, own=False):
                ends[theirs.pk] = best.pk, theirs.day
            else:
                ends |= {one.pk: (theirs.pk, one.day) for one in ours}
    return ends


def _live(children: set[int]) -> list[Day]:
    rows = (
        Booking.objects.live()
        .filter(child__in=children)
        .annotate(entered=Exists(Attendance.objects.filter(booking=OuterRef("pk"))))
        .order_by("day", "pk")
    )
    slots: dict[int, set[int]] = defaultdict(set)
    for key, slot in Place.objects.filter(booking__in=rows.order_by().values("pk")).values_list(
        "booking_id", "slot_id"
    ):
        slots[key].add(slot)
    return [
        Day(
            one.pk,
            one.child_id,
            one.formula_id,
            one.day,
            one.state,
            one.waiting_since,
            getattr(one, "entered", False),
            frozenset(slots[one.pk]),
        )
        for one in rows
    ]


def billed_among(bookings: list[int]) -> set[int]:
    """Those that something which may not lose them points at: the bills of an app above."""
    found: set[int] = set()
    for link in Booking._meta.related_objects:
        model = link.related_model
        if model._meta.app_label != Booking._meta.app_label:
            rows = model._base_manager.filter(**{f"{link.field.name}__in": bookings})
            found |= set(rows.values_list(link.field.attname, flat=True))
    return found


def _foresee(joining: Joining, at: datetime, found: Foreseen) -> None:
    today = timezone.localdate(at)
    home = joining.emptied.pk
    enrolments = Enrolment.objects.live().filter(household=home).count()
    to_come = Booking.objects.live().filter(household=home, day__gte=today)
    waits = to_come.filter(
        state__in=(BookingState.REQUESTED, BookingState.WAITLISTED, BookingState.OFFERED, BookingState.HELD)
    )
    drafts = Reservation.objects.drafts().filter(household=home).count()
    moves = Move.objects.filter(household=home, state=MoveState.REQUESTED).count()
    notices = AbsenceNotice.objects.standing().filter(household=home, day__gte=today).count()
    certificates = AbsenceCertificate.objects.filter(
        household=home, state=AbsenceCertificate.State.REQUESTED
    ).count()
    found.say(
        SECTION,
        in_words(enrolments, "inscription suit", "inscriptions suivent"),
        in_words(to_come.count(), "jour à venir suit", "jours à venir suivent"),
        in_words(
            waits.count(),
            "d'entre eux attend une réponse ou une place, au même rang",
            "d'entre eux attendent une réponse ou une place, au même rang",
        ),
        in_words(moves, "changement d'école ou de lieu demandé suit", "changements demandés suivent"),
        in_words(notices, "absence annoncée suit", "absences annoncées suivent"),
        in_words(
            certificates, "justificatif d'absence à traiter suit", "justificatifs d'absence à traiter suivent"
        ),
        in_words(
            drafts,
            "réservation que la famille n'avait pas enregistrée est abandonnée",
            "réservations que la famille n'avait pas enregistrées sont abandonnées",
        ),
    )
    _say_twice(joining, today, found)
    _say_enrolments(joining, found)
    _say_classes(joining, found)


def _say_twice(joining: Joining, today: date, found: Foreseen) -> None:
    ends = twice(joining)
    days = sorted({day for _, day in ends.values()})
    if not days:
        return
    named = [short_day(day, year=True) for day in days[:DAYS_NAMED]]
    if more := len(days) - DAYS_NAMED:
        named += [in_words(more, "autre jour", "autres jours")] if more > 0 else []
    said = in_words(
        len(days), "jour réservé deux fois n'est gardé", "jours réservés deux fois ne sont gardés"
    )
    free = any(day >= today for day in days)
    found.say(SECTION, f"{said} qu'une fois{', la place est libérée' if free else ''} : {listing(named)}.")
    if billed := billed_among(list(ends)):
        found.say(
            SECTION,
            in_words(
                len(billed),
                "de ces jours a été facturé deux fois : la prochaine facture le rend",
                "de ces jours ont été facturés deux fois : la prochaine facture les rend",
            ),
        )


def _say_enrolments(joining: Joining, found: Foreseen) -> None:
    """Those of which only one stays."""
    rows = Enrolment.objects.live().filter(household__in=joining.homes)
    seen: dict[tuple[int, int, int], set[int]] = defaultdict(set)
    words: dict[tuple[int, int, int], str] = {}
    for one in rows.select_related("child", "activity", "school_year").order_by("pk"):
        key = joining.children.get(one.child_id, one.child_id), one.activity_id, one.school_year_id
        seen[key].add(one.household_id)
        words[key] = f"{one.child} – {one.activity} {one.school_year}"
    for key, homes in seen.items():
        if len(homes) == 2:
            found.say(
                SECTION,
                f"{words[key]} : deux inscriptions, une seule reste, avec les jours de l'autre.",
            )


def _say_classes(joining: Joining, found: Foreseen) -> None:
    if not joining.children:
        return
    keys = {*joining.children, *joining.children.values()}
    rows = Schooling.objects.current().filter(child__in=keys).select_related("child", "school_class__school")
    classes = {(one.child_id, one.school_year_id): one for one in rows.order_by("pk")}
    for (child, year), theirs in classes.items():
        ours = classes.get((joining.children.get(child, 0), year))
        if ours is not None and ours.school_class_id != theirs.school_class_id:
            found.say(
                SECTION,
                f"{ours.child} : deux classes étaient indiquées, celle du foyer gardé compte "
                f"({ours.school_class}).",
            )


def _hold(joining: Joining, at: datetime) -> None:
    """A draft is held before the child and the household that it is of."""
    for home in joining.homes:
        reservation_drafts.hold_all(home)


def _join(joining: Joining, by: User, at: datetime) -> None:
    kept, emptied, children = joining.kept, joining.emptied, joining.children
    instead = {key: stays for key, (stays, _) in twice(joining).items()}
    reservation_drafts.drop_all(emptied.pk)
    replaced = enrolling.join(children, kept, emptied.pk, by=by, at=at)
    moving.join(replaced, at=at)
    booking.join(instead, replaced, by=by, at=at)
    attendance.join(children, instead, emptied.pk, kept.pk)
    announcing.join(children, emptied.pk, kept.pk, at=at)
    enrolling.join_schoolings(children)
    next_year.join(children)


PART = Part(_foresee, _join, _hold)
