"""What stays of a document after its ten years: enough for its series to be verified, and nobody's name."""

from django.db import models
from django.db.models import F


class FormerDocument(models.Model):
    """The number, date, amount and hash of a document that the retention verb removed. Final, as it was.

    The triggers that refuse to delete a document let it go where this row stands for it: same number, year
    and amount, removed more than ten years after that year. Written by `former.py` only.
    """

    class Kind(models.TextChoices):
        INVOICE = "invoice", "Facture"
        CREDIT = "credit", "Avoir"
        PAYMENT = "payment", "Règlement"
        WRITE_OFF = "writeoff", "Abandon de créance"

    YEARS = 10

    kind = models.CharField("nature", max_length=8, choices=Kind)
    number = models.CharField("numéro", max_length=24)
    series = models.CharField("série", max_length=8)
    year = models.PositiveSmallIntegerField("année")
    sequence = models.PositiveIntegerField("rang dans la série")
    day = models.DateField("date")
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)
    sha256 = models.CharField("empreinte", max_length=64)
    removed_on = models.DateField("éliminé le")
    removed_year = models.PositiveSmallIntegerField("année de l'élimination")

    class Meta:
        verbose_name = "document éliminé"
        verbose_name_plural = "documents éliminés"
        ordering = ["kind", "series", "year", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "number"], name="one_former_document_a_number"),
            models.CheckConstraint(
                condition=models.Q(removed_year__gt=F("year") + 10),
                name="former_document_is_old_enough",
                violation_error_message="Un document se garde dix ans après la fin de son année.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} n°\xa0{self.number}"
