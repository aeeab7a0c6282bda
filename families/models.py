"""People: accounts, households, guardians, children. Knows nothing of what they book."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac
from django.utils.formats import number_format
from simple_history.models import HistoricalRecords

from families import login_names, passwords
from families.visibility import VisibleQuerySet, belongs_to
from portal.files.uploads import private_storage
from portal.french.phones import PhoneField


class User(AbstractUser):
    """A login: a guardian's or an agent's."""

    email = models.EmailField("adresse e-mail", blank=True)
    session_generation = models.PositiveIntegerField(
        "déconnexions partout",
        default=0,
        editable=False,
        help_text="Compte les « Se déconnecter partout » : les sessions d'une génération passée sont closes.",
    )

    class Meta:
        verbose_name = "compte de connexion"
        verbose_name_plural = "comptes de connexion"
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                condition=~Q(email=""),
                name="one_account_an_email",
                violation_error_message="Un compte utilise déjà cette adresse e-mail.",
            )
        ]

    def clean(self) -> None:
        """Names in the form that is kept. Raises ValidationError where another account has them."""
        super().clean()
        wrong = {}
        for name, free in (("username", login_names.free_identifiant), ("email", login_names.free_address)):
            typed = getattr(self, name)
            if typed:
                try:
                    setattr(self, name, free(typed, owner=self))
                except ValidationError as refusal:
                    wrong[name] = refusal
        if wrong:
            raise ValidationError(wrong)

    def set_password(self, raw_password: str | None) -> None:
        super().set_password(raw_password if raw_password is None else passwords.kept_form(raw_password))

    def check_password(self, raw_password: str | None) -> bool:
        """As it is typed, then in the form in which it is kept; a hash of another form is made anew."""
        if raw_password is None:
            return super().check_password(None)
        kept = passwords.kept_form(raw_password)
        if super().check_password(raw_password):
            if raw_password != kept:
                self.set_password(kept)
                self.save(update_fields=["password"])
            return True
        return raw_password != kept and super().check_password(kept)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # Django ends every session whose hash no longer fits: a new password, or a new generation.
        return salted_hmac(
            "families.User.session",
            f"{self.password}:{self.session_generation}",
            secret=secret,
            algorithm="sha256",
        ).hexdigest()


class AlreadyAnswered(Exception):
    """It was answered, or withdrawn, meanwhile. `str()` is a sentence for who acts."""


class Decided(models.Model):
    """Something the town hall answers: who decided, when, and why not."""

    decided_at = models.DateTimeField("traité le", null=True, blank=True, editable=False)
    decided_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name="traité par",
    )
    refusal_reason = models.CharField("motif du refus", max_length=300, blank=True)

    class Meta:
        abstract = True


def household_number(household_id: int) -> str:
    """« 000123 »: what families and the town hall call a household by."""
    return f"{household_id:06d}"


class HouseholdQuerySet(VisibleQuerySet["Household"]):
    of_household = ""

    def lock(self, keys: "Iterable[int] | models.QuerySet[Any, Any]") -> None:
        """Holds these households (keys, or a query of keys) until the transaction ends.

        What belongs to a household as a whole, its money first, is written by one transaction at a time.
        Always in the order of keys, so that two that want the same households never wait for each other.
        Raises TransactionManagementError outside a transaction, where the database locks rows.
        """
        list(self.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))


class Household(Decided):
    """A home: where letters go, and who is billed."""

    class State(models.TextChoices):
        REQUESTED = "requested", "En attente de validation"
        ACCEPTED = "accepted", "Validé"
        REFUSED = "refused", "Refusé"

    street = models.CharField("adresse", max_length=200)
    street_more = models.CharField("complément d'adresse", max_length=200, blank=True)
    postcode = models.CharField("code postal", max_length=10)
    city = models.CharField("commune", max_length=100)
    resident = models.BooleanField("habite la commune", default=True)
    state = models.CharField("état", max_length=12, choices=State, default=State.REQUESTED, db_index=True)
    created_at = models.DateTimeField("créé le", auto_now_add=True)
    notes = models.TextField("notes du service", blank=True, help_text="Jamais montrées à la famille.")

    objects = HouseholdQuerySet.as_manager()
    history = HistoricalRecords(excluded_fields=["notes"])

    class Meta:
        verbose_name = "foyer"
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"Foyer n° {self.number}"

    @property
    def number(self) -> str:
        return household_number(self.pk)

    @property
    def is_accepted(self) -> bool:
        return self.state == self.State.ACCEPTED

    def quotient_on(self, day: date) -> "FamilyQuotient | None":
        """The quotient in force that day, or None when no proof was given."""
        return self.quotients.in_force(day).first()


class FamilyQuotientQuerySet(models.QuerySet["FamilyQuotient"]):
    def in_force(self, day: date) -> "FamilyQuotientQuerySet":
        return self.filter(Q(valid_from__lte=day), Q(valid_to=None) | Q(valid_to__gte=day)).order_by(
            "-valid_from"
        )


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

    objects = FamilyQuotientQuerySet.as_manager()
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


class Guardian(models.Model):
    """An adult of a household, with an own login once they have created it."""

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="guardians", verbose_name="foyer"
    )
    user = models.OneToOneField(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="guardian",
        verbose_name="compte de connexion",
    )
    first_name = models.CharField("prénom", max_length=80)
    last_name = models.CharField("nom", max_length=80)
    phone = PhoneField("téléphone", max_length=30, blank=True)
    phone_work = PhoneField("téléphone professionnel", max_length=30, blank=True)
    is_payer = models.BooleanField("reçoit les factures", default=True)

    class Meta:
        verbose_name = "responsable"
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}"


class ChildQuerySet(models.QuerySet["Child"]):
    def visible_to(self, user: Any) -> "ChildQuerySet":
        """The children living in a household of `user`, each once."""
        homes = Custody.objects.filter(belongs_to(user, "household"))
        return self.filter(pk__in=homes.values("child_id"))


class Child(models.Model):
    """A child; lives in one household, or in two (see Custody)."""

    first_name = models.CharField("prénom", max_length=80)
    last_name = models.CharField("nom", max_length=80)
    birth_date = models.DateField("date de naissance")
    households = models.ManyToManyField(
        Household, through="Custody", related_name="children", verbose_name="foyers"
    )
    photo_allowed = models.BooleanField("peut être photographié(e)", default=False)
    leaves_alone = models.BooleanField("peut repartir seul(e)", default=False)
    emergency_care_allowed = models.BooleanField("soins d'urgence autorisés", default=False)

    objects = ChildQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "enfant"
        ordering = ["last_name", "first_name", "pk"]
        indexes = [models.Index(fields=["last_name", "first_name"], name="child_by_name")]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}"

    def age_on(self, day: date) -> int:
        """Whole years on `day`."""
        birthday_passed = (day.month, day.day) >= (self.birth_date.month, self.birth_date.day)
        return day.year - self.birth_date.year - (0 if birthday_passed else 1)


class Custody(models.Model):
    """That a child lives in a household; alternating custody is two of these."""

    child = models.ForeignKey(
        Child, on_delete=models.CASCADE, related_name="custodies", verbose_name="enfant"
    )
    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="custodies", verbose_name="foyer"
    )

    class Meta:
        verbose_name = "garde"
        constraints = [
            models.UniqueConstraint(
                fields=["child", "household"],
                name="one_custody_a_child_and_household",
                violation_error_message="Cet enfant vit déjà dans ce foyer.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.child} – {self.household}"


class ChildHealth(models.Model):
    """Health notes of a child: for its guardians and for staff with the permission only."""

    child = models.OneToOneField(
        Child, on_delete=models.CASCADE, related_name="health", verbose_name="enfant"
    )
    has_pai = models.BooleanField("projet d'accueil individualisé (PAI)", default=False)
    allergies = models.TextField("allergies", blank=True)
    treatment = models.TextField("traitement, conduite à tenir", blank=True)
    doctor = models.CharField("médecin traitant", max_length=120, blank=True)
    doctor_phone = PhoneField("téléphone du médecin", max_length=30, blank=True)
    updated_at = models.DateTimeField("mis à jour le", auto_now=True)

    class Meta:
        verbose_name = "fiche sanitaire"
        verbose_name_plural = "fiches sanitaires"

    def __str__(self) -> str:
        return f"Fiche sanitaire de {self.child}"


class Diet(models.Model):
    """A diet that the kitchen cooks for: « Sans régime particulier », « Sans porc »…"""

    name = models.CharField("nom", max_length=80, unique=True)
    needs_pai = models.BooleanField("demande un PAI", default=False)
    order = models.PositiveSmallIntegerField("ordre", default=0)
    active = models.BooleanField("proposé", default=True)

    class Meta:
        verbose_name = "régime alimentaire"
        verbose_name_plural = "régimes alimentaires"
        ordering = ["order", "name"]

    def __str__(self) -> str:
        return self.name


class DietChoice(models.Model):
    """What a child eats, wherever it eats; asked for with its enrolment at the canteen."""

    child = models.OneToOneField(
        Child, on_delete=models.CASCADE, related_name="diet_choice", verbose_name="enfant"
    )
    diet = models.ForeignKey(
        Diet, on_delete=models.PROTECT, related_name="choices", verbose_name="régime alimentaire"
    )

    class Meta:
        verbose_name = "régime choisi"
        verbose_name_plural = "régimes choisis"

    def __str__(self) -> str:
        return str(self.diet)


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


class AuthorisedPerson(models.Model):
    """Somebody who may collect a child besides its guardians."""

    child = models.ForeignKey(
        Child, on_delete=models.CASCADE, related_name="authorised_people", verbose_name="enfant"
    )
    name = models.CharField("prénom et nom", max_length=120)
    relationship = models.CharField("lien avec l'enfant", max_length=60, blank=True)
    phone = PhoneField("téléphone", max_length=30)

    class Meta:
        verbose_name = "personne autorisée"
        verbose_name_plural = "personnes autorisées à venir chercher l'enfant"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class DocumentQuerySet(VisibleQuerySet["Document"]):
    def open_to_staff(self, user: Any) -> "DocumentQuerySet":
        """Files that a member of staff has the right to open; none for others."""
        return self.filter(right__in=user.get_all_permissions()) if user.is_staff else self.none()


class Document(models.Model):
    """A file a family sent. Its type was read from its content, never believed from its name."""

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="documents", verbose_name="foyer"
    )
    file = models.FileField("fichier", storage=private_storage, upload_to="justificatifs/%Y/%m")
    name = models.CharField("nom du fichier", max_length=200)
    content_type = models.CharField("type", max_length=60)
    uploaded_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="envoyé par"
    )
    uploaded_at = models.DateTimeField("envoyé le", auto_now_add=True)
    # A doctor's certificate is not for all who may see a tax notice.
    right = models.CharField(
        "droit qui l'ouvre à la mairie", max_length=100, default="families.view_document", editable=False
    )

    objects = DocumentQuerySet.as_manager()

    class Meta:
        verbose_name = "justificatif"
        ordering = ["-uploaded_at"]

    def __str__(self) -> str:
        return self.name


class ChangeRequestQuerySet(VisibleQuerySet["ChangeRequest"]):
    """Requests of households."""


class ChangeRequest(Decided):
    """An address or a quotient that a household asks the town hall to take over, with its proof."""

    class Kind(models.TextChoices):
        ADDRESS = "address", "Changement d'adresse"
        QUOTIENT = "quotient", "Quotient familial"

    class State(models.TextChoices):
        REQUESTED = "requested", "En attente de traitement"
        ACCEPTED = "accepted", "Acceptée"
        REFUSED = "refused", "Refusée"

    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="change_requests", verbose_name="foyer"
    )
    kind = models.CharField("demande", max_length=12, choices=Kind)
    state = models.CharField("état", max_length=12, choices=State, default=State.REQUESTED, db_index=True)
    street = models.CharField("adresse", max_length=200, blank=True)
    street_more = models.CharField("complément d'adresse", max_length=200, blank=True)
    postcode = models.CharField("code postal", max_length=10, blank=True)
    city = models.CharField("commune", max_length=100, blank=True)
    quotient = models.DecimalField(
        "quotient familial",
        max_digits=9,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0, "Un quotient familial n'est jamais négatif.")],
    )
    valid_from = models.DateField("valable à partir du", null=True, blank=True)
    proof = models.ForeignKey(
        Document, on_delete=models.PROTECT, null=True, blank=True, verbose_name="justificatif"
    )
    requested_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="demandé par"
    )
    requested_at = models.DateTimeField("demandé le", auto_now_add=True)

    objects = ChangeRequestQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "demande de modification"
        verbose_name_plural = "demandes de modification"
        ordering = ["-requested_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["household", "kind"],
                condition=Q(state="requested"),
                name="one_open_change_request_a_kind",
                violation_error_message="Une demande de ce type attend déjà une réponse de la mairie.",
            ),
            models.CheckConstraint(
                condition=~Q(kind="quotient") | Q(quotient__gte=0, valid_from__isnull=False),
                name="quotient_request_is_complete",
                violation_error_message="Indiquez le quotient familial et sa date.",
            ),
            models.CheckConstraint(
                condition=~Q(kind="address") | (~Q(street="") & ~Q(postcode="") & ~Q(city="")),
                name="address_request_is_complete",
                violation_error_message="Indiquez l'adresse, le code postal et la commune.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} – {self.household}"
