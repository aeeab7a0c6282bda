"""The desk's way to the town's file: everything that `load_town` reads, as one download."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.text import slugify

from portal import town
from portal.desk.site import DeskAdmin, DeskLink
from portal.files.handing_over import hand_over
from portal.reservations.models import Activity
from portal.reservations.towns import town_file

PERMISSION = "reservations.view_activity"


class ExportsTown(DeskAdmin[Activity]):
    """Offers the town's file on the desk's first page, to who may see the activities."""

    desk_links = (
        DeskLink(
            title="Exporter la configuration de la commune",
            url_name="reservations_town_export",
            permission=PERMISSION,
            hint="Établissements, activités, périodes et délais en un fichier lisible.",
            order=80,
        ),
    )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.export_town)
        return [path("configuration.yaml", view, name="reservations_town_export"), *super().get_urls()]

    def export_town(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        name = f"{slugify(town.current().name) or 'commune'}-{timezone.localdate():%Y-%m-%d}.yaml"
        return hand_over(town_file.export(), name)
