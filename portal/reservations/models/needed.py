"""What opens only with so many children, and what is sure to open."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from families.models import User
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.models.activities import Activity
from portal.reservations.models.calendar import Establishment


class NeededChildren(models.Model):
    """That each day of an activity, or each period of it, opens at a place only with so many children."""

    class Per(models.TextChoices):
        DAY = "day", "Chaque jour"
        PERIOD = "period", "Toute la période"

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="needed_children", verbose_name="activité"
    )
    establishment = models.ForeignKey(
        Establishment,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        verbose_name="lieu",
        help_text="Vide : chacun des lieux de l'activité.",
    )
    children = models.PositiveSmallIntegerField(
        "enfants au moins", validators=[MinValueValidator(2), MaxValueValidator(500)]
    )
    per = models.CharField("compté pour", max_length=6, choices=Per, default=Per.DAY)
    days_before = models.PositiveSmallIntegerField(
        "décidé combien de jours avant",
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(120)],
        help_text="Avant le jour, ou avant le premier jour de la période. Assez tôt après le dernier moment "
        "pour réserver.",
    )

    class Meta:
        verbose_name = "minimum d'enfants pour ouvrir"
        verbose_name_plural = "minimums d'enfants pour ouvrir"
        ordering = ["activity", "establishment"]
        constraints = [
            models.UniqueConstraint(
                "activity",
                Coalesce("establishment", 0),
                name="one_needed_number_a_place",
                violation_error_message="Ce minimum est déjà indiqué.",
            )
        ]

    def __str__(self) -> str:
        place = f", {self.establishment}" if self.establishment else ""
        return f"{self.activity}{place} : {counted(self.children, 'enfant', 'enfants')} au moins"

    @property
    def a_day(self) -> bool:
        """Whether each day counts by itself."""
        return self.per == self.Per.DAY


class SureOpening(models.Model):
    """That days of an activity at a place are sure to open; its families were told."""

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="+", verbose_name="activité"
    )
    establishment = models.ForeignKey(
        Establishment, on_delete=models.CASCADE, related_name="+", verbose_name="lieu"
    )
    starts_on = models.DateField("du")
    ends_on = models.DateField("au")
    at = models.DateTimeField("confirmée le", editable=False)
    by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name="confirmée par",
    )

    class Meta:
        verbose_name = "ouverture confirmée"
        verbose_name_plural = "ouvertures confirmées"
        ordering = ["-starts_on", "activity"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("starts_on")),
                name="sure_opening_ends_after_start",
                violation_error_message="Le dernier jour vient avant le premier.",
            )
        ]

    def __str__(self) -> str:
        days = moments.span(self.starts_on, self.ends_on, year=True)
        return f"{self.activity}, {self.establishment}, {days}"
