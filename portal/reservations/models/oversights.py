"""Oversights: from how many on somebody may decide, and what an agent decided about a child's."""

from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Expression, F, Q

from families.models import Child, Household, User
from families.visibility import OfChild
from portal.database.kept import KeptAWhile
from portal.reservations.day_rules import oversights as rules
from portal.reservations.models.activities import Activity


class OversightRule(models.Model):
    """What counts as an oversight in an activity, and from how many on an agent may decide."""

    class Per(models.TextChoices):
        YEAR = rules.Per.YEAR.value, "année scolaire"
        MONTH = rules.Per.MONTH.value, "mois"

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="oversight_rules", verbose_name="activité"
    )
    valid_from = models.DateField("à partir du", help_text="Les jours d'avant ne comptent pas.")
    number = models.PositiveSmallIntegerField(
        "oublis avant une décision",
        default=3,
        validators=[MinValueValidator(1, "Une décision demande au moins un oubli.")],
        help_text="3 : au deuxième la famille est avertie, au troisième un agent peut décider.",
    )
    per = models.CharField("comptés par", max_length=5, choices=Per, default=Per.YEAR)
    unreserved = models.BooleanField("présent sans réservation", default=True)
    missed = models.BooleanField("absent sans prévenir", default=True)
    late = models.BooleanField("réservé hors délai", default=False)

    class Meta:
        verbose_name = "règle d'oublis"
        verbose_name_plural = "règles d'oublis"
        ordering = ["activity", "-valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["activity", "valid_from"],
                name="one_oversight_rule_an_activity_and_day",
                violation_error_message="Cette activité a déjà une règle à partir de ce jour.",
            ),
            models.CheckConstraint(
                condition=Q(number__gte=1),
                name="oversight_rule_wants_one",
                violation_error_message="Une décision demande au moins un oubli.",
            ),
            models.CheckConstraint(
                condition=Q(unreserved=True) | Q(missed=True) | Q(late=True),
                name="oversight_rule_counts_something",
                violation_error_message="Choisissez au moins ce qui compte comme un oubli.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.activity} – oublis"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        oversight_rules.forget()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        found = super().delete(*args, **kwargs)
        oversight_rules.forget()
        return found

    def clean(self) -> None:
        super().clean()
        if not (self.unreserved or self.missed or self.late):
            raise ValidationError("Choisissez au moins ce qui compte comme un oubli.")

    def rule(self) -> rules.Rule:
        kinds = {
            rules.Kind.UNRESERVED: self.unreserved,
            rules.Kind.MISSED: self.missed,
            rules.Kind.LATE: self.late,
        }
        return rules.Rule(
            self.number, rules.Per(self.per), frozenset(kind for kind, counts in kinds.items() if counts)
        )


@KeptAWhile
def oversight_rules() -> dict[int, list[OversightRule]]:
    """By activity (key), the latest first."""
    found: dict[int, list[OversightRule]] = {}
    for one in OversightRule.objects.select_related("activity").order_by("-valid_from"):
        found.setdefault(one.activity_id, []).append(one)
    return found


class OversightDecisionQuerySet(OfChild["OversightDecision"]):
    def standing(self, today: "date | Expression") -> "OversightDecisionQuerySet":
        """Those that stop something on `today`."""
        return self.filter(ended_at=None, since__lte=today, until__gte=today)


class OversightDecision(models.Model):
    """What somebody decided after a child's oversights: which new days are stopped, until when, with the
    sentence that the family reads. Days that are booked stand. Written by `acts/oversights.py` only."""

    class Kind(models.TextChoices):
        LATE = rules.Stops.LATE.value, "les jours demandés hors délai"
        DAYS = rules.Stops.DAYS.value, "les nouveaux jours"

    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="oversight_decisions", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child, on_delete=models.PROTECT, related_name="oversight_decisions", verbose_name="enfant"
    )
    activity = models.ForeignKey(
        Activity, on_delete=models.PROTECT, related_name="+", verbose_name="activité"
    )
    stops = models.CharField("ce qu'elle arrête", max_length=4, choices=Kind)
    count = models.PositiveSmallIntegerField("oublis ce jour-là")
    since = models.DateField("depuis le")
    until = models.DateField("jusqu'au")
    sentence = models.CharField("ce que la famille lit", max_length=300)
    reason = models.CharField("motif, pour les collègues", max_length=300)
    decided_at = models.DateTimeField("décidée le")
    decided_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="décidée par"
    )
    ended_at = models.DateTimeField("levée le", null=True, blank=True)
    ended_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="levée par"
    )
    end_reason = models.CharField("motif de la levée", max_length=300, blank=True)

    objects = OversightDecisionQuerySet.as_manager()

    class Meta:
        verbose_name = "décision d'oublis"
        verbose_name_plural = "décisions d'oublis"
        ordering = ["-decided_at", "-pk"]
        indexes = [
            models.Index(fields=["household"], condition=Q(ended_at=None), name="oversights_not_ended")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(until__gte=F("since")),
                name="oversights_end_after_they_begin",
                violation_error_message="La décision finirait avant de commencer.",
            ),
            models.CheckConstraint(
                condition=~Q(sentence="") & ~Q(reason=""),
                name="oversights_have_words",
                violation_error_message="Une décision a sa phrase pour la famille et son motif.",
            ),
            models.CheckConstraint(
                condition=Q(count__gte=1),
                name="oversights_of_something_forgotten",
                violation_error_message="Il n'y a aucun oubli.",
            ),
            models.CheckConstraint(
                condition=(Q(ended_at=None) & Q(end_reason=""))
                | (Q(ended_at__isnull=False) & ~Q(end_reason="")),
                name="oversights_lifted_for_a_reason",
                violation_error_message="Indiquez pourquoi la décision est levée.",
            ),
        ]

    def __str__(self) -> str:
        return f"Décision du {self.since:%d/%m/%Y} : {self.get_stops_display()}"
