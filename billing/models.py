"""Tariffs, attendance, invoices, payments. Invoices are written by `invoicing.py` only."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import ExpressionWrapper, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Round
from simple_history.models import HistoricalRecords

from billing import absences, pricing
from families.models import Child, Document, Household, User, private_storage
from portal.reservations import french
from portal.reservations.models import (
    Activity,
    Booking,
    Enrolment,
    Establishment,
    Formula,
    SchoolClass,
)

NEVER_NEGATIVE = MinValueValidator(Decimal(0), "Un montant n'est jamais négatif.")

# Tariffs ------------------------------------------------------------------------------------------------


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


def price_text(amount: Decimal) -> str:
    """A price as bands keep it: « 3.20 », « 0.855 », at least two decimals."""
    whole, _, cents = f"{amount.normalize():f}".partition(".")
    return f"{whole}.{cents:0<2}"


class TariffQuerySet(models.QuerySet["Tariff"]):
    def with_rules(self) -> "TariffQuerySet":
        """With all that `rule()` reads, in three more queries whatever their number."""
        return self.prefetch_related("bands", "rates", "modifiers")

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

    code = models.SlugField("code", max_length=80, unique=True)
    name = models.CharField("nom", max_length=120)
    kind = models.CharField("principe", max_length=8, choices=Kind, default=Kind.BANDS)
    unit = models.CharField("prix pour", max_length=10, choices=Unit, default=Unit.PRESENCE)
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
        validators=[NEVER_NEGATIVE],
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
            bands=tuple(band.rule() for band in self.bands.all()),
            rates=tuple(rate.rule() for rate in self.rates.all()),
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

    def rule(self) -> pricing.Band:
        return pricing.Band(
            self.low,
            self.high,
            {column: Decimal(str(amount)) for column, amount in self.prices.items()},
            self.name,
        )


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


class TariffModifier(models.Model):
    """What a circumstance does to the price of a tariff: non-residents, late reservations, siblings…"""

    class When(models.TextChoices):
        NON_RESIDENT = pricing.When.NON_RESIDENT.value, "Famille hors commune"
        LATE = pricing.When.LATE.value, "Réservation hors délai"
        UNRESERVED = pricing.When.UNRESERVED.value, "Présence sans réservation"
        ABSENT = pricing.When.ABSENT.value, "Absence non justifiée"
        RANK = pricing.When.RANK.value, "À partir du … enfant"
        CHILDREN = pricing.When.CHILDREN.value, "À partir de … enfants inscrits"
        LEVEL = pricing.When.LEVEL.value, "Niveau scolaire"
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
    number = models.PositiveSmallIntegerField("rang ou nombre d'enfants", default=0)
    level = models.CharField("niveau", max_length=20, blank=True, choices=SchoolClass.Level)
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
                condition=~Q(when="level") | ~Q(level=""),
                name="modifier_says_which_level",
                violation_error_message="Indiquez le niveau scolaire.",
            ),
            models.CheckConstraint(
                condition=~Q(effect="column") | ~Q(column=""),
                name="modifier_says_which_column",
                violation_error_message="Indiquez la colonne prise.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_when_display()} : {self.get_effect_display()}"

    def rule(self) -> pricing.Modifier:
        return pricing.Modifier(
            pricing.When(self.when),
            pricing.Effect(self.effect),
            self.amount,
            self.number,
            self.level,
            self.column,
            frozenset(self.columns),
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
                fields=["formula", "tariff", "column", "situation", "audience", "level", "rank", "children"],
                name="one_offer_a_case",
                violation_error_message="Cette formule a déjà ce tarif pour ce cas.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.formula} – {self.tariff}"

    def offer(self, tariff: pricing.Tariff) -> pricing.Offer:
        """The pure offer; `tariff` is the rule of its tariff, made once for many rows."""
        return pricing.Offer(
            tariff,
            self.column,
            None if not self.audience else self.audience == self.Audience.RESIDENT,
            self.level,
            self.rank,
            self.children,
            pricing.When(self.situation) if self.situation else None,
            self.supplement,
            self.tariff_id,
        )


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


# Attendance ---------------------------------------------------------------------------------------------


class AttendanceState(models.TextChoices):
    """What was seen of a child. A booking without attendance is expected, and billed as present."""

    PRESENT = "present", "Présent"
    ABSENT = "absent", "Absent"


class AbsenceReason(models.TextChoices):
    NONE = absences.Reason.NONE.value, "Sans motif"
    ILLNESS = absences.Reason.ILLNESS.value, "Maladie"
    STRIKE = absences.Reason.STRIKE.value, "Grève"
    TEACHER = absences.Reason.TEACHER.value, "Enseignant absent"
    TRIP = absences.Reason.TRIP.value, "Sortie scolaire"
    FAMILY = absences.Reason.FAMILY.value, "Raison familiale"


class AttendanceQuerySet(models.QuerySet["Attendance"]):
    def unreserved(self) -> "AttendanceQuerySet":
        """Children who came without a booking."""
        return self.filter(booking=None, state=AttendanceState.PRESENT)


class Attendance(models.Model):
    """That a child was there, or not, for a formula on a day. Without `booking`: came unreserved."""

    booking = models.OneToOneField(
        Booking,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="attendance",
        verbose_name="présence réservée",
    )
    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="attendances", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child, on_delete=models.PROTECT, related_name="attendances", verbose_name="enfant"
    )
    formula = models.ForeignKey(Formula, on_delete=models.PROTECT, related_name="+", verbose_name="formule")
    establishment = models.ForeignKey(
        Establishment, on_delete=models.PROTECT, related_name="+", verbose_name="établissement"
    )
    day = models.DateField("jour", db_index=True)
    state = models.CharField(
        "présence", max_length=8, choices=AttendanceState, default=AttendanceState.PRESENT
    )
    minutes = models.PositiveSmallIntegerField(
        "durée (minutes)",
        null=True,
        blank=True,
        help_text="Pour les tarifs à l'heure, demi-heure ou quart d'heure.",
    )
    reason = models.CharField("motif de l'absence", max_length=8, choices=AbsenceReason, blank=True)
    certificate_at = models.DateTimeField("justificatif donné le", null=True, blank=True)
    certificate = models.ForeignKey(
        Document, on_delete=models.PROTECT, null=True, blank=True, verbose_name="justificatif"
    )
    entered_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="saisi par"
    )
    entered_at = models.DateTimeField("saisi le")

    objects = AttendanceQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "pointage"
        ordering = ["-day", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["child", "formula", "day"],
                name="one_attendance_a_child_formula_and_day",
                violation_error_message="Cet enfant est déjà pointé pour cette formule ce jour-là.",
            ),
            models.CheckConstraint(
                condition=Q(booking__isnull=False) | Q(state="present"),
                name="absent_only_where_booked",
                violation_error_message="Seul un enfant qui avait réservé peut être absent.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.child} – {self.formula} – {self.day:%d/%m/%Y} : {self.get_state_display()}"


class AbsencePolicy(models.Model):
    """Which absences are free, for an activity or (without one) for all that have no own policy."""

    activity = models.OneToOneField(
        Activity,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="absence_policy",
        verbose_name="activité",
        help_text="Vide : toutes les activités qui n'ont pas leur propre règle.",
    )
    certificates_count = models.BooleanField("un certificat médical évite la facturation", default=True)
    within_hours = models.PositiveSmallIntegerField(
        "certificat à donner sous (heures)",
        null=True,
        blank=True,
        help_text="Comptées depuis la fin du premier jour d'absence. Vide : sans limite.",
    )
    waiting_days = models.PositiveSmallIntegerField("jours de carence facturés", default=0)
    late_waiting_days = models.PositiveSmallIntegerField(
        "jours de carence si le certificat est donné plus tard",
        null=True,
        blank=True,
        help_text="Vide : un certificat donné plus tard ne compte pas.",
    )
    max_days = models.PositiveSmallIntegerField(
        "certificat refusé après (jours depuis le premier jour)", null=True, blank=True
    )
    strike_free = models.BooleanField("grève non facturée", default=True)
    teacher_free = models.BooleanField("enseignant absent non facturé", default=True)
    trip_free = models.BooleanField("sortie scolaire non facturée", default=True)
    family_free = models.BooleanField("raison familiale non facturée", default=False)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "règle d'absence"
        verbose_name_plural = "règles d'absence"
        ordering = ["activity"]
        constraints = [
            models.UniqueConstraint(
                Coalesce("activity", 0),
                name="one_absence_policy_an_activity",
                violation_error_message="Une règle d'absence existe déjà pour ce cas.",
            )
        ]

    def __str__(self) -> str:
        return f"Absences – {self.activity or 'toutes les activités'}"

    def rule(self) -> absences.AbsenceRule:
        free = {
            absences.Reason.STRIKE: self.strike_free,
            absences.Reason.TEACHER: self.teacher_free,
            absences.Reason.TRIP: self.trip_free,
            absences.Reason.FAMILY: self.family_free,
        }
        return absences.AbsenceRule(
            self.within_hours,
            self.waiting_days,
            self.late_waiting_days,
            self.max_days,
            self.certificates_count,
            frozenset(reason for reason, is_free in free.items() if is_free),
        )


# Documents ----------------------------------------------------------------------------------------------


class NumberCounter(models.Model):
    """The last number taken in a series and year. Locked by the transaction that issues."""

    series = models.CharField("série", max_length=8)
    year = models.PositiveSmallIntegerField("année")
    last = models.PositiveIntegerField("dernier numéro", default=0)

    class Meta:
        verbose_name = "compteur"
        constraints = [
            models.UniqueConstraint(fields=["series", "year"], name="one_counter_a_series_and_year")
        ]

    def __str__(self) -> str:
        return f"{self.series}{self.year}"


class BillingRun(models.Model):
    """A month being billed: what was asked, how far it got. Run again after an interruption, it goes on."""

    class State(models.TextChoices):
        WAITING = "waiting", "En attente"
        RUNNING = "running", "En cours"
        DONE = "done", "Terminée"
        FAILED = "failed", "Interrompue"

    month = models.DateField("mois facturé", help_text="Le premier jour du mois.")
    activities = models.ManyToManyField(
        Activity, blank=True, related_name="+", verbose_name="activités", help_text="Aucune : toutes."
    )
    establishments = models.ManyToManyField(
        Establishment, blank=True, related_name="+", verbose_name="établissements", help_text="Aucun : tous."
    )
    due_on = models.DateField("à payer avant le")
    state = models.CharField("état", max_length=8, choices=State, default=State.WAITING)
    households = models.PositiveIntegerField("foyers à facturer", default=0)
    done = models.PositiveIntegerField("foyers traités", default=0)
    asked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="demandée par"
    )
    asked_at = models.DateTimeField("demandée le")
    finished_at = models.DateTimeField("terminée le", null=True, blank=True)
    trouble = models.CharField("ce qui s'est passé", max_length=300, blank=True)

    class Meta:
        verbose_name = "facturation d'un mois"
        verbose_name_plural = "facturations du mois"
        ordering = ["-month", "-pk"]

    def __str__(self) -> str:
        return f"Facturation {french.MONTHS[self.month.month - 1]} {self.month.year}"


class InvoiceState(models.TextChoices):
    """What a family reads of an invoice; computed from payments and credit notes, never stored."""

    DUE = "due", "À payer"
    PARTLY = "partly", "Payée en partie"
    OVERDUE = "overdue", "En retard"
    PAID = "paid", "Payée"


def state_of(total: Decimal, left: Decimal, due_on: date, today: date) -> InvoiceState:
    """Where an invoice of `total` stands today, with `left` to pay by `due_on`."""
    if left <= 0:
        return InvoiceState.PAID
    if due_on < today:
        return InvoiceState.OVERDUE
    return InvoiceState.DUE if left == total else InvoiceState.PARTLY


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    def visible_to(self, user: Any) -> "InvoiceQuerySet":
        return self.filter(household__guardians__user=user)

    def with_balance(self) -> "InvoiceQuerySet":
        """Annotates `paid`, `credited` and `left` (to pay), in euros, in the same query.

        `left` is rounded: SQLite subtracts in binary, and what is paid must leave zero.
        """
        paid = (
            PaymentAllocation.objects.filter(invoice=OuterRef("pk"), payment__state=PaymentState.VALIDATED)
            .order_by()
            .values("invoice")
            .annotate(sum=Sum("amount"))
            .values("sum")
        )
        credited = (
            CreditNote.objects.filter(invoice=OuterRef("pk"))
            .order_by()
            .values("invoice")
            .annotate(sum=Sum("amount"))
            .values("sum")
        )
        money = models.DecimalField(max_digits=12, decimal_places=2)
        zero = Value(Decimal("0.00"), output_field=money)
        return self.annotate(
            paid=Coalesce(Subquery(paid, output_field=money), zero),
            credited=Coalesce(Subquery(credited, output_field=money), zero),
        ).annotate(
            left=Round(ExpressionWrapper(F("total") - F("paid") - F("credited"), output_field=money), 2)
        )


class Invoice(models.Model):
    """An issued invoice: a document that copies all it says. The database refuses every later change."""

    number = models.CharField("numéro", max_length=24, unique=True)
    series = models.CharField("série", max_length=8)
    year = models.PositiveSmallIntegerField("année")
    sequence = models.PositiveIntegerField("rang dans la série")
    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="invoices", verbose_name="foyer"
    )
    run = models.ForeignKey(
        BillingRun,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="invoices",
        verbose_name="facturation",
    )
    month = models.DateField("mois")
    issued_at = models.DateTimeField("émise le")
    due_on = models.DateField("à payer avant le")
    payer = models.CharField("destinataire", max_length=200)
    address = models.TextField("adresse")
    quotient = models.DecimalField("quotient familial", max_digits=9, decimal_places=2, null=True, blank=True)
    issuer = models.JSONField("émetteur", default=dict)
    total = models.DecimalField("total", max_digits=10, decimal_places=2)
    line_count = models.PositiveSmallIntegerField("nombre de lignes")

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        verbose_name = "facture"
        ordering = ["-issued_at", "-sequence"]
        indexes = [models.Index(fields=["month", "series"], name="invoice_by_month")]
        constraints = [
            models.UniqueConstraint(
                fields=["series", "year", "sequence"], name="one_invoice_a_number_in_series"
            ),
            models.UniqueConstraint(
                fields=["household", "run"],
                condition=Q(run__isnull=False),
                name="one_invoice_a_household_and_run",
                violation_error_message="Ce foyer a déjà sa facture dans cette facturation.",
            ),
            models.CheckConstraint(
                condition=Q(total__gt=0),
                name="invoice_total_positive",
                violation_error_message="Une facture est toujours d'un montant positif.",
            ),
        ]

    def __str__(self) -> str:
        return f"Facture n° {self.number}"

    @property
    def month_name(self) -> str:
        return f"{french.MONTHS[self.month.month - 1]} {self.month.year}"

    def state_on(self, today: date) -> "InvoiceState":
        """Where it stands; needs `with_balance()`."""
        return state_of(self.total, self.left, self.due_on, today)  # type: ignore[attr-defined]


class InvoicePdf(models.Model):
    """The document as it was printed first, with its checksum: never another one for the same invoice."""

    invoice = models.OneToOneField(
        Invoice, on_delete=models.PROTECT, related_name="pdf", verbose_name="facture"
    )
    file = models.FileField("fichier", storage=private_storage, upload_to="factures/%Y/%m", max_length=200)
    sha256 = models.CharField("empreinte", max_length=64)
    paid = models.DecimalField(
        "déjà payé à l'impression", max_digits=10, decimal_places=2, default=Decimal(0)
    )
    made_at = models.DateTimeField("imprimée le")

    class Meta:
        verbose_name = "facture imprimée"
        verbose_name_plural = "factures imprimées"

    def __str__(self) -> str:
        return f"{self.invoice} (PDF)"


class InvoiceLine(models.Model):
    """One line of an invoice: a child's presences at one price, an adjustment, or a line by hand."""

    class Kind(models.TextChoices):
        PRESENCE = "presence", "Présences"
        FLAT = "flat", "Forfait"
        FREE = "free", "Non facturé"
        CREDIT = "credit", "Régularisation en votre faveur"
        DEBIT = "debit", "Régularisation"
        MANUAL = "manual", "Ligne ajoutée"

    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="lines", verbose_name="facture"
    )
    position = models.PositiveSmallIntegerField("rang")
    kind = models.CharField("nature", max_length=8, choices=Kind, default=Kind.PRESENCE)
    child = models.ForeignKey(
        Child, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="enfant"
    )
    child_name = models.CharField("enfant", max_length=170, blank=True)
    formula = models.ForeignKey(
        Formula, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="formule"
    )
    activity_name = models.CharField("activité", max_length=120, blank=True)
    label = models.CharField("désignation", max_length=200)
    days = models.JSONField("jours", default=list, blank=True)
    quantity = models.DecimalField("quantité", max_digits=8, decimal_places=2)
    unit_price = models.DecimalField("prix unitaire", max_digits=9, decimal_places=2)
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)
    explanation = models.CharField("calcul", max_length=600, blank=True)
    vat_percent = models.DecimalField("TVA (%)", max_digits=4, decimal_places=2, default=Decimal(0))
    care_percent = models.DecimalField(
        "part de garde (%)", max_digits=5, decimal_places=2, default=Decimal(0)
    )

    class Meta:
        verbose_name = "ligne de facture"
        verbose_name_plural = "lignes de facture"
        ordering = ["invoice", "position"]
        constraints = [models.UniqueConstraint(fields=["invoice", "position"], name="one_line_a_position")]

    def __str__(self) -> str:
        return self.label


class BilledItem(models.Model):
    """What a line bills: a booking, an unreserved presence, or a month's flat price.

    `turn` 1 is its billing, 2 its being taken back, 3 its being billed again…; unique, so that nothing is
    billed twice.
    """

    line = models.ForeignKey(
        InvoiceLine, on_delete=models.PROTECT, related_name="items", verbose_name="ligne"
    )
    booking = models.ForeignKey(
        Booking, on_delete=models.PROTECT, null=True, related_name="billed", verbose_name="présence réservée"
    )
    attendance = models.ForeignKey(
        Attendance, on_delete=models.PROTECT, null=True, related_name="billed", verbose_name="pointage"
    )
    flat = models.CharField("forfait", max_length=60, blank=True)
    turn = models.PositiveSmallIntegerField("tour", default=1)
    amount = models.DecimalField("montant", max_digits=9, decimal_places=2)

    class Meta:
        verbose_name = "élément facturé"
        verbose_name_plural = "éléments facturés"
        constraints = [
            models.UniqueConstraint(
                fields=["booking", "turn"],
                condition=Q(booking__isnull=False),
                name="booking_billed_once_a_turn",
            ),
            models.UniqueConstraint(
                fields=["attendance", "turn"],
                condition=Q(attendance__isnull=False),
                name="attendance_billed_once_a_turn",
            ),
            models.UniqueConstraint(
                fields=["flat", "turn"], condition=~Q(flat=""), name="flat_billed_once_a_turn"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line} – {self.amount}"


class ManualCharge(models.Model):
    """A line that the town hall adds to a household's next invoice, with its reason. Negative: a discount."""

    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="manual_charges", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="enfant"
    )
    label = models.CharField("désignation", max_length=200)
    quantity = models.DecimalField(
        "quantité",
        max_digits=8,
        decimal_places=2,
        default=Decimal(1),
        validators=[MinValueValidator(Decimal("0.01"), "La quantité est positive.")],
    )
    unit_price = models.DecimalField(
        "prix unitaire", max_digits=8, decimal_places=2, help_text="Négatif : une remise."
    )
    reason = models.CharField("motif (interne)", max_length=300)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="ajoutée par"
    )
    created_at = models.DateTimeField("ajoutée le", auto_now_add=True)
    line = models.OneToOneField(
        InvoiceLine,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="manual_charge",
        verbose_name="facturée par",
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = "ligne à facturer"
        verbose_name_plural = "lignes à facturer"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.label


class CreditNoteQuerySet(models.QuerySet["CreditNote"]):
    def visible_to(self, user: Any) -> "CreditNoteQuerySet":
        return self.filter(invoice__household__guardians__user=user)


class CreditNote(models.Model):
    """What takes back an issued invoice, in whole or in part. As final as the invoice."""

    number = models.CharField("numéro", max_length=24, unique=True)
    series = models.CharField("série", max_length=8)
    year = models.PositiveSmallIntegerField("année")
    sequence = models.PositiveIntegerField("rang dans la série")
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="credit_notes", verbose_name="facture"
    )
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)
    reason = models.CharField("motif", max_length=300)
    issued_at = models.DateTimeField("émis le")
    issued_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="émis par"
    )

    objects = CreditNoteQuerySet.as_manager()

    class Meta:
        verbose_name = "avoir"
        ordering = ["-issued_at", "-sequence"]
        constraints = [
            models.UniqueConstraint(
                fields=["series", "year", "sequence"], name="one_credit_note_a_number_in_series"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0),
                name="credit_note_positive",
                violation_error_message="Un avoir est toujours d'un montant positif.",
            ),
        ]

    def __str__(self) -> str:
        return f"Avoir n° {self.number}"


# Payments -----------------------------------------------------------------------------------------------


class PaymentState(models.TextChoices):
    PENDING = "pending", "En attente de validation par la banque"
    VALIDATED = "validated", "Validé"
    REFUSED = "refused", "Refusé par la banque"
    CANCELLED = "cancelled", "Annulé"


class PaymentQuerySet(models.QuerySet["Payment"]):
    def visible_to(self, user: Any) -> "PaymentQuerySet":
        return self.filter(household__guardians__user=user)

    def validated(self) -> "PaymentQuerySet":
        return self.filter(state=PaymentState.VALIDATED)


class Payment(models.Model):
    """Money of a household. Its states change by `paying.py` only. A refund is a negative payment."""

    class Means(models.TextChoices):
        ONLINE = "online", "Paiement en ligne"
        CASH = "cash", "Espèces"
        CHEQUE = "cheque", "Chèque"
        TRANSFER = "transfer", "Virement"
        CESU = "cesu", "CESU"
        CARD = "card", "Carte bancaire au guichet"
        DEBIT = "debit", "Prélèvement"

    number = models.CharField("reçu n°", max_length=24, unique=True)
    series = models.CharField("série", max_length=8)
    year = models.PositiveSmallIntegerField("année")
    sequence = models.PositiveIntegerField("rang dans la série")
    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="payments", verbose_name="foyer"
    )
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)
    means = models.CharField("moyen de paiement", max_length=8, choices=Means)
    state = models.CharField("état", max_length=9, choices=PaymentState, default=PaymentState.VALIDATED)
    paid_on = models.DateField("payé le")
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
        verbose_name="rembourse",
    )

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
        ]

    def __str__(self) -> str:
        return f"Règlement n° {self.number}"


class PaymentAllocation(models.Model):
    """The part of a payment that pays an invoice."""

    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="allocations", verbose_name="règlement"
    )
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="allocations", verbose_name="facture"
    )
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)

    class Meta:
        verbose_name = "affectation"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["payment", "invoice"], name="one_allocation_a_payment_and_invoice"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0),
                name="allocation_positive",
                violation_error_message="Une affectation est d'un montant positif.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payment} → {self.invoice}"


# Paying online ------------------------------------------------------------------------------------------


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


class OnlinePaymentQuerySet(models.QuerySet["OnlinePayment"]):
    def visible_to(self, user: Any) -> "OnlinePaymentQuerySet":
        return self.filter(household__guardians__user=user)

    def open(self) -> "OnlinePaymentQuerySet":
        return self.filter(state__in=ONLINE_OPEN)


class OnlinePayment(models.Model):
    """An order to pay invoices at a provider's page. Its states change by `online.py` only.

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
    """Money given back through the provider. Asked first, done once the provider has said so."""

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


# Direct debit -------------------------------------------------------------------------------------------


def check_iban(value: str) -> None:
    """ISO 13616: letters and digits whose remainder by 97 is 1; French ones have 27 characters."""
    plain = value.replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", plain) or (plain[:2] == "FR" and len(plain) != 27):
        raise ValidationError("Cet IBAN n'a pas la bonne forme. Recopiez-le depuis le RIB.")
    if int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 != 1:
        raise ValidationError("Cet IBAN contient une erreur de frappe : sa clé ne correspond pas.")


class Mandate(models.Model):
    """A household's signed leave to debit its account."""

    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="mandates", verbose_name="foyer"
    )
    rum = models.CharField(
        "RUM",
        max_length=35,
        unique=True,
        validators=[
            RegexValidator(r"^[A-Za-z0-9+?/:().,'-]{1,35}$", "35 lettres et chiffres au plus, sans espace.")
        ],
        help_text="Référence unique du mandat.",
    )
    debtor = models.CharField("titulaire du compte", max_length=70)
    iban = models.CharField("IBAN", max_length=42, validators=[check_iban])
    bic = models.CharField(
        "BIC",
        max_length=11,
        blank=True,
        validators=[
            RegexValidator(r"^[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?$", "Un BIC a huit ou onze caractères.")
        ],
    )
    signed_on = models.DateField("signé le")
    revoked_on = models.DateField("révoqué le", null=True, blank=True)
    history = HistoricalRecords()

    class Meta:
        verbose_name = "mandat de prélèvement"
        verbose_name_plural = "mandats de prélèvement"
        ordering = ["household", "-signed_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["household"],
                condition=Q(revoked_on__isnull=True),
                name="one_mandate_a_household",
                violation_error_message="Ce foyer a déjà un mandat : révoquez-le d'abord.",
            ),
            models.CheckConstraint(
                condition=Q(revoked_on=None) | Q(revoked_on__gte=F("signed_on")),
                name="mandate_revoked_after_signed",
                violation_error_message="Le mandat est révoqué avant d'être signé.",
            ),
        ]

    def __str__(self) -> str:
        return f"Mandat {self.rum}"

    def clean(self) -> None:
        self.iban = self.iban.replace(" ", "").upper()


class DebitFile(models.Model):
    """A pain.008 file given to the bank, kept as it was given."""

    message = models.CharField("message", max_length=35, unique=True)
    collected_on = models.DateField("date de prélèvement")
    content = models.TextField("fichier")
    made_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="créé par"
    )
    made_at = models.DateTimeField("créé le")

    class Meta:
        verbose_name = "fichier de prélèvements"
        verbose_name_plural = "fichiers de prélèvements"
        ordering = ["-made_at"]

    def __str__(self) -> str:
        return f"Prélèvements {self.message}"


class Debit(models.Model):
    """One invoice debited by a file. Its payment waits for the bank, then counts, or comes back."""

    file = models.ForeignKey(
        DebitFile, on_delete=models.PROTECT, related_name="debits", verbose_name="fichier"
    )
    mandate = models.ForeignKey(
        Mandate, on_delete=models.PROTECT, related_name="debits", verbose_name="mandat"
    )
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="debits", verbose_name="facture"
    )
    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, related_name="debit", verbose_name="règlement"
    )
    returned_on = models.DateField("rejeté le", null=True, blank=True)
    return_reason = models.CharField("motif du rejet", max_length=140, blank=True)

    class Meta:
        verbose_name = "prélèvement"
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"Prélèvement de {self.invoice}"


# Settings -----------------------------------------------------------------------------------------------


class BillingSettings(models.Model):
    """How the town bills: one row."""

    class Siblings(models.TextChoices):
        ALL = "all", "tous les enfants inscrits du foyer, toutes activités"
        ACTIVITY = "activity", "les enfants du foyer inscrits à la même activité"

    siblings = models.CharField(
        "enfants comptés pour le rang et le nombre d'enfants",
        max_length=8,
        choices=Siblings,
        default=Siblings.ALL,
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
    collection = models.CharField(
        "recouvrement",
        max_length=8,
        choices=[("regie", "Régie de recettes"), ("titre", "Titre de recettes")],
        default="regie",
    )
    issuer_name = models.CharField(
        "émetteur", max_length=160, blank=True, help_text="Vide : le nom de la commune."
    )
    issuer_address = models.TextField("adresse de l'émetteur", blank=True)
    siret = models.CharField(
        "SIRET",
        max_length=17,
        blank=True,
        validators=[RegexValidator(r"^(\d{3} ?){3}\d{5}$", "Un SIRET a quatorze chiffres.")],
    )
    vat_notice = models.CharField(
        "mention de TVA",
        max_length=200,
        blank=True,
        help_text="Par exemple : restauration scolaire hors du champ de la TVA.",
    )
    legal_notice = models.TextField("mentions légales de la facture", blank=True)
    recourse = models.TextField("voies de recours", blank=True)
    iban = models.CharField("IBAN", max_length=42, blank=True)
    bic = models.CharField("BIC", max_length=11, blank=True)
    cheque_payable_to = models.CharField("chèque à l'ordre de", max_length=120, blank=True)
    cheque_address = models.TextField("où envoyer ou déposer le chèque", blank=True)
    desk = models.CharField(
        "guichet", max_length=200, blank=True, help_text="Lieu et horaires pour payer sur place."
    )
    tobacconist = models.BooleanField("paiement de proximité chez un buraliste", default=False)
    part_payment = models.BooleanField(
        "paiement partiel en ligne",
        default=False,
        help_text="Une famille peut payer une partie d'une facture.",
    )
    creditor_identifier = models.CharField(
        "identifiant créancier SEPA (ICS)",
        max_length=35,
        blank=True,
        validators=[
            RegexValidator(r"^[A-Z]{2}\d{2}[A-Z0-9]{3}[A-Z0-9]{1,28}$", "Par exemple : FR12ZZZ123456.")
        ],
    )

    class Meta:
        verbose_name = "réglages de la facturation"
        verbose_name_plural = "réglages de la facturation"
        constraints = [
            models.CheckConstraint(
                condition=Q(pk=1),
                name="only_one_billing_settings",
                violation_error_message="Les réglages n'existent qu'une fois.",
            )
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
