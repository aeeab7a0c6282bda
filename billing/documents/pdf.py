"""Invoices and other documents on paper.

draw(template, context, *styles, identifier=…) -> bytes  any document of the town hall
stored(invoice, at=…) -> InvoicePdf      printed once, then always the same file (checksum kept)
as_it_stands(invoice, at=…) -> bytes     that file, or what was paid since is on it
read(pdf) -> bytes                       raises PdfLost when the file is gone and cannot be made again alike
content(kept, name) -> bytes             any kept document, its checksum verified
"""

import hashlib
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import segno
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from billing.documents import wording
from billing.models import Invoice, InvoiceLine, InvoicePdf, LetterLot, PaymentState, ReminderLetter
from portal.french.amounts import euros, number
from portal.french.dates import short_day

STYLE = Path(settings.BASE_DIR) / "templates" / "billing" / "invoice.css"
QR_MARGIN = 4  # modules of white around a code, as readers ask for


class PdfLost(Exception):
    """A printed document is no longer in the storage as it was; the message says so in French."""


class PdfGone(PdfLost):
    """Its file is not there at all."""


class Code(NamedTuple):
    """A QR code to draw: the side in modules with its margin, and the dark modules as an SVG path."""

    side: int
    path: str


@lru_cache(maxsize=256)
def code(url: str) -> Code:
    """The QR code of an address, which readers still understand with a crease across it (level M).

    The path is to be stroked one module wide: a line a run of dark modules.
    """
    rows = segno.make_qr(url, error="m").matrix
    runs = []
    for y, row in enumerate(rows):
        x = 0
        for dark, group in groupby(row):
            width = len(list(group))
            if dark:
                runs.append(f"M{x + QR_MARGIN} {y + QR_MARGIN}.5h{width}")
            x += width
    return Code(len(rows) + 2 * QR_MARGIN, "".join(runs))


def pay_url(invoice: Invoice) -> str:
    """The invoice's pay page, whole, under the address that the portal had when it was issued; else empty.

    A demonstration is served wherever it is started: its paper says where it is now.
    """
    portal = invoice.issuer.get("portal", "")
    if portal and settings.DEMO:
        portal = settings.PORTAL_URL.rstrip("/")
    return f"{portal}{reverse('billing:pay')}?facture={invoice.pk}" if portal else ""


def draw(template: str, context: dict[str, Any], *styles: Path, identifier: str) -> bytes:
    """The PDF (tagged, PDF/UA) of a template with its style sheets; the same input gives the same bytes.

    The template's `<html lang>` and `<title>` become those of the document.
    """
    from billing.documents import weasy  # by the first print only: see there

    return weasy.pdf_of(render_to_string(template, context), styles, identifier=identifier)


class Settled(NamedTuple):
    """What was paid of an invoice, the day of the last payment, what credit notes and write-offs took off, in
    euros; `pay_by`: until when it is to be paid, where that is no longer what it says."""

    paid: Decimal = Decimal(0)
    paid_on: date | None = None
    credited: Decimal = Decimal(0)
    written_off: Decimal = Decimal(0)
    pay_by: date | None = None


NOTHING = Settled()


def render(
    invoice: Invoice,
    settled: Settled = NOTHING,
    stands_on: date | None = None,
    *,
    signed: bool = True,
    vat_in_full: bool = True,
) -> bytes:
    """The PDF of an issued invoice; the same invoice, settled alike, always gives the same bytes.

    `stands_on`: the day of a copy that says more than the paper of then. Not `signed`: without the name
    of who signs, as up to 0.6.0. Not `vat_in_full`: the VAT of each rate alone, as up to 0.11.0.
    """
    said = context(invoice, settled, stands_on)
    if not vat_in_full:
        said["vat"] = _vat_alone(list(invoice.lines.all()))
    if not signed:
        said["issuer"] = {**said["issuer"], "signatory": ""}
    return draw("billing/invoice.html", said, STYLE, identifier=invoice.number)


def context(invoice: Invoice, settled: Settled = NOTHING, stands_on: date | None = None) -> dict[str, Any]:
    """What the page shows, in words already: the template computes nothing."""
    lines = list(invoice.lines.all())
    paid, paid_on, credited, written_off, pay_by = settled
    left = invoice.total - paid - credited - written_off
    page = pay_url(invoice) if left > 0 else ""
    return {
        "invoice": invoice,
        "issuer": invoice.issuer,
        "groups": wording.grouped(lines),
        "total": euros(invoice.total),
        "paid": euros(paid) if paid else "",
        "credited": euros(credited) if credited else "",
        "written_off": euros(written_off) if written_off else "",
        "left": euros(left),
        "is_settled": left <= 0,
        "is_paid": paid > 0 and left <= 0 and not written_off,
        "paid_on": short_day(paid_on, year=True) if paid_on else "",
        "due_on": short_day(pay_by or invoice.due_on, year=True),
        "issued_on": short_day(_local_day(invoice.issued_at), year=True),
        "quotient": "" if invoice.quotient is None else number(invoice.quotient),
        "stands_on": short_day(stands_on, year=True) if stands_on else "",
        "vat": wording.vat_of((line.vat_percent, line.amount) for line in lines),
        # Meals of an adult cost the same whatever a household has.
        "by_quotient": any(line.kind != InvoiceLine.Kind.MEAL for line in lines),
        "pay_url": page,
        "code": code(page) if page else None,
    }


def _local_day(moment: datetime) -> date:
    return timezone.localtime(moment).date()


def _vat_alone(lines: list[InvoiceLine]) -> list[str]:
    """« dont TVA 10 % : 1,20 € », a line a rate."""
    rates: dict[Decimal, Decimal] = {}
    for line in lines:
        if line.vat_percent:
            rates[line.vat_percent] = rates.get(line.vat_percent, Decimal(0)) + line.amount
    return [
        f"dont TVA {number(rate)} % : {euros(amount - amount / (1 + rate / 100))}"
        for rate, amount in sorted(rates.items())
    ]


def stored(invoice: Invoice, *, at: datetime) -> InvoicePdf:
    """The invoice's printed file, made and kept on the first call."""
    found = InvoicePdf.objects.filter(invoice=invoice).first()
    if found is not None:
        return found
    settled = _settled(invoice, at)
    content = render(invoice, settled)
    kept = InvoicePdf(
        invoice=invoice,
        sha256=hashlib.sha256(content).hexdigest(),
        paid=settled.paid,
        credited=settled.credited,
        written_off=settled.written_off,
        made_at=at,
    )
    kept.file.save(f"{invoice.number}.pdf", ContentFile(content), save=False)
    try:
        with transaction.atomic():
            kept.save()
    except IntegrityError:
        # Somebody printed it meanwhile: theirs is the document, ours goes.
        kept.file.delete(save=False)
        return InvoicePdf.objects.get(invoice=invoice)
    return kept


def _settled(invoice: Invoice, at: datetime) -> Settled:
    """What has been paid of it and taken off; of the days of payments, those known at that moment."""
    now = Invoice.objects.with_balance().get(pk=invoice.pk)
    return Settled(now.paid, _paid_on(invoice, at), now.credited, now.written_off)


def _paid_on(invoice: Invoice, at: datetime) -> date | None:
    """The day of the last payment of the invoice, of those known at that moment."""
    known = invoice.allocations.filter(payment__state=PaymentState.VALIDATED, payment__recorded_at__lte=at)
    found: date | None = known.aggregate(last=Max("payment__paid_on"))["last"]
    return found


def as_it_stands(invoice: Invoice, *, at: datetime) -> bytes:
    """The kept file; where money moved since it was printed, the same document as it stands now, so that a
    paid invoice says so. Raises PdfLost."""
    kept, now = stored(invoice, at=at), Invoice.objects.with_balance().get(pk=invoice.pk)
    moved = (now.paid, now.credited, now.written_off) != (kept.paid, kept.credited, kept.written_off)
    if not moved and now.pay_by == invoice.due_on:
        return read(kept)
    settled = _settled(invoice, at)._replace(pay_by=now.pay_by)
    return render(invoice, settled, _local_day(at))


def read(pdf: InvoicePdf) -> bytes:
    """The kept file. A lost one is printed again and accepted only when it is the same to the byte."""
    try:
        return content(pdf, f"Le fichier de la facture {pdf.invoice.number}")
    except PdfGone:
        then = Settled(pdf.paid, _paid_on(pdf.invoice, pdf.made_at), pdf.credited, pdf.written_off)
        for signed, vat_in_full in ((True, True), (True, False), (False, False)):
            again = render(pdf.invoice, then, signed=signed, vat_in_full=vat_in_full)
            if hashlib.sha256(again).hexdigest() == pdf.sha256:
                pdf.file.storage.save(pdf.file.name, ContentFile(again))
                return again
        raise


def content(kept: InvoicePdf | ReminderLetter | LetterLot, name: str) -> bytes:
    """A kept file as it was printed; raises PdfGone, or PdfLost when it is no longer the same."""
    try:
        with kept.file.open("rb") as file:
            found: bytes = file.read()
    except OSError:
        raise PdfGone(f"{name} est introuvable : la mairie doit le restaurer depuis sa sauvegarde.") from None
    if hashlib.sha256(found).hexdigest() != kept.sha256:
        raise PdfLost(f"{name} a été modifié : la mairie doit le restaurer depuis sa sauvegarde.")
    return found
