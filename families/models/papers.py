"""Files that families send, and what they ask for with them."""

from typing import Any

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from families.models.accounts import User
from families.models.children import Child
from families.models.decisions import Decided
from families.models.households import Household
from families.visibility import VisibleQuerySet
from portal.database.history import History
from portal.desk import rights
from portal.files.uploads import private_storage
from portal.french.names import NameField


class DocumentQuerySet(VisibleQuerySet["Document"]):
    def open_to_staff(self, user: Any) -> "DocumentQuerySet":
        """Files that a member of staff has the right to open, of the places where it has it; none for
        others."""
        if not user.is_staff:
            return self.none()
        partly = rights.held_in_part_by(user)
        found = self.filter(right__in=user.get_all_permissions() - partly)
        if partly:
            for right in partly.intersection(self.order_by().values_list("right", flat=True).distinct()):
                found |= rights.seen_by(user, self.filter(right=right), right)
        return found


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
    history = History()

    class Meta:
        verbose_name = "justificatif"
        ordering = ["-uploaded_at"]

    def __str__(self) -> str:
        return self.name


class ChangeRequestQuerySet(VisibleQuerySet["ChangeRequest"]):
    """Requests of households."""


class ChangeRequest(Decided):
    """What a household asks the town hall to take over: an address or a quotient with its proof, one more
    child, one more adult."""

    class Kind(models.TextChoices):
        ADDRESS = "address", "Changement d'adresse"
        QUOTIENT = "quotient", "Quotient familial"
        CHILD = "child", "Nouvel enfant"
        GUARDIAN = "guardian", "Nouveau responsable"

    class State(models.TextChoices):
        REQUESTED = "requested", "En attente de traitement"
        ACCEPTED = "accepted", "Acceptée"
        REFUSED = "refused", "Refusée"
        WITHDRAWN = "withdrawn", "Retirée"

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
    # One more child, or adult, as typed. The child itself is there at once, and waits with the request.
    first_name = NameField("prénom", max_length=80, blank=True, db_default="")
    last_name = NameField("nom", max_length=80, blank=True, db_default="")
    birth_date = models.DateField("date de naissance", null=True, blank=True)
    email = models.EmailField("adresse e-mail", blank=True, db_default="")
    child = models.ForeignKey(
        Child,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="change_requests",
        verbose_name="enfant",
    )
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
                condition=Q(state="requested") & ~Q(kind="child"),
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
            models.UniqueConstraint(
                fields=["child", "household"],
                condition=Q(state="requested", kind="child"),
                name="one_open_request_a_child",
                violation_error_message="Une demande attend déjà une réponse de la mairie pour cet enfant.",
            ),
            models.CheckConstraint(
                condition=~Q(kind="child")
                | Q(birth_date__isnull=False) & ~Q(first_name="") & ~Q(last_name=""),
                name="child_request_is_complete",
                violation_error_message="Indiquez le prénom, le nom et la date de naissance de l'enfant.",
            ),
            models.CheckConstraint(
                condition=~Q(kind="guardian") | (~Q(first_name="") & ~Q(last_name="") & ~Q(email="")),
                name="guardian_request_is_complete",
                violation_error_message="Indiquez le prénom, le nom et l'adresse e-mail de cette personne.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} – {self.household}"
