"""A fee a year, per family or per child: what the town asks, and of whom it was asked.

`HouseholdFee` rows are written by `billing.invoices.fees` only.
"""

from datetime import date
from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from billing.models.budget import ACCOUNT
from billing.models.regies import Regie
from billing.models.tariffs import NEVER_NEGATIVE
from billing.rules import fees as rules
from families.models import Child, Household, User
from families.visibility import VisibleQuerySet
from portal.french.amounts import euros
from portal.reservations.models import Activity


class Fee(models.Model):
    """What is asked once a year of who enrols for one of its activities, whatever the number of invoices."""

    class Per(models.TextChoices):
        HOUSEHOLD = rules.Per.HOUSEHOLD.value, "une fois par famille"
        CHILD = rules.Per.CHILD.value, "une fois par enfant"

    class Span(models.TextChoices):
        SCHOOL_YEAR = rules.Span.SCHOOL_YEAR.value, "l'année scolaire"
        TWELVE_MONTHS = rules.Span.TWELVE_MONTHS.value, "douze mois, depuis le premier jour de l'inscription"

    class Arises(models.TextChoices):
        ACCEPTED = "accepted", "l'inscription est acceptée"
        ASKED = "asked", "l'inscription est demandée"

    code = models.SlugField("code", max_length=80, unique=True)
    name = models.CharField(
        "nom", max_length=80, help_text="Comme la famille le lira : « Adhésion », « Frais de dossier »."
    )
    activities = models.ManyToManyField(
        Activity,
        related_name="+",
        verbose_name="activités",
        help_text="Une inscription à l'une d'elles les demande ; à plusieurs, une seule fois.",
    )
    per = models.CharField("demandés", max_length=9, choices=Per, default=Per.HOUSEHOLD)
    span = models.CharField("valent pour", max_length=6, choices=Span, default=Span.SCHOOL_YEAR)
    arises = models.CharField("dus dès que", max_length=8, choices=Arises, default=Arises.ACCEPTED)
    refunded = models.BooleanField(
        "rendus si l'inscription est refusée ou retirée",
        default=True,
        help_text="Déjà facturés, ils reviennent sur la facture suivante, sauf si une autre inscription de la"
        " même année les demande.",
    )
    valid_from = models.DateField(
        "en vigueur du", null=True, blank=True, help_text="Le jour où l'inscription commence en décide."
    )
    valid_to = models.DateField("au", null=True, blank=True)
    vat_percent = models.DecimalField(
        "TVA (%)", max_digits=4, decimal_places=2, default=Decimal(0), validators=[NEVER_NEGATIVE]
    )
    # None: the town's own.
    regie = models.ForeignKey(
        Regie, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="régie"
    )
    analytic = models.CharField("code analytique", max_length=20, blank=True, default="")
    account = models.CharField(
        "compte (M57)",
        max_length=20,
        blank=True,
        default="",
        validators=[ACCOUNT],
        help_text="Vide : celui des recettes du journal.",
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = "frais annuel"
        verbose_name_plural = "frais annuels"
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_from=None) | Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="fee_ends_after_start",
                violation_error_message="Les frais finissent avant de commencer.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def holds(self, day: date) -> bool:
        return (self.valid_from or date.min) <= day <= (self.valid_to or date.max)

    def steps(self) -> tuple[rules.Step, ...]:
        """Its prices (prefetch them)."""
        return tuple(one.rule() for one in self.prices.all())

    def sentence(self, day: date) -> str:
        return rules.sentence(self.name, self.steps(), rules.Per(self.per), rules.Span(self.span), day=day)


class FeePrice(models.Model):
    """What a fee costs from a day on; from a further child on, and to who lives elsewhere, perhaps less."""

    fee = models.ForeignKey(Fee, on_delete=models.CASCADE, related_name="prices", verbose_name="frais")
    valid_from = models.DateField("à partir du", null=True, blank=True, help_text="Vide : depuis le début.")
    from_child = models.PositiveSmallIntegerField(
        "à partir de l'enfant n°",
        default=1,
        validators=[MinValueValidator(1, "Le premier enfant est le n° 1.")],
        help_text="1 : tous. 3 : à partir du troisième enfant de la famille qui les paie.",
    )
    amount = models.DecimalField("montant", max_digits=8, decimal_places=2, validators=[NEVER_NEGATIVE])
    amount_outside = models.DecimalField(
        "hors commune",
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[NEVER_NEGATIVE],
        help_text="Vide : le même montant.",
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = "prix"
        verbose_name_plural = "prix"
        ordering = ["fee", F("valid_from").asc(nulls_first=True), "from_child", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["fee", "valid_from", "from_child"],
                name="one_fee_price_a_day_and_child",
                violation_error_message="Deux prix sont écrits pour le même rang, depuis le même jour.",
            ),
            models.UniqueConstraint(
                fields=["fee", "from_child"],
                condition=Q(valid_from=None),
                name="one_first_fee_price_a_child",
                violation_error_message="Deux prix sont écrits pour le même rang, depuis le début.",
            ),
            models.CheckConstraint(
                condition=Q(from_child__gte=1),
                name="fee_price_from_a_child",
                violation_error_message="Le premier enfant est le n° 1.",
            ),
        ]

    def __str__(self) -> str:
        return euros(self.amount)

    def rule(self) -> rules.Step:
        return rules.Step(self.amount, self.from_child, self.amount_outside, self.valid_from)


class HouseholdFeeQuerySet(VisibleQuerySet["HouseholdFee"]):
    pass


class HouseholdFee(models.Model):
    """A fee of a family, or of one of its children, for a year: one, however many enrolments and invoices.

    What an invoice billed of it, or took back, are its `billings` (`BilledItem`, unique a turn). Until then
    `amount` and `label` are those of the night before. `superseded`: of two households that were joined, the
    one too many.
    """

    fee = models.ForeignKey(Fee, on_delete=models.PROTECT, related_name="asked", verbose_name="frais")
    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="fees", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="enfant"
    )
    starts_on = models.DateField("du")
    ends_on = models.DateField("au")
    arises_on = models.DateField("dus depuis le")
    label = models.CharField("désignation", max_length=200)
    amount = models.DecimalField("montant", max_digits=8, decimal_places=2)
    explanation = models.CharField("calcul", max_length=600, blank=True)
    superseded = models.BooleanField("en double", default=False, db_default=False, editable=False)
    waived_at = models.DateTimeField("dispensé le", null=True, blank=True)
    waived_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="par"
    )
    waived_reason = models.CharField("motif de la dispense", max_length=300, blank=True, default="")

    objects = HouseholdFeeQuerySet.as_manager()

    class Meta:
        verbose_name = "frais d'une famille"
        verbose_name_plural = "frais des familles"
        ordering = ["-arises_on", "household", "pk"]
        permissions = [("waive_householdfee", "Peut dispenser une famille de frais annuels")]
        constraints = [
            models.UniqueConstraint(
                fields=["fee", "household", "starts_on"],
                condition=Q(child__isnull=True, superseded=False),
                name="one_fee_a_household_and_year",
                violation_error_message="Cette famille a déjà ces frais pour cette année.",
            ),
            models.UniqueConstraint(
                fields=["fee", "child", "starts_on"],
                condition=Q(child__isnull=False, superseded=False),
                name="one_fee_a_child_and_year",
                violation_error_message="Cet enfant a déjà ces frais pour cette année.",
            ),
            models.CheckConstraint(
                condition=Q(waived_at__isnull=True) | ~Q(waived_reason=""),
                name="fee_waived_for_a_reason",
                violation_error_message="Indiquez le motif de la dispense.",
            ),
        ]

    def __str__(self) -> str:
        return self.label
