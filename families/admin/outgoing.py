"""« Exporter » of a list in the form that an import reads: corrected in a spreadsheet, and brought back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse
from django.utils import timezone

from families.admin.exporting import of_whom
from families.imports import outgoing
from families.models import Child, Household
from families.visibility import holds
from portal.desk import exporting, list_tools, rights
from portal.desk.exporting import Shown
from portal.files.handing_over import csv_lines, hand_over

if TYPE_CHECKING:
    from portal.desk.site import DeskAdmin

ASKED = "_reimporter"
KINDS = {"xlsx": "Classeur à réimporter (XLSX)", "csv": "Texte à réimporter (CSV)"}
SHEET = "Familles"


def _held(user: Any, needed: Sequence[str]) -> bool:
    """For the whole town: what is shown of one place says nothing of a household's other facts."""
    homes = Household.objects.all()
    return all(user.has_perm(one) and rights.seen_by(user, homes, one) is homes for one in needed)


class Outgoing:
    """The tool of lists."""

    def shown(self, page: "DeskAdmin[Any]", request: HttpRequest) -> dict[str, Any]:
        return {"import_kinds": KINDS if self._may(page, request) else {}, "import_asked": ASKED}

    def _may(self, page: "DeskAdmin[Any]", request: HttpRequest) -> bool:
        return (
            outgoing.is_offered(page.model)
            and exporting.may_take(request, page)
            and _held(request.user, (rights.EXPORT, "families.view_household", "families.view_guardian"))
        )

    def answer(self, page: "DeskAdmin[Any]", request: HttpRequest) -> list_tools.Answer | None:
        kind = request.POST.get(ASKED)
        if kind is None:
            return None
        if kind not in KINDS or not self._may(page, request):
            raise PermissionDenied
        return self._file(Shown.of(page, request), kind)

    def _file(self, shown: Shown, kind: str) -> HttpResponse | FileResponse:
        exporting.pass_out(shown, f"{kind.upper()}, à réimporter")
        today = timezone.localdate()
        homes, children = whose(shown.rows)

        def held(needed: Sequence[str]) -> bool:
            return _held(shown.request.user, needed)

        titles = outgoing.headings(held)
        rows = outgoing.lines(homes, today, held, children=children)
        name = exporting.file_name(f"{shown.title}-a-reimporter", today, kind)
        if kind == "csv":
            return hand_over(csv_lines(_under(titles, rows)), name)
        return hand_over(exporting.sheets([(SHEET, titles, rows)]), name)


def _under(titles: Sequence[str], rows: Any) -> Any:
    yield titles
    yield from rows


def whose(rows: QuerySet[Any]) -> tuple[QuerySet[Household], QuerySet[Child] | None]:
    """The households that rows of a list are of and, where they are of children, which ones."""
    ways, there = of_whom(rows.model), Household.objects.filter(erased_at=None, joined_to=None)
    # Its own household; one that is reached by way of a child is one of its homes.
    ways = {to: path for to, path in ways.items() if to is Child or path in ("pk", "household")}
    keys = {to: rows.order_by().values(path) for to, path in ways.items()}
    children = Child.objects.filter(pk__in=keys[Child]) if Child in ways else None
    if Household in ways:
        return there.filter(pk__in=keys[Household]), children
    today = timezone.localdate()
    living = there.filter(holds(today, "custodies"), custodies__child__in=keys[Child])
    return living.distinct(), children


list_tools.register("outgoing", Outgoing())
