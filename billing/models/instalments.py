"""An invoice paid in several due dates. The invoice itself does not change. Written by
`billing.payments.instalments` only."""

from django.db import models
from django.db.models import Q

from families.models import User
from portal.french.amounts import euros


class InstalmentPlan(models.Model):
    """That an invoice is paid in several times, until somebody ends it."""

    invoice = models.ForeignKey(
        "billing.Invoice", on_delete=models.PROTECT, related_name="plans", verbose_name="facture"
    )
    agreed_at = models.DateTimeField("accordé le")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="par")
    ended_at = models.DateTimeField("annulé le", null=True, blank=True)
    ended_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="annulé par"
    )

    class Meta:
        verbose_name = "échéancier"
        verbose_name_plural = "échéanciers"
        ordering = ["-agreed_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice"],
                condition=Q(ended_at=None),
                name="one_plan_an_invoice",
                violation_error_message="Cette facture a déjà un échéancier.",
            )
        ]

    def __str__(self) -> str:
        return f"Échéancier de {self.invoice}"


class Instalment(models.Model):
    """One due date. `up_to`: how much of the invoice is settled once it is paid, with those before it."""

    plan = models.ForeignKey(
        InstalmentPlan, on_delete=models.CASCADE, related_name="instalments", verbose_name="échéancier"
    )
    due_on = models.DateField("à payer au plus tard le")
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)
    up_to = models.DecimalField("payé en tout", max_digits=10, decimal_places=2)

    class Meta:
        verbose_name = "échéance"
        ordering = ["plan", "due_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["plan", "due_on"],
                name="one_instalment_a_day",
                violation_error_message="Deux échéances tombent le même jour.",
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0),
                name="instalment_positive",
                violation_error_message="Une échéance est d'un montant positif.",
            ),
        ]

    def __str__(self) -> str:
        return f"{euros(self.amount)} le {self.due_on:%d/%m/%Y}"
