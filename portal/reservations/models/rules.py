"""Until when one can book and cancel."""

from datetime import time

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from portal.french.weekdays import WeekdayMaskField
from portal.reservations.deadlines import rule_rows, wording
from portal.reservations.deadlines.rules import Rule
from portal.reservations.models.activities import Activity, Formula, Period
from portal.reservations.states import Action


class DeadlineRule(models.Model):
    """When acting on a day is on time. Only the fields of its `kind` count; see docs/deadlines.md."""

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
        """The pure rule that `deadlines/` works with; reads the windows unless prefetched."""
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
    public = models.ForeignKey(
        "reservations.Audience",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="windows",
        verbose_name="public de la ville",
        limit_choices_to={"belonging__in": ["address", "school", "recognised"]},
        help_text="Compte avant « commune » et « hors commune ».",
    )

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
            models.CheckConstraint(
                condition=Q(public=None) | Q(audience="all"),
                name="window_of_a_public_names_no_other",
                violation_error_message="Une fenêtre est pour un public de la ville, ou pour la commune ou "
                "hors commune : l'un des deux.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.covers_from:%d/%m/%Y} – {self.covers_to:%d/%m/%Y}"


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
