"""« Exporter » of every list: what it shows, filtered and ordered as it is shown, as XLSX, CSV or PDF.

A PDF has 500 rows at most; a longer list is put on paper by the worker in as many PDFs (`printing`), up to
3 000 rows; beyond that it is a spreadsheet.
How a workbook and a PDF are made is lent by the floor that makes them; files with people in them ask for a
right of their own, are asked for again and noted, which is lent by the floor that knows people.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import models
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.text import capfirst, slugify

from portal import town
from portal.desk import list_tools
from portal.files.handing_over import Cell, csv_lines, hand_over
from portal.french.dates import short_day

if TYPE_CHECKING:
    from portal.desk.site import DeskAdmin

ASKED = "_exporter"
KINDS = {"xlsx": "Classeur (XLSX)", "csv": "Texte (CSV)", "pdf": "PDF"}
# Rows of a PDF, of all PDFs of a list, of a spreadsheet; read a few at a time.
A_PDF, PDFS, SHEET, A_BITE = 500, 3000, 100_000, 200
STYLE = Path(settings.BASE_DIR) / "templates/admin/exporting/file.css"
TOO_LONG = "Cette liste est trop longue pour {} ({} lignes au plus) : {}."

Workbook = Callable[[Iterable[str], Iterable[tuple[Cell, ...]]], Iterator[bytes]]
Sheets = Callable[[Iterable[tuple[str, Iterable[str], Iterable[tuple[Cell, ...]]]]], Iterator[bytes]]
Draw = Callable[..., bytes]


@dataclass(frozen=True)
class Writers:
    """What makes the files, lent by the floor that makes others too."""

    workbook: Workbook
    sheets: Sheets
    draw: Draw


class Keeper(Protocol):
    """What is asked before people leave the portal in a file."""

    def may(self, user: Any, model: type[models.Model]) -> bool:
        """Whether this login may take out rows of the model at all."""
        ...

    def reached(self, user: Any, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """Those of the list's rows that may leave."""
        ...

    def pass_out(self, request: HttpRequest, what: str, rows: models.QuerySet[Any]) -> None:
        """Asks for the proof that one is who one is, and notes whose rows leave."""
        ...


_lent: list[Writers] = []
_keepers: list[Keeper] = []


def lend(writers: Writers) -> None:
    _lent[:] = [writers]


def sheets(of: Iterable[tuple[str, Iterable[str], Iterable[tuple[Cell, ...]]]]) -> Iterator[bytes]:
    """A workbook of several sheets: the name of each, its columns and its rows."""
    return _lent[0].sheets(of)


def keep(keeper: Keeper) -> None:
    _keepers[:] = [keeper]


# The list, as its page shows it -----------------------------------------------------------------------------


def _plain(value: Any) -> Cell:
    """What a cell of a page says, without its links and colours."""
    if isinstance(value, SafeString):
        apart = re.sub(r"<br ?/?>|</(?:li|p|div|span)>", " ", value)
        return " ".join(html.unescape(strip_tags(apart)).split())
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, datetime):
        return f"{timezone.localtime(value) if timezone.is_aware(value) else value:%d/%m/%Y %H:%M}"
    if value is None or isinstance(value, str | int | date | Decimal):
        return "" if value in (None, "–") else value
    return str(value)


def _cell(page: "DeskAdmin[Any]", row: models.Model, name: Any) -> Cell:
    try:
        field, _, value = lookup_field(name, row, page)
    except ObjectDoesNotExist:
        return ""
    if field is None:
        return _plain(value)
    if isinstance(field, models.ForeignKey):
        related = getattr(row, field.name)
        return "" if related is None else str(related)
    return _plain(dict(getattr(field, "flatchoices", ())).get(value, value))


@dataclass(frozen=True)
class Shown:
    """A list as who looks has filtered it, without what may not leave."""

    page: "DeskAdmin[Any]"
    request: HttpRequest
    rows: models.QuerySet[Any]
    columns: Sequence[Any]
    filters: Sequence[str]

    @classmethod
    def of(cls, page: "DeskAdmin[Any]", request: HttpRequest) -> "Shown":
        shown = page.get_changelist_instance(request)
        rows = _keepers[0].reached(request.user, shown.queryset)
        columns = [name for name in shown.list_display if name != "action_checkbox"]
        return cls(page, request, rows, columns, _filters(shown))

    @classmethod
    def again(
        cls, page: "DeskAdmin[Any]", request: HttpRequest, keys: Sequence[str], filters: Sequence[str]
    ) -> "Shown":
        """Those of these rows that who asks may still take out, whatever they are filtered by now. Raises
        PermissionDenied where that is none any more."""
        if not may_take(request, page):
            raise PermissionDenied
        rows = _keepers[0].reached(request.user, page.get_queryset(request).filter(pk__in=keys))
        related = page.get_list_select_related(request)
        if related is True:
            rows = rows.select_related()
        elif related:
            rows = rows.select_related(*related)
        columns = [name for name in page.get_list_display(request) if name != "action_checkbox"]
        return cls(page, request, rows, columns, filters)

    @property
    def title(self) -> str:
        return str(capfirst(str(self.page.opts.verbose_name_plural)))

    @property
    def headings(self) -> list[str]:
        said = (label_for_field(name, self.page.model, self.page) for name in self.columns)
        return [str(capfirst(str(one))) for one in said]

    def cells(self) -> Iterator[tuple[Cell, ...]]:
        for row in self.rows.iterator(chunk_size=A_BITE):
            yield self.of_row(row)

    def of_row(self, row: models.Model) -> tuple[Cell, ...]:
        return tuple(_cell(self.page, row, name) for name in self.columns)

    def name(self, kind: str) -> str:
        return file_name(self.title, timezone.localdate(), kind)


def file_name(title: str, day: date, kind: str, part: int = 0) -> str:
    return f"{slugify(title)}-{day:%Y-%m-%d}{f'-{part}' if part else ''}.{kind}"


def _filters(shown: Any) -> list[str]:
    """« État : Validé », of what is chosen; what was searched for."""
    said = [
        f"{capfirst(str(spec.title))} : {choice['display']}"
        for spec in shown.filter_specs
        for choice in list(spec.choices(shown))[1:]
        if choice.get("selected")
    ]
    return [*said, f"Recherche : {shown.query}"] if shown.query else said


# Handing it over --------------------------------------------------------------------------------------------


class Files:
    """The tool of lists."""

    def shown(self, page: "DeskAdmin[Any]", request: HttpRequest) -> dict[str, Any]:
        offered = page.exports and _keepers[0].may(request.user, page.model)
        return {"file_kinds": KINDS if offered else {}, "file_asked": ASKED}

    def answer(self, page: "DeskAdmin[Any]", request: HttpRequest) -> list_tools.Answer | None:
        kind = request.POST.get(ASKED)
        if kind is None:
            return None
        if kind not in KINDS or not may_take(request, page):
            raise PermissionDenied
        return _hand_over(Shown.of(page, request), kind)


# How a list that is too long for one PDF is put on paper, lent by `printing`: says where it is handed over.
Print = Callable[[Shown], HttpResponse]
_printers: list[Print] = []


def print_with(printer: Print) -> None:
    _printers[:] = [printer]


def may_take(request: HttpRequest, page: "DeskAdmin[Any]") -> bool:
    """Whether who asks may take out rows of this list at all."""
    return page.exports and page.has_view_permission(request) and _keepers[0].may(request.user, page.model)


def pass_out(shown: Shown, what: str) -> None:
    """Before these rows leave: the proof that one is who one is, and the register of reading."""
    _keepers[0].pass_out(shown.request, f"{shown.title} ({what})", shown.rows)


def _hand_over(shown: Shown, kind: str) -> HttpResponse | FileResponse:
    request, count = shown.request, shown.rows.count()
    if kind == "pdf" and count > PDFS:
        return _back(request, "un PDF", PDFS, "prenez le classeur, ou filtrez-la")
    if count > SHEET:
        return _back(request, "un fichier", SHEET, "filtrez-la")
    if kind == "pdf" and count > A_PDF:
        return _printers[0](shown)  # whose parts are noted as they leave
    pass_out(shown, kind.upper())
    cells = shown.cells()
    if kind == "pdf":
        at = timezone.now()
        return hand_over(drawn(shown, list(cells), first=1, count=count, at=at), shown.name(kind))
    if kind == "csv":
        return hand_over(csv_lines(_under(shown.headings, cells)), shown.name(kind))
    return hand_over(_lent[0].workbook(shown.headings, cells), shown.name(kind))


def _under(headings: Sequence[str], cells: Iterable[tuple[Cell, ...]]) -> Iterator[Iterable[Cell]]:
    yield headings
    yield from cells


def _back(request: HttpRequest, kind: str, most: int, instead: str) -> HttpResponse:
    messages.error(request, TOO_LONG.format(kind, f"{most:,}".replace(",", "\xa0"), instead))
    return HttpResponseRedirect(request.get_full_path())


def drawn(shown: Shown, rows: Sequence[tuple[Cell, ...]], *, first: int, count: int, at: datetime) -> bytes:
    """A PDF of these rows, the first of which is the list's `first` (from one) of `count`, as of `at`."""
    context = {
        "title": shown.title,
        "town": town.current().name,
        "made_on": short_day(timezone.localdate(at), year=True),
        "filters": shown.filters,
        "headings": shown.headings,
        "rows": [[_said(cell) for cell in row] for row in rows],
        "first": first,
        "last": first + len(rows) - 1,
        "count": count,
    }
    identifier = f"{shown.page.opts.label_lower}-{at:%Y%m%d%H%M%S}-{first}"
    return _lent[0].draw("admin/exporting/file.html", context, STYLE, identifier=identifier)


def _said(cell: Cell) -> str:
    if isinstance(cell, date):
        return f"{cell:%d/%m/%Y}"
    return f"{cell:.2f}".replace(".", ",") if isinstance(cell, Decimal) else str(cell)


list_tools.register("files", Files())
