"""What every numbered document has: its place in a series and year, without a gap."""

from django.db import models


class Numbered(models.Model):
    """« F2026-000042 »: taken by `billing.invoices.numbering`, in the transaction that issues it."""

    number = models.CharField("numéro", max_length=24, unique=True)
    series = models.CharField("série", max_length=8)
    year = models.PositiveSmallIntegerField("année")
    sequence = models.PositiveIntegerField("rang dans la série")

    class Meta:
        abstract = True
