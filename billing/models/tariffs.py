"""What formulas cost: tariffs, their bands, rates and modifiers."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from simple_history.models import HistoricalRecords

from billing.rules import flats, pricing, quantities
from families.models import Child
from portal.french import grades
from portal.french.grades import Grade
from portal.french.month_fields import MonthMaskField
from portal.reservations.models import Activity, Audience, Enrolment, Formula, SchoolClass
from portal.reservations.models.campaigns import USUAL

AT_MOST_ALL = MaxValueValidator(Decimal(100), "Une part ne dépasse pas cent pour cent.")
# The audiences that the town made.
OWN_AUDIENCES = ~Q(belonging__in=USUAL)
NEVER_NEGATIVE = MinValueValidator(Decimal(0), "Un montant n'est jamais négatif.")


def check_columns(value: Any) -> None:
    """The columns of a grid: a list of different short names."""
    if not isinstance(value, list) or not all(isinstance(one, str) and 0 < len(one) <= 60 for one in value):
        raise ValidationError("Écrivez un nom de colonne par ligne.")
    if len(set(value)) != len(value):
        raise ValidationError("Deux colonnes portent le même nom.")


def check_prices(value: Any) -> None:
    """The prices of a band: a mapping of columns to amounts in euros, written as texts."""
    if not isinstance(value, dict):
        raise ValidationError("Écrivez un prix par colonne.")
    for column, amount in value.items():
        try:
            good = Decimal(str(amount)).is_finite() and Decimal(str(amount)) >= 0
        except ArithmeticError:
            good = False
        if not good:
            raise ValidationError(f"« {amount} » n'est pas un prix{f' ({column})' if column else ''}.")


def rank_in(columns: Sequence[str], column: str) -> tuple[int, str]:
    """Where the column stands in a grid; those that `columns` does not name come last."""
    return (columns.index(column) if column in columns else len(columns), column)


def price_text(amount: Decimal) -> str:
    """A price as bands keep it: « 3.20 », « 0.855 », at least two decimals."""
    whole, _, cents = f"{amount.normalize():f}".partition(".")
    return f"{whole}.{cents:0<2}"


class TariffQuerySet(models.QuerySet["Tariff"]):
    def with_rules(self) -> "TariffQuerySet":
        """With all that `rule()` reads, in three more queries whatever their number."""
        return self.prefetch_related("bands", "rates", "modifiers__public")

    def by_quantity(self) -> "models.QuerySet[Tariff]":
        """With `counts`: whether a price of theirs depends on how many presences there are. No query more."""
        return self.annotate(
            counts=models.Exists(TariffQuantity.objects.filter(tariff=models.OuterRef("pk")))
        )

    def in_force(self, first: date, last: date | None = None) -> "TariffQuerySet":
        """Those that hold on `first`, or on a day between `first` and `last`."""
        return self.filter(Q(valid_from=None) | Q(valid_from__lte=last or first)).filter(
            Q(valid_to=None) | Q(valid_to__gte=first)
        )


class Tariff(models.Model):
    """A dated price rule. What a presence costs is computed by `pricing.py` from its `rule()`."""

    class Kind(models.TextChoices):
        FLAT = pricing.Kind.FLAT.value, "Prix unique"
        BANDS = pricing.Kind.BANDS.value, "Tranches de quotient familial"
        EFFORT = pricing.Kind.EFFORT.value, "Taux d'effort"

    class Unit(models.TextChoices):
        PRESENCE = pricing.Unit.PRESENCE.value, "la présence (repas, journée…)"
        HOUR = pricing.Unit.HOUR.value, "l'heure commencée"
        HALF_HOUR = pricing.Unit.HALF_HOUR.value, "la demi-heure commencée"
        QUARTER = pricing.Unit.QUARTER.value, "le quart d'heure commencé"
        MONTH = pricing.Unit.MONTH.value, "le mois (forfait)"
        PERIOD = pricing.Unit.PERIOD.value, "la période (forfait)"

    class Between(models.TextChoices):
        LOWER = pricing.Between.LOWER.value, "La tranche du dessous (la moins chère pour la famille)"
        UPPER = pricing.Between.UPPER.value, "La tranche du dessus"

    class NoQuotient(models.TextChoices):
        HIGHEST = pricing.NoQuotient.HIGHEST.value, "La tranche la plus haute, ou le plafond"
        BAND = pricing.NoQuotient.BAND.value, "Une tranche nommée"
        PRICE = pricing.NoQuotient.PRICE.value, "Un prix"

    class Begun(models.TextChoices):
        WHOLE = flats.Begun.WHOLE.value, "le forfait entier"
        DAYS = flats.Begun.DAYS.value, "la part des jours ouverts"
        WEEKS = flats.Begun.WEEKS.value, "la part des semaines entamées"

    class Homes(models.TextChoices):
        WHOLE = "whole", "chaque foyer, le forfait entier"
        SHARED = "shared", "le forfait partagé selon les jours réservés par chacun"

    class Emptied(models.TextChoices):
        KEPT = "kept", "reste dû"
        CREDITED = "credited", "est rendu sur la facture suivante"

    code = models.SlugField("code", max_length=80, unique=True)
    name = models.CharField("nom", max_length=120)
    kind = models.CharField("principe", max_length=8, choices=Kind, default=Kind.BANDS)
    unit = models.CharField("prix pour", max_length=10, choices=Unit, default=Unit.PRESENCE)
    begun = models.CharField(
        "forfait d'un enfant qui arrive ou part en cours de route",
        max_length=5,
        choices=Begun,
        default=Begun.WHOLE,
        db_default=Begun.WHOLE,
        help_text="Pour un forfait de 40 € et un mois de cinq semaines, inscrit à partir de la troisième :"
        " 40,00 € entier ; 24,00 € par semaines entamées (3 sur 5) ; 20,00 € par jours ouverts s'il en reste"
        " 10 sur 20.",
    )
    homes = models.CharField(
        "forfait d'un enfant qui a deux foyers",
        max_length=6,
        choices=Homes,
        default=Homes.WHOLE,
        db_default=Homes.WHOLE,
        help_text="Partagé, un forfait de 40 € coûte 24,00 € au foyer qui a réservé 12 jours sur 20, et"
        " 16,00 € à l'autre.",
    )
    emptied = models.CharField(
        "forfait facturé dont tous les jours sont ensuite annulés ou excusés",
        max_length=8,
        choices=Emptied,
        default=Emptied.KEPT,
        db_default=Emptied.KEPT,
        help_text="Rendu, un forfait de 40 € déjà facturé revient en entier sur la facture suivante. Si plus"
        " aucun jour ne compte avant la facture, il n'est jamais demandé.",
    )
    due_months = MonthMaskField(
        "mois où le forfait est dû",
        default=0,
        db_default=0,
        blank=True,
        help_text="Aucun coché : chaque mois où un jour est réservé. Un forfait annuel en dix mensualités, de"
        " septembre à juin, ne demande rien en juillet, même pour deux jours de classe.",
    )
    columns = models.JSONField("colonnes", default=list, blank=True, validators=[check_columns])
    between = models.CharField(
        "un quotient entre deux tranches paie",
        max_length=6,
        choices=Between,
        default=Between.LOWER,
        help_text="Par exemple 450 quand les tranches sont « moins de 450 » et « de 451 à 550 ».",
    )
    no_quotient = models.CharField(
        "sans justificatif de quotient", max_length=8, choices=NoQuotient, default=NoQuotient.HIGHEST
    )
    no_quotient_band = models.CharField("nom de la tranche sans quotient", max_length=60, blank=True)
    no_quotient_price = models.DecimalField(
        "prix sans quotient",
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[NEVER_NEGATIVE],
    )
    step = models.DecimalField(
        "arrondi (au plus proche)",
        max_digits=4,
        decimal_places=2,
        default=Decimal("0.01"),
        validators=[MinValueValidator(Decimal("0.01"), "L'arrondi est d'au moins un centime.")],
        help_text="De ce qui est calculé : un prix, un plancher ou un plafond écrits restent tels quels.",
    )
    vat_percent = models.DecimalField(
        "TVA (%)",
        max_digits=4,
        decimal_places=2,
        default=Decimal(0),
        validators=[NEVER_NEGATIVE],
        help_text="0 : hors du champ de la TVA. Les prix sont toujours toutes taxes comprises.",
    )
    care_percent = models.DecimalField(
        "part de garde (%)",
        max_digits=5,
        decimal_places=2,
        default=Decimal(0),
        validators=[NEVER_NEGATIVE, AT_MOST_ALL],
        help_text="Part du prix reprise dans l'attestation fiscale des frais de garde.",
    )
    valid_from = models.DateField("en vigueur du", null=True, blank=True)
    valid_to = models.DateField("au", null=True, blank=True)

    objects = TariffQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "tarif"
        ordering = ["name", "-valid_from"]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_from=None) | Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="tariff_ends_after_start",
                violation_error_message="Le tarif doit finir après son début.",
            ),
            models.CheckConstraint(
                condition=~Q(no_quotient="price") | Q(no_quotient_price__isnull=False),
                name="tariff_without_quotient_has_price",
                violation_error_message="Indiquez le prix sans quotient.",
            ),
            models.CheckConstraint(
                condition=~Q(no_quotient="band") | ~Q(no_quotient_band=""),
                name="tariff_without_quotient_names_band",
                violation_error_message="Indiquez le nom de la tranche sans quotient.",
            ),
            models.CheckConstraint(
                condition=Q(due_months=0) | Q(unit="month"),
                name="tariff_due_in_months_is_a_months",
                violation_error_message="Seul un forfait au mois n'est dû que certains mois.",
            ),
            models.CheckConstraint(
                condition=Q(step__gt=0),
                name="tariff_rounding_is_positive",
                violation_error_message="L'arrondi est d'au moins un centime.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def dates(self) -> str:
        """« depuis le 01/09/2026 », « du 01/09/2026 au 31/08/2027 », « sans limite de date »."""
        if self.valid_from and self.valid_to:
            return f"du {self.valid_from:%d/%m/%Y} au {self.valid_to:%d/%m/%Y}"
        if self.valid_from:
            return f"depuis le {self.valid_from:%d/%m/%Y}"
        return f"jusqu'au {self.valid_to:%d/%m/%Y}" if self.valid_to else "sans limite de date"

    def rule(self) -> pricing.Tariff:
        """The pure rule of this row and its bands, rates and modifiers (prefetch with `with_rules()`)."""
        return pricing.Tariff(
            kind=pricing.Kind(self.kind),
            bands=tuple(band.rule(self.columns) for band in self.bands.all()),
            rates=tuple(
                rate.rule()
                for rate in sorted(self.rates.all(), key=lambda one: rank_in(self.columns, one.column))
            ),
            modifiers=tuple(modifier.rule() for modifier in self.modifiers.all()),
            unit=pricing.Unit(self.unit),
            between=pricing.Between(self.between),
            no_quotient=pricing.NoQuotient(self.no_quotient),
            no_quotient_band=self.no_quotient_band,
            no_quotient_price=self.no_quotient_price,
            step=self.step,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
            name=self.name,
        )


class TariffBand(models.Model):
    """Prices of the quotients from `low` to `high`, both included. A flat price is one band without limits.

    `prices` holds a price a column as text, `{"repas": "3.20"}`; without columns, `{"": "3.20"}`.
    """

    tariff = models.ForeignKey(Tariff, on_delete=models.CASCADE, related_name="bands", verbose_name="tarif")
    name = models.CharField("nom", max_length=60, blank=True)
    low = models.DecimalField(
        "quotient de", max_digits=9, decimal_places=2, null=True, blank=True, validators=[NEVER_NEGATIVE]
    )
    high = models.DecimalField(
        "à (inclus)", max_digits=9, decimal_places=2, null=True, blank=True, validators=[NEVER_NEGATIVE]
    )
    prices = models.JSONField("prix", default=dict, validators=[check_prices])

    history = HistoricalRecords()

    class Meta:
        verbose_name = "tranche"
        ordering = ["tariff", F("low").asc(nulls_first=True), "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(low=None) | Q(high=None) | Q(high__gte=F("low")),
                name="band_ends_after_start",
                violation_error_message="La tranche finit avant de commencer.",
            )
        ]

    def __str__(self) -> str:
        return self.rule().label

    def rule(self, columns: Sequence[str] = ()) -> pricing.Band:
        """The pure band, prices in the order of the tariff's `columns`: PostgreSQL keeps none in JSON."""
        prices = {
            column: Decimal(str(self.prices[column]))
            for column in sorted(self.prices, key=lambda name: rank_in(columns, name))
        }
        return pricing.Band(self.low, self.high, prices, self.name)


class TariffRate(models.Model):
    """Effort rate of a tariff: a percentage of the quotient between a floor and a ceiling."""

    tariff = models.ForeignKey(Tariff, on_delete=models.CASCADE, related_name="rates", verbose_name="tarif")
    column = models.CharField("colonne", max_length=60, blank=True)
    children = models.PositiveSmallIntegerField("à partir de … enfants", default=1)
    percent = models.DecimalField(
        "taux (% du quotient)",
        max_digits=9,
        decimal_places=5,
        default=Decimal(0),
        validators=[NEVER_NEGATIVE],
    )
    base = models.DecimalField("plus un montant fixe", max_digits=8, decimal_places=2, default=Decimal(0))
    floor = models.DecimalField(
        "plancher", max_digits=8, decimal_places=2, null=True, blank=True, validators=[NEVER_NEGATIVE]
    )
    ceiling = models.DecimalField(
        "plafond", max_digits=8, decimal_places=2, null=True, blank=True, validators=[NEVER_NEGATIVE]
    )
    low = models.DecimalField(
        "quotient du plancher (tarif progressif)", max_digits=9, decimal_places=2, null=True, blank=True
    )
    high = models.DecimalField(
        "quotient du plafond (tarif progressif)", max_digits=9, decimal_places=2, null=True, blank=True
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = "taux d'effort"
        verbose_name_plural = "taux d'effort"
        ordering = ["tariff", "column", "children", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(floor=None) | Q(ceiling=None) | Q(ceiling__gte=F("floor")),
                name="rate_ceiling_over_floor",
                violation_error_message="Le plafond est sous le plancher.",
            ),
            models.CheckConstraint(
                condition=Q(low=None) | Q(high=None) | Q(high__gt=F("low")),
                name="rate_line_climbs",
                violation_error_message="Le quotient du plafond doit dépasser celui du plancher.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.percent.normalize():f} %"

    def rule(self) -> pricing.Rate:
        return pricing.Rate(
            self.percent, self.floor, self.ceiling, self.children, self.column, self.base, self.low, self.high
        )


class Status(models.TextChoices):
    """What the town hall may recognise of a child that changes its price."""

    DISABILITY = pricing.Status.DISABILITY.value, "Handicap (AEEH)"
    SCHOLARSHIP = pricing.Status.SCHOLARSHIP.value, "Élève boursier"
    FOSTER = pricing.Status.FOSTER.value, "Enfant confié à une famille d'accueil"
    STAFF = pricing.Status.STAFF.value, "Enfant du personnel"


class TariffModifier(models.Model):
    """What a circumstance does to the price of a tariff: non-residents, late reservations, siblings…"""

    class When(models.TextChoices):
        NON_RESIDENT = pricing.When.NON_RESIDENT.value, "Famille hors commune"
        LATE = pricing.When.LATE.value, "Réservation hors délai"
        UNRESERVED = pricing.When.UNRESERVED.value, "Présence sans réservation"
        ABSENT = pricing.When.ABSENT.value, "Absence non justifiée"
        RANK = pricing.When.RANK.value, "À partir du … enfant"
        CHILDREN = pricing.When.CHILDREN.value, "À partir de … enfants inscrits"
        STATUS = pricing.When.STATUS.value, "Situation reconnue de l'enfant"
        PUBLIC = pricing.When.PUBLIC.value, "Foyer d'un public de la ville (avant « hors commune »)"
        LEVEL = pricing.When.LEVEL.value, "Niveau scolaire"
        GRADE = pricing.When.GRADE.value, "De la classe … à la classe …"
        AGE = pricing.When.AGE.value, "Moins de … ans"
        PAI = pricing.When.PAI.value, "Panier repas (PAI)"
        ADULT = pricing.When.ADULT.value, "Adulte"

    class Effect(models.TextChoices):
        ADD = pricing.Effect.ADD.value, "ajoute … euros (− : retire)"
        PERCENT = pricing.Effect.PERCENT.value, "ajoute … % (− : retire)"
        MULTIPLY = pricing.Effect.MULTIPLY.value, "multiplie par"
        PRICE = pricing.Effect.PRICE.value, "remplace par le prix"
        COLUMN = pricing.Effect.COLUMN.value, "prend la colonne"
        SHIFT = pricing.Effect.SHIFT.value, "décale de … tranches (− : vers le bas)"

    tariff = models.ForeignKey(
        Tariff, on_delete=models.CASCADE, related_name="modifiers", verbose_name="tarif"
    )
    when = models.CharField("quand", max_length=12, choices=When)
    number = models.PositiveSmallIntegerField("rang, nombre d'enfants ou âge", default=0)
    level = models.CharField("niveau", max_length=20, blank=True, choices=SchoolClass.Level)
    first_grade = models.PositiveSmallIntegerField("de la classe", choices=Grade, null=True, blank=True)
    last_grade = models.PositiveSmallIntegerField("à la classe", choices=Grade, null=True, blank=True)
    age_counts = models.CharField(
        "âge compté",
        max_length=9,
        choices=Activity.AgeCounts,
        default=Activity.AgeCounts.DAY,
        db_default="day",
    )
    status = models.CharField(
        "situation", max_length=12, blank=True, choices=Status, default="", db_default=""
    )
    public = models.ForeignKey(
        Audience,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="modifiers",
        verbose_name="public",
        limit_choices_to=OWN_AUDIENCES,
    )
    effect = models.CharField("effet", max_length=8, choices=Effect)
    amount = models.DecimalField("valeur", max_digits=9, decimal_places=4, default=Decimal(0))
    column = models.CharField("colonne prise", max_length=60, blank=True)
    columns = models.JSONField(
        "seulement pour les colonnes", default=list, blank=True, validators=[check_columns]
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = "règle particulière"
        verbose_name_plural = "règles particulières"
        ordering = ["tariff", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(when__in=["rank", "children"]) | Q(number__gte=1),
                name="modifier_says_from_which_number",
                violation_error_message="Indiquez à partir de quel rang ou de combien d'enfants.",
            ),
            models.CheckConstraint(
                condition=~Q(when="age") | Q(number__gte=1),
                name="modifier_says_under_which_age",
                violation_error_message="Indiquez l'âge au-dessous duquel la règle vaut.",
            ),
            models.CheckConstraint(
                condition=~Q(when="grade") | Q(first_grade__isnull=False) | Q(last_grade__isnull=False),
                name="modifier_says_which_classes",
                violation_error_message="Indiquez la première classe, la dernière, ou les deux.",
            ),
            models.CheckConstraint(
                condition=Q(first_grade=None) | Q(last_grade=None) | Q(last_grade__gte=F("first_grade")),
                name="modifier_classes_in_order",
                violation_error_message="La dernière classe vient avant la première.",
            ),
            models.CheckConstraint(
                condition=~Q(when="level") | ~Q(level=""),
                name="modifier_says_which_level",
                violation_error_message="Indiquez le niveau scolaire.",
            ),
            models.CheckConstraint(
                condition=~Q(when="status") | ~Q(status=""),
                name="modifier_says_which_status",
                violation_error_message="Indiquez la situation.",
            ),
            models.CheckConstraint(
                condition=Q(when="public", public__isnull=False) | (~Q(when="public") & Q(public=None)),
                name="modifier_says_which_public",
                violation_error_message="Indiquez le public, et seulement pour une règle d'un public.",
            ),
            models.CheckConstraint(
                condition=~Q(effect="column") | ~Q(column=""),
                name="modifier_says_which_column",
                violation_error_message="Indiquez la colonne prise.",
            ),
            models.CheckConstraint(
                condition=~Q(effect__in=["price", "multiply"]) | Q(amount__gte=0),
                name="modifier_price_never_negative",
                violation_error_message="Un prix ou un coefficient n'est jamais négatif.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_when_display()} : {self.get_effect_display()}"

    def rule(self) -> pricing.Modifier:
        by_grade = self.when == self.When.GRADE
        return pricing.Modifier(
            pricing.When(self.when),
            pricing.Effect(self.effect),
            self.amount,
            (self.first_grade or 0) if by_grade else self.number,
            grades.between(self.first_grade, self.last_grade) if by_grade else self.level,
            self.column,
            frozenset(self.columns),
            (self.last_grade or 0) if by_grade else 0,
            pricing.AgeOn(self.age_counts),
            self.status,
            self.public_id or 0,
            self.public.label if self.public_id and self.public else "",
        )


class TariffQuantity(models.Model):
    """What a number of presences does to their price: from the fourth evening of a week, 2, 3 or 5 days at
    the price of a package, never more than so much a month. The rule itself: `rules/quantities.py`."""

    class Kind(models.TextChoices):
        COLUMN = quantities.Kind.COLUMN.value, "à partir de … : chaque présence au prix de la colonne"
        ONE = quantities.Kind.ONE.value, "… formules d'un même jour au prix d'une"
        PACKAGE = quantities.Kind.PACKAGE.value, "forfait de … jours (entre deux, le suivant)"
        FLAT = quantities.Kind.FLAT.value, "à partir de … : forfait pour le tout"
        SIBLINGS = quantities.Kind.SIBLINGS.value, "… enfants ensemble, un prix pour tous"
        FLOOR = quantities.Kind.FLOOR.value, "jamais moins de"
        CAP = quantities.Kind.CAP.value, "jamais plus de"

    class Span(models.TextChoices):
        DAY = quantities.Span.DAY.value, "jour"
        WEEK = quantities.Span.WEEK.value, "semaine"
        MONTH = quantities.Span.MONTH.value, "mois"
        PERIOD = quantities.Span.PERIOD.value, "période"

    class Count(models.TextChoices):
        DAYS = quantities.Count.DAYS.value, "les jours"
        PRESENCES = quantities.Count.PRESENCES.value, "les présences"

    class Counted(models.TextChoices):
        RESERVED = quantities.Counted.RESERVED.value, "réservés"
        ATTENDED = quantities.Counted.ATTENDED.value, "où l'enfant est venu"

    tariff = models.ForeignKey(
        Tariff, on_delete=models.CASCADE, related_name="quantities", verbose_name="tarif"
    )
    kind = models.CharField("effet", max_length=8, choices=Kind)
    span = models.CharField("par", max_length=6, choices=Span, default=Span.WEEK)
    number = models.PositiveSmallIntegerField("nombre", default=1)
    amount = models.DecimalField(
        "montant", max_digits=8, decimal_places=2, null=True, blank=True, validators=[NEVER_NEGATIVE],
        help_text="Vide : le prix de la colonne.",
    )  # fmt: skip
    column = models.CharField("colonne", max_length=60, blank=True)
    family = models.BooleanField("pour toute la famille", default=False)
    count = models.CharField("compte", max_length=9, choices=Count, default=Count.DAYS)
    counted = models.CharField("jours comptés", max_length=8, choices=Counted, default=Counted.RESERVED)
    apart = models.BooleanField("chaque formule à part", default=False)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "règle selon le nombre"
        verbose_name_plural = "règles selon le nombre"
        ordering = ["tariff", "kind", "number", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(number__gte=1),
                name="quantity_counts_from_one",
                violation_error_message="Indiquez un nombre, d'au moins 1.",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["column", "one"]) | Q(amount__isnull=False) | ~Q(column=""),
                name="quantity_says_its_price",
                violation_error_message="Indiquez un montant, ou la colonne de la grille qui le dit.",
            ),
            models.CheckConstraint(
                condition=~Q(kind="column") | ~Q(column=""),
                name="quantity_names_its_column",
                violation_error_message="Indiquez la colonne qui compte à partir de ce nombre.",
            ),
        ]

    def __str__(self) -> str:
        return quantities.in_words(self.rule())

    def rule(self) -> quantities.Quantity:
        return quantities.Quantity(
            quantities.Kind(self.kind),
            quantities.Span(self.span),
            self.number,
            self.amount,
            self.column,
            self.family,
            quantities.Count(self.count),
            quantities.Counted(self.counted),
            self.apart,
        )


class FormulaTariff(models.Model):
    """That a formula is priced by a tariff, for some families and cases; the most specific row counts."""

    class Audience(models.TextChoices):
        ALL = "", "Toutes les familles"
        RESIDENT = "resident", "Familles de la commune"
        NON_RESIDENT = "non_resident", "Familles hors commune"

    class Situation(models.TextChoices):
        ORDINARY = "", "Présence réservée"
        LATE = pricing.When.LATE.value, "Réservation hors délai"
        UNRESERVED = pricing.When.UNRESERVED.value, "Présence sans réservation"
        ABSENT = pricing.When.ABSENT.value, "Absence non justifiée"
        PAI = pricing.When.PAI.value, "Panier repas (PAI)"
        ADULT = pricing.When.ADULT.value, "Adulte"

    formula = models.ForeignKey(
        Formula, on_delete=models.CASCADE, related_name="tariffs", verbose_name="formule"
    )
    tariff = models.ForeignKey(
        Tariff, on_delete=models.CASCADE, related_name="formulas", verbose_name="tarif"
    )
    column = models.CharField(
        "colonne", max_length=60, blank=True, help_text="Vide : la première colonne de la grille."
    )
    situation = models.CharField("situation", max_length=10, choices=Situation, blank=True)
    audience = models.CharField("pour", max_length=12, choices=Audience, blank=True)
    public = models.ForeignKey(
        "reservations.Audience",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="tariffs",
        verbose_name="public de la ville",
        limit_choices_to=OWN_AUDIENCES,
        help_text="Compte avant « commune » et « hors commune ».",
    )
    level = models.CharField("niveau", max_length=20, choices=SchoolClass.Level, blank=True)
    rank = models.PositiveSmallIntegerField("à partir du … enfant", default=1)
    children = models.PositiveSmallIntegerField("à partir de … enfants inscrits", default=1)
    supplement = models.BooleanField(
        "s'ajoute au prix", default=False, help_text="Par exemple le repas d'une journée au centre."
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = "formule tarifée"
        verbose_name_plural = "formules tarifées"
        ordering = ["formula", "supplement", "pk"]
        constraints = [
            models.UniqueConstraint(
                "formula",
                "tariff",
                "column",
                "situation",
                "audience",
                "level",
                "rank",
                "children",
                Coalesce("public", 0),
                name="one_offer_a_case",
                violation_error_message="Cette formule a déjà ce tarif pour ce cas.",
            ),
            models.CheckConstraint(
                condition=Q(public=None) | Q(audience=""),
                name="offer_of_a_public_names_no_other",
                violation_error_message="Un prix est pour un public de la ville, ou pour la commune ou hors "
                "commune : l'un des deux.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.formula} – {self.tariff}"

    def offer(self, tariff: pricing.Tariff) -> pricing.TariffOffer:
        """The pure offer; `tariff` is the rule of its tariff, made once for many rows."""
        return pricing.TariffOffer(
            tariff,
            self.column,
            None if not self.audience else self.audience == self.Audience.RESIDENT,
            self.level,
            self.rank,
            self.children,
            pricing.When(self.situation) if self.situation else None,
            self.supplement,
            self.tariff_id,
            self.public_id or 0,
        )


class ChildStatus(models.Model):
    """A situation that the town hall recognises of a child from a day to a day, so that another price counts;
    for each of its homes. A handicap is read and written with the right to health only."""

    child = models.ForeignKey(Child, on_delete=models.CASCADE, related_name="statuses", verbose_name="enfant")
    kind = models.CharField("situation", max_length=12, choices=Status)
    valid_from = models.DateField("du")
    valid_to = models.DateField("au", null=True, blank=True)
    proof = models.CharField(
        "justificatif",
        max_length=120,
        blank=True,
        help_text="Ce que vous avez vu, sans détail médical : « notification du 3 septembre ».",
    )
    known_on = models.DateField("su le", editable=False, default=timezone.localdate)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "situation reconnue"
        verbose_name_plural = "situations reconnues"
        ordering = ["-valid_from"]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="status_ends_after_start",
                violation_error_message="La situation doit finir après son début.",
            )
        ]

    def __str__(self) -> str:
        return f"Situation reconnue – {self.child}"

    def on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


class PackedMeal(models.Model):
    """That a child brings its own meal under a PAI, so that another price counts."""

    enrolment = models.ForeignKey(
        Enrolment, on_delete=models.CASCADE, related_name="packed_meals", verbose_name="inscription"
    )
    valid_from = models.DateField("du")
    valid_to = models.DateField("au", null=True, blank=True)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "panier repas (PAI)"
        verbose_name_plural = "paniers repas (PAI)"
        ordering = ["-valid_from"]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="packed_meal_ends_after_start",
                violation_error_message="La période doit finir après son début.",
            )
        ]

    def __str__(self) -> str:
        return f"Panier repas – {self.enrolment}"

    def on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)
