"""Which means there are, and what each may pay of which invoices.

    every() -> {code: Means}            the town's rows over the built-in ones, in their order
    at_the_desk(), given_back()         those to choose from
    of(code) -> Means                   read anew: money rests on it
    rooms(means, invoices)              how much more of each invoice (by key) a limited means may pay
    why_not(…) -> str                   why an amount is not taken at the desk, in words; "" where it is

What a means may not pay is held in `paying._allocate`, whoever allocates.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from django.db.models import Sum

from billing.models import (
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceLine,
    InvoiceWithBalance,
    PaymentAllocation,
    PaymentMeans,
    PaymentState,
)
from billing.rules.means import BUILT_IN, OF_BANKS, ZERO, Line, Means, part, room
from families.models.children import age_on
from portal.french.amounts import euros
from portal.french.moments import listing

# Money is given back by these, or by what the town adds without limits.
YOUNG = (0,)  # of what days nobody says: it may be of any age's
NEVER_GIVEN_BACK = ("online", "debit")


def every() -> dict[str, Means]:
    """All that may still be used, in two queries."""
    found = dict(BUILT_IN)
    for row in PaymentMeans.objects.prefetch_related("uses"):
        if row.active:
            found[row.code] = row.rule()
        else:
            found.pop(row.code, None)
    return dict(sorted(found.items(), key=lambda pair: (pair[1].order, pair[1].label)))


def at_the_desk() -> list[Means]:
    return [one for code, one in every().items() if one.at_desk and code not in OF_BANKS]


def given_back() -> list[tuple[str, str]]:
    """Choices of how money is given back."""
    return [
        (code, one.label) for code, one in every().items() if not one.limited and code not in NEVER_GIVEN_BACK
    ]


def of(code: str) -> Means:
    """The means of a payment, also where it is no longer used; an unknown code pays nothing."""
    row = PaymentMeans.objects.filter(code=code).prefetch_related("uses").first()
    if row is not None:
        return row.rule()
    return BUILT_IN.get(code) or Means(code=code, label=code, order=0, limited=True)


def deposited(how: str) -> list[Means]:
    """Means whose payments are handed over that way (`rules.means.SLIP`, `CASH`), used or not any more."""
    return deposited_by_way().get(how, [])


def deposited_by_way() -> dict[str, list[Means]]:
    """The same, of every way; in two queries."""
    known = dict(BUILT_IN)
    known |= {row.code: row.rule() for row in PaymentMeans.objects.prefetch_related("uses")}
    found: dict[str, list[Means]] = defaultdict(list)
    for one in sorted(known.values(), key=lambda one: one.order):
        found[one.deposit].append(one)
    return dict(found)


@dataclass(frozen=True)
class _Known:
    lines: list[Line]
    spent: dict[Means, Decimal]
    credited: Decimal


def _known(means: Means, invoices: Collection[int]) -> dict[int, _Known]:
    """What invoices (by key) come to, and what limited means and credit notes took of them; seven
    queries."""
    limited = _all_limited() | {means.code: means}
    lines: dict[int, list[Line]] = defaultdict(list)
    rows = InvoiceLine.objects.filter(invoice__in=invoices).select_related("invoice", "formula", "child")
    for row in rows.order_by("position"):
        lines[row.invoice_id].append(_line(row, row.days))
    by_line = CreditNoteLine.objects.filter(note__invoice__in=invoices)
    for credit in by_line.exclude(line=None).select_related("line__invoice", "line__formula", "line__child"):
        if credit.line is not None:
            taken = _line(credit.line, credit.days)
            lines[credit.line.invoice_id].append(
                replace(taken, amount=-credit.amount, ages=taken.ages if credit.days else YOUNG)
            )
    spent: dict[int, dict[Means, Decimal]] = defaultdict(dict)
    paid = PaymentAllocation.objects.filter(
        invoice__in=invoices, payment__state=PaymentState.VALIDATED, payment__means__in=limited
    )
    sums = paid.order_by().values_list("invoice_id", "payment__means").annotate(sum=Sum("amount"))
    for invoice, code, amount in sums:
        spent[invoice][limited[code]] = amount
    credited: dict[int, Decimal] = defaultdict(Decimal)
    notes = CreditNote.objects.filter(invoice__in=invoices, line_count=0)
    for rows_of in (
        notes.values_list("invoice_id", "amount"),
        by_line.filter(line=None).values_list("note__invoice_id", "amount"),
    ):
        for invoice, amount in rows_of:
            credited[invoice] += amount
    return {key: _Known(lines[key], spent[key], credited[key]) for key in invoices}


def _all_limited() -> dict[str, Means]:
    """By code, in two queries; those that are used no more may have paid too."""
    found = {code: one for code, one in BUILT_IN.items() if one.limited}
    for row in PaymentMeans.objects.prefetch_related("uses"):
        found.pop(row.code, None)
        if row.limited:
            found[row.code] = row.rule()
    return found


def _line(row: InvoiceLine, of_days: Sequence[str]) -> Line:
    days = [date.fromisoformat(day) for day in of_days] or [row.invoice.month]
    born = row.child.birth_date if row.child is not None else None
    return Line(
        row.formula.activity_id if row.formula is not None else None,
        row.formula_id,
        row.amount,
        tuple(age_on(born, day) for day in days) if born is not None else (),
        row.activity_name or row.label,
    )


def rooms(means: Means, invoices: Collection[int]) -> dict[int, Decimal]:
    """Of each invoice (by key), what a limited means may still pay, whatever is left of it."""
    return {
        key: room(means, known.lines, known.spent, credited=known.credited)
        for key, known in _known(means, invoices).items()
    }


def why_not(
    means: Means,
    household: int,
    amount: Decimal,
    invoices: Iterable[Invoice] | None,
    *,
    regie: int | None,
    keep_surplus: bool,
) -> str:
    """Why an amount of a means that gives no change, or that pays not everything, is refused for these
    invoices, or (None) for whatever is unpaid of the régie; under the household's lock."""
    if not (means.limited or means.no_change):
        return ""
    unpaid = Invoice.objects.with_balance().filter(household_id=household, regie=regie, left__gt=ZERO)
    if invoices is not None:
        unpaid = unpaid.filter(pk__in=[one.pk for one in invoices])
    due = list(unpaid)
    left = sum((one.left for one in due), ZERO)
    if not means.limited:
        if amount <= left or keep_surplus:
            return ""
        return (
            f"{means.label} : pas de rendu de monnaie, et il y a {euros(left)} à payer. Cochez « Garder ce"
            " qui dépasse » pour le prendre quand même."
        )
    if not means.uses:
        return (
            f"{means.label} : aucune activité ne se paie ainsi. Dites lesquelles dans « Moyens de paiement »."
        )
    able = rooms(means, [one.pk for one in due])
    most = sum((min(one.left, able[one.pk]) for one in due), ZERO)
    if amount <= most or (keep_surplus and most > 0):
        return ""
    return _refusal(means, due, most)


def _refusal(means: Means, due: Sequence[InvoiceWithBalance], most: Decimal) -> str:
    may, may_not = _by_name(means, [one.pk for one in due])
    said = f"{means.label} : jusqu'à {euros(most)}" if most > 0 else f"{means.label} : rien à payer ainsi"
    if may:
        said += f" ({listing([f'{name} {euros(amount)}' for name, amount in may.items()])})"
    if may_not:
        rest = listing([f"{name} {euros(amount)}" for name, amount in may_not.items()])
        said += f" ; se paie autrement : {rest}"
    if most > 0:
        said += ". Pour prendre davantage, cochez « Garder ce qui dépasse »"
    return said + "."


def _by_name(means: Means, invoices: Collection[int]) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """What of these invoices a means may pay and may not, by activity."""
    may: dict[str, Decimal] = defaultdict(Decimal)
    may_not: dict[str, Decimal] = defaultdict(Decimal)
    for known in _known(means, invoices).values():
        for line in known.lines:
            mine = part(means, line)
            may[line.name] += mine
            may_not[line.name] += line.amount - mine
    return _positive(may), _positive(may_not)


def _positive(found: dict[str, Decimal]) -> dict[str, Decimal]:
    return {name: amount for name, amount in found.items() if amount > 0}
