"""Files for accountants: PDFs in a ZIP, CSV and XLSX, all streamed with constant memory."""

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import chain
from tempfile import TemporaryFile
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from xlsxwriter import Workbook

from billing.documents import pdf
from billing.models import (
    CreditNote,
    Debit,
    Invoice,
    InvoiceLine,
    InvoiceWithBalance,
    Payment,
    PaymentAllocation,
    WriteOff,
)
from billing.rules import vat
from portal.files.handing_over import Cell, csv_lines

A_BITE = 200  # rows read at a time
ZERO = Decimal("0.00")


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
    "Payé", "Avoirs", "Reste à payer", "Abandons de créances", "Total HT", "TVA",
)  # fmt: skip
LINE_COLUMNS = (
    "Facture", "Mois", "Foyer", "Enfant", "Activité", "Désignation", "Jours", "Quantité", "Prix unitaire",
    "Montant", "TVA (%)",
)  # fmt: skip
CREDIT_LINE_COLUMNS = (
    "Avoir", "Émis le", "Facture", "Foyer", "Enfant", "Activité", "Désignation", "Jours", "Quantité",
    "Prix unitaire", "Montant", "Motif", "Déjà payé, rendu disponible", "Ce que devient l'argent", "Émis par",
)  # fmt: skip
WRITE_OFF_COLUMNS = (
    "Numéro", "Noté le", "Nature", "Facture", "Foyer", "Montant", "Motif", "Décision", "Décidé le",
    "Noté par",
)  # fmt: skip
PAYMENT_COLUMNS = (
    "Reçu", "Payé le", "Foyer", "Moyen", "Référence", "Montant", "État", "Factures", "Encaissé par",
    "Comptabilisé le", "Nature", "Concerne le reçu", "Cause",
)  # fmt: skip
CREDIT_COLUMNS = ("Avoir", "Émis le", "Facture", "Foyer", "Montant", "Motif", "Émis par")
ALLOCATION_COLUMNS = (
    "Reçu", "Payé le", "Comptabilisé le", "Moyen", "Foyer", "Facture", "Mois", "Montant affecté",
)  # fmt: skip
DEBIT_COLUMNS = (
    "Fichier", "Date de prélèvement", "Facture", "Foyer", "Mandat", "Montant", "État", "Rejeté le",
    "Motif du rejet",
)  # fmt: skip


def invoice_rows(invoices: QuerySet[InvoiceWithBalance]) -> Iterator[tuple[Cell, ...]]:
    taxed = Prefetch("lines", InvoiceLine.objects.exclude(vat_percent=0), to_attr="taxed")
    rows = invoices.select_related("household").prefetch_related(taxed).order_by("pk")
    for one in rows.iterator(chunk_size=A_BITE):
        lines: list[InvoiceLine] = one.taxed
        tax = sum((rate.vat for rate in vat.by_rate((row.vat_percent, row.amount) for row in lines)), ZERO)
        yield (
            one.number, one.month_name, timezone.localtime(one.issued_at).date(), one.pay_by,
            one.household.number, one.payer, one.quotient, one.total, one.paid, one.credited, one.left,
            one.written_off, one.total - tax, tax,
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


def credit_line_rows(notes: QuerySet[CreditNote]) -> Iterator[tuple[Cell, ...]]:
    """A row for each line; of a note of before, which has none, one for the note."""
    rows = notes.select_related("invoice__household", "issued_by").prefetch_related("lines__line")
    for note in rows.order_by("pk").iterator(chunk_size=A_BITE):
        begins = (
            note.number, timezone.localtime(note.issued_at).date(), note.invoice.number,
            note.invoice.household.number,
        )  # fmt: skip
        ends = (note.reason, note.freed, note.get_becomes_display(), str(note.issued_by or ""))
        for one in note.lines.all():
            of = (one.line.child_name, one.line.activity_name) if one.line else ("", "")
            yield (
                *begins, *of, one.label, ", ".join(one.days), one.quantity, one.unit_price, one.amount, *ends,
            )  # fmt: skip
        if not note.line_count:
            yield (*begins, "", "", note.reason, "", Decimal(1), note.amount, note.amount, *ends)


def write_off_rows(rows: QuerySet[WriteOff]) -> Iterator[tuple[Cell, ...]]:
    found = rows.select_related("invoice__household", "issued_by").order_by("pk")
    for one in found.iterator(chunk_size=A_BITE):
        yield (
            one.number, timezone.localtime(one.issued_at).date(), one.get_kind_display(), one.invoice.number,
            one.invoice.household.number, one.amount, one.reason, one.decision, one.decided_on,
            str(one.issued_by or ""),
        )  # fmt: skip


def _days(line: InvoiceLine) -> str:
    return ", ".join(f"{date.fromisoformat(day):%d/%m/%Y}" for day in line.days)


def payment_rows(payments: QuerySet[Payment]) -> Iterator[tuple[Cell, ...]]:
    rows = payments.select_related("household", "recorded_by", "refunds").prefetch_related(
        "allocations__invoice"
    )
    for one in rows.order_by("paid_on", "pk").iterator(chunk_size=A_BITE):
        yield (
            one.number, one.paid_on, one.household.number, one.get_means_display(), one.reference, one.amount,
            one.get_state_display(), ", ".join(part.invoice.number for part in one.allocations.all()),
            str(one.recorded_by or ""), one.booked_on or one.paid_on, one.get_kind_display(),
            one.refunds.number if one.refunds else "", one.get_because_display(),
        )  # fmt: skip


def credit_rows(notes: QuerySet[CreditNote]) -> Iterator[tuple[Cell, ...]]:
    rows = notes.select_related("invoice__household", "issued_by").order_by("issued_at", "pk")
    for one in rows.iterator(chunk_size=A_BITE):
        yield (
            one.number, timezone.localtime(one.issued_at).date(), one.invoice.number,
            one.invoice.household.number, one.amount, one.reason, str(one.issued_by or ""),
        )  # fmt: skip


def allocation_rows(allocations: QuerySet[PaymentAllocation]) -> Iterator[tuple[Cell, ...]]:
    rows = allocations.select_related("payment__household", "invoice").order_by("payment", "pk")
    for one in rows.iterator(chunk_size=A_BITE):
        payment = one.payment
        yield (
            payment.number, payment.paid_on, payment.booked_on or payment.paid_on,
            payment.get_means_display(), payment.household.number, one.invoice.number,
            one.invoice.month_name, one.amount,
        )  # fmt: skip


def debit_rows(debits: QuerySet[Debit]) -> Iterator[tuple[Cell, ...]]:
    rows = debits.select_related("file", "invoice", "mandate", "payment__household")
    for one in rows.order_by("file__collected_on", "pk").iterator(chunk_size=A_BITE):
        yield (
            one.file.message, one.file.collected_on, one.invoice.number, one.payment.household.number,
            one.mandate.rum, one.payment.amount, one.payment.get_state_display(), one.returned_on,
            one.return_reason,
        )  # fmt: skip


def csv_stream(columns: Iterable[str], rows: Iterable[tuple[Cell, ...]]) -> Iterator[str]:
    """The rows as CSV under their headings."""
    return csv_lines(chain([tuple(columns)], rows))


# XML has no way to write these; everything else, no-break spaces included, is kept as it is.
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# XlsxWriter copies a text that begins so into the sheet as XML of its own, formulas and all.
_TAKEN_FOR_XML = "<r>"
_PIECE = 64 * 1024
_NOT_A_NAME, _LONGEST_NAME = re.compile(r"[\[\]:*?/\\]"), 31


def stream(
    kind: str, columns: Iterable[str], rows: Iterable[tuple[Cell, ...]]
) -> Iterator[str] | Iterator[bytes]:
    """The rows as a file of that kind, « csv » or « xlsx »."""
    return csv_stream(columns, rows) if kind == "csv" else xlsx_stream(columns, rows)


def xlsx_stream(columns: Iterable[str], rows: Iterable[tuple[Cell, ...]]) -> Iterator[bytes]:
    """An XLSX workbook of one sheet, amounts and dates as such and never a formula, piece by piece.

    It is written to a temporary file first, a row at a time, so that memory does not grow with the rows.
    """
    return sheets_stream([("Feuille", columns, rows)])


def sheets_stream(
    sheets: Iterable[tuple[str, Iterable[str], Iterable[tuple[Cell, ...]]]],
) -> Iterator[bytes]:
    """The same of several sheets, each with its name."""
    with TemporaryFile() as file:
        with Workbook(file, {"constant_memory": True}) as workbook:
            for name, columns, rows in sheets:
                _write_sheet(workbook, _sheet_name(name, workbook), columns, rows)
        file.seek(0)
        yield from iter(partial(file.read, _PIECE), b"")


def _sheet_name(name: str, workbook: Workbook) -> str:
    """What a workbook takes: 31 characters, some signs left out, none twice."""
    short = _NOT_A_NAME.sub(" ", name)[:_LONGEST_NAME].strip(" '") or "Feuille"
    taken = {sheet.get_name().lower() for sheet in workbook.worksheets()}
    number = 2
    tried = short
    while tried.lower() in taken:
        tried = f"{short[: _LONGEST_NAME - 4]} {number}"
        number += 1
    return tried


def _text(cell: str) -> str:
    text = _NOT_XML.sub("", "\n".join(cell.splitlines()))
    return f" {text}" if text.startswith(_TAKEN_FOR_XML) else text


def _write_sheet(
    workbook: Workbook, name: str, columns: Iterable[str], rows: Iterable[tuple[Cell, ...]]
) -> None:
    sheet = workbook.add_worksheet(name)
    heading = workbook.add_format({"bold": True})
    amount = workbook.add_format({"num_format": "#,##0.00"})
    day = workbook.add_format({"num_format": 14})  # a date as the reader's country writes it
    for column, name in enumerate(columns):
        sheet.write_string(0, column, name, heading)
    for row, cells in enumerate(rows, start=1):
        for column, cell in enumerate(cells):
            if isinstance(cell, str):
                sheet.write_string(row, column, _text(cell))
            elif isinstance(cell, date):
                sheet.write_datetime(row, column, cell, day)
            elif cell is not None:
                sheet.write_number(row, column, cell, amount if isinstance(cell, Decimal) else None)
