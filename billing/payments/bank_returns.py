"""What a bank sends back of direct debits, as it says it: pain.002, camt.053, camt.054, or a code typed.

    read(content, name) -> [Returned]             what a file says; raises UnknownFile with the file's name
    apply(said, by=…, at=…) -> Noted              notes each on the debit of its invoice, once
    in_words(code) -> str                         « AM04 – provision insuffisante »

Amounts are euros. A file is read without its entities, its document type or anything of the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from django.utils import timezone
from lxml import etree

from billing.models import Debit, PaymentState
from billing.payments import sepa
from billing.payments.paying import PaymentRefused
from families.custody.own import OwnHousehold
from families.models import User
from portal.french.amounts import euros

LARGEST = 10 * 1024 * 1024
CODES = {
    "AC01": "numéro de compte incorrect",
    "AC04": "compte clos",
    "AC06": "compte bloqué",
    "AC13": "compte d'un autre type",
    "AG01": "prélèvement interdit sur ce compte",
    "AG02": "code d'opération refusé",
    "AM04": "provision insuffisante",
    "AM05": "prélèvement en double",
    "BE05": "identifiant créancier non reconnu",
    "CNOR": "banque du créancier inconnue",
    "DNOR": "banque du débiteur inconnue",
    "FF01": "format de fichier refusé",
    "MD01": "pas de mandat",
    "MD02": "données du mandat incomplètes",
    "MD06": "prélèvement contesté par le débiteur",
    "MD07": "débiteur décédé",
    "MS02": "refus du débiteur",
    "MS03": "motif non communiqué",
    "RC01": "BIC incorrect",
    "RR01": "motif réglementaire",
    "RR02": "motif réglementaire",
    "RR03": "motif réglementaire",
    "RR04": "motif réglementaire",
    "SL01": "service propre à la banque du débiteur",
    "TM01": "fichier reçu trop tard",
}
REASON_UNKNOWN = "MS03"
KINDS = ("pain.002", "camt.053", "camt.054")
ZERO, MOST = Decimal(0), Decimal(10**9)
STANDING = (PaymentState.PENDING, PaymentState.VALIDATED)


class UnknownFile(Exception):
    """Nothing was read; the message names the file and says why in French."""


@dataclass(frozen=True)
class Returned:
    """One debit sent back: its end-to-end reference, which is the invoice's number, and the bank's code."""

    reference: str
    code: str
    on: date | None
    amount: Decimal | None


@dataclass
class Noted:
    """The debits sent back, those that were already, and what fits none of ours, in French sentences."""

    debits: list[Debit] = field(default_factory=list)
    known: int = 0
    strange: list[str] = field(default_factory=list)


def in_words(code: str) -> str:
    """A code with what it means; what is no known code stays as it was typed."""
    words = CODES.get(code.strip().upper())
    return f"{code.strip().upper()} – {words}" if words else code.strip()


def read(content: bytes, name: str) -> list[Returned]:
    """What a bank's file says was sent back, in its order; nothing where all was collected."""
    if len(content) > LARGEST:
        raise UnknownFile(f"« {name} » est trop lourd : 10 Mo au plus.")
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_comments=True
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise UnknownFile(f"« {name} » n'est pas un fichier XML de la banque.") from None
    if root.getroottree().docinfo.doctype:
        raise UnknownFile(f"« {name} » déclare un type de document : aucun fichier de banque n'en a.")
    kind = (etree.QName(root).namespace or "").rsplit(":", 1)[-1]
    if not kind.startswith(KINDS):
        found = f"est un {kind}" if kind else "n'est d'aucun type connu"
        raise UnknownFile(f"« {name} » {found} : il faut un pain.002, un camt.053 ou un camt.054.")
    return _rejected(root, name) if kind.startswith("pain.002") else _entries(root)


def _rejected(root: etree._Element, name: str) -> list[Returned]:
    """pain.002: each transaction that the bank has not taken. Raises UnknownFile where it takes none of a
    file, or of a part of it, and names no transaction: that would read as if all were collected."""
    for tag, status in (("OrgnlPmtInfAndSts", "PmtInfSts"), ("CstmrPmtStsRpt", "GrpSts")):
        for whole in root.iter(f"{{*}}{tag}"):
            said = whole.find(f".//{{*}}{status}")
            if said is not None and said.text == "RJCT" and whole.find(".//{*}TxInfAndSts") is None:
                raise UnknownFile(
                    f"« {name} » rejette des prélèvements en bloc, sans les nommer : notez chacun à la main."
                )
    on = _day(_text(root, "CstmrPmtStsRpt", "GrpHdr", "CreDtTm"))
    return [
        Returned(
            _text(one, "OrgnlEndToEndId"),
            _text(one, "StsRsnInf", "Rsn", "Cd") or REASON_UNKNOWN,
            on,
            _amount(_text(one, "OrgnlTxRef", "Amt", "InstdAmt")),
        )
        for one in root.iter("{*}TxInfAndSts")
        if _text(one, "TxSts") == "RJCT"
    ]


def _entries(root: etree._Element) -> list[Returned]:
    """camt: each movement that says why it was sent back."""
    found = []
    for entry in root.iter("{*}Ntry"):
        on = _day(_text(entry, "BookgDt", "Dt") or _text(entry, "BookgDt", "DtTm"))
        for one in entry.iter("{*}TxDtls"):
            if one.find("{*}RtrInf") is not None:
                code = _text(one, "RtrInf", "Rsn", "Cd") or REASON_UNKNOWN
                # The amount debited first: that of the movement may hold the bank's fee.
                amount = _text(one, "AmtDtls", "InstdAmt", "Amt") or _text(one, "Amt")
                found.append(Returned(_text(one, "Refs", "EndToEndId"), code, on, _amount(amount)))
    return found


def _text(element: etree._Element, *path: str) -> str:
    found = element.find("/".join(f"{{*}}{name}" for name in path))
    return (found.text or "").strip() if found is not None else ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def _amount(text: str) -> Decimal | None:
    """What cannot be an amount is zero, which fits no debit."""
    try:
        found = Decimal(text) if text else None
    except InvalidOperation:
        return ZERO
    return found if found is None or (found.is_finite() and abs(found) < MOST) else ZERO


def apply(said: Sequence[Returned], *, by: User | None, at: datetime) -> Noted:
    """Notes what was sent back, each on its own. The same file twice is noted once."""
    noted = Noted()
    ours: dict[str, list[Debit]] = {}
    references = {one.reference for one in said if one.reference}
    rows = Debit.objects.filter(invoice__number__in=references).select_related("payment", "invoice", "file")
    for debit in rows.order_by("pk"):
        ours.setdefault(debit.invoice.number, []).append(debit)
    for one in said:
        debits = ours.get(one.reference, [])
        waiting = [each for each in debits if _may_be(each, one)]
        if not waiting:
            if any(each.returned_on is not None for each in debits):
                noted.known += 1
            elif debits:
                noted.strange.append(
                    f"{one.reference} : ce rejet est d'avant le prélèvement. Notez-le à la main."
                )
            else:
                noted.strange.append(
                    f"« {one.reference or 'sans référence'} » n'est aucun de nos prélèvements."
                )
            continue
        debit = waiting[-1]
        if one.amount is not None and one.amount != debit.payment.amount:
            noted.strange.append(
                f"{debit.invoice.number} : la banque rejette {euros(one.amount)}, le prélèvement est de"
                f" {euros(debit.payment.amount)}. Notez-le à la main."
            )
            continue
        on = one.on or debit.file.collected_on
        try:
            done = sepa.returned(debit, on=on, reason=in_words(one.code), by=by, at=at)
        except (OwnHousehold, PaymentRefused) as refusal:
            noted.strange.append(f"{debit.invoice.number} : {refusal}")
            continue
        debit.returned_on = done.returned_on
        noted.debits.append(done)
    return noted


def _may_be(debit: Debit, said: Returned) -> bool:
    """Whether that is the debit sent back: it stands, and was asked for by then. An invoice sent back is
    debited again under the same reference, and the bank's next statement tells the first return once more."""
    if debit.returned_on is not None or debit.payment.state not in STANDING:
        return False
    return said.on is None or said.on >= timezone.localtime(debit.file.made_at).date()
