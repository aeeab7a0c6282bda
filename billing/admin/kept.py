"""Documents of an erased family: found by their number only, by the régie, each time noted.

The law keeps them as they are, names included, ten years; nobody comes across them in a list or by a name.
"""

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from families.models import Household, Reading
from families.traces import reading
from portal.desk.site import DeskAdmin, M
from portal.web.signed_in import SignedInRequest


def note_if_erased(request: SignedInRequest, household: Household, number: str) -> None:
    """A line in the register of reading, where the family is erased."""
    if household.erased_at is not None:
        reading.note(request, Reading.Kind.KEPT_DOCUMENT, household=household, what=f"n° {number}")


class FoundByNumber(DeskAdmin[M]):
    """`kept_of`: the path to the household; `kept_number`: the field by which a document is known."""

    kept_of: ClassVar[str] = "household"
    kept_number: ClassVar[str] = "number"

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        rows = super().get_queryset(request)
        match = request.resolver_match
        if match is not None and "object_id" in match.kwargs:
            return rows
        erased = Q(**{f"{self.kept_of}__erased_at__isnull": False})
        return rows.filter(~erased | Q(**{self.kept_number: request.GET.get("q", "").strip()}))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        answer = super().change_view(request, object_id, form_url, extra_context)
        row: Any = self.get_object(request, object_id)
        if row is not None and answer.status_code == 200 and isinstance(request, HttpRequest):
            home: Any = row
            for step in self.kept_of.split("__"):
                home = getattr(home, step)
            note_if_erased(request, home, getattr(row, self.kept_number))  # type: ignore[arg-type]  # logged in
        return answer
