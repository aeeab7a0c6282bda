"""The worker's part: the letters of a message, some at a time, then those on paper in one PDF."""

from django.utils import timezone
from django_tasks import task

from families.messages import printing, sending
from portal.tasks import priorities
from portal.tasks.attempts import whole


@whole
@task(queue_name="mail", priority=priorities.LONG)
def deliver(message: int) -> None:
    """Writes some letters, and has itself called for the next ones: after the mails that are queued already,
    which all go first, so that what is stopped stops within some letters."""
    at = timezone.now()
    if sending.write_some(message, at=at) is not None:
        deliver.enqueue(message)
    else:
        print_paper.enqueue(message)


@task(priority=priorities.LONG)
def print_paper(message: int) -> None:
    """Draws the letters of those whom no mail reaches."""
    printing.print_message(message)
