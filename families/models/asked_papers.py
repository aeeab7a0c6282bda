"""Papers that the town asks families for: which kinds there are, and where each family stands with one."""

from collections.abc import Collection
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce
from simple_history.models import HistoricalRecords

from families.models.accounts import User
from families.models.children import Child
from families.models.decisions import Decided
from families.models.households import Household
from families.models.papers import Document
from portal.database.kept import KeptAWhile

# Who opens which papers at the town hall; a paper of health is for those who open health files.
ORDINARY_RIGHT: str = Document._meta.get_field("right").default
HEALTH_RIGHT = "families.view_childhealth"
JUSTICE_RIGHT = "families.open_justice_paper"


class PaperKind(models.Model):
    """A paper that the town may ask for: « Attestation d'assurance », « Règlement intérieur signé »…

    Which activities ask for it says the floor that knows activities.
    """

    class About(models.TextChoices):
        CHILD = "child", "Un par enfant"
        HOUSEHOLD = "household", "Un par foyer"

    class Lasts(models.TextChoices):
        SCHOOL_YEAR = "school_year", "Jusqu'à la fin de l'année scolaire"
        NUMBER_OF_MONTHS = "months", "Un nombre de mois à partir de sa date"
        OWN_DATE = "own_date", "Jusqu'à la date inscrite dessus"
        FOR_EVER = "for_ever", "Sans limite"

    class Way(models.TextChoices):
        EITHER = "either", "Envoyé en ligne, ou vu au guichet"
        FILE = "file", "Envoyé en ligne : son fichier est gardé"
        DESK = "desk", "Montré au guichet : aucun fichier n'est gardé"

    class Secrecy(models.TextChoices):
        ORDINARY = "ordinary", "Ordinaire"
        HEALTH = "health", "Santé : pour qui ouvre les fiches sanitaires"
        JUSTICE = "justice", "Justice : pour qui en a le droit, jamais montré à l'autre foyer"

    RIGHTS = {
        Secrecy.ORDINARY: ORDINARY_RIGHT,
        Secrecy.HEALTH: HEALTH_RIGHT,
        Secrecy.JUSTICE: JUSTICE_RIGHT,
    }

    code = models.SlugField("code", max_length=60, unique=True)
    name = models.CharField("nom", max_length=120)
    purpose = models.TextField(
        "à quoi il sert", blank=True, help_text="Dit aux familles, avec ce que le papier doit montrer."
    )
    about = models.CharField("demandé pour", max_length=10, choices=About, default=About.CHILD)
    lasts = models.CharField("valable", max_length=12, choices=Lasts, default=Lasts.SCHOOL_YEAR)
    months = models.PositiveSmallIntegerField(
        "nombre de mois",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(120)],
        help_text="Pour un papier valable un nombre de mois : 3 pour un justificatif de domicile.",
    )
    way = models.CharField("donné", max_length=8, choices=Way, default=Way.EITHER)
    secrecy = models.CharField("confidentialité", max_length=10, choices=Secrecy, default=Secrecy.ORDINARY)
    remind_days = models.PositiveSmallIntegerField(
        "redemandé tant de jours avant sa fin",
        default=30,
        validators=[MaxValueValidator(180)],
        help_text="Dès lors la famille peut envoyer le suivant, et un rappel part. De 0 à 180.",
    )
    active = models.BooleanField("demandé", default=True)
    order = models.PositiveSmallIntegerField("ordre", default=0)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "papier demandé"
        verbose_name_plural = "papiers demandés aux familles"
        ordering = ["order", "name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(lasts="months", months__isnull=False) | ~Q(lasts="months") & Q(months=None),
                name="months_of_a_paper_kind",
                violation_error_message="Indiquez le nombre de mois d'un papier valable un nombre de mois, "
                "et d'aucun autre.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        paper_kinds.forget()

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        gone = super().delete(*args, **kwargs)
        paper_kinds.forget()
        return gone

    @property
    def is_childs(self) -> bool:
        return self.about == self.About.CHILD

    @property
    def is_private(self) -> bool:
        """Whether only the household that gave it knows of it, whatever other home the child has."""
        return self.secrecy == self.Secrecy.JUSTICE

    @property
    def is_secret(self) -> bool:
        """Whether letters and the desk's log say no more than that it is a paper."""
        return self.secrecy != self.Secrecy.ORDINARY

    @property
    def right(self) -> str:
        """The right that opens such a paper at the town hall."""
        return self.RIGHTS[self.Secrecy(self.secrecy)]

    @property
    def comes_online(self) -> bool:
        return self.way != self.Way.DESK

    def clean(self) -> None:
        super().clean()
        before = type(self).objects.filter(pk=self.pk).first() if self.pk else None
        if before is None or not Paper.objects.filter(kind=self).exists():
            return
        for name, words in (("about", "pour qui"), ("secrecy", "la confidentialité")):
            if getattr(before, name) != getattr(self, name):
                text = f"Des familles ont déjà donné ce papier : {words} ne change plus. Créez-en un autre."
                raise ValidationError({name: text})


@KeptAWhile
def paper_kinds() -> dict[int, PaperKind]:
    """All kinds by key, in their order; of a town that asks for none, pages ask nothing more."""
    return {kind.pk: kind for kind in PaperKind.objects.all()}


def openable(user: Any) -> Q:
    """Of papers at the desk: those of kinds that this member of staff has the right to open."""
    held = [secrecy for secrecy, right in PaperKind.RIGHTS.items() if user.has_perm(right)]
    return Q(kind__secrecy__in=held)


class PaperQuerySet(models.QuerySet["Paper"]):
    def of_home(self, household: Household | int, children: Collection[int]) -> "PaperQuerySet":
        """What a household knows of: its own and, of these children (keys) that live there, what either of
        their homes gave, but for what is private to the other."""
        own = Q(household=household)
        return self.filter(own & Q(child=None) | Q(child__in=children) & (own | Q(private=False)))

    def waiting(self) -> "PaperQuerySet":
        return self.filter(state=Paper.State.SENT)

    def over(self, today: date) -> "PaperQuerySet":
        """Accepted ones whose last day has passed."""
        return self.filter(state=Paper.State.ACCEPTED, ends_on__lt=today)


class Paper(Decided):
    """A paper of a household or of one of its children, from when the town hall asks for it by hand, or the
    family sends it. Written by `families.papers.sending` only.

    One serves all activities that ask for its kind and, of a child, both of its homes: `private` ones (of
    justice) are the household's alone. What nobody sent has no row, unless the town hall asked for it.
    """

    class State(models.TextChoices):
        AWAITED = "awaited", "Attendu"
        SENT = "sent", "En attente de traitement"
        ACCEPTED = "accepted", "Accepté"
        REFUSED = "refused", "Refusé"
        EXPIRED = "expired", "Périmé"

    OPEN = (State.AWAITED, State.SENT)

    kind = models.ForeignKey(
        PaperKind, on_delete=models.PROTECT, related_name="papers", verbose_name="papier"
    )
    # Who gave it, or is asked for it.
    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="papers", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child, on_delete=models.CASCADE, null=True, blank=True, related_name="papers", verbose_name="enfant"
    )
    private = models.BooleanField("propre au foyer", default=False, editable=False)
    state = models.CharField("état", max_length=10, choices=State, db_index=True)
    document = models.ForeignKey(
        Document, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="fichier"
    )
    seen_on = models.DateField("vu au guichet le", null=True, blank=True)
    # What is written on it, as the family says; the town hall confirms `ends_on` as it accepts it.
    dated_on = models.DateField("daté du", null=True, blank=True)
    starts_on = models.DateField("valable du", null=True, blank=True)
    ends_on = models.DateField("jusqu'au", null=True, blank=True)
    # Set where the town hall asks this family for it, whatever its activities ask.
    asked_on = models.DateField("demandé par la mairie le", null=True, blank=True)
    sent_at = models.DateTimeField("envoyé le", null=True, blank=True)
    sent_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="envoyé par"
    )

    objects = PaperQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "papier"
        verbose_name_plural = "papiers des familles"
        ordering = ["-pk"]
        permissions = [("open_justice_paper", "Ouvrir les papiers de justice")]
        indexes = [models.Index(fields=["state", "ends_on"], name="paper_by_end")]
        constraints = [
            *(
                models.UniqueConstraint(
                    "kind",
                    Coalesce("child", 0),
                    Case(When(Q(child=None) | Q(private=True), then=F("household")), default=Value(0)),
                    condition=condition,
                    name=name,
                    violation_error_message=sentence,
                )
                for name, condition, sentence in (
                    (
                        "one_open_paper_a_kind",
                        Q(state__in=("awaited", "sent")),
                        "Ce papier est déjà demandé, ou attend déjà une réponse.",
                    ),
                    (
                        "one_accepted_paper_a_kind",
                        Q(state="accepted"),
                        "Ce papier est déjà accepté.",
                    ),
                )
            ),
            models.CheckConstraint(
                condition=Q(starts_on=None) | Q(ends_on=None) | Q(ends_on__gte=F("starts_on")),
                name="paper_ends_after_it_begins",
                violation_error_message="Le dernier jour d'un papier ne peut pas précéder le premier.",
            ),
            models.CheckConstraint(
                condition=~Q(state="accepted") | Q(starts_on__isnull=False),
                name="accepted_paper_has_a_first_day",
                violation_error_message="Indiquez à partir de quand le papier est valable.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}, {self.child or self.household}"

    def state_on(self, day: date) -> "Paper.State":
        """Its state that day: one whose end has passed is over, whether or not the night has said so."""
        if self.state == self.State.ACCEPTED and self.ends_on is not None and self.ends_on < day:
            return self.State.EXPIRED
        return self.State(self.state)
