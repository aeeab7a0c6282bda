"""Cheques, vouchers and cash handed over on numbered slips: the only writer of slips.

    waiting(means, regie) -> QuerySet     payments that stand on no slip that counts: said here alone
    by_means() -> [(regie, means, [amount])]    the same, of every régie and means
    cash(agent) -> Cash                   what each régie holds in cash, and where it is too much
    make(means, payments, …) -> slip      takes them, each once
    cancel(slip, reason=…) -> row         a slip typed wrong: its number stays, its payments wait again

Cheques and vouchers are handed over each as it is; of cash, what was given back is taken off. A slip moves
nobody's balance; it holds the households' rows all the same, so that a cheque is not sent back meanwhile.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import DecimalField, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Round
from django.utils import timezone

from billing.invoices import regies, sealing
from billing.invoices.numbering import Numbering
from billing.models import (
    BillingSettings,
    DepositCancellation,
    DepositLine,
    DepositSlip,
    Issuer,
    Payment,
    PaymentKind,
)
from billing.models.payments import PaymentInTheBooks
from billing.payments import means as ways
from billing.rules.means import CASH, NO_DEPOSIT, SLIP, ZERO, Means
from families.desk_links import guardian_names
from families.models import Household, User
from portal.database.final import append_only
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.french.plurals import counted

SERIES = "B"
WENT_BACK = (PaymentKind.REFUND, PaymentKind.REVERSAL)
DEPOSITS = append_only(
    "billing.deposits",
    "Un bordereau établi ne change plus : il s'annule, et un autre le remplace.",
    DepositSlip,
    DepositLine,
    DepositCancellation,
    # A cancelled slip frees its payments; whose they were is forgotten after ten years.
    may_move=("cancelled", "drawer", "reference", "payment_id"),
)


class DepositRefused(Exception):
    """Nothing was written; the message says why in French."""


def waiting(means: Iterable[Means], regie: int | None) -> "QuerySet[PaymentInTheBooks]":
    """Payments of a régie by these means, of one way of handing over, that are still at the town hall."""
    rows = _waiting(list(means), BillingSettings.current().deposits_from).filter(regie=regie)
    return rows.order_by("book_day", "pk")


def _waiting(chosen: Sequence[Means], since: date | None) -> "QuerySet[PaymentInTheBooks]":
    """Of every régie."""
    on_a_slip = DepositLine.objects.filter(payment=OuterRef("pk"), cancelled=False)
    codes = [one.code for one in chosen]
    rows = Payment.objects.in_the_books().filter(~Exists(on_a_slip), means__in=codes)
    if since is not None:
        rows = rows.filter(book_day__gte=since)
    if any(one.deposit == SLIP for one in chosen):
        # A cheque stays the same paper where its money is moved to another household.
        rows = rows.filter(kind=PaymentKind.PAYMENT).annotate(back=_given_back())
        rows = rows.filter(amount__gt=-F("back"))
    return rows


def by_means() -> list[tuple[int | None, Means, list[Decimal]]]:
    """What waits of every régie (its key) by every means, means by means, in their order; five queries."""
    since, known = BillingSettings.current().deposits_from, ways.deposited_by_way()
    found: list[tuple[int | None, Means, list[Decimal]]] = []
    for how in (SLIP, CASH):
        amounts: dict[tuple[int | None, str], list[Decimal]] = defaultdict(list)
        rows = _waiting(known.get(how, ()), since).order_by("book_day", "pk")
        for regie, code, amount in rows.values_list("regie", "means", "amount"):
            amounts[regie, code].append(amount)
        order = {one.code: (rank, one) for rank, one in enumerate(known.get(how, ()))}
        for (whose, by), given in sorted(amounts.items(), key=lambda pair: order[pair[0][1]][0]):
            found.append((whose, order[by][1], given))
    return found


def _given_back() -> Coalesce:
    """What of a payment went back as it came, also after it was moved: it bounced, or was handed back; less
    what the desk had typed wrong of that."""
    went = Q(refunds=OuterRef("pk")) | Q(refunds__moved_from__refunds=OuterRef("pk"))
    came = Q(refunds__refunds=OuterRef("pk")) | Q(refunds__refunds__moved_from__refunds=OuterRef("pk"))
    of_it = Q(went, kind__in=WENT_BACK) | Q(came, kind=PaymentKind.BACK)
    back = (
        Payment.objects.filter(of_it, means=OuterRef("means"))
        .validated()
        .order_by()
        .values("means")
        .annotate(sum=Round(Sum("amount"), 2))
        .values("sum")
    )
    money = DecimalField(max_digits=10, decimal_places=2)
    return Coalesce(Subquery(back, output_field=money), Value(ZERO, output_field=money))


def sent_back(payments: Collection[int]) -> set[int]:
    """Of these payments (keys), those that went back as they came since."""
    rows = Payment.objects.filter(pk__in=payments).annotate(back=_given_back())
    return set(rows.filter(amount__lte=-F("back")).values_list("pk", flat=True))


@dataclass(frozen=True)
class Cash:
    """What each régie (by key) took in cash and not handed over, in euros, without the float; what of it one
    agent took; `names`: nothing where the town's own régie is alone."""

    names: Mapping[int | None, str]
    facts: Mapping[int | None, Issuer]
    held: Mapping[int | None, Decimal]
    mine: Mapping[int | None, Decimal]

    @property
    def too_much(self) -> str:
        """What to say where the cash of a régie exceeds what is authorised; "" where none does."""
        said = []
        for key, one in self.facts.items():
            most, held = one.cash_maximum, self.held.get(key, ZERO)
            if most is not None and held > most:
                whose = f"{self.names[key]} : il" if self.names else "Il"
                said.append(f"{whose} y a {euros(held)} d'espèces en caisse, pour {euros(most)} autorisés.")
        return f"{' '.join(said)} Faites un versement au comptable." if said else ""


def cash(agent: User | None = None) -> Cash:
    """Of every régie; six queries, however many they are."""
    names, settings = regies.all_named(), BillingSettings.current()
    facts = regies.facts_of(names, settings)
    rows = _waiting(ways.deposited(CASH), settings.deposits_from).order_by()
    sums = rows.values("regie").annotate(held=Sum("amount"), mine=Sum("amount", filter=Q(recorded_by=agent)))
    held: dict[int | None, Decimal] = {}
    mine: dict[int | None, Decimal] = {}
    for regie, of_all, of_one in sums.values_list("regie", "held", "mine"):
        held[regie] = Decimal(of_all).quantize(ZERO)
        mine[regie] = Decimal(of_one or ZERO).quantize(ZERO)
    return Cash(names, facts, held, mine)


def cash_in_hand(regie: int | None = None) -> Decimal:
    """What a régie took in cash and not handed over, in euros, without the float."""
    return cash().held.get(regie, ZERO)


def too_much_cash() -> str:
    """What to say where the cash of a régie exceeds what is authorised; "" where none does."""
    return cash().too_much


def make(
    means: str,
    payments: Collection[int],
    *,
    deposited_on: date,
    by: User | None,
    at: datetime,
    regie: int | None = None,
) -> DepositSlip:
    """A slip of these payments (keys), all of one means and régie.

    Raises DepositRefused where one of them waits no longer, and for a day to come.
    """
    way = ways.of(means)
    if way.deposit == NO_DEPOSIT:
        raise DepositRefused(f"{way.label} : rien à remettre.")
    if not payments:
        raise DepositRefused("Choisissez au moins un règlement.")
    if deposited_on > timezone.localtime(at).date():
        raise DepositRefused("La date de la remise est à venir.")
    with transaction.atomic():
        rows = Payment.objects.filter(pk__in=payments)
        homes = set(rows.order_by().values_list("household_id", flat=True))
        Household.objects.lock(homes)
        (number,) = Numbering(regies.series(SERIES, regie), timezone.localtime(at).year).take()
        found = list(waiting([way], regie).filter(pk__in=payments))
        if len(found) != len(set(payments)) or not {one.household_id for one in found} <= homes:
            raise DepositRefused(_gone(set(payments) - {one.pk for one in found}))
        total = sum((one.amount for one in found), ZERO)
        if total <= 0:
            raise DepositRefused("Il n'y a rien à remettre : les sorties égalent ou dépassent les entrées.")
        slip = DepositSlip.objects.create(
            **number.fields,
            regie_id=regie,
            means=means,
            deposited_on=deposited_on,
            total=total,
            line_count=len(found),
            made_by=by,
            made_at=at,
        )
        names = guardian_names(homes)
        DepositLine.objects.bulk_create(
            DepositLine(
                slip=slip,
                position=place,
                payment=one,
                number=one.number,
                drawer=names.get(one.household_id, "")[:200],
                reference=one.reference,
                amount=one.amount,
            )
            for place, one in enumerate(found)
        )
        sealing.seal([slip])
    return slip


def _gone(payments: Collection[int]) -> str:
    """Why some wait no longer."""
    line = DepositLine.objects.filter(payment__in=payments, cancelled=False).select_related("slip").first()
    if line is not None:
        return f"Le règlement {line.number} est déjà sur le bordereau {line.slip.number} : recommencez."
    return "Un des règlements n'est plus à remettre : recommencez."


def cancel(slip: DepositSlip, *, reason: str, by: User | None, at: datetime) -> DepositCancellation:
    """Raises DepositRefused without a reason, and for a slip that is cancelled already."""
    if not reason.strip():
        raise DepositRefused("Dites pourquoi ce bordereau est annulé.")
    with transaction.atomic():
        homes = Payment.objects.filter(deposits__slip=slip).order_by().values_list("household_id", flat=True)
        Household.objects.lock(set(homes))
        if (before := DepositCancellation.objects.filter(slip=slip).first()) is not None:
            when = short_day(timezone.localtime(before.cancelled_at).date(), year=True)
            raise DepositRefused(f"Ce bordereau est déjà annulé, le {when}.")
        slip.lines.update(cancelled=True)
        return DepositCancellation.objects.create(
            slip=slip, reason=reason.strip(), cancelled_by=by, cancelled_at=at
        )


def title(way: Means) -> str:
    """« Bordereau de remise : Chèque », « Versement au comptable : Espèces »."""
    return f"{'Versement au comptable' if way.deposit == CASH else 'Bordereau de remise'} : {way.label}"


def said(slip: DepositSlip) -> str:
    """« Le bordereau n° B2026-000001 de 3 règlements, 38,40 €, est établi. »"""
    return (
        f"Le bordereau n°\xa0{slip.number} de {counted(slip.line_count, 'règlement', 'règlements')},"
        f" {euros(slip.total)}, est établi."
    )
