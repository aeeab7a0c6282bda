"""Homes, their adults and their quotient."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.formats import number_format
from simple_history.models import HistoricalRecords

from families.models.accounts import User
from families.models.decisions import Decided
from families.visibility import VisibleQuerySet
from portal.database.history import History
from portal.database.trials import TrialsApart
from portal.french.names import FoldedField, NameField, WithFolded
from portal.french.phones import PhoneField


def household_number(household_id: int) -> str:
    """« 000123 »: what families and the town hall call a household by."""
    return f"{household_id:06d}"


class HouseholdQuerySet(VisibleQuerySet["Household"]):
    of_household = ""

    def lock(
        self, keys: "Iterable[int] | models.QuerySet[Any, Any]", *, rows_may_come: bool = False
    ) -> dict[int, int | None]:
        """Holds these households (keys, or a query of keys) until the transaction ends.

        What belongs to a household as a whole, its money first, is written by one transaction at a time.
        Always in the order of keys, so that two that want the same households never wait for each other.
        `rows_may_come`: rows that only point at them, reservations say, do not wait meanwhile.
        Where one was joined to another, that one is held too. Returns those held, by key, each with the one
        it was joined to. Raises TransactionManagementError outside a transaction, where the database locks
        rows.
        """
        rows = self.select_for_update(no_key=rows_may_come, of=("self",)).order_by("pk")
        held = dict(rows.filter(pk__in=keys).values_list("pk", "joined_to"))
        if joined := {to for to in held.values() if to is not None}:
            held |= dict(rows.filter(pk__in=joined).values_list("pk", "joined_to"))
        return held


HouseholdManager = TrialsApart.from_queryset(HouseholdQuerySet)


class Household(WithFolded, Decided):
    """A home: where letters go, and who is billed."""

    class State(models.TextChoices):
        REQUESTED = "requested", "En attente de validation"
        ACCEPTED = "accepted", "Validé"
        REFUSED = "refused", "Refusé"

    street = models.CharField("adresse", max_length=200)
    street_more = models.CharField("complément d'adresse", max_length=200, blank=True)
    postcode = models.CharField("code postal", max_length=10)
    city = models.CharField("commune", max_length=100)
    folded = FoldedField(of=("street", "city"))
    resident = models.BooleanField("habite la commune", default=True)
    state = models.CharField("état", max_length=12, choices=State, default=State.REQUESTED, db_index=True)
    created_at = models.DateTimeField("créé le", auto_now_add=True)
    notes = models.TextField("notes du service", blank=True, help_text="Jamais montrées à la famille.")
    # Set, nothing of it is known any more but what the law keeps: it is no family's and on no list.
    erased_at = models.DateTimeField("effacé le", null=True, blank=True, editable=False)
    # Set, all of it is that household's: it is no family's and on no list. Written by `families.joining`.
    joined_to = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="joined_homes",
        verbose_name="réuni avec le foyer",
    )

    # Set at its birth and for ever: who tries the portal as a family has it, and no reader counts it. Read by
    # `portal.database.trials`, written by `portal.reservations.acts.trials`.
    trial = models.BooleanField(
        "foyer d'essai",
        default=False,
        db_default=False,
        editable=False,
        help_text="Ne compte nulle part, et ne devient jamais un vrai foyer.",
    )
    trial_of = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name="essayé par",
    )

    objects = HouseholdManager()
    history = HistoricalRecords(
        excluded_fields=["notes", "folded", "erased_at", "joined_to", "trial", "trial_of"]
    )

    class Meta:
        verbose_name = "foyer"
        ordering = ["pk"]
        indexes = [models.Index(fields=["id"], condition=Q(trial=True), name="household_on_trial")]
        constraints = [
            models.UniqueConstraint(
                fields=["trial_of"],
                condition=Q(trial=True),
                name="one_trial_an_agent",
                violation_error_message="Vous avez déjà un foyer d'essai.",
            ),
            models.CheckConstraint(
                condition=Q(trial=True) | Q(trial_of=None),
                name="only_trials_are_tried",
                violation_error_message="Seul un foyer d'essai est essayé par un agent.",
            ),
            models.CheckConstraint(
                condition=Q(trial=False) | Q(joined_to=None),
                name="no_trial_is_joined",
                violation_error_message="Un foyer d'essai ne rejoint aucun foyer.",
            ),
        ]
        permissions = [("export_household", "Sortir des personnes dans un fichier")]

    def __str__(self) -> str:
        return f"Foyer n°\xa0{self.number}"

    @property
    def number(self) -> str:
        return household_number(self.pk)

    @property
    def is_accepted(self) -> bool:
        return self.state == self.State.ACCEPTED

    @property
    def is_refused(self) -> bool:
        return self.state == self.State.REFUSED

    def quotient_on(self, day: date) -> "FamilyQuotient | None":
        """The quotient in force that day, or None when no proof was given."""
        return self.quotients.in_force(day).first()


class Residence(models.Model):
    """That a household lives in the town, or no longer does, from a day on; a price asks for the day's.

    Written by `families.residences` only, which keeps `Household.resident` at what holds today. A household
    that never moved has no row: it has always lived where `resident` says.
    """

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="residences", verbose_name="foyer"
    )
    starts_on = models.DateField("à partir du", null=True, blank=True, help_text="Vide : depuis toujours.")
    resident = models.BooleanField("habite la commune")
    told_at = models.DateTimeField("su le")

    history = HistoricalRecords()

    class Meta:
        verbose_name = "résidence"
        ordering = [F("starts_on").asc(nulls_first=True)]
        constraints = [
            models.UniqueConstraint(
                fields=["household", "starts_on"],
                name="one_residence_a_start",
                violation_error_message="La résidence de ce foyer change déjà ce jour-là.",
            ),
            models.UniqueConstraint(
                fields=["household"],
                condition=Q(starts_on=None),
                name="one_residence_since_always",
                violation_error_message="Ce foyer a déjà une résidence « depuis toujours ».",
            ),
        ]

    def __str__(self) -> str:
        where = "Habite la commune" if self.resident else "Habite hors commune"
        return f"{where} depuis le {self.starts_on:%d/%m/%Y}" if self.starts_on else where


class FormerAddress(models.Model):
    """Where a household lived until a day: a rule that asks for a street or a town asks for the day's.

    Written by `families.residences` only. A household that never moved has no row.
    """

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="former_addresses", verbose_name="foyer"
    )
    until = models.DateField("jusqu'au")
    street = models.CharField("adresse", max_length=200)
    postcode = models.CharField("code postal", max_length=10)
    city = models.CharField("commune", max_length=100)
    told_at = models.DateTimeField("déménagement su le")

    class Meta:
        verbose_name = "ancienne adresse"
        verbose_name_plural = "anciennes adresses"
        ordering = ["until"]
        constraints = [
            models.UniqueConstraint(
                fields=["household", "until"],
                name="one_former_address_an_end",
                violation_error_message="L'adresse de ce foyer change déjà ce jour-là.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.postcode} {self.city}, jusqu'au {self.until:%d/%m/%Y}"


# How long before a quotient ends one is told.
QUOTIENT_ENDS_SOON = timedelta(weeks=4)


def is_followed(last: date, following: date | None) -> bool:
    """Whether the next quotient (its first day; None: there is none) goes on where one ends."""
    return following is not None and following <= last + timedelta(days=1)


class FamilyQuotientQuerySet(models.QuerySet["FamilyQuotient"]):
    def in_force(self, day: date) -> "FamilyQuotientQuerySet":
        return self.filter(Q(valid_from__lte=day), Q(valid_to=None) | Q(valid_to__gte=day)).order_by(
            "-valid_from"
        )


FamilyQuotientManager = TrialsApart.from_queryset(FamilyQuotientQuerySet)


class FamilyQuotient(models.Model):
    """Quotient familial (CAF or MSA) of a household, dated."""

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="quotients", verbose_name="foyer"
    )
    value = models.DecimalField(
        "quotient familial",
        max_digits=9,
        decimal_places=2,
        validators=[MinValueValidator(0, "Un quotient familial n'est jamais négatif.")],
    )
    valid_from = models.DateField("valable du")
    valid_to = models.DateField("au", null=True, blank=True)
    known_on = models.DateField(
        "connu le",
        null=True,
        blank=True,
        help_text="Le jour où la famille l'a donné. Vide : aujourd'hui pour un nouveau quotient.",
    )
    # Where a later quotient cut it short: when that one was known. Null: its end was known from the start.
    end_known_on = models.DateField("fin connue le", null=True, blank=True, editable=False)

    objects = FamilyQuotientManager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "quotient familial"
        verbose_name_plural = "quotients familiaux"
        ordering = ["-valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["household", "valid_from"],
                name="one_quotient_a_start",
                violation_error_message="Un quotient commence déjà ce jour-là pour ce foyer.",
            ),
            models.CheckConstraint(
                condition=Q(value__gte=0),
                name="quotient_not_negative",
                violation_error_message="Un quotient familial n'est jamais négatif.",
            ),
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="quotient_ends_after_start",
                violation_error_message="Le quotient doit finir après son début.",
            ),
        ]

    def __str__(self) -> str:
        return f"{number_format(self.value)} depuis le {self.valid_from:%d/%m/%Y}"


class Guardian(WithFolded):
    """An adult of a household, with an own login once they have created it.

    Who belongs to two households is a guardian in each, with one login: `families.which_home` says which of
    them a page shows.
    """

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="guardians", verbose_name="foyer"
    )
    user = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="guardians",
        verbose_name="compte de connexion",
    )
    first_name = NameField("prénom", max_length=80)
    last_name = NameField("nom", max_length=80)
    folded = FoldedField(of=("first_name", "last_name"))
    phone = PhoneField("téléphone", max_length=30, blank=True)
    phone_work = PhoneField("téléphone professionnel", max_length=30, blank=True)
    # What a file brought of who has no login yet: invited there, and never written to otherwise.
    email_given = models.EmailField(
        "adresse e-mail donnée à la mairie",
        blank=True,
        db_default="",
        default="",
        help_text="Sert à inviter la personne à ouvrir son compte ; le compte a ensuite sa propre adresse.",
    )
    is_payer = models.BooleanField("reçoit les factures", default=True)
    # The address that mails no longer reach, since when and what the server said: it counts as long as it is
    # the login's. Written by `families.unreached` alone.
    unreached_address = models.EmailField(
        "adresse qui ne répond plus", blank=True, db_default="", default="", editable=False
    )
    unreached_since = models.DateTimeField("ne répond plus depuis le", null=True, blank=True, editable=False)
    unreached_why = models.CharField(
        "réponse du serveur", max_length=200, blank=True, db_default="", default="", editable=False
    )
    # Told by a mail that came back: that a relay takes the next one proves nothing.
    unreached_by_report = models.BooleanField(
        "su par un message revenu", db_default=False, default=False, editable=False
    )

    objects = TrialsApart["Guardian"]()
    history = History(
        excluded_fields=[
            "folded",
            "unreached_address",
            "unreached_since",
            "unreached_why",
            "unreached_by_report",
        ]
    )

    class Meta:
        verbose_name = "responsable"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "household"],
                name="one_guardian_a_login_and_household",
                violation_error_message="Ce compte a déjà accès à ce foyer.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}"
