"""What the town hall answers: who decided, when, and why not."""

from django.db import models

from families.models.accounts import User


class AlreadyAnswered(Exception):
    """It was answered, or withdrawn, meanwhile. `str()` is a sentence for who acts."""


class Decided(models.Model):
    """Something the town hall answers: who decided, when, and why not."""

    decided_at = models.DateTimeField("traité le", null=True, blank=True, editable=False)
    decided_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name="traité par",
    )
    refusal_reason = models.CharField("motif du refus", max_length=300, blank=True)

    class Meta:
        abstract = True
