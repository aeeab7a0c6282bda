"""Work of the worker: issuing a month, printing its invoices."""

import logging

from django.utils import timezone
from django_tasks import task

from billing import invoicing, paying, pdf
from billing.models import BillingRun, Invoice
from families.models import Household

logger = logging.getLogger(__name__)
PRINTED_AT_ONCE = 50


@task()
def issue_month(run_id: int) -> None:
    """Issues a month's invoices, then hands their printing over in lots. Run again, it goes on."""
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
    invoices = list(run.invoices.filter(pdf=None).order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(invoices), PRINTED_AT_ONCE):
        print_invoices.enqueue(invoices[first : first + PRINTED_AT_ONCE])


@task()
def print_invoices(invoices: list[int]) -> None:
    """Prints and keeps invoices; those printed already are left alone."""
    for invoice in Invoice.objects.filter(pk__in=invoices, pdf=None).prefetch_related("lines"):
        pdf.stored(invoice, at=timezone.now())
