"""How the town bills."""

from decimal import Decimal
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from billing.models.regies import Issuer
from billing.models.tariffs import NEVER_NEGATIVE
from billing.rules.arrears import CANTEEN_IS_A_RIGHT, Beforehand
from billing.rules.instalments import MOST
from portal.database.history import History
from portal.reservations.models import Activity


class BillingSettings(Issuer):
    """How the town bills, and its own régie: one row."""

    class Siblings(models.TextChoices):
        ALL = "all", "tous les enfants inscrits du foyer, toutes activités"
        ACTIVITY = "activity", "les enfants du foyer inscrits à la même activité"

    class Late(models.TextChoices):
        DATE = "date", "compte dès sa date"
        TOLD = "told", "compte du jour où la mairie l'a su"

    siblings = models.CharField(
        "enfants comptés pour le rang et le nombre d'enfants",
        max_length=8,
        choices=Siblings,
        default=Siblings.ALL,
    )

    residence_late = models.CharField(
        "déménagement appris en retard",
        max_length=4,
        choices=Late,
        default=Late.DATE,
        db_default=Late.DATE,
        help_text="Parti le 4, dit le 20 : le tarif hors commune s'applique du 4, ou du 20. Un jour déjà"
        " facturé ne change que par « Recalculer un mois ».",
    )
    school_late = models.CharField(
        "école ou classe apprise en retard",
        max_length=4,
        choices=Late,
        default=Late.DATE,
        db_default=Late.DATE,
    )
    siblings_late = models.CharField(
        "frère ou sœur inscrit ou parti, appris en retard",
        max_length=4,
        choices=Late,
        default=Late.DATE,
        db_default=Late.DATE,
    )
    quotient_late = models.CharField(
        "quotient familial donné en retard",
        max_length=4,
        choices=Late,
        default=Late.TOLD,
        db_default=Late.TOLD,
        help_text="Valable du 1er, donné le 20 : deux repas avant le 20 à 3,20 € et deux après à 1,75 € font"
        " 9,90 € ; s'il compte dès le 1er, 7,00 €.",
    )
    starts_on = models.DateField(
        "facturer à partir du",
        null=True,
        blank=True,
        help_text="Rien de ce qui précède n'est facturé ici. Vide : tout ce qui ne l'est pas encore.",
    )
    series = models.CharField(
        "série des factures",
        max_length=4,
        default="F",
        validators=[RegexValidator(r"^[A-Z]{1,4}$", "Une à quatre lettres majuscules.")],
    )
    payment_days = models.PositiveSmallIntegerField("jours pour payer", default=30)
    minimum_amount = models.DecimalField(
        "montant minimum d'une facture",
        max_digits=6,
        decimal_places=2,
        default=Decimal(0),
        validators=[NEVER_NEGATIVE],
        help_text="En dessous, le montant est reporté sur la facture suivante.",
    )
    reminder_days = models.PositiveSmallIntegerField(
        "jours entre deux relances",
        default=15,
        help_text="La première part au plus tôt le lendemain de la date limite de paiement.",
    )
    arrears_activities = models.ManyToManyField(
        Activity,
        blank=True,
        related_name="+",
        verbose_name="impayés : activités que la mairie peut arrêter",
        help_text="Une décision d'un agent peut y arrêter aussi les nouveaux jours et les inscriptions."
        f" Ailleurs, seulement les jours hors délai. {CANTEEN_IS_A_RIGHT}",
    )
    arrears_reminders = models.PositiveSmallIntegerField(
        "impayés : relances avant une décision",
        default=2,
        db_default=2,
        validators=[MinValueValidator(1, "Une décision suit au moins une relance.")],
        help_text="Autant de relances d'une même facture, au moins.",
    )
    arrears_days = models.PositiveSmallIntegerField(
        "impayés : jours depuis la dernière relance", default=15, db_default=15
    )
    arrears_amount = models.DecimalField(
        "impayés : à partir de (€)",
        max_digits=6,
        decimal_places=2,
        default=Decimal(15),
        db_default=Decimal(15),
        validators=[NEVER_NEGATIVE],
        help_text="Ce qui reste à payer des factures relancées. Rien n'est jamais arrêté sans un agent.",
    )
    arrears_end_when_paid = models.BooleanField(
        "impayés : le paiement met fin à la décision",
        default=True,
        db_default=True,
        help_text="Sinon, elle dure jusqu'à sa date, ou jusqu'à ce qu'un agent la lève.",
    )
    tobacconist = models.BooleanField("paiement de proximité chez un buraliste", default=False)
    part_payment = models.BooleanField(
        "paiement partiel en ligne",
        default=False,
        help_text="Une famille peut payer une partie d'une facture.",
    )
    instalments_most = models.PositiveSmallIntegerField(
        "payer une facture en plusieurs fois : nombre d'échéances au plus",
        default=0,
        db_default=0,
        validators=[MaxValueValidator(MOST, f"Au plus {MOST} échéances.")],
        help_text="0 : la famille ne le choisit pas ; un agent le peut toujours, sur la page de la facture."
        " 3 : en 2 ou 3 fois, un mois entre deux échéances. La facture elle-même ne change pas ;"
        " prélèvements et relances suivent les échéances.",
    )
    instalments_from = models.DecimalField(
        "pour une facture d'au moins",
        max_digits=8,
        decimal_places=2,
        default=Decimal(0),
        db_default=Decimal(0),
        validators=[NEVER_NEGATIVE],
    )
    deposits_from = models.DateField(
        "bordereaux et versements à partir du",
        null=True,
        blank=True,
        help_text="Ce qui a été encaissé avant est déjà remis. Vide : tout ce qui n'est sur aucun bordereau.",
    )

    history = History()

    class Meta:
        verbose_name = "réglages de la facturation"
        verbose_name_plural = "réglages de la facturation"
        constraints = [
            models.CheckConstraint(
                condition=Q(pk=1),
                name="only_one_billing_settings",
                violation_error_message="Les réglages n'existent qu'une fois.",
            ),
            models.CheckConstraint(
                condition=Q(arrears_reminders__gte=1),
                name="arrears_after_a_reminder",
                violation_error_message="Une décision suit au moins une relance.",
            ),
        ]

    def __str__(self) -> str:
        return "Réglages de la facturation"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    @classmethod
    def current(cls) -> "BillingSettings":
        """The row, or an unsaved one with the usual values."""
        return cls.objects.first() or cls()

    @property
    def before_arrears(self) -> Beforehand:
        """What a decision about arrears asks for beforehand."""
        return Beforehand(self.arrears_reminders, self.arrears_days, self.arrears_amount)

    def carries(self, total: Decimal) -> bool:
        """Whether so much gets no invoice: nothing to pay, or too little. It waits for the next month."""
        return total <= 0 or total < self.minimum_amount
