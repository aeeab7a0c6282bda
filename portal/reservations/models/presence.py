"""Who came, who did not, and what proves an absence. Written by `presence/` only."""

from functools import reduce
from operator import or_

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from simple_history.models import HistoricalRecords

from families.models import Child, Decided, Document, Household, User
from families.visibility import OfChild
from portal.reservations.models.activities import Formula
from portal.reservations.models.bookings import Booking
from portal.reservations.models.calendar import Establishment


class AttendanceState(models.TextChoices):
    """What was seen of a child. A booking without attendance is expected, and billed as present."""

    PRESENT = "present", "Présent"
    ABSENT = "absent", "Absent"
    MISTAKEN = "mistaken", "Pointé par erreur"


class AbsenceReason(models.TextChoices):
    """Why a booked child did not come. Which of them is billed is a rule of who bills."""

    NONE = "", "Sans motif"
    ILLNESS = "illness", "Maladie"
    STRIKE = "strike", "Grève"
    TEACHER = "teacher", "Enseignant absent"
    TRIP = "trip", "Sortie scolaire"
    FAMILY = "family", "Raison familiale"


class AttendanceQuerySet(models.QuerySet["Attendance"]):
    def unreserved(self) -> "AttendanceQuerySet":
        """Children who came without a booking."""
        return self.filter(booking=None, state=AttendanceState.PRESENT)

    def standing(self) -> "AttendanceQuerySet":
        """Without what was entered by mistake, which only stays for the invoice that billed it."""
        return self.exclude(state=AttendanceState.MISTAKEN)

    def with_stays(self) -> "AttendanceQuerySet":
        """Annotates `stays`: something that may not lose the row, an invoice for example, points at it."""
        kept_by = [
            Exists(relation.related_model._base_manager.filter(**{relation.field.name: OuterRef("pk")}))
            for relation in self.model._meta.related_objects
            if relation.on_delete is models.PROTECT
        ]
        return self.annotate(stays=reduce(or_, (Q(one) for one in kept_by), Q(pk__in=[])))


class Attendance(models.Model):
    """That a child was there, or not, for a formula on a day. Without `booking`: came unreserved, or was
    entered so by mistake."""

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
                condition=~Q(state="mistaken"),
                name="one_attendance_a_child_formula_and_day",
                violation_error_message="Cet enfant est déjà pointé pour cette formule ce jour-là.",
            ),
            models.CheckConstraint(
                condition=Q(booking__isnull=False) | ~Q(state="absent"),
                name="absent_only_where_booked",
                violation_error_message="Seul un enfant qui avait réservé peut être absent.",
            ),
            models.CheckConstraint(
                condition=Q(booking__isnull=True) | ~Q(state="mistaken"),
                name="mistaken_only_where_unreserved",
                violation_error_message="Un enfant qui avait réservé est présent ou absent.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.child} – {self.formula} – {self.day:%d/%m/%Y} : {self.get_state_display()}"


class AbsenceCertificateQuerySet(OfChild["AbsenceCertificate"]):
    """Certificates of households, whichever home of the child sent them."""


class AbsenceCertificate(Decided):
    """A proof of a child's absence, sent by its household or taken by staff. Written by
    `certificates.py` only."""

    class State(models.TextChoices):
        REQUESTED = "requested", "En attente de traitement"
        ACCEPTED = "accepted", "Accepté"
        REFUSED = "refused", "Refusé"

    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="absence_certificates", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child, on_delete=models.PROTECT, related_name="absence_certificates", verbose_name="enfant"
    )
    first_day = models.DateField("absent du")
    last_day = models.DateField("au")
    document = models.ForeignKey(
        Document,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="justificatif",
    )
    given_at = models.DateTimeField("donné le")
    given_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="donné par"
    )
    state = models.CharField("état", max_length=12, choices=State, default=State.REQUESTED, db_index=True)

    objects = AbsenceCertificateQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "justificatif d'absence"
        verbose_name_plural = "justificatifs d'absence"
        ordering = ["-given_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_day__gte=F("first_day")),
                name="certificate_ends_after_it_starts",
                violation_error_message="Le dernier jour d'absence ne peut pas précéder le premier.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.child} – absence du {self.first_day:%d/%m/%Y} au {self.last_day:%d/%m/%Y}"


class AbsenceNoticeQuerySet(OfChild["AbsenceNotice"]):
    def standing(self) -> "AbsenceNoticeQuerySet":
        """Those not taken back."""
        return self.filter(withdrawn_at=None)


class AbsenceNotice(models.Model):
    """That a child will not come on a day, said by its family without any proof. Its booking stays, and what
    of it is billed is a rule of who bills. Written by `announcing.py` only."""

    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="absence_notices", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child, on_delete=models.PROTECT, related_name="absence_notices", verbose_name="enfant"
    )
    day = models.DateField("jour", db_index=True)
    announced_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="annoncée par"
    )
    announced_at = models.DateTimeField("annoncée le")
    withdrawn_at = models.DateTimeField("retirée le", null=True, blank=True)

    objects = AbsenceNoticeQuerySet.as_manager()

    class Meta:
        verbose_name = "absence annoncée"
        verbose_name_plural = "absences annoncées"
        ordering = ["day", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["household", "child", "day"],
                condition=Q(withdrawn_at=None),
                name="one_absence_notice_a_day",
                violation_error_message="Cette absence est déjà annoncée.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.child} – absence annoncée le {self.day:%d/%m/%Y}"
