"""« Recalculer un mois »: billed days priced again by what is known today."""

from decimal import Decimal

from django.db import models

from billing.models.invoices import Invoice
from families.models import Household, User
from portal.french.dates import month_name


class Recalculation(models.Model):
    """That a billed month is to be priced again, of one household or all: counted first, then confirmed."""

    class State(models.TextChoices):
        COUNTING = "counting", "Calcul en cours"
        READY = "ready", "À confirmer"
        WORKING = "working", "En cours"
        DONE = "done", "Confirmé"
        FAILED = "failed", "Interrompu"

    month = models.DateField("mois")
    household = models.ForeignKey(
        Household,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="foyer",
    )
    reason = models.CharField("motif (interne)", max_length=300)
    state = models.CharField("état", max_length=8, choices=State, default=State.COUNTING)
    asked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="demandé par"
    )
    asked_at = models.DateTimeField("demandé le")
    confirmed_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="confirmé par"
    )
    confirmed_at = models.DateTimeField("confirmé le", null=True, blank=True)
    households = models.PositiveIntegerField("foyers à voir", default=0)
    done = models.PositiveIntegerField("foyers vus", default=0)

    class Meta:
        verbose_name = "recalcul d'un mois"
        verbose_name_plural = "recalculs d'un mois"
        ordering = ["-asked_at", "-pk"]

    def __str__(self) -> str:
        whose = f" – {self.household}" if self.household else ""
        return f"Recalcul de {month_name(self.month)}{whose}"

    @property
    def works(self) -> bool:
        """Whether the worker has it in hand."""
        return self.state in (self.State.COUNTING, self.State.WORKING)


class RecalculatedHousehold(models.Model):
    """What a recalculation makes of a household's month.

    `changes` are the days and flat prices that cost otherwise (`recalculating.Change`): once confirmed, its
    next invoice takes them over as they are. Who owes the same has no row, unless to undo an earlier one.
    """

    class State(models.TextChoices):
        PROPOSED = "proposed", "Proposé"
        CHANGED = "changed", "A changé depuis l'aperçu"
        CONFIRMED = "confirmed", "Pour la prochaine facture"
        REPLACED = "replaced", "Remplacé par un autre recalcul"
        BILLED = "billed", "Facturé"
        NONE = "none", "Rien à changer"

    recalculation = models.ForeignKey(
        Recalculation, on_delete=models.CASCADE, related_name="homes", verbose_name="recalcul"
    )
    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="recalculated", verbose_name="foyer"
    )
    state = models.CharField("état", max_length=9, choices=State, default=State.PROPOSED)
    billed = models.DecimalField("facturé", max_digits=10, decimal_places=2)
    amount = models.DecimalField("recalculé", max_digits=10, decimal_places=2)
    changes = models.JSONField("ce qui change", default=list)
    invoice = models.ForeignKey(
        Invoice,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="repris sur la facture",
    )

    class Meta:
        verbose_name = "foyer recalculé"
        verbose_name_plural = "foyers recalculés"
        ordering = ["recalculation", "household"]
        constraints = [
            models.UniqueConstraint(
                fields=["recalculation", "household"],
                name="one_household_a_recalculation",
                violation_error_message="Ce foyer est déjà dans ce recalcul.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.recalculation} – {self.household}"

    @property
    def difference(self) -> Decimal:
        return self.amount - self.billed
