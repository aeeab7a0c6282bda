"""Which absences are free, as the town says."""

from datetime import date

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Coalesce
from simple_history.models import HistoricalRecords

from billing.rules import absences
from portal.reservations.models import Activity, SchoolYear


class AbsencePolicy(models.Model):
    """Which absences are free, for an activity or (without one) for all that have no own policy."""

    class Paperless(models.TextChoices):
        NEVER = "", "non : il faut un certificat"
        KNOWN = "known", "oui, dès qu'elle est signalée"
        TOLD = "told", "oui, si la famille prévient à temps"

    class ToldLate(models.TextChoices):
        ALL = "all", "toute l'absence reste facturée"
        FOLLOWING = "following", "restent facturés les jours dont l'heure est passée"

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

    paperless = models.CharField(
        "maladie gratuite sans certificat",
        max_length=5,
        choices=Paperless,
        blank=True,
        default="",
        db_default="",
        help_text="Les familles préviennent par « Malade aujourd'hui » ; un appel se note par"
        " « Saisir un justificatif ».",
    )
    told_before = models.TimeField(
        "prévenir avant", null=True, blank=True, help_text="Par exemple 10:00. Sert à « prévient à temps »."
    )
    told_days_before = models.PositiveSmallIntegerField(
        "jours avant le premier jour d'absence",
        default=0,
        db_default=0,
        help_text="0 : le premier jour même ; 1 : la veille.",
    )
    told_late = models.CharField(
        "prévenu plus tard",
        max_length=9,
        choices=ToldLate,
        default=ToldLate.ALL,
        db_default="all",
    )
    free_first_days = models.PositiveSmallIntegerField(
        "premiers jours gratuits sans certificat",
        null=True,
        blank=True,
        help_text="2 : les deux premiers jours de chaque maladie sont gratuits, les suivants facturés."
        " Vide : tous.",
    )
    free_days_a_year = models.PositiveSmallIntegerField(
        "jours gratuits par an",
        default=0,
        db_default=0,
        help_text="Jours d'absence signalés qui resteraient facturés, offerts par enfant et par année.",
    )
    free_weeks_a_year = models.PositiveSmallIntegerField(
        "semaines gratuites par an",
        default=0,
        db_default=0,
        help_text="Semaines dont l'enfant manque tous les jours réservés, offertes par enfant et par année.",
    )

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

    @classmethod
    def rules(cls) -> absences.AbsenceRules:
        """All of them, in one query; one more where any counts by the year."""
        policies = list(cls.objects.all())
        starts: tuple[date, ...] = ()
        if any(policy.free_days_a_year or policy.free_weeks_a_year for policy in policies):
            starts = tuple(SchoolYear.objects.order_by("starts_on").values_list("starts_on", flat=True))
        return absences.AbsenceRules({policy.activity_id: policy.rule(starts) for policy in policies})

    def clean(self) -> None:
        """What contradicts itself, or would be read by nobody, is said where it is typed."""
        super().clean()
        found: dict[str, str] = {}
        told = self.paperless == self.Paperless.TOLD
        if told and self.told_before is None:
            found["told_before"] = "Indiquez jusqu'à quelle heure la famille doit prévenir."
        if not told and self.told_before is not None:
            found["told_before"] = (
                "Une heure ne sert que si la maladie est gratuite quand on prévient à temps."
            )
        if not told and self.told_days_before:
            found["told_days_before"] = "Ces jours ne servent que si la famille doit prévenir à temps."
        if self.free_first_days is not None and not self.paperless:
            found["free_first_days"] = (
                "Sans certificat, aucun jour n'est gratuit : choisissez d'abord « oui »."
            )
        if self.free_first_days == 0:
            found["free_first_days"] = "Aucun jour gratuit : laissez plutôt « il faut un certificat »."
        if found:
            raise ValidationError(found)

    def rule(self, year_starts: tuple[date, ...] = ()) -> absences.AbsenceRule:
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
            absences.Paperless(self.paperless),
            self.told_before,
            self.told_days_before,
            absences.ToldLate(self.told_late),
            self.free_first_days,
            self.free_days_a_year,
            self.free_weeks_a_year,
            year_starts,
        )
