"""Whose money it is: a household by its number, or by that of one of its invoices."""

from django import forms

from billing.models import Invoice
from families.models import Household
from portal.web.posted import posted_number


class HouseholdForm(forms.Form):
    number = forms.CharField(
        label="Foyer ou facture", help_text="Le numéro du foyer (000123) ou d'une facture (F2026-000042)."
    )

    def clean_number(self) -> Household:
        said = self.cleaned_data["number"].strip()
        invoice = Invoice.objects.filter(number__iexact=said).select_related("household").first()
        if invoice is not None:
            return invoice.household
        number = posted_number(said)
        homes = Household.objects.select_related("joined_to")
        household = None if number is None else homes.filter(pk=number).first()
        if household is None:
            raise forms.ValidationError("Aucun foyer ni aucune facture ne porte ce numéro.")
        return household.joined_to or household
