"""Pages of the desk: those that only show, pages of their own beside Django's."""

from collections.abc import Iterable
from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest
from django.template.response import TemplateResponse

from portal.desk.histories import WithHistory as WithHistory
from portal.desk.site import DeskAdmin, M
from portal.web.signed_in import SignedInRequest

# The model on whose page an inline stands.
Parent = TypeVar("Parent", bound=models.Model)


def log_all(request: SignedInRequest, rows: Iterable[models.Model], text: str) -> None:
    """Notes one sentence in the desk's log for each row, in one query."""
    LogEntry.objects.log_actions(
        user_id=request.user.pk, queryset=list(rows), action_flag=CHANGE, change_message=text
    )


def log_each(request: SignedInRequest, said: Iterable[tuple[models.Model, str]]) -> None:
    """Notes each row with a sentence of its own in the desk's log, in one query."""
    LogEntry.objects.bulk_create(
        LogEntry(
            user_id=request.user.pk,
            content_type=ContentType.objects.get_for_model(row),
            object_id=str(row.pk),
            object_repr=str(row)[:200],
            action_flag=CHANGE,
            change_message=text,
        )
        for row, text in said
    )


class Decides(DeskAdmin[M]):
    """Whoever may change the model may answer what waits in it."""

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.right_for("decide"))


class ShownOnly(Decides[M]):
    """Rows that only verbs write: pages show them, actions decide, nothing is typed or deleted.

    An action with `permissions=["decide"]` is for who may change the model.
    """

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OneRow(DeskAdmin[M]):
    """A table of one row: added where it is not there yet, never deleted. The menu of every page does not ask
    whether it is there: the row's own page is where it is added."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not self.model._default_manager.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        return {
            "add": False,
            "change": self.has_change_permission(request),
            "delete": False,
            "view": self.has_view_permission(request),
        }


class ShownOnlyInline(admin.TabularInline[M, Parent]):
    """Rows of an inline that only verbs write."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OwnPages(DeskAdmin[M]):
    """Pages of the desk that are no list and no form of a model."""

    def demand(self, request: HttpRequest, *permissions: str) -> None:
        """Raises PermissionDenied unless the user holds all of `permissions`."""
        if not request.user.has_perms(permissions):
            raise PermissionDenied

    def page(
        self, request: HttpRequest, template: str, title: str, context: dict[str, Any]
    ) -> TemplateResponse:
        """A page with the desk's own frame."""
        base = self.admin_site.each_context(request) | {"title": title, "subtitle": None, "opts": self.opts}
        return TemplateResponse(request, template, base | context)
