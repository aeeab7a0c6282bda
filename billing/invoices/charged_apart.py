"""What is billed in a line of its own, from a row that may change afterwards: a late evening, a day given up.

What no invoice took yet is put right in its place; what one took is made right by a line more."""

from decimal import Decimal

from django.db.models import QuerySet, Sum

from billing.invoices import regies
from billing.models import CreditNoteLine, ManualCharge

ZERO = Decimal(0)


def settle(
    charges: QuerySet[ManualCharge], amount: Decimal, new: ManualCharge, *, activity: int, more: str = ""
) -> None:
    """What is still to be billed of `amount` euros, in one line that no invoice took yet, or none.

    `charges`: those of the row; `new`: the line to be, with its words; `more`: what follows its label where
    nothing of the row was billed yet.
    """
    # Held first: one that an invoice takes at this moment is billed by then.
    waiting = charges.select_for_update().filter(line=None).first()
    billed = charges.filter(line__isnull=False).aggregate(sum=Sum("unit_price"))["sum"] or ZERO
    # What a credit note took back is given for good: it is not given back a second time.
    lines = charges.filter(line__isnull=False).values("line")
    credited = CreditNoteLine.objects.filter(line__in=lines).aggregate(sum=Sum("amount"))["sum"] or ZERO
    left = max(amount - credited, ZERO) - (billed - credited)
    if left == 0:
        if waiting is not None:
            waiting.delete()
        return
    label = f"{new.label} – rectification" if billed else f"{new.label}{more}"
    charge = waiting or new
    if charge.pk and (charge.unit_price, charge.label) == (left, label):
        return
    (charge.regie_id,) = regies.of_activities([activity]) or (None,)
    charge.unit_price, charge.label, charge.reason = left, label, new.reason
    charge.created_by = new.created_by
    charge.save()
