"""What only the leisure service has."""

from datetime import date
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from families.models import Child, Custody, Household, User
from leisure.criteria import Kind
from portal.database.history import History
from portal.reservations.models import Activity, Establishment

SERVICE = "leisure"
# How a town's file calls it.
SERVICE_WORD = "loisirs"


class CentreManager(models.Manager["Centre"]):
    def get_queryset(self) -> models.QuerySet["Centre"]:
        return super().get_queryset().filter(kind=Establishment.Kind.CENTRE)


class Centre(Establishment):
    """A leisure centre, as the service's own desk shows it."""

    objects: ClassVar[CentreManager] = CentreManager()

    class Meta:
        proxy = True
        verbose_name = "centre de loisirs"
        verbose_name_plural = "centres de loisirs"
        ordering = ["name"]


class ActivityCriterion(models.Model):
    """Who comes first where places are short: the criteria of an activity, the smallest `order` first.
    Without a row, « Départager » proposes its usual orders."""

    class Sort(models.TextChoices):
        RESIDENT = Kind.RESIDENT, "les familles de la commune"
        DISTRICT = Kind.DISTRICT, "les familles du quartier prioritaire"
        WHOLE_WEEKS = Kind.WHOLE_WEEKS, "les semaines entières"
        REGULAR = Kind.REGULAR, "les enfants inscrits toute l'année à une autre activité"
        WORK = Kind.WORK, "les parents qui travaillent ou sont en formation"
        DISABILITY = Kind.DISABILITY, "les enfants en situation de handicap"
        SIBLING = Kind.SIBLING, "un frère ou une sœur déjà accueilli ce jour-là"
        QUOTIENT = Kind.QUOTIENT, "le quotient familial le plus bas"
        PORTAL = Kind.PORTAL, "les demandes faites sur le portail, courrier et guichet ensuite"

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="criteria", verbose_name="activité"
    )
    order = models.PositiveSmallIntegerField(
        "rang", default=1, help_text="Le plus petit d'abord. À égalité de tout, l'ordre d'arrivée."
    )
    kind = models.CharField("d'abord", max_length=12, choices=Sort)

    history = History()

    class Meta:
        verbose_name = "critère de priorité"
        verbose_name_plural = "critères de priorité"
        ordering = ["activity", "order", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["activity", "kind"],
                name="a_criterion_once_an_activity",
                violation_error_message="Cette activité a déjà ce critère.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.activity} : {self.get_kind_display()}"


class PriorityStreet(models.Model):
    """A street, or a whole postcode, of the priority district."""

    street = models.CharField(
        "rue",
        max_length=120,
        blank=True,
        help_text="Sans numéro : « rue des Lilas ». Vide : tout le code postal.",
    )
    postcode = models.CharField("code postal", max_length=10, blank=True, help_text="Vide : quel qu'il soit.")

    class Meta:
        verbose_name = "rue du quartier prioritaire"
        verbose_name_plural = "rues du quartier prioritaire"
        ordering = ["postcode", "street"]
        constraints = [
            models.UniqueConstraint(
                fields=["street", "postcode"],
                name="a_priority_street_once",
                violation_error_message="Cette rue y est déjà.",
            ),
            models.CheckConstraint(
                condition=~Q(street="") | ~Q(postcode=""),
                name="a_priority_street_says_where",
                violation_error_message="Indiquez une rue ou un code postal.",
            ),
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.street, self.postcode)))


class PriorityFactQuerySet(models.QuerySet["PriorityFact"]):
    def in_force(self, day: date) -> "PriorityFactQuerySet":
        return self.filter(Q(until=None) | Q(until__gte=day), since__lte=day)


class PriorityFact(models.Model):
    """What makes a household, or one of its children, come first, from a day to a day: declared by the family
    or noted at the desk. A child's handicap is of its health: read with that right only, and its nature is
    not kept."""

    class Sort(models.TextChoices):
        WORK = Kind.WORK, "les parents travaillent ou sont en formation"
        DISTRICT = Kind.DISTRICT, "quartier prioritaire"
        DISABILITY = Kind.DISABILITY, "situation de handicap"

    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="priority_facts", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="priority_facts",
        verbose_name="enfant",
        help_text="Seulement pour une situation de handicap.",
    )
    kind = models.CharField("situation", max_length=12, choices=Sort)
    since = models.DateField("depuis le")
    until = models.DateField("jusqu'au", null=True, blank=True)
    proved = models.BooleanField(
        "justifiée", default=False, help_text="La mairie a vu une attestation. Sinon : déclarée."
    )
    noted_at = models.DateTimeField("notée le")
    noted_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="notée par"
    )

    history = History()
    objects = PriorityFactQuerySet.as_manager()

    class Meta:
        verbose_name = "situation prioritaire"
        verbose_name_plural = "situations prioritaires"
        ordering = ["household", "kind", "since"]
        constraints = [
            models.CheckConstraint(
                condition=Q(until=None) | Q(until__gte=F("since")),
                name="priority_ends_after_it_begins",
                violation_error_message="La situation finirait avant de commencer.",
            ),
            models.CheckConstraint(
                condition=(Q(kind="disability") & Q(child__isnull=False))
                | (~Q(kind="disability") & Q(child__isnull=True)),
                name="priority_of_a_child_or_home",
                violation_error_message="Une situation de handicap est d'un enfant, les autres du foyer.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.household} : {self.get_kind_display()}"

    def clean(self) -> None:
        here = Custody.objects.filter(child=self.child_id, household=self.household_id)
        if self.household_id and self.child_id and not here.exists():
            raise ValidationError({"child": "Cet enfant ne vit pas dans ce foyer."})
        same = PriorityFact.objects.filter(
            household=self.household_id, child=self.child_id, kind=self.kind, until=None
        )
        if self.household_id and self.until is None and same.exclude(pk=self.pk).exists():
            raise ValidationError("Cette situation est déjà notée, et n'a pas de fin.")
