"""Money given back to a family's account: asked for, put into a file for the bank, done or sent back.

    ask(payment, amount, holder=…, iban=…, …)     it leaves the payment at once, and waits for a file
    cancel(refund, why=…, …)                      before the file: the money is the payment's again
    waiting(regie) -> [TransferRefund]            what a file of a régie would hold
    make(paid_on=…, …) -> TransferFile            the pain.001 file of what waits
    done(refund, …)                               the bank has paid: the account is forgotten
    refused(refund, on=…, why=…, …)               the bank sends it back: the money is the payment's again

A file is one régie's (`regie`: its key, None the town's own): its account gives back what was paid to it.
The file is written by the library `sepaxml` and checked against the schema of ISO 20022 that it carries.
Amounts are euros. The family's IBAN is encrypted and kept for this refund only.
"""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from sepaxml import SepaTransfer
from sepaxml.validation import ValidationError as SchemaError

from billing.invoices import regies
from billing.models import Issuer, Payment, TransferFile, TransferRefund
from billing.payments import own_account, paying, undoing_letters
from billing.payments.paying import PaymentRefused
from families.custody import own
from families.models import Household, User
from portal.database.encrypted import Unreadable
from portal.french.official_numbers import check_iban

SCHEMA = "pain.001.001.03"
RIGHT = "billing.change_payment"
State = TransferRefund.State


class TransferRefused(Exception):
    """Nothing was written; the message says why in French."""


def ask(
    payment: Payment,
    amount: Decimal,
    *,
    holder: str,
    iban: str,
    bic: str = "",
    by: User | None,
    at: datetime,
) -> TransferRefund:
    """Money of a payment that no invoice uses. Raises PaymentRefused as `paying.refund` does."""
    try:
        check_iban(iban)
    except ValidationError as slip:
        raise PaymentRefused(" ".join(slip.messages)) from slip
    if not holder.strip():
        raise PaymentRefused("Indiquez le titulaire du compte.")
    with transaction.atomic():
        given = paying.refund(
            payment,
            amount,
            means=Payment.Means.TRANSFER,
            paid_on=timezone.localtime(at).date(),
            by=by,
            at=at,
        )
        refund = TransferRefund.objects.create(
            payment=given, holder=holder.strip()[:70], iban=iban, bic=bic, asked_by=by, asked_at=at
        )
        undoing_letters.given_back(refund)
    return refund


def cancel(refund: TransferRefund, *, why: str, by: User | None, at: datetime) -> TransferRefund:
    """Given up before any file: a row of its own brings the money back. Once; else TransferRefused."""
    if not why.strip():
        raise TransferRefused("Indiquez le motif.")
    with transaction.atomic():
        refund = _held(refund, by, at)
        if refund.state == State.CANCELLED:
            return refund
        if refund.state != State.WAITING:
            raise TransferRefused("Ce virement est déjà confié à la banque : notez plutôt son rejet.")
        return _back(refund, State.CANCELLED, timezone.localtime(at).date(), why, by, at)


def waiting(regie: int | None = None) -> list[TransferRefund]:
    rows = _waiting(regie).select_related("payment__household")
    return list(rows.order_by("asked_at", "pk"))


def _waiting(regie: int | None) -> QuerySet[TransferRefund]:
    return TransferRefund.objects.filter(state=State.WAITING, payment__regie=regie)


def total(refunds: Sequence[TransferRefund]) -> Decimal:
    return -sum((one.payment.amount for one in refunds), Decimal("0.00"))


def fingerprint(refunds: Sequence[TransferRefund]) -> str:
    """Changes with what would be paid back."""
    rows = "|".join(f"{one.pk}:{one.payment.amount:.2f}" for one in refunds)
    return hashlib.sha256(rows.encode()).hexdigest()[:16]


def make(
    *, paid_on: date, by: User | None, at: datetime, seen: str | None = None, regie: int | None = None
) -> TransferFile:
    """The file of all that waits, to be paid that day. `seen`: the fingerprint of what was shown.

    Raises TransferRefused, naming what is missing or that it changed since, with nothing written.
    """
    account = regies.facts(regie)
    if missing := own_account.missing(account):
        raise TransferRefused(missing)
    today = timezone.localtime(at).date()
    if paid_on < today:
        raise TransferRefused("La date des virements est déjà passée.")
    with transaction.atomic():
        Household.objects.lock({one.payment.household_id for one in waiting(regie)})
        rows = _waiting(regie).select_for_update(of=("self",))
        refunds = list(rows.select_related("payment").order_by("asked_at", "pk"))
        if not refunds:
            raise TransferRefused("Aucun remboursement n'attend de virement.")
        if seen is not None and seen != fingerprint(refunds):
            raise TransferRefused("Ce qui est à virer a changé depuis l'aperçu : vérifiez-le de nouveau.")
        made = TransferFile.objects.create(
            message=own_account.message(TransferFile.objects.all(), account, "virements", at),
            regie_id=regie,
            paid_on=paid_on,
            content=_write(account, refunds, paid_on),
            made_by=by,
            made_at=at,
        )
        TransferRefund.objects.filter(pk__in=[one.pk for one in refunds]).update(
            state=State.IN_FILE, file=made
        )
    return made


def _write(account: Issuer, refunds: Sequence[TransferRefund], paid_on: date) -> str:
    """The XML, checked against its schema."""
    writer = SepaTransfer(own_account.facts(account), schema=SCHEMA, clean=True)
    for refund in refunds:
        if isinstance(refund.iban, Unreadable):
            raise TransferRefused(f"L'IBAN du {refund} est illisible : aucune clé de chiffrement ne l'ouvre.")
        payment = {
            "name": refund.holder,
            "IBAN": refund.iban,
            "amount": int(-refund.payment.amount * 100),
            "execution_date": paid_on,
            "description": f"Remboursement {refund.payment.number}",
            "endtoend_id": refund.payment.number,
        }
        if refund.bic:
            payment["BIC"] = refund.bic
        writer.add_payment(payment)
    try:
        content: bytes = writer.export(validate=True)
    except SchemaError as error:
        raise TransferRefused(f"Le fichier ne respecte pas son schéma : {error}"[:300]) from error
    return content.decode()


def done(refund: TransferRefund, *, by: User | None, at: datetime) -> bool:
    """The bank has paid; nothing keeps the account any more. False where that was known."""
    today = timezone.localtime(at).date()
    with transaction.atomic():
        refund = _held(refund, by, at)
        if refund.state == State.DONE:
            return False
        if refund.state != State.IN_FILE or refund.file is None:
            raise TransferRefused(f"Ce virement est « {refund.get_state_display().lower()} ».")
        if today < refund.file.paid_on:
            raise TransferRefused("La date du virement n'est pas encore passée.")
        _end(refund, State.DONE, today)
    return True


def refused(refund: TransferRefund, *, on: date, why: str, by: User | None, at: datetime) -> TransferRefund:
    """The bank sent it back, even after it had said that it was paid. Once."""
    if not why.strip():
        raise TransferRefused("Indiquez le motif donné par la banque.")
    if on > timezone.localtime(at).date():
        raise TransferRefused("La date du rejet est à venir.")
    with transaction.atomic():
        refund = _held(refund, by, at)
        if refund.state == State.REFUSED:
            return refund
        if refund.state not in (State.IN_FILE, State.DONE):
            raise TransferRefused("Ce virement n'est dans aucun fichier : abandonnez-le plutôt.")
        refund = _back(refund, State.REFUSED, max(on, refund.payment.paid_on), why, by, at)
        undoing_letters.given_back(refund)
    return refund


def _held(refund: TransferRefund, by: User | None, at: datetime) -> TransferRefund:
    """The refund as it is once its household's row, and its own, are held."""
    Household.objects.lock([refund.payment.household_id])
    rows = TransferRefund.objects.select_for_update(of=("self",)).select_related("payment__refunds", "file")
    found = rows.get(pk=refund.pk)
    own.check(by, [found.payment.household_id], right=RIGHT, at=at)
    return found


def _back(
    refund: TransferRefund, state: str, on: date, why: str, by: User | None, at: datetime
) -> TransferRefund:
    """The money is the payment's again, for who uses it."""
    said = "Virement abandonné" if state == State.CANCELLED else "Virement rejeté"
    paying.undo_refund(refund.payment, reference=said, invoices=(), paid_on=on, by=by, at=at)
    refund.why_not = why.strip()[:140]
    return _end(refund, state, on)


def _end(refund: TransferRefund, state: str, on: date) -> TransferRefund:
    """Its account is kept no longer; the last four signs go with it."""
    refund.state, refund.ended_on = state, on
    if not isinstance(refund.iban, Unreadable):
        refund.iban, refund.bic = "", ""
    refund.save(update_fields=["state", "ended_on", "why_not", "iban", "iban_end", "bic"])
    return refund
