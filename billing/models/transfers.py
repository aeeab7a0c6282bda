"""Refunds by bank transfer, and the files that ask the bank for them. Written by `transfers.py` only."""

from django.db import models
from django.db.models import Q

from billing.models.payments import Payment
from billing.models.regies import Regie
from families.models import User
from portal.database.encrypted import EncryptedIbanField, EncryptedTextField, EndOf
from portal.french.official_numbers import BicField


class TransferFile(models.Model):
    """A pain.001 file given to the bank, kept as it was given."""

    message = models.CharField("message", max_length=35, unique=True)
    # Whose account pays. None: the town's own.
    regie = models.ForeignKey(
        Regie, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="régie"
    )
    paid_on = models.DateField("date des virements")
    content = EncryptedTextField("fichier")  # with the IBANs of all who are paid back
    made_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="créé par"
    )
    made_at = models.DateTimeField("créé le")

    class Meta:
        verbose_name = "fichier de virements"
        verbose_name_plural = "fichiers de virements"
        ordering = ["-made_at"]

    def __str__(self) -> str:
        return f"Virements {self.message}"


class TransferRefund(models.Model):
    """Money that goes back to a family's account. It has left the payment since it was asked for; the IBAN is
    kept until the bank has done it, and no longer than the town keeps the file."""

    class State(models.TextChoices):
        WAITING = "waiting", "À mettre dans un fichier"
        IN_FILE = "in_file", "Confié à la banque"
        DONE = "done", "Exécuté"
        REFUSED = "refused", "Rejeté par la banque"
        CANCELLED = "cancelled", "Abandonné"

    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, related_name="transfer", verbose_name="remboursement"
    )
    holder = models.CharField("titulaire du compte", max_length=70)
    iban = EncryptedIbanField("IBAN", max_length=34, blank=True)
    iban_end = EndOf("IBAN (quatre derniers signes)", max_length=4, of="iban")
    bic = BicField("BIC", max_length=11, blank=True)
    state = models.CharField("état", max_length=9, choices=State, default=State.WAITING)
    file = models.ForeignKey(
        TransferFile,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="refunds",
        verbose_name="fichier",
    )
    asked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="demandé par"
    )
    asked_at = models.DateTimeField("demandé le")
    ended_on = models.DateField("terminé le", null=True, blank=True)
    why_not = models.CharField("motif du rejet ou de l'abandon", max_length=140, blank=True)

    class Meta:
        verbose_name = "remboursement par virement"
        verbose_name_plural = "remboursements par virement"
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="waiting", file=None)
                | Q(state__in=["in_file", "done", "refused"], file__isnull=False)
                | Q(state="cancelled", file=None),
                name="transfer_in_its_file",
                violation_error_message="Ce virement n'est dans aucun fichier.",
            ),
        ]

    def __str__(self) -> str:
        return f"Remboursement n°\xa0{self.payment.number}"

    @property
    def account(self) -> str:
        """« …1234 », for pages; nothing once the account is forgotten."""
        return f"…{self.iban_end}" if self.iban_end else "–"
