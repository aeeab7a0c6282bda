"""« Facture prévisionnelle »: what a household's next invoice will say if nothing changes. Writes nothing.

    homes(households, months, wanted)     these, with what there is to tell, in one query
    foresee_months(home, months, wanted, today) -> Provisional

`drafting.py` prices it as it will price the invoice; here its lines are parted by child, and their days
between those past and those to come. The first month that is not billed holds whatever was never billed
before; what a later month says begins with its first day, since the rest goes on the invoice before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import TypeAlias, TypedDict

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django_stubs_ext import WithAnnotations

from billing.documents.wording import days_in_words
from billing.invoices import adults, drafting, regies
from billing.invoices.billable import Billable, Rare, Scope
from billing.invoices.draft import DraftedItem, DraftedLine
from billing.models import BillingRun, DinerMeal, InvoiceLine
from billing.prices.estimates import TownRules, town_rules
from families.models import Household
from portal.database.kept import KeptAWhile
from portal.french import moments
from portal.french.amounts import euros, number
from portal.french.dates import month_name, months_after
from portal.french.plurals import agreed, counted
from portal.reservations.models import AbsenceCertificate, Attendance, AttendanceState, Booking
from portal.reservations.states import HOLDING, BookingState

Kind = InvoiceLine.Kind


@dataclass(frozen=True)
class Months:
    """The month before, the running one and the next, by their first days."""

    before: date
    running: date
    following: date

    @classmethod
    def around(cls, today: date) -> "Months":
        running = today.replace(day=1)
        return cls((running - timedelta(days=1)).replace(day=1), running, months_after(running, 1))

    def read(self, value: str) -> date:
        """« 2026-12 »; the running month where it is none of the three."""
        return next((one for one in self.all if f"{one:%Y-%m}" == value), self.running)

    @property
    def all(self) -> tuple[date, date, date]:
        return self.before, self.running, self.following


@dataclass(frozen=True)
class ProvisionalLine:
    """A line in words; `past` and `coming` are days."""

    label: str
    activity: str
    quantity: str
    unit_price: str
    amount: str
    past: str
    coming: str
    explanation: str


@dataclass(frozen=True)
class ChildLines:
    """A child's lines and their sum."""

    name: str
    lines: list[ProvisionalLine]
    total: str


@dataclass(frozen=True)
class MonthLink:
    key: str
    words: str
    current: bool


# An activity changes its régie once in years; what is issued asks anew.
which_bills = KeptAWhile(regies.of_formulas)


@dataclass(frozen=True)
class ForeseenTotal:
    """What the invoice of a régie comes to; its name where there are several, what becomes of too little."""

    regie: str
    total: str
    carried: str


@dataclass(frozen=True)
class Provisional:
    """The page: `changes` are sentences about what may still move, `asked` what waits for an answer."""

    key: str
    month_name: str
    running: bool
    links: list[MonthLink]
    groups: list[ChildLines]
    totals: list[ForeseenTotal]
    asked: list[ChildLines]
    asked_total: str
    quotient: str
    without_quotient: bool
    when: str
    changes: list[str]
    billed: str


class ToBill(TypedDict):
    """What `homes` adds to a household: which months are billed, where there is something to bill besides,
    and what waits."""

    before_billed: bool
    running_billed: bool
    has_before: bool
    has_following: bool
    has_meals: bool
    certificate_waits: bool
    run_due_on: date | None


HomeToBill: TypeAlias = "WithAnnotations[Household, ToBill]"


def homes(own: QuerySet[Household], months: Months, wanted: date) -> QuerySet[HomeToBill]:
    """These households, with what its page asks beside its bookings: read in one query."""
    rules = town_rules()
    scope, before = Scope(wanted), Billable(Scope(months.before), rules.settings)
    done = BillingRun.objects.filter(state=BillingRun.State.DONE, activities=None, establishments=None)
    under_way = BillingRun.objects.filter(month=wanted).exclude(state=BillingRun.State.DONE)
    mine = Q(household=OuterRef("pk"))
    to_come = Booking.objects.filter(
        mine,
        state__in=(*HOLDING, BookingState.REQUESTED),
        day__range=(months.following, Scope(months.following).ends_on),
    )
    certificates = AbsenceCertificate.objects.filter(
        mine, state=AbsenceCertificate.State.REQUESTED, first_day__lte=scope.ends_on
    )
    # Of adults at table, whose account it is.
    meals = DinerMeal.objects.filter(diner__household=OuterRef("pk"), day__lte=scope.ends_on)
    booked = DinerMeal.objects.filter(
        diner__household=OuterRef("pk"),
        state=DinerMeal.State.BOOKED,
        day__range=(months.following, Scope(months.following).ends_on),
    )
    return own.annotate(
        **Billable(scope, rules.settings).rarities(),
        before_billed=Exists(done.filter(month=months.before)),
        running_billed=Exists(done.filter(month=months.running)),
        has_before=Exists(before.unbilled_bookings().filter(mine))
        | Exists(before.unbilled_attendance().filter(mine))
        | Exists(adults.unbilled(before).filter(diner__household=OuterRef("pk"))),
        has_following=Exists(to_come) | Exists(booked),
        has_meals=Exists(meals),
        certificate_waits=Exists(certificates),
        run_due_on=Subquery(under_way.values("due_on")[:1]),
    )


def pending(home: HomeToBill, months: Months) -> list[date]:
    """The months whose invoice is to come, as far as there is something on it; the running one always,
    unless it is billed."""
    if home.running_billed:
        return [months.following]
    found = [months.running]
    if home.has_before and not home.before_billed:
        found.insert(0, months.before)
    if home.has_following:
        found.append(months.following)
    return found


def foresee_months(home: HomeToBill, months: Months, wanted: date, today: date) -> Provisional:
    """The page of a month among `pending`; `home` comes from `homes` asked for that month."""
    rules = town_rules()
    invoices = pending(home, months)
    scope = Scope(wanted)
    known = drafting.Known(
        prices=rules.prices,
        people=lambda first, last: rules.people(home, first, last),
        policies=rules.policies,
        rare=frozenset(kind for kind in Rare if getattr(home, kind.value)),
        regies=which_bills(),
        fees=rules.fees,
        meals=home.has_meals,
    )
    found = drafting.foresee_month(home.pk, scope, rules.settings, known)
    lines, asked = found.lines, found.asked
    if wanted != invoices[0]:
        lines, asked = _from(lines, wanted), _from(asked, wanted)
    asked_total = sum((line.amount for line in asked), Decimal(0))
    priced = any(line.kind in (Kind.PRESENCE, Kind.FLAT, Kind.QUANTITY) for line in [*lines, *asked])
    without_quotient = priced and home.pk in found.warnings.without_quotient
    return Provisional(
        key=f"{wanted:%Y-%m}",
        month_name=month_name(wanted),
        running=wanted == months.running,
        links=[MonthLink(f"{one:%Y-%m}", _link(one, months), one == wanted) for one in invoices],
        groups=list(_groups(lines, found.attendance, today)),
        totals=_totals(lines, rules),
        asked=list(_groups(asked, {}, today)),
        asked_total=euros(asked_total) if asked_total else "",
        quotient="" if found.quotient is None else number(found.quotient),
        without_quotient=without_quotient,
        when=_when(home, rules, scope, today),
        changes=_changes(home, rules, scope, lines, found, today),
        billed=month_name(months.running) if wanted == months.following and home.running_billed else "",
    )


def _totals(lines: Sequence[DraftedLine], rules: TownRules) -> list[ForeseenTotal]:
    names = regies.named(line.regie for line in lines)
    by_regie = {key: [line for line in lines if line.regie == key] for key in names or [None]}
    sums = {key: sum((line.amount for line in of), Decimal(0)) for key, of in by_regie.items()}
    return [
        ForeseenTotal(names.get(key, ""), euros(total), _carried(by_regie[key], total, rules))
        for key, total in sums.items()
    ]


# Lines ---------------------------------------------------------------------------------------------------


def _pairs(line: DraftedLine) -> list[tuple[DraftedItem, date]]:
    """What the line bills, day by day."""
    of_days = (item for item in line.items if not (item.booking is item.attendance is item.meal is None))
    return list(zip(of_days, line.days, strict=True))


def _from(lines: Sequence[DraftedLine], first: date) -> list[DraftedLine]:
    """What is left for an invoice whose days begin on `first`; the one before takes the rest."""
    return [kept for line in lines if (kept := _cut(line, first)) is not None]


def _cut(line: DraftedLine, first: date) -> DraftedLine | None:
    if line.kind in (Kind.CREDIT, Kind.DEBIT, Kind.MANUAL, Kind.FEE):
        return None
    if line.kind == Kind.QUANTITY and line.until is not None:
        return line if line.until >= first else None
    pairs = [(item, day) for item, day in _pairs(line) if day >= first]
    if not pairs:
        return None
    if len(pairs) == len(line.days):
        return line
    kept = replace(line, items=[item for item, _ in pairs], days=[day for _, day in pairs])
    if line.kind == Kind.FLAT:
        return replace(kept, unit_price=Decimal("0.00"), label=f"{line.label}, facturé le mois d'avant")
    amount = sum((item.amount for item in kept.items), Decimal(0))
    share = Decimal(len(pairs)) / len(line.days)
    return replace(kept, quantity=amount / line.unit_price if line.unit_price else line.quantity * share)


def _groups(
    lines: Sequence[DraftedLine], attendance: Mapping[int, Attendance], today: date
) -> Iterator[ChildLines]:
    for name, group in groupby(lines, key=lambda line: line.child_name):
        of_child = list(group)
        yield ChildLines(
            name or "Divers",
            [_shown(line, attendance, today) for line in of_child],
            euros(sum((line.amount for line in of_child), Decimal(0))),
        )


def _is_past(item: DraftedItem, day: date, attendance: Mapping[int, Attendance], today: date) -> bool:
    """Today is past once somebody has entered whether the child came."""
    return day < today or item.attendance is not None or item.booking in attendance


def _shown(line: DraftedLine, attendance: Mapping[int, Attendance], today: date) -> ProvisionalLine:
    past: list[date] = []
    coming: list[date] = []
    for item, day in _pairs(line):
        (past if _is_past(item, day, attendance, today) else coming).append(day)
    return ProvisionalLine(
        line.label,
        line.activity_name,
        number(line.quantity),
        euros(line.unit_price),
        euros(line.amount),
        days_in_words(past),
        days_in_words(coming),
        line.explanation,
    )


# Sentences -----------------------------------------------------------------------------------------------


def _when(home: HomeToBill, rules: TownRules, scope: Scope, today: date) -> str:
    """When the invoice comes, and until when it will have to be paid, as far as one can know."""
    if home.run_due_on:
        due = moments.day(home.run_due_on)
        return f"La mairie est en train de l'établir. Elle sera à payer au plus tard le {due}."
    days = rules.settings.payment_days
    time = f"Vous aurez ensuite {counted(days, 'jour', 'jours')} pour la payer."
    if scope.ends_on < today:
        return f"Le mois est terminé : la mairie va établir la facture. {time}"
    first = moments.day(months_after(scope.month, 1))
    return f"La mairie établit la facture une fois le mois terminé, à partir du {first}. {time}"


def _carried(lines: Sequence[DraftedLine], total: Decimal, rules: TownRules) -> str:
    if not lines or not rules.settings.carries(total):
        return ""
    if total < 0:
        return "Ce montant est en votre faveur : il sera déduit d'une prochaine facture."
    if total == 0:
        return "Il n'y aurait rien à payer."
    least = euros(rules.settings.minimum_amount)
    return f"Sous {least}, il n'y a pas de facture : ce montant est reporté sur la suivante."


def _changes(
    home: HomeToBill,
    rules: TownRules,
    scope: Scope,
    lines: Sequence[DraftedLine],
    found: drafting.Foreseen,
    today: date,
) -> list[str]:
    """What may still move the total, in sentences."""
    said = []
    if scope.ends_on >= today:
        said.append("Les jours que vous réservez ou annulez à temps s'ajoutent ou se retirent.")
    if home.certificate_waits:
        said.append(
            "Un justificatif d'absence attend la réponse de la mairie : s'il est accepté, les jours"
            " qu'il couvre peuvent ne plus être facturés."
        )
    if without := _unexcused(lines, found, rules):
        said.append(
            f"{counted(without, 'jour', 'jours')} d'absence {agreed(without, 'compté', 'comptés')} sans"
            " justificatif : donné à temps, il peut éviter la facturation."
        )
    if unseen := _not_entered(lines, found.attendance, today):
        one, many = "n'est pas encore pointé : il compte", "ne sont pas encore pointés : ils comptent"
        verb = agreed(unseen, one, many)
        said.append(f"{counted(unseen, 'jour passé', 'jours passés')} {verb} comme présence.")
    if timed := found.warnings.without_minutes:
        count = sum(timed.values())
        said.append(
            f"{counted(count, 'présence', 'présences')} à la durée : une seule unité est comptée tant que"
            " l'heure de départ n'est pas connue."
        )
    for formula, count in found.warnings.unpriced.most_common():
        said.append(f"{formula} : {counted(count, 'présence', 'présences')} sans prix pour le moment.")
    return said


def _unexcused(lines: Sequence[DraftedLine], found: drafting.Foreseen, rules: TownRules) -> int:
    """Absences that cost something and that no certificate covers."""
    if not rules.policies.certificates_count:
        return 0
    rows = [
        found.attendance[item.booking]
        for line in lines
        for item in line.items
        if item.amount > 0 and item.booking is not None and item.booking in found.attendance
    ]
    return sum(row.state == AttendanceState.ABSENT and not row.certificate_at for row in rows)


def _not_entered(lines: Sequence[DraftedLine], attendance: Mapping[int, Attendance], today: date) -> int:
    """Days gone by without a word, where somebody enters who comes."""
    taken = {line.formula for line in lines for item in line.items if item.booking in attendance}
    return sum(
        day < today and item.booking is not None and item.booking not in attendance
        for line in lines
        if line.formula in taken and line.kind != Kind.CREDIT
        for item, day in _pairs(line)
    )


def _link(month: date, months: Months) -> str:
    """« Mois suivant : décembre 2026 »."""
    which = {months.before: "Mois précédent", months.running: "Mois en cours"}.get(month, "Mois suivant")
    return f"{which} : {month_name(month)}"
