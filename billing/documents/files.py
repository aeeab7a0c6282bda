"""Files for accountants: PDFs in a ZIP, CSV and XLSX, all streamed with constant memory."""

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any
from xml.sax.saxutils import escape

from django.db.models import QuerySet
from django.utils import timezone

from billing.documents import pdf
from billing.models import Invoice, InvoiceLine, InvoiceWithBalance, Payment
from portal.files.handing_over import Cell, csv_lines

A_BITE = 200  # rows read at a time


class Sink(io.RawIOBase):
    """What a ZIP writes, handed over and forgotten."""

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self._place = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        self._place += len(data)
        return len(data)

    def tell(self) -> int:
        return self._place

    def taken(self) -> bytes:
        data, self._written = b"".join(self._written), []
        return data


def zip_stream(contents: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """A ZIP of files (name, content), each handed over as soon as it is made."""
    sink = Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # PDFs are compressed already
        for name, content in contents:
            archive.writestr(name, content)
            yield sink.taken()
    yield sink.taken()


def kept(readers: Iterable[tuple[str, Callable[[], bytes]]]) -> Iterator[tuple[str, bytes]]:
    """Files (name, content) read one after the other; those that are lost are named in « manquantes.txt »."""
    lost = []
    for name, read in readers:
        try:
            yield name, read()
        except pdf.PdfLost as error:
            lost.append(str(error))
    if lost:
        yield "manquantes.txt", "\n".join(lost).encode()


def pdf_zip(invoices: QuerySet[Invoice]) -> Iterator[bytes]:
    """A ZIP of the invoices' PDFs, piece by piece."""
    rows = invoices.select_related("pdf").prefetch_related("lines").order_by("pk")
    each = rows.iterator(chunk_size=A_BITE)
    return zip_stream(kept((f"{one.number}.pdf", partial(_printed, one)) for one in each))


def _printed(invoice: Invoice) -> bytes:
    return pdf.read(getattr(invoice, "pdf", None) or pdf.stored(invoice, at=timezone.now()))


INVOICE_COLUMNS = (
    "Numéro", "Mois", "Émise le", "À payer au plus tard le", "Foyer", "Destinataire", "Quotient", "Total",
    "Payé", "Avoirs", "Reste à payer",
)  # fmt: skip
LINE_COLUMNS = (
    "Facture", "Mois", "Foyer", "Enfant", "Activité", "Désignation", "Jours", "Quantité", "Prix unitaire",
    "Montant", "TVA (%)",
)  # fmt: skip
PAYMENT_COLUMNS = (
    "Reçu", "Payé le", "Foyer", "Moyen", "Référence", "Montant", "État", "Factures", "Encaissé par",
)  # fmt: skip


def invoice_rows(invoices: QuerySet[InvoiceWithBalance]) -> Iterator[tuple[Cell, ...]]:
    rows = invoices.select_related("household").order_by("pk")
    for one in rows.iterator(chunk_size=A_BITE):
        yield (
            one.number, one.month_name, timezone.localtime(one.issued_at).date(), one.due_on,
            one.household.number, one.payer, one.quotient, one.total, one.paid, one.credited, one.left,
        )  # fmt: skip


def line_rows(invoices: QuerySet[Invoice]) -> Iterator[tuple[Cell, ...]]:
    lines = InvoiceLine.objects.filter(invoice__in=invoices.order_by().values("pk"))
    rows = lines.select_related("invoice__household").order_by("invoice_id", "position")
    for line in rows.iterator(chunk_size=A_BITE):
        yield (
            line.invoice.number, line.invoice.month_name, line.invoice.household.number, line.child_name,
            line.activity_name, line.label, _days(line), line.quantity, line.unit_price, line.amount,
            line.vat_percent,
        )  # fmt: skip


def _days(line: InvoiceLine) -> str:
    return ", ".join(f"{date.fromisoformat(day):%d/%m/%Y}" for day in line.days)


def payment_rows(payments: QuerySet[Payment]) -> Iterator[tuple[Cell, ...]]:
    rows = payments.select_related("household", "recorded_by").prefetch_related("allocations__invoice")
    for one in rows.order_by("paid_on", "pk").iterator(chunk_size=A_BITE):
        yield (
            one.number, one.paid_on, one.household.number, one.get_means_display(), one.reference, one.amount,
            one.get_state_display(), ", ".join(part.invoice.number for part in one.allocations.all()),
            str(one.recorded_by or ""),
        )  # fmt: skip


def csv_stream(columns: Iterable[str], rows: Iterable[tuple[Cell, ...]]) -> Iterator[str]:
    """The rows as CSV under their headings."""
    return csv_lines(chain([tuple(columns)], rows))


# XLSX, written by hand: three small XML parts and a sheet, without a formula or a macro.

_TYPES = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.spreadsheetml.worksheet+xml"/>'
    '<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'spreadsheetml.styles+xml"/></Types>'
)
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PARTS = {
    "[Content_Types].xml": _TYPES,
    "_rels/.rels": (
        f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="rId1" Type="{_RELATIONS}/officeDocument"'
        ' Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>'
        '<sheet name="Feuille" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="rId1" Type="{_RELATIONS}/worksheet"'
        f' Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="{_RELATIONS}/styles"'
        ' Target="styles.xml"/></Relationships>'
    ),
    # Cell styles: 0 plain, 1 amount, 2 date, 3 heading.
    "xl/styles.xml": (
        f'<styleSheet xmlns="{_MAIN}"><fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
        '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts><fills count="1"><fill>'
        '<patternFill patternType="none"/></fill></fills><borders count="1"><border/></borders>'
        '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf/>'
        '<xf numFmtId="4" applyNumberFormat="1"/><xf numFmtId="14" applyNumberFormat="1"/>'
        '<xf fontId="1" applyFont="1"/></cellXfs></styleSheet>'
    ),
}
_DAY_ZERO = date(1899, 12, 30)
# XML has no way to write these; everything else, no-break spaces included, is kept as it is.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _xml_cell(cell: Cell, style: int = 0) -> str:
    if cell is None:
        return "<c/>"
    if isinstance(cell, Decimal):
        return f'<c s="1"><v>{cell:.2f}</v></c>'
    if isinstance(cell, date):
        return f'<c s="2"><v>{(cell - _DAY_ZERO).days}</v></c>'
    if isinstance(cell, int):
        return f"<c><v>{cell}</v></c>"
    text = escape(_NOT_XML.sub("", cell))
    return f'<c s="{style}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def xlsx_stream(columns: Iterable[str], rows: Iterable[tuple[Cell, ...]]) -> Iterator[bytes]:
    """An XLSX workbook of one sheet, amounts and dates as such, piece by piece."""
    sink = Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _PARTS.items():
            archive.writestr(name, content)
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(f'<worksheet xmlns="{_MAIN}"><sheetData><row>'.encode())
            sheet.write("".join(_xml_cell(name, 3) for name in columns).encode())
            sheet.write(b"</row>")
            for row in rows:
                sheet.write(f"<row>{''.join(map(_xml_cell, row))}</row>".encode())
                yield sink.taken()
            sheet.write(b"</sheetData></worksheet>")
    yield sink.taken()
