"""A child changes school, class or place: asked by its family and answered, or done at the desk.

The only writer of moves and of the days they left. From its day on nothing is booked at the old place any
more: days follow (`booking.follow`), or wait for a decision at the desk. Until the town hall has answered,
days stand where they are. The locks: the child, then slots, then reservations.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from families.custody import own
from families.joining import fates
from families.models import Child, User
from families.visibility import lives_at
from portal.french import moments
from portal.french.elision import of
from portal.french.plurals import counted
from portal.reservations.acts import booking, enrolling, tasks
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.acts.following import Way
from portal.reservations.days.standing import Closed, Where
from portal.reservations.models import (
    Activity,
    Booking,
    Enrolment,
    Establishment,
    LeftDay,
    Move,
    SchoolClass,
    Schooling,
    attended_on,
)
from portal.reservations.models.bookings import BookingQuerySet, EnrolmentQuerySet
from portal.reservations.states import BookingState, LeftState, MoveState

RIGHT = "reservations.change_enrolment"
A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Change:
    """What changes of a child: its class, its place, or both, from a day on. Without an enrolment the place
    is that of every activity that can take place there instead of where the child goes now."""

    since: date
    school_class: SchoolClass | None = None
    place: Establishment | None = None
    enrolment: Enrolment | None = None


# Asked by a family ----------------------------------------------------------------------------------------


@transaction.atomic
def ask(
    enrolment: Enrolment,
    *,
    establishment: Establishment | None,
    school_class: SchoolClass | None = None,
    since: date | None,
    by: User,
    at: datetime,
) -> Move | None:
    """Takes over where a family wants its child to go from `since` on (None: as soon as can be); None where
    nothing changes.

    Another place, or another school, of an activity that answers requests waits for the town hall: days
    stand, and can be cancelled. Else it is done at once, from the first day that is not too late to change.
    Raises EnrolmentRefused.
    """
    today = timezone.localdate(at)
    child = _held(enrolment.child_id)
    enrolment = _of_moves(Enrolment.objects.filter(pk=enrolment.pk)).get()
    if not enrolment.is_accepted:
        if school_class is not None:
            tell_class(child, school_class, today=today)
        return None
    undated, since = since is None, since or today
    if since < today:
        raise EnrolmentRefused("Indiquez un jour à venir pour ce changement.")
    if since > enrolment.school_year.ends_on:
        raise EnrolmentRefused(f"L'année {enrolment.school_year} est finie ce jour-là.")
    known = Schooling.objects.filter(child=child, school_year=enrolment.school_year_id)
    now = known.current().select_related("school_class").first()
    # A class that is due already is a change where it is to begin before its day.
    sooner = not undated and now is not None and now.starts_on is not None and since < now.starts_on
    if now is not None and now.school_class == school_class and not sooner:
        school_class = None
    until_then = known.filter(attended_on(since)).select_related("school_class").first() if sooner else now
    # Without a day of its own, what is due already is no new change.
    kept = enrolment.moves_to_id if undated and enrolment.moves_on else enrolment.place_id_on(since)
    elsewhere = (establishment.pk if establishment else None) != kept
    if not elsewhere and school_class is None:
        return None
    other_school = (
        until_then is not None
        and school_class is not None
        and until_then.school_class.school_id != school_class.school_id
    )
    move = Move(
        household_id=enrolment.household_id,
        child=child,
        enrolment=enrolment,
        school_class=school_class,
        left_place=enrolment.place_on(since) if elsewhere else None,
        place=establishment if elsewhere else None,
        since=since,
        requested_by=by,
        requested_at=at,
    )
    asks = enrolment.activity.enrolment_processing == Activity.Processing.ON_REQUEST
    Move.objects.waiting().filter(enrolment=enrolment).update(state=MoveState.WITHDRAWN, decided_at=at)
    if asks and (elsewhere or other_school):
        move.save()
        _tell(move, [])
        return move
    change = Change(since, school_class, establishment if elsewhere else None, enrolment)
    if elsewhere:
        change = replace(change, since=_in_time(enrolment, since, at))
    return _carry_out(child, change, move, by=by, at=at, by_family=True)


def tell_class(child: Child, school_class: SchoolClass, *, today: date) -> None:
    """A family that enrols says which class its child attends. Raises EnrolmentRefused where that is another
    school than the one for which it is enrolled already: days are booked there."""
    year = school_class.school_year_id
    known = (
        Schooling.objects.current()
        .filter(child=child, school_year=year)
        .select_related("school_class__school")
    )
    now = known.first()
    elsewhere = now is not None and now.school_class.school_id != school_class.school_id
    if now is not None and elsewhere and Enrolment.objects.accepted().filter(child=child, school_year=year):
        raise EnrolmentRefused(
            f"{child.first_name} est à l'école « {now.school_class.school} » cette année : indiquez-la ici. "
            "Un changement d'école se demande sur la page d'une inscription acceptée, ou à la mairie."
        )
    enrolling.say_class(child, school_class, today=today)


def withdraw(move: Move, *, at: datetime) -> bool:
    """A family thinks better of what the town hall has not answered; returns whether it was in time."""
    waiting = Move.objects.waiting().filter(pk=move.pk)
    return bool(waiting.update(state=MoveState.WITHDRAWN, decided_at=at))


def join(replaced: Mapping[int, int], *, at: datetime) -> None:
    """What was asked for an enrolment is for the one that replaces it (by key), which keeps its own."""
    waiting = Move.objects.filter(state=MoveState.REQUESTED)
    asked = set(waiting.filter(enrolment__in=replaced.values()).values_list("enrolment_id", flat=True))
    over = [one for one, stays in replaced.items() if stays in asked]
    waiting.filter(enrolment__in=over).update(state=MoveState.WITHDRAWN, decided_at=at)
    fates.rename(Move.objects.all(), "enrolment", replaced)


def is_asked() -> Exists:
    """Of enrolments: that a change waits for the town hall's answer."""
    return Exists(Move.objects.waiting().filter(enrolment=OuterRef("pk")))


def asked_for(enrolment: Enrolment) -> Move | None:
    """The change that waits; no query where the enrolment was read with `asks_to_move`, and none does."""
    if not getattr(enrolment, "asks_to_move", True):
        return None
    waiting = Move.objects.waiting().filter(enrolment=enrolment)
    return waiting.select_related("place", "left_place", "school_class__school").first()


def said(move: Move) -> str:
    """What a family reads once it has asked, or once it is done."""
    child = move.child.first_name
    if move.state == MoveState.REQUESTED:
        return (
            f"Votre demande de changement pour {child} est envoyée : la mairie doit y répondre. "
            "En attendant, ses jours restent réservés comme avant, et vous pouvez les annuler."
        )
    left = move.left_days.count()
    parts = [f"Le changement {of(child)} est enregistré, à partir du {moments.day(move.since)}"]
    if move.followed:
        parts.append(counted(move.followed, "jour réservé suit", "jours réservés suivent"))
    if left:
        parts.append(counted(left, "jour n'a pas pu suivre", "jours n'ont pas pu suivre"))
    return f"{' ; '.join(parts)}." + (" La mairie va décider de ces jours." if left else "")


def _in_time(enrolment: Enrolment, since: date, at: datetime) -> date:
    """The first day from `since` on after which no day booked is too late to change: today's is cooked."""
    today = timezone.localdate(at)
    first = max(since, today + A_DAY)
    booked = (
        Booking.objects.holding()
        .filter(enrolment=enrolment, day__gte=since)
        .select_related("establishment", "reservation__period")
        .order_by("day")
    )
    wheres: dict[tuple[int, int], Where] = {}
    for one in booked:
        period = one.reservation.period if one.reservation else None
        if period is None:
            continue
        key = one.establishment_id, period.pk
        if key not in wheres:
            wheres[key] = Where.load(enrolment, one.establishment, period, at=at)
        answer = wheres[key].cancelling(one.formula_id, one.day, granted=True)
        if isinstance(answer, Closed) or answer.standing.is_late:
            first = max(first, one.day + A_DAY)
    return first


# Answered by the town hall, or done at the desk -----------------------------------------------------------


@transaction.atomic
def accept(move: Move, *, by: User, at: datetime) -> bool:
    """Carries out what a family asked for, from the day asked or, where that has passed, from today; returns
    whether it still waited. Raises EnrolmentRefused, OwnHousehold."""
    own.check(by, [move.household_id], right=RIGHT, at=at)
    child = _held(move.child_id)
    move = Move.objects.select_for_update(of=("self",)).get(pk=move.pk)
    if move.state != MoveState.REQUESTED or move.enrolment is None:
        return False
    if not move.enrolment.is_accepted:
        raise EnrolmentRefused(enrolling.over_sentence(move.enrolment))
    change = Change(move.since, move.school_class, move.place, move.enrolment)
    _carry_out(child, change, move, by=by, at=at)
    return True


@transaction.atomic
def refuse(move: Move, *, reason: str, by: User, at: datetime) -> bool:
    """Refuses what waits; days stay as they are. Raises EnrolmentRefused without a reason."""
    if not reason.strip():
        raise EnrolmentRefused("Indiquez le motif du refus : la famille le lira.")
    own.check(by, [move.household_id], right=RIGHT, at=at)
    locked = Move.objects.select_for_update(of=("self",)).get(pk=move.pk)
    if locked.state != MoveState.REQUESTED:
        return False
    locked.state, locked.refusal_reason = MoveState.REFUSED, reason.strip()
    locked.decided_by, locked.decided_at = by, at
    locked.save()
    _tell(locked, [])
    return True


@transaction.atomic
def carry_out(child: Child, change: Change, *, by: User, at: datetime) -> list[Move]:
    """The desk's own change: done at once, whatever the deadlines; one move for each home that is concerned.
    Raises EnrolmentRefused, OwnHousehold."""
    own.check(by, _homes(child, at), right=RIGHT, at=at)
    held = _held(child.pk)
    before = set(Move.objects.filter(child=child).values_list("pk", flat=True))
    _carry_out(held, change, None, by=by, at=at)
    return list(Move.objects.filter(child=child).exclude(pk__in=before).order_by("pk"))


class _OnlyTried(Exception):
    """Undoes what was tried."""


@dataclass(frozen=True)
class Foreseen:
    """What `carry_out` would do now: homes concerned, days that follow and, in words, those that cannot."""

    homes: int = 0
    followed: int = 0
    left: str = ""


def foresee(child: Child, change: Change, *, by: User, at: datetime) -> Foreseen:
    """Tries it, and undoes it: nothing is written, nobody is told. Raises what `carry_out` raises."""
    found = Foreseen()
    try:
        with transaction.atomic():
            moves = carry_out(child, change, by=by, at=at)
            left = LeftDay.objects.filter(move__in=moves).select_related("booking")
            found = Foreseen(len(moves), sum(one.followed for one in moves), days_left(left))
            raise _OnlyTried
    except _OnlyTried:
        return found


def _homes(child: Child, at: datetime) -> list[int]:
    today = timezone.localdate(at)
    there = Enrolment.objects.live().filter(lives_at(today), child=child)
    return list(there.order_by().values_list("household", flat=True).distinct())


def _carry_out(
    child: Child, change: Change, asked: Move | None, *, by: User, at: datetime, by_family: bool = False
) -> Move | None:
    """Writes the facts, takes the days of every home along, and tells each in one letter."""
    today = timezone.localdate(at)
    if change.school_class is not None:
        # A fact holds from its own day, also one told late; days stand until somebody has decided.
        holds_from = asked.since if asked is not None else change.since
        known_on = today if asked is None else timezone.localdate(asked.requested_at)
        enrolling.attend(child, change.school_class, since=holds_from, known_on=known_on)
    first = max(change.since, today)
    enrolments = _concerned(child, change, today)
    ways: dict[int, Way] = {}
    left_places: dict[int, Establishment | None] = {}
    for one in enrolments:
        left_places[one.pk] = one.place_on(first)
        way = _way(one, change, first, by_family=by_family)
        if way is None:
            continue
        ways[one.pk] = way
        undone = one.moves_on is not None and one.moves_to_id not in way.keeps
        if undone or (way.place.pk if way.place else None) != one.place_id_on(first):
            enrolling.go_to(one, way.place, since=first, today=today)
    reason = f"{child.first_name} change d'école ou de lieu : {_named(change)}."
    booked: BookingQuerySet = Booking.objects.live().filter(
        lives_at(today), enrolment__in=ways, day__gte=first, attendance=None
    )
    found = booking.follow(booked, ways, by=by, at=at, reason=reason)
    moves = _moves(child, replace(change, since=first), asked, enrolments, left_places, found, by=by, at=at)
    for move in moves.values():
        move.since = first
        _done(move, found, by=None if by_family else by, at=at)
    return moves.get(asked.household_id) if asked is not None else None


def gather(enrolments: Iterable[Enrolment], *, by: User, at: datetime) -> None:
    """Days that enrolments took over from another home go where this home's child goes, as those of a move
    done at the desk do; the home is told. Called with the child held."""
    today = timezone.localdate(at)
    for one in enrolments:
        booked = Booking.objects.live().filter(enrolment=one, day__gte=today, attendance=None)
        away: dict[Establishment, list[Booking]] = defaultdict(list)
        for each in booked.select_related("establishment").order_by("day", "pk"):
            place = one.place_on(each.day)
            if place is not None and place != each.establishment:
                away[place].append(each)
        for place, days in away.items():
            move = Move(
                household_id=one.household_id,
                child_id=one.child_id,
                enrolment=one,
                left_place=days[0].establishment,
                place=place,
                since=days[0].day,
                requested_by=by,
                requested_at=at,
            )
            reason = f"{one.child.first_name} va ailleurs dans cet autre foyer : {place}."
            going = booked.filter(pk__in=[each.pk for each in days])
            found = booking.follow(going, {one.pk: Way(place)}, by=by, at=at, reason=reason)
            _done(move, found, by=by, at=at)


def _done(move: Move, found: booking.Followed, *, by: User | None, at: datetime) -> None:
    """Writes a move that is carried out, with the days of its home that could not follow; tells the home."""
    followed = [one.pk for one in found.new if one.household_id == move.household_id]
    move.followed = len(followed)
    move.state, move.decided_at, move.decided_by = MoveState.ACCEPTED, at, by
    move.save()
    LeftDay.objects.bulk_create(
        LeftDay(move=move, booking=one.booking, place=one.place, why=one.why)
        for one in found.left
        if one.booking.household_id == move.household_id
    )
    _tell(move, followed)


def _moves(
    child: Child,
    change: Change,
    asked: Move | None,
    enrolments: Iterable[Enrolment],
    left_places: Mapping[int, Establishment | None],
    found: booking.Followed,
    *,
    by: User,
    at: datetime,
) -> dict[int, Move]:
    """One for each home that something changes for, by household: the one asked for, and those of others."""
    touched = {one.household_id for one in found.new} | {one.booking.household_id for one in found.left}
    moves = {asked.household_id: asked} if asked is not None else {}
    for one in enrolments:
        goes = left_places[one.pk] != one.place_on(change.since)
        if one.household_id in moves or not (goes or one.household_id in touched or change.school_class):
            continue
        moves[one.household_id] = Move(
            household_id=one.household_id,
            child=child,
            enrolment=one if goes else None,
            school_class=change.school_class,
            left_place=left_places[one.pk] if goes else None,
            place=one.place_on(change.since) if goes else None,
            since=change.since,
            requested_by=by,
            requested_at=at,
        )
    return moves


def _concerned(child: Child, change: Change, today: date) -> list[Enrolment]:
    """The child's accepted enrolments of the year that changes, in every home in which it lives."""
    year = change.school_class.school_year_id if change.school_class else None
    if year is None and change.enrolment is not None:
        year = change.enrolment.school_year_id
    rows = Enrolment.objects.accepted().filter(lives_at(today), child=child)
    rows = rows.filter(school_year=year) if year else rows.filter(school_year__ends_on__gte=change.since)
    if change.school_class is None and change.enrolment is not None:
        # A class is the child's, in all its homes; which of several places it goes to is each home's choice.
        rows = rows.filter(pk=change.enrolment.pk)
    return list(_of_moves(rows).order_by("household", "pk"))


def _way(enrolment: Enrolment, change: Change, first: date, *, by_family: bool) -> Way | None:
    """Where the days of an enrolment go; None where the change is none of theirs."""
    current = enrolment.place_on(first)
    chosen = change.place
    if chosen is not None and (enrolment == change.enrolment or _goes_too(enrolment, change, current)):
        return Way(chosen, frozenset({chosen.pk}))
    if change.school_class is None:
        return None
    places = enrolling.places_for(enrolment.activity, enrolment.child, enrolment.school_year)
    allowed = frozenset(place.pk for place in places)
    if current is None:
        return Way(places[0] if len(places) == 1 else None, allowed)
    if current.pk in allowed:
        return Way(current, allowed & {current.pk, enrolment.moves_to_id})
    alike = [place for place in places if place.kind == current.kind]
    if len(alike) > 1 and not by_family and change.enrolment is None:
        named = moments.listing([f"« {place} »" for place in alike])
        raise EnrolmentRefused(f"{enrolment.activity} : choisissez le nouvel établissement ({named}).")
    return Way(alike[0] if len(alike) == 1 else None)


def _goes_too(enrolment: Enrolment, change: Change, current: Establishment | None) -> bool:
    """Whether the place chosen is meant for this enrolment: that of another home to the same activity or, at
    the desk, one that goes to a place of its kind now."""
    chosen = change.place
    if chosen is None or chosen not in enrolment.activity.establishments.all():
        return False
    if change.enrolment is not None:
        return enrolment.activity_id == change.enrolment.activity_id
    return current is None or current.kind == chosen.kind


def _of_moves(rows: EnrolmentQuerySet) -> EnrolmentQuerySet:
    related = ("activity", "child__health", "establishment", "household", "moves_to", "school_year")
    return rows.select_related(*related).prefetch_related("activity__establishments")


def _held(child_id: int) -> Child:
    """The child, locked as whoever books for it locks it."""
    return Child.objects.select_for_update(no_key=True).get(pk=child_id)


def _named(change: Change) -> str:
    return " – ".join(str(one) for one in (change.place, change.school_class) if one)


def _tell(move: Move, followed: list[int]) -> None:
    tasks.after_commit(tasks.tell_moved, move.pk, followed, robust=True)


# Days that could not follow -------------------------------------------------------------------------------


def days_left(days: Iterable[LeftDay]) -> str:
    """« 3 jours n'ont pas pu suivre : complet le jeudi 26 novembre… », or nothing."""
    reasons: dict[str, list[date]] = defaultdict(list)
    for one in days:
        reasons[one.why].append(one.booking.day)
    if not reasons:
        return ""
    count = sum(map(len, reasons.values()))
    why = " ; ".join(f"{why} le {moments.enumerate_days(of_why)}" for why, of_why in reasons.items())
    return f"{counted(count, 'jour n’a pas pu suivre', 'jours n’ont pas pu suivre')} : {why}"


def to_decide(move: Move, at: datetime) -> list[LeftDay]:
    rows = LeftDay.objects.to_decide(timezone.localdate(at)).filter(move=move)
    return list(
        rows.select_related(
            "booking__activity",
            "booking__enrolment__establishment",
            "booking__enrolment__moves_to",
            "booking__establishment",
            "booking__reservation__enrolment",
            "place",
        )
    )


@transaction.atomic
def place_days(move: Move, *, wait: bool, by: User, at: datetime) -> list[LeftDay]:
    """Books the days of a move that are left where there is room by now or, with `wait`, puts full ones on
    the waiting list; tells the family, and returns those decided. Raises OwnHousehold."""
    own.check(by, [move.household_id], right=RIGHT, at=at)
    _held(move.child_id)
    days = to_decide(move, at)
    by_booking = {one.booking_id: one for one in days}
    ways = {
        one.booking.enrolment_id: Way(one.booking.enrolment.place_on(one.booking.day) or one.place)
        for one in days
    }
    new, left = booking.place_again([one.booking for one in days], ways, wait=wait, by=by, at=at)
    for still in left:
        LeftDay.objects.filter(pk=by_booking[still.booking.pk].pk).update(why=still.why, place=still.place)
    placed = {one.day: one for one in new}
    decided = [one for one in days if one.booking_id not in {still.booking.pk for still in left}]
    for one in decided:
        waits = placed[one.booking.day].state == BookingState.WAITLISTED
        _decide(one, LeftState.WAITING if waits else LeftState.PLACED, by, at)
    if new:
        _tell_placed(move, [one.pk for one in new], "")
    return decided


@transaction.atomic
def drop_days(move: Move, *, reason: str, by: User, at: datetime) -> list[LeftDay]:
    """Leaves them cancelled, and tells the family why. Raises OwnHousehold."""
    own.check(by, [move.household_id], right=RIGHT, at=at)
    _held(move.child_id)
    days = to_decide(move, at)
    for one in days:
        _decide(one, LeftState.DROPPED, by, at)
    if days:
        _tell_placed(move, [one.booking_id for one in days], reason)
    return days


def _decide(day: LeftDay, state: LeftState, by: User, at: datetime) -> None:
    day.state, day.decided_by, day.decided_at = state, by, at
    day.save(update_fields=["state", "decided_by", "decided_at"])


def _tell_placed(move: Move, bookings: list[int], reason: str) -> None:
    tasks.after_commit(tasks.tell_left_days, move.pk, bookings, reason, robust=True)
