"""An invoice paid in several times: who may, what is due when. The only writer of plans.

    choices(invoice, settings, …) -> [schedule]     what may be chosen, in 2, 3… times
    agree(invoice, count, by=…, at=…)               its due dates from now on
    end(plan, by=…, at=…)                           it is due as it says again

The invoice and its PDF stay as they are. Until when it is to be paid (`pay_by`) is then the day of the first
part that is not settled: what is late, reminded of and listed follows. A debit asks for what is due by then.
"""

from datetime import date, datetime

from django.db import transaction
from django.utils import timezone

from billing.invoices.refusals import BillingRefused
from billing.models import BillingSettings, Instalment, InstalmentPlan, Invoice
from billing.payments import starting
from billing.payments.plans import Parted
from billing.rules import instalments as rules
from families.custody import own
from families.models import Household, User
from portal.database.kept import KeptAWhile
from portal.french.amounts import euros

RIGHT = "billing.add_instalmentplan"
# Pages ask for it all the time; whoever agrees asks anew.
town_settings = KeptAWhile(BillingSettings.current)


def choices(
    invoice: Parted, settings: BillingSettings, today: date, *, at_desk: bool = False
) -> list[tuple[rules.Instalment, ...]]:
    """In how many times what is left may be paid, by the town's word; at the desk by the agent's."""
    most = rules.MOST if at_desk else settings.instalments_most
    if invoice.left <= 0:
        return []
    if not at_desk and (invoice.left < settings.instalments_from or invoice.pay_by < today):
        return []
    first = max(invoice.pay_by, today)
    found = (rules.schedule(invoice.left, count, first) for count in range(2, most + 1))
    return [one for one in found if one]


@transaction.atomic
def agree(
    invoice: Invoice, count: int, *, by: User | None, at: datetime, at_desk: bool = False
) -> InstalmentPlan:
    """From now on the invoice is due in so many parts. Raises BillingRefused where the town does not allow
    it, where somebody did already, or while it is being paid."""
    if at_desk:
        own.check(by, [invoice.household_id], right=RIGHT, at=at)
    Household.objects.lock([invoice.household_id])
    now = starting.on_their_way(Invoice.objects.with_balance()).get(pk=invoice.pk)
    if InstalmentPlan.objects.filter(invoice=now, ended_at=None).exists():
        raise BillingRefused(f"La facture {now.number} a déjà un échéancier.")
    if now.under_way or now.debited_on:
        raise BillingRefused(f"La facture {now.number} est en cours de paiement.")
    if now.left <= 0:
        raise BillingRefused(f"Il n'y a plus rien à payer sur la facture {now.number}.")
    today = timezone.localdate(at)
    allowed = choices(now, BillingSettings.current(), today, at_desk=at_desk)
    parts = next((one for one in allowed if len(one) == count), None)
    if parts is None:
        raise BillingRefused(
            f"Ces {euros(now.left)} ne se paient pas en {count} fois : choisissez parmi ce qui est proposé."
        )
    plan = InstalmentPlan.objects.create(invoice=now, agreed_at=at, by=by)
    up_to, rows = now.total - now.left, []
    for part in parts:
        up_to += part.amount
        rows.append(Instalment(plan=plan, due_on=part.due_on, amount=part.amount, up_to=up_to))
    Instalment.objects.bulk_create(rows)
    return plan


@transaction.atomic
def end(plan: InstalmentPlan, *, by: User, at: datetime) -> None:
    """What is left is due as the invoice says again. Raises BillingRefused where it is ended."""
    own.check(by, [plan.invoice.household_id], right=RIGHT, at=at)
    Household.objects.lock([plan.invoice.household_id])
    plan = InstalmentPlan.objects.select_for_update(of=("self",)).get(pk=plan.pk)
    if plan.ended_at is not None:
        raise BillingRefused("Cet échéancier est déjà annulé.")
    plan.ended_at, plan.ended_by = at, by
    plan.save()
