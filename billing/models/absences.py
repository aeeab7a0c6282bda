"""Which absences are free, as the town says."""

from django.db import models
from django.db.models.functions import Coalesce
from simple_history.models import HistoricalRecords

from billing.rules import absences
from portal.reservations.models import Activity


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

    @classmethod
    def rules(cls) -> absences.AbsenceRules:
        """All of them, in one query."""
        return absences.AbsenceRules({policy.activity_id: policy.rule() for policy in cls.objects.all()})

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
