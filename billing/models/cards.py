"""Cards of tickets: what the town sells, and which a household bought.

`HouseholdCard` rows are written by `billing.invoices.cards` only; how many tickets are left is stored
nowhere.
"""

import uuid
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from billing.models.budget import ACCOUNT
from billing.models.regies import Regie
from billing.models.tariffs import NEVER_NEGATIVE
from billing.rules import cards as rules
from families.models import Household, User
from families.visibility import VisibleQuerySet
from portal.database.kept import KeptAWhile
from portal.french.amounts import euros
from portal.french.dates import day_number, month_name, short_day
from portal.french.plurals import counted
from portal.reservations.models import Activity


class TicketCard(models.Model):
    """So many days of its activities for one price, taken one by one."""

    code = models.SlugField("code", max_length=80, unique=True)
    name = models.CharField(
        "nom", max_length=80, help_text="Comme la famille le lira : « Carte de 10 repas »."
    )
    activities = models.ManyToManyField(
        Activity,
        related_name="+",
        verbose_name="activités",
        help_text="Chaque jour facturé de l'une d'elles prend un ticket.",
    )
    tickets = models.PositiveSmallIntegerField(
        "tickets", validators=[MinValueValidator(1, "Une carte a au moins un ticket.")]
    )
    price = models.DecimalField("prix", max_digits=8, decimal_places=2, validators=[NEVER_NEGATIVE])
    until_day = models.PositiveSmallIntegerField(
        "valable jusqu'au (jour)",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(31)],
        help_text="31, et 8 pour le mois : le 31 août qui suit l'achat.",
    )
    until_month = models.PositiveSmallIntegerField(
        "valable jusqu'au (mois)",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(12)],
    )
    months = models.PositiveSmallIntegerField(
        "ou valable (mois)",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="12 : un an depuis le jour de l'achat.",
    )
    valid_from = models.DateField("vendue du", null=True, blank=True)
    valid_to = models.DateField("au", null=True, blank=True)
    vat_percent = models.DecimalField(
        "TVA (%)", max_digits=4, decimal_places=2, default=Decimal(0), validators=[NEVER_NEGATIVE]
    )
    # None: the town's own.
    regie = models.ForeignKey(
        Regie, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="régie"
    )
    analytic = models.CharField("code analytique", max_length=20, blank=True, default="")
    account = models.CharField(
        "compte (M57)",
        max_length=20,
        blank=True,
        default="",
        validators=[ACCOUNT],
        help_text="Vide : celui des recettes du journal.",
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = "carte de tickets"
        verbose_name_plural = "cartes de tickets"
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_from=None) | Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="ticket_card_ends_after_start",
                violation_error_message="La vente finit avant de commencer.",
            ),
            models.CheckConstraint(
                condition=Q(tickets__gte=1),
                name="ticket_card_has_tickets",
                violation_error_message="Une carte a au moins un ticket.",
            ),
            models.CheckConstraint(
                condition=Q(price__gte=Decimal(0)),
                name="ticket_card_price_not_negative",
                violation_error_message="Le prix d'une carte n'est pas négatif.",
            ),
            models.CheckConstraint(
                # A comparison with nothing is neither true nor false: what is there is said.
                condition=Q(
                    until_day__isnull=False,
                    until_month__isnull=False,
                    until_day__range=(1, 31),
                    until_month__range=(1, 12),
                    months=None,
                )
                | Q(until_day=None, until_month=None, months__isnull=False, months__gte=1),
                name="ticket_card_has_one_end",
                violation_error_message="Indiquez jusqu'à quel jour et quel mois la carte est valable, ou"
                " combien de mois : l'un ou l'autre.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        cards_are_sold.forget()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        found = super().delete(*args, **kwargs)
        cards_are_sold.forget()
        return found

    def sold_on(self, day: date) -> bool:
        return (self.valid_from or date.min) <= day <= (self.valid_to or date.max)

    def last_day(self, bought: date) -> date:
        return rules.last_day(bought, day=self.until_day, month=self.until_month, months=self.months)

    def sentence(self) -> str:
        """« 10 tickets pour 38,00 €, valables jusqu'au 31 août »."""
        said = f"{counted(self.tickets, 'ticket', 'tickets')} pour {euros(self.price)}, "
        if self.months is not None:
            return f"{said}{counted(self.months, 'mois', 'mois')} depuis l'achat"
        month = month_name(date(2000, self.until_month or 1, 1), year=False)
        return f"{said}jusqu'au {day_number(self.until_day or 1)} {month}"

    def preview(self, bought: date) -> str:
        """« 10 tickets pour 38,00 €, valables jusqu'au 31 août 2027. », bought on a day."""
        end = short_day(self.last_day(bought), year=True)
        return f"{counted(self.tickets, 'ticket', 'tickets')} pour {euros(self.price)}, jusqu'au {end}."


@KeptAWhile
def cards_are_sold() -> bool:
    """Whether the town has any: no page and no invoice asks for more where it has none."""
    return TicketCard.objects.exists()


class HouseholdCardQuerySet(VisibleQuerySet["HouseholdCard"]):
    """Cards that households bought."""


class HouseholdCard(models.Model):
    """A card that a household bought, as it was sold. Its price is a line of the next invoice (`charges`),
    what its tickets paid is read from what is billed."""

    card = models.ForeignKey(TicketCard, on_delete=models.PROTECT, related_name="sold", verbose_name="carte")
    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="ticket_cards", verbose_name="foyer"
    )
    name = models.CharField("nom", max_length=80)
    tickets = models.PositiveSmallIntegerField("tickets")
    price = models.DecimalField("prix", max_digits=8, decimal_places=2)
    bought_on = models.DateField("achetée le")
    valid_until = models.DateField("valable jusqu'au")
    bought_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="par"
    )
    # The same button pressed twice buys one.
    asked_as = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # The first day that it pays no more; its first day where no invoice had it yet.
    stopped_on = models.DateField("reprise à compter du", null=True, blank=True)
    stopped_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="reprise par"
    )
    stopped_reason = models.CharField("motif de la reprise", max_length=200, blank=True)

    objects = HouseholdCardQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "carte d'une famille"
        verbose_name_plural = "cartes des familles"
        ordering = ["-bought_on", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_until__gte=F("bought_on")),
                name="household_card_ends_after_it_is_bought",
                violation_error_message="La carte finit avant d'être achetée.",
            ),
            models.CheckConstraint(
                condition=Q(stopped_on=None) | ~Q(stopped_reason=""),
                name="household_card_stopped_for_a_reason",
                violation_error_message="Indiquez le motif de la reprise.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} du {short_day(self.bought_on)}"

    @property
    def last_day(self) -> date:
        """The last day that it pays."""
        if self.stopped_on is None:
            return self.valid_until
        return min(self.valid_until, self.stopped_on - timedelta(days=1))
