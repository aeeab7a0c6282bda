"""What is kept of who read and who came in: rows that are only ever added, until their time is over."""

from django.db import models

from families.models.accounts import User
from families.models.children import Child
from families.models.households import Household


class Reading(models.Model):
    """That a member of staff read something private of a family, or took it out of the portal."""

    class Kind(models.TextChoices):
        HEALTH = "health", "Fiche sanitaire"
        PROOF = "proof", "Justificatif"
        CERTIFICATE = "certificate", "Certificat médical"
        HEALTH_PAPER = "health_paper", "Papier de santé"
        JUSTICE_PAPER = "justice_paper", "Papier de justice"
        EXPORT = "export", "Export de personnes"
        FAMILY_DATA = "family_data", "Données d'une famille"
        KEPT_DOCUMENT = "kept_document", "Document conservé après effacement"
        AS_FAMILY = "as_family", "Vu comme la famille"
        MESSAGE = "message", "Pièce jointe d'un message"

    at = models.DateTimeField("lu le")
    reader = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="lu par"
    )
    # Stays readable when the account is gone.
    reader_name = models.CharField("nom", max_length=160)
    kind = models.CharField("quoi", max_length=16, choices=Kind)
    child = models.ForeignKey(
        Child, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="enfant"
    )
    household = models.ForeignKey(
        Household, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="foyer"
    )
    what = models.CharField("précisément", max_length=200, blank=True)
    page = models.CharField("page", max_length=200)
    network_address = models.GenericIPAddressField("adresse réseau", null=True, blank=True)
    # A list is one reading of many.
    people = models.PositiveIntegerField("dossiers", default=1, db_default=1)

    class Meta:
        verbose_name = "consultation"
        verbose_name_plural = "consultations"
        ordering = ["-at", "-pk"]
        # Each such page is a line here, which no place has.
        permissions = [("see_as_family_reading", "Voir les pages d'une famille comme elle")]
        indexes = [
            models.Index(fields=["at"], name="reading_by_moment"),
            models.Index(fields=["child", "at"], name="reading_of_child"),
            models.Index(fields=["household", "at"], name="reading_of_household"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.reader_name}"


class LoginCounter(models.Model):
    """Wrong passwords: of an account everywhere, of a network or a device for all accounts, or of both; and
    codes of a second factor that were tried.

    Nobody's name and no address are in it: `who` is an account's number or a mark of what was typed, `place`
    is a mark or says what was tried.
    """

    who = models.CharField(max_length=32, blank=True)
    place = models.CharField(max_length=32, blank=True)
    failures = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()
    forgotten_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = "compteur d'essais"
        verbose_name_plural = "compteurs d'essais"
        constraints = [models.UniqueConstraint(fields=["who", "place"], name="one_counter_a_place")]

    def __str__(self) -> str:
        return f"{self.who} {self.place}: {self.failures}"


class Concerned(models.Model):
    """Whom a reading concerns: a child, or a household as a whole; of a list, each that stood in it."""

    reading = models.ForeignKey(
        Reading, on_delete=models.CASCADE, related_name="concerned", verbose_name="consultation"
    )
    child = models.ForeignKey(
        Child, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="enfant"
    )
    household = models.ForeignKey(
        Household, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="foyer"
    )

    class Meta:
        verbose_name = "dossier consulté"
        verbose_name_plural = "dossiers consultés"

    def __str__(self) -> str:
        return str(self.child or self.household or "effacé")


class SecurityEvent(models.Model):
    """A login, a failure, a lock-out, a change of factor: no address and no password in clear."""

    class Kind(models.TextChoices):
        LOGIN = "login", "Connexion"
        FAILED = "failed", "Échec de connexion"
        LOCKED = "locked", "Connexion retenue"
        LOGOUT = "logout", "Déconnexion"
        RECOVERY = "recovery", "Mot de passe oublié"
        PASSWORD = "password", "Mot de passe changé"
        ADDRESS = "address", "Adresse e-mail changée"
        FACTOR_ADDED = "factor_added", "Second facteur ajouté"
        FACTOR_REMOVED = "factor_removed", "Second facteur retiré"
        FACTOR_RESET = "factor_reset", "Second facteur remis à zéro par la mairie"
        RIGHTS = "rights", "Droits changés"
        SESSIONS_ENDED = "sessions_ended", "Sessions closes"
        CLOSED = "closed", "Compte fermé"

    at = models.DateTimeField("le", db_index=True)
    kind = models.CharField("événement", max_length=16, choices=Kind)
    user = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="compte"
    )
    by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="par"
    )
    # Keyed hashes: the same login and the same network are recognised, neither is read.
    login_mark = models.CharField("identifiant (empreinte)", max_length=16, blank=True)
    network_mark = models.CharField("réseau (empreinte)", max_length=16, blank=True)
    detail = models.CharField("précision", max_length=200, blank=True)
    # More than one for the line that counts what a flood caused beyond what is written singly.
    times = models.PositiveIntegerField("fois", default=1, db_default=1)

    class Meta:
        verbose_name = "événement de sécurité"
        verbose_name_plural = "événements de sécurité"
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return self.get_kind_display()
