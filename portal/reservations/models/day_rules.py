"""How many days of an activity one has to take, or may take."""

from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from portal.french.weekdays import weekdays_in
from portal.reservations.day_rules import rules, wording
from portal.reservations.models.activities import Activity, Formula, Period
from portal.reservations.models.calendar import Establishment, SchoolClass

# What each kind reads besides its scope.
FIELDS_OF_KIND = {
    rules.Kind.COUNT: ("per", "least", "most", "least_with_holiday"),
    rules.Kind.WHOLE: ("per",),
    rules.Kind.FIXED: ("per", "most"),
    rules.Kind.USUAL: (),
}


class DayRule(models.Model):
    """Only the fields of its `kind` count (`FIELDS_OF_KIND`); see docs/rules.md."""

    class Kind(models.TextChoices):
        COUNT = "count", "Un nombre de jours"
        WHOLE = "whole", "Tout ou rien : la semaine, le mois, la période, l'année entière"
        FIXED = "fixed", "Des jours fixes, les mêmes chaque semaine"
        USUAL = "usual", "Seulement les jours habituels de l'inscription"

    class Per(models.TextChoices):
        WEEK = "week", "Semaine"
        MONTH = "month", "Mois"
        PERIOD = "period", "Période"
        YEAR = "year", "Année scolaire"

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="day_rules", verbose_name="activité"
    )
    kind = models.CharField("principe", max_length=8, choices=Kind, default=Kind.COUNT)
    per = models.CharField("compté par", max_length=8, choices=Per, default=Per.WEEK)
    least = models.PositiveSmallIntegerField(
        "au moins", null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(366)]
    )
    most = models.PositiveSmallIntegerField(
        "au plus",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(366)],
        help_text="Le même nombre des deux côtés : exactement ce nombre. Jours fixes : combien par semaine.",
    )
    least_with_holiday = models.PositiveSmallIntegerField(
        "au moins, quand un jour est férié",
        null=True,
        blank=True,
        validators=[MaxValueValidator(366)],
        help_text="Vide : autant que d'habitude, dans la limite des jours ouverts. Un jour que la mairie "
        "ferme compte toujours comme pris.",
    )
    formula = models.ForeignKey(
        Formula,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        verbose_name="seulement la formule",
        help_text="Vide : toutes ensemble.",
    )
    period = models.ForeignKey(
        Period, on_delete=models.CASCADE, null=True, blank=True, verbose_name="seulement la période"
    )
    establishment = models.ForeignKey(
        Establishment, on_delete=models.CASCADE, null=True, blank=True, verbose_name="seulement le lieu"
    )
    level = models.CharField(
        "seulement le niveau", max_length=12, choices=SchoolClass.Level, blank=True, help_text="Vide : tous."
    )
    valid_from = models.DateField("pour les jours à partir du", null=True, blank=True)
    valid_to = models.DateField("jusqu'au", null=True, blank=True)

    class Meta:
        verbose_name = "nombre de jours à prendre"
        verbose_name_plural = "nombres de jours à prendre"
        ordering = ["activity", "kind", "per", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(least=None) | Q(most=None) | Q(most__gte=F("least")),
                name="day_rule_least_below_most",
                violation_error_message="Le minimum dépasse le maximum.",
            ),
            models.CheckConstraint(
                condition=~Q(kind="count") | Q(least__isnull=False) | Q(most__isnull=False),
                name="day_rule_counts_something",
                violation_error_message="Indiquez un minimum, un maximum, ou les deux.",
            ),
            models.CheckConstraint(
                condition=~Q(kind="fixed") | Q(most__isnull=False),
                name="day_rule_says_how_many_fixed",
                violation_error_message="Indiquez combien de jours fixes par semaine (« au plus »).",
            ),
            models.CheckConstraint(
                condition=Q(valid_from=None) | Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="day_rule_ends_after_start",
                violation_error_message="La règle doit finir après son premier jour.",
            ),
        ]

    def __str__(self) -> str:
        return self.sentence

    @property
    def sentence(self) -> str:
        """What it asks, in French."""
        if self.kind == self.Kind.COUNT and self.least is None and self.most is None:
            return "Règle incomplète."
        return wording.sentence(self.rule())

    def rule(self) -> rules.Rule:
        """The pure rule; what its kind does not read is left out."""
        read: dict[str, Any] = {
            name: getattr(self, name) for name in FIELDS_OF_KIND[rules.Kind(self.kind)] if name != "per"
        }
        if "per" in FIELDS_OF_KIND[rules.Kind(self.kind)]:
            read["per"] = rules.Per(self.per)
        return rules.Rule(
            kind=rules.Kind(self.kind),
            formula=self.formula_id,
            named=self.formula.name if self.formula else "",
            first=self.valid_from or date.min,
            last=self.valid_to or date.max,
            **read,
        )

    def clean(self) -> None:
        found: dict[str, str] = {}
        for scope in ("formula", "period"):
            chosen = getattr(self, scope)
            if chosen is not None and chosen.activity_id != self.activity_id:
                found[scope] = "Choisissez-en une de cette activité."
        counts, fixed = self.kind == self.Kind.COUNT, self.kind == self.Kind.FIXED
        if counts and self.least is None and self.most is None:
            found["least"] = "Indiquez un minimum, un maximum, ou les deux."
        if fixed and self.most is None:
            found["most"] = "Indiquez combien de jours fixes par semaine."
        with_holiday = self.least_with_holiday
        if counts and with_holiday is not None and (self.least is None or with_holiday > self.least):
            found["least_with_holiday"] = (
                "Avec un jour férié, on ne demande pas plus de jours que d'habitude."
            )
        if counts and self.per == self.Per.WEEK and (self.least or 0) > 7:
            found["least"] = "Une semaine n'a que 7 jours."
        if fixed and (self.most or 0) > 7:
            found["most"] = "Une semaine n'a que 7 jours."
        if not found and self.activity_id and (other := self._contradicted()):
            found["kind"] = f"Ces deux règles se contredisent, aucun jour ne pourrait être réservé : {other}"
        if found:
            raise ValidationError(found)

    def _contradicted(self) -> str:
        """Another rule of the activity that cannot be kept with this one, in its words."""
        weekdays = len(weekdays_in(self.activity.weekdays))
        others = (
            DayRule.objects.filter(activity=self.activity_id).exclude(pk=self.pk).select_related("formula")
        )
        for other in others:
            scopes = ("period_id", "establishment_id", "level")
            pairs = [(getattr(self, name), getattr(other, name)) for name in scopes]
            apart = any(mine and its and mine != its for mine, its in pairs)
            if not apart and rules.contradiction(self.rule(), other.rule(), weekdays):
                return other.sentence
        return ""
