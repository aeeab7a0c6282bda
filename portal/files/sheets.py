"""Tables that town halls send: CSV as spreadsheets write it, XLSX, XLS and ODS, told by content, not by name.

    rows = read(content)            every row of the file (the first sheet that says something), or Refused
    row.line, row.cells             its line in the file, its cells: text, number, day, or nothing

Text is UTF-16 where it says so, else UTF-8, else Windows-1252; its columns stand apart by semicolon, comma or
tabulation. Workbooks are taken apart by a process of its own (`workbook_rows`), whose memory is bounded.
"""

import csv
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any, TypeAlias

from portal.files import workbook_rows
from portal.files.handing_over import FORMULA_STARTS
from portal.files.workbook_rows import Verdict

SheetCell: TypeAlias = str | int | float | date | None

LARGEST_BYTES = 20 * 1024 * 1024
MOST_ROWS = 50_000
# Headings, titles above them and what stands below the table.
AROUND = 30
MOST_COLUMNS = 300
LONGEST_CELL = 5_000
# Of a workbook's rows, written out: one long text that every cell names is little in the file.
MOST_WRITTEN = 400 * 1024 * 1024
LONGEST_WAIT_SECONDS = 90
DELIMITERS = ";,\t"
# As far as one looks for what parts the columns.
LOOKED_AT = 30
OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")

TOO_LARGE = "Ce fichier dépasse 20 Mo. Partagez-le en plusieurs."
TOO_MANY = "Ce fichier a plus de 50 000 lignes. Partagez-le en plusieurs."
TOO_WIDE = f"Ce fichier a plus de {MOST_COLUMNS} colonnes. Ne gardez que celles qui servent."
TOO_MUCH = (
    "Ce classeur est trop grand pour être lu. Copiez les lignes utiles dans un nouveau classeur, puis "
    "enregistrez-le."
)
EMPTY = "Ce fichier est vide."
UNREADABLE = "Ce classeur est abîmé. Ouvrez-le dans votre tableur, enregistrez-le en XLSX, puis renvoyez-le."
PROTECTED = "Ce classeur est protégé par un mot de passe. Enregistrez-en une copie sans mot de passe."
NO_TABLE = "Ce fichier n'est pas un tableau. Envoyez un fichier CSV, XLSX, XLS ou ODS."
A_WEB_PAGE = (
    "Ce fichier est une page web, même si son nom dit autre chose. Ouvrez-le dans votre tableur, "
    "enregistrez-le en XLSX, puis renvoyez-le."
)


class Refused(Exception):
    """The file cannot be read; the message is the French sentence to show."""


@dataclass(frozen=True)
class Row:
    """A row that says something, and its line in the file: the first is 1."""

    line: int
    cells: Sequence[SheetCell]


def read(content: bytes) -> Iterator[Row]:
    """The rows of a file, one by one. Raises Refused, at once or while they are read."""
    if len(content) > LARGEST_BYTES:
        raise Refused(TOO_LARGE)
    if not content.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0"):
        raise Refused(EMPTY)
    if content.startswith((workbook_rows.ZIP, OLD_WORKBOOK)):
        return _bounded(_of_workbook(content))
    return _bounded(of_text(decoded(content)))


def decoded(content: bytes) -> str:
    """The text of a file saved by a spreadsheet. Raises Refused for what is no text."""
    if content.startswith(UTF_16):
        try:
            wide = content.decode("utf-16")
        except UnicodeDecodeError:
            raise Refused(NO_TABLE) from None
        if "\0" in wide:
            raise Refused(NO_TABLE)
        return wide
    if b"\0" in content or content.startswith(b"%PDF-"):
        raise Refused(NO_TABLE)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if text.lstrip()[:200].lower().startswith(("<html", "<!doctype", "<table", "<?xml")):
        raise Refused(A_WEB_PAGE)
    return text


def of_text(text: str) -> Iterator[Row]:
    """The rows of a CSV file. Raises Refused."""
    delimiter, read_since = delimiter_of(text), list[str]()
    reader = csv.reader(_noted(text, read_since), delimiter=delimiter)
    line = begun = 1
    of_row: list[str] = []
    try:
        for cells in reader:
            of_row, begun = read_since.copy(), line
            read_since.clear()
            # A cell may hold several lines: a row's is that on which it begins.
            yield Row(line, [_typed(cell) for cell in cells])
            line = reader.line_num + 1
        line = begun
        _check_closed(of_row, delimiter)
    except csv.Error:
        raise Refused(f"La ligne {line} ne se lit pas : vérifiez les guillemets.") from None


def _noted(text: str, noted: list[str]) -> Iterator[str]:
    for line in io.StringIO(text, newline=""):
        noted.append(line)
        yield line


def _check_closed(last: Sequence[str], delimiter: str) -> None:
    """A quote that nobody closed takes the rest of the file into one cell. Raises csv.Error."""
    if len(last) < 2:
        return
    try:
        list(csv.reader(last, delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise


def _typed(cell: str) -> str | None:
    """As it was before our own files kept spreadsheets from taking it for a formula."""
    text = cell.strip()
    return (text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text) or None


def delimiter_of(text: str) -> str:
    """What parts most of the first lines into most columns."""
    first = "".join(text.splitlines(keepends=True)[:LOOKED_AT])

    def weight(delimiter: str) -> tuple[int, int]:
        try:
            rows = [len(row) for row in csv.reader(io.StringIO(first, newline=""), delimiter=delimiter)]
        except csv.Error:
            return 0, 0
        parted = [wide for wide in rows if wide > 1]
        return max((parted.count(wide) * (wide - 1) for wide in parted), default=0), sum(parted)

    return max(DELIMITERS, key=weight)


def _bounded(rows: Iterator[Row]) -> Iterator[Row]:
    """Rows without those that are empty; what is too much is refused."""
    some = 0
    for row in rows:
        cells = row.cells
        if all(cell is None or cell == "" for cell in cells):
            continue
        if len(cells) > MOST_COLUMNS:
            if any(cell not in (None, "") for cell in cells[MOST_COLUMNS:]):
                raise Refused(TOO_WIDE)
            cells = cells[:MOST_COLUMNS]
        some += 1
        if some > MOST_ROWS + AROUND:
            raise Refused(TOO_MANY)
        for number, cell in enumerate(cells, start=1):
            if isinstance(cell, str) and len(cell) > LONGEST_CELL:
                raise Refused(
                    f"Ligne {row.line}, colonne {number} : une case a plus de {LONGEST_CELL} signes."
                )
        yield Row(row.line, cells)
    if not some:
        raise Refused(EMPTY)


SAID = {
    Verdict.TOO_LARGE: TOO_MUCH,
    Verdict.UNREADABLE: UNREADABLE,
    Verdict.EMPTY: EMPTY,
    Verdict.PROTECTED: PROTECTED,
}


def _of_workbook(content: bytes) -> Iterator[Row]:
    with tempfile.TemporaryFile() as found:
        told = [str(MOST_ROWS + 2 * AROUND), str(4 * MOST_COLUMNS), str(MOST_WRITTEN)]
        try:
            done = subprocess.run(
                [sys.executable, "-I", str(Path(str(workbook_rows.__file__))), *told],
                input=content,
                stdout=found,
                stderr=subprocess.DEVNULL,
                env={},
                timeout=LONGEST_WAIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Refused(TOO_MUCH) from None
        if done.returncode != Verdict.READ:
            # What ends it by a signal is that it wanted more than there is.
            known = {int(one): said for one, said in SAID.items()}
            raise Refused(known.get(done.returncode, TOO_MUCH))
        found.seek(0)
        yield from _written(found)


def _written(found: IO[bytes]) -> Iterator[Row]:
    for line, written in enumerate(found, start=1):
        yield Row(line, [_cell(value) for value in json.loads(written)])


def _cell(value: Any) -> SheetCell:
    if isinstance(value, dict):
        return date.fromisoformat(value["day"])
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, str):
        return value.strip() or None
    number: int | float | None = value
    return number
