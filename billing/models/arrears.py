"""What an agent decided about a household that does not pay. Written by `reminders/arrears.py` only."""

from datetime import date
from decimal import Decimal

from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from billing.models.invoices import Invoice
from billing.rules.arrears import Decided, Stops
from families.models import Household, User
from portal.database.composed import Given
from portal.database.history import History
from portal.reservations.models import Activity, SchoolYear


class ArrearsDecisionQuerySet(models.QuerySet["ArrearsDecision"]):
    def running(self, today: date | Given) -> "ArrearsDecisionQuerySet":
        """Those that nobody ended, begun on `today` and not past their last day, whatever is paid."""
        return self.filter(Q(until=None) | Q(until__gte=today), ended_at=None, since__lte=today)

    def standing(self, today: date) -> "ArrearsDecisionQuerySet":
        """Those that stop something on `today`: they run, and, where payment ends them, something of their
        invoices is late: not paid, nor to be paid later by due dates."""
        owed = Invoice.objects.with_balance().filter(
            arrears_decisions=OuterRef("pk"), left__gt=Decimal(0), pay_by__lt=today
        )
        return self.running(today).filter(Q(ends_when_paid=False) | Exists(owed))

    def over(self, today: date) -> "ArrearsDecisionQuerySet":
        """Those that nobody ended and that stop nothing any more."""
        return self.filter(ended_at=None, since__lte=today).exclude(
            pk__in=self.model.objects.standing(today).values("pk")
        )


class ArrearsDecision(models.Model):
    """What somebody decided after reminders: which new days or enrolments of a household are stopped, with
    the sentence that the family reads. Days that are booked stand."""

    class Kind(models.TextChoices):
        LATE = Stops.LATE, "les jours demandés hors délai"
        DAYS = Stops.DAYS, "les nouveaux jours"
        YEAR = Stops.YEAR, "les inscriptions d'une année scolaire"

    class Ended(models.TextChoices):
        PAID = "paid", "payée"
        DATE = "date", "date passée"
        TAKEN_BACK = "taken_back", "levée par la mairie"

    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="arrears_decisions", verbose_name="foyer"
    )
    stops = models.CharField("ce qu'elle arrête", max_length=4, choices=Kind)
    activities = models.ManyToManyField(Activity, related_name="+", verbose_name="activités")
    school_year = models.ForeignKey(
        SchoolYear,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="année scolaire",
    )
    invoices = models.ManyToManyField(
        Invoice, related_name="arrears_decisions", verbose_name="factures relancées"
    )
    left = models.DecimalField("restait à payer", max_digits=10, decimal_places=2)
    since = models.DateField("depuis le")
    until = models.DateField("jusqu'au", null=True, blank=True)
    ends_when_paid = models.BooleanField("finit au paiement")
    sentence = models.CharField("ce que la famille lit", max_length=300)
    reason = models.CharField("motif, pour les collègues", max_length=300)
    decided_at = models.DateTimeField("décidée le")
    decided_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="décidée par"
    )
    ended_at = models.DateTimeField("finie le", null=True, blank=True)
    ended_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="levée par"
    )
    ended_because = models.CharField("fin", max_length=10, choices=Ended, blank=True)
    end_reason = models.CharField("motif de la fin", max_length=300, blank=True)

    history = History()
    objects = ArrearsDecisionQuerySet.as_manager()

    class Meta:
        verbose_name = "décision d'impayés"
        verbose_name_plural = "décisions d'impayés"
        ordering = ["-decided_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=(Q(stops="year") & Q(school_year__isnull=False))
                | (~Q(stops="year") & Q(school_year__isnull=True)),
                name="arrears_of_a_year_name_it",
                violation_error_message="Une décision nomme l'année scolaire dont elle arrête les"
                " inscriptions, et aucune autre.",
            ),
            models.CheckConstraint(
                condition=Q(ends_when_paid=True) | Q(until__isnull=False),
                name="arrears_end_some_day",
                violation_error_message="Une décision finit au paiement ou à une date.",
            ),
            models.CheckConstraint(
                condition=Q(until=None) | Q(until__gte=F("since")),
                name="arrears_end_after_they_begin",
                violation_error_message="La décision finirait avant de commencer.",
            ),
            models.CheckConstraint(
                condition=~Q(sentence="") & ~Q(reason=""),
                name="arrears_have_words",
                violation_error_message="Une décision a sa phrase pour la famille et son motif.",
            ),
            models.CheckConstraint(
                condition=Q(left__gt=0),
                name="arrears_of_something_owed",
                violation_error_message="Il ne reste rien à payer.",
            ),
            models.CheckConstraint(
                condition=(Q(ended_at=None) & Q(ended_because=""))
                | (Q(ended_at__isnull=False) & ~Q(ended_because="")),
                name="arrears_ended_for_a_reason",
            ),
        ]
        indexes = [models.Index(fields=["household"], condition=Q(ended_at=None), name="arrears_not_ended")]

    def __str__(self) -> str:
        return f"Décision du {self.since:%d/%m/%Y} : {self.get_stops_display()}"

    def decided(self, activities: frozenset[int]) -> Decided:
        """What it is for the rules; `activities` are its keys, read beforehand."""
        return Decided(Stops(self.stops), activities, self.since, self.until, self.school_year_id)
