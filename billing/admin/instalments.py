"""« Payer en plusieurs fois » at the desk: the due dates of an invoice, agreed and ended."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from billing.invoices.refusals import BillingRefused
from billing.models import BillingSettings, Invoice
from billing.payments import instalments, plans
from billing.rules import instalments as rules
from portal.desk.pages import OwnPages
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest


class InParts(OwnPages[Invoice]):
    """Adds the page to a model's."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/en-plusieurs-fois/", wrap(self.in_parts), name="billing_invoice_in_parts"),
            *super().get_urls(),
        ]

    def schedule(self, pk: int) -> list[str]:
        """Its due dates in words; none where it is paid at once."""
        invoice = Invoice.objects.with_balance().filter(pk=pk).first()
        found = plans.of([pk]).get(pk)
        if invoice is None or found is None:
            return []
        return [
            f"{euros(part.amount)} au plus tard le {short_day(part.due_on, year=True)}"
            f"{'' if part.left else ', réglés'}"
            for part in found.parts(invoice)
        ]

    def in_parts(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """In how many times an invoice is paid from now on; or, where it is, the end of that."""
        self.demand(request, instalments.RIGHT)
        invoice: Any = get_object_or_404(Invoice.objects.with_balance(), pk=pk)
        back = reverse("admin:billing_invoice_change", args=[pk])
        schedule = plans.of([pk]).get(pk)
        form: forms.Form
        if schedule is not None:
            form = forms.Form(request.POST if request.method == "POST" else None)
            title, button = "Annuler l'échéancier", "Annuler l'échéancier"
            lead = f"Facture {invoice.number} : {' ; '.join(self.schedule(pk))}. Annulé, ce qui reste,"
            lead += f" {euros(invoice.left)}, est dû au plus tard le jour que dit la facture."
        else:
            offered = instalments.choices(
                invoice, BillingSettings.current(), timezone.localdate(), at_desk=True
            )
            if not offered:
                why = "elle est payée" if invoice.left <= 0 else f"il ne reste que {euros(invoice.left)}"
                text = f"La facture {invoice.number} ne se paie pas en plusieurs fois : {why}."
                messages.info(request, text)
                return redirect(back)
            form = TimesForm(
                request.POST or None, offered=[(len(one), rules.in_words(one)) for one in offered]
            )
            title, button = "Payer en plusieurs fois", "Accorder ces échéances"
            lead = f"Facture {invoice.number} : reste {euros(invoice.left)}. La facture elle-même ne change"
            lead += " pas ; prélèvements et relances suivent les échéances."
        if request.method == "POST" and form.is_valid():
            try:
                if schedule is not None:
                    instalments.end(schedule.plan, by=request.user, at=timezone.now())
                    said = f"La facture {invoice.number} n'est plus payée en plusieurs fois."
                else:
                    count = int(form.cleaned_data["times"])
                    instalments.agree(invoice, count, by=request.user, at=timezone.now(), at_desk=True)
                    said = f"La facture {invoice.number} se paie en {count} fois."
            except BillingRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, said)
                return redirect(back)
        context: dict[str, Any] = {"form": form, "button": button, "back": back, "lead": lead}
        return self.page(request, "admin/billing/form.html", title, context)

    @admin.display(description="en plusieurs fois")
    def in_parts_shown(self, obj: Invoice) -> str:
        return " ; ".join(self.schedule(obj.pk)) or "non"


class TimesForm(forms.Form):
    times = forms.ChoiceField(label="En combien de fois", widget=forms.RadioSelect)

    def __init__(self, *args: Any, offered: list[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        times = field_of(self, "times", forms.ChoiceField)
        times.choices = [(count, words[:1].upper() + words[1:]) for count, words in offered]
