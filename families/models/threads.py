"""What a family writes to the town hall, and what it is answered; what agents note of a household.

Threads are written by `families.threads.writing` only, notes by `families.notes`.
"""

from datetime import date, timedelta
from typing import Any, Self

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from families.models.accounts import User
from families.models.children import Child, Custody
from families.models.households import Household
from families.models.papers import Document
from families.visibility import Login, VisibleQuerySet, holds
from portal.database.composed import Given
from portal.database.encrypted import EncryptedTextField
from portal.database.history import History

SUBJECT_LENGTH = 120
NAME_LENGTH = 160


class ThreadKind(models.Model):
    """What families write about, as the town sorts it."""

    name = models.CharField("objet", max_length=60, unique=True)
    order = models.PositiveSmallIntegerField("ordre", default=10)
    active = models.BooleanField("proposé aux familles", default=True)

    class Meta:
        verbose_name = "objet de message"
        verbose_name_plural = "objets de messages"
        ordering = ["order", "pk"]

    def __str__(self) -> str:
        return self.name


class ReadyAnswer(models.Model):
    """A text that agents begin an answer with; `families.messages.answers` fills its variables in."""

    name = models.CharField("nom", max_length=80, unique=True, help_text="Pour vos collègues.")
    kind = models.ForeignKey(
        ThreadKind,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="answers",
        verbose_name="objet",
        help_text="Proposée pour les messages de cet objet ; vide : pour tous.",
    )
    text = models.TextField("texte", max_length=4000)
    order = models.PositiveSmallIntegerField("ordre", default=10)
    active = models.BooleanField("proposée aux agents", default=True)

    class Meta:
        verbose_name = "réponse prête"
        verbose_name_plural = "réponses prêtes"
        ordering = ["order", "name"]

    def __str__(self) -> str:
        return self.name


class ThreadQuerySet(VisibleQuerySet["Thread"]):
    def visible_to(self, user: Login | Given, today: date | None = None) -> Self:
        """Those of the user's own households: all adults of a home read them, another home of the child has
        its own. What is about a child, as long as it lives there."""
        day = today or timezone.localdate()
        lives = Custody.objects.filter(holds(day), child=OuterRef("child"), household=OuterRef("household"))
        found = super().visible_to(user, day)
        return found.filter(Q(child=None) | Exists(lives))

    def waiting(self) -> "ThreadQuerySet":
        """Those that the town hall has not answered."""
        return self.filter(state=Thread.State.WAITING)


class Thread(models.Model):
    """What a household writes to the town hall about: the household's, whoever of its adults wrote."""

    class State(models.TextChoices):
        WAITING = "waiting", "En attente de réponse"
        ANSWERED = "answered", "Répondu"
        CLOSED = "closed", "Clos"

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="threads", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="threads",
        verbose_name="enfant",
    )
    kind = models.ForeignKey(
        ThreadKind, on_delete=models.SET_NULL, null=True, blank=True, verbose_name="objet"
    )
    subject = models.CharField("sujet", max_length=SUBJECT_LENGTH)
    state = models.CharField("état", max_length=8, choices=State, default=State.WAITING)
    opened_at = models.DateTimeField("écrit le")
    # Of the last word that the family can read.
    last_at = models.DateTimeField("dernier message le")
    # The first word of the family that nobody answered yet.
    waiting_since = models.DateTimeField("attend depuis", null=True, blank=True)
    first_answered_at = models.DateTimeField("première réponse le", null=True, blank=True)
    closed_at = models.DateTimeField("clos le", null=True, blank=True)
    # Who has it: an agent, or all who hold a role; nobody yet where both are empty.
    agent = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="suivi par"
    )
    role = models.ForeignKey(
        Group, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="pour le rôle"
    )

    objects = ThreadQuerySet.as_manager()

    class Meta:
        verbose_name = "message de famille"
        verbose_name_plural = "messages des familles"
        ordering = ["-last_at", "-pk"]
        indexes = [
            models.Index(fields=["household", "-last_at"], name="thread_of_household"),
            models.Index(fields=["last_at"], name="thread_by_moment"),
            models.Index(
                fields=["waiting_since"], condition=Q(waiting_since__isnull=False), name="thread_that_waits"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="waiting", waiting_since__isnull=False)
                | (~Q(state="waiting") & Q(waiting_since=None)),
                name="thread_waits_since_a_moment",
                violation_error_message="Un message qui attend une réponse l'attend depuis un moment connu.",
            ),
            models.CheckConstraint(
                condition=Q(state="closed", closed_at__isnull=False)
                | (~Q(state="closed") & Q(closed_at=None)),
                name="thread_closed_at_a_moment",
                violation_error_message="Un échange clos l'est depuis un moment connu.",
            ),
            models.CheckConstraint(
                condition=Q(agent=None) | Q(role=None),
                name="thread_has_one_keeper",
                violation_error_message="Un message est suivi par un agent ou par un rôle, pas par les deux.",
            ),
        ]

    def __str__(self) -> str:
        return self.subject

    @property
    def is_closed(self) -> bool:
        return self.state == self.State.CLOSED

    @property
    def answered_in(self) -> int | None:
        """In how many days the town hall answered for the first time; None: not yet."""
        if self.first_answered_at is None:
            return None
        first, opened = timezone.localdate(self.first_answered_at), timezone.localdate(self.opened_at)
        return (first - opened) // timedelta(days=1)


class ThreadMessage(models.Model):
    """One word of a thread. A note is the desk's own, which no family reads."""

    class Side(models.TextChoices):
        FAMILY = "family", "Famille"
        TOWN = "town", "Mairie"
        NOTE = "note", "Note interne"

    thread = models.ForeignKey(
        Thread, on_delete=models.CASCADE, related_name="messages", verbose_name="échange"
    )
    side = models.CharField("de", max_length=6, choices=Side)
    text = EncryptedTextField("texte")
    by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="écrit par"
    )
    # Stays readable when the account is gone.
    by_name = models.CharField("nom", max_length=NAME_LENGTH)
    at = models.DateTimeField("écrit le")

    class Meta:
        verbose_name = "message d'un échange"
        verbose_name_plural = "messages d'échanges"
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.get_side_display()}, {self.at:%d/%m/%Y}"


class ThreadFile(models.Model):
    """A file that came with a message."""

    message = models.ForeignKey(
        ThreadMessage, on_delete=models.CASCADE, related_name="files", verbose_name="message"
    )
    document = models.OneToOneField(
        Document, on_delete=models.CASCADE, related_name="thread_file", verbose_name="fichier"
    )

    class Meta:
        verbose_name = "pièce jointe"
        verbose_name_plural = "pièces jointes"
        ordering = ["pk"]

    def __str__(self) -> str:
        return str(self.document)


class NoteQuerySet(models.QuerySet["HouseholdNote"]):
    def standing(self) -> "NoteQuerySet":
        """Those that were not withdrawn."""
        return self.filter(withdrawn_at=None)

    def alerting(self, today: date) -> "NoteQuerySet":
        return self.standing().filter(alert_until__gte=today)


class HouseholdNote(models.Model):
    """What an agent noted of a household, or of one of its children, for colleagues; until `alert_until` (its
    last day) it stands at the head of the household's page."""

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="desk_notes", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="desk_notes",
        verbose_name="enfant",
    )
    text = EncryptedTextField("texte")
    alert_until = models.DateField("en alerte jusqu'au", null=True, blank=True)
    by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="écrite par"
    )
    by_name = models.CharField("nom", max_length=NAME_LENGTH)
    at = models.DateTimeField("écrite le")
    changed_at = models.DateTimeField("modifiée le", null=True, blank=True)
    withdrawn_at = models.DateTimeField("retirée le", null=True, blank=True)
    withdrawn_by_name = models.CharField("retirée par", max_length=NAME_LENGTH, blank=True)

    objects = NoteQuerySet.as_manager()
    history = History()

    class Meta:
        verbose_name = "note sur un foyer"
        verbose_name_plural = "notes sur les foyers"
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["household", "-at"], name="note_of_household")]

    def __str__(self) -> str:
        return f"Note du {timezone.localdate(self.at):%d/%m/%Y}, {self.household}"

    def alerts_on(self, today: date) -> bool:
        return self.withdrawn_at is None and self.alert_until is not None and self.alert_until >= today


class SeenNote(models.Model):
    """That an agent has read an alert: it no longer stands at the head of the page for this one."""

    note = models.ForeignKey(HouseholdNote, on_delete=models.CASCADE, related_name="seen")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", verbose_name="agent")
    at = models.DateTimeField("vue le")

    class Meta:
        verbose_name = "alerte vue"
        verbose_name_plural = "alertes vues"
        constraints = [
            models.UniqueConstraint(
                fields=["note", "user"],
                name="note_seen_once_by_an_agent",
                violation_error_message="Vous avez déjà vu cette alerte.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.at:%d/%m/%Y}"


def named(user: Any) -> str:
    """How somebody is called beside what they wrote."""
    name: str = user.get_full_name() or user.get_username()
    return name[:NAME_LENGTH]
