"""Files handed over to a browser, and the one way of writing CSV.

That no browser keeps or guesses them is said for every answer (`PrivatePagesMiddleware`,
`SECURE_CONTENT_TYPE_NOSNIFF`); here is said what they are and what they are called.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import PurePosixPath
from typing import IO, overload

from django.http import FileResponse, HttpResponse
from django.utils.http import content_disposition_header

Cell = str | int | date | Decimal | None

KINDS = {
    ".csv": "text/csv; charset=utf-8",
    ".ics": "text/calendar; charset=utf-8",
    ".pdf": "application/pdf",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "application/xml",
    ".yaml": "application/yaml; charset=utf-8",
    ".zip": "application/zip",
}
# A spreadsheet takes a cell that begins with one of these for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


@overload
def hand_over(
    content: str | bytes, name: str, content_type: str = "", *, inline: bool = False
) -> HttpResponse: ...


@overload
def hand_over(
    content: Iterator[str] | Iterator[bytes] | IO[bytes],
    name: str,
    content_type: str = "",
    *,
    inline: bool = False,
) -> FileResponse: ...


def hand_over(
    content: str | bytes | Iterator[str] | Iterator[bytes] | IO[bytes],
    name: str,
    content_type: str = "",
    *,
    inline: bool = False,
) -> HttpResponse | FileResponse:
    """A file named `name`, whole, or piece by piece from a stream or an open file, which is closed.

    It is to be kept, or to be looked at where it is `inline`. Without `content_type` its suffix says what it
    is: KeyError for one that is not known here.
    """
    kind = content_type or KINDS[PurePosixPath(name).suffix]
    answer: HttpResponse | FileResponse
    if isinstance(content, str | bytes):
        answer = HttpResponse(content, content_type=kind)
    else:
        answer = FileResponse(content, content_type=kind)
    answer["Content-Disposition"] = content_disposition_header(not inline, name) or "inline"
    return answer


def spreadsheet(name: str, rows: Iterable[Iterable[Cell]]) -> HttpResponse:
    """A CSV file of a few rows, its heading among them."""
    return hand_over("".join(csv_lines(rows)), name)


def csv_lines(rows: Iterable[Iterable[Cell]]) -> Iterator[str]:
    """CSV line by line as French spreadsheets read it: a UTF-8 mark, semicolons, decimal commas."""
    writer = csv.writer(_Echo(), delimiter=";")
    mark = MARK
    for row in rows:
        yield mark + writer.writerow([_written(cell) for cell in row])
        mark = ""


class _Echo:
    def write(self, value: str) -> str:
        return value


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Decimal):
        return f"{cell:.2f}".replace(".", ",")
    if isinstance(cell, date):
        return f"{cell:%d/%m/%Y}"
    return plain_cell(cell) if isinstance(cell, str) else str(cell)


def plain_cell(text: str) -> str:
    """`text` as a CSV file holds it, so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
