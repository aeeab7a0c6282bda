"""To whom a message goes, of money: families that owe."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django import forms

from billing.models import Invoice
from families.messages.audiences import Keys, Part
from portal.french.amounts import euros

# Invoices belong to the whole town: who has some places only is not asked this.
RIGHTS = ("billing.view_invoice",)


class Owing(Part):
    code = "factures"
    legend = "Qui doit de l'argent"

    owes = forms.DecimalField(
        label="Doit au moins (€)", required=False, min_value=Decimal("0.01"), max_digits=8, decimal_places=2
    )
    overdue = forms.BooleanField(label="Seulement ce qui est en retard", required=False)

    def homes(self) -> Keys:
        rows = Invoice.objects.with_balance().filter(left__gt=Decimal(0))
        if self.cleaned_data["overdue"]:
            rows = rows.filter(pay_by__lt=self.today)
        owed: dict[int, Decimal] = defaultdict(Decimal)
        for home, left in rows.order_by().values_list("household", "left"):
            owed[home] += left
        least = self.cleaned_data["owes"] or Decimal("0.01")
        return [home for home, amount in owed.items() if amount >= least]

    def words(self) -> list[str]:
        late = ", en retard" if self.cleaned_data["overdue"] else ""
        least: Any = self.cleaned_data["owes"]
        return [f"doit {euros(least)} ou plus{late}" if least else f"a une facture à payer{late}"]
