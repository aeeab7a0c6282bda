"""Work the engine leaves to the worker: letters, and places offered whose hour has passed.

after_commit(tell_enrolment, enrolment.pk)      the one way in which a letter of these is asked for
"""

from datetime import datetime
from functools import partial
from typing import Any, Protocol

from django.db import transaction
from django.utils import timezone
from django_tasks import task
from django_tasks.base import Task

from portal.database import trials
from portal.reservations.acts import emails
from portal.tasks.attempts import whole


def after_commit(letter: Task[..., None], *args: Any, robust: bool = False) -> None:
    """Has the worker write a letter, once what it says is there to stay. The letter of a trial household is
    written at once: the worker finds none of its rows."""
    tried = trials.current()
    if tried is not None:
        transaction.on_commit(partial(_tell_on_trial, tried, letter, *args), robust=True)
    else:
        transaction.on_commit(partial(letter.enqueue, *args), robust=robust)


def _tell_on_trial(tried: trials.Tried, letter: Task[..., None], *args: Any) -> None:
    with trials.trying(tried):
        letter.call(*args)


@whole
@task(queue_name="mail")
def tell_recorded(reservation_id: int) -> None:
    """A household has recorded a reservation. Only what an earlier version left in the queue."""
    emails.recorded([reservation_id], {})


@whole
@task(queue_name="mail")
def tell_recorded_together(reservation_ids: list[int], amounts: dict[str, dict[str, list[str]]]) -> None:
    """A household has recorded reservations, of one child or of several."""
    emails.recorded(reservation_ids, amounts)


@whole
@task(queue_name="mail")
def tell_decided(reservation_id: int, line_ids: list[int]) -> None:
    """The town hall has answered some days of a reservation."""
    emails.decided(reservation_id, line_ids)


@whole
@task(queue_name="mail")
def tell_promoted(household_id: int, booking_ids: list[int]) -> None:
    """Places have been freed for children on a waiting list."""
    emails.promoted(household_id, booking_ids)


@whole
@task(queue_name="mail")
def tell_sure(household_id: int, booking_ids: list[int]) -> None:
    """Days that open only with enough children are sure to open."""
    emails.sure(household_id, booking_ids)


@whole
@task(queue_name="mail")
def tell_offered(household_id: int, booking_ids: list[int]) -> None:
    """Places are offered to children on a waiting list: the family says whether it takes them."""
    emails.offered(household_id, booking_ids)


@whole
@task(queue_name="mail")
def tell_let_go(household_id: int, booking_ids: list[int]) -> None:
    """Places that were offered and got no answer."""
    emails.let_go(household_id, booking_ids)


@whole
@task(queue_name="mail")
def tell_not_paid(household_id: int, booking_ids: list[int]) -> None:
    """Places that were kept to be paid, and were not."""
    emails.not_paid(household_id, booking_ids)


class LetGo(Protocol):
    def __call__(self, *, at: datetime) -> int: ...


class Serve(Protocol):
    def __call__(self, household: int, child: int | None, /, *, at: datetime) -> object: ...


_let_go: list[LetGo] = []
_serve: list[Serve] = []


def lend(*let_go: LetGo, serve: Serve) -> None:
    """What the worker does of places offered and to be paid, and for who waits; once the app is ready."""
    _let_go[:], _serve[:] = let_go, [serve]


@task()
def let_offers_go() -> None:
    """Whatever was offered until now, and not taken, goes to the next one."""
    for let_go in _let_go:
        let_go(at=timezone.now())


@task()
def serve_waiting(household_id: int, child_id: int | None) -> None:
    """What a home or a child waits for, and could not have before, is given where there is a place."""
    for serve in _serve:
        serve(household_id, child_id, at=timezone.now())


def let_offers_go_at(hour: datetime) -> None:
    """Has it done then. A queue that cannot wait leaves it to the night."""
    if let_offers_go.get_backend().supports_defer:
        let_offers_go.using(run_after=hour).enqueue()


@whole
@task(queue_name="mail")
def tell_cancelled(household_id: int, booking_ids: list[int], reason: str) -> None:
    """The town hall has cancelled days."""
    emails.cancelled(household_id, booking_ids, reason)


@whole
@task(queue_name="mail")
def tell_put_back(household_id: int, booking_ids: list[int], left_ids: list[int], reason: str = "") -> None:
    """Days that were cancelled or refused stand again; some may not."""
    emails.put_back(household_id, booking_ids, left_ids, reason)


@whole
@task(queue_name="mail")
def tell_enrolment(enrolment_id: int) -> None:
    """An enrolment is received, accepted or refused."""
    emails.enrolment(enrolment_id)


@whole
@task(queue_name="mail")
def tell_moved(move_id: int, booking_ids: list[int]) -> None:
    """A child's change of school, class or place: asked for, refused, or done with the days that followed."""
    emails.moved(move_id, booking_ids)


@whole
@task(queue_name="mail")
def tell_left_days(move_id: int, booking_ids: list[int], reason: str) -> None:
    """The town hall has placed days that could not follow, or leaves them cancelled for a reason."""
    emails.left_days(move_id, booking_ids, reason)


@whole
@task(queue_name="mail")
def tell_renewed(enrolment_ids: list[int]) -> None:
    """A household has enrolled its children for the next year, all at once."""
    emails.renewed(enrolment_ids)


@whole
@task(queue_name="mail")
def tell_enrolment_ended(
    enrolment_id: int,
    cancelled: list[int],
    withdrawn: list[int],
    asked: list[int],
    stays: list[tuple[int, str, str]],
) -> None:
    """An enrolment ends: the days that leave, by their keys, and those that stay, with a title and why."""
    emails.enrolment_ended(enrolment_id, cancelled, withdrawn, asked, stays)


@whole
@task(queue_name="mail")
def tell_enrolment_resumed(enrolment_id: int) -> None:
    """The end of an enrolment is put away."""
    emails.enrolment_resumed(enrolment_id)
