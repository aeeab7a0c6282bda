"""What a family sees of its invoices."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from billing.documents import credit_notes, pdf, provisional, specimens, wording, yearly
from billing.invoices import late_collection, regies
from billing.invoices.refusals import BillingRefused
from billing.models import CreditNote, Invoice, InvoiceState, Payment, cards_are_sold
from billing.payments import instalments, plans
from billing.payments.instalments import town_settings
from billing.payments.providers import choosing
from billing.reminders import reminding
from billing.rules import instalments as rules
from families import which_home
from families.models import Household
from portal.database import trials
from portal.files.handing_over import hand_over
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

A_PAGE = 24


@require_safe
def invoice_list(request: SignedInRequest) -> HttpResponse:
    """Every invoice and payment of the household."""
    page = Paginator(which_home.rows(request, Invoice.objects.visible_to(request.user)), A_PAGE).get_page(
        request.GET.get("page")
    )
    today = timezone.localdate()
    shown = wording.invoices(Invoice.objects.filter(pk__in=[invoice.pk for invoice in page]), today)
    payments, years = Payment.objects.none(), list[int]()
    if page.number == 1:
        payments = which_home.rows(request, Payment.objects.visible_to(request.user).with_end())[:A_PAGE]
        years = yearly.years_of(_own(request))
    context = {
        "page": page,
        "invoices": shown,
        "payments": payments,
        "credit_notes": _notes(shown),
        "payable": choosing.offered() and any(each.payable for each in shown),
        "tax_years": [(year, yearly.is_over(year, today)) for year in years],
        "late_rules": late_collection.used(),
        "cards_are_sold": cards_are_sold(),
        "on_trial": trials.current() is not None,
    }
    return render(request, "billing/invoices.html", context)


def _notes(shown: Sequence[wording.ShownInvoice]) -> Sequence[CreditNote]:
    """Of the invoices shown, newest first; no query where there is none."""
    credited = [each.invoice.pk for each in shown if each.credited]
    notes = CreditNote.objects.filter(invoice__in=credited).select_related("invoice")
    return list(notes) if credited else []


@require_safe
def invoice(request: SignedInRequest, invoice_id: int) -> HttpResponse:
    """« Détail de la facture », as a page of its own."""
    found = which_home.row(request, Invoice.objects.visible_to(request.user), pk=invoice_id)
    (shown,) = wording.invoices(Invoice.objects.filter(pk=found.pk), timezone.localdate())
    reminder = reminding.last_reminder(found) if shown.state == InvoiceState.OVERDUE else None
    context = {
        "shown": shown,
        "allocations": wording.payments_of(found),
        "credit_notes": found.credit_notes.all(),
        "given_up": [row for row in found.write_offs.all() if row.told],
        "reminded_on": timezone.localdate(reminder.sent_at) if reminder else None,
        "payable": shown.payable and choosing.current(regies.code_of(found.regie_id)) is not None,
        **_in_parts(shown),
    }
    return render(request, "billing/invoice_page.html", context)


def _in_parts(shown: wording.ShownInvoice) -> dict[str, Any]:
    """The due dates of an invoice that is paid in several times, or those that may be chosen."""
    if not shown.to_pay:
        return {}
    now, today = shown.invoice, timezone.localdate()
    schedule = plans.among([now]).get(now.pk)
    if schedule is not None:
        return {"parts": [(part, part.late(today)) for part in schedule.parts(now)]}
    if not shown.payable:
        return {}
    offered = instalments.choices(now, town_settings(), today)
    return {"times": [(len(one), rules.in_words(one)) for one in offered]}


@require_POST
def pay_in_parts(request: SignedInRequest, invoice_id: int) -> HttpResponse:
    """« Payer en plusieurs fois »: so many due dates, from now on."""
    found = which_home.row(request, Invoice.objects.visible_to(request.user), pk=invoice_id)
    try:
        plan = instalments.agree(
            found, posted_number(request.POST.get("fois", "")) or 0, by=request.user, at=timezone.now()
        )
    except BillingRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"C'est noté : vous payez en {plan.instalments.count()} fois.")
    return redirect("billing:invoice", found.pk)


@require_safe
def credit_note(request: SignedInRequest, number: str) -> HttpResponse:
    """What a credit note takes back, why, and what becomes of the money."""
    found = which_home.row(request, CreditNote.objects.visible_to(request.user), number=number)
    context = {
        "note": found,
        "groups": credit_notes.grouped(credit_notes.lines_of(found)),
        "becomes": credit_notes.becomes(found),
    }
    return render(request, "billing/credit_note_page.html", context)


@require_safe
def credit_note_pdf(request: SignedInRequest, number: str) -> HttpResponse:
    found = which_home.row(request, CreditNote.objects.visible_to(request.user), number=number)
    return hand_over(credit_notes.render(found), f"Avoir-{found.number}.pdf", inline=True)


@require_safe
def specimen_pdf(request: SignedInRequest) -> HttpResponse:
    """What a trial household would be billed, on paper; of a real one there is none."""
    if trials.current() is None:
        raise Http404
    today = timezone.localdate()
    months = provisional.Months.around(today)
    wanted = months.read(request.GET.get("mois", ""))
    home = get_object_or_404(provisional.homes(_own(request), months, wanted))
    content = specimens.draw(home, provisional.foresee_months(home, months, wanted, today), wanted)
    return hand_over(content, f"Specimen-{wanted:%Y-%m}.pdf", inline=True)


def _own(request: SignedInRequest) -> QuerySet[Household]:
    return which_home.rows(request, Household.objects.visible_to(request.user))


@require_safe
def provisional_invoice(request: SignedInRequest) -> HttpResponse:
    """« Facture prévisionnelle » of the running month, or of the one before or after it."""
    today = timezone.localdate()
    months = provisional.Months.around(today)
    wanted = months.read(request.GET.get("mois", ""))
    home = get_object_or_404(provisional.homes(_own(request), months, wanted))
    invoices = provisional.pending(home, months)
    if wanted not in invoices:
        month = months.running if months.running in invoices else invoices[0]
        return redirect(f"{reverse('billing:provisional')}?mois={month:%Y-%m}")
    return render(
        request,
        "billing/provisional.html",
        {
            "foreseen": provisional.foresee_months(home, months, wanted, today),
            "on_trial": trials.current() is not None,
        },
    )


@require_safe
def invoice_pdf(request: SignedInRequest, invoice_id: int) -> HttpResponse:
    """The printed invoice, made on the first call; what was paid since is on it."""
    found = which_home.row(request, Invoice.objects.visible_to(request.user), pk=invoice_id)
    try:
        content = pdf.as_it_stands(found, at=timezone.now())
    except pdf.PdfLost as lost:
        messages.error(request, str(lost))
        return redirect("billing:invoice", found.pk)
    return hand_over(content, f"Facture-{found.number}.pdf", inline=True)
