"""Adults at table: who eats on which day, what is billed of it. The only writer of `Diner` and `DinerMeal`.

    welcome(diner, address, …) -> Diner     with an account of its own that pays
    save(diner)                             its name changes on the account too
    set_days(diner, book, cancel, …) -> Done   days of a month, all or nothing
    closed(at=…) -> int                     meals of days that were closed since are cancelled, each night
    expected(place, days) -> [DinerMeal]    for the kitchen
    read(billable) -> MealsFound            what is due, and what is given back; writes nothing
    concerned(billable) -> keys             of the accounts with something of it

What a meal costs is in `billing.rules.adults`: by the price of its day, and by when it was booked. What was
billed stays so; a meal cancelled since is given back on the next invoice, at a turn of its own.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

from django.db import transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from billing.invoices.billable import UNCREDITED, Billable
from billing.invoices.reading import Billed
from billing.models import AdultPrice, BilledItem, Diner, DinerMeal, InvoiceLine
from billing.rules import adults as rules
from families.custody import own
from families.models import Guardian, Household, User
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.days.calendars import OpenDays
from portal.reservations.models import Activity, Establishment

RIGHT = "billing.change_diner"
State = DinerMeal.State
Kind = InvoiceLine.Kind
Row = TypeVar("Row", bound=Model)


class MealRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


# What adults pay ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prices:
    """By formula, what adults pay from which day on."""

    of: Mapping[int, Sequence[rules.Price]]

    @classmethod
    def today(cls) -> "Prices":
        """In one query."""
        found: dict[int, list[rules.Price]] = defaultdict(list)
        for row in AdultPrice.objects.all():
            found[row.formula_id].append(row.rule())
        return cls(found)

    def holding(self, formula: int, kind: str, day: date) -> rules.Price | None:
        return rules.holding(self.of.get(formula, ()), kind, day)


# Days -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MealDay:
    """A day of the month as the desk shows it: `why` it cannot be booked, empty where it can; what it would
    cost who books it now, or costs since it was booked."""

    day: date
    booked: bool
    why: str
    worth: rules.Worth | None

    @property
    def label(self) -> str:
        return moments.day(self.day)

    @property
    def is_open(self) -> bool:
        """Whether it can be ticked, or what is booked taken back."""
        return self.booked or not self.why


def days_of(diner: Diner, days: Sequence[date], *, at: datetime) -> list[MealDay]:
    """How an adult stands on each of some days in their order; in three queries."""
    booked = {one.day: one for one in DinerMeal.objects.filter(diner=diner, day__in=days, state=State.BOOKED)}
    prices, today = Prices.today(), timezone.localdate(at)
    calendar = OpenDays.load(diner.formula.activity, diner.establishment, days[0], days[-1])
    found = []
    for day in days:
        meal = booked.get(day)
        price = prices.holding(meal.formula_id if meal else diner.formula_id, diner.kind, day)
        since = timezone.localdate(meal.booked_at) if meal else today
        worth = rules.worth(price, day, since) if price else None
        found.append(MealDay(day, meal is not None, _why_not(diner, calendar, day, worth), worth))
    return found


def _why_not(diner: Diner, calendar: OpenDays, day: date, worth: rules.Worth | None) -> str:
    if closed := calendar.why_closed(day):
        return str(closed)
    if day < diner.starts_on or (diner.ends_on is not None and day > diner.ends_on):
        return "Cet adulte ne mange pas ici ce jour-là."
    if worth is None:
        return "Aucun prix des adultes n'est écrit pour ce jour."
    return worth.said if worth.amount is None else ""


@dataclass(frozen=True)
class Done:
    booked: int
    cancelled: int

    @property
    def said(self) -> str:
        if not (self.booked or self.cancelled):
            return "Rien n'a changé."
        parts = [
            counted(self.booked, "repas réservé", "repas réservés") if self.booked else "",
            counted(self.cancelled, "repas annulé", "repas annulés") if self.cancelled else "",
        ]
        return f"{', '.join(part for part in parts if part)}."


@transaction.atomic
def set_days(
    diner: Diner, book: Collection[date], cancel: Collection[date], *, by: User | None, at: datetime
) -> Done:
    """The adult eats on the days to `book`, and no longer on those to `cancel`: all or nothing. What is so
    already stays as it is. Raises MealRefused."""
    own.check(by, [diner.household_id], right=RIGHT, at=at)
    Household.objects.lock([diner.household_id])
    diner = Diner.objects.select_related("formula__activity", "establishment").get(pk=diner.pk)
    days = sorted({*book, *cancel})
    if not days:
        return Done(0, 0)
    new, gone = [], []
    for one in days_of(diner, days, at=at):
        if one.day in book and not one.booked:
            if one.why:
                raise MealRefused(f"{one.label.capitalize()} : {one.why}")
            new.append(one.day)
        elif one.booked and one.day not in book:
            gone.append(one.day)
    DinerMeal.objects.filter(diner=diner, day__in=gone, state=State.BOOKED).update(
        state=State.CANCELLED, cancelled_at=at, cancelled_by=by
    )
    said = {
        "establishment": diner.establishment,
        "formula": diner.formula,
        "state": State.BOOKED,
        "booked_at": at,
        "booked_by": by,
        "cancelled_at": None,
        "cancelled_by": None,
    }
    before = DinerMeal.objects.filter(diner=diner, day__in=new)
    known = set(before.values_list("day", flat=True))
    before.update(**said)
    DinerMeal.objects.bulk_create(DinerMeal(diner=diner, day=day, **said) for day in new if day not in known)
    return Done(len(new), len(gone))


@transaction.atomic
def closed(*, at: datetime) -> int:
    """Cancels the meals to come whose day is closed by now: nobody serves them. One query where there is
    none, one more for each activity."""
    booked = DinerMeal.objects.select_for_update(of=("self",)).filter(
        state=State.BOOKED, day__gte=timezone.localdate(at)
    )
    by_activity: dict[Activity, list[DinerMeal]] = defaultdict(list)
    for meal in booked.select_related("formula__activity", "establishment").order_by("day", "pk"):
        by_activity[meal.formula.activity].append(meal)
    gone: list[int] = []
    for activity, meals in by_activity.items():
        places = {meal.establishment for meal in meals}
        calendars = OpenDays.load_many(activity, places, meals[0].day, meals[-1].day)
        gone += [one.pk for one in meals if calendars[one.establishment_id].why_closed(one.day)]
    return DinerMeal.objects.filter(pk__in=gone).update(
        state=State.CANCELLED, cancelled_at=at, cancelled_by=None
    )


@dataclass(frozen=True)
class Address:
    """Where the invoice goes; the e-mail address may be empty."""

    street: str
    postcode: str
    city: str
    street_more: str = ""
    email: str = ""


@transaction.atomic
def welcome(diner: Diner, address: Address, *, by: User | None, at: datetime) -> Diner:
    """Saves a new adult at table, with the account that pays: one payer, no child. Its invoices, payments and
    reminders are those of any account."""
    home = Household.objects.create(
        street=address.street,
        street_more=address.street_more,
        postcode=address.postcode,
        city=address.city,
        state=Household.State.ACCEPTED,
        decided_by=by,
        decided_at=at,
    )
    Guardian.objects.create(
        household=home,
        first_name=diner.first_name,
        last_name=diner.last_name,
        email_given=address.email,
        is_payer=True,
    )
    diner.household = home
    diner.save()
    return diner


@transaction.atomic
def save(diner: Diner) -> None:
    """An adult that was changed; the account that bore the former name bears the new one."""
    before = Diner.objects.get(pk=diner.pk)
    payer = Guardian.objects.filter(
        household=before.household_id, first_name=before.first_name, last_name=before.last_name
    ).first()
    diner.save()
    if payer is not None and str(payer) != str(diner):
        payer.first_name, payer.last_name = diner.first_name, diner.last_name
        payer.save()


# The kitchen ----------------------------------------------------------------------------------------------


def expected(place: Establishment, days: Collection[date]) -> list[DinerMeal]:
    """The meals of adults to cook at a place; in one query."""
    rows = DinerMeal.objects.filter(establishment=place, day__in=days, state=State.BOOKED)
    return list(rows.select_related("diner__diet").order_by("day", "pk"))


# Bills ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MealDue:
    """A meal to bill for the `turn`-th time."""

    meal: DinerMeal
    amount: Decimal
    late: bool
    vat_percent: Decimal
    turn: int = 1


@dataclass
class MealsFound:
    due: list[MealDue] = field(default_factory=list)
    back: list[Billed] = field(default_factory=list)


def read(billable: Billable) -> MealsFound:
    """The meals of adults that are due up to the month's end, and billings of meals cancelled since.
    One query where no adult has a price, three else."""
    found, prices = MealsFound(), Prices.today()
    if not prices.of:
        return found
    last = BilledItem.objects.filter(meal=OuterRef("pk")).order_by("-turn")
    rows = _due(billable).annotate(turns=last.values("turn")[:1])
    for meal in rows.select_related("diner", "formula__activity").order_by("diner", "day"):
        price = prices.holding(meal.formula_id, meal.diner.kind, meal.day)
        if price is not None:
            worth = rules.worth(price, meal.day, timezone.localdate(meal.booked_at))
            # What was booked in time for a rule that is stricter since costs the usual price.
            amount = price.amount if worth.amount is None else worth.amount
            late = worth.late and worth.amount is not None
            found.due.append(MealDue(meal, amount, late, price.vat_percent, (meal.turns or 0) + 1))
    for item in _to_give_back(billable).select_related("meal__diner", "line__invoice").order_by("meal__day"):
        if item.meal is not None:
            home = item.meal.diner.household_id
            found.back.append(Billed(item=item, household=home, child=0, day=item.meal.day))
    return found


def concerned(billable: Billable) -> set[int]:
    """The accounts (keys) with a meal that is due, or to be given back."""
    if not AdultPrice.objects.exists():
        return set()
    due = _due(billable).order_by().values_list("diner__household_id", flat=True)
    back = _to_give_back(billable).order_by().values_list("meal__diner__household_id", flat=True)
    return {*due.distinct(), *back.distinct()}


def _last(rows: "QuerySet[BilledItem]") -> "QuerySet[BilledItem]":
    later = BilledItem.objects.filter(meal=OuterRef("meal"), turn__gt=OuterRef("turn"))
    return rows.filter(~Exists(later))


def _due(billable: Billable) -> "QuerySet[DinerMeal]":
    """Booked, and never billed, or taken back since by a line of credit."""
    billed = BilledItem.objects.filter(meal=OuterRef("pk"))
    taken_back = _last(billed).filter(line__kind=Kind.CREDIT)
    rows = DinerMeal.objects.filter(
        billable.scope.filter(), ~Exists(billed) | Exists(taken_back), day__gte=billable.since
    )
    return _of(billable, rows.filter(state=State.BOOKED), "diner__household")


def _to_give_back(billable: Billable) -> "QuerySet[BilledItem]":
    rows = _last(BilledItem.objects.filter(UNCREDITED, ~Q(amount=0), meal__state=State.CANCELLED))
    rows = rows.exclude(line__kind=Kind.CREDIT).filter(meal__day__lte=billable.scope.ends_on)
    return _of(billable, rows, "meal__diner__household")


def _of(billable: Billable, rows: "QuerySet[Row]", home: str) -> "QuerySet[Row]":
    return rows if billable.only is None else rows.filter(**{f"{home}__in": billable.only})
