"""Payments of a household. Written by `paying.py` only, and undone through it by `undoing.py`."""

from datetime import date
from typing import TypeAlias, TypedDict

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce
from django_stubs_ext import WithAnnotations
from simple_history.models import HistoricalRecords

from billing.models.means import label
from billing.models.numbered import Numbered
from billing.models.regies import Regie
from billing.rules.means import BUILT_IN
from families.models import Household, User
from families.visibility import VisibleQuerySet


class BookDay(TypedDict):
    """The day of the cash book on which a payment stands."""

    book_day: date


class PaymentState(models.TextChoices):
    PENDING = "pending", "En attente de validation par la banque"
    VALIDATED = "validated", "Validé"
    REFUSED = "refused", "Refusé par la banque"
    CANCELLED = "cancelled", "Annulé"


class PaymentKind(models.TextChoices):
    """What a row is of. All but the first two name in `refunds` the payment that they are about, and so does
    what a transfer takes out of one; what it brings to the other household is a payment by itself."""

    PAYMENT = "payment", "Règlement"
    TRANSFER = "transfer", "Transfert"
    REFUND = "refund", "Remboursement"
    BACK = "back", "Remboursement revenu"
    REVERSAL = "reversal", "Annulation"


class UndoneBecause(models.TextChoices):
    """Why a payment is no payment, as the desk says it."""

    BOUNCED = "bounced", "Chèque ou virement rejeté par la banque"
    AMOUNT = "amount", "Montant mal saisi"
    HOUSEHOLD = "household", "Mauvais foyer"
    TWICE = "twice", "Noté deux fois"
    RETURNED = "returned", "Prélèvement rejeté par la banque"
    OTHER = "other", "Autre raison"


def is_reversed() -> Exists:
    """Whether a payment was reversed, for an annotation."""
    return Exists(Payment.objects.filter(refunds=OuterRef("pk"), kind=PaymentKind.REVERSAL))


class PaymentQuerySet(VisibleQuerySet["Payment"]):
    def validated(self) -> "PaymentQuerySet":
        return self.filter(state=PaymentState.VALIDATED)

    def with_end(self) -> "PaymentQuerySet":
        """Each with whether it was reversed, `undone`, in the same query."""
        return self.annotate(undone=is_reversed())

    def in_the_books(self: "models.QuerySet[Payment]") -> "models.QuerySet[PaymentInTheBooks]":
        """Those that count, each with its `book_day`."""
        return self.filter(state=PaymentState.VALIDATED).annotate(book_day=Coalesce("booked_on", "paid_on"))


class Payment(Numbered):
    """Money of a household. Its states change by `paying.py` only. What undoes one is a row of its own: a
    refund and a reversal are negative, a transfer is one negative and one positive."""

    Kind = PaymentKind

    class Means(models.TextChoices):
        """Codes that our own code writes; a town may call them otherwise and add others (`PaymentMeans`)."""

        ONLINE = "online", BUILT_IN["online"].label
        CASH = "cash", BUILT_IN["cash"].label
        CHEQUE = "cheque", BUILT_IN["cheque"].label
        TRANSFER = "transfer", BUILT_IN["transfer"].label
        CESU = "cesu", BUILT_IN["cesu"].label
        CARD = "card", BUILT_IN["card"].label
        DEBIT = "debit", BUILT_IN["debit"].label

    number = models.CharField("reçu n°", max_length=24, unique=True)
    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="payments", verbose_name="foyer"
    )
    # None: the town's own.
    regie = models.ForeignKey(
        Regie, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="régie"
    )
    kind = models.CharField(
        "nature", max_length=8, choices=PaymentKind, default=PaymentKind.PAYMENT, db_default="payment"
    )
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)
    means = models.CharField("moyen de paiement", max_length=8)
    state = models.CharField("état", max_length=9, choices=PaymentState, default=PaymentState.VALIDATED)
    paid_on = models.DateField("payé le")
    # Where it is another day: the one that it was paid on had been closed.
    booked_on = models.DateField("comptabilisé le", null=True, blank=True)
    reference = models.CharField("référence (chèque, virement…)", max_length=100, blank=True)
    recorded_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="encaissé par"
    )
    recorded_at = models.DateTimeField("enregistré le")
    refunds = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="refunded_by",
        verbose_name="concerne le règlement",
    )
    # Of what a transfer brings: the row that took it out of the other household's.
    moved_from = models.OneToOneField(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="moved_to",
        verbose_name="vient du règlement",
    )
    because = models.CharField("cause", max_length=9, choices=UndoneBecause, blank=True, db_default="")
    reason = models.CharField("motif", max_length=300, blank=True, db_default="")

    objects = PaymentQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "règlement"
        ordering = ["-paid_on", "-pk"]
        indexes = [models.Index(fields=["paid_on", "means"], name="payment_by_day_and_means")]
        constraints = [
            models.UniqueConstraint(
                fields=["series", "year", "sequence"], name="one_payment_a_number_in_series"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0) | Q(amount__lt=0, refunds__isnull=False),
                name="payment_positive_or_refund",
                violation_error_message="Un règlement est d'un montant positif.",
            ),
            models.CheckConstraint(
                condition=Q(kind="payment", amount__gt=0, refunds=None)
                | Q(kind="transfer", amount__gt=0, refunds=None)
                | Q(kind="back", amount__gt=0, refunds__isnull=False)
                | Q(kind__in=["refund", "reversal", "transfer"], amount__lt=0, refunds__isnull=False),
                name="payment_of_a_kind",
                violation_error_message="Ce mouvement n'est d'aucune nature connue.",
            ),
            models.UniqueConstraint(
                fields=["refunds"],
                condition=Q(kind="reversal"),
                name="payment_reversed_once",
                violation_error_message="Ce règlement est déjà annulé.",
            ),
            models.CheckConstraint(
                condition=Q(booked_on=None) | Q(booked_on__gt=F("paid_on")),
                name="payment_booked_after_it_was_paid",
                violation_error_message="Un règlement est comptabilisé après avoir été payé.",
            ),
        ]

    def __str__(self) -> str:
        return f"Règlement n°\xa0{self.number}"

    def get_means_display(self) -> str:
        """Its means as the town calls it."""
        return label(self.means)


PaymentInTheBooks: TypeAlias = "WithAnnotations[Payment, BookDay]"


class Reallocation(models.Model):
    """That a payment pays other invoices from now on than before: who said so, and why. As final as it is."""

    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="reallocations", verbose_name="règlement"
    )
    paid_before = models.JSONField("payait", help_text="Numéro de facture et montant, en euros.")
    pays_now = models.JSONField("paie", help_text="Numéro de facture et montant, en euros.")
    reason = models.CharField("motif", max_length=300)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="par")
    at = models.DateTimeField("le")

    class Meta:
        verbose_name = "réaffectation"
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"Réaffectation du {self.payment}"


class BookClosing(models.Model):
    """All days up to one are closed. Written by `closing.py` only, and never taken back."""

    # None: the town's own.
    regie = models.ForeignKey(
        Regie, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="régie"
    )
    until = models.DateField("clos jusqu'au")
    closed_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="clos par"
    )
    closed_at = models.DateTimeField("clos le")

    class Meta:
        verbose_name = "clôture"
        ordering = ["-until"]
        constraints = [
            models.UniqueConstraint(
                fields=["until"],
                condition=Q(regie__isnull=True),
                name="one_closing_a_day",
                violation_error_message="Les comptes sont déjà clos jusqu'à ce jour.",
            ),
            models.UniqueConstraint(
                fields=["until", "regie"],
                condition=Q(regie__isnull=False),
                name="one_closing_a_day_and_regie",
                violation_error_message="Les comptes de cette régie sont déjà clos jusqu'à ce jour.",
            ),
        ]

    def __str__(self) -> str:
        return f"Comptes clos jusqu'au {self.until:%d/%m/%Y}"


class JoinedAccount(models.Model):
    """That the money of a household is another's from now on: the only way by which an issued document, or a
    payment, is found under another household. Written by `joining.py` only."""

    emptied = models.OneToOneField(
        Household, on_delete=models.PROTECT, related_name="+", verbose_name="foyer d'avant"
    )
    kept = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="+", verbose_name="foyer qui reprend"
    )
    at = models.DateTimeField("le")

    class Meta:
        verbose_name = "comptes réunis"
        verbose_name_plural = "comptes réunis"
        ordering = ["-at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(emptied=models.F("kept")),
                name="joined_accounts_are_two",
                violation_error_message="Choisissez deux foyers différents.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.emptied} → {self.kept}"
