"""Adults who eat at a school's table: teachers, staff, guests; their meals, what these cost.

`DinerMeal` rows are written by `billing.invoices.adults` only.
"""

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from billing.models.tariffs import NEVER_NEGATIVE
from billing.rules import adults as rules
from families.models import Diet, Household, User
from portal.french.names import NameField
from portal.reservations.models import Establishment, Formula

MEALS_ONLY = {"with_meal": True}


class DinerKind(models.TextChoices):
    """As what an adult eats at a school, which its price may depend on."""

    TEACHER = "teacher", "enseignant"
    STAFF = "staff", "agent de la commune"
    GUEST = "guest", "intervenant ou invité"
    OTHER = "other", "autre adulte"


# As a town's file calls them.
DINER_WORDS = {
    "tous": "",
    "enseignant": DinerKind.TEACHER,
    "agent": DinerKind.STAFF,
    "intervenant": DinerKind.GUEST,
    "autre": DinerKind.OTHER,
}


class AdultPrice(models.Model):
    """What an adult pays for a formula, from a day on; dearer, or not at all, for who books late."""

    formula = models.ForeignKey(
        Formula,
        on_delete=models.PROTECT,
        related_name="adult_prices",
        limit_choices_to=MEALS_ONLY,
        verbose_name="formule",
    )
    kind = models.CharField(
        "convives",
        max_length=7,
        choices=DinerKind,
        blank=True,
        default="",
        help_text="Vide : tous les adultes. Un prix de leur sorte l'emporte sur celui de tous.",
    )
    valid_from = models.DateField("à partir du", null=True, blank=True, help_text="Vide : depuis le début.")
    amount = models.DecimalField(
        "prix", max_digits=7, decimal_places=2, validators=[NEVER_NEGATIVE], help_text="TVA comprise."
    )
    notice_days = models.PositiveSmallIntegerField(
        "réservé … jours avant",
        default=0,
        help_text="7 : au plus tard le lundi pour le lundi suivant. 0 : le prix ne dépend pas de la date.",
    )
    late_amount = models.DecimalField(
        "prix plus tard",
        max_digits=7,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[NEVER_NEGATIVE],
        help_text="Vide, avec un délai : plus de réservation après lui.",
    )
    vat_percent = models.DecimalField(
        "TVA (%)", max_digits=4, decimal_places=2, default=Decimal(0), validators=[NEVER_NEGATIVE]
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = "prix des adultes"
        verbose_name_plural = "prix des adultes"
        ordering = ["formula", "kind", F("valid_from").asc(nulls_first=True)]
        constraints = [
            models.UniqueConstraint(
                fields=["formula", "kind", "valid_from"],
                name="one_adult_price_a_day",
                violation_error_message="Un prix de ces adultes commence déjà ce jour-là.",
            ),
            models.UniqueConstraint(
                fields=["formula", "kind"],
                condition=Q(valid_from=None),
                name="one_first_adult_price",
                violation_error_message="Ces adultes ont déjà un prix depuis le début.",
            ),
            models.CheckConstraint(
                condition=Q(late_amount=None) | Q(notice_days__gt=0, late_amount__gte=F("amount")),
                name="adult_late_price_has_a_deadline",
                violation_error_message="Un prix plus tard demande un délai, et n'est pas moins cher.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.formula} – {self.get_kind_display() or 'tous les adultes'}"

    def clean(self) -> None:
        super().clean()
        if self.amount is not None and (found := rules.problems(self.rule())):
            raise ValidationError({"late_amount": found})

    def rule(self) -> rules.Price:
        return rules.Price(
            self.amount, self.late_amount, self.notice_days, self.vat_percent, self.kind, self.valid_from
        )


class Diner(models.Model):
    """An adult at table: no child with a false birth date, and of no family. `household` is the account that
    pays, made with the adult: it has one payer and no child."""

    household = models.ForeignKey(
        Household,
        on_delete=models.PROTECT,
        editable=False,
        related_name="diners",
        verbose_name="compte qui paie",
    )
    first_name = NameField("prénom", max_length=80)
    last_name = NameField("nom", max_length=80)
    kind = models.CharField("convive", max_length=7, choices=DinerKind, default=DinerKind.TEACHER)
    establishment = models.ForeignKey(
        Establishment, on_delete=models.PROTECT, related_name="diners", verbose_name="lieu du repas"
    )
    formula = models.ForeignKey(
        Formula,
        on_delete=models.PROTECT,
        related_name="+",
        limit_choices_to=MEALS_ONLY,
        verbose_name="formule",
    )
    diet = models.ForeignKey(
        Diet, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="régime"
    )
    starts_on = models.DateField("mange à partir du")
    ends_on = models.DateField("jusqu'au", null=True, blank=True)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "adulte à table"
        verbose_name_plural = "adultes à table"
        ordering = ["last_name", "first_name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on=None) | Q(ends_on__gte=F("starts_on")),
                name="diner_ends_after_start",
                violation_error_message="Le dernier jour ne peut pas précéder le premier.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}"


class DinerMeal(models.Model):
    """A meal of an adult: booked or cancelled. What invoices billed of it, or took back, are its `billed`."""

    class State(models.TextChoices):
        BOOKED = "booked", "Réservé"
        CANCELLED = "cancelled", "Annulé"

    diner = models.ForeignKey(Diner, on_delete=models.PROTECT, related_name="meals", verbose_name="adulte")
    day = models.DateField("jour")
    establishment = models.ForeignKey(
        Establishment, on_delete=models.PROTECT, related_name="diner_meals", verbose_name="lieu du repas"
    )
    formula = models.ForeignKey(Formula, on_delete=models.PROTECT, related_name="+", verbose_name="formule")
    state = models.CharField("état", max_length=9, choices=State, default=State.BOOKED)
    # When it was booked last: its price hangs on that day.
    booked_at = models.DateTimeField("réservé le")
    booked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="réservé par"
    )
    cancelled_at = models.DateTimeField("annulé le", null=True, blank=True)
    cancelled_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="annulé par"
    )

    class Meta:
        verbose_name = "repas d'adulte"
        verbose_name_plural = "repas des adultes"
        ordering = ["-day", "diner__last_name", "diner__first_name", "pk"]
        indexes = [models.Index(fields=["establishment", "day"], name="diner_meal_by_place_and_day")]
        constraints = [
            models.UniqueConstraint(
                fields=["diner", "day"],
                name="one_meal_a_diner_and_day",
                violation_error_message="Cet adulte a déjà un repas ce jour-là.",
            ),
            models.CheckConstraint(
                condition=Q(state="booked", cancelled_at=None)
                | Q(state="cancelled", cancelled_at__isnull=False),
                name="diner_meal_cancelled_some_day",
                violation_error_message="Un repas annulé dit depuis quand.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.diner}, {self.day:%d/%m/%Y}"
