"""The town's files that were loaded. Written by `portal.reservations.towns.town_file` only."""

from django.db import models
from django.utils import timezone

from families.models import User


class TownFile(models.Model):
    """A town's file as it was loaded: when, by whom, and what it made of the town. It never changes."""

    loaded_at = models.DateTimeField("chargé le")
    by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="par",
        help_text="Vide : par la commande du serveur.",
    )
    text = models.TextField("fichier")
    sha256 = models.CharField("empreinte", max_length=64)
    created = models.PositiveIntegerField("lignes nouvelles")
    changed = models.PositiveIntegerField("lignes modifiées")
    removed = models.PositiveIntegerField("lignes retirées")
    unchanged = models.PositiveIntegerField("lignes inchangées")

    class Meta:
        verbose_name = "fichier de la commune"
        verbose_name_plural = "fichiers de la commune"
        ordering = ["-loaded_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(text=""),
                name="town_file_has_its_text",
                violation_error_message="Un fichier chargé garde son texte.",
            )
        ]

    def __str__(self) -> str:
        return f"Fichier chargé le {timezone.localtime(self.loaded_at):%d/%m/%Y à %H:%M}"
