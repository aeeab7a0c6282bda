"""Work of the worker: issuing a month, telling its households, printing its invoices, sending reminders."""

import logging
from datetime import datetime

from django.utils import timezone
from django_tasks import task

from billing import invoicing, paying, pdf, reminding
from billing.models import BillingRun, Invoice
from families.models import Household, User

logger = logging.getLogger(__name__)
PRINTED_AT_ONCE = 50
TOLD_AT_ONCE = 500


@task()
def issue_month(run_id: int) -> None:
    """Issues a month's invoices, then hands their mails and printing over in lots. Run again, it goes on."""
    run = BillingRun.objects.get(pk=run_id)
    try:
        invoicing.issue(run, at=timezone.now())
    except Exception as error:
        BillingRun.objects.filter(pk=run_id).update(
            state=BillingRun.State.FAILED,
            trouble="La facturation s'est interrompue. Ce qui est émis le reste : reprenez-la pour la suite.",
        )
        logger.error("Billing run %d stopped: %s", run_id, type(error).__name__)
        raise
    for household in Household.objects.filter(invoices__run=run, payments__isnull=False).distinct():
        paying.use_what_is_left(household)
    untold = list(reminding.untold(run.invoices.all()).order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(untold), TOLD_AT_ONCE):
        tell_households.enqueue(untold[first : first + TOLD_AT_ONCE])
    invoices = list(run.invoices.filter(pdf=None).order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(invoices), PRINTED_AT_ONCE):
        print_invoices.enqueue(invoices[first : first + PRINTED_AT_ONCE])


@task()
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
    """Reminds of invoices as asked for at a moment (ISO 8601). Run again, it goes on."""
    user = User.objects.filter(pk=by).first()
    reminding.remind(invoices, at=datetime.fromisoformat(asked_at), by=user)
