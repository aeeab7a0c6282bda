"""The demo town's fee a year: asked of who goes to the centre on Wednesdays; one family was let off. Invoices
may be paid in several times."""

from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from billing.invoices import fees
from billing.models import BillingSettings, Fee, FeePrice, HouseholdFee
from portal.demo.people import People
from portal.french.dates import end_of_month
from portal.reservations.models import Activity


def ask(people: People, at: datetime) -> None:
    """After the months that are billed: the next invoice asks for it."""
    fee = Fee.objects.create(code="adhesion", name="Adhésion")
    fee.activities.add(Activity.objects.get(code="mercredis"))
    FeePrice.objects.create(fee=fee, amount=Decimal(15), amount_outside=Decimal(20))
    fees.note_all(until=end_of_month(timezone.localdate(at)))
    # What is above that may be paid in two or three times.
    BillingSettings.objects.update(instalments_most=3, instalments_from=Decimal(60))
    last = HouseholdFee.objects.order_by("-household").first()
    if last is not None:
        fees.waive(last, reason="Décision du CCAS", by=people.regie, at=at)
