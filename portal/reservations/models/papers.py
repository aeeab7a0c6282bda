"""Which papers an activity asks for."""

from django.db import models

from families.models import PaperKind
from portal.reservations.models.activities import Activity


class ActivityPaper(models.Model):
    """That who is enrolled in an activity is asked for a paper, one for all activities that ask for it."""

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="papers", verbose_name="activité"
    )
    kind = models.ForeignKey(
        PaperKind, on_delete=models.PROTECT, related_name="activities", verbose_name="papier"
    )

    class Meta:
        verbose_name = "papier demandé par une activité"
        verbose_name_plural = "papiers demandés par une activité"
        ordering = ["activity", "kind"]
        constraints = [
            models.UniqueConstraint(
                fields=["activity", "kind"],
                name="one_row_a_paper_of_an_activity",
                violation_error_message="Cette activité demande déjà ce papier.",
            )
        ]

    def __str__(self) -> str:
        return str(self.kind)
