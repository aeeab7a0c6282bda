"""When families may enrol for a school year, and which families: campaigns and audiences."""

from datetime import datetime

from django.db import models
from django.db.models import F, OrderBy, Q
from django.db.models.functions import Coalesce
from simple_history.models import HistoricalRecords

from families.models import Household
from portal.database.composed import Given
from portal.reservations.models.activities import Activity
from portal.reservations.models.calendar import SchoolYear


class Audience(models.Model):
    """Households that a rule speaks of, a row: other ones may come without rules that change their meaning.

    What a household belongs to says `belonging`, a way that the portal knows: where it lives, as the price
    and `Period.opens_for` ask it. Of several that hold, the one with the smallest `order` counts.
    """

    class Belonging(models.TextChoices):
        RESIDENT = "resident", "Il habite la commune"
        NON_RESIDENT = "non_resident", "Il n'habite pas la commune"

        @classmethod
        def of(cls, household: Household) -> "Audience.Belonging":
            """The way in which a household belongs today."""
            return cls.RESIDENT if household.resident else cls.NON_RESIDENT

    code = models.SlugField("code", max_length=60, unique=True)
    label = models.CharField("nom", max_length=80)
    belonging = models.CharField("un foyer en est si", max_length=20, choices=Belonging)
    order = models.PositiveSmallIntegerField("ordre", default=0)

    class Meta:
        verbose_name = "public"
        verbose_name_plural = "publics"
        ordering = ["order", "label"]

    def __str__(self) -> str:
        return self.label


# Those of every town: code, label, belonging, order. A migration makes them.
USUAL_AUDIENCES = [
    ("commune", "Commune", Audience.Belonging.RESIDENT, 0),
    ("hors-commune", "Hors commune", Audience.Belonging.NON_RESIDENT, 1),
]
# Of the campaigns that concern a household, an activity and a year, the first one decides.
MOST_SPECIFIC: list[OrderBy | str] = [
    F("activity").asc(nulls_last=True),
    F("audience__order").asc(nulls_last=True),
    "pk",
]


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def concerning(self, belonging: str) -> "CampaignQuerySet":
        """Those for everybody and for the audiences of who belongs so (`Audience.Belonging.of`), of each year
        the one that decides first: an activity's own, then an audience's."""
        own = Q(audience__belonging=belonging)
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
