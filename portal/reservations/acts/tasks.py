"""Work the engine leaves to the worker: letters."""

from django_tasks import task

from portal.reservations.acts import emails


@task(queue_name="mail")
def tell_recorded(reservation_id: int) -> None:
    """A household has recorded a reservation. Only what an earlier version left in the queue."""
    emails.recorded([reservation_id], {})


@task(queue_name="mail")
def tell_recorded_together(reservation_ids: list[int], amounts: dict[str, dict[str, list[str]]]) -> None:
    """A household has recorded reservations, of one child or of several."""
    emails.recorded(reservation_ids, amounts)


@task(queue_name="mail")
def tell_decided(reservation_id: int, line_ids: list[int]) -> None:
    """The town hall has answered some days of a reservation."""
    emails.decided(reservation_id, line_ids)


@task(queue_name="mail")
def tell_promoted(household_id: int, booking_ids: list[int]) -> None:
    """Places have been freed for children on a waiting list."""
    emails.promoted(household_id, booking_ids)


@task(queue_name="mail")
def tell_cancelled(household_id: int, booking_ids: list[int], reason: str) -> None:
    """The town hall has cancelled days."""
    emails.cancelled(household_id, booking_ids, reason)


@task(queue_name="mail")
def tell_enrolment(enrolment_id: int) -> None:
    """An enrolment is received, accepted or refused."""
    emails.enrolment(enrolment_id)


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


@task(queue_name="mail")
def tell_enrolment_resumed(enrolment_id: int) -> None:
    """The end of an enrolment is put away."""
    emails.enrolment_resumed(enrolment_id)
