"""Filters of the desk's lists, each kept by the agent who named it."""

from django.db import models

from families.models.accounts import User


class KeptFilter(models.Model):
    """What an agent filters a list by, under a name of its own; nobody else sees it. Never what was searched
    for: that is mostly a family's name. Written by `families.admin.kept_filters` only."""

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="kept_filters", verbose_name="agent"
    )
    # Which list, « families_household ».
    page = models.CharField("liste", max_length=100)
    name = models.CharField("nom", max_length=60)
    query = models.CharField("filtres", max_length=1000)

    class Meta:
        verbose_name = "filtre gardé"
        verbose_name_plural = "filtres gardés"
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "page", "name"],
                name="one_kept_filter_a_name_and_list",
                violation_error_message="Vous avez déjà un filtre de ce nom.",
            )
        ]

    def __str__(self) -> str:
        return self.name
