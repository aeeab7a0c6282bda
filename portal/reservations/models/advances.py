"""Money that comes before the place: what an activity asks for, and the carts that wait to be paid."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from families.models import Household, User
from families.visibility import VisibleQuerySet
from portal.database.kept import KeptAWhile
from portal.reservations.models.activities import Activity, Period
from portal.reservations.models.bookings import Booking


class Advance(models.Model):
    """What is paid before a place of an activity is given, or of one of its periods."""

    class Kind(models.TextChoices):
        WHOLE = "whole", "Tout le prix des jours"
        PART = "part", "Un acompte : une part du prix des jours"
        ACCOUNT = "account", "Rien : le compte du foyer doit couvrir le prix des jours"

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="advances", verbose_name="activité"
    )
    period = models.ForeignKey(
        Period,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="advances",
        verbose_name="période",
        help_text="Vide : toutes celles qui n'ont pas leur propre ligne.",
    )
    kind = models.CharField("à payer avant la place", max_length=7, choices=Kind)
    percent = models.PositiveSmallIntegerField(
        "part du prix, en %",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(99)],
        help_text="D'un acompte : 30 pour 30 %. Le reste vient avec la facture.",
    )
    minutes = models.PositiveSmallIntegerField(
        "minutes pour payer",
        default=20,
        validators=[MinValueValidator(5), MaxValueValidator(1440)],
        help_text="La place est gardée ce temps-là, une fois de plus quand la page de la banque s'ouvre ; "
        "ensuite elle est rendue.",
    )
    alert_below = models.DecimalField(
        "prévenir la famille quand il reste moins de (€)",
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="Du compte du foyer, sur sa page d'accueil. Vide : seulement quand il ne couvre plus rien.",
    )

    class Meta:
        verbose_name = "paiement avant la place"
        verbose_name_plural = "paiements avant la place"
        ordering = ["activity", "period__starts_on", "pk"]
        constraints = [
            models.UniqueConstraint(
                "activity",
                Coalesce("period", 0),
                name="one_advance_an_activity_and_period",
                violation_error_message="Cette activité dit déjà ce qui se paie avant la place.",
            ),
            models.CheckConstraint(
                condition=Q(kind="part", percent__isnull=False, percent__gte=1, percent__lte=99)
                | (~Q(kind="part") & Q(percent=None)),
                name="advance_part_has_a_percent",
                violation_error_message="Un acompte dit sa part du prix, de 1 à 99 %%, et lui seul.",
            ),
            models.CheckConstraint(
                condition=Q(kind="account") | Q(alert_below=None),
                name="advance_alert_of_accounts_only",
                violation_error_message="Seul le compte du foyer prévient quand il reste peu.",
            ),
            models.CheckConstraint(
                condition=Q(minutes__gte=5, minutes__lte=1440),
                name="advance_minutes_in_a_day",
                violation_error_message="Une place est gardée de 5 minutes à 24 heures.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.activity}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        advances.forget()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        found = super().delete(*args, **kwargs)
        advances.forget()
        return found

    def clean(self) -> None:
        """What contradicts the activity: nobody is asked to pay what the town hall has not answered."""
        super().clean()
        if not self.activity_id:
            return
        activity = self.activity
        if activity.processing == Activity.Processing.ON_REQUEST:
            raise ValidationError(
                "Les réservations de cette activité attendent la réponse de la mairie : elles ne peuvent pas "
                "être payées avant. Choisissez un traitement automatique."
            )
        if self.period_id and self.period and self.period.activity_id != activity.pk:
            raise ValidationError({"period": "Cette période est d'une autre activité."})


@KeptAWhile
def advances() -> dict[tuple[int, int | None], Advance]:
    """By activity and period (keys); None: the whole activity."""
    return {(one.activity_id, one.period_id): one for one in Advance.objects.all()}


class CartQuerySet(VisibleQuerySet["Cart"]):
    def open(self) -> "CartQuerySet":
        """Those that wait to be paid, or whose hour has passed and nobody has seen it."""
        return self.filter(state=Cart.State.OPEN)


class Cart(models.Model):
    """Places of an activity that a household recorded together and that are kept until they are paid."""

    class State(models.TextChoices):
        OPEN = "open", "À payer"
        PAID = "paid", "Payé"
        ENDED = "ended", "Fini sans paiement"

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="carts", verbose_name="foyer"
    )
    activity = models.ForeignKey(
        Activity, on_delete=models.PROTECT, related_name="carts", verbose_name="activité"
    )
    state = models.CharField("état", max_length=5, choices=State, default=State.OPEN)
    # Of the price of its days, when they were recorded.
    percent = models.PositiveSmallIntegerField("part du prix, en %", default=100)
    minutes = models.PositiveSmallIntegerField("minutes pour payer", default=20)
    ends_at = models.DateTimeField("places gardées jusqu'à")
    extended = models.BooleanField("prolongé", default=False)
    made_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="fait par"
    )
    made_at = models.DateTimeField("fait le")
    settled_at = models.DateTimeField("terminé le", null=True, blank=True)

    objects = CartQuerySet.as_manager()

    class Meta:
        verbose_name = "panier à payer"
        verbose_name_plural = "paniers à payer"
        ordering = ["-made_at", "-pk"]
        indexes = [
            models.Index(fields=["ends_at"], condition=Q(state="open"), name="cart_open_by_hour"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["household", "activity", "made_at"], name="one_cart_a_recording"),
        ]

    def __str__(self) -> str:
        return f"Panier n°\xa0{self.pk}"

    def is_open(self, at: datetime) -> bool:
        """Whether it may still be paid at the aware moment `at`."""
        return self.state == self.State.OPEN and at < self.ends_at


class CartDay(models.Model):
    """A day of a cart, with its price when it was recorded."""

    cart = models.ForeignKey(Cart, on_delete=models.CASCADE, related_name="days", verbose_name="panier")
    booking = models.OneToOneField(
        Booking, on_delete=models.CASCADE, related_name="cart_day", verbose_name="présence réservée"
    )
    price = models.DecimalField("prix", max_digits=8, decimal_places=2)

    class Meta:
        verbose_name = "jour d'un panier"
        verbose_name_plural = "jours d'un panier"
        ordering = ["booking__day", "pk"]

    def __str__(self) -> str:
        return f"{self.cart} : {self.booking}"
