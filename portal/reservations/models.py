"""The engine's tables: where and when one can book, under which rules, and who has booked.

States and places (`state`, `outcome`, `Slot.taken`, `Place`) are written by `booking.py` only.
"""

from datetime import time
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from simple_history.models import HistoricalRecords

from families.models import Child, Decided, Household, User
from portal.models import Town
from portal.reservations import rule_rows, wording
from portal.reservations.deadlines import Rule
from portal.reservations.fields import MONDAY_TO_FRIDAY, WeekdayMaskField
from portal.reservations.states import (
    ENROLMENT_LIVE,
    HOLDING,
    LIVE,
    Action,
    BookingState,
    EnrolmentState,
    Outcome,
    ReservationState,
)

# Places and calendar ----------------------------------------------------------------------------------


class Establishment(models.Model):
    """A school, a restaurant or a leisure centre."""

    class Kind(models.TextChoices):
        SCHOOL = "school", "École"
        RESTAURANT = "restaurant", "Restaurant scolaire"
        CENTRE = "centre", "Centre de loisirs"

    code = models.SlugField("code", max_length=60, unique=True)
    name = models.CharField("nom", max_length=120)
    kind = models.CharField("type", max_length=12, choices=Kind)
    address = models.TextField("adresse", blank=True)
    phone = models.CharField("téléphone", max_length=30, blank=True)
    open_weekdays = WeekdayMaskField("jours d'ouverture", default=MONDAY_TO_FRIDAY)
    schools = models.ManyToManyField(
        "self",
        symmetrical=False,
        blank=True,
        related_name="served_by",
        limit_choices_to={"kind": "school"},
        verbose_name="écoles desservies",
        help_text="Vide : accueille les enfants de toutes les écoles.",
    )
    active = models.BooleanField("en service", default=True)

    class Meta:
        verbose_name = "établissement"
        ordering = ["kind", "name"]

    def __str__(self) -> str:
        return self.name


class SchoolYear(models.Model):
    """From the first to the last school day of a year."""

    name = models.CharField("année scolaire", max_length=20, unique=True)
    starts_on = models.DateField("premier jour de classe")
    ends_on = models.DateField("dernier jour de classe")

    class Meta:
        verbose_name = "année scolaire"
        verbose_name_plural = "années scolaires"
        ordering = ["-starts_on"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__gt=F("starts_on")),
                name="school_year_ends_after_start",
                violation_error_message="L'année scolaire doit finir après son début.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class SchoolClass(models.Model):
    """A class of a school in a year."""

    class Level(models.TextChoices):
        MATERNELLE = "maternelle", "Maternelle"
        ELEMENTAIRE = "elementaire", "Élémentaire"
        COLLEGE = "college", "Collège"

    school = models.ForeignKey(
        Establishment,
        on_delete=models.CASCADE,
        related_name="classes",
        limit_choices_to={"kind": "school"},
        verbose_name="école",
    )
    school_year = models.ForeignKey(
        SchoolYear, on_delete=models.CASCADE, related_name="classes", verbose_name="année scolaire"
    )
    name = models.CharField("classe", max_length=60)
    level = models.CharField("niveau", max_length=12, choices=Level, default=Level.ELEMENTAIRE)

    class Meta:
        verbose_name = "classe"
        ordering = ["school__name", "level", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["school", "school_year", "name"],
                name="one_class_name_a_school_and_year",
                violation_error_message="Cette école a déjà une classe de ce nom cette année.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Schooling(models.Model):
    """The class a child attends in a year."""

    child = models.ForeignKey(
        Child, on_delete=models.CASCADE, related_name="schoolings", verbose_name="enfant"
    )
    school_class = models.ForeignKey(
        SchoolClass, on_delete=models.PROTECT, related_name="schoolings", verbose_name="classe"
    )
    school_year = models.ForeignKey(
        SchoolYear, on_delete=models.PROTECT, related_name="schoolings", verbose_name="année scolaire"
    )

    class Meta:
        verbose_name = "scolarité"
        constraints = [
            models.UniqueConstraint(
                fields=["child", "school_year"],
                name="one_class_a_child_and_year",
                violation_error_message="Cet enfant a déjà une classe cette année.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.child} – {self.school_class}"


class PublicHoliday(models.Model):
    """A public holiday of the town, a row an agent may edit."""

    day = models.DateField("jour", unique=True)
    name = models.CharField("nom", max_length=80)

    class Meta:
        verbose_name = "jour férié"
        verbose_name_plural = "jours fériés"
        ordering = ["day"]

    def __str__(self) -> str:
        return f"{self.name} ({self.day:%d/%m/%Y})"


class SchoolHoliday(models.Model):
    """Days without school: `starts_on` is the first day off, `ends_on` the last."""

    zone = models.CharField("zone", max_length=5, choices=Town.Zone)
    name = models.CharField("vacances", max_length=80)
    starts_on = models.DateField("premier jour sans classe")
    ends_on = models.DateField("dernier jour sans classe")

    class Meta:
        verbose_name = "vacances scolaires"
        verbose_name_plural = "vacances scolaires"
        ordering = ["starts_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["zone", "starts_on"],
                name="one_holiday_a_zone_and_start",
                violation_error_message="Des vacances de cette zone commencent déjà ce jour-là.",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("starts_on")),
                name="school_holiday_ends_after_start",
                violation_error_message="Les vacances doivent finir après leur début.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


# Rules ------------------------------------------------------------------------------------------------


class DeadlineRule(models.Model):
    """When acting on a day is on time. Only the fields of its `kind` count; see deadlines.py."""

    class Kind(models.TextChoices):
        DAYS_BEFORE = "days_before", "Un nombre de jours avant"
        HOURS_BEFORE = "hours_before", "Un nombre d'heures avant"
        WEEK_BEFORE = "week_before", "Un jour de la semaine, une ou plusieurs semaines avant"
        WEEKDAY_TABLE = "weekday_table", "Un tableau : jour visé, jour limite"
        SAME_DAY = "same_day", "Le jour même jusqu'à une heure"
        MONTH_DAY = "month_day", "Un jour du mois précédent"
        CLEAR_DAYS = "clear_days", "Des jours francs avant le début de la période"
        WINDOWS = "windows", "Des dates d'ouverture et de clôture"
        NEVER = "never", "Jamais"

    class DayUnit(models.TextChoices):
        CALENDAR = "calendar", "jours calendaires"
        WORKING = "working", "jours ouvrés (ni week-end, ni férié)"
        OPEN = "open", "jours d'ouverture de l'établissement"
        SCHOOL = "school", "jours de classe"

    name = models.CharField("nom", max_length=120, unique=True)
    kind = models.CharField("principe", max_length=14, choices=Kind)
    number = models.PositiveSmallIntegerField(
        "nombre de jours, d'heures ou de semaines", null=True, blank=True
    )
    day_unit = models.CharField("jours comptés", max_length=8, choices=DayUnit, default=DayUnit.CALENDAR)
    skip_weekends = models.BooleanField("ne pas compter les week-ends", default=False)
    skip_public_holidays = models.BooleanField("ne pas compter les jours fériés", default=False)
    skip_weekdays = WeekdayMaskField("ne pas compter ces jours", default=0, blank=True)
    at = models.TimeField("heure limite", null=True, blank=True)
    weekday = models.PositiveSmallIntegerField(
        "jour limite", null=True, blank=True, validators=[MaxValueValidator(6)]
    )
    month_day = models.PositiveSmallIntegerField(
        "jour du mois", null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(31)]
    )
    table = models.JSONField("tableau", default=dict, blank=True)
    holiday_monday_table = models.JSONField("tableau quand le lundi est férié", default=dict, blank=True)
    reference_time = models.TimeField("instant de référence du jour visé", default=time(0, 0))
    inclusive = models.BooleanField("l'heure limite est encore à temps", default=True)
    from_last_school_day = models.BooleanField(
        "après des vacances, compter depuis le dernier jour de classe", default=False
    )

    class Meta:
        verbose_name = "règle de délai"
        verbose_name_plural = "règles de délai"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def sentence(self) -> str:
        """What the rule means, in plain French."""
        return "Règle incomplète." if rule_rows.problems(self) else wording.sentence(self.rule())

    def clean(self) -> None:
        if found := rule_rows.problems(self):
            raise ValidationError(found)

    def rule(self) -> Rule:
        """The pure rule that `deadlines.py` works with; reads the windows unless prefetched."""
        return rule_rows.rule_of(self)


class DeadlineWindow(models.Model):
    """Opening and closing moments for the days covered, for a rule of kind « windows »."""

    class Audience(models.TextChoices):
        ALL = "all", "Toutes les familles"
        RESIDENT = "resident", "Familles de la commune"
        NON_RESIDENT = "non_resident", "Familles hors commune"

    rule = models.ForeignKey(
        DeadlineRule, on_delete=models.CASCADE, related_name="windows", verbose_name="règle"
    )
    covers_from = models.DateField("pour les jours du")
    covers_to = models.DateField("au")
    opens_at = models.DateTimeField("ouvre le", null=True, blank=True)
    closes_at = models.DateTimeField("clôt le", null=True, blank=True)
    audience = models.CharField("pour", max_length=12, choices=Audience, default=Audience.ALL)

    class Meta:
        verbose_name = "fenêtre"
        ordering = ["covers_from", "audience"]
        constraints = [
            models.CheckConstraint(
                condition=Q(covers_to__gte=F("covers_from")),
                name="window_covers_forward",
                violation_error_message="La fenêtre doit finir après son premier jour.",
            ),
            models.CheckConstraint(
                condition=Q(opens_at=None) | Q(closes_at=None) | Q(closes_at__gt=F("opens_at")),
                name="window_closes_after_opening",
                violation_error_message="La fenêtre clôt avant d'ouvrir.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.covers_from:%d/%m/%Y} – {self.covers_to:%d/%m/%Y}"


class Activity(models.Model):
    """What one can enrol for: « Restauration scolaire », « Mercredis », « Vacances »…"""

    class Processing(models.TextChoices):
        AUTOMATIC = "automatic", "Automatique : acceptée tant qu'il reste des places"
        ON_REQUEST = "on_request", "Sur demande : la mairie répond"

    class During(models.TextChoices):
        TERM = "term", "Jours de classe"
        HOLIDAYS = "holidays", "Vacances scolaires"
        ALWAYS = "always", "Toute l'année"

    code = models.SlugField("code", max_length=60, unique=True)
    name = models.CharField("nom", max_length=120)
    service = models.SlugField("service", max_length=20, db_index=True)
    description = models.TextField("présentation aux familles", blank=True)
    establishments = models.ManyToManyField(
        Establishment, related_name="activities", blank=True, verbose_name="établissements"
    )
    weekdays = WeekdayMaskField("jours", default=MONDAY_TO_FRIDAY)
    during = models.CharField("période de l'année", max_length=8, choices=During, default=During.TERM)
    processing = models.CharField(
        "traitement des réservations", max_length=10, choices=Processing, default=Processing.AUTOMATIC
    )
    cancel_processing = models.CharField(
        "traitement des annulations", max_length=10, choices=Processing, default=Processing.AUTOMATIC
    )
    enrolment_processing = models.CharField(
        "traitement des inscriptions", max_length=10, choices=Processing, default=Processing.ON_REQUEST
    )
    waiting_list = models.BooleanField("liste d'attente", default=True)
    min_age = models.PositiveSmallIntegerField("âge minimum", null=True, blank=True)
    max_age = models.PositiveSmallIntegerField("âge maximum", null=True, blank=True)
    health_file_required = models.BooleanField(
        "fiche sanitaire obligatoire avant le premier jour", default=False
    )
    active = models.BooleanField("proposée", default=True)
    order = models.PositiveSmallIntegerField("ordre", default=0)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "activité"
        ordering = ["order", "name"]

    def __str__(self) -> str:
        return self.name


class Part(models.TextChoices):
    """A part of a day, the grain at which places are counted."""

    EARLY = "early", "accueil du matin"
    MORNING = "morning", "matin"
    NOON = "noon", "midi"
    AFTERNOON = "afternoon", "après-midi"
    EVENING = "evening", "soir"


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
            )
        ]

    def __str__(self) -> str:
        return self.name


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


class ActivityDeadline(models.Model):
    """Which rule holds for reserving or cancelling an activity, and what « too late » then means.

    The most specific row counts: formula and period, then period, then formula, then the activity.
    """

    class Late(models.TextChoices):
        REFUSE = "refuse", "Refusé"
        REQUEST = "request", "Demande à la mairie"
        ACCEPT = "accept", "Accepté, avec majoration"

    class Surcharge(models.TextChoices):
        NONE = "", "Aucune"
        ADD = "add", "Un montant en plus"
        MULTIPLY = "multiply", "Le prix multiplié"
        PRICE = "price", "Un prix fixe"

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="deadlines", verbose_name="activité"
    )
    formula = models.ForeignKey(
        Formula, on_delete=models.CASCADE, null=True, blank=True, verbose_name="seulement la formule"
    )
    period = models.ForeignKey(
        Period, on_delete=models.CASCADE, null=True, blank=True, verbose_name="seulement la période"
    )
    action = models.CharField("pour", max_length=6, choices=Action)
    rule = models.ForeignKey(DeadlineRule, on_delete=models.PROTECT, verbose_name="règle")
    late = models.CharField("au-delà", max_length=8, choices=Late, default=Late.REFUSE)
    last_moment = models.ForeignKey(
        DeadlineRule,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="dernier moment, même en retard",
        help_text="Vide : jusqu'à la fin de la veille.",
    )
    surcharge = models.CharField("majoration", max_length=8, choices=Surcharge, blank=True)
    surcharge_amount = models.DecimalField(
        "montant de la majoration", max_digits=8, decimal_places=3, null=True, blank=True
    )
    free_late_a_month = models.PositiveSmallIntegerField("retards sans majoration par mois", default=0)

    class Meta:
        verbose_name = "délai"
        ordering = ["activity", "action"]
        constraints = [
            # Coalesce: two rows without formula and period are the same scope.
            models.UniqueConstraint(
                "activity",
                Coalesce("formula", 0),
                Coalesce("period", 0),
                "action",
                name="one_deadline_a_scope",
                violation_error_message="Un délai existe déjà pour ce cas.",
            ),
            models.CheckConstraint(
                condition=Q(surcharge="") | Q(surcharge_amount__gte=0),
                name="surcharge_has_amount",
                violation_error_message="Indiquez le montant de la majoration.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} – {self.rule}"

    def clean(self) -> None:
        found = {}
        for scope in ("formula", "period"):
            chosen = getattr(self, scope)
            if chosen is not None and chosen.activity_id != self.activity_id:
                found[scope] = "Choisissez-en une de cette activité."
        if self.surcharge and self.surcharge_amount is None:
            found["surcharge_amount"] = "Indiquez le montant de la majoration."
        if self.late == self.Late.REFUSE:
            if self.surcharge:
                found["surcharge"] = "Un retard refusé n'a pas de majoration."
            if self.last_moment_id:
                found["last_moment"] = "Un retard refusé n'a pas de dernier moment : laissez vide."
        if self.free_late_a_month and not self.surcharge:
            found["free_late_a_month"] = "Sans majoration, il n'y a pas de retard gratuit à compter."
        if found:
            raise ValidationError(found)


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
        return f"{what} ({self.starts_on:%d/%m/%Y})"

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


class SlotQuerySet(models.QuerySet["Slot"]):
    def with_places_left(self) -> "SlotQuerySet":
        return self.filter(Q(capacity=None) | Q(taken__lt=F("capacity")), closed=False)


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
    closed = models.BooleanField("fermé à la réservation", default=False)

    objects = SlotQuerySet.as_manager()

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
                condition=Q(capacity=None) | Q(taken__lte=F("capacity")),
                name="never_more_taken_than_places",
                violation_error_message="Il y a déjà plus de places prises que cela.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.establishment} – {self.day:%d/%m/%Y} – {self.get_part_display()}"

    @property
    def places_left(self) -> int | None:
        """None when there is no limit."""
        return None if self.capacity is None else max(self.capacity - self.taken, 0)


# What families ask for ----------------------------------------------------------------------------------


class EnrolmentQuerySet(models.QuerySet["Enrolment"]):
    def visible_to(self, user: Any) -> "EnrolmentQuerySet":
        return self.filter(household__guardians__user=user)

    def live(self) -> "EnrolmentQuerySet":
        return self.filter(state__in=ENROLMENT_LIVE)

    def accepted(self) -> "EnrolmentQuerySet":
        return self.filter(state=EnrolmentState.ACCEPTED)


class Enrolment(Decided):
    """A child's yearly right to an activity, asked for by a household."""

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="enrolments", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child, on_delete=models.CASCADE, related_name="enrolments", verbose_name="enfant"
    )
    activity = models.ForeignKey(
        Activity, on_delete=models.PROTECT, related_name="enrolments", verbose_name="activité"
    )
    establishment = models.ForeignKey(
        Establishment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="enrolments",
        verbose_name="établissement",
    )
    school_year = models.ForeignKey(
        SchoolYear, on_delete=models.PROTECT, related_name="enrolments", verbose_name="année scolaire"
    )
    weekdays = WeekdayMaskField("jours de fréquentation", default=0, blank=True)
    starts_on = models.DateField("date de début")
    state = models.CharField(
        "état", max_length=10, choices=EnrolmentState, default=EnrolmentState.REQUESTED, db_index=True
    )
    requested_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="demandée par"
    )
    requested_at = models.DateTimeField("demandée le", auto_now_add=True)

    objects = EnrolmentQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "inscription"
        ordering = ["child__first_name", "activity__order", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["child", "household", "activity", "school_year"],
                condition=Q(state__in=ENROLMENT_LIVE),
                name="one_live_enrolment",
                violation_error_message="Cet enfant est déjà inscrit à cette activité cette année.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.child} – {self.activity} {self.school_year}"

    @property
    def is_accepted(self) -> bool:
        return self.state == EnrolmentState.ACCEPTED

    @property
    def lacks_health_file(self) -> bool:
        """Whether the activity asks for a health file before the first day and the child has none.

        No query where the enrolment was read with `child__health`.
        """
        return self.activity.health_file_required and not hasattr(self.child, "health")

    @property
    def is_over(self) -> bool:
        """Refused, or ended: it changes no more, another one may be asked for."""
        return self.state not in ENROLMENT_LIVE


NEWEST_FIRST = [Coalesce("submitted_at", "touched_at").desc(), "-pk"]


class ReservationQuerySet(models.QuerySet["Reservation"]):
    def visible_to(self, user: Any) -> "ReservationQuerySet":
        return self.filter(household__guardians__user=user)

    def drafts(self) -> "ReservationQuerySet":
        return self.filter(state=ReservationState.DRAFT)

    def with_counts(self) -> "ReservationQuerySet":
        """Annotates `days_booked` and `days_cancelled`, the number of lines of each action; newest first."""
        return self.annotate(
            days_booked=models.Count("lines", filter=Q(lines__action=Action.BOOK)),
            days_cancelled=models.Count("lines", filter=Q(lines__action=Action.CANCEL)),
        ).order_by(*NEWEST_FIRST)  # Meta.ordering is left out of grouped queries


class Reservation(Decided):
    """A numbered request of a household for a child: days to book, days to cancel."""

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="reservations", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child, on_delete=models.CASCADE, related_name="reservations", verbose_name="enfant"
    )
    enrolment = models.ForeignKey(
        Enrolment, on_delete=models.PROTECT, related_name="reservations", verbose_name="inscription"
    )
    establishment = models.ForeignKey(
        Establishment, on_delete=models.PROTECT, related_name="reservations", verbose_name="établissement"
    )
    period = models.ForeignKey(
        Period, on_delete=models.PROTECT, related_name="reservations", verbose_name="période"
    )
    state = models.CharField(
        "état", max_length=10, choices=ReservationState, default=ReservationState.DRAFT, db_index=True
    )
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="créée par"
    )
    created_at = models.DateTimeField("créée le")
    touched_at = models.DateTimeField("modifiée le")
    submitted_at = models.DateTimeField("enregistrée le", null=True, blank=True)
    companion_of = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="companions",
        verbose_name="mêmes jours que",
    )

    objects = ReservationQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "réservation"
        ordering = NEWEST_FIRST
        indexes = [models.Index(fields=["household", "state"], name="reservation_by_household")]
        constraints = [
            models.UniqueConstraint(
                fields=["household", "child", "establishment", "period"],
                condition=Q(state="draft"),
                name="one_draft_at_a_time",
                violation_error_message="Une réservation à enregistrer existe déjà pour cet enfant.",
            )
        ]

    def __str__(self) -> str:
        return f"Réservation n° {self.number}"

    @property
    def number(self) -> str:
        """What families and the town hall call the reservation by."""
        return f"{self.pk:06d}"

    @property
    def is_draft(self) -> bool:
        return self.state == ReservationState.DRAFT

    @property
    def version(self) -> str:
        """Changes whenever a draft does: how a stale tab is recognised."""
        return self.touched_at.isoformat()


class ReservationLine(models.Model):
    """One formula on one day that a reservation books or cancels, and what became of it."""

    reservation = models.ForeignKey(
        Reservation, on_delete=models.CASCADE, related_name="lines", verbose_name="réservation"
    )
    formula = models.ForeignKey(Formula, on_delete=models.PROTECT, related_name="+", verbose_name="formule")
    day = models.DateField("jour")
    action = models.CharField("demande", max_length=6, choices=Action, default=Action.BOOK)
    accepts_waiting = models.BooleanField("accepte la liste d'attente", default=False)
    late = models.BooleanField("hors délai", default=False)
    outcome = models.CharField("état", max_length=10, choices=Outcome, blank=True, default=Outcome.DRAFT)
    reason = models.CharField("motif", max_length=300, blank=True)

    class Meta:
        verbose_name = "jour demandé"
        verbose_name_plural = "jours demandés"
        ordering = ["day", "formula__order", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["reservation", "formula", "day"],
                name="one_line_a_formula_and_day",
                violation_error_message="Ce jour est déjà dans la réservation.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.formula} le {self.day:%d/%m/%Y}"


class BookingQuerySet(models.QuerySet["Booking"]):
    def visible_to(self, user: Any) -> "BookingQuerySet":
        return self.filter(household__guardians__user=user)

    def holding(self) -> "BookingQuerySet":
        return self.filter(state__in=HOLDING)

    def live(self) -> "BookingQuerySet":
        return self.filter(state__in=LIVE)

    def accepted(self) -> "BookingQuerySet":
        return self.filter(state=BookingState.ACCEPTED)

    def waiting(self) -> "BookingQuerySet":
        """In order of arrival."""
        return self.filter(state=BookingState.WAITLISTED).order_by("waiting_since", "pk")


class Booking(models.Model):
    """Where a child stands for a formula on a day, now. Kitchen, register and invoice read this."""

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="bookings", verbose_name="foyer"
    )
    child = models.ForeignKey(Child, on_delete=models.CASCADE, related_name="bookings", verbose_name="enfant")
    enrolment = models.ForeignKey(
        Enrolment, on_delete=models.PROTECT, related_name="bookings", verbose_name="inscription"
    )
    reservation = models.ForeignKey(
        Reservation,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="bookings",
        verbose_name="réservation d'origine",
    )
    activity = models.ForeignKey(
        Activity, on_delete=models.PROTECT, related_name="bookings", verbose_name="activité"
    )
    establishment = models.ForeignKey(
        Establishment, on_delete=models.PROTECT, related_name="bookings", verbose_name="établissement"
    )
    formula = models.ForeignKey(
        Formula, on_delete=models.PROTECT, related_name="bookings", verbose_name="formule"
    )
    day = models.DateField("jour")
    state = models.CharField("état", max_length=16, choices=BookingState)
    late = models.BooleanField("réservée hors délai", default=False)
    waiting_since = models.DateTimeField("en attente depuis", null=True, blank=True)
    changed_at = models.DateTimeField("changée le")

    objects = BookingQuerySet.as_manager()

    class Meta:
        verbose_name = "présence réservée"
        verbose_name_plural = "présences réservées"
        ordering = ["day", "pk"]
        indexes = [
            models.Index(fields=["child", "day"], name="booking_by_child_and_day"),
            models.Index(fields=["establishment", "day", "state"], name="booking_by_place_and_day"),
            models.Index(fields=["household", "day"], name="booking_by_household_and_day"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["child", "formula", "day"],
                condition=Q(state__in=LIVE),
                name="one_live_booking",
                violation_error_message="Cet enfant a déjà cette réservation ce jour-là.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.child} – {self.formula} – {self.day:%d/%m/%Y}"


class Place(models.Model):
    """A slot that a live booking concerns. Deleted when the booking ends, so that the pair
    (child, slot) is unique among live ones: Journée and Matinée exclude each other here."""

    booking = models.ForeignKey(Booking, on_delete=models.CASCADE, related_name="places")
    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="places")
    child = models.ForeignKey(Child, on_delete=models.CASCADE, related_name="+")

    class Meta:
        verbose_name = "place"
        constraints = [
            models.UniqueConstraint(
                fields=["child", "slot"],
                name="one_live_place_a_child_and_slot",
                violation_error_message="Cet enfant a déjà une réservation sur cette partie de la journée.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.booking} – {self.slot}"


class BookingEvent(models.Model):
    """Who changed the state of a booking, when, and why: never changed afterwards."""

    booking = models.ForeignKey(Booking, on_delete=models.CASCADE, related_name="events")
    state = models.CharField("état", max_length=16, choices=BookingState)
    at = models.DateTimeField("le")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="par")
    reservation = models.ForeignKey(
        Reservation, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="réservation"
    )
    reason = models.CharField("motif", max_length=300, blank=True)

    class Meta:
        verbose_name = "changement d'état"
        verbose_name_plural = "changements d'état"
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.get_state_display()} le {self.at:%d/%m/%Y}"
