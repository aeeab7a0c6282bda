"""Cash counted, cheques and cash handed over. Slips are written by `payments/deposits.py` only, counts by
`payments/counting.py`.
"""

from decimal import Decimal

from django.db import models
from django.db.models import Q

from billing.models.means import label
from billing.models.numbered import Numbered
from billing.models.payments import Payment
from billing.models.regies import Regie
from families.models import User


class CashCount(models.Model):
    """What the till held, beside what the book said at that moment. Never changed: one counts again."""

    counted_at = models.DateTimeField("compté le")
    counted_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="compté par"
    )
    # None: the town's own.
    regie = models.ForeignKey(
        Regie, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="régie"
    )
    # Of one agent's own takings; empty: the whole till.
    agent = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="caisse de"
    )
    cash_float = models.DecimalField("fonds de caisse", max_digits=8, decimal_places=2)
    taken = models.DecimalField("espèces depuis le dernier versement", max_digits=10, decimal_places=2)
    counted = models.DecimalField("compté", max_digits=10, decimal_places=2)
    # « 20 » → 3: three notes of twenty euros.
    pieces = models.JSONField("billets et pièces", default=dict, blank=True)
    remark = models.CharField("remarque", max_length=300, blank=True)

    class Meta:
        verbose_name = "comptage de caisse"
        verbose_name_plural = "comptages de caisse"
        ordering = ["-counted_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(counted__gte=0),
                name="cash_counted_not_negative",
                violation_error_message="Une caisse ne contient jamais moins que rien.",
            )
        ]

    def __str__(self) -> str:
        return f"Comptage du {self.counted_at:%d/%m/%Y}"

    @property
    def expected(self) -> Decimal:
        return self.cash_float + self.taken

    @property
    def difference(self) -> Decimal:
        """What is there too much, or missing (negative)."""
        return self.counted - self.expected


class DepositSlip(Numbered):
    """Payments of one means handed over together: cheques to the bank, vouchers to who pays them back, cash
    to the comptable. Its number is never used again; typed wrong, it is cancelled (`DepositCancellation`)."""

    # None: the town's own.
    regie = models.ForeignKey(
        Regie, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="régie"
    )
    means = models.CharField("moyen de paiement", max_length=8)
    deposited_on = models.DateField("remis le")
    total = models.DecimalField("total", max_digits=10, decimal_places=2)
    line_count = models.PositiveSmallIntegerField("nombre de règlements")
    made_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="établi par"
    )
    made_at = models.DateTimeField("établi le")

    class Meta:
        verbose_name = "bordereau de remise"
        verbose_name_plural = "bordereaux de remise"
        ordering = ["-made_at", "-sequence"]
        constraints = [
            models.UniqueConstraint(
                fields=["series", "year", "sequence"], name="one_slip_a_number_in_series"
            ),
            models.CheckConstraint(
                condition=Q(total__gt=0),
                name="slip_positive",
                violation_error_message="Un bordereau est d'un montant positif.",
            ),
        ]

    def __str__(self) -> str:
        return f"Bordereau n°\xa0{self.number}"

    @property
    def means_label(self) -> str:
        return label(self.means)


class DepositLine(models.Model):
    """A payment on a slip, as it was then. It stands on one slip that counts, at most."""

    slip = models.ForeignKey(
        DepositSlip, on_delete=models.PROTECT, related_name="lines", verbose_name="bordereau"
    )
    position = models.PositiveSmallIntegerField("rang", db_default=0)
    # It may go after its ten years; its number stays.
    payment = models.ForeignKey(
        Payment, on_delete=models.SET_NULL, null=True, related_name="deposits", verbose_name="règlement"
    )
    number = models.CharField("reçu n°", max_length=24)
    drawer = models.CharField("payeur", max_length=200, blank=True)
    reference = models.CharField("référence", max_length=100, blank=True)
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)
    cancelled = models.BooleanField("bordereau annulé", default=False)

    class Meta:
        verbose_name = "règlement remis"
        verbose_name_plural = "règlements remis"
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["payment"],
                condition=Q(cancelled=False, payment__isnull=False),
                name="payment_on_one_slip",
                violation_error_message="Ce règlement est déjà sur un bordereau.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.slip}, reçu n°\xa0{self.number}"


class DepositCancellation(models.Model):
    """That a slip counts no more: its payments may be handed over again."""

    slip = models.OneToOneField(
        DepositSlip, on_delete=models.PROTECT, related_name="cancellation", verbose_name="bordereau"
    )
    reason = models.CharField("motif", max_length=300)
    cancelled_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="annulé par"
    )
    cancelled_at = models.DateTimeField("annulé le")

    class Meta:
        verbose_name = "annulation de bordereau"
        verbose_name_plural = "annulations de bordereaux"

    def __str__(self) -> str:
        return f"Annulation du {str(self.slip).lower()}"
