"""Texts that the town asks families to accept, their versions, and what each family answered."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from families.models.accounts import User
from families.models.children import Child
from families.models.households import Household
from portal.database.history import History
from portal.database.kept import KeptAWhile
from portal.files.uploads import private_storage


class AskedText(models.Model):
    """« Règlement intérieur », « Droit à l'image »… Answered once for all activities that ask for it."""

    class About(models.TextChoices):
        HOUSEHOLD = "household", "Une réponse par foyer"
        CHILD = "child", "Une réponse par enfant"

    class Need(models.TextChoices):
        PLACE = "place", "À accepter avant de réserver"
        BOTH = "both", "À accepter avant d'inscrire et de réserver"
        FREE = "free", "Consentement libre : oui ou non, à tout moment"

    code = models.SlugField("code", max_length=60, unique=True)
    name = models.CharField("nom", max_length=120)
    purpose = models.TextField("à quoi il sert", blank=True, help_text="Dit aux familles, avant le texte.")
    about = models.CharField("demandé", max_length=10, choices=About, default=About.HOUSEHOLD)
    need = models.CharField(
        "réponse",
        max_length=10,
        choices=Need,
        default=Need.PLACE,
        help_text="Un consentement (photos, sorties…) est libre : dire non n'empêche rien, et la famille "
        "change d'avis quand elle veut.",
    )
    everywhere = models.BooleanField(
        "demandé à toutes les familles",
        default=False,
        help_text="Sinon, choisissez-le sur la page des activités qui le demandent.",
    )
    active = models.BooleanField("demandé", default=True)
    order = models.PositiveSmallIntegerField("ordre", default=0)

    history = History()

    class Meta:
        verbose_name = "texte à accepter"
        verbose_name_plural = "textes à accepter"
        ordering = ["order", "name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        asked_texts.forget()

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        gone = super().delete(*args, **kwargs)
        asked_texts.forget()
        return gone

    @property
    def is_childs(self) -> bool:
        return self.about == self.About.CHILD

    @property
    def is_free(self) -> bool:
        return self.need == self.Need.FREE

    def clean(self) -> None:
        super().clean()
        before = type(self).objects.filter(pk=self.pk).first() if self.pk else None
        if before is None or not TextAnswer.objects.filter(version__text=self).exists():
            return
        if before.about != self.about:
            text = "Des familles ont déjà répondu : pour qui ne change plus. Créez un autre texte."
            raise ValidationError({"about": text})
        if self.is_free != before.is_free:
            text = (
                "Des familles ont déjà répondu : un texte à accepter ne devient pas un consentement libre, "
            )
            raise ValidationError({"need": f"{text}ni l'inverse. Créez un autre texte."})


class TextVersion(models.Model):
    """A text as it reads from a day on: from then on every family is asked again. One that was answered
    does not change any more."""

    text = models.ForeignKey(
        AskedText, on_delete=models.CASCADE, related_name="versions", verbose_name="texte à accepter"
    )
    starts_on = models.DateField("demandée à partir du")
    body = models.TextField("texte", blank=True)
    file = models.FileField(
        "ou en PDF", storage=private_storage, upload_to="textes/%Y", blank=True, max_length=200
    )

    history = History()

    class Meta:
        verbose_name = "version d'un texte"
        verbose_name_plural = "versions d'un texte"
        ordering = ["text", "-starts_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["text", "starts_on"],
                name="one_version_a_day_of_a_text",
                violation_error_message="Une version de ce texte commence déjà ce jour-là.",
            ),
            models.CheckConstraint(
                condition=~Q(body="", file=""),
                name="version_of_a_text_says_something",
                violation_error_message="Écrivez le texte, ou joignez-le en PDF.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.text}, version du {self.starts_on:%d/%m/%Y}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        asked_texts.forget()

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        gone = super().delete(*args, **kwargs)
        asked_texts.forget()
        return gone

    def clean(self) -> None:
        super().clean()
        before = type(self).objects.filter(pk=self.pk).first() if self.pk else None
        if before is None or not self.answers.exists():
            return
        for name in ("starts_on", "body", "file"):
            if getattr(before, name) != getattr(self, name):
                text = "Des familles ont répondu à cette version : ajoutez-en une autre, à partir d'un jour."
                raise ValidationError({name: text})


class TextAnswer(models.Model):
    """What a household answered to a version, for itself or for one of its children; of several the latest
    counts, and none ever changes. Written by `families.texts.accepting` only."""

    version = models.ForeignKey(
        TextVersion, on_delete=models.PROTECT, related_name="answers", verbose_name="version"
    )
    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="text_answers", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="text_answers",
        verbose_name="enfant",
    )
    accepted = models.BooleanField("accepté", default=True)
    at = models.DateTimeField("le")
    by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="par"
    )
    by_name = models.CharField("par", max_length=200, blank=True)
    # The town hall notes what a family signed.
    signed_on = models.DateField("signé sur papier le", null=True, blank=True)

    class Meta:
        verbose_name = "réponse à un texte"
        verbose_name_plural = "réponses aux textes à accepter"
        ordering = ["-pk"]

    def __str__(self) -> str:
        said = "accepté" if self.accepted else "refusé"
        return f"{self.version}, {self.child or self.household} : {said}"


@KeptAWhile
def asked_texts() -> list[tuple[AskedText, Sequence[TextVersion]]]:
    """Those in use with their versions, the latest first; of a town without any, pages ask nothing more."""
    rows = AskedText.objects.filter(active=True).prefetch_related("versions")
    found: list[tuple[AskedText, Sequence[TextVersion]]] = []
    for text in rows:
        versions = sorted(text.versions.all(), key=lambda one: one.starts_on, reverse=True)
        if versions:
            found.append((text, versions))
    return found


def in_force(day: date) -> dict[int, TextVersion]:
    """By text (its key) in use, in their order, the version that is asked that day."""
    found = {}
    for text, versions in asked_texts():
        version = next((one for one in versions if one.starts_on <= day), None)
        if version is not None:
            version.text = text
            found[text.pk] = version
    return found
