"""Mandates and direct debits. Written by `sepa.py` only."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, OuterRef, Q, Value
from django.db.models.functions import Coalesce
from simple_history.models import HistoricalRecords

from billing.models.invoices import Invoice
from billing.models.payments import Payment
from billing.models.regies import Regie
from families.models import Household, User
from portal.database.encrypted import (
    EncryptedIbanField,
    EncryptedTextField,
    EndOf,
    FingerprintOf,
    fingerprints,
)
from portal.french.official_numbers import BicField


class MandateQuerySet(models.QuerySet["Mandate"]):
    def of_invoice(self) -> "MandateQuerySet":
        """Within a query of invoices: the mandate by which each may be debited."""
        own = Value(0, output_field=models.BigIntegerField())
        whose = Coalesce("regie", own, output_field=models.BigIntegerField())
        of = Coalesce(OuterRef("regie"), own, output_field=models.BigIntegerField())
        return self.alias(whose=whose).filter(household=OuterRef("household"), whose=of, revoked_on=None)

    def of_account(self, iban: str) -> "MandateQuerySet":
        """The mandates on an account, whosever they are; `iban` as it is kept, see IbanField."""
        return self.filter(iban_fingerprint__in=fingerprints(iban))


class Mandate(models.Model):
    """A household's signed leave to debit its account."""

    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="mandates", verbose_name="foyer"
    )
    # A mandate names its creditor. None: the town's own.
    regie = models.ForeignKey(
        Regie, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="régie"
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
    iban = EncryptedIbanField("IBAN", max_length=34)
    iban_end = EndOf("IBAN (quatre derniers signes)", max_length=4, of="iban")
    iban_fingerprint = FingerprintOf("IBAN (empreinte)", max_length=80, of="iban", db_index=True)
    bic = BicField("BIC", max_length=11, blank=True)
    signed_on = models.DateField("signé le")
    revoked_on = models.DateField("révoqué le", null=True, blank=True)

    objects = MandateQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "mandat de prélèvement"
        verbose_name_plural = "mandats de prélèvement"
        ordering = ["household", "-signed_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["household"],
                condition=Q(revoked_on__isnull=True, regie__isnull=True),
                name="one_mandate_a_household",
                violation_error_message="Ce foyer a déjà un mandat : révoquez-le d'abord.",
            ),
            models.UniqueConstraint(
                fields=["household", "regie"],
                condition=Q(revoked_on__isnull=True, regie__isnull=False),
                name="one_mandate_a_household_and_regie",
                violation_error_message="Ce foyer a déjà un mandat pour cette régie : révoquez-le d'abord.",
            ),
            models.CheckConstraint(
                condition=Q(revoked_on=None) | Q(revoked_on__gte=F("signed_on")),
                name="mandate_revoked_after_signed",
                violation_error_message="Le mandat est révoqué avant d'être signé.",
            ),
        ]

    def __str__(self) -> str:
        return f"Mandat {self.rum}"

    @property
    def account(self) -> str:
        """« …1234 », for lists."""
        return f"…{self.iban_end}" if self.iban_end else "–"


class DebitFile(models.Model):
    """A pain.008 file given to the bank, kept as it was given."""

    message = models.CharField("message", max_length=35, unique=True)
    # None: the town's own.
    regie = models.ForeignKey(
        Regie, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="régie"
    )
    collected_on = models.DateField("date de prélèvement")
    content = EncryptedTextField("fichier")  # with the IBANs of all who are debited
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
