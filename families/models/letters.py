"""What guardians were written, what they wish to be reminded of, and what they were reminded of.

Letters are written by `families.correspondence` only, the rest by `families.reminders`.
"""

from typing import Any, ClassVar

from django.db import models

from families.models.households import Guardian, Household
from families.visibility import OfGuardian
from portal.database.encrypted import EncryptedTextField


class LetterQuerySet(OfGuardian["Letter"]):
    """What the other adult of the household was written is theirs."""


class Letter(models.Model):
    """A mail as it left, without one-time links; or a letter on paper, of a household alone. To somebody else
    than a guardian: the demo's only."""

    class State(models.TextChoices):
        WAITING = "waiting", "En cours d'envoi"
        SENT = "sent", "Envoyé"
        FAILED = "failed", "Non remis"
        # To a household that no mail reaches.
        PAPER = "paper", "À imprimer"
        PRINTED = "printed", "Imprimé"

    household = models.ForeignKey(
        Household,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="letters",
        verbose_name="foyer",
    )
    guardian = models.ForeignKey(
        Guardian,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="letters",
        verbose_name="responsable",
    )
    to = models.CharField("destinataire", max_length=254)
    kind = models.CharField("modèle", max_length=60)
    subject = models.CharField("objet", max_length=255)
    text = EncryptedTextField("texte")
    live = models.BooleanField("avait un lien à usage unique", default=False)
    state = models.CharField("état", max_length=8, choices=State, default=State.WAITING)
    posted_at = models.DateTimeField("écrit le")
    sent_at = models.DateTimeField("envoyé le", null=True, blank=True)
    # The worker was stopped while it sent it, and has sent it once more.
    repeated = models.BooleanField("peut-être reçu deux fois", default=False, db_default=False)
    trouble = models.CharField("pourquoi", max_length=200, blank=True, default="", db_default="")

    objects = LetterQuerySet.as_manager()

    class Meta:
        verbose_name = "message"
        verbose_name_plural = "messages"
        ordering = ["-posted_at", "-pk"]
        indexes = [
            models.Index(fields=["posted_at"], name="letter_by_moment"),
            models.Index(fields=["guardian", "posted_at"], name="letter_of_guardian"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} → {self.to}" if self.to else self.subject

    @property
    def is_failed(self) -> bool:
        return self.state == self.State.FAILED


class UndeliveredManager(models.Manager["UndeliveredLetter"]):
    def get_queryset(self) -> models.QuerySet["UndeliveredLetter"]:
        failed = models.Q(state=Letter.State.FAILED) | models.Q(repeated=True)
        # The demo keeps letters to other people, too.
        return super().get_queryset().filter(failed).exclude(guardian=None)


class UndeliveredLetter(Letter):
    """What the desk sees of letters: those that failed for good, or were perhaps received twice, and never
    what they say."""

    objects: ClassVar[UndeliveredManager] = UndeliveredManager()  # type: ignore[assignment]  # fewer rows

    class Meta:
        proxy = True
        verbose_name = "message non remis"
        verbose_name_plural = "messages non remis"


class PaperLetterManager(models.Manager["PaperLetter"]):
    def get_queryset(self) -> models.QuerySet["PaperLetter"]:
        return super().get_queryset().filter(state__in=(Letter.State.PAPER, Letter.State.PRINTED))


class PaperLetter(Letter):
    """What the desk prints: letters to households that no mail reaches. Who prints one reads it."""

    # Fewer rows than those of letters, whose own manager this one is none of.
    objects: ClassVar[Any] = PaperLetterManager()

    class Meta:
        proxy = True
        verbose_name = "lettre à imprimer"
        verbose_name_plural = "lettres à imprimer"
        default_permissions = ("view", "change")


class ReminderChoice(models.Model):
    """Whether a guardian wants one kind of reminder; without a row the usual answer counts."""

    guardian = models.ForeignKey(
        Guardian, on_delete=models.CASCADE, related_name="reminder_choices", verbose_name="responsable"
    )
    kind = models.SlugField("rappel", max_length=20)
    wanted = models.BooleanField("souhaité")
    chosen_at = models.DateTimeField("choisi le")

    class Meta:
        verbose_name = "choix de rappel"
        verbose_name_plural = "choix de rappels"
        ordering = ["guardian", "kind"]
        constraints = [
            models.UniqueConstraint(
                fields=["guardian", "kind"],
                name="one_choice_a_reminder",
                violation_error_message="Ce rappel est déjà choisi.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} : {'oui' if self.wanted else 'non'}"


class Reminder(models.Model):
    """That a guardian was reminded of one thing, in the mail of one evening: never twice."""

    guardian = models.ForeignKey(
        Guardian, on_delete=models.CASCADE, related_name="reminders", verbose_name="responsable"
    )
    kind = models.SlugField("rappel", max_length=20)
    # A keyed mark of what it was about: the row itself says nothing of a child's health.
    mark = models.CharField("empreinte", max_length=64)
    evening = models.DateField("soir du")
    at = models.DateTimeField("envoyé le")

    class Meta:
        verbose_name = "rappel envoyé"
        verbose_name_plural = "rappels envoyés"
        ordering = ["-at", "-pk"]
        indexes = [
            models.Index(fields=["at"], name="reminder_by_moment"),
            models.Index(fields=["guardian", "evening"], name="reminder_of_evening"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["guardian", "kind", "mark"],
                name="reminded_once_of_a_thing",
                violation_error_message="Ce rappel est déjà parti.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}, {self.evening:%d/%m/%Y}"


class ReminderRound(models.Model):
    """That an evening's reminders were all looked for: the next morning has nothing to catch up."""

    evening = models.DateField("soir du", unique=True)
    done_at = models.DateTimeField("terminé le")

    class Meta:
        verbose_name = "tournée de rappels"
        verbose_name_plural = "tournées de rappels"
        ordering = ["-evening"]

    def __str__(self) -> str:
        return f"{self.evening:%d/%m/%Y}"
