"""Who was told of which invoice, and the letters printed for it. Written by `reminding.py` and
`letter_printing.py` only.
"""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from billing.models.invoices import Invoice
from families.models import Household, User
from portal.files.uploads import private_storage


class InvoiceNotice(models.Model):
    """That a household was told of an invoice: of its issue (level 0), then each reminder. Written by
    `reminding.py` only; the row is made before the letter leaves, so that nobody is told twice."""

    ISSUE, LAST_REMINDER = 0, 3

    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="notices", verbose_name="facture"
    )
    level = models.PositiveSmallIntegerField(
        "rang", help_text="0 : avis de facture ; 1, 2, 3 : première, deuxième, dernière relance."
    )
    due_on = models.DateField(
        "échéance",
        null=True,
        blank=True,
        help_text="D'une facture payée en plusieurs fois : l'échéance que cette relance réclame.",
    )
    left = models.DecimalField("restait à payer", max_digits=10, decimal_places=2)
    sent_at = models.DateTimeField("envoyé le")
    sent_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="envoyé par"
    )

    class Meta:
        verbose_name = "avis ou relance"
        verbose_name_plural = "avis et relances"
        ordering = ["-sent_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "level"],
                condition=Q(due_on=None),
                name="one_notice_an_invoice_and_step",
                violation_error_message="Cette relance est déjà partie.",
            ),
            models.UniqueConstraint(
                fields=["invoice", "due_on", "level"],
                name="one_notice_a_due_date_and_step",
                violation_error_message="Cette relance est déjà partie.",
            ),
            models.CheckConstraint(
                condition=Q(level__lte=3),
                name="notice_level_known",
                violation_error_message="Une échéance est relancée trois fois au plus.",
            ),
        ]

    def __str__(self) -> str:
        what = f"relance {self.level}" if self.level else "avis"
        return f"{self.invoice} – {what} du {timezone.localtime(self.sent_at):%d/%m/%Y}"


class KeptLetters(models.Model):
    """What the worker prints of a reminding, known by its moment: made once, then always the same file.

    `by_post`: for households that no mail reached, their letter is to be posted.
    """

    sent_at = models.DateTimeField("relance demandée le")
    by_post = models.BooleanField("à poster")
    file = models.FileField(
        "fichier", storage=private_storage, upload_to="relances/%Y/%m", max_length=200, blank=True
    )
    sha256 = models.CharField("empreinte", max_length=64, blank=True)

    class Meta:
        abstract = True


class LetterLot(KeptLetters):
    """A few letters printed at once, and the one file that holds them all, for a printing machine."""

    printed_at = models.DateTimeField("imprimé le", null=True, blank=True)

    class Meta:
        verbose_name = "lot de lettres"
        verbose_name_plural = "lots de lettres"
        indexes = [models.Index(fields=["sent_at"], name="lot_by_reminding")]

    def __str__(self) -> str:
        return f"Lot de lettres n°\xa0{self.pk}"


class ReminderLetter(KeptLetters):
    """A household's letter of a reminding. Made with its notices by `reminding.py`; its file is written once,
    by `letter_printing.py`."""

    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="reminder_letters", verbose_name="foyer"
    )
    lot = models.ForeignKey(
        LetterLot,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="letters",
        verbose_name="lot",
    )

    class Meta:
        verbose_name = "lettre de relance"
        verbose_name_plural = "lettres de relance"
        constraints = [
            models.UniqueConstraint(
                fields=["sent_at", "household"],
                name="one_letter_a_reminding_and_household",
                violation_error_message="Ce foyer a déjà sa lettre de cette relance.",
            )
        ]

    def __str__(self) -> str:
        return f"Lettre de relance – {self.household}"
