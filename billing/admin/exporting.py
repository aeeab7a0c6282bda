"""Files of many households that leave the desk, each written down in the register of reading."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from billing.documents import files, pdf
from families.models import Reading
from families.signing_in.asking_again import asks_again
from families.traces import reading
from portal.desk import exporting
from portal.files.handing_over import Cell, hand_over
from portal.web.signed_in import user_of

TAKES_MONEY = "billing.add_payment"
Rows = Callable[[Any], Iterable[tuple[Cell, ...]]]
Action = Callable[[Any, HttpRequest, Any], StreamingHttpResponse]


def note_households(request: HttpRequest, what: str, rows: QuerySet[Any], home: str = "household") -> None:
    """The list `what` takes out the households of these rows, of whatever belongs to one by `home`."""
    households = rows.order_by().values_list(f"{home}_id", flat=True)
    if user_of(request).has_perm(TAKES_MONEY):
        # Who is at the till takes out its own book without being allowed to take out people.
        reading.note(request, Reading.Kind.EXPORT, what=what, households=households)
    else:
        reading.note_export(request, what, households=households)


def downloads(
    what: str,
    name: str,
    columns: Sequence[str],
    rows: Rows,
    *,
    home: str = "household",
    of_homes: Callable[[Any], QuerySet[Any]] = lambda chosen: chosen,
) -> Iterator[Action]:
    """Two actions of a list, « Télécharger les règlements (CSV) » and its XLSX: of the chosen, `rows` under
    `columns`, in a file of that name. Whose they are: `home` of what `of_homes` makes of the chosen."""
    return (_download(what, name, kind, columns, rows, home, of_homes) for kind in ("csv", "xlsx"))


def _download(
    what: str,
    name: str,
    kind: str,
    columns: Sequence[str],
    rows: Rows,
    home: str,
    of_homes: Callable[[Any], QuerySet[Any]],
) -> Action:
    @admin.action(description=f"Télécharger les {what.lower()} ({kind.upper()})", permissions=["export"])
    @asks_again
    def download(page: Any, request: HttpRequest, queryset: Any) -> StreamingHttpResponse:
        note_households(request, f"{what} ({kind.upper()})", of_homes(queryset), home)
        return hand_over(files.stream(kind, columns, rows(queryset)), f"{name}.{kind}")

    return download


exporting.lend(exporting.Writers(workbook=files.xlsx_stream, sheets=files.sheets_stream, draw=pdf.draw))
