"""Work of the worker: issuing a month, recalculating one, telling households, printing, sending reminders."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime

from django.utils import timezone
from django_tasks import task

from billing.documents import pdf
from billing.invoices import invoicing, recalculating
from billing.invoices.billable import Scope
from billing.models import BillingRun, Invoice, Recalculation
from billing.payments import paying
from billing.reminders import letter_printing, reminding
from families.models import Household, User
from portal.tasks import priorities
from portal.tasks.attempts import USUAL, at_most

logger = logging.getLogger(__name__)
PRINTED_AT_ONCE = 50
TOLD_AT_ONCE = 500


def _run_stopped(run_id: int) -> None:
    """The desk offers « Reprendre »."""
    BillingRun.objects.filter(pk=run_id).update(
        state=BillingRun.State.FAILED,
        trouble="La facturation s'est interrompue. Ce qui est émis le reste : reprenez-la pour la suite.",
    )


def _recalculation_stopped(recalculation_id: int) -> None:
    Recalculation.objects.filter(pk=recalculation_id).update(state=Recalculation.State.FAILED)


@at_most(USUAL, given_up=lambda args, _: _run_stopped(args[0]))
@task()
def issue_month(run_id: int) -> None:
    """Issues a month (see `issue`). Run again, it goes on."""
    issue(BillingRun.objects.get(pk=run_id), at=timezone.now())


def issue(run: BillingRun, *, at: datetime, progress: Callable[[int], None] | None = None) -> BillingRun:
    """Issues a month's invoices (see `invoicing.issue`), then hands their mails and printing over in lots.

    The desk and `manage.py bill_month` both come here.
    """
    try:
        run = invoicing.issue(run, at=at, progress=progress)
    except Exception as error:
        _run_stopped(run.pk)
        logger.error("Billing run %d stopped: %s", run.pk, type(error).__name__)
        raise
    for household in Household.objects.filter(invoices__run=run, payments__isnull=False).distinct():
        paying.use_what_is_left(household)
    untold = list(reminding.untold(run.invoices.all()).order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(untold), TOLD_AT_ONCE):
        tell_households.enqueue(untold[first : first + TOLD_AT_ONCE])
    invoices = list(run.invoices.filter(pdf=None).order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(invoices), PRINTED_AT_ONCE):
        print_invoices.enqueue(invoices[first : first + PRINTED_AT_ONCE])
    return run


def issue_one(
    household: Household, scope: Scope, *, by: User | None, at: datetime, due_on: date | None = None
) -> list[Invoice]:
    """Bills one household now (see `invoicing.issue_one`), uses what it has too much, tells it and prints."""
    made = invoicing.issue_one(household, scope, by=by, at=at, due_on=due_on)
    if invoices := [one.pk for one in made if one.kind == Invoice.Kind.INVOICE]:
        paying.use_what_is_left(household)
        tell_households.enqueue(invoices)
        print_invoices.enqueue(invoices)
    return made


@at_most(USUAL, given_up=lambda args, _: _recalculation_stopped(args[0]))
@task()
def count_recalculation(recalculation_id: int) -> None:
    """Counts what a recalculation would do. Run again, it starts afresh."""
    with _noted_if_it_stops(recalculation_id) as recalculation:
        recalculating.count(recalculation)


@at_most(USUAL, given_up=lambda args, _: _recalculation_stopped(args[0]))
@task()
def carry_out_recalculation(recalculation_id: int) -> None:
    """Confirms a recalculation, household by household. Run again, it goes on."""
    with _noted_if_it_stops(recalculation_id) as recalculation:
        recalculating.carry_out(recalculation)


@contextmanager
def _noted_if_it_stops(recalculation_id: int) -> Iterator[Recalculation]:
    try:
        yield Recalculation.objects.get(pk=recalculation_id)
    except Exception as error:
        _recalculation_stopped(recalculation_id)
        logger.error("Recalculation %d stopped: %s", recalculation_id, type(error).__name__)
        raise


@task(priority=priorities.LONG)
def print_invoices(invoices: list[int]) -> None:
    """Prints and keeps invoices; those printed already are left alone."""
    for invoice in Invoice.objects.filter(pk__in=invoices, pdf=None).prefetch_related("lines"):
        pdf.stored(invoice, at=timezone.now())


@task()
def tell_households(invoices: list[int]) -> None:
    """Tells households by mail that these invoices are issued; those told already are left alone."""
    reminding.tell(invoices, at=timezone.now())


@task()
def send_reminders(invoices: list[int], asked_at: str, by: int) -> None:
    """Reminds of invoices as asked for at a moment (ISO 8601), letters included. Run again, it goes on."""
    user, at = User.objects.filter(pk=by).first(), datetime.fromisoformat(asked_at)
    try:
        reminding.remind(invoices, at=at, by=user)
    finally:
        # Who was reminded has a letter, whatever stopped the rest.
        print_letters(at)


def print_letters(asked_at: datetime) -> None:
    """Hands the letters of a reminding over to the worker, those that are not printed yet."""
    for lot in letter_printing.lots(asked_at):
        print_lot.enqueue(lot)


@task(priority=priorities.LONG)
def print_lot(lot: int) -> None:
    """Prints and keeps a lot of letters; one printed already is left alone."""
    letter_printing.print_lot(lot, at=timezone.now())
