"""When families may enrol for a school year, and which families: campaigns and audiences."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Case, F, OrderBy, Q, When
from django.db.models.functions import Coalesce
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.utils import timezone
from simple_history.models import HistoricalRecords

from families.models import Household
from portal.database.composed import Composed, Given
from portal.database.kept import KeptAWhile
from portal.reservations.deadlines.publics import Area, Kind, Public, Publics
from portal.reservations.models.activities import Activity, Period
from portal.reservations.models.calendar import Establishment, SchoolYear


class Audience(models.Model):
    """Households that a rule speaks of, a row: other ones may come without rules that change their meaning.

    What a household belongs to says `belonging`, a way that the portal knows: where it lives, as the price
    and `Period.opens_for` ask it, at which address, which school its children attend, or what the town hall
    recognised. Of several that hold, those that the town made count before « commune » and « hors commune »,
    among them the one with the smallest `order`: `first_said` of `deadlines/rules.py` says it.
    """

    class Belonging(models.TextChoices):
        RESIDENT = "resident", "Il habite la commune"
        NON_RESIDENT = "non_resident", "Il n'habite pas la commune"
        ADDRESS = "address", "Il habite à l'une de ces adresses : communes, quartier, rues"
        SCHOOL = "school", "Un enfant fréquente l'une de ces écoles"
        RECOGNISED = "recognised", "La mairie l'a reconnu, d'un jour à un jour"

        @classmethod
        def of(cls, household: Household) -> "Audience.Belonging":
            """Whether a household lives in the town today."""
            return cls.RESIDENT if household.resident else cls.NON_RESIDENT

    code = models.SlugField("code", max_length=60, unique=True)
    label = models.CharField("nom", max_length=80)
    belonging = models.CharField("un foyer en est si", max_length=20, choices=Belonging)
    order = models.PositiveSmallIntegerField(
        "ordre",
        default=0,
        help_text="De plusieurs publics d'un foyer, le plus petit compte. « Commune » et « Hors commune » "
        "comptent après tous les autres.",
    )
    words = models.CharField(
        "dit aux familles qui en sont",
        max_length=120,
        blank=True,
        default="",
        db_default="",
        help_text="« les communes partenaires, dont la vôtre ». Vide : le nom, « dont vous êtes ».",
    )
    priced_as_resident = models.BooleanField(
        "paie comme les familles de la commune",
        default=False,
        db_default=False,
        help_text="Là où aucun prix n'est dit pour ce public.",
    )
    schools = models.ManyToManyField(
        Establishment,
        blank=True,
        related_name="audiences",
        verbose_name="écoles",
        limit_choices_to={"kind": Establishment.Kind.SCHOOL},
        help_text="Si le foyer en est par l'école de ses enfants.",
    )

    class Meta:
        verbose_name = "public"
        verbose_name_plural = "publics"
        ordering = ["order", "label"]
        constraints = [
            models.CheckConstraint(
                condition=Q(priced_as_resident=False) | ~Q(belonging__in=["resident", "non_resident"]),
                name="audience_priced_as_others_is_the_towns_own",
                violation_error_message="« Commune » et « Hors commune » paient leurs propres prix.",
            )
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_usual(self) -> bool:
        """One that every town has, known without asking more than where a household lives."""
        return self.belonging in USUAL


USUAL = (Audience.Belonging.RESIDENT, Audience.Belonging.NON_RESIDENT)
# Those of every town: code, label, belonging, order. A migration makes them.
USUAL_AUDIENCES = [
    ("commune", "Commune", Audience.Belonging.RESIDENT, 0),
    ("hors-commune", "Hors commune", Audience.Belonging.NON_RESIDENT, 1),
]
# The town's own come first; « commune » and « hors commune » after them, and last what is for everybody.
OWN_FIRST = Case(When(audience=None, then=2), When(audience__belonging__in=USUAL, then=1), default=0)
# Of the campaigns that concern a household, an activity and a year, the first one decides.
MOST_SPECIFIC: list[OrderBy | Case | str] = [
    F("activity").asc(nulls_last=True),
    OWN_FIRST,
    F("audience__order").asc(nulls_last=True),
    "pk",
]


class AudienceAddress(models.Model):
    """A town, a postcode or a street whose households are of an audience, from a day to a day."""

    audience = models.ForeignKey(
        Audience, on_delete=models.CASCADE, related_name="addresses", verbose_name="public"
    )
    city = models.CharField("commune", max_length=100, blank=True, help_text="Vide : quelle qu'elle soit.")
    postcode = models.CharField("code postal", max_length=10, blank=True, help_text="Vide : quel qu'il soit.")
    street = models.CharField(
        "rue", max_length=120, blank=True, help_text="Sans numéro : « rue des Lilas ». Vide : toutes."
    )
    starts_on = models.DateField("du", null=True, blank=True, help_text="Vide : depuis toujours.")
    ends_on = models.DateField("au", null=True, blank=True)

    class Meta:
        verbose_name = "adresse d'un public"
        verbose_name_plural = "adresses d'un public"
        ordering = ["audience", "city", "postcode", "street", "starts_on"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(city="") | ~Q(postcode="") | ~Q(street=""),
                name="audience_address_says_where",
                violation_error_message="Indiquez une commune, un code postal ou une rue.",
            ),
            models.CheckConstraint(
                condition=Q(starts_on=None) | Q(ends_on=None) | Q(ends_on__gte=F("starts_on")),
                name="audience_address_ends_after_start",
                violation_error_message="Cette ligne finirait avant de commencer.",
            ),
            models.UniqueConstraint(
                fields=["audience", "city", "postcode", "street"],
                name="an_audience_address_once",
                violation_error_message="Cette adresse y est déjà.",
            ),
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.street, self.postcode, self.city)))


class AudienceMember(models.Model):
    """A household that the town hall recognised as one of an audience, from a day to a day: an agent of the
    town, say."""

    audience = models.ForeignKey(
        Audience,
        on_delete=models.PROTECT,
        related_name="members",
        verbose_name="public",
        limit_choices_to={"belonging": Audience.Belonging.RECOGNISED},
    )
    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, related_name="audience_members", verbose_name="foyer"
    )
    starts_on = models.DateField("du")
    ends_on = models.DateField("au", null=True, blank=True)
    proof = models.CharField(
        "justificatif", max_length=120, blank=True, help_text="Ce que vous avez vu : « attestation DRH »."
    )
    known_on = models.DateField("su le", editable=False, default=timezone.localdate)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "foyer reconnu d'un public"
        verbose_name_plural = "foyers reconnus d'un public"
        ordering = ["-starts_on", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on=None) | Q(ends_on__gte=F("starts_on")),
                name="audience_member_ends_after_start",
                violation_error_message="La reconnaissance finirait avant de commencer.",
            ),
            models.UniqueConstraint(
                fields=["audience", "household", "starts_on"],
                name="an_audience_member_once_a_start",
                violation_error_message="Ce foyer est déjà reconnu de ce public à partir de ce jour.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.audience}, {self.household}"

    def clean(self) -> None:
        super().clean()
        if self.audience_id and self.audience.belonging != Audience.Belonging.RECOGNISED:
            raise ValidationError({"audience": "Les foyers de ce public se reconnaissent d'eux-mêmes."})


class PeriodOpening(models.Model):
    """When a period opens to the households of an audience, instead of the moment of « commune » or « hors
    commune »."""

    period = models.ForeignKey(
        Period, on_delete=models.CASCADE, related_name="audience_openings", verbose_name="période"
    )
    audience = models.ForeignKey(
        Audience,
        on_delete=models.PROTECT,
        related_name="period_openings",
        verbose_name="public",
        limit_choices_to=~Q(belonging__in=[Audience.Belonging.RESIDENT, Audience.Belonging.NON_RESIDENT]),
    )
    opens_at = models.DateTimeField("ouvre le")

    history = HistoricalRecords()

    class Meta:
        verbose_name = "ouverture à un public"
        verbose_name_plural = "ouvertures aux publics"
        ordering = ["period", "opens_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["period", "audience"],
                name="one_opening_a_period_and_audience",
                violation_error_message="Cette période dit déjà quand elle ouvre à ce public.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.period}, {self.audience}"

    def clean(self) -> None:
        super().clean()
        if self.audience_id and self.audience.is_usual:
            raise ValidationError(
                {"audience": "Les dates de la commune et d'hors commune s'écrivent sur la période."}
            )
        closes = self.period.closes_at if self.period_id else None
        if closes and self.opens_at and self.opens_at >= closes:
            raise ValidationError({"opens_at": "La période sera déjà close."})


@KeptAWhile
def publics() -> Publics:
    """The audiences that the town made, and when its periods open to them; one query where none."""
    found = read_publics()
    openings: dict[int, dict[int, datetime]] = defaultdict(dict)
    if found:
        for period, audience, opens_at in PeriodOpening.objects.values_list("period", "audience", "opens_at"):
            openings[period][audience] = opens_at
    return replace(found, openings=dict(openings))


def read_publics() -> Publics:
    """The same as they stand now, for what is billed; without the openings of periods."""
    found: dict[int, Public] = {}
    areas: dict[int, dict[int, Area]] = defaultdict(dict)
    schools: dict[int, set[int]] = defaultdict(set)
    for pk, label, belonging, words, as_resident, code, area, *where, school in _own_audiences():
        if pk not in found:
            found[pk] = Public(
                pk, label, Kind(belonging), words=words, priced_as_resident=as_resident, code=code
            )
        if area is not None:
            areas[pk][area] = Area(*where)
        if school is not None:
            schools[pk].add(school)
    return Publics(
        tuple(
            replace(one, areas=tuple(areas[pk].values()), schools=frozenset(schools[pk]))
            for pk, one in found.items()
        )
    )


@Composed
def _own_audiences() -> "models.QuerySet[Audience, tuple[Any, ...]]":
    """With their addresses and schools, a row each: an audience has the ones or the others."""
    return (
        Audience.objects.exclude(belonging__in=USUAL)
        .order_by(
            "order",
            "code",
            "addresses__city",
            "addresses__postcode",
            "addresses__street",
            "addresses__starts_on",
        )
        .values_list(
            "pk",
            "label",
            "belonging",
            "words",
            "priced_as_resident",
            "code",
            "addresses__pk",
            "addresses__city",
            "addresses__postcode",
            "addresses__street",
            "addresses__starts_on",
            "addresses__ends_on",
            "schools__pk",
        )
    )


def _forget(**said: object) -> None:
    publics.forget()


for _row in (Audience, AudienceAddress, PeriodOpening):
    post_save.connect(_forget, sender=_row)
    post_delete.connect(_forget, sender=_row)
m2m_changed.connect(_forget, sender=Audience.schools.through)


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def concerning(self, belonging: str, publics: Sequence[int] = ()) -> "CampaignQuerySet":
        """Those for everybody, for the audiences of who belongs so (`Audience.Belonging.of`) and for the
        town's own `publics` (their keys); of each year the one that decides first: an activity's own, then an
        audience's."""
        own = Q(audience__belonging=belonging)
        if publics:
            own |= Q(audience__in=publics)
        return self.filter(Q(audience=None) | own).order_by("school_year__starts_on", *MOST_SPECIFIC)


class Campaign(models.Model):
    """From when to when families enrol for a school year; without any row, a year opens as the one before
    ends and never closes. The town hall enrols at any time."""

    school_year = models.ForeignKey(
        SchoolYear, on_delete=models.CASCADE, related_name="campaigns", verbose_name="année scolaire"
    )
    activity = models.ForeignKey(
        Activity,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="campaigns",
        verbose_name="activité",
        help_text="Vide : toutes celles qui n'ont pas leur propre campagne.",
    )
    audience = models.ForeignKey(
        Audience,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="campaigns",
        verbose_name="public",
        help_text="Vide : tous ceux qui n'ont pas leur propre campagne.",
    )
    opens_at = models.DateTimeField("ouvre le")
    closes_at = models.DateTimeField("clôt le", null=True, blank=True, help_text="Vide : ne clôt pas.")

    objects = CampaignQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "campagne d'inscription"
        verbose_name_plural = "campagnes d'inscription"
        ordering = ["-school_year__starts_on", "opens_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                "school_year",
                Coalesce("activity", 0),
                Coalesce("audience", 0),
                name="one_campaign_a_year_activity_and_audience",
                violation_error_message="Cette année a déjà une campagne pour cette activité et ce public.",
            ),
            models.CheckConstraint(
                condition=Q(closes_at=None) | Q(closes_at__gt=F("opens_at")),
                name="campaign_closes_after_opening",
                violation_error_message="La campagne clôt avant d'ouvrir.",
            ),
        ]

    def __str__(self) -> str:
        named = [str(one) for one in (self.activity, self.audience) if one]
        return ", ".join([f"Inscriptions {self.school_year}", *named])

    def is_open(self, at: datetime) -> bool:
        """Whether families enrol at this moment: what `open_at` asks of many."""
        return self.opens_at <= at and (self.closes_at is None or at < self.closes_at)


def open_at(at: datetime | Given) -> Q:
    """Campaigns in which families enrol at this moment."""
    return Q(opens_at__lte=at) & (Q(closes_at=None) | Q(closes_at__gt=at))
