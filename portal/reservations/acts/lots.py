"""Days of many children at once: what a lot would do, doing it a batch of children at a time, its way back.

    plan = lots.plan(enrolments, verb, formula, days, place=None)
    lots.foresee(plan, …)                    what each line would become, said in it
    lot = lots.begin(plan, …)                the lot and its lines, nothing done yet
    lots.hand_to_worker(lot, at=…)           in that transaction: it is done to its end, whatever dies
    lots.go_on(lot.pk, at=…)                 one batch; whether one is left
    lots.ask_back(lot, by=…, at=…)           « Annuler ce lot »
    lots.go_back(lot.pk, at=…)               one batch of the way back; whether one is left

The days themselves are decided and written by `many.py`, by the rules of every act of the desk. A batch is
one transaction, and a line done is done: a worker that died goes on where it was.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django_tasks import task

from families.custody.whose_days import WhoseDays
from families.models import User
from portal.reservations.acts import many
from portal.reservations.acts.many import Wish
from portal.reservations.acts.overriding import Overrides
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import Enrolment, Establishment, Formula, Lot, LotDay
from portal.reservations.states import Became, BookingState, LotVerb, Override
from portal.tasks import priorities

# So many children a transaction: their slots are held meanwhile, and families wait for them.
BATCH = 40
# The worker looks this long after a small lot was asked for whether it was done.
HEAD_START = timedelta(minutes=2)
# Lines of which something was written.
CHANGED = (Became.DONE, Became.ASKED, Became.QUEUED)
# What one lot may reach.
MOST_LINES = 20_000
TOO_MANY = "Ce lot est trop grand : choisissez moins d'enfants ou moins de jours."
ONLY_ASKED = "L'annulation n'est que demandée : répondez-y."
ALREADY_TAKEN_BACK = "Ce lot a déjà été annulé."
STILL_AT_WORK = "Ce lot n'est pas encore terminé : attendez qu'il le soit."


@dataclass(frozen=True)
class Plan:
    """What is wanted: a verb, a formula, and a wish for each child and day, those of a child together."""

    verb: LotVerb
    formula: Formula
    wishes: Sequence[Wish]
    enrolments: Sequence[Enrolment]


def plan(
    enrolments: Iterable[Enrolment],
    verb: LotVerb,
    formula: Formula,
    days: Sequence[date],
    *,
    to_day: date | None = None,
    place: Establishment | None = None,
) -> Plan:
    """`to_day`: where the one day of `days` moves. `place`: of children whose enrolment names none.

    Of a child that two homes have enrolled, a day to book is the home's whose day it is, where its calendar
    says so.
    """
    chosen = list(enrolments)
    homes = Counter(one.child_id for one in chosen)
    twice = [one.child for one in chosen if homes[one.child_id] > 1]
    whose = WhoseDays.load(twice, min(days), max(days)) if twice and days else None

    def is_others(one: Enrolment, day: date) -> bool:
        if whose is None or verb != LotVerb.BOOK or homes[one.child_id] == 1:
            return False
        return whose.is_others(one.child_id, one.household_id, day)

    wishes = [
        Wish(one.pk, day, cancels=verb == LotVerb.CANCEL, instead=to_day, place=place)
        for one in chosen
        for day in days
        if not is_others(one, day)
    ]
    return Plan(verb, formula, wishes, chosen)


def foresee(planned: Plan, *, by: User, at: datetime, overrides: Overrides, waits: bool = False) -> None:
    """Says in each wish what would become of it now. Only reads."""
    many.foresee_many(planned.wishes, planned.formula, by=by, at=at, overrides=overrides, waits=waits)


@transaction.atomic
def begin(
    planned: Plan,
    *,
    whom: str,
    reason: str,
    overrides: Overrides,
    tell: bool,
    by: User,
    at: datetime,
    waits: bool = False,
) -> Lot:
    """Keeps what is wanted, for `go_on`; with `waits`, full days are waited for.

    Raises BookingRefused without a reason or a day, or for too many."""
    if not reason.strip():
        raise BookingRefused("Indiquez le motif : les familles le liront.")
    if not planned.wishes:
        raise BookingRefused("Aucun enfant inscrit, ou aucun jour : il n'y a rien à faire.")
    if len(planned.wishes) > MOST_LINES:
        raise BookingRefused(TOO_MANY)
    lot = Lot.objects.create(
        verb=planned.verb,
        formula=planned.formula,
        whom=whom[:200],
        reason=reason.strip(),
        passing_over=[one.value for one in overrides.reasons],
        late=overrides.late,
        tell=tell,
        waits=waits and planned.verb == LotVerb.BOOK,
        wanted=len(planned.wishes),
        by=by,
        made_at=at,
    )
    of = {one.pk: one for one in planned.enrolments}
    LotDay.objects.bulk_create(
        (
            LotDay(
                lot=lot,
                enrolment_id=wish.enrolment,
                establishment=of[wish.enrolment].place_on(wish.day) or wish.place,
                day=wish.day,
                to_day=wish.instead,
            )
            for wish in planned.wishes
        ),
        batch_size=1000,
    )
    return lot


def is_small(lot: Lot) -> bool:
    """Whether one batch does all of it."""
    return lot.days.order_by().values("enrolment_id").distinct().count() <= BATCH


@transaction.atomic
def go_on(key: int, *, at: datetime) -> bool:
    """Does the next children of a lot (its key); whether any are left."""
    lot = Lot.objects.select_for_update(of=("self",), no_key=True).select_related("formula", "by").get(pk=key)
    if lot.done_at is not None or lot.by is None:
        return False
    lines = _next_of(lot, became=Became.WAITS)
    if lines:
        place = {one.establishment_id: one.establishment for one in lines}
        wishes = [
            Wish(
                one.enrolment_id,
                one.day,
                cancels=lot.verb == LotVerb.CANCEL,
                instead=one.to_day,
                place=place[one.establishment_id],
            )
            for one in lines
        ]
        many.record_many(
            wishes,
            lot.formula,
            reason=lot.reason,
            by=lot.by,
            at=at,
            overrides=overrides_of(lot),
            waits=lot.waits,
            tell=lot.tell,
        )
        for one, wish in zip(lines, wishes, strict=True):
            one.became, one.why = wish.became, wish.why[:300]
            one.cancelled, one.state_before, one.booked = wish.left, wish.state_before, wish.taken
        LotDay.objects.bulk_update(
            lines, ["became", "why", "cancelled", "state_before", "booked"], batch_size=500
        )
        lot.met += len(lines)
        lot.changed += sum(one.became in CHANGED for one in lines)
    left = lot.days.filter(became=Became.WAITS).exists()
    if not left:
        lot.done_at = at
    lot.save(update_fields=["met", "changed", "done_at"])
    return left


def _next_of(lot: Lot, **state: Any) -> list[LotDay]:
    """The lines of the next children."""
    waiting = lot.days.filter(**state).order_by("pk")
    children = list(dict.fromkeys(waiting.values_list("enrolment_id", flat=True)[: BATCH * _days_each(lot)]))
    return list(waiting.filter(enrolment__in=children[:BATCH]).select_related("establishment"))


def _days_each(lot: Lot) -> int:
    return max(1, lot.days.order_by().values("day").distinct().count())


def overrides_of(lot: Lot) -> Overrides:
    return Overrides({Override(one): lot.reason for one in lot.passing_over}, late=lot.late)


# The way back -------------------------------------------------------------------------------------------


@transaction.atomic
def ask_back(lot: Lot, *, by: User, at: datetime) -> None:
    """« Annuler ce lot ». Raises BookingRefused where it is at work, or was taken back already."""
    lot = Lot.objects.select_for_update(of=("self",), no_key=True).get(pk=lot.pk)
    if lot.undo_asked_at is not None:
        raise BookingRefused(ALREADY_TAKEN_BACK)
    if lot.done_at is None:
        raise BookingRefused(STILL_AT_WORK)
    lot.undo_asked_at, lot.undo_by = at, by
    lot.save(update_fields=["undo_asked_at", "undo_by"])


@transaction.atomic
def go_back(key: int, *, at: datetime) -> bool:
    """Takes the next children of a lot (its key) back; whether any are left."""
    held = Lot.objects.select_for_update(of=("self",), no_key=True)
    lot = held.select_related("formula", "undo_by").get(pk=key)
    if lot.undo_asked_at is None or lot.undone_at is not None or lot.undo_by is None:
        return False
    to_do = {"became__in": CHANGED, "taken_back": Became.WAITS}
    # Who waits goes first: a place that the others free is not offered to them on the way.
    lines = _next_of(lot, **to_do | {"became__in": [Became.QUEUED]}) or _next_of(lot, **to_do)
    if lines:
        asked = {one.pk for one in lines if one.became == Became.ASKED and one.cancelled_id}
        done = many.take_back_many(
            {
                one.cancelled_id: BookingState(one.state_before)
                for one in lines
                if one.cancelled_id and one.pk not in asked
            },
            {one.booked_id: one.cancelled_id for one in lines if one.booked_id},
            lot.formula,
            reason=f"Lot annulé par la mairie : {lot.reason}"[:300],
            by=lot.undo_by,
            at=at,
            tell=lot.tell,
        )
        for one in lines:
            # Of a day that moved both are told; where it could not, why of the first.
            keys = [pk for pk in (one.cancelled_id, one.booked_id) if pk]
            why = next((done.left[pk] for pk in keys if pk in done.left), "")
            why = ONLY_ASKED if one.pk in asked else why
            one.taken_back, one.not_back = (Became.LEFT, why) if why else (Became.DONE, "")
        LotDay.objects.bulk_update(lines, ["taken_back", "not_back"], batch_size=500)
        lot.back += sum(one.taken_back == Became.DONE for one in lines)
    left = lot.days.filter(**to_do).exists()
    if not left:
        lot.undone_at = at
    lot.save(update_fields=["back", "undone_at"])
    return left


# By the worker ------------------------------------------------------------------------------------------


def hand_to_worker(lot: Lot, *, at: datetime, back: bool = False) -> bool:
    """In the transaction that begins a lot, or asks for its way back: it is done to its end, whatever dies.

    Whether it is small: then whoever asked does it at once, and the worker only if that came to nothing.
    """
    work, small = carry_back if back else carry_out, is_small(lot)
    if not small:
        work.enqueue(lot.pk)
    elif work.get_backend().supports_defer:
        work.using(run_after=at + HEAD_START).enqueue(lot.pk)
    return small


@task(priority=priorities.MANY)
def carry_out(lot: int) -> None:
    """Does what is left of a lot, a batch of children at a time."""
    while go_on(lot, at=timezone.now()):
        pass


@task(priority=priorities.MANY)
def carry_back(lot: int) -> None:
    """Takes back what is left of a lot, a batch of children at a time."""
    while go_back(lot, at=timezone.now()):
        pass
