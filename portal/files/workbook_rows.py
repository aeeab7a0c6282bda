"""Takes the rows out of a workbook (XLSX, XLS, ODS), in a process of its own: see `sheets`, which starts it.

Knows nothing of Django. Reads the file from its standard input, writes a line of JSON a row: a text, a
number, a truth, nothing, or `{"day": "2026-01-03"}`. A workbook may say that its last cell is the last one
there can be, and whoever reads it then wants as many: what this process may take of the machine is bounded.
"""

import errno
import json
import math
import resource
import sys
import zipfile
from datetime import date, datetime, time, timedelta
from enum import IntEnum
from io import BytesIO
from typing import Any

MOST_MEMORY = 1536 * 1024 * 1024
MOST_SECONDS = 60
MOST_UNPACKED = 400 * 1024 * 1024
MOST_PIECES = 2000
ZIP = b"PK\x03\x04"


class Verdict(IntEnum):
    """How it ends, for `sheets`."""

    READ = 0
    TOO_LARGE = 10
    UNREADABLE = 11
    EMPTY = 12
    PROTECTED = 13


def main() -> Verdict:
    most_rows, most_columns, most_written = map(int, sys.argv[1:4])
    content = sys.stdin.buffer.read()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_written, most_written))
    if content.startswith(ZIP) and (refused := _packed(content)):
        return refused
    try:
        return _rows(content, most_rows, most_columns)
    except MemoryError:
        return Verdict.TOO_LARGE
    except OSError as error:
        return Verdict.TOO_LARGE if error.errno == errno.EFBIG else Verdict.UNREADABLE
    except Exception as error:  # noqa: BLE001  # whatever the library says of a file from outside
        return Verdict.PROTECTED if "assword" in type(error).__name__ + str(error) else Verdict.UNREADABLE


def _packed(content: bytes) -> Verdict | None:
    """What is packed in it says how large it gets before anything is unpacked."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            pieces = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return Verdict.UNREADABLE
    if len(pieces) > MOST_PIECES or sum(one.file_size for one in pieces) > MOST_UNPACKED:
        return Verdict.TOO_LARGE
    return None


def _rows(content: bytes, most_rows: int, most_columns: int) -> Verdict:
    import python_calamine  # here: a library that is missing is a file that cannot be read

    book = python_calamine.CalamineWorkbook.from_filelike(BytesIO(content))
    for name in book.sheet_names:
        sheet = book.get_sheet_by_name(name)
        if not sheet.height or not sheet.width:
            continue
        if sheet.height > most_rows or sheet.width > most_columns:
            return Verdict.TOO_LARGE
        for row in sheet.iter_rows():
            sys.stdout.write(json.dumps([_cell(value) for value in row]) + "\n")
        return Verdict.READ
    return Verdict.EMPTY


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"day": value.date().isoformat()}
    if isinstance(value, date):
        return {"day": value.isoformat()}
    if isinstance(value, time | timedelta):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value


if __name__ == "__main__":
    sys.exit(main())
