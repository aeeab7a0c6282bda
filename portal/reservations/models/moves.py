"""A child changes school, class or place: what is asked, what was done, which days could not follow.

Written by `moving.py` only.
"""

from datetime import date

from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from families.models import Child, Custody, Decided, Household, User
from families.visibility import OfChild
from portal.database.trials import TrialsApart
from portal.french import moments
from portal.reservations.models.bookings import Booking, Enrolment
from portal.reservations.models.calendar import Establishment, SchoolClass
from portal.reservations.states import EnrolmentState, LeftState, MoveState


class MoveQuerySet(OfChild["Move"]):
    def waiting(self) -> "MoveQuerySet":
        """Those that the town hall has not answered, of enrolments that still stand."""
        return self.filter(state=MoveState.REQUESTED, enrolment__state=EnrolmentState.ACCEPTED)

    def with_days_left(self, today: date) -> "MoveQuerySet":
        """Those with days that somebody has to decide about."""
        return self.filter(Exists(LeftDay.objects.to_decide(today).filter(move=OuterRef("pk"))))


MoveManager = TrialsApart.from_queryset(MoveQuerySet)


class Move(Decided):
    """A child of a home goes to another place, school or class from a day on."""

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="moves", verbose_name="foyer"
    )
    child = models.ForeignKey(Child, on_delete=models.CASCADE, related_name="moves", verbose_name="enfant")
    enrolment = models.ForeignKey(
        Enrolment,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="moves",
        verbose_name="inscription",
    )
    school_class = models.ForeignKey(
        SchoolClass,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="nouvelle classe",
    )
    left_place = models.ForeignKey(
        Establishment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="établissement quitté",
    )
    place = models.ForeignKey(
        Establishment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="nouvel établissement",
    )
    since = models.DateField("à partir du")
    state = models.CharField("état", max_length=10, choices=MoveState, default=MoveState.REQUESTED)
    followed = models.PositiveIntegerField("jours qui ont suivi", default=0, editable=False)
    requested_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="demandé par"
    )
    requested_at = models.DateTimeField("demandé le")

    objects = MoveManager()

    class Meta:
        verbose_name = "changement d'école ou de lieu"
        verbose_name_plural = "changements d'école ou de lieu"
        ordering = ["-requested_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["enrolment"],
                condition=Q(state="requested"),
                name="one_move_asked_at_a_time",
                violation_error_message="Un changement est déjà demandé pour cette inscription.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.child} – {self.where}, à partir du {self.since:%d/%m/%Y}"

    @property
    def where(self) -> str:
        """« Restaurant du Verger », « CE1, École des Tilleuls », or both."""
        return " – ".join(str(one) for one in (self.place, self.school_class) if one)


class LeftDayQuerySet(models.QuerySet["LeftDay"]):
    def to_decide(self, today: date) -> "LeftDayQuerySet":
        """Those still to come that nobody has decided about, nor the family booked anew meanwhile; within the
        enrolment, and of a home in which the child lives that day."""
        anew = Booking.objects.live().filter(
            child=OuterRef("booking__child"),
            activity=OuterRef("booking__activity"),
            day=OuterRef("booking__day"),
        )
        there = Custody.objects.filter(
            Q(until=None) | Q(until__gt=OuterRef("booking__day")),
            child=OuterRef("booking__child"),
            household=OuterRef("booking__household"),
        )
        last = "booking__enrolment__ends_on"
        return self.filter(
            Q(**{last: None}) | Q(**{f"{last}__gte": F("booking__day")}),
            Exists(there),
            ~Exists(anew),
            state=LeftState.OPEN,
            booking__day__gte=today,
            booking__enrolment__state=EnrolmentState.ACCEPTED,
        )


LeftDayManager = TrialsApart.from_queryset(LeftDayQuerySet)


class LeftDay(models.Model):
    """A booked day that could not follow to the new place, and what the town hall decides about it."""

    move = models.ForeignKey(
        Move, on_delete=models.CASCADE, related_name="left_days", verbose_name="changement"
    )
    booking = models.OneToOneField(
        Booking, on_delete=models.CASCADE, related_name="left_by_move", verbose_name="jour réservé"
    )
    place = models.ForeignKey(
        Establishment, on_delete=models.PROTECT, null=True, related_name="+", verbose_name="nouveau lieu"
    )
    why = models.CharField("pourquoi", max_length=200)
    state = models.CharField("état", max_length=8, choices=LeftState, default=LeftState.OPEN)
    decided_at = models.DateTimeField("décidé le", null=True, blank=True)
    decided_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="décidé par"
    )

    objects = LeftDayManager()

    class Meta:
        verbose_name = "jour qui n'a pas pu suivre"
        verbose_name_plural = "jours qui n'ont pas pu suivre"
        ordering = ["booking__day", "pk"]

    def __str__(self) -> str:
        return f"{moments.day(self.booking.day, year=True)} : {self.why}"
