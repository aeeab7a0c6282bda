"""What families are owed of their data: a copy, a duration, an end. Written by `privacy/` only."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q

from families.models.accounts import User
from families.models.decisions import Decided
from families.models.households import Guardian, Household, household_number
from portal.files.uploads import private_storage


class DataExport(models.Model):
    """A copy of what the portal keeps of a guardian, as a ZIP that the worker prepares."""

    class State(models.TextChoices):
        WAITING = "waiting", "En préparation"
        READY = "ready", "Prête"
        FAILED = "failed", "Interrompue"

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="data_exports", verbose_name="foyer"
    )
    guardian = models.ForeignKey(
        Guardian, on_delete=models.CASCADE, related_name="data_exports", verbose_name="responsable"
    )
    at_desk = models.BooleanField("remise au guichet", default=False)
    with_notes = models.BooleanField("avec les notes du service", default=False)
    state = models.CharField("état", max_length=8, choices=State, default=State.WAITING)
    asked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="demandée par"
    )
    asked_at = models.DateTimeField("demandée le")
    # The last sign of the worker: what stands still is prepared anew.
    touched_at = models.DateTimeField("dernière avancée", editable=False)
    total = models.PositiveIntegerField("étapes", default=0)
    done = models.PositiveIntegerField("étapes faites", default=0)
    file = models.FileField(
        "fichier", storage=private_storage, upload_to="copies/%Y/%m", max_length=200, blank=True
    )
    size = models.PositiveBigIntegerField("taille", default=0)
    # Whose data is in it: a copy made before a change of custody is no longer handed over.
    scope = models.CharField("contenu", max_length=300, blank=True, editable=False)
    ready_at = models.DateTimeField("prête le", null=True, blank=True)
    expires_at = models.DateTimeField("disponible jusqu'au", null=True, blank=True)

    class Meta:
        verbose_name = "copie de données"
        verbose_name_plural = "copies de données"
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["guardian", "at_desk"],
                condition=Q(state="waiting"),
                name="one_export_under_way",
                violation_error_message="Une copie est déjà en préparation pour cette personne.",
            )
        ]

    def __str__(self) -> str:
        return f"Copie de données – {self.guardian}"

    @property
    def is_ready(self) -> bool:
        return self.state == self.State.READY

    @property
    def is_waiting(self) -> bool:
        return self.state == self.State.WAITING


class RetentionRule(models.Model):
    """How long one kind of data is kept. Since when it counts is said by `privacy/retention.py`."""

    class Unit(models.TextChoices):
        DAY = "days", "jours"
        MONTH = "months", "mois"
        YEAR = "years", "années"

    kind = models.SlugField("nature", max_length=40, unique=True, editable=False)
    duration = models.PositiveSmallIntegerField("durée")
    unit = models.CharField("unité", max_length=6, choices=Unit, default=Unit.MONTH)
    active = models.BooleanField(
        "appliquée", default=True, help_text="Sinon rien de cette nature ne s'efface tout seul."
    )
    needs_visa = models.BooleanField(
        "visa des archives",
        default=False,
        help_text="L'effacement attend le visa du directeur des archives départementales.",
    )
    source = models.TextField("fondement", blank=True, help_text="Le texte, ou la décision de la commune.")

    class Meta:
        verbose_name = "durée de conservation"
        verbose_name_plural = "durées de conservation"
        ordering = ["kind"]
        constraints = [
            models.CheckConstraint(
                condition=Q(duration__gte=1),
                name="retention_at_least_one",
                violation_error_message="Une durée de conservation est d'au moins un jour.",
            )
        ]

    def __str__(self) -> str:
        return self.kind


class ErasureRequest(Decided):
    """That a household asks, from its page, to be erased; the town hall answers in a month."""

    class State(models.TextChoices):
        REQUESTED = "requested", "En attente de traitement"
        ACCEPTED = "accepted", "Acceptée"
        REFUSED = "refused", "Refusée"

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="erasure_requests", verbose_name="foyer"
    )
    state = models.CharField("état", max_length=12, choices=State, default=State.REQUESTED, db_index=True)
    words = models.TextField("précisions de la famille", max_length=1000, blank=True)
    requested_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="demandé par"
    )
    requested_at = models.DateTimeField("demandé le")

    class Meta:
        verbose_name = "demande d'effacement"
        verbose_name_plural = "demandes d'effacement"
        ordering = ["-requested_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["household"],
                condition=Q(state="requested"),
                name="one_open_erasure_request",
                violation_error_message="Une demande d'effacement attend déjà une réponse de la mairie.",
            )
        ]

    def __str__(self) -> str:
        return f"Demande d'effacement – {self.household}"


class Erasure(models.Model):
    """That a household or a child was erased: numbers, counts and marks, nothing that names anybody.

    Done again after a restore of the database, in which the erased would be back.
    """

    class Kind(models.TextChoices):
        HOUSEHOLD = "household", "Foyer"
        CHILD = "child", "Enfant"

    class Why(models.TextChoices):
        REQUEST = "request", "Demande de la famille"
        DESK = "desk", "Décision de la mairie"
        REFUSED = "refused", "Compte refusé"
        RETENTION = "retention", "Durée de conservation atteinte"
        AGAIN = "again", "Refait après une restauration"

    reference = models.UUIDField("référence", default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField("objet", max_length=10, choices=Kind)
    subject = models.PositiveBigIntegerField("numéro")
    # A keyed hash of what cannot change: another household that bears the number later is told from it.
    mark = models.CharField("empreinte", max_length=64)
    why = models.CharField("raison", max_length=10, choices=Why)
    at = models.DateTimeField("effacé le")
    by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="effacé par"
    )
    gone = models.JSONField("effacé", default=list)
    kept = models.JSONField("conservé", default=list)

    class Meta:
        verbose_name = "effacement"
        verbose_name_plural = "journal des effacements"
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} n°\xa0{household_number(self.subject)}"


class DisposalList(models.Model):
    """« Bordereau d'élimination »: rows of one kind that may go once the archives have signed."""

    class State(models.TextChoices):
        PROPOSED = "proposed", "Proposé"
        SENT = "sent", "Envoyé aux archives"
        SIGNED = "signed", "Visé"
        DONE = "done", "Éliminé"

    kind = models.SlugField("nature", max_length=40)
    label = models.CharField("intitulé", max_length=200)
    source = models.TextField("fondement", blank=True)
    kept_for = models.CharField("durée de conservation", max_length=40)
    state = models.CharField("état", max_length=8, choices=State, default=State.PROPOSED)
    rows = models.JSONField("numéros des éléments", default=list, editable=False)
    count = models.PositiveIntegerField("éléments")
    first_day = models.DateField("du", null=True, blank=True)
    last_day = models.DateField("au", null=True, blank=True)
    proposed_at = models.DateTimeField("proposé le")
    sent_at = models.DateTimeField("arrêté le", null=True, blank=True)
    visa_on = models.DateField("visa du", null=True, blank=True)
    visa_reference = models.CharField("référence du visa", max_length=120, blank=True)
    visa_noted_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="visa noté par"
    )
    done_at = models.DateTimeField("éliminé le", null=True, blank=True)
    removed = models.PositiveIntegerField("éléments effacés", default=0)

    class Meta:
        verbose_name = "bordereau d'élimination"
        verbose_name_plural = "bordereaux d'élimination"
        ordering = ["-proposed_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind"], condition=Q(state="proposed"), name="one_disposal_proposed_a_kind"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["proposed", "sent"])
                | (Q(visa_on__isnull=False) & ~Q(visa_reference="")),
                name="disposal_signed_has_visa",
                violation_error_message="Indiquez la date et la référence du visa.",
            ),
        ]

    def __str__(self) -> str:
        return f"Bordereau n°\xa0{self.pk}"


class ProcessingTexts(models.Model):
    """What only the town can say in its register of processing. One row."""

    controller = models.TextField(
        "responsable du traitement",
        blank=True,
        help_text="La commune, représentée par son maire, et ses coordonnées. Vide : celles de la commune.",
    )
    officer = models.TextField(
        "délégué à la protection des données", blank=True, help_text="Nom ou service, et comment le joindre."
    )
    processors = models.TextField(
        "sous-traitants", blank=True, help_text="Hébergeur, envoi des messages, paiement en ligne…"
    )
    transfers = models.TextField(
        "transferts hors de l'Union européenne", blank=True, help_text="Vide : aucun transfert."
    )
    security = models.TextField(
        "mesures de sécurité propres à la commune",
        blank=True,
        help_text="Postes, locaux, sauvegardes : ce que le portail ne peut pas savoir.",
    )
    updated_on = models.DateField("registre revu le", null=True, blank=True)

    class Meta:
        verbose_name = "registre des traitements"
        verbose_name_plural = "registre des traitements"
        constraints = [
            models.CheckConstraint(
                condition=Q(pk=1),
                name="only_one_register_of_processing",
                violation_error_message="Le registre n'existe qu'une fois.",
            )
        ]

    def __str__(self) -> str:
        return "Registre des traitements"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    @classmethod
    def current(cls) -> "ProcessingTexts":
        """The row, or an unsaved empty one."""
        return cls.objects.first() or cls(pk=1)
