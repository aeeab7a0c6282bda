"""That a family lets the town hall ask the CAF or the MSA for its quotient, and what they answered.

Consents are written by `families.funds.consents` only, rounds and their answers by `families.funds.rounds`.
"""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q

from families.models.accounts import User
from families.models.households import FamilyQuotient, Guardian, Household
from portal.database.encrypted import EncryptedCharField

NAME_LENGTH = 160


class QuotientConsentQuerySet(models.QuerySet["QuotientConsent"]):
    def standing(self) -> "QuotientConsentQuerySet":
        """Those that were not ended."""
        return self.filter(ended_at=None)


class QuotientConsent(models.Model):
    """That an adult said yes, to which words, and until when. The row stays when it ends; the identity that
    was given for it does not."""

    guardian = models.ForeignKey(
        Guardian, on_delete=models.CASCADE, related_name="quotient_consents", verbose_name="responsable"
    )
    words = models.TextField("texte accepté")
    given_at = models.DateTimeField("donné le")
    # Of a consent on paper, which an agent writes down: `given_at` and `given_by` say when, and who.
    signed_on = models.DateField("signé le", null=True, blank=True)
    given_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="donné par"
    )
    given_by_name = models.CharField("donné par", max_length=NAME_LENGTH)
    ended_at = models.DateTimeField("arrêté le", null=True, blank=True)
    ended_by_name = models.CharField("arrêté par", max_length=NAME_LENGTH, blank=True)

    objects = QuotientConsentQuerySet.as_manager()

    class Meta:
        verbose_name = "accord pour le quotient"
        verbose_name_plural = "accords pour le quotient"
        ordering = ["-given_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["guardian"],
                condition=Q(ended_at=None),
                name="one_standing_consent_an_adult",
                violation_error_message="Cet accord est déjà donné.",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("given_at")),
                name="consent_ends_after_it_was_given",
                violation_error_message="Un accord finit après avoir été donné.",
            ),
        ]

    def __str__(self) -> str:
        return f"Accord de {self.guardian}"

    @property
    def stands(self) -> bool:
        return self.ended_at is None


class CivilIdentity(models.Model):
    """What the CAF and the MSA know an adult by. Given with a consent, erased when that ends: it keeps no
    versions, and nothing else reads it."""

    consent = models.OneToOneField(
        QuotientConsent, on_delete=models.CASCADE, related_name="identity", verbose_name="accord"
    )
    birth_name = EncryptedCharField("nom de naissance", max_length=80)
    used_name = EncryptedCharField("nom d'usage", max_length=80, blank=True)
    first_names = EncryptedCharField("prénoms", max_length=160)
    birth_date = EncryptedCharField("date de naissance", max_length=10)
    sex = EncryptedCharField("sexe", max_length=1, blank=True)
    country = EncryptedCharField("pays de naissance", max_length=5)
    town = EncryptedCharField("commune de naissance", max_length=100, blank=True)
    department = EncryptedCharField("département de naissance", max_length=3, blank=True)

    class Meta:
        verbose_name = "état civil"
        verbose_name_plural = "états civils"

    def __str__(self) -> str:
        return f"État civil n°\xa0{self.pk}"


class QuotientRound(models.Model):
    """Households whose quotient is asked for together: first what the funds answer, then, once somebody has
    looked at it, the quotients."""

    whom = models.CharField("foyers", max_length=200)
    by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="demandé par"
    )
    by_name = models.CharField("demandé par", max_length=NAME_LENGTH)
    by_family = models.BooleanField("demandé par la famille", default=False, db_default=False)
    asked_at = models.DateTimeField("demandé le")
    valid_from = models.DateField("valables du", help_text="Premier jour des quotients écrits.")
    valid_to = models.DateField(
        "au", null=True, blank=True, help_text="Dernier jour. Vide : jusqu'au prochain quotient."
    )
    wanted = models.PositiveIntegerField("foyers à demander")
    # Set once nobody is left to be asked for.
    answered_at = models.DateTimeField("réponses reçues le", null=True, blank=True)
    # Why the rest was not asked: the key was refused, say.
    stopped = models.CharField("arrêté", max_length=300, blank=True)
    kept_by_name = models.CharField("enregistré par", max_length=NAME_LENGTH, blank=True)
    # Set when somebody has looked at the answers and said which to write; then when all are.
    kept_at = models.DateTimeField("enregistrement demandé le", null=True, blank=True)
    written_at = models.DateTimeField("enregistré le", null=True, blank=True)

    class Meta:
        verbose_name = "demande de quotients"
        verbose_name_plural = "demandes de quotients"
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="quotients_asked_end_after_start",
                violation_error_message="Le dernier jour vient après le premier.",
            ),
            models.CheckConstraint(
                condition=Q(kept_at=None) | Q(answered_at__isnull=False),
                name="quotients_are_kept_once_answered",
                violation_error_message="Attendez toutes les réponses.",
            ),
        ]

    def __str__(self) -> str:
        return f"Quotients CAF et MSA, {self.whom}"

    @property
    def is_asking(self) -> bool:
        return self.answered_at is None

    @property
    def is_writing(self) -> bool:
        return self.kept_at is not None and self.written_at is None

    @property
    def can_be_kept(self) -> bool:
        return self.answered_at is not None and self.kept_at is None


class QuotientAnswer(models.Model):
    """What became of one household's question."""

    class State(models.TextChoices):
        WAITS = "waits", "À demander"
        NEW = "new", "Premier quotient"
        CHANGED = "changed", "Quotient différent"
        SAME = "same", "Même quotient"
        FAILED = "failed", "Sans réponse"

    # Of which a quotient may be written.
    FOUND = (State.NEW, State.CHANGED, State.SAME)

    round = models.ForeignKey(
        QuotientRound, on_delete=models.CASCADE, related_name="answers", verbose_name="demande"
    )
    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="quotient_answers", verbose_name="foyer"
    )
    consent = models.ForeignKey(
        QuotientConsent, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="accord"
    )
    state = models.CharField("état", max_length=8, choices=State, default=State.WAITS)
    tries = models.PositiveSmallIntegerField("essais", default=0)
    asked_at = models.DateTimeField("demandé le", null=True, blank=True)
    value = models.DecimalField(
        "quotient reçu",
        max_digits=9,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0, "Un quotient familial n'est jamais négatif.")],
    )
    before = models.DecimalField("quotient d'avant", max_digits=9, decimal_places=2, null=True, blank=True)
    fund = models.CharField("caisse", max_length=4, blank=True)
    month = models.DateField("mois du quotient", null=True, blank=True)
    # What differs from what the town hall knows; why nothing came, in words for who reads the page.
    said = models.CharField("à vérifier", max_length=300, blank=True)
    why = models.CharField("pourquoi", max_length=300, blank=True)
    code = models.CharField("code du service", max_length=8, blank=True)
    chosen = models.BooleanField("à enregistrer", default=False)
    quotient = models.ForeignKey(
        FamilyQuotient,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="quotient enregistré",
    )
    written_at = models.DateTimeField("enregistré le", null=True, blank=True)

    class Meta:
        verbose_name = "réponse de la CAF ou de la MSA"
        verbose_name_plural = "réponses de la CAF et de la MSA"
        ordering = ["household", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["round", "household"],
                name="a_household_is_asked_for_once_a_round",
                violation_error_message="Ce foyer est déjà dans cette demande.",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waits", "failed"], value=None)
                | Q(state__in=["new", "changed", "same"], value__gte=0),
                name="an_answer_has_its_quotient",
                violation_error_message="Une réponse reçue a son quotient.",
            ),
        ]
        indexes = [models.Index(fields=["round", "state"], name="answers_of_round")]

    def __str__(self) -> str:
        return f"{self.household}, {self.get_state_display().lower()}"

    @property
    def is_found(self) -> bool:
        return self.state in self.FOUND
