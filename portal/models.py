"""The town hall itself, the versions its database went through, who does its tasks, and the demo's outbox."""

from typing import Any

from django.conf import settings
from django.core.validators import (
    FileExtensionValidator,
    MaxValueValidator,
    MinValueValidator,
    RegexValidator,
)
from django.db import models
from django.utils import timezone

from portal.database.history import History
from portal.database.kept import KeptAWhile
from portal.files.uploads import private_storage
from portal.french.phones import PhoneField


class Town(models.Model):
    """The one town hall served here: what every page and letter says of it."""

    class Region(models.TextChoices):
        METROPOLE = "metropole", "Métropole"
        ALSACE_MOSELLE = "alsace-moselle", "Alsace-Moselle"
        GUADELOUPE = "guadeloupe", "Guadeloupe"
        GUYANE = "guyane", "Guyane"
        MARTINIQUE = "martinique", "Martinique"
        MAYOTTE = "mayotte", "Mayotte"
        REUNION = "reunion", "La Réunion"
        SAINT_BARTHELEMY = "saint-barthelemy", "Saint-Barthélemy"
        SAINT_MARTIN = "saint-martin", "Saint-Martin"
        SAINT_PIERRE_ET_MIQUELON = "saint-pierre-et-miquelon", "Saint-Pierre-et-Miquelon"
        NOUVELLE_CALEDONIE = "nouvelle-caledonie", "Nouvelle-Calédonie"
        POLYNESIE = "polynesie", "Polynésie française"
        WALLIS_ET_FUTUNA = "wallis-et-futuna", "Wallis-et-Futuna"

    class Zone(models.TextChoices):
        A = "A", "Zone A"
        B = "B", "Zone B"
        C = "C", "Zone C"
        CORSE = "Corse", "Corse"
        LOCAL = "local", "Propre au territoire"

    class Clock(models.TextChoices):
        """IANA's names."""

        PARIS = "Europe/Paris", "Paris"
        GUADELOUPE = "America/Guadeloupe", "la Guadeloupe"
        GUYANE = "America/Cayenne", "la Guyane"
        MARTINIQUE = "America/Martinique", "la Martinique"
        MAYOTTE = "Indian/Mayotte", "Mayotte"
        REUNION = "Indian/Reunion", "La Réunion"
        SAINT_BARTHELEMY = "America/St_Barthelemy", "Saint-Barthélemy"
        SAINT_MARTIN = "America/Marigot", "Saint-Martin"
        SAINT_PIERRE_ET_MIQUELON = "America/Miquelon", "Saint-Pierre-et-Miquelon"
        NOUVELLE_CALEDONIE = "Pacific/Noumea", "la Nouvelle-Calédonie"
        TAHITI = "Pacific/Tahiti", "Tahiti"
        MARQUISES = "Pacific/Marquesas", "les Marquises"
        GAMBIER = "Pacific/Gambier", "les Gambier"
        WALLIS = "Pacific/Wallis", "Wallis"

    name = models.CharField("nom de la commune", max_length=120, default="Portail famille")
    service = models.CharField("service", max_length=120, default="Service enfance et famille")
    address = models.TextField("adresse", blank=True)
    phone = PhoneField("téléphone", max_length=30, blank=True)
    email = models.EmailField("adresse e-mail de contact", blank=True)
    opening_hours = models.CharField("horaires d'accueil", max_length=200, blank=True)
    website = models.URLField("site internet", blank=True)
    crest = models.FileField(
        "blason ou logo",
        upload_to="ville",
        blank=True,
        validators=[FileExtensionValidator(["svg", "png", "jpg", "jpeg", "webp"])],
    )
    colour = models.CharField(
        "couleur principale",
        max_length=7,
        default="#1d4f91",
        validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$", "Écrivez la couleur sous la forme #1d4f91.")],
        help_text="Boutons et liens. Le contraste avec le blanc est vérifié à l'enregistrement.",
    )
    zone = models.CharField(
        "zone de vacances scolaires",
        max_length=5,
        choices=Zone,
        default=Zone.A,
        help_text="Outre-mer, où l'académie fixe ses dates : « Propre au territoire ».",
    )
    region = models.CharField("jours fériés", max_length=30, choices=Region, default=Region.METROPOLE)
    time_zone = models.CharField(
        "heure",
        max_length=30,
        choices=Clock,
        blank=True,
        db_default="",
        default="",
        help_text="Vide : celle de la région choisie pour les jours fériés.",
    )
    address_changes_at_once = models.BooleanField(
        "les familles changent leur adresse sans validation",
        default=False,
        help_text="Sinon chaque changement d'adresse est une demande avec justificatif.",
    )
    staff_idle_minutes = models.PositiveSmallIntegerField(
        "les agents sont déconnectés après tant de minutes sans activité",
        default=30,
        db_default=30,
        validators=[MinValueValidator(5), MaxValueValidator(120)],
        help_text="De 5 à 120.",
    )
    staff_session_hours = models.PositiveSmallIntegerField(
        "les agents se reconnectent au bout de tant d'heures",
        default=10,
        db_default=10,
        validators=[MinValueValidator(1), MaxValueValidator(14)],
        help_text="De 1 à 14, activité ou non : une journée de travail.",
    )
    take_back_minutes = models.PositiveSmallIntegerField(
        "une décision de « À traiter » se reprend pendant tant de minutes",
        default=2,
        db_default=2,
        validators=[MaxValueValidator(10)],
        help_text="De 0 à 10. La famille n'est prévenue qu'ensuite ; avec 0, elle l'est aussitôt.",
    )
    legal_notice = models.TextField("mentions légales", blank=True)
    privacy_notice = models.TextField("données personnelles", blank=True)
    accessibility_notice = models.TextField("déclaration d'accessibilité", blank=True)

    # Until the town hall says « Ouvrir au public », families read that it will open. Written by
    # `portal.open_to_public`.
    is_open = models.BooleanField("ouvert au public", default=True, db_default=True, editable=False)
    # Whether it wrote any (`LetterWording`): who wrote none is asked nothing more.
    own_letter_words = models.BooleanField(default=False, db_default=False, editable=False)

    history = History(excluded_fields=["own_letter_words"])

    class Meta:
        verbose_name = "commune"
        verbose_name_plural = "commune"
        permissions = [
            ("open_line_town", "Peut ouvrir, fermer et régler la file d'attente"),
            ("open_public_town", "Peut ouvrir le portail aux familles, et le refermer"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(pk=1),
                name="only_one_town",
                violation_error_message="Le portail ne sert qu'une commune.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        self.own_letter_words = LetterWording.objects.exists()
        super().save(*args, **kwargs)
        current_town.forget()


@KeptAWhile
def current_town() -> Town:
    """The town's row, or an unsaved neutral one before it is configured: every page needs it."""
    return Town.objects.first() or Town()


class RefusalReason(models.Model):
    """A ready-made reason for a refusal: the agent picks it, the family reads it."""

    class About(models.TextChoices):
        """The lists of the desk whose requests may be refused."""

        ACCOUNT = "families.household", "Comptes famille"
        CHANGE = "families.changerequest", "Changements demandés par les familles"
        PAPER = "families.paper", "Papiers"
        ERASURE = "families.erasurerequest", "Demandes d'effacement"
        ENROLMENT = "reservations.enrolment", "Inscriptions"
        DAYS = "reservations.reservation", "Jours demandés"
        MOVE = "reservations.move", "Changements d'école ou de lieu"
        CERTIFICATE = "reservations.absencecertificate", "Justificatifs d'absence"

    about = models.CharField("pour refuser", max_length=60, choices=About)
    text = models.CharField("motif", max_length=300, help_text="La famille lit cette phrase.")
    order = models.PositiveSmallIntegerField("rang", default=0)

    history = History()

    class Meta:
        verbose_name = "motif de refus"
        verbose_name_plural = "motifs de refus"
        ordering = ["about", "order", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["about", "text"],
                name="one_refusal_reason_a_text",
                violation_error_message="Ce motif est déjà dans la liste.",
            )
        ]

    def __str__(self) -> str:
        return self.text


class HeldDecision(models.Model):
    """An answer given in « À traiter » that can still be taken back: nothing of it is done yet. Written by
    `portal.desk.held`; gone once it is final or taken back.

    `about` and `row` name the request, « reservations.enrolment » and its key; `seen` marks how it read.
    `posted` is what the agent's form said, `said` what doing it answered when it was tried: pairs of a level
    and a sentence.
    """

    about = models.CharField("demande", max_length=60)
    row = models.PositiveBigIntegerField("numéro de la demande")
    seen = models.CharField("demande telle que lue", max_length=64)
    action = models.CharField("réponse", max_length=40)
    posted = models.JSONField("formulaire")
    said = models.JSONField("effet annoncé")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name="par"
    )
    at = models.DateTimeField("décidée le")
    final_at = models.DateTimeField("définitive le")
    # It could not be done any more as it was announced: the request waits again, who decided is told why.
    left_at = models.DateTimeField("laissée le", null=True, blank=True)
    why_left = models.TextField("pourquoi", blank=True)

    class Meta:
        verbose_name = "décision en cours"
        verbose_name_plural = "décisions en cours"
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["about", "row"],
                condition=models.Q(left_at=None),
                name="one_held_decision_a_request",
                violation_error_message="Une décision est déjà en cours pour cette demande.",
            ),
            models.CheckConstraint(
                condition=models.Q(final_at__gt=models.F("at")),
                name="held_decision_is_final_later",
                violation_error_message="Une décision devient définitive après avoir été prise.",
            ),
        ]
        indexes = [models.Index(fields=["final_at"], name="held_decisions_by_end")]

    def __str__(self) -> str:
        return f"{self.about} {self.row}, {self.action}"


class PrintedList(models.Model):
    """A long list of the desk that the worker puts on paper, as it was when it was asked for. Written by
    `portal.desk.printing`; gone after some days, with its files.

    `page` names the model, « families.household »; `keys` are its rows in their order, as text.
    """

    page = models.CharField("liste", max_length=60)
    title = models.CharField("titre", max_length=120)
    filters = models.JSONField("filtres")
    address = models.TextField("adresse")
    keys = models.JSONField("lignes")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name="demandée par"
    )
    asked_at = models.DateTimeField("demandée le")
    failed = models.BooleanField("interrompue", default=False)

    class Meta:
        verbose_name = "liste en PDF"
        verbose_name_plural = "listes en PDF"
        ordering = ["-asked_at", "-pk"]

    def __str__(self) -> str:
        return self.title


class PrintedPart(models.Model):
    """Some rows of such a list, `first` to `last` counted from one, as a PDF."""

    of = models.ForeignKey(PrintedList, on_delete=models.CASCADE, related_name="parts", verbose_name="liste")
    number = models.PositiveSmallIntegerField("partie")
    first = models.PositiveIntegerField("de la ligne")
    last = models.PositiveIntegerField("à la ligne")
    # Named before it is made: whatever stops the worker, it is found and goes with the list.
    file = models.FileField("fichier", storage=private_storage, upload_to="listes/%Y/%m", max_length=200)
    made_at = models.DateTimeField("faite le", null=True, blank=True)
    # Of those that were still there.
    rows = models.PositiveIntegerField("lignes imprimées", default=0)

    class Meta:
        verbose_name = "partie d'une liste"
        verbose_name_plural = "parties de listes"
        ordering = ["of", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["of", "number"],
                name="one_printed_part_a_number",
                violation_error_message="Cette partie de la liste est déjà là.",
            ),
            models.CheckConstraint(
                condition=models.Q(first__gte=1, last__gte=models.F("first")),
                name="printed_part_has_rows",
                violation_error_message="Une partie de liste compte au moins une ligne.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.of}, lignes {self.first} à {self.last}"


class LetterWording(models.Model):
    """The town's own words in one kind of the portal's letters, or in all; what is empty stays as usual.

    Which kinds and variables there are says `portal.letters.wordings`.
    """

    kind = models.CharField("lettre", max_length=60, unique=True, blank=True)
    subject = models.CharField(
        "objet", max_length=120, blank=True, help_text="Vide : l'objet habituel. {objet} le redit."
    )
    opening = models.TextField(
        "première phrase", max_length=600, blank=True, help_text="Après « Bonjour ». Vide : aucune."
    )
    closing = models.TextField(
        "dernière phrase", max_length=600, blank=True, help_text="Avant la signature. Vide : aucune."
    )

    history = History()

    class Meta:
        verbose_name = "texte de lettre"
        verbose_name_plural = "textes des lettres"
        ordering = ["kind"]

    def __str__(self) -> str:
        return self.kind or "Toutes les lettres"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        self._told()

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        gone = super().delete(*args, **kwargs)
        self._told()
        return gone

    def _told(self) -> None:
        Town.objects.update(own_letter_words=LetterWording.objects.exists())
        current_town.forget()
        own_wordings.forget()


@KeptAWhile
def own_wordings() -> dict[str, tuple[str, str, str]]:
    """Subject, opening and closing by kind."""
    rows = LetterWording.objects.values_list("kind", "subject", "opening", "closing")
    return {kind: (subject, opening, closing) for kind, subject, opening, closing in rows}


class Release(models.Model):
    """A version of the portal that `migrate` brought the database to; the last one is today's."""

    version = models.CharField("version", max_length=20)
    since = models.DateTimeField("depuis le")

    class Meta:
        verbose_name = "version installée"
        verbose_name_plural = "versions installées"
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.version


class Backup(models.Model):
    """A backup that was written and read back. Whether there is one is asked of the database: the folder
    may be another machine's."""

    made_at = models.DateTimeField("faite le")
    name = models.CharField("nom", max_length=100)
    size = models.PositiveBigIntegerField("taille")
    files = models.PositiveIntegerField("fichiers")
    whole = models.BooleanField("entière", default=True)

    class Meta:
        verbose_name = "sauvegarde"
        ordering = ["-made_at", "-pk"]

    def __str__(self) -> str:
        return self.name


class Restoration(models.Model):
    """The database was brought back from a backup: no mail leaves until somebody says so."""

    restored_at = models.DateTimeField("restaurée le")
    made_at = models.DateTimeField("sauvegarde du")
    released_at = models.DateTimeField("courriers libérés le", null=True, blank=True)

    class Meta:
        verbose_name = "restauration"
        ordering = ["-restored_at", "-pk"]

    def __str__(self) -> str:
        return f"Sauvegarde du {timezone.localtime(self.made_at):%d/%m/%Y à %H:%M}"


class Worker(models.Model):
    """A process that does tasks, and when it last said that it lives. Written by `portal.tasks.workers`.

    Its moments are the database's: two machines' clocks are no reason to think a worker dead.
    """

    name = models.CharField("nom", max_length=64, unique=True)
    machine = models.CharField("machine", max_length=120, blank=True)
    started_at = models.DateTimeField("démarré le")
    seen_at = models.DateTimeField("vu le")
    # Since when it has said so without a gap: who was away itself judges nobody.
    unbroken_since = models.DateTimeField("sans interruption depuis le")

    class Meta:
        verbose_name = "processus de travail"
        verbose_name_plural = "processus de travail"
        ordering = ["started_at", "pk"]

    def __str__(self) -> str:
        return f"{self.machine or 'worker'} {self.name[:8]}"


class SentMail(models.Model):
    """A mail of the demo, kept so that staff can open its link; production never writes one."""

    to = models.CharField("destinataire", max_length=254)
    subject = models.CharField("objet", max_length=255)
    text = models.TextField("texte")
    html = models.TextField("version HTML", blank=True)
    sent_at = models.DateTimeField("envoyé le", auto_now_add=True)

    class Meta:
        verbose_name = "message envoyé"
        verbose_name_plural = "boîte d'envoi (démonstration)"
        ordering = ["-sent_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.subject} → {self.to}"
