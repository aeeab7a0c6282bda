"""The only writer of drafts: what a family has ticked and not recorded yet, kept by the server."""

from collections.abc import Collection
from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from families.custody import homes
from families.models import Custody, User
from portal.database import plain_rows
from portal.database.composed import Composed, Given
from portal.reservations.acts.refusals import BookingRefused, Choice
from portal.reservations.models import Enrolment, Establishment, Period, Reservation, ReservationLine
from portal.reservations.states import Action, EnrolmentState, Outcome, ReservationState

# A draft that nobody touched for so long is forgotten.
KEPT = timedelta(days=30)
NEW_LINE = (
    "reservation_id",
    "formula_id",
    "day",
    "action",
    "accepts_waiting",
    "until_the_day",
    "late",
    "outcome",
    "reason",
)


def find_draft(
    enrolment: Enrolment, establishment: Establishment, period: Period, *, at_desk: bool = False
) -> Reservation | None:
    """The unfinished reservation of the child for these three, if there is one: the family's, or the town
    hall's own."""
    return (
        Reservation.objects.drafts()
        .filter(
            household=enrolment.household_id,
            child=enrolment.child_id,
            establishment=establishment,
            period=period,
            at_desk=at_desk,
        )
        .first()
    )


@transaction.atomic
def choose(
    enrolment: Enrolment,
    establishment: Establishment,
    period: Period,
    *,
    book: Collection[Choice],
    wait: Collection[Choice] = (),
    cancel: Collection[Choice] = (),
    seen: str | None = None,
    by: User,
    at: datetime,
    at_desk: bool = False,
) -> Reservation | None:
    """Keeps the ticks of a planning in its draft, made when needed; None when nothing is chosen.

    `wait` are full days for which the waiting list is accepted. The caller has checked that each choice
    stands in the planning; whether it can still be had is decided by `submit`. `seen` is the version
    (Reservation.version, "" for none) on which the ticks were based: when another tab has been quicker
    since, its days are kept besides. `at_desk`: the draft of the town hall, beside the family's own. Raises
    BookingRefused for a child that lives elsewhere by now.
    """
    wanted = dict.fromkeys(book, (Action.BOOK, False))
    wanted |= dict.fromkeys(wait, (Action.BOOK, True))
    wanted |= dict.fromkeys(cancel, (Action.CANCEL, False))
    if not wanted:
        if draft := find_draft(enrolment, establishment, period, at_desk=at_desk):
            abandon(draft)
        return None
    # Not held: `submit` locks the draft first, and asks again.
    if not _lives(timezone.localdate(at), child=enrolment.child_id, household=enrolment.household_id):
        raise BookingRefused(homes.gone_sentence(enrolment.child))
    draft, created = _hold_or_begin(enrolment, establishment, period, by=by, at=at, at_desk=at_desk)
    kept = {} if created else {Choice(line.formula_id, line.day): line for line in draft.lines.all()}
    if not created and seen not in (None, draft.version):
        wanted = {
            choice: (Action(line.action), line.accepts_waiting) for choice, line in kept.items()
        } | wanted
    gone = [
        line.pk for choice, line in kept.items() if wanted.get(choice) != (line.action, line.accepts_waiting)
    ]
    if gone:
        ReservationLine.objects.filter(pk__in=gone).delete()
    plain_rows.insert(
        ReservationLine,
        NEW_LINE,
        [
            (draft.pk, *choice, action.value, waits, False, False, Outcome.DRAFT.value, "")
            for choice, (action, waits) in sorted(wanted.items())
            if choice not in kept or kept[choice].pk in gone
        ],
    )
    if not created:
        # The enrolment too: the draft may stem from one that has since been replaced.
        Reservation.objects.filter(pk=draft.pk).update(enrolment=enrolment, touched_at=at)
        draft.enrolment, draft.touched_at = enrolment, at
    return draft


@Composed
def _lives(today: date) -> "QuerySet[Custody, int]":
    here = Custody.objects.on(today).filter(child=Given("child"), household=Given("household"))
    return here.values_list("pk", flat=True)


def _hold_or_begin(
    enrolment: Enrolment,
    establishment: Establishment,
    period: Period,
    *,
    by: User,
    at: datetime,
    at_desk: bool,
) -> tuple[Reservation, bool]:
    """The draft of the child for these three, held until the transaction ends, and whether it is new."""
    whose = {"household": enrolment.household_id, "child": enrolment.child_id}
    where = {"establishment": establishment.pk, "period": period.pk, "at_desk": at_desk}
    if held := _held(**whose, **where):
        return held[0], False
    try:
        with transaction.atomic():
            new = Reservation.objects.create(
                household_id=enrolment.household_id,
                child_id=enrolment.child_id,
                establishment=establishment,
                period=period,
                state=ReservationState.DRAFT,
                enrolment=enrolment,
                created_by=by,
                created_at=at,
                touched_at=at,
                at_desk=at_desk,
            )
    except IntegrityError:  # another tab was quicker, and is done
        if not (held := _held(**whose, **where)):
            raise
        return held[0], False
    return new, True


@Composed
def _held() -> "QuerySet[Reservation]":
    return Reservation.objects.select_for_update().filter(
        household=Given("household"),
        child=Given("child"),
        establishment=Given("establishment"),
        period=Given("period"),
        at_desk=Given("at_desk"),
        state=ReservationState.DRAFT,
    )


def wait_until_the_day(drafts: Collection[Reservation], wanted: bool) -> None:
    """Whether the waiting days of unfinished reservations are waited for up to the day itself."""
    ReservationLine.objects.filter(
        reservation__in=[draft.pk for draft in drafts],
        reservation__state=ReservationState.DRAFT,
        accepts_waiting=True,
    ).update(until_the_day=wanted)


def abandon(draft: Reservation) -> None:
    """Throws an unfinished reservation away. A recorded one stays."""
    Reservation.objects.drafts().filter(pk=draft.pk).delete()


def part(draft: Reservation) -> None:
    """An unfinished reservation that went along with another's goes its own way again."""
    Reservation.objects.drafts().filter(pk=draft.pk).update(companion_of=None)


def purge_drafts(*, before: datetime) -> int:
    """Deletes drafts not touched since `before`, and those of enrolments that are over; returns how many."""
    over = Q(touched_at__lt=before) | Q(enrolment__state=EnrolmentState.ENDED)
    deleted = Reservation.objects.drafts().filter(over)
    count = deleted.count()
    deleted.delete()
    return count


def hold_all(household: int) -> list[int]:
    """The keys of a household's drafts, held until the transaction ends: none is recorded meanwhile."""
    drafts = Reservation.objects.drafts().filter(household=household).select_for_update(of=("self",))
    return list(drafts.order_by("pk").values_list("pk", flat=True))


def drop_all(household: int) -> None:
    """A household is another's from now on: what it has not recorded is chosen again there."""
    Reservation.objects.drafts().filter(household=household).delete()
