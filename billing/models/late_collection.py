"""Children who are collected after closing time: the town's rule, and each evening with what it costs."""

from datetime import date
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from billing.rules import late_collection as rules
from families.models import Child, Household, User
from families.visibility import OfChild
from portal.french import moments
from portal.reservations.models import Activity, Establishment


class LateCollectionRule(models.Model):
    """What a departure after closing costs in an activity, from a day on."""

    class Span(models.TextChoices):
        MONTH = rules.Span.MONTH.value, "mois"
        YEAR = rules.Span.YEAR.value, "année scolaire"

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="late_rules", verbose_name="activité"
    )
    valid_from = models.DateField("à partir du")
    valid_to = models.DateField("jusqu'au", null=True, blank=True)
    closes_at = models.TimeField("fermeture à", help_text="Par exemple 18:30.")
    tolerance = models.PositiveSmallIntegerField(
        "minutes de tolérance", default=0, help_text="Un départ dans ces minutes n'est pas un retard."
    )
    quarter = models.DecimalField(
        "prix par quart d'heure commencé", max_digits=7, decimal_places=2, null=True, blank=True
    )
    flat = models.DecimalField(
        "forfait",
        max_digits=7,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="Dû à la place des quarts d'heure.",
    )
    flat_after = models.TimeField(
        "forfait après", null=True, blank=True, help_text="Vide : dès la fermeture. Par exemple 18:50."
    )
    from_nth = models.PositiveSmallIntegerField(
        "facturé à partir du … retard",
        default=1,
        help_text="3 : les deux premiers retards ne sont que signalés à la famille.",
    )
    span = models.CharField("retards comptés par", max_length=5, choices=Span, default=Span.YEAR)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "règle de départ tardif"
        verbose_name_plural = "règles de départ tardif"
        ordering = ["activity", "-valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["activity", "valid_from"],
                name="one_late_rule_an_activity_and_day",
                violation_error_message="Cette activité a déjà une règle à partir de ce jour.",
            ),
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="late_rule_ends_after_it_starts",
                violation_error_message="Le dernier jour ne peut pas précéder le premier.",
            ),
            models.CheckConstraint(
                condition=(Q(quarter__gt=0) | Q(quarter=None))
                & (Q(flat__gt=0) | Q(flat=None))
                & (Q(quarter__isnull=False) | Q(flat__isnull=False)),
                name="late_rule_has_a_price",
                violation_error_message="Indiquez un prix par quart d'heure, un forfait, ou les deux.",
            ),
            models.CheckConstraint(
                condition=Q(from_nth__gte=1),
                name="late_rule_counts_from_one",
                violation_error_message="Le premier retard est le numéro 1.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.activity} – départ après {moments.hour(self.closes_at)}"

    def clean(self) -> None:
        super().clean()
        found: dict[str, str] = {}
        if self.flat_after is not None and self.flat is None:
            found["flat"] = "Indiquez le forfait qui est dû après cette heure."
        if self.flat is not None and self.quarter is not None and self.flat_after is None:
            found["flat_after"] = (
                "Dès la fermeture, le forfait remplace les quarts d'heure : indiquez après quelle heure."
            )
        if self.flat_after is not None and self.closes_at is not None and self.flat_after <= self.closes_at:
            found["flat_after"] = "Cette heure vient après la fermeture."
        if found:
            raise ValidationError(found)

    def in_force(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def rule(self) -> rules.LateRule:
        return rules.LateRule(
            self.closes_at,
            self.quarter,
            self.flat,
            self.flat_after,
            self.tolerance,
            self.from_nth,
            rules.Span(self.span),
        )


class LateCollectionQuerySet(OfChild["LateCollection"]):
    """Late evenings of households."""


class LateCollection(models.Model):
    """That a child left late on a day, and what it costs. Written by `invoices/late_collection.py` only."""

    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="late_collections", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child, on_delete=models.PROTECT, related_name="late_collections", verbose_name="enfant"
    )
    activity = models.ForeignKey(
        Activity, on_delete=models.PROTECT, related_name="+", verbose_name="activité"
    )
    establishment = models.ForeignKey(
        Establishment, on_delete=models.PROTECT, related_name="+", verbose_name="établissement"
    )
    day = models.DateField("jour", db_index=True)
    # Null: entered by mistake, and billed before that was known.
    left_at = models.TimeField("parti à", null=True)
    minutes = models.PositiveSmallIntegerField("minutes de retard", default=0)
    number = models.PositiveSmallIntegerField("quantième", default=0)
    amount = models.DecimalField("montant", max_digits=8, decimal_places=2, default=Decimal(0))
    words = models.CharField("calcul", max_length=300, blank=True)
    entered_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="saisi par"
    )
    entered_at = models.DateTimeField("saisi le")
    forgiven_reason = models.CharField("motif de la remise", max_length=200, blank=True)
    forgiven_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="remis par"
    )
    forgiven_at = models.DateTimeField("remis le", null=True, blank=True)

    objects = LateCollectionQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "départ tardif"
        verbose_name_plural = "départs tardifs"
        ordering = ["-day", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["child", "activity", "day"],
                name="one_late_collection_a_child_activity_and_day",
                violation_error_message="Le départ de cet enfant est déjà noté ce jour-là.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.child} – départ tardif du {self.day:%d/%m/%Y}"

    @property
    def forgiven(self) -> bool:
        return self.forgiven_at is not None
