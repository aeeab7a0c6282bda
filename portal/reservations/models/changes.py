"""What a change of the calendar or the catalogue cancelled, kept so that it can be put back."""

from datetime import datetime, timedelta

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from families.models import User
from portal.reservations.models.bookings import Booking
from portal.reservations.states import BookingState

# For how long every day goes back on which nothing else stands, however near it is.
WAY_BACK = timedelta(hours=1)


class CalendarChangeQuerySet(models.QuerySet["CalendarChange"]):
    def way_back(self, at: datetime) -> "CalendarChangeQuerySet":
        """Those of which everything may still be put back."""
        return self.filter(reopened_at=None, made_at__gt=at - WAY_BACK)

    def over(self, at: datetime) -> "CalendarChangeQuerySet":
        """Those whose way back is over, and which nobody has settled yet."""
        return self.filter(settled_at=None, made_at__lte=at - WAY_BACK)


class CalendarChange(models.Model):
    """A holiday, a closure, a period shortened…: what it changed, and the booked days that it cancelled.

    Written by `acts/closing.py`.
    """

    what = models.TextField("ce qui a changé")
    reason = models.CharField("motif dit aux familles", max_length=300)
    # The rows before and after: what « Rouvrir » takes back.
    facts = models.JSONField("lignes modifiées", default=list, encoder=DjangoJSONEncoder, editable=False)
    made_at = models.DateTimeField("le")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="par")
    reopened_at = models.DateTimeField("rouvert le", null=True, blank=True)
    reopened_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="rouvert par"
    )
    # Since when children who wait may have what it freed: never while everything may still go back.
    settled_at = models.DateTimeField("places rendues le", null=True, blank=True, editable=False)

    objects = CalendarChangeQuerySet.as_manager()

    class Meta:
        verbose_name = "jours fermés et rouverts"
        verbose_name_plural = "jours fermés et rouverts"
        ordering = ["-made_at", "-pk"]

    def __str__(self) -> str:
        return self.what.partition("\n")[0]


class CancelledDay(models.Model):
    """A booking that a change cancelled: as what, in which order, and what became of it since."""

    change = models.ForeignKey(
        CalendarChange, on_delete=models.CASCADE, related_name="days", verbose_name="changement"
    )
    booking = models.ForeignKey(
        Booking, on_delete=models.CASCADE, related_name="closings", verbose_name="présence réservée"
    )
    rank = models.PositiveIntegerField("rang")
    state = models.CharField("état avant", max_length=16, choices=BookingState)
    put_back = models.BooleanField("rétabli", default=False)
    left = models.CharField("pourquoi il reste annulé", max_length=200, blank=True)

    class Meta:
        verbose_name = "jour annulé par une fermeture"
        verbose_name_plural = "jours annulés par une fermeture"
        ordering = ["rank"]
        constraints = [
            models.UniqueConstraint(
                fields=["change", "booking"],
                name="one_day_a_change_and_booking",
                violation_error_message="Ce jour est déjà dans ce changement.",
            )
        ]

    def __str__(self) -> str:
        return str(self.booking)
