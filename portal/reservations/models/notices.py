"""What the town hall tells families on « Mon compte famille » between two dates."""

from datetime import date

from django.db import models
from django.db.models import F, Q

from portal.database.history import History
from portal.reservations.models.activities import Closure
from portal.reservations.models.calendar import Establishment


class NoticeQuerySet(models.QuerySet["Notice"]):
    def shown_on(self, day: date) -> "NoticeQuerySet":
        return self.filter(starts_on__lte=day, ends_on__gte=day)


class Notice(models.Model):
    """A few words for all families, or for those whose children go to one of `places`.

    One that a closure put there goes with it, and follows its dates until somebody wrote it otherwise.
    """

    class Level(models.TextChoices):
        INFORMATION = "information", "Information"
        IMPORTANT = "important", "Important"

    title = models.CharField("titre", max_length=80)
    text = models.TextField("texte", max_length=600)
    level = models.CharField("niveau", max_length=12, choices=Level, default=Level.INFORMATION)
    starts_on = models.DateField("affichée du")
    ends_on = models.DateField("au", help_text="Ce jour compris.")
    places = models.ManyToManyField(
        Establishment,
        blank=True,
        related_name="notices",
        verbose_name="lieux",
        help_text="Les familles dont un enfant y va. Aucun : toutes les familles.",
    )
    closure = models.OneToOneField(
        Closure,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="notice",
        verbose_name="fermeture",
    )
    by_hand = models.BooleanField("texte écrit à la main", default=True, editable=False)

    objects = NoticeQuerySet.as_manager()
    history = History(m2m_fields=[places])

    class Meta:
        verbose_name = "annonce aux familles"
        verbose_name_plural = "annonces aux familles"
        ordering = ["-starts_on", "-pk"]
        indexes = [models.Index(fields=["ends_on"], name="notice_by_end")]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("starts_on")),
                name="notice_ends_after_start",
                violation_error_message="L'annonce doit finir après son premier jour.",
            )
        ]

    def __str__(self) -> str:
        return self.title

    def state_on(self, day: date) -> "State":
        if day < self.starts_on:
            return State.TO_COME
        return State.SHOWN if day <= self.ends_on else State.OVER


class State(models.TextChoices):
    """Where a notice stands on a day."""

    TO_COME = "to_come", "À venir"
    SHOWN = "shown", "Affichée"
    OVER = "over", "Passée"
