"""That two households were joined into one, or that an adult left one for another home."""

from django.db import models
from django.db.models import F, Q

from families.models.accounts import User
from families.models.households import Household


class HomeChange(models.Model):
    """What was done, by whom and why, in both histories. Written by `families.joining` and
    `families.parting` only; a row never changes."""

    class Kind(models.TextChoices):
        JOINED = "joined", "Réunion de deux foyers"
        PARTED = "parted", "Séparation d'un foyer"

    kind = models.CharField("quoi", max_length=6, choices=Kind)
    # The household that is kept, or that somebody left.
    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="home_changes", verbose_name="foyer"
    )
    # The household that was emptied, or that took in who left.
    other = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="other_home_changes", verbose_name="autre foyer"
    )
    at = models.DateTimeField("le")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="par")
    by_name = models.CharField("par", max_length=160, blank=True)
    reason = models.CharField("motif (interne)", max_length=300)
    # What the preview said, as it was confirmed: sentences.
    said = models.JSONField("ce qui a été fait", default=list, blank=True)

    class Meta:
        verbose_name = "foyers réunis ou séparés"
        verbose_name_plural = "foyers réunis ou séparés"
        ordering = ["-at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(household=F("other")),
                name="home_change_between_two_homes",
                violation_error_message="Choisissez deux foyers différents.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} : n°\xa0{self.household.number} et n°\xa0{self.other.number}"
