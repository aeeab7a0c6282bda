"""What proves that an issued document is still the one that was issued. Written by `sealing.py` only."""

from django.db import models

from billing.models.numbered import Numbered


class Seal(Numbered):
    """The hash of a document over its data and the hash of the one before it in its series and year.

    It says nothing else of the document, and stays when the document goes after its ten years: the chain is
    still whole. Final by triggers (`billing.invoices.sealing.SEALS`).
    """

    # Of a document that was gone before there were seals: the hash that was kept of it stands for its own.
    OF_A_FORMER_ONE = 0

    version = models.PositiveSmallIntegerField("forme")
    hash = models.CharField("empreinte", max_length=64)
    previous = models.CharField("empreinte précédente", max_length=64)

    class Meta:
        verbose_name = "empreinte"
        ordering = ["series", "year", "sequence"]
        constraints = [
            models.UniqueConstraint(
                fields=["series", "year", "sequence"],
                name="one_seal_a_number_in_series",
                violation_error_message="Cette pièce a déjà son empreinte.",
            )
        ]

    def __str__(self) -> str:
        return f"Empreinte de {self.number}"
