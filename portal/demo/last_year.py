"""The demo town's last year: a November of care, paid in December, for a tax certificate to show."""

from collections import defaultdict
from datetime import date, datetime, time
from decimal import Decimal

from django.utils import timezone

from billing.invoices import invoicing, ledger, sealing
from billing.invoices.numbering import take
from billing.models import BillingSettings, Invoice, InvoiceLine, Payment
from billing.payments import paying

YOUNGEST = 3


def bill_last_november(at: datetime) -> None:
    """Each household's care of its first month on the portal, as it was a year before: issued and paid then.

    Bookings do not go back that far, so these invoices hold no presences. In the first months of a year the
    town's own payments are enough, and nothing is added.
    """
    last = timezone.localdate(at).year - 1
    if Payment.objects.filter(paid_on__year=last).exists():
        return
    first = Invoice.objects.order_by("month").values_list("month", flat=True).first()
    if first is None:
        return
    of_household: dict[int, list[InvoiceLine]] = defaultdict(list)
    for line in (
        InvoiceLine.objects.filter(
            invoice__month=first,
            care_percent__gt=0,
            amount__gt=0,
            child__birth_date__year__lte=last - YOUNGEST,
        )
        .select_related("invoice")
        .order_by("invoice__sequence", "position")
    ):
        of_household[line.invoice.household_id].append(line)
    if not of_household:
        return
    settings = BillingSettings.current()
    issued_at = timezone.make_aware(datetime.combine(date(last, 12, 5), time(8)))
    paid_at = timezone.make_aware(datetime.combine(date(last, 12, 15), time(10)))
    invoices = Invoice.objects.bulk_create(
        Invoice(
            **number.fields,
            household_id=household,
            month=date(last, 11, 1),
            issued_at=issued_at,
            due_on=date(last, 12, 31),
            payer=lines[0].invoice.payer,
            address=lines[0].invoice.address,
            quotient=lines[0].invoice.quotient,
            issuer=invoicing.issuer_of(settings),
            total=sum((line.amount for line in lines), Decimal(0)),
            line_count=len(lines),
        )
        for number, (household, lines) in zip(
            take(settings.series, last, len(of_household)), of_household.items(), strict=True
        )
    )
    copied = []
    for invoice in invoices:
        for position, line in enumerate(of_household[invoice.household_id], start=1):
            line.pk, line._state.adding = None, True
            line.invoice, line.position, line.days = invoice, position, []
            copied.append(line)
    InvoiceLine.objects.bulk_create(copied)
    sealing.seal(invoices)
    ledger.billed(invoices)
    paying.credit(
        [
            paying.Credit(one.household_id, one.total, Payment.Means.TRANSFER, "", [(one.pk, one.total)])
            for one in invoices
        ],
        left={one.pk: one.total for one in invoices},
        at=paid_at,
    )
