"""Whatever closes booked days passes here: what it would cancel, the cancelling, and the way back.

    before = Offer.read(today)
    ...the change, in the same transaction...
    closing = Closing.between(before, Offer.read(today), today)
    if closing.days: ask, and undo the change; or, once confirmed, closing.close(by=…, at=…)

Pages of the desk and the town's file do so alike. The days themselves are written by `booking.py`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Case, F, IntegerField, Model, ProtectedError, Q, QuerySet, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.text import capfirst

from families.models import User
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.acts import booking
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.days import audiences
from portal.reservations.days.calendars import OpenDays
from portal.reservations.days.deadline_book import DeadlineBook
from portal.reservations.days.offer import Attends, Booked, FactChange, Facts, Offer, model_of
from portal.reservations.deadlines.decisions import Standing
from portal.reservations.models import Booking, CalendarChange, CancelledDay, Closure, Enrolment, Slot
from portal.reservations.models.bookings import BookingQuerySet
from portal.reservations.models.changes import WAY_BACK
from portal.reservations.models.queries import class_of
from portal.reservations.states import HOLDING, Action, BookingState

SEVERAL = "Le calendrier a changé"
REASON_LENGTH = 300
# First who holds a place, by arrival; then who waits, by its rank; then what nobody answered yet.
IN_ORDER = (
    Case(
        When(state__in=HOLDING, then=0),
        When(state=BookingState.WAITLISTED, then=1),
        default=2,
        output_field=IntegerField(),
    ),
    Coalesce("waiting_since", "reservation__submitted_at", "changed_at"),
    F("pk"),
)


@dataclass(frozen=True)
class Closing:
    """What changed, and the booked days to come that it closes."""

    before: Offer
    after: Offer
    today: date
    changes: Sequence[FactChange]

    @classmethod
    def between(cls, before: Offer, after: Offer, today: date) -> "Closing":
        """Of two moments of one transaction."""
        return cls(before, after, today, before.changes(after))

    @cached_property
    def closures(self) -> list[Closure]:
        """Closures that are new or otherwise; those of a class or a school reach further than a place."""
        keys = [one.pk for one in self.changes if one.model is Closure and one.after is not None]
        return [self.after.rows[Closure][key] for key in keys if not self.after.rows[Closure][key].opens]

    @cached_property
    def openings(self) -> list[Closure]:
        """Exceptional openings that are gone or otherwise; those of a class opened the day for it alone."""
        keys = [one.pk for one in self.changes if one.model is Closure and one.before is not None]
        return [self.before.rows[Closure][key] for key in keys if self.before.rows[Closure][key].opens]

    @cached_property
    def no_longer_opened(self) -> dict[int, str]:
        """By key, what is booked of the class or the school that they opened a day for, with the reason."""
        found = {}
        for opening in self.openings:
            for pk, booked, attends in _attended(self._to_come().filter(booking.of_pupils(opening))):
                reason = self.after.why_not(booked, attends)
                if reason is not None and self.before.why_not(booked, attends) is None:
                    found[pk] = reason
        return found

    @cached_property
    def lost(self) -> dict[Booked, str]:
        """What is booked and takes place no longer, with the reason."""
        if not self.changes:
            return {}
        asked = self._to_come().order_by().values_list("activity", "establishment", "formula", "day")
        return self.before.lost(self.after, [Booked(*row) for row in asked.distinct()])

    @property
    def bookings(self) -> BookingQuerySet:
        """The live bookings that it cancels."""
        wanted = _of(self.lost)
        for closure in self.closures:
            wanted |= Q(pk__in=booking.concerned_by(closure).order_by().values("pk"))
        if self.no_longer_opened:
            wanted |= Q(pk__in=self.no_longer_opened)
        return Booking.objects.live().filter(wanted)

    def _to_come(self) -> BookingQuerySet:
        return Booking.objects.live().filter(day__gte=self.today, attendance=None)

    @cached_property
    def days(self) -> int:
        """How many bookings; 0 where nobody is concerned."""
        return self.bookings.count() if self.lost or self.closures or self.no_longer_opened else 0

    @cached_property
    def households(self) -> int:
        return self.bookings.order_by().values("household").distinct().count()

    @property
    def sentence(self) -> str:
        """« 319 réservations seront annulées sans frais, 231 familles seront prévenues »."""
        days = counted(
            self.days, "réservation sera annulée sans frais", "réservations seront annulées sans frais"
        )
        told = counted(self.households, "famille sera prévenue", "familles seront prévenues")
        return f"{days}, {told}"

    @property
    def by_place(self) -> list[tuple[str, int]]:
        """Of each activity at each place, how many."""
        rows = self.bookings.order_by().values_list("activity__name", "establishment__name")
        return sorted((f"{activity}, {place}", count) for (activity, place), count in Counter(rows).items())

    @property
    def span(self) -> str:
        """« du 12 novembre au 18 décembre 2026 »."""
        found = list(self.bookings.order_by("day").values_list("day", flat=True))
        return moments.span(found[0], found[-1], year=True)

    @property
    def reason(self) -> str:
        """What families are told, before « annulé par la mairie »."""
        said = [*self.lost.values(), *self.no_longer_opened.values()]
        reasons = {reason.rstrip(".") for reason in said}
        reasons |= {capfirst(closure.reason) for closure in self.closures}
        return reasons.pop() if len(reasons) == 1 else SEVERAL

    def close(self, *, by: User | None, at: datetime) -> int:
        """Cancels them in the transaction of the change, and keeps how to put them back; how many."""
        with transaction.atomic():
            booking.hold(self._slots())
            # Looked at again: whoever was booking these days until now is seen.
            closing = Closing(self.before, self.after, self.today, self.changes)
            found = list(closing.bookings.order_by(*IN_ORDER).values_list("pk", "state", "child_id"))
            reason = booking.closed_by_town(closing.reason)[:REASON_LENGTH]
            change = CalendarChange.objects.create(
                what="\n".join(one.sentence for one in self.changes),
                reason=reason,
                facts=[_stored(one) for one in self.changes],
                made_at=at,
                by=by,
            )
            CancelledDay.objects.bulk_create(
                (
                    CancelledDay(change=change, booking_id=pk, rank=rank, state=state)
                    for rank, (pk, state, _) in enumerate(found)
                ),
                batch_size=2000,
            )
            keys = [pk for pk, _, child in sorted(found, key=lambda row: (row[2], row[0]))]
            # A class or a school that is away leaves its places to others; what closes leaves none.
            promotes = bool(self.closures) and not self.lost and not self.no_longer_opened
            return len(booking.shut(keys, by=by, at=at, reason=reason, promotes=promotes))

    def _slots(self) -> Q:
        """Those of the places and days that close."""
        shelves = (
            Slot.objects.filter(day__gte=self.today)
            .order_by()
            .values_list("activity", "establishment", "day")
            .distinct()
        )
        asked = [
            Booked(activity, place, formula, day)
            for activity, place, day in shelves
            for formula in self.after.formulas_of(activity)
        ]
        held = _of(self.before.lost(self.after, asked), formulas=False)
        for closure in (*self.closures, *self.openings):
            held |= booking.of_closure(closure)
        return held


def _attended(bookings: QuerySet[Booking]) -> list[tuple[int, Booked, Attends]]:
    """What is booked, by key, and the class and school that each child attends that day: one query."""
    columns = ("activity", "establishment", "formula", "day")
    attended = {"its_class": class_of(day="day", what="pk"), "school": class_of(day="day", what="school")}
    rows = bookings.order_by().annotate(**attended).values_list("pk", *columns, *attended)
    return [(pk, Booked(*row[:4]), Attends(*row[4:])) for pk, *row in rows]


def _of(booked: Iterable[Booked], *, formulas: bool = True) -> Q:
    """Rows of these activities, places and days; of these formulas, unless they have none."""
    days: dict[tuple[int, ...], set[date]] = {}
    for one in booked:
        key = (one.activity, one.establishment, *([one.formula] if formulas else []))
        days.setdefault(key, set()).add(one.day)
    wanted = Q(pk__in=())
    for (activity, place, *formula), of_key in days.items():
        each = Q(activity=activity, establishment=place, day__in=sorted(of_key))
        wanted |= each & Q(formula=formula[0]) if formula else each
    if formulas and days:
        wanted &= Q(attendance=None)
    return wanted


# The way back ------------------------------------------------------------------------------------------


@dataclass
class Reopened:
    """What « Rouvrir » did, or would do: how many days stand again; of the others, how many for each reason;
    what of the change itself had to stay."""

    back: int = 0
    households: int = 0
    left: Counter[str] = field(default_factory=Counter)
    kept: list[str] = field(default_factory=list)


ALREADY = "Ces jours ont déjà été rouverts."
TOO_LATE = "La famille ne pourrait plus l'annuler."
ELSEWHERE = "L'enfant va dans un autre lieu ce jour-là."
AFTER_THE_END = "L'inscription se termine avant ce jour."


@transaction.atomic
def reopen(change: CalendarChange, *, by: User, at: datetime) -> Reopened:
    """Takes a change back and puts the days that it cancelled back as they stood, first who was first.

    After the hour of the way back only those go back that their family could still cancel: it was told that
    it had nothing to pay. Raises BookingRefused where it was reopened already.
    """
    change = CalendarChange.objects.select_for_update(of=("self",)).get(pk=change.pk)
    if change.reopened_at is not None:
        raise BookingRefused(ALREADY)
    done = Reopened(kept=_take_back(change.facts))
    today = timezone.localdate(at)
    offer = Offer.read(today)
    late = _too_late(at) if at - change.made_at > WAY_BACK else _never_late

    still = _still_closed(change)
    days = list(change.days.order_by("rank"))
    attended = {pk: attends for pk, _, attends in _attended(Booking.objects.filter(closings__change=change))}

    def stands(one: Booking) -> str:
        own, last = one.enrolment.place_id_on(one.day), one.enrolment.ends_on
        if own not in (None, one.establishment_id):
            return ELSEWHERE
        if last is not None and one.day > last and not _ended_before(one.enrolment, change.made_at):
            return AFTER_THE_END
        for closure in still:
            if closure.starts_on <= one.day <= closure.ends_on:
                return f"{capfirst(closure.reason)}."
        booked = Booked(one.activity_id, one.establishment_id, one.formula_id, one.day)
        return offer.why_not(booked, attended[one.pk]) or late(one)

    found = booking.put_back(
        {one.booking_id: BookingState(one.state) for one in days}, by=by, at=at, stands=stands
    )
    back = set(found.back)
    for day in days:
        day.put_back, day.left = day.booking_id in back, found.left.get(day.booking_id, "")
    CancelledDay.objects.bulk_update(days, ["put_back", "left"], batch_size=2000)
    change.reopened_at, change.reopened_by, change.settled_at = at, by, at
    change.save(update_fields=["reopened_at", "reopened_by", "settled_at"])
    _offer_the_rest(change, at)
    done.back = len(back)
    done.households = Booking.objects.filter(pk__in=back).order_by().values("household").distinct().count()
    done.left = Counter(found.left.values())
    return done


def foresee_reopening(change: CalendarChange, *, by: User, at: datetime) -> Reopened:
    """What `reopen` would do at this moment; writes nothing. Raises BookingRefused as it does."""
    with transaction.atomic():
        done = reopen(change, by=by, at=at)
        transaction.set_rollback(True)
    return done


def _still_closed(change: CalendarChange) -> list[Closure]:
    """The closures that it wrote and that could not be taken back."""
    keys = [one["pk"] for one in change.facts if model_of(one["model"]) is Closure and one["after"]]
    return list(Closure.objects.filter(pk__in=keys, opens=False)) if keys else []


def settle(*, at: datetime) -> int:
    """Children who wait get what changes freed whose way back is over; returns how many changes."""
    changes = list(CalendarChange.objects.over(at))
    for change in changes:
        with transaction.atomic():
            CalendarChange.objects.filter(pk=change.pk).update(settled_at=at)
            _offer_the_rest(change, at)
    return len(changes)


def _offer_the_rest(change: CalendarChange, at: datetime) -> None:
    """To those who wait for a place of the same days, as far as these take place."""
    gone = Booking.objects.filter(closings__change=change, state=BookingState.CANCELLED)
    shelves = gone.order_by().values_list("activity", "establishment", "day").distinct()
    slots = _of((Booked(*shelf[:2], 0, shelf[2]) for shelf in shelves), formulas=False)
    keys = list(Slot.objects.filter(slots).select_for_update().order_by("pk").values_list("pk", flat=True))
    booking.promote(keys, at=at)


def _ended_before(enrolment: Enrolment, at: datetime) -> bool:
    """Whether its end was said before `at`: what stood beyond it then had stayed reserved."""
    return enrolment.ended_at is not None and enrolment.ended_at < at


def _never_late(one: Booking) -> str:
    return ""


def _too_late(at: datetime) -> Callable[[Booking], str]:
    """Whether a family could no longer cancel a day: asked once for all days of an activity at a place."""
    kept: dict[tuple[Any, ...], bool] = {}
    books: dict[tuple[int, int], tuple[DeadlineBook, OpenDays]] = {}

    def late(one: Booking) -> str:
        origin = one.reservation
        if origin is None:
            return ""
        home = one.enrolment.household
        publics = audiences.of_home(home, timezone.localdate(at), one.child_id)
        whose = home.resident, publics
        key = (one.activity_id, one.establishment_id, one.formula_id, origin.period_id, whose, one.day)
        if key not in kept:
            where = origin.period_id, one.establishment_id
            if where not in books:
                activity, period = one.enrolment.activity, origin.period
                books[where] = (
                    DeadlineBook.for_activity(activity, period),
                    OpenDays.load(activity, one.establishment, period.starts_on, period.ends_on),
                )
            book, days = books[where]
            verdict = book.schedule(
                one.formula_id, Action.CANCEL, days, at, resident=home.resident, publics=publics
            )
            kept[key] = verdict.verdict(one.day).standing != Standing.ON_TIME
        return TOO_LATE if kept[key] else ""

    return late


def _stored(change: FactChange) -> dict[str, Any]:
    return {
        "model": change.label,
        "pk": change.pk,
        "name": change.name,
        "before": change.before,
        "after": change.after,
    }


def _take_back(facts: Sequence[dict[str, Any]]) -> list[str]:
    """Sets rows as they were before; answers a sentence for each that somebody changed again since."""
    kept = []
    for stored in reversed(facts):
        model = model_of(stored["model"])
        change = FactChange(
            model,
            stored["pk"],
            stored["name"],
            _read(model, stored["before"]),
            _read(model, stored["after"]),
        )
        if not _undo(change):
            kept.append(f"{change.sentence}. Cette ligne a changé depuis : elle reste ainsi.")
    return kept


def _undo(change: FactChange) -> bool:
    """Whether the row could be set as it was: nobody else wrote these columns meanwhile."""
    # Not its key: who books holds a child and refers to the row, and this waits for children.
    rows: QuerySet[Any] = change.model._default_manager.select_for_update(of=("self",), no_key=True)
    row = rows.filter(pk=change.pk).first()
    if change.after is None:
        if row is not None:
            return False
        try:
            with transaction.atomic():
                new = change.model(pk=change.pk, **_plain(change.model, change.before or {}))
                new.full_clean(validate_unique=True)
                new.save(force_insert=True)
                _relate(new, change.before or {})
        except (ValidationError, IntegrityError):
            return False
        return True
    if row is None:
        return False
    current = {name: _current(row, name) for name in change.after}
    if change.before is None:
        if current != change.after:
            return False
        try:
            with transaction.atomic():
                row.delete()
        except ProtectedError:
            return False
        return True
    names = change.columns
    if any(current[name] != change.after[name] for name in names):
        return False
    before = {name: change.before[name] for name in names}
    for name, value in _plain(change.model, before).items():
        setattr(row, name, value)
    row.save()
    _relate(row, before)
    return True


def _read(model: type[Model], facts: Facts | None) -> Facts | None:
    """Facts as they were kept in JSON, with days and moments again."""
    if facts is None:
        return None
    return {name: _python(model._meta.get_field(name), value) for name, value in facts.items()}


def _python(column: Any, value: Any) -> Any:
    if value is None or isinstance(value, list) or column.is_relation:
        return value
    return column.to_python(value)


def _plain(model: type[Model], facts: Facts) -> dict[str, Any]:
    """By attribute, without relations to many."""
    columns = {name: model._meta.get_field(name) for name in facts}
    return {
        getattr(column, "attname", name): facts[name]
        for name, column in columns.items()
        if not column.many_to_many
    }


def _relate(row: Any, facts: Facts) -> None:
    for name, value in facts.items():
        if row._meta.get_field(name).many_to_many:
            getattr(row, name).set(value)


def _current(row: Any, name: str) -> Any:
    column = row._meta.get_field(name)
    if column.many_to_many:
        return sorted(getattr(row, name).values_list("pk", flat=True))
    return getattr(row, column.attname)
