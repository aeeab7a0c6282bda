"""What the town hall did to the days of many children at once, line by line, so that it can be taken back."""

from django.db import models
from django.db.models import F, Q

from families.models import User
from portal.reservations.models.activities import Formula
from portal.reservations.models.bookings import Booking, Enrolment
from portal.reservations.models.calendar import Establishment
from portal.reservations.states import Became, BookingState, LotVerb


class Lot(models.Model):
    """The days of many children, booked, cancelled or moved together. Written by `acts/lots.py`."""

    verb = models.CharField("acte", max_length=6, choices=LotVerb)
    formula = models.ForeignKey(Formula, on_delete=models.PROTECT, related_name="+", verbose_name="formule")
    # As the agent read it: « CM1 de l'école Jules Ferry ».
    whom = models.CharField("enfants", max_length=200)
    reason = models.CharField("motif, que les familles lisent", max_length=200)
    # What is passed over, for that same reason, wherever it has to be; and whether late days pay for it.
    passing_over = models.JSONField("passé outre", default=list)
    late = models.BooleanField("au prix hors délai", default=False)
    tell = models.BooleanField("familles prévenues", default=True)
    # Of days to book: whether a full one is waited for, where the activity has a waiting list.
    waits = models.BooleanField("liste d'attente des jours complets", default=False, db_default=False)
    # How many lines there are, have been looked at, have changed, have been taken back.
    wanted = models.PositiveIntegerField("jours demandés", default=0)
    met = models.PositiveIntegerField("jours vus", default=0)
    changed = models.PositiveIntegerField("jours changés", default=0)
    back = models.PositiveIntegerField("jours remis comme avant", default=0)
    made_at = models.DateTimeField("le")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="par")
    done_at = models.DateTimeField("terminé le", null=True, blank=True)
    undo_asked_at = models.DateTimeField("annulation demandée le", null=True, blank=True)
    undo_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="annulé par"
    )
    undone_at = models.DateTimeField("annulé le", null=True, blank=True)

    class Meta:
        verbose_name = "lot de jours"
        verbose_name_plural = "lots de jours"
        ordering = ["-made_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(undone_at=None) | Q(undo_asked_at__isnull=False),
                name="lot_undone_once_asked",
                violation_error_message="Un lot n'est annulé que si on l'a demandé.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_verb_display()} : {self.formula}, {self.whom}"


class LotDay(models.Model):
    """A day of a child in a lot: what was wanted of it, and what became of it; then what its way back did."""

    lot = models.ForeignKey(Lot, on_delete=models.CASCADE, related_name="days", verbose_name="lot")
    enrolment = models.ForeignKey(
        Enrolment, on_delete=models.CASCADE, related_name="+", verbose_name="inscription"
    )
    # Where it is booked or cancelled; null where nobody has said where the child goes.
    establishment = models.ForeignKey(
        Establishment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="établissement",
    )
    day = models.DateField("jour")
    # Of a day that moves: where it goes.
    to_day = models.DateField("vers le", null=True, blank=True)
    became = models.CharField("résultat", max_length=8, choices=Became, blank=True, default=Became.WAITS)
    why = models.CharField("pourquoi", max_length=300, blank=True)
    cancelled = models.ForeignKey(
        Booking, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name="jour annulé"
    )
    state_before = models.CharField("état avant", max_length=16, choices=BookingState, blank=True)
    booked = models.ForeignKey(
        Booking,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="jour réservé",
    )
    taken_back = models.CharField("depuis", max_length=8, choices=Became, blank=True, default=Became.WAITS)
    not_back = models.CharField("pourquoi il reste ainsi", max_length=300, blank=True)

    class Meta:
        verbose_name = "jour d'un lot"
        verbose_name_plural = "jours d'un lot"
        ordering = ["pk"]
        indexes = [models.Index(fields=["lot", "became"], name="lot_days_by_result")]
        constraints = [
            models.CheckConstraint(
                condition=Q(to_day=None) | ~Q(to_day=F("day")),
                name="lot_day_moves_elsewhere",
                violation_error_message="Un jour se déplace vers un autre jour.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.enrolment} – {self.day:%d/%m/%Y}"
