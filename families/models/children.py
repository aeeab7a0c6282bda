"""Children: where they live, what they eat, how they are, who may collect them."""

from datetime import date
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from families.models.households import Household
from families.visibility import belongs_to, holds
from portal.database.composed import Given
from portal.database.encrypted import (
    EncryptedCharField,
    EncryptedListField,
    EncryptedPhoneField,
    EncryptedTextField,
    Unreadable,
)
from portal.database.history import History
from portal.database.trials import TrialsApart
from portal.french.names import FoldedField, NameField, WithFolded
from portal.french.phones import PhoneField


def age_on(born: date, day: date) -> int:
    """Whole years on `day` of who was born that day."""
    birthday_passed = (day.month, day.day) >= (born.month, born.day)
    return day.year - born.year - (0 if birthday_passed else 1)


class ChildQuerySet(models.QuerySet["Child"]):
    def visible_to(self, user: Any) -> "ChildQuerySet":
        """The children that live in a household of `user` today, each once."""
        homes = Custody.objects.on(timezone.localdate()).filter(belongs_to(user, "household"))
        return self.filter(pk__in=homes.values("child_id"))

    def living_in(self, household: Household | int | Given, day: date) -> "ChildQuerySet":
        """The children of a household on `day`, each once."""
        return self.filter(holds(day, "custodies"), custodies__household=household)


ChildManager = TrialsApart.from_queryset(ChildQuerySet)


class Child(WithFolded):
    """A child; lives in one household, or in two (see Custody)."""

    first_name = NameField("prénom", max_length=80)
    last_name = NameField("nom", max_length=80)
    folded = FoldedField(of=("first_name", "last_name"))
    birth_date = models.DateField("date de naissance")
    households = models.ManyToManyField(
        Household, through="Custody", related_name="children", verbose_name="foyers"
    )
    photo_allowed = models.BooleanField("peut être photographié(e)", default=False)
    leaves_alone = models.BooleanField("peut repartir seul(e)", default=False)
    emergency_care_allowed = models.BooleanField("soins d'urgence autorisés", default=False)
    # Whose day it is, of a child in two homes; written by `families.custody.calendars`.
    custody_calendar = models.ForeignKey(
        "families.CustodyCalendar",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name="calendrier de garde",
    )
    # Set, it has no name any more: it only holds presences, for statistics and for what the law keeps.
    erased_at = models.DateTimeField("effacé le", null=True, blank=True, editable=False)
    # Set, it was the same child typed twice: only documents name this row. Written by `families.joining`.
    joined_to = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="doubles",
        verbose_name="même enfant que",
    )

    objects = ChildManager()
    history = HistoricalRecords(excluded_fields=["folded", "erased_at", "custody_calendar", "joined_to"])

    class Meta:
        verbose_name = "enfant"
        ordering = ["last_name", "first_name", "pk"]
        indexes = [models.Index(fields=["last_name", "first_name"], name="child_by_name")]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}"

    def age_on(self, day: date) -> int:
        """Whole years on `day`."""
        return age_on(self.birth_date, day)


class CustodyQuerySet(models.QuerySet["Custody"]):
    def on(self, day: date) -> "CustodyQuerySet":
        """Those that hold on `day`."""
        return self.filter(holds(day))


CustodyManager = TrialsApart.from_queryset(CustodyQuerySet)


class Custody(models.Model):
    """That a child lives in a household, between two days; alternating custody is two of these.

    One row for a child and a household: what ended and begins again is the same row, whose history tells the
    days before. Written by `families.custody` only; never deleted, since days of the past are still billed.
    """

    child = models.ForeignKey(
        Child, on_delete=models.CASCADE, related_name="custodies", verbose_name="enfant"
    )
    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="custodies", verbose_name="foyer"
    )

    since = models.DateField("depuis le", null=True, blank=True, help_text="Vide : depuis toujours.")
    # The first day on which the child no longer lives there: what ends at once ends today.
    until = models.DateField("n'y vit plus à partir du", null=True, blank=True, help_text="Vide : en cours.")

    objects = CustodyManager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "garde"
        constraints = [
            models.CheckConstraint(
                condition=Q(since=None) | Q(until=None) | Q(until__gte=F("since")),
                name="custody_ends_after_it_begins",
                violation_error_message="Une garde ne peut pas finir avant d'avoir commencé.",
            ),
            models.UniqueConstraint(
                fields=["child", "household"],
                name="one_custody_a_child_and_household",
                violation_error_message="Cet enfant vit déjà dans ce foyer.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.child} – {self.household}"

    def holds_on(self, day: date) -> bool:
        """Whether the child lives there that day."""
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)


class ChildHealth(models.Model):
    """Health notes of a child: for its guardians and for staff with the permission only.

    Encrypted, save whether there is a PAI: prices and enrolments ask for it.
    """

    child = models.OneToOneField(
        Child, on_delete=models.CASCADE, related_name="health", verbose_name="enfant"
    )
    has_pai = models.BooleanField("projet d'accueil individualisé (PAI)", default=False)
    allergens = EncryptedListField("allergènes", default=list, db_default="", blank=True)
    allergies = EncryptedTextField("précisions sur les allergies", blank=True)
    treatment = EncryptedTextField("traitement, conduite à tenir", blank=True)
    doctor = EncryptedCharField("médecin traitant", max_length=120, blank=True)
    doctor_phone = EncryptedPhoneField("téléphone du médecin", max_length=30, blank=True)
    updated_at = models.DateTimeField("mis à jour le", auto_now=True)

    objects = TrialsApart["ChildHealth"]()
    history = History(excluded_fields=["updated_at"])

    class Meta:
        verbose_name = "fiche sanitaire"
        verbose_name_plural = "fiches sanitaires"

    def __str__(self) -> str:
        return f"Fiche sanitaire de {self.child}"

    @property
    def known_allergies(self) -> str:
        """What was ticked and what was written, in one line of French; empty when nothing was."""
        return allergies_in_words(self.allergens, self.allergies)


class Diet(models.Model):
    """A diet that the kitchen cooks for: « Sans régime particulier », « Sans porc »…"""

    name = models.CharField("nom", max_length=80, unique=True)
    needs_pai = models.BooleanField("demande un PAI", default=False)
    # Which of two diets is the stricter: see `families.diets`.
    without_pork = models.BooleanField("sans porc", default=False, db_default=False)
    without_meat = models.BooleanField("sans viande", default=False, db_default=False)
    without_fish = models.BooleanField("sans poisson", default=False, db_default=False)
    without_animals = models.BooleanField("sans aucun produit animal", default=False, db_default=False)
    order = models.PositiveSmallIntegerField("ordre", default=0)
    active = models.BooleanField("proposé", default=True)

    class Meta:
        verbose_name = "régime alimentaire"
        verbose_name_plural = "régimes alimentaires"
        ordering = ["order", "name"]

    def __str__(self) -> str:
        return self.name


class DietChoice(models.Model):
    """What a child eats, wherever it eats: one plate, one truth. Asked for with its first enrolment where a
    meal is eaten. Written by `families.diets` only.
    """

    child = models.OneToOneField(
        Child, on_delete=models.CASCADE, related_name="diet_choice", verbose_name="enfant"
    )
    diet = models.ForeignKey(
        Diet, on_delete=models.PROTECT, related_name="choices", verbose_name="régime alimentaire"
    )
    # Its homes say different diets: `diet` is then the stricter, until the town hall or they have settled it.
    differs_since = models.DateTimeField("les foyers diffèrent depuis", null=True, blank=True, editable=False)

    objects = TrialsApart["DietChoice"]()

    class Meta:
        verbose_name = "régime choisi"
        verbose_name_plural = "régimes choisis"

    def __str__(self) -> str:
        return str(self.diet)


class HomeDiet(models.Model):
    """Which diet a home says; the child's is its `DietChoice`. Written by `families.diets` only."""

    child = models.ForeignKey(
        Child, on_delete=models.CASCADE, related_name="home_diets", verbose_name="enfant"
    )
    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="home_diets", verbose_name="foyer"
    )
    diet = models.ForeignKey(
        Diet, on_delete=models.PROTECT, related_name="home_diets", verbose_name="régime alimentaire"
    )
    said_at = models.DateTimeField("indiqué le", null=True, blank=True)

    objects = TrialsApart["HomeDiet"]()

    class Meta:
        verbose_name = "régime indiqué par un foyer"
        verbose_name_plural = "régimes indiqués par les foyers"
        constraints = [
            models.UniqueConstraint(
                fields=["child", "household"],
                name="one_diet_a_child_and_household",
                violation_error_message="Ce foyer a déjà indiqué un régime pour cet enfant.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.household} : {self.diet}"


class Allergen(models.TextChoices):
    """The fourteen allergens to declare: règlement (UE) n° 1169/2011, annexe II."""

    GLUTEN = "gluten", "Gluten"
    CRUSTACEANS = "crustaceans", "Crustacés"
    EGGS = "eggs", "Œufs"
    FISH = "fish", "Poisson"
    PEANUTS = "peanuts", "Arachides"
    SOYA = "soya", "Soja"
    MILK = "milk", "Lait"
    NUTS = "nuts", "Fruits à coque"
    CELERY = "celery", "Céleri"
    MUSTARD = "mustard", "Moutarde"
    SESAME = "sesame", "Sésame"
    SULPHITES = "sulphites", "Sulfites"
    LUPIN = "lupin", "Lupin"
    MOLLUSCS = "molluscs", "Mollusques"


def allergies_in_words(allergens: list[str] | Unreadable | None, note: str | None) -> str:
    """« Arachides, Lait. Même en traces » out of the codes that were ticked and the note beside them."""
    if isinstance(allergens, Unreadable):
        ticked = str(allergens)
    else:
        ticked = ", ".join(allergen.label for allergen in Allergen if allergen in (allergens or ()))
    return ". ".join(words for words in (ticked, note) if words)


class AuthorisedPerson(models.Model):
    """Somebody who may collect a child besides its guardians."""

    child = models.ForeignKey(
        Child, on_delete=models.CASCADE, related_name="authorised_people", verbose_name="enfant"
    )
    name = models.CharField("prénom et nom", max_length=120)
    relationship = models.CharField("lien avec l'enfant", max_length=60, blank=True)
    phone = PhoneField("téléphone", max_length=30)

    history = History()

    class Meta:
        verbose_name = "personne autorisée"
        verbose_name_plural = "personnes autorisées à venir chercher l'enfant"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
