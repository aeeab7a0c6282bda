"""« Historique » of a row: who changed what, when, before and after; and of the rows typed on its page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.formats import localize
from simple_history.admin import SimpleHistoryAdmin
from simple_history.template_utils import HistoricalRecordContextHelper

from portal.database.encrypted import EncryptedIbanField, Unreadable
from portal.desk.site import DeskAdmin, M
from portal.web.posted import posted_number

# Which history of the page: a part's, or the row's own where nothing is asked for.
ASKED = "de"
# What was written is shown whole: a note may be long.
LONGEST = 20_000


@dataclass(frozen=True)
class HistoryPart:
    """Rows of another model that stand on a row's page: who may see them reads their versions there too."""

    key: str
    title: str
    model: type[Model]
    parent: str  # the version's column with the key of the row whose page it is
    permission: str
    # How a version names its row, where there are several.
    named: Callable[[Any], str] = lambda version: ""
    # That somebody reads it, where that is kept.
    noted: Callable[[HttpRequest, str], None] = lambda request, object_id: None


class Difference(HistoricalRecordContextHelper):
    """What changed from a version to the next, in words."""

    def __init__(self, model: type[Model], version: Any, said: Callable[[Any], str]) -> None:
        super().__init__(model, version, max_displayed_delta_change_chars=LONGEST)
        self.said = said

    def prepare_delta_change_value(self, change: Any, value: Any) -> str:
        if value and isinstance(self.model._meta.get_field(change.field), EncryptedIbanField):
            return (
                value if isinstance(value, Unreadable) else f"…{value[-4:]}"
            )  # an account is told by its end
        value = super().prepare_delta_change_value(change, value)
        if isinstance(value, list):
            return ", ".join(sorted(self.said(one) for one in value))
        if isinstance(value, bool):
            return "oui" if value else "non"
        if isinstance(value, datetime):
            return str(localize(timezone.localtime(value)))
        if isinstance(value, date):
            return str(localize(value))
        field = self.model._meta.get_field(change.field)
        label = dict(getattr(field, "flatchoices", ())).get(value, value)
        return "" if label is None else self.said(label)


class WithHistory(SimpleHistoryAdmin[M], DeskAdmin[M]):
    """History to read. The library's page that restores an old version is left out, address and all:
    saving it would write states behind the verbs' back."""

    history_parts: Sequence[HistoryPart] = ()
    object_history_template = "admin/row_history.html"

    def get_urls(self) -> list[URLPattern]:
        return super(SimpleHistoryAdmin, self).get_urls()

    def said_in_history(self, value: Any) -> str:
        """A value, or a row that is pointed at, in words."""
        return str(value)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The row's own versions, or those of the part asked for: refused to who may not see it."""
        if posted_number(object_id) is None:
            raise Http404
        readable = [part for part in self.history_parts if request.user.has_perm(part.permission)]
        part = self._part(request)
        if part is not None:
            if part not in readable:
                raise PermissionDenied
            if self.has_view_or_change_permission(request):
                part.noted(request, object_id)
        context = {"history_parts": readable, "history_part": part, "asked_name": ASKED}
        return super().history_view(request, object_id, context | (extra_context or {}))

    def _part(self, request: HttpRequest) -> HistoryPart | None:
        asked = request.GET.get(ASKED)
        if asked is None:
            return None
        found = next((part for part in self.history_parts if part.key == asked), None)
        if found is None:
            raise Http404
        return found

    def get_history_queryset(
        self, request: HttpRequest, history_manager: Any, pk_name: str, object_id: Any
    ) -> QuerySet[Any]:
        part = self._part(request)
        if part is None:
            return super().get_history_queryset(request, history_manager, pk_name, object_id)
        versions = part.model.history.filter(**{part.parent: object_id})  # type: ignore[attr-defined]  # it has one
        found: QuerySet[Any] = versions.select_related("history_user")._select_related_history_tracked_objs()
        return found

    def set_history_delta_changes(
        self, request: HttpRequest, historical_records: Any, foreign_keys_are_objs: bool = True
    ) -> None:
        """Each version against the one before it of the same row, on this page or on the next."""
        shown = list(historical_records)
        if not shown:
            return
        part = self._part(request)
        model: type[Model] = shown[0].instance_type
        key = model._meta.pk.attname
        rows = {getattr(version, key) for version in shown}
        versions = type(shown[0])._default_manager.filter(
            **{f"{key}__in": rows, "history_date__lte": shown[0].history_date}
        )
        by_row: dict[Any, list[Any]] = {}
        # In the order of the page: the newest first.
        for version in versions.order_by("-history_date", "-history_id"):
            by_row.setdefault(getattr(version, key), []).append(version)
        for version in shown:
            if part is not None:
                version.row_name = part.named(version)
            older = by_row[getattr(version, key)]
            place = next(n for n, one in enumerate(older) if one.history_id == version.history_id)
            if version.history_type != "-" and place + 1 < len(older):
                delta = version.diff_against(older[place + 1], foreign_keys_are_objs=foreign_keys_are_objs)
                words = Difference(model, version, self.said_in_history)
                version.history_delta_changes = words.context_for_delta_changes(delta)
