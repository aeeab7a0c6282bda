"""A household's account: what moved its balance, a row each. Written by `billing.invoices.ledger` only."""

from datetime import date
from decimal import Decimal

from django.db import models
from django.db.models import Q, Sum

from billing.models.regies import Regie
from families.models import Household
from families.visibility import VisibleQuerySet

ZERO = Decimal("0.00")


class EntryKind(models.TextChoices):
    INVOICE = "invoice", "Facture"
    CREDIT = "credit", "Avoir"
    PAYMENT = "payment", "Règlement"
    REFUND = "refund", "Remboursement"
    REVERSAL = "reversal", "Annulation"
    TRANSFER = "transfer", "Transfert"
    WRITE_OFF = "write_off", "Abandon de créance"
    CARRIED = "carried", "Report"


# A document of these kinds has one row.
ONE_ROW_EACH = (
    EntryKind.INVOICE,
    EntryKind.CREDIT,
    EntryKind.PAYMENT,
    EntryKind.REFUND,
    EntryKind.WRITE_OFF,
    EntryKind.REVERSAL,
    EntryKind.TRANSFER,
)


class AccountEntryQuerySet(VisibleQuerySet["AccountEntry"]):
    def up_to(self, day: date) -> "AccountEntryQuerySet":
        """What was in the books at the end of that day."""
        return self.filter(booked_on__lte=day)

    def balance(self) -> Decimal:
        """Their sum in euros: positive, the family owes it; negative, the town hall does."""
        return Decimal(self.aggregate(sum=Sum("amount"))["sum"] or ZERO).quantize(ZERO)


class AccountEntry(models.Model):
    """One movement. The database keeps it as it was written; only the household it is found under may change,
    where two households become one."""

    # An erased family's goes once its documents have gone, and the movement is nobody's.
    household = models.ForeignKey(
        Household, on_delete=models.SET_NULL, null=True, related_name="entries", verbose_name="foyer"
    )
    # None: the town's own.
    regie = models.ForeignKey(
        Regie, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="régie"
    )
    kind = models.CharField("nature", max_length=9, choices=EntryKind)
    amount = models.DecimalField(
        "montant",
        max_digits=10,
        decimal_places=2,
        help_text="Positif : la famille le doit. Négatif : il lui est dû, ou elle l'a payé.",
    )
    value_on = models.DateField("date de valeur", help_text="Quand c'était payé, ou émis.")
    booked_on = models.DateField("date comptable")
    # Its number: the document may go after its ten years, the movement stays.
    document = models.CharField("pièce", max_length=24)

    objects = AccountEntryQuerySet.as_manager()

    class Meta:
        verbose_name = "mouvement du compte"
        verbose_name_plural = "mouvements des comptes"
        ordering = ["booked_on", "pk"]
        indexes = [models.Index(fields=["household", "booked_on"], name="entry_by_household_and_day")]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "document"],
                condition=Q(kind__in=["invoice", "credit", "payment", "refund", "reversal", "transfer"]),
                name="one_entry_a_document",
                violation_error_message="Cette pièce est déjà dans le compte.",
            ),
            models.UniqueConstraint(
                fields=["document"],
                condition=Q(kind="write_off"),
                name="one_entry_a_write_off",
                violation_error_message="Cette pièce est déjà dans le compte.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.document}"


class OpeningBalance(models.Model):
    """Where a household stood when accounts were opened, if not at zero: listed for a look, and final."""

    household = models.ForeignKey(
        Household, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="foyer"
    )
    amount = models.DecimalField(
        "solde repris", max_digits=10, decimal_places=2, help_text="Positif : la famille le devait."
    )
    opened_on = models.DateField("repris le")

    class Meta:
        verbose_name = "solde repris"
        verbose_name_plural = "soldes repris"
        ordering = ["-amount", "pk"]

    def __str__(self) -> str:
        return f"Solde repris du foyer {self.household}"
