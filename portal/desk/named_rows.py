"""Rows named on a page that shows them: with a link where who looks may open it, else by name alone."""

from typing import Any

from django.contrib.admin import helpers
from django.http import HttpRequest


class NamedRow(helpers.AdminReadonlyField):
    """Django's own, which links each named row to its page, whoever looks."""

    def get_admin_url(self, remote_field: Any, remote_obj: Any) -> str:
        # `DeskAdmin` leaves the request with the forms of its pages.
        request: HttpRequest | None = getattr(self.form, "desk_request", None)
        page = self.model_admin.admin_site._registry.get(remote_field.model)
        if request is not None and page is not None and not page.has_view_permission(request, remote_obj):
            return str(remote_obj)
        return super().get_admin_url(remote_field, remote_obj)


def install() -> None:
    """Django draws its forms with a class that it names itself, and has no setting for another."""
    helpers.AdminReadonlyField = NamedRow  # type: ignore[misc]  # the name is ours to give
