"""What becomes of a statement that owes the family, where no invoice comes any more.

    foresee(statement) -> Foreseen       which invoices answer, and what of it is to be given back
    give_back(statement, reason=…, …)    credit notes on them instead of the statement; once

A statement is no document that anybody pays, and its money came with invoices: credit notes on these have its
amount from now on. What is due of them is due no more; what had paid them is the family's, and is given back
by the verbs that give money back (cash, transfer, the provider). Amounts are euros. One that is too little to
bill is dropped by `writing_off.drop`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from billing.invoices import ledger
from billing.invoices.creditable import Wanted
from billing.invoices.refusals import BillingRefused
from billing.models import CreditNote, Invoice, InvoiceWithBalance, StatementCredit
from billing.payments import crediting, paying
from billing.payments.crediting import Foreseen as Answer
from families.custody import own
from families.models import Household, User
from portal.french.amounts import euros

RIGHT = crediting.RIGHT
ZERO = Decimal("0.00")


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """The credit notes to be, one an invoice."""

    statement: Invoice
    answers: Sequence[Answer]

    @property
    def to_give_back(self) -> Decimal:
        """What of it had been paid; the rest lowers what is due."""
        return sum((one.sum_freed for one in self.answers), ZERO)

    @property
    def stamp(self) -> str:
        """What was shown, so that nothing else is done."""
        return "|".join(f"{one.invoice.pk}={one.stamp}" for one in self.answers)


def foresee(statement: Invoice) -> Foreseen:
    """What is due is answered first, the oldest before; then what was paid, the latest before. Raises
    BillingRefused where the statement owes nothing, is taken over, or no invoice ever had as much."""
    if statement.total >= 0 or not Invoice.every.waiting().filter(pk=statement.pk).exists():
        raise BillingRefused("Ce relevé n'attend plus : une facture ou un avoir l'a repris.")
    missing, answers = -statement.total, []
    rows = Invoice.objects.with_balance().filter(household=statement.household_id, regie=statement.regie_id)
    due = list(rows.filter(left__gt=ZERO).order_by("due_on", "issued_at", "sequence"))
    paid = list(rows.filter(left__lte=ZERO, paid__gt=ZERO).order_by("-issued_at", "-sequence"))
    answering: list[InvoiceWithBalance] = [*due, *paid]
    for invoice in answering:
        part = min(missing, invoice.left + invoice.paid)
        if part > 0:
            answers.append(crediting.foresee(invoice, Wanted(amount=part)))
            missing -= part
    if missing > 0:
        raise BillingRefused(
            f"Aucune facture de ce foyer ne porte les {euros(missing)} qui manquent : ils restent en"
            " déduction de la prochaine."
        )
    return Foreseen(statement=statement, answers=answers)


def give_back(
    statement: Invoice, *, reason: str, by: User | None, at: datetime, seen: str = ""
) -> list[CreditNote]:
    """The notes; what they free waits to be given back. Raises BillingRefused, also where it is no longer
    what was shown (`seen`: the stamp of that)."""
    own.check(by, [statement.household_id], right=RIGHT, at=at)
    if not reason.strip():
        raise BillingRefused("Indiquez le motif.")
    with transaction.atomic():
        if joined := Household.objects.lock([statement.household_id]).get(statement.household_id):
            raise BillingRefused(paying.joined_sentence(joined))
        found = foresee(statement)
        if seen and seen != found.stamp:
            raise BillingRefused("Ce qui est payé ou crédité a changé entre-temps : voici le nouvel aperçu.")
        notes = [
            crediting.credit(
                one.invoice,
                Wanted(amount=one.amount),
                reason=f"{reason.strip()} (report {statement.number})"[:300],
                by=by,
                at=at,
                becomes=CreditNote.Becomes.REFUNDED,
            )
            for one in found.answers
        ]
        StatementCredit.objects.bulk_create(StatementCredit(statement=statement, note=note) for note in notes)
        ledger.taken_over([(statement, notes[0])])
    return notes
