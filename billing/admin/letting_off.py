"""What a family is asked for one day beside its presences: read at the desk, and let off with a reason."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar, Protocol, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from portal.desk.lists import NumberSearch
from portal.desk.pages import WithHistory
from portal.french.amounts import euros
from portal.web.signed_in import user_of

Asked = TypeVar("Asked", bound=models.Model)


class Amount(Protocol):
    @property
    def amount(self) -> Decimal: ...


class LetsOff(NumberSearch[Asked], WithHistory[Asked]):
    """Rows that something else writes. Nothing of one is typed here but « motif de la remise », once."""

    list_filter = ("activity", "establishment")
    list_select_related = ("child", "activity")
    search_fields = ("child__folded",)
    search_help_text = "Nom de l'enfant ou numéro de foyer"
    date_hierarchy = "day"
    # Lets a row off (`reason=`, `by=`, `at=`), and what it raises where that is refused, in French.
    forgive: ClassVar[Callable[..., None]]
    refusal: ClassVar[type[Exception]]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        open_ = obj is not None and not obj.forgiven
        named = flatten_fieldsets(self.get_fieldsets(request, obj))
        return [name for name in named if not (open_ and name == "forgiven_reason")]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="montant", ordering="amount")
    def amount_shown(self, obj: Amount) -> str:
        return euros(obj.amount) if obj.amount else "rien à payer"

    def save_model(self, request: HttpRequest, obj: Asked, form: Any, change: bool) -> None:
        """« motif de la remise »: nothing else is written here. Raises OwnHousehold."""
        reason = form.cleaned_data.get("forgiven_reason", "")
        if not reason.strip():
            return
        try:
            type(self).forgive(obj, reason=reason, by=user_of(request), at=timezone.now())
        except self.refusal as refusal:
            messages.error(request, str(refusal))
