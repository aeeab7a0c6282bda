"""A decision about arrears in the demo town: the régie stops a family's late days, and may do so again."""

from datetime import datetime, time, timedelta

from django.utils import timezone

from billing.models import ArrearsDecision, BillingSettings
from billing.reminders import arrears, reminding
from billing.reminders.arrears import Wanted
from billing.rules.arrears import Stops
from portal.demo import banks
from portal.demo.people import People

REMINDED = 2  # families: one is decided about, another may be


def decide(at: datetime, people: People) -> ArrearsDecision | None:
    """Of families that nothing else is told of; None where nobody is late enough on the day it is loaded."""
    today = timezone.localdate(at)
    day = today - timedelta(days=BillingSettings.current().arrears_days + 1)
    late = reminding.overdue(day).exclude(household__in=banks.told(people)).order_by("pay_by", "pk")
    one_each = {invoice.household_id: invoice for invoice in reversed(late)}
    wanted = sorted(one_each.values(), key=lambda one: (one.pay_by, one.pk))[:REMINDED]
    moment = timezone.make_aware(datetime.combine(day, time(9)))
    reminding.remind([invoice.pk for invoice in wanted], at=moment, by=people.regie)
    for invoice in wanted:
        home = invoice.household
        if arrears.hindrance(home, today):
            continue
        said = Wanted(
            Stops.LATE,
            arrears.may_stop(Stops.LATE)[:1],
            "Des factures restent à payer malgré notre relance. Parlons-en : un échéancier est possible.",
            "Une relance, aucun appel.",
        )
        seen = arrears.foresee(home, said, at=at).stamp
        return arrears.decide(home, said, seen=seen, by=people.regie, at=at)
    return None
