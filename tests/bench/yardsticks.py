"""What the machine of the run takes for bare work of the same size: seconds are compared with these, so that
a measure says the same on a fast machine and on a slow one.

A yardstick does what nobody could do without, with the same libraries and nothing of the portal around it.
"""

import gc
import io
import random
import statistics
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from datetime import time as hour
from zoneinfo import ZoneInfo

import xlsxwriter
from django.contrib.auth.hashers import check_password, make_password
from django.db import connection, transaction
from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration

A_BATCH = 500
RUNS = 5
TABLE = "bare_rows"
TEXT = "Repas du mois, quotient 812 : tranche de 450 à 899,99 ; 4 repas à 3,20 €. " * 3
PARIS = ZoneInfo("Europe/Paris")


def timed(act: Callable[[], object]) -> float:
    """Seconds by the clock."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def processor(act: Callable[[], object]) -> float:
    """Seconds of processor of this process, all its threads."""
    begun = time.process_time()
    act()
    return time.process_time() - begun


def beside(
    one: Callable[[], object],
    other: Callable[[], object],
    *,
    runs: int = 40,
    by: Callable[[Callable[[], object]], float] = timed,
) -> tuple[float, float]:
    """Median seconds of each, run in turn so that a busy machine slows both alike; the first three are not
    counted."""
    times = [(by(one), by(other)) for _ in range(runs + 3)][3:]
    return statistics.median(a for a, _ in times), statistics.median(b for _, b in times)


# The database -----------------------------------------------------------------------------------------------


@contextmanager
def bare_table() -> Iterator[None]:
    """A table of its own with two keys, a name, a text, an amount and a moment, and one index beside its own;
    gone afterwards."""
    with connection.cursor() as cursor:
        key = "bigserial PRIMARY KEY" if connection.vendor == "postgresql" else "integer PRIMARY KEY"
        cursor.execute(
            f"CREATE TABLE {TABLE} (id {key}, owner bigint, name varchar(60), said text,"
            " amount numeric(10, 2), at timestamp)"
        )
        cursor.execute(f"CREATE INDEX {TABLE}_owner ON {TABLE} (owner)")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {TABLE}")


def insert(rows: int) -> None:
    """So many rows of the bare table in one transaction, some hundreds at once, as `bulk_create` does."""
    values = "(%s, %s, %s, %s, %s)"
    with transaction.atomic(), connection.cursor() as cursor:
        for first in range(0, rows, A_BATCH):
            size = min(A_BATCH, rows - first)
            given: list[int | str] = []
            for number in range(first, first + size):
                given += [number // 4, f"Lina Roux {number}", TEXT, "12.80", "2026-10-05 08:00:00"]
            cursor.execute(
                f"INSERT INTO {TABLE} (owner, name, said, amount, at) VALUES {', '.join([values] * size)}",
                given,
            )


def select() -> None:
    """Every row of the bare table as Python's values."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {TABLE} ORDER BY id")
        while cursor.fetchmany(A_BATCH):
            pass


def seconds_to_insert(rows: int) -> float:
    """Median of a few times."""
    with bare_table():
        insert(A_BATCH)
        return statistics.median(timed(lambda: insert(rows)) for _ in range(RUNS))


def seconds_to_read(rows: int) -> float:
    """Median of a few times."""
    with bare_table():
        insert(rows)
        return statistics.median(timed(select) for _ in range(RUNS))


# The processor ----------------------------------------------------------------------------------------------


def cutoffs(number: int) -> None:
    """So many moments in Paris, each a day and an hour compared with another moment."""
    at, day = datetime(2026, 11, 23, 10, tzinfo=PARIS), datetime(2026, 9, 1, tzinfo=PARIS).date()
    for place in range(number):
        closes = datetime.combine(day + timedelta(days=place % 300), hour(10), tzinfo=PARIS)
        _ = closes > at


def password_check() -> Callable[[], object]:
    """Checks a password as a login does."""
    kept = make_password("demo-2026-portail")
    return lambda: check_password("demo-2026-portail", kept)


def page_of_cells(number: int) -> Callable[[], bytes]:
    """Prints a bare page with so many table cells of text, tagged as documents are."""
    cells = "<td>Repas du 5 octobre</td>" * 4
    table = f"<tr>{cells}</tr>" * -(-number // 4)
    html = f"<html lang='fr'><title>Page</title><body><table>{table}</table></body></html>"
    fonts = FontConfiguration()
    style = CSS(string="@page {size: A4} body {font: 9pt DejaVu Sans} td {padding: 1mm}", font_config=fonts)

    def draw() -> bytes:
        gc.disable()
        try:
            drawn: bytes = HTML(string=html).write_pdf(
                stylesheets=[style], font_config=fonts, pdf_variant="pdf/ua-1", full_fonts=False
            )
        finally:
            gc.enable()
        return drawn

    return draw


# Files ------------------------------------------------------------------------------------------------------


def zip_of(files: int, size: int) -> None:
    """A ZIP in memory of so many files of so many bytes that cannot be compressed."""
    content = random.Random(1).randbytes(size)
    with zipfile.ZipFile(io.BytesIO(), "w") as archive:
        for number in range(files):
            archive.writestr(f"F2026-{number:06}.pdf", content)


def sheet_of(rows: int, columns: int) -> None:
    """An XLSX with so many cells of text and numbers, a row at a time."""
    book = xlsxwriter.Workbook(io.BytesIO(), {"constant_memory": True})
    sheet = book.add_worksheet()
    for row in range(rows):
        for column in range(columns):
            sheet.write(row, column, f"F2026-{row:06}" if column % 2 else row)
    book.close()
