"""Months as they were counted: numbers that nobody's erasure changes. Written by `statistics/` only."""

from django.db import models
from django.db.models.functions import Coalesce

from portal.reservations.models.activities import Activity, Formula
from portal.reservations.models.calendar import Establishment


class CountedMonth(models.Model):
    """A month that was counted; `closed`: for good."""

    first = models.DateField("mois", primary_key=True)
    counted_at = models.DateTimeField("compté le")
    closed = models.BooleanField("définitif", default=False)

    class Meta:
        verbose_name = "mois compté"
        verbose_name_plural = "mois comptés"
        ordering = ["-first"]

    def __str__(self) -> str:
        return f"{self.first:%m/%Y}"


class MonthlyFigure(models.Model):
    """A number of a month. What `count`, `total`, `what` and `step` are is said by each kind."""

    class Kind(models.TextChoices):
        # `count` bookings held, of `total` children; `what`: « repas » where a meal is eaten.
        PRESENCES = "presences", "Présences réservées"
        # `count` absences seen of children who had booked.
        ABSENCES = "absences", "Absences"
        # `count` children who had booked; at each place, in each activity, and in the town.
        CHILDREN = "children", "Enfants accueillis"
        # `count` places taken of `total`; `what`: the name of the period.
        OCCUPANCY = "occupancy", "Occupation"
        # `count` requests answered; `what`: of which kind; `step`: after how many days.
        ANSWERED = "answered", "Demandes traitées"
        # `count` bookings held, of `total` children; `what`: the band of their quotient; `step`: its order.
        # At each place, and in the town.
        BANDS = "bands", "Présences par tranche de quotient"

    month = models.ForeignKey(
        CountedMonth, on_delete=models.CASCADE, related_name="figures", verbose_name="mois"
    )
    kind = models.CharField("chiffre", max_length=12, choices=Kind)
    establishment = models.ForeignKey(
        Establishment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="établissement",
    )
    activity = models.ForeignKey(
        Activity, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="activité"
    )
    formula = models.ForeignKey(
        Formula, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="formule"
    )
    what = models.CharField("détail", max_length=120, blank=True)
    step = models.PositiveIntegerField("rang", default=0)
    count = models.PositiveIntegerField("nombre")
    total = models.PositiveIntegerField("sur", default=0)

    class Meta:
        verbose_name = "chiffre d'un mois"
        verbose_name_plural = "chiffres des mois"
        ordering = ["month", "kind", "pk"]
        indexes = [models.Index(fields=["kind", "month"], name="figure_by_kind_and_month")]
        constraints = [
            models.UniqueConstraint(
                "month",
                "kind",
                Coalesce("establishment", 0),
                Coalesce("activity", 0),
                Coalesce("formula", 0),
                "what",
                "step",
                name="one_figure_of_a_month",
                violation_error_message="Ce chiffre est déjà compté pour ce mois.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.month} : {self.count}"
