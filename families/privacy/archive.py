"""A guardian's copy as one ZIP: a page to read and print, the same as JSON, the files. Memory stays bounded.

    write(file, subject, at=…, step=…) -> None

`step(done, total)` is called after each table and each file.
"""

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import IO, Any

from django.template.loader import render_to_string
from django.utils import timezone

from families.privacy import telling
from families.privacy.telling import Cell, KeptFile, Lost, Subject, Table
from portal import town
from portal.french import moments
from portal.french.amounts import number

PAGE, DATA, MISSING = "mes-donnees.html", "mes-donnees.json", "fichiers-manquants.txt"
# Where the page is cut, for what is written a few rows at a time.
TABLES = "[[tables]]"
A_BITE = 200  # rows written at a time
Step = Callable[[int, int], None]
# PDFs and photos are compressed already.
STORED = (".pdf", ".jpg", ".jpeg", ".png", ".heic", ".zip")


def write(file: IO[bytes], subject: Subject, *, at: datetime, step: Step) -> None:
    """Writes the whole archive; what is lost of the files is named in it."""
    known = telling.all_known()
    files = [one for each in known for one in each.files(subject)]
    total, done = 2 * len(known) + len(files), 0

    def went_on() -> None:
        nonlocal done
        done += 1
        step(done, total)

    def tables() -> Iterator[Table]:
        for each in known:
            yield from each.tables(subject)
            went_on()

    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        with archive.open(PAGE, "w") as page:
            _write_all(page, _page(subject, tables(), at))
        with archive.open(DATA, "w") as data:
            _write_all(data, _data(subject, tables(), at))
        lost = []
        for one in files:
            try:
                _keep(archive, one, at)
            except Lost as loss:
                lost.append(str(loss))
            except OSError:
                lost.append(f"{one.path} : introuvable, la mairie doit le restaurer depuis sa sauvegarde.")
            went_on()
        if lost:
            archive.writestr(MISSING, "\n".join(lost) + "\n")


def _keep(archive: zipfile.ZipFile, one: KeptFile, at: datetime) -> None:
    pieces = one.pieces()
    # Read before its entry is opened: what is lost leaves no empty file behind.
    first = next(pieces, b"")
    entry = zipfile.ZipInfo(one.path, timezone.localtime(at).timetuple()[:6])
    entry.compress_type = zipfile.ZIP_STORED if one.path.lower().endswith(STORED) else zipfile.ZIP_DEFLATED
    with archive.open(entry, "w") as kept:
        kept.write(first)
        for piece in pieces:
            kept.write(piece)


def _write_all(out: IO[bytes], texts: Iterable[str]) -> None:
    for text in texts:
        out.write(text.encode())


# The page ---------------------------------------------------------------------------------------------


def _page(subject: Subject, tables: Iterable[Table], at: datetime) -> Iterator[str]:
    context = {
        "subject": subject,
        "town": town.current(),
        "made_on": moments.moment(at, year=True),
        "tables": TABLES,
    }
    before, _, after = render_to_string("families/privacy/copy.html", context).partition(TABLES)
    yield before
    for table in tables:
        rows = iter(table.rows)
        bite = _bite(rows)
        yield render_to_string("families/privacy/copy_table.html", {"title": table.title, "any": bool(bite)})
        while bite:
            cells = [[_said(cell) for cell in row] for row in bite]
            # A table a bite: a page of thousands of rows prints and reads as well so.
            yield render_to_string(
                "families/privacy/copy_rows.html", {"columns": table.columns, "rows": cells}
            )
            bite = _bite(rows)
    yield after


def _bite(rows: Iterator[tuple[Cell, ...]]) -> list[tuple[Cell, ...]]:
    return list(islice(rows, A_BITE))


def _said(cell: Cell) -> str:
    """A cell as French reads it."""
    if cell is None or cell == "":
        return "–"
    if isinstance(cell, bool):
        return "oui" if cell else "non"
    if isinstance(cell, datetime):
        return f"{timezone.localtime(cell):%d/%m/%Y %H:%M}"
    if isinstance(cell, date):
        return f"{cell:%d/%m/%Y}"
    return number(cell) if isinstance(cell, Decimal) else str(cell)


# The data ---------------------------------------------------------------------------------------------


def _data(subject: Subject, tables: Iterable[Table], at: datetime) -> Iterator[str]:
    """JSON: each table a list of objects, its columns their keys."""
    yield f'{{"commune": {_json(town.current().name)}, "foyer": {_json(subject.household.number)}, '
    yield f'"responsable": {_json(str(subject.guardian))}, "date": {_json(at)}, "tables": {{'
    for place, table in enumerate(tables):
        yield f"{',' if place else ''}\n{_json(table.title)}: ["
        for rank, row in enumerate(table.rows):
            yield f"{',' if rank else ''}\n {_json(dict(zip(table.columns, row, strict=True)))}"
        yield "]"
    yield "\n}}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)
