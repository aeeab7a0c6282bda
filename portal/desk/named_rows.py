"""Rows named on a page that shows them: with a link where who looks may open it, else by name alone."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import helpers
from django.db.models import Model
from django.http import HttpRequest


def opens(request: HttpRequest, model: type[Model], row: Model) -> bool:
    """Whether the desk has a page of this row that who asks may open."""
    page = admin.site._registry.get(model)
    return page is not None and page.has_view_permission(request, row)


class NamedRow(helpers.AdminReadonlyField):
    """Django's own, which links each named row to its page, whoever looks."""

    def get_admin_url(self, remote_field: Any, remote_obj: Any) -> str:
        # `DeskAdmin` leaves the request with the forms of its pages.
        request: HttpRequest | None = getattr(self.form, "desk_request", None)
        if request is not None and not opens(request, remote_field.model, remote_obj):
            return str(remote_obj)
        return super().get_admin_url(remote_field, remote_obj)


def install() -> None:
    """Django draws its forms with a class that it names itself, and has no setting for another."""
    helpers.AdminReadonlyField = NamedRow  # type: ignore[misc]  # the name is ours to give
