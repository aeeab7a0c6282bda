"""Adults without a login, invited together, by mail or on paper. Written by `families.custody.lots`."""

from django.db import models
from django.db.models import Q

from families.models.accounts import User
from families.models.households import Guardian
from families.models.openings import AccessOpening


class InvitationLot(models.Model):
    """Whom, by whose choice and when; its lines say how each was invited."""

    whom = models.CharField("foyers", max_length=1000)
    by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="invités par"
    )
    by_name = models.CharField("invités par", max_length=160)
    made_at = models.DateTimeField("le")
    # Set once no mail is left to be sent; letters on paper are printed when somebody does.
    done_at = models.DateTimeField("e-mails partis le", null=True, blank=True)

    class Meta:
        verbose_name = "lot d'invitations"
        verbose_name_plural = "lots d'invitations"
        ordering = ["-made_at", "-pk"]

    def __str__(self) -> str:
        return f"Invitations, {self.whom}"[:200]


class Invited(models.Model):
    """One adult of a lot: invited by mail, by a code on paper, or why not."""

    class Way(models.TextChoices):
        MAIL = "mail", "Par e-mail"
        PAPER = "paper", "Sur papier"
        LEFT = "left", "Pas invité"

    lot = models.ForeignKey(
        InvitationLot, on_delete=models.CASCADE, related_name="invited", verbose_name="lot"
    )
    guardian = models.ForeignKey(
        Guardian, on_delete=models.CASCADE, related_name="+", verbose_name="responsable"
    )
    way = models.CharField("comment", max_length=5, choices=Way)
    address = models.EmailField("adresse e-mail", blank=True)
    why = models.CharField("pourquoi pas", max_length=300, blank=True)
    # Of a mail: asked for. Of paper: its letter was printed last.
    done_at = models.DateTimeField("invité le", null=True, blank=True)
    opening = models.ForeignKey(
        AccessOpening, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="accès"
    )

    class Meta:
        verbose_name = "personne invitée"
        verbose_name_plural = "personnes invitées"
        ordering = ["guardian__household", "guardian"]
        constraints = [
            models.UniqueConstraint(
                fields=["lot", "guardian"],
                name="invited_once_by_a_lot",
                violation_error_message="Cette personne est déjà dans ce lot.",
            ),
            models.CheckConstraint(
                condition=Q(way="mail") & ~Q(address="") | Q(way__in=["paper", "left"]),
                name="a_mail_has_its_address",
                violation_error_message="Une invitation par e-mail a son adresse.",
            ),
        ]
        indexes = [models.Index(fields=["lot", "way", "done_at"], name="invited_of_lot")]

    def __str__(self) -> str:
        return f"{self.guardian}, {self.get_way_display().lower()}"
