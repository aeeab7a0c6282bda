"""What families ask for, and where each child stands.

States and places (`state`, `outcome`, `Place`) are written by `booking.py` only.
"""

from datetime import date, datetime
from typing import TypeAlias, TypedDict

from django.db import models
from django.db.models import OrderBy, Q
from django.db.models.functions import Coalesce
from django_stubs_ext import WithAnnotations
from simple_history.models import HistoricalRecords

from families.models import Child, Decided, Household, User
from families.visibility import Login, OfChild
from portal.database.composed import Given
from portal.database.trials import TrialsApart
from portal.french import moments
from portal.french.weekdays import WeekdayMaskField, names_of
from portal.reservations.models.activities import Activity, Formula, Period, Slot
from portal.reservations.models.calendar import Establishment, SchoolYear
from portal.reservations.states import (
    ENROLMENT_LIVE,
    HOLDING,
    LIVE,
    STILL_ASKED,
    Action,
    BookingState,
    EnrolmentState,
    Outcome,
    ReservationState,
)


class EnrolmentQuerySet(OfChild["Enrolment"]):
    def live(self) -> "EnrolmentQuerySet":
        return self.filter(state__in=ENROLMENT_LIVE)

    def accepted(self) -> "EnrolmentQuerySet":
        return self.filter(state=EnrolmentState.ACCEPTED)


EnrolmentManager = TrialsApart.from_queryset(EnrolmentQuerySet)


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
    # From `next_weekdays_on` on these, until then `weekdays`, which follow in the night of that day.
    next_weekdays = models.PositiveSmallIntegerField(
        "prochains jours de fréquentation", null=True, blank=True, editable=False
    )
    next_weekdays_on = models.DateField("change de jours le", null=True, blank=True, editable=False)
    # From `moves_on` on the child goes there (null: each reservation chooses), until then to `establishment`,
    # which follows in the night of that day.
    moves_to = models.ForeignKey(
        Establishment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name="prochain établissement",
    )
    moves_on = models.DateField("change d'établissement le", null=True, blank=True, editable=False)
    starts_on = models.DateField("date de début")
    ends_on = models.DateField("dernier jour", null=True, blank=True, help_text="Vide : celui de l'année.")
    limits_waived = models.BooleanField(
        "dérogation aux limites d'âge et de classe", default=False, db_default=False
    )
    # Written by `ending.py`, with the last day: why, by whom and when it was said.
    end_reason = models.CharField("motif de la fin", max_length=300, blank=True, default="", db_default="")
    ended_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="fin dite par"
    )
    ended_at = models.DateTimeField("fin dite le", null=True, blank=True)
    state = models.CharField(
        "état", max_length=10, choices=EnrolmentState, default=EnrolmentState.REQUESTED, db_index=True
    )
    requested_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="demandée par"
    )
    requested_at = models.DateTimeField("demandée le", auto_now_add=True)

    objects = EnrolmentManager()
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
            ),
            models.CheckConstraint(
                condition=Q(moves_to=None) | Q(moves_on__isnull=False),
                name="enrolment_moves_on_a_day",
                violation_error_message="Indiquez le jour du changement d'établissement.",
            ),
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

    def place_on(self, day: date) -> Establishment | None:
        """Where the child goes on a day; None where each reservation chooses. A query less where it was read
        with `establishment` and `moves_to`."""
        return self.moves_to if self.has_moved_on(day) else self.establishment

    def place_id_on(self, day: date) -> int | None:
        """Its key, at no query."""
        return self.moves_to_id if self.has_moved_on(day) else self.establishment_id

    def is_usual(self, day: date) -> bool:
        """Whether it is one of its usual weekdays, as they are that day."""
        mask = self.weekdays
        if self.next_weekdays is not None and self.next_weekdays_on and day >= self.next_weekdays_on:
            mask = self.next_weekdays
        return bool(mask >> day.weekday() & 1)

    @property
    def next_usual(self) -> str:
        """« lundi, jeudi, à partir du mardi 1er décembre »: usual days to come; nothing where none are."""
        if self.next_weekdays is None or self.next_weekdays_on is None:
            return ""
        since = f"à partir du {moments.day(self.next_weekdays_on)}"
        return f"{names_of(self.next_weekdays) or 'aucun'}, {since}"

    def has_moved_on(self, day: date) -> bool:
        return self.moves_on is not None and day >= self.moves_on

    @property
    def is_over(self) -> bool:
        """Refused, or ended: it changes no more, another one may be asked for."""
        return self.state not in ENROLMENT_LIVE

    def is_past(self, today: date) -> bool:
        """Whether its last day has gone by, before the night that ends it or after."""
        return self.ends_on is not None and self.ends_on < today


NEWEST_FIRST: list[OrderBy | str] = [Coalesce("submitted_at", "touched_at").desc(), "-pk"]


class LineCounts(TypedDict):
    """How many days of each action a reservation has, the first and the last of them."""

    days_booked: int
    first_booked: date | None
    last_booked: date | None
    days_cancelled: int
    first_cancelled: date | None
    last_cancelled: date | None


CountedReservation: TypeAlias = "WithAnnotations[Reservation, LineCounts]"


class ReservationQuerySet(OfChild["Reservation"]):
    def drafts(self) -> "ReservationQuerySet":
        return self.filter(state=ReservationState.DRAFT)

    def visible_to(self, user: Login | Given, today: date | None = None) -> "ReservationQuerySet":
        """What the town hall has begun for a family and not recorded is no draft of the family's."""
        return super().visible_to(user, today).not_begun_at_desk()

    def not_begun_at_desk(self) -> "ReservationQuerySet":
        return self.exclude(state=ReservationState.DRAFT, at_desk=True)

    def with_counts(self: models.QuerySet["Reservation"]) -> models.QuerySet[CountedReservation]:
        """With the days of each action; newest first."""
        booked, cancelled = Q(lines__action=Action.BOOK), Q(lines__action=Action.CANCEL)
        return self.annotate(
            days_booked=models.Count("lines__day", distinct=True, filter=booked),
            first_booked=models.Min("lines__day", filter=booked),
            last_booked=models.Max("lines__day", filter=booked),
            days_cancelled=models.Count("lines__day", distinct=True, filter=cancelled),
            first_cancelled=models.Min("lines__day", filter=cancelled),
            last_cancelled=models.Max("lines__day", filter=cancelled),
        ).order_by(*NEWEST_FIRST)  # Meta.ordering is left out of grouped queries


ReservationManager = TrialsApart.from_queryset(ReservationQuerySet)


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
    # Its lines of a day are one: what is left and what is taken instead, accepted together or not at all.
    is_change = models.BooleanField("changement de formule", default=False, db_default=False, editable=False)
    # Made by the town hall for the family, whose own draft stays its own; and what was passed over, and why.
    at_desk = models.BooleanField("saisie par la mairie", default=False, db_default=False, editable=False)
    desk_reason = models.CharField(
        "motif de la mairie", max_length=300, blank=True, default="", db_default="", editable=False
    )

    objects = ReservationManager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "réservation"
        ordering = NEWEST_FIRST
        indexes = [
            models.Index(fields=["household", "state"], name="reservation_by_household"),
            models.Index(fields=["submitted_at", "id"], name="reservation_by_arrival"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["household", "child", "establishment", "period", "at_desk"],
                condition=Q(state="draft"),
                name="one_draft_at_a_time",
                violation_error_message="Une réservation à enregistrer existe déjà pour cet enfant.",
            )
        ]

    def __str__(self) -> str:
        return f"Réservation n°\xa0{self.number}"

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
    # Chosen at validation, for days on a waiting list: the booking keeps it.
    until_the_day = models.BooleanField(
        "attend jusqu'au jour même", default=False, db_default=False, editable=False
    )
    late = models.BooleanField("hors délai", default=False)
    outcome = models.CharField("état", max_length=10, choices=Outcome, blank=True, default=Outcome.DRAFT)
    reason = models.CharField("motif", max_length=300, blank=True)

    objects = TrialsApart["ReservationLine"]()

    class Meta:
        verbose_name = "jour demandé"
        verbose_name_plural = "jours demandés"
        ordering = ["day", "formula__order", "pk"]
        indexes = [
            # As the desk lists them, all of them or those that somebody looks for.
            models.Index(fields=["day"], name="line_by_day"),
            models.Index(
                fields=["outcome", "day"],
                condition=Q(outcome__in=[*STILL_ASKED, Outcome.REFUSED, Outcome.CANCELLED]),
                name="line_by_other_outcome",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["reservation", "formula", "day"],
                name="one_line_a_formula_and_day",
                violation_error_message="Ce jour est déjà dans la réservation.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.formula} le {self.day:%d/%m/%Y}"


class BookingQuerySet(OfChild["Booking"]):
    def holding(self) -> "BookingQuerySet":
        return self.filter(state__in=HOLDING)

    def live(self) -> "BookingQuerySet":
        return self.filter(state__in=LIVE)

    def accepted(self) -> "BookingQuerySet":
        return self.filter(state=BookingState.ACCEPTED)

    def meals(self) -> "BookingQuerySet":
        """Those that are eaten, of every service: their place is held, and their formula holds a meal."""
        return self.holding().filter(formula__with_meal=True)

    def waiting(self) -> "BookingQuerySet":
        """In order of arrival."""
        return self.filter(state=BookingState.WAITLISTED).order_by("waiting_since", "pk")

    def offered(self) -> "BookingQuerySet":
        """Places that wait for their family's answer, or whose hour has passed and nobody has seen it."""
        return self.filter(state=BookingState.OFFERED)


BookingManager = TrialsApart.from_queryset(BookingQuerySet)


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
    # A place that frees is given past the moment when the family could still cancel: it said so.
    until_the_day = models.BooleanField("attend jusqu'au jour même", default=False, db_default=False)
    offered_until = models.DateTimeField("place proposée jusqu'à", null=True, blank=True)
    changed_at = models.DateTimeField("changée le")

    objects = BookingManager()

    class Meta:
        verbose_name = "présence réservée"
        verbose_name_plural = "présences réservées"
        ordering = ["day", "pk"]
        permissions = [
            ("override_deadline_booking", "Réserver ou annuler pour une famille malgré les délais"),
            ("override_capacity_booking", "Donner une place en plus quand c'est complet"),
            ("override_limits_booking", "Réserver pour une famille malgré l'âge ou la classe"),
            ("override_papers_booking", "Réserver pour une famille sans ses papiers"),
            ("override_days_booking", "Réserver pour une famille trop ou trop peu de jours"),
            ("override_arrears_booking", "Réserver pour une famille malgré des impayés"),
            ("override_payment_booking", "Réserver pour une famille sans le paiement demandé"),
            ("override_oversights_booking", "Réserver pour une famille malgré une décision d'oublis"),
        ]
        indexes = [
            models.Index(fields=["child", "day"], name="booking_by_child_and_day"),
            models.Index(fields=["establishment", "day", "state"], name="booking_by_place_and_day"),
            models.Index(fields=["household", "day"], name="booking_by_household_and_day"),
            # As the desk lists them, all of them or those of a state that few have.
            models.Index(fields=["-day", "id"], name="booking_by_day"),
            models.Index(
                fields=["state", "-day", "id"],
                condition=Q(state__in=[one for one in BookingState if one != BookingState.ACCEPTED]),
                name="booking_by_other_state",
            ),
            models.Index(
                fields=["offered_until"],
                condition=Q(offered_until__isnull=False),
                name="booking_offered_by_hour",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["child", "formula", "day"],
                condition=Q(state__in=LIVE),
                name="one_live_booking",
                violation_error_message="Cet enfant a déjà cette réservation ce jour-là.",
            ),
            models.CheckConstraint(
                condition=Q(state=BookingState.OFFERED, offered_until__isnull=False)
                | (~Q(state=BookingState.OFFERED) & Q(offered_until=None)),
                name="offered_until_an_hour",
                violation_error_message="Une place proposée l'est jusqu'à une heure, et elle seule.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.child} – {self.formula} – {self.day:%d/%m/%Y}"

    def is_offered(self, at: datetime) -> bool:
        """Whether its family may still take the place at the aware moment `at`."""
        return self.offered_until is not None and at < self.offered_until


class Place(models.Model):
    """A slot that a live booking concerns. Deleted when the booking ends, so that the pair
    (child, slot) is unique among live ones: Journée and Matinée exclude each other here."""

    booking = models.ForeignKey(Booking, on_delete=models.CASCADE, related_name="places")
    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="places")
    child = models.ForeignKey(Child, on_delete=models.CASCADE, related_name="+")
    # Given by the town hall beyond the slot's capacity; `Slot.forced` counts those that are held.
    forced = models.BooleanField("en plus", default=False, db_default=False)

    objects = TrialsApart["Place"]()

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

    objects = TrialsApart["BookingEvent"]()

    class Meta:
        verbose_name = "changement d'état"
        verbose_name_plural = "changements d'état"
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.get_state_display()} le {self.at:%d/%m/%Y}"
