"""Which papers an activity asks for, and what it does without; which texts are accepted for it."""

from collections import defaultdict
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from families.models import AskedText, PaperKind
from portal.database.kept import KeptAWhile
from portal.reservations.models.activities import Activity


class ActivityPaper(models.Model):
    """That who is enrolled in an activity is asked for a paper, one for all activities that ask for it; and
    what waits for it."""

    class Without(models.TextChoices):
        ASKED = "asked", "Rien : il est seulement demandé"
        WARNS = "warns", "Un rappel en réservant, sans rien empêcher"
        ENROLMENT = "enrolment", "Pas d'inscription"
        PLACE = "place", "Pas de jour réservé, ni après sa fin"
        BOTH = "both", "Ni inscription, ni jour réservé"

    class Counts(models.TextChoices):
        USUAL = "usual", "Envoyé suffit pour l'inscription, accepté pour réserver"
        SENT = "sent", "Dès qu'il est envoyé"
        ACCEPTED = "accepted", "Une fois accepté par la mairie"

    BEFORE_ENROLMENT = (Without.ENROLMENT, Without.BOTH)
    BEFORE_PLACE = (Without.PLACE, Without.BOTH)

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="papers", verbose_name="activité"
    )
    kind = models.ForeignKey(
        PaperKind, on_delete=models.PROTECT, related_name="activities", verbose_name="papier"
    )
    without = models.CharField(
        "sans lui",
        max_length=10,
        choices=Without,
        default=Without.ASKED,
        db_default=Without.ASKED,
        help_text="La mairie peut toujours passer outre, avec un motif.",
    )
    counts = models.CharField(
        "il compte",
        max_length=10,
        choices=Counts,
        default=Counts.USUAL,
        db_default=Counts.USUAL,
        help_text="Quand le papier est envoyé et que la mairie ne l'a pas encore vérifié.",
    )

    class Meta:
        verbose_name = "papier demandé par une activité"
        verbose_name_plural = "papiers demandés par une activité"
        ordering = ["activity", "kind"]
        constraints = [
            models.UniqueConstraint(
                fields=["activity", "kind"],
                name="one_row_a_paper_of_an_activity",
                violation_error_message="Cette activité demande déjà ce papier.",
            ),
            models.CheckConstraint(
                condition=~Q(without="asked") | Q(counts="usual"),
                name="what_waits_for_no_paper_says_not_when",
                violation_error_message="Un papier seulement demandé ne retient rien : laissez « il compte » "
                "comme il est, ou choisissez ce qui se passe sans lui.",
            ),
        ]

    def __str__(self) -> str:
        return str(self.kind)

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        demanding_papers.forget()

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        gone = super().delete(*args, **kwargs)
        demanding_papers.forget()
        return gone

    def clean(self) -> None:
        super().clean()
        if self.kind_id and self.counts == self.Counts.SENT and not self.kind.comes_online:
            text = "Ce papier se montre au guichet, il ne s'envoie pas : il compte une fois accepté."
            raise ValidationError({"counts": text})

    @property
    def before_enrolment(self) -> bool:
        return self.without in self.BEFORE_ENROLMENT

    @property
    def before_place(self) -> bool:
        return self.without in self.BEFORE_PLACE

    @property
    def sent_is_enough(self) -> bool:
        """For a day that is booked; for an enrolment unless it has to be accepted."""
        return self.counts == self.Counts.SENT


@KeptAWhile
def demanding_papers() -> dict[int, list[ActivityPaper]]:
    """Of each activity (its key), the papers in use that something waits for, in their order; of a town
    without any, pages ask nothing more."""
    rows = ActivityPaper.objects.exclude(without=ActivityPaper.Without.ASKED).filter(kind__active=True)
    found: dict[int, list[ActivityPaper]] = defaultdict(list)
    for row in rows.select_related("kind", "activity").order_by("kind__order", "kind__name", "pk"):
        found[row.activity_id].append(row)
    return dict(found)


class ActivityText(models.Model):
    """That who is enrolled in an activity is asked to accept a text, once for all that ask for it."""

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="texts", verbose_name="activité"
    )
    text = models.ForeignKey(
        AskedText, on_delete=models.CASCADE, related_name="activities", verbose_name="texte à accepter"
    )

    class Meta:
        verbose_name = "texte demandé par une activité"
        verbose_name_plural = "textes demandés par une activité"
        ordering = ["activity", "text"]
        constraints = [
            models.UniqueConstraint(
                fields=["activity", "text"],
                name="one_row_a_text_of_an_activity",
                violation_error_message="Cette activité demande déjà ce texte.",
            )
        ]

    def __str__(self) -> str:
        return str(self.text)

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        texts_of_activities.forget()

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        gone = super().delete(*args, **kwargs)
        texts_of_activities.forget()
        return gone


@KeptAWhile
def texts_of_activities() -> dict[int, set[int]]:
    """Of each activity, the texts that it asks for; all keys."""
    found: dict[int, set[int]] = defaultdict(set)
    for activity, text in ActivityText.objects.values_list("activity", "text"):
        found[activity].add(text)
    return dict(found)
