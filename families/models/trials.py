"""Trial households, as those see them who try."""

from typing import ClassVar

from django.db import models

from families.models.households import Household
from portal.french import elision


class TrialHouseholdManager(models.Manager["TrialHousehold"]):
    use_in_migrations = False

    def get_queryset(self) -> "models.QuerySet[TrialHousehold]":
        return super().get_queryset().filter(trial=True)


class TrialHousehold(Household):
    """A household that an agent tries the portal with: in no count, and never a real one."""

    # The first that a model names is its default; `objects`, its parent's, finds none of these rows.
    tried: ClassVar[TrialHouseholdManager] = TrialHouseholdManager()

    class Meta:
        proxy = True
        verbose_name = "foyer d'essai"
        verbose_name_plural = "essayer comme une famille"

    def __str__(self) -> str:
        """« Foyer d'essai de Hélène Marchand »."""
        who = self.trial_of
        return f"Foyer d'essai {elision.of(who.get_full_name() or who.username)}" if who else "Foyer d'essai"
