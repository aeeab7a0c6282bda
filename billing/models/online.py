"""Payments through a provider, and what it said. Written by `starting.py`, `hearing.py`, `asking.py` and
`refunding.py` only.
"""

from decimal import Decimal

from django.db import models
from django.db.models import Q

from billing.models.invoices import Invoice
from billing.models.payments import Payment
from billing.models.regies import Regie
from families.models import Household, User
from families.visibility import VisibleQuerySet
from portal.reservations.models import Cart


class OnlineState(models.TextChoices):
    """Where an online payment stands, as its provider says."""

    STARTED = "started", "En cours sur la page de paiement"
    PENDING = "pending", "En attente de validation par la banque"
    VALIDATED = "validated", "Validé"
    REFUSED = "refused", "Refusé par la banque"
    CANCELLED = "cancelled", "Abandonné"
    REFUNDED = "refunded", "Remboursé"
    DISPUTED = "disputed", "Contesté auprès de la banque"


# These hold their invoices: none of them can be paid elsewhere meanwhile.
ONLINE_OPEN = (OnlineState.STARTED, OnlineState.PENDING)
# Money came; what follows takes it back at most.
ONLINE_PAID = (OnlineState.VALIDATED, OnlineState.REFUNDED, OnlineState.DISPUTED)


class OnlinePaymentQuerySet(VisibleQuerySet["OnlinePayment"]):
    def open(self) -> "OnlinePaymentQuerySet":
        return self.filter(state__in=ONLINE_OPEN)

    def to_look_at(self) -> "OnlinePaymentQuerySet":
        """What the bank said otherwise than expected, until the régie has looked at it."""
        return self.exclude(trouble="").filter(state__in=(*ONLINE_OPEN, *ONLINE_PAID))


class OnlinePayment(models.Model):
    """An order to pay invoices, or a cart, at a provider's page. Its states change in `billing.payments`.

    The money itself is a Payment, made when the provider says it came.
    """

    class Provider(models.TextChoices):
        DEMO = "demo", "Banque de démonstration"
        STRIPE = "stripe", "Stripe"
        PAYFIP = "payfip", "PayFIP"

    reference = models.CharField("référence", max_length=30, unique=True)
    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="online_payments", verbose_name="foyer"
    )
    # None: the town's own.
    regie = models.ForeignKey(
        Regie, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="régie"
    )
    # What it pays instead of invoices: places that are kept until then.
    cart = models.ForeignKey(
        Cart,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="online_payments",
        verbose_name="panier",
    )
    provider = models.CharField("prestataire", max_length=8, choices=Provider)
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)
    state = models.CharField("état", max_length=9, choices=OnlineState, default=OnlineState.STARTED)
    provider_reference = models.CharField("référence du prestataire", max_length=255, blank=True)
    charge_reference = models.CharField("référence de l'encaissement", max_length=255, blank=True)
    url = models.TextField("page de paiement", blank=True)
    email = models.EmailField("e-mail du payeur", blank=True)
    started_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="commencé par"
    )
    started_at = models.DateTimeField("commencé le")
    expires_at = models.DateTimeField("expire le")
    settled_at = models.DateTimeField("répondu le", null=True, blank=True)
    trouble = models.CharField("à vérifier", max_length=300, blank=True)
    payment = models.OneToOneField(
        Payment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="online",
        verbose_name="règlement",
    )

    objects = OnlinePaymentQuerySet.as_manager()

    class Meta:
        verbose_name = "paiement en ligne"
        verbose_name_plural = "paiements en ligne"
        ordering = ["-started_at", "-pk"]
        indexes = [
            models.Index(fields=["state", "started_at"], name="online_by_state"),
            models.Index(fields=["provider_reference"], name="online_by_provider_reference"),
            models.Index(fields=["charge_reference"], name="online_by_charge"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0),
                name="online_payment_positive",
                violation_error_message="Un paiement est d'un montant positif.",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["validated", "refunded", "disputed"]) | Q(payment__isnull=False),
                name="online_payment_credited",
                violation_error_message="Un paiement validé a son règlement.",
            ),
        ]

    def __str__(self) -> str:
        return f"Paiement en ligne {self.reference}"

    @property
    def is_open(self) -> bool:
        return self.state in ONLINE_OPEN

    @property
    def shown_state(self) -> str:
        """The icon and tint of its state."""
        alike = {
            OnlineState.STARTED: "draft",
            OnlineState.DISPUTED: "overdue",
            OnlineState.REFUNDED: "cancelled",
        }
        return alike.get(OnlineState(self.state), self.state)


class OnlinePaymentInvoice(models.Model):
    """The part of an online payment meant for an invoice."""

    online_payment = models.ForeignKey(
        OnlinePayment, on_delete=models.PROTECT, related_name="parts", verbose_name="paiement en ligne"
    )
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="online_parts", verbose_name="facture"
    )
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)

    class Meta:
        verbose_name = "facture payée en ligne"
        verbose_name_plural = "factures payées en ligne"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["online_payment", "invoice"], name="one_part_a_payment_and_invoice"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0),
                name="online_part_positive",
                violation_error_message="Une part est d'un montant positif.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.online_payment} → {self.invoice}"


class PaymentEvent(models.Model):
    """A step of an online payment with the provider's raw answer; of no payment when it names none."""

    class Kind(models.TextChoices):
        START = "start", "Ouverture de la page de paiement"
        NOTIFICATION = "notification", "Notification"
        QUERY = "query", "Réponse à une demande d'état"
        FORGED = "forged", "Notification rejetée"
        REFUND = "refund", "Remboursement"
        DESK = "desk", "Décision de la régie"

    online_payment = models.ForeignKey(
        OnlinePayment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="events",
        verbose_name="paiement en ligne",
    )
    provider = models.CharField("prestataire", max_length=8, choices=OnlinePayment.Provider)
    kind = models.CharField("étape", max_length=12, choices=Kind)
    event_id = models.CharField("numéro du prestataire", max_length=255, null=True, blank=True)
    note = models.CharField("ce qui s'est passé", max_length=300, blank=True)
    raw = models.JSONField("réponse brute", default=dict, blank=True)
    at = models.DateTimeField("le")

    class Meta:
        verbose_name = "étape d'un paiement en ligne"
        verbose_name_plural = "étapes des paiements en ligne"
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "event_id"],
                condition=Q(event_id__isnull=False),
                name="one_event_a_provider_number",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} : {self.note}"


class OnlineRefund(models.Model):
    """Money given back through the provider, or taken back by it. Asked first, done once it has said so.

    A payer's dispute is one too: open, lost (« done »), or won (« failed »).
    """

    DISPUTE = "dispute-"  # begins the key of a dispute, before the provider's number

    class State(models.TextChoices):
        ASKED = "asked", "Demandé"
        DONE = "done", "Remboursé"
        FAILED = "failed", "Échoué"

    online_payment = models.ForeignKey(
        OnlinePayment, on_delete=models.PROTECT, related_name="refunds", verbose_name="paiement en ligne"
    )
    key = models.CharField("clé", max_length=64, unique=True)
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)
    reason = models.CharField("motif", max_length=300)
    with_credit = models.BooleanField("avec avoir", default=True)
    state = models.CharField("état", max_length=6, choices=State, default=State.ASKED)
    provider_reference = models.CharField("référence du prestataire", max_length=255, blank=True)
    payment = models.OneToOneField(
        Payment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="online_refund",
        verbose_name="règlement négatif",
    )
    asked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="demandé par"
    )
    asked_at = models.DateTimeField("demandé le")

    class Meta:
        verbose_name = "remboursement en ligne"
        verbose_name_plural = "remboursements en ligne"
        ordering = ["-asked_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0),
                name="online_refund_positive",
                violation_error_message="Un remboursement est d'un montant positif.",
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(payment__isnull=False),
                name="online_refund_booked",
                violation_error_message="Un remboursement fait a son règlement.",
            ),
        ]

    def __str__(self) -> str:
        return f"Remboursement de {self.online_payment}"

    @property
    def is_dispute(self) -> bool:
        return self.key.startswith(self.DISPUTE)


class DemoBankOrder(models.Model):
    """What the demonstration bank knows of a payment; the portal never reads it, it asks the bank."""

    class Outcome(models.TextChoices):
        OPEN = "open", "Sans réponse"
        PENDING = "pending", "En attente"
        PAID = "paid", "Acceptée"
        REFUSED = "refused", "Refusée"
        CANCELLED = "cancelled", "Abandonnée"

    token = models.CharField("numéro", max_length=40, unique=True)
    reference = models.CharField("référence du commerçant", max_length=30)
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)
    label = models.CharField("objet", max_length=200)
    return_url = models.TextField("adresse de retour")
    outcome = models.CharField("réponse", max_length=9, choices=Outcome, default=Outcome.OPEN)
    refunded = models.DecimalField("remboursé", max_digits=10, decimal_places=2, default=Decimal(0))
    created_at = models.DateTimeField("créée le")
    expires_at = models.DateTimeField("expire le")

    class Meta:
        verbose_name = "ordre de la banque de démonstration"
        verbose_name_plural = "ordres de la banque de démonstration"

    def __str__(self) -> str:
        return f"Ordre {self.token}"
