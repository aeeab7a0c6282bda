"""« Décision de la mairie »: what it stops, why, until when; how to pay, whom to talk to."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from billing.payments.providers import choosing
from billing.reminders import arrears, reminder_letters
from families import which_home
from portal.web.signed_in import SignedInRequest


@require_safe
def decision(request: SignedInRequest) -> HttpResponse:
    """All that stand for the household; a letter's link still opens when none does any more."""
    shown = arrears.of_home(which_home.household(request), timezone.localdate())
    invoices = {one.pk: (one, late) for each in shown for one, late in each.invoices}
    first, _ = next(iter(invoices.values()), (None, None))
    context = {
        "shown": shown,
        "invoices": list(invoices.values()),
        "payable": choosing.offered() and bool(invoices),
        "means": reminder_letters.means(first.issuer, first.number) if first else [],
    }
    return render(request, "billing/arrears.html", context)
