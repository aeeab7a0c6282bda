"""What can be booked, where and when: activities, formulas, periods, places, closures."""

from datetime import datetime, time
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from simple_history.models import HistoricalRecords

from portal.french import moments
from portal.french.grades import Grade
from portal.french.weekdays import MONDAY_TO_FRIDAY, WeekdayMaskField
from portal.reservations.models.calendar import Establishment, SchoolClass, SchoolYear


class Activity(models.Model):
    """What one can enrol for: « Restauration scolaire », « Mercredis », « Vacances »…"""

    class Processing(models.TextChoices):
        AUTOMATIC = "automatic", "Automatique : acceptée tant qu'il reste des places"
        ON_REQUEST = "on_request", "Sur demande : la mairie répond"

    class AgeCounts(models.TextChoices):
        DAY = "day", "le jour même"
        DECEMBER = "december", "au 31 décembre de l'année scolaire"
        SEPTEMBER = "september", "au 1er septembre de l'année scolaire"

    class During(models.TextChoices):
        TERM = "term", "Jours de classe"
        HOLIDAYS = "holidays", "Vacances scolaires"
        ALWAYS = "always", "Toute l'année"

    class Effect(models.TextChoices):
        AT_ONCE = "", "Tout de suite"
        NEXT_MONTH = "next_month", "Le premier jour du mois suivant"
        DAYS = "days", "Des jours après la demande"
        OPEN_DAYS = "open_days", "Des jours d'ouverture après la demande"

    code = models.SlugField("code", max_length=60, unique=True)
    name = models.CharField("nom", max_length=120)
    service = models.SlugField("service", max_length=20, db_index=True)
    description = models.TextField("présentation aux familles", blank=True)
    establishments = models.ManyToManyField(
        Establishment, related_name="activities", blank=True, verbose_name="établissements"
    )
    weekdays = WeekdayMaskField("jours", default=MONDAY_TO_FRIDAY)
    during = models.CharField("période de l'année", max_length=8, choices=During, default=During.TERM)
    # Of a town on the edge of two zones; which days they make holidays: `days.calendars.school_holidays`.
    zones = models.JSONField(
        "zones de vacances scolaires",
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        help_text="Vide : celle de la commune.",
    )
    processing = models.CharField(
        "traitement des réservations", max_length=10, choices=Processing, default=Processing.AUTOMATIC
    )
    cancel_processing = models.CharField(
        "traitement des annulations", max_length=10, choices=Processing, default=Processing.AUTOMATIC
    )
    enrolment_processing = models.CharField(
        "traitement des inscriptions", max_length=10, choices=Processing, default=Processing.ON_REQUEST
    )
    effect = models.CharField(
        "une inscription prend effet",
        max_length=10,
        choices=Effect,
        blank=True,
        default=Effect.AT_ONCE,
        db_default="",
        help_text="Un changement des jours habituels aussi. La mairie inscrit dès le jour qu'elle veut.",
    )
    effect_days = models.PositiveSmallIntegerField(
        "combien de jours après",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(120)],
        help_text="Seulement pour « des jours après la demande ».",
    )
    families_end = models.BooleanField(
        "les familles mettent fin elles-mêmes à une inscription",
        default=False,
        db_default=False,
        help_text="Leurs jours s'annulent alors dans les délais d'annulation.",
    )
    waiting_list = models.BooleanField("liste d'attente", default=True)
    offer_hours = models.PositiveSmallIntegerField(
        "heures pour répondre à une place proposée",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(168)],
        help_text="Vide : la place qui se libère est donnée d'office au premier de la liste d'attente. "
        "Sinon elle lui est proposée pendant ces heures, puis au suivant.",
    )
    age_counts = models.CharField(
        "âge compté",
        max_length=9,
        choices=AgeCounts,
        default=AgeCounts.DAY,
        db_default="day",
        help_text="« 3 ans au 31 décembre » : celui de l'année scolaire, jusqu'à l'été suivant.",
    )
    # Written with its formulas: where none has limits, nothing asks for them.
    formulas_limited = models.BooleanField(default=False, db_default=False, editable=False)
    min_age = models.PositiveSmallIntegerField("âge minimum", null=True, blank=True)
    max_age = models.PositiveSmallIntegerField("âge maximum", null=True, blank=True)
    first_grade = models.PositiveSmallIntegerField(
        "à partir de la classe", choices=Grade, null=True, blank=True
    )
    last_grade = models.PositiveSmallIntegerField(
        "jusqu'à la classe",
        choices=Grade,
        null=True,
        blank=True,
        help_text="CM2 : avant l'entrée en 6e, l'été compris.",
    )
    health_file_required = models.BooleanField(
        "fiche sanitaire obligatoire avant le premier jour", default=False
    )
    active = models.BooleanField("proposée", default=True)
    order = models.PositiveSmallIntegerField("ordre", default=0)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "activité"
        ordering = ["order", "name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(first_grade=None) | Q(last_grade=None) | Q(last_grade__gte=F("first_grade")),
                name="activity_grades_in_order",
                violation_error_message="La dernière classe vient avant la première.",
            ),
            models.CheckConstraint(
                condition=~Q(effect__in=("days", "open_days")) | Q(effect_days__isnull=False),
                name="activity_effect_says_how_many_days",
                violation_error_message="Indiquez combien de jours après la demande elle prend effet.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_limited(self) -> bool:
        """Whether it, or one of its formulas, takes some children only, by age or by class."""
        limits = (self.min_age, self.max_age, self.first_grade, self.last_grade)
        return self.formulas_limited or any(limit is not None for limit in limits)


class Part(models.TextChoices):
    """A part of a day, the grain at which places are counted."""

    EARLY = "early", "accueil du matin"
    MORNING = "morning", "matin"
    NOON = "noon", "midi"
    AFTERNOON = "afternoon", "après-midi"
    EVENING = "evening", "soir"


# Formulas with limits of their own.
LIMITED = (
    Q(min_age__isnull=False)
    | Q(max_age__isnull=False)
    | Q(first_grade__isnull=False)
    | Q(last_grade__isnull=False)
)


class Formula(models.Model):
    """What one books in a day of an activity: Repas; Matinée, Après-midi, Journée."""

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="formulas", verbose_name="activité"
    )
    code = models.SlugField("code", max_length=60)
    name = models.CharField("nom", max_length=80)
    parts = models.JSONField(
        "parties de la journée occupées", default=list, help_text='Par exemple ["morning", "noon"].'
    )
    with_meal = models.BooleanField("repas compris", default=False)
    # What is reserved by the hour is due whether or not somebody clocked it.
    starts_at = models.TimeField("de", null=True, blank=True, help_text="Par exemple 9:00.")
    ends_at = models.TimeField("à", null=True, blank=True)
    min_age = models.PositiveSmallIntegerField("âge minimum", null=True, blank=True)
    max_age = models.PositiveSmallIntegerField("âge maximum", null=True, blank=True)
    first_grade = models.PositiveSmallIntegerField("de la classe", choices=Grade, null=True, blank=True)
    last_grade = models.PositiveSmallIntegerField("à la classe", choices=Grade, null=True, blank=True)
    order = models.PositiveSmallIntegerField("ordre", default=0)
    active = models.BooleanField("proposée", default=True)

    class Meta:
        verbose_name = "formule"
        ordering = ["activity", "order", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["activity", "code"],
                name="one_formula_code_an_activity",
                violation_error_message="Cette activité a déjà une formule de ce code.",
            ),
            models.CheckConstraint(
                condition=Q(starts_at=None, ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="formula_ends_after_it_begins",
                violation_error_message="Indiquez les deux heures ; la formule finit après avoir commencé.",
            ),
            models.CheckConstraint(
                condition=Q(first_grade=None) | Q(last_grade=None) | Q(last_grade__gte=F("first_grade")),
                name="formula_grades_in_order",
                violation_error_message="La dernière classe vient avant la première.",
            ),
            models.CheckConstraint(
                condition=Q(min_age=None) | Q(max_age=None) | Q(max_age__gte=F("min_age")),
                name="formula_ages_in_order",
                violation_error_message="L'âge maximum est inférieur à l'âge minimum.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        self._tell_activity()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        gone = super().delete(*args, **kwargs)
        self._tell_activity()
        return gone

    def _tell_activity(self) -> None:
        """Whether any formula of its activity has limits of its own; nothing is written where none had."""
        if not (self.is_limited or self.activity.formulas_limited):
            return
        others = Formula.objects.filter(LIMITED, activity=self.activity_id)
        self.activity.formulas_limited = others.exists()
        Activity.objects.filter(pk=self.activity_id).update(formulas_limited=self.activity.formulas_limited)

    @property
    def is_limited(self) -> bool:
        """Whether it is for some of its activity's children only."""
        limits = (self.min_age, self.max_age, self.first_grade, self.last_grade)
        return any(limit is not None for limit in limits)

    @property
    def minutes(self) -> int | None:
        """How long it lasts; None where its hours are not said."""
        if self.starts_at is None or self.ends_at is None:
            return None
        hours = self.ends_at.hour - self.starts_at.hour
        return 60 * hours + self.ends_at.minute - self.starts_at.minute

    @property
    def hours(self) -> tuple[time, time] | None:
        """From when until when it lasts, as it is said of it or as its name says; None where neither does."""
        if self.starts_at is not None and self.ends_at is not None:
            return self.starts_at, self.ends_at
        return moments.hours_in(self.name)

    def covers(self, other: "Formula") -> bool:
        """Whether it lasts as long as another one of its activity and longer: by their hours or, where those
        are not said, by the parts of the day."""
        if self.pk == other.pk or self.activity_id != other.activity_id:
            return False
        mine, its = self.hours, other.hours
        if mine is None or its is None:
            return set(self.parts) > set(other.parts)
        return mine != its and mine[0] <= its[0] and its[1] <= mine[1]


class Period(models.Model):
    """Dates of an activity open to reservation, and from when to when one may reserve them."""

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="periods", verbose_name="activité"
    )
    school_year = models.ForeignKey(
        SchoolYear, on_delete=models.PROTECT, related_name="periods", verbose_name="année scolaire"
    )
    code = models.SlugField("code", max_length=60)
    name = models.CharField("nom", max_length=80)
    starts_on = models.DateField("premier jour")
    ends_on = models.DateField("dernier jour")
    opens_at = models.DateTimeField("ouvre le", null=True, blank=True)
    opens_at_non_residents = models.DateTimeField(
        "ouvre aux familles hors commune le", null=True, blank=True, help_text="Vide : en même temps."
    )
    closes_at = models.DateTimeField("clôt le", null=True, blank=True)
    establishments = models.ManyToManyField(
        Establishment,
        blank=True,
        related_name="periods",
        verbose_name="établissements",
        help_text="Vide : tous ceux de l'activité.",
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = "période"
        ordering = ["starts_on", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["activity", "code"],
                name="one_period_code_an_activity",
                violation_error_message="Cette activité a déjà une période de ce code.",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("starts_on")),
                name="period_ends_after_start",
                violation_error_message="La période doit finir après son premier jour.",
            ),
            models.CheckConstraint(
                condition=Q(opens_at=None) | Q(closes_at=None) | Q(closes_at__gt=F("opens_at")),
                name="period_closes_after_opening",
                violation_error_message="La période clôt avant d'ouvrir.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def opens_for(self, *, resident: bool) -> datetime | None:
        """When it opens to families of the town, or to those from elsewhere; None: it always was open."""
        return self.opens_at if resident else self.opens_at_non_residents or self.opens_at

    def concerns(self, place: int) -> bool:
        """Whether it takes place at this establishment (its key); at each where none is named."""
        named = {one.pk for one in self.establishments.all()}
        return not named or place in named


class Closure(models.Model):
    """Days on which something closed: strike, trip, works… or, with `opens`, is open after all."""

    class Why(models.TextChoices):
        STRIKE = "strike", "Grève"
        TRIP = "trip", "Sortie scolaire"
        WORKS = "works", "Travaux"
        BRIDGE = "bridge", "Pont"
        OTHER = "other", "Fermeture"

    starts_on = models.DateField("du")
    ends_on = models.DateField("au")
    establishment = models.ForeignKey(
        Establishment, on_delete=models.CASCADE, null=True, blank=True, verbose_name="établissement"
    )
    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, null=True, blank=True, verbose_name="activité"
    )
    school_class = models.ForeignKey(
        SchoolClass, on_delete=models.CASCADE, null=True, blank=True, verbose_name="classe"
    )
    why = models.CharField("motif", max_length=8, choices=Why, default=Why.OTHER)
    label = models.CharField("texte pour les familles", max_length=120, blank=True)
    opens = models.BooleanField(
        "ouverture exceptionnelle", default=False, help_text="Le contraire : ouvre un jour d'ordinaire fermé."
    )
    created_at = models.DateTimeField(auto_now_add=True, editable=False)

    class Meta:
        verbose_name = "fermeture"
        ordering = ["-starts_on"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("starts_on")),
                name="closure_ends_after_start",
                violation_error_message="La fermeture doit finir après son premier jour.",
            )
        ]

    def __str__(self) -> str:
        what = (self.label or "Ouverture exceptionnelle") if self.opens else self.reason
        whose = f", {self.school_class}" if self.school_class else ""
        return f"{what}{whose} ({self.starts_on:%d/%m/%Y})"

    def clean(self) -> None:
        """A class closes at its own school, and on days of its year."""
        if self.school_class is None:
            return
        there, year = self.school_class.school, self.school_class.school_year
        place = self.establishment
        if place is not None and place.kind == Establishment.Kind.SCHOOL and place != there:
            raise ValidationError({"school_class": f"Cette classe est à l'école « {there} »."})
        if (
            self.starts_on
            and self.ends_on
            and (self.ends_on < year.starts_on or self.starts_on > year.ends_on)
        ):
            raise ValidationError({"school_class": f"Cette classe est de l'année {year}."})

    @property
    def reason(self) -> str:
        """What families read in the cell."""
        return self.label or self.get_why_display()


class Capacity(models.Model):
    """How many places an activity usually has at an establishment: what new slots begin with.

    With `formula`, the quota of that formula alone. No row: no limit.
    """

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="capacities", verbose_name="activité"
    )
    establishment = models.ForeignKey(
        Establishment, on_delete=models.CASCADE, related_name="capacities", verbose_name="établissement"
    )
    part = models.CharField("partie de la journée", max_length=10, choices=Part)
    formula = models.ForeignKey(
        Formula, on_delete=models.CASCADE, null=True, blank=True, verbose_name="quota de la formule"
    )
    places = models.PositiveIntegerField("places")

    class Meta:
        verbose_name = "capacité habituelle"
        verbose_name_plural = "capacités habituelles"
        ordering = ["activity", "establishment", "part"]
        constraints = [
            models.UniqueConstraint(
                "activity",
                "establishment",
                "part",
                Coalesce("formula", 0),
                name="one_usual_capacity_a_part",
                violation_error_message="Cette capacité est déjà indiquée.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.establishment} – {self.get_part_display()} : {self.places}"


class Slot(models.Model):
    """A part of a day of an activity at an establishment: its places. A row, so it can be locked.

    With `formula`, the row is that formula's own quota beside the shared one of the part.
    """

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="slots", verbose_name="activité"
    )
    establishment = models.ForeignKey(
        Establishment, on_delete=models.CASCADE, related_name="slots", verbose_name="établissement"
    )
    day = models.DateField("jour")
    part = models.CharField("partie de la journée", max_length=10, choices=Part)
    formula = models.ForeignKey(
        Formula, on_delete=models.CASCADE, null=True, blank=True, verbose_name="quota de la formule"
    )
    capacity = models.PositiveIntegerField("places", null=True, blank=True, help_text="Vide : sans limite.")
    taken = models.PositiveIntegerField("places prises", default=0, editable=False)
    # Of those taken, the ones that the town hall gave beyond the capacity.
    forced = models.PositiveIntegerField("dont en plus", default=0, db_default=0, editable=False)
    closed = models.BooleanField("fermé à la réservation", default=False)

    class Meta:
        verbose_name = "créneau"
        verbose_name_plural = "créneaux"
        ordering = ["day", "establishment", "part"]
        indexes = [models.Index(fields=["establishment", "day"], name="slot_by_place_and_day")]
        constraints = [
            models.UniqueConstraint(
                fields=["activity", "establishment", "day", "part"],
                condition=Q(formula=None),
                name="one_slot_a_part",
                violation_error_message="Ce créneau existe déjà.",
            ),
            models.UniqueConstraint(
                fields=["activity", "establishment", "day", "formula"],
                condition=Q(formula__isnull=False),
                name="one_quota_a_formula_and_day",
                violation_error_message="Cette formule a déjà un quota ce jour-là.",
            ),
            models.CheckConstraint(
                condition=Q(capacity=None) | Q(taken__lte=F("capacity") + F("forced")),
                name="never_more_taken_than_places",
                violation_error_message="Il y a déjà plus de places prises que cela.",
            ),
            models.CheckConstraint(
                condition=Q(forced__lte=F("taken")),
                name="forced_places_are_taken",
                violation_error_message="Une place en plus est une place prise.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.establishment} – {self.day:%d/%m/%Y} – {self.get_part_display()}"

    @property
    def places_left(self) -> int | None:
        """None when there is no limit."""
        return None if self.capacity is None else max(self.capacity - self.taken, 0)


class FullSlot(models.Model):
    """That a slot to come was seen full: families are told once it has places. Written by reminders."""

    slot = models.OneToOneField(
        Slot, on_delete=models.CASCADE, related_name="full_once", verbose_name="créneau"
    )
    seen_at = models.DateTimeField("vu complet le")

    class Meta:
        verbose_name = "créneau vu complet"
        verbose_name_plural = "créneaux vus complets"

    def __str__(self) -> str:
        return str(self.slot)
