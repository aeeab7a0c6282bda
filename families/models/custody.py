"""Whose day it is, of a child in two homes: calendars that its homes agree upon, or the town hall writes."""

from django.db import models
from django.db.models import F, Q

from families.models.accounts import User
from families.models.children import Child
from families.models.households import Household
from portal.french.dates import WEEKDAYS
from portal.french.weekdays import FRIDAY


class CustodyCalendarQuerySet(models.QuerySet["CustodyCalendar"]):
    def waiting(self) -> "CustodyCalendarQuerySet":
        return self.filter(state=CustodyCalendar.State.WAITING)


class CustodyCalendar(models.Model):
    """Even and odd weeks, halves of holidays, dates by hand: as it was proposed, and what was answered.

    A row never changes but in its answer; the one that counts is the child's `custody_calendar`. Written by
    `families.custody.calendars` only.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "En attente de confirmation"
        CONFIRMED = "confirmed", "Confirmé"
        REFUSED = "refused", "Refusé"
        WITHDRAWN = "withdrawn", "Retiré"

    class Moment(models.TextChoices):
        MORNING = "morning", "le matin, avant l'école"
        EVENING = "evening", "le soir, après l'école"

    class Holidays(models.TextChoices):
        WEEKS = "weeks", "Comme le reste de l'année"
        HALVES = "halves", "Une moitié dans chaque foyer, en alternance d'une année à l'autre"

    child = models.ForeignKey(
        Child, on_delete=models.CASCADE, related_name="custody_calendars", verbose_name="enfant"
    )
    even = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="even_weeks", verbose_name="semaines paires"
    )
    odd = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="odd_weeks", verbose_name="semaines impaires"
    )
    weekday = models.PositiveSmallIntegerField(
        "jour du changement", choices=list(enumerate(WEEKDAYS)), default=FRIDAY
    )
    moment = models.CharField("moment du changement", max_length=8, choices=Moment, default=Moment.EVENING)
    holidays = models.CharField("vacances scolaires", max_length=8, choices=Holidays, default=Holidays.WEEKS)
    first_half = models.ForeignKey(
        Household,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="première moitié, les années paires",
    )
    # Null: the town hall wrote it.
    asked_by_home = models.ForeignKey(
        Household,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="proposé par le foyer",
    )
    asked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="proposé par"
    )
    asked_by_name = models.CharField("proposé par", max_length=160, blank=True)
    asked_at = models.DateTimeField("proposé le")
    state = models.CharField("état", max_length=10, choices=State, default=State.WAITING)
    answered_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="réponse de"
    )
    answered_by_name = models.CharField("réponse de", max_length=160, blank=True)
    answered_at = models.DateTimeField("réponse le", null=True, blank=True)

    objects = CustodyCalendarQuerySet.as_manager()

    class Meta:
        verbose_name = "calendrier de garde"
        verbose_name_plural = "calendriers de garde"
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(even=F("odd")),
                name="a_custody_calendar_has_two_homes",
                violation_error_message="Choisissez deux foyers différents.",
            ),
            models.CheckConstraint(
                condition=Q(holidays="weeks", first_half__isnull=True)
                | Q(holidays="halves") & (Q(first_half=F("even")) | Q(first_half=F("odd"))),
                name="halves_of_holidays_begin_in_a_home",
                violation_error_message="Indiquez chez qui commencent les vacances des années paires.",
            ),
            models.CheckConstraint(
                condition=Q(weekday__lte=6),
                name="custody_changes_on_a_weekday",
                violation_error_message="Choisissez un jour de la semaine.",
            ),
            models.UniqueConstraint(
                fields=["child"],
                condition=Q(state="waiting"),
                name="one_waiting_calendar_a_child",
                violation_error_message="Un calendrier attend déjà une réponse pour cet enfant.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.child}, {self.get_state_display().lower()}"

    @property
    def waits(self) -> bool:
        return self.state == self.State.WAITING


class CustodyDates(models.Model):
    """Days that a calendar gives to a home whatever week it is."""

    calendar = models.ForeignKey(
        CustodyCalendar, on_delete=models.CASCADE, related_name="dates", verbose_name="calendrier de garde"
    )
    starts_on = models.DateField("du")
    ends_on = models.DateField("au")
    household = models.ForeignKey(Household, on_delete=models.CASCADE, related_name="+", verbose_name="foyer")

    class Meta:
        verbose_name = "dates d'un calendrier de garde"
        verbose_name_plural = "dates d'un calendrier de garde"
        ordering = ["starts_on", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("starts_on")),
                name="custody_dates_end_after_they_begin",
                violation_error_message="Le dernier jour doit suivre le premier.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.starts_on:%d/%m/%Y} – {self.ends_on:%d/%m/%Y}"
