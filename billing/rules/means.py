"""Means of payment, and what each may pay. Pure.

A means without limits pays everything. A limited one pays lines of the activities that it names, up to an age
where one is said; several limited ones share these lines, and together never pay more than they come to.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from itertools import combinations

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
# What becomes of it at the régie: nothing (a bank has it already), a deposit slip, cash for the comptable.
NO_DEPOSIT, SLIP, CASH = "", "slip", "cash"


@dataclass(frozen=True)
class Use:
    """What a limited means may pay: an activity or one formula of it (keys), for children under an age."""

    activity: int
    formula: int | None = None
    under_age: int | None = None


@dataclass(frozen=True, kw_only=True)
class Means:
    """`code` is what a payment bears. `reference`: how its reference is called, empty where none is asked.

    `no_change`: what exceeds the invoices is taken only where somebody says so.
    """

    code: str
    label: str
    order: int
    at_desk: bool = False
    limited: bool = False
    uses: tuple[Use, ...] = ()
    reference: str = ""
    account: str = ""
    no_change: bool = False
    deposit: str = NO_DEPOSIT


@dataclass(frozen=True)
class Line:
    """A line of an invoice, in euros; `ages`: the child's on each of its days."""

    activity: int | None
    formula: int | None
    amount: Decimal
    ages: tuple[int, ...] = ()
    name: str = ""


NUMBER_OF_A_CHEQUE = "N° de chèque"
BUILT_IN: Mapping[str, Means] = {
    one.code: one
    for one in (
        Means(code="cash", label="Espèces", order=10, at_desk=True, deposit=CASH),
        Means(
            code="cheque",
            label="Chèque",
            order=20,
            at_desk=True,
            reference=NUMBER_OF_A_CHEQUE,
            deposit=SLIP,
        ),
        Means(
            code="card", label="Carte bancaire au guichet", order=30, at_desk=True, reference="N° du ticket"
        ),
        Means(code="transfer", label="Virement", order=40, reference="Référence du virement"),
        Means(
            code="cesu",
            label="CESU",
            order=50,
            limited=True,
            reference="N° des titres",
            no_change=True,
            deposit=SLIP,
        ),
        Means(
            code="cesu_e", label="CESU dématérialisé", order=51, limited=True, reference="N° de transaction"
        ),
        Means(
            code="ancv",
            label="Chèque-Vacances",
            order=60,
            limited=True,
            reference="N° des titres",
            no_change=True,
            deposit=SLIP,
        ),
        Means(
            code="ancv_c",
            label="Chèque-Vacances Connect",
            order=61,
            limited=True,
            reference="N° de transaction",
        ),
        Means(
            code="caf",
            label="Bon CAF",
            order=70,
            limited=True,
            reference="N° du bon",
            no_change=True,
            deposit=SLIP,
        ),
        Means(code="debit", label="Prélèvement", order=80),
        Means(code="online", label="Paiement en ligne", order=90),
    )
}
# What a bank says it collected is written whatever it pays: these are never limited, nor taken at the desk.
OF_BANKS = ("online", "debit")


def part(means: Means, line: Line) -> Decimal:
    """How much of a line a means may pay: of one that takes back, how much less."""
    if not means.limited:
        return line.amount
    found = [ZERO]
    for use in means.uses:
        if line.activity != use.activity or use.formula not in (None, line.formula):
            continue
        if use.under_age is None:
            found.append(line.amount)
        elif line.ages:
            young = sum(age < use.under_age for age in line.ages)
            share = line.amount * young / len(line.ages)
            found.append(share.quantize(CENT, ROUND_FLOOR))
    return max(found) if line.amount > 0 else min(found)


def payable(several: Iterable[Means], lines: Iterable[Line]) -> Decimal:
    """How much these means together may pay of an invoice with these lines."""
    chosen = list(several)
    total = ZERO
    for line in lines:
        parts = [part(means, line) for means in chosen]
        total += max(parts) if line.amount > 0 else min(parts)
    return max(total, ZERO)


def room(
    means: Means, lines: Sequence[Line], spent: Mapping[Means, Decimal], *, credited: Decimal = ZERO
) -> Decimal:
    """How much more of an invoice a limited means may pay.

    `spent`: what limited means pay of it already. `credited`: what was taken back of it since; nobody says of
    which lines, so it may be of those that the means pays.
    """
    others = [one for one, amount in spent.items() if amount > 0 and one != means]
    return max(
        ZERO,
        min(
            max(payable(together, lines) - credited, ZERO)
            - sum((spent.get(one, ZERO) for one in together), ZERO)
            for together in _with(means, others)
        ),
    )


def _with(means: Means, others: Sequence[Means]) -> Iterator[tuple[Means, ...]]:
    """Every set of means in which this one is."""
    for count in range(len(others) + 1):
        for chosen in combinations(others, count):
            yield (means, *chosen)
