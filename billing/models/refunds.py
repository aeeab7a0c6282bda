"""Days that a family gives up: what the town gives back, and what stays due of each."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from billing.rules import refunds as rules
from families.models import Child, Household, User
from families.visibility import OfChild
from portal.database.kept import KeptAWhile
from portal.reservations.models import Activity, Establishment, Formula


class RefundRule(models.Model):
    """What a cancelled day of an activity gives back, for the days from one on."""

    class Until(models.TextChoices):
        DAY = rules.Until.DAY.value, "le jour réservé"
        PERIOD = rules.Until.PERIOD.value, "le premier jour de la période (séjour, stage)"

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="refund_rules", verbose_name="activité"
    )
    valid_from = models.DateField("pour les jours à partir du")
    valid_to = models.DateField("jusqu'au", null=True, blank=True)
    until = models.CharField("jours comptés avant", max_length=6, choices=Until, default=Until.DAY)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "règle de remboursement"
        verbose_name_plural = "règles de remboursement"
        ordering = ["activity", "-valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["activity", "valid_from"],
                name="one_refund_rule_an_activity_and_day",
                violation_error_message="Cette activité a déjà une règle à partir de ce jour.",
            ),
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="refund_rule_ends_after_it_starts",
                violation_error_message="Le dernier jour ne peut pas précéder le premier.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.activity} – remboursement par paliers"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        refund_rules.forget()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        found = super().delete(*args, **kwargs)
        refund_rules.forget()
        return found

    def holds(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def scale(self) -> list[rules.Step]:
        """Its steps (prefetch them)."""
        return [one.step() for one in self.steps.all()]

    def in_words(self) -> list[str]:
        return rules.in_words(self.scale(), rules.Until(self.until))


class RefundStep(models.Model):
    """Cancelled so many days before, or more, so much is given back."""

    rule = models.ForeignKey(RefundRule, on_delete=models.CASCADE, related_name="steps", verbose_name="règle")
    days_before = models.PositiveSmallIntegerField(
        "jours avant, au moins", help_text="30 : annulé 30 jours avant ou plus tôt."
    )
    percent = models.PositiveSmallIntegerField(
        "rendu, en %",
        validators=[MaxValueValidator(100)],
        help_text="70 : 70 % du prix sont rendus, 30 % restent dus.",
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = "palier"
        ordering = ["rule", "-days_before"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "days_before"],
                name="one_refund_step_a_day",
                violation_error_message="Deux paliers sont écrits pour le même nombre de jours.",
            ),
            models.CheckConstraint(
                condition=Q(percent__lte=100),
                name="refund_step_gives_back_no_more",
                violation_error_message="Un palier rend de 0 à 100 %%.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.days_before} jours avant : {self.percent} %"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        refund_rules.forget()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        found = super().delete(*args, **kwargs)
        refund_rules.forget()
        return found

    def step(self) -> rules.Step:
        return rules.Step(self.days_before, self.percent)


@KeptAWhile
def refund_rules() -> dict[int, list[RefundRule]]:
    """By activity (key), the latest first, with their steps."""
    found: dict[int, list[RefundRule]] = {}
    rows = RefundRule.objects.order_by("-valid_from").prefetch_related("steps")
    for one in rows:
        found.setdefault(one.activity_id, []).append(one)
    return found


class GivenUpDayQuerySet(OfChild["GivenUpDay"]):
    """Days that households gave up."""


class GivenUpDay(models.Model):
    """A booked day that a family gave up, and what stays due of it. Written by `invoices/refunds.py` only."""

    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="given_up_days", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child, on_delete=models.PROTECT, related_name="given_up_days", verbose_name="enfant"
    )
    activity = models.ForeignKey(
        Activity, on_delete=models.PROTECT, related_name="+", verbose_name="activité"
    )
    formula = models.ForeignKey(Formula, on_delete=models.PROTECT, related_name="+", verbose_name="formule")
    establishment = models.ForeignKey(
        Establishment, on_delete=models.PROTECT, related_name="+", verbose_name="établissement"
    )
    day = models.DateField("jour", db_index=True)
    cancelled_at = models.DateTimeField("annulé le")
    cancelled_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="annulé par"
    )
    price = models.DecimalField("prix", max_digits=8, decimal_places=2)
    percent = models.PositiveSmallIntegerField("rendu, en %")
    due = models.DecimalField("reste dû", max_digits=8, decimal_places=2)
    # What is asked for of it now: nothing once the day is booked again, or let off.
    amount = models.DecimalField("montant", max_digits=8, decimal_places=2)
    words = models.CharField("calcul", max_length=300)
    forgiven_reason = models.CharField("motif de la remise", max_length=200, blank=True)
    forgiven_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="remis par"
    )
    forgiven_at = models.DateTimeField("remis le", null=True, blank=True)

    objects = GivenUpDayQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "jour annulé resté dû"
        verbose_name_plural = "jours annulés restés dus"
        ordering = ["-cancelled_at", "day", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["household", "child", "formula", "day"],
                name="one_given_up_day_a_child_and_formula",
                violation_error_message="Ce jour annulé est déjà noté.",
            ),
            models.CheckConstraint(
                condition=Q(due__gte=Decimal(0), due__lte=F("price"), percent__lte=100),
                name="given_up_day_due_within_its_price",
                violation_error_message="Ce qui reste dû ne dépasse pas le prix du jour.",
            ),
            models.CheckConstraint(
                condition=Q(amount=Decimal(0)) | Q(amount=F("due")),
                name="given_up_day_asks_what_is_due",
                violation_error_message="Ce qui est demandé est ce qui reste dû, ou rien.",
            ),
            models.CheckConstraint(
                condition=Q(forgiven_at=None) | ~Q(forgiven_reason=""),
                name="given_up_day_forgiven_for_a_reason",
                violation_error_message="Indiquez le motif de la remise.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.child} – {self.formula} du {self.day:%d/%m/%Y}, annulé"

    @property
    def forgiven(self) -> bool:
        return self.forgiven_at is not None
