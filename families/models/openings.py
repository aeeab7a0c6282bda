"""Who asked that somebody may see a household or a child, who allowed it, and when: rows that go with their
household only."""

from django.db import models
from django.db.models import Q

from families.models.accounts import User
from families.models.children import Child
from families.models.households import Guardian, Household
from families.visibility import VisibleQuerySet


class AccessOpeningQuerySet(VisibleQuerySet["AccessOpening"]):
    def waiting(self) -> "AccessOpeningQuerySet":
        return self.filter(state=AccessOpening.State.WAITING)


class AccessOpening(models.Model):
    """A login for a guardian, or a second home for a child: what it opens is open once it is confirmed.

    Until then the login is tied to no guardian and the child lives in no second home: nothing has to ask
    whether an opening waits. Written by `families.custody.openings` only.
    """

    class Kind(models.TextChoices):
        GUARDIAN = "guardian", "Accès d'un responsable"
        HOME = "home", "Autre foyer d'un enfant"

    class State(models.TextChoices):
        EXPECTED = "expected", "Adresse reçue avec le dossier"
        WAITING = "waiting", "En attente de confirmation"
        OPEN = "open", "Ouvert"
        REFUSED = "refused", "Refusé"
        CANCELLED = "cancelled", "Annulé"

    class Confirmed(models.TextChoices):
        BY_GUARDIAN = "guardian", "par un responsable déjà connu"
        BY_STAFF = "staff", "par un second agent"
        BY_TIME = "time", "à la fin du délai"
        FREE = "free", "sans attente : adresse reçue avec le dossier"

    kind = models.CharField("quoi", max_length=8, choices=Kind)
    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="access_openings", verbose_name="foyer"
    )
    guardian = models.ForeignKey(
        Guardian,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="access_openings",
        verbose_name="responsable",
    )
    child = models.ForeignKey(
        Child,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="access_openings",
        verbose_name="enfant",
    )
    copy = models.ForeignKey(
        Child,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="double que ce foyer avait saisi",
    )
    # The login that waits; the address stays readable when it is gone.
    user = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="compte"
    )
    address = models.EmailField("adresse e-mail", blank=True)
    former_address = models.EmailField("adresse d'avant", blank=True)
    asked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="demandé par"
    )
    asked_by_name = models.CharField("demandé par", max_length=160, blank=True)
    asked_at = models.DateTimeField("demandé le")
    # Set, the owner of `address` has to agree, through a link that is sent there and holds until then. An
    # account that is there already is tied, and none is made: `user` is empty until it agreed.
    expires_at = models.DateTimeField("invitation valable jusqu'au", null=True, blank=True)
    agreed_at = models.DateTimeField("acceptée par la personne le", null=True, blank=True)
    letters_left_at = models.DateTimeField("messages partis le", null=True, blank=True)
    state = models.CharField("état", max_length=10, choices=State, default=State.WAITING, db_index=True)
    answered_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="réponse de"
    )
    answered_by_name = models.CharField("réponse de", max_length=160, blank=True)
    answered_at = models.DateTimeField("réponse le", null=True, blank=True)
    confirmed = models.CharField("confirmé", max_length=8, choices=Confirmed, blank=True)

    objects = AccessOpeningQuerySet.as_manager()

    class Meta:
        verbose_name = "ouverture d'accès"
        verbose_name_plural = "ouvertures d'accès"
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["guardian"],
                condition=Q(state="waiting", kind="guardian"),
                name="one_waiting_opening_a_guardian",
                violation_error_message="Un accès attend déjà d'être confirmé pour cette personne.",
            ),
            models.UniqueConstraint(
                fields=["child", "household"],
                condition=Q(state="waiting", kind="home"),
                name="one_waiting_opening_a_child_and_household",
                violation_error_message="Ce foyer attend déjà d'être confirmé pour cet enfant.",
            ),
            models.CheckConstraint(
                condition=Q(kind="guardian", guardian__isnull=False, child__isnull=True)
                | Q(kind="home", child__isnull=False, guardian__isnull=True),
                name="an_opening_is_of_a_guardian_or_of_a_child",
                violation_error_message="Une ouverture d'accès concerne un responsable ou un enfant.",
            ),
        ]

    def __str__(self) -> str:
        whom = str(self.guardian) if self.kind == self.Kind.GUARDIAN else str(self.child)
        return f"{self.get_kind_display()} : {whom}, {self.household}"

    @property
    def waits(self) -> bool:
        return self.state == self.State.WAITING

    @property
    def is_invitation(self) -> bool:
        """Whether the owner of the address has to agree, or had to."""
        return self.expires_at is not None

    @property
    def is_of_joining(self) -> bool:
        """Whether it is a login of two households that became one: nobody was invited."""
        return self.agreed_at is not None and self.expires_at is None

    @property
    def is_of_family(self) -> bool:
        """Whether an adult of the household invited, whom the town hall answered: nobody else confirms."""
        return (
            self.is_invitation and self.confirmed == self.Confirmed.BY_GUARDIAN and not self.answered_by_name
        )


class GuardianCode(models.Model):
    """A code on paper by which an adult asks for a login: only its mark is kept, until it is used or over.

    Written by `families.custody.codes` only.
    """

    guardian = models.OneToOneField(
        Guardian, on_delete=models.CASCADE, related_name="code", verbose_name="responsable"
    )
    mark = models.CharField("empreinte", max_length=64)
    made_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="imprimé par"
    )
    made_at = models.DateTimeField("imprimé le")
    expires_at = models.DateTimeField("valable jusqu'au", db_index=True)

    class Meta:
        verbose_name = "code d'ouverture d'un compte"
        verbose_name_plural = "codes d'ouverture d'un compte"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.guardian}, jusqu'au {self.expires_at:%d/%m/%Y}"


class OwnDecision(models.Model):
    """That a member of staff decided about the own household, since nobody else had the right, and why.

    Written by `families.custody.own` only.
    """

    user = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="own_decisions", verbose_name="agent"
    )
    user_name = models.CharField("agent", max_length=160)
    household = models.ForeignKey(
        Household, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="foyer"
    )
    reason = models.CharField("motif", max_length=300)
    at = models.DateTimeField("le")

    class Meta:
        verbose_name = "décision pour son propre foyer"
        verbose_name_plural = "décisions pour son propre foyer"
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.user_name}, {self.household}"
