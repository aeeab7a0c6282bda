"""Messages of the town hall to many families: what is said, with which files, to whom, and how far it got.

Written by `families.messages` only.
"""

from django.db import models
from django.db.models import Q

from families.models.accounts import User
from families.models.households import Guardian, Household
from families.models.letters import Letter
from portal.files.uploads import private_storage


class FamilyMessage(models.Model):
    """A service letter to families. `audience` is what was chosen in the form, part by part: who that is, is
    asked again until it leaves; then each of its copies is a row."""

    class State(models.TextChoices):
        DRAFT = "draft", "Brouillon"
        SENDING = "sending", "En cours d'envoi"
        SENT = "sent", "Envoyé"
        STOPPED = "stopped", "Arrêté"

    # Empty in a draft that has only its families.
    subject = models.CharField("objet", max_length=120, blank=True)
    text = models.TextField("texte", max_length=8000, blank=True)
    audience = models.JSONField("destinataires choisis", default=dict, blank=True)
    # In words, as they were when it left.
    to_whom = models.CharField("destinataires", max_length=1000, blank=True, default="")
    state = models.CharField("état", max_length=8, choices=State, default=State.DRAFT, db_index=True)
    written_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="écrit par"
    )
    written_at = models.DateTimeField("écrit le")
    sent_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="envoyé par"
    )
    sent_at = models.DateTimeField("parti le", null=True, blank=True)
    ended_at = models.DateTimeField("fini le", null=True, blank=True)
    # The letters on paper, all in one, as the worker drew them.
    paper = models.FileField(
        "lettres à imprimer", storage=private_storage, upload_to="messages/%Y/%m", blank=True
    )

    class Meta:
        verbose_name = "message aux familles"
        verbose_name_plural = "messages aux familles"
        ordering = ["-written_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["state"],
                condition=Q(state="sending"),
                name="one_message_leaves_at_a_time",
                violation_error_message="Un autre message est en cours d'envoi.",
            ),
            models.CheckConstraint(
                condition=Q(state="draft", sent_at=None) | ~Q(state="draft") & Q(sent_at__isnull=False),
                name="message_left_or_is_draft",
                violation_error_message="Un message parti a sa date, un brouillon n'en a pas.",
            ),
        ]

    def __str__(self) -> str:
        return self.subject or "Sans objet"

    @property
    def is_draft(self) -> bool:
        return self.state == self.State.DRAFT

    @property
    def is_leaving(self) -> bool:
        return self.state == self.State.SENDING


class MessageFile(models.Model):
    """A file that goes with a message; judged as uploads are."""

    message = models.ForeignKey(
        FamilyMessage, on_delete=models.CASCADE, related_name="files", verbose_name="message"
    )
    file = models.FileField("fichier", storage=private_storage, upload_to="messages/%Y/%m")
    name = models.CharField("nom du fichier", max_length=200)
    content_type = models.CharField("type", max_length=60)
    size = models.PositiveIntegerField("taille en octets")

    class Meta:
        verbose_name = "pièce jointe"
        verbose_name_plural = "pièces jointes"
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name


class MessageCopyQuerySet(models.QuerySet["MessageCopy"]):
    def left(self) -> "MessageCopyQuerySet":
        return self.exclude(written_at=None)

    def waiting(self) -> "MessageCopyQuerySet":
        return self.filter(written_at=None)

    def failed(self) -> "MessageCopyQuerySet":
        return self.filter(Q(letter__state=Letter.State.FAILED) | ~Q(trouble=""))


class MessageCopy(models.Model):
    """One family's copy: of an adult by mail or, without `guardian`, of the household on paper. Its letter is
    made once, in the transaction that sets `written_at`."""

    message = models.ForeignKey(
        FamilyMessage, on_delete=models.CASCADE, related_name="copies", verbose_name="message"
    )
    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="message_copies", verbose_name="foyer"
    )
    guardian = models.ForeignKey(
        Guardian,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="message_copies",
        verbose_name="responsable",
    )
    letter = models.ForeignKey(
        Letter, on_delete=models.SET_NULL, null=True, blank=True, related_name="copies", verbose_name="lettre"
    )
    written_at = models.DateTimeField("écrit le", null=True, blank=True)
    # Why nothing was written: the adult has no address any more.
    trouble = models.CharField("pourquoi", max_length=200, blank=True, default="")

    objects = MessageCopyQuerySet.as_manager()

    class Meta:
        verbose_name = "exemplaire"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["message", "household", "guardian"],
                name="one_copy_an_adult",
                violation_error_message="Ce responsable a déjà son exemplaire.",
            ),
            models.UniqueConstraint(
                fields=["message", "household"],
                condition=Q(guardian=None),
                name="one_paper_copy_a_household",
                violation_error_message="Ce foyer a déjà son exemplaire sur papier.",
            ),
        ]
        indexes = [
            models.Index(fields=["message"], condition=Q(written_at=None), name="copies_to_write"),
        ]

    def __str__(self) -> str:
        return f"{self.message} → {self.guardian or self.household}"

    @property
    def is_paper(self) -> bool:
        return self.guardian_id is None
