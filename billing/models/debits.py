"""Mandates and direct debits. Written by `sepa.py` only."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from billing.models.invoices import Invoice
from billing.models.payments import Payment
from families.models import Household, User
from portal.french.official_numbers import BicField, IbanField


class Mandate(models.Model):
    """A household's signed leave to debit its account."""

    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="mandates", verbose_name="foyer"
    )
    rum = models.CharField(
        "RUM",
        max_length=35,
        unique=True,
        validators=[
            RegexValidator(r"^[A-Za-z0-9+?/:().,'-]{1,35}$", "35 lettres et chiffres au plus, sans espace.")
        ],
        help_text="Référence unique du mandat.",
    )
    debtor = models.CharField("titulaire du compte", max_length=70)
    iban = IbanField("IBAN", max_length=34)
    bic = BicField("BIC", max_length=11, blank=True)
    signed_on = models.DateField("signé le")
    revoked_on = models.DateField("révoqué le", null=True, blank=True)
    history = HistoricalRecords()

    class Meta:
        verbose_name = "mandat de prélèvement"
        verbose_name_plural = "mandats de prélèvement"
        ordering = ["household", "-signed_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["household"],
                condition=Q(revoked_on__isnull=True),
                name="one_mandate_a_household",
                violation_error_message="Ce foyer a déjà un mandat : révoquez-le d'abord.",
            ),
            models.CheckConstraint(
                condition=Q(revoked_on=None) | Q(revoked_on__gte=F("signed_on")),
                name="mandate_revoked_after_signed",
                violation_error_message="Le mandat est révoqué avant d'être signé.",
            ),
        ]

    def __str__(self) -> str:
        return f"Mandat {self.rum}"


class DebitFile(models.Model):
    """A pain.008 file given to the bank, kept as it was given."""

    message = models.CharField("message", max_length=35, unique=True)
    collected_on = models.DateField("date de prélèvement")
    content = models.TextField("fichier")
    made_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="créé par"
    )
    made_at = models.DateTimeField("créé le")

    class Meta:
        verbose_name = "fichier de prélèvements"
        verbose_name_plural = "fichiers de prélèvements"
        ordering = ["-made_at"]

    def __str__(self) -> str:
        return f"Prélèvements {self.message}"


class Debit(models.Model):
    """One invoice debited by a file. Its payment waits for the bank, then counts, or comes back."""

    file = models.ForeignKey(
        DebitFile, on_delete=models.PROTECT, related_name="debits", verbose_name="fichier"
    )
    mandate = models.ForeignKey(
        Mandate, on_delete=models.PROTECT, related_name="debits", verbose_name="mandat"
    )
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="debits", verbose_name="facture"
    )
    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, related_name="debit", verbose_name="règlement"
    )
    returned_on = models.DateField("rejeté le", null=True, blank=True)
    return_reason = models.CharField("motif du rejet", max_length=140, blank=True)

    class Meta:
        verbose_name = "prélèvement"
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"Prélèvement de {self.invoice}"
