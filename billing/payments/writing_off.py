"""The only writer of write-offs: what the town hall no longer asks for, by a decision of its council.

    foresee(invoice, amount) -> Decimal                what would be left to pay; nothing is written
    write_off(invoice, amount, kind=…, …) -> WriteOff
    drop(statement, reason=…, …) -> WriteOff           a statement too small to bill: whole, and for good

No money came, so that it is no receipt; nothing was billed wrongly, so that it is no credit note.
"""

from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from billing.invoices import ledger, regies, sealing
from billing.invoices.numbering import Numbering
from billing.invoices.refusals import BillingRefused
from billing.models import Invoice, WriteOff
from billing.payments import paying
from families.custody import own
from families.models import Household, User
from portal.french.amounts import euros

SERIES = "N"
RIGHT = "billing.add_writeoff"
CENT = Decimal("0.01")
# What a council decides. A statement is dropped by whoever may write off.
DECIDED = tuple(one for one in WriteOff.Kind.choices if one[0] != WriteOff.Kind.DROPPED)


def foresee(invoice: Invoice, amount: Decimal) -> Decimal:
    """Raises BillingRefused beyond what is left to pay of the invoice."""
    if amount <= 0 or amount != amount.quantize(CENT):
        raise BillingRefused("Indiquez un montant positif, au centime près.")
    now = Invoice.objects.with_balance().get(pk=invoice.pk)
    if amount > now.left:
        raise BillingRefused(f"Il ne reste que {euros(now.left)} à payer sur la facture {now.number}.")
    return now.left - amount


def write_off(
    invoice: Invoice,
    amount: Decimal,
    *,
    kind: str,
    reason: str,
    decision: str,
    decided_on: date,
    by: User | None,
    at: datetime,
) -> WriteOff:
    """Lowers what is left to pay of an invoice. Raises BillingRefused beyond that, without a reason or a
    decision, and for a decision to come."""
    own.check(by, [invoice.household_id], right=RIGHT, at=at)
    if not (reason.strip() and decision.strip()):
        raise BillingRefused("Indiquez le motif et la référence de la décision.")
    if decided_on > timezone.localtime(at).date():
        raise BillingRefused("La date de la décision est à venir.")
    with transaction.atomic():
        _hold(invoice)
        foresee(invoice, amount)
        return _write(
            invoice,
            amount,
            kind=kind,
            reason=reason,
            decision=decision,
            decided_on=decided_on,
            by=by,
            at=at,
        )


def drop(statement: Invoice, *, reason: str, by: User | None, at: datetime) -> WriteOff:
    """No invoice takes the statement over any more: what it carried is no longer asked for. Once.

    Raises BillingRefused without a reason, of a statement that owes the family (`carried.give_back`), and of
    one that waits no longer.
    """
    own.check(by, [statement.household_id], right=RIGHT, at=at)
    if not reason.strip():
        raise BillingRefused("Indiquez le motif.")
    with transaction.atomic():
        _hold(statement)
        if statement.total <= 0:
            raise BillingRefused("Ce relevé ne demande rien à la famille : remboursez-le plutôt.")
        if not Invoice.every.waiting().filter(pk=statement.pk).exists():
            raise BillingRefused("Ce relevé n'attend plus : une facture l'a repris, ou il est abandonné.")
        return _write(
            statement,
            statement.total,
            kind=WriteOff.Kind.DROPPED,
            reason=reason,
            decision="",
            decided_on=timezone.localtime(at).date(),
            by=by,
            at=at,
        )


def _hold(document: Invoice) -> None:
    if joined := Household.objects.lock([document.household_id]).get(document.household_id):
        raise BillingRefused(paying.joined_sentence(joined))


def _write(
    document: Invoice,
    amount: Decimal,
    *,
    kind: str,
    reason: str,
    decision: str,
    decided_on: date,
    by: User | None,
    at: datetime,
) -> WriteOff:
    (number,) = Numbering(regies.series(SERIES, document.regie_id), timezone.localtime(at).year).take()
    made = WriteOff.objects.create(
        **number.fields,
        invoice=document,
        kind=kind,
        amount=amount,
        reason=reason.strip(),
        decision=decision.strip(),
        decided_on=decided_on,
        issued_at=at,
        issued_by=by,
    )
    sealing.seal([made])
    ledger.written_off(made)
    return made
